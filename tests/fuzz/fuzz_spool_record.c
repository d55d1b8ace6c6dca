#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/spool/record.h"

/*
 * The first byte chooses the decoder. What decodes must encode to the same
 * bytes again: a record has one form.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
same(const void *a, size_t n, struct slice b)
{
	if (n != b.n || memcmp(a, b.p, n) != 0)
		abort();
}

static void
message(struct slice s)
{
	struct spool_msg msg;
	size_t n;
	char *p;

	memset(&msg, 0, sizeof(msg));
	if (record_msg_decode(s, &msg) != 0)
		return;
	n = record_msg_size(&msg);
	p = malloc(n);
	if (p == NULL)
		abort();
	record_msg_encode(&msg, p);
	/* a string that must not be absent is read as an empty one, which is
	 * written as that: a byte more each; one of the first version gets a
	 * campaign */
	if (n == s.n && s.p[0] == p[0])
		same(p, n, s);
	else if (n < s.n || n > s.n + 3 + 8)
		abort();
	memset(&msg, 0, sizeof(msg));
	if (record_msg_decode(slice_of(p, n), &msg) != 0 ||
	    record_msg_size(&msg) != n)
		abort();
	free(p);
}

static void
recipient(struct slice s)
{
	struct spool_rcpt rcpt;
	size_t n;
	void *p;

	if (record_rcpt_decode(s, &rcpt) != 0)
		return;
	n = record_rcpt_size(&rcpt);
	p = malloc(n);
	if (p == NULL)
		abort();
	record_rcpt_encode(&rcpt, p);
	/* one of the first version is written as one of the second: its domain
	 * was not asked about */
	if (s.p[0] != 1)
		same(p, n, s);
	else if (n != s.n + 2 || rcpt.domain != RCPT_DOMAIN_FINE)
		abort();
	free(p);
}

static void
segment(struct slice s)
{
	uint8_t p[RECORD_SEGMENT_SIZE];
	struct record_segment seg;

	if (record_segment_decode(s, &seg) != 0)
		return;
	record_segment_encode(&seg, p);
	same(p, sizeof(p), s);
}

static void
resubmission(struct slice s)
{
	uint8_t p[RECORD_RESUB_SIZE];
	struct record_resub resub;

	if (record_resub_decode(s, &resub) != 0)
		return;
	record_resub_encode(&resub, p);
	same(p, sizeof(p), s);
}

static void
purge(struct slice s)
{
	uint8_t p[RECORD_PURGE_SIZE];
	struct record_purge rec;

	if (record_purge_decode(s, &rec) != 0)
		return;
	record_purge_encode(&rec, p);
	same(p, sizeof(p), s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const all[])(struct slice s) = {
	    message, recipient, segment, resubmission, purge};
	struct slice s;
	char *exact;

	if (size < 1)
		return 0;
	exact = malloc(size);
	if (exact == NULL)
		abort();
	memcpy(exact, data, size);
	s = slice_of(exact + 1, size - 1);
	all[data[0] % 5](s);
	free(exact);
	return 0;
}
