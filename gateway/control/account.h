#ifndef GATEWAY_CONTROL_ACCOUNT_H
#define GATEWAY_CONTROL_ACCOUNT_H

#include "gateway/control/call.h"
#include "policy/limits.h"

/* A login or an address that is asked about, and its class. */
struct look_at {
	struct limit_who who; /* borrows from the rest */
	char cred[SELECTION_VALUE_SIZE];
	char *class;
	bool has_ip;
	char ip[IP_TEXT_SIZE];
};

/* False after a sentence that begins with what. */
bool look_at_cred(struct call *call, const char *what, const char *text,
		  struct look_at *at);
bool look_at_ip(struct call *call, const char *what, const char *text,
		struct look_at *at);
void look_at_fini(struct look_at *at);

/* What accounts has of a login now, to the disk: call_commit. */
void account_commit(struct call *call, const char *cred);

#endif
