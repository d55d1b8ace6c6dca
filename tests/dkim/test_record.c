#include <check.h>
#include <stdlib.h>

#include "gateway/dkim/record.h"

/* What DNS says beside what it should (RFC 6376, 3.6.1). */

#define OURS "v=DKIM1; k=rsa; p=AbCd"
#define ED "v=DKIM1; k=ed25519; p=AbCd"

static const struct {
	const char *label, *published, *ours;
	enum dkim_published want;
} rows[] = {
    {"the same", OURS, OURS, DKIM_SAME},
    {"Ed25519", ED, ED, DKIM_SAME},
    {"no blanks", "v=DKIM1;k=rsa;p=AbCd", OURS, DKIM_SAME},
    {"a semicolon more", "v=DKIM1;k=rsa;p=AbCd;", OURS, DKIM_SAME},
    {"blanks in the key", "v = DKIM1 ; p = Ab Cd\t ;k= rsa", OURS, DKIM_SAME},
    {"p alone", "p=AbCd", OURS, DKIM_SAME},
    {"a note", OURS "; n=a=b", OURS, DKIM_SAME},
    {"for mail", OURS "; h=sha1:sha256; s=other : email", OURS, DKIM_SAME},
    {"for all", OURS "; s=*", OURS, DKIM_SAME},
    {"strict", OURS "; t=s", OURS, DKIM_SAME},
    {"testing", OURS "; t=s:y", OURS, DKIM_TESTING},
    {"not for mail", OURS "; s=web", OURS, DKIM_NARROW},
    {"another hash", OURS "; h=sha1", OURS, DKIM_NARROW},
    {"another key", "v=DKIM1; k=rsa; p=AbCe", OURS, DKIM_OTHER_KEY},
    {"a shorter one", "v=DKIM1; k=rsa; p=AbC", OURS, DKIM_OTHER_KEY},
    {"a longer one", "v=DKIM1; k=rsa; p=AbCd=", OURS, DKIM_OTHER_KEY},
    {"its case", "v=DKIM1; k=rsa; p=abcd", OURS, DKIM_OTHER_KEY},
    {"another kind", ED, OURS, DKIM_OTHER_KEY},
    {"no kind", "p=AbCd", ED, DKIM_OTHER_KEY},
    {"revoked", "v=DKIM1; p=", OURS, DKIM_REVOKED},
    {"revoked, blank", "v=DKIM1; p= ; k=rsa", OURS, DKIM_REVOKED},
    {"another thing", "v=spf1 -all", OURS, DKIM_NO_RECORD},
    {"another version", "v=DKIM2; p=AbCd", OURS, DKIM_NO_RECORD},
    {"two keys", "p=AbCd; p=AbCd", OURS, DKIM_NO_RECORD},
    {"nothing", "", OURS, DKIM_NO_RECORD},
    {"separators", ";;=;", OURS, DKIM_NO_RECORD},
};

START_TEST(compare)
{
	enum dkim_published got = dkim_record_compare(
	    slice_str(rows[_i].published), slice_str(rows[_i].ours));

	ck_assert_msg(got == rows[_i].want, "%s: %s", rows[_i].label,
		      dkim_published_text(got));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("record");
	TCase *t = tcase_create("record");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(t, compare, 0,
			    (int)(sizeof(rows) / sizeof(rows[0])));
	suite_add_tcase(suite, t);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
