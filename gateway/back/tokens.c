#include "gateway/back/tokens.h"

#include <string.h>

#include "gateway/scan/token.h"

size_t
tokens_header_end(struct slice s)
{
	const char *end;

	if (slice_starts(s, SLICE_LIT("\r\n")))
		return 2;
	if (s.n == 0)
		return 0;
	end = memmem(s.p, s.n, "\r\n\r\n", 4);
	return end == NULL ? 0 : (size_t)(end - s.p) + 4;
}

/* Fields that stand together are one piece. */
static void
add(struct tokens *tokens, uint64_t begin, uint64_t end)
{
	unsigned n = tokens->count;

	if (n > 0 && tokens->at[n - 1].end == begin) {
		tokens->at[n - 1].end = end;
	} else if (n < TOKENS_MAX) {
		tokens->at[n].begin = begin;
		tokens->at[n].end = end;
		tokens->count++;
	} else {
		return;
	}
	tokens->bytes += end - begin;
}

void
tokens_find(struct tokens *tokens, struct slice header, uint64_t offset)
{
	bool inside = false;
	size_t at = 0, next;
	struct slice line;

	for (; at < header.n; at = next) {
		line = slice_from(header, at);
		next = at + slice_find(line, '\n');
		next = next < header.n ? next + 1 : header.n;
		if (header.p[at] != ' ' && header.p[at] != '\t')
			inside = token_begins(slice_head(line, next - at));
		if (inside)
			add(tokens, offset + at, offset + next);
	}
}

size_t
tokens_cut(const struct tokens *tokens, uint64_t offset, char *p, size_t n)
{
	size_t kept = 0;
	uint64_t at = offset, end = offset + n;

	for (unsigned i = 0; i <= tokens->count && at < end; i++) {
		bool last = i == tokens->count;
		uint64_t begin = last ? end : tokens->at[i].begin;
		uint64_t to = begin < end ? begin : end;

		if (to > at) {
			if (kept != at - offset)
				memmove(p + kept, p + (at - offset),
					(size_t)(to - at));
			kept += (size_t)(to - at);
			at = to;
		}
		if (!last && tokens->at[i].end > at)
			at = tokens->at[i].end;
	}
	return kept;
}
