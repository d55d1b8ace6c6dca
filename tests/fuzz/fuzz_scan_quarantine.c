#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/scan/quarantine_int.h"

/*
 * The input as a quarantine record: as it is, and as what stands behind the
 * mask, which no mutation would get through otherwise. What decodes encodes to
 * the same bytes again: a record has one form.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MASKED_AT = 1 + 8 + MASK_KEY_SIZE };

static void
record(struct slice s)
{
	struct arena *arena = arena_create(256);
	struct quarantine_entry entry = {.id = 1};
	uint8_t key[MASK_KEY_SIZE];
	struct slice again;

	quarantine_record_expires(s);
	if (quarantine_record_decode(s, arena, &entry) == 0) {
		memcpy(key, s.p + 1 + 8, sizeof(key));
		again = quarantine_record_encode(&entry, key, arena);
		if (!slice_eq(s, again))
			abort();
	}
	arena_destroy(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char head[MASKED_AT] = {1};
	char *p = mem_alloc(MASKED_AT + size);

	record(slice_of(data, size));
	memcpy(p, head, MASKED_AT);
	memcpy(p + MASKED_AT, data, size);
	mask_apply((const uint8_t *)p + 9, 0, p + MASKED_AT, size);
	record(slice_of(p, MASKED_AT + size));
	free(p);
	return 0;
}
