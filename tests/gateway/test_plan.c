/* What policy/limits is told of a file: the words of one in those of the
 * other, and nothing of a file that says nothing. */
#include "gateway/base/arena.h"
#include "gateway/plan.h"
#include "tests/gateway/config_help.h"

#define TEXT                                                                   \
	"observe on; internal a.example;\n"                                    \
	"limit one { per credential-ip; prefix 24 56; connections 3;\n"        \
	"  new-connections 30/m; bytes 1M/h; internal-recipients 9/d;\n"       \
	"  recipients 400/h; recipients 60/10m; messages 30/m burst 40;\n"     \
	"  all-recipients 7/s; over reject; observe on; class x y;\n"          \
	"  cred Bob@Example.com alice \"Carl@other.example\"; replaces two;\n" \
	"  except 10.0.0.0/8; }\n"                                             \
	"limit two { per ip; failed-logins 5/m; over defer; }\n"               \
	"limit three { per site; messages 1/h; over pace 120% then hold; }\n"  \
	"limit four { per credential; messages 1/h; }\n"                       \
	"limit five { per credential; dead-domains 20/10m; }\n"                \
	"class x { observe on; }\nclass y { from-binding off; }\n"             \
	"class z { observe on; }\n"                                            \
	"hostname h.example; tls { certificate /c; key /k; }\n"                \
	"listen l { address 127.0.0.1:2587; }\n"                               \
	"auth { backend local; domain example.com; }\n"                        \
	"route default { via mx; }\n"

static struct config *config;
static struct limits_conf conf;
static struct arena *arena;

static void
make(const char *text)
{
	config = config_help_good(text, "plan");
	arena = arena_create(1024);
	plan_limits(&conf, config, config->auth.domain, arena);
}

static void
end(void)
{
	arena_destroy(&arena);
	config_destroy(&config);
}

static const struct limit_rate want[] = {
    {LIMIT_MESSAGES, 30, 60000, 40},
    {LIMIT_RECIPIENTS, 400, 3600000, 0},
    {LIMIT_RECIPIENTS, 60, 600000, 0},
    {LIMIT_INTERNAL_RECIPIENTS, 9, 86400000, 0},
    {LIMIT_ALL_RECIPIENTS, 7, 1000, 0},
    {LIMIT_BYTES, 1 << 20, 3600000, 0},
    {LIMIT_CONNECTIONS, 3, 0, 0},
    {LIMIT_NEW_CONNECTIONS, 30, 60000, 0},
};

START_TEST(all_rates)
{
	const struct limit_conf *l;

	make(TEXT);
	ck_assert_uint_eq(conf.limit_count, 5);
	l = &conf.limits[0];
	ck_assert_uint_eq(l->rate_count, sizeof(want) / sizeof(want[0]));
	for (size_t i = 0; i < l->rate_count; i++) {
		ck_assert_int_eq(l->rates[i].counted, want[i].counted);
		ck_assert_uint_eq(l->rates[i].limit, want[i].limit);
		ck_assert_int_eq(l->rates[i].period_ms, want[i].period_ms);
		ck_assert_uint_eq(l->rates[i].burst, want[i].burst);
	}
	l = &conf.limits[1];
	ck_assert_uint_eq(l->rate_count, 1);
	ck_assert_int_eq(l->rates[0].counted, LIMIT_FAILED_LOGINS);
	l = &conf.limits[4];
	ck_assert_uint_eq(l->rate_count, 1);
	ck_assert_int_eq(l->rates[0].counted, LIMIT_DEAD_DOMAINS);
	ck_assert_int_eq(l->over, LIMIT_HOLD);
	end();
}
END_TEST

START_TEST(whom)
{
	const struct limit_conf *l;

	make(TEXT);
	l = &conf.limits[0];
	ck_assert_str_eq(l->name, "one");
	ck_assert_int_eq(l->per, LIMIT_CRED_IP);
	ck_assert_uint_eq(l->bits4, 24);
	ck_assert_uint_eq(l->bits6, 56);
	ck_assert(l->observe);
	ck_assert_uint_eq(l->class_count, 2);
	ck_assert_str_eq(l->classes[1], "y");
	/* as auth gives them, whatever they were written with */
	ck_assert_uint_eq(l->cred_count, 3);
	ck_assert_str_eq(l->creds[0], "bob");
	ck_assert_str_eq(l->creds[1], "alice");
	ck_assert_str_eq(l->creds[2], "carl@other.example");
	ck_assert_uint_eq(l->replace_count, 1);
	ck_assert_str_eq(l->replaces[0], "two");
	ck_assert_uint_eq(l->except_count, 1);
	ck_assert_int_eq(conf.limits[1].per, LIMIT_IP);
	ck_assert_uint_eq(conf.limits[1].bits4, 32);
	ck_assert_uint_eq(conf.limits[1].bits6, 64);
	ck_assert_int_eq(conf.limits[2].per, LIMIT_SITE);
	ck_assert_int_eq(conf.limits[3].per, LIMIT_CRED);
	ck_assert(!conf.limits[3].observe);
	end();
}
END_TEST

/* A reload that changes auth's domain: logins stay as they are made. */
START_TEST(other_domain)
{
	make(TEXT);
	plan_limits(&conf, config, "other.example", arena);
	ck_assert_str_eq(conf.limits[0].creds[0], "bob@example.com");
	ck_assert_str_eq(conf.limits[0].creds[2], "carl");
	plan_limits(&conf, config, NULL, arena);
	ck_assert_str_eq(conf.limits[0].creds[2], "carl@other.example");
	end();
}
END_TEST

START_TEST(beyond)
{
	static const struct {
		enum limit_action over, then;
		unsigned percent;
	} rows[] = {
	    {LIMIT_REJECT, LIMIT_PASS, 0},
	    {LIMIT_DEFER, LIMIT_PASS, 0},
	    {LIMIT_PACE, LIMIT_HOLD, 120},
	    {LIMIT_PACE, LIMIT_DEFER, 150},
	};

	make(TEXT);
	for (size_t i = 0; i < 4; i++) {
		ck_assert_int_eq(conf.limits[i].over, rows[i].over);
		ck_assert_int_eq(conf.limits[i].then, rows[i].then);
		ck_assert_uint_eq(conf.limits[i].pace_percent, rows[i].percent);
	}
	ck_assert(conf.observe);
	ck_assert_uint_eq(conf.observe_class_count, 2);
	ck_assert_str_eq(conf.observe_classes[0], "x");
	ck_assert_str_eq(conf.observe_classes[1], "z");
	end();
}
END_TEST

/* --- domains --------------------------------------------------------------
 */

START_TEST(domains_of_a_file)
{
	static const char *const exempt[] = {"ours.example", ".b.example",
					     "example.com", "a.example",
					     ".c.example"};
	struct config *c = config_help_good(
	    "internal ours.example .b.example;\n"
	    "route a { domain a.example .c.example; via mx; }\n"
	    "dns { resolver 127.0.0.1:5353 2001:db8::1; second-opinion "
	    "192.0.2.53;\n"
	    "  refuse-first 7; targets private; in-flight 50; stale 2m;\n"
	    "  in-flight-per-login 9; cache 1000; except test; }\n"
	    "class x { refuse-first 0; unverified defer; }\nclass y { }\n"
	    "mx { tls required; dane off; source 192.0.2.7;\n"
	    "  source bulk 192.0.2.8; connections 3; }\n" CONFIG_REST,
	    "domains");
	struct arena *a = arena_create(1024);
	struct plan_dns plan = {.asks = false};
	struct domains_conf *d = &plan.names.domains;
	struct back_hop mx = plan_mx(c);

	plan_dns(&plan, c, "example.com", a);
	ck_assert_str_eq(plan.resolver.servers,
			 "127.0.0.1:5353,[2001:db8::1]:53");
	ck_assert_str_eq(plan.resolver.second, "192.0.2.53:53");
	ck_assert_uint_eq(plan.resolver.inflight_max, 50);
	ck_assert(plan.asks);
	ck_assert_uint_eq(plan.names.cache.domain_max, 1000);
	ck_assert_int_eq(plan.names.cache.stale_s, 120);
	ck_assert(plan.names.cache.private && !plan.names.cache.loopback);
	ck_assert_uint_eq(plan.names.cache.cred_max, 9);
	ck_assert_str_eq(plan.names.cache.self, "mail.example.com");
	ck_assert_uint_eq(plan.names.cache.except_count, 1);
	ck_assert(d->check && d->check_sender);
	ck_assert_uint_eq(d->refuse_first, 7);
	ck_assert_int_eq(d->unverified, UNVERIFIED_ACCEPT);
	ck_assert_uint_eq(d->class_count, 2);
	ck_assert_int_eq(d->classes[0].refuse_first, 0);
	ck_assert_int_eq(d->classes[0].unverified, UNVERIFIED_DEFER);
	ck_assert_int_eq(d->classes[1].refuse_first, -1);
	ck_assert_int_eq(d->classes[1].unverified, -1);
	ck_assert_uint_eq(d->exempt_count, 5);
	for (size_t i = 0; i < 5; i++)
		ck_assert_str_eq(d->exempt[i], exempt[i]);
	ck_assert_int_eq(mx.kind, BACK_MX);
	ck_assert_int_eq(mx.tls, BACK_TLS_REQUIRED);
	ck_assert(!mx.tls_verify && !mx.dane);
	ck_assert(mx.mx_private && !mx.mx_loopback);
	ck_assert_uint_eq(mx.connection_max, 3);
	ck_assert_ptr_nonnull(mx.source);
	ck_assert_ptr_nonnull(mx.lane_source[LANE_BULK]);
	ck_assert_ptr_null(mx.lane_source[LANE_PERSONAL]);
	arena_destroy(&a);
	config_destroy(&c);
}
END_TEST

START_TEST(who_asks)
{
	static const struct {
		const char *text;
		bool check, sender, asks;
	} rows[] = {
	    {CONFIG_REST, true, true, true}, /* via mx */
	    {"dns { check off; }\n" CONFIG_REST, false, false, true},
	    {"dns { check-sender off; }\n" CONFIG_REST, true, false, true},
	    {"dns { check off; }\nhostname h.example;\n"
	     "tls { certificate /c; key /k; }\n"
	     "listen l { address 127.0.0.1:2587; }\nauth { backend local; }\n"
	     "route default { via maildir:/d; }\n",
	     false, false, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config *c = config_help_good(rows[i].text, "who asks");
		struct arena *a = arena_create(1024);
		struct plan_dns plan;

		plan_dns(&plan, c, NULL, a);
		ck_assert(plan.names.domains.check == rows[i].check);
		ck_assert(plan.names.domains.check_sender == rows[i].sender);
		ck_assert(plan.asks == rows[i].asks);
		ck_assert_ptr_null(plan.resolver.servers);
		ck_assert_ptr_null(plan.resolver.second);
		arena_destroy(&a);
		config_destroy(&c);
	}
}
END_TEST

/* --- mass mailings --- */

START_TEST(mailings)
{
	struct config *c = config_help_good(
	    "bulk { when recipients 50 same-body 100/10m; headers on; "
	    "rate 500/30m; connections 4; site-rate 1200/h; "
	    "site-connections 2; per-connection 10; reserved 60%; lookups 9; "
	    "retry 1m 2m; expire 2h; preflight off; stop bounces 9% "
	    "complaints 0.5%; warn bounces 3%; stop-min 50; guard 7; "
	    "warm-up 5 6; warm-up-from 2026-03-01; keep 10d; }\n" CONFIG_REST,
	    "mailings");
	struct arena *a = arena_create(1024);
	struct campaigns_conf campaigns;
	struct back_bulk bulk = {.own_hop = false};

	plan_campaigns(&campaigns, c);
	ck_assert_uint_eq(campaigns.recipients, 50);
	ck_assert_uint_eq(campaigns.same, 100);
	ck_assert_int_eq(campaigns.same_s, 600);
	ck_assert(campaigns.headers);
	ck_assert_uint_eq(campaigns.rate_per_h, 1000);
	ck_assert_uint_eq(campaigns.connections, 4);
	ck_assert_uint_eq(campaigns.stop_bounced, 90);
	ck_assert_uint_eq(campaigns.warn_bounced, 30);
	ck_assert_uint_eq(campaigns.stop_complaints, 5);
	ck_assert_uint_eq(campaigns.stop_min, 50);
	ck_assert_int_eq(campaigns.keep_s, 864000);
	plan_bulk(&bulk, c, a);
	ck_assert_uint_eq(bulk.retry_count, 2);
	ck_assert_int_eq(bulk.retry_s[1], 120);
	ck_assert_int_eq(bulk.expire_s, 7200);
	ck_assert_uint_eq(bulk.reserved, 60);
	ck_assert_uint_eq(bulk.lookups, 9);
	ck_assert_uint_eq(bulk.site.connections, 2);
	ck_assert_uint_eq(bulk.site.per_connection, 10);
	ck_assert_uint_eq(bulk.site.per_minute, 20);
	ck_assert_uint_eq(bulk.warmup_days, 2);
	ck_assert_uint_eq(bulk.warmup[1], 6);
	ck_assert_int_eq(bulk.warmup_since_wall_s, 1772323200);
	ck_assert_uint_eq(bulk.guard, 7);
	ck_assert(!bulk.preflight);
	arena_destroy(&a);
	config_destroy(&c);
}
END_TEST

START_TEST(who_is_bulk)
{
	static const struct {
		const char *text;
		bool bulk, hop;
	} rows[] = {
	    {"", false, false},
	    {"bulk { }", false, false},
	    {"bulk { rate 5/h; via mx; }", false, true},
	    {"bulk { headers on; }", true, false},
	    {"bulk { when recipients 5; }", true, false},
	    {"bulk { when recipients 0; }", false, false},
	    {"bulk { when same-body 5; }", true, false},
	    {"bulk { suffix bulk; }", true, false},
	    {"class news { bulk on; }", true, false},
	    {"class news { confirm on; }", false, false},
	    {"listen m { address 127.0.0.1:2588; bulk on; }", true, false},
	    {"limit l { per credential; messages 5/h; over bulk; }", true,
	     false},
	    {"limit l { per site; messages 5/h; over pace 120% then bulk; }",
	     true, false},
	    {"limit l { per credential; messages 5/h; over hold; }", false,
	     false},
	    {"relay hub { address h.example:25; } bulk { via hub; }", false,
	     true},
	};
	char text[1024];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config *c;

		snprintf(text, sizeof(text), "%s\n%s", rows[i].text,
			 CONFIG_REST);
		c = config_help_good(text, rows[i].text);
		ck_assert_msg(config_has_bulk(c) == rows[i].bulk, "%s",
			      rows[i].text);
		ck_assert_msg(plan_has_bulk_hop(c) == rows[i].hop, "%s",
			      rows[i].text);
		config_destroy(&c);
	}
}
END_TEST

START_TEST(nothing)
{
	make(CONFIG_REST);
	ck_assert_uint_eq(conf.limit_count, 0);
	ck_assert_uint_eq(conf.observe_class_count, 0);
	ck_assert(!conf.observe);
	end();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("gateway/plan");
	TCase *t = tcase_create("plan");
	SRunner *r;
	int failed;

	tcase_add_test(t, all_rates);
	tcase_add_test(t, whom);
	tcase_add_test(t, other_domain);
	tcase_add_test(t, beyond);
	tcase_add_test(t, domains_of_a_file);
	tcase_add_test(t, who_asks);
	tcase_add_test(t, mailings);
	tcase_add_test(t, who_is_bulk);
	tcase_add_test(t, nothing);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
