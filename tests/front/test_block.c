#include "tests/front/world.h"

/* Where the block list bites, through a whole front. */

#define LETTER "Subject: x\r\n\r\nhello\r\n"
#define DISABLED "550 5.7.1 Sending is disabled for this account"

static struct client client;

static void
setup(void)
{
	world_open(&(struct world_conf){0});
}

static uint64_t
block(enum block_kind kind, const char *value, const struct block *more)
{
	struct block b = {.author = "test", .reason = ""};
	struct buf error;
	uint64_t id;
	int err;

	if (more != NULL)
		b = *more;
	b.id = id_next();
	b.kind = kind;
	b.value = value;
	b.author = "test";
	b.reason = "";
	b.made_wall_s = clock_wall_s();
	buf_init(&error, 1000);
	err = blocklist_add(world.blocklist, &b, &id, &error);
	ck_assert_msg(err == 0, "%s", buf_cstr(&error));
	buf_fini(&error);
	return id;
}

static void
unblock(enum block_kind kind, const char *value)
{
	struct buf error;
	uint64_t id;

	buf_init(&error, 1000);
	ck_assert_int_eq(blocklist_del(world.blocklist, kind, BLOCK_REFUSE,
				       slice_str(value), &id, &error),
			 0);
	buf_fini(&error);
}

/* What is said after the login, up to the block; then the next command. */
static const struct {
	const char *label;
	const char *said[5];
	const char *next;
} command_rows[] = {
    {"at once, NOOP", {NULL}, "NOOP"},
    {"RSET", {NULL}, "RSET"},
    {"EHLO", {NULL}, "EHLO again"},
    {"VRFY", {NULL}, "VRFY a@example.com"},
    {"what nobody knows", {NULL}, "XYZZY"},
    {"MAIL", {"NOOP"}, "MAIL FROM:<a@example.com>"},
    {"RCPT", {"MAIL FROM:<a@example.com>"}, "RCPT TO:<b@example.net>"},
    {"the second RCPT",
     {"MAIL FROM:<a@example.com>", "RCPT TO:<b@example.net>"},
     "RCPT TO:<c@example.net>"},
    {"DATA", {"MAIL FROM:<a@example.com>", "RCPT TO:<b@example.net>"}, "DATA"},
    {"RSET in a transaction",
     {"MAIL FROM:<a@example.com>", "RCPT TO:<b@example.net>"},
     "RSET"},
    {"BDAT",
     {"MAIL FROM:<a@example.com>", "RCPT TO:<b@example.net>"},
     "BDAT 3 LAST\r\na"},
    {"the second BDAT",
     {"MAIL FROM:<a@example.com>", "RCPT TO:<b@example.net>", "BDAT 3\r\na"},
     "BDAT 3 LAST\r\nb"},
    {"the next message",
     {"MAIL FROM:<a@example.com>", "RCPT TO:<b@example.net>",
      "BDAT 14 LAST\r\nSubject: x\r\n"},
     "MAIL FROM:<a@example.com>"},
};

enum { COMMAND_ROWS = sizeof(command_rows) / sizeof(command_rows[0]) };

START_TEST(at_the_next_command)
{
	const char *const *said = command_rows[_i].said;
	const char *label = command_rows[_i].label;
	int accepted = 0;

	for (int by_ip = 0; by_ip < 2; by_ip++) {
		client_login(&client, "alice");
		for (size_t i = 0; said[i] != NULL; i++) {
			client_say(&client, said[i], "250");
			accepted += strstr(said[i], " LAST") != NULL;
		}
		world_accepts(&world, accepted); /* behind its answer */
		if (by_ip)
			block(BLOCK_IP, "127.0.0.0/24", NULL);
		else
			block(BLOCK_CRED, "alice", NULL);
		client_send(&client, command_rows[_i].next);
		client_send(&client, "\r\n");
		client_next(&client,
			    by_ip ? "550 5.7.1 Mail from 127.0.0.1 is not "
				    "accepted ["
				  : DISABLED,
			    label);
		client_next(&client, "421 4.7.0 Closing", label);
		client_closed(&client);
		ck_assert_int_eq(world.accepted, accepted);
		if (by_ip)
			unblock(BLOCK_IP, "127.0.0.0/24");
		else
			unblock(BLOCK_CRED, "alice");
	}
}
END_TEST

/* In the middle of a body: all of it is read, and nothing kept. */
static const struct {
	const char *label, *begin, *first, *rest;
} body_rows[] = {
    {"DATA", "DATA\r\n", "Subject: x\r\n\r\n", "hello\r\n.\r\n"},
    {"DATA, all but the dot", "DATA\r\n", LETTER ".", "\r\n"},
    {"BDAT", "", "BDAT 20 LAST\r\nSubject: x", "\r\n\r\nhell\r\n"},
};

/* What was sent before has been read: the front has one thread, and the second
 * answer is of a turn behind the one in which the first came. */
static void
world_has_read(void)
{
	static struct client other;

	client_open(&other);
	client_say(&other, "NOOP", "250");
	client_say(&other, "NOOP", "250");
	close(other.fd);
}

START_TEST(in_the_middle_of_a_body)
{
	const char *label = body_rows[_i].label;
	char want[64];
	uint64_t id;

	client_login(&client, "alice");
	client_say(&client, "MAIL FROM:<a@example.com>", "250");
	client_say(&client, "RCPT TO:<b@example.net>", "250");
	client_send(&client, body_rows[_i].begin);
	if (body_rows[_i].begin[0] != '\0')
		client_next(&client, "354", label);
	client_send(&client, body_rows[_i].first);
	world_has_read();
	id = block(BLOCK_CRED, "alice", NULL);
	client_send(&client, body_rows[_i].rest);
	id_format(id, want);
	ck_assert_ptr_nonnull(
	    strstr(client_next(&client, DISABLED, label), want));
	client_next(&client, "421 4.7.0 Closing", label);
	client_closed(&client);
	ck_assert_int_eq(world.accepted, 0);
}
END_TEST

START_TEST(at_the_login)
{
	const struct block stealth = {.flags = BLOCK_STEALTH};
	const char *text;
	char shown[600];
	int64_t began_ms, wrong_ms, stealth_ms;

	block(BLOCK_CRED, "alice", NULL);
	client_open(&client);
	text = client_say(&client, client_auth("ALICE", "alice"),
			  "525 5.7.13 Sending is disabled");
	ck_assert_ptr_nonnull(strstr(text, "contact the helpdesk ["));
	/* the wrong one is wrong, and the other login is welcome */
	client_say(&client, client_auth("alice", "x"), "535 5.7.8");
	unblock(BLOCK_CRED, "alice");
	block(BLOCK_CRED, "alice", &stealth);
	began_ms = clock_mono_ms();
	client_say(&client, client_auth("alice", "y"), "535 5.7.8");
	wrong_ms = clock_mono_ms() - began_ms;
	began_ms = clock_mono_ms();
	snprintf(
	    shown, sizeof(shown), "%s",
	    client_say(&client, client_auth("alice", "alice"), "535 5.7.8"));
	stealth_ms = clock_mono_ms() - began_ms;
	ck_assert_str_eq(shown,
			 client_say(&client, client_auth("alice", "z"), "535"));
	/* not before the delay that a wrong one has */
	ck_assert_int_ge(wrong_ms, 150);
	ck_assert_int_ge(stealth_ms, 150);
	unblock(BLOCK_CRED, "alice");
	client_say(&client, client_auth("alice", "alice"), "235");
	client_say(&client, "NOOP", "250");
	close(client.fd);
}
END_TEST

START_TEST(at_connect)
{
	const struct block for_a_while = {.until_wall_s =
					      clock_wall_s() + 7200};
	const struct block over = {.until_wall_s = clock_wall_s() - 1};
	struct decision decisions[10];
	struct front_status status;

	block(BLOCK_IP, "127.0.0.7", NULL);
	block(BLOCK_IP, "127.0.0.8", &for_a_while);
	block(BLOCK_IP, "127.0.0.9", &over);
	for (int i = 0; i < 3; i++) {
		client_connect(&client, 7);
		client_next(&client,
			    "554 5.7.1 Connections from 127.0.0.7 are not "
			    "accepted [",
			    "for good");
		client_closed(&client);
	}
	client_connect(&client, 8);
	client_next(&client,
		    "421 4.7.0 Connections from 127.0.0.8 are not accepted "
		    "until ",
		    "for a while");
	client_closed(&client);
	client_connect(&client, 9);
	client_next(&client, "220", "not any more");
	close(client.fd);
	front_status_get(world.front, &status);
	ck_assert_uint_eq(status.connections_refused, 4);
	ck_assert_uint_eq(status.blocked, 4);
	/* three of one address are one decision */
	ck_assert_uint_eq(
	    decisions_of(world.decisions, NULL, NULL, decisions, 10), 2);
}
END_TEST

/* A sender, a domain or a body is refused, and the session goes on. */
START_TEST(what_does_not_end_the_session)
{
	static const char digest_of_letter[] = LETTER;
	uint8_t sum[DIGEST_SIZE];
	char hex[DIGEST_SIZE * 2 + 1];
	struct digest *digest = digest_create();

	digest_add(digest, slice_str(digest_of_letter));
	digest_final(digest, sum);
	digest_destroy(&digest);
	for (size_t i = 0; i < sizeof(sum); i++)
		snprintf(hex + 2 * i, 3, "%02x", sum[i]);
	client_login(&client, "alice");
	block(BLOCK_FROM, "@evil.example", NULL);
	block(BLOCK_DOMAIN, ".bad.example", NULL);
	block(BLOCK_HASH, hex, NULL);
	client_say(&client, "MAIL FROM:<a@evil.example>",
		   "550 5.7.1 Mail from a@evil.example is not permitted");
	client_say(&client, "MAIL FROM:<>", "250");
	client_say(&client, "RCPT TO:<r@x.BAD.example>",
		   "550 5.7.1 Mail to x.BAD.example is not permitted");
	client_say(&client, "RCPT TO:<r@good.example>", "250");
	client_say(&client, "DATA", "354");
	client_send(&client, LETTER);
	client_say(&client, ".", "550 5.7.1 This message is not permitted");
	ck_assert_int_eq(world.accepted, 0);
	client_mail(&client, "a@example.com", "x" LETTER, "250");
	/* a sender that is blocked meanwhile */
	client_say(&client, "MAIL FROM:<b@example.com>", "250");
	client_say(&client, "RCPT TO:<r@good.example>", "250");
	client_say(&client, "DATA", "354");
	block(BLOCK_FROM, "b@example.com", NULL);
	client_say(&client, "x\r\n.",
		   "550 5.7.1 Mail from b@example.com is not");
	unblock(BLOCK_HASH, hex);
	client_mail(&client, "a@example.com", LETTER, "250");
	world_accepts(&world, 2);
	close(client.fd);
}
END_TEST

START_TEST(a_hold_refuses_nobody)
{
	const struct block hold = {.action = BLOCK_HOLD};

	block(BLOCK_CRED, "alice", &hold);
	block(BLOCK_IP, "127.0.0.1", &hold);
	block(BLOCK_FROM, "a@example.com", &hold);
	block(BLOCK_DOMAIN, "example.net", &hold);
	client_login(&client, "alice");
	client_mail(&client, "a@example.com", LETTER, "250");
	close(client.fd);
}
END_TEST

START_TEST(what_was_lifted_is_forgotten)
{
	client_login(&client, "alice");
	block(BLOCK_CRED, "alice", NULL);
	unblock(BLOCK_CRED, "alice");
	client_say(&client, "NOOP", "250");
	block(BLOCK_CRED, "bob", NULL);
	client_mail(&client, "a@example.com", LETTER, "250");
	close(client.fd);
}
END_TEST

static void
block_alice(void)
{
	block(BLOCK_CRED, "alice", NULL);
}

/* Blocked while the store has the message: told in words, and sent away. */
START_TEST(in_the_store)
{
	client_login(&client, "alice");
	world.on_veto = block_alice;
	world.veto = true;
	client_mail(&client, "a@example.com", LETTER, DISABLED);
	client_next(&client, "421 4.7.0 Closing", "goodbye");
	client_closed(&client);
	ck_assert_int_eq(world.accepted, 0);
}
END_TEST

/* The store's own question, a moment before the commit. */
START_TEST(at_the_last_moment)
{
	struct front_status status;

	client_login(&client, "alice");
	world.veto = true;
	client_mail(&client, "a@example.com", LETTER,
		    "550 5.7.1 Sending was disabled");
	world.veto = false;
	client_mail(&client, "a@example.com", LETTER, "250");
	world_accepts(&world, 1);
	front_status_get(world.front, &status);
	ck_assert_uint_eq(status.messages_accepted, 1);
	ck_assert_uint_eq(status.messages_refused, 1);
	close(client.fd);
}
END_TEST

static void
setup_slow(void)
{
	world_open(&(struct world_conf){.fail_delay_ms = 200});
}

int
main(void)
{
	Suite *suite = suite_create("front/block");
	TCase *tc = tcase_create("block"), *slow = tcase_create("login");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tc, setup, world_close);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, at_the_next_command, 0, COMMAND_ROWS);
	tcase_add_loop_test(tc, in_the_middle_of_a_body, 0, 3);
	tcase_add_test(tc, at_connect);
	tcase_add_test(tc, what_does_not_end_the_session);
	tcase_add_test(tc, a_hold_refuses_nobody);
	tcase_add_test(tc, what_was_lifted_is_forgotten);
	tcase_add_test(tc, at_the_last_moment);
	tcase_add_test(tc, in_the_store);
	suite_add_tcase(suite, tc);
	tcase_add_checked_fixture(slow, setup_slow, world_close);
	tcase_set_timeout(slow, 60);
	tcase_add_test(slow, at_the_login);
	suite_add_tcase(suite, slow);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
