#ifndef GATEWAY_SPOOL_SPOOL_H
#define GATEWAY_SPOOL_SPOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/slice.h"
#include "gateway/spool/message.h"
#include "gateway/store/change.h"

/*
 * The durable queue: bodies in segment files, everything else in LMDB, one
 * writer thread that commits in groups. One commit is the acceptance.
 *
 * Operations are structs of the caller's, valid until their done has run.
 * done runs on the store thread: it may push to a queue and nothing else. No
 * operation can be cancelled; done always runs, at the latest in spool_close.
 *
 * size: one contract for who submits, who delivers and who looks.
 */
struct spool;

/* Takes *msg. On the store thread, after the commit. */
typedef void spool_accepted_fn(void *arg, struct spool_msg **msg);
/* On the store thread, before a message is written: true refuses it, so that
 * nothing slips in between a check and the commit. Not asked of generated mail
 * nor of duplicates; asked again when a commit is tried anew. */
typedef bool spool_veto_fn(void *arg, const struct spool_msg *msg);

struct spool_opts {
	const char *path;	/* directory, made if missing (0700) */
	uint64_t segment_bytes; /* 0: 64 MiB */
	uint64_t large_bytes;	/* 0: 256 KiB; larger: a segment of its own */
	uint64_t map_bytes;	/* 0: 64 GiB, sparse */
	uint64_t reserve_bytes; /* 0: 64 MiB; less free: answer FULL */
	int64_t resub_window_s; /* 0: 24 h */
	uint32_t resub_max;	/* keys kept; 0: four million */
	/* How long a mostly dead segment is left alone; 0: 10 min, < 0: not. */
	int64_t compact_after_s;
	spool_accepted_fn *accepted;
	void *accepted_arg;
	spool_veto_fn *veto; /* NULL: none */
	void *veto_arg;
};

/* GW_EBUSY: another process has it; GW_ECORRUPT; error says what and where. */
int spool_open(struct spool **spool, const struct spool_opts *opts, char *error,
	       size_t error_size);
/* After all who submit stopped, but for answers that hand in more. */
void spool_close(struct spool **spool);

/* --- bodies on their way in ------------------------------------------- */

/*
 * Collects one body: in memory up to large_bytes, then streamed to a segment
 * of its own by a writer thread. Used by one thread at a time.
 */
struct spool_body;

struct spool_body *spool_body_create(struct spool *spool);
void spool_body_destroy(struct spool_body **body); /* forgets what came */
void spool_body_add(struct spool_body *body, struct slice s);
uint64_t spool_body_bytes(const struct spool_body *body);
/* The digest of all bytes; nothing may be added afterwards. */
void spool_body_end(struct spool_body *body, uint8_t digest[DIGEST_SIZE]);
/* What came, once ended: bytes read (0 at the end), or GW_EIO. Any thread, one
 * at a time, while the owner neither destroys nor hands it in; may wait for
 * the writer. */
int64_t spool_body_read(struct spool_body *body, uint64_t offset, void *p,
			size_t n);

/*
 * Over SPOOL_BACKLOG_MAX bytes wait for the disk: stop reading from the
 * client. drained runs once on the writer thread when they fell below half.
 */
#define SPOOL_BACKLOG_MAX (1024 * 1024)
typedef void spool_drained_fn(void *arg);
bool spool_body_backlogged(struct spool_body *body, spool_drained_fn *drained,
			   void *arg);

/* --- acceptance -------------------------------------------------------- */

enum spool_answer {
	SPOOL_ACCEPTED,
	SPOOL_DUPLICATE, /* first_id has it already; nothing was kept */
	SPOOL_FULL,	 /* no space; nothing was kept */
	SPOOL_FAILED,	 /* the disk failed; nothing was kept */
	SPOOL_VETOED,	 /* refused at the last moment; nothing was kept */
};

struct spool_accept {
	/* in; all three are taken by spool_accept_start */
	struct spool_msg *msg; /* id set; body ref is filled in by the spool */
	struct spool_body *body; /* ended */
	const struct store_change *changes;
	size_t change_count;
	void (*done)(struct spool_accept *op);
	/* out; changes are applied with ACCEPTED alone */
	enum spool_answer answer;
	uint64_t first_id;
	/* internal */
	struct spool_accept *next;
};

void spool_accept_start(struct spool *spool, struct spool_accept *op);

/* --- outcomes ---------------------------------------------------------- */

struct spool_outcome_rcpt {
	uint32_t index;
	enum rcpt_state state; /* RCPT_QUEUED: deferred until next_wall_s */
	uint32_t holds;	       /* for RCPT_HELD */
	uint16_t attempts;
	int64_t next_wall_s;
	const char *reply; /* kept with a deferral; may be NULL */
};

/*
 * What became of some recipients of one message, and with it, in the same
 * transaction, the DSN that tells of it. Outcomes wait up to 50 ms for company
 * unless a commit goes by earlier.
 */
struct spool_outcome {
	uint64_t id;
	const struct spool_outcome_rcpt *rcpts;
	size_t rcpt_count;
	uint16_t set_flags; /* MSG_DELAYED */
	/* Not 0: the message is of this campaign from now on, and in LANE_BULK;
	 * rcpt_count may be 0 then: GW_ENOENT says that the message is gone. */
	uint64_t set_campaign;
	struct spool_msg *dsn;	     /* taken; NULL: none. accepted gets it */
	struct spool_body *dsn_body; /* taken */
	/* A second one: a cleaned message beside the notice. Taken, and counted
	 * as generated whatever its flags: no client was told 250 for it. */
	struct spool_msg *extra;
	struct spool_body *extra_body;
	const struct store_change *changes; /* in the same commit, if any of */
	size_t change_count;		    /* the entries was still there */
	/* Not 0: entries that become RCPT_PURGED stay for spool_undo under this
	 * id until then; 0: they are gone. */
	uint64_t trash;
	int64_t trash_until_wall_s;
	void (*done)(struct spool_outcome *op);
	/* out: 0; GW_ENOENT: none of the entries is there any more. Entries
	 * that are gone do not keep the others from being marked. GW_EINVAL,
	 * GW_ECORRUPT: never will be; everything else: try again. */
	int err;
	struct spool_outcome *next;
};

void spool_outcome_start(struct spool *spool, struct spool_outcome *op);

/* --- listings ---------------------------------------------------------- */

/* One entry of a listing; strings are valid during fn only. */
struct spool_entry {
	uint64_t id;
	uint32_t index;
	const struct spool_rcpt *rcpt;
};
struct spool_cursor {
	uint64_t id;
	uint32_t index;
};
typedef bool spool_entry_fn(void *arg, const struct spool_entry *entry);

/* --- the trash ----------------------------------------------------------- */

/*
 * Brings back what one purge took, a slice at a time: the entries are what they
 * were, queued or held, and the ledger is. Which ones is told, and only they
 * are to be queued anew: others of the same message may be on disk as queued
 * while the outcome of their delivery is on its way here. A message of many
 * recipients comes in several slices. Resubmission keys do not come back. When
 * its time is over the trash is emptied by the store thread, in slices; until
 * then its bodies count as live.
 */
#define SPOOL_UNDO_MAX 200    /* messages in a slice */
#define SPOOL_UNDO_RCPTS 1000 /* recipients in a slice */
struct spool_undo {
	uint64_t trash;
	void (*done)(struct spool_undo *op);
	/* On the store thread, once what comes back is known: what else is to
	 * be in the same commit. Asked again when that is tried anew; valid
	 * until done. NULL: nothing. */
	size_t (*also)(struct spool_undo *op,
		       const struct store_change **changes);
	/* out: 0, GW_ENOENT: nothing of it is there (any more); what follows
	 * is 0 with any error */
	int err;
	bool more; /* call again */
	uint64_t ids[SPOOL_UNDO_MAX];
	uint32_t rcpts[SPOOL_UNDO_MAX]; /* brought back, of each */
	uint64_t campaigns[SPOOL_UNDO_MAX];
	uint32_t count;
	uint32_t indexes[SPOOL_UNDO_RCPTS]; /* message after message */
	uint64_t recipients;
	struct spool_undo *next;
};

void spool_undo_start(struct spool *spool, struct spool_undo *op);

struct spool_trash {
	uint64_t trash;
	uint64_t messages, recipients;
	int64_t until_wall_s;
};
/* One line a purge, the smallest id first; any thread. Returns how many there
 * are whose time is not over. */
size_t spool_trash_list(struct spool *spool, struct spool_trash *out,
			size_t max);
/* Who lies in one of them, as spool_scan; they are queued or held no more. */
int spool_trash_scan(struct spool *spool, uint64_t trash,
		     const struct spool_cursor *after, size_t max,
		     spool_entry_fn *fn, void *arg, struct spool_cursor *last);

/* --- other tables ------------------------------------------------------ */

/* Changes of administrators: users, later blocks. Durable when done runs. */
struct spool_change {
	const struct store_change *changes;
	size_t change_count;
	void (*done)(struct spool_change *op);
	int err; /* out */
	struct spool_change *next;
};

void spool_change_start(struct spool *spool, struct spool_change *op);

/* --- reading: any thread ----------------------------------------------- */

/* A message with all its recipients that are not final, but for those whose
 * record cannot be read: they are logged. GW_ENOENT (also when all that is
 * left of it is in the trash), GW_ECORRUPT. */
int spool_load(struct spool *spool, uint64_t id, struct spool_msg **msg);
/* The same with these recipients alone, in the order given: one of 50,000
 * costs no more than one of one. */
int spool_load_some(struct spool *spool, uint64_t id, const uint32_t *indexes,
		    uint32_t count, struct spool_msg **msg);

/*
 * The next messages in the order of their ids, each as spool_load gives it: the
 * whole queue in slices, for a fraction of what loading each by its id costs.
 * No message is begun once that many recipients came. What cannot be read is
 * logged and passed over. Of an error (GW_ECORRUPT, GW_EIO, ...) nothing comes;
 * try again.
 */
#define SPOOL_BATCH_MAX 64
struct spool_batch {
	uint64_t after; /* 0: from the start; then the last one looked at */
	uint64_t end;	/* the first id that is not wanted */
	bool more;	/* out: call again, though none came */
	struct spool_msg *msgs[SPOOL_BATCH_MAX]; /* the caller's */
	uint32_t count;
};
int spool_load_next(struct spool *spool, struct spool_batch *batch);

/* fn false stops. Entries in order of (id, index), from `after` (exclusive;
 * id 0: the start); at most max. *last is the last one seen, so that a listing
 * resumes; returns the number of entries given, or GW_ECORRUPT, GW_EIO. A
 * record that cannot be read is logged and passed over. */
int spool_scan(struct spool *spool, const struct spool_cursor *after,
	       size_t max, spool_entry_fn *fn, void *arg,
	       struct spool_cursor *last);

/* Body bytes, by pread; pins the segment. A body that was moved since the
 * message was loaded is found all the same, if that is not too long ago;
 * GW_ENOENT: load the message anew, it may be gone. */
struct spool_reader;
int spool_reader_open(struct spool *spool, const struct spool_ref *ref,
		      struct spool_reader **reader);
/* Bytes read (short: the file was truncated), or GW_EIO. */
int64_t spool_reader_read(struct spool_reader *reader, uint64_t offset, void *p,
			  size_t n);
void spool_reader_close(struct spool_reader **reader);
/* Reads it all (not on a loop): 0, GW_ECORRUPT: not what was accepted. */
int spool_digest_check(struct spool *spool, const struct spool_ref *ref);

/* accepted + generated = delivered + bounced + dropped + discarded + queued +
 * held + quarantined + purged, in recipients; duplicates are apart. */
struct spool_ledger {
	int64_t accepted, generated;
	int64_t by_state[RCPT_STATES];
	int64_t duplicates;
};
int spool_ledger_read(struct spool *spool, struct spool_ledger *ledger);

struct spool_status {
	uint64_t disk_free_bytes;
	uint64_t disk_total_bytes;
	uint64_t map_used_bytes; /* as of the last 10 s */
	uint64_t map_bytes;
	uint64_t segments;
	uint64_t segment_bytes;
	uint64_t live_bytes;
	uint64_t commits; /* since start */
	uint64_t accepts; /* since start, messages */
	bool full;	  /* submissions are answered FULL */
	int failing;	  /* 0, or the gw_err of the last commit */
	/* LMDB takes nothing more in this process: a write of its own failed in
	 * a way that leaves open what is on disk. */
	bool needs_restart;
};
void spool_status_get(struct spool *spool, struct spool_status *status);

/* For gateway/auth and policy to read their tables. */
struct store_env;
struct store_env *spool_store(struct spool *spool);

#endif
