#include <check.h>
#include <stdlib.h>

#include "gateway/base/error.h"
#include "gateway/base/mem.h"
#include "gateway/scan/quarantine_int.h"
#include "gateway/spool/message.h"
#include "tests/scan/quarantine_help.h"

/* The record: what is read is what was written, and nothing else is read. */

static const uint8_t key[MASK_KEY_SIZE] = "0123456789abcde";

enum { MASKED_AT = 1 + 8 + MASK_KEY_SIZE };

static struct arena *arena;

static void
setup(void)
{
	arena = arena_create(1024);
}

static void
teardown(void)
{
	arena_destroy(&arena);
}

/* --- the mask */

START_TEST(test_mask)
{
	char plain[100], masked[100], part[100];

	for (size_t i = 0; i < sizeof(plain); i++)
		plain[i] = (char)i;
	memcpy(masked, plain, sizeof(plain));
	mask_apply(key, 0, masked, sizeof(masked));
	/* Each range is the same bytes, wherever it is begun. */
	for (size_t from = 0; from <= sizeof(plain); from++) {
		for (size_t to = from; to <= sizeof(plain); to++) {
			memcpy(part, masked, sizeof(part));
			mask_apply(key, from, part + from, to - from);
			ck_assert(memcmp(part, masked, from) == 0);
			ck_assert(
			    memcmp(part + from, plain + from, to - from) == 0);
			ck_assert(memcmp(part + to, masked + to,
					 sizeof(plain) - to) == 0);
		}
	}
	/* Far out too, across 2^32 eights. */
	memcpy(part, plain, sizeof(plain));
	mask_apply(key, (uint64_t)8 << 32, part, 8);
	mask_apply(key, ((uint64_t)8 << 32) + 8, part + 8, 92);
	mask_apply(key, (uint64_t)8 << 32, part, 100);
	ck_assert(memcmp(part, plain, sizeof(plain)) == 0);
}
END_TEST

/* No run of equal bytes shows as one, and each byte takes every value. */
START_TEST(test_mask_looks_random)
{
	uint8_t zero[65536] = {0};
	size_t count[256] = {0}, same = 0;

	mask_apply(key, 0, zero, sizeof(zero));
	for (size_t i = 0; i < sizeof(zero); i++)
		count[zero[i]]++;
	for (size_t i = 8; i < sizeof(zero); i += 8)
		same += memcmp(zero + i, zero, 8) == 0;
	for (int i = 0; i < 256; i++)
		ck_assert_uint_gt(count[i], 150);
	ck_assert_uint_eq(same, 0);
}
END_TEST

/* --- round trips */

static void
plain(struct quarantine_entry *entry)
{
	(void)entry;
}

static void
absent(struct quarantine_entry *entry)
{
	entry->owner = entry->envid = NULL;
	entry->prefix = SLICE_NONE;
	entry->rcpt_count = 0;
	entry->linked = 0;
}

static void
empty(struct quarantine_entry *entry)
{
	entry->cred = entry->session = entry->mail_from = "";
	entry->owner = entry->envid = "";
	entry->part_name = entry->subject = "";
	memset(&entry->verdict, 0, sizeof(entry->verdict));
}

static void
largest(struct quarantine_entry *entry)
{
	memset(entry->verdict.threat, 't', SCAN_THREAT_SIZE - 1);
	memset(entry->verdict.server, 's', SCAN_SERVER_SIZE - 1);
	memset(entry->verdict.istag, 'i', SCAN_ISTAG_SIZE - 1);
	entry->verdict.kind = SCAN_ERROR;
	entry->verdict.why = SCAN_WHY_READ;
	entry->bytes = entry->linked = UINT64_MAX;
	entry->accepted_wall_ms = INT64_MIN;
	entry->expires_wall_s = INT64_MAX;
	entry->ret = QUARANTINE_RET_MAX;
	entry->lane = QUARANTINE_LANE_MAX;
	entry->flags = UINT16_MAX;
}

static void
crowd(struct quarantine_entry *entry)
{
	enum { COUNT = 50000 };
	struct quarantine_rcpt *rcpts =
	    arena_alloc(arena, COUNT * sizeof(*rcpts));
	char address[64];

	for (unsigned i = 0; i < COUNT; i++) {
		snprintf(address, sizeof(address), "r%u@example.org", i);
		rcpts[i].address = arena_dup(arena, slice_str(address));
		rcpts[i].orcpt = i % 2 ? NULL : "rfc822;x";
		rcpts[i].notify = (uint8_t)i;
	}
	entry->rcpts = rcpts;
	entry->rcpt_count = COUNT;
}

static const struct {
	const char *label;
	void (*make)(struct quarantine_entry *entry);
} shapes[] = {
    {"usual", plain},
    {"absent strings", absent},
    {"empty ones", empty},
    {"the largest values", largest},
    {"50,000 recipients", crowd},
};

START_TEST(test_round_trip)
{
	struct quarantine_entry entry, read = {.id = 5};
	struct slice record;
	const char *wrong;

	entry_make(&entry, 5);
	shapes[_i].make(&entry);
	record = quarantine_record_encode(&entry, key, arena);
	ck_assert(quarantine_record_expires(record) == entry.expires_wall_s);
	ck_assert_int_eq(quarantine_record_decode(record, arena, &read), 0);
	wrong = entry_differs(&entry, &read);
	ck_assert_msg(wrong == NULL, "%s: %s", shapes[_i].label, wrong);
}
END_TEST

/* Strings that must be there are read as empty ones. */
START_TEST(test_null_text)
{
	struct quarantine_entry entry, read = {.id = 5};
	struct slice record;

	entry_make(&entry, 5);
	entry.cred = entry.session = entry.mail_from = NULL;
	entry.part_name = entry.subject = NULL;
	record = quarantine_record_encode(&entry, key, arena);
	ck_assert_int_eq(quarantine_record_decode(record, arena, &read), 0);
	ck_assert_str_eq(read.cred, "");
	ck_assert_str_eq(read.session, "");
	ck_assert_str_eq(read.mail_from, "");
	ck_assert_str_eq(read.part_name, "");
	ck_assert_str_eq(read.subject, "");
}
END_TEST

/* --- damage */

/* A copy of exactly n bytes, so that a read past the end is seen. */
static int
decode_copy(const char *p, size_t n)
{
	struct quarantine_entry entry = {.id = 1};
	char *copy = mem_alloc(n > 0 ? n : 1);
	int err;

	memcpy(copy, p, n);
	err = quarantine_record_decode(slice_of(copy, n), arena, &entry);
	quarantine_record_expires(slice_of(copy, n));
	free(copy);
	return err;
}

START_TEST(test_cut)
{
	struct quarantine_entry entry;
	struct slice record;
	char *longer;

	entry_make(&entry, 5);
	record = quarantine_record_encode(&entry, key, arena);
	for (size_t n = 0; n < record.n; n++)
		ck_assert_msg(decode_copy(record.p, n) == GW_ECORRUPT,
			      "cut at %zu", n);
	longer = mem_zalloc(record.n + 1);
	memcpy(longer, record.p, record.n);
	ck_assert_int_eq(decode_copy(longer, record.n + 1), GW_ECORRUPT);
	free(longer);
}
END_TEST

/* Every byte of it wrong in turn: read or refused, never past the end. */
START_TEST(test_flipped)
{
	struct quarantine_entry entry;
	struct slice record;
	size_t refused = 0;
	char *p;

	entry_make(&entry, 5);
	record = quarantine_record_encode(&entry, key, arena);
	p = mem_alloc(record.n);
	for (size_t i = 0; i < record.n; i++) {
		for (int bit = 0; bit < 8; bit++) {
			memcpy(p, record.p, record.n);
			p[i] = (char)(p[i] ^ (1 << bit));
			refused += decode_copy(p, record.n) != 0;
		}
	}
	ck_assert_uint_gt(refused, 100);
	free(p);
}
END_TEST

START_TEST(test_version)
{
	struct quarantine_entry entry, read = {.id = 5};
	struct slice record;
	char *p;

	entry_make(&entry, 5);
	record = quarantine_record_encode(&entry, key, arena);
	p = mem_alloc(record.n);
	memcpy(p, record.p, record.n);
	p[0] = 2;
	ck_assert_int_eq(
	    quarantine_record_decode(slice_of(p, record.n), arena, &read),
	    GW_ECORRUPT);
	/* Not ours to throw away. */
	ck_assert(quarantine_record_expires(slice_of(p, record.n)) ==
		  INT64_MAX);
	ck_assert(quarantine_record_expires(SLICE_NONE) == INT64_MAX);
	free(p);
}
END_TEST

/* The place of the recipients' count, behind everything that comes before. */
static size_t
count_at(const struct quarantine_entry *entry)
{
	return MASKED_AT + 16 + 5 + strlen(entry->cred) + 5 +
	       strlen(entry->session) + 5 + strlen(entry->mail_from) + 5 +
	       strlen(entry->owner) + 5 + strlen(entry->envid) + 16 + 4 + 4 +
	       entry->prefix.n;
}

/* Four thousand million recipients in 500 bytes must not be asked memory for.
 */
START_TEST(test_count)
{
	static const uint32_t counts[] = {4, 12, 1000, 1 << 24, UINT32_MAX};
	struct quarantine_entry entry;
	struct slice record;
	size_t before;
	char *p;

	entry_make(&entry, 5);
	record = quarantine_record_encode(&entry, key, arena);
	p = mem_alloc(record.n);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		char *count = p + count_at(&entry);

		memcpy(p, record.p, record.n);
		mask_apply(key, 0, p + MASKED_AT, record.n - MASKED_AT);
		ck_assert(memcmp(count, "\0\0\0\3", 4) == 0);
		for (int byte = 0; byte < 4; byte++)
			count[byte] = (char)(counts[i] >> (24 - 8 * byte));
		mask_apply(key, 0, p + MASKED_AT, record.n - MASKED_AT);
		before = arena_bytes(arena);
		ck_assert_int_eq(decode_copy(p, record.n), GW_ECORRUPT);
		ck_assert_uint_lt(arena_bytes(arena) - before, 65536);
	}
	free(p);
}
END_TEST

/* What a message of it would be indexed by. */
START_TEST(test_ranges)
{
	struct quarantine_entry entry, read = {.id = 5};
	struct slice record;

	ck_assert_int_eq(QUARANTINE_RET_MAX, RET_HDRS);
	ck_assert_int_eq(QUARANTINE_LANE_MAX, LANES - 1);
	entry_make(&entry, 5);
	if (_i == 0)
		entry.ret = RET_HDRS + 1;
	else
		entry.lane = LANES;
	record = quarantine_record_encode(&entry, key, arena);
	ck_assert_int_eq(quarantine_record_decode(record, arena, &read),
			 GW_ECORRUPT);
}
END_TEST

/* A threat's name of a byte more than there is room for. */
START_TEST(test_too_long)
{
	struct quarantine_entry entry;
	char *p, *threat;
	struct slice record;
	size_t n, behind;

	entry_make(&entry, 5);
	memset(entry.verdict.threat, 't', SCAN_THREAT_SIZE - 1);
	record = quarantine_record_encode(&entry, key, arena);
	n = record.n + 1;
	p = mem_alloc(n);
	memcpy(p, record.p, record.n);
	mask_apply(key, 0, p + MASKED_AT, record.n - MASKED_AT);
	threat = memmem(p, record.n, entry.verdict.threat, 100);
	ck_assert_ptr_nonnull(threat);
	ck_assert_int_eq(threat[-1], SCAN_THREAT_SIZE - 1);
	threat[-1] = (char)SCAN_THREAT_SIZE;
	behind = record.n - (size_t)(threat - p);
	memmove(threat + 1, threat, behind);
	mask_apply(key, 0, p + MASKED_AT, n - MASKED_AT);
	ck_assert_int_eq(decode_copy(p, n), GW_ECORRUPT);
	free(p);
}
END_TEST

/* What a sender chose does not stand there in the clear. */
START_TEST(test_masked)
{
	struct quarantine_entry entry;
	struct slice record;
	char virus[69];

	eicar_make(virus);
	entry_make(&entry, 5);
	entry.subject = entry.part_name = virus;
	entry.mail_from = virus;
	record = quarantine_record_encode(&entry, key, arena);
	ck_assert_ptr_null(memmem(record.p, record.n, virus, 68));
	ck_assert_ptr_null(memmem(record.p, record.n, "EICAR", 5));
	ck_assert_ptr_null(memmem(record.p, record.n, "alice", 5));
}
END_TEST

/* --- changes */

START_TEST(test_changes)
{
	struct quarantine_entry entry, read = {.id = 258};
	struct store_change put, again, gone;

	entry_make(&entry, 258);
	quarantine_put_change(&entry, arena, &put);
	quarantine_put_change(&entry, arena, &again);
	quarantine_delete_change(258, arena, &gone);
	ck_assert(store_change_valid(&put) && store_change_valid(&gone));
	ck_assert_int_eq(put.table, STORE_QUARANTINE);
	ck_assert_int_eq(put.kind, STORE_PUT);
	ck_assert_int_eq(gone.kind, STORE_DELETE);
	ck_assert(slice_eq(put.key, slice_of("\0\0\0\0\0\0\1\2", 8)));
	ck_assert(slice_eq(put.key, gone.key));
	ck_assert_int_eq(quarantine_record_decode(put.value, arena, &read), 0);
	ck_assert_ptr_null(entry_differs(&entry, &read));
	/* Each with a key of its own. */
	ck_assert_uint_eq(put.value.n, again.value.n);
	ck_assert(!slice_eq(put.value, again.value));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("scan/quarantine-record");
	TCase *tc = tcase_create("record");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_mask);
	tcase_add_test(tc, test_mask_looks_random);
	tcase_add_loop_test(tc, test_round_trip, 0,
			    sizeof(shapes) / sizeof(shapes[0]));
	tcase_add_test(tc, test_null_text);
	tcase_add_test(tc, test_cut);
	tcase_add_test(tc, test_flipped);
	tcase_add_test(tc, test_version);
	tcase_add_test(tc, test_count);
	tcase_add_loop_test(tc, test_ranges, 0, 2);
	tcase_add_test(tc, test_too_long);
	tcase_add_test(tc, test_masked);
	tcase_add_test(tc, test_changes);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
