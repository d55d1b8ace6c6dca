/*
 * A campaign is looked at before it goes: what is found is its reason, and it
 * runs, or waits. Whatever DNS does, it comes to an end.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/id.h"
#include "tests/back/world.h"
#include "tests/support/dns_server.h"

#define COUNT(a) (int)(sizeof(a) / sizeof((a)[0]))

/* Of this test alone. */
static const char pem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEINPsR5jif7LzcXQAwVhXPgzWDIxrG45mmj68c7UpIKEY\n"
    "-----END PRIVATE KEY-----\n";

static char ours[200]; /* the record of that key */

static struct dns_row rows[] = {
    {"s1._domainkey.good.test", "TXT", 0, DNS_ANSWERS, ours},
    {"_dmarc.good.test", "TXT", 0, DNS_ANSWERS, "@ 60 TXT v=DMARC1; |p=reject"},
    {"good.test", "TXT", 0, DNS_ANSWERS, "@ 60 TXT v=spf1 -all"},
    {"s1._domainkey.revoked.test", "TXT", 0, DNS_ANSWERS,
     "@ 60 TXT v=DKIM1; k=ed25519; p="},
    {"_dmarc.revoked.test", "TXT", 0, DNS_ANSWERS, "@ 60 TXT v=DMARC1; p=none"},
    {"revoked.test", "TXT", 0, DNS_ANSWERS, "@ 60 TXT v=spf1 -all"},
    {"_dmarc.silent.test", "TXT", 0, DNS_SILENT, NULL},
    {"s1._domainkey.silent.test", "TXT", 0, DNS_SILENT, NULL},
    {"silent.test", "TXT", 0, DNS_SILENT, NULL},
    {"_dmarc.held.test", "TXT", 0, DNS_HOLDS, "@ 60 TXT v=DMARC1; p=none"},
};

static struct world w;
static struct dns_server *server;
static struct dkim_keys *keys;

static void
make_keys(void)
{
	static const char *const signers[] = {"good.test", "revoked.test",
					      "silent.test", "lost.test"};
	struct buf record = {.cap = sizeof(ours) - 20};

	keys = dkim_keys_create();
	for (int i = 0; i < COUNT(signers); i++) {
		const char *why;
		struct dkim_key *key =
		    dkim_key_parse(slice_of(pem, sizeof(pem) - 1), &why);
		struct dkim_domain *domain = dkim_keys_add(keys, signers[i]);

		ck_assert_ptr_nonnull(key);
		if (i == 0)
			dkim_key_record(key, &record);
		domain->below = true;
		ck_assert(dkim_domain_add(domain, "s1", &key));
	}
	snprintf(ours, sizeof(ours), "@ 60 TXT %s", buf_cstr(&record));
	buf_fini(&record);
}

static void
look_first(void)
{
	struct campaigns_conf conf = {.recipients = 1, .preflight = true};

	campaigns_configure(w.campaigns, &conf);
}

static void
setup(void)
{
	make_keys();
	world_open(&w, NULL);
	world_campaigns(&w);
	look_first();
	server = dns_server_create(w.loop, rows, COUNT(rows));
	w.conf.dns.servers = dns_server_text(server);
	w.conf.dns.timeout_ms = 10000;
	w.conf.dkim = keys;
}

static void
teardown(void)
{
	if (w.back)
		world_stop(&w, 3000);
	dns_server_destroy(&server);
	world_close(&w);
	dkim_keys_release(&keys);
}

static bool
is_looked_at(uint64_t id)
{
	return world_view(&w, id).state != CAMPAIGN_CHECKING;
}

/* A message of a new campaign, From at the domain, To whom it goes to or one
 * list. Returns the campaign. */
struct mailing {
	const char *from, *to;
	bool open;    /* all recipients stand in To */
	bool confirm; /* its class wants a person to */
	uint32_t recipients;
};

static uint64_t
begin(const struct mailing *mailing)
{
	struct campaign_mail mail = {.id = id_next(),
				     .cred = "pr",
				     .owner = "pr@example.org",
				     .subject = SLICE_LIT("The report"),
				     .recipients = mailing->recipients,
				     .confirm = mailing->confirm,
				     /* another may come: not done at once */
				     .given = CAMPAIGN_WHY_CHOSEN};
	struct campaign_join join;

	world_join(&w, &mail, &join);
	ck_assert_int_eq(join.state, CAMPAIGN_CHECKING);
	return join.id;
}

static void
add_to(struct buf *body, const char *to)
{
	struct slice rest = slice_str(to), one;

	buf_add_str(body, "To: pr@good.test");
	while (slice_split(&rest, ' ', &one)) {
		buf_add_str(body, ",\r\n ");
		buf_add_slice(body, one);
	}
	buf_add_str(body, "\r\n");
}

static uint64_t
mail(const struct mailing *mailing)
{
	struct buf body = {.cap = 65536};
	char sender[100];
	struct letter letter = {
	    .cred = "pr", .from = sender, .to = mailing->to};

	snprintf(sender, sizeof(sender), "bounce@%s", mailing->from);
	buf_printf(&body, "From: <pr@%s>\r\n", mailing->from);
	add_to(&body, mailing->open ? mailing->to : NULL);
	buf_add_str(&body, "\r\nto: a@b.test c@b.test d@b.test\r\n");
	letter.body = buf_cstr(&body);
	letter.campaign = begin(mailing);
	world_accept(&w, &letter);
	buf_fini(&body);
	return letter.campaign;
}

static void
suppress(const char *address)
{
	struct suppress_entry entry = {
	    .address = address, .reason = SUPPRESS_UNSUBSCRIBED, .text = ""};
	struct arena *arena = arena_create(64);
	struct store_change change;

	ck_assert_int_eq(suppress_add(w.suppress, &entry, arena, &change), 0);
	world_commit(&w, &change, 1);
	arena_destroy(&arena);
}

static const struct {
	const char *label;
	struct mailing mailing;
	enum campaign_state state;
	const char *reason;
	unsigned delivered;
} looks[] = {
    {"nothing to warn of",
     {"good.test", "a@x.test b@x.test", false, false, 2},
     CAMPAIGN_RUNNING,
     "",
     2},
    {"all of it",
     {"good.test", "a@x.test A@X.test gone@x.test dead-b@nowhere.test c@x.test",
      true, false, 5},
     CAMPAIGN_RUNNING,
     "all 5 addresses stand in To or Cc; 1 at dead domains; 1 suppressed; "
     "1 listed twice",
     2},
    {"a name below has its parent's policy",
     {"a.b.good.test", "a@x.test b@x.test", false, false, 2},
     CAMPAIGN_RUNNING,
     "no SPF record for a.b.good.test",
     2},
    {"a key that is no more",
     {"revoked.test", "a@x.test b@x.test", false, false, 2},
     CAMPAIGN_RUNNING,
     "DKIM key s1 of revoked.test is revoked",
     2},
    {"a key that never was",
     {"lost.test", "a@x.test b@x.test", false, false, 2},
     CAMPAIGN_RUNNING,
     "DKIM key s1 of lost.test is not in DNS; no DMARC record for lost.test; "
     "no SPF record for lost.test",
     2},
    {"nobody signs",
     {"other.test", "a@x.test b@x.test", false, false, 2},
     CAMPAIGN_RUNNING,
     "not signed (DKIM) for other.test; no DMARC record for other.test; no "
     "SPF record for other.test",
     2},
    {"a person is asked",
     {"good.test", "a@x.test a@x.test", false, true, 2},
     CAMPAIGN_WAITING,
     "1 listed twice",
     0},
};

START_TEST(test_looks)
{
	struct campaign_view view;
	uint64_t c;

	suppress("gone@x.test");
	world_start(&w);
	c = mail(&looks[_i].mailing);
	UNTIL(&w, is_looked_at(c), looks[_i].label);
	view = world_view(&w, c);
	ck_assert_msg(view.state == looks[_i].state, "%s: %s", looks[_i].label,
		      campaign_state_word(view.state));
	ck_assert_msg(strcmp(view.reason, looks[_i].reason) == 0, "%s: %s",
		      looks[_i].label, view.reason);
	UNTIL(&w,
	      world_view(&w, c).counts[CAMPAIGN_DELIVERED] ==
		      looks[_i].delivered &&
		  (looks[_i].delivered == 0 || world_view(&w, c).left == 0),
	      looks[_i].label);
}
END_TEST

/* Nobody answers: it goes all the same. */
START_TEST(test_silence)
{
	static const struct mailing mailing = {
	    "silent.test", "a@x.test b@x.test", false, false, 2};
	uint64_t c;

	w.conf.dns.timeout_ms = 60;
	world_start(&w);
	c = mail(&mailing);
	UNTIL(&w, is_looked_at(c), "an end");
	ck_assert_int_eq(world_view(&w, c).state, CAMPAIGN_RUNNING);
	ck_assert_str_eq(world_view(&w, c).reason,
			 "DKIM and DMARC not known: no answer from DNS");
}
END_TEST

/* DNS takes its time; a person has decided when it answers. */
START_TEST(test_decided)
{
	static const struct mailing mailing = {"held.test", "a@x.test b@x.test",
					       false, false, 2};
	struct campaign_order order = {.state = CAMPAIGN_PAUSED,
				       .rate_per_h = -1,
				       .connections = -1,
				       .reason = "by ann"};
	uint64_t c;

	world_start(&w);
	c = mail(&mailing);
	UNTIL(&w, dns_server_udp_count(server) >= 2, "asked");
	ck_assert_int_eq(world_view(&w, c).state, CAMPAIGN_CHECKING);
	order.id = c;
	ck_assert_int_eq(world_order(&w, &order), 0);
	back_campaign(w.back, c);
	ck_assert_uint_eq(dns_server_release(server), 1);
	turn_some(w.loop);
	/* one that came later is through, and this one as it was */
	c = mail(&looks[0].mailing);
	UNTIL(&w, world_view(&w, c).counts[CAMPAIGN_DELIVERED] == 2, "another");
	ck_assert_int_eq(world_view(&w, order.id).state, CAMPAIGN_PAUSED);
	ck_assert_str_eq(world_view(&w, order.id).reason, "by ann");
	ck_assert_uint_eq(sink_count(w.sink), 1);
}
END_TEST

/* It stopped in the middle: it is done again. */
START_TEST(test_restart)
{
	static const struct mailing mailing = {"held.test", "a@x.test b@x.test",
					       false, true, 2};
	uint64_t c;

	world_start(&w);
	c = mail(&mailing);
	UNTIL(&w, dns_server_udp_count(server) >= 2, "asked");
	world_stop(&w, 100);
	(void)dns_server_release(server);
	ck_assert_int_eq(world_view(&w, c).state, CAMPAIGN_CHECKING);
	world_reopen_spool(&w);
	look_first();
	ck_assert_int_eq(world_view(&w, c).state, CAMPAIGN_CHECKING);
	world_start(&w);
	UNTIL(&w, dns_server_release(server) > 0, "asked again");
	UNTIL(&w, is_looked_at(c), "looked at");
	ck_assert_int_eq(world_view(&w, c).state, CAMPAIGN_WAITING);
	ck_assert_uint_eq(sink_count(w.sink), 0);
}
END_TEST

/* Of two messages each, and who gets both is not listed twice. */
START_TEST(test_messages)
{
	static const struct mailing mailing = {"good.test", NULL, false, false,
					       6};
	struct letter letter = {.cred = "pr",
				.from = "bounce@good.test",
				.to = "a@x.test gone@x.test dead-b@y.test",
				.body = "From: pr@good.test\r\n\r\nhello\r\n"};
	uint64_t c = begin(&mailing);

	suppress("gone@x.test");
	letter.campaign = c;
	world_accept(&w, &letter);
	world_accept(&w, &letter);
	world_start(&w);
	UNTIL(&w, is_looked_at(c), "looked at");
	ck_assert_str_eq(world_view(&w, c).reason,
			 "2 at dead domains; 2 suppressed");
	UNTIL(&w, world_view(&w, c).left == 0, "gone");
	ck_assert_uint_eq(world_view(&w, c).counts[CAMPAIGN_DELIVERED], 2);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("back/preflight");
	TCase *tc = tcase_create("preflight");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, test_looks, 0, COUNT(looks));
	tcase_add_test(tc, test_messages);
	tcase_add_test(tc, test_silence);
	tcase_add_test(tc, test_decided);
	tcase_add_test(tc, test_restart);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
