#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/encode.h"
#include "gateway/dkim/canon.h"

/* The canonical forms, against the words of RFC 6376, 3.4; verify.py has others
 * look at them. */

static const struct {
	const char *label, *in, *want;
} fields[] = {
    {"RFC 6376, 3.4.5: A", "A: X\r\n", "a:X\r\n"},
    {"RFC 6376, 3.4.5: B", "B : Y\t\r\n\tZ  \r\n", "b:Y Z\r\n"},
    {"as it is", "a:b\r\n", "a:b\r\n"},
    {"no value", "Subject:\r\n", "subject:\r\n"},
    {"blanks alone", "Subject: \t \r\n  \r\n", "subject:\r\n"},
    {"runs", "X:  a \t b\t\tc\r\n", "x:a b c\r\n"},
    {"folded twice", "X: a\r\n b\r\n\t c\r\n", "x:a b c\r\n"},
    {"colons", "X: a:b : c\r\n", "x:a:b : c\r\n"},
    {"8 bits", "X: \xc3\xa4\xff\r\n", "x:\xc3\xa4\xff\r\n"},
    {"its case stays", "SuBJect: AbC\r\n", "subject:AbC\r\n"},
};

START_TEST(field)
{
	struct buf out = {.cap = 4096};

	dkim_canon_field(&out, slice_str(fields[_i].in));
	ck_assert_msg(slice_eq(buf_slice(&out), slice_str(fields[_i].want)),
		      "%s: %s", fields[_i].label, buf_cstr(&out));
	buf_fini(&out);
}
END_TEST

static const struct {
	const char *label, *in, *want; /* want: what is hashed */
} bodies[] = {
    {"RFC 6376, 3.4.5", " C \r\nD \t E\r\n\r\n\r\n", " C\r\nD E\r\n"},
    {"nothing", "", ""},
    {"an empty line", "\r\n", ""},
    {"empty lines", "\r\n\r\n\r\n", ""},
    {"blanks alone", " \t \r\n\t\r\n ", ""},
    {"a line", "x\r\n", "x\r\n"},
    {"no end of line", "x", "x\r\n"},
    {"blanks at no end of line", "x \t", "x\r\n"},
    {"empty lines in between", "x\r\n\r\n \r\n\r\ny\r\n",
     "x\r\n\r\n\r\n\r\ny\r\n"},
    {"empty lines in front", "\r\n\r\nx\r\n", "\r\n\r\nx\r\n"},
    {"blank lines at the end", "x\r\n \r\n\t \r\n\r\n", "x\r\n"},
    {"blanks in front", " \t x\r\n", " x\r\n"},
    {"a bare CR", "a\rb\r\n", "a\rb\r\n"},
    {"a bare CR at the end", "a\r", "a\r\r\n"},
    {"a bare CR behind blanks", "a \r b\r\n", "a \r b\r\n"},
    {"CRCRLF", "a\r\r\n", "a\r\r\n"},
    {"a bare CR in an empty line", "\r\r\nx\r\n", "\r\r\nx\r\n"},
    {"a bare LF", "a\nb\r\n", "a\nb\r\n"},
};

static void
expect(const char *label, const char *how, size_t at, struct dkim_body *body,
       const char *want)
{
	struct digest *digest = digest_create();
	uint8_t have[DIGEST_SIZE], wanted[DIGEST_SIZE];

	dkim_body_end(body, have);
	digest_add(digest, slice_str(want));
	digest_final(digest, wanted);
	ck_assert_msg(memcmp(have, wanted, DIGEST_SIZE) == 0, "%s, %s %zu",
		      label, how, at);
	digest_destroy(&digest);
}

/* Whole, byte by byte, and cut at each place; one object for all. */
START_TEST(body)
{
	const char *label = bodies[_i].label, *want = bodies[_i].want;
	struct slice in = slice_str(bodies[_i].in);
	struct dkim_body b;

	dkim_body_init(&b);
	dkim_body_add(&b, in);
	expect(label, "whole", 0, &b, want);
	for (size_t i = 0; i < in.n; i++)
		dkim_body_add(&b, slice_head(slice_from(in, i), 1));
	expect(label, "byte by byte", 0, &b, want);
	for (size_t i = 0; i <= in.n; i++) {
		dkim_body_add(&b, slice_head(in, i));
		dkim_body_add(&b, slice_from(in, i));
		expect(label, "cut at", i, &b, want);
	}
	dkim_body_fini(&b);
}
END_TEST

/* RFC 8463, A.3: both signatures there have this bh. */
START_TEST(example)
{
	uint8_t digest[DIGEST_SIZE];
	struct buf text = {.cap = 64};
	struct dkim_body b;

	dkim_body_init(&b);
	dkim_body_add(&b, SLICE_LIT("Hi.\r\n\r\nWe lost the game.  Are you "
				    "hungry yet?\r\n\r\nJoe.\r\n"));
	dkim_body_end(&b, digest);
	base64_encode(&text, slice_of(digest, sizeof(digest)));
	ck_assert_str_eq(buf_cstr(&text),
			 "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=");
	buf_fini(&text);
	dkim_body_fini(&b);
}
END_TEST

/* A million empty lines are kept as a number, and come when a character does.
 */
START_TEST(many_lines)
{
	struct digest *digest = digest_create();
	uint8_t have[DIGEST_SIZE], want[DIGEST_SIZE];
	struct dkim_body b;

	dkim_body_init(&b);
	for (int i = 0; i < 1000000; i++) {
		dkim_body_add(&b, SLICE_LIT(" \r\n"));
		digest_add(digest, SLICE_LIT("\r\n"));
	}
	dkim_body_add(&b, SLICE_LIT("x\r\n"));
	digest_add(digest, SLICE_LIT("x\r\n"));
	dkim_body_end(&b, have);
	digest_final(digest, want);
	ck_assert_mem_eq(have, want, DIGEST_SIZE);
	dkim_body_fini(&b);
	digest_destroy(&digest);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("canon");
	TCase *t = tcase_create("canon");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(t, field, 0,
			    (int)(sizeof(fields) / sizeof(fields[0])));
	tcase_add_loop_test(t, body, 0,
			    (int)(sizeof(bodies) / sizeof(bodies[0])));
	tcase_add_test(t, example);
	tcase_add_test(t, many_lines);
	suite_add_tcase(suite, t);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
