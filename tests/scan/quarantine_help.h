#ifndef TESTS_SCAN_QUARANTINE_HELP_H
#define TESTS_SCAN_QUARANTINE_HELP_H

#include <stdio.h>
#include <string.h>

#include "gateway/scan/quarantine.h"

/* The test virus, in pieces: no file of ours holds it, nor does any object
 * file: the compiler sees through literals, not through this. */
static inline void
eicar_make(char out[69])
{
	static const char *const pieces[] = {"X5O!P%@AP[4\\PZX54(P^)",
					     "7CC)7}$EICAR-STANDARD-",
					     "ANTIVIRUS-", "TEST-FILE!$H+H*"};

	out[0] = '\0';
	for (size_t i = 0; i < 4; i++)
		strcat(out, pieces[i]);
}

/* Every field has a value of its own. */
static inline void
entry_make(struct quarantine_entry *entry, uint64_t id)
{
	static const struct quarantine_rcpt rcpts[] = {
	    {"one@example.org", "rfc822;one@example.org", 3},
	    {"two@example.org", NULL, 0},
	    {"j\xc3\xb6rg@example.org", "", 1}};

	memset(entry, 0, sizeof(*entry));
	entry->id = id;
	entry->accepted_wall_ms = 1700000000123;
	entry->stored_wall_s = 1700000100;
	entry->expires_wall_s = 1700000100 + 40 * 86400;
	entry->cred = "alice";
	entry->session = "0123456789abc";
	entry->mail_from = "alice@example.com";
	entry->owner = "alice@home.example";
	entry->envid = "QQ314159";
	memset(entry->client.b, 0xab, sizeof(entry->client.b));
	entry->ret = 2;
	entry->lane = 1;
	entry->flags = 0x8001;
	entry->prefix = SLICE_LIT("Received: by us\r\n");
	entry->rcpts = rcpts;
	entry->rcpt_count = 3;
	entry->bytes = 4711;
	memset(entry->digest, 0xcd, DIGEST_SIZE);
	entry->verdict.kind = SCAN_INFECTED;
	entry->verdict.why = SCAN_WHY_NONE;
	strcpy(entry->verdict.threat, "Win.Test.EICAR_HDB-1");
	strcpy(entry->verdict.server, "av.example.com:11344/avscan");
	strcpy(entry->verdict.istag, "ISTAG-27");
	entry->part_name = "eicar.com";
	entry->subject = "Invoice";
	entry->linked = 99;
}

/* NULL, or the first field that differs. */
static inline const char *
entry_differs(const struct quarantine_entry *a,
	      const struct quarantine_entry *b)
{
#define SAME(what)              \
	if (a->what != b->what) \
	return #what
#define SAME_STR(what)                                          \
	if ((a->what == NULL) != (b->what == NULL) ||           \
	    (a->what != NULL && strcmp(a->what, b->what) != 0)) \
	return #what
#define SAME_TEXT(what)                    \
	if (strcmp(a->what, b->what) != 0) \
	return #what
#define SAME_MEM(what)                                      \
	if (memcmp(a->what, b->what, sizeof(a->what)) != 0) \
	return #what
	SAME(id);
	SAME(accepted_wall_ms);
	SAME(stored_wall_s);
	SAME(expires_wall_s);
	SAME_STR(cred);
	SAME_STR(session);
	SAME_STR(mail_from);
	SAME_STR(owner);
	SAME_STR(envid);
	SAME_MEM(client.b);
	SAME(ret);
	SAME(lane);
	SAME(flags);
	if (!slice_eq(a->prefix, b->prefix))
		return "prefix";
	SAME(rcpt_count);
	for (uint32_t i = 0; i < a->rcpt_count; i++) {
		SAME_STR(rcpts[i].address);
		SAME_STR(rcpts[i].orcpt);
		SAME(rcpts[i].notify);
	}
	SAME(bytes);
	SAME_MEM(digest);
	SAME(verdict.kind);
	SAME(verdict.why);
	SAME_TEXT(verdict.threat);
	SAME_TEXT(verdict.server);
	SAME_TEXT(verdict.istag);
	SAME_STR(part_name);
	SAME_STR(subject);
	SAME(linked);
	return NULL;
#undef SAME
#undef SAME_STR
#undef SAME_TEXT
#undef SAME_MEM
}

#endif
