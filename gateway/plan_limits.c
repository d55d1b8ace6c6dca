/*
 * From `limit` and `class` blocks to what policy/limits is told. The rates of
 * a limit stand in the order of enum limit_counted, each kind's in the order
 * of the file.
 */
#include "gateway/auth/user.h"
#include "gateway/base/arena.h"
#include "gateway/plan.h"

struct rate_list {
	struct limit_rate *v;
	size_t count;
};

static void
add_rates(struct rate_list *list, enum limit_counted counted,
	  const struct config_rates *rates)
{
	for (size_t i = 0; i < rates->count; i++)
		list->v[list->count++] = (struct limit_rate){
		    .counted = counted,
		    .limit = rates->v[i].limit,
		    .period_ms = rates->v[i].period_ms,
		    .burst = rates->v[i].burst,
		};
}

static struct rate_list
limit_rates(struct arena *arena, const struct config_limit *l)
{
	const struct {
		enum limit_counted counted;
		const struct config_rates *rates;
	} all[] = {
	    {LIMIT_MESSAGES, &l->messages},
	    {LIMIT_RECIPIENTS, &l->recipients},
	    {LIMIT_INTERNAL_RECIPIENTS, &l->internal_recipients},
	    {LIMIT_ALL_RECIPIENTS, &l->all_recipients},
	    {LIMIT_BYTES, &l->bytes},
	    {LIMIT_CONNECTIONS, &l->connections},
	    {LIMIT_NEW_CONNECTIONS, &l->new_connections},
	    {LIMIT_FAILED_LOGINS, &l->failed_logins},
	    {LIMIT_DEAD_DOMAINS, &l->dead_domains},
	};
	struct rate_list list = {.count = 0};
	size_t total = 0, kinds = sizeof(all) / sizeof(all[0]);

	for (size_t i = 0; i < kinds; i++)
		total += all[i].rates->count;
	list.v = plan_array(arena, total, sizeof(*list.v));
	for (size_t i = 0; i < kinds; i++)
		add_rates(&list, all[i].counted, all[i].rates);
	return list;
}

/* Logins as auth gives them: bob@DOMAIN in the file is bob. */
static const char *const *
limit_creds(struct arena *arena, const char *auth_domain,
	    const struct config_names *names)
{
	const char **creds = plan_array(arena, names->count, sizeof(*creds));
	struct buf key = {.cap = 1024};

	for (size_t i = 0; i < names->count; i++) {
		buf_clear(&key);
		creds[i] = names->v[i];
		if (user_normalise(slice_str(names->v[i]), auth_domain, &key) ==
		    0)
			creds[i] = arena_dup(arena, buf_slice(&key));
	}
	buf_fini(&key);
	return creds;
}

static void
make_limit(struct arena *arena, const char *auth_domain,
	   const struct config_limit *l, struct limit_conf *conf)
{
	struct rate_list rates = limit_rates(arena, l);

	*conf = (struct limit_conf){
	    .name = l->block.name,
	    .per = (enum limit_per)l->per,
	    .bits4 = (uint8_t)l->prefix.v4,
	    .bits6 = (uint8_t)l->prefix.v6,
	    .rates = rates.v,
	    .rate_count = rates.count,
	    .over = (enum limit_action)l->over.action,
	    .then = (enum limit_action)l->over.then,
	    .pace_percent = (uint16_t)l->over.percent,
	    .observe = l->observe,
	    .classes = l->classes.v,
	    .class_count = l->classes.count,
	    .creds = limit_creds(arena, auth_domain, &l->creds),
	    .cred_count = l->creds.count,
	    .replaces = l->replaces.v,
	    .replace_count = l->replaces.count,
	    .except = l->except.v,
	    .except_count = l->except.count,
	};
}

void
plan_limits(struct limits_conf *conf, const struct config *c,
	    const char *auth_domain, struct arena *arena)
{
	struct limit_conf *limits =
	    plan_array(arena, c->limits.count, sizeof(*limits));
	const char **observed =
	    plan_array(arena, c->classes.count, sizeof(*observed));
	size_t n = 0;

	for (size_t i = 0; i < c->limits.count; i++)
		make_limit(arena, auth_domain,
			   (const struct config_limit *)c->limits.v[i],
			   &limits[i]);
	for (size_t i = 0; i < c->classes.count; i++) {
		const struct config_class *class =
		    (const struct config_class *)c->classes.v[i];

		if (class->observe)
			observed[n++] = class->block.name;
	}
	*conf = (struct limits_conf){
	    .limits = limits,
	    .limit_count = c->limits.count,
	    .observe = c->observe,
	    .observe_classes = observed,
	    .observe_class_count = n,
	};
}
