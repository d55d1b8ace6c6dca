/*
 * The report of what could not be scanned and whose class wants no such thing
 * sent: by the usual rules of reports, with the header alone. What nobody could
 * look into does not come back either.
 */
#include <stdlib.h>

#include "gateway/back/delivery.h"
#include "gateway/back/exam.h"
#include "gateway/base/clock.h"
#include "gateway/base/id.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"

static const char *
why_text(enum scan_why why)
{
	switch (why) {
	case SCAN_WHY_ENCRYPTED:
		return "it is encrypted";
	case SCAN_WHY_TOO_BIG:
		return "it is too large";
	case SCAN_WHY_CONTAINER:
		return "it holds too much";
	case SCAN_WHY_POLICY:
		return "files of this kind are not allowed";
	case SCAN_WHY_PARTIAL:
		return "it is a part of a divided message";
	case SCAN_WHY_EXTERNAL:
		return "its content is elsewhere";
	case SCAN_WHY_STRUCTURE:
		return "its structure is too complex";
	case SCAN_WHY_NONE:
	case SCAN_WHY_DOWN:
	case SCAN_WHY_TIMEOUT:
	case SCAN_WHY_PROTOCOL:
	case SCAN_WHY_SERVER:
	case SCAN_WHY_CANCELED:
	case SCAN_WHY_READ:
		break;
	}
	return "the scanner cannot look into it";
}

static void
log_bounces(const struct exam *exam, const char *text)
{
	const struct spool_msg *msg = exam->whole;
	char id[ID_TEXT_SIZE];

	id_format(exam->id, id);
	for (uint32_t i = 0; i < msg->rcpt_count; i++)
		log_event(GW_LOG_INFO, "bounced", LF_STR("msg", id),
			  LF_STR("session", msg->session),
			  LF_STR("cred", msg->cred),
			  LF_IP("client", &msg->client),
			  LF_STR("from", msg->mail_from),
			  LF_STR("to", msg->rcpts[i].address),
			  LF_STR("enhanced", "5.7.0"), LF_STR("reply", text));
}

void
exam_add_report(struct exam *exam)
{
	struct spool_msg *msg = exam->whole;
	struct delivery delivery = {
	    .relay = exam->relay, .msg = msg, .count = msg->rcpt_count};
	struct delivery_peer peer = {.host = NULL};
	struct notice_part part = {.delivery = &delivery};
	struct notice notice = {.parts = &part,
				.part_count = 1,
				.peer = &peer,
				.now_wall_ms = clock_wall_ms()};
	struct outcome *outcome = outcome_create(exam->relay, exam->id, 0);
	struct result *results = mem_array(msg->rcpt_count, sizeof(*results));
	const char *name = exam->part < exam->found->count
			       ? exam->found->parts[exam->part].name
			       : "";
	struct buf text;

	buf_init(&text, 1024);
	buf_printf(&text, "%s%s%s cannot be checked for viruses: %s; not sent",
		   name[0] ? "attachment \"" : "the message", name,
		   name[0] ? "\"" : "", why_text(exam->verdict.why));
	msg->ret = RET_HDRS;
	delivery.rcpts = mem_array(msg->rcpt_count, sizeof(*delivery.rcpts));
	part.results = results;
	for (uint32_t i = 0; i < msg->rcpt_count; i++) {
		delivery.rcpts[i] = &msg->rcpts[i];
		result_set(&results[i], FATE_BOUNCED, "5.7.0", buf_cstr(&text));
	}
	log_bounces(exam, buf_cstr(&text));
	notify_add(outcome, &notice);
	outcome_take_dsn(&outcome, &exam->op.dsn, &exam->op.dsn_body);
	exam->notice_id = exam->op.dsn ? exam->op.dsn->id : 0;
	free(delivery.rcpts);
	free(results);
	buf_fini(&text);
}
