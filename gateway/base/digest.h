#ifndef GATEWAY_BASE_DIGEST_H
#define GATEWAY_BASE_DIGEST_H

#include <stdint.h>

#include "gateway/base/slice.h"

/* SHA-256 and HMAC-SHA-256 of libcrypto, behind five functions. */
#define DIGEST_SIZE 32

struct digest; /* one running SHA-256; reusable after digest_final */

struct digest *digest_create(void);
void digest_destroy(struct digest **d);
void digest_reset(struct digest *d);
void digest_add(struct digest *d, struct slice s);
void digest_final(struct digest *d, uint8_t out[DIGEST_SIZE]); /* and resets */
void digest_hmac(struct slice key, struct slice s, uint8_t out[DIGEST_SIZE]);

#endif
