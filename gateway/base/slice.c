/*
 * Borrowed bytes. An empty slice may have p == NULL, and neither the mem*
 * functions nor pointer arithmetic may see that: every function here settles
 * n == 0 first. Case is folded for ASCII only and without the locale, since
 * two hosts must agree on what a key is.
 */
#include "gateway/base/slice.h"

#include <string.h>

#include "gateway/base/mem.h"

static unsigned char
fold(char c)
{
	unsigned char u = (unsigned char)c;

	return u >= 'A' && u <= 'Z' ? (unsigned char)(u | 0x20) : u;
}

static bool
same_folded(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (fold(a[i]) != fold(b[i]))
			return false;
	}
	return true;
}

struct slice
slice_of(const void *p, size_t n)
{
	return (struct slice){p, n};
}

struct slice
slice_str(const char *s)
{
	return s != NULL ? (struct slice){s, strlen(s)} : SLICE_NONE;
}

bool
slice_eq(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool
slice_copy(struct slice s, char *out, size_t size)
{
	if (s.n >= size || slice_find(s, '\0') != s.n)
		return false;
	if (s.n > 0)
		memcpy(out, s.p, s.n);
	out[s.n] = '\0';
	return true;
}

bool
slice_ieq(struct slice a, struct slice b)
{
	return a.n == b.n && same_folded(a.p, b.p, a.n);
}

bool
slice_starts(struct slice s, struct slice prefix)
{
	return slice_eq(slice_head(s, prefix.n), prefix);
}

bool
slice_istarts(struct slice s, struct slice prefix)
{
	return slice_ieq(slice_head(s, prefix.n), prefix);
}

bool
slice_iends(struct slice s, struct slice suffix)
{
	return s.n >= suffix.n &&
	       slice_ieq(slice_from(s, s.n - suffix.n), suffix);
}

int
slice_cmp(struct slice a, struct slice b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int order = n > 0 ? memcmp(a.p, b.p, n) : 0;

	if (order != 0)
		return order;
	return (a.n > b.n) - (a.n < b.n);
}

size_t
slice_find(struct slice s, char c)
{
	const char *hit = s.n > 0 ? memchr(s.p, c, s.n) : NULL;

	return hit != NULL ? (size_t)(hit - s.p) : s.n;
}

struct slice
slice_from(struct slice s, size_t offset)
{
	if (offset == 0)
		return s;
	if (offset > s.n)
		offset = s.n;
	if (offset > 0) {
		s.p += offset;
		s.n -= offset;
	}
	return s;
}

struct slice
slice_head(struct slice s, size_t n)
{
	if (n < s.n)
		s.n = n;
	return s;
}

struct slice
slice_trim(struct slice s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

bool
slice_split(struct slice *rest, char sep, struct slice *token)
{
	size_t at;

	if (rest->n == 0) {
		*token = SLICE_NONE;
		return false;
	}
	at = slice_find(*rest, sep);
	*token = slice_head(*rest, at);
	*rest = slice_from(*rest, at + 1);
	return true;
}

bool
slice_u64(struct slice s, uint64_t *value)
{
	uint64_t v = 0;

	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned digit = (unsigned)(unsigned char)s.p[i] - '0';

		if (digit > 9 || v > (UINT64_MAX - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	*value = v;
	return true;
}

char *
slice_dup(struct slice s)
{
	char *p = mem_alloc(s.n + 1);

	if (s.n > 0)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return p;
}
