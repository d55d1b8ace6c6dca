#include "gateway/smtp/client_rcpt.h"

#include <string.h>

#include "gateway/base/error.h"
#include "gateway/smtp/param.h"

#define ADDRESS_MAX 1000 /* RFC 5321 has 254; servers' lines have 2,048 */
#define ENVID_MAX 100	 /* RFC 3461, 4.4 */
#define TEXTS_MAX (1u << 20)
#define ORCPT_MAX 500 /* RFC 3461, 4.2 */

bool
client_address_ok(const char *address, bool utf8)
{
	bool quoted = false, escaped = false;
	size_t n = strlen(address);

	if (n == 0 || n > ADDRESS_MAX)
		return false;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)address[i];

		if (c < ' ' || c == 0x7f || (c > 0x7f && !utf8))
			return false;
		if (escaped)
			escaped = false;
		else if (quoted && c == '\\')
			escaped = true;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == ' ' || c == '<' || c == '>'))
			return false;
	}
	return !quoted;
}

/* Printable, without a space: one parameter's value. */
static bool
value_ok(const char *value, size_t max)
{
	size_t n;

	if (value == NULL || value[0] == '\0')
		return false;
	for (n = 0; value[n] != '\0'; n++) {
		if (value[n] <= ' ' || value[n] > '~')
			return false;
	}
	return n <= max;
}

static void
add_u64(struct buf *out, uint64_t v)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	buf_add(out, digits + at, sizeof(digits) - at);
}

static void
mail_add(struct buf *out, uint32_t caps, const struct smtp_send_req *req)
{
	buf_add_str(out, "MAIL FROM:<");
	buf_add_str(out, req->mail_from);
	buf_add_byte(out, '>');
	if (req->size_bytes > 0 && (caps & CLIENT_CAP_SIZE)) {
		buf_add_str(out, " SIZE=");
		add_u64(out, req->size_bytes);
	}
	if (req->eightbit && (caps & CLIENT_CAP_8BITMIME))
		buf_add_str(out, " BODY=8BITMIME");
	if (req->utf8 && (caps & CLIENT_CAP_SMTPUTF8))
		buf_add_str(out, " SMTPUTF8");
	if (caps & CLIENT_CAP_DSN) {
		if (req->ret == SMTP_RET_FULL)
			buf_add_str(out, " RET=FULL");
		else if (req->ret == SMTP_RET_HDRS)
			buf_add_str(out, " RET=HDRS");
		if (value_ok(req->envid, ENVID_MAX)) {
			buf_add_str(out, " ENVID=");
			buf_add_str(out, req->envid);
		}
	}
	buf_add_str(out, "\r\n");
}

static void
add_notify(struct buf *out, uint8_t notify)
{
	static const struct {
		uint8_t bit;
		const char *word;
	} table[] = {
	    {SMTP_NOTIFY_SUCCESS, "SUCCESS"},
	    {SMTP_NOTIFY_FAILURE, "FAILURE"},
	    {SMTP_NOTIFY_DELAY, "DELAY"},
	};
	const char *before = " NOTIFY=";

	if (notify & SMTP_NOTIFY_NEVER) {
		buf_add_str(out, " NOTIFY=NEVER");
		return;
	}
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (!(notify & table[i].bit))
			continue;
		buf_add_str(out, before);
		buf_add_str(out, table[i].word);
		before = ",";
	}
}

static void
rcpt_add(struct buf *out, uint32_t caps, const struct smtp_send_rcpt *rcpt)
{
	buf_add_str(out, "RCPT TO:<");
	buf_add_str(out, rcpt->address);
	buf_add_byte(out, '>');
	if (caps & CLIENT_CAP_DSN) {
		add_notify(out, rcpt->notify);
		if (value_ok(rcpt->orcpt, ORCPT_MAX)) {
			buf_add_str(out, " ORCPT=");
			buf_add_str(out, rcpt->orcpt);
		}
	}
	buf_add_str(out, "\r\n");
}

uint32_t
client_envelope_add(struct buf *out, uint32_t caps,
		    const struct smtp_send_req *req, struct smtp_reply *rcpts)
{
	uint32_t count = 0;

	mail_add(out, caps, req);
	for (uint32_t i = 0; i < req->rcpt_count; i++) {
		if (client_address_ok(req->rcpts[i].address, req->utf8)) {
			rcpt_add(out, caps, &req->rcpts[i]);
			count++;
			continue;
		}
		rcpts[i] = (struct smtp_reply){
		    .err = GW_EINVAL,
		    .text = SLICE_LIT("RCPT: this address cannot be sent"),
		};
	}
	buf_add_str(out, "DATA\r\n");
	return count;
}

struct slice
client_text_keep(struct arena **texts, struct slice before, struct slice text)
{
	if (before.p != NULL && slice_eq(before, text))
		return before;
	if (*texts == NULL)
		*texts = arena_create(REPLY_TEXT_MAX);
	if (arena_bytes(*texts) > TEXTS_MAX)
		return SLICE_NONE;
	return slice_str(arena_dup(*texts, text));
}
