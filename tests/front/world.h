#ifndef TESTS_FRONT_WORLD_H
#define TESTS_FRONT_WORLD_H

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/auth/user.h"
#include "gateway/base/clock.h"
#include "gateway/base/encode.h"
#include "gateway/base/id.h"
#include "gateway/front/front.h"
#include "tests/support/remove_tree.h"

/*
 * size: one object, included by the programs that drive a whole front.
 *
 * A front with all that stands under it, real: spool, logins, limits, block
 * list. It listens on loopback in the clear; the client is the test's own
 * thread. Messages that were accepted are counted and dropped.
 */
struct world {
	char dir[64];
	int port, fd;
	struct spool *spool;
	struct auth_pool *auth;
	struct limits *limits;
	struct blocklist *blocklist;
	struct accounts *accounts;
	struct decisions *decisions;
	struct top *top;
	struct dns_cache *dns_cache;
	struct domains *domains;
	struct campaigns *campaigns;
	struct front *front;
	_Atomic int accepted, unheld;
	_Atomic bool veto;
	void (*on_veto)(void); /* on the store thread */
	/* of the last accepted message */
	_Atomic int held, lane, holds, flags;
	_Atomic uint64_t campaign, id;
	char recipients[4096]; /* "good@a.lab fine\n"; behind world_accepts */
	char envid[64];
	char prefix[4096];
};

static struct world world;

struct world_conf {
	const struct limits_conf *limits;
	enum binding binding;
	int64_t fail_delay_ms; /* 0: none */
	/* NULL: no domain is asked about. */
	const struct domains_conf *domains;
	const char *resolver;
	int64_t domain_wait_ms, domain_wait_message_ms;
	int64_t idle_ms; /* 0: a minute */
	/* NULL: nothing is scanned. The class "bound" has settings of its own:
	 * one more than the enum's, 0: none. */
	struct scan *scan;
	int64_t scan_wait_ms;
	enum scan_infected infected;
	enum scan_down down;
	enum scan_unscannable unscannable;
	int bound_down, bound_unscannable;
	bool scan_text;
	const struct token_key *token_keys;
	size_t token_key_count;
	const char *token_sign;
	/* NULL, both: nothing is signed. */
	struct dkim_keys *dkim;
	struct dkim_pool *signer;
	const char *unsubscribe;
	/* NULL: there are no campaigns. The class "mass" is bulk. */
	const struct campaigns_conf *bulk;
	const char *suffix;
	bool listener_bulk;
};

static struct world_conf world_conf;

static inline void
world_recipient(struct world *w, const struct spool_rcpt *rcpt)
{
	static const char *const domains[] = {"fine", "undecided", "dead"};
	size_t n = strlen(w->recipients);

	snprintf(w->recipients + n, sizeof(w->recipients) - n, "%s %s%s%s\n",
		 rcpt->address, domains[rcpt->domain],
		 rcpt->domain_why != 0 ? ": " : "",
		 rcpt->domain_why != 0
		     ? domain_reason_text((enum domain_reason)rcpt->domain_why)
		     : "");
}

static inline void
world_accepted(void *arg, struct spool_msg **msg)
{
	struct world *w = arg;
	int held = 0;

	w->recipients[0] = '\0';
	for (uint32_t i = 0; i < (*msg)->rcpt_count; i++) {
		held += (*msg)->rcpts[i].state == RCPT_HELD;
		w->holds = (int)(*msg)->rcpts[i].holds;
		world_recipient(w, &(*msg)->rcpts[i]);
	}
	snprintf(w->envid, sizeof(w->envid), "%s",
		 (*msg)->envid != NULL ? (*msg)->envid : "");
	snprintf(w->prefix, sizeof(w->prefix), "%.*s", (int)(*msg)->prefix.n,
		 (*msg)->prefix.p);
	w->held = held;
	w->lane = (*msg)->lane;
	w->campaign = (*msg)->campaign;
	w->id = (*msg)->id;
	w->flags = (*msg)->flags;
	w->unheld += held == 0;
	w->accepted++;
	spool_msg_destroy(msg);
}

/* The store hands a message on behind its answer: look until it is there. */
static inline void
world_accepts(struct world *w, int count)
{
	while (w->accepted < count)
		usleep(1000);
	ck_assert_int_eq(w->accepted, count);
}

static inline bool
world_veto(void *arg, const struct spool_msg *msg)
{
	struct world *w = arg;

	(void)msg;
	if (w->veto && w->on_veto != NULL)
		w->on_veto();
	return w->veto;
}

struct world_change {
	struct spool_change op;
	sem_t done;
};

static inline void
world_changed(struct spool_change *op)
{
	sem_post(&((struct world_change *)(void *)op)->done);
}

/* The password is the name. */
static inline void
world_user(const char *name, const char *class)
{
	char address[64];
	struct user user = {
	    .name = (char *)(uintptr_t)name,
	    .owner_address = address,
	    .class = (char *)(uintptr_t) class,
	};
	struct world_change change = {0};
	struct store_change put = {
	    .table = STORE_USER, .kind = STORE_PUT, .key = slice_str(name)};
	struct buf value;

	snprintf(address, sizeof(address), "%s@example.com", name);
	ck_assert_int_eq(user_hash(slice_str(name), &user.hash), 0);
	buf_init(&value, 4096);
	user_encode(&user, &value);
	put.value = buf_slice(&value);
	change.op.changes = &put;
	change.op.change_count = 1;
	change.op.done = world_changed;
	sem_init(&change.done, 0, 0);
	spool_change_start(world.spool, &change.op);
	sem_wait(&change.done);
	ck_assert_int_eq(change.op.err, 0);
	buf_fini(&value);
	free(user.hash);
}

static inline void
world_listen(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t n = sizeof(at);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	world.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	ck_assert_int_eq(bind(world.fd, (struct sockaddr *)&at, n), 0);
	ck_assert_int_eq(listen(world.fd, 100), 0);
	ck_assert_int_eq(getsockname(world.fd, (struct sockaddr *)&at, &n), 0);
	world.port = ntohs(at.sin_port);
}

static inline bool
world_utf8(void *arg)
{
	(void)arg;
	return true;
}

/* Front's configuration as it is at the start, but for the resolver. */
static inline void
world_run(const char *resolver, bool reload)
{
	/* not static: what front keeps of it, it has to copy */
	const char *const internal[] = {"example.com", ".sub.example"};
	const struct front_class classes[] = {
	    {.name = "bound",
	     .binding = BINDING_ADDRESS,
	     .scan_down = world_conf.bound_down - 1,
	     .scan_unscannable = world_conf.bound_unscannable - 1},
	    {.name = "free",
	     .binding = BINDING_OFF,
	     .scan_down = -1,
	     .scan_unscannable = -1},
	    {.name = "same",
	     .binding = -1,
	     .scan_down = -1,
	     .scan_unscannable = -1},
	    {.name = "mass",
	     .binding = -1,
	     .scan_down = -1,
	     .scan_unscannable = -1,
	     .bulk = true,
	     .confirm = true}};
	const struct front_listener listener = {
	    .name = "test",
	    .fd = world.fd,
	    .tls = FRONT_TLS_NONE,
	    .insecure_auth = true,
	    .bulk = world_conf.listener_bulk,
	};
	const struct front_conf conf = {
	    .hostname = "gate.example.com",
	    .message_size_max = 1 << 20,
	    .recipient_max = 100,
	    .connection_max = 100,
	    .idle_ms = world_conf.idle_ms != 0 ? world_conf.idle_ms : 60000,
	    .preauth_ms = 60000,
	    .progress_bytes_s = 100,
	    .resubmission = true,
	    .binding = world_conf.binding,
	    .classes = classes,
	    .class_count = sizeof(classes) / sizeof(classes[0]),
	    .internal = internal,
	    .internal_count = 2,
	    .auth_domain = "example.com",
	    .contact = "the helpdesk",
	    .dns = {.servers = resolver},
	    .domain_wait_ms = world_conf.domain_wait_ms,
	    .domain_wait_message_ms = world_conf.domain_wait_message_ms,
	    .scan_wait_ms = world_conf.scan_wait_ms,
	    .scan_infected = world_conf.infected,
	    .scan_down = world_conf.down,
	    .scan_unscannable = world_conf.unscannable,
	    .scan_text = world_conf.scan_text,
	    .token_keys = world_conf.token_keys,
	    .token_key_count = world_conf.token_key_count,
	    .token_age_s = 86400,
	    .token_sign = world_conf.token_sign,
	    .dkim = world_conf.dkim,
	    .unsubscribe = world_conf.unsubscribe,
	    .bulk = {.on = world_conf.bulk != NULL,
		     .suffix = world_conf.suffix},
	    .listeners = &listener,
	    .listener_count = 1,
	};
	const struct front_opts opts = {
	    .spool = world.spool,
	    .auth = world.auth,
	    .limits = world.limits,
	    .blocklist = world.blocklist,
	    .accounts = world.accounts,
	    .decisions = world.decisions,
	    .top = world.top,
	    .dns_cache = world.dns_cache,
	    .domains = world.domains,
	    .scan = world_conf.scan,
	    .signer = world_conf.signer,
	    .campaigns = world.campaigns,
	    .thread_count = 1,
	    .utf8_fn = world_utf8,
	    .conf = &conf,
	};
	char error[256];

	if (reload) {
		front_reload(world.front, &conf);
		return;
	}
	ck_assert_int_eq(front_start(&world.front, &opts, error, sizeof(error)),
			 0);
}

static inline void
world_open(const struct world_conf *conf)
{
	static const struct limits_conf none;
	char error[256];
	struct spool_opts spool = {
	    .path = world.dir,
	    .map_bytes = 64 << 20,
	    .accepted = world_accepted,
	    .accepted_arg = &world,
	    .veto = world_veto,
	    .veto_arg = &world,
	};
	struct auth_opts auth = {
	    .backend = AUTH_LOCAL,
	    .domain = "example.com",
	    .fail_max = 1000,
	    .fail_delay_ms =
		conf->fail_delay_ms != 0 ? conf->fail_delay_ms : -1,
	};

	memset(&world, 0, sizeof(world));
	world_conf = *conf;
	strcpy(world.dir, "/tmp/sluice-front-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(world.dir));
	id_start(clock_wall_ms(), 0);
	ck_assert_msg(spool_open(&world.spool, &spool, error, sizeof(error)) ==
			  0,
		      "%s", error);
	world_user("alice", NULL);
	world_user("bob", "bound");
	if (conf->bulk != NULL)
		world_user("mia", "mass");
	auth.store = spool_store(world.spool);
	ck_assert_int_eq(
	    auth_pool_create(&world.auth, &auth, error, sizeof(error)), 0);
	world.accounts = accounts_create();
	world.blocklist = blocklist_create();
	world.decisions = decisions_create(0);
	world.top = top_create();
	if (conf->bulk != NULL) {
		world.campaigns = campaigns_create();
		campaigns_configure(world.campaigns, conf->bulk);
	}
	world.limits = limits_create(
	    conf->limits != NULL ? conf->limits : &none, world.accounts,
	    clock_wall_ms() * 1000, clock_mono_us());
	if (conf->domains != NULL) {
		world.dns_cache = dns_cache_create(&(struct dns_cache_conf){0});
		world.domains = domains_create(conf->domains);
	}
	world_listen();
	world_run(conf->resolver, false);
}

static inline void
world_close(void)
{
	front_stop(&world.front, 0);
	close(world.fd);
	spool_close(&world.spool);
	auth_pool_destroy(&world.auth);
	limits_destroy(&world.limits);
	blocklist_destroy(&world.blocklist);
	accounts_destroy(&world.accounts);
	decisions_destroy(&world.decisions);
	top_destroy(&world.top);
	domains_destroy(&world.domains);
	dns_cache_destroy(&world.dns_cache);
	campaigns_destroy(&world.campaigns);
	remove_tree(world.dir);
}

/* --- the client ------------------------------------------------------------
 */

struct client {
	int fd;
	char in[8192];
	size_t n;
};

static inline void
client_send(struct client *c, const char *text)
{
	size_t n = strlen(text), sent = 0;
	ssize_t got;

	while (sent < n) {
		got = send(c->fd, text + sent, n - sent, MSG_NOSIGNAL);
		ck_assert_msg(got > 0, "cannot send %s", text);
		sent += (size_t)got;
	}
}

/* The last line of the next reply; "" is the end. */
static inline const char *
client_reply(struct client *c)
{
	static char line[600];
	char *end;
	ssize_t got;
	size_t n;

	for (;;) {
		end = memchr(c->in, '\n', c->n);
		if (end != NULL) {
			n = (size_t)(end - c->in) + 1;
			snprintf(line, sizeof(line), "%.*s", (int)n - 2, c->in);
			memmove(c->in, end + 1, c->n - n);
			c->n -= n;
			if (line[3] != '-')
				return line;
			continue;
		}
		ck_assert_int_eq(
		    poll(&(struct pollfd){c->fd, POLLIN, 0}, 1, 60000), 1);
		got = recv(c->fd, c->in + c->n, sizeof(c->in) - c->n, 0);
		if (got <= 0)
			return "";
		c->n += (size_t)got;
	}
}

static inline const char *
client_next(struct client *c, const char *want, const char *label)
{
	const char *got = client_reply(c);

	ck_assert_msg(strncmp(got, want, strlen(want)) == 0,
		      "%s: got '%s', wanted '%s'", label, got, want);
	return got;
}

static inline const char *
client_say(struct client *c, const char *line, const char *want)
{
	client_send(c, line);
	client_send(c, "\r\n");
	return client_next(c, want, line);
}

/* No greeting is read; address: the last octet of 127.0.0.x. */
static inline void
client_connect(struct client *c, int address)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	const int on = 1;

	memset(c, 0, sizeof(*c));
	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + (unsigned)address);
	/* a line and its end are two writes: each pair would wait 40 ms */
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	ck_assert_int_eq(bind(c->fd, (struct sockaddr *)&at, sizeof(at)), 0);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	at.sin_port = htons((uint16_t)world.port);
	ck_assert_int_eq(connect(c->fd, (struct sockaddr *)&at, sizeof(at)), 0);
}

/* "AUTH PLAIN ..." of name, whose password is the name. */
static inline const char *
client_auth(const char *name, const char *password)
{
	static char line[256];
	struct buf raw, text;

	buf_init(&raw, 200);
	buf_init(&text, 200);
	buf_add_byte(&raw, '\0');
	buf_add_str(&raw, name);
	buf_add_byte(&raw, '\0');
	buf_add_str(&raw, password);
	base64_encode(&text, buf_slice(&raw));
	snprintf(line, sizeof(line), "AUTH PLAIN %s", buf_cstr(&text));
	buf_fini(&raw);
	buf_fini(&text);
	return line;
}

static inline void
client_open(struct client *c)
{
	client_connect(c, 1);
	client_next(c, "220", "greeting");
	client_say(c, "EHLO client", "250");
}

static inline void
client_login(struct client *c, const char *name)
{
	client_open(c);
	client_say(c, client_auth(name, name), "235");
}

static inline void
client_closed(struct client *c)
{
	ck_assert_str_eq(client_reply(c), "");
	close(c->fd);
}

/* One message; want: the start of the reply to the dot. */
static inline const char *
client_mail(struct client *c, const char *from, const char *content,
	    const char *want)
{
	char line[300];

	snprintf(line, sizeof(line), "MAIL FROM:<%s>", from);
	client_say(c, line, "250");
	client_say(c, "RCPT TO:<r@example.net>", "250");
	client_say(c, "DATA", "354");
	client_send(c, content);
	return client_say(c, ".", want);
}

#endif
