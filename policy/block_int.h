#ifndef POLICY_BLOCK_INT_H
#define POLICY_BLOCK_INT_H

#include <pthread.h>
#include <stdatomic.h>

#include <bsd/sys/tree.h>

#include "policy/blocklist.h"

/*
 * Shared by policy/block*.c, their tests and fuzz targets only.
 */
#define BLOCKS_MAX 1000000
#define BLOCK_VALUE_MAX 320
#define BLOCK_DOMAIN_MAX 255
#define BLOCK_AUTHOR_MAX 255
#define BLOCK_REASON_MAX 500
#define BLOCK_LINE_MAX 8192
#define BLOCK_TIME_MAX INT64_C(253402300799) /* the last second of 9999 */

/* What is compared with what: patterns of one kind are kept apart. */
enum block_class {
	CLASS_CRED,
	CLASS_IP,
	CLASS_FROM,	  /* the whole address */
	CLASS_FROM_AT,	  /* its domain */
	CLASS_FROM_BELOW, /* its domain and every parent */
	CLASS_DOMAIN,
	CLASS_DOMAIN_BELOW,
	CLASS_HASH,
	BLOCK_CLASSES
};

#define BLOCK_ACTIONS 2
#define BLOCK_IP_LENGTHS 129

struct block_key {
	enum block_class class;
	enum block_action action;
	struct slice bytes;
};

struct block_entry {
	RB_ENTRY(block_entry) by_id;
	RB_ENTRY(block_entry) by_until; /* only with an until */
	uint64_t id;
	uint64_t hash;
	struct block_key key; /* bytes: in raw or in value */
	enum block_kind kind;
	unsigned flags;
	int64_t made_wall_s, until_wall_s, since_wall_s;
	char *author, *reason; /* NULL: "" */
	_Atomic uint64_t hits;
	uint8_t raw[32]; /* an address: bits and 16 bytes; a digest */
	char value[];
};

RB_HEAD(block_ids, block_entry);
RB_HEAD(block_untils, block_entry);

/* Open addressing, at most half full: a look-up that finds nothing touches one
 * cache line, however many entries there are. */
struct block_slot {
	uint64_t hash;
	struct block_entry *entry;
};

struct block_index {
	struct block_slot *slots;
	size_t size; /* a power of two, or 0 */
	size_t count;
	uint64_t seed;
};

void block_index_fini(struct block_index *index);
struct block_entry *block_index_find(const struct block_index *index,
				     const struct block_key *key);
void block_index_add(struct block_index *index, struct block_entry *entry);
void block_index_del(struct block_index *index, struct block_entry *entry);

/*
 * Invariants: an entry is in the index and in ids, and in untils exactly when
 * it ends; used and lengths count what the index holds.
 */
struct blocklist {
	pthread_rwlock_t lock;
	_Atomic uint64_t generation;
	_Atomic uint64_t count;
	struct block_index index;
	struct block_ids ids;
	struct block_untils untils;
	uint32_t used[BLOCK_ACTIONS][BLOCK_CLASSES];
	/* of prefixes with clients of v6 in them, and with clients of v4 */
	uint32_t lengths[BLOCK_ACTIONS][2][BLOCK_IP_LENGTHS];
};

RB_PROTOTYPE(block_ids, block_entry, by_id, block_id_cmp)
RB_PROTOTYPE(block_untils, block_entry, by_until, block_until_cmp)
void block_entry_free(struct block_entry *entry);

/* The bytes of a value in normal form; raw as in the entry. */
void block_key_of(enum block_kind kind, enum block_action action,
		  const char *value, uint8_t raw[32], struct block_key *key);
/* Takes the sentence's arguments when error is not NULL; returns GW_EINVAL. */
int block_error(struct buf *error, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Everything but the value: lengths, times, what the enums allow. */
int block_check(const struct block *block, struct buf *error);

/* The record, version 1; decoding: strings into scratch. GW_ECORRUPT. */
void block_record_encode(const struct block *block, struct buf *value);
int block_record_decode(struct slice key, struct slice value,
			struct block *block, struct buf *scratch);
void block_of_entry(const struct block_entry *entry, struct block *block);

#endif
