#include "gateway/front/trace.h"

#include <ctype.h>
#include <string.h>

#include "gateway/base/clock.h"

#define HELO_MAX 255

/* A client may say anything in EHLO; a header comment or a line break it wrote
 * must not become ours. */
static void
helo_add(struct buf *out, const char *helo)
{
	size_t n;

	if (*helo == '\0')
		helo = "unknown";
	for (n = 0; n < HELO_MAX && helo[n] != '\0'; n++) {
		unsigned char c = (unsigned char)helo[n];

		if (isalnum(c) || strchr(".-_:[]", c) != NULL)
			buf_add_byte(out, (char)c);
		else
			buf_add_byte(out, '?');
	}
}

/* RFC 3848, RFC 6531 4.3 */
static void
protocol_add(struct buf *out, const struct trace *trace)
{
	if (!trace->extended) {
		buf_add_str(out, "SMTP");
		return;
	}
	buf_add_str(out, trace->utf8 ? "UTF8SMTP" : "ESMTP");
	if (trace->tls_version != NULL)
		buf_add_byte(out, 'S');
	if (trace->authenticated)
		buf_add_byte(out, 'A');
}

void
trace_write(const struct trace *trace, struct buf *out)
{
	char ip[IP_TEXT_SIZE], date[CLOCK_RFC5322_SIZE];

	ip_format(trace->client, ip);
	clock_rfc5322(trace->now_wall_s, date);
	buf_add_str(out, "Received: from ");
	helo_add(out, trace->helo);
	buf_add_str(out, ip_is_v4(trace->client) ? " ([" : " ([IPv6:");
	buf_add_str(out, ip);
	buf_add_str(out, "])\r\n");
	if (trace->tls_version != NULL) {
		buf_add_str(out, "\t(using ");
		buf_add_str(out, trace->tls_version);
		buf_add_str(out, " with cipher ");
		buf_add_str(out, trace->tls_cipher);
		buf_add_str(out, ")\r\n");
	}
	buf_add_str(out, "\tby ");
	buf_add_str(out, trace->hostname);
	buf_add_str(out, " with ");
	protocol_add(out, trace);
	buf_add_str(out, " id ");
	buf_add_str(out, trace->id);
	buf_add_str(out, ";\r\n\t");
	buf_add_str(out, date);
	buf_add_str(out, "\r\n");
	if (trace->add_date)
		buf_printf(out, "Date: %s\r\n", date);
	if (trace->add_message_id)
		buf_printf(out, "Message-ID: <%s@%s>\r\n", trace->id,
			   trace->hostname);
	if (trace->scan_token != NULL)
		buf_add_str(out, trace->scan_token);
	if (trace->headerless)
		buf_add_str(out, "\r\n");
}
