/*
 * Whom to tell of an attempt, and of what: gathers the recipients that want to
 * hear of their result, finds out who the DSN may go to, and puts it into the
 * outcome, so that it is committed with the marks it tells of.
 */
#include <stdio.h>
#include <stdlib.h>

#include "gateway/back/delivery.h"
#include "gateway/back/dsn.h"
#include "gateway/base/address.h"
#include "gateway/base/arena.h"
#include "gateway/base/encode.h"
#include "gateway/base/error.h"
#include "gateway/base/id.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/base/secret.h"
#include "gateway/smtp/utf8.h"

#define WHOLE_MAX ((uint64_t)1 << 20)	 /* RET=FULL above: headers only */
#define HEADER_MAX ((uint64_t)128 << 10) /* front refuses larger blocks */
#define DSN_MAX ((size_t)32 << 20)	 /* SUMMARY_RCPTS_MAX, if need be */
#define DIAGNOSTIC_MAX 512
#define DELAYS_MAX 10000

struct gathered {
	struct dsn_rcpt *rcpts;
	struct arena *arena;
	size_t count;
	bool failed, delayed;
};

static bool
action_of(const struct notice *notice, const struct result *result,
	  enum dsn_action *action)
{
	switch (result->fate) {
	case FATE_BOUNCED:
		*action = DSN_FAILED;
		return true;
	case FATE_DEFERRED:
		*action = DSN_DELAYED;
		return notice->delayed && !result->again;
	case FATE_DELIVERED:
		*action = notice->peer->final ? DSN_DELIVERED : DSN_RELAYED;
		return !notice->peer->reports;
	case FATE_ALTERED:    /* the administrator's to look at */
	case FATE_SUPPRESSED: /* the campaign's report names them */
	case FATE_DUPLICATE:
		return false;
	}
	return false;
}

static void
gather_rcpt(struct gathered *g, const struct notice *notice,
	    const struct spool_rcpt *rcpt, const struct result *result,
	    enum dsn_action action)
{
	struct dsn_rcpt *out = &g->rcpts[g->count++];
	struct buf text;

	buf_init(&text, DIAGNOSTIC_MAX + 32);
	result_format(&text, result);
	*out = (struct dsn_rcpt){
	    .address = rcpt->address,
	    .orcpt = rcpt->orcpt,
	    .action = action,
	    .from_remote = result->code != 0,
	    .remote_mta = notice->peer->final ? NULL : notice->peer->host,
	};
	out->diagnostic = slice_str(arena_dup(g->arena, buf_slice(&text)));
	buf_fini(&text);
	for (int k = 0; k < 3; k++)
		out->status[k] = result->enhanced[k];
	if (action == DSN_DELIVERED)
		out->diagnostic = SLICE_NONE;
	g->failed |= action == DSN_FAILED;
	g->delayed |= action == DSN_DELAYED;
}

static size_t
count_rcpts(const struct notice *notice)
{
	size_t n = 0;

	for (size_t i = 0; i < notice->part_count; i++)
		n += notice->parts[i].delivery->count;
	return n;
}

/* The owner of a campaign gets one summary, not a report of each failure. What
 * was asked for (RFC 3461, NOTIFY=SUCCESS) is sent. */
static bool
is_told_of(const struct delivery *d, enum dsn_action action)
{
	if (d->msg->campaign == 0 || !d->relay->campaigns)
		return true;
	return action != DSN_FAILED && action != DSN_DELAYED;
}

static void
gather_part(struct gathered *g, const struct notice *notice,
	    const struct notice_part *part)
{
	const struct delivery *d = part->delivery;

	for (uint32_t i = 0; i < d->count; i++) {
		const struct result *result = &part->results[i];
		enum dsn_action action;

		if (!action_of(notice, result, &action) ||
		    !dsn_wanted(d->rcpts[i]->notify, action) ||
		    !is_told_of(d, action))
			continue;
		if (!g->rcpts) {
			g->rcpts =
			    mem_array(count_rcpts(notice), sizeof(*g->rcpts));
			g->arena = arena_create(4096);
		}
		gather_rcpt(g, notice, d->rcpts[i], result, action);
	}
}

static void
gather(struct gathered *g, const struct notice *notice)
{
	for (size_t i = 0; i < notice->part_count; i++)
		gather_part(g, notice, &notice->parts[i]);
}

static const struct delivery *
first(const struct notice *notice)
{
	return notice->parts[0].delivery;
}

/* The original, as far as it is returned. What the disk does not give any
 * more is left out: the report matters more. */
static void
read_original(struct buf *out, const struct notice *notice, bool whole)
{
	const struct spool_msg *msg = first(notice)->msg;
	struct spool_reader *reader;
	uint64_t want = msg->body.length;
	uint64_t max = whole ? WHOLE_MAX : HEADER_MAX;
	int64_t got = 0;
	char *room;

	buf_add_slice(out, msg->prefix);
	if (want > max)
		want = max;
	room = buf_reserve(out, (size_t)want);
	if (!room || spool_reader_open(first(notice)->relay->spool, &msg->body,
				       &reader) != 0)
		return;
	if (want > 0)
		got = spool_reader_read(reader, 0, room, (size_t)want);
	if (got > 0)
		out->n += (size_t)got;
	spool_reader_close(&reader);
}

/* A hop that did not take the 8 bits or the UTF-8 of the message does not take
 * them in a report of it either: then the report has neither. */
static bool
must_be_plain(const struct notice *notice)
{
	for (size_t i = 0; i < notice->part_count; i++) {
		const struct notice_part *part = &notice->parts[i];

		for (uint32_t k = 0; k < part->delivery->count; k++) {
			const struct result *r = &part->results[k];

			if (r->fate == FATE_BOUNCED && r->enhanced[1] == 6 &&
			    (r->enhanced[2] == 3 || r->enhanced[2] == 7))
				return true;
		}
	}
	return false;
}

static bool
build(struct buf *out, const struct notice *notice, const struct gathered *g,
      const char *to, struct spool_msg *own)
{
	const struct spool_msg *msg = first(notice)->msg;
	const struct back_conf *conf =
	    settings_lane(first(notice)->relay->settings, msg->lane);
	struct buf original, boundary;
	uint8_t random[16];
	bool plain = must_be_plain(notice);
	struct dsn dsn = {
	    .hostname = conf->hostname,
	    .from = conf->postmaster,
	    .to = to,
	    .envid = msg->envid,
	    .own_id = own->id,
	    .about_id = msg->id,
	    .arrival_wall_s = msg->accepted_wall_ms / 1000,
	    .now_wall_s = notice->now_wall_ms / 1000,
	    .retry_until_wall_s = msg->accepted_wall_ms / 1000 + conf->expire_s,
	    .utf8 = msg->flags & MSG_UTF8 &&
		    !(plain && utf8_is_ascii(slice_str(to))),
	    .whole = g->failed && msg->ret == RET_FULL && !plain &&
		     /* held, perhaps: nobody could look into it */
		     !(msg->flags & MSG_UNSCANNABLE_HOLD) &&
		     msg->body.length <= WHOLE_MAX,
	    .rcpts = g->rcpts,
	    .rcpt_count = g->count,
	};
	bool eightbit;

	if (dsn.utf8)
		own->flags |= MSG_UTF8;
	buf_init(&original, DSN_MAX);
	buf_init(&boundary, 64);
	read_original(&original, notice, dsn.whole);
	dsn.original = buf_slice(&original);
	if (!dsn.whole)
		dsn.original = dsn_header_block(dsn.original);
	secret_random(random, sizeof(random));
	buf_add_str(&boundary, "=_");
	hex_encode(&boundary, slice_of(random, sizeof(random)));
	dsn.boundary = buf_cstr(&boundary);
	eightbit = dsn_build(out, &dsn);
	buf_fini(&boundary);
	buf_fini(&original);
	return eightbit;
}

static void
put_dsn(struct outcome *outcome, const struct notice *notice,
	const struct gathered *g, const char *to)
{
	const struct spool_msg *about = first(notice)->msg;
	struct spool_msg *msg = spool_msg_create();
	struct spool_body *body =
	    spool_body_create(first(notice)->relay->spool);
	struct buf bytes;
	char id[ID_TEXT_SIZE], about_id[ID_TEXT_SIZE];

	buf_init(&bytes, DSN_MAX);
	msg->id = id_next();
	msg->accepted_wall_ms = notice->now_wall_ms;
	msg->cred = "";
	msg->session = "";
	msg->mail_from = "";
	msg->lane = LANE_DSN;
	msg->flags = MSG_GENERATED;
	if (build(&bytes, notice, g, to, msg))
		msg->flags |= MSG_EIGHTBIT;
	spool_msg_add_rcpt(msg, slice_str(to));
	spool_body_add(body, buf_slice(&bytes));
	spool_body_end(body, msg->body.digest);
	buf_fini(&bytes);
	id_format(msg->id, id);
	id_format(about->id, about_id);
	log_event(GW_LOG_INFO, "dsn", LF_STR("msg", id),
		  LF_STR("about", about_id), LF_STR("to", to),
		  LF_U64("rcpts", g->count));
	outcome_set_dsn(outcome, msg, body);
}

/* --- delays are told of once ---------------------------------------------- */

static bool
was_told(const struct notice *notice)
{
	const struct relay *relay = first(notice)->relay;
	uint64_t id = first(notice)->msg->id;

	return idset_has(&relay->delays[0], id) ||
	       idset_has(&relay->delays[1], id);
}

static void
set_told(struct outcome *outcome, const struct notice *notice)
{
	struct idset *delays = first(notice)->relay->delays;

	if (delays[0].count >= DELAYS_MAX) {
		idset_fini(&delays[1]);
		delays[1] = delays[0];
		delays[0] = (struct idset){.size = 0};
	}
	idset_add(&delays[0], first(notice)->msg->id);
	outcome_set_flags(outcome, MSG_DELAYED);
	for (size_t i = 0; i < notice->part_count; i++)
		notice->parts[i].delivery->job->mail->msg->flags |= MSG_DELAYED;
}

void
notify_add(struct outcome *outcome, struct notice *notice)
{
	const struct spool_msg *msg = first(notice)->msg;
	struct gathered g = {0};
	char id[ID_TEXT_SIZE];
	const char *to;

	notice->delayed = notice->delayed && !was_told(notice);
	gather(&g, notice);
	if (g.count == 0)
		return;
	to = dsn_recipient(msg, settings_own_domain(
				    first(notice)->relay->settings,
				    address_domain(slice_str(msg->mail_from))));
	if (to) {
		put_dsn(outcome, notice, &g, to);
	} else {
		id_format(msg->id, id);
		log_event(GW_LOG_INFO, "dsn-dropped", LF_STR("about", id),
			  LF_STR("from", msg->mail_from),
			  LF_U64("rcpts", g.count));
		stat_add(&first(notice)->relay->stats->dsn_dropped, 1);
	}
	if (g.delayed)
		set_told(outcome, notice);
	free(g.rcpts);
	arena_destroy(&g.arena);
}
