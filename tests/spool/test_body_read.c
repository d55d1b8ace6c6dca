#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/error.h"
#include "gateway/base/mem.h"
#include "gateway/spool/io.h"
#include "tests/spool/fixture.h"

/*
 * A body is read before it is handed in: from memory, or from the file that the
 * writer thread may still be writing. The read runs on a thread of its own, as
 * a scan does.
 */

static struct fixture f;

/* The writer's next write to the disk waits here. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool shut;
	_Atomic int errnum; /* then it fails with this */
	enum io_call call;
} gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0,
	  IO_WRITE};

static int
gate_pass(enum io_call call, size_t *n)
{
	(void)n;
	if (call != gate.call)
		return 0;
	pthread_mutex_lock(&gate.lock);
	while (gate.shut)
		pthread_cond_wait(&gate.wake, &gate.lock);
	pthread_mutex_unlock(&gate.lock);
	return gate.errnum;
}

static void
gate_set(bool shut)
{
	pthread_mutex_lock(&gate.lock);
	gate.shut = shut;
	pthread_cond_broadcast(&gate.wake);
	pthread_mutex_unlock(&gate.lock);
}

static bool
gate_is_shut(void)
{
	bool shut;

	pthread_mutex_lock(&gate.lock);
	shut = gate.shut;
	pthread_mutex_unlock(&gate.lock);
	return shut;
}

static void
setup(void)
{
	fixture_init(&f);
	fixture_open(&f);
	gate.shut = false;
	gate.errnum = 0;
	gate.call = IO_WRITE;
	io_set_fault(gate_pass);
}

static void
teardown(void)
{
	io_set_fault(NULL);
	fixture_fini(&f);
}

/* --- one read */

struct reading {
	pthread_t thread;
	struct spool_body *body;
	size_t bytes, step;
	unsigned seed;
	int64_t got; /* of the call that ended it */
	bool wrong;
	bool early; /* it had an answer while the gate was shut */
};

static void *
reading_run(void *arg)
{
	struct reading *r = arg;
	char *p = mem_alloc(r->step);
	uint64_t at = 0;

	for (;;) {
		r->got = spool_body_read(r->body, at, p, r->step);
		r->early |= gate_is_shut();
		if (r->got <= 0)
			break;
		for (int64_t i = 0; i < r->got; i++)
			r->wrong |=
			    p[i] != fixture_byte(at + (size_t)i, r->seed);
		at += (uint64_t)r->got;
		/* short at the end alone */
		r->wrong |= (size_t)r->got < r->step && at != r->bytes;
	}
	r->wrong |= r->got == 0 && at != r->bytes;
	free(p);
	return NULL;
}

static void
reading_start(struct reading *r, size_t bytes, size_t step, unsigned seed)
{
	uint8_t digest[DIGEST_SIZE];

	memset(r, 0, sizeof(*r));
	r->bytes = bytes;
	r->step = step;
	r->seed = seed;
	r->body = fixture_body(f.spool, bytes, seed);
	spool_body_end(r->body, digest);
	ck_assert_int_eq(pthread_create(&r->thread, NULL, reading_run, r), 0);
}

static void
reading_end(struct reading *r, const char *label)
{
	pthread_join(r->thread, NULL);
	ck_assert_msg(!r->wrong, "%s: bytes", label);
	ck_assert_msg(r->got == 0, "%s: %d", label, (int)r->got);
}

/* --- what is read */

static const struct {
	const char *label;
	size_t bytes, step;
} sizes[] = {
    {"nothing", 0, 10},
    {"a byte", 1, 10},
    {"small, byte by byte", 300, 1},
    {"small, more than there is", 300, 4096},
    {"the largest in memory", 16 * 1024, 1000},
    {"the smallest streamed", 16 * 1024 + 1, 1000},
    {"streamed, across its pieces", 300000, 4097},
    {"streamed, in one", 300000, 300001},
    {"streamed, several turns", 3 << 20, 65536},
};

START_TEST(test_read)
{
	struct reading r;

	reading_start(&r, sizes[_i].bytes, sizes[_i].step, 7);
	reading_end(&r, sizes[_i].label);
	spool_body_destroy(&r.body);
}
END_TEST

START_TEST(test_anywhere)
{
	static const size_t lengths[] = {1000, 100000};
	struct reading r;
	char p[32];

	for (size_t l = 0; l < 2; l++) {
		size_t bytes = lengths[l];

		reading_start(&r, bytes, 4096, 3);
		reading_end(&r, "anywhere");
		for (size_t at = 0; at <= bytes + 5; at += 13) {
			size_t left = at < bytes ? bytes - at : 0;
			size_t want = left < sizeof(p) ? left : sizeof(p);

			ck_assert_int_eq(
			    spool_body_read(r.body, at, p, sizeof(p)),
			    (int64_t)want);
			for (size_t i = 0; i < want; i++)
				r.wrong |= p[i] != fixture_byte(at + i, 3);
		}
		ck_assert(!r.wrong);
		ck_assert_int_eq(spool_body_read(r.body, 0, p, 0), 0);
		ck_assert_int_eq(spool_body_read(r.body, UINT64_MAX, p, 1), 0);
		spool_body_destroy(&r.body);
	}
}
END_TEST

/* --- while it is written */

/* The bytes that are still on their way are waited for. */
START_TEST(test_waits)
{
	struct reading r;

	gate_set(true);
	reading_start(&r, 2 << 20, 10000, 5);
	gate_set(false);
	reading_end(&r, "waits");
	ck_assert(!r.early);
	spool_body_destroy(&r.body);
}
END_TEST

START_TEST(test_waits_for_failure)
{
	static const int errnums[] = {EIO, ENOSPC};
	struct reading r;

	gate_set(true);
	gate.errnum = errnums[_i];
	reading_start(&r, 200000, 10000, 5);
	gate_set(false);
	pthread_join(r.thread, NULL);
	ck_assert(!r.early && !r.wrong);
	ck_assert_int_eq(r.got, GW_EIO);
	spool_body_destroy(&r.body);
}
END_TEST

START_TEST(test_read_fails)
{
	struct reading r;

	gate.call = IO_READ;
	gate.errnum = EIO;
	reading_start(&r, 200000, 10000, 5);
	pthread_join(r.thread, NULL);
	ck_assert_int_eq(r.got, GW_EIO);
	gate.errnum = 0;
	spool_body_destroy(&r.body);
}
END_TEST

/* Many at once, each read while it and the others are written. */
START_TEST(test_together)
{
	struct reading r[8];

	for (unsigned i = 0; i < 8; i++)
		reading_start(&r[i], (i % 2 ? 500000 : 1000) + i, 3000 + i, i);
	for (unsigned i = 0; i < 8; i++) {
		reading_end(&r[i], "together");
		spool_body_destroy(&r[i].body);
	}
	fixture_close(&f);
	ck_assert_uint_eq(fixture_files(&f), 0);
}
END_TEST

/* --- and then it is kept */

struct answer {
	struct spool_accept op; /* first */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool over;
};

static void
on_answer(struct spool_accept *op)
{
	struct answer *a = (struct answer *)op;

	pthread_mutex_lock(&a->lock);
	a->over = true;
	pthread_cond_signal(&a->wake);
	pthread_mutex_unlock(&a->lock);
}

static void
keep(struct answer *a, struct spool_msg *msg, struct spool_body *body)
{
	memset(a, 0, sizeof(*a));
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->wake, NULL);
	a->op.msg = msg;
	a->op.body = body;
	a->op.done = on_answer;
	spool_body_end(body, msg->body.digest);
	spool_accept_start(f.spool, &a->op);
	pthread_mutex_lock(&a->lock);
	while (!a->over)
		pthread_cond_wait(&a->wake, &a->lock);
	pthread_mutex_unlock(&a->lock);
}

START_TEST(test_then_kept)
{
	static const size_t lengths[] = {1000, 100000};
	struct spool_msg *msg = fixture_msg(1);
	uint64_t id = msg->id;
	struct reading r;
	struct answer a;

	reading_start(&r, lengths[_i], 4096, 11);
	reading_end(&r, "kept");
	keep(&a, msg, r.body);
	ck_assert_int_eq(a.op.answer, SPOOL_ACCEPTED);
	ck_assert_int_eq(spool_load(f.spool, id, &msg), 0);
	ck_assert_ptr_null(
	    fixture_body_check(f.spool, &msg->body, lengths[_i], 11));
	spool_msg_destroy(&msg);
}
END_TEST

/* A disk that fails under the scan is the same to the client as without one. */
START_TEST(test_then_failed)
{
	static const struct {
		int errnum;
		enum spool_answer answer;
	} rows[] = {{EIO, SPOOL_FAILED}, {ENOSPC, SPOOL_FULL}};
	struct reading r;
	struct answer a;

	gate.errnum = rows[_i].errnum;
	reading_start(&r, 100000, 4096, 11);
	pthread_join(r.thread, NULL);
	ck_assert_int_eq(r.got, GW_EIO);
	gate.errnum = 0;
	keep(&a, fixture_msg(1), r.body);
	ck_assert_int_eq(a.op.answer, rows[_i].answer);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("spool/body-read");
	TCase *tc = tcase_create("body-read");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_read, 0, sizeof(sizes) / sizeof(sizes[0]));
	tcase_add_test(tc, test_anywhere);
	tcase_add_test(tc, test_waits);
	tcase_add_loop_test(tc, test_waits_for_failure, 0, 2);
	tcase_add_test(tc, test_read_fails);
	tcase_add_test(tc, test_together);
	tcase_add_loop_test(tc, test_then_kept, 0, 2);
	tcase_add_loop_test(tc, test_then_failed, 0, 2);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
