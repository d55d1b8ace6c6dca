/*
 * `bulk`, and `bulk` and `confirm` of listeners and classes: what is read, how
 * it is shown, and every error at its place.
 */
#include "tests/gateway/config_help.h"

static struct config *
read_bulk(const char *inside)
{
	char text[2048];

	snprintf(text, sizeof(text), "bulk { %s }\n%s", inside, CONFIG_REST);
	return config_help_good(text, inside);
}

/* --- values --- */

static const struct {
	const char *text, *shown; /* NULL: not at all */
} shown[] = {
    {"rate none;", "headers off;"},
    {"when recipients 50;", "when recipients 50;"},
    {"when recipients 0;", "when recipients 0;"},
    {"when same-body 100/h;", "when same-body 100/h;"},
    {"when same-body 100;", "when same-body 100/h;"},
    {"when same-body 100/60m;", "when same-body 100/h;"},
    {"when same-body 100/30m;", "when same-body 100/30m;"},
    {"when same-body 7 recipients 9;",
     "when recipients 9;\n\twhen same-body 7/h;"},
    {"rate 1000/h;", "rate 1000/h;"},
    {"rate 500/30m;", "rate 1000/h;"},
    {"rate 10/m;", "rate 600/h;"},
    {"rate 24000/d;", "rate 1000/h;"},
    {"rate none;", "rate none;"},
    {"", "rate none;"},
    {"", "site-rate 30/m;"},
    {"site-rate 600/h;", "site-rate 10/m;"},
    {"site-rate none;", "site-rate none;"},
    {"reserved 80%;", "reserved 80%;"},
    {"", "reserved 70%;"},
    {"", "stop bounces 8% complaints 0.3%;"},
    {"stop bounces 5%;", "stop bounces 5% complaints 0.3%;"},
    {"stop complaints 0%; stop bounces 2.5%;",
     "stop bounces 2.5% complaints 0%;"},
    {"stop bounces 100%;", "stop bounces 100% complaints 0.3%;"},
    {"", "warn bounces 4%;"},
    {"warm-up 50 100; warm-up-from 2026-02-28;",
     "warm-up 50 100;\n\twarm-up-from 2026-02-28;"},
    {"via mx;", "via mx;"},
    {"suffix bulk;", "suffix bulk;"},
};

START_TEST(values)
{
	struct config *c = read_bulk(shown[_i].text), *again;
	char *text = config_help_show(c), want[256], *second;

	snprintf(want, sizeof(want), "\t%s\n", shown[_i].shown);
	ck_assert_msg(strstr(text, want) != NULL, "'%s': %s", shown[_i].text,
		      text);
	/* what is shown reads back to the same */
	again = config_help_good(text, shown[_i].text);
	second = config_help_show(again);
	ck_assert_str_eq(second, text);
	free(second);
	free(text);
	config_destroy(&again);
	config_destroy(&c);
}
END_TEST

/* Without the block nothing is bulk by its looks. */
START_TEST(without)
{
	struct config *c = config_help_good(CONFIG_REST, "without");

	ck_assert_uint_eq(c->bulk.when.recipients, 0);
	ck_assert_uint_eq(c->bulk.when.same, 0);
	ck_assert(!c->bulk.headers);
	ck_assert_ptr_null(c->bulk.suffix);
	ck_assert(!config_listen(c, 0)->bulk);
	config_destroy(&c);
}
END_TEST

START_TEST(whole)
{
	struct config *c = config_help_good(
	    "bulk { when recipients 50 same-body 100/10m; headers on; "
	    "rate 1000/h; connections 4; site-rate 20/m; site-connections 2; "
	    "per-connection 10; reserved 60%; lookups 9; retry 1m 2m; "
	    "expire 2h; via hub; suffix news; preflight off; confirm on; "
	    "stop bounces 9% complaints 0.5%; warn bounces 3%; stop-min 50; "
	    "guard 0; warm-up 5 6; warm-up-from 2026-03-01; keep 10d; }\n"
	    "relay hub { address hub.example.com:25; }\n"
	    "class news { bulk on; confirm off; weight 3; } class other { }\n"
	    "listen mass { address 127.0.0.1:2588; bulk on; }\n" CONFIG_REST,
	    "whole");
	const struct config_bulk *b = &c->bulk;
	const struct config_class *class =
	    (const struct config_class *)c->classes.v[0];

	ck_assert_uint_eq(b->when.recipients, 50);
	ck_assert_uint_eq(b->when.same, 100);
	ck_assert_int_eq(b->when.same_ms, 600000);
	ck_assert(b->headers && b->confirm && !b->preflight);
	ck_assert_uint_eq(b->rate, 1000);
	ck_assert_uint_eq(b->connections, 4);
	ck_assert_uint_eq(b->site_rate, 20);
	ck_assert_uint_eq(b->site_connections, 2);
	ck_assert_uint_eq(b->per_connection, 10);
	ck_assert_uint_eq(b->reserved, 60);
	ck_assert_uint_eq(b->lookups, 9);
	ck_assert_uint_eq(b->retry.count, 2);
	ck_assert_int_eq(b->expire_ms, 7200000);
	ck_assert_str_eq(b->via.relay, "hub");
	ck_assert_str_eq(b->suffix, "news");
	ck_assert_uint_eq(b->stop.v[0], 90);
	ck_assert_uint_eq(b->stop.v[1], 5);
	ck_assert_uint_eq(b->warn.v[0], 30);
	ck_assert_uint_eq(b->stop_min, 50);
	ck_assert_uint_eq(b->guard, 0);
	ck_assert_uint_eq(b->warmup.count, 2);
	ck_assert_uint_eq(b->warmup.v[1], 6);
	ck_assert_int_eq(b->warmup_from_wall_s, 1772323200);
	ck_assert_int_eq(b->keep_ms, INT64_C(864000000));
	ck_assert(class->bulk);
	ck_assert_int_eq(class->confirm, 0);
	ck_assert_uint_eq(class->weight, 3);
	class = (const struct config_class *)c->classes.v[1];
	ck_assert(!class->bulk);
	ck_assert_int_eq(class->confirm, -1);
	ck_assert_uint_eq(class->weight, 1);
	ck_assert(config_listen(c, 0)->bulk);
	config_destroy(&c);
}
END_TEST

/* --- what is wrong --- */

static const struct {
	const char *text, *want; /* text begins in column 8 */
} wrong[] = {
    {"when;", "t:1:8: 'when' has too few values"},
    {"when recipients;", "t:1:13: 'recipients' lacks its number"},
    {"when people 5;",
     "t:1:13: 'people' is neither 'recipients' nor 'same-body'"},
    {"when recipients five;", "t:1:24: 'five' is not a whole number"},
    {"when same-body 5/x;",
     "t:1:23: '5/x' is not a number and a time of 1m to 1d: write "
     "100/h"},
    {"when same-body 5/10;", "t:1:23: '5/10' is not a number"},
    {"when same-body 5/2d;", "t:1:23: '5/2d' is not a number"},
    {"when recipients 5; when recipients 6;",
     "t:1:32: a second 'recipients'; the first is at t:1:13"},
    {"rate 1000;",
     "t:1:13: '1000' has no period with a unit: write 1000/h, or none"},
    {"rate 1/d;", "t:1:13: 'rate' cannot be 1/d: allowed is 1/h to"},
    {"site-rate 5/h;",
     "t:1:18: 'site-rate' cannot be 5/h: allowed is 1/m to 1000000/m"},
    {"rate many;", "t:1:13: 'many' is not a number and a time"},
    {"reserved 70;", "t:1:17: '70' is not a share: write 1% to 99%"},
    {"reserved 100%;", "t:1:17: '100%' is not a share"},
    {"stop 8%;", "t:1:13: '8%' lacks its share"},
    {"stop bounces 8;",
     "t:1:21: '8' is not a share of 0% to 100%: write 8% or 0.3%"},
    {"stop bounces 0.35%;", "t:1:21: '0.35%' is not a share"},
    {"stop bounces 101%;", "t:1:21: '101%' is not a share"},
    {"stop bounces 1.%;", "t:1:21: '1.%' is not a share"},
    {"stop opens 1%;", "t:1:13: 'opens' is neither 'bounces' nor 'complaints'"},
    {"stop bounces 1%; stop bounces 2%;",
     "t:1:30: a second 'bounces'; the first is at t:1:13"},
    {"warn complaints 1%;", "t:1:8: 'warn' takes 'bounces' alone"},
    {"warm-up 5;", "t:1:8: 'warm-up' needs its first day"},
    {"warm-up 5; warm-up-from 2026-02-31;",
     "t:1:32: '2026-02-31' is not a date: write 2026-12-31"},
    {"warm-up 5; warm-up-from tomorrow;", "t:1:32: 'tomorrow' is not a date"},
    {"via hub;", "t:1:8: there is no 'relay hub'"},
    {"suffix a+b;", "t:1:8: 'suffix' takes letters"},
    {"warm-up-from 2026-02-03;",
     "t:1:8: warning: 'warm-up-from' does nothing without 'warm-up'"},
    {"warn bounces 9%;",
     "t:1:8: warning: 'warn' does nothing: 'stop' is sooner"},
};

START_TEST(problems)
{
	struct config *c;
	char text[2048], *got;

	snprintf(text, sizeof(text), "bulk { %s headers on; }\n%s",
		 wrong[_i].text, CONFIG_REST);
	got = config_help_read(text, strlen(text), &c);
	ck_assert_msg(strstr(got, wrong[_i].want) == got, "'%s': %s",
		      wrong[_i].text, got);
	free(got);
	config_destroy(&c);
}
END_TEST

START_TEST(idle)
{
	static const char text[] = "bulk { rate 5/h; }\n" CONFIG_REST;
	struct config *c;
	char *got = config_help_read(text, sizeof(text) - 1, &c);

	ck_assert_msg(strstr(got, "t:1:1: warning: 'bulk' makes nothing a mass "
				  "mailing") == got,
		      "%s", got);
	free(got);
	config_destroy(&c);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("config_bulk");
	TCase *t = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(t, values, 0, sizeof(shown) / sizeof(shown[0]));
	tcase_add_test(t, without);
	tcase_add_test(t, whole);
	tcase_add_loop_test(t, problems, 0, sizeof(wrong) / sizeof(wrong[0]));
	tcase_add_test(t, idle);
	suite_add_tcase(suite, t);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
