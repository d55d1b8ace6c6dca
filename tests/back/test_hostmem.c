#include <check.h>
#include <stdlib.h>

#include "gateway/back/hostmem.h"

#define MIN INT64_C(60000)
#define T0 INT64_C(5000000)

static struct sock_addr
address(uint32_t n)
{
	struct sock_addr addr = {.port = 25};

	for (int i = 0; i < 4; i++)
		addr.ip.b[12 + i] = (uint8_t)(n >> (24 - 8 * i));
	return addr;
}

/* Each failure comes when the rest is over. */
START_TEST(test_rests_double)
{
	static const int64_t rests[] = {1, 2, 4, 8, 16, 32, 60, 60, 60};
	struct hostmem *mem = hostmem_create(0);
	struct sock_addr a = address(1), b = address(2);
	int64_t now = T0;

	ck_assert_int_eq(hostmem_rest_ms(mem, &a, now), 0);
	for (size_t i = 0; i < sizeof(rests) / sizeof(rests[0]); i++) {
		hostmem_try(mem, &a, now);
		hostmem_failed(mem, &a, now);
		ck_assert_int_eq(hostmem_rest_ms(mem, &a, now),
				 now + rests[i] * MIN);
		ck_assert_int_ne(
		    hostmem_rest_ms(mem, &a, now + rests[i] * MIN - 1), 0);
		now += rests[i] * MIN;
		ck_assert_int_eq(hostmem_rest_ms(mem, &a, now), 0);
	}
	ck_assert_int_eq(hostmem_rest_ms(mem, &b, now), 0);
	hostmem_destroy(&mem);
}
END_TEST

START_TEST(test_those_that_fail_together_fail_once)
{
	struct hostmem *mem = hostmem_create(0);
	struct sock_addr a = address(1);

	for (int i = 0; i < 20; i++)
		hostmem_failed(mem, &a, T0 + i);
	ck_assert_int_eq(hostmem_rest_ms(mem, &a, T0 + 20), T0 + MIN);
	hostmem_destroy(&mem);
}
END_TEST

START_TEST(test_one_goes_to_see)
{
	struct hostmem *mem = hostmem_create(0);
	struct sock_addr a = address(1);
	int64_t now = T0 + MIN;

	ck_assert(!hostmem_try(mem, &a, T0)); /* the first is no probe */
	ck_assert_int_eq(hostmem_rest_ms(mem, &a, T0), 0);
	hostmem_failed(mem, &a, T0);
	ck_assert_int_eq(hostmem_rest_ms(mem, &a, now), 0);
	ck_assert(hostmem_try(mem, &a, now));
	ck_assert_int_ne(hostmem_rest_ms(mem, &a, now), 0);
	hostmem_undecided(mem, &a);
	ck_assert_int_eq(hostmem_rest_ms(mem, &a, now), 0);
	/* One that never says anything does not keep the others for good. */
	hostmem_try(mem, &a, now);
	ck_assert_int_eq(hostmem_rest_ms(mem, &a, now + HOSTMEM_PROBE_MS), 0);
	hostmem_worked(mem, &a);
	ck_assert_int_eq(hostmem_rest_ms(mem, &a, now), 0);
	ck_assert_uint_eq(hostmem_count(mem), 0);
	/* What worked begins anew. */
	hostmem_failed(mem, &a, now);
	ck_assert_int_eq(hostmem_rest_ms(mem, &a, now), now + MIN);
	hostmem_destroy(&mem);
}
END_TEST

START_TEST(test_ports_are_hosts)
{
	struct hostmem *mem = hostmem_create(0);
	struct sock_addr a = address(1), b = a;

	b.port = 2525;
	hostmem_failed(mem, &a, T0);
	ck_assert_int_eq(hostmem_rest_ms(mem, &b, T0), 0);
	hostmem_destroy(&mem);
}
END_TEST

START_TEST(test_bounded)
{
	struct hostmem *mem = hostmem_create(100);
	struct sock_addr first = address(0), later = address(50),
			 last = address(999);

	for (uint32_t i = 0; i < 100; i++) {
		struct sock_addr addr = address(i);

		hostmem_failed(mem, &addr, T0);
	}
	/* Who failed again is not the oldest any more. */
	hostmem_failed(mem, &first, T0 + MIN);
	for (uint32_t i = 100; i < 1000; i++) {
		struct sock_addr addr = address(i);

		if (i == 150)
			ck_assert_int_ne(hostmem_rest_ms(mem, &first, T0), 0);
		hostmem_failed(mem, &addr, T0);
		ck_assert_uint_eq(hostmem_count(mem), 100);
	}
	ck_assert_int_eq(hostmem_rest_ms(mem, &later, T0), 0);
	ck_assert_int_ne(hostmem_rest_ms(mem, &last, T0), 0);
	hostmem_forgive(mem);
	ck_assert_uint_eq(hostmem_count(mem), 0);
	ck_assert_int_eq(hostmem_rest_ms(mem, &last, T0), 0);
	hostmem_destroy(&mem);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("back/hostmem");
	TCase *tc = tcase_create("hostmem");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, test_rests_double);
	tcase_add_test(tc, test_those_that_fail_together_fail_once);
	tcase_add_test(tc, test_one_goes_to_see);
	tcase_add_test(tc, test_ports_are_hosts);
	tcase_add_test(tc, test_bounded);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
