#include "tests/campaign/kit.h"

#include "gateway/campaign/record.h"

/* That the owner of a campaign is told of each state once, whatever stops the
 * process in between, and in whatever order orders reach the disk. */

static const struct campaigns_conf conf = {
    .recipients = 100, .stop_bounced = 80, .stop_min = 100};

static struct store_change report[CAMPAIGN_TOLD_CHANGES];

static void
open_one(void)
{
	kit_open(&conf);
	ck_assert_uint_eq(kit_send("ann", 'a', 200, NOW), 1);
	kit_order(1, CAMPAIGN_RUNNING, NOW);
}

/* It is being written; report is to be committed with it. */
static uint32_t
begin_report(void)
{
	uint32_t order = 0;

	ck_assert_int_eq(campaign_told_changes(all, 1, arena, report, &order),
			 0);
	return order;
}

static void
tell(void)
{
	uint32_t order = begin_report();

	kit_commit(report, CAMPAIGN_TOLD_CHANGES);
	campaign_told(all, 1, order);
}

static void
is_told(bool told, const char *label)
{
	ck_assert_msg(kit_view(1, NOW).told == told, "%s", label);
	ck_assert_msg(campaign_is_told(all, 1) == told, "%s", label);
	kit_restart(&conf);
	ck_assert_msg(kit_view(1, NOW).told == told, "%s, restarted", label);
	ck_assert_msg(campaign_is_told(all, 1) == told, "%s, restarted", label);
}

START_TEST(each_state_once)
{
	open_one();
	kit_order(1, CAMPAIGN_CANCELED, NOW + 1);
	is_told(false, "canceled");
	begin_report(); /* nothing of it reaches the disk */
	is_told(false, "a stop in the middle of the report");
	tell();
	is_told(true, "told");
	kit_order(1, CAMPAIGN_CANCELED, NOW + 2);
	is_told(true, "canceled once more");
	kit_order(1, CAMPAIGN_PAUSED, NOW + 2);
	kit_order(1, CAMPAIGN_CANCELED, NOW + 2);
	is_told(false, "undone, and canceled again within the second");
	kit_close();
}
END_TEST

/* A change of terms is no news. */
START_TEST(terms_alone)
{
	struct campaign_order order = {
	    .id = 1, .state = CAMPAIGN_STOPPED, .rate_per_h = 5};
	struct store_change change;
	uint32_t told;

	open_one();
	kit_order(1, CAMPAIGN_STOPPED, NOW);
	told = begin_report();
	ck_assert_int_eq(campaign_order(all, &order, NOW, arena, &change), 0);
	kit_commit(&change, 1);
	kit_commit(report, CAMPAIGN_TOLD_CHANGES);
	campaign_told(all, 1, told);
	is_told(true, "the rate, while the report was written");
	ck_assert_uint_eq(kit_view(1, NOW).rate_per_h, 5);
	kit_close();
}
END_TEST

/* What is told of late is not what is true by then. */
START_TEST(overtaken)
{
	uint32_t told;

	open_one();
	kit_order(1, CAMPAIGN_STOPPED, NOW);
	told = begin_report();
	kit_order(1, CAMPAIGN_CANCELED, NOW);
	kit_commit(report, CAMPAIGN_TOLD_CHANGES);
	campaign_told(all, 1, told);
	is_told(false, "canceled, while it was told that it stopped");
	ck_assert_int_eq((int)kit_view(1, NOW).state, CAMPAIGN_CANCELED);
	kit_close();
}
END_TEST

START_TEST(by_a_rule)
{
	open_one();
	is_told(true, "running"); /* there is nothing to tell */
	ck_assert(kit_count(1, CAMPAIGN_BOUNCED, 101, NOW));
	ck_assert(!campaign_is_told(all, 1));
	tell();
	is_told(true, "stopped");
	kit_close();
}
END_TEST

/* Where its rest lies, and whether that is told, comes back; not after an
 * undo. */
START_TEST(the_rest)
{
	struct campaign_order order = {.id = 1,
				       .state = CAMPAIGN_CANCELED,
				       .rate_per_h = -1,
				       .connections = -1,
				       .trash = 77};
	struct store_change change;

	open_one();
	ck_assert_int_eq(campaign_order(all, &order, NOW, arena, &change), 0);
	kit_commit(&change, 1);
	tell();
	is_told(true, "told");
	ck_assert_uint_eq(kit_view(1, NOW).trash, 77);
	ck_assert(!kit_view(1, NOW).bounce);
	order.bounce = true;
	ck_assert_int_eq(campaign_order(all, &order, NOW, arena, &change), 0);
	kit_commit(&change, 1);
	is_told(false, "now to be named");
	ck_assert(kit_view(1, NOW).bounce);
	ck_assert_uint_eq(kit_view(1, NOW).trash, 77);
	kit_order(1, CAMPAIGN_PAUSED, NOW);
	ck_assert_uint_eq(kit_view(1, NOW).trash, 0);
	ck_assert(!kit_view(1, NOW).bounce);
	kit_close();
}
END_TEST

/* Of what an older process wrote, the owner was told. */
START_TEST(of_before)
{
	struct campaign_key key = {
	    .tag = CAMPAIGN_STATE, .id = 1, .sub = 9 % CAMPAIGN_STATE_SLOTS};
	uint8_t where[CAMPAIGN_KEY_MAX];
	struct store_change change = {.table = STORE_CAMPAIGN,
				      .kind = STORE_PUT};
	struct buf value = {.cap = 100};

	open_one();
	buf_put_u8(&value, 1); /* version */
	buf_put_u32(&value, 9);
	buf_put_u8(&value, CAMPAIGN_CANCELED);
	buf_put_u8(&value, false);
	buf_put_u32(&value, 0); /* rate, connections */
	buf_put_u32(&value, 0);
	buf_put_u64(&value, (uint64_t)NOW); /* ended */
	buf_put_bytes(&value, SLICE_LIT("by root"));
	change.value = buf_slice(&value);
	change.key = slice_of(where, campaign_key_encode(&key, where));
	kit_commit(&change, 1);
	kit_restart(&conf);
	ck_assert_int_eq((int)kit_view(1, NOW).state, CAMPAIGN_CANCELED);
	is_told(true, "of before");
	kit_order(1, CAMPAIGN_PAUSED, NOW);
	kit_order(1, CAMPAIGN_CANCELED, NOW);
	is_told(false, "canceled by this one");
	buf_fini(&value);
	kit_close();
}
END_TEST

START_TEST(of_none)
{
	uint32_t order;

	kit_open(&conf);
	ck_assert_int_eq(campaign_told_changes(all, 9, arena, report, &order),
			 GW_ENOENT);
	campaign_told(all, 9, 3);
	ck_assert(campaign_is_told(all, 9));
	kit_close();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("told");
	TCase *t = tcase_create("told");
	SRunner *r;
	int failed;

	tcase_add_test(t, each_state_once);
	tcase_add_test(t, terms_alone);
	tcase_add_test(t, overtaken);
	tcase_add_test(t, by_a_rule);
	tcase_add_test(t, the_rest);
	tcase_add_test(t, of_before);
	tcase_add_test(t, of_none);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
