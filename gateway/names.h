#ifndef GATEWAY_NAMES_H
#define GATEWAY_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "dns/cache.h"
#include "gateway/net/loop.h"
#include "gateway/spool/spool.h"
#include "policy/domains.h"

/*
 * What is known of domains: the cache of DNS's verdicts and what they mean
 * here, shared by front, back and control; and how the cache comes over a
 * restart. On the main thread; the two parts may be used by any.
 */
struct names;

struct names_conf { /* borrowed for the call */
	struct dns_cache_conf cache;
	struct domains_conf domains;
};

/* Reads what the spool keeps. error says what could not be read. */
int names_create(struct names **names, struct loop *loop, struct spool *spool,
		 const struct names_conf *conf, char *error, size_t error_size);
/* After the spool is closed. */
void names_destroy(struct names **names);
void names_reload(struct names *names, const struct names_conf *conf);

struct dns_cache *names_cache(const struct names *names);
struct domains *names_domains(const struct names *names);

/* From now on a tick each second: what changed is kept, every ten, and allows
 * whose time is over go. */
void names_start(struct names *names);
void names_tick(struct names *names, int64_t now_wall_s, int64_t now_ms);
/* Keep what changed now: a flush, else the next ten seconds' too. */
void names_keep(struct names *names);
/* When nobody asks any more, before the spool is closed: what is not on disk
 * yet is on its way there. */
void names_stop(struct names *names);

#endif
