#include <crypt.h>

#include "gateway/base/error.h"
#include "tests/auth/store_help.h"

static void
encode(struct buf *value, const char *owner, const char *class)
{
	struct user user = {
	    .hash = (char *)(uintptr_t) "$y$j9T$salt$hash",
	    .owner_address = (char *)(uintptr_t)owner,
	    .class = (char *)(uintptr_t) class,
	    .created_wall_s = 1000,
	    .changed_wall_s = 2000,
	};

	buf_init(value, 65536);
	user_encode(&user, value);
}

static void
check_text(const char *got, const char *want)
{
	if (want == NULL)
		ck_assert_ptr_null(got);
	else
		ck_assert_str_eq(got, want);
}

START_TEST(record_goes_round)
{
	static const struct {
		const char *label, *owner, *class;
	} rows[] = {
	    {"bare", NULL, NULL},
	    {"owner", "bob@example.com", NULL},
	    {"class", NULL, "staff"},
	    {"both", "bob@example.com", "staff"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf value;
		struct user user;

		encode(&value, rows[i].owner, rows[i].class);
		ck_assert_msg(user_decode(SLICE_LIT("bob"), buf_slice(&value),
					  &user) == 0,
			      "%s", rows[i].label);
		ck_assert_str_eq(user.name, "bob");
		ck_assert_str_eq(user.hash, "$y$j9T$salt$hash");
		check_text(user.owner_address, rows[i].owner);
		check_text(user.class, rows[i].class);
		ck_assert_int_eq(user.created_wall_s, 1000);
		ck_assert_int_eq(user.changed_wall_s, 2000);
		user_fini(&user);
		buf_fini(&value);
	}
}
END_TEST

START_TEST(record_is_whole_or_corrupt)
{
	struct buf value;
	struct user user;
	char *copy;

	encode(&value, "bob@example.com", "staff");
	for (size_t n = 0; n < value.n; n++) {
		copy = slice_dup(slice_of(value.p, n));
		ck_assert_msg(user_decode(SLICE_LIT("bob"), slice_of(copy, n),
					  &user) == GW_ECORRUPT,
			      "cut at %zu", n);
		ck_assert_ptr_null(user.name);
		free(copy);
	}
	buf_add_byte(&value, 'x');
	ck_assert_int_eq(
	    user_decode(SLICE_LIT("bob"), buf_slice(&value), &user),
	    GW_ECORRUPT);
	value.n--;
	value.p[0] = 2;
	ck_assert_int_eq(
	    user_decode(SLICE_LIT("bob"), buf_slice(&value), &user),
	    GW_ECORRUPT);
	value.p[0] = 1;
	ck_assert_int_eq(user_decode(SLICE_NONE, buf_slice(&value), &user),
			 GW_ECORRUPT);
	ck_assert_int_eq(user_decode(RAW("b\0b"), buf_slice(&value), &user),
			 GW_ECORRUPT);
	value.p[6] = '\0'; /* inside the hash */
	ck_assert_int_eq(
	    user_decode(SLICE_LIT("bob"), buf_slice(&value), &user),
	    GW_ECORRUPT);
	buf_fini(&value);
}
END_TEST

START_TEST(caps_a_field)
{
	char text[400];
	struct buf value;
	struct user user;

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	encode(&value, text, NULL);
	ck_assert_int_eq(
	    user_decode(SLICE_LIT("bob"), buf_slice(&value), &user),
	    GW_ECORRUPT);
	buf_fini(&value);
}
END_TEST

START_TEST(hashes)
{
	static const struct {
		const char *label;
		struct slice password;
		int err;
	} rows[] = {
	    {"a password", RAW("secret"), 0},
	    {"UTF-8", RAW("p\xc3\xa4ss"), 0},
	    {"empty", RAW(""), GW_EINVAL},
	    {"a NUL", RAW("se\0cret"), GW_EINVAL},
	};
	char longest[513];
	char *hash, *other;

	for (size_t i = 0; i < COUNT(rows); i++) {
		ck_assert_msg(user_hash(rows[i].password, &hash) == rows[i].err,
			      "%s", rows[i].label);
		if (rows[i].err == 0) {
			ck_assert(strncmp(hash, "$y$", 3) == 0);
			ck_assert_str_eq(crypt(rows[i].password.p, hash), hash);
		} else {
			ck_assert_ptr_null(hash);
		}
		free(hash);
	}
	memset(longest, 'a', sizeof(longest));
	ck_assert_int_eq(user_hash(slice_of(longest, 511), &hash), 0);
	ck_assert_int_eq(user_hash(slice_of(longest, 511), &other), 0);
	ck_assert_str_ne(hash, other); /* its own salt */
	free(hash);
	free(other);
	ck_assert_int_eq(user_hash(slice_of(longest, 512), &hash), GW_EINVAL);
}
END_TEST

START_TEST(reads_from_the_store)
{
	char name[300];
	struct user user;

	store_user("bob", "secret", "bob@example.com", NULL);
	store_raw(SLICE_LIT("bad"), SLICE_LIT("\001zzz"));
	ck_assert_int_eq(user_get(store, SLICE_LIT("bob"), &user), 0);
	ck_assert_str_eq(user.owner_address, "bob@example.com");
	user_fini(&user);
	ck_assert_int_eq(user_get(store, SLICE_LIT("bo"), &user), GW_ENOENT);
	ck_assert_int_eq(user_get(store, SLICE_LIT(""), &user), GW_ENOENT);
	ck_assert_int_eq(user_get(store, SLICE_LIT("bad"), &user), GW_ECORRUPT);
	memset(name, 'a', sizeof(name));
	ck_assert_int_eq(user_get(store, slice_of(name, sizeof(name)), &user),
			 GW_ENOENT);
}
END_TEST

struct seen {
	char names[64];
	int left;
};

static bool
see(void *arg, const struct user *user)
{
	struct seen *seen = arg;

	strcat(seen->names, user->name);
	strcat(seen->names, " ");
	return --seen->left > 0;
}

START_TEST(lists_in_pages)
{
	static const struct {
		const char *label, *after;
		int left;
		const char *names;
	} rows[] = {
	    {"all", NULL, 9, "ann bob cid "},
	    {"the first two", NULL, 2, "ann bob "},
	    {"after one that is there", "bob", 9, "cid "},
	    {"after one that is not", "b", 9, "bob cid "},
	    {"after the last", "cid", 9, ""},
	};
	struct buf value;

	encode(&value, NULL, NULL);
	store_raw(SLICE_LIT("cid"), buf_slice(&value));
	store_raw(SLICE_LIT("ann"), buf_slice(&value));
	store_raw(SLICE_LIT("bob"), buf_slice(&value));
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct seen seen = {.left = rows[i].left};

		ck_assert_int_eq(
		    user_each(store, slice_str(rows[i].after), see, &seen), 0);
		ck_assert_msg(strcmp(seen.names, rows[i].names) == 0, "%s: %s",
			      rows[i].label, seen.names);
	}
	buf_fini(&value);
}
END_TEST

START_TEST(a_bad_record_hides_no_other)
{
	struct seen seen = {.left = 9};
	struct buf value;

	encode(&value, NULL, NULL);
	store_raw(SLICE_LIT("ann"), SLICE_LIT("rubbish"));
	store_raw(SLICE_LIT("bob"), buf_slice(&value));
	ck_assert_int_eq(user_each(store, SLICE_NONE, see, &seen), GW_ECORRUPT);
	ck_assert_str_eq(seen.names, "bob ");
	buf_fini(&value);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("user");
	TCase *pure = tcase_create("record"), *stored = tcase_create("store");

	tcase_add_test(pure, record_goes_round);
	tcase_add_test(pure, record_is_whole_or_corrupt);
	tcase_add_test(pure, caps_a_field);
	tcase_add_test(pure, hashes);
	suite_add_tcase(suite, pure);
	tcase_add_checked_fixture(stored, store_setup, store_teardown);
	tcase_add_test(stored, reads_from_the_store);
	tcase_add_test(stored, lists_in_pages);
	tcase_add_test(stored, a_bad_record_hides_no_other);
	suite_add_tcase(suite, stored);
	return run_suite(suite);
}
