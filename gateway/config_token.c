/*
 * The secrets that gateways of one site share: how a key is written, where it
 * is read, and what `token-key`, `token-sign` and a relay's `scan-token` mean
 * together. Whoever can read such a file can have viruses pass as clean: one
 * that others can read is an error, not a warning.
 */
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "gateway/base/encode.h"
#include "gateway/base/secret.h"
#include "gateway/config_int.h"
#include "gateway/scan/token.h"

static const char *
show(struct config_reading *r, const char *text)
{
	return config_word_text(r->arena, text);
}

static bool
read_token(struct config_reading *r, const struct config_row *row,
	   const struct config_node *node, void *field)
{
	const struct config_word *word = node->words;
	struct config_token_keys *keys = field;
	struct config_token_key *key;

	if (!config_room(r, row, node, keys->count))
		return false;
	if (!config_is_name(word[1].text) ||
	    strlen(word[1].text) > TOKEN_ID_MAX) {
		config_error(r->problems, word[1].at,
			     "the name of a key is 1 to %d of letters, digits, "
			     "'.', '_' and '-'",
			     TOKEN_ID_MAX);
		return false;
	}
	for (size_t i = 0; i < keys->count; i++) {
		if (strcmp(keys->v[i].id, word[1].text) != 0)
			continue;
		config_error(r->problems, word[1].at,
			     "the key '%s' stands at %s:%u:%u already",
			     word[1].text, keys->v[i].at.file,
			     keys->v[i].at.line, keys->v[i].at.column);
		return false;
	}
	if (!config_absolute(r, &word[2]))
		return false;
	key = config_list_add(r->arena, (void **)&keys->v, &keys->count,
			      sizeof(*keys->v));
	*key = (struct config_token_key){
	    .id = word[1].text, .file = word[2].text, .at = word[1].at};
	return true;
}

static bool
print_token(const struct config_row *row, const void *field, size_t i,
	    struct buf *out)
{
	const struct config_token_keys *keys = field;

	(void)row;
	if (i >= keys->count)
		return false;
	config_word_print(out, keys->v[i].id);
	buf_add_byte(out, ' ');
	config_word_print(out, keys->v[i].file);
	return true;
}

const struct config_shape config_shape_token = {2, 2, "NAME PATH", read_token,
						print_token};

/* --- the files --- */

static const char *
read_secret(struct config_reading *r, struct config_token_key *key)
{
	char room[SECRET_LINE_MAX + 2];
	const char *why = config_secret_read(key->file, room);
	struct buf secret = {.cap = TOKEN_SECRET_MAX};
	struct stat st;

	if (why == NULL && stat(key->file, &st) == 0 &&
	    (st.st_mode & S_IRWXO) != 0)
		why = "everybody can read or write it: chmod o= it";
	if (why == NULL && base64_decode(&secret, slice_str(room)) != 0)
		why = "its first line is not the base64 of 32 to 128 bytes";
	if (why == NULL && secret.n < TOKEN_SECRET_MIN)
		why = "it holds less than 32 bytes: 'openssl rand -base64 32' "
		      "makes a good one";
	if (why == NULL) {
		key->secret = arena_alloc(r->arena, secret.n);
		key->secret_bytes = secret.n;
		memcpy(key->secret, secret.p, secret.n);
	}
	buf_wipe(&secret);
	secret_wipe(room, sizeof(room));
	return why;
}

void
config_check_tokens(struct config_reading *r, struct config *c)
{
	for (size_t i = 0; i < c->scan.token_keys.count; i++) {
		struct config_token_key *key = &c->scan.token_keys.v[i];
		const char *why = read_secret(r, key);

		if (why != NULL)
			config_error(r->problems, key->at,
				     "the key file '%s': %s",
				     show(r, key->file), why);
	}
}

/* --- what they mean together --- */

static bool
is_known(const struct config_scan *scan, const char *id)
{
	for (size_t i = 0; i < scan->token_keys.count; i++)
		if (strcmp(scan->token_keys.v[i].id, id) == 0)
			return true;
	return false;
}

void
config_check_token_use(struct config_reading *r, const struct config *c)
{
	const struct config_scan *scan = &c->scan;

	if (scan->token_sign != NULL && !is_known(scan, scan->token_sign))
		config_error(
		    r->problems, config_place_of(&scan->block, "token-sign"),
		    "there is no 'token-key %s'", show(r, scan->token_sign));
	for (size_t i = 0; i < c->relays.count; i++) {
		const struct config_relay *relay = config_relay(c, i);

		if (relay->scan_token == 0 || scan->token_keys.count > 0)
			continue;
		config_warn(r->problems,
			    config_place_of(&relay->block, "scan-token"),
			    "'scan-token keep' does nothing: 'scan' has no "
			    "'token-key'");
	}
}
