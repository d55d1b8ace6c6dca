#ifndef GATEWAY_CONTROL_USERS_H
#define GATEWAY_CONTROL_USERS_H

#include <stdint.h>

#include "gateway/base/slice.h"

/*
 * Changes to the users in the store, one after the other: a hash takes 25 ms
 * and has a thread of its own, the commit is the store thread's, and between
 * the look whether a name is there and the commit nobody else changes it.
 */
struct change;
struct control;
struct users;

enum user_change { USER_ADD, USER_PASSWD, USER_DEL };

struct user_req { /* copied */
	enum user_change change;
	struct slice name; /* normalised */
	struct slice password;
	const char *class;   /* or NULL */
	const char *address; /* or NULL */
	uint64_t call_id;    /* who is told: gone is fine */
	/* Taken by users_submit: its entry in the trail goes along. */
	struct change *tell;
};

struct users *users_create(struct control *control); /* NULL: no thread */
/* Waits for the change that is with the store. */
void users_destroy(struct users **users);

/* Ends in admin_wake with the answer in the call. */
void users_submit(struct users *users, struct user_req *req);

#endif
