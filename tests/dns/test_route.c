/* From a domain to the list of addresses to try. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dns/route.h"
#include "tests/support/dns_server.h"
#include "tests/support/turn.h"

#define SOA "!test 900 SOA 60"

static const struct dns_row zone[] = {
    {"one.test", "MX", 0, 0, "@ 300 MX 10 mx1.test"},
    {"mx1.test", "A", 0, 0, "@ 200 A 192.0.2.1"},
    {"mx1.test", "AAAA", 0, 0, "@ 100 AAAA 2001:db8::1"},
    {"mx2.test", "A", 0, 0, "@ 200 A 192.0.2.2\n@ 200 A 192.0.2.3"},
    {"mx2.test", "AAAA", 0, 0, SOA},
    {"two.test", "MX", 0, 0, "@ 300 MX 20 mx2.test\n@ 300 MX 10 mx1.test"},
    {"same.test", "MX", 0, 0, "@ 300 MX 10 mx1.test\n@ 300 MX 10 mx2.test"},
    {"twice.test", "MX", 0, 0, "@ 300 MX 10 mx1.test\n@ 300 MX 20 mx1.test"},
    {"null.test", "MX", 0, 0, "@ 300 MX 0 ."},
    {"nullmore.test", "MX", 0, 0, "@ 300 MX 0 .\n@ 300 MX 10 mx1.test"},
    {"implicit.test", "MX", 0, 0, SOA},
    {"implicit.test", "A", 0, 0, "@ 300 A 192.0.2.9"},
    {"implicit.test", "AAAA", 0, 0, SOA},
    {"empty.test", NULL, 0, 0, SOA},
    {"servfail.test", NULL, 2, 0, NULL},
    {"refused.test", NULL, 5, 0, NULL},
    {"silent.test", NULL, 0, DNS_SILENT, NULL},
    {"cut.test", "MX", 0, DNS_CUTS, "@ 300 MX 10 mx1.test"},
    {"echo.test", "MX", 0, DNS_ECHOES, NULL},
    {"big.test", "MX", 0, DNS_TRUNCATES, "@ 300 MX 10 mx1.test"},
    {"alias.test", NULL, 0, 0,
     "@ 300 CNAME one.test\n"
     "one.test 300 MX 10 mx1.test"},
    {"badhost.test", "MX", 0, 0, "@ 300 MX 10 a b.test"},
    {"somebad.test", "MX", 0, 0, "@ 300 MX 5 a b.test\n@ 300 MX 10 mx1.test"},
    {"gone.test", "MX", 0, 0, "@ 300 MX 10 nowhere.test"},
    {"gonefail.test", "MX", 0, 0,
     "@ 300 MX 10 nowhere.test\n@ 300 MX 20 servfail.test"},
    {"partfail.test", "MX", 0, 0,
     "@ 300 MX 10 servfail.test\n@ 300 MX 20 mx1.test"},
    {"failaddr.test", "MX", 0, 0, SOA},
    {"failaddr.test", NULL, 2, 0, NULL},
    {"self.test", "MX", 0, 0,
     "@ 300 MX 10 mx1.test\n@ 300 MX 20 relay.test\n@ 300 MX 20 mx2.test\n"
     "@ 300 MX 30 mx2.test"},
    {"selfbest.test", "MX", 0, 0,
     "@ 300 MX 10 Relay.test\n@ 300 MX 20 mx2.test"},
    {"xn--bcher-kva.test", "MX", 0, 0, "@ 300 MX 10 mx1.test"},
    {"under_score.test", "MX", 0, 0, "@ 300 MX 10 mx1.test"},
};

static const struct {
	const char *label, *domain;
	enum dns_target_kind kind;
	bool v6;
	enum targets_status status;
	const char *targets;
	uint32_t ttl_s;
} rows[] = {
    {"one MX", "one.test", TARGET_MX, false, TARGETS_OK,
     "10 mx1.test 192.0.2.1", 200},
    {"with IPv6 first", "one.test", TARGET_MX, true, TARGETS_OK,
     "10 mx1.test 2001:db8::1, 10 mx1.test 192.0.2.1", 100},
    {"a trailing dot, upper case", "ONE.test.", TARGET_MX, false, TARGETS_OK,
     "10 mx1.test 192.0.2.1", 200},
    {"by preference", "two.test", TARGET_MX, false, TARGETS_OK,
     "10 mx1.test 192.0.2.1, 20 mx2.test 192.0.2.2, 20 mx2.test 192.0.2.3",
     200},
    {"an address is tried once", "twice.test", TARGET_MX, false, TARGETS_OK,
     "10 mx1.test 192.0.2.1", 200},
    {"null MX", "null.test", TARGET_MX, false, TARGETS_NULL_MX, "", 300},
    {"a root among others is no null MX", "nullmore.test", TARGET_MX, false,
     TARGETS_OK, "10 mx1.test 192.0.2.1", 200},
    {"no MX: its own address", "implicit.test", TARGET_MX, false, TARGETS_OK,
     "0 implicit.test 192.0.2.9", 60},
    {"neither MX nor address", "empty.test", TARGET_MX, true, TARGETS_NONE, "",
     60},
    {"NXDOMAIN", "nowhere.test", TARGET_MX, false, TARGETS_NO_DOMAIN, "", 60},
    {"SERVFAIL is not no", "servfail.test", TARGET_MX, false, TARGETS_UNKNOWN,
     "", 0},
    {"REFUSED is not no", "refused.test", TARGET_MX, false, TARGETS_UNKNOWN, "",
     0},
    {"silence", "silent.test", TARGET_MX, false, TARGETS_UNKNOWN, "", 0},
    {"malformed", "cut.test", TARGET_MX, false, TARGETS_UNKNOWN, "", 0},
    {"truncated: TCP", "big.test", TARGET_MX, false, TARGETS_OK,
     "10 mx1.test 192.0.2.1", 200},
    {"an alias", "alias.test", TARGET_MX, false, TARGETS_OK,
     "10 mx1.test 192.0.2.1", 200},
    {"no host name in the MX", "badhost.test", TARGET_MX, false, TARGETS_NONE,
     "", 300},
    {"the host name that is one", "somebad.test", TARGET_MX, false, TARGETS_OK,
     "10 mx1.test 192.0.2.1", 200},
    {"MX to nowhere", "gone.test", TARGET_MX, false, TARGETS_NONE, "", 60},
    {"nowhere and not known is not known", "gonefail.test", TARGET_MX, false,
     TARGETS_UNKNOWN, "", 60},
    {"one of two has an address", "partfail.test", TARGET_MX, false, TARGETS_OK,
     "20 mx1.test 192.0.2.1", 200},
    {"no MX, address not known", "failaddr.test", TARGET_MX, false,
     TARGETS_UNKNOWN, "", 60},
    {"only better than ourselves", "self.test", TARGET_MX, false, TARGETS_OK,
     "10 mx1.test 192.0.2.1", 200},
    {"we are the best", "selfbest.test", TARGET_MX, false, TARGETS_NONE, "",
     300},
    {"U-labels",
     "b\xc3\xbc"
     "cher.test",
     TARGET_MX, false, TARGETS_OK, "10 mx1.test 192.0.2.1", 200},
    {"A-labels", "xn--bcher-kva.test", TARGET_MX, false, TARGETS_OK,
     "10 mx1.test 192.0.2.1", 200},
    {"libidn2 must not eat the underscore", "under_score.test", TARGET_MX,
     false, TARGETS_OK, "10 mx1.test 192.0.2.1", 200},
    {"address literal", "[192.0.2.77]", TARGET_MX, false, TARGETS_OK,
     "0 192.0.2.77 192.0.2.77", 0},
    {"IPv6 literal", "[IPv6:2001:db8::7]", TARGET_MX, false, TARGETS_OK,
     "0 2001:db8::7 2001:db8::7", 0},
    {"no literal", "[300.1.1.1]", TARGET_MX, false, TARGETS_NO_DOMAIN, "", 0},
    {"nothing", "", TARGET_MX, false, TARGETS_NO_DOMAIN, "", 0},
    {"a dot", ".", TARGET_MX, false, TARGETS_NO_DOMAIN, "", 0},
    {"two dots", "a..test", TARGET_MX, false, TARGETS_NO_DOMAIN, "", 0},
    {"a space", "a b.test", TARGET_MX, false, TARGETS_NO_DOMAIN, "", 0},
    {"ill-formed UTF-8", "\xff.test", TARGET_MX, false, TARGETS_NO_DOMAIN, "",
     0},
    {"host", "mx2.test", TARGET_HOST, false, TARGETS_OK,
     "0 mx2.test 192.0.2.2, 0 mx2.test 192.0.2.3", 200},
    {"host: MX is not asked", "null.test", TARGET_HOST, false,
     TARGETS_NO_DOMAIN, "", 60},
    {"host: nowhere", "nowhere.test", TARGET_HOST, true, TARGETS_NO_DOMAIN, "",
     60},
    {"host: no address", "empty.test", TARGET_HOST, false, TARGETS_NONE, "",
     60},
    {"host: not known", "servfail.test", TARGET_HOST, false, TARGETS_UNKNOWN,
     "", 0},
    {"host: address", "192.0.2.5", TARGET_HOST, false, TARGETS_OK,
     "0 192.0.2.5 192.0.2.5", 0},
    {"host: IPv6 address", "2001:db8::5", TARGET_HOST, false, TARGETS_OK,
     "0 2001:db8::5 2001:db8::5", 0},
    {"host: hosts file", "Hub.example", TARGET_HOST, false, TARGETS_OK,
     "0 hub.example 10.1.2.3", 0},
    {"host: hosts file, both families", "hub", TARGET_HOST, true, TARGETS_OK,
     "0 hub 10.1.2.3, 0 hub 2001:db8::9", 0},
    {"host: behind a comment", "commented", TARGET_HOST, false,
     TARGETS_NO_DOMAIN, "", 60},
    {"host: localhost is never asked for", "localhost", TARGET_HOST, true,
     TARGETS_OK, "0 localhost ::1, 0 localhost 127.0.0.1", 0},
    {"mail for a name of the hosts file is DNS", "hub", TARGET_MX, false,
     TARGETS_NO_DOMAIN, "", 60},
};

static char hosts_path[] = "/tmp/sluice-hosts-XXXXXX";

struct got {
	const char *label;
	unsigned done;
	enum targets_status status;
	uint32_t ttl_s, count;
	char text[512];
	char targets[8192];
};

static void
on_targets(void *arg, const struct dns_targets *result)
{
	struct got *g = arg;
	size_t n = 0;

	g->done++;
	g->status = result->status;
	g->ttl_s = result->ttl_s;
	g->count = result->count;
	snprintf(g->text, sizeof(g->text), "%s", result->text);
	g->targets[0] = '\0';
	for (uint32_t i = 0; i < result->count; i++) {
		char ip[IP_TEXT_SIZE];

		ip_format(&result->targets[i].ip, ip);
		n += (size_t)snprintf(g->targets + n, sizeof(g->targets) - n,
				      "%s%u %s %s", i > 0 ? ", " : "",
				      result->targets[i].preference,
				      result->targets[i].host, ip);
	}
}

struct bench {
	struct loop *loop;
	struct dns_server *server;
	struct dns *dns;
	struct got got;
};

static void
bench_init(struct bench *b, const char *label)
{
	struct dns_opts opts = {
	    .timeout_ms = 60, .tries = 2, .hosts_path = hosts_path};

	memset(b, 0, sizeof(*b));
	b->got.label = label;
	b->loop = loop_create();
	b->server =
	    dns_server_create(b->loop, zone, sizeof(zone) / sizeof(zone[0]));
	opts.servers = dns_server_text(b->server);
	b->dns = dns_create(b->loop, &opts);
	ck_assert_ptr_nonnull(b->dns);
}

static void
bench_fini(struct bench *b)
{
	dns_destroy(&b->dns);
	dns_server_destroy(&b->server);
	turn_some(b->loop);
	loop_destroy(&b->loop);
}

START_TEST(test_rows)
{
	struct dns_targets_req req = {.domain = rows[_i].domain,
				      .kind = rows[_i].kind,
				      .v6 = rows[_i].v6,
				      .self = "RELAY.test"};
	struct bench b;

	bench_init(&b, rows[_i].label);
	ck_assert_ptr_nonnull(
	    dns_targets_start(b.dns, &req, on_targets, &b.got));
	ck_assert_msg(b.got.done == 0, "%s: done inside start", rows[_i].label);
	TURN_UNTIL(b.loop, b.got.done > 0, rows[_i].label);
	ck_assert_msg(b.got.status == rows[_i].status, "%s: %d %s",
		      rows[_i].label, b.got.status, b.got.text);
	ck_assert_msg(strcmp(b.got.targets, rows[_i].targets) == 0, "%s: %s",
		      rows[_i].label, b.got.targets);
	ck_assert_msg(b.got.ttl_s == rows[_i].ttl_s, "%s: ttl %u",
		      rows[_i].label, b.got.ttl_s);
	ck_assert_msg(b.got.text[0] != '\0', "%s", rows[_i].label);
	turn_some(b.loop);
	ck_assert_uint_eq(b.got.done, 1);
	bench_fini(&b);
}
END_TEST

/* A reply that is a query: c-ares waits for a better one. */
START_TEST(test_echo)
{
	struct dns_targets_req req = {.domain = "echo.test"};
	struct bench b;

	bench_init(&b, "echo");
	dns_targets_start(b.dns, &req, on_targets, &b.got);
	TURN_UNTIL(b.loop, b.got.done > 0, "echo");
	ck_assert_int_eq(b.got.status, TARGETS_UNKNOWN);
	bench_fini(&b);
}
END_TEST

/* Equal preferences take turns at being first. */
START_TEST(test_random)
{
	struct dns_targets_req req = {.domain = "same.test"};
	unsigned first = 0;
	struct bench b;

	bench_init(&b, "equal preferences");
	for (unsigned i = 0; i < 64; i++) {
		dns_targets_start(b.dns, &req, on_targets, &b.got);
		TURN_UNTIL(b.loop, b.got.done == i + 1, "equal");
		ck_assert_uint_eq(b.got.count, 3);
		if (strncmp(b.got.targets, "10 mx1", 6) == 0)
			first++;
	}
	ck_assert_uint_gt(first, 0);
	ck_assert_uint_lt(first, 64);
	bench_fini(&b);
}
END_TEST

/* Cancelled after n turns: silent. */
START_TEST(test_cancel)
{
	static const char *const domains[] = {"two.test", "silent.test",
					      "[192.0.2.1]", "a b", "hub"};

	for (size_t d = 0; d < 5; d++) {
		struct dns_targets_req req = {.domain = domains[d], .v6 = true};
		struct dns_targets_op *op;
		struct bench b;

		bench_init(&b, domains[d]);
		op = dns_targets_start(b.dns, &req, on_targets, &b.got);
		for (int i = 0; i < _i && b.got.done == 0; i++)
			loop_turn(b.loop);
		if (b.got.done == 0) {
			dns_targets_cancel(&op);
			ck_assert_ptr_null(op);
			turn_some(b.loop);
			ck_assert_uint_eq(b.got.done, 0);
		}
		bench_fini(&b);
	}
}
END_TEST

static void
hosts_write(void)
{
	static const char text[] = "127.0.0.1\tlocal other\n"
				   "# 10.9.9.9 commented\n"
				   "10.1.2.3  hub.example\thub # commented\n"
				   "not-an-address hub\n"
				   "\n"
				   "2001:db8::9 hub\n";
	int fd = mkstemp(hosts_path);

	if (fd < 0 || write(fd, text, sizeof(text) - 1) < 0)
		abort();
	close(fd);
}

int
main(void)
{
	Suite *s = suite_create("dns/route");
	TCase *tc = tcase_create("all");
	SRunner *runner;
	int failed;

	hosts_write();
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_rows, 0,
			    (int)(sizeof(rows) / sizeof(rows[0])));
	tcase_add_test(tc, test_echo);
	tcase_add_test(tc, test_random);
	tcase_add_loop_test(tc, test_cancel, 0, 8);
	suite_add_tcase(s, tc);
	runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	unlink(hosts_path);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
