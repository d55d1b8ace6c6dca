/* Who is on the wire: time is an argument here. */
#include <check.h>
#include <stdlib.h>

#include "dns/slots.h"
#include "gateway/base/mem.h"

#define COUNT(a) (int)(sizeof(a) / sizeof((a)[0]))

enum { A = 1, B = 2, C = 3 };

static struct slots *slots;
static struct slot *all; /* freed with the test */
static size_t used;

static void
setup(void)
{
	slots = mem_alloc(sizeof(*slots));
	all = mem_array(20000, sizeof(*all));
	used = 0;
}

static void
teardown(void)
{
	free(slots);
	free(all);
}

static struct slot *
wait_one(uint64_t owner, int64_t now_ms)
{
	return slots_wait(slots, &all[used++], owner, now_ms);
}

static void
wait_many(uint32_t n, uint64_t owner, int64_t now_ms)
{
	while (n-- > 0)
		(void)wait_one(owner, now_ms);
}

static uint32_t
take_all(int64_t now_ms)
{
	uint32_t n = 0;

	while (slots_next(slots, now_ms) != NULL)
		n++;
	return n;
}

static uint32_t
give_up_all(int64_t now_ms, uint64_t owner)
{
	struct slot *slot;
	uint32_t n = 0;

	while ((slot = slots_tired(slots, now_ms)) != NULL)
		n += slot->owner == owner;
	return n;
}

/* owners: how many ask for more than there is; what each gets, what is left */
static const struct {
	const char *label;
	uint32_t max, owners, each, left;
} shares[] = {
    {"one alone leaves a quarter", 500, 1, 375, 125},
    {"two", 500, 2, 214, 72},
    {"ten", 500, 10, 48, 20},
    {"a small pool", 4, 1, 3, 1},
    {"two slots", 2, 1, 2, 0},
    {"one slot", 1, 1, 1, 0},
};

START_TEST(test_shares)
{
	uint32_t max = shares[_i].max;

	slots_init(slots, max);
	for (uint32_t i = 0; i < shares[_i].owners; i++)
		wait_many(max, i, 0);
	(void)take_all(0);
	for (uint32_t i = 0; i < shares[_i].owners; i++) {
		uint32_t got = slots->owners[i].fast_count;

		ck_assert_msg(got == shares[_i].each ||
				  got == shares[_i].each + 1,
			      "%s: %u", shares[_i].label, got);
	}
	ck_assert_msg(max - slots->fast_count <= shares[_i].left &&
			  max - slots->fast_count + shares[_i].owners >=
			      shares[_i].left,
		      "%s: %u left", shares[_i].label, max - slots->fast_count);
}
END_TEST

/* Somebody new is next, however many of another wait. */
START_TEST(test_newcomer)
{
	slots_init(slots, 100);
	wait_many(1000, A, 0);
	(void)take_all(0);
	ck_assert_ptr_null(slots_next(slots, 0));
	ck_assert_ptr_null(wait_one(B, 1));
	ck_assert_ptr_eq(slots_next(slots, 1), &all[used - 1]);
	ck_assert_ptr_null(slots_next(slots, 1));
}
END_TEST

/* The waiting ones of each owner come in their order, owners in turns. */
START_TEST(test_order)
{
	static const uint8_t want[] = {A, B, C, A, B, A, A};
	int64_t last[4] = {0};

	slots_init(slots, 100);
	for (int i = 0; i < 4; i++)
		(void)wait_one(A, i);
	for (int i = 0; i < 2; i++)
		(void)wait_one(B, 10 + i);
	(void)wait_one(C, 20);
	for (int i = 0; i < COUNT(want); i++) {
		struct slot *slot = slots_next(slots, 100);
		int64_t at = slot - all;

		ck_assert_msg(slot->owner == want[i], "turn %d: %u", i,
			      slot->owner);
		ck_assert(at >= last[slot->owner]);
		last[slot->owner] = at;
	}
	ck_assert_ptr_null(slots_next(slots, 100));
}
END_TEST

START_TEST(test_slow)
{
	slots_init(slots, 4);
	wait_many(4, A, 0);
	ck_assert_uint_eq(take_all(0), 3);
	ck_assert_uint_eq(give_up_all(SLOTS_FAST_MS - 1, A), 0);
	ck_assert_uint_eq(slots->fast_count, 3);
	ck_assert_uint_eq(give_up_all(SLOTS_FAST_MS, A), 0);
	ck_assert_uint_eq(slots->fast_count, 0);
	ck_assert_uint_eq(slots->slow_count, 3);
	ck_assert_uint_eq(take_all(SLOTS_FAST_MS), 1);
}
END_TEST

/* The pool is full: the oldest goes, of whoever has most in it. */
START_TEST(test_slow_full)
{
	int64_t now_ms = 0;

	slots_init(slots, 8);
	(void)wait_one(B, now_ms);
	ck_assert_uint_eq(take_all(now_ms), 1);
	for (int i = 0; i < 10; i++) {
		wait_many(6, A, now_ms);
		ck_assert_uint_eq(take_all(now_ms), 6);
		now_ms += SLOTS_FAST_MS;
		(void)give_up_all(now_ms, A);
		ck_assert_uint_le(slots->slow_count, 16);
		(void)take_all(now_ms);
	}
	ck_assert_uint_eq(slots->slow_count, 16);
	/* B's one is the oldest of all, and still there */
	ck_assert_uint_eq(all[0].state, SLOT_SLOW);
	ck_assert_uint_eq(slots->owners[B].slow_count, 1);
	ck_assert_uint_eq(all[1].state, SLOT_NONE);
}
END_TEST

START_TEST(test_queue_full)
{
	struct slot *gone;

	slots_init(slots, 1);
	for (int i = 0; i < 10; i++)
		ck_assert_ptr_null(wait_one(A, i));
	for (int i = 0; i < 6; i++)
		ck_assert_ptr_null(wait_one(B, 10 + i));
	/* 16 wait: the next one's place is A's eldest's */
	gone = wait_one(B, 20);
	ck_assert_ptr_eq(gone, &all[0]);
	ck_assert_uint_eq(gone->state, SLOT_NONE);
	ck_assert_uint_eq(slots->waiting_count, 16);
	for (int i = 0; i < 100; i++)
		(void)wait_one(B, 30 + i);
	ck_assert_uint_eq(slots->waiting_count, 16);
	ck_assert_uint_ge(slots->owners[A].waiting_count, 7);
}
END_TEST

START_TEST(test_wait_too_long)
{
	slots_init(slots, 1);
	(void)wait_one(A, 0);
	ck_assert_uint_eq(take_all(0), 1);
	wait_many(3, A, 10);
	wait_many(2, B, 20);
	ck_assert_uint_eq(give_up_all(200, A), 0);
	(void)give_up_all(SLOTS_WAIT_MS + 9, A);
	ck_assert_uint_eq(slots->waiting_count, 5);
	ck_assert_uint_eq(give_up_all(SLOTS_WAIT_MS + 10, A), 3);
	ck_assert_uint_eq(slots->waiting_count, 2);
	ck_assert_uint_eq(give_up_all(SLOTS_WAIT_MS + 20, B), 2);
	ck_assert_uint_eq(slots->waiting_count, 0);
}
END_TEST

/* Out of every state; nothing is left behind in the counts. */
START_TEST(test_leave)
{
	slots_init(slots, 10);
	wait_many(30, A, 0);
	(void)take_all(0);
	(void)give_up_all(SLOTS_FAST_MS, A);
	(void)take_all(SLOTS_FAST_MS);
	ck_assert_uint_gt(slots->waiting_count, 0);
	ck_assert_uint_gt(slots->fast_count, 0);
	ck_assert_uint_gt(slots->slow_count, 0);
	for (size_t i = 0; i < used; i++) {
		slots_leave(slots, &all[i]);
		slots_leave(slots, &all[i]);
	}
	ck_assert_uint_eq(slots->waiting_count, 0);
	ck_assert_uint_eq(slots->fast_count, 0);
	ck_assert_uint_eq(slots->slow_count, 0);
	ck_assert_uint_eq(slots->owners[A].waiting_count, 0);
	ck_assert_uint_eq(slots->owners[A].fast_count, 0);
	ck_assert_uint_eq(slots->owners[A].slow_count, 0);
	ck_assert_ptr_null(slots_next(slots, 1000));
	ck_assert_ptr_null(slots_tired(slots, 1000000));
}
END_TEST

/* Fewer slots than are taken: nothing new until enough have left. */
START_TEST(test_resize)
{
	slots_init(slots, 8);
	wait_many(12, A, 0);
	ck_assert_uint_eq(take_all(0), 6);
	slots_resize(slots, 2);
	ck_assert_uint_eq(take_all(0), 0);
	for (int i = 0; i < 5; i++)
		slots_leave(slots, &all[i]);
	ck_assert_uint_eq(take_all(0), 1);
	slots_resize(slots, 100);
	ck_assert_uint_eq(take_all(0), 5);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("dns/slots");
	TCase *tc = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_shares, 0, COUNT(shares));
	tcase_add_test(tc, test_newcomer);
	tcase_add_test(tc, test_order);
	tcase_add_test(tc, test_slow);
	tcase_add_test(tc, test_slow_full);
	tcase_add_test(tc, test_queue_full);
	tcase_add_test(tc, test_wait_too_long);
	tcase_add_test(tc, test_leave);
	tcase_add_test(tc, test_resize);
	suite_add_tcase(s, tc);
	runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
