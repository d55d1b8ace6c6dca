#include "gateway/base/error.h"
#include "policy/audit.h"
#include "tests/policy/help.h"

static void
entry_keep(const struct audit_entry *entry)
{
	struct store_change change;
	struct buf key, value;

	buf_init(&key, 16);
	buf_init(&value, AUDIT_RECORD_MAX);
	audit_change(entry, &key, &value, &change);
	store_keep(&change);
	buf_fini(&key);
	buf_fini(&value);
}

static const struct audit_entry full = {
    .id = 0x0102030405060708,
    .wall_s = 1795302329,
    .uid = 1000,
    .pid = 4711,
    .author = "root",
    .command = "block add cred bob",
    .reason = "hijacked",
    .effect = "held 12 messages",
};

START_TEST(record_goes_round)
{
	struct store_change change;
	struct buf key, value, scratch;
	struct audit_entry got;

	buf_init(&key, 16);
	buf_init(&value, AUDIT_RECORD_MAX + 1);
	buf_init(&scratch, AUDIT_RECORD_MAX + 4);
	audit_change(&full, &key, &value, &change);
	ck_assert_int_eq(change.table, STORE_AUDIT);
	ck_assert_int_eq(change.kind, STORE_PUT);
	ck_assert_int_eq(audit_decode(change.key, change.value, &got, &scratch),
			 0);
	ck_assert_uint_eq(got.id, full.id);
	ck_assert_int_eq(got.wall_s, full.wall_s);
	ck_assert_uint_eq(got.uid, full.uid);
	ck_assert_uint_eq(got.pid, full.pid);
	ck_assert_str_eq(got.author, full.author);
	ck_assert_str_eq(got.command, full.command);
	ck_assert_str_eq(got.reason, full.reason);
	ck_assert_str_eq(got.effect, full.effect);
	for (size_t n = 0; n < value.n; n++)
		ck_assert_int_eq(audit_decode(change.key, slice_of(value.p, n),
					      &got, &scratch),
				 GW_ECORRUPT);
	ck_assert_int_eq(
	    audit_decode(slice_of(key.p, 7), change.value, &got, &scratch),
	    GW_ECORRUPT);
	value.p[value.n - 1] = '\0';
	ck_assert_int_eq(audit_decode(change.key, change.value, &got, &scratch),
			 GW_ECORRUPT);
	buf_add_byte(&value, 'x');
	ck_assert_int_eq(
	    audit_decode(change.key, buf_slice(&value), &got, &scratch),
	    GW_ECORRUPT);
	buf_fini(&key);
	buf_fini(&value);
	buf_fini(&scratch);
}
END_TEST

START_TEST(long_texts_are_cut)
{
	struct audit_entry entry = full, got;
	char longest[9000];
	struct store_change change;
	struct buf key, value, scratch;

	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	entry.author = entry.command = entry.reason = entry.effect = longest;
	buf_init(&key, 16);
	buf_init(&value, AUDIT_RECORD_MAX);
	buf_init(&scratch, AUDIT_RECORD_MAX);
	audit_change(&entry, &key, &value, &change);
	ck_assert(!value.overflow);
	ck_assert_int_eq(audit_decode(change.key, change.value, &got, &scratch),
			 0);
	ck_assert_uint_eq(strlen(got.author), 255);
	ck_assert_uint_eq(strlen(got.command), 2000);
	ck_assert_uint_eq(strlen(got.reason), 500);
	ck_assert_uint_eq(strlen(got.effect), 1000);
	buf_fini(&key);
	buf_fini(&value);
	buf_fini(&scratch);
}
END_TEST

struct seen {
	uint64_t ids[32];
	size_t count, stop;
};

static bool
see(void *arg, const struct audit_entry *entry)
{
	struct seen *seen = arg;

	ck_assert_str_eq(entry->author, "root");
	seen->ids[seen->count++] = entry->id;
	return seen->count != seen->stop;
}

START_TEST(newest_first)
{
	static const struct {
		const char *label;
		uint64_t before;
		size_t max, stop;
		uint64_t ids[8]; /* 0 ends */
	} rows[] = {
	    {"all", 0, 9, 0, {UINT64_MAX - 1, 300, 200, 100, 1}},
	    {"two", 0, 2, 0, {UINT64_MAX - 1, 300}},
	    {"before one", 300, 9, 0, {200, 100, 1}},
	    {"between", 299, 1, 0, {200}},
	    {"before the first", 1, 9, 0, {0}},
	    {"after the last", UINT64_MAX, 1, 0, {UINT64_MAX - 1}},
	    {"none wanted", 0, 0, 0, {0}},
	    {"stopped", 0, 9, 2, {UINT64_MAX - 1, 300}},
	};
	static const uint64_t ids[] = {200, 1, UINT64_MAX - 1, 300, 100};
	struct store_change bad = {
	    .table = STORE_AUDIT,
	    .kind = STORE_PUT,
	    .key = SLICE_LIT("\xff\xff\xff\xff\xff\xff\xff\x00"),
	    .value = SLICE_LIT("garbage")};

	for (size_t i = 0; i < COUNT(ids); i++) {
		struct audit_entry entry = full;

		entry.id = ids[i];
		entry_keep(&entry);
	}
	store_keep(&bad); /* does not hide what is older */
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct seen seen = {.stop = rows[i].stop};
		size_t n =
		    audit_each(store, rows[i].before, rows[i].max, see, &seen);

		ck_assert_msg(n == seen.count, "%s", rows[i].label);
		for (size_t k = 0; k < n; k++)
			ck_assert_msg(seen.ids[k] == rows[i].ids[k], "%s",
				      rows[i].label);
		ck_assert_msg(rows[i].ids[n] == 0, "%s: %zu", rows[i].label, n);
	}
}
END_TEST

int
main(void)
{
	TCase *cases[2] = {tcase_create("record"), tcase_create("store")};

	tcase_add_test(cases[0], record_goes_round);
	tcase_add_test(cases[0], long_texts_are_cut);
	tcase_add_checked_fixture(cases[1], store_setup, store_teardown);
	tcase_add_test(cases[1], newest_first);
	return run_suite("audit", cases, COUNT(cases));
}
