/*
 * What administrators do to the queue, with a real spool below.
 *
 * size: all verbs over one world and one set of helpers.
 */
#include <check.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/id.h"
#include "gateway/spool/io.h"
#include "tests/back/world.h"

static struct ip_prefix
prefix_of(const char *text)
{
	struct ip_prefix prefix;

	ck_assert_int_eq(ip_prefix_parse(slice_str(text), &prefix), 0);
	return prefix;
}

static void
digest_of(const char *body, uint8_t out[DIGEST_SIZE])
{
	struct digest *digest = digest_create();

	digest_add(digest, slice_str(body));
	digest_final(digest, out);
	digest_destroy(&digest);
}

/* --- what a selection means ----------------------------------------------- */

#define BODY_A "Subject: a\r\n\r\na\r\n"
#define BODY_B "Subject: b\r\n\r\nb\r\n"

static const struct letter queue[] = {
    {.cred = "ann",
     .ip = "192.0.2.1",
     .to = "p@a.test q@b.test",
     .body = BODY_A},
    {.cred = "ann", .ip = "192.0.2.9", .to = "p@a.test", .body = BODY_B},
    {.cred = "bob",
     .ip = "192.0.2.1",
     .from = "bob@other.org",
     .to = "p@c.b.test",
     .body = BODY_B,
     .age_s = 7200},
    {.cred = "bob",
     .ip = "2001:db8::7",
     .from = "",
     .to = "p@d.test q@a.test r@b.test",
     .body = BODY_A},
};

#define QUEUE (sizeof(queue) / sizeof(queue[0]))

static const struct {
	const char *label;
	const char *cred, *ip, *from, *domain, *body;
	int id; /* of the n-th of the queue, from 1 */
	int64_t since_s, before_s;
	uint64_t messages, recipients;
	bool all; /* also what is under way */
} selections[] = {
    {.label = "everything", .all = true, .messages = 4, .recipients = 7},
    {.label = "a login", .cred = "ann", .messages = 2, .recipients = 3},
    {.label = "nobody", .cred = "eve"},
    {.label = "an address", .ip = "192.0.2.1", .messages = 2, .recipients = 3},
    {.label = "a prefix", .ip = "192.0.2.0/24", .messages = 3, .recipients = 4},
    {.label = "all of v6", .ip = "2000::/3", .messages = 1, .recipients = 3},
    {.label = "all addresses",
     .all = true,
     .ip = "::/0",
     .messages = 4,
     .recipients = 7},
    {.label = "a prefix nobody is in", .ip = "198.51.100.0/24"},
    {.label = "a domain", .domain = "a.test", .messages = 3, .recipients = 3},
    {.label = "in capitals, with a dot",
     .domain = "A.Test.",
     .messages = 3,
     .recipients = 3},
    {.label = "below a domain",
     .domain = ".b.test",
     .messages = 3,
     .recipients = 3},
    {.label = "below a top domain: each message once",
     .domain = ".test",
     .messages = 4,
     .recipients = 7},
    {.label = "a domain that only ends like it", .domain = "test"},
    {.label = "a body", .body = BODY_A, .messages = 2, .recipients = 5},
    {.label = "a body nobody sent", .body = "x"},
    {.label = "one message", .id = 4, .messages = 1, .recipients = 3},
    {.label = "a sender",
     .from = "Bob@Other.org",
     .messages = 1,
     .recipients = 1},
    {.label = "senders of a domain",
     .from = "@example.org",
     .messages = 2,
     .recipients = 3},
    {.label = "since an hour",
     .all = true,
     .since_s = 3600,
     .messages = 3,
     .recipients = 6},
    {.label = "before an hour",
     .before_s = 3600,
     .messages = 1,
     .recipients = 1},
    {.label = "a login at an address",
     .cred = "bob",
     .ip = "192.0.2.0/24",
     .messages = 1,
     .recipients = 1},
    {.label = "a login to a domain",
     .cred = "bob",
     .domain = "a.test",
     .messages = 1,
     .recipients = 1},
    {.label = "a body to a domain",
     .body = BODY_B,
     .domain = "a.test",
     .messages = 1,
     .recipients = 1},
    {.label = "all that, of one message",
     .cred = "ann",
     .ip = "192.0.2.1",
     .from = "ann@example.org",
     .domain = "b.test",
     .body = BODY_A,
     .id = 1,
     .messages = 1,
     .recipients = 1},
    {.label = "a login, another's message", .cred = "ann", .id = 3},
};

static void
select_fill(struct back_select *select, int row, struct ip_prefix *prefix,
	    uint8_t digest[DIGEST_SIZE], const uint64_t *ids)
{
	int64_t now_s = clock_wall_s();

	*select = (struct back_select){.cred = selections[row].cred,
				       .from = selections[row].from,
				       .domain = selections[row].domain};
	if (selections[row].ip) {
		*prefix = prefix_of(selections[row].ip);
		select->ip = prefix;
	}
	if (selections[row].body) {
		digest_of(selections[row].body, digest);
		select->body = digest;
	}
	if (selections[row].id)
		select->id = ids[selections[row].id - 1];
	if (selections[row].since_s)
		select->since_wall_s = now_s - selections[row].since_s;
	if (selections[row].before_s)
		select->before_wall_s = now_s - selections[row].before_s;
}

enum { HOW_WAITING, HOW_RULED, HOW_MARKED, HOW_READY, HOWS };

/* A queue of which nothing leaves by itself. */
static void
open_queue(struct world *w, int how, uint64_t *ids)
{
	world_open(w, NULL);
	w->blocklist = blocklist_create();
	w->retry_s[0] = 3600;
	if (how == HOW_RULED)
		world_block(w, BLOCK_DOMAIN, BLOCK_HOLD, ".test");
	if (how == HOW_WAITING)
		sink_close(w->sink);
	if (how == HOW_READY) {
		w->hops[0].connection_max = 1;
		sink_pause_ms(w->sink, 3600000);
	}
	world_start(w);
	if (how == HOW_READY) {
		struct letter first = {.cred = "zed",
				       .ip = "203.0.113.1",
				       .from = "zed@z.example",
				       .body = "\r\n",
				       .to = "first@elsewhere.example"};

		world_accept(w, &first);
		UNTIL(w, status_of(w).active == 1, "it hangs");
	}
	for (size_t i = 0; i < QUEUE; i++) {
		struct letter letter = queue[i];

		letter.holds = how == HOW_MARKED ? HOLD_LIMIT : 0;
		ids[i] = world_accept(w, &letter);
	}
	if (how == HOW_WAITING)
		UNTIL(w, status_of(w).deferred == 7, "nobody is there");
	if (how == HOW_RULED)
		UNTIL(w, status_of(w).held_by_rule == 7, "by rule");
	if (how == HOW_MARKED)
		UNTIL(w, status_of(w).held == 7, "by mark");
	if (how == HOW_READY)
		UNTIL(w, status_of(w).queued == 8, "ready");
}

/* What a count finds is what a purge takes, and what an undo brings back. */
START_TEST(test_selection)
{
	for (int how = 0; how < HOWS; how++) {
		uint64_t kept = 7 - selections[_i].recipients, ids[QUEUE];
		const char *label = selections[_i].label;
		struct back_work work = {.verb = BACK_COUNT};
		uint64_t extra = how == HOW_READY;
		uint64_t busy = extra && selections[_i].all;
		uint8_t digest[DIGEST_SIZE];
		struct ip_prefix prefix;
		struct back_status status;
		struct world w;

		open_queue(&w, how, ids);
		select_fill(&work.select, _i, &prefix, digest, ids);
		world_work(&w, &work);
		ck_assert_int_eq(work.err, 0);
		ck_assert_msg(work.messages == selections[_i].messages + busy &&
				  work.recipients ==
				      selections[_i].recipients + busy,
			      "%s: %llu of %llu", label,
			      (unsigned long long)work.recipients,
			      (unsigned long long)work.messages);
		ck_assert_uint_eq(work.busy, busy);
		if (how == HOW_RULED || how == HOW_MARKED)
			ck_assert_uint_eq(work.held, work.recipients);
		else
			ck_assert_uint_eq(work.held, 0);
		ck_assert_uint_eq(work.sample_count, work.messages);
		for (size_t i = 1; i < work.sample_count; i++)
			ck_assert_uint_gt(work.sample[i - 1], work.sample[i]);

		work.verb = BACK_PURGE;
		work.trash = id_next();
		work.trash_until_wall_s = clock_wall_s() + 86400;
		world_work(&w, &work);
		ck_assert_int_eq(work.err, 0);
		ck_assert_uint_eq(work.messages, selections[_i].messages);
		ck_assert_uint_eq(work.recipients, selections[_i].recipients);
		ck_assert_uint_eq(work.failed, 0);
		ck_assert_uint_eq(work.busy, busy);
		ck_assert_int_eq(world_ledger(&w).by_state[RCPT_PURGED],
				 (int64_t)selections[_i].recipients);
		status = status_of(&w);
		ck_assert_uint_eq(status.held, how == HOW_MARKED ? kept : 0);
		ck_assert_uint_eq(status.held_by_rule,
				  how == HOW_RULED ? kept : 0);
		ck_assert_uint_eq(status.queued,
				  how == HOW_MARKED ? 0 : kept + extra);

		work.verb = BACK_UNDO;
		world_work(&w, &work);
		ck_assert_int_eq(work.err,
				 selections[_i].recipients > 0 ? 0 : GW_ENOENT);
		ck_assert_uint_eq(work.recipients, selections[_i].recipients);
		ck_assert_int_eq(world_ledger(&w).by_state[RCPT_PURGED], 0);
		UNTIL(&w,
		      status_of(&w).queued ==
			  (how == HOW_MARKED ? 0 : 7 + extra),
		      label);
		if (how == HOW_MARKED)
			ck_assert_uint_eq(status_of(&w).held, 7);
		if (how == HOW_RULED)
			UNTIL(&w, status_of(&w).held_by_rule == 7, label);
		world_stop(&w, 0);
		world_close(&w);
	}
}
END_TEST

/* --- what is let go ------------------------------------------------------- */

static void
work_run(struct world *w, struct back_work *work, uint64_t recipients)
{
	world_work(w, work);
	ck_assert_int_eq(work->err, 0);
	ck_assert_uint_eq(work->recipients, recipients);
}

static const struct {
	const char *label;
	uint32_t holds;
	uint64_t released, still; /* of 2 recipients */
	uint32_t left;		  /* holds afterwards */
} releases[] = {
    {"a limit's", HOLD_LIMIT, 2, 0, 0},
    {"an administrator's", HOLD_ADMIN, 2, 0, 0},
    {"both", HOLD_LIMIT | HOLD_ADMIN, 2, 0, 0},
    {"a scan's", HOLD_SCAN, 0, 2, HOLD_SCAN},
    {"what was altered", HOLD_ALTERED, 0, 2, HOLD_ALTERED},
    {"a limit's before the scan", HOLD_LIMIT | HOLD_SCAN, 2, 2, HOLD_SCAN},
    {"a limit's, altered", HOLD_LIMIT | HOLD_ALTERED, 2, 2, HOLD_ALTERED},
};

START_TEST(test_release)
{
	struct letter letter = {.to = "p@a.test q@b.test",
				.holds = releases[_i].holds};
	struct back_work work = {.verb = BACK_RELEASE};
	uint32_t left = releases[_i].left;
	struct spool_msg *msg;
	struct world w;
	uint64_t id;

	world_open(&w, NULL);
	world_start(&w);
	id = world_accept(&w, &letter);
	UNTIL(&w, status_of(&w).held == 2, "held");
	work.select.cred = "bob";
	work_run(&w, &work, 0);
	work.select.cred = "ann";
	work_run(&w, &work, releases[_i].released);
	ck_assert_uint_eq(work.held, releases[_i].still);
	ck_assert_uint_eq(work.messages, releases[_i].released > 0);
	if (left == 0) {
		UNTIL(&w, status_of(&w).delivered == 2, releases[_i].label);
		ck_assert_uint_eq(status_of(&w).held, 0);
		UNTIL(&w, status_of(&w).queued == 0, "all left");
	} else {
		turn_some(w.loop);
		ck_assert_uint_eq(sink_count(w.sink), 0);
		ck_assert_uint_eq(status_of(&w).held, 2);
		ck_assert_uint_eq(status_of(&w).queued, 0);
		ck_assert_int_eq(spool_load(w.spool, id, &msg), 0);
		ck_assert_uint_eq(msg->rcpts[1].holds, left);
		spool_msg_destroy(&msg);
		/* A second one finds nothing to take away. */
		work_run(&w, &work, 0);
		ck_assert_uint_eq(work.held, 2);
	}
	world_close(&w);
}
END_TEST

START_TEST(test_release_part)
{
	struct letter letter = {.to = "p@a.test q@b.test r@a.test",
				.holds = HOLD_LIMIT};
	struct back_work work = {.verb = BACK_RELEASE,
				 .select = {.domain = "a.test"}};
	struct world w;

	world_open(&w, NULL);
	world_accept(&w, &letter);
	world_start(&w);
	UNTIL(&w, status_of(&w).held == 3, "held");
	work_run(&w, &work, 2);
	UNTIL(&w, status_of(&w).delivered == 2, "two");
	ck_assert_uint_eq(status_of(&w).held, 1);
	ck_assert_str_eq(sink_mail(w.sink, 0)->rcpts, "p@a.test r@a.test");
	ck_assert_int_eq(world_ledger(&w).by_state[RCPT_HELD], 1);
	/* What a rule holds it lets not go. */
	world_stop(&w, 3000);
	world_block(&w, BLOCK_CRED, BLOCK_REFUSE, "ann");
	world_start(&w);
	UNTIL(&w, status_of(&w).held == 1, "held after the restart");
	work.select.domain = NULL;
	work_run(&w, &work, 1);
	UNTIL(&w, status_of(&w).held_by_rule == 1, "by the rule now");
	work_run(&w, &work, 0);
	ck_assert_uint_eq(work.held, 1);
	world_close(&w);
}
END_TEST

/* Paced by a limit, then held: the time it was given stands. */
START_TEST(test_release_keeps_time)
{
	struct letter letter = {.to = "p@a.test",
				.holds = HOLD_LIMIT,
				.next_wall_s = clock_wall_s() + 3600};
	struct back_work work = {.verb = BACK_RELEASE};
	struct spool_msg *msg;
	struct world w;
	uint64_t id;

	world_open(&w, NULL);
	world_start(&w);
	id = world_accept(&w, &letter);
	UNTIL(&w, status_of(&w).held == 1, "held");
	work_run(&w, &work, 1);
	ck_assert_uint_eq(status_of(&w).queued, 1);
	ck_assert_int_eq(spool_load(w.spool, id, &msg), 0);
	ck_assert_int_eq(msg->rcpts[0].next_wall_s, letter.next_wall_s);
	ck_assert_int_eq(msg->rcpts[0].state, RCPT_QUEUED);
	spool_msg_destroy(&msg);
	turn_some(w.loop);
	ck_assert_uint_eq(sink_count(w.sink), 0);
	back_flush(w.back, &(struct back_flush){.id = id});
	UNTIL(&w, status_of(&w).delivered == 1, "flushed");
	world_close(&w);
}
END_TEST

/* --- what goes wrong, what comes together --------------------------------- */

static _Atomic int fail_outcomes; /* so many, by this error */
static _Atomic int fail_err;

void __real_spool_outcome_start(struct spool *spool, struct spool_outcome *op);
void __wrap_spool_outcome_start(struct spool *spool, struct spool_outcome *op);

void
__wrap_spool_outcome_start(struct spool *spool, struct spool_outcome *op)
{
	if (fail_outcomes > 0 && !op->dsn) {
		fail_outcomes--;
		op->err = fail_err;
		op->done(op);
		return;
	}
	__real_spool_outcome_start(spool, op);
}

static bool
count_marked(void *arg, const struct spool_entry *entry)
{
	*(unsigned *)arg += entry->rcpt->attempts > 0;
	return true;
}

/* Recipients whose deferral is on disk: no outcome of theirs is under way any
 * more that would take the failure that is meant for another. */
static unsigned
marked(struct world *w)
{
	struct spool_cursor start = {.id = 0}, last;
	unsigned count = 0;

	ck_assert_int_ge(
	    spool_scan(w->spool, &start, 100000, count_marked, &count, &last),
	    0);
	return count;
}

START_TEST(test_disk_fails)
{
	struct letter letter = {.to = "p@a.test q@b.test"};
	struct back_work work = {.verb = BACK_PURGE};
	struct world w;

	world_open(&w, NULL);
	w.retry_s[0] = 3600;
	sink_close(w.sink);
	world_start(&w);
	world_accept_many(&w, &letter, 600);
	UNTIL(&w, status_of(&w).deferred == 1200, "nobody is there");
	UNTIL(&w, marked(&w) == 1200, "marked");
	turn_some(w.loop);
	fail_err = GW_ENOSPC;
	fail_outcomes = 300;
	work.trash = id_next();
	work.trash_until_wall_s = clock_wall_s() + 86400;
	world_work(&w, &work);
	ck_assert_int_eq(work.err, 0);
	ck_assert_uint_eq(work.failed, 600);
	ck_assert_uint_eq(work.recipients, 600);
	ck_assert_uint_eq(work.messages, 300);
	ck_assert_uint_eq(status_of(&w).queued, 600);
	/* What is gone on disk is gone here. */
	fail_err = GW_ENOENT;
	fail_outcomes = 10;
	work_run(&w, &work, 580);
	ck_assert_uint_eq(work.failed, 0);
	ck_assert_uint_eq(status_of(&w).queued, 0);
	ck_assert_int_eq(world_ledger(&w).by_state[RCPT_PURGED], 1180);
	world_close(&w);
}
END_TEST

/* What a failed purge put back is sent; once. */
START_TEST(test_put_back_is_sent)
{
	struct letter letter = {.to = "p@a.test q@b.test"};
	struct letter held = {.to = "r@c.test", .holds = HOLD_LIMIT};
	struct back_work work = {.verb = BACK_PURGE,
				 .select = {.domain = "a.test"}};
	struct world w;

	world_open(&w, NULL);
	w.retry_s[0] = 3600;
	sink_close(w.sink);
	world_start(&w);
	world_accept(&w, &letter);
	world_accept(&w, &held);
	UNTIL(&w, status_of(&w).deferred == 2, "nobody is there");
	UNTIL(&w, marked(&w) == 2, "marked");
	UNTIL(&w, status_of(&w).held == 1, "one is held");
	fail_err = GW_EIO;
	fail_outcomes = 1;
	world_work(&w, &work);
	ck_assert_uint_eq(work.failed, 1);
	work.select.domain = "c.test";
	fail_outcomes = 1;
	world_work(&w, &work);
	ck_assert_uint_eq(work.failed, 1);
	ck_assert_uint_eq(status_of(&w).held, 1);
	work.verb = BACK_RELEASE;
	fail_outcomes = 1;
	world_work(&w, &work);
	ck_assert_uint_eq(work.failed, 1);
	ck_assert_uint_eq(status_of(&w).held, 1);
	work_run(&w, &work, 1);
	sink_open(w.sink);
	back_flush(w.back, &(struct back_flush){.id = 0});
	UNTIL(&w, status_of(&w).delivered == 3, "all three");
	UNTIL(&w, status_of(&w).queued == 0, "none is left");
	turn_some(w.loop);
	ck_assert_uint_eq(status_of(&w).delivered, 3);
	world_close(&w);
}
END_TEST

static _Atomic int dones;

static void
count_done(struct back_work *work)
{
	(void)work;
	dones++;
}

/* Given together they are done one after the other: the undo finds all that
 * the purge before it took, the purge after it takes it again. */
START_TEST(test_order)
{
	struct letter letter = {.to = "p@a.test q@b.test r@c.test"};
	struct back_work works[6] = {
	    {.verb = BACK_PURGE}, {.verb = BACK_COUNT},	  {.verb = BACK_UNDO},
	    {.verb = BACK_PURGE}, {.verb = BACK_RECHECK}, {.verb = BACK_UNDO},
	};
	struct world w;

	world_open(&w, NULL);
	w.retry_s[0] = 3600;
	sink_close(w.sink);
	world_start(&w);
	world_accept_many(&w, &letter, 1500);
	UNTIL(&w, status_of(&w).deferred == 4500, "nobody is there");
	works[0].trash = works[2].trash = id_next();
	works[3].trash = works[5].trash = id_next();
	works[3].select.domain = "b.test";
	dones = 0;
	for (int i = 0; i < 6; i++) {
		works[i].trash_until_wall_s = clock_wall_s() + 86400;
		works[i].done = count_done;
		back_work_start(w.back, &works[i]);
	}
	UNTIL(&w, dones == 6, "all end");
	for (int i = 0; i < 6; i++)
		ck_assert_int_eq(works[i].err, 0);
	ck_assert_uint_eq(works[0].recipients, 4500);
	ck_assert_uint_eq(works[0].messages, 1500);
	ck_assert_uint_eq(works[1].recipients, 0); /* they are being purged */
	ck_assert_uint_eq(works[2].recipients, 4500);
	ck_assert_uint_eq(works[3].recipients, 1500);
	ck_assert_uint_eq(works[4].recipients, 0);
	ck_assert_uint_eq(works[5].recipients, 1500);
	ck_assert_uint_eq(works[5].messages, 1500);
	UNTIL(&w, status_of(&w).queued == 4500, "all are back");
	sink_open(w.sink);
	back_flush(w.back, &(struct back_flush){.id = 0});
	UNTIL(&w, status_of(&w).delivered == 4500, "and sent");
	UNTIL(&w, world_ledger(&w).by_state[RCPT_DELIVERED] == 4500, "marked");
	turn_some(w.loop);
	ck_assert_uint_eq(status_of(&w).delivered, 4500);
	ck_assert_uint_eq(status_of(&w).queued, 0);
	world_close(&w);
}
END_TEST

/* It stops in the middle: each work ends, nothing is lost, and what was purged
 * can be brought back after the restart. */
START_TEST(test_stop)
{
	struct letter letter = {.to = "p@a.test q@b.test"};
	struct back_work works[4] = {
	    {.verb = BACK_PURGE, .select = {.domain = "a.test"}},
	    {.verb = BACK_RELEASE},
	    {.verb = BACK_RECHECK},
	    {.verb = BACK_COUNT},
	};
	struct back_work undo = {.verb = BACK_UNDO};
	struct world w;
	int64_t purged;

	world_open(&w, NULL);
	w.retry_s[0] = 3600;
	sink_close(w.sink);
	world_start(&w);
	world_accept_many(&w, &letter, 3000);
	UNTIL(&w, status_of(&w).deferred == 6000, "nobody is there");
	UNTIL(&w, world_ledger(&w).by_state[RCPT_QUEUED] == 6000, "marked");
	dones = 0;
	undo.trash = works[0].trash = id_next();
	works[0].trash_until_wall_s = clock_wall_s() + 86400;
	for (int i = 0; i < 4; i++) {
		works[i].done = count_done;
		back_work_start(w.back, &works[i]);
	}
	while (world_ledger(&w).by_state[RCPT_PURGED] == 0 && dones < 4)
		;
	world_stop(&w, 3000);
	ck_assert_int_eq(dones, 4);
	purged = world_ledger(&w).by_state[RCPT_PURGED];
	ck_assert_uint_eq(works[0].recipients, (uint64_t)purged);
	if (purged < 3000)
		ck_assert_int_eq(works[0].err, GW_ECANCELED);
	ck_assert_int_gt(purged, 0);
	world_reopen_spool(&w);
	world_start(&w);
	undo.done = NULL;
	world_work(&w, &undo); /* at once: it waits for the queue */
	ck_assert_int_eq(undo.err, 0);
	ck_assert_uint_eq(undo.recipients, (uint64_t)purged);
	UNTIL(&w, status_of(&w).queued == 6000, "each once");
	ck_assert_int_eq(world_ledger(&w).by_state[RCPT_QUEUED], 6000);
	world_close(&w);
}
END_TEST

/* It begins while they are being sent: what was purged was not sent, what was
 * sent was not purged. */
START_TEST(test_purge_of_a_flood)
{
	struct letter flood = {.to = "p@a.test", .body = BODY_A};
	struct letter good = {.cred = "bob", .to = "q@b.test", .body = BODY_B};
	struct back_work work = {.verb = BACK_PURGE};
	uint8_t digest[DIGEST_SIZE];
	struct back_status status;
	struct world w;

	world_open(&w, NULL);
	world_accept_many(&w, &flood, 4000);
	world_accept(&w, &good);
	world_start(&w);
	UNTIL(&w, sink_count(w.sink) > 100, "it flows");
	digest_of(BODY_A, digest);
	work.select.body = digest;
	world_work(&w, &work);
	ck_assert_int_eq(work.err, 0);
	UNTIL(&w, status_of(&w).queued == 0, "nothing is left");
	UNTIL(&w,
	      world_ledger(&w).by_state[RCPT_DELIVERED] +
		      world_ledger(&w).by_state[RCPT_PURGED] ==
		  4001,
	      "each is one or the other");
	status = status_of(&w);
	ck_assert_int_eq(world_ledger(&w).by_state[RCPT_PURGED],
			 (int64_t)work.recipients);
	ck_assert_uint_eq(sink_count(w.sink), 4001 - work.recipients);
	ck_assert_uint_eq(status.delivered, 4001 - work.recipients);
	ck_assert_uint_gt(work.recipients, 0);
	world_close(&w);
}
END_TEST

/* An undo brings back what was purged of a message, not what was delivered of
 * it while the disk does not take the outcome. */
START_TEST(test_undo_beside_an_outcome)
{
	struct letter letter = {.to = "p@a.test q@b.test"};
	struct back_work work = {.verb = BACK_PURGE,
				 .select = {.domain = "a.test"}};
	struct back_work recheck = {.verb = BACK_RECHECK};
	struct world w;

	world_open(&w, NULL);
	(void)world_block(&w, BLOCK_CRED, BLOCK_HOLD, "ann");
	world_start(&w);
	world_accept(&w, &letter);
	UNTIL(&w, status_of(&w).held_by_rule == 2, "held");
	work.trash = id_next();
	work.trash_until_wall_s = clock_wall_s() + 86400;
	work_run(&w, &work, 1);
	fail_err = GW_ENOSPC;
	fail_outcomes = 1;
	world_unblock(&w, BLOCK_CRED, BLOCK_HOLD, "ann");
	world_work(&w, &recheck);
	UNTIL(&w, status_of(&w).delivered == 1, "q is sent");
	UNTIL(&w, fail_outcomes == 0, "its outcome is not committed");
	ck_assert_int_eq(world_ledger(&w).by_state[RCPT_QUEUED], 1);
	work.verb = BACK_UNDO;
	work_run(&w, &work, 1);
	UNTIL(&w, world_ledger(&w).by_state[RCPT_DELIVERED] == 2, "both");
	UNTIL(&w, status_of(&w).queued == 0, "nothing is left");
	ck_assert_uint_eq(status_of(&w).delivered, 2);
	ck_assert_uint_eq(sink_count(w.sink), 2);
	ck_assert_str_eq(sink_mail(w.sink, 0)->rcpts, "q@b.test");
	ck_assert_str_eq(sink_mail(w.sink, 1)->rcpts, "p@a.test");
	world_close(&w);
}
END_TEST

START_TEST(test_nonsense)
{
	struct back_work from = {.verb = BACK_COUNT,
				 .select = {.from = "no sender"}};
	struct back_work undo = {.verb = BACK_UNDO, .trash = 77};
	struct world w;

	world_open(&w, NULL);
	world_start(&w);
	world_work(&w, &from);
	ck_assert_int_eq(from.err, GW_EINVAL);
	world_work(&w, &undo);
	ck_assert_int_eq(undo.err, GW_ENOENT);
	world_close(&w);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("back/work");
	TCase *tc = tcase_create("work");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, test_selection, 0,
			    sizeof(selections) / sizeof(selections[0]));
	tcase_add_loop_test(tc, test_release, 0,
			    sizeof(releases) / sizeof(releases[0]));
	tcase_add_test(tc, test_release_part);
	tcase_add_test(tc, test_release_keeps_time);
	tcase_add_test(tc, test_disk_fails);
	tcase_add_test(tc, test_put_back_is_sent);
	tcase_add_test(tc, test_order);
	tcase_add_test(tc, test_stop);
	tcase_add_test(tc, test_purge_of_a_flood);
	tcase_add_test(tc, test_undo_beside_an_outcome);
	tcase_add_test(tc, test_nonsense);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
