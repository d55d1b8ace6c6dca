#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/mime/charset.h"
#include "gateway/mime/name.h"
#include "gateway/mime/param.h"

/* File names as clients write them: type and disposition are the fields'
 * parameters, NULL where there is no field. */
static const struct {
	const char *label, *type, *disposition, *name, *odd;
} names[] = {
    {"none", "a/b", "inline", "", NULL},
    {"a token", "a/b; name=a.gif", NULL, "a.gif", NULL},
    {"in quotes", NULL, "attachment; filename=\"a b;c.gif\"", "a b;c.gif",
     NULL},
    {"quoted quotes", NULL, "a; filename=\"a\\\"b\\\\c.gif\"", "c.gif", NULL},
    {"the same twice", "a/b; name=\"a.gif\"", "a; filename=a.gif", "a.gif",
     NULL},
    {"words of RFC 2047 in quotes: Outlook",
     "a/b; name=\"=?utf-8?B?w6QuZ2lm?=\"",
     "a; filename=\"=?iso-8859-1?Q?=E4=2Egif?=\"", "\xc3\xa4.gif", NULL},
    {"RFC 2231 beside RFC 2047: Thunderbird, Apple",
     "a/b; name=\"=?UTF-8?Q?=C3=A4=5F.gif?=\"",
     "a; filename*=UTF-8''%C3%A4_.gif", "\xc3\xa4_.gif", NULL},
    {"sections: Thunderbird", NULL,
     "a; filename*0*=UTF-8''%C3%A4; filename*1=\"b c\"; filename*2*=%2Egif",
     "\xc3\xa4"
     "b c.gif",
     NULL},
    {"sections without charset", NULL, "a; filename*0=\"a\"; filename*1=\"b\"",
     "ab", NULL},
    {"sections and a plain name: the same", NULL,
     "a; filename=ab; filename*0=a; filename*1=b", "ab", NULL},
    {"eleven sections", NULL,
     "a; filename*0=a; filename*1=b; filename*2=c; filename*3=d;"
     " filename*4=e; filename*5=f; filename*6=g; filename*7=h; filename*8=i;"
     " filename*9=j; filename*10=k",
     "abcdefghijk", NULL},
    {"a language", NULL, "a; filename*=iso-8859-1'de'%E4.gif", "\xc3\xa4.gif",
     NULL},
    {"words of one charset are joined",
     "a/b; name=\"=?utf-8?B?ww==?= =?utf-8?B?pC5naWY=?=\"", NULL,
     "\xc3\xa4.gif", NULL},
    {"words of two charsets",
     "a/b; name=\"=?utf-8?Q?=C3=A4?=\t=?iso-8859-1?Q?=E4?=.gif\"", NULL,
     "\xc3\xa4\xc3\xa4.gif", NULL},
    {"words and text", "a/b; name=\"a =?utf-8?Q?b_c?= d\"", NULL, "a b c d",
     NULL},
    {"words that are none", "a/b; name=\"=?utf-8?X?b?= =? =?a?b\"", NULL,
     "=?utf-8?X?b?= =? =?a?b", NULL},
    {"Japanese", "a/b; name=\"=?ISO-2022-JP?B?GyRCRnxLXBsoQi5wZGY=?=\"", NULL,
     "\xe6\x97\xa5\xe6\x9c\xac.pdf", NULL},
    {"Chinese", "a/b; name=\"=?gb2312?B?1tDOxC5kb2M=?=\"", NULL,
     "\xe4\xb8\xad\xe6\x96\x87.doc", NULL},
    {"Russian", "a/b; name=\"=?koi8-r?B?xsHKzC50eHQ=?=\"", NULL,
     "\xd1\x84\xd0\xb0\xd0\xb9\xd0\xbb.txt", NULL},
    {"a path", "a/b; name=\"../../etc/passwd\"", NULL, "passwd", NULL},
    {"a Windows path", "a/b; name=\"C:\\\\dir\\\\a.exe\"", NULL, "a.exe", NULL},
    {"a path behind words", "a/b; name=\"=?utf-8?Q?a=2Fb.exe?=\"", NULL,
     "b.exe", NULL},
    {"a folder", "a/b; name=\"a/\"", NULL, "", NULL},
    {"dots", "a/b; name=\"..\"", NULL, "", NULL},
    {"blanks around", "a/b; name=\"  a.exe  \"", NULL, "a.exe", NULL},
    {"controls behind words", "a/b; name=\"=?utf-8?Q?a=00=0A=7Fb=C2=85?=\"",
     NULL, "ab", NULL},
    {"reading turned around", "a/b; name=\"=?utf-8?Q?a=E2=80=AEfdp.exe?=\"",
     NULL, "afdp.exe", NULL},
    {"no UTF-8", "a/b; name=\"=?utf-8?Q?a=FF=C3b?=\"", NULL, "a??b", NULL},

    {"a name that differs in case", "a/b; name=a", "a; filename=A", "A",
     "two file names"},
    {"a section missing", NULL, "a; filename*0=a; filename*2=c", "a",
     "a parameter's section is missing"},
    {"no first section", NULL, "a; filename*1=a", "",
     "a parameter's section is missing"},
    {"whole and in sections", NULL, "a; filename*=utf-8''a; filename*0=a", "a",
     "a parameter whole and in sections"},
    {"a section's number", NULL, "a; filename*01=a", "a",
     "a parameter's section without number"},
    {"a star in a name", NULL, "a; filename*x=a", "a",
     "a parameter's section without number"},
    {"no charset", NULL, "a; filename*=a.gif", "a.gif",
     "an extended parameter without charset"},
    {"a broken percent code", NULL, "a; filename*=utf-8''a%4", "a%4",
     "a broken percent code"},
    {"a word in a charset of its own each",
     "a/b; name=\""
     "=?utf-8?Q?a?==?ascii?Q?b?==?utf-8?Q?c?==?ascii?Q?d?="
     "=?utf-8?Q?e?==?ascii?Q?f?==?utf-8?Q?g?==?ascii?Q?h?="
     "=?utf-8?Q?i?==?ascii?Q?j?==?utf-8?Q?k?==?ascii?Q?l?="
     "=?utf-8?Q?m?==?ascii?Q?n?==?utf-8?Q?o?==?ascii?Q?p?="
     "=?utf-8?Q?q?=\"",
     NULL, "abcdefghijklmnop", "too many encoded words"},
    {"a charset that nobody knows", NULL, "a; filename*=x-foo''a%ff", "a?",
     "an unknown charset"},
    {"what iconv would take for more than a name", NULL,
     "a; filename*=utf-16//translit''a%ff", "a?", "an unknown charset"},
    {"twice", NULL, "a; filename=a; filename=b", "a", "a parameter twice"},
    {"a Windows path as some write it", "a/b; name=\"C:\\temp\\a.exe\"", NULL,
     "C:tempa.exe", "a backslash in a parameter"},
    {"words without quotes", "a/b; name==?utf-8?Q?a?=", NULL, "a",
     "a parameter that should be quoted"},
};

START_TEST(chooses)
{
	struct mime_params type, disposition;
	struct buf scratch[2] = {{.cap = 4096}, {.cap = 4096}};
	char name[MIME_NAME_SIZE];
	const char *odd = NULL;
	bool typed = names[_i].type != NULL;
	bool disposed = names[_i].disposition != NULL;

	if (typed)
		mime_params_parse(&type, slice_str(names[_i].type),
				  &scratch[0]);
	if (disposed)
		mime_params_parse(&disposition,
				  slice_str(names[_i].disposition),
				  &scratch[1]);
	mime_name_choose(typed ? &type : NULL, disposed ? &disposition : NULL,
			 name, &odd);
	if (typed && type.odd != NULL)
		odd = type.odd;
	if (disposed && disposition.odd != NULL)
		odd = disposition.odd;
	ck_assert_msg(strcmp(name, names[_i].name) == 0, "%s: \"%s\"",
		      names[_i].label, name);
	if (names[_i].odd == NULL)
		ck_assert_msg(odd == NULL, "%s: %s", names[_i].label, odd);
	else
		ck_assert_msg(odd != NULL && strcmp(odd, names[_i].odd) == 0,
			      "%s: %s", names[_i].label, odd ? odd : "fine");
	buf_fini(&scratch[0]);
	buf_fini(&scratch[1]);
}
END_TEST

/* Names of all lengths stay whole characters and end with a NUL. */
START_TEST(cuts)
{
	for (size_t n = 240; n < 300; n++) {
		struct buf b = {.cap = SIZE_MAX};
		char name[MIME_NAME_SIZE];
		uint32_t point;

		for (size_t i = 0; i < n % 4; i++)
			buf_add_str(&b, "a");
		while (b.n < n)
			buf_add_str(&b, "\xf0\x9f\x98\x80");
		mime_name_clean(buf_slice(&b), name);
		ck_assert_uint_lt(strlen(name), MIME_NAME_SIZE);
		ck_assert_uint_gt(strlen(name), n < MIME_NAME_SIZE
						    ? n - 1
						    : MIME_NAME_SIZE - 5);
		ck_assert(slice_starts(buf_slice(&b), slice_str(name)));
		for (struct slice s = slice_str(name); s.n > 0;
		     s = slice_from(s, mime_utf8_measure(s, &point)))
			ck_assert_uint_gt(mime_utf8_measure(s, &point), 0);
		buf_fini(&b);
	}
}
END_TEST

/* Every set of the list is one that iconv has, and a name far over any cap
 * ends. */
START_TEST(charsets)
{
	static const char *sets[] = {
	    "ISO-8859-1",   "latin1",	      "Windows-1252",
	    "cp1252",	    "iso-8859-2",     "iso-8859-3",
	    "iso-8859-4",   "iso-8859-5",     "iso-8859-6",
	    "iso-8859-7",   "iso-8859-8",     "iso-8859-8-i",
	    "iso-8859-9",   "iso-8859-10",    "iso-8859-13",
	    "iso-8859-14",  "iso-8859-15",    "iso-8859-16",
	    "windows-1250", "windows-1251",   "windows-1253",
	    "windows-1254", "windows-1255",   "windows-1256",
	    "windows-1257", "windows-1258",   "windows-874",
	    "koi8-r",	    "koi8-u",	      "macintosh",
	    "tis-620",	    "gb2312",	      "gbk",
	    "gb18030",	    "big5",	      "shift_jis",
	    "windows-31j",  "euc-jp",	      "iso-2022-jp",
	    "euc-kr",	    "ks_c_5601-1987", "utf-8",
	    "utf8",	    "us-ascii",	      "ascii"};
	char bytes[2048];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(uint8_t)(i * 31 + i / 256);
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		struct buf out = {.cap = 8 * sizeof(bytes)};
		struct buf small = {.cap = 100};
		uint32_t point;

		ck_assert_msg(
		    mime_charset_decode(slice_str(sets[i]),
					slice_of(bytes, sizeof(bytes)), &out),
		    "%s", sets[i]);
		ck_assert_uint_gt(out.n, 0);
		for (struct slice s = buf_slice(&out); s.n > 0;
		     s = slice_from(s, mime_utf8_measure(s, &point)))
			ck_assert_msg(mime_utf8_measure(s, &point) > 0,
				      "%s: no UTF-8", sets[i]);
		(void)mime_charset_decode(
		    slice_str(sets[i]), slice_of(bytes, sizeof(bytes)), &small);
		ck_assert(small.overflow);
		buf_fini(&out);
		buf_fini(&small);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("mime/name");
	TCase *tcase = tcase_create("name");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, chooses, 0,
			    sizeof(names) / sizeof(names[0]));
	tcase_add_test(tcase, cuts);
	tcase_add_test(tcase, charsets);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
