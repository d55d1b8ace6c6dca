/*
 * The rules of one configuration, made ready: names sorted, what replaces what
 * resolved, each rate turned into a rule of the rate table. A snapshot never
 * changes, so that a message or a connection that began under it ends under it
 * while a reload puts the next one in its place.
 *
 * A rule's id ties its counts to it over reloads and restarts. It is a hash of
 * the limit's name and of what, per whom and over what time it counts, but not
 * of the number: raising a limit forgets nothing. Two rules of one id would
 * charge one counter twice, so ids are made different here, and two rates that
 * differ in nothing but the number become the lower one.
 */
#include <string.h>

#include "gateway/base/hash.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "policy/limits_int.h"

#define LIMIT_MOST ((uint64_t)1 << 53) /* exact in JSON, and adds up */
#define GCRA_STEP_MIN_US 1000

const char *
limit_counted_name(enum limit_counted counted)
{
	static const char *const names[LIMIT_COUNTED] = {
	    [LIMIT_MESSAGES] = "messages",
	    [LIMIT_RECIPIENTS] = "recipients",
	    [LIMIT_INTERNAL_RECIPIENTS] = "internal-recipients",
	    [LIMIT_ALL_RECIPIENTS] = "all-recipients",
	    [LIMIT_BYTES] = "bytes",
	    [LIMIT_CONNECTIONS] = "connections",
	    [LIMIT_NEW_CONNECTIONS] = "new-connections",
	    [LIMIT_FAILED_LOGINS] = "failed-logins",
	    [LIMIT_DEAD_DOMAINS] = "dead-domains",
	};

	return names[counted];
}

const char *
limit_action_name(enum limit_action action)
{
	static const char *const names[] = {
	    [LIMIT_PASS] = "pass",   [LIMIT_PACE] = "pace",
	    [LIMIT_BULK] = "bulk",   [LIMIT_HOLD] = "hold",
	    [LIMIT_DEFER] = "defer", [LIMIT_REJECT] = "reject",
	};

	return names[action];
}

/* --- names ----------------------------------------------------------- */

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void
names_make(struct arena *arena, struct limit_names *names, const char *const *v,
	   size_t count)
{
	names->count = count;
	if (count == 0)
		return;
	names->v = arena_alloc(arena, count * sizeof(*names->v));
	for (size_t i = 0; i < count; i++)
		names->v[i] = arena_dup(arena, slice_str(v[i]));
	qsort(names->v, count, sizeof(*names->v), by_name);
}

bool
limit_names_have(const struct limit_names *names, const char *name)
{
	return name != NULL && names->count > 0 &&
	       bsearch(&name, names->v, names->count, sizeof(*names->v),
		       by_name) != NULL;
}

/* --- one rate -------------------------------------------------------- */

struct identity {
	const char *name;
	enum limit_per per;
	enum limit_counted counted;
	int64_t period_ms;
	bool burst;
};

static uint32_t
identity_hash(const struct identity *id, uint8_t salt)
{
	static const uint8_t key[HASH_KEY_SIZE] = "sluice rule ids";
	struct buf b;
	uint64_t h;

	buf_init(&b, 256);
	buf_add_str(&b, id->name);
	buf_put_u8(&b, 0);
	buf_put_u8(&b, (uint8_t)id->per);
	buf_put_u8(&b, (uint8_t)id->counted);
	buf_put_u64(&b, (uint64_t)id->period_ms);
	buf_put_u8(&b, id->burst ? 0 : 1);
	buf_put_u8(&b, salt);
	h = hash_siphash13(key, b.p, b.n);
	buf_fini(&b);
	h ^= h >> 32;
	return (uint32_t)h == 0 ? 1 : (uint32_t)h;
}

static bool
is_identity(const struct limit_rule *rule, const struct identity *id)
{
	return strcmp(rule->policy->name, id->name) == 0 &&
	       rule->policy->per == id->per && rule->counted == id->counted &&
	       rule->period_ms == id->period_ms &&
	       (rule->rate.kind == RATE_GCRA) == id->burst;
}

static struct limit_rule *
rule_of_id(struct limit_rules *rules, uint32_t id)
{
	for (size_t i = 0; i < rules->rule_count; i++)
		if (rules->rules[i].rate.id == id)
			return &rules->rules[i];
	return NULL;
}

static uint64_t
at_most(uint64_t v, uint64_t most)
{
	return v < most ? v : most;
}

/* One unit a step. Steps are whole microseconds and rounded up, so that never
 * more than the rate gets through; bytes are counted in larger units where a
 * step would be so short that the rounding told. */
static void
gcra_make(struct limit_rule *rule, uint64_t limit, int64_t period_us,
	  uint64_t burst)
{
	uint64_t period = (uint64_t)period_us, unit = 1;

	rule->rate.kind = RATE_GCRA;
	if (limit == 0) {
		rule->rate.period_us = period_us;
		rule->rate.limit = 0;
		return;
	}
	if (rule->counted == LIMIT_BYTES && period / limit < GCRA_STEP_MIN_US)
		unit = GCRA_STEP_MIN_US * limit / period + 1;
	rule->unit = unit;
	rule->rate.period_us = (int64_t)((period * unit + limit - 1) / limit);
	/* up: a message as large as the burst fits */
	rule->rate.limit = burst / unit + (burst % unit != 0);
}

static enum limit_action
refusal_of(const struct limit_policy *policy, enum limit_counted counted)
{
	enum limit_action action = policy->over;

	if (action == LIMIT_PACE)
		action = policy->then;
	if (action == LIMIT_PASS || action == LIMIT_PACE)
		action = LIMIT_DEFER;
	/* There is no message to hold yet. */
	if ((LIMIT_BIT(counted) & LIMIT_ON_MESSAGES) == 0 &&
	    action != LIMIT_REJECT)
		action = LIMIT_DEFER;
	return action;
}

static void
rate_make(struct limit_rule *rule, const struct limit_rate *rate, uint32_t id)
{
	uint64_t limit = at_most(rate->limit, LIMIT_MOST);
	const struct limit_policy *policy = rule->policy;

	rule->counted = rate->counted;
	rule->limit = limit;
	rule->period_ms = rate->period_ms;
	rule->refusal = refusal_of(policy, rate->counted);
	rule->unit = 1;
	rule->rate = (struct rate_rule){
	    .id = id,
	    .kind = RATE_WINDOW,
	    .limit = limit,
	    .period_us = rate->period_ms * 1000,
	};
	if (rate->counted == LIMIT_CONNECTIONS) {
		rule->rate.kind = RATE_LEVEL;
		rule->rate.period_us = 0;
	} else if (rate->burst > 0) {
		gcra_make(rule, limit, rate->period_ms * 1000,
			  at_most(rate->burst, LIMIT_MOST));
	}
	rule->watched = rule->rate;
	rule->watched.observe = true;
	if (policy->over == LIMIT_PACE && policy->pace_percent > 100 &&
	    (LIMIT_BIT(rate->counted) & LIMIT_OF_MESSAGES) != 0)
		rule->rate.pace_percent = policy->pace_percent;
	/* nothing is paced in observe, but so far the bucket fills */
	if (rule->rate.kind == RATE_GCRA)
		rule->watched.pace_percent = rule->rate.pace_percent;
}

/* gateway.conf's check has refused these with their place; another caller's
 * rule is passed over rather than made to count nonsense. */
static bool
rate_makes_sense(const struct limit_conf *conf, const struct limit_rate *rate)
{
	if ((unsigned)rate->counted >= LIMIT_COUNTED)
		return false;
	if (rate->counted == LIMIT_FAILED_LOGINS &&
	    (conf->per == LIMIT_CRED || conf->per == LIMIT_CRED_IP))
		return false; /* would let anybody lock a login out */
	/* an address's or the site's would be for those who met none, and what
	 * a dead domain is a sign of no waiting cures */
	if (rate->counted == LIMIT_DEAD_DOMAINS &&
	    (conf->per != LIMIT_CRED || conf->over == LIMIT_PACE ||
	     conf->over == LIMIT_BULK))
		return false;
	return rate->counted == LIMIT_CONNECTIONS ||
	       (rate->period_ms > 0 && rate->period_ms <= INT64_MAX / 1000000);
}

static void
rate_add(struct limit_rules *rules, const struct limit_policy *policy,
	 const struct limit_rate *rate)
{
	const struct identity identity = {
	    .name = policy->name,
	    .per = policy->per,
	    .counted = rate->counted,
	    .period_ms = rate->period_ms,
	    .burst = rate->burst > 0 && rate->counted != LIMIT_CONNECTIONS,
	};
	struct limit_rule *rule, made = {.policy = policy};
	uint8_t salt = 0;
	uint32_t id;

	for (;;) {
		id = identity_hash(&identity, salt++);
		rule = rule_of_id(rules, id);
		if (rule == NULL || is_identity(rule, &identity))
			break;
	}
	rate_make(&made, rate, id);
	if (rule == NULL)
		rules->rules[rules->rule_count++] = made;
	else if (made.rate.limit < rule->rate.limit)
		*rule = made;
	rules->counted |= LIMIT_BIT(rate->counted);
}

uint64_t
limit_units(const struct limit_rule *rule, uint64_t amount)
{
	amount = at_most(amount, LIMIT_MOST);
	if (rule->unit == 1) /* all but bytes with a burst; no division */
		return amount;
	return amount / rule->unit + (amount % rule->unit != 0);
}

/* --- one limit ------------------------------------------------------- */

static void
policy_make(struct arena *arena, struct limit_policy *policy,
	    const struct limit_conf *conf)
{
	struct slice name =
	    slice_head(slice_str(conf->name), sizeof(policy->name) - 1);
	struct ip_prefix *except;

	*policy = (struct limit_policy){
	    .per = conf->per,
	    .bits4 = (uint8_t)(96 + at_most(conf->bits4, 32)),
	    .bits6 = (uint8_t)at_most(conf->bits6, 128),
	    .over = conf->over,
	    .then = conf->then,
	    .pace_percent = conf->pace_percent,
	    .observe = conf->observe,
	    .except_count = conf->except_count,
	};
	memcpy(policy->name, name.p, name.n);
	names_make(arena, &policy->classes, conf->classes, conf->class_count);
	names_make(arena, &policy->creds, conf->creds, conf->cred_count);
	if (conf->except_count == 0)
		return;
	except = arena_alloc(arena, conf->except_count * sizeof(*except));
	memcpy(except, conf->except, conf->except_count * sizeof(*except));
	policy->except = except;
}

static size_t
names_match(const struct limit_rules *rules, const struct limit_conf *conf,
	    size_t *out)
{
	size_t n = 0;

	for (size_t i = 0; i < conf->replace_count; i++)
		for (size_t j = 0; j < rules->policy_count; j++) {
			if (strcmp(rules->policies[j].name,
				   conf->replaces[i]) != 0)
				continue;
			if (out != NULL)
				out[n] = j;
			n++;
		}
	return n;
}

static void
replaces_make(struct limit_rules *rules, struct limit_policy *policy,
	      const struct limit_conf *conf)
{
	size_t n = names_match(rules, conf, NULL);
	size_t *replaces;

	if (n == 0)
		return;
	replaces = arena_alloc(rules->arena, n * sizeof(*replaces));
	policy->replace_count = names_match(rules, conf, replaces);
	policy->replaces = replaces;
	rules->replaces = true;
}

static void
rates_add(struct limit_rules *rules, const struct limit_policy *policy,
	  const struct limit_conf *conf)
{
	for (size_t i = 0; i < conf->rate_count; i++) {
		if (rate_makes_sense(conf, &conf->rates[i]))
			rate_add(rules, policy, &conf->rates[i]);
		else
			log_event(GW_LOG_ERROR, "limit-ignored",
				  LF_STR("limit", conf->name),
				  LF_U64("rate", i + 1));
	}
}

/* --- all of them ----------------------------------------------------- */

static int
by_id(const void *pa, const void *pb)
{
	const struct limit_rule *a = *(const struct limit_rule *const *)pa;
	const struct limit_rule *b = *(const struct limit_rule *const *)pb;

	return a->rate.id < b->rate.id ? -1 : a->rate.id > b->rate.id;
}

static void
index_make(struct limit_rules *rules)
{
	size_t n = rules->rule_count;

	if (n == 0)
		return;
	rules->by_id = arena_alloc(rules->arena, n * sizeof(*rules->by_id));
	for (size_t i = 0; i < n; i++)
		rules->by_id[i] = &rules->rules[i];
	qsort(rules->by_id, n, sizeof(*rules->by_id), by_id);
}

const struct limit_rule *
limit_rules_find(const struct limit_rules *rules, uint32_t id)
{
	size_t low = 0, high = rules->rule_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (rules->by_id[mid]->rate.id == id)
			return rules->by_id[mid];
		if (rules->by_id[mid]->rate.id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

struct limit_rules *
limit_rules_create(const struct limits_conf *conf)
{
	struct limit_rules *rules = mem_zalloc(sizeof(*rules));
	size_t rates = 0;

	for (size_t i = 0; i < conf->limit_count; i++)
		rates += conf->limits[i].rate_count;
	atomic_init(&rules->refs, 1);
	rules->arena = arena_create(4096);
	rules->policies =
	    mem_array(conf->limit_count + 1, sizeof(*rules->policies));
	rules->rules = mem_array(rates + 1, sizeof(*rules->rules));
	rules->policy_count = conf->limit_count;
	rules->observe = conf->observe;
	names_make(rules->arena, &rules->observe_classes, conf->observe_classes,
		   conf->observe_class_count);
	for (size_t i = 0; i < conf->limit_count; i++)
		policy_make(rules->arena, &rules->policies[i],
			    &conf->limits[i]);
	for (size_t i = 0; i < conf->limit_count; i++) {
		replaces_make(rules, &rules->policies[i], &conf->limits[i]);
		rates_add(rules, &rules->policies[i], &conf->limits[i]);
	}
	index_make(rules);
	return rules;
}

struct limit_rules *
limit_rules_ref(struct limit_rules *rules)
{
	atomic_fetch_add_explicit(&rules->refs, 1, memory_order_relaxed);
	return rules;
}

void
limit_rules_unref(struct limit_rules **rules)
{
	struct limit_rules *r = *rules;

	*rules = NULL;
	if (r == NULL ||
	    atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) != 1)
		return;
	arena_destroy(&r->arena);
	free(r->policies);
	free(r->rules);
	free(r);
}
