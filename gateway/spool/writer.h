#ifndef GATEWAY_SPOOL_WRITER_H
#define GATEWAY_SPOOL_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/spool/segment.h"
#include "gateway/spool/spool.h"

/*
 * The second thread: streams large bodies to segments of their own, syncs
 * them before their acceptance joins a batch, and disposes of dead segments.
 */
struct writer;
struct large; /* one large body */

struct writer *writer_create(struct spool *spool);
/* Returns when every finished large has been handed on. */
void writer_drain(struct writer *writer);
void writer_destroy(struct writer **writer);
void writer_dispose(void *writer, struct segment *seg);

struct large *large_create(struct writer *writer);
/* Takes p (from malloc). */
void large_add(struct large *large, char *p, size_t n);
bool large_backlogged(struct large *large, spool_drained_fn *drained,
		      void *arg);
/* Exactly n bytes of what was handed over, once the thread wrote them; waits
 * for that. GW_EIO. Any thread, one at a time, before large_finish. */
int64_t large_read(struct large *large, uint64_t offset, void *p, size_t n);
/* Once: when all is on disk, or failed, done(arg) runs on the writer thread. */
void large_finish(struct large *large, void (*done)(void *arg), void *arg);
/* After done: what came of it. 0, GW_ENOSPC, GW_EIO. */
int large_result(const struct large *large, uint64_t *segment, uint64_t *bytes);
void large_keep(struct large *large);  /* the file stays when it is freed */
void large_free(struct large **large); /* any time; unlinks the file */

#endif
