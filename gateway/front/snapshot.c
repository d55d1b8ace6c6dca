#include "gateway/front/snapshot.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/arena.h"
#include "gateway/base/mem.h"
#include "gateway/base/secret.h"

#define DOMAIN_WAIT_MS 3000
#define DOMAIN_WAIT_MESSAGE_MS 6000
#define SCAN_WAIT_MS 8000

static void
copy_listeners(struct snapshot *snapshot, const struct front_conf *conf)
{
	size_t bytes = conf->listener_count * sizeof(*conf->listeners);
	struct front_listener *copy = arena_alloc(snapshot->arena, bytes);
	struct ip_prefix *proxy;

	if (conf->listener_count > 0)
		memcpy(copy, conf->listeners, bytes);
	for (size_t i = 0; i < conf->listener_count; i++) {
		copy[i].name =
		    arena_dup(snapshot->arena, slice_str(copy[i].name));
		bytes = copy[i].proxy_count * sizeof(*proxy);
		proxy = arena_alloc(snapshot->arena, bytes);
		if (bytes > 0)
			memcpy(proxy, copy[i].proxy, bytes);
		copy[i].proxy = proxy;
	}
	snapshot->conf.listeners = copy;
}

static void
copy_classes(struct snapshot *snapshot, const struct front_conf *conf)
{
	size_t bytes = conf->class_count * sizeof(*conf->classes);
	struct front_class *copy = arena_alloc(snapshot->arena, bytes);

	for (size_t i = 0; i < conf->class_count; i++) {
		copy[i] = conf->classes[i];
		copy[i].name =
		    arena_dup(snapshot->arena, slice_str(copy[i].name));
	}
	snapshot->conf.classes = copy;
}

static void
copy_internal(struct snapshot *snapshot, const struct front_conf *conf)
{
	const char **copy =
	    arena_alloc(snapshot->arena, conf->internal_count * sizeof(*copy));

	for (size_t i = 0; i < conf->internal_count; i++)
		copy[i] =
		    arena_dup(snapshot->arena, slice_str(conf->internal[i]));
	snapshot->conf.internal = copy;
}

static void
copy_tokens(struct snapshot *snapshot, const struct front_conf *conf)
{
	size_t count = conf->token_key_count;
	struct token_key *copy =
	    arena_alloc(snapshot->arena, count * sizeof(*copy));

	for (size_t i = 0; i < count; i++) {
		const struct token_key *key = &conf->token_keys[i];

		copy[i].id = arena_dup(snapshot->arena, slice_str(key->id));
		copy[i].secret = slice_of(
		    arena_dup(snapshot->arena, key->secret), key->secret.n);
	}
	snapshot->conf.token_keys = copy;
	snapshot->conf.token_sign =
	    arena_dup(snapshot->arena, slice_str(conf->token_sign));
}

static void
wipe_tokens(struct snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->conf.token_key_count; i++) {
		struct slice secret = snapshot->conf.token_keys[i].secret;

		secret_wipe((void *)(uintptr_t)secret.p, secret.n);
	}
}

static void
copy_dns(struct snapshot *snapshot, const struct front_conf *conf)
{
	struct dns_opts *dns = &snapshot->conf.dns;

	dns->servers = arena_dup(snapshot->arena, slice_str(dns->servers));
	dns->second = arena_dup(snapshot->arena, slice_str(dns->second));
	dns->hosts_path =
	    arena_dup(snapshot->arena, slice_str(dns->hosts_path));
	dns->resolv_path =
	    arena_dup(snapshot->arena, slice_str(dns->resolv_path));
	if (conf->domain_wait_ms == 0)
		snapshot->conf.domain_wait_ms = DOMAIN_WAIT_MS;
	if (conf->domain_wait_message_ms == 0)
		snapshot->conf.domain_wait_message_ms = DOMAIN_WAIT_MESSAGE_MS;
}

struct snapshot *
snapshot_create(const struct front_conf *conf)
{
	struct snapshot *snapshot = mem_zalloc(sizeof(*snapshot));

	snapshot->arena = arena_create(1024);
	snapshot->conf = *conf;
	snapshot->conf.hostname =
	    arena_dup(snapshot->arena, slice_str(conf->hostname));
	snapshot->conf.tls =
	    conf->tls == NULL ? NULL : tls_ctx_share(conf->tls);
	snapshot->conf.auth_domain =
	    arena_dup(snapshot->arena, slice_str(conf->auth_domain));
	snapshot->conf.contact =
	    arena_dup(snapshot->arena, slice_str(conf->contact));
	snapshot->conf.bulk.suffix =
	    arena_dup(snapshot->arena, slice_str(conf->bulk.suffix));
	copy_listeners(snapshot, conf);
	copy_classes(snapshot, conf);
	copy_internal(snapshot, conf);
	copy_dns(snapshot, conf);
	copy_tokens(snapshot, conf);
	dkim_keys_share(conf->dkim);
	snapshot->conf.unsubscribe =
	    arena_dup(snapshot->arena, slice_str(conf->unsubscribe));
	if (conf->scan_wait_ms == 0)
		snapshot->conf.scan_wait_ms = SCAN_WAIT_MS;
	atomic_init(&snapshot->users, 1);
	return snapshot;
}

struct snapshot *
snapshot_share(struct snapshot *snapshot)
{
	atomic_fetch_add_explicit(&snapshot->users, 1, memory_order_relaxed);
	return snapshot;
}

void
snapshot_release(struct snapshot **snapshot)
{
	struct snapshot *s = *snapshot;

	if (s == NULL)
		return;
	*snapshot = NULL;
	if (atomic_fetch_sub_explicit(&s->users, 1, memory_order_acq_rel) != 1)
		return;
	tls_ctx_destroy(&s->conf.tls);
	wipe_tokens(s);
	dkim_keys_release(&s->conf.dkim);
	arena_destroy(&s->arena);
	free(s);
}
