#ifndef GATEWAY_AUTH_PLUS_H
#define GATEWAY_AUTH_PLUS_H

#include "gateway/auth/sasl.h"

/*
 * A suffix of the login, by which a client says what its mail is: ann+bulk is
 * ann, and ann+bulk@example.com ann@example.com. Taken out of what the client
 * sends, before any backend sees it; for PLAIN and LOGIN, all else passes.
 */
struct auth_plus {
	char *suffix; /* NULL: none */
	enum sasl_mechanism mechanism;
	bool named; /* LOGIN: the name has come */
	bool found;
	struct buf out;
};

void auth_plus_init(struct auth_plus *plus, struct slice mechanism,
		    const char *suffix);
void auth_plus_fini(struct auth_plus *plus); /* wipes */
/* A response in base64, without the suffix; borrowed until the next. */
struct slice auth_plus_take(struct auth_plus *plus, struct slice response);

#endif
