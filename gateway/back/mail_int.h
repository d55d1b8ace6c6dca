#ifndef GATEWAY_BACK_MAIL_INT_H
#define GATEWAY_BACK_MAIL_INT_H

#include "gateway/back/relay.h"
#include "gateway/base/id.h"

/* What mail.c and enqueue.c share; nobody else includes it. */

static inline int64_t
mail_age_s(uint64_t id)
{
	return id_wall_ms(id) / 1000;
}

/* Takes *msg. */
struct mail *mail_create(struct relay *relay, struct spool_msg **msg,
			 bool loaded);
void mail_destroy(struct relay *relay, struct mail *mail); /* no job has it */
/* A job of the message to be filled; it counts as a job of dest. */
struct job *mail_new_job(struct relay *relay, const struct spool_msg *msg,
			 uint64_t body, struct dest *dest);

#endif
