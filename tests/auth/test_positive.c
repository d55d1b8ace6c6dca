#include <stdio.h>

#include "gateway/auth/positive.h"
#include "tests/auth/auth_help.h"

#define TTL_MS 60000

static const struct positive_facts none;

static void
put(struct positive *positive, const char *name, const char *password,
    int64_t now_ms)
{
	positive_put(positive, positive_mark(positive), slice_str(name),
		     slice_str(password), &none, now_ms);
}

static bool
get(struct positive *positive, const char *name, const char *password,
    int64_t now_ms)
{
	struct positive_facts facts;
	bool found = positive_get(positive, slice_str(name),
				  slice_str(password), now_ms, &facts);

	ck_assert(facts.owner == NULL && facts.class == NULL);
	return found;
}

START_TEST(knows_what_was_right)
{
	static const struct {
		const char *label, *name, *password;
		int64_t now_ms;
		bool found;
	} rows[] = {
	    {"the same", "bob", "secret", 1000, true},
	    {"until the end", "bob", "secret", 1000 + TTL_MS - 1, true},
	    {"another password", "bob", "Secret", 1000, false},
	    {"another name", "ann", "secret", 1000, false},
	    {"the pair cut elsewhere", "bobs", "ecret", 1000, false},
	    {"no password", "bob", "", 1000, false},
	    {"too late", "bob", "secret", 1000 + TTL_MS, false},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct positive *positive = positive_create(TTL_MS, 10);

		put(positive, "bob", "secret", 1000);
		ck_assert_msg(get(positive, rows[i].name, rows[i].password,
				  rows[i].now_ms) == rows[i].found,
			      "%s", rows[i].label);
		positive_destroy(&positive);
	}
}
END_TEST

START_TEST(a_use_does_not_prolong)
{
	struct positive *positive = positive_create(TTL_MS, 10);

	put(positive, "bob", "secret", 0);
	ck_assert(get(positive, "bob", "secret", TTL_MS - 1));
	ck_assert(!get(positive, "bob", "secret", TTL_MS));
	positive_destroy(&positive);
}
END_TEST

START_TEST(keeps_the_facts)
{
	struct positive *positive = positive_create(TTL_MS, 10);
	char owner[] = "bob@example.com", class[] = "staff";
	struct positive_facts facts = {.owner = owner, .class = class}, got;

	positive_put(positive, positive_mark(positive), SLICE_LIT("bob"),
		     SLICE_LIT("secret"), &facts, 0);
	owner[0] = class[0] = 'x';
	ck_assert(positive_get(positive, SLICE_LIT("bob"), SLICE_LIT("secret"),
			       1, &got));
	ck_assert_str_eq(got.owner, "bob@example.com");
	ck_assert_str_eq(got.class, "staff");
	free(got.owner);
	free(got.class);
	positive_destroy(&positive);
}
END_TEST

START_TEST(forgets)
{
	struct positive *positive = positive_create(TTL_MS, 10);
	uint64_t mark;

	put(positive, "bob", "secret", 0);
	put(positive, "ann", "secret", 0);
	mark = positive_mark(positive);
	positive_forget(positive, SLICE_LIT("bob"));
	ck_assert(!get(positive, "bob", "secret", 1));
	ck_assert(get(positive, "ann", "secret", 1));
	/* Verified before, told after: the password may have changed. */
	positive_put(positive, mark, SLICE_LIT("bob"), SLICE_LIT("secret"),
		     &none, 1);
	ck_assert(!get(positive, "bob", "secret", 1));
	put(positive, "bob", "secret", 1);
	ck_assert(get(positive, "bob", "secret", 1));
	positive_forget(positive, SLICE_LIT("nobody"));
	positive_destroy(&positive);
}
END_TEST

START_TEST(the_last_password_holds)
{
	struct positive *positive = positive_create(TTL_MS, 10);

	put(positive, "bob", "old", 0);
	put(positive, "bob", "new", 1);
	ck_assert(!get(positive, "bob", "old", 2));
	ck_assert(get(positive, "bob", "new", 2));
	positive_destroy(&positive);
}
END_TEST

START_TEST(is_capped)
{
	struct positive *positive = positive_create(TTL_MS, 10);
	char name[16];

	for (int i = 0; i < 12; i++) {
		snprintf(name, sizeof(name), "user%d", i);
		put(positive, name, "secret", i);
	}
	ck_assert(!get(positive, "user0", "secret", 20));
	ck_assert(!get(positive, "user1", "secret", 20));
	ck_assert(get(positive, "user2", "secret", 20));
	ck_assert(get(positive, "user11", "secret", 20));
	positive_destroy(&positive);
}
END_TEST

START_TEST(can_be_off)
{
	struct positive *positive = positive_create(0, 10);

	put(positive, "bob", "secret", 0);
	ck_assert(!get(positive, "bob", "secret", 0));
	positive_destroy(&positive);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("positive");
	TCase *tcase = tcase_create("positive");

	tcase_add_test(tcase, knows_what_was_right);
	tcase_add_test(tcase, a_use_does_not_prolong);
	tcase_add_test(tcase, keeps_the_facts);
	tcase_add_test(tcase, forgets);
	tcase_add_test(tcase, the_last_password_holds);
	tcase_add_test(tcase, is_capped);
	tcase_add_test(tcase, can_be_off);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
