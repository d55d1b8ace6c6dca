#include "gateway/spool/internal.h"
#include "gateway/store/key.h"

/* The ledger's counters by name, so that another program can read them. */

static const char *const names[LEDGER_COUNTERS] = {
    [LEDGER_STATE + RCPT_QUEUED] = "queued",
    [LEDGER_STATE + RCPT_HELD] = "held",
    [LEDGER_STATE + RCPT_DELIVERED] = "delivered",
    [LEDGER_STATE + RCPT_BOUNCED] = "bounced",
    [LEDGER_STATE + RCPT_DROPPED] = "dropped",
    [LEDGER_STATE + RCPT_DISCARDED] = "discarded",
    [LEDGER_STATE + RCPT_QUARANTINED] = "quarantined",
    [LEDGER_STATE + RCPT_PURGED] = "purged",
    [LEDGER_ACCEPTED] = "accepted",
    [LEDGER_GENERATED] = "generated",
    [LEDGER_DUPLICATES] = "duplicates",
};

bool
ledger_load(struct store_txn *txn, struct ledger *ledger)
{
	struct slice value;
	bool whole = true;

	for (int i = 0; i < LEDGER_COUNTERS; i++) {
		ledger->count[i] = 0;
		if (store_get(txn, STORE_LEDGER, slice_str(names[i]), &value) !=
		    0)
			continue;
		if (value.n == 8)
			ledger->count[i] = (int64_t)key_get_u64(value.p);
		else
			whole = false;
	}
	return whole;
}

void
ledger_put(struct store_txn *txn, const struct ledger *was,
	   const struct ledger *is)
{
	uint8_t value[8];

	for (int i = 0; i < LEDGER_COUNTERS; i++) {
		if (was->count[i] == is->count[i])
			continue;
		key_put_u64(value, (uint64_t)is->count[i]);
		store_put(txn, STORE_LEDGER, slice_str(names[i]),
			  slice_of(value, sizeof(value)));
	}
}

int
spool_ledger_read(struct spool *spool, struct spool_ledger *ledger)
{
	struct store_txn *txn = store_read(spool->store);
	struct ledger l;
	int err;

	(void)ledger_load(txn, &l);
	err = store_error(txn);
	store_abort(&txn);
	if (err != 0)
		return err;
	ledger->accepted = l.count[LEDGER_ACCEPTED];
	ledger->generated = l.count[LEDGER_GENERATED];
	ledger->duplicates = l.count[LEDGER_DUPLICATES];
	for (int i = 0; i < RCPT_STATES; i++)
		ledger->by_state[i] = l.count[LEDGER_STATE + i];
	return 0;
}
