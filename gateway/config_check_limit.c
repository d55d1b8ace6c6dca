/*
 * What limits mean together. An error is what would lock people out, limit
 * nobody at all, or promise what cannot be done (pacing a connection); odd but
 * harmless is a warning.
 *
 * Not checked here, because the file cannot know: whether a class or a login
 * exists.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/config_int.h"
#include "policy/limits.h"
#include "ratelimit/rate.h"

static const struct config_limit *
limit_at(const struct config *c, size_t i)
{
	return (const struct config_limit *)c->limits.v[i];
}

static size_t
message_rates(const struct config_limit *l)
{
	return l->messages.count + l->recipients.count +
	       l->internal_recipients.count + l->all_recipients.count +
	       l->bytes.count;
}

static size_t
door_rates(const struct config_limit *l)
{
	return l->connections.count + l->new_connections.count +
	       l->failed_logins.count;
}

static size_t
all_rates(const struct config_limit *l)
{
	return message_rates(l) + door_rates(l) + l->dead_domains.count;
}

/* --- one limit --- */

/* One that was wrong counts as given: one mistake, one message. */
static bool
has_rate(const struct config_block *b)
{
	static const char *const names[] = {
	    "messages",	       "recipients",	"internal-recipients",
	    "all-recipients",  "bytes",		"connections",
	    "new-connections", "failed-logins", "dead-domains"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (config_is_set(b, names[i]))
			return true;
	}
	return false;
}

/* Of a limit that says nothing, and has no messages to pace. */
static void
default_over(struct config_limit *l)
{
	if (config_is_set(&l->block, "over") || message_rates(l) > 0)
		return;
	if (door_rates(l) > 0)
		l->over = (struct config_over){.action = LIMIT_DEFER};
	else if (l->dead_domains.count > 0)
		l->over = (struct config_over){.action = LIMIT_HOLD};
}

/* A connection or a login is there now: it cannot be sent later or kept. */
static void
check_over(struct config_reading *r, struct config_limit *l)
{
	static const char why[] =
	    "'%s' needs 'over defer' or 'over reject': make a limit of its own "
	    "for it";
	const struct config_rates *rates[] = {
	    &l->connections, &l->new_connections, &l->failed_logins};
	const char *names[] = {"connections", "new-connections",
			       "failed-logins"};

	if (l->over.action == LIMIT_DEFER || l->over.action == LIMIT_REJECT)
		return;
	for (size_t i = 0; i < 3; i++) {
		if (rates[i]->count > 0)
			config_error(r->problems, rates[i]->at[0], why,
				     names[i]);
	}
}

/* What pace would wait for, and bulk would refund, is a message's own charge;
 * a dead domain is of a login's past. */
static void
check_dead_domains(struct config_reading *r, const struct config_limit *l)
{
	struct config_place at;

	if (l->dead_domains.count == 0)
		return;
	at = l->dead_domains.at[0];
	if (l->per != LIMIT_CRED && l->per >= 0)
		config_error(r->problems, at,
			     "'dead-domains' needs 'per credential': it is the "
			     "login that they tell something of");
	if (l->over.action == LIMIT_PACE || l->over.action == LIMIT_BULK)
		config_error(r->problems, at,
			     "'dead-domains' needs 'over hold', 'over defer' "
			     "or 'over reject': make a limit of its own for "
			     "it");
}

/* One unit must be at least a millisecond, or the pace could not be kept to a
 * thousandth. */
static void
check_bursts(struct config_reading *r, const struct config_rates *rates)
{
	for (size_t i = 0; i < rates->count; i++) {
		const struct config_rate *rate = &rates->v[i];

		if (rate->burst > 0 && rate->limit > (uint64_t)rate->period_ms)
			config_error(r->problems, rates->at[i],
				     "with 'burst' a rate is at most 1000 a "
				     "second");
	}
}

static void
check_limit(struct config_reading *r, const struct config *c,
	    struct config_limit *l)
{
	const struct config_block *b = &l->block;
	bool by_address = l->per == LIMIT_IP || l->per == LIMIT_CRED_IP;

	if (!has_rate(b))
		config_error(r->problems, b->at,
			     "'limit %s' limits nothing: it needs 'messages', "
			     "'recipients', 'connections' or another rate",
			     b->name);
	if (l->failed_logins.count > 0 && l->per != LIMIT_IP && l->per >= 0)
		config_error(r->problems, l->failed_logins.at[0],
			     "'failed-logins' needs 'per ip': else anybody "
			     "could lock others out with wrong passwords");
	if (l->failed_logins.count > 0 && l->classes.count + l->creds.count > 0)
		config_error(r->problems, l->failed_logins.at[0],
			     "'failed-logins' is never of a class or a login: "
			     "nobody has logged in yet");
	if (config_is_set(b, "prefix") && !by_address && l->per >= 0)
		config_warn(r->problems, config_place_of(b, "prefix"),
			    "'prefix' does nothing without 'per ip' or 'per "
			    "credential-ip'");
	if (l->internal_recipients.count > 0 && c->internal.count == 0)
		config_warn(r->problems, l->internal_recipients.at[0],
			    "there is no 'internal': all recipients are "
			    "external");
	default_over(l);
	check_over(r, l);
	check_dead_domains(r, l);
	check_bursts(r, &l->messages);
	check_bursts(r, &l->recipients);
	check_bursts(r, &l->internal_recipients);
	check_bursts(r, &l->all_recipients);
	check_bursts(r, &l->new_connections);
	check_bursts(r, &l->failed_logins);
	check_bursts(r, &l->dead_domains);
}

/* --- replaces --- */

/* The limit of that name; limits.count: none. */
static size_t
limit_find(const struct config *c, const char *name)
{
	size_t i = 0;

	while (i < c->limits.count && strcmp(c->limits.v[i]->name, name) != 0)
		i++;
	return i;
}

static void
check_names(struct config_reading *r, const struct config *c,
	    const struct config_limit *l)
{
	struct config_place at = config_place_of(&l->block, "replaces");
	const char **names = mem_array(c->limits.count + 1, sizeof(*names));

	for (size_t i = 0; i < c->limits.count; i++)
		names[i] = c->limits.v[i]->name;
	for (size_t i = 0; i < l->replaces.count; i++) {
		const char *name = l->replaces.v[i];

		if (limit_find(c, name) < c->limits.count)
			continue;
		config_error(
		    r->problems, at, "there is no 'limit %s'%s", name,
		    config_nearest(r->arena, name, names, c->limits.count));
	}
	free(names);
	if (l->replaces.count > 0 && l->classes.count + l->creds.count == 0)
		config_warn(r->problems, at,
			    "'limit %s' is for everybody, so what it replaces "
			    "counts nobody",
			    l->block.name);
}

struct circle {
	const struct config *c;
	char *state; /* 0: new, 1: on the way, 2: done */
	size_t start;
};

/* Whether limit i comes back to one on the way. Depth: limits' maximum. */
static bool
in_circle(struct circle *circle, size_t i)
{
	const struct config_names *names = &limit_at(circle->c, i)->replaces;
	bool found = false;

	if (circle->state[i] != 0)
		return circle->state[i] == 1;
	circle->state[i] = 1;
	for (size_t j = 0; j < names->count && !found; j++) {
		size_t next = limit_find(circle->c, names->v[j]);

		if (next < circle->c->limits.count)
			found = in_circle(circle, next);
	}
	circle->state[i] = 2;
	return found;
}

/* Whoever is in all limits of a circle would be counted by none. */
static void
check_circles(struct config_reading *r, const struct config *c)
{
	struct circle circle = {.c = c,
				.state = mem_zalloc(c->limits.count + 1)};

	for (size_t i = 0; i < c->limits.count; i++) {
		const struct config_block *b = c->limits.v[i];

		if (circle.state[i] == 0 && in_circle(&circle, i))
			config_error(r->problems,
				     config_place_of(b, "replaces"),
				     "'limit %s' comes to replace itself: then "
				     "nobody is counted",
				     b->name);
	}
	free(circle.state);
}

/* --- all limits --- */

struct share {
	const char *name;
	size_t rates;
};

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct share *)a)->name,
		      ((const struct share *)b)->name);
}

/* The most rates that are for one class, or for one login. */
static size_t
most_rates(const struct config *c, bool creds)
{
	struct share *all;
	size_t total = 0, n = 0, most = 0, sum = 0;

	for (size_t i = 0; i < c->limits.count; i++)
		total += creds ? limit_at(c, i)->creds.count
			       : limit_at(c, i)->classes.count;
	all = mem_array(total + 1, sizeof(*all));
	for (size_t i = 0; i < c->limits.count; i++) {
		const struct config_limit *l = limit_at(c, i);
		const struct config_names *names =
		    creds ? &l->creds : &l->classes;

		for (size_t j = 0; j < names->count; j++)
			all[n++] = (struct share){names->v[j], all_rates(l)};
	}
	if (n > 1)
		qsort(all, n, sizeof(*all), by_name);
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && strcmp(all[i - 1].name, all[i].name) != 0)
			sum = 0;
		sum += all[i].rates;
		most = sum > most ? sum : most;
	}
	free(all);
	return most;
}

/* A recipient is charged for all its rates at once, all or nothing, so there
 * is a most of them. What `replaces` takes away is not looked at. */
static void
check_most(struct config_reading *r, const struct config *c)
{
	size_t rates = most_rates(c, false) + most_rates(c, true);

	for (size_t i = 0; i < c->limits.count; i++) {
		const struct config_limit *l = limit_at(c, i);

		if (l->classes.count + l->creds.count == 0)
			rates += all_rates(l);
	}
	if (rates > RATE_CHARGES_MAX)
		config_error(r->problems, c->limits.v[c->limits.count - 1]->at,
			     "%zu rates could count one login, at most %d can",
			     rates, RATE_CHARGES_MAX);
}

static void
check_binding(struct config_reading *r, const struct config *c)
{
	static const char why[] =
	    "'from-binding' lets no domain pass: there is neither 'internal' "
	    "nor a domain in 'auth'";

	if (c->internal.count > 0 || c->auth.domain != NULL)
		return;
	if (c->binding == CONFIG_BINDING_DOMAIN ||
	    c->binding == CONFIG_BINDING_OBSERVE)
		config_warn(r->problems,
			    config_place_of(&c->block, "from-binding"), why);
	for (size_t i = 0; i < c->classes.count; i++) {
		const struct config_class *class =
		    (const struct config_class *)c->classes.v[i];

		if (class->binding == CONFIG_BINDING_DOMAIN ||
		    class->binding == CONFIG_BINDING_OBSERVE)
			config_warn(
			    r->problems,
			    config_place_of(&class->block, "from-binding"),
			    why);
	}
}

void
config_check_limits(struct config_reading *r, struct config *c)
{
	for (size_t i = 0; i < c->limits.count; i++) {
		struct config_limit *l = (struct config_limit *)c->limits.v[i];

		check_limit(r, c, l);
		check_names(r, c, l);
	}
	check_circles(r, c);
	check_most(r, c);
	check_binding(r, c);
}
