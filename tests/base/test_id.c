#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/error.h"
#include "gateway/base/id.h"

#define WALL_MS 1795302329123

START_TEST(starts_above_all_seen)
{
	static const struct {
		const char *label;
		int64_t wall_ms;
		uint64_t seen, first;
	} rows[] = {
	    {"empty disk", 1000, 0, (uint64_t)1000 << 20},
	    {"clock ahead of the disk", 2000, 5, (uint64_t)2000 << 20},
	    {"clock went back", 10, (uint64_t)3000 << 20,
	     ((uint64_t)3000 << 20) + 1},
	    {"exactly the floor", 4000, (uint64_t)4000 << 20,
	     ((uint64_t)4000 << 20) + 1},
	    {"called again: never lower", 1, 0, ((uint64_t)4000 << 20) + 2},
	    {"clock before 1970", -1, 0, ((uint64_t)4000 << 20) + 3},
	    {"clock ahead again", WALL_MS, 0, (uint64_t)WALL_MS << 20},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		id_start(rows[i].wall_ms, rows[i].seen);
		ck_assert_msg(id_next() == rows[i].first, "%s", rows[i].label);
	}
	ck_assert_int_eq(id_wall_ms(id_next()), WALL_MS);
}
END_TEST

START_TEST(text_and_number_sort_alike)
{
	static const uint64_t ids[] = {0,
				       1,
				       31,
				       32,
				       1 << 20,
				       (uint64_t)WALL_MS << 20,
				       ((uint64_t)WALL_MS << 20) + 1,
				       UINT64_MAX - 1,
				       UINT64_MAX};
	char last[ID_TEXT_SIZE] = "", text[ID_TEXT_SIZE];
	uint64_t back;

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		id_format(ids[i], text);
		ck_assert_uint_eq(strlen(text), 13);
		ck_assert_int_gt(strcmp(text, last), 0);
		ck_assert_int_eq(id_parse(slice_str(text), &back), 0);
		ck_assert_uint_eq(back, ids[i]);
		memcpy(last, text, sizeof(last));
	}
	ck_assert_str_eq(text, "fzzzzzzzzzzzz");
}
END_TEST

START_TEST(reads_what_people_type)
{
	static const struct {
		const char *text;
		bool ok;
		uint64_t id;
	} rows[] = {
	    {"0000000000010", true, 32},
	    {"000000000001O", true, 32},
	    {"00000000000io", true, 32},
	    {"00000000000L0", true, 32},
	    {"FZZZZZZZZZZZZ", true, UINT64_MAX},
	    {"g000000000000", false, 0}, /* a 65th bit */
	    {"000000000000u", false, 0},
	    {"000000000000-", false, 0},
	    {"000000000000\xff", false, 0},
	    {"000000000000", false, 0},
	    {"00000000000000", false, 0},
	    {"", false, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t id = 7;

		ck_assert_msg(id_parse(slice_str(rows[i].text), &id) ==
				  (rows[i].ok ? 0 : GW_EINVAL),
			      "%s", rows[i].text);
		ck_assert_uint_eq(id, rows[i].ok ? rows[i].id : 7);
	}
}
END_TEST

#define THREADS 4
#define EACH 20000

static void *
take_ids(void *arg)
{
	uint64_t *ids = arg;

	for (size_t i = 0; i < EACH; i++) {
		ids[i] = id_next();
		if (i % 1000 == 0)
			id_start((int64_t)i, 0);
	}
	return NULL;
}

static int
by_number(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

START_TEST(never_twice_from_any_thread)
{
	static uint64_t ids[THREADS * EACH];
	pthread_t threads[THREADS];

	for (size_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(
		    pthread_create(&threads[i], NULL, take_ids, ids + i * EACH),
		    0);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	qsort(ids, THREADS * EACH, sizeof(ids[0]), by_number);
	for (size_t i = 1; i < THREADS * EACH; i++)
		ck_assert(ids[i - 1] != ids[i]);
	ck_assert(ids[0] != 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("id");
	TCase *tc = tcase_create("id");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, starts_above_all_seen);
	tcase_add_test(tc, text_and_number_sort_alike);
	tcase_add_test(tc, reads_what_people_type);
	tcase_add_test(tc, never_twice_from_any_thread);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
