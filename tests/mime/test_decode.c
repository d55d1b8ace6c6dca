#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/buf.h"
#include "gateway/base/encode.h"
#include "gateway/mime/decode.h"

static const struct {
	const char *label;
	enum mime_encoding encoding;
	const char *in, *out;
	bool bad;
} rows[] = {
    {"nothing", MIME_BASE64, "", "", false},
    {"whole groups", MIME_BASE64, "SGVsbG8h", "Hello!", false},
    {"one pad", MIME_BASE64, "SGVsbG8=", "Hello", false},
    {"two pads", MIME_BASE64, "SGVsbA==", "Hell", false},
    {"lines", MIME_BASE64, "SGVs\r\nbG8=\r\n", "Hello", false},
    {"lines that cut groups", MIME_BASE64, "S\nG V\ts\r\nbG8\n=", "Hello",
     false},
    {"blank lines behind", MIME_BASE64, "SGVsbG8=\r\n\r\n \r\n", "Hello",
     false},
    {"pads apart", MIME_BASE64, "SGVsbA=\r\n=", "Hell", false},
    {"bits behind the last byte", MIME_BASE64, "SGVsbG9=", "Hello", false},
    {"all digits", MIME_BASE64,
     "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", NULL,
     false},
    {"no pad", MIME_BASE64, "SGVsbG8", "Hello", true},
    {"no pads", MIME_BASE64, "SGVsbA", "Hell", true},
    {"one pad of two", MIME_BASE64, "SGVsbA=", "Hell", true},
    {"a pad too many", MIME_BASE64, "SGVsbG8==", "Hello", true},
    {"a character too many", MIME_BASE64, "SGVsbG8hS", "Hello!", true},
    {"a pad first", MIME_BASE64, "=SGVsbG8h", "Hello!", true},
    {"a pad behind one character", MIME_BASE64, "SGVsS=", "Hel", true},
    {"on behind pads", MIME_BASE64, "SGVsbG8=SGVsbG8=", "HelloHello", true},
    {"strays", MIME_BASE64, "SG!Vs-bG8_=", "Hello", true},
    {"url digits are strays", MIME_BASE64, "-_-_", "", true},
    {"a footer", MIME_BASE64, "SGVsbG8=\r\n-- \r\n", "Hello", true},

    {"text", MIME_QP, "Hello\r\nyou\r\n", "Hello\r\nyou\r\n", false},
    {"codes", MIME_QP, "=48=65=6c=6C=6f", "Hello", false},
    {"soft breaks", MIME_QP, "Hel=\r\nlo=\n!", "Hello!", false},
    {"a soft break last", MIME_QP, "Hello=", "Hello", false},
    {"a soft break's line last", MIME_QP, "Hello=\r\n", "Hello", false},
    {"blanks at a line's end", MIME_QP, "Hello \t\r\n", "Hello \t\r\n", false},
    {"blanks in a soft break", MIME_QP, "Hel= \t\r\nlo", "Hello", true},
    {"a bare CR in a soft break", MIME_QP, "Hel=\rlo", "Hello", true},
    {"a code that is none", MIME_QP, "a=xyb", "a=xyb", true},
    {"half a code", MIME_QP, "a=4yb", "a=4yb", true},
    {"half a code last", MIME_QP, "a=4", "a=4", true},
    {"an equals sign behind a code's half", MIME_QP, "a=4=41", "a=4A", true},
    {"two equals signs", MIME_QP, "a==41", "a=A", true},

    {"as it should be", MIME_UUENCODE,
     "begin 644 a\r\n%2&5L;&\\\r\n`\r\nend\r\n", "Hello", false},
    {"without the empty line", MIME_UUENCODE, "begin 644 a\n%2&5L;&\\\nend\n",
     "Hello", false},
    {"blanks for zeroes", MIME_UUENCODE, "begin 644 a\n#    \n \nend", NULL,
     false},
    {"text in front", MIME_UUENCODE,
     "Hi\r\nbe\r\nbegin 644 a\r\n%2&5L;&\\\r\n`\r\nend\r\n\r\n \r\n", "Hello",
     false},
    {"text behind", MIME_UUENCODE,
     "begin 644 a\r\n%2&5L;&\\\r\n`\r\nend\r\nBye\r\n", "Hello", true},
    {"a checksum behind", MIME_UUENCODE,
     "begin 644 a\r\n%2&5L;&\\`X\r\n`\r\nend\r\n", "Hello", true},
    {"a blank behind: it is data, or the one before is", MIME_UUENCODE,
     "begin 644 a\r\n%2&5L;&\\` \r\n`\r\nend\r\n", "Hello", true},
    {"two lines", MIME_UUENCODE,
     "begin 644 a\r\n#2&5L\r\n\";&\\ \r\n`\r\nend\r\n", "Hello", false},
    {"lost blanks", MIME_UUENCODE, "begin 644 a\r\n#2&\r\n`\r\nend\r\n", "H",
     true},
    {"lost blanks that mean nothing", MIME_UUENCODE,
     "begin 644 a\r\n%2&5L;&\\\r\n`\r\nend\r\n", "Hello", false},
    {"data behind the empty line", MIME_UUENCODE,
     "begin 644 a\r\n#2&5L\r\n`\r\n\";&\\ \r\n`\r\nend\r\n", "Hello", true},
    {"no end", MIME_UUENCODE, "begin 644 a\r\n%2&5L;&\\\r\n`\r\n", "Hello",
     true},
    {"no begin", MIME_UUENCODE, "%2&5L;&\\\r\n`\r\nend\r\n", "", true},
    {"nothing", MIME_UUENCODE, "", "", true},
    {"an empty line", MIME_UUENCODE,
     "begin 644 a\r\n\r\n%2&5L;&\\\r\n`\r\nend\r\n", "Hello", true},
    {"small letters", MIME_UUENCODE,
     "begin 644 a\r\nxyz\r\n%2&5L;&\\\r\n`\r\nend\r\n", "Hello", true},
    {"an end that is none", MIME_UUENCODE,
     "begin 644 a\r\nending\r\n%2&5L;&\\\r\n`\r\nend\r\n", "Hello", true},
    {"two files", MIME_UUENCODE,
     "begin 644 a\n%2&5L;&\\\n`\nend\nbegin 644 b\n%2&5L;&\\\n`\nend\n",
     "HelloHello", true},
    {"a length that lies does not fill memory", MIME_UUENCODE,
     "begin 644 a\nM\nM\nM\nM\nend\n", "", true},

    {"as it is", MIME_IDENTITY, "a=\r\nb", "a=\r\nb", false},
};

static void
decode(const char *in, size_t first, size_t piece, struct mime_decoder *d,
       struct buf *out)
{
	struct slice rest = slice_str(in);
	size_t n = first;

	buf_clear(out);
	do {
		struct slice now = slice_head(rest, n > 0 ? n : 1);
		size_t max = MIME_DECODED_MAX(now.n), got;
		char *copy = malloc(now.n > 0 ? now.n : 1);
		uint8_t *room = malloc(max);

		if (now.n > 0)
			memcpy(copy, now.p, now.n);
		rest = slice_from(rest, now.n);
		got = mime_decode(d, slice_of(copy, now.n), rest.n == 0, room);
		ck_assert_uint_le(got, max);
		buf_add(out, room, got);
		free(copy);
		free(room);
		n = piece;
	} while (rest.n > 0);
}

START_TEST(decodes)
{
	const char *in = rows[_i].in, *label = rows[_i].label;
	struct buf out = {.cap = SIZE_MAX};

	for (size_t cut = 0; cut <= strlen(in); cut++) {
		struct mime_decoder d;

		mime_decoder_init(&d, rows[_i].encoding);
		decode(in, cut, cut == 0 ? 1 : strlen(in), &d, &out);
		ck_assert_msg(d.bad == rows[_i].bad, "%s, cut at %zu: bad %d",
			      label, cut, d.bad);
		if (rows[_i].out != NULL)
			ck_assert_msg(strcmp(buf_cstr(&out), rows[_i].out) == 0,
				      "%s, cut at %zu: \"%s\"", label, cut,
				      buf_cstr(&out));
	}
	buf_fini(&out);
}
END_TEST

/* Every byte value in every place of a group, beside base's strict decoder. */
START_TEST(base64_bytes)
{
	uint8_t bytes[1021];
	struct buf text = {.cap = SIZE_MAX}, out = {.cap = SIZE_MAX};

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + i / 256);
	for (size_t n = sizeof(bytes) - 6; n <= sizeof(bytes); n++) {
		struct mime_decoder d;

		buf_clear(&text);
		base64_encode(&text, slice_of(bytes, n));
		for (size_t piece = 1; piece < 80; piece += 13) {
			mime_decoder_init(&d, MIME_BASE64);
			decode(buf_cstr(&text), piece, piece, &d, &out);
			ck_assert(!d.bad);
			ck_assert(
			    slice_eq(buf_slice(&out), slice_of(bytes, n)));
		}
	}
	buf_fini(&text);
	buf_fini(&out);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("mime/decode");
	TCase *tcase = tcase_create("decode");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, decodes, 0, sizeof(rows) / sizeof(rows[0]));
	tcase_add_test(tcase, base64_bytes);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
