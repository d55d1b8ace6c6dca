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

/* What administrators do to the queue, with a real spool below. */

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
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
