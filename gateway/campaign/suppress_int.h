#ifndef GATEWAY_CAMPAIGN_SUPPRESS_INT_H
#define GATEWAY_CAMPAIGN_SUPPRESS_INT_H

#include <pthread.h>

#include "gateway/base/buf.h"
#include "gateway/base/hash.h"
#include "gateway/campaign/suppress.h"

/* What suppress*.c, their tests and fuzz targets share. */

/* --- records (suppress_record.c) ------------------------------------------ */

#define SUPPRESS_KEY_MAX 320 /* RFC 5321: 64, @, 255 */
#define SUPPRESS_RECORD_MAX (64 + SUPPRESS_KEY_MAX + SUPPRESS_TEXT_MAX)

/* The key of an address: lower case, its domain in key form. 0: it is none. */
size_t suppress_key(struct slice address, char out[SUPPRESS_KEY_MAX]);
/* What is too long of the text is cut, not within a character. */
void suppress_encode(const struct suppress_entry *entry, struct buf *value);

struct suppress_record { /* an entry with room for its strings */
	struct suppress_entry entry;
	char address[SUPPRESS_KEY_MAX + 1];
	char text[SUPPRESS_TEXT_MAX + 1];
};
int suppress_decode(struct slice key, struct slice value,
		    struct suppress_record *record); /* GW_ECORRUPT */

/* The head of it; UTF-8 is not cut within a character. */
struct slice suppress_cut(struct slice s, size_t max);

/* --- sets of keyed hashes (suppress_set.c) -------------------------------- */

/* Of 256 parts, so that one that grows is small. */
#define SUPPRESS_PARTS 256

struct suppress_hash {
	uint64_t a, b; /* never both 0 */
};

struct suppress_part {
	struct suppress_hash *slots;
	size_t size, used; /* size: 0 or a power of two */
};

struct suppress_set {
	uint8_t keys[2][HASH_KEY_SIZE];
	struct suppress_part parts[SUPPRESS_PARTS];
	uint64_t count;
};

void suppress_set_init(struct suppress_set *set);
void suppress_set_fini(struct suppress_set *set);
bool suppress_set_has(const struct suppress_set *set, struct slice key);
bool suppress_set_add(struct suppress_set *set,
		      struct slice key); /* false: had */
bool suppress_set_del(struct suppress_set *set,
		      struct slice key); /* false: not */

#endif
