/*
 * From a verdict on a domain to what the client hears (needs.md 10, rows 22 to
 * 28), and which domains nobody is asked about.
 *
 * Only what DNS denies is a sign of a bad list or a stolen login: a name that
 * does not exist, or takes no mail. Not knowing is never one. Nor is a null MX,
 * a reserved or an unroutable name: people type such names, and devices have
 * them in their settings; nobody buys them in lists. Nor what is no name at
 * all: a form field that a mailing program left unfilled gives another such
 * name for each recipient, and none of them was ever looked up.
 *
 * Readers hold the lock for a few look-ups; writers (a reload, an allow) come
 * first, so a flood of recipients does not keep them out.
 */
#include "policy/domains.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "policy/domains_int.h"

#define SHOWN_MAX 100 /* of a name, in a reply */

/* --- one configuration ------------------------------------------------------
 */

static void
classes_make(struct domain_rules *rules, const struct domains_conf *conf)
{
	size_t n = conf->class_count;

	if (n == 0)
		return;
	rules->classes = arena_alloc(rules->arena, n * sizeof(*rules->classes));
	for (size_t i = 0; i < n; i++) {
		rules->classes[i] = conf->classes[i];
		rules->classes[i].name =
		    arena_dup(rules->arena, slice_str(conf->classes[i].name));
	}
	rules->class_count = n;
}

static struct domain_rules *
rules_create(const struct domains_conf *conf)
{
	struct domain_rules *rules = mem_zalloc(sizeof(*rules));

	rules->arena = arena_create(1024);
	rules->check = conf->check;
	rules->check_sender = conf->check && conf->check_sender;
	rules->refuse_first = conf->refuse_first;
	rules->unverified = conf->unverified;
	classes_make(rules, conf);
	for (size_t i = 0; i < conf->exempt_count; i++) {
		struct slice name = slice_str(conf->exempt[i]);

		if (name.n > 0 && name.n <= DOMAIN_RULE_MAX &&
		    domain_set_get(&rules->exempt, name) == NULL)
			domain_set_add(&rules->exempt, name);
	}
	rules->hints = hint_list_create(conf->exempt, conf->exempt_count);
	return rules;
}

static void
rules_destroy(struct domain_rules **rules)
{
	domain_set_fini(&(*rules)->exempt);
	hint_list_destroy(&(*rules)->hints);
	arena_destroy(&(*rules)->arena);
	free(*rules);
	*rules = NULL;
}

/* --- the object
 * --------------------------------------------------------------- */

struct domains *
domains_create(const struct domains_conf *conf)
{
	struct domains *domains = mem_zalloc(sizeof(*domains));
	pthread_rwlockattr_t attr;

	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(
	    &attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&domains->lock, &attr);
	pthread_rwlockattr_destroy(&attr);
	domains->expires_wall_s = INT64_MAX;
	domains->rules = rules_create(conf);
	domains->seen = domain_seen_create();
	return domains;
}

void
domains_destroy(struct domains **domains)
{
	struct domains *d = *domains;

	if (d == NULL)
		return;
	*domains = NULL;
	rules_destroy(&d->rules);
	domain_set_fini(&d->allowed);
	domain_seen_destroy(&d->seen);
	pthread_rwlock_destroy(&d->lock);
	free(d);
}

void
domains_reload(struct domains *domains, const struct domains_conf *conf)
{
	struct domain_rules *rules = rules_create(conf), *old;

	pthread_rwlock_wrlock(&domains->lock);
	old = domains->rules;
	domains->rules = rules;
	pthread_rwlock_unlock(&domains->lock);
	rules_destroy(&old);
}

/* --- whether to ask ---------------------------------------------------------
 */

static bool
asks(struct domains *domains, struct slice domain, bool sender,
     int64_t now_wall_s)
{
	const struct domain_rules *rules;
	bool asks;

	if (domain.n == 0)
		return false;
	pthread_rwlock_rdlock(&domains->lock);
	rules = domains->rules;
	asks = (sender ? rules->check_sender : rules->check) &&
	       domain_set_find(&rules->exempt, domain, false, now_wall_s) ==
		   NULL &&
	       domain_set_find(&domains->allowed, domain, true, now_wall_s) ==
		   NULL;
	pthread_rwlock_unlock(&domains->lock);
	return asks;
}

bool
domains_asks(struct domains *domains, struct slice domain, int64_t now_wall_s)
{
	return asks(domains, domain, false, now_wall_s);
}

bool
domains_asks_sender(struct domains *domains, struct slice domain,
		    int64_t now_wall_s)
{
	return asks(domains, domain, true, now_wall_s);
}

/* --- what a verdict means
 * ------------------------------------------------------
 */

/* False: no reason to refuse. */
static bool
refusal_of(const struct domain_fact *fact, enum reply_id *id)
{
	switch (fact->verdict) {
	case DOMAIN_DEAD:
		*id = REPLY_DOMAIN_NO_MAIL;
		if (fact->reason == DOMAIN_WHY_NXDOMAIN)
			*id = REPLY_DOMAIN_MISSING;
		else if (fact->reason == DOMAIN_WHY_BAD_NAME)
			*id = REPLY_DOMAIN_BAD_NAME;
		return true;
	case DOMAIN_REFUSES:
		*id = REPLY_DOMAIN_REFUSES;
		return true;
	case DOMAIN_RESERVED:
		*id = REPLY_DOMAIN_RESERVED;
		return true;
	case DOMAIN_UNROUTABLE:
		*id = REPLY_DOMAIN_UNROUTABLE;
		return true;
	case DOMAIN_UNKNOWN:
	case DOMAIN_DELIVERABLE:
	case DOMAIN_VERDICTS:
		break;
	}
	return false;
}

/* Replies are plain ASCII, whatever is between the angle brackets. */
static void
shown(struct slice s, char out[SHOWN_MAX + 1])
{
	s = slice_head(s, SHOWN_MAX);
	for (size_t i = 0; i < s.n; i++)
		out[i] = s.p[i] > ' ' && s.p[i] <= '~' ? s.p[i] : '?';
	out[s.n] = '\0';
}

/* Under the lock: the hint is the rules'. */
static void
say(const struct domain_rules *rules, enum reply_id id, struct slice domain,
    struct reply *reply)
{
	char name[SHOWN_MAX + 1];
	struct reply_arg args[] = {{"domain", name}, {"hint", NULL}};

	if (id == REPLY_DOMAIN_MISSING)
		args[1].value = hint_find(rules->hints, domain);
	if (args[1].value != NULL)
		id = REPLY_DOMAIN_MISSING_HINT;
	shown(domain, name);
	reply_make(reply, id, args, args[1].value != NULL ? 2 : 1);
}

struct terms { /* of a class */
	uint32_t refuse_first;
	enum domain_unverified unverified;
};

static struct terms
terms_of(const struct domain_rules *rules, const char *class)
{
	struct terms terms = {rules->refuse_first, rules->unverified};

	for (size_t i = 0; class != NULL && i < rules->class_count; i++) {
		const struct domains_class *c = &rules->classes[i];

		if (strcmp(c->name, class) != 0)
			continue;
		if (c->refuse_first >= 0)
			terms.refuse_first = (uint32_t)c->refuse_first;
		if (c->unverified >= 0)
			terms.unverified =
			    (enum domain_unverified)c->unverified;
		break;
	}
	return terms;
}

/* Sets all but the reply, which it names. */
static enum reply_id
decide(const struct terms *terms, const struct domain_fact *fact,
       uint32_t position, struct domain_decision *decision)
{
	enum reply_id id = REPLY_RECIPIENT_OK;

	decision->dead = false;
	decision->action = DOMAIN_ACCEPT;
	if (fact->verdict == DOMAIN_UNKNOWN) {
		if (terms->unverified == UNVERIFIED_DEFER) {
			decision->action = DOMAIN_DEFER;
			return REPLY_DOMAIN_UNVERIFIED_WAIT;
		}
		decision->action = DOMAIN_PROVISIONAL;
		return REPLY_DOMAIN_UNVERIFIED;
	}
	if (!refusal_of(fact, &id))
		return id;
	decision->dead =
	    fact->verdict == DOMAIN_DEAD && fact->reason != DOMAIN_WHY_BAD_NAME;
	decision->action = DOMAIN_REFUSE;
	if (position < terms->refuse_first)
		return id;
	decision->action = DOMAIN_DROP;
	return REPLY_RECIPIENT_OK;
}

void
domains_decide(struct domains *domains, const char *class,
	       const struct domain_fact *fact, struct slice domain,
	       uint32_t position, struct domain_decision *decision)
{
	struct terms terms;
	enum reply_id id;

	if (fact->verdict == DOMAIN_DELIVERABLE) { /* nearly all: no lock */
		decision->dead = false;
		decision->action = DOMAIN_ACCEPT;
		return;
	}
	pthread_rwlock_rdlock(&domains->lock);
	terms = terms_of(domains->rules, class);
	id = decide(&terms, fact, position, decision);
	say(domains->rules, id, domain, &decision->reply);
	pthread_rwlock_unlock(&domains->lock);
}

bool
domains_refusal(struct domains *domains, const struct domain_fact *fact,
		struct slice domain, struct reply *reply)
{
	enum reply_id id;

	if (!refusal_of(fact, &id))
		return false;
	pthread_rwlock_rdlock(&domains->lock);
	say(domains->rules, id, domain, reply);
	pthread_rwlock_unlock(&domains->lock);
	return true;
}

/* A sender's domain without mail may be a device's, and one that nobody could
 * look up may be fine. */
void
domains_decide_sender(struct domains *domains, const struct domain_fact *fact,
		      struct slice address, struct domain_decision *decision)
{
	char name[SHOWN_MAX + 1];
	const struct reply_arg arg = {"address", name};
	bool missing = fact->verdict == DOMAIN_DEAD &&
		       (fact->reason == DOMAIN_WHY_NXDOMAIN ||
			fact->reason == DOMAIN_WHY_BAD_NAME);

	(void)domains; /* alike for all */
	decision->dead = false;
	decision->action = missing ? DOMAIN_REFUSE : DOMAIN_ACCEPT;
	if (!missing)
		return;
	shown(address, name);
	reply_make(&decision->reply, REPLY_SENDER_DOMAIN_MISSING, &arg, 1);
}

bool
domains_dead_is_new(struct domains *domains, const char *cred,
		    struct slice domain, int64_t now_wall_s)
{
	return domain_seen_first(domains->seen, cred, domain, now_wall_s);
}
