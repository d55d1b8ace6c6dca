#ifndef GATEWAY_BACK_VIRUS_NOTICE_H
#define GATEWAY_BACK_VIRUS_NOTICE_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/buf.h"
#include "gateway/spool/message.h"

/*
 * The bytes of a notice that a virus was found behind the 250. It goes to the
 * registered address of the login and says who was written to; nothing of the
 * message comes with it. Pure.
 */
struct virus_found {
	const char *name;   /* of the part, or "" */
	const char *threat; /* or "" */
};

struct virus_notice {
	const char *hostname;
	const char *from; /* the postmaster's address */
	const char *to;
	uint64_t own_id, about_id;
	uint64_t clean_id; /* what was sent instead; 0: nothing */
	int64_t arrival_wall_s, now_wall_s;
	int64_t kept_s;			  /* in quarantine; 0: not kept */
	const char *subject, *message_id; /* of the message, or "" */
	const struct virus_found *found;
	size_t found_count;	       /* >= 1 */
	const struct spool_msg *about; /* its recipients, its login */
};

/* Appends; every line ends in CRLF, and all is ASCII but for a recipient's
 * address in To: that is not. */
void virus_notice_build(struct buf *out, const struct virus_notice *notice);

#endif
