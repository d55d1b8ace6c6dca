#include "gateway/back/rebuild.h"

#include <inttypes.h>
#include <stdlib.h>

#include "gateway/back/feeder.h"
#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/id.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"

#define ENTRIES_A_SLICE 64
#define AGAIN_MS 5000 /* after the disk failed */

struct rebuild {
	struct spool_cursor at;
	uint64_t end_id; /* the first that is not ours */
	uint64_t messages;
	int64_t again_ms, began_ms;
	uint64_t ids[ENTRIES_A_SLICE];
	size_t id_count;
};

void
rebuild_begin(struct relay *relay)
{
	relay->rebuild = mem_zalloc(sizeof(*relay->rebuild));
	relay->rebuild->end_id = id_next();
	relay->first_new_id = relay->rebuild->end_id;
	relay->rebuild->began_ms = relay_now_ms(relay);
}

void
rebuild_end(struct relay *relay)
{
	free(relay->rebuild);
	relay->rebuild = NULL;
}

static bool
on_entry(void *arg, const struct spool_entry *entry)
{
	struct rebuild *rebuild = arg;

	if (entry->id >= rebuild->end_id)
		return false;
	if (rebuild->id_count == 0 ||
	    rebuild->ids[rebuild->id_count - 1] != entry->id)
		rebuild->ids[rebuild->id_count++] = entry->id;
	return true;
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
enqueue(struct relay *relay, uint64_t id)
{
	struct spool_msg *msg;
	char text[ID_TEXT_SIZE];
	int err = spool_load(relay->spool, id, &msg);

	if (err == 0) {
		if (is_altered(msg))
			stat_add(&relay->stats->altered, 1);
		mail_enqueue(relay, &msg, true);
		relay->rebuild->messages++;
		return;
	}
	id_format(id, text);
	log_event(GW_LOG_ERROR, "load", LF_STR("msg", text), LF_ERR(err));
}

static void
complete(struct relay *relay)
{
	log_event(GW_LOG_INFO, "queue-loaded",
		  LF_U64("messages", relay->rebuild->messages),
		  LF_I64("ms", relay_now_ms(relay) - relay->rebuild->began_ms));
	rebuild_end(relay);
	feeder_rebuilt(relay);
}

bool
rebuild_slice(struct relay *relay)
{
	struct rebuild *rebuild = relay->rebuild;
	struct spool_cursor last;
	int n;

	if (!rebuild || rebuild->again_ms > relay_now_ms(relay))
		return false;
	rebuild->id_count = 0;
	n = spool_scan(relay->spool, &rebuild->at, ENTRIES_A_SLICE, on_entry,
		       rebuild, &last);
	if (n < 0) {
		log_event(GW_LOG_ERROR, "queue-scan", LF_ERR(n));
		rebuild->again_ms = relay_now_ms(relay) + AGAIN_MS;
		return false;
	}
	for (size_t i = 0; i < rebuild->id_count; i++)
		enqueue(relay, rebuild->ids[i]);
	if (rebuild->id_count == 0) {
		complete(relay);
		return false;
	}
	/* Past all recipients of the last: they came with its message. */
	rebuild->at.id = rebuild->ids[rebuild->id_count - 1];
	rebuild->at.index = UINT32_MAX;
	return true;
}
