/* The input as a login's record, and as a sender pattern: a record that is
 * read is written as it was, and a pattern's normal form is its own. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "policy/accounts_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* assert would be gone in a release build. */
static void
must(bool holds)
{
	if (!holds)
		abort();
}

static void
record(struct slice in)
{
	struct account account;
	struct buf again;
	size_t at;

	if (account_decode(SLICE_LIT("bob"), in, &account) != 0) {
		must(account.cred == NULL && account.senders == NULL);
		return;
	}
	must(account.sender_count <= ACCOUNT_SENDERS_MAX);
	for (size_t i = 0; i < account.sender_count; i++)
		must(account_sender_find(&account, account.senders[i], &at) &&
		     at == i);
	buf_init(&again, in.n + 1);
	must(account_encode(&account, 0, &again));
	must(slice_eq(buf_slice(&again), in));
	buf_fini(&again);
	account_fini(&account);
}

static void
pattern(struct slice in)
{
	char once[ACCOUNT_PATTERN_MAX + 1], twice[ACCOUNT_PATTERN_MAX + 1];

	if (account_pattern(in, once) != 0)
		return;
	must(strlen(once) <= ACCOUNT_PATTERN_MAX);
	must(account_pattern(slice_str(once), twice) == 0);
	must(strcmp(once, twice) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);

	record(in);
	pattern(in);
	return 0;
}
