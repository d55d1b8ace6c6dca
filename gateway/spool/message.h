#ifndef GATEWAY_SPOOL_MESSAGE_H
#define GATEWAY_SPOOL_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/addr.h"
#include "gateway/base/arena.h"
#include "gateway/base/digest.h"
#include "gateway/base/slice.h"

/*
 * A message in memory: envelope, our prefix, where the body lies. One owner at
 * a time: front builds it, the store thread commits it, back sends it. All
 * strings are NUL-terminated and live in the message's arena; a string that
 * was not given is NULL, except mail_from ("" is the null sender).
 */
enum rcpt_state { /* on disk: never renumber */
		  RCPT_QUEUED = 0,
		  RCPT_HELD = 1, /* holds is not empty */
		  /* From here on final; the entry leaves the queue. */
		  RCPT_DELIVERED = 2,
		  RCPT_BOUNCED = 3,
		  RCPT_DROPPED = 4,
		  RCPT_DISCARDED = 5,
		  RCPT_QUARANTINED = 6,
		  RCPT_PURGED = 7,
		  RCPT_STATES
};

enum {			      /* hold reasons, a set */
       HOLD_ALTERED = 1 << 0, /* bytes on disk are not the client's */
       HOLD_ADMIN = 1 << 1,
       HOLD_BLOCK = 1 << 2,
       HOLD_LIMIT = 1 << 3,
       HOLD_SCAN = 1 << 4,
       HOLD_CAMPAIGN = 1 << 5,
       HOLD_UNSCANNABLE = 1 << 6, /* as the class says; release lifts it */
};

enum { /* NOTIFY of RFC 3461; 0: not given */
       NOTIFY_NEVER = 1 << 0,
       NOTIFY_SUCCESS = 1 << 1,
       NOTIFY_FAILURE = 1 << 2,
       NOTIFY_DELAY = 1 << 3,
};

enum { RET_NONE, RET_FULL, RET_HDRS };

enum {			       /* message flags */
       MSG_EIGHTBIT = 1 << 0,  /* BODY=8BITMIME, or 8-bit bytes seen */
       MSG_UTF8 = 1 << 1,      /* SMTPUTF8 */
       MSG_GENERATED = 1 << 2, /* ours: DSN, notice */
       MSG_DELAYED = 1 << 3,   /* a delay DSN went out */
       /* What its class wants if it cannot be scanned; neither: reject */
       MSG_UNSCANNABLE_HOLD = 1 << 4,
       MSG_UNSCANNABLE_PASS = 1 << 5,
};

enum { LANE_PERSONAL, LANE_BULK, LANE_DSN, LANES };

enum rcpt_domain { /* on disk: never renumber */
		   RCPT_DOMAIN_FINE = 0,
		   RCPT_DOMAIN_UNDECIDED = 1, /* asked before delivery */
		   RCPT_DOMAIN_DEAD = 2, /* for the report; never delivered */
};

struct spool_rcpt {
	/* Names the recipient for good: a loaded message has no final ones, so
	 * this may differ from the place in rcpts. Outcomes want this one. */
	uint32_t index;
	const char *address;
	const char *orcpt; /* as given, "rfc822;xtext" */
	uint8_t notify;
	uint8_t state;
	uint8_t domain;	    /* enum rcpt_domain */
	uint8_t domain_why; /* DEAD: enum domain_reason of dns/verdict.h */
	uint16_t attempts;
	uint32_t holds;
	int64_t next_wall_s;	/* not before; 0: at once */
	const char *last_reply; /* of the last deferral, escaped, <= 512 */
};

/* The client's own bytes, after dot-unstuffing, within one segment. */
struct spool_ref {
	uint64_t segment;
	uint64_t offset;
	uint64_t length;
	uint8_t digest[DIGEST_SIZE];
};

struct spool_msg {
	uint64_t id;
	int64_t accepted_wall_ms;
	const char *cred; /* normalised login; "" for generated mail */
	struct ip_addr client;
	const char *session; /* the session's id */
	const char *mail_from;
	const char *owner; /* the login's registered address, or NULL */
	const char *envid; /* as given, xtext */
	uint8_t ret;
	uint8_t lane;
	uint64_t campaign; /* number of the one it is of; 0: none */
	uint16_t flags;
	struct slice prefix; /* our headers, CRLF-terminated lines */
	struct spool_ref body;
	uint64_t block_generation; /* of the block list that all of it was
				      checked by; 0: none. Not on disk */
	bool has_resub_key;
	uint8_t resub_key[DIGEST_SIZE];
	struct spool_rcpt *rcpts;
	uint32_t rcpt_count;
	uint32_t rcpt_room; /* internal */
	struct arena *arena;
};

struct spool_msg *spool_msg_create(void); /* zeroed, id 0, with an arena */
void spool_msg_destroy(struct spool_msg **msg);
/* Zeroed but for the copied address; valid until the next add. */
struct spool_rcpt *spool_msg_add_rcpt(struct spool_msg *msg,
				      struct slice address);

#endif
