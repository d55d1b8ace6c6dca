/* The cache of verdicts over a restart: what is given to the disk, and what is
 * believed that comes back from it. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "dns/cache_int.h"
#include "gateway/base/error.h"
#include "tests/dns/cache_help.h"

struct disk { /* what take_changes gave */
	unsigned puts, deletes;
	struct {
		char key[64];
		char value[64];
		size_t n; /* of value */
	} records[64];
	size_t count;
};

static void
on_change(void *arg, struct slice key, struct slice value)
{
	struct disk *disk = arg;

	ck_assert_uint_lt(disk->count, 64);
	ck_assert_uint_lt(key.n, 64);
	ck_assert_uint_lt(value.n, 64);
	memcpy(disk->records[disk->count].key, key.p, key.n);
	disk->records[disk->count].key[key.n] = '\0';
	disk->records[disk->count].n = value.n;
	if (value.n > 0)
		memcpy(disk->records[disk->count].value, value.p, value.n);
	disk->count++;
	if (value.p == NULL)
		disk->deletes++;
	else
		disk->puts++;
}

static void
take(struct dns_cache *cache, size_t max, struct disk *disk)
{
	memset(disk, 0, sizeof(*disk));
	ck_assert_uint_eq(dns_cache_take_changes(cache, max, on_change, disk),
			  disk->count);
}

START_TEST(test_restart)
{
	struct dns_cache *cache = cache_of(0), *again = cache_of(0);
	struct domain_fact before, after;
	struct disk disk;

	put(cache, "good.de", DOMAIN_DELIVERABLE, 3600, NOW);
	put(cache, "dead.de", DOMAIN_DEAD, 3600, NOW);
	put(cache, "null.de", DOMAIN_REFUSES, 3600, NOW);
	put(cache, "local.de", DOMAIN_UNROUTABLE, 3600, NOW);
	put(cache, "failed.de", DOMAIN_UNKNOWN, 3600, NOW);
	take(cache, 100, &disk);
	ck_assert_uint_eq(disk.puts, 3); /* neither local nor failed ones */
	ck_assert_uint_eq(disk.deletes, 0);
	for (size_t i = 0; i < disk.count; i++)
		ck_assert_int_eq(
		    dns_cache_restore(
			again, slice_str(disk.records[i].key),
			slice_of(disk.records[i].value, disk.records[i].n),
			NOW + 10),
		    0);
	for (size_t i = 0; i < disk.count; i++) {
		ck_assert(get(cache, disk.records[i].key, NOW + 10, &before));
		ck_assert(get(again, disk.records[i].key, NOW + 10, &after));
		ck_assert_int_eq(before.verdict, after.verdict);
		ck_assert_int_eq(before.reason, after.reason);
		ck_assert_int_eq(before.since_wall_s, after.since_wall_s);
		ck_assert_int_eq(before.until_wall_s, after.until_wall_s);
	}
	/* what came from there is not written again, but it can be deleted */
	take(again, 100, &disk);
	ck_assert_uint_eq(disk.count, 0);
	ck_assert_uint_eq(dns_cache_flush(again, SLICE_NONE), 3);
	take(again, 100, &disk);
	ck_assert_uint_eq(disk.deletes, 3);
	dns_cache_destroy(&cache);
	dns_cache_destroy(&again);
}
END_TEST

START_TEST(test_take)
{
	struct dns_cache *cache = cache_of(10);
	struct disk disk;
	char name[32];

	for (unsigned i = 0; i < 10; i++) {
		name_of(name, i);
		put(cache, name, DOMAIN_DELIVERABLE, 3600, NOW);
	}
	take(cache, 7, &disk);
	ck_assert_uint_eq(disk.puts, 7);
	take(cache, 7, &disk);
	ck_assert_uint_eq(disk.puts, 3);
	take(cache, 7, &disk);
	ck_assert_uint_eq(disk.count, 0);
	/* changed twice: once; looked at: not at all */
	put(cache, "d3.de", DOMAIN_DEAD, 60, NOW + 20);
	put(cache, "d3.de", DOMAIN_DELIVERABLE, 60, NOW + 21);
	ck_assert_int_eq(verdict(cache, "d4.de", NOW + 40), 1);
	take(cache, 7, &disk);
	ck_assert_uint_eq(disk.puts, 1);
	ck_assert_str_eq(disk.records[0].key, "d3.de");
	/* pushed out, flushed, or not known any more: deleted, once */
	put(cache, "new.de", DOMAIN_DEAD, 60, NOW + 41);
	(void)dns_cache_flush(cache, SLICE_LIT("d4.de"));
	put(cache, "d3.de", DOMAIN_UNKNOWN, 0, NOW + 10 * DAY);
	take(cache, 100, &disk);
	ck_assert_uint_eq(disk.deletes, 3);
	ck_assert_uint_eq(disk.puts, 1);
	take(cache, 100, &disk);
	ck_assert_uint_eq(disk.count, 0);
	put(cache, "d3.de", DOMAIN_UNKNOWN, 0, NOW + 10 * DAY + 100);
	take(cache, 100, &disk);
	ck_assert_uint_eq(disk.count, 0);
	/* flushed before it was taken: never heard of */
	put(cache, "brief.de", DOMAIN_DEAD, 60, NOW);
	(void)dns_cache_flush(cache, SLICE_LIT("brief.de"));
	/* gone and back before it was taken: one record */
	(void)dns_cache_flush(cache, SLICE_LIT("new.de"));
	put(cache, "new.de", DOMAIN_DEAD, 60, NOW);
	take(cache, 100, &disk);
	ck_assert_uint_eq(disk.puts, 1);
	for (size_t i = 0; i < disk.count; i++)
		ck_assert_str_ne(disk.records[i].key, "brief.de");
	dns_cache_destroy(&cache);
}
END_TEST

/* version, verdict, reason, flags, since, until */
static const struct {
	const char *label, *key;
	uint8_t version, verdict, reason, flags;
	int64_t since, until;
	int err;
} records[] = {
    {"good", "a.de", 1, 1, 1, 0, NOW - 10, NOW + 90, 0},
    {"its own address", "a.de", 1, 1, 2, 0, NOW - 10, NOW + 90, 0},
    {"dead", "a.de", 1, 2, 4, 0, NOW - 10, NOW + 90, 0},
    {"no records", "a.de", 1, 2, 5, 0, NOW - 10, NOW + 90, 0},
    {"null MX", "a.de", 1, 3, 7, 0, NOW - 10, NOW + 90, 0},
    {"no host has an address", "a.de", 1, 5, 10, 0, NOW - 10, NOW + 90, 0},
    {"`targets` decided, of another start", "a.de", 1, 5, 11, 1, NOW - 10,
     NOW + 90, GW_ENOENT},
    {"and so it did here", "a.de", 1, 1, 1, 1, NOW - 10, NOW + 90, GW_ENOENT},
    {"self, by another name", "a.de", 1, 5, 12, 1, NOW - 10, NOW + 90,
     GW_ENOENT},
    {"the longest name's label", "x-y_z.de", 1, 2, 4, 0, NOW - 10, NOW + 90, 0},
    {"good, over, but may be stale", "a.de", 1, 1, 1, 0, NOW - 1000, NOW - 10,
     0},
    {"good, too old", "a.de", 1, 1, 1, 0, NOW - 1000 - DAY, NOW - DAY,
     GW_ENOENT},
    {"dead, over", "a.de", 1, 2, 4, 0, NOW - 1000, NOW, GW_ENOENT},
    {"from the future", "a.de", 1, 2, 4, 0, NOW + 5 * DAY, NOW + 5 * DAY + 90,
     0},
    {"the end of time", "a.de", 1, 2, 4, 0, INT64_MAX - 1, INT64_MAX,
     GW_ECORRUPT},
    {"before the beginning", "a.de", 1, 2, 4, 0, -5, NOW + 90, GW_ECORRUPT},
    {"backwards", "a.de", 1, 2, 4, 0, NOW, NOW - 1, GW_ECORRUPT},
    {"too long", "a.de", 1, 1, 1, 0, NOW, NOW + DAY + 1, GW_ECORRUPT},
    {"version 0", "a.de", 0, 2, 4, 0, NOW - 10, NOW + 90, GW_ECORRUPT},
    {"version 2", "a.de", 2, 2, 4, 0, NOW - 10, NOW + 90, GW_ECORRUPT},
    {"unknown is never kept", "a.de", 1, 0, 13, 0, NOW - 10, NOW + 90,
     GW_ECORRUPT},
    {"reserved is not from DNS", "a.de", 1, 4, 8, 0, NOW - 10, NOW + 90,
     GW_ECORRUPT},
    {"no such verdict", "a.de", 1, 6, 4, 0, NOW - 10, NOW + 90, GW_ECORRUPT},
    {"no such reason", "a.de", 1, 2, 99, 0, NOW - 10, NOW + 90, GW_ECORRUPT},
    {"dead because it is fine", "a.de", 1, 2, 1, 0, NOW - 10, NOW + 90,
     GW_ECORRUPT},
    {"dead because of SERVFAIL", "a.de", 1, 2, 13, 0, NOW - 10, NOW + 90,
     GW_ECORRUPT},
    {"unroutable because of SERVFAIL", "a.de", 1, 5, 13, 0, NOW - 10, NOW + 90,
     GW_ECORRUPT},
    {"strange flags", "a.de", 1, 2, 4, 2, NOW - 10, NOW + 90, GW_ECORRUPT},
    {"no key", "", 1, 2, 4, 0, NOW - 10, NOW + 90, GW_ECORRUPT},
    {"not in key form", "A.de", 1, 2, 4, 0, NOW - 10, NOW + 90, GW_ECORRUPT},
    {"a trailing dot", "a.de.", 1, 2, 4, 0, NOW - 10, NOW + 90, GW_ECORRUPT},
    {"a literal", "[192.0.2.1]", 1, 1, 1, 0, NOW - 10, NOW + 90, GW_ECORRUPT},
    {"an address", "a@b.de", 1, 1, 1, 0, NOW - 10, NOW + 90, GW_ECORRUPT},
    {"special use", "a.test", 1, 1, 1, 0, NOW - 10, NOW + 90, GW_ENOENT},
};

static void
record_make(int i, struct buf *out)
{
	buf_put_u8(out, records[i].version);
	buf_put_u8(out, records[i].verdict);
	buf_put_u8(out, records[i].reason);
	buf_put_u8(out, records[i].flags);
	buf_put_u64(out, (uint64_t)records[i].since);
	buf_put_u64(out, (uint64_t)records[i].until);
}

START_TEST(test_records)
{
	struct dns_cache *cache = cache_of(0);
	struct slice key = slice_str(records[_i].key);
	struct buf out = {.cap = 100};
	struct domain_fact fact;
	int err;

	record_make(_i, &out);
	err = dns_cache_restore(cache, key, buf_slice(&out), NOW);
	ck_assert_msg(err == records[_i].err, "%s: %d", records[_i].label, err);
	ck_assert_int_eq(dns_cache_look(cache, key, &fact), err == 0);
	if (err == 0) {
		ck_assert_int_eq(fact.verdict, records[_i].verdict);
		ck_assert_int_le(fact.since_wall_s, NOW);
		ck_assert_int_eq(fact.until_wall_s - fact.since_wall_s,
				 records[_i].until - records[_i].since);
	}
	(void)dns_cache_flush(cache, SLICE_NONE);
	/* cut anywhere, or with something behind it: nothing */
	for (size_t n = 0; n < out.n; n++) {
		char *cut = slice_dup(slice_of(out.p, n));

		ck_assert_int_eq(
		    dns_cache_restore(cache, key, slice_of(cut, n), NOW),
		    GW_ECORRUPT);
		free(cut);
	}
	buf_put_u8(&out, 0);
	ck_assert_int_eq(dns_cache_restore(cache, key, buf_slice(&out), NOW),
			 GW_ECORRUPT);
	buf_fini(&out);
	dns_cache_destroy(&cache);
}
END_TEST

START_TEST(test_restore_is_older)
{
	struct dns_cache *cache = cache_of(0);
	struct buf out = {.cap = 100};

	record_make(0, &out);
	put(cache, "a.de", DOMAIN_DEAD, 600, NOW);
	ck_assert_int_eq(
	    dns_cache_restore(cache, SLICE_LIT("a.de"), buf_slice(&out), NOW),
	    0);
	ck_assert_int_eq(verdict(cache, "a.de", NOW), DOMAIN_DEAD);
	buf_fini(&out);
	dns_cache_destroy(&cache);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("dns/cache_save");
	TCase *tc = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, test_restart);
	tcase_add_test(tc, test_take);
	tcase_add_loop_test(tc, test_records, 0, COUNT(records));
	tcase_add_test(tc, test_restore_is_older);
	suite_add_tcase(s, tc);
	runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
