#include "gateway/base/error.h"

#include <errno.h>

/* No default: a new error without its phrase fails to compile. */
static const char *
known_text(enum gw_err err)
{
	switch (err) {
	case GW_OK:
		return "ok";
	case GW_ENOMEM:
		return "out of memory";
	case GW_EINVAL:
		return "not valid";
	case GW_EIO:
		return "input/output error";
	case GW_ENOSPC:
		return "no space left";
	case GW_ENOENT:
		return "not found";
	case GW_EEXIST:
		return "exists already";
	case GW_ETOOBIG:
		return "too big";
	case GW_EPROTO:
		return "protocol error";
	case GW_ETIMEDOUT:
		return "timed out";
	case GW_ECLOSED:
		return "connection closed";
	case GW_ETLS:
		return "TLS failed";
	case GW_EREFUSED:
		return "connection refused";
	case GW_ECORRUPT:
		return "stored data is damaged";
	case GW_EBUSY:
		return "too busy";
	case GW_EDENIED:
		return "permission denied";
	case GW_ENOTSUP:
		return "not supported";
	case GW_ECANCELED:
		return "stopping";
	}
	return "unknown error";
}

const char *
gw_err_text(int err)
{
	return known_text((enum gw_err)err);
}

int
gw_err_from_errno(int errnum)
{
	switch (errnum) {
	case 0:
		return GW_OK;
	case ENOMEM:
		return GW_ENOMEM;
	case EINVAL:
	case ENAMETOOLONG:
	case ENOTDIR:
	case EISDIR:
		return GW_EINVAL;
	case ENOSPC:
	case EDQUOT:
		return GW_ENOSPC;
	case ENOENT:
		return GW_ENOENT;
	case EEXIST:
	case EADDRINUSE:
		return GW_EEXIST;
	case EFBIG:
	case E2BIG:
	case EMSGSIZE:
	case EOVERFLOW:
		return GW_ETOOBIG;
	case EPROTO:
		return GW_EPROTO;
	case ETIMEDOUT:
		return GW_ETIMEDOUT;
	case EPIPE:
	case ECONNRESET:
	case ECONNABORTED:
	case ENOTCONN:
		return GW_ECLOSED;
	case ECONNREFUSED:
	case ENETUNREACH:
	case EHOSTUNREACH:
	case ENETDOWN:
	case EHOSTDOWN:
		return GW_EREFUSED;
	case EAGAIN:
	case EBUSY:
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
		return GW_EBUSY;
	case EACCES:
	case EPERM:
	case EROFS:
		return GW_EDENIED;
	case ENOSYS:
	case EOPNOTSUPP:
	case EAFNOSUPPORT:
	case EPROTONOSUPPORT:
		return GW_ENOTSUP;
	case ECANCELED:
		return GW_ECANCELED;
	}
	return GW_EIO;
}
