#include "gateway/control/protocol.h"

#include <string.h>

#include "gateway/base/error.h"

enum { FLAG_JSON = 1, FLAG_TTY = 2, FLAG_SECRET = 4, FLAG_INPUT = 8 };

static bool
is_type(uint8_t type)
{
	return type == FRAME_REQUEST || type == FRAME_SECRET ||
	       type == FRAME_INPUT || type == FRAME_STDOUT ||
	       type == FRAME_STDERR || type == FRAME_EXIT;
}

int
frame_get(struct slice in, struct frame *frame, size_t *used)
{
	struct reader r;
	uint8_t type;
	uint32_t n;

	if (in.n > 0 && !is_type((uint8_t)in.p[0]))
		return GW_EPROTO;
	reader_init(&r, in);
	type = reader_u8(&r);
	n = reader_u32(&r);
	if (!r.ok)
		return 0;
	if (n > FRAME_MAX - FRAME_HEADER_SIZE)
		return GW_EPROTO;
	if (r.rest.n < n)
		return 0;
	frame->type = (enum frame_type)type;
	frame->body = slice_head(r.rest, n);
	*used = FRAME_HEADER_SIZE + n;
	return 1;
}

void
frame_put(struct buf *out, enum frame_type type, struct slice body)
{
	buf_put_u8(out, (uint8_t)type);
	buf_put_bytes(out, body);
}

void
frame_put_text(struct buf *out, enum frame_type type, struct slice text)
{
	const size_t most = FRAME_MAX - FRAME_HEADER_SIZE;

	while (text.n > 0) {
		frame_put(out, type, slice_head(text, most));
		text = slice_from(text, most);
	}
}

int
request_encode(const struct request *request, struct buf *out)
{
	size_t total = 7, n;

	if (request->count == 0)
		return GW_EINVAL;
	if (request->count > REQUEST_WORDS)
		return GW_ETOOBIG;
	for (size_t i = 0; i < request->count; i++) {
		n = strlen(request->words[i]);
		total += n + 5;
		if (n > REQUEST_WORD_MAX)
			return GW_ETOOBIG;
	}
	/* A secret and its header still fit behind it. */
	if (total > FRAME_MAX - 2 * FRAME_HEADER_SIZE - SECRET_MAX)
		return GW_ETOOBIG;
	buf_put_u16(out, PROTOCOL_VERSION);
	buf_put_u8(out, (uint8_t)((request->json ? FLAG_JSON : 0) |
				  (request->tty ? FLAG_TTY : 0) |
				  (request->secret ? FLAG_SECRET : 0) |
				  (request->input ? FLAG_INPUT : 0)));
	buf_put_u16(out, request->columns);
	buf_put_u16(out, (uint16_t)request->count);
	for (size_t i = 0; i < request->count; i++) /* with their NUL */
		buf_put_bytes(out, slice_of(request->words[i],
					    strlen(request->words[i]) + 1));
	return out->overflow ? GW_ETOOBIG : 0;
}

/* The one NUL is the last byte. */
static bool
is_word(struct slice s)
{
	return s.n > 0 && s.n <= REQUEST_WORD_MAX + 1 &&
	       slice_find(s, '\0') == s.n - 1;
}

int
request_decode(struct slice body, struct request *request)
{
	struct reader r;
	struct slice word;
	uint8_t flags;

	memset(request, 0, sizeof(*request));
	reader_init(&r, body);
	if (reader_u16(&r) != PROTOCOL_VERSION)
		return r.ok ? GW_ENOTSUP : GW_EPROTO;
	flags = reader_u8(&r);
	request->json = (flags & FLAG_JSON) != 0;
	request->tty = (flags & FLAG_TTY) != 0;
	request->secret = (flags & FLAG_SECRET) != 0;
	request->input = (flags & FLAG_INPUT) != 0;
	request->columns = reader_u16(&r);
	request->count = reader_u16(&r);
	if (!r.ok || flags >= 16 || (request->secret && request->input) ||
	    request->count == 0 || request->count > REQUEST_WORDS)
		return GW_EPROTO;
	for (size_t i = 0; i < request->count; i++) {
		word = reader_bytes(&r);
		if (!r.ok || !is_word(word))
			return GW_EPROTO;
		request->words[i] = word.p;
	}
	return reader_end(&r) ? 0 : GW_EPROTO;
}
