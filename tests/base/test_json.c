#include <check.h>

#include "gateway/base/json.h"

START_TEST(writes)
{
	struct buf out = {.cap = 1000};
	struct json j;

	json_init(&j, &out);
	json_open_object(&j, NULL);
	json_str(&j, "a\"b", "x\ny");
	json_str(&j, "none", NULL);
	json_slice(&j, "bytes", slice_of("\xff\0", 2));
	json_open_array(&j, "list");
	json_i64(&j, NULL, INT64_MIN);
	json_u64(&j, NULL, UINT64_MAX);
	json_open_array(&j, NULL);
	json_close_array(&j);
	json_open_object(&j, NULL);
	json_close_object(&j);
	json_bool(&j, NULL, true);
	json_close_array(&j);
	json_open_object(&j, "o");
	json_bool(&j, "f", false);
	json_close_object(&j);
	json_close_object(&j);
	ck_assert_str_eq(buf_cstr(&out), "{\"a\\\"b\":\"x\\ny\",\"none\":null,"
					 "\"bytes\":\"\\u00ff\\u0000\","
					 "\"list\":[-9223372036854775808,"
					 "18446744073709551615,[],{},true],"
					 "\"o\":{\"f\":false}}");
	buf_fini(&out);
}
END_TEST

START_TEST(the_cap_is_told)
{
	struct buf out = {.cap = 10};
	struct json j;

	json_init(&j, &out);
	json_open_array(&j, NULL);
	for (int i = 0; i < 100; i++)
		json_i64(&j, NULL, i);
	json_close_array(&j);
	ck_assert(out.overflow);
	ck_assert_uint_le(out.n, 10);
	buf_fini(&out);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("json");
	TCase *tc = tcase_create("json");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, writes);
	tcase_add_test(tc, the_cap_is_told);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
