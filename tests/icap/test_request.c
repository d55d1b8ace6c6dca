/* What is sent in front of a body, to the byte. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/icap/request.h"

struct request_row {
	const char *label;
	struct icap_service service;
	const char *name, *type, *login;
	uint64_t bytes;
	bool client, username; /* X-Include wants it so */
	const char *profile;
	int32_t preview;
	const char *want; /* '|' is CRLF */
};

#define TO                                                                  \
	{                                                                   \
		.host = "av.example.com", .port = 1344, .service = "avscan" \
	}
#define TOP(method)                                           \
	method " icap://av.example.com:1344/avscan ICAP/1.0|" \
	       "Host: av.example.com:1344|"                   \
	       "User-Agent: Sluice/" SLUICE_VERSION "|Allow: 204|"
#define USER                                                                 \
	{                                                                    \
		.host = "av.example.com", .port = 1344, .service = "avscan", \
		.authenticated_user = true                                   \
	}

static const struct request_row rows[] = {
    {"plain", TO, "a.pdf", "application/pdf", NULL, 10, false, false, "generic",
     -1,
     TOP("RESPMOD") "Encapsulated: req-hdr=0, res-hdr=74, res-body=144||"
		    "GET http://attachment.invalid/a.pdf HTTP/1.1|"
		    "Host: attachment.invalid||"
		    "HTTP/1.1 200 OK|Content-Type: application/pdf|"
		    "Content-Length: 10||"},
    {"everything", USER, "a.pdf", "application/pdf", "bob", 10, true, false,
     "generic", 1024,
     TOP("RESPMOD") "Preview: 1024|X-Client-IP: 192.0.2.7|"
		    "X-Authenticated-User: TG9jYWw6Ly9ib2I=|"
		    "Encapsulated: req-hdr=0, res-hdr=74, res-body=144||"
		    "GET http://attachment.invalid/a.pdf HTTP/1.1|"
		    "Host: attachment.invalid||"
		    "HTTP/1.1 200 OK|Content-Type: application/pdf|"
		    "Content-Length: 10||"},
    {"the login stays here", TO, "a", "a/b", "bob", 0, false, false, "generic",
     0,
     TOP("RESPMOD") "Preview: 0|"
		    "Encapsulated: req-hdr=0, res-hdr=70, res-body=127||"
		    "GET http://attachment.invalid/a HTTP/1.1|"
		    "Host: attachment.invalid||"
		    "HTTP/1.1 200 OK|Content-Type: a/b|"
		    "Content-Length: 0||"},
    {"plain user", USER, "a", "a/b", "b\r\nX: y", 0, false, false, "kaspersky",
     -1,
     TOP("RESPMOD") "X-Client-Username: b??X: y|"
		    "Encapsulated: req-hdr=0, res-hdr=70, res-body=127||"
		    "GET http://attachment.invalid/a HTTP/1.1|"
		    "Host: attachment.invalid||"
		    "HTTP/1.1 200 OK|Content-Type: a/b|"
		    "Content-Length: 0||"},
    {"as X-Include has it", USER, "a", "a/b", "bob", 0, false, true, "generic",
     -1,
     TOP("RESPMOD") "X-Client-Username: bob|"
		    "Encapsulated: req-hdr=0, res-hdr=70, res-body=127||"
		    "GET http://attachment.invalid/a HTTP/1.1|"
		    "Host: attachment.invalid||"
		    "HTTP/1.1 200 OK|Content-Type: a/b|"
		    "Content-Length: 0||"},
    {"REQMOD",
     {.host = "av.example.com",
      .port = 1344,
      .service = "avscan",
      .method = ICAP_REQMOD},
     "a",
     "a/b",
     NULL,
     18446744073709551615u,
     false,
     false,
     "generic",
     -1,
     TOP("REQMOD") "Encapsulated: req-hdr=0, req-body=128||"
		   "POST http://attachment.invalid/a HTTP/1.1|"
		   "Host: attachment.invalid|Content-Type: a/b|"
		   "Content-Length: 18446744073709551615||"},
    {"IPv6, a query",
     {.host = "2001:db8::1", .port = 11344, .service = "av?mode=simple"},
     "a",
     "a/b",
     NULL,
     0,
     false,
     false,
     "generic",
     -1,
     "RESPMOD icap://[2001:db8::1]:11344/av?mode=simple ICAP/1.0|"
     "Host: [2001:db8::1]:11344|User-Agent: Sluice/" SLUICE_VERSION "|"
     "Allow: 204|Encapsulated: req-hdr=0, res-hdr=70, res-body=127||"
     "GET http://attachment.invalid/a HTTP/1.1|"
     "Host: attachment.invalid||"
     "HTTP/1.1 200 OK|Content-Type: a/b|Content-Length: 0||"},
};

#define ROW_COUNT ((int)(sizeof(rows) / sizeof(rows[0])))

static void
put(struct buf *out, const struct request_row *row)
{
	struct icap_terms terms = {.profile = icap_profile_find(row->profile),
				   .client_username = row->username};
	struct ip_addr client;
	struct icap_req req = {.name = row->name,
			       .type = row->type,
			       .login = row->login,
			       .bytes = row->bytes,
			       .client = row->client ? &client : NULL};
	struct icap_request request = {&row->service, &terms, &req,
				       row->preview};

	ck_assert_int_eq(ip_parse(SLICE_LIT("192.0.2.7"), &client), 0);
	icap_request_put(out, &request);
	ck_assert(!out->overflow);
}

START_TEST(heads)
{
	struct buf out = {.cap = ICAP_REQUEST_MAX}, want = {.cap = 1 << 16};

	for (const char *p = rows[_i].want; *p != '\0'; p++) {
		if (*p == '|')
			buf_add_str(&want, "\r\n");
		else
			buf_add_byte(&want, *p);
	}
	put(&out, &rows[_i]);
	ck_assert_msg(slice_eq(buf_slice(&out), buf_slice(&want)),
		      "%s:\n%s\nnot:\n%s", rows[_i].label, buf_cstr(&out),
		      buf_cstr(&want));
	buf_fini(&out);
	buf_fini(&want);
}
END_TEST

static const struct {
	const char *label, *name, *path;
} names[] = {
    {"none", "", "unnamed"},
    {"a blank", "a b.doc", "a%20b.doc"},
    {"a path", "../a/b", "..%2Fa%2Fb"},
    {"a query", "a?b=c#d", "a%3Fb%3Dc%23d"},
    {"umlaut", "\303\244.zip", "%C3%A4.zip"},
    {"a line end", "a\r\nX-Virus-ID: b", "a%0D%0AX-Virus-ID%3A%20b"},
    {"percent", "100%", "100%25"},
    {"unreserved", "aZ09-._~", "aZ09-._~"},
};

START_TEST(names_are_encoded)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct request_row row = rows[0];
		struct buf out = {.cap = ICAP_REQUEST_MAX};
		struct buf want = {.cap = 4096};

		row.name = names[i].name;
		put(&out, &row);
		buf_printf(&want, "GET http://attachment.invalid/%s HTTP/1.1",
			   names[i].path);
		ck_assert_msg(strstr(buf_cstr(&out), buf_cstr(&want)) != NULL,
			      "%s: %s", names[i].label, buf_cstr(&out));
		buf_fini(&out);
		buf_fini(&want);
	}
}
END_TEST

static const struct {
	const char *type;
	bool good;
} types[] = {
    {"image/png", true},    {"application/vnd.oasis.opendocument.text", true},
    {"a/b+c", true},	    {"", false},
    {NULL, false},	    {"image", false},
    {"image/", false},	    {"/png", false},
    {"a/b/c", false},	    {"a/b; x=y", false},
    {"a/b\r\nX: y", false}, {"a b/c", false},
};

START_TEST(types_are_checked)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct request_row row = rows[0];
		struct buf out = {.cap = ICAP_REQUEST_MAX};
		struct buf want = {.cap = 4096};

		row.type = types[i].type;
		put(&out, &row);
		buf_printf(&want, "\r\nContent-Type: %s\r\n",
			   types[i].good ? types[i].type
					 : "application/octet-stream");
		ck_assert_msg(strstr(buf_cstr(&out), buf_cstr(&want)) != NULL,
			      "%s", types[i].type);
		buf_fini(&out);
		buf_fini(&want);
	}
}
END_TEST

/* The longest of everything fits, and the offsets are right. */
START_TEST(long_texts)
{
	struct request_row row = rows[1];
	char name[2000], login[2000], type[2000];
	struct buf out = {.cap = ICAP_REQUEST_MAX};
	const char *body;

	memset(name, '\377', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	memset(login, 'l', sizeof(login) - 1);
	login[sizeof(login) - 1] = '\0';
	memset(type, 'a', sizeof(type) - 1);
	type[1] = '/';
	type[sizeof(type) - 1] = '\0';
	row.name = name;
	row.login = login;
	row.type = type;
	put(&out, &row);
	body = strstr(buf_cstr(&out), "\r\n\r\n") + 4;
	ck_assert_uint_lt(out.n, 3000);
	ck_assert(memcmp(body, "GET ", 4) == 0);
	ck_assert(strstr(body, "\r\n\r\nHTTP/1.1 200 OK\r\n") != NULL);
	buf_fini(&out);
}
END_TEST

START_TEST(options)
{
	struct icap_service service = TO;
	struct buf out = {.cap = ICAP_REQUEST_MAX};

	icap_request_options_put(&out, &service);
	ck_assert_str_eq(
	    buf_cstr(&out),
	    "OPTIONS icap://av.example.com:1344/avscan ICAP/1.0\r\n"
	    "Host: av.example.com:1344\r\n"
	    "User-Agent: Sluice/" SLUICE_VERSION "\r\n"
	    "Encapsulated: null-body=0\r\n\r\n");
	buf_fini(&out);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("icap/request");
	TCase *tc = tcase_create("request");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, heads, 0, ROW_COUNT);
	tcase_add_test(tc, names_are_encoded);
	tcase_add_test(tc, types_are_checked);
	tcase_add_test(tc, long_texts);
	tcase_add_test(tc, options);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
