#ifndef TESTS_DNS_ASKING_H
#define TESTS_DNS_ASKING_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dns/lookup.h"
#include "tests/support/dns_server.h"
#include "tests/support/turn.h"

/*
 * A server with a zone of its own, and a loop that asks it; for the tests of
 * look-ups.
 */
#define COUNT(a) (int)(sizeof(a) / sizeof((a)[0]))

static const struct dns_row zone[] = {
    {"a.test", "A", 0, 0, "@ 300 A 192.0.2.1"},
    {"servfail.test", NULL, 2, 0, NULL},
    {"silent.test", NULL, 0, DNS_SILENT, NULL},
    {"*.silent.test", NULL, 0, DNS_SILENT, NULL},
    {"big.test", "A", 0, DNS_TRUNCATES, "@ 300 A 192.0.2.2"},
    {"empty.test", NULL, 0, 0, "!test 900 SOA 60"},
    {"folds.test", "A", 0, DNS_FOLDS, "@ 300 A 192.0.2.3"},
    {"*.folds.test", "A", 0, DNS_FOLDS, "@ 300 A 192.0.2.3"},
    {"validated.test", "A", 0, DNS_VALIDATES, "@ 300 A 192.0.2.4"},
    {"_25._tcp.mx.test", "TLSA", 0, DNS_VALIDATES, "@ 300 TLSA 030101aabb"},
    {"_dmarc.txt.test", "TXT", 0, DNS_TRUNCATES, "@ 300 TXT v=DMARC1; |p=none"},
    {"forged-id.test", "A", 0, DNS_FORGES_ID, "@ 300 A 192.0.2.5"},
    {"forged-q.test", "A", 0, DNS_FORGES_QUESTION, "@ 300 A 192.0.2.5"},
    {"forged-short.test", "A", 0, DNS_FORGES_SHORT, "@ 300 A 192.0.2.5"},
    {"echoed.test", "A", 0, DNS_ECHOES, NULL},
    {"echoed-udp.test", "A", 0, DNS_ECHOES_UDP, "@ 300 A 192.0.2.7"},
    {"held.test", "A", 0, DNS_HOLDS, "@ 300 A 192.0.2.6"},
};

struct got {
	struct bench *bench;
	struct dns_op *op;
	unsigned done;
	enum dns_status status;
	uint32_t count;
	bool authentic;
	char text[64], data[64]; /* data: of the first record */
};

struct bench {
	struct loop *loop;
	struct dns_server *server;
	struct dns *dns;
	unsigned done;
};

static inline void
on_answer(void *arg, const struct dns_answer *answer)
{
	struct got *g = arg;

	g->op = NULL;
	g->done++;
	g->bench->done++;
	g->status = answer->status;
	g->count = answer->count;
	g->authentic = answer->authentic;
	snprintf(g->text, sizeof(g->text), "%s", answer->text);
	if (answer->count > 0 && answer->records[0].data.p != NULL)
		snprintf(g->data, sizeof(g->data), "%s",
			 answer->records[0].data.p);
}

/* opts: all but the servers. */
static inline void
bench_with(struct bench *b, struct dns_opts opts)
{
	memset(b, 0, sizeof(*b));
	b->loop = loop_create();
	b->server =
	    dns_server_create(b->loop, zone, sizeof(zone) / sizeof(zone[0]));
	opts.servers = dns_server_text(b->server);
	b->dns = dns_create(b->loop, &opts);
	ck_assert_ptr_nonnull(b->dns);
}

static inline void
bench_init(struct bench *b, uint32_t inflight_max)
{
	struct dns_opts opts = {
	    .timeout_ms = 60, .tries = 2, .inflight_max = inflight_max};

	bench_with(b, opts);
}

static inline void
bench_fini(struct bench *b)
{
	dns_destroy(&b->dns);
	dns_server_destroy(&b->server);
	turn_some(b->loop);
	loop_destroy(&b->loop);
}

static inline void
ask_req(struct bench *b, struct got *g, const struct dns_req *req)
{
	memset(g, 0, sizeof(*g));
	g->bench = b;
	g->op = dns_lookup_start(b->dns, req, on_answer, g);
	ck_assert_ptr_nonnull(g->op);
	ck_assert_msg(g->done == 0, "%s: done inside start", req->name);
}

static inline void
ask(struct bench *b, struct got *g, const char *name)
{
	struct dns_req req = {.name = name, .type = DNS_A};

	ask_req(b, g, &req);
}

static inline void
ask_of(struct bench *b, struct got *g, const char *owner, const char *name)
{
	struct dns_req req = {.name = name, .type = DNS_A, .owner = owner};

	ask_req(b, g, &req);
}

#endif
