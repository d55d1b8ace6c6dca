#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/back/hostset.h"
#include "gateway/base/mem.h"

static struct hostset *
make(const char *const *names, const uint16_t *weights,
     const uint16_t *priorities, size_t n)
{
	struct hostset *hosts = hostset_create(n);

	for (size_t i = 0; i < n; i++) {
		hosts->host[i].name = mem_strdup(names[i]);
		hosts->host[i].weight = weights[i];
		hosts->host[i].priority = priorities[i];
		hosts->host[i].ip_count = 1;
		hosts->host[i].ips[0].b[15] = (uint8_t)i;
	}
	return hosts;
}

static const char *const names[] = {"a", "b", "c"};

START_TEST(test_weights)
{
	static const uint16_t weights[] = {5, 1, 2}, priorities[] = {0, 0, 0};
	struct hostset *hosts = make(names, weights, priorities, 3);
	unsigned count[3] = {0};
	size_t last = HOST_NONE, run = 0, longest = 0;

	for (int i = 0; i < 800; i++) {
		size_t at = hostset_pick(hosts, 0, 0);

		count[at]++;
		run = at == last ? run + 1 : 1;
		longest = run > longest ? run : longest;
		last = at;
	}
	ck_assert_uint_eq(count[0], 500);
	ck_assert_uint_eq(count[1], 100);
	ck_assert_uint_eq(count[2], 200);
	ck_assert_uint_le(longest, 3); /* smooth, not five in a row */
	hostset_destroy(&hosts);
}
END_TEST

START_TEST(test_priority_and_aside)
{
	static const uint16_t weights[] = {1, 1, 1}, priorities[] = {0, 0, 9};
	struct hostset *hosts = make(names, weights, priorities, 3);

	for (int i = 0; i < 10; i++)
		ck_assert_uint_lt(hostset_pick(hosts, 0, 0), 2);
	hostset_failed(hosts, 0, 0);
	ck_assert_uint_eq(hostset_pick(hosts, 0, 0), 1);
	ck_assert_uint_eq(hostset_pick(hosts, 0, 1 << 1), 2);
	hostset_failed(hosts, 1, 0);
	ck_assert_uint_eq(hostset_pick(hosts, 29999, 0), 2);
	ck_assert_int_eq(hostset_back_ms(hosts, 0), 0);
	/* The last one: now all of them rest for a moment only. */
	hostset_failed(hosts, 2, 1000);
	ck_assert_uint_eq(hostset_pick(hosts, 1999, 0), HOST_NONE);
	ck_assert_int_eq(hostset_back_ms(hosts, 1500), 2000);
	ck_assert_uint_lt(hostset_pick(hosts, 2000, 0), 2);
	hostset_destroy(&hosts);
}
END_TEST

/* A dead server of one domain of many. */
START_TEST(test_doubling)
{
	static const uint16_t weights[] = {1}, priorities[] = {0};
	struct hostset *hosts = make(names, weights, priorities, 1);

	hosts->patient = true;
	hostset_failed(hosts, 0, 0);
	hostset_failed(hosts, 0, 10); /* its other connections: counts once */
	ck_assert_int_eq(hosts->host[0].aside_until_ms, 30000);
	hostset_failed(hosts, 0, 30000);
	ck_assert_int_eq(hosts->host[0].aside_until_ms, 90000);
	hostset_worked(hosts, 0);
	hostset_failed(hosts, 0, 100000);
	ck_assert_int_eq(hosts->host[0].aside_until_ms, 130000);
	hostset_forgive(hosts);
	ck_assert_uint_eq(hostset_pick(hosts, 100001, 0), 0);
	hostset_destroy(&hosts);
}
END_TEST

/* sluiced was there before its next hop, and mail stood for half a minute:
 * however long the hop was away, a quarter of that later it has been asked. */
START_TEST(test_alone)
{
	static const uint16_t weights[] = {1}, priorities[] = {0};
	struct hostset *hosts = make(names, weights, priorities, 1);
	int64_t now_ms = 0;

	for (int i = 0; i < 200; i++) {
		int64_t next_ms;

		hostset_failed(hosts, 0, now_ms);
		next_ms = hostset_back_ms(hosts, now_ms);
		if (now_ms <= 4000)
			ck_assert_int_le(next_ms - now_ms, 2000);
		ck_assert_int_le(next_ms - now_ms, 1000 + now_ms / 4);
		ck_assert_int_ge(next_ms - now_ms, 1000);
		ck_assert_int_le(next_ms - now_ms, 300000);
		now_ms = next_ms;
	}
	ck_assert_int_eq(hosts->rest_ms, 300000);
	hostset_worked(hosts, 0);
	hostset_failed(hosts, 0, now_ms);
	ck_assert_int_eq(hostset_back_ms(hosts, now_ms), now_ms + 1000);
	hostset_destroy(&hosts);
}
END_TEST

/* Letting us in wiped out that it broke each session: it was never put
 * aside, and half of the mail went to it again and again. */
START_TEST(test_breaks)
{
	static const uint16_t weights[] = {1, 1}, priorities[] = {0, 9};
	struct hostset *hosts = make(names, weights, priorities, 2);

	for (int i = 0; i < 3; i++) {
		ck_assert_uint_eq(hostset_pick(hosts, 0, 0), 0);
		hostset_worked(hosts, 0);
		hostset_broke(hosts, 0, 0);
	}
	ck_assert_uint_eq(hostset_pick(hosts, 0, 0), 1);
	hostset_worked(hosts, 0); /* its time is over */
	hostset_broke(hosts, 0, 40000);
	ck_assert_int_eq(hosts->host[0].aside_until_ms, 40000 + 60000);
	hostset_carried(hosts, 0);
	hostset_worked(hosts, 0);
	hostset_broke(hosts, 0, 200000);
	ck_assert_uint_eq(hostset_pick(hosts, 200000, 0), 0);
	/* Alone it goes on being asked. */
	hostset_failed(hosts, 1, 200000);
	hostset_broke(hosts, 0, 200001);
	hostset_broke(hosts, 0, 200002);
	hostset_broke(hosts, 0, 200003);
	ck_assert_uint_eq(hostset_pick(hosts, 200004, 0), 0);
	hostset_destroy(&hosts);
}
END_TEST

START_TEST(test_inherit)
{
	static const uint16_t weights[] = {1, 1, 1}, priorities[] = {0, 0, 0};
	struct hostset *old = make(names, weights, priorities, 3);
	struct hostset *hosts = make(names, weights, priorities, 3);

	hostset_failed(old, 1, 0);
	ck_assert_int_eq(old->host[1].aside_until_ms, 30000);
	hosts->host[2].ips[0].b[0] = 9; /* the same name, elsewhere now */
	hostset_failed(old, 2, 0);
	hostset_inherit(hosts, old);
	ck_assert_int_eq(hosts->host[0].aside_until_ms, 0);
	ck_assert_int_eq(hosts->host[1].aside_until_ms, 30000);
	ck_assert_int_eq(hosts->host[2].aside_until_ms, 0);
	hostset_destroy(&old);
	hostset_destroy(&hosts);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("back/hostset");
	TCase *tc = tcase_create("hostset");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, test_weights);
	tcase_add_test(tc, test_priority_and_aside);
	tcase_add_test(tc, test_doubling);
	tcase_add_test(tc, test_alone);
	tcase_add_test(tc, test_breaks);
	tcase_add_test(tc, test_inherit);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
