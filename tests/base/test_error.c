#include <check.h>
#include <errno.h>
#include <string.h>

#include "gateway/base/error.h"

START_TEST(each_error_has_its_own_text)
{
	for (int a = GW_ECANCELED; a <= GW_OK; a++) {
		ck_assert_str_ne(gw_err_text(a), gw_err_text(-1000));
		for (int b = GW_ECANCELED; b < a; b++)
			ck_assert_str_ne(gw_err_text(a), gw_err_text(b));
	}
	ck_assert_ptr_nonnull(gw_err_text(1));
	ck_assert_ptr_nonnull(gw_err_text(-1000));
}
END_TEST

START_TEST(maps_errno)
{
	static const struct {
		int errnum, err;
	} rows[] = {
	    {0, GW_OK},
	    {ENOMEM, GW_ENOMEM},
	    {ENOSPC, GW_ENOSPC},
	    {EDQUOT, GW_ENOSPC},
	    {ENOENT, GW_ENOENT},
	    {EEXIST, GW_EEXIST},
	    {EACCES, GW_EDENIED},
	    {ECONNREFUSED, GW_EREFUSED},
	    {EHOSTUNREACH, GW_EREFUSED},
	    {ECONNRESET, GW_ECLOSED},
	    {EPIPE, GW_ECLOSED},
	    {ETIMEDOUT, GW_ETIMEDOUT},
	    {EMFILE, GW_EBUSY},
	    {EIO, GW_EIO},
	    {EBADF, GW_EIO},
	    {99999, GW_EIO},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_msg(gw_err_from_errno(rows[i].errnum) == rows[i].err,
			      "errno %d", rows[i].errnum);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("error");
	TCase *tc = tcase_create("error");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, each_error_has_its_own_text);
	tcase_add_test(tc, maps_errno);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
