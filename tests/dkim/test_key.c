#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/encode.h"
#include "gateway/dkim/keys.h"

/* Which key files are taken, what is published of them, and whose key stands
 * for a domain. */

/* RFC 8463, A.2, as PKCS #8. */
#define ED25519                                                          \
	"-----BEGIN PRIVATE KEY-----\n"                                  \
	"MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMc\n" \
	"rn9g\n"                                                         \
	"-----END PRIVATE KEY-----\n"
#define ED25519_RECORD \
	"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

#define EC                                                               \
	"-----BEGIN PRIVATE KEY-----\n"                                  \
	"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg5J1r9n6vXvVx\n" \
	"-----END PRIVATE KEY-----\n"

static const struct {
	const char *label, *pem, *why;
} bad[] = {
    {"nothing", "", "it is empty"},
    {"a text", "hello\n", "it holds no PEM private key"},
    {"a public key",
     "-----BEGIN PUBLIC KEY-----\n"
     "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
     "-----END PUBLIC KEY-----\n",
     "it holds no PEM private key"},
    {"cut", "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v\n",
     "it holds no PEM private key"},
    {"not a key inside", EC, "it holds no PEM private key"},
};

START_TEST(refused)
{
	const char *why = NULL;
	struct dkim_key *key = dkim_key_parse(slice_str(bad[_i].pem), &why);

	ck_assert_msg(key == NULL, "%s", bad[_i].label);
	ck_assert_str_eq(why, bad[_i].why);
}
END_TEST

/* What openssl makes, as a file with these rights: NULL is good. */
static const struct {
	const char *label, *command;
	mode_t mode;
	const char *why, *kind, *algorithm;
} files[] = {
    {"RSA", "genrsa 2048", 0600, NULL, "RSA 2048", "rsa-sha256"},
    {"RSA, the old form", "genrsa -traditional 3072", 0640, NULL, "RSA 3072",
     "rsa-sha256"},
    {"Ed25519", "genpkey -algorithm ed25519", 0600, NULL, "Ed25519",
     "ed25519-sha256"},
    {"a short one", "genrsa 1024", 0600,
     "an RSA key of less than 2048 bits is not believed", NULL, NULL},
    {"a long one", "genrsa 4104", 0600,
     "an RSA key of more than 4096 bits is not verified everywhere", NULL,
     NULL},
    {"another kind", "ecparam -name prime256v1 -genkey -noout", 0600,
     "it is neither RSA nor Ed25519", NULL, NULL},
    {"with a password", "genrsa -aes128 -passout pass:secret 2048", 0600,
     "it has a password", NULL, NULL},
    {"for everybody to read", "genrsa 2048", 0604,
     "everybody can read or write it: chmod o= it", NULL, NULL},
    {"for everybody to write", "genrsa 2048", 0602,
     "everybody can read or write it: chmod o= it", NULL, NULL},
};

START_TEST(file)
{
	char path[] = "/tmp/sluice-dkim-XXXXXX", command[256];
	uint8_t digest[DIGEST_SIZE] = {1};
	struct buf kind = {.cap = 64}, out = {.cap = DKIM_SIGNATURE_MAX};
	const char *why = NULL;
	struct dkim_key *key;
	int fd = mkstemp(path);

	close(fd);
	snprintf(command, sizeof(command), "openssl %s >%s 2>/dev/null",
		 files[_i].command, path);
	ck_assert_int_eq(system(command), 0);
	ck_assert_int_eq(chmod(path, files[_i].mode), 0);
	key = dkim_key_read(path, &why);
	unlink(path);
	if (files[_i].why != NULL) {
		ck_assert_ptr_null(key);
		ck_assert_str_eq(why, files[_i].why);
		return;
	}
	ck_assert_msg(key != NULL, "%s: %s", files[_i].label, why);
	dkim_key_kind(key, &kind);
	ck_assert_str_eq(buf_cstr(&kind), files[_i].kind);
	ck_assert_str_eq(dkim_key_algorithm(key), files[_i].algorithm);
	ck_assert(dkim_key_sign(key, digest, &out));
	buf_fini(&kind);
	buf_fini(&out);
	dkim_key_destroy(&key);
}
END_TEST

START_TEST(no_file)
{
	const char *why = NULL;

	ck_assert_ptr_null(dkim_key_read("/nonexistent/key", &why));
	ck_assert_str_eq(why, "No such file or directory");
	ck_assert_ptr_null(dkim_key_read("/tmp", &why));
	ck_assert_str_eq(why, "it is no file");
}
END_TEST

START_TEST(record)
{
	const char *why = NULL;
	struct dkim_key *key = dkim_key_parse(SLICE_LIT(ED25519), &why);
	struct buf out = {.cap = 4096};

	ck_assert_msg(key != NULL, "%s", why);
	dkim_key_record(key, &out);
	ck_assert_str_eq(buf_cstr(&out), ED25519_RECORD);
	buf_fini(&out);
	dkim_key_destroy(&key);
}
END_TEST

/* --- whose key -------------------------------------------------------------
 */

static const struct {
	const char *domain, *want;
} found[] = {
    {"example.com", "example.com"},
    {"EXAMPLE.com", "example.com"},
    {"example.com.", "example.com"},
    {"sub.example.com", "example.com"},
    {"a.b.example.com", "example.com"},
    {"own.example.com", "own.example.com"},
    {"a.own.example.com", "example.com"}, /* the next that wants to */
    {"example.net", "example.net"},
    {"sub.example.net", NULL},
    {"notexample.com", NULL},
    {"com", NULL},
    {"", NULL},
    {".", NULL},
    {"empty.example", NULL}, /* it has no key */
    {"b\xc3\xbc"
     "cher.example",
     "xn--bcher-kva.example"},
};

static void
add(struct dkim_keys *keys, const char *name, bool below)
{
	const char *why;
	struct dkim_domain *domain = dkim_keys_add(keys, name);
	struct dkim_key *key = dkim_key_parse(SLICE_LIT(ED25519), &why);

	domain->below = below;
	ck_assert(dkim_domain_add(domain, "s", &key));
}

START_TEST(find)
{
	struct dkim_keys *keys = dkim_keys_create(), *other;
	const struct dkim_domain *domain;

	add(keys, "example.com", true);
	add(keys, "own.example.com", false);
	add(keys, "example.net", false);
	add(keys, "xn--bcher-kva.example", false);
	dkim_keys_add(keys, "empty.example");
	other = dkim_keys_share(keys);
	dkim_keys_release(&keys);
	domain = dkim_keys_find(other, slice_str(found[_i].domain));
	if (found[_i].want == NULL)
		ck_assert_msg(domain == NULL, "%s", found[_i].domain);
	else
		ck_assert_msg(domain != NULL &&
				  strcmp(domain->name, found[_i].want) == 0,
			      "%s", found[_i].domain);
	dkim_keys_release(&other);
	ck_assert_ptr_null(dkim_keys_find(NULL, slice_str("example.com")));
}
END_TEST

START_TEST(too_many)
{
	struct dkim_keys *keys = dkim_keys_create();
	struct dkim_domain *domain = dkim_keys_add(keys, "example.com");
	const char *why;
	struct dkim_key *key;

	for (int i = 0; i <= DKIM_SELECTORS_MAX; i++) {
		key = dkim_key_parse(SLICE_LIT(ED25519), &why);
		ck_assert_int_eq(dkim_domain_add(domain, "s", &key),
				 i < DKIM_SELECTORS_MAX);
		ck_assert_ptr_null(key);
	}
	ck_assert_ptr_eq(dkim_keys_next(keys, NULL), domain);
	ck_assert_ptr_null(dkim_keys_next(keys, domain));
	dkim_keys_release(&keys);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("key");
	TCase *t = tcase_create("key");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(t, refused, 0, (int)(sizeof(bad) / sizeof(bad[0])));
	tcase_add_loop_test(t, file, 0,
			    (int)(sizeof(files) / sizeof(files[0])));
	tcase_add_test(t, no_file);
	tcase_add_test(t, record);
	tcase_add_loop_test(t, find, 0,
			    (int)(sizeof(found) / sizeof(found[0])));
	tcase_add_test(t, too_many);
	suite_add_tcase(suite, t);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
