#ifndef GATEWAY_BACK_DSN_H
#define GATEWAY_BACK_DSN_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/buf.h"
#include "gateway/spool/message.h"

/*
 * The bytes of a delivery status notification: RFC 3462 (multipart/report),
 * 3464, 3461 for the fields and 6533 for UTF-8 addresses. Pure.
 */
enum dsn_action { DSN_FAILED, DSN_DELAYED, DSN_RELAYED, DSN_DELIVERED };

struct dsn_rcpt {
	const char *address;
	const char *orcpt; /* as given, "rfc822;xtext", or NULL */
	enum dsn_action action;
	uint8_t status[3];
	/* What the next hop said ("550 5.1.1 ..."), or our own words. */
	struct slice diagnostic;
	bool from_remote;
	const char *remote_mta; /* a name, or NULL */
};

struct dsn {
	const char *hostname;
	const char *from; /* the postmaster's address */
	const char *to;
	const char *envid;    /* as given, xtext, or NULL */
	const char *boundary; /* a peer must not be able to guess it */
	uint64_t own_id, about_id;
	int64_t arrival_wall_s, now_wall_s;
	int64_t retry_until_wall_s; /* for DSN_DELAYED */
	bool utf8;		    /* the message was MSG_UTF8 */
	bool whole;		    /* original is all of it: message/rfc822 */
	struct slice original;	    /* else its header block */
	const struct dsn_rcpt *rcpts;
	size_t rcpt_count;
};

/* Appends; every line ends in CRLF. True: the result has 8-bit bytes. */
bool dsn_build(struct buf *out, const struct dsn *dsn);

/* Whether a recipient with this NOTIFY wants to hear of it (RFC 3461, 4.1).
 */
bool dsn_wanted(uint8_t notify, enum dsn_action action);

/*
 * Who is told: MAIL FROM when its domain is ours, else the login's registered
 * address, else nobody: a forged sender gets nothing. NULL also for what must
 * never cause a DSN: the null sender, and what we made ourselves.
 */
const char *dsn_recipient(const struct spool_msg *msg, bool sender_is_ours);

/* The header block of a message, with the CRLF of its last line. */
struct slice dsn_header_block(struct slice message);

#endif
