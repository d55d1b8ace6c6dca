/*
 * What servers of each maker say, as recorded by those who run them (the ICAP
 * modules of rspamd and Assemblyline, vendors' manuals; names and tags
 * replaced), and c-icap's own words. Each dialogue goes through the parser
 * whole, byte by byte, and cut at each offset: then nothing may be clean.
 *
 * size: one table of dialogues; a row is read with its vendor's others.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/icap/options.h"
#include "gateway/icap/text.h"
#include "gateway/icap/verdict.h"

struct vendor_row {
	const char *label;
	const char *profile;
	const char *text; /* '|' is CRLF */
	enum scan_kind kind;
	enum scan_why why;
	const char *threat;
	const char *istag;
};

#define CLEAN SCAN_CLEAN, SCAN_WHY_NONE, ""
#define INFECTED(name) SCAN_INFECTED, SCAN_WHY_NONE, name
#define UNSCANNABLE(w, name) SCAN_UNSCANNABLE, SCAN_WHY_##w, name
#define ERROR_BY(w, name) SCAN_ERROR, SCAN_WHY_##w, name

#define FORBIDDEN                                         \
	"HTTP/1.1 403 Forbidden|Content-Type: text/html|" \
	"Connection: close||1b|<html>It was blocked</html>|0||"
#define ENC "Encapsulated: res-hdr=0, res-body=70||"

static const struct vendor_row rows[] = {
    /* --- c-icap 0.5.10 with ClamAV, recorded by us */
    {"c-icap, clean", "c-icap",
     "ICAP/1.0 204 Unmodified|Server: C-ICAP/0.5.10|"
     "Connection: keep-alive|ISTag: \"CI0001-GGcJBsR8HcbKsGTyH8AyiwA\"||",
     CLEAN, "CI0001-GGcJBsR8HcbKsGTyH8AyiwA"},
    {"c-icap, infected", "c-icap",
     "ICAP/1.0 200 OK|Server: C-ICAP/0.5.10|Connection: keep-alive|"
     "ISTag: \"CI0001-GGcJBsR8HcbKsGTyH8AyiwA\"|"
     "X-Infection-Found: Type=0; Resolution=2; Threat=Lab.Eicar.Hash;|"
     "X-Violations-Found: 1|\t-|\tLab.Eicar.Hash|\t0|\t0|"
     "Encapsulated: res-hdr=0, res-body=108||"
     "HTTP/1.0 403 Forbidden|Server: C-ICAP|Connection: close|"
     "Content-Type: text/html|Content-Language: en||"
     "6|<html>|0||",
     INFECTED("Lab.Eicar.Hash"), "CI0001-GGcJBsR8HcbKsGTyH8AyiwA"},
    {"c-icap, encrypted zip with AlertEncrypted", "c-icap",
     "ICAP/1.0 200 OK|ISTag: \"CI0001-x\"|"
     "X-Infection-Found: Type=0; Resolution=2; "
     "Threat=Heuristics.Encrypted.Zip;|" ENC FORBIDDEN,
     UNSCANNABLE(ENCRYPTED, "Heuristics.Encrypted.Zip"), "CI0001-x"},
    {"c-icap, over ClamAV's limits with AlertExceedsMax", "c-icap",
     "ICAP/1.0 200 OK|ISTag: \"CI0001-x\"|"
     "X-Infection-Found: Type=0; Resolution=2; "
     "Threat=Heuristics.Limits.Exceeded.MaxFileSize;|" ENC FORBIDDEN,
     UNSCANNABLE(CONTAINER, "Heuristics.Limits.Exceeded.MaxFileSize"),
     "CI0001-x"},
    {"c-icap, clamd is gone", "c-icap",
     "ICAP/1.0 500 Server Error|Server: C-ICAP/0.5.10|Connection: close||",
     ERROR_BY(SERVER, ""), ""},
    {"c-icap, no such service", "c-icap",
     "ICAP/1.0 404 Service not found|Server: C-ICAP/0.5.10|"
     "Connection: close||",
     ERROR_BY(SERVER, ""), ""},
    /* --- SquidClamav: in the HTTP head, and a redirection */
    {"squidclamav, redirected", "squidclamav",
     "ICAP/1.0 200 OK|Server: C-ICAP/0.5.6|ISTag: \"CI0001-1.0\"|"
     "X-Infection-Found: Type=0; Resolution=2; "
     "Threat={HEX}EICAR.TEST.3.UNOFFICIAL;|"
     "Encapsulated: res-hdr=0, null-body=230||"
     "HTTP/1.0 307 Temporary Redirect|Server: C-ICAP|Connection: close|"
     "Location: http://proxy.example/cgi-bin/clwarn.cgi|"
     "X-Infection-Found: Type=0; Resolution=2; "
     "Threat={HEX}EICAR.TEST.3.UNOFFICIAL;||",
     INFECTED("{HEX}EICAR.TEST.3.UNOFFICIAL"), "CI0001-1.0"},
    {"squidclamav, only in the HTTP head", "squidclamav",
     "ICAP/1.0 200 OK|ISTag: \"CI0001-1.0\"|"
     "Encapsulated: res-hdr=0, null-body=230||"
     "HTTP/1.0 200 OK|X-Virus-ID: {HEX}EICAR.TEST.3.UNOFFICIAL||",
     INFECTED("{HEX}EICAR.TEST.3.UNOFFICIAL"), "CI0001-1.0"},
    {"squidclamav, redirected without a word", "squidclamav",
     "ICAP/1.0 200 OK|ISTag: \"CI0001-1.0\"|"
     "Encapsulated: res-hdr=0, null-body=230||"
     "HTTP/1.0 307 Temporary Redirect|Location: http://proxy.example/||",
     INFECTED(""), "CI0001-1.0"},
    /* --- Symantec Protection Engine */
    {"symantec, infected", "symantec",
     "ICAP/1.0 200 OK|ISTag: \"8EF1E3C9A9B0F00BA1E0\"|"
     "Service: Symantec Protection Engine|Service-ID: Respmod AV Scan|"
     "X-Infection-Found: Type=0; Resolution=2; Threat=EICAR Test String;|"
     "X-Violations-Found: 1|\teicar.com|\tEICAR Test String|\t11101|\t2|"
     "X-Outer-Container-Is-Mime: 0|" ENC FORBIDDEN,
     INFECTED("EICAR Test String"), "8EF1E3C9A9B0F00BA1E0"},
    {"symantec, infected, the lines only", "symantec",
     "ICAP/1.0 201 Created|ISTag: \"8EF1\"|"
     "X-Violations-Found: 2|\tall.zip/a.txt|\tContainer size violation|"
     "\t0|\t2|\tall.zip/b.com|\tEICAR Test String|\t11101|\t2|" ENC FORBIDDEN,
     INFECTED("EICAR Test String"), "8EF1"},
    {"symantec, too large inside", "symantec",
     "ICAP/1.0 200 OK|ISTag: \"8EF1\"|"
     "X-Infection-Found: Type=2; Resolution=2; "
     "Threat=Container size violation|" ENC FORBIDDEN,
     UNSCANNABLE(CONTAINER, "Container size violation"), "8EF1"},
    {"symantec, encrypted", "symantec",
     "ICAP/1.0 200 OK|ISTag: \"8EF1\"|"
     "X-Infection-Found: Type=2; Resolution=2; "
     "Threat=Encrypted container violation;|" ENC FORBIDDEN,
     UNSCANNABLE(ENCRYPTED, "Encrypted container violation"), "8EF1"},
    {"symantec, file policy", "symantec",
     "ICAP/1.0 200 OK|ISTag: \"8EF1\"|"
     "X-Infection-Found: Type=1; Resolution=2; "
     "Threat=File policy violation File Size Blocked;|" ENC FORBIDDEN,
     UNSCANNABLE(TOO_BIG, "File policy violation File Size Blocked"), "8EF1"},
    {"symantec, file name", "symantec",
     "ICAP/1.0 200 OK|ISTag: \"8EF1\"|"
     "X-Infection-Found: Type=1; Resolution=2; "
     "Threat=File name rule matched;|" ENC FORBIDDEN,
     UNSCANNABLE(POLICY, "File name rule matched"), "8EF1"},
    {"symantec, password", "symantec",
     "ICAP/1.0 500 Server error|ISTag: \"8EF1\"|X-Error-Code: 10|"
     "Connection: close||",
     UNSCANNABLE(ENCRYPTED, ""), "8EF1"},
    {"symantec, no license", "symantec",
     "ICAP/1.0 539 Aborted - No AV scanning license|ISTag: \"8EF1\"||",
     ERROR_BY(SERVER, ""), "8EF1"},
    {"an error code of somebody else's", "generic",
     "ICAP/1.0 500 Server error|ISTag: \"8EF1\"|X-Error-Code: 10||",
     ERROR_BY(SERVER, ""), "8EF1"},
    /* --- Trend Micro IWSVA, Web Security, Vision One */
    {"trend, infected", "trend",
     "ICAP/1.0 200 OK|Server: IWSVA 6.5-SP2|ISTag: \"IWSVA-1\"|"
     "X-Virus-ID: Trojan.W97M.POWLOAD.SMTHF1|"
     "X-Infection-Found: Type=0; Resolution=2; "
     "Threat=Trojan.W97M.POWLOAD.SMTHF1;|" ENC
     "HTTP/1.1 403 Forbidden (TMWS Blocked)|Content-Length: 0||0||",
     INFECTED("Trojan.W97M.POWLOAD.SMTHF1"), "IWSVA-1"},
    {"trend, headers not enabled", "trend",
     "ICAP/1.0 200 OK|ISTag: \"IWSVA-1\"|" ENC
     "HTTP/1.1 403 Forbidden (TMWS Blocked)|Content-Length: 0||0||",
     INFECTED(""), "IWSVA-1"},
    {"trend, too many files in a zip", "trend",
     "ICAP/1.0 200 OK|ISTag: \"V1\"|" ENC
     "HTTP/1.1 500 Internal Server Error||0||",
     ERROR_BY(SERVER, ""), "V1"},
    {"trend, bad request", "trend", "ICAP/1.0 400 Bad request||",
     ERROR_BY(SERVER, ""), ""},
    /* --- McAfee Web Gateway, Skyhigh */
    {"mcafee, with rules", "mcafee",
     "ICAP/1.0 200 OK|ISTag: \"00009496-9.8.0.17634-00002\"|"
     "X-Virus-ID: EICAR test file|X-Media-Type: text/plain|"
     "X-Block-Result: 80|X-Block-Reason: Malware found|" ENC
     "HTTP/1.0 403 VirusFound|Content-Type: text/html||1|x|0||",
     INFECTED("EICAR test file"), "00009496-9.8.0.17634-00002"},
    {"mcafee, without", "mcafee",
     "ICAP/1.0 200 OK|ISTag: \"123456-.1.123\"|"
     "Encapsulated: res-hdr=0, res-body=121||"
     "HTTP/1.1 403 VirusFound|Content-Type: text/html|"
     "Cache-Control: no-cache|Content-Length: 3|X-Frame-Options: deny||"
     "3|abc|0||",
     INFECTED(""), "123456-.1.123"},
    {"mcafee, archive", "mcafee",
     "ICAP/1.0 200 OK|ISTag: \"1\"|X-Block-Reason: Archive not supported|" ENC
     "HTTP/1.0 403 Blocked||0||",
     UNSCANNABLE(CONTAINER, "Archive not supported"), "1"},
    {"mcafee, type", "mcafee",
     "ICAP/1.0 200 OK|ISTag: \"1\"|"
     "X-Block-Reason: Media Type (Block List)|" ENC "HTTP/1.0 403 Blocked||0||",
     UNSCANNABLE(POLICY, "Media Type (Block List)"), "1"},
    {"mcafee, a rule of their own", "mcafee",
     "ICAP/1.0 200 OK|ISTag: \"1\"|X-MWG-Block-Reason: Haittaohjelma|" ENC
     "HTTP/1.0 403 Blocked||0||",
     INFECTED("Haittaohjelma"), "1"},
    {"mcafee, bad composition", "mcafee", "ICAP/1.0 418 Bad composition||",
     ERROR_BY(SERVER, ""), ""},
    /* --- Kaspersky Scan Engine, Web Traffic Security */
    {"kaspersky, infected", "kaspersky",
     "ICAP/1.0 200 OK|Date: Sun, 01 Jan 2023 00:00:00 GMT|"
     "Server: KL ICAP Service v1.0 (KAV SDK v8.8.2.58)|Connection: close|"
     "ISTag: \"abcdef1234\"|X-Virus-ID: EICAR-Test-File|"
     "Encapsulated: res-hdr=0, res-body=217||" FORBIDDEN,
     INFECTED("EICAR-Test-File"), "abcdef1234"},
    {"kaspersky, in its default settings", "kaspersky",
     "ICAP/1.0 200 OK|ISTag: \"abcdef1234\"|" ENC FORBIDDEN, INFECTED(""),
     "abcdef1234"},
    {"kaspersky, several names", "kaspersky",
     "ICAP/1.0 200 OK|ISTag: \"a\"|"
     "X-Virus-ID: HEUR:Backdoor.Java.QRat.gen, EICAR-Test-File|" ENC FORBIDDEN,
     INFECTED("HEUR:Backdoor.Java.QRat.gen, EICAR-Test-File"), "a"},
    {"kaspersky, blocked by a rule", "kaspersky",
     "ICAP/1.0 200 OK|ISTag: \"a\"|X-Virus-ID: no threats|"
     "X-Response-Info: blocked|" ENC FORBIDDEN,
     UNSCANNABLE(POLICY, "blocked"), "a"},
    {"kaspersky, passed", "kaspersky",
     "ICAP/1.0 204 No Content|ISTag: \"a\"|X-Virus-ID: no threats|"
     "X-Response-Info: passed||",
     CLEAN, "a"},
    /* --- Sophos SAVDI */
    {"sophos, infected", "sophos",
     "ICAP/1.0 200 OK|ISTag: \"1-02-3-44-5-6-07-8888\"|"
     "Service: Sophos Anti-Virus SAVDI/ICAP|X-HRESULT: 12345678|"
     "X-Virus-ID: Troj/DocDl-OYC|"
     "X-Infection-Found: Type=0; Resolution=2; Threat=Troj/DocDl-OYC;|"
     "X-Violations-Found: 1|      -|      Troj/DocDl-OYC|      -|      0|"
     "Encapsulated: res-hdr=0, null-body=237||"
     "HTTP/1.1 200 OK:  403 Forbidden|HTTP/1.1 200 OK: |"
     "Transfer-Encoding: chunked|Content-Length: 0|Content-Type: text/plain|"
     "X-Blocked: Virus found during virus scan|"
     "X-Blocked-By: Sophos Anti-Virus||",
     INFECTED("Troj/DocDl-OYC"), "1-02-3-44-5-6-07-8888"},
    {"sophos, in the HTTP head only", "sophos",
     "ICAP/1.0 200 OK|ISTag: \"1\"|Encapsulated: res-hdr=0, null-body=237||"
     "HTTP/1.1 200 OK|X-Blocked: Virus found during virus scan|"
     "X-Blocked-By: Sophos Anti-Virus||",
     INFECTED("Virus found during virus scan"), "1"},
    {"sophos, encrypted", "sophos",
     "ICAP/1.0 200 OK|ISTag: \"1\"|Encapsulated: res-hdr=0, null-body=237||"
     "HTTP/1.1 200 OK|X-Blocked: The file is encrypted||",
     UNSCANNABLE(ENCRYPTED, "The file is encrypted"), "1"},
    /* --- ESET: Resolution=0 although infected */
    {"eset, infected", "eset",
     "ICAP/1.0 200 OK|ISTag: \"tag-tag\"|"
     "Encapsulated: res-hdr=0, res-body=70|"
     "X-Infection-Found: Type=0; Resolution=0; "
     "Threat=VBA/TrojanDownloader.Agent.JOA;|"
     "X-Virus-ID: Trojaner|X-Response-Info: Blocked||"
     "HTTP/1.1 403 Forbidden|Content-Type: text/html|Content-Length: 0||0||",
     INFECTED("VBA/TrojanDownloader.Agent.JOA"), "tag-tag"},
    {"eset, misused", "eset", "ICAP/1.0 405 Forbidden||", ERROR_BY(SERVER, ""),
     ""},
    /* --- F-Secure Internet Gatekeeper, WithSecure */
    {"f-secure, infected", "f-secure",
     "ICAP/1.0 200 OK|Server: F-Secure ICAP Server|"
     "ISTag: \"FSAV-2023-01-01_01\"|Connection: keep-alive|"
     "X-FSecure-Scan-Result: infected|"
     "X-FSecure-Infection-Name: \"Exploit.D-Encrypted.Gen\"|"
     "X-FSecure-Infected-Filename: \"virus.doc\"|"
     "Encapsulated: res-hdr=0, res-body=73||" FORBIDDEN,
     INFECTED("Exploit.D-Encrypted.Gen"), "FSAV-2023-01-01_01"},
    {"f-secure, suspected", "f-secure",
     "ICAP/1.0 200 OK|ISTag: \"F\"|X-FSecure-Scan-Result: suspected|" ENC
	 FORBIDDEN,
     INFECTED("suspected"), "F"},
    {"f-secure, clean", "f-secure",
     "ICAP/1.0 204 No modifications|ISTag: \"F\"|"
     "X-FSecure-Scan-Result: clean||",
     CLEAN, "F"},
    /* --- OPSWAT MetaDefender */
    {"opswat, infected", "opswat",
     "ICAP/1.0 200 OK|ISTag: \"M\"|X-Response-Info: Blocked|"
     "X-Response-Desc: Infected|X-Blocked-Reason: Infected|"
     "X-Virus-ID: EICAR Test String|"
     "X-Infection-Found: Type=0; Resolution=0; Threat=EICAR Test String;|"
     "X-Violations-Found: 1|\t-|\tEICAR Test String|\t0|\t0|" ENC FORBIDDEN,
     INFECTED("EICAR Test String"), "M"},
    {"opswat, encrypted", "opswat",
     "ICAP/1.0 200 OK|ISTag: \"M\"|X-Response-Info: Blocked|"
     "X-Blocked-Reason: Encrypted Archive|X-Virus-ID: Encrypted Archive|"
     "X-Infection-Found: Type=2; Resolution=0; Threat=Encrypted Archive;|" ENC
	 FORBIDDEN,
     UNSCANNABLE(ENCRYPTED, "Encrypted Archive"), "M"},
    {"opswat, too deep", "opswat",
     "ICAP/1.0 200 OK|ISTag: \"M\"|X-Response-Info: Blocked|"
     "X-Virus-ID: Exceeded Archive Depth|"
     "X-Blocked-Reason: Exceeded Archive Depth|" ENC FORBIDDEN,
     UNSCANNABLE(CONTAINER, "Exceeded Archive Depth"), "M"},
    {"opswat, the scan failed", "opswat",
     "ICAP/1.0 200 OK|ISTag: \"M\"|X-Response-Info: Blocked|"
     "X-Response-Desc: Failed|" ENC FORBIDDEN,
     ERROR_BY(SERVER, "Failed"), "M"},
    {"opswat, blocked and not a word why", "opswat",
     "ICAP/1.0 200 OK|ISTag: \"M\"|X-Response-Info: Blocked|" ENC FORBIDDEN,
     INFECTED(""), "M"},
    {"opswat, allowed", "opswat",
     "ICAP/1.0 204 No modification needed|ISTag: \"M\"|"
     "X-Response-Info: Allowed||",
     CLEAN, "M"},
    /* --- Fortinet, Bitdefender, Check Point */
    {"fortinet, infected", "fortinet",
     "ICAP/1.0 200 OK|ISTag: \"FSA-1\"|"
     "X-Infection-Found: Type=0; Resolution=2; Threat=EICAR_TEST_FILE;|" ENC
	 FORBIDDEN,
     INFECTED("EICAR_TEST_FILE"), "FSA-1"},
    {"bitdefender, infected", "bitdefender",
     "ICAP/1.0 200 OK|Service: Bitdefender ICAP Server 1.5|"
     "Service-ID: BDIS|ISTag: \"tag\"|"
     "X-Infection-Found: Type=0; Resolution=2; Threat=Bad.Guy.1;|"
     "X-Virus-ID: Bad.Guy.1|"
     "X-Violations-Found: 1|\t0123456789abcdef|\tBad.Guy.1|\t0|\t0|"
     "Connection: keep-alive|" ENC FORBIDDEN,
     INFECTED("Bad.Guy.1"), "tag"},
    {"checkpoint, infected", "checkpoint",
     "ICAP/1.0 200 OK|ISTag: \"CP\"|X-Virus-ID: EICAR|" ENC FORBIDDEN,
     INFECTED("EICAR"), "CP"},
    /* --- what nobody said, and somebody will */
    {"204 and infected all the same", "generic",
     "ICAP/1.0 204 No|ISTag: \"x\"|X-Virus-ID: Test||", INFECTED("Test"), "x"},
    {"repaired", "generic",
     "ICAP/1.0 200 OK|ISTag: \"x\"|"
     "X-Infection-Found: Type=0; Resolution=1; Threat=Test;|" ENC
     "HTTP/1.1 200 OK||3|abc|0||",
     INFECTED("Test"), "x"},
    {"an unknown type", "generic",
     "ICAP/1.0 200 OK|X-Infection-Found: Type=7; Threat=Test|" ENC FORBIDDEN,
     INFECTED("Test"), ""},
    {"no type", "generic",
     "ICAP/1.0 200 OK|X-Infection-Found: Test|" ENC FORBIDDEN, INFECTED(""),
     ""},
    {"types of two kinds", "generic",
     "ICAP/1.0 200 OK|X-Infection-Found: Type=2; Threat=Deep;|"
     "X-Infection-Found: Type=0; Threat=Test;|" ENC FORBIDDEN,
     INFECTED("Test"), ""},
    {"folded, blanks everywhere", "generic",
     "ICAP/1.0 200 OK|x-infection-FOUND  :|  Type = 0 ;|"
     "\tResolution = 2;|\t Threat =  Two|  words ;|" ENC FORBIDDEN,
     INFECTED("Two words"), ""},
    {"violations in one line", "generic",
     "ICAP/1.0 200 OK|X-Violations-Found: 1 a Test 0 0|" ENC FORBIDDEN,
     INFECTED(""), ""},
    {"no violations", "generic", "ICAP/1.0 204 No|X-Violations-Found: 0||",
     CLEAN, ""},
    {"an escape sequence for a name", "generic",
     "ICAP/1.0 200 OK|X-Virus-ID: a\033[2Jb|" ENC FORBIDDEN,
     INFECTED("a\\x1b[2Jb"), ""},
    {"a long name", "generic",
     "ICAP/1.0 200 OK|X-Virus-ID: "
     "1234567890123456789012345678901234567890123456789012345678901234567890"
     "1234567890123456789012345678901234567890123456789012345678901234567890"
     "|" ENC FORBIDDEN,
     INFECTED("12345678901234567890123456789012345678901234567890123456789012"
	      "34567890123456789012345678901234567890123456789012345678901234"
	      "567"),
     ""},
    {"an ISTag without quotes", "generic", "ICAP/1.0 204 No|ISTag: a-b||",
     CLEAN, "a-b"},
    {"the header of what we sent is not asked", "generic",
     "ICAP/1.0 200 OK|Encapsulated: req-hdr=0, res-hdr=45, res-body=70||"
     "GET http://attachment.invalid/ HTTP/1.1|X-Virus-ID: Test||"
     "HTTP/1.1 403 Forbidden||0||",
     INFECTED(""), ""},
};

#define ROW_COUNT ((int)(sizeof(rows) / sizeof(rows[0])))

static struct buf
lines(const char *text)
{
	struct buf out = {.cap = 1 << 20};

	for (; *text != '\0'; text++) {
		if (*text == '|')
			buf_add_str(&out, "\r\n");
		else
			buf_add_byte(&out, *text);
	}
	return out;
}

struct outcome {
	bool judged, broken;
	struct scan_verdict verdict;
	char error[160];
};

/* As hear.c does, with a body that is never the same. */
static void
run(const struct vendor_row *row, struct slice in, size_t piece,
    struct outcome *o)
{
	struct icap_answer a;
	struct slice part, data;
	struct buf error = {.cap = ICAP_TEXT_MAX};
	enum icap_answer_step step = ICAP_ANSWER_MORE;

	memset(o, 0, sizeof(*o));
	icap_answer_init(&a);
	while (in.n > 0 && step != ICAP_ANSWER_END && step != ICAP_ANSWER_BAD) {
		part = slice_head(in, piece);
		in = slice_from(in, piece);
		do {
			step = icap_answer_next(&a, &part, &data);
			if ((step == ICAP_ANSWER_HEADS ||
			     step == ICAP_ANSWER_END) &&
			    !o->judged)
				o->judged = icap_judge(
				    &a, icap_profile_find(row->profile),
				    step == ICAP_ANSWER_HEADS && a.has_body
					? ICAP_BODY_OPEN
					: ICAP_BODY_OTHER,
				    &o->verdict, &error);
		} while (step == ICAP_ANSWER_HEADS || step == ICAP_ANSWER_BODY);
	}
	if (!o->judged)
		o->broken = icap_judge_broken(&a, &o->verdict);
	icap_text_put(o->error, sizeof(o->error), buf_slice(&error));
	buf_fini(&error);
	icap_answer_fini(&a);
}

static void
check(const struct vendor_row *row, const struct outcome *o)
{
	ck_assert_ptr_nonnull(icap_profile_find(row->profile));
	ck_assert_msg(o->judged, "%s: no verdict", row->label);
	ck_assert_msg(o->verdict.kind == row->kind &&
			  o->verdict.why == row->why,
		      "%s: kind %d, why %d, %s", row->label, o->verdict.kind,
		      o->verdict.why, o->error);
	ck_assert_msg(strcmp(o->verdict.threat, row->threat) == 0,
		      "%s: threat \"%s\"", row->label, o->verdict.threat);
	ck_assert_msg(strcmp(o->verdict.istag, row->istag) == 0,
		      "%s: istag \"%s\"", row->label, o->verdict.istag);
	ck_assert_msg((o->error[0] != '\0') == (row->kind == SCAN_ERROR),
		      "%s: error \"%s\"", row->label, o->error);
}

START_TEST(dialogues)
{
	const struct vendor_row *row = &rows[_i];
	struct buf text = lines(row->text);
	struct outcome o;

	run(row, buf_slice(&text), text.n, &o);
	check(row, &o);
	run(row, buf_slice(&text), 1, &o);
	check(row, &o);
	for (size_t n = 0; n < text.n; n++) {
		run(row, slice_head(buf_slice(&text), n), n, &o);
		if (o.judged)
			check(row, &o);
		else if (o.broken)
			ck_assert_msg(o.verdict.kind == SCAN_INFECTED,
				      "%s: cut at %zu", row->label, n);
	}
	buf_fini(&text);
}
END_TEST

/* Every row of the table of profiles has a dialogue here. */
START_TEST(all_profiles)
{
	const struct icap_profile *p;
	bool any;

	for (size_t i = 0; (p = icap_profile_at(i)) != NULL; i++) {
		any = false;
		for (int r = 0; r < ROW_COUNT; r++)
			any |= strcmp(rows[r].profile, p->name) == 0;
		ck_assert_msg(any, "%s has no dialogue", p->name);
		ck_assert_ptr_eq(icap_profile_find(p->name), p);
	}
	ck_assert_ptr_null(icap_profile_find("norton"));
}
END_TEST

static const struct {
	const char *label, *service, *server, *profile;
} detect_rows[] = {
    {"c-icap", "C-ICAP/0.5.10 server - Antivirus service", "C-ICAP/0.5.10",
     "c-icap"},
    {"squidclamav", "C-ICAP/0.5.6 server - SquidClamav/Antivirus service",
     "C-ICAP/0.5.6", "squidclamav"},
    {"symantec", "Symantec Protection Engine", "", "symantec"},
    {"trend", "Trend Micro IWSVA", "", "trend"},
    {"trend by server", "", "IWSVA 6.5-SP2_Build", "trend"},
    {"mcafee", "McAfee Web Gateway 11.2", "", "mcafee"},
    {"skyhigh", "Skyhigh Secure Web Gateway", "", "mcafee"},
    {"kaspersky", "", "KL ICAP Service v1.0 (KAV SDK v8.8)", "kaspersky"},
    {"sophos", "Sophos Anti-Virus SAVDI/ICAP", "", "sophos"},
    {"eset", "ESET ICAP service", "", "eset"},
    {"f-secure", "", "F-Secure ICAP Server", "f-secure"},
    {"opswat", "OPSWAT MetaDefender ICAP Server", "", "opswat"},
    {"fortinet", "FortiSandbox ICAP", "", "fortinet"},
    {"bitdefender", "Bitdefender ICAP Server 1.5", "", "bitdefender"},
    {"nobody", "Frobozz Magic Scanner", "nginx", "generic"},
    {"nothing", "", "", "generic"},
};

START_TEST(detected)
{
	for (size_t i = 0; i < sizeof(detect_rows) / sizeof(detect_rows[0]);
	     i++) {
		const struct icap_profile *p =
		    icap_profile_detect(slice_str(detect_rows[i].service),
					slice_str(detect_rows[i].server));

		ck_assert_msg(strcmp(p->name, detect_rows[i].profile) == 0,
			      "%s: %s", detect_rows[i].label, p->name);
	}
}
END_TEST

/* Two tags that differ in their tails stay different when they are cut. */
START_TEST(long_istags)
{
	static const char *const tails[] = {"1", "2"};
	char istag[2][SCAN_ISTAG_SIZE];
	struct icap_head h;

	for (int i = 0; i < 2; i++) {
		struct buf text = lines("ICAP/1.0 204 No|ISTag: \"0123456789"
					"01234567890123456789012345678901234"
					"5678901234567890");
		struct slice in;

		buf_add_str(&text, tails[i]);
		buf_add_str(&text, "\"\r\n\r\n");
		in = buf_slice(&text);
		icap_head_init(&h);
		ck_assert_int_eq(icap_head_add(&h, &in), ICAP_HEAD_DONE);
		icap_istag(&h, istag[i]);
		ck_assert_uint_eq(strlen(istag[i]), SCAN_ISTAG_SIZE - 1);
		icap_head_fini(&h);
		buf_fini(&text);
	}
	ck_assert_str_ne(istag[0], istag[1]);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("icap/vendor");
	TCase *tc = tcase_create("vendor");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, dialogues, 0, ROW_COUNT);
	tcase_add_test(tc, all_profiles);
	tcase_add_test(tc, detected);
	tcase_add_test(tc, long_istags);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
