/* Good files: values, defaults, and that what is shown reads back. */
#include "gateway/config_table.h"
#include "tests/gateway/config_help.h"

#define EVERYTHING                                                             \
	"hostname Mail.Example.COM.; spool \"/var/lib/my spool\";\n"           \
	"control /run/s.sock; user sluice-1;\n"                                \
	"internal example.com Example.ORG;\ninternal example.net;\n"           \
	"tls { certificate /c.pem; key \"/k\\\"\\\\.pem\"; }\n"                \
	"listen a { address *:587; address [2001:db8::1]:588;\n"               \
	"  address 192.0.2.1:589; line-endings normalise;\n"                   \
	"  proxy 10.0.0.0/8 2001:db8::/32; proxy 192.0.2.9; }\n"               \
	"listen b { address *:465; tls implicit; }\n"                          \
	"listen c { address 127.0.0.1:25; tls none; insecure-auth on; }\n"     \
	"auth { backend dovecot /run/dovecot/auth-client;\n"                   \
	"  domain Example.com; workers 4; hash-queue 10; cache 0s;\n"          \
	"  failures 3; failure-window 1m; failure-block 2h;\n"                 \
	"  fail-delay 300ms; }\n"                                              \
	"relay hub { address Hub1.example.com:25 weight 2;\n"                  \
	"  address [2001:db8::2]:2525 priority 10;\n"                          \
	"  address 192.0.2.2:25 priority 5 weight 3; tls required;\n"          \
	"  verify on; ca /ca.pem; login \"bob smith\" password-file /p;\n"     \
	"  eightbit pass; connections 7; messages-per-connection 9;\n"         \
	"  source 192.0.2.3; timeout 2m; idle 1s; }\n"                         \
	"relay other { address localhost:10025; tls implicit; verify off; }\n" \
	"route a { domain a.example .B.example; domain c.example; via mx; }\n" \
	"route b { domain d.example; via \"maildir:/var/my mail\"; }\n"        \
	"route default { via hub; }\n"                                         \
	"retry { after 1s 1m30s 2h; expire 2d; delay-notice 0s; }\n"           \
	"connections 100; connections-per-address 7; message-size 64K;\n"      \
	"recipients 100; idle 90s; preauth 10s; min-rate 1;\n"                 \
	"resubmission off; resubmission-window 1h;\n"                          \
	"delivery-connections 3; threads 2; http off;\n"                       \
	"dns { resolver 127.0.0.1 [::1]:5353; resolver 2001:db8::53;\n"        \
	"      targets private loopback; second-opinion 192.0.2.53;\n"         \
	"      second-opinion [2001:db8::54]:53; check off;\n"                 \
	"      check-sender off; refuse-first 0; unverified defer; wait 1s;\n" \
	"      wait-message 2s; except Test home.arpa; in-flight 600;\n"       \
	"      in-flight-per-login 60; cache 5000; stale 2h; }\n"              \
	"mx { tls required; dane off; connections 3; source 192.0.2.7;\n"      \
	"     source bulk 192.0.2.8; source dsn 2001:db8::9;\n"                \
	"     messages-per-connection 4; timeout 2m; idle 0s; }\n"             \
	"log { to file \"/var/log/a#b\"; format json; level debug; }\n"        \
	"alert { mail root@example.com; exec /bin/page; }\n"                   \
	"observe on; from-binding domain; contact \"Bob, phone 1\";\n"         \
	"limit p { per credential; messages 30/m burst 40;\n"                  \
	"  recipients 400/h; recipients 60/10m; bytes 500M/d;\n"               \
	"  over pace 150% then hold; cred \"Bob S\" eve; class a b; }\n"       \
	"limit i { per ip; prefix 24 56; connections 10;\n"                    \
	"  failed-logins 5/m; over defer; observe on;\n"                       \
	"  except 10.0.0.0/8; replaces p; }\n"                                 \
	"class a { observe on; from-binding address; refuse-first 0;\n"        \
	"  unverified defer; down open; }\nclass b { unscannable hold; }\n"    \
	"scan { server icaps://av.example.com/avscan; infected clean;\n"       \
	"  server icap://127.0.0.1:1345/a weight 0; subject \"[av] \"; }\n"    \
	"limit d { per credential; dead-domains 20/10m; over hold; }\n"

START_TEST(everything)
{
	struct config *c = config_help_good(EVERYTHING, "everything");
	const struct config_listen *a = config_listen(c, 0);
	const struct config_relay *hub = config_relay_find(c, "hub");
	const struct config_route *route = config_route(c, 0);
	const struct config_class *class =
	    (const struct config_class *)c->classes.v[0];

	ck_assert_str_eq(c->hostname, "mail.example.com");
	ck_assert_str_eq(c->spool, "/var/lib/my spool");
	ck_assert_str_eq(c->tls.key, "/k\"\\.pem");
	ck_assert_uint_eq(c->internal.count, 3);
	ck_assert_str_eq(c->internal.v[1], "example.org");
	ck_assert_uint_eq(c->listens.count, 3);
	ck_assert_uint_eq(a->addresses.count, 3);
	ck_assert_uint_eq(a->addresses.v[1].port, 588);
	ck_assert_uint_eq(a->addresses.at[1].line, 6);
	ck_assert_int_eq(a->tls, CONFIG_STARTTLS);
	ck_assert_int_eq(a->line_endings, CONFIG_NORMALISE);
	ck_assert_uint_eq(a->proxy.count, 3);
	ck_assert_int_eq(config_listen(c, 1)->tls, CONFIG_IMPLICIT);
	ck_assert(config_listen(c, 2)->insecure_auth);
	ck_assert(c->auth.backend.dovecot);
	ck_assert_str_eq(c->auth.domain, "example.com");
	ck_assert_int_eq(c->auth.cache_ms, 0);
	ck_assert_int_eq(c->auth.fail_delay_ms, 300);
	ck_assert_uint_eq(hub->hosts.count, 3);
	ck_assert_str_eq(hub->hosts.v[0].name, "hub1.example.com");
	ck_assert_uint_eq(hub->hosts.v[0].weight, 2);
	ck_assert_str_eq(hub->hosts.v[1].name, "2001:db8::2");
	ck_assert_uint_eq(hub->hosts.v[1].port, 2525);
	ck_assert_uint_eq(hub->hosts.v[1].weight, 1);
	ck_assert_uint_eq(hub->hosts.v[2].weight, 3);
	ck_assert_uint_eq(hub->hosts.v[2].priority, 5);
	ck_assert_int_eq(hub->tls, CONFIG_RELAY_REQUIRED);
	ck_assert_str_eq(hub->login.name, "bob smith");
	ck_assert_ptr_null(hub->login.password);
	ck_assert(hub->source.set);
	ck_assert_int_eq(hub->eightbit, 1);
	ck_assert(!config_relay(c, 1)->verify);
	ck_assert_uint_eq(route->domains.count, 3);
	ck_assert_str_eq(route->domains.v[1], ".b.example");
	ck_assert_int_eq(route->via.kind, CONFIG_VIA_MX);
	ck_assert_str_eq(config_route(c, 1)->via.dir, "/var/my mail");
	ck_assert_str_eq(config_route(c, 2)->via.relay, "hub");
	ck_assert_uint_eq(c->retry.after.count, 3);
	ck_assert_int_eq(c->retry.after.v[1], 90000);
	ck_assert_uint_eq(c->message_size, 65536);
	ck_assert(!c->resubmission);
	ck_assert(!c->http.on);
	ck_assert_uint_eq(c->dns.resolvers.count, 3);
	ck_assert_uint_eq(c->dns.resolvers.v[0].port, 53);
	ck_assert_uint_eq(c->dns.resolvers.v[1].port, 5353);
	ck_assert_uint_eq(c->dns.targets,
			  CONFIG_TARGET_LOOPBACK | CONFIG_TARGET_PRIVATE);
	ck_assert_uint_eq(c->dns.second.count, 2);
	ck_assert(!c->dns.check && !c->dns.check_sender);
	ck_assert_uint_eq(c->dns.refuse_first, 0);
	ck_assert_int_eq(c->dns.unverified, CONFIG_UNVERIFIED_DEFER);
	ck_assert_int_eq(c->dns.wait_ms, 1000);
	ck_assert_int_eq(c->dns.wait_message_ms, 2000);
	ck_assert_uint_eq(c->dns.except.count, 2);
	ck_assert_str_eq(c->dns.except.v[0], "test");
	ck_assert_uint_eq(c->dns.in_flight, 600);
	ck_assert_uint_eq(c->dns.in_flight_per_login, 60);
	ck_assert_uint_eq(c->dns.cache, 5000);
	ck_assert_int_eq(c->dns.stale_ms, 7200000);
	ck_assert_int_eq(c->mx.tls, CONFIG_RELAY_REQUIRED);
	ck_assert(!c->mx.dane);
	ck_assert_uint_eq(c->mx.connections, 3);
	ck_assert_uint_eq(c->mx.messages_per_connection, 4);
	ck_assert(c->mx.sources.all.set);
	ck_assert(!c->mx.sources.lane[CONFIG_LANE_PERSONAL].set);
	ck_assert(c->mx.sources.lane[CONFIG_LANE_BULK].set);
	ck_assert(c->mx.sources.lane[CONFIG_LANE_DSN].set);
	ck_assert_int_eq(c->mx.timeout_ms, 120000);
	ck_assert_int_eq(c->mx.idle_ms, 0);
	ck_assert_int_eq(class->refuse_first, 0);
	ck_assert_int_eq(class->unverified, CONFIG_UNVERIFIED_DEFER);
	class = (const struct config_class *)c->classes.v[1];
	ck_assert_int_eq(class->refuse_first, -1);
	ck_assert_int_eq(class->unverified, -1);
	ck_assert_int_eq(c->log.to.target, LOG_TO_FILE);
	ck_assert_str_eq(c->log.to.path, "/var/log/a#b");
	ck_assert_int_eq(c->log.format, LOG_JSON);
	ck_assert_int_eq(c->log.level, GW_LOG_DEBUG);
	config_destroy(&c);
}
END_TEST

START_TEST(defaults)
{
	struct config *c = config_help_good(CONFIG_REST, "defaults");

	ck_assert_str_eq(c->spool, "/var/lib/sluice");
	ck_assert_ptr_null(c->user);
	ck_assert_uint_eq(c->connections, 10000);
	ck_assert_uint_eq(c->connections_per_address, 0);
	ck_assert_uint_eq(c->message_size, 25 << 20);
	ck_assert_uint_eq(c->recipients, 50000);
	ck_assert_int_eq(c->idle_ms, 300000);
	ck_assert_int_eq(c->preauth_ms, 30000);
	ck_assert_uint_eq(c->min_rate, 100);
	ck_assert(c->resubmission);
	ck_assert_int_eq(c->resubmission_window_ms, 86400000);
	ck_assert(c->http.on && ip_is_loopback(&c->http.addr.ip));
	ck_assert_uint_eq(c->retry.after.count, 4);
	ck_assert_int_eq(c->retry.expire_ms, 4 * 86400000);
	ck_assert_int_eq(c->log.to.target, LOG_TO_STDERR);
	ck_assert_int_eq(c->log.level, GW_LOG_INFO);
	ck_assert(c->dns.check && c->dns.check_sender);
	ck_assert_uint_eq(c->dns.refuse_first, 20);
	ck_assert_int_eq(c->dns.unverified, CONFIG_UNVERIFIED_ACCEPT);
	ck_assert_int_eq(c->dns.wait_ms, 3000);
	ck_assert_int_eq(c->dns.wait_message_ms, 6000);
	ck_assert_uint_eq(c->dns.targets, 0);
	ck_assert_uint_eq(c->dns.in_flight, 500);
	ck_assert_uint_eq(c->dns.in_flight_per_login, 100);
	ck_assert_uint_eq(c->dns.cache, 200000);
	ck_assert_int_eq(c->dns.stale_ms, 86400000);
	ck_assert_int_eq(c->mx.tls, CONFIG_RELAY_OPPORTUNISTIC);
	ck_assert(c->mx.dane && !c->mx.sources.all.set);
	ck_assert_int_eq(config_listen(c, 0)->tls, CONFIG_STARTTLS);
	config_destroy(&c);
}
END_TEST

static const struct {
	const char *label, *text;
} fixed[] = {
    {"defaults", CONFIG_REST},
    {"everything", EVERYTHING},
    {"a notice after a short end", "retry { expire 2s; }\n" CONFIG_REST},
    {"odd words", "spool \"/a;{}#\\\"\\\\ \\tb\"; log { to file \"/\xc3\xa4\"; "
		  "}\n" CONFIG_REST},
};

/* show -> read -> show changes nothing, and loses nothing of the first. */
START_TEST(fixed_point)
{
	struct config *c = config_help_good(fixed[_i].text, fixed[_i].label);
	char *first = config_help_show(c), *second;

	config_destroy(&c);
	c = config_help_good(first, fixed[_i].label);
	second = config_help_show(c);
	ck_assert_msg(strcmp(first, second) == 0, "%s:\n%s---\n%s",
		      fixed[_i].label, first, second);
	config_destroy(&c);
	free(first);
	free(second);
}
END_TEST

START_TEST(origins)
{
	struct config *c = config_help_good(EVERYTHING, "origins");
	struct buf out = {.cap = CONFIG_HELP_MAX};
	const char *text;

	config_show(c, &out, true);
	text = buf_cstr(&out);
	ck_assert(strstr(text, "idle 90s") == NULL);
	ck_assert(strstr(text, "idle 1m30s;\t# t:27:17\n") != NULL);
	ck_assert(strstr(text, "\ttls starttls;\t# default\n") != NULL);
	ck_assert(strstr(text, "password-file /p;\t# t:18:26, password "
			       "(hidden)\n") != NULL);
	buf_clear(&out);
	config_show_json(c, &out);
	text = buf_cstr(&out);
	ck_assert(strstr(text, "{\"directive\":\"listen.tls\",\"block\":\"b\","
			       "\"value\":\"implicit\",\"origin\":\"t:9:27\","
			       "\"waits_for_restart\":false}") != NULL);
	ck_assert(strstr(text, "\"password\":\"(hidden)\"") != NULL);
	buf_fini(&out);
	config_destroy(&c);
}
END_TEST

START_TEST(restart)
{
	struct config *old = config_help_good(CONFIG_REST, "old");
	struct config *next = config_help_good(
	    "idle 1m; threads 5;\nspool /elsewhere;\n" CONFIG_REST, "next");
	struct buf lines = {.cap = 65536}, out = {.cap = 65536};

	ck_assert_uint_eq(config_mark_restart(old, next, &lines), 2);
	ck_assert_str_eq(buf_cstr(&lines),
			 "t:2:1: 'spool' changes with a restart only\n"
			 "t:1:10: 'threads' changes with a restart only\n");
	config_show(next, &out, true);
	ck_assert(strstr(buf_cstr(&out), "threads 5;\t# t:1:10, waits for a "
					 "restart\n") != NULL);
	ck_assert(strstr(buf_cstr(&out), "idle 1m;\t# t:1:1\n") != NULL);
	buf_clear(&lines);
	config_destroy(&next);
	next = config_help_good(CONFIG_REST, "same");
	ck_assert_uint_eq(config_mark_restart(old, next, &lines), 0);
	config_destroy(&next);
	config_destroy(&old);
	buf_fini(&lines);
	buf_fini(&out);
}
END_TEST

/* Cut at each byte, then with each byte replaced: no crash, and never both a
 * configuration and errors (config_help_read). Of comments, which are most of
 * the file, at some bytes. */
START_TEST(truncated)
{
	char *text = config_help_file("gateway.conf");
	size_t n = strlen(text);
	bool comment = false;
	struct config *c;

	for (size_t cut = 0; cut <= n; cut++) {
		char *copy;

		if (cut > 0 && text[cut - 1] == '#')
			comment = true;
		else if (cut > 0 && text[cut - 1] == '\n')
			comment = false;
		if (comment && cut % 16 != 0)
			continue;
		copy = malloc(cut > 0 ? cut : 1);
		memcpy(copy, text, cut);
		free(config_help_read(copy, cut, &c));
		ck_assert_msg(cut < n || c != NULL, "the shipped file");
		config_destroy(&c);
		free(copy);
	}
	free(text);
}
END_TEST

START_TEST(broken)
{
	static const char with[] = {'{', '}', ';', '"', '\\', '\n', '\0', '#'};
	char text[] = EVERYTHING;
	struct config *c;

	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		char was = text[i];

		for (size_t j = 0; j < sizeof(with); j++) {
			text[i] = with[j];
			free(config_help_read(text, sizeof(text) - 1, &c));
			config_destroy(&c);
		}
		text[i] = was;
	}
}
END_TEST

START_TEST(line_ends)
{
	struct config *c = config_help_good("\xef\xbb\xbfidle 1m;\r\nlog {\r\n "
					    "level warn;\r\n}\r\n" CONFIG_REST,
					    "CRLF and a byte order mark");

	ck_assert_int_eq(c->idle_ms, 60000);
	ck_assert_int_eq(c->log.level, GW_LOG_WARN);
	config_destroy(&c);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("gateway/config_values");
	TCase *t = tcase_create("values");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 240);
	tcase_add_test(t, everything);
	tcase_add_test(t, defaults);
	tcase_add_loop_test(t, fixed_point, 0,
			    (int)(sizeof(fixed) / sizeof(fixed[0])));
	tcase_add_test(t, origins);
	tcase_add_test(t, restart);
	tcase_add_test(t, truncated);
	tcase_add_test(t, broken);
	tcase_add_test(t, line_ends);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
