#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/encode.h"
#include "gateway/base/error.h"

enum form { BASE64, BASE64URL, HEX, XTEXT };

static int
decode(enum form form, struct buf *out, struct slice s)
{
	switch (form) {
	case BASE64:
		return base64_decode(out, s);
	case BASE64URL:
		return base64url_decode(out, s);
	case HEX:
		return hex_decode(out, s);
	case XTEXT:
		return xtext_decode(out, s);
	}
	return GW_EINVAL;
}

static void
encode(enum form form, struct buf *out, struct slice s)
{
	switch (form) {
	case BASE64:
		base64_encode(out, s);
		break;
	case BASE64URL:
		base64url_encode(out, s);
		break;
	case HEX:
		hex_encode(out, s);
		break;
	case XTEXT:
		xtext_encode(out, s);
		break;
	}
}

static const struct {
	enum form form;
	const char *plain, *coded;
} pairs[] = {
    /* RFC 4648, 10 */
    {BASE64, "", ""},
    {BASE64, "f", "Zg=="},
    {BASE64, "fo", "Zm8="},
    {BASE64, "foo", "Zm9v"},
    {BASE64, "foob", "Zm9vYg=="},
    {BASE64, "fooba", "Zm9vYmE="},
    {BASE64, "foobar", "Zm9vYmFy"},
    {BASE64, "\xfb\xff\xfe", "+//+"},
    {BASE64URL, "", ""},
    {BASE64URL, "f", "Zg"},
    {BASE64URL, "fo", "Zm8"},
    {BASE64URL, "foo", "Zm9v"},
    {BASE64URL, "\xfb\xff\xfe", "-__-"},
    {HEX, "", ""},
    {HEX, "\x01\xab\xff", "01abff"},
    {XTEXT, "", ""},
    {XTEXT, "rfc822;a@b", "rfc822;a@b"},
    {XTEXT, "a+b=c d", "a+2Bb+3Dc+20d"},
    {XTEXT, "\x7f\xc3\xa4", "+7F+C3+A4"},
};

START_TEST(both_ways)
{
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct buf out = {.cap = 100};

		encode(pairs[i].form, &out, slice_str(pairs[i].plain));
		ck_assert_str_eq(buf_cstr(&out), pairs[i].coded);
		buf_clear(&out);
		buf_add_str(&out, "<"); /* appended to, not replaced */
		ck_assert_int_eq(
		    decode(pairs[i].form, &out, slice_str(pairs[i].coded)), 0);
		ck_assert_int_eq(out.p[0], '<');
		ck_assert_str_eq(buf_cstr(&out) + 1, pairs[i].plain);
		buf_fini(&out);
	}
}
END_TEST

START_TEST(every_byte_survives)
{
	for (enum form form = BASE64; form <= XTEXT; form++) {
		char bytes[256 + 2];

		for (size_t n = 0; n <= sizeof(bytes); n++) {
			struct buf coded = {.cap = 1000}, plain = {.cap = 1000};

			for (size_t i = 0; i < n; i++)
				bytes[i] = (char)(uint8_t)(n + i);
			encode(form, &coded, slice_of(bytes, n));
			ck_assert(!coded.overflow);
			ck_assert_int_eq(
			    decode(form, &plain, buf_slice(&coded)), 0);
			ck_assert(
			    slice_eq(buf_slice(&plain), slice_of(bytes, n)));
			buf_fini(&coded);
			buf_fini(&plain);
		}
	}
}
END_TEST

START_TEST(refuses_and_leaves_the_output)
{
	static const struct {
		const char *label;
		enum form form;
		const char *text;
	} rows[] = {
	    {"cut in a group", BASE64, "Zg"},
	    {"one digit", BASE64, "Z"},
	    {"padding short", BASE64, "Zg="},
	    {"padding only", BASE64, "===="},
	    {"three pads", BASE64, "Z==="},
	    {"pad inside", BASE64, "Zg==Zg=="},
	    {"pad before digit", BASE64, "Zg=v"},
	    {"stray bits after one", BASE64, "Zh=="},
	    {"stray bits after two", BASE64, "Zm9="},
	    {"line break", BASE64, "Zm9v\r\nZm9v"},
	    {"blank", BASE64, "Zm9 "},
	    {"url alphabet", BASE64, "-__-"},
	    {"8-bit", BASE64, "Zm9\xff"},
	    {"SASL's empty response is not base64", BASE64, "="},
	    {"odd", HEX, "abc"},
	    {"no digit", HEX, "0g"},
	    {"sign", HEX, "+1"},
	    {"prefix", HEX, "0x"},
	    {"bare equals", XTEXT, "a=b"},
	    {"blank", XTEXT, "a b"},
	    {"control", XTEXT, "a\x01"},
	    {"8-bit", XTEXT, "\xc3\xa4"},
	    {"plus at the end", XTEXT, "a+"},
	    {"plus and one digit", XTEXT, "a+2"},
	    {"plus and no hex", XTEXT, "a+2G"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf out = {.cap = 100};

		buf_add_str(&out, "kept");
		ck_assert_msg(decode(rows[i].form, &out,
				     slice_str(rows[i].text)) == GW_EINVAL,
			      "%s", rows[i].label);
		ck_assert_str_eq(buf_cstr(&out), "kept");
		ck_assert(!out.overflow);
		buf_fini(&out);
	}
}
END_TEST

START_TEST(caps)
{
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		size_t plain = strlen(pairs[i].plain);
		size_t coded = strlen(pairs[i].coded);

		if (plain == 0)
			continue;
		for (size_t cap = 0; cap <= coded; cap++) {
			struct buf out = {.cap = cap};
			int err;

			encode(pairs[i].form, &out, slice_str(pairs[i].plain));
			ck_assert(out.overflow == (cap < coded));
			ck_assert_uint_eq(out.n, cap < coded ? 0 : coded);
			buf_clear(&out);
			err = decode(pairs[i].form, &out,
				     slice_str(pairs[i].coded));
			if (cap < plain)
				ck_assert_int_eq(err, GW_ETOOBIG);
			if (cap == coded)
				ck_assert_int_eq(err, 0);
			ck_assert_uint_eq(out.n, err == 0 ? plain : 0);
			buf_fini(&out);
		}
	}
}
END_TEST

START_TEST(xtext_lower_case_is_taken)
{
	struct buf out = {.cap = 10};

	ck_assert_int_eq(xtext_decode(&out, SLICE_LIT("+2b+3D")), 0);
	ck_assert_str_eq(buf_cstr(&out), "+=");
	buf_fini(&out);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("encode");
	TCase *tc = tcase_create("encode");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, both_ways);
	tcase_add_test(tc, every_byte_survives);
	tcase_add_test(tc, refuses_and_leaves_the_output);
	tcase_add_test(tc, caps);
	tcase_add_test(tc, xtext_lower_case_is_taken);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
