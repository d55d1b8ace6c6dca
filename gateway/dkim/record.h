#ifndef GATEWAY_DKIM_RECORD_H
#define GATEWAY_DKIM_RECORD_H

#include "gateway/base/slice.h"

/*
 * What DNS says of a selector (RFC 6376, 3.6.1), beside what it should say.
 * Pure.
 */
enum dkim_published {
	DKIM_SAME,
	DKIM_OTHER_KEY,
	DKIM_REVOKED,	/* p= is empty */
	DKIM_TESTING,	/* the same, but receivers are told not to count it */
	DKIM_NO_RECORD, /* it is no DKIM record */
	DKIM_NARROW,	/* the same, but not for mail, or not for SHA-256 */
};

/* ours: as dkim_key_record says. */
enum dkim_published dkim_record_compare(struct slice published,
					struct slice ours);
/* A sentence's end: "is published". */
const char *dkim_published_text(enum dkim_published published);

#endif
