#include "tests/front/world.h"

/* FROM binding through a whole front: MAIL, and From and Sender at the dot. */

#define DENIED "550 5.7.1 alice may not send as "

static struct client client;

static const struct row {
	const char *label;
	enum binding binding;
	const char *from, *header;
	const char *mail, *dot; /* the starts of the replies */
} rows[] = {
    {"off", BINDING_OFF, "x@evil.example", "From: y@bad.example\r\n", "250",
     "250"},
    {"observe", BINDING_OBSERVE, "x@evil.example",
     "From: y@bad.example\r\nSender: (\r\n", "250", "250"},
    {"domain: ours", BINDING_DOMAIN, "anybody@example.com",
     "From: Boss <boss@EXAMPLE.com>\r\n", "250", "250"},
    {"domain: below", BINDING_DOMAIN, "x@a.sub.example", "", "250", "250"},
    {"domain: another", BINDING_DOMAIN, "x@evil.example", "",
     DENIED "x@evil.example [", ""},
    {"domain: the null sender", BINDING_DOMAIN, "", "", "250", "250"},
    {"domain: header From", BINDING_DOMAIN, "a@example.com",
     "From: \"a@example.com\" <y@bad.example>\r\n", "250",
     DENIED "y@bad.example ["},
    {"domain: Sender", BINDING_DOMAIN, "a@example.com",
     "From: a@example.com\r\nSender: y@bad.example\r\n", "250",
     DENIED "y@bad.example ["},
    {"domain: one of many", BINDING_DOMAIN, "a@example.com",
     "From: a@example.com, b@example.com,\r\n\tc@bad.example\r\n", "250",
     DENIED "c@bad.example ["},
    {"domain: folded, far behind", BINDING_DOMAIN, "a@example.com",
     "From: a@example.com"
     /* 1,200 octets of nothing, more than fits into a line */
     ",\r\n "
     "(...................................................................)"
     "\r\n "
     "(....................................................................)"
     "\r\n "
     "(....................................................................)"
     "\r\n "
     "(....................................................................)"
     "\r\n "
     "(....................................................................)"
     "\r\n "
     "(....................................................................)"
     "\r\n "
     "(....................................................................)"
     "\r\n "
     "(....................................................................)"
     "\r\n "
     "(....................................................................)"
     "\r\n "
     "(....................................................................)"
     "\r\n "
     "(....................................................................)"
     "\r\n "
     "(....................................................................)"
     "\r\n "
     "(....................................................................)"
     "\r\n "
     "(....................................................................)"
     "\r\n "
     "(....................................................................)"
     "\r\n "
     "(....................................................................)"
     "\r\n c@bad.example\r\n",
     "250", DENIED "c@bad.example ["},
    {"domain: cannot be read", BINDING_DOMAIN, "a@example.com",
     "From: <<a@example.com\r\n", "250",
     "550 5.7.1 The From field cannot be read"},
    {"domain: no From", BINDING_DOMAIN, "a@example.com", "Subject: x\r\n",
     "250", "250"},
    {"address: mine", BINDING_ADDRESS, "alice@example.com",
     "From: ALICE@example.com\r\n", "250", "250"},
    {"address: a colleague's", BINDING_ADDRESS, "bob@example.com", "",
     DENIED "bob@example.com [", ""},
    {"address: a colleague's From", BINDING_ADDRESS, "alice@example.com",
     "From: bob@example.com\r\n", "250", DENIED "bob@example.com ["},
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static void
letter(const struct row *row)
{
	char line[300];

	snprintf(line, sizeof(line), "MAIL FROM:<%s>", row->from);
	client_say(&client, line, row->mail);
	if (row->dot[0] == '\0')
		return;
	client_say(&client, "RCPT TO:<r@example.net>", "250");
	client_say(&client, "DATA", "354");
	client_send(&client, row->header);
	client_send(&client, "\r\nhello\r\n");
	client_say(&client, ".", row->dot);
}

START_TEST(senders)
{
	const struct row *row = &rows[_i];
	bool refused = row->dot[0] != '2';
	struct decision decisions[4];
	struct front_status status;
	size_t count;

	world_open(&(struct world_conf){.binding = row->binding});
	client_login(&client, "alice");
	letter(row);
	client_say(&client, "NOOP", "250");
	close(client.fd);
	world_accepts(&world, refused ? 0 : 1);
	front_status_get(world.front, &status);
	ck_assert_uint_eq(status.sender_refused, refused ? 1 : 0);
	ck_assert_uint_eq(status.sender_observed,
			  row->binding == BINDING_OBSERVE ? 3 : 0);
	count = decisions_of(world.decisions, "alice", NULL, decisions, 4);
	ck_assert_uint_eq(count, refused ? 1 : 0);
	if (refused)
		ck_assert_int_eq(decisions[0].kind, DECISION_SENDER);
	world_close();
}
END_TEST

/* The class of the login goes before the file; its own list before both. */
START_TEST(classes_and_lists)
{
	world_open(&(struct world_conf){.binding = BINDING_OFF});
	client_login(&client, "bob"); /* class bound */
	client_say(&client, "MAIL FROM:<x@example.com>",
		   "550 5.7.1 bob may not send as x@example.com");
	ck_assert_int_eq(accounts_sender_add(world.accounts, "bob",
					     SLICE_LIT("x@example.com")),
			 0);
	client_mail(&client, "x@example.com", "From: x@example.com\r\n\r\n",
		    "250");
	client_mail(&client, "bob@example.com", "From: z@example.com\r\n\r\n",
		    "550 5.7.1 bob may not send as z@example.com");
	close(client.fd);
	client_login(&client, "alice");
	client_mail(&client, "x@anything", "From: y@whatever\r\n\r\n", "250");
	close(client.fd);
	world_close();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("front/sender");
	TCase *tc = tcase_create("sender");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, senders, 0, ROWS);
	tcase_add_test(tc, classes_and_lists);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
