#ifndef GATEWAY_CONFIG_TYPES_H
#define GATEWAY_CONFIG_TYPES_H

/*
 * size: what gateway.conf says, one struct a block and one field a directive,
 * kept together because they are read together.
 *
 * A field nobody set has the default of its row in config_table.c. Times are
 * milliseconds, sizes bytes, domains in key form (lower case, no trailing
 * dot). Everything is owned by the struct config.
 */
#include "gateway/base/addr.h"
#include "gateway/base/log.h"

struct config_place {
	const char *file;
	uint32_t file_no; /* order in which the files were opened */
	uint32_t line;	  /* from 1; 0: nowhere, the default */
	uint32_t column;  /* from 1, in characters */
};

/* Where each row of a block was set, in the table's order of its scope. */
struct config_origin {
	struct config_place at; /* line 0: the default */
	bool pending;		/* changed by a reload, waits for a restart */
};

/* First in every block's struct. */
struct config_block {
	const char *scope;	/* "" for the file, else "listen", "tls", ... */
	const char *name;	/* of `listen NAME`; else NULL */
	struct config_place at; /* line 0: the block is not in the file */
	struct config_origin *origins;
};

struct config_names {
	const char **v;
	size_t count;
};

struct config_times {
	int64_t *v;
	size_t count;
};

struct config_addrs {
	struct sock_addr *v;
	struct config_place *at;
	size_t count;
};

struct config_prefixes {
	struct ip_prefix *v;
	size_t count;
};

struct config_ip {
	bool set;
	struct ip_addr ip;
};

struct config_http {
	bool on;
	struct sock_addr addr;
};

enum config_tls_mode { CONFIG_STARTTLS, CONFIG_IMPLICIT, CONFIG_TLS_NONE };
enum config_endings { CONFIG_REFUSE, CONFIG_NORMALISE };

struct config_tls {
	struct config_block block;
	const char *certificate, *key;
};

struct config_listen {
	struct config_block block;
	struct config_addrs addresses;
	int tls;	  /* enum config_tls_mode */
	int line_endings; /* enum config_endings */
	struct config_prefixes proxy;
	bool insecure_auth;
	bool bulk;
};

struct config_backend {
	bool dovecot;
	const char *path;
};

struct config_auth {
	struct config_block block;
	struct config_backend backend;
	const char *domain; /* NULL: none */
	uint64_t workers;
	uint64_t hash_queue;
	int64_t cache_ms;      /* 0: off */
	int64_t fail_delay_ms; /* 0: none */
	uint64_t failures;
	int64_t failure_window_ms;
	int64_t failure_block_ms;
};

struct config_host {
	const char *name; /* or an IP address, without brackets */
	uint16_t port;
	uint16_t weight;
	uint16_t priority;
};

struct config_hosts {
	struct config_host *v;
	size_t count;
};

struct config_login {
	const char *name; /* NULL: no login */
	const char *file;
	char *password; /* its first line; NULL when not read */
};

enum config_relay_tls {
	CONFIG_RELAY_NONE,
	CONFIG_RELAY_OPPORTUNISTIC,
	CONFIG_RELAY_REQUIRED,
	CONFIG_RELAY_IMPLICIT
};

struct config_relay {
	struct config_block block;
	struct config_hosts hosts;
	int tls; /* enum config_relay_tls */
	bool verify;
	const char *ca; /* NULL: the system's */
	struct config_login login;
	int eightbit;	/* 0: refuse, 1: pass */
	int scan_token; /* 0: strip, 1: keep */
	uint64_t connections;
	uint64_t messages_per_connection;
	struct config_ip source;
	int64_t timeout_ms; /* 0: RFC 5321's */
	int64_t idle_ms;
};

enum config_via_kind { CONFIG_VIA_RELAY, CONFIG_VIA_MX, CONFIG_VIA_MAILDIR };

struct config_via {
	enum config_via_kind kind;
	const char *relay; /* CONFIG_VIA_RELAY */
	const char *dir;   /* CONFIG_VIA_MAILDIR */
};

struct config_route {
	struct config_block block;
	struct config_names domains; /* ".example.com": and all below */
	struct config_via via;
};

struct config_retry {
	struct config_block block;
	struct config_times after;
	int64_t expire_ms;
	int64_t delay_notice_ms; /* 0: none */
};

struct config_target {
	enum log_target target;
	const char *path;
};

struct config_log {
	struct config_block block;
	struct config_target to;
	int format; /* enum log_format */
	int level;  /* enum log_level */
};

struct config_alert {
	struct config_block block;
	const char *mail, *exec; /* or NULL */
};

/* `limit NAME { ... }`. Numbers of enums are those of policy/limits.h. */
struct config_rate { /* messages 30/m burst 40; connections 10 */
	uint64_t limit;
	int64_t period_ms; /* 0: at once */
	uint64_t burst;	   /* 0: a sliding window */
};

struct config_rates { /* one directive, repeated */
	struct config_rate *v;
	struct config_place *at;
	size_t count;
};

struct config_bits { /* prefix 24 56 */
	unsigned v4, v6;
};

struct config_over {	  /* over pace 150% then hold */
	int action;	  /* enum limit_action */
	int then;	  /* after pace; else LIMIT_PASS */
	unsigned percent; /* of the limit; 0: not pace */
};

struct config_limit {
	struct config_block block;
	int per;		   /* enum limit_per; -1: not given, an error */
	struct config_bits prefix; /* of an address's key */
	/* One for each word of limit_counted_name. */
	struct config_rates messages, recipients, internal_recipients,
	    all_recipients, bytes, connections, new_connections, failed_logins,
	    dead_domains;
	struct config_over over;
	bool observe;
	struct config_names classes, replaces;
	struct config_names creds; /* normalised without auth's domain */
	struct config_prefixes except;
};

enum config_binding { /* as enum binding */
		      CONFIG_BINDING_OFF,
		      CONFIG_BINDING_OBSERVE,
		      CONFIG_BINDING_DOMAIN,
		      CONFIG_BINDING_ADDRESS
};

enum config_unverified { /* as enum domain_unverified */
			 CONFIG_UNVERIFIED_ACCEPT,
			 CONFIG_UNVERIFIED_DEFER
};

/* Mass mailings. What a file does not say of `when` and `headers` makes none:
 * without the block nothing is one by its looks. */
struct config_when { /* when recipients 50; when same-body 100/h */
	uint64_t recipients, same; /* 0: never */
	int64_t same_ms;
	struct config_place recipients_at, same_at;
};

struct config_shares { /* stop bounces 8% complaints 0.3% */
	unsigned v[2]; /* bounces, complaints: in tenths of a per cent */
	struct config_place at[2]; /* file NULL: the default */
};

struct config_counts {
	uint64_t *v;
	size_t count;
};

/* selector s2026 /etc/sluice/dkim-s2026.pem */
struct config_selector {
	const char *name;
	const char *file;
	struct config_place at;
};

struct config_selectors {
	struct config_selector *v;
	size_t count;
};

struct config_dkim { /* dkim example.com { ... } */
	struct config_block block;
	struct config_selectors selectors;
	int lanes; /* 0: all, 1: bulk */
	bool subdomains;
};

struct config_bulk {
	struct config_block block;
	struct config_when when;
	bool headers;
	const char *suffix; /* NULL: none */
	bool confirm, preflight;
	uint64_t rate; /* recipients an hour, as below; 0: any */
	uint64_t connections;
	uint64_t site_rate; /* a minute */
	uint64_t site_connections, per_connection;
	uint64_t reserved; /* per cent */
	uint64_t lookups;  /* 0: a quarter */
	struct config_times retry;
	int64_t expire_ms;
	struct config_via via; /* a relay of no name: as all mail */
	struct config_shares stop, warn;
	uint64_t stop_min, guard;
	struct config_counts warmup; /* none: no plan */
	int64_t warmup_from_wall_s;  /* 0: not given */
	int64_t keep_ms;
	const char *unsubscribe; /* the address for it; NULL: none is added */
};

struct config_class { /* class NAME { observe on; from-binding off; } */
	struct config_block block;
	bool observe;
	int binding; /* enum config_binding; -1: as the file says */
	/* -1, both: as in `dns` */
	int64_t refuse_first;
	int unverified; /* enum config_unverified */
	/* -1, both: as in `scan` */
	int down;	 /* enum config_down */
	int unscannable; /* enum config_unscannable */
	bool bulk;
	int confirm; /* -1: as in `bulk` */
	uint64_t weight;
};

/* Bits of dns.targets, in the order of its words. */
#define CONFIG_TARGET_LOOPBACK 1u
#define CONFIG_TARGET_PRIVATE 2u

struct config_dns {
	struct config_block block;
	struct config_addrs resolvers; /* none: resolv.conf */
	struct config_addrs second;
	bool check, check_sender;
	uint64_t refuse_first;
	int unverified; /* enum config_unverified */
	int64_t wait_ms, wait_message_ms;
	unsigned targets;
	struct config_names except; /* special-use names that exist here */
	uint64_t in_flight, in_flight_per_login;
	uint64_t cache;
	int64_t stale_ms;
};

/* What `source` says: for all mail, and for that of one lane. */
enum config_lane {
	CONFIG_LANE_PERSONAL,
	CONFIG_LANE_BULK,
	CONFIG_LANE_DSN,
	CONFIG_LANES
};

struct config_sources {
	struct config_ip all, lane[CONFIG_LANES];
};

struct config_mx { /* how `via mx` delivers */
	struct config_block block;
	int tls; /* enum config_relay_tls, not IMPLICIT */
	bool dane;
	uint64_t connections; /* to one site */
	uint64_t messages_per_connection;
	struct config_sources sources;
	int64_t timeout_ms; /* 0: RFC 5321's */
	int64_t idle_ms;
};

/* icaps://av.example.com:11344/avscan weight 2 profile kaspersky */
struct config_scan_server {
	bool tls;
	const char *host; /* or an IP address, without brackets */
	uint16_t port;
	const char *service; /* without the slash */
	uint16_t weight;     /* 0: only when the others are down */
	const char *profile; /* or NULL */
	struct config_place at;
};

struct config_scan_servers {
	struct config_scan_server *v;
	size_t count;
};

/* token-key site-2026 /etc/sluice/scan-token.key */
struct config_token_key {
	const char *id;
	const char *file;
	char *secret; /* what it holds, decoded; NULL when not read */
	size_t secret_bytes;
	struct config_place at;
};

struct config_token_keys {
	struct config_token_key *v;
	size_t count;
};

/* As in gateway/scan/verdict.h. */
enum config_down { CONFIG_DOWN_HOLD, CONFIG_DOWN_OPEN, CONFIG_DOWN_REJECT };
enum config_unscannable {
	CONFIG_UNSCANNABLE_REJECT,
	CONFIG_UNSCANNABLE_HOLD,
	CONFIG_UNSCANNABLE_PASS
};
enum config_infected {
	CONFIG_INFECTED_REJECT,
	CONFIG_INFECTED_QUARANTINE,
	CONFIG_INFECTED_CLEAN,
	CONFIG_INFECTED_DISCARD,
	CONFIG_INFECTED_DISCARD_SILENTLY
};

struct config_scan {
	struct config_block block;
	struct config_scan_servers servers; /* none: nothing is scanned */
	const char *ca;			    /* NULL: the system's */
	bool verify;
	int method; /* 0: respmod, 1: reqmod */
	int64_t wait_ms;
	int infected, down, unscannable; /* enum config_infected, ... */
	bool texts, user;
	uint64_t connections;
	int64_t part_timeout_ms, message_timeout_ms;
	int64_t canary_ms;
	uint64_t cache;
	int64_t cache_age_ms;
	uint64_t rescans;
	uint64_t size_max; /* 0: none */
	const char *replacement;
	const char *subject; /* NULL: as it is */
	int64_t quarantine_ms;
	struct config_token_keys token_keys; /* none: no tokens */
	const char *token_sign;		     /* the id of one, or NULL */
};

struct config_blocks {
	struct config_block **v;
	size_t count;
};

struct config {
	struct config_block block;
	const char *hostname;
	const char *spool;
	const char *control;
	const char *user;	      /* NULL: no change */
	struct config_names internal; /* ".example.com": and all below */
	struct config_blocks listens, relays, routes; /* see below */
	struct config_blocks limits, classes, dkims;
	bool observe;	     /* no limit changes anything */
	int binding;	     /* `from-binding`; enum config_binding */
	const char *contact; /* whom replies send people to, or NULL */
	struct config_tls tls;
	struct config_auth auth;
	struct config_retry retry;
	struct config_log log;
	struct config_alert alert;
	struct config_dns dns;
	struct config_mx mx;
	struct config_scan scan;
	struct config_bulk bulk;
	uint64_t connections;
	uint64_t connections_per_address; /* 0: no cap */
	uint64_t message_size;
	uint64_t recipients;
	int64_t idle_ms;
	int64_t preauth_ms;
	uint64_t min_rate;
	bool resubmission;
	int64_t resubmission_window_ms;
	struct config_http http;
	uint64_t threads; /* 0: one a core */
	uint64_t delivery_connections;
	struct tls_ctx *tls_ctx; /* from `tls`; NULL without, or unchecked */
	struct dkim_keys *dkim_keys; /* from `dkim`, the same */
	struct arena *arena;
};

#endif
