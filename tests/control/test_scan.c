/* sluice scan: how it goes, forgetting verdicts, and the bypass, which has an
 * end and a reason and is in the trail before it is in force. */
#include "tests/control/ask.h"

static void
two_scanners(void)
{
	struct scan *scan = &world.scan;

	scan->status.on = scan->status.up = true;
	scan->server_count = 2;
	snprintf(scan->servers[0].name, SCAN_SERVER_SIZE, "av1:11344/avscan");
	scan->servers[0].health = SCAN_UP;
	scan->servers[0].since_wall_s = clock_wall_s() - 500;
	scan->servers[0].canary_wall_s = clock_wall_s() - 60;
	scan->servers[0].expires_wall_s = clock_wall_s() + 30 * 86400;
	scan->servers[0].scanned = 77;
	snprintf(scan->servers[0].istag, SCAN_ISTAG_SIZE, "W3E4-1");
	snprintf(scan->servers[1].name, SCAN_SERVER_SIZE, "av2:1344/\033[2J");
	scan->servers[1].health = SCAN_DOWN;
	snprintf(scan->servers[1].error, 160, "connection refused");
	scan->tests[0] = (struct scan_test){
	    .name = "av1:11344/avscan",
	    .health = SCAN_UP,
	    .profile = "c-icap",
	    .istag = "W3E4-1",
	    .preview = 1024,
	    .answers = {{true, 12, SCAN_CLEAN, "", ""},
			{true, 7, SCAN_INFECTED, "Eicar-Test", ""},
			{true, 5, SCAN_CLEAN, "", ""}},
	};
	scan->tests[1] = (struct scan_test){
	    .name = "av2:1344/\033[2J",
	    .health = SCAN_BLIND,
	    .preview = -1,
	    .answers = {{true, 3, SCAN_ERROR, "", "no \033[1mOPTIONS"},
			{true, 4, SCAN_CLEAN, "", ""},
			{true, 6, SCAN_INFECTED, "", ""}},
	};
}

START_TEST(answers)
{
	static const struct {
		const char *words;
		bool json;
		int exit;
		const char *out, *err;
	} rows[] = {
	    {"scan status", false, 0, "1 of 2 scanners up", ""},
	    {"scan status", false, 0, "\nav1:11344/avscan\n", ""},
	    {"scan status", false, 0, "  istag         W3E4-1\n", ""},
	    {"scan status", false, 0, "  certificate   valid until 20", ""},
	    {"scan status", false, 0, "test virus    found 6", ""},
	    {"scan status", false, 0, "av2:1344/\\x1b[2J\n", ""},
	    {"scan status", false, 0, "connection refused\n", ""},
	    {"scan status", true, 0,
	     "{\"scan\":{\"on\":true,\"up\":true,\"down_since\":null,"
	     "\"bypass_until\":null,",
	     ""},
	    {"scan status", true, 0, "\"health\":\"down\"", ""},
	    {"status", false, 0, "virus scan   1 of 2 scanners up", ""},
	    {"status", true, 0, "\"scan\":{\"on\":true", ""},
	    {"stats", false, 0, "\nscan_up=1\n", ""},
	    {"scan flush", false, 0, "Forgot 42 verdicts.\n", ""},
	    {"scan flush", true, 0, "{\"forgotten\":42}\n", ""},
	    {"scan", false, 2, "", "not a command for the daemon"},
	    {"scan check", false, 2, "", "did you mean 'sluice scan test'?"},
	    {"scan test", false, 1,
	     "av1:11344/avscan\n"
	     "  health        up\n"
	     "  OPTIONS       profile c-icap, ISTag W3E4-1, preview 1024 (12 "
	     "ms)\n"
	     "  test virus    found, Eicar-Test (7 ms)\n"
	     "  clean file    clean (5 ms)\n\n"
	     "av2:1344/\\x1b[2J\n",
	     "1 of 2 servers did not pass"},
	    {"scan test", false, 1,
	     "  health        blind\n"
	     "  OPTIONS       FAILED: no \\x1b[1mOPTIONS (3 ms)\n"
	     "  test virus    NOT FOUND, called clean (4 ms)\n"
	     "  clean file    INFECTED, no name (6 ms)\n",
	     ""},
	    {"scan test", true, 1,
	     "\"test_virus\":{\"right\":false,\"verdict\":\"clean\",\"ms\":4,"
	     "\"threat\":null,\"error\":null}",
	     ""},
	    {"scan bypass", false, 2, "", "say how long: --for 30m"},
	    {"scan bypass --for 30m", false, 2, "", "say why: --reason"},
	    {"scan bypass --for 30m --reason", false, 2, "", "--reason needs"},
	    {"scan bypass --for 25h --reason x", false, 2, "", "at most a day"},
	    {"scan bypass --for 1h --until 18:00 --reason x", false, 2, "",
	     "either --for or --until"},
	    {"scan bypass --off --for 1h", false, 2, "", "--off has no time"},
	    {"scan bypass --for x --reason y", false, 2, "", "--for"},
	    {"scan bypass --for 30m --reason broken", true, 0,
	     "{\"bypass_until\":\"20", ""},
	    {"scan bypass --for 24h --reason broken", false, 0,
	     "mail goes out unscanned", ""},
	    {"status", false, 0, "BYPASSED until", ""},
	    {"scan bypass --off", false, 0, "Mail is scanned again.\n", ""},
	    {"scan bypass --off", true, 0, "{\"bypass_until\":null}\n", ""},
	};

	world_start(true, NULL);
	two_scanners();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct answer a = command(rows[i].words, NULL, rows[i].json);

		ck_assert_msg(a.exit == rows[i].exit, "%s: %d %s",
			      rows[i].words, a.exit, buf_cstr(&a.err));
		ck_assert_msg(strstr(buf_cstr(&a.out), rows[i].out) != NULL,
			      "%s: %s", rows[i].words, buf_cstr(&a.out));
		ck_assert_msg(strstr(buf_cstr(&a.err), rows[i].err) != NULL,
			      "%s: %s", rows[i].words, buf_cstr(&a.err));
		ck_assert_ptr_null(strchr(buf_cstr(&a.out), '\033'));
		answer_fini(&a);
	}
	ck_assert_uint_eq(world.scan.flushed, 2);
	world_stop();
}
END_TEST

START_TEST(off)
{
	world_start(true, NULL);
	expect("scan test", NULL, 1, "nothing is scanned");
	expect("scan status", NULL, 0, "off: no server");
	expect("status", NULL, 0, "virus scan   off: no server");
	world_stop();
}
END_TEST

/* Without its entry in the trail there is no bypass. */
START_TEST(bypass_in_the_trail)
{
	int64_t until;

	world_start(true, NULL);
	two_scanners();
	world.spool.change_err = GW_ENOSPC;
	expect("scan bypass --for 30m --reason broken", NULL, 1,
	       "nothing was done: the trail cannot be written: no space");
	ck_assert_int_eq(world.scan.bypass_wall_s, 0);
	world.spool.change_err = 0;
	expect("scan bypass --for 30m --reason broken", NULL, 0, "Until ");
	until = world.scan.bypass_wall_s - clock_wall_s();
	ck_assert_int_ge(until, 1790);
	ck_assert_int_le(until, 1800);
	expect("audit", NULL, 0, "why: broken\n  => unscanned until 20");
	expect("scan bypass --off", NULL, 0, "scanned again");
	ck_assert_int_eq(world.scan.bypass_wall_s, 0);
	expect("audit", NULL, 0, "=> scanned again\n");
	world_stop();
}
END_TEST

/* It is an alert at once, and in red letters at a terminal. */
START_TEST(bypass_is_seen)
{
	bool told = false;
	struct answer a;
	int fd;

	world_start(true, NULL);
	two_scanners();
	world.spool.answer = SPOOL_ACCEPTED;
	expect("scan bypass --for 30m --reason broken", NULL, 0, "Until ");
	fd = dial();
	ask(fd, "status", NULL, false, true);
	hear(fd, &a);
	ck_assert_ptr_nonnull(
	    strstr(buf_cstr(&a.out), "\033[1;31mBYPASSED until "));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&a.out), "unscanned\033[0m\n"));
	answer_fini(&a);
	for (int i = 0; !told; i++) {
		ck_assert_int_lt(i, 300);
		a = command("status", NULL, true);
		told = strstr(buf_cstr(&a.out), "\"cause\":\"scan-bypass\"") !=
		       NULL;
		answer_fini(&a);
		if (!told)
			usleep(200000); /* control's tick is a second */
		turn_some(world.loop);
	}
	world_stop();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {answers, off, bypass_in_the_trail,
				      bypass_is_seen};

	return RUN_TESTS("control/scan", tests);
}
