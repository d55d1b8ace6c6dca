#ifndef GATEWAY_BACK_MAILDIR_H
#define GATEWAY_BACK_MAILDIR_H

#include "gateway/back/delivery.h"

/*
 * Delivery into a maildir, on a thread of its own: file I/O and its flushes
 * never hold up the relay. Files are flushed before they get their name, and
 * the directory after it, once for all that came together.
 */
struct maildir_worker;

#define MAILDIR_TASKS_MAX 64

struct maildir_worker *maildir_create(struct relay *relay);
/* Waits for what it has. Their ends come through the relay's queue first, so
 * call it when no delivery is under way. */
void maildir_destroy(struct maildir_worker **worker);
/* Takes *delivery; ends it. */
void maildir_start(struct maildir_worker *worker, struct delivery **delivery);

#endif
