#ifndef GATEWAY_FRONT_COMMIT_H
#define GATEWAY_FRONT_COMMIT_H

#include "gateway/front/transaction.h"

/*
 * A message given to the store. It goes on when its client is gone: then the
 * message is kept all the same, and its answer is only logged.
 */

/* Takes the transaction's message and body. The answer comes to the
 * transaction, if it still lives, through checks_resume. */
void commit_start(struct transaction *transaction);

/* NOTE_COMMIT: takes the note. */
void commit_done(struct worker *worker, struct note *note);

#endif
