#include "dns/query.h"

#include <string.h>

#define HEADER_SIZE 12

enum {
	FLAG_QR = 0x80,
	OPCODE = 0x78,
	FLAG_TC = 0x02,
	FLAG_RD = 0x01,
	FLAG_AD = 0x20,
	CLASS_IN = 1
};

static bool
is_letter(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static uint8_t *
name_put(uint8_t *out, const char *name, bool mixed, const uint8_t *bits)
{
	struct slice rest = slice_str(name), label;
	unsigned letters = 0;

	while (slice_split(&rest, '.', &label)) {
		*out++ = (uint8_t)label.n;
		for (size_t i = 0; i < label.n; i++) {
			uint8_t c = (uint8_t)label.p[i];

			if (mixed && is_letter(c)) {
				if (bits[letters / 8] >> letters % 8 & 1)
					c ^= 0x20;
				letters++;
			}
			*out++ = c;
		}
	}
	*out++ = 0;
	return out;
}

void
dns_query_build(struct dns_query *query, const char *name, enum dns_type type,
		bool mixed, const uint8_t random[DNS_QUERY_RANDOM])
{
	uint8_t *p = query->bytes;

	memset(p, 0, HEADER_SIZE);
	memcpy(p, random, 2);
	p[2] = FLAG_RD;
	p[3] = FLAG_AD;
	p[5] = 1;
	p = name_put(p + HEADER_SIZE, name, mixed, random + 2);
	*p++ = (uint8_t)((unsigned)type >> 8);
	*p++ = (uint8_t)type;
	*p++ = 0;
	*p++ = CLASS_IN;
	query->n = (uint16_t)(p - query->bytes);
}

/* Label lengths are below the letters, so folding all bytes leaves them. */
static bool
folded_equal(const uint8_t *a, const uint8_t *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (a[i] == b[i])
			continue;
		if (!is_letter(a[i]) || (a[i] ^ b[i]) != 0x20)
			return false;
	}
	return true;
}

enum query_match
dns_query_match(const struct dns_query *query, struct slice reply)
{
	const uint8_t *q = query->bytes, *r = (const uint8_t *)reply.p;
	size_t name_n = query->n - HEADER_SIZE - 4u;

	/* nothing stands before it that its name could be compressed to */
	if (reply.n < query->n || memcmp(q, r, 2) != 0 ||
	    (r[2] & (FLAG_QR | OPCODE)) != FLAG_QR || r[4] != 0 || r[5] != 1)
		return QUERY_OTHER;
	q += HEADER_SIZE;
	r += HEADER_SIZE;
	if (memcmp(q + name_n, r + name_n, 4) != 0)
		return QUERY_OTHER;
	if (memcmp(q, r, name_n) == 0)
		return QUERY_SAME;
	return folded_equal(q, r, name_n) ? QUERY_FOLDED : QUERY_OTHER;
}

bool
dns_query_truncated(struct slice reply)
{
	return reply.n > 2 && ((uint8_t)reply.p[2] & FLAG_TC);
}
