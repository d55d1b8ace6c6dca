#ifndef GATEWAY_SPOOL_INTERNAL_H
#define GATEWAY_SPOOL_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "gateway/base/buf.h"
#include "gateway/spool/segment.h"
#include "gateway/spool/spool.h"
#include "gateway/spool/writer.h"
#include "gateway/store/env.h"

/* Counters of STORE_LEDGER, in memory as committed. */
enum ledger_counter {
	LEDGER_STATE, /* + enum rcpt_state */
	LEDGER_ACCEPTED = LEDGER_STATE + RCPT_STATES,
	LEDGER_GENERATED,
	LEDGER_DUPLICATES,
	LEDGER_COUNTERS
};

struct ledger {
	int64_t count[LEDGER_COUNTERS];
};

#define TRASH_SLICE 512 /* entries deleted at once */

#define OP_QUEUE(type)                     \
	struct {                           \
		struct type *head, **tail; \
		size_t count;              \
	}

/* What the store thread took from the queues to commit together. */
struct batch {
	struct spool_change *changes;
	struct spool_outcome *outcomes;
	struct spool_accept *accepts;
	struct spool_undo *undos;
	/* Of the attempt under way. */
	struct ledger ledger;
	uint64_t largest_id;
	uint64_t largest_segment;
	int64_t trash_due_s; /* when the next purge is to go for good */
	bool sweep;	     /* also delete expired resubmission keys */
	bool sweep_more;
	bool empty_trash; /* also a slice of what is over there */
};

struct spool {
	struct spool_opts opts;
	struct store_env *store;
	struct segments segs;
	struct writer *writer;
	int dir_fd;	/* the spool's own directory */
	int reserve_fd; /* a file of real blocks, given back in need */
	uint64_t reserve_file_bytes;
	bool reserve_held;

	/* Queues of the store thread. */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	OP_QUEUE(spool_change) changes;
	OP_QUEUE(spool_outcome) outcomes;
	OP_QUEUE(spool_accept) accepts;
	OP_QUEUE(spool_undo) undos;
	int64_t outcome_since_ms; /* of the oldest waiting */
	bool asleep;
	bool stop;

	/* The store thread's. */
	struct ledger ledger;
	uint64_t largest_id;
	uint64_t largest_segment;
	struct resub *resub;
	struct buf scratch;
	int64_t space_checked_ms;
	int64_t swept_s;
	bool dead_told; /* that the store needs a restart */
	bool sweep_more;
	int64_t trash_due_s; /* as committed; INT64_MAX: there is none */
	bool trash_more;
	size_t trash_slice; /* entries: less when the map is full */
	int64_t trash_swept_ms;
	int64_t readers_checked_ms;
	struct compaction *compaction;
	int64_t compacted_ms;

	/* Any thread's to read. */
	_Atomic uint64_t commits, accepted;
	_Atomic bool full;
	_Atomic int failing;
	_Atomic uint64_t usage_bytes; /* of the map */
	_Atomic int64_t usage_ms;     /* when it was looked at; 0: never */
};

/* load.c: what the index says, at start; nothing else runs yet. Records that
 * cannot be read are put right from the others. */
int state_load(struct spool *spool);

/* queue.c */
void spool_queue_accept(struct spool *spool, struct spool_accept *op);
void spool_queue_outcome(struct spool *spool, struct spool_outcome *op);
void *spool_thread(void *arg); /* until stop, and nothing waits */
bool spool_idle(struct spool *spool);

/* batch.c: commits, answers, leaves the batch empty. */
void batch_commit(struct spool *spool, struct batch *batch);

/* apply.c: the transaction's content. The batch's ledger is changed; answer
 * and err of each operation are set as they will be if the commit succeeds. */
void apply_accept(struct spool *spool, struct batch *batch,
		  struct store_txn *txn, struct spool_accept *op,
		  int64_t now_wall_s);
void apply_outcome(struct spool *spool, struct batch *batch,
		   struct store_txn *txn, struct spool_outcome *op);
void apply_sweep(struct spool *spool, struct batch *batch,
		 struct store_txn *txn, int64_t now_wall_s);
/* False: some counter could not be read, and is 0. */
bool ledger_load(struct store_txn *txn, struct ledger *ledger);
void ledger_put(struct store_txn *txn, const struct ledger *was,
		const struct ledger *is);

bool msg_stays(const struct spool_msg *msg); /* some recipient is not final */
/* An entry of it left: it goes too unless there are others, queued or in the
 * trash. True: it is gone. */
bool msg_leave(struct spool *spool, struct store_txn *txn, uint64_t id);
/* A record read back that makes no sense: said once. */
void record_complain(const char *event, uint64_t id);

/* space.c */
void space_open(struct spool *spool);
bool space_low(struct spool *spool, int64_t now_ms); /* refuse submissions */
bool space_spend_reserve(struct spool *spool);	     /* false: spent */
void space_tend(struct spool *spool);		     /* take it back */

/* compact.c: the store thread, between batches. True: there is more. */
bool compact_slice(struct spool *spool, int64_t now_ms);
void compact_fini(struct spool *spool);
/* The id of the message whose body was moved away from here, or 0. */
uint64_t moved_lookup(struct segments *segs, const struct spool_ref *ref);

#endif
