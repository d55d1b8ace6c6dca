#ifndef GATEWAY_SCAN_VERDICTS_H
#define GATEWAY_SCAN_VERDICTS_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/digest.h"
#include "gateway/scan/verdict.h"

/*
 * What is known of contents, in memory: a verdict by the digest of the decoded
 * bytes, with the service that gave it, its ISTag then, and the policy. Any
 * thread; time is an argument.
 */
struct verdicts;

struct verdicts_conf {
	uint32_t count_max;
	int64_t age_ms;		/* believed for so long */
	uint32_t rescans_per_s; /* of contents known under another ISTag */
	uint32_t policy;	/* verdicts of another count for nothing */
};

struct verdicts *verdicts_create(const struct verdicts_conf *conf);
void verdicts_destroy(struct verdicts **verdicts);
void verdicts_configure(struct verdicts *verdicts,
			const struct verdicts_conf *conf);

/*
 * True: what is known counts. False: it is to be scanned; also a content whose
 * service has another ISTag now, as long as rescans_per_s allows one more:
 * beyond that its old verdict still counts. With `take` a false answer uses up
 * that allowance, so it is for who scans then; without, nothing changes.
 */
bool verdicts_get(struct verdicts *verdicts, const uint8_t digest[DIGEST_SIZE],
		  int64_t now_ms, bool take, struct scan_verdict *verdict);

/* True: it is known to be infected, under whatever ISTag, and the verdict is
 * not too old. Nothing changes. */
bool verdicts_virus(struct verdicts *verdicts,
		    const uint8_t digest[DIGEST_SIZE], int64_t now_ms,
		    struct scan_verdict *verdict);

/*
 * ERROR is not kept; UNSCANNABLE, being about settings, for minutes only; one
 * without an ISTag of a service that has one, only when it is INFECTED.
 *
 * True: another service, which is still there, has called it INFECTED, and so
 * it stays, as in *stands, until that one says otherwise, or the verdict is
 * too old.
 */
bool verdicts_put(struct verdicts *verdicts, const uint8_t digest[DIGEST_SIZE],
		  uint64_t service, const struct scan_verdict *verdict,
		  int64_t now_ms, struct scan_verdict *stands);

/* What a service calls itself now; what it said under other names is old.
 * Unsteady: its ISTags mean nothing; verdicts are kept for a minute. */
void verdicts_service(struct verdicts *verdicts, uint64_t service,
		      const char *istag, bool unsteady);
/* It is not in the configuration any more: all it said is old. */
void verdicts_service_gone(struct verdicts *verdicts, uint64_t service);
/* It did not look: nothing it called clean, or could not scan, is believed. */
void verdicts_distrust(struct verdicts *verdicts, uint64_t service);

uint64_t verdicts_flush(struct verdicts *verdicts); /* how many there were */
uint64_t verdicts_count(struct verdicts *verdicts);

#endif
