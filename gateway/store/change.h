#ifndef GATEWAY_STORE_CHANGE_H
#define GATEWAY_STORE_CHANGE_H

#include "gateway/base/slice.h"

/*
 * The tables of the one LMDB environment, and a change to one of them, encoded
 * by the unit that owns the table. Whoever commits (gateway/spool) applies
 * changes without knowing what they mean.
 */
enum store_table {
	STORE_META,	  /* name -> u64: format version, largest id */
	STORE_MESSAGE,	  /* id -> message record */
	STORE_RCPT,	  /* id, recipient index -> recipient record */
	STORE_RESUB,	  /* id -> expiry, resubmission key */
	STORE_RESUB_OLD,  /* key -> id, expiry: emptied at start */
	STORE_SEGMENT,	  /* segment -> live messages, live bytes */
	STORE_LEDGER,	  /* counter's name -> i64 */
	STORE_USER,	  /* normalised login -> user record (gateway/auth) */
	STORE_RATE,	  /* limit key -> rate record (ratelimit) */
	STORE_BLOCK,	  /* block entries (policy) */
	STORE_AUDIT,	  /* administrators' changes, in order of time */
	STORE_ACCOUNT,	  /* normalised login -> grants, senders (policy) */
	STORE_TRASH,	  /* what purges took, to bring back (gateway/spool) */
	STORE_DNS,	  /* domain -> verdict (dns) */
	STORE_DOMAIN,	  /* domain -> what administrators allowed (policy) */
	STORE_QUARANTINE, /* id -> envelope and verdict (gateway/scan) */
	STORE_CAMPAIGN, /* id -> record, counts, failures (gateway/campaign) */
	STORE_SUPPRESS, /* address -> why no mailing goes there (the same) */
	STORE_DAY,	/* day, what -> recipients that day (gateway/back) */
	STORE_TABLES
};

enum store_change_kind {
	STORE_PUT,    /* replaces */
	STORE_DELETE, /* absent is fine */
	STORE_ADD, /* value is i64 big-endian, added to what is there (or 0) */
	STORE_TALLY, /* value is cells that are merged: gateway/store/tally.h */
};

/* Borrowed until the commit's done has run. Keys are 1 to 511 bytes. */
struct store_change {
	enum store_table table;
	enum store_change_kind kind;
	struct slice key;
	struct slice value;
};

#endif
