/* Heads, chunked bodies and whole answers: each whole, byte by byte, and cut
 * at each offset. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/icap/answer.h"

static struct buf
lines(const char *text)
{
	struct buf out = {.cap = 1 << 20};

	for (; *text != '\0'; text++) {
		if (*text == '|')
			buf_add_str(&out, "\r\n");
		else
			buf_add_byte(&out, *text);
	}
	return out;
}

/* --- heads -------------------------------------------------------------- */

static const struct {
	const char *label, *text, *start, *name, *value;
	uint32_t count;
	size_t rest; /* bytes behind it */
} heads[] = {
    {"plain", "A b|X: y||rest", "A b", "X", "y", 1, 4},
    {"no fields", "A b||", "A b", "X", NULL, 0, 0},
    {"lines in front", "|\n|A b|X: y||", "A b", "X", "y", 1, 0},
    {"LF only", "A b\nX: y\n\nz", "A b", "X", "y", 1, 1},
    {"another case", "A|x-LONG: y||", "A", "X-Long", "y", 1, 0},
    {"blanks around", "A|X \t:  \t y z \t||", "A", "X", "y z", 1, 0},
    {"an empty value", "A|X:||", "A", "X", "", 1, 0},
    {"an empty value, folded", "A|X:| y||", "A", "X", "y", 1, 0},
    {"a colon in the value", "A|X: a:b||", "A", "X", "a:b", 1, 0},
    {"folded", "A|X: a|\tb|  c ||", "A", "X", "a\r\n\tb\r\n  c", 1, 0},
    {"a fold of nothing", "A|X: a|\t||", "A", "X", "a", 1, 0},
    {"a fold of the first line", "A| b|X: y||", "A", "X", "y", 1, 0},
    {"a line that is none", "A|nothing|X: y||", "A", "X", "y", 1, 0},
    {"a fold of a line that is none", "A|X: y|nothing| more||", "A", "X", "y",
     1, 0},
    {"no name", "A|: z|X: y||", "A", "X", "y", 1, 0},
    {"the first of two", "A|X: 1|X: 2||", "A", "X", "1", 2, 0},
    {"a name that begins so", "A|XX: 1|X: 2||", "A", "X", "2", 2, 0},
};

static void
head_check(int i, size_t piece)
{
	struct buf text = lines(heads[i].text);
	struct slice in = buf_slice(&text), part, value;
	enum icap_head_step step = ICAP_HEAD_MORE;
	struct icap_head h;

	icap_head_init(&h);
	while (step == ICAP_HEAD_MORE && in.n > 0) {
		part = slice_head(in, piece);
		in = slice_from(in, part.n);
		step = icap_head_add(&h, &part);
		in = slice_of(part.p, part.n + in.n);
	}
	ck_assert_msg(step == ICAP_HEAD_DONE && in.n == heads[i].rest,
		      "%s: step %d, %zu left", heads[i].label, step, in.n);
	ck_assert_msg(slice_eq(icap_head_start(&h), slice_str(heads[i].start)),
		      "%s: start", heads[i].label);
	ck_assert_msg(h.count == heads[i].count, "%s: %u fields",
		      heads[i].label, h.count);
	value = icap_head_get(&h, heads[i].name);
	ck_assert_msg((value.p == NULL) == (heads[i].value == NULL) &&
			  slice_eq(value, slice_str(heads[i].value)),
		      "%s: \"%.*s\"", heads[i].label, (int)value.n, value.p);
	icap_head_fini(&h);
	for (size_t n = 0; n + heads[i].rest < text.n; n++) {
		icap_head_init(&h);
		in = slice_head(buf_slice(&text), n);
		ck_assert_msg(icap_head_add(&h, &in) == ICAP_HEAD_MORE,
			      "%s: done at %zu", heads[i].label, n);
		icap_head_fini(&h);
	}
	buf_fini(&text);
}

START_TEST(head)
{
	head_check(_i, 1000);
	head_check(_i, 1);
}
END_TEST

START_TEST(lists)
{
	struct buf text = lines("A|M: RESPMOD ,reqmod|M: X|N: RESPMODE||");
	struct slice in = buf_slice(&text);
	struct icap_head h;

	icap_head_init(&h);
	ck_assert_int_eq(icap_head_add(&h, &in), ICAP_HEAD_DONE);
	ck_assert(icap_head_lists(&h, "M", "RESPMOD"));
	ck_assert(icap_head_lists(&h, "m", "REQMOD"));
	ck_assert(icap_head_lists(&h, "M", "x"));
	ck_assert(!icap_head_lists(&h, "N", "RESPMOD"));
	ck_assert(!icap_head_lists(&h, "O", "RESPMOD"));
	icap_head_fini(&h);
	buf_fini(&text);
}
END_TEST

/* Just under and just over each cap; a reset head is as new. */
START_TEST(head_caps)
{
	struct buf text = {.cap = 1 << 20};
	struct icap_head h;
	struct slice in;

	icap_head_init(&h);
	for (int over = 0; over < 2; over++) {
		buf_clear(&text);
		buf_add_str(&text, "A\r\n");
		for (int i = 0; i < ICAP_HEAD_FIELDS_MAX + over; i++)
			buf_add_str(&text, "X: y\r\n");
		buf_add_str(&text, "\r\n");
		in = buf_slice(&text);
		icap_head_reset(&h);
		ck_assert_int_eq(icap_head_add(&h, &in),
				 over ? ICAP_HEAD_BAD : ICAP_HEAD_DONE);
		buf_clear(&text);
		buf_add_str(&text, "A\r\nX: ");
		while (text.n < (size_t)ICAP_HEAD_BYTES_MAX - 4 + (size_t)over)
			buf_add_byte(&text, 'x');
		buf_add_str(&text, "\r\n\r\n");
		in = buf_slice(&text);
		icap_head_reset(&h);
		ck_assert_int_eq(icap_head_add(&h, &in),
				 over ? ICAP_HEAD_BAD : ICAP_HEAD_DONE);
	}
	icap_head_fini(&h);
	buf_fini(&text);
}
END_TEST

/* --- chunks ------------------------------------------------------------- */

static const struct {
	const char *label, *text, *body; /* NULL: bad */
	size_t rest;
} chunks[] = {
    {"nothing", "0||", "", 0},
    {"one", "3|abc|0||", "abc", 0},
    {"two", "3|abc|2|de|0||rest", "abcde", 4},
    {"hex", "a|0123456789|0||", "0123456789", 0},
    {"upper case", "A|0123456789|0||", "0123456789", 0},
    {"zeros in front", "0003|abc|000||", "abc", 0},
    {"extensions", "3;a=b;c|abc|0; ieof||", "abc", 0},
    {"blanks behind the size", "3  |abc|0 ||", "abc", 0},
    {"LF only", "3\nabc\n0\n\nz", "abc", 1},
    {"trailers", "1|a|0|X: y|Z: 1||", "a", 0},
    {"line ends in the data", "4||||0||", "\r\n\r\n", 0},
    {"no size", "|abc|0||", NULL, 0},
    {"no hex", "g|", NULL, 0},
    {"negative", "-1|", NULL, 0},
    {"0x", "0x3|abc|0||", NULL, 0},
    {"blank in front", " 3|abc|0||", NULL, 0},
    {"two numbers", "3 3|abc|0||", NULL, 0},
    {"too short", "2|abc|0||", NULL, 0},
    {"too long", "5|abc|0||", NULL, 0},
    {"a CR alone behind the size", "3\rabc|0||", NULL, 0},
    {"a CR alone behind the data", "3|abc\r0||", NULL, 0},
    {"overflow", "10000000000000000|", NULL, 0},
    {"overflow by zeros is none", "00000000000000000001|a|0||", "a", 0},
};

static void
chunks_check(int i, size_t piece)
{
	struct buf text = lines(chunks[i].text), body = {.cap = 1 << 20};
	struct slice in = buf_slice(&text), part, data;
	enum icap_chunked_step step = ICAP_CHUNKED_MORE;
	struct icap_chunked c;

	icap_chunked_init(&c);
	while (step == ICAP_CHUNKED_MORE && in.n > 0) {
		part = slice_head(in, piece);
		in = slice_from(in, part.n);
		do {
			step = icap_chunked_next(&c, &part, &data);
			if (step == ICAP_CHUNKED_DATA)
				buf_add_slice(&body, data);
		} while (step == ICAP_CHUNKED_DATA);
		in = slice_of(part.p, part.n + in.n);
	}
	if (chunks[i].body == NULL) {
		ck_assert_msg(step == ICAP_CHUNKED_BAD, "%s: step %d",
			      chunks[i].label, step);
		ck_assert(icap_chunked_next(&c, &in, &data) ==
			  ICAP_CHUNKED_BAD);
	} else {
		ck_assert_msg(
		    step == ICAP_CHUNKED_END && in.n == chunks[i].rest &&
			slice_eq(buf_slice(&body), slice_str(chunks[i].body)),
		    "%s: step %d, %zu left", chunks[i].label, step, in.n);
		ck_assert(icap_chunked_next(&c, &in, &data) ==
			  ICAP_CHUNKED_END);
	}
	buf_fini(&body);
	for (size_t n = 0;
	     chunks[i].body != NULL && n + chunks[i].rest < text.n; n++) {
		in = slice_head(buf_slice(&text), n);
		icap_chunked_init(&c);
		do {
			step = icap_chunked_next(&c, &in, &data);
		} while (step == ICAP_CHUNKED_DATA);
		ck_assert_msg(step == ICAP_CHUNKED_MORE, "%s: cut at %zu",
			      chunks[i].label, n);
	}
	buf_fini(&text);
}

START_TEST(chunked)
{
	chunks_check(_i, 1000);
	chunks_check(_i, 1);
}
END_TEST

/* Extensions and trailers without end. */
START_TEST(chunk_caps)
{
	static const char *const begins[] = {"3;", "0\r\nX: ", "3 ", "0\r\n",
					     "0000"};
	static const char *const goes_on[] = {"x", "y", " ", "X\r\n", "0"};

	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
		struct icap_chunked c;
		struct slice in = slice_str(begins[i]), data;
		size_t n = 0;

		icap_chunked_init(&c);
		ck_assert_int_eq(icap_chunked_next(&c, &in, &data),
				 ICAP_CHUNKED_MORE);
		do {
			in = slice_str(goes_on[i]);
			n++;
		} while (icap_chunked_next(&c, &in, &data) ==
			     ICAP_CHUNKED_MORE &&
			 n < 100000);
		ck_assert_msg(n <= ICAP_TRAILER_MAX, "%s: %zu", begins[i], n);
	}
}
END_TEST

/* --- answers ------------------------------------------------------------ */

#define H "ICAP/1.0 200 OK|"
#define RES "HTTP/1.1 403 No||"
#define REQ "GET / HTTP/1.1||"

static const struct {
	const char *label, *text;
	int status, http; /* 0: bad */
	bool body;
	const char *heard;
	unsigned continues;
} answers[] = {
    {"204", "ICAP/1.0 204 No||", 204, 0, false, "", 0},
    {"no text", "ICAP/1.0 204||", 204, 0, false, "", 0},
    {"ICAP/1.1", "ICAP/1.1 204 No||", 204, 0, false, "", 0},
    {"100 in front", "ICAP/1.0 100 Continue||ICAP/1.0 204 No||", 204, 0, false,
     "", 1},
    {"two of them", "ICAP/1.0 100 C|X: y||ICAP/1.0 100 C||ICAP/1.0 204 No||",
     204, 0, false, "", 2},
    {"null-body", H "Encapsulated: null-body=0||", 200, 0, false, "", 0},
    {"response", H "Encapsulated: res-hdr=0, res-body=19||" RES "1|a|0||", 200,
     403, true, "a", 0},
    {"response, wrong offset",
     H "Encapsulated: res-hdr=0, res-body=7||" RES "1|a|0||", 200, 403, true,
     "a", 0},
    {"both",
     H "Encapsulated: req-hdr=0, res-hdr=9, res-body=19||" REQ RES "1|a|0||",
     200, 403, true, "a", 0},
    {"request", H "Encapsulated: req-hdr=0, req-body=19||" REQ "1|a|0||", 200,
     0, true, "a", 0},
    {"body alone", H "Encapsulated: opt-body=0||2|ab|0||", 200, 0, true, "ab",
     0},
    {"any case and blanks", H "encapsulated:RES-HDR = 0 ,null-body= 5||" RES,
     200, 403, false, "", 0},
    {"unknown entity", H "Encapsulated: foo-hdr=0||", 0, 0, false, "", 0},
    {"twice", H "Encapsulated: res-hdr=0, res-hdr=4||", 0, 0, false, "", 0},
    {"the wrong way round",
     H "Encapsulated: res-hdr=0, req-hdr=4, null-body=9||", 0, 0, false, "", 0},
    {"behind the body", H "Encapsulated: res-body=0, res-hdr=4||", 0, 0, false,
     "", 0},
    {"backwards", H "Encapsulated: res-hdr=9, res-body=4||", 0, 0, false, "",
     0},
    {"no number", H "Encapsulated: res-hdr=x||", 0, 0, false, "", 0},
    {"no offset", H "Encapsulated: res-hdr||", 0, 0, false, "", 0},
    {"empty", H "Encapsulated: ||", 0, 0, false, "", 0},
    {"two fields", H "Encapsulated: null-body=0|Encapsulated: null-body=0||", 0,
     0, false, "", 0},
    {"too many",
     H "Encapsulated: null-body=0, null-body=0, null-body=0, null-body=0, "
       "null-body=0||",
     0, 0, false, "", 0},
    {"HTTP/2", H "Encapsulated: res-hdr=0, null-body=9||HTTP/2 403 No||", 0, 0,
     false, "", 0},
    {"status 99", "ICAP/1.0 099 No||", 0, 0, false, "", 0},
    {"status 600", "ICAP/1.0 600 No||", 0, 0, false, "", 0},
    {"status +204", "ICAP/1.0 +204 No||", 0, 0, false, "", 0},
    {"ICAP/2.0", "ICAP/2.0 204 No||", 0, 0, false, "", 0},
    {"ICAP/1.", "ICAP/1. 204 No||", 0, 0, false, "", 0},
};

struct outcome {
	enum icap_answer_step step;
	int status, http;
	unsigned continues, heads;
	struct buf body;
	size_t left;
};

static void
answer_run(struct slice in, size_t piece, struct outcome *o)
{
	struct icap_answer a;
	struct slice part, data;

	memset(o, 0, sizeof(*o));
	buf_init(&o->body, 1 << 20);
	icap_answer_init(&a);
	o->step = ICAP_ANSWER_MORE;
	while (o->step == ICAP_ANSWER_MORE && in.n > 0) {
		part = slice_head(in, piece);
		in = slice_from(in, part.n);
		do {
			o->step = icap_answer_next(&a, &part, &data);
			o->continues += o->step == ICAP_ANSWER_CONTINUE;
			o->heads += o->step == ICAP_ANSWER_HEADS;
			if (o->step == ICAP_ANSWER_BODY)
				buf_add_slice(&o->body, data);
		} while (o->step == ICAP_ANSWER_CONTINUE ||
			 o->step == ICAP_ANSWER_HEADS ||
			 o->step == ICAP_ANSWER_BODY);
		in = slice_of(part.p, part.n + in.n);
	}
	o->left = in.n;
	o->status = a.status;
	o->http = a.http_status;
	icap_answer_fini(&a);
}

START_TEST(answer)
{
	struct buf text = lines(answers[_i].text);
	struct outcome o;
	size_t whole = text.n;

	buf_add_str(&text, "next");
	for (size_t piece = 1; piece <= text.n; piece += text.n - 1) {
		answer_run(buf_slice(&text), piece, &o);
		if (answers[_i].status == 0) {
			ck_assert_msg(o.step == ICAP_ANSWER_BAD, "%s: step %d",
				      answers[_i].label, o.step);
		} else {
			ck_assert_msg(
			    o.step == ICAP_ANSWER_END && o.left == 4 &&
				o.heads == 1 &&
				o.status == answers[_i].status &&
				o.http == answers[_i].http &&
				o.continues == answers[_i].continues &&
				slice_eq(buf_slice(&o.body),
					 slice_str(answers[_i].heard)),
			    "%s: step %d, %zu left, %d %d", answers[_i].label,
			    o.step, o.left, o.status, o.http);
		}
		buf_fini(&o.body);
	}
	for (size_t n = 0; answers[_i].status != 0 && n < whole; n++) {
		answer_run(slice_head(buf_slice(&text), n), n, &o);
		ck_assert_msg(o.step == ICAP_ANSWER_MORE, "%s: cut at %zu",
			      answers[_i].label, n);
		buf_fini(&o.body);
	}
	buf_fini(&text);
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

int
main(void)
{
	Suite *suite = suite_create("icap/parse");
	TCase *tc = tcase_create("parse");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, head, 0, COUNT(heads));
	tcase_add_test(tc, lists);
	tcase_add_test(tc, head_caps);
	tcase_add_loop_test(tc, chunked, 0, COUNT(chunks));
	tcase_add_test(tc, chunk_caps);
	tcase_add_loop_test(tc, answer, 0, COUNT(answers));
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
