#ifndef GATEWAY_CONTROL_CHANGE_H
#define GATEWAY_CONTROL_CHANGE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "gateway/base/buf.h"
#include "gateway/store/change.h"

/*
 * What an administrator changed, on its way to the disk: rows of the units that
 * own them, and in the same transaction the entry of the audit trail that tells
 * who it was. It is in force already; whoever commits hears whether it will
 * still be after a restart.
 */
struct control;
struct changes;
struct change;

/* NULL: out of descriptors. */
struct changes *changes_create(struct control *control);
/* Waits for those that are with the store; their done still runs. */
void changes_destroy(struct changes **changes);

struct change_who { /* borrowed */
	uid_t uid;
	pid_t pid;
	const char *const *words; /* the command */
	size_t word_count;
	const char *reason; /* or NULL */
};

struct change *change_create(struct changes *changes,
			     const struct change_who *who);
/* The same entry of the trail, to tell how it ended; without its rows. */
struct change *change_again(const struct change *change);
void change_destroy(struct change **change);

/* The entry's id, which names a purge for `undo`. */
uint64_t change_id(const struct change *change);
/* "root"; of /etc/passwd alone, "uid 1234" when it is not there. */
const char *change_author(const struct change *change);
void change_add(struct change *change, const struct store_change *row);
/* How it ended, in place of what was said before. */
void change_effect(struct change *change, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* The row of the trail for somebody else's commit; borrowed. */
void change_row(struct change *change, struct store_change *row);

/* Takes *change. done may be NULL; it runs on the loop. */
typedef void change_done_fn(void *arg, int err);
void change_commit(struct change **change, change_done_fn *done, void *arg);

#endif
