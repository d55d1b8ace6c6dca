#ifndef GATEWAY_STORE_KEY_H
#define GATEWAY_STORE_KEY_H

#include <stdint.h>

/*
 * Keys are big-endian, so that their order in a table is the order of the
 * numbers; what may be longer than a key is hashed first.
 */
static inline void
key_put_u32(void *p, uint32_t v)
{
	uint8_t *b = p;

	b[0] = (uint8_t)(v >> 24);
	b[1] = (uint8_t)(v >> 16);
	b[2] = (uint8_t)(v >> 8);
	b[3] = (uint8_t)v;
}

static inline void
key_put_u64(void *p, uint64_t v)
{
	key_put_u32(p, (uint32_t)(v >> 32));
	key_put_u32((uint8_t *)p + 4, (uint32_t)v);
}

static inline uint32_t
key_get_u32(const void *p)
{
	const uint8_t *b = p;

	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 |
	       (uint32_t)b[2] << 8 | b[3];
}

static inline uint64_t
key_get_u64(const void *p)
{
	return (uint64_t)key_get_u32(p) << 32 |
	       key_get_u32((const uint8_t *)p + 4);
}

#endif
