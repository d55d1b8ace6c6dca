#ifndef GATEWAY_CONTROL_SUPPRESS_TEXT_H
#define GATEWAY_CONTROL_SUPPRESS_TEXT_H

#include "gateway/campaign/suppress.h"
#include "gateway/control/call.h"

/* What the commands about suppressed addresses share. */
#define SUPPRESS_ADDRESS_SIZE 1024

/* There is a list in this daemon; false after a sentence. */
bool suppress_there(struct call *call);
/* --as; manual when it is not given. False after a sentence. */
bool suppress_as_option(struct call *call, enum suppress_reason *reason);
/* head and what was given behind it, escaped and cut. */
void suppress_text_put(char text[SUPPRESS_TEXT_MAX], const char *head,
		       struct slice given);
/* "by root: left the company", escaped and cut. */
void suppress_author_text(struct call *call, const struct change *change,
			  char text[SUPPRESS_TEXT_MAX]);

#endif
