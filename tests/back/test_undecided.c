/*
 * Recipients that were accepted before DNS said a word of their domain, and
 * those that were dropped at RCPT: via a next hop, which must see neither.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "tests/back/world.h"
#include "tests/support/dns_server.h"

#define MX "@ 300 MX 10 mx.lab"

static const struct dns_row rows[] = {
    {.name = "good.lab", .type = "MX", .records = MX},
    {.name = "better.lab", .type = "MX", .records = MX},
    {.name = "example.org", .type = "MX", .records = MX},
    {.name = "own.lab", .type = "MX"},
    {.name = "own.lab", .type = "A", .records = "@ 300 A 127.0.0.1"},
    {.name = "null.lab", .type = "MX", .records = "@ 300 MX 0 ."},
    {.name = "empty.lab"},
    {.name = "inside.lab", .type = "MX", .records = "@ 300 MX 10 in.lab"},
    {.name = "in.lab", .type = "A", .records = "@ 300 A 10.1.2.3"},
    {.name = "in.lab", .type = "AAAA"},
    {.name = "fail.lab", .rcode = 2},
    {.name = "later.lab", .rcode = 2},
    {.name = "mute.lab", .manner = DNS_SILENT},
    {.name = "mx.lab", .type = "A", .records = "@ 300 A 127.0.0.1"},
    {.name = "mx.lab", .type = "AAAA"},
    {.name = "*.fail.lab", .rcode = 2},
    {.name = "*.mute.lab", .manner = DNS_SILENT},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))
#define LATER_ROW 11
#define MUTE_ROW 12

/* A world whose domains are asked for, with rows of its own. */
struct lab {
	struct world w;
	struct dns_server *dns;
	struct dns_row rows[ROWS];
};

static void
lab_open(struct lab *lab)
{
	struct world *w = &lab->w;

	world_open(w, NULL);
	memcpy(lab->rows, rows, sizeof(rows));
	lab->dns = dns_server_create(w->loop, lab->rows, ROWS);
	w->conf.dns.servers = dns_server_text(lab->dns);
	w->conf.dns.timeout_ms = 150;
	w->conf.dns.tries = 1;
	w->retry_s[0] = w->retry_s[1] = 3600;
	world_domains(w, true);
}

static void
lab_close(struct lab *lab)
{
	if (lab->w.back)
		world_stop(&lab->w, 3000);
	dns_server_destroy(&lab->dns);
	world_close(&lab->w);
}

static const struct sink_mail *
dsn_of(struct world *w, size_t n)
{
	for (size_t i = 0; i < sink_count(w->sink); i++) {
		const struct sink_mail *mail = sink_mail(w->sink, i);

		if (mail->from[0] == '\0' && n-- == 0)
			return mail;
	}
	return NULL;
}

static size_t
dsn_count(struct world *w)
{
	size_t n = 0;

	while (dsn_of(w, n))
		n++;
	return n;
}

/* Whether the next hop was given a recipient. */
static bool
was_sent(struct world *w, const char *to)
{
	for (size_t i = 0; i < sink_count(w->sink); i++) {
		if (strstr(sink_mail(w->sink, i)->rcpts, to))
			return true;
	}
	return false;
}

static size_t
count_of(const char *text, const char *what)
{
	size_t n = 0;

	while ((text = strstr(text, what)) != NULL) {
		text += strlen(what);
		n++;
	}
	return n;
}

static bool
reply_has(struct world *w, uint64_t id, const char *text)
{
	struct spool_msg *msg;
	bool has = false;

	if (spool_load(w->spool, id, &msg) != 0)
		return false;
	if (msg->rcpt_count > 0 && msg->rcpts[0].last_reply)
		has = strstr(msg->rcpts[0].last_reply, text) != NULL;
	spool_msg_destroy(&msg);
	return has;
}

enum end { DELIVERED, DEFERRED, BOUNCED };

static const struct undecided_case {
	const char *label, *to;
	enum end end;
	const char *status;
	bool fact;
} cases[] = {
    {"an MX", "bob@good.lab", DELIVERED, NULL, false},
    {"no MX, but an address", "bob@own.lab", DELIVERED, NULL, false},
    {"a literal", "bob@[127.0.0.1]", DELIVERED, NULL, false},
    {"upper case, a dot", "bob@GOOD.lab", DELIVERED, NULL, false},
    {"no such domain", "bob@nowhere.lab", BOUNCED, "5.1.2", true},
    {"nothing but a name", "bob@empty.lab", BOUNCED, "5.1.2", true},
    {"null MX", "bob@null.lab", BOUNCED, "5.1.10", false},
    {"a reserved name", "bob@mail.test", BOUNCED, "5.1.2", false},
    {"a private target", "bob@inside.lab", BOUNCED, "5.4.4", false},
    {"SERVFAIL", "bob@fail.lab", DEFERRED, "4.4.3", false},
    {"silence", "bob@mute.lab", DEFERRED, "4.4.3", false},
};

START_TEST(test_ends)
{
	const struct undecided_case *c = &cases[_i];
	struct letter letter = {.to = c->to, .domain = RCPT_DOMAIN_UNDECIDED};
	struct lab lab;
	struct world *w = &lab.w;
	uint64_t id;

	lab_open(&lab);
	world_start(w);
	id = world_accept(w, &letter);
	switch (c->end) {
	case DELIVERED:
		UNTIL(w, status_of(w).delivered == 1, c->label);
		ck_assert_msg(was_sent(w, c->to), "%s", c->label);
		break;
	case DEFERRED:
		UNTIL(w, reply_has(w, id, c->status), c->label);
		ck_assert_uint_eq(sink_count(w->sink), 0);
		break;
	case BOUNCED:
		UNTIL(w, dsn_count(w) == 1, c->label);
		ck_assert_msg(strstr(dsn_of(w, 0)->body, c->status) != NULL,
			      "%s: %s", c->label, dsn_of(w, 0)->body);
		ck_assert_msg(!was_sent(w, c->to), "%s", c->label);
		break;
	}
	ck_assert_msg((w->dead_count == 1) == c->fact, "%s", c->label);
	if (c->fact)
		ck_assert_ptr_nonnull(
		    strstr(w->dead_last, "ann 192.0.2.1 ann@example.org "));
	lab_close(&lab);
}
END_TEST

START_TEST(test_what_is_fine_is_not_asked)
{
	struct letter letter = {.to = "a@nowhere.lab b@fail.lab"};
	struct lab lab;
	struct world *w = &lab.w;

	lab_open(&lab);
	world_start(w);
	world_accept(w, &letter);
	UNTIL(w, status_of(w).delivered == 2, "to the next hop as they are");
	ck_assert_uint_eq(dns_server_udp_count(lab.dns), 0);
	lab_close(&lab);
}
END_TEST

/* One message, recipients of every kind: the good ones go, the others are in
 * one report. */
START_TEST(test_one_report)
{
	struct letter letter = {
	    .to = "a@nowhere.lab dead-a@gone.lab b@null.lab fine@good.lab "
		  "c@mail.test dead-b@gone.lab d@good.lab e@inside.lab "
		  "f@mute.lab",
	    .domain = RCPT_DOMAIN_UNDECIDED};
	static const char *const told[] = {"a@nowhere.lab",   "dead-a@gone.lab",
					   "b@null.lab",      "c@mail.test",
					   "dead-b@gone.lab", "e@inside.lab"};
	struct spool_ledger ledger;
	struct lab lab;
	struct world *w = &lab.w;
	const char *body;

	lab_open(&lab);
	world_start(w);
	world_accept(w, &letter);
	UNTIL(w, dsn_count(w) == 1, "a report");
	UNTIL(w, status_of(w).deferred == 1, "the one nobody knows");
	UNTIL(w, status_of(w).delivered == 3, "the good ones and the report");
	body = dsn_of(w, 0)->body;
	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++)
		ck_assert_msg(strstr(body, told[i]) != NULL, "%s", told[i]);
	ck_assert_ptr_null(strstr(body, "@good.lab"));
	ck_assert_ptr_null(strstr(body, "@mute.lab"));
	ck_assert_uint_eq(count_of(body, "Action: failed"), 6);
	ck_assert_uint_eq(count_of(body, "Status: 5.1.2\r\n"), 4);
	ck_assert_uint_eq(count_of(body, "Status: 5.1.10\r\n"), 1);
	ck_assert_uint_eq(count_of(body, "Status: 5.4.4\r\n"), 1);
	UNTIL(w, world_ledger(w).by_state[RCPT_DELIVERED] == 3, "on disk");
	ledger = world_ledger(w);
	ck_assert_int_eq(ledger.by_state[RCPT_BOUNCED], 6);
	ck_assert_int_eq(ledger.by_state[RCPT_QUEUED], 1);
	ck_assert_uint_eq(w->dead_count, 1); /* the others' is the front's */
	ck_assert(!was_sent(w, "dead-"));
	lab_close(&lab);
}
END_TEST

static char *
many(const char *before, unsigned count, const char *domain)
{
	struct buf to;
	char *text;

	buf_init(&to, 1 << 20);
	for (unsigned i = 0; i < count; i++)
		buf_printf(&to, "%s%s@d%u.%s", i > 0 ? " " : "", before, i,
			   domain);
	text = slice_dup(buf_slice(&to));
	buf_fini(&to);
	return text;
}

static const struct many_case {
	const char *label, *before;
	unsigned count;
	uint8_t domain, notify;
	unsigned reports;
} many_cases[] = {
    {"found out behind the 250", "x", 600, RCPT_DOMAIN_UNDECIDED, 0, 1},
    {"dropped at RCPT", "dead", 600, RCPT_DOMAIN_FINE, 0, 1},
    {"not to be told of", "x", 300, RCPT_DOMAIN_UNDECIDED, NOTIFY_NEVER, 0},
    {"dropped, and not to be told of", "dead", 300, RCPT_DOMAIN_FINE,
     NOTIFY_NEVER, 0},
};

START_TEST(test_many_are_one_report)
{
	const struct many_case *c = &many_cases[_i];
	char *to = many(c->before, c->count, "gone.lab");
	struct letter letter = {
	    .to = to, .domain = c->domain, .notify = c->notify};
	struct lab lab;
	struct world *w = &lab.w;

	lab_open(&lab);
	/* none is meant to be silent, and a busy machine loses packets */
	w->conf.dns.timeout_ms = 500;
	w->conf.dns.tries = 5;
	world_start(w);
	world_accept(w, &letter);
	UNTIL(w, status_of(w).bounced == c->count, c->label);
	UNTIL(w, dsn_count(w) == c->reports, c->label);
	if (c->reports > 0)
		ck_assert_uint_eq(
		    count_of(dsn_of(w, 0)->body, "Action: failed"), c->count);
	UNTIL(w, world_ledger(w).by_state[RCPT_QUEUED] == 0, c->label);
	ck_assert_uint_eq(sink_count(w->sink), c->reports);
	ck_assert_int_eq(world_ledger(w).by_state[RCPT_BOUNCED], c->count);
	ck_assert_int_eq(world_ledger(w).generated, c->reports);
	free(to);
	lab_close(&lab);
}
END_TEST

static const char *const dead_ways[] = {"at once", "after a restart",
					"held by an administrator first",
					"other settings meanwhile"};

/* Whatever becomes of them on the way, those that were dropped at RCPT are
 * never given to the next hop: nor where nobody looks domains up, nor by MX,
 * nor when DNS knows them to be good by now. */
START_TEST(test_dead_are_never_sent)
{
	const char *label = dead_ways[_i % 4];
	struct letter letter = {.to = "dead-a@good.lab fine@own.lab "
				      "dead-b@own.lab",
				.holds = _i % 4 == 2 ? HOLD_ADMIN : 0};
	struct back_work release = {.verb = BACK_RELEASE};
	char error[256];
	struct lab lab;
	struct world *w = &lab.w;

	lab_open(&lab);
	if (_i / 4 == 1)
		w->hops[0].kind = BACK_MX;
	if (_i / 4 == 2) {
		dns_cache_destroy(&w->dns_cache);
		domains_destroy(&w->domains);
	}
	world_block(w, BLOCK_CRED, BLOCK_HOLD, "ann");
	world_start(w);
	world_accept(w, &letter);
	if (_i % 4 == 1) {
		world_stop(w, 0);
		world_reopen_spool(w);
		world_start(w);
	}
	if (_i % 4 == 2) {
		/* what comes after it began is not meant */
		UNTIL(w, status_of(w).held == 3, label);
		world_work(w, &release);
	}
	UNTIL(w, status_of(w).held_by_rule == 3, label);
	if (_i % 4 == 3) {
		w->hops[0].name = "other";
		ck_assert_int_eq(
		    back_reload(w->back, &w->conf, error, sizeof(error)), 0);
	}
	world_unblock(w, BLOCK_CRED, BLOCK_HOLD, "ann");
	world_work(w, &(struct back_work){.verb = BACK_RECHECK});
	UNTIL(w, dsn_count(w) == 1, label);
	UNTIL(w, status_of(w).delivered == 2, label);
	UNTIL(w, world_ledger(w).by_state[RCPT_BOUNCED] == 2, label);
	UNTIL(w, world_ledger(w).by_state[RCPT_DELIVERED] == 2, label);
	ck_assert_msg(!was_sent(w, "dead-"), "%s", label);
	ck_assert_uint_eq(count_of(dsn_of(w, 0)->body, "Action: failed"), 2);
	lab_close(&lab);
}
END_TEST

/* As a next hop's, but said once for all of them: nobody knew for four days. */
START_TEST(test_expired)
{
	struct letter letter = {.to = "a@fail.lab b@later.lab c@mute.lab",
				.domain = RCPT_DOMAIN_UNDECIDED,
				.age_s = 345601};
	struct lab lab;
	struct world *w = &lab.w;

	lab_open(&lab);
	world_start(w);
	world_accept(w, &letter);
	UNTIL(w, dsn_count(w) == 1, "a report");
	UNTIL(w, status_of(w).bounced == 3, "all of them");
	ck_assert_uint_eq(count_of(dsn_of(w, 0)->body, "Status: 4.4.3\r\n"), 3);
	ck_assert_uint_eq(w->dead_count, 0);
	lab_close(&lab);
}
END_TEST

START_TEST(test_delay_notice)
{
	struct letter letter = {.to = "a@fail.lab",
				.domain = RCPT_DOMAIN_UNDECIDED,
				.age_s = 20000};
	struct lab lab;
	struct world *w = &lab.w;

	lab_open(&lab);
	w->conf.delay_notice_s = 14400;
	world_start(w);
	world_accept(w, &letter);
	UNTIL(w, dsn_count(w) == 1, "a notice");
	ck_assert_ptr_nonnull(
	    strstr(dsn_of(w, 0)->body, "Action: delayed\r\nStatus: 4.4.3"));
	lab_close(&lab);
}
END_TEST

/* Its recipients come back each on its own, read from disk before the first
 * of them was marked as told of. */
START_TEST(test_one_delay_notice)
{
	char *to = many("x", 60, "fail.lab");
	struct letter letter = {.to = to,
				.domain = RCPT_DOMAIN_UNDECIDED,
				.age_s = 20000,
				.next_wall_s = clock_wall_s() + 1};
	struct lab lab;
	struct world *w = &lab.w;

	lab_open(&lab);
	w->conf.delay_notice_s = 14400;
	world_start(w);
	world_accept(w, &letter);
	UNTIL(w, status_of(w).deferred >= 60, "all of them");
	UNTIL(w, dsn_count(w) >= 1, "a notice");
	UNTIL(w, status_of(w).queued == 60, "and no more");
	UNTIL(w, world_ledger(w).by_state[RCPT_QUEUED] == 60, "delivered");
	ck_assert_uint_eq(dsn_count(w), 1);
	ck_assert_int_eq(world_ledger(w).generated, 1);
	free(to);
	lab_close(&lab);
}
END_TEST

START_TEST(test_good_later)
{
	struct letter letter = {.to = "a@later.lab",
				.domain = RCPT_DOMAIN_UNDECIDED};
	struct lab lab;
	struct world *w = &lab.w;

	lab_open(&lab);
	w->retry_s[0] = w->retry_s[1] = 1;
	world_start(w);
	world_accept(w, &letter);
	UNTIL(w, status_of(w).deferred >= 1, "not known yet");
	ck_assert_uint_eq(sink_count(w->sink), 0);
	lab.rows[LATER_ROW] =
	    (struct dns_row){.name = "later.lab", .type = "MX", .records = MX};
	dns_cache_flush(w->dns_cache, SLICE_NONE);
	UNTIL(w, status_of(w).delivered == 1, "known by now");
	ck_assert(was_sent(w, "a@later.lab"));
	lab_close(&lab);
}
END_TEST

/* One's silent domains use up what one may ask at once; another's mail to a
 * domain that waits for that is asked about in its own name. */
START_TEST(test_anothers_budget)
{
	struct dns_cache_conf one = {.loopback = true, .cred_max = 1};
	char *silent = many("x", 200, "mute.lab");
	struct letter flood = {
	    .to = silent, .cred = "bad", .domain = RCPT_DOMAIN_UNDECIDED};
	struct letter bad = flood, good = flood;
	struct lab lab;
	struct world *w = &lab.w;

	bad.to = "x@better.lab";
	good.to = "y@better.lab";
	good.cred = "ann";
	lab_open(&lab);
	dns_cache_destroy(&w->dns_cache);
	w->dns_cache = dns_cache_create(&one);
	w->conf.dns.timeout_ms = 600000;
	world_start(w);
	world_accept(w, &flood);
	UNTIL(w, status_of(w).undecided == 200, "asked");
	world_accept(w, &bad);
	UNTIL(w, status_of(w).undecided == 201, "one more");
	world_accept(w, &good);
	UNTIL(w, status_of(w).delivered == 2, "both: the answer is for all");
	free(silent);
	lab_close(&lab);
}
END_TEST

/* `sluice domain allow`, while it waits for its next try, and while DNS is
 * being asked. */
START_TEST(test_allowed_meanwhile)
{
	static const char *const names[] = {"fail.lab", "mute.lab"};
	struct domain_allow allow = {.by = "admin"};
	struct back_flush flush = {.domain = names[_i]};
	struct domain_change *change;
	struct letter letter = {.domain = RCPT_DOMAIN_UNDECIDED};
	char to[40];
	struct lab lab;
	struct world *w = &lab.w;

	snprintf(to, sizeof(to), "bob@%s", names[_i]);
	letter.to = to;
	lab_open(&lab);
	if (_i == 1)
		w->conf.dns.timeout_ms = 600000;
	world_start(w);
	world_accept(w, &letter);
	if (_i == 0)
		UNTIL(w, status_of(w).deferred == 1, "unknown");
	else
		UNTIL(w, status_of(w).undecided == 1, "being asked");
	snprintf(allow.domain, sizeof(allow.domain), "%s", names[_i]);
	ck_assert_int_eq(domains_allow_add(w->domains, &allow, &change), 0);
	domain_change_free(&change);
	back_flush(w->back, &flush);
	UNTIL(w, status_of(w).delivered == 1, names[_i]);
	ck_assert(was_sent(w, to));
	ck_assert_uint_eq(status_of(w).undecided, 0);
	lab_close(&lab);
}
END_TEST

/* Whatever the moment: after a start DNS is asked again, the report is made
 * once, and nobody is delivered who is not good. */
START_TEST(test_crash)
{
	struct letter letter = {
	    .to = "dead@gone.lab a@nowhere.lab b@mute.lab c@good.lab",
	    .domain = RCPT_DOMAIN_UNDECIDED};
	struct lab lab;
	struct world *w = &lab.w;

	lab_open(&lab);
	w->conf.dns.timeout_ms = 600000; /* b keeps the others waiting */
	if (_i == 0) {			 /* before anything was looked at */
		world_accept(w, &letter);
	} else {
		world_start(w);
		world_accept(w, &letter);
		UNTIL(w, was_sent(w, "c@good.lab"), "the good one");
		UNTIL(w, status_of(w).undecided == 1, "the silent one");
		ck_assert_uint_eq(status_of(w).bounced, 0);
		world_stop(w, 0);
		ck_assert_int_eq(world_ledger(w).by_state[RCPT_BOUNCED], 0);
	}
	world_reopen_spool(w);
	if (_i == 2) /* known by now; else the minute is over by itself */
		lab.rows[MUTE_ROW] = (struct dns_row){
		    .name = "mute.lab", .type = "MX", .records = MX};
	w->conf.dns.timeout_ms = 150;
	world_start(w);
	UNTIL(w, dsn_count(w) == 1, "a report");
	UNTIL(w, status_of(w).bounced == 2, "both");
	ck_assert(was_sent(w, "c@good.lab"));
	ck_assert(!was_sent(w, "a@nowhere.lab") && !was_sent(w, "dead@"));
	ck_assert_uint_eq(count_of(dsn_of(w, 0)->body, "Action: failed"), 2);
	if (_i == 2)
		UNTIL(w, was_sent(w, "b@mute.lab"), "good later");
	UNTIL(w, world_ledger(w).by_state[RCPT_BOUNCED] == 2, "on disk");
	ck_assert_int_eq(world_ledger(w).generated, 1);
	lab_close(&lab);
}
END_TEST

/* An administrator's purge finds who is being asked about, and who is doomed
 * and waits for the others. */
START_TEST(test_purge)
{
	struct letter letter = {
	    .to = "dead@gone.lab dead@went.lab a@nowhere.lab b@mute.lab",
	    .domain = RCPT_DOMAIN_UNDECIDED};
	struct back_work work = {.verb = BACK_PURGE};
	struct lab lab;
	struct world *w = &lab.w;

	if (_i == 1)
		work.select.domain = "gone.lab";
	else
		work.select.cred = "ann";
	lab_open(&lab);
	w->conf.dns.timeout_ms = 600000;
	world_start(w);
	world_accept(w, &letter);
	UNTIL(w, dns_server_udp_count(lab.dns) >= 2, "asked");
	UNTIL(w, status_of(w).undecided == 1, "one is known");
	world_work(w, &work);
	ck_assert_int_eq(work.err, 0);
	ck_assert_uint_eq(work.recipients, _i == 1 ? 1 : 4);
	ck_assert_uint_eq(status_of(w).queued, _i == 1 ? 3 : 0);
	ck_assert_uint_eq(status_of(w).undecided, _i == 1 ? 1 : 0);
	ck_assert_uint_eq(status_of(w).bounced, 0);
	lab_close(&lab);
}
END_TEST

/* New settings find who waits: by the same hop, and by another. */
START_TEST(test_reload)
{
	struct letter letter = {.to = "dead@gone.lab a@mute.lab b@nowhere.lab",
				.domain = RCPT_DOMAIN_UNDECIDED};
	struct lab lab;
	struct world *w = &lab.w;
	char error[256];

	lab_open(&lab);
	w->conf.dns.timeout_ms = 1500;
	world_start(w);
	world_accept(w, &letter);
	UNTIL(w, status_of(w).undecided == 1, "asked");
	if (_i == 1)
		w->hops[0].name = "other";
	ck_assert_int_eq(back_reload(w->back, &w->conf, error, sizeof(error)),
			 0);
	UNTIL(w, dsn_count(w) == 1, "the report");
	UNTIL(w, status_of(w).deferred == 1, "nobody knows");
	UNTIL(w, world_ledger(w).by_state[RCPT_BOUNCED] == 2, "told");
	ck_assert_uint_eq(count_of(dsn_of(w, 0)->body, "Action: failed"), 2);
	ck_assert_uint_eq(status_of(w).undecided, 0);
	lab_close(&lab);
}
END_TEST

/* Whoever is blocked is not asked for, and not told of. */
START_TEST(test_blocked)
{
	struct letter letter = {.to = "dead@gone.lab a@nowhere.lab",
				.domain = RCPT_DOMAIN_UNDECIDED};
	struct back_work work = {.verb = BACK_RECHECK};
	struct lab lab;
	struct world *w = &lab.w;

	lab_open(&lab);
	world_block(w, BLOCK_CRED, BLOCK_HOLD, "ann");
	world_start(w);
	world_accept(w, &letter);
	UNTIL(w, status_of(w).held_by_rule == 2, "held");
	ck_assert_uint_eq(dns_server_udp_count(lab.dns), 0);
	ck_assert_uint_eq(status_of(w).bounced, 0);
	world_unblock(w, BLOCK_CRED, BLOCK_HOLD, "ann");
	world_work(w, &work);
	UNTIL(w, status_of(w).bounced == 2, "let go");
	UNTIL(w, dsn_count(w) >= 1, "told of");
	lab_close(&lab);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("back/undecided");
	TCase *tc = tcase_create("undecided");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, test_ends, 0, sizeof(cases) / sizeof(cases[0]));
	tcase_add_test(tc, test_what_is_fine_is_not_asked);
	tcase_add_test(tc, test_one_report);
	tcase_add_loop_test(tc, test_many_are_one_report, 0,
			    sizeof(many_cases) / sizeof(many_cases[0]));
	tcase_add_loop_test(tc, test_dead_are_never_sent, 0, 12);
	tcase_add_test(tc, test_expired);
	tcase_add_test(tc, test_delay_notice);
	tcase_add_test(tc, test_one_delay_notice);
	tcase_add_test(tc, test_good_later);
	tcase_add_loop_test(tc, test_allowed_meanwhile, 0, 2);
	tcase_add_loop_test(tc, test_crash, 0, 3);
	tcase_add_loop_test(tc, test_purge, 0, 2);
	tcase_add_loop_test(tc, test_reload, 0, 2);
	tcase_add_test(tc, test_blocked);
	suite_add_tcase(suite, tc);
	tc = tcase_create("budget");
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, test_anothers_budget);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
