/*
 * The keys that mail is signed with: how they are written, where they are
 * read, and what `dkim` blocks and `unsubscribe` mean together. Whoever can
 * read such a file can write mail in the domain's name that everybody
 * believes: one that others can read is an error, not a warning.
 */
#include <string.h>

#include "gateway/config_int.h"
#include "gateway/dkim/keys.h"

static const char *
show(struct config_reading *r, const char *text)
{
	return config_word_text(r->arena, text);
}

/* --- selector --- */

static bool
is_repeated(struct config_reading *r, const struct config_selectors *selectors,
	    const struct config_word *name, const char *key)
{
	for (size_t i = 0; i < selectors->count; i++) {
		const struct config_selector *other = &selectors->v[i];

		if (strcmp(other->name, key) != 0)
			continue;
		config_error(r->problems, name->at,
			     "the selector '%s' stands at %s:%u:%u already",
			     key, other->at.file, other->at.line,
			     other->at.column);
		return true;
	}
	return false;
}

static bool
read_selector(struct config_reading *r, const struct config_row *row,
	      const struct config_node *node, void *field)
{
	const struct config_word *word = node->words;
	struct config_selectors *selectors = field;
	struct config_selector *to;
	const char *why, *name;

	if (!config_room(r, row, node, selectors->count))
		return false;
	name = config_domain_key(r->arena, word[1].text, &why);
	if (name == NULL) {
		config_error(r->problems, word[1].at, "'%s' is no selector: %s",
			     show(r, word[1].text), why);
		return false;
	}
	if (is_repeated(r, selectors, &word[1], name) ||
	    !config_absolute(r, &word[2]))
		return false;
	to = config_list_add(r->arena, (void **)&selectors->v,
			     &selectors->count, sizeof(*selectors->v));
	*to = (struct config_selector){
	    .name = name, .file = word[2].text, .at = word[1].at};
	return true;
}

static bool
print_selector(const struct config_row *row, const void *field, size_t i,
	       struct buf *out)
{
	const struct config_selectors *selectors = field;

	(void)row;
	if (i >= selectors->count)
		return false;
	config_word_print(out, selectors->v[i].name);
	buf_add_byte(out, ' ');
	config_word_print(out, selectors->v[i].file);
	return true;
}

const struct config_shape config_shape_selector = {
    2, 2, "NAME PATH", read_selector, print_selector};

/* --- what they mean together --- */

static const struct config_dkim *
dkim_at(const struct config *c, size_t i)
{
	return (const struct config_dkim *)c->dkims.v[i];
}

/* A block's name is written as any word; what it means is its key form. */
static const char *
domain_of(struct config_reading *r, const struct config_dkim *dkim)
{
	const char *why;
	const char *key = config_domain_key(r->arena, dkim->block.name, &why);

	if (key == NULL)
		config_error(r->problems, dkim->block.at,
			     "'%s' is no domain: %s", show(r, dkim->block.name),
			     why);
	return key;
}

/* https://host..., fit to stand between '<' and '>' (RFC 8058, 3.1). */
static const char *
url_fault(const char *url)
{
	struct slice rest = slice_str(url);

	if (!slice_starts(rest, SLICE_LIT("https://")))
		return "begin it with https://";
	if (url[strlen("https://")] == '\0' || url[strlen("https://")] == '/')
		return "it names no host";
	for (const char *c = url; *c != '\0'; c++)
		if (*c <= ' ' || *c > '~' || strchr("<>\"\\^`|,", *c) != NULL)
			return "blanks, quotes, commas and angle brackets "
			       "cannot stand in it: write them as %20 and so "
			       "on";
	for (; rest.n > 0; rest = slice_from(rest, 1)) {
		if (rest.p[0] == '}')
			return "it holds {campaign} and {message}, and no "
			       "other braces";
		if (rest.p[0] != '{')
			continue;
		if (!slice_starts(rest, SLICE_LIT("{campaign}")) &&
		    !slice_starts(rest, SLICE_LIT("{message}")))
			return "it holds {campaign} and {message}, and no "
			       "other braces";
		rest = slice_from(rest, slice_find(rest, '}'));
	}
	return NULL;
}

static void
check_unsubscribe(struct config_reading *r, const struct config *c)
{
	const struct config_bulk *bulk = &c->bulk;
	const char *why;

	if (bulk->unsubscribe == NULL)
		return;
	why = url_fault(bulk->unsubscribe);
	if (why != NULL)
		config_error(r->problems,
			     config_place_of(&bulk->block, "unsubscribe"),
			     "'%s' is no address for unsubscribing: %s",
			     show(r, bulk->unsubscribe), why);
	else if (c->dkims.count == 0)
		config_warn(r->problems,
			    config_place_of(&bulk->block, "unsubscribe"),
			    "'unsubscribe' does nothing without a 'dkim' "
			    "block: it stands in signed mail alone");
}

void
config_check_dkim(struct config_reading *r, const struct config *c)
{
	for (size_t i = 0; i < c->dkims.count; i++) {
		const char *key = domain_of(r, dkim_at(c, i));

		for (size_t j = 0; key != NULL && j < i; j++) {
			const struct config_block *other = c->dkims.v[j];
			const char *why;
			const char *its =
			    config_domain_key(r->arena, other->name, &why);

			if (its == NULL || strcmp(its, key) != 0)
				continue;
			config_error(r->problems, dkim_at(c, i)->block.at,
				     "'%s' stands at %s:%u:%u already", key,
				     other->at.file, other->at.line,
				     other->at.column);
		}
	}
	check_unsubscribe(r, c);
}

/* --- the files --- */

static void
read_keys(struct config_reading *r, struct config *c,
	  const struct config_dkim *dkim)
{
	const char *why;
	const char *name = config_domain_key(r->arena, dkim->block.name, &why);
	struct dkim_domain *domain;

	if (name == NULL)
		return; /* told */
	domain = dkim_keys_add(c->dkim_keys, name);
	domain->bulk = dkim->lanes != 0;
	domain->below = dkim->subdomains;
	for (size_t i = 0; i < dkim->selectors.count; i++) {
		const struct config_selector *selector = &dkim->selectors.v[i];
		struct dkim_key *key = dkim_key_read(selector->file, &why);

		if (key != NULL)
			dkim_domain_add(domain, selector->name, &key);
		else
			config_error(r->problems, selector->at,
				     "the key file '%s': %s",
				     show(r, selector->file), why);
	}
}

void
config_read_dkim(struct config_reading *r, struct config *c)
{
	if (c->dkims.count == 0)
		return;
	c->dkim_keys = dkim_keys_create();
	for (size_t i = 0; i < c->dkims.count; i++)
		read_keys(r, c, dkim_at(c, i));
}
