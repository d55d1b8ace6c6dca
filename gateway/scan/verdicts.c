/*
 * One table under one lock: a look-up holds it for a fraction of a
 * microsecond, and there are a few for each message with attachments. What
 * many entries have in common (service, ISTag, policy) is one `origin`, so
 * that an ISTag that changes, or a server found blind, is one flag and not a
 * walk over a hundred thousand entries, and so that an entry stays small.
 *
 * The list is in the order of use; at the cap what was not asked for longest
 * goes. Being used does not make a verdict younger.
 *
 * size: one table under one lock; its origins, entries and look-ups are each
 * other's.
 */
#include "gateway/scan/verdicts.h"

#include <bsd/sys/queue.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/hash.h"
#include "gateway/base/mem.h"

#define UNSTEADY_MS 60000
#define UNSCANNABLE_MS 600000
#define BUCKETS_MIN 1024u
#define BUCKETS_MAX (1u << 20)
#define ORIGINS_MAX 256 /* walked with each verdict that is put */

struct service {
	uint64_t id;
	char istag[SCAN_ISTAG_SIZE];
	bool unsteady;
	LIST_ENTRY(service) link;
};

struct origin {
	uint64_t service;
	uint32_t policy;
	uint32_t uses;
	bool current;	 /* the service says so still */
	bool unsteady;	 /* istag is "", and age is short */
	bool distrusted; /* gets no more entries */
	char server[SCAN_SERVER_SIZE];
	char istag[SCAN_ISTAG_SIZE];
	LIST_HEAD(, entry) entries;
	LIST_ENTRY(origin) link;
};

struct entry {
	struct entry *chain;
	TAILQ_ENTRY(entry) use;
	LIST_ENTRY(entry) same; /* of its origin */
	struct origin *origin;
	char *threat; /* NULL: "" */
	int64_t made_ms;
	enum scan_kind kind;
	enum scan_why why;
	uint8_t digest[DIGEST_SIZE];
};

TAILQ_HEAD(entry_list, entry);
LIST_HEAD(origin_list, origin);
LIST_HEAD(service_list, service);

struct verdicts {
	pthread_mutex_t lock; /* all of it */
	struct verdicts_conf conf;
	struct entry **buckets;
	uint32_t bucket_count; /* a power of two */
	uint32_t count;
	int64_t rescan_us;	   /* when the allowance would be whole again */
	struct entry_list entries; /* longest unused first */
	struct origin_list origins;
	struct service_list services;
};

/* --- entries -------------------------------------------------------------- */

static uint32_t
buckets_for(uint32_t count_max)
{
	uint32_t n = BUCKETS_MIN;

	while (n < count_max && n < BUCKETS_MAX)
		n *= 2;
	return n;
}

static struct entry **
bucket_of(struct verdicts *v, const uint8_t digest[DIGEST_SIZE])
{
	/* Keyed: a digest's first bits can be chosen by trying. */
	return &v->buckets[hash_bytes(digest, DIGEST_SIZE) &
			   (v->bucket_count - 1)];
}

static struct entry *
find(struct verdicts *v, const uint8_t digest[DIGEST_SIZE])
{
	struct entry *entry = *bucket_of(v, digest);

	while (entry && memcmp(entry->digest, digest, DIGEST_SIZE) != 0)
		entry = entry->chain;
	return entry;
}

static void
origin_unuse(struct origin *origin)
{
	if (--origin->uses > 0)
		return;
	LIST_REMOVE(origin, link);
	free(origin);
}

static void
entry_free(struct entry *entry)
{
	LIST_REMOVE(entry, same);
	origin_unuse(entry->origin);
	free(entry->threat);
	free(entry);
}

static void
entry_drop(struct verdicts *v, struct entry *entry)
{
	struct entry **at = bucket_of(v, entry->digest);

	while (*at != entry)
		at = &(*at)->chain;
	*at = entry->chain;
	TAILQ_REMOVE(&v->entries, entry, use);
	v->count--;
	entry_free(entry);
}

static void
shrink_to(struct verdicts *v, uint32_t count)
{
	while (v->count > count)
		entry_drop(v, TAILQ_FIRST(&v->entries));
}

static void
rebucket(struct verdicts *v)
{
	uint32_t count = buckets_for(v->conf.count_max);
	struct entry *entry, **bucket;

	if (count == v->bucket_count)
		return;
	free(v->buckets);
	v->buckets = mem_array(count, sizeof(struct entry *));
	v->bucket_count = count;
	TAILQ_FOREACH (entry, &v->entries, use) {
		bucket = bucket_of(v, entry->digest);
		entry->chain = *bucket;
		*bucket = entry;
	}
}

/* --- services and origins ------------------------------------------------- */

static struct service *
service_find(struct verdicts *v, uint64_t id)
{
	struct service *service;

	LIST_FOREACH (service, &v->services, link) {
		if (service->id == id)
			return service;
	}
	return NULL;
}

static bool
is_current(const struct origin *origin, const struct service *service)
{
	if (!service || origin->unsteady != service->unsteady)
		return false;
	return origin->unsteady || strcmp(origin->istag, service->istag) == 0;
}

static void
mark_origins(struct verdicts *v, uint64_t id)
{
	const struct service *service = service_find(v, id);
	struct origin *origin;

	LIST_FOREACH (origin, &v->origins, link) {
		if (origin->service == id)
			origin->current = is_current(origin, service);
	}
}

static bool
is_old(const struct verdicts *v, const struct origin *origin)
{
	return !origin->current || origin->distrusted ||
	       origin->policy != v->conf.policy;
}

/*
 * Tags that come and go leave more of them than there are to be. The one with
 * the fewest verdicts goes with these; of the old ones if there are such, and
 * there are, but for as many as there are servers. So few go at a time, and
 * none of a server that is well because another is not.
 */
static void
origin_evict(struct verdicts *v)
{
	struct origin *origin, *least = NULL;
	struct entry *entry, *next;

	LIST_FOREACH (origin, &v->origins, link) {
		if (!least || is_old(v, origin) > is_old(v, least) ||
		    (is_old(v, origin) == is_old(v, least) &&
		     origin->uses < least->uses))
			least = origin;
	}
	LIST_FOREACH_SAFE (entry, &least->entries, same, next)
		entry_drop(v, entry);
}

static struct origin *
origin_make(struct verdicts *v, uint64_t id, const struct scan_verdict *verdict)
{
	const struct service *service = service_find(v, id);
	bool unsteady = service && service->unsteady;
	const char *istag = unsteady ? "" : verdict->istag;
	struct origin *origin;
	size_t count = 0;

	LIST_FOREACH (origin, &v->origins, link) {
		count++;
		if (origin->service == id && !origin->distrusted &&
		    origin->policy == v->conf.policy &&
		    origin->unsteady == unsteady &&
		    strcmp(origin->istag, istag) == 0)
			return origin;
	}
	if (count >= ORIGINS_MAX)
		origin_evict(v);
	origin = mem_zalloc(sizeof(*origin));
	LIST_INIT(&origin->entries);
	origin->service = id;
	origin->policy = v->conf.policy;
	origin->unsteady = unsteady;
	memcpy(origin->server, verdict->server, sizeof(origin->server));
	if (!unsteady)
		memcpy(origin->istag, verdict->istag, sizeof(origin->istag));
	origin->current = is_current(origin, service);
	LIST_INSERT_HEAD(&v->origins, origin, link);
	return origin;
}

void
verdicts_service(struct verdicts *v, uint64_t id, const char *istag,
		 bool unsteady)
{
	struct service *service;

	pthread_mutex_lock(&v->lock);
	service = service_find(v, id);
	if (!service) {
		service = mem_zalloc(sizeof(*service));
		service->id = id;
		LIST_INSERT_HEAD(&v->services, service, link);
	}
	memset(service->istag, 0, sizeof(service->istag));
	memcpy(service->istag, istag,
	       strnlen(istag, sizeof(service->istag) - 1));
	service->unsteady = unsteady;
	mark_origins(v, id);
	pthread_mutex_unlock(&v->lock);
}

void
verdicts_service_gone(struct verdicts *v, uint64_t id)
{
	struct service *service;

	pthread_mutex_lock(&v->lock);
	service = service_find(v, id);
	if (service) {
		LIST_REMOVE(service, link);
		free(service);
	}
	mark_origins(v, id);
	pthread_mutex_unlock(&v->lock);
}

void
verdicts_distrust(struct verdicts *v, uint64_t id)
{
	struct origin *origin;

	pthread_mutex_lock(&v->lock);
	LIST_FOREACH (origin, &v->origins, link) {
		if (origin->service == id)
			origin->distrusted = true;
	}
	pthread_mutex_unlock(&v->lock);
}

/* --- look-ups ------------------------------------------------------------- */

static int64_t
age_max_ms(const struct verdicts *v, const struct entry *entry)
{
	int64_t age_ms = v->conf.age_ms;

	if (entry->origin->unsteady && age_ms > UNSTEADY_MS)
		age_ms = UNSTEADY_MS;
	if (entry->kind == SCAN_UNSCANNABLE && age_ms > UNSCANNABLE_MS)
		age_ms = UNSCANNABLE_MS;
	return age_ms;
}

static bool
is_worthless(const struct verdicts *v, const struct entry *entry,
	     int64_t now_ms)
{
	const struct origin *origin = entry->origin;

	if (origin->policy != v->conf.policy ||
	    now_ms - entry->made_ms >= age_max_ms(v, entry))
		return true;
	if (entry->kind == SCAN_INFECTED)
		return false;
	return origin->distrusted ||
	       (entry->kind == SCAN_UNSCANNABLE && !origin->current);
}

/* Whether one more of the old ones may be scanned; a second's worth at once. */
static bool
may_rescan(struct verdicts *v, int64_t now_ms, bool take)
{
	int64_t now_us = now_ms * 1000, at_us = v->rescan_us;

	if (v->conf.rescans_per_s == 0)
		return false;
	if (at_us < now_us)
		at_us = now_us;
	at_us += 1000000 / v->conf.rescans_per_s;
	if (at_us - now_us > 1000000)
		return false;
	if (take)
		v->rescan_us = at_us;
	return true;
}

static void
tell(const struct entry *entry, struct scan_verdict *verdict)
{
	const struct origin *origin = entry->origin;

	memset(verdict, 0, sizeof(*verdict));
	verdict->kind = entry->kind;
	verdict->why = entry->why;
	memcpy(verdict->server, origin->server, sizeof(verdict->server));
	memcpy(verdict->istag, origin->istag, sizeof(verdict->istag));
	if (entry->threat)
		memcpy(verdict->threat, entry->threat, strlen(entry->threat));
}

bool
verdicts_get(struct verdicts *v, const uint8_t digest[DIGEST_SIZE],
	     int64_t now_ms, bool take, struct scan_verdict *verdict)
{
	struct entry *entry;
	bool counts = false;

	pthread_mutex_lock(&v->lock);
	entry = find(v, digest);
	if (entry && is_worthless(v, entry, now_ms)) {
		entry_drop(v, entry);
		entry = NULL;
	}
	if (entry) {
		TAILQ_REMOVE(&v->entries, entry, use);
		TAILQ_INSERT_TAIL(&v->entries, entry, use);
		counts = entry->origin->current || !may_rescan(v, now_ms, take);
	}
	if (counts)
		tell(entry, verdict);
	pthread_mutex_unlock(&v->lock);
	return counts;
}

bool
verdicts_virus(struct verdicts *v, const uint8_t digest[DIGEST_SIZE],
	       int64_t now_ms, struct scan_verdict *verdict)
{
	const struct entry *entry;
	bool is;

	pthread_mutex_lock(&v->lock);
	entry = find(v, digest);
	is = entry && entry->kind == SCAN_INFECTED &&
	     !is_worthless(v, entry, now_ms);
	if (is)
		tell(entry, verdict);
	pthread_mutex_unlock(&v->lock);
	return is;
}

static struct entry *
entry_make(struct verdicts *v, const uint8_t digest[DIGEST_SIZE])
{
	struct entry *entry = find(v, digest), **bucket;

	if (entry) {
		TAILQ_REMOVE(&v->entries, entry, use);
		free(entry->threat);
		entry->threat = NULL;
	} else {
		shrink_to(v, v->conf.count_max - 1);
		entry = mem_zalloc(sizeof(*entry));
		memcpy(entry->digest, digest, DIGEST_SIZE);
		bucket = bucket_of(v, digest);
		entry->chain = *bucket;
		*bucket = entry;
		v->count++;
	}
	TAILQ_INSERT_TAIL(&v->entries, entry, use);
	return entry;
}

/* NULL: nobody else has called it infected, or does not count. */
static struct entry *
infected_by_another(struct verdicts *v, const uint8_t digest[DIGEST_SIZE],
		    uint64_t service, int64_t now_ms)
{
	struct entry *entry = find(v, digest);

	if (!entry || entry->kind != SCAN_INFECTED ||
	    entry->origin->service == service ||
	    is_worthless(v, entry, now_ms) ||
	    !service_find(v, entry->origin->service))
		return NULL;
	return entry;
}

/* It has a tag, and this answer says nothing of it. */
static bool
is_nameless(struct verdicts *v, uint64_t id, const struct scan_verdict *verdict)
{
	const struct service *service = service_find(v, id);

	return service && !service->unsteady && service->istag[0] != '\0' &&
	       verdict->istag[0] == '\0';
}

static void
store(struct verdicts *v, const uint8_t digest[DIGEST_SIZE], uint64_t service,
      const struct scan_verdict *verdict, int64_t now_ms)
{
	struct origin *origin;
	struct entry *entry;

	/* In use from here on, so that the entry that makes room for this one
	 * does not take it along. */
	origin = origin_make(v, service, verdict);
	origin->uses++;
	entry = entry_make(v, digest);
	if (entry->origin) {
		LIST_REMOVE(entry, same);
		origin_unuse(entry->origin);
	}
	entry->origin = origin;
	LIST_INSERT_HEAD(&origin->entries, entry, same);
	entry->kind = verdict->kind;
	entry->why = verdict->why;
	entry->made_ms = now_ms;
	if (verdict->threat[0])
		entry->threat =
		    mem_strndup(verdict->threat, sizeof(verdict->threat) - 1);
}

bool
verdicts_put(struct verdicts *v, const uint8_t digest[DIGEST_SIZE],
	     uint64_t service, const struct scan_verdict *verdict,
	     int64_t now_ms, struct scan_verdict *stands)
{
	struct entry *entry = NULL;

	if (verdict->kind == SCAN_ERROR)
		return false;
	pthread_mutex_lock(&v->lock);
	if (verdict->kind != SCAN_INFECTED)
		entry = infected_by_another(v, digest, service, now_ms);
	if (entry)
		tell(entry, stands);
	else if (verdict->kind == SCAN_INFECTED ||
		 !is_nameless(v, service, verdict))
		store(v, digest, service, verdict, now_ms);
	pthread_mutex_unlock(&v->lock);
	return entry != NULL;
}

/* --- the whole ------------------------------------------------------------ */

struct verdicts *
verdicts_create(const struct verdicts_conf *conf)
{
	struct verdicts *v = mem_zalloc(sizeof(*v));

	pthread_mutex_init(&v->lock, NULL);
	TAILQ_INIT(&v->entries);
	LIST_INIT(&v->origins);
	LIST_INIT(&v->services);
	verdicts_configure(v, conf);
	return v;
}

void
verdicts_destroy(struct verdicts **verdicts)
{
	struct verdicts *v = *verdicts;
	struct service *service;

	*verdicts = NULL;
	if (!v)
		return;
	shrink_to(v, 0);
	while ((service = LIST_FIRST(&v->services))) {
		LIST_REMOVE(service, link);
		free(service);
	}
	free(v->buckets);
	pthread_mutex_destroy(&v->lock);
	free(v);
}

void
verdicts_configure(struct verdicts *v, const struct verdicts_conf *conf)
{
	pthread_mutex_lock(&v->lock);
	v->conf = *conf;
	if (v->conf.count_max == 0)
		v->conf.count_max = 1;
	shrink_to(v, v->conf.count_max);
	rebucket(v);
	pthread_mutex_unlock(&v->lock);
}

uint64_t
verdicts_flush(struct verdicts *v)
{
	struct entry_list gone = TAILQ_HEAD_INITIALIZER(gone);
	struct origin_list origins = LIST_HEAD_INITIALIZER(origins);
	struct entry *entry;
	uint64_t count;

	/* Freeing a hundred thousand takes milliseconds: not under the lock. */
	pthread_mutex_lock(&v->lock);
	count = v->count;
	TAILQ_CONCAT(&gone, &v->entries, use);
	LIST_SWAP(&origins, &v->origins, origin, link);
	memset(v->buckets, 0, v->bucket_count * sizeof(struct entry *));
	v->count = 0;
	pthread_mutex_unlock(&v->lock);
	while ((entry = TAILQ_FIRST(&gone))) {
		TAILQ_REMOVE(&gone, entry, use);
		entry_free(entry);
	}
	return count;
}

uint64_t
verdicts_count(struct verdicts *v)
{
	uint64_t count;

	pthread_mutex_lock(&v->lock);
	count = v->count;
	pthread_mutex_unlock(&v->lock);
	return count;
}
