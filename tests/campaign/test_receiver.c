#include <check.h>
#include <stdlib.h>

#include "gateway/campaign/receiver.h"

static const struct {
	const char *domain;
	enum receiver receiver;
} rows[] = {
    {"gmail.com", RECEIVER_GOOGLE},
    {"GMail.Com.", RECEIVER_GOOGLE},
    {"googlemail.com", RECEIVER_GOOGLE},
    {"yahoo.com", RECEIVER_YAHOO},
    {"yahoo.co.uk", RECEIVER_YAHOO},
    {"ymail.com", RECEIVER_YAHOO},
    {"aol.com", RECEIVER_YAHOO},
    {"aol.co.uk", RECEIVER_YAHOO},
    {"hotmail.com", RECEIVER_MICROSOFT},
    {"live.nl", RECEIVER_MICROSOFT},
    {"msn.com", RECEIVER_MICROSOFT},
    {"outlook.com", RECEIVER_MICROSOFT},
    {"windowslive.com", RECEIVER_MICROSOFT},
    {"yahoo.se", RECEIVER_YAHOO},
    {"example.com", RECEIVER_NONE},
    {"gmail.com.example", RECEIVER_NONE},
    {"xgmail.com", RECEIVER_NONE},
    {"", RECEIVER_NONE},
    {".", RECEIVER_NONE},
    {"a-name-that-is-longer-than-any-of-the-table.example", RECEIVER_NONE},
};

START_TEST(domains)
{
	ck_assert_msg(receiver_of(slice_str(rows[_i].domain)) ==
			  rows[_i].receiver,
		      "%s", rows[_i].domain);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("receiver");
	TCase *t = tcase_create("receiver");
	SRunner *r;
	int failed;

	tcase_add_loop_test(t, domains, 0, sizeof(rows) / sizeof(rows[0]));
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
