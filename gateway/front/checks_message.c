/*
 * What a message gets at its dot: our headers in front of it, and the key by
 * which it is known again. Neither refuses anything.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/mem.h"
#include "gateway/front/checks_int.h"
#include "gateway/front/trace.h"

#define TRACE_MAX 4096

/* RFC 6409, 8: Received always; Date and Message-ID when missing. */
void
check_message_trace(struct transaction *t)
{
	struct session *session = t->session;
	struct trace trace = {
	    .hostname = session->snapshot->conf.hostname,
	    .helo = smtp_server_helo(session->server),
	    .client = &session->peer.ip,
	    .tls_version = stream_tls_version(session->stream),
	    .tls_cipher = stream_tls_cipher(session->stream),
	    .authenticated = true,
	    .extended = session->extended,
	    .utf8 = (t->msg->flags & MSG_UTF8) != 0,
	    .id = t->id_text,
	    .now_wall_s = clock_wall_s(),
	    .add_date = !header_has_date(t->header),
	    .add_message_id = !header_has_message_id(t->header),
	    .scan_token = t->scan.token,
	    .headerless = header_is_headerless(t->header),
	};
	struct buf out;

	buf_init(&out, TRACE_MAX);
	trace_write(&trace, &out);
	t->msg->prefix.p = arena_dup(t->msg->arena, buf_slice(&out));
	t->msg->prefix.n = out.n;
	buf_fini(&out);
}

static int
rcpt_order(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void
digest_field(struct digest *digest, struct slice s)
{
	uint64_t n = s.n; /* lengths, so that no two lists read alike */

	digest_add(digest, slice_of(&n, sizeof(n)));
	digest_add(digest, s);
}

/*
 * The same login, bytes and recipients again: a client that did not hear our
 * 250. A message without its own Message-ID and Date is never one, since
 * templates are sent twice on purpose.
 */
void
check_message_resubmission(struct transaction *t)
{
	struct spool_msg *msg = t->msg;
	const char **sorted;
	struct digest *digest;

	if (!t->session->snapshot->conf.resubmission ||
	    !header_has_date(t->header) || !header_has_message_id(t->header))
		return;
	sorted = mem_array(msg->rcpt_count, sizeof(*sorted));
	for (uint32_t i = 0; i < msg->rcpt_count; i++)
		sorted[i] = msg->rcpts[i].address;
	qsort(sorted, msg->rcpt_count, sizeof(*sorted), rcpt_order);
	digest = digest_create();
	digest_field(digest, slice_str(msg->cred));
	digest_add(digest, slice_of(t->digest, sizeof(t->digest)));
	for (uint32_t i = 0; i < msg->rcpt_count; i++)
		digest_field(digest, slice_str(sorted[i]));
	digest_final(digest, msg->resub_key);
	digest_destroy(&digest);
	free(sorted);
	msg->has_resub_key = true;
}
