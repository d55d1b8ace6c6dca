#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/back/dsn.h"

#define TEXT(s)                       \
	{                             \
		("" s), sizeof(s) - 1 \
	}

static const struct {
	const char *label;
	uint8_t notify;
	bool failed, delayed, success;
} wants[] = {
    {"not given", 0, true, true, false},
    {"NEVER", NOTIFY_NEVER, false, false, false},
    {"NEVER wins", NOTIFY_NEVER | NOTIFY_FAILURE, false, false, false},
    {"FAILURE", NOTIFY_FAILURE, true, false, false},
    {"DELAY", NOTIFY_DELAY, false, true, false},
    {"SUCCESS", NOTIFY_SUCCESS, false, false, true},
    {"all", NOTIFY_SUCCESS | NOTIFY_FAILURE | NOTIFY_DELAY, true, true, true},
};

START_TEST(test_wanted)
{
	for (size_t i = 0; i < sizeof(wants) / sizeof(wants[0]); i++) {
		uint8_t n = wants[i].notify;

		ck_assert_msg(
		    dsn_wanted(n, DSN_FAILED) == wants[i].failed &&
			dsn_wanted(n, DSN_DELAYED) == wants[i].delayed &&
			dsn_wanted(n, DSN_RELAYED) == wants[i].success &&
			dsn_wanted(n, DSN_DELIVERED) == wants[i].success,
		    "%s", wants[i].label);
	}
}
END_TEST

static const struct {
	const char *label, *in, *out;
} blocks[] = {
    {"usual", "A: b\r\nC: d\r\n\r\nbody\r\n", "A: b\r\nC: d\r\n"},
    {"no body", "A: b\r\n", "A: b\r\n"},
    {"no headers", "\r\nbody\r\n", ""},
    {"nothing", "", ""},
    {"cut inside", "A: b\r\nC", "A: b\r\nC"},
};

START_TEST(test_header_block)
{
	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++)
		ck_assert_msg(
		    slice_eq(dsn_header_block(slice_str(blocks[i].in)),
			     slice_str(blocks[i].out)),
		    "%s", blocks[i].label);
}
END_TEST

static const char headers[] = "From: ann@example.org\r\n"
			      "Subject: caf\xc3\xa9\r\n";
static const char whole[] = "From: ann@example.org\r\n"
			    "Subject: hello\r\n\r\nthe body";

static const struct dsn_rcpt rcpts[] = {
    {.address = "bob@example.net",
     .orcpt = "rfc822;Bob+2B1@example.net",
     .action = DSN_FAILED,
     .status = {5, 1, 1},
     .diagnostic =
	 TEXT("550 5.1.1 no such user; we looked in every book that we "
	      "have and in some that we borrowed from the neighbours"),
     .from_remote = true,
     .remote_mta = "mx.example.net"},
    {.address = "eve@example.net",
     .action = DSN_DELAYED,
     .status = {4, 4, 1},
     .diagnostic = TEXT("4.4.1 connection refused")},
    {.address = "zoe@example.net", .action = DSN_RELAYED, .status = {2, 0, 0}},
};

/* What tries to add a field of its own, or to end the part. */
static const struct dsn_rcpt evil[] = {
    {.address = "\"a\r\nAction: delivered\r\n\r\n\"@example.net",
     .orcpt = "rfc822;x+0D+0AStatus:+202.0.0",
     .action = DSN_FAILED,
     .status = {5, 0, 0},
     .diagnostic = TEXT("550 bad\r\n--=_b--\r\nStatus: 2.0.0"),
     .from_remote = true,
     .remote_mta = "h\r\nX: y"},
};

static const struct dsn_rcpt utf8[] = {
    {.address = "j\xc3\xbcrgen@example.net",
     .action = DSN_FAILED,
     .status = {5, 1, 1},
     .diagnostic = TEXT("550 5.1.1 nobody"),
     .from_remote = true},
};

static const struct parse_case {
	const char *label;
	struct dsn dsn;
	bool eightbit;
	const char *expect; /* a Python expression over m, parts, status */
} parses[] = {
    {"headers, three recipients",
     {.rcpts = rcpts, .rcpt_count = 3, .envid = "q+3D1"},
     false,
     "len(status) == 4 and status[0]['Original-Envelope-Id'] == 'q=1' and "
     "status[0]['Reporting-MTA'] == 'dns; gate.example.org' and "
     "status[1]['Action'] == 'failed' and status[1]['Status'] == '5.1.1' and "
     "status[1]['Original-Recipient'] == 'rfc822; Bob+1@example.net' and "
     "status[1]['Final-Recipient'] == 'rfc822; bob@example.net' and "
     "status[1]['Remote-MTA'] == 'dns; mx.example.net' and "
     "' '.join(status[1]['Diagnostic-Code'].split()).endswith('neighbours') "
     "and status[2]['Action'] == 'delayed' and "
     "status[2]['Will-Retry-Until'] and status[3]['Action'] == 'relayed' and "
     "parts[2].get_content_type() == 'text/rfc822-headers' and "
     "'caf?"
     "?' in parts[2].get_payload()"},
    {"the whole message",
     {.rcpts = rcpts, .rcpt_count = 1, .whole = true},
     false,
     "parts[2].get_content_type() == 'message/rfc822' and "
     "parts[2].get_payload()[0].get_payload().strip() == 'the body'"},
    {"nobody gets a field in",
     {.rcpts = evil, .rcpt_count = 1},
     false,
     "len(status) == 2 and status[1]['Status'] == '5.0.0' and "
     "status[1]['Action'] == 'failed' and 'X' not in status[1] and "
     "len(status[1].get_all('Status')) == 1"},
    {"SMTPUTF8",
     {.rcpts = utf8, .rcpt_count = 1, .utf8 = true},
     true,
     "parts[1].get_content_type() == 'message/global-delivery-status' and "
     "b'Final-Recipient: utf-8; j\\xc3\\xbcrgen@example.net' in raw and "
     "parts[2].get_content_type() == 'message/global-headers'"},
};

static const char script[] =
    "import email, sys\n"
    "raw = open(sys.argv[1], 'rb').read()\n"
    "m = email.message_from_bytes(raw)\n"
    "assert all(l.endswith(b'\\r\\n') for l in raw.splitlines(True))\n"
    "assert max(len(l) for l in raw.splitlines()) < 998\n"
    "assert not m.defects, m.defects\n"
    "assert m.get_content_type() == 'multipart/report'\n"
    "assert m['Auto-Submitted'] == 'auto-replied'\n"
    "assert m['To'] == '<ann@example.org>' and m['Date'] and m['Message-ID']\n"
    "parts = m.get_payload()\n"
    "assert len(parts) == 3\n"
    "assert parts[0].get_content_type() == 'text/plain'\n"
    "status = parts[1].get_payload()\n"
    "assert m.get_param('report-type') == "
    "parts[1].get_content_type().split('/')[1]\n"
    "assert eval(sys.argv[2]), raw.decode('utf-8', 'replace')\n";

START_TEST(test_python_reads_it)
{
	const struct parse_case *c = &parses[_i];
	struct dsn dsn = c->dsn;
	struct buf out, command;
	char path[] = "/tmp/sluice-dsn-XXXXXX",
	     code[] = "/tmp/sluice-py-XXXXXX";
	FILE *f;

	dsn.hostname = "gate.example.org";
	dsn.from = "postmaster@example.org";
	dsn.to = "ann@example.org";
	dsn.boundary = "=_b";
	dsn.own_id = 1;
	dsn.about_id = 2;
	dsn.arrival_wall_s = 1700000000;
	dsn.now_wall_s = 1700001000;
	dsn.retry_until_wall_s = 1700345600;
	dsn.original = dsn.whole ? slice_str(whole) : slice_str(headers);
	buf_init(&out, 1 << 20);
	ck_assert_msg(dsn_build(&out, &dsn) == c->eightbit, "%s", c->label);
	f = fdopen(mkstemp(path), "w");
	ck_assert_uint_eq(fwrite(out.p, 1, out.n, f), out.n);
	fclose(f);
	f = fdopen(mkstemp(code), "w");
	ck_assert_int_ge(fputs(script, f), 0);
	fclose(f);
	buf_init(&command, 8192);
	buf_printf(&command, "python3 %s %s \"%s\"", code, path, c->expect);
	ck_assert_msg(system(buf_cstr(&command)) == 0, "%s", c->label);
	remove(path);
	remove(code);
	buf_fini(&command);
	buf_fini(&out);
}
END_TEST

/* Whatever stands in the values, no line is more than we wrote. */
START_TEST(test_every_byte)
{
	for (int c = 1; c < 256; c++) {
		char address[] = "a?b@example.net";
		struct dsn_rcpt rcpt = {.action = DSN_FAILED,
					.address = address,
					.status = {5, 0, 0}};
		struct dsn dsn = {.hostname = "h",
				  .from = "p@h",
				  .to = address,
				  .boundary = "=_b",
				  .envid = address,
				  .rcpts = &rcpt,
				  .rcpt_count = 1};
		static size_t lines_wanted;
		struct buf out;
		size_t lines = 0;

		address[1] = (char)c;
		rcpt.orcpt = address;
		rcpt.remote_mta = address;
		rcpt.diagnostic = slice_str(address);
		for (int utf = 0; utf < 2; utf++) {
			dsn.utf8 = utf;
			buf_init(&out, 1 << 16);
			lines = 0;
			dsn_build(&out, &dsn);
			for (size_t i = 0; i < out.n; i++)
				lines += out.p[i] == '\n';
			buf_fini(&out);
			if (c == 1)
				lines_wanted = lines;
			/* 8 bits are announced with a line a part. */
			/* ';' makes an Original-Recipient, ' ' folds. */
			if (c != ';' && c != ' ' && (!utf || c < 128))
				ck_assert_msg(lines == lines_wanted, "%d", c);
		}
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("back/dsn");
	TCase *tc = tcase_create("dsn");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, test_wanted);
	tcase_add_test(tc, test_header_block);
	tcase_add_loop_test(tc, test_python_reads_it, 0,
			    sizeof(parses) / sizeof(parses[0]));
	tcase_add_test(tc, test_every_byte);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
