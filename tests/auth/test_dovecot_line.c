#include "gateway/auth/dovecot_line.h"
#include "gateway/base/error.h"
#include "tests/auth/auth_help.h"

static const struct {
	const char *label;
	struct slice line;
	int err;
	enum dovecot_word word;
	uint32_t id;
	const char *name, *fields;
} rows[] = {
    {"version", RAW("VERSION\t1\t2"), 0, DOVECOT_WORD_VERSION, 1, "", "2"},
    {"mechanism", RAW("MECH\tPLAIN\tplaintext"), 0, DOVECOT_WORD_MECH, 0,
     "PLAIN", "plaintext"},
    {"mechanism, no flags", RAW("MECH\tX"), 0, DOVECOT_WORD_MECH, 0, "X", ""},
    {"done", RAW("DONE"), 0, DOVECOT_WORD_DONE, 0, "", ""},
    {"ok", RAW("OK\t7\tuser=bob\toriginal_user=BOB"), 0, DOVECOT_WORD_OK, 7, "",
     "user=bob\toriginal_user=BOB"},
    {"ok, nothing else", RAW("OK\t7"), 0, DOVECOT_WORD_OK, 7, "", ""},
    {"fail", RAW("FAIL\t4294967295\ttemp"), 0, DOVECOT_WORD_FAIL, 4294967295U,
     "", "temp"},
    {"cont", RAW("CONT\t3\tYWJj"), 0, DOVECOT_WORD_CONT, 3, "", "YWJj"},
    {"cont, empty", RAW("CONT\t3\t"), 0, DOVECOT_WORD_CONT, 3, "", ""},
    {"others are passed over", RAW("SPID\t99"), 0, DOVECOT_WORD_OTHER, 0, "",
     "99"},
    {"empty", RAW(""), 0, DOVECOT_WORD_OTHER, 0, "", ""},
    {"words are whole", RAW("OKAY\t1"), 0, DOVECOT_WORD_OTHER, 0, "", "1"},
    {"words have a case", RAW("ok\t1"), 0, DOVECOT_WORD_OTHER, 0, "", "1"},
    {"ok without id", RAW("OK"), GW_EPROTO, DOVECOT_WORD_OK, 0, "", ""},
    {"id is no number", RAW("OK\tx"), GW_EPROTO, DOVECOT_WORD_OK, 0, "", ""},
    {"id too large", RAW("OK\t4294967296"), GW_EPROTO, DOVECOT_WORD_OK, 0, "",
     ""},
    {"a minus", RAW("OK\t-1"), GW_EPROTO, DOVECOT_WORD_OK, 0, "", ""},
    {"an id with NUL", RAW("OK\t1\0"), GW_EPROTO, DOVECOT_WORD_OK, 0, "", ""},
    {"a mechanism without name", RAW("MECH"), GW_EPROTO, DOVECOT_WORD_MECH, 0,
     "", ""},
    {"an empty mechanism", RAW("MECH\t\tprivate"), GW_EPROTO, DOVECOT_WORD_MECH,
     0, "", ""},
    {"version without number", RAW("VERSION\t"), GW_EPROTO,
     DOVECOT_WORD_VERSION, 0, "", ""},
};

START_TEST(parses)
{
	struct dovecot_line line;
	int err = dovecot_line_parse(rows[_i].line, &line);

	ck_assert_msg(err == rows[_i].err, "%s: %d", rows[_i].label, err);
	ck_assert_msg(line.word == rows[_i].word, "%s", rows[_i].label);
	if (err != 0)
		return;
	ck_assert_msg(line.id == rows[_i].id, "%s", rows[_i].label);
	ck_assert_msg(slice_eq(line.name, slice_str(rows[_i].name)), "%s",
		      rows[_i].label);
	ck_assert_msg(slice_eq(line.fields, slice_str(rows[_i].fields)), "%s",
		      rows[_i].label);
}
END_TEST

START_TEST(cut_at_each_offset)
{
	struct dovecot_line line;
	char *copy;

	for (size_t n = 0; n <= rows[_i].line.n; n++) {
		copy = slice_dup(slice_head(rows[_i].line, n));
		(void)dovecot_line_parse(slice_of(copy, n), &line);
		free(copy);
	}
}
END_TEST

START_TEST(finds_fields)
{
	static const struct {
		const char *label, *fields, *key;
		bool found;
		const char *value;
	} fields[] = {
	    {"first", "user=bob\ttemp", "user", true, "bob"},
	    {"last", "user=bob\ttemp", "temp", true, ""},
	    {"value with =", "resp=YWI=", "resp", true, "YWI="},
	    {"the first of two", "user=a\tuser=b", "user", true, "a"},
	    {"no prefix", "username=bob", "user", false, ""},
	    {"no suffix", "original_user=bob", "user", false, ""},
	    {"none", "", "user", false, ""},
	    {"empty fields between", "\t\tuser=bob", "user", true, "bob"},
	};

	for (size_t i = 0; i < COUNT(fields); i++) {
		struct slice value;

		ck_assert_msg(dovecot_field(slice_str(fields[i].fields),
					    fields[i].key,
					    &value) == fields[i].found,
			      "%s", fields[i].label);
		ck_assert_msg(slice_eq(value, slice_str(fields[i].value)), "%s",
			      fields[i].label);
	}
}
END_TEST

START_TEST(escapes_and_back)
{
	struct slice evil = RAW("a\tuser=root\n\r\001\0z");
	struct buf out, back;

	buf_init(&out, 256);
	buf_init(&back, 256);
	dovecot_escape(&out, evil);
	ck_assert(slice_eq(buf_slice(&out),
			   SLICE_LIT("a\001tuser=root\001n\001r\0011\0010z")));
	ck_assert_int_eq(dovecot_unescape(&back, buf_slice(&out)), 0);
	ck_assert(slice_eq(buf_slice(&back), evil));
	ck_assert_int_eq(dovecot_unescape(&back, SLICE_LIT("a\001")),
			 GW_EPROTO);
	ck_assert_int_eq(dovecot_unescape(&back, SLICE_LIT("\001x")),
			 GW_EPROTO);
	buf_fini(&out);
	buf_fini(&back);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("dovecot_line");
	TCase *tcase = tcase_create("dovecot_line");

	tcase_add_loop_test(tcase, parses, 0, (int)COUNT(rows));
	tcase_add_loop_test(tcase, cut_at_each_offset, 0, (int)COUNT(rows));
	tcase_add_test(tcase, finds_fields);
	tcase_add_test(tcase, escapes_and_back);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
