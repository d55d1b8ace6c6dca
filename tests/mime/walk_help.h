#ifndef TESTS_MIME_WALK_HELP_H
#define TESTS_MIME_WALK_HELP_H

#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/buf.h"
#include "gateway/base/encode.h"
#include "gateway/mime/decode.h"
#include "gateway/mime/walk.h"

/*
 * A walk told as text, one line a part:
 *
 *   DEPTH TYPE NAME FLAGS ENCODING: DECODED
 *
 * FLAGS: a attachment, b bad, e encrypted, t tnef, or '-'. DECODED is what the
 * decoder makes of the message's bytes at the part's own offsets, and must be
 * what the walk took the digest of. Line ends are shown as '|', a CR alone as
 * '^'.
 */
struct told {
	struct slice message;
	struct buf text;
	bool wrong; /* offsets, counts or digests do not agree */
};

static inline void
told_decode(const struct told *t, const struct mime_part *part, struct buf *out)
{
	struct mime_decoder d;
	struct slice in = slice_from(slice_head(t->message, (size_t)part->end),
				     (size_t)part->begin);
	uint8_t *room = malloc(MIME_DECODED_MAX(in.n));

	mime_decoder_init(&d, part->encoding);
	buf_add(out, room, mime_decode(&d, in, true, room));
	free(room);
}

static inline void
told_part(void *arg, const struct mime_part *part)
{
	static const uint8_t none[DIGEST_SIZE];
	static const char *encodings[] = {"identity", "base64", "qp", "uu"};
	struct told *t = arg;
	struct buf content = {.cap = SIZE_MAX};
	struct digest *digest = digest_create();
	uint8_t sum[DIGEST_SIZE];
	char flags[8];
	int n = 0;

	if (part->head > part->begin || part->begin > part->end ||
	    part->end > t->message.n)
		t->wrong = true;
	else
		told_decode(t, part, &content);
	digest_add(digest, buf_slice(&content));
	digest_final(digest, sum);
	digest_destroy(&digest);
	if (content.n != part->decoded_bytes)
		t->wrong = true;
	if (memcmp(sum, part->digest, DIGEST_SIZE) != 0 &&
	    memcmp(none, part->digest, DIGEST_SIZE) != 0)
		t->wrong = true;
	if ((part->flags & MIME_ATTACHMENT) != 0 &&
	    memcmp(none, part->digest, DIGEST_SIZE) == 0)
		t->wrong = true;
	if (part->flags & MIME_ATTACHMENT)
		flags[n++] = 'a';
	if (part->flags & MIME_BAD_ENCODING)
		flags[n++] = 'b';
	if (part->flags & MIME_ENCRYPTED)
		flags[n++] = 'e';
	if (part->flags & MIME_TNEF)
		flags[n++] = 't';
	if (n == 0)
		flags[n++] = '-';
	flags[n] = '\0';
	buf_printf(&t->text, "%" PRIu32 " %s '%s' %s %s: ", part->depth,
		   part->type, part->name, flags, encodings[part->encoding]);
	for (size_t i = 0; i < content.n; i++) {
		char c = content.p[i];

		if (c == '\r' && i + 1 < content.n && content.p[i + 1] == '\n')
			continue;
		buf_add_byte(&t->text, c == '\n' ? '|' : c == '\r' ? '^' : c);
	}
	buf_add_str(&t->text, "\n");
	buf_fini(&content);
}

/* Pieces of `piece` bytes behind a first one of `first`; each in memory of its
 * own, so that a byte too far is seen. */
static inline void
told_walk(struct told *t, struct slice message, size_t first, size_t piece,
	  const struct mime_opts *with, struct mime_summary *sum)
{
	struct mime_opts opts = with != NULL ? *with : (struct mime_opts){0};
	struct mime_walk *w;

	*t = (struct told){.message = message, .text.cap = SIZE_MAX};
	opts.part = told_part;
	opts.arg = t;
	w = mime_walk_create(&opts);
	for (size_t n = first; message.n > 0; n = piece) {
		struct slice in = slice_head(message, n > 0 ? n : 1);
		char *copy = malloc(in.n);

		memcpy(copy, in.p, in.n);
		mime_walk_add(w, slice_of(copy, in.n));
		free(copy);
		message = slice_from(message, in.n);
	}
	mime_walk_end(w, sum);
	mime_walk_destroy(&w);
}

/* The same however it is cut; why: of the ambiguity; NULL: there is none. */
static inline void
told_all_cuts(const char *label, const char *in, const char *parts,
	      const char *why)
{
	struct slice message = slice_str(in);
	struct mime_summary whole, sum;
	struct told t;

	told_walk(&t, message, message.n, 1, NULL, &whole);
	ck_assert_msg(strcmp(buf_cstr(&t.text), parts) == 0, "%s: %s", label,
		      buf_cstr(&t.text));
	ck_assert_msg(!t.wrong, "%s: offsets", label);
	if (why == NULL)
		ck_assert_msg(whole.why == NULL &&
				  !(whole.flags & MIME_AMBIGUOUS),
			      "%s: %s", label, whole.why);
	else
		ck_assert_msg(whole.why != NULL &&
				  strcmp(whole.why, why) == 0 &&
				  (whole.flags & MIME_AMBIGUOUS),
			      "%s: %s", label, whole.why ? whole.why : "fine");
	buf_fini(&t.text);
	for (size_t n = 0; n <= message.n; n++) {
		/* 0: byte by byte */
		told_walk(&t, message, n, n == 0 ? 1 : message.n, NULL, &sum);
		ck_assert_msg(strcmp(buf_cstr(&t.text), parts) == 0,
			      "%s, cut at %zu: %s", label, n,
			      buf_cstr(&t.text));
		ck_assert_msg(memcmp(&sum, &whole, sizeof(sum)) == 0,
			      "%s, cut at %zu: another summary", label, n);
		buf_fini(&t.text);
	}
}

#endif
