#include "gateway/spool/message.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"

/* A message of one recipient fits, and malloc keeps such a piece at hand. */
#define FIRST_BYTES 992

struct spool_msg *
spool_msg_create(void)
{
	struct spool_msg *msg = mem_zalloc(sizeof(*msg));

	msg->arena = arena_create(FIRST_BYTES);
	return msg;
}

void
spool_msg_destroy(struct spool_msg **msg)
{
	struct spool_msg *m = *msg;

	*msg = NULL;
	if (m == NULL)
		return;
	arena_destroy(&m->arena);
	free(m->rcpts);
	free(m);
}

struct spool_rcpt *
spool_msg_add_rcpt(struct spool_msg *msg, struct slice address)
{
	struct spool_rcpt *rcpt;

	if (msg->rcpt_count == msg->rcpt_room) {
		msg->rcpt_room = msg->rcpt_room ? msg->rcpt_room * 2 : 1;
		msg->rcpts = mem_resize(msg->rcpts,
					msg->rcpt_room * sizeof(*msg->rcpts));
	}
	rcpt = &msg->rcpts[msg->rcpt_count];
	memset(rcpt, 0, sizeof(*rcpt));
	rcpt->index = msg->rcpt_count++;
	rcpt->address = arena_dup(msg->arena, address);
	return rcpt;
}
