#include "gateway/auth/sasl.h"

#include "gateway/base/encode.h"

enum sasl_mechanism
sasl_mechanism(struct slice name)
{
	if (slice_ieq(name, SLICE_LIT("PLAIN")))
		return SASL_PLAIN;
	if (slice_ieq(name, SLICE_LIT("LOGIN")))
		return SASL_LOGIN;
	return SASL_UNKNOWN;
}

void
sasl_init(struct sasl *sasl, enum sasl_mechanism mechanism)
{
	*sasl = (struct sasl){.mechanism = mechanism};
	buf_init(&sasl->raw, SASL_RESPONSE_MAX);
	buf_init(&sasl->secret, SASL_RESPONSE_MAX);
}

void
sasl_fini(struct sasl *sasl)
{
	buf_wipe(&sasl->raw);
	buf_wipe(&sasl->secret);
	*sasl = (struct sasl){0};
}

static enum sasl_step
plain_parse(struct sasl *sasl)
{
	struct slice rest = buf_slice(&sasl->secret);
	size_t at;

	at = slice_find(rest, '\0');
	if (at == rest.n)
		return SASL_MALFORMED;
	sasl->authzid = slice_head(rest, at);
	rest = slice_from(rest, at + 1);
	at = slice_find(rest, '\0');
	if (at == rest.n)
		return SASL_MALFORMED;
	sasl->authcid = slice_head(rest, at);
	sasl->password = slice_from(rest, at + 1);
	/* A third NUL would cut the password short in crypt(3). */
	if (slice_find(sasl->password, '\0') != sasl->password.n)
		return SASL_MALFORMED;
	return SASL_READY;
}

static enum sasl_step
plain_step(struct sasl *sasl, struct slice response, struct slice *challenge)
{
	if (response.p == NULL) {
		*challenge = SLICE_LIT("");
		return SASL_CHALLENGE;
	}
	if (base64_decode(&sasl->secret, response) != 0)
		return SASL_MALFORMED;
	return plain_parse(sasl);
}

static enum sasl_step
login_step(struct sasl *sasl, struct slice response, struct slice *challenge)
{
	struct buf *into = sasl->has_name ? &sasl->secret : &sasl->raw;
	struct slice got;

	if (response.p == NULL) {
		*challenge = SLICE_LIT("VXNlcm5hbWU6"); /* Username: */
		return SASL_CHALLENGE;
	}
	if (base64_decode(into, response) != 0)
		return SASL_MALFORMED;
	got = buf_slice(into);
	if (slice_find(got, '\0') != got.n)
		return SASL_MALFORMED;
	if (!sasl->has_name) {
		sasl->has_name = true;
		sasl->authcid = got;
		*challenge = SLICE_LIT("UGFzc3dvcmQ6"); /* Password: */
		return SASL_CHALLENGE;
	}
	sasl->password = got;
	return SASL_READY;
}

enum sasl_step
sasl_step(struct sasl *sasl, struct slice response, struct slice *challenge)
{
	*challenge = SLICE_NONE;
	if (response.n > SASL_RESPONSE_MAX)
		return SASL_MALFORMED;
	switch (sasl->mechanism) {
	case SASL_PLAIN:
		return plain_step(sasl, response, challenge);
	case SASL_LOGIN:
		return login_step(sasl, response, challenge);
	case SASL_UNKNOWN:
		break;
	}
	return SASL_MALFORMED;
}
