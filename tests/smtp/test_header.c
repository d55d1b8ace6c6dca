#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/smtp/header.h"

enum {
	DATE = 1 << 0,
	ID = 1 << 1,
	FROM = 1 << 2,
	BARE = 1 << 3, /* headerless */
	EIGHT = 1 << 4,
	DONE = 1 << 5, /* before the message ended */
};

static const struct {
	const char *label, *in;
	enum header_verdict verdict;
	const char *what;
	int flags;
	const char *id, *from, *sender, *subject;
} rows[] = {
    {"usual",
     "From: A <a@b>\r\nDate: x\r\nMessage-ID: <1@b>\r\nSubject: Hi\r\n\r\n"
     "From: body\r\n",
     HEADER_FINE, "", DATE | ID | FROM | DONE, "<1@b>", "A <a@b>", NULL, "Hi"},
    {"names in any case, blanks before the colon",
     "FROM : a\r\nmessage-id\t:<2>\r\nSENDER:s\r\n\r\n", HEADER_FINE, "",
     ID | FROM | DONE, "<2>", "a", "s", NULL},
    {"folded", "Subject: a\r\n b\r\n\tc\r\nX: y\r\n z\r\n\r\n", HEADER_FINE, "",
     DONE, NULL, NULL, NULL, "a b\tc"},
    {"folded from the start", "From:\r\n a@b\r\n\r\n", HEADER_FINE, "",
     FROM | DONE, NULL, "a@b", NULL, NULL},
    {"empty value", "From:\r\nMessage-ID: \r\n\r\n", HEADER_FINE, "",
     FROM | ID | DONE, "", "", NULL, NULL},
    {"no body", "From: a\r\nDate: b\r\n", HEADER_FINE, "", FROM | DATE, NULL,
     "a", NULL, NULL},
    {"nothing", "", HEADER_FINE, "", 0, NULL, NULL, NULL, NULL},
    {"empty line first", "\r\nFrom: a\r\n", HEADER_FINE, "", DONE, NULL, NULL,
     NULL, NULL},
    {"no header", "Hello there\r\nFrom: a\r\n\r\n", HEADER_FINE, "",
     BARE | DONE, NULL, NULL, NULL, NULL},
    {"mbox line", "From a@b Mon\r\nFrom: a\r\n\r\n", HEADER_FINE, "",
     BARE | DONE, NULL, NULL, NULL, NULL},
    {"folded first line", " a: b\r\n", HEADER_FINE, "", BARE | DONE, NULL, NULL,
     NULL, NULL},
    {"colon first", ": b\r\n", HEADER_FINE, "", BARE | DONE, NULL, NULL, NULL,
     NULL},
    {"two From", "From: a\r\nX: y\r\nfrom: b\r\n\r\n", HEADER_REPEATED, "From",
     FROM | DONE, NULL, "a", NULL, NULL},
    {"a second From behind a line that is none",
     "From: a\r\nrubbish\r\nFrom: b\r\n\r\n", HEADER_REPEATED, "From",
     FROM | DONE, NULL, "a", NULL, NULL},
    {"a folded line behind a repeated field is not the first one's",
     "Subject: a\r\nSubject: b\r\n c\r\n\r\n", HEADER_REPEATED, "Subject", DONE,
     NULL, NULL, NULL, "a"},
    {"two Date", "Date: a\r\nDate: b\r\n\r\n", HEADER_REPEATED, "Date",
     DATE | DONE, NULL, NULL, NULL, NULL},
    {"two Message-ID", "Message-ID: a\r\nMessage-Id: b\r\n\r\n",
     HEADER_REPEATED, "Message-ID", ID | DONE, "a", NULL, NULL, NULL},
    {"two Sender", "Sender: a\r\nSender: b\r\n\r\n", HEADER_REPEATED, "Sender",
     DONE, NULL, NULL, "a", NULL},
    {"two To", "To: a\r\nTo: b\r\n\r\n", HEADER_REPEATED, "To", DONE, NULL,
     NULL, NULL, NULL},
    {"two Received are fine", "Received: a\r\nReceived: b\r\n\r\n", HEADER_FINE,
     "", DONE, NULL, NULL, NULL, NULL},
    {"eight bits in the header", "Subject: \xc3\xa4\r\n\r\n", HEADER_FINE, "",
     EIGHT | DONE, NULL, NULL, NULL, "\xc3\xa4"},
    {"eight bits in the body", "Subject: a\r\n\r\n\xc3\xa4\r\n", HEADER_FINE,
     "", DONE, NULL, NULL, NULL, "a"},
};

static void
same(struct slice got, const char *want, const char *label)
{
	ck_assert_msg((got.p == NULL) == (want == NULL) &&
			  (want == NULL || (got.n == strlen(want) &&
					    memcmp(got.p, want, got.n) == 0)),
		      "%s: \"%.*s\"", label, (int)got.n, got.p);
}

static void
add(struct header_scan *scan, const char *p, size_t n)
{
	char *copy = malloc(n > 0 ? n : 1);

	memcpy(copy, p, n);
	header_scan_add(scan, slice_of(copy, n));
	free(copy);
}

START_TEST(scans)
{
	const char *in = rows[_i].in, *label = rows[_i].label;
	size_t n = strlen(in), cut, i;

	for (cut = 0; cut <= n + 1; cut++) {
		struct header_scan *scan = header_scan_create();
		int got;

		if (cut > n) {
			for (i = 0; i < n; i++)
				add(scan, in + i, 1);
		} else {
			add(scan, in, cut);
			add(scan, in + cut, n - cut);
		}
		got = (header_scan_done(scan) ? DONE : 0);
		header_scan_end(scan);
		ck_assert(header_scan_done(scan));
		got |= (header_has_date(scan) ? DATE : 0) |
		       (header_has_message_id(scan) ? ID : 0) |
		       (header_has_from(scan) ? FROM : 0) |
		       (header_is_headerless(scan) ? BARE : 0) |
		       (header_eightbit_seen(scan) ? EIGHT : 0);
		ck_assert_msg(got == rows[_i].flags, "%s, cut %zu: %#x", label,
			      cut, (unsigned)got);
		ck_assert_int_eq(header_scan_verdict(scan), rows[_i].verdict);
		ck_assert_str_eq(header_scan_what(scan), rows[_i].what);
		same(header_message_id(scan), rows[_i].id, label);
		same(header_from(scan), rows[_i].from, label);
		same(header_sender(scan), rows[_i].sender, label);
		same(header_subject(scan), rows[_i].subject, label);
		header_scan_destroy(&scan);
		ck_assert_ptr_null(scan);
	}
}
END_TEST

static const struct {
	const char *label, *in;
	unsigned count;
	const char *value;
} watched[] = {
    {"none", "From: a\r\nX-Own-Too: b\r\n\r\nX-Own: c\r\n", 0, NULL},
    {"one", "From: a\r\nx-OWN:  b c \r\nTo: d\r\n\r\n", 1, "b c"},
    {"blanks before the colon", "X-Own \t: b\r\n\r\n", 1, "b"},
    {"folded", "X-Own: b\r\n c\r\n\td\r\nTo: e\r\n f\r\n\r\n", 1, "b c\td"},
    {"empty", "X-Own:\r\n\r\n", 1, ""},
    {"three, which nobody minds",
     "X-Own: a\r\n b\r\nX-Own: c\r\n d\r\nX-Own: e\r\n\r\n", 3, "a b"},
    {"behind a line that is none", "A: b\r\nrubbish\r\nX-Own: c\r\n\r\n", 1,
     "c"},
    {"no end", "X-Own: b", 1, "b"},
};

START_TEST(watches)
{
	const char *in = watched[_i].in, *label = watched[_i].label;
	size_t n = strlen(in);

	for (size_t cut = 0; cut <= n + 1; cut++) {
		struct header_scan *scan = header_scan_create();
		struct slice value;

		header_scan_watch(scan, "X-Own");
		for (size_t i = 0; cut > n && i < n; i++)
			add(scan, in + i, 1);
		if (cut <= n) {
			add(scan, in, cut);
			add(scan, in + cut, n - cut);
		}
		header_scan_end(scan);
		ck_assert_msg(header_watched(scan, &value) == watched[_i].count,
			      "%s, cut %zu", label, cut);
		same(value, watched[_i].value, label);
		ck_assert_int_eq(header_scan_verdict(scan), HEADER_FINE);
		header_scan_destroy(&scan);
	}
}
END_TEST

/* times lines, then an empty one. */
static enum header_verdict
verdict_of(const char *line, size_t times)
{
	struct header_scan *scan = header_scan_create();
	enum header_verdict verdict;

	while (times-- > 0)
		add(scan, line, strlen(line));
	add(scan, "\r\n", 2);
	ck_assert(header_scan_done(scan));
	verdict = header_scan_verdict(scan);
	header_scan_destroy(&scan);
	return verdict;
}

START_TEST(caps)
{
	static const char x100[] =
	    "X: 0123456789012345678901234567890123456789012345678901234567890"
	    "12345678901234567890123456789012345\r\n";

	ck_assert_uint_eq(strlen(x100), 101);
	ck_assert_int_eq(verdict_of("Received: x\r\n", HEADER_RECEIVED_MAX),
			 HEADER_FINE);
	ck_assert_int_eq(verdict_of("Received: x\r\n", HEADER_RECEIVED_MAX + 1),
			 HEADER_LOOP);
	ck_assert_int_eq(verdict_of(x100, 1013), HEADER_FINE);
	ck_assert_int_eq(verdict_of(x100, 1014), HEADER_TOO_BIG);
}
END_TEST

START_TEST(a_value_has_a_cap)
{
	struct header_scan *scan = header_scan_create();
	char text[600];
	int i;

	memset(text, 'x', sizeof(text));
	memcpy(text + sizeof(text) - 2, "\r\n", 2);
	memcpy(text, "Subject:", 8);
	for (i = 0; i < 10; i++) {
		add(scan, text, sizeof(text));
		memset(text, ' ', 8);
	}
	add(scan, "\r\n", 2);
	ck_assert_uint_le(header_subject(scan).n, 998);
	ck_assert_uint_ge(header_subject(scan).n, 990);
	header_scan_destroy(&scan);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("smtp/header");
	TCase *tc = tcase_create("header");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, scans, 0,
			    (int)(sizeof(rows) / sizeof(rows[0])));
	tcase_add_loop_test(tc, watches, 0,
			    (int)(sizeof(watched) / sizeof(watched[0])));
	tcase_add_test(tc, caps);
	tcase_add_test(tc, a_value_has_a_cap);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
