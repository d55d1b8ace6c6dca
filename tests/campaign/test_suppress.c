#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/error.h"
#include "gateway/campaign/suppress_int.h"
#include "gateway/store/env.h"
#include "tests/support/remove_tree.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define NOW INT64_C(1800000000)
#define DAY INT64_C(86400)

static struct store_env *env;
static struct suppress *list;
static char dir[64];

static void
setup(void)
{
	struct store_opts opts = {.map_bytes = 64 << 20};
	char path[80], error[256];

	strcpy(dir, "/tmp/sluice-suppress-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/db", dir);
	opts.path = path;
	ck_assert_msg(store_open(&env, &opts, error, sizeof(error)) == 0, "%s",
		      error);
	list = suppress_create();
}

static void
teardown(void)
{
	suppress_destroy(&list);
	store_close(&env);
	remove_tree(dir);
}

static void
commit(const struct store_change *change)
{
	struct store_txn *txn = store_write(env);

	ck_assert(store_change_valid(change));
	store_apply(txn, change, 1);
	ck_assert_int_eq(store_commit(&txn), 0);
}

static int
note(const char *address, enum bounce_class class, int64_t now)
{
	struct arena *arena = arena_create(256);
	struct store_change change;
	int n =
	    suppress_note(list, env, slice_str(address), class,
			  SLICE_LIT("550 5.1.1 said so"), now, arena, &change);

	if (n == 1)
		commit(&change);
	arena_destroy(&arena);
	return n;
}

static bool
has(const char *address)
{
	return suppress_has(list, slice_str(address));
}

/* From disk alone. */
static void
restart(void)
{
	suppress_destroy(&list);
	list = suppress_create();
	ck_assert_int_eq(suppress_load(list, env), 0);
}

START_TEST(hard)
{
	ck_assert_int_eq(note("Ann@Example.COM", BOUNCE_MAILBOX, NOW), 1);
	ck_assert(has("ann@example.com"));
	ck_assert(has("ANN@EXAMPLE.com."));
	ck_assert(!has("anna@example.com"));
	ck_assert_int_eq(note("ann@example.com", BOUNCE_MAILBOX, NOW), 0);
	ck_assert_int_eq(note("b@gone.example", BOUNCE_DOMAIN, NOW), 1);
	ck_assert_uint_eq(suppress_count(list), 2);
	restart();
	ck_assert(has("ann@example.com"));
	ck_assert(has("b@gone.example"));
	ck_assert_uint_eq(suppress_count(list), 2);
}
END_TEST

START_TEST(says_nothing)
{
	static const enum bounce_class classes[] = {
	    BOUNCE_REPUTATION, BOUNCE_POLICY, BOUNCE_CONTENT, BOUNCE_NETWORK,
	    BOUNCE_OTHER};

	for (size_t i = 0; i < COUNT(classes); i++)
		for (int k = 0; k < 5; k++)
			ck_assert_int_eq(
			    note("a@example.com", classes[i], NOW + k), 0);
	ck_assert(!has("a@example.com"));
}
END_TEST

struct soft_case {
	const char *label;
	int64_t days[6];
	int count;
	bool suppressed;
};

static const struct soft_case softs[] = {
    {"one", {0}, 1, false},
    {"two", {0, 1}, 2, false},
    {"three in a week", {0, 3, 6}, 3, true},
    {"three on one day", {0, 0, 0}, 3, true},
    {"the third after seven days", {0, 3, 7}, 3, false},
    {"the last three count", {0, 3, 7, 9}, 4, true},
    {"far apart for ever", {0, 6, 12, 18, 24, 30}, 6, false},
    {"a pause begins anew", {0, 1, 20, 21}, 4, false},
    {"a pause, then three", {0, 1, 20, 21, 22}, 5, true},
};

START_TEST(soft)
{
	const struct soft_case *c = &softs[_i];

	for (int i = 0; i < c->count; i++) {
		ck_assert_msg(!has("a@example.com"), "%s", c->label);
		ck_assert_int_eq(note("a@example.com", BOUNCE_INACTIVE,
				      NOW + c->days[i] * DAY),
				 1);
		if (i == 1) /* what was counted survives */
			restart();
	}
	ck_assert_msg(has("a@example.com") == c->suppressed, "%s", c->label);
	restart();
	ck_assert_msg(has("a@example.com") == c->suppressed, "%s", c->label);
}
END_TEST

static bool
count_entry(void *arg, const struct suppress_entry *entry)
{
	(void)entry;
	++*(size_t *)arg;
	return true;
}

static size_t
records(void)
{
	size_t n = 0;

	ck_assert_int_ge(suppress_list(env, SLICE_NONE, 10000, count_entry, &n),
			 0);
	return n;
}

/* A round over all of them, a few at a time: how many went. */
static size_t
expire_all(int64_t now)
{
	struct arena *arena = arena_create(256);
	struct suppress_place at = {.n = 0};
	struct store_change changes[7];
	size_t n, sum = 0, slices = 0;

	do {
		n = suppress_expire(list, env, now, &at, arena, changes,
				    COUNT(changes));
		for (size_t i = 0; i < n; i++)
			commit(&changes[i]);
		sum += n;
		ck_assert_uint_lt(++slices, 100);
	} while (at.n > 0);
	arena_destroy(&arena);
	return sum;
}

/* What a week has passed over counts no more, and is not kept; who is on the
 * list stays. */
START_TEST(soft_is_forgotten)
{
	char address[40];

	for (int i = 0; i < 40; i++) {
		snprintf(address, sizeof(address), "soft%d@example.com", i);
		note(address, BOUNCE_INACTIVE, NOW + (i % 2) * DAY);
		snprintf(address, sizeof(address), "hard%d@example.com", i);
		note(address, BOUNCE_MAILBOX, NOW);
	}
	for (int i = 0; i < 3; i++)
		note("three@example.com", BOUNCE_INACTIVE, NOW);
	ck_assert_uint_eq(records(), 81);
	ck_assert_uint_eq(expire_all(NOW + 7 * DAY - 1), 0);
	ck_assert_uint_eq(expire_all(NOW + 7 * DAY), 20);
	ck_assert_uint_eq(expire_all(NOW + 7 * DAY), 0);
	ck_assert_uint_eq(expire_all(NOW + 8 * DAY), 20);
	ck_assert_uint_eq(expire_all(NOW + 800 * DAY), 0);
	ck_assert_uint_eq(records(), 41);
	restart();
	ck_assert(has("three@example.com"));
	ck_assert(has("hard0@example.com"));
}
END_TEST

START_TEST(idn)
{
	ck_assert_int_eq(note("a@b\xc3\xbc"
			      "cher.example",
			      BOUNCE_MAILBOX, NOW),
			 1);
	ck_assert(has("a@xn--bcher-kva.example"));
	ck_assert(has("A@B\xc3\x9c"
		      "CHER.example"));
}
END_TEST

START_TEST(no_address)
{
	static const char *const rows[] = {
	    "", "@", "a@", "@b", "ab", "a\n@b", "a@b\r\nc", "a@b..", "a@."};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct suppress_entry entry = {.address = rows[i]};
		struct arena *arena = arena_create(64);
		struct store_change change;

		ck_assert_msg(note(rows[i], BOUNCE_MAILBOX, NOW) == 0, "%zu",
			      i);
		ck_assert(!has(rows[i]));
		ck_assert_int_eq(suppress_add(list, &entry, arena, &change),
				 GW_EINVAL);
		ck_assert_int_eq(
		    suppress_remove(list, slice_str(rows[i]), arena, &change),
		    GW_ENOENT);
		arena_destroy(&arena);
	}
	ck_assert_uint_eq(suppress_count(list), 0);
}
END_TEST

START_TEST(by_a_person)
{
	struct suppress_entry entry = {.address = "Bob@Example.org",
				       .reason = SUPPRESS_UNSUBSCRIBED,
				       .count = 1,
				       .since_wall_s = NOW,
				       .last_wall_s = NOW,
				       .text = "wrote to us"};
	struct arena *arena = arena_create(64);
	struct store_change change;

	ck_assert_int_eq(suppress_add(list, &entry, arena, &change), 0);
	commit(&change);
	ck_assert(has("bob@example.org"));
	restart();
	ck_assert(has("bob@example.org"));
	ck_assert_int_eq(
	    suppress_remove(list, SLICE_LIT("BOB@example.org"), arena, &change),
	    0);
	commit(&change);
	ck_assert(!has("bob@example.org"));
	restart();
	ck_assert(!has("bob@example.org"));
	arena_destroy(&arena);
}
END_TEST

struct seen {
	int count, stop_at;
	char last[SUPPRESS_KEY_MAX + 1];
	char all[1024];
};

static bool
see(void *arg, const struct suppress_entry *entry)
{
	struct seen *seen = arg;

	strcat(seen->all, entry->address);
	strcat(seen->all, entry->counting ? "? " : " ");
	snprintf(seen->last, sizeof(seen->last), "%s", entry->address);
	return ++seen->count != seen->stop_at;
}

START_TEST(listing)
{
	struct seen all = {0}, two = {0}, rest = {0}, one = {.stop_at = 1};

	note("c@example.com", BOUNCE_MAILBOX, NOW);
	note("A@example.com", BOUNCE_MAILBOX, NOW);
	note("b@example.com", BOUNCE_INACTIVE, NOW);
	note("d@example.com", BOUNCE_MAILBOX, NOW);
	ck_assert_int_eq(suppress_list(env, SLICE_NONE, 100, see, &all), 4);
	ck_assert_str_eq(all.all, "A@example.com b@example.com? "
				  "c@example.com d@example.com ");
	ck_assert_int_eq(suppress_list(env, SLICE_NONE, 2, see, &two), 2);
	ck_assert_int_eq(
	    suppress_list(env, slice_str(two.last), 100, see, &rest), 2);
	ck_assert_str_eq(rest.all, "c@example.com d@example.com ");
	ck_assert_int_eq(suppress_list(env, SLICE_NONE, 100, see, &one), 1);
}
END_TEST

START_TEST(corrupt)
{
	struct store_change change = {.table = STORE_SUPPRESS,
				      .kind = STORE_PUT,
				      .key = SLICE_LIT("x@example.com"),
				      .value = SLICE_LIT("\1junk")};
	struct seen seen = {0};

	note("c@example.com", BOUNCE_MAILBOX, NOW);
	commit(&change);
	restart();
	ck_assert_uint_eq(suppress_count(list), 1);
	ck_assert(!has("x@example.com"));
	ck_assert_int_eq(suppress_list(env, SLICE_NONE, 100, see, &seen), 1);
	/* And is replaced. */
	ck_assert_int_eq(note("x@example.com", BOUNCE_INACTIVE, NOW), 1);
}
END_TEST

START_TEST(reasons)
{
	enum suppress_reason found;

	for (int i = 0; i < SUPPRESS_REASONS; i++) {
		const char *word =
		    suppress_reason_word((enum suppress_reason)i);

		ck_assert_int_eq(suppress_reason_find(slice_str(word), &found),
				 0);
		ck_assert_int_eq(found, i);
	}
	ck_assert_int_eq(suppress_reason_find(SLICE_LIT("no"), &found),
			 GW_ENOENT);
}
END_TEST

static struct slice
nth(char *buf, size_t size, int i)
{
	return slice_of(
	    buf, (size_t)snprintf(buf, size, "user%d@x%d.example", i, i % 97));
}

/* Against a table of what should be there, in and out by turns. */
START_TEST(set)
{
	enum { N = 20000 };
	static bool want[N];
	struct suppress_set s;
	uint32_t random = 1, wrong = 0;
	uint64_t count = 0;
	char buf[64];

	suppress_set_init(&s);
	for (int round = 0; round < 200000; round++) {
		bool add = round % 5 < 3;
		struct slice key;
		int i;

		random = random * 1103515245 + 12345;
		i = (int)(random >> 8) % N;
		key = nth(buf, sizeof(buf), i);
		wrong += add ? suppress_set_add(&s, key) == want[i]
			     : suppress_set_del(&s, key) != want[i];
		count += (uint64_t)add - want[i];
		want[i] = add;
		wrong += s.count != count;
	}
	for (int i = 0; i < N; i++)
		wrong +=
		    suppress_set_has(&s, nth(buf, sizeof(buf), i)) != want[i];
	ck_assert_uint_eq(wrong, 0);
	ck_assert_uint_gt(count, N / 4);
	suppress_set_fini(&s);
}
END_TEST

START_TEST(record_cuts)
{
	struct suppress_entry entry = {.address = "Ann@example.com",
				       .reason = SUPPRESS_SOFT,
				       .counting = true,
				       .count = 2,
				       .since_wall_s = NOW,
				       .last_wall_s = NOW + 5,
				       .text = "552 full"};
	struct slice key = SLICE_LIT("ann@example.com");
	struct buf value = {.cap = SUPPRESS_RECORD_MAX};
	struct suppress_record back;

	suppress_encode(&entry, &value);
	ck_assert_int_eq(suppress_decode(key, buf_slice(&value), &back), 0);
	ck_assert_str_eq(back.entry.address, "Ann@example.com");
	ck_assert_str_eq(back.entry.text, "552 full");
	ck_assert(back.entry.counting && back.entry.count == 2);
	for (size_t n = 0; n < value.n; n++) {
		char *cut = malloc(n + 1);

		memcpy(cut, value.p, n);
		ck_assert_int_eq(suppress_decode(key, slice_of(cut, n), &back),
				 GW_ECORRUPT);
		free(cut);
	}
	ck_assert_int_eq(suppress_decode(SLICE_LIT("bob@example.com"),
					 buf_slice(&value), &back),
			 GW_ECORRUPT);
	buf_fini(&value);
}
END_TEST

START_TEST(long_text_is_cut_between_characters)
{
	struct suppress_entry entry = {.address = "a@example.com"};
	struct buf value = {.cap = SUPPRESS_RECORD_MAX};
	struct suppress_record back;
	char text[SUPPRESS_TEXT_MAX * 2 + 1];

	for (size_t i = 0; i + 1 < sizeof(text); i += 2)
		memcpy(text + i, "\xc3\xbc", 2);
	memmove(text + 1, text, sizeof(text) - 2);
	text[0] = 'x';
	text[sizeof(text) - 1] = '\0';
	entry.text = text;
	suppress_encode(&entry, &value);
	ck_assert(!value.overflow);
	ck_assert_int_eq(suppress_decode(SLICE_LIT("a@example.com"),
					 buf_slice(&value), &back),
			 0);
	ck_assert_uint_eq(strlen(back.entry.text), SUPPRESS_TEXT_MAX - 1);
	buf_fini(&value);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("suppress");
	TCase *t = tcase_create("suppress");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, hard);
	tcase_add_test(t, says_nothing);
	tcase_add_loop_test(t, soft, 0, COUNT(softs));
	tcase_add_test(t, soft_is_forgotten);
	tcase_add_test(t, idn);
	tcase_add_test(t, no_address);
	tcase_add_test(t, by_a_person);
	tcase_add_test(t, listing);
	tcase_add_test(t, corrupt);
	tcase_add_test(t, reasons);
	tcase_add_test(t, set);
	tcase_add_test(t, record_cuts);
	tcase_add_test(t, long_text_is_cut_between_characters);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
