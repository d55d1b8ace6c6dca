#ifndef GATEWAY_SMTP_CLIENT_RCPT_H
#define GATEWAY_SMTP_CLIENT_RCPT_H

#include "gateway/base/arena.h"
#include "gateway/base/buf.h"
#include "gateway/smtp/client.h"

/*
 * MAIL and RCPT as they are written to a next hop: parameters go only where
 * they are offered (caps), and nothing of an envelope can end a line or a
 * path. Internal to the client.
 */

/* False: it would not stay one path in a command line. */
bool client_address_ok(const char *address, bool utf8);

/* MAIL, the RCPTs, DATA. An address that cannot be written has its answer in
 * rcpts instead. Returns how many RCPTs there are. */
uint32_t client_envelope_add(struct buf *out, uint32_t caps,
			     const struct smtp_send_req *req,
			     struct smtp_reply *rcpts);

/* A copy of a refusal's text that lives as long as *texts, which is made when
 * NULL; before, when that is the same: most refusals of one message are. None
 * once they are over 1 MiB together. */
struct slice client_text_keep(struct arena **texts, struct slice before,
			      struct slice text);

#endif
