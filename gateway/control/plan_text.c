#include "gateway/control/plan_text.h"

#include <inttypes.h>

#include "gateway/base/clock.h"
#include "gateway/base/id.h"
#include "gateway/control/control_int.h"
#include "gateway/control/text.h"

/* The envelope and one recipient: of 50,000 the others are not read. NULL: it
 * has gone, or cannot be read. */
static struct spool_msg *
load(struct call *call, uint64_t id)
{
	static const uint32_t first;
	struct spool_msg *msg = NULL;

	if (spool_load_some(call->control->spool, id, &first, 1, &msg) != 0)
		spool_msg_destroy(&msg);
	return msg;
}

static void
sample_text(struct call *call, uint64_t id, int64_t now_s, size_t width)
{
	struct spool_msg *msg = load(call, id);
	struct buf *out = &call->out;
	char text[ID_TEXT_SIZE], at[CLOCK_HUMAN_SIZE];

	id_format(id, text);
	buf_printf(out, "  %s ", text);
	if (msg == NULL) {
		buf_add_str(out, "has gone\n");
		return;
	}
	clock_human(msg->accepted_wall_ms / 1000, now_s, at);
	buf_printf(out, "%s ", at);
	text_cell(out, slice_str(msg->cred[0] != '\0' ? msg->cred : "-"), 20);
	buf_add_byte(out, ' ');
	text_last(out, slice_str(msg->mail_from[0] ? msg->mail_from : "<>"),
		  width == 0 ? 0 : width - 54);
	buf_add_byte(out, '\n');
	if (msg->rcpt_count > 0) {
		buf_add_str(out, "                to ");
		text_last(out, slice_str(msg->rcpts[0].address),
			  width == 0 ? 0 : width - 19);
		buf_add_byte(out, '\n');
	}
	spool_msg_destroy(&msg);
}

void
amounts_text(struct buf *out, const struct back_work *work)
{
	text_times(out, work->messages, "message");
	buf_add_str(out, ", ");
	text_times(out, work->recipients, "recipient");
}

void
plan_text(struct call *call, const struct selection *what,
	  const struct back_work *count)
{
	struct buf *out = &call->out;
	int64_t now_s = clock_wall_s();

	selection_text(what, now_s, out);
	buf_add_str(out, ":\n  ");
	amounts_text(out, count);
	buf_add_str(out, " in the queue");
	if (count->held > 0) {
		buf_add_str(out, ", ");
		text_count(out, count->held);
		buf_add_str(out, " held already");
	}
	if (count->busy > 0) {
		buf_add_str(out, ", ");
		text_count(out, count->busy);
		buf_add_str(out, " being delivered");
	}
	buf_add_byte(out, '\n');
	for (size_t i = 0; i < count->sample_count; i++)
		sample_text(call, count->sample[i], now_s, call_width(call));
	if (count->messages > count->sample_count && count->sample_count > 0)
		buf_add_str(out, "  ...\n");
}

static void
sample_json(struct call *call, struct json *j, uint64_t id)
{
	struct spool_msg *msg = load(call, id);
	char text[ID_TEXT_SIZE], ip[IP_TEXT_SIZE];

	id_format(id, text);
	json_open_object(j, NULL);
	json_str(j, "id", text);
	if (msg != NULL) {
		ip_format(&msg->client, ip);
		json_time(j, "accepted", msg->accepted_wall_ms / 1000);
		json_str(j, "cred", msg->cred);
		json_str(j, "client", msg->cred[0] != '\0' ? ip : NULL);
		json_str(j, "from", msg->mail_from);
		json_str(j, "recipient",
			 msg->rcpt_count > 0 ? msg->rcpts[0].address : NULL);
		json_u64(j, "bytes", msg->prefix.n + msg->body.length);
	}
	json_close_object(j);
	spool_msg_destroy(&msg);
}

void
plan_json(struct call *call, struct json *j, const struct back_work *count)
{
	json_open_object(j, "matched");
	json_u64(j, "messages", count->messages);
	json_u64(j, "recipients", count->recipients);
	json_u64(j, "held", count->held);
	json_u64(j, "under_way", count->busy);
	json_close_object(j);
	json_open_array(j, "sample");
	for (size_t i = 0; i < count->sample_count; i++)
		sample_json(call, j, count->sample[i]);
	json_close_array(j);
}
