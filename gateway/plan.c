/*
 * From directives to the options of the units. No decision is made here but
 * one: `via mx` and each `via maildir:` become a next hop of their own behind
 * the relays.
 */
#include "gateway/plan.h"

#include <string.h>

#include "gateway/base/arena.h"

/* A hop that no block describes; as the table's defaults for relays. */
#define MAILDIR_CONNECTIONS 20
#define MAILDIR_MESSAGES 100
#define MAILDIR_IDLE_MS 5000

#define CONTACT "the postmaster"

void *
plan_array(struct arena *arena, size_t count, size_t size)
{
	void *p = arena_alloc(arena, count * size + 1);

	memset(p, 0, count * size + 1);
	return p;
}

/* --- front --- */

static enum front_tls
front_tls(int tls)
{
	switch ((enum config_tls_mode)tls) {
	case CONFIG_STARTTLS:
		return FRONT_TLS_STARTTLS;
	case CONFIG_IMPLICIT:
		return FRONT_TLS_IMPLICIT;
	case CONFIG_TLS_NONE:
		return FRONT_TLS_NONE;
	}
	return FRONT_TLS_STARTTLS;
}

static const struct config_class *
class_at(const struct config *c, size_t i)
{
	return (const struct config_class *)c->classes.v[i];
}

static const struct front_class *
front_classes(struct arena *arena, const struct config *c)
{
	struct front_class *classes =
	    plan_array(arena, c->classes.count, sizeof(*classes));

	for (size_t i = 0; i < c->classes.count; i++) {
		const struct config_class *class = class_at(c, i);

		classes[i] = (struct front_class){
		    .name = class->block.name,
		    .binding = class->binding,
		    .scan_down =
			class->down < 0 ? -1 : (int)plan_down(class->down),
		    .scan_unscannable =
			class->unscannable < 0
			    ? -1
			    : (int)plan_unscannable(class->unscannable),
		    .bulk = class->bulk,
		    .confirm = class->confirm < 0 ? c->bulk.confirm
						  : class->confirm != 0,
		};
	}
	return classes;
}

static void
make_front(struct plan *plan, const struct config *c,
	   const struct config *started, const struct sockets *sockets)
{
	struct front_conf *front = &plan->front;
	struct front_listener *listeners;
	size_t count = 0, listen;
	int fd;

	while (sockets_get(sockets, count, &fd, &listen))
		count++;
	listeners = plan_array(plan->arena, count, sizeof(*listeners));
	for (size_t i = 0; sockets_get(sockets, i, &fd, &listen); i++) {
		const struct config_listen *l = config_listen(c, listen);

		listeners[i] = (struct front_listener){
		    .name = l->block.name,
		    .fd = fd,
		    .tls = front_tls(l->tls),
		    .insecure_auth = l->insecure_auth,
		    .normalise = l->line_endings == CONFIG_NORMALISE,
		    .proxy = l->proxy.v,
		    .proxy_count = l->proxy.count,
		    .bulk = l->bulk,
		};
	}
	*front = (struct front_conf){
	    .hostname = c->hostname,
	    .message_size_max = c->message_size,
	    .recipient_max = (uint32_t)c->recipients,
	    .connection_max = (uint32_t)c->connections,
	    .connection_address_max = (uint32_t)c->connections_per_address,
	    .idle_ms = c->idle_ms,
	    .preauth_ms = c->preauth_ms,
	    .progress_bytes_s = (uint32_t)c->min_rate,
	    .resubmission = c->resubmission,
	    .binding = (enum binding)c->binding,
	    .classes = front_classes(plan->arena, c),
	    .class_count = c->classes.count,
	    .internal = c->internal.v,
	    .internal_count = c->internal.count,
	    .auth_domain = started->auth.domain,
	    .contact = c->contact != NULL ? c->contact : CONTACT,
	    .dns = plan->dns.resolver,
	    .domain_wait_ms = c->dns.wait_ms,
	    .domain_wait_message_ms = c->dns.wait_message_ms,
	    .scan_wait_ms = c->scan.wait_ms,
	    .scan_down = plan_down(c->scan.down),
	    .scan_unscannable = plan_unscannable(c->scan.unscannable),
	    .scan_infected = plan_infected(c->scan.infected),
	    .scan_text = c->scan.texts,
	    .token_keys = plan_tokens(plan->arena, c),
	    .token_key_count = c->scan.token_keys.count,
	    .token_age_s = c->scan.cache_age_ms / 1000,
	    .token_sign = c->scan.token_sign,
	    .bulk = {.on = config_has_bulk(c),
		     .suffix = c->bulk.suffix,
		     .confirm = c->bulk.confirm},
	    .dkim = c->dkim_keys,
	    .unsubscribe = c->bulk.unsubscribe,
	    .listeners = listeners,
	    .listener_count = count,
	    .tls = c->tls_ctx,
	};
}

/* --- back --- */

enum back_tls
plan_tls(int tls)
{
	switch ((enum config_relay_tls)tls) {
	case CONFIG_RELAY_NONE:
		return BACK_TLS_NONE;
	case CONFIG_RELAY_OPPORTUNISTIC:
		return BACK_TLS_OPPORTUNISTIC;
	case CONFIG_RELAY_REQUIRED:
		return BACK_TLS_REQUIRED;
	case CONFIG_RELAY_IMPLICIT:
		return BACK_TLS_IMPLICIT;
	}
	return BACK_TLS_REQUIRED;
}

static struct back_hop
relay_hop(struct arena *arena, const struct config_relay *relay)
{
	struct back_host *hosts =
	    plan_array(arena, relay->hosts.count, sizeof(*hosts));

	for (size_t i = 0; i < relay->hosts.count; i++)
		hosts[i] = (struct back_host){
		    relay->hosts.v[i].name, relay->hosts.v[i].port,
		    relay->hosts.v[i].weight, relay->hosts.v[i].priority};
	return (struct back_hop){
	    .name = relay->block.name,
	    .kind = BACK_SMTP,
	    .hosts = hosts,
	    .host_count = relay->hosts.count,
	    .tls = plan_tls(relay->tls),
	    .tls_verify = relay->verify,
	    .ca_file = relay->ca,
	    .user = relay->login.name,
	    .password = relay->login.password,
	    .eightbit_pass = relay->eightbit != 0,
	    .tokens =
		relay->scan_token != 0 ? BACK_TOKENS_KEEP : BACK_TOKENS_STRIP,
	    .connection_max = (uint32_t)relay->connections,
	    .messages_max = (uint32_t)relay->messages_per_connection,
	    .source = relay->source.set ? &relay->source.ip : NULL,
	    .timeout_ms = relay->timeout_ms,
	    .idle_ms = relay->idle_ms,
	};
}

static struct back_hop
other_hop(struct arena *arena, const struct config *c,
	  const struct config_via *via)
{
	struct back_hop hop = {
	    .kind = BACK_MAILDIR,
	    .maildir = via->dir,
	    .connection_max = MAILDIR_CONNECTIONS,
	    .messages_max = MAILDIR_MESSAGES,
	    .idle_ms = MAILDIR_IDLE_MS,
	};
	struct buf name = {.cap = 8192};

	if (via->kind == CONFIG_VIA_MX)
		return plan_mx(c);
	buf_printf(&name, "maildir:%s", via->dir);
	hop.name = arena_dup(arena, buf_slice(&name));
	buf_fini(&name);
	return hop;
}

/* The index of the route's hop; one that no relay describes is added. */
static size_t
hop_of(struct plan *plan, const struct config *c, struct back_hop *hops,
       size_t *count, const struct config_via *via)
{
	struct back_hop hop;

	if (via->kind == CONFIG_VIA_RELAY) {
		for (size_t i = 0; i < c->relays.count; i++) {
			if (strcmp(c->relays.v[i]->name, via->relay) == 0)
				return i;
		}
	}
	hop = other_hop(plan->arena, c, via);
	for (size_t i = c->relays.count; i < *count; i++) {
		if (strcmp(hops[i].name, hop.name) == 0)
			return i;
	}
	hops[*count] = hop;
	return (*count)++;
}

static void
make_routes(struct plan *plan, const struct config *c)
{
	struct back_conf *back = &plan->back;
	struct back_hop *hops = plan_array(
	    plan->arena, c->relays.count + c->routes.count + 1, sizeof(*hops));
	struct back_route *routes =
	    plan_array(plan->arena, c->routes.count, sizeof(*routes));

	for (size_t i = 0; i < c->relays.count; i++)
		hops[i] = relay_hop(plan->arena, config_relay(c, i));
	back->hop_count = c->relays.count;
	for (size_t i = 0; i < c->routes.count; i++) {
		const struct config_route *route = config_route(c, i);

		routes[i] = (struct back_route){
		    .domains = route->domains.v,
		    .domain_count = route->domains.count,
		    .hop = hop_of(plan, c, hops, &back->hop_count, &route->via),
		};
	}
	plan_bulk(&back->bulk, c, plan->arena);
	back->bulk.own_hop = plan_has_bulk_hop(c);
	if (back->bulk.own_hop)
		back->bulk.hop =
		    hop_of(plan, c, hops, &back->hop_count, &c->bulk.via);
	plan_hop_tokens(hops, back->hop_count, c);
	back->hops = hops;
	back->routes = routes;
	back->route_count = c->routes.count;
}

static const struct back_class *
back_classes(struct arena *arena, const struct config *c)
{
	struct back_class *classes =
	    plan_array(arena, c->classes.count, sizeof(*classes));

	for (size_t i = 0; i < c->classes.count; i++)
		classes[i] = (struct back_class){
		    .name = class_at(c, i)->block.name,
		    .weight = (uint32_t)class_at(c, i)->weight,
		};
	return classes;
}

static void
make_back(struct plan *plan, const struct config *c,
	  const struct config *started, const char *postmaster)
{
	struct back_conf *back = &plan->back;
	size_t own = c->internal.count, waits = c->retry.after.count;
	const char **domains =
	    plan_array(plan->arena, own + 1, sizeof(*domains));
	int64_t *retry = plan_array(plan->arena, waits, sizeof(*retry));

	for (size_t i = 0; i < own; i++)
		domains[i] = c->internal.v[i];
	if (c->auth.domain != NULL)
		domains[own++] = c->auth.domain;
	for (size_t i = 0; i < waits; i++)
		retry[i] = c->retry.after.v[i] / 1000;
	make_routes(plan, c);
	back->hostname = c->hostname;
	back->postmaster = postmaster;
	back->own_domains = domains;
	back->own_domain_count = own;
	back->retry_s = retry;
	back->retry_count = waits;
	back->expire_s = c->retry.expire_ms / 1000;
	/* told in seconds: half a second must not become "never" */
	back->delay_notice_s = (c->retry.delay_notice_ms + 999) / 1000;
	back->dns = plan->dns.resolver;
	back->connection_max = (uint32_t)c->delivery_connections;
	back->scan_infected = plan_infected(c->scan.infected);
	back->scan_text = c->scan.texts;
	back->scan_replacement = c->scan.replacement;
	back->scan_subject = c->scan.subject != NULL ? c->scan.subject : "";
	back->dkim = c->dkim_keys;
	back->quarantine_s = c->scan.quarantine_ms / 1000;
	back->classes = back_classes(plan->arena, c);
	back->class_count = c->classes.count;
	back->local_users = !started->auth.backend.dovecot;
}

/* --- all --- */

void
plan_make(struct plan *plan, const struct config *c,
	  const struct config *started, const struct sockets *sockets)
{
	struct buf postmaster = {.cap = 512};
	const char *kept;

	memset(plan, 0, sizeof(*plan));
	plan->arena = arena_create(4096);
	buf_printf(&postmaster, "postmaster@%s", c->hostname);
	kept = arena_dup(plan->arena, buf_slice(&postmaster));
	buf_fini(&postmaster);
	plan_dns(&plan->dns, c, started->auth.domain, plan->arena);
	make_front(plan, c, started, sockets);
	make_back(plan, c, started, kept);
	plan_limits(&plan->limits, c, started->auth.domain, plan->arena);
	plan_scan(&plan->scan, c, &plan->dns.resolver, plan->arena);
	plan_campaigns(&plan->campaigns, c);
	plan->control = (struct control_conf){
	    .alert_mail = c->alert.mail,
	    .alert_exec = c->alert.exec,
	    .hostname = c->hostname,
	    .postmaster = kept,
	    .auth_domain = started->auth.domain,
	    .dns = plan->dns.resolver,
	    .dns_check = c->dns.check,
	    .dns_asks = plan->dns.asks,
	    .scan_texts = c->scan.texts,
	};
}

void
plan_fini(struct plan *plan)
{
	arena_destroy(&plan->arena);
}

void
plan_auth(struct auth_opts *opts, const struct config *c)
{
	const struct config_auth *auth = &c->auth;

	*opts = (struct auth_opts){
	    .backend = auth->backend.dovecot ? AUTH_DOVECOT : AUTH_LOCAL,
	    .dovecot_socket = auth->backend.path,
	    .domain = auth->domain,
	    .worker_count = (unsigned)auth->workers,
	    .queue_max = (unsigned)auth->hash_queue,
	    .cache_ms = auth->cache_ms > 0 ? auth->cache_ms : -1,
	    .fail_max = (unsigned)auth->failures,
	    .fail_window_ms = auth->failure_window_ms,
	    .fail_block_ms = auth->failure_block_ms,
	    .fail_delay_ms = auth->fail_delay_ms > 0 ? auth->fail_delay_ms : -1,
	};
}

void
plan_log(struct log_opts *opts, const struct config *c)
{
	*opts = (struct log_opts){
	    .target = c->log.to.target,
	    .format = (enum log_format)c->log.format,
	    .level = (enum log_level)c->log.level,
	    .path = c->log.to.path,
	};
}
