#include "gateway/smtp/path.h"

#include <string.h>

#include "gateway/base/addr.h"
#include "gateway/base/error.h"
#include "gateway/smtp/utf8.h"

/*
 * A recursive grammar small enough for one pass with a cursor. What it lets
 * through is put into replies, headers, commands to the next hop and log
 * lines, so no control character, no blank outside quotes and no '<' or '>'
 * outside quotes may ever be in an address. Whether a domain exists or an
 * address means anything is not asked here.
 */

static bool
is_alnum(unsigned char c)
{
	return (c >= '0' && c <= '9') ||
	       ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static bool
is_atext(unsigned char c)
{
	return is_alnum(c) || c >= 0x80 ||
	       (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

/* RFC 5321 has letters, digits and hyphens; the underscore is in use. */
static bool
is_label(unsigned char c)
{
	return is_alnum(c) || c == '-' || c == '_' || c >= 0x80;
}

/* Octets of the leading dot-string: atoms with single dots between. 0: none. */
static size_t
dot_string_measure(struct slice s)
{
	size_t i;
	bool dot = true; /* an atom must follow */

	for (i = 0; i < s.n; i++) {
		if (is_atext((unsigned char)s.p[i]))
			dot = false;
		else if (s.p[i] == '.' && !dot)
			dot = true;
		else
			break;
	}
	return dot ? 0 : i;
}

/* Octets of the leading quoted string with both quotes. 0: none. */
static size_t
quoted_measure(struct slice s)
{
	size_t i;

	for (i = 1; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '"')
			return i + 1;
		if (c < ' ' || c == 0x7f)
			return 0;
		if (c == '\\') {
			i++;
			if (i == s.n || s.p[i] < ' ' || s.p[i] == 0x7f)
				return 0;
		}
	}
	return 0;
}

/* Octets of the leading domain name. 0: none, or a label is not one. The 63
 * octets of a label are those of its A-label, which is not known here. */
static size_t
name_measure(struct slice s)
{
	size_t i, start = 0;
	bool ascii = true;

	for (i = 0; i <= s.n; i++) {
		if (i < s.n && is_label((unsigned char)s.p[i])) {
			ascii = ascii && (unsigned char)s.p[i] < 0x80;
			continue;
		}
		if (i == start || (ascii && i - start > 63) ||
		    s.p[start] == '-' || s.p[i - 1] == '-')
			return 0;
		if (i == s.n || s.p[i] != '.')
			return i;
		start = i + 1;
		ascii = true;
	}
	return 0;
}

/* Octets of the leading [address]. 0: none. General literals (RFC 5321) have
 * no registered tag but IPv6's and lead nowhere. */
static size_t
literal_measure(struct slice s)
{
	size_t end = slice_find(s, ']');
	struct slice inner;
	struct ip_addr ip;
	bool six;

	if (end == s.n)
		return 0;
	inner = slice_of(s.p + 1, end - 1);
	six = slice_istarts(inner, SLICE_LIT("IPv6:"));
	if (six)
		inner = slice_from(inner, 5);
	if (inner.n == 0 || inner.n >= IP_TEXT_SIZE ||
	    ip_parse(inner, &ip) != GW_OK)
		return 0;
	if (six != (memchr(inner.p, ':', inner.n) != NULL))
		return 0;
	return end + 1;
}

/* "@a,@b:" in front of an address. False: it begins like one and is none. */
static bool
route_drop(struct slice *rest)
{
	struct slice s = *rest;
	size_t n;

	while (s.n > 0 && s.p[0] == '@') {
		s = slice_from(s, 1);
		n = s.n > 0 && s.p[0] == '[' ? literal_measure(s)
					     : name_measure(s);
		if (n == 0 || n == s.n)
			return false;
		s = slice_from(s, n);
		if (s.p[0] == ':') {
			*rest = slice_from(s, 1);
			return true;
		}
		if (s.p[0] != ',')
			return false;
		s = slice_from(s, 1);
	}
	return s.p == rest->p;
}

static bool
domain_take(struct slice *rest, struct path *path)
{
	size_t n;

	path->literal = rest->n > 0 && rest->p[0] == '[';
	n = path->literal ? literal_measure(*rest) : name_measure(*rest);
	if (n == 0)
		return false;
	path->domain = slice_head(*rest, n);
	*rest = slice_from(*rest, n);
	return true;
}

static enum path_verdict
mailbox_take(struct slice *rest, struct path *path)
{
	struct slice s = *rest;
	size_t n;

	n = s.n > 0 && s.p[0] == '"' ? quoted_measure(s)
				     : dot_string_measure(s);
	if (n == 0)
		return PATH_SYNTAX;
	path->local = slice_head(s, n);
	*rest = slice_from(s, n);
	if (rest->n > 0 && rest->p[0] == '@') {
		*rest = slice_from(*rest, 1);
		if (!domain_take(rest, path))
			return PATH_SYNTAX;
	}
	path->address = slice_of(s.p, (size_t)(rest->p - s.p));
	path->utf8 = !utf8_is_ascii(path->address);
	if (path->utf8 && !utf8_valid(path->address))
		return PATH_SYNTAX;
	if (path->local.n > PATH_LOCAL_MAX ||
	    path->domain.n > PATH_DOMAIN_MAX ||
	    path->address.n > PATH_ADDRESS_MAX)
		return PATH_LONG;
	if (path->domain.n == 0 && !path_is_postmaster(path))
		return PATH_SYNTAX;
	return PATH_FINE;
}

enum path_verdict
path_parse(struct slice *rest, struct path *path)
{
	struct slice s = *rest;
	enum path_verdict verdict;
	bool bracket = s.n > 0 && s.p[0] == '<';

	*path = (struct path){.address = SLICE_LIT("")};
	if (bracket)
		s = slice_from(s, 1);
	if (bracket && s.n > 0 && s.p[0] == '>') {
		*rest = slice_from(s, 1);
		return PATH_FINE;
	}
	if (!route_drop(&s))
		return PATH_SYNTAX;
	if ((size_t)(s.p - rest->p) > PATH_ROUTE_MAX)
		return PATH_LONG;
	verdict = mailbox_take(&s, path);
	if (verdict != PATH_FINE)
		return verdict;
	if (bracket) {
		if (s.n == 0 || s.p[0] != '>')
			return PATH_SYNTAX;
		s = slice_from(s, 1);
	}
	*rest = s;
	return PATH_FINE;
}

bool
path_is_postmaster(const struct path *path)
{
	return path->domain.n == 0 &&
	       slice_ieq(path->local, SLICE_LIT("postmaster"));
}
