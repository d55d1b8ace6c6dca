#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/error.h"
#include "gateway/smtp/lines.h"

/*
 * Each inbound row goes through whole, octet by octet and cut at every offset;
 * octets, verdict and what is left over must be the same each time.
 */

#define X50 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X450 X50 X50 X50 X50 X50 X50 X50 X50 X50
#define X499 X450 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X498 X450 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X998 X499 X499

struct row {
	const char *label;
	const char *in;
	size_t n; /* 0: strlen */
	const char *out;
	enum lines_step step;
	enum lines_fault fault;
	const char *rest;
};

#define BIN(s) s, sizeof(s) - 1

static const struct row data_refuse[] = {
    {"empty message", ".\r\n", 0, "", LINES_END, LINES_FINE, ""},
    {"one line", "a\r\n.\r\n", 0, "a\r\n", LINES_END, LINES_FINE, ""},
    {"commands behind the end stay", "a\r\n.\r\nQUIT\r\n", 0, "a\r\n",
     LINES_END, LINES_FINE, "QUIT\r\n"},
    {"empty lines", "\r\n\r\n.\r\n", 0, "\r\n\r\n", LINES_END, LINES_FINE, ""},
    {"stuffed dot", "..\r\n...\r\n..a\r\n.\r\n", 0, ".\r\n..\r\n.a\r\n",
     LINES_END, LINES_FINE, ""},
    {"a dot that nobody stuffed is dropped", ".a\r\n.\r\n", 0, "a\r\n",
     LINES_END, LINES_FINE, ""},
    {"dots inside a line", "a.\r\nb.c\r\n.\r\n", 0, "a.\r\nb.c\r\n", LINES_END,
     LINES_FINE, ""},
    {"smuggling: LF.LF", "a\n.\nMAIL", 0, "a", LINES_BARE, LINES_FAULT_BARE,
     NULL},
    {"smuggling: LF.CRLF", "a\n.\r\nMAIL", 0, "a", LINES_BARE, LINES_FAULT_BARE,
     NULL},
    {"smuggling: CRLF.LF", "a\r\n.\nMAIL", 0, "a\r\n", LINES_BARE,
     LINES_FAULT_BARE, NULL},
    {"smuggling: CRLF.CR", "a\r\n.\rMAIL", 0, "a\r\n", LINES_BARE,
     LINES_FAULT_BARE, NULL},
    {"smuggling: CR.CR", "a\r.\rMAIL", 0, "a", LINES_BARE, LINES_FAULT_BARE,
     NULL},
    {"smuggling: CR.CRLF", "a\r.\r\nMAIL", 0, "a", LINES_BARE, LINES_FAULT_BARE,
     NULL},
    {"CR CR LF", "a\r\r\nb", 0, "a", LINES_BARE, LINES_FAULT_BARE, NULL},
    {"LF first", "\nb", 0, "", LINES_BARE, LINES_FAULT_BARE, NULL},
    {"CR first", "\rb", 0, "", LINES_BARE, LINES_FAULT_BARE, NULL},
    {"a CR waits for more", "a\r", 0, "a", LINES_MORE, LINES_FINE, ""},
    {"a dot waits for more", "a\r\n.", 0, "a\r\n", LINES_MORE, LINES_FINE, ""},
    {"NUL: the rest is read and dropped", BIN("ab\0c\r\nd\r\n.\r\nX"), "ab",
     LINES_END, LINES_FAULT_NUL, "X"},
    {"NUL at a line's start", BIN("a\r\n\0\r\n.\r\n"), "a\r\n", LINES_END,
     LINES_FAULT_NUL, ""},
    {"NUL, then a bare LF", BIN("\0\n.\r\n"), "", LINES_BARE, LINES_FAULT_NUL,
     NULL},
    {"NUL behind the end is not ours", BIN("a\r\n.\r\n\0"), "a\r\n", LINES_END,
     LINES_FINE, NULL},
    {"998 is the longest line", X998 "\r\n.\r\n", 0, X998 "\r\n", LINES_END,
     LINES_FINE, ""},
    {"999 is too long", X998 "y\r\nz\r\n.\r\nQ", 0, X998, LINES_END,
     LINES_FAULT_LONG, "Q"},
    {"a stuffed dot is one octet", ".." X499 X498 "x\r\n", 0, "." X499 X498,
     LINES_MORE, LINES_FAULT_LONG, ""},
    {"998 with its stuffing dot", "." X998 "\r\n.\r\n", 0, X998 "\r\n",
     LINES_END, LINES_FINE, ""},
    {"too long, then the end", "a\r\n" X998 X998 "\r\n..\r\n.\r\n", 0,
     "a\r\n" X998, LINES_END, LINES_FAULT_LONG, ""},
    {"too long, then bare", X998 "xx\n.\r\n", 0, X998, LINES_BARE,
     LINES_FAULT_LONG, NULL},
};

static const struct row data_normalise[] = {
    {"LF", "a\nb\n\r\n.\r\n", 0, "a\r\nb\r\n\r\n", LINES_END, LINES_FINE, ""},
    {"CR", "a\rb\r\n.\r\n", 0, "a\r\nb\r\n", LINES_END, LINES_FINE, ""},
    {"CR CR LF", "a\r\r\n.\r\n", 0, "a\r\n\r\n", LINES_END, LINES_FINE, ""},
    {"LF.LF is text", "a\n.\nb\r\n.\r\n", 0, "a\r\n.\r\nb\r\n", LINES_END,
     LINES_FINE, ""},
    {"LF.CRLF is text", "a\n.\r\nb\r\n.\r\n", 0, "a\r\n.\r\nb\r\n", LINES_END,
     LINES_FINE, ""},
    {"CRLF.LF is text", "a\r\n.\nb\r\n.\r\n", 0, "a\r\n\r\nb\r\n", LINES_END,
     LINES_FINE, ""},
    {"CR.CRLF is text", "a\r.\r\nb\r\n.\r\n", 0, "a\r\n.\r\nb\r\n", LINES_END,
     LINES_FINE, ""},
    {"LF.CR is text", "a\n.\rb\r\n.\r\n", 0, "a\r\n.\r\nb\r\n", LINES_END,
     LINES_FINE, ""},
    {"a stuffed dot behind LF", "a\n..b\n..\r\n.\r\n", 0, "a\r\n.b\r\n.\r\n",
     LINES_END, LINES_FINE, ""},
    {"behind a loose line data may end", "a\n\r\n.\r\nQ", 0, "a\r\n\r\n",
     LINES_END, LINES_FINE, "Q"},
    {"a loose dot line, then the end", "a\n.\r\n.\r\nQ", 0, "a\r\n.\r\n",
     LINES_END, LINES_FINE, "Q"},
    {"only LF", "a\n.\n", 0, "a\r\n.\r\n", LINES_MORE, LINES_FINE, ""},
};

static const struct row chunk_refuse[] = {
    {"dots are text", ".\r\n..\r\n.a\r\n", 0, ".\r\n..\r\n.a\r\n", LINES_MORE,
     LINES_FINE, ""},
    {"a CRLF is added", "abc", 0, "abc\r\n", LINES_MORE, LINES_FINE, ""},
    {"nothing stays nothing", "", 0, "", LINES_MORE, LINES_FINE, ""},
    {"a CR at the end is bare", "abc\r", 0, "abc", LINES_BARE, LINES_FAULT_BARE,
     ""},
    {"LF", "a\nb", 0, "a", LINES_BARE, LINES_FAULT_BARE, NULL},
    {"NUL", BIN("a\0"), "a", LINES_MORE, LINES_FAULT_NUL, ""},
};

struct seen {
	char out[8192];
	size_t out_n, used;
	enum lines_step step;
	enum lines_fault fault;
};

static void
feed(struct lines *l, const char *p, size_t n, struct seen *seen)
{
	struct slice in = slice_of(p, n), out;

	while (in.n > 0 && seen->step == LINES_MORE) {
		seen->step = lines_next(l, &in, &out);
		ck_assert_uint_le(seen->out_n + out.n, sizeof(seen->out));
		if (out.n > 0)
			memcpy(seen->out + seen->out_n, out.p, out.n);
		seen->out_n += out.n;
	}
	seen->used += n - in.n;
}

/* first octets, then the rest in pieces of `piece`. Each piece is a copy of
 * its own, so that reading over its end is seen. */
static void
run(const struct row *row, size_t n, size_t first, size_t piece,
    enum line_ending_policy policy, bool dots, struct seen *seen)
{
	struct lines l;
	struct slice out;
	size_t at = 0, now;
	char *copy;

	memset(seen, 0, sizeof(*seen));
	lines_init(&l, policy, dots);
	while (at < n && seen->step == LINES_MORE) {
		now = at == 0 && first > 0 ? first : piece;
		if (now > n - at)
			now = n - at;
		copy = malloc(now);
		memcpy(copy, row->in + at, now);
		feed(&l, copy, now, seen);
		free(copy);
		at += now;
	}
	if (!dots && seen->step == LINES_MORE) {
		seen->step = lines_finish(&l, &out);
		if (out.n > 0)
			memcpy(seen->out + seen->out_n, out.p, out.n);
		seen->out_n += out.n;
	}
	seen->fault = l.fault;
}

static void
check_row(const struct row *row, enum line_ending_policy policy, bool dots)
{
	size_t n = row->n > 0 ? row->n : strlen(row->in), cut;
	struct seen seen;

	for (cut = 0; cut <= n + 1; cut++) {
		/* cut n + 1: octet by octet */
		run(row, n, cut > n ? 1 : cut, cut > n ? 1 : n, policy, dots,
		    &seen);
		ck_assert_msg(seen.out_n == strlen(row->out) &&
				  memcmp(seen.out, row->out, seen.out_n) == 0,
			      "%s, cut %zu: octets \"%.*s\"", row->label, cut,
			      (int)seen.out_n, seen.out);
		ck_assert_msg(seen.step == row->step, "%s, cut %zu: step %d",
			      row->label, cut, seen.step);
		ck_assert_msg(seen.fault == row->fault, "%s, cut %zu: fault %d",
			      row->label, cut, seen.fault);
		if (row->rest != NULL)
			ck_assert_msg(seen.used == n - strlen(row->rest),
				      "%s, cut %zu: used %zu", row->label, cut,
				      seen.used);
	}
}

START_TEST(data_is_refused)
{
	check_row(&data_refuse[_i], LINE_REFUSE, true);
}
END_TEST

START_TEST(data_is_normalised)
{
	check_row(&data_normalise[_i], LINE_NORMALISE, true);
}
END_TEST

START_TEST(chunks)
{
	check_row(&chunk_refuse[_i], LINE_REFUSE, false);
}
END_TEST

START_TEST(eightbit_is_seen_in_text_only)
{
	static const struct {
		const char *in;
		bool seen;
	} rows[] = {
	    {"abcdefghijk\r\n.\r\n", false},
	    {"abcdefg\xc3\xa4hijk\r\n.\r\n", true},
	    {"\x80\r\n", true},
	    {"a\r\n.\r\n\xff", false},
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct seen seen = {.step = LINES_MORE};
		struct lines l;

		lines_init(&l, LINE_REFUSE, true);
		feed(&l, rows[i].in, strlen(rows[i].in), &seen);
		ck_assert_msg(l.eightbit == rows[i].seen, "row %zu", i);
	}
}
END_TEST

/* A megabyte of bare CRs under normalise was once a quadratic scan. */
START_TEST(hostile_input_is_linear)
{
	enum { SIZE = 1 << 20 };
	char *in = malloc(SIZE);
	struct slice rest, out;
	struct lines l;
	size_t i, steps = 0, total = 0;

	for (i = 0; i < SIZE; i++)
		in[i] = i % 2 == 0 ? '\r' : 'x';
	lines_init(&l, LINE_NORMALISE, true);
	for (rest = slice_of(in, SIZE); rest.n > 0; steps++) {
		ck_assert_int_eq(lines_next(&l, &rest, &out), LINES_MORE);
		total += out.n;
	}
	ck_assert_uint_eq(total, SIZE / 2 * 3);
	ck_assert_uint_le(steps, 3 * SIZE);
	free(in);
}
END_TEST

static const struct {
	const char *label, *in, *out;
	int err;
} stuff_rows[] = {
    {"nothing", "", ".\r\n", GW_OK},
    {"plain", "a\r\nb\r\n", "a\r\nb\r\n.\r\n", GW_OK},
    {"dots", ".\r\n..a\r\nb.\r\n", "..\r\n...a\r\nb.\r\n.\r\n", GW_OK},
    {"no CRLF at the end", "a", "a\r\n.\r\n", GW_OK},
    {"bare LF", "a\n.\r\n", NULL, GW_EPROTO},
    {"bare CR", "a\r.\r\n", NULL, GW_EPROTO},
    {"CR at the very end", "a\r\nb\r", NULL, GW_EPROTO},
    {"LF first", "\n", NULL, GW_EPROTO},
    {"CR CR LF", "a\r\r\n", NULL, GW_EPROTO},
};

START_TEST(stuffing)
{
	const char *in = stuff_rows[_i].in;
	size_t n = strlen(in), cut, at, piece;
	struct lines_stuff s;
	struct buf out;
	int err;

	for (cut = 0; cut <= n + 1; cut++) {
		buf_init(&out, 4096);
		lines_stuff_init(&s);
		err = GW_OK;
		for (at = 0; at < n && err == GW_OK; at += piece) {
			piece = cut > n ? 1 : at == 0 && cut > 0 ? cut : n;
			if (piece > n - at)
				piece = n - at;
			err = lines_stuff(&s, slice_of(in + at, piece), &out);
		}
		if (err == GW_OK)
			err = lines_stuff_end(&s, &out);
		ck_assert_msg(err == stuff_rows[_i].err, "%s, cut %zu: %d",
			      stuff_rows[_i].label, cut, err);
		if (err == GW_OK)
			ck_assert_str_eq(buf_cstr(&out), stuff_rows[_i].out);
		buf_fini(&out);
	}
}
END_TEST

START_TEST(stuffing_stops_at_the_cap_and_at_nul)
{
	struct lines_stuff s;
	struct buf out;

	buf_init(&out, 4);
	lines_stuff_init(&s);
	ck_assert_int_eq(lines_stuff(&s, SLICE_LIT("abc\r\n"), &out),
			 GW_ETOOBIG);
	buf_fini(&out);
	buf_init(&out, 100);
	lines_stuff_init(&s);
	ck_assert_int_eq(lines_stuff(&s, slice_of("a\0\r\n", 4), &out),
			 GW_EPROTO);
	buf_fini(&out);
}
END_TEST

#define COUNT(a) (int)(sizeof(a) / sizeof((a)[0]))

int
main(void)
{
	Suite *suite = suite_create("smtp/lines");
	TCase *tc = tcase_create("lines");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, data_is_refused, 0, COUNT(data_refuse));
	tcase_add_loop_test(tc, data_is_normalised, 0, COUNT(data_normalise));
	tcase_add_loop_test(tc, chunks, 0, COUNT(chunk_refuse));
	tcase_add_test(tc, eightbit_is_seen_in_text_only);
	tcase_add_test(tc, hostile_input_is_linear);
	tcase_add_loop_test(tc, stuffing, 0, COUNT(stuff_rows));
	tcase_add_test(tc, stuffing_stops_at_the_cap_and_at_nul);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
