#ifndef GATEWAY_SPOOL_RECORD_H
#define GATEWAY_SPOOL_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/slice.h"
#include "gateway/spool/message.h"

/*
 * The spool's records, as bytes. Each begins with a version; every decoder
 * checks all lengths and gives GW_ECORRUPT for what no encoder writes. Strings
 * are stored with a NUL behind them, so a decoded string is borrowed from the
 * record and nothing is copied. encode writes exactly size bytes.
 */

/* Message: without id (the key) and recipients (their own records). Decoding
 * borrows; arena and rcpts are left alone. */
size_t record_msg_size(const struct spool_msg *msg);
void record_msg_encode(const struct spool_msg *msg, void *p);
int record_msg_decode(struct slice s, struct spool_msg *msg);
/* Change one field of an encoded message; the record has been decoded. */
void record_msg_set_flags(void *p, uint16_t flags);
void record_msg_set_ref(void *p, const struct spool_ref *ref);

/* Recipient, queued or held. Decoding borrows and leaves index alone. */
size_t record_rcpt_size(const struct spool_rcpt *rcpt);
void record_rcpt_encode(const struct spool_rcpt *rcpt, void *p);
int record_rcpt_decode(struct slice s, struct spool_rcpt *rcpt);

struct record_segment {
	uint64_t live_count;
	uint64_t live_bytes;
	uint64_t end;	   /* no live body lies behind this offset */
	uint64_t first_id; /* of the messages that were put here */
	uint64_t last_id;
	bool large; /* one message alone */
};
#define RECORD_SEGMENT_SIZE 42
void record_segment_encode(const struct record_segment *seg,
			   uint8_t p[RECORD_SEGMENT_SIZE]);
/* One message more lives there. */
void record_segment_gain(struct record_segment *seg,
			 const struct spool_ref *ref, uint64_t id);
int record_segment_decode(struct slice s, struct record_segment *seg);

struct record_resub {
	uint64_t id;
	int64_t expiry_wall_s;
};
#define RECORD_RESUB_SIZE 17
void record_resub_encode(const struct record_resub *resub,
			 uint8_t p[RECORD_RESUB_SIZE]);
int record_resub_decode(struct slice s, struct record_resub *resub);

/* Keys. */
#define KEY_ID_SIZE 8
#define KEY_RCPT_SIZE 12
#define KEY_CRED_SIZE 24
#define KEY_EXPIRY_SIZE (8 + DIGEST_SIZE)
void key_rcpt(uint64_t id, uint32_t index, uint8_t p[KEY_RCPT_SIZE]);
int key_rcpt_decode(struct slice s, uint64_t *id, uint32_t *index);
void key_cred(struct digest *d, const char *cred, uint64_t id,
	      uint8_t p[KEY_CRED_SIZE]);
void key_expiry(int64_t wall_s, const uint8_t resub[DIGEST_SIZE],
		uint8_t p[KEY_EXPIRY_SIZE]);

#endif
