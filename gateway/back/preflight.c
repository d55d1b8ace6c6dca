/*
 * The life of such a look: in a turn of its own it finds the messages, asks
 * DNS, and goes through the recipients in slices, one campaign after the other;
 * then it waits for answers, at most until its deadline. Its order is in force
 * at once; a commit that fails is tried again, since the state in memory is
 * what everybody goes by.
 *
 * Whoever paused, canceled or released the campaign meanwhile has decided:
 * nothing is ordered then.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/back/feeder.h"
#include "gateway/back/preflight_int.h"
#include "gateway/base/arena.h"
#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"

#define WAIT_MS 50 /* for another's look, for a message */
#define AGAIN_MS 30000

static void commit(struct preflight *p);

struct preflights *
preflights_create(struct relay *relay)
{
	struct preflights *preflights = mem_zalloc(sizeof(*preflights));

	preflights->relay = relay;
	TAILQ_INIT(&preflights->list);
	return preflights;
}

static void
end_look(struct preflight *p)
{
	timer_cancel(&p->step);
	timer_cancel(&p->deadline);
	preflight_ask_end(p);
	idset_fini(&p->seen);
	if (p->all->looking == p)
		p->all->looking = NULL;
}

static void
end(struct preflight *p)
{
	end_look(p);
	TAILQ_REMOVE(&p->all->list, p, link);
	arena_destroy(&p->arena);
	free(p);
}

void
preflights_destroy(struct preflights **preflights)
{
	struct preflight *p;

	if (!*preflights)
		return;
	while ((p = TAILQ_FIRST(&(*preflights)->list)) != NULL)
		end(p);
	free(*preflights);
	*preflights = NULL;
}

/* --- the commit ----------------------------------------------------------- */

static void
on_again(void *arg)
{
	struct preflight *p = arg;

	p->step = NULL;
	if (p->all->relay->stopping) {
		end(p);
		return;
	}
	arena_destroy(&p->arena);
	p->arena = arena_create(1024);
	if (campaign_state_change(p->all->relay->campaigns, p->id, p->arena,
				  &p->change) == 0)
		commit(p);
	else
		end(p); /* forgotten meanwhile */
}

static void
committed_take(struct relay *relay, struct inbound *in)
{
	struct preflight *p =
	    (struct preflight *)((char *)in - offsetof(struct preflight, in));

	relay->outcome_count--;
	if (p->op.err == 0 || relay->stopping) {
		end(p);
	} else {
		log_event(GW_LOG_WARN, "preflight-not-durable",
			  LF_U64("campaign", p->id), LF_ERR(p->op.err));
		p->step = timer_start(relay->loop, AGAIN_MS, on_again, p);
	}
	relay_check_stopped(relay);
}

/* On the store thread. */
static void
on_committed(struct spool_change *op)
{
	struct preflight *p =
	    (struct preflight *)((char *)op - offsetof(struct preflight, op));

	queue_push(p->all->relay->queue, &p->in.item);
}

static void
commit(struct preflight *p)
{
	struct relay *relay = p->all->relay;

	p->op = (struct spool_change){
	    .changes = &p->change, .change_count = 1, .done = on_committed};
	p->in.take = committed_take;
	relay->outcome_count++;
	spool_change_start(relay->spool, &p->op);
}

/* --- the end of a look ---------------------------------------------------- */

static int64_t
seconds_left(const struct campaign_view *view, int64_t now_wall_s)
{
	if (view->eta_wall_s > now_wall_s)
		return view->eta_wall_s - now_wall_s;
	/* Of what waits for a person, from then on. */
	if (view->rate_per_h > 0 && view->left < UINT32_MAX)
		return (int64_t)(view->left * 3600 / view->rate_per_h);
	return 0;
}

static void
tell(const struct preflight *p, const struct campaign_view *view,
     enum campaign_state state, const char *warnings)
{
	const struct preflight_found *found = &p->found;
	struct relay *relay = p->all->relay;

	log_event(GW_LOG_INFO, "preflight", LF_U64("campaign", p->id),
		  LF_STR("state", campaign_state_word(state)),
		  LF_U64("rcpts", found->recipients),
		  LF_U64("dead", found->dead),
		  LF_U64("suppressed", found->suppressed),
		  LF_U64("duplicate", found->duplicates),
		  LF_STR("complete", found->counted ? "yes" : "no"),
		  LF_U64("shown", found->shown), LF_STR("from", found->from),
		  LF_STR("dkim", preflight_keys_word(found)),
		  LF_STR("dmarc", preflight_policy_word(found->policy)),
		  LF_STR("spf", preflight_spf_word(found->spf)),
		  LF_I64("left_s", seconds_left(view, clock_wall_s())),
		  LF_I64("ms", relay_now_ms(relay) - p->began_ms),
		  LF_STR("warnings", warnings));
}

/* What was said of it before comes first. */
static void
give_order(struct preflight *p, const struct campaign_view *view)
{
	struct relay *relay = p->all->relay;
	struct buf reason = {.cap = CAMPAIGN_REASON_SIZE - 1};
	struct campaign_order order = {
	    .id = p->id,
	    .state = view->confirm ? CAMPAIGN_WAITING : CAMPAIGN_RUNNING,
	    .rate_per_h = -1,
	    .connections = -1,
	    .as_seen = true, /* else it would let go what a person paused */
	    .seen = CAMPAIGN_CHECKING};

	buf_add_str(&reason, view->reason);
	preflight_warn(&p->found, &reason);
	if (reason.n > 0)
		order.reason = buf_cstr(&reason);
	p->arena = arena_create(1024);
	if (campaign_order(relay->campaigns, &order, clock_wall_s(), p->arena,
			   &p->change) == 0) {
		tell(p, view, order.state, buf_cstr(&reason));
		commit(p);
		feeder_refresh(relay, p->id);
	} else {
		end(p);
	}
	buf_fini(&reason);
}

static void
conclude(struct preflight *p)
{
	struct relay *relay = p->all->relay;
	struct campaign_view view;

	p->stage = PREFLIGHT_ENDS;
	end_look(p);
	if (relay->stopping ||
	    campaign_get(relay->campaigns, p->id, clock_wall_s(), &view) != 0 ||
	    view.state != CAMPAIGN_CHECKING) {
		end(p);
		return;
	}
	p->found.recipients = view.counts[CAMPAIGN_RECIPIENTS];
	if (p->found.dead < view.counts[CAMPAIGN_DEAD])
		p->found.dead = view.counts[CAMPAIGN_DEAD];
	give_order(p, &view);
}

static void
on_deadline(void *arg)
{
	struct preflight *p = arg;

	p->deadline = NULL;
	if (p->stage == PREFLIGHT_LOOKS)
		p->found.counted = false;
	conclude(p);
}

/* --- the look ------------------------------------------------------------- */

static void on_step(void *arg);

static void
step_after(struct preflight *p, int64_t ms)
{
	p->step = timer_start(p->all->relay->loop, ms, on_step, p);
}

/* An answer may come before all questions are asked: conclude in a turn of its
 * own. */
void
preflight_answered(struct preflight *p)
{
	if (p->stage == PREFLIGHT_ASKS && !p->step && !preflight_asks(p))
		step_after(p, 0);
}

/* False: what is counted as its recipients is not here yet. It begins with a
 * message that is being committed. */
static bool
begin_look(struct preflight *p)
{
	struct campaign_view view;

	if (!preflight_look(p) &&
	    campaign_get(p->all->relay->campaigns, p->id, clock_wall_s(),
			 &view) == 0 &&
	    view.left > 0)
		return false;
	p->all->looking = p;
	preflight_ask(p);
	return true;
}

static void
on_step(void *arg)
{
	struct preflight *p = arg;
	struct preflights *all = p->all;

	p->step = NULL;
	if (all->relay->stopping) {
		end(p);
		return;
	}
	if (p->stage == PREFLIGHT_LOOKS) {
		if (all->looking != p && (all->looking || !begin_look(p))) {
			step_after(p, WAIT_MS);
			return;
		}
		if (preflight_look_slice(p)) {
			step_after(p, 0);
			return;
		}
		all->looking = NULL;
		p->stage = PREFLIGHT_ASKS;
	}
	if (!preflight_asks(p))
		conclude(p);
}

void
preflight_start(struct relay *relay, uint64_t campaign)
{
	struct preflights *all = relay->preflights;
	struct campaign_terms terms;
	struct campaign_view view;
	struct preflight *p;

	/* Asked with each message that comes: the quick answer first. */
	if (!all || !relay->campaigns || relay->stopping || relay->rebuild ||
	    !campaign_terms_get(relay->campaigns, campaign, &terms) ||
	    terms.state != CAMPAIGN_CHECKING ||
	    campaign_get(relay->campaigns, campaign, clock_wall_s(), &view) !=
		0 ||
	    view.state != CAMPAIGN_CHECKING)
		return;
	TAILQ_FOREACH (p, &all->list, link) {
		if (p->id == campaign)
			return;
	}
	p = mem_zalloc(sizeof(*p));
	p->all = all;
	p->id = campaign;
	p->began_ms = relay_now_ms(relay);
	memcpy(p->cred, view.cred, sizeof(p->cred));
	TAILQ_INSERT_TAIL(&all->list, p, link);
	step_after(p, 0);
	p->deadline = timer_start(relay->loop, PREFLIGHT_MS, on_deadline, p);
}
