/*
 * SHA-256 and HMAC over EVP. In OpenSSL 3 finding an algorithm costs more than
 * hashing a short message: it is fetched once a process and kept for good, and
 * HMAC copies a context that has its digest already. A failure below is no
 * answer about the data but a broken libcrypto: abort.
 */
#include "gateway/base/digest.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <pthread.h>
#include <stdlib.h>

#include "gateway/base/mem.h"

struct digest {
	EVP_MD_CTX *ctx;
};

static pthread_once_t fetch_once = PTHREAD_ONCE_INIT;
static EVP_MD *sha256;
static EVP_MAC_CTX *hmac_sha256; /* without a key; only ever copied */

static void
must(int ok)
{
	if (ok != 1)
		abort();
}

static void
fetch(void)
{
	char name[] = "SHA2-256";
	OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
	    OSSL_PARAM_construct_end()};
	EVP_MAC *mac;

	sha256 = EVP_MD_fetch(NULL, name, NULL);
	mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	must(sha256 != NULL && mac != NULL);
	hmac_sha256 = EVP_MAC_CTX_new(mac);
	EVP_MAC_free(mac); /* the context holds its own reference */
	must(hmac_sha256 != NULL);
	must(EVP_MAC_CTX_set_params(hmac_sha256, params));
}

struct digest *
digest_create(void)
{
	struct digest *d = mem_alloc(sizeof(*d));

	pthread_once(&fetch_once, fetch);
	d->ctx = EVP_MD_CTX_new();
	must(d->ctx != NULL);
	digest_reset(d);
	return d;
}

void
digest_destroy(struct digest **d)
{
	if (*d == NULL)
		return;
	EVP_MD_CTX_free((*d)->ctx);
	free(*d);
	*d = NULL;
}

void
digest_reset(struct digest *d)
{
	must(EVP_DigestInit_ex2(d->ctx, sha256, NULL));
}

void
digest_add(struct digest *d, struct slice s)
{
	must(EVP_DigestUpdate(d->ctx, s.p, s.n));
}

void
digest_final(struct digest *d, uint8_t out[DIGEST_SIZE])
{
	must(EVP_DigestFinal_ex(d->ctx, out, NULL));
	digest_reset(d);
}

void
digest_hmac(struct slice key, struct slice s, uint8_t out[DIGEST_SIZE])
{
	/* NULL would mean "the key set before", of which there is none */
	const char *k = key.n > 0 ? key.p : "";
	EVP_MAC_CTX *ctx;

	pthread_once(&fetch_once, fetch);
	ctx = EVP_MAC_CTX_dup(hmac_sha256);
	must(ctx != NULL);
	must(EVP_MAC_init(ctx, (const unsigned char *)k, key.n, NULL));
	must(EVP_MAC_update(ctx, (const unsigned char *)s.p, s.n));
	must(EVP_MAC_final(ctx, out, NULL, DIGEST_SIZE));
	EVP_MAC_CTX_free(ctx);
}
