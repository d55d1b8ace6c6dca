/*
 * A table of proofs. The record's hash is part of each, so it stays true for
 * ever: it ends to bound the table, not to be safe, and a put that comes after
 * a forget is no error (positive.c, whose entries do not name the hash, needs
 * marks for that).
 *
 * Entries live equally long, so the list in order of their making is also that
 * of their end; at the cap the oldest goes. An attacker pays a hash for each
 * entry he makes, so workers, time and cap decide together: two workers make
 * 2,400 in 30 s.
 *
 * Forgetting walks the list: it is an administrator's, and the cap is some
 * thousands.
 */
#include "gateway/auth/negative.h"

#include <bsd/sys/queue.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/buf.h"
#include "gateway/base/digest.h"
#include "gateway/base/hash.h"
#include "gateway/base/mem.h"
#include "gateway/base/secret.h"

#define INPUT_MAX 65536

struct entry {
	uint8_t proof[DIGEST_SIZE];
	uint64_t name; /* keyed hash: one too many forgotten is no harm */
	int64_t until_ms;
	TAILQ_ENTRY(entry) order;
	UT_hash_handle hh;
};

TAILQ_HEAD(entry_list, entry);

struct negative {
	pthread_mutex_t lock; /* the next two */
	struct entry *entries;
	struct entry_list order; /* oldest first */
	/* Never changed. */
	int64_t ttl_ms;
	size_t max_count;
	uint8_t key[DIGEST_SIZE];
};

struct negative *
negative_create(int64_t ttl_ms, size_t max_count)
{
	struct negative *negative = mem_zalloc(sizeof(*negative));

	pthread_mutex_init(&negative->lock, NULL);
	TAILQ_INIT(&negative->order);
	negative->ttl_ms = ttl_ms;
	negative->max_count = max_count;
	secret_random(negative->key, sizeof(negative->key));
	return negative;
}

static void
entry_free(struct entry *entry)
{
	secret_wipe(entry->proof, sizeof(entry->proof));
	free(entry);
}

static void
entry_drop(struct negative *negative, struct entry *entry)
{
	HASH_DEL(negative->entries, entry);
	TAILQ_REMOVE(&negative->order, entry, order);
	entry_free(entry);
}

void
negative_destroy(struct negative **negativep)
{
	struct negative *negative = *negativep;
	struct entry *entry;

	*negativep = NULL;
	if (negative == NULL)
		return;
	while ((entry = TAILQ_FIRST(&negative->order)) != NULL)
		entry_drop(negative, entry);
	pthread_mutex_destroy(&negative->lock);
	secret_wipe(negative, sizeof(*negative));
	free(negative);
}

/* Length-prefixed, so that no two claims give one input. */
static bool
prove(const struct negative *negative, const struct negative_claim *claim,
      uint8_t proof[DIGEST_SIZE])
{
	struct buf input;
	bool whole;

	buf_init(&input, INPUT_MAX);
	buf_put_bytes(&input, claim->name);
	buf_put_bytes(&input, claim->hash);
	buf_put_bytes(&input, claim->password);
	whole = !input.overflow;
	digest_hmac(slice_of(negative->key, sizeof(negative->key)),
		    buf_slice(&input), proof);
	buf_wipe(&input);
	return whole;
}

/* Not in constant time: who does not know the key cannot aim at a proof. */
static struct entry *
entry_find(struct negative *negative, const uint8_t proof[DIGEST_SIZE])
{
	struct entry *entry;

	HASH_FIND(hh, negative->entries, proof, DIGEST_SIZE, entry);
	return entry;
}

bool
negative_has(struct negative *negative, const struct negative_claim *claim,
	     int64_t now_ms)
{
	uint8_t proof[DIGEST_SIZE];
	struct entry *entry;
	bool found;

	if (!prove(negative, claim, proof))
		return false;
	pthread_mutex_lock(&negative->lock);
	entry = entry_find(negative, proof);
	found = entry != NULL && entry->until_ms > now_ms;
	pthread_mutex_unlock(&negative->lock);
	secret_wipe(proof, sizeof(proof));
	return found;
}

static void
entry_insert(struct negative *negative, struct entry *entry, int64_t now_ms)
{
	struct entry *old = entry_find(negative, entry->proof);

	if (old != NULL)
		entry_drop(negative, old);
	while ((old = TAILQ_FIRST(&negative->order)) != NULL &&
	       (old->until_ms <= now_ms ||
		HASH_COUNT(negative->entries) >= negative->max_count))
		entry_drop(negative, old);
	HASH_ADD(hh, negative->entries, proof, sizeof(entry->proof), entry);
	TAILQ_INSERT_TAIL(&negative->order, entry, order);
}

void
negative_put(struct negative *negative, const struct negative_claim *claim,
	     int64_t now_ms)
{
	struct entry *entry = mem_zalloc(sizeof(*entry));

	if (!prove(negative, claim, entry->proof)) {
		entry_free(entry);
		return;
	}
	entry->name = hash_bytes(claim->name.p, claim->name.n);
	entry->until_ms = now_ms + negative->ttl_ms;
	pthread_mutex_lock(&negative->lock);
	entry_insert(negative, entry, now_ms);
	pthread_mutex_unlock(&negative->lock);
}

void
negative_forget(struct negative *negative, struct slice name)
{
	uint64_t hash = hash_bytes(name.p, name.n);
	struct entry *entry, *next;

	pthread_mutex_lock(&negative->lock);
	for (entry = TAILQ_FIRST(&negative->order); entry != NULL;
	     entry = next) {
		next = TAILQ_NEXT(entry, order);
		if (entry->name == hash)
			entry_drop(negative, entry);
	}
	pthread_mutex_unlock(&negative->lock);
}
