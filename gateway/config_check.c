/*
 * What the directives mean together and in this system: references, unsafe
 * combinations, certificates, password files, users. An unsafe combination is
 * an error and not a warning: a gateway that relays for everybody, or takes
 * passwords in the clear, must not start.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/mem.h"
#include "gateway/base/secret.h"
#include "gateway/config_int.h"

static const struct config_origin *
origin_of(const struct config_block *block, const char *name)
{
	const struct config_row *row = config_row_find(block->scope, name);
	size_t first, count;

	config_scope(block->scope, &first, &count);
	return &block->origins[row - config_row(first)];
}

struct config_place
config_place_of(const struct config_block *block, const char *name)
{
	const struct config_origin *origin = origin_of(block, name);

	return origin->at.line > 0 ? origin->at : block->at;
}

bool
config_is_set(const struct config_block *block, const char *name)
{
	return origin_of(block, name)->at.line > 0;
}

/* --- listen --- */

static void
check_clear(struct config_reading *r, const struct config_listen *listen)
{
	for (size_t i = 0; i < listen->addresses.count; i++) {
		char text[SOCK_ADDR_TEXT_SIZE];

		if (ip_is_loopback(&listen->addresses.v[i].ip))
			continue;
		sock_addr_format(&listen->addresses.v[i], text);
		if (listen->tls == CONFIG_TLS_NONE)
			config_error(r->problems, listen->addresses.at[i],
				     "'tls none' on %s, which is not loopback: "
				     "passwords and mail would pass in the "
				     "clear",
				     text);
		else if (listen->insecure_auth)
			config_error(r->problems, listen->addresses.at[i],
				     "'insecure-auth on' with %s, which is not "
				     "loopback",
				     text);
	}
	if (listen->tls == CONFIG_TLS_NONE && !listen->insecure_auth)
		config_warn(r->problems, config_place_of(&listen->block, "tls"),
			    "nobody can log in on '%s': 'tls none' needs "
			    "'insecure-auth on'",
			    listen->block.name);
	if (listen->tls != CONFIG_TLS_NONE && listen->insecure_auth)
		config_warn(r->problems,
			    config_place_of(&listen->block, "insecure-auth"),
			    "'insecure-auth' does nothing without 'tls none'");
}

static bool
same_address(const struct sock_addr *a, const struct sock_addr *b)
{
	static const struct ip_addr any;

	return a->port == b->port &&
	       (ip_eq(&a->ip, &b->ip) || ip_eq(&a->ip, &any) ||
		ip_eq(&b->ip, &any));
}

/* The first address before (listen, at) that takes the same port. */
static void
check_taken(struct config_reading *r, const struct config *c, size_t listen,
	    size_t at)
{
	const struct config_addrs *mine = &config_listen(c, listen)->addresses;

	for (size_t i = 0; i <= listen; i++) {
		const struct config_addrs *a = &config_listen(c, i)->addresses;
		size_t end = i == listen ? at : a->count;

		for (size_t j = 0; j < end; j++) {
			if (!same_address(&a->v[j], &mine->v[at]))
				continue;
			config_error(r->problems, mine->at[at],
				     "port %u is taken by 'listen %s' at "
				     "%s:%u:%u",
				     (unsigned)mine->v[at].port,
				     config_listen(c, i)->block.name,
				     a->at[j].file, a->at[j].line,
				     a->at[j].column);
			return;
		}
	}
}

static void
check_listens(struct config_reading *r, const struct config *c)
{
	for (size_t i = 0; i < c->listens.count; i++) {
		const struct config_listen *listen = config_listen(c, i);

		check_clear(r, listen);
		for (size_t j = 0; j < listen->addresses.count; j++)
			check_taken(r, c, i, j);
		if (listen->tls != CONFIG_TLS_NONE && c->tls.block.at.line == 0)
			config_error(r->problems,
				     config_place_of(&listen->block, "tls"),
				     "'listen %s' needs a certificate: there "
				     "is no 'tls { certificate PATH; key PATH; "
				     "}'",
				     listen->block.name);
	}
}

/* --- relay and route --- */

static bool
all_loopback(const struct config_hosts *hosts)
{
	for (size_t i = 0; i < hosts->count; i++) {
		struct ip_addr ip;

		if (ip_parse(slice_str(hosts->v[i].name), &ip) != 0 ||
		    !ip_is_loopback(&ip))
			return false;
	}
	return true;
}

static void
check_relay(struct config_reading *r, const struct config_relay *relay)
{
	const struct config_block *b = &relay->block;
	bool certain = relay->tls == CONFIG_RELAY_REQUIRED ||
		       relay->tls == CONFIG_RELAY_IMPLICIT;

	if (strcmp(b->name, "mx") == 0)
		config_error(r->problems, b->at,
			     "a relay cannot be called 'mx': 'via mx' means "
			     "each domain's own");
	if (relay->login.name != NULL && !certain &&
	    !all_loopback(&relay->hosts))
		config_error(r->problems, config_place_of(b, "login"),
			     "'login' needs 'tls required' or 'tls implicit': "
			     "else the password could pass in the clear");
	if (config_is_set(b, "verify") && relay->verify && !certain)
		config_warn(r->problems, config_place_of(b, "verify"),
			    "'verify on' does nothing without 'tls required' "
			    "or 'tls implicit'");
	if (relay->ca != NULL && (!certain || !relay->verify))
		config_warn(r->problems, config_place_of(b, "ca"),
			    "'ca' does nothing here: the certificate is not "
			    "verified");
}

struct routed {
	const char *domain;
	const struct config_route *route;
	size_t order;
};

static int
by_domain(const void *a, const void *b)
{
	const struct routed *x = a, *y = b;
	int order = strcmp(x->domain, y->domain);

	if (order != 0)
		return order;
	return x->order < y->order ? -1 : x->order > y->order;
}

static void
check_domains(struct config_reading *r, const struct config *c)
{
	struct routed *all;
	size_t total = 0, n = 0;

	for (size_t i = 0; i < c->routes.count; i++)
		total += config_route(c, i)->domains.count;
	all = mem_array(total, sizeof(*all));
	for (size_t i = 0; i < c->routes.count; i++) {
		const struct config_route *route = config_route(c, i);

		for (size_t j = 0; j < route->domains.count; j++, n++)
			all[n] = (struct routed){route->domains.v[j], route, n};
	}
	if (n > 1)
		qsort(all, n, sizeof(*all), by_domain);
	for (size_t i = 1; i < n; i++) {
		if (strcmp(all[i - 1].domain, all[i].domain) == 0)
			config_error(
			    r->problems,
			    config_place_of(&all[i].route->block, "domain"),
			    "'%s' stands in 'route %s' already",
			    config_word_text(r->arena, all[i].domain),
			    all[i - 1].route->block.name);
	}
	free(all);
}

void
config_check_via(struct config_reading *r, const struct config *c,
		 const struct config_block *block, const struct config_via *via)
{
	const char **names;
	size_t n = 0;

	if (via->kind != CONFIG_VIA_RELAY || via->relay == NULL ||
	    config_relay_find(c, via->relay) != NULL)
		return;
	names = mem_array(c->relays.count + 1, sizeof(*names));
	for (; n < c->relays.count; n++)
		names[n] = c->relays.v[n]->name;
	names[n++] = "mx";
	config_error(r->problems, config_place_of(block, "via"),
		     "there is no 'relay %s'%s",
		     config_word_text(r->arena, via->relay),
		     config_nearest(r->arena, via->relay, names, n));
	free(names);
}

static void
check_routes(struct config_reading *r, const struct config *c)
{
	bool found = false;

	for (size_t i = 0; i < c->routes.count; i++) {
		const struct config_route *route = config_route(c, i);
		bool is_default = strcmp(route->block.name, "default") == 0;

		found |= is_default;
		if (is_default && config_is_set(&route->block, "domain"))
			config_error(r->problems,
				     config_place_of(&route->block, "domain"),
				     "'route default' takes all that others "
				     "leave: it has no 'domain'");
		if (!is_default && !config_is_set(&route->block, "domain"))
			config_error(r->problems, route->block.at,
				     "'route %s' has no 'domain'",
				     route->block.name);
		config_check_via(r, c, &route->block, &route->via);
	}
	if (!found && c->routes.count > 0)
		config_error(r->problems, c->block.at,
			     "there is no 'route default': other mail has "
			     "nowhere to go");
	check_domains(r, c);
}

static void
check_retry(struct config_reading *r, struct config_retry *retry)
{
	if (retry->delay_notice_ms < retry->expire_ms)
		return;
	if (config_is_set(&retry->block, "delay-notice"))
		config_error(r->problems,
			     config_place_of(&retry->block, "delay-notice"),
			     "'delay-notice' must be shorter than 'expire'");
	/* the default would never come about: say so in `config show` */
	retry->delay_notice_ms = 0;
}

/* --- the system --- */

static void
check_mode(struct config_reading *r, const char *path, struct config_place at)
{
	struct stat st;

	if (stat(path, &st) == 0 && (st.st_mode & 0007) != 0)
		config_warn(r->problems, at,
			    "everybody can read '%s': chmod 0640",
			    config_word_text(r->arena, path));
}

static void
check_certificate(struct config_reading *r, struct config *c)
{
	const struct tls_server_opts opts = {c->tls.certificate, c->tls.key};
	char error[512] = "";

	if (c->tls.certificate == NULL || c->tls.key == NULL)
		return;
	if (tls_server_create(&c->tls_ctx, &opts, error, sizeof(error)) != 0) {
		config_error(r->problems,
			     config_place_of(&c->tls.block, "certificate"),
			     "the certificate and its key cannot be used: %s",
			     config_word_text(r->arena, error));
		return;
	}
	check_mode(r, c->tls.key, config_place_of(&c->tls.block, "key"));
}

const char *
config_secret_read(const char *path, char room[SECRET_LINE_MAX + 2])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return strerror(errno);
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return "not a regular file";
	}
	n = read(fd, room, SECRET_LINE_MAX + 1);
	close(fd);
	if (n < 0)
		return "cannot be read";
	room[n] = '\0';
	if (memchr(room, '\0', (size_t)n) != NULL)
		return "there is a NUL in it";
	room[strcspn(room, "\r\n")] = '\0';
	if (room[0] == '\0')
		return "its first line is empty";
	if (strlen(room) > SECRET_LINE_MAX)
		return "its first line is longer than 1024 bytes";
	return NULL;
}

static void
check_password(struct config_reading *r, struct config_relay *relay)
{
	struct config_login *login = &relay->login;
	struct config_place at = config_place_of(&relay->block, "login");
	char room[SECRET_LINE_MAX + 2];
	const char *why;

	if (login->name == NULL)
		return;
	why = config_secret_read(login->file, room);
	if (why != NULL) {
		config_error(r->problems, at, "the password file '%s': %s",
			     config_word_text(r->arena, login->file), why);
	} else {
		size_t n = strlen(room) + 1;

		login->password = arena_alloc(r->arena, n);
		memcpy(login->password, room, n);
		check_mode(r, login->file, at);
	}
	secret_wipe(room, sizeof(room));
}

void
config_check_ca(struct config_reading *r, const char *path,
		struct config_place at)
{
	const struct tls_client_opts opts = {.verify = true, .ca_file = path};
	struct tls_ctx *ctx = NULL;
	char error[512] = "";

	if (path == NULL)
		return;
	if (tls_client_create(&ctx, &opts, error, sizeof(error)) != 0)
		config_error(r->problems, at,
			     "the authorities cannot be used: %s",
			     config_word_text(r->arena, error));
	tls_ctx_destroy(&ctx);
}

static void
check_system(struct config_reading *r, struct config *c)
{
	check_certificate(r, c);
	for (size_t i = 0; i < c->relays.count; i++) {
		struct config_relay *relay =
		    (struct config_relay *)c->relays.v[i];

		check_password(r, relay);
		config_check_ca(r, relay->ca,
				config_place_of(&relay->block, "ca"));
	}
	config_check_tokens(r, c);
	config_read_dkim(r, c);
	if (c->user != NULL && getpwnam(c->user) == NULL)
		config_error(r->problems, config_place_of(&c->block, "user"),
			     "there is no user '%s' in this system", c->user);
	if (c->alert.exec != NULL && access(c->alert.exec, X_OK) != 0)
		config_error(
		    r->problems, config_place_of(&c->alert.block, "exec"),
		    "'%s' cannot be run: %s",
		    config_word_text(r->arena, c->alert.exec), strerror(errno));
}

void
config_check(struct config_reading *r, struct config *c)
{
	check_listens(r, c);
	for (size_t i = 0; i < c->relays.count; i++)
		check_relay(r, config_relay(c, i));
	check_routes(r, c);
	check_retry(r, &c->retry);
	config_check_limits(r, c);
	config_check_dns(r, c);
	config_check_scan(r, c);
	config_check_bulk(r, c);
	config_check_dkim(r, c);
	if (c->http.on && !ip_is_loopback(&c->http.addr.ip))
		config_warn(r->problems, config_place_of(&c->block, "http"),
			    "the metrics are for everybody who reaches this "
			    "address");
	if ((r->flags & CONFIG_NO_SYSTEM) == 0)
		check_system(r, c);
}
