#ifndef GATEWAY_ICAP_SIGNS_H
#define GATEWAY_ICAP_SIGNS_H

#include "gateway/icap/answer.h"
#include "gateway/scan/verdict.h"

/*
 * What the header fields of an answer say of the file, in all the ways that
 * servers have of saying it (draft-stecher-icap-subid and what grew around
 * it). None of them is standard, all of them occur.
 */
struct icap_signs {
	bool found;	     /* kind is INFECTED, UNSCANNABLE or ERROR */
	enum scan_kind kind; /* the worst that was said */
	enum scan_why why;
	struct slice text; /* the threat's name or the reason; lies in answer */
};

/* The ICAP head must be whole; of the HTTP heads what is there counts. */
void icap_signs_find(const struct icap_answer *answer,
		     struct icap_signs *signs);

#endif
