#ifndef GATEWAY_ICAP_PROFILE_H
#define GATEWAY_ICAP_PROFILE_H

#include "gateway/base/slice.h"

/*
 * What differs between the makers of ICAP servers and cannot be seen in their
 * answers. Everything that can be seen (which of a dozen headers says
 * "infected") is looked at with all of them: icap/verdict.c. None is known to
 * judge a file by its beginning without having asked for a preview, so there
 * is no row that may.
 */
#define ICAP_PROFILE_MARKS 3

struct icap_profile {
	const char *name; /* as in gateway.conf */
	/* Somewhere in Service: or Server: of OPTIONS, in any case. */
	const char *marks[ICAP_PROFILE_MARKS];
	/* Who the client is logged in as, unless X-Include asks for another */
	const char *user_header;
	bool user_base64; /* of "Local://user", as Squid and others send it */
	/* The body of an answer that blocks has an end one can wait for; else
	 * its connection is closed. */
	bool drain;
	/* ICAP 500 with X-Error-Code: the file is protected by a password. */
	bool error_code_encrypted;
};

/* NULL: no such name. */
const struct icap_profile *icap_profile_find(const char *name);
/* By what OPTIONS said; the generic one when nothing matches. */
const struct icap_profile *icap_profile_detect(struct slice service,
					       struct slice server);
/* All of them, the generic one first; NULL behind the last. */
const struct icap_profile *icap_profile_at(size_t i);

#endif
