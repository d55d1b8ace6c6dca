#include "tests/mime/walk_help.h"

#define MIXED "Content-Type: multipart/mixed; boundary=x\r\n\r\n"
#define HI "1 text/plain '' - identity: Hi\n"
#define LEAF(type, content) "0 " type " '' a identity: " content "\n"

/*
 * What readers differ on, how it is read here, and the reason that is given.
 * The rows about headers that stand twice tell how an attachment hides from a
 * scanner: GMime shows the last one's content, others the first one's.
 */
static const struct {
	const char *label, *in, *parts, *why;
} rows[] = {
    /* fields that stand twice */
    {"two types: the multipart is taken",
     "Content-Type: text/plain\r\n" MIXED "--x\r\n\r\nHi\r\n--x--\r\n", HI,
     "Content-Type twice"},
    {"two types: the first one's leaf is not shown text",
     "Content-Type: text/plain\r\nContent-Type: application/zip\r\n\r\nPK",
     LEAF("text/plain", "PK"), "Content-Type twice"},
    {"the same type twice",
     "Content-Type: text/plain\r\ncontent-type: text/plain\r\n\r\nHi",
     LEAF("text/plain", "Hi"), "Content-Type twice"},
    {"two encodings: the one that decodes is taken",
     "Content-Type: image/gif\r\nContent-Transfer-Encoding: 7bit\r\n"
     "Content-Transfer-Encoding: base64\r\n\r\nR0lG",
     "0 image/gif '' a base64: GIF\n", "Content-Transfer-Encoding twice"},
    {"two dispositions",
     "Content-Disposition: inline\r\nContent-Disposition: attachment\r\n\r\nHi",
     LEAF("text/plain", "Hi"), "Content-Disposition twice"},

    {"a script that looks like a message",
     "Content-Type: message/rfc822\r\n"
     "Content-Disposition: attachment; filename=a.js\r\n\r\n"
     "a:eval(1)\r\n\r\nHi",
     "1 text/plain '' a identity: Hi\n",
     "a message with the name of another file"},

    /* boundaries */
    {"no boundary: the first line like one is taken",
     "Content-Type: multipart/mixed\r\n\r\n--x\r\n\r\nHi\r\n--x--\r\n", HI,
     "a multipart without boundary"},
    {"an empty boundary",
     "Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n--x\r\n\r\nHi\r\n"
     "--x--\r\n",
     HI, "a multipart without boundary"},
    {"a boundary that ends with a blank",
     "Content-Type: multipart/mixed; boundary=\"x \"\r\n\r\n"
     "--x\r\n\r\nHi\r\n--x--\r\n",
     HI, "a boundary that ends with a blank"},
    {"an extended boundary",
     "Content-Type: multipart/mixed; boundary*=us-ascii''x\r\n\r\n"
     "--x\r\n\r\nHi\r\n--x--\r\n",
     HI, "an extended boundary"},
    {"a boundary in sections",
     "Content-Type: multipart/mixed; boundary*0=x; boundary*1=y\r\n\r\n"
     "--xy\r\n\r\nHi\r\n--xy--\r\n",
     HI, "an extended boundary"},
    {"two kinds of boundary",
     "Content-Type: multipart/mixed; boundary=x; boundary*0=y\r\n\r\n"
     "--y\r\n\r\nHi\r\n--y--\r\n",
     HI, "two boundaries"},
    {"two boundaries: the first",
     "Content-Type: multipart/mixed; boundary=x; boundary=y\r\n\r\n"
     "--x\r\n\r\nHi\r\n--x--\r\n",
     HI, "a parameter twice"},
    {"a boundary that should be quoted",
     "Content-Type: multipart/mixed; boundary=a=b\r\n\r\n"
     "--a=b\r\n\r\nHi\r\n--a=b--\r\n",
     HI, "a parameter that should be quoted"},
    {"a boundary that nothing quotes to its end",
     "Content-Type: multipart/mixed; boundary=\"x\r\n\r\n"
     "--x\r\n\r\nHi\r\n--x--\r\n",
     HI, "a quoted string without end"},
    {"a boundary over RFC 2046's 70",
     "Content-Type: multipart/mixed; boundary="
     "01234567890123456789012345678901234567890123456789012345678901234567890"
     "\r\n\r\n"
     "--0123456789012345678901234567890123456789012345678901234567890123456789"
     "0\r\n\r\nHi\r\n"
     "--0123456789012345678901234567890123456789012345678901234567890123456789"
     "0--\r\n",
     HI, "a long boundary"},
    {"a boundary that begins like its parent's",
     MIXED "--x\r\nContent-Type: multipart/mixed; boundary=xy\r\n\r\n"
	   "--xy\r\n\r\nHi\r\n--xy--\r\n--x--\r\n",
     "2 text/plain '' - identity: Hi\n", "boundaries that begin alike"},
    {"a boundary that its parent's begins like",
     "Content-Type: multipart/mixed; boundary=xy\r\n\r\n"
     "--xy\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
     "--x\r\n\r\nHi\r\n--x--\r\n--xy--\r\n",
     "2 text/plain '' - identity: Hi\n", "boundaries that begin alike"},
    {"a line that begins like a boundary",
     MIXED "--x\r\n\r\nHi\r\n--xy\r\nHo\r\n--x--\r\n",
     "1 text/plain '' - identity: Hi|--xy|Ho\n",
     "a line that begins like a boundary"},
    {"an end with something behind it",
     MIXED "--x\r\n\r\nHi\r\n--x--y\r\n--x--\r\n",
     "1 text/plain '' - identity: Hi|--x--y\n",
     "a line that begins like a boundary"},
    {"no end", MIXED "--x\r\n\r\nHi\r\n", "1 text/plain '' - identity: Hi|\n",
     "a multipart without end"},
    {"no end of an inner one",
     MIXED "--x\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n"
	   "--y\r\n\r\nHi\r\n--x--\r\n",
     "2 text/plain '' - identity: Hi\n", "a multipart without end"},
    {"no part", MIXED "Hi\r\n", "", "a multipart without parts"},
    {"an end and no part", MIXED "Hi\r\n--x--\r\n", "",
     "a multipart without parts"},
    {"a part behind the end",
     MIXED "--x\r\n\r\nHi\r\n--x--\r\n--x\r\n\r\nHo\r\n--x--\r\n",
     HI "1 text/plain '' a identity: Ho\n", "a part behind the last one"},
    {"a header that a boundary ends",
     MIXED "--x\r\nContent-Type: text/plain\r\n--x--\r\n",
     "1 text/plain '' - identity: \n", "a header without end"},
    {"a message's header that a boundary ends",
     MIXED "--x\r\nContent-Type: message/rfc822\r\n--x--\r\n",
     "2 text/plain '' a identity: \n", "a header without end"},

    /* outside of the parts */
    {"a boundary-like line in the preamble",
     MIXED "--y\r\n\r\nHo\r\n--x\r\n\r\nHi\r\n--x--\r\n", HI,
     "a boundary outside of the parts"},
    {"a boundary-like line behind the end",
     MIXED "--x\r\n\r\nHi\r\n--x--\r\n--y\r\n", HI,
     "a boundary outside of the parts"},
    {"a file in the preamble",
     MIXED "begin 644 a\r\n%2&5L;&\\\r\n`\r\nend\r\n--x\r\n\r\nHi\r\n--x--\r\n",
     "0 application/octet-stream 'a' a uu: Hello\n" HI,
     "a file outside of the parts"},
    {"a file behind the end",
     MIXED "--x\r\n\r\nHi\r\n--x--\r\nbegin 644 a\r\n%2&5L;&\\\r\n`\r\nend\r\n",
     HI "0 application/octet-stream 'a' a uu: Hello\n",
     "a file outside of the parts"},
    {"a part's header behind the end",
     MIXED "--x\r\n\r\nHi\r\n--x--\r\nContent-Type: image/gif\r\n\r\nGIF", HI,
     "a part's header outside of the parts"},
    {"an encoded multipart that is none",
     "Content-Transfer-Encoding: base64\r\n" MIXED "SGVsbG8=\r\n",
     "0 multipart/mixed '' a base64: Hello\n", "an encoded multipart"},
    {"an encoded multipart that is one",
     "Content-Transfer-Encoding: base64\r\n" MIXED "--x\r\n\r\nHi\r\n--x--\r\n",
     HI, "an encoded multipart"},
    {"an encoded message is a file",
     "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n"
     "SGVsbG8=\r\n",
     "0 message/rfc822 '' a base64: Hello\n", "an encoded message"},

    {"a kind of message that nobody knows",
     "Content-Type: message/rfc82\r\n\r\nFrom: a\r\n\r\nHi",
     "0 message/rfc82 '' a identity: From: a||Hi\n",
     "an unknown kind of message"},

    /* encodings */
    {"base64 with strays",
     "Content-Transfer-Encoding: base64\r\n\r\nSGV#sbG8=\r\n",
     "0 text/plain '' b base64: Hello\n", "a bad encoding"},
    {"base64 behind its padding",
     "Content-Transfer-Encoding: base64\r\n\r\nSGVsbG8=\r\nSGVsbG8=\r\n",
     "0 text/plain '' b base64: HelloHello\n", "a bad encoding"},
    {"base64 without padding",
     "Content-Transfer-Encoding: base64\r\n\r\nSGVsbG8\r\n",
     "0 text/plain '' b base64: Hello\n", "a bad encoding"},
    {"quoted-printable with a broken code",
     "Content-Transfer-Encoding: quoted-printable\r\n\r\na=zz\r\n",
     "0 text/plain '' b qp: a=zz|\n", "a bad encoding"},
    {"an unknown encoding", "Content-Transfer-Encoding: base65\r\n\r\nHi",
     "0 text/plain '' b identity: Hi\n", "an unknown transfer encoding"},
    {"an encoding with a comment",
     "Content-Transfer-Encoding: base64 (yes)\r\n\r\nSGVsbG8=\r\n",
     "0 text/plain '' - base64: Hello\n", "text behind a transfer encoding"},
    {"an encoding with a blank behind it: another word to Python",
     "Content-Transfer-Encoding: base64\t\r\n\r\nSGVsbG8=\r\n",
     "0 text/plain '' - base64: Hello\n", "text behind a transfer encoding"},
    {"a quoted encoding",
     "Content-Transfer-Encoding: \"base64\"\r\n\r\nSGVsbG8=\r\n",
     "0 text/plain '' - base64: Hello\n", "a transfer encoding in quotes"},

    /* files in texts */
    {"Outlook's uuencode without a mode",
     "\r\nbegin  a.txt\r\n%2&5L;&\\\r\n`\r\nend\r\n",
     "0 application/octet-stream 'a.txt' ab uu: Hello\n"
     "0 text/plain '' - identity: begin  a.txt|%2&5L;&\\|`|end|\n",
     "a bad encoding"},
    {"uuencode with a mode that is none, by transfer encoding",
     "Content-Type: image/gif\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\n"
     "begin 6--4 a\r\n%2&5L;&\\`\r\n`\r\nend\r\n",
     "0 image/gif '' ab uu: Hello\n", "a bad encoding"},
    {"uuencode without end", "\r\nbegin 644 a\r\n%2&5L;&\\\r\nbye\r\n",
     "0 application/octet-stream 'a' ab uu: Hello\n"
     "0 text/plain '' - identity: begin 644 a|%2&5L;&\\|bye|\n",
     "a uuencoded file without end"},
    {"uuencode that another begins in",
     "\r\nbegin 644 a\r\n%2&5L;&\\\r\nbegin 644 b\r\n\"2&D \r\n`\r\nend\r\n",
     "0 application/octet-stream 'a' ab uu: Hello\n"
     "0 application/octet-stream 'b' a uu: Hi\n"
     "0 text/plain '' - identity: begin 644 a|%2&5L;&\\|begin 644 b|\"2&D |`|"
     "end|\n",
     "a uuencoded file without end"},
    {"a begin line that no data follow", "\r\nbegin 100 metres\r\nbelow\r\n",
     "0 text/plain '' - identity: begin 100 metres|below|\n",
     "a uuencoded file without data"},
    {"uuencode in encoded text",
     "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
     "begin =3644 a\r\n%2&5L;&\\\r\n`\r\nend\r\n",
     "0 text/plain '' - qp: begin 644 a|%2&5L;&\\|`|end|\n",
     "a uuencoded file in encoded text"},
    {"uuencode -m", "\r\nbegin-base64 644 a\r\nSGVsbG8=\r\n====\r\n",
     "0 text/plain '' - identity: begin-base64 644 a|SGVsbG8=|====|\n",
     "a base64 file in a text"},
    {"yEnc", "\r\n=ybegin line=128 size=5 name=a\r\nr\x8f\r\n",
     "0 text/plain '' - identity: =ybegin line=128 size=5 name=a|r\x8f|\n",
     "a yEnc file in a text"},
    {"BinHex", "\r\n(This file must be converted with BinHex 4.0)\r\n:abc:\r\n",
     "0 text/plain '' - identity: (This file must be converted with BinHex "
     "4.0)|:abc:|\n",
     "a BinHex file in a text"},

    /* headers */
    {"no header", "Hello\r\nthere\r\n\r\nHi",
     "0 text/plain '' - identity: Hi\n", "a header line that is none"},
    {"a line that is none hides no type",
     "From: a\r\nrubbish\r\nContent-Type: image/gif\r\n\r\nGIF",
     LEAF("image/gif", "GIF"), "a header line that is none"},
    {"a folded line first", " x\r\nContent-Type: image/gif\r\n\r\nGIF",
     LEAF("image/gif", "GIF"), "a folded line first"},
    {"a line of blanks", "From: a\r\n \r\nContent-Type: image/gif\r\n\r\nGIF",
     LEAF("image/gif", "GIF"), "a header line of blanks"},
    {"a blank before the colon", "Content-Type : image/gif\r\n\r\nGIF",
     LEAF("image/gif", "GIF"), "a blank before a header's colon"},
    {"a bare CR", "From: a\rContent-Type: image/gif\r\n\r\nGIF",
     "0 text/plain '' - identity: GIF\n", "a bare CR in a header"},
    {"eight bits in a field's name", "From\xc3\xa4: a\r\n\r\nHi",
     "0 text/plain '' - identity: Hi\n", "a header line that is none"},
    {"eight bits in a file's name",
     "Content-Type: image/gif; name=\"\xc3\xa4.gif\"\r\n\r\nGIF",
     "0 image/gif '\xc3\xa4.gif' a identity: GIF\n",
     "eight bits in a content field"},
    {"a control in a file's name",
     "Content-Type: image/gif; name=\"a\x01.gif\"\r\n\r\nGIF",
     "0 image/gif 'a.gif' a identity: GIF\n",
     "a control character in a content field"},
    {"no type", "Content-Type: text\r\n\r\nHi",
     LEAF("application/octet-stream", "Hi"), "a content type that is none"},
    {"a multipart whose type is none",
     "Content-Type: multipart/)mixed; boundary=x\r\n\r\n"
     "--x\r\n\r\nHi\r\n--x--\r\n",
     HI, "a content type that is none"},
    {"an empty type", "Content-Type:\r\n\r\nHi",
     LEAF("application/octet-stream", "Hi"), "a content type that is none"},
    {"no disposition", "Content-Disposition: ; filename=a\r\n\r\nHi",
     "0 text/plain 'a' a identity: Hi\n", "a disposition that is none"},
    {"a comment in front", "Content-Type: (hi) image/gif\r\n\r\nGIF",
     LEAF("image/gif", "GIF"), "a comment in a content field"},
    {"a comment behind the type",
     "Content-Type: image/gif (hi (ho) \\) ); name=a\r\n\r\nGIF",
     "0 image/gif 'a' a identity: GIF\n", "a comment in a content field"},
    {"a comment before a boundary",
     "Content-Type: multipart/mixed; (;boundary=y) boundary (a)=(b) x\r\n\r\n"
     "--x\r\n\r\nHi\r\n--x--\r\n",
     HI, "a comment in a content field"},
    {"no semicolon", "Content-Type: image/gif name=a\r\n\r\nGIF",
     LEAF("image/gif", "GIF"), "text behind a content field's word"},
    {"a parameter without value", "Content-Type: image/gif; name\r\n\r\nGIF",
     LEAF("image/gif", "GIF"), "a parameter without value"},
    {"text behind a quoted name",
     "Content-Type: image/gif; name=\"a\".exe\r\n\r\nGIF",
     "0 image/gif 'a' a identity: GIF\n", "text behind a quoted string"},
    {"a blank in a name without quotes",
     "Content-Type: image/gif; name=a b.exe\r\n\r\nGIF",
     "0 image/gif 'a b.exe' a identity: GIF\n",
     "a parameter that should be quoted"},
    {"two names in two fields",
     "Content-Type: image/gif; name=a.gif\r\n"
     "Content-Disposition: inline; filename=a.exe\r\n\r\nGIF",
     "0 image/gif 'a.exe' a identity: GIF\n", "two file names"},
    {"two names in one field",
     "Content-Disposition: inline; filename=a.exe; filename*=utf-8''a.gif"
     "\r\n\r\nGIF",
     "0 text/plain 'a.gif' a identity: GIF\n", "two file names"},
    {"a name in a charset that nobody knows",
     "Content-Type: image/gif; name=\"=?x-foo?Q?a=FFb?=\"\r\n\r\nGIF",
     "0 image/gif 'a?b' a identity: GIF\n", "an unknown charset"},
};

START_TEST(ambiguous)
{
	told_all_cuts(rows[_i].label, rows[_i].in, rows[_i].parts,
		      rows[_i].why);
}
END_TEST

/* What a C string cannot hold. */
START_TEST(nul)
{
	static const char name[] =
	    "Content-Type: image/gif; name=\"a\0.exe\"\r\n\r\nGIF";
	/* it was copied up to the NUL, and compared in full */
	static const char boundary[] =
	    "Content-Type: multipart/mixed; boundary=\"x\0yz\"\r\n\r\n"
	    "--x\0yz\r\n\r\nHi\r\n--x\0yz--\r\n";
	struct mime_summary sum;
	struct told t;

	told_walk(&t, slice_of(name, sizeof(name) - 1), 10, 1, NULL, &sum);
	ck_assert_str_eq(buf_cstr(&t.text),
			 "0 image/gif 'a.exe' a identity: GIF\n");
	ck_assert_str_eq(sum.why, "a NUL in a header");
	ck_assert_uint_eq(sum.why_at, 0);
	buf_fini(&t.text);
	told_walk(&t, slice_of(boundary, sizeof(boundary) - 1), 10, 1, NULL,
		  &sum);
	ck_assert_str_eq(buf_cstr(&t.text), HI);
	ck_assert_str_eq(sum.why, "a NUL in a header");
	buf_fini(&t.text);
}
END_TEST

/* A line too long to be a boundary or anything else, cut or not; a boundary
 * stands right behind it. */
START_TEST(long_lines)
{
	static const char *starts[] = {"--x", "--x--", "--y", "begin 644 a",
				       "-"};

	for (size_t length = 1090; length < 1110; length++) {
		struct buf b = {.cap = SIZE_MAX};
		struct mime_summary whole, sum;
		struct told a, t;

		buf_add_str(&b, MIXED "--x\r\n\r\nHi\r\n");
		buf_add_str(&b, starts[_i]);
		for (size_t n = strlen(starts[_i]); n < length; n++)
			buf_add_byte(&b, ' ');
		buf_add_str(&b, "\r\n--x\r\n\r\nHo\r\n--x--\r\n");
		told_walk(&a, buf_slice(&b), b.n, 1, NULL, &whole);
		for (size_t piece = 1; piece < b.n; piece += piece / 2 + 3) {
			told_walk(&t, buf_slice(&b), piece, piece, NULL, &sum);
			ck_assert_str_eq(buf_cstr(&t.text), buf_cstr(&a.text));
			ck_assert_int_eq(memcmp(&sum, &whole, sizeof(sum)), 0);
			ck_assert(!t.wrong);
			buf_fini(&t.text);
		}
		/* short enough, a boundary with blanks behind it is one */
		if (length + 2 > 1100)
			ck_assert_int_eq(whole.why != NULL, _i < 2 || _i == 3);
		ck_assert_uint_ge(whole.part_count, 3);
		buf_fini(&a.text);
		buf_fini(&b);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("mime/ambiguous");
	TCase *tcase = tcase_create("ambiguous");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, ambiguous, 0,
			    sizeof(rows) / sizeof(rows[0]));
	tcase_add_test(tcase, nul);
	tcase_add_loop_test(tcase, long_lines, 0, 5);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
