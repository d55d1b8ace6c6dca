#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/scan/token.h"

/*
 * The input as a token's value, and as the line of a header. What is believed
 * has one form: made again of what was read, it is the same. The seeds were
 * made with this key.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW_S 1800000000

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t contents[DIGEST_SIZE];
	const struct token_key key = {
	    "site", SLICE_LIT("0123456789abcdef0123456789abcdef")};
	const struct token_check check = {
	    .keys = &key,
	    .key_count = 1,
	    .now_wall_s = NOW_S,
	    .age_s = 86400,
	    .contents = contents,
	};
	struct slice value = slice_of(data, size);
	struct buf again = {.cap = TOKEN_LINE_MAX};
	enum token_verdict verdict;
	struct token token;

	token_begins(value);
	verdict = token_check(&check, value, &token);
	if (strlen(token_word(verdict)) == 0 ||
	    memchr(token.istag, '\0', sizeof(token.istag)) == NULL)
		abort();
	if (verdict == TOKEN_GOOD) {
		if (!token_make(&again, &key, token.made_wall_s, token.istag,
				contents))
			abort();
		again.n -= 2;
		if (!slice_eq(
			slice_from(buf_slice(&again), strlen(TOKEN_FIELD ": ")),
			value))
			abort();
	}
	buf_fini(&again);
	return 0;
}
