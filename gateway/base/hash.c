/*
 * SipHash-1-3 (Aumasson and Bernstein): one round a word and three at the end
 * keep buckets unguessable without the key, which is all a table needs; where
 * the hash itself is seen by others, use digest.h.
 */
#include "gateway/base/hash.h"

#include <endian.h>
#include <pthread.h>
#include <string.h>

#include "gateway/base/secret.h"

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static uint8_t key[HASH_KEY_SIZE];

static void
make_key(void)
{
	secret_random(key, sizeof(key));
}

static uint64_t
rotate(uint64_t v, unsigned by)
{
	return v << by | v >> (64 - by);
}

static uint64_t
load_le64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

/* gcc calls it otherwise, and the state goes through memory. */
__attribute__((always_inline)) static inline void
sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

__attribute__((always_inline)) static inline void
sip_word(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	sip_round(v);
	v[0] ^= word;
}

uint64_t
hash_siphash13(const uint8_t k[HASH_KEY_SIZE], const void *p, size_t n)
{
	const uint8_t *at = p;
	uint64_t k0 = load_le64(k), k1 = load_le64(k + 8);
	uint64_t v[4] = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d,
			 k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573};
	uint64_t last = (uint64_t)n << 56;

	for (size_t words = n / 8; words > 0; words--, at += 8)
		sip_word(v, load_le64(at));
	for (size_t i = 0; i < n % 8; i++)
		last |= (uint64_t)at[i] << (8 * i);
	sip_word(v, last);
	v[2] ^= 0xff;
	sip_round(v);
	sip_round(v);
	sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t
hash_bytes(const void *p, size_t n)
{
	pthread_once(&key_once, make_key);
	return hash_siphash13(key, p, n);
}
