/*
 * The way out of a stream whose owner is done with it: what is queued, then
 * close_notify and FIN, then the peer's remaining bytes are read and dropped
 * until it closes too. Closing with bytes unread would make the kernel send
 * RST, which takes our last reply ("421 ...") out of the peer's hands.
 *
 * Two bounds: the owner's linger_ms, and DROP_MAX for a peer that goes on
 * sending. The loop holds streams that are leaving, so that its end is theirs.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "gateway/base/mem.h"
#include "gateway/net/stream_int.h"

#define DROP_MAX (4u << 20)

struct stream_out {
	struct loop_orphan orphan;
	struct stream *stream;
	struct timer_op *linger;
	size_t dropped;
	bool notify_waits; /* close_notify did not fit into the socket */
	bool shut;	   /* FIN is sent */
};

static void
end_orphan(struct loop_orphan *orphan)
{
	/* The orphan is the first field. */
	struct stream_out *leaving = (struct stream_out *)(void *)orphan;
	struct stream *s = leaving->stream;

	stream_destroy(&s); /* it may be the one whose owner is being called */
}

static void
on_linger(void *arg)
{
	struct stream *s = arg;

	s->leaving->linger = NULL;
	stream_free(s);
}

void
stream_finish_fini(struct stream *s)
{
	timer_cancel(&s->leaving->linger);
	loop_disown(s->loop, &s->leaving->orphan);
	free(s->leaving);
	s->leaving = NULL;
}

/* true: all is said, and FIN is sent. */
static bool
say_goodbye(struct stream *s)
{
	struct stream_out *leaving = s->leaving;

	stream_flush(s);
	if (s->write_end == 0 && stream_unsent_now(s) > 0)
		return false;
	leaving->notify_waits = !stream_close_notify(s);
	if (leaving->notify_waits)
		return false;
	SSL_free(s->ssl);
	s->ssl = NULL;
	leaving->shut = true;
	return true;
}

/* true: the peer is at its end too, or has sent enough. */
static bool
drop_input(struct stream *s)
{
	char *scratch = loop_scratch(s->loop);
	size_t total = 0;
	ssize_t n;

	while (total < STREAM_TURN_BYTES) {
		n = recv(s->fd, scratch, LOOP_SCRATCH_SIZE, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0 || errno != EAGAIN;
		total += (size_t)n;
		s->leaving->dropped += (size_t)n;
		if (s->leaving->dropped > DROP_MAX)
			return true;
	}
	return false; /* still readable: the next turn goes on */
}

/* What can be sent is; false: s is gone. */
static bool
leave(struct stream *s)
{
	if (s->leaving->shut || !say_goodbye(s))
		return true;
	if (s->write_end == 0 && shutdown(s->fd, SHUT_WR) == 0)
		return true;
	stream_free(s);
	return false;
}

void
stream_finish_turn(struct stream *s)
{
	if (!leave(s))
		return;
	if (s->leaving->shut && drop_input(s))
		stream_free(s);
	else
		stream_arm(s);
}

bool
stream_finish_wants_read(const struct stream *s)
{
	return s->leaving->shut || s->write_needs == NEED_READ;
}

bool
stream_finish_wants_write(const struct stream *s)
{
	return s->leaving->notify_waits ||
	       (stream_unsent_now(s) > 0 && s->write_needs != NEED_READ);
}

void
stream_finish(struct stream **sp, int64_t linger_ms)
{
	struct stream *s = *sp;
	struct stream_out *leaving;

	*sp = NULL;
	if (s == NULL)
		return;
	leaving = mem_zalloc(sizeof(*leaving));
	leaving->stream = s;
	leaving->orphan.end = end_orphan;
	leaving->linger = timer_start(s->loop, linger_ms, on_linger, s);
	loop_adopt(s->loop, &leaving->orphan);
	s->leaving = leaving;
	s->quiet = true;
	s->cork = 0;
	s->want_drain = false;
	buf_wipe(&s->pending);
	/* Input is dropped from the loop only: here another stream's owner may
	 * be looking at the buffer it would go through. */
	if (!s->calling && leave(s))
		stream_arm(s);
}
