#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/back/report_mail.h"
#include "gateway/base/encode.h"
#include "gateway/mime/walk.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* The report as every reader of mail would take it apart, and that nothing a
 * peer chose makes another part, field, line or formula of it. */

static struct campaign_view
usual(void)
{
	struct campaign_view view = {.id = 7,
				     .name = "Annual report",
				     .state = CAMPAIGN_DONE,
				     .began_wall_s = 1800000000};

	view.counts[CAMPAIGN_MESSAGES] = 2140;
	view.counts[CAMPAIGN_RECIPIENTS] = 2140;
	view.counts[CAMPAIGN_DELIVERED] = 2137;
	view.counts[CAMPAIGN_BOUNCED + BOUNCE_MAILBOX] = 2;
	view.counts[CAMPAIGN_SUPPRESSED] = 1;
	return view;
}

struct walked {
	struct mime_part parts[8];
	size_t count;
	struct mime_summary summary;
};

static void
take_part(void *arg, const struct mime_part *part)
{
	struct walked *walked = arg;

	ck_assert_uint_lt(walked->count, COUNT(walked->parts));
	walked->parts[walked->count++] = *part;
}

static void
walk(struct walked *walked, struct slice mail)
{
	struct mime_opts opts = {
	    .digest_all = true, .part = take_part, .arg = walked};
	struct mime_walk *w = mime_walk_create(&opts);

	walked->count = 0;
	mime_walk_add(w, mail);
	mime_walk_end(w, &walked->summary);
	mime_walk_destroy(&w);
}

/* The part's text, decoded. */
static void
decode(struct slice mail, const struct mime_part *part, struct buf *out)
{
	struct slice body =
	    slice_of(mail.p + part->begin, (size_t)(part->end - part->begin));
	struct buf bare = {.cap = 4 << 20};

	if (part->encoding == MIME_IDENTITY) {
		buf_add_slice(out, body);
		return;
	}
	for (size_t i = 0; i < body.n; i++)
		if (body.p[i] != '\r' && body.p[i] != '\n')
			buf_add_byte(&bare, body.p[i]);
	ck_assert_int_eq(base64_decode(out, buf_slice(&bare)), 0);
	buf_fini(&bare);
}

/* rows: each of one failure; as the report itself does it, in slices. */
static void
build(struct buf *mail, const struct campaign_view *view, const char *to,
      const struct campaign_failure *rows, size_t count)
{
	struct report_mail head = {.hostname = "gate.test",
				   .from = "postmaster@gate.test",
				   .to = to,
				   .boundary = "=_0123456789abcdef",
				   .own_id = 1,
				   .now_wall_s = 1800003600,
				   .view = view};
	struct buf csv = {.cap = 4 << 20};

	report_mail_top(mail, &head);
	report_mail_table(&csv);
	for (size_t i = 0; i < count; i++) {
		report_mail_row(&csv, &rows[i]);
		if (i % 3 == 2)
			report_mail_encode(mail, &csv, false);
	}
	report_mail_encode(mail, &csv, true);
	ck_assert_uint_eq(csv.n, 0);
	report_mail_end(mail, &head);
	buf_fini(&csv);
	ck_assert(!mail->overflow);
}

static void
check_lines(struct slice mail)
{
	size_t wrong = 0;
	struct slice line;

	ck_assert(slice_eq(slice_from(mail, mail.n - 2), SLICE_LIT("\r\n")));
	while (slice_split(&mail, '\n', &line)) {
		wrong += line.n == 0 || line.n > 998 + 1 ||
			 slice_find(line, '\r') != line.n - 1;
		for (size_t i = 0; i < line.n; i++)
			wrong += (signed char)line.p[i] <= 0;
	}
	ck_assert_uint_eq(wrong, 0);
}

/* The two parts of it, decoded. */
static void
take_apart(const struct buf *mail, struct buf *text, struct buf *csv)
{
	struct walked walked;

	check_lines(buf_slice(mail));
	walk(&walked, buf_slice(mail));
	ck_assert_msg(walked.summary.flags == 0, "%s",
		      walked.summary.why ? walked.summary.why : "");
	ck_assert_uint_eq(walked.count, 2);
	ck_assert_uint_eq(walked.summary.attachment_count, 1);
	ck_assert_str_eq(walked.parts[0].type, "text/plain");
	ck_assert_str_eq(walked.parts[1].type, "text/csv");
	ck_assert_str_eq(walked.parts[1].name, "campaign-C7.csv");
	ck_assert_uint_eq(walked.parts[1].flags, MIME_ATTACHMENT);
	*text = (struct buf){.cap = 1 << 20};
	*csv = (struct buf){.cap = 4 << 20};
	decode(buf_slice(mail), &walked.parts[0], text);
	decode(buf_slice(mail), &walked.parts[1], csv);
	ck_assert_uint_eq(csv->n, walked.parts[1].decoded_bytes);
}

static const char head_line[] = "recipient,state,class,code,text,time\r\n";

struct row_case {
	const char *label;
	struct campaign_failure failure;
	const char *line;
};

#define BOUNCED(class) ((enum campaign_count)((int)CAMPAIGN_BOUNCED + (class)))
#define AT 1800000000
#define TIME "\"2027-01-15T08:00:00.000Z\"\r\n"

static const struct row_case rows[] = {
    {"bounced",
     {.count = BOUNCED(BOUNCE_MAILBOX),
      .wall_s = AT,
      .address = "a@b.test",
      .text = "550 5.1.1 user unknown"},
     "\"a@b.test\",\"failed\",\"bad-mailbox\",\"550 5.1.1\",\"user "
     "unknown\"," TIME},
    {"quotes and commas",
     {.count = BOUNCED(BOUNCE_OTHER),
      .wall_s = AT,
      .address = "\"a,b\"@b.test",
      .text = "554 no, \"never\""},
     "\"\"\"a,b\"\"@b.test\",\"failed\",\"other\",\"554\",\"no, "
     "\"\"never\"\"\"," TIME},
    {"formulas: address and text",
     {.count = BOUNCED(BOUNCE_CONTENT),
      .wall_s = AT,
      .address = "=cmd|'/c calc'!A0@b.test",
      .text = "550 5.6.0 =HYPERLINK(\"http://x\")"},
     "\"'=cmd|'/c calc'!A0@b.test\",\"failed\",\"content\",\"550 5.6.0\","
     "\"'=HYPERLINK(\"\"http://x\"\")\"," TIME},
    {"formulas: plus",
     {.count = CAMPAIGN_SUPPRESSED,
      .wall_s = AT,
      .address = "+1@b.test",
      .text = "-1+1"},
     "\"'+1@b.test\",\"suppressed\",\"\",\"\",\"'-1+1\"," TIME},
    {"formulas: at",
     {.count = CAMPAIGN_PURGED,
      .wall_s = AT,
      .address = "@SUM(1)@b.test",
      .text = ""},
     "\"'@SUM(1)@b.test\",\"canceled\",\"\",\"\",\"\"," TIME},
    {"lines and controls",
     {.count = CAMPAIGN_DEAD,
      .wall_s = AT,
      .address = "a\r\nb@b.test",
      .text = "5.1.2 no\x01such\ndomain"},
     "\"a??b@b.test\",\"dead-domain\",\"bad-domain\",\"5.1.2\","
     "\"no?such?domain\"," TIME},
    {"UTF-8 stays",
     {.count = CAMPAIGN_DUPLICATE,
      .wall_s = AT,
      .address = "m\xc3\xbcller@b.test",
      .text = ""},
     "\"m\xc3\xbcller@b.test\",\"duplicate\",\"\",\"\",\"\"," TIME},
    {"a text that is no code",
     {.count = CAMPAIGN_OTHER,
      .wall_s = AT,
      .address = "a@b.test",
      .text = "expired"},
     "\"a@b.test\",\"other\",\"\",\"\",\"expired\"," TIME},
    {"a code alone",
     {.count = BOUNCED(BOUNCE_OTHER),
      .wall_s = AT,
      .address = "a@b.test",
      .text = "550"},
     "\"a@b.test\",\"failed\",\"other\",\"550\",\"\"," TIME},
};

START_TEST(row)
{
	const struct row_case *c = &rows[_i];
	struct campaign_view view = usual();
	struct buf mail = {.cap = 1 << 20}, text, csv;

	build(&mail, &view, "ann@ours.test", &c->failure, 1);
	take_apart(&mail, &text, &csv);
	ck_assert_uint_gt(csv.n, sizeof(head_line));
	ck_assert_mem_eq(csv.p, head_line, sizeof(head_line) - 1);
	ck_assert_msg(strcmp(buf_cstr(&csv) + sizeof(head_line) - 1, c->line) ==
			  0,
		      "%s:\n%s%s", c->label,
		      buf_cstr(&csv) + sizeof(head_line) - 1, c->line);
	buf_fini(&mail);
	buf_fini(&text);
	buf_fini(&csv);
}
END_TEST

struct word_case {
	const char *label;
	enum campaign_state state;
	const char *name, *reason;
	uint64_t dead, left;
	const char *has, *has_not;
};

static const struct word_case words[] = {
    {.label = "done", .state = CAMPAIGN_DONE, .has = "is finished"},
    {.label = "numbers", .state = CAMPAIGN_DONE, .has = "2,137"},
    {.label = "class", .state = CAMPAIGN_DONE, .has = "bad-mailbox"},
    {.label = "nothing of what is 0",
     .state = CAMPAIGN_DONE,
     .has_not = "Dead domains"},
    {.label = "stopped",
     .state = CAMPAIGN_STOPPED,
     .reason = "8.2 % bounced",
     .left = 100,
     .has = "Reason:   8.2 % bounced"},
    {.label = "stopped: what now",
     .state = CAMPAIGN_STOPPED,
     .has = "can resume or cancel it"},
    {.label = "canceled", .state = CAMPAIGN_CANCELED, .has = "was canceled"},
    {.label = "all in the table",
     .state = CAMPAIGN_DONE,
     .has_not = "the first 10,000"},
    {.label = "more than the table has",
     .state = CAMPAIGN_DONE,
     .dead = 12345,
     .has = "the first 10,000 of the 12,348"},
    {.label = "the name is a peer's",
     .state = CAMPAIGN_DONE,
     .name = "x\r\nBcc: all@ours.test\r\n\r\n--=_0123456789abcdef--",
     .has = "x\\x0d\\x0aBcc: all@ours.test\\x0d\\x0a\\x0d\\x0a--=_",
     .has_not = "\nBcc"},
    {.label = "a name in UTF-8",
     .state = CAMPAIGN_DONE,
     .name = "Jahresbericht f\xc3\xbcr alle",
     .has = "Jahresbericht f\xc3\xbcr alle"},
};

START_TEST(word)
{
	const struct word_case *c = &words[_i];
	struct campaign_view view = usual();
	struct buf mail = {.cap = 1 << 20}, text, csv;

	view.state = c->state;
	view.left = c->left;
	view.counts[CAMPAIGN_DEAD] = c->dead;
	if (c->name)
		snprintf(view.name, sizeof(view.name), "%s", c->name);
	if (c->reason)
		snprintf(view.reason, sizeof(view.reason), "%s", c->reason);
	build(&mail, &view, "ann@ours.test", NULL, 0);
	take_apart(&mail, &text, &csv);
	if (c->has)
		ck_assert_msg(strstr(buf_cstr(&text), c->has) != NULL,
			      "%s:\n%s", c->label, buf_cstr(&text));
	if (c->has_not)
		ck_assert_msg(strstr(buf_cstr(&text), c->has_not) == NULL,
			      "%s:\n%s", c->label, buf_cstr(&text));
	ck_assert_str_eq(buf_cstr(&csv), head_line);
	buf_fini(&mail);
	buf_fini(&text);
	buf_fini(&csv);
}
END_TEST

/* A terminal's width, whatever the numbers; and nobody is advised to forget
 * whom nothing is wrong with. */
START_TEST(words_fit)
{
	struct campaign_view view = usual();
	struct buf mail = {.cap = 1 << 20}, text, csv;
	struct slice rest, line;

	for (int i = 0; i < CAMPAIGN_COUNTS; i++)
		view.counts[i] = i == CAMPAIGN_PURGED ? 10000000 : 1234567;
	view.bounce = true;
	build(&mail, &view, "ann@ours.test", NULL, 0);
	take_apart(&mail, &text, &csv);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&text), "address\r\nbook"));
	for (rest = buf_slice(&text); slice_split(&rest, '\n', &line);)
		ck_assert_msg(line.n <= 80 + 1, "%.*s", (int)line.n, line.p);
	buf_fini(&mail);
	buf_fini(&text);
	buf_fini(&csv);
	memset(view.counts, 0, sizeof(view.counts));
	view.counts[CAMPAIGN_PURGED] = 3;
	mail = (struct buf){.cap = 1 << 20};
	build(&mail, &view, "ann@ours.test", NULL, 0);
	take_apart(&mail, &text, &csv);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&text), "names the recipients"));
	ck_assert_ptr_null(strstr(buf_cstr(&text), "book"));
	buf_fini(&mail);
	buf_fini(&text);
	buf_fini(&csv);
}
END_TEST

START_TEST(header)
{
	static const char *const lines[] = {
	    "From: Mail system <postmaster@gate.test>\r\n",
	    "To: <ann@ours.test>\r\n",
	    "Subject: Your mailing C7 is finished:\r\n 2,137 of 2,140 "
	    "delivered\r\n",
	    "Auto-Submitted: auto-generated\r\n",
	    "MIME-Version: 1.0\r\n",
	};
	struct campaign_view view = usual();
	struct buf mail = {.cap = 1 << 20};

	build(&mail, &view, "ann@ours.test", NULL, 0);
	for (size_t i = 0; i < COUNT(lines); i++)
		ck_assert_msg(strstr(buf_cstr(&mail), lines[i]) != NULL, "%s",
			      lines[i]);
	buf_fini(&mail);
}
END_TEST

START_TEST(many)
{
	enum { N = 10000 };
	struct campaign_failure *v = calloc(N, sizeof(*v));
	struct campaign_view view = usual();
	struct buf mail = {.cap = 8 << 20}, text, csv;
	size_t lines = 0;

	for (size_t i = 0; i < N; i++)
		v[i] = rows[i % COUNT(rows)].failure;
	build(&mail, &view, "ann@ours.test", v, N);
	take_apart(&mail, &text, &csv);
	for (size_t i = 0; i < csv.n; i++)
		lines += csv.p[i] == '\n';
	ck_assert_uint_eq(lines, N + 1);
	buf_fini(&mail);
	buf_fini(&text);
	buf_fini(&csv);
	free(v);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("report_mail");
	TCase *t = tcase_create("report_mail");
	SRunner *r;
	int failed;

	tcase_add_loop_test(t, row, 0, COUNT(rows));
	tcase_add_loop_test(t, word, 0, COUNT(words));
	tcase_add_test(t, words_fit);
	tcase_add_test(t, header);
	tcase_add_test(t, many);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
