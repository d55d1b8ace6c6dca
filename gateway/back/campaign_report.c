/*
 * A report is made from the store: ROWS_A_SLICE failures a turn of the loop,
 * encoded as they come, so that ten thousand of them delay no mail. Behind the
 * failures stand those who were canceled, if they are to be named: nothing was
 * written down of each, they lie in the trash. When the commit fails all of it
 * is made anew; the campaign's record goes with it.
 */
#include "gateway/back/campaign_report.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/back/report_mail.h"
#include "gateway/back/signature.h"
#include "gateway/base/arena.h"
#include "gateway/base/clock.h"
#include "gateway/base/encode.h"
#include "gateway/base/error.h"
#include "gateway/base/id.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/base/secret.h"
#include "gateway/campaign/campaign.h"

#define ROWS_A_SLICE 100
#define SLICE_MAX ((size_t)1 << 20) /* bytes of a slice's rows */
#define AGAIN_MS 30000
#define BOUNDARY_SIZE 40

TAILQ_HEAD(report_list, report);

struct report {
	TAILQ_ENTRY(report) link;
	struct inbound in; /* how it comes back from the store thread */
	struct campaign_reports *all;
	struct timer_op *timer;
	struct spool_accept accept;
	struct spool_outcome signing;  /* what signature_start knows */
	struct spool_change change_op; /* nobody to write to */
	struct store_change changes[CAMPAIGN_TOLD_CHANGES];
	uint32_t order;	     /* what it tells of */
	struct arena *arena; /* of the change */
	struct spool_msg *msg;
	struct spool_body *body;
	struct buf csv;
	struct campaign_view view;
	struct report_mail mail;
	struct spool_cursor after;
	size_t rows;
	bool in_trash; /* the failures are through */
	bool busy;     /* at the store */
	char boundary[BOUNDARY_SIZE];
	char from[256], hostname[256];
};

struct campaign_reports {
	struct relay *relay;
	struct report_list list;
	uint32_t busy;
	bool stopping;
};

static void begin(void *arg);

struct campaign_reports *
campaign_reports_create(struct relay *relay)
{
	struct campaign_reports *reports = mem_zalloc(sizeof(*reports));

	reports->relay = relay;
	TAILQ_INIT(&reports->list);
	return reports;
}

/* What was made of it so far. */
static void
forget(struct report *report)
{
	spool_msg_destroy(&report->msg);
	spool_body_destroy(&report->body);
	buf_fini(&report->csv);
	arena_destroy(&report->arena);
}

static void
end(struct report *report)
{
	TAILQ_REMOVE(&report->all->list, report, link);
	timer_cancel(&report->timer);
	forget(report);
	free(report);
}

void
campaign_reports_stop(struct campaign_reports *reports)
{
	struct report *report, *next;

	reports->stopping = true;
	for (report = TAILQ_FIRST(&reports->list); report; report = next) {
		next = TAILQ_NEXT(report, link);
		if (!report->busy)
			end(report);
	}
}

void
campaign_reports_destroy(struct campaign_reports **reports)
{
	if (!*reports)
		return;
	campaign_reports_stop(*reports);
	free(*reports);
	*reports = NULL;
}

uint32_t
campaign_reports_busy(const struct campaign_reports *reports)
{
	return reports ? reports->busy : 0;
}

static void
again(struct report *report)
{
	forget(report);
	if (report->all->stopping) {
		end(report);
		return;
	}
	report->timer =
	    timer_start(report->all->relay->loop, AGAIN_MS, begin, report);
}

/* --- the commit ----------------------------------------------------------- */

static void
report_take(struct relay *relay, struct inbound *in)
{
	struct report *report =
	    (struct report *)((char *)in - offsetof(struct report, in));
	bool ok = report->mail.to ? report->accept.answer == SPOOL_ACCEPTED
				  : report->change_op.err == 0;

	report->busy = false;
	report->all->busy--;
	if (ok) {
		campaign_told(relay->campaigns, report->view.id, report->order);
		end(report);
	} else {
		log_event(GW_LOG_WARN, "campaign-report-not-durable",
			  LF_U64("campaign", report->view.id));
		again(report);
	}
	relay_check_stopped(relay);
}

/* On the store thread, both. */
static void
on_accepted(struct spool_accept *op)
{
	struct report *report =
	    (struct report *)((char *)op - offsetof(struct report, accept));

	queue_push(report->all->relay->queue, &report->in.item);
}

static void
on_changed(struct spool_change *op)
{
	struct report *report =
	    (struct report *)((char *)op - offsetof(struct report, change_op));

	queue_push(report->all->relay->queue, &report->in.item);
}

static void
set_busy(struct report *report)
{
	report->busy = true;
	report->all->busy++;
}

static void
hand_in(struct report *report)
{
	struct spool_accept *op = &report->accept;
	char id[ID_TEXT_SIZE];

	id_format(report->msg->id, id);
	log_event(GW_LOG_INFO, "campaign-report", LF_STR("msg", id),
		  LF_U64("campaign", report->view.id),
		  LF_STR("state", campaign_state_word(report->view.state)),
		  LF_STR("to", report->mail.to), LF_U64("rows", report->rows));
	*op = (struct spool_accept){.msg = report->msg,
				    .body = report->body,
				    .changes = report->changes,
				    .change_count = CAMPAIGN_TOLD_CHANGES,
				    .done = on_accepted};
	report->msg = NULL;
	report->body = NULL;
	report->in.take = report_take;
	spool_accept_start(report->all->relay->spool, op);
}

static void
signed_take(struct relay *relay, struct inbound *in)
{
	(void)relay;
	hand_in((struct report *)((char *)in - offsetof(struct report, in)));
}

/* On a thread that signs. */
static void
on_signed(void *arg)
{
	struct report *report = arg;

	queue_push(report->all->relay->queue, &report->in.item);
}

static void
commit_mail(struct report *report)
{
	struct relay *relay = report->all->relay;

	set_busy(report);
	if (!relay->signer) {
		hand_in(report);
		return;
	}
	report->in.take = signed_take;
	report->signing = (struct spool_outcome){.dsn = report->msg,
						 .dsn_body = report->body};
	signature_start(relay->signer, relay->settings->conf.dkim,
			&report->signing, on_signed, report);
}

static void
commit_state(struct report *report)
{
	log_event(GW_LOG_INFO, "campaign-report-dropped",
		  LF_U64("campaign", report->view.id),
		  LF_STR("state", campaign_state_word(report->view.state)),
		  LF_STR("why", "no address of its owner"));
	report->change_op =
	    (struct spool_change){.changes = report->changes,
				  .change_count = CAMPAIGN_TOLD_CHANGES,
				  .done = on_changed};
	set_busy(report);
	spool_change_start(report->all->relay->spool, &report->change_op);
}

/* --- the mail ------------------------------------------------------------- */

static void
add_encoded(struct report *report, bool last)
{
	struct buf out = {.cap = 2 * SLICE_MAX};

	report_mail_encode(&out, &report->csv, last);
	if (last)
		report_mail_end(&out, &report->mail);
	spool_body_add(report->body, buf_slice(&out));
	buf_fini(&out);
}

static bool
add_row(void *arg, const struct campaign_failure *failure)
{
	struct report *report = arg;

	report_mail_row(&report->csv, failure);
	report->after.id = failure->message;
	report->after.index = failure->index;
	report->rows++;
	return true;
}

static bool
add_canceled(void *arg, const struct spool_entry *entry)
{
	struct report *report = arg;
	struct campaign_failure failure = {
	    .message = entry->id,
	    .index = entry->index,
	    .count = CAMPAIGN_PURGED,
	    .wall_s = report->view.ended_wall_s,
	    .address = entry->rcpt->address,
	    .text = "",
	};

	return add_row(report, &failure);
}

static void
finish(struct report *report)
{
	add_encoded(report, true);
	spool_body_end(report->body, report->msg->body.digest);
	commit_mail(report);
}

/* Up to max of them: how many there were, or a gw_err. */
static int
add_rows(struct report *report, size_t max)
{
	struct spool *spool = report->all->relay->spool;
	struct campaign_failure after = {.message = report->after.id,
					 .index = report->after.index};

	if (report->in_trash)
		return spool_trash_scan(spool, report->view.trash,
					&report->after, max, add_canceled,
					report, &report->after);
	return campaign_failures(spool_store(spool), report->view.id, &after,
				 max, add_row, report);
}

/* False: there are no others. */
static bool
go_on_in_trash(struct report *report)
{
	const struct campaign_view *view = &report->view;

	if (report->in_trash || !view->bounce || view->trash == 0)
		return false;
	report->in_trash = true;
	report->after = (struct spool_cursor){0, 0};
	return true;
}

static void
slice(void *arg)
{
	struct report *report = arg;
	struct relay *relay = report->all->relay;
	size_t max = REPORT_MAIL_ROWS - report->rows;
	int n;

	report->timer = NULL;
	if (max > ROWS_A_SLICE)
		max = ROWS_A_SLICE;
	n = add_rows(report, max);
	if (n < 0) {
		log_event(GW_LOG_ERROR, "campaign-report", LF_ERR(n),
			  LF_U64("campaign", report->view.id));
		again(report);
		return;
	}
	if (report->rows >= REPORT_MAIL_ROWS ||
	    ((size_t)n < max && !go_on_in_trash(report))) {
		finish(report);
		return;
	}
	add_encoded(report, false);
	report->timer = timer_start(relay->loop, 0, slice, report);
}

static struct spool_msg *
message(struct report *report)
{
	struct spool_msg *msg = spool_msg_create();

	msg->id = report->mail.own_id;
	msg->accepted_wall_ms = clock_wall_ms();
	msg->cred = msg->session = msg->mail_from = "";
	msg->lane = LANE_DSN;
	msg->flags = MSG_GENERATED;
	for (const char *s = report->mail.to; *s != '\0'; s++)
		if ((unsigned char)*s >= 0x80)
			msg->flags |= MSG_UTF8 | MSG_EIGHTBIT;
	spool_msg_add_rcpt(msg, slice_str(report->mail.to));
	return msg;
}

static void
make_boundary(char out[BOUNDARY_SIZE])
{
	uint8_t random[16];
	struct buf text = {.cap = BOUNDARY_SIZE - 1};

	secret_random(random, sizeof(random));
	buf_add_str(&text, "=_");
	hex_encode(&text, slice_of(random, sizeof(random)));
	memcpy(out, buf_cstr(&text), text.n + 1);
	buf_fini(&text);
}

static void
begin_mail(struct report *report)
{
	struct relay *relay = report->all->relay;
	struct buf top = {.cap = 65536};

	make_boundary(report->boundary);
	report->msg = message(report);
	report->body = spool_body_create(relay->spool);
	report->csv = (struct buf){.cap = SLICE_MAX};
	report->after = (struct spool_cursor){0, 0};
	report->in_trash = false;
	report->rows = 0;
	report_mail_top(&top, &report->mail);
	spool_body_add(report->body, buf_slice(&top));
	buf_fini(&top);
	report_mail_table(&report->csv);
	report->timer = timer_start(relay->loop, 0, slice, report);
}

/* The settings may be others by the next slice. */
static const char *
copy(char *out, size_t size, const char *s)
{
	size_t n = strlen(s);

	if (n >= size)
		n = size - 1;
	memcpy(out, s, n);
	out[n] = '\0';
	return out;
}

/* Not of one that a person let go on meanwhile, or canceled while some of it is
 * still to be purged: that is told of when they are gone. */
static bool
is_news(const struct campaign_view *view)
{
	return !view->told &&
	       (view->state == CAMPAIGN_DONE ||
		view->state == CAMPAIGN_STOPPED ||
		(view->state == CAMPAIGN_CANCELED && view->left == 0));
}

static void
begin(void *arg)
{
	struct report *report = arg;
	struct relay *relay = report->all->relay;
	const struct back_conf *conf = &relay->settings->conf;
	uint64_t id = report->view.id;

	report->timer = NULL;
	report->arena = arena_create(1024);
	if (campaign_told_changes(relay->campaigns, id, report->arena,
				  report->changes, &report->order) != 0 ||
	    campaign_get(relay->campaigns, id, clock_wall_s(), &report->view) !=
		0 ||
	    !is_news(&report->view)) {
		end(report);
		return;
	}
	if (report->view.order != report->order) { /* another, in between */
		forget(report);
		report->timer = timer_start(relay->loop, 0, begin, report);
		return;
	}
	report->mail = (struct report_mail){
	    .hostname = copy(report->hostname, sizeof(report->hostname),
			     conf->hostname),
	    .from = copy(report->from, sizeof(report->from), conf->postmaster),
	    .boundary = report->boundary,
	    .own_id = id_next(),
	    .now_wall_s = clock_wall_s(),
	    .view = &report->view,
	};
	if (strchr(report->view.owner, '@')) {
		report->mail.to = report->view.owner;
		begin_mail(report);
	} else {
		commit_state(report);
	}
}

void
campaign_report_start(struct relay *relay, uint64_t id)
{
	struct campaign_reports *reports = relay->reports;
	struct campaign_view view;
	struct report *report;

	if (!relay->campaigns || reports->stopping ||
	    campaign_get(relay->campaigns, id, clock_wall_s(), &view) != 0 ||
	    view.told)
		return;
	/* One that waits to be tried again says what is true by then. */
	for (report = TAILQ_FIRST(&reports->list); report;
	     report = TAILQ_NEXT(report, link)) {
		if (report->view.id == id &&
		    (report->view.order == view.order ||
		     (!report->busy && !report->msg)))
			return;
	}
	report = mem_zalloc(sizeof(*report));
	report->all = reports;
	report->view.id = id;
	TAILQ_INSERT_TAIL(&reports->list, report, link);
	report->timer = timer_start(relay->loop, 0, begin, report);
}
