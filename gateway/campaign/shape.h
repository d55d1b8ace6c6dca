#ifndef GATEWAY_CAMPAIGN_SHAPE_H
#define GATEWAY_CAMPAIGN_SHAPE_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/slice.h"

/*
 * What a message looks like to somebody who asks whether it is one of many:
 * fed as DATA arrives, in memory that does not grow with it.
 *
 * The fuzzy digest is of the text that a reader sees (transfer encodings
 * undone, markup, letter case, digits and addresses left out), so that a
 * personal salutation, a number or a link of one's own changes few of its
 * bits. Two that differ in at most SHAPE_BITS are alike: of 40 words one or two
 * may be others, of 100 three; a mail of 20 words above a signature of 100
 * that it shares with another is another.
 */
#define SHAPE_BITS 8

struct shape_facts {
	uint64_t fuzzy;	   /* 0: too little text to say (under 8 words) */
	uint8_t exact[16]; /* of all bytes behind the header block, and
			      of the subject where they are few; quick,
			      not cryptographic */
	bool list;	   /* a List-* field (RFC 2369, 2919) */
	bool precedence;   /* Precedence: bulk, list or junk */
	bool unsubscribe;  /* List-Unsubscribe */
	uint32_t shown;	   /* addresses in To and Cc, about */
};

struct shape;

struct shape *shape_create(void);
void shape_destroy(struct shape **shape);
void shape_add(struct shape *shape, struct slice bytes);
void shape_end(struct shape *shape, struct shape_facts *facts); /* once */

bool shape_alike(uint64_t a, uint64_t b); /* fuzzy ones; 0 is alike to none */

#endif
