#ifndef GATEWAY_SCAN_HEALTH_H
#define GATEWAY_SCAN_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/scan/scan.h"

/*
 * Whether a server is to be asked, and when its next canary is due; and what
 * its ISTags are worth. Pure: time is an argument.
 *
 * The canary is the judge. Errors of scans only call for it early: a file on
 * which a scanner fails must not take it from everybody else.
 */
struct health {
	enum scan_health state;
	int64_t canary_ms; /* between good ones */
	int64_t due_ms;	   /* the next one */
	int64_t asked_ms;  /* when the last one began; 0: none did */
	int64_t back_off_ms;
	uint32_t unreachable; /* running */
};

void health_init(struct health *health, int64_t canary_ms, int64_t now_ms);
void health_configure(struct health *health, int64_t canary_ms, int64_t now_ms);
/* All below: true when the state is another now. */

/* A canary ended so; what kept it from being sent is SCAN_ERROR. */
bool health_canary(struct health *health, enum scan_kind kind, int64_t now_ms);
/* Of a scan. Unreachable: it says nothing at all, and several such in a row
 * need no canary; any other error may be due to what was scanned. */
bool health_error(struct health *health, bool unreachable, int64_t now_ms);
void health_answer(struct health *health); /* to a scan */
/* Nothing came for so long, and there is no room for a canary. */
bool health_silent(struct health *health, int64_t now_ms);

/* A canary got no answer in time, but scans did: it is busy. Once more. */
void health_busy(struct health *health, int64_t now_ms);

/* A canary began. */
void health_asked(struct health *health, int64_t now_ms);
/* Its next one is due now, or a second after the last. */
void health_doubt(struct health *health, int64_t now_ms);
/* Now; for a new ISTag, behind which answers wait. */
void health_hurry(struct health *health, int64_t now_ms);
bool health_is_due(const struct health *health, int64_t now_ms);

/*
 * A service's ISTag, answer by answer. Definitions are renewed now and then;
 * a tag that is another with each answer (some put the time in, some sit
 * behind a balancer) says nothing, and would make every verdict old at once.
 */
struct istag {
	char now[SCAN_ISTAG_SIZE];
	/* Bit 0: the last answer's was another than the one before, and both
	 * came within ISTAG_QUICK_MS. */
	uint32_t changes;
	int64_t changed_ms;
	bool unsteady;
};

#define ISTAG_QUICK_MS 60000

/* An answer came with it. "": it had none, which is as good as another each
 * time, where there was one before. True when the tag is another now. */
bool istag_note(struct istag *istag, const char *text, int64_t now_ms);

#endif
