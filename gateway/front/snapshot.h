#ifndef GATEWAY_FRONT_SNAPSHOT_H
#define GATEWAY_FRONT_SNAPSHOT_H

#include "gateway/front/front.h"

/*
 * A deep copy of front_conf that many threads read and the last user frees:
 * the one reference count of this unit. Immutable once made.
 */
struct snapshot {
	struct front_conf conf;
	_Atomic int users;
	struct arena *arena;
};

struct snapshot *snapshot_create(const struct front_conf *conf); /* 1 user */
struct snapshot *snapshot_share(struct snapshot *snapshot);
void snapshot_release(struct snapshot **snapshot);

#endif
