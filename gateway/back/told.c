#include "gateway/back/told.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/hash.h"
#include "gateway/base/mem.h"

struct owner {
	UT_hash_handle hh;
	unsigned times;
	char name[];
};

struct told {
	struct owner *owners;
	int64_t until_ms;
};

static void
forget(struct told *told)
{
	struct owner *owner, *next;

	HASH_ITER(hh, told->owners, owner, next)
	{
		HASH_DEL(told->owners, owner);
		free(owner);
	}
}

struct told *
told_create(void)
{
	return mem_zalloc(sizeof(struct told));
}

void
told_destroy(struct told **told)
{
	if (!*told)
		return;
	forget(*told);
	free(*told);
	*told = NULL;
}

bool
told_may(struct told *told, const char *name, int64_t now_ms)
{
	size_t n = strlen(name);
	struct owner *owner;

	if (now_ms >= told->until_ms ||
	    HASH_COUNT(told->owners) >= TOLD_OWNERS_MAX) {
		forget(told);
		told->until_ms = now_ms + TOLD_MS;
	}
	HASH_FIND(hh, told->owners, name, n, owner);
	if (!owner) {
		owner = mem_zalloc(sizeof(*owner) + n + 1);
		memcpy(owner->name, name, n);
		HASH_ADD_KEYPTR(hh, told->owners, owner->name, n, owner);
	}
	if (owner->times >= TOLD_MAX)
		return false;
	owner->times++;
	return true;
}
