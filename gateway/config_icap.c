/*
 * The address of a virus scanner: icaps://HOST[:PORT]/SERVICE, and behind it
 * its share and its maker. A server that is written twice, in whatever way, is
 * the check's business.
 */
#include <inttypes.h>
#include <string.h>

#include "gateway/config_int.h"
#include "gateway/icap/profile.h"

#define PORT_PLAIN 1344
#define PORT_TLS 11344
#define WEIGHT_MAX 1000
#define SERVICE_MAX 200
#define PROFILES_MAX 64

static const char *
show(struct config_reading *r, const struct config_word *word)
{
	return config_word_text(r->arena, word->text);
}

static bool
bad_url(struct config_reading *r, const struct config_word *word)
{
	config_error(r->problems, word->at,
		     "'%s' is no address of a scanner: write "
		     "icaps://HOST/SERVICE, or icap://HOST:PORT/SERVICE",
		     show(r, word));
	return false;
}

/* It is sent as it is, in a line of its own. */
static bool
read_service(struct config_reading *r, const struct config_word *word,
	     struct slice path, struct config_scan_server *server)
{
	bool good = path.n > 0 && path.n <= SERVICE_MAX;

	for (size_t i = 0; i < path.n; i++) {
		if (path.p[i] <= ' ' || path.p[i] > '~' || path.p[i] == '#')
			good = false;
	}
	if (!good) {
		config_error(r->problems, word->at,
			     "behind the host of '%s' stands '/' and the "
			     "service: 1 to %d printable ASCII characters",
			     show(r, word), SERVICE_MAX);
		return false;
	}
	server->service = arena_dup(r->arena, path);
	return true;
}

/* "av.example.com", "av.example.com:1344", "[2001:db8::1]:1344". */
static bool
read_authority(struct config_reading *r, const struct config_word *word,
	       struct slice authority, struct config_scan_server *server)
{
	size_t end = authority.n;
	struct slice port;
	uint64_t number;

	while (end > 0 && authority.p[end - 1] != ':' &&
	       authority.p[end - 1] != ']')
		end--;
	if (end > 0 && authority.p[end - 1] == ':') {
		port = slice_from(authority, end);
		if (!slice_u64(port, &number) || number == 0 ||
		    number > UINT16_MAX) {
			config_error(r->problems, word->at,
				     "the port in '%s' is not one of 1 to "
				     "65535",
				     show(r, word));
			return false;
		}
		server->port = (uint16_t)number;
		authority = slice_head(authority, end - 1);
	}
	if (authority.n == 0)
		return bad_url(r, word);
	server->host = config_host_name(r, word, authority);
	return server->host != NULL;
}

static bool
read_url(struct config_reading *r, const struct config_word *word,
	 struct config_scan_server *server)
{
	struct slice rest = slice_str(word->text);
	size_t slash;

	if (slice_starts(rest, SLICE_LIT("icaps://"))) {
		server->tls = true;
		server->port = PORT_TLS;
		rest = slice_from(rest, strlen("icaps://"));
	} else if (slice_starts(rest, SLICE_LIT("icap://"))) {
		server->port = PORT_PLAIN;
		rest = slice_from(rest, strlen("icap://"));
	} else {
		return bad_url(r, word);
	}
	slash = slice_find(rest, '/');
	if (slash == rest.n)
		return read_service(r, word, SLICE_NONE, server);
	return read_authority(r, word, slice_head(rest, slash), server) &&
	       read_service(r, word, slice_from(rest, slash + 1), server);
}

static bool
read_profile(struct config_reading *r, const struct config_word *word,
	     struct config_scan_server *server)
{
	const char *names[PROFILES_MAX];
	struct buf all = {.cap = 1024};
	size_t n = 0;

	server->profile = word->text;
	if (icap_profile_find(word->text) != NULL)
		return true;
	for (; n < PROFILES_MAX && icap_profile_at(n) != NULL; n++) {
		names[n] = icap_profile_at(n)->name;
		buf_printf(&all, "%s%s", n > 0 ? ", " : "", names[n]);
	}
	config_error(r->problems, word->at,
		     "there is no profile '%s': there are %s%s", show(r, word),
		     buf_cstr(&all),
		     config_nearest(r->arena, word->text, names, n));
	buf_fini(&all);
	return false;
}

/* The words behind the address: each a name and its value, each once. */
static bool
read_more(struct config_reading *r, const struct config_node *node,
	  struct config_scan_server *server)
{
	bool has_weight = false, has_profile = false;
	uint64_t weight = 1;

	for (size_t i = 2; i < node->count; i += 2) {
		const struct config_word *word = &node->words[i];
		bool is_weight = strcmp(word->text, "weight") == 0;
		bool *has = is_weight ? &has_weight : &has_profile;

		if ((!is_weight && strcmp(word->text, "profile") != 0) ||
		    i + 1 == node->count || *has) {
			config_error(r->problems, word->at,
				     "behind the address 'weight NUMBER' and "
				     "'profile NAME' can stand, each once");
			return false;
		}
		*has = true;
		if (is_weight
			? !config_number(r, word + 1, 0, WEIGHT_MAX, &weight)
			: !read_profile(r, word + 1, server))
			return false;
	}
	server->weight = (uint16_t)weight;
	return true;
}

static bool
read_icap(struct config_reading *r, const struct config_row *row,
	  const struct config_node *node, void *field)
{
	struct config_scan_servers *servers = field;
	struct config_scan_server server = {.at = node->words[1].at}, *to;

	if (servers->count >= row->max) {
		config_error(r->problems, node->words[0].at,
			     "more than %" PRIu64 " %s in one block", row->max,
			     row->unit);
		return false;
	}
	if (!read_url(r, &node->words[1], &server) ||
	    !read_more(r, node, &server))
		return false;
	to = config_list_add(r->arena, (void **)&servers->v, &servers->count,
			     sizeof(*servers->v));
	*to = server;
	return true;
}

static bool
print_icap(const struct config_row *row, const void *field, size_t i,
	   struct buf *out)
{
	const struct config_scan_servers *servers = field;
	const struct config_scan_server *s;
	struct buf url = {.cap = 1024};
	bool v6;

	(void)row;
	if (i >= servers->count)
		return false;
	s = &servers->v[i];
	v6 = strchr(s->host, ':') != NULL;
	buf_printf(&url, v6 ? "icap%s://[%s]:%u/%s" : "icap%s://%s:%u/%s",
		   s->tls ? "s" : "", s->host, (unsigned)s->port, s->service);
	config_word_print(out, buf_cstr(&url));
	buf_fini(&url);
	if (s->weight != 1)
		buf_printf(out, " weight %u", (unsigned)s->weight);
	if (s->profile != NULL) {
		buf_add_str(out, " profile ");
		config_word_print(out, s->profile);
	}
	return true;
}

const struct config_shape config_shape_icap = {
    1, 5, "URL [weight NUMBER] [profile NAME]", read_icap, print_icap};
