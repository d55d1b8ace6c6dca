#include <pthread.h>
#include <stdio.h>

#include "gateway/auth/negative.h"
#include "tests/auth/auth_help.h"

#define TTL_MS 30000

static struct negative_claim
claim(const char *name, const char *hash, const char *password)
{
	return (struct negative_claim){slice_str(name), slice_str(hash),
				       slice_str(password)};
}

static void
put(struct negative *negative, const char *name, const char *password,
    int64_t now_ms)
{
	struct negative_claim it = claim(name, "$y$1", password);

	negative_put(negative, &it, now_ms);
}

static bool
has(struct negative *negative, const char *name, const char *password,
    int64_t now_ms)
{
	struct negative_claim it = claim(name, "$y$1", password);

	return negative_has(negative, &it, now_ms);
}

START_TEST(knows_what_was_wrong)
{
	static const struct {
		const char *label, *name, *hash, *password;
		int64_t now_ms;
		bool found;
	} rows[] = {
	    {"the same", "bob", "$y$1", "wrong", 1000, true},
	    {"until the end", "bob", "$y$1", "wrong", 1000 + TTL_MS - 1, true},
	    {"too late", "bob", "$y$1", "wrong", 1000 + TTL_MS, false},
	    {"a loop's clock behind", "bob", "$y$1", "wrong", 990, true},
	    {"another password", "bob", "$y$1", "Wrong", 1000, false},
	    {"no password", "bob", "$y$1", "", 1000, false},
	    {"another name", "ann", "$y$1", "wrong", 1000, false},
	    {"no name", "", "$y$1", "wrong", 1000, false},
	    {"the record changed", "bob", "$y$2", "wrong", 1000, false},
	    {"cut elsewhere, name and hash", "bob$", "y$1", "wrong", 1000,
	     false},
	    {"cut elsewhere, hash and password", "bob", "$y$1w", "rong", 1000,
	     false},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct negative *negative = negative_create(TTL_MS, 10);
		struct negative_claim it =
		    claim(rows[i].name, rows[i].hash, rows[i].password);

		put(negative, "bob", "wrong", 1000);
		ck_assert_msg(negative_has(negative, &it, rows[i].now_ms) ==
				  rows[i].found,
			      "%s", rows[i].label);
		negative_destroy(&negative);
	}
}
END_TEST

START_TEST(a_use_does_not_prolong)
{
	struct negative *negative = negative_create(TTL_MS, 10);

	put(negative, "bob", "wrong", 0);
	ck_assert(has(negative, "bob", "wrong", TTL_MS - 1));
	ck_assert(!has(negative, "bob", "wrong", TTL_MS));
	put(negative, "bob", "wrong", TTL_MS); /* hashed anew */
	ck_assert(has(negative, "bob", "wrong", 2 * TTL_MS - 1));
	negative_destroy(&negative);
}
END_TEST

START_TEST(many_of_one_login)
{
	struct negative *negative = negative_create(TTL_MS, 10);

	put(negative, "bob", "old", 0);
	put(negative, "bob", "older", 1);
	ck_assert(has(negative, "bob", "old", 2));
	ck_assert(has(negative, "bob", "older", 2));
	negative_destroy(&negative);
}
END_TEST

START_TEST(forgets)
{
	struct negative *negative = negative_create(TTL_MS, 10);

	put(negative, "bob", "old", 0);
	put(negative, "ann", "old", 0);
	put(negative, "bob", "older", 0);
	negative_forget(negative, SLICE_LIT("bob"));
	ck_assert(!has(negative, "bob", "old", 1));
	ck_assert(!has(negative, "bob", "older", 1));
	ck_assert(has(negative, "ann", "old", 1));
	negative_forget(negative, SLICE_LIT("nobody"));
	put(negative, "bob", "old", 1);
	ck_assert(has(negative, "bob", "old", 1));
	negative_destroy(&negative);
}
END_TEST

START_TEST(is_capped)
{
	struct negative *negative = negative_create(TTL_MS, 10);
	char name[16];

	for (int i = 0; i < 12; i++) {
		snprintf(name, sizeof(name), "user%d", i);
		put(negative, name, "wrong", i);
		put(negative, name, "wrong", i); /* takes no second place */
	}
	ck_assert(!has(negative, "user0", "wrong", 20));
	ck_assert(!has(negative, "user1", "wrong", 20));
	ck_assert(has(negative, "user2", "wrong", 20));
	ck_assert(has(negative, "user11", "wrong", 20));
	/* What was proved again is not the oldest. */
	put(negative, "user2", "wrong", 21);
	put(negative, "user12", "wrong", 21);
	ck_assert(has(negative, "user2", "wrong", 22));
	ck_assert(!has(negative, "user3", "wrong", 22));
	negative_destroy(&negative);
}
END_TEST

static void *
hammer(void *arg)
{
	struct negative *negative = arg;
	char password[16];

	for (int i = 0; i < 500; i++) {
		snprintf(password, sizeof(password), "wrong%d", i % 20);
		put(negative, "bob", password, i);
		(void)has(negative, "bob", password, i);
		if (i % 50 == 0)
			negative_forget(negative, SLICE_LIT("bob"));
	}
	return NULL;
}

START_TEST(any_thread)
{
	struct negative *negative = negative_create(TTL_MS, 10);
	pthread_t threads[3];

	for (size_t i = 0; i < COUNT(threads); i++)
		ck_assert_int_eq(
		    pthread_create(&threads[i], NULL, hammer, negative), 0);
	for (size_t i = 0; i < COUNT(threads); i++)
		pthread_join(threads[i], NULL);
	put(negative, "bob", "wrong", 500);
	ck_assert(has(negative, "bob", "wrong", 500));
	negative_destroy(&negative);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("negative");
	TCase *tcase = tcase_create("negative");

	tcase_add_test(tcase, knows_what_was_wrong);
	tcase_add_test(tcase, a_use_does_not_prolong);
	tcase_add_test(tcase, many_of_one_login);
	tcase_add_test(tcase, forgets);
	tcase_add_test(tcase, is_capped);
	tcase_add_test(tcase, any_thread);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
