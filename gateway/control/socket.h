#ifndef GATEWAY_CONTROL_SOCKET_H
#define GATEWAY_CONTROL_SOCKET_H

#include <stddef.h>
#include <stdint.h>

/*
 * The command socket: at most ADMIN_CLIENTS at once, one command each, a
 * deadline on all that waits for a client.
 */
#define ADMIN_CLIENTS 64
#define ADMIN_IDLE_MS 30000

struct control;
struct admin;

/* A stale socket at path is replaced, a live one is an error. */
int admin_create(struct admin **admin, struct control *control,
		 const char *path, char *error, size_t error_size);
void admin_destroy(struct admin **admin); /* and removes the socket */

/* What a call waited for is there: its step runs again. Gone is fine. */
void admin_wake(struct admin *admin, uint64_t call_id);
/* The call itself, to put an answer into; NULL: gone. */
struct call *admin_call(struct admin *admin, uint64_t call_id);

#endif
