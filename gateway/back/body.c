/*
 * What leaves of a message. The digest is over all that the spool has, also
 * over what is left out: whether a message was altered does not depend on whom
 * it is sent to.
 *
 * Tokens stand in our prefix and in the header of the client's bytes. That
 * header is read once more at the open for it, out of the cache in which the
 * reads behind it will find it; where no hop is to know of tokens nothing is.
 */
#include "gateway/back/body.h"

#include <string.h>

#include "gateway/base/buf.h"
#include "gateway/base/error.h"

#define READ_MAX 65536
#define HEADER_READ 8192

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

/* --- what is left out ------------------------------------------------------
 */

/* The header of the client's bytes into `out`, if it ends within the cap. */
static bool
read_header(struct body *body, struct buf *out)
{
	uint64_t length = body->msg->body.length;
	size_t want = HEADER_READ, end = 0;
	int64_t got;
	char *room;

	while (end == 0 && out->n < length) {
		if (want > length - out->n)
			want = (size_t)(length - out->n);
		room = buf_reserve(out, want);
		if (room == NULL)
			return false;
		got = spool_reader_read(body->reader, out->n, room, want);
		if (got <= 0)
			return false; /* whoever reads it all will say */
		out->n += (size_t)got;
		end = tokens_header_end(buf_slice(out));
		want = out->n;
	}
	if (end > 0)
		out->n = end;
	return true;
}

static void
find_tokens(struct body *body, enum back_tokens tokens)
{
	struct slice prefix = body->msg->prefix;
	struct tokens ours = {.count = 0};
	struct buf header = {.cap = TOKENS_HEADER_MAX};

	memset(&body->tokens, 0, sizeof(body->tokens));
	if (tokens == BACK_TOKENS_UNKNOWN)
		return;
	tokens_find(&ours, prefix, 0);
	if (tokens == BACK_TOKENS_STRIP)
		body->tokens = ours;
	else if (ours.count == 0)
		return; /* who came with one keeps it */
	/* else all that follows is not header */
	if (tokens_header_end(prefix) == 0 && read_header(body, &header))
		tokens_find(&body->tokens, buf_slice(&header), prefix.n);
	buf_fini(&header);
}

/* --- its life --------------------------------------------------------------
 */

int
body_open(struct body *body, struct spool *spool, const struct spool_msg *msg,
	  enum back_tokens tokens)
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
	find_tokens(body, tokens);
	return 0;
}

uint64_t
body_bytes(const struct body *body)
{
	return body->msg->prefix.n + body->msg->body.length -
	       body->tokens.bytes;
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

/* As it is stored. */
static int64_t
read_some(struct body *body, void *p, size_t n)
{
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

int64_t
body_read(void *arg, void *p, size_t n)
{
	struct body *body = arg;
	uint64_t at;
	int64_t got;

	do {
		at = body->prefix_at + body->body_at;
		got = read_some(body, p, n);
		if (got <= 0)
			return got;
		got = (int64_t)tokens_cut(&body->tokens, at, p, (size_t)got);
	} while (got == 0); /* nothing of it leaves */
	return got;
}
