#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/campaign/shape.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define HEAD "From: a@example.com\r\nSubject: x\r\n"
#define TEXT                                                                   \
	"the annual general meeting takes place in the large hall on the "     \
	"first floor. Please tell us by the end of this week whether you\r\n"  \
	"will come, and how many of your colleagues you bring along, so that " \
	"the kitchen knows for how many of us it has to cook.\r\n"
#define OTHER                                                                 \
	"thank you for your letter about the crane in the third dock. We\r\n" \
	"have looked at the bearing and think that it has to be replaced "    \
	"before the winter begins; the offer is below.\r\n"
#define SIGNATURE                                                             \
	"\r\nKind regards\r\nAnn Example\r\nHead of Public Relations, "       \
	"Example Shipping Company, Harbour Street, Hamburg\r\nThis message "  \
	"may hold confidential information. If you are not the one it is\r\n" \
	"meant for, please tell the sender and delete it; any use of it by "  \
	"somebody else is not permitted. We take no liability for damage\r\n" \
	"that is caused by the use of this message or its attachments.\r\n"

static struct shape_facts
facts_of(struct slice message, size_t piece)
{
	struct shape *shape = shape_create();
	struct shape_facts facts;

	while (message.n > 0) {
		shape_add(shape, slice_head(message, piece));
		message = slice_from(message, piece);
	}
	shape_end(shape, &facts);
	shape_destroy(&shape);
	return facts;
}

static struct shape_facts
facts(const char *message)
{
	return facts_of(slice_str(message), 65536);
}

/* --- alike or not ----------------------------------------------------------
 */

#define PLAIN HEAD "\r\n"
#define QP HEAD "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
#define MULTI(b)                                             \
	HEAD "MIME-Version: 1.0\r\nContent-Type: multipart/" \
	     "alternative; boundary=\"" b "\"\r\n\r\n"
#define HTML HEAD "Content-Type: text/html\r\n\r\n"

#define NOT (-1)

static const struct {
	const char *label, *a, *b;
	int most; /* bits that differ; 0: all of it is left out; NOT */
} rows[] = {
    {"the same", PLAIN TEXT, PLAIN TEXT, 0},
    {"a salutation", PLAIN "Dear Mr Miller,\r\n\r\n" TEXT,
     PLAIN "Dear Mrs van der Berg,\r\n\r\n" TEXT, 0},
    {"one with, one without", PLAIN TEXT, PLAIN "Hello Bob!\r\n" TEXT, 0},
    {"a number", PLAIN TEXT "Your seat is 17.\r\n",
     PLAIN TEXT "Your seat is 4711/b.\r\n", 0},
    {"an address", PLAIN TEXT "Write to bob.miller@example.net for more.\r\n",
     PLAIN TEXT "Write to ann@example.org for more.\r\n", 0},
    {"a link of one's own",
     PLAIN TEXT "Say yes: https://example.com/yes?u=bob&k=Abc\r\n",
     PLAIN TEXT "Say yes: https://example.com/yes?u=ann&k=xYz\r\n", 0},
    {"a name in the middle",
     PLAIN TEXT "We are glad to see you there, Bob, and your team.\r\n",
     PLAIN TEXT "We are glad to see you there, Ann, and your team.\r\n",
     SHAPE_BITS},
    {"letter case", PLAIN TEXT "SAVE THE DATE\r\n",
     PLAIN TEXT "Save The Date\r\n", 0},
    {"how it is encoded", PLAIN TEXT,
     QP "the annual general meeting takes place in the lar=\r\nge hall on the "
	"first floor. Please tell us by the end of this week=20whether you\r\n"
	"will come, and how many of your colleagues you bring along, so that "
	"the kitchen knows for how many of us it has to cook.\r\n",
     0},
    {"boundaries of each one's own",
     MULTI("aaa") "--aaa\r\n\r\n" TEXT
		  "\r\n--aaa\r\nContent-Type: text/html\r\n\r\n<p>" TEXT
		  "\r\n--aaa--\r\n",
     MULTI("b-b") "--b-b\r\n\r\n" TEXT
		  "\r\n--b-b\r\nContent-Type: text/html\r\n\r\n<p>" TEXT
		  "\r\n--b-b--\r\n",
     0},
    {"HTML: markup, style, a link in it",
     HTML "<html><head><style>p {color: red}</style></head><body><!-- x -->"
	  "<p>Dear <b>Bob</b></p><p class=\"k17\">" TEXT
	  "<a href=\"https://e.example/?bob\">more</a>",
     HTML "<HTML><head><style>p {color: blue; margin: none}</style></head>"
	  "<body><!-- something quite different > than that --><p>Dear "
	  "<i>Ann</i></p><P id=a>" TEXT
	  "<a href=\"https://e.example/?ann&amp;long=yes\">more</a>",
     0},
    {"an attachment of each one's own",
     MULTI("aaa") "--aaa\r\n\r\n" TEXT
		  "\r\n--aaa\r\nContent-Type: text/plain\r\n"
		  "Content-Disposition: attachment\r\n\r\n" OTHER
		  "\r\n--aaa--\r\n",
     MULTI("aaa") "--aaa\r\n\r\n" TEXT
		  "\r\n--aaa\r\nContent-Type: text/plain\r\n"
		  "Content-Disposition: attachment\r\n\r\n" SIGNATURE
		  "\r\n--aaa--\r\n",
     0},
    {"what stands below \"-- \"", PLAIN TEXT "-- \r\nAnn\r\n",
     PLAIN TEXT "-- \r\n" OTHER, 0},
    {"another text", PLAIN TEXT, PLAIN OTHER, NOT},
    {"another text above one signature", PLAIN TEXT SIGNATURE,
     PLAIN OTHER SIGNATURE, NOT},
    {"the same, in HTML", HTML TEXT SIGNATURE, HTML OTHER SIGNATURE, NOT},
    {"another text below one salutation", PLAIN "Dear Bob,\r\n" TEXT,
     PLAIN "Dear Bob,\r\n" OTHER, NOT},
    {"too short to say", PLAIN "Please see the attachment.\r\n",
     PLAIN "Please see the attachment.\r\n", NOT},
};

START_TEST(alike)
{
	uint64_t a = facts(rows[_i].a).fuzzy, b = facts(rows[_i].b).fuzzy;
	int bits = __builtin_popcountll(a ^ b), most = rows[_i].most;

	ck_assert_msg(shape_alike(a, b) == (most != NOT) &&
			  (most == NOT || bits <= most),
		      "%s: %d bits", rows[_i].label, bits);
}
END_TEST

/* The result does not depend on how the bytes came. */
START_TEST(in_pieces)
{
	const char *message = rows[_i].a;
	struct shape_facts whole = facts(message);
	size_t n = strlen(message);

	for (size_t piece = 1; piece < 80; piece++) {
		struct shape_facts got = facts_of(slice_str(message), piece);

		ck_assert_msg(
		    got.fuzzy == whole.fuzzy &&
			memcmp(got.exact, whole.exact, sizeof(got.exact)) == 0,
		    "%s, in pieces of %zu", rows[_i].label, piece);
	}
	for (size_t cut = 0; cut <= n; cut++)
		(void)facts_of(slice_of(message, cut), 65536);
}
END_TEST

/* --- the other facts --------------------------------------------------------
 */

static const struct {
	const char *label, *message;
	bool list, precedence, unsubscribe;
	uint32_t shown;
} fields[] = {
    {"nothing", HEAD "\r\nx\r\n", false, false, false, 0},
    {"no header at all", "\r\nList-Id: <x>\r\n", false, false, false, 0},
    {"List-Id", "List-Id: <x>\r\n\r\nx\r\n", true, false, false, 0},
    {"List-Unsubscribe, in any case", "lIST-uNSUBSCRIBE: <x>\r\n\r\n", true,
     false, true, 0},
    {"not in the body", HEAD "\r\nList-Id: <x>\r\nPrecedence: bulk\r\n", false,
     false, false, 0},
    {"not in a part",
     HEAD "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
	  "List-Id: <x>\r\n\r\nx\r\n--b--\r\n",
     false, false, false, 0},
    {"Precedence: bulk", "Precedence: bulk\r\n\r\n", false, true, false, 0},
    {"Precedence: Junk", "Precedence:  Junk \r\n\r\n", false, true, false, 0},
    {"Precedence: list", "Precedence: list\r\n\r\n", false, true, false, 0},
    {"another", "Precedence: first-class\r\n\r\n", false, false, false, 0},
    {"a name that begins like it", "Listen: to me\r\n\r\n", false, false, false,
     0},
    {"To and Cc",
     "To: a@x, b@x,\r\n c@x\r\nCc: d@x\r\nBcc: e@x\r\nReply-To: f@x\r\n\r\n",
     false, false, false, 4},
    {"ends in its header", "Precedence: bulk\r\nList-Id: x", true, true, false,
     0},
};

START_TEST(header)
{
	for (size_t piece = 1; piece < 100; piece += 7) {
		struct shape_facts got =
		    facts_of(slice_str(fields[_i].message), piece);

		ck_assert_msg(got.list == fields[_i].list &&
				  got.precedence == fields[_i].precedence &&
				  got.unsubscribe == fields[_i].unsubscribe &&
				  got.shown == fields[_i].shown,
			      "%s", fields[_i].label);
	}
}
END_TEST

/* All bytes behind the header; of the header nothing, or its subject alone. */
START_TEST(exact)
{
	struct shape_facts a = facts("To: x@y\r\n\r\nhello\r\n");
	struct shape_facts b = facts("To: z@y\r\nX: y\r\n\r\nhello\r\n");
	struct shape_facts c = facts("To: x@y\r\n\r\nhello.\r\n");
	struct shape_facts d = facts("To: x@y\r\n\r\nhello\r\n\r\n");

	ck_assert_int_eq(memcmp(a.exact, b.exact, sizeof(a.exact)), 0);
	ck_assert_int_ne(memcmp(a.exact, c.exact, sizeof(a.exact)), 0);
	ck_assert_int_ne(memcmp(a.exact, d.exact, sizeof(a.exact)), 0);
}
END_TEST

static bool
same_exact(const char *a, const char *b)
{
	struct shape_facts x = facts(a), y = facts(b);

	return memcmp(x.exact, y.exact, sizeof(x.exact)) == 0;
}

#define FILE_OF_EACH                                             \
	MULTI("aaa")                                             \
	"--aaa\r\n\r\nSee the file.\r\n--aaa\r\n"                \
	"Content-Disposition: attachment\r\n\r\n" TEXT TEXT TEXT \
	"\r\n--aaa--\r\n"

/* Where there is next to nothing behind the header, the subject is what is
 * said: alarms without a text are no mailing. */
static const struct {
	const char *label, *a, *b;
	bool same;
} little[] = {
    {"nothing but a subject", "Subject: Disk full\r\nTo: a@x\r\n\r\n",
     "Subject: Room 7 at ten?\r\nTo: b@x\r\n\r\n", false},
    {"the same subject", "Subject: Disk full\r\nTo: a@x\r\n\r\n",
     "To: b@x\r\nSUBJECT: Disk full\r\n\r\n", true},
    {"a word below it", "Subject: Disk full\r\n\r\nSee above.\r\n",
     "Subject: Room 7 at ten?\r\n\r\nSee above.\r\n", false},
    {"in the fold of it", "Subject: a long one,\r\n of seven\r\n\r\n",
     "Subject: a long one,\r\n of eight\r\n\r\n", false},
    {"no subject", "To: a@x\r\n\r\n", "To: b@x\r\n\r\n", true},
    {"a text that says enough", "Subject: a\r\n\r\n" TEXT,
     "Subject: b\r\n\r\n" TEXT, true},
    {"a file that says enough", "Subject: a\r\n" FILE_OF_EACH,
     "Subject: b\r\n" FILE_OF_EACH, true},
};

START_TEST(little_text)
{
	ck_assert_msg(same_exact(little[_i].a, little[_i].b) == little[_i].same,
		      "%s", little[_i].label);
}
END_TEST

/* --- how well it tells apart ------------------------------------------------
 */

static unsigned seed;

/* Words as a language has them: some often, most seldom. */
static void
add_words(char *out, int count)
{
	for (int i = 0; i < count; i++) {
		unsigned often = (unsigned)rand_r(&seed) % 100;
		unsigned word = (unsigned)rand_r(&seed) % (often < 45	? 50
							   : often < 75 ? 300
									: 3000);
		size_t n = strlen(out);

		for (unsigned k = word + 26; k > 0; k /= 26)
			out[n++] = (char)('a' + k % 26);
		out[n++] = i % 10 == 9 ? '\n' : ' ';
		out[n] = '\0';
	}
}

static const struct {
	const char *label;
	int own, common;    /* words; own ones stand first */
	int least_alike_pm; /* of 1,000 pairs so many are, at least */
	int most_alike_pm;
} pairs[] = {
    {"40 words, one is another", 1, 40, 950, 1000},
    {"100 words, three are others", 3, 100, 900, 1000},
    {"400 words, five are others", 5, 400, 950, 1000},
    {"40 words above 100 of a signature", 40, 100, 0, 10},
    {"20 words above 50 of a signature", 20, 50, 0, 20},
    {"60 words above 200 of a signature", 60, 200, 0, 10},
    {"20 words, no signature", 20, 0, 0, 1},
    {"300 words", 300, 0, 0, 1},
};

START_TEST(told_apart)
{
	static char common[8000], a[16000], b[16000];
	int alikes = 0;

	seed = 1;
	for (int i = 0; i < 1000; i++) {
		common[0] = '\0';
		add_words(common, pairs[_i].common);
		strcpy(a, PLAIN "Dear all\r\n");
		strcpy(b, a);
		add_words(a, pairs[_i].own);
		add_words(b, pairs[_i].own);
		strcat(a, common);
		strcat(b, common);
		alikes += shape_alike(facts(a).fuzzy, facts(b).fuzzy);
	}
	ck_assert_msg(alikes >= pairs[_i].least_alike_pm &&
			  alikes <= pairs[_i].most_alike_pm,
		      "%s: %d of 1,000", pairs[_i].label, alikes);
}
END_TEST

/* Nor where the text is longer than what is looked at. */
START_TEST(long_in_pieces)
{
	static const char *const heads[] = {PLAIN, HTML};
	static char message[40000];

	seed = 3;
	strcpy(message, heads[_i]);
	add_words(message, 2000);
	for (size_t piece = 1; piece < 4000; piece += 37)
		ck_assert_uint_eq(facts_of(slice_str(message), piece).fuzzy,
				  facts(message).fuzzy);
}
END_TEST

/* Whatever it is, memory and time have an end. */
START_TEST(strange)
{
	static char big[3 << 20];

	memset(big, 'x', sizeof(big));
	(void)facts_of(slice_of(big, sizeof(big)), 65536);
	memcpy(big, "\r\n", 2);
	(void)facts_of(slice_of(big, sizeof(big)), 4096);
	memset(big, '-', sizeof(big));
	memcpy(big, "Content-Type: multipart/mixed; boundary=-\r\n\r\n", 45);
	(void)facts_of(slice_of(big, sizeof(big)), 4096);
	for (size_t i = 45; i + 4 < sizeof(big); i += 5)
		memcpy(big + i, "---\r\n", 5);
	(void)facts_of(slice_of(big, sizeof(big)), 65536);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("shape");
	TCase *tc = tcase_create("shape");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, alike, 0, COUNT(rows));
	tcase_add_loop_test(tc, in_pieces, 0, COUNT(rows));
	tcase_add_loop_test(tc, header, 0, COUNT(fields));
	tcase_add_test(tc, exact);
	tcase_add_loop_test(tc, little_text, 0, COUNT(little));
	tcase_add_loop_test(tc, told_apart, 0, COUNT(pairs));
	tcase_add_loop_test(tc, long_in_pieces, 0, 2);
	tcase_add_test(tc, strange);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
