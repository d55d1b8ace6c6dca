#include <check.h>

#include "gateway/base/buf.h"
#include "gateway/base/digest.h"
#include "gateway/base/encode.h"

static void
assert_digest(const uint8_t got[DIGEST_SIZE], const char *want,
	      const char *label)
{
	struct buf hex = {.cap = 100};

	hex_encode(&hex, slice_of(got, DIGEST_SIZE));
	ck_assert_msg(slice_eq(buf_slice(&hex), slice_str(want)), "%s: %s",
		      label, buf_cstr(&hex));
	buf_fini(&hex);
}

static const struct {
	const char *text, *sha256; /* FIPS 180-4's examples */
} rows[] = {
    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
};

START_TEST(whole_bytewise_and_reused)
{
	struct digest *d = digest_create();
	uint8_t out[DIGEST_SIZE];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice s = slice_str(rows[i].text);

		digest_add(d, s);
		digest_final(d, out);
		assert_digest(out, rows[i].sha256, "whole");
		for (size_t k = 0; k < s.n; k++)
			digest_add(d, slice_of(s.p + k, 1));
		digest_final(d, out);
		assert_digest(out, rows[i].sha256, "byte by byte");
		digest_add(d, SLICE_LIT("thrown away"));
		digest_reset(d);
		digest_add(d, s);
		digest_add(d, SLICE_NONE);
		digest_final(d, out);
		assert_digest(out, rows[i].sha256, "after reset");
	}
	digest_destroy(&d);
	ck_assert_ptr_null(d);
	digest_destroy(&d);
}
END_TEST

START_TEST(hmac)
{
	static const struct {
		const char *label, *key, *text, *mac;
	} macs[] = {
	    /* RFC 4231 */
	    {"case 1",
	     "\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b"
	     "\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b",
	     "Hi There",
	     "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff"
	     "7"},
	    {"case 2", "Jefe", "what do ya want for nothing?",
	     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec384"
	     "3"},
	    {"empty key and text", "", "",
	     "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5a"
	     "d"},
	};
	uint8_t out[DIGEST_SIZE];

	for (size_t i = 0; i < sizeof(macs) / sizeof(macs[0]); i++) {
		digest_hmac(slice_str(macs[i].key), slice_str(macs[i].text),
			    out);
		assert_digest(out, macs[i].mac, macs[i].label);
	}
	digest_hmac(SLICE_NONE, SLICE_NONE, out);
	assert_digest(out, macs[2].mac, "no key, no text");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("digest");
	TCase *tc = tcase_create("digest");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, whole_bytewise_and_reused);
	tcase_add_test(tc, hmac);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
