#ifndef GATEWAY_SMTP_HEADER_H
#define GATEWAY_SMTP_HEADER_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/buf.h"

/*
 * Looks at the header block of a message as it streams by (RFC 5322, 6409 8):
 * what is missing, what stands twice, how many Received lines. It changes
 * nothing. Feed the bytes that smtp_server_ops.body gives.
 */
enum header_verdict {
	HEADER_FINE,
	HEADER_TOO_BIG,	 /* the block is over HEADER_BLOCK_MAX */
	HEADER_REPEATED, /* From, Sender, Date, Message-ID or To twice... */
	HEADER_LOOP,	 /* more than HEADER_RECEIVED_MAX Received lines */
};

#define HEADER_BLOCK_MAX 102400
#define HEADER_RECEIVED_MAX 50

struct header_scan;

struct header_scan *header_scan_create(void);
void header_scan_destroy(struct header_scan **scan);
/* Before the first byte: one field more is looked for, however often it may
 * stand. name: static. */
void header_scan_watch(struct header_scan *scan, const char *name);
void header_scan_add(struct header_scan *scan, struct slice bytes);
void header_scan_end(struct header_scan *scan); /* the message ended */

enum header_verdict header_scan_verdict(const struct header_scan *scan);
/* The name of the repeated field, for the reply. */
const char *header_scan_what(const struct header_scan *scan);
bool header_scan_done(const struct header_scan *scan); /* empty line seen */
bool header_has_date(const struct header_scan *scan);
bool header_has_message_id(const struct header_scan *scan);
bool header_has_from(const struct header_scan *scan);
/* The first line is no header field: an empty line must stand between what
 * we add and it. */
bool header_is_headerless(const struct header_scan *scan);
/* Unfolded value of Message-ID and Subject (capped at 998), From and Sender
 * (whole); none when missing. Borrowed for the life of the scan. */
struct slice header_message_id(const struct header_scan *scan);
struct slice header_from(const struct header_scan *scan);
struct slice header_sender(const struct header_scan *scan);
struct slice header_subject(const struct header_scan *scan);
/* How often the watched field stands there; the first one's unfolded value,
 * capped at 998. */
unsigned header_watched(const struct header_scan *scan, struct slice *value);
bool header_eightbit_seen(const struct header_scan *scan); /* in the block */

#endif
