/* Contexts: what is refused, and in which words. */
#include "gateway/net/tls.h"

#include "tests/net/net_help.h"

#include "tests/net/cert_help.h"

enum file {
	GOOD,
	OTHER_EC,
	RSA_PAIR,
	ENCRYPTED,
	GARBAGE,
	EMPTY,
	MISSING,
	FILES
};

struct row {
	const char *label;
	enum file certificate, key;
	const char *error; /* part of it, after the file's name; NULL: good */
	bool blames_key;
};

static const struct row rows[] = {
    {"good", GOOD, GOOD, NULL, false},
    {"RSA", RSA_PAIR, RSA_PAIR, NULL, false},
    {"key of another certificate", GOOD, OTHER_EC, "key values mismatch", true},
    {"key of another type", GOOD, RSA_PAIR,
     "does not belong to the certificate", true},
    {"encrypted key, and nobody to ask", GOOD, ENCRYPTED, "", true},
    {"no certificate file", MISSING, GOOD, "No such file", false},
    {"no key file", GOOD, MISSING, "No such file", true},
    {"garbage for a certificate", GARBAGE, GOOD, "no start line", false},
    {"garbage for a key", GOOD, GARBAGE, "", true},
    {"empty certificate", EMPTY, GOOD, "no start line", false},
};

struct files {
	struct cert_dir dir;
	const char *certificate[FILES];
	const char *key[FILES];
};

static const char *
write_text(struct cert_dir *dir, const char *name, const char *text)
{
	const char *path = cert_path(dir, name);
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
	return path;
}

static void
files_create(struct files *f)
{
	struct cert good = cert_create_ec("DNS:localhost", 0, 30, NULL);
	struct cert other = cert_create_ec("DNS:localhost", 0, 30, NULL);
	struct cert rsa =
	    cert_create(EVP_RSA_gen(2048), "DNS:localhost", 0, 30, NULL);

	cert_dir_create(&f->dir);
	f->certificate[GOOD] = cert_write(&f->dir, "c", &good);
	f->certificate[RSA_PAIR] = cert_write(&f->dir, "rc", &rsa);
	f->key[GOOD] = cert_write_key(&f->dir, "k", &good, NULL);
	f->key[OTHER_EC] = cert_write_key(&f->dir, "ok", &other, NULL);
	f->key[RSA_PAIR] = cert_write_key(&f->dir, "rk", &rsa, NULL);
	f->key[ENCRYPTED] = cert_write_key(&f->dir, "ek", &good, "secret");
	f->key[GARBAGE] = f->certificate[GARBAGE] =
	    write_text(&f->dir, "garbage", "hello\n");
	f->key[EMPTY] = f->certificate[EMPTY] =
	    write_text(&f->dir, "empty", "");
	f->key[MISSING] = f->certificate[MISSING] = cert_path(&f->dir, "none");
	cert_destroy(&good);
	cert_destroy(&other);
	cert_destroy(&rsa);
}

START_TEST(server_contexts)
{
	struct files files;

	files_create(&files);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		struct tls_server_opts opts = {
		    files.certificate[row->certificate], files.key[row->key]};
		const char *blamed =
		    row->blames_key ? opts.key : opts.certificate;
		char error[256] = "";
		struct tls_ctx *ctx;
		int err = tls_server_create(&ctx, &opts, error, sizeof(error));

		ck_assert_msg((err == 0) == (row->error == NULL), "%s: %s",
			      row->label, error);
		ck_assert_int_eq(err == 0, ctx != NULL);
		if (row->error != NULL) {
			ck_assert_int_eq(err, GW_ETLS);
			ck_assert_msg(strncmp(error, blamed, strlen(blamed)) ==
					      0 &&
					  strstr(error, row->error) != NULL,
				      "%s: %s", row->label, error);
		} else {
			int64_t left =
			    tls_ctx_expires_wall_s(ctx) - clock_wall_s();

			ck_assert_int_gt(left, 29 * 86400);
			ck_assert_int_le(left, 30 * 86400);
		}
		tls_ctx_destroy(&ctx);
	}
	cert_dir_destroy(&files.dir);
}
END_TEST

START_TEST(client_contexts)
{
	struct tls_client_opts opts = {.verify = true, .ca_file = "/nowhere"};
	struct tls_ctx *ctx, *second;
	char error[256];

	ck_assert_int_eq(tls_client_create(&ctx, &opts, error, sizeof(error)),
			 GW_ETLS);
	ck_assert_ptr_null(ctx);
	ck_assert_ptr_nonnull(strstr(error, "/nowhere: "));
	opts.ca_file = NULL;
	ck_assert_int_eq(tls_client_create(&ctx, &opts, error, sizeof(error)),
			 0);
	ck_assert_int_eq(tls_ctx_expires_wall_s(ctx), 0);
	second = tls_ctx_share(ctx);
	tls_ctx_destroy(&ctx);
	ck_assert_ptr_null(ctx);
	tls_ctx_destroy(&ctx);
	ck_assert_int_eq(tls_ctx_expires_wall_s(second), 0);
	tls_ctx_destroy(&second);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {server_contexts, client_contexts};

	return RUN_TESTS("net/tls", tests);
}
