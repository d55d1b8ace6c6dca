/* The Prometheus text by promtool's rules, stats and JSON by the same table;
 * the status screen within 80 columns; the rates. */
#include <regex.h>

#include "gateway/control/rate.h"
#include "gateway/control/status.h"
#include "gateway/control/text.h"
#include "tests/net/net_help.h"

#define FAMILIES 250

static void
fill(struct metrics *m)
{
	memset(m, 0, sizeof(*m));
	m->wall_s = 1700000000;
	m->start_wall_s = m->wall_s - 90000;
	m->certificate_wall_s = m->wall_s + 86400;
	m->front.messages_accepted = 1234567;
	m->front.dot_p99_ms = 4.5;
	m->back.delay_p99_s = 1.5;
	m->back.oldest_wall_s = m->wall_s - 60;
	m->ledger.accepted = 10;
	m->ledger.by_state[RCPT_DELIVERED] = 9;
	m->ledger_read = true;
	m->hop_count = 2;
	snprintf(m->hops[0].name, sizeof(m->hops[0].name), "a\"b\\c\nd");
	m->hops[0].up = true;
	snprintf(m->hops[1].name, sizeof(m->hops[1].name), "%s",
		 "a-rather-long-name-of-a-next-hop");
	snprintf(m->hops[1].error, sizeof(m->hops[1].error),
		 "\033]0;title\a and a text that is far longer than what "
		 "eighty columns have room for");
	m->scan.on = true;
	m->scan.parts_scanned = 12345;
	m->scan.bypass_until_wall_s = m->wall_s + 600;
	m->scan.down_since_wall_s = m->wall_s - 100;
	m->back.scan_waiting = 1234;
	m->back.scan_oldest_wall_s = m->wall_s - 200;
	m->scanner_count = 2;
	snprintf(m->scanners[0].name, SCAN_SERVER_SIZE, "av\"1:1344/scan");
	m->scanners[0].health = SCAN_UP;
	m->scanners[0].scanned = 1234567;
	m->scanners[0].p95_ms = 12.5;
	m->scanners[0].since_wall_s = m->wall_s - 90000;
	m->scanners[0].expires_wall_s = m->wall_s + 9 * 86400;
	snprintf(m->scanners[1].name, SCAN_SERVER_SIZE,
		 "a-rather-long-name-of-a-host.example.com:11344/avscan");
	m->scanners[1].health = SCAN_BLIND;
	m->scanners[1].since_wall_s = m->wall_s - 90000;
	m->scanners[1].expires_wall_s = m->wall_s - 86400;
	snprintf(m->scanners[1].error, sizeof(m->scanners[1].error),
		 "\033]0;title\a and a text that is far longer than what "
		 "eighty columns have room for");
	metrics_derive(m);
}

static bool
matches(const char *pattern, const char *s)
{
	regex_t re;
	bool ok;

	ck_assert_int_eq(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
	ok = regexec(&re, s, 0, NULL, 0) == 0;
	regfree(&re);
	return ok;
}

static bool
ends(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && strcmp(s + n - m, end) == 0;
}

/* HELP, TYPE, then this family's samples and no other's; each family once. */
START_TEST(prometheus_is_clean)
{
	static struct metrics m;
	static char seen[FAMILIES][80];
	struct buf out = {.cap = 1 << 20};
	char family[80] = "", name[80], type[16];
	size_t families = 0, samples = 0;
	bool typed = false;

	fill(&m);
	metrics_prometheus(&m, &out);
	ck_assert(!out.overflow);
	for (char *line = strtok((char *)buf_cstr(&out), "\n"); line;
	     line = strtok(NULL, "\n")) {
		if (sscanf(line, "# HELP %79s", name) == 1) {
			for (size_t i = 0; i < families; i++)
				ck_assert_str_ne(seen[i], name);
			ck_assert(families == 0 || samples > 0);
			strcpy(seen[families++], name);
			strcpy(family, name);
			ck_assert_msg(ends(line, "."), "%s", line);
			typed = false;
			samples = 0;
		} else if (sscanf(line, "# TYPE %79s %15s", name, type) == 2) {
			ck_assert_str_eq(name, family);
			ck_assert_msg(ends(name, "_total") ==
					  (strcmp(type, "counter") == 0),
				      "%s is a %s", name, type);
			typed = true;
		} else {
			ck_assert(typed);
			ck_assert_msg(
			    matches(
				"^sluice_[a-z0-9_]+(\\{[a-z]+=\"([^\"\\]|"
				"\\\\[\\n\"])*\"\\})? -?[0-9]+(\\.[0-9]+)?$",
				line),
			    "%s", line);
			ck_assert(strncmp(line, family, strlen(family)) == 0 &&
				  strchr(" {", line[strlen(family)]));
			samples++;
		}
	}
	ck_assert_uint_gt(families, 50);
	buf_fini(&out);
}
END_TEST

START_TEST(same_names_everywhere)
{
	static struct metrics m;
	struct buf stats = {.cap = 1 << 20}, json = {.cap = 1 << 20},
		   prometheus = {.cap = 1 << 20};
	struct slice rest, line;

	fill(&m);
	metrics_stats(&m, &stats);
	metrics_json(&m, &json);
	metrics_prometheus(&m, &prometheus);
	rest = buf_slice(&stats);
	while (slice_split(&rest, '\n', &line)) {
		char key[100];
		int n = (int)slice_find(line, '=');

		if (slice_starts(line, SLICE_LIT("hop.")))
			break;
		ck_assert(!slice_starts(line, SLICE_LIT("scan_server.")));
		snprintf(key, sizeof(key), "\"%.*s\":", n, line.p);
		ck_assert_ptr_nonnull(strstr(buf_cstr(&json), key));
		snprintf(key, sizeof(key), "\nsluice_%.*s ", n, line.p);
		ck_assert_ptr_nonnull(strstr(buf_cstr(&prometheus), key));
	}
	ck_assert_ptr_nonnull(
	    strstr(buf_cstr(&stats), "messages_accepted_total=1234567\n"));
	ck_assert_ptr_nonnull(
	    strstr(buf_cstr(&stats), "dot_latency_p99_seconds=0.004500\n"));
	ck_assert_ptr_nonnull(
	    strstr(buf_cstr(&stats), "ledger_difference=1\n"));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&stats),
				     "\nscan_server.av\"1:1344/scan."
				     "latency_p95_seconds=0.012500\n"));
	ck_assert_ptr_nonnull(
	    strstr(buf_cstr(&json),
		   "{\"name\":\"av\\\"1:1344/scan\",\"health\":\"up\","
		   "\"connections\":0,"));
	ck_assert_ptr_nonnull(
	    strstr(buf_cstr(&prometheus),
		   "\nsluice_scan_server_scanned_total{server=\"av\\\"1:1344/"
		   "scan\"} 1234567\n"));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&stats), "\nscan_bypassed=1\n"));
	ck_assert_ptr_nonnull(
	    strstr(buf_cstr(&stats), "\nscan_pending_oldest_seconds=200\n"));
	buf_fini(&stats);
	buf_fini(&json);
	buf_fini(&prometheus);
}
END_TEST

START_TEST(status_screen)
{
	static struct metrics m;
	struct alerts *alerts = alerts_create();
	struct status_input in = {&m, alerts, "mail.example.com", 80};
	struct buf out = {.cap = 1 << 20};
	struct slice rest, line;

	fill(&m);
	status_text(&in, &out);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "DOES NOT BALANCE: +1"));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "DOWN"));
	ck_assert_ptr_nonnull(
	    strstr(buf_cstr(&out), "\033[1;31mBYPASSED until "));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "BLIND"));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "EXPIRED 2023-11-13"));
	/* the red is the only thing that is not text */
	rest = buf_slice(&out);
	while (slice_split(&rest, '\n', &line)) {
		bool red = slice_find(line, '\033') < line.n;

		ck_assert_msg(line.n <= (red ? 91 : 80), "%.*s", (int)line.n,
			      line.p);
		ck_assert(!red || memmem(line.p, line.n, "BYPASSED", 8));
	}
	in.columns = 0;
	buf_clear(&out);
	status_text(&in, &out);
	ck_assert_ptr_null(strchr(buf_cstr(&out), '\033'));
	buf_clear(&out);
	status_json(&in, &out);
	ck_assert_ptr_null(strchr(buf_cstr(&out), '\033'));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "\"scan\":{\"on\":true,"
						     "\"up\":false,"));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "\"health\":\"blind\""));
	buf_fini(&out);
	alerts_destroy(&alerts);
}
END_TEST

START_TEST(health)
{
	static const struct {
		const char *label;
		bool full;
		int failing, status;
		const char *text;
	} rows[] = {
	    {"well", false, 0, 200, "ok\n"},
	    {"full", true, 0, 503, "spool full\n"},
	    {"failing", false, GW_EIO, 503, "store failing: "},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		static struct metrics m;
		struct buf out = {.cap = 1000};

		fill(&m); /* a next hop is down: busy is not dead */
		m.spool.full = rows[i].full;
		m.spool.failing = rows[i].failing;
		ck_assert_msg(status_health(&m, &out) == rows[i].status, "%s",
			      rows[i].label);
		ck_assert_ptr_nonnull(strstr(buf_cstr(&out), rows[i].text));
		buf_fini(&out);
	}
}
END_TEST

START_TEST(rates)
{
	struct rate rate = {0};

	ck_assert(rate_per_minute(&rate, RATE_ACCEPTED) == 0);
	for (uint64_t i = 0; i < 200; i++) {
		/* ten a second for 100 s, then silence */
		uint64_t n = i < 100 ? i * 10 : 990;
		const uint64_t counts[RATES] = {n, 0};

		rate_add(&rate, counts, (int64_t)i * 1000);
		if (i == 1 || i == 50 || i == 99)
			ck_assert(rate_per_minute(&rate, RATE_ACCEPTED) == 600);
	}
	ck_assert(rate_per_minute(&rate, RATE_ACCEPTED) == 0);
	ck_assert(rate_per_minute(&rate, RATE_DELIVERED) == 0);
}
END_TEST

START_TEST(cells)
{
	static const struct {
		const char *label, *in;
		size_t width;
		const char *want;
	} rows[] = {
	    {"padded", "ab", 4, "ab  "},
	    {"exact", "abcd", 4, "abcd"},
	    {"cut", "abcde", 4, "abc~"},
	    {"UTF-8 counts once", "\xc3\xa4\xc3\xb6", 3, "\xc3\xa4\xc3\xb6 "},
	    {"UTF-8 cut whole", "\xc3\xa4\xc3\xb6\xc3\xbc", 2, "\xc3\xa4~"},
	    {"escape", "\033x", 5, "\\x1bx"},
	    {"empty", "", 2, "  "},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf out = {.cap = 100};

		text_cell(&out, slice_str(rows[i].in), rows[i].width);
		ck_assert_msg(buf_is(&out, rows[i].want), "%s: '%s'",
			      rows[i].label, buf_cstr(&out));
		buf_fini(&out);
	}
}
END_TEST

START_TEST(numbers)
{
	struct buf out = {.cap = 400};

	text_count(&out, 0);
	buf_add_byte(&out, ' ');
	text_count(&out, 999);
	buf_add_byte(&out, ' ');
	text_count(&out, 1000);
	buf_add_byte(&out, ' ');
	text_count(&out, UINT64_MAX);
	buf_add_byte(&out, ' ');
	text_size(&out, 1023);
	buf_add_byte(&out, ' ');
	text_size(&out, 1536);
	buf_add_byte(&out, ' ');
	text_size(&out, UINT64_MAX);
	buf_add_byte(&out, ' ');
	text_span(&out, -5);
	buf_add_byte(&out, ' ');
	text_span(&out, 7261);
	buf_add_byte(&out, ' ');
	text_times(&out, 1, "cat");
	ck_assert_str_eq(buf_cstr(&out),
			 "0 999 1,000 18,446,744,073,709,551,615 1023 B "
			 "1.5 KiB 16384 PiB 0 s 2 h 1 min 1 cat");
	buf_fini(&out);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {prometheus_is_clean,
				      same_names_everywhere,
				      status_screen,
				      health,
				      rates,
				      cells,
				      numbers};

	return RUN_TESTS("control/metrics", tests);
}
