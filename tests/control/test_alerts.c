/* One alert a cause until it clears: scripts of facts at points in time. */
#include "gateway/control/alerts.h"
#include "gateway/scan/verdict.h"
#include "tests/net/net_help.h"

#define S 1000
#define MIN (60 * S)
#define NOW_S 1700000000
#define DAY 86400

struct seen {
	int raised, cleared;
	struct alert last;
};

static void
on_alert(void *arg, const struct alert *alert, bool raised)
{
	struct seen *seen = arg;

	if (raised)
		seen->raised++;
	else
		seen->cleared++;
	seen->last = *alert;
	for (const char *p = alert->text; *p; p++)
		ck_assert_msg(*p == '\n' || (*p >= ' ' && *p < 0x7f), "%s",
			      alert->text);
	ck_assert_ptr_null(strchr(alert->subject, '\n'));
}

enum what {
	FINE,
	CERT,
	DISK,
	FULL,
	STORE,
	STORE_DEAD,
	ALTERED,
	STUCK,
	DOVECOT,
	RESOLVER,
	REWRITES,
	SLOW,
	REMOTE,
	HOP,
	BYPASS,
	UNSTEADY,
	SCANNER,	/* down; n: others are up */
	BLIND,		/* the same */
	SCANNER_EXPIRES /* in n seconds */
};

static struct alert_hop one_hop = {"hub", true, ""};
static struct alert_scanner one_scanner;

/* Facts of a healthy relay, with one thing as said. */
static struct alert_facts
facts_of(enum what what, int64_t n, int64_t now_s)
{
	struct alert_facts f = {
	    .certificate_wall_s = now_s + 60 * DAY,
	    .disk_total_bytes = 1000u << 20,
	    .disk_free_bytes = 500u << 20,
	    .hops = &one_hop,
	    .hop_count = 1,
	    .resolver = {.servers = "192.0.2.53", .found = "MX \x1b[31m"},
	    .scan = {.up = true, .servers = &one_scanner, .server_count = 1},
	};

	one_hop.up = true;
	one_hop.error = "";
	one_scanner =
	    (struct alert_scanner){"av:11344/avscan", "", true, false, 0};
	switch (what) {
	case FINE:
		break;
	case CERT:
		f.certificate_wall_s = now_s + n;
		break;
	case DISK:
		f.disk_free_bytes = (uint64_t)n << 20;
		break;
	case FULL:
		f.disk_full = true;
		break;
	case STORE:
		f.store_failing = GW_EIO;
		break;
	case STORE_DEAD:
		f.store_failing = GW_EIO;
		f.store_needs_restart = true;
		break;
	case ALTERED:
		f.altered_total = (uint64_t)n;
		f.held = (uint64_t)n;
		break;
	case STUCK:
		f.queued = 5;
		f.oldest_wall_s = now_s - 7200;
		f.delivered = (uint64_t)n;
		break;
	case DOVECOT:
		f.dovecot_away = true;
		break;
	case RESOLVER:
		f.resolver.failing = true;
		break;
	case REWRITES:
		f.resolver.rewrites = true;
		break;
	case SLOW:
		f.resolver.slow = true;
		break;
	case REMOTE:
		f.resolver.remote = true;
		break;
	case HOP:
		one_hop.up = false;
		one_hop.error = "connection refused \x1b[31m";
		break;
	case BYPASS:
		f.scan.bypass_until_wall_s = now_s + n;
		break;
	case UNSTEADY:
		f.scan.unsteady = true;
		break;
	case SCANNER:
		one_scanner.up = false;
		one_scanner.error = "connection refused \x1b[31m";
		f.scan.up = n > 0;
		break;
	case BLIND:
		one_scanner.up = false;
		one_scanner.blind = true;
		f.scan.up = n > 0;
		break;
	case SCANNER_EXPIRES:
		one_scanner.certificate_wall_s = now_s + n;
		break;
	}
	return f;
}

struct step {
	int64_t at_ms;
	enum what what;
	int64_t n;
	int raised, cleared; /* so far */
};

static void
play(const char *label, const struct step *steps, size_t count)
{
	struct alerts *alerts = alerts_create();
	struct seen seen = {0};

	for (size_t i = 0; i < count; i++) {
		int64_t now_s = NOW_S + steps[i].at_ms / S;
		struct alert_facts f =
		    facts_of(steps[i].what, steps[i].n, now_s);

		alerts_update(alerts, &f, steps[i].at_ms, now_s, on_alert,
			      &seen);
		ck_assert_msg(seen.raised == steps[i].raised &&
				  seen.cleared == steps[i].cleared,
			      "%s, step %zu: raised %d, cleared %d (%s)", label,
			      i, seen.raised, seen.cleared, seen.last.subject);
	}
	alerts_destroy(&alerts);
}

#define PLAY(label, ...)                                                 \
	do {                                                             \
		static const struct step steps_[] = {__VA_ARGS__};       \
		play(label, steps_, sizeof(steps_) / sizeof(steps_[0])); \
	} while (0)

START_TEST(certificate)
{
	PLAY("each level once", {0, CERT, 22 * DAY, 0, 0},
	     {1 * S, CERT, 20 * DAY, 1, 0}, {2 * S, CERT, 20 * DAY, 1, 0},
	     {3 * S, CERT, 7 * DAY, 2, 0}, {4 * S, CERT, 3 * DAY, 2, 0},
	     {5 * S, CERT, DAY, 3, 0}, {6 * S, CERT, 1, 3, 0},
	     {7 * S, CERT, 0, 4, 0}, {8 * S, CERT, -DAY, 4, 0},
	     {9 * S, FINE, 0, 4, 1}, {10 * S, CERT, 20 * DAY, 5, 1});
	PLAY("expired at the start", {0, CERT, -1, 1, 0});
}
END_TEST

START_TEST(disk)
{
	PLAY("low for a moment", {0, DISK, 49, 0, 0}, {9 * S, DISK, 49, 0, 0},
	     {10 * S - 1, FINE, 0, 0, 0}, {30 * S, DISK, 49, 0, 0});
	PLAY("low, full, well", {0, DISK, 49, 0, 0}, {10 * S, DISK, 49, 1, 0},
	     {11 * S, FULL, 0, 2, 0}, {12 * S, DISK, 49, 2, 0},
	     {13 * S, FULL, 0, 2, 0}, {20 * S, FINE, 0, 2, 0},
	     {319 * S, FINE, 0, 2, 0}, {320 * S, FINE, 0, 2, 1});
	PLAY("a little above the mark is not well", {0, DISK, 49, 0, 0},
	     {10 * S, DISK, 49, 1, 0}, {20 * S, DISK, 52, 1, 0},
	     {10 * MIN, DISK, 52, 1, 0}, {11 * MIN, DISK, 56, 1, 0},
	     {16 * MIN, DISK, 56, 1, 1});
}
END_TEST

START_TEST(store)
{
	PLAY("at once, and one for a flapping disk", {0, STORE, 0, 1, 0},
	     {1 * S, FINE, 0, 1, 0}, {30 * S, STORE, 0, 1, 0},
	     {31 * S, FINE, 0, 1, 0}, {90 * S, FINE, 0, 1, 0},
	     {91 * S, FINE, 0, 1, 1}, {92 * S, STORE, 0, 2, 1});
	PLAY("it gets worse: told again", {0, STORE, 0, 1, 0},
	     {1 * S, STORE_DEAD, 0, 2, 0}, {99 * S, STORE_DEAD, 0, 2, 0});
}
END_TEST

START_TEST(altered)
{
	PLAY("more of them is no other cause", {0, ALTERED, 1, 1, 0},
	     {1 * S, ALTERED, 9, 1, 0}, {MIN, ALTERED, 9, 1, 0});
	PLAY("over a day after the last, then again", {0, ALTERED, 2, 1, 0},
	     {1440 * MIN, ALTERED, 2, 1, 0}, {1441 * MIN, ALTERED, 2, 1, 1},
	     {1442 * MIN, ALTERED, 3, 2, 1});
}
END_TEST

START_TEST(stuck)
{
	PLAY("old, but mail leaves", {0, STUCK, 1, 0, 0},
	     {14 * MIN, STUCK, 2, 0, 0}, {28 * MIN, STUCK, 3, 0, 0},
	     {42 * MIN, STUCK, 4, 0, 0});
	PLAY("nothing leaves", {0, STUCK, 1, 0, 0}, {14 * MIN, STUCK, 1, 0, 0},
	     {15 * MIN, STUCK, 1, 1, 0}, {20 * MIN, STUCK, 2, 1, 0},
	     {21 * MIN, STUCK, 3, 1, 1});
}
END_TEST

START_TEST(dovecot)
{
	PLAY("a restart is no alert", {0, DOVECOT, 0, 0, 0},
	     {59 * S, DOVECOT, 0, 0, 0}, {60 * S, FINE, 0, 0, 0});
	PLAY("away", {0, DOVECOT, 0, 0, 0}, {60 * S, DOVECOT, 0, 1, 0},
	     {MIN * 2, FINE, 0, 1, 0}, {MIN * 3, FINE, 0, 1, 1});
}
END_TEST

START_TEST(resolver)
{
	PLAY("a restart of it is no alert", {0, RESOLVER, 0, 0, 0},
	     {29 * S, RESOLVER, 0, 0, 0}, {30 * S, FINE, 0, 0, 0});
	PLAY("away", {0, RESOLVER, 0, 0, 0}, {30 * S, RESOLVER, 0, 1, 0},
	     {60 * S, FINE, 0, 1, 0}, {119 * S, FINE, 0, 1, 0},
	     {120 * S, FINE, 0, 1, 1});
	PLAY("a liar at once", {0, REWRITES, 0, 1, 0}, {1 * S, FINE, 0, 1, 1});
	PLAY("slow for a moment", {0, SLOW, 0, 0, 0}, {59 * S, FINE, 0, 0, 0},
	     {60 * S, SLOW, 0, 0, 0});
	PLAY("slow", {0, SLOW, 0, 0, 0}, {60 * S, SLOW, 0, 1, 0},
	     {61 * S, FINE, 0, 1, 0}, {6 * MIN, FINE, 0, 1, 0},
	     {61 * S + 5 * MIN, FINE, 0, 1, 1});
	PLAY("elsewhere, until a reload", {0, REMOTE, 0, 1, 0},
	     {MIN, REMOTE, 0, 1, 0}, {2 * MIN, FINE, 0, 1, 1});
	PLAY("each a cause of its own", {0, REMOTE, 0, 1, 0},
	     {1 * S, REWRITES, 0, 2, 1});
}
END_TEST

START_TEST(hop)
{
	PLAY("short", {0, HOP, 0, 0, 0}, {299 * S, HOP, 0, 0, 0},
	     {300 * S - 1, FINE, 0, 0, 0}, {400 * S, HOP, 0, 0, 0});
	PLAY("five minutes", {0, HOP, 0, 0, 0}, {300 * S, HOP, 0, 1, 0},
	     {301 * S, HOP, 0, 1, 0}, {302 * S, FINE, 0, 1, 0},
	     {310 * S, HOP, 0, 1, 0}, {320 * S, FINE, 0, 1, 0},
	     {380 * S, FINE, 0, 1, 1});
}
END_TEST

/* Hops of their own, and one that a reload takes away. */
START_TEST(hops_apart)
{
	struct alerts *alerts = alerts_create();
	struct alert_hop hops[] = {{"a", false, "x"}, {"b", false, "y"}};
	struct alert_facts f = {.hops = hops, .hop_count = 2};
	struct seen seen = {0};

	alerts_update(alerts, &f, 0, NOW_S, on_alert, &seen);
	alerts_update(alerts, &f, 5 * MIN, NOW_S + 300, on_alert, &seen);
	ck_assert_int_eq(seen.raised, 2);
	ck_assert_uint_eq(alerts_count(alerts), 2);
	ck_assert_str_eq(alerts_active(alerts, 0)->object, "a");
	ck_assert_str_eq(alerts_active(alerts, 1)->object, "b");
	ck_assert_int_eq(alerts_active(alerts, 1)->since_wall_s, NOW_S);
	ck_assert_ptr_null(alerts_active(alerts, 2));
	f.hop_count = 1;
	alerts_update(alerts, &f, 6 * MIN, NOW_S + 360, on_alert, &seen);
	alerts_update(alerts, &f, 7 * MIN, NOW_S + 420, on_alert, &seen);
	ck_assert_int_eq(seen.cleared, 1);
	ck_assert_str_eq(seen.last.object, "b");
	ck_assert_uint_eq(alerts_count(alerts), 1);
	alerts_destroy(&alerts);
}
END_TEST

START_TEST(scanner)
{
	PLAY("a restart is no alert", {0, SCANNER, 1, 0, 0},
	     {119 * S, SCANNER, 1, 0, 0}, {2 * MIN - 1, FINE, 0, 0, 0},
	     {3 * MIN, SCANNER, 1, 0, 0});
	PLAY("two minutes", {0, SCANNER, 1, 0, 0}, {2 * MIN, SCANNER, 1, 1, 0},
	     {3 * MIN, SCANNER, 1, 1, 0}, {4 * MIN, FINE, 0, 1, 0},
	     {5 * MIN, FINE, 0, 1, 1});
	PLAY("worse when it was the last", {0, SCANNER, 1, 0, 0},
	     {2 * MIN, SCANNER, 1, 1, 0}, {3 * MIN, SCANNER, 0, 2, 0},
	     {4 * MIN, SCANNER, 1, 2, 0});
	PLAY("blind at once, and not down too", {0, BLIND, 0, 1, 0},
	     {5 * MIN, BLIND, 0, 1, 0}, {6 * MIN, FINE, 0, 1, 0},
	     {7 * MIN, FINE, 0, 1, 1});
	PLAY("a certificate, each level once",
	     {0, SCANNER_EXPIRES, 15 * DAY, 0, 0},
	     {1 * S, SCANNER_EXPIRES, 14 * DAY, 1, 0},
	     {2 * S, SCANNER_EXPIRES, 4 * DAY, 1, 0},
	     {3 * S, SCANNER_EXPIRES, 3 * DAY, 2, 0},
	     {4 * S, SCANNER_EXPIRES, 0, 3, 0},
	     {5 * S, SCANNER_EXPIRES, -DAY, 3, 0}, {6 * S, FINE, 0, 3, 1});
}
END_TEST

START_TEST(scanning)
{
	PLAY("a bypass at once, until it is over", {0, BYPASS, 1800, 1, 0},
	     {1 * S, BYPASS, 60, 1, 0}, {2 * S, BYPASS, 0, 1, 1});
	PLAY("tags that say nothing", {0, UNSTEADY, 0, 1, 0},
	     {1 * S, FINE, 0, 1, 0}, {2 * S, UNSTEADY, 0, 1, 0},
	     {3 * S, FINE, 0, 1, 0}, {3 * S + 10 * MIN, FINE, 0, 1, 1});
}
END_TEST

/* A hop and a scanner of one name, two troubles of one scanner. */
START_TEST(names_apart)
{
	struct alerts *alerts = alerts_create();
	struct alert_hop next = {"av", false, "x"};
	struct alert_scanner av = {"av", "y", false, true, NOW_S - 1};
	struct alert_facts f = {
	    .hops = &next,
	    .hop_count = 1,
	    .scan = {.servers = &av, .server_count = 1},
	};
	struct seen seen = {0};

	alerts_update(alerts, &f, 0, NOW_S, on_alert, &seen);
	ck_assert_int_eq(seen.raised, 2);
	alerts_update(alerts, &f, 5 * MIN, NOW_S + 300, on_alert, &seen);
	ck_assert_int_eq(seen.raised, 3);
	ck_assert_int_eq(alerts_active(alerts, 0)->cause, ALERT_HOP);
	ck_assert_int_eq(alerts_active(alerts, 1)->cause, ALERT_SCANNER_BLIND);
	ck_assert_int_eq(alerts_active(alerts, 2)->cause,
			 ALERT_SCANNER_CERTIFICATE);
	av.blind = false;
	av.up = true;
	f.hop_count = 0;
	alerts_update(alerts, &f, 6 * MIN, NOW_S + 360, on_alert, &seen);
	alerts_update(alerts, &f, 7 * MIN, NOW_S + 420, on_alert, &seen);
	ck_assert_uint_eq(alerts_count(alerts), 1);
	ck_assert_int_eq(alerts_active(alerts, 0)->cause,
			 ALERT_SCANNER_CERTIFICATE);
	alerts_destroy(&alerts);
}
END_TEST

/* The longest name there is, in the longest texts there are. */
START_TEST(texts_fit)
{
	char name[SCAN_SERVER_SIZE], error[160];
	struct alerts *alerts = alerts_create();
	struct alert_scanner av = {name, error, false, false, NOW_S - 1};
	struct alert_facts f = {.scan = {.servers = &av, .server_count = 1}};
	struct seen seen = {0};

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	memset(error, 'e', sizeof(error) - 1);
	error[sizeof(error) - 1] = '\0';
	alerts_update(alerts, &f, 0, NOW_S, on_alert, &seen);
	ck_assert_ptr_nonnull(strstr(seen.last.subject, "has expired"));
	alerts_update(alerts, &f, 2 * MIN, NOW_S + 120, on_alert, &seen);
	ck_assert_int_eq(seen.last.cause, ALERT_SCANNER);
	ck_assert_ptr_nonnull(strstr(seen.last.text, "unscanned)\n"));
	alerts_destroy(&alerts);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
	    certificate, disk,	      store,	altered,    stuck,
	    dovecot,	 resolver,    hop,	hops_apart, scanner,
	    scanning,	 names_apart, texts_fit};

	return RUN_TESTS("control/alerts", tests);
}
