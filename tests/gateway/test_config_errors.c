/* Bad files: every error of a file, each at its place, and no others. */
#include "tests/gateway/config_help.h"

struct row {
	const char *label, *text, *want;
};

/* CONFIG_REST follows as a line of its own. */
static const struct row rows[] = {
    {"unknown directive, with the nearest", "conections 5;\n",
     "t:1:1: unknown directive 'conections', did you mean 'connections'?\n"},
    {"unknown directive, nothing near", "xyzzy 5;\n",
     "t:1:1: unknown directive 'xyzzy'\n"},
    {"later issues' directives are unknown",
     "redis { peer x; }\nweb { address 127.0.0.1:80; }\n",
     "t:1:1: unknown directive 'redis'\n"
     "t:2:1: unknown directive 'web'\n"},
    {"inside of a block", "log { leve debug; }\n",
     "t:1:7: unknown directive 'leve' in 'log', did you mean 'level'?\n"},
    {"a block's directive outside", "backend local;\n",
     "t:1:1: 'backend' stands inside 'auth { }'\n"},
    {"a file's directive inside", "log { level info; user x; }\n",
     "t:1:19: 'user' cannot stand inside 'log': it belongs outside of all "
     "blocks\n"},
    {"a column counts characters",
     "# \xc3\xa4\n internal \xc3\xa4..example; "
     "xyzzy 1;\n",
     "t:2:11: '\xc3\xa4..example' is no domain: it has an empty label\n"
     "t:2:23: unknown directive 'xyzzy'\n"},

    {"duplicate", "idle 1m;\nidle 2m;\n",
     "t:2:1: a second 'idle'; the first is at t:1:1\n"},
    {"duplicate in a block", "log { level info;\n level info; }\n",
     "t:2:2: a second 'level'; the first is at t:1:7\n"},
    {"duplicate block", "log { level info; }\nlog { }\n",
     "t:2:1: a second 'log'; the first is at t:1:1\n"},
    {"duplicate named block",
     "relay a { address h:25; }\nrelay a { address h:26; }\n",
     "t:2:7: a second 'relay a'; the first is at t:1:7\n"},
    {"one mistake, one message", "idle x;\nidle 2m;\n",
     "t:1:6: 'x' is not a time: 300ms, 30s, 5m, 2h, 4d\n"
     "t:2:1: a second 'idle'; the first is at t:1:1\n"},

    {"missing semicolon before a directive", "idle 1m\nmin-rate 50;\n",
     "t:1:8: missing ';' behind '1m'\n"},
    {"missing semicolon before a brace", "log { level info }\n",
     "t:1:17: missing ';' behind 'info'\n"},
    {"missing semicolon before a block", "idle 1m\nlog { level info; }\n",
     "t:1:8: missing ';' behind '1m'\n"},
    {"a list over lines is no missing semicolon",
     "internal a.example\n\tb.example\n\tc.example;\n", ""},
    {"missing brace before a block",
     "log {\n\tlevel info;\nretry { expire 2d; }\n",
     "t:3:1: missing '}' before 'retry': 'log' of line 1 is still open\n"},
    {"missing brace and semicolon",
     "log {\n\tlevel info\nretry { expire 2d; }\n",
     "t:2:12: missing ';' behind 'info'\n"
     "t:3:1: missing '}' before 'retry': 'log' of line 1 is still open\n"},
    {"missing brace before a plain directive",
     "log {\n\tlevel info;\nidle 2m;\n",
     "t:3:1: missing '}' before 'idle': 'log' of line 1 is still open\n"},
    {"a brace too many", "log { level info; } }\nidle 1m;\n",
     "t:1:21: this '}' closes nothing\n"},
    {"a semicolon behind a block", "log { level info; };\n",
     "t:1:20: ';' without a directive\n"},
    {"braces without a name", "{ level info; }\nidle 1m;\n",
     "t:1:1: '{' without a directive\n"},
    {"too deep", "a { a { a { a { a { a { a { a { a { b; } } } } } } } } }\n",
     "t:1:1: unknown directive 'a'\n"
     "t:1:33: blocks are nested deeper than 8\n"},
    {"a value where a block is wanted", "log stderr;\n",
     "t:1:1: 'log' is a block: write 'log ... { ... }'\n"},
    {"a block where a value is wanted", "idle { 5m; }\n",
     "t:1:1: 'idle' is not a block: it takes values and ends with ';'\n"},
    {"a name too many", "log x { level info; }\n",
     "t:1:5: 'log' has no name: write 'log { ... }'\n"},
    {"a name missing", "relay { address h:25; }\n",
     "t:1:1: 'relay' takes one name: write 'relay NAME { ... }'\n"},
    {"a bad name", "relay \"a b\" { address h:25; }\n",
     "t:1:7: 'a b' is no name: a name has up to 63 letters, digits, '.', "
     "'_' and '-'\n"},

    {"no closing quote", "log { to file \"/x; }\nidle 1m;\n",
     "t:1:15: the quoted string has no end on its line\n"
     "t:1:21: missing ';' behind '/x; }'\n"
     "t:2:1: missing '}' before 'idle': 'log' of line 1 is still open\n"},
    {"unknown escape", "spool \"/a\\n\";\n",
     "t:1:10: unknown escape in a quoted string: there are \\\", \\\\ and "
     "\\t\n"},
    {"a quote inside a word", "spool /a\"b\";\n",
     "t:1:1: 'spool' has too many values: write 'spool PATH;'\n"
     "t:1:9: a quote inside a word: a space is missing, or the whole word "
     "belongs in quotes\n"},
    {"no space behind a quote", "spool \"/a\"b;\n",
     "t:1:1: 'spool' has too many values: write 'spool PATH;'\n"
     "t:1:11: a space is missing behind the quoted string\n"},
    {"control character", "spool /a\001b;\n",
     "t:1:9: control character 0x01\n"},

    {"too few values", "idle;\n",
     "t:1:1: 'idle' has too few values: write 'idle TIME;'\n"},
    {"too many values", "idle 1m 2m;\n",
     "t:1:1: 'idle' has too many values: write 'idle TIME;'\n"},
    {"below the range", "connections 0;\n",
     "t:1:13: 'connections' cannot be 0: allowed is 1 to 1000000\n"},
    {"above the range", "message-size 3G;\n",
     "t:1:14: 'message-size' cannot be 3G: allowed is 1K to 2G\n"},
    {"beyond all numbers", "connections 99999999999999999999999;\n",
     "t:1:13: 'connections' cannot be 99999999999999999999999: allowed is 1 "
     "to 1000000\n"},
    {"time range", "preauth 1h;\n",
     "t:1:9: 'preauth' cannot be 1h: allowed is 1s to 10m\n"},
    {"a time for a size", "message-size 30s;\n",
     "t:1:14: '30s' is a time, but 'message-size' takes a size: 512, 64K, "
     "25M, 1G\n"},
    {"a size for a time", "idle 25M;\n",
     "t:1:6: '25M' is a size, but 'idle' takes a time: 300ms, 30s, 5m, 2h, "
     "4d\n"},
    {"a size for a number", "connections 10K;\n",
     "t:1:13: '10K' is a size, but 'connections' takes a whole number\n"},
    {"no number at all", "connections many;\n",
     "t:1:13: 'many' is not a whole number\n"},
    {"a wrong unit", "message-size 25MB;\n",
     "t:1:14: '25MB' is not a size: 512, 64K, 25M, 1G\n"},
    {"a wrong choice", "log { level wran; }\n",
     "t:1:13: 'level' is one of error, warn, info, debug; not 'wran', did "
     "you mean 'warn'?\n"},
    {"a wrong one of a set", "dns { targets loopback pirvate; }\n",
     "t:1:24: 'targets' is one of loopback, private; not 'pirvate', did "
     "you mean 'private'?\n"},
    {"an empty set", "dns { targets; }\n",
     "t:1:7: 'targets' has too few values: write 'targets loopback | "
     "private ...;'\n"},
    {"neither on nor off", "resubmission yes;\n",
     "t:1:14: 'resubmission' is 'on' or 'off', not 'yes'\n"},
    {"a relative path", "spool var/spool;\n",
     "t:1:7: 'var/spool' is not an absolute path: begin it with '/'\n"},
    {"a socket path too long",
     "control /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa;\n",
     "t:1:9: the path of a socket has at most 107 bytes, this has 111\n"},
    {"all wrong times of a list", "retry { after 5x 5m 8d; }\n",
     "t:1:15: '5x' is not a time: 300ms, 30s, 5m, 2h, 4d\n"
     "t:1:21: 'after' cannot be 8d: allowed is 1s to 7d\n"},
    {"all wrong domains of a list", "internal a..b ok.example 192.0.2.1 -x;\n",
     "t:1:10: 'a..b' is no domain: it has an empty label\n"
     "t:1:26: '192.0.2.1' is no domain: it is an address\n"
     "t:1:36: '-x' is no domain: a label begins or ends with '-'\n"},
    {"no mail address", "alert { mail postmaster; }\n",
     "t:1:14: 'postmaster' is no mail address: it is written name@domain\n"},
    {"no resolver", "dns { resolver localhost 127.0.0.1; }\n",
     "t:1:16: 'localhost' is not an address: write 127.0.0.1, 127.0.0.1:53 "
     "or [2001:db8::1]:53\n"},
    {"no second resolver", "dns { second-opinion ns2.example; }\n",
     "t:1:22: 'ns2.example' is not an address: write 127.0.0.1, 127.0.0.1:53 "
     "or [2001:db8::1]:53\n"},
    {"a second opinion that is the first",
     "dns { resolver 127.0.0.1 192.0.2.1:5353;\n"
     " second-opinion 192.0.2.1 192.0.2.1:5353; }\n",
     "t:2:27: warning: 192.0.2.1:5353 is a 'resolver' already: its second "
     "opinion is its first\n"},
    {"a recipient longer than its message", "dns { wait 7s; }\n",
     "t:1:7: one recipient would wait longer than all of a message: 'wait' "
     "must be at most 'wait-message'\n"},
    {"a message shorter than its recipient", "dns { wait-message 1s; }\n",
     "t:1:7: one recipient would wait longer than all of a message: 'wait' "
     "must be at most 'wait-message'\n"},
    {"as long as each other", "dns { wait 6s; }\n", ""},
    {"a login that takes all", "dns { in-flight 50; }\n",
     "t:1:1: warning: one login may take all that is 'in-flight'\n"},
    {"this host for everybody", "dns { except test localhost; }\n",
     "t:1:7: 'localhost' is this host for everybody: no mail can go there\n"},
    {"an exception below something", "dns { except .test; }\n",
     "t:1:14: '.test' is no domain: it has an empty label\n"},
    {"implicit TLS to an MX", "mx { tls implicit; }\n",
     "t:1:10: 'tls' is one of none, opportunistic, required; not "
     "'implicit'\n"},
    {"DANE without TLS", "mx { tls none; dane on; }\n",
     "t:1:16: warning: 'dane on' does nothing with 'tls none'\n"},
    {"no lane", "mx { source pulk 192.0.2.1; }\n",
     "t:1:13: there is no lane 'pulk': there are personal, bulk, dsn, did you "
     "mean 'bulk'?\n"},
    {"a lane's second source",
     "mx { source bulk 192.0.2.1; source 192.0.2.1; source bulk 192.0.2.2; "
     "}\n",
     "t:1:47: a second 'source' of one lane\n"},
    {"a second source for all", "mx { source 192.0.2.1; source 192.0.2.2; }\n",
     "t:1:24: a second 'source' for all mail\n"},
    {"no source", "mx { source bulk here; }\n",
     "t:1:18: 'here' is not an address\n"},
    {"too many of a class", "class a { refuse-first many; }\n",
     "t:1:24: 'many' is not a whole number\n"},
    {"a class without weight", "class a { weight 0; }\n",
     "t:1:18: 'weight' cannot be 0: allowed is 1 to 100\n"},
    {"a class of all the weight", "class a { weight 101; }\n",
     "t:1:18: 'weight' cannot be 101: allowed is 1 to 100\n"},

    {"no log target", "log { to journal; }\n",
     "t:1:10: the log goes to 'stderr', 'syslog', or 'file' and a path\n"},

    {"no port", "listen a { address 127.0.0.1; }\n",
     "t:1:20: '127.0.0.1' has no port: write HOST:PORT\n"},
    {"port 0", "listen a { address 127.0.0.1:0; }\n",
     "t:1:20: the port in '127.0.0.1:0' is not one of 1 to 65535\n"},
    {"a name to listen on", "listen a { address localhost:25; }\n",
     "t:1:20: 'localhost:25' is not an address and port: write "
     "192.0.2.1:587, [2001:db8::1]:587 or *:587\n"},
    {"no network", "listen a { address 127.0.0.1:1; proxy 10.0.0.1/8; }\n",
     "t:1:39: '10.0.0.1/8' is not a network: write 10.0.0.0/8, with no bit "
     "set behind the prefix\n"},
    {"a listener without address", "listen a { tls implicit; }\n",
     "t:1:1: 'listen a' has no 'address'\n"},
    {"the same port twice",
     "listen a { address 127.0.0.1:1; }\nlisten b { address *:1; }\n",
     "t:2:20: port 1 is taken by 'listen a' at t:1:20\n"},
    {"the same port twice, all addresses first",
     "listen a { address *:1; }\nlisten b { address 127.0.0.1:1; }\n",
     "t:2:20: port 1 is taken by 'listen a' at t:1:20\n"},
    {"in the clear for everybody",
     "listen a { address 192.0.2.1:587;\n"
     " tls none; insecure-auth on; }\n",
     "t:1:20: 'tls none' on 192.0.2.1:587, which is not loopback: passwords "
     "and mail would pass in the clear\n"},
    {"all addresses are not loopback",
     "listen a { address 127.0.0.1:1; address *:587; tls none; "
     "insecure-auth on; }\n",
     "t:1:41: 'tls none' on [::]:587, which is not loopback: passwords and "
     "mail would pass in the clear\n"},
    {"insecure logins for everybody",
     "listen a { address *:587; insecure-auth on; }\n",
     "t:1:20: 'insecure-auth on' with [::]:587, which is not loopback\n"
     "t:1:27: warning: 'insecure-auth' does nothing without 'tls none'\n"},
    {"nobody can log in", "listen a { address 127.0.0.1:1; tls none; }\n",
     "t:1:33: warning: nobody can log in on 'a': 'tls none' needs "
     "'insecure-auth on'\n"},

    {"a relay without host", "relay a { tls required; }\n",
     "t:1:1: 'relay a' has no 'address'\n"},
    {"weights",
     "relay a { address h:25 weight 0; address h:26 weight 1 "
     "weight 2; address h:27 heavy 1; address h:28 weight; }\n",
     "t:1:31: it cannot be 0: allowed is 1 to 1000\n"
     "t:1:56: behind the address 'weight NUMBER' and 'priority NUMBER' can "
     "stand, each once\n"
     "t:1:79: behind the address 'weight NUMBER' and 'priority NUMBER' can "
     "stand, each once\n"
     "t:1:101: behind the address 'weight NUMBER' and 'priority NUMBER' can "
     "stand, each once\n"},
    {"an IPv6 address without brackets", "relay a { address ::1:25; }\n",
     "t:1:19: '::1:25' names no host: it is an address; an IPv6 address stands "
     "in [ ]\n"},
    {"a password in the file",
     "relay a { address h:25; tls required; login bob secret; }\n",
     "t:1:49: a password never stands in this file: write 'login NAME "
     "password-file PATH;'\n"},
    {"a password in the clear",
     "relay a { address h:25; login bob password-file /p; }\n",
     "t:1:25: 'login' needs 'tls required' or 'tls implicit': else the "
     "password could pass in the clear\n"},
    {"a password in the clear on loopback",
     "relay a { address [::1]:25; tls none; login b password-file /p; }\n", ""},
    {"a relay called mx", "relay mx { address h:25; }\n",
     "t:1:1: a relay cannot be called 'mx': 'via mx' means each domain's "
     "own\n"},
    {"verify without certain TLS", "relay a { address h:25; verify on; }\n",
     "t:1:25: warning: 'verify on' does nothing without 'tls required' or "
     "'tls implicit'\n"},

    {"no such relay",
     "relay hub { address h:25; }\n"
     "route a { domain a; via hubb; }\n",
     "t:2:21: there is no 'relay hubb', did you mean 'hub'?\n"},
    {"a route without domain", "route a { via mx; }\n",
     "t:1:1: 'route a' has no 'domain'\n"},
    {"a route without hop", "route a { domain a; }\n",
     "t:1:1: 'route a' has no 'via'\n"},
    {"a domain in two routes",
     "route a { domain b.example a.example; via mx; }\n"
     "route b { domain A.example.; via mx; }\n",
     "t:2:11: 'a.example' stands in 'route a' already\n"},
    {"a Maildir nowhere", "route a { domain a; via maildir:x; }\n",
     "t:1:25: 'x' is not an absolute path: write maildir:/DIR\n"},
    {"a notice after the end", "retry { expire 1h; delay-notice 2h; }\n",
     "t:1:20: 'delay-notice' must be shorter than 'expire'\n"},
    {"metrics for everybody", "http *:9925;\n",
     "t:1:1: warning: the metrics are for everybody who reaches this "
     "address\n"},
};

/* Nothing follows. */
static const struct row alone[] = {
    {"nothing", "",
     "t:1:1: 'hostname' is missing\n"
     "t:1:1: 'listen' is missing\n"
     "t:1:1: 'auth' is missing\n"
     "t:1:1: 'route' is missing\n"},
    {"mx, and nothing goes there",
     "hostname h.example; tls { certificate /c; key /k; }\n"
     "listen a { address 127.0.0.1:1; }\nauth { backend local; }\n"
     "route default { via maildir:/d; }\nmx {\n tls none; dane off; }\n",
     "t:6:2: warning: 'mx' does nothing without a route 'via mx'\n"},
    {"mx, and nothing in it",
     "hostname h.example; tls { certificate /c; key /k; }\n"
     "listen a { address 127.0.0.1:1; }\nauth { backend local; }\n"
     "route default { via maildir:/d; }\nmx { }\n",
     ""},
    {"no certificate",
     "hostname h.example;\n"
     "listen a { address *:587; }\n"
     "listen b { address *:465;\n"
     " tls implicit; }\n"
     "auth { backend local; }\n"
     "route default { via mx; }\n",
     "t:2:1: 'listen a' needs a certificate: there is no 'tls { certificate "
     "PATH; key PATH; }'\n"
     "t:4:2: 'listen b' needs a certificate: there is no 'tls { certificate "
     "PATH; key PATH; }'\n"},
    {"half a certificate, half a login",
     "hostname h.example;\n"
     "tls { certificate /c; }\n"
     "listen a { address *:587; }\n"
     "auth { }\n"
     "route default { via mx; }\n",
     "t:2:1: 'tls' has no 'key'\n"
     "t:4:1: 'auth' has no 'backend'\n"},
    {"no default route",
     "hostname h.example; tls { certificate /c; key /k; }\n"
     "listen a { address *:587; }\n"
     "auth { backend local; }\n"
     "route a { domain a; via mx; }\n",
     "t:1:1: there is no 'route default': other mail has nowhere to go\n"},
    {"a default route with a domain",
     "hostname h.example; tls { certificate /c; key /k; }\n"
     "listen a { address *:587; }\n"
     "auth { backend local; }\n"
     "route default { domain a; via mx; }\n",
     "t:4:17: 'route default' takes all that others leave: it has no "
     "'domain'\n"},
    {"never closed",
     "hostname h.example; tls { certificate /c; key /k; }\n"
     "listen a { address *:587; }\n"
     "route default { via mx; }\n"
     "auth { backend local",
     "t:4:1: 'auth' is never closed: missing '}'\n"
     "t:4:21: missing ';' behind 'local'\n"},
    {"another program's file", "[main]\nname = value\n; comment\n",
     "t:1:1: unknown directive '[main]'\n"
     "t:1:1: 'hostname' is missing\n"
     "t:1:1: 'listen' is missing\n"
     "t:1:1: 'auth' is missing\n"
     "t:1:1: 'route' is missing\n"
     "t:3:3: unknown directive 'comment'\n"
     "t:3:10: missing ';' behind 'comment'\n"},
};

#define ROWS(t) ((int)(sizeof(t) / sizeof((t)[0])))

static void
check_row(const struct row *row, const char *rest)
{
	struct buf text = {.cap = 65536};
	struct config *config;
	char *got;

	buf_add_str(&text, row->text);
	buf_add_str(&text, rest);
	got = config_help_read(text.p, text.n, &config);
	ck_assert_msg(strcmp(got, row->want) == 0,
		      "%s:\n--- got\n%s--- want\n%s", row->label, got,
		      row->want);
	free(got);
	config_destroy(&config);
	buf_fini(&text);
}

START_TEST(told)
{
	check_row(&rows[_i], CONFIG_REST);
}
END_TEST

START_TEST(told_alone)
{
	check_row(&alone[_i], "");
}
END_TEST

START_TEST(capped)
{
	struct buf text = {.cap = 1 << 20};
	struct config *config;
	char *got;

	for (int i = 0; i < 5000; i++)
		buf_add_str(&text, "xyzzy 1;\n");
	buf_add_str(&text, CONFIG_REST);
	got = config_help_read(text.p, text.n, &config);
	ck_assert(strlen(got) < 20000);
	ck_assert(strstr(got, "\nand 4800 more\n") != NULL);
	free(got);
	buf_fini(&text);
}
END_TEST

/* A file's bytes reach a terminal through these messages. */
START_TEST(escaped)
{
	struct config *config;
	char *got = config_help_read(SLICE_LIT("\x9b"
					       "31m 1;")
					 .p,
				     7, &config);

	ck_assert(strstr(got, "'\\x9b31m'") != NULL);
	free(got);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("gateway/config_errors");
	TCase *t = tcase_create("errors");
	SRunner *r;
	int failed;

	tcase_add_loop_test(t, told, 0, ROWS(rows));
	tcase_add_loop_test(t, told_alone, 0, ROWS(alone));
	tcase_add_test(t, capped);
	tcase_add_test(t, escaped);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
