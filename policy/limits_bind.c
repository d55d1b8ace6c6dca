/*
 * Which rules are for somebody, and under which keys they count: the only
 * place that knows classes, logins, exceptions and replacements. Keys are the
 * normalised login and the client's address and nothing that a client can
 * choose: no FROM, no part of an address, no tag.
 *
 * An exception frees an address from a limit; it does not give it back to the
 * limits which that one replaces.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "policy/limits_int.h"

enum { KEY_CRED = 'c', KEY_IP = 'a', KEY_CRED_IP = 'b', KEY_SITE = 's' };

static bool
ip_known(const struct ip_addr *ip)
{
	static const struct ip_addr none;

	return !ip_eq(ip, &none);
}

/* The people that a limit is for, wherever they come from. */
static bool
is_for(const struct limit_policy *policy, const struct limit_who *who)
{
	if (policy->classes.count == 0 && policy->creds.count == 0)
		return true;
	return limit_names_have(&policy->classes, who->class) ||
	       limit_names_have(&policy->creds, who->cred);
}

static bool
applies(const struct limit_policy *policy, const struct limit_who *who)
{
	bool by_cred =
	    policy->per == LIMIT_CRED || policy->per == LIMIT_CRED_IP;
	bool by_ip = policy->per == LIMIT_IP || policy->per == LIMIT_CRED_IP;

	if ((by_cred && who->cred == NULL) || (by_ip && !ip_known(&who->ip)))
		return false;
	for (size_t i = 0; i < policy->except_count; i++)
		if (ip_prefix_has(&policy->except[i], &who->ip))
			return false;
	return is_for(policy, who);
}

/* An array of flags by policy, or NULL when nobody replaces anything. A limit
 * in observe changes nothing, so it replaces none that is enforced. */
static bool *
find_replaced(const struct limit_rules *rules, const struct limit_who *who,
	      bool observe_all)
{
	bool *replaced;

	if (!rules->replaces)
		return NULL;
	replaced = mem_array(rules->policy_count, sizeof(*replaced));
	for (size_t i = 0; i < rules->policy_count; i++) {
		const struct limit_policy *policy = &rules->policies[i];

		if (policy->replace_count == 0 ||
		    (policy->observe && !observe_all) || !is_for(policy, who))
			continue;
		for (size_t j = 0; j < policy->replace_count; j++)
			if (policy->replaces[j] != i)
				replaced[policy->replaces[j]] = true;
	}
	return replaced;
}

/* --- keys ------------------------------------------------------------ */

static void
key_add(struct limit_key *key, const void *p, size_t n)
{
	memcpy(key->name + key->n, p, n);
	key->n += n;
}

static void
key_make(struct limit_key *key, const struct limit_who *who)
{
	static const char letters[] = {[LIMIT_CRED] = KEY_CRED,
				       [LIMIT_IP] = KEY_IP,
				       [LIMIT_CRED_IP] = KEY_CRED_IP,
				       [LIMIT_SITE] = KEY_SITE};
	struct ip_prefix prefix;

	key->n = 0;
	key_add(key, &letters[key->per], 1);
	if (key->per == LIMIT_IP || key->per == LIMIT_CRED_IP) {
		ip_prefix_of(&who->ip, key->bits, &prefix);
		key_add(key, &prefix.bits, 1);
		key_add(key, prefix.addr.b, sizeof(prefix.addr.b));
	}
	if (key->per == LIMIT_CRED || key->per == LIMIT_CRED_IP)
		key_add(key, who->cred,
			strnlen(who->cred, LIMIT_KEY_MAX - key->n));
	key->key = rate_key_of(slice_of(key->name, key->n));
}

bool
limit_key_valid(struct slice name)
{
	if (name.n == 0 || name.n > LIMIT_KEY_MAX)
		return false;
	switch (name.p[0]) {
	case KEY_CRED:
		return name.n > 1;
	case KEY_IP:
		return name.n == 18;
	case KEY_CRED_IP:
		return name.n > 18;
	case KEY_SITE:
		return name.n == 1;
	}
	return false;
}

static size_t
key_of(struct limit_binding *b, const struct limit_policy *policy,
       const struct limit_who *who)
{
	uint8_t bits = 0;
	size_t i;

	if (policy->per == LIMIT_IP || policy->per == LIMIT_CRED_IP)
		bits = ip_is_v4(&who->ip) ? policy->bits4 : policy->bits6;
	for (i = 0; i < b->key_count; i++)
		if (b->keys[i].per == policy->per && b->keys[i].bits == bits)
			return i;
	if (b->key_count == b->key_size) {
		b->key_size = b->key_size == 0 ? 2 : b->key_size * 2;
		b->keys = mem_resize(b->keys, b->key_size * sizeof(*b->keys));
	}
	b->keys[i].per = policy->per;
	b->keys[i].bits = bits;
	key_make(&b->keys[i], who);
	b->key_count++;
	return i;
}

/* --- binding --------------------------------------------------------- */

static size_t
count_of(const struct limit_rules *rules, unsigned counted)
{
	size_t n = 0;

	if ((rules->counted & counted) == 0)
		return 0;
	for (size_t i = 0; i < rules->rule_count; i++)
		n += (LIMIT_BIT(rules->rules[i].counted) & counted) != 0;
	return n;
}

/* Rules of a limit follow each other, so each limit is asked once. */
static void
bind_rules(struct limit_binding *b, const struct limit_who *who,
	   unsigned counted)
{
	const struct limit_rules *rules = b->rules;
	const struct limit_policy *policy = NULL;
	bool observe_all =
	    rules->observe ||
	    limit_names_have(&rules->observe_classes, who->class);
	bool *replaced = find_replaced(rules, who, observe_all);
	bool in = false;

	for (size_t i = 0; i < rules->rule_count; i++) {
		const struct limit_rule *rule = &rules->rules[i];

		if ((LIMIT_BIT(rule->counted) & counted) == 0)
			continue;
		if (rule->policy != policy) {
			policy = rule->policy;
			in = applies(policy, who) &&
			     !(replaced != NULL &&
			       replaced[policy - rules->policies]);
		}
		if (!in)
			continue;
		b->bound[b->count++] = (struct limit_bound){
		    .rule = rule,
		    .key = key_of(b, policy, who),
		    .limit = rule->rate.limit,
		    .observe = observe_all || policy->observe,
		};
	}
	free(replaced);
}

void
limit_bind(struct limit_binding *b, struct limit_rules **rules,
	   const struct limit_who *who, unsigned counted)
{
	size_t most = count_of(*rules, counted);

	*b = (struct limit_binding){.rules = *rules};
	*rules = NULL;
	if (most == 0)
		return;
	b->bound = mem_array(most, sizeof(*b->bound));
	bind_rules(b, who, counted);
}

void
limit_unbind(struct limit_binding *b)
{
	free(b->bound);
	free(b->keys);
	limit_rules_unref(&b->rules);
	*b = (struct limit_binding){0};
}
