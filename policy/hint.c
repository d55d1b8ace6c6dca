/*
 * Near is what one slip of the fingers makes, two in longer names: a letter
 * too many, too few, wrong, or two that changed places. What stands before the
 * first dot and what follows it may have slips of their own (gmial.con). Of
 * two names that are equally near none is told: a wrong hint sends mail to a
 * stranger.
 *
 * Only domains that do not exist are asked for, so names that exist and look
 * like slips (gmail.co, ymail.com, gmx.net beside gmx.com) never come here.
 *
 * A refused recipient costs one pass over the list, so most names fall to a
 * look at their length and at which letters they have: each slip changes the
 * set of letters by two at most.
 */
#include "policy/hint.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"

/* Large providers by the share of mail that goes there. Left out on purpose:
 * names a slip away from a larger one (ymail.com, mail.com, yahoo.ca), which
 * would turn the hint that people need into none. */
static const char *const known[] = {
    "gmail.com",       "googlemail.com", "outlook.com",	   "outlook.de",
    "outlook.fr",      "outlook.es",	 "hotmail.com",	   "hotmail.co.uk",
    "hotmail.de",      "hotmail.fr",	 "hotmail.it",	   "hotmail.es",
    "live.com",	       "live.de",	 "live.fr",	   "live.nl",
    "live.co.uk",      "msn.com",	 "yahoo.com",	   "yahoo.co.uk",
    "yahoo.de",	       "yahoo.fr",	 "yahoo.it",	   "yahoo.es",
    "yahoo.co.in",     "yahoo.co.jp",	 "yahoo.com.br",   "rocketmail.com",
    "icloud.com",      "me.com",	 "mac.com",	   "aol.com",
    "gmx.de",	       "gmx.net",	 "gmx.at",	   "gmx.ch",
    "web.de",	       "t-online.de",	 "freenet.de",	   "arcor.de",
    "posteo.de",       "mailbox.org",	 "proton.me",	   "protonmail.com",
    "fastmail.com",    "tutanota.com",	 "orange.fr",	   "wanadoo.fr",
    "free.fr",	       "laposte.net",	 "sfr.fr",	   "libero.it",
    "virgilio.it",     "tiscali.it",	 "alice.it",	   "btinternet.com",
    "virginmedia.com", "ntlworld.com",	 "talktalk.net",   "comcast.net",
    "verizon.net",     "att.net",	 "sbcglobal.net",  "bellsouth.net",
    "charter.net",     "cox.net",	 "rogers.com",	   "sympatico.ca",
    "bigpond.com",     "qq.com",	 "163.com",	   "126.com",
    "foxmail.com",     "mail.ru",	 "yandex.ru",	   "rambler.ru",
    "ukr.net",	       "naver.com",	 "hanmail.net",	   "bluewin.ch",
    "telenet.be",      "skynet.be",	 "ziggo.nl",	   "planet.nl",
    "xs4all.nl",       "onet.pl",	 "interia.pl",	   "seznam.cz",
    "uol.com.br",      "terra.com.br",	 "rediffmail.com",
};

#define KNOWN_COUNT (sizeof(known) / sizeof(known[0]))
#define FAR 255
#define SLIPS_MAX 3 /* two before the dot and one behind it */

struct name {
	uint64_t letters; /* those that are in it */
	uint8_t n;
	uint8_t head; /* what stands before the first dot */
	char text[HINT_NAME_MAX + 1];
};

struct hint_list {
	size_t count;
	struct name names[];
};

static unsigned
letter_bit(char c)
{
	if (c >= 'a' && c <= 'z')
		return (unsigned)(c - 'a');
	if (c >= '0' && c <= '9')
		return 26 + (unsigned)(c - '0');
	return c == '.' ? 36 : 37;
}

static void
name_set(struct name *name, struct slice text)
{
	name->letters = 0;
	name->n = (uint8_t)text.n;
	name->head = (uint8_t)slice_find(text, '.');
	memcpy(name->text, text.p, text.n);
	name->text[text.n] = '\0';
	for (size_t i = 0; i < text.n; i++)
		name->letters |= (uint64_t)1 << letter_bit(text.p[i]);
}

static bool
is_usable(struct slice text)
{
	return text.n > 0 && text.n <= HINT_NAME_MAX && text.p[0] != '.' &&
	       text.p[0] != '[';
}

struct hint_list *
hint_list_create(const char *const *own, size_t count)
{
	struct hint_list *list;
	size_t most = count < HINT_OWN_MAX ? count : HINT_OWN_MAX;

	list = mem_alloc(sizeof(*list) +
			 (KNOWN_COUNT + most) * sizeof(list->names[0]));
	for (list->count = 0; list->count < KNOWN_COUNT; list->count++)
		name_set(&list->names[list->count],
			 slice_str(known[list->count]));
	for (size_t i = 0; i < count && list->count < KNOWN_COUNT + most; i++)
		if (is_usable(slice_str(own[i])))
			name_set(&list->names[list->count++],
				 slice_str(own[i]));
	return list;
}

void
hint_list_destroy(struct hint_list **list)
{
	free(*list);
	*list = NULL;
}

/* --- how far two names are apart -------------------------------------- */

/* Where each byte stands in a text of up to 64. */
struct pattern {
	uint64_t at[256];
	size_t n;
};

static void
pattern_set(struct pattern *pattern, struct slice text)
{
	memset(pattern->at, 0, sizeof(pattern->at));
	pattern->n = text.n;
	for (size_t i = 0; i < text.n; i++)
		pattern->at[(unsigned char)text.p[i]] |= (uint64_t)1 << i;
}

/*
 * Damerau's and Levenshtein's distance, without edits inside of a swap; FAR
 * when it is over most. Hyyro's (2003): a column of their table at a time, in
 * which neighbours differ by one at most, so that it is two words of signs.
 */
static unsigned
distance(const struct pattern *a, struct slice b, unsigned most)
{
	uint64_t down = UINT64_MAX, up = 0, same = 0, before = 0;
	uint64_t last = a->n > 0 ? (uint64_t)1 << (a->n - 1) : 0;
	unsigned far = (unsigned)a->n;

	if (a->n > b.n + most || b.n > a->n + most)
		return FAR;
	if (a->n == 0)
		return (unsigned)b.n;
	for (size_t j = 0; j < b.n; j++) {
		uint64_t here = a->at[(unsigned char)b.p[j]];
		uint64_t swapped = ((~same & here) << 1) & before, right, left;

		same = (((here & down) + down) ^ down) | here | up | swapped;
		right = up | ~(same | down);
		left = same & down;
		far += (right & last) != 0;
		far -= (left & last) != 0;
		right = right << 1 | 1;
		left = left << 1;
		down = left | ~(same | right);
		up = right & same;
		before = here;
	}
	return far <= most ? far : FAR;
}

struct asked {
	struct name name;
	struct pattern all, head, tail;
};

static struct slice
head_of(const struct name *name)
{
	return slice_of(name->text, name->head);
}

static struct slice
tail_of(const struct name *name)
{
	return slice_from(slice_of(name->text, name->n), name->head);
}

static void
asked_set(struct asked *asked, struct slice text)
{
	name_set(&asked->name, text);
	pattern_set(&asked->all, text);
	pattern_set(&asked->head, head_of(&asked->name));
	pattern_set(&asked->tail, tail_of(&asked->name));
}

/* More than n of them are set. */
static bool
has_more(uint64_t bits, unsigned n)
{
	for (; bits != 0; n--, bits &= bits - 1)
		if (n == 0)
			return true;
	return false;
}

/* How many slips make what is asked of b; FAR: too many for names as long as
 * these. */
static unsigned
slips(const struct asked *asked, const struct name *b)
{
	const struct name *a = &asked->name;
	unsigned head = a->head < b->head ? a->head : b->head;
	unsigned most = head <= 5 ? 1 : 2, all, before, behind;

	if (a->n > b->n + SLIPS_MAX || b->n > a->n + SLIPS_MAX ||
	    has_more(a->letters ^ b->letters, 2 * SLIPS_MAX))
		return FAR;
	all = distance(&asked->all, slice_of(b->text, b->n), most);
	if (all != FAR || head <= 3)
		return all;
	behind = distance(&asked->tail, tail_of(b), 1);
	if (behind == FAR)
		return FAR;
	before = distance(&asked->head, head_of(b), most);
	return before == FAR ? FAR : before + behind;
}

const char *
hint_find(const struct hint_list *list, struct slice domain)
{
	const struct name *best = NULL;
	unsigned best_slips = FAR;
	struct asked asked;
	bool tie = false;

	if (!is_usable(domain))
		return NULL;
	asked_set(&asked, domain);
	for (size_t i = 0; i < list->count; i++) {
		const struct name *name = &list->names[i];
		unsigned n = slips(&asked, name);

		if (n == 0)
			return NULL;
		if (n == FAR || n > best_slips)
			continue;
		/* one of the site's own may be a large one too */
		tie = n == best_slips &&
		      (tie || strcmp(name->text, best->text) != 0);
		best = name;
		best_slips = n;
	}
	return best == NULL || tie ? NULL : best->text;
}
