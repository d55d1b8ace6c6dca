#ifndef GATEWAY_BASE_ERROR_H
#define GATEWAY_BASE_ERROR_H

/*
 * Errors as values: 0, or one of these negative numbers. An answer that is
 * not a failure (over the limit, wrong password, duplicate) is never one of
 * them: it is a verdict enum of its unit.
 */
enum gw_err {
	GW_OK = 0,
	GW_ENOMEM = -1,	   /* an allocation of bounded, larger size failed */
	GW_EINVAL = -2,	   /* the caller's or the file's value is not valid */
	GW_EIO = -3,	   /* the disk or the kernel failed */
	GW_ENOSPC = -4,	   /* disk or map full */
	GW_ENOENT = -5,	   /* no such thing */
	GW_EEXIST = -6,	   /* is there already */
	GW_ETOOBIG = -7,   /* over a cap of ours */
	GW_EPROTO = -8,	   /* the peer broke the protocol */
	GW_ETIMEDOUT = -9, /* the deadline passed */
	GW_ECLOSED = -10,  /* the peer went away */
	GW_ETLS = -11,	   /* TLS failed: handshake or verification */
	GW_EREFUSED = -12, /* connection refused, host or net unreachable */
	GW_ECORRUPT = -13, /* a record or body read back is not what we wrote */
	GW_EBUSY = -14,	   /* a bounded queue is full; try later */
	GW_EDENIED = -15,  /* permission */
	GW_ENOTSUP = -16,  /* the peer or the build cannot do it */
	GW_ECANCELED = -17, /* we are stopping */
};

/* A short lower-case English phrase, e.g. "no space left"; never NULL. */
const char *gw_err_text(int err);

/* errno -> gw_err; what has no match of its own becomes GW_EIO. */
int gw_err_from_errno(int errnum);

#endif
