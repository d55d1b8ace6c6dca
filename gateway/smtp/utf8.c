#include "gateway/smtp/utf8.h"

static size_t
length_of(unsigned char lead)
{
	if (lead < 0x80)
		return 1;
	if (lead >= 0xc2 && lead <= 0xdf)
		return 2;
	if (lead >= 0xe0 && lead <= 0xef)
		return 3;
	if (lead >= 0xf0 && lead <= 0xf4)
		return 4;
	return 0;
}

static bool
unwanted(uint32_t c)
{
	return (c >= 0x80 && c < 0xa0) || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069) || (c >= 0xd800 && c <= 0xdfff);
}

size_t
utf8_measure(struct slice s)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *p = (const unsigned char *)s.p;
	size_t n, i;
	uint32_t c;

	if (s.n == 0)
		return 0;
	n = length_of(p[0]);
	if (n <= 1)
		return n;
	if (n > s.n)
		return 0;
	c = p[0] & (0xffU >> (n + 1));
	for (i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3fU);
	}
	if (c < smallest[n] || c > 0x10ffff || unwanted(c))
		return 0;
	return n;
}

bool
utf8_valid(struct slice s)
{
	size_t n;

	for (; s.n > 0; s = slice_from(s, n)) {
		n = utf8_measure(s);
		if (n == 0)
			return false;
	}
	return true;
}

bool
utf8_is_ascii(struct slice s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] >= 0x80)
			return false;
	return true;
}
