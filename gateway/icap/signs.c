/*
 * Two kinds of text occur. The name of a threat is infected whatever it is
 * called ("Exploit.D-Encrypted.Gen" is no encrypted file), except for the few
 * whole names by which scanners tell that they could not look. A reason is
 * words, and is searched for words; one that we do not know blocks as an
 * infection does, since `unscannable pass` must not let through what some
 * server calls malware in Finnish.
 *
 * The kinds are in the field where the server knows best first: with an
 * X-Infection-Found, whose Type says virus, policy or container, the fields
 * that repeat its text without the type are not asked.
 */
#include "gateway/icap/signs.h"

#include <ctype.h>

struct word {
	const char *text;
	enum scan_kind kind;
	enum scan_why why;
};

/* In a reason; the first that occurs decides. */
static const struct word reason_words[] = {
    {"infect", SCAN_INFECTED, SCAN_WHY_NONE},
    {"virus", SCAN_INFECTED, SCAN_WHY_NONE},
    {"malware", SCAN_INFECTED, SCAN_WHY_NONE},
    {"trojan", SCAN_INFECTED, SCAN_WHY_NONE},
    {"threat", SCAN_INFECTED, SCAN_WHY_NONE},
    {"suspicious", SCAN_INFECTED, SCAN_WHY_NONE},
    {"encrypt", SCAN_UNSCANNABLE, SCAN_WHY_ENCRYPTED},
    {"password", SCAN_UNSCANNABLE, SCAN_WHY_ENCRYPTED},
    {"container", SCAN_UNSCANNABLE, SCAN_WHY_CONTAINER},
    {"archive", SCAN_UNSCANNABLE, SCAN_WHY_CONTAINER},
    {"depth", SCAN_UNSCANNABLE, SCAN_WHY_CONTAINER},
    {"nest", SCAN_UNSCANNABLE, SCAN_WHY_CONTAINER},
    {"bomb", SCAN_UNSCANNABLE, SCAN_WHY_CONTAINER},
    {"size", SCAN_UNSCANNABLE, SCAN_WHY_TOO_BIG},
    {"too big", SCAN_UNSCANNABLE, SCAN_WHY_TOO_BIG},
    {"too large", SCAN_UNSCANNABLE, SCAN_WHY_TOO_BIG},
    {"file type", SCAN_UNSCANNABLE, SCAN_WHY_POLICY},
    {"filetype", SCAN_UNSCANNABLE, SCAN_WHY_POLICY},
    {"media type", SCAN_UNSCANNABLE, SCAN_WHY_POLICY},
    {"extension", SCAN_UNSCANNABLE, SCAN_WHY_POLICY},
    {"block list", SCAN_UNSCANNABLE, SCAN_WHY_POLICY},
    {"blocklist", SCAN_UNSCANNABLE, SCAN_WHY_POLICY},
    {"blacklist", SCAN_UNSCANNABLE, SCAN_WHY_POLICY},
    {"policy", SCAN_UNSCANNABLE, SCAN_WHY_POLICY},
    {"mismatch", SCAN_UNSCANNABLE, SCAN_WHY_POLICY},
    {"sensitive", SCAN_UNSCANNABLE, SCAN_WHY_POLICY},
    {"not supported", SCAN_UNSCANNABLE, SCAN_WHY_POLICY},
    {"not scanned", SCAN_ERROR, SCAN_WHY_SERVER},
    {"fail", SCAN_ERROR, SCAN_WHY_SERVER},
    {"abort", SCAN_ERROR, SCAN_WHY_SERVER},
    {"cancel", SCAN_ERROR, SCAN_WHY_SERVER},
    {"timeout", SCAN_ERROR, SCAN_WHY_SERVER},
    {"timed out", SCAN_ERROR, SCAN_WHY_SERVER},
    {"license", SCAN_ERROR, SCAN_WHY_SERVER},
    {"error", SCAN_ERROR, SCAN_WHY_SERVER},
};

/* Names of threats that are none. */
static const struct {
	const char *text;
	bool whole; /* else only how it begins */
	enum scan_why why;
} no_threats[] = {
    /* Symantec */
    {"Encrypted container violation", true, SCAN_WHY_ENCRYPTED},
    {"Container size violation", true, SCAN_WHY_CONTAINER},
    {"Malformed container violation", true, SCAN_WHY_CONTAINER},
    /* OPSWAT */
    {"Encrypted Archive", true, SCAN_WHY_ENCRYPTED},
    {"Password Protected Document", true, SCAN_WHY_ENCRYPTED},
    {"Exceeded Archive ", false, SCAN_WHY_CONTAINER},
    /* ClamAV with AlertEncrypted, AlertExceedsMax */
    {"Heuristics.Encrypted.", false, SCAN_WHY_ENCRYPTED},
    {"Heuristics.Limits.Exceeded", false, SCAN_WHY_CONTAINER},
};

/* What stands where a name would, when there is nothing to name. */
static const char *const nothing[] = {
    "",	    "-",     "0",	 "no threats",	       "no threats found",
    "none", "clean", "no virus", "no threat detected",
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int
rank(enum scan_kind kind)
{
	switch (kind) {
	case SCAN_INFECTED:
		return 3;
	case SCAN_UNSCANNABLE:
		return 2;
	case SCAN_ERROR:
		return 1;
	case SCAN_CLEAN:
		break;
	}
	return 0;
}

static void
note(struct icap_signs *s, enum scan_kind kind, enum scan_why why,
     struct slice text)
{
	if (s->found && rank(kind) < rank(s->kind))
		return;
	if (s->found && kind == s->kind && s->text.n > 0)
		return;
	*s = (struct icap_signs){true, kind, why, text};
}

/* Blanks, line ends and one pair of quotes off. */
static struct slice
strip(struct slice s)
{
	while (s.n > 0 && isspace((unsigned char)s.p[0]))
		s = slice_from(s, 1);
	while (s.n > 0 && isspace((unsigned char)s.p[s.n - 1]))
		s.n--;
	if (s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"')
		s = slice_of(s.p + 1, s.n - 2);
	return s;
}

static bool
is_nothing(struct slice text)
{
	for (size_t i = 0; i < COUNT(nothing); i++) {
		if (slice_ieq(text, slice_str(nothing[i])))
			return true;
	}
	return false;
}

static bool
has_word(struct slice text, const char *word)
{
	struct slice w = slice_str(word);

	for (size_t at = 0; at + w.n <= text.n; at++) {
		if (slice_istarts(slice_from(text, at), w))
			return true;
	}
	return false;
}

static const struct word *
reason_word(struct slice text)
{
	for (size_t i = 0; i < COUNT(reason_words); i++) {
		if (has_word(text, reason_words[i].text))
			return &reason_words[i];
	}
	return NULL;
}

static void
note_threat(struct icap_signs *s, struct slice text)
{
	for (size_t i = 0; i < COUNT(no_threats); i++) {
		struct slice name = slice_str(no_threats[i].text);

		if (no_threats[i].whole ? slice_ieq(text, name)
					: slice_istarts(text, name)) {
			note(s, SCAN_UNSCANNABLE, no_threats[i].why, text);
			return;
		}
	}
	note(s, SCAN_INFECTED, SCAN_WHY_NONE,
	     is_nothing(text) ? SLICE_NONE : text);
}

static void
note_reason(struct icap_signs *s, struct slice text)
{
	const struct word *word = reason_word(text);

	if (word == NULL)
		note(s, SCAN_INFECTED, SCAN_WHY_NONE, text);
	else
		note(s, word->kind, word->why, text);
}

/* Could not be looked into; the words say why, if we know them. */
static void
note_unscannable(struct icap_signs *s, enum scan_why why, struct slice text)
{
	const struct word *word = reason_word(text);

	if (word != NULL && word->kind == SCAN_UNSCANNABLE)
		why = word->why;
	note(s, SCAN_UNSCANNABLE, why, text);
}

/* "Type=0; Resolution=2; Threat=NAME;" with any blanks between. Whether it
 * was repaired (Resolution=1) is all one: we do not take repaired files. */
static void
infection(struct icap_signs *s, struct slice value)
{
	struct slice item, threat = SLICE_NONE, text;
	uint64_t type = 0;

	while (slice_split(&value, ';', &item)) {
		size_t sep = slice_find(item, '=');
		struct slice key = strip(slice_head(item, sep));

		text = strip(slice_from(item, sep + 1));
		if (slice_ieq(key, SLICE_LIT("Threat")))
			threat = text;
		else if (slice_ieq(key, SLICE_LIT("Type")) &&
			 !slice_u64(text, &type))
			type = 0;
	}
	if (type == 1)
		note_unscannable(s, SCAN_WHY_POLICY, threat);
	else if (type == 2)
		note_unscannable(s, SCAN_WHY_CONTAINER, threat);
	else
		note_threat(s, threat);
}

/* The count, then of each violation, a line each: file, threat, problem,
 * resolution. */
static void
violations(struct icap_signs *s, struct slice value)
{
	struct slice line;
	uint64_t count = 1;
	size_t at = 0;

	if (!slice_split(&value, '\n', &line))
		return;
	if (is_nothing(strip(line)) ||
	    (slice_u64(strip(line), &count) && count == 0))
		return;
	while (slice_split(&value, '\n', &line)) {
		if (at++ % 4 == 1)
			note_threat(s, strip(line));
	}
	if (at < 2) /* something, and not a word what */
		note(s, SCAN_INFECTED, SCAN_WHY_NONE, SLICE_NONE);
}

/* Calls fn for each field of that name in the ICAP head and the HTTP head of
 * a response: servers use both. Never the head of a request: that is ours. */
static bool
each(const struct icap_answer *a, const char *name, struct icap_signs *s,
     void (*fn)(struct icap_signs *s, struct slice value))
{
	struct slice value;
	uint32_t at = 0;
	bool any = false;

	for (; icap_head_next(&a->icap, name, &at, &value); any = true)
		fn(s, strip(value));
	at = 0;
	for (; icap_head_next(&a->res, name, &at, &value); any = true)
		fn(s, strip(value));
	return any;
}

static void
threat_if_any(struct icap_signs *s, struct slice text)
{
	if (!is_nothing(text))
		note_threat(s, text);
}

static void
reason_if_any(struct icap_signs *s, struct slice text)
{
	if (!is_nothing(text))
		note_reason(s, text);
}

/* F-Secure: the result is a word, the name is elsewhere. */
static void
fsecure(const struct icap_answer *a, struct icap_signs *s)
{
	struct slice result =
	    strip(icap_head_get(&a->icap, "X-FSecure-Scan-Result"));
	struct slice name =
	    strip(icap_head_get(&a->icap, "X-FSecure-Infection-Name"));
	const struct word *word;

	if (is_nothing(result)) {
		threat_if_any(s, name);
		return;
	}
	word = reason_word(result);
	if (word != NULL && word->kind != SCAN_INFECTED)
		note(s, word->kind, word->why, result);
	else
		note_threat(s, name.n > 0 ? name : result);
}

/* X-Response-Info: Blocked (OPSWAT, Kaspersky, ESET), and why. */
static void
response_info(const struct icap_answer *a, struct icap_signs *s)
{
	struct slice info = strip(icap_head_get(&a->icap, "X-Response-Info"));
	struct slice virus = strip(icap_head_get(&a->icap, "X-Virus-ID"));

	if (!slice_ieq(info, SLICE_LIT("blocked")) || s->found)
		return;
	(void)each(a, "X-Response-Desc", s, reason_if_any);
	if (s->found)
		return;
	/* "no threats", and blocked all the same: a rule of the server's */
	if (virus.n > 0 && is_nothing(virus))
		note(s, SCAN_UNSCANNABLE, SCAN_WHY_POLICY,
		     SLICE_LIT("blocked"));
	else
		note(s, SCAN_INFECTED, SCAN_WHY_NONE, SLICE_NONE);
}

void
icap_signs_find(const struct icap_answer *a, struct icap_signs *s)
{
	*s = (struct icap_signs){.kind = SCAN_CLEAN};
	if (!each(a, "X-Infection-Found", s, infection)) {
		(void)each(a, "X-Violations-Found", s, violations);
		(void)each(a, "X-Virus-ID", s, threat_if_any);
		(void)each(a, "X-Virus-Name", s, threat_if_any);
	}
	fsecure(a, s);
	(void)each(a, "X-Blocked-Reason", s, reason_if_any); /* OPSWAT */
	(void)each(a, "X-Block-Reason", s, reason_if_any);   /* McAfee */
	(void)each(a, "X-MWG-Block-Reason", s, reason_if_any);
	(void)each(a, "X-Blocked", s, reason_if_any); /* Sophos */
	response_info(a, s);
}
