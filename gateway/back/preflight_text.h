#ifndef GATEWAY_BACK_PREFLIGHT_TEXT_H
#define GATEWAY_BACK_PREFLIGHT_TEXT_H

#include "dns/lookup.h"
#include "gateway/base/buf.h"
#include "gateway/dkim/keys.h"

/*
 * What the look at a campaign before its first delivery found, and what is
 * said of it. Reads TXT records, which come from strangers. Pure.
 */
enum preflight_key { /* of one selector that we sign with */
		     PREFLIGHT_KEY_UNKNOWN,
		     PREFLIGHT_KEY_FINE,
		     PREFLIGHT_KEY_MISSING,
		     PREFLIGHT_KEY_REVOKED,
		     PREFLIGHT_KEY_OTHER,  /* there is one, but not ours */
		     PREFLIGHT_KEY_UNUSED, /* ours, which receivers are told
					      not to count */
};

enum preflight_policy {
	PREFLIGHT_POLICY_UNKNOWN,
	PREFLIGHT_POLICY_MISSING,
	PREFLIGHT_POLICY_BROKEN, /* several, or one that is none */
	PREFLIGHT_POLICY_NONE,
	PREFLIGHT_POLICY_QUARANTINE,
	PREFLIGHT_POLICY_REJECT,
};

enum preflight_spf {
	PREFLIGHT_SPF_UNKNOWN,
	PREFLIGHT_SPF_FINE, /* there is one; what it says is not looked at */
	PREFLIGHT_SPF_MISSING,
	PREFLIGHT_SPF_BROKEN, /* several: as good as none (RFC 7208, 4.5) */
};

#define PREFLIGHT_DOMAIN_SIZE 256

struct preflight_found {
	/* Counts are complete; else of what was looked at in the time. */
	bool counted;
	uint64_t recipients, dead, suppressed, duplicates;
	/* Of the first message; 0, "": not known. */
	uint32_t shown;	    /* addresses in To and Cc, about */
	uint32_t addressed; /* its recipients that are still queued */
	char from[PREFLIGHT_DOMAIN_SIZE];   /* of the one author; key form */
	char sender[PREFLIGHT_DOMAIN_SIZE]; /* of MAIL FROM; key form */
	bool read;			    /* the message was */
	/* Who signs; "": nobody. */
	char signer[PREFLIGHT_DOMAIN_SIZE];
	struct {
		char name[64]; /* a label */
		enum preflight_key state;
	} keys[DKIM_SELECTORS_MAX];
	size_t key_count;
	enum preflight_policy policy;
	bool strict; /* adkim=s: only the author's own domain may sign */
	enum preflight_spf spf;
};

/* ours: what DNS is to say, "v=DKIM1; k=rsa; p=...". */
enum preflight_key preflight_key_of(const struct dns_answer *answer,
				    struct slice ours);
/* below: the record is of a domain above the author's. */
enum preflight_policy preflight_policy_of(const struct dns_answer *answer,
					  bool below, bool *strict);
enum preflight_spf preflight_spf_of(const struct dns_answer *answer);

/* "fine", "revoked", ...: the worst of all keys. */
const char *preflight_keys_word(const struct preflight_found *found);
const char *preflight_policy_word(enum preflight_policy policy);
const char *preflight_spf_word(enum preflight_spf spf);

/* What there is to warn of, the gravest first, "; " between them; whole
 * warnings only, as many as out's cap has room for. Nothing: all is well. */
void preflight_warn(const struct preflight_found *found, struct buf *out);

#endif
