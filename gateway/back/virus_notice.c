/*
 * Names of files, threats, subjects and addresses are a peer's: each is
 * escaped to one line and cut before it gets in. What is not ASCII makes the
 * text base64, so that every hop takes the notice.
 */
#include "gateway/back/virus_notice.h"

#include <string.h>

#include "gateway/back/own_text.h"
#include "gateway/base/clock.h"
#include "gateway/base/escape.h"
#include "gateway/base/id.h"

#define VALUE_MAX 300
#define RCPTS_SHOWN 20
#define TEXT_MAX 65536

static void
add_value(struct buf *out, const char *s)
{
	escape_text(out, slice_head(slice_str(s), VALUE_MAX));
}

static void
add_field(struct buf *out, const char *label, const char *value)
{
	if (!value || value[0] == '\0')
		return;
	buf_printf(out, "  %s ", label);
	add_value(out, value);
	buf_add_str(out, "\r\n");
}

static const char *
what_happened(const struct virus_notice *notice)
{
	if (notice->clean_id != 0)
		return "was sent without its infected attachment";
	if (notice->kept_s > 0)
		return "was not sent: it was put into quarantine";
	return "was not sent: it was deleted";
}

static void
add_found(struct buf *out, const struct virus_notice *notice)
{
	for (size_t i = 0; i < notice->found_count; i++) {
		const struct virus_found *found = &notice->found[i];

		add_field(out, "Attachment:", found->name);
		add_field(out, "Virus:     ",
			  found->threat[0] ? found->threat : "(no name given)");
	}
}

static void
add_rcpts(struct buf *out, const struct spool_msg *about)
{
	uint32_t n = about->rcpt_count;

	for (uint32_t i = 0; i < n && i < RCPTS_SHOWN; i++)
		add_field(out, "To:        ", about->rcpts[i].address);
	if (n > RCPTS_SHOWN)
		buf_printf(out, "  To:         and %u more\r\n",
			   n - RCPTS_SHOWN);
}

static void
add_text(struct buf *out, const struct virus_notice *notice)
{
	char date[CLOCK_RFC5322_SIZE], id[ID_TEXT_SIZE];

	clock_rfc5322(notice->arrival_wall_s, date);
	id_format(notice->about_id, id);
	buf_printf(out,
		   "This is the mail system at %s.\r\n\r\n"
		   "Your message of %s\r\n(reference %s) %s.\r\n\r\n",
		   notice->hostname, date, id, what_happened(notice));
	add_found(out, notice);
	add_field(out, "From:      ", notice->about->mail_from);
	add_rcpts(out, notice->about);
	add_field(out, "Subject:   ", notice->subject);
	add_field(out, "Message-ID:", notice->message_id);
	add_field(out, "Login:     ", notice->about->cred);
	buf_add_str(out, "\r\n");
	if (notice->kept_s > 0)
		buf_printf(out,
			   "The original is kept for %lld days. If you think "
			   "that this is a mistake, write\r\nto %s and give "
			   "the reference.\r\n",
			   (long long)(notice->kept_s / 86400), notice->from);
	else
		buf_printf(out,
			   "For help, write to %s and give the reference.\r\n",
			   notice->from);
	buf_add_str(out, "If you did not send this message, your computer may "
			 "be infected, or somebody\r\nelse knows your "
			 "password.\r\n");
}

static void
add_top(struct buf *out, const struct virus_notice *notice)
{
	char date[CLOCK_RFC5322_SIZE], id[ID_TEXT_SIZE];

	clock_rfc5322(notice->now_wall_s, date);
	id_format(notice->own_id, id);
	buf_printf(out, "Date: %s\r\nFrom: Virus check <%s>\r\nTo: <", date,
		   notice->from);
	add_value(out, notice->to);
	buf_printf(out,
		   ">\r\nSubject: Virus found in your message%s\r\n"
		   "Message-ID: <%s@%s>\r\n"
		   "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n",
		   notice->clean_id != 0 ? "" : ", not sent", id,
		   notice->hostname);
}

void
virus_notice_build(struct buf *out, const struct virus_notice *notice)
{
	struct buf text;

	buf_init(&text, TEXT_MAX);
	add_text(&text, notice);
	add_top(out, notice);
	own_text_put(out, buf_slice(&text));
	buf_fini(&text);
}
