/*
 * One slot a cause, and one for each trouble of a next hop or a scanner. A slot
 * knows how bad it is (level 0: well), since when, and what was told; judging
 * the facts and telling are kept apart, so every cause has the same life:
 *
 *	well -> bad (waits raise_ms) -> told -> well (waits clear_ms) -> over
 *
 * A queue that is old is no alert by itself: one recipient whose server is
 * down for two days makes any queue old. A queue that is old while nothing at
 * all is delivered is one.
 */
#include "gateway/control/alerts_int.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/buf.h"
#include "gateway/base/error.h"
#include "gateway/base/escape.h"
#include "gateway/base/mem.h"

#define NAMED ALERT_HOP /* and all behind it */
#define NAMED_MAX 128
#define SLOTS (NAMED + NAMED_MAX)

#define SECOND 1000
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY_S 86400

#define STUCK_OLD_S 3600
#define STUCK_STILL_MS (15 * MINUTE)
/* Held mail of another reason would keep the cause for ever. */
#define ALTERED_KEPT_MS (24 * HOUR)
/* It is counted when it is seen, and held some milliseconds later, with the
 * next commit: a look in between must not take the cause for gone. */
#define HELD_LATE_MS (10 * SECOND)

static const struct cause {
	const char *name;
	int64_t raise_ms, clear_ms;
} causes[ALERT_CAUSES] = {
    [ALERT_ALTERED] = {"altered", 0, 0},
    [ALERT_CERTIFICATE] = {"certificate", 0, 0},
    [ALERT_DISK] = {"disk", 10 * SECOND, 5 * MINUTE},
    [ALERT_STORE] = {"store", 0, MINUTE},
    [ALERT_STUCK] = {"queue", 0, MINUTE},
    [ALERT_DOVECOT] = {"dovecot", MINUTE, MINUTE},
    [ALERT_RESOLVER] = {"resolver", 30 * SECOND, MINUTE},
    [ALERT_DNS_REWRITES] = {"dns-rewrites", 0, 0},
    [ALERT_DNS_SLOW] = {"dns-slow", MINUTE, 5 * MINUTE},
    [ALERT_DNS_REMOTE] = {"dns-remote", 0, 0},
    [ALERT_SCAN_BYPASS] = {"scan-bypass", 0, 0},
    [ALERT_SCAN_ISTAG] = {"scan-istag", 0, 10 * MINUTE},
    [ALERT_HOP] = {"hop", 5 * MINUTE, MINUTE},
    [ALERT_SCANNER] = {"scanner", 2 * MINUTE, MINUTE},
    [ALERT_SCANNER_BLIND] = {"scanner-blind", 0, MINUTE},
    [ALERT_SCANNER_CERTIFICATE] = {"scanner-certificate", 0, 0},
    [ALERT_CAMPAIGN] = {"campaign", 0, 0},
};

struct slot {
	struct alert alert; /* level 0: nothing was told */
	bool bad;
	int64_t changed_ms; /* when bad became what it is */
	int64_t bad_wall_s;
};

struct alerts {
	struct slot slots[SLOTS];
	bool primed;
	uint64_t altered_seen, altered_told;
	int64_t altered_ms; /* when it last grew */
	uint64_t delivered_seen;
	int64_t delivered_ms;
};

struct alerts *
alerts_create(void)
{
	return mem_zalloc(sizeof(struct alerts));
}

void
alerts_destroy(struct alerts **alerts)
{
	free(*alerts);
	*alerts = NULL;
}

const char *
alert_name(enum alert_cause cause)
{
	return causes[cause].name;
}

static void
find_altered(struct alerts *a, const struct alert_facts *facts, int64_t now_ms,
	     struct finding *f)
{
	uint64_t now;

	if (facts->altered_total > a->altered_seen)
		a->altered_ms = now_ms;
	a->altered_seen = facts->altered_total;
	now = a->altered_seen - a->altered_told;
	if (now == 0)
		return;
	if (now_ms - a->altered_ms > ALTERED_KEPT_MS ||
	    (facts->held == 0 && now_ms - a->altered_ms >= HELD_LATE_MS)) {
		a->altered_told = a->altered_seen;
		return;
	}
	f->level = 1;
	snprintf(f->subject, sizeof(f->subject),
		 "queued mail was altered on disk, and is held");
	snprintf(f->text, sizeof(f->text),
		 "%" PRIu64 " message(s) were not sent, because the bytes on "
		 "disk are no longer\nthose the client submitted. Another "
		 "program (a virus scanner that looks at\nevery file?) wrote "
		 "to the spool, or the disk is failing. Exclude the spool\n"
		 "directory from such programs and look at the kernel's "
		 "log.\n\n    sluice queue list --state held\n",
		 now);
}

static void
find_certificate(const struct alert_facts *facts, int64_t now_wall_s,
		 struct finding *f)
{
	int64_t left = facts->certificate_wall_s - now_wall_s;

	if (facts->certificate_wall_s == 0 || left > 21 * DAY_S)
		return;
	f->level = left <= 0	       ? 4
		   : left <= DAY_S     ? 3
		   : left <= 7 * DAY_S ? 2
				       : 1;
	if (left <= 0)
		snprintf(f->subject, sizeof(f->subject),
			 "the TLS certificate has expired");
	else
		snprintf(f->subject, sizeof(f->subject),
			 "the TLS certificate expires in %" PRId64 " %s",
			 left <= DAY_S ? (left + 3599) / 3600
				       : (left + DAY_S - 1) / DAY_S,
			 left <= DAY_S ? "hours" : "days");
	snprintf(f->text, sizeof(f->text),
		 "Mail clients refuse to log in once it has expired. Renew it, "
		 "then:\n\n    sluice reload\n");
}

static void
find_disk(const struct alert_facts *facts, const struct slot *slot,
	  struct finding *f)
{
	uint64_t low = facts->disk_low_bytes;

	if (low == 0)
		low = facts->disk_total_bytes / 20;
	/* It must rise a tenth above the mark to be well again. */
	if (slot->bad)
		low += low / 10;
	if (facts->disk_full)
		f->level = 2;
	else if (facts->disk_total_bytes > 0 && facts->disk_free_bytes < low)
		f->level = 1;
	else
		return;
	snprintf(f->subject, sizeof(f->subject),
		 f->level == 2 ? "the spool is full: mail is refused with 452"
			       : "the disk of the spool is filling");
	snprintf(f->text, sizeof(f->text),
		 "%" PRIu64 " MiB of %" PRIu64 " MiB are free where the spool "
		 "is.%s\n\n    sluice status\n    sluice queue list\n",
		 facts->disk_free_bytes >> 20, facts->disk_total_bytes >> 20,
		 f->level == 2 ? " Clients are told to\ntry later; that ends "
				 "by itself when there is space again."
			       : "");
}

static void
find_store(const struct alert_facts *facts, struct finding *f)
{
	if (facts->store_failing == 0)
		return;
	if (facts->store_needs_restart) {
		f->level = 2;
		snprintf(f->subject, sizeof(f->subject),
			 "the spool cannot be written until sluiced is "
			 "restarted");
		snprintf(f->text, sizeof(f->text),
			 "A write to the index failed half-way. It takes "
			 "nothing more in this process: no\nmail is accepted, "
			 "and what is delivered now cannot be marked. Look at "
			 "the\nkernel's log and the disk, then:\n\n    "
			 "systemctl restart sluice\n");
		return;
	}
	f->level = 1;
	snprintf(f->subject, sizeof(f->subject), "the spool cannot be written");
	snprintf(f->text, sizeof(f->text),
		 "The last commit failed: %s. No mail is accepted while this "
		 "lasts;\nnothing that was accepted is lost. Look at the "
		 "kernel's log and the disk.\n",
		 gw_err_text(facts->store_failing));
}

static void
find_stuck(struct alerts *a, const struct alert_facts *facts, int64_t now_ms,
	   int64_t now_wall_s, struct finding *f)
{
	int64_t age = now_wall_s - facts->oldest_wall_s;

	if (facts->delivered != a->delivered_seen || facts->queued == 0 ||
	    !a->primed)
		a->delivered_ms = now_ms;
	a->delivered_seen = facts->delivered;
	if (facts->queued == 0 || facts->oldest_wall_s == 0 ||
	    age < STUCK_OLD_S || now_ms - a->delivered_ms < STUCK_STILL_MS)
		return;
	f->level = 1;
	snprintf(f->subject, sizeof(f->subject),
		 "the queue does not move: %" PRIu64 " recipient(s) wait",
		 facts->queued);
	snprintf(f->text, sizeof(f->text),
		 "The oldest has waited for %" PRId64 " min, and nothing was "
		 "delivered for 15 min.\n\n    sluice status\n    sluice "
		 "queue list\n",
		 age / 60);
}

static void
find_dovecot(const struct alert_facts *facts, struct finding *f)
{
	if (!facts->dovecot_away)
		return;
	f->level = 1;
	snprintf(f->subject, sizeof(f->subject),
		 "Dovecot does not answer: nobody can log in");
	snprintf(f->text, sizeof(f->text),
		 "Its auth socket cannot be reached; clients are told to try "
		 "later (454).\n\n    doveadm reload\n    systemctl status "
		 "dovecot\n");
}

static void
find_hop(const struct alert_hop *hop, struct finding *f)
{
	struct buf error = {.cap = 300};

	if (hop->up || hop->error[0] == '\0')
		return;
	escape_reply(&error, slice_str(hop->error));
	f->level = 1;
	snprintf(f->subject, sizeof(f->subject), "next hop %.60s is down",
		 hop->name);
	snprintf(f->text, sizeof(f->text),
		 "For five minutes mail could not be handed over; it waits and "
		 "is tried again\nfor days. The last failure was:\n\n    "
		 "%.300s\n\n    sluice status\n    sluice queue flush --hop "
		 "%.60s     (when it is back)\n",
		 buf_cstr(&error), hop->name);
	buf_fini(&error);
}

static void
tell(struct slot *slot, const struct finding *f, alert_fn *fn, void *arg)
{
	struct alert *alert = &slot->alert;

	alert->level = f->level;
	alert->since_wall_s = slot->bad_wall_s;
	memcpy(alert->subject, f->subject, sizeof(alert->subject));
	memcpy(alert->text, f->text, sizeof(f->text));
	fn(arg, alert, true);
}

static void
slot_step(struct slot *slot, const struct finding *f, int64_t now_ms,
	  int64_t now_wall_s, alert_fn *fn, void *arg)
{
	const struct cause *cause = &causes[slot->alert.cause];
	bool bad = f->level > 0;

	if (bad != slot->bad) {
		slot->bad = bad;
		slot->changed_ms = now_ms;
		if (bad && slot->alert.level == 0)
			slot->bad_wall_s = now_wall_s;
	}
	if (bad && f->level > slot->alert.level &&
	    (slot->alert.level > 0 ||
	     now_ms - slot->changed_ms >= cause->raise_ms)) {
		tell(slot, f, fn, arg);
	} else if (!bad && slot->alert.level > 0 &&
		   now_ms - slot->changed_ms >= cause->clear_ms) {
		fn(arg, &slot->alert, false);
		slot->alert.level = 0;
	}
}

static void
find_cause(struct alerts *a, enum alert_cause cause,
	   const struct alert_facts *facts, int64_t now_ms, int64_t now_wall_s,
	   struct finding *f)
{
	switch (cause) {
	case ALERT_ALTERED:
		find_altered(a, facts, now_ms, f);
		break;
	case ALERT_CERTIFICATE:
		find_certificate(facts, now_wall_s, f);
		break;
	case ALERT_DISK:
		find_disk(facts, &a->slots[ALERT_DISK], f);
		break;
	case ALERT_STORE:
		find_store(facts, f);
		break;
	case ALERT_STUCK:
		find_stuck(a, facts, now_ms, now_wall_s, f);
		break;
	case ALERT_DOVECOT:
		find_dovecot(facts, f);
		break;
	case ALERT_RESOLVER:
	case ALERT_DNS_REWRITES:
	case ALERT_DNS_SLOW:
	case ALERT_DNS_REMOTE:
		find_resolver(cause, &facts->resolver, f);
		break;
	case ALERT_SCAN_BYPASS:
	case ALERT_SCAN_ISTAG:
		find_scan(cause, &facts->scan, now_wall_s, f);
		break;
	case ALERT_HOP:
	case ALERT_SCANNER:
	case ALERT_SCANNER_BLIND:
	case ALERT_SCANNER_CERTIFICATE:
	case ALERT_CAMPAIGN:
	case ALERT_CAUSES:
		break;
	}
}

/* --- causes with a name ------------------------------------------------------
 */

/* As much of it as an alert's object has. */
static bool
is_named(const char *a, const char *b)
{
	return strncmp(a, b, sizeof(((struct alert *)NULL)->object) - 1) == 0;
}

/* Of what a reload took away nothing is found: it is well. */
static void
find_named(enum alert_cause cause, const char *name,
	   const struct alert_facts *facts, int64_t now_wall_s,
	   struct finding *f)
{
	const struct alert_scan *scan = &facts->scan;

	for (size_t i = 0; cause == ALERT_HOP && i < facts->hop_count; i++) {
		if (is_named(facts->hops[i].name, name)) {
			find_hop(&facts->hops[i], f);
			return;
		}
	}
	for (size_t i = 0; cause == ALERT_CAMPAIGN && i < facts->campaign_count;
	     i++) {
		if (is_named(facts->campaigns[i].name, name)) {
			find_campaign(&facts->campaigns[i], f);
			return;
		}
	}
	if (cause == ALERT_HOP || cause == ALERT_CAMPAIGN)
		return;
	for (size_t i = 0; i < scan->server_count; i++) {
		if (is_named(scan->servers[i].name, name)) {
			find_scanner(cause, scan, &scan->servers[i], now_wall_s,
				     f);
			return;
		}
	}
}

/* Its slot, a free one if it has none; there may be too many. */
static void
slot_need(struct alerts *a, enum alert_cause cause, const char *name)
{
	struct slot *unused = NULL;

	for (size_t i = NAMED; i < SLOTS; i++) {
		struct slot *slot = &a->slots[i];

		if (slot->alert.object[0] == '\0')
			unused = unused == NULL ? slot : unused;
		else if (slot->alert.cause == cause &&
			 is_named(slot->alert.object, name))
			return;
	}
	if (unused == NULL || name[0] == '\0')
		return;
	memset(unused, 0, sizeof(*unused));
	unused->alert.cause = cause;
	snprintf(unused->alert.object, sizeof(unused->alert.object), "%s",
		 name);
}

static void
slots_need(struct alerts *a, const struct alert_facts *facts,
	   int64_t now_wall_s)
{
	const struct alert_scan *scan = &facts->scan;

	for (size_t i = 0; i < facts->hop_count; i++)
		if (!facts->hops[i].up)
			slot_need(a, ALERT_HOP, facts->hops[i].name);
	for (size_t i = 0; i < facts->campaign_count; i++)
		slot_need(a, ALERT_CAMPAIGN, facts->campaigns[i].name);
	for (size_t i = 0; i < scan->server_count; i++) {
		for (int cause = ALERT_SCANNER; cause < ALERT_CAMPAIGN;
		     cause++) {
			struct finding f = {0};

			find_scanner((enum alert_cause)cause, scan,
				     &scan->servers[i], now_wall_s, &f);
			if (f.level > 0)
				slot_need(a, (enum alert_cause)cause,
					  scan->servers[i].name);
		}
	}
}

static void
update_named(struct alerts *a, const struct alert_facts *facts, int64_t now_ms,
	     int64_t now_wall_s, alert_fn *fn, void *arg)
{
	slots_need(a, facts, now_wall_s);
	for (size_t i = NAMED; i < SLOTS; i++) {
		struct slot *slot = &a->slots[i];
		struct finding f = {0};

		if (slot->alert.object[0] == '\0')
			continue;
		find_named(slot->alert.cause, slot->alert.object, facts,
			   now_wall_s, &f);
		slot_step(slot, &f, now_ms, now_wall_s, fn, arg);
		if (!slot->bad && slot->alert.level == 0)
			slot->alert.object[0] = '\0';
	}
}

void
alerts_update(struct alerts *alerts, const struct alert_facts *facts,
	      int64_t now_ms, int64_t now_wall_s, alert_fn *fn, void *arg)
{
	for (int i = 0; i < NAMED; i++) {
		struct finding f = {0};

		alerts->slots[i].alert.cause = (enum alert_cause)i;
		find_cause(alerts, (enum alert_cause)i, facts, now_ms,
			   now_wall_s, &f);
		slot_step(&alerts->slots[i], &f, now_ms, now_wall_s, fn, arg);
	}
	update_named(alerts, facts, now_ms, now_wall_s, fn, arg);
	alerts->primed = true;
}

const struct alert *
alerts_active(const struct alerts *alerts, size_t i)
{
	for (size_t s = 0; s < SLOTS; s++)
		if (alerts->slots[s].alert.level > 0 && i-- == 0)
			return &alerts->slots[s].alert;
	return NULL;
}

size_t
alerts_count(const struct alerts *alerts)
{
	size_t n = 0;

	for (size_t s = 0; s < SLOTS; s++)
		n += alerts->slots[s].alert.level > 0;
	return n;
}
