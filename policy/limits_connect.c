/*
 * Connections and logins. A presence knows itself what it counts under, rules
 * and keys by value: a reload in between takes nothing from it and leaves
 * nothing behind.
 *
 * A login may bring rules that count the address after all (of its class), and
 * replace some that counted it before the name was known. What was counted at
 * the connect is not counted again; the place under a replaced rule is given
 * back, while the fact of a new connection stays a fact.
 *
 * A login that may fail has its place among the failures before it is looked
 * at: who counts only what has failed lets any number in together. Beside each
 * of those rules a level of the same key says how many places are only taken
 * so, for a right login must not be sent away for the rule's period by others
 * that are right as well.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "policy/limits_int.h"

struct counted { /* under this rule and key */
	struct rate_rule rule;
	struct rate_key key;
};

struct presence {
	struct limits *limits;
	struct counted *v;
	size_t count, size;
};

static bool
is_same(const struct counted *c, const struct limit_binding *b,
	const struct limit_bound *bound)
{
	const struct rate_key *key = &b->keys[bound->key].key;

	return c->rule.id == bound->rule->rate.id && c->key.h[0] == key->h[0] &&
	       c->key.h[1] == key->h[1];
}

static bool
is_counted(const struct presence *p, const struct limit_binding *b,
	   const struct limit_bound *bound)
{
	for (size_t i = 0; i < p->count; i++)
		if (is_same(&p->v[i], b, bound))
			return true;
	return false;
}

static void
counted_add(struct presence *p, const struct rate_charge *charge)
{
	if (p->count == p->size) {
		p->size = p->size == 0 ? 4 : p->size * 2;
		p->v = mem_resize(p->v, p->size * sizeof(*p->v));
	}
	p->v[p->count].rule = *charge->rule;
	p->v[p->count++].key = charge->key;
}

static void
counted_leave(struct presence *p, const struct counted *c, int64_t now_us)
{
	const struct rate_charge charge = {
	    .key = c->key,
	    .rule = &c->rule,
	    .amount = 1,
	    .charged = true,
	};

	if (c->rule.kind == RATE_LEVEL)
		rate_refund(p->limits->table, &charge, 1, now_us);
}

/* Charges 1 under each rule of b that has not counted it yet. */
static bool
enter(struct presence *p, struct limit_binding *b, const char *cred,
      int64_t now_us, struct limit_verdict *verdict)
{
	struct rate_charge *charges = mem_array(b->count + 1, sizeof(*charges));
	size_t *of = mem_array(b->count + 1, sizeof(*of));
	int64_t until_us = INT64_MAX;
	size_t n = 0;
	bool in;

	for (size_t i = 0; i < b->count; i++) {
		const struct limit_bound *bound = &b->bound[i];

		if (is_counted(p, b, bound))
			continue;
		limit_charge_init(&charges[n], b, bound, 1,
				  limits_granted(p->limits, cred,
						 bound->rule->counted, now_us,
						 &until_us));
		of[n++] = i;
	}
	in = limit_charge(p->limits->table, charges, n, now_us);
	for (size_t i = 0; i < n; i++) {
		struct limit_bound *bound = &b->bound[of[i]];

		if (in == bound->observe)
			limit_verdict_over(verdict, bound, &charges[i]);
		if (!in)
			continue;
		counted_add(p, &charges[i]);
		limits_lag_add(p->limits, b, bound, &charges[i]);
	}
	free(charges);
	free(of);
	return in;
}

static void
presence_free(struct presence **pp)
{
	free((*pp)->v);
	free(*pp);
	*pp = NULL;
}

struct presence *
limits_connect(struct limits *limits, const struct ip_addr *ip, int64_t mono_us,
	       struct limit_verdict *verdict)
{
	struct limit_rules *rules = limits_rules(limits);
	struct presence *p = mem_zalloc(sizeof(*p));
	struct limit_binding b;

	p->limits = limits;
	limit_verdict_init(verdict);
	limit_bind(&b, &rules, &(struct limit_who){.ip = *ip},
		   LIMIT_OF_CONNECTIONS);
	if (!enter(p, &b, NULL, limits_time(limits, mono_us), verdict))
		presence_free(&p);
	limit_verdict_tell(verdict, limits);
	limit_unbind(&b);
	return p;
}

/* Gives back what b does not count; b NULL: all of it. */
static void
leave_all_but(struct presence *p, const struct limit_binding *b, int64_t now_us)
{
	size_t kept = 0;

	for (size_t i = 0; i < p->count; i++) {
		bool keeps = false;

		for (size_t j = 0; b != NULL && j < b->count && !keeps; j++)
			keeps = is_same(&p->v[i], b, &b->bound[j]);
		if (keeps)
			p->v[kept++] = p->v[i];
		else
			counted_leave(p, &p->v[i], now_us);
	}
	p->count = kept;
}

bool
presence_login(struct presence *p, const struct limit_who *who, int64_t mono_us,
	       struct limit_verdict *verdict)
{
	struct limit_rules *rules = limits_rules(p->limits);
	int64_t now_us = limits_time(p->limits, mono_us);
	struct limit_binding b;
	bool in;

	limit_verdict_init(verdict);
	limit_bind(&b, &rules, who, LIMIT_OF_CONNECTIONS);
	in = enter(p, &b, who->cred, now_us, verdict);
	limit_verdict_tell(verdict, p->limits);
	if (in)
		leave_all_but(p, &b, now_us);
	limit_unbind(&b);
	return in;
}

void
presence_end(struct presence **pp, int64_t mono_us)
{
	struct presence *p = *pp;

	if (p == NULL)
		return;
	leave_all_but(p, NULL, limits_time(p->limits, mono_us));
	presence_free(pp);
}

/* --- failed logins --------------------------------------------------- */

/* When to come again if nothing but logins under way is in the way: about what
 * a wrong one takes. */
#define UNDER_WAY_US (5 * (int64_t)1000000)
#define LEVEL_BIT 0x80000000u

enum { FAILED, UNDER_WAY, CHARGES }; /* of each rule */

struct attempt {
	struct limits *limits;
	struct limit_binding binding;
	struct rate_rule *levels; /* one a bound rule */
	struct rate_charge (*charges)[CHARGES];
	bool begun;
};

struct attempt *
attempt_create(struct limits *limits, const struct ip_addr *ip)
{
	struct limit_rules *rules = limits_rules(limits);
	struct attempt *a = mem_zalloc(sizeof(*a));
	struct limit_binding *b = &a->binding;

	a->limits = limits;
	limit_bind(b, &rules, &(struct limit_who){.ip = *ip},
		   LIMIT_BIT(LIMIT_FAILED_LOGINS));
	a->levels = mem_array(b->count + 1, sizeof(*a->levels));
	a->charges = mem_array(b->count + 1, sizeof(*a->charges));
	for (size_t i = 0; i < b->count; i++) {
		uint32_t id = b->bound[i].rule->rate.id;

		/* 0 is no id */
		a->levels[i] = (struct rate_rule){
		    .id = id == LEVEL_BIT ? LEVEL_BIT | 1 : id ^ LEVEL_BIT,
		    .kind = RATE_LEVEL,
		    .limit = UINT64_MAX,
		};
	}
	return a;
}

static void
attempt_ask(struct attempt *a, size_t i)
{
	const struct limit_bound *bound = &a->binding.bound[i];
	struct rate_charge *failed = &a->charges[i][FAILED];

	limit_charge_init(failed, &a->binding, bound, 1, 0);
	if (!bound->observe)
		failed->mode = RATE_ENFORCE;
	a->charges[i][UNDER_WAY] = (struct rate_charge){
	    .key = failed->key,
	    .rule = &a->levels[i],
	    .limit = UINT64_MAX,
	    .amount = failed->amount,
	    .mode = RATE_OBSERVE,
	};
}

/* The period is for failures; those under way may be none. */
static void
come_again_soon(struct rate_charge *charges, int64_t now_us)
{
	struct rate_charge *failed = &charges[FAILED];
	int64_t soon_us = now_us + UNDER_WAY_US;

	if (failed->result == RATE_OVER &&
	    failed->used < failed->limit + charges[UNDER_WAY].used &&
	    (failed->frees_us == 0 || failed->frees_us > soon_us))
		failed->frees_us = soon_us;
}

bool
attempt_begin(struct attempt *a, int64_t mono_us, struct limit_verdict *verdict)
{
	int64_t now_us = limits_time(a->limits, mono_us);
	struct limit_binding *b = &a->binding;

	assert(!a->begun);
	limit_verdict_init(verdict);
	for (size_t i = 0; i < b->count; i++)
		attempt_ask(a, i);
	a->begun = limit_charge(a->limits->table, a->charges[0],
				b->count * CHARGES, now_us);
	for (size_t i = 0; i < b->count; i++) {
		come_again_soon(a->charges[i], now_us);
		limit_verdict_over(verdict, &b->bound[i],
				   &a->charges[i][FAILED]);
	}
	limit_verdict_tell(verdict, a->limits);
	return a->begun;
}

void
attempt_pause(struct attempt *a, int64_t mono_us)
{
	if (!a->begun)
		return;
	a->begun = false;
	limit_refund(a->limits->table, a->charges[0],
		     a->binding.count * CHARGES,
		     limits_time(a->limits, mono_us));
}

void
attempt_end(struct attempt **ap, int64_t mono_us)
{
	struct attempt *a = *ap;

	*ap = NULL;
	if (a == NULL)
		return;
	attempt_pause(a, mono_us);
	limit_unbind(&a->binding);
	free(a->levels);
	free(a->charges);
	free(a);
}

void
attempt_fail(struct attempt **ap, int64_t mono_us)
{
	struct attempt *a = *ap;

	for (size_t i = 0; a != NULL && a->begun && i < a->binding.count; i++) {
		struct rate_charge *failed = &a->charges[i][FAILED];

		limits_lag_add(a->limits, &a->binding, &a->binding.bound[i],
			       failed);
		failed->charged = false; /* not given back */
	}
	attempt_end(ap, mono_us);
}
