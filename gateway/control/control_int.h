#ifndef GATEWAY_CONTROL_CONTROL_INT_H
#define GATEWAY_CONTROL_CONTROL_INT_H

#include "gateway/control/alert_send.h"
#include "gateway/control/alerts.h"
#include "gateway/control/change.h"
#include "gateway/control/control.h"
#include "gateway/control/http.h"
#include "gateway/control/rate.h"
#include "gateway/control/releaser.h"
#include "gateway/control/resolver.h"
#include "gateway/control/socket.h"
#include "gateway/control/users.h"
#include "gateway/control/work.h"

/* What the parts of control share; nobody else includes this. */
struct control {
	struct loop *loop;
	struct spool *spool;
	struct front *front;
	struct back *back;
	struct auth_pool *auth;
	struct limits *limits;
	struct blocklist *blocklist;
	struct accounts *accounts;
	struct decisions *decisions;
	struct top *top;
	struct dns_cache *dns_cache; /* NULL: nothing is known of domains */
	struct domains *domains;
	struct resolver *resolver;     /* NULL without dns_cache */
	struct scan *scan;	       /* NULL: nothing is scanned */
	struct quarantine *quarantine; /* NULL: there is none */
	struct campaigns *campaigns;   /* NULL, both: no mass mailings */
	struct suppress *suppress;
	bool users_local;
	struct control_host host;
	struct control_conf conf; /* strings are ours */
	int64_t start_wall_s;
	struct admin *admin;
	struct http *http; /* NULL: none */
	struct changes *changes;
	struct works *works;
	struct cancels *cancels;
	struct releaser *releaser; /* NULL without quarantine */
	struct users *users;	   /* NULL: not users_local */
	struct auth *auth_probe;   /* Dovecot: is it there? */
	struct rate rate;
	struct alerts *alerts;
	struct campaign_chores *chores;
	struct alert_sender *sender;
	struct timer_op *tick;
};

#endif
