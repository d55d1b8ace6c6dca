/*
 * What `dns` and `mx` mean together and beside the routes. Not checked here,
 * because only a question tells: whether a resolver answers, how fast, and
 * whether it tells the truth (gateway/control watches that).
 */
#include <string.h>

#include "gateway/config_int.h"

/* The same server twice is the same opinion twice. */
static void
check_second(struct config_reading *r, const struct config_dns *dns)
{
	for (size_t i = 0; i < dns->second.count; i++) {
		const struct sock_addr *a = &dns->second.v[i];

		for (size_t j = 0; j < dns->resolvers.count; j++) {
			const struct sock_addr *b = &dns->resolvers.v[j];
			char text[SOCK_ADDR_TEXT_SIZE];

			if (a->port != b->port || !ip_eq(&a->ip, &b->ip))
				continue;
			sock_addr_format(a, text);
			config_warn(r->problems, dns->second.at[i],
				    "%s is a 'resolver' already: its second "
				    "opinion is its first",
				    text);
		}
	}
}

static void
check_dns(struct config_reading *r, const struct config_dns *dns)
{
	const struct config_block *b = &dns->block;
	const char *waits =
	    config_is_set(b, "wait-message") ? "wait-message" : "wait";

	check_second(r, dns);
	if (dns->wait_ms > dns->wait_message_ms)
		config_error(r->problems, config_place_of(b, waits),
			     "one recipient would wait longer than all of a "
			     "message: 'wait' must be at most 'wait-message'");
	if (dns->in_flight_per_login > dns->in_flight)
		config_warn(r->problems,
			    config_place_of(b, "in-flight-per-login"),
			    "one login may take all that is 'in-flight'");
	for (size_t i = 0; i < dns->except.count; i++) {
		if (strcmp(dns->except.v[i], "localhost") == 0)
			config_error(r->problems, config_place_of(b, "except"),
				     "'localhost' is this host for everybody: "
				     "no mail can go there");
	}
}

const char *
config_any_set(const struct config_block *b)
{
	size_t first, count;

	config_scope(b->scope, &first, &count);
	for (size_t i = 0; i < count; i++) {
		if (b->origins[i].at.line > 0)
			return config_row_name(config_row(first + i));
	}
	return NULL;
}

static void
check_mx(struct config_reading *r, const struct config *c)
{
	const struct config_block *b = &c->mx.block;
	const char *set = config_any_set(b);
	bool used = c->bulk.via.kind == CONFIG_VIA_MX;

	for (size_t i = 0; i < c->routes.count; i++)
		used |= config_route(c, i)->via.kind == CONFIG_VIA_MX;
	if (set != NULL && !used)
		config_warn(r->problems, config_place_of(b, set),
			    "'mx' does nothing without a route 'via mx'");
	if (config_is_set(b, "dane") && c->mx.dane &&
	    c->mx.tls == CONFIG_RELAY_NONE)
		config_warn(r->problems, config_place_of(b, "dane"),
			    "'dane on' does nothing with 'tls none'");
}

void
config_check_dns(struct config_reading *r, const struct config *c)
{
	check_dns(r, &c->dns);
	check_mx(r, c);
}
