/*
 * Direct delivery: what domains of one provider share, what is remembered of
 * hosts that do not answer, and how many slots they may hold.
 *
 * Hosts are addresses of 127.0.0.0/8, all at the port of the sink. It listens
 * at 127.0.0.1; at 127.0.1.N those listen that never say a word (a connection
 * is made by the kernel, and that is all); elsewhere nobody does.
 */
#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/mem.h"
#include "tests/back/world.h"
#include "tests/support/dns_server.h"

#define ROWS_MAX 2000
#define MUTES_MAX 64

struct lab {
	struct world w;
	struct dns_server *dns;
	struct dns_row *rows;
	size_t row_count;
	int mutes[MUTES_MAX];
	size_t mute_count;
};

static char *
text_of(const char *format, unsigned n)
{
	struct buf text;
	char *copy;

	buf_init(&text, 4096);
	buf_printf(&text, "%s", format);
	for (char *at; (at = strchr(buf_cstr(&text), '#')) != NULL;) {
		char *rest = mem_strdup(at + 1);

		text.n = (size_t)(at - text.p);
		buf_printf(&text, "%u%s", n, rest);
		free(rest);
	}
	copy = mem_strdup(buf_cstr(&text));
	buf_fini(&text);
	return copy;
}

/* A '#' is n. */
static void
add_row(struct lab *lab, const char *name, const char *type,
	const char *records, unsigned n)
{
	ck_assert_uint_lt(lab->row_count, ROWS_MAX);
	lab->rows[lab->row_count++] =
	    (struct dns_row){.name = text_of(name, n),
			     .type = type,
			     .records = text_of(records, n)};
}

static void
add_host(struct lab *lab, const char *name, const char *ip, unsigned n)
{
	char records[80];

	snprintf(records, sizeof(records), "@ 300 A %s", ip);
	add_row(lab, name, "A", records, n);
	add_row(lab, name, "AAAA", "!lab 300 SOA 300", n);
}

static void
lab_open(struct lab *lab)
{
	struct world *w = &lab->w;

	memset(lab, 0, sizeof(*lab));
	world_open(w, NULL);
	lab->rows = mem_array(ROWS_MAX, sizeof(*lab->rows));
	add_row(lab, "example.org", "MX", "@ 300 MX 10 home.lab", 0);
	add_host(lab, "home.lab", "127.0.0.1", 0);
	w->hops[0].kind = BACK_MX;
	w->hops[0].name = "world";
	w->hops[0].connection_max = 4;
	w->retry_s[0] = w->retry_s[1] = 3600;
	world_domains(w, true);
}

static void
lab_start(struct lab *lab)
{
	struct world *w = &lab->w;

	lab->dns = dns_server_create(w->loop, lab->rows, lab->row_count);
	w->conf.dns.servers = dns_server_text(lab->dns);
	world_start(w);
}

static void
lab_close(struct lab *lab)
{
	world_stop(&lab->w, 0);
	dns_server_destroy(&lab->dns);
	for (size_t i = 0; i < lab->mute_count; i++)
		close(lab->mutes[i]);
	for (size_t i = 0; i < lab->row_count; i++) {
		free((char *)lab->rows[i].name);
		free((char *)lab->rows[i].records);
	}
	free(lab->rows);
	world_close(&lab->w);
}

/* Takes connections and says nothing. */
static void
mute(struct lab *lab, const char *ip)
{
	struct sockaddr_in sin = {.sin_family = AF_INET,
				  .sin_port = htons(sink_port(lab->w.sink))};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(inet_pton(AF_INET, ip, &sin.sin_addr), 1);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	ck_assert_int_eq(listen(fd, 64), 0);
	lab->mutes[lab->mute_count++] = fd;
}

/* Of those that wait there to be accepted, the count; they are closed. */
static unsigned
count_mute(int fd)
{
	unsigned n = 0;
	int c;

	ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	while ((c = accept(fd, NULL, NULL)) >= 0) {
		close(c);
		n++;
	}
	return n;
}

static void
accept_to(struct lab *lab, const char *format, unsigned n, const char *cred)
{
	char *to = text_of(format, n);
	struct letter letter = {.to = to, .cred = cred};

	world_accept(&lab->w, &letter);
	free(to);
}

/* --- sites ---------------------------------------------------------------- */

static const struct share_case {
	const char *label;
	const char *records; /* '#' is which domain */
	bool shares;
} share_cases[] = {
    {"the same hosts", "@ 300 MX 10 a.lab\n@ 300 MX 20 b.lab", true},
    {"the same order, other numbers", "@ 300 MX 1# a.lab\n@ 300 MX 2# b.lab",
     true},
    {"equal ones", "@ 300 MX 10 a.lab\n@ 300 MX 10 b.lab", true},
    {"a host each", "@ 300 MX 10 h#.lab", false},
};

START_TEST(test_domains_share_a_site)
{
	const struct share_case *c = &share_cases[_i];
	struct lab lab;
	struct world *w = &lab.w;

	lab_open(&lab);
	add_host(&lab, "a.lab", "127.0.0.1", 0);
	add_host(&lab, "b.lab", "127.0.0.1", 0);
	for (unsigned i = 0; i < 100; i++) {
		add_row(&lab, "d#.lab", "MX", c->records, i);
		add_host(&lab, "h#.lab", "127.0.0.1", i);
	}
	lab_start(&lab);
	for (unsigned i = 0; i < 100; i++)
		accept_to(&lab, "x@d#.lab", i, NULL);
	UNTIL(w, status_of(w).delivered == 100, c->label);
	if (c->shares)
		ck_assert_uint_le(sink_connections(w->sink), 4);
	else
		ck_assert_uint_eq(sink_connections(w->sink), 100);
	lab_close(&lab);
}
END_TEST

/* A provider's cap is for all of its domains. */
START_TEST(test_site_cap)
{
	struct lab lab;
	struct world *w = &lab.w;
	size_t most = 0;

	lab_open(&lab);
	add_host(&lab, "a.lab", "127.0.0.1", 0);
	for (unsigned i = 0; i < 40; i++)
		add_row(&lab, "d#.lab", "MX", "@ 300 MX 10 a.lab", i);
	w->hops[0].connection_max = 2;
	lab_start(&lab);
	sink_pause_ms(w->sink, 20);
	for (unsigned i = 0; i < 40; i++)
		accept_to(&lab, "x@d#.lab", i, NULL);
	UNTIL(w,
	      (most = sink_connections_now(w->sink) > most
			  ? sink_connections_now(w->sink)
			  : most,
	       status_of(w).delivered == 40),
	      "all of them");
	ck_assert_uint_eq(most, 2);
	lab_close(&lab);
}
END_TEST

static bool
came_from(struct world *w, const char *to, const char *ip)
{
	struct ip_addr addr;

	ck_assert_int_eq(ip_parse(slice_str(ip), &addr), 0);
	for (size_t i = 0; i < sink_count(w->sink); i++) {
		if (strcmp(sink_mail(w->sink, i)->rcpts, to) == 0)
			return ip_eq(&sink_mail(w->sink, i)->peer, &addr);
	}
	return false;
}

/* Each lane from its own address; also by a next hop. */
START_TEST(test_source_of_lane)
{
	struct letter own = {.to = "own@d.lab"};
	struct letter bulk = {.to = "bulk@d.lab", .lane = LANE_BULK};
	struct letter dsn = {.to = "dsn@d.lab", .lane = LANE_DSN};
	struct ip_addr source, of_bulk;
	struct lab lab;
	struct world *w = &lab.w;

	ck_assert_int_eq(ip_parse(SLICE_LIT("127.0.0.77"), &source), 0);
	ck_assert_int_eq(ip_parse(SLICE_LIT("127.0.0.78"), &of_bulk), 0);
	lab_open(&lab);
	add_host(&lab, "a.lab", "127.0.0.1", 0);
	add_row(&lab, "d.lab", "MX", "@ 300 MX 10 a.lab", 0);
	w->hops[0].source = &source;
	w->hops[0].lane_source[LANE_BULK] = &of_bulk;
	if (_i == 1)
		w->hops[0].kind = BACK_SMTP;
	lab_start(&lab);
	world_accept(w, &own);
	world_accept(w, &bulk);
	world_accept(w, &dsn);
	UNTIL(w, status_of(w).delivered == 3, "all three");
	ck_assert(came_from(w, "own@d.lab", "127.0.0.77"));
	ck_assert(came_from(w, "dsn@d.lab", "127.0.0.77"));
	ck_assert(came_from(w, "bulk@d.lab", "127.0.0.78"));
	lab_close(&lab);
}
END_TEST

/* The hosts of a domain move: who waits goes after them. */
START_TEST(test_hosts_move)
{
	struct back_flush flush = {.domain = NULL};
	struct lab lab;
	struct world *w = &lab.w;
	size_t row;

	lab_open(&lab);
	row = lab.row_count;
	add_row(&lab, "d.lab", "MX", "@ 60 MX 10 old.lab", 0);
	add_host(&lab, "old.lab", "127.0.0.9", 0);
	add_host(&lab, "new.lab", "127.0.0.1", 0);
	lab_start(&lab);
	accept_to(&lab, "x@d.lab", 0, NULL);
	UNTIL(w, status_of(w).deferred == 1, "nobody there");
	free((char *)lab.rows[row].records);
	lab.rows[row].records = mem_strdup("@ 60 MX 10 new.lab");
	back_flush(w->back, &flush);
	UNTIL(w, status_of(w).delivered == 1, "the new one");
	lab_close(&lab);
}
END_TEST

/* The same hosts, elsewhere: an administrator need not wait for the old
 * address to be out of date. */
START_TEST(test_host_moves)
{
	struct back_flush flush = {.domain = NULL};
	struct lab lab;
	struct world *w = &lab.w;
	size_t row;

	lab_open(&lab);
	add_row(&lab, "d.lab", "MX", "@ 3600 MX 10 a.lab", 0);
	row = lab.row_count;
	add_host(&lab, "a.lab", "127.0.0.9", 0);
	lab_start(&lab);
	accept_to(&lab, "x@d.lab", 0, NULL);
	UNTIL(w, status_of(w).deferred == 1, "nobody there");
	free((char *)lab.rows[row].records);
	lab.rows[row].records = mem_strdup("@ 3600 A 127.0.0.1");
	back_flush(w->back, &flush);
	UNTIL(w, status_of(w).delivered == 1, "at its new address");
	lab_close(&lab);
}
END_TEST

/* Two domains of one site: its addresses are old, what is known of the one is
 * not. They are asked for again, or its mail would go round in a circle. */
START_TEST(test_old_addresses_are_asked_for)
{
	struct back_flush flush = {.domain = "one.lab"};
	struct lab lab;
	struct world *w = &lab.w;

	lab_open(&lab);
	w->hops[0].idle_ms = 0;
	add_row(&lab, "one.lab", "MX", "@ 300 MX 10 a.lab", 0);
	add_row(&lab, "two.lab", "MX", "@ 3600 MX 10 a.lab", 0);
	add_host(&lab, "a.lab", "127.0.0.1", 0);
	lab_start(&lab);
	accept_to(&lab, "x@one.lab", 0, NULL);
	UNTIL(w, status_of(w).delivered == 1, "one");
	accept_to(&lab, "x@two.lab", 0, NULL);
	UNTIL(w, status_of(w).delivered == 2, "two");
	back_flush(w->back, &flush);
	accept_to(&lab, "y@two.lab", 0, NULL);
	UNTIL(w, status_of(w).delivered == 3, "two again");
	lab_close(&lab);
}
END_TEST

/* --- hosts that do not answer --------------------------------------------- */

/* Two sites, one dead address: it is met once. */
START_TEST(test_memory_is_shared)
{
	struct back_flush flush = {.domain = NULL};
	struct lab lab;
	struct world *w = &lab.w;

	lab_open(&lab);
	add_row(&lab, "one.lab", "MX", "@ 300 MX 10 a.lab", 0);
	add_row(&lab, "two.lab", "MX", "@ 300 MX 10 b.lab", 0);
	add_host(&lab, "a.lab", "127.0.0.1", 0);
	add_host(&lab, "b.lab", "127.0.0.1", 0);
	lab_start(&lab);
	sink_close(w->sink);
	accept_to(&lab, "x@one.lab", 0, NULL);
	UNTIL(w, status_of(w).deferred == 1, "refused");
	sink_open(w->sink);
	accept_to(&lab, "y@two.lab", 0, NULL);
	UNTIL(w, status_of(w).deferred == 2, "not even tried");
	ck_assert_uint_eq(sink_connections(w->sink), 0);
	back_flush(w->back, &flush);
	UNTIL(w, status_of(w).delivered == 2, "an administrator says: now");
	lab_close(&lab);
}
END_TEST

static unsigned
open_connections(struct world *w)
{
	return (unsigned)status_of(w).connections;
}

static const struct flood_case {
	const char *label;
	bool same_cred;
} flood_cases[] = {
    {"another's flood", false},
    {"one's own", true},
};

/* Sixty silent hosts, twenty slots: the good ones are sent all the same, and
 * who is silent keeps a fifth of the slots at most. */
START_TEST(test_silent_flood)
{
	const struct flood_case *c = &flood_cases[_i];
	struct lab lab;
	struct world *w = &lab.w;
	int64_t began_ms;
	char ip[20];

	lab_open(&lab);
	for (unsigned i = 0; i < 60; i++) {
		snprintf(ip, sizeof(ip), "127.0.1.%u", i + 1);
		mute(&lab, ip);
		add_row(&lab, "s#.lab", "MX", "@ 300 MX 10 m#.lab", i);
		add_host(&lab, "m#.lab", ip, i);
		add_row(&lab, "g#.lab", "MX", "@ 300 MX 10 h#.lab", i);
		add_host(&lab, "h#.lab", "127.0.0.1", i);
	}
	w->conf.connection_max = 20;
	w->hops[0].timeout_ms = 60000;
	lab_start(&lab);
	for (unsigned i = 0; i < 60; i++)
		accept_to(&lab, "x@s#.lab", i, "bad");
	UNTIL(w, open_connections(w) >= 16, "the flood has begun");
	began_ms = clock_mono_ms();
	for (unsigned i = 0; i < 60; i++)
		accept_to(&lab, "x@g#.lab", i, c->same_cred ? "bad" : "ann");
	UNTIL(w, status_of(w).delivered == 60, c->label);
	ck_assert_msg(clock_mono_ms() - began_ms < 50000, "%s: %d ms", c->label,
		      (int)(clock_mono_ms() - began_ms));
	/* Given up, but for a fifth. */
	UNTIL(w, open_connections(w) <= 4, c->label);
	UNTIL(w, status_of(w).deferred >= 50, c->label);
	lab_close(&lab);
}
END_TEST

/* One connection goes to see a silent site, however much mail waits for it. */
START_TEST(test_one_goes_ahead)
{
	struct lab lab;
	struct world *w = &lab.w;

	lab_open(&lab);
	mute(&lab, "127.0.1.1");
	add_row(&lab, "s.lab", "MX", "@ 300 MX 10 m.lab", 0);
	add_host(&lab, "m.lab", "127.0.1.1", 0);
	w->hops[0].timeout_ms = 1000;
	lab_start(&lab);
	for (unsigned i = 0; i < 50; i++)
		accept_to(&lab, "x@s.lab", i, NULL);
	UNTIL(w, status_of(w).deferred == 50, "all deferred");
	ck_assert_uint_eq(count_mute(lab.mutes[0]), 1);
	lab_close(&lab);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("back/site");
	TCase *tc = tcase_create("site");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, test_domains_share_a_site, 0,
			    sizeof(share_cases) / sizeof(share_cases[0]));
	tcase_add_test(tc, test_site_cap);
	tcase_add_loop_test(tc, test_source_of_lane, 0, 2);
	tcase_add_test(tc, test_hosts_move);
	tcase_add_test(tc, test_host_moves);
	tcase_add_test(tc, test_old_addresses_are_asked_for);
	tcase_add_test(tc, test_memory_is_shared);
	tcase_add_loop_test(tc, test_silent_flood, 0,
			    sizeof(flood_cases) / sizeof(flood_cases[0]));
	tcase_add_test(tc, test_one_goes_ahead);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
