/*
 * Names, addresses and replies are a peer's. In the words each is escaped to
 * one line; the table (gateway/campaign/table.h) has rules of its own.
 */
#include "gateway/back/report_mail.h"

#include <string.h>

#include "gateway/back/own_text.h"
#include "gateway/base/clock.h"
#include "gateway/base/escape.h"
#include "gateway/base/id.h"
#include "gateway/base/units.h"
#include "gateway/campaign/table.h"

#define VALUE_MAX 300
#define TEXT_MAX 16384

/* --- words ----------------------------------------------------------------
 */

static void
add_value(struct buf *out, const char *s)
{
	escape_text(out, slice_head(slice_str(s), VALUE_MAX));
}

uint64_t
report_mail_failed(const struct campaign_view *view)
{
	return campaign_bounced(view->counts) + view->counts[CAMPAIGN_DEAD] +
	       view->counts[CAMPAIGN_SUPPRESSED] +
	       view->counts[CAMPAIGN_DUPLICATE] + view->counts[CAMPAIGN_OTHER] +
	       (view->bounce ? view->counts[CAMPAIGN_PURGED] : 0);
}

static const char *
what_happened(enum campaign_state state)
{
	switch (state) {
	case CAMPAIGN_DONE:
		return "is finished";
	case CAMPAIGN_STOPPED:
		return "was stopped by a rule";
	case CAMPAIGN_CANCELED:
		return "was canceled";
	case CAMPAIGN_PAUSED:
		return "is paused";
	case CAMPAIGN_WAITING:
		return "waits for a confirmation";
	case CAMPAIGN_CHECKING:
	case CAMPAIGN_RUNNING:
	case CAMPAIGN_STATES:
		break;
	}
	return "is under way";
}

static const char *class_meaning(enum bounce_class class)
{
	switch (class) {
	case BOUNCE_MAILBOX:
		return "there is no such mailbox";
	case BOUNCE_DOMAIN:
		return "the domain takes no mail";
	case BOUNCE_INACTIVE:
		return "the mailbox is full, disabled or has moved";
	case BOUNCE_REPUTATION:
		return "refused as spam, or as too much at once";
	case BOUNCE_POLICY:
		return "refused for what is missing in authentication";
	case BOUNCE_CONTENT:
		return "refused for its content or its size";
	case BOUNCE_NETWORK:
		return "could not be reached in time";
	case BOUNCE_OTHER:
	case BOUNCE_CLASSES:
		break;
	}
	return "refused for other reasons";
}

static void
add_count(struct buf *out, const char *label, uint64_t n, const char *meaning)
{
	char number[UNITS_GROUPED_SIZE];

	if (n == 0)
		return;
	buf_printf(out, "  %-14s %9s", label, units_grouped(n, number));
	if (meaning)
		buf_printf(out, "  %s", meaning);
	buf_add_str(out, "\r\n");
}

static void
add_counts(struct buf *out, const struct campaign_view *view)
{
	const uint64_t *counts = view->counts;

	add_count(out, "Recipients:", counts[CAMPAIGN_RECIPIENTS], NULL);
	add_count(out, "Delivered:", counts[CAMPAIGN_DELIVERED], NULL);
	add_count(out, "Still to go:", view->left, NULL);
	add_count(out, "Failed:", campaign_bounced(view->counts), NULL);
	for (int i = 0; i < BOUNCE_CLASSES; i++) {
		enum bounce_class class = (enum bounce_class)i;

		add_count(out, bounce_class_word(class),
			  counts[CAMPAIGN_BOUNCED + i], class_meaning(class));
	}
	add_count(out, "Dead domains:", counts[CAMPAIGN_DEAD],
		  "the domain does not exist, or takes no mail");
	add_count(out, "Suppressed:", counts[CAMPAIGN_SUPPRESSED],
		  "left out: they bounced before, or want no mailings");
	add_count(out, "Duplicates:", counts[CAMPAIGN_DUPLICATE],
		  "had this message already");
	add_count(out, "Canceled:", counts[CAMPAIGN_PURGED], NULL);
	add_count(out, "Other:", counts[CAMPAIGN_OTHER],
		  "held, discarded or expired");
	add_count(out, "Complaints:", counts[CAMPAIGN_COMPLAINTS], NULL);
}

/* Who is not there any more. */
static uint64_t
gone_count(const struct campaign_view *view)
{
	return view->counts[CAMPAIGN_DEAD] +
	       view->counts[CAMPAIGN_BOUNCED + BOUNCE_MAILBOX] +
	       view->counts[CAMPAIGN_BOUNCED + BOUNCE_DOMAIN];
}

static void
add_advice(struct buf *out, const struct report_mail *mail)
{
	uint64_t failed = report_mail_failed(mail->view);
	char all[UNITS_GROUPED_SIZE], some[UNITS_GROUPED_SIZE];

	if (failed > REPORT_MAIL_ROWS)
		buf_printf(out,
			   "\r\nThe table that comes with this message names "
			   "the first %s of the %s\r\nrecipients that did not "
			   "get it, one in a line; the administrator has the "
			   "others.\r\n",
			   units_grouped(REPORT_MAIL_ROWS, some),
			   units_grouped(failed, all));
	else if (failed > 0)
		buf_add_str(out, "\r\nThe table that comes with this message "
				 "names the recipients that did not get\r\nit, "
				 "one in a line.\r\n");
	if (gone_count(mail->view) > 0)
		buf_add_str(out, "Please take those of the class bad-mailbox "
				 "or bad-domain out of your address\r\nbook: "
				 "mailings are not sent to them any more.\r\n");
	buf_printf(out,
		   "\r\nFor help, write to %s and give the number C%llu.\r\n",
		   mail->from, (unsigned long long)mail->view->id);
}

static void
add_text(struct buf *out, const struct report_mail *mail)
{
	const struct campaign_view *view = mail->view;
	char date[CLOCK_RFC5322_SIZE];

	clock_rfc5322(view->began_wall_s, date);
	buf_printf(out,
		   "This is the mail system at %s.\r\n\r\n"
		   "Your mailing of %s %s.\r\n\r\n",
		   mail->hostname, date, what_happened(view->state));
	buf_printf(out, "  Subject:  ");
	add_value(out, view->name);
	buf_printf(out, "\r\n  Campaign: C%llu\r\n",
		   (unsigned long long)view->id);
	if (view->reason[0] != '\0') {
		buf_add_str(out, "  Reason:   ");
		add_value(out, view->reason);
		buf_add_str(out, "\r\n");
	}
	buf_add_str(out, "\r\n");
	add_counts(out, view);
	if (view->state == CAMPAIGN_STOPPED)
		buf_add_str(out, "\r\nWhat is still to go waits: the "
				 "administrator can resume or cancel it.\r\n");
	add_advice(out, mail);
}

/* --- the mail -------------------------------------------------------------
 */

void
report_mail_encode(struct buf *out, struct buf *csv, bool last)
{
	size_t n = last ? csv->n : csv->n - csv->n % OWN_TEXT_LINE;

	own_text_base64(out, slice_head(buf_slice(csv), n));
	buf_drop(csv, n);
}

static void
add_header(struct buf *out, const struct report_mail *mail)
{
	const struct campaign_view *view = mail->view;
	char date[CLOCK_RFC5322_SIZE], id[ID_TEXT_SIZE];
	char delivered[UNITS_GROUPED_SIZE], all[UNITS_GROUPED_SIZE];

	clock_rfc5322(mail->now_wall_s, date);
	id_format(mail->own_id, id);
	buf_printf(out, "Date: %s\r\nFrom: Mail system <%s>\r\nTo: <", date,
		   mail->from);
	add_value(out, mail->to);
	buf_printf(
	    out,
	    ">\r\nSubject: Your mailing C%llu %s:\r\n"
	    " %s of %s delivered\r\nMessage-ID: <%s@%s>\r\n"
	    "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
	    "Content-Type: multipart/mixed;\r\n\tboundary=\"%s\"\r\n\r\n",
	    (unsigned long long)view->id, what_happened(view->state),
	    units_grouped(view->counts[CAMPAIGN_DELIVERED], delivered),
	    units_grouped(view->counts[CAMPAIGN_RECIPIENTS], all), id,
	    mail->hostname, mail->boundary);
}

void
report_mail_top(struct buf *out, const struct report_mail *mail)
{
	struct buf text;

	buf_init(&text, TEXT_MAX);
	add_text(&text, mail);
	add_header(out, mail);
	buf_printf(out, "--%s\r\n", mail->boundary);
	own_text_put(out, buf_slice(&text));
	buf_printf(out,
		   "\r\n--%s\r\nContent-Type: text/csv; charset=utf-8; "
		   "header=present;\r\n\tname=\"campaign-C%llu.csv\"\r\n"
		   "Content-Disposition: attachment;\r\n"
		   "\tfilename=\"campaign-C%llu.csv\"\r\n"
		   "Content-Transfer-Encoding: base64\r\n\r\n",
		   mail->boundary, (unsigned long long)mail->view->id,
		   (unsigned long long)mail->view->id);
	buf_fini(&text);
}

void
report_mail_end(struct buf *out, const struct report_mail *mail)
{
	buf_printf(out, "\r\n--%s--\r\n", mail->boundary);
}

/* --- the table ------------------------------------------------------------
 */

void
report_mail_table(struct buf *csv)
{
	campaign_table_head(csv);
}

void
report_mail_row(struct buf *csv, const struct campaign_failure *failure)
{
	campaign_table_row(csv, failure);
}
