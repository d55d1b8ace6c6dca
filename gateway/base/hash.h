#ifndef GATEWAY_BASE_HASH_H
#define GATEWAY_BASE_HASH_H

/*
 * uthash with a keyed SipHash-1-3: a peer who chooses names cannot choose
 * buckets. Include this, never <uthash.h>.
 */
#include <stdint.h>
#include <stdlib.h>

#include "gateway/base/slice.h"

/* Keyed with a random key of the process: never stored, never sent. */
uint64_t hash_bytes(const void *p, size_t n);

#define HASH_KEY_SIZE 16
uint64_t hash_siphash13(const uint8_t k[HASH_KEY_SIZE], const void *p,
			size_t n);

#define HASH_FUNCTION(keyptr, keylen, hashv) \
	((hashv) = (unsigned)hash_bytes((keyptr), (keylen)))
#define uthash_fatal(msg) abort()
#include <uthash.h>

/* The analyser does not see that an element added to a table is the table's:
 * it takes each for lost. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

#endif
