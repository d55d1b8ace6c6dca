#ifndef GATEWAY_ICAP_HEAD_H
#define GATEWAY_ICAP_HEAD_H

#include "gateway/base/buf.h"

/*
 * A head as ICAP takes it from HTTP: a start line, fields, an empty line. Fed
 * with what arrives; keeps a copy. Lines may end in LF alone, empty lines in
 * front are passed over, a line that is no field is left out.
 */
#define ICAP_HEAD_BYTES_MAX 32768
#define ICAP_HEAD_FIELDS_MAX 128

struct icap_field { /* offsets in the text */
	uint32_t name, name_n, value, value_n;
};

struct icap_head {
	struct buf text;
	size_t line; /* where the line under way begins */
	bool started;
	bool open; /* the last line was a field: it may go on */
	size_t start_n;
	uint32_t count;
	struct icap_field fields[ICAP_HEAD_FIELDS_MAX];
};

enum icap_head_step {
	ICAP_HEAD_MORE,
	ICAP_HEAD_DONE,
	ICAP_HEAD_BAD, /* over a cap */
};

void icap_head_init(struct icap_head *head);
void icap_head_fini(struct icap_head *head);
void icap_head_reset(struct icap_head *head);
/* Takes from *in what belongs to the head; nothing after DONE or BAD. */
enum icap_head_step icap_head_add(struct icap_head *head, struct slice *in);

/* What has come so far, without empty lines in front. */
struct slice icap_head_text(const struct icap_head *head);
/* The first line; all are borrowed until the next add or reset. */
struct slice icap_head_start(const struct icap_head *head);
/* Of the first field of that name in any case; SLICE_NONE without one. A
 * folded value has its line ends and leading blanks still in it. */
struct slice icap_head_get(const struct icap_head *head, const char *name);
/* The next one from *at, 0 at first; false: no more. */
bool icap_head_next(const struct icap_head *head, const char *name,
		    uint32_t *at, struct slice *value);
/* A comma-separated list in all fields of that name has word, in any case. */
bool icap_head_lists(const struct icap_head *head, const char *name,
		     const char *word);

#endif
