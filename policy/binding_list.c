/*
 * Reading From and Sender (RFC 5322, 3.4 and 4.4; RFC 6532, 3.2). The question
 * is not whether a value is pretty but whether all readers of the message, the
 * next hop's and the recipient's, see the addresses that are checked here. So
 * names, comments, groups and routes are read as the grammar has them, and what
 * is known to be read in two ways is refused as a whole:
 *
 *  - what the grammar does not have: two '@', anything behind an address,
 *    brackets, quotes and comments that do not end, an address without domain;
 *  - bytes that are not UTF-8: a reader with another character set finds an '@'
 *    or a '<' in the middle of them; controls, line ends but folding ones;
 *  - inside of an address: white space or comments at the dots, comments with
 *    specials in them, quoted local parts with specials, encoded words (some
 *    decode first and split afterwards), look-alikes of '@' and '<'.
 *
 * The value is read twice: addresses are given only when all of it can be read.
 * Each byte is looked at a fixed number of times; nothing recurses.
 */
#include <string.h>

#include "gateway/base/address.h"
#include "gateway/base/buf.h"
#include "policy/binding.h"

#define ADDRESSES_MAX 1000
#define ADDRESS_MAX 998

struct parser {
	struct slice in;
	size_t at;
	struct buf address;
	binding_address_fn *fn; /* NULL: only read */
	void *arg;
	size_t count, groups;
	bool in_group, stopped;
};

/* --- bytes --- */

/* The character at p, or 0 when it is not well-formed (RFC 3629). */
static size_t
utf8_at(struct slice s, uint32_t *point)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint8_t lead = (uint8_t)s.p[0];
	size_t n = lead < 0x80	 ? 1
		   : lead < 0xc2 ? 0
		   : lead < 0xe0 ? 2
		   : lead < 0xf0 ? 3
		   : lead < 0xf5 ? 4
				 : 0;

	if (n == 0 || n > s.n)
		return 0;
	*point = n == 1 ? lead : lead & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if (((uint8_t)s.p[i] & 0xc0) != 0x80)
			return 0;
		*point = *point << 6 | ((uint8_t)s.p[i] & 0x3f);
	}
	if (*point < least[n] || *point > 0x10ffff ||
	    (*point >= 0xd800 && *point <= 0xdfff))
		return 0;
	return n;
}

/* Length of a folding line end: CRLF, then white space, and not a line of
 * nothing else, which some take for the header's end. */
static size_t
fold_at(struct slice s)
{
	size_t n = 2;

	if (!slice_starts(s, SLICE_LIT("\r\n")))
		return 0;
	while (n < s.n && (s.p[n] == ' ' || s.p[n] == '\t'))
		n++;
	return n == 2 || n == s.n || s.p[n] == '\r' ? 0 : n;
}

static bool
bytes_ok(struct slice s)
{
	while (s.n > 0) {
		uint32_t c;
		size_t n = s.p[0] == '\r' ? fold_at(s) : utf8_at(s, &c);

		if (n == 0)
			return false;
		if (s.p[0] != '\r' &&
		    ((c < ' ' && c != '\t') || (c >= 0x7f && c <= 0x9f) ||
		     c == 0x2028 || c == 0x2029))
			return false;
		s = slice_from(s, n);
	}
	return true;
}

/* Has no place in an address: it is not seen, turns the text around, or looks
 * like (and is, once normalised) what separates. */
static bool
is_deceiving(uint32_t c)
{
	static const struct {
		uint32_t first, last;
	} bad[] = {
	    {0x00a0, 0x00a0},	{0x00ad, 0x00ad}, {0x061c, 0x061c},
	    {0x1680, 0x1680},	{0x180e, 0x180e}, {0x2000, 0x200f},
	    {0x2024, 0x2024},	{0x2028, 0x202f}, {0x205f, 0x206f},
	    {0x3000, 0x3002},	{0xfe50, 0xfe50}, {0xfe52, 0xfe52},
	    {0xfe54, 0xfe55},	{0xfe59, 0xfe5a}, {0xfe64, 0xfe65},
	    {0xfe6b, 0xfe6b},	{0xfeff, 0xfeff}, {0xff02, 0xff02},
	    {0xff08, 0xff09},	{0xff0c, 0xff0c}, {0xff0e, 0xff0e},
	    {0xff1a, 0xff1c},	{0xff1e, 0xff1e}, {0xff20, 0xff20},
	    {0xff3b, 0xff3d},	{0xff61, 0xff61}, {0xfff0, 0xffff},
	    {0xe0000, 0xe0fff},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (c <= bad[i].last)
			return c >= bad[i].first;
	}
	return false;
}

static bool
is_special(char c)
{
	return c != '\0' && strchr("()<>[]:;@\\,.\"", c) != NULL;
}

static bool
is_atext(char c)
{
	return (uint8_t)c > ' ' && c != 0x7f && !is_special(c);
}

/* --- tokens --- */

static int
peek(const struct parser *p)
{
	return p->at < p->in.n ? (uint8_t)p->in.p[p->at] : -1;
}

static bool
take(struct parser *p, char c)
{
	if (peek(p) != c)
		return false;
	p->at++;
	return true;
}

/* A comment, nested ones too. inside: between the parts of an address, where
 * nothing may stand in it that looks like one. */
static bool
skip_comment(struct parser *p, bool inside)
{
	size_t depth = 0;

	for (; p->at < p->in.n; p->at++) {
		char c = p->in.p[p->at];

		if (c == '(')
			depth++;
		else if (c == ')' && --depth == 0)
			return take(p, ')');
		else if (inside && c != ')' && c != '.' && is_special(c))
			break;
		else if (c == '\\')
			p->at++;
	}
	return false;
}

static bool
skip_cfws(struct parser *p, bool inside)
{
	for (;;) {
		int c = peek(p);

		if (c == '(') {
			if (!skip_comment(p, inside))
				return false;
		} else if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
			p->at++; /* line ends fold: bytes_ok */
		} else {
			return true;
		}
	}
}

/* Over a quoted string; *content is without its quotes. */
static bool
skip_quoted(struct parser *p, struct slice *content)
{
	size_t from = ++p->at;

	for (; p->at < p->in.n; p->at++) {
		char c = p->in.p[p->at];

		if (c == '"') {
			*content = slice_of(p->in.p + from, p->at - from);
			p->at++;
			return true;
		}
		if (c == '\\')
			p->at++;
	}
	return false;
}

static struct slice
skip_atom(struct parser *p, bool dots)
{
	size_t from = p->at;

	while (p->at < p->in.n &&
	       (is_atext(p->in.p[p->at]) || (dots && p->in.p[p->at] == '.')))
		p->at++;
	return slice_of(p->in.p + from, p->at - from);
}

/* --- an address --- */

static bool
is_honest(struct slice s)
{
	while (s.n > 0) {
		uint32_t c;
		size_t n = utf8_at(s, &c);

		if (n == 0 || is_deceiving(c) ||
		    slice_starts(s, SLICE_LIT("=?")))
			return false;
		s = slice_from(s, n);
	}
	return true;
}

static bool
is_dot_atom(struct slice s)
{
	bool dot = true;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '.' ? dot : !is_atext(s.p[i]))
			return false;
		dot = s.p[i] == '.';
	}
	return !dot;
}

static bool
is_plain_quoted(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] != '.' && s.p[i] != ' ' && !is_atext(s.p[i]))
			return false;
	}
	return s.n > 0;
}

static bool
read_local(struct parser *p)
{
	struct slice local;
	bool quoted = peek(p) == '"';

	if (quoted ? !skip_quoted(p, &local)
		   : (local = skip_atom(p, true)).n == 0)
		return false;
	if (!is_honest(local) ||
	    !(quoted ? is_plain_quoted(local) : is_dot_atom(local)))
		return false;
	quoted = quoted && !is_dot_atom(local);
	if (quoted)
		buf_add_byte(&p->address, '"');
	buf_add_slice(&p->address, local);
	if (quoted)
		buf_add_byte(&p->address, '"');
	return true;
}

static bool
is_host_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' ||
	       (uint8_t)c >= 0x80;
}

static bool
read_literal(struct parser *p)
{
	size_t from = p->at++;

	while (p->at < p->in.n && (uint8_t)p->in.p[p->at] < 0x80 &&
	       (is_host_char(p->in.p[p->at]) || p->in.p[p->at] == ':'))
		p->at++;
	if (p->at - from < 2 || !take(p, ']'))
		return false;
	buf_add(&p->address, p->in.p + from, p->at - from);
	return true;
}

static bool
read_domain(struct parser *p)
{
	struct slice domain;

	if (peek(p) == '[')
		return read_literal(p);
	domain = skip_atom(p, true);
	for (size_t i = 0; i < domain.n; i++) {
		if (!is_host_char(domain.p[i]))
			return false;
	}
	if (!is_dot_atom(domain) || !is_honest(domain))
		return false;
	buf_add_slice(&p->address, domain);
	return true;
}

static bool
read_addr_spec(struct parser *p)
{
	buf_clear(&p->address);
	if (!read_local(p) || !skip_cfws(p, true) || !take(p, '@') ||
	    !skip_cfws(p, true))
		return false;
	buf_add_byte(&p->address, '@');
	return read_domain(p) && !p->address.overflow;
}

/* "@one,@two:" in front of the address (4.4): nobody's name. */
static bool
skip_route(struct parser *p)
{
	while (peek(p) == '@') {
		p->at++;
		buf_clear(&p->address);
		if (!skip_cfws(p, true) || !read_domain(p) ||
		    !skip_cfws(p, true))
			return false;
		if (take(p, ':'))
			return skip_cfws(p, true);
		while (take(p, ',')) {
			if (!skip_cfws(p, true))
				return false;
		}
	}
	return false;
}

static bool
read_angle(struct parser *p)
{
	p->at++;
	return skip_cfws(p, true) && (peek(p) != '@' || skip_route(p)) &&
	       read_addr_spec(p) && skip_cfws(p, true) && take(p, '>');
}

/* Over the words of a name, or of a local part. */
static bool
skip_words(struct parser *p)
{
	struct slice content;

	for (;;) {
		if (peek(p) == '"') {
			if (!skip_quoted(p, &content))
				return false;
		} else if (skip_atom(p, true).n == 0) {
			return true;
		}
		if (!skip_cfws(p, false))
			return false;
	}
}

/* --- the list --- */

static bool
give(struct parser *p)
{
	if (++p->count > ADDRESSES_MAX)
		return false;
	if (p->fn != NULL && !p->fn(p->arg, buf_slice(&p->address)))
		p->stopped = true;
	return true;
}

static bool
read_mailbox_or_group(struct parser *p)
{
	size_t from = p->at;

	if (!skip_words(p))
		return false;
	if (peek(p) == ':' && p->at > from && !p->in_group) {
		p->at++;
		p->in_group = true;
		p->groups++;
		return true;
	}
	if (peek(p) == '@') {
		p->at = from;
		if (!read_addr_spec(p))
			return false;
	} else if (peek(p) != '<' || !read_angle(p)) {
		return false;
	}
	return give(p);
}

/* Behind an address stands a comma, the group's end, or nothing. */
static bool
read_list(struct parser *p)
{
	bool open = true; /* an address may begin here */

	while (!p->stopped) {
		bool was_group = p->in_group;

		if (!skip_cfws(p, false))
			return false;
		if (peek(p) < 0)
			break;
		if (take(p, ',')) {
			open = true;
		} else if (p->in_group && take(p, ';')) {
			p->in_group = false;
			open = false;
		} else if (!open || !read_mailbox_or_group(p)) {
			return false;
		} else {
			open = p->in_group && !was_group;
		}
	}
	return p->stopped || (!p->in_group && (p->count > 0 || p->groups > 0));
}

static bool
read_value(struct slice value, binding_address_fn *fn, void *arg)
{
	struct parser p = {.in = value, .fn = fn, .arg = arg};
	bool ok;

	buf_init(&p.address, ADDRESS_MAX);
	ok = read_list(&p);
	buf_fini(&p.address);
	return ok;
}

bool
binding_addresses(struct slice value, binding_address_fn *fn, void *arg)
{
	if (value.n >= 2 && value.p[value.n - 2] == '\r' &&
	    value.p[value.n - 1] == '\n')
		value.n -= 2;
	if (!bytes_ok(value) || !read_value(value, NULL, NULL))
		return false;
	return read_value(value, fn, arg);
}

struct author {
	struct slice domain; /* in out */
	char *out;
	size_t count;
};

static bool
on_author(void *arg, struct slice address)
{
	struct author *author = arg;
	size_t n = address_domain_fold(address_domain(address), author->out,
				       BINDING_DOMAIN_SIZE - 1);

	author->out[n] = '\0';
	author->domain = slice_of(author->out, n);
	return ++author->count == 1;
}

bool
binding_author(struct slice value, char out[BINDING_DOMAIN_SIZE])
{
	struct author author = {.out = out};

	return value.n > 0 && binding_addresses(value, on_author, &author) &&
	       author.count == 1 && author.domain.n > 0;
}
