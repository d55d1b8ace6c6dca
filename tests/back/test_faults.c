#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/back/world.h"
#include "tests/support/script.h"

/*
 * A next hop that fails at each step. The first connections follow the
 * scripts; from then on a host of lower priority takes the mail, so each case
 * ends with one delivery, or with the deferral it names.
 */
#define HELLO "S220 h\nCEHLO\nS250-h|250 8BITMIME\n"
#define MAIL HELLO "CMAIL\nS250 ok\n"
#define RCPT MAIL "CRCPT\nS250 ok\n"
#define DATA RCPT "CDATA\nS354 go\n"

struct fault {
	const char *label;
	const char *script;
	const char *reply; /* part of the deferral; NULL: taken elsewhere */
};

static const struct fault faults[] = {
    {"drops at once", "X", NULL},
    {"closes at once", "F", NULL},
    {"421 greeting", "S421 4.3.2 busy\nF", NULL},
    {"554 greeting", "S554 5.3.2 no\nF", NULL},
    {"garbage greeting", "Shello there\nH", NULL},
    {"bytes that are no text", "S\x01\x02\xff\xfe\nH", NULL},
    {"never greets", "H", NULL},
    {"drips its greeting", "P220 ", NULL},
    {"drops at EHLO", "S220 h\nCEHLO\nX", NULL},
    {"refuses EHLO and HELO", "S220 h\nCEHLO\nS502 no\nCHELO\nS502 no\nH",
     NULL},
    {"never answers EHLO", "S220 h\nCEHLO\nH", NULL},
    {"drops at MAIL", HELLO "CMAIL\nX", "MAIL"},
    {"421 at MAIL", HELLO "CMAIL\nS421 4.3.2 closing\nF", "421 4.3.2 closing"},
    {"never answers MAIL", HELLO "CMAIL\nH", "MAIL"},
    {"garbage at MAIL", HELLO "CMAIL\nSwhat?\nH", "MAIL"},
    {"later at MAIL", HELLO "CMAIL\nS451 4.7.1 greylisted\nH", "greylisted"},
    {"drops at RCPT", MAIL "CRCPT\nX", "RCPT"},
    {"never answers RCPT", MAIL "CRCPT\nH", "RCPT"},
    {"drops at DATA", RCPT "CDATA\nX", "DATA"},
    {"later at DATA", RCPT "CDATA\nS451 4.3.0 full\nH", "4.3.0 full"},
    {"never answers DATA", RCPT "CDATA\nH", "DATA"},
    {"drops in the body", DATA "CSubject\nX", "end of data"},
    {"drops before the dot's reply", DATA "D\nX", "end of data"},
    {"never answers the dot", DATA "D\nH", "end of data"},
    {"drips its answer to the dot", DATA "D\nP250-", "end of data"},
    {"garbage for the dot", DATA "D\nSdone!\nH", "end of data"},
    {"later at the dot", DATA "D\nS452 4.2.2 mailbox full\nH",
     "4.2.2 mailbox full"},
};

static char *
last_reply(struct world *w, uint64_t id)
{
	struct spool_msg *msg;
	char *reply = NULL;

	if (spool_load(w->spool, id, &msg) != 0)
		return NULL;
	if (msg->rcpt_count == 1 && msg->rcpts[0].last_reply)
		reply = strdup(msg->rcpts[0].last_reply);
	spool_msg_destroy(&msg);
	return reply;
}

START_TEST(test_fault)
{
	const struct fault *f = &faults[_i];
	const char *scripts[64];
	struct script_server *server;
	struct back_host hosts[2];
	struct letter letter = {.to = "bob@example.net"};
	struct world w;
	char *reply = NULL;
	uint64_t id;

	world_open(&w, NULL);
	for (size_t i = 0; i < 64; i++)
		scripts[i] = f->script;
	server = script_create(w.loop, scripts, 64);
	hosts[0] = (struct back_host){
	    .name = "127.0.0.1", .port = script_port(server), .weight = 1};
	hosts[1] = w.host;
	hosts[1].priority = 10;
	w.hops[0].hosts = hosts;
	w.hops[0].host_count = f->reply ? 1 : 2;
	w.hops[0].timeout_ms = 400;
	w.hops[0].connection_max = 1;
	w.retry_s[0] = 3600;
	world_start(&w);
	id = world_accept(&w, &letter);
	if (f->reply) {
		UNTIL(&w, status_of(&w).deferred == 1, f->label);
		UNTIL(&w, (reply = last_reply(&w, id)) != NULL, f->label);
		ck_assert_msg(strstr(reply, f->reply) != NULL, "%s: %s",
			      f->label, reply);
		free(reply);
		ck_assert_uint_eq(sink_count(w.sink), 0);
	} else {
		UNTIL(&w, status_of(&w).delivered == 1, f->label);
		ck_assert_uint_eq(sink_count(w.sink), 1);
	}
	ck_assert_uint_eq(status_of(&w).bounced, 0);
	world_stop(&w, 3000);
	script_destroy(&server);
	world_close(&w);
}
END_TEST

/*
 * A server closed the connection that was idle, just as the next message came:
 * that is nobody's fault, and no attempt is counted; nor one of a mailing in
 * the day's share of its site (the second row).
 */
START_TEST(test_reused_connection_dies)
{
	static const char *const scripts[] = {
	    HELLO "H", /* what it can do is asked on behalf of people's mail */
	    DATA "D\nS250 ok\nCMAIL\nX",
	    DATA "D\nS250 ok\nH",
	};
	static const uint32_t plan[] = {2};
	size_t first = _i == 0 ? 1 : 0;
	struct script_server *server;
	struct letter letter = {.to = "bob@example.net",
				.lane = _i == 0 ? LANE_PERSONAL : LANE_BULK};
	struct world w;

	world_open(&w, NULL);
	w.conf.bulk.warmup = plan;
	w.conf.bulk.warmup_days = 1;
	server = script_create(w.loop, scripts + first, 3 - first);
	w.host.port = script_port(server);
	w.hops[0].connection_max = 1;
	world_start(&w);
	world_accept(&w, &letter);
	UNTIL(&w, status_of(&w).delivered == 1, "the first");
	world_accept(&w, &letter);
	UNTIL(&w, status_of(&w).delivered == 2, "the second, elsewhere");
	ck_assert_uint_eq(status_of(&w).deferred, 0);
	ck_assert_str_eq(script_trouble(server), "");
	world_stop(&w, 3000);
	script_destroy(&server);
	world_close(&w);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("back/faults");
	TCase *tc = tcase_create("faults");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, test_fault, 0,
			    sizeof(faults) / sizeof(faults[0]));
	tcase_add_loop_test(tc, test_reused_connection_dies, 0, 2);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
