#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/back/result.h"
#include "gateway/base/error.h"

static const struct {
	const char *label;
	struct smtp_reply reply;
	enum fate fate;
	const char *text;
} cases[] = {
    {"taken",
     {.code = 250, .enhanced = {2, 0, 0}},
     FATE_DELIVERED,
     "250 2.0.0 text"},
    {"taken, no enhanced code", {.code = 250}, FATE_DELIVERED, "250 text"},
    {"252 is taken", {.code = 252}, FATE_DELIVERED, "252 text"},
    {"refused",
     {.code = 550, .enhanced = {5, 1, 1}},
     FATE_BOUNCED,
     "550 5.1.1 text"},
    {"refused, no enhanced code", {.code = 554}, FATE_BOUNCED, "554 text"},
    {"the classes disagree: the code is right",
     {.code = 450, .enhanced = {5, 1, 1}},
     FATE_DEFERRED,
     "450 5.1.1 text"},
    {"later",
     {.code = 451, .enhanced = {4, 7, 1}},
     FATE_DEFERRED,
     "451 4.7.1 text"},
    {"a 354 where it does not belong",
     {.code = 354},
     FATE_DEFERRED,
     "354 text"},
    {"refused connection", {.err = GW_EREFUSED}, FATE_DEFERRED, "4.4.1 text"},
    {"silence", {.err = GW_ETIMEDOUT}, FATE_DEFERRED, "4.4.2 text"},
    {"gone", {.err = GW_ECLOSED}, FATE_DEFERRED, "4.4.2 text"},
    {"garbage", {.err = GW_EPROTO}, FATE_DEFERRED, "4.5.0 text"},
    {"TLS", {.err = GW_ETLS}, FATE_DEFERRED, "4.7.5 text"},
};

START_TEST(test_fates)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct smtp_reply reply = cases[i].reply;
		struct result result;
		struct buf text;

		reply.text = SLICE_LIT("text");
		result_of_reply(&result, &reply);
		ck_assert_msg(result.fate == cases[i].fate, "%s",
			      cases[i].label);
		buf_init(&text, 100);
		result_format(&text, &result);
		ck_assert_msg(strcmp(buf_cstr(&text), cases[i].text) == 0,
			      "%s: %s", cases[i].label, buf_cstr(&text));
		buf_fini(&text);
	}
}
END_TEST

/* It was deferred for four days; to connect with a bad name still is. */
START_TEST(test_an_address_that_cannot_be_sent)
{
	struct smtp_reply reply = {.err = GW_EINVAL, .text = SLICE_LIT("text")};
	struct result result;
	struct buf text;

	buf_init(&text, 100);
	result_of_rcpt(&result, &reply);
	result_format(&text, &result);
	ck_assert_int_eq(result.fate, FATE_BOUNCED);
	ck_assert_str_eq(buf_cstr(&text), "5.1.3 text");
	buf_clear(&text);
	result_of_reply(&result, &reply);
	ck_assert_int_eq(result.fate, FATE_DEFERRED);
	buf_fini(&text);
}
END_TEST

/* A DSN's Diagnostic-Code once had 5.2.1 where the hop had said 4.2.1. */
START_TEST(test_expiry_leaves_what_was_said)
{
	struct smtp_reply reply = {.code = 450, .enhanced = {4, 2, 1}};
	struct result result;
	struct buf text;

	reply.text = SLICE_LIT("later");
	result_of_reply(&result, &reply);
	result.fate = FATE_BOUNCED;
	result.enhanced[0] = 5;
	buf_init(&text, 100);
	result_format(&text, &result);
	ck_assert_str_eq(buf_cstr(&text), "450 4.2.1 later");
	buf_fini(&text);
}
END_TEST

START_TEST(test_set)
{
	struct result result;

	result_set(&result, FATE_BOUNCED, "5.1.10", "null MX");
	ck_assert_uint_eq(result.enhanced[0], 5);
	ck_assert_uint_eq(result.enhanced[1], 1);
	ck_assert_uint_eq(result.enhanced[2], 10);
	ck_assert_int_eq(result.code, 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("back/result");
	TCase *tc = tcase_create("result");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, test_fates);
	tcase_add_test(tc, test_an_address_that_cannot_be_sent);
	tcase_add_test(tc, test_expiry_leaves_what_was_said);
	tcase_add_test(tc, test_set);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
