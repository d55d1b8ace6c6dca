#ifndef GATEWAY_FRONT_SIGNING_H
#define GATEWAY_FRONT_SIGNING_H

#include "gateway/dkim/pool.h"
#include "gateway/front/transaction.h"

/*
 * A message on its way through the threads that sign. It owns what they read,
 * so a transaction may go away meanwhile.
 */
struct signing {
	struct note note; /* NOTE_SIGN */
	struct dkim_job job;
	struct worker *worker;
	struct transaction *transaction; /* NULL: nobody waits any more */
	struct dkim_keys *keys;
	struct dkim_message *message;
	char *prefix;
	bool under_way; /* job belongs to the pool */
};

/* The transaction's message, which it takes, is signed with more behind our
 * fields; what comes of it is in the transaction's signing when
 * checks_resume goes on, until signing_end. */
void signing_start(struct transaction *transaction, struct slice more);
void signing_end(struct signing **signing);
/* Nobody waits for it; it ends by itself. */
void signing_leave(struct signing **signing);

/* NOTE_SIGN: takes the note. */
void signing_done(struct note *note);

#endif
