#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "tests/back/world.h"

/* What a block or hold keeps from being sent, and what lets it go. */

static void
recheck(struct world *w, uint64_t rule, uint64_t recipients)
{
	struct back_work work = {.verb = BACK_RECHECK, .rule = rule};

	world_work(w, &work);
	ck_assert_int_eq(work.err, 0);
	ck_assert_uint_eq(work.recipients, recipients);
}

static const struct {
	const char *label;
	enum block_kind kind;
	const char *value;
	uint64_t held;
} rules[] = {
    {"a login", BLOCK_CRED, "ann", 2},
    {"another login", BLOCK_CRED, "bob", 0},
    {"an address", BLOCK_IP, "192.0.2.7", 2},
    {"a prefix", BLOCK_IP, "192.0.2.0/29", 2},
    {"a prefix beside it", BLOCK_IP, "192.0.2.8/29", 0},
    {"a sender", BLOCK_FROM, "ann@example.org", 2},
    {"a sender's domain", BLOCK_FROM, "@example.org", 2},
    {"a domain: its recipients alone", BLOCK_DOMAIN, "b.test", 1},
    {"all below a domain", BLOCK_DOMAIN, ".test", 2},
    {"a domain nobody wrote to", BLOCK_DOMAIN, "c.test", 0},
};

START_TEST(test_rule)
{
	static const enum block_action actions[] = {BLOCK_REFUSE, BLOCK_HOLD};
	struct letter letter = {.to = "x@a.test y@b.test", .ip = "192.0.2.7"};
	uint64_t held = rules[_i].held;

	for (int k = 0; k < 2; k++) {
		struct world w;
		uint64_t rule;

		world_open(&w, NULL);
		rule = world_block(&w, rules[_i].kind, actions[k],
				   rules[_i].value);
		world_start(&w);
		world_accept(&w, &letter);
		UNTIL(&w, status_of(&w).delivered == 2 - held, rules[_i].label);
		UNTIL(&w, status_of(&w).held_by_rule == held, rules[_i].label);
		UNTIL(&w, status_of(&w).queued == held, "queued");
		ck_assert_int_eq(world_ledger(&w).by_state[RCPT_HELD], 0);
		/* As long as it stands a look at it changes nothing. */
		recheck(&w, rule, held);
		UNTIL(&w, status_of(&w).held_by_rule == held, "held again");
		world_unblock(&w, rules[_i].kind, actions[k], rules[_i].value);
		recheck(&w, rule, held);
		UNTIL(&w, status_of(&w).delivered == 2, "let go");
		ck_assert_uint_eq(status_of(&w).held_by_rule, 0);
		world_close(&w);
	}
}
END_TEST

/* Each rule lets go only what it held; what another holds stays. */
START_TEST(test_several_rules)
{
	struct letter letter = {
	    .to = "p@a.test q@b.test r@a.test s@c.test t@b.test u@a.test"};
	struct world w;
	uint64_t a, b;

	world_open(&w, NULL);
	a = world_block(&w, BLOCK_DOMAIN, BLOCK_REFUSE, "a.test");
	b = world_block(&w, BLOCK_DOMAIN, BLOCK_HOLD, "b.test");
	world_start(&w);
	world_accept(&w, &letter);
	UNTIL(&w, status_of(&w).delivered == 1, "c.test is free");
	UNTIL(&w, status_of(&w).held_by_rule == 5, "the others are not");
	world_unblock(&w, BLOCK_DOMAIN, BLOCK_REFUSE, "a.test");
	recheck(&w, b, 2);
	UNTIL(&w, status_of(&w).held_by_rule == 5, "b was looked at only");
	recheck(&w, a, 3);
	UNTIL(&w, status_of(&w).delivered == 4, "a.test is let go");
	ck_assert_uint_eq(status_of(&w).held_by_rule, 2);
	/* In another order than they were held. */
	world_block(&w, BLOCK_CRED, BLOCK_HOLD, "ann");
	world_unblock(&w, BLOCK_DOMAIN, BLOCK_HOLD, "b.test");
	recheck(&w, 0, 2);
	UNTIL(&w, status_of(&w).held_by_rule == 2, "now the login's");
	recheck(&w, b, 0);
	world_unblock(&w, BLOCK_CRED, BLOCK_HOLD, "ann");
	recheck(&w, 0, 2);
	UNTIL(&w, status_of(&w).delivered == 6, "all");
	UNTIL(&w, world_ledger(&w).by_state[RCPT_DELIVERED] == 6, "marked");
	world_close(&w);
}
END_TEST

/* It came while the message was deferred: the retry does not start. */
START_TEST(test_no_retry)
{
	struct letter letter = {.to = "451-x@example.net"};
	struct world w;

	world_open(&w, NULL);
	w.blocklist = blocklist_create();
	w.retry_s[0] = 3600;
	world_start(&w);
	world_accept(&w, &letter);
	UNTIL(&w, status_of(&w).deferred == 1, "tried once");
	world_block(&w, BLOCK_CRED, BLOCK_REFUSE, "ann");
	back_flush(w.back, &(struct back_flush){.id = 0});
	UNTIL(&w, status_of(&w).held_by_rule == 1, "not a second time");
	ck_assert_uint_eq(status_of(&w).deferred, 1);
	world_unblock(&w, BLOCK_CRED, BLOCK_REFUSE, "ann");
	recheck(&w, 0, 1);
	UNTIL(&w, status_of(&w).deferred == 2, "then it is");
	world_close(&w);
}
END_TEST

START_TEST(test_held_over_restart)
{
	struct letter letter = {.to = "x@a.test y@b.test"};
	struct world w;

	world_open(&w, NULL);
	world_block(&w, BLOCK_DOMAIN, BLOCK_HOLD, "a.test");
	world_accept(&w, &letter);
	world_accept_many(&w, &letter, 200);
	world_reopen_spool(&w);
	world_start(&w);
	UNTIL(&w, status_of(&w).delivered == 201, "one of each is free");
	UNTIL(&w, status_of(&w).held_by_rule == 201, "the other is not");
	world_stop(&w, 3000);
	world_reopen_spool(&w);
	world_unblock(&w, BLOCK_DOMAIN, BLOCK_HOLD, "a.test");
	world_start(&w);
	UNTIL(&w, status_of(&w).delivered == 201, "the rule is gone: no mark");
	world_close(&w);
}
END_TEST

START_TEST(test_marks_are_known)
{
	struct letter held = {.to = "x@a.test y@b.test", .holds = HOLD_LIMIT};
	struct letter free_one = {.to = "z@a.test"};
	struct world w;

	world_open(&w, NULL);
	world_accept(&w, &held);
	world_start(&w);
	world_accept(&w, &held);
	world_accept(&w, &free_one);
	UNTIL(&w, status_of(&w).delivered == 1, "the free one");
	UNTIL(&w, status_of(&w).held == 4, "read from disk, and accepted");
	UNTIL(&w, status_of(&w).queued == 0, "these are not queued");
	ck_assert_int_eq(status_of(&w).oldest_wall_s, 0);
	recheck(&w, 0, 0);
	back_flush(w.back, &(struct back_flush){.id = 0});
	turn_some(w.loop);
	ck_assert_uint_eq(sink_count(w.sink), 1);
	world_close(&w);
}
END_TEST

/* A flood that is blocked does not keep a maildir from others' mail. */
START_TEST(test_maildir)
{
	struct letter flood = {.cred = "eve", .to = "x@a.test"};
	struct letter good = {.to = "y@b.test"};
	struct world w;

	world_open(&w, NULL);
	world_maildir(&w);
	world_block(&w, BLOCK_CRED, BLOCK_REFUSE, "eve");
	world_accept_many(&w, &flood, 300);
	world_accept(&w, &good);
	world_start(&w);
	UNTIL(&w, status_of(&w).delivered == 1, "the good one");
	UNTIL(&w, status_of(&w).held_by_rule == 300, "the flood");
	world_unblock(&w, BLOCK_CRED, BLOCK_REFUSE, "eve");
	recheck(&w, 0, 300);
	UNTIL(&w, status_of(&w).delivered == 301, "let go");
	world_close(&w);
}
END_TEST

/* It came while a message was under way on a connection used before. */
static void
block_under_way(struct world *w, const char *to)
{
	struct letter first = {.to = "x@a.test"}, second = {.to = to};

	world_open(w, NULL);
	w->blocklist = blocklist_create();
	w->retry_s[0] = 3600;
	world_start(w);
	world_accept(w, &first);
	UNTIL(w, status_of(w).delivered == 1, "the first");
	UNTIL(w, status_of(w).active == 0, "the connection is idle");
	world_accept(w, &second);
	while (status_of(w).active == 0)
		; /* the sink does not get its turn */
	world_block(w, BLOCK_CRED, BLOCK_REFUSE, "ann");
}

START_TEST(test_under_way_goes_on)
{
	struct world w;

	block_under_way(&w, "y@a.test");
	UNTIL(&w, status_of(&w).delivered == 2, "it is not cut");
	world_close(&w);
}
END_TEST

/* The connection dies: that alone would be tried again at once. */
START_TEST(test_nothing_further_starts)
{
	struct world w;

	block_under_way(&w, "drop-y@a.test");
	UNTIL(&w, status_of(&w).held_by_rule == 1, "not on another one");
	ck_assert_uint_eq(status_of(&w).deferred, 0);
	ck_assert_uint_eq(status_of(&w).active, 0);
	turn_some(w.loop);
	ck_assert_uint_eq(sink_count(w.sink), 1);
	world_close(&w);
}
END_TEST

START_TEST(test_stop_frees)
{
	struct back_work work = {.verb = BACK_RECHECK};
	struct letter letter = {.to = "x@a.test"};
	struct world w;

	world_open(&w, NULL);
	world_block(&w, BLOCK_CRED, BLOCK_REFUSE, "ann");
	world_start(&w);
	world_accept_many(&w, &letter, 50);
	UNTIL(&w, status_of(&w).held_by_rule == 50, "held");
	world_stop(&w, 0);
	world_start(&w);
	world_work(&w, &work);
	world_close(&w);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("back/held");
	TCase *tc = tcase_create("held");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, test_rule, 0, sizeof(rules) / sizeof(rules[0]));
	tcase_add_test(tc, test_several_rules);
	tcase_add_test(tc, test_no_retry);
	tcase_add_test(tc, test_held_over_restart);
	tcase_add_test(tc, test_marks_are_known);
	tcase_add_test(tc, test_maildir);
	tcase_add_test(tc, test_under_way_goes_on);
	tcase_add_test(tc, test_nothing_further_starts);
	tcase_add_test(tc, test_stop_frees);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
