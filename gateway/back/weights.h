#ifndef GATEWAY_BACK_WEIGHTS_H
#define GATEWAY_BACK_WEIGHTS_H

#include "gateway/back/settings.h"
#include "gateway/base/hash.h"
#include "gateway/store/env.h"

/*
 * What the turns of a credential weigh: what the configuration says of its
 * class. Which class it is of is read from the store, so a login that is not a
 * local user's weighs 1.
 */
struct weight {
	UT_hash_handle hh;
	uint32_t value; /* at least 1 */
	char class[];
};
struct weights;

struct weights *weights_create(void);
void weights_destroy(struct weights **weights);
/* What was found before says what these settings say, from now on. */
void weights_apply(struct weights *weights, const struct back_conf *conf);
/* Of a login's class as it is now; lives as long as weights. While all classes
 * weigh 1 nothing is read. */
const struct weight *weights_find(struct weights *weights,
				  struct store_env *store, const char *cred);

#endif
