/*
 * The registry: campaigns by number and by login, their terms, and the counts
 * of what became of their recipients. Which message is one of a campaign is
 * campaign_join.c's, what a person changes campaign_order.c's.
 *
 * campaign_count runs once for each recipient that is done with, on the relay
 * thread: a look-up and an addition under the lock.
 */
#include "gateway/campaign/campaign_int.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/error.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"

#define GAP_S 3600
#define QUIET_S 120 /* after the last of many messages */

int64_t
campaigns_gap_s(const struct campaigns *campaigns)
{
	return campaigns->conf.same_s > 0 ? campaigns->conf.same_s : GAP_S;
}

struct campaigns *
campaigns_create(void)
{
	struct campaigns *campaigns = mem_zalloc(sizeof(*campaigns));

	pthread_mutex_init(&campaigns->lock, NULL);
	TAILQ_INIT(&campaigns->lru);
	return campaigns;
}

void
campaigns_destroy(struct campaigns **campaigns)
{
	struct campaigns *all = *campaigns;
	struct owner *owner, *next;

	if (all == NULL)
		return;
	while (!TAILQ_EMPTY(&all->lru))
		cluster_forget(all, TAILQ_FIRST(&all->lru));
	while (all->by_id != NULL)
		campaign_forget(all, all->by_id);
	HASH_ITER(hh, all->owners, owner, next)
	{
		HASH_DEL(all->owners, owner);
		free(owner);
	}
	pthread_mutex_destroy(&all->lock);
	free(all);
	*campaigns = NULL;
}

void
campaigns_configure(struct campaigns *campaigns,
		    const struct campaigns_conf *conf)
{
	pthread_mutex_lock(&campaigns->lock);
	campaigns->conf = *conf;
	pthread_mutex_unlock(&campaigns->lock);
}

/* --- parts ---------------------------------------------------------------- */

struct campaign *
campaign_find(struct campaigns *campaigns, uint64_t id)
{
	struct campaign *campaign;

	HASH_FIND(hh, campaigns->by_id, &id, sizeof(id), campaign);
	return campaign;
}

struct login *
campaign_login(struct campaigns *campaigns, struct slice name)
{
	struct login *login;

	HASH_FIND(hh, campaigns->logins, name.p, name.n, login);
	if (login != NULL)
		return login;
	login = mem_zalloc(sizeof(*login) + name.n + 1);
	if (name.n > 0)
		memcpy(login->name, name.p, name.n);
	TAILQ_INIT(&login->campaigns);
	TAILQ_INIT(&login->clusters);
	HASH_ADD(hh, campaigns->logins, name, name.n, login);
	return login;
}

void
campaign_login_put(struct campaigns *campaigns, struct login *login)
{
	if (login->campaign_count > 0 || login->cluster_count > 0)
		return;
	HASH_DEL(campaigns->logins, login);
	free(login);
}

const char *
campaign_owner(struct campaigns *campaigns, struct slice owner)
{
	struct owner *own;

	if (owner.p == NULL)
		return NULL;
	HASH_FIND(hh, campaigns->owners, owner.p, owner.n, own);
	if (own == NULL) {
		own = mem_zalloc(sizeof(*own) + owner.n + 1);
		if (owner.n > 0)
			memcpy(own->text, owner.p, owner.n);
		HASH_ADD(hh, campaigns->owners, text, owner.n, own);
	}
	return own->text;
}

struct campaign *
campaign_add(struct campaigns *campaigns, struct login *login, uint64_t id)
{
	struct campaign *campaign = mem_zalloc(sizeof(*campaign));

	campaign->id = id;
	campaign->login = login;
	HASH_ADD(hh, campaigns->by_id, id, sizeof(id), campaign);
	TAILQ_INSERT_TAIL(&login->campaigns, campaign, in_login);
	login->campaign_count++;
	login->open_count++;
	return campaign;
}

void
campaign_forget(struct campaigns *campaigns, struct campaign *campaign)
{
	struct login *login = campaign->login;

	if (campaign->adopted != NULL)
		cluster_forget(campaigns, campaign->adopted);
	HASH_DEL(campaigns->by_id, campaign);
	TAILQ_REMOVE(&login->campaigns, campaign, in_login);
	login->campaign_count--;
	login->open_count -= !campaign_has_ended(campaign);
	campaign_login_put(campaigns, login);
	free(campaign->name);
	free(campaign->reason);
	free(campaign->loaded);
	free(campaign);
}

void
campaign_state_set(struct campaign *campaign, enum campaign_state state)
{
	campaign->login->open_count -= !campaign_has_ended(campaign);
	campaign->state = state;
	campaign->login->open_count += !campaign_has_ended(campaign);
}

bool
campaign_has_ended(const struct campaign *campaign)
{
	return campaign->state == CAMPAIGN_DONE ||
	       campaign->state == CAMPAIGN_CANCELED;
}

uint64_t
campaign_bounced(const uint64_t counts[CAMPAIGN_COUNTS])
{
	uint64_t sum = 0;

	for (size_t i = CAMPAIGN_BOUNCED; i < CAMPAIGN_COUNTS; i++)
		sum += counts[i];
	return sum;
}

uint64_t
campaign_left(const struct campaign *campaign)
{
	uint64_t final = campaign_bounced(campaign->counts);

	for (size_t i = CAMPAIGN_DELIVERED; i <= CAMPAIGN_OTHER; i++)
		final += campaign->counts[i];
	/* An undo and a delivery may be counted in either order. */
	return campaign->counts[CAMPAIGN_RECIPIENTS] > final
		   ? campaign->counts[CAMPAIGN_RECIPIENTS] - final
		   : 0;
}

void
campaign_reason_set(struct campaign *campaign, const char *reason)
{
	size_t n = reason != NULL ? strlen(reason) : 0;

	free(campaign->reason);
	campaign->reason = NULL;
	if (n == 0)
		return;
	if (n >= CAMPAIGN_REASON_SIZE) /* never half a character */
		for (n = CAMPAIGN_REASON_SIZE - 1;
		     n > 0 && ((unsigned char)reason[n] & 0xc0) == 0x80;)
			n--;
	campaign->reason = mem_strndup(reason, n);
}

/* --- terms and counts ----------------------------------------------------- */

bool
campaign_terms_get(struct campaigns *campaigns, uint64_t id,
		   struct campaign_terms *terms)
{
	struct campaign *campaign;

	*terms = (struct campaign_terms){.state = CAMPAIGN_RUNNING};
	pthread_mutex_lock(&campaigns->lock);
	campaign = campaign_find(campaigns, id);
	if (campaign != NULL)
		*terms = (struct campaign_terms){
		    .state = campaign->state,
		    .rate_per_h = campaign->rate_per_h,
		    .connections = campaign->connections,
		    .owner = campaign->owner,
		};
	pthread_mutex_unlock(&campaigns->lock);
	return campaign != NULL;
}

/* More than limit per mille of all; not of so few that it says nothing. */
static bool
is_over(uint64_t n, uint64_t all, uint32_t limit, uint32_t least)
{
	return limit > 0 && all > 0 && all >= least &&
	       n * 1000 > all * (uint64_t)limit;
}

static bool
stop(struct campaign *campaign, const char *what, uint64_t n, uint64_t all,
     uint32_t limit)
{
	char reason[CAMPAIGN_REASON_SIZE];

	(void)snprintf(reason, sizeof(reason),
		       "%s: %llu of %llu, more than %u.%u %%", what,
		       (unsigned long long)n, (unsigned long long)all,
		       limit / 10, limit % 10);
	campaign_reason_set(campaign, reason);
	campaign_state_set(campaign, CAMPAIGN_STOPPED);
	campaign->state_seq = campaign->seq + 1; /* the next one put */
	log_event(
	    GW_LOG_WARN, "campaign-stopped", LF_U64("campaign", campaign->id),
	    LF_STR("cred", campaign->login->name), LF_STR("reason", reason));
	return true;
}

static bool
apply_rules(const struct campaigns_conf *conf, struct campaign *campaign)
{
	uint64_t bounced = campaign_bounced(campaign->counts);
	uint64_t delivered = campaign->counts[CAMPAIGN_DELIVERED];
	uint64_t complaints = campaign->counts[CAMPAIGN_COMPLAINTS];
	uint64_t all = delivered + bounced;

	if (campaign->state != CAMPAIGN_RUNNING || campaign->forgiven)
		return false;
	if (is_over(bounced, all, conf->stop_bounced, conf->stop_min))
		return stop(campaign, "bounces", bounced, all,
			    conf->stop_bounced);
	if (is_over(complaints, delivered, conf->stop_complaints,
		    conf->stop_min))
		return stop(campaign, "complaints", complaints, delivered,
			    conf->stop_complaints);
	if (campaign->warned ||
	    !is_over(bounced, all, conf->warn_bounced, conf->stop_min))
		return false;
	campaign->warned = true;
	log_event(GW_LOG_WARN, "campaign-bounces",
		  LF_U64("campaign", campaign->id),
		  LF_STR("cred", campaign->login->name),
		  LF_U64("bounced", bounced), LF_U64("of", all));
	return false;
}

bool
campaign_count(struct campaigns *campaigns, uint64_t id,
	       enum campaign_count count, int64_t n, int64_t now_wall_s)
{
	struct campaign *campaign;
	bool stopped = false;

	pthread_mutex_lock(&campaigns->lock);
	campaign = campaign_find(campaigns, id);
	if (campaign != NULL) {
		uint64_t *cell = &campaign->counts[count];
		uint64_t less = n < 0 ? (uint64_t)-n : 0;

		if (n < 0)
			*cell -= less < *cell ? less : *cell;
		else
			*cell += (uint64_t)n;
		if (n > 0 &&
		    (count == CAMPAIGN_DELIVERED || count >= CAMPAIGN_BOUNCED))
			campaign_recent_add(campaign, (uint64_t)n, now_wall_s);
		stopped = apply_rules(&campaigns->conf, campaign);
	}
	pthread_mutex_unlock(&campaigns->lock);
	return stopped;
}

int64_t
campaign_over_wall_s(struct campaigns *campaigns, uint64_t id)
{
	struct campaign *campaign;
	int64_t over = 0;

	pthread_mutex_lock(&campaigns->lock);
	campaign = campaign_find(campaigns, id);
	/* Paused, and all of the rest purged: an undo is bringing it back, or
	 * was when somebody pulled the plug. */
	if (campaign != NULL && !campaign_has_ended(campaign) &&
	    campaign->state != CAMPAIGN_CHECKING &&
	    (campaign->state != CAMPAIGN_PAUSED ||
	     campaign->counts[CAMPAIGN_PURGED] == 0) &&
	    !campaign_is_adopting(campaign) && campaign_left(campaign) == 0)
		over = campaign->counts[CAMPAIGN_MESSAGES] == 1 &&
			       campaign->why == CAMPAIGN_WHY_RECIPIENTS
			   ? campaign->last_wall_s
			   : campaign->last_wall_s + QUIET_S;
	pthread_mutex_unlock(&campaigns->lock);
	return over;
}
