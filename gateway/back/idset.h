#ifndef GATEWAY_BACK_IDSET_H
#define GATEWAY_BACK_IDSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which ids came already; never 0. Zeroed is empty. */
struct idset {
	uint64_t *slots;
	size_t size, count;
};

bool idset_has(const struct idset *set, uint64_t id);
bool idset_add(struct idset *set, uint64_t id); /* false: it is in it */
void idset_fini(struct idset *set);		/* empty again */

#endif
