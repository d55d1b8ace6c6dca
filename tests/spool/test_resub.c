#include <check.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/id.h"
#include "gateway/spool/io.h"
#include "gateway/spool/record.h"
#include "gateway/spool/resub_index.h"
#include "gateway/store/env.h"
#include "gateway/store/key.h"
#include "tests/spool/fixture.h"

/* Resubmission keys: on disk and in memory they say the same, whatever becomes
 * of a commit. Which lives of a message keep its key: test_queue. */

static struct fixture f;
static _Atomic bool failing;

static int
sync_fault(enum io_call call, size_t *n)
{
	(void)n;
	return failing && call == IO_SYNC ? EIO : 0;
}

static void
setup(void)
{
	fixture_init(&f);
	fixture_open(&f);
	io_set_fault(sync_fault);
}

static void
teardown(void)
{
	failing = false;
	io_set_fault(NULL);
	fixture_fini(&f);
}

static void
reopen(void)
{
	fixture_close(&f);
	fixture_open(&f);
}

static struct fixture_answer
submit(unsigned key)
{
	return fixture_submit(f.spool, 100, 1, 1, key);
}

static void
known(unsigned key, uint64_t id)
{
	struct fixture_answer a = submit(key);

	ck_assert_msg(a.answer == SPOOL_DUPLICATE && a.first_id == id, "key %u",
		      key);
}

static bool
count_one(void *arg, struct slice key, struct slice value)
{
	(void)key;
	(void)value;
	(*(size_t *)arg)++;
	return true;
}

static size_t
rows(enum store_table table)
{
	struct store_txn *txn = store_read(spool_store(f.spool));
	size_t count = 0;

	store_each(txn, table, SLICE_NONE, count_one, &count);
	ck_assert_int_eq(store_error(txn), 0);
	store_abort(&txn);
	return count;
}

/* What a failed commit put or dropped never was. */
START_TEST(test_failed_commit)
{
	struct spool_outcome_rcpt bounced = {.state = RCPT_BOUNCED};
	struct spool_outcome op = {.rcpts = &bounced, .rcpt_count = 1};
	struct fixture_answer a, b;

	failing = true;
	ck_assert_int_eq(submit(1).answer, SPOOL_FAILED);
	failing = false;
	a = submit(1);
	ck_assert_int_eq(a.answer, SPOOL_ACCEPTED);
	known(1, a.id);
	/* A report's body takes the outcome's transaction down with it. */
	op.id = a.id;
	op.dsn = fixture_msg(1);
	op.dsn_body = fixture_body(f.spool, 50, 2);
	spool_body_end(op.dsn_body, op.dsn->body.digest);
	failing = true;
	ck_assert_int_ne(fixture_outcome_of(f.spool, &op), 0);
	failing = false;
	known(1, a.id);
	reopen();
	known(1, a.id);
	ck_assert_int_eq(fixture_outcome(f.spool, a.id, 0, RCPT_BOUNCED), 0);
	b = submit(1);
	ck_assert_int_eq(b.answer, SPOOL_ACCEPTED);
	known(1, b.id);
	ck_assert_uint_eq(rows(STORE_RESUB), 1);
}
END_TEST

/* What is in quarantine may be sent again, but not where a copy without its
 * virus went out. */
START_TEST(test_quarantined)
{
	struct spool_outcome_rcpt rcpt = {.state = RCPT_QUARANTINED};
	struct spool_outcome op = {.rcpts = &rcpt, .rcpt_count = 1};
	uint64_t first = submit(1).id;

	op.id = first;
	if (_i == 1) {
		op.extra = fixture_msg(1);
		op.extra_body = fixture_body(f.spool, 50, 2);
		spool_body_end(op.extra_body, op.extra->body.digest);
	}
	ck_assert_int_eq(fixture_outcome_of(f.spool, &op), 0);
	if (_i == 1)
		reopen();
	if (_i == 1)
		known(1, first);
	else
		ck_assert_int_eq(submit(1).answer, SPOOL_ACCEPTED);
}
END_TEST

static void
row_put(enum store_table table, struct slice key, struct slice value)
{
	struct store_change put = {table, STORE_PUT, key, value};

	ck_assert_int_eq(fixture_change(f.spool, &put, 1), 0);
}

/* The index says perhaps; the record says no. */
START_TEST(test_another_key)
{
	struct record_resub rec = {.expiry_wall_s = clock_wall_s() + 1000};
	uint8_t key[8], value[RECORD_RESUB_SIZE];
	uint64_t id = submit(1).id;

	key_put_u64(key, id);
	memset(rec.key, 1, DIGEST_SIZE);
	rec.key[DIGEST_SIZE - 1]++;
	record_resub_encode(&rec, value);
	row_put(STORE_RESUB, slice_of(key, 8), slice_of(value, sizeof(value)));
	ck_assert_int_eq(submit(1).answer, SPOOL_ACCEPTED);
	rec.key[DIGEST_SIZE - 1]--;
	record_resub_encode(&rec, value);
	row_put(STORE_RESUB, slice_of(key, 8), slice_of(value, sizeof(value)));
	known(1, id);
}
END_TEST

/* Records that make no sense are no match, keep nobody from starting, and go
 * when their turn comes. */
START_TEST(test_damaged)
{
	uint8_t key[8];
	uint64_t id = submit(1).id;

	key_put_u64(key, id);
	row_put(STORE_RESUB, slice_of(key, 8), SLICE_LIT("nonsense"));
	if (_i == 1)
		reopen();
	ck_assert_int_eq(submit(1).answer, SPOOL_ACCEPTED);
	for (int i = 0; rows(STORE_RESUB) > 1; i++) {
		ck_assert_int_lt(i, 6000);
		usleep(10000);
	}
	ck_assert_int_eq(fixture_outcome(f.spool, id, 0, RCPT_BOUNCED), 0);
}
END_TEST

START_TEST(test_oldest_forgotten)
{
	enum { KEEP = 10, N = 60 };
	uint64_t ids[N + 1];

	fixture_close(&f);
	f.opts.resub_max = KEEP;
	fixture_open(&f);
	for (unsigned k = 1; k <= N; k++) {
		ids[k] = submit(k).id;
		if (k == N / 2)
			reopen();
	}
	for (int i = 0; rows(STORE_RESUB) > KEEP; i++) {
		ck_assert_int_lt(i, 6000);
		usleep(10000);
	}
	for (unsigned k = N - KEEP + 1; k <= N; k++)
		known(k, ids[k]);
	ck_assert_int_eq(submit(N - KEEP).answer, SPOOL_ACCEPTED);
}
END_TEST

/* More than one batch may sweep, over at once. */
START_TEST(test_all_over)
{
	enum { N = 3000 };
	static struct store_change changes[N];
	static uint8_t keys[N][8], values[N][RECORD_RESUB_SIZE];
	struct record_resub rec = {.expiry_wall_s = clock_wall_s() - 1};
	uint64_t id;

	for (uint32_t i = 0; i < N; i++) {
		key_put_u64(keys[i], i + 1);
		memcpy(rec.key, &i, sizeof(i));
		record_resub_encode(&rec, values[i]);
		changes[i] = (struct store_change){
		    STORE_RESUB, STORE_PUT, slice_of(keys[i], 8),
		    slice_of(values[i], RECORD_RESUB_SIZE)};
	}
	ck_assert_int_eq(fixture_change(f.spool, changes, N), 0);
	reopen();
	id = submit(7).id;
	for (int i = 0; rows(STORE_RESUB) > 1; i++) {
		ck_assert_int_lt(i, 6000);
		usleep(10000);
	}
	known(7, id);
}
END_TEST

/* Keys as the version before wrote them: by digest. */
START_TEST(test_moved)
{
	enum { N = 5000 };
	static struct store_change changes[N];
	static uint8_t keys[N][DIGEST_SIZE], values[N][17];
	struct store_change gone = {STORE_RESUB, STORE_DELETE, SLICE_NONE,
				    SLICE_NONE};
	uint8_t p[8];
	uint64_t id = submit(1).id;

	key_put_u64(p, id);
	gone.key = slice_of(p, 8);
	ck_assert_int_eq(fixture_change(f.spool, &gone, 1), 0);
	for (uint32_t i = 0; i < N; i++) {
		memset(keys[i], i == 0 ? 1 : 200, DIGEST_SIZE);
		memcpy(keys[i] + 1, &i, i == 0 ? 0 : sizeof(i));
		values[i][0] = 1;
		key_put_u64(values[i] + 1, i == 0 ? id : i);
		key_put_u64(values[i] + 9, (uint64_t)clock_wall_s() + 1000);
		changes[i] = (struct store_change){
		    STORE_RESUB_OLD, STORE_PUT, slice_of(keys[i], DIGEST_SIZE),
		    slice_of(values[i], i == 77 ? 9 : 17)};
	}
	ck_assert_int_eq(fixture_change(f.spool, changes, N), 0);
	reopen();
	ck_assert_uint_eq(rows(STORE_RESUB_OLD), 0);
	ck_assert_uint_eq(rows(STORE_RESUB), N - 1); /* one was damaged */
	known(1, id);
	ck_assert_int_eq(fixture_outcome(f.spool, id, 0, RCPT_BOUNCED), 0);
	ck_assert_int_eq(submit(1).answer, SPOOL_ACCEPTED);
}
END_TEST

/* --- the index alone --------------------------------------------------------
 */

static uint64_t
mix(uint64_t x)
{
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdull;
	x ^= x >> 33;
	return x * 0xc4ceb9fe1a85ec53ull;
}

static size_t
found(const struct resub_index *index, uint64_t hash, uint64_t id)
{
	size_t count = 0;
	uint64_t got;

	for (size_t n = 0; (got = resub_index_find(index, hash, n)) != 0; n++)
		count += got == id;
	return count;
}

/* Hashes of few values, at the end of a table, in one of them, of all. */
static const struct {
	const char *label;
	uint64_t and, or ;
} spreads[] = {
    {"all", UINT64_MAX, 0},
    {"one table", (1ull << 52) - 1, 5ull << 52},
    {"the last cells", 0xfff, 0xfff00000fffff000ull},
    {"seven values", 0xffe0000000000007ull & 0xf, 0},
    {"one value", 0, 0},
};

START_TEST(test_index)
{
	enum { N = 3000 };
	static bool there[N];
	struct resub_index *index = resub_index_create();
	size_t bytes = resub_index_bytes(index), count = 0;
	uint64_t hash, or = spreads[_i].or, and = spreads[_i].and;

	memset(there, 0, sizeof(there));
	ck_assert(!resub_index_remove(index, 1, 1));
	ck_assert_uint_eq(resub_index_find(index, 1, 0), 0);
	for (uint32_t i = 0; i < 12 * N; i++) {
		/* grows, stays, shrinks */
		uint64_t r = mix(i);
		size_t k = (size_t)(r % N);
		bool add = i < 6 * N ? r >> 60 < 11 : r >> 60 < 3;

		hash = (mix(k) & and) | or ;
		if (add && !there[k]) {
			resub_index_add(index, hash, k + 1);
			count++;
		} else if (!add) {
			ck_assert(resub_index_remove(index, hash, k + 1) ==
				  there[k]);
			count -= there[k];
		}
		if (add != there[k])
			there[k] = add;
		ck_assert_uint_eq(resub_index_count(index), count);
		if (i % 4096 != 0 && i != 12 * N - 1)
			continue;
		for (k = 0; k<N; k += _i> 2 ? 97 : 1)
			ck_assert_msg(found(index, (mix(k) & and) | or,
					    k + 1) == there[k],
				      "%s: %zu", spreads[_i].label, k);
	}
	for (size_t k = 0; k < N; k++)
		ck_assert(resub_index_remove(index, (mix(k) & and) | or,
					     k + 1) == there[k]);
	ck_assert_uint_eq(resub_index_count(index), 0);
	ck_assert_uint_le(resub_index_bytes(index), bytes + 4096 * 8 * 12);
	resub_index_destroy(&index);
	ck_assert_ptr_null(index);
}
END_TEST

START_TEST(test_index_size)
{
	enum { N = 1000000 };
	struct resub_index *index = resub_index_create();

	for (uint64_t i = 1; i <= N; i++)
		resub_index_add(index, mix(i), i << 20);
	ck_assert_uint_le(resub_index_bytes(index), (size_t)22 * N);
	for (uint64_t i = 1; i <= N; i += 11)
		ck_assert_uint_eq(found(index, mix(i), i << 20), 1);
	resub_index_destroy(&index);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("spool/resub");
	TCase *tc = tcase_create("resub");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_failed_commit);
	tcase_add_loop_test(tc, test_quarantined, 0, 2);
	tcase_add_test(tc, test_another_key);
	tcase_add_loop_test(tc, test_damaged, 0, 2);
	tcase_add_test(tc, test_oldest_forgotten);
	tcase_add_test(tc, test_all_over);
	tcase_add_test(tc, test_moved);
	suite_add_tcase(suite, tc);
	tc = tcase_create("index");
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_index, 0,
			    sizeof(spreads) / sizeof(spreads[0]));
	tcase_add_test(tc, test_index_size);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
