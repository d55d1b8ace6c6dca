#ifndef GATEWAY_SMTP_PARAM_H
#define GATEWAY_SMTP_PARAM_H

#include "gateway/base/slice.h"

/*
 * ESMTP parameters of MAIL and RCPT (RFC 5321, 4.1.1.11; RFC 1870, 6152,
 * 3461, 4954, 6531). The values of RET and NOTIFY are those of
 * gateway/spool/message.h, which this unit may not see; tests/front compares.
 */
enum { SMTP_RET_NONE, SMTP_RET_FULL, SMTP_RET_HDRS };
enum {
	SMTP_NOTIFY_NEVER = 1 << 0,
	SMTP_NOTIFY_SUCCESS = 1 << 1,
	SMTP_NOTIFY_FAILURE = 1 << 2,
	SMTP_NOTIFY_DELAY = 1 << 3,
};

#endif
