/*
 * Of DMARC (RFC 7489, 6.3) and SPF (RFC 7208, 4.5) records only what a sender
 * must not overlook: is there one, one alone, what is its policy. Whether
 * receivers will be content is theirs to decide. What a DKIM record says of a
 * key gateway/dkim/record.h knows.
 *
 * What DNS did not answer is "not known", never "missing".
 */
#include "gateway/back/preflight_text.h"

#include <string.h>

#include "gateway/dkim/record.h"

#define WARNING_MAX 1024

/* --- records -------------------------------------------------------------- */

/* The next "name=value" of a tag list; false: there is none. What has no '='
 * is given with an empty name. */
static bool
tag_next(struct slice *rest, struct slice *name, struct slice *value)
{
	struct slice tag;
	size_t at;

	do {
		if (!slice_split(rest, ';', &tag))
			return false;
		tag = slice_trim(tag);
	} while (tag.n == 0);
	at = slice_find(tag, '=');
	*name = at < tag.n ? slice_trim(slice_head(tag, at)) : SLICE_NONE;
	*value = slice_trim(slice_from(tag, at + 1));
	return true;
}

static bool
tag_find(struct slice record, const char *want, struct slice *value)
{
	struct slice name;

	while (tag_next(&record, &name, value)) {
		if (slice_eq(name, slice_str(want)))
			return true;
	}
	*value = SLICE_NONE;
	return false;
}

static bool
is_denied(const struct dns_answer *answer)
{
	return answer->status == DNS_NXDOMAIN || answer->status == DNS_NODATA;
}

static enum preflight_key
key_state(enum dkim_published published)
{
	switch (published) {
	case DKIM_SAME:
		return PREFLIGHT_KEY_FINE;
	case DKIM_OTHER_KEY:
		return PREFLIGHT_KEY_OTHER;
	case DKIM_REVOKED:
		return PREFLIGHT_KEY_REVOKED;
	case DKIM_TESTING:
	case DKIM_NARROW:
		return PREFLIGHT_KEY_UNUSED;
	case DKIM_NO_RECORD:
		break;
	}
	return PREFLIGHT_KEY_MISSING;
}

enum preflight_key
preflight_key_of(const struct dns_answer *answer, struct slice ours)
{
	enum preflight_key best = PREFLIGHT_KEY_MISSING;

	if (is_denied(answer))
		return PREFLIGHT_KEY_MISSING;
	if (answer->status != DNS_OK)
		return PREFLIGHT_KEY_UNKNOWN;
	for (uint32_t i = 0; i < answer->count; i++) {
		enum preflight_key state = key_state(
		    dkim_record_compare(answer->records[i].data, ours));

		if (state == PREFLIGHT_KEY_FINE)
			return state;
		if (state > best)
			best = state;
	}
	return best;
}

static enum preflight_policy
policy_read(struct slice record, bool below, bool *strict)
{
	struct slice value;

	*strict = tag_find(record, "adkim", &value) &&
		  slice_ieq(value, SLICE_LIT("s"));
	if (!below || !tag_find(record, "sp", &value))
		(void)tag_find(record, "p", &value);
	if (slice_ieq(value, SLICE_LIT("reject")))
		return PREFLIGHT_POLICY_REJECT;
	if (slice_ieq(value, SLICE_LIT("quarantine")))
		return PREFLIGHT_POLICY_QUARANTINE;
	if (slice_ieq(value, SLICE_LIT("none")))
		return PREFLIGHT_POLICY_NONE;
	return PREFLIGHT_POLICY_BROKEN;
}

static bool
is_policy(struct slice record)
{
	struct slice name, value;

	return tag_next(&record, &name, &value) &&
	       slice_eq(name, SLICE_LIT("v")) &&
	       slice_eq(value, SLICE_LIT("DMARC1"));
}

enum preflight_policy
preflight_policy_of(const struct dns_answer *answer, bool below, bool *strict)
{
	enum preflight_policy policy = PREFLIGHT_POLICY_MISSING;

	*strict = false;
	if (is_denied(answer))
		return PREFLIGHT_POLICY_MISSING;
	if (answer->status != DNS_OK)
		return PREFLIGHT_POLICY_UNKNOWN;
	for (uint32_t i = 0; i < answer->count; i++) {
		struct slice record = answer->records[i].data;

		if (!is_policy(record))
			continue;
		/* RFC 7489, 6.6.3: several are none */
		if (policy != PREFLIGHT_POLICY_MISSING) {
			*strict = false;
			return PREFLIGHT_POLICY_BROKEN;
		}
		policy = policy_read(record, below, strict);
	}
	return policy;
}

enum preflight_spf
preflight_spf_of(const struct dns_answer *answer)
{
	enum preflight_spf spf = PREFLIGHT_SPF_MISSING;

	if (is_denied(answer))
		return PREFLIGHT_SPF_MISSING;
	if (answer->status != DNS_OK)
		return PREFLIGHT_SPF_UNKNOWN;
	for (uint32_t i = 0; i < answer->count; i++) {
		struct slice record = answer->records[i].data;

		if (!slice_istarts(record, SLICE_LIT("v=spf1")) ||
		    (record.n > 6 && record.p[6] != ' '))
			continue;
		if (spf == PREFLIGHT_SPF_FINE)
			return PREFLIGHT_SPF_BROKEN;
		spf = PREFLIGHT_SPF_FINE;
	}
	return spf;
}

/* --- words ---------------------------------------------------------------- */

static const char *
key_word(enum preflight_key state)
{
	switch (state) {
	case PREFLIGHT_KEY_FINE:
		return "fine";
	case PREFLIGHT_KEY_MISSING:
		return "missing";
	case PREFLIGHT_KEY_REVOKED:
		return "revoked";
	case PREFLIGHT_KEY_OTHER:
		return "other";
	case PREFLIGHT_KEY_UNUSED:
		return "unused";
	case PREFLIGHT_KEY_UNKNOWN:
		break;
	}
	return "unknown";
}

const char *
preflight_keys_word(const struct preflight_found *found)
{
	enum preflight_key worst = PREFLIGHT_KEY_FINE;

	if (found->key_count == 0)
		return found->read ? "unsigned" : "unknown";
	for (size_t i = 0; i < found->key_count; i++) {
		enum preflight_key state = found->keys[i].state;

		if (state != PREFLIGHT_KEY_FINE &&
		    (worst == PREFLIGHT_KEY_FINE || state > worst))
			worst = state;
	}
	return key_word(worst);
}

const char *
preflight_policy_word(enum preflight_policy policy)
{
	switch (policy) {
	case PREFLIGHT_POLICY_MISSING:
		return "missing";
	case PREFLIGHT_POLICY_BROKEN:
		return "broken";
	case PREFLIGHT_POLICY_NONE:
		return "none";
	case PREFLIGHT_POLICY_QUARANTINE:
		return "quarantine";
	case PREFLIGHT_POLICY_REJECT:
		return "reject";
	case PREFLIGHT_POLICY_UNKNOWN:
		break;
	}
	return "unknown";
}

const char *
preflight_spf_word(enum preflight_spf spf)
{
	switch (spf) {
	case PREFLIGHT_SPF_FINE:
		return "fine";
	case PREFLIGHT_SPF_MISSING:
		return "missing";
	case PREFLIGHT_SPF_BROKEN:
		return "broken";
	case PREFLIGHT_SPF_UNKNOWN:
		break;
	}
	return "unknown";
}

/* All of it, or nothing. */
static void
add(struct buf *out, struct buf *warning)
{
	size_t between = out->n > 0 ? 2 : 0;

	if (warning->n > 0 && !warning->overflow &&
	    out->n + between + warning->n <= out->cap) {
		if (between > 0)
			buf_add_str(out, "; ");
		buf_add_slice(out, buf_slice(warning));
	}
	buf_clear(warning);
}

static void
warn_of_count(struct buf *out, struct buf *warning, uint64_t n,
	      const char *what)
{
	if (n > 0)
		buf_printf(warning, "%llu %s", (unsigned long long)n, what);
	add(out, warning);
}

/* Everybody reads everybody's address. About: an address in a display name
 * counts, too. */
static void
warn_of_shown(const struct preflight_found *found, struct buf *out,
	      struct buf *warning)
{
	if (found->addressed > 1 && found->shown >= found->addressed)
		buf_printf(warning, "all %u addresses stand in To or Cc",
			   found->addressed);
	add(out, warning);
}

static void
warn_of_keys(const struct preflight_found *found, struct buf *out,
	     struct buf *warning)
{
	for (size_t i = 0; i < found->key_count; i++) {
		enum preflight_key state = found->keys[i].state;
		const char *name = found->keys[i].name;

		if (state == PREFLIGHT_KEY_MISSING)
			buf_printf(warning, "DKIM key %s of %s is not in DNS",
				   name, found->signer);
		else if (state == PREFLIGHT_KEY_REVOKED)
			buf_printf(warning, "DKIM key %s of %s is revoked",
				   name, found->signer);
		else if (state == PREFLIGHT_KEY_OTHER)
			buf_printf(warning,
				   "DKIM key %s of %s is another in DNS", name,
				   found->signer);
		else if (state == PREFLIGHT_KEY_UNUSED)
			buf_printf(warning,
				   "DKIM key %s of %s is not to be counted",
				   name, found->signer);
		add(out, warning);
	}
}

static void
warn_of_author(const struct preflight_found *found, struct buf *out,
	       struct buf *warning)
{
	bool wanted = found->policy == PREFLIGHT_POLICY_QUARANTINE ||
		      found->policy == PREFLIGHT_POLICY_REJECT;

	if (!found->read)
		return;
	if (found->from[0] == '\0')
		buf_add_str(warning, "no single author in From");
	else if (found->signer[0] == '\0')
		buf_printf(warning, "not signed (DKIM) for %s%s%s", found->from,
			   wanted ? ", whose DMARC says " : "",
			   wanted ? preflight_policy_word(found->policy) : "");
	else if (found->strict && strcmp(found->signer, found->from) != 0)
		buf_printf(warning, "DMARC of %s wants its own signature",
			   found->from);
	add(out, warning);
}

static void
warn_of_records(const struct preflight_found *found, struct buf *out,
		struct buf *warning)
{
	if (found->policy == PREFLIGHT_POLICY_MISSING)
		buf_printf(warning, "no DMARC record for %s", found->from);
	else if (found->policy == PREFLIGHT_POLICY_BROKEN)
		buf_printf(warning, "DMARC record of %s is broken",
			   found->from);
	add(out, warning);
	if (found->spf == PREFLIGHT_SPF_MISSING)
		buf_printf(warning, "no SPF record for %s", found->sender);
	else if (found->spf == PREFLIGHT_SPF_BROKEN)
		buf_printf(warning, "more than one SPF record for %s",
			   found->sender);
	add(out, warning);
}

static void
warn_of_unknown(const struct preflight_found *found, struct buf *out,
		struct buf *warning)
{
	bool dkim = false, dmarc = found->from[0] != '\0' &&
				   found->policy == PREFLIGHT_POLICY_UNKNOWN;

	for (size_t i = 0; i < found->key_count; i++)
		dkim |= found->keys[i].state == PREFLIGHT_KEY_UNKNOWN;
	if (!found->read)
		buf_add_str(warning, "its messages were not looked at");
	else if (dkim || dmarc)
		buf_printf(warning, "%s%s%s not known: no answer from DNS",
			   dkim ? "DKIM" : "", dkim && dmarc ? " and " : "",
			   dmarc ? "DMARC" : "");
	add(out, warning);
	if (!found->counted)
		buf_add_str(warning, "not all recipients were looked at");
	add(out, warning);
}

void
preflight_warn(const struct preflight_found *found, struct buf *out)
{
	struct buf warning = {.cap = WARNING_MAX};

	warn_of_shown(found, out, &warning);
	warn_of_count(out, &warning, found->dead, "at dead domains");
	warn_of_count(out, &warning, found->suppressed, "suppressed");
	warn_of_count(out, &warning, found->duplicates, "listed twice");
	warn_of_author(found, out, &warning);
	warn_of_keys(found, out, &warning);
	warn_of_records(found, out, &warning);
	warn_of_unknown(found, out, &warning);
	buf_fini(&warning);
}
