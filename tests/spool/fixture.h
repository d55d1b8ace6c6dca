#ifndef TESTS_SPOOL_FIXTURE_H
#define TESTS_SPOOL_FIXTURE_H

#include "gateway/spool/spool.h"

/*
 * A spool in a directory of its own, and its operations made to wait for their
 * answer. One message's content follows from its number, so that it can be
 * checked without being kept.
 */
struct fixture {
	char dir[64];
	struct spool_opts opts;
	struct spool *spool;
};

void fixture_init(struct fixture *f); /* small sizes, directory made */
void fixture_open(struct fixture *f); /* aborts on failure */
void fixture_close(struct fixture *f);
void fixture_fini(struct fixture *f); /* closes, removes the directory */
size_t fixture_files(const struct fixture *f); /* in segments/ */

/* A message with rcpts recipients whose body has the given size. */
struct spool_msg *fixture_msg(uint32_t rcpts);
struct spool_body *fixture_body(struct spool *spool, size_t bytes,
				unsigned seed);
char fixture_byte(size_t at, unsigned seed);
/* 0, or what is wrong with the body that ref names. */
const char *fixture_body_check(struct spool *spool, const struct spool_ref *ref,
			       size_t bytes, unsigned seed);

struct fixture_answer {
	enum spool_answer answer;
	uint64_t id, first_id;
};
/* Submits one and waits. key: 0 none, else the resubmission key. */
struct fixture_answer fixture_submit(struct spool *spool, size_t bytes,
				     unsigned seed, uint32_t rcpts,
				     unsigned key);
/* One recipient's outcome; returns err. */
int fixture_outcome(struct spool *spool, uint64_t id, uint32_t index,
		    enum rcpt_state state);
/* The same for all of the first rcpts recipients, without waiting. */
struct fixture_removal;
struct fixture_removal *fixture_remove_start(struct spool *spool, uint64_t id,
					     uint32_t rcpts,
					     enum rcpt_state state);
/* Into the trash. */
struct fixture_removal *fixture_purge_start(struct spool *spool, uint64_t id,
					    uint32_t rcpts, uint64_t trash,
					    int64_t until_wall_s);
int fixture_purge(struct spool *spool, uint64_t id, uint32_t rcpts,
		  uint64_t trash, int64_t until_wall_s);
int fixture_remove_end(struct fixture_removal **removal);
int fixture_outcome_of(struct spool *spool, struct spool_outcome *op);
/* One slice: *op is filled in; returns err. */
int fixture_undo(struct spool *spool, uint64_t trash, struct spool_undo *op);
int fixture_change(struct spool *spool, const struct store_change *changes,
		   size_t count);
/* Left minus right of the ledger's equation: 0. */
int64_t fixture_ledger(struct spool *spool, struct spool_ledger *ledger);

#endif
