#ifndef GATEWAY_DEAD_H
#define GATEWAY_DEAD_H

#include "gateway/back/back.h"
#include "policy/domains.h"
#include "policy/limits.h"
#include "policy/top.h"

/*
 * A login wrote to a dead domain, and that came out behind the 250: what front
 * does with those that it refuses.
 */
struct dead {
	struct domains *domains;
	struct limits *limits;
	struct top *top;
	struct store_env *users; /* whose classes limits ask for; NULL: none */
};

back_dead_domain_fn dead_met; /* arg: struct dead; any thread */

#endif
