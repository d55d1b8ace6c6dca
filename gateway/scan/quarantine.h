#ifndef GATEWAY_SCAN_QUARANTINE_H
#define GATEWAY_SCAN_QUARANTINE_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/addr.h"
#include "gateway/base/arena.h"
#include "gateway/base/digest.h"
#include "gateway/base/slice.h"
#include "gateway/scan/verdict.h"
#include "gateway/store/change.h"
#include "gateway/store/env.h"

/*
 * Infected messages, kept apart: the bytes in files of the spool's directory
 * "quarantine", each masked with a key of its own so that no program that
 * reads files finds a virus there; the envelope and the verdict in
 * STORE_QUARANTINE, by the message's id. The file is durable before the record
 * that names it; a file without a record is swept at start.
 */
struct quarantine;

struct quarantine_rcpt {
	const char *address;
	const char *orcpt; /* or NULL */
	uint8_t notify;
};

struct quarantine_entry { /* strings live in the arena */
	uint64_t id;
	int64_t accepted_wall_ms, stored_wall_s, expires_wall_s;
	const char *cred, *session, *mail_from;
	const char *owner, *envid; /* or NULL */
	struct ip_addr client;
	/* As spool_msg and spool_rcpt have them, notify above too. */
	uint8_t ret, lane;
	uint16_t flags;
	struct slice prefix; /* our headers */
	const struct quarantine_rcpt *rcpts;
	uint32_t rcpt_count;
	uint64_t bytes; /* of the body */
	uint8_t digest[DIGEST_SIZE];
	struct scan_verdict verdict;
	const char *part_name, *subject; /* or "" */
	uint64_t linked; /* the cleaned message that went out; 0: none */
};

/* After the spool, before anything is put in: sweeps. */
int quarantine_open(struct quarantine **quarantine, const char *spool_path,
		    struct store_env *store, char *error, size_t error_size);
/* After all readers of it are closed. */
void quarantine_close(struct quarantine **quarantine);

/* --- putting in: a thread that may wait for the disk ------------------- */

/*
 * Writes and syncs the file, at once or not at all: 0, GW_ENOSPC, GW_EIO,
 * GW_ECORRUPT (the bytes are not digest's), or what read gave below 0. May be
 * done again for an id, one call at a time.
 */
int quarantine_write(struct quarantine *quarantine, uint64_t id, uint64_t bytes,
		     const uint8_t digest[DIGEST_SIZE],
		     int64_t (*read)(void *arg, uint64_t offset, void *p,
				     size_t n),
		     void *read_arg);
/* The change that makes it so, to be committed with the outcome; in arena.
 * Until that has succeeded the file is nobody's: when it never will, unlink it
 * (or the next start does). */
void quarantine_put_change(const struct quarantine_entry *entry,
			   struct arena *arena, struct store_change *change);
/* And the one that ends it, with a release's message or a deletion. */
void quarantine_delete_change(uint64_t id, struct arena *arena,
			      struct store_change *change);
/* After that commit: the file goes. */
void quarantine_unlink(struct quarantine *quarantine, uint64_t id);

/* --- looking: any thread ------------------------------------------------ */

/* 0, GW_ENOENT, GW_ECORRUPT. */
int quarantine_get(struct quarantine *quarantine, uint64_t id,
		   struct arena *arena, struct quarantine_entry *entry);
/* Ids after `after` in order, up to max; returns how many, or an error. A
 * record that cannot be read is listed too: it can be deleted. */
int quarantine_list(struct quarantine *quarantine, uint64_t after,
		    uint64_t *ids, size_t max);
/*
 * The plain bytes; checked against the digest by who reads them all. open: 0,
 * GW_ENOENT, GW_ECORRUPT, GW_EIO. read, as scan_job's: fewer than n bytes at
 * the end alone, or GW_EIO. An open one outlives the unlink.
 */
struct quarantine_reader;
int quarantine_reader_open(struct quarantine *quarantine, uint64_t id,
			   struct quarantine_reader **reader);
int64_t quarantine_reader_read(void *reader, uint64_t offset, void *p,
			       size_t n);
void quarantine_reader_close(struct quarantine_reader **reader);

/* Ids whose time is over, up to max; to be deleted as above. Looks at no more
 * than QUARANTINE_LOOK records, and goes on from there with the next call. */
#define QUARANTINE_LOOK 4096
int quarantine_expired(struct quarantine *quarantine, int64_t now_wall_s,
		       uint64_t *ids, size_t max);

#endif
