/*
 * base64, hex and xtext. Decoders are strict, so that two texts never mean
 * the same bytes, and whole: on an error the output is as it was.
 */
#include "gateway/base/encode.h"

#include "gateway/base/error.h"

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

void
base64_encode(struct buf *out, struct slice s)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz"
				     "0123456789+/";
	const uint8_t *p = (const uint8_t *)s.p;
	char *room;
	size_t size;

	if (s.n > SIZE_MAX / 4 * 3 - 3) {
		out->overflow = true;
		return;
	}
	size = (s.n + 2) / 3 * 4;
	room = buf_reserve(out, size);
	if (room == NULL)
		return;
	for (size_t i = 0; i < s.n; i += 3) {
		size_t left = s.n - i;
		uint32_t v = (uint32_t)p[i] << 16;

		if (left > 1)
			v |= (uint32_t)p[i + 1] << 8;
		if (left > 2)
			v |= p[i + 2];
		*room++ = digits[v >> 18];
		*room++ = digits[v >> 12 & 63];
		*room++ = left > 1 ? digits[v >> 6 & 63] : '=';
		*room++ = left > 2 ? digits[v & 63] : '=';
	}
	out->n += size;
}

static int
base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	if (c == '/')
		return 63;
	return -1;
}

/* One group of four to `bytes` bytes; what is left over must be zero. */
static bool
base64_group(const char *p, size_t bytes, char *room)
{
	uint32_t v = 0;

	for (size_t i = 0; i < 4; i++) {
		int digit = i <= bytes ? base64_value(p[i]) : 0;

		if (digit < 0)
			return false;
		v = v << 6 | (uint32_t)digit;
	}
	if ((v & ((uint32_t)0xffffff >> (8 * bytes))) != 0)
		return false;
	for (size_t i = 0; i < bytes; i++)
		room[i] = (char)(uint8_t)(v >> (16 - 8 * i));
	return true;
}

int
base64_decode(struct buf *out, struct slice s)
{
	size_t size, pad = 0, done = 0;
	char *room;

	if (s.n % 4 != 0)
		return GW_EINVAL;
	if (s.n > 0 && s.p[s.n - 1] == '=')
		pad = s.p[s.n - 2] == '=' ? 2 : 1;
	size = s.n / 4 * 3 - pad;
	room = buf_reserve(out, size);
	if (room == NULL)
		return GW_ETOOBIG;
	for (size_t i = 0; i < s.n; i += 4) {
		size_t bytes = size - done < 3 ? size - done : 3;

		if (!base64_group(s.p + i, bytes, room + done))
			return GW_EINVAL;
		done += bytes;
	}
	out->n += size;
	return 0;
}

void
base64url_encode(struct buf *out, struct slice s)
{
	struct buf text;

	buf_init(&text, SIZE_MAX / 2); /* the padding is not out's to bear */
	base64_encode(&text, s);
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '+')
			text.p[i] = '-';
		else if (text.p[i] == '/')
			text.p[i] = '_';
	}
	while (text.n > 0 && text.p[text.n - 1] == '=')
		text.n--;
	buf_add_slice(out, buf_slice(&text));
	out->overflow |= text.overflow;
	buf_fini(&text);
}

int
base64url_decode(struct buf *out, struct slice s)
{
	struct buf text;
	int err;

	if (s.n % 4 == 1)
		return GW_EINVAL;
	buf_init(&text, s.n + 2);
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c == '+' || c == '/' || c == '=') {
			buf_fini(&text);
			return GW_EINVAL;
		}
		buf_add_byte(&text, (char)(c == '-'   ? '+'
					   : c == '_' ? '/'
						      : c));
	}
	while (text.n % 4 != 0)
		buf_add_byte(&text, '=');
	err = base64_decode(out, buf_slice(&text));
	buf_fini(&text);
	return err;
}

void
hex_encode(struct buf *out, struct slice s)
{
	static const char digits[] = "0123456789abcdef";
	char *room;

	if (s.n > SIZE_MAX / 2) {
		out->overflow = true;
		return;
	}
	room = buf_reserve(out, 2 * s.n);
	if (room == NULL)
		return;
	for (size_t i = 0; i < s.n; i++) {
		uint8_t u = (uint8_t)s.p[i];

		*room++ = digits[u >> 4];
		*room++ = digits[u & 15];
	}
	out->n += 2 * s.n;
}

int
hex_decode(struct buf *out, struct slice s)
{
	char *room;

	if (s.n % 2 != 0)
		return GW_EINVAL;
	room = buf_reserve(out, s.n / 2);
	if (room == NULL)
		return GW_ETOOBIG;
	for (size_t i = 0; i < s.n; i += 2) {
		int high = hex_value(s.p[i]), low = hex_value(s.p[i + 1]);

		if (high < 0 || low < 0)
			return GW_EINVAL;
		room[i / 2] = (char)(uint8_t)(high << 4 | low);
	}
	out->n += s.n / 2;
	return 0;
}

static bool
is_xchar(char c)
{
	return c >= '!' && c <= '~' && c != '+' && c != '=';
}

void
xtext_encode(struct buf *out, struct slice s)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t before = out->n;

	for (size_t i = 0; i < s.n; i++) {
		uint8_t u = (uint8_t)s.p[i];
		char code[3] = {'+', digits[u >> 4], digits[u & 15]};

		if (is_xchar(s.p[i]))
			buf_add_byte(out, s.p[i]);
		else
			buf_add(out, code, sizeof(code));
	}
	if (out->overflow)
		out->n = before;
}

int
xtext_decode(struct buf *out, struct slice s)
{
	char *room = buf_reserve(out, s.n);
	size_t size = 0;

	if (room == NULL)
		return GW_ETOOBIG;
	for (size_t i = 0; i < s.n; i++) {
		int high, low;

		if (is_xchar(s.p[i])) {
			room[size++] = s.p[i];
			continue;
		}
		if (s.p[i] != '+' || s.n - i < 3)
			return GW_EINVAL;
		/* lower case, too: clients send it, and it can mean no other */
		high = hex_value(s.p[i + 1]);
		low = hex_value(s.p[i + 2]);
		if (high < 0 || low < 0)
			return GW_EINVAL;
		room[size++] = (char)(uint8_t)(high << 4 | low);
		i += 2;
	}
	out->n += size;
	return 0;
}
