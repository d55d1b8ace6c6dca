#include <ctype.h>
#include <string.h>

#include "gateway/base/encode.h"
#include "gateway/smtp/client_int.h"

#define HELO_MAX 255

static void
on_auth_line(struct smtp_client *c, struct slice rest)
{
	struct slice word;

	while (slice_split(&rest, ' ', &word)) {
		if (slice_ieq(word, SLICE_LIT("PLAIN")))
			c->caps |= CLIENT_CAP_AUTH_PLAIN;
	}
}

void
client_ehlo_keyword(struct smtp_client *c, struct slice line)
{
	static const struct {
		const char *keyword;
		uint32_t cap;
	} table[] = {
	    {"PIPELINING", CLIENT_CAP_PIPELINING},
	    {"8BITMIME", CLIENT_CAP_8BITMIME},
	    {"SMTPUTF8", CLIENT_CAP_SMTPUTF8},
	    {"SIZE", CLIENT_CAP_SIZE},
	    {"DSN", CLIENT_CAP_DSN},
	    {"STARTTLS", CLIENT_CAP_STARTTLS},
	    {"ENHANCEDSTATUSCODES", CLIENT_CAP_ENHANCED},
	};
	struct slice rest = slice_trim(line), word;
	uint64_t size;

	/* "AUTH=PLAIN" is what servers said before RFC 2554 */
	if (slice_istarts(rest, SLICE_LIT("AUTH=")))
		on_auth_line(c, slice_from(rest, 5));
	if (!slice_split(&rest, ' ', &word))
		return;
	if (slice_ieq(word, SLICE_LIT("AUTH")))
		on_auth_line(c, rest);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (slice_ieq(word, slice_str(table[i].keyword)))
			c->caps |= table[i].cap;
	}
	if (slice_ieq(word, SLICE_LIT("SIZE")) &&
	    slice_u64(slice_trim(rest), &size))
		c->size_max = size;
}

bool
client_helo_ok(const char *helo)
{
	for (size_t i = 0; helo[i] != '\0'; i++) {
		if (!isgraph((unsigned char)helo[i]))
			return false;
	}
	return helo[0] != '\0' && strlen(helo) <= HELO_MAX;
}

bool
client_auth_encode(struct buf *out, const char *user, const char *password)
{
	struct buf plain = {.cap = CLIENT_AUTH_MAX / 2};
	bool ok;

	buf_init(out, CLIENT_AUTH_MAX);
	if (user == NULL)
		return true;
	buf_add_byte(&plain, '\0');
	buf_add_str(&plain, user);
	buf_add_byte(&plain, '\0');
	buf_add_str(&plain, password != NULL ? password : "");
	base64_encode(out, buf_slice(&plain));
	ok = !plain.overflow && !out->overflow;
	buf_wipe(&plain);
	return ok;
}
