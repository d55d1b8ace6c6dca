#include "tests/campaign/kit.h"

#include "gateway/campaign/record.h"

/* What a start makes of counts that are not what the queue says, and of records
 * that cannot be read. */

static const struct campaigns_conf conf = {.recipients = 100,
					   .rate_per_h = 600};

/* As back does; room for one at a time makes it ask again. */
static void
recount(void)
{
	struct store_change changes[CAMPAIGN_RECOUNT_MIN];
	size_t n;

	do {
		n = campaigns_recount(all, arena, changes,
				      CAMPAIGN_RECOUNT_MIN);
		kit_commit(changes, n);
	} while (n > 0);
}

static void
found(uint64_t id, uint32_t recipients)
{
	campaign_found(all, id, recipients, "ann", "ann@example.com");
}

struct drift {
	const char *label;
	struct {
		enum campaign_count count;
		int64_t n;
	} counts[4]; /* of 200 recipients */
	uint32_t queued;
	uint64_t recipients, delivered, purged, other;
};

static const struct drift drifts[] = {
    {"as it is", {{CAMPAIGN_DELIVERED, 50}}, 150, 200, 50, 0, 0},
    {"an outcome was not counted",
     {{CAMPAIGN_DELIVERED, 50}},
     140,
     200,
     50,
     0,
     10},
    {"nothing is left and nobody was counted", {{0}}, 0, 200, 0, 0, 200},
    {"an undo was not counted",
     {{CAMPAIGN_DELIVERED, 50}, {CAMPAIGN_PURGED, 150}},
     100,
     200,
     50,
     50,
     0},
    {"what was taken for lost came back",
     {{CAMPAIGN_DELIVERED, 50}, {CAMPAIGN_OTHER, 150}},
     20,
     200,
     50,
     0,
     130},
    {"messages that were not counted",
     {{CAMPAIGN_DELIVERED, 200}, {CAMPAIGN_PURGED, 5}},
     7,
     207,
     200,
     0,
     0},
};

START_TEST(the_queue_is_right)
{
	const struct drift *d = &drifts[_i];

	kit_open(&conf);
	ck_assert_uint_eq(kit_send("ann", 'a', 200, NOW), 1);
	ck_assert_uint_eq(kit_send("bob", 'b', 150, NOW), 2);
	for (size_t i = 0; i < COUNT(d->counts); i++)
		if (d->counts[i].n != 0)
			(void)kit_count(1, d->counts[i].count, d->counts[i].n,
					NOW);
	kit_restart(&conf);
	/* While the queue is read some are sent, and more of it comes. */
	for (uint32_t i = 0; i < d->queued; i++)
		found(1, 1);
	found(2, 150);
	ck_assert_uint_eq(kit_send("ann", 'a', 20, NOW), 1);
	(void)kit_count(1, CAMPAIGN_DELIVERED, 3, NOW);
	recount();
	for (int i = 0; i < 2; i++) {
		struct campaign_view view = kit_view(1, NOW);

		ck_assert_msg(view.left == d->queued + 20 - 3, "%s: %llu left",
			      d->label, (unsigned long long)view.left);
		ck_assert_msg(view.counts[CAMPAIGN_RECIPIENTS] ==
				  d->recipients + 20,
			      "%s", d->label);
		ck_assert_msg(view.counts[CAMPAIGN_DELIVERED] ==
				  d->delivered + 3,
			      "%s", d->label);
		ck_assert_msg(view.counts[CAMPAIGN_PURGED] == d->purged, "%s",
			      d->label);
		ck_assert_msg(view.counts[CAMPAIGN_OTHER] == d->other, "%s",
			      d->label);
		ck_assert_uint_eq(kit_view(2, NOW).left, 150);
		kit_restart(&conf);
		found(1, d->queued + 20 - 3);
		found(2, 150);
		recount();
	}
	kit_close();
}
END_TEST

/* It is shown as none; what is counted from then on is not to be less. */
START_TEST(below_none_is_none)
{
	kit_open(&conf);
	ck_assert_uint_eq(kit_send("ann", 'a', 200, NOW), 1);
	(void)kit_count(1, CAMPAIGN_PURGED, -30, NOW);
	kit_restart(&conf);
	found(1, 200);
	recount();
	(void)kit_count(1, CAMPAIGN_PURGED, 40, NOW);
	for (int i = 0; i < 2; i++) {
		ck_assert_uint_eq(kit_view(1, NOW).counts[CAMPAIGN_PURGED], 40);
		ck_assert_uint_eq(kit_view(1, NOW).left, 160);
		kit_restart(&conf);
	}
	kit_close();
}
END_TEST

/* --- damage ----------------------------------------------------------------
 */

/* As after a sector went bad. */
static void
damage(enum campaign_tag tag, uint64_t id, uint8_t sub)
{
	struct campaign_key key = {.tag = tag, .id = id, .sub = sub};
	uint8_t bytes[CAMPAIGN_KEY_MAX];
	struct store_change change = {
	    .table = STORE_CAMPAIGN,
	    .kind = STORE_PUT,
	    .key = slice_of(bytes, campaign_key_encode(&key, bytes)),
	    .value = SLICE_LIT("\xff\xff\xff"),
	};

	kit_commit(&change, 1);
}

struct damaged {
	const char *label;
	enum campaign_state orders[3]; /* in turn; CHECKING: none */
	bool record;
	int slot; /* of the orders; -1: none */
	enum campaign_state state;
	bool told;
};

static const struct damaged damaged[] = {
    {"paused, the record", {CAMPAIGN_PAUSED}, true, -1, CAMPAIGN_PAUSED, true},
    {"canceled, the record",
     {CAMPAIGN_CANCELED},
     true,
     -1,
     CAMPAIGN_CANCELED,
     false},
    {"running, the record", {0}, true, -1, CAMPAIGN_PAUSED, true},
    {"paused, the order", {CAMPAIGN_PAUSED}, false, 1, CAMPAIGN_PAUSED, true},
    {"paused, both", {CAMPAIGN_PAUSED}, true, 1, CAMPAIGN_PAUSED, true},
    {"canceled, the order of a pause before",
     {CAMPAIGN_PAUSED, CAMPAIGN_CANCELED},
     false,
     1,
     CAMPAIGN_CANCELED,
     false},
    {"paused anew, the newest order",
     {CAMPAIGN_PAUSED, CAMPAIGN_RUNNING, CAMPAIGN_PAUSED},
     false,
     3,
     CAMPAIGN_PAUSED,
     true},
};

START_TEST(what_may_have_been_stopped_does_not_go)
{
	const struct damaged *d = &damaged[_i];
	struct campaign_terms terms;
	struct campaign_view view;

	kit_open(&conf);
	ck_assert_uint_eq(kit_send("ann", 'a', 200, NOW), 1);
	(void)kit_count(1, CAMPAIGN_DELIVERED, 50, NOW);
	for (size_t i = 0; i < COUNT(d->orders); i++)
		if (d->orders[i] != CAMPAIGN_CHECKING)
			ck_assert_int_eq(kit_order(1, d->orders[i], NOW), 0);
	if (d->record)
		damage(CAMPAIGN_RECORD, 1, 0);
	if (d->slot >= 0)
		damage(CAMPAIGN_STATE, 1, (uint8_t)d->slot);
	kit_restart(&conf);
	/* From the first moment, and for good. */
	for (int i = 0; i < 3; i++) {
		ck_assert_msg(campaign_terms_get(all, 1, &terms), "%s",
			      d->label);
		ck_assert_msg(terms.state == d->state, "%s: %s", d->label,
			      campaign_state_word(terms.state));
		view = kit_view(1, NOW);
		ck_assert_msg((strstr(view.reason, "damaged") != NULL) ==
				  d->told,
			      "%s: %s", d->label, view.reason);
		ck_assert_uint_eq(view.left, 150);
		if (i > 0) {
			ck_assert_str_eq(view.cred, "ann");
			ck_assert_str_eq(view.owner, "ann@example.com");
			kit_restart(&conf);
		}
		found(1, 150);
		recount();
	}
	/* Once a person said so, it goes, also after the next restart. */
	if (d->state == CAMPAIGN_PAUSED) {
		ck_assert_int_eq(kit_order(1, CAMPAIGN_RUNNING, NOW), 0);
		kit_restart(&conf);
		ck_assert_int_eq((int)kit_view(1, NOW).state, CAMPAIGN_RUNNING);
		ck_assert_str_eq(kit_view(1, NOW).reason, "");
	}
	kit_close();
}
END_TEST

/* Its first message was refused after somebody had paused it. */
START_TEST(an_order_of_none_falls_on_nobody)
{
	struct campaign_mail mail = kit_mail("ann", 'a', 200);
	struct campaign_join join;
	uint64_t id;

	kit_open(&conf);
	campaign_join(all, &mail, NOW, arena, &join);
	ck_assert_uint_eq(join.id, 1);
	ck_assert_int_eq(kit_order(1, CAMPAIGN_PAUSED, NOW), 0);
	campaign_join_end(all, &join, false);
	kit_restart(&conf);
	id = kit_send("bob", 'b', 200, NOW);
	ck_assert_int_eq((int)kit_view(id, NOW).state, CAMPAIGN_RUNNING);
	kit_restart(&conf);
	ck_assert_int_eq((int)kit_view(id, NOW).state, CAMPAIGN_RUNNING);
	ck_assert_str_eq(kit_view(id, NOW).cred, "bob");
	kit_close();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("campaign: recount");
	TCase *tc = tcase_create("recount");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, the_queue_is_right, 0, COUNT(drifts));
	tcase_add_test(tc, below_none_is_none);
	tcase_add_loop_test(tc, what_may_have_been_stopped_does_not_go, 0,
			    COUNT(damaged));
	tcase_add_test(tc, an_order_of_none_falls_on_nobody);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
