/* Streams in the clear; TLS has its own file. */
#include "gateway/net/stream.h"

#include <dirent.h>

#include "gateway/net/loop_int.h"
#include "tests/net/net_help.h"

enum act { ACT_NONE, ACT_DESTROY, ACT_FINISH };

/* An owner that takes lines, and records what happens to it. */
struct owner {
	struct loop *loop;
	struct stream *stream;
	struct buf seen; /* bytes it used */
	int data, drain, ends, end;
	size_t largest; /* slice */
	bool lines;	/* use whole lines only */
	bool echo;
	bool take_nothing;
	int pause_after; /* pause once this many bytes were used */
	enum act act_on_data, act_on_drain, act_on_end;
	int refill_fd;	       /* the peer sends a chunk here at each on_data */
	struct stream **other; /* finished first thing in on_data */
	bool inside;
};

static void
owner_act(struct owner *o, enum act act)
{
	switch (act) {
	case ACT_NONE:
		break;
	case ACT_DESTROY:
		stream_destroy(&o->stream);
		break;
	case ACT_FINISH:
		stream_write(o->stream, SLICE_LIT("bye\n"));
		stream_finish(&o->stream, 10000);
		break;
	}
}

static size_t
on_data(void *arg, struct slice in)
{
	static char chunk[2 * STREAM_PENDING_MAX];
	struct owner *o = arg;
	size_t used = in.n;

	ck_assert(!o->inside);
	if (o->other != NULL)
		stream_finish(o->other, 60000);
	if (o->refill_fd > 0 && o->seen.n < 8u << 20)
		(void)send(o->refill_fd, chunk, sizeof(chunk), 0);
	o->inside = true;
	ck_assert_uint_gt(in.n, 0);
	ck_assert_uint_le(in.n, STREAM_PENDING_MAX);
	o->data++;
	if (in.n > o->largest)
		o->largest = in.n;
	if (o->take_nothing)
		used = 0;
	if (o->lines)
		while (used > 0 && in.p[used - 1] != '\n')
			used--;
	if (o->pause_after > 0 && used >= (size_t)o->pause_after) {
		used = (size_t)o->pause_after;
		stream_pause(o->stream);
	}
	buf_add(&o->seen, in.p, used);
	if (o->echo)
		for (size_t i = 0; i < used; i++)
			stream_write(o->stream, slice_of(in.p + i, 1));
	owner_act(o, o->act_on_data);
	o->inside = false;
	return used;
}

static void
on_drain(void *arg)
{
	struct owner *o = arg;

	ck_assert(!o->inside);
	o->drain++;
	ck_assert_uint_eq(stream_unsent(o->stream), 0);
	owner_act(o, o->act_on_drain);
}

static void
on_end(void *arg, int err)
{
	struct owner *o = arg;

	ck_assert(!o->inside);
	o->ends++;
	o->end = err;
	owner_act(o, o->act_on_end);
}

static const struct stream_ops ops = {
    .on_data = on_data, .on_drain = on_drain, .on_end = on_end};

/* Returns the peer's end, a plain socket. */
static int
owner_start(struct owner *o)
{
	int fd[2];

	memset(o, 0, sizeof(*o));
	buf_init(&o->seen, 64u << 20);
	tcp_pair(fd);
	o->loop = loop_create();
	o->stream = stream_create(o->loop, fd[0], &ops, o);
	set_nonblocking(fd[1]);
	return fd[1];
}

static void
owner_stop(struct owner *o)
{
	stream_destroy(&o->stream);
	ck_assert_ptr_null(o->stream);
	loop_destroy(&o->loop);
	buf_fini(&o->seen);
}

START_TEST(echo_whole_and_in_pieces)
{
	static const char text[] = "EHLO x\r\nMAIL FROM:<a@b>\r\nQUIT\r\n";

	/* 0: whole, else the piece's size. */
	for (size_t piece = 0; piece <= 9; piece++) {
		struct owner o;
		struct buf in = {.cap = 1000};
		int fd = owner_start(&o);
		size_t n = piece == 0 ? strlen(text) : piece;

		o.echo = true;
		o.lines = true;
		for (size_t at = 0; at < strlen(text); at += n) {
			struct slice s =
			    slice_head(slice_from(slice_str(text), at), n);
			uint64_t want = at + s.n;

			ck_assert_int_eq(send(fd, s.p, s.n, 0), (ssize_t)s.n);
			TURN_UNTIL(o.loop, stream_bytes_in(o.stream) == want);
		}
		TURN_UNTIL(o.loop, (recv_now(fd, &in), in.n == strlen(text)));
		ck_assert(buf_is(&in, text));
		ck_assert(buf_is(&o.seen, text));
		ck_assert_uint_eq(stream_bytes_out(o.stream), strlen(text));
		ck_assert(!stream_has_pending(o.stream));
		ck_assert_int_eq(o.drain, 0);
		buf_fini(&in);
		close(fd);
		owner_stop(&o);
	}
}
END_TEST

START_TEST(pause_keeps_leftovers)
{
	struct owner o;
	int fd = owner_start(&o);

	o.pause_after = 2;
	send_str(fd, "a\nb\nc\n");
	TURN_UNTIL(o.loop, o.data == 1);
	ck_assert(stream_has_pending(o.stream));
	send_str(fd, "d\n");
	turn_some(o.loop);
	ck_assert_int_eq(o.data, 1);
	stream_resume(o.stream);
	ck_assert_int_eq(o.data, 1); /* from the loop only */
	TURN_UNTIL(o.loop, o.data == 2);
	ck_assert(buf_is(&o.seen, "a\nb\n"));
	o.pause_after = 0;
	stream_resume(o.stream);
	TURN_UNTIL(o.loop, o.seen.n == 8);
	ck_assert(buf_is(&o.seen, "a\nb\nc\nd\n"));
	close(fd);
	owner_stop(&o);
}
END_TEST

START_TEST(end_waits_for_paused_data)
{
	struct owner o;
	int fd = owner_start(&o);

	o.pause_after = 2;
	send_str(fd, "a\nb\n");
	close(fd);
	TURN_UNTIL(o.loop, o.data == 1);
	turn_some(o.loop);
	ck_assert_int_eq(o.ends, 0);
	o.pause_after = 0;
	stream_resume(o.stream);
	TURN_UNTIL(o.loop, o.ends == 1);
	ck_assert(buf_is(&o.seen, "a\nb\n"));
	ck_assert_int_eq(o.end, GW_ECLOSED);
	turn_some(o.loop);
	ck_assert_int_eq(o.ends, 1);
	owner_stop(&o);
}
END_TEST

/* A peer that sends without end and an owner that takes nothing. */
START_TEST(pending_has_a_cap)
{
	static char chunk[65536];
	struct owner o;
	int fd = owner_start(&o);
	ssize_t n = 1;

	o.take_nothing = true;
	for (int i = 0; i < 200; i++) {
		n = send(fd, chunk, sizeof(chunk), 0);
		turn_some(o.loop);
	}
	ck_assert_int_lt((int)n, 0); /* and so the peer has to wait */
	ck_assert_uint_eq(stream_bytes_in(o.stream), STREAM_PENDING_MAX);
	o.take_nothing = false;
	stream_resume(o.stream);
	TURN_UNTIL(o.loop, o.seen.n > 4 * STREAM_PENDING_MAX);
	close(fd);
	owner_stop(&o);
}
END_TEST

/* The peer does not read: everything is kept, in order, and drained once. */
START_TEST(large_output)
{
	static unsigned char chunk[100000];
	struct owner o;
	struct buf in = {.cap = 64u << 20};
	int fd = owner_start(&o);
	size_t total = 0, wrong = 0;

	for (int i = 0; i < 200; i++) {
		for (size_t c = 0; c < sizeof(chunk); c++)
			chunk[c] = (unsigned char)((total + c) % 251);
		stream_write(o.stream, slice_of(chunk, sizeof(chunk)));
		total += sizeof(chunk);
	}
	ck_assert_uint_gt(stream_unsent(o.stream), 0);
	ck_assert_uint_eq(stream_unsent(o.stream) + stream_bytes_out(o.stream),
			  total);
	turn_some(o.loop);
	ck_assert_int_eq(o.drain, 0);
	TURN_UNTIL(o.loop, (recv_now(fd, &in), in.n == total));
	TURN_UNTIL(o.loop, o.drain == 1);
	for (size_t i = 0; i < total; i++)
		wrong += (unsigned char)in.p[i] != i % 251;
	ck_assert_uint_eq(wrong, 0);
	turn_some(o.loop);
	ck_assert_int_eq(o.drain, 1);
	buf_fini(&in);
	close(fd);
	owner_stop(&o);
}
END_TEST

START_TEST(unsent_has_a_cap)
{
	static char chunk[1u << 20];
	struct owner o;
	int fd = owner_start(&o);

	for (int i = 0; i < 64; i++)
		stream_write(o.stream, slice_of(chunk, sizeof(chunk)));
	ck_assert_int_eq(o.ends, 0); /* not inside our own call */
	ck_assert_uint_eq(stream_unsent(o.stream), 0);
	TURN_UNTIL(o.loop, o.ends == 1);
	ck_assert_int_eq(o.end, GW_ETOOBIG);
	close(fd);
	owner_stop(&o);
}
END_TEST

/* Ten writes and one cork: one segment at the peer, and nothing before. */
START_TEST(cork_holds_back)
{
	struct owner o;
	struct buf in = {.cap = 1000};
	int fd = owner_start(&o);

	stream_cork(o.stream);
	for (int i = 0; i < 10; i++)
		stream_write(o.stream, SLICE_LIT("x"));
	turn_some(o.loop);
	ck_assert_int_lt((int)recv_now(fd, &in), 0);
	stream_uncork(o.stream);
	ck_assert_int_eq((int)recv_now(fd, &in), 10);
	turn_some(o.loop);
	ck_assert_int_eq(o.drain, 0); /* it finished at once */
	buf_fini(&in);
	close(fd);
	owner_stop(&o);
}
END_TEST

START_TEST(destroy_or_finish_in_callbacks)
{
	static char chunk[4u << 20];

	for (int i = 0; i < 6; i++) {
		enum act act = i % 2 == 0 ? ACT_DESTROY : ACT_FINISH;
		struct owner o;
		struct buf in = {.cap = 64u << 20};
		int fd = owner_start(&o);
		ssize_t n;

		o.lines = true; /* leaves something over */
		switch (i / 2) {
		case 0:
			o.act_on_data = act;
			send_str(fd, "a\nrest");
			break;
		case 1:
			o.act_on_drain = act;
			stream_write(o.stream, slice_of(chunk, sizeof(chunk)));
			break;
		case 2:
			o.act_on_end = act;
			send_str(fd, "a\nrest");
			shutdown(fd, SHUT_WR);
			break;
		}
		TURN_UNTIL(o.loop, (recv_now(fd, &in), o.stream == NULL));
		/* The peer sees its end; after finish, with the last words. */
		TURN_UNTIL(o.loop, (n = recv_now(fd, &in)) == 0 ||
				       (n < 0 && errno != EAGAIN));
		if (act == ACT_FINISH) {
			ck_assert_uint_ge(in.n, 4);
			ck_assert_int_eq(memcmp(in.p + in.n - 4, "bye\n", 4),
					 0);
		}
		buf_fini(&in);
		close(fd);
		turn_some(o.loop);
		owner_stop(&o);
	}
}
END_TEST

START_TEST(reset_by_peer)
{
	for (int i = 0; i < 3; i++) {
		struct owner o;
		int fd = owner_start(&o);

		if (i == 1) /* told also while paused, when writing shows it */
			stream_pause(o.stream);
		close_rst(fd);
		if (i > 0) {
			stream_write(o.stream, SLICE_LIT("x"));
			stream_write(o.stream, SLICE_LIT("y"));
		}
		ck_assert_int_eq(o.ends, 0);
		TURN_UNTIL(o.loop, o.ends == 1);
		ck_assert_int_eq(o.end, GW_ECLOSED);
		stream_write(o.stream, SLICE_LIT("z"));
		turn_some(o.loop);
		ck_assert_int_eq(o.ends, 1);
		owner_stop(&o);
	}
}
END_TEST

/* The peer says why and goes, while we write: its words are not lost. */
START_TEST(last_words_before_write_error)
{
	static char chunk[65536];
	struct owner o;
	int fd = owner_start(&o);

	stream_cork(o.stream);
	stream_write(o.stream, slice_of(chunk, sizeof(chunk)));
	send_str(fd, "421 go away\n");
	shutdown(fd, SHUT_RD);
	close(fd);
	stream_uncork(o.stream);
	stream_write(o.stream, slice_of(chunk, sizeof(chunk)));
	stream_write(o.stream, slice_of(chunk, sizeof(chunk)));
	TURN_UNTIL(o.loop, o.ends == 1);
	ck_assert(buf_is(&o.seen, "421 go away\n"));
	ck_assert_int_eq(o.end, GW_ECLOSED);
	owner_stop(&o);
}
END_TEST

/* The peer is still sending when it is refused: closing at once would reset
 * the connection and take the reply away. */
START_TEST(finish_lets_the_reply_arrive)
{
	static char chunk[65536];
	struct owner o;
	struct buf in = {.cap = 1000};
	int fd = owner_start(&o);
	ssize_t n;

	for (int i = 0; i < 8; i++)
		(void)send(fd, chunk, sizeof(chunk), 0);
	o.act_on_data = ACT_FINISH;
	TURN_UNTIL(o.loop, o.stream == NULL);
	for (int i = 0; i < 8; i++) {
		/* An error here would take the reset away from recv. */
		n = send(fd, chunk, sizeof(chunk), MSG_NOSIGNAL);
		ck_assert(n > 0 || errno == EAGAIN);
		turn_some(o.loop);
	}
	TURN_UNTIL(o.loop,
		   (n = recv_now(fd, &in)) == 0 || (n < 0 && errno != EAGAIN));
	ck_assert_int_eq((int)n, 0);
	ck_assert(buf_is(&in, "bye\n"));
	buf_fini(&in);
	close(fd);
	owner_stop(&o);
}
END_TEST

/* A peer that neither reads nor closes, and one that never stops sending. */
START_TEST(finish_has_bounds)
{
	static char chunk[4u << 20];
	struct owner o;
	int fd = owner_start(&o);
	size_t sent = 0;
	ssize_t n;

	stream_write(o.stream, slice_of(chunk, sizeof(chunk)));
	stream_write(o.stream, slice_of(chunk, sizeof(chunk)));
	ck_assert_uint_gt(stream_unsent(o.stream), 0);
	stream_finish(&o.stream, 30);
	/* Closed by force with bytes unsent: reading ends in a short count. */
	TURN_UNTIL(o.loop,
		   (n = send(fd, "x", 1, MSG_NOSIGNAL)) < 0 && errno != EAGAIN);
	close(fd);
	owner_stop(&o);

	fd = owner_start(&o);
	stream_finish(&o.stream, 60000);
	TURN_UNTIL(o.loop, (n = send(fd, chunk, 65536, MSG_NOSIGNAL),
			    sent += n > 0 ? (size_t)n : 0, n < 0) &&
			       errno != EAGAIN);
	ck_assert_uint_lt(sent, 32u << 20);
	close(fd);
	owner_stop(&o);
}
END_TEST

START_TEST(loop_ends_lingering_streams)
{
	struct owner o;
	int fd = owner_start(&o);

	stream_finish(&o.stream, 60000);
	turn_some(o.loop);
	owner_stop(&o); /* the leak checker looks on */
	close(fd);
}
END_TEST

static size_t
descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t count = 0;

	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

/* Peers that do not close held a descriptor each until their time was over:
 * who connected fast enough, and was turned away, had all of them. */
START_TEST(those_who_leave_have_a_cap)
{
	enum { PEERS = 400 };
	static int peers[PEERS];
	struct owner o;
	int fd = owner_start(&o), pair[2];
	size_t before = descriptors();
	struct stream *stream;

	for (int i = 0; i < PEERS; i++) {
		tcp_pair(pair);
		peers[i] = pair[1];
		stream = stream_create(o.loop, pair[0], &ops, &o);
		stream_write(stream, SLICE_LIT("421 go\r\n"));
		stream_finish(&stream, 60000);
	}
	ck_assert_uint_le(descriptors() - before, PEERS + 256);
	for (int i = 0; i < PEERS; i++) { /* each had its last word */
		char text[9] = "";

		ck_assert_int_eq(recv(peers[i], text, 8, 0), 8);
		ck_assert_str_eq(text, "421 go\r\n");
		close(peers[i]);
	}
	close(fd);
	owner_stop(&o);
}
END_TEST

/* The bytes that on_data is shown lie in a buffer of the loop's; finishing
 * another stream there read what its peer had sent into the same one. */
START_TEST(finish_of_another_spares_the_slice)
{
	struct owner o;
	int fd = owner_start(&o), pair[2];
	struct stream *other;

	tcp_pair(pair);
	other = stream_create(o.loop, pair[0], &ops, &o);
	stream_pause(other);
	o.other = &other;
	send_str(pair[1], "OTHER");
	send_str(fd, "ours!");
	TURN_UNTIL(o.loop, o.data > 0);
	ck_assert_mem_eq(o.seen.p, "ours!", 5);
	close(pair[1]);
	close(fd);
	owner_stop(&o);
}
END_TEST

/* A password that came in must not be found later where it lay. */
START_TEST(what_was_shown_is_wiped)
{
	static const char secret[] = "AUTH PLAIN c2VjcmV0\r\n";
	struct owner o;
	int fd = owner_start(&o);

	o.pause_after = 5; /* the rest waits in the stream's own buffer */
	send_str(fd, secret);
	TURN_UNTIL(o.loop, o.data > 0);
	ck_assert_ptr_null(
	    memmem(loop_scratch(o.loop), LOOP_SCRATCH_SIZE, "c2Vjc", 5));
	close(fd);
	owner_stop(&o);
}
END_TEST

/* Who has logged in has told what there was to tell. */
START_TEST(no_more_secrets)
{
	struct owner o;
	int fd = owner_start(&o);

	stream_secrets_over(o.stream);
	send_str(fd, "Subject: lunch\r\n");
	TURN_UNTIL(o.loop, o.data > 0);
	ck_assert_ptr_nonnull(
	    memmem(loop_scratch(o.loop), LOOP_SCRATCH_SIZE, "lunch", 5));
	close(fd);
	owner_stop(&o);
}
END_TEST

/* One stream that always has more, since each on_data makes its peer send
 * again, must not keep the other from its turn. */
START_TEST(fair_to_others)
{
	struct owner fast;
	struct owner slow;
	int fd, pair[2];
	size_t before;

	fd = owner_start(&fast);
	fast.refill_fd = fd;
	memset(&slow, 0, sizeof(slow));
	buf_init(&slow.seen, 1000);
	tcp_pair(pair);
	slow.stream = stream_create(fast.loop, pair[0], &ops, &slow);
	send_str(fd, "x");
	send_str(pair[1], "x");
	loop_turn(fast.loop);
	for (int i = 0; i < 10; i++) {
		before = fast.seen.n;
		loop_turn(fast.loop);
		ck_assert_uint_le(fast.seen.n - before,
				  (256u << 10) + STREAM_PENDING_MAX);
	}
	ck_assert_int_eq(slow.data, 1);
	fast.refill_fd = 0;
	TURN_UNTIL(fast.loop, recv(fd, &(char){0}, 1, 0) < 0);
	stream_destroy(&slow.stream);
	buf_fini(&slow.seen);
	close(pair[1]);
	close(fd);
	owner_stop(&fast);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
	    echo_whole_and_in_pieces,
	    pause_keeps_leftovers,
	    end_waits_for_paused_data,
	    pending_has_a_cap,
	    large_output,
	    unsent_has_a_cap,
	    cork_holds_back,
	    destroy_or_finish_in_callbacks,
	    reset_by_peer,
	    last_words_before_write_error,
	    finish_lets_the_reply_arrive,
	    finish_has_bounds,
	    loop_ends_lingering_streams,
	    those_who_leave_have_a_cap,
	    finish_of_another_spares_the_slice,
	    what_was_shown_is_wiped,
	    no_more_secrets,
	    fair_to_others,
	};

	return RUN_TESTS("net/stream", tests);
}
