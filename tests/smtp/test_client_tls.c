/* STARTTLS and implicit TLS: who is believed, what is done without. */
#include <openssl/pem.h>
#include <unistd.h>

#include "tests/smtp/client_help.h"
#include "tests/support/cert.h"

#define EHLO_TLS \
	"S220 x\nCEHLO\nS250-x|250-PIPELINING|250 STARTTLS\nCSTARTTLS\n"
#define IN_TLS "S220 go\nT\nCEHLO\nS250-x|250 8BITMIME\n"
#define CLEAR "S220 x\nCEHLO\nS250-x|250 DSN\n"

static char dir[] = "/tmp/sluice-test-XXXXXX";
static char cert_path[64], key_path[64];

enum trust { TRUST_NOBODY, TRUST_CERT, TRUST_ALL };

static const struct {
	const char *label;
	const char *scripts[2];
	enum smtp_client_tls tls;
	enum trust trust;
	const char *name, *user;
	int err, code;
	const char *text; /* how it begins */
	bool secured;
	uint32_t caps;
	unsigned connections;
} rows[] = {
    {"opportunistic: any certificate does",
     {EHLO_TLS IN_TLS},
     CLIENT_TLS_OPPORTUNISTIC,
     TRUST_ALL,
     "other.test",
     NULL,
     0,
     250,
     "x 8BITMIME",
     true,
     CLIENT_CAP_8BITMIME,
     1},
    {"opportunistic: not offered",
     {CLEAR},
     CLIENT_TLS_OPPORTUNISTIC,
     TRUST_ALL,
     "mx.test",
     NULL,
     0,
     250,
     "x DSN",
     false,
     CLIENT_CAP_DSN,
     1},
    {"opportunistic: refused, goes on in the clear",
     {EHLO_TLS "S454 4.7.0 no certificate\n"},
     CLIENT_TLS_OPPORTUNISTIC,
     TRUST_ALL,
     "mx.test",
     NULL,
     0,
     454,
     "no certificate",
     false,
     CLIENT_CAP_PIPELINING | CLIENT_CAP_STARTTLS,
     1},
    {"opportunistic: the handshake fails, once more without",
     {EHLO_TLS "S220 go\nN1\nSgarbage\nF\n", CLEAR},
     CLIENT_TLS_OPPORTUNISTIC,
     TRUST_ALL,
     "mx.test",
     NULL,
     0,
     250,
     "x DSN",
     false,
     CLIENT_CAP_DSN,
     2},
    {"opportunistic: dropped in the handshake, once more without",
     {EHLO_TLS "S220 go\nN1\nX\n", CLEAR},
     CLIENT_TLS_OPPORTUNISTIC,
     TRUST_ALL,
     "mx.test",
     NULL,
     0,
     250,
     "x DSN",
     false,
     CLIENT_CAP_DSN,
     2},
    {"opportunistic: no handshake ever, once more without",
     {EHLO_TLS "S220 go\nH\n", EHLO_TLS},
     CLIENT_TLS_OPPORTUNISTIC,
     TRUST_ALL,
     "mx.test",
     NULL,
     0,
     250,
     "x PIPELINING",
     false,
     CLIENT_CAP_PIPELINING | CLIENT_CAP_STARTTLS,
     2},
    {"bytes behind the 220 are not forgiven, nor is TLS given up",
     {EHLO_TLS "S220 go|250 injected\nT\nH\n"},
     CLIENT_TLS_OPPORTUNISTIC,
     TRUST_ALL,
     "mx.test",
     NULL,
     GW_EPROTO,
     0,
     "STARTTLS: bytes in the clear",
     false,
     0,
     1},
    {"half a line behind the 220",
     {EHLO_TLS "R220 go|2\nH\n"},
     CLIENT_TLS_REQUIRED,
     TRUST_ALL,
     "mx.test",
     NULL,
     GW_EPROTO,
     0,
     "STARTTLS: bytes in the clear",
     false,
     0,
     1},
    {"required and verified",
     {EHLO_TLS IN_TLS},
     CLIENT_TLS_REQUIRED,
     TRUST_CERT,
     "mx.test",
     NULL,
     0,
     250,
     "x 8BITMIME",
     true,
     CLIENT_CAP_8BITMIME,
     1},
    {"required: another name",
     {EHLO_TLS IN_TLS},
     CLIENT_TLS_REQUIRED,
     TRUST_CERT,
     "other.test",
     NULL,
     GW_ETLS,
     0,
     "TLS: ",
     false,
     0,
     1},
    {"required: nobody we trust",
     {EHLO_TLS IN_TLS},
     CLIENT_TLS_REQUIRED,
     TRUST_NOBODY,
     "mx.test",
     NULL,
     GW_ETLS,
     0,
     "TLS: ",
     false,
     0,
     1},
    {"required: not offered",
     {CLEAR},
     CLIENT_TLS_REQUIRED,
     TRUST_CERT,
     "mx.test",
     NULL,
     GW_ETLS,
     0,
     "STARTTLS: not offered",
     false,
     0,
     1},
    {"required: only HELO",
     {"S220 x\nCEHLO\nS500 what\nCHELO\nS250 x\n"},
     CLIENT_TLS_REQUIRED,
     TRUST_CERT,
     "mx.test",
     NULL,
     GW_ETLS,
     0,
     "STARTTLS: not offered",
     false,
     0,
     1},
    {"required: refused",
     {EHLO_TLS "S454 4.7.0 no certificate\nCQUIT\n"},
     CLIENT_TLS_REQUIRED,
     TRUST_CERT,
     "mx.test",
     NULL,
     GW_ETLS,
     0,
     "STARTTLS: 454 4.7.0 no certificate",
     false,
     0,
     1},
    {"required: dropped in the handshake",
     {EHLO_TLS "S220 go\nN1\nX\n"},
     CLIENT_TLS_REQUIRED,
     TRUST_CERT,
     "mx.test",
     NULL,
     GW_ETLS,
     0,
     "TLS: ",
     false,
     0,
     1},
    {"implicit",
     {"T\nS220 x\nCEHLO\nS250-x|250 8BITMIME\n"},
     CLIENT_TLS_IMPLICIT,
     TRUST_CERT,
     "mx.test",
     NULL,
     0,
     250,
     "x 8BITMIME",
     true,
     CLIENT_CAP_8BITMIME,
     1},
    {"implicit: another name",
     {"T\nS220 x\n"},
     CLIENT_TLS_IMPLICIT,
     TRUST_CERT,
     "other.test",
     NULL,
     GW_ETLS,
     0,
     "TLS: ",
     false,
     0,
     1},
    {"implicit: the server speaks in the clear",
     {"S220 x\nH\n"},
     CLIENT_TLS_IMPLICIT,
     TRUST_CERT,
     "mx.test",
     NULL,
     GW_ETLS,
     0,
     "TLS: ",
     false,
     0,
     1},
    {"AUTH that is offered in the clear only does not count inside",
     {"S220 x\nCEHLO\nS250-x|250-STARTTLS|250 AUTH PLAIN\nCSTARTTLS\n" IN_TLS},
     CLIENT_TLS_REQUIRED,
     TRUST_CERT,
     "mx.test",
     "user",
     GW_ENOTSUP,
     0,
     "AUTH: PLAIN is not offered",
     false,
     0,
     1},
    {"AUTH inside",
     {EHLO_TLS "S220 go\nT\nCEHLO\nS250-x|250 AUTH PLAIN\n"
	       "CAUTH PLAIN AHVzZXIAcGFzcw==\nS235 in\n"},
     CLIENT_TLS_REQUIRED,
     TRUST_CERT,
     "mx.test",
     "user",
     0,
     235,
     "in",
     true,
     CLIENT_CAP_AUTH_PLAIN,
     1},
};

static struct tls_ctx *
client_ctx(enum trust trust)
{
	struct tls_client_opts opts = {
	    .verify = trust != TRUST_ALL,
	    .ca_file = trust == TRUST_CERT ? cert_path : NULL,
	};
	struct tls_ctx *ctx = NULL;
	char error[256];

	ck_assert_msg(tls_client_create(&ctx, &opts, error, sizeof(error)) == 0,
		      "%s", error);
	return ctx;
}

static struct tls_ctx *
server_ctx(void)
{
	struct tls_server_opts opts = {.certificate = cert_path,
				       .key = key_path};
	struct tls_ctx *ctx = NULL;
	char error[256];

	ck_assert_msg(tls_server_create(&ctx, &opts, error, sizeof(error)) == 0,
		      "%s", error);
	return ctx;
}

/* What TLSA records change: TLS must be, and the certificate theirs. */

enum records { MATCHES, DIFFERS, NONE_USABLE };

static const struct {
	const char *label;
	const char *scripts[2];
	enum smtp_client_tls tls;
	enum records records;
	int err;
	const char *text; /* is in it */
	bool is_dane;
} dane_rows[] = {
    {"DANE: it matches",
     {EHLO_TLS IN_TLS},
     CLIENT_TLS_OPPORTUNISTIC,
     MATCHES,
     0,
     "",
     true},
    {"DANE: TLS is off otherwise",
     {EHLO_TLS IN_TLS},
     CLIENT_TLS_NONE,
     MATCHES,
     0,
     "",
     true},
    {"DANE: another key; no second try in the clear",
     {EHLO_TLS "S220 go\nT\nH\n", CLEAR},
     CLIENT_TLS_OPPORTUNISTIC,
     DIFFERS,
     GW_ETLS,
     "TLSA",
     false},
    {"DANE: not offered",
     {CLEAR},
     CLIENT_TLS_OPPORTUNISTIC,
     MATCHES,
     GW_ETLS,
     "STARTTLS: not offered",
     false},
    {"DANE: refused",
     {EHLO_TLS "S454 4.7.0 no certificate\nCQUIT\n"},
     CLIENT_TLS_OPPORTUNISTIC,
     MATCHES,
     GW_ETLS,
     "STARTTLS: 454",
     false},
    {"DANE: dropped in the handshake; no second try in the clear",
     {EHLO_TLS "S220 go\nN1\nX\n", CLEAR},
     CLIENT_TLS_OPPORTUNISTIC,
     MATCHES,
     GW_ETLS,
     "TLS: ",
     false},
    {"DANE, no record usable: any certificate does",
     {EHLO_TLS IN_TLS},
     CLIENT_TLS_OPPORTUNISTIC,
     NONE_USABLE,
     0,
     "",
     false},
    {"DANE, no record usable: but TLS must be",
     {CLEAR},
     CLIENT_TLS_OPPORTUNISTIC,
     NONE_USABLE,
     GW_ETLS,
     "STARTTLS: not offered",
     false},
};

static void
cert_digest(unsigned char digest[32])
{
	FILE *f = fopen(cert_path, "r");
	unsigned char der[4000], *p = der;
	X509 *x509;
	int n;

	ck_assert_ptr_nonnull(f);
	x509 = PEM_read_X509(f, NULL, NULL, NULL);
	fclose(f);
	ck_assert_ptr_nonnull(x509);
	n = i2d_X509(x509, &p);
	ck_assert(n > 0 && n < (int)sizeof(der));
	EVP_Digest(der, (size_t)n, digest, NULL, EVP_sha256(), NULL);
	X509_free(x509);
}

START_TEST(test_dane)
{
	struct tls_ctx *mine = client_ctx(TRUST_ALL), *theirs = server_ctx();
	unsigned char digest[32];
	struct tls_dane_record record = {3, 0, 1, slice_of(digest, 32)};
	struct tls_dane dane = {
	    .host = "mx.test", .records = &record, .count = 1};
	struct smtp_client_req req;
	struct bench b;

	cert_digest(digest);
	if (dane_rows[_i].records == DIFFERS)
		digest[0] ^= 1;
	if (dane_rows[_i].records == NONE_USABLE)
		dane.count = 0;
	bench_init(&b, dane_rows[_i].label, dane_rows[_i].scripts, 2);
	script_tls(b.server, theirs);
	req = bench_req(&b);
	req.tls = dane_rows[_i].tls;
	req.tls_ctx = mine;
	req.tls_name = "mx.test";
	req.dane = &dane;
	req.timeouts.command_ms = 1000;
	bench_connect(&b, &req);
	tls_ctx_destroy(&mine);
	turn_some(b.loop);
	ck_assert_msg(b.connect.err == dane_rows[_i].err, "%s: %d %s", b.label,
		      b.connect.err, b.connect.text);
	ck_assert_msg(strstr(b.connect.text, dane_rows[_i].text) != NULL,
		      "%s: %s", b.label, b.connect.text);
	ck_assert_msg((b.client != NULL) == (dane_rows[_i].err == 0), "%s",
		      b.label);
	ck_assert_uint_eq(script_accepted_count(b.server), 1);
	if (b.client != NULL) {
		ck_assert_ptr_nonnull(smtp_client_tls_text(b.client));
		ck_assert_msg(smtp_client_is_dane(b.client) ==
				  dane_rows[_i].is_dane,
			      "%s", b.label);
	}
	bench_fini(&b);
	tls_ctx_destroy(&theirs);
}
END_TEST

START_TEST(test_tls)
{
	struct tls_ctx *mine = client_ctx(rows[_i].trust);
	struct tls_ctx *theirs = server_ctx();
	struct smtp_client_req req;
	struct bench b;

	bench_init(&b, rows[_i].label, rows[_i].scripts, 2);
	script_tls(b.server, theirs);
	req = bench_req(&b);
	req.tls = rows[_i].tls;
	req.tls_ctx = mine;
	req.tls_name = rows[_i].name;
	req.user = rows[_i].user;
	req.password = "pass";
	req.timeouts.command_ms = 1000;
	bench_connect(&b, &req);
	tls_ctx_destroy(&mine);
	turn_some(b.loop);
	ck_assert_msg(b.connect.err == rows[_i].err &&
			  b.connect.code == rows[_i].code,
		      "%s: err %d code %d %s", b.label, b.connect.err,
		      b.connect.code, b.connect.text);
	ck_assert_msg(
	    strncmp(b.connect.text, rows[_i].text, strlen(rows[_i].text)) == 0,
	    "%s: %s", b.label, b.connect.text);
	ck_assert_msg((b.client != NULL) == (rows[_i].err == 0), "%s", b.label);
	ck_assert_uint_eq(script_accepted_count(b.server),
			  rows[_i].connections);
	if (b.client != NULL) {
		const char *text = smtp_client_tls_text(b.client);

		ck_assert_msg((text != NULL) == rows[_i].secured, "%s",
			      b.label);
		ck_assert(text == NULL || strncmp(text, "TLSv1.", 6) == 0);
		ck_assert_uint_eq(smtp_client_caps(b.client), rows[_i].caps);
	}
	bench_fini(&b);
	tls_ctx_destroy(&theirs);
}
END_TEST

/* A body of more than the socket holds, through TLS. */
START_TEST(test_big_body)
{
	static const char *const scripts[] = {
	    EHLO_TLS "S220 go\nT\nCEHLO\nS250-x|250 PIPELINING\n"
		     "CMAIL\nCRCPT\nCDATA\nS250 ok|250 ok|354 go\nD\n"
		     "S250 in\n"};
	struct tls_ctx *mine = client_ctx(TRUST_ALL), *theirs = server_ctx();
	struct smtp_send_rcpt rcpt = {.address = "b@b.test"};
	struct smtp_send_req req = {
	    .mail_from = "a@a.test", .rcpts = &rcpt, .rcpt_count = 1};
	size_t size = (size_t)8 << 20;
	char *body = mem_alloc(size);
	struct smtp_client_req to;
	struct bench b;

	memset(body, 'x', size);
	for (size_t i = 62; i + 1 < size; i += 64)
		memcpy(body + i, "\r\n", 2);
	bench_init(&b, "8 MiB through TLS", scripts, 1);
	script_tls(b.server, theirs);
	to = bench_req(&b);
	to.tls = CLIENT_TLS_REQUIRED;
	to.tls_ctx = mine;
	to.tls_name = "mx.test";
	bench_connect(&b, &to);
	ck_assert_ptr_nonnull(b.client);
	bench_body(&b, body, size);
	bench_send(&b, &req);
	ck_assert_int_eq(b.rcpts[0].code, 250);
	ck_assert(slice_eq(script_body(b.server), slice_of(body, size)));
	bench_fini(&b);
	tls_ctx_destroy(&mine);
	tls_ctx_destroy(&theirs);
	free(body);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("smtp/client_tls");
	TCase *tc = tcase_create("all");
	SRunner *runner;
	int failed;

	if (mkdtemp(dir) == NULL)
		return EXIT_FAILURE;
	snprintf(cert_path, sizeof(cert_path), "%s/cert.pem", dir);
	snprintf(key_path, sizeof(key_path), "%s/key.pem", dir);
	cert_write("mx.test", cert_path, key_path);
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, test_tls, 0,
			    (int)(sizeof(rows) / sizeof(rows[0])));
	tcase_add_loop_test(tc, test_dane, 0,
			    (int)(sizeof(dane_rows) / sizeof(dane_rows[0])));
	tcase_add_test(tc, test_big_body);
	suite_add_tcase(s, tc);
	runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	unlink(cert_path);
	unlink(key_path);
	rmdir(dir);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
