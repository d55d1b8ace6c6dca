#include <check.h>
#include <string.h>

#include "gateway/base/hash.h"
#include "gateway/base/mem.h"

/* From CPython 3.11 with PYTHONHASHSEED=0, whose str hash is SipHash-1-3
 * under the zero key. */
START_TEST(agrees_with_cpython)
{
	static const struct {
		const char *text;
		uint64_t hash;
	} rows[] = {
	    {"a", 0x407448d2b89b1813},
	    {"abc", 0xc03bc3a0042630f2},
	    {"abcdefg", 0x6db12aae9070f506},
	    {"abcdefgh", 0x3f7b849c0b8e35ea},
	    {"the quick brown fox jumps", 0x00c98b97e4f70042},
	};
	static const uint8_t zero[HASH_KEY_SIZE];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_msg(
		    hash_siphash13(zero, rows[i].text, strlen(rows[i].text)) ==
			rows[i].hash,
		    "%s", rows[i].text);
}
END_TEST

START_TEST(the_key_matters)
{
	uint8_t key[HASH_KEY_SIZE] = {0};
	uint64_t plain = hash_siphash13(key, "abc", 3);

	for (size_t i = 0; i < sizeof(key); i++) {
		key[i] = 1;
		ck_assert(hash_siphash13(key, "abc", 3) != plain);
		key[i] = 0;
	}
	ck_assert(hash_bytes("abc", 3) == hash_bytes("abc", 3));
	ck_assert(hash_bytes("abc", 3) != hash_siphash13(key, "abc", 3));
}
END_TEST

struct entry {
	uint64_t id;
	UT_hash_handle hh;
};

START_TEST(tables_work_with_it)
{
	struct entry *table = NULL, *e, *next;
	const uint64_t count = 20000;

	for (uint64_t i = 0; i < count; i++) {
		e = mem_zalloc(sizeof(*e));
		e->id = i << 32;
		HASH_ADD(hh, table, id, sizeof(e->id), e);
	}
	ck_assert_uint_eq(HASH_COUNT(table), count);
	for (uint64_t i = 0; i < count; i++) {
		uint64_t id = i << 32;

		HASH_FIND(hh, table, &id, sizeof(id), e);
		ck_assert(e != NULL && e->id == id);
	}
	HASH_ITER(hh, table, e, next)
	{
		HASH_DEL(table, e);
		free(e);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("hash");
	TCase *tc = tcase_create("hash");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, agrees_with_cpython);
	tcase_add_test(tc, the_key_matters);
	tcase_add_test(tc, tables_work_with_it);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
