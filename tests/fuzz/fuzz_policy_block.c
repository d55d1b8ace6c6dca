/* The input as a block entry's record, and as a value of each kind: a record
 * that is read is written as it was, a normal form is its own normal form, and
 * what is in the list is found by it. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/address.h"
#include "policy/block_int.h"
#include "policy/fold.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* assert would be gone in a release build. */
static void
must(bool holds)
{
	if (!holds)
		abort();
}

static void
record(struct slice in)
{
	struct block block;
	struct buf scratch, again;

	buf_init(&scratch, BLOCK_RECORD_MAX);
	buf_init(&again, BLOCK_RECORD_MAX);
	if (block_record_decode(SLICE_LIT("\0\0\0\0\0\0\0\1"), in, &block,
				&scratch) == 0) {
		block_record_encode(&block, &again);
		must(slice_eq(buf_slice(&again), in));
	}
	buf_fini(&scratch);
	buf_fini(&again);
}

static bool
found(struct blocklist *list, enum block_kind kind, const char *value)
{
	struct slice v = slice_str(value);
	uint8_t raw[32] = {0};
	struct block_facts facts = {0};
	struct block_hit hit;
	struct block_key key;
	struct ip_addr ip;

	block_key_of(kind, BLOCK_REFUSE, value, raw, &key);
	memcpy(ip.b, raw + 1, sizeof(ip.b));
	switch (kind) {
	case BLOCK_CRED:
		facts.cred = value;
		break;
	case BLOCK_IP:
		facts.ip = &ip;
		break;
	case BLOCK_FROM:
		facts.from =
		    slice_starts(v, SLICE_LIT("@.")) ? slice_from(v, 1) : v;
		if (facts.from.p != v.p) { /* "@.b": anybody at b */
			static char from[BLOCK_VALUE_MAX + 1];

			from[0] = '@';
			memcpy(from + 1, v.p + 2, v.n - 2);
			facts.from = slice_of(from, v.n - 1);
		}
		break;
	case BLOCK_DOMAIN:
		facts.domain = key.bytes;
		break;
	case BLOCK_HASH:
		facts.body = raw;
		break;
	case BLOCK_KINDS:
		break;
	}
	return blocklist_find(list, &facts, false, 1, &hit);
}

static void
value(struct slice in, enum block_kind kind)
{
	struct blocklist *list = blocklist_create();
	struct buf once, twice, error;
	struct block block = {.id = 1, .kind = kind};
	uint64_t id;

	buf_init(&once, BLOCK_VALUE_MAX);
	buf_init(&twice, BLOCK_VALUE_MAX);
	buf_init(&error, 1000);
	if (blocklist_normalise(kind, in, &once, &error) == 0) {
		must(!once.overflow && once.n > 0);
		must(blocklist_normalise(kind, buf_slice(&once), &twice,
					 &error) == 0);
		must(slice_eq(buf_slice(&once), buf_slice(&twice)));
		if (slice_find(in, '\0') == in.n) {
			block.value = buf_cstr(&once);
			must(blocklist_add(list, &block, &id, &error) == 0);
			must(found(list, kind, block.value));
			must(blocklist_del(list, kind, BLOCK_REFUSE, in, &id,
					   &error) == 0);
			must(blocklist_is_empty(list));
		}
	} else {
		must(once.n == 0 && error.n > 0);
	}
	buf_fini(&once);
	buf_fini(&twice);
	buf_fini(&error);
	blocklist_destroy(&list);
}

static void
folded(struct slice in)
{
	char once[512], twice[512];
	size_t n = fold_address(in, once, sizeof(once)), m;

	must(n < sizeof(once)); /* A-labels are longer than UTF-8 */
	m = fold_address(slice_of(once, n), twice, sizeof(twice));
	/* of several dots behind a domain one goes each time */
	must(m == n || (n > 0 && once[n - 1] == '.'));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);

	record(in);
	folded(in);
	for (int kind = 0; kind < BLOCK_KINDS; kind++)
		value(in, (enum block_kind)kind);
	return 0;
}
