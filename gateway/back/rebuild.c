#include "gateway/back/rebuild.h"

#include <stdlib.h>

#include "gateway/back/feeder.h"
#include "gateway/back/recount.h"
#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/id.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"

#define AGAIN_MS 5000 /* after the disk failed */

struct rebuild {
	struct spool_batch batch; /* its end: the first id that is not ours */
	uint64_t messages;
	int64_t again_ms, began_ms;
};

void
rebuild_begin(struct relay *relay)
{
	relay->rebuild = mem_zalloc(sizeof(*relay->rebuild));
	relay->first_new_id = id_next();
	relay->rebuild->batch.end = relay->first_new_id;
	relay->rebuild->began_ms = relay_now_ms(relay);
}

void
rebuild_end(struct relay *relay)
{
	free(relay->rebuild);
	relay->rebuild = NULL;
}

/* Held before the restart: the administrator is told once more. */
static bool
is_altered(const struct spool_msg *msg)
{
	for (uint32_t i = 0; i < msg->rcpt_count; i++) {
		if (msg->rcpts[i].holds & HOLD_ALTERED)
			return true;
	}
	return false;
}

static void
enqueue(struct relay *relay, struct spool_msg **msg)
{
	if (is_altered(*msg))
		stat_add(&relay->stats->altered, 1);
	recount_found(relay, *msg);
	mail_enqueue(relay, msg, true);
	relay->rebuild->messages++;
}

static void
complete(struct relay *relay)
{
	log_event(GW_LOG_INFO, "queue-loaded",
		  LF_U64("messages", relay->rebuild->messages),
		  LF_I64("ms", relay_now_ms(relay) - relay->rebuild->began_ms));
	rebuild_end(relay);
	recount_start(relay);
	feeder_rebuilt(relay);
}

bool
rebuild_slice(struct relay *relay)
{
	struct rebuild *rebuild = relay->rebuild;
	struct spool_batch *batch;
	int err;

	if (!rebuild || rebuild->again_ms > relay_now_ms(relay))
		return false;
	batch = &rebuild->batch;
	err = spool_load_next(relay->spool, batch);
	if (err != 0) {
		log_event(GW_LOG_ERROR, "queue-scan", LF_ERR(err));
		rebuild->again_ms = relay_now_ms(relay) + AGAIN_MS;
		return false;
	}
	for (uint32_t i = 0; i < batch->count; i++)
		enqueue(relay, &batch->msgs[i]);
	if (!batch->more) {
		complete(relay);
		return false;
	}
	return true;
}
