/*
 * The verdict on a domain: what each answer of DNS comes to.
 *
 * size: one zone, and the tables that are read off it.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dns/domain.h"
#include "gateway/base/clock.h"
#include "tests/support/dns_server.h"
#include "tests/support/turn.h"

#define SOA "!lab 900 SOA 120"
#define COUNT(a) (int)(sizeof(a) / sizeof((a)[0]))
#define LABEL_63 \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct dns_row zone[] = {
    {"mx1.lab", "A", 0, 0, "@ 400 A 192.0.2.1"},
    {"mx1.lab", "AAAA", 0, 0, "@ 400 AAAA 2001:db8::1"},
    {"mx2.lab", "A", 0, 0, "@ 400 A 192.0.2.2"},
    {"mx2.lab", "AAAA", 0, 0, SOA},
    {"mx6.lab", "A", 0, 0, SOA},
    {"mx6.lab", "AAAA", 0, 0, "@ 400 AAAA 2001:db8::6"},
    {"one.lab", "MX", 0, 0, "@ 900 MX 10 mx1.lab"},
    {"two.lab", "MX", 0, 0, "@ 900 MX 20 mx2.lab\n@ 900 MX 10 mx1.lab"},
    {"brief.lab", "MX", 0, 0, "@ 1 MX 10 mx1.lab"},
    {"six.lab", "MX", 0, 0, "@ 900 MX 10 mx6.lab"},
    {"a.lab", "A", 0, 0, "@ 400 A 192.0.2.9"},
    {"a.lab", NULL, 0, 0, SOA},
    {"aaaa.lab", "AAAA", 0, 0, "@ 400 AAAA 2001:db8::9"},
    {"aaaa.lab", NULL, 0, 0, SOA},
    {"lab", "MX", 0, 0, "@ 900 MX 10 mx1.lab"},
    {LABEL_63 ".lab", "MX", 0, 0, "@ 900 MX 10 mx1.lab"},
    {"xn--bcher-kva.lab", "MX", 0, 0, "@ 900 MX 10 mx1.lab"},
    {"_under.lab", "MX", 0, 0, "@ 900 MX 10 mx1.lab"},
    {"*.wild.lab", "MX", 0, 0, "@ 900 MX 10 mx1.lab"},
    {"empty.lab", NULL, 0, 0, SOA},
    {"null.lab", "MX", 0, 0, "@ 900 MX 0 ."},
    {"nullmore.lab", "MX", 0, 0, "@ 900 MX 0 .\n@ 900 MX 10 mx1.lab"},
    {"servfail.lab", NULL, 2, 0, NULL},
    {"refused.lab", NULL, 5, 0, NULL},
    {"notimp.lab", NULL, 4, 0, NULL},
    {"silent.lab", NULL, 0, DNS_SILENT, NULL},
    {"cut.lab", NULL, 0, DNS_CUTS, "@ 900 MX 10 mx1.lab"},
    {"big.lab", "MX", 0, DNS_TRUNCATES, "@ 900 MX 10 mx1.lab"},
    {"alias.lab", "MX", 0, 0, "@ 700 CNAME one.lab\none.lab 900 MX 10 mx1.lab"},
    {"dangling.lab", NULL, 3, 0, "@ 700 CNAME nowhere.lab\n" SOA},
    {"alias-empty.lab", NULL, 0, 0, "@ 700 CNAME empty.lab\n" SOA},
    {"loop.lab", NULL, 2, 0, NULL}, /* as unbound answers it */
    {"loopraw.lab", NULL, 0, 0,
     "@ 9 CNAME l2.lab\nl2.lab 9 CNAME l3.lab\nl3.lab 9 CNAME l2.lab"},
    {"mxalias.lab", "MX", 0, 0, "@ 900 MX 10 alias-mx1.lab"},
    {"alias-mx1.lab", "A", 0, 0,
     "@ 700 CNAME mx1.lab\nmx1.lab 400 A 192.0.2.1"},
    {"space.lab", "MX", 0, 0, "@ 900 MX 10 a b.lab"},
    {"text.lab", "MX", 0, 0, "@ 900 MX 10 192.0.2.7"},
    {"textplus.lab", "MX", 0, 0, "@ 900 MX 5 192.0.2.7\n@ 900 MX 10 mx1.lab"},
    {"gone.lab", "MX", 0, 0, "@ 900 MX 10 nowhere.lab"},
    {"noaddr.lab", "MX", 0, 0, "@ 900 MX 10 empty.lab"},
    {"partgone.lab", "MX", 0, 0,
     "@ 900 MX 10 nowhere.lab\n@ 900 MX 20 mx1.lab"},
    {"gonefail.lab", "MX", 0, 0,
     "@ 900 MX 10 nowhere.lab\n@ 900 MX 20 servfail.lab"},
    {"partfail.lab", "MX", 0, 0,
     "@ 900 MX 10 servfail.lab\n@ 900 MX 20 mx1.lab"},
    {"partsilent.lab", "MX", 0, 0,
     "@ 900 MX 10 silent.lab\n@ 900 MX 20 mx1.lab"},
    {"mxsilent.lab", "MX", 0, 0, "@ 900 MX 10 silent.lab"},
    {"mxservfail.lab", "MX", 0, 0, "@ 900 MX 10 servfail.lab"},
    {"addrfail.lab", "MX", 0, 0, SOA},
    {"addrfail.lab", NULL, 2, 0, NULL},
    {"loopback.lab", "MX", 0, 0, "@ 900 MX 10 h.loopback.lab"},
    {"h.loopback.lab", "A", 0, 0, "@ 400 A 127.0.0.1"},
    {"loopback6.lab", "MX", 0, 0, "@ 900 MX 10 h.loopback6.lab"},
    {"h.loopback6.lab", "AAAA", 0, 0, "@ 400 AAAA ::1"},
    {"h.loopback6.lab", NULL, 0, 0, SOA},
    {"private.lab", "MX", 0, 0, "@ 900 MX 10 h.private.lab"},
    {"h.private.lab", "A", 0, 0, "@ 400 A 10.1.2.3"},
    {"private6.lab", "MX", 0, 0, "@ 900 MX 10 h.private6.lab"},
    {"h.private6.lab", "AAAA", 0, 0, "@ 400 AAAA fd00::1"},
    {"h.private6.lab", NULL, 0, 0, SOA},
    {"zero.lab", "MX", 0, 0, "@ 900 MX 10 h.zero.lab"},
    {"h.zero.lab", "A", 0, 0, "@ 400 A 0.0.0.0"},
    {"mcast.lab", "MX", 0, 0, "@ 900 MX 10 h.mcast.lab"},
    {"h.mcast.lab", "A", 0, 0, "@ 400 A 224.0.0.1"},
    {"mapped.lab", "MX", 0, 0, "@ 900 MX 10 h.mapped.lab"},
    {"h.mapped.lab", "AAAA", 0, 0, "@ 400 AAAA ::ffff:192.0.2.1"},
    {"h.mapped.lab", NULL, 0, 0, SOA},
    {"parked.lab", "A", 0, 0, "@ 400 A 127.0.0.1"},
    {"parked.lab", NULL, 0, 0, SOA},
    {"mixed.lab", "MX", 0, 0, "@ 900 MX 10 h.private.lab\n@ 900 MX 20 mx2.lab"},
    {"mixedfail.lab", "MX", 0, 0,
     "@ 900 MX 10 h.private.lab\n@ 900 MX 20 servfail.lab"},
    {"localhost-mx.lab", "MX", 0, 0, "@ 900 MX 10 localhost"},
    {"localhost-below.lab", "MX", 0, 0, "@ 900 MX 10 mail.localhost"},
    {"localhost", NULL, 0, 0, "@ 900 A 192.0.2.66"},
    {"mail.localhost", NULL, 0, 0, "@ 900 A 192.0.2.66"},
    {"localhostplus.lab", "MX", 0, 0,
     "@ 900 MX 10 localhost\n@ 900 MX 20 mx1.lab"},
    {"selfbest.lab", "MX", 0, 0, "@ 900 MX 10 Relay.lab\n@ 900 MX 20 mx1.lab"},
    {"selfsecond.lab", "MX", 0, 0,
     "@ 900 MX 10 mx1.lab\n@ 900 MX 20 relay.lab"},
    {"relay.lab", "A", 0, 0, "@ 400 A 192.0.2.50"},
    {"relay.lab", NULL, 0, 0, SOA},
    {"safe.lab", "MX", 0, DNS_VALIDATES,
     "@ 900 MX 10 safe1.lab\n"
     "@ 900 MX 20 mx2.lab"},
    {"safe1.lab", "A", 0, DNS_VALIDATES, "@ 400 A 192.0.2.5"},
    {"safe1.lab", "AAAA", 0, DNS_VALIDATES, SOA},
    {"unsafe.lab", "MX", 0, 0, "@ 900 MX 10 safe1.lab"},
    {"nas.internal", "MX", 0, 0, "@ 900 MX 10 mx1.lab"},
};

enum { PUBLIC = 0, LOOPBACK = 1, PRIVATE = 2 };

static const struct {
	const char *label, *domain;
	unsigned permits;
	enum domain_verdict verdict;
	enum domain_reason reason;
	unsigned questions; /* most */
	int64_t lasts_s;
} rows[] = {
    {"an MX", "one.lab", 0, 1, DOMAIN_WHY_MX, 2, 400},
    {"upper case, a trailing dot", "ONE.lab.", 0, 1, DOMAIN_WHY_MX, 2, 400},
    {"two: the better is enough", "two.lab", 0, 1, DOMAIN_WHY_MX, 2, 400},
    {"the MX's TTL counts, clamped", "brief.lab", 0, 1, DOMAIN_WHY_MX, 2, 300},
    {"an IPv6 host", "six.lab", 0, 1, DOMAIN_WHY_MX, 3, 400},
    {"no MX, an address", "a.lab", 0, 1, DOMAIN_WHY_ADDRESS, 2, 300},
    {"no MX, an IPv6 address", "aaaa.lab", 0, 1, DOMAIN_WHY_ADDRESS, 3, 300},
    {"a single label", "lab", 0, 1, DOMAIN_WHY_MX, 2, 400},
    {"a label of 63", LABEL_63 ".lab", 0, 1, DOMAIN_WHY_MX, 2, 400},
    {"U-labels",
     "b\xc3\xbc"
     "cher.lab",
     0, 1, DOMAIN_WHY_MX, 2, 400},
    {"A-labels", "xn--bcher-kva.lab", 0, 1, DOMAIN_WHY_MX, 2, 400},
    {"an underscore", "_under.lab", 0, 1, DOMAIN_WHY_MX, 2, 400},
    {"a wildcard", "any.wild.lab", 0, 1, DOMAIN_WHY_MX, 2, 400},
    {"an alias", "alias.lab", 0, 1, DOMAIN_WHY_MX, 2, 400},
    {"an MX that is an alias", "mxalias.lab", 0, 1, DOMAIN_WHY_MX, 2, 400},
    {"truncated: by TCP", "big.lab", 0, 1, DOMAIN_WHY_MX, 2, 400},
    {"NXDOMAIN", "nowhere.lab", 0, 2, DOMAIN_WHY_NXDOMAIN, 1, 60},
    {"neither MX nor address", "empty.lab", 0, 2, DOMAIN_WHY_NO_RECORDS, 3,
     120},
    {"an alias to nowhere", "dangling.lab", 0, 2, DOMAIN_WHY_NXDOMAIN, 1, 120},
    {"an alias to nothing", "alias-empty.lab", 0, 2, DOMAIN_WHY_NO_RECORDS, 3,
     120},
    {"null MX", "null.lab", 0, 3, DOMAIN_WHY_NULL_MX, 1, 900},
    {"a root among others is no null MX", "nullmore.lab", 0, 1, DOMAIN_WHY_MX,
     2, 400},
    {"SERVFAIL", "servfail.lab", 0, 0, DOMAIN_WHY_FAILED, 2, 30},
    {"REFUSED", "refused.lab", 0, 0, DOMAIN_WHY_FAILED, 2, 30},
    {"NOTIMP", "notimp.lab", 0, 0, DOMAIN_WHY_FAILED, 2, 30},
    {"silence", "silent.lab", 0, 0, DOMAIN_WHY_TIMEOUT, 4, 30},
    {"malformed", "cut.lab", 0, 0, DOMAIN_WHY_FAILED, 2, 30},
    {"aliases in a ring", "loop.lab", 0, 0, DOMAIN_WHY_FAILED, 2, 30},
    {"aliases in a ring, all in the answer", "loopraw.lab", 0, 0,
     DOMAIN_WHY_FAILED, 2, 30},
    {"no host name in the MX", "space.lab", 0, 5, DOMAIN_WHY_NO_HOST, 1, 900},
    {"an address written as the MX", "text.lab", 0, 5, DOMAIN_WHY_NO_HOST, 1,
     900},
    {"one such among others", "textplus.lab", 0, 1, DOMAIN_WHY_MX, 2, 400},
    {"an MX that does not exist", "gone.lab", 0, 5, DOMAIN_WHY_NO_ADDRESS, 2,
     60},
    {"an MX without address", "noaddr.lab", 0, 5, DOMAIN_WHY_NO_ADDRESS, 3,
     120},
    {"one of two MX exists", "partgone.lab", 0, 1, DOMAIN_WHY_MX, 3, 400},
    {"one is gone, one is not known", "gonefail.lab", 0, 0, DOMAIN_WHY_FAILED,
     6, 30},
    {"one is not known, one is fine", "partfail.lab", 0, 1, DOMAIN_WHY_MX, 6,
     400},
    {"one is silent, one is fine", "partsilent.lab", 0, 1, DOMAIN_WHY_MX, 9,
     400},
    {"the MX is silent", "mxsilent.lab", 0, 0, DOMAIN_WHY_TIMEOUT, 9, 30},
    {"the MX is not known", "mxservfail.lab", 0, 0, DOMAIN_WHY_FAILED, 5, 30},
    {"no MX, address not known", "addrfail.lab", 0, 0, DOMAIN_WHY_FAILED, 5,
     30},
    {"loopback", "loopback.lab", 0, 5, DOMAIN_WHY_NOT_PUBLIC, 3, 60},
    {"loopback, permitted", "loopback.lab", LOOPBACK, 1, DOMAIN_WHY_MX, 2, 400},
    {"loopback, private ones permitted", "loopback.lab", PRIVATE, 5,
     DOMAIN_WHY_NOT_PUBLIC, 3, 60},
    {"::1", "loopback6.lab", 0, 5, DOMAIN_WHY_NOT_PUBLIC, 3, 120},
    {"::1, permitted", "loopback6.lab", LOOPBACK, 1, DOMAIN_WHY_MX, 3, 400},
    {"private", "private.lab", 0, 5, DOMAIN_WHY_NOT_PUBLIC, 3, 60},
    {"private, permitted", "private.lab", PRIVATE, 1, DOMAIN_WHY_MX, 2, 400},
    {"fd00::1", "private6.lab", 0, 5, DOMAIN_WHY_NOT_PUBLIC, 3, 120},
    {"fd00::1, permitted", "private6.lab", PRIVATE, 1, DOMAIN_WHY_MX, 3, 400},
    {"0.0.0.0, never", "zero.lab", LOOPBACK | PRIVATE, 5, DOMAIN_WHY_NOT_PUBLIC,
     3, 60},
    {"multicast, never", "mcast.lab", LOOPBACK | PRIVATE, 5,
     DOMAIN_WHY_NOT_PUBLIC, 3, 60},
    {"IPv4 in IPv6, never", "mapped.lab", LOOPBACK | PRIVATE, 5,
     DOMAIN_WHY_NOT_PUBLIC, 3, 120},
    {"no MX, loopback", "parked.lab", 0, 5, DOMAIN_WHY_NOT_PUBLIC, 3, 120},
    {"the second is public", "mixed.lab", 0, 1, DOMAIN_WHY_MX, 4, 400},
    {"the second is not known", "mixedfail.lab", 0, 0, DOMAIN_WHY_FAILED, 8,
     30},
    {"MX localhost is not asked for", "localhost-mx.lab", 0, 5,
     DOMAIN_WHY_NOT_PUBLIC, 1, 900},
    {"... whatever is permitted", "localhost-mx.lab", LOOPBACK, 5,
     DOMAIN_WHY_NOT_PUBLIC, 1, 900},
    {"... nor what is below it", "localhost-below.lab", LOOPBACK, 5,
     DOMAIN_WHY_NOT_PUBLIC, 1, 900},
    {"... but the other MX is", "localhostplus.lab", 0, 1, DOMAIN_WHY_MX, 2,
     400},
    {"we are the best", "selfbest.lab", 0, 5, DOMAIN_WHY_SELF, 1, 900},
    {"there is a better one", "selfsecond.lab", 0, 1, DOMAIN_WHY_MX, 2, 400},
    {"no MX, and the address is ours", "relay.lab", 0, 5, DOMAIN_WHY_SELF, 1,
     120},
    {"special use", "a.test", 0, 4, DOMAIN_WHY_SPECIAL_USE, 0, 0},
    {"special use, in DNS all the same", "nas.internal", 0, 4,
     DOMAIN_WHY_SPECIAL_USE, 0, 0},
    {"localhost", "localhost", LOOPBACK, 4, DOMAIN_WHY_SPECIAL_USE, 0, 0},
    {"special use, upper case", "A.TEST.", 0, 4, DOMAIN_WHY_SPECIAL_USE, 0, 0},
    {"a literal", "[192.0.2.1]", 0, 1, DOMAIN_WHY_LITERAL, 0, 0},
    {"an IPv6 literal", "[IPv6:2001:db8::1]", 0, 1, DOMAIN_WHY_LITERAL, 0, 0},
    {"a private literal", "[10.0.0.1]", 0, 5, DOMAIN_WHY_NOT_PUBLIC, 0, 0},
    {"a private literal, permitted", "[10.0.0.1]", PRIVATE, 1,
     DOMAIN_WHY_LITERAL, 0, 0},
    {"a literal of IPv4 in IPv6", "[IPv6:::ffff:192.0.2.1]", PRIVATE, 5,
     DOMAIN_WHY_NOT_PUBLIC, 0, 0},
    {"no literal", "[300.1.1.1]", 0, 2, DOMAIN_WHY_BAD_NAME, 0, 0},
    {"an address, no literal", "192.0.2.1", 0, 2, DOMAIN_WHY_BAD_NAME, 0, 0},
    {"nothing", "", 0, 2, DOMAIN_WHY_BAD_NAME, 0, 0},
    {"a dot", ".", 0, 2, DOMAIN_WHY_BAD_NAME, 0, 0},
    {"two dots", "a..lab", 0, 2, DOMAIN_WHY_BAD_NAME, 0, 0},
    {"a space", "a b.lab", 0, 2, DOMAIN_WHY_BAD_NAME, 0, 0},
    {"a label of 64", LABEL_63 "a.lab", 0, 2, DOMAIN_WHY_BAD_NAME, 0, 0},
    {"254 characters", LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_63 "l", 0,
     2, DOMAIN_WHY_BAD_NAME, 0, 0},
    {"ill-formed UTF-8", "\xff.lab", 0, 2, DOMAIN_WHY_BAD_NAME, 0, 0},
};

struct got {
	struct dns_domain_op *op;
	unsigned done;
	struct domain_fact fact;
	bool has_targets;
	char text[512];
	char targets[1024];
};

static void
on_domain(void *arg, const struct dns_domain_result *result)
{
	struct got *g = arg;
	size_t n = 0;

	g->op = NULL;
	g->done++;
	g->fact = result->fact;
	snprintf(g->text, sizeof(g->text), "%s", result->text);
	g->has_targets = result->targets != NULL;
	g->targets[0] = '\0';
	for (uint32_t i = 0; g->has_targets && i < result->targets->count;
	     i++) {
		const struct dns_target *t = &result->targets->targets[i];
		char ip[IP_TEXT_SIZE];

		ip_format(&t->ip, ip);
		n += (size_t)snprintf(g->targets + n, sizeof(g->targets) - n,
				      "%s%u %s %s%s", i > 0 ? ", " : "",
				      t->preference, t->host, ip,
				      t->authentic ? " safe" : "");
	}
}

struct bench {
	struct loop *loop;
	struct dns_server *server, *second;
	struct dns_cache *cache;
	struct dns *dns;
};

static void
bench_init(struct bench *b, unsigned permits, const struct dns_row *second,
	   size_t second_count)
{
	struct dns_cache_conf conf = {.self = "RELAY.lab",
				      .loopback = permits & LOOPBACK,
				      .private = permits & PRIVATE};
	struct dns_opts opts = {.timeout_ms = 60, .tries = 2};

	memset(b, 0, sizeof(*b));
	b->loop = loop_create();
	b->server =
	    dns_server_create(b->loop, zone, sizeof(zone) / sizeof(zone[0]));
	b->cache = dns_cache_create(&conf);
	opts.servers = dns_server_text(b->server);
	opts.cache = b->cache;
	if (second != NULL) {
		b->second = dns_server_create(b->loop, second, second_count);
		opts.second = dns_server_text(b->second);
	}
	b->dns = dns_create(b->loop, &opts);
	ck_assert_ptr_nonnull(b->dns);
}

static void
bench_fini(struct bench *b)
{
	dns_destroy(&b->dns);
	dns_cache_destroy(&b->cache);
	dns_server_destroy(&b->server);
	if (b->second != NULL)
		dns_server_destroy(&b->second);
	turn_some(b->loop);
	loop_destroy(&b->loop);
}

static void
ask(struct bench *b, struct got *g, const struct dns_domain_req *req)
{
	memset(g, 0, sizeof(*g));
	g->op = dns_domain_start(b->dns, req, on_domain, g);
	ck_assert_ptr_nonnull(g->op);
	ck_assert_msg(g->done == 0, "%s: done inside start", req->domain);
	TURN_UNTIL(b->loop, g->done > 0, req->domain);
}

/* Verdicts that DNS gave; questions may still be repeated, to silent hosts. */
static uint64_t
answers(struct bench *b)
{
	struct dns_cache_status status;
	uint64_t sum = 0;

	dns_cache_status_get(b->cache, &status);
	for (int v = 0; v < DOMAIN_VERDICTS; v++)
		sum += status.verdicts[v];
	return sum;
}

START_TEST(test_rows)
{
	const char *label = rows[_i].label;
	struct dns_domain_req req = {.domain = rows[_i].domain};
	struct bench b;
	struct got g;
	unsigned asked;

	/* A machine that does something else for 60 ms has it ask again. */
	for (int tries = 0;; tries++) {
		bench_init(&b, rows[_i].permits, NULL, 0);
		ask(&b, &g, &req);
		asked = dns_server_udp_count(b.server);
		if (asked <= rows[_i].questions || tries == 9)
			break;
		bench_fini(&b);
	}
	ck_assert_msg(g.fact.verdict == rows[_i].verdict &&
			  g.fact.reason == rows[_i].reason,
		      "%s: %s, %s (%s)", label,
		      domain_verdict_name(g.fact.verdict),
		      domain_reason_text(g.fact.reason), g.text);
	ck_assert_msg(g.fact.until_wall_s - g.fact.since_wall_s ==
			  rows[_i].lasts_s,
		      "%s: lasts %lld", label,
		      (long long)(g.fact.until_wall_s - g.fact.since_wall_s));
	ck_assert_msg(g.text[0] != '\0' && !g.fact.stale && !g.has_targets,
		      "%s", label);
	ck_assert_msg(asked <= rows[_i].questions, "%s: %u questions", label,
		      asked);
	ck_assert_msg((asked > 0) == (rows[_i].questions > 0), "%s", label);
	/* the second time nobody is asked */
	ask(&b, &g, &req);
	ck_assert_msg(g.fact.verdict == rows[_i].verdict &&
			  g.fact.reason == rows[_i].reason,
		      "%s: from the cache", label);
	turn_some(b.loop);
	ck_assert_uint_eq(g.done, 1);
	ck_assert_msg(answers(&b) == (asked > 0), "%s", label);
	bench_fini(&b);
}
END_TEST

/* Without an op, as the RCPT path asks: in key form. */
START_TEST(test_known)
{
	static const char *const domains[] = {"one.lab", "nowhere.lab",
					      "null.lab", "servfail.lab",
					      "loopback.lab"};
	static const struct {
		const char *domain;
		enum domain_verdict verdict;
		enum domain_reason reason;
	} at_once[] = {
	    {"x.test", DOMAIN_RESERVED, DOMAIN_WHY_SPECIAL_USE},
	    {"localhost", DOMAIN_RESERVED, DOMAIN_WHY_SPECIAL_USE},
	    {"[192.0.2.1]", DOMAIN_DELIVERABLE, DOMAIN_WHY_LITERAL},
	    {"[127.0.0.1]", DOMAIN_UNROUTABLE, DOMAIN_WHY_NOT_PUBLIC},
	    {"[nonsense]", DOMAIN_DEAD, DOMAIN_WHY_BAD_NAME},
	    {"", DOMAIN_DEAD, DOMAIN_WHY_BAD_NAME},
	    {"a..b", DOMAIN_DEAD, DOMAIN_WHY_BAD_NAME},
	    {"192.0.2.1", DOMAIN_DEAD, DOMAIN_WHY_BAD_NAME},
	};
	int64_t now = clock_wall_s();
	struct domain_fact fact;
	struct bench b;
	struct got g;

	bench_init(&b, 0, NULL, 0);
	for (int i = 0; i < COUNT(domains); i++) {
		struct dns_domain_req req = {.domain = domains[i]};

		ck_assert_msg(
		    !dns_domain_known(b.dns, slice_str(domains[i]), now, &fact),
		    "%s", domains[i]);
		ask(&b, &g, &req);
		ck_assert_msg(
		    dns_domain_known(b.dns, slice_str(domains[i]), now, &fact),
		    "%s", domains[i]);
		ck_assert_int_eq(fact.verdict, g.fact.verdict);
		ck_assert_int_eq(fact.reason, g.fact.reason);
	}
	for (int i = 0; i < COUNT(at_once); i++) {
		ck_assert_msg(dns_domain_known(b.dns,
					       slice_str(at_once[i].domain),
					       now, &fact),
			      "%s", at_once[i].domain);
		ck_assert_int_eq(fact.verdict, at_once[i].verdict);
		ck_assert_int_eq(fact.reason, at_once[i].reason);
	}
	bench_fini(&b);
}
END_TEST

/* ---- A second opinion ---- */

static const struct dns_row second_zone[] = {
    {"lied.lab", "MX", 0, 0, "@ 900 MX 10 other.lab"},
    {"other.lab", "A", 0, 0, "@ 400 A 192.0.2.8"},
    {"null2.lab", "MX", 0, 0, "@ 900 MX 0 ."},
    {"empty2.lab", NULL, 0, 0, SOA},
    {"gone2.lab", "MX", 0, 0, "@ 900 MX 10 nowhere2.lab"},
    {"servfail2.lab", NULL, 2, 0, NULL},
    {"refused2.lab", NULL, 5, 0, NULL},
    {"silent2.lab", NULL, 0, DNS_SILENT, NULL},
    {"mxfail2.lab", "MX", 0, 0, "@ 900 MX 10 servfail2.lab"},
};

static const struct {
	const char *label, *domain;
	enum domain_verdict verdict;
	enum domain_reason reason;
	bool second; /* is asked */
} opinions[] = {
    {"both say NXDOMAIN", "nowhere.lab", DOMAIN_DEAD, DOMAIN_WHY_NXDOMAIN,
     true},
    {"the first lied", "lied.lab", DOMAIN_DELIVERABLE, DOMAIN_WHY_MX, true},
    {"null MX there", "null2.lab", DOMAIN_REFUSES, DOMAIN_WHY_NULL_MX, true},
    {"nothing there", "empty2.lab", DOMAIN_DEAD, DOMAIN_WHY_NO_RECORDS, true},
    {"an MX to nowhere there", "gone2.lab", DOMAIN_UNROUTABLE,
     DOMAIN_WHY_NO_ADDRESS, true},
    {"SERVFAIL there: not known", "servfail2.lab", DOMAIN_UNKNOWN,
     DOMAIN_WHY_FAILED, true},
    {"an MX and SERVFAIL there", "mxfail2.lab", DOMAIN_UNKNOWN,
     DOMAIN_WHY_FAILED, true},
    {"it does not serve us: the first counts", "refused2.lab", DOMAIN_DEAD,
     DOMAIN_WHY_NXDOMAIN, true},
    {"it is silent: the first counts", "silent2.lab", DOMAIN_DEAD,
     DOMAIN_WHY_NXDOMAIN, true},
    {"a good one needs none", "one.lab", DOMAIN_DELIVERABLE, DOMAIN_WHY_MX,
     false},
    {"nor a failure", "servfail.lab", DOMAIN_UNKNOWN, DOMAIN_WHY_FAILED, false},
    {"nor an empty one", "empty.lab", DOMAIN_DEAD, DOMAIN_WHY_NO_RECORDS,
     false},
    {"nor an MX to nowhere", "gone.lab", DOMAIN_UNROUTABLE,
     DOMAIN_WHY_NO_ADDRESS, false},
};

START_TEST(test_second)
{
	const char *label = opinions[_i].label;
	struct dns_domain_req req = {.domain = opinions[_i].domain};
	struct bench b;
	struct got g;

	bench_init(&b, 0, second_zone,
		   sizeof(second_zone) / sizeof(second_zone[0]));
	ask(&b, &g, &req);
	ck_assert_msg(g.fact.verdict == opinions[_i].verdict &&
			  g.fact.reason == opinions[_i].reason,
		      "%s: %s, %s (%s)", label,
		      domain_verdict_name(g.fact.verdict),
		      domain_reason_text(g.fact.reason), g.text);
	ck_assert_msg((dns_server_udp_count(b.second) > 0) ==
			  opinions[_i].second,
		      "%s", label);
	/* the addresses, where they are wanted */
	req.targets = true;
	ask(&b, &g, &req);
	ck_assert_msg(g.has_targets ==
			  (opinions[_i].verdict == DOMAIN_DELIVERABLE),
		      "%s", label);
	bench_fini(&b);
}
END_TEST

/* Caps of ours are no silence of the second's: what it was not asked, or not
 * long enough, it might have denied. */
START_TEST(test_second_busy)
{
	static const char *const domains[] = {"a.silent2.lab", "b.silent2.lab",
					      "c.silent2.lab", "d.silent2.lab"};
	static const struct dns_row silence[] = {
	    {"*.silent2.lab", NULL, 0, DNS_SILENT, NULL}};
	struct dns_opts opts = {.timeout_ms = 60000, .inflight_max = 1};
	struct domain_fact fact;
	struct bench b;
	struct got g[COUNT(domains)];

	bench_init(&b, 0, silence, 1);
	opts.servers = dns_server_text(b.server);
	opts.second = dns_server_text(b.second);
	ck_assert_int_eq(dns_reconfigure(b.dns, &opts), 0);
	memset(g, 0, sizeof(g));
	for (int i = 0; i < COUNT(domains); i++) {
		struct dns_domain_req req = {.domain = domains[i]};

		g[i].op = dns_domain_start(b.dns, &req, on_domain, &g[i]);
	}
	/* one fast slot and two slow ones: the first of four makes room */
	TURN_UNTIL(b.loop, g[0].done > 0, domains[0]);
	ck_assert_int_eq(g[0].fact.verdict, DOMAIN_UNKNOWN);
	ck_assert_int_eq(g[0].fact.reason, DOMAIN_WHY_BUSY);
	ck_assert(!dns_cache_look(b.cache, slice_str(domains[0]), &fact));
	bench_fini(&b);
}
END_TEST

/* Once dead, always one resolver. */
START_TEST(test_second_only_first)
{
	struct dns_domain_req req = {.domain = "nowhere.lab"};
	struct domain_fact fact;
	struct bench b;
	struct got g;

	bench_init(&b, 0, second_zone,
		   sizeof(second_zone) / sizeof(second_zone[0]));
	dns_cache_put(b.cache, SLICE_LIT("nowhere.lab"), DOMAIN_DEAD,
		      DOMAIN_WHY_NXDOMAIN, 60, clock_wall_s() - 4000);
	ck_assert(dns_cache_look(b.cache, SLICE_LIT("nowhere.lab"), &fact));
	ask(&b, &g, &req);
	ck_assert_int_eq(g.fact.verdict, DOMAIN_DEAD);
	ck_assert_uint_eq(dns_server_udp_count(b.server), 1);
	ck_assert_uint_eq(dns_server_udp_count(b.second), 0);
	bench_fini(&b);
}
END_TEST

/* ---- Known to be good, and DNS fails ---- */

static const struct {
	const char *label, *domain;
	enum domain_verdict verdict;
	bool stale;
} stales[] = {
    {"SERVFAIL", "servfail.lab", DOMAIN_DELIVERABLE, true},
    {"silence", "silent.lab", DOMAIN_DELIVERABLE, true},
    {"its MX fails", "mxservfail.lab", DOMAIN_DELIVERABLE, true},
    {"NXDOMAIN is an answer", "nowhere.lab", DOMAIN_DEAD, false},
    {"so is a good one", "one.lab", DOMAIN_DELIVERABLE, false},
};

START_TEST(test_stale)
{
	const char *label = stales[_i].label;
	struct dns_domain_req req = {.domain = stales[_i].domain};
	int64_t now = clock_wall_s();
	struct domain_fact fact;
	struct bench b;
	struct got g;

	bench_init(&b, 0, NULL, 0);
	dns_cache_put(b.cache, slice_str(req.domain), DOMAIN_DELIVERABLE,
		      DOMAIN_WHY_MX, 300, now - 1000);
	ck_assert(!dns_domain_known(b.dns, slice_str(req.domain), now, &fact));
	ask(&b, &g, &req);
	ck_assert_msg(g.fact.verdict == stales[_i].verdict, "%s", label);
	ck_assert_msg(g.fact.stale == stales[_i].stale, "%s", label);
	ck_assert(dns_domain_known(b.dns, slice_str(req.domain), now, &fact));
	ck_assert_int_eq(fact.verdict, stales[_i].verdict);
	/* but who wants addresses gets none */
	req.targets = true;
	ask(&b, &g, &req);
	ck_assert_msg(
	    g.has_targets ==
		(stales[_i].verdict == DOMAIN_DELIVERABLE && !stales[_i].stale),
	    "%s", label);
	ck_assert_msg(!stales[_i].stale || g.fact.verdict == DOMAIN_UNKNOWN,
		      "%s", label);
	bench_fini(&b);
}
END_TEST

/* ---- The addresses ---- */

static const struct {
	const char *label, *domain;
	unsigned permits;
	bool exempt;
	enum domain_verdict verdict;
	const char *targets;
} lists[] = {
    {"in order", "two.lab", 0, false, DOMAIN_DELIVERABLE,
     "10 mx1.lab 2001:db8::1, 10 mx1.lab 192.0.2.1, 20 mx2.lab 192.0.2.2"},
    {"own address", "a.lab", 0, false, DOMAIN_DELIVERABLE, "0 a.lab 192.0.2.9"},
    {"without private ones", "mixed.lab", 0, false, DOMAIN_DELIVERABLE,
     "20 mx2.lab 192.0.2.2"},
    {"with permitted private ones", "mixed.lab", PRIVATE, false,
     DOMAIN_DELIVERABLE, "10 h.private.lab 10.1.2.3, 20 mx2.lab 192.0.2.2"},
    {"only private ones", "private.lab", 0, false, DOMAIN_UNROUTABLE, ""},
    {"never localhost", "localhostplus.lab", LOOPBACK, false,
     DOMAIN_DELIVERABLE, "20 mx1.lab 2001:db8::1, 20 mx1.lab 192.0.2.1"},
    {"better than ourselves", "selfsecond.lab", 0, false, DOMAIN_DELIVERABLE,
     "10 mx1.lab 2001:db8::1, 10 mx1.lab 192.0.2.1"},
    {"one is silent", "partsilent.lab", 0, false, DOMAIN_DELIVERABLE,
     "20 mx1.lab 2001:db8::1, 20 mx1.lab 192.0.2.1"},
    {"dead", "nowhere.lab", 0, false, DOMAIN_DEAD, ""},
    {"not known", "servfail.lab", 0, false, DOMAIN_UNKNOWN, ""},
    {"a literal", "[192.0.2.4]", 0, false, DOMAIN_DELIVERABLE,
     "0 192.0.2.4 192.0.2.4"},
    {"a literal that is private", "[10.0.0.4]", 0, false, DOMAIN_UNROUTABLE,
     ""},
    {"no literal", "[x]", 0, false, DOMAIN_DEAD, ""},
    {"special use", "nas.internal", 0, false, DOMAIN_RESERVED, ""},
    {"special use that somebody allowed", "nas.internal", 0, true,
     DOMAIN_DELIVERABLE, "10 mx1.lab 2001:db8::1, 10 mx1.lab 192.0.2.1"},
    {"special use that is not there", "a.test", 0, true, DOMAIN_DEAD, ""},
    {"validated: the host whose address is, too", "safe.lab", 0, false,
     DOMAIN_DELIVERABLE, "10 safe1.lab 192.0.2.5 safe, 20 mx2.lab 192.0.2.2"},
    {"only the address is validated", "unsafe.lab", 0, false,
     DOMAIN_DELIVERABLE, "10 safe1.lab 192.0.2.5"},
};

START_TEST(test_targets)
{
	const char *label = lists[_i].label;
	struct dns_domain_req req = {.domain = lists[_i].domain,
				     .targets = true,
				     .exempt = lists[_i].exempt};
	struct domain_fact fact;
	struct bench b;
	struct got g;

	bench_init(&b, lists[_i].permits, NULL, 0);
	/* twice: the second time it is asked anew as well */
	for (int i = 0; i < 2; i++) {
		ask(&b, &g, &req);
		ck_assert_msg(g.fact.verdict == lists[_i].verdict, "%s: %s %s",
			      label, domain_verdict_name(g.fact.verdict),
			      g.text);
		ck_assert_msg(strcmp(g.targets, lists[_i].targets) == 0,
			      "%s: %s", label, g.targets);
		ck_assert_msg(g.has_targets == (lists[_i].targets[0] != '\0'),
			      "%s", label);
	}
	/* what the verdict is without an exemption, it stays */
	if (lists[_i].exempt) {
		ck_assert(dns_domain_known(b.dns, slice_str(req.domain),
					   clock_wall_s(), &fact));
		ck_assert_int_eq(fact.verdict, DOMAIN_RESERVED);
	}
	/* literals are nothing for the cache */
	if (req.domain[0] == '[')
		ck_assert(
		    !dns_cache_look(b.cache, slice_str(req.domain), &fact));
	bench_fini(&b);
}
END_TEST

/* Fresh: whatever the cache says. */
START_TEST(test_fresh)
{
	struct dns_domain_req req = {.domain = "one.lab"};
	struct bench b;
	struct got g;

	bench_init(&b, 0, NULL, 0);
	dns_cache_put(b.cache, SLICE_LIT("one.lab"), DOMAIN_DEAD,
		      DOMAIN_WHY_NXDOMAIN, 600, clock_wall_s());
	ask(&b, &g, &req);
	ck_assert_int_eq(g.fact.verdict, DOMAIN_DEAD);
	req.fresh = true;
	ask(&b, &g, &req);
	ck_assert_int_eq(g.fact.verdict, DOMAIN_DELIVERABLE);
	req.fresh = false;
	ask(&b, &g, &req);
	ck_assert_int_eq(g.fact.verdict, DOMAIN_DELIVERABLE);
	bench_fini(&b);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("dns/domain");
	TCase *tc = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_rows, 0, COUNT(rows));
	tcase_add_test(tc, test_known);
	tcase_add_loop_test(tc, test_second, 0, COUNT(opinions));
	tcase_add_test(tc, test_second_busy);
	tcase_add_test(tc, test_second_only_first);
	tcase_add_loop_test(tc, test_stale, 0, COUNT(stales));
	tcase_add_loop_test(tc, test_targets, 0, COUNT(lists));
	tcase_add_test(tc, test_fresh);
	suite_add_tcase(s, tc);
	runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
