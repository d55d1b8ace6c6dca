#include "policy/domains_int.h"

#include <string.h>

#include "gateway/base/mem.h"

struct domain_rule *
domain_set_get(const struct domain_set *set, struct slice name)
{
	struct domain_rule *rule;

	HASH_FIND(hh, set->rules, name.p, name.n, rule);
	return rule;
}

struct domain_rule *
domain_set_add(struct domain_set *set, struct slice name)
{
	struct domain_rule *rule = mem_zalloc(sizeof(*rule) + name.n + 1);

	rule->n = name.n;
	memcpy(rule->name, name.p, name.n);
	HASH_ADD_KEYPTR(hh, set->rules, rule->name, rule->n, rule);
	set->count++;
	set->below += rule->name[0] == '.';
	return rule;
}

void
domain_set_del(struct domain_set *set, struct domain_rule **rule)
{
	struct domain_rule *r = *rule;

	*rule = NULL;
	HASH_DEL(set->rules, r);
	set->count--;
	set->below -= r->name[0] == '.';
	free(r->by);
	free(r->why);
	free(r);
}

void
domain_set_fini(struct domain_set *set)
{
	struct domain_rule *rule, *next;

	HASH_ITER(hh, set->rules, rule, next)
	domain_set_del(set, &rule);
}

static const struct domain_rule *
in_force(const struct domain_rule *rule, int64_t now_wall_s)
{
	if (rule != NULL && rule->until_wall_s != 0 &&
	    rule->until_wall_s <= now_wall_s)
		return NULL;
	return rule;
}

/* One look for the name and one for each of its parents. */
const struct domain_rule *
domain_set_find(const struct domain_set *set, struct slice domain, bool itself,
		int64_t now_wall_s)
{
	char dotted[DOMAIN_RULE_MAX + 1];
	struct slice below;
	const struct domain_rule *rule;

	/* a dot in front is a rule's, and of no name */
	if (set->count == 0 || domain.n == 0 || domain.n > DOMAIN_RULE_MAX ||
	    domain.p[0] == '.')
		return NULL;
	rule = in_force(domain_set_get(set, domain), now_wall_s);
	if (rule != NULL || set->below == 0)
		return rule;
	dotted[0] = '.';
	memcpy(dotted + 1, domain.p, domain.n);
	below = slice_of(dotted, domain.n + 1);
	if (!itself)
		below = slice_from(below, 1 + slice_find(domain, '.'));
	while (below.n > 0 && rule == NULL) {
		rule = in_force(domain_set_get(set, below), now_wall_s);
		below = slice_from(below, 1);
		below = slice_from(below, slice_find(below, '.'));
	}
	return rule;
}
