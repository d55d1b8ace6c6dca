#ifndef GATEWAY_BACK_BODY_H
#define GATEWAY_BACK_BODY_H

#include "gateway/back/tokens.h"
#include "gateway/base/digest.h"
#include "gateway/spool/spool.h"

/*
 * The bytes that leave: our prefix, then the client's bytes as they are read
 * from the spool, with their digest computed on the way. The end is given only
 * when the digest is right. Scan tokens that are not the next hop's business
 * are left out, and nothing else. Reusable; one thread at a time.
 */
struct body {
	const struct spool_msg *msg; /* NULL: closed */
	struct spool_reader *reader;
	struct digest *digest;
	uint64_t prefix_at, body_at;
	struct tokens tokens; /* left out */
	int err; /* GW_ECORRUPT: altered. GW_EIO: the disk failed */
};

void body_init(struct body *body);
void body_fini(struct body *body);
/* msg is borrowed until body_close. GW_ECORRUPT: its segment is gone;
 * GW_ENOENT: the message is. */
int body_open(struct body *body, struct spool *spool,
	      const struct spool_msg *msg, enum back_tokens tokens);
/* How many bytes will come, altered or not. */
uint64_t body_bytes(const struct body *body);
void body_close(struct body *body);
/* For smtp_send_req.read: n > 0, 0 at the end, or body->err for ever. arg is
 * the struct body. */
int64_t body_read(void *arg, void *p, size_t n);

#endif
