/*
 * Values that are words: names, domains, paths, mail addresses, and the words
 * out of a list.
 */
#include <limits.h>
#include <string.h>
#include <sys/un.h>

#include "gateway/auth/user.h"
#include "gateway/base/address.h"
#include "gateway/config_int.h"

#define DOMAIN_MAX 253
#define LABEL_MAX 63
#define NAME_MAX_BYTES 63

static const char *
show(struct config_reading *r, const struct config_word *word)
{
	return config_word_text(r->arena, word->text);
}

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

/* --- texts --- */

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

/* It goes into replies: one line, and no byte that needs SMTPUTF8. */
static bool
read_text(struct config_reading *r, const struct config_row *row,
	  const struct config_node *node, void *field)
{
	const struct config_word *word = &node->words[1];
	size_t n = strlen(word->text);
	bool good = n >= row->min && n <= row->max;

	for (size_t i = 0; i < n; i++) {
		if (word->text[i] < ' ' || word->text[i] > '~')
			good = false;
	}
	if (!good) {
		config_error(r->problems, word->at,
			     "'%s' is %zu to %zu printable ASCII characters",
			     config_row_name(row), (size_t)row->min,
			     (size_t)row->max);
		return false;
	}
	*(const char **)field = word->text;
	return true;
}

/* --- lists of names --- */

/* NULL: told. */
static const char *
login_key(struct config_reading *r, const struct config_word *word)
{
	struct buf key = {.cap = 1024};
	const char *kept = NULL;

	if (user_normalise(slice_str(word->text), NULL, &key) == 0)
		kept = arena_dup(r->arena, buf_slice(&key));
	else
		config_error(r->problems, word->at, "'%s' is no login",
			     show(r, word));
	buf_fini(&key);
	return kept;
}

static const char *
name_key(struct config_reading *r, const struct config_word *word)
{
	if (config_is_name(word->text))
		return word->text;
	config_error(r->problems, word->at,
		     "'%s' is no name: a name has up to 63 letters, digits, "
		     "'.', '_' and '-'",
		     show(r, word));
	return NULL;
}

static bool
read_names(struct config_reading *r, const struct config_row *row,
	   const struct config_node *node, void *field)
{
	struct config_names *names = field;
	bool good = true;

	if (!config_room(r, row, node, names->count))
		return false;
	for (size_t i = 1; i < node->count; i++) {
		const struct config_word *word = &node->words[i];
		const char *key = row->kind == CONFIG_LOGINS
				      ? login_key(r, word)
				      : name_key(r, word);
		const char **to;

		if (key == NULL) {
			good = false;
			continue;
		}
		to = config_list_add(r->arena, (void **)&names->v,
				     &names->count, sizeof(*names->v));
		*to = key;
	}
	return good;
}

/* --- words out of a list --- */

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

void
config_add_choices(const struct config_row *row, const char *between,
		   struct buf *out)
{
	for (size_t i = 0; row->choices[i] != NULL; i++)
		buf_printf(out, "%s%s", i > 0 ? between : "", row->choices[i]);
}

/* The word's place in the list; false: told. */
static bool
choice_find(struct config_reading *r, const struct config_row *row,
	    const struct config_word *word, size_t *at)
{
	struct buf all = {.cap = 256};
	size_t n = 0;

	for (; row->choices[n] != NULL; n++) {
		if (strcmp(row->choices[n], word->text) == 0) {
			*at = n;
			return true;
		}
	}
	config_add_choices(row, ", ", &all);
	config_error(r->problems, word->at, "'%s' is one of %s; not '%s'%s",
		     config_row_name(row), buf_cstr(&all), show(r, word),
		     config_nearest(r->arena, word->text, row->choices, n));
	buf_fini(&all);
	return false;
}

static bool
read_choice(struct config_reading *r, const struct config_row *row,
	    const struct config_node *node, void *field)
{
	size_t at;

	if (!choice_find(r, row, &node->words[1], &at))
		return false;
	*(int *)field = (int)at;
	return true;
}

static bool
read_choices(struct config_reading *r, const struct config_row *row,
	     const struct config_node *node, void *field)
{
	unsigned set = 0;
	bool good = true;
	size_t at;

	for (size_t i = 1; i < node->count; i++) {
		if (choice_find(r, row, &node->words[i], &at))
			set |= 1u << at;
		else
			good = false;
	}
	if (good)
		*(unsigned *)field = set;
	return good;
}

static bool
print_choices(const struct config_row *row, const void *field, size_t i,
	      struct buf *out)
{
	unsigned set = *(const unsigned *)field;
	const char *between = "";

	for (size_t at = 0; row->choices[at] != NULL && i == 0; at++) {
		if (!(set >> at & 1))
			continue;
		buf_printf(out, "%s%s", between, row->choices[at]);
		between = " ";
	}
	return i == 0 && set != 0;
}

static bool
print_choice(const struct config_row *row, const void *field, size_t i,
	     struct buf *out)
{
	int at = *(const int *)field;

	if (i > 0 || at < 0)
		return false;
	buf_add_str(out, row->choices[at]);
	return true;
}

const struct config_shape config_shape_switch = {1, 1, "on | off", read_switch,
						 print_switch};
const struct config_shape config_shape_choice = {1, 1, NULL, read_choice,
						 print_choice};
const struct config_shape config_shape_choices = {1, 0, NULL, read_choices,
						  print_choices};
const struct config_shape config_shape_domain = {1, 1, "DOMAIN", read_domain,
						 print_text};
const struct config_shape config_shape_hostname = {1, 1, "NAME", read_domain,
						   print_text};
const struct config_shape config_shape_domains = {1, 0, "DOMAIN ...",
						  read_domains, print_names};
const struct config_shape config_shape_path = {1, 1, "PATH", read_path,
					       print_text};
const struct config_shape config_shape_user = {1, 1, "NAME", read_user,
					       print_text};
const struct config_shape config_shape_mail = {1, 1, "ADDRESS", read_mail,
					       print_text};
const struct config_shape config_shape_text = {1, 1, "TEXT", read_text,
					       print_text};
const struct config_shape config_shape_names = {1, 0, "NAME ...", read_names,
						print_names};
const struct config_shape config_shape_logins = {1, 0, "LOGIN ...", read_names,
						 print_names};
