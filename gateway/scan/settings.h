#ifndef GATEWAY_SCAN_SETTINGS_H
#define GATEWAY_SCAN_SETTINGS_H

#include "gateway/base/arena.h"
#include "gateway/net/tls.h"
#include "gateway/scan/scan.h"

/* A scan_conf of our own, with defaults in place of zeros. Everything that can
 * be wrong with it is found here. */
#define SCAN_SERVERS_MAX 32

struct scan_settings {
	struct arena *arena;
	struct scan_conf conf;
	struct tls_ctx *tls; /* NULL: no server has TLS */
	uint8_t ca_digest[DIGEST_SIZE];
};

int scan_settings_create(struct scan_settings **settings,
			 const struct scan_conf *conf, char *error,
			 size_t error_size);
void scan_settings_destroy(struct scan_settings **settings);

/* Names what gives a verdict, in the cache. */
uint64_t scan_settings_service(const struct scan_settings *settings,
			       const struct scan_server_conf *server);
/* Names all that a connection to it depends on. */
uint64_t scan_settings_pool(const struct scan_settings *settings,
			    const struct scan_server_conf *server);

#endif
