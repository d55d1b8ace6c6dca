#include "tests/support/cert.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* Check's own assertions work inside a running test only. */
static void
must(bool ok)
{
	if (!ok) {
		fputs("cannot make a test certificate\n", stderr);
		abort();
	}
}

static void
add_san(X509 *cert, const char *name)
{
	char value[256];
	X509_EXTENSION *extension;

	snprintf(value, sizeof(value), "DNS:%s", name);
	extension =
	    X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, value);
	must(extension != NULL);
	must(X509_add_ext(cert, extension, -1) == 1);
	X509_EXTENSION_free(extension);
}

void
cert_write(const char *name, const char *cert_path, const char *key_path)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	X509_NAME *subject = X509_get_subject_name(cert);
	FILE *f;

	must(key != NULL);
	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
	X509_set_pubkey(cert, key);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
				   (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(cert, subject);
	add_san(cert, name);
	must(X509_sign(cert, key, EVP_sha256()) > 0);
	f = fopen(cert_path, "w");
	must(f != NULL);
	must(PEM_write_X509(f, cert) == 1);
	fclose(f);
	f = fopen(key_path, "w");
	must(f != NULL);
	must(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1);
	fclose(f);
	X509_free(cert);
	EVP_PKEY_free(key);
}
