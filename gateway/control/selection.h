#ifndef GATEWAY_CONTROL_SELECTION_H
#define GATEWAY_CONTROL_SELECTION_H

#include "gateway/back/back.h"
#include "policy/blocklist.h"

/*
 * Which mail: what --cred, --ip, --from, --domain, --body, --id,
 * --campaign, --since and --before say, in the form in which mail is compared
 * with it.
 */
#define SELECTION_VALUE_SIZE 321

struct selection {
	char cred[SELECTION_VALUE_SIZE]; /* "": not asked, as below */
	char from[SELECTION_VALUE_SIZE];
	char domain[SELECTION_VALUE_SIZE];
	bool has_ip, has_body;
	struct ip_prefix ip;
	uint8_t body[DIGEST_SIZE];
	uint64_t id; /* 0: not asked, as below */
	uint64_t campaign;
	int64_t since_wall_s, before_wall_s;
};

struct call;

/* False after a sentence to the call. Options that the command does not have
 * are not asked. */
bool selection_parse(struct call *call, struct selection *what);
/* Borrows from it. */
void selection_view(const struct selection *what, struct back_select *select);
/* How many of cred, ip, from, domain, body, id and campaign are given. */
unsigned selection_count(const struct selection *what);
/* A rule of the block list for just this; false: it takes more than one kind,
 * or one that no rule has. value needs SELECTION_VALUE_SIZE. */
bool selection_rule(const struct selection *what, enum block_kind *kind,
		    char *value);
/* What a rule covers. GW_EINVAL. */
int selection_of_rule(enum block_kind kind, const char *value,
		      struct selection *what);
/* "login bob, to example.com, since 14:00", escaped. */
void selection_text(const struct selection *what, int64_t now_wall_s,
		    struct buf *out);

/* The value of a kind in normal form, logins too. False after a sentence. */
bool value_parse(struct call *call, enum block_kind kind, const char *text,
		 char value[SELECTION_VALUE_SIZE]);
/* A login's one form: into name, or false after a sentence that begins with
 * what. */
bool cred_parse(struct call *call, const char *what, const char *text,
		char name[SELECTION_VALUE_SIZE]);
/* False after a sentence; 0 when it is not given. */
bool since_option(struct call *call, const char *option, int64_t *wall_s);
/* --for or --until, not both. */
bool until_option(struct call *call, int64_t *wall_s);

#endif
