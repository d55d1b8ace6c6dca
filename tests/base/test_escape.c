#include <check.h>
#include <stdlib.h>

#include "gateway/base/escape.h"

static const struct {
	const char *label, *in, *text, *logfmt, *json, *reply;
} rows[] = {
    {"word", "abc", "abc", "abc", "\"abc\"", "abc"},
    {"empty", "", "", "\"\"", "\"\"", ""},
    {"blank", "a b", "a b", "\"a b\"", "\"a b\"", "a b"},
    {"equals", "a=b", "a=b", "\"a=b\"", "\"a=b\"", "a=b"},
    {"quote", "a\"b", "a\"b", "\"a\\\"b\"", "\"a\\\"b\"", "a\"b"},
    {"backslash", "a\\b", "a\\\\b", "\"a\\\\b\"", "\"a\\\\b\"", "a\\b"},
    {"forged line", "x\nlevel=error", "x\\x0alevel=error",
     "\"x\\x0alevel=error\"", "\"x\\nlevel=error\"", "x?level=error"},
    {"CR, tab", "\r\t", "\\x0d\\x09", "\"\\x0d\\x09\"", "\"\\r\\t\"", "??"},
    {"terminal escape", "\x1b[2J", "\\x1b[2J", "\"\\x1b[2J\"", "\"\\u001b[2J\"",
     "?[2J"},
    {"DEL", "\x7f", "\\x7f", "\"\\x7f\"", "\"\\u007f\"", "?"},
    {"umlaut", "\xc3\xa4", "\xc3\xa4", "\"\xc3\xa4\"", "\"\xc3\xa4\"", "??"},
    {"emoji", "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80", "\"\xf0\x9f\x98\x80\"",
     "\"\xf0\x9f\x98\x80\"", "????"},
    {"C1 CSI in UTF-8", "\xc2\x9b", "\\xc2\\x9b", "\"\\xc2\\x9b\"",
     "\"\\u009b\"", "??"},
    {"C1 CSI raw", "\x9b", "\\x9b", "\"\\x9b\"", "\"\\u009b\"", "?"},
    {"right-to-left override", "\xe2\x80\xae", "\\xe2\\x80\\xae",
     "\"\\xe2\\x80\\xae\"", "\"\\u202e\"", "???"},
    {"line separator", "\xe2\x80\xa8", "\\xe2\\x80\\xa8", "\"\\xe2\\x80\\xa8\"",
     "\"\\u2028\"", "???"},
    {"zero width", "a\xe2\x80\x8b", "a\\xe2\\x80\\x8b", "\"a\\xe2\\x80\\x8b\"",
     "\"a\\u200b\"", "a???"},
    {"tag character", "\xf3\xa0\x81\x81", "\\xf3\\xa0\\x81\\x81",
     "\"\\xf3\\xa0\\x81\\x81\"", "\"\\udb40\\udc41\"", "????"},
    {"overlong slash", "\xc0\xaf", "\\xc0\\xaf", "\"\\xc0\\xaf\"",
     "\"\\u00c0\\u00af\"", "??"},
    {"overlong 3", "\xe0\x80\xaf", "\\xe0\\x80\\xaf", "\"\\xe0\\x80\\xaf\"",
     "\"\\u00e0\\u0080\\u00af\"", "???"},
    {"surrogate", "\xed\xa0\x80", "\\xed\\xa0\\x80", "\"\\xed\\xa0\\x80\"",
     "\"\\u00ed\\u00a0\\u0080\"", "???"},
    {"over U+10FFFF", "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80",
     "\"\\xf4\\x90\\x80\\x80\"", "\"\\u00f4\\u0090\\u0080\\u0080\"", "????"},
    {"cut sequence", "\xe2\x82", "\\xe2\\x82", "\"\\xe2\\x82\"",
     "\"\\u00e2\\u0082\"", "??"},
    {"cut, then ASCII", "\xe2\x82z", "\\xe2\\x82z", "\"\\xe2\\x82z\"",
     "\"\\u00e2\\u0082z\"", "??z"},
};

START_TEST(escapes)
{
	struct buf out = {.cap = 100};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice in = slice_str(rows[i].in);

		buf_clear(&out);
		escape_text(&out, in);
		ck_assert_str_eq(buf_cstr(&out), rows[i].text);
		buf_clear(&out);
		escape_logfmt(&out, in);
		ck_assert_str_eq(buf_cstr(&out), rows[i].logfmt);
		buf_clear(&out);
		escape_json(&out, in);
		ck_assert_str_eq(buf_cstr(&out), rows[i].json);
		buf_clear(&out);
		escape_reply(&out, in);
		ck_assert_str_eq(buf_cstr(&out), rows[i].reply);
	}
	buf_fini(&out);
}
END_TEST

START_TEST(nul_is_a_byte)
{
	struct buf out = {.cap = 100};
	struct slice in = slice_of("a\0b", 3);

	escape_text(&out, in);
	buf_add_byte(&out, ' ');
	escape_logfmt(&out, in);
	buf_add_byte(&out, ' ');
	escape_json(&out, in);
	buf_add_byte(&out, ' ');
	escape_reply(&out, in);
	ck_assert_str_eq(buf_cstr(&out),
			 "a\\x00b \"a\\x00b\" \"a\\u0000b\" a?b");
	buf_fini(&out);
}
END_TEST

/* Each case cut at each offset, at its exact size on the heap: no byte behind
 * the slice is looked at, and nothing that a terminal obeys comes out. */
START_TEST(cut_anywhere_stays_printable)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice in = slice_str(rows[i].in);

		for (size_t cut = 0; cut <= in.n; cut++) {
			char *piece = malloc(cut > 0 ? cut : 1);
			struct buf out = {.cap = 1000};

			ck_assert(piece != NULL);
			for (size_t k = 0; k < cut; k++)
				piece[k] = in.p[k];
			escape_text(&out, slice_of(piece, cut));
			escape_logfmt(&out, slice_of(piece, cut));
			escape_json(&out, slice_of(piece, cut));
			escape_reply(&out, slice_of(piece, cut));
			for (size_t k = 0; k < out.n; k++)
				ck_assert_msg((uint8_t)out.p[k] >= 0x20 &&
						  out.p[k] != 0x7f,
					      "%s", rows[i].label);
			buf_fini(&out);
			free(piece);
		}
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("escape");
	TCase *tc = tcase_create("escape");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, escapes);
	tcase_add_test(tc, nul_is_a_byte);
	tcase_add_test(tc, cut_anywhere_stays_printable);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
