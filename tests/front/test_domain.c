/* What becomes of recipients and senders, by their domains. */
#include "tests/front/domain.h"

/* --- what a verdict becomes -----------------------------------------------
 */

static const struct {
	const char *label, *address, *reply;
} verdict_rows[] = {
    {"MX", "r@good.lab", OK},
    {"the same again, out of the cache", "s@good.lab", OK},
    {"no MX but an address", "r@only-a.lab", OK},
    {"no such name", "r@nowhere.lab", "550 5.1.2 Domain nowhere.lab does not"},
    {"the same in capitals", "r@NOWHERE.LAB", "550 5.1.2 Domain nowhere.lab"},
    {"a typo of everybody's", "r@gmial.com",
     "550 5.1.2 Domain gmial.com does not exist; did you mean gmail.com?"},
    {"no record to deliver to", "r@nothing.lab", "550 5.1.2 Domain"},
    {"null MX", "r@null.lab", "556 5.1.10 Domain null.lab does not accept"},
    {"a reserved name", "r@printer.local", "550 5.1.2 printer.local is a"},
    {"a reserved name that is ours", "r@ours.test", OK},
    {"below one that is ours", "r@a.sub.test", OK},
    {"MX with a private address", "r@inside.lab", "550 5.4.4 Domain"},
    {"SERVFAIL", "r@fails.lab", UNVERIFIED},
    {"no domain name", "r@a..b", "501 5.1.3"},
    {"an address without brackets", "r@203.0.114.9", "550 5.1.2"},
    {"a literal", "r@[203.0.114.9]", OK},
    {"a literal of inside", "r@[127.0.0.1]", "550 5.4.4"},
    {"without a domain", "postmaster", OK},
};

enum { VERDICT_ROWS = sizeof(verdict_rows) / sizeof(verdict_rows[0]) };

START_TEST(what_a_verdict_becomes)
{
	char line[300];

	open_with(&(struct setting){0});
	client_say(&client, MAIL, "250");
	for (int i = 0; i < VERDICT_ROWS; i++) {
		snprintf(line, sizeof(line), "RCPT TO:<%s>\r\n",
			 verdict_rows[i].address);
		client_send(&client, line);
		client_next(&client, verdict_rows[i].reply,
			    verdict_rows[i].label);
	}
	letter("250");
	world_accepts(&world, 1);
	ck_assert_str_eq(world.recipients, "r@good.lab fine\n"
					   "s@good.lab fine\n"
					   "r@only-a.lab fine\n"
					   "r@ours.test fine\n"
					   "r@a.sub.test fine\n"
					   "r@fails.lab undecided\n"
					   "r@[203.0.114.9] fine\n"
					   "postmaster fine\n");
	ck_assert_uint_eq(names_count(names, "good.lab"), 1);
	ck_assert_uint_eq(names_count(names, "nowhere.lab"), 1);
	ck_assert_uint_eq(names_count(names, "ours.test"), 0);
	ck_assert_uint_eq(names_count(names, "printer.local"), 0);
	ck_assert_uint_eq(status().domain_refused, 9);
	ck_assert_uint_eq(status().domain_unverified, 1);
	ck_assert_uint_eq(status().recipients_refused, 10);
	close_all();
}
END_TEST

START_TEST(a_name_in_another_script)
{
	open_with(&(struct setting){0});
	client_say(&client, "MAIL FROM:<a@good.lab> SMTPUTF8", "250");
	rcpt("r@m\xc3\xbcller.lab", OK);
	rcpt("r@M\xc3\x9cLLER.LAB", OK);
	rcpt("r@xn--mller-kva.lab", OK);
	ck_assert_uint_eq(names_count(names, "xn--mller-kva.lab"), 1);
	rcpt("r@m\xc3\xb6ller.lab", "550 5.1.2 Domain xn--mller-jua.lab does");
	/* a soft hyphen alone: nothing is left of it, but it is no postmaster
	 */
	rcpt("r@\xc2\xad", "550 5.1.2");
	close_all();
}
END_TEST

/* --- the sender's domain ----------------------------------------------------
 */

static const struct {
	const char *label, *from, *reply;
} sender_rows[] = {
    {"no such domain", "a@nowhere.lab",
     "550 5.1.8 Your sender address a@nowhere.lab has a domain that does not"},
    {"it takes no mail", "a@null.lab", "250 2.1.0"},
    {"nothing to deliver to", "a@nothing.lab", "250 2.1.0"},
    {"a device at home", "a@printer.local", "250 2.1.0"},
    {"ours", "a@ours.test", "250 2.1.0"},
    {"the null sender", "", "250 2.1.0"},
    {"nobody knows", "a@fails.lab", "250 2.1.0"},
    {"nobody answers", "a@silent.held.lab", "250 2.1.0"},
};

enum { SENDER_ROWS = sizeof(sender_rows) / sizeof(sender_rows[0]) };

START_TEST(senders)
{
	char line[300];

	open_with(&(struct setting){.wait_ms = 300, .wait_message_ms = 600});
	for (int i = 0; i < SENDER_ROWS; i++) {
		snprintf(line, sizeof(line), "MAIL FROM:<%s>\r\n",
			 sender_rows[i].from);
		client_send(&client, line);
		client_next(&client, sender_rows[i].reply,
			    sender_rows[i].label);
		client_say(&client, "RSET", "250");
	}
	ck_assert_uint_eq(status().sender_dead, 1);
	ck_assert_uint_eq(names_count(names, "ours.test"), 0);
	close_all();
}
END_TEST

/* What MAIL said survives the wait. */
START_TEST(a_sender_that_waited)
{
	open_with(&patient);
	client_send(&client,
		    "MAIL FROM:<a@good.held.lab> ENVID=QQ+2B1 SIZE=100\r\n"
		    "RCPT TO:<1@good2.held.lab>\r\n");
	names_wait(names, "good.held.lab");
	not_answered(&client);
	names_release(names);
	client_next(&client, "250 2.1.0", "MAIL");
	client_next(&client, OK, "RCPT");
	letter("250");
	world_accepts(&world, 1);
	ck_assert_str_eq(world.envid, "QQ+2B1");
	ck_assert_str_eq(world.recipients, "1@good2.held.lab fine\n");
	close_all();
}
END_TEST

/* MAIL's wait is of the message's time. */
START_TEST(a_sender_takes_time)
{
	int64_t began_ms;

	open_with(&(struct setting){.wait_ms = 500, .wait_message_ms = 500});
	began_ms = clock_mono_ms();
	client_say(&client, "MAIL FROM:<a@a.held.lab>", "250");
	ck_assert_int_ge(clock_mono_ms() - began_ms, 490);
	rcpt("1@b.held.lab", UNVERIFIED);
	ck_assert_uint_eq(names_count(names, "b.held.lab"), 0);
	close_all();
}
END_TEST

/* --- the dead
 * -----------------------------------------------------------------
 */

static const struct limit_rate one_hour = {LIMIT_ALL_RECIPIENTS, 2, 3600000, 0};

START_TEST(dropped_behind_the_first)
{
	open_with(&(struct setting){.refuse_first = 2, .rate = &one_hour});
	client_say(&client, MAIL, "250");
	rcpt("1@d1.lab", "550 5.1.2");
	rcpt("2@good.lab", OK);
	rcpt("3@d3.lab", OK); /* dropped */
	rcpt("4@null.lab", OK);
	rcpt("3@d3.lab", OK); /* again: once */
	rcpt("6@fails.lab", UNVERIFIED);
	rcpt("7@good.lab", "550 5.7.1"); /* the dropped ones took no place */
	letter("250");
	world_accepts(&world, 1);
	ck_assert_str_eq(world.recipients,
			 "2@good.lab fine\n"
			 "3@d3.lab dead: no such domain (NXDOMAIN)\n"
			 "4@null.lab dead: it takes no mail (null MX)\n"
			 "6@fails.lab undecided\n");
	ck_assert_uint_eq(status().domain_refused, 1);
	ck_assert_uint_eq(status().domain_dropped, 2);
	ck_assert_uint_eq(status().domain_unverified, 1);
	ck_assert_uint_eq(status().recipients_accepted, 4);
	close_all();
}
END_TEST

START_TEST(all_of_them_dropped)
{
	open_with(&(struct setting){.refuse_first = 1, .rate = &one_hour});
	for (int i = 0; i < 3; i++) { /* limited to 2: nothing is charged */
		client_say(&client, MAIL, "250");
		rcpt("0@nowhere.lab", "550 5.1.2");
		rcpt("1@nowhere.lab", OK);
		letter("250 2.0.0 Accepted");
		world_accepts(&world, i + 1);
		ck_assert_str_eq(
		    world.recipients,
		    "1@nowhere.lab dead: no such domain (NXDOMAIN)\n");
	}
	client_say(&client, MAIL, "250");
	rcpt("2@good.lab", OK);
	letter("250");
	world_accepts(&world, 4);
	close_all();
}
END_TEST

/* Nor is a message free because all its recipients are dead: each is bytes on
 * the disk and a report to the login's owner. */
START_TEST(messages_of_the_dead_count)
{
	static const struct limit_rate two = {LIMIT_MESSAGES, 2, 3600000, 0};

	open_with(&(struct setting){.refuse_first = 1, .rate = &two});
	for (int i = 0; i < 2; i++) {
		client_say(&client, MAIL, "250");
		rcpt("0@nowhere.lab", "550 5.1.2");
		rcpt("1@nowhere.lab", OK);
		rcpt("2@nowhere.lab", OK); /* once a message */
		letter("250 2.0.0 Accepted");
		world_accepts(&world, i + 1);
	}
	client_say(&client, MAIL, "250");
	rcpt("0@nowhere.lab", "550 5.1.2");
	rcpt("1@nowhere.lab", "550 5.7.1 Sending limit of 2 messages");
	client_say(&client, "DATA", "554");
	close_all();
}
END_TEST

/* The first recipient was dropped, the next is fine: one message. */
START_TEST(one_message_whoever_is_first)
{
	static const struct limit_rate one = {LIMIT_MESSAGES, 1, 3600000, 0};

	open_with(&(struct setting){.refuse_first = 1, .rate = &one});
	client_say(&client, MAIL, "250");
	rcpt("0@nowhere.lab", "550 5.1.2");
	rcpt("1@nowhere.lab", OK);
	rcpt("2@good.lab", OK);
	rcpt("3@nowhere.lab", OK);
	letter("250 2.0.0 Accepted");
	world_accepts(&world, 1);
	close_all();
}
END_TEST

/* The rest is held; the report of the dead waits for nobody. */
START_TEST(the_dead_are_not_held)
{
	open_with(&(struct setting){
	    .refuse_first = 1, .rate = &one_hour, .over = LIMIT_HOLD});
	client_say(&client, MAIL, "250");
	rcpt("0@good.lab", OK);
	rcpt("1@good.lab", OK);
	rcpt("2@nowhere.lab", OK);
	rcpt("3@good.lab", OK);
	letter("250 2.0.0 Accepted");
	world_accepts(&world, 1);
	ck_assert_int_eq(world.held, 3);
	close_all();
}
END_TEST

/* A class with its own ways: bob's refuses nobody and waits for nobody. */
START_TEST(a_class_of_its_own)
{
	open_with(&(struct setting){.wait_ms = 200, .wait_message_ms = 20000});
	close(client.fd);
	client_login(&client, "bob");
	client_say(&client, "MAIL FROM:<bob@example.com>", "250");
	rcpt("1@nowhere.lab", OK);
	rcpt("2@fails.lab",
	     "451 4.4.3 Domain fails.lab cannot be verified now");
	rcpt("3@a.held.lab", "451 4.4.3");
	rcpt("4@good.lab", OK);
	letter("250");
	world_accepts(&world, 1);
	ck_assert_str_eq(world.recipients,
			 "1@nowhere.lab dead: no such domain (NXDOMAIN)\n"
			 "4@good.lab fine\n");
	close_all();
}
END_TEST

/* A login that meets too many of them is limited for all its mail. */
START_TEST(a_fact_about_the_login)
{
	static const struct limit_rate dead = {LIMIT_DEAD_DOMAINS, 2, 600000,
					       0};
	struct top_line line;

	open_with(&(struct setting){.rate = &dead});
	client_say(&client, MAIL, "250");
	rcpt("1@d1.lab", "550 5.1.2");
	rcpt("1@d1.lab", "550 5.1.2");	  /* the same typo */
	rcpt("2@null.lab", "556 5.1.10"); /* there is such a domain */
	rcpt("3@good.lab", OK);
	rcpt("4@d2.lab", "550 5.1.2");
	rcpt("5@good.lab", "550 5.7.28 Unusual sending pattern");
	/* and still is told what is wrong with a name */
	rcpt("6@d3.lab", "550 5.1.2");
	ck_assert_uint_eq(
	    top_get(world.top, TOP_CRED, 10, clock_wall_s(), &line, 1), 1);
	ck_assert_str_eq(line.name, "alice");
	ck_assert_uint_eq(line.dead_domains, 3);
	ck_assert_uint_eq(line.refused, 6);
	close_all();
}
END_TEST

static const struct {
	const char *words; /* in one line, in this order, "*" between them */
	int lines;
} log_rows[] = {
    {"event=refuse*command=MAIL*code=550*domain=no.lab*domain-nxdomain", 1},
    {"event=refuse*command=RCPT*code=550*domain=d1.lab*domain-nxdomain", 1},
    {"event=refuse*command=RCPT*code=556*domain=null.lab*domain-null-mx", 1},
    {"event=refuse*Domain d1.lab", 1},
    {"event=refuse", 3},
    {"event=domain*dropped=2*unverified=1*first=d2.lab*domain-nxdomain", 1},
    {"event=domain", 1},
    {"event=accept*rcpts=4*dropped=2*unverified=1", 1},
    {"event=accept*rcpts=1*bytes", 1},
    {"event=accept*rcpts=1*dropped", 0},
};

static bool
has_words(const char *line, const char *words)
{
	char copy[200], *word, *rest = copy;

	snprintf(copy, sizeof(copy), "%s", words);
	while ((word = strsep(&rest, "*")) != NULL && line != NULL)
		line = strstr(line, word);
	return line != NULL;
}

START_TEST(what_the_log_says)
{
	char path[100], line[2000];
	int found[sizeof(log_rows) / sizeof(log_rows[0])] = {0};
	size_t rows = sizeof(log_rows) / sizeof(log_rows[0]);
	FILE *log;

	open_with(&(struct setting){.refuse_first = 2});
	snprintf(path, sizeof(path), "%s/log", world.dir);
	ck_assert_int_eq(log_setup(&(struct log_opts){.target = LOG_TO_FILE,
						      .level = GW_LOG_INFO,
						      .path = path}),
			 0);
	client_say(&client, "MAIL FROM:<a@no.lab>", "550");
	client_say(&client, MAIL, "250");
	rcpt("1@d1.lab", "550");
	rcpt("2@null.lab", "556");
	rcpt("3@d2.lab", OK);
	rcpt("4@fails.lab", UNVERIFIED);
	rcpt("5@d1.lab", OK);
	rcpt("6@good.lab", OK);
	letter("250");
	client_say(&client, MAIL, "250");
	rcpt("7@good.lab", OK);
	letter("250");
	world_accepts(&world, 2);
	client_say(&client, "QUIT", "221");
	log = fopen(path, "r");
	ck_assert_ptr_nonnull(log);
	while (fgets(line, sizeof(line), log) != NULL)
		for (size_t i = 0; i < rows; i++)
			found[i] += has_words(line, log_rows[i].words);
	fclose(log);
	log_setup(&(struct log_opts){.level = GW_LOG_INFO});
	for (size_t i = 0; i < rows; i++)
		ck_assert_msg(found[i] == log_rows[i].lines, "%s: %d lines",
			      log_rows[i].words, found[i]);
	close_all();
}
END_TEST

/* Slow only behind what one message of an old address book may have. */
START_TEST(slow_behind_twenty)
{
	int64_t began_ms;
	char line[64];

	open_with(&(struct setting){.refuse_first = 100});
	client_say(&client, MAIL, "250");
	rcpt("0@d0.lab", "550 5.1.2");
	began_ms = clock_mono_ms();
	for (int i = 1; i < 20; i++) {
		snprintf(line, sizeof(line), "%d@d0.lab", i);
		rcpt(line, "550 5.1.2");
	}
	rcpt("x@good.lab", OK); /* forgives them all */
	for (int i = 20; i < 41; i++) {
		snprintf(line, sizeof(line), "%d@d0.lab", i);
		rcpt(line, "550 5.1.2");
	}
	ck_assert_int_lt(clock_mono_ms() - began_ms, 15000);
	began_ms = clock_mono_ms();
	rcpt("y@d0.lab", "550 5.1.2");
	ck_assert_int_ge(clock_mono_ms() - began_ms, 95);
	rcpt("z@d0.lab", "550 5.1.2");
	ck_assert_int_ge(clock_mono_ms() - began_ms, 290);
	close_all();
}
END_TEST

/* --- the resolver
 * -------------------------------------------------------------
 */

START_TEST(nobody_listens)
{
	open_with(&(struct setting){.wait_ms = 500, .wait_message_ms = 500});
	world_run("127.0.0.1:1", true);
	client_say(&client, "NOOP", "250"); /* it has been told */
	client_say(&client, "NOOP", "250");
	client_say(&client, "MAIL FROM:<a@ours.test>", "250");
	rcpt("1@good.lab", UNVERIFIED);
	rcpt("2@nowhere.lab", UNVERIFIED);
	ck_assert_uint_eq(names_count(names, "good.lab"), 0);
	/* back again: another domain, whose failure is not remembered */
	world_run(names_text(names), true);
	client_say(&client, "NOOP", "250");
	client_say(&client, "NOOP", "250");
	rcpt("3@fine.lab", OK);
	letter("250");
	world_accepts(&world, 1);
	close_all();
}
END_TEST

START_TEST(the_check_is_off)
{
	const struct domains_conf off = {.check = false, .check_sender = true};

	open_with(&(struct setting){0});
	domains_reload(world.domains, &off);
	client_say(&client, "MAIL FROM:<a@nowhere.lab>", "250");
	rcpt("1@nowhere.lab", OK);
	letter("250");
	world_accepts(&world, 1);
	ck_assert_uint_eq(names_count(names, "nowhere.lab"), 0);
	close_all();
}
END_TEST

/* Allowed while it waits behind another, and the other way round. */
START_TEST(a_reload_meanwhile)
{
	const struct domains_conf off = {.check = false};
	const struct domains_conf on = {.check = true, .refuse_first = 20};

	open_with(&patient);
	client_say(&client, MAIL, "250");
	client_send(&client, "RCPT TO:<1@good.held.lab>\r\n"
			     "RCPT TO:<2@dead.held.lab>\r\n");
	names_wait(names, "dead.held.lab");
	domains_reload(world.domains, &off);
	client_send(&client, "RCPT TO:<3@nowhere.lab>\r\n");
	not_answered(&client); /* and is read */
	domains_reload(world.domains, &on);
	names_release(names);
	client_next(&client, OK, "1");
	client_next(&client, "550 5.1.2 Domain dead.held.lab", "2");
	client_next(&client, "550 5.1.2 Domain nowhere.lab", "3");
	close_all();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("front/domain");
	TCase *tc = tcase_create("domain");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, what_a_verdict_becomes);
	tcase_add_test(tc, a_name_in_another_script);
	tcase_add_test(tc, senders);
	tcase_add_test(tc, a_sender_that_waited);
	tcase_add_test(tc, a_sender_takes_time);
	tcase_add_test(tc, dropped_behind_the_first);
	tcase_add_test(tc, all_of_them_dropped);
	tcase_add_test(tc, messages_of_the_dead_count);
	tcase_add_test(tc, one_message_whoever_is_first);
	tcase_add_test(tc, the_dead_are_not_held);
	tcase_add_test(tc, a_class_of_its_own);
	tcase_add_test(tc, a_fact_about_the_login);
	tcase_add_test(tc, what_the_log_says);
	tcase_add_test(tc, slow_behind_twenty);
	tcase_add_test(tc, nobody_listens);
	tcase_add_test(tc, the_check_is_off);
	tcase_add_test(tc, a_reload_meanwhile);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
