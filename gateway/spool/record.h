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
	int64_t expiry_wall_s;
	uint8_t key[DIGEST_SIZE];
};
#define RECORD_RESUB_SIZE (9 + DIGEST_SIZE)
void record_resub_encode(const struct record_resub *resub,
			 uint8_t p[RECORD_RESUB_SIZE]);
int record_resub_decode(struct slice s, struct record_resub *resub);

/* One purge, whose entries lie in the trash. */
struct record_purge {
	int64_t until_wall_s;
	uint64_t messages, recipients;
};
#define RECORD_PURGE_SIZE 25
void record_purge_encode(const struct record_purge *purge,
			 uint8_t p[RECORD_PURGE_SIZE]);
int record_purge_decode(struct slice s, struct record_purge *purge);

/* Keys. */
#define KEY_ID_SIZE 8
#define KEY_RCPT_SIZE 12
void key_rcpt(uint64_t id, uint32_t index, uint8_t p[KEY_RCPT_SIZE]);
int key_rcpt_decode(struct slice s, uint64_t *id, uint32_t *index);

/* Three kinds in the trash: the purges; which of them have entries of a
 * message, with a u32 of how many; the entries, recipient records as they
 * were in the queue. */
#define KEY_PURGE_SIZE 9
#define KEY_SHARE_SIZE 17
#define KEY_TRASH_SIZE 21
void key_purge(uint64_t trash, uint8_t p[KEY_PURGE_SIZE]);
int key_purge_decode(struct slice s, uint64_t *trash);
void key_share(uint64_t id, uint64_t trash, uint8_t p[KEY_SHARE_SIZE]);
void key_trash(uint64_t trash, uint64_t id, uint32_t index,
	       uint8_t p[KEY_TRASH_SIZE]);

#endif
