/* What the client says to a next hop that behaves, and what it makes of the
 * answers. Next hops that do not are in test_client_fault.c. */
#include "gateway/smtp/param.h"
#include "tests/smtp/client_help.h"

#define ALL_CAPS                                                        \
	"S250-mx.test hello|250-PIPELINING|250-SIZE 1000|250-8BITMIME|" \
	"250-DSN|250-SMTPUTF8|250 ENHANCEDSTATUSCODES\n"
#define FULL "S220 mx.test\nCEHLO relay.test\n" ALL_CAPS
#define BARE "S220 mx.test\nCEHLO relay.test\nS250 mx.test\n"
#define PIPE "S220 mx.test\nCEHLO relay.test\nS250-mx.test|250 PIPELINING\n"

#define BODY "Subject: x\r\n\r\nhi\r\n.dot\r\n"

/* ---- Connecting, in the clear ---- */

static const struct {
	const char *label, *script, *user, *password;
	int err, code;
	const char *text; /* how it begins */
	uint32_t caps;
} connects[] = {
    {"no extension at all", BARE, NULL, NULL, 0, 250, "mx.test", 0},
    {"every extension", FULL, NULL, NULL, 0, 250, "mx.test hello PIPELINING",
     CLIENT_CAP_PIPELINING | CLIENT_CAP_SIZE | CLIENT_CAP_8BITMIME |
	 CLIENT_CAP_DSN | CLIENT_CAP_SMTPUTF8 | CLIENT_CAP_ENHANCED},
    {"keywords in lower case, with arguments",
     "S220-a|220 b\nCEHLO\nS250-x|250-size 77|250-pipelining now|250 dsn\n",
     NULL, NULL, 0, 250, "x",
     CLIENT_CAP_SIZE | CLIENT_CAP_PIPELINING | CLIENT_CAP_DSN},
    {"the first line is no keyword", "S220 x\nCEHLO\nS250 PIPELINING\n", NULL,
     NULL, 0, 250, "PIPELINING", 0},
    {"EHLO unknown: HELO",
     "S220 x\nCEHLO\nS500 5.5.1 what?\nCHELO relay.test\nS250 fine\n", NULL,
     NULL, 0, 250, "fine", 0},
    {"HELO refused too",
     "S220 x\nCEHLO\nS502 no\nCHELO\nS550 5.7.1 go away\nCQUIT\n", NULL, NULL,
     0, 550, "HELO: 550 5.7.1 go away", 0},
    {"EHLO refused for now", "S220 x\nCEHLO\nS451 later\nCQUIT\n", NULL, NULL,
     0, 451, "EHLO: 451 later", 0},
    {"greeting 554", "S554 5.3.2 no service\nCQUIT\n", NULL, NULL, 0, 554,
     "greeting: 554 5.3.2 no service", 0},
    {"greeting 421", "S421 4.3.2 full\nF\n", NULL, NULL, 0, 421,
     "greeting: 421 4.3.2 full", 0},
    {"EHLO 421", "S220 x\nCEHLO\nS421 bye\nF\n", NULL, NULL, 0, 421,
     "EHLO: 421 bye", 0},
    {"AUTH over loopback",
     "S220 x\nCEHLO\nS250-x|250 AUTH LOGIN PLAIN\n"
     "CAUTH PLAIN AHVzZXIAcGFzcw==\nS235 2.7.0 in\n",
     "user", "pass", 0, 235, "in", CLIENT_CAP_AUTH_PLAIN},
    {"AUTH= of old servers",
     "S220 x\nCEHLO\nS250-x|250 AUTH=PLAIN\nCAUTH PLAIN AHUA\nS235 in\n", "u",
     "", 0, 235, "in", CLIENT_CAP_AUTH_PLAIN},
    {"AUTH refused",
     "S220 x\nCEHLO\nS250-x|250 AUTH PLAIN\nCAUTH\nS535 5.7.8 wrong\nCQUIT\n",
     "user", "pass", 0, 535, "AUTH: 535 5.7.8 wrong", 0},
    {"AUTH not offered", "S220 x\nCEHLO\nS250-x|250 AUTH LOGIN\n", "user",
     "pass", GW_ENOTSUP, 0, "AUTH: PLAIN is not offered", 0},
    {"AUTH answered 334 for ever",
     "S220 x\nCEHLO\nS250-x|250 AUTH PLAIN\nCAUTH\nS334 \nCQUIT\n", "user",
     "pass", GW_EPROTO, 0, "AUTH: 334", 0},
};

START_TEST(test_connect)
{
	struct bench b;
	struct smtp_client_req req;

	bench_init(&b, connects[_i].label, &connects[_i].script, 1);
	req = bench_req(&b);
	req.user = connects[_i].user;
	req.password = connects[_i].password;
	bench_connect(&b, &req);
	ck_assert_msg(b.connect.err == connects[_i].err &&
			  b.connect.code == connects[_i].code,
		      "%s: err %d code %d %s", b.label, b.connect.err,
		      b.connect.code, b.connect.text);
	ck_assert_msg(strncmp(b.connect.text, connects[_i].text,
			      strlen(connects[_i].text)) == 0,
		      "%s: %s", b.label, b.connect.text);
	turn_some(b.loop);
	ck_assert_msg(script_trouble(b.server)[0] == '\0', "%s: %s", b.label,
		      script_trouble(b.server));
	if (b.client != NULL) {
		ck_assert_uint_eq(smtp_client_caps(b.client),
				  connects[_i].caps);
		ck_assert(smtp_client_usable(b.client));
		ck_assert_ptr_null(smtp_client_tls_text(b.client));
	}
	ck_assert_msg((b.client != NULL) == (connects[_i].err == 0 &&
					     connects[_i].code / 100 == 2),
		      "%s", b.label);
	bench_fini(&b);
}
END_TEST

START_TEST(test_connect_size_max)
{
	static const char *const scripts[] = {FULL};
	struct bench b;
	struct smtp_client_req req;

	bench_init(&b, "SIZE", scripts, 1);
	req = bench_req(&b);
	bench_connect(&b, &req);
	ck_assert_uint_eq(smtp_client_size_max(b.client), 1000);
	bench_fini(&b);
}
END_TEST

START_TEST(test_connect_long_password)
{
	static const char *const scripts[] = {
	    "S220 x\nCEHLO\nS250-x|250 AUTH PLAIN\nCAUTH PLAIN\nS334 \n"
	    "CAHVzZXIAeHh4\nS235 in\n"};
	struct bench b;
	struct smtp_client_req req;
	char password[500];

	memset(password, 'x', sizeof(password) - 1);
	password[sizeof(password) - 1] = '\0';
	bench_init(&b, "a response too long for a command", scripts, 1);
	req = bench_req(&b);
	req.user = "user";
	req.password = password;
	bench_connect(&b, &req);
	ck_assert_int_eq(b.connect.code, 235);
	ck_assert_str_eq(script_trouble(b.server), "");
	ck_assert_ptr_nonnull(strstr(script_lines(b.server), "\nAUTH PLAIN\n"));
	bench_fini(&b);
}
END_TEST

/* No password in the clear but over loopback: nothing is connected here. */
START_TEST(test_connect_invalid)
{
	static const char *const helos[] = {"", "two words", "x\r\nMAIL"};
	struct bench b;
	struct smtp_client_req req;

	bench_init(&b, helos[_i], NULL, 0);
	req = bench_req(&b);
	req.helo = helos[_i];
	bench_connect(&b, &req);
	ck_assert_int_eq(b.connect.err, GW_EINVAL);
	ck_assert_ptr_null(b.client);
	ck_assert_uint_eq(script_accepted_count(b.server), 0);
	bench_fini(&b);
}
END_TEST

/* ---- Sending ---- */

static const struct {
	const char *label, *script;
	const char *rcpts[4];
	struct {
		int err, code;
	} want[4];
	const char *lines; /* behind EHLO */
	const char *body;  /* NULL: none came */
	bool usable;
} sends[] = {
    {"one recipient, pipelined",
     PIPE "CMAIL FROM:<a@a.test>\nCRCPT TO:<b@b.test>\nCDATA\n"
	  "S250 ok|250 ok|354 go\nD\nS250 2.0.0 queued\n",
     {"b@b.test"},
     {{0, 250}},
     "MAIL FROM:<a@a.test>\nRCPT TO:<b@b.test>\nDATA\n",
     "Subject: x\r\n\r\nhi\r\n..dot\r\n",
     true},
    {"one recipient, step by step",
     BARE "CMAIL\nS250 ok\nCRCPT\nS250 ok\nCDATA\nS354 go\nD\nS250 queued\n",
     {"b@b.test"},
     {{0, 250}},
     "MAIL FROM:<a@a.test>\nRCPT TO:<b@b.test>\nDATA\n",
     "Subject: x\r\n\r\nhi\r\n..dot\r\n",
     true},
    {"some refused",
     PIPE "CMAIL\nCRCPT\nCRCPT\nCRCPT\nCDATA\n"
	  "S250 ok|250 ok|550-5.1.1 no|550 5.1.1 such|450 4.2.0 full|354 go\n"
	  "D\nS250 queued\n",
     {"b@b.test", "c@b.test", "d@b.test"},
     {{0, 250}, {0, 550}, {0, 450}},
     NULL,
     "Subject: x\r\n\r\nhi\r\n..dot\r\n",
     true},
    {"some refused, step by step",
     BARE "CMAIL\nS250 ok\nCRCPT\nS550 no\nCRCPT\nS251 will forward\nCDATA\n"
	  "S354 go\nD\nS250 queued\n",
     {"b@b.test", "c@b.test"},
     {{0, 550}, {0, 250}},
     NULL,
     "Subject: x\r\n\r\nhi\r\n..dot\r\n",
     true},
    {"all refused, DATA refused as well",
     PIPE "CMAIL\nCRCPT\nCRCPT\nCDATA\n"
	  "S250 ok|550 no|551 no|503 no recipients\n",
     {"b@b.test", "c@b.test"},
     {{0, 550}, {0, 551}},
     NULL,
     NULL,
     true},
    {"all refused, 354 all the same: a lone dot",
     PIPE "CMAIL\nCRCPT\nCRCPT\nCDATA\nS250 ok|550 no|551 no|354 go\nD\n"
	  "S554 no recipients\n",
     {"b@b.test", "c@b.test"},
     {{0, 550}, {0, 551}},
     NULL,
     "",
     true},
    {"all refused, step by step: no DATA",
     BARE "CMAIL\nS250 ok\nCRCPT\nS550 no\nCRCPT\nS551 no\n",
     {"b@b.test", "c@b.test"},
     {{0, 550}, {0, 551}},
     "MAIL FROM:<a@a.test>\nRCPT TO:<b@b.test>\nRCPT TO:<c@b.test>\n",
     NULL,
     true},
    {"MAIL refused, pipelined",
     PIPE "CMAIL\nCRCPT\nCRCPT\nCDATA\nS552 5.3.4 big|503 x|503 x|503 x\n",
     {"b@b.test", "c@b.test"},
     {{0, 552}, {0, 552}},
     NULL,
     NULL,
     true},
    {"MAIL refused, step by step",
     BARE "CMAIL\nS451 later\n",
     {"b@b.test"},
     {{0, 451}},
     "MAIL FROM:<a@a.test>\n",
     NULL,
     true},
    {"DATA refused",
     PIPE "CMAIL\nCRCPT\nCRCPT\nCDATA\nS250 ok|250 ok|550 no|451 4.3.0 busy\n",
     {"b@b.test", "c@b.test"},
     {{0, 451}, {0, 550}},
     NULL,
     NULL,
     true},
    {"the dot refused",
     PIPE "CMAIL\nCRCPT\nCDATA\nS250 ok|250 ok|354 go\nD\nS554 5.7.1 spam\n",
     {"b@b.test"},
     {{0, 554}},
     NULL,
     "Subject: x\r\n\r\nhi\r\n..dot\r\n",
     true},
    {"421 to the dot closes",
     PIPE "CMAIL\nCRCPT\nCDATA\nS250 ok|250 ok|354 go\nD\nS421 going down\n",
     {"b@b.test"},
     {{0, 421}},
     NULL,
     "Subject: x\r\n\r\nhi\r\n..dot\r\n",
     false},
    {"421 to the second RCPT is the word for all but the refused",
     PIPE "CMAIL\nCRCPT\nCRCPT\nCRCPT\nCDATA\nS250 ok|550 no|421 enough\n",
     {"b@b.test", "c@b.test", "d@b.test"},
     {{0, 550}, {0, 421}, {0, 421}},
     NULL,
     NULL,
     false},
    {"an address that would break out of its path is never written",
     PIPE "CMAIL\nCRCPT\nCDATA\nS250 ok|250 ok|354 go\nD\nS250 queued\n",
     {"x> NOTIFY=NEVER", "b@b.test", "x\r\nDATA", "\xc3\xa4@b.test"},
     {{GW_EINVAL, 0}, {0, 250}, {GW_EINVAL, 0}, {GW_EINVAL, 0}},
     "MAIL FROM:<a@a.test>\nRCPT TO:<b@b.test>\nDATA\n",
     "Subject: x\r\n\r\nhi\r\n..dot\r\n",
     true},
    {"a quoted local part may hold anything",
     PIPE "CMAIL\nCRCPT\nCDATA\nS250 ok|250 ok|354 go\nD\nS250 queued\n",
     {"\"a> \\\"b\"@b.test"},
     {{0, 250}},
     "MAIL FROM:<a@a.test>\nRCPT TO:<\"a> \\\"b\"@b.test>\nDATA\n",
     "Subject: x\r\n\r\nhi\r\n..dot\r\n",
     true},
    {"no recipient that can be written",
     PIPE,
     {"", "x y@b.test"},
     {{GW_EINVAL, 0}, {GW_EINVAL, 0}},
     "",
     NULL,
     true},
};

static uint32_t
rcpts_set(struct smtp_send_rcpt rcpts[4], const char *const addresses[4])
{
	uint32_t n = 0;

	memset(rcpts, 0, 4 * sizeof(rcpts[0]));
	while (n < 4 && addresses[n] != NULL) {
		rcpts[n].address = addresses[n];
		n++;
	}
	return n;
}

static const char *
lines_behind_ehlo(struct bench *b)
{
	const char *at = strstr(script_lines(b->server), "EHLO");

	ck_assert_ptr_nonnull(at);
	return strchr(at, '\n') + 1;
}

START_TEST(test_send)
{
	struct smtp_send_rcpt rcpts[4];
	struct smtp_send_req req = {.mail_from = "a@a.test", .rcpts = rcpts};
	struct smtp_client_req to;
	struct bench b;

	bench_init(&b, sends[_i].label, &sends[_i].script, 1);
	to = bench_req(&b);
	bench_connect(&b, &to);
	ck_assert_ptr_nonnull(b.client);
	bench_body(&b, BODY, strlen(BODY));
	req.rcpt_count = rcpts_set(rcpts, sends[_i].rcpts);
	bench_send(&b, &req);
	ck_assert_uint_eq(b.rcpt_count, req.rcpt_count);
	for (uint32_t i = 0; i < req.rcpt_count; i++)
		ck_assert_msg(b.rcpts[i].err == sends[_i].want[i].err &&
				  b.rcpts[i].code == sends[_i].want[i].code,
			      "%s: %u: err %d code %d %s", b.label, i,
			      b.rcpts[i].err, b.rcpts[i].code, b.rcpts[i].text);
	ck_assert_msg(!b.unknown, "%s", b.label);
	ck_assert_msg(script_trouble(b.server)[0] == '\0', "%s: %s", b.label,
		      script_trouble(b.server));
	if (sends[_i].lines != NULL)
		ck_assert_str_eq(lines_behind_ehlo(&b), sends[_i].lines);
	ck_assert_msg(
	    slice_eq(script_body(b.server), slice_str(sends[_i].body)), "%s",
	    b.label);
	ck_assert_msg(smtp_client_usable(b.client) == sends[_i].usable, "%s",
		      b.label);
	bench_fini(&b);
}
END_TEST

START_TEST(test_send_reply_is_whole)
{
	static const char *const scripts[] = {
	    PIPE "CMAIL\nCRCPT\nCRCPT\nCDATA\n"
		 "S250 ok|550-5.1.1 no \x1b[1m|550 5.1.1 such|250 ok|354 go\n"
		 "D\nS250 2.6.0 queued as 42\n"};
	struct smtp_send_rcpt rcpts[2] = {{.address = "b@b.test"},
					  {.address = "c@b.test"}};
	struct smtp_send_req req = {
	    .mail_from = "", .rcpts = rcpts, .rcpt_count = 2};
	struct smtp_client_req to;
	struct bench b;

	bench_init(&b, "text and enhanced code", scripts, 1);
	to = bench_req(&b);
	bench_connect(&b, &to);
	bench_body(&b, BODY, strlen(BODY));
	bench_send(&b, &req);
	ck_assert_str_eq(b.rcpts[0].text, "no \\x1b[1m such");
	ck_assert_int_eq(b.rcpts[0].enhanced[0], 5);
	ck_assert_int_eq(b.rcpts[0].enhanced[2], 1);
	ck_assert_str_eq(b.rcpts[1].text, "queued as 42");
	ck_assert_int_eq(b.rcpts[1].enhanced[1], 6);
	ck_assert_uint_eq(smtp_client_sent_count(b.client), 1);
	bench_fini(&b);
}
END_TEST

/* ---- Parameters: only what is offered ---- */

static const struct {
	const char *label, *greeting, *mail, *rcpt;
	bool eightbit, utf8;
} params[] = {
    {"all offered", FULL,
     "MAIL FROM:<a@a.test> SIZE=123 BODY=8BITMIME SMTPUTF8 RET=HDRS "
     "ENVID=id+2B1\n",
     "RCPT TO:<b@b.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x@b.test\n", true,
     true},
    {"none offered", PIPE, "MAIL FROM:<a@a.test>\n", "RCPT TO:<b@b.test>\n",
     true, false},
    {"offered but not needed", FULL,
     "MAIL FROM:<a@a.test> SIZE=123 RET=HDRS ENVID=id+2B1\n",
     "RCPT TO:<b@b.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x@b.test\n", false,
     false},
};

START_TEST(test_params)
{
	struct smtp_send_rcpt rcpt = {.address = "b@b.test",
				      .orcpt = "rfc822;x@b.test",
				      .notify = SMTP_NOTIFY_SUCCESS |
						SMTP_NOTIFY_DELAY};
	struct smtp_send_req req = {.mail_from = "a@a.test",
				    .size_bytes = 123,
				    .eightbit = params[_i].eightbit,
				    .utf8 = params[_i].utf8,
				    .ret = SMTP_RET_HDRS,
				    .envid = "id+2B1",
				    .rcpts = &rcpt,
				    .rcpt_count = 1};
	char script[1000], want[1000];
	const char *scripts[] = {script};
	struct smtp_client_req to;
	struct bench b;

	snprintf(script, sizeof(script),
		 "%sCMAIL\nCRCPT\nCDATA\nS250 ok|250 ok|354 go\nD\nS250 in\n",
		 params[_i].greeting);
	snprintf(want, sizeof(want), "%s%sDATA\n", params[_i].mail,
		 params[_i].rcpt);
	bench_init(&b, params[_i].label, scripts, 1);
	to = bench_req(&b);
	bench_connect(&b, &to);
	bench_body(&b, BODY, strlen(BODY));
	bench_send(&b, &req);
	ck_assert_int_eq(b.rcpts[0].code, 250);
	ck_assert_str_eq(lines_behind_ehlo(&b), want);
	bench_fini(&b);
}
END_TEST

START_TEST(test_params_broken_are_left_out)
{
	static const char *const scripts[] = {
	    FULL "CMAIL\nCRCPT\nCDATA\nS250 ok|250 ok|354 go\nD\nS250 in\n"};
	struct smtp_send_rcpt rcpt = {.address = "b@b.test",
				      .orcpt = "rfc822;x NOTIFY=NEVER",
				      .notify = SMTP_NOTIFY_NEVER};
	struct smtp_send_req req = {.mail_from = "a@a.test",
				    .envid = "x\r\nRSET",
				    .rcpts = &rcpt,
				    .rcpt_count = 1};
	struct smtp_client_req to;
	struct bench b;

	bench_init(&b, "values that would break out", scripts, 1);
	to = bench_req(&b);
	bench_connect(&b, &to);
	bench_body(&b, BODY, strlen(BODY));
	bench_send(&b, &req);
	ck_assert_str_eq(lines_behind_ehlo(&b),
			 "MAIL FROM:<a@a.test>\n"
			 "RCPT TO:<b@b.test> NOTIFY=NEVER\nDATA\n");
	bench_fini(&b);
}
END_TEST

START_TEST(test_utf8_not_offered)
{
	static const char *const scripts[] = {PIPE};
	struct smtp_send_rcpt rcpt = {.address = "\xc3\xa4@b.test"};
	struct smtp_send_req req = {.mail_from = "a@a.test",
				    .utf8 = true,
				    .rcpts = &rcpt,
				    .rcpt_count = 1};
	struct smtp_client_req to;
	struct bench b;

	bench_init(&b, "SMTPUTF8 is needed and not there", scripts, 1);
	to = bench_req(&b);
	bench_connect(&b, &to);
	bench_send(&b, &req);
	ck_assert_int_eq(b.rcpts[0].err, GW_ENOTSUP);
	ck_assert(smtp_client_usable(b.client));
	ck_assert_str_eq(lines_behind_ehlo(&b), "");
	bench_fini(&b);
}
END_TEST

/* ---- One message after the other ---- */

START_TEST(test_reuse)
{
	static const char *const scripts[] = {
	    PIPE "CMAIL\nCRCPT\nCDATA\nS250 ok|250 ok|354 go\nD\nS250 in\n"
		 "CMAIL\nCRCPT\nCDATA\nS250 ok|550 no|503 no\n"
		 "CRSET\nCMAIL\nCRCPT\nCDATA\nS250 ok|250 ok|250 ok|354 go\nD\n"
		 "S451 not now\n"
		 "CMAIL\nCRCPT\nCDATA\nS250 ok|250 ok|354 go\nD\nS250 in\n"
		 "CQUIT\nS221 bye\nF\n"};
	static const int codes[] = {250, 550, 451, 250};
	struct smtp_send_rcpt rcpt = {.address = "b@b.test"};
	struct smtp_send_req req = {
	    .mail_from = "a@a.test", .rcpts = &rcpt, .rcpt_count = 1};
	struct smtp_client_req to;
	struct bench b;

	bench_init(&b, "RSET behind a failed transaction only", scripts, 1);
	to = bench_req(&b);
	bench_connect(&b, &to);
	for (size_t i = 0; i < 4; i++) {
		bench_body(&b, BODY, strlen(BODY));
		bench_send(&b, &req);
		ck_assert_int_eq(b.rcpts[0].code, codes[i]);
		ck_assert_str_eq(script_trouble(b.server), "");
	}
	ck_assert_uint_eq(smtp_client_sent_count(b.client), 2);
	smtp_client_close(&b.client);
	ck_assert_ptr_null(b.client);
	turn_some(b.loop);
	ck_assert_str_eq(script_trouble(b.server), "");
	bench_fini(&b);
}
END_TEST

/* The envelope in one write; body and dot in one write. */
START_TEST(test_bursts)
{
	static const char *const scripts[] = {
	    PIPE "CMAIL\nCRCPT\nCDATA\nS250 ok|250 ok|354 go\nD\nS250 in\n"};
	const char *envelope = "MAIL FROM:<a@a.test>\r\n"
			       "RCPT TO:<b@b.test>\r\nDATA\r\n";
	struct smtp_send_rcpt rcpt = {.address = "b@b.test"};
	struct smtp_send_req req = {
	    .mail_from = "a@a.test", .rcpts = &rcpt, .rcpt_count = 1};
	struct smtp_client_req to;
	struct bench b;

	bench_init(&b, "one write for the envelope", scripts, 1);
	to = bench_req(&b);
	bench_connect(&b, &to);
	bench_body(&b, BODY, strlen(BODY));
	bench_send(&b, &req);
	ck_assert_uint_eq(script_burst_bytes(b.server), strlen(envelope));
	bench_fini(&b);
}
END_TEST

/* Thousands of recipients: never more than 64 KiB of commands under way. */
START_TEST(test_many_rcpts)
{
	enum { COUNT = 3000, LINE = 60 };
	struct smtp_send_rcpt *rcpts = mem_array(COUNT, sizeof(*rcpts));
	char *addresses = mem_alloc(COUNT * LINE);
	char *script = mem_alloc(COUNT * 32 + 1000);
	const char *scripts[] = {script};
	struct smtp_send_req req = {
	    .mail_from = "a@a.test", .rcpts = rcpts, .rcpt_count = COUNT};
	struct smtp_client_req to;
	struct bench b;
	size_t n;

	n = (size_t)sprintf(script, "%sCMAIL\nS250 ok\n", PIPE);
	for (size_t i = 0; i < COUNT; i++) {
		sprintf(addresses + i * LINE, "somebody-%zu@some-long.b.test",
			i);
		rcpts[i].address = addresses + i * LINE;
		n += (size_t)sprintf(script + n, "CRCPT\n%s\n",
				     i % 3 == 0 ? "S550 no" : "S250 ok");
	}
	sprintf(script + n, "CDATA\nS354 go\nD\nS250 in\n");
	bench_init(&b, "3,000 recipients", scripts, 1);
	to = bench_req(&b);
	bench_connect(&b, &to);
	bench_body(&b, BODY, strlen(BODY));
	bench_send(&b, &req);
	ck_assert_str_eq(script_trouble(b.server), "");
	ck_assert_uint_eq(b.rcpt_count, COUNT);
	ck_assert_int_eq(b.rcpts[0].code, 550);
	ck_assert_int_eq(b.rcpts[1].code, 250);
	ck_assert_uint_le(script_burst_bytes(b.server), 65536);
	bench_fini(&b);
	free(rcpts);
	free(addresses);
	free(script);
}
END_TEST

/* ---- The body under back-pressure ---- */

static char *
big_body(size_t lines)
{
	char *body = mem_alloc(lines * 64 + 1);

	for (size_t i = 0; i < lines; i++)
		memcpy(body + i * 64,
		       "............................................"
		       "..................\r\n",
		       64);
	body[lines * 64] = '\0';
	return body;
}

START_TEST(test_big_body)
{
	static const size_t reads[] = {0, 1, 63, 64, 65, 4096};
	static const char *const scripts[] = {
	    PIPE "CMAIL\nCRCPT\nCDATA\nS250 ok|250 ok|354 go\nD\nS250 in\n"};
	struct smtp_send_rcpt rcpt = {.address = "b@b.test"};
	struct smtp_send_req req = {
	    .mail_from = "a@a.test", .rcpts = &rcpt, .rcpt_count = 1};
	size_t lines = reads[_i] == 1 ? 2000 : 100000;
	char *body = big_body(lines);
	struct smtp_client_req to;
	struct slice got;
	struct bench b;

	bench_init(&b, "6 MB of dots", scripts, 1);
	b.read_max = reads[_i];
	to = bench_req(&b);
	bench_connect(&b, &to);
	bench_body(&b, body, lines * 64);
	bench_send(&b, &req);
	ck_assert_int_eq(b.rcpts[0].code, 250);
	got = script_body(b.server);
	ck_assert_uint_eq(got.n, lines * 65);
	for (size_t i = 0; i < lines; i++)
		ck_assert_mem_eq(got.p + i * 65 + 1, body + i * 64, 64);
	bench_fini(&b);
	free(body);
}
END_TEST

/* A server that does not read: we do not read the spool for it either. */
START_TEST(test_body_back_pressure)
{
	static const char *const scripts[] = {
	    PIPE "CMAIL\nCRCPT\nCDATA\nS250 ok|250 ok|354 go\nW\n"};
	struct smtp_send_rcpt rcpt = {.address = "b@b.test"};
	struct smtp_send_req req = {
	    .mail_from = "a@a.test", .rcpts = &rcpt, .rcpt_count = 1};
	size_t size = 64u << 20;
	char *body = big_body(size / 64);
	struct smtp_client_req to;
	struct smtp_send_op *op;
	struct bench b;

	bench_init(&b, "a server that stopped reading", scripts, 1);
	to = bench_req(&b);
	bench_connect(&b, &to);
	bench_body(&b, body, size);
	op = bench_send_start(&b, &req);
	for (int i = 0; i < 300; i++)
		turn_some(b.loop);
	ck_assert_uint_gt(b.read_most, 0);
	ck_assert_uint_lt(b.read_most, size / 2);
	smtp_send_cancel(&op);
	ck_assert_ptr_null(op);
	ck_assert(!smtp_client_usable(b.client));
	turn_some(b.loop);
	ck_assert_uint_eq(b.sent, 0);
	bench_fini(&b);
	free(body);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("smtp/client");
	TCase *tc = tcase_create("all");

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, test_connect, 0,
			    sizeof(connects) / sizeof(connects[0]));
	tcase_add_test(tc, test_connect_size_max);
	tcase_add_test(tc, test_connect_long_password);
	tcase_add_loop_test(tc, test_connect_invalid, 0, 3);
	tcase_add_loop_test(tc, test_send, 0, sizeof(sends) / sizeof(sends[0]));
	tcase_add_test(tc, test_send_reply_is_whole);
	tcase_add_loop_test(tc, test_params, 0,
			    sizeof(params) / sizeof(params[0]));
	tcase_add_test(tc, test_params_broken_are_left_out);
	tcase_add_test(tc, test_utf8_not_offered);
	tcase_add_test(tc, test_reuse);
	tcase_add_test(tc, test_bursts);
	tcase_add_test(tc, test_many_rcpts);
	tcase_add_loop_test(tc, test_big_body, 0, 6);
	tcase_add_test(tc, test_body_back_pressure);
	suite_add_tcase(s, tc);
	return s;
}

int
main(void)
{
	SRunner *runner = srunner_create(suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
