#ifndef GATEWAY_CONTROL_QUEUE_TEXT_H
#define GATEWAY_CONTROL_QUEUE_TEXT_H

#include "gateway/base/json.h"
#include "gateway/control/call.h"
#include "policy/blocklist.h"

/* Entries of the queue for a person and for a program. */
#define QUEUE_NAME_SIZE 256

extern const char *const queue_lane_names[LANES];
extern const char *const queue_state_names[RCPT_STATES];

/* Where a recipient stands: by its record, or held by the block list, which
 * marks nothing. */
struct queue_stand {
	uint8_t state;
	uint32_t holds;
	uint64_t rule; /* 0: none */
};
/* msg is the message's envelope. A rule that is met counts it as a hit. */
struct queue_stand queue_stand_of(struct control *control,
				  const struct spool_msg *msg,
				  const struct spool_rcpt *rcpt,
				  int64_t now_wall_s);

const char *queue_state_name(uint8_t state);
const char *queue_lane_name(uint8_t lane);
void queue_put_holds(struct buf *out, uint32_t holds);
void queue_json_rcpt(struct json *j, const struct spool_rcpt *rcpt,
		     const struct queue_stand *stand);
void queue_json_id(struct json *j, const char *key, uint64_t id);

/* A domain as it stands in the queue: lower case, without a last dot. False
 * after a sentence; NULL gives "". */
bool queue_domain(struct call *call, const char *value,
		  char out[QUEUE_NAME_SIZE]);

#endif
