#include <inttypes.h>
#include <stdio.h>

#include "gateway/base/buf.h"
#include "gateway/base/clock.h"
#include "gateway/base/escape.h"
#include "gateway/control/alerts_int.h"

#define DAY_S 86400

static void
find_bypass(const struct alert_scan *facts, int64_t now_wall_s,
	    struct finding *f)
{
	char until[CLOCK_HUMAN_SIZE];

	if (facts->bypass_until_wall_s <= now_wall_s)
		return;
	clock_human(facts->bypass_until_wall_s, now_wall_s, until);
	f->level = 1;
	snprintf(f->subject, sizeof(f->subject),
		 "virus scanning is bypassed until %s", until);
	snprintf(f->text, sizeof(f->text),
		 "Mail goes out unscanned. Who said so, and why:\n\n    sluice "
		 "audit\n\nTo scan again:\n\n    sluice scan bypass --off\n");
}

static void
find_unsteady(const struct alert_scan *facts, struct finding *f)
{
	if (!facts->unsteady)
		return;
	f->level = 1;
	snprintf(f->subject, sizeof(f->subject),
		 "a virus scanner changes its ISTag with each answer");
	snprintf(f->text, sizeof(f->text),
		 "The tag should name its definitions. As it says nothing, "
		 "verdicts are believed\nfor a minute only, and the scanner "
		 "is asked more often. Correct its settings.\n\n    sluice "
		 "scan status\n");
}

void
find_scan(enum alert_cause cause, const struct alert_scan *facts,
	  int64_t now_wall_s, struct finding *f)
{
	if (cause == ALERT_SCAN_BYPASS)
		find_bypass(facts, now_wall_s, f);
	else if (cause == ALERT_SCAN_ISTAG)
		find_unsteady(facts, f);
}

/* --- one scanner -------------------------------------------------------- */

/* Worse when there is no other. */
static void
find_down(const struct alert_scan *facts, const struct alert_scanner *scanner,
	  struct finding *f)
{
	struct buf error = {.cap = 200};

	if (scanner->up || scanner->blind)
		return;
	escape_reply(&error, slice_str(scanner->error));
	f->level = facts->up ? 1 : 2;
	snprintf(f->subject, sizeof(f->subject), "virus scanner %.63s is down",
		 scanner->name);
	snprintf(f->text, sizeof(f->text),
		 "%s The last failure was:\n\n    %.200s\n\n    sluice scan "
		 "status\n    sluice scan bypass --for 30m --reason ...   "
		 "(let mail out unscanned)\n",
		 facts->up ? "The others do its work."
			   : "No other can be asked: mail with attachments is "
			     "accepted and waits, or what\n'down' in "
			     "gateway.conf says.",
		 error.n > 0 ? buf_cstr(&error) : "no answer yet");
	buf_fini(&error);
}

static void
find_blind(const struct alert_scan *facts, const struct alert_scanner *scanner,
	   struct finding *f)
{
	if (!scanner->blind)
		return;
	f->level = facts->up ? 1 : 2;
	snprintf(f->subject, sizeof(f->subject),
		 "virus scanner %.63s finds no viruses", scanner->name);
	snprintf(f->text, sizeof(f->text),
		 "It called the EICAR test file clean: no definitions, a "
		 "service that only passes on,\nor a licence that ran out. It "
		 "is not asked about mail any more; %s.\n\n    sluice scan "
		 "status\n",
		 facts->up ? "the others are"
			   : "no other can be asked, and\nmail with "
			     "attachments waits, or what 'down' says");
}

static void
find_certificate(const struct alert_scanner *scanner, int64_t now_wall_s,
		 struct finding *f)
{
	int64_t left = scanner->certificate_wall_s - now_wall_s;

	if (scanner->certificate_wall_s == 0 || left > 14 * DAY_S)
		return;
	f->level = left <= 0 ? 3 : left <= 3 * DAY_S ? 2 : 1;
	if (left <= 0)
		snprintf(f->subject, sizeof(f->subject),
			 "the certificate of virus scanner %.63s has expired",
			 scanner->name);
	else
		snprintf(f->subject, sizeof(f->subject),
			 "the certificate of virus scanner %.63s expires in "
			 "%" PRId64 " days",
			 scanner->name, (left + DAY_S - 1) / DAY_S);
	snprintf(f->text, sizeof(f->text),
		 "Once it has expired the scanner is not believed, and "
		 "attachments wait. Renew it on\nthe scanner's side.\n\n    "
		 "sluice scan status\n");
}

void
find_scanner(enum alert_cause cause, const struct alert_scan *facts,
	     const struct alert_scanner *scanner, int64_t now_wall_s,
	     struct finding *f)
{
	if (cause == ALERT_SCANNER)
		find_down(facts, scanner, f);
	else if (cause == ALERT_SCANNER_BLIND)
		find_blind(facts, scanner, f);
	else if (cause == ALERT_SCANNER_CERTIFICATE)
		find_certificate(scanner, now_wall_s, f);
}
