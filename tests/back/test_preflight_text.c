/* What TXT records say of keys, policies and senders, and what is said. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/back/preflight_text.h"

#define COUNT(a) (int)(sizeof(a) / sizeof((a)[0]))
#define OURS SLICE_LIT("v=DKIM1; k=rsa; p=QUJDREVG")
#define RECORDS 4

/* records: '|' between them; "": one without a string. */
static struct dns_answer
answer_of(enum dns_status status, const char *text,
	  struct dns_record records[RECORDS])
{
	struct dns_answer answer = {
	    .status = status, .records = records, .text = ""};
	struct slice rest = slice_str(text), one;

	memset(records, 0, RECORDS * sizeof(*records));
	if (status == DNS_OK && text != NULL && *text == '\0')
		answer.count = 1;
	while (status == DNS_OK && slice_split(&rest, '|', &one))
		records[answer.count++].data = one;
	return answer;
}

static const struct {
	const char *label;
	enum dns_status status;
	const char *records;
	enum preflight_key want;
} keys[] = {
    {"ours", DNS_OK, "v=DKIM1; k=rsa; p=QUJDREVG", PREFLIGHT_KEY_FINE},
    {"without a version", DNS_OK, "p=QUJDREVG", PREFLIGHT_KEY_FINE},
    {"blanks within", DNS_OK, "v=DKIM1;p= QUJD \t REVG ;t=s",
     PREFLIGHT_KEY_FINE},
    {"cut", DNS_OK, "v=DKIM1; p=QUJD", PREFLIGHT_KEY_OTHER},
    {"longer", DNS_OK, "v=DKIM1; p=QUJDREVGRw", PREFLIGHT_KEY_OTHER},
    {"another", DNS_OK, "v=DKIM1; p=QUJDREVH", PREFLIGHT_KEY_OTHER},
    {"revoked", DNS_OK, "v=DKIM1; p=", PREFLIGHT_KEY_REVOKED},
    {"revoked, blanks", DNS_OK, "v=DKIM1; p= ; t=y", PREFLIGHT_KEY_REVOKED},
    {"no p", DNS_OK, "v=DKIM1; k=rsa", PREFLIGHT_KEY_MISSING},
    {"another version", DNS_OK, "v=DKIM2; p=QUJDREVG", PREFLIGHT_KEY_MISSING},
    {"no tags", DNS_OK, "hello world", PREFLIGHT_KEY_MISSING},
    {"semicolons alone", DNS_OK, ";;;", PREFLIGHT_KEY_MISSING},
    {"too long to be kept", DNS_OK, "", PREFLIGHT_KEY_MISSING},
    {"ours among others", DNS_OK, "p=|p=AAAA|p=QUJDREVG", PREFLIGHT_KEY_FINE},
    {"another beats revoked", DNS_OK, "p=AAAA|p=", PREFLIGHT_KEY_OTHER},
    {"receivers do not count it", DNS_OK, "v=DKIM1; t=y; p=QUJDREVG",
     PREFLIGHT_KEY_UNUSED},
    {"not for mail", DNS_OK, "v=DKIM1; s=tlsrpt; p=QUJDREVG",
     PREFLIGHT_KEY_UNUSED},
    {"of another kind", DNS_OK, "v=DKIM1; k=ed25519; p=QUJDREVG",
     PREFLIGHT_KEY_OTHER},
    {"no such name", DNS_NXDOMAIN, NULL, PREFLIGHT_KEY_MISSING},
    {"no such record", DNS_NODATA, NULL, PREFLIGHT_KEY_MISSING},
    {"SERVFAIL", DNS_FAIL, NULL, PREFLIGHT_KEY_UNKNOWN},
    {"silence", DNS_TIMEOUT, NULL, PREFLIGHT_KEY_UNKNOWN},
    {"our own cap", DNS_BUSY, NULL, PREFLIGHT_KEY_UNKNOWN},
};

START_TEST(test_keys)
{
	struct dns_record records[RECORDS];
	struct dns_answer answer =
	    answer_of(keys[_i].status, keys[_i].records, records);

	ck_assert_msg(preflight_key_of(&answer, OURS) == keys[_i].want, "%s",
		      keys[_i].label);
}
END_TEST

static const struct {
	const char *label;
	enum dns_status status;
	const char *records;
	enum preflight_policy want;
	bool strict, below;
} policies[] = {
    {"none", DNS_OK, "v=DMARC1; p=none", PREFLIGHT_POLICY_NONE, false, false},
    {"reject, strict", DNS_OK, "v=DMARC1;p=Reject;adkim=s",
     PREFLIGHT_POLICY_REJECT, true, false},
    {"quarantine, relaxed", DNS_OK, "v=DMARC1 ; p=quarantine; adkim=r",
     PREFLIGHT_POLICY_QUARANTINE, false, false},
    {"its own, not of those below", DNS_OK, "v=DMARC1; p=reject; sp=none",
     PREFLIGHT_POLICY_REJECT, false, false},
    {"of those below", DNS_OK, "v=DMARC1; p=reject; sp=none",
     PREFLIGHT_POLICY_NONE, false, true},
    {"the same for those below", DNS_OK, "v=DMARC1; p=reject",
     PREFLIGHT_POLICY_REJECT, false, true},
    {"no p", DNS_OK, "v=DMARC1; rua=mailto:a@b.test", PREFLIGHT_POLICY_BROKEN,
     false, false},
    {"a p that is none", DNS_OK, "v=DMARC1; p=maybe", PREFLIGHT_POLICY_BROKEN,
     false, false},
    {"the version must be first", DNS_OK, "p=none; v=DMARC1",
     PREFLIGHT_POLICY_MISSING, false, false},
    {"other records beside it", DNS_OK, "v=spf1 -all|v=DMARC1; p=none",
     PREFLIGHT_POLICY_NONE, false, false},
    {"two of them", DNS_OK, "v=DMARC1; p=none; adkim=s|v=DMARC1; p=reject",
     PREFLIGHT_POLICY_BROKEN, false, false},
    {"too long to be kept", DNS_OK, "", PREFLIGHT_POLICY_MISSING, false, false},
    {"no such name", DNS_NXDOMAIN, NULL, PREFLIGHT_POLICY_MISSING, false,
     false},
    {"silence", DNS_TIMEOUT, NULL, PREFLIGHT_POLICY_UNKNOWN, false, false},
};

START_TEST(test_policies)
{
	struct dns_record records[RECORDS];
	struct dns_answer answer =
	    answer_of(policies[_i].status, policies[_i].records, records);
	bool strict = true;

	ck_assert_msg(preflight_policy_of(&answer, policies[_i].below,
					  &strict) == policies[_i].want,
		      "%s", policies[_i].label);
	ck_assert_msg(strict == policies[_i].strict, "%s", policies[_i].label);
}
END_TEST

static const struct {
	const char *label;
	enum dns_status status;
	const char *records;
	enum preflight_spf want;
} senders[] = {
    {"one", DNS_OK, "v=spf1 mx -all", PREFLIGHT_SPF_FINE},
    {"nothing behind it", DNS_OK, "V=SPF1", PREFLIGHT_SPF_FINE},
    {"another version", DNS_OK, "v=spf10 -all", PREFLIGHT_SPF_MISSING},
    {"others", DNS_OK, "google-site=1|v=spf2.0/pra", PREFLIGHT_SPF_MISSING},
    {"two", DNS_OK, "v=spf1 -all|v=spf1 mx", PREFLIGHT_SPF_BROKEN},
    {"too long to be kept", DNS_OK, "", PREFLIGHT_SPF_MISSING},
    {"no such name", DNS_NXDOMAIN, NULL, PREFLIGHT_SPF_MISSING},
    {"SERVFAIL", DNS_FAIL, NULL, PREFLIGHT_SPF_UNKNOWN},
};

START_TEST(test_senders)
{
	struct dns_record records[RECORDS];
	struct dns_answer answer =
	    answer_of(senders[_i].status, senders[_i].records, records);

	ck_assert_msg(preflight_spf_of(&answer) == senders[_i].want, "%s",
		      senders[_i].label);
}
END_TEST

/* --- words ---------------------------------------------------------------- */

static struct preflight_found
fine(void)
{
	return (struct preflight_found){
	    .counted = true,
	    .recipients = 200,
	    .addressed = 200,
	    .shown = 1,
	    .from = "example.org",
	    .sender = "b.example.org",
	    .read = true,
	    .signer = "example.org",
	    .keys = {{"s1", PREFLIGHT_KEY_FINE}},
	    .key_count = 1,
	    .policy = PREFLIGHT_POLICY_REJECT,
	    .spf = PREFLIGHT_SPF_FINE,
	};
}

static void
expect(const struct preflight_found *found, size_t cap, const char *want)
{
	struct buf out = {.cap = cap};

	preflight_warn(found, &out);
	ck_assert_str_eq(buf_cstr(&out), want);
	buf_fini(&out);
}

START_TEST(test_words)
{
	struct preflight_found f = fine();

	expect(&f, 500, "");
	f.shown = 201;
	f.dead = 3;
	f.duplicates = 2;
	expect(&f, 500,
	       "all 200 addresses stand in To or Cc; 3 at dead domains; "
	       "2 listed twice");
	f = fine();
	f.suppressed = 7;
	f.counted = false;
	expect(&f, 500, "7 suppressed; not all recipients were looked at");
	f = fine();
	f.keys[0].state = PREFLIGHT_KEY_REVOKED;
	expect(&f, 500, "DKIM key s1 of example.org is revoked");
	f.keys[0].state = PREFLIGHT_KEY_UNKNOWN;
	f.spf = PREFLIGHT_SPF_MISSING;
	expect(&f, 500,
	       "no SPF record for b.example.org; DKIM not known: no answer "
	       "from DNS");
	f = fine();
	f.signer[0] = '\0';
	f.key_count = 0;
	expect(&f, 500,
	       "not signed (DKIM) for example.org, whose DMARC says reject");
	f.policy = PREFLIGHT_POLICY_UNKNOWN;
	expect(&f, 500,
	       "not signed (DKIM) for example.org; DMARC not known: no answer "
	       "from DNS");
	f = fine();
	memcpy(f.from, "news.example.org", 17);
	f.strict = true;
	expect(&f, 500, "DMARC of news.example.org wants its own signature");
	f = (struct preflight_found){.counted = true};
	expect(&f, 500, "its messages were not looked at");
}
END_TEST

/* A warning is there whole, or not at all. */
START_TEST(test_room)
{
	struct preflight_found f = fine();

	f.dead = 3;
	f.duplicates = 2;
	expect(&f, 17, "3 at dead domains");
	expect(&f, 16, "2 listed twice");
	expect(&f, 32, "3 at dead domains");
	expect(&f, 33, "3 at dead domains; 2 listed twice");
	expect(&f, 0, "");
}
END_TEST

START_TEST(test_worst)
{
	struct preflight_found f = fine();

	ck_assert_str_eq(preflight_keys_word(&f), "fine");
	f.key_count = 2;
	ck_assert_str_eq(preflight_keys_word(&f), "unknown");
	f.keys[1].state = PREFLIGHT_KEY_REVOKED;
	ck_assert_str_eq(preflight_keys_word(&f), "revoked");
	f.key_count = 0;
	ck_assert_str_eq(preflight_keys_word(&f), "unsigned");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("back/preflight_text");
	TCase *tc = tcase_create("text");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, test_keys, 0, COUNT(keys));
	tcase_add_loop_test(tc, test_policies, 0, COUNT(policies));
	tcase_add_loop_test(tc, test_senders, 0, COUNT(senders));
	tcase_add_test(tc, test_words);
	tcase_add_test(tc, test_room);
	tcase_add_test(tc, test_worst);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
