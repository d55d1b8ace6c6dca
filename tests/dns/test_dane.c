/* What TLSA answers come to. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dns/dane.h"
#include "tests/support/dns_server.h"
#include "tests/support/turn.h"

#define COUNT(a) (int)(sizeof(a) / sizeof((a)[0]))
#define SHA256 \
	"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define SHA512 SHA256 SHA256
/* 53 bytes, so that the whole name would have 256 */
#define LONG4 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."

static const struct dns_row zone[] = {
    {"_25._tcp.good.lab", "TLSA", 0, DNS_VALIDATES, "@ 300 TLSA 030101" SHA256},
    {"_2525._tcp.port.lab", "TLSA", 0, DNS_VALIDATES,
     "@ 300 TLSA 030101" SHA256},
    {"_25._tcp.two.lab", "TLSA", 0, DNS_VALIDATES,
     "@ 300 TLSA 020002" SHA512 "\n@ 300 TLSA 030100aabb"},
    {"_25._tcp.pkix.lab", "TLSA", 0, DNS_VALIDATES,
     "@ 300 TLSA 000101" SHA256 "\n@ 300 TLSA 010101" SHA256
     "\n@ 300 TLSA 030101" SHA256 "\n@ 300 TLSA 040101" SHA256},
    {"_25._tcp.strange.lab", "TLSA", 0, DNS_VALIDATES,
     "@ 300 TLSA 030201" SHA256 "\n@ 300 TLSA 030103" SHA256
     "\n@ 300 TLSA 030101" SHA256},
    {"_25._tcp.short.lab", "TLSA", 0, DNS_VALIDATES,
     "@ 300 TLSA 030101aabb\n@ 300 TLSA 030102" SHA256
     "\n@ 300 TLSA 030101" SHA512 "\n@ 300 TLSA 030101" SHA256},
    {"_25._tcp.empty.lab", "TLSA", 0, DNS_VALIDATES,
     "@ 300 TLSA 030101" SHA256 "\n@ 300 TLSA 030100"},
    {"_25._tcp.none-usable.lab", "TLSA", 0, DNS_VALIDATES,
     "@ 300 TLSA 000101" SHA256 "\n@ 300 TLSA 010001" SHA256},
    {"_25._tcp.alias.lab", "TLSA", 0, DNS_VALIDATES,
     "@ 300 CNAME keys.lab\nkeys.lab 300 TLSA 030101" SHA256},
    {"_25._tcp.unsigned.lab", "TLSA", 0, DNS_ANSWERS,
     "@ 300 TLSA 030101" SHA256},
    {"_25._tcp.nodata.lab", "TLSA", 0, DNS_VALIDATES, "!lab 900 SOA 60"},
    {"_25._tcp.unsigned-nodata.lab", "TLSA", 0, DNS_ANSWERS, "!lab 900 SOA 60"},
    {"_25._tcp.gone.lab", "TLSA", 3, DNS_VALIDATES, "!lab 900 SOA 60"},
    {"_25._tcp.bogus.lab", "TLSA", 2, DNS_ANSWERS, NULL},
    {"_25._tcp.refused.lab", "TLSA", 5, DNS_ANSWERS, NULL},
    {"_25._tcp.cut.lab", "TLSA", 0, DNS_CUTS, "@ 300 TLSA 030101" SHA256},
    {"_25._tcp.silent.lab", "TLSA", 0, DNS_SILENT, NULL},
};

static const struct row {
	const char *label, *host;
	uint16_t port;
	int64_t wait_ms;
	enum dane_status status;
	uint32_t count;
	const char *kinds; /* usage, selector, matching, bytes */
	const char *text;
} rows[] = {
    {"a record", "good.lab", 25, 0, DANE_USABLE, 1, "311/32 ",
     "TLSA _25._tcp.good.lab: found"},
    {"upper case", "GOOD.Lab", 25, 0, DANE_USABLE, 1, "311/32 ", ""},
    {"an absolute name", "good.lab.", 25, 0, DANE_USABLE, 1, "311/32 ", ""},
    {"another port", "port.lab", 2525, 0, DANE_USABLE, 1, "311/32 ", ""},
    {"of another port", "good.lab", 2525, 0, DANE_NONE, 0, "", ": none"},
    {"two", "two.lab", 25, 0, DANE_USABLE, 2, "202/64 310/2 ", ""},
    {"usages that are not for mail", "pkix.lab", 25, 0, DANE_USABLE, 1,
     "311/32 ", ""},
    {"selectors, matchings that nobody knows", "strange.lab", 25, 0,
     DANE_USABLE, 1, "311/32 ", ""},
    {"digests of another length", "short.lab", 25, 0, DANE_USABLE, 1, "311/32 ",
     ""},
    {"none that can be used: TLS all the same", "none-usable.lab", 25, 0,
     DANE_USABLE, 0, "", "none that can be used"},
    {"by way of an alias", "alias.lab", 25, 0, DANE_USABLE, 1, "311/32 ", ""},
    {"not validated", "unsigned.lab", 25, 0, DANE_NONE, 0, "", "not validated"},
    {"validated: there are none", "nodata.lab", 25, 0, DANE_NONE, 0, "",
     ": none"},
    {"none, in an unsigned zone", "unsigned-nodata.lab", 25, 0, DANE_NONE, 0,
     "", ": none"},
    {"validated: no such name", "gone.lab", 25, 0, DANE_NONE, 0, "", ": none"},
    {"no such name, in an unsigned zone", "nowhere.lab", 25, 0, DANE_NONE, 0,
     "", ": none"},
    {"SERVFAIL is not: none", "bogus.lab", 25, 0, DANE_FAILED, 0, "",
     "TLSA _25._tcp.bogus.lab: SERVFAIL"},
    {"REFUSED", "refused.lab", 25, 0, DANE_FAILED, 0, "", "REFUSED"},
    {"a broken answer", "cut.lab", 25, 0, DANE_FAILED, 0, "", ""},
    {"a record without data", "empty.lab", 25, 0, DANE_FAILED, 0, "",
     "malformed"},
    {"no answer", "silent.lab", 25, 0, DANE_FAILED, 0, "", "TLSA "},
    {"no answer in the time given", "silent.lab", 25, 30, DANE_FAILED, 0, "",
     "timed out"},
    {"no name", "", 25, 0, DANE_NONE, 0, "", "no such name"},
    {"no name of a host", "a b.lab", 25, 0, DANE_NONE, 0, "", "no such name"},
    {"a name that has no room for the labels",
     LONG4 LONG4 LONG4 LONG4 LONG4 "lab", 25, 0, DANE_NONE, 0, "",
     "no such name"},
};

struct got {
	struct dns_dane_op *op;
	unsigned done;
	enum dane_status status;
	uint32_t count;
	char host[DNS_NAME_SIZE], text[400], kinds[200];
};

static void
on_dane(void *arg, const struct dns_dane *result)
{
	struct got *g = arg;
	size_t n = 0;

	g->op = NULL;
	g->done++;
	g->status = result->status;
	g->count = result->dane.count;
	snprintf(g->host, sizeof(g->host), "%s", result->dane.host);
	snprintf(g->text, sizeof(g->text), "%s", result->text);
	for (uint32_t i = 0; i < result->dane.count; i++) {
		const struct tls_dane_record *r = &result->dane.records[i];

		n += (size_t)snprintf(g->kinds + n, sizeof(g->kinds) - n,
				      "%u%u%u/%zu ", r->usage, r->selector,
				      r->matching, r->data.n);
	}
}

/* The loopback server, or one that is not: then nothing is believed. */
struct world {
	struct loop *loop;
	struct dns_server *server;
	struct dns *dns;
};

static void
world_open(struct world *w)
{
	struct dns_opts opts = {.timeout_ms = 100, .tries = 2};

	w->loop = loop_create();
	w->server = dns_server_create(w->loop, zone, COUNT(zone));
	opts.servers = dns_server_text(w->server);
	w->dns = dns_create(w->loop, &opts);
	ck_assert_ptr_nonnull(w->dns);
}

static void
world_close(struct world *w)
{
	dns_destroy(&w->dns);
	dns_server_destroy(&w->server);
	turn_some(w->loop);
	loop_destroy(&w->loop);
}

static void
start(struct world *w, const struct row *row, struct got *g)
{
	struct dns_dane_req req = {
	    .host = row->host, .port = row->port, .wait_ms = row->wait_ms};

	memset(g, 0, sizeof(*g));
	g->op = dns_dane_start(w->dns, &req, on_dane, g);
	ck_assert_ptr_nonnull(g->op);
	ck_assert_msg(g->done == 0, "%s: done inside start", row->label);
}

START_TEST(test_answers)
{
	const struct row *row = &rows[_i];
	struct world w;
	struct got g;

	world_open(&w);
	start(&w, row, &g);
	TURN_UNTIL(w.loop, g.done == 1, row->label);
	ck_assert_msg(g.status == row->status, "%s: %d", row->label, g.status);
	ck_assert_msg(g.count == row->count, "%s: %u: %s", row->label, g.count,
		      g.kinds);
	ck_assert_msg(strcmp(g.kinds, row->kinds) == 0, "%s: %s", row->label,
		      g.kinds);
	ck_assert_msg(strstr(g.text, row->text) != NULL, "%s: %s", row->label,
		      g.text);
	if (row->count > 0)
		ck_assert_msg(strchr(g.host, '.') != NULL &&
				  g.host[strlen(g.host) - 1] == 'b',
			      "%s: %s", row->label, g.host);
	turn_some(w.loop);
	ck_assert_msg(g.done == 1, "%s: done twice", row->label);
	world_close(&w);
}
END_TEST

START_TEST(test_cancel)
{
	const struct row *row = &rows[_i];
	struct world w;
	struct got g;

	world_open(&w);
	start(&w, row, &g);
	dns_dane_cancel(&g.op);
	ck_assert_ptr_null(g.op);
	dns_dane_cancel(&g.op);
	turn_some(w.loop);
	ck_assert_msg(g.done == 0, "%s", row->label);
	world_close(&w);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("dns/dane");
	TCase *tc = tcase_create("dane");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_answers, 0, COUNT(rows));
	tcase_add_loop_test(tc, test_cancel, 0, COUNT(rows));
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
