/*
 * The rate of a campaign is of what is sent: who is left out, held or found
 * dead costs nothing of it.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/campaign/suppress.h"
#include "tests/back/world.h"
#include "tests/support/dns_server.h"

/* One a minute: had each of the others its minute, it would be an hour. */
#define RATE_PER_H 60
#define OTHERS 60

static struct world w;
static struct dns_server *dns;

static const struct dns_row rows[] = {
    {.name = "one.lab", .type = "MX", .records = "@ 60 MX 10 mx.lab"},
    {.name = "mx.lab", .type = "A", .records = "@ 60 A 127.0.0.1"},
};

static const struct left_out_case {
	const char *label, *to; /* to: NULL: of a domain each */
	bool mx;		/* by its MX, else by the next hop */
	enum campaign_count count;
} cases[] = {
    {"suppressed", "gone@x.test", false, CAMPAIGN_SUPPRESSED},
    {"two of them in a message", "gone@x.test gone@X.test", false,
     CAMPAIGN_SUPPRESSED},
    {"held", "a@held.test", false, CAMPAIGN_COUNTS},
    {"dead", NULL, true, CAMPAIGN_DEAD},
};

static void
setup(void)
{
	world_open(&w, NULL);
	world_campaigns(&w);
}

static void
teardown(void)
{
	world_close(&w);
	if (dns)
		dns_server_destroy(&dns);
}

static void
suppress(const char *address)
{
	const struct suppress_entry entry = {
	    .address = address, .reason = SUPPRESS_MANUAL, .text = ""};
	struct arena *arena = arena_create(256);
	struct store_change change;

	ck_assert_int_eq(suppress_add(w.suppress, &entry, arena, &change), 0);
	arena_destroy(&arena);
}

static void
use_mx(void)
{
	dns = dns_server_create(w.loop, rows, sizeof(rows) / sizeof(rows[0]));
	w.conf.dns.servers = dns_server_text(dns);
	w.hops[0].kind = BACK_MX;
	w.hops[0].mx_loopback = true;
	world_domains(&w, true);
}

static void
order(uint64_t id, enum campaign_state state, int64_t rate)
{
	struct campaign_order given = {
	    .id = id, .state = state, .rate_per_h = rate, .connections = -1};

	ck_assert_int_eq(world_order(&w, &given), 0);
	back_campaign(w.back, id);
}

START_TEST(test_left_out)
{
	const struct left_out_case *c = &cases[_i];
	struct letter letter = {.cred = "pr"};
	char to[40];

	suppress("gone@x.test");
	world_block(&w, BLOCK_DOMAIN, BLOCK_HOLD, "held.test");
	if (c->mx)
		use_mx();
	world_start(&w);
	letter.campaign = world_campaign(&w, "pr", 3 * OTHERS);
	order(letter.campaign, CAMPAIGN_PAUSED, RATE_PER_H);
	for (int i = 0; i < OTHERS; i++) {
		snprintf(to, sizeof(to), "a@nowhere%d.lab", i);
		letter.to = c->to ? c->to : to;
		world_accept(&w, &letter);
	}
	letter.to = c->mx ? "b@one.lab" : "b@x.test";
	world_accept(&w, &letter);
	order(letter.campaign, CAMPAIGN_RUNNING, -1);
	UNTIL(&w, sink_count(w.sink) == 1, c->label);
	if (c->count != CAMPAIGN_COUNTS)
		UNTIL(&w,
		      world_view(&w, letter.campaign).counts[c->count] >=
			  OTHERS,
		      c->label);
	/* whose domain is dead is no address to write to again */
	ck_assert(!c->mx ||
		  suppress_has(w.suppress, SLICE_LIT("a@nowhere0.lab")));
	ck_assert_uint_eq(world_view(&w, letter.campaign).rate_per_h,
			  RATE_PER_H);
	order(letter.campaign, CAMPAIGN_PAUSED, -1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("back/left_out");
	TCase *tc = tcase_create("left_out");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, test_left_out, 0,
			    sizeof(cases) / sizeof(cases[0]));
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
