/* The input as a record of the audit trail: what is read is written as it
 * was. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "policy/audit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* assert would be gone in a release build. */
static void
must(bool holds)
{
	if (!holds)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);
	struct slice head = slice_head(in, 8);
	struct buf key, value, scratch;
	struct store_change change;
	struct audit_entry entry;

	buf_init(&key, 16);
	buf_init(&value, AUDIT_RECORD_MAX);
	buf_init(&scratch, AUDIT_RECORD_MAX);
	if (audit_decode(head, slice_from(in, 8), &entry, &scratch) == 0) {
		audit_change(&entry, &key, &value, &change);
		must(!value.overflow);
		must(slice_eq(change.key, head));
		must(slice_eq(change.value, slice_from(in, 8)));
	}
	buf_fini(&key);
	buf_fini(&value);
	buf_fini(&scratch);
	return 0;
}
