/*
 * Builds the report. Whatever a peer or a client said (addresses, ORCPT,
 * ENVID, replies) is escaped to one line before it gets in, so that nobody can
 * add fields to a report; the original's own bytes come last and unchanged,
 * but for 8-bit bytes in a header block of mail that was not SMTPUTF8: they
 * have no meaning there and would make the report undeliverable to a 7-bit
 * hop.
 *
 * Deliberately absent: other languages, and a report without recipients.
 */
#include "gateway/back/dsn.h"

#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/encode.h"
#include "gateway/base/escape.h"
#include "gateway/base/id.h"

#define LINE_WIDTH 76
#define VALUE_MAX 512 /* of one escaped value */

static const char *const action_words[] = {"failed", "delayed", "relayed",
					   "delivered"};

bool
dsn_wanted(uint8_t notify, enum dsn_action action)
{
	if (notify & NOTIFY_NEVER)
		return false;
	switch (action) {
	case DSN_FAILED:
		return notify == 0 || (notify & NOTIFY_FAILURE) != 0;
	case DSN_DELAYED:
		return notify == 0 || (notify & NOTIFY_DELAY) != 0;
	case DSN_RELAYED:
	case DSN_DELIVERED:
		return (notify & NOTIFY_SUCCESS) != 0;
	}
	return false;
}

const char *
dsn_recipient(const struct spool_msg *msg, bool sender_is_ours)
{
	if (msg->mail_from[0] == '\0' || msg->flags & MSG_GENERATED)
		return NULL;
	return sender_is_ours ? msg->mail_from : msg->owner;
}

struct slice
dsn_header_block(struct slice message)
{
	const char *end;

	if (message.n >= 2 && memcmp(message.p, "\r\n", 2) == 0)
		return slice_head(message, 0);
	end = memmem(message.p, message.n, "\r\n\r\n", 4);
	if (!end)
		return message;
	return slice_head(message, (size_t)(end - message.p) + 2);
}

static bool
has_eightbit(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		if ((unsigned char)s.p[i] >= 0x80)
			return true;
	}
	return false;
}

/* One line of a value, whatever it held. */
static void
add_value(struct buf *out, const struct dsn *dsn, struct slice s)
{
	s = slice_head(s, VALUE_MAX);
	if (dsn->utf8)
		escape_text(out, s);
	else
		escape_reply(out, s);
}

/* The same, folded at spaces; column is where the line stands. */
static void
add_folded(struct buf *out, const struct dsn *dsn, size_t column,
	   struct slice s)
{
	struct buf line;
	struct slice rest, word;

	buf_init(&line, 4 * VALUE_MAX);
	add_value(&line, dsn, s);
	rest = buf_slice(&line);
	for (bool first = true; slice_split(&rest, ' ', &word);) {
		if (word.n == 0)
			continue;
		if (!first && column + 1 + word.n > LINE_WIDTH) {
			buf_add_str(out, "\r\n   ");
			column = 3;
		}
		if (!first) {
			buf_add_byte(out, ' ');
			column++;
		}
		buf_add_slice(out, word);
		column += word.n;
		first = false;
	}
	buf_add_str(out, "\r\n");
	buf_fini(&line);
}

static void
add_xtext(struct buf *out, const struct dsn *dsn, struct slice xtext)
{
	struct buf text;

	buf_init(&text, 4096);
	if (xtext_decode(&text, xtext) != 0) {
		buf_clear(&text);
		buf_add_slice(&text, xtext);
	}
	add_value(out, dsn, buf_slice(&text));
	buf_fini(&text);
}

static bool
dsn_has(const struct dsn *dsn, enum dsn_action action)
{
	for (size_t i = 0; i < dsn->rcpt_count; i++) {
		if (dsn->rcpts[i].action == action)
			return true;
	}
	return false;
}

static const char *
dsn_subject(const struct dsn *dsn)
{
	if (dsn_has(dsn, DSN_FAILED))
		return "Undelivered mail returned to sender";
	if (dsn_has(dsn, DSN_DELAYED))
		return "Delayed mail (still being retried)";
	return "Successful mail delivery report";
}

static void
add_top(struct buf *out, const struct dsn *dsn, bool eightbit)
{
	char date[CLOCK_RFC5322_SIZE], id[ID_TEXT_SIZE];

	clock_rfc5322(dsn->now_wall_s, date);
	id_format(dsn->own_id, id);
	buf_printf(out, "Date: %s\r\nFrom: Mail Delivery System <%s>\r\nTo: <",
		   date, dsn->from);
	add_value(out, dsn, slice_str(dsn->to));
	buf_printf(out,
		   ">\r\nSubject: %s\r\nMessage-ID: <%s@%s>\r\n"
		   "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
		   "Content-Type: multipart/report; report-type=%s;\r\n"
		   "\tboundary=\"%s\"\r\n",
		   dsn_subject(dsn), id, dsn->hostname,
		   dsn->utf8 ? "global-delivery-status" : "delivery-status",
		   dsn->boundary);
	if (eightbit)
		buf_add_str(out, "Content-Transfer-Encoding: 8bit\r\n");
	buf_add_str(out, "\r\n");
}

static void
add_part(struct buf *out, const struct dsn *dsn, const char *type,
	 bool eightbit)
{
	buf_printf(out, "--%s\r\nContent-Type: %s\r\n", dsn->boundary, type);
	if (eightbit)
		buf_add_str(out, "Content-Transfer-Encoding: 8bit\r\n");
	buf_add_str(out, "\r\n");
}

static const char *
action_sentence(enum dsn_action action)
{
	switch (action) {
	case DSN_FAILED:
		return "Your message could not be delivered to:";
	case DSN_DELAYED:
		return "Your message has not been delivered yet. You need not "
		       "send it again;\r\ndelivery goes on being tried. It is "
		       "waiting for:";
	case DSN_RELAYED:
		return "Your message was handed to a system that does not "
		       "report further, for:";
	case DSN_DELIVERED:
		return "Your message was delivered to:";
	}
	return "";
}

static void
add_human_group(struct buf *out, const struct dsn *dsn, enum dsn_action action)
{
	if (!dsn_has(dsn, action))
		return;
	buf_printf(out, "%s\r\n\r\n", action_sentence(action));
	for (size_t i = 0; i < dsn->rcpt_count; i++) {
		const struct dsn_rcpt *rcpt = &dsn->rcpts[i];

		if (rcpt->action != action)
			continue;
		buf_add_str(out, "  <");
		add_value(out, dsn, slice_str(rcpt->address));
		buf_add_str(out, ">\r\n");
		if (rcpt->diagnostic.n == 0)
			continue;
		buf_add_str(out, "    ");
		if (rcpt->from_remote && rcpt->remote_mta) {
			add_value(out, dsn, slice_str(rcpt->remote_mta));
			buf_add_str(out, " said:\r\n    ");
		}
		add_folded(out, dsn, 4, rcpt->diagnostic);
	}
	buf_add_str(out, "\r\n");
}

static void
add_human(struct buf *out, const struct dsn *dsn, bool eightbit)
{
	char date[CLOCK_RFC5322_SIZE], id[ID_TEXT_SIZE];

	add_part(out, dsn,
		 dsn->utf8 ? "text/plain; charset=utf-8"
			   : "text/plain; charset=us-ascii",
		 eightbit);
	clock_rfc5322(dsn->arrival_wall_s, date);
	id_format(dsn->about_id, id);
	buf_printf(out,
		   "This is the mail system at %s.\r\n\r\nIt is about your "
		   "message of %s\r\n(reference %s).\r\n\r\n",
		   dsn->hostname, date, id);
	for (int action = DSN_FAILED; action <= DSN_DELIVERED; action++)
		add_human_group(out, dsn, (enum dsn_action)action);
	buf_printf(out, "For help, write to %s and give the reference.\r\n",
		   dsn->from);
}

static const char *
address_type(const struct dsn *dsn, const char *address)
{
	return dsn->utf8 && has_eightbit(slice_str(address)) ? "utf-8"
							     : "rfc822";
}

static void
add_orcpt(struct buf *out, const struct dsn *dsn, const char *orcpt)
{
	struct slice rest = slice_str(orcpt), type;

	if (rest.n == 0 || !slice_split(&rest, ';', &type))
		return;
	buf_add_str(out, "Original-Recipient: ");
	add_value(out, dsn, type);
	buf_add_str(out, "; ");
	add_xtext(out, dsn, rest);
	buf_add_str(out, "\r\n");
}

static void
add_status_rcpt(struct buf *out, const struct dsn *dsn,
		const struct dsn_rcpt *rcpt)
{
	char date[CLOCK_RFC5322_SIZE];

	buf_add_str(out, "\r\n");
	add_orcpt(out, dsn, rcpt->orcpt);
	buf_printf(out, "Final-Recipient: %s; ",
		   address_type(dsn, rcpt->address));
	add_value(out, dsn, slice_str(rcpt->address));
	buf_printf(out, "\r\nAction: %s\r\nStatus: %u.%u.%u\r\n",
		   action_words[rcpt->action], rcpt->status[0], rcpt->status[1],
		   rcpt->status[2]);
	if (rcpt->remote_mta) {
		buf_add_str(out, "Remote-MTA: dns; ");
		add_value(out, dsn, slice_str(rcpt->remote_mta));
		buf_add_str(out, "\r\n");
	}
	if (rcpt->diagnostic.n > 0) {
		const char *type = rcpt->from_remote ? "smtp" : "x-sluice";

		buf_printf(out, "Diagnostic-Code: %s; ", type);
		add_folded(out, dsn, 19 + strlen(type), rcpt->diagnostic);
	}
	clock_rfc5322(dsn->now_wall_s, date);
	buf_printf(out, "Last-Attempt-Date: %s\r\n", date);
	if (rcpt->action == DSN_DELAYED && dsn->retry_until_wall_s != 0) {
		clock_rfc5322(dsn->retry_until_wall_s, date);
		buf_printf(out, "Will-Retry-Until: %s\r\n", date);
	}
}

static void
add_status(struct buf *out, const struct dsn *dsn, bool eightbit)
{
	char date[CLOCK_RFC5322_SIZE];

	add_part(out, dsn,
		 dsn->utf8 ? "message/global-delivery-status"
			   : "message/delivery-status",
		 eightbit);
	if (dsn->envid) {
		buf_add_str(out, "Original-Envelope-Id: ");
		add_xtext(out, dsn, slice_str(dsn->envid));
		buf_add_str(out, "\r\n");
	}
	clock_rfc5322(dsn->arrival_wall_s, date);
	buf_printf(out, "Reporting-MTA: dns; %s\r\nArrival-Date: %s\r\n",
		   dsn->hostname, date);
	for (size_t i = 0; i < dsn->rcpt_count; i++)
		add_status_rcpt(out, dsn, &dsn->rcpts[i]);
}

static void
add_original(struct buf *out, const struct dsn *dsn)
{
	struct slice s = dsn->original;
	bool keep = dsn->whole || dsn->utf8;
	const char *type;

	if (dsn->utf8)
		type = dsn->whole ? "message/global" : "message/global-headers";
	else
		type = dsn->whole ? "message/rfc822" : "text/rfc822-headers";
	add_part(out, dsn, type, keep && has_eightbit(s));
	if (keep) {
		buf_add_slice(out, s);
	} else {
		for (size_t i = 0; i < s.n; i++) {
			bool high = (unsigned char)s.p[i] >= 0x80;

			buf_add_byte(out, high ? '?' : s.p[i]);
		}
	}
	if (s.n < 2 || memcmp(s.p + s.n - 2, "\r\n", 2) != 0)
		buf_add_str(out, "\r\n");
}

/* Whether a part that we write, not the original, needs 8 bits. */
static bool
words_eightbit(const struct dsn *dsn)
{
	if (!dsn->utf8)
		return false;
	for (size_t i = 0; i < dsn->rcpt_count; i++) {
		const struct dsn_rcpt *rcpt = &dsn->rcpts[i];

		if (has_eightbit(slice_str(rcpt->address)) ||
		    has_eightbit(slice_str(rcpt->orcpt)) ||
		    has_eightbit(rcpt->diagnostic))
			return true;
	}
	return has_eightbit(slice_str(dsn->to));
}

bool
dsn_build(struct buf *out, const struct dsn *dsn)
{
	bool words = words_eightbit(dsn);
	bool eightbit =
	    words || ((dsn->whole || dsn->utf8) && has_eightbit(dsn->original));

	add_top(out, dsn, eightbit);
	add_human(out, dsn, words);
	buf_add_str(out, "\r\n");
	add_status(out, dsn, words);
	buf_add_str(out, "\r\n");
	add_original(out, dsn);
	buf_printf(out, "\r\n--%s--\r\n", dsn->boundary);
	return eightbit;
}
