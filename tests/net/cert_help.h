#ifndef TESTS_NET_CERT_HELP_H
#define TESTS_NET_CERT_HELP_H

/* Certificates made on the spot, in a directory of the test's own. */

#include <check.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct cert {
	EVP_PKEY *key;
	X509 *x509;
};

#define CERT_PATHS 16

struct cert_dir {
	char dir[32];
	char *path[CERT_PATHS];
	int count;
};

static inline void
cert_dir_create(struct cert_dir *d)
{
	memset(d, 0, sizeof(*d));
	snprintf(d->dir, sizeof(d->dir), "/tmp/net_cert_XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(d->dir));
}

static inline void
cert_dir_destroy(struct cert_dir *d)
{
	for (int i = 0; i < d->count; i++) {
		unlink(d->path[i]);
		free(d->path[i]);
	}
	rmdir(d->dir);
}

static inline const char *
cert_path(struct cert_dir *d, const char *name)
{
	char **path = &d->path[d->count++];

	ck_assert_int_le(d->count, CERT_PATHS);
	free(*path);
	ck_assert_int_gt(asprintf(path, "%s/%s", d->dir, name), 0);
	return *path;
}

/* Valid from days_from to days_to days from now. san: "DNS:x,IP:y"; NULL for
 * a CA. issuer NULL: signed by itself. */
static inline struct cert
cert_create(EVP_PKEY *key, const char *san, int days_from, int days_to,
	    const struct cert *issuer)
{
	static long serial;
	struct cert cert = {.key = key, .x509 = X509_new()};
	char cn[32];
	X509_NAME *name = X509_get_subject_name(cert.x509);
	X509V3_CTX v3;
	X509_EXTENSION *ext;

	ck_assert_ptr_nonnull(key);
	X509_set_version(cert.x509, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert.x509), ++serial);
	X509_time_adj_ex(X509_getm_notBefore(cert.x509), days_from, 0, NULL);
	X509_time_adj_ex(X509_getm_notAfter(cert.x509), days_to, 0, NULL);
	snprintf(cn, sizeof(cn), "test %ld", serial);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
				   (const unsigned char *)cn, -1, -1, 0);
	X509_set_issuer_name(
	    cert.x509,
	    issuer == NULL ? name : X509_get_subject_name(issuer->x509));
	X509_set_pubkey(cert.x509, key);
	X509V3_set_ctx_nodb(&v3);
	X509V3_set_ctx(&v3, issuer == NULL ? cert.x509 : issuer->x509,
		       cert.x509, NULL, NULL, 0);
	ext = san == NULL
		  ? X509V3_EXT_conf_nid(NULL, &v3, NID_basic_constraints,
					"critical,CA:TRUE")
		  : X509V3_EXT_conf_nid(NULL, &v3, NID_subject_alt_name, san);
	ck_assert_ptr_nonnull(ext);
	X509_add_ext(cert.x509, ext, -1);
	X509_EXTENSION_free(ext);
	ck_assert_int_gt(X509_sign(cert.x509,
				   issuer == NULL ? key : issuer->key,
				   EVP_sha256()),
			 0);
	return cert;
}

static inline struct cert
cert_create_ec(const char *san, int days_from, int days_to,
	       const struct cert *issuer)
{
	return cert_create(EVP_EC_gen("P-256"), san, days_from, days_to,
			   issuer);
}

static inline void
cert_destroy(struct cert *cert)
{
	EVP_PKEY_free(cert->key);
	X509_free(cert->x509);
}

static inline const char *
cert_write(struct cert_dir *d, const char *name, const struct cert *cert)
{
	const char *path = cert_path(d, name);
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(PEM_write_X509(f, cert->x509), 1);
	fclose(f);
	return path;
}

/* passphrase NULL: in the clear. */
static inline const char *
cert_write_key(struct cert_dir *d, const char *name, const struct cert *cert,
	       const char *passphrase)
{
	const char *path = cert_path(d, name);
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(
	    PEM_write_PKCS8PrivateKey(
		f, cert->key, passphrase == NULL ? NULL : EVP_aes_128_cbc(),
		passphrase, passphrase == NULL ? 0 : (int)strlen(passphrase),
		NULL, NULL),
	    1);
	fclose(f);
	return path;
}

#endif
