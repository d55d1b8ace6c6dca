/*
 * The kinds of values: from words and back. What is printed reads back to the
 * same value. An error names what was written, what is wanted and, where
 * there is one, the allowed range.
 */
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/un.h>

#include "gateway/base/address.h"
#include "gateway/base/units.h"
#include "gateway/config_int.h"

#define DOMAIN_MAX 253
#define LABEL_MAX 63
#define NAME_MAX_BYTES 63

static const char *
show(struct config_reading *r, const struct config_word *word)
{
	return config_word_text(r->arena, word->text);
}

void *
config_list_add(struct arena *arena, void **v, size_t *count, size_t size)
{
	size_t n = *count;
	char *p = *v;

	/* full at each power of two */
	if ((n & (n - 1)) == 0) {
		p = arena_alloc(arena, (n > 0 ? 2 * n : 1) * size);
		if (n > 0)
			memcpy(p, *v, n * size);
		*v = p;
	}
	memset(p + n * size, 0, size);
	*count = n + 1;
	return p + n * size;
}

void
config_word_print(struct buf *out, const char *word)
{
	if (word[0] != '\0' && strpbrk(word, " \t{};\"#\\") == NULL) {
		buf_add_str(out, word);
		return;
	}
	buf_add_byte(out, '"');
	for (; *word != '\0'; word++) {
		if (*word == '"' || *word == '\\')
			buf_add_byte(out, '\\');
		if (*word == '\t')
			buf_add_str(out, "\\t");
		else
			buf_add_byte(out, *word);
	}
	buf_add_byte(out, '"');
}

/* --- names --------------------------------------------------------------- */

bool
config_is_name(const char *text)
{
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz"
				"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	return n > 0 && text[n] == '\0' && n <= NAME_MAX_BYTES &&
	       text[0] != '-' && text[0] != '.';
}

static const char *
label_fault(struct slice label)
{
	if (label.n == 0)
		return "it has an empty label";
	if (label.n > LABEL_MAX)
		return "a label is longer than 63 characters";
	if (label.p[0] == '-' || label.p[label.n - 1] == '-')
		return "a label begins or ends with '-'";
	for (size_t i = 0; i < label.n; i++) {
		unsigned char c = (unsigned char)label.p[i];

		if (c >= 0x80)
			return "write it in its xn-- form";
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		      c == '-' || c == '_'))
			return "only letters, digits, '-' and '.' can stand "
			       "in one";
	}
	return NULL;
}

const char *
config_domain_key(struct arena *arena, const char *text, const char **why)
{
	struct buf key = {.cap = 1024};
	struct slice rest, label;
	struct ip_addr ip;
	const char *kept = NULL;

	*why = NULL;
	address_domain_key(&key, slice_str(text));
	rest = buf_slice(&key);
	if (rest.n == 0)
		*why = "it is empty";
	else if (rest.n > DOMAIN_MAX || key.overflow)
		*why = "it is longer than 253 characters";
	else if (ip_parse(rest, &ip) == 0)
		*why = "it is an address";
	else if (rest.p[rest.n - 1] == '.')
		*why = "it has an empty label";
	while (*why == NULL && slice_split(&rest, '.', &label))
		*why = label_fault(label);
	if (*why == NULL)
		kept = arena_dup(arena, buf_slice(&key));
	buf_fini(&key);
	return kept;
}

static bool
read_domain(struct config_reading *r, const struct config_row *row,
	    const struct config_node *node, void *field)
{
	const struct config_word *word = &node->words[1];
	const char *why, *key = config_domain_key(r->arena, word->text, &why);

	if (key == NULL) {
		config_error(
		    r->problems, word->at, "'%s' is no %s: %s", show(r, word),
		    row->kind == CONFIG_HOSTNAME ? "host name" : "domain", why);
		return false;
	}
	*(const char **)field = key;
	return true;
}

static bool
read_domains(struct config_reading *r, const struct config_row *row,
	     const struct config_node *node, void *field)
{
	struct config_names *names = field;
	bool good = true;

	for (size_t i = 1; i < node->count; i++) {
		const struct config_word *word = &node->words[i];
		const char *text = word->text, *why, *key;
		bool below = row->kind == CONFIG_ROUTED && text[0] == '.';
		const char **to;

		key = config_domain_key(r->arena, text + below, &why);
		if (key == NULL) {
			config_error(r->problems, word->at,
				     "'%s' is no domain: %s", show(r, word),
				     why);
			good = false;
			continue;
		}
		if (below) {
			char *dotted = arena_alloc(r->arena, strlen(key) + 2);

			dotted[0] = '.';
			memcpy(dotted + 1, key, strlen(key) + 1);
			key = dotted;
		}
		to = config_list_add(r->arena, (void **)&names->v,
				     &names->count, sizeof(*names->v));
		*to = key;
	}
	return good;
}

static bool
print_names(const struct config_row *row, const void *field, size_t i,
	    struct buf *out)
{
	const struct config_names *names = field;

	(void)row;
	for (size_t at = 0; at < names->count && i == 0; at++) {
		if (at > 0)
			buf_add_byte(out, ' ');
		config_word_print(out, names->v[at]);
	}
	return i == 0 && names->count > 0;
}

/* --- texts --------------------------------------------------------------- */

bool
config_absolute(struct config_reading *r, const struct config_word *word)
{
	if (strlen(word->text) >= PATH_MAX) {
		config_error(r->problems, word->at,
			     "a path has at most %d bytes", PATH_MAX - 1);
		return false;
	}
	if (word->text[0] == '/')
		return true;
	config_error(r->problems, word->at,
		     "'%s' is not an absolute path: begin it with '/'",
		     show(r, word));
	return false;
}

static bool
read_path(struct config_reading *r, const struct config_row *row,
	  const struct config_node *node, void *field)
{
	const struct config_word *word = &node->words[1];
	size_t most = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;

	if (!config_absolute(r, word))
		return false;
	if (row->kind == CONFIG_SOCKET && strlen(word->text) > most) {
		config_error(r->problems, word->at,
			     "the path of a socket has at most %zu bytes, "
			     "this has %zu",
			     most, strlen(word->text));
		return false;
	}
	*(const char **)field = word->text;
	return true;
}

static bool
read_user(struct config_reading *r, const struct config_row *row,
	  const struct config_node *node, void *field)
{
	const struct config_word *word = &node->words[1];

	(void)row;
	if (!config_is_name(word->text)) {
		config_error(r->problems, word->at, "'%s' is no user name",
			     show(r, word));
		return false;
	}
	*(const char **)field = word->text;
	return true;
}

static bool
read_mail(struct config_reading *r, const struct config_row *row,
	  const struct config_node *node, void *field)
{
	const struct config_word *word = &node->words[1];
	struct slice s = slice_str(word->text);
	struct slice local = address_local(s), domain = address_domain(s);
	bool good = local.n > 0 && local.n <= 64 && domain.n > 0 && s.n <= 254;

	(void)row;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c <= ' ' || c >= 0x7f || strchr("<>()[]\\,;:\"", c))
			good = false;
	}
	if (!good) {
		config_error(r->problems, word->at,
			     "'%s' is no mail address: it is written "
			     "name@domain",
			     show(r, word));
		return false;
	}
	*(const char **)field = word->text;
	return true;
}

static bool
print_text(const struct config_row *row, const void *field, size_t i,
	   struct buf *out)
{
	const char *text = *(const char *const *)field;

	(void)row;
	if (text == NULL || i > 0)
		return false;
	config_word_print(out, text);
	return true;
}

/* --- words out of a list -------------------------------------------------- */

static bool
read_switch(struct config_reading *r, const struct config_row *row,
	    const struct config_node *node, void *field)
{
	const struct config_word *word = &node->words[1];
	bool on = strcmp(word->text, "on") == 0;

	if (!on && strcmp(word->text, "off") != 0) {
		config_error(r->problems, word->at,
			     "'%s' is 'on' or 'off', not '%s'",
			     config_row_name(row), show(r, word));
		return false;
	}
	*(bool *)field = on;
	return true;
}

static bool
print_switch(const struct config_row *row, const void *field, size_t i,
	     struct buf *out)
{
	(void)row;
	if (i == 0)
		buf_add_str(out, *(const bool *)field ? "on" : "off");
	return i == 0;
}

static void
add_choices(const struct config_row *row, const char *between, struct buf *out)
{
	for (size_t i = 0; row->choices[i] != NULL; i++)
		buf_printf(out, "%s%s", i > 0 ? between : "", row->choices[i]);
}

static bool
read_choice(struct config_reading *r, const struct config_row *row,
	    const struct config_node *node, void *field)
{
	const struct config_word *word = &node->words[1];
	struct buf all = {.cap = 256};
	size_t n = 0;

	for (; row->choices[n] != NULL; n++) {
		if (strcmp(row->choices[n], word->text) == 0) {
			*(int *)field = (int)n;
			return true;
		}
	}
	add_choices(row, ", ", &all);
	config_error(r->problems, word->at, "'%s' is one of %s; not '%s'%s",
		     config_row_name(row), buf_cstr(&all), show(r, word),
		     config_nearest(r->arena, word->text, row->choices, n));
	buf_fini(&all);
	return false;
}

static bool
print_choice(const struct config_row *row, const void *field, size_t i,
	     struct buf *out)
{
	if (i == 0)
		buf_add_str(out, row->choices[*(const int *)field]);
	return i == 0;
}

/* --- numbers -------------------------------------------------------------- */

static void
add_number(enum config_kind kind, uint64_t v, struct buf *out)
{
	if (kind == CONFIG_TIME || kind == CONFIG_TIMES)
		units_format_time(out, (int64_t)v);
	else if (kind == CONFIG_SIZE)
		units_format_size(out, v);
	else
		buf_printf(out, "%" PRIu64, v);
}

bool
config_value_range(const struct config_row *row, struct buf *out)
{
	switch (row->kind) {
	case CONFIG_COUNT:
	case CONFIG_SIZE:
	case CONFIG_TIME:
	case CONFIG_TIMES:
		add_number(row->kind, row->min, out);
		buf_add_str(out, " to ");
		add_number(row->kind, row->max, out);
		return true;
	case CONFIG_BLOCK:
	case CONFIG_NAMED:
	case CONFIG_SWITCH:
	case CONFIG_CHOICE:
	case CONFIG_HOSTNAME:
	case CONFIG_DOMAIN:
	case CONFIG_DOMAINS:
	case CONFIG_ROUTED:
	case CONFIG_PATH:
	case CONFIG_SOCKET:
	case CONFIG_USER:
	case CONFIG_MAIL:
	case CONFIG_LISTEN:
	case CONFIG_RESOLVER:
	case CONFIG_PREFIX:
	case CONFIG_SOURCE:
	case CONFIG_HTTP:
	case CONFIG_BACKEND:
	case CONFIG_HOST:
	case CONFIG_LOGIN:
	case CONFIG_VIA:
	case CONFIG_TARGET:
		break;
	}
	return false;
}

static const char *
wanted(enum config_kind kind)
{
	if (kind == CONFIG_TIME || kind == CONFIG_TIMES)
		return "a time: 300ms, 30s, 5m, 2h, 4d";
	if (kind == CONFIG_SIZE)
		return "a size: 512, 64K, 25M, 1G";
	return "a whole number";
}

/* What a word is, where another unit was wanted. */
static const char *
looks_like(const char *text)
{
	struct slice s = slice_str(text);
	uint64_t u;
	int64_t ms;

	if (units_count(s, &u) == 0)
		return "a bare number";
	if (units_time_ms(s, &ms) == 0)
		return "a time";
	if (units_size(s, &u) == 0)
		return "a size";
	return NULL;
}

static bool
number(struct config_reading *r, const struct config_row *row,
       const struct config_word *word, uint64_t *value)
{
	struct slice s = slice_str(word->text);
	struct buf range = {.cap = 128};
	const char *is;
	int64_t ms = 0;
	int err;

	if (row->kind == CONFIG_TIME || row->kind == CONFIG_TIMES) {
		err = units_time_ms(s, &ms);
		*value = (uint64_t)ms;
	} else if (row->kind == CONFIG_SIZE) {
		err = units_size(s, value);
	} else {
		err = units_count(s, value);
	}
	if (err == 0 && *value >= row->min && *value <= row->max)
		return true;
	if (err == 0 || err == GW_ETOOBIG) {
		config_value_range(row, &range);
		config_error(
		    r->problems, word->at, "'%s' cannot be %s: allowed is %s",
		    config_row_name(row), show(r, word), buf_cstr(&range));
		buf_fini(&range);
		return false;
	}
	is = looks_like(word->text);
	if (is != NULL)
		config_error(r->problems, word->at,
			     "'%s' is %s, but '%s' takes %s", show(r, word), is,
			     config_row_name(row), wanted(row->kind));
	else
		config_error(r->problems, word->at, "'%s' is not %s",
			     show(r, word), wanted(row->kind));
	return false;
}

bool
config_number(struct config_reading *r, const struct config_word *word,
	      uint64_t min, uint64_t max, uint64_t *value)
{
	int err = units_count(slice_str(word->text), value);

	if (err == 0 && *value >= min && *value <= max)
		return true;
	if (err == GW_EINVAL)
		config_error(r->problems, word->at,
			     "'%s' is not a whole number", show(r, word));
	else
		config_error(r->problems, word->at,
			     "it cannot be %s: allowed is %" PRIu64
			     " to %" PRIu64,
			     show(r, word), min, max);
	return false;
}

static bool
read_number(struct config_reading *r, const struct config_row *row,
	    const struct config_node *node, void *field)
{
	uint64_t value;

	if (!number(r, row, &node->words[1], &value))
		return false;
	if (row->kind == CONFIG_TIME)
		*(int64_t *)field = (int64_t)value;
	else
		*(uint64_t *)field = value;
	return true;
}

static bool
print_number(const struct config_row *row, const void *field, size_t i,
	     struct buf *out)
{
	if (i > 0)
		return false;
	if (row->kind == CONFIG_TIME)
		add_number(row->kind, (uint64_t) * (const int64_t *)field, out);
	else
		add_number(row->kind, *(const uint64_t *)field, out);
	return true;
}

#define TIMES_MAX 32

static bool
read_times(struct config_reading *r, const struct config_row *row,
	   const struct config_node *node, void *field)
{
	struct config_times times = {.count = 0};
	bool good = true;

	if (node->count - 1 > TIMES_MAX) {
		config_error(r->problems, node->words[0].at,
			     "'%s' takes at most %d times",
			     config_row_name(row), TIMES_MAX);
		return false;
	}
	for (size_t i = 1; i < node->count; i++) {
		uint64_t value;
		int64_t *to;

		if (!number(r, row, &node->words[i], &value)) {
			good = false;
			continue;
		}
		to = config_list_add(r->arena, (void **)&times.v, &times.count,
				     sizeof(*times.v));
		*to = (int64_t)value;
	}
	if (good)
		*(struct config_times *)field = times;
	return good;
}

static bool
print_times(const struct config_row *row, const void *field, size_t i,
	    struct buf *out)
{
	const struct config_times *times = field;

	(void)row;
	for (size_t at = 0; at < times->count && i == 0; at++) {
		if (at > 0)
			buf_add_byte(out, ' ');
		units_format_time(out, times->v[at]);
	}
	return i == 0 && times->count > 0;
}

/* --- all of them -----------------------------------------------------------
 */

static const struct config_shape shape_switch = {1, 1, "on | off", read_switch,
						 print_switch};
static const struct config_shape shape_choice = {1, 1, NULL, read_choice,
						 print_choice};
static const struct config_shape shape_count = {1, 1, "NUMBER", read_number,
						print_number};
static const struct config_shape shape_size = {1, 1, "SIZE", read_number,
					       print_number};
static const struct config_shape shape_time = {1, 1, "TIME", read_number,
					       print_number};
static const struct config_shape shape_times = {1, 0, "TIME ...", read_times,
						print_times};
static const struct config_shape shape_domain = {1, 1, "DOMAIN", read_domain,
						 print_text};
static const struct config_shape shape_hostname = {1, 1, "NAME", read_domain,
						   print_text};
static const struct config_shape shape_domains = {1, 0, "DOMAIN ...",
						  read_domains, print_names};
static const struct config_shape shape_path = {1, 1, "PATH", read_path,
					       print_text};
static const struct config_shape shape_user = {1, 1, "NAME", read_user,
					       print_text};
static const struct config_shape shape_mail = {1, 1, "ADDRESS", read_mail,
					       print_text};

static const struct config_shape *
shape_of(enum config_kind kind)
{
	switch (kind) {
	case CONFIG_BLOCK:
	case CONFIG_NAMED:
		break;
	case CONFIG_SWITCH:
		return &shape_switch;
	case CONFIG_CHOICE:
		return &shape_choice;
	case CONFIG_COUNT:
		return &shape_count;
	case CONFIG_SIZE:
		return &shape_size;
	case CONFIG_TIME:
		return &shape_time;
	case CONFIG_TIMES:
		return &shape_times;
	case CONFIG_HOSTNAME:
		return &shape_hostname;
	case CONFIG_DOMAIN:
		return &shape_domain;
	case CONFIG_DOMAINS:
	case CONFIG_ROUTED:
		return &shape_domains;
	case CONFIG_PATH:
	case CONFIG_SOCKET:
		return &shape_path;
	case CONFIG_USER:
		return &shape_user;
	case CONFIG_MAIL:
		return &shape_mail;
	case CONFIG_LISTEN:
		return &config_shape_listen;
	case CONFIG_RESOLVER:
		return &config_shape_resolver;
	case CONFIG_PREFIX:
		return &config_shape_prefix;
	case CONFIG_SOURCE:
		return &config_shape_source;
	case CONFIG_HTTP:
		return &config_shape_http;
	case CONFIG_BACKEND:
		return &config_shape_backend;
	case CONFIG_HOST:
		return &config_shape_host;
	case CONFIG_LOGIN:
		return &config_shape_login;
	case CONFIG_VIA:
		return &config_shape_via;
	case CONFIG_TARGET:
		return &config_shape_target;
	}
	return NULL;
}

bool
config_value_read(struct config_reading *r, const struct config_row *row,
		  const struct config_node *node, void *field)
{
	const struct config_shape *shape = shape_of(row->kind);
	size_t given = node->count - 1;
	const char *name = config_row_name(row);
	struct buf syntax = {.cap = 256};

	if (given >= shape->least && (shape->most == 0 || given <= shape->most))
		return shape->read(r, row, node, field);
	config_value_syntax(row, &syntax);
	config_error(r->problems, node->words[0].at,
		     "'%s' has too %s values: write '%s %s;'", name,
		     given < shape->least ? "few" : "many", name,
		     buf_cstr(&syntax));
	buf_fini(&syntax);
	return false;
}

bool
config_value_print(const struct config_row *row, const void *field, size_t i,
		   struct buf *out)
{
	return shape_of(row->kind)->print(row, field, i, out);
}

void
config_value_syntax(const struct config_row *row, struct buf *out)
{
	const struct config_shape *shape = shape_of(row->kind);

	if (shape == NULL)
		buf_add_str(out, row->kind == CONFIG_NAMED ? "NAME { ... }"
							   : "{ ... }");
	else if (shape->syntax != NULL)
		buf_add_str(out, shape->syntax);
	else
		add_choices(row, " | ", out);
}
