/*
 * Client sessions that are authenticated by TLSA records (RFC 7671, 7672).
 * OpenSSL matches: it takes the strongest digest of each kind, and believes no
 * authority but those in the records. What is decided here: names and dates of
 * a certificate of usage DANE-EE are nothing to look at (7672, 3.1.1), and
 * records none of which OpenSSL can read ask for a session that is encrypted,
 * with whomever (2.2).
 */
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"
#include "gateway/net/tls_int.h"

/* Of the opportunistic context it is 0: there the clear is the alternative.
 * Here somebody says who he is, and a key that can be forged says nothing. */
#define SECURITY_LEVEL 1

static void
put(char **at, const void *p, size_t n)
{
	if (n > 0)
		memcpy(*at, p, n);
	*at += n;
}

static const char *
put_name(char **at, const char *name)
{
	char *copy = *at;

	if (name == NULL)
		return NULL;
	put(at, name, strlen(name) + 1);
	return copy;
}

static size_t
name_bytes(const char *name)
{
	return name == NULL ? 0 : strlen(name) + 1;
}

struct tls_dane *
tls_dane_copy(const struct tls_dane *dane)
{
	size_t n = sizeof(*dane) + dane->count * sizeof(*dane->records) +
		   name_bytes(dane->host) + name_bytes(dane->domain);
	struct tls_dane_record *records;
	struct tls_dane *copy;
	char *at;

	for (uint32_t i = 0; i < dane->count; i++)
		n += dane->records[i].data.n;
	copy = mem_zalloc(n);
	records = (struct tls_dane_record *)(copy + 1);
	at = (char *)(records + dane->count);
	*copy = (struct tls_dane){.records = records, .count = dane->count};
	for (uint32_t i = 0; i < dane->count; i++) {
		records[i] = dane->records[i];
		records[i].data.p = at;
		put(&at, dane->records[i].data.p, dane->records[i].data.n);
	}
	copy->host = put_name(&at, dane->host);
	copy->domain = put_name(&at, dane->domain);
	return copy;
}

/* How many of the records OpenSSL took; -1: it failed. */
static int
add_records(SSL *ssl, const struct tls_dane *dane)
{
	int count = 0;

	for (uint32_t i = 0; i < dane->count; i++) {
		const struct tls_dane_record *r = &dane->records[i];
		int taken = SSL_dane_tlsa_add(
		    ssl, r->usage, r->selector, r->matching,
		    (const unsigned char *)r->data.p, r->data.n);

		if (taken < 0)
			return -1;
		count += taken;
	}
	/* What it could not read left its reasons. */
	ERR_clear_error();
	return count;
}

/* False: OpenSSL did not take the names, or ran out of memory. */
static bool
session_expect(SSL *ssl, const struct tls_dane *dane)
{
	int taken;

	if (SSL_dane_enable(ssl, dane->host) != 1)
		return false;
	if (dane->domain != NULL && SSL_add1_host(ssl, dane->domain) != 1)
		return false;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
	taken = add_records(ssl, dane);
	if (taken < 0)
		return false;
	if (taken > 0) {
		SSL_set_security_level(ssl, SECURITY_LEVEL);
		SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
	} else {
		SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL);
	}
	return true;
}

SSL *
tls_session_dane(struct tls_ctx *ctx, int fd, const struct tls_dane *dane)
{
	SSL *ssl = tls_session_create(ctx, fd);

	if (ssl == NULL)
		return NULL;
	if (!session_expect(ssl, dane)) {
		SSL_free(ssl);
		return NULL;
	}
	SSL_set_connect_state(ssl);
	return ssl;
}

bool
tls_session_is_dane(SSL *ssl)
{
	return SSL_get_verify_result(ssl) == X509_V_OK &&
	       SSL_get0_dane_authority(ssl, NULL, NULL) >= 0;
}
