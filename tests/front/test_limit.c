#include "tests/front/world.h"

/* What front does with the limiter's answers: who is charged in the end. */

#define LETTER "Subject: x\r\n\r\nhello\r\n"
#define STAMPED                                     \
	"Date: Sat, 21 Nov 2026 12:00:00 +0100\r\n" \
	"Message-ID: <1@example.com>\r\n\r\nhello\r\n"

static struct client client;

static void
open_with(const struct limit_rate *rate, enum limit_action over)
{
	const struct limit_conf person = {
	    .name = "person",
	    .per = LIMIT_CRED,
	    .bits4 = 32,
	    .bits6 = 64,
	    .rates = rate,
	    .rate_count = 1,
	    .over = over,
	    .then = LIMIT_DEFER,
	    .pace_percent = over == LIMIT_PACE ? 200 : 0,
	};
	const struct limits_conf limits = {.limits = &person, .limit_count = 1};

	world_open(&(struct world_conf){.limits = &limits});
	client_login(&client, "alice");
}

static void
close_all(void)
{
	close(client.fd);
	world_close();
}

static const struct limit_rate hour = {LIMIT_RECIPIENTS, 2, 3600000, 0};

/* What the store does not accept is charged to nobody. */
START_TEST(only_what_is_accepted)
{
	open_with(&hour, LIMIT_REJECT);
	for (int i = 0; i < 3; i++) {
		world.veto = true;
		client_mail(&client, "a@example.com", LETTER, "550");
		world.veto = false;
	}
	client_mail(&client, "a@example.com", STAMPED, "250 2.0.0 Accepted");
	for (int i = 0; i < 3; i++)
		client_mail(&client, "a@example.com", STAMPED,
			    "250 2.0.0 Already");
	client_mail(&client, "a@example.com", LETTER, "250");
	client_say(&client, "MAIL FROM:<a@example.com>", "250");
	client_say(&client, "RCPT TO:<r@example.net>",
		   "550 5.7.1 Sending limit of 2 recipients per hour reached");
	world_accepts(&world, 2);
	close_all();
}
END_TEST

/* The client goes while the store works: the commit has the reservation. */
START_TEST(gone_before_the_answer)
{
	open_with(&hour, LIMIT_REJECT);
	for (int i = 0; i < 2; i++) {
		client_say(&client, "MAIL FROM:<a@example.com>", "250");
		client_say(&client, "RCPT TO:<r@example.net>", "250");
		client_say(&client, "DATA", "354");
		client_send(&client, LETTER ".\r\n");
		close(client.fd);
		while (world.accepted <= i)
			usleep(1000);
		client_login(&client, "alice");
	}
	client_say(&client, "MAIL FROM:<a@example.com>", "250");
	client_say(&client, "RCPT TO:<r@example.net>", "550");
	close_all();
}
END_TEST

static const struct {
	const char *label;
	enum limit_action over;
	const char *reply; /* behind "Accepted as ID" */
	int held, lane;
	size_t field; /* of front_status */
} soft_rows[] = {
    {"pace", LIMIT_PACE, ", will be sent by ", 0, LANE_PERSONAL,
     offsetof(struct front_status, limit_paced)},
    {"hold", LIMIT_HOLD, ", held for review [", 3, LANE_PERSONAL,
     offsetof(struct front_status, limit_held)},
    {"bulk", LIMIT_BULK, ", will be sent with the bulk mail [", 0, LANE_BULK,
     offsetof(struct front_status, limit_bulk)},
};

START_TEST(over_but_accepted)
{
	const char *label = soft_rows[_i].label, *text, *ref;
	struct front_status status;
	struct decision decision;
	uint64_t id, count;

	open_with(&hour, soft_rows[_i].over);
	client_say(&client, "MAIL FROM:<a@example.com>", "250");
	client_say(&client, "RCPT TO:<1@example.net>", "250");
	client_say(&client, "RCPT TO:<2@example.net>", "250");
	client_say(&client, "RCPT TO:<3@example.net>", "250");
	client_say(&client, "DATA", "354");
	text = client_say(&client, LETTER ".", "250 2.0.0 Accepted as ");
	ck_assert_msg(strstr(text, soft_rows[_i].reply) != NULL, "%s: %s",
		      label, text);
	ref = strchr(text, '[') + 1;
	ck_assert_int_eq(id_parse(slice_of(ref, ID_TEXT_SIZE - 1), &id), 0);
	ck_assert(decisions_get(world.decisions, id, &decision));
	ck_assert_int_eq(decision.hit.action, soft_rows[_i].over);
	world_accepts(&world, 1);
	ck_assert_int_eq(world.held, soft_rows[_i].held);
	ck_assert_int_eq(world.lane, soft_rows[_i].lane);
	front_status_get(world.front, &status);
	memcpy(&count, (const char *)&status + soft_rows[_i].field,
	       sizeof(count));
	ck_assert_msg(count == 1, "%s", label);
	close_all();
}
END_TEST

/* Each later than the one before, and at a stop all at once. */
START_TEST(refusals_take_longer)
{
	int64_t began_ms;

	open_with(&hour, LIMIT_DEFER);
	client_say(&client, "MAIL FROM:<a@example.com>", "250");
	client_say(&client, "RCPT TO:<1@example.net>", "250");
	client_say(&client, "RCPT TO:<2@example.net>", "250");
	began_ms = clock_mono_ms();
	for (int i = 0; i < 40; i++)
		client_send(&client, "RCPT TO:<3@example.net>\r\n");
	client_next(&client,
		    "450 4.7.1 Sending limit reached (2 recipients "
		    "per hour). Try again after ",
		    "first");
	client_next(&client, "450", "second");
	client_next(&client, "450", "third");
	ck_assert_int_ge(clock_mono_ms() - began_ms, 290);
	/* the rest would take minutes */
	front_stop(&world.front, 0);
	for (int i = 3; i < 40; i++)
		client_next(&client, "450", "rest");
	client_next(&client, "421 4.3.2", "stop");
	ck_assert_int_lt(clock_mono_ms() - began_ms, 20000);
	close_all();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("front/limit");
	TCase *tc = tcase_create("limit");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, only_what_is_accepted);
	tcase_add_test(tc, gone_before_the_answer);
	tcase_add_loop_test(tc, over_but_accepted, 0, 3);
	tcase_add_test(tc, refusals_take_longer);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
