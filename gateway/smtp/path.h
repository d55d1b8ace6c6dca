#ifndef GATEWAY_SMTP_PATH_H
#define GATEWAY_SMTP_PATH_H

#include "gateway/base/slice.h"

/*
 * Paths of MAIL and RCPT (RFC 5321, 4.1.2; RFC 6531, 3.3): <local@domain>,
 * local quoted or not, domain a name or an address literal. Source routes are
 * read and dropped. The brackets may be missing, as old devices have it; then
 * the path ends at the first space.
 */

#define PATH_LOCAL_MAX 64
#define PATH_DOMAIN_MAX 255
#define PATH_ADDRESS_MAX 254 /* 256 with the brackets */
#define PATH_ROUTE_MAX 1024  /* what is dropped in front of the address */

enum path_verdict {
	PATH_FINE,
	PATH_SYNTAX,
	PATH_LONG, /* one of the lengths above */
};

/* Borrowed from the line. */
struct path {
	struct slice address; /* empty: <>; local and domain are none then */
	struct slice local;   /* as written, quotes included */
	struct slice domain;  /* none for <postmaster> */
	bool literal;	      /* domain is [...] */
	bool utf8;	      /* not all ASCII */
};

/*
 * Cuts the path off the front of *rest. The null path and <postmaster> are
 * parsed wherever they stand; who may use them is the caller's.
 */
enum path_verdict path_parse(struct slice *rest, struct path *path);

/* The recipient without a domain that every server must take. */
bool path_is_postmaster(const struct path *path);

#endif
