#ifndef POLICY_AUDIT_H
#define POLICY_AUDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/buf.h"
#include "gateway/base/slice.h"
#include "gateway/store/change.h"
#include "gateway/store/env.h"

/*
 * The trail of administrators' changes in STORE_AUDIT, the newest id first: who
 * (peer credentials of the control socket), when, what, why, and how it ended.
 */
struct audit_entry { /* strings borrowed */
	uint64_t id; /* id_next(); `sluice undo` of a purge names it */
	int64_t wall_s;
	uint32_t uid, pid;
	const char *author;  /* "root" */
	const char *command; /* the words, joined */
	const char *reason;  /* "" */
	const char *effect;  /* "held 12 messages"; "" */
};
/* A change (PUT) to commit together with what it tells of. Too long texts are
 * cut. Clears both buffers first; their caps are AUDIT_RECORD_MAX at least. */
#define AUDIT_RECORD_MAX 4096
void audit_change(const struct audit_entry *entry, struct buf *key,
		  struct buf *value, struct store_change *change);
/* GW_ECORRUPT. Strings are in scratch, whose cap is as above. */
int audit_decode(struct slice key, struct slice value,
		 struct audit_entry *entry, struct buf *scratch);
/* Newest first, from before id `before` (0: the newest), at most max; the
 * transaction is closed when it returns. Returns how many. */
typedef bool audit_fn(void *arg, const struct audit_entry *entry);
size_t audit_each(struct store_env *store, uint64_t before, size_t max,
		  audit_fn *fn, void *arg);

#endif
