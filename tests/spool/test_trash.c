#include <check.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/spool/record.h"
#include "gateway/store/env.h"
#include "gateway/store/key.h"
#include "tests/spool/fixture.h"

/* What a purge took comes back as it was, or goes for good. */

#define TRASH 7000
#define LATER (clock_wall_s() + 86400)

static struct fixture f;
static struct spool_undo undo;

static void
setup(void)
{
	fixture_init(&f);
	fixture_open(&f);
}

static void
teardown(void)
{
	fixture_fini(&f);
}

static void
reopen(void)
{
	fixture_close(&f);
	fixture_open(&f);
}

static bool
count_one(void *arg, struct slice key, struct slice value)
{
	size_t *count = arg;

	(void)key;
	(void)value;
	(*count)++;
	return true;
}

static size_t
rows(enum store_table table)
{
	struct store_txn *txn = store_read(spool_store(f.spool));
	size_t count = 0;

	store_each(txn, table, SLICE_NONE, count_one, &count);
	ck_assert_int_eq(store_error(txn), 0);
	store_abort(&txn);
	return count;
}

static bool
entry_count(void *arg, const struct spool_entry *entry)
{
	(void)entry;
	(*(int64_t *)arg)++;
	return true;
}

/* The ledger adds up, and the queue holds what it says. */
static void
sound(int64_t queued, int64_t held, int64_t purged)
{
	struct spool_cursor at = {0, 0};
	struct spool_ledger ledger;
	int64_t count = 0;

	ck_assert_int_eq(fixture_ledger(f.spool, &ledger), 0);
	ck_assert_int_eq(ledger.by_state[RCPT_QUEUED], queued);
	ck_assert_int_eq(ledger.by_state[RCPT_HELD], held);
	ck_assert_int_eq(ledger.by_state[RCPT_PURGED], purged);
	ck_assert_int_eq(
	    spool_scan(f.spool, &at, SIZE_MAX, entry_count, &count, &at),
	    queued + held);
	ck_assert_int_eq(count, queued + held);
}

static void
whole(uint64_t id, size_t bytes, unsigned seed, uint32_t rcpts)
{
	struct spool_msg *msg;
	const char *wrong;

	ck_assert_int_eq(spool_load(f.spool, id, &msg), 0);
	ck_assert_uint_eq(msg->rcpt_count, rcpts);
	wrong = fixture_body_check(f.spool, &msg->body, bytes, seed);
	ck_assert_msg(wrong == NULL, "%s", wrong);
	spool_msg_destroy(&msg);
}

static void
until_empty(void)
{
	for (int i = 0; rows(STORE_TRASH) > 0; i++) {
		ck_assert_int_lt(i, 12000);
		usleep(5000);
	}
}

/* Several messages at once: outcomes wait for company. */
static void
purge_all(const uint64_t *ids, size_t count, uint32_t rcpts, uint64_t trash,
	  int64_t until_wall_s)
{
	struct fixture_removal **all =
	    calloc(count, sizeof(struct fixture_removal *));

	for (size_t i = 0; i < count; i++)
		all[i] = fixture_purge_start(f.spool, ids[i], rcpts, trash,
					     until_wall_s);
	for (size_t i = 0; i < count; i++)
		ck_assert_int_eq(fixture_remove_end(&all[i]), 0);
	free(all);
}

/* --- there and back
 * ------------------------------------------------------------ */

static const struct {
	const char *label;
	struct spool_outcome_rcpt was;
} states[] = {
    {"queued", {.state = RCPT_QUEUED}},
    {"deferred",
     {.state = RCPT_QUEUED,
      .attempts = 3,
      .next_wall_s = 1900000000,
      .reply = "451 later"}},
    {"held by a limit", {.state = RCPT_HELD, .holds = HOLD_LIMIT}},
    {"held for two reasons",
     {.state = RCPT_HELD, .holds = HOLD_ADMIN | HOLD_BLOCK, .attempts = 1}},
};

static void
like(const struct spool_rcpt *is, const struct spool_outcome_rcpt *was)
{
	ck_assert_int_eq(is->state, was->state);
	ck_assert_uint_eq(is->holds, was->holds);
	ck_assert_uint_eq(is->attempts, was->attempts);
	ck_assert_int_eq(is->next_wall_s, was->next_wall_s);
	ck_assert_int_eq(is->last_reply != NULL, was->reply != NULL);
	if (was->reply != NULL)
		ck_assert_str_eq(is->last_reply, was->reply);
}

START_TEST(test_as_it_was)
{
	const struct spool_outcome_rcpt *was = &states[_i].was;
	bool held = was->state == RCPT_HELD;
	struct spool_outcome op = {.rcpts = was, .rcpt_count = 1};
	uint32_t first = 0;
	struct spool_trash line;
	struct spool_msg *msg;
	int64_t until = LATER;

	for (int again = 0; again < 2; again++) { /* with a restart between */
		op.id = fixture_submit(f.spool, 3000, 1, 1, 0).id;
		ck_assert_int_eq(fixture_outcome_of(f.spool, &op), 0);
		ck_assert_int_eq(fixture_purge(f.spool, op.id, 1, TRASH, until),
				 0);
		if (again)
			reopen();
		sound(0, 0, 1 + again);
		ck_assert_int_eq(spool_load(f.spool, op.id, &msg), GW_ENOENT);
		ck_assert_int_eq(
		    spool_load_some(f.spool, op.id, &first, 1, &msg),
		    GW_ENOENT);
		ck_assert_uint_eq(spool_trash_list(f.spool, &line, 1), 1);
		ck_assert_uint_eq(line.trash, TRASH);
		ck_assert_uint_eq(line.messages, 1);
		ck_assert_uint_eq(line.recipients, 1);
		ck_assert_int_eq(line.until_wall_s, until);
		ck_assert_int_eq(fixture_undo(f.spool, TRASH, &undo), 0);
		ck_assert_uint_eq(undo.count, 1);
		ck_assert_uint_eq(undo.ids[0], op.id);
		ck_assert_uint_eq(undo.recipients, 1);
		ck_assert(!undo.more);
		sound(!held, held, again);
		ck_assert_int_eq(spool_load(f.spool, op.id, &msg), 0);
		like(&msg->rcpts[0], was);
		ck_assert_str_eq(msg->rcpts[0].address, "rcpt0@example.org");
		spool_msg_destroy(&msg);
		whole(op.id, 3000, 1, 1);
		ck_assert_uint_eq(spool_trash_list(f.spool, &line, 1), 0);
		ck_assert_uint_eq(rows(STORE_TRASH), 0);
		ck_assert_int_eq(fixture_undo(f.spool, TRASH, &undo),
				 GW_ENOENT);
		/* And it lives on like any other. */
		ck_assert_int_eq(
		    fixture_outcome(f.spool, op.id, 0,
				    again ? RCPT_DELIVERED : RCPT_PURGED),
		    0);
		ck_assert_int_eq(spool_load(f.spool, op.id, &msg), GW_ENOENT);
		ck_assert_uint_eq(rows(STORE_MESSAGE), 0);
		ck_assert_uint_eq(rows(STORE_SEGMENT), 0);
	}
}
END_TEST

START_TEST(test_without_trash)
{
	uint64_t id = fixture_submit(f.spool, 3000, 1, 2, 0).id;

	ck_assert_int_eq(fixture_purge(f.spool, id, 2, 0, LATER), 0);
	ck_assert_uint_eq(rows(STORE_TRASH), 0);
	ck_assert_uint_eq(rows(STORE_MESSAGE), 0);
	ck_assert_int_eq(fixture_undo(f.spool, 0, &undo), GW_ENOENT);
}
END_TEST

static int
purge_one(uint64_t id, uint32_t index, uint64_t trash)
{
	struct spool_outcome_rcpt rcpt = {.index = index, .state = RCPT_PURGED};
	struct spool_outcome op = {.id = id,
				   .rcpts = &rcpt,
				   .rcpt_count = 1,
				   .trash = trash,
				   .trash_until_wall_s = LATER};

	return fixture_outcome_of(f.spool, &op);
}

/* Two purges and a delivery share a message: each undo brings back its own,
 * and the body stays until nobody has anything of it. */
START_TEST(test_shared)
{
	uint64_t id = fixture_submit(f.spool, 30000, 4, 5, 0).id;
	struct spool_trash lines[3];
	struct spool_msg *msg;

	ck_assert_int_eq(purge_one(id, 1, TRASH), 0);
	ck_assert_int_eq(purge_one(id, 2, TRASH), 0);
	ck_assert_int_eq(purge_one(id, 3, TRASH - 1), 0);
	ck_assert_int_eq(purge_one(id, 3, TRASH), GW_ENOENT); /* taken */
	whole(id, 30000, 4, 2);
	ck_assert_int_eq(fixture_outcome(f.spool, id, 0, RCPT_DELIVERED), 0);
	ck_assert_int_eq(fixture_outcome(f.spool, id, 4, RCPT_BOUNCED), 0);
	ck_assert_int_eq(spool_load(f.spool, id, &msg), GW_ENOENT);
	ck_assert_uint_eq(spool_trash_list(f.spool, lines, 3), 2);
	ck_assert_uint_eq(lines[0].trash, TRASH - 1);
	ck_assert_uint_eq(lines[1].trash, TRASH);
	ck_assert_uint_eq(lines[1].messages, 1);
	ck_assert_uint_eq(lines[1].recipients, 2);
	ck_assert_uint_eq(spool_trash_list(f.spool, NULL, 0), 2);
	reopen();
	ck_assert_int_eq(fixture_undo(f.spool, TRASH, &undo), 0);
	ck_assert_uint_eq(undo.recipients, 2);
	whole(id, 30000, 4, 2);
	sound(2, 0, 1);
	ck_assert_int_eq(fixture_outcome(f.spool, id, 1, RCPT_DELIVERED), 0);
	ck_assert_int_eq(fixture_outcome(f.spool, id, 2, RCPT_DELIVERED), 0);
	ck_assert_uint_eq(rows(STORE_MESSAGE), 1);
	ck_assert_int_eq(fixture_undo(f.spool, TRASH - 1, &undo), 0);
	whole(id, 30000, 4, 1);
	ck_assert_int_eq(fixture_outcome(f.spool, id, 3, RCPT_DELIVERED), 0);
	sound(0, 0, 0);
	ck_assert_uint_eq(rows(STORE_MESSAGE), 0);
	ck_assert_uint_eq(rows(STORE_SEGMENT), 0);
}
END_TEST

struct seen {
	uint64_t id;
	uint32_t count, next; /* all of id, in their order */
};

static bool
see(void *arg, const struct spool_entry *entry)
{
	struct seen *seen = arg;
	char address[40];

	snprintf(address, sizeof(address), "rcpt%u@example.org", seen->next);
	ck_assert_uint_eq(entry->id, seen->id);
	ck_assert_uint_eq(entry->index, seen->next);
	ck_assert_str_eq(entry->rcpt->address, address);
	seen->count++;
	seen->next++;
	return true;
}

/* Who lies in one purge, some at a time; nobody of the purges beside it. */
START_TEST(test_scan)
{
	uint64_t id = fixture_submit(f.spool, 100, 1, 7, 0).id;
	uint64_t before = fixture_submit(f.spool, 100, 1, 2, 0).id;
	uint64_t behind = fixture_submit(f.spool, 100, 1, 2, 0).id;
	struct spool_cursor at = {0, 0};
	struct seen seen = {.id = id};
	int n;

	ck_assert_int_eq(fixture_purge(f.spool, id, 7, TRASH, LATER), 0);
	ck_assert_int_eq(fixture_purge(f.spool, before, 2, TRASH - 1, LATER),
			 0);
	ck_assert_int_eq(fixture_purge(f.spool, behind, 2, TRASH + 1, LATER),
			 0);
	do {
		n = spool_trash_scan(f.spool, TRASH, &at, 3, see, &seen, &at);
		ck_assert_int_eq(n, seen.count > 6 ? 1 : 3);
	} while (n == 3);
	ck_assert_uint_eq(seen.count, 7);
	ck_assert_int_eq(
	    spool_trash_scan(f.spool, TRASH, &at, 3, see, &seen, &at), 0);
	at = (struct spool_cursor){0, 0};
	ck_assert_int_eq(
	    spool_trash_scan(f.spool, TRASH + 2, &at, 3, see, &seen, &at), 0);
}
END_TEST

/* The client sent it again after the purge: that one is new, and the undo must
 * not make it a duplicate's first. */
START_TEST(test_resubmission)
{
	uint64_t id = fixture_submit(f.spool, 100, 1, 1, 9).id;
	struct fixture_answer b;

	ck_assert_int_eq(fixture_purge(f.spool, id, 1, TRASH, LATER), 0);
	ck_assert_int_eq(fixture_undo(f.spool, TRASH, &undo), 0);
	b = fixture_submit(f.spool, 100, 1, 1, 9);
	ck_assert_int_eq(b.answer, SPOOL_ACCEPTED);
	ck_assert_int_eq(fixture_outcome(f.spool, id, 0, RCPT_BOUNCED), 0);
	ck_assert_uint_eq(fixture_submit(f.spool, 100, 1, 1, 9).first_id, b.id);
}
END_TEST

START_TEST(test_slices)
{
	enum { N = 450 };
	static uint64_t ids[N];
	uint64_t large = 0, last = 0;
	uint32_t seen = 0, slices = 0, rcpts = 0, next = 0;

	for (unsigned i = 0; i < N; i++) {
		ids[i] =
		    fixture_submit(f.spool, 10, i, i == 230 ? 6000 : 2, 0).id;
		if (i == 230)
			large = ids[i];
	}
	purge_all(ids, 230, 2, TRASH, LATER);
	purge_all(&large, 1, 6000, TRASH, LATER);
	purge_all(ids + 231, N - 231, 2, TRASH, LATER);
	sound(0, 0, 2 * (N - 1) + 6000);
	do {
		struct spool_trash line;
		uint32_t at = 0;

		ck_assert_int_eq(fixture_undo(f.spool, TRASH, &undo), 0);
		for (uint32_t i = 0; i < undo.count; i++) {
			if (i > 0 || undo.ids[0] != last)
				next = 0;
			seen += next == 0;
			ck_assert_uint_eq(undo.ids[i], ids[seen - 1]);
			for (uint32_t k = 0; k < undo.rcpts[i]; k++)
				ck_assert_uint_eq(undo.indexes[at++], next++);
			last = undo.ids[i];
		}
		ck_assert_uint_eq(undo.recipients, at);
		rcpts += at;
		if (undo.more) {
			bool begun = next < (last == large ? 6000 : 2);

			ck_assert_uint_eq(spool_trash_list(f.spool, &line, 1),
					  1);
			ck_assert_uint_eq(line.messages, N - seen + begun);
			ck_assert_uint_eq(line.recipients,
					  2 * (N - 1) + 6000 - rcpts);
		}
		slices++;
		sound(rcpts, 0, 2 * (N - 1) + 6000 - rcpts);
	} while (undo.more);
	ck_assert_uint_eq(seen, N);
	ck_assert_uint_eq(slices,
			  9); /* 200; 30 and 940; five times 1000; ... */
	sound(2 * (N - 1) + 6000, 0, 0);
	whole(large, 10, 230, 6000);
	ck_assert_uint_eq(rows(STORE_TRASH), 0);
}
END_TEST

/* --- for good
 * ------------------------------------------------------------------ */

START_TEST(test_over)
{
	enum { N = 30, RCPTS = 40 };
	int64_t past = clock_wall_s() - 1;
	uint64_t ids[N], keep;

	keep = fixture_submit(f.spool, 3000, 77, 3, 0).id;
	for (unsigned i = 0; i < N; i++)
		ids[i] = fixture_submit(f.spool, 5000, i, RCPTS, 0).id;
	/* A slice of it is queued, and stays. */
	ck_assert_int_eq(fixture_purge(f.spool, keep, 2, TRASH, past), 0);
	purge_all(ids, N, RCPTS, TRASH, past);
	ck_assert_uint_eq(spool_trash_list(f.spool, NULL, 0), 0);
	ck_assert_int_eq(fixture_undo(f.spool, TRASH, &undo), GW_ENOENT);
	if (_i == 1)
		reopen(); /* with some of it swept, or none */
	until_empty();
	ck_assert_int_eq(fixture_undo(f.spool, TRASH, &undo), GW_ENOENT);
	ck_assert_uint_eq(rows(STORE_MESSAGE), 1);
	sound(1, 0, N * RCPTS + 2);
	whole(keep, 3000, 77, 1);
	ck_assert_int_eq(fixture_outcome(f.spool, keep, 2, RCPT_DELIVERED), 0);
	ck_assert_uint_eq(rows(STORE_SEGMENT), 0);
}
END_TEST

/* One purge is over, the one before and the one behind are not. */
START_TEST(test_over_between)
{
	uint64_t ids[3];

	for (unsigned i = 0; i < 3; i++)
		ids[i] = fixture_submit(f.spool, 500, i, 2, 0).id;
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(
		    fixture_purge(f.spool, ids[i], 2, TRASH + i,
				  i == 1 ? clock_wall_s() - 1 : LATER),
		    0);
	for (int i = 0; rows(STORE_MESSAGE) != 2; i++) {
		ck_assert_int_lt(i, 12000);
		usleep(5000);
	}
	ck_assert_uint_eq(spool_trash_list(f.spool, NULL, 0), 2);
	ck_assert_int_eq(fixture_undo(f.spool, TRASH + 1, &undo), GW_ENOENT);
	ck_assert_int_eq(fixture_undo(f.spool, TRASH, &undo), 0);
	ck_assert_int_eq(fixture_undo(f.spool, TRASH + 2, &undo), 0);
	whole(ids[0], 500, 0, 2);
	whole(ids[2], 500, 2, 2);
	ck_assert_uint_eq(rows(STORE_TRASH), 0);
}
END_TEST

/* --- the bodies
 * ---------------------------------------------------------------- */

/* Their segment is mostly dead: they are moved with those of the queue. */
START_TEST(test_compaction)
{
	enum { N = 60, BYTES = 5000 };
	struct spool_status status;
	struct fixture_removal *removals[N];
	uint64_t ids[N];

	for (unsigned i = 0; i < N; i++)
		ids[i] = fixture_submit(f.spool, BYTES, i, 1, 0).id;
	for (unsigned i = 0; i < N; i++)
		removals[i] =
		    i % 10 == 0
			? fixture_purge_start(f.spool, ids[i], 1, TRASH, LATER)
			: fixture_remove_start(f.spool, ids[i], 1,
					       RCPT_DELIVERED);
	for (unsigned i = 0; i < N; i++)
		ck_assert_int_eq(fixture_remove_end(&removals[i]), 0);
	fixture_close(&f);
	f.opts.compact_after_s = 1;
	fixture_open(&f);
	spool_status_get(f.spool, &status);
	ck_assert_uint_gt(status.segments, 1);
	ck_assert_uint_eq(status.live_bytes, N / 10 * BYTES);
	for (int i = 0; status.segments > 1; i++) {
		ck_assert_int_lt(i, 12000);
		usleep(5000);
		spool_status_get(f.spool, &status);
	}
	ck_assert_int_eq(fixture_undo(f.spool, TRASH, &undo), 0);
	ck_assert_uint_eq(undo.count, N / 10);
	for (unsigned i = 0; i < N; i += 10)
		whole(ids[i], BYTES, i, 1);
	reopen();
	for (unsigned i = 0; i < N; i += 10)
		whole(ids[i], BYTES, i, 1);
}
END_TEST

/* --- what is not as it should be
 * ----------------------------------------------- */

static void
put(struct slice key, struct slice value)
{
	struct store_change change = {STORE_TRASH, STORE_PUT, key, value};

	ck_assert_int_eq(fixture_change(f.spool, &change, 1), 0);
}

static void
drop(enum store_table table, struct slice key)
{
	struct store_change change = {table, STORE_DELETE, key, SLICE_NONE};

	ck_assert_int_eq(fixture_change(f.spool, &change, 1), 0);
}

/* One entry, one message that is gone: the others come back. */
START_TEST(test_damaged)
{
	uint8_t key[KEY_TRASH_SIZE];
	uint64_t ids[4];
	uint8_t id[8];

	for (unsigned i = 0; i < 4; i++)
		ids[i] = fixture_submit(f.spool, 500, i, 2, 0).id;
	purge_all(ids, 4, 2, TRASH, LATER);
	key_trash(TRASH, ids[0], 1, key);
	put(slice_of(key, sizeof(key)), SLICE_LIT("no recipient"));
	key_put_u64(id, ids[1]);
	drop(STORE_MESSAGE, slice_of(id, sizeof(id)));
	for (uint32_t i = 0; i < 2; i++) {
		key_trash(TRASH, ids[2], i, key);
		put(slice_of(key, sizeof(key)), SLICE_LIT(""));
	}
	ck_assert_int_eq(fixture_undo(f.spool, TRASH, &undo), 0);
	ck_assert_uint_eq(undo.count, 2);
	ck_assert_uint_eq(undo.ids[0], ids[0]);
	ck_assert_uint_eq(undo.ids[1], ids[3]);
	ck_assert_uint_eq(undo.recipients, 3);
	whole(ids[0], 500, 0, 1);
	whole(ids[3], 500, 3, 2);
	sound(3, 0, 5);
	ck_assert_uint_eq(rows(STORE_TRASH), 0);
	ck_assert_uint_eq(rows(STORE_MESSAGE), 2);
}
END_TEST

/* Its totals cannot be read: what it holds is not kept for ever. */
START_TEST(test_damaged_purge)
{
	uint64_t id = fixture_submit(f.spool, 500, 1, 2, 0).id;
	uint8_t key[KEY_PURGE_SIZE];

	ck_assert_int_eq(fixture_purge(f.spool, id, 2, TRASH, LATER), 0);
	key_purge(TRASH, key);
	put(slice_of(key, sizeof(key)), SLICE_LIT("?"));
	ck_assert_int_eq(fixture_undo(f.spool, TRASH, &undo), GW_ECORRUPT);
	ck_assert_uint_eq(spool_trash_list(f.spool, NULL, 0), 0);
	reopen();
	until_empty();
	ck_assert_uint_eq(rows(STORE_MESSAGE), 0);
}
END_TEST

/* The counter was lost: it is never less than what can come back. */
START_TEST(test_damaged_counter)
{
	struct store_change change = {STORE_LEDGER, STORE_PUT,
				      SLICE_LIT("purged"), SLICE_LIT("?")};
	uint64_t id = fixture_submit(f.spool, 500, 1, 3, 0).id;
	struct spool_ledger ledger;

	ck_assert_int_eq(fixture_purge(f.spool, id, 3, TRASH, LATER), 0);
	ck_assert_int_eq(fixture_change(f.spool, &change, 1), 0);
	reopen();
	sound(0, 0, 3);
	ck_assert_int_eq(fixture_undo(f.spool, TRASH, &undo), 0);
	sound(3, 0, 0);
	ck_assert_int_eq(fixture_ledger(f.spool, &ledger), 0);
}
END_TEST

static void
on_undone(struct spool_undo *op)
{
	op->err = op->err == 0 ? 1 : op->err; /* it was here */
}

/* Undos that wait when the spool is closed are answered, and made. */
START_TEST(test_close)
{
	enum { N = 3 };
	static struct spool_undo ops[N];
	uint64_t ids[N];

	for (unsigned i = 0; i < N; i++) {
		ids[i] = fixture_submit(f.spool, 500, i, 1, 0).id;
		ck_assert_int_eq(
		    fixture_purge(f.spool, ids[i], 1, TRASH + i, LATER), 0);
	}
	for (unsigned i = 0; i < N; i++) {
		ops[i] =
		    (struct spool_undo){.trash = TRASH + i, .done = on_undone};
		spool_undo_start(f.spool, &ops[i]);
	}
	reopen();
	for (unsigned i = 0; i < N; i++) {
		ck_assert_int_eq(ops[i].err, 1);
		ck_assert_uint_eq(ops[i].ids[0], ids[i]);
		whole(ids[i], 500, i, 1);
	}
}
END_TEST

/* A spool of the version before: the tables are not there. */
START_TEST(test_before_tables)
{
	static const char *const tables[] = {"account", "trash"};
	uint64_t id = fixture_submit(f.spool, 3000, 5, 2, 3).id;
	char path[96];
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	fixture_close(&f);
	snprintf(path, sizeof(path), "%s/index", f.dir);
	ck_assert_int_eq(mdb_env_create(&env), 0);
	ck_assert_int_eq(mdb_env_set_maxdbs(env, 20), 0);
	ck_assert_int_eq(mdb_env_open(env, path, 0, 0600), 0);
	ck_assert_int_eq(mdb_txn_begin(env, NULL, 0, &txn), 0);
	for (size_t i = 0; i < 2; i++) {
		ck_assert_int_eq(mdb_dbi_open(txn, tables[i], 0, &dbi), 0);
		ck_assert_int_eq(mdb_drop(txn, dbi, 1), 0);
	}
	ck_assert_int_eq(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
	fixture_open(&f);
	whole(id, 3000, 5, 2);
	ck_assert_int_eq(fixture_submit(f.spool, 3000, 5, 2, 3).answer,
			 SPOOL_DUPLICATE);
	ck_assert_int_eq(fixture_undo(f.spool, TRASH, &undo), GW_ENOENT);
	ck_assert_int_eq(fixture_purge(f.spool, id, 2, TRASH, LATER), 0);
	ck_assert_int_eq(fixture_undo(f.spool, TRASH, &undo), 0);
	whole(id, 3000, 5, 2);
	sound(2, 0, 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("spool/trash");
	TCase *tc = tcase_create("trash");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, test_as_it_was, 0,
			    sizeof(states) / sizeof(states[0]));
	tcase_add_test(tc, test_without_trash);
	tcase_add_test(tc, test_shared);
	tcase_add_test(tc, test_scan);
	tcase_add_test(tc, test_resubmission);
	tcase_add_test(tc, test_slices);
	tcase_add_loop_test(tc, test_over, 0, 2);
	tcase_add_test(tc, test_over_between);
	tcase_add_test(tc, test_compaction);
	tcase_add_test(tc, test_damaged);
	tcase_add_test(tc, test_damaged_purge);
	tcase_add_test(tc, test_damaged_counter);
	tcase_add_test(tc, test_close);
	tcase_add_test(tc, test_before_tables);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
