/*
 * What administrators allow, in memory and towards STORE_DOMAIN. A change is in
 * force when the call returns; durability is the caller's, who commits what it
 * was given: one caller, or two changes of one name could reach the disk in
 * another order than memory.
 *
 * Over is decided by comparing times at each look; taking a name out is only
 * tidying, and the time of the first end says when there is anything to tidy.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/error.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "policy/domains_int.h"

#define EXPIRE_MAX 100
#define RECORD_MAX 512

/* --- changes -------------------------------------------------------------- */

struct domain_change {
	struct arena *arena;
	struct store_change v[EXPIRE_MAX];
	size_t count;
};

static struct domain_change *
change_create(void)
{
	struct domain_change *change = mem_zalloc(sizeof(*change));

	change->arena = arena_create(256);
	return change;
}

/* value none: a delete. */
static void
change_add(struct domain_change *change, struct slice name, struct slice value)
{
	char *v = NULL;

	assert(change->count < EXPIRE_MAX);
	if (value.n > 0) {
		v = arena_alloc(change->arena, value.n);
		memcpy(v, value.p, value.n);
	}
	change->v[change->count++] = (struct store_change){
	    .table = STORE_DOMAIN,
	    .kind = v != NULL ? STORE_PUT : STORE_DELETE,
	    .key = slice_of(arena_dup(change->arena, name), name.n),
	    .value = slice_of(v, value.n),
	};
}

const struct store_change *
domain_change_changes(const struct domain_change *c, size_t *count)
{
	*count = c->count;
	return c->v;
}

void
domain_change_free(struct domain_change **change)
{
	if (*change == NULL)
		return;
	arena_destroy(&(*change)->arena);
	free(*change);
	*change = NULL;
}

/* --- the table, under the lock ---------------------------------------------
 */

static char *
keep_text(const char *text)
{
	return text[0] == '\0' ? NULL : mem_strdup(text);
}

static void
note_end(struct domains *domains, int64_t until_wall_s)
{
	if (until_wall_s != 0 && until_wall_s < domains->expires_wall_s)
		domains->expires_wall_s = until_wall_s;
}

static int
put_locked(struct domains *domains, const struct domain_allow *allow)
{
	struct slice name = slice_str(allow->domain);
	struct domain_rule *rule = domain_set_get(&domains->allowed, name);

	if (rule == NULL && domains->allowed.count >= DOMAIN_ALLOWS_MAX)
		return GW_ETOOBIG;
	if (rule == NULL)
		rule = domain_set_add(&domains->allowed, name);
	free(rule->by);
	free(rule->why);
	rule->by = keep_text(allow->by);
	rule->why = keep_text(allow->why);
	rule->since_wall_s = allow->since_wall_s;
	rule->until_wall_s = allow->until_wall_s;
	note_end(domains, rule->until_wall_s);
	return 0;
}

/* --- changing ---------------------------------------------------------------
 */

int
domains_allow_add(struct domains *domains, const struct domain_allow *allow,
		  struct domain_change **change)
{
	struct domain_allow normal = *allow;
	struct buf value = {.cap = RECORD_MAX};
	int err = GW_EINVAL;

	*change = NULL;
	if (memchr(allow->domain, '\0', sizeof(allow->domain)) == NULL ||
	    domain_rule_name(slice_str(allow->domain), normal.domain) != 0 ||
	    domain_allow_check(&normal) != 0)
		return GW_EINVAL;
	pthread_rwlock_wrlock(&domains->lock);
	err = put_locked(domains, &normal);
	pthread_rwlock_unlock(&domains->lock);
	if (err != 0)
		return err;
	domain_allow_encode(&normal, &value);
	*change = change_create();
	change_add(*change, slice_str(normal.domain), buf_slice(&value));
	buf_fini(&value);
	return 0;
}

int
domains_allow_del(struct domains *domains, struct slice domain,
		  struct domain_change **change)
{
	char name[DOMAIN_RULE_MAX + 1];
	struct domain_rule *rule;

	*change = NULL;
	if (domain_rule_name(domain, name) != 0)
		return GW_EINVAL;
	pthread_rwlock_wrlock(&domains->lock);
	rule = domain_set_get(&domains->allowed, slice_str(name));
	if (rule != NULL)
		domain_set_del(&domains->allowed, &rule);
	else
		name[0] = '\0';
	pthread_rwlock_unlock(&domains->lock);
	if (name[0] == '\0')
		return GW_ENOENT;
	*change = change_create();
	change_add(*change, slice_str(name), SLICE_NONE);
	return 0;
}

struct domain_change *
domains_allow_expire(struct domains *domains, int64_t now_wall_s)
{
	struct domain_change *change;
	struct domain_rule *rule, *next;

	if (domains->expires_wall_s > now_wall_s)
		return NULL;
	change = change_create();
	pthread_rwlock_wrlock(&domains->lock);
	domains->expires_wall_s = INT64_MAX;
	HASH_ITER(hh, domains->allowed.rules, rule, next)
	{
		if (rule->until_wall_s == 0 ||
		    rule->until_wall_s > now_wall_s ||
		    change->count == EXPIRE_MAX) {
			note_end(domains, rule->until_wall_s);
			continue;
		}
		change_add(change, slice_of(rule->name, rule->n), SLICE_NONE);
		domain_set_del(&domains->allowed, &rule);
	}
	pthread_rwlock_unlock(&domains->lock);
	if (change->count == 0)
		domain_change_free(&change);
	return change;
}

/* --- loading
 * ------------------------------------------------------------------
 */

struct loading {
	struct domains *domains;
	uint64_t bad;
	bool full;
};

static bool
load_record(void *arg, struct slice key, struct slice value)
{
	struct loading *l = arg;
	struct domain_allow allow;

	if (domain_allow_decode(key, value, &allow) != 0)
		l->bad++;
	else
		l->full = put_locked(l->domains, &allow) != 0;
	return !l->full;
}

int
domains_load(struct domains *domains, struct store_env *store)
{
	struct loading l = {.domains = domains};
	struct store_txn *txn = store_read(store);
	int err;

	pthread_rwlock_wrlock(&domains->lock);
	store_each(txn, STORE_DOMAIN, SLICE_NONE, load_record, &l);
	pthread_rwlock_unlock(&domains->lock);
	err = store_error(txn);
	store_abort(&txn);
	if (l.bad > 0 || l.full)
		log_event(GW_LOG_ERROR, "domain-records-bad",
			  LF_U64("count", l.bad),
			  LF_STR("full", l.full ? "yes" : NULL));
	return err == 0 ? 0 : GW_EIO;
}

/* --- looking
 * ------------------------------------------------------------------
 */

static void
allow_of(const struct domain_rule *rule, struct domain_allow *allow)
{
	*allow = (struct domain_allow){
	    .until_wall_s = rule->until_wall_s,
	    .since_wall_s = rule->since_wall_s,
	};
	/* they came out of arrays of these sizes */
	memcpy(allow->domain, rule->name, rule->n);
	if (rule->by != NULL)
		memcpy(allow->by, rule->by, strlen(rule->by));
	if (rule->why != NULL)
		memcpy(allow->why, rule->why, strlen(rule->why));
}

static int
by_name(const void *a, const void *b)
{
	return strcmp((*(const struct domain_rule *const *)a)->name,
		      (*(const struct domain_rule *const *)b)->name);
}

void
domains_allow_each(struct domains *domains, domain_allow_fn *fn, void *arg)
{
	const struct domain_rule **all;
	struct domain_rule *rule, *next;
	struct domain_allow allow;
	size_t n = 0;

	pthread_rwlock_rdlock(&domains->lock);
	all = mem_array(domains->allowed.count + 1, sizeof(*all));
	HASH_ITER(hh, domains->allowed.rules, rule, next)
	all[n++] = rule;
	qsort(all, n, sizeof(*all), by_name);
	for (size_t i = 0; i < n; i++) {
		allow_of(all[i], &allow);
		if (!fn(arg, &allow))
			break;
	}
	pthread_rwlock_unlock(&domains->lock);
	free(all);
}

bool
domains_allow_find(struct domains *domains, struct slice domain,
		   int64_t now_wall_s, struct domain_allow *allow)
{
	const struct domain_rule *rule;

	pthread_rwlock_rdlock(&domains->lock);
	rule = domain_set_find(&domains->allowed, domain, true, now_wall_s);
	if (rule != NULL)
		allow_of(rule, allow);
	pthread_rwlock_unlock(&domains->lock);
	return rule != NULL;
}
