/*
 * Keys as libcrypto has them. The file is read here, so that its bytes can be
 * wiped: what remains in memory is libcrypto's, which wipes when it frees.
 *
 * A key with a password is refused: nobody is there to type it, and one that
 * stands beside the key protects nothing.
 */
#include "gateway/dkim/key.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/encode.h"
#include "gateway/base/mem.h"
#include "gateway/base/secret.h"

#define FILE_MAX 32768
#define RECORD_DER_MAX 2048

struct dkim_key {
	EVP_PKEY *pkey;
	bool rsa;
};

/* --- reading ---------------------------------------------------------------
 */

/* Instead of libcrypto's own, which asks the terminal. */
static int
no_password(char *room, int size, int rwflag, void *arg)
{
	(void)room;
	(void)size;
	(void)rwflag;
	*(bool *)arg = true;
	return -1;
}

static const char *
check_kind(const EVP_PKEY *pkey)
{
	int bits;

	switch (EVP_PKEY_get_base_id(pkey)) {
	case EVP_PKEY_ED25519:
		return NULL;
	case EVP_PKEY_RSA:
		break;
	default:
		return "it is neither RSA nor Ed25519";
	}
	bits = EVP_PKEY_get_bits(pkey);
	if (bits < DKIM_RSA_BITS_MIN)
		return "an RSA key of less than 2048 bits is not believed";
	if (bits > DKIM_RSA_BITS_MAX)
		return "an RSA key of more than 4096 bits is not verified "
		       "everywhere";
	return NULL;
}

static EVP_PKEY *
parse(struct slice pem, const char **why)
{
	bool locked = false;
	EVP_PKEY *pkey = NULL;
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);

	if (bio != NULL)
		pkey = PEM_read_bio_PrivateKey(bio, NULL, no_password, &locked);
	BIO_free(bio);
	if (pkey == NULL && locked)
		*why = "it has a password";
	else if (pkey == NULL)
		*why = "it holds no PEM private key";
	return pkey;
}

struct dkim_key *
dkim_key_parse(struct slice pem, const char **why)
{
	struct dkim_key *key;
	EVP_PKEY *pkey;

	*why = NULL;
	if (pem.n == 0 || pem.n > FILE_MAX) {
		*why = pem.n == 0 ? "it is empty" : "it is too large";
		return NULL;
	}
	pkey = parse(pem, why);
	if (pkey == NULL)
		return NULL;
	*why = check_kind(pkey);
	if (*why != NULL) {
		EVP_PKEY_free(pkey);
		return NULL;
	}
	key = mem_zalloc(sizeof(*key));
	key->pkey = pkey;
	key->rsa = EVP_PKEY_get_base_id(pkey) == EVP_PKEY_RSA;
	return key;
}

static const char *
check_file(int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return "it is no file";
	if ((st.st_mode & S_IRWXO) != 0)
		return "everybody can read or write it: chmod o= it";
	return NULL;
}

struct dkim_key *
dkim_key_read(const char *path, const char **why)
{
	char room[FILE_MAX + 1];
	struct dkim_key *key = NULL;
	size_t n = 0;
	ssize_t got = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0) {
		*why = strerror(errno);
		return NULL;
	}
	*why = check_file(fd);
	if (*why == NULL) {
		while (n < sizeof(room) &&
		       (got = read(fd, room + n, sizeof(room) - n)) > 0)
			n += (size_t)got;
		if (got < 0)
			*why = strerror(errno);
		else
			key = dkim_key_parse(slice_of(room, n), why);
		secret_wipe(room, sizeof(room));
	}
	close(fd);
	return key;
}

void
dkim_key_destroy(struct dkim_key **key)
{
	if (*key == NULL)
		return;
	EVP_PKEY_free((*key)->pkey);
	free(*key);
	*key = NULL;
}

/* --- what is said of it ----------------------------------------------------
 */

const char *
dkim_key_algorithm(const struct dkim_key *key)
{
	return key->rsa ? "rsa-sha256" : "ed25519-sha256";
}

void
dkim_key_kind(const struct dkim_key *key, struct buf *out)
{
	if (key->rsa)
		buf_printf(out, "RSA %d", EVP_PKEY_get_bits(key->pkey));
	else
		buf_add_str(out, "Ed25519");
}

/* RFC 8463, 4.2: the bare key, without the wrapping that RSA's has. */
static struct slice
public_bytes(const struct dkim_key *key, unsigned char room[RECORD_DER_MAX])
{
	unsigned char *end = room;
	size_t n = RECORD_DER_MAX;
	int bytes;

	if (!key->rsa) {
		if (EVP_PKEY_get_raw_public_key(key->pkey, room, &n) != 1)
			return SLICE_NONE;
		return slice_of(room, n);
	}
	bytes = i2d_PUBKEY(key->pkey, NULL);
	if (bytes <= 0 || bytes > RECORD_DER_MAX ||
	    i2d_PUBKEY(key->pkey, &end) != bytes)
		return SLICE_NONE;
	return slice_of(room, (size_t)bytes);
}

void
dkim_key_record(const struct dkim_key *key, struct buf *out)
{
	unsigned char room[RECORD_DER_MAX];

	buf_printf(out, "v=DKIM1; k=%s; p=", key->rsa ? "rsa" : "ed25519");
	base64_encode(out, public_bytes(key, room));
}

/* --- signing ---------------------------------------------------------------
 */

static bool
sign_rsa(const struct dkim_key *key, const uint8_t *digest, unsigned char *to,
	 size_t *n)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key->pkey, NULL);
	/* PKCS #1, 1.5 is the default padding, and the one that is wanted */
	bool ok = ctx != NULL && EVP_PKEY_sign_init(ctx) == 1 &&
		  EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1 &&
		  EVP_PKEY_sign(ctx, to, n, digest, DIGEST_SIZE) == 1;

	EVP_PKEY_CTX_free(ctx);
	return ok;
}

/* RFC 8463, 3: what is signed is the digest, as if it were the message. */
static bool
sign_ed25519(const struct dkim_key *key, const uint8_t *digest,
	     unsigned char *to, size_t *n)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx != NULL &&
		  EVP_DigestSignInit(ctx, NULL, NULL, NULL, key->pkey) == 1 &&
		  EVP_DigestSign(ctx, to, n, digest, DIGEST_SIZE) == 1;

	EVP_MD_CTX_free(ctx);
	return ok;
}

bool
dkim_key_sign(const struct dkim_key *key, const uint8_t digest[DIGEST_SIZE],
	      struct buf *out)
{
	unsigned char room[DKIM_SIGNATURE_MAX];
	size_t n = sizeof(room);
	bool ok = key->rsa ? sign_rsa(key, digest, room, &n)
			   : sign_ed25519(key, digest, room, &n);

	if (ok)
		buf_add(out, room, n);
	return ok && !out->overflow;
}
