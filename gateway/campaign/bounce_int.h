#ifndef GATEWAY_CAMPAIGN_BOUNCE_INT_H
#define GATEWAY_CAMPAIGN_BOUNCE_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/slice.h"

/* What bounce.c and bounce_throttle.c share; nobody else includes it. */
#define BOUNCE_TEXT_MAX 1024 /* more of a reply is not looked at */

/* A reply as it is compared: lower case, white space as one blank. */
struct bounce_reply {
	int code;
	/* As in the reply, or found in its text; over 255 in the text only. */
	uint16_t class, subject, detail;
	size_t n;
	char text[BOUNCE_TEXT_MAX + 1];
};

void bounce_reply_read(struct bounce_reply *reply, int code,
		       const uint8_t enhanced[3], struct slice text);
/* phrases: lower case, '|' between them. Whether one of them is there. */
bool bounce_reply_says(const struct bounce_reply *reply, const char *phrases);

#endif
