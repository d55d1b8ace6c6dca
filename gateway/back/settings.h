#ifndef GATEWAY_BACK_SETTINGS_H
#define GATEWAY_BACK_SETTINGS_H

#include "gateway/back/back.h"
#include "gateway/back/routing.h"
#include "gateway/base/arena.h"
#include "gateway/net/tls.h"

/*
 * back's own deep copy of a struct back_conf: checked, defaults filled in, TLS
 * contexts and routes made. Made on any thread; afterwards immutable and the
 * relay thread's.
 */
struct settings {
	struct back_conf conf;	    /* what it points to is in the arena */
	struct back_conf bulk_conf; /* with the bulk lane's schedule */
	struct routing *routing;
	struct tls_ctx **tls;	   /* one a hop; NULL where none is wanted */
	struct slice *own_domains; /* key form */
	struct arena *arena;
};

/* GW_EINVAL, GW_EIO (a certificate file); error says what. */
int settings_create(struct settings **settings, const struct back_conf *conf,
		    char *error, size_t error_size);
void settings_destroy(struct settings **settings);

/* The schedule of a lane. */
const struct back_conf *settings_lane(const struct settings *settings,
				      unsigned lane);
/* What of max the bulk and the dsn lane may have together; at least 1. */
uint32_t settings_share(const struct settings *settings, uint32_t max);
bool settings_own_domain(const struct settings *settings, struct slice domain);
/* What hop points to is copied, defaults are filled in. */
void settings_copy_hop(struct arena *arena, struct back_hop *hop);
/* Whether two hops are the same but for their name's place in the list. */
bool settings_hop_same(const struct back_hop *a, const struct back_hop *b);

#endif
