#include "gateway/smtp/param.h"

#include "gateway/smtp/server.h"
#include "gateway/smtp/utf8.h"

/*
 * Two tables, one for MAIL and one for RCPT. Values stay as they were written:
 * ENVID, ORCPT and AUTH travel on to the next hop and come back in reports,
 * and decoding and encoding again would change what the client matches on.
 * Their xtext is checked, so that what travels cannot break a command line.
 */

struct target {
	struct smtp_mail *mail;
	struct smtp_rcpt *rcpt;
	bool utf8;
};

struct row {
	const char *key;
	bool (*take)(struct target *t, struct slice value, bool has_value);
};

static bool
is_upper_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F');
}

/* RFC 3461, 4: printable but '+' and '=', or '+' and two hex digits. */
static bool
is_xtext(struct slice s, bool utf8)
{
	size_t i;

	for (i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '+') {
			if (s.n - i < 3 || !is_upper_hex(s.p[i + 1]) ||
			    !is_upper_hex(s.p[i + 2]))
				return false;
			i += 2;
		} else if (c <= ' ' || c == '=' || c == 0x7f ||
			   (c >= 0x80 && !utf8)) {
			return false;
		}
	}
	return utf8_valid(s);
}

/* Twenty digits (RFC 1870) may pass 64 bits: then it is simply too big. */
static bool
take_size(struct target *t, struct slice value, bool has_value)
{
	uint64_t n = 0, digit;
	size_t i;

	if (!has_value || value.n == 0 || value.n > 20)
		return false;
	for (i = 0; i < value.n; i++) {
		if (value.p[i] < '0' || value.p[i] > '9')
			return false;
		digit = (uint64_t)(value.p[i] - '0');
		n = n > (UINT64_MAX - digit) / 10 ? UINT64_MAX : n * 10 + digit;
	}
	t->mail->size = n;
	t->mail->has_size = true;
	return true;
}

static bool
take_body(struct target *t, struct slice value, bool has_value)
{
	if (!has_value)
		return false;
	t->mail->eightbit = slice_ieq(value, SLICE_LIT("8BITMIME"));
	return t->mail->eightbit || slice_ieq(value, SLICE_LIT("7BIT"));
}

static bool
take_smtputf8(struct target *t, struct slice value, bool has_value)
{
	(void)value;
	t->mail->utf8 = true;
	return !has_value;
}

static bool
take_ret(struct target *t, struct slice value, bool has_value)
{
	if (has_value && slice_ieq(value, SLICE_LIT("FULL")))
		t->mail->ret = SMTP_RET_FULL;
	else if (has_value && slice_ieq(value, SLICE_LIT("HDRS")))
		t->mail->ret = SMTP_RET_HDRS;
	else
		return false;
	return true;
}

static bool
take_envid(struct target *t, struct slice value, bool has_value)
{
	t->mail->envid = value;
	return has_value && value.n > 0 && value.n <= PARAM_ENVID_MAX &&
	       is_xtext(value, false);
}

static bool
take_auth(struct target *t, struct slice value, bool has_value)
{
	t->mail->auth = value;
	return has_value && value.n > 0 && value.n <= PARAM_AUTH_MAX &&
	       is_xtext(value, t->utf8);
}

static bool
take_notify(struct target *t, struct slice value, bool has_value)
{
	static const struct {
		const char *word;
		uint8_t bit;
	} rows[] = {
	    {"NEVER", SMTP_NOTIFY_NEVER},
	    {"SUCCESS", SMTP_NOTIFY_SUCCESS},
	    {"FAILURE", SMTP_NOTIFY_FAILURE},
	    {"DELAY", SMTP_NOTIFY_DELAY},
	};
	const size_t rows_count = sizeof(rows) / sizeof(rows[0]);
	struct slice word;
	uint8_t notify = 0;
	size_t i;

	if (!has_value || value.n == 0 || value.p[value.n - 1] == ',')
		return false;
	while (slice_split(&value, ',', &word)) {
		for (i = 0; i < rows_count; i++)
			if (slice_ieq(word, slice_str(rows[i].word)))
				break;
		if (i == rows_count)
			return false;
		notify = (uint8_t)(notify | rows[i].bit);
	}
	t->rcpt->notify = notify;
	return (notify & SMTP_NOTIFY_NEVER) == 0 || notify == SMTP_NOTIFY_NEVER;
}

/* addr-type ";" xtext; the type is an atom. */
static bool
take_orcpt(struct target *t, struct slice value, bool has_value)
{
	size_t semicolon = slice_find(value, ';'), i;

	t->rcpt->orcpt = value;
	if (!has_value || value.n > PARAM_ORCPT_MAX || semicolon == 0 ||
	    semicolon >= value.n - 1)
		return false;
	for (i = 0; i < semicolon; i++) {
		char c = value.p[i];

		if (c != '-' && !(c >= '0' && c <= '9') &&
		    !((c | 0x20) >= 'a' && (c | 0x20) <= 'z'))
			return false;
	}
	return is_xtext(slice_from(value, semicolon + 1), t->utf8);
}

static const struct row mail_rows[] = {
    {"SIZE", take_size}, {"BODY", take_body},	{"SMTPUTF8", take_smtputf8},
    {"RET", take_ret},	 {"ENVID", take_envid}, {"AUTH", take_auth},
    {NULL, NULL},
};

static const struct row rcpt_rows[] = {
    {"NOTIFY", take_notify},
    {"ORCPT", take_orcpt},
    {NULL, NULL},
};

static bool
is_key(struct slice s)
{
	size_t i;

	for (i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!(c >= '0' && c <= '9') &&
		    !((c | 0x20) >= 'a' && (c | 0x20) <= 'z') &&
		    !(c == '-' && i > 0))
			return false;
	}
	return s.n > 0;
}

static enum param_verdict
take_one(const struct row *rows, struct slice word, struct target *t,
	 uint32_t *seen, struct slice *key)
{
	size_t equals = slice_find(word, '='), i;
	bool has_value = equals < word.n;

	*key = slice_head(word, equals);
	if (!is_key(*key))
		return PARAM_SYNTAX;
	for (i = 0; rows[i].key != NULL; i++)
		if (slice_ieq(*key, slice_str(rows[i].key)))
			break;
	if (rows[i].key == NULL || (rows[i].take == take_smtputf8 && !t->utf8))
		return PARAM_UNKNOWN;
	if ((*seen & 1U << i) != 0)
		return PARAM_REPEATED;
	*seen |= 1U << i;
	if (!rows[i].take(t, slice_from(word, equals + 1), has_value))
		return PARAM_SYNTAX;
	return PARAM_FINE;
}

static enum param_verdict
take_all(const struct row *rows, struct slice rest, struct target *t,
	 struct slice *key)
{
	struct slice word;
	uint32_t seen = 0;
	enum param_verdict verdict;

	*key = SLICE_NONE;
	if (rest.n > 0 && rest.p[0] != ' ') {
		*key = rest;
		return PARAM_SYNTAX;
	}
	while (slice_split(&rest, ' ', &word)) {
		if (word.n == 0)
			continue;
		verdict = take_one(rows, word, t, &seen, key);
		if (verdict != PARAM_FINE)
			return verdict;
	}
	return PARAM_FINE;
}

enum param_verdict
param_mail(struct slice rest, bool utf8, struct smtp_mail *mail,
	   struct slice *key)
{
	struct target t = {.mail = mail, .utf8 = utf8};

	return take_all(mail_rows, rest, &t, key);
}

enum param_verdict
param_rcpt(struct slice rest, bool utf8, struct smtp_rcpt *rcpt,
	   struct slice *key)
{
	struct target t = {.rcpt = rcpt, .utf8 = utf8};

	return take_all(rcpt_rows, rest, &t, key);
}
