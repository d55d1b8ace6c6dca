/*
 * Who asks and who waits, over all loops; and how much each credential asks at
 * once. A domain that is being asked for has a pending record in its shard,
 * with a bit for each loop that waits. Whoever leads removes the record in the
 * same locked step that puts the verdict into the cache, so a loop that comes
 * then finds either the one or the other. The leader's end pushes one item on
 * the queue of each loop in the mask.
 *
 * Nobody holds a pointer into another loop: a mask says a number, and the list
 * of members (under its lock) says whether somebody has that number now. A
 * number that was taken over by a new loop gets a wake for a domain that it
 * may not follow; that is harmless, since a wake is only ever a true verdict
 * or "ask again". Lock order: a shard's or the members', never both.
 */
#include "dns/share.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/error.h"
#include "gateway/base/mem.h"

#define FOLLOWERS_MAX 64 /* bits of a mask */

struct cache_pending {
	UT_hash_handle hh;
	uint64_t followers;
	char key[];
};

struct cred_count {
	UT_hash_handle hh;
	uint32_t count, aside;
	char key[];
};

struct cache_share {
	pthread_mutex_t members_lock;
	TAILQ_HEAD(, share_member) members;
	uint64_t indices; /* in use */
	pthread_mutex_t creds_lock;
	struct cred_count *creds;
	_Atomic uint64_t cred_busy;
};

struct wake {
	struct queue_item item; /* first */
	bool known;
	struct domain_fact fact;
	size_t n;
	char domain[];
};

struct cache_share *
share_create(void)
{
	struct cache_share *share = mem_zalloc(sizeof(*share));

	pthread_mutex_init(&share->members_lock, NULL);
	pthread_mutex_init(&share->creds_lock, NULL);
	TAILQ_INIT(&share->members);
	return share;
}

void
share_destroy(struct cache_share **sharep)
{
	struct cache_share *share = *sharep;

	*sharep = NULL;
	if (share == NULL)
		return;
	assert(TAILQ_EMPTY(&share->members) && share->creds == NULL);
	pthread_mutex_destroy(&share->members_lock);
	pthread_mutex_destroy(&share->creds_lock);
	free(share);
}

/* ---- Members ---- */

static void
on_item(void *arg, struct queue_item *item)
{
	struct share_member *member = arg;
	struct wake *wake = (struct wake *)item;

	if (!member->leaving)
		member->wake(member->arg, slice_of(wake->domain, wake->n),
			     wake->known ? &wake->fact : NULL);
	free(wake);
}

static int
index_take(struct cache_share *share)
{
	int index = share->indices == UINT64_MAX
			? -1
			: __builtin_ctzll(~share->indices);

	if (index >= 0)
		share->indices |= UINT64_C(1) << index;
	return index;
}

int
share_join(struct dns_cache *cache, struct loop *loop,
	   struct share_member *member)
{
	struct cache_share *share = cache->share;

	member->leaving = false;
	member->queue = queue_create(loop, on_item, member);
	if (member->queue == NULL)
		return GW_EIO;
	pthread_mutex_lock(&share->members_lock);
	member->index = index_take(share);
	TAILQ_INSERT_TAIL(&share->members, member, link);
	pthread_mutex_unlock(&share->members_lock);
	return 0;
}

void
share_leave(struct dns_cache *cache, struct share_member *member)
{
	struct cache_share *share = cache->share;

	pthread_mutex_lock(&share->members_lock);
	TAILQ_REMOVE(&share->members, member, link);
	if (member->index >= 0)
		share->indices &= ~(UINT64_C(1) << member->index);
	pthread_mutex_unlock(&share->members_lock);
	/* pushers hold that lock, so none is left */
	member->leaving = true;
	queue_destroy(&member->queue);
}

struct share_member *
share_find(struct dns_cache *cache, const struct dns *dns)
{
	struct cache_share *share = cache->share;
	struct share_member *member;

	pthread_mutex_lock(&share->members_lock);
	TAILQ_FOREACH (member, &share->members, link) {
		if (member->dns == dns)
			break;
	}
	pthread_mutex_unlock(&share->members_lock);
	return member;
}

static void
wake_one(struct share_member *member, struct slice domain,
	 const struct domain_fact *fact)
{
	struct wake *wake = mem_zalloc(sizeof(*wake) + domain.n);

	wake->known = fact != NULL;
	if (fact != NULL)
		wake->fact = *fact;
	wake->n = domain.n;
	memcpy(wake->domain, domain.p, domain.n);
	queue_push(member->queue, &wake->item);
}

static void
wake_all(struct dns_cache *cache, uint64_t followers, struct slice domain,
	 const struct domain_fact *fact)
{
	struct cache_share *share = cache->share;
	struct share_member *member;

	if (followers == 0)
		return;
	pthread_mutex_lock(&share->members_lock);
	TAILQ_FOREACH (member, &share->members, link) {
		if (member->index >= 0 &&
		    (followers & UINT64_C(1) << member->index))
			wake_one(member, domain, fact);
	}
	pthread_mutex_unlock(&share->members_lock);
}

/* ---- Domains that are being asked for; with the shard's lock held ---- */

static struct cache_pending *
pending_find(struct cache_shard *shard, struct slice domain, unsigned hash)
{
	struct cache_pending *pending;

	HASH_FIND_BYHASHVALUE(hh, shard->pending, domain.p, domain.n, hash,
			      pending);
	return pending;
}

static void
pending_add(struct cache_shard *shard, struct slice domain, unsigned hash)
{
	struct cache_pending *pending =
	    mem_zalloc(sizeof(*pending) + domain.n + 1);

	memcpy(pending->key, domain.p, domain.n);
	HASH_ADD_KEYPTR_BYHASHVALUE(hh, shard->pending, pending->key, domain.n,
				    hash, pending);
}

/* Who followed. */
static uint64_t
pending_end(struct cache_shard *shard, struct slice domain, unsigned hash)
{
	struct cache_pending *pending = pending_find(shard, domain, hash);
	uint64_t followers;

	assert(pending != NULL);
	followers = pending->followers;
	HASH_DEL(shard->pending, pending);
	free(pending);
	return followers;
}

static enum share_role
role_of(struct cache_shard *shard, const struct share_member *member,
	struct slice domain, unsigned hash)
{
	struct cache_pending *pending = pending_find(shard, domain, hash);

	if (pending == NULL) {
		pending_add(shard, domain, hash);
		return SHARE_LEAD;
	}
	shard->shared++;
	pending->followers |= UINT64_C(1) << member->index;
	return SHARE_FOLLOW;
}

enum share_role
share_ask(struct dns_cache *cache, const struct share_member *member,
	  struct slice domain, bool fresh, int64_t now_wall_s,
	  struct domain_fact *fact)
{
	unsigned hash;
	struct cache_shard *shard = cache_shard_of(cache, domain, &hash);
	enum share_role role = SHARE_HAVE;

	assert(member->index >= 0);
	pthread_mutex_lock(&shard->lock);
	if (fresh ||
	    !cache_shard_get(cache, shard, domain, hash, now_wall_s, fact))
		role = role_of(shard, member, domain, hash);
	pthread_mutex_unlock(&shard->lock);
	return role;
}

void
share_settle(struct dns_cache *cache, struct slice domain, bool leads,
	     const struct cache_finding *finding, int64_t now_wall_s,
	     struct domain_fact *fact)
{
	unsigned hash;
	struct cache_shard *shard = cache_shard_of(cache, domain, &hash);
	uint64_t followers = 0;

	pthread_mutex_lock(&shard->lock);
	cache_shard_settle(cache, shard, domain, hash, finding, now_wall_s,
			   fact);
	if (leads)
		followers = pending_end(shard, domain, hash);
	pthread_mutex_unlock(&shard->lock);
	wake_all(cache, followers, domain, fact);
}

void
share_abandon(struct dns_cache *cache, struct slice domain)
{
	unsigned hash;
	struct cache_shard *shard = cache_shard_of(cache, domain, &hash);
	uint64_t followers;

	pthread_mutex_lock(&shard->lock);
	followers = pending_end(shard, domain, hash);
	pthread_mutex_unlock(&shard->lock);
	wake_all(cache, followers, domain, NULL);
}

void
share_count(struct dns_cache *cache, struct slice domain)
{
	unsigned hash;
	struct cache_shard *shard = cache_shard_of(cache, domain, &hash);

	pthread_mutex_lock(&shard->lock);
	shard->shared++;
	pthread_mutex_unlock(&shard->lock);
}

/* ---- Credentials ---- */

static struct cred_count *
cred_get(struct cache_share *share, const char *cred)
{
	struct cred_count *count;
	size_t n = strlen(cred);

	HASH_FIND(hh, share->creds, cred, n, count);
	if (count != NULL)
		return count;
	count = mem_zalloc(sizeof(*count) + n + 1);
	memcpy(count->key, cred, n);
	HASH_ADD_KEYPTR(hh, share->creds, count->key, n, count);
	return count;
}

bool
share_cred_take(struct dns_cache *cache, const char *cred)
{
	struct cache_share *share = cache->share;
	struct cred_count *count;
	bool room;

	pthread_mutex_lock(&share->creds_lock);
	count = cred_get(share, cred);
	room = count->count < atomic_load(&cache->cred_max);
	if (room)
		count->count++;
	pthread_mutex_unlock(&share->creds_lock);
	if (!room)
		atomic_fetch_add(&share->cred_busy, 1);
	return room;
}

static struct cred_count *
cred_find(struct cache_share *share, const char *cred)
{
	struct cred_count *count;

	HASH_FIND(hh, share->creds, cred, strlen(cred), count);
	assert(count != NULL);
	return count;
}

bool
share_cred_move(struct dns_cache *cache, const char *cred)
{
	struct cache_share *share = cache->share;
	uint32_t max = atomic_load(&cache->cred_max) * SHARE_SLOW_FACTOR;
	struct cred_count *count;
	bool room;

	pthread_mutex_lock(&share->creds_lock);
	count = cred_find(share, cred);
	room = count->aside < max;
	if (room) {
		assert(count->count > 0);
		count->count--;
		count->aside++;
	}
	pthread_mutex_unlock(&share->creds_lock);
	if (!room)
		atomic_fetch_add(&share->cred_busy, 1);
	return room;
}

void
share_cred_give(struct dns_cache *cache, const char *cred, bool aside)
{
	struct cache_share *share = cache->share;
	struct cred_count *count;
	uint32_t *of;

	pthread_mutex_lock(&share->creds_lock);
	count = cred_find(share, cred);
	of = aside ? &count->aside : &count->count;
	assert(*of > 0);
	--*of;
	if (count->count + count->aside == 0) {
		HASH_DEL(share->creds, count);
		free(count);
	}
	pthread_mutex_unlock(&share->creds_lock);
}

uint64_t
share_busy(struct dns_cache *cache)
{
	return atomic_load(&cache->share->cred_busy);
}
