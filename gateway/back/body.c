#include "gateway/back/body.h"

#include <string.h>

#include "gateway/base/error.h"

#define READ_MAX 65536

void
body_init(struct body *body)
{
	memset(body, 0, sizeof(*body));
	body->digest = digest_create();
}

void
body_fini(struct body *body)
{
	body_close(body);
	digest_destroy(&body->digest);
}

/* It was moved so long ago that the spool forgot from where. A message that
 * says the same as before has lost its segment. */
static int
open_anew(struct body *body, struct spool *spool, const struct spool_msg *msg)
{
	const struct spool_ref *old = &msg->body;
	struct spool_msg *now;
	int err = spool_load_some(spool, msg->id, NULL, 0, &now);

	if (err != 0)
		return err;
	err = GW_ECORRUPT;
	if (now->body.segment != old->segment ||
	    now->body.offset != old->offset)
		err = spool_reader_open(spool, &now->body, &body->reader);
	spool_msg_destroy(&now);
	return err;
}

int
body_open(struct body *body, struct spool *spool, const struct spool_msg *msg)
{
	int err = spool_reader_open(spool, &msg->body, &body->reader);

	if (err == GW_ENOENT)
		err = open_anew(body, spool, msg);
	if (err != 0)
		return err;
	digest_reset(body->digest);
	body->msg = msg;
	body->prefix_at = 0;
	body->body_at = 0;
	body->err = 0;
	return 0;
}

void
body_close(struct body *body)
{
	spool_reader_close(&body->reader);
	body->msg = NULL;
}

static size_t
read_prefix(struct body *body, char *p, size_t n)
{
	struct slice rest =
	    slice_head(slice_from(body->msg->prefix, body->prefix_at), n);

	if (rest.n > 0)
		memcpy(p, rest.p, rest.n);
	body->prefix_at += rest.n;
	return rest.n;
}

static int64_t
read_spool(struct body *body, char *p, size_t n)
{
	uint64_t left = body->msg->body.length - body->body_at;
	int64_t got;

	if (n > READ_MAX)
		n = READ_MAX;
	if (n > left)
		n = (size_t)left;
	if (n == 0)
		return 0;
	got = spool_reader_read(body->reader, body->body_at, p, n);
	if (got < 0)
		return got;
	if ((size_t)got < n)
		return GW_ECORRUPT; /* somebody cut the file */
	digest_add(body->digest, slice_of(p, n));
	body->body_at += n;
	return got;
}

static int
check_digest(struct body *body)
{
	uint8_t digest[DIGEST_SIZE];

	digest_final(body->digest, digest);
	return memcmp(digest, body->msg->body.digest, DIGEST_SIZE) == 0
		   ? 0
		   : GW_ECORRUPT;
}

int64_t
body_read(void *arg, void *p, size_t n)
{
	struct body *body = arg;
	size_t filled;
	int64_t got;

	if (body->err != 0)
		return body->err;
	filled = read_prefix(body, p, n);
	if (filled == n)
		return (int64_t)filled;
	got = read_spool(body, (char *)p + filled, n - filled);
	if (got == 0 && filled == 0)
		got = check_digest(body);
	if (got < 0) {
		body->err = (int)got;
		return got;
	}
	return (int64_t)filled + got;
}
