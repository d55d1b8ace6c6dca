#ifndef GATEWAY_BACK_TOKENS_H
#define GATEWAY_BACK_TOKENS_H

#include "gateway/back/back.h"
#include "gateway/base/slice.h"

/*
 * Which octets of a message do not leave: the fields of scan tokens that the
 * next hop is not to see. Offsets are in the whole, our prefix and then the
 * client's bytes. Pure.
 */
#define TOKENS_MAX 8 /* apart; more of them stay where they are */
#define TOKENS_HEADER_MAX (128 * 1024)

struct tokens {
	struct {
		uint64_t begin, end;
	} at[TOKENS_MAX];
	unsigned count;
	uint64_t bytes; /* of all */
};

/* How much of s is a header, with its empty line; 0: it has not ended yet. */
size_t tokens_header_end(struct slice s);
/* Adds the fields of a header block; it begins at that offset of the whole,
 * behind what was added before. */
void tokens_find(struct tokens *tokens, struct slice header, uint64_t offset);
/* The n bytes at p are those at that offset: what does not leave is taken out.
 * Returns how many are left. */
size_t tokens_cut(const struct tokens *tokens, uint64_t offset, char *p,
		  size_t n);

#endif
