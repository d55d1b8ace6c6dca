/*
 * Mass mailings: what a message's shape says is fed as it arrives, and at the
 * dot the registry (gateway/campaign) says whether it is one of a campaign,
 * and of which. Such a message goes to the bulk lane.
 *
 * The join is counted from here to the store's answer: commit.c ends it, or
 * transaction_destroy where it never got that far. What a limit, a scan or an
 * administrator holds stays held, in a campaign or not.
 */
#include <stdio.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/units.h"
#include "gateway/front/checks_int.h"

#define JOIN_ARENA_BYTES 512

void
check_campaign_begin(struct transaction *t)
{
	const struct session *session = t->session;

	if (session->worker->shared->campaigns != NULL &&
	    session->snapshot->conf.bulk.on)
		t->campaign.shape = shape_create();
}

static enum campaign_why
given(const struct transaction *t)
{
	const struct session *session = t->session;
	const struct front_class *class = checks_class(session);

	if (session->login.bulk || session->listener->bulk)
		return CAMPAIGN_WHY_CHOSEN;
	if (class != NULL && class->bulk)
		return CAMPAIGN_WHY_CLASS;
	if (t->msg->lane == LANE_BULK)
		return CAMPAIGN_WHY_LIMIT;
	return CAMPAIGN_WHY_NONE;
}

static uint32_t
count_dead(const struct spool_msg *msg)
{
	uint32_t dead = 0;

	for (uint32_t i = 0; i < msg->rcpt_count; i++)
		dead += msg->rcpts[i].domain == RCPT_DOMAIN_DEAD;
	return dead;
}

void
check_campaign(struct transaction *t)
{
	struct campaign_watch *watch = &t->campaign;
	const struct session *session = t->session;
	const struct front_class *class = checks_class(session);
	struct spool_msg *msg = t->msg;
	struct campaign_mail mail = {
	    .id = msg->id,
	    .cred = msg->cred,
	    .owner = msg->owner,
	    .subject = header_subject(t->header),
	    .dead = count_dead(msg),
	    .confirm = class != NULL ? class->confirm
				     : session->snapshot->conf.bulk.confirm,
	    .given = given(t),
	};

	if (watch->shape == NULL)
		return;
	mail.recipients = msg->rcpt_count - mail.dead;
	shape_end(watch->shape, &mail.shape);
	shape_destroy(&watch->shape);
	watch->arena = arena_create(JOIN_ARENA_BYTES);
	watch->joined = true;
	campaign_join(session->worker->shared->campaigns, &mail, clock_wall_s(),
		      watch->arena, &watch->join);
	if (watch->join.id == 0)
		return;
	msg->campaign = watch->join.id;
	msg->lane = LANE_BULK;
}

void
check_campaign_fini(struct transaction *t)
{
	struct campaign_watch *watch = &t->campaign;

	if (watch->joined)
		campaign_join_end(t->session->worker->shared->campaigns,
				  &watch->join, false);
	watch->joined = false;
	shape_destroy(&watch->shape);
	arena_destroy(&watch->arena);
}

/* --- the reply ------------------------------------------------------------ */

static enum reply_id
reply_of(const struct campaign_join *join)
{
	switch (join->state) {
	case CAMPAIGN_WAITING:
		return REPLY_CAMPAIGN_WAITING;
	case CAMPAIGN_PAUSED:
	case CAMPAIGN_STOPPED:
		return REPLY_CAMPAIGN_PAUSED;
	case CAMPAIGN_CHECKING:
		if (join->confirm)
			return REPLY_CAMPAIGN_WAITING;
		break;
	case CAMPAIGN_RUNNING:
	case CAMPAIGN_CANCELED:
	case CAMPAIGN_DONE:
	case CAMPAIGN_STATES:
		break;
	}
	return join->eta_wall_s != 0 ? REPLY_CAMPAIGN_TIME : REPLY_CAMPAIGN;
}

bool
check_campaign_reply(const struct transaction *t, struct reply *reply)
{
	const struct campaign_join *join = &t->campaign.join;
	char id[24], n[48], number[UNITS_GROUPED_SIZE], time[CLOCK_HUMAN_SIZE];
	const struct reply_arg args[] = {
	    {"campaign", id}, {"n", n}, {"time", time}};

	/* somebody has to let it go: that is more to know */
	if (join->id == 0 || t->charge.action == LIMIT_HOLD)
		return false;
	snprintf(id, sizeof(id), "C%llu", (unsigned long long)join->id);
	snprintf(n, sizeof(n), "%s recipient%s",
		 units_grouped(join->recipients, number),
		 join->recipients == 1 ? "" : "s");
	clock_human(join->eta_wall_s, clock_wall_s(), time);
	reply_make(reply, reply_of(join), args, 3);
	return true;
}
