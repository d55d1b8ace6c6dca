#ifndef GATEWAY_CAMPAIGN_BOUNCE_H
#define GATEWAY_CAMPAIGN_BOUNCE_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/slice.h"

/*
 * What a next hop's reply means for a mailing. Pure: a table of codes,
 * enhanced codes and words, the first row that fits.
 */
enum bounce_class {			/* on disk: never renumber */
		    BOUNCE_MAILBOX = 0, /* there is no such */
		    BOUNCE_DOMAIN = 1,
		    BOUNCE_INACTIVE = 2,   /* full, disabled, moved */
		    BOUNCE_REPUTATION = 3, /* spam, blocked address, rate */
		    BOUNCE_POLICY = 4,	   /* authentication, DMARC, relaying */
		    BOUNCE_CONTENT = 5,	   /* virus, size, what it says */
		    BOUNCE_NETWORK = 6,	   /* passing, or not reached */
		    BOUNCE_OTHER = 7,
		    BOUNCE_CLASSES
};
const char *bounce_class_word(enum bounce_class class); /* "bad-mailbox" ... */

/* code 0: nobody replied. enhanced: three numbers, all 0 when there are none.
 * text: as it was said, escaped or not. */
enum bounce_class bounce_class_of(int code, const uint8_t enhanced[3],
				  struct slice text);

/* Whether such a recipient is written to again by a mailing. */
enum bounce_lasting {
	BOUNCE_PASSING, /* says nothing of the recipient */
	BOUNCE_SOFT,	/* three in seven days suppress */
	BOUNCE_HARD,	/* suppresses at once */
};
enum bounce_lasting bounce_lasting_of(enum bounce_class class);

/* The receiver says: slower. */
struct bounce_throttle {
	const char *name; /* of the row: "google-rate", "yahoo-tss04", ... */
	int64_t pause_ms; /* nothing goes there; 0: the slowest pace */
	int64_t slow_ms;  /* how long the slowest pace lasts at least */
};
/* NULL: it does not. */
const struct bounce_throttle *
bounce_throttle_of(int code, const uint8_t enhanced[3], struct slice text);

#endif
