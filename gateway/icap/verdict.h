#ifndef GATEWAY_ICAP_VERDICT_H
#define GATEWAY_ICAP_VERDICT_H

#include "gateway/icap/answer.h"
#include "gateway/icap/profile.h"
#include "gateway/scan/verdict.h"

/* The body of an answer beside the one that was sent. */
enum icap_body {
	ICAP_BODY_OPEN, /* not at its end yet */
	ICAP_BODY_SAME,
	ICAP_BODY_OTHER, /* replaced, repaired, or none where one was */
};

/*
 * What an answer to a scan says: sets kind, why, threat and istag of *verdict
 * (the rest is left alone), and adds to error when the kind is ERROR, escaped
 * (room for ICAP_TEXT_MAX). false: it hangs on the body; only with
 * ICAP_BODY_OPEN. The heads must be whole.
 */
bool icap_judge(const struct icap_answer *answer,
		const struct icap_profile *profile, enum icap_body body,
		struct scan_verdict *verdict, struct buf *error);

/* Of an answer that broke off, or is none: INFECTED when its head had said so
 * already, which no later byte takes back. false: nothing is known. */
bool icap_judge_broken(const struct icap_answer *answer,
		       struct scan_verdict *verdict);

/* ISTag: of a head, without quotes, escaped; a longer one than fits gets its
 * digest into the tail, so that two of them stay different. */
void icap_istag(const struct icap_head *head, char istag[SCAN_ISTAG_SIZE]);

#endif
