/*
 * What `scan` means together. Not checked here, because only the server tells:
 * whether it answers, and whether it finds anything (gateway/scan asks it with
 * a canary).
 */
#include <string.h>

#include "gateway/config_int.h"

static bool
is_local(const struct config_scan_server *server)
{
	struct ip_addr ip;

	return strcmp(server->host, "localhost") == 0 ||
	       (ip_parse(slice_str(server->host), &ip) == 0 &&
		ip_is_loopback(&ip));
}

/* The same service twice would be asked twice for what it could not do. */
static void
check_twice(struct config_reading *r, const struct config_scan *scan, size_t i)
{
	const struct config_scan_server *mine = &scan->servers.v[i];

	for (size_t j = 0; j < i; j++) {
		const struct config_scan_server *other = &scan->servers.v[j];

		if (strcmp(mine->host, other->host) != 0 ||
		    mine->port != other->port ||
		    strcmp(mine->service, other->service) != 0)
			continue;
		config_error(r->problems, mine->at,
			     "this server stands at %s:%u:%u already",
			     other->at.file, other->at.line, other->at.column);
		return;
	}
}

static void
check_servers(struct config_reading *r, const struct config_scan *scan)
{
	for (size_t i = 0; i < scan->servers.count; i++) {
		const struct config_scan_server *server = &scan->servers.v[i];

		check_twice(r, scan, i);
		if (server->tls || is_local(server))
			continue;
		config_warn(r->problems, server->at,
			    "attachments go to '%s' in the clear, and who is "
			    "in between can call them clean: icaps is better",
			    server->host);
	}
}

static void
check_tls(struct config_reading *r, const struct config_scan *scan)
{
	const struct config_block *b = &scan->block;
	bool tls = false;

	for (size_t i = 0; i < scan->servers.count; i++)
		tls |= scan->servers.v[i].tls;
	if (scan->ca != NULL && (!tls || !scan->verify))
		config_warn(r->problems, config_place_of(b, "ca"),
			    "'ca' does nothing here: no certificate is "
			    "verified");
	if (tls && !scan->verify)
		config_warn(r->problems, config_place_of(b, "verify"),
			    "with 'verify off' whoever answers in a scanner's "
			    "place can call everything clean");
}

void
config_check_scan(struct config_reading *r, const struct config *c)
{
	const struct config_scan *scan = &c->scan;
	const struct config_block *b = &scan->block;
	const char *part = config_is_set(b, "message-timeout")
			       ? "message-timeout"
			       : "part-timeout";

	if (!config_is_set(b, "server") && config_any_set(b) != NULL)
		config_warn(r->problems, b->at,
			    "nothing is scanned: 'scan' has no 'server'");
	check_servers(r, scan);
	if (scan->servers.count > 0)
		check_tls(r, scan);
	config_check_token_use(r, c);
	if (scan->part_timeout_ms > scan->message_timeout_ms)
		config_error(r->problems, config_place_of(b, part),
			     "one part would take longer than all of a "
			     "message: 'part-timeout' must be at most "
			     "'message-timeout'");
	if ((r->flags & CONFIG_NO_SYSTEM) == 0)
		config_check_ca(r, scan->ca, config_place_of(b, "ca"));
}
