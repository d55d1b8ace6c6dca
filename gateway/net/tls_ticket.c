#include "gateway/net/tls_ticket.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/secret.h"

/*
 * Handshakes of all threads come here, so the keys have a lock and leave it as
 * copies. A ticket's life (OpenSSL: two hours at most) may end sooner than it
 * says, since two keys span one hour to two; then there is a full handshake.
 */

#define IV_SIZE 16

static pthread_mutex_t keys_lock = PTHREAD_MUTEX_INITIALIZER;
static struct ticket_keys shared_keys;

static bool
is_good(const struct ticket_key *key, int64_t now_ms, int64_t age_ms)
{
	return key->made_ms != 0 && now_ms - key->made_ms < age_ms;
}

const struct ticket_key *
ticket_keys_seal(struct ticket_keys *keys, int64_t now_ms)
{
	struct ticket_key *key = &keys->current;

	if (is_good(key, now_ms, TICKET_KEY_MS))
		return key;
	keys->previous = *key;
	secret_random(key->name, sizeof(key->name));
	secret_random(key->cipher, sizeof(key->cipher));
	secret_random(key->mac, sizeof(key->mac));
	key->made_ms = now_ms;
	return key;
}

const struct ticket_key *
ticket_keys_open(struct ticket_keys *keys,
		 const unsigned char name[TICKET_NAME_SIZE], int64_t now_ms,
		 bool *renew)
{
	/* On a quiet day nobody seals: what is too old must go all the same. */
	const struct ticket_key *key = ticket_keys_seal(keys, now_ms);

	*renew = memcmp(name, key->name, TICKET_NAME_SIZE) != 0;
	if (!*renew)
		return key;
	key = &keys->previous;
	if (!is_good(key, now_ms, 2 * TICKET_KEY_MS) ||
	    memcmp(name, key->name, TICKET_NAME_SIZE) != 0)
		return NULL;
	return key;
}

static bool
key_load(const struct ticket_key *key, const unsigned char *iv,
	 EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int seal)
{
	char digest[] = "SHA256";
	unsigned char mac_key[sizeof(key->mac)];
	OSSL_PARAM params[3];
	bool good;

	memcpy(mac_key, key->mac, sizeof(mac_key));
	params[0] = OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY,
						      mac_key, sizeof(mac_key));
	params[1] =
	    OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0);
	params[2] = OSSL_PARAM_construct_end();
	good = EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher,
				 iv, seal) == 1 &&
	       EVP_MAC_CTX_set_params(mac, params) == 1;
	secret_wipe(mac_key, sizeof(mac_key));
	return good;
}

/* As SSL_CTX_set_tlsext_ticket_key_evp_cb(3) says: 0 no key, 1 fine, 2 fine
 * and renew, below 0 broken. */
static int
on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv,
	  EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int seal)
{
	const struct ticket_key *found;
	struct ticket_key key = {.made_ms = 0};
	bool renew = false, good;

	(void)ssl;
	pthread_mutex_lock(&keys_lock);
	found = seal ? ticket_keys_seal(&shared_keys, clock_mono_ms())
		     : ticket_keys_open(&shared_keys, name, clock_mono_ms(),
					&renew);
	if (found != NULL)
		key = *found;
	pthread_mutex_unlock(&keys_lock);
	if (found == NULL)
		return 0;
	if (seal) {
		memcpy(name, key.name, sizeof(key.name));
		secret_random(iv, IV_SIZE);
	}
	good = key_load(&key, iv, cipher, mac, seal);
	secret_wipe(&key, sizeof(key));
	return !good ? -1 : renew ? 2 : 1;
}

void
tls_ticket_setup(SSL_CTX *ctx)
{
	SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket);
}
