#ifndef GATEWAY_DKIM_SIGN_H
#define GATEWAY_DKIM_SIGN_H

#include "gateway/dkim/keys.h"
#include "gateway/dkim/message.h"

/*
 * The DKIM-Signature fields of a message (RFC 6376, 3.5), one for each key of
 * the domain. They stand before everything else.
 *
 * Signed is what a reader is shown and what a mail program acts on: From,
 * Subject, To and their like, also where they are missing, so that none can be
 * added; Content-* and List-*; never a trace field, and never a field that a
 * gateway of ours takes out on the way (X-Sluice-Scan).
 */
#define DKIM_FIELDS_MAX                                                \
	65536		/* of all fields that are made for one message \
			 */
#define DKIM_SAME_MAX 4 /* more of a field: it is not signed */

struct dkim_signing { /* borrowed */
	const struct dkim_domain *domain;
	const struct dkim_message *message; /* ended */
	struct slice prefix; /* our own fields, in front of its */
	int64_t now_wall_s;
};

/* Adds the fields, with their CRLF. 0; GW_EINVAL: a message that is not
 * signed; GW_EIO: libcrypto failed. Nothing is added then. */
int dkim_sign(const struct dkim_signing *signing, struct buf *out);

#endif
