/*
 * DANE on the way to a connection: which host is used, and that who hides its
 * TLSA records holds up nobody else. The sink speaks in the clear only: the
 * handshakes are tested in tests/net, tests/smtp and tests/scenario.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/back/world.h"
#include "tests/support/dns_server.h"

#define COUNT(a) (int)(sizeof(a) / sizeof((a)[0]))
#define SAFE(n, t, r)                           \
	{                                       \
		(n), (t), 0, DNS_VALIDATES, (r) \
	}
#define OPEN(n, t, r)                         \
	{                                     \
		(n), (t), 0, DNS_ANSWERS, (r) \
	}
#define DIGEST \
	"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

/* The port of the sink is in the name of TLSA records: "*" stands for it. */
static const struct dns_row rows[] = {
    SAFE("none.lab", "MX", "@ 60 MX 10 mx-none.lab"),
    SAFE("tls.lab", "MX", "@ 60 MX 10 mx-tls.lab"),
    SAFE("useless.lab", "MX", "@ 60 MX 10 mx-useless.lab"),
    SAFE("bogus.lab", "MX", "@ 60 MX 10 mx-bogus.lab"),
    SAFE("silent.lab", "MX", "@ 60 MX 10 mx-silent.lab"),
    SAFE("unsigned-host.lab", "MX", "@ 60 MX 10 mx-unsigned.lab"),
    SAFE("unsigned-tlsa.lab", "MX", "@ 60 MX 10 mx-unsure.lab"),
    OPEN("unsigned.lab", "MX", "@ 60 MX 10 mx-tls.lab"),
    SAFE("own.lab", "MX", "!lab 60 SOA 60"),
    SAFE("own.lab", "A", "@ 60 A 127.0.0.1"),
    SAFE("*.own.lab", "TLSA", "@ 60 TLSA 030101" DIGEST),
    SAFE("mx-none.lab", "A", "@ 60 A 127.0.0.1"),
    SAFE("mx-tls.lab", "A", "@ 60 A 127.0.0.1"),
    SAFE("*.mx-tls.lab", "TLSA", "@ 60 TLSA 030101" DIGEST),
    SAFE("mx-useless.lab", "A", "@ 60 A 127.0.0.1"),
    SAFE("*.mx-useless.lab", "TLSA", "@ 60 TLSA 010101" DIGEST),
    SAFE("mx-bogus.lab", "A", "@ 60 A 127.0.0.1"),
    {"*.mx-bogus.lab", "TLSA", 2, DNS_ANSWERS, NULL},
    SAFE("mx-silent.lab", "A", "@ 60 A 127.0.0.1"),
    {"*.mx-silent.lab", "TLSA", 0, DNS_SILENT, NULL},
    OPEN("mx-unsigned.lab", "A", "@ 60 A 127.0.0.1"),
    SAFE("*.mx-unsigned.lab", "TLSA", "@ 60 TLSA 030101" DIGEST),
    SAFE("mx-unsure.lab", "A", "@ 60 A 127.0.0.1"),
    OPEN("*.mx-unsure.lab", "TLSA", "@ 60 TLSA 030101" DIGEST),
    /* as many sites as one likes, at one address */
    {"*.hides.lab", "TLSA", 0, DNS_SILENT, NULL},
    SAFE("*.hides.lab", "MX", "!lab 60 SOA 60"),
    SAFE("*.hides.lab", "A", "@ 60 A 127.0.0.1\n@ 60 A 127.0.0.2"),
};

static const struct row {
	const char *label, *to;
	bool off;	 /* dane is */
	const char *why; /* it is deferred; NULL: it is not */
} cases[] = {
    {"no records: in the clear as ever", "x@none.lab", false, NULL},
    {"a record, no STARTTLS", "x@tls.lab", false,
     "4.7.5 mx-tls.lab: DANE: STARTTLS: not offered"},
    {"the same, switched off", "x@tls.lab", true, NULL},
    {"records nobody can use, no STARTTLS", "x@useless.lab", false,
     "4.7.5 mx-useless.lab: DANE: STARTTLS: not offered"},
    {"SERVFAIL", "x@bogus.lab", false, "4.7.5 mx-bogus.lab: DANE: TLSA _"},
    {"no answer", "x@silent.lab", false, "4.7.5 mx-silent.lab: DANE: TLSA _"},
    {"an unsigned MX at a host with records", "x@unsigned.lab", false, NULL},
    {"an unsigned address", "x@unsigned-host.lab", false, NULL},
    {"unsigned records", "x@unsigned-tlsa.lab", false, NULL},
    {"no MX: the domain's own records", "x@own.lab", false,
     "4.7.5 own.lab: DANE: STARTTLS: not offered"},
    {"an address literal", "x@[127.0.0.1]", false, NULL},
};

static void
open_world(struct world *w, struct dns_server **dns, bool dane)
{
	world_open(w, NULL);
	*dns = dns_server_create(w->loop, rows, COUNT(rows));
	w->conf.dns.servers = dns_server_text(*dns);
	w->conf.dns.timeout_ms = 500;
	w->hops[0].kind = BACK_MX;
	w->hops[0].name = "world";
	w->hops[0].tls = BACK_TLS_OPPORTUNISTIC;
	w->hops[0].dane = dane;
	w->retry_s[0] = w->retry_s[1] = 3600;
	world_domains(w, true);
}

static void
close_world(struct world *w, struct dns_server **dns)
{
	world_stop(w, 0);
	dns_server_destroy(dns);
	world_close(w);
}

static bool
reply_begins(struct world *w, uint64_t id, const char *text)
{
	struct spool_msg *msg;
	bool begins = false;

	if (spool_load(w->spool, id, &msg) != 0)
		return false;
	if (msg->rcpt_count == 1 && msg->rcpts[0].last_reply)
		begins =
		    strncmp(msg->rcpts[0].last_reply, text, strlen(text)) == 0;
	spool_msg_destroy(&msg);
	return begins;
}

START_TEST(test_hosts)
{
	const struct row *c = &cases[_i];
	struct letter letter = {.to = c->to};
	struct dns_server *dns;
	struct world w;
	uint64_t id;

	open_world(&w, &dns, !c->off);
	world_start(&w);
	id = world_accept(&w, &letter);
	if (c->why) {
		UNTIL(&w, status_of(&w).deferred == 1, c->label);
		UNTIL(&w, reply_begins(&w, id, c->why), c->label);
		ck_assert_msg(sink_count(w.sink) == 0, "%s", c->label);
	} else {
		UNTIL(&w, status_of(&w).delivered == 1, c->label);
		ck_assert_msg(sink_count(w.sink) == 1, "%s", c->label);
	}
	close_world(&w, &dns);
}
END_TEST

/* Two domains that name the same host: the signed one never leaves by what
 * the other one's answer said, whichever is there first. */
START_TEST(test_same_host)
{
	struct letter safe = {.to = "x@tls.lab"};
	struct letter open = {.to = "x@unsigned.lab"};
	struct dns_server *dns;
	struct world w;

	open_world(&w, &dns, true);
	world_start(&w);
	world_accept_many(&w, _i == 0 ? &open : &safe, 1);
	UNTIL(&w, status_of(&w).delivered + status_of(&w).deferred == 1,
	      "the first");
	world_accept_many(&w, _i == 0 ? &safe : &open, 1);
	UNTIL(&w, status_of(&w).delivered == 1, "the unsigned one");
	UNTIL(&w, status_of(&w).deferred == 1, "the signed one");
	ck_assert_uint_eq(sink_count(w.sink), 1);
	close_world(&w, &dns);
}
END_TEST

/* Their questions time out in 45 s; each has a slot, and there are ten. They
 * are given up, and their address, which did nothing, is not held against the
 * others at it. */
START_TEST(test_flood_of_hidden_records)
{
	struct letter good = {.to = "x@none.lab", .cred = "ann"};
	char to[40];
	struct letter hidden = {.to = to, .cred = "bad"};
	struct dns_server *dns;
	struct world w;

	open_world(&w, &dns, true);
	w.conf.dns.timeout_ms = 15000;
	w.conf.connection_max = 10;
	world_start(&w);
	for (int i = 0; i < 40; i++) {
		snprintf(to, sizeof(to), "x@d%d.hides.lab", i);
		world_accept(&w, &hidden);
	}
	UNTIL(&w, status_of(&w).connections >= 8, "the flood has begun");
	for (int i = 0; i < 20; i++)
		world_accept(&w, &good);
	UNTIL(&w, status_of(&w).delivered == 20, "the good ones");
	ck_assert_uint_gt(status_of(&w).deferred, 0);
	ck_assert_uint_eq(sink_count(w.sink), 20);
	close_world(&w, &dns);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("back/dane");
	TCase *tc = tcase_create("dane");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, test_hosts, 0, COUNT(cases));
	tcase_add_loop_test(tc, test_same_host, 0, 2);
	tcase_add_test(tc, test_flood_of_hidden_records);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
