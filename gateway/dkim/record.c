#include "gateway/dkim/record.h"

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct slice
trim(struct slice s)
{
	while (s.n > 0 && is_space(s.p[0]))
		s = slice_from(s, 1);
	while (s.n > 0 && is_space(s.p[s.n - 1]))
		s.n--;
	return s;
}

/* The value of a tag; none: it is not there. The first one counts; *twice: it
 * is not the only one. */
static struct slice
tag(struct slice record, const char *name, bool *twice)
{
	struct slice part, value = SLICE_NONE;

	while (slice_split(&record, ';', &part)) {
		size_t equals = slice_find(part, '=');

		if (equals == part.n ||
		    !slice_eq(trim(slice_head(part, equals)), slice_str(name)))
			continue;
		if (value.p != NULL)
			*twice = true;
		else
			value = trim(slice_from(part, equals + 1));
		if (value.p == NULL)
			value = SLICE_LIT("");
	}
	return value;
}

/* Blanks may stand anywhere in base64 text. */
static bool
same_key(struct slice a, struct slice b)
{
	while (a.n > 0 || b.n > 0) {
		if (a.n > 0 && is_space(a.p[0])) {
			a = slice_from(a, 1);
		} else if (b.n > 0 && is_space(b.p[0])) {
			b = slice_from(b, 1);
		} else if (a.n == 0 || b.n == 0 || a.p[0] != b.p[0]) {
			return false;
		} else {
			a = slice_from(a, 1);
			b = slice_from(b, 1);
		}
	}
	return true;
}

/* A list with ':' has this word, or "*"; a list that is not there has all. */
static bool
has(struct slice list, const char *word)
{
	struct slice part;

	if (list.p == NULL)
		return true;
	while (slice_split(&list, ':', &part)) {
		part = trim(part);
		if (slice_eq(part, slice_str(word)) ||
		    slice_eq(part, SLICE_LIT("*")))
			return true;
	}
	return false;
}

enum dkim_published
dkim_record_compare(struct slice published, struct slice ours)
{
	bool twice = false;
	struct slice v = tag(published, "v", &twice);
	struct slice p = tag(published, "p", &twice);
	struct slice k = tag(published, "k", &twice);
	struct slice t = tag(published, "t", &twice);
	struct slice h = tag(published, "h", &twice);
	struct slice s = tag(published, "s", &twice);

	if (twice || p.p == NULL ||
	    (v.p != NULL && !slice_eq(v, SLICE_LIT("DKIM1"))))
		return DKIM_NO_RECORD;
	if (p.n == 0)
		return DKIM_REVOKED;
	if (k.p == NULL)
		k = SLICE_LIT("rsa");
	if (!slice_eq(k, tag(ours, "k", &twice)) ||
	    !same_key(p, tag(ours, "p", &twice)))
		return DKIM_OTHER_KEY;
	if (!has(h, "sha256") || !has(s, "email"))
		return DKIM_NARROW;
	if (t.p != NULL && has(t, "y"))
		return DKIM_TESTING;
	return DKIM_SAME;
}

const char *
dkim_published_text(enum dkim_published published)
{
	switch (published) {
	case DKIM_SAME:
		return "is published";
	case DKIM_OTHER_KEY:
		return "has another key in DNS: nothing that it signs is good";
	case DKIM_REVOKED:
		return "is revoked in DNS: nothing that it signs is good";
	case DKIM_TESTING:
		return "is published with t=y: receivers do not count it";
	case DKIM_NO_RECORD:
		return "has a TXT in DNS that is no DKIM record";
	case DKIM_NARROW:
		return "is published, but not for mail with SHA-256";
	}
	return "";
}
