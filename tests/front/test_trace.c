#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/front/trace.h"

static const struct row {
	const char *label;
	const char *helo, *version;
	bool auth, extended, utf8, date, id, headerless;
	const char *client;
	const char *has[4], *lacks[3];
} rows[] = {
    {"plain esmtp",
     "pc.example.com",
     NULL,
     false,
     true,
     false,
     false,
     false,
     false,
     "192.0.2.1",
     {"Received: from pc.example.com ([192.0.2.1])\r\n\tby gate with ESMTP id "
      "ID;\r\n\t"},
     {"using", "Date:", "Message-ID:"}},
    {"tls and login",
     "pc",
     "TLSv1.3",
     true,
     true,
     false,
     false,
     false,
     false,
     "192.0.2.1",
     {"with ESMTPSA id", "(using TLSv1.3 with cipher C)\r\n"},
     {NULL}},
    {"utf8",
     "pc",
     "TLSv1.3",
     true,
     true,
     true,
     false,
     false,
     false,
     "192.0.2.1",
     {"with UTF8SMTPSA id"},
     {NULL}},
    {"helo",
     "pc",
     NULL,
     true,
     false,
     false,
     false,
     false,
     false,
     "192.0.2.1",
     {"with SMTP id"},
     {"SMTPA"}},
    {"v6",
     "pc",
     NULL,
     true,
     true,
     false,
     false,
     false,
     false,
     "2001:db8::1",
     {"([IPv6:2001:db8::1])"},
     {NULL}},
    {"added fields",
     "pc",
     NULL,
     true,
     true,
     false,
     true,
     true,
     false,
     "192.0.2.1",
     {"\r\nDate: ", "\r\nMessage-ID: <ID@gate>\r\n"},
     {"\r\n\r\n"}},
    {"no header at all",
     "pc",
     NULL,
     true,
     true,
     false,
     true,
     true,
     true,
     "192.0.2.1",
     {"Message-ID: <ID@gate>\r\n\r\n"},
     {NULL}},
    {"no helo",
     "",
     NULL,
     true,
     true,
     false,
     false,
     false,
     false,
     "192.0.2.1",
     {"from unknown (["},
     {NULL}},
    {"a helo that would write headers",
     "x)\r\nBcc: you",
     NULL,
     true,
     true,
     false,
     false,
     false,
     false,
     "192.0.2.1",
     {"from x???Bcc:?you (["},
     {"\nBcc"}},
};

START_TEST(says_what_it_must)
{
	const struct row *row = &rows[_i];
	struct ip_addr ip;
	struct trace trace = {
	    .hostname = "gate",
	    .helo = row->helo,
	    .client = &ip,
	    .tls_version = row->version,
	    .tls_cipher = "C",
	    .authenticated = row->auth,
	    .extended = row->extended,
	    .utf8 = row->utf8,
	    .id = "ID",
	    .now_wall_s = 1790000000,
	    .add_date = row->date,
	    .add_message_id = row->id,
	    .headerless = row->headerless,
	};
	struct buf out;
	const char *text;

	ck_assert_int_eq(ip_parse(slice_str(row->client), &ip), 0);
	buf_init(&out, 4096);
	trace_write(&trace, &out);
	text = buf_cstr(&out);
	for (int i = 0; i < 4 && row->has[i] != NULL; i++)
		ck_assert_msg(strstr(text, row->has[i]) != NULL,
			      "%s: no '%s' in '%s'", row->label, row->has[i],
			      text);
	for (int i = 0; i < 3 && row->lacks[i] != NULL; i++)
		ck_assert_msg(strstr(text, row->lacks[i]) == NULL,
			      "%s: '%s' in '%s'", row->label, row->lacks[i],
			      text);
	ck_assert(out.n > 2 && memcmp(out.p + out.n - 2, "\r\n", 2) == 0);
	buf_fini(&out);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("trace");
	TCase *tc = tcase_create("trace");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, says_what_it_must, 0,
			    sizeof(rows) / sizeof(rows[0]));
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
