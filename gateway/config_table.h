#ifndef GATEWAY_CONFIG_TABLE_H
#define GATEWAY_CONFIG_TABLE_H

#include "gateway/config.h"

/*
 * THE table: each directive is one row, and nothing else knows the
 * directives. The rows of one scope stand together, the file's own first.
 */
enum config_kind {
	CONFIG_BLOCK,	 /* NAME { ... }, once */
	CONFIG_NAMED,	 /* NAME X { ... }, each X once */
	CONFIG_SWITCH,	 /* bool */
	CONFIG_CHOICE,	 /* int: the index in choices; -1: not given */
	CONFIG_CHOICES,	 /* unsigned: a set, bits are indexes in choices */
	CONFIG_COUNT,	 /* uint64_t */
	CONFIG_COUNT_OR, /* int64_t; -1: not given, as said elsewhere */
	CONFIG_SIZE,	 /* uint64_t */
	CONFIG_TIME,	 /* int64_t, ms */
	CONFIG_TIMES,	 /* struct config_times */
	CONFIG_HOSTNAME, /* const char * */
	CONFIG_DOMAIN,	 /* const char * */
	CONFIG_DOMAINS,	 /* struct config_names */
	CONFIG_ROUTED,	 /* struct config_names; ".domain" allowed */
	CONFIG_PATH,	 /* const char *, absolute */
	CONFIG_SOCKET,	 /* const char *, absolute, fits sun_path */
	CONFIG_USER,	 /* const char * */
	CONFIG_MAIL,	 /* const char * */
	CONFIG_LISTEN,	 /* struct config_addrs */
	CONFIG_RESOLVER, /* struct config_addrs */
	CONFIG_PREFIX,	 /* struct config_prefixes */
	CONFIG_SOURCE,	 /* struct config_ip */
	CONFIG_SOURCES,	 /* struct config_sources */
	CONFIG_HTTP,	 /* struct config_http */
	CONFIG_BACKEND,	 /* struct config_backend */
	CONFIG_HOST,	 /* struct config_hosts */
	CONFIG_LOGIN,	 /* struct config_login */
	CONFIG_VIA,	 /* struct config_via */
	CONFIG_TARGET,	 /* struct config_target */
	CONFIG_TEXT,	 /* const char *, printable ASCII */
	CONFIG_NAMES,	 /* struct config_names, as blocks are called */
	CONFIG_LOGINS,	 /* struct config_names, logins */
	CONFIG_RATES,	 /* struct config_rates: 400/h, 30/m burst 40 */
	CONFIG_VOLUME,	 /* struct config_rates: 500M/d */
	CONFIG_AT_ONCE,	 /* struct config_rates, one without a period */
	CONFIG_BITS,	 /* struct config_bits */
	CONFIG_OVER,	 /* struct config_over */
	CONFIG_ICAP,	 /* struct config_scan_servers */
	CONFIG_TOKEN,	 /* struct config_token_keys */
	CONFIG_SELECTOR, /* struct config_selectors */
	CONFIG_WHEN,	 /* struct config_when */
	CONFIG_PER_HOUR, /* uint64_t: 1000/h; 0: none */
	CONFIG_PER_MIN,	 /* uint64_t: 30/m; 0: none */
	CONFIG_PERCENT,	 /* uint64_t: 70% */
	CONFIG_SHARES,	 /* struct config_shares */
	CONFIG_COUNTS,	 /* struct config_counts */
	CONFIG_DATE,	 /* int64_t, its beginning in UTC; 0: not given */
};

enum config_row_flags {
	CONFIG_REQUIRED = 1,
	CONFIG_REPEAT = 2,  /* may stand several times, the values add up */
	CONFIG_RESTART = 4, /* a reload cannot change it */
};

struct config_row {
	const char *path; /* "hostname", "listen.tls" */
	enum config_kind kind;
	unsigned flags;	   /* enum config_row_flags */
	const char *value; /* the default as it would be written, or NULL */
	uint64_t min, max; /* in bytes, ms or as counted; values a list has */
	const char *unit;  /* what a number counts, for the manual */
	const char *text;  /* one sentence */
	const char *const
	    *choices; /* CONFIG_CHOICE, _CHOICES; ends with NULL */
	size_t field; /* offset in the struct of its scope */
	size_t size;  /* blocks: bytes of their struct */
};

size_t config_row_count(void);
const struct config_row *config_row(size_t i);
/* The rows of a scope: the first one's index and how many. False: no such. */
bool config_scope(const char *scope, size_t *first, size_t *count);
/* The row of a word in a scope, or NULL. */
const struct config_row *config_row_find(const char *scope, const char *name);
/* "tls" of "listen.tls". */
const char *config_row_name(const struct config_row *row);
bool config_row_is_block(const struct config_row *row);

#endif
