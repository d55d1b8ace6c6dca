#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "policy/reply.h"

START_TEST(every_row_is_complete)
{
	struct reply_arg args[] = {{"id", "X"},
				   {"n", "7"},
				   {"what", "From"},
				   {"time", "12:30"},
				   {"ref", "1m80fzs750001"},
				   {"contact", "C"},
				   {"ip", "::1"},
				   {"domain", "d"},
				   {"hint", "e"},
				   {"address", "a"},
				   {"login", "l"},
				   {"campaign", "C7"},
				   {"period", "hour"},
				   {"threat", "t"},
				   {"why", "is encrypted"}};
	struct reply reply;

	for (int id = 0; id < REPLY_IDS; id++) {
		reply_make(&reply, (enum reply_id)id, args,
			   sizeof(args) / sizeof(args[0]));
		ck_assert_int_ge(reply.code, 200);
		ck_assert_int_le(reply.code, 599);
		ck_assert_ptr_null(strchr(reply.text, '{'));
		ck_assert_uint_gt(strlen(reply.text), 0);
		ck_assert_uint_le(strlen(reply.text), 200);
		/* RFC 2034: the class of both codes is the same */
		if (reply.enhanced != NULL)
			ck_assert_int_eq(reply.enhanced[0],
					 '0' + reply.code / 100);
		for (const char *c = reply.text; *c != '\0'; c++)
			ck_assert(*c >= ' ' && *c <= '~');
	}
}
END_TEST

START_TEST(arguments_are_put_in_and_cut)
{
	char longer[600];
	struct reply_arg args[] = {{"id", "00abc"}};
	struct reply reply;

	reply_make(&reply, REPLY_ACCEPTED, args, 1);
	ck_assert_str_eq(reply.text, "Accepted as 00abc");
	reply_make(&reply, REPLY_ACCEPTED, NULL, 0);
	ck_assert_str_eq(reply.text, "Accepted as {id}");
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	args[0].value = longer;
	reply_make(&reply, REPLY_ACCEPTED, args, 1);
	ck_assert_uint_eq(strlen(reply.text), sizeof(reply.text) - 1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("reply");
	TCase *tc = tcase_create("table");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, every_row_is_complete);
	tcase_add_test(tc, arguments_are_put_in_and_cut);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
