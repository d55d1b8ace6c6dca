#include <check.h>
#include <pthread.h>
#include <stdlib.h>

#include "ratelimit/crowd.h"

static struct ip_addr
ip(const char *text)
{
	struct ip_addr addr;

	ck_assert_int_eq(ip_parse(slice_str(text), &addr), 0);
	return addr;
}

START_TEST(counts_in_all_and_by_address)
{
	struct crowd *crowd = crowd_create();
	struct ip_addr a = ip("192.0.2.1"), b = ip("192.0.2.2");

	ck_assert_int_eq(crowd_enter(crowd, &a, 3, 2), CROWD_IN);
	ck_assert_int_eq(crowd_enter(crowd, &a, 3, 2), CROWD_IN);
	ck_assert_int_eq(crowd_enter(crowd, &a, 3, 2), CROWD_ADDRESS_FULL);
	ck_assert_int_eq(crowd_enter(crowd, &b, 3, 2), CROWD_IN);
	ck_assert_int_eq(crowd_enter(crowd, &b, 3, 2), CROWD_FULL);
	ck_assert_uint_eq(crowd_count(crowd), 3);
	crowd_leave(crowd, &a);
	ck_assert_int_eq(crowd_enter(crowd, &b, 3, 2), CROWD_IN);
	ck_assert_int_eq(crowd_enter(crowd, &b, 0, 0), CROWD_IN);
	crowd_destroy(&crowd);
}
END_TEST

START_TEST(a_v6_customer_is_one_address)
{
	struct crowd *crowd = crowd_create();
	struct ip_addr a = ip("2001:db8:1:2::1"), b = ip("2001:db8:1:2:f::9"),
		       c = ip("2001:db8:1:3::1");

	ck_assert_int_eq(crowd_enter(crowd, &a, 0, 1), CROWD_IN);
	ck_assert_int_eq(crowd_enter(crowd, &b, 0, 1), CROWD_ADDRESS_FULL);
	ck_assert_int_eq(crowd_enter(crowd, &c, 0, 1), CROWD_IN);
	crowd_leave(crowd, &b); /* the same /64 */
	ck_assert_int_eq(crowd_enter(crowd, &b, 0, 1), CROWD_IN);
	crowd_destroy(&crowd);
}
END_TEST

#define ROUNDS 20000

static void *
come_and_go(void *arg)
{
	struct crowd *crowd = arg;
	struct ip_addr a = ip("192.0.2.1");

	for (int i = 0; i < ROUNDS; i++)
		if (crowd_enter(crowd, &a, 0, 3) == CROWD_IN)
			crowd_leave(crowd, &a);
	return NULL;
}

START_TEST(threads_leave_nothing_behind)
{
	struct crowd *crowd = crowd_create();
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, come_and_go, crowd);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(crowd_count(crowd), 0);
	crowd_destroy(&crowd);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("crowd");
	TCase *tc = tcase_create("crowd");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, counts_in_all_and_by_address);
	tcase_add_test(tc, a_v6_customer_is_one_address);
	tcase_add_test(tc, threads_leave_nothing_behind);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
