/* `scan` and what classes say of it: values, mistakes, and what the units are
 * told. */
#include "gateway/base/arena.h"
#include "gateway/plan.h"
#include "tests/gateway/config_help.h"

#define ALL                                                                    \
	"scan { server icaps://AV.example.com/avscan weight 3 profile eset;\n" \
	"  server icap://[::1]:1345/a/b?c=d weight 0; ca /ca.pem;\n"           \
	"  server icap://127.0.0.1/srv; method reqmod; wait 5s;\n"             \
	"  infected clean; down reject; unscannable hold; texts on;\n"         \
	"  connections 3; part-timeout 10s; message-timeout 20s;\n"            \
	"  canary 1m; cache 5000; cache-age 2h; rescans 7; size-max 9M;\n"     \
	"  user off; replacement \"{name} is gone\"; subject \"[av] \";\n"     \
	"  quarantine 3d; }\n"                                                 \
	"class open { down open; unscannable pass; weight 7; }\nclass plain "  \
	"{ }\n"

static const struct config_class *
class_at(const struct config *c, size_t i)
{
	return (const struct config_class *)c->classes.v[i];
}

START_TEST(values)
{
	struct config *c = config_help_good(ALL CONFIG_REST, "values");
	const struct config_scan *scan = &c->scan;
	const struct config_scan_server *s = scan->servers.v;

	ck_assert_uint_eq(scan->servers.count, 3);
	ck_assert(s[0].tls && !s[1].tls && !s[2].tls);
	ck_assert_str_eq(s[0].host, "av.example.com");
	ck_assert_str_eq(s[1].host, "::1");
	ck_assert_uint_eq(s[0].port, 11344);
	ck_assert_uint_eq(s[1].port, 1345);
	ck_assert_uint_eq(s[2].port, 1344);
	ck_assert_str_eq(s[0].service, "avscan");
	ck_assert_str_eq(s[1].service, "a/b?c=d");
	ck_assert_uint_eq(s[0].weight, 3);
	ck_assert_uint_eq(s[1].weight, 0);
	ck_assert_uint_eq(s[2].weight, 1);
	ck_assert_str_eq(s[0].profile, "eset");
	ck_assert_ptr_null(s[1].profile);
	ck_assert_str_eq(scan->ca, "/ca.pem");
	ck_assert(scan->verify && scan->texts && !scan->user);
	ck_assert_int_eq(scan->method, 1);
	ck_assert_int_eq(scan->wait_ms, 5000);
	ck_assert_int_eq(scan->infected, CONFIG_INFECTED_CLEAN);
	ck_assert_int_eq(scan->down, CONFIG_DOWN_REJECT);
	ck_assert_int_eq(scan->unscannable, CONFIG_UNSCANNABLE_HOLD);
	ck_assert_uint_eq(scan->size_max, 9 << 20);
	ck_assert_str_eq(scan->replacement, "{name} is gone");
	ck_assert_int_eq(class_at(c, 0)->down, CONFIG_DOWN_OPEN);
	ck_assert_int_eq(class_at(c, 0)->unscannable, CONFIG_UNSCANNABLE_PASS);
	ck_assert_int_eq(class_at(c, 1)->down, -1);
	ck_assert_int_eq(class_at(c, 1)->unscannable, -1);
	config_destroy(&c);
}
END_TEST

START_TEST(defaults)
{
	struct config *c = config_help_good(CONFIG_REST, "defaults");
	const struct config_scan *scan = &c->scan;

	ck_assert_uint_eq(scan->servers.count, 0);
	ck_assert(scan->verify && scan->user && !scan->texts);
	ck_assert_int_eq(scan->wait_ms, 8000);
	ck_assert_int_eq(scan->infected, CONFIG_INFECTED_REJECT);
	ck_assert_int_eq(scan->down, CONFIG_DOWN_HOLD);
	ck_assert_int_eq(scan->unscannable, CONFIG_UNSCANNABLE_REJECT);
	ck_assert_uint_eq(scan->connections, 8);
	ck_assert_int_eq(scan->part_timeout_ms, 30000);
	ck_assert_int_eq(scan->message_timeout_ms, 120000);
	ck_assert_int_eq(scan->canary_ms, 600000);
	ck_assert_uint_eq(scan->cache, 100000);
	ck_assert_int_eq(scan->cache_age_ms, 86400000);
	ck_assert_uint_eq(scan->rescans, 20);
	ck_assert_uint_eq(scan->size_max, 0);
	ck_assert_ptr_null(scan->subject);
	ck_assert_int_eq(scan->quarantine_ms, INT64_C(40) * 86400000);
	config_destroy(&c);
}
END_TEST

/* show -> read -> show */
START_TEST(reads_back)
{
	struct config *c = config_help_good(ALL CONFIG_REST, "first");
	char *first = config_help_show(c), *second;

	ck_assert_ptr_nonnull(strstr(first, "server icap://[::1]:1345/a/b?c=d "
					    "weight 0;\n"));
	ck_assert_ptr_nonnull(strstr(first, "\tserver icaps://av.example.com:"
					    "11344/avscan weight 3 profile "
					    "eset;\n"));
	config_destroy(&c);
	c = config_help_good(first, "second");
	second = config_help_show(c);
	ck_assert_str_eq(first, second);
	config_destroy(&c);
	free(first);
	free(second);
}
END_TEST

#define PROFILES                                                             \
	"generic, squidclamav, c-icap, symantec, trend, mcafee, kaspersky, " \
	"sophos, eset, f-secure, opswat, fortinet, bitdefender, checkpoint"

static const struct {
	const char *label, *text, *want;
} rows[] = {
    {"nothing in it", "scan { }\n", ""},
    {"no server", "scan { infected clean; }\n",
     "t:1:1: warning: nothing is scanned: 'scan' has no 'server'\n"},
    {"another protocol", "scan { server http://av/x; }\n",
     "t:1:15: 'http://av/x' is no address of a scanner: write "
     "icaps://HOST/SERVICE, or icap://HOST:PORT/SERVICE\n"},
    {"no host", "scan { server icaps:///x; }\n",
     "t:1:15: 'icaps:///x' is no address of a scanner: write "
     "icaps://HOST/SERVICE, or icap://HOST:PORT/SERVICE\n"},
    {"no host but a port", "scan { server icaps://:1344/x; }\n",
     "t:1:15: 'icaps://:1344/x' is no address of a scanner: write "
     "icaps://HOST/SERVICE, or icap://HOST:PORT/SERVICE\n"},
    {"no service", "scan { server icaps://av; }\n",
     "t:1:15: behind the host of 'icaps://av' stands '/' and the service: 1 "
     "to 200 printable ASCII characters\n"},
    {"an empty service", "scan { server icaps://av/; }\n",
     "t:1:15: behind the host of 'icaps://av/' stands '/' and the service: 1 "
     "to 200 printable ASCII characters\n"},
    {"a blank in a service", "scan { server \"icaps://av/a b\"; }\n",
     "t:1:15: behind the host of 'icaps://av/a b' stands '/' and the "
     "service: 1 to 200 printable ASCII characters\n"},
    {"port 0", "scan { server icaps://av:0/x; }\n",
     "t:1:15: the port in 'icaps://av:0/x' is not one of 1 to 65535\n"},
    {"no port behind the colon", "scan { server icaps://av:/x; }\n",
     "t:1:15: the port in 'icaps://av:/x' is not one of 1 to 65535\n"},
    {"no port number", "scan { server icaps://av:x/x; }\n",
     "t:1:15: the port in 'icaps://av:x/x' is not one of 1 to 65535\n"},
    {"an IPv6 address without brackets", "scan { server icaps://::1/x; }\n",
     "t:1:15: 'icaps://::1/x' names no host: only letters, digits, '-' and "
     "'.' can stand in one; an IPv6 address stands in [ ]\n"},
    {"words behind it",
     "scan { server icaps://av/x weight 1001; server icaps://av/y heavy; "
     "server icaps://av/z weight; server icaps://av/w weight 1 weight 2; }\n",
     "t:1:35: it cannot be 1001: allowed is 0 to 1000\n"
     "t:1:61: behind the address 'weight NUMBER' and 'profile NAME' can "
     "stand, each once\n"
     "t:1:88: behind the address 'weight NUMBER' and 'profile NAME' can "
     "stand, each once\n"
     "t:1:125: behind the address 'weight NUMBER' and 'profile NAME' can "
     "stand, each once\n"},
    {"no such maker", "scan { server icaps://av/x profile kapsersky; }\n",
     "t:1:36: there is no profile 'kapsersky': there are " PROFILES
     ", did you mean 'kaspersky'?\n"},
    {"twice",
     "scan { server icaps://av/x;\n server icaps://AV:11344/x weight 2; }\n",
     "t:2:9: this server stands at t:1:15 already\n"},
    {"two services of one",
     "scan { server icaps://av/x; server icaps://av/y; "
     "}\n",
     ""},
    {"in the clear", "scan { server icap://av/x; }\n",
     "t:1:15: warning: attachments go to 'av' in the clear, and who is in "
     "between can call them clean: icaps is better\n"},
    {"in the clear on this host",
     "scan { server icap://127.0.0.1/x; server icap://localhost/x; }\n", ""},
    {"anybody's certificate", "scan { server icaps://av/x; verify off; }\n",
     "t:1:29: warning: with 'verify off' whoever answers in a scanner's place "
     "can call everything clean\n"},
    {"authorities for nothing", "scan { server icap://[::1]/x; ca /c; }\n",
     "t:1:31: warning: 'ca' does nothing here: no certificate is verified\n"},
    {"a part longer than its message",
     "scan { server icaps://av/x; part-timeout 3m; }\n",
     "t:1:29: one part would take longer than all of a message: "
     "'part-timeout' must be at most 'message-timeout'\n"},
    {"a message shorter than a part",
     "scan { server icaps://av/x; message-timeout 29s; }\n",
     "t:1:29: one part would take longer than all of a message: "
     "'part-timeout' must be at most 'message-timeout'\n"},
    {"a wait that clients do not take",
     "scan { server icaps://av/x; wait 26s; "
     "}\n",
     "t:1:34: 'wait' cannot be 26s: allowed is 100ms to 25s\n"},
    {"no such end", "scan { server icaps://av/x; infected bounce; }\n",
     "t:1:38: 'infected' is one of reject, quarantine, clean, discard, "
     "discard-silently; not 'bounce'\n"},
    {"a class's own", "class a { down opne; }\n",
     "t:1:16: 'down' is one of hold, open, reject; not 'opne', did you mean "
     "'open'?\n"},
};

START_TEST(mistakes)
{
	char text[1024], *got;
	struct config *c;

	snprintf(text, sizeof(text), "%s" CONFIG_REST, rows[_i].text);
	got = config_help_read(text, strlen(text), &c);
	ck_assert_msg(strcmp(got, rows[_i].want) == 0,
		      "%s:\n--- got\n%s--- want\n%s", rows[_i].label, got,
		      rows[_i].want);
	config_destroy(&c);
	free(got);
}
END_TEST

START_TEST(too_many)
{
	struct buf text = {.cap = 65536};
	struct config *c;
	char *got;

	buf_add_str(&text, "scan {\n");
	for (int i = 0; i < 17; i++)
		buf_printf(&text, "server icaps://av%d/x;\n", i);
	buf_add_str(&text, "}\n" CONFIG_REST);
	got = config_help_read(text.p, text.n, &c);
	ck_assert_str_eq(got, "t:18:1: more than 16 servers in one block\n");
	free(got);
	buf_fini(&text);
}
END_TEST

/* --- the plan --------------------------------------------------------------
 */

static struct scan_conf
planned(const char *text, struct arena *arena, struct config **c)
{
	static const struct dns_opts dns = {.servers = "127.0.0.1:53"};
	struct scan_conf conf;

	*c = config_help_good(text, "plan");
	plan_scan(&conf, *c, &dns, arena);
	return conf;
}

START_TEST(plan_of_a_file)
{
	struct arena *arena = arena_create(1024);
	struct config *c;
	struct scan_conf conf = planned(ALL CONFIG_REST, arena, &c);

	ck_assert_uint_eq(conf.server_count, 3);
	ck_assert_str_eq(conf.servers[1].host, "::1");
	ck_assert_uint_eq(conf.servers[1].port, 1345);
	ck_assert_str_eq(conf.servers[1].service, "a/b?c=d");
	ck_assert_uint_eq(conf.servers[0].weight, 3);
	ck_assert_str_eq(conf.servers[0].profile, "eset");
	ck_assert(conf.servers[0].tls && !conf.servers[2].tls);
	ck_assert_str_eq(conf.ca_file, "/ca.pem");
	ck_assert(conf.tls_verify && conf.reqmod && !conf.authenticated_user);
	ck_assert_uint_eq(conf.connection_max, 3);
	ck_assert_int_eq(conf.part_ms, 10000);
	ck_assert_int_eq(conf.message_ms, 20000);
	ck_assert_int_eq(conf.canary_ms, 60000);
	ck_assert_int_eq(conf.cache_age_s, 7200);
	ck_assert_uint_eq(conf.cache_max, 5000);
	ck_assert_uint_eq(conf.rescans_per_s, 7);
	ck_assert_uint_eq(conf.bytes_max, 9 << 20);
	ck_assert_str_eq(conf.dns.servers, "127.0.0.1:53");
	config_destroy(&c);
	conf = planned(CONFIG_REST, arena, &c);
	ck_assert_uint_eq(conf.server_count, 0);
	config_destroy(&c);
	arena_destroy(&arena);
}
END_TEST

/* What front and back are told; a class that says nothing says -1. */
START_TEST(plan_of_the_others)
{
	struct config *c = config_help_good(ALL CONFIG_REST, "others");
	struct sockets *sockets = sockets_create(3);
	struct plan plan;

	plan_make(&plan, c, c, sockets);
	ck_assert_int_eq(plan.front.scan_wait_ms, 5000);
	ck_assert_int_eq(plan.front.scan_down, SCAN_DOWN_REJECT);
	ck_assert_int_eq(plan.front.scan_unscannable, SCAN_UNSCANNABLE_HOLD);
	ck_assert_int_eq(plan.front.scan_infected, SCAN_INFECTED_CLEAN);
	ck_assert(plan.front.scan_text && plan.control.scan_texts);
	ck_assert_uint_eq(plan.front.class_count, 2);
	ck_assert_int_eq(plan.front.classes[0].scan_down, SCAN_DOWN_OPEN);
	ck_assert_int_eq(plan.front.classes[0].scan_unscannable,
			 SCAN_UNSCANNABLE_PASS);
	ck_assert_int_eq(plan.front.classes[1].scan_down, -1);
	ck_assert_int_eq(plan.front.classes[1].scan_unscannable, -1);
	ck_assert_uint_eq(plan.back.class_count, 2);
	ck_assert_str_eq(plan.back.classes[0].name, "open");
	ck_assert_uint_eq(plan.back.classes[0].weight, 7);
	ck_assert_uint_eq(plan.back.classes[1].weight, 1);
	ck_assert(plan.back.local_users == !c->auth.backend.dovecot);
	ck_assert_int_eq(plan.back.scan_infected, SCAN_INFECTED_CLEAN);
	ck_assert(plan.back.scan_text);
	ck_assert_str_eq(plan.back.scan_replacement, "{name} is gone");
	ck_assert_str_eq(plan.back.scan_subject, "[av] ");
	ck_assert_int_eq(plan.back.quarantine_s, 3 * 86400);
	ck_assert_uint_eq(plan.scan.server_count, 3);
	plan_fini(&plan);
	sockets_destroy(&sockets);
	config_destroy(&c);
}
END_TEST

/* Old verdicts must not count when they were come by in another way. */
START_TEST(policy_versions)
{
	static const char *const files[] = {
	    "scan { server icaps://av/x; }\n",
	    "scan { server icaps://av/x; method reqmod; }\n",
	    "scan { server icaps://av/x; size-max 1M; }\n",
	    "scan { server icaps://av/x profile eset; }\n",
	    "scan { server icaps://av/x; server icaps://b/x profile eset; }\n",
	};
	uint32_t seen[sizeof(files) / sizeof(files[0])];
	struct arena *arena = arena_create(1024);
	struct config *c;
	char text[1024];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(text, sizeof(text), "%s" CONFIG_REST, files[i]);
		seen[i] = planned(text, arena, &c).policy_version;
		config_destroy(&c);
		for (size_t j = 0; j < i; j++)
			ck_assert_msg(seen[i] != seen[j], "%s", files[i]);
	}
	/* and the same where it makes no difference */
	ck_assert_uint_eq(planned("scan { server icaps://av/x; wait 1s; canary "
				  "1m; }\n" CONFIG_REST,
				  arena, &c)
			      .policy_version,
			  seen[0]);
	config_destroy(&c);
	arena_destroy(&arena);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("gateway/config_scan");
	TCase *t = tcase_create("scan");
	SRunner *r;
	int failed;

	tcase_add_test(t, values);
	tcase_add_test(t, defaults);
	tcase_add_test(t, reads_back);
	tcase_add_loop_test(t, mistakes, 0,
			    (int)(sizeof(rows) / sizeof(rows[0])));
	tcase_add_test(t, too_many);
	tcase_add_test(t, plan_of_a_file);
	tcase_add_test(t, plan_of_the_others);
	tcase_add_test(t, policy_versions);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
