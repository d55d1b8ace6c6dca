#include "gateway/control/http_parse.h"

#include <string.h>

#include "gateway/base/addr.h"
#include "gateway/base/error.h"

static bool
is_token(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c <= ' ' || c >= 0x7f || strchr("()<>@,;:\\\"/[]?={}", c))
			return false;
	}
	return s.n > 0;
}

static bool
is_target(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' ||
		    (unsigned char)s.p[i] >= 0x7f)
			return false;
	return s.n > 0 && s.p[0] == '/';
}

static int
parse_first(struct slice line, struct http_head *head)
{
	struct slice target, version;

	if (!slice_split(&line, ' ', &head->method) ||
	    !slice_split(&line, ' ', &target))
		return GW_EPROTO;
	version = line;
	if (!is_token(head->method) || !is_target(target))
		return GW_EPROTO;
	head->path = slice_head(target, slice_find(target, '?'));
	head->minor0 = slice_eq(version, SLICE_LIT("HTTP/1.0"));
	if (!head->minor0 && !slice_eq(version, SLICE_LIT("HTTP/1.1")))
		return GW_EPROTO;
	return 0;
}

static int
parse_field(struct slice line, struct http_head *head)
{
	size_t colon = slice_find(line, ':');
	struct slice name = slice_head(line, colon);

	/* A space before the colon and folded lines are how two servers come
	 * to read two requests in one. */
	if (colon == line.n || !is_token(name))
		return GW_EPROTO;
	if (!slice_ieq(name, SLICE_LIT("host")))
		return 0;
	if (head->host.p != NULL)
		return GW_EPROTO;
	head->host = slice_trim(slice_from(line, colon + 1));
	return 0;
}

int
http_parse(struct slice in, struct http_head *head)
{
	const char *end = memmem(in.p, in.n, "\r\n\r\n", 4);
	struct slice rest;
	int err = 0;

	memset(head, 0, sizeof(*head));
	if (end == NULL)
		return in.n >= HTTP_HEAD_MAX ? GW_ETOOBIG : 0;
	rest = slice_head(in, (size_t)(end - in.p) + 2);
	if (rest.n > HTTP_HEAD_MAX)
		return GW_ETOOBIG;
	for (bool first = true; rest.n > 0 && err == 0; first = false) {
		const char *eol = memmem(rest.p, rest.n, "\r\n", 2);
		struct slice line = slice_head(rest, (size_t)(eol - rest.p));

		rest = slice_from(rest, line.n + 2);
		if (slice_find(line, '\r') < line.n ||
		    slice_find(line, '\n') < line.n ||
		    slice_find(line, '\0') < line.n)
			err = GW_EPROTO;
		else
			err = first ? parse_first(line, head)
				    : parse_field(line, head);
	}
	return err != 0 ? err : 1;
}

/* Off with ":port"; v6 stands in brackets. */
static struct slice
without_port(struct slice host)
{
	size_t end;

	if (host.n > 0 && host.p[0] == '[') {
		end = slice_find(host, ']');
		return end == host.n ? SLICE_NONE
				     : slice_of(host.p + 1, end - 1);
	}
	return slice_head(host, slice_find(host, ':'));
}

bool
http_host_is_local(struct slice host)
{
	struct slice name = without_port(host);
	struct ip_addr ip;

	if (slice_ieq(name, SLICE_LIT("localhost")))
		return true;
	return ip_parse(name, &ip) == 0 && ip_is_loopback(&ip);
}
