#ifndef POLICY_BLOCKLIST_H
#define POLICY_BLOCKLIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/addr.h"
#include "gateway/base/buf.h"
#include "gateway/base/digest.h"
#include "gateway/store/change.h"
#include "gateway/store/env.h"

/*
 * What an administrator refuses or holds: logins, addresses and prefixes
 * (longest match), envelope senders, recipient domains, body digests. An
 * in-memory table under a read lock decides; STORE_BLOCK keeps it. A change
 * acts at once; the caller commits the store_change it gives. Any thread.
 *
 * size: one contract for what decides, what changes and what lists.
 */
struct blocklist;

enum block_kind { /* on disk: never renumber */
		  BLOCK_CRED,
		  BLOCK_IP,
		  BLOCK_FROM,	/* "a@b", "@b"; "@.b": b and below */
		  BLOCK_DOMAIN, /* recipients at it; ".b": b and below */
		  BLOCK_HASH,	/* SHA-256 of the client's bytes, hex */
		  BLOCK_KINDS
};
/* "cred", "ip", "from", "domain", "hash" */
const char *block_kind_name(enum block_kind kind);
int block_kind_parse(struct slice word, enum block_kind *kind); /* GW_EINVAL */

enum block_action {		  /* on disk: never renumber */
		    BLOCK_REFUSE, /* refused at the door; queued mail held */
		    BLOCK_HOLD,	  /* accepted and held */
};

enum { BLOCK_STEALTH = 1 << 0 }; /* a right password looks wrong */

struct block {	     /* strings borrowed */
	uint64_t id; /* id_next(); its text is the reference in replies */
	enum block_kind kind;
	enum block_action action;
	unsigned flags;
	const char *value; /* normal form, as listed */
	int64_t made_wall_s;
	int64_t until_wall_s; /* 0: for good */
	int64_t since_wall_s; /* HOLD: only what was accepted from then on */
	const char *author;   /* "uid 0 (root)" */
	const char *reason;   /* "" */
	uint64_t hits;	      /* since the start of the process */
};

struct blocklist *blocklist_create(void);
void blocklist_destroy(struct blocklist **list);
/* Reads STORE_BLOCK; 100,000 in under a second. A record that cannot be read
 * is logged and passed over. GW_EIO. */
int blocklist_load(struct blocklist *list, struct store_env *store,
		   int64_t now_wall_s);

/* --- deciding ----------------------------------------------------------- */

struct block_facts { /* NULL or p NULL: not known, not asked */
	const char *cred;
	const struct ip_addr *ip;
	struct slice from;	 /* "" is the null sender: matches nothing */
	struct slice domain;	 /* a recipient's */
	const uint8_t *body;	 /* DIGEST_SIZE */
	int64_t accepted_wall_s; /* queued mail; 0: now */
};

struct block_hit {
	uint64_t id;
	enum block_kind kind;
	enum block_action action;
	unsigned flags;
	int64_t until_wall_s;
};

/* The first that applies, refusals before holds. holds false: refusals only.
 * Counts a hit. */
bool blocklist_find(struct blocklist *list, const struct block_facts *facts,
		    bool holds, int64_t now_wall_s, struct block_hit *hit);
/* Changes with every change: who compares may keep an answer. Never 0. */
uint64_t blocklist_generation(const struct blocklist *list);
/* Nothing in it: blocklist_find says false without a lock. */
bool blocklist_is_empty(const struct blocklist *list);

/* --- changing ------------------------------------------------------------ */

/* GW_EINVAL with a sentence in error; GW_EEXIST: the same kind, value and
 * action stand already (then *id is the old one, renewed with the new until,
 * since, reason, author and flags); GW_ETOOBIG: a million. */
int blocklist_add(struct blocklist *list, const struct block *block,
		  uint64_t *id, struct buf *error);
/* GW_ENOENT. *id: what it was. */
int blocklist_del(struct blocklist *list, enum block_kind kind,
		  enum block_action action, struct slice value, uint64_t *id,
		  struct buf *error);
/* Appends the value's normal form. Logins pass as they are: the caller has
 * them normalised by gateway/auth first. Case counts neither in domains nor in
 * local parts; a domain becomes its A-labels, so both forms of it are one. */
int blocklist_normalise(enum block_kind kind, struct slice value,
			struct buf *out, struct buf *error);
/* The record of an id: PUT, or DELETE when it is not in the list. Clears both
 * buffers first; their caps are BLOCK_RECORD_MAX at least. */
#define BLOCK_RECORD_MAX 2048
void blocklist_change(struct blocklist *list, uint64_t id, struct buf *key,
		      struct buf *value, struct store_change *change);
/* Entries whose time is over (they match nothing already) are taken out, up to
 * max, the oldest end first; returns how many. Commit blocklist_change of each
 * id. Needs a look at one entry when there is nothing to do: each second. */
size_t blocklist_expire(struct blocklist *list, int64_t now_wall_s,
			uint64_t *ids, size_t max);

/* --- listing -------------------------------------------------------------- */

/* In order of id, after `after`; strings are valid during fn only, which calls
 * nothing of the list. The lock is let go every 1,000 entries. Returns how many
 * were given. */
typedef bool block_fn(void *arg, const struct block *block);
size_t blocklist_each(struct blocklist *list, uint64_t after, size_t max,
		      block_fn *fn, void *arg);
bool blocklist_get(struct blocklist *list, uint64_t id, block_fn *fn,
		   void *arg);
uint64_t blocklist_count(const struct blocklist *list);

/* One line of an export, and back: "ip 10.0.0.0/8 until=... reason=..." ; a
 * comment begins with '#'. Parsed values point into line or scratch. GW_EINVAL
 * with a sentence; GW_ENOENT: an empty line or a comment. */
void block_line_write(const struct block *block, struct buf *out);
int block_line_parse(struct slice line, struct block *block,
		     struct buf *scratch, struct buf *error);

#endif
