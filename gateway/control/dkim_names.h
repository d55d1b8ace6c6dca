#ifndef GATEWAY_CONTROL_DKIM_NAMES_H
#define GATEWAY_CONTROL_DKIM_NAMES_H

#include "gateway/control/call.h"

/* The selectors that a `dkim` command is about: all, or those of the domain
 * that is its operand. */
struct dkim_name {
	const char *domain, *selector;
	const char *algorithm; /* "rsa-sha256" */
	const char *kind;      /* "RSA 2048" */
	bool bulk, below;
	const char *name;   /* "s._domainkey.example.com" */
	const char *record; /* what its TXT must say */
};

/* Texts in arena, the list freed with free(3). 0: there are none, and that is
 * told. */
size_t dkim_names(struct call *call, struct arena *arena,
		  struct dkim_name **names);

#endif
