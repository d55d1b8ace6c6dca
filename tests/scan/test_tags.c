/* ISTags: definitions that change, and servers that say nothing by them. */
#include "tests/scan/scan_help.h"

START_TEST(a_new_tag_is_proved_first)
{
	struct scan_conf conf = help_conf(1);
	struct mail *mail = mail_create("one"), *bad = mail_create("VIRUS");
	struct mail *behind = mail_create("two");
	struct scan *scan;

	fake_reset();
	scan = help_start_up(&conf);
	FAKE_SET(0, canary_waits, true);
	FAKE_SET(0, istag, "new");
	scan_job_start(scan, &mail->job);
	UNTIL(FAKE(0, canaries) == 2);
	usleep(20000);
	ck_assert_int_eq(atomic_load(&mail->done), 0);
	/* A virus is one under any tag. */
	scan_job_start(scan, &bad->job);
	mail_wait(bad);
	ck_assert_int_eq(bad->job.verdict.kind, SCAN_INFECTED);
	/* What comes while the canary is under way waits for another one. */
	scan_job_start(scan, &behind->job);
	UNTIL(FAKE(0, scans) == 3);
	usleep(20000);
	FAKE_SET(0, canary_waits, false);
	mail_wait(mail);
	mail_wait(behind);
	ck_assert_int_eq(behind->job.verdict.kind, SCAN_CLEAN);
	ck_assert_uint_eq(FAKE(0, canaries), 3);
	ck_assert_int_eq(mail->job.verdict.kind, SCAN_CLEAN);
	ck_assert_str_eq(mail->job.verdict.istag, "new");
	ck_assert_int_eq(scan_new(scan), SCAN_CLEAN);
	mail_destroy(mail);
	mail_destroy(bad);
	mail_destroy(behind);
	scan_stop(&scan);
}
END_TEST

START_TEST(a_new_tag_that_is_blind)
{
	struct scan_conf conf = help_conf(2);
	struct mail *mails[6];
	struct scan *scan;
	char text[16];

	fake_reset();
	scan = help_start_up(&conf);
	/* It was restarted, and its engine is not there yet. */
	FAKE_SET(0, istag, "restarted");
	FAKE_SET(0, canary, SCAN_CLEAN);
	for (size_t i = 0; i < COUNT(mails); i++) {
		(void)snprintf(text, sizeof(text), "mail%zu", i);
		mails[i] = mail_create(text);
		scan_job_start(scan, &mails[i]->job);
	}
	for (size_t i = 0; i < COUNT(mails); i++) {
		mail_wait(mails[i]);
		ck_assert_int_eq(mails[i]->job.verdict.kind, SCAN_CLEAN);
		ck_assert_str_eq(mails[i]->job.verdict.server,
				 "127.0.0.2:1344/av");
		mail_destroy(mails[i]);
	}
	ck_assert_int_eq(help_health(scan, 0), SCAN_BLIND);
	scan_stop(&scan);
}
END_TEST

START_TEST(old_ones_are_asked_again_at_a_rate)
{
	struct scan_conf conf = help_conf(1);
	struct scan *scan;
	char text[16];

	fake_reset();
	conf.rescans_per_s = 1;
	scan = help_start_up(&conf);
	for (int i = 0; i < 30; i++) {
		(void)snprintf(text, sizeof(text), "m%d", i);
		ck_assert_int_eq(help_scan(scan, text), SCAN_CLEAN);
	}
	ck_assert_uint_eq(FAKE(0, scans), 30);
	FAKE_SET(0, istag, "new");
	ck_assert_int_eq(scan_new(scan), SCAN_CLEAN);
	for (int i = 0; i < 30; i++) {
		(void)snprintf(text, sizeof(text), "m%d", i);
		ck_assert_int_eq(help_scan(scan, text), SCAN_CLEAN);
	}
	ck_assert_uint_ge(FAKE(0, scans), 32);
	ck_assert_uint_le(FAKE(0, scans), 40); /* nine seconds at most */
	scan_stop(&scan);
}
END_TEST

static bool
calls_itself(struct scan *scan, int i, const char *istag)
{
	struct scan_server_status status[FAKES_MAX];

	scan_servers_get(scan, status, FAKES_MAX);
	return strcmp(status[i].istag, istag) == 0;
}

/* The second server does not know that virus. When the first one has new
 * definitions what it found is asked about again, and the second is asked. */
START_TEST(another_does_not_take_a_virus_back)
{
	struct scan_conf conf = help_conf(2);
	struct mail *mail = mail_create("VIRUS");
	bool clean = false;
	struct scan *scan;

	fake_reset();
	FAKE_SET(1, misses, true);
	scan = help_start_up(&conf);
	ck_assert_int_eq(help_scan(scan, "VIRUS"), SCAN_INFECTED);
	FAKE_SET(0, istag, "new");
	UNTIL((scan_new(scan), calls_itself(scan, 0, "new")));
	/* Whoever of the two it is. */
	FAKE_SET(0, manner, FAKE_FAILS);
	ck_assert_int_eq(help_scan(scan, "VIRUS"), SCAN_INFECTED);
	/* Who wants to know afresh is told what is said now. */
	mail->job.afresh = true;
	scan_job_start(scan, &mail->job);
	mail_wait(mail);
	ck_assert_int_eq(mail->job.verdict.kind, SCAN_CLEAN);
	mail_destroy(mail);
	ck_assert_int_eq(help_scan(scan, "VIRUS"), SCAN_INFECTED);
	/* It takes it back itself. */
	FAKE_SET(0, manner, FAKE_ANSWERS);
	FAKE_SET(0, misses, true);
	UNTIL((clean = help_scan(scan, "VIRUS") == SCAN_CLEAN));
	ck_assert_int_eq(help_scan(scan, "VIRUS"), SCAN_CLEAN);
	scan_stop(&scan);
}
END_TEST

START_TEST(options_follow_a_new_tag)
{
	struct scan_conf conf = help_conf(1);
	struct scan *scan;

	fake_reset();
	scan = help_start_up(&conf);
	ck_assert_int_eq(scan_new(scan), SCAN_CLEAN);
	ck_assert_uint_eq(FAKE(0, options), 1);
	FAKE_SET(0, istag, "new");
	ck_assert_int_eq(scan_new(scan), SCAN_CLEAN);
	UNTIL(FAKE(0, options) == 2 && FAKE(0, canaries) >= 2);
	ck_assert_uint_eq(FAKE(0, canaries), 2);
	/* The next one so soon is not followed at once. */
	FAKE_SET(0, istag, "newer");
	ck_assert_int_eq(scan_new(scan), SCAN_CLEAN);
	UNTIL(FAKE(0, canaries) == 3);
	usleep(400000); /* a tick and more */
	ck_assert_uint_eq(FAKE(0, options), 2);
	scan_stop(&scan);
}
END_TEST

/* OPTIONS have a tag, what is scanned has none. */
START_TEST(answers_without_the_tag)
{
	struct scan_conf conf = help_conf(1);
	struct scan_status status;
	struct scan *scan;

	fake_reset();
	scan = help_start_up(&conf);
	FAKE_SET(0, nameless, true);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(help_scan(scan, "again"), SCAN_CLEAN);
	ck_assert_uint_eq(FAKE(0, scans), 4);
	scan_status_get(scan, &status);
	ck_assert(!status.istag_unsteady);
	ck_assert_uint_eq(status.cache_count, 0);
	/* It never has one, then: for a minute. */
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(help_scan(scan, "oncemore"), SCAN_CLEAN);
	scan_status_get(scan, &status);
	ck_assert(status.istag_unsteady);
	ck_assert_uint_eq(FAKE(0, scans), 5);
	scan_stop(&scan);
}
END_TEST

START_TEST(a_tag_that_never_stays)
{
	struct scan_conf conf = help_conf(1);
	struct scan_status status;
	struct scan *scan;
	unsigned canaries;

	fake_reset();
	FAKE_SET(0, istag_counts, true);
	scan = help_start_up(&conf);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(scan_new(scan), SCAN_CLEAN);
	scan_status_get(scan, &status);
	ck_assert(status.istag_unsteady);
	/* No canary for each of them, and what was said counts for a while. */
	canaries = FAKE(0, canaries);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(help_scan(scan, "again"), SCAN_CLEAN);
	ck_assert_uint_eq(FAKE(0, scans), 11);
	ck_assert_uint_eq(FAKE(0, canaries), canaries);
	scan_stop(&scan);
}
END_TEST

/* The tag is seen never to stay by the answer of a canary that shows that it
 * is blind: what waited for that canary is not clean. */
START_TEST(a_blind_canary_with_one_tag_too_many)
{
	struct scan_conf conf = help_conf(1);
	struct mail *mail = mail_create("one two three four");
	struct scan *scan;

	fake_reset();
	scan = help_start_up(&conf);
	FAKE_SET(0, canary, SCAN_CLEAN);
	FAKE_SET(0, canary_waits, true);
	FAKE_SET(0, istag_counts, true);
	scan_job_start(scan, &mail->job);
	UNTIL(FAKE(0, scans) == 4 && FAKE(0, open) == 1);
	ck_assert_int_eq(atomic_load(&mail->done), 0);
	FAKE_SET(0, canary_waits, false);
	mail_wait(mail);
	ck_assert_int_eq(mail->job.verdict.kind, SCAN_ERROR);
	UNTIL(help_health(scan, 0) == SCAN_BLIND);
	mail_destroy(mail);
	scan_stop(&scan);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("tags");
	TCase *tcase = tcase_create("tags");

	tcase_add_test(tcase, a_new_tag_is_proved_first);
	tcase_add_test(tcase, a_new_tag_that_is_blind);
	tcase_add_test(tcase, old_ones_are_asked_again_at_a_rate);
	tcase_add_test(tcase, another_does_not_take_a_virus_back);
	tcase_add_test(tcase, options_follow_a_new_tag);
	tcase_add_test(tcase, answers_without_the_tag);
	tcase_add_test(tcase, a_tag_that_never_stays);
	tcase_add_test(tcase, a_blind_canary_with_one_tag_too_many);
	suite_add_tcase(suite, tcase);
	return help_run(suite);
}
