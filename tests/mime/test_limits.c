#include <malloc.h>
#include <time.h>

#include "tests/mime/walk_help.h"

#define MIXED "Content-Type: multipart/mixed; boundary=x\r\n\r\n"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

struct counted {
	uint64_t parts, bytes;
	size_t memory; /* the most that was allocated, at a part */
};

static size_t
allocated(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static void
count_part(void *arg, const struct mime_part *part)
{
	struct counted *c = arg;

	c->parts++;
	c->bytes += part->decoded_bytes;
	if (c->parts % 1000 == 0 && allocated() > c->memory)
		c->memory = allocated();
}

static void
walk(struct slice message, struct mime_opts opts, struct counted *c,
     struct mime_summary *sum)
{
	struct mime_walk *w;

	*c = (struct counted){0};
	opts.part = count_part;
	opts.arg = c;
	w = mime_walk_create(&opts);
	for (; message.n > 0; message = slice_from(message, 16384))
		mime_walk_add(w, slice_head(message, 16384));
	mime_walk_end(w, sum);
	mime_walk_destroy(&w);
}

static double
cpu_s(void)
{
	struct timespec t;

	ck_assert_int_eq(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), 0);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
repeat(struct buf *b, const char *what, size_t count)
{
	for (size_t i = 0; i < count; i++)
		buf_add_str(b, what);
}

/*
 * 10 MB made to be dear. With the caps lifted too: what bounds memory and time
 * is the walker, not that it gives up. Memory is only told truly without a
 * sanitizer; time has room for one, and for a busy machine.
 */
static const struct {
	const char *label, *head, *again, *tail;
	size_t count;
	uint64_t parts;
} bombs[] = {
    {"a million parts", MIXED, "--x\r\n\r\n\r\n", "--x--\r\n", 1000000,
     1000000},
    {"a million attachments", MIXED, "--x\nContent-Type:a/b\n\n\n", "--x--\n",
     450000, 450000},
    {"names in many charsets", MIXED,
     "--x\nContent-Type:a/b;name=\"=?big5?Q?a?==?gbk?Q?a?==?koi8-r?Q?a?="
     "=?euc-jp?Q?a?==?iso-8859-1?Q?a?==?iso-8859-2?Q?a?==?cp1252?Q?a?="
     "=?euc-kr?Q?a?==?tis-620?Q?a?==?windows-1250?Q?a?=\"\n\n\n",
     "--x--\n", 45000, 45000},
    {"headers without end", MIXED, "--x\n", "--x--\n", 2500000, 2500000},
    {"dashes", MIXED "--x\r\n\r\n", "--\r\n", "--x--\r\n", 2500000, 1},
    {"begin lines", "\r\n", "begin 644 a\r\n", "", 700000, 1},
    {"uuencoded files", "\n", "begin 644 a\n!0\n`\nend\n", "", 450000, 450001},
    {"equals signs", "Content-Transfer-Encoding: quoted-printable\r\n\r\n", "=",
     "", 10000000, 1},
    {"pads", "Content-Transfer-Encoding: base64\r\n\r\n", "=", "", 10000000, 1},
    {"base64 in lines of one", "Content-Transfer-Encoding: base64\r\n\r\n",
     "A\r\n", "", 3300000, 1},
    {"one line", "\r\n", "-", "", 10000000, 1},
    {"bare CRs", MIXED "--x\r\n\r\n", "\r", "\r\n--x--\r\n", 10000000, 1},
    {"empty lines", MIXED "--x\r\n\r\n", "\n", "\n--x--\n", 10000000, 1},
    {"epilogues", MIXED, "--x--\r\n", "", 1400000, 0},
};

START_TEST(bounded)
{
	struct mime_opts opts = {.parts_max = 5000000};
	struct buf b = {.cap = SIZE_MAX};
	struct mime_summary sum;
	struct counted c;
	size_t before;
	double start;

	buf_add_str(&b, bombs[_i].head);
	repeat(&b, bombs[_i].again, bombs[_i].count);
	buf_add_str(&b, bombs[_i].tail);
	/* with the cap; and libraries load what they keep */
	walk(buf_slice(&b), (struct mime_opts){0}, &c, &sum);
	ck_assert_int_eq((sum.flags & MIME_TOO_MANY) != 0,
			 bombs[_i].parts > 10000);
	ck_assert_uint_le(c.parts, 10000);
	before = allocated();
	start = cpu_s();
	walk(buf_slice(&b), opts, &c, &sum);
	/* printed, never asserted: what is quadratic meets the time limit */
	printf("%s: %.3f s of CPU\n", bombs[_i].label, cpu_s() - start);
	if (!SANITIZED)
		ck_assert_msg(c.memory < before + 65536, "%s: %zu bytes",
			      bombs[_i].label, c.memory - before);
	ck_assert_msg(c.parts == bombs[_i].parts, "%s: %" PRIu64 " parts",
		      bombs[_i].label, c.parts);
	ck_assert_uint_eq(sum.flags & ~(uint32_t)MIME_AMBIGUOUS, 0);
	buf_fini(&b);
}
END_TEST

/* Memory does not grow with what a header says either, up to its cap. */
START_TEST(long_headers)
{
	static const char *fields[] = {"To: ", "Content-Type: a/b; name=\"",
				       "Content-Type: a/b",
				       "Content-Disposition: a; filename=\""};
	static const char *contents[] = {
	    "x", "\r\n x",     ";",	      ";a=b", "\\\"", "=?utf-8?Q?a?= ",
	    "(", "; name*1=a", "; name*0*=%", "=?=?", "/"};
	size_t field = (size_t)_i % 4, content = (size_t)_i / 4;

	for (size_t most = 0; most < 2; most++) {
		struct buf b = {.cap = SIZE_MAX};
		struct mime_summary sum;
		struct counted c;
		size_t n =
		    (most == 0 ? 100000 : 110000) / strlen(contents[content]);

		buf_add_str(&b, fields[field]);
		repeat(&b, contents[content], n);
		buf_add_str(&b, "\r\n\r\nHi\r\n");
		walk(buf_slice(&b), (struct mime_opts){0}, &c, &sum);
		ck_assert_msg(
		    ((sum.flags & MIME_HEADER_TOO_BIG) != 0) == (most == 1),
		    "%s%s: %x", fields[field], contents[content], sum.flags);
		ck_assert_uint_eq(c.parts, 1 - most);
		buf_fini(&b);
	}
}
END_TEST

START_TEST(header_cap)
{
	struct mime_opts opts = {.header_max = 100};

	/* the empty line counts; byte by byte it is the same byte */
	for (size_t n = 90; n < 105; n++) {
		struct buf b = {.cap = SIZE_MAX};
		struct mime_summary sum;
		struct told t;

		buf_add_str(&b, "A: ");
		repeat(&b, "x", n - 7);
		buf_add_str(&b, "\r\n\r\nHi");
		for (size_t piece = 1; piece <= b.n; piece += b.n - 1) {
			told_walk(&t, buf_slice(&b), piece, piece, &opts, &sum);
			ck_assert_uint_eq(sum.flags,
					  n > 100 ? MIME_HEADER_TOO_BIG : 0);
			buf_fini(&t.text);
		}
		buf_fini(&b);
	}
}
END_TEST

/* A program piped in a text without a header and without an empty line: more
 * than a header may be, and no reason to call it unscannable. */
START_TEST(headless)
{
	struct buf b = {.cap = SIZE_MAX};
	struct mime_summary sum;

	for (size_t line = 0; line < 2; line++) {
		buf_clear(&b);
		buf_add_str(&b, "Hello\r\n");
		repeat(&b, line == 0 ? "A line of text\n" : "one line ", 20000);
		for (size_t piece = 1; piece <= b.n; piece += b.n - 1) {
			struct told t;

			told_walk(&t, buf_slice(&b), piece, piece, NULL, &sum);
			ck_assert_uint_eq(sum.flags, MIME_AMBIGUOUS);
			ck_assert(!t.wrong);
			ck_assert_uint_gt(t.text.n, b.n - 102400 - 20);
			buf_fini(&t.text);
		}
	}
	buf_clear(&b);
	buf_add_str(&b, "Hello\r\nContent-Type: image/gif\r\n");
	repeat(&b, "A line of text\r\n", 20000);
	{
		struct counted c;

		walk(buf_slice(&b), (struct mime_opts){0}, &c, &sum);
		ck_assert(sum.flags & MIME_HEADER_TOO_BIG);
	}
	buf_fini(&b);
}
END_TEST

START_TEST(depth)
{
	struct mime_opts opts = {.depth_max = (uint32_t)_i};

	for (uint32_t deep = 1; deep < 40; deep++) {
		struct buf b = {.cap = SIZE_MAX};
		struct mime_summary sum;
		struct told t;

		for (uint32_t i = 0; i < deep; i++) {
			if (i % 2 == 0)
				buf_add_str(
				    &b, "Content-Type: message/rfc822\r\n\r\n");
			else
				buf_printf(&b,
					   "Content-Type: multipart/mixed; "
					   "boundary=%02u\r\n\r\n--%02u\r\n",
					   i, i);
		}
		buf_add_str(&b, "Content-Type: image/gif\r\n\r\nGIF\r\n");
		for (uint32_t i = deep; i-- > 0;)
			if (i % 2 != 0)
				buf_printf(&b, "--%02u--\r\n", i);
		told_walk(&t, buf_slice(&b), b.n, 1, &opts, &sum);
		ck_assert_uint_eq(sum.flags, deep > (_i > 0 ? (uint32_t)_i : 32)
						 ? MIME_TOO_DEEP
						 : 0);
		ck_assert_int_eq(t.text.n == 0, sum.flags != 0);
		buf_fini(&t.text);
		buf_fini(&b);
	}
}
END_TEST

static const struct {
	const char *label, *in;
	uint32_t flags, attachments;
} flags[] = {
    {"S/MIME, encrypted",
     "Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n\r\n",
     MIME_SEALED, 1},
    {"S/MIME, signed",
     "Content-Type: application/x-pkcs7-mime; smime-type=SIGNED-DATA\r\n\r\n",
     MIME_SIGNED, 1},
    {"S/MIME, not said which",
     "Content-Type: application/pkcs7-mime; name=smime.p7m\r\n\r\n",
     MIME_SEALED | MIME_SIGNED, 1},
    {"S/MIME, certificates",
     "Content-Type: application/pkcs7-mime; smime-type=certs-only\r\n\r\n", 0,
     1},
    {"S/MIME, encrypted, within",
     MIXED "--x\r\nContent-Type: application/pkcs7-mime; "
	   "smime-type=enveloped-data\r\n\r\n\r\n--x--\r\n",
     0, 1},
    {"PGP/MIME",
     "Content-Type: multipart/encrypted; boundary=x\r\n\r\n--x\r\n\r\n\r\n"
     "--x--\r\n",
     MIME_SEALED, 0},
    {"signed",
     "Content-Type: multipart/signed; boundary=x\r\n\r\n--x\r\n\r\n\r\n"
     "--x\r\nContent-Type: application/pgp-signature\r\n\r\n\r\n--x--\r\n",
     MIME_SIGNED, 1},
    {"partial", "Content-Type: message/partial; id=1\r\n\r\n", MIME_PARTIAL, 1},
    {"external",
     MIXED "--x\r\nContent-Type: message/external-body\r\n\r\n\r\n--x--\r\n",
     MIME_EXTERNAL, 1},
};

START_TEST(tells)
{
	struct mime_summary sum;
	struct counted c;

	walk(slice_str(flags[_i].in), (struct mime_opts){0}, &c, &sum);
	ck_assert_msg(sum.flags == flags[_i].flags, "%s: %x", flags[_i].label,
		      sum.flags);
	ck_assert_uint_eq(sum.attachment_count, flags[_i].attachments);
}
END_TEST

/* A walk is used for one message after another, also when one was left. */
START_TEST(again)
{
	const char *left[] = {"Content-Type: multipart/mixed; boundary=x",
			      MIXED "--x\r\nContent-Type: image/gif\r\n\r\nGIF",
			      MIXED "--x\r\n\r\nbegin 644 a\r\n%2&5L;&\\\r\n",
			      MIXED "--x\r\n\r\nHi\r\n--x", "A: b"};
	static const char in[] =
	    MIXED "--x\r\nContent-Type: image/gif\r\n\r\nGIF\r\n--x--\r\n";
	struct told t = {.message = slice_str(in), .text.cap = SIZE_MAX};
	struct mime_opts opts = {.part = told_part, .arg = &t};
	struct mime_walk *w = mime_walk_create(&opts);

	for (size_t i = 0; i < 2 * sizeof(left) / sizeof(left[0]); i++) {
		struct mime_summary sum;

		buf_clear(&t.text);
		mime_walk_add(w, slice_str(in));
		mime_walk_end(w, &sum);
		ck_assert_str_eq(buf_cstr(&t.text),
				 "1 image/gif '' a identity: GIF\n");
		ck_assert(!t.wrong);
		ck_assert_ptr_null(sum.why);
		ck_assert_uint_eq(sum.part_count, 2);
		mime_walk_reset(w);
		mime_walk_add(w, slice_str(left[i / 2]));
		if (i % 2 != 0) {
			t.message = slice_str(left[i / 2]);
			mime_walk_end(w, &sum);
			t.message = slice_str(in);
		}
		mime_walk_reset(w);
	}
	mime_walk_destroy(&w);
	ck_assert_ptr_null(w);
	mime_walk_destroy(&w);
	buf_fini(&t.text);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("mime/limits");
	TCase *tcase = tcase_create("limits");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, bounded, 0,
			    sizeof(bombs) / sizeof(bombs[0]));
	tcase_add_loop_test(tcase, long_headers, 0, 44);
	tcase_add_test(tcase, header_cap);
	tcase_add_test(tcase, headless);
	tcase_add_loop_test(tcase, depth, 0, 12);
	tcase_add_loop_test(tcase, tells, 0, sizeof(flags) / sizeof(flags[0]));
	tcase_add_test(tcase, again);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
