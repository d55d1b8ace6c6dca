/* Each reply is parsed whole, byte by byte, and cut at each offset. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/buf.h"
#include "gateway/smtp/reply_parse.h"

static const struct {
	const char *label, *in;
	enum reply_step step;
	int code;
	const char *enhanced; /* three bytes; NULL: none */
	const char *text;
	size_t left; /* bytes that belong to the next reply */
} rows[] = {
    {"one line", "250 ok\r\n", REPLY_DONE, 250, NULL, "ok", 0},
    {"no text", "250\r\n", REPLY_DONE, 250, NULL, "", 0},
    {"no text, a space", "250 \r\n", REPLY_DONE, 250, NULL, "", 0},
    {"bare LF ends it", "250 ok\n", REPLY_DONE, 250, NULL, "ok", 0},
    {"several lines", "550-no\r\n550-such\r\n550 user\r\n", REPLY_DONE, 550,
     NULL, "no such user", 0},
    {"an empty line between", "550-no\r\n550-\r\n550 user\r\n", REPLY_DONE, 550,
     NULL, "no user", 0},
    {"the last line without text", "250-x\r\n250\r\n", REPLY_DONE, 250, NULL,
     "x", 0},
    {"two replies", "250 a\r\n354 b\r\n", REPLY_DONE, 250, NULL, "a", 7},
    {"enhanced code", "550 5.1.1 no\r\n", REPLY_DONE, 550, "\5\1\1", "no", 0},
    {"enhanced code on each line", "450-4.2.1 try\r\n450 4.2.1 later\r\n",
     REPLY_DONE, 450, "\4\2\1", "try later", 0},
    {"enhanced code alone", "250 2.0.0\r\n", REPLY_DONE, 250, "\2\0\0", "", 0},
    {"of another class it is text", "550 4.1.1 no\r\n", REPLY_DONE, 550, NULL,
     "4.1.1 no", 0},
    {"over 255 it is text", "550 5.1.256 no\r\n", REPLY_DONE, 550, NULL,
     "5.1.256 no", 0},
    {"a version is none", "220 2.0.0beta\r\n", REPLY_DONE, 220, NULL,
     "2.0.0beta", 0},
    {"an address is none", "550 5.6.7.8 no\r\n", REPLY_DONE, 550, NULL,
     "5.6.7.8 no", 0},
    {"controls are escaped", "250 a\033[1m\001b\r\n", REPLY_DONE, 250, NULL,
     "a\\x1b[1m\\x01b", 0},
    {"CR inside is text", "250 a\rb\r\n", REPLY_DONE, 250, NULL, "a\\x0db", 0},
    {"a backslash is doubled", "250 a\\b\r\n", REPLY_DONE, 250, NULL, "a\\\\b",
     0},
    {"UTF-8 stays, Latin-1 is escaped", "250 \xc3\xa4 \xe4\r\n", REPLY_DONE,
     250, NULL, "\xc3\xa4 \\xe4", 0},
    {"codes differ", "250-a\r\n251 b\r\n", REPLY_BROKEN, 0, NULL, NULL, 0},
    {"two digits", "25 ok\r\n", REPLY_BROKEN, 0, NULL, NULL, 0},
    {"four digits", "2500 ok\r\n", REPLY_BROKEN, 0, NULL, NULL, 0},
    {"199", "199 x\r\n", REPLY_BROKEN, 0, NULL, NULL, 0},
    {"600", "600 x\r\n", REPLY_BROKEN, 0, NULL, NULL, 0},
    {"no code", "hello\r\n", REPLY_BROKEN, 0, NULL, NULL, 0},
    {"an empty line", "\r\n", REPLY_BROKEN, 0, NULL, NULL, 0},
    {"a space in front", " 250 ok\r\n", REPLY_BROKEN, 0, NULL, NULL, 0},
    {"a tab behind", "250\tok\r\n", REPLY_BROKEN, 0, NULL, NULL, 0},
    {"not ended", "250-a\r\n250 b", REPLY_MORE, 0, NULL, NULL, 0},
};

/* Lines until something other than a line comes. */
static enum reply_step
pull(struct reply_parse *r, struct slice *in)
{
	enum reply_step step;
	struct slice line;

	do {
		step = reply_parse_next(r, in, &line);
	} while (step == REPLY_LINE);
	return step;
}

/* in, given in pieces of at most n bytes, the first of them `first`. */
static enum reply_step
pull_pieces(struct reply_parse *r, struct slice in, size_t first, size_t n,
	    size_t *left)
{
	enum reply_step step = REPLY_MORE;
	struct slice seen = slice_of(in.p, 0);
	size_t given = 0, add = first;

	while (step == REPLY_MORE && given < in.n) {
		add = add < in.n - given ? add : in.n - given;
		seen.n += add;
		given += add;
		add = n;
		step = pull(r, &seen);
	}
	*left = seen.n + in.n - given;
	return step;
}

static void
check_row(int i, size_t first, size_t n)
{
	struct reply_parse r;
	struct smtp_reply reply;
	enum reply_step step;
	size_t left;

	reply_parse_init(&r);
	step = pull_pieces(&r, slice_str(rows[i].in), first, n, &left);
	ck_assert_msg(step == rows[i].step, "%s at %zu: %d", rows[i].label,
		      first, step);
	if (step != REPLY_DONE)
		return;
	reply_parse_get(&r, &reply);
	ck_assert_msg(reply.code == rows[i].code, "%s", rows[i].label);
	ck_assert_msg(slice_eq(reply.text, slice_str(rows[i].text)), "%s: %.*s",
		      rows[i].label, (int)reply.text.n, reply.text.p);
	ck_assert_msg(
	    memcmp(reply.enhanced,
		   rows[i].enhanced != NULL ? rows[i].enhanced : "\0\0\0",
		   3) == 0,
	    "%s", rows[i].label);
	ck_assert_msg(left == rows[i].left, "%s: %zu left", rows[i].label,
		      left);
}

START_TEST(test_rows)
{
	size_t n = strlen(rows[_i].in);

	check_row(_i, n, n);
	check_row(_i, 1, 1);
	for (size_t cut = 1; cut < n; cut++)
		check_row(_i, cut, n);
}
END_TEST

static enum reply_step
parse_lines(size_t count, size_t size, bool end)
{
	struct buf b = {.cap = 1 << 20};
	struct reply_parse r;
	struct slice in;
	enum reply_step step;

	for (size_t i = 0; i < count; i++) {
		buf_add_str(&b, i + 1 == count && end ? "250 " : "250-");
		for (size_t k = 6; k < size; k++)
			buf_add_byte(&b, 'x');
		buf_add_str(&b, "\r\n");
	}
	reply_parse_init(&r);
	in = buf_slice(&b);
	step = pull(&r, &in);
	ck_assert_uint_le(r.text_n, REPLY_TEXT_MAX);
	buf_fini(&b);
	return step;
}

START_TEST(test_caps)
{
	ck_assert_int_eq(parse_lines(1, REPLY_LINE_MAX, true), REPLY_DONE);
	ck_assert_int_eq(parse_lines(1, REPLY_LINE_MAX + 1, true),
			 REPLY_BROKEN);
	ck_assert_int_eq(parse_lines(REPLY_LINES_MAX, 80, true), REPLY_DONE);
	ck_assert_int_eq(parse_lines(REPLY_LINES_MAX + 1, 80, true),
			 REPLY_BROKEN);
	ck_assert_int_eq(parse_lines(REPLY_LINES_MAX, 80, false), REPLY_MORE);
}
END_TEST

/* Wherever the 512 octets end, no character and no escape is cut. */
START_TEST(test_text_cut)
{
	static const char *const atoms[] = {"\xc3\xa4", "\xe2\x82\xac",
					    "\xf0\x9f\x98\x80", "\\", "\x01"};

	for (size_t a = 0; a < sizeof(atoms) / sizeof(atoms[0]); a++) {
		for (size_t pad = 0; pad < 8; pad++) {
			char out[REPLY_TEXT_MAX];
			struct buf raw = {.cap = 4096};
			size_t n = 0;
			size_t unit = a < 3 ? strlen(atoms[a]) : a == 3 ? 2 : 4;

			for (size_t i = 0; i < pad; i++)
				buf_add_byte(&raw, 'x');
			for (size_t i = 0; i < 600; i++)
				buf_add_str(&raw, atoms[a]);
			ck_assert(!reply_text_add(out, &n, buf_slice(&raw)));
			ck_assert_uint_gt(n, REPLY_TEXT_MAX - 4);
			ck_assert_uint_le(n, REPLY_TEXT_MAX);
			/* what is left is made of whole atoms */
			ck_assert_uint_eq((n - pad) % unit, 0);
			buf_fini(&raw);
		}
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("smtp/reply_parse");
	TCase *tc = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, test_rows, 0,
			    (int)(sizeof(rows) / sizeof(rows[0])));
	tcase_add_test(tc, test_caps);
	tcase_add_test(tc, test_text_cut);
	suite_add_tcase(s, tc);
	runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
