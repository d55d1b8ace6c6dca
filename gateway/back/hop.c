#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/back/conn.h"
#include "gateway/back/lookup.h"
#include "gateway/back/site.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/smtp/client.h"

struct hop *
hop_create(struct relay *relay, const struct back_hop *conf,
	   struct tls_ctx *tls)
{
	struct hop *hop = mem_zalloc(sizeof(*hop));

	hop->relay = relay;
	hop->arena = arena_create(512);
	hop->conf = *conf;
	settings_copy_hop(hop->arena, &hop->conf);
	hop->tls = tls ? tls_ctx_share(tls) : NULL;
	hop->up = true;
	hop->since_wall_s = clock_wall_s();
	hop->lobby = dest_create(hop, DEST_LOBBY, "lobby");
	hop->grave = dest_create(hop, DEST_GRAVE, "grave");
	/* Whether it takes SMTPUTF8 is asked before mail comes. */
	if (conf->kind == BACK_SMTP)
		dest_of_lane(hop, LANE_PERSONAL)->probe = true;
	return hop;
}

void
hop_destroy(struct hop **hopp)
{
	struct hop *hop = *hopp;

	*hopp = NULL;
	if (!hop)
		return;
	lookup_drop_all(hop);
	while (hop->dests)
		dest_destroy(hop->dests);
	tls_ctx_destroy(&hop->tls);
	arena_destroy(&hop->arena);
	free(hop);
}

void
hop_worked(struct hop *hop)
{
	if (hop->up)
		return;
	hop->up = true;
	hop->since_wall_s = clock_wall_s();
	log_event(GW_LOG_INFO, "hop-up", LF_STR("hop", hop->conf.name));
}

void
hop_failed(struct hop *hop, struct slice text)
{
	(void)snprintf(hop->error, sizeof(hop->error), "%.*s", (int)text.n,
		       text.p ? text.p : "");
}

void
hop_down(struct hop *hop)
{
	/* One of many sites says nothing about an MX hop. */
	if (!hop->up || hop->conf.kind == BACK_MX)
		return;
	hop->up = false;
	hop->since_wall_s = clock_wall_s();
	log_event(GW_LOG_WARN, "hop-down", LF_STR("hop", hop->conf.name),
		  LF_STR("reply", hop->error));
}

/* False: one of them said no. */
static bool
hosts_offer_utf8(const struct hostset *hosts, bool *known)
{
	for (size_t i = 0; hosts && i < hosts->count; i++) {
		if (!hosts->host[i].caps_known)
			continue;
		if (!(hosts->host[i].caps & CLIENT_CAP_SMTPUTF8))
			return false;
		*known = true;
	}
	return true;
}

bool
hop_offers_utf8(const struct hop *hop)
{
	bool known = false;

	if (hop->conf.kind != BACK_SMTP)
		return true; /* a mailbox; or each domain for itself */
	for (const struct dest *dest = hop->dests; dest; dest = dest->hh.next) {
		if (!hosts_offer_utf8(dest->hosts, &known))
			return false;
	}
	return known;
}

void
hop_leave(struct hop *hop)
{
	struct dest *dest, *next;
	struct conn *conn, *next_conn;

	hop->gone = true;
	lookup_leave(hop);
	for (dest = hop->dests; dest; dest = next) {
		next = dest->hh.next;
		dest->probe = false;
		for (conn = TAILQ_FIRST(&dest->conns); conn; conn = next_conn) {
			next_conn = conn_next(conn);
			if (!conn_is_busy(conn))
				conn_close(&conn);
		}
		dest_up(dest);
		relay_kick(hop->relay, dest);
	}
}

bool
hop_unused(const struct hop *hop)
{
	for (const struct dest *dest = hop->dests; dest; dest = dest->hh.next) {
		if (dest->job_count > 0 || dest_busy(dest))
			return false;
	}
	return true;
}
