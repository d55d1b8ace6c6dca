#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/back/clean.h"
#include "gateway/base/buf.h"
#include "gateway/base/error.h"

/* The copy without its infected parts, byte for byte. Infected is what has
 * EVIL in it; a chunk of reading is as small as the test wants it. */
struct reading {
	struct slice message;
	size_t chunk;
	struct clean_part parts[8];
	size_t count;
	char names[8][MIME_NAME_SIZE];
	struct buf out;
	uint64_t fail_at; /* reading there fails; 0: nowhere */
};

static int64_t
read_some(void *arg, uint64_t offset, void *p, size_t n)
{
	struct reading *r = arg;
	struct slice rest = slice_head(slice_from(r->message, offset), n);

	if (r->fail_at != 0 && offset + rest.n >= r->fail_at)
		return GW_EIO;
	/* "begin " is asked for in one piece */
	if (rest.n > r->chunk && rest.n > 6)
		rest.n = r->chunk > 6 ? r->chunk : 6;
	memcpy(p, rest.p, rest.n);
	return (int64_t)rest.n;
}

static void
write_some(void *arg, struct slice bytes)
{
	buf_add_slice(&((struct reading *)arg)->out, bytes);
}

static void
on_part(void *arg, const struct mime_part *part)
{
	struct reading *r = arg;
	struct slice content = slice_head(slice_from(r->message, part->begin),
					  part->end - part->begin);

	if (!memmem(content.p, content.n, "EVIL", 4) ||
	    !(part->flags & MIME_ATTACHMENT))
		return;
	ck_assert_uint_lt(r->count, 8);
	strcpy(r->names[r->count], part->name);
	r->parts[r->count] = (struct clean_part){.head = part->head,
						 .begin = part->begin,
						 .end = part->end,
						 .encoding = part->encoding,
						 .name = r->names[r->count],
						 .threat = "Worm"};
	r->count++;
}

static void
walk(struct reading *r, const char *message)
{
	struct mime_opts opts = {.part = on_part, .arg = r};
	struct mime_walk *mime = mime_walk_create(&opts);
	struct mime_summary summary;

	r->message = slice_str(message);
	r->count = 0;
	mime_walk_add(mime, r->message);
	mime_walk_end(mime, &summary);
	mime_walk_destroy(&mime);
}

static int
copy(struct reading *r, const char *replacement, const char *subject)
{
	struct clean_req req = {.parts = r->parts,
				.count = r->count,
				.length = r->message.n,
				.hostname = "gate.test",
				.replacement = replacement,
				.subject = subject,
				.read = read_some,
				.read_arg = r,
				.write = write_some,
				.write_arg = r};

	buf_init(&r->out, 1 << 20);
	return clean_copy(&req);
}

/* --- cases ---------------------------------------------------------------- */

#define TOP                                                         \
	"From: a@b.test\r\nSubject: hello\r\nMIME-Version: 1.0\r\n" \
	"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
#define TOP_MARKED                                                      \
	"From: a@b.test\r\nSubject: [x] hello\r\nMIME-Version: 1.0\r\n" \
	"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
#define TEXT "--b\r\nContent-Type: text/plain\r\n\r\nhi\r\n"
#define EVIL                                                   \
	"--b\r\nContent-Type: application/zip; name=e.zip\r\n" \
	"Content-ID: <1>\r\nX-Id: 7\r\n\r\nEVIL\r\n"
#define GONE                                                      \
	"--b\r\nX-Id: 7\r\nContent-Type: text/plain; "            \
	"charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n" \
	"Content-Disposition: inline\r\n\r\nGone: e.zip, Worm.\r\n"
#define GONE_TEXT "Gone: {name}, {threat}."
#define TAIL "--b--\r\nepilogue\r\n"

struct clean_case {
	const char *label;
	const char *in, *out;
	const char *text;    /* NULL: GONE_TEXT */
	const char *subject; /* NULL: "[x]" */
};

static const struct clean_case cases[] = {
    {.label = "between others",
     .in = TOP TEXT EVIL TEXT TAIL,
     .out = TOP_MARKED TEXT GONE TEXT TAIL},
    {.label = "the first and the last",
     .in = TOP EVIL TEXT EVIL TAIL,
     .out = TOP_MARKED GONE TEXT GONE TAIL},
    {.label = "side by side",
     .in = TOP EVIL EVIL TAIL,
     .out = TOP_MARKED GONE GONE TAIL},
    {.label = "no prefix wanted",
     .in = TOP TEXT EVIL TAIL,
     .out = TOP TEXT GONE TAIL,
     .subject = ""},
    {.label = "the message is the part",
     .in = "Subject: hello\r\nContent-Type: application/zip; name=e.zip\r\n"
	   "To: x@y.test\r\nContent-Transfer-Encoding: 7bit\r\n\r\nEVIL\r\n",
     .out = "Subject: [x] hello\r\nTo: x@y.test\r\nMIME-Version: 1.0\r\n"
	    "Content-Type: text/plain; charset=us-ascii\r\n"
	    "Content-Transfer-Encoding: 7bit\r\n"
	    "Content-Disposition: inline\r\n\r\nGone: e.zip, Worm.\r\n"},
    {.label = "the same, folded fields go as a whole",
     .in = "MIME-Version: 1.0\r\nContent-Type: application/zip;\r\n"
	   "\tname=e.zip\r\nSubject: a\r\n b\r\n\r\nEVIL\r\n",
     .out = "MIME-Version: 1.0\r\nSubject: [x] a\r\n b\r\n"
	    "Content-Type: text/plain; charset=us-ascii\r\n"
	    "Content-Transfer-Encoding: 7bit\r\n"
	    "Content-Disposition: inline\r\n\r\nGone: e.zip, Worm.\r\n"},
    {.label = "no Subject: it gets one",
     .in = "From: a@b.test\r\nContent-Type: multipart/mixed; "
	   "boundary=b\r\n\r\n" EVIL TAIL,
     .out = "From: a@b.test\r\nContent-Type: multipart/mixed; "
	    "boundary=b\r\nSubject: [x] \r\n\r\n" GONE TAIL},
    {.label = "Subject in odd letters, without a space",
     .in = "sUBJECT:a\r\nContent-Type: multipart/mixed; "
	   "boundary=b\r\n\r\n" EVIL TAIL,
     .out = "sUBJECT: [x] a\r\nContent-Type: multipart/mixed; "
	    "boundary=b\r\n\r\n" GONE TAIL},
    {.label = "a prefix that is not ASCII",
     .in = "Subject: a\r\nContent-Type: multipart/mixed; "
	   "boundary=b\r\n\r\n" EVIL TAIL,
     .out = "Subject: =?utf-8?B?W8O8XSA=?= a\r\nContent-Type: "
	    "multipart/mixed; boundary=b\r\n\r\n" GONE TAIL,
     .subject = "[\xc3\xbc]"},
    {.label = "in a message within",
     .in = TOP "--b\r\nContent-Type: message/rfc822\r\n\r\n"
	       "Subject: inner\r\nContent-Type: application/zip; "
	       "name=e.zip\r\n\r\nEVIL\r\n" TAIL,
     .out = TOP_MARKED "--b\r\nContent-Type: message/rfc822\r\n\r\n"
		       "Subject: inner\r\nContent-Type: text/plain; "
		       "charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n"
		       "Content-Disposition: inline\r\n\r\nGone: e.zip, "
		       "Worm.\r\n" TAIL},
    {.label = "a text that is not ASCII is encoded",
     .in = TOP EVIL TAIL,
     .out = TOP "--b\r\nX-Id: 7\r\nContent-Type: text/plain; "
		"charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n"
		"Content-Disposition: inline\r\n\r\nw7w6IGUuemlwDQo=\r\n" TAIL,
     .text = "\xc3\xbc: {name}",
     .subject = ""},
    {.label = "lines of the text; braces that mean nothing",
     .in = TOP EVIL TAIL,
     .out = TOP "--b\r\nX-Id: 7\r\nContent-Type: text/plain; "
		"charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n"
		"Content-Disposition: inline\r\n\r\n{a} {\r\n\r\n"
		"gate.test\r\n" TAIL,
     .text = "{a} {\n\n{hostname}",
     .subject = ""},
};

static const size_t chunks[] = {1, 7, 64, 100000};

START_TEST(test_case)
{
	const struct clean_case *c = &cases[_i];

	for (size_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
		struct reading r = {.chunk = chunks[i]};

		walk(&r, c->in);
		ck_assert_msg(r.count > 0, "%s", c->label);
		ck_assert_msg(copy(&r, c->text ? c->text : GONE_TEXT,
				   c->subject ? c->subject : "[x]") == 0,
			      "%s", c->label);
		ck_assert_msg(strcmp(buf_cstr(&r.out), c->out) == 0,
			      "%s:\n%s\nis not\n%s", c->label, buf_cstr(&r.out),
			      c->out);
		buf_fini(&r.out);
	}
}
END_TEST

/* Nobody's words: a line is at most 76 wide, and says what and where. */
START_TEST(test_default)
{
	struct reading r = {.chunk = 100};

	walk(&r, TOP EVIL TAIL);
	ck_assert_int_eq(copy(&r, NULL, NULL), 0);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&r.out),
				     "\r\n\r\nThe attachment e.zip was "
				     "infected (Worm) and was removed by "
				     "gate.test.\r\n--b--\r\n"));
	buf_fini(&r.out);
}
END_TEST

/* A file's name cannot end the text, or add a part. */
START_TEST(test_name_is_escaped)
{
	struct reading r = {.chunk = 100};

	walk(&r, TOP EVIL TAIL);
	r.parts[0].name = "x\r\n--b\r\nY";
	ck_assert_int_eq(copy(&r, NULL, NULL), 0);
	ck_assert_ptr_null(strstr(buf_cstr(&r.out), "\r\n--b\r\nY"));
	buf_fini(&r.out);
}
END_TEST

static const char uu[] = "Subject: s\r\n\r\nhello\r\n"
			 "begin 644 e.zip\r\n$15!)3\r\n`\r\nend\r\nbye\r\n";

START_TEST(test_uu)
{
	struct reading r = {.chunk = 100};
	struct clean_part *part = &r.parts[0];

	r.message = slice_str(uu);
	r.count = 1;
	part->head = part->begin = (uint64_t)(strstr(uu, "begin 644") - uu);
	part->end = (uint64_t)(strstr(uu, "bye") - uu);
	part->encoding = MIME_UUENCODE;
	part->name = "e.zip";
	part->threat = "Worm";
	ck_assert_int_eq(copy(&r, GONE_TEXT, "[x]"), 0);
	ck_assert_str_eq(buf_cstr(&r.out), "Subject: [x] s\r\n\r\nhello\r\n"
					   "Gone: e.zip, Worm.\r\nbye\r\n");
	buf_fini(&r.out);
	part->head = ++part->begin;
	ck_assert_int_eq(copy(&r, GONE_TEXT, "[x]"), GW_EINVAL);
	buf_fini(&r.out);
}
END_TEST

static const struct {
	const char *label;
	struct clean_part parts[2];
	size_t count;
} impossible[] = {
    {"none", {{0}}, 0},
    {"they overlap",
     {{.head = 10, .begin = 20, .end = 40},
      {.head = 39, .begin = 40, .end = 50}},
     2},
    {"behind the end", {{.head = 10, .begin = 20, .end = 100000}}, 1},
    {"no header, but a length below 0",
     {{.head = 20, .begin = 10, .end = 30}},
     1},
    {"it ends before it begins", {{.head = 10, .begin = 30, .end = 20}}, 1},
    {"within the header of the message",
     {{.head = 5, .begin = 6, .end = 7}},
     1},
};

START_TEST(test_impossible)
{
	struct reading r = {.chunk = 100, .message = slice_str(TOP EVIL TAIL)};

	memcpy(r.parts, impossible[_i].parts, sizeof(impossible[_i].parts));
	r.count = impossible[_i].count;
	for (size_t i = 0; i < r.count; i++)
		r.parts[i].name = r.parts[i].threat = "";
	ck_assert_msg(copy(&r, NULL, "[x]") == GW_EINVAL, "%s",
		      impossible[_i].label);
	buf_fini(&r.out);
}
END_TEST

/* Wherever the disk fails, that is said. */
START_TEST(test_read_fails)
{
	static const char in[] = TOP TEXT EVIL TEXT TAIL;

	for (uint64_t at = 1; at <= sizeof(in) - 1; at++) {
		struct reading r = {.chunk = 50, .fail_at = at};

		walk(&r, in);
		ck_assert_int_eq(copy(&r, NULL, "[x]"), GW_EIO);
		buf_fini(&r.out);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("clean");
	TCase *tc = tcase_create("clean");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, test_case, 0, sizeof(cases) / sizeof(cases[0]));
	tcase_add_test(tc, test_default);
	tcase_add_test(tc, test_name_is_escaped);
	tcase_add_test(tc, test_uu);
	tcase_add_loop_test(tc, test_impossible, 0,
			    sizeof(impossible) / sizeof(impossible[0]));
	tcase_add_test(tc, test_read_fails);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
