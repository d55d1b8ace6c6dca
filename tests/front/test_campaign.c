#include "tests/front/world.h"

/* Which messages become part of a campaign, and what their clients hear. */

static struct client client;

#define TEXT                                                                \
	"we are glad to send you the annual report of the company, which "  \
	"tells what was built and sold in the year behind us, and what is " \
	"planned for the next one.\r\n"

static const struct campaigns_conf three = {
    .recipients = 3, .same = 3, .headers = true, .rate_per_h = 60};

static void
open_with(const struct world_conf *conf, const char *name)
{
	world_open(conf);
	client_login(&client, name);
}

static void
close_all(void)
{
	close(client.fd);
	world_close();
}

/* To so many. */
static const char *
mail(const char *field, const char *greeting, int recipients)
{
	char line[200];

	client_say(&client, "MAIL FROM:<a@example.com>", "250");
	for (int i = 0; i < recipients; i++) {
		snprintf(line, sizeof(line), "RCPT TO:<r%d@example.net>", i);
		client_say(&client, line, "250");
	}
	client_say(&client, "DATA", "354");
	client_send(&client, "Subject: Report\r\n");
	client_send(&client, field);
	client_send(&client, "\r\n");
	client_send(&client, greeting);
	client_send(&client, TEXT);
	return client_say(&client, ".", "250 2.0.0 ");
}

static void
check(const char *got, const char *want, const char *label)
{
	ck_assert_msg(strncmp(got, want, strlen(want)) == 0,
		      "%s: got '%s', wanted '%s'", label, got, want);
}

/* What the store has of campaign 1, as a restart would find it. */
static struct campaign_view
stored(void)
{
	struct campaigns *again = campaigns_create();
	struct campaign_view view = {0};

	ck_assert_int_eq(campaigns_load(again, spool_store(world.spool)), 0);
	ck_assert_int_eq(campaign_get(again, 1, clock_wall_s(), &view), 0);
	campaigns_destroy(&again);
	return view;
}

static const struct row {
	const char *label;
	const char *login;
	const char *field;
	int recipients;
	bool listener, campaigns;
	const char *want;
	enum campaign_why why;
	int lane;
} rows[] = {
    {"personal mail", "alice", "", 3, false, true, "250 2.0.0 Accepted as",
     CAMPAIGN_WHY_NONE, LANE_PERSONAL},
    {"many recipients", "alice", "", 4, false, true,
     "250 2.0.0 Queued as campaign C1, 4 recipients, finishes about ",
     CAMPAIGN_WHY_RECIPIENTS, LANE_BULK},
    {"a List- field", "alice", "List-Id: <x.example.com>\r\n", 1, false, true,
     "250 2.0.0 Queued as campaign C1, 1 recipient, finishes about ",
     CAMPAIGN_WHY_HEADER, LANE_BULK},
    {"Precedence", "alice", "Precedence: bulk\r\n", 1, false, true,
     "250 2.0.0 Queued as campaign C1, 1 ", CAMPAIGN_WHY_HEADER, LANE_BULK},
    {"a precedence that says nothing", "alice", "Precedence: normal\r\n", 1,
     false, true, "250 2.0.0 Accepted as", CAMPAIGN_WHY_NONE, LANE_PERSONAL},
    {"the class, which wants it confirmed", "mia", "", 1, false, true,
     "250 2.0.0 Queued as campaign C1, 1 recipient, waits for confirmation",
     CAMPAIGN_WHY_CLASS, LANE_BULK},
    {"the login's suffix", "alice+bulk", "", 1, false, true,
     "250 2.0.0 Queued as campaign C1, 1 ", CAMPAIGN_WHY_CHOSEN, LANE_BULK},
    {"the listener", "alice", "", 1, true, true,
     "250 2.0.0 Queued as campaign C1, 1 ", CAMPAIGN_WHY_CHOSEN, LANE_BULK},
    {"no bulk block", "alice", "List-Id: <x.example.com>\r\n", 9, true, false,
     "250 2.0.0 Accepted as", CAMPAIGN_WHY_NONE, LANE_PERSONAL},
};

START_TEST(what_becomes_one)
{
	const struct row *row = &rows[_i];
	struct campaign_view view;

	world_open(&(struct world_conf){
	    .bulk = row->campaigns ? &three : NULL,
	    .suffix = "bulk",
	    .listener_bulk = row->listener,
	});
	client_open(&client);
	client_say(&client,
		   client_auth(row->login, strstr(row->login, "+") != NULL
					       ? "alice"
					       : row->login),
		   "235");
	check(mail(row->field, "", row->recipients), row->want, row->label);
	world_accepts(&world, 1);
	ck_assert_msg(world.lane == row->lane, "%s", row->label);
	ck_assert_uint_eq(world.campaign, row->lane == LANE_BULK);
	if (row->lane == LANE_BULK) {
		ck_assert_int_eq(
		    campaign_get(world.campaigns, 1, clock_wall_s(), &view), 0);
		ck_assert_int_eq((int)view.why, (int)row->why);
		ck_assert_str_eq(view.name, "Report");
		ck_assert_str_eq(view.cred,
				 row->login[0] == 'm' ? "mia" : "alice");
		ck_assert_int_eq((int)stored().state, (int)view.state);
		ck_assert_int_eq(
		    memcmp(stored().counts, view.counts, sizeof(view.counts)),
		    0);
	}
	close_all();
}
END_TEST

/* One by one, each with a salutation of its own. */
START_TEST(the_same_body_to_many)
{
	char greeting[64];
	uint64_t ids[8], first;
	const char *got;

	open_with(&(struct world_conf){.bulk = &three}, "alice");
	for (int i = 0; i < 6; i++) {
		snprintf(greeting, sizeof(greeting),
			 "Dear Mr Name%c of the %dth floor,\r\n\r\n", 'A' + i,
			 i);
		got = mail("", greeting, 1);
		if (i < 3)
			check(got, "250 2.0.0 Accepted as", greeting);
		else
			check(got,
			      i == 3 ? "250 2.0.0 Queued as campaign C1, 4 rec"
			      : i == 4
				  ? "250 2.0.0 Queued as campaign C1, 5 rec"
				  : "250 2.0.0 Queued as campaign C1, 6 rec",
			      greeting);
		world_accepts(&world, i + 1);
		if (i == 0)
			first = world.id;
	}
	ck_assert_uint_eq(campaign_take_adopted(world.campaigns, 1, ids, 8), 3);
	ck_assert_uint_eq(ids[0], first);
	ck_assert_uint_eq(campaign_take_adopted(world.campaigns, 1, ids, 8), 0);
	close_all();
}
END_TEST

/* What the store does not take is not counted: not as a campaign, nor towards
 * one. */
START_TEST(only_what_is_accepted)
{
	struct campaigns_status status;

	open_with(&(struct world_conf){.bulk = &three}, "alice");
	world.veto = true;
	for (int i = 0; i < 6; i++)
		client_mail(&client, "a@example.com", "Subject: x\r\n\r\n" TEXT,
			    "550");
	client_mail(&client, "a@example.com",
		    "Subject: x\r\nList-Id: <l>\r\n\r\n" TEXT, "550");
	world.veto = false;
	campaigns_status_get(world.campaigns, &status);
	for (int i = 0; i < CAMPAIGN_STATES; i++)
		ck_assert_uint_eq(status.by_state[i], 0);
	for (int i = 0; i < 3; i++)
		client_mail(&client, "a@example.com", "Subject: x\r\n\r\n" TEXT,
			    "250 2.0.0 Accepted");
	/* a number that was told nobody */
	client_mail(&client, "a@example.com", "Subject: x\r\n\r\n" TEXT,
		    "250 2.0.0 Queued as campaign C2, 4 recipients");
	world_accepts(&world, 4);
	close_all();
}
END_TEST

/* The same bytes again are a resubmission, and no further recipient. */
START_TEST(a_duplicate_is_not_counted)
{
	static const char *const stamped =
	    "Date: Sat, 21 Nov 2026 12:00:00 +0100\r\n"
	    "Message-ID: <1@example.com>\r\nList-Id: <l>\r\n\r\n" TEXT;
	struct campaign_view view;

	open_with(&(struct world_conf){.bulk = &three}, "alice");
	client_mail(&client, "a@example.com", stamped, "250 2.0.0 Queued as");
	client_mail(&client, "a@example.com", stamped, "250 2.0.0 Already");
	ck_assert_int_eq(campaign_get(world.campaigns, 1, 0, &view), 0);
	ck_assert_uint_eq(view.counts[CAMPAIGN_MESSAGES], 1);
	ck_assert_uint_eq(view.counts[CAMPAIGN_RECIPIENTS], 1);
	world_accepts(&world, 1);
	close_all();
}
END_TEST

/* A client that goes in the middle leaves nothing counted. */
START_TEST(gone_before_the_dot)
{
	struct campaigns_status status;

	open_with(&(struct world_conf){.bulk = &three}, "alice");
	client_say(&client, "MAIL FROM:<a@example.com>", "250");
	client_say(&client, "RCPT TO:<r@example.net>", "250");
	client_say(&client, "DATA", "354");
	client_send(&client, "List-Id: <l>\r\n\r\nhalf");
	close(client.fd);
	client_login(&client, "alice");
	campaigns_status_get(world.campaigns, &status);
	ck_assert_uint_eq(status.by_state[CAMPAIGN_RUNNING], 0);
	close_all();
}
END_TEST

/* A limit that sends to bulk sends to a campaign. */
START_TEST(over_bulk)
{
	const struct limit_rate hour = {LIMIT_RECIPIENTS, 1, 3600000, 0};
	const struct limit_conf person = {
	    .name = "person",
	    .per = LIMIT_CRED,
	    .bits4 = 32,
	    .bits6 = 64,
	    .rates = &hour,
	    .rate_count = 1,
	    .over = LIMIT_BULK,
	    .then = LIMIT_DEFER,
	};
	const struct limits_conf limits = {.limits = &person, .limit_count = 1};
	struct campaign_view view;

	open_with(&(struct world_conf){.limits = &limits, .bulk = &three},
		  "alice");
	check(mail("", "", 1), "250 2.0.0 Accepted as", "first");
	check(mail("", "", 2), "250 2.0.0 Queued as campaign C1, 3 rec",
	      "second");
	ck_assert_int_eq(campaign_get(world.campaigns, 1, 0, &view), 0);
	ck_assert_int_eq((int)view.why, CAMPAIGN_WHY_LIMIT);
	/* with the limit's own changes in one commit */
	ck_assert_uint_eq(stored().counts[CAMPAIGN_RECIPIENTS], 2);
	world_accepts(&world, 2);
	close_all();
}
END_TEST

/* What a campaign's state makes of the reply. */
START_TEST(paused_says_so)
{
	struct arena *arena = arena_create(256);
	struct store_change change;
	const struct campaign_order order = {.id = 1,
					     .state = CAMPAIGN_PAUSED,
					     .rate_per_h = -1,
					     .connections = -1};

	open_with(&(struct world_conf){.bulk = &three}, "alice");
	mail("", "", 4);
	ck_assert_int_eq(campaign_order(world.campaigns, &order, clock_wall_s(),
					arena, &change),
			 0);
	check(mail("", "", 1),
	      "250 2.0.0 Queued as campaign C1, 5 recipients, which is paused",
	      "paused");
	world_accepts(&world, 2);
	arena_destroy(&arena);
	close_all();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("front/campaign");
	TCase *tc = tcase_create("campaign");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, what_becomes_one, 0,
			    sizeof(rows) / sizeof(rows[0]));
	tcase_add_test(tc, the_same_body_to_many);
	tcase_add_test(tc, only_what_is_accepted);
	tcase_add_test(tc, a_duplicate_is_not_counted);
	tcase_add_test(tc, gone_before_the_dot);
	tcase_add_test(tc, over_bulk);
	tcase_add_test(tc, paused_says_so);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
