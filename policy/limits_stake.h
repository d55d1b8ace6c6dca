#ifndef POLICY_LIMITS_STAKE_H
#define POLICY_LIMITS_STAKE_H

#include "policy/limits_int.h"

/*
 * What one message has charged, by rule. Charges of a rule that fell into one
 * slot are one entry with their sum, so a message of 50,000 recipients holds a
 * few dozen: what a refund, the acceptance transaction and the dot have to go
 * through. Amounts are the rate table's units.
 */
#define STAKE_NONE SIZE_MAX

struct stake_entry {
	struct rate_cell cell; /* of all its charges */
	int64_t slot;
	int64_t at_us;
	uint64_t amount;
	bool old;    /* the dot charges it anew */
	size_t next; /* of the same rule, or of the unused ones */
};

struct stake {
	size_t first;  /* entry, the newest, or STAKE_NONE */
	uint64_t gone; /* charged, and out of the window meanwhile */
	uint64_t total;
};

struct stakes {
	struct rate_table *table;
	/* Its keys are borrowed; `bound` are this message's own. */
	struct limit_binding binding;
	struct stake *v; /* one a bound rule */
	struct stake_entry *entries;
	size_t count, size, unused;
	struct rate_charge probe; /* asks for the present slot */
	bool grown;	/* entries are not those of the start any more */
	int64_t now_us; /* the caller sets it */
};

/* v and entries: room for one a bound rule, the caller's. */
void stakes_init(struct stakes *stakes, struct rate_table *table,
		 const struct limit_binding *binding, struct stake *v,
		 struct stake_entry *entries);
void stakes_fini(struct stakes *stakes);

/* index: of the bound rule. */
void stake_add(struct stakes *stakes, size_t index,
	       const struct rate_charge *charge);
/* Gives back up to amount, of what the dot charges anew or of all. */
void stake_refund(struct stakes *stakes, size_t index, bool old,
		  uint64_t amount);
/* The same of all that is old, where the table has given it back already. */
void stake_forget(struct stakes *stakes, size_t index);
/* The rule has nothing of this message any more, and gets nothing. */
void stake_leave(struct stakes *stakes, size_t index);
/* What the dot charges anew: what a window has in slots before the present
 * one, and what a burst has had for longer than it takes to grow back by one.
 * *counted of it a window still counts. back: room for every entry; those of a
 * burst. */
struct stake_old {
	uint64_t amount, counted;
	struct rate_back *back;
	size_t back_count;
	bool any;
};
void stake_find_old(struct stakes *stakes, size_t index, struct stake_old *old);
/* The cells as changes to STORE_RATE, one a key. */
void stakes_changes(const struct stakes *stakes, struct limit_changes *out);

#endif
