#ifndef GATEWAY_DKIM_KEY_H
#define GATEWAY_DKIM_KEY_H

#include <stdbool.h>

#include "gateway/base/buf.h"
#include "gateway/base/digest.h"

/*
 * One private key: RSA (RFC 6376, 8301) or Ed25519 (RFC 8463). Any number of
 * threads may sign with it at once.
 */
struct dkim_key;

#define DKIM_RSA_BITS_MIN 2048 /* RFC 8301, 3.2: below it nobody should */
#define DKIM_RSA_BITS_MAX 4096 /* and above it not all receivers verify */
#define DKIM_SIGNATURE_MAX (DKIM_RSA_BITS_MAX / 8)

/* A PEM private key without a password; NULL, and *why says what is wrong with
 * it. */
struct dkim_key *dkim_key_parse(struct slice pem, const char **why);
/* The same out of a file that not everybody may read. */
struct dkim_key *dkim_key_read(const char *path, const char **why);
void dkim_key_destroy(struct dkim_key **key);

/* As in a=: "rsa-sha256", "ed25519-sha256". */
const char *dkim_key_algorithm(const struct dkim_key *key);
/* "RSA 2048", "Ed25519". */
void dkim_key_kind(const struct dkim_key *key, struct buf *out);
/* What DNS must say of it: "v=DKIM1; k=rsa; p=...". */
void dkim_key_record(const struct dkim_key *key, struct buf *out);

/* The signature over a digest, binary: false when libcrypto failed. */
bool dkim_key_sign(const struct dkim_key *key,
		   const uint8_t digest[DIGEST_SIZE], struct buf *out);

#endif
