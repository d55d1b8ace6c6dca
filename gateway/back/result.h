#ifndef GATEWAY_BACK_RESULT_H
#define GATEWAY_BACK_RESULT_H

#include <stdbool.h>

#include "dns/verdict.h"
#include "gateway/base/buf.h"
#include "gateway/smtp/reply_parse.h"

/*
 * What became of one recipient in one attempt. Pure: from a reply to a fate.
 */
enum fate {
	FATE_DELIVERED,
	FATE_DEFERRED,
	FATE_BOUNCED,
	FATE_ALTERED, /* the bytes on disk are not the client's: hold it */
	/* Of a mailing, before it is sent: nobody is told of each. */
	FATE_SUPPRESSED,
	FATE_DUPLICATE, /* had it already */
};

struct result {
	enum fate fate;
	bool again; /* deferred, but through no fault: at once, for free */
	int code;   /* 0: nobody replied, the text is ours */
	uint8_t enhanced[3];
	/* What the reply had, all 0 when nothing; the other may be told
	 * otherwise, as when the message expires. */
	uint8_t said[3];
	struct slice text; /* escaped; borrowed for as long as the result */
};

/* A 5xx is for good; everything else that is not 2xx is tried again. */
void result_of_reply(struct result *result, const struct smtp_reply *reply);
/* The same for one recipient of a message that was begun: an address that no
 * command can carry (GW_EINVAL) bounces, waiting would not mend it. */
void result_of_rcpt(struct result *result, const struct smtp_reply *reply);
/* Ours: enhanced like "5.6.7". */
void result_set(struct result *result, enum fate fate, const char *enhanced,
		const char *text);
/* What a verdict on its domain means for a recipient: bounced, or deferred with
 * 4.4.3. The text is domain_reason_text's. Not for a deliverable one. */
void result_of_domain(struct result *result, enum domain_verdict verdict,
		      enum domain_reason reason);
/* Which verdict has that reason; what is no reason to bounce is DEAD. */
enum domain_verdict result_verdict(enum domain_reason reason);
/* "550 5.1.1 text" as it was said, or "4.4.1 text" when the text is ours. */
void result_format(struct buf *out, const struct result *result);

#endif
