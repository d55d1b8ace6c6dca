/*
 * The kinds of values: which shape each has, and what all shapes share. What
 * is printed reads back to the same value.
 */
#include <string.h>

#include "gateway/config_int.h"

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

/* A block has no values: nobody asks for one. */
static bool
read_block(struct config_reading *r, const struct config_row *row,
	   const struct config_node *node, void *field)
{
	(void)r;
	(void)row;
	(void)node;
	(void)field;
	return false;
}

static bool
print_block(const struct config_row *row, const void *field, size_t i,
	    struct buf *out)
{
	(void)row;
	(void)field;
	(void)i;
	(void)out;
	return false;
}

static const struct config_shape shape_block = {0, 0, "{ ... }", read_block,
						print_block};
static const struct config_shape shape_named = {1, 1, "NAME { ... }",
						read_block, print_block};

static const struct config_shape *
shape_of(enum config_kind kind)
{
	switch (kind) {
	case CONFIG_BLOCK:
		break;
	case CONFIG_NAMED:
		return &shape_named;
	case CONFIG_SWITCH:
		return &config_shape_switch;
	case CONFIG_CHOICE:
		return &config_shape_choice;
	case CONFIG_CHOICES:
		return &config_shape_choices;
	case CONFIG_COUNT:
		return &config_shape_count;
	case CONFIG_COUNT_OR:
		return &config_shape_count_or;
	case CONFIG_SIZE:
		return &config_shape_size;
	case CONFIG_TIME:
		return &config_shape_time;
	case CONFIG_TIMES:
		return &config_shape_times;
	case CONFIG_HOSTNAME:
		return &config_shape_hostname;
	case CONFIG_DOMAIN:
		return &config_shape_domain;
	case CONFIG_DOMAINS:
	case CONFIG_ROUTED:
		return &config_shape_domains;
	case CONFIG_PATH:
	case CONFIG_SOCKET:
		return &config_shape_path;
	case CONFIG_USER:
		return &config_shape_user;
	case CONFIG_MAIL:
		return &config_shape_mail;
	case CONFIG_LISTEN:
		return &config_shape_listen;
	case CONFIG_RESOLVER:
		return &config_shape_resolver;
	case CONFIG_PREFIX:
		return &config_shape_prefix;
	case CONFIG_SOURCE:
		return &config_shape_source;
	case CONFIG_SOURCES:
		return &config_shape_sources;
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
	case CONFIG_TEXT:
		return &config_shape_text;
	case CONFIG_NAMES:
		return &config_shape_names;
	case CONFIG_LOGINS:
		return &config_shape_logins;
	case CONFIG_RATES:
		return &config_shape_rates;
	case CONFIG_VOLUME:
		return &config_shape_volume;
	case CONFIG_AT_ONCE:
		return &config_shape_at_once;
	case CONFIG_BITS:
		return &config_shape_bits;
	case CONFIG_OVER:
		return &config_shape_over;
	case CONFIG_ICAP:
		return &config_shape_icap;
	case CONFIG_TOKEN:
		return &config_shape_token;
	case CONFIG_SELECTOR:
		return &config_shape_selector;
	case CONFIG_WHEN:
		return &config_shape_when;
	case CONFIG_PER_HOUR:
		return &config_shape_per_hour;
	case CONFIG_PER_MIN:
		return &config_shape_per_min;
	case CONFIG_PERCENT:
		return &config_shape_percent;
	case CONFIG_SHARES:
		return &config_shape_shares;
	case CONFIG_COUNTS:
		return &config_shape_counts;
	case CONFIG_DATE:
		return &config_shape_date;
	}
	return &shape_block;
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

	if (shape->syntax != NULL)
		buf_add_str(out, shape->syntax);
	else
		config_add_choices(row, " | ", out);
	if (row->kind == CONFIG_CHOICES)
		buf_add_str(out, " ...");
}
