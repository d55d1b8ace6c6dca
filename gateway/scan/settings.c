#include "gateway/scan/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/buf.h"
#include "gateway/base/error.h"
#include "gateway/base/hash.h"
#include "gateway/base/mem.h"

#define CONNECTIONS 8
#define PART_MS 30000
#define MESSAGE_MS 120000
#define CANARY_MS 600000
#define CACHE_AGE_S 86400
#define CACHE_MAX 100000
#define RESCANS_PER_S 20
#define KEY_MAX 8192

static const char *
copy_str(struct arena *arena, const char *s)
{
	return arena_dup(arena, slice_str(s));
}

static void
default_ms(int64_t *value, int64_t otherwise)
{
	if (*value <= 0)
		*value = otherwise;
}

static void
default_u32(uint32_t *value, uint32_t otherwise)
{
	if (*value == 0)
		*value = otherwise;
}

static void
fill_in(struct scan_conf *conf)
{
	default_u32(&conf->connection_max, CONNECTIONS);
	default_u32(&conf->cache_max, CACHE_MAX);
	default_u32(&conf->rescans_per_s, RESCANS_PER_S);
	default_ms(&conf->part_ms, PART_MS);
	default_ms(&conf->message_ms, MESSAGE_MS);
	default_ms(&conf->canary_ms, CANARY_MS);
	default_ms(&conf->cache_age_s, CACHE_AGE_S);
}

static void
copy_servers(struct arena *arena, struct scan_conf *conf)
{
	struct scan_server_conf *servers =
	    arena_alloc(arena, conf->server_count * sizeof(*servers) + 1);

	for (size_t i = 0; i < conf->server_count; i++) {
		servers[i] = conf->servers[i];
		servers[i].host = copy_str(arena, servers[i].host);
		servers[i].service = copy_str(arena, servers[i].service);
		servers[i].profile = copy_str(arena, servers[i].profile);
	}
	conf->servers = servers;
}

static void
copy_dns(struct arena *arena, struct dns_opts *dns)
{
	dns->servers = copy_str(arena, dns->servers);
	dns->second = copy_str(arena, dns->second);
	dns->hosts_path = copy_str(arena, dns->hosts_path);
	dns->resolv_path = copy_str(arena, dns->resolv_path);
	dns->cache = NULL;
}

/* What a reload compares: the file may have been replaced under its name. */
static void
digest_file(const char *path, uint8_t out[DIGEST_SIZE])
{
	struct digest *digest = digest_create();
	FILE *file = fopen(path, "re");
	char chunk[4096];
	size_t n;

	while (file && (n = fread(chunk, 1, sizeof(chunk), file)) > 0)
		digest_add(digest, slice_of(chunk, n));
	if (file)
		(void)fclose(file);
	digest_final(digest, out);
	digest_destroy(&digest);
}

static int
make_tls(struct scan_settings *settings, char *error, size_t error_size)
{
	const struct scan_conf *conf = &settings->conf;
	struct tls_client_opts opts = {
	    .verify = conf->tls_verify,
	    .ca_file = conf->ca_file,
	};
	bool wanted = false;

	for (size_t i = 0; i < conf->server_count; i++)
		wanted = wanted || conf->servers[i].tls;
	if (!wanted)
		return 0;
	if (conf->ca_file)
		digest_file(conf->ca_file, settings->ca_digest);
	return tls_client_create(&settings->tls, &opts, error, error_size);
}

int
scan_settings_create(struct scan_settings **settingsp,
		     const struct scan_conf *conf, char *error,
		     size_t error_size)
{
	struct scan_settings *settings;
	int err;

	*settingsp = NULL;
	if (conf->server_count > SCAN_SERVERS_MAX) {
		(void)snprintf(error, error_size, "more than %d scan servers",
			       SCAN_SERVERS_MAX);
		return GW_EINVAL;
	}
	settings = mem_zalloc(sizeof(*settings));
	settings->arena = arena_create(1024);
	settings->conf = *conf;
	fill_in(&settings->conf);
	settings->conf.ca_file = copy_str(settings->arena, conf->ca_file);
	copy_servers(settings->arena, &settings->conf);
	copy_dns(settings->arena, &settings->conf.dns);
	err = make_tls(settings, error, error_size);
	if (err != 0) {
		scan_settings_destroy(&settings);
		return err;
	}
	*settingsp = settings;
	return 0;
}

void
scan_settings_destroy(struct scan_settings **settingsp)
{
	struct scan_settings *settings = *settingsp;

	*settingsp = NULL;
	if (!settings)
		return;
	tls_ctx_destroy(&settings->tls);
	arena_destroy(&settings->arena);
	free(settings);
}

static void
put_service(struct buf *key, const struct scan_settings *settings,
	    const struct scan_server_conf *server)
{
	buf_put_u8(key, server->tls);
	buf_put_u8(key, settings->conf.reqmod);
	buf_put_u16(key, server->port);
	buf_put_bytes(key, slice_str(server->host));
	buf_put_bytes(key, slice_str(server->service));
	buf_put_bytes(key, slice_str(server->profile));
}

static uint64_t
hash_and_free(struct buf *key)
{
	uint64_t hash = hash_bytes(key->p, key->n);

	buf_fini(key);
	return hash;
}

uint64_t
scan_settings_service(const struct scan_settings *settings,
		      const struct scan_server_conf *server)
{
	struct buf key;

	buf_init(&key, KEY_MAX);
	put_service(&key, settings, server);
	return hash_and_free(&key);
}

uint64_t
scan_settings_pool(const struct scan_settings *settings,
		   const struct scan_server_conf *server)
{
	const struct scan_conf *conf = &settings->conf;
	struct buf key;

	buf_init(&key, KEY_MAX);
	put_service(&key, settings, server);
	buf_put_u8(&key, conf->authenticated_user);
	buf_put_u32(&key, conf->connection_max);
	if (server->tls) {
		buf_put_u8(&key, conf->tls_verify);
		buf_put_bytes(&key, slice_str(conf->ca_file));
		buf_put_bytes(&key, slice_of(settings->ca_digest,
					     sizeof(settings->ca_digest)));
	}
	return hash_and_free(&key);
}
