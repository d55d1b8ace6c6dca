#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/back/routing.h"
#include "gateway/base/error.h"

static const char *const one[] = {"example.com", ".example.net"};
static const char *const two[] = {"mail.example.net", ".deep.example.net"};

static const struct back_route routes[] = {
    {.hop = 0},
    {.domains = one, .domain_count = 2, .hop = 1},
    {.domains = two, .domain_count = 2, .hop = 2},
};

static const struct {
	const char *label, *domain;
	size_t hop;
} finds[] = {
    {"exact", "example.com", 1},
    {"exact is not below", "mail.example.com", 0},
    {"dotted: itself", "example.net", 1},
    {"dotted: below", "a.b.example.net", 1},
    {"dotted: not a suffix within a label", "badexample.net", 0},
    {"exact wins over dotted", "mail.example.net", 2},
    {"below the exact: the dotted again", "x.mail.example.net", 1},
    {"the longest dotted wins", "x.deep.example.net", 2},
    {"another", "example.org", 0},
    {"empty", "", 0},
    {"a dot", ".", 0},
    {"dots", "...", 0},
};

START_TEST(test_finds)
{
	struct routing *routing;
	char error[128];

	ck_assert_int_eq(
	    routing_create(&routing, routes, 3, 3, error, sizeof(error)), 0);
	for (size_t i = 0; i < sizeof(finds) / sizeof(finds[0]); i++)
		ck_assert_msg(
		    routing_find(routing, slice_str(finds[i].domain)) ==
			finds[i].hop,
		    "%s", finds[i].label);
	ck_assert_uint_eq(routing_find(routing, SLICE_NONE), 0);
	routing_destroy(&routing);
	ck_assert_ptr_null(routing);
}
END_TEST

START_TEST(test_long_domain)
{
	struct routing *routing;
	char error[128], name[1000];

	memset(name, 'a', sizeof(name));
	ck_assert_int_eq(
	    routing_create(&routing, routes, 3, 3, error, sizeof(error)), 0);
	for (size_t n = 0; n < sizeof(name); n++)
		ck_assert_uint_eq(routing_find(routing, slice_of(name, n)), 0);
	routing_destroy(&routing);
}
END_TEST

static const char *const twice[] = {"a.test", "a.test"};

static const struct {
	const char *label;
	struct back_route routes[2];
	size_t count;
	const char *says;
} wrongs[] = {
    {"no default", {{.domains = one, .domain_count = 2}}, 1, "no default"},
    {"none at all", {{.hop = 0}}, 0, "no default"},
    {"two defaults", {{.hop = 0}, {.hop = 1}}, 2, "more than one"},
    {"no such hop", {{.hop = 5}}, 1, "names no next hop"},
    {"twice",
     {{.hop = 0}, {.domains = twice, .domain_count = 2}},
     2,
     "a.test is routed twice"},
};

START_TEST(test_says_what_is_wrong)
{
	for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
		struct routing *routing;
		char error[128] = "";

		ck_assert_msg(routing_create(&routing, wrongs[i].routes,
					     wrongs[i].count, 2, error,
					     sizeof(error)) == GW_EINVAL,
			      "%s", wrongs[i].label);
		ck_assert_msg(strstr(error, wrongs[i].says) != NULL, "%s: %s",
			      wrongs[i].label, error);
		ck_assert_ptr_null(routing);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("back/routing");
	TCase *tc = tcase_create("routing");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, test_finds);
	tcase_add_test(tc, test_long_domain);
	tcase_add_test(tc, test_says_what_is_wrong);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
