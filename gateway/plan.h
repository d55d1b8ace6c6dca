#ifndef GATEWAY_PLAN_H
#define GATEWAY_PLAN_H

#include "gateway/back/back.h"
#include "gateway/config.h"
#include "gateway/control/control.h"
#include "gateway/front/front.h"
#include "gateway/names.h"
#include "gateway/sockets.h"

/*
 * The configuration in the words of the units: what front, back and control
 * are told. Borrows from the configuration; the units copy.
 */
struct plan_dns {
	struct dns_opts resolver; /* without the cache */
	struct names_conf names;
	bool asks; /* somebody asks DNS about domains at all */
};

struct plan {
	struct front_conf front;
	struct back_conf back;
	struct control_conf control;
	struct limits_conf limits;
	struct scan_conf scan;
	struct campaigns_conf campaigns;
	struct plan_dns dns;
	struct arena *arena;
};

/* sockets: prepared for this configuration. started: what the daemon started
 * with; its `auth` makes logins until a restart. */
void plan_make(struct plan *plan, const struct config *config,
	       const struct config *started, const struct sockets *sockets);
void plan_fini(struct plan *plan);

/* The part of plan_make that is about limits. auth_domain may be NULL. */
void plan_limits(struct limits_conf *conf, const struct config *config,
		 const char *auth_domain, struct arena *arena);
/* The part about domains, and the next hop of `via mx`. */
void plan_dns(struct plan_dns *plan, const struct config *config,
	      const char *auth_domain, struct arena *arena);
struct back_hop plan_mx(const struct config *config);
enum back_tls plan_tls(int tls); /* of enum config_relay_tls */
/* The parts about mass mailings; whether they have a next hop of their own is
 * plan_make's. */
void plan_campaigns(struct campaigns_conf *conf, const struct config *config);
bool plan_has_bulk_hop(const struct config *config);
void plan_bulk(struct back_bulk *bulk, const struct config *config,
	       struct arena *arena);
/* The part about scanning. */
void plan_scan(struct scan_conf *conf, const struct config *config,
	       const struct dns_opts *dns, struct arena *arena);
enum scan_down plan_down(int down); /* of enum config_down */
enum scan_unscannable plan_unscannable(int unscannable);
enum scan_infected plan_infected(int infected);
/* The keys that were read. */
const struct token_key *plan_tokens(struct arena *arena,
				    const struct config *config);
/* Hops that no relay describes are outside; without keys nobody looks. */
void plan_hop_tokens(struct back_hop *hops, size_t count,
		     const struct config *config);
/* Zeroed, and never NULL. */
void *plan_array(struct arena *arena, size_t count, size_t size);

void plan_auth(struct auth_opts *opts, const struct config *config);
void plan_log(struct log_opts *opts, const struct config *config);

#endif
