#ifndef GATEWAY_SCAN_QUARANTINE_INT_H
#define GATEWAY_SCAN_QUARANTINE_INT_H

#include <stdatomic.h>
#include <stddef.h>

#include "gateway/base/id.h"
#include "gateway/scan/quarantine.h"

/* The inside of the quarantine, for its own files and tests. */
struct quarantine {
	struct store_env *store;
	int dir_fd;
	_Atomic uint64_t looked; /* the last id quarantine_expired saw */
};

/*
 * Bytes that no scanner of files knows: XOR with what a random key and the
 * offset make. No secrecy, the key lies beside them. Applied twice it is gone.
 */
#define MASK_KEY_SIZE 16
void mask_apply(const uint8_t key[MASK_KEY_SIZE], uint64_t offset, void *p,
		size_t n);

/* --- files: quarantine_file.c ------------------------------------------- */

#define QUARANTINE_NAME_SIZE (ID_TEXT_SIZE + 4)
void quarantine_name(uint64_t id, char name[QUARANTINE_NAME_SIZE]);
/* While it is written; a crash may leave it. */
void quarantine_new_name(uint64_t id, char name[QUARANTINE_NAME_SIZE]);

/* --- records: quarantine_record.c --------------------------------------- */

/* Masked but for version and expiry. In arena. */
struct slice quarantine_record_encode(const struct quarantine_entry *entry,
				      const uint8_t key[MASK_KEY_SIZE],
				      struct arena *arena);
/* All but id; copies into arena. GW_ECORRUPT for what no encoder writes. */
int quarantine_record_decode(struct slice s, struct arena *arena,
			     struct quarantine_entry *entry);
/* As gateway/spool/message.h has them, which is not this unit's to include; a
 * test compares. A message made of the record uses them as indices. */
#define QUARANTINE_RET_MAX 2
#define QUARANTINE_LANE_MAX 2
/* INT64_MAX: not to be read. */
int64_t quarantine_record_expires(struct slice s);

#endif
