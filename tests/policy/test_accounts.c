#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policy/accounts_record.h"
#include "tests/policy/limits_kit.h"

#define NOW 1000

static struct kit_store store;
static struct accounts *accounts;

static void
setup(void)
{
	kit_store_make(&store);
	accounts = accounts_create();
}

static void
teardown(void)
{
	accounts_destroy(&accounts);
	kit_store_remove(&store);
}

/* --- patterns -------------------------------------------------------- */

struct pattern_row {
	const char *pattern, *normal; /* NULL: not one */
};

#define X63 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static const struct pattern_row pattern_rows[] = {
    {"a@example.com", "a@example.com"},
    {"A.B+c@Example.COM.", "a.b+c@example.com"},
    {"@example.com", "@example.com"},
    {"@.Example.com", "@.example.com"},
    {"\"a b\"@example.com", "\"a b\"@example.com"},
    {"\"a@b\"@example.com", "\"a@b\"@example.com"},
    {"J\xc3\xb6rg@b\xc3\xbc"
     "cher.example",
     "j\xc3\xb6rg@b\xc3\xbc"
     "cher.example"},
    {"@localhost", "@localhost"},
    {"@" X63 ".example", "@" X63 ".example"},
    {"", NULL},
    {"a", NULL},
    {"example.com", NULL},
    {"@", NULL},
    {"a@", NULL},
    {"@.", NULL},
    {"a@.", NULL},
    {"@..", NULL},
    {"@..example.com", NULL},
    {"a@.example.com", NULL},
    {"@example..com", NULL},
    {"@example.com..", NULL},
    {"@x" X63 ".example", NULL},
    {"*@example.com", NULL},
    {"a@*.example.com", NULL},
    {"a b@example.com", NULL},
    {"a@exam ple.com", NULL},
    {"a\n@example.com", NULL},
    {"a@example.com\r", NULL},
    {"<a@example.com>", NULL},
    {"a@example.com, b@example.com", NULL},
    {"@" X63 "." X63 "." X63 "." X63 ".x", NULL},
};

START_TEST(test_patterns)
{
	const struct pattern_row *row = &pattern_rows[_i];
	char out[ACCOUNT_PATTERN_MAX + 1];
	int err = account_pattern(slice_str(row->pattern), out);

	ck_assert_msg(err == (row->normal == NULL ? GW_EINVAL : 0), "%s: %d",
		      row->pattern, err);
	if (err == 0)
		ck_assert_str_eq(out, row->normal);
	ck_assert_int_eq(
	    accounts_sender_add(accounts, "bob", slice_str(row->pattern)), err);
}
END_TEST

struct sender_row {
	const char *pattern, *address;
	bool ok;
};

static const struct sender_row sender_rows[] = {
    {"a@example.com", "a@example.com", true},
    {"a@example.com", "A@EXAMPLE.com.", true},
    {"a@example.com", "b@example.com", false},
    {"a@example.com", "aa@example.com", false},
    {"a@example.com", "a+tag@example.com", false},
    {"a@example.com", "a@sub.example.com", false},
    {"a@example.com", "a@example.com.evil.test", false},
    {"@example.com", "anybody@example.com", true},
    {"@example.com", "\"any body\"@example.com", true},
    {"@example.com", "anybody@sub.example.com", false},
    {"@example.com", "anybody@badexample.com", false},
    {"@example.com", "x@evil.test@example.com", true},
    {"@example.com", "x@example.com@evil.test", false},
    {"@example.com", "@example.com", false},
    {"@example.com", "", false},
    {"@example.com", "example.com", false},
    {"@.example.com", "x@example.com", true},
    {"@.example.com", "x@a.b.example.com", true},
    {"@.example.com", "x@badexample.com", false},
    {"@.example.com", "x@com", false},
    {"@.example.com", "@.example.com", false},
    {"@.example.com", "x@.example.com", false},
};

START_TEST(test_senders)
{
	const struct sender_row *row = &sender_rows[_i];

	ck_assert(
	    !accounts_sender_ok(accounts, "bob", slice_str(row->address)));
	ck_assert_int_eq(
	    accounts_sender_add(accounts, "bob", SLICE_LIT("other@else.where")),
	    0);
	ck_assert_int_eq(
	    accounts_sender_add(accounts, "bob", slice_str(row->pattern)), 0);
	ck_assert_msg(accounts_sender_ok(accounts, "bob",
					 slice_str(row->address)) == row->ok,
		      "%s: %s", row->pattern, row->address);
	ck_assert(
	    !accounts_sender_ok(accounts, "eve", slice_str(row->address)));
	ck_assert_int_eq(
	    accounts_sender_del(accounts, "bob", slice_str(row->pattern)), 0);
	ck_assert_int_eq(
	    accounts_sender_del(accounts, "bob", slice_str(row->pattern)),
	    GW_ENOENT);
	ck_assert(
	    !accounts_sender_ok(accounts, "bob", slice_str(row->address)));
}
END_TEST

START_TEST(test_senders_have_an_end)
{
	char pattern[32], cred[ACCOUNT_CRED_MAX + 2];

	for (int i = 0; i < ACCOUNT_SENDERS_MAX; i++) {
		snprintf(pattern, sizeof(pattern), "u%d@example.com", i);
		ck_assert_int_eq(
		    accounts_sender_add(accounts, "bob", slice_str(pattern)),
		    0);
	}
	ck_assert_int_eq(
	    accounts_sender_add(accounts, "bob", slice_str(pattern)),
	    GW_EEXIST);
	ck_assert_int_eq(
	    accounts_sender_add(accounts, "bob", SLICE_LIT("@x.example")),
	    GW_ETOOBIG);
	for (int i = 0; i < ACCOUNT_SENDERS_MAX; i++) {
		snprintf(pattern, sizeof(pattern), "u%d@example.com", i);
		ck_assert(
		    accounts_sender_ok(accounts, "bob", slice_str(pattern)));
	}
	memset(cred, 'x', sizeof(cred));
	cred[sizeof(cred) - 1] = '\0';
	ck_assert_int_eq(
	    accounts_sender_add(accounts, cred, SLICE_LIT("@x.example")),
	    GW_EINVAL);
	ck_assert_int_eq(
	    accounts_sender_add(accounts, "", SLICE_LIT("@x.example")),
	    GW_EINVAL);
}
END_TEST

/* --- grants ---------------------------------------------------------- */

struct grant_row {
	const char *label;
	struct grant grant;
	int wanted;
};

static const struct grant_row grant_rows[] = {
    {"one", {LIMIT_RECIPIENTS, 5, NOW + 1}, 0},
    {"the most", {LIMIT_FAILED_LOGINS, GRANT_MOST, INT64_MAX}, 0},
    {"more than that", {LIMIT_RECIPIENTS, GRANT_MOST + 1, NOW + 1}, GW_EINVAL},
    {"until now", {LIMIT_RECIPIENTS, 5, NOW}, GW_EINVAL},
    {"of nothing we count", {LIMIT_COUNTED, 5, NOW + 1}, GW_EINVAL},
    {"to take away what is not there", {LIMIT_BYTES, 0, 0}, GW_ENOENT},
};

START_TEST(test_grant)
{
	const struct grant_row *row = &grant_rows[_i];
	uint64_t before = accounts_generation(accounts);
	uint8_t counted = row->grant.counted;
	int64_t until = 77;

	ck_assert_int_eq(accounts_grant(accounts, "bob", &row->grant, NOW),
			 row->wanted);
	ck_assert_uint_eq(
	    accounts_granted(accounts, "bob", counted, NOW, &until),
	    row->wanted == 0 ? row->grant.amount : 0);
	ck_assert_int_eq(until, row->wanted == 0 ? row->grant.until_wall_s : 0);
	ck_assert_uint_eq(accounts_granted(accounts, "bob", counted,
					   row->grant.until_wall_s, NULL),
			  0);
	ck_assert_uint_eq(accounts_granted(accounts, "eve", counted, NOW, NULL),
			  0);
	ck_assert_uint_eq(accounts_granted(accounts, NULL, counted, NOW, NULL),
			  0);
	if (row->wanted == 0)
		ck_assert_uint_ne(accounts_generation(accounts), before);
}
END_TEST

START_TEST(test_grants_replace_each_other)
{
	struct grant grant = {LIMIT_RECIPIENTS, 5, NOW + 10};

	for (uint8_t i = LIMIT_COUNTED; i-- > 0;) {
		grant.counted = i;
		grant.amount = 100u + i;
		ck_assert_int_eq(accounts_grant(accounts, "bob", &grant, NOW),
				 0);
	}
	grant = (struct grant){LIMIT_BYTES, 7, NOW + 99};
	ck_assert_int_eq(accounts_grant(accounts, "bob", &grant, NOW), 0);
	grant = (struct grant){LIMIT_RECIPIENTS, 0, 0};
	ck_assert_int_eq(accounts_grant(accounts, "bob", &grant, NOW), 0);
	for (uint8_t i = 0; i < LIMIT_COUNTED; i++) {
		uint64_t wanted = i == LIMIT_BYTES	  ? 7
				  : i == LIMIT_RECIPIENTS ? 0
							  : 100u + i;

		ck_assert_uint_eq(
		    accounts_granted(accounts, "bob", i, NOW, NULL), wanted);
	}
	/* those of 10 s are over */
	ck_assert_uint_eq(
	    accounts_granted(accounts, "bob", LIMIT_BYTES, NOW + 10, NULL), 7);
	ck_assert_uint_eq(
	    accounts_granted(accounts, "bob", LIMIT_MESSAGES, NOW + 10, NULL),
	    0);
}
END_TEST

/* --- the disk -------------------------------------------------------- */

static enum store_change_kind
keep(const char *cred, int64_t now)
{
	struct store_change change;
	struct buf key, value;

	buf_init(&key, STORE_KEY_MAX);
	buf_init(&value, 1 << 20);
	accounts_change(accounts, cred, now, &key, &value, &change);
	ck_assert_int_eq(change.table, STORE_ACCOUNT);
	ck_assert(store_change_valid(&change));
	kit_apply(&store, &change, 1);
	buf_fini(&key);
	buf_fini(&value);
	return change.kind;
}

static void
reload(int64_t now)
{
	accounts_destroy(&accounts);
	accounts = accounts_create();
	ck_assert_int_eq(accounts_load(accounts, store.env, now), 0);
}

static bool
list(void *arg, const struct account_view *view)
{
	struct buf *out = arg;

	buf_printf(out, "%s", view->cred);
	for (size_t i = 0; i < view->grant_count; i++)
		buf_printf(out, " %d=%llu", view->grants[i].counted,
			   (unsigned long long)view->grants[i].amount);
	for (size_t i = 0; i < view->sender_count; i++)
		buf_printf(out, " %s", view->senders[i]);
	buf_add_byte(out, '\n');
	return true;
}

static void
expect(const char *cred, const char *wanted)
{
	struct buf out;

	buf_init(&out, 4096);
	accounts_each(accounts, cred, list, &out);
	ck_assert_str_eq(buf_cstr(&out), wanted);
	buf_fini(&out);
}

START_TEST(test_what_is_kept)
{
	struct grant grant = {LIMIT_RECIPIENTS, 5, NOW + 10};

	ck_assert_int_eq(accounts_grant(accounts, "bob", &grant, NOW), 0);
	grant = (struct grant){LIMIT_BYTES, 6, NOW + 20};
	ck_assert_int_eq(accounts_grant(accounts, "bob", &grant, NOW), 0);
	ck_assert_int_eq(
	    accounts_sender_add(accounts, "bob", SLICE_LIT("@B.example")), 0);
	ck_assert_int_eq(
	    accounts_sender_add(accounts, "bob", SLICE_LIT("@a.example")), 0);
	ck_assert_int_eq(
	    accounts_sender_add(accounts, "amy", SLICE_LIT("@c.example")), 0);
	grant = (struct grant){LIMIT_MESSAGES, 6, NOW + 5};
	ck_assert_int_eq(accounts_grant(accounts, "cy", &grant, NOW), 0);
	ck_assert_int_eq(keep("bob", NOW), STORE_PUT);
	ck_assert_int_eq(keep("amy", NOW), STORE_PUT);
	ck_assert_int_eq(keep("cy", NOW), STORE_PUT);
	reload(NOW + 1);
	expect(NULL, "amy @c.example\nbob 1=5 4=6 @a.example @b.example\n"
		     "cy 0=6\n");
	expect("bob", "bob 1=5 4=6 @a.example @b.example\n");
	expect("eve", "");
	reload(NOW + 10);
	expect(NULL, "amy @c.example\nbob 4=6 @a.example @b.example\n");
	ck_assert_int_eq(
	    accounts_sender_del(accounts, "amy", SLICE_LIT("@C.example.")), 0);
	ck_assert_int_eq(keep("amy", NOW), STORE_DELETE);
	ck_assert_int_eq(keep("nobody", NOW), STORE_DELETE);
	reload(NOW + 20);
	expect(NULL, "bob @a.example @b.example\n");
	/* a grant that is over is not written again */
	ck_assert_int_eq(
	    accounts_sender_del(accounts, "bob", SLICE_LIT("@a.example")), 0);
	ck_assert_int_eq(
	    accounts_sender_del(accounts, "bob", SLICE_LIT("@b.example")), 0);
	ck_assert_int_eq(keep("bob", NOW + 20), STORE_DELETE);
	reload(NOW);
	expect("bob", "");
}
END_TEST

/* --- the record ------------------------------------------------------ */

static void
record_make(struct buf *value)
{
	char *senders[] = {"a@c.example", "b@c.example"};
	const struct account account = {
	    .grants = {{LIMIT_RECIPIENTS, 5, 99}, {LIMIT_BYTES, 9, 98}},
	    .grant_count = 2,
	    .senders = senders,
	    .sender_count = 2,
	};

	buf_init(value, 4096);
	ck_assert(account_encode(&account, 0, value));
}

START_TEST(test_record)
{
	struct account account;
	struct buf value, again;

	record_make(&value);
	buf_init(&again, 4096);
	ck_assert_int_eq(
	    account_decode(SLICE_LIT("bob"), buf_slice(&value), &account), 0);
	ck_assert_str_eq(account.cred, "bob");
	ck_assert(account_encode(&account, 0, &again));
	ck_assert(slice_eq(buf_slice(&value), buf_slice(&again)));
	account_fini(&account);
	for (size_t n = 0; n < value.n; n++) {
		ck_assert_msg(account_decode(SLICE_LIT("bob"),
					     slice_of(value.p, n),
					     &account) == GW_ECORRUPT,
			      "cut at %zu", n);
		ck_assert_ptr_null(account.cred);
		ck_assert_ptr_null(account.senders);
	}
	buf_add_byte(&value, '\0');
	ck_assert_int_eq(
	    account_decode(SLICE_LIT("bob"), buf_slice(&value), &account),
	    GW_ECORRUPT);
	buf_fini(&value);
	buf_fini(&again);
}
END_TEST

START_TEST(test_record_leaves_out_what_is_over)
{
	struct account account = {
	    .grants = {{LIMIT_RECIPIENTS, 5, 99}, {LIMIT_BYTES, 9, 98}},
	    .grant_count = 2,
	};
	struct account read;
	struct buf value;

	buf_init(&value, 4096);
	ck_assert(account_encode(&account, 98, &value));
	ck_assert_int_eq(
	    account_decode(SLICE_LIT("bob"), buf_slice(&value), &read), 0);
	ck_assert_uint_eq(read.grant_count, 1);
	ck_assert_int_eq(read.grants[0].counted, LIMIT_RECIPIENTS);
	account_fini(&read);
	buf_clear(&value);
	ck_assert(!account_encode(&account, 99, &value));
	ck_assert_uint_eq(value.n, 0);
	buf_fini(&value);
}
END_TEST

struct bad_row {
	const char *label;
	size_t offset;
	uint8_t byte;
};

/* u8 version; u8 2; u8 counted, u64 amount, u64 until, twice; u16 2; u32 n. */
static const struct bad_row bad_rows[] = {
    {"another version", 0, 2},
    {"more grants than there are", 1, 9},
    {"of what nobody counts", 2, LIMIT_COUNTED},
    {"the same twice", 19, LIMIT_RECIPIENTS},
    {"out of order", 19, LIMIT_MESSAGES},
    {"of nothing", 10, 0},
    {"of too much", 3, 1},
    {"until before the beginning", 11, 0x80},
    {"more patterns than we keep", 36, 0xff},
    {"a pattern longer than the record", 38, 0x7f},
    {"a pattern that is none", 43, 'x'},
    {"a pattern not in normal form", 42, 'A'},
    {"patterns out of order", 42, 'z'},
    {"a pattern twice", 42, 'b'},
};

START_TEST(test_bad_record)
{
	const struct bad_row *row = &bad_rows[_i];
	struct account account;
	struct buf value;

	record_make(&value);
	ck_assert_msg((uint8_t)value.p[row->offset] != row->byte, "%s",
		      row->label);
	value.p[row->offset] = (char)row->byte;
	ck_assert_msg(account_decode(SLICE_LIT("bob"), buf_slice(&value),
				     &account) == GW_ECORRUPT,
		      "%s", row->label);
	buf_fini(&value);
}
END_TEST

START_TEST(test_bad_records_are_passed_over)
{
	const struct store_change changes[] = {
	    {STORE_ACCOUNT, STORE_PUT, SLICE_LIT("amy"), SLICE_LIT("rubbish")},
	    {STORE_ACCOUNT, STORE_PUT, SLICE_LIT("b\0b"), SLICE_LIT("\1\0\0")},
	};

	ck_assert_int_eq(
	    accounts_sender_add(accounts, "bob", SLICE_LIT("@a.example")), 0);
	keep("bob", NOW);
	kit_apply(&store, changes, 2);
	reload(NOW);
	expect(NULL, "bob @a.example\n");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("accounts");
	TCase *tcase = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, test_patterns, 0, COUNT(pattern_rows));
	tcase_add_loop_test(tcase, test_senders, 0, COUNT(sender_rows));
	tcase_add_test(tcase, test_senders_have_an_end);
	tcase_add_loop_test(tcase, test_grant, 0, COUNT(grant_rows));
	tcase_add_test(tcase, test_grants_replace_each_other);
	tcase_add_test(tcase, test_what_is_kept);
	tcase_add_test(tcase, test_record);
	tcase_add_test(tcase, test_record_leaves_out_what_is_over);
	tcase_add_loop_test(tcase, test_bad_record, 0, COUNT(bad_rows));
	tcase_add_test(tcase, test_bad_records_are_passed_over);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
