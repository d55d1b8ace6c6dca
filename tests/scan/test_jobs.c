/* Jobs: what is asked, what is shared, what is known, and what happens to
 * those who do not want to wait any longer. */
#include "tests/scan/scan_help.h"

START_TEST(off_is_clean)
{
	struct scan_conf conf = {.server_count = 0};
	struct scan *scan = help_start(&conf);
	struct mail *mail = mail_create("VIRUS");
	struct scan_status status;

	ck_assert(scan_known(scan, &mail->job));
	ck_assert_int_eq(mail->job.verdict.kind, SCAN_CLEAN);
	scan_job_start(scan, &mail->job);
	mail_wait(mail);
	ck_assert_int_eq(mail->job.verdict.kind, SCAN_CLEAN);
	scan_status_get(scan, &status);
	ck_assert(!status.on && !status.up);
	mail_destroy(mail);
	scan_stop(&scan);
	ck_assert_ptr_null(scan);
	scan_stop(&scan);
}
END_TEST

START_TEST(verdicts)
{
	static const struct {
		const char *label, *text;
		enum scan_kind kind;
		enum scan_why why;
		size_t part;
		unsigned scans;
	} rows[] = {
	    {"nothing", "", SCAN_CLEAN, 0, 0, 0},
	    {"one", "one", SCAN_CLEAN, 0, 0, 1},
	    {"some", "one two three four five six", SCAN_CLEAN, 0, 0, 6},
	    {"infected", "a-VIRUS", SCAN_INFECTED, 0, 0, 1},
	    {"sealed", "a CRYPT b", SCAN_UNSCANNABLE, SCAN_WHY_ENCRYPTED, 1, 3},
	    {"infected is worse", "a CRYPT VIRUS", SCAN_INFECTED, 0, 2, 3},
	    {"the same twice is one", "a b a a b", SCAN_CLEAN, 0, 0, 2},
	    {"too big", "a tremendous b", SCAN_UNSCANNABLE, SCAN_WHY_TOO_BIG, 1,
	     2},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct scan_conf conf = help_conf(1);
		struct mail *mail = mail_create(rows[i].text);
		struct scan *scan;

		fake_reset();
		conf.bytes_max = 9;
		scan = help_start_up(&conf);
		if (scan_known(scan, &mail->job)) {
			ck_assert_msg(rows[i].scans == 0, "%s", rows[i].label);
		} else {
			scan_job_start(scan, &mail->job);
			mail_wait(mail);
		}
		ck_assert_msg(mail->job.verdict.kind == rows[i].kind &&
				  mail->job.verdict.why == rows[i].why,
			      "%s: %d %d", rows[i].label,
			      mail->job.verdict.kind, mail->job.verdict.why);
		if (rows[i].kind != SCAN_CLEAN)
			ck_assert_msg(mail->job.part == rows[i].part, "%s",
				      rows[i].label);
		ck_assert_msg(FAKE(0, scans) == rows[i].scans, "%s: %u",
			      rows[i].label, FAKE(0, scans));
		mail_destroy(mail);
		scan_stop(&scan);
	}
}
END_TEST

/* The raw message comes last, and its verdict first. */
START_TEST(a_part_is_named_before_the_message)
{
	static const struct {
		const char *label, *text, *type;
		size_t part;
	} rows[] = {
	    {"only the message", "one two VIRUS", "message/rfc822", 2},
	    {"a part too", "one a-VIRUS b-VIRUS", "message/rfc822", 1},
	    {"the first, too", "a-VIRUS one b-VIRUS", "message/rfc822", 0},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct scan_conf conf = help_conf(1);
		struct mail *mail = mail_create(rows[i].text);
		size_t last = mail->job.part_count - 1, end;
		struct scan_part *whole = &mail->parts[last];
		struct mail *same;
		struct scan *scan;

		fake_reset();
		scan = help_start_up(&conf);
		end = whole->end;
		whole->begin = 0;
		whole->name = "";
		whole->type = rows[i].type;
		whole->decoded_bytes = end;
		part_digest(mail, whole);
		/* It alone is known; the others are being asked about. */
		same = mail_create("");
		memcpy(same->text, mail->text, sizeof(same->text));
		same->parts[0] = *whole;
		same->job.part_count = 1;
		scan_job_start(scan, &same->job);
		mail_wait(same);
		ck_assert_int_eq(same->job.verdict.kind, SCAN_INFECTED);
		scan_job_start(scan, &mail->job);
		mail_wait(mail);
		ck_assert_int_eq(mail->job.verdict.kind, SCAN_INFECTED);
		ck_assert_msg(mail->job.part == rows[i].part, "%s: %zu",
			      rows[i].label, mail->job.part);
		mail_destroy(mail);
		mail_destroy(same);
		scan_stop(&scan);
	}
}
END_TEST

/* Those that are never looked at do not take the verdict away. */
START_TEST(the_message_is_named_when_no_part_is)
{
	struct scan_conf conf = help_conf(1);
	struct mail *mail = mail_create("one b-VIRUS");
	struct scan_part *whole = &mail->parts[1];
	struct mail *same = mail_create("");
	struct scan *scan;

	fake_reset();
	scan = help_start_up(&conf);
	whole->begin = 0;
	whole->name = "";
	whole->type = "message/rfc822";
	whole->decoded_bytes = whole->end;
	part_digest(mail, whole);
	memcpy(same->text, mail->text, sizeof(same->text));
	same->parts[0] = *whole;
	same->job.part_count = 1;
	scan_job_start(scan, &same->job);
	mail_wait(same);
	FAKE_SET(0, manner, FAKE_MUTE);
	scan_job_start(scan, &mail->job);
	UNTIL(FAKE(0, scans) == 2);
	ck_assert_int_eq(atomic_load(&mail->done), 0);
	scan_job_cancel(scan, &mail->job);
	mail_wait(mail);
	ck_assert_int_eq(mail->job.verdict.kind, SCAN_INFECTED);
	ck_assert_uint_eq(mail->job.part, 1);
	mail_destroy(mail);
	mail_destroy(same);
	scan_stop(&scan);
}
END_TEST

START_TEST(is_said_by_whom)
{
	struct scan_conf conf = help_conf(1);
	struct mail *mail = mail_create("VIRUS");
	struct scan *scan;

	fake_reset();
	scan = help_start_up(&conf);
	scan_job_start(scan, &mail->job);
	mail_wait(mail);
	ck_assert_str_eq(mail->job.verdict.server, "127.0.0.1:1344/av");
	ck_assert_str_eq(mail->job.verdict.threat, "Test.Virus");
	ck_assert_str_eq(mail->job.verdict.istag, "tag-1");
	ck_assert_uint_eq(mail->job.cached, 0);
	mail_destroy(mail);
	/* And from the cache the same. */
	mail = mail_create("VIRUS");
	ck_assert(!scan_known(scan, &mail->job)); /* clean ones only */
	scan_job_start(scan, &mail->job);
	mail_wait(mail);
	ck_assert_str_eq(mail->job.verdict.server, "127.0.0.1:1344/av");
	ck_assert_str_eq(mail->job.verdict.threat, "Test.Virus");
	ck_assert_uint_eq(mail->job.cached, 1);
	ck_assert_uint_eq(FAKE(0, scans), 1);
	mail_destroy(mail);
	scan_stop(&scan);
}
END_TEST

START_TEST(a_hundred_mails_are_one_scan)
{
	struct scan_conf conf = help_conf(1);
	struct mail *mails[100];
	struct scan_status status;
	struct scan *scan;

	fake_reset();
	scan = help_start_up(&conf);
	FAKE_SET(0, manner, FAKE_MUTE);
	for (size_t i = 0; i < COUNT(mails); i++) {
		mails[i] = mail_create("annual-report");
		scan_job_start(scan, &mails[i]->job);
	}
	UNTIL((scan_status_get(scan, &status), status.shared == 99));
	FAKE_SET(0, manner, FAKE_ANSWERS);
	for (size_t i = 0; i < COUNT(mails); i++) {
		mail_wait(mails[i]);
		ck_assert_int_eq(mails[i]->job.verdict.kind, SCAN_CLEAN);
		mail_destroy(mails[i]);
	}
	ck_assert_uint_eq(FAKE(0, scans), 1);
	ck_assert_int_eq(help_scan(scan, "annual-report"), SCAN_CLEAN);
	ck_assert_uint_eq(FAKE(0, scans), 1);
	scan_status_get(scan, &status);
	ck_assert_uint_eq(status.cache_count, 1);
	ck_assert_uint_eq(status.jobs, 0);
	ck_assert_uint_eq(scan_flush(scan), 1);
	ck_assert_int_eq(help_scan(scan, "annual-report"), SCAN_CLEAN);
	ck_assert_uint_eq(FAKE(0, scans), 2);
	scan_stop(&scan);
}
END_TEST

/* A server may look at nothing that is called a picture. */
START_TEST(another_kind_of_file_is_another_question)
{
	static const struct {
		const char *label, *name, *type;
		unsigned scans;
	} rows[] = {
	    {"the first", "a.jpg", "image/jpeg", 1},
	    {"another name", "holiday.of.1999.JPG", "image/jpeg", 1},
	    {"another ending", "a.exe", "image/jpeg", 2},
	    {"another type", "a.exe", "application/octet-stream", 3},
	    {"no ending", "a", "image/jpeg", 4},
	    {"no name", "", "image/jpeg", 4},
	    {"nothing", NULL, NULL, 5},
	};
	struct scan_conf conf = help_conf(1);
	struct scan *scan;

	fake_reset();
	scan = help_start_up(&conf);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct mail *mail = mail_create("one");

		mail->parts[0].name = rows[i].name;
		mail->parts[0].type = rows[i].type;
		scan_job_start(scan, &mail->job);
		mail_wait(mail);
		ck_assert_int_eq(mail->job.verdict.kind, SCAN_CLEAN);
		ck_assert_msg(FAKE(0, scans) == rows[i].scans, "%s: %u",
			      rows[i].label, FAKE(0, scans));
		mail_destroy(mail);
	}
	scan_stop(&scan);
}
END_TEST

START_TEST(afresh_believes_nobody)
{
	struct scan_conf conf = help_conf(1);
	struct mail *mail = mail_create("one");
	struct scan *scan;

	fake_reset();
	scan = help_start_up(&conf);
	ck_assert_int_eq(help_scan(scan, "one"), SCAN_CLEAN);
	mail->job.afresh = true;
	ck_assert(!scan_known(scan, &mail->job));
	scan_job_start(scan, &mail->job);
	mail_wait(mail);
	ck_assert_int_eq(mail->job.verdict.kind, SCAN_CLEAN);
	ck_assert_uint_eq(FAKE(0, scans), 2);
	mail_destroy(mail);
	scan_stop(&scan);
}
END_TEST

START_TEST(a_thousand_parts_a_few_at_a_time)
{
	struct scan_conf conf = help_conf(1);
	struct mail *mail = mail_create("");
	struct scan *scan;
	size_t n = 0;

	fake_reset();
	conf.connection_max = 20;
	scan = help_start_up(&conf);
	for (int i = 0; i < 1000; i++) {
		n += (size_t)snprintf(mail->text + n, sizeof(mail->text) - n,
				      "part%04d", i);
		part_make(mail, n - 8, 8);
	}
	scan_job_start(scan, &mail->job);
	mail_wait(mail);
	ck_assert_int_eq(mail->job.verdict.kind, SCAN_CLEAN);
	ck_assert_uint_le(FAKE(0, open_most), 5); /* and a canary */
	mail_destroy(mail);
	scan_stop(&scan);
}
END_TEST

START_TEST(canceled_before_it_left)
{
	struct scan_conf conf = help_conf(1);
	struct mail *mail = mail_create("one two");
	struct scan *scan;

	fake_reset();
	scan = help_start_up(&conf);
	FAKE_SET(0, manner, FAKE_UNREAD);
	scan_job_start(scan, &mail->job);
	UNTIL(FAKE(0, scans) == 2);
	scan_job_cancel(scan, &mail->job);
	mail_wait(mail);
	ck_assert_int_eq(mail->job.verdict.kind, SCAN_ERROR);
	ck_assert_int_eq(mail->job.verdict.why, SCAN_WHY_CANCELED);
	ck_assert_uint_eq(FAKE(0, canceled), 2);
	/* Once more, when it is over: nothing. */
	scan_job_cancel(scan, &mail->job);
	FAKE_SET(0, manner, FAKE_ANSWERS);
	ck_assert_int_eq(help_scan(scan, "one"), SCAN_CLEAN);
	ck_assert_uint_eq(FAKE(0, scans), 3);
	mail_destroy(mail);
	scan_stop(&scan);
}
END_TEST

START_TEST(canceled_what_left_is_heard_out)
{
	struct scan_conf conf = help_conf(1);
	struct mail *mail = mail_create("one");
	struct scan_status status;
	struct scan *scan;

	fake_reset();
	scan = help_start_up(&conf);
	FAKE_SET(0, manner, FAKE_MUTE);
	scan_job_start(scan, &mail->job);
	UNTIL(FAKE(0, sent) == 1);
	scan_job_cancel(scan, &mail->job);
	mail_wait(mail);
	ck_assert_int_eq(mail->job.verdict.why, SCAN_WHY_CANCELED);
	ck_assert_uint_eq(FAKE(0, canceled), 0);
	mail_destroy(mail); /* nothing of it is read any more */
	FAKE_SET(0, manner, FAKE_ANSWERS);
	UNTIL((scan_status_get(scan, &status), status.cache_count == 1));
	ck_assert_int_eq(help_scan(scan, "one"), SCAN_CLEAN);
	ck_assert_uint_eq(FAKE(0, scans), 1);
	scan_stop(&scan);
}
END_TEST

START_TEST(another_takes_over_the_reading)
{
	struct scan_conf conf = help_conf(1);
	struct mail *first = mail_create("one"), *second = mail_create("one");
	struct scan_status status;
	struct scan *scan;

	fake_reset();
	scan = help_start_up(&conf);
	FAKE_SET(0, manner, FAKE_UNREAD);
	scan_job_start(scan, &first->job);
	scan_job_start(scan, &second->job);
	UNTIL((scan_status_get(scan, &status), status.shared == 1));
	scan_job_cancel(scan, &first->job);
	mail_wait(first);
	mail_destroy(first);
	FAKE_SET(0, manner, FAKE_ANSWERS);
	mail_wait(second);
	ck_assert_int_eq(second->job.verdict.kind, SCAN_CLEAN);
	ck_assert_int_gt(atomic_load(&second->reads), 0);
	mail_destroy(second);
	scan_stop(&scan);
}
END_TEST

START_TEST(an_unreadable_copy_hurts_its_own)
{
	struct scan_conf conf = help_conf(1);
	struct mail *first = mail_create("one"), *second = mail_create("one");
	struct scan_status status;
	struct scan *scan;

	fake_reset();
	scan = help_start_up(&conf);
	first->unreadable = true;
	FAKE_SET(0, manner, FAKE_UNREAD);
	scan_job_start(scan, &first->job);
	scan_job_start(scan, &second->job);
	UNTIL((scan_status_get(scan, &status), status.shared == 1));
	FAKE_SET(0, manner, FAKE_ANSWERS);
	mail_wait(first);
	mail_wait(second);
	ck_assert_int_eq(first->job.verdict.kind, SCAN_ERROR);
	ck_assert_int_eq(first->job.verdict.why, SCAN_WHY_READ);
	ck_assert_int_eq(second->job.verdict.kind, SCAN_CLEAN);
	/* Nor is the server to blame. */
	ck_assert_int_eq(help_health(scan, 0), SCAN_UP);
	mail_destroy(first);
	mail_destroy(second);
	scan_stop(&scan);
}
END_TEST

START_TEST(other_bytes_are_not_believed)
{
	struct scan_conf conf = help_conf(1);
	struct mail *mail = mail_create("one");
	struct scan_status status;
	struct scan *scan;

	fake_reset();
	scan = help_start_up(&conf);
	mail->parts[0].digest[5] ^= 1;
	scan_job_start(scan, &mail->job);
	mail_wait(mail);
	ck_assert_int_eq(mail->job.verdict.kind, SCAN_ERROR);
	ck_assert_int_eq(mail->job.verdict.why, SCAN_WHY_READ);
	mail_destroy(mail);
	/* More, or fewer, than the walker counted. */
	for (int delta = -1; delta <= 1; delta += 2) {
		mail = mail_create("one-more two");
		mail->job.part_count = 1;
		mail->parts[0].decoded_bytes += (uint64_t)delta;
		scan_job_start(scan, &mail->job);
		mail_wait(mail);
		ck_assert_int_eq(mail->job.verdict.why, SCAN_WHY_READ);
		mail_destroy(mail);
	}
	scan_status_get(scan, &status);
	ck_assert_uint_eq(status.cache_count, 0);
	scan_stop(&scan);
}
END_TEST

START_TEST(late_ones_come_behind)
{
	struct scan_conf conf = help_conf(1);
	struct mail *late[6], *front;
	struct scan *scan;
	char text[16];

	fake_reset();
	conf.connection_max = 4;
	scan = help_start_up(&conf);
	FAKE_SET(0, manner, FAKE_MUTE);
	for (size_t i = 0; i < COUNT(late); i++) {
		(void)snprintf(text, sizeof(text), "late%zu", i);
		late[i] = mail_create(text);
		late[i]->job.late = true;
		scan_job_start(scan, &late[i]->job);
	}
	/* Half of what there is. */
	UNTIL(FAKE(0, scans) == 2);
	front = mail_create("front late5");
	scan_job_start(scan, &front->job);
	UNTIL(FAKE(0, scans) == 4);
	usleep(20000);
	ck_assert_uint_eq(FAKE(0, scans), 4);
	/* Both of front's have gone, what was late too. */
	ck_assert_int_eq(
	    atomic_load(&late[5]->reads) + atomic_load(&front->reads) > 0, 1);
	FAKE_SET(0, manner, FAKE_ANSWERS);
	mail_wait(front);
	mail_destroy(front);
	for (size_t i = 0; i < COUNT(late); i++) {
		mail_wait(late[i]);
		ck_assert_int_eq(late[i]->job.verdict.kind, SCAN_CLEAN);
		mail_destroy(late[i]);
	}
	scan_stop(&scan);
}
END_TEST

START_TEST(a_virus_is_known)
{
	struct scan_conf conf = help_conf(1);
	struct mail *mail = mail_create("one two VIRUS");
	struct mail *clean = mail_create("one two");
	struct scan *scan;

	fake_reset();
	scan = help_start_up(&conf);
	ck_assert(!scan_known_virus(scan, &mail->job));
	ck_assert_int_eq(help_scan(scan, "one two"), SCAN_CLEAN);
	ck_assert_int_eq(help_scan(scan, "VIRUS"), SCAN_INFECTED);
	/* Whatever else is not known, or would be asked about again. */
	FAKE_SET(0, istag, "new");
	ck_assert_int_eq(help_scan(scan, "three"), SCAN_CLEAN);
	FAKE_SET(0, manner, FAKE_MUTE);
	ck_assert(scan_known_virus(scan, &mail->job));
	ck_assert_int_eq(mail->job.verdict.kind, SCAN_INFECTED);
	ck_assert_str_eq(mail->job.verdict.threat, "Test.Virus");
	ck_assert_uint_eq(mail->job.part, 2);
	ck_assert(!scan_known_virus(scan, &clean->job));
	scan_flush(scan);
	ck_assert(!scan_known_virus(scan, &mail->job));
	mail_destroy(mail);
	mail_destroy(clean);
	scan_stop(&scan);
}
END_TEST

START_TEST(its_time_is_over)
{
	struct scan_conf conf = help_conf(1);
	struct mail *mail = mail_create("one CRYPT");
	struct scan *scan;

	fake_reset();
	conf.message_ms = 300;
	scan = help_start_up(&conf);
	ck_assert_int_eq(help_scan(scan, "CRYPT"), SCAN_UNSCANNABLE);
	FAKE_SET(0, manner, FAKE_MUTE);
	scan_job_start(scan, &mail->job);
	mail_wait(mail);
	ck_assert_int_eq(mail->job.verdict.kind, SCAN_ERROR);
	ck_assert_int_eq(mail->job.verdict.why, SCAN_WHY_TIMEOUT);
	mail_destroy(mail);
	scan_stop(&scan);
}
END_TEST

START_TEST(stops_with_work_under_way)
{
	struct scan_conf conf = help_conf(1);
	struct mail *mails[50];
	struct scan *scan;
	char text[32];

	for (int manner = FAKE_ANSWERS; manner <= FAKE_FROZEN; manner++) {
		fake_reset();
		scan = help_start_up(&conf);
		FAKE_SET(0, manner, (enum fake_manner)manner);
		for (size_t i = 0; i < COUNT(mails); i++) {
			(void)snprintf(text, sizeof(text), "m%zu both VIRUS%zu",
				       i / 2, i);
			mails[i] = mail_create(text);
			mails[i]->job.late = i % 3 == 0;
			scan_job_start(scan, &mails[i]->job);
			if (i % 5 == 0)
				scan_job_cancel(scan, &mails[i]->job);
		}
		usleep((unsigned)manner * 1000);
		scan_stop(&scan);
		for (size_t i = 0; i < COUNT(mails); i++) {
			ck_assert_int_eq(atomic_load(&mails[i]->done), 1);
			mail_destroy(mails[i]);
		}
	}
}
END_TEST

START_TEST(bypass)
{
	struct scan_conf conf = help_conf(0);
	struct scan *scan = help_start(&conf);
	struct scan_status status;

	ck_assert(!scan_bypassed(scan, 1000));
	scan_bypass_set(scan, 2000);
	ck_assert(scan_bypassed(scan, 1999));
	ck_assert(!scan_bypassed(scan, 2000));
	scan_status_get(scan, &status);
	ck_assert_int_eq(status.bypass_until_wall_s, 2000);
	scan_bypass_set(scan, 0);
	ck_assert(!scan_bypassed(scan, 1000));
	scan_stop(&scan);
}
END_TEST

static void *
crowd(void *arg)
{
	struct scan *scan = arg;
	char text[64];

	for (int i = 0; i < 60; i++) {
		struct mail *mail;

		(void)snprintf(text, sizeof(text), "a%d b%d %s", i % 7, i,
			       i % 10 == 0 ? "VIRUS" : "c");
		mail = mail_create(text);
		if (!scan_known(scan, &mail->job)) {
			scan_job_start(scan, &mail->job);
			if (i % 4 == 0)
				scan_job_cancel(scan, &mail->job);
			mail_wait(mail);
		}
		ck_assert(mail->job.verdict.kind != SCAN_CLEAN || i % 10 != 0);
		mail_destroy(mail);
		if (i % 20 == 0)
			(void)scan_flush(scan);
	}
	return NULL;
}

START_TEST(a_crowd)
{
	struct scan_conf conf = help_conf(2);
	pthread_t threads[4];
	struct scan *scan;
	char error[100];

	fake_reset();
	scan = help_start_up(&conf);
	for (size_t i = 0; i < COUNT(threads); i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, crowd, scan),
				 0);
	for (size_t i = 0; i < 6; i++) {
		usleep(5000);
		FAKE_SET(0, manner, i % 2 ? FAKE_FAILS : FAKE_ANSWERS);
		conf.server_count = 1 + i % 3;
		ck_assert_int_eq(scan_reload(scan, &conf, error, sizeof(error)),
				 0);
	}
	FAKE_SET(0, manner, FAKE_ANSWERS);
	for (size_t i = 0; i < COUNT(threads); i++)
		pthread_join(threads[i], NULL);
	scan_stop(&scan);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("jobs");
	TCase *tcase = tcase_create("jobs");

	tcase_add_test(tcase, off_is_clean);
	tcase_add_test(tcase, verdicts);
	tcase_add_test(tcase, a_part_is_named_before_the_message);
	tcase_add_test(tcase, the_message_is_named_when_no_part_is);
	tcase_add_test(tcase, is_said_by_whom);
	tcase_add_test(tcase, a_hundred_mails_are_one_scan);
	tcase_add_test(tcase, another_kind_of_file_is_another_question);
	tcase_add_test(tcase, afresh_believes_nobody);
	tcase_add_test(tcase, a_thousand_parts_a_few_at_a_time);
	tcase_add_test(tcase, canceled_before_it_left);
	tcase_add_test(tcase, canceled_what_left_is_heard_out);
	tcase_add_test(tcase, another_takes_over_the_reading);
	tcase_add_test(tcase, an_unreadable_copy_hurts_its_own);
	tcase_add_test(tcase, other_bytes_are_not_believed);
	tcase_add_test(tcase, late_ones_come_behind);
	tcase_add_test(tcase, a_virus_is_known);
	tcase_add_test(tcase, its_time_is_over);
	tcase_add_test(tcase, stops_with_work_under_way);
	tcase_add_test(tcase, bypass);
	tcase_add_test(tcase, a_crowd);
	suite_add_tcase(suite, tcase);
	return help_run(suite);
}
