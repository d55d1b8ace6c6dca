/*
 * What may still turn out to be nothing (blanks before a line's end, empty
 * lines before the body's) is counted and not kept, so a body of a million
 * empty lines costs no memory. A CR without its LF is a character like any
 * other; whoever lets one in has decided about it before.
 */
#include "gateway/dkim/canon.h"

#include <string.h>

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* ASCII alone: a locale has no business here. */
static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

void
dkim_canon_field(struct buf *out, struct slice field)
{
	size_t colon = slice_find(field, ':');
	struct slice name = slice_trim(slice_head(field, colon));
	struct slice value = slice_from(field, colon + 1);
	bool space = false, begun = false;

	for (size_t i = 0; i < name.n; i++)
		buf_add_byte(out, lower(name.p[i]));
	buf_add_byte(out, ':');
	for (size_t i = 0; i < value.n; i++) {
		char c = value.p[i];

		if (c == '\r' || c == '\n')
			continue; /* a fold: the blank behind it stays */
		if (is_blank(c)) {
			space = true;
			continue;
		}
		if (space && begun)
			buf_add_byte(out, ' ');
		buf_add_byte(out, c);
		space = false;
		begun = true;
	}
	buf_add_str(out, "\r\n");
}

/* --- the body --------------------------------------------------------------
 */

void
dkim_body_init(struct dkim_body *body)
{
	memset(body, 0, sizeof(*body));
	body->digest = digest_create();
}

void
dkim_body_fini(struct dkim_body *body)
{
	digest_destroy(&body->digest);
}

static void
flush(struct dkim_body *body)
{
	digest_add(body->digest, slice_of(body->out, body->n));
	body->n = 0;
}

static void
put(struct dkim_body *body, char c)
{
	if (body->n == sizeof(body->out))
		flush(body);
	body->out[body->n++] = c;
}

/* A character is there: what came before it counts. */
static void
settle(struct dkim_body *body)
{
	for (; body->blank_lines > 0; body->blank_lines--) {
		put(body, '\r');
		put(body, '\n');
	}
	if (body->space)
		put(body, ' ');
	body->space = false;
	body->line = true;
}

static void
end_line(struct dkim_body *body)
{
	if (body->line) {
		put(body, '\r');
		put(body, '\n');
	} else {
		body->blank_lines++;
	}
	body->line = false;
	body->space = false;
}

static void
add_plain(struct dkim_body *body, struct slice run)
{
	settle(body);
	while (run.n > 0) {
		size_t room = sizeof(body->out) - body->n;
		size_t n = run.n < room ? run.n : room;

		memcpy(body->out + body->n, run.p, n);
		body->n += n;
		if (body->n == sizeof(body->out))
			flush(body);
		run = slice_from(run, n);
	}
}

/* How many characters there are that mean only themselves. */
static size_t
plain_run(struct slice s)
{
	size_t n = 0;

	while (n < s.n && s.p[n] != '\r' && !is_blank(s.p[n]))
		n++;
	return n;
}

void
dkim_body_add(struct dkim_body *body, struct slice bytes)
{
	while (bytes.n > 0) {
		size_t n = 1;

		if (body->cr && bytes.p[0] == '\n') {
			end_line(body);
			body->cr = false;
		} else if (body->cr) {
			body->cr = false;
			add_plain(body, SLICE_LIT("\r"));
			continue;
		} else if (bytes.p[0] == '\r') {
			body->cr = true;
		} else if (is_blank(bytes.p[0])) {
			body->space = true;
		} else {
			n = plain_run(bytes);
			add_plain(body, slice_head(bytes, n));
		}
		bytes = slice_from(bytes, n);
	}
}

void
dkim_body_end(struct dkim_body *body, uint8_t digest[DIGEST_SIZE])
{
	if (body->cr)
		add_plain(body, SLICE_LIT("\r"));
	body->cr = false;
	if (body->line)
		end_line(body); /* RFC 6376, 3.4.4: it gets its CRLF */
	flush(body);
	digest_final(body->digest, digest);
	body->blank_lines = 0;
	body->space = false;
}
