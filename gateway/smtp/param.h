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

#define PARAM_ENVID_MAX 100 /* RFC 3461, 4.4 */
#define PARAM_ORCPT_MAX 500 /* RFC 3461, 4.2 */
#define PARAM_AUTH_MAX 500  /* RFC 4954, 5 */

struct smtp_mail;
struct smtp_rcpt;

enum param_verdict {
	PARAM_FINE,
	PARAM_SYNTAX,	/* not KEY or KEY=VALUE, or the value is not valid */
	PARAM_REPEATED, /* the same key twice */
	PARAM_UNKNOWN,	/* a key that was not offered */
};

/*
 * What stands behind the path, with its leading space. Fills in the fields of
 * the parameters and leaves the others; slices are borrowed from rest. utf8:
 * SMTPUTF8 is known (MAIL), or the transaction has it (RCPT). On a refusal
 * *key is the parameter it is about.
 */
enum param_verdict param_mail(struct slice rest, bool utf8,
			      struct smtp_mail *mail, struct slice *key);
enum param_verdict param_rcpt(struct slice rest, bool utf8,
			      struct smtp_rcpt *rcpt, struct slice *key);

#endif
