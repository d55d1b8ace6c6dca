#ifndef GATEWAY_BACK_REPORT_MAIL_H
#define GATEWAY_BACK_REPORT_MAIL_H

#include "gateway/base/buf.h"
#include "gateway/campaign/campaign.h"

/*
 * The bytes of the one mail that a campaign's owner gets: what became of it in
 * words, and a table (CSV, RFC 4180) of the recipients that did not get it.
 * Written piece by piece, since the table may be long. Pure.
 */
#define REPORT_MAIL_ROWS 10000 /* more are not listed, and it says so */

struct report_mail {
	const char *hostname;
	const char *from; /* the postmaster's address */
	const char *to;
	const char *boundary; /* a peer must not be able to guess it */
	uint64_t own_id;
	int64_t now_wall_s;
	const struct campaign_view *view;
};

/* Header and words, up to where the table begins. Every line ends in CRLF, and
 * all is ASCII but for an address in To: that is not. */
void report_mail_top(struct buf *out, const struct report_mail *mail);
/* The table, not encoded yet: its head line, and one for each recipient. */
void report_mail_table(struct buf *csv);
void report_mail_row(struct buf *csv, const struct campaign_failure *failure);
/* Whole lines of base64 of what is in csv, which keeps the rest; all of it at
 * the last call. */
void report_mail_encode(struct buf *out, struct buf *csv, bool last);
void report_mail_end(struct buf *out, const struct report_mail *mail);

/* Recipients that did not get it, and are therefore in the table; who was
 * canceled is when the order was to bounce. */
uint64_t report_mail_failed(const struct campaign_view *view);

#endif
