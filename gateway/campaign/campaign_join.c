/*
 * Whether a message is one of a mass mailing, and of which.
 *
 * A message goes to the campaign of its login whose text is alike, if that had
 * one within the gap; else it begins one when something says that it is bulk:
 * who sent it, its header, its recipients, or those of the messages alike to
 * it before. All of it is decided and counted under one lock, so of two
 * messages at a time that would both begin one, the second joins the first.
 *
 * What was counted and then not accepted is uncounted; a campaign of which
 * nothing was accepted is gone again. Its record goes with every message until
 * one of them is on disk, since the first may be the one that is refused.
 */
#include "gateway/campaign/campaign_int.h"

#include <stdio.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"

static uint32_t
all_of(const struct campaign_mail *mail)
{
	return mail->recipients + mail->dead;
}

static bool
is_recent(const struct campaigns *campaigns, const struct campaign *campaign,
	  int64_t now_wall_s)
{
	return campaign->last_wall_s >= now_wall_s - campaigns_gap_s(campaigns);
}

/* The newest of the login that goes on and is alike; *canceled: one of the
 * same text that a person ended. */
static struct campaign *
find_alike(const struct campaigns *campaigns, struct login *login,
	   const struct shape_facts *facts, int64_t now_wall_s,
	   struct campaign **canceled)
{
	struct campaign *campaign;

	*canceled = NULL;
	for (campaign = TAILQ_LAST(&login->campaigns, campaign_list);
	     campaign != NULL;
	     campaign = TAILQ_PREV(campaign, campaign_list, in_login)) {
		if (!is_recent(campaigns, campaign, now_wall_s))
			break;
		if (campaign->state == CAMPAIGN_DONE ||
		    !campaign_alike(campaign->fuzzy, campaign->exact, facts))
			continue;
		if (campaign->state != CAMPAIGN_CANCELED)
			return campaign;
		if (*canceled == NULL)
			*canceled = campaign;
	}
	return NULL;
}

/* When there is no room for one more: the newest that goes on. */
static struct campaign *
find_any(struct login *login)
{
	struct campaign *campaign;

	for (campaign = TAILQ_LAST(&login->campaigns, campaign_list);
	     campaign != NULL;
	     campaign = TAILQ_PREV(campaign, campaign_list, in_login))
		if (!campaign_has_ended(campaign))
			return campaign;
	return NULL;
}

static enum campaign_why
why_alone(const struct campaigns_conf *conf, const struct campaign_mail *mail)
{
	if (mail->given != CAMPAIGN_WHY_NONE)
		return mail->given;
	if (conf->headers && (mail->shape.list || mail->shape.precedence))
		return CAMPAIGN_WHY_HEADER;
	if (conf->recipients > 0 && all_of(mail) > conf->recipients)
		return CAMPAIGN_WHY_RECIPIENTS;
	return CAMPAIGN_WHY_NONE;
}

/* --- the name ------------------------------------------------------------- */

/* Of the subject, without what would break a line; never half a character. */
static char *
name_of(struct slice subject)
{
	size_t n = subject.n;
	char *name;

	if (n >= CAMPAIGN_NAME_SIZE)
		for (n = CAMPAIGN_NAME_SIZE - 1;
		     n > 0 && ((unsigned char)subject.p[n] & 0xc0) == 0x80;)
			n--;
	name = mem_strndup(subject.p != NULL ? subject.p : "", n);
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)name[i] < ' ' || name[i] == 0x7f)
			name[i] = ' ';
	return name;
}

static struct campaign *
begin(struct campaigns *campaigns, struct login *login,
      const struct campaign_mail *mail, enum campaign_why why,
      const struct campaign *canceled, int64_t now_wall_s)
{
	const struct campaigns_conf *conf = &campaigns->conf;
	struct campaign *campaign =
	    campaign_add(campaigns, login, ++campaigns->last_id);

	campaign->owner = campaign_owner(campaigns, slice_str(mail->owner));
	campaign->name = name_of(mail->subject);
	campaign->why = why;
	campaign->confirm = mail->confirm || canceled != NULL;
	campaign->begin = conf->preflight     ? CAMPAIGN_CHECKING
			  : campaign->confirm ? CAMPAIGN_WAITING
					      : CAMPAIGN_RUNNING;
	campaign_state_set(campaign, campaign->begin);
	campaign->begin_rate = campaign->rate_per_h = conf->rate_per_h;
	campaign->begin_connections = campaign->connections = conf->connections;
	campaign->began_wall_s = now_wall_s;
	campaign->fuzzy = mail->shape.fuzzy;
	memcpy(campaign->exact, mail->shape.exact, sizeof(campaign->exact));
	if (canceled != NULL) {
		char reason[64];

		(void)snprintf(reason, sizeof(reason),
			       "its like, C%llu, was canceled",
			       (unsigned long long)canceled->id);
		campaign_reason_set(campaign, reason);
	}
	return campaign;
}

/* The cluster becomes the campaign's; the message itself, which is in it, is
 * counted apart. */
static void
adopt(struct campaigns *campaigns, struct campaign *campaign,
      struct cluster *cluster, uint64_t message)
{
	int64_t old = campaign->began_wall_s - campaigns_gap_s(campaigns);
	uint32_t n = 0;

	for (uint32_t i = 0; i < cluster->mail_count; i++)
		if (cluster->mails[i].id != message &&
		    cluster->mails[i].wall_s >= old)
			cluster->mails[n++] = cluster->mails[i];
	cluster->mail_count = n;
	if (n == 0) {
		cluster_forget(campaigns, cluster);
		return;
	}
	cluster_detach(campaigns, cluster);
	campaign->adopted = cluster;
}

/* NULL: personal mail; it may stand in a cluster then. */
static struct campaign *
place(struct campaigns *campaigns, struct login *login,
      const struct campaign_mail *mail, int64_t now_wall_s,
      struct campaign_join *join)
{
	const struct campaigns_conf *conf = &campaigns->conf;
	struct campaign *canceled,
	    *campaign = find_alike(campaigns, login, &mail->shape, now_wall_s,
				   &canceled);
	enum campaign_why why = why_alone(conf, mail);
	struct cluster *cluster = NULL;

	if (campaign != NULL) {
		join->why = why != CAMPAIGN_WHY_NONE ? why : CAMPAIGN_WHY_SAME;
		return campaign;
	}
	if (canceled != NULL && why == CAMPAIGN_WHY_NONE)
		why = CAMPAIGN_WHY_SAME;
	if (conf->same > 0) {
		cluster = cluster_add(campaigns, login, mail, now_wall_s);
		if (why == CAMPAIGN_WHY_NONE && cluster->mail_count > 1 &&
		    cluster_sum(campaigns, cluster, now_wall_s) > conf->same)
			why = CAMPAIGN_WHY_SAME;
	}
	join->why = why;
	if (why == CAMPAIGN_WHY_NONE) {
		join->ticket = cluster != NULL ? cluster->ticket : 0;
		return NULL;
	}
	if (HASH_COUNT(campaigns->by_id) >= CAMPAIGNS_MAX ||
	    login->open_count >= CAMPAIGN_OPEN_MAX) {
		campaign = find_any(login);
		if (!campaigns->full_logged)
			log_event(GW_LOG_WARN, "campaigns-full",
				  LF_STR("cred", mail->cred));
		campaigns->full_logged = true;
		if (campaign == NULL)
			join->why = CAMPAIGN_WHY_NONE;
		if (cluster != NULL)
			(void)cluster_settle(campaigns, cluster->ticket,
					     mail->id, false);
		return campaign;
	}
	campaign = begin(campaigns, login, mail, why, canceled, now_wall_s);
	if (cluster != NULL)
		adopt(campaigns, campaign, cluster, mail->id);
	join->fresh = true;
	return campaign;
}

uint64_t
campaign_to_adopt(const struct campaign *campaign)
{
	const struct cluster *cluster = campaign->adopted;
	uint64_t sum = 0;

	for (uint32_t i = 0; cluster != NULL && i < cluster->mail_count; i++)
		sum += cluster->mails[i].recipients;
	return sum;
}

static void
write_changes(struct campaigns *campaigns, const struct campaign *campaign,
	      struct arena *arena, struct campaign_join *join)
{
	struct store_change *to = join->changes;

	if (!campaign->durable) {
		campaign_put_record(campaign, arena, to++);
		campaign_put_number(campaigns->last_id, arena, to++);
	}
	campaign_put_last(campaign, arena, to++);
	campaign_count_change(campaign->id, CAMPAIGN_MESSAGES, 1, arena, to++);
	campaign_count_change(campaign->id, CAMPAIGN_RECIPIENTS, join->count,
			      arena, to++);
	join->change_count = (size_t)(to - join->changes);
}

void
campaign_join(struct campaigns *campaigns, const struct campaign_mail *mail,
	      int64_t now_wall_s, struct arena *arena,
	      struct campaign_join *join)
{
	struct campaign *campaign;
	struct login *login;

	*join = (struct campaign_join){
	    .message = mail->id,
	    .count = all_of(mail),
	};
	pthread_mutex_lock(&campaigns->lock);
	login = campaign_login(campaigns, slice_str(mail->cred));
	campaign = place(campaigns, login, mail, now_wall_s, join);
	if (campaign != NULL) {
		if (campaign->last_wall_s < now_wall_s)
			campaign->last_wall_s = now_wall_s;
		TAILQ_REMOVE(&login->campaigns, campaign, in_login);
		TAILQ_INSERT_TAIL(&login->campaigns, campaign, in_login);
		campaign->pending++;
		campaign->counts[CAMPAIGN_MESSAGES]++;
		campaign->counts[CAMPAIGN_RECIPIENTS] += join->count;
		join->id = campaign->id;
		join->state = campaign->state;
		join->confirm = campaign->confirm;
		join->recipients = campaign->counts[CAMPAIGN_RECIPIENTS];
		join->recipients += campaign_to_adopt(campaign);
		join->eta_wall_s = campaign_eta(campaign, now_wall_s);
		write_changes(campaigns, campaign, arena, join);
	}
	campaign_login_put(campaigns, login);
	pthread_mutex_unlock(&campaigns->lock);
}

/* Nothing of it was accepted: as if it had not begun. */
static void
unbegin(struct campaigns *campaigns, struct campaign *campaign)
{
	struct cluster *cluster = campaign->adopted;

	campaign->adopted = NULL;
	if (cluster != NULL)
		cluster_attach(campaigns, cluster, campaign->login);
	campaign_forget(campaigns, campaign);
}

void
campaign_join_end(struct campaigns *campaigns, struct campaign_join *join,
		  bool accepted)
{
	struct campaign *campaign;

	pthread_mutex_lock(&campaigns->lock);
	campaign = join->id != 0 ? campaign_find(campaigns, join->id) : NULL;
	if (campaign != NULL) {
		campaign->pending--;
		campaign->durable |= accepted;
		if (!accepted) {
			campaign->counts[CAMPAIGN_MESSAGES]--;
			campaign->counts[CAMPAIGN_RECIPIENTS] -= join->count;
		}
		if (!campaign->durable && campaign->pending == 0)
			unbegin(campaigns, campaign);
	}
	if (join->ticket != 0)
		(void)cluster_settle(campaigns, join->ticket, join->message,
				     accepted);
	pthread_mutex_unlock(&campaigns->lock);
	join->change_count = 0;
	join->ticket = 0;
}

/* --- earlier messages ----------------------------------------------------- */

void
campaign_came(struct campaigns *campaigns, uint64_t id)
{
	struct campaign *campaign;

	pthread_mutex_lock(&campaigns->lock);
	campaign = campaign_find(campaigns, id);
	if (campaign != NULL)
		campaign->durable = true;
	pthread_mutex_unlock(&campaigns->lock);
}

bool
campaign_is_adopting(const struct campaign *campaign)
{
	return campaign->adopted != NULL && campaign->adopted->mail_count > 0;
}

bool
campaign_adopts(struct campaigns *campaigns, uint64_t id)
{
	struct campaign *campaign;
	bool adopts;

	pthread_mutex_lock(&campaigns->lock);
	campaign = campaign_find(campaigns, id);
	adopts = campaign != NULL && campaign_is_adopting(campaign);
	pthread_mutex_unlock(&campaigns->lock);
	return adopts;
}

size_t
campaign_take_adopted(struct campaigns *campaigns, uint64_t id, uint64_t *ids,
		      size_t max)
{
	struct campaign *campaign;
	struct cluster *cluster;
	size_t n = 0;

	pthread_mutex_lock(&campaigns->lock);
	campaign = campaign_find(campaigns, id);
	/* One that is undone gives them back. */
	cluster =
	    campaign != NULL && campaign->durable ? campaign->adopted : NULL;
	for (uint32_t i = 0; cluster != NULL && i < cluster->mail_count; i++) {
		struct mail *mail = &cluster->mails[i];

		if (n == max)
			break;
		if (!mail->settled || mail->taken)
			continue;
		mail->taken = true;
		ids[n++] = mail->id;
	}
	pthread_mutex_unlock(&campaigns->lock);
	return n;
}

static struct mail *
find_taken(struct campaign *campaign, uint64_t message)
{
	struct cluster *cluster = campaign->adopted;

	for (uint32_t i = 0; cluster != NULL && i < cluster->mail_count; i++)
		if (cluster->mails[i].id == message && cluster->mails[i].taken)
			return &cluster->mails[i];
	return NULL;
}

void
campaign_put_back_adopted(struct campaigns *campaigns, uint64_t id,
			  uint64_t message)
{
	struct campaign *campaign;
	struct mail *mail;

	pthread_mutex_lock(&campaigns->lock);
	campaign = campaign_find(campaigns, id);
	mail = campaign != NULL ? find_taken(campaign, message) : NULL;
	if (mail != NULL)
		mail->taken = false;
	pthread_mutex_unlock(&campaigns->lock);
}

size_t
campaign_adopt_changes(struct campaigns *campaigns, uint64_t id,
		       uint64_t message, uint32_t queued, struct arena *arena,
		       struct store_change *changes)
{
	struct campaign *campaign;
	struct mail *mail;
	uint32_t all = 0;
	size_t n = 0;

	pthread_mutex_lock(&campaigns->lock);
	campaign = campaign_find(campaigns, id);
	mail = campaign != NULL ? find_taken(campaign, message) : NULL;
	if (mail != NULL)
		all = mail->recipients > queued ? mail->recipients : queued;
	pthread_mutex_unlock(&campaigns->lock);
	if (all == 0)
		return 0;
	campaign_count_change(id, CAMPAIGN_MESSAGES, 1, arena, &changes[n++]);
	campaign_count_change(id, CAMPAIGN_RECIPIENTS, all, arena,
			      &changes[n++]);
	if (all > queued)
		campaign_count_change(id, CAMPAIGN_DELIVERED, all - queued,
				      arena, &changes[n++]);
	return n;
}

void
campaign_adopted(struct campaigns *campaigns, uint64_t id, uint64_t message,
		 uint32_t queued)
{
	struct campaign *campaign;
	struct cluster *cluster;
	struct mail *mail;

	pthread_mutex_lock(&campaigns->lock);
	campaign = campaign_find(campaigns, id);
	mail = campaign != NULL ? find_taken(campaign, message) : NULL;
	if (mail != NULL) {
		uint32_t all =
		    mail->recipients > queued ? mail->recipients : queued;

		campaign->counts[CAMPAIGN_MESSAGES]++;
		campaign->counts[CAMPAIGN_RECIPIENTS] += all;
		campaign->counts[CAMPAIGN_DELIVERED] += all - queued;
		cluster = campaign->adopted;
		memmove(
		    mail, mail + 1,
		    (size_t)(cluster->mails + cluster->mail_count - mail - 1) *
			sizeof(*mail));
		if (--cluster->mail_count == 0) {
			campaign->adopted = NULL;
			cluster_forget(campaigns, cluster);
		}
	}
	pthread_mutex_unlock(&campaigns->lock);
}
