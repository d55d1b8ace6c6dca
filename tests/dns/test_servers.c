/* Which servers are asked, from where, and what is believed of them. */
#include <unistd.h>

#include "gateway/base/error.h"
#include "tests/dns/asking.h"

/* The answer to the first packet comes in the second try, with another copy
 * and the answer to the second behind it. */
START_TEST(test_late_in_time)
{
	struct dns_opts opts = {.timeout_ms = 100, .tries = 5};
	struct bench b;
	struct got g, after;

	bench_with(&b, opts);
	ask(&b, &g, "held.test");
	TURN_UNTIL(b.loop, dns_server_udp_count(b.server) == 2, "second try");
	ck_assert_uint_eq(dns_server_release(b.server), 2);
	TURN_UNTIL(b.loop, g.done > 0, "late");
	ck_assert_int_eq(g.status, DNS_OK);
	ask(&b, &after, "nowhere.test");
	TURN_UNTIL(b.loop, after.done > 0, "the next one");
	ck_assert_int_eq(after.status, DNS_NXDOMAIN);
	turn_some(b.loop);
	ck_assert_uint_eq(g.done, 1);
	bench_fini(&b);
}
END_TEST

/* All answers come when nobody waits any more, each twice. */
START_TEST(test_too_late)
{
	struct bench b;
	struct got g, again, other;

	bench_init(&b, 0);
	ask(&b, &g, "held.test");
	TURN_UNTIL(b.loop, g.done > 0, "timed out");
	ck_assert_int_eq(g.status, DNS_TIMEOUT);
	ask(&b, &again, "held.test");
	ask(&b, &other, "a.test");
	TURN_UNTIL(b.loop, dns_server_udp_count(b.server) == 4, "asked");
	ck_assert_uint_eq(dns_server_release(b.server), 3);
	TURN_UNTIL(b.loop, again.done > 0 && other.done > 0, "answered");
	/* by its own answer: those of before bear other ids */
	ck_assert_int_eq(again.status, DNS_OK);
	ck_assert_int_eq(other.status, DNS_OK);
	turn_some(b.loop);
	ck_assert_uint_eq(g.done, 1);
	ck_assert_uint_eq(again.done, 1);
	bench_fini(&b);
}
END_TEST

/* A server that never keeps the case is asked in small letters after some,
 * and answers by UDP again. */
START_TEST(test_folding_server)
{
	struct bench b;
	struct got g;

	bench_init(&b, 0);
	for (int i = 0; i < 20; i++) {
		char name[32];

		snprintf(name, sizeof(name), "%d.folds.test", i);
		ask(&b, &g, name);
		TURN_UNTIL(b.loop, g.done > 0, name);
		ck_assert_msg(g.status == DNS_OK, "%s: %s", name, g.text);
	}
	ck_assert_uint_eq(dns_server_udp_count(b.server), 20);
	ck_assert_uint_ge(dns_server_tcp_count(b.server), 3);
	ck_assert_uint_le(dns_server_tcp_count(b.server), 4);
	bench_fini(&b);
}
END_TEST

/* It does not keep the case and takes no TCP: unknown, not dead. */
START_TEST(test_folding_server_without_tcp)
{
	struct bench b;
	struct got g;

	bench_init(&b, 0);
	dns_server_refuse_tcp(b.server);
	for (int i = 0; i < 10; i++) {
		char name[32];

		snprintf(name, sizeof(name), "%d.folds.test", i);
		ask(&b, &g, name);
		TURN_UNTIL(b.loop, g.done > 0, name);
		ck_assert_msg(g.status == (i < 3 ? DNS_FAIL : DNS_OK), "%s: %s",
			      name, g.text);
	}
	bench_fini(&b);
}
END_TEST

static bool
is_mixed(struct slice packet)
{
	bool small = false, capital = false;

	for (size_t i = 12; i < packet.n && packet.p[i] != 0; i++) {
		small = small || (packet.p[i] >= 'a' && packet.p[i] <= 'z');
		capital = capital || (packet.p[i] >= 'A' && packet.p[i] <= 'Z');
	}
	return small && capital;
}

/* Ids, ports and letters: 40 packets with one of them alike are none. */
START_TEST(test_hard_to_guess)
{
	unsigned same_id = 0, same_port = 0, plain = 0;
	unsigned last_id = 0, last_port = 0;
	struct bench b;
	struct got g;

	bench_init(&b, 0);
	for (int i = 0; i < 40; i++) {
		struct slice packet;
		char name[64];
		unsigned id, port;

		snprintf(name, sizeof(name), "many-letters-in-here%d.test", i);
		ask(&b, &g, name);
		TURN_UNTIL(b.loop, g.done > 0, name);
		packet = dns_server_last(b.server);
		port = dns_server_last_port(b.server);
		ck_assert_uint_ge(packet.n, 12);
		id = (unsigned)(uint8_t)packet.p[0] << 8 | (uint8_t)packet.p[1];
		same_id += id == last_id;
		same_port += port == last_port;
		plain += !is_mixed(packet);
		ck_assert_msg(packet.p[2] == 1, "RD alone");
		ck_assert_msg(packet.p[3] == 0x20, "AD is asked for");
		last_id = id;
		last_port = port;
	}
	ck_assert_uint_le(same_id, 2);
	ck_assert_uint_le(same_port, 5);
	ck_assert_uint_le(plain, 2);
	bench_fini(&b);
}
END_TEST

/* The port changes though a question keeps it open, and that one's answer is
 * still heard. */
START_TEST(test_port_changes)
{
	enum { MANY = 2500, AT_ONCE = 50 };
	struct dns_opts opts = {.timeout_ms = 15000};
	unsigned port, changes = 0;
	struct got held, g[AT_ONCE];
	struct bench b;

	bench_with(&b, opts);
	ask(&b, &held, "held.test");
	TURN_UNTIL(b.loop, dns_server_udp_count(b.server) == 1, "asked");
	port = dns_server_last_port(b.server);
	for (int i = 0; i < MANY / AT_ONCE; i++) {
		for (int k = 0; k < AT_ONCE; k++) {
			char name[32];

			snprintf(name, sizeof(name), "n%d.test",
				 i * AT_ONCE + k);
			ask(&b, &g[k], name);
		}
		b.done = 0;
		TURN_UNTIL(b.loop, b.done == AT_ONCE, "a batch");
		changes += dns_server_last_port(b.server) != port;
		port = dns_server_last_port(b.server);
	}
	/* while the old one is open the new one closes when it is idle */
	ck_assert_uint_ge(changes, 1);
	ck_assert_uint_eq(dns_server_release(b.server), 1);
	TURN_UNTIL(b.loop, held.done > 0, "the one that was held");
	ck_assert_int_eq(held.status, DNS_OK);
	bench_fini(&b);
}
END_TEST

/* Validated answers: believed from loopback, and only if all servers are. */
START_TEST(test_authentic)
{
	struct dns_opts opts = {.timeout_ms = 60};
	struct dns_req tlsa = {.name = "_25._tcp.mx.test", .type = DNS_TLSA};
	char both[100];
	struct bench b;
	struct got g;

	bench_init(&b, 0);
	ask(&b, &g, "validated.test");
	TURN_UNTIL(b.loop, g.done > 0, "AD");
	ck_assert(g.status == DNS_OK && g.authentic);
	ask(&b, &g, "a.test");
	TURN_UNTIL(b.loop, g.done > 0, "no AD");
	ck_assert(g.status == DNS_OK && !g.authentic);
	ask_req(&b, &g, &tlsa);
	TURN_UNTIL(b.loop, g.done > 0, "TLSA");
	ck_assert(g.status == DNS_OK && g.authentic && g.count == 1);
	snprintf(both, sizeof(both), "%s, 192.0.2.1",
		 dns_server_text(b.server));
	opts.servers = both;
	ck_assert_int_eq(dns_reconfigure(b.dns, &opts), 0);
	ask(&b, &g, "validated.test");
	TURN_UNTIL(b.loop, g.done > 0, "AD, a server far away");
	ck_assert(g.status == DNS_OK && !g.authentic);
	bench_fini(&b);
}
END_TEST

START_TEST(test_second)
{
	static const struct dns_row other[] = {
	    {"a.test", "A", 0, 0, "@ 300 A 192.0.2.1\n@ 300 A 192.0.2.2"},
	};
	struct dns_req first = {.name = "a.test", .type = DNS_A},
		       second = {.name = "a.test", .type = DNS_A, .second = 1};
	struct dns_opts opts = {.timeout_ms = 60};
	struct dns_server *server;
	struct got a, b2;
	struct bench b;

	bench_init(&b, 0);
	server = dns_server_create(b.loop, other, 1);
	ck_assert(!dns_has_second(b.dns));
	ask_req(&b, &a, &second);
	TURN_UNTIL(b.loop, a.done > 0, "none");
	ck_assert_int_eq(a.status, DNS_FAIL);
	opts.servers = dns_server_text(b.server);
	opts.second = dns_server_text(server);
	ck_assert_int_eq(dns_reconfigure(b.dns, &opts), 0);
	ck_assert(dns_has_second(b.dns));
	ask_req(&b, &a, &first);
	ask_req(&b, &b2, &second);
	TURN_UNTIL(b.loop, a.done > 0 && b2.done > 0, "both");
	ck_assert_uint_eq(a.count, 1);
	ck_assert_uint_eq(b2.count, 2);
	ck_assert_uint_eq(dns_server_udp_count(server), 1);
	ck_assert_uint_eq(dns_server_udp_count(b.server), 1);
	dns_destroy(&b.dns);
	dns_server_destroy(&server);
	bench_fini(&b);
}
END_TEST

/* The first server is silent: after some questions the second is asked at
 * once, and each question is answered. */
START_TEST(test_silent_server)
{
	static const struct dns_row silent[] = {
	    {"*", NULL, 0, DNS_SILENT, NULL},
	};
	struct dns_opts opts = {.timeout_ms = 60};
	struct dns_server *server;
	unsigned to_silent;
	char both[100];
	struct bench b;
	struct got g;

	bench_init(&b, 0);
	server = dns_server_create(b.loop, silent, 1);
	snprintf(both, sizeof(both), "%s,%s", dns_server_text(server),
		 dns_server_text(b.server));
	opts.servers = both;
	ck_assert_int_eq(dns_reconfigure(b.dns, &opts), 0);
	for (int i = 0; i < 5; i++) {
		ask(&b, &g, "a.test");
		TURN_UNTIL(b.loop, g.done > 0, "while it is not known");
		ck_assert_int_eq(g.status, DNS_OK);
	}
	to_silent = dns_server_udp_count(server);
	for (int i = 0; i < 100; i++) {
		ask(&b, &g, "a.test");
		TURN_UNTIL(b.loop, g.done > 0, "when it is");
		ck_assert_int_eq(g.status, DNS_OK);
	}
	ck_assert_uint_eq(to_silent, 5);
	ck_assert_uint_le(dns_server_udp_count(server), 6);
	dns_destroy(&b.dns);
	dns_server_destroy(&server);
	bench_fini(&b);
}
END_TEST

/* Other servers under way: old questions end with the old ones. */
START_TEST(test_reconfigure)
{
	static const struct dns_row other[] = {
	    {"held.test", "A", 0, 0, "@ 300 A 192.0.2.1\n@ 300 A 192.0.2.2"},
	};
	struct dns_opts opts = {.timeout_ms = 5000};
	struct dns_server *server;
	struct dns_servers seen;
	struct got old, new;
	struct bench b;

	bench_with(&b, opts);
	server = dns_server_create(b.loop, other, 1);
	ask(&b, &old, "held.test");
	TURN_UNTIL(b.loop, dns_server_udp_count(b.server) == 1, "asked");
	opts.servers = "nonsense";
	ck_assert_int_eq(dns_reconfigure(b.dns, &opts), GW_EINVAL);
	opts.servers = dns_server_text(server);
	opts.second = "nonsense";
	ck_assert_int_eq(dns_reconfigure(b.dns, &opts), GW_EINVAL);
	dns_servers_get(b.dns, &seen);
	ck_assert_str_eq(seen.text, dns_server_text(b.server));
	opts.second = NULL;
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(dns_reconfigure(b.dns, &opts), 0);
	dns_servers_get(b.dns, &seen);
	ck_assert_str_eq(seen.text, dns_server_text(server));
	ck_assert(seen.all_loopback && !seen.from_file);
	ask(&b, &new, "held.test");
	TURN_UNTIL(b.loop, new.done > 0, "of the new one");
	ck_assert_uint_eq(new.count, 2);
	ck_assert_uint_eq(old.done, 0);
	ck_assert_uint_eq(dns_server_release(b.server), 1);
	TURN_UNTIL(b.loop, old.done > 0, "of the old one");
	ck_assert_uint_eq(old.count, 1);
	dns_destroy(&b.dns);
	dns_server_destroy(&server);
	bench_fini(&b);
}
END_TEST

static void
file_write(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

static const struct {
	const char *label, *before, *after, *want;
} changes[] = {
    {"another server", "nameserver 127.0.0.9\n", "nameserver 127.0.0.10\n",
     "127.0.0.10"},
    {"empty: being written", "nameserver 127.0.0.9\n", "", "127.0.0.9"},
    {"no server in it", "nameserver 127.0.0.9\n", "search test\n", "127.0.0.9"},
    {"gone", "nameserver 127.0.0.9\n", NULL, "127.0.0.9"},
    {"it comes", NULL, "nameserver 127.0.0.10\n", "127.0.0.10"},
    {"never there", NULL, NULL, "127.0.0.1"},
};

/* Found out before the first question. */
START_TEST(test_resolv_conf)
{
	char dir[] = "/tmp/sluice-lookup-XXXXXX", path[64];
	struct dns_opts opts = {.resolv_path = path};
	struct bench b = {.loop = loop_create()};
	struct dns_servers seen;
	struct got g;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/resolv.conf", dir);
	if (changes[_i].before != NULL)
		file_write(path, changes[_i].before);
	b.dns = dns_create(b.loop, &opts);
	ck_assert_ptr_nonnull(b.dns);
	if (changes[_i].after != NULL)
		file_write(path, changes[_i].after);
	else
		unlink(path);
	ask(&b, &g, "a.test");
	dns_servers_get(b.dns, &seen);
	ck_assert_msg(strcmp(seen.text, changes[_i].want) == 0, "%s: %s",
		      changes[_i].label, seen.text);
	ck_assert(seen.from_file && seen.all_loopback);
	dns_lookup_cancel(&g.op);
	dns_destroy(&b.dns);
	loop_destroy(&b.loop);
	unlink(path);
	rmdir(dir);
}
END_TEST

static const struct {
	const char *servers;
	bool ok;
} servers[] = {
    {"127.0.0.1", true},
    {"127.0.0.1:5353", true},
    {"::1", true},
    {"[::1]:5353", true},
    {"127.0.0.1, ::1", true},
    {"", false},
    {"localhost", false},

    {"127.0.0.1 127.0.0.2", false},
    {"127.0.0.1:99999", false},
    {"1.1.1.1,1.1.1.2,nope", false},
};

START_TEST(test_servers)
{
	struct dns_opts opts = {.servers = servers[_i].servers};
	struct loop *loop = loop_create();
	struct dns *dns = dns_create(loop, &opts);

	ck_assert_msg((dns != NULL) == servers[_i].ok, "%s",
		      servers[_i].servers);
	dns_destroy(&dns);
	loop_destroy(&loop);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("dns/servers");
	TCase *tc = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_late_in_time);
	tcase_add_test(tc, test_too_late);
	tcase_add_test(tc, test_folding_server);
	tcase_add_test(tc, test_folding_server_without_tcp);
	tcase_add_test(tc, test_hard_to_guess);
	tcase_add_test(tc, test_port_changes);
	tcase_add_test(tc, test_authentic);
	tcase_add_test(tc, test_second);
	tcase_add_test(tc, test_silent_server);
	tcase_add_test(tc, test_reconfigure);
	tcase_add_loop_test(tc, test_resolv_conf, 0, COUNT(changes));
	tcase_add_loop_test(tc, test_servers, 0, COUNT(servers));
	suite_add_tcase(s, tc);
	runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
