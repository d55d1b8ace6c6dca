#include "tests/campaign/kit.h"

/* What a person, a rule or the end changes, and what a restart finds. */

static const struct campaigns_conf conf = {.recipients = 100,
					   .same = 10,
					   .rate_per_h = 600,
					   .connections = 4,
					   .stop_bounced = 80,
					   .warn_bounced = 40,
					   .stop_complaints = 3,
					   .stop_min = 100};

/* From (row) to (column). */
static const bool may[CAMPAIGN_STATES][CAMPAIGN_STATES] = {
    /*               check wait  run   pause stop  canc  done */
    [CAMPAIGN_CHECKING] = {true, true, true, true, true, true, false},
    [CAMPAIGN_WAITING] = {false, true, true, true, true, true, true},
    [CAMPAIGN_RUNNING] = {false, false, true, true, true, true, true},
    [CAMPAIGN_PAUSED] = {false, false, true, true, true, true, true},
    [CAMPAIGN_STOPPED] = {false, false, true, true, true, true, true},
    [CAMPAIGN_CANCELED] = {false, false, false, true, false, true, false},
    [CAMPAIGN_DONE] = {false, false, false, false, false, false, false},
};

/* A way from CHECKING to each state. */
static const enum campaign_state way[CAMPAIGN_STATES] = {
    CAMPAIGN_CHECKING, CAMPAIGN_WAITING,  CAMPAIGN_RUNNING, CAMPAIGN_PAUSED,
    CAMPAIGN_STOPPED,  CAMPAIGN_CANCELED, CAMPAIGN_DONE};

START_TEST(from_state_to_state)
{
	enum campaign_state from = (enum campaign_state)_i;
	struct campaigns_conf with = conf;

	with.preflight = true;
	for (int to = 0; to < CAMPAIGN_STATES; to++) {
		int err;

		kit_open(&with);
		ck_assert_uint_eq(kit_send("ann", 'a', 101, NOW), 1);
		if (from == CAMPAIGN_DONE)
			ck_assert_int_eq(kit_order(1, CAMPAIGN_RUNNING, NOW),
					 0);
		ck_assert_int_eq(kit_order(1, way[from], NOW), 0);
		err = kit_order(1, (enum campaign_state)to, NOW + 5);
		ck_assert_msg(err == (may[from][to] ? 0 : GW_EINVAL),
			      "%s to %s: %d", campaign_state_word(from),
			      campaign_state_word((enum campaign_state)to),
			      err);
		for (int i = 0; i < 2; i++) {
			struct campaign_view view = kit_view(1, NOW);
			bool ended = view.state == CAMPAIGN_DONE ||
				     view.state == CAMPAIGN_CANCELED;

			ck_assert_int_eq((int)view.state,
					 may[from][to] ? to : (int)from);
			ck_assert_int_eq(view.ended_wall_s != 0, ended);
			kit_restart(&with);
		}
		kit_close();
	}
}
END_TEST

START_TEST(of_none)
{
	struct campaign_terms terms;

	kit_open(&conf);
	ck_assert_int_eq(kit_order(9, CAMPAIGN_PAUSED, NOW), GW_ENOENT);
	ck_assert(!campaign_terms_get(all, 9, &terms));
	ck_assert_int_eq((int)terms.state, CAMPAIGN_RUNNING);
	ck_assert(!campaign_count(all, 9, CAMPAIGN_DELIVERED, 1, NOW));
	kit_close();
}
END_TEST

START_TEST(terms_are_changed_and_kept)
{
	struct campaign_order order = {.id = 1,
				       .state = CAMPAIGN_PAUSED,
				       .rate_per_h = 50,
				       .connections = -1,
				       .reason = "wait for the boss"};
	struct store_change change;
	struct campaign_terms terms;

	kit_open(&conf);
	kit_send("ann", 'a', 101, NOW);
	ck_assert(campaign_terms_get(all, 1, &terms));
	ck_assert_uint_eq(terms.rate_per_h, 600);
	ck_assert_uint_eq(terms.connections, 4);
	ck_assert_str_eq(terms.owner, "ann@example.com");
	ck_assert_int_eq(campaign_order(all, &order, NOW, arena, &change), 0);
	kit_commit(&change, 1);
	order.rate_per_h = -1;
	order.connections = 0;
	order.reason = NULL;
	ck_assert_int_eq(campaign_order(all, &order, NOW, arena, &change), 0);
	kit_commit(&change, 1);
	for (int i = 0; i < 2; i++) {
		ck_assert(campaign_terms_get(all, 1, &terms));
		ck_assert_int_eq((int)terms.state, CAMPAIGN_PAUSED);
		ck_assert_uint_eq(terms.rate_per_h, 50);
		ck_assert_uint_eq(terms.connections, 0);
		ck_assert_str_eq(kit_view(1, NOW).reason, "wait for the boss");
		kit_restart(&conf);
	}
	kit_close();
}
END_TEST

/* Two orders are on their way to the disk, and the later one arrives first. */
START_TEST(orders_that_overtake)
{
	struct campaign_order order = {
	    .id = 1, .rate_per_h = -1, .connections = -1};
	struct store_change changes[3];

	kit_open(&conf);
	kit_send("ann", 'a', 101, NOW);
	order.state = CAMPAIGN_PAUSED;
	ck_assert_int_eq(campaign_order(all, &order, NOW, arena, &changes[0]),
			 0);
	order.state = CAMPAIGN_RUNNING;
	ck_assert_int_eq(campaign_order(all, &order, NOW, arena, &changes[1]),
			 0);
	order.state = CAMPAIGN_CANCELED;
	ck_assert_int_eq(campaign_order(all, &order, NOW, arena, &changes[2]),
			 0);
	for (int i = 2; i >= 0; i--)
		kit_commit(&changes[i], 1);
	kit_restart(&conf);
	ck_assert_int_eq((int)kit_view(1, NOW).state, CAMPAIGN_CANCELED);
	kit_close();
}
END_TEST

/* --- rules ---------------------------------------------------------------- */

static const struct rule {
	const char *label;
	uint64_t delivered, bounced, network, complaints;
	bool stops;
	const char *reason;
} rules[] = {
    {"fine", 200, 10, 0, 0, false, ""},
    {"too few to say", 40, 59, 0, 0, false, ""},
    {"bounces", 184, 16, 1, 0, true, "bounces: 17 of 201, more than 8.0 %"},
    {"as many as may be", 184, 16, 0, 0, false, ""},
    {"complaints", 500, 0, 0, 2, true, "complaints: 2 of 500, more than 0.3 %"},
};

START_TEST(rules_stop)
{
	const struct rule *rule = &rules[_i];
	struct store_change change;
	bool stopped = false;

	kit_open(&conf);
	kit_send("ann", 'a', 1000, NOW);
	stopped |=
	    kit_count(1, CAMPAIGN_DELIVERED, (int64_t)rule->delivered, NOW);
	stopped |= kit_count(1, CAMPAIGN_BOUNCED + BOUNCE_MAILBOX,
			     (int64_t)rule->bounced, NOW);
	stopped |= kit_count(1, CAMPAIGN_BOUNCED + BOUNCE_NETWORK,
			     (int64_t)rule->network, NOW);
	stopped |=
	    kit_count(1, CAMPAIGN_COMPLAINTS, (int64_t)rule->complaints, NOW);
	ck_assert_msg(stopped == rule->stops, "%s", rule->label);
	ck_assert_str_eq(kit_view(1, NOW).reason, rule->reason);
	ck_assert_int_eq((int)kit_view(1, NOW).state,
			 stopped ? CAMPAIGN_STOPPED : CAMPAIGN_RUNNING);
	if (stopped) {
		ck_assert(!kit_count(1, CAMPAIGN_BOUNCED, 9, NOW)); /* once */
		ck_assert_int_eq(campaign_state_change(all, 1, arena, &change),
				 0);
		kit_commit(&change, 1);
		kit_restart(&conf);
		ck_assert_int_eq((int)kit_view(1, NOW).state, CAMPAIGN_STOPPED);
		/* a person knows, and it goes on */
		ck_assert_int_eq(kit_order(1, CAMPAIGN_RUNNING, NOW), 0);
		kit_restart(&conf);
		ck_assert(!kit_count(1, CAMPAIGN_BOUNCED, 99, NOW));
		ck_assert_int_eq((int)kit_view(1, NOW).state, CAMPAIGN_RUNNING);
	}
	kit_close();
}
END_TEST

/* --- time ----------------------------------------------------------------- */

START_TEST(eta)
{
	kit_open(&conf);
	kit_send("ann", 'a', 1200, NOW);
	/* by its rate, before anything went */
	ck_assert_int_eq(kit_view(1, NOW).eta_wall_s, NOW + 7200);
	/* ten a minute were allowed, five went */
	for (int i = 0; i < 30; i++)
		kit_count(1, CAMPAIGN_DELIVERED, 1, NOW + 12 * i);
	ck_assert_uint_le(kit_view(1, NOW + 348).recent_per_h, 330);
	ck_assert_uint_ge(kit_view(1, NOW + 348).recent_per_h, 280);
	ck_assert_int_ge(kit_view(1, NOW + 348).eta_wall_s, NOW + 12000);
	/* paused: nobody knows; and that time does not count afterwards */
	kit_order(1, CAMPAIGN_PAUSED, NOW + 400);
	ck_assert_int_eq(kit_view(1, NOW + 400).eta_wall_s, 0);
	kit_order(1, CAMPAIGN_RUNNING, NOW + 9000);
	ck_assert_int_eq(kit_view(1, NOW + 9000).eta_wall_s, NOW + 9000 + 7020);
	kit_close();
}
END_TEST

START_TEST(no_rate_no_eta)
{
	kit_open(&(struct campaigns_conf){.recipients = 10});
	kit_send("ann", 'a', 11, NOW);
	ck_assert_int_eq(kit_view(1, NOW).eta_wall_s, 0);
	kit_count(1, CAMPAIGN_DELIVERED, 1, NOW);
	kit_count(1, CAMPAIGN_DELIVERED, 1, NOW + 60);
	ck_assert_uint_eq(kit_view(1, NOW + 60).recent_per_h, 120);
	ck_assert_int_eq(kit_view(1, NOW + 60).eta_wall_s, NOW + 60 + 270);
	kit_close();
}
END_TEST

/* When it is over: at once for one message to many, later for many. */
START_TEST(over)
{
	kit_open(&conf);
	kit_send("ann", 'a', 101, NOW);
	ck_assert_int_eq(campaign_over_wall_s(all, 1), 0);
	kit_count(1, CAMPAIGN_DELIVERED, 100, NOW + 60);
	ck_assert_int_eq(campaign_over_wall_s(all, 1), 0);
	kit_count(1, CAMPAIGN_DEAD, 1, NOW + 60);
	ck_assert_int_eq(campaign_over_wall_s(all, 1), NOW);
	kit_send("ann", 'a', 1, NOW + 100);
	kit_count(1, CAMPAIGN_OTHER, 1, NOW + 100);
	ck_assert_int_eq(campaign_over_wall_s(all, 1), NOW + 220);
	kit_order(1, CAMPAIGN_DONE, NOW + 220);
	ck_assert_int_eq(campaign_over_wall_s(all, 1), 0);
	ck_assert_int_eq(campaign_over_wall_s(all, 2), 0);
	kit_close();
}
END_TEST

/* A message whose commit is under way is not left behind. */
START_TEST(not_over_while_somebody_joins)
{
	struct campaign_order order = {.id = 1,
				       .state = CAMPAIGN_DONE,
				       .rate_per_h = -1,
				       .connections = -1};
	struct campaign_mail mail;
	struct campaign_join join = {0};
	struct store_change change;

	kit_open(&conf);
	kit_send("ann", 'a', 101, NOW);
	kit_count(1, CAMPAIGN_DELIVERED, 101, NOW + 60);
	mail = kit_mail("ann", 'a', 5);
	campaign_join(all, &mail, NOW + 61, arena, &join);
	ck_assert_uint_eq(join.id, 1);
	ck_assert_int_eq(campaign_order(all, &order, NOW + 62, arena, &change),
			 GW_EBUSY);
	campaign_join_end(all, &join, false);
	ck_assert_int_eq(campaign_order(all, &order, NOW + 62, arena, &change),
			 0);
	kit_close();
}
END_TEST

/* An undo takes its time: the state is told first. */
START_TEST(not_over_before_it_is_back)
{
	kit_open(&conf);
	kit_send("ann", 'a', 101, NOW);
	kit_order(1, CAMPAIGN_CANCELED, NOW);
	kit_count(1, CAMPAIGN_PURGED, 101, NOW);
	kit_order(1, CAMPAIGN_PAUSED, NOW + 10);
	ck_assert_int_eq(campaign_over_wall_s(all, 1), 0);
	kit_count(1, CAMPAIGN_PURGED, -101, NOW + 11);
	kit_order(1, CAMPAIGN_RUNNING, NOW + 12);
	kit_count(1, CAMPAIGN_DELIVERED, 101, NOW + 20);
	ck_assert_int_eq(campaign_over_wall_s(all, 1), NOW);
	kit_close();
}
END_TEST

/* --- forgetting ----------------------------------------------------------- */

struct names {
	char text[400];
};

static bool
each_failure(void *arg, const struct campaign_failure *failure)
{
	struct names *names = arg;
	size_t n = strlen(names->text);

	snprintf(names->text + n, sizeof(names->text) - n, "%s=%d;",
		 failure->address, (int)failure->count);
	return true;
}

static void
put_failure(uint64_t id, uint64_t message, uint32_t index, const char *address)
{
	const struct campaign_failure failure = {
	    .campaign = id,
	    .message = message,
	    .index = index,
	    .count = CAMPAIGN_DEAD,
	    .wall_s = NOW,
	    .address = address,
	    .text = "550 5.1.1 no",
	};
	struct store_change change;

	campaign_failure_change(&failure, arena, &change);
	kit_commit(&change, 1);
}

START_TEST(failures)
{
	const struct campaign_failure start = {0};
	const struct campaign_failure after = {.message = 7, .index = 2};
	struct store_change change;
	struct names names = {""};

	kit_open(&conf);
	put_failure(1, 8, 0, "d@x");
	put_failure(1, 7, 300, "c@x");
	put_failure(1, 7, 2, "b@x");
	put_failure(1, 7, 1, "a@x");
	put_failure(2, 1, 1, "z@x");
	ck_assert_int_eq(
	    campaign_failures(env, 1, &start, 9, each_failure, &names), 4);
	ck_assert_str_eq(names.text, "a@x=3;b@x=3;c@x=3;d@x=3;");
	names.text[0] = '\0';
	ck_assert_int_eq(
	    campaign_failures(env, 1, &after, 1, each_failure, &names), 1);
	ck_assert_str_eq(names.text, "c@x=3;");
	campaign_failure_delete(1, 7, 300, arena, &change);
	kit_commit(&change, 1);
	names.text[0] = '\0';
	ck_assert_int_eq(
	    campaign_failures(env, 1, &after, 9, each_failure, &names), 1);
	ck_assert_str_eq(names.text, "d@x=3;");
	kit_close();
}
END_TEST

static bool
count_keys(void *arg, struct slice key, struct slice value)
{
	(void)key;
	(void)value;
	++*(int *)arg;
	return true;
}

/* All of it goes, slice by slice, and its number is not used again. */
START_TEST(forgotten)
{
	struct store_change changes[CAMPAIGN_EXPIRE_MIN];
	struct campaign_view view;
	struct store_txn *txn;
	int calls = 0, keys = 0;
	size_t n;

	kit_open(&conf);
	for (char text = 'a'; text <= 'c'; text++)
		kit_send("ann", text, 101, NOW);
	for (uint32_t i = 0; i < 150; i++)
		put_failure(3, 7, i, "a@x");
	kit_count(3, CAMPAIGN_DEAD, 101, NOW);
	kit_order(3, CAMPAIGN_DONE, NOW);
	ck_assert_uint_eq(campaigns_expire(all, env, NOW + 40 * 86400, arena,
					   changes, COUNT(changes)),
			  0);
	while ((n = campaigns_expire(all, env, NOW + 40 * 86400 + 1, arena,
				     changes, COUNT(changes))) > 0) {
		kit_commit(changes, n);
		calls++;
	}
	ck_assert_int_eq(calls, 4);
	ck_assert_int_eq(campaign_get(all, 3, NOW, &view), GW_ENOENT);
	kit_restart(&conf);
	ck_assert_int_eq(campaign_get(all, 3, NOW, &view), GW_ENOENT);
	ck_assert_int_eq(campaign_get(all, 2, NOW, &view), 0);
	txn = store_read(env);
	store_each(txn, STORE_CAMPAIGN, SLICE_NONE, count_keys, &keys);
	store_abort(&txn);
	ck_assert_int_eq(keys, 1 + 2 * 4); /* number; record, last, 2 counts */
	ck_assert_uint_eq(kit_send("ann", 'd', 101, NOW), 4);
	kit_close();
}
END_TEST

/* What was canceled and stands in the queue yet is not forgotten: it would be
 * sent as of none. */
START_TEST(not_forgotten_before_it_is_gone)
{
	struct store_change changes[CAMPAIGN_EXPIRE_MIN];
	struct campaign_view view;
	int64_t later = NOW + 90 * 86400;
	uint64_t ids[2];
	size_t n;

	kit_open(&conf);
	kit_send("ann", 'a', 101, NOW);
	kit_send("ann", 'b', 101, NOW);
	kit_order(1, CAMPAIGN_CANCELED, NOW);
	kit_order(2, CAMPAIGN_CANCELED, NOW);
	(void)kit_count(1, CAMPAIGN_PURGED, 100, NOW);
	(void)kit_count(2, CAMPAIGN_PURGED, 101, NOW);
	while ((n = campaigns_expire(all, env, later, arena, changes,
				     COUNT(changes))) > 0)
		kit_commit(changes, n);
	ck_assert_int_eq(campaign_get(all, 1, NOW, &view), 0);
	ck_assert_int_eq(campaign_get(all, 2, NOW, &view), GW_ENOENT);
	ck_assert_uint_eq(campaigns_canceled(all, ids, COUNT(ids)), 1);
	ck_assert_uint_eq(ids[0], 1);
	(void)kit_count(1, CAMPAIGN_PURGED, 1, NOW);
	ck_assert_uint_eq(campaigns_canceled(all, ids, COUNT(ids)), 0);
	ck_assert_uint_gt(
	    campaigns_expire(all, env, later, arena, changes, COUNT(changes)),
	    0);
	kit_close();
}
END_TEST

/* One whose record cannot be read waits for a person; the others are as they
 * were. */
START_TEST(a_bad_record)
{
	struct store_change bad = {.table = STORE_CAMPAIGN,
				   .kind = STORE_PUT,
				   .key = SLICE_LIT("b\0\0\0\0\0\0\0\1"),
				   .value = SLICE_LIT("\1garbage")};
	struct campaign_view view;

	kit_open(&conf);
	kit_send("ann", 'a', 101, NOW);
	kit_send("ann", 'b', 101, NOW);
	kit_commit(&bad, 1);
	kit_restart(&conf);
	ck_assert_int_eq(campaign_get(all, 1, NOW, &view), 0);
	ck_assert_int_eq((int)view.state, CAMPAIGN_PAUSED);
	ck_assert_int_eq(campaign_get(all, 2, NOW, &view), 0);
	ck_assert_int_eq((int)view.state, CAMPAIGN_RUNNING);
	kit_close();
}
END_TEST

/* --- looking -------------------------------------------------------------- */

START_TEST(listed)
{
	uint64_t ids[3];
	struct campaigns_status status;

	kit_open(&conf);
	for (char text = 'a'; text <= 'e'; text++)
		kit_send("ann", text, 101, NOW);
	kit_order(2, CAMPAIGN_CANCELED, NOW);
	kit_order(3, CAMPAIGN_PAUSED, NOW);
	for (int i = 0; i < 2; i++) {
		ck_assert_uint_eq(campaigns_list(all, 0, ids, 3), 3);
		ck_assert_uint_eq(ids[0], 5);
		ck_assert_uint_eq(ids[2], 3);
		ck_assert_uint_eq(campaigns_list(all, 3, ids, 3), 2);
		ck_assert_uint_eq(ids[0], 2);
		ck_assert_uint_eq(ids[1], 1);
		ck_assert_uint_eq(campaigns_list(all, 1, ids, 3), 0);
		campaigns_status_get(all, &status);
		ck_assert_uint_eq(status.by_state[CAMPAIGN_RUNNING], 3);
		ck_assert_uint_eq(status.by_state[CAMPAIGN_PAUSED], 1);
		ck_assert_uint_eq(status.by_state[CAMPAIGN_CANCELED], 1);
		ck_assert_uint_eq(status.left, 404);
		kit_restart(&conf);
	}
	kit_close();
}
END_TEST

/* --- a model -------------------------------------------------------------- */

/* What is in memory, on disk and in a plain array is the same after any
 * sequence of sends, outcomes, undos, refusals and restarts. */
START_TEST(model)
{
	uint64_t want[4][CAMPAIGN_COUNTS] = {{0}};
	unsigned seed = 7 + (unsigned)_i;

	kit_open(&conf);
	for (int i = 0; i < 600; i++) {
		unsigned id = 1 + (unsigned)rand_r(&seed) % 3;
		enum campaign_count count =
		    (enum campaign_count)(2 + rand_r(&seed) % 22);
		int64_t n = 1 + rand_r(&seed) % 3;
		struct campaign_mail mail =
		    kit_mail("ann", (char)('a' + id), (uint32_t)n + 100);
		struct campaign_join join;
		bool accepted = i < 3 || rand_r(&seed) % 4 != 0;

		if (i < 3) {
			id = (unsigned)i + 1;
			mail = kit_mail("ann", (char)('a' + id),
					(uint32_t)n + 100);
		}
		switch (i < 3 ? 0 : rand_r(&seed) % 8) {
		case 0:
			kit_join(&mail, NOW, accepted, &join);
			ck_assert_uint_eq(join.id, id);
			if (accepted) {
				want[id][CAMPAIGN_MESSAGES]++;
				want[id][CAMPAIGN_RECIPIENTS] +=
				    (uint64_t)n + 100;
			}
			break;
		case 1:
			kit_restart(&conf);
			break;
		case 2:
			if (want[id][count] < (uint64_t)n)
				break;
			n = -n;
			/* fall through */
		default:
			if (kit_count(id, count, n, NOW)) {
				/* stopped by a rule: a person goes on */
				ck_assert_int_eq(
				    kit_order(id, CAMPAIGN_RUNNING, NOW), 0);
			}
			want[id][count] =
			    (uint64_t)((int64_t)want[id][count] + n);
			break;
		}
		for (unsigned k = 1; k <= 3 && i >= 3; k++)
			ck_assert_int_eq(memcmp(kit_view(k, NOW).counts,
						want[k], sizeof(want[k])),
					 0);
	}
	kit_close();
}
END_TEST

/* Whoever looked first and decides then: another was quicker. */
START_TEST(not_what_was_seen)
{
	struct campaign_order order = {.id = 1,
				       .state = CAMPAIGN_RUNNING,
				       .rate_per_h = 5,
				       .connections = -1,
				       .as_seen = true,
				       .seen = CAMPAIGN_CHECKING};
	struct campaigns_conf with = conf;
	struct store_change change;

	with.preflight = true;
	kit_open(&with);
	ck_assert_uint_eq(kit_send("ann", 'a', 101, NOW), 1);
	ck_assert_int_eq(kit_order(1, CAMPAIGN_PAUSED, NOW), 0);
	ck_assert_int_eq(campaign_order(all, &order, NOW, arena, &change),
			 GW_EINVAL);
	ck_assert_int_eq((int)kit_view(1, NOW).state, CAMPAIGN_PAUSED);
	ck_assert_uint_eq(kit_view(1, NOW).rate_per_h, 600);
	order.seen = CAMPAIGN_PAUSED;
	ck_assert_int_eq(campaign_order(all, &order, NOW, arena, &change), 0);
	ck_assert_int_eq((int)kit_view(1, NOW).state, CAMPAIGN_RUNNING);
	ck_assert_uint_eq(kit_view(1, NOW).rate_per_h, 5);
	kit_close();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("order");
	TCase *tc = tcase_create("order");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, not_what_was_seen);
	tcase_add_loop_test(tc, from_state_to_state, 0, CAMPAIGN_STATES);
	tcase_add_test(tc, of_none);
	tcase_add_test(tc, terms_are_changed_and_kept);
	tcase_add_test(tc, orders_that_overtake);
	tcase_add_loop_test(tc, rules_stop, 0, COUNT(rules));
	tcase_add_test(tc, eta);
	tcase_add_test(tc, no_rate_no_eta);
	tcase_add_test(tc, over);
	tcase_add_test(tc, not_over_while_somebody_joins);
	tcase_add_test(tc, not_over_before_it_is_back);
	tcase_add_test(tc, failures);
	tcase_add_test(tc, forgotten);
	tcase_add_test(tc, not_forgotten_before_it_is_gone);
	tcase_add_test(tc, a_bad_record);
	tcase_add_test(tc, listed);
	tcase_add_loop_test(tc, model, 0, 4);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
