#include "gateway/back/expire.h"

#include <pthread.h>
#include <stdlib.h>

#include "gateway/back/disk.h"
#include "gateway/base/arena.h"
#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/id.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"

#define EVERY_MS (60 * 60 * 1000)
#define IDS_A_SLICE 64
#define LOOKS_A_RUN 32 /* each at a part of the records */

struct expiry {
	struct disk_task task; /* first */
	struct relay *relay;
	int64_t next_ms;
	bool busy, more;
};

/* --- on the disk's thread --------------------------------------------------
 */

struct committing {
	struct spool_change op;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool done;
};

/* On the store thread. */
static void
on_committed(struct spool_change *op)
{
	struct committing *c = (struct committing *)op;

	pthread_mutex_lock(&c->lock);
	c->done = true;
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
}

static int
commit(struct spool *spool, const struct store_change *changes, size_t count)
{
	struct committing c = {.op = {.changes = changes,
				      .change_count = count,
				      .done = on_committed}};

	pthread_mutex_init(&c.lock, NULL);
	pthread_cond_init(&c.wake, NULL);
	spool_change_start(spool, &c.op);
	pthread_mutex_lock(&c.lock);
	while (!c.done)
		pthread_cond_wait(&c.wake, &c.lock);
	pthread_mutex_unlock(&c.lock);
	pthread_cond_destroy(&c.wake);
	pthread_mutex_destroy(&c.lock);
	return c.op.err;
}

static void
drop(struct relay *relay, uint64_t id)
{
	char text[ID_TEXT_SIZE];

	quarantine_unlink(relay->quarantine, id);
	id_format(id, text);
	log_event(GW_LOG_INFO, "quarantine", LF_STR("msg", text),
		  LF_STR("action", "expire"));
}

/* How many went, or an error. */
static int
expire_some(struct relay *relay)
{
	struct store_change changes[IDS_A_SLICE];
	uint64_t ids[IDS_A_SLICE];
	struct arena *arena;
	int n = quarantine_expired(relay->quarantine, clock_wall_s(), ids,
				   IDS_A_SLICE);
	int err;

	if (n <= 0)
		return n;
	arena = arena_create(1024);
	for (int i = 0; i < n; i++)
		quarantine_delete_change(ids[i], arena, &changes[i]);
	err = commit(relay->spool, changes, (size_t)n);
	for (int i = 0; i < n && err == 0; i++)
		drop(relay, ids[i]);
	arena_destroy(&arena);
	return err != 0 ? err : n;
}

static void
expire_run(struct disk_task *task)
{
	struct expiry *expiry = (struct expiry *)task;
	struct relay *relay = expiry->relay;
	int n = 0;

	for (int i = 0; i < LOOKS_A_RUN && n >= 0; i++) {
		if (disk_stopping(relay->disk))
			break;
		n = expire_some(relay);
	}
	if (n < 0)
		log_event(GW_LOG_ERROR, "quarantine-expire", LF_ERR(n));
	/* Others may want the disk in between. */
	expiry->more = n == IDS_A_SLICE;
}

/* --- on the relay thread ----------------------------------------------------
 */

static void
expired_take(struct relay *relay, struct inbound *in)
{
	struct expiry *expiry = (struct expiry *)in;

	expiry->busy = false;
	if (expiry->more)
		expiry->next_ms = 0;
	relay->outcome_count--;
	relay_check_stopped(relay);
}

struct expiry *
expire_create(struct relay *relay)
{
	struct expiry *expiry = mem_zalloc(sizeof(*expiry));

	expiry->relay = relay;
	expiry->task.in.take = expired_take;
	expiry->task.run = expire_run;
	return expiry;
}

void
expire_destroy(struct expiry **expiry)
{
	free(*expiry);
	*expiry = NULL;
}

void
expire_tick(struct expiry *expiry)
{
	int64_t now_ms = relay_now_ms(expiry->relay);

	if (expiry->busy || now_ms < expiry->next_ms)
		return;
	expiry->busy = true;
	expiry->next_ms = now_ms + EVERY_MS;
	expiry->relay->outcome_count++;
	disk_start(expiry->relay->disk, &expiry->task);
}
