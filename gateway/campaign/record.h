#ifndef GATEWAY_CAMPAIGN_RECORD_H
#define GATEWAY_CAMPAIGN_RECORD_H

#include "gateway/base/buf.h"
#include "gateway/campaign/campaign.h"

/*
 * What stands in STORE_CAMPAIGN. The tag is a key's first byte, the campaign's
 * number follows; a start does not read the failures, but passes over them.
 */
enum campaign_tag {			   /* on disk: never change */
		    CAMPAIGN_NUMBER = 'a', /* alone: the largest number */
		    CAMPAIGN_RECORD = 'b', /* what it is, written once */
		    CAMPAIGN_TALLY = 'c',  /* + u8 count: an i64 */
		    CAMPAIGN_STATE = 'd',  /* + u8 slot: an order */
		    CAMPAIGN_LAST = 'e',   /* time of its last message, i64 */
		    CAMPAIGN_FAILED = 'f', /* + message, + u32 index */
		    CAMPAIGN_TOLD = 'g',   /* of which state its owner was: the
					      number of its order, u64 */
};
#define CAMPAIGN_KEY_MAX 21
/* Orders that are on their way to the disk at once arrive in any order: each
 * has a slot of its own, and the one with the largest number stands. */
#define CAMPAIGN_STATE_SLOTS 8
#define CAMPAIGN_TEXT_MAX 512 /* of one string; longer ones are cut */
/* The last second of the year 9999: a later time was never written, nor was
 * one below 0, nor a number that nobody counts to. */
#define CAMPAIGN_TIME_MAX_S INT64_C(253402300799)
#define CAMPAIGN_ID_MAX ((uint64_t)INT64_MAX / 2)

struct campaign_key {
	enum campaign_tag tag;
	uint64_t id;
	uint8_t sub; /* TALLY, STATE */
	uint64_t message;
	uint32_t index;
};
size_t campaign_key_encode(const struct campaign_key *key,
			   uint8_t out[CAMPAIGN_KEY_MAX]);
int campaign_key_decode(struct slice in, struct campaign_key *key);

struct campaign_record {
	struct slice cred, owner, name; /* owner: SLICE_NONE for none */
	enum campaign_why why;
	enum campaign_state state; /* as it began */
	bool confirm;
	uint32_t rate_per_h, connections;
	int64_t began_wall_s;
	uint64_t fuzzy;
	uint8_t exact[16];
};
void campaign_record_encode(const struct campaign_record *record,
			    struct buf *out);
/* Borrows from in. GW_ECORRUPT. */
int campaign_record_decode(struct slice in, struct campaign_record *record);

struct campaign_standing { /* of an order */
	uint32_t seq;
	enum campaign_state state;
	bool forgiven; /* no rule stops it again */
	uint32_t rate_per_h, connections;
	int64_t ended_wall_s;
	struct slice reason;
	/* Version 1 had none of these; it is written while state_seq is 0, as
	 * the others are then. */
	uint32_t state_seq; /* of the order that made the state */
	uint64_t trash;	    /* where the rest of it went; 0: nowhere */
	bool bounce;	    /* the report names who lies there */
};
void campaign_standing_encode(const struct campaign_standing *standing,
			      struct buf *out);
int campaign_standing_decode(struct slice in,
			     struct campaign_standing *standing);

struct campaign_failed {
	enum campaign_count count;
	int64_t wall_s;
	struct slice address, text;
};
void campaign_failed_encode(const struct campaign_failed *failed,
			    struct buf *out);
int campaign_failed_decode(struct slice in, struct campaign_failed *failed);

#endif
