#include "gateway/back/weights.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/auth/user.h"
#include "gateway/base/mem.h"

/* gcc does not see that uthash keeps what it is given. */
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

struct weights {
	struct weight *table; /* by class, "" is none */
	const struct back_conf *conf;
	bool some; /* not all of them 1: somebody has to be asked for */
};

struct weights *
weights_create(void)
{
	return mem_zalloc(sizeof(struct weights));
}

void
weights_destroy(struct weights **weights)
{
	struct weight *weight, *next;

	if (!*weights)
		return;
	HASH_ITER(hh, (*weights)->table, weight, next)
	{
		HASH_DEL((*weights)->table, weight);
		free(weight);
	}
	free(*weights);
	*weights = NULL;
}

static uint32_t
value_of(const struct back_conf *conf, const char *class)
{
	for (size_t i = 0; i < conf->class_count; i++) {
		if (strcmp(conf->classes[i].name, class) == 0)
			return conf->classes[i].weight > 0
				   ? conf->classes[i].weight
				   : 1;
	}
	return 1;
}

void
weights_apply(struct weights *weights, const struct back_conf *conf)
{
	struct weight *weight, *next;

	weights->conf = conf;
	weights->some = false;
	for (size_t i = 0; i < conf->class_count; i++)
		weights->some |= conf->classes[i].weight > 1;
	HASH_ITER(hh, weights->table, weight, next)
	weight->value = value_of(conf, weight->class);
}

static const struct weight *
weight_get(struct weights *weights, const char *class)
{
	size_t n = strlen(class);
	struct weight *weight;

	HASH_FIND(hh, weights->table, class, n, weight);
	if (weight)
		return weight;
	weight = mem_zalloc(sizeof(*weight) + n + 1);
	memcpy(weight->class, class, n + 1);
	weight->value = value_of(weights->conf, class);
	HASH_ADD_KEYPTR(hh, weights->table, weight->class, n, weight);
	return weight;
}

const struct weight *
weights_find(struct weights *weights, struct store_env *store, const char *cred)
{
	const struct weight *weight;
	struct user user = {0};

	if (!weights->some || !weights->conf->local_users || cred[0] == '\0' ||
	    user_get(store, slice_str(cred), &user) != 0)
		return weight_get(weights, "");
	weight = weight_get(weights, user.class ? user.class : "");
	user_fini(&user);
	return weight;
}
