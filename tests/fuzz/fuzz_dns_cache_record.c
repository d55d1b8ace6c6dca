/* The input as a record of the cache on disk: its first byte is the length of
 * the key, then key and value. What is read is written as it was; what is
 * restored holds for a bounded time, and is never of the future. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dns/cache_int.h"

#define NOW 1700000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* assert would be gone in a release build. */
static void
must(bool holds)
{
	if (!holds)
		abort();
}

static void
codec(struct slice value)
{
	struct cache_entry entry = {.verdict = 0};
	struct buf again = {.cap = CACHE_RECORD_SIZE};

	if (cache_record_decode(value, &entry) != 0)
		return;
	must(entry.verdict < DOMAIN_VERDICTS && entry.verdict > 0);
	must(entry.reason < DOMAIN_REASONS);
	cache_record_encode(&entry, &again);
	must(slice_eq(buf_slice(&again), value));
	buf_fini(&again);
}

static void
on_change(void *arg, struct slice key, struct slice value)
{
	(void)key;
	must(value.p == NULL);
	++*(int *)arg;
}

static void
restore(struct slice key, struct slice value)
{
	static struct dns_cache *cache;
	struct dns_cache_conf conf = {.domain_max = 4};
	struct domain_fact fact;
	int deleted = 0;

	if (cache == NULL)
		cache = dns_cache_create(&conf);
	if (dns_cache_restore(cache, key, value, NOW) != 0)
		return;
	must(dns_cache_look(cache, key, &fact));
	must(fact.since_wall_s <= NOW && fact.since_wall_s >= 0);
	must(fact.until_wall_s - fact.since_wall_s <= 24 * 3600);
	must(fact.verdict != DOMAIN_UNKNOWN);
	(void)dns_cache_get(cache, key, NOW, &fact);
	must(dns_cache_flush(cache, key) == 1);
	(void)dns_cache_take_changes(cache, 10, on_change, &deleted);
	must(deleted == 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n;
	char *key, *value;

	if (size < 1)
		return 0;
	n = data[0] < size - 1 ? data[0] : size - 1;
	/* each exactly as long as it is */
	key = slice_dup(slice_of(data + 1, n));
	value = slice_dup(slice_of(data + 1 + n, size - 1 - n));
	codec(slice_of(value, size - 1 - n));
	restore(slice_of(key, n), slice_of(value, size - 1 - n));
	free(key);
	free(value);
	return 0;
}
