#ifndef GATEWAY_BACK_DISK_H
#define GATEWAY_BACK_DISK_H

#include <stdatomic.h>

#include "gateway/back/relay.h"

/*
 * A thread for what waits for the disk while the relay does something else:
 * tasks one after the other, each back on the relay thread when it has run.
 */
struct disk;

struct disk_task {
	struct inbound in; /* first; take runs on the relay thread */
	STAILQ_ENTRY(disk_task) link;
	void (*run)(struct disk_task *task); /* on the disk's thread */
};

struct disk *disk_create(struct relay *relay);
void disk_destroy(struct disk **disk); /* nothing is under way */
void disk_start(struct disk *disk, struct disk_task *task);
/* From now on what is long ends early. */
void disk_stop(struct disk *disk);
bool disk_stopping(const struct disk *disk); /* any thread */

#endif
