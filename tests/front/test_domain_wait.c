/* Commands that wait for a domain, and what happens meanwhile. */
#include "tests/front/domain.h"

/* --- waiting ----------------------------------------------------------------
 */

START_TEST(in_the_order_of_the_commands)
{
	open_with(&patient);
	client_say(&client, MAIL, "250");
	rcpt("first@good.lab", OK); /* known from here on */
	client_send(&client, "RCPT TO:<1@good.held.lab>\r\n"
			     "RCPT TO:<2@good.lab>\r\n"
			     "RCPT TO:<3@dead.held.lab>\r\n"
			     "RCPT TO:<4@good2.held.lab> NOTIFY=NEVER\r\n"
			     "RCPT TO:<5@nowhere.lab>\r\n"
			     "RCPT TO:<1@good.held.lab>\r\n"
			     "DATA\r\n");
	/* all of them at once */
	names_wait(names, "good.held.lab");
	names_wait(names, "dead.held.lab");
	names_wait(names, "good2.held.lab");
	names_wait(names, "nowhere.lab");
	not_answered(&client);
	names_release(names);
	client_next(&client, OK, "1");
	client_next(&client, OK, "2");
	client_next(&client, "550 5.1.2 Domain dead.held.lab", "3");
	client_next(&client, OK, "4");
	client_next(&client, "550 5.1.2 Domain nowhere.lab", "5");
	client_next(&client, OK, "1 again");
	client_next(&client, "354", "DATA");
	client_say(&client, LETTER ".", "250");
	world_accepts(&world, 1);
	ck_assert_str_eq(world.recipients, "first@good.lab fine\n"
					   "1@good.held.lab fine\n"
					   "2@good.lab fine\n"
					   "4@good2.held.lab fine\n");
	ck_assert_uint_eq(names_count(names, "good.held.lab"), 1);
	ck_assert(status().rcpt_wait_p99_ms > 0);
	close_all();
}
END_TEST

/* Decided without the answer to its question, which comes a moment later: a
 * repeated one right behind the first shares its look-up. */
START_TEST(decided_before_its_own_answer)
{
	open_with(&patient);
	client_say(&client, MAIL, "250");
	client_send(&client, "RCPT TO:<1@good.held.lab>\r\n"
			     "RCPT TO:<1@good.held.lab>\r\n"
			     "RCPT TO:<1@good.held.lab>\r\n"
			     "RCPT TO:<2@a.held.lab>\r\n");
	names_wait(names, "a.held.lab");
	names_release(names);
	client_next(&client, OK, "1");
	client_next(&client, OK, "1 again");
	client_next(&client, OK, "1 a third time");
	client_next(&client, "550 5.1.2", "2");
	letter("250");
	world_accepts(&world, 1);
	ck_assert_str_eq(world.recipients, "1@good.held.lab fine\n");
	close_all();
}
END_TEST

/* Sixty-four wait, the rest in the client's pipe. */
START_TEST(more_than_the_engine_asks_at_once)
{
	char line[64];

	open_with(&patient);
	client_say(&client, MAIL, "250");
	for (int i = 0; i < 90; i++) {
		snprintf(line, sizeof(line), "RCPT TO:<%d@%s.held.lab>\r\n", i,
			 i % 3 == 0   ? "good"
			 : i % 3 == 1 ? "good2"
				      : "dead");
		client_send(&client, line);
	}
	names_wait(names, "good2.held.lab");
	names_release(names);
	for (int i = 0; i < 90; i++)
		client_next(&client,
			    i % 3 != 2 ? OK
			    : i < 20   ? "550"
				       : OK /* into the report */,
			    "one of many");
	letter("250");
	world_accepts(&world, 1);
	ck_assert_uint_eq(status().domain_dropped, 24);
	close_all();
}
END_TEST

/* Who comes first is charged first, whatever is known first. */
START_TEST(charged_in_order)
{
	static const struct limit_rate two = {LIMIT_RECIPIENTS, 2, 3600000, 0};
	struct setting setting = patient;

	setting.rate = &two;
	open_with(&setting);
	client_say(&client, MAIL, "250");
	client_send(&client, "RCPT TO:<0@dead.held.lab>\r\n"
			     "RCPT TO:<1@good.held.lab>\r\n"
			     "RCPT TO:<2@good2.held.lab>\r\n"
			     "RCPT TO:<3@good.lab>\r\n");
	names_wait(names, "good.lab");
	names_release(names);
	client_next(&client, "550 5.1.2", "0");
	client_next(&client, OK, "1");
	client_next(&client, OK, "2");
	client_next(&client, "550 5.7.1 Sending limit of 2 recipients", "3");
	close_all();
}
END_TEST

START_TEST(one_after_the_other)
{
	int64_t began_ms;

	open_with(&(struct setting){.wait_ms = 300, .wait_message_ms = 750});
	client_say(&client, MAIL, "250");
	began_ms = clock_mono_ms();
	rcpt("1@a.held.lab", UNVERIFIED);
	ck_assert_int_ge(clock_mono_ms() - began_ms, 290);
	rcpt("2@b.held.lab", UNVERIFIED);
	ck_assert_int_ge(clock_mono_ms() - began_ms, 570);
	/* what is left of the message's time */
	rcpt("3@c.held.lab", UNVERIFIED);
	ck_assert_int_ge(clock_mono_ms() - began_ms, 700);
	/* (a millisecond may be, when a timer was early) */
	rcpt("4@c2.held.lab", UNVERIFIED);
	/* and no more: not even a question */
	rcpt("4@d.held.lab", UNVERIFIED);
	ck_assert_uint_eq(names_count(names, "c.held.lab") > 0, 1);
	ck_assert_uint_eq(names_count(names, "d.held.lab"), 0);
	/* what is known costs no time */
	client_say(&client, "RSET", "250");
	client_say(&client, MAIL, "250");
	/* another message, another time */
	began_ms = clock_mono_ms();
	rcpt("5@e.held.lab", UNVERIFIED);
	ck_assert_int_ge(clock_mono_ms() - began_ms, 290);
	letter("250");
	world_accepts(&world, 1);
	ck_assert_str_eq(world.recipients, "5@e.held.lab undecided\n");
	ck_assert_uint_eq(status().domain_unverified, 6);
	close_all();
}
END_TEST

/* They wait side by side: 40 of them no longer than one. */
START_TEST(side_by_side)
{
	int64_t began_ms;
	char line[64];

	open_with(&(struct setting){.wait_ms = 400, .wait_message_ms = 700});
	client_say(&client, MAIL, "250");
	began_ms = clock_mono_ms();
	for (int i = 0; i < 40; i++) {
		snprintf(line, sizeof(line), "RCPT TO:<r@%d.held.lab>\r\n", i);
		client_send(&client, line);
	}
	for (int i = 0; i < 40; i++)
		client_next(&client, UNVERIFIED, "one of forty");
	ck_assert_int_ge(clock_mono_ms() - began_ms, 390);
	ck_assert_int_lt(clock_mono_ms() - began_ms, 10000);
	close_all();
}
END_TEST

/* The session's clock does not run while we make it wait. */
START_TEST(longer_than_the_idle_time)
{
	open_with(&(struct setting){
	    .wait_ms = 900, .wait_message_ms = 900, .idle_ms = 300});
	client_say(&client, MAIL, "250");
	rcpt("1@a.held.lab", UNVERIFIED);
	letter("250");
	client_next(&client, "421 4.4.2", "idle again");
	close_all();
}
END_TEST

START_TEST(others_do_not_wait)
{
	struct client other;

	open_with(&patient);
	client_say(&client, MAIL, "250");
	client_send(&client, "RCPT TO:<1@good.held.lab>\r\n");
	names_wait(names, "good.held.lab");
	client_login(&other, "bob");
	for (int i = 0; i < 20; i++) {
		client_say(&other, "MAIL FROM:<bob@example.com>", "250");
		client_say(&other, "RCPT TO:<r@good.lab>", OK);
		client_say(&other, "DATA", "354");
		client_send(&other, LETTER);
		client_say(&other, ".", "250");
	}
	not_answered(&client);
	world_accepts(&world, 20);
	names_release(names);
	client_next(&client, OK, "the one that waited");
	close(other.fd);
	close_all();
}
END_TEST

/* --- what happens meanwhile --------------------------------------------------
 */

START_TEST(reset_behind_it)
{
	open_with(&patient);
	client_say(&client, MAIL, "250");
	client_send(&client, "RCPT TO:<1@good.held.lab>\r\nRSET\r\n" MAIL
			     "\r\nRCPT TO:<2@good2.held.lab>\r\nDATA\r\n");
	names_wait(names, "good.held.lab");
	not_answered(&client);
	names_release(names);
	client_next(&client, OK, "1");
	client_next(&client, "250 2.0.0", "RSET");
	client_next(&client, "250 2.1.0", "MAIL");
	client_next(&client, OK, "2");
	client_next(&client, "354", "DATA");
	client_say(&client, LETTER ".", "250");
	world_accepts(&world, 1);
	ck_assert_str_eq(world.recipients, "2@good2.held.lab fine\n");
	close_all();
}
END_TEST

static const struct {
	const char *label, *said;
} gone_rows[] = {
    {"at MAIL", "MAIL FROM:<a@good.held.lab>\r\n"},
    {"at RCPT", MAIL "\r\nRCPT TO:<1@good.held.lab>\r\n"},
    {"at one of many", MAIL "\r\nRCPT TO:<0@good.lab>\r\n"
			    "RCPT TO:<1@good.held.lab>\r\n"
			    "RCPT TO:<2@good2.held.lab>\r\n"
			    "RCPT TO:<3@nowhere.lab>\r\nDATA\r\n"},
};

enum { GONE_ROWS = sizeof(gone_rows) / sizeof(gone_rows[0]) };

START_TEST(the_client_goes)
{
	static const struct limit_rate one = {LIMIT_RECIPIENTS, 1, 3600000, 0};
	struct setting setting = patient;

	setting.rate = &one;
	open_with(&setting);
	client_send(&client, gone_rows[_i].said);
	names_wait(names, "good.held.lab");
	close(client.fd);
	while (status().sessions > 0)
		usleep(1000);
	names_release(names);
	/* and has been charged for nothing */
	client_login(&client, "alice");
	client_say(&client, MAIL, "250");
	rcpt("1@good.lab", OK);
	letter("250");
	world_accepts(&world, 1);
	close_all();
}
END_TEST

/* The last word is the answer to what waits. */
START_TEST(the_front_stops)
{
	open_with(&patient);
	client_send(&client, gone_rows[_i].said);
	names_wait(names, "good.held.lab");
	front_stop(&world.front, 0);
	if (_i > 0)
		client_next(&client, "250 2.1.0", "MAIL");
	if (_i > 1)
		client_next(&client, OK, "0");
	client_next(&client, "421 4.3.2", gone_rows[_i].label);
	client_closed(&client);
	client_connect(&client, 1); /* for close_all */
	close_all();
}
END_TEST

static void
block(enum block_kind kind, const char *value)
{
	struct block b = {.id = id_next(),
			  .kind = kind,
			  .value = value,
			  .author = "test",
			  .reason = "",
			  .made_wall_s = clock_wall_s()};
	struct buf error;
	uint64_t id;

	buf_init(&error, 1000);
	ck_assert_int_eq(blocklist_add(world.blocklist, &b, &id, &error), 0);
	buf_fini(&error);
}

START_TEST(the_domain_is_blocked)
{
	open_with(&patient);
	client_say(&client, MAIL, "250");
	client_send(&client, "RCPT TO:<1@good.held.lab>\r\n"
			     "RCPT TO:<2@good2.held.lab>\r\n");
	names_wait(names, "good2.held.lab");
	block(BLOCK_DOMAIN, "good.held.lab");
	names_release(names);
	client_next(&client, "550 5.7.1 Mail to good.held.lab is not permitted",
		    "blocked meanwhile");
	client_next(&client, OK, "the other");
	ck_assert_uint_eq(status().domain_refused, 0);
	close_all();
}
END_TEST

/* Blocked with its own answer still to come. */
START_TEST(the_domain_of_two_is_blocked)
{
	open_with(&patient);
	client_say(&client, MAIL, "250");
	client_send(&client, "RCPT TO:<1@good.held.lab>\r\n"
			     "RCPT TO:<2@good.held.lab>\r\n"
			     "RCPT TO:<3@good2.held.lab>\r\n");
	names_wait(names, "good2.held.lab");
	block(BLOCK_DOMAIN, "good.held.lab");
	names_release(names);
	client_next(&client, "550 5.7.1 Mail to good.held.lab", "first");
	client_next(&client, "550 5.7.1 Mail to good.held.lab", "second");
	client_next(&client, OK, "the other");
	close_all();
}
END_TEST

START_TEST(the_sender_is_blocked)
{
	open_with(&patient);
	client_send(&client, "MAIL FROM:<a@good.held.lab>\r\n");
	names_wait(names, "good.held.lab");
	block(BLOCK_FROM, "a@good.held.lab");
	names_release(names);
	client_next(&client, "550 5.7.1 Mail from a@good.held.lab is not",
		    "blocked meanwhile");
	client_say(&client, MAIL, "250");
	close_all();
}
END_TEST

static const struct {
	const char *label, *said, *early;
} login_rows[] = {
    {"at MAIL", "MAIL FROM:<a@good.held.lab>\r\n", NULL},
    {"at RCPT", MAIL "\r\nRCPT TO:<1@good.held.lab>\r\n", "250 2.1.0"},
    {"and others behind it",
     MAIL "\r\nRCPT TO:<1@good.held.lab>\r\nRCPT TO:<2@good2.held.lab>\r\n"
	  "RCPT TO:<3@good3.held.lab>\r\nRCPT TO:<4@good.lab>\r\n",
     "250 2.1.0"},
};

enum { LOGIN_ROWS = sizeof(login_rows) / sizeof(login_rows[0]) };

START_TEST(the_login_is_blocked)
{
	open_with(&patient);
	client_send(&client, login_rows[_i].said);
	names_wait(names, "good.held.lab");
	if (_i == 2) /* all of them have been read */
		names_wait(names, "good3.held.lab");
	block(BLOCK_CRED, "alice");
	names_release(names);
	if (login_rows[_i].early != NULL)
		client_next(&client, login_rows[_i].early,
			    login_rows[_i].label);
	client_next(&client, "550 5.7.1 Sending is disabled",
		    login_rows[_i].label);
	client_next(&client, "421 4.7.0 Closing", login_rows[_i].label);
	client_closed(&client);
	ck_assert_int_eq(world.accepted, 0);
	client_connect(&client, 1); /* for close_all */
	close_all();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("front/domain_wait");
	TCase *tc = tcase_create("domain_wait");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, in_the_order_of_the_commands);
	tcase_add_test(tc, decided_before_its_own_answer);
	tcase_add_test(tc, more_than_the_engine_asks_at_once);
	tcase_add_test(tc, charged_in_order);
	tcase_add_test(tc, one_after_the_other);
	tcase_add_test(tc, side_by_side);
	tcase_add_test(tc, longer_than_the_idle_time);
	tcase_add_test(tc, others_do_not_wait);
	tcase_add_test(tc, reset_behind_it);
	tcase_add_loop_test(tc, the_client_goes, 0, GONE_ROWS);
	tcase_add_loop_test(tc, the_front_stops, 0, GONE_ROWS);
	tcase_add_test(tc, the_domain_is_blocked);
	tcase_add_test(tc, the_domain_of_two_is_blocked);
	tcase_add_test(tc, the_sender_is_blocked);
	tcase_add_loop_test(tc, the_login_is_blocked, 0, LOGIN_ROWS);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
