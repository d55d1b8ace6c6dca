#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/back/body.h"
#include "gateway/back/tokens.h"
#include "gateway/base/error.h"
#include "tests/back/world.h"

/* Which fields do not leave, to whom, and that nothing else is touched. */

#define RECEIVED "Received: by gate.example.org\r\n"
#define T "X-Sluice-Scan: v=1; k=a; t=1; i=x; d=y; s=z\r\n"
#define T_FOLDED "x-sluice-SCAN \t:\r\n v=1;\r\n\tk=a\r\n"
#define FROM "From: ann@example.org\r\n"
#define LIKE "X-Sluice-Scanner: x\r\nX-Sluice: X-Sluice-Scan: x\r\n"
#define TO "To: x\r\n X-Sluice-Scan: in a fold\r\n"
#define BODY "\r\nhello\r\n" T "\r\n" T T_FOLDED "end\r\n"
#define T8(sep) T sep T sep T sep T sep T sep T sep T sep T sep

static const struct row {
	const char *label, *prefix, *body;
	const char *strip, *keep; /* NULL: as it is */
} rows[] = {
    {"none", RECEIVED, FROM BODY, NULL, NULL},
    {"names that are longer, and in a fold", RECEIVED, FROM LIKE TO BODY, NULL,
     NULL},
    {"ours alone", RECEIVED T, FROM BODY, RECEIVED FROM BODY, NULL},
    {"ours in the middle", RECEIVED T RECEIVED, FROM BODY,
     RECEIVED RECEIVED FROM BODY, NULL},
    {"the client's, first", RECEIVED, T FROM BODY, RECEIVED FROM BODY, NULL},
    {"the client's, in between", RECEIVED, FROM T TO BODY,
     RECEIVED FROM TO BODY, NULL},
    {"the client's, last", RECEIVED, FROM T BODY, RECEIVED FROM BODY, NULL},
    {"nothing but one", RECEIVED, T BODY, RECEIVED BODY, NULL},
    {"folded", RECEIVED, FROM T_FOLDED TO BODY, RECEIVED FROM TO BODY, NULL},
    {"two, folded and not", RECEIVED, T FROM T_FOLDED T TO BODY,
     RECEIVED FROM TO BODY, NULL},
    {"ours and a wrong one", RECEIVED T, FROM T_FOLDED TO BODY,
     RECEIVED FROM TO BODY, RECEIVED T FROM TO BODY},
    {"ours and several", RECEIVED T, T FROM T T_FOLDED TO T BODY,
     RECEIVED FROM TO BODY, RECEIVED T FROM TO BODY},
    {"nine in a row", RECEIVED, T8("") T FROM BODY, RECEIVED FROM BODY, NULL},
    {"eight apart", RECEIVED, T8(FROM) BODY,
     RECEIVED FROM FROM FROM FROM FROM FROM FROM FROM BODY, NULL},
    {"a ninth apart stays", RECEIVED, T8(FROM) T BODY,
     RECEIVED FROM FROM FROM FROM FROM FROM FROM FROM T BODY, NULL},
    {"no header of its own", RECEIVED "\r\n", T "text\r\n", NULL, NULL},
    {"ours, and no header of its own", RECEIVED T "\r\n", T "text\r\n",
     RECEIVED "\r\n" T "text\r\n", NULL},
    {"a body that is empty", RECEIVED, FROM T "\r\n", RECEIVED FROM "\r\n",
     NULL},
    {"a header that does not end", RECEIVED, FROM T, RECEIVED FROM, NULL},
    {"an empty header", RECEIVED, "\r\n" T, NULL, NULL},
    {"nothing", RECEIVED, "", NULL, NULL},
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static void
read_as(struct world *w, const struct spool_msg *msg, enum back_tokens tokens,
	const char *want, const char *label)
{
	static const size_t sizes[] = {1, 2, 3, 7, 64, 65536};
	struct body body;
	char piece[65536];
	int64_t got;

	body_init(&body);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct buf all = {.cap = 1 << 20};

		ck_assert_int_eq(body_open(&body, w->spool, msg, tokens), 0);
		ck_assert_msg(body_bytes(&body) == strlen(want), "%s: size",
			      label);
		while ((got = body_read(&body, piece, sizes[i])) > 0)
			buf_add(&all, piece, (size_t)got);
		ck_assert_msg(got == 0, "%s: %d", label, (int)got);
		ck_assert_msg(strcmp(buf_cstr(&all), want) == 0,
			      "%s by %zu:\n%s", label, sizes[i],
			      buf_cstr(&all));
		buf_fini(&all);
		body_close(&body);
	}
	body_fini(&body);
}

static struct spool_msg *
kept(struct world *w, const char *prefix, const char *text)
{
	struct letter letter = {.to = "bob@example.net",
				.prefix = prefix,
				.body = text,
				.holds = HOLD_ADMIN};
	struct spool_msg *msg;
	uint64_t id = world_accept(w, &letter);

	ck_assert_int_eq(spool_load(w->spool, id, &msg), 0);
	return msg;
}

START_TEST(test_left_out)
{
	struct world w;

	world_open(&w, NULL);
	world_start(&w);
	for (size_t i = 0; i < ROWS; i++) {
		const struct row *row = &rows[i];
		struct spool_msg *msg = kept(&w, row->prefix, row->body);
		struct buf whole = {.cap = 1 << 20};
		const char *as_is;

		buf_add_str(&whole, row->prefix);
		buf_add_str(&whole, row->body);
		as_is = buf_cstr(&whole);
		read_as(&w, msg, BACK_TOKENS_UNKNOWN, as_is, row->label);
		read_as(&w, msg, BACK_TOKENS_STRIP,
			row->strip != NULL ? row->strip : as_is, row->label);
		read_as(&w, msg, BACK_TOKENS_KEEP,
			row->keep != NULL ? row->keep : as_is, row->label);
		buf_fini(&whole);
		spool_msg_destroy(&msg);
	}
	world_close(&w);
}
END_TEST

/* A header over several reads, and one over the cap: that one is left alone. */
START_TEST(test_long_headers)
{
	static const struct {
		const char *label;
		size_t bytes;
		bool cut;
	} sizes[] = {
	    {"a read's border", 8192 - sizeof(T) / 2, true},
	    {"several reads", 60000, true},
	    {"up to the cap", TOKENS_HEADER_MAX - 2 * sizeof(T), true},
	    {"over it", TOKENS_HEADER_MAX, false},
	};
	struct world w;

	world_open(&w, NULL);
	world_start(&w);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct buf with = {.cap = 1 << 20}, without = {.cap = 1 << 20};
		struct spool_msg *msg;

		while (with.n < sizes[i].bytes)
			buf_add_str(&with, "X: 0123456789012345678901234\r\n");
		buf_add_str(&without, RECEIVED);
		buf_add_slice(&without, buf_slice(&with));
		buf_add_str(&with, T BODY);
		buf_add_str(&without, sizes[i].cut ? BODY : T BODY);
		msg = kept(&w, RECEIVED, buf_cstr(&with));
		read_as(&w, msg, BACK_TOKENS_STRIP, buf_cstr(&without),
			sizes[i].label);
		spool_msg_destroy(&msg);
		buf_fini(&with);
		buf_fini(&without);
	}
	world_close(&w);
}
END_TEST

/* What was altered is told, whatever is left out of it. */
START_TEST(test_altered)
{
	struct world w;
	struct spool_msg *msg;
	struct body body;
	char piece[4096];
	int64_t got;

	world_open(&w, NULL);
	world_start(&w);
	msg = kept(&w, RECEIVED, FROM T "\r\nthe harmless text\r\n");
	world_alter(&w, "k=a; t=1; i=x");
	body_init(&body);
	ck_assert_int_eq(body_open(&body, w.spool, msg, BACK_TOKENS_STRIP), 0);
	while ((got = body_read(&body, piece, sizeof(piece))) > 0)
		;
	ck_assert_int_eq(got, GW_ECORRUPT);
	body_fini(&body);
	spool_msg_destroy(&msg);
	world_close(&w);
}
END_TEST

/* Through the hop's own setting; the size that is declared is what comes. */
START_TEST(test_sent)
{
	static const char *const offers[] = {"SIZE 1000000", NULL};
	static const struct {
		enum back_tokens tokens;
		const char *want;
	} hops[] = {
	    {BACK_TOKENS_STRIP, RECEIVED FROM "\r\nhello\r\n"},
	    {BACK_TOKENS_KEEP, RECEIVED T FROM "\r\nhello\r\n"},
	    {BACK_TOKENS_UNKNOWN, RECEIVED T FROM T_FOLDED "\r\nhello\r\n"},
	};
	struct letter letter = {.to = "bob@example.net",
				.prefix = RECEIVED T,
				.body = FROM T_FOLDED "\r\nhello\r\n"};

	for (size_t i = 0; i < sizeof(hops) / sizeof(hops[0]); i++) {
		const struct sink_mail *mail;
		struct world w;
		char size[32];

		world_open(&w, offers);
		w.hops[0].tokens = hops[i].tokens;
		world_start(&w);
		world_accept(&w, &letter);
		UNTIL(&w, status_of(&w).delivered == 1, "it is sent");
		mail = sink_mail(w.sink, 0);
		ck_assert_str_eq(mail->body, hops[i].want);
		snprintf(size, sizeof(size), " SIZE=%zu", strlen(hops[i].want));
		ck_assert_msg(strstr(mail->mail_line, size) != NULL, "%s: %s",
			      mail->mail_line, size);
		world_close(&w);
	}
}
END_TEST

/* Each piece of each place. */
START_TEST(test_cut)
{
	static const char text[] = "abcdefghijklmnopqrst";
	struct tokens tokens = {.at = {{3, 5}, {5, 6}, {9, 10}, {18, 20}},
				.count = 4};
	const size_t n = sizeof(text) - 1;

	for (size_t from = 0; from <= n; from++) {
		for (size_t to = from; to <= n; to++) {
			char piece[sizeof(text)], want[sizeof(text)];
			size_t left = 0, got;

			for (size_t i = from; i < to; i++)
				if (!(i >= 3 && i < 6) && i != 9 && i < 18)
					want[left++] = text[i];
			memcpy(piece, text + from, to - from);
			got = tokens_cut(&tokens, from, piece, to - from);
			ck_assert_uint_eq(got, left);
			ck_assert(memcmp(piece, want, left) == 0);
		}
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("back/tokens");
	TCase *tcase = tcase_create("tokens");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, test_left_out);
	tcase_add_test(tcase, test_long_headers);
	tcase_add_test(tcase, test_altered);
	tcase_add_test(tcase, test_sent);
	tcase_add_test(tcase, test_cut);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
