/* Frames and requests: whole, byte by byte, cut at each offset, and wrong. */
#include "gateway/control/protocol.h"
#include "tests/net/net_help.h"

#define LONGEST (FRAME_MAX - FRAME_HEADER_SIZE)

static void
put_frame(struct buf *out, uint8_t type, uint32_t n, size_t given)
{
	buf_put_u8(out, type);
	buf_put_u32(out, n);
	for (size_t i = 0; i < given; i++)
		buf_add_byte(out, 'x');
}

START_TEST(frames)
{
	static const struct {
		const char *label;
		uint8_t type;
		uint32_t n;
		size_t given;
		int want;
	} rows[] = {
	    {"empty body", FRAME_STDOUT, 0, 0, 1},
	    {"a body", FRAME_REQUEST, 3, 3, 1},
	    {"bytes behind it", FRAME_SECRET, 3, 9, 1},
	    {"longest", FRAME_STDERR, LONGEST, LONGEST, 1},
	    {"body not there", FRAME_EXIT, 1, 0, 0},
	    {"one byte short", FRAME_STDOUT, 10, 9, 0},
	    {"too long", FRAME_STDOUT, LONGEST + 1, 0, GW_EPROTO},
	    {"far too long", FRAME_REQUEST, UINT32_MAX, 0, GW_EPROTO},
	    {"type 0", 0, 0, 0, GW_EPROTO},
	    {"end of the input", FRAME_INPUT, 0, 0, 1},
	    {"type unknown", 4, 0, 0, GW_EPROTO},
	    {"type of text", 'G', 0x45542f20, 0, GW_EPROTO},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf in = {.cap = FRAME_MAX + 100};
		struct frame frame;
		size_t used = 0;
		int got;

		put_frame(&in, rows[i].type, rows[i].n, rows[i].given);
		got = frame_get(buf_slice(&in), &frame, &used);
		ck_assert_msg(got == rows[i].want, "%s: %d", rows[i].label,
			      got);
		if (got == 1) {
			ck_assert_uint_eq(frame.body.n, rows[i].n);
			ck_assert_uint_eq(used, rows[i].n + FRAME_HEADER_SIZE);
			for (size_t cut = 0; cut < used; cut++) {
				size_t n;

				got = frame_get(slice_head(buf_slice(&in), cut),
						&frame, &n);
				ck_assert_msg(got == 0, "%s cut at %zu",
					      rows[i].label, cut);
			}
		}
		buf_fini(&in);
	}
}
END_TEST

START_TEST(text_of_any_length)
{
	static const size_t lengths[] = {
	    0, 1, LONGEST, LONGEST + 1, 2 * LONGEST, 3 * LONGEST + 7};

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct buf text = {.cap = 1 << 20}, out = {.cap = 1 << 20};
		struct slice rest;
		struct frame frame;
		size_t used, total = 0;

		for (size_t c = 0; c < lengths[i]; c++)
			buf_add_byte(&text, (char)('a' + c % 26));
		frame_put_text(&out, FRAME_STDERR, buf_slice(&text));
		for (rest = buf_slice(&out); rest.n > 0;
		     rest = slice_from(rest, used)) {
			ck_assert_int_eq(frame_get(rest, &frame, &used), 1);
			ck_assert_int_eq(frame.type, FRAME_STDERR);
			ck_assert(slice_eq(
			    frame.body,
			    slice_head(slice_from(buf_slice(&text), total),
				       frame.body.n)));
			total += frame.body.n;
		}
		ck_assert_uint_eq(total, lengths[i]);
		buf_fini(&text);
		buf_fini(&out);
	}
}
END_TEST

START_TEST(request_there_and_back)
{
	struct request in = {.words = {"user", "add", "", "b\xc3\xb6"},
			     .count = 4,
			     .json = true,
			     .secret = true,
			     .columns = 132};
	struct buf body = {.cap = FRAME_MAX};
	struct request out;

	ck_assert_int_eq(request_encode(&in, &body), 0);
	ck_assert_int_eq(request_decode(buf_slice(&body), &out), 0);
	ck_assert_uint_eq(out.count, 4);
	for (size_t i = 0; i < 4; i++)
		ck_assert_str_eq(out.words[i], in.words[i]);
	ck_assert(out.json && out.secret && !out.tty);
	ck_assert_uint_eq(out.columns, 132);
	for (size_t cut = 0; cut < body.n; cut++)
		ck_assert_msg(request_decode(slice_head(buf_slice(&body), cut),
					     &out) == GW_EPROTO,
			      "cut at %zu", cut);
	buf_add_byte(&body, 'x');
	ck_assert_int_eq(request_decode(buf_slice(&body), &out), GW_EPROTO);
	buf_fini(&body);
}
END_TEST

START_TEST(caps)
{
	static char word[REQUEST_WORD_MAX + 2];
	static const struct {
		const char *label;
		size_t count, length;
		int want;
	} rows[] = {
	    {"no word", 0, 0, GW_EINVAL},
	    {"longest word", 1, REQUEST_WORD_MAX, 0},
	    {"too long a word", 1, REQUEST_WORD_MAX + 1, GW_ETOOBIG},
	    {"most words", REQUEST_WORDS, 10, 0},
	    {"too many words", REQUEST_WORDS + 1, 1, GW_ETOOBIG},
	    {"too much in all", 17, REQUEST_WORD_MAX, GW_ETOOBIG},
	    {"nearly too much", 15, REQUEST_WORD_MAX, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct request request = {.count = rows[i].count};
		struct buf body = {.cap = 1 << 20};
		int err;

		memset(word, 'w', sizeof(word));
		word[rows[i].length] = '\0';
		for (size_t w = 0; w < rows[i].count && w < REQUEST_WORDS; w++)
			request.words[w] = word;
		err = request_encode(&request, &body);
		ck_assert_msg(err == rows[i].want, "%s: %d", rows[i].label,
			      err);
		if (err == 0)
			ck_assert_msg(
			    request_decode(buf_slice(&body), &request) == 0,
			    "%s", rows[i].label);
		buf_fini(&body);
	}
}
END_TEST

START_TEST(wrong_requests)
{
	static const struct {
		const char *label, *body;
		size_t n;
		int want;
	} rows[] = {
#define ROW(label, body, want) {label, body, sizeof(body) - 1, want}
	    ROW("good", "\0\2\0\0\0\0\1\0\0\0\2a\0", 0),
	    ROW("of another release", "\0\1\0\0\0\0\1\0\0\0\2a\0", GW_ENOTSUP),
	    ROW("no words", "\0\2\0\0\0\0\0", GW_EPROTO),
	    ROW("65 words said", "\0\2\0\0\0\0\x41", GW_EPROTO),
	    ROW("unknown flag", "\0\2\x10\0\0\0\1\0\0\0\2a\0", GW_EPROTO),
	    ROW("secret and input", "\0\2\xc\0\0\0\1\0\0\0\2a\0", GW_EPROTO),
	    ROW("word without NUL", "\0\2\0\0\0\0\1\0\0\0\2aa", GW_EPROTO),
	    ROW("NUL in a word", "\0\2\0\0\0\0\1\0\0\0\3a\0\0", GW_EPROTO),
	    ROW("empty word", "\0\2\0\0\0\0\1\0\0\0\0", GW_EPROTO),
	    ROW("length past the end", "\0\2\0\0\0\0\1\xff\xff\xff\xff\0",
		GW_EPROTO),
#undef ROW
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct request request;
		int err =
		    request_decode(slice_of(rows[i].body, rows[i].n), &request);

		ck_assert_msg(err == rows[i].want, "%s: %d", rows[i].label,
			      err);
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {frames, text_of_any_length,
				      request_there_and_back, caps,
				      wrong_requests};

	return RUN_TESTS("control/protocol", tests);
}
