#ifndef GATEWAY_CAMPAIGN_SHAPE_TEXT_H
#define GATEWAY_CAMPAIGN_SHAPE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/slice.h"

/*
 * The fuzzy digest of a text, in pieces of any size; of gateway/campaign's
 * shape alone. See shape_text.c for what it is.
 */
#define SHAPE_TEXT_MAX 32768 /* bytes; what follows is not looked at */
#define SHAPE_WORDS_MAX 320
#define SHAPE_WORDS_LEAST 8
#define SHAPE_FIRST_WORDS 6 /* a first line of so few is a salutation */
#define SHAPE_CHUNK_WORDS 8

struct shape_text {
	uint64_t least[64]; /* of each bucket */
	uint32_t words, bytes;
	uint64_t before; /* the word before */
	/* of the run of bytes without a space between them */
	uint64_t chunk[SHAPE_CHUNK_WORDS];
	uint64_t word; /* hash so far; 0: none begun */
	uint8_t chunk_count;
	bool dropped, slash;
	/* of the line */
	bool line_busy;
	uint8_t dashes;
	bool over; /* what follows is a signature */
	/* of the part's first line */
	uint64_t first[SHAPE_FIRST_WORDS];
	uint8_t first_count;
	bool in_first;
	/* of HTML */
	bool html;
	uint8_t state, name_n, comment;
	char name[8];	   /* of a tag */
	const char *until; /* the end tag that ends what is not shown */
};

void shape_text_init(struct shape_text *text);
void shape_text_part(struct shape_text *text, bool html); /* one begins */
void shape_text_add(struct shape_text *text, struct slice bytes);
void shape_text_part_end(struct shape_text *text);
bool shape_text_full(const struct shape_text *text);
uint64_t shape_text_fuzzy(const struct shape_text *text);

#endif
