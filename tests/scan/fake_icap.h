#ifndef TESTS_SCAN_FAKE_ICAP_H
#define TESTS_SCAN_FAKE_ICAP_H

#include "gateway/icap/icap.h"

/*
 * gateway/icap as the scan thread sees it, without a network: servers by their
 * host's name, which a test tells from its own thread how to behave. A program
 * that links fake_icap.c has these functions instead of the unit's.
 *
 * A body that holds "VIRUS" is infected, one with "CRYPT" cannot be scanned,
 * EICAR is as `canary` has it, all else is clean.
 */
#define FAKES_MAX 4

enum fake_manner {
	FAKE_ANSWERS,
	FAKE_FAILS,  /* scans: ERROR, as `why` */
	FAKE_UNREAD, /* reads nothing of a scan until told otherwise */
	FAKE_MUTE,   /* reads all, and says nothing until told otherwise */
	FAKE_DEAD,   /* nothing at all answers, canaries and OPTIONS too */
	FAKE_FROZEN, /* neither, and it does not even say so */
};

struct fake {
	const char *host;
	enum fake_manner manner;
	enum scan_why why;
	enum scan_kind canary; /* SCAN_CLEAN: blind */
	bool canary_waits;
	const char *istag;
	bool istag_counts; /* another with each answer */
	bool nameless;	   /* only OPTIONS have it */
	bool misses;	   /* calls a virus clean, but for EICAR */
	bool other_bytes;  /* its digest is not of what it was given */
	uint32_t connection_max;
	int options_status;	 /* 0: has them */
	int64_t options_hold_ms; /* 0: an hour */
	/* counted */
	unsigned scans, canaries, options, open, open_most, canceled;
	unsigned sent;	     /* scans that were read to their end */
	unsigned late_reads; /* of what was said not to be read any more */
	int64_t io_ms;
};

/* With the lock; what is changed counts for what is under way. */
struct fake *fake_lock(int i);
void fake_unlock(void);
void fake_reset(void); /* all: up, clean, tag "tag-HOST" */

#endif
