#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/back/signature.h"

/* A cleaned copy loses our signature of what it was made of, and nothing else;
 * what others say of new ones is the scenario's business. */

#define OURS                                          \
	"DKIM-Signature: v=1; a=rsa-sha256; d=a;\r\n" \
	"\th=from;\r\n\tb=AAAA\r\n"
#define RECEIVED "Received: from a\r\n\tby b\r\n"

static const struct {
	const char *label, *prefix, *want;
} rows[] = {
    {"none", RECEIVED, RECEIVED},
    {"one", OURS RECEIVED, RECEIVED},
    {"two", OURS OURS RECEIVED "Date: x\r\n", RECEIVED "Date: x\r\n"},
    {"at the end", RECEIVED OURS, RECEIVED},
    {"in between", RECEIVED OURS "Date: x\r\n", RECEIVED "Date: x\r\n"},
    {"its case", "dkim-signature : v=1\r\n" RECEIVED, RECEIVED},
    {"alone", OURS, ""},
    {"nothing", "", ""},
    {"an empty line that is ours", RECEIVED "\r\n", RECEIVED "\r\n"},
    {"a name that begins so", "DKIM-Signature-2: x\r\n" RECEIVED,
     "DKIM-Signature-2: x\r\n" RECEIVED},
};

START_TEST(drop)
{
	struct spool_msg *msg = spool_msg_create();

	if (rows[_i].prefix[0] != '\0')
		msg->prefix = slice_str(
		    arena_dup(msg->arena, slice_str(rows[_i].prefix)));
	signature_drop(msg);
	ck_assert_msg(slice_eq(msg->prefix, slice_str(rows[_i].want)),
		      "%s: %.*s", rows[_i].label, (int)msg->prefix.n,
		      msg->prefix.p);
	spool_msg_destroy(&msg);
}
END_TEST

/* Nobody signs: nothing is even read. */
START_TEST(no_keys)
{
	struct spool_msg *msg = spool_msg_create();
	struct dkim_keys *none = dkim_keys_create();

	signature_make(NULL, msg, NULL);
	signature_make(none, msg, NULL);
	ck_assert_uint_eq(msg->prefix.n, 0);
	dkim_keys_release(&none);
	spool_msg_destroy(&msg);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("signature");
	TCase *t = tcase_create("signature");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(t, drop, 0, (int)(sizeof(rows) / sizeof(rows[0])));
	tcase_add_test(t, no_keys);
	suite_add_tcase(suite, t);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
