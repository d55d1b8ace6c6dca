#ifndef GATEWAY_CAMPAIGN_RECEIVER_H
#define GATEWAY_CAMPAIGN_RECEIVER_H

#include "gateway/base/slice.h"

/*
 * The large receivers that count what a sender's domain sends to their
 * consumers in a day, and hold it to the rules of bulk senders from then on,
 * some of them for good. Pure.
 */
enum receiver {
	RECEIVER_NONE,
	RECEIVER_GOOGLE,
	RECEIVER_YAHOO,
	RECEIVER_MICROSOFT,
	RECEIVERS
};
enum receiver receiver_of(struct slice domain);	   /* any case */
const char *receiver_name(enum receiver receiver); /* "Gmail" */

#endif
