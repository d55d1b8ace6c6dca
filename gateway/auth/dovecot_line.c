#include "gateway/auth/dovecot_line.h"

#include "gateway/base/error.h"

static const struct {
	const char *text;
	enum dovecot_word word;
} words[] = {
    {"VERSION", DOVECOT_WORD_VERSION}, {"MECH", DOVECOT_WORD_MECH},
    {"DONE", DOVECOT_WORD_DONE},       {"OK", DOVECOT_WORD_OK},
    {"CONT", DOVECOT_WORD_CONT},       {"FAIL", DOVECOT_WORD_FAIL},
};

static int
take_number(struct slice *rest, uint32_t *number)
{
	struct slice token;
	uint64_t value;

	slice_split(rest, '\t', &token);
	if (!slice_u64(token, &value) || value > UINT32_MAX)
		return GW_EPROTO;
	*number = (uint32_t)value;
	return 0;
}

int
dovecot_line_parse(struct slice line, struct dovecot_line *out)
{
	struct slice rest = line, token;
	int err = 0;

	*out = (struct dovecot_line){0};
	slice_split(&rest, '\t', &token);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (slice_eq(token, slice_str(words[i].text)))
			out->word = words[i].word;
	}
	switch (out->word) {
	case DOVECOT_WORD_OTHER:
	case DOVECOT_WORD_DONE:
		break;
	case DOVECOT_WORD_MECH:
		slice_split(&rest, '\t', &out->name);
		err = out->name.n == 0 ? GW_EPROTO : 0;
		break;
	case DOVECOT_WORD_VERSION:
	case DOVECOT_WORD_OK:
	case DOVECOT_WORD_CONT:
	case DOVECOT_WORD_FAIL:
		err = take_number(&rest, &out->id);
		break;
	}
	out->fields = rest;
	return err;
}

bool
dovecot_field(struct slice fields, const char *key, struct slice *value)
{
	struct slice token, word;
	size_t at;

	while (slice_split(&fields, '\t', &token)) {
		at = slice_find(token, '=');
		word = slice_head(token, at);
		if (slice_eq(word, slice_str(key))) {
			*value = slice_from(token, at + 1);
			return true;
		}
	}
	*value = SLICE_NONE;
	return false;
}

void
dovecot_escape(struct buf *out, struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		switch (s.p[i]) {
		case '\0':
			buf_add(out, "\0010", 2);
			break;
		case '\001':
			buf_add(out, "\0011", 2);
			break;
		case '\t':
			buf_add(out, "\001t", 2);
			break;
		case '\r':
			buf_add(out, "\001r", 2);
			break;
		case '\n':
			buf_add(out, "\001n", 2);
			break;
		default:
			buf_add_byte(out, s.p[i]);
		}
	}
}

static int
unescape_one(char c, char *out)
{
	switch (c) {
	case '0':
		*out = '\0';
		return 0;
	case '1':
		*out = '\001';
		return 0;
	case 't':
		*out = '\t';
		return 0;
	case 'r':
		*out = '\r';
		return 0;
	case 'n':
		*out = '\n';
		return 0;
	default:
		return GW_EPROTO;
	}
}

int
dovecot_unescape(struct buf *out, struct slice s)
{
	char c;

	for (size_t i = 0; i < s.n; i++) {
		c = s.p[i];
		if (c == '\001' &&
		    (++i == s.n || unescape_one(s.p[i], &c) != 0))
			return GW_EPROTO;
		buf_add_byte(out, c);
	}
	return out->overflow ? GW_EPROTO : 0;
}
