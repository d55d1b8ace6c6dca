#ifndef GATEWAY_SMTP_CLIENT_RCPT_H
#define GATEWAY_SMTP_CLIENT_RCPT_H

#include "gateway/base/buf.h"
#include "gateway/smtp/client.h"

/*
 * MAIL and RCPT as they are written to a next hop: parameters go only where
 * they are offered (caps), and nothing of an envelope can end a line or a
 * path. Internal to the client.
 */

/* False: it would not stay one path in a command line. */
bool client_address_ok(const char *address, bool utf8);

void client_mail_add(struct buf *out, uint32_t caps,
		     const struct smtp_send_req *req);
void client_rcpt_add(struct buf *out, uint32_t caps,
		     const struct smtp_send_rcpt *rcpt);

#endif
