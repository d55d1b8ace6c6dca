/*
 * Values that are addresses: where to listen, whom to ask, whom to trust.
 */
#include <inttypes.h>
#include <string.h>

#include "gateway/config_int.h"

static const char *
show(struct config_reading *r, const struct config_word *word)
{
	return config_word_text(r->arena, word->text);
}

bool
config_split_port(struct config_reading *r, const struct config_word *word,
		  struct slice *host, uint16_t *port)
{
	struct slice s = slice_str(word->text);
	size_t colon = s.n;
	uint64_t number = 0;

	while (colon > 0 && s.p[colon - 1] != ':' && s.p[colon - 1] != ']')
		colon--;
	if (colon < 2 || s.p[colon - 1] != ':') {
		config_error(r->problems, word->at,
			     "'%s' has no port: write HOST:PORT",
			     show(r, word));
		return false;
	}
	if (!slice_u64(slice_from(s, colon), &number) || number == 0 ||
	    number > UINT16_MAX) {
		config_error(r->problems, word->at,
			     "the port in '%s' is not one of 1 to 65535",
			     show(r, word));
		return false;
	}
	*host = slice_head(s, colon - 1);
	*port = (uint16_t)number;
	return true;
}

/* --- listen.address, dns.resolver --- */

static bool
read_addr(struct config_reading *r, const struct config_word *word,
	  struct sock_addr *addr)
{
	struct slice host;
	uint16_t port;

	if (!config_split_port(r, word, &host, &port))
		return false;
	if (sock_addr_parse(slice_str(word->text), addr) == 0)
		return true;
	config_error(r->problems, word->at,
		     "'%s' is not an address and port: write 192.0.2.1:587, "
		     "[2001:db8::1]:587 or *:587",
		     show(r, word));
	return false;
}

static void
add_addr(struct config_reading *r, struct config_addrs *addrs,
	 const struct sock_addr *addr, struct config_place at)
{
	size_t n = addrs->count;
	struct config_place *place;
	struct sock_addr *to;

	to = config_list_add(r->arena, (void **)&addrs->v, &n,
			     sizeof(*addrs->v));
	place = config_list_add(r->arena, (void **)&addrs->at, &addrs->count,
				sizeof(*addrs->at));
	*to = *addr;
	*place = at;
}

bool
config_room(struct config_reading *r, const struct config_row *row,
	    const struct config_node *node, size_t have)
{
	if (have + node->count - 1 <= row->max)
		return true;
	config_error(r->problems, node->words[0].at,
		     "more than %" PRIu64 " %s in one block", row->max,
		     row->unit);
	return false;
}

static bool
read_listen(struct config_reading *r, const struct config_row *row,
	    const struct config_node *node, void *field)
{
	struct config_addrs *addrs = field;
	struct sock_addr addr;

	if (!config_room(r, row, node, addrs->count) ||
	    !read_addr(r, &node->words[1], &addr))
		return false;
	add_addr(r, addrs, &addr, node->words[1].at);
	return true;
}

/* '*' reads back to the address of all. */
static void
add_sock(struct buf *out, const struct sock_addr *addr)
{
	static const struct ip_addr any;
	char text[SOCK_ADDR_TEXT_SIZE];

	if (ip_eq(&addr->ip, &any)) {
		buf_printf(out, "*:%u", (unsigned)addr->port);
		return;
	}
	sock_addr_format(addr, text);
	buf_add_str(out, text);
}

static bool
print_listen(const struct config_row *row, const void *field, size_t i,
	     struct buf *out)
{
	const struct config_addrs *addrs = field;

	(void)row;
	if (i >= addrs->count)
		return false;
	add_sock(out, &addrs->v[i]);
	return true;
}

const struct config_shape config_shape_listen = {1, 1, "IP:PORT", read_listen,
						 print_listen};

static bool
read_resolver(struct config_reading *r, const struct config_row *row,
	      const struct config_node *node, void *field)
{
	struct config_addrs *addrs = field;
	bool good = true;

	if (!config_room(r, row, node, addrs->count))
		return false;
	for (size_t i = 1; i < node->count; i++) {
		const struct config_word *word = &node->words[i];
		struct sock_addr addr = {.port = 53};

		if (ip_parse(slice_str(word->text), &addr.ip) != 0 &&
		    (sock_addr_parse(slice_str(word->text), &addr) != 0 ||
		     addr.port == 0 || word->text[0] == '*')) {
			config_error(r->problems, word->at,
				     "'%s' is not an address: write "
				     "127.0.0.1, 127.0.0.1:53 or "
				     "[2001:db8::1]:53",
				     show(r, word));
			good = false;
			continue;
		}
		add_addr(r, addrs, &addr, word->at);
	}
	return good;
}

static bool
print_resolver(const struct config_row *row, const void *field, size_t i,
	       struct buf *out)
{
	const struct config_addrs *addrs = field;
	char text[SOCK_ADDR_TEXT_SIZE];

	(void)row;
	for (size_t at = 0; at < addrs->count && i == 0; at++) {
		if (at > 0)
			buf_add_byte(out, ' ');
		if (addrs->v[at].port == 53)
			ip_format(&addrs->v[at].ip, text);
		else
			sock_addr_format(&addrs->v[at], text);
		buf_add_str(out, text);
	}
	return i == 0 && addrs->count > 0;
}

const struct config_shape config_shape_resolver = {
    1, 0, "IP[:PORT] ...", read_resolver, print_resolver};

/* --- listen.proxy, relay.source, http --- */

static bool
read_prefix(struct config_reading *r, const struct config_row *row,
	    const struct config_node *node, void *field)
{
	struct config_prefixes *list = field;
	bool good = true;

	if (!config_room(r, row, node, list->count))
		return false;
	for (size_t i = 1; i < node->count; i++) {
		const struct config_word *word = &node->words[i];
		struct ip_prefix prefix, *to;

		if (ip_prefix_parse(slice_str(word->text), &prefix) != 0) {
			config_error(r->problems, word->at,
				     "'%s' is not a network: write "
				     "10.0.0.0/8, with no bit set behind the "
				     "prefix",
				     show(r, word));
			good = false;
			continue;
		}
		to = config_list_add(r->arena, (void **)&list->v, &list->count,
				     sizeof(*list->v));
		*to = prefix;
	}
	return good;
}

static bool
print_prefix(const struct config_row *row, const void *field, size_t i,
	     struct buf *out)
{
	const struct config_prefixes *list = field;
	char text[IP_TEXT_SIZE + 4];

	(void)row;
	for (size_t at = 0; at < list->count && i == 0; at++) {
		ip_prefix_format(&list->v[at], text);
		buf_printf(out, "%s%s", at > 0 ? " " : "", text);
	}
	return i == 0 && list->count > 0;
}

const struct config_shape config_shape_prefix = {1, 0, "NETWORK ...",
						 read_prefix, print_prefix};

static bool
read_ip(struct config_reading *r, const struct config_word *word,
	struct config_ip *to)
{
	struct config_ip ip = {.set = true};

	if (ip_parse(slice_str(word->text), &ip.ip) != 0) {
		config_error(r->problems, word->at, "'%s' is not an address",
			     show(r, word));
		return false;
	}
	*to = ip;
	return true;
}

static bool
read_source(struct config_reading *r, const struct config_row *row,
	    const struct config_node *node, void *field)
{
	(void)row;
	return read_ip(r, &node->words[1], field);
}

static bool
print_source(const struct config_row *row, const void *field, size_t i,
	     struct buf *out)
{
	const struct config_ip *ip = field;
	char text[IP_TEXT_SIZE];

	(void)row;
	if (!ip->set || i > 0)
		return false;
	ip_format(&ip->ip, text);
	buf_add_str(out, text);
	return true;
}

const struct config_shape config_shape_source = {1, 1, "IP", read_source,
						 print_source};

/* --- mx.source --- */

static const char *const lanes[] = {"personal", "bulk", "dsn", NULL};

/* NULL: told. */
static struct config_ip *
source_of(struct config_reading *r, const struct config_node *node,
	  struct config_sources *sources)
{
	const struct config_word *word = &node->words[1];

	if (node->count == 2)
		return &sources->all;
	for (size_t i = 0; i < CONFIG_LANES; i++) {
		if (strcmp(word->text, lanes[i]) == 0)
			return &sources->lane[i];
	}
	config_error(r->problems, word->at,
		     "there is no lane '%s': there are personal, bulk, dsn%s",
		     show(r, word),
		     config_nearest(r->arena, word->text, lanes, CONFIG_LANES));
	return NULL;
}

static bool
read_sources(struct config_reading *r, const struct config_row *row,
	     const struct config_node *node, void *field)
{
	struct config_ip *to = source_of(r, node, field);

	(void)row;
	if (to == NULL)
		return false;
	if (to->set) {
		config_error(r->problems, node->words[0].at,
			     node->count == 2 ? "a second 'source' for all mail"
					      : "a second 'source' of one "
						"lane");
		return false;
	}
	return read_ip(r, &node->words[node->count - 1], to);
}

/* In the order of the fields, the unset ones passed over. */
static bool
print_sources(const struct config_row *row, const void *field, size_t i,
	      struct buf *out)
{
	const struct config_sources *sources = field;

	for (size_t at = 0; at <= CONFIG_LANES; at++) {
		const struct config_ip *ip =
		    at == 0 ? &sources->all : &sources->lane[at - 1];

		if (!ip->set || i-- > 0)
			continue;
		if (at > 0)
			buf_printf(out, "%s ", lanes[at - 1]);
		return print_source(row, ip, 0, out);
	}
	return false;
}

const struct config_shape config_shape_sources = {
    1, 2, "[personal | bulk | dsn] IP", read_sources, print_sources};

static bool
read_http(struct config_reading *r, const struct config_row *row,
	  const struct config_node *node, void *field)
{
	struct config_http http = {.on =
				       strcmp(node->words[1].text, "off") != 0};

	(void)row;
	if (http.on && !read_addr(r, &node->words[1], &http.addr))
		return false;
	*(struct config_http *)field = http;
	return true;
}

static bool
print_http(const struct config_row *row, const void *field, size_t i,
	   struct buf *out)
{
	const struct config_http *http = field;

	(void)row;
	if (i > 0)
		return false;
	if (http->on)
		add_sock(out, &http->addr);
	else
		buf_add_str(out, "off");
	return true;
}

const struct config_shape config_shape_http = {1, 1, "IP:PORT | off", read_http,
					       print_http};
