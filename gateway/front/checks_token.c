/*
 * Tokens of other gateways of ours: whether one stands for a scan, and ours
 * for what we found clean ourselves. A token says of contents what a scanner
 * would say now, so it is believed only while one of our own servers has the
 * same ISTag; whatever is wrong with it, the message is scanned as if it had
 * none, and nobody is told but the log at its finest.
 *
 * A message that could not be looked through, or about whose structure readers
 * may differ, has no token: there is more to it than its parts. And one that
 * came with a good token gets no other, so that its bytes stay as they are
 * however often it passes.
 */
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/log.h"
#include "gateway/front/checks_int.h"
#include "gateway/front/inspection.h"

static bool
may_have_one(const struct inspection *i)
{
	return !i->attachments->whole &&
	       attachments_flaw(i->attachments) == SCAN_WHY_NONE;
}

static void
log_doubt(const struct transaction *t, const char *why)
{
	log_event(GW_LOG_DEBUG, "scan-token", LF_STR("msg", t->id_text),
		  LF_STR("session", t->session->id_text),
		  LF_STR("cred", t->session->login.cred),
		  LF_IP("client", &t->session->peer.ip), LF_STR("why", why));
}

bool
check_token(const struct transaction *t, struct inspection *i)
{
	const struct front_conf *conf = &t->session->snapshot->conf;
	struct scan *scan = t->session->worker->shared->scan;
	uint8_t contents[DIGEST_SIZE];
	const struct token_check check = {
	    .keys = conf->token_keys,
	    .key_count = conf->token_key_count,
	    .now_wall_s = clock_wall_s(),
	    .age_s = conf->token_age_s,
	    .contents = contents,
	};
	enum token_verdict verdict;
	struct slice value;
	unsigned count = header_watched(t->header, &value);
	struct token token;

	if (conf->token_key_count == 0 || count == 0 || !may_have_one(i))
		return false;
	if (count > 1) {
		log_doubt(t, "repeated");
		return false;
	}
	token_contents(i->job.parts, i->job.part_count, contents);
	verdict = token_check(&check, value, &token);
	if (verdict != TOKEN_GOOD || !scan_istag_counts(scan, token.istag)) {
		log_doubt(t, verdict != TOKEN_GOOD ? token_word(verdict)
						   : "other-istag");
		return false;
	}
	i->token = token.key->id;
	i->job.verdict = (struct scan_verdict){.kind = SCAN_CLEAN};
	memcpy(i->job.verdict.istag, token.istag, sizeof(token.istag));
	return true;
}

static const struct token_key *
signing_key(const struct front_conf *conf)
{
	for (size_t n = 0;
	     conf->token_sign != NULL && n < conf->token_key_count; n++)
		if (strcmp(conf->token_keys[n].id, conf->token_sign) == 0)
			return &conf->token_keys[n];
	return NULL;
}

void
check_token_sign(struct transaction *t, const struct inspection *i)
{
	const struct token_key *key = signing_key(&t->session->snapshot->conf);
	const char *istag = i->job.verdict.istag;
	uint8_t contents[DIGEST_SIZE];
	struct buf line = {.cap = TOKEN_LINE_MAX};

	if (key == NULL || i->token != NULL || i->job.mixed ||
	    !may_have_one(i) ||
	    !scan_istag_counts(t->session->worker->shared->scan, istag))
		return;
	token_contents(i->job.parts, i->job.part_count, contents);
	if (token_make(&line, key, clock_wall_s(), istag, contents))
		t->scan.token = arena_dup(t->msg->arena, buf_slice(&line));
	buf_fini(&line);
}
