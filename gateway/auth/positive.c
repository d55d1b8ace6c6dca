/*
 * One entry a name: a login has one right password, so a second put replaces
 * the first, and forgetting is one look-up. Entries live equally long, so the
 * list in order of their making is also that of their end.
 */
#include "gateway/auth/positive.h"

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
	char *name;
	uint8_t proof[DIGEST_SIZE];
	char *owner;
	char *class;
	int64_t until_ms;
	TAILQ_ENTRY(entry) order;
	UT_hash_handle hh;
};

TAILQ_HEAD(entry_list, entry);

struct positive {
	pthread_mutex_t lock; /* everything below */
	struct entry *entries;
	struct entry_list order; /* oldest first */
	uint64_t forgets;
	/* Never changed. */
	int64_t ttl_ms;
	size_t max_count;
	uint8_t key[DIGEST_SIZE];
};

struct positive *
positive_create(int64_t ttl_ms, size_t max_count)
{
	struct positive *positive = mem_zalloc(sizeof(*positive));

	pthread_mutex_init(&positive->lock, NULL);
	TAILQ_INIT(&positive->order);
	positive->ttl_ms = ttl_ms;
	positive->max_count = max_count;
	secret_random(positive->key, sizeof(positive->key));
	return positive;
}

static void
entry_free(struct entry *entry)
{
	secret_wipe(entry->proof, sizeof(entry->proof));
	free(entry->name);
	free(entry->owner);
	free(entry->class);
	free(entry);
}

static void
entry_drop(struct positive *positive, struct entry *entry)
{
	HASH_DEL(positive->entries, entry);
	TAILQ_REMOVE(&positive->order, entry, order);
	entry_free(entry);
}

void
positive_destroy(struct positive **positivep)
{
	struct positive *positive = *positivep;
	struct entry *entry;

	*positivep = NULL;
	if (positive == NULL)
		return;
	while ((entry = TAILQ_FIRST(&positive->order)) != NULL)
		entry_drop(positive, entry);
	pthread_mutex_destroy(&positive->lock);
	secret_wipe(positive, sizeof(*positive));
	free(positive);
}

/* Length-prefixed, so that no two pairs give one input. */
static bool
prove(const struct positive *positive, struct slice name, struct slice password,
      uint8_t proof[DIGEST_SIZE])
{
	struct buf input;
	bool whole;

	buf_init(&input, INPUT_MAX);
	buf_put_bytes(&input, name);
	buf_put_bytes(&input, password);
	whole = !input.overflow;
	digest_hmac(slice_of(positive->key, sizeof(positive->key)),
		    buf_slice(&input), proof);
	buf_wipe(&input);
	return whole;
}

static struct entry *
entry_find(struct positive *positive, struct slice name)
{
	struct entry *entry;

	HASH_FIND(hh, positive->entries, name.p, name.n, entry);
	return entry;
}

bool
positive_get(struct positive *positive, struct slice name,
	     struct slice password, int64_t now_ms,
	     struct positive_facts *facts)
{
	uint8_t proof[DIGEST_SIZE];
	struct entry *entry;
	bool found = false;

	*facts = (struct positive_facts){0};
	if (positive->ttl_ms <= 0 || !prove(positive, name, password, proof))
		return false;
	pthread_mutex_lock(&positive->lock);
	entry = entry_find(positive, name);
	if (entry != NULL && entry->until_ms <= now_ms) {
		entry_drop(positive, entry);
		entry = NULL;
	}
	if (entry != NULL &&
	    secret_eq(slice_of(proof, sizeof(proof)),
		      slice_of(entry->proof, sizeof(entry->proof)))) {
		found = true;
		facts->owner = mem_strdup(entry->owner);
		facts->class = mem_strdup(entry->class);
	}
	pthread_mutex_unlock(&positive->lock);
	secret_wipe(proof, sizeof(proof));
	return found;
}

uint64_t
positive_mark(struct positive *positive)
{
	uint64_t mark;

	pthread_mutex_lock(&positive->lock);
	mark = positive->forgets;
	pthread_mutex_unlock(&positive->lock);
	return mark;
}

static void
entry_insert(struct positive *positive, struct entry *entry, int64_t now_ms)
{
	struct slice name = slice_str(entry->name);
	struct entry *old = entry_find(positive, name);

	if (old != NULL)
		entry_drop(positive, old);
	while ((old = TAILQ_FIRST(&positive->order)) != NULL &&
	       (old->until_ms <= now_ms ||
		HASH_COUNT(positive->entries) >= positive->max_count))
		entry_drop(positive, old);
	HASH_ADD_KEYPTR(hh, positive->entries, entry->name, name.n, entry);
	TAILQ_INSERT_TAIL(&positive->order, entry, order);
}

void
positive_put(struct positive *positive, uint64_t mark, struct slice name,
	     struct slice password, const struct positive_facts *facts,
	     int64_t now_ms)
{
	struct entry *entry = mem_zalloc(sizeof(*entry));
	bool keep = positive->ttl_ms > 0 &&
		    prove(positive, name, password, entry->proof);

	entry->name = mem_strndup(name.p, name.n);
	entry->owner = mem_strdup(facts->owner);
	entry->class = mem_strdup(facts->class);
	entry->until_ms = now_ms + positive->ttl_ms;
	pthread_mutex_lock(&positive->lock);
	keep = keep && mark == positive->forgets;
	if (keep)
		entry_insert(positive, entry, now_ms);
	pthread_mutex_unlock(&positive->lock);
	if (!keep)
		entry_free(entry);
}

void
positive_forget(struct positive *positive, struct slice name)
{
	struct entry *entry;

	pthread_mutex_lock(&positive->lock);
	positive->forgets++;
	entry = entry_find(positive, name);
	if (entry != NULL)
		entry_drop(positive, entry);
	pthread_mutex_unlock(&positive->lock);
}
