#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/back/world.h"
#include "tests/support/dns_server.h"

/* Nobody listens on 127.0.0.9; the sink does on 127.0.0.1. */
static const struct dns_row rows[] = {
    {.name = "one.lab", .type = "MX", .records = "@ 60 MX 10 mx.lab"},
    {.name = "two.lab",
     .type = "MX",
     .records = "@ 60 MX 10 dead.lab\n@ 60 MX 20 mx.lab"},
    {.name = "own.lab", .type = "MX"}, /* there is none */
    {.name = "own.lab", .type = "A", .records = "@ 60 A 127.0.0.1"},
    {.name = "null.lab", .type = "MX", .records = "@ 60 MX 0 ."},
    {.name = "fail.lab", .rcode = 2},
    {.name = "mute.lab", .type = "MX", .records = "@ 60 MX 10 dead.lab"},
    {.name = "mx.lab", .type = "A", .records = "@ 60 A 127.0.0.1"},
    {.name = "dead.lab", .type = "A", .records = "@ 60 A 127.0.0.9"},
    {.name = "inside.lab", .type = "MX"},
    {.name = "inside.lab", .type = "A", .records = "@ 60 A 10.1.2.3"},
};

static const struct mx_case {
	const char *label, *to;
	bool loopback;
	enum { DELIVERED, DEFERRED, BOUNCED } end;
	const char *log; /* status in the DSN, or in the last reply */
} cases[] = {
    {"an MX", "bob@one.lab", true, DELIVERED, NULL},
    {"the first does not answer, the second does", "bob@two.lab", true,
     DELIVERED, NULL},
    {"no MX: its own address", "bob@own.lab", true, DELIVERED, NULL},
    {"an address literal", "bob@[127.0.0.1]", true, DELIVERED, NULL},
    {"upper case", "bob@ONE.lab", true, DELIVERED, NULL},
    {"null MX", "bob@null.lab", true, BOUNCED, "5.1.10"},
    {"no such domain", "bob@nowhere.lab", true, BOUNCED, "5.1.2"},
    {"no domain at all", "postmaster", true, BOUNCED, "5.1.2"},
    {"DNS fails", "bob@fail.lab", true, DEFERRED, "4.4.3"},
    {"no host answers", "bob@mute.lab", true, DEFERRED, "4.4.1"},
    {"to ourselves, not permitted", "bob@one.lab", false, BOUNCED, "5.4.4"},
    {"to the inside, not permitted", "bob@inside.lab", false, BOUNCED, "5.4.4"},
};

static bool
reply_has(struct world *w, uint64_t id, const char *text)
{
	struct spool_msg *msg;
	bool has = false;

	if (spool_load(w->spool, id, &msg) != 0)
		return false;
	if (msg->rcpt_count == 1 && msg->rcpts[0].last_reply)
		has = strstr(msg->rcpts[0].last_reply, text) != NULL;
	spool_msg_destroy(&msg);
	return has;
}

static void
check_end(struct world *w, const struct mx_case *c, uint64_t id)
{
	switch (c->end) {
	case DELIVERED:
		UNTIL(w, status_of(w).delivered == 1, c->label);
		ck_assert_uint_eq(sink_count(w->sink), 1);
		ck_assert_msg(status_of(w).bounced == 0, "%s", c->label);
		return;
	case DEFERRED:
		UNTIL(w, status_of(w).deferred == 1, c->label);
		UNTIL(w, reply_has(w, id, c->log), c->label);
		return;
	case BOUNCED:
		/* The DSN goes to one.lab, by way of the DSN lane. */
		UNTIL(w, status_of(w).bounced >= 1, c->label);
		if (!c->loopback)
			return;
		UNTIL(w, sink_count(w->sink) == 1, c->label);
		ck_assert_msg(strstr(sink_mail(w->sink, 0)->body, c->log) !=
				  NULL,
			      "%s: %s", c->label, sink_mail(w->sink, 0)->body);
		return;
	}
}

/* checked: by the cache of verdicts, as the daemon is; else as it would be
 * without one. */
static void
open_mx(struct world *w, struct dns_server **dns, bool loopback, bool checked)
{
	world_open(w, NULL);
	*dns = dns_server_create(w->loop, rows, sizeof(rows) / sizeof(rows[0]));
	w->conf.dns.servers = dns_server_text(*dns);
	w->hops[0].kind = BACK_MX;
	w->hops[0].name = "world";
	w->hops[0].mx_loopback = loopback;
	w->retry_s[0] = 3600;
	w->own_domains[0] = "one.lab";
	if (checked)
		world_domains(w, loopback);
	world_start(w);
}

START_TEST(test_ends)
{
	const struct mx_case *c = &cases[_i / 2];
	struct letter letter = {.to = c->to, .from = "ann@one.lab"};
	struct dns_server *dns;
	struct world w;

	open_mx(&w, &dns, c->loopback, _i % 2 == 1);
	check_end(&w, c, world_accept(&w, &letter));
	world_stop(&w, 3000);
	dns_server_destroy(&dns);
	world_close(&w);
}
END_TEST

/* One question a domain, however much mail there is for it. */
START_TEST(test_domains_share)
{
	struct letter one = {.to = "a@one.lab b@own.lab c@one.lab"};
	struct letter dead = {.to = "a@nowhere.lab", .from = ""};
	struct dns_server *dns;
	struct world w;

	open_mx(&w, &dns, true, _i == 1);
	world_accept_many(&w, &one, 100);
	world_accept_many(&w, &dead, 100);
	UNTIL(&w, status_of(&w).delivered == 300, "live ones");
	UNTIL(&w, status_of(&w).bounced == 100, "dead ones");
	ck_assert_uint_eq(sink_count(w.sink), 200);
	ck_assert_uint_le(dns_server_udp_count(dns), 12);
	world_stop(&w, 3000);
	dns_server_destroy(&dns);
	world_close(&w);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("back/mx");
	TCase *tc = tcase_create("mx");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, test_ends, 0,
			    2 * sizeof(cases) / sizeof(cases[0]));
	tcase_add_loop_test(tc, test_domains_share, 0, 2);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
