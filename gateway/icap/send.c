/*
 * A request on its way out: head, preview, body in chunks.
 *
 * The body is read straight into the buffer that is written, framing around
 * it, and written from the loop only, where a write goes to the kernel at once:
 * the stream queues what does not fit of one chunk, and nothing is read until
 * that has left. So a request holds a chunk at most, whatever the body's size.
 *
 * The last chunk is the statement that this was all: it is sent only after
 * read has said so too.
 */
#include <stdio.h>
#include <string.h>

#include "gateway/icap/icap_int.h"
#include "gateway/icap/request.h"

#define TURN_BYTES 262144 /* of one request in one turn of the loop */
#define SIZE_LINE 19	  /* 16 digits, CRLF, NUL */

/*
 * c-icap 0.5.10 drops a connection now and then, of 20 MiB one in ten, when it
 * is slower than its client and a TLS record is more than it reads at once
 * (4 KiB). Measured: none of 240 with these, at the same speed.
 */
#define TLS_CHUNK_BYTES 4000

static void send_soon(struct icap_conn *c);

/* False: the body cannot be read, or is not as long as was said. */
static bool
read_exactly(struct icap_conn *c, char *p, size_t n)
{
	const struct icap_req *req = &c->op->req;
	size_t have = 0;
	int64_t got;

	while (have < n) {
		got = req->read(req->read_arg, c->sent_bytes + have, p + have,
				n - have);
		if (got <= 0 || (uint64_t)got > n - have)
			return false;
		have += (size_t)got;
	}
	digest_add(c->sent, slice_of(p, n));
	c->sent_bytes += n;
	return true;
}

static bool
at_its_end(struct icap_conn *c)
{
	const struct icap_req *req = &c->op->req;
	char more;

	if (req->read(req->read_arg, c->sent_bytes, &more, 1) != 0)
		return false;
	digest_final(c->sent, c->sent_sum);
	return true;
}

/* A chunk of n bytes at *p, if n is not 0: that would be the last one. */
static bool
put_chunk(struct icap_conn *c, char **p, size_t n)
{
	if (n == 0)
		return true;
	*p += snprintf(*p, SIZE_LINE, "%zx\r\n", n);
	if (!read_exactly(c, *p, n))
		return false;
	memcpy(*p + n, "\r\n", 2);
	*p += n + 2;
	return true;
}

static void
put_text(char **p, const char *text)
{
	size_t n = strlen(text);

	memcpy(*p, text, n);
	*p += n;
}

/* Up to most bytes of the body, and its end if that is reached. */
static bool
put_body(struct icap_conn *c, char **p, uint64_t most, const char *end)
{
	uint64_t left = c->op->req.bytes - c->sent_bytes;

	if (!put_chunk(c, p, (size_t)(left < most ? left : most)))
		return false;
	if (left > most)
		return true;
	if (!at_its_end(c))
		return false;
	put_text(p, end);
	c->sending = ICAP_SEND_DONE;
	return true;
}

static void
put_head(struct icap_conn *c, char **p)
{
	struct icap_pool *pool = c->pool;
	struct icap_request request = {&pool->service, &pool->terms,
				       &c->op->req, c->preview};
	struct buf out = {.cap = ICAP_REQUEST_BYTES};

	if (c->op->is_options)
		icap_request_options_put(&out, &pool->service);
	else
		icap_request_put(&out, &request);
	memcpy(*p, buf_cstr(&out), out.n);
	*p += out.n;
	buf_fini(&out);
}

/* The next piece of the request at p. */
static bool
put_next(struct icap_conn *c, char **p)
{
	uint64_t most =
	    c->pool->service.tls != NULL ? TLS_CHUNK_BYTES : ICAP_CHUNK_BYTES;

	if (c->sending == ICAP_SEND_BODY)
		return put_body(c, p, most, "0\r\n\r\n");
	put_head(c, p);
	if (c->op->is_options) {
		c->sending = ICAP_SEND_DONE;
		return true;
	}
	if (c->preview < 0) {
		c->sending = ICAP_SEND_BODY;
		return put_body(c, p, most, "0\r\n\r\n");
	}
	c->sending = ICAP_SEND_WAIT;
	if (!put_body(c, p, (uint64_t)c->preview, "0; ieof\r\n\r\n"))
		return false;
	if (c->sending == ICAP_SEND_WAIT)
		put_text(p, "0\r\n\r\n");
	return true;
}

static bool
has_more(const struct icap_conn *c)
{
	return c->sending == ICAP_SEND_HEAD || c->sending == ICAP_SEND_BODY;
}

static void
on_pump(void *arg)
{
	struct icap_conn *c = arg;
	char *scratch = c->pool->scratch, *end;
	size_t total = 0;

	c->pump = NULL;
	while (has_more(c) && stream_unsent(c->stream) == 0) {
		if (total > TURN_BYTES) {
			send_soon(c);
			return;
		}
		end = scratch;
		if (!put_next(c, &end)) {
			icap_conn_fail(c, SCAN_WHY_READ,
				       "the content cannot be read, or is not "
				       "as long as it was");
			return;
		}
		stream_write(c->stream,
			     slice_of(scratch, (size_t)(end - scratch)));
		total += (size_t)(end - scratch);
	}
}

/* Inside a callback of the stream all that is written is queued first: send
 * from the loop. */
static void
send_soon(struct icap_conn *c)
{
	if (c->pump == NULL)
		c->pump = timer_start(c->pool->loop, 0, on_pump, c);
}

void
icap_send_begin(struct icap_conn *c)
{
	struct icap_pool *pool = c->pool;

	c->sending = ICAP_SEND_HEAD;
	c->sent_bytes = 0;
	c->preview = -1;
	if (!c->op->is_options)
		c->preview =
		    icap_preview(&pool->options, &pool->terms, c->op->req.name,
				 pool->service.preview_max);
	if (c->preview > ICAP_CHUNK_BYTES)
		c->preview = ICAP_CHUNK_BYTES;
	digest_reset(c->sent);
	send_soon(c);
}

void
icap_send_continue(struct icap_conn *c)
{
	c->sending = ICAP_SEND_BODY;
	send_soon(c);
}

void
icap_send_more(struct icap_conn *c)
{
	if (has_more(c))
		send_soon(c);
}
