/*
 * What the block list costs: loading N prefixes from the store, and a look-up
 * that finds nothing and one that finds something, for lists of several sizes.
 * Prints a line a size; nothing passes or fails. Run by hand.
 *
 *   block_bench DIR [N ...]
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/store/key.h"
#include "policy/block_int.h"

#define LOOKS 2000000
#define BATCH 10000

/* A third each of v4 /32, v4 /17 to /31, and v6 /33 to /64. */
static void
prefix_of(uint64_t i, char text[IP_TEXT_SIZE + 4])
{
	uint64_t r = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
	struct ip_addr ip = {{[10] = 0xff, [11] = 0xff}};
	struct ip_prefix prefix;
	unsigned bits = 128;

	key_put_u32(ip.b + 12, (uint32_t)(r >> 32));
	if (i % 3 == 1)
		bits = 113 + (unsigned)(r % 15);
	if (i % 3 == 2) {
		ip = (struct ip_addr){{0x2a}};
		key_put_u64(ip.b + 1, r);
		bits = 33 + (unsigned)(r % 32);
	}
	ip_prefix_of(&ip, (uint8_t)bits, &prefix);
	ip_prefix_format(&prefix, text);
}

static void
put_batch(struct store_env *store, uint64_t from, uint64_t to)
{
	struct store_txn *txn = store_write(store);
	struct buf record;

	buf_init(&record, BLOCK_RECORD_MAX);
	for (uint64_t i = from; i < to; i++) {
		char text[IP_TEXT_SIZE + 4];
		struct block block = {.kind = BLOCK_IP,
				      .value = text,
				      .author = "uid 0 (root)",
				      .reason = "imported"};
		uint8_t key[8] = {0};

		prefix_of(i, text);
		key_put_u64(key, i + 1);
		buf_clear(&record);
		block_record_encode(&block, &record);
		store_put(txn, STORE_BLOCK, slice_of(key, sizeof(key)),
			  buf_slice(&record));
	}
	buf_fini(&record);
	if (store_commit(&txn) != 0)
		exit(1);
}

static double
look(struct blocklist *list, const struct ip_addr *ips, size_t mask,
     uint64_t *hits)
{
	int64_t start = clock_mono_us();
	struct block_hit hit;

	for (size_t i = 0; i < LOOKS; i++) {
		struct block_facts facts = {.cred = "bob",
					    .ip = &ips[i & mask]};

		*hits += blocklist_find(list, &facts, true, 1000, &hit);
	}
	return (double)(clock_mono_us() - start) * 1000.0 / LOOKS;
}

static void
measure(struct store_env *store, uint64_t n)
{
	static struct ip_addr outside[4096], inside[4096];
	struct blocklist *list = blocklist_create();
	uint64_t found = 0, missed = 0;
	double miss_ns, hit_ns;
	int64_t start, loaded;

	for (uint64_t i = 0; i < 4096; i++) {
		char text[IP_TEXT_SIZE + 4];
		struct ip_prefix prefix;

		outside[i] = (struct ip_addr){{0x20, 1}};
		key_put_u64(outside[i].b + 8, i);
		prefix_of(n > 0 ? i % n : 0, text);
		if (ip_prefix_parse(slice_str(text), &prefix) != 0)
			exit(1);
		inside[i] = prefix.addr;
	}
	start = clock_mono_us();
	if (blocklist_load(list, store, 1000) != 0)
		exit(1);
	loaded = clock_mono_us();
	miss_ns = look(list, outside, 4095, &missed);
	hit_ns = look(list, inside, 4095, &found);
	printf("%8llu entries: load %7.1f ms, no match %6.1f ns (%llu), "
	       "match %6.1f ns (%llu)\n",
	       (unsigned long long)blocklist_count(list),
	       (double)(loaded - start) / 1000.0, miss_ns,
	       (unsigned long long)missed, hit_ns, (unsigned long long)found);
	blocklist_destroy(&list);
}

int
main(int argc, char **argv)
{
	static char *sizes[] = {"0", "1", "1000", "100000", "999000"};
	int count = argc > 2 ? argc - 2 : 5;
	char **list = argc > 2 ? argv + 2 : sizes;
	char error[256];
	uint64_t have = 0;
	struct store_env *store;
	struct store_opts opts = {.map_bytes = UINT64_C(2) << 30};

	if (argc < 2 || (mkdir(argv[1], 0700) != 0 && errno != EEXIST)) {
		fprintf(stderr, "usage: block_bench DIR [N ...]\n");
		return 2;
	}
	if (chdir(argv[1]) != 0)
		return 1;
	opts.path = "block-bench-db";
	if (store_open(&store, &opts, error, sizeof(error)) != 0) {
		fprintf(stderr, "%s\n", error);
		return 1;
	}
	for (int i = 0; i < count; i++) {
		uint64_t n = strtoull(list[i], NULL, 10);

		for (uint64_t end; have < n; have = end) {
			end = n - have > BATCH ? have + BATCH : n;
			put_batch(store, have, end);
		}
		measure(store, n);
	}
	store_close(&store);
	return 0;
}
