/* Recipients and senders whose domains are asked about, through a whole front
 * and a name server that says when it answers. */
#include "tests/front/names.h"
#include "tests/front/world.h"

#define LETTER "Subject: x\r\n\r\nhello\r\n"
#define MAIL "MAIL FROM:<a@good.lab>"
#define OK "250 2.1.5 Recipient OK"
#define UNVERIFIED "250 2.1.5 OK (domain not yet verified)"
#define MX_LAB "@ 300 MX 10 mx.lab"
#define NOTHING "!lab 900 SOA 60"

static const struct dns_row zone[] = {
    {"good.lab", "MX", 0, DNS_ANSWERS, MX_LAB},
    {"fine.lab", "MX", 0, DNS_ANSWERS, MX_LAB},
    {"mx.lab", "A", 0, DNS_ANSWERS, "@ 300 A 203.0.114.5"},
    {"mx.lab", NULL, 0, DNS_ANSWERS, NOTHING},
    {"only-a.lab", "A", 0, DNS_ANSWERS, "@ 300 A 203.0.114.6"},
    {"only-a.lab", NULL, 0, DNS_ANSWERS, NOTHING},
    {"nothing.lab", NULL, 0, DNS_ANSWERS, NOTHING},
    {"null.lab", "MX", 0, DNS_ANSWERS, "@ 300 MX 0 ."},
    {"inside.lab", "MX", 0, DNS_ANSWERS, "@ 300 MX 10 mx.inside.lab"},
    {"mx.inside.lab", "A", 0, DNS_ANSWERS, "@ 300 A 10.0.0.1"},
    {"mx.inside.lab", NULL, 0, DNS_ANSWERS, NOTHING},
    {"fails.lab", NULL, 2, DNS_ANSWERS, NULL},
    {"xn--mller-kva.lab", "MX", 0, DNS_ANSWERS, MX_LAB},
    {"good.held.lab", "MX", 0, DNS_ANSWERS, MX_LAB},
    {"good2.held.lab", "MX", 0, DNS_ANSWERS, MX_LAB},
    {"good3.held.lab", "MX", 0, DNS_ANSWERS, MX_LAB},
};

static const char *const exempt[] = {"ours.test", ".sub.test", "example.com"};
static const struct domains_class classes[] = {
    {"bound", 0, UNVERIFIED_DEFER}, /* bob's */
};

static struct names names;
static struct client client;

struct setting {
	uint32_t refuse_first; /* 0: 20 */
	int64_t wait_ms, wait_message_ms, idle_ms;
	const struct limit_rate *rate; /* of "person", over reject */
};

static void
open_with(const struct setting *s)
{
	const struct domains_conf domains = {
	    .check = true,
	    .check_sender = true,
	    .refuse_first = s->refuse_first != 0 ? s->refuse_first : 20,
	    .classes = classes,
	    .class_count = 1,
	    .exempt = exempt,
	    .exempt_count = 3,
	};
	const struct limit_conf person = {
	    .name = "person",
	    .per = LIMIT_CRED,
	    .bits4 = 32,
	    .bits6 = 64,
	    .rates = s->rate,
	    .rate_count = 1,
	    .over = LIMIT_REJECT,
	};
	const struct limits_conf limits = {.limits = &person,
					   .limit_count = s->rate != NULL};

	names_open(&names, zone, sizeof(zone) / sizeof(zone[0]));
	world_open(&(struct world_conf){
	    .limits = &limits,
	    .domains = &domains,
	    .resolver = names.text,
	    .domain_wait_ms = s->wait_ms,
	    .domain_wait_message_ms = s->wait_message_ms,
	    .idle_ms = s->idle_ms,
	});
	client_login(&client, "alice");
	client_say(&client, "NOOP", "250");
}

/* Whoever waits waits for the test, not for the clock. */
static const struct setting patient = {.wait_ms = 60000,
				       .wait_message_ms = 60000};

static void
close_all(void)
{
	close(client.fd);
	world_close();
	names_close(&names);
}

static void
rcpt(const char *address, const char *want)
{
	char line[400];

	snprintf(line, sizeof(line), "RCPT TO:<%s>", address);
	client_say(&client, line, want);
}

static void
letter(const char *want)
{
	client_say(&client, "DATA", "354");
	client_send(&client, LETTER);
	client_say(&client, ".", want);
}

static struct front_status
status(void)
{
	struct front_status s;

	front_status_get(world.front, &s);
	return s;
}

/* Nothing has been answered, and the front has had the time to. */
static void
not_answered(struct client *c)
{
	static struct client other;

	client_open(&other);
	client_say(&other, "NOOP", "250");
	client_say(&other, "NOOP", "250");
	close(other.fd);
	ck_assert_int_eq(poll(&(struct pollfd){c->fd, POLLIN, 0}, 1, 0), 0);
}

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
	ck_assert_uint_eq(names_count(&names, "good.lab"), 1);
	ck_assert_uint_eq(names_count(&names, "nowhere.lab"), 1);
	ck_assert_uint_eq(names_count(&names, "ours.test"), 0);
	ck_assert_uint_eq(names_count(&names, "printer.local"), 0);
	ck_assert_uint_eq(status().domain_refused, 9);
	ck_assert_uint_eq(status().domain_unverified, 1);
	ck_assert_uint_eq(status().recipients_refused, 10);
	close_all();
}
END_TEST

START_TEST(a_name_in_another_script)
{
	open_with(&(struct setting){0});
	client_say(&client, "MAIL FROM:<a@good.lab>", "250");
	rcpt("r@xn--mller-kva.lab", OK);
	rcpt("r@xn--mller-kvb.lab", "550 5.1.2 Domain xn--mller-kvb.lab");
	close_all();
}
END_TEST

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
	names_wait(&names, "good.held.lab");
	names_wait(&names, "dead.held.lab");
	names_wait(&names, "good2.held.lab");
	names_wait(&names, "nowhere.lab");
	not_answered(&client);
	names_release(&names);
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
	ck_assert_uint_eq(names_count(&names, "good.held.lab"), 1);
	ck_assert(status().rcpt_wait_p99_ms > 0);
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
	names_wait(&names, "good2.held.lab");
	names_release(&names);
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
	names_wait(&names, "good.lab");
	names_release(&names);
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
	ck_assert_int_ge(clock_mono_ms() - began_ms, 590);
	/* what is left of the message's time */
	rcpt("3@c.held.lab", UNVERIFIED);
	ck_assert_int_ge(clock_mono_ms() - began_ms, 740);
	/* and no more: not even a question */
	rcpt("4@d.held.lab", UNVERIFIED);
	ck_assert_uint_eq(names_count(&names, "c.held.lab") > 0, 1);
	ck_assert_uint_eq(names_count(&names, "d.held.lab"), 0);
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
	ck_assert_uint_eq(status().domain_unverified, 5);
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
	ck_assert_int_lt(clock_mono_ms() - began_ms, 4000);
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
	names_wait(&names, "good.held.lab");
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
	names_release(&names);
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
	names_wait(&names, "good.held.lab");
	not_answered(&client);
	names_release(&names);
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
	names_wait(&names, "good.held.lab");
	close(client.fd);
	while (status().sessions > 0)
		usleep(1000);
	names_release(&names);
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
	names_wait(&names, "good.held.lab");
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
	names_wait(&names, "good2.held.lab");
	block(BLOCK_DOMAIN, "good.held.lab");
	names_release(&names);
	client_next(&client, "550 5.7.1 Mail to good.held.lab is not permitted",
		    "blocked meanwhile");
	client_next(&client, OK, "the other");
	ck_assert_uint_eq(status().domain_refused, 0);
	close_all();
}
END_TEST

START_TEST(the_sender_is_blocked)
{
	open_with(&patient);
	client_send(&client, "MAIL FROM:<a@good.held.lab>\r\n");
	names_wait(&names, "good.held.lab");
	block(BLOCK_FROM, "a@good.held.lab");
	names_release(&names);
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
	names_wait(&names, "good.held.lab");
	if (_i == 2) /* all of them have been read */
		names_wait(&names, "good3.held.lab");
	block(BLOCK_CRED, "alice");
	names_release(&names);
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
	ck_assert_uint_eq(names_count(&names, "ours.test"), 0);
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
	names_wait(&names, "good.held.lab");
	not_answered(&client);
	names_release(&names);
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
	ck_assert_uint_eq(names_count(&names, "b.held.lab"), 0);
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
	rcpt("5@good.lab", "550 5.7.1 Sending limit of 2 dead domains");
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
	ck_assert_int_lt(clock_mono_ms() - began_ms, 3000);
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
	ck_assert_uint_eq(names_count(&names, "good.lab"), 0);
	/* back again: another domain, whose failure is not remembered */
	world_run(names.text, true);
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
	ck_assert_uint_eq(names_count(&names, "nowhere.lab"), 0);
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
	names_wait(&names, "dead.held.lab");
	domains_reload(world.domains, &off);
	client_send(&client, "RCPT TO:<3@nowhere.lab>\r\n");
	not_answered(&client); /* and is read */
	domains_reload(world.domains, &on);
	names_release(&names);
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
	tcase_add_test(tc, in_the_order_of_the_commands);
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
	tcase_add_test(tc, the_sender_is_blocked);
	tcase_add_loop_test(tc, the_login_is_blocked, 0, LOGIN_ROWS);
	tcase_add_test(tc, senders);
	tcase_add_test(tc, a_sender_that_waited);
	tcase_add_test(tc, a_sender_takes_time);
	tcase_add_test(tc, dropped_behind_the_first);
	tcase_add_test(tc, all_of_them_dropped);
	tcase_add_test(tc, a_class_of_its_own);
	tcase_add_test(tc, a_fact_about_the_login);
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
