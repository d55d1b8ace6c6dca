/*
 * Decides which job of which campaign goes next, and how many of each are on
 * the way. It knows nothing of hops' or sites' own limits; a destination that
 * takes its time fills up to FEED_SITE of a campaign, and no more of it come.
 *
 * Invariant: a job of a campaign is fed from let_in to feeder_out; `in` of its
 * feed is how many are, `sited` how many of these are counted at a destination
 * (feed_site.in). Whoever takes a job off the way says so first, or the
 * window never opens again.
 */
#include "gateway/back/feeder_int.h"
#include "gateway/back/preflight.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"

/* gcc does not see that uthash keeps what it is given. */
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

#define LET_IN_A_SLICE 200

struct feeder *
feeder_create(struct relay *relay)
{
	struct feeder *feeder = mem_zalloc(sizeof(*feeder));

	feeder->relay = relay;
	TAILQ_INIT(&feeder->ring);
	TAILQ_INIT(&feeder->watched);
	TAILQ_INIT(&feeder->dry);
	TAILQ_INIT(&feeder->failed);
	return feeder;
}

/* --- feeds ---------------------------------------------------------------- */

struct feed *
feed_find(const struct feeder *feeder, uint64_t id)
{
	struct feed *feed;

	HASH_FIND(hh, feeder->feeds, &id, sizeof(id), feed);
	return feed;
}

static void
read_terms(const struct feeder *feeder, struct feed *feed)
{
	struct campaigns *campaigns = feeder->relay->campaigns;

	feed->terms = (struct campaign_terms){.state = CAMPAIGN_RUNNING};
	if (campaigns)
		(void)campaign_terms_get(campaigns, feed->id, &feed->terms);
}

struct feed *
feed_get(struct feeder *feeder, uint64_t id)
{
	struct feed *feed = feed_find(feeder, id);

	if (feed)
		return feed;
	feed = mem_zalloc(sizeof(*feed));
	feed->id = id;
	TAILQ_INIT(&feed->lists[FEED_FRESH]);
	TAILQ_INIT(&feed->lists[FEED_AGAIN]);
	TAILQ_INIT(&feed->open);
	feed->filled_ms = relay_now_ms(feeder->relay);
	HASH_ADD(hh, feeder->feeds, id, sizeof(feed->id), feed);
	read_terms(feeder, feed);
	return feed;
}

static void
set_owner(struct feeder *feeder, struct feed *feed, const char *cred)
{
	size_t n = strlen(cred);
	struct feed_owner *owner;

	if (feed->owner)
		return;
	HASH_FIND(hh, feeder->owners, cred, n, owner);
	if (!owner) {
		owner = mem_zalloc(sizeof(*owner) + n + 1);
		memcpy(owner->cred, cred, n + 1);
		TAILQ_INIT(&owner->hungry);
		HASH_ADD(hh, feeder->owners, cred, n, owner);
	}
	owner->feeds++;
	feed->owner = owner;
}

static void
set_hungry(struct feeder *feeder, struct feed *feed, bool hungry)
{
	struct feed_owner *owner = feed->owner;

	if (feed->hungry == hungry)
		return;
	feed->hungry = hungry;
	if (hungry) {
		if (TAILQ_EMPTY(&owner->hungry))
			TAILQ_INSERT_TAIL(&feeder->ring, owner, link);
		TAILQ_INSERT_TAIL(&owner->hungry, feed, link);
		relay_fill_soon(feeder->relay);
	} else {
		TAILQ_REMOVE(&owner->hungry, feed, link);
		if (TAILQ_EMPTY(&owner->hungry))
			TAILQ_REMOVE(&feeder->ring, owner, link);
	}
}

static void
set_dry(struct feeder *feeder, struct feed *feed, bool dry)
{
	if (feed->dry == dry)
		return;
	feed->dry = dry;
	if (dry)
		TAILQ_INSERT_TAIL(&feeder->dry, feed, dry_link);
	else
		TAILQ_REMOVE(&feeder->dry, feed, dry_link);
}

/* Also one that is done: what an undo of a purge brings back behind its end
 * is to go, and nobody could resume it. */
static bool
is_running(const struct feed *feed)
{
	return feed->terms.state == CAMPAIGN_RUNNING ||
	       feed->terms.state == CAMPAIGN_DONE;
}

static void
wake(struct feeder *feeder, struct feed *feed)
{
	if (is_running(feed) && feed->standing > 0 && feed->owner &&
	    !feeder->relay->stopping)
		set_hungry(feeder, feed, true);
}

void
feed_destroy(struct feeder *feeder, struct feed *feed)
{
	struct feed_owner *owner = feed->owner;

	assert(feed->standing == 0 && feed->in == 0);
	feed_unwatch(feeder, feed);
	set_dry(feeder, feed, false);
	if (owner) {
		set_hungry(feeder, feed, false);
		if (--owner->feeds == 0) {
			HASH_DEL(feeder->owners, owner);
			free(owner);
		}
	}
	HASH_DEL(feeder->feeds, feed);
	free(feed);
}

void
feeder_destroy(struct feeder **feeder)
{
	if (!*feeder)
		return;
	while ((*feeder)->feeds)
		feed_destroy(*feeder, (*feeder)->feeds);
	assert(!(*feeder)->sites);
	free(*feeder);
	*feeder = NULL;
}

/* --- a campaign at a destination ------------------------------------------ */

static uint32_t
room_at(const struct feed *feed, const struct dest *dest)
{
	uint32_t connections = feed->terms.connections;
	uint32_t max = dest->kind == DEST_SITE ? FEED_SITE : FEED_HOP;
	/* Of few connections one slow site does not get all. */
	uint32_t part =
	    dest->kind == DEST_SITE ? (connections + 3) / 4 : connections;

	return connections > 0 && part < max ? part : max;
}

static struct feed_site *
site_find(const struct feeder *feeder, const struct feed *feed,
	  const struct dest *dest)
{
	struct feed_site_key key = {.feed = feed, .dest = dest};
	struct feed_site *site;

	HASH_FIND(hh, feeder->sites, &key, sizeof(key), site);
	return site;
}

static struct feed_site *
feed_site_get(struct feeder *feeder, struct feed *feed, const struct dest *dest)
{
	struct feed_site *site = site_find(feeder, feed, dest);

	if (site)
		return site;
	site = mem_zalloc(sizeof(*site));
	site->key.feed = feed;
	site->key.dest = dest;
	TAILQ_INIT(&site->jobs);
	HASH_ADD(hh, feeder->sites, key, sizeof(site->key), site);
	return site;
}

/* It is open or gone, as it should be. */
static void
site_check(struct feeder *feeder, struct feed *feed, struct feed_site *site)
{
	bool open = !TAILQ_EMPTY(&site->jobs) &&
		    site->in < room_at(feed, site->key.dest);

	if (open != site->is_open) {
		site->is_open = open;
		if (open)
			TAILQ_INSERT_TAIL(&feed->open, site, open_link);
		else
			TAILQ_REMOVE(&feed->open, site, open_link);
	}
	if (site->in > 0 || !TAILQ_EMPTY(&site->jobs))
		return;
	HASH_DEL(feeder->sites, site);
	free(site);
}

static void
site_enter(struct feeder *feeder, struct feed *feed, struct job *job)
{
	struct feed_site *site = feed_site_get(feeder, feed, job->dest);

	job->sited = true;
	site->in++;
	feed->sited++;
	site_check(feeder, feed, site);
}

static void
site_leave(struct feeder *feeder, struct feed *feed, struct job *job)
{
	struct feed_site *site = site_find(feeder, feed, job->dest);

	assert(site && site->in > 0);
	job->sited = false;
	site->in--;
	feed->sited--;
	site_check(feeder, feed, site);
}

static bool
is_full(const struct feeder *feeder, const struct feed *feed,
	const struct dest *dest)
{
	const struct feed_site *site = site_find(feeder, feed, dest);

	return site && site->in >= room_at(feed, dest);
}

/* Known before anybody is looked up. */
static bool
is_hop(const struct dest *dest)
{
	return dest->kind == DEST_SMTP || dest->kind == DEST_MAILDIR;
}

/* --- who stands ----------------------------------------------------------- */

static void
stand(struct feeder *feeder, struct feed *feed, struct job *job,
      enum feed_list list)
{
	mail_release(feeder->relay, job);
	set_owner(feeder, feed, job->source->sender->cred);
	job->state = JOB_STANDS;
	job->stands = (unsigned)list & 3u;
	feed->standing++;
	if (list == FEED_ASIDE) {
		struct feed_site *site = feed_site_get(feeder, feed, job->dest);

		TAILQ_INSERT_TAIL(&site->jobs, job, link);
		site->aside++;
		site_check(feeder, feed, site);
	} else {
		TAILQ_INSERT_TAIL(&feed->lists[list], job, link);
	}
	wake(feeder, feed);
}

static void
unstand(struct feeder *feeder, struct feed *feed, struct job *job)
{
	assert(feed != NULL && job->state == JOB_STANDS);
	assert(feed->standing > 0);
	feed->standing--;
	job->state = JOB_ACTIVE;
	if (job->stands == FEED_ASIDE) {
		struct feed_site *site = site_find(feeder, feed, job->dest);

		assert(site != NULL);
		TAILQ_REMOVE(&site->jobs, job, link);
		site->aside--;
		site_check(feeder, feed, site);
	} else {
		TAILQ_REMOVE(&feed->lists[job->stands], job, link);
	}
}

void
feeder_remove(struct relay *relay, struct job *job)
{
	unstand(relay->feeder, feed_find(relay->feeder, job_campaign(job)),
		job);
}

/* --- in and out ----------------------------------------------------------- */

static uint32_t
room_in(const struct feed *feed)
{
	uint32_t connections = feed->terms.connections;
	uint32_t max =
	    connections > 0 && connections < FEED_ALL ? connections : FEED_ALL;

	return feed->in < max ? max - feed->in : 0;
}

static void
let_in(struct feeder *feeder, struct feed *feed, struct job *job)
{
	unstand(feeder, feed, job);
	job->fed = true;
	feed->in++;
	feed_take_tokens(feed, job->rcpt_count);
	if (job->stands == FEED_ASIDE || is_hop(job->dest))
		site_enter(feeder, feed, job);
	if (job->stands == FEED_ASIDE)
		mail_ready(feeder->relay, job);
	else
		mail_let_in(feeder->relay, job);
}

void
feeder_out(struct relay *relay, struct job *job)
{
	struct feeder *feeder = relay->feeder;
	struct feed *feed;

	if (!job->fed)
		return;
	feed = feed_find(feeder, job_campaign(job));
	if (job->sited)
		site_leave(feeder, feed, job);
	job->fed = false;
	feed->in--;
	wake(feeder, feed);
}

void
feeder_cut(struct relay *relay, const struct job *job, uint32_t rcpts)
{
	if (job->fed)
		feed_give_back_tokens(
		    feed_find(relay->feeder, job_campaign(job)), rcpts);
}

void
feeder_untried(struct relay *relay, struct job *job)
{
	feeder_cut(relay, job, job->rcpt_count);
	feeder_out(relay, job);
}

void
feeder_moves(struct relay *relay, struct job *job)
{
	struct feeder *feeder = relay->feeder;
	struct feed *feed;

	if (!job->sited)
		return;
	feed = feed_find(feeder, job_campaign(job));
	site_leave(feeder, feed, job);
	wake(feeder, feed);
}

bool
feeder_takes(struct relay *relay, struct job *job)
{
	struct feeder *feeder = relay->feeder;
	uint64_t id = job_campaign(job);

	/* Who is at a dead domain goes nowhere, and is only counted. */
	if (id == 0 || job->fed || job->dest->kind == DEST_GRAVE)
		return false;
	stand(feeder, feed_get(feeder, id), job,
	      job->attempts > 0 ? FEED_AGAIN : FEED_FRESH);
	return true;
}

bool
feeder_takes_aside(struct relay *relay, struct job *job)
{
	struct feeder *feeder = relay->feeder;
	uint64_t id = job_campaign(job);
	struct feed *feed;

	if (id == 0 || job->sited)
		return false;
	feed = feed_get(feeder, id);
	if (job->fed && !is_full(feeder, feed, job->dest)) {
		site_enter(feeder, feed, job);
		wake(feeder, feed); /* another may be looked up */
		return false;
	}
	feeder_untried(relay, job);
	stand(feeder, feed, job, FEED_ASIDE);
	return true;
}

bool
feeder_passes(struct relay *relay, struct job **jobp)
{
	struct job *job = *jobp;
	uint64_t id = job_campaign(job);
	struct feed *feed;

	if (id == 0)
		return true;
	feed = feed_get(relay->feeder, id);
	if (is_running(feed))
		return true;
	*jobp = NULL;
	feeder_untried(relay, job);
	stand(relay->feeder, feed, job, FEED_AGAIN);
	return false;
}

/* --- feeding -------------------------------------------------------------- */

/* Those that were on their way before, and those that were not, by turns. */
static struct job *
next_of_lists(struct feed *feed)
{
	struct job *again = TAILQ_FIRST(&feed->lists[FEED_AGAIN]);
	struct job *fresh = TAILQ_FIRST(&feed->lists[FEED_FRESH]);

	if (!again || (fresh && !feed->again_next)) {
		feed->again_next = true;
		return fresh;
	}
	feed->again_next = false;
	return again;
}

static struct job *
next_job(struct feed *feed)
{
	struct feed_site *site = TAILQ_FIRST(&feed->open);

	if (site)
		return TAILQ_FIRST(&site->jobs);
	if (feed->in - feed->sited >= FEED_LOOKUPS)
		return NULL;
	return next_of_lists(feed);
}

/* What a next hop has no room for stands there, aside, so that others of the
 * list may go elsewhere; but not all of a million. */
static bool
put_aside(struct feeder *feeder, struct feed *feed, struct job *job)
{
	struct feed_site *site = site_find(feeder, feed, job->dest);

	if (site->aside >= FEED_ASIDE_MAX)
		return false;
	unstand(feeder, feed, job);
	stand(feeder, feed, job, FEED_ASIDE);
	return true;
}

/* False: it is not hungry any more. */
static bool
feed_one(struct feeder *feeder, struct feed *feed)
{
	struct job *job;

	if (!is_running(feed) || room_in(feed) == 0)
		return false;
	if (!feed_has_tokens(feed, relay_now_ms(feeder->relay))) {
		set_dry(feeder, feed, true);
		return false;
	}
	job = next_job(feed);
	if (!job)
		return false;
	if (job->stands != FEED_ASIDE && is_hop(job->dest) &&
	    is_full(feeder, feed, job->dest))
		return put_aside(feeder, feed, job);
	let_in(feeder, feed, job);
	return true;
}

bool
feeder_slice(struct relay *relay)
{
	struct feeder *feeder = relay->feeder;
	struct feed_owner *owner;

	for (int i = 0; i < LET_IN_A_SLICE; i++) {
		struct feed *feed;

		owner = TAILQ_FIRST(&feeder->ring);
		if (!owner)
			return false;
		feed = TAILQ_FIRST(&owner->hungry);
		/* Behind the others, whatever it finds to do. */
		set_hungry(feeder, feed, false);
		if (!TAILQ_EMPTY(&owner->hungry)) {
			TAILQ_REMOVE(&feeder->ring, owner, link);
			TAILQ_INSERT_TAIL(&feeder->ring, owner, link);
		}
		if (feed_one(feeder, feed))
			wake(feeder, feed);
	}
	return !TAILQ_EMPTY(&feeder->ring);
}

/* --- what changes --------------------------------------------------------- */

void
feeder_came(struct relay *relay, uint64_t campaign)
{
	(void)feed_get(relay->feeder, campaign);
	if (relay->campaigns)
		campaign_came(relay->campaigns, campaign);
	feed_adopt(relay, campaign);
	preflight_start(relay, campaign);
}

void
feeder_refresh(struct relay *relay, uint64_t campaign)
{
	struct feeder *feeder = relay->feeder;
	struct feed *feed = feed_get(feeder, campaign);
	struct feed_site *site, *next;

	read_terms(feeder, feed);
	set_dry(feeder, feed, false);
	/* Its window may be another: who was full looks again. */
	for (site = feeder->sites; site; site = next) {
		next = site->hh.next;
		if (site->key.feed == feed)
			site_check(feeder, feed, site);
	}
	wake(feeder, feed);
	feed_adopt(relay, campaign);
	feeder_check_done(relay, campaign);
}

void
feeder_tick(struct relay *relay)
{
	struct feeder *feeder = relay->feeder;
	int64_t now_ms = relay_now_ms(relay);
	struct feed *feed, *next;

	for (feed = TAILQ_FIRST(&feeder->dry); feed; feed = next) {
		next = TAILQ_NEXT(feed, dry_link);
		if (!feed_has_tokens(feed, now_ms))
			continue;
		set_dry(feeder, feed, false);
		wake(feeder, feed);
	}
	feed_adopt_tick(feeder);
	feeder_watch_tick(feeder);
}

struct job *
feeder_drain(struct relay *relay)
{
	struct feeder *feeder = relay->feeder;
	struct feed_site *site;
	struct feed *feed, *next;
	struct job *job = NULL;

	for (site = feeder->sites; site && !job; site = site->hh.next)
		job = TAILQ_FIRST(&site->jobs);
	for (feed = feeder->feeds; feed && !job; feed = next) {
		next = feed->hh.next;
		job = TAILQ_FIRST(&feed->lists[FEED_FRESH]);
		if (!job)
			job = TAILQ_FIRST(&feed->lists[FEED_AGAIN]);
		if (!job && feed->in == 0)
			feed_destroy(feeder, feed);
	}
	if (job)
		feeder_remove(relay, job);
	return job;
}
