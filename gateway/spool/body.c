#include "gateway/spool/body.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/spool/internal.h"

/*
 * A body while it arrives. It stays in memory until it is known to be large;
 * from then on its pieces go to the writer thread as they fill. The digest
 * runs along, on the thread that receives: so it is spread over the cores and
 * over the time of the transfer.
 */

#define FIRST_BYTES 8192
#define PIECE_BYTES 65536

struct spool_body *
spool_body_create(struct spool *spool)
{
	struct spool_body *body = mem_zalloc(sizeof(*body));

	body->spool = spool;
	body->digest = digest_create();
	return body;
}

void
spool_body_destroy(struct spool_body **body)
{
	struct spool_body *b = *body;

	*body = NULL;
	if (b == NULL)
		return;
	large_free(&b->stream);
	digest_destroy(&b->digest);
	free(b->p);
	free(b);
}

static void
hand_over(struct spool_body *body)
{
	if (body->n == 0)
		return;
	large_add(body->stream, body->p, body->n);
	body->p = NULL;
	body->n = body->size = 0;
}

/* Room for at least one byte more; returns how many. */
static size_t
room(struct spool_body *body, size_t want)
{
	size_t size = body->size;

	if (body->n < size)
		return size - body->n;
	if (body->stream != NULL) {
		hand_over(body);
		size = PIECE_BYTES;
	} else {
		size = size == 0 ? FIRST_BYTES : size * 2;
		while (size - body->n < want && size < PIECE_BYTES)
			size *= 2;
	}
	body->p = mem_resize(body->p, size);
	body->size = size;
	return size - body->n;
}

void
spool_body_add(struct spool_body *body, struct slice s)
{
	size_t n;

	assert(!body->ended);
	digest_add(body->digest, s);
	body->bytes += s.n;
	while (s.n > 0) {
		n = room(body, s.n);
		n = n < s.n ? n : s.n;
		memcpy(body->p + body->n, s.p, n);
		body->n += n;
		s = slice_from(s, n);
		if (body->stream == NULL &&
		    body->n > body->spool->opts.large_bytes) {
			body->stream = large_create(body->spool->writer);
			hand_over(body);
		}
	}
}

uint64_t
spool_body_bytes(const struct spool_body *body)
{
	return body->bytes;
}

void
spool_body_end(struct spool_body *body, uint8_t digest[DIGEST_SIZE])
{
	if (!body->ended) {
		digest_final(body->digest, body->sum);
		digest_destroy(&body->digest);
		if (body->stream != NULL)
			hand_over(body);
		body->ended = true;
	}
	memcpy(digest, body->sum, DIGEST_SIZE);
}

int64_t
spool_body_read(struct spool_body *body, uint64_t offset, void *p, size_t n)
{
	assert(body->ended);
	if (offset >= body->bytes || n == 0)
		return 0;
	if (n > body->bytes - offset)
		n = (size_t)(body->bytes - offset);
	if (body->stream != NULL)
		return large_read(body->stream, offset, p, n);
	memcpy(p, body->p + offset, n);
	return (int64_t)n;
}

bool
spool_body_backlogged(struct spool_body *body, spool_drained_fn *drained,
		      void *arg)
{
	if (body->stream == NULL)
		return false;
	return large_backlogged(body->stream, drained, arg);
}
