/*
 * `limit`, `class`, `observe`, `from-binding`, `contact`: what is read, how it
 * is shown, and every error at its place.
 */
#include "policy/limits.h"
#include "tests/gateway/config_help.h"

static const struct config_limit *
limit_at(const struct config *c, size_t i)
{
	ck_assert_uint_lt(i, c->limits.count);
	return (const struct config_limit *)c->limits.v[i];
}

/* --- rates --- */

static const struct {
	const char *label, *text, *shown;
	uint64_t limit;
	int64_t period_ms;
	uint64_t burst;
} rates[] = {
    {"an hour", "recipients 400/h", "recipients 400/h", 400, 3600000, 0},
    {"a minute", "recipients 1/m", "recipients 1/m", 1, 60000, 0},
    {"a second", "recipients 7/s", "recipients 7/s", 7, 1000, 0},
    {"a day", "recipients 1000/d", "recipients 1000/d", 1000, 86400000, 0},
    {"ten minutes", "recipients 60/10m", "recipients 60/10m", 60, 600000, 0},
    {"one, written out", "recipients 400/1h", "recipients 400/h", 400, 3600000,
     0},
    {"in another unit", "recipients 400/60m", "recipients 400/h", 400, 3600000,
     0},
    {"parts", "recipients 5/1h30m", "recipients 5/1h30m", 5, 5400000, 0},
    {"eleven days", "recipients 5/11d", "recipients 5/11d", 5, 950400000, 0},
    {"the longest", "recipients 5/31d", "recipients 5/31d", 5, 2678400000, 0},
    {"milliseconds", "recipients 5/1500ms", "recipients 5/1s500ms", 5, 1500, 0},
    {"the most", "recipients 1000000000/s", "recipients 1000000000/s",
     1000000000, 1000, 0},
    {"with a burst", "recipients 30/m burst 40", "recipients 30/m burst 40", 30,
     60000, 40},
    {"a burst below the rate", "recipients 30/m burst 1",
     "recipients 30/m burst 1", 30, 60000, 1},
    {"the fastest with a burst", "recipients 1000/s burst 5",
     "recipients 1000/s burst 5", 1000, 1000, 5},
};

START_TEST(rate)
{
	char text[1024], want[256];
	struct config *c;
	const struct config_rates *r;
	char *shown;

	snprintf(text, sizeof(text), "limit a { per credential; %s; }\n%s",
		 rates[_i].text, CONFIG_REST);
	c = config_help_good(text, rates[_i].label);
	r = &limit_at(c, 0)->recipients;
	ck_assert_uint_eq(r->count, 1);
	ck_assert_uint_eq(r->v[0].limit, rates[_i].limit);
	ck_assert_int_eq(r->v[0].period_ms, rates[_i].period_ms);
	ck_assert_uint_eq(r->v[0].burst, rates[_i].burst);
	shown = config_help_show(c);
	snprintf(want, sizeof(want), "\t%s;\n", rates[_i].shown);
	ck_assert_msg(strstr(shown, want) != NULL, "%s: %s", rates[_i].label,
		      shown);
	free(shown);
	config_destroy(&c);
}
END_TEST

/* --- over --- */

static const struct {
	const char *text, *shown;
	int action, then;
	unsigned percent;
} overs[] = {
    {"", "pace 150% then defer", LIMIT_PACE, LIMIT_DEFER, 150},
    {"over pace;", "pace 150% then defer", LIMIT_PACE, LIMIT_DEFER, 150},
    {"over pace 101%;", "pace 101% then defer", LIMIT_PACE, LIMIT_DEFER, 101},
    {"over pace then hold;", "pace 150% then hold", LIMIT_PACE, LIMIT_HOLD,
     150},
    {"over pace 1000% then reject;", "pace 1000% then reject", LIMIT_PACE,
     LIMIT_REJECT, 1000},
    {"over pace 200% then bulk;", "pace 200% then bulk", LIMIT_PACE, LIMIT_BULK,
     200},
    {"over bulk;", "bulk", LIMIT_BULK, LIMIT_PASS, 0},
    {"over hold;", "hold", LIMIT_HOLD, LIMIT_PASS, 0},
    {"over defer;", "defer", LIMIT_DEFER, LIMIT_PASS, 0},
    {"over reject;", "reject", LIMIT_REJECT, LIMIT_PASS, 0},
};

START_TEST(over)
{
	char text[1024], want[256];
	const struct config_over *o;
	struct config *c;
	char *shown;

	snprintf(text, sizeof(text),
		 "limit a { per site; messages 1/h; %s }\n%s", overs[_i].text,
		 CONFIG_REST);
	c = config_help_good(text, overs[_i].text);
	o = &limit_at(c, 0)->over;
	ck_assert_int_eq(o->action, overs[_i].action);
	ck_assert_int_eq(o->then, overs[_i].then);
	ck_assert_uint_eq(o->percent, overs[_i].percent);
	shown = config_help_show(c);
	snprintf(want, sizeof(want), "\tover %s;\n", overs[_i].shown);
	ck_assert_msg(strstr(shown, want) != NULL, "%s", shown);
	free(shown);
	config_destroy(&c);
}
END_TEST

/* --- whole blocks --- */

START_TEST(blocks)
{
	struct config *c = config_help_good(
	    "contact \"help desk\"; from-binding domain; internal a .b;\n"
	    "limit site { per site; bytes 1G/d; bytes 10M/10m; }\n"
	    "limit addr { per credential-ip; prefix 24 56; except 10.0.0.0/8;\n"
	    "  except ::1; messages 1/h; class one two; class three;\n"
	    "  cred \" Bob \" \"\xc3\x84nne\"; replaces site; observe on;\n"
	    "  internal-recipients 1/h; all-recipients 2/h; }\n"
	    "limit door { per ip; connections 10; new-connections 30/m;\n"
	    "  failed-logins 5/m; }\n"
	    "class one { observe on; }\n"
	    "class two { from-binding off; }\n" CONFIG_REST,
	    "blocks");
	const struct config_limit *l = limit_at(c, 1);
	const struct config_class *one = (void *)c->classes.v[0];
	const struct config_class *two = (void *)c->classes.v[1];

	ck_assert_str_eq(c->contact, "help desk");
	ck_assert_int_eq(c->binding, CONFIG_BINDING_DOMAIN);
	ck_assert(!c->observe);
	ck_assert_str_eq(c->internal.v[1], ".b");
	ck_assert_int_eq(limit_at(c, 0)->per, LIMIT_SITE);
	ck_assert_uint_eq(limit_at(c, 0)->bytes.count, 2);
	ck_assert_uint_eq(limit_at(c, 0)->bytes.v[0].limit, 1 << 30);
	ck_assert_int_eq(l->per, LIMIT_CRED_IP);
	ck_assert_uint_eq(l->prefix.v4, 24);
	ck_assert_uint_eq(l->prefix.v6, 56);
	ck_assert_uint_eq(l->except.count, 2);
	ck_assert_uint_eq(l->classes.count, 3);
	ck_assert_uint_eq(l->creds.count, 2);
	ck_assert_str_eq(l->creds.v[0], "bob");
	ck_assert_str_eq(l->creds.v[1], "\xc3\xa4nne");
	ck_assert_uint_eq(l->replaces.count, 1);
	ck_assert(l->observe);
	ck_assert_uint_eq(l->internal_recipients.v[0].limit, 1);
	ck_assert_uint_eq(l->all_recipients.v[0].limit, 2);
	l = limit_at(c, 2);
	ck_assert_uint_eq(l->prefix.v4, 32);
	ck_assert_uint_eq(l->prefix.v6, 64);
	ck_assert_uint_eq(l->connections.v[0].limit, 10);
	ck_assert_int_eq(l->connections.v[0].period_ms, 0);
	/* nothing was said, and a connection cannot be paced */
	ck_assert_int_eq(l->over.action, LIMIT_DEFER);
	ck_assert(one->observe);
	ck_assert_int_eq(one->binding, -1);
	ck_assert(!two->observe);
	ck_assert_int_eq(two->binding, CONFIG_BINDING_OFF);
	config_destroy(&c);
}
END_TEST

/* A file that says nothing of limits limits nothing. */
START_TEST(silent)
{
	struct config *c = config_help_good(CONFIG_REST, "silent");
	char *shown = config_help_show(c);

	ck_assert_uint_eq(c->limits.count, 0);
	ck_assert_uint_eq(c->classes.count, 0);
	ck_assert(!c->observe);
	ck_assert_int_eq(c->binding, CONFIG_BINDING_OFF);
	ck_assert_ptr_null(c->contact);
	ck_assert(strstr(shown, "limit") == NULL);
	ck_assert(strstr(shown, "contact") == NULL);
	free(shown);
	config_destroy(&c);
}
END_TEST

static const char *const fixed[] = {
    "limit a { per ip; connections 10; }\nclass x { }\n" CONFIG_REST,
    "contact \"a \\\"b\\\" {c}; #\"; observe on; from-binding address;\n"
    "limit a { per credential; messages 30/m burst 40; messages 1/1d1s;\n"
    " bytes 1048577/h; bytes 2048K/31d; cred \"a b\" \"{;}\"; cred c;\n"
    " over pace then bulk; }\n"
    "limit b { per credential-ip; prefix 1 128; recipients 3/h; except ::/0;\n"
    " class k; replaces a; observe on; over hold; }\n"
    "class k { from-binding off; }\n" CONFIG_REST,
};

START_TEST(fixed_point)
{
	struct config *c = config_help_good(fixed[_i], "fixed point");
	char *first = config_help_show(c), *second;

	config_destroy(&c);
	c = config_help_good(first, "as shown");
	second = config_help_show(c);
	ck_assert_str_eq(first, second);
	config_destroy(&c);
	free(first);
	free(second);
}
END_TEST

START_TEST(json)
{
	static const char *const want[] = {
	    "{\"directive\":\"limit.recipients\",\"block\":\"a\",\"value\":"
	    "\"60/10m\",\"origin\":\"t:2:2\",\"waits_for_restart\":false}",
	    "{\"directive\":\"limit.over\",\"block\":\"a\",\"value\":"
	    "\"pace 150% then hold\",\"origin\":\"t:3:2\","
	    "\"waits_for_restart\":false}",
	    "{\"directive\":\"class.observe\",\"block\":\"x\",\"value\":\"on\"",
	    "{\"directive\":\"class.weight\",\"block\":\"x\",\"value\":\"3\"",
	    "{\"directive\":\"contact\",\"block\":null,\"value\":"
	    "\"\\\"a b\\\"\"",
	};
	struct config *c = config_help_good(
	    "limit a { per credential; recipients 400/h;\n"
	    " recipients 60/10m;\n over pace then hold; }\n"
	    "class x { observe on; weight 3; } contact \"a b\";\n" CONFIG_REST,
	    "json");
	struct buf out = {.cap = CONFIG_HELP_MAX};

	config_show_json(c, &out);
	/* all of a list come from where its first stands */
	ck_assert(strstr(buf_cstr(&out), "\"value\":\"400/h\"") != NULL);
	for (size_t i = 1; i < sizeof(want) / sizeof(want[0]); i++)
		ck_assert_msg(strstr(buf_cstr(&out), want[i]) != NULL,
			      "%s\nnot in\n%s", want[i], buf_cstr(&out));
	buf_fini(&out);
	config_destroy(&c);
}
END_TEST

/* --- what is wrong --- */

#define RATES_OF_20                                                            \
	"messages 1/20s; messages 1/21s; messages 1/22s; messages 1/23s; "     \
	"messages 1/24s; messages 1/25s; messages 1/26s; messages 1/27s; "     \
	"messages 1/28s; messages 1/29s; recipients 1/20s; recipients 1/21s; " \
	"recipients 1/22s; recipients 1/23s; recipients 1/24s; "               \
	"recipients 1/25s; recipients 1/26s; recipients 1/27s; "               \
	"recipients 1/28s; recipients 1/29s; "

struct row {
	const char *label, *text, *want;
};

static const struct row rows[] = {
    {"no per", "limit a { messages 1/h; }\n",
     "t:1:1: 'limit a' has no 'per'\n"},
    {"another per", "limit a { per user; messages 1/h; }\n",
     "t:1:15: 'per' is one of credential, ip, credential-ip, site; not "
     "'user'\n"},
    {"no rate", "limit a { per ip; }\n",
     "t:1:1: 'limit a' limits nothing: it needs 'messages', 'recipients', "
     "'connections' or another rate\n"},
    {"the same name",
     "limit a { per ip; messages 1/h; }\nlimit a { per ip; bytes 1M/h; }\n",
     "t:2:7: a second 'limit a'; the first is at t:1:7\n"},

    {"no period", "limit a { per ip; messages 30; }\n",
     "t:1:28: '30' has no period with a unit: write 400/h, 60/10m or "
     "1000/d\n"},
    {"no period behind the slash", "limit a { per ip; messages 30/; }\n",
     "t:1:28: '30/' has no period with a unit: write 400/h, 60/10m or "
     "1000/d\n"},
    {"a period without a unit", "limit a { per ip; messages 30/10; }\n",
     "t:1:28: '30/10' has no period with a unit: write 400/h, 60/10m or "
     "1000/d\n"},
    {"another unit", "limit a { per ip; messages 30/hour; }\n",
     "t:1:28: '30/hour' has no period with a unit: write 400/h, 60/10m or "
     "1000/d\n"},
    {"units the wrong way", "limit a { per ip; bytes 1M/5m1h; }\n",
     "t:1:25: '1M/5m1h' has no period with a unit: write 50M/h, 10M/10m or "
     "500M/d\n"},
    {"too short a period", "limit a { per ip; messages 30/999ms; }\n",
     "t:1:28: the period in '30/999ms' is not one of 1s to 31d\n"},
    {"too long a period", "limit a { per ip; messages 30/31d1s; }\n",
     "t:1:28: the period in '30/31d1s' is not one of 1s to 31d\n"},
    {"beyond all periods",
     "limit a { per ip; messages 1/99999999999999999999d; }\n",
     "t:1:28: the period in '1/99999999999999999999d' is not one of 1s to "
     "31d\n"},
    {"no number", "limit a { per ip; messages many/h; }\n",
     "t:1:28: 'many' is not a whole number\n"},
    {"a size for a number", "limit a { per ip; recipients 1K/h; }\n",
     "t:1:30: '1K' is not a whole number\n"},
    {"a number that is no size", "limit a { per ip; bytes 1Q/h; }\n",
     "t:1:25: '1Q' is not a size: 512, 64K, 25M, 1G\n"},
    {"nothing allowed", "limit a { per ip; messages 0/h; }\n",
     "t:1:28: 'messages' cannot be 0: allowed is 1 to 1000000000\n"},
    {"too much", "limit a { per ip; messages 1000000001/h; }\n",
     "t:1:28: 'messages' cannot be 1000000001: allowed is 1 to "
     "1000000000\n"},
    {"too few bytes", "limit a { per ip; bytes 100/h; }\n",
     "t:1:25: 'bytes' cannot be 100: allowed is 1K to 1024T\n"},
    {"no burst", "limit a { per ip; messages 30/m 40; }\n",
     "t:1:33: behind the rate 'burst NUMBER' can stand\n"},
    {"a burst of nothing", "limit a { per ip; messages 30/m burst; }\n",
     "t:1:33: behind the rate 'burst NUMBER' can stand\n"},
    {"a burst of none", "limit a { per ip; messages 30/m burst 0; }\n",
     "t:1:39: 'messages' cannot be 0: allowed is 1 to 1000000000\n"},
    {"a burst of bytes", "limit a { per ip; bytes 30M/m burst 40M; }\n",
     "t:1:19: 'bytes' has too many values: write 'bytes SIZE/TIME;'\n"},
    {"too fast for a burst", "limit a { per ip; messages 1001/s burst 5; }\n",
     "t:1:28: with 'burst' a rate is at most 1000 a second\n"},
    {"two words", "limit a { per ip; messages 30 / h burst; }\n",
     "t:1:19: 'messages' has too many values: write 'messages NUMBER/TIME "
     "[burst NUMBER];'\n"},
    {"the same period twice",
     "limit a { per ip; messages 30/h;\n messages 40/60m; }\n",
     "t:2:11: a second 'messages' for this period; the first is at t:1:28\n"},
    {"a window and a burst are two",
     "limit a { per ip; messages 30/h; messages 40/h burst 50; }\n", ""},
    {"at once for a time",
     "limit a { per ip; connections 10/m; over defer; }\n",
     "t:1:31: 'connections' are counted at once: write a number without a "
     "period, or 'new-connections 10/m'\n"},
    {"at once twice",
     "limit a { per ip; connections 1; connections 2; over defer; }\n",
     "t:1:34: a second 'connections'; the first is at t:1:19\n"},

    {"no action", "limit a { per ip; messages 1/h; over paec; }\n",
     "t:1:38: what happens over a limit is one of pace, bulk, hold, defer, "
     "reject; not 'paec', did you mean 'pace'?\n"},
    {"pace, then pace",
     "limit a { per ip; messages 1/h; over pace then pace; }\n",
     "t:1:48: what happens over a limit is one of bulk, hold, defer, reject; "
     "not 'pace'\n"},
    {"no more than the limit",
     "limit a { per ip; messages 1/h; over pace 100%; }\n",
     "t:1:43: 'pace' goes from 101% to 1000% of the limit, not to '100%'\n"},
    {"far too much", "limit a { per ip; messages 1/h; over pace 1001%; }\n",
     "t:1:43: 'pace' goes from 101% to 1000% of the limit, not to '1001%'\n"},
    {"percent of nothing", "limit a { per ip; messages 1/h; over pace %; }\n",
     "t:1:43: 'pace' goes from 101% to 1000% of the limit, not to '%'\n"},
    {"percent without a sign",
     "limit a { per ip; messages 1/h; over pace 150; }\n",
     "t:1:43: '150' cannot stand here: only 'pace' goes on, as in 'pace 150% "
     "then hold'\n"},
    {"hold goes no further",
     "limit a { per ip; messages 1/h; over hold 150%; }\n",
     "t:1:43: '150%' cannot stand here: only 'pace' goes on, as in 'pace "
     "150% then hold'\n"},
    {"then nothing", "limit a { per ip; messages 1/h; over pace then; }\n",
     "t:1:43: 'then' cannot stand here: only 'pace' goes on, as in 'pace "
     "150% then hold'\n"},

    {"paced connections", "limit a { per ip; connections 1; over pace; }\n",
     "t:1:31: 'connections' needs 'over defer' or 'over reject': make a limit "
     "of its own for it\n"},
    {"held new connections",
     "limit a { per ip; new-connections 1/m; over hold; }\n",
     "t:1:35: 'new-connections' needs 'over defer' or 'over reject': make a "
     "limit of its own for it\n"},
    {"bulk logins", "limit a { per ip; failed-logins 1/m; over bulk; }\n",
     "t:1:33: 'failed-logins' needs 'over defer' or 'over reject': make a "
     "limit of its own for it\n"},
    {"connections beside what is paced by default",
     "limit a { per ip; messages 1/m; connections 1; }\n",
     "t:1:45: 'connections' needs 'over defer' or 'over reject': make a limit "
     "of its own for it\n"},
    {"connections beside what is deferred",
     "limit a { per ip; messages 1/m; connections 1; over defer; }\n", ""},
    {"connections of a login",
     "limit a { per credential; connections 1; new-connections 1/m; }\n", ""},
    {"an account that anybody can lock",
     "limit a { per credential; failed-logins 1/m; }\n",
     "t:1:41: 'failed-logins' needs 'per ip': else anybody could lock others "
     "out with wrong passwords\n"},
    {"an account that anybody near can lock",
     "limit a { per credential-ip; failed-logins 1/m; }\n",
     "t:1:44: 'failed-logins' needs 'per ip': else anybody could lock others "
     "out with wrong passwords\n"},
    {"a site that anybody can lock",
     "limit a { per site; failed-logins 1/m; }\n",
     "t:1:35: 'failed-logins' needs 'per ip': else anybody could lock others "
     "out with wrong passwords\n"},
    {"dead domains, held unless said",
     "limit a { per credential; "
     "dead-domains 20/10m; }\n",
     ""},
    {"dead domains of an address",
     "limit a { per ip; dead-domains 20/10m; over hold; }\n",
     "t:1:32: 'dead-domains' needs 'per credential': it is the login that "
     "they tell something of\n"},
    {"dead domains, paced",
     "limit a { per credential; dead-domains 20/10m; over pace; }\n",
     "t:1:40: 'dead-domains' needs 'over hold', 'over defer' or 'over "
     "reject': make a limit of its own for it\n"},
    {"dead domains beside what is paced by default",
     "limit a { per credential; messages 1/m; dead-domains 20/10m; }\n",
     "t:1:54: 'dead-domains' needs 'over hold', 'over defer' or 'over "
     "reject': make a limit of its own for it\n"},
    {"dead domains in bulk",
     "limit a { per credential; dead-domains 20/10m; over bulk; }\n",
     "t:1:40: 'dead-domains' needs 'over hold', 'over defer' or 'over "
     "reject': make a limit of its own for it\n"},
    {"failed logins of a class",
     "limit a { per ip; failed-logins 1/m; class b; }\n",
     "t:1:33: 'failed-logins' is never of a class or a login: nobody has "
     "logged in yet\n"},

    {"bits of nothing", "limit a { per ip; prefix 0 64; messages 1/h; }\n",
     "t:1:26: it cannot be 0: allowed is 1 to 32\n"},
    {"too many bits", "limit a { per ip; prefix 24 129; messages 1/h; }\n",
     "t:1:29: it cannot be 129: allowed is 1 to 128\n"},
    {"bits of one family", "limit a { per ip; prefix 24; messages 1/h; }\n",
     "t:1:19: 'prefix' has too few values: write 'prefix NUMBER NUMBER;'\n"},
    {"bits without an address",
     "limit a { per credential; prefix 24 64; messages 1/h; }\n",
     "t:1:27: warning: 'prefix' does nothing without 'per ip' or 'per "
     "credential-ip'\n"},
    {"no network", "limit a { per ip; except 10.1.0.0/8; messages 1/h; }\n",
     "t:1:26: '10.1.0.0/8' is not a network: write 10.0.0.0/8, with no bit "
     "set behind the prefix\n"},
    {"no class's name", "limit a { per ip; class \"a b\" c; messages 1/h; }\n",
     "t:1:25: 'a b' is no name: a name has up to 63 letters, digits, '.', "
     "'_' and '-'\n"},
    {"no logins",
     "limit a { per ip; cred bob \"\" \"a\\tb\"; messages 1/h; }\n",
     "t:1:28: '' is no login\nt:1:31: 'a\\x09b' is no login\n"},
    {"internal recipients of nobody",
     "limit a { per ip; internal-recipients 1/h; }\n",
     "t:1:39: warning: there is no 'internal': all recipients are "
     "external\n"},

    {"replaces what is not there",
     "limit person { per ip; messages 1/h; }\n"
     "limit b { per ip; messages 1/h; class x;\n replaces persn; }\n",
     "t:3:2: there is no 'limit persn', did you mean 'person'?\n"},
    {"replaces itself",
     "limit a { per ip; messages 1/h; class x; replaces a; }\n",
     "t:1:42: 'limit a' comes to replace itself: then nobody is counted\n"},
    {"a circle",
     "limit a { per ip; messages 1/h; class x; replaces b; }\n"
     "limit b { per ip; messages 1/h; class x; replaces c; }\n"
     "limit c { per ip; messages 1/h; class x; replaces a; }\n",
     "t:1:42: 'limit a' comes to replace itself: then nobody is counted\n"},
    {"two ways to one are no circle",
     "limit a { per ip; messages 1/h; class x; replaces b c; }\n"
     "limit b { per ip; messages 1/h; class x; replaces c; }\n"
     "limit c { per ip; messages 1/h; }\n",
     ""},
    {"replaces for everybody",
     "limit a { per ip; messages 1/h; }\n"
     "limit b { per ip; messages 1/h; replaces a; }\n",
     "t:2:33: warning: 'limit b' is for everybody, so what it replaces "
     "counts nobody\n"},

    {"too many rates of one kind",
     "limit a { per ip; recipients 1/1s; recipients 1/2s; recipients 1/3s; "
     "recipients 1/4s; recipients 1/5s; recipients 1/6s; recipients 1/7s; "
     "recipients 1/8s; recipients 1/9s; recipients 1/10s; recipients 1/11s; "
     "recipients 1/12s; recipients 1/13s; recipients 1/14s; recipients "
     "1/15s; recipients 1/16s;\n recipients 1/17s; }\n",
     "t:2:2: more than 16 'recipients' in one limit\n"},
    {"too many rates for one login",
     "limit a { per ip; " RATES_OF_20 "}\n"
     "limit b { per credential; class x; " RATES_OF_20 "}\n"
     "limit c { per credential; cred y; " RATES_OF_20 "}\n"
     "limit d { per credential; class x z; messages 1/1s; messages 1/2s; "
     "messages 1/3s; messages 1/4s; messages 1/5s; }\n",
     "t:4:1: 65 rates could count one login, at most 64 can\n"},
    {"as many rates for several logins",
     "limit a { per ip; " RATES_OF_20 "}\n"
     "limit b { per credential; class x; " RATES_OF_20 "}\n"
     "limit c { per credential; class y; " RATES_OF_20 "}\n"
     "limit d { per credential; class z; " RATES_OF_20 "}\n",
     ""},

    {"a class twice", "class a { }\nclass a { }\n",
     "t:2:7: a second 'class a'; the first is at t:1:7\n"},
    {"another binding", "class a { from-binding on; }\n",
     "t:1:24: 'from-binding' is one of off, observe, domain, address; not "
     "'on'\n"},
    {"our domains, without any", "from-binding domain;\n",
     "t:1:1: warning: 'from-binding' lets no domain pass: there is neither "
     "'internal' nor a domain in 'auth'\n"},
    {"a class's domains, without any", "class a { from-binding observe; }\n",
     "t:1:11: warning: 'from-binding' lets no domain pass: there is neither "
     "'internal' nor a domain in 'auth'\n"},
    {"a contact of two lines", "contact \"a\\tb\";\n",
     "t:1:9: 'contact' is 1 to 60 printable ASCII characters\n"},
    {"a contact with other letters", "contact \"B\xc3\xa4rbel\";\n",
     "t:1:9: 'contact' is 1 to 60 printable ASCII characters\n"},
    {"no contact", "contact \"\";\n",
     "t:1:9: 'contact' is 1 to 60 printable ASCII characters\n"},
    {"a contact without quotes", "contact help desk;\n",
     "t:1:1: 'contact' has too many values: write 'contact TEXT;'\n"},
};

START_TEST(told)
{
	const struct row *row = &rows[_i];
	struct buf text = {.cap = 65536};
	struct config *config;
	char *got;

	buf_add_str(&text, row->text);
	buf_add_str(&text, CONFIG_REST);
	got = config_help_read(text.p, text.n, &config);
	ck_assert_msg(strcmp(got, row->want) == 0,
		      "%s:\n--- got\n%s--- want\n%s", row->label, got,
		      row->want);
	free(got);
	config_destroy(&config);
	buf_fini(&text);
}
END_TEST

/* 256 limits, each naming all others: told, and not slowly. */
START_TEST(many)
{
	struct buf text = {.cap = CONFIG_HELP_MAX};
	struct config *config;
	char *got;

	for (int i = 0; i < 257; i++) {
		buf_printf(&text, "limit l%d { per ip; messages 1/h; class x;",
			   i);
		for (int j = 0; j < 256; j += 16) {
			buf_add_str(&text, " replaces");
			for (int k = j; k < j + 16; k++)
				buf_printf(&text, " l%d", k);
			buf_add_byte(&text, ';');
		}
		buf_add_str(&text, " }\n");
	}
	buf_add_str(&text, CONFIG_REST);
	ck_assert(!text.overflow);
	got = config_help_read(text.p, text.n, &config);
	ck_assert_msg(strstr(got, "t:257:1: more than 256 'limit' blocks\n") !=
			  NULL,
		      "%s", got);
	ck_assert_msg(strstr(got, "'limit l0' comes to replace itself") != NULL,
		      "%s", got);
	free(got);
	config_destroy(&config);
	buf_fini(&text);
}
END_TEST

#define ROWS(t) ((int)(sizeof(t) / sizeof((t)[0])))

int
main(void)
{
	Suite *s = suite_create("gateway/config_limits");
	TCase *t = tcase_create("limits");
	SRunner *r;
	int failed;

	tcase_add_loop_test(t, rate, 0, ROWS(rates));
	tcase_add_loop_test(t, over, 0, ROWS(overs));
	tcase_add_test(t, blocks);
	tcase_add_test(t, silent);
	tcase_add_loop_test(t, fixed_point, 0, ROWS(fixed));
	tcase_add_test(t, json);
	tcase_add_loop_test(t, told, 0, ROWS(rows));
	tcase_add_test(t, many);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
