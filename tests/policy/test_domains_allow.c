#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/error.h"
#include "policy/domains_int.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOW 1800000000

/* A store on which the test commits what it is given. */
static struct store_env *env;
static char dir[64], path[80];
static struct domains *domains;

static void
store_setup(void)
{
	struct store_opts opts = {.path = path, .map_bytes = 16 << 20};
	char error[256];

	strcpy(dir, access("/dev/shm", W_OK) == 0 ? "/dev/shm/domains-XXXXXX"
						  : "/tmp/domains-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/index", dir);
	ck_assert_msg(store_open(&env, &opts, error, sizeof(error)) == 0, "%s",
		      error);
	domains = domains_create(&(struct domains_conf){.check = true});
}

static void
store_teardown(void)
{
	char command[128];

	domains_destroy(&domains);
	store_close(&env);
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	ck_assert_int_eq(system(command), 0);
}

/* Takes it; returns how many changes. */
static size_t
commit(struct domain_change **change)
{
	const struct store_change *v;
	struct store_txn *txn;
	size_t count = 0;

	if (*change == NULL)
		return 0;
	v = domain_change_changes(*change, &count);
	txn = store_write(env);
	for (size_t i = 0; i < count; i++)
		ck_assert(store_change_valid(&v[i]));
	store_apply(txn, v, count);
	ck_assert_int_eq(store_commit(&txn), 0);
	domain_change_free(change);
	ck_assert_ptr_null(*change);
	return count;
}

static void
restart(void)
{
	domains_destroy(&domains);
	domains = domains_create(&(struct domains_conf){.check = true});
	ck_assert_int_eq(domains_load(domains, env), 0);
}

static int
add(const char *domain, int64_t until_wall_s, const char *by, const char *why)
{
	struct domain_allow allow = {.until_wall_s = until_wall_s,
				     .since_wall_s = NOW};
	struct domain_change *change;
	int err;

	strcpy(allow.domain, domain);
	strcpy(allow.by, by);
	strcpy(allow.why, why);
	err = domains_allow_add(domains, &allow, &change);
	ck_assert_uint_eq(commit(&change), err == 0 ? 1 : 0);
	return err;
}

static int
del(const char *domain)
{
	struct domain_change *change;
	int err = domains_allow_del(domains, slice_str(domain), &change);

	ck_assert_uint_eq(commit(&change), err == 0 ? 1 : 0);
	return err;
}

static bool
put_one(void *arg, const struct domain_allow *allow)
{
	buf_printf(arg, "%s until %lld since %lld by %s: %s\n", allow->domain,
		   (long long)allow->until_wall_s,
		   (long long)allow->since_wall_s, allow->by, allow->why);
	return true;
}

static void
expect(const char *wanted)
{
	struct buf out = {.cap = 1 << 20};

	domains_allow_each(domains, put_one, &out);
	ck_assert_str_eq(buf_cstr(&out), wanted);
	buf_fini(&out);
}

/* --- changes -----------------------------------------------------------------
 */

START_TEST(test_changes)
{
	expect("");
	ck_assert_int_eq(add("b.example", 0, "root", "ships"), 0);
	ck_assert_int_eq(add(".a.example", NOW + 9, "ann", ""), 0);
	ck_assert(!domains_asks(domains, SLICE_LIT("b.example"), NOW));
	expect(".a.example until 1800000009 since 1800000000 by ann: \n"
	       "b.example until 0 since 1800000000 by root: ships\n");
	restart();
	expect(".a.example until 1800000009 since 1800000000 by ann: \n"
	       "b.example until 0 since 1800000000 by root: ships\n");
	/* another spelling of the same; the later word counts */
	ck_assert_int_eq(add("B.Example.", NOW + 5, "eve", ""), 0);
	ck_assert_int_eq(add("B\xc3\xbc"
			     "cher.example",
			     0, "eve", ""),
			 0);
	restart();
	expect(".a.example until 1800000009 since 1800000000 by ann: \n"
	       "b.example until 1800000005 since 1800000000 by eve: \n"
	       "xn--bcher-kva.example until 0 since 1800000000 by eve: \n");
	ck_assert_int_eq(del("a.example"), GW_ENOENT); /* ".a.example" stands */
	ck_assert_int_eq(del("B.EXAMPLE"), 0);
	ck_assert_int_eq(del("b.example"), GW_ENOENT);
	ck_assert_int_eq(del(".A.example"), 0);
	ck_assert_int_eq(del("b\xc3\xbc"
			     "cher.example."),
			 0);
	expect("");
	restart();
	expect("");
	ck_assert(domains_asks(domains, SLICE_LIT("b.example"), NOW));
}
END_TEST

START_TEST(test_find)
{
	struct domain_allow allow;

	ck_assert_int_eq(add(".a.example", NOW + 9, "ann", "x"), 0);
	ck_assert(
	    domains_allow_find(domains, SLICE_LIT("b.a.example"), NOW, &allow));
	ck_assert_str_eq(allow.domain, ".a.example");
	ck_assert_str_eq(allow.why, "x");
	ck_assert(
	    domains_allow_find(domains, SLICE_LIT("a.example"), NOW, &allow));
	ck_assert(!domains_allow_find(domains, SLICE_LIT("a.example"), NOW + 9,
				      &allow));
	ck_assert(
	    !domains_allow_find(domains, SLICE_LIT("example"), NOW, &allow));
}
END_TEST

START_TEST(test_expiry)
{
	struct domain_change *gone;

	ck_assert_ptr_null(domains_allow_expire(domains, INT64_MAX));
	ck_assert_int_eq(add("a.example", NOW + 5, "ann", ""), 0);
	ck_assert_int_eq(add("b.example", NOW + 9, "ann", ""), 0);
	ck_assert_int_eq(add("c.example", 0, "ann", ""), 0);
	ck_assert_ptr_null(domains_allow_expire(domains, NOW + 4));
	gone = domains_allow_expire(domains, NOW + 5);
	ck_assert_uint_eq(commit(&gone), 1);
	ck_assert_ptr_null(domains_allow_expire(domains, NOW + 8));
	/* it was put off meanwhile */
	ck_assert_int_eq(add("b.example", NOW + 20, "ann", ""), 0);
	ck_assert_ptr_null(domains_allow_expire(domains, NOW + 10));
	restart();
	expect("b.example until 1800000020 since 1800000000 by ann: \n"
	       "c.example until 0 since 1800000000 by ann: \n");
	gone = domains_allow_expire(domains, NOW + 20);
	ck_assert_uint_eq(commit(&gone), 1);
	restart();
	expect("c.example until 0 since 1800000000 by ann: \n");
	ck_assert_ptr_null(domains_allow_expire(domains, NOW + 9999));
}
END_TEST

START_TEST(test_many_expire_in_parts)
{
	struct domain_change *gone;
	size_t total = 0, n;
	char name[32];

	for (int i = 0; i < 250; i++) {
		snprintf(name, sizeof(name), "d%d.example", i);
		ck_assert_int_eq(add(name, NOW + 1, "ann", ""), 0);
	}
	while ((gone = domains_allow_expire(domains, NOW + 1)) != NULL) {
		n = commit(&gone);
		ck_assert_uint_le(n, 100);
		total += n;
	}
	ck_assert_uint_eq(total, 250);
	restart();
	expect("");
}
END_TEST

START_TEST(test_too_many)
{
	struct domain_allow allow = {.since_wall_s = NOW};
	struct domain_change *change;

	for (int i = 0; i < DOMAIN_ALLOWS_MAX; i++) {
		snprintf(allow.domain, sizeof(allow.domain), "d%d.example", i);
		ck_assert_int_eq(domains_allow_add(domains, &allow, &change),
				 0);
		domain_change_free(&change);
	}
	strcpy(allow.domain, "one.more");
	ck_assert_int_eq(domains_allow_add(domains, &allow, &change),
			 GW_ETOOBIG);
	ck_assert_ptr_null(change);
	/* what is there can be renewed, and goes */
	strcpy(allow.domain, "d7.example");
	ck_assert_int_eq(domains_allow_add(domains, &allow, &change), 0);
	domain_change_free(&change);
	ck_assert_int_eq(del("d8.example"), 0);
	ck_assert_int_eq(add("one.more", 0, "", ""), 0);
}
END_TEST

/* --- what is a domain
 * ---------------------------------------------------------- */

#define LABEL63 \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

struct name_row {
	const char *name, *wanted; /* NULL: none */
};

static const struct name_row name_rows[] = {
    {"a.example", "a.example"},
    {"A.EXAMPLE.", "a.example"},
    {".a.example", ".a.example"},
    {"intranet", "intranet"},
    {"_dmarc.a-b.0", "_dmarc.a-b.0"},
    {"b\xc3\xbc"
     "cher.example",
     "xn--bcher-kva.example"},
    {".b\xc3\xbc"
     "cher.example",
     ".xn--bcher-kva.example"},
    {LABEL63 ".example", LABEL63 ".example"},
    {"", NULL},
    {".", NULL},
    {"..", NULL},
    {"..a", NULL},
    {"a..example", NULL},
    {"a.example..", NULL},
    {"a b.example", NULL},
    {"a@b.example", NULL},
    {"*.example", NULL},
    {"a.example\n", NULL},
    {"[192.0.2.1]", NULL},
    {"\xff.example", NULL},
    {LABEL63 "a.example", NULL},
};

START_TEST(test_names)
{
	const struct name_row *row = &name_rows[_i];
	char out[DOMAIN_RULE_MAX + 1];
	int err = domain_rule_name(slice_str(row->name), out);

	ck_assert_msg(err == (row->wanted != NULL ? 0 : GW_EINVAL), "%s",
		      row->name);
	if (row->wanted != NULL)
		ck_assert_str_eq(out, row->wanted);
	else
		ck_assert_int_eq(del(row->name), GW_EINVAL);
}
END_TEST

START_TEST(test_lengths_of_names)
{
	char name[300], out[DOMAIN_RULE_MAX + 1];

	for (size_t i = 0; i < sizeof(name); i++)
		name[i] = i % 50 == 0 ? '.' : 'a';
	for (size_t n = 248; n < 270; n++) {
		/* from the first dot on; without it; with one behind it */
		ck_assert_int_eq(domain_rule_name(slice_of(name, n + 1), out),
				 n <= 253 ? 0 : GW_EINVAL);
		ck_assert_int_eq(domain_rule_name(slice_of(name + 1, n), out),
				 n <= 253 ? 0 : GW_EINVAL);
	}
	name[254] = '.';
	ck_assert_int_eq(domain_rule_name(slice_of(name, 255), out), 0);
	ck_assert_uint_eq(strlen(out), 254);
}
END_TEST

START_TEST(test_what_is_not_allowed)
{
	struct domain_allow good = {.domain = "a.example"}, bad;
	struct domain_change *change;

	for (int i = 0; i < 8; i++) {
		bad = good;
		switch (i) {
		case 0:
			bad.until_wall_s = -1;
			break;
		case 1:
			bad.until_wall_s = INT64_MAX;
			break;
		case 2:
			bad.since_wall_s = -1;
			break;
		case 3:
			memset(bad.domain, 'a', sizeof(bad.domain));
			break;
		case 4:
			memset(bad.by, 'a', sizeof(bad.by));
			break;
		case 5:
			memset(bad.why, 'a', sizeof(bad.why));
			break;
		case 6:
			bad.domain[0] = '\0';
			break;
		case 7:
			strcpy(bad.domain, "a..b");
			break;
		}
		ck_assert_msg(domains_allow_add(domains, &bad, &change) ==
				  GW_EINVAL,
			      "%d", i);
		ck_assert_ptr_null(change);
	}
	ck_assert_int_eq(domains_allow_add(domains, &good, &change), 0);
	domain_change_free(&change);
}
END_TEST

/* --- the record
 * ------------------------------------------------------------------ */

static const struct domain_allow written = {
    .domain = ".a.example",
    .since_wall_s = 1,
    .until_wall_s = 2,
    .by = "ann",
    .why = "because",
};

START_TEST(test_record)
{
	struct slice key = SLICE_LIT(".a.example");
	struct buf value = {.cap = 512}, again = {.cap = 512};
	struct domain_allow read;

	domain_allow_encode(&written, &value);
	ck_assert_int_eq(domain_allow_decode(key, buf_slice(&value), &read), 0);
	ck_assert_mem_eq(&read, &written, sizeof(read));
	domain_allow_encode(&read, &again);
	ck_assert(slice_eq(buf_slice(&value), buf_slice(&again)));
	for (size_t n = 0; n < value.n; n++)
		ck_assert_msg(domain_allow_decode(key, slice_of(value.p, n),
						  &read) == GW_ECORRUPT,
			      "cut at %zu", n);
	buf_add_byte(&value, '\0');
	ck_assert_int_eq(domain_allow_decode(key, buf_slice(&value), &read),
			 GW_ECORRUPT);
	buf_fini(&value);
	buf_fini(&again);
}
END_TEST

struct bad_row {
	const char *label;
	const char *key;
	int offset; /* -1: nothing is changed */
	uint8_t byte;
};

/* u8 version, u64 since, u64 until, u32 3 "ann", u32 7 "because" */
static const struct bad_row bad_rows[] = {
    {"another version", ".a.example", 0, 2},
    {"since before the beginning", ".a.example", 1, 0x80},
    {"until after the end", ".a.example", 9, 1},
    {"longer than the record", ".a.example", 17, 1},
    {"a NUL in it", ".a.example", 21, 0},
    {"two strings as one", ".a.example", 20, 11},
    {"a name not in normal form", ".A.example", -1, 0},
    {"no name", "", -1, 0},
    {"a name with a space", "a b", -1, 0},
};

START_TEST(test_bad_record)
{
	const struct bad_row *row = &bad_rows[_i];
	struct buf value = {.cap = 512};
	struct domain_allow read;

	domain_allow_encode(&written, &value);
	if (row->offset >= 0)
		value.p[row->offset] = (char)row->byte;
	ck_assert_msg(domain_allow_decode(slice_str(row->key),
					  buf_slice(&value),
					  &read) == GW_ECORRUPT,
		      "%s", row->label);
	buf_fini(&value);
}
END_TEST

START_TEST(test_a_bad_record_is_passed_over)
{
	struct buf value = {.cap = 512};
	struct store_change changes[] = {
	    {STORE_DOMAIN, STORE_PUT, SLICE_LIT(".a.example"), SLICE_NONE},
	    {STORE_DOMAIN, STORE_PUT, SLICE_LIT("b.example"),
	     SLICE_LIT("\x01nonsense")},
	    {STORE_DOMAIN, STORE_PUT, SLICE_LIT("C.example"), SLICE_NONE},
	    {STORE_DOMAIN, STORE_PUT, SLICE_LIT("d.example"), SLICE_NONE},
	};
	struct store_txn *txn = store_write(env);

	domain_allow_encode(&written, &value);
	changes[0].value = changes[2].value = changes[3].value =
	    buf_slice(&value);
	store_apply(txn, changes, COUNT(changes));
	ck_assert_int_eq(store_commit(&txn), 0);
	ck_assert_int_eq(domains_load(domains, env), 0);
	expect(".a.example until 2 since 1 by ann: because\n"
	       "d.example until 2 since 1 by ann: because\n");
	buf_fini(&value);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("domains_allow");
	TCase *tcase = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, store_setup, store_teardown);
	tcase_add_test(tcase, test_changes);
	tcase_add_test(tcase, test_find);
	tcase_add_test(tcase, test_expiry);
	tcase_add_test(tcase, test_many_expire_in_parts);
	tcase_add_test(tcase, test_too_many);
	tcase_add_loop_test(tcase, test_names, 0, COUNT(name_rows));
	tcase_add_test(tcase, test_lengths_of_names);
	tcase_add_test(tcase, test_what_is_not_allowed);
	tcase_add_test(tcase, test_record);
	tcase_add_loop_test(tcase, test_bad_record, 0, COUNT(bad_rows));
	tcase_add_test(tcase, test_a_bad_record_is_passed_over);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
