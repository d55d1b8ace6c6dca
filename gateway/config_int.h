#ifndef GATEWAY_CONFIG_INT_H
#define GATEWAY_CONFIG_INT_H

/* What the config_*.c files share and nobody else includes. */

#include "gateway/base/arena.h"
#include "gateway/config_table.h"

/* --- problems: config_problems.c --- */

void config_error(struct config_problems *problems, struct config_place at,
		  const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void config_warn(struct config_problems *problems, struct config_place at,
		 const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void config_problems_sort(struct config_problems *problems);

/* What a file wrote, fit for a message: escaped and cut. A few at a time:
 * each lives until the config's arena goes. */
const char *config_word_text(struct arena *arena, const char *word);
/* ", did you mean 'x'?" or "": the nearest of count candidates. */
const char *config_nearest(struct arena *arena, const char *word,
			   const char *const *candidates, size_t count);

/* --- words: config_lex.c --- */

enum config_token {
	TOKEN_END,
	TOKEN_WORD,
	TOKEN_OPEN,
	TOKEN_CLOSE,
	TOKEN_SEMICOLON
};

struct config_word {
	const char *text; /* TOKEN_WORD: without quotes and escapes */
	enum config_token token;
	bool quoted;
	bool first; /* on its line */
	struct config_place at;
	struct config_place end; /* just behind it */
};

struct config_lex {
	struct slice in;
	size_t at;
	struct config_place here;
	bool line_used; /* a token stood on this line already */
	struct arena *arena;
	struct config_problems *problems;
};

void config_lex_init(struct config_lex *lex, struct slice in,
		     struct config_place start, struct arena *arena,
		     struct config_problems *problems);
void config_lex_next(struct config_lex *lex, struct config_word *word);

/* --- statements: config_tree.c --- */

struct config_node {
	struct config_node *next;
	struct config_word *words; /* at least one */
	size_t count;
	bool block;
	struct config_node *children;
};

/* The file and what it includes as one list of statements; what cannot be
 * read is in problems, and reading goes on. text: instead of the file. */
struct config_node *config_tree_read(const char *path, const struct slice *text,
				     unsigned flags, struct arena *arena,
				     struct config_problems *problems);

/* --- values: config_value.c --- */

struct config_reading {
	struct arena *arena;
	struct config_problems *problems;
	unsigned flags;
};

/* The statement's words into the field of the row; false: an error was told
 * and the field is as before. Lists grow. */
bool config_value_read(struct config_reading *r, const struct config_row *row,
		       const struct config_node *node, void *field);
/* As it would be written behind the name; a list that stands one a line: only
 * value i. False: not set, or i is past the last. */
bool config_value_print(const struct config_row *row, const void *field,
			size_t i, struct buf *out);
/* What stands behind the name: "NAME", "on | off". */
void config_value_syntax(const struct config_row *row, struct buf *out);
/* "1 to 1000000" of a row with a range; false without. */
bool config_value_range(const struct config_row *row, struct buf *out);
void config_word_print(struct buf *out, const char *word); /* quotes it */

/* One kind: how many words it takes, how it is written, read and printed. */
struct config_shape {
	size_t least, most; /* words; most 0: any number */
	const char *syntax; /* NULL: made of the choices */
	bool (*read)(struct config_reading *r, const struct config_row *row,
		     const struct config_node *node, void *field);
	bool (*print)(const struct config_row *row, const void *field, size_t i,
		      struct buf *out);
};
/* config_number.c, _text.c, _addr.c, _hop.c, _limit.c, _icap.c,
 * _token.c, _bulk.c, _dkim.c */
extern const struct config_shape config_shape_count, config_shape_count_or,
    config_shape_size, config_shape_time, config_shape_times;
extern const struct config_shape config_shape_switch, config_shape_choice,
    config_shape_choices, config_shape_hostname, config_shape_domain,
    config_shape_domains, config_shape_path, config_shape_user,
    config_shape_mail, config_shape_text, config_shape_names,
    config_shape_logins;
extern const struct config_shape config_shape_listen, config_shape_resolver,
    config_shape_prefix, config_shape_source, config_shape_sources,
    config_shape_http;
extern const struct config_shape config_shape_backend, config_shape_host,
    config_shape_login, config_shape_via, config_shape_target;
extern const struct config_shape config_shape_rates, config_shape_volume,
    config_shape_at_once, config_shape_bits, config_shape_over;
extern const struct config_shape config_shape_icap, config_shape_token,
    config_shape_selector;
/* config_bulk.c */
extern const struct config_shape config_shape_when, config_shape_per_hour,
    config_shape_per_min, config_shape_percent, config_shape_shares,
    config_shape_counts, config_shape_date;

/* Grow an arena list by one: the new, zeroed element. */
void *config_list_add(struct arena *arena, void **v, size_t *count,
		      size_t size);
/* Key form; NULL: not a domain, and the reason in *why. */
const char *config_domain_key(struct arena *arena, const char *text,
			      const char **why);
/* A word as a whole number within bounds; false: told. */
bool config_number(struct config_reading *r, const struct config_word *word,
		   uint64_t min, uint64_t max, uint64_t *value);
/* Begins with '/'; false: told. */
bool config_absolute(struct config_reading *r, const struct config_word *word);
void config_add_choices(const struct config_row *row, const char *between,
			struct buf *out);
/* Cuts "host:port" and "[v6]:port"; false: told. */
bool config_split_port(struct config_reading *r, const struct config_word *word,
		       struct slice *host, uint16_t *port);
/* A host without brackets: an address, or a name in key form; NULL: told. */
const char *config_host_name(struct config_reading *r,
			     const struct config_word *word, struct slice host);
/* A name as blocks and users have: letters, digits, '.', '_', '-'. */
bool config_is_name(const char *text);

/* Whether the values still fit in a list of row->max; false: told. */
bool config_room(struct config_reading *r, const struct config_row *row,
		 const struct config_node *node, size_t have);

/* --- the whole: config_check.c, config_check_limit.c, _dns.c, _scan.c --- */

void config_check(struct config_reading *r, struct config *config);
void config_check_limits(struct config_reading *r, struct config *config);
void config_check_dns(struct config_reading *r, const struct config *config);
void config_check_scan(struct config_reading *r, const struct config *config);
void config_check_dkim(struct config_reading *r, const struct config *config);
/* Reads its keys. */
void config_read_dkim(struct config_reading *r, struct config *config);
/* A `via` names a next hop that there is. */
void config_check_via(struct config_reading *r, const struct config *c,
		      const struct config_block *block,
		      const struct config_via *via);
void config_check_bulk(struct config_reading *r, const struct config *config);
/* An authorities' file can be used; else told at `at`. */
void config_check_ca(struct config_reading *r, const char *path,
		     struct config_place at);
/* The first line of a file that holds a secret: at most SECRET_LINE_MAX bytes
 * and a NUL into room. NULL, or what is wrong. */
#define SECRET_LINE_MAX 1024
const char *config_secret_read(const char *path,
			       char room[SECRET_LINE_MAX + 2]);
/* Reads the tokens' keys; and how they are used. */
void config_check_tokens(struct config_reading *r, struct config *config);
void config_check_token_use(struct config_reading *r,
			    const struct config *config);
/* Where a row of a block was set, or the block itself. */
struct config_place config_place_of(const struct config_block *block,
				    const char *name);
bool config_is_set(const struct config_block *block, const char *name);
/* The first directive in the block, or NULL. */
const char *config_any_set(const struct config_block *block);

#endif
