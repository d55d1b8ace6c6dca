/*
 * What `bulk` means together. An error is what would stop all mail to
 * somebody, or promise what nothing keeps; odd but harmless is a warning.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/config_int.h"
#include "policy/limits.h"

/* A '+' or '@' in it could not be told from the login's own. */
static void
check_suffix(struct config_reading *r, const struct config_bulk *bulk)
{
	if (bulk->suffix == NULL || config_is_name(bulk->suffix))
		return;
	config_error(r->problems, config_place_of(&bulk->block, "suffix"),
		     "'suffix' takes letters, digits, '.', '_' and '-'");
}

static void
check_warmup(struct config_reading *r, const struct config_bulk *bulk)
{
	bool plan = config_is_set(&bulk->block, "warm-up");
	bool from = config_is_set(&bulk->block, "warm-up-from");

	if (plan && !from)
		config_error(r->problems,
			     config_place_of(&bulk->block, "warm-up"),
			     "'warm-up' needs its first day: write "
			     "'warm-up-from 2026-12-31;'");
	if (from && !plan)
		config_warn(r->problems,
			    config_place_of(&bulk->block, "warm-up-from"),
			    "'warm-up-from' does nothing without 'warm-up'");
}

static void
check_shares(struct config_reading *r, const struct config_bulk *bulk)
{
	if (bulk->warn.v[1] != 0)
		config_error(r->problems, config_place_of(&bulk->block, "warn"),
			     "'warn' takes 'bounces' alone: complaints come "
			     "too seldom to warn of them first");
	if (bulk->stop.v[0] != 0 && bulk->warn.v[0] >= bulk->stop.v[0] &&
	    config_is_set(&bulk->block, "warn"))
		config_warn(r->problems, config_place_of(&bulk->block, "warn"),
			    "'warn' does nothing: 'stop' is sooner");
}

static bool
has_bulk_limit(const struct config *c)
{
	for (size_t i = 0; i < c->limits.count; i++) {
		const struct config_over *over =
		    &((const struct config_limit *)c->limits.v[i])->over;

		if (over->action == LIMIT_BULK ||
		    (over->action == LIMIT_PACE && over->then == LIMIT_BULK))
			return true;
	}
	return false;
}

bool
config_has_bulk(const struct config *c)
{
	const struct config_bulk *bulk = &c->bulk;
	bool found = bulk->headers || bulk->when.recipients > 0 ||
		     bulk->when.same > 0 || bulk->suffix != NULL;

	for (size_t i = 0; i < c->listens.count; i++)
		found |= config_listen(c, i)->bulk;
	for (size_t i = 0; i < c->classes.count; i++)
		found |= ((const struct config_class *)c->classes.v[i])->bulk;
	return found || has_bulk_limit(c);
}

void
config_check_bulk(struct config_reading *r, const struct config *c)
{
	const struct config_bulk *bulk = &c->bulk;

	config_check_via(r, c, &c->bulk.block, &c->bulk.via);
	check_suffix(r, bulk);
	check_warmup(r, bulk);
	check_shares(r, bulk);
	if (bulk->block.at.line > 0 && !config_has_bulk(c))
		config_warn(r->problems, bulk->block.at,
			    "'bulk' makes nothing a mass mailing: it needs "
			    "'when', 'headers' or 'suffix'");
}
