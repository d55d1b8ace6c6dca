#include "dns/resolv.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/buf.h"

#define FILE_MAX 16384
#define PORT 53

static bool
server_parse(struct slice s, struct sock_addr *addr)
{
	addr->port = PORT;
	return ip_parse(s, &addr->ip) == 0 ||
	       (sock_addr_parse(s, addr) == 0 && addr->port != 0);
}

bool
resolv_parse(const char *list, struct resolv *resolv)
{
	struct slice rest = slice_str(list), word;

	memset(resolv, 0, sizeof(*resolv));
	while (slice_split(&rest, ',', &word)) {
		if (resolv->count == RESOLV_MAX ||
		    !server_parse(slice_trim(word),
				  &resolv->addrs[resolv->count]))
			return false;
		resolv->count++;
	}
	return resolv->count > 0;
}

static size_t
blank(struct slice s)
{
	size_t n = 0;

	while (n < s.n && s.p[n] != ' ' && s.p[n] != '\t')
		n++;
	return n;
}

void
resolv_parse_file(struct slice text, struct resolv *resolv)
{
	static const struct slice keyword = SLICE_LIT("nameserver");
	struct slice line;

	memset(resolv, 0, sizeof(*resolv));
	while (resolv->count < RESOLV_MAX && slice_split(&text, '\n', &line)) {
		struct sock_addr *addr = &resolv->addrs[resolv->count];

		/* as the C library: the keyword begins the line */
		if (!slice_starts(line, keyword) || blank(line) != keyword.n)
			continue;
		line = slice_trim(slice_from(line, keyword.n));
		line = slice_head(line, blank(line));
		addr->port = PORT;
		if (ip_parse(line, &addr->ip) == 0)
			resolv->count++;
	}
}

bool
resolv_read(const char *path, struct resolv *resolv)
{
	char text[FILE_MAX];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n;

	resolv->count = 0;
	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text));
	close(fd);
	if (n > 0)
		resolv_parse_file(slice_of(text, (size_t)n), resolv);
	return resolv->count > 0;
}

static bool
addr_equal(const struct sock_addr *a, const struct sock_addr *b)
{
	return ip_eq(&a->ip, &b->ip) && a->port == b->port;
}

bool
resolv_equal(const struct resolv *a, const struct resolv *b)
{
	if (a->count != b->count)
		return false;
	for (uint32_t i = 0; i < a->count; i++) {
		if (!addr_equal(&a->addrs[i], &b->addrs[i]))
			return false;
	}
	return true;
}

bool
resolv_is_loopback(const struct resolv *resolv)
{
	for (uint32_t i = 0; i < resolv->count; i++) {
		if (!ip_is_loopback(&resolv->addrs[i].ip))
			return false;
	}
	return resolv->count > 0;
}

void
resolv_format(const struct resolv *resolv, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (uint32_t i = 0; i < resolv->count; i++) {
		char text[SOCK_ADDR_TEXT_SIZE + 2] = ", ";
		const char *from = i == 0 ? text + 2 : text;

		if (resolv->addrs[i].port == PORT)
			ip_format(&resolv->addrs[i].ip, text + 2);
		else
			sock_addr_format(&resolv->addrs[i], text + 2);
		if (used + strlen(from) >= size)
			return;
		memcpy(out + used, from, strlen(from) + 1);
		used += strlen(from);
	}
}
