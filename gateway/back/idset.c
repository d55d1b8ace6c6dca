#include "gateway/back/idset.h"

#include <assert.h>
#include <stdlib.h>

#include "gateway/base/hash.h"
#include "gateway/base/mem.h"

static bool
put(struct idset *set, uint64_t id)
{
	size_t at = hash_bytes(&id, sizeof(id)) & (set->size - 1);

	while (set->slots[at] != 0) {
		if (set->slots[at] == id)
			return false;
		at = (at + 1) & (set->size - 1);
	}
	set->slots[at] = id;
	return true;
}

static void
grow(struct idset *set)
{
	struct idset old = *set;

	set->size = old.size ? old.size * 2 : 64;
	set->slots = mem_array(set->size, sizeof(*set->slots));
	for (size_t i = 0; i < old.size; i++) {
		if (old.slots[i] != 0)
			put(set, old.slots[i]);
	}
	free(old.slots);
}

bool
idset_add(struct idset *set, uint64_t id)
{
	assert(id != 0);
	if (set->count * 4 >= set->size * 3)
		grow(set);
	if (!put(set, id))
		return false;
	set->count++;
	return true;
}

bool
idset_has(const struct idset *set, uint64_t id)
{
	size_t at = hash_bytes(&id, sizeof(id)) & (set->size - 1);

	if (set->size == 0)
		return false;
	while (set->slots[at] != 0) {
		if (set->slots[at] == id)
			return true;
		at = (at + 1) & (set->size - 1);
	}
	return false;
}

void
idset_fini(struct idset *set)
{
	free(set->slots);
	*set = (struct idset){.size = 0};
}
