/*
 * What is done with a message that was held pending-scan, by what the scanner
 * says of it and what the configuration wants.
 *
 * size: one table, and the stories that do not fit into it.
 */
#include <check.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/id.h"
#include "tests/back/scanner.h"
#include "tests/back/world.h"

void __real_spool_outcome_start(struct spool *spool, struct spool_outcome *op);
void __wrap_spool_outcome_start(struct spool *spool, struct spool_outcome *op);

/* An administrator's delete that comes in between: the record and then the
 * file of *deleted go before the next outcome that quarantines. */
static struct {
	struct world *_Atomic world; /* taken on the back's thread */
	uint64_t id;
	_Atomic bool gone;
} deleted;

static void
on_deleted(struct spool_change *op)
{
	ck_assert_int_eq(op->err, 0);
	deleted.gone = true;
}

static void
delete_in_between(struct spool *spool)
{
	struct arena *arena = arena_create(1024);
	struct quarantine *quarantine = deleted.world->quarantine;
	struct store_change change;
	struct spool_change op = {
	    .changes = &change, .change_count = 1, .done = on_deleted};

	deleted.world = NULL;
	quarantine_delete_change(deleted.id, arena, &change);
	spool_change_start(spool, &op);
	while (!deleted.gone)
		sched_yield();
	quarantine_unlink(quarantine, deleted.id);
	arena_destroy(&arena);
}

/* The outcome of a verdict, while it is on its way to the disk. */
static struct {
	_Atomic bool keep;
	struct spool_outcome *_Atomic op;
} late;

void
__wrap_spool_outcome_start(struct spool *spool, struct spool_outcome *op)
{
	if (late.keep && op->rcpt_count > 0 &&
	    op->rcpts[0].state == RCPT_QUARANTINED) {
		late.keep = false;
		late.op = op;
		return;
	}
	if (deleted.world && op->change_count > 0)
		delete_in_between(spool);
	__real_spool_outcome_start(spool, op);
}

#define HEAD(more)                                                         \
	"From: ann@example.org\r\nSubject: hello\r\nMessage-ID: <1@a>\r\n" \
	"MIME-Version: 1.0\r\nContent-Type: multipart/" more               \
	"; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n"      \
	"hello there\r\n"
#define FILE(name, text)                                                  \
	"--b\r\nContent-Type: application/zip\r\n"                        \
	"Content-Disposition: attachment; filename=" name "\r\n\r\n" text \
	"\r\n"
#define TAIL "--b--\r\n"
#define MIXED(files) HEAD("mixed") files TAIL

static const char none[] = "Subject: hello\r\n\r\nhello\r\n";
static const char good[] = MIXED(FILE("a.zip", "good"));
static const char evil[] =
    MIXED(FILE("a.zip", "good") FILE("b.exe", "so EVIL"));
static const char two_evils[] = MIXED(
    FILE("a.exe", "EVIL") FILE("b.zip", "good") FILE("c.exe", "more EVIL"));
static const char sealed[] = MIXED(FILE("a.zip", "SEALED"));
static const char evil_sealed[] =
    MIXED(FILE("a.zip", "SEALED") FILE("b.exe", "EVIL"));
static const char evil_signed[] =
    HEAD("signed; protocol=\"x/y\"") FILE("b.exe", "EVIL") TAIL;
/* Two types: readers differ on what it is. */
static const char evil_odd[] =
    "Subject: hello\r\nMIME-Version: 1.0\r\n"
    "Content-Type: text/plain\r\nContent-Type: multipart/mixed; boundary=b\r\n"
    "\r\n--b\r\n\r\nx\r\n" FILE("b.exe", "EVIL") TAIL;
static const char partial[] =
    "Subject: hello\r\nMIME-Version: 1.0\r\n"
    "Content-Type: message/partial; id=x; number=1; total=2\r\n\r\n"
    "Subject: y\r\n\r\nz\r\n";
#define UU "begin 644 x.exe\r\n%159)3 H \r\n`\r\nend\r\n"
static const char evil_uu[] = "Subject: hello\r\n\r\nlook:\r\n" UU "bye\r\n";
/* Two attachments in one place: without the inner one the outer is another,
 * which nobody looked at. */
static const char evil_uu_file[] = MIXED(
    "--b\r\nContent-Type: text/plain\r\n"
    "Content-Disposition: attachment; filename=a.txt\r\n\r\nlook:\r\n" UU);
static const char evil_text[] = "Subject: hello\r\n\r\nEVIL\r\n";

static void
open_scanned(struct world *w)
{
	world_open(w, NULL);
	w->scan = scanner_start();
	world_quarantine(w);
}

static void
close_scanned(struct world *w)
{
	world_close(w);
	scanner_stop();
}

static bool
is_settled(struct world *w)
{
	struct back_status status = status_of(w);
	struct spool_ledger ledger = world_ledger(w);

	return status.scan_waiting == 0 && status.active == 0 &&
	       ledger.by_state[RCPT_QUEUED] == 0 &&
	       status.held == (uint64_t)ledger.by_state[RCPT_HELD];
}

static const struct sink_mail *
mail_to(struct world *w, const char *rcpt)
{
	for (size_t i = 0; i < sink_count(w->sink); i++)
		if (strstr(sink_mail(w->sink, i)->rcpts, rcpt))
			return sink_mail(w->sink, i);
	return NULL;
}

static int
quarantined(struct world *w)
{
	uint64_t ids[16];

	return quarantine_list(w->quarantine, 0, ids, 16);
}

/* --- the table ------------------------------------------------------------ */

struct verdict_case {
	const char *label;
	const char *body;
	enum scan_infected infected;
	uint16_t flags;
	bool text;
	const char *from, *owner;
	/* of the two recipients */
	int delivered, quarantined, discarded, bounced, held;
	int notices; /* to the owner, reports too */
	bool asked;
	const char *notice; /* what stands in it */
};

#define OWNER "owner@example.org"
#define FORGED "ceo@bank.test"

static const struct verdict_case cases[] = {
    {.label = "nothing attached: nobody is asked",
     .body = none,
     .delivered = 2},
    {.label = "clean", .body = good, .delivered = 2, .asked = true},
    {.label = "text, and texts are not looked at",
     .body = evil_text,
     .delivered = 2},
    {.label = "text, and they are",
     .body = evil_text,
     .text = true,
     .owner = OWNER,
     .quarantined = 2,
     .notices = 1,
     .asked = true},
    {.label = "infected, reject: too late for that",
     .body = evil,
     .owner = OWNER,
     .quarantined = 2,
     .notices = 1,
     .asked = true,
     .notice = "  Attachment: b.exe\r\n  Virus:      Test.Evil\r\n"},
    {.label = "infected, quarantine",
     .body = evil,
     .infected = SCAN_INFECTED_QUARANTINE,
     .owner = OWNER,
     .quarantined = 2,
     .notices = 1,
     .asked = true,
     .notice = "is kept for 40 days"},
    {.label = "infected, no owner: nobody is told",
     .body = evil,
     .infected = SCAN_INFECTED_QUARANTINE,
     .quarantined = 2,
     .asked = true},
    {.label = "infected, forged: the owner alone",
     .body = evil,
     .from = FORGED,
     .owner = OWNER,
     .quarantined = 2,
     .notices = 1,
     .asked = true,
     .notice = "From:       ceo@bank.test\r\n"},
    {.label = "infected, forged, no owner",
     .body = evil,
     .from = FORGED,
     .quarantined = 2,
     .asked = true},
    {.label = "infected, discard",
     .body = evil,
     .infected = SCAN_INFECTED_DISCARD,
     .owner = OWNER,
     .discarded = 2,
     .notices = 1,
     .asked = true,
     .notice = "it was deleted"},
    {.label = "infected, discard silently",
     .body = evil,
     .infected = SCAN_INFECTED_DISCARD_SILENTLY,
     .owner = OWNER,
     .discarded = 2,
     .asked = true},
    {.label = "infected, clean",
     .body = evil,
     .infected = SCAN_INFECTED_CLEAN,
     .owner = OWNER,
     .delivered = 2,
     .quarantined = 2,
     .notices = 1,
     .asked = true,
     .notice = "was sent without its infected attachment"},
    {.label = "two are infected, clean",
     .body = two_evils,
     .infected = SCAN_INFECTED_CLEAN,
     .owner = OWNER,
     .delivered = 2,
     .quarantined = 2,
     .notices = 1,
     .asked = true,
     .notice = "Attachment: c.exe\r\n"},
    {.label = "in a text, clean",
     .body = evil_uu,
     .infected = SCAN_INFECTED_CLEAN,
     .owner = OWNER,
     .delivered = 2,
     .quarantined = 2,
     .notices = 1,
     .asked = true},
    {.label = "in another attachment, clean",
     .body = evil_uu_file,
     .infected = SCAN_INFECTED_CLEAN,
     .owner = OWNER,
     .quarantined = 2,
     .notices = 1,
     .asked = true},
    {.label = "signed is never cleaned",
     .body = evil_signed,
     .infected = SCAN_INFECTED_CLEAN,
     .owner = OWNER,
     .quarantined = 2,
     .notices = 1,
     .asked = true},
    {.label = "nor what is not understood",
     .body = evil_odd,
     .infected = SCAN_INFECTED_CLEAN,
     .owner = OWNER,
     .quarantined = 2,
     .notices = 1,
     .asked = true},
    {.label = "nor what cannot be looked into beside it",
     .body = evil_sealed,
     .infected = SCAN_INFECTED_CLEAN,
     .owner = OWNER,
     .quarantined = 2,
     .notices = 1,
     .asked = true},
    {.label = "but where that may pass",
     .body = evil_sealed,
     .infected = SCAN_INFECTED_CLEAN,
     .flags = MSG_UNSCANNABLE_PASS,
     .owner = OWNER,
     .delivered = 2,
     .quarantined = 2,
     .notices = 1,
     .asked = true},
    {.label = "unscannable: bounced",
     .body = sealed,
     .bounced = 2,
     .from = FORGED,
     .owner = OWNER,
     .notices = 1,
     .asked = true,
     .notice = "it is encrypted"},
    {.label = "unscannable, no owner",
     .body = sealed,
     .bounced = 2,
     .from = FORGED,
     .asked = true},
    {.label = "unscannable, hold",
     .body = sealed,
     .flags = MSG_UNSCANNABLE_HOLD,
     .owner = OWNER,
     .held = 2,
     .asked = true},
    {.label = "unscannable, pass",
     .body = sealed,
     .flags = MSG_UNSCANNABLE_PASS,
     .delivered = 2,
     .asked = true},
    {.label = "divided: clean is not enough",
     .body = partial,
     .bounced = 2,
     .from = FORGED,
     .owner = OWNER,
     .notices = 1,
     .asked = true,
     .notice = "a divided message"},
    {.label = "divided, pass",
     .body = partial,
     .flags = MSG_UNSCANNABLE_PASS,
     .delivered = 2,
     .asked = true},
};

static void
check_notices(struct world *w, const struct verdict_case *c)
{
	int notices = 0;

	for (size_t i = 0; i < sink_count(w->sink); i++) {
		const struct sink_mail *mail = sink_mail(w->sink, i);

		ck_assert_msg(!strstr(mail->rcpts, FORGED), "%s", c->label);
		if (!strstr(mail->rcpts, OWNER))
			continue;
		notices++;
		ck_assert_msg(mail->from[0] == '\0', "%s", c->label);
		ck_assert_msg(!c->notice || strstr(mail->body, c->notice),
			      "%s: %s", c->label, mail->body);
		ck_assert_msg(strstr(mail->body, "\r\nTo: <" OWNER ">\r\n"),
			      "%s", c->label);
		ck_assert_msg(!strstr(mail->body, "EVIL"), "%s", c->label);
	}
	ck_assert_msg(notices == c->notices, "%s: %d notices", c->label,
		      notices);
}

static void
check_ledger(struct world *w, const struct verdict_case *c)
{
	struct spool_ledger ledger = world_ledger(w);
	const int64_t *by = ledger.by_state;
	int64_t sum = 0;

	for (int i = 0; i < RCPT_STATES; i++)
		sum += by[i];
	ck_assert_msg(ledger.accepted + ledger.generated == sum, "%s",
		      c->label);
	ck_assert_msg(by[RCPT_DELIVERED] == c->delivered + c->notices &&
			  by[RCPT_QUARANTINED] == c->quarantined &&
			  by[RCPT_DISCARDED] == c->discarded &&
			  by[RCPT_BOUNCED] == c->bounced &&
			  by[RCPT_HELD] == c->held,
		      "%s: %d %d %d %d %d", c->label, (int)by[RCPT_DELIVERED],
		      (int)by[RCPT_QUARANTINED], (int)by[RCPT_DISCARDED],
		      (int)by[RCPT_BOUNCED], (int)by[RCPT_HELD]);
}

START_TEST(test_verdict)
{
	const struct verdict_case *c = &cases[_i];
	struct letter letter = {.to = "p@a.test q@b.test",
				.body = c->body,
				.from = c->from,
				.owner = c->owner,
				.flags = c->flags,
				.holds = HOLD_SCAN};
	struct spool_ledger ledger;
	struct world w;

	open_scanned(&w);
	w.conf.scan_infected = c->infected;
	w.conf.scan_text = c->text;
	world_start(&w);
	world_accept(&w, &letter);
	UNTIL(&w,
	      (ledger = world_ledger(&w),
	       ledger.by_state[RCPT_DELIVERED] == c->delivered + c->notices &&
		   ledger.by_state[RCPT_HELD] == c->held) &&
		  status_of(&w).quarantined == (c->quarantined > 0) &&
		  is_settled(&w),
	      c->label);
	check_ledger(&w, c);
	check_notices(&w, c);
	ck_assert_msg((scanner.asked > 0) == c->asked, "%s", c->label);
	ck_assert_msg(quarantined(&w) == (c->quarantined > 0), "%s", c->label);
	ck_assert_uint_eq(status_of(&w).held, (uint64_t)c->held);
	close_scanned(&w);
}
END_TEST

/* --- what the copy and the record are --------------------------------------
 */

START_TEST(test_cleaned)
{
	struct letter letter = {.to = "p@a.test q@b.test",
				.body = evil,
				.owner = OWNER,
				.envid = "E1",
				.holds = HOLD_SCAN};
	struct quarantine_entry entry;
	struct arena *arena = arena_create(1024);
	const struct sink_mail *mail;
	struct world w;
	uint64_t id;

	open_scanned(&w);
	w.conf.scan_infected = SCAN_INFECTED_CLEAN;
	w.conf.scan_subject = "[cleaned]";
	w.conf.scan_replacement = "Gone: {name} ({threat})";
	world_start(&w);
	id = world_accept(&w, &letter);
	UNTIL(&w, status_of(&w).delivered == 3, "copies and notice");
	mail = mail_to(&w, "p@a.test");
	ck_assert_ptr_nonnull(mail);
	ck_assert_str_eq(mail->from, "ann@example.org");
	ck_assert_ptr_nonnull(
	    strstr(mail->body, "Received: by gate.example.org\r\nFrom: "));
	ck_assert_ptr_nonnull(
	    strstr(mail->body, "\r\nSubject: [cleaned] hello\r\n"));
	ck_assert_ptr_nonnull(
	    strstr(mail->body, FILE("a.zip", "good") "--b\r\n"));
	ck_assert_ptr_nonnull(
	    strstr(mail->body, "\r\n\r\nGone: b.exe (Test.Evil)\r\n" TAIL));
	ck_assert_ptr_null(strstr(mail->body, "EVIL"));
	ck_assert_uint_eq(status_of(&w).cleaned, 1);
	ck_assert_int_eq(quarantine_get(w.quarantine, id, arena, &entry), 0);
	ck_assert_uint_gt(entry.linked, id);
	ck_assert_uint_eq(entry.rcpt_count, 2);
	ck_assert_str_eq(entry.rcpts[0].address, "p@a.test");
	ck_assert_str_eq(entry.subject, "hello");
	ck_assert_str_eq(entry.part_name, "b.exe");
	ck_assert_str_eq(entry.verdict.threat, "Test.Evil");
	ck_assert_str_eq(entry.owner, OWNER);
	ck_assert_str_eq(entry.envid, "E1");
	ck_assert_int_eq(entry.expires_wall_s - entry.stored_wall_s,
			 40 * 86400);
	arena_destroy(&arena);
	close_scanned(&w);
}
END_TEST

/* The bytes in quarantine are the client's. */
START_TEST(test_kept)
{
	struct letter letter = {
	    .to = "p@a.test", .body = evil, .holds = HOLD_SCAN};
	struct quarantine_reader *reader;
	char bytes[sizeof(evil)];
	struct world w;
	uint64_t id;

	open_scanned(&w);
	world_start(&w);
	id = world_accept(&w, &letter);
	UNTIL(&w, status_of(&w).quarantined == 1, "quarantined");
	ck_assert_int_eq(quarantine_reader_open(w.quarantine, id, &reader), 0);
	ck_assert_int_eq(
	    quarantine_reader_read(reader, 0, bytes, sizeof(bytes)),
	    (int64_t)strlen(evil));
	ck_assert_mem_eq(bytes, evil, strlen(evil));
	quarantine_reader_close(&reader);
	close_scanned(&w);
}
END_TEST

/* --- one of a mailing ------------------------------------------------------
 */

static uint64_t
join(struct world *w, uint64_t id, uint32_t recipients)
{
	struct campaign_mail mail = {
	    .id = id, .cred = "ann", .owner = OWNER, .recipients = recipients};
	struct campaign_join join;

	mail.shape.exact[0] = 7;
	world_join(w, &mail, &join);
	return join.id;
}

static const enum scan_infected late_acts[] = {SCAN_INFECTED_QUARANTINE,
					       SCAN_INFECTED_CLEAN};

/* It was personal mail when its verdict went to the disk: what was kept back is
 * counted all the same, and a copy is not of the campaign. */
START_TEST(test_adopted)
{
	struct campaigns_conf conf = {.same = 2};
	struct letter letter = {
	    .to = "p@a.test q@b.test", .body = evil, .holds = HOLD_SCAN};
	struct letter other = {.to = "r@a.test"};
	struct world w;
	uint64_t c;

	open_scanned(&w);
	world_campaigns(&w);
	campaigns_configure(w.campaigns, &conf);
	w.conf.scan_infected = late_acts[_i];
	world_start(&w);
	late.keep = true;
	ck_assert_uint_eq(join(&w, world_accept(&w, &letter), 2), 0);
	UNTIL(&w, late.op != NULL, "a verdict");
	c = other.campaign = join(&w, id_next(), 1);
	ck_assert_uint_ne(c, 0);
	world_accept(&w, &other);
	UNTIL(&w, world_view(&w, c).counts[CAMPAIGN_RECIPIENTS] == 3, "moved");
	__real_spool_outcome_start(w.spool, late.op);
	UNTIL(&w, world_view(&w, c).left == 0, "counted");
	ck_assert_uint_eq(world_view(&w, c).counts[CAMPAIGN_OTHER], 2);
	ck_assert_uint_eq(world_view(&w, c).counts[CAMPAIGN_DELIVERED], 1);
	close_scanned(&w);
}
END_TEST

/* --- other holds -----------------------------------------------------------
 */

static uint64_t
release(struct world *w)
{
	struct back_work work = {.verb = BACK_RELEASE};

	world_work(w, &work);
	ck_assert_int_eq(work.err, 0);
	return work.recipients;
}

START_TEST(test_unscannable_released)
{
	struct letter letter = {.to = "p@a.test q@b.test",
				.body = sealed,
				.flags = MSG_UNSCANNABLE_HOLD,
				.holds = HOLD_SCAN};
	struct world w;
	unsigned asked;

	open_scanned(&w);
	world_start(&w);
	world_accept(&w, &letter);
	UNTIL(&w, status_of(&w).held == 2 && status_of(&w).scan_waiting == 0,
	      "held otherwise");
	asked = scanner.asked;
	world_stop(&w, 1000);
	world_start(&w);
	UNTIL(&w, status_of(&w).held == 2, "after a restart too");
	ck_assert_uint_eq(release(&w), 2);
	UNTIL(&w, status_of(&w).delivered == 2, "released");
	ck_assert_uint_eq(scanner.asked, asked);
	close_scanned(&w);
}
END_TEST

static const struct {
	const char *label;
	uint32_t other;
	uint64_t released; /* by a release while it waits */
} others[] = {
    {"a limit's", HOLD_LIMIT, 1},
    {"an administrator's", HOLD_ADMIN, 1},
    {"none", 0, 0},
};

/* A release takes away its own; only a verdict takes away the scan's. */
START_TEST(test_release_while_pending)
{
	struct letter letter = {.to = "p@a.test",
				.body = good,
				.holds = HOLD_SCAN | others[_i].other};
	struct world w;

	open_scanned(&w);
	scanner.up = false;
	world_start(&w);
	world_accept(&w, &letter);
	UNTIL(&w, status_of(&w).scan_waiting == 1, others[_i].label);
	ck_assert_uint_eq(release(&w), others[_i].released);
	turn_some(w.loop);
	ck_assert_uint_eq(status_of(&w).scan_waiting, 1);
	ck_assert_uint_eq(status_of(&w).queued, 0);
	ck_assert_uint_eq(release(&w), 0);
	scanner_set_up(true);
	UNTIL(&w, status_of(&w).delivered == 1, others[_i].label);
	close_scanned(&w);
}
END_TEST

START_TEST(test_other_hold_stays)
{
	struct letter letter = {
	    .to = "p@a.test", .body = good, .holds = HOLD_SCAN | HOLD_LIMIT};
	struct world w;

	open_scanned(&w);
	world_start(&w);
	world_accept(&w, &letter);
	UNTIL(&w,
	      status_of(&w).held == 1 && status_of(&w).scan_waiting == 0 &&
		  scanner.asked == 1,
	      "clean, but over a limit");
	world_stop(&w, 1000);
	world_start(&w);
	UNTIL(&w, status_of(&w).held == 1, "after a restart too");
	ck_assert_uint_eq(status_of(&w).scan_waiting, 0);
	ck_assert_uint_eq(release(&w), 1);
	UNTIL(&w, status_of(&w).delivered == 1, "released");
	close_scanned(&w);
}
END_TEST

/* A paced recipient is not sent before its time. */
START_TEST(test_paced)
{
	struct letter letter = {.to = "p@a.test",
				.body = good,
				.holds = HOLD_SCAN,
				.next_wall_s = clock_wall_s() + 3600};
	struct world w;

	open_scanned(&w);
	world_start(&w);
	world_accept(&w, &letter);
	UNTIL(&w, status_of(&w).queued == 1, "clean");
	turn_some(w.loop);
	ck_assert_uint_eq(sink_count(w.sink), 0);
	back_flush(w.back, &(struct back_flush){.id = 0});
	UNTIL(&w, status_of(&w).delivered == 1, "flushed");
	close_scanned(&w);
}
END_TEST

static bool
has_file(struct world *w, uint64_t id)
{
	struct quarantine_reader *reader;
	int err = quarantine_reader_open(w->quarantine, id, &reader);

	if (err == 0)
		quarantine_reader_close(&reader);
	else
		ck_assert_int_eq(err, GW_ENOENT);
	return err == 0;
}

static void
check_kept(struct world *w, uint64_t id, const char *rcpt)
{
	struct arena *arena = arena_create(1024);
	struct quarantine_entry entry;

	ck_assert_int_eq(quarantine_get(w->quarantine, id, arena, &entry), 0);
	ck_assert_uint_eq(entry.rcpt_count, 1);
	ck_assert_str_eq(entry.rcpts[0].address, rcpt);
	ck_assert_uint_eq(entry.bytes, sizeof(evil) - 1);
	ck_assert(has_file(w, id));
	arena_destroy(&arena);
}

/* Kept apart from what is there already; also when that goes at this moment. */
START_TEST(test_purged_and_undone)
{
	struct letter letter = {.to = "p@a.test q@b.test",
				.body = evil,
				.owner = OWNER,
				.holds = HOLD_SCAN};
	struct back_work purge = {.verb = BACK_PURGE,
				  .select.domain = "a.test",
				  .trash = id_next(),
				  .trash_until_wall_s = clock_wall_s() + 999};
	struct back_work undo = {.verb = BACK_UNDO, .trash = purge.trash};
	uint64_t ids[4];
	struct world w;
	uint64_t id;

	open_scanned(&w);
	scanner.up = false;
	world_start(&w);
	id = world_accept(&w, &letter);
	UNTIL(&w, status_of(&w).scan_waiting == 2, "pending");
	world_work(&w, &purge);
	ck_assert_uint_eq(purge.recipients, 1);
	ck_assert_uint_eq(status_of(&w).scan_waiting, 1);
	scanner_set_up(true);
	UNTIL(&w, status_of(&w).quarantined == 1, "the other");
	check_kept(&w, id, "q@b.test");
	deleted.id = id;
	deleted.gone = false;
	deleted.world = _i == 1 ? &w : NULL;
	world_work(&w, &undo);
	ck_assert_uint_eq(undo.recipients, 1);
	UNTIL(&w, status_of(&w).quarantined == 2, "and then this one");
	ck_assert_int_eq(quarantine_list(w.quarantine, 0, ids, 4), 2 - _i);
	if (_i == 0)
		check_kept(&w, id, "q@b.test");
	check_kept(&w, ids[1 - _i], "p@a.test");
	close_scanned(&w);
}
END_TEST

/* Somebody wrote into the spool: neither sent nor released. */
START_TEST(test_altered)
{
	struct letter letter = {
	    .to = "p@a.test", .body = good, .holds = HOLD_SCAN};
	struct world w;

	open_scanned(&w);
	world_accept(&w, &letter);
	world_alter(&w, "hello there");
	world_start(&w);
	UNTIL(&w, status_of(&w).altered == 1, "seen");
	UNTIL(&w, status_of(&w).held == 1 && status_of(&w).scan_waiting == 0,
	      "held as altered");
	ck_assert_uint_eq(scanner.asked, 0);
	ck_assert_uint_eq(release(&w), 0);
	ck_assert_uint_eq(status_of(&w).held, 1);
	close_scanned(&w);
}
END_TEST

/* Over twenty notices in an hour the owner knows. */
START_TEST(test_notices_end)
{
	struct letter letter = {
	    .to = "p@a.test", .body = evil, .owner = OWNER, .holds = HOLD_SCAN};
	struct world w;

	open_scanned(&w);
	world_start(&w);
	world_accept_many(&w, &letter, 50);
	UNTIL(&w, status_of(&w).quarantined == 50, "all");
	UNTIL(&w, status_of(&w).delivered == 20, "notices");
	UNTIL(&w, is_settled(&w), "settled");
	ck_assert_uint_eq(sink_count(w.sink), 20);
	ck_assert_uint_eq(status_of(&w).dsn_dropped, 30);
	close_scanned(&w);
}
END_TEST

/* More recipients than one slice has, with a message of their own. */
START_TEST(test_many_recipients)
{
	static const struct {
		const char *body;
		int delivered, quarantined;
	} rows[] = {{good, 2500, 0}, {evil, 0, 2500}};
	struct letter letter = {.holds = HOLD_SCAN, .body = rows[_i].body};
	struct buf to;
	struct world w;

	buf_init(&to, 1 << 20);
	for (int i = 0; i < 2500; i++)
		buf_printf(&to, "%sr%d@d%d.test", i ? " " : "", i, i % 7);
	letter.to = buf_cstr(&to);
	open_scanned(&w);
	world_start(&w);
	world_accept(&w, &letter);
	UNTIL(&w,
	      world_ledger(&w).by_state[RCPT_DELIVERED] == rows[_i].delivered &&
		  world_ledger(&w).by_state[RCPT_QUARANTINED] ==
		      rows[_i].quarantined,
	      rows[_i].body);
	ck_assert_uint_eq(scanner.asked, 1);
	close_scanned(&w);
	buf_fini(&to);
}
END_TEST

/* --- expiry ----------------------------------------------------------------
 */

static _Atomic bool changed;

static void
on_changed(struct spool_change *op)
{
	ck_assert_int_eq(op->err, 0);
	changed = true;
}

static void
age_entry(struct world *w, uint64_t id, int64_t expires_wall_s)
{
	struct arena *arena = arena_create(1024);
	struct quarantine_entry entry;
	struct store_change change;
	struct spool_change op = {
	    .changes = &change, .change_count = 1, .done = on_changed};

	ck_assert_int_eq(quarantine_get(w->quarantine, id, arena, &entry), 0);
	entry.expires_wall_s = expires_wall_s;
	quarantine_put_change(&entry, arena, &change);
	changed = false;
	spool_change_start(w->spool, &op);
	UNTIL(w, changed, "aged");
	arena_destroy(&arena);
}

START_TEST(test_expired)
{
	struct letter letter = {
	    .to = "p@a.test", .body = evil, .holds = HOLD_SCAN};
	struct world w;
	uint64_t old, young;

	open_scanned(&w);
	world_start(&w);
	old = world_accept(&w, &letter);
	young = world_accept(&w, &letter);
	UNTIL(&w, status_of(&w).quarantined == 2, "both");
	age_entry(&w, old, clock_wall_s() - 1);
	world_stop(&w, 1000);
	world_start(&w);
	UNTIL(&w, quarantined(&w) == 1, "one went at the start");
	UNTIL(&w, !has_file(&w, old), "its file too");
	ck_assert(has_file(&w, young));
	close_scanned(&w);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("scan");
	TCase *tc = tcase_create("scan");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, test_verdict, 0,
			    sizeof(cases) / sizeof(cases[0]));
	tcase_add_test(tc, test_cleaned);
	tcase_add_test(tc, test_kept);
	tcase_add_loop_test(tc, test_adopted, 0, 2);
	tcase_add_test(tc, test_unscannable_released);
	tcase_add_loop_test(tc, test_release_while_pending, 0,
			    sizeof(others) / sizeof(others[0]));
	tcase_add_test(tc, test_other_hold_stays);
	tcase_add_test(tc, test_paced);
	tcase_add_loop_test(tc, test_purged_and_undone, 0, 2);
	tcase_add_test(tc, test_altered);
	tcase_add_test(tc, test_notices_end);
	tcase_add_loop_test(tc, test_many_recipients, 0, 2);
	tcase_add_test(tc, test_expired);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
