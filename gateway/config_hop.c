/*
 * Values that only one directive has: the login backend, a relay's host and
 * login, the next hop, the log's place.
 */
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/un.h>

#include "gateway/config_int.h"

#define SHARE_MAX 1000 /* of weights and priorities */

static const char *
show(struct config_reading *r, const struct config_word *word)
{
	return config_word_text(r->arena, word->text);
}

static bool
read_backend(struct config_reading *r, const struct config_row *row,
	     const struct config_node *node, void *field)
{
	const struct config_word *word = node->words;
	size_t most = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;
	struct config_backend *backend = field;

	(void)row;
	if (strcmp(word[1].text, "local") == 0 && node->count == 2) {
		*backend = (struct config_backend){.dovecot = false};
		return true;
	}
	if (strcmp(word[1].text, "dovecot") != 0 || node->count != 3) {
		config_error(r->problems, word[1].at,
			     "'backend' is 'local', or 'dovecot' and the path "
			     "of its auth socket");
		return false;
	}
	if (!config_absolute(r, &word[2]))
		return false;
	if (strlen(word[2].text) > most) {
		config_error(r->problems, word[2].at,
			     "the path of a socket has at most %zu bytes, "
			     "this has %zu",
			     most, strlen(word[2].text));
		return false;
	}
	*backend = (struct config_backend){true, word[2].text};
	return true;
}

static bool
print_backend(const struct config_row *row, const void *field, size_t i,
	      struct buf *out)
{
	const struct config_backend *backend = field;

	(void)row;
	if (i > 0)
		return false;
	buf_add_str(out, backend->dovecot ? "dovecot " : "local");
	if (backend->dovecot)
		config_word_print(out, backend->path);
	return true;
}

const struct config_shape config_shape_backend = {1, 2, "local | dovecot PATH",
						  read_backend, print_backend};

/* --- relay.address --- */

const char *
config_host_name(struct config_reading *r, const struct config_word *word,
		 struct slice host)
{
	const char *why, *key;
	struct ip_addr ip;

	if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']') {
		host = (struct slice){host.p + 1, host.n - 2};
		if (ip_parse(host, &ip) == 0)
			return arena_dup(r->arena, host);
	} else if (slice_find(host, ':') == host.n &&
		   ip_parse(host, &ip) == 0) {
		return arena_dup(r->arena, host);
	}
	key = config_domain_key(r->arena, arena_dup(r->arena, host), &why);
	if (key == NULL)
		config_error(r->problems, word->at,
			     "'%s' names no host: %s; an IPv6 address stands "
			     "in [ ]",
			     show(r, word), why);
	return key;
}

/* The words behind the address: each a name and its number, each once. */
static bool
read_shares(struct config_reading *r, const struct config_node *node,
	    struct config_host *host)
{
	uint64_t value, weight = 0, priority = 0;
	bool has_weight = false, has_priority = false;

	for (size_t i = 2; i < node->count; i += 2) {
		const struct config_word *word = &node->words[i];
		bool is_weight = strcmp(word->text, "weight") == 0;
		bool *has = is_weight ? &has_weight : &has_priority;

		if ((!is_weight && strcmp(word->text, "priority") != 0) ||
		    i + 1 == node->count || *has) {
			config_error(r->problems, word->at,
				     "behind the address 'weight NUMBER' and "
				     "'priority NUMBER' can stand, each once");
			return false;
		}
		if (!config_number(r, word + 1, is_weight ? 1 : 0, SHARE_MAX,
				   &value))
			return false;
		*has = true;
		*(is_weight ? &weight : &priority) = value;
	}
	host->weight = (uint16_t)(has_weight ? weight : 1);
	host->priority = (uint16_t)priority;
	return true;
}

static bool
read_host(struct config_reading *r, const struct config_row *row,
	  const struct config_node *node, void *field)
{
	struct config_hosts *hosts = field;
	struct config_host host = {.weight = 1}, *to;
	struct slice name;

	if (hosts->count >= row->max) {
		config_error(r->problems, node->words[0].at,
			     "more than %" PRIu64 " %s in one block", row->max,
			     row->unit);
		return false;
	}
	if (!config_split_port(r, &node->words[1], &name, &host.port))
		return false;
	host.name = config_host_name(r, &node->words[1], name);
	if (host.name == NULL || !read_shares(r, node, &host))
		return false;
	to = config_list_add(r->arena, (void **)&hosts->v, &hosts->count,
			     sizeof(*hosts->v));
	*to = host;
	return true;
}

static bool
print_host(const struct config_row *row, const void *field, size_t i,
	   struct buf *out)
{
	const struct config_hosts *hosts = field;
	const struct config_host *host;
	bool v6;

	(void)row;
	if (i >= hosts->count)
		return false;
	host = &hosts->v[i];
	v6 = strchr(host->name, ':') != NULL;
	buf_printf(out, v6 ? "[%s]:%u" : "%s:%u", host->name,
		   (unsigned)host->port);
	if (host->weight != 1)
		buf_printf(out, " weight %u", (unsigned)host->weight);
	if (host->priority != 0)
		buf_printf(out, " priority %u", (unsigned)host->priority);
	return true;
}

const struct config_shape config_shape_host = {
    1, 5, "HOST:PORT [weight NUMBER] [priority NUMBER]", read_host, print_host};

/* --- relay.login, route.via, log.to --- */

static bool
read_login(struct config_reading *r, const struct config_row *row,
	   const struct config_node *node, void *field)
{
	const struct config_word *word = node->words;

	(void)row;
	if (node->count != 4 || strcmp(word[2].text, "password-file") != 0) {
		config_error(r->problems, word[2].at,
			     "a password never stands in this file: write "
			     "'login NAME password-file PATH;'");
		return false;
	}
	if (word[1].text[0] == '\0' || strlen(word[1].text) > 255) {
		config_error(r->problems, word[1].at,
			     "a login has 1 to 255 bytes");
		return false;
	}
	if (!config_absolute(r, &word[3]))
		return false;
	*(struct config_login *)field =
	    (struct config_login){.name = word[1].text, .file = word[3].text};
	return true;
}

static bool
print_login(const struct config_row *row, const void *field, size_t i,
	    struct buf *out)
{
	const struct config_login *login = field;

	(void)row;
	if (login->name == NULL || i > 0)
		return false;
	config_word_print(out, login->name);
	buf_add_str(out, " password-file ");
	config_word_print(out, login->file);
	return true;
}

/* Two words are let through for the sake of the better message. */
const struct config_shape config_shape_login = {2, 3, "NAME password-file PATH",
						read_login, print_login};

#define MAILDIR "maildir:"

static bool
read_via(struct config_reading *r, const struct config_row *row,
	 const struct config_node *node, void *field)
{
	const struct config_word *word = &node->words[1];
	struct slice s = slice_str(word->text);
	struct config_via via = {.kind = CONFIG_VIA_RELAY};

	(void)row;
	if (slice_eq(s, SLICE_LIT("mx"))) {
		via.kind = CONFIG_VIA_MX;
	} else if (slice_starts(s, SLICE_LIT(MAILDIR))) {
		via.kind = CONFIG_VIA_MAILDIR;
		via.dir = word->text + strlen(MAILDIR);
		if (via.dir[0] != '/' || strlen(via.dir) >= PATH_MAX) {
			config_error(r->problems, word->at,
				     "'%s' is not an absolute path: write "
				     "maildir:/DIR",
				     config_word_text(r->arena, via.dir));
			return false;
		}
	} else {
		via.relay = word->text; /* whether there is one: the check */
	}
	*(struct config_via *)field = via;
	return true;
}

static bool
print_via(const struct config_row *row, const void *field, size_t i,
	  struct buf *out)
{
	const struct config_via *via = field;
	struct buf word = {.cap = 8192};

	(void)row;
	if (i > 0)
		return false;
	switch (via->kind) {
	case CONFIG_VIA_RELAY:
		if (via->relay == NULL)
			return false;
		config_word_print(out, via->relay);
		break;
	case CONFIG_VIA_MX:
		buf_add_str(out, "mx");
		break;
	case CONFIG_VIA_MAILDIR:
		buf_printf(&word, MAILDIR "%s", via->dir);
		config_word_print(out, buf_cstr(&word));
		buf_fini(&word);
		break;
	}
	return true;
}

const struct config_shape config_shape_via = {1, 1, "RELAY | mx | maildir:DIR",
					      read_via, print_via};

static bool
read_target(struct config_reading *r, const struct config_row *row,
	    const struct config_node *node, void *field)
{
	const struct config_word *word = node->words;
	struct config_target target = {.target = LOG_TO_STDERR};

	(void)row;
	if (node->count == 2 && strcmp(word[1].text, "syslog") == 0) {
		target.target = LOG_TO_SYSLOG;
	} else if (node->count == 3 && strcmp(word[1].text, "file") == 0) {
		if (!config_absolute(r, &word[2]))
			return false;
		target.target = LOG_TO_FILE;
		target.path = word[2].text;
	} else if (node->count != 2 || strcmp(word[1].text, "stderr") != 0) {
		config_error(r->problems, word[1].at,
			     "the log goes to 'stderr', 'syslog', or 'file' "
			     "and a path");
		return false;
	}
	*(struct config_target *)field = target;
	return true;
}

static bool
print_target(const struct config_row *row, const void *field, size_t i,
	     struct buf *out)
{
	const struct config_target *target = field;

	(void)row;
	if (i > 0)
		return false;
	switch (target->target) {
	case LOG_TO_STDERR:
		buf_add_str(out, "stderr");
		break;
	case LOG_TO_SYSLOG:
		buf_add_str(out, "syslog");
		break;
	case LOG_TO_FILE:
		buf_add_str(out, "file ");
		config_word_print(out, target->path);
		break;
	}
	return true;
}

const struct config_shape config_shape_target = {
    1, 2, "stderr | syslog | file PATH", read_target, print_target};
