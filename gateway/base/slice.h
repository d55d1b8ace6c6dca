#ifndef GATEWAY_BASE_SLICE_H
#define GATEWAY_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Borrowed bytes: not NUL-terminated, may hold any byte. {NULL, 0} is none. */
struct slice {
	const char *p;
	size_t n;
};

#define SLICE_LIT(s) ((struct slice){("" s), sizeof(s) - 1})
#define SLICE_NONE ((struct slice){NULL, 0})

struct slice slice_of(const void *p, size_t n);
struct slice slice_str(const char *s); /* NULL gives SLICE_NONE */
bool slice_eq(struct slice a, struct slice b);
bool slice_ieq(struct slice a, struct slice b); /* ASCII case folded */
bool slice_starts(struct slice s, struct slice prefix);
bool slice_istarts(struct slice s, struct slice prefix);
bool slice_iends(struct slice s, struct slice suffix);
int slice_cmp(struct slice a, struct slice b); /* memcmp order, then length */
/* As a C string. False: it has a NUL, or does not fit in size with one. */
bool slice_copy(struct slice s, char *out, size_t size);

/* Offset of the first c, or s.n when there is none. */
size_t slice_find(struct slice s, char c);
struct slice slice_from(struct slice s, size_t offset); /* clamped */
struct slice slice_head(struct slice s, size_t n);	/* clamped */
struct slice slice_trim(struct slice s); /* SP and HTAB at both ends */

/* Cut the next token before sep off *rest; false when *rest is used up (so a
 * sep at the very end is followed by no empty token). */
bool slice_split(struct slice *rest, char sep, struct slice *token);

/* Whole slice as a decimal, no sign; false on anything else or overflow. */
bool slice_u64(struct slice s, uint64_t *value);

/* A NUL-terminated copy the caller frees; bytes after an inner NUL are kept. */
char *slice_dup(struct slice s);

#endif
