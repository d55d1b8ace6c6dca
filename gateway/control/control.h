#ifndef GATEWAY_CONTROL_CONTROL_H
#define GATEWAY_CONTROL_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "dns/cache.h"
#include "dns/lookup.h"
#include "gateway/auth/auth.h"
#include "gateway/back/back.h"
#include "gateway/base/buf.h"
#include "gateway/front/front.h"
#include "gateway/net/loop.h"
#include "gateway/scan/quarantine.h"
#include "gateway/scan/scan.h"
#include "gateway/spool/spool.h"
#include "policy/accounts.h"
#include "policy/blocklist.h"
#include "policy/decisions.h"
#include "policy/domains.h"
#include "policy/limits.h"
#include "policy/top.h"

/*
 * The administrator's side, on the main thread: the command socket, the HTTP
 * port with Prometheus text, and alerts. Never behind mail.
 */
struct control;

/* What only the composition root can do. */
struct control_host {
	/* Read the file again and swap. All errors, a line each, in *errors;
	 * 0 or GW_EINVAL (the old configuration stays in force). */
	int (*reload)(void *arg, struct buf *errors);
	/* The configuration in force, every directive with its value and
	 * where it came from; text or JSON. */
	void (*show)(void *arg, struct buf *out, bool json);
	/* notAfter of the certificate in use; 0: none. */
	int64_t (*certificate_expires)(void *arg);
	/* The keys that sign mail, for now; NULL: none. */
	const struct dkim_keys *(*dkim)(void *arg);
	/* The DNS cache was flushed: it is not to come back. */
	void (*flushed)(void *arg);
	void *arg;
};

struct control_conf {		/* copied; may be swapped by reload */
	const char *alert_mail; /* NULL: none */
	const char *alert_exec; /* NULL: none */
	const char *hostname;
	const char *postmaster;
	const char *auth_domain; /* NULL: none */
	uint64_t disk_low_bytes; /* alert below; 0: 5 % of the disk */
	struct dns_opts dns;	 /* without the cache */
	bool dns_check;		 /* of recipients, in front */
	bool dns_asks;		 /* somebody asks DNS about domains */
	bool scan_texts;	 /* shown texts are scanned too */
};

struct control_opts {
	struct loop *loop;
	const char *socket_path;      /* made 0660; a stale one is replaced */
	const struct sock_addr *http; /* NULL: none */
	struct spool *spool;
	struct front *front;
	struct back *back;
	struct auth_pool *auth;
	struct limits *limits;
	struct blocklist *blocklist;
	struct accounts *accounts;
	struct decisions *decisions;
	struct top *top;
	/* NULL, both: nothing is known of domains. */
	struct dns_cache *dns_cache;
	struct domains *domains;
	/* NULL, both: nothing is scanned, nothing quarantined. */
	struct scan *scan;
	struct quarantine *quarantine;
	/* NULL, both: no mass mailings. */
	struct campaigns *campaigns;
	struct suppress *suppress;
	bool users_local; /* `user` commands act on the store */
	struct control_host host;
	const struct control_conf *conf;
};

int control_create(struct control **control, const struct control_opts *opts,
		   char *error, size_t error_size);
void control_destroy(struct control **control);
void control_reload(struct control *control, const struct control_conf *conf);

#endif
