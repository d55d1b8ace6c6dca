/*
 * What holds for recipients of mailings alone: who is left out, who will be,
 * the guard; and the one report that says all of it, as it arrives.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/encode.h"
#include "gateway/base/id.h"
#include "tests/back/world.h"

static struct world w;

static void
setup(void)
{
	world_open(&w, NULL);
	world_campaigns(&w);
}

static void
teardown(void)
{
	world_close(&w);
}

static void
letter_to(uint64_t campaign, const char *to)
{
	struct letter letter = {.cred = "pr", .to = to, .campaign = campaign};

	world_accept(&w, &letter);
}

static void
suppress(const char *address)
{
	struct suppress_entry entry = {.address = address,
				       .reason = SUPPRESS_MANUAL};
	struct arena *arena = arena_create(256);
	struct store_change change;

	/* In memory is enough here. */
	ck_assert_int_eq(suppress_add(w.suppress, &entry, arena, &change), 0);
	arena_destroy(&arena);
}

/* All recipients that were sent to, but for the report's. */
static bool
sent_to(const char *address)
{
	for (size_t i = 0; i < sink_count(w.sink); i++) {
		if (strstr(sink_mail(w.sink, i)->rcpts, address))
			return true;
	}
	return false;
}

static const struct sink_mail *
report(size_t nth)
{
	for (size_t i = 0; i < sink_count(w.sink); i++) {
		const struct sink_mail *mail = sink_mail(w.sink, i);

		if (strcmp(mail->rcpts, "pr@example.org") == 0 && nth-- == 0)
			return mail;
	}
	return NULL;
}

/* The table in it. */
static void
table_of(const struct sink_mail *mail, struct buf *csv)
{
	const char *p = strstr(mail->body, "Content-Type: text/csv");
	struct buf bare = {.cap = 1 << 20};

	ck_assert_ptr_nonnull(p);
	p = strstr(p, "\r\n\r\n");
	ck_assert_ptr_nonnull(p);
	for (; strncmp(p, "\r\n--", 4) != 0; p++)
		if (*p != '\r' && *p != '\n')
			buf_add_byte(&bare, *p);
	*csv = (struct buf){.cap = 1 << 20};
	ck_assert_int_eq(base64_decode(csv, buf_slice(&bare)), 0);
	buf_fini(&bare);
}

START_TEST(left_out)
{
	struct buf csv;
	uint64_t c;

	world_start(&w);
	suppress("Nomore@X.test");
	c = world_campaign(&w, "pr", 5);
	letter_to(c, "a@x.test nomore@x.test b@x.test B@x.test 550-c@x.test");
	UNTIL(&w, report(0) != NULL, "the report");
	ck_assert(sent_to("a@x.test"));
	ck_assert(!sent_to("nomore@x.test"));
	ck_assert(!sent_to("B@x.test"));
	ck_assert_uint_eq(world_view(&w, c).counts[CAMPAIGN_DELIVERED], 2);
	ck_assert_uint_eq(world_view(&w, c).counts[CAMPAIGN_SUPPRESSED], 1);
	ck_assert_uint_eq(world_view(&w, c).counts[CAMPAIGN_DUPLICATE], 1);
	ck_assert_uint_eq(
	    world_view(&w, c).counts[CAMPAIGN_BOUNCED + BOUNCE_MAILBOX], 1);
	ck_assert_int_eq(world_view(&w, c).state, CAMPAIGN_DONE);
	UNTIL(&w, world_ledger(&w).by_state[RCPT_DROPPED] == 2, "marked");
	ck_assert_str_eq(report(0)->from, "");
	ck_assert_ptr_nonnull(strstr(report(0)->body, "is finished"));
	table_of(report(0), &csv);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&csv), "\"nomore@x.test\","
						     "\"suppressed\""));
	ck_assert_ptr_nonnull(
	    strstr(buf_cstr(&csv), "\"B@x.test\",\"duplicate\""));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&csv),
				     "\"550-c@x.test\",\"failed\","
				     "\"bad-mailbox\",\"550 5.1.1\""));
	buf_fini(&csv);
	/* Who is gone is not written to again, by mailings. */
	ck_assert(suppress_has(w.suppress, SLICE_LIT("550-c@x.test")));
}
END_TEST

START_TEST(people_write_to_whom_they_like)
{
	struct letter letter = {.to = "nomore@x.test"};
	struct letter refused = {.to = "550-c@x.test"};

	world_start(&w);
	suppress("nomore@x.test");
	world_accept(&w, &letter);
	world_accept(&w, &refused);
	UNTIL(&w, sent_to("nomore@x.test"), "sent");
	UNTIL(&w, status_of(&w).bounced == 1, "refused");
	ck_assert(!suppress_has(w.suppress, SLICE_LIT("550-c@x.test")));
}
END_TEST

START_TEST(suppressed_survives)
{
	uint64_t c;

	world_start(&w);
	c = world_campaign(&w, "pr", 1);
	letter_to(c, "550-gone@x.test");
	UNTIL(&w, report(0) != NULL, "over");
	world_stop(&w, 3000);
	world_reopen_spool(&w);
	ck_assert(suppress_has(w.suppress, SLICE_LIT("550-gone@x.test")));
	ck_assert_int_eq(world_view(&w, c).state, CAMPAIGN_DONE);
	world_start(&w);
	world_work(&w, &(struct back_work){.verb = BACK_COUNT});
	ck_assert_ptr_null(report(1)); /* told once */
}
END_TEST

START_TEST(guard)
{
	struct campaign_order resume = {
	    .state = CAMPAIGN_RUNNING, .rate_per_h = -1, .connections = -1};
	uint64_t c;

	w.conf.bulk.guard = 3;
	world_start(&w);
	c = world_campaign(&w, "pr", 7);
	letter_to(c, "a@gmail.com");
	letter_to(c, "b@gmail.com");
	letter_to(c, "x@company.test");
	UNTIL(&w, world_view(&w, c).counts[CAMPAIGN_DELIVERED] == 3,
	      "below it");
	letter_to(c, "c@gmail.com d@googlemail.com");
	UNTIL(&w, world_view(&w, c).state == CAMPAIGN_STOPPED, "it asks");
	UNTIL(&w, report(0) != NULL, "and says so");
	ck_assert(!sent_to("c@gmail.com"));
	ck_assert_ptr_nonnull(strstr(world_view(&w, c).reason, "Gmail"));
	ck_assert_ptr_nonnull(strstr(report(0)->body, "Gmail"));
	ck_assert_ptr_nonnull(strstr(report(0)->body, "was stopped"));
	resume.id = c;
	ck_assert_int_eq(world_order(&w, &resume), 0);
	back_campaign(w.back, c);
	UNTIL(&w, world_view(&w, c).counts[CAMPAIGN_DELIVERED] == 5,
	      "asked, it goes");
	letter_to(c, "e@gmail.com y@company.test");
	UNTIL(&w, world_view(&w, c).counts[CAMPAIGN_DELIVERED] == 7,
	      "once a day");
}
END_TEST

/* Who was not reached leaves his place: tries that end so are no mail at the
 * receiver, however many there are. */
static const struct {
	const char *label, *to;
} unreached[] = {
    {"4xx at RCPT", "450-a@gmail.com"},
    {"4xx at the dot", "dot451-a@gmail.com"},
    {"closed before it was asked for", "drop-a@gmail.com"},
    {"no reply to the dot", "lose-a@gmail.com"},
};

START_TEST(guard_gives_back)
{
	static const int64_t retry_s[] = {1, 1, 3600};
	uint64_t c;

	w.conf.bulk.guard = 2;
	w.conf.retry_s = retry_s;
	w.conf.retry_count = 3;
	world_start(&w);
	c = world_campaign(&w, "pr", 3);
	letter_to(c, unreached[_i].to);
	UNTIL(&w, status_of(&w).deferred == 3, unreached[_i].label);
	ck_assert_msg(world_view(&w, c).state == CAMPAIGN_RUNNING, "%s",
		      unreached[_i].label);
	letter_to(c, "b@gmail.com");
	letter_to(c, "c@gmail.com");
	UNTIL(&w, world_view(&w, c).counts[CAMPAIGN_DELIVERED] == 2,
	      "all the places there are");
	letter_to(c, "d@gmail.com");
	UNTIL(&w, world_view(&w, c).state == CAMPAIGN_STOPPED, "and no more");
}
END_TEST

/* He was asked for, and his receiver said so: that one counts. */
START_TEST(guard_counts_refused)
{
	uint64_t c;

	w.conf.bulk.guard = 1;
	world_start(&w);
	c = world_campaign(&w, "pr", 2);
	letter_to(c, "550-a@gmail.com");
	UNTIL(&w, status_of(&w).bounced == 1, "refused for good");
	letter_to(c, "b@gmail.com");
	UNTIL(&w, world_view(&w, c).state == CAMPAIGN_STOPPED, "it asks");
	ck_assert(!sent_to("b@gmail.com"));
}
END_TEST

/* The day goes on after a restart: what was sent, and who was asked. */
START_TEST(guard_survives)
{
	struct campaign_order resume = {
	    .state = CAMPAIGN_RUNNING, .rate_per_h = -1, .connections = -1};
	uint64_t c;

	w.conf.bulk.guard = 3;
	w.retry_s[0] = w.retry_s[1] = 3600;
	world_start(&w);
	c = world_campaign(&w, "pr", 20);
	letter_to(c, "a@gmail.com b@gmail.com 550-x@gmail.com a@yahoo.com "
		     "b@yahoo.com");
	letter_to(c, "lose-y@yahoo.com");
	UNTIL(&w,
	      world_ledger(&w).by_state[RCPT_DELIVERED] == 4 &&
		  status_of(&w).deferred == 1,
	      "three of one, two of the other");
	world_stop(&w, 3000);
	world_reopen_spool(&w);
	world_start(&w);
	c = world_campaign(&w, "press", 5);
	letter_to(c, "c@yahoo.com");
	UNTIL(&w, sent_to("c@yahoo.com"), "below it");
	letter_to(c, "c@gmail.com");
	UNTIL(&w, world_view(&w, c).state == CAMPAIGN_STOPPED, "it asks");
	UNTIL(&w, report(0) != NULL, "and says so");
	ck_assert(!sent_to("c@gmail.com"));
	ck_assert_ptr_nonnull(strstr(world_view(&w, c).reason, "3 recipients"));
	world_stop(&w, 3000);
	world_reopen_spool(&w);
	world_start(&w);
	resume.id = c;
	ck_assert_int_eq(world_order(&w, &resume), 0);
	back_campaign(w.back, c);
	UNTIL(&w, sent_to("c@gmail.com"), "asked, it goes");
}
END_TEST

/* What cannot be sent, however often it is tried, is not at the receiver. */
START_TEST(guard_down)
{
	uint64_t c;

	w.conf.bulk.guard = 3;
	w.host.port = 1;
	w.retry_s[0] = w.retry_s[1] = 1;
	world_start(&w);
	c = world_campaign(&w, "pr", 2);
	letter_to(c, "a@gmail.com b@gmail.com");
	UNTIL(&w, status_of(&w).deferred >= 8, "four times");
	ck_assert_int_eq(world_view(&w, c).state, CAMPAIGN_RUNNING);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("bulk");
	TCase *t = tcase_create("bulk");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, left_out);
	tcase_add_test(t, people_write_to_whom_they_like);
	tcase_add_test(t, suppressed_survives);
	tcase_add_test(t, guard);
	tcase_add_test(t, guard_down);
	tcase_add_loop_test(t, guard_gives_back, 0,
			    sizeof(unreached) / sizeof(unreached[0]));
	tcase_add_test(t, guard_counts_refused);
	tcase_add_test(t, guard_survives);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
