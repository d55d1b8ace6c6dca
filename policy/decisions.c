/*
 * The ring of decisions. References rise with the ring's order, since they are
 * given under its lock: so one is found by bisection. What was decided about
 * the same message (or, before there is one, the same session) by the same
 * rule is one decision, found by a hash of both; that is what keeps a client
 * that goes on knocking from pushing everybody else out of the ring.
 *
 * Searching by login or address runs over an array of its own with a hash and
 * an address each: 20,000 whole decisions are 13 MB, and front threads wait for
 * the lock meanwhile. Memory grows with what is decided, up to the ring.
 */
#include "policy/decisions.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/hash.h"
#include "gateway/base/mem.h"

struct same { /* zeroed before it is filled: padding is hashed too */
	uint64_t subject; /* message or session */
	uint64_t rule;	  /* a limit's name, hashed; a block */
	uint32_t is_msg, kind, per, counted;
	uint32_t observed;
	uint32_t period_s;
};

struct kept {
	struct decision d;
	struct same same;
	UT_hash_handle hh;
};

struct tag {
	uint64_t cred;
	struct ip_addr ip;
};

/* slots[0..count) are in use; the oldest is at `first`, which stays 0 until
 * the ring is full. */
struct decisions {
	pthread_mutex_t lock;
	struct kept **slots;
	struct tag *tags;
	size_t max, count, first;
	struct kept *by_same;
};

struct decisions *
decisions_create(size_t max)
{
	struct decisions *decisions = mem_zalloc(sizeof(*decisions));

	pthread_mutex_init(&decisions->lock, NULL);
	decisions->max = max != 0 ? max : DECISIONS_MAX;
	decisions->slots = mem_array(decisions->max, sizeof(*decisions->slots));
	decisions->tags = mem_array(decisions->max, sizeof(*decisions->tags));
	return decisions;
}

void
decisions_destroy(struct decisions **decisions)
{
	struct decisions *d = *decisions;

	if (d == NULL)
		return;
	HASH_CLEAR(hh, d->by_same);
	for (size_t i = 0; i < d->count; i++)
		free(d->slots[i]);
	free(d->slots);
	free(d->tags);
	pthread_mutex_destroy(&d->lock);
	free(d);
	*decisions = NULL;
}

static void
same_of(const struct decision *d, struct same *same)
{
	memset(same, 0, sizeof(*same));
	same->subject = d->msg != 0 ? d->msg : d->session;
	same->is_msg = d->msg != 0;
	same->kind = (uint32_t)d->kind;
	switch (d->kind) {
	case DECISION_LIMIT:
		same->rule = hash_bytes(
		    d->hit.name, strnlen(d->hit.name, sizeof(d->hit.name)));
		same->per = (uint32_t)d->hit.per;
		same->counted = (uint32_t)d->hit.counted;
		same->period_s = (uint32_t)(d->hit.period_ms / 1000);
		same->observed = d->hit.observed;
		break;
	case DECISION_BLOCK:
		same->rule = d->block;
		break;
	case DECISION_SENDER:
	case DECISION_SCAN:
		break;
	}
}

static uint64_t
cred_hash(const char *cred)
{
	return hash_bytes(cred, strnlen(cred, DECISION_CRED_MAX - 1));
}

/* The slot that is next: a new one, or the oldest, which is forgotten. */
static size_t
next_slot(struct decisions *decisions)
{
	size_t i;

	if (decisions->count < decisions->max) {
		i = decisions->count++;
		decisions->slots[i] = mem_zalloc(sizeof(struct kept));
		return i;
	}
	i = decisions->first;
	decisions->first = (i + 1) % decisions->max;
	HASH_DEL(decisions->by_same, decisions->slots[i]);
	return i;
}

static uint64_t
add_locked(struct decisions *decisions, const struct decision *d)
{
	struct kept *kept;
	struct same same;
	size_t i;

	same_of(d, &same);
	if (same.subject != 0) {
		HASH_FIND(hh, decisions->by_same, &same, sizeof(same), kept);
		if (kept != NULL) {
			if (kept->d.again < UINT32_MAX)
				kept->d.again++;
			return kept->d.ref;
		}
	}
	i = next_slot(decisions);
	kept = decisions->slots[i];
	kept->d = *d;
	kept->d.ref = id_next();
	kept->d.again = 0;
	/* belonging to nothing, it is like no other */
	if (same.subject == 0)
		same.subject = kept->d.ref;
	kept->same = same;
	HASH_ADD(hh, decisions->by_same, same, sizeof(same), kept);
	decisions->tags[i] = (struct tag){cred_hash(d->cred), d->client};
	return kept->d.ref;
}

uint64_t
decisions_add(struct decisions *decisions, const struct decision *d)
{
	uint64_t ref;

	pthread_mutex_lock(&decisions->lock);
	ref = add_locked(decisions, d);
	pthread_mutex_unlock(&decisions->lock);
	return ref;
}

static size_t
slot_at(const struct decisions *decisions, size_t age_rank)
{
	return (decisions->first + age_rank) % decisions->max;
}

bool
decisions_get(struct decisions *decisions, uint64_t ref, struct decision *out)
{
	size_t low = 0, high;
	bool found = false;

	pthread_mutex_lock(&decisions->lock);
	high = decisions->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (decisions->slots[slot_at(decisions, middle)]->d.ref < ref)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < decisions->count) {
		const struct kept *kept =
		    decisions->slots[slot_at(decisions, low)];

		found = kept->d.ref == ref;
		if (found)
			*out = kept->d;
	}
	pthread_mutex_unlock(&decisions->lock);
	return found;
}

static bool
about(const struct decisions *decisions, size_t slot, const char *cred,
      uint64_t hash, const struct ip_addr *ip)
{
	const struct tag *tag = &decisions->tags[slot];

	if (ip != NULL && !ip_eq(ip, &tag->ip))
		return false;
	return cred == NULL ||
	       (tag->cred == hash && strncmp(decisions->slots[slot]->d.cred,
					     cred, DECISION_CRED_MAX - 1) == 0);
}

size_t
decisions_of(struct decisions *decisions, const char *cred,
	     const struct ip_addr *ip, struct decision *out, size_t max)
{
	uint64_t hash = cred != NULL ? cred_hash(cred) : 0;
	size_t count = 0;

	pthread_mutex_lock(&decisions->lock);
	for (size_t rank = decisions->count; rank > 0 && count < max; rank--) {
		size_t slot = slot_at(decisions, rank - 1);

		if (about(decisions, slot, cred, hash, ip))
			out[count++] = decisions->slots[slot]->d;
	}
	pthread_mutex_unlock(&decisions->lock);
	return count;
}
