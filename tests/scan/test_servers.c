/*
 * Servers: who is asked, who is not believed, who comes back.
 *
 * size: one subject, a short test for each thing that a server may do.
 */
#include "tests/scan/scan_help.h"

/* --- health --------------------------------------------------------------- */

START_TEST(the_first_canary_decides)
{
	static const struct {
		const char *label;
		enum scan_kind canary;
		enum fake_manner manner;
		int options_status;
		enum scan_health health;
		enum scan_kind kind;
	} rows[] = {
	    {"sees it", SCAN_INFECTED, FAKE_ANSWERS, 0, SCAN_UP, SCAN_CLEAN},
	    {"calls it clean", SCAN_CLEAN, FAKE_ANSWERS, 0, SCAN_BLIND,
	     SCAN_ERROR},
	    {"does not look", SCAN_UNSCANNABLE, FAKE_ANSWERS, 0, SCAN_BLIND,
	     SCAN_ERROR},
	    {"fails", SCAN_ERROR, FAKE_ANSWERS, 0, SCAN_DOWN, SCAN_ERROR},
	    {"not there", SCAN_INFECTED, FAKE_DEAD, 0, SCAN_DOWN, SCAN_ERROR},
	    {"has no OPTIONS", SCAN_INFECTED, FAKE_ANSWERS, 405, SCAN_UP,
	     SCAN_CLEAN},
	    {"has nothing", SCAN_ERROR, FAKE_ANSWERS, 404, SCAN_DOWN,
	     SCAN_ERROR},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct scan_conf conf = help_conf(1);
		struct scan_status status;
		struct scan *scan;

		fake_reset();
		FAKE_SET(0, canary, rows[i].canary);
		FAKE_SET(0, manner, rows[i].manner);
		FAKE_SET(0, options_status, rows[i].options_status);
		scan = help_start(&conf);
		UNTIL(help_health(scan, 0) == rows[i].health);
		ck_assert_msg(scan_new(scan) == rows[i].kind, "%s",
			      rows[i].label);
		/* Not asked for mail, unless it is up. */
		ck_assert_msg(FAKE(0, scans) == (rows[i].kind == SCAN_CLEAN),
			      "%s", rows[i].label);
		scan_status_get(scan, &status);
		ck_assert(status.on);
		ck_assert(status.up == (rows[i].health == SCAN_UP));
		ck_assert((status.down_since_wall_s == 0) == status.up);
		scan_stop(&scan);
	}
}
END_TEST

START_TEST(the_unknown_are_waited_for)
{
	struct scan_conf conf = help_conf(1);
	struct mail *mail = mail_create("one");
	struct scan *scan;

	fake_reset();
	FAKE_SET(0, canary_waits, true);
	scan = help_start(&conf);
	UNTIL(FAKE(0, canaries) == 1);
	scan_job_start(scan, &mail->job);
	usleep(30000);
	ck_assert_int_eq(atomic_load(&mail->done), 0);
	ck_assert_int_eq(help_health(scan, 0), SCAN_UNKNOWN);
	FAKE_SET(0, canary_waits, false);
	mail_wait(mail);
	ck_assert_int_eq(mail->job.verdict.kind, SCAN_CLEAN);
	mail_destroy(mail);
	scan_stop(&scan);
}
END_TEST

struct told {
	_Atomic int ups, downs;
};

static void
on_change(void *arg, bool up)
{
	struct told *told = arg;

	atomic_fetch_add(up ? &told->ups : &told->downs, 1);
}

START_TEST(comes_back)
{
	struct scan_conf conf = help_conf(1);
	struct told told = {0};
	struct scan *scan;

	fake_reset();
	scan = help_start_up(&conf);
	scan_on_change(scan, on_change, &told);
	UNTIL(told.ups == 1); /* it was up already */
	ck_assert_int_eq(scan_new(scan), SCAN_CLEAN);
	FAKE_SET(0, manner, FAKE_DEAD);
	ck_assert_int_eq(scan_new(scan), SCAN_ERROR);
	UNTIL(help_health(scan, 0) == SCAN_DOWN);
	UNTIL(told.downs == 1);
	ck_assert_int_eq(scan_new(scan), SCAN_ERROR);
	FAKE_SET(0, manner, FAKE_ANSWERS);
	UNTIL(help_health(scan, 0) == SCAN_UP);
	UNTIL(told.ups >= 2);
	ck_assert_int_eq(scan_new(scan), SCAN_CLEAN);
	scan_on_change(scan, NULL, NULL);
	FAKE_SET(0, canary, SCAN_CLEAN);
	FAKE_SET(0, istag, "new");
	ck_assert_int_eq(scan_new(scan), SCAN_ERROR);
	UNTIL(help_health(scan, 0) == SCAN_BLIND);
	ck_assert_int_eq(told.downs, 1);
	scan_stop(&scan);
}
END_TEST

START_TEST(goes_blind)
{
	struct scan_conf conf = help_conf(1);
	struct scan_server_status status;
	struct scan *scan;

	fake_reset();
	conf.canary_ms = 100;
	scan = help_start_up(&conf);
	ck_assert_int_eq(help_scan(scan, "one"), SCAN_CLEAN);
	ck_assert_int_eq(help_scan(scan, "VIRUS"), SCAN_INFECTED);
	FAKE_SET(0, canary, SCAN_CLEAN);
	UNTIL(help_health(scan, 0) == SCAN_BLIND);
	scan_servers_get(scan, &status, 1);
	ck_assert_str_eq(status.error, "calls EICAR clean");
	/* What it called clean is not known any more; a virus is one. */
	ck_assert_int_eq(help_scan(scan, "one"), SCAN_ERROR);
	ck_assert_int_eq(help_scan(scan, "VIRUS"), SCAN_INFECTED);
	FAKE_SET(0, canary, SCAN_INFECTED);
	UNTIL(help_health(scan, 0) == SCAN_UP);
	ck_assert_int_eq(help_scan(scan, "one"), SCAN_CLEAN);
	scan_servers_get(scan, &status, 1);
	ck_assert_str_eq(status.error, "");
	ck_assert_str_eq(status.istag, "tag-1");
	ck_assert_int_gt(status.canary_wall_s, 0);
	ck_assert_int_eq(status.expires_wall_s, 4000000000);
	ck_assert_uint_eq(status.infected, 1);
	scan_stop(&scan);
}
END_TEST

/* Its OPTIONS are due and cannot be had: that is not tried without a pause. */
START_TEST(options_that_are_gone)
{
	struct scan_conf conf = help_conf(1);
	struct scan *scan;

	fake_reset();
	FAKE_SET(0, options_hold_ms, 20);
	scan = help_start_up(&conf);
	FAKE_SET(0, manner, FAKE_DEAD);
	FAKE_SET(0, options, 0);
	UNTIL(help_health(scan, 0) == SCAN_DOWN);
	ck_assert_uint_le(FAKE(0, options), 5);
	scan_stop(&scan);
}
END_TEST

START_TEST(a_file_that_it_fails_on)
{
	struct scan_conf conf = help_conf(1);
	struct scan *scan;

	fake_reset();
	scan = help_start_up(&conf);
	FAKE_SET(0, manner, FAKE_FAILS);
	for (int i = 0; i < 6; i++)
		ck_assert_int_eq(scan_new(scan), SCAN_ERROR);
	FAKE_SET(0, manner, FAKE_ANSWERS);
	ck_assert_int_eq(help_health(scan, 0), SCAN_UP);
	ck_assert_int_eq(scan_new(scan), SCAN_CLEAN);
	scan_stop(&scan);
}
END_TEST

START_TEST(busy_is_not_down)
{
	struct scan_conf conf = help_conf(1);
	struct scan *scan;
	int64_t until_ms;

	fake_reset();
	conf.part_ms = 500; /* of a canary too */
	conf.canary_ms = 10;
	scan = help_start_up(&conf);
	FAKE_SET(0, canary_waits, true);
	UNTIL(FAKE(0, canaries) >= 2 && FAKE(0, open) == 1);
	until_ms = clock_mono_ms() + 1200;
	while (clock_mono_ms() < until_ms)
		ck_assert_int_eq(scan_new(scan), SCAN_CLEAN);
	ck_assert_int_eq(help_health(scan, 0), SCAN_UP);
	/* Nothing is answered any more. */
	UNTIL(help_health(scan, 0) == SCAN_DOWN);
	scan_stop(&scan);
}
END_TEST

/* --- several -------------------------------------------------------------- */

START_TEST(shares_by_weight)
{
	struct scan_server_conf servers[3];
	struct scan_conf conf = help_conf(3);
	struct scan *scan;

	memcpy(servers, help_servers, sizeof(servers));
	servers[0].weight = 3;
	servers[2].weight = 0;
	conf.servers = servers;
	fake_reset();
	scan = help_start_up(&conf);
	for (int i = 0; i < 40; i++)
		ck_assert_int_eq(scan_new(scan), SCAN_CLEAN);
	ck_assert_uint_eq(FAKE(0, scans), 30);
	ck_assert_uint_eq(FAKE(1, scans), 10);
	ck_assert_uint_eq(FAKE(2, scans), 0);
	/* The reserve. */
	FAKE_SET(0, manner, FAKE_DEAD);
	FAKE_SET(1, manner, FAKE_DEAD);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(scan_new(scan), SCAN_CLEAN);
	ck_assert_uint_eq(FAKE(2, scans), 10);
	scan_stop(&scan);
}
END_TEST

START_TEST(an_error_is_tried_elsewhere)
{
	static const struct {
		const char *label;
		enum fake_manner manner[3];
		const char *text;
		enum scan_kind kind;
	} rows[] = {
	    {"one fails",
	     {FAKE_FAILS, FAKE_ANSWERS, FAKE_ANSWERS},
	     "one",
	     SCAN_CLEAN},
	    {"two fail",
	     {FAKE_FAILS, FAKE_FAILS, FAKE_ANSWERS},
	     "one",
	     SCAN_CLEAN},
	    {"all fail",
	     {FAKE_FAILS, FAKE_FAILS, FAKE_FAILS},
	     "one",
	     SCAN_ERROR},
	    {"the last one finds it",
	     {FAKE_DEAD, FAKE_FAILS, FAKE_ANSWERS},
	     "VIRUS",
	     SCAN_INFECTED},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct scan_conf conf = help_conf(3);
		struct scan *scan;
		unsigned most = 0;

		fake_reset();
		scan = help_start_up(&conf);
		for (int k = 0; k < 3; k++)
			FAKE_SET(k, manner, rows[i].manner[k]);
		ck_assert_msg(help_scan(scan, rows[i].text) == rows[i].kind,
			      "%s", rows[i].label);
		for (int k = 0; k < 3; k++)
			most = FAKE(k, scans) > most ? FAKE(k, scans) : most;
		ck_assert_msg(most == 1, "%s", rows[i].label);
		scan_stop(&scan);
	}
}
END_TEST

START_TEST(nothing_is_lost_when_one_goes_down)
{
	struct scan_conf conf = help_conf(2);
	struct mail *mails[8];
	struct scan *scan;
	char text[16];

	fake_reset();
	conf.canary_ms = 200;
	scan = help_start_up(&conf);
	FAKE_SET(0, manner, FAKE_MUTE);
	for (size_t i = 0; i < COUNT(mails); i++) {
		(void)snprintf(text, sizeof(text), "mail%zu", i);
		mails[i] = mail_create(text);
		scan_job_start(scan, &mails[i]->job);
	}
	UNTIL(FAKE(0, scans) + FAKE(1, scans) >= 8);
	/* Its canary fails: what it has is given to the other. */
	FAKE_SET(0, canary, SCAN_ERROR);
	for (size_t i = 0; i < COUNT(mails); i++) {
		mail_wait(mails[i]);
		ck_assert_int_eq(mails[i]->job.verdict.kind, SCAN_CLEAN);
		ck_assert_str_eq(mails[i]->job.verdict.server,
				 "127.0.0.2:1344/av");
		mail_destroy(mails[i]);
	}
	scan_stop(&scan);
}
END_TEST

START_TEST(keeps_to_the_connections)
{
	static const struct {
		const char *label;
		uint32_t own, theirs, most;
	} rows[] = {
	    {"own cap", 3, 0, 3},
	    {"theirs is less", 5, 2, 2},
	    {"theirs is more", 2, 100, 2},
	    {"one", 1, 0, 1},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct scan_conf conf = help_conf(1);
		struct mail *mails[12];
		struct scan *scan;
		char text[16];

		fake_reset();
		conf.connection_max = rows[i].own;
		conf.canary_ms = 50; /* canaries have to fit in as well */
		FAKE_SET(0, connection_max, rows[i].theirs);
		scan = help_start_up(&conf);
		FAKE_SET(0, manner, FAKE_MUTE);
		for (size_t k = 0; k < COUNT(mails); k++) {
			(void)snprintf(text, sizeof(text), "m%zu", k);
			mails[k] = mail_create(text);
			scan_job_start(scan, &mails[k]->job);
		}
		UNTIL(FAKE(0, open_most) >= rows[i].most);
		FAKE_SET(0, manner, FAKE_ANSWERS);
		for (size_t k = 0; k < COUNT(mails); k++) {
			mail_wait(mails[k]);
			ck_assert_int_eq(mails[k]->job.verdict.kind,
					 SCAN_CLEAN);
			mail_destroy(mails[k]);
		}
		ck_assert_msg(FAKE(0, open_most) == rows[i].most, "%s: %u",
			      rows[i].label, FAKE(0, open_most));
		scan_stop(&scan);
	}
}
END_TEST

START_TEST(a_canary_takes_a_connection)
{
	struct scan_conf conf = help_conf(1);
	struct mail *mails[6];
	struct scan *scan;
	char text[16];

	fake_reset();
	conf.connection_max = 3;
	conf.canary_ms = 50;
	scan = help_start_up(&conf);
	FAKE_SET(0, canary_waits, true);
	UNTIL(FAKE(0, canaries) >= 2 && FAKE(0, open) == 1);
	FAKE_SET(0, manner, FAKE_MUTE);
	for (size_t i = 0; i < COUNT(mails); i++) {
		(void)snprintf(text, sizeof(text), "m%zu", i);
		mails[i] = mail_create(text);
		scan_job_start(scan, &mails[i]->job);
	}
	UNTIL(FAKE(0, scans) == 2);
	usleep(20000);
	ck_assert_uint_eq(FAKE(0, scans), 2);
	FAKE_SET(0, canary_waits, false);
	FAKE_SET(0, manner, FAKE_ANSWERS);
	for (size_t i = 0; i < COUNT(mails); i++) {
		mail_wait(mails[i]);
		mail_destroy(mails[i]);
	}
	scan_stop(&scan);
}
END_TEST

/* --- reload --------------------------------------------------------------- */

/* Each row of the first server; the second one is well. */
START_TEST(a_test_by_hand)
{
	static const struct {
		const char *label;
		enum scan_kind canary, kinds[SCAN_TEST_STEPS];
		enum fake_manner manner;
		enum scan_health health;
	} rows[] = {
	    {"well",
	     SCAN_INFECTED,
	     {SCAN_CLEAN, SCAN_INFECTED, SCAN_CLEAN},
	     FAKE_ANSWERS,
	     SCAN_UP},
	    {"blind",
	     SCAN_CLEAN,
	     {SCAN_CLEAN, SCAN_CLEAN, SCAN_CLEAN},
	     FAKE_ANSWERS,
	     SCAN_BLIND},
	    {"fails",
	     SCAN_INFECTED,
	     {SCAN_CLEAN, SCAN_INFECTED, SCAN_ERROR},
	     FAKE_FAILS,
	     SCAN_UP},
	    {"dead",
	     SCAN_INFECTED,
	     {SCAN_ERROR, SCAN_ERROR, SCAN_ERROR},
	     FAKE_DEAD,
	     SCAN_DOWN},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct scan_conf conf = help_conf(2);
		struct scan_test tests[FAKES_MAX] = {0};
		struct scan *scan;
		bool ended;
		uint64_t n;

		fake_reset();
		scan = help_start_up(&conf);
		FAKE_SET(0, manner, rows[i].manner);
		FAKE_SET(0, canary, rows[i].canary);
		n = scan_test_start(scan);
		UNTIL(
		    (scan_test_get(scan, n, tests, FAKES_MAX, &ended), ended));
		ck_assert_uint_eq(
		    scan_test_get(scan, n, tests, FAKES_MAX, &ended), 2);
		for (int s = 0; s < SCAN_TEST_STEPS; s++) {
			const struct scan_test_answer *a = &tests[0].answers[s];

			ck_assert_msg(a->ended && a->kind == rows[i].kinds[s] &&
					  (a->error[0] != '\0') ==
					      (a->kind == SCAN_ERROR),
				      "%s: %d: %d %s", rows[i].label, s,
				      a->kind, a->error);
		}
		ck_assert_str_eq(tests[0].name, "127.0.0.1:1344/av");
		ck_assert_str_eq(tests[1].istag, "tag-2");
		ck_assert_str_eq(tests[1].profile, "generic");
		ck_assert_int_eq(tests[1].answers[1].kind, SCAN_INFECTED);
		UNTIL(help_health(scan, 0) == rows[i].health);
		/* It was down, and a test finds it well: it is up. */
		FAKE_SET(0, manner, FAKE_ANSWERS);
		FAKE_SET(0, canary, SCAN_INFECTED);
		n = scan_test_start(scan);
		UNTIL(
		    (scan_test_get(scan, n, tests, FAKES_MAX, &ended), ended));
		ck_assert_int_eq(tests[0].answers[1].kind, SCAN_INFECTED);
		ck_assert_int_eq(help_health(scan, 0), SCAN_UP);
		scan_stop(&scan);
	}
}
END_TEST

/* One that answers nothing keeps nobody but itself; two who test share it. */
START_TEST(a_test_that_does_not_end)
{
	struct scan_conf conf = help_conf(2);
	struct scan_test tests[FAKES_MAX] = {0};
	struct scan *scan;
	bool ended = false;
	uint64_t n, m;

	fake_reset();
	scan = help_start_up(&conf);
	FAKE_SET(0, manner, FAKE_FROZEN);
	n = scan_test_start(scan);
	m = scan_test_start(scan);
	UNTIL((scan_test_get(scan, m, tests, FAKES_MAX, &ended),
	       tests[1].answers[SCAN_TEST_CLEAN].ended));
	ck_assert(!ended && !tests[0].answers[SCAN_TEST_OPTIONS].ended);
	FAKE_SET(0, manner, FAKE_ANSWERS);
	UNTIL((scan_test_get(scan, m, tests, FAKES_MAX, &ended), ended));
	ck_assert_uint_eq(scan_test_get(scan, n, tests, FAKES_MAX, &ended), 2);
	ck_assert(ended);
	/* Without servers there is nothing to wait for. */
	conf.server_count = 0;
	ck_assert_int_eq(scan_reload(scan, &conf, (char[100]){0}, 100), 0);
	n = scan_test_start(scan);
	UNTIL((m = scan_test_get(scan, n, tests, FAKES_MAX, &ended), ended));
	ck_assert_uint_eq(m, 0);
	scan_stop(&scan);
}
END_TEST

START_TEST(a_reload_keeps_what_stays)
{
	struct scan_conf conf = help_conf(2);
	struct mail *mail = mail_create("one two three four");
	struct scan *scan;
	char error[100];

	fake_reset();
	scan = help_start_up(&conf);
	FAKE_SET(0, manner, FAKE_MUTE);
	FAKE_SET(1, manner, FAKE_MUTE);
	scan_job_start(scan, &mail->job);
	UNTIL(FAKE(0, scans) == 2 && FAKE(1, scans) == 2);
	/* The second goes, a third comes, and all have less time. */
	conf.part_ms = 12345;
	conf.servers =
	    (const struct scan_server_conf[]){help_servers[0], help_servers[2]};
	ck_assert_int_eq(scan_reload(scan, &conf, error, sizeof(error)), 0);
	UNTIL(FAKE(2, canaries) == 1);
	ck_assert_uint_eq(FAKE(0, canaries), 1);
	ck_assert_int_eq(FAKE(0, io_ms), 12345);
	ck_assert_uint_eq(FAKE(1, canceled), 2);
	FAKE_SET(0, manner, FAKE_ANSWERS);
	mail_wait(mail);
	ck_assert_int_eq(mail->job.verdict.kind, SCAN_CLEAN);
	ck_assert_uint_ge(FAKE(0, scans) + FAKE(2, scans), 4);
	mail_destroy(mail);
	/* None: everything is clean again. */
	FAKE_SET(0, manner, FAKE_UNREAD);
	FAKE_SET(2, manner, FAKE_UNREAD);
	mail = mail_create("VIRUS");
	scan_job_start(scan, &mail->job);
	conf.server_count = 0;
	ck_assert_int_eq(scan_reload(scan, &conf, error, sizeof(error)), 0);
	mail_wait(mail);
	ck_assert_int_eq(mail->job.verdict.kind, SCAN_CLEAN);
	ck_assert_int_eq(help_scan(scan, "VIRUS2"), SCAN_CLEAN);
	mail_destroy(mail);
	/* And on. */
	conf = help_conf(1);
	FAKE_SET(0, manner, FAKE_ANSWERS);
	ck_assert_int_eq(scan_reload(scan, &conf, error, sizeof(error)), 0);
	UNTIL(scan_servers_get(scan, NULL, 0) == 1);
	UNTIL(help_health(scan, 0) == SCAN_UP);
	UNTIL(help_scan(scan, "VIRUS3") == SCAN_INFECTED);
	scan_stop(&scan);
}
END_TEST

START_TEST(what_cannot_be)
{
	static struct scan_server_conf many[33];
	struct scan_conf conf = help_conf(1);
	struct scan_opts opts = {.conf = &conf};
	struct scan *scan;
	char error[200];

	fake_reset();
	for (size_t i = 0; i < COUNT(many); i++)
		many[i] = help_servers[0];
	conf.servers = many;
	conf.server_count = COUNT(many);
	ck_assert_int_lt(scan_start(&scan, &opts, error, sizeof(error)), 0);
	ck_assert_ptr_null(scan);
	conf.server_count = 1;
	many[0].tls = true;
	conf.tls_verify = true;
	conf.ca_file = "/nowhere/ca.pem";
	ck_assert_int_lt(scan_start(&scan, &opts, error, sizeof(error)), 0);
	ck_assert(strstr(error, "/nowhere/ca.pem") != NULL);
	conf = help_conf(1);
	conf.dns.servers = "not an address";
	ck_assert_int_lt(scan_start(&scan, &opts, error, sizeof(error)), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("servers");
	TCase *tcase = tcase_create("servers");

	tcase_add_test(tcase, the_first_canary_decides);
	tcase_add_test(tcase, the_unknown_are_waited_for);
	tcase_add_test(tcase, comes_back);
	tcase_add_test(tcase, goes_blind);
	tcase_add_test(tcase, options_that_are_gone);
	tcase_add_test(tcase, a_file_that_it_fails_on);
	tcase_add_test(tcase, busy_is_not_down);
	tcase_add_test(tcase, shares_by_weight);
	tcase_add_test(tcase, an_error_is_tried_elsewhere);
	tcase_add_test(tcase, nothing_is_lost_when_one_goes_down);
	tcase_add_test(tcase, keeps_to_the_connections);
	tcase_add_test(tcase, a_canary_takes_a_connection);
	tcase_add_test(tcase, a_test_by_hand);
	tcase_add_test(tcase, a_test_that_does_not_end);
	tcase_add_test(tcase, a_reload_keeps_what_stays);
	tcase_add_test(tcase, what_cannot_be);
	suite_add_tcase(suite, tcase);
	return help_run(suite);
}
