/*
 * One scan under way for each content, whoever waits for it: which server is
 * asked, whose copy of the bytes is sent, what follows from the answer.
 *
 * A content without waiters that has left for its server is heard out, for
 * the cache: whoever sends it again will not have to wait. What the bytes are
 * read from belongs to a waiter, so `reader` is one of the waiters or NULL;
 * when it leaves before all was sent, the scan begins anew with another's.
 *
 * "Clean" is believed of a server that is up, under an ISTag that its canary
 * was found under, of exactly the bytes that were asked about. "Infected" is
 * always believed.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/scan/key.h"
#include "gateway/scan/scan_int.h"
#include "gateway/scan/words.h"

static const struct scan_part *
part_of(const struct waiter *waiter)
{
	return &waiter->work->job->parts[waiter->part];
}

/* --- lists ---------------------------------------------------------------- */

static struct content_list *
list_of(struct content *content)
{
	switch (content->state) {
	case CONTENT_QUEUED:
		return content->late ? &content->scan->queue_late
				     : &content->scan->queue_front;
	case CONTENT_ASKED:
		return &content->server->asked;
	case CONTENT_DOUBTED:
		return &content->server->doubted;
	case CONTENT_ENDING:
		break;
	}
	return NULL;
}

static void
unlist(struct content *content)
{
	TAILQ_REMOVE(list_of(content), content, link);
	if (content->state != CONTENT_ASKED)
		return;
	content->server->asked_count--;
	if (content->counted_late)
		content->server->late_count--;
	content->counted_late = false;
}

/* In no list; it was waiting longest of all. */
static void
queue_first(struct content *content)
{
	content->state = CONTENT_QUEUED;
	content->server = NULL;
	TAILQ_INSERT_HEAD(list_of(content), content, link);
}

static void
stop_reading(struct content *content)
{
	source_destroy(&content->source);
	content->reader = NULL;
}

/* In no list, and without an op. */
static void
content_free(struct content *content)
{
	HASH_DEL(content->scan->contents, content);
	source_destroy(&content->source);
	free(content);
}

/* Back from its server, whatever that was doing with it; in no list then. */
static void
take_from_server(struct content *content)
{
	unlist(content);
	icap_scan_cancel(&content->op);
	stop_reading(content);
}

/* --- verdicts ------------------------------------------------------------- */

/* It has waited; its work is to be told of the part. */
static struct work *
waited(struct content *content, struct waiter *waiter, size_t *part)
{
	struct work *work = waiter->work;

	*part = waiter->part;
	TAILQ_REMOVE(&content->waiters, waiter, of_content);
	TAILQ_REMOVE(&work->waiters, waiter, of_work);
	work->waiting--;
	free(waiter);
	return work;
}

/* In no list. Each waiter's work goes on, or ends; content is gone. Who wants
 * to know afresh is told what was said now. */
static void
settle(struct content *content, const struct scan_verdict *now,
       const struct scan_verdict *verdict)
{
	struct scan_verdict afresh = *now, copy = *verdict;
	struct waiter *waiter;
	struct work *work;
	size_t part;

	/* Not found any more: who asks for it now asks anew. */
	HASH_DEL(content->scan->contents, content);
	content->state = CONTENT_ENDING;
	stop_reading(content);
	/* What ends may take other waiters out of the list. */
	while ((waiter = TAILQ_FIRST(&content->waiters))) {
		work = waited(content, waiter, &part);
		work_part_done(work, part, work->job->afresh ? &afresh : &copy);
	}
	free(content);
}

static void
keep_and_settle(struct content *content, const struct scan_server *server,
		const struct scan_verdict *verdict)
{
	struct scan *scan = content->scan;
	struct scan_verdict counts = *verdict;

	if (verdicts_put(scan->verdicts, content->key, server->service, verdict,
			 loop_now_ms(scan->loop), &counts))
		log_event(GW_LOG_WARN, "scan-differs",
			  LF_STR("server", server->status.name),
			  LF_STR("verdict", scan_kind_word(verdict->kind)),
			  LF_STR("infected-by", counts.server),
			  LF_STR("threat", counts.threat));
	atomic_fetch_add(&scan->scanned, 1);
	atomic_fetch_add(&scan->scanned_bytes, content->bytes);
	settle(content, verdict, &counts);
}

/* In no list. This server is of no use to it: another, if one is left. */
static void
try_elsewhere(struct content *content, const struct scan_verdict *verdict)
{
	content->verdict = *verdict;
	stop_reading(content);
	if (TAILQ_EMPTY(&content->waiters)) {
		content_free(content);
		return;
	}
	content->tried |= content->server->bit;
	queue_first(content);
}

/* In no list. The bytes of that waiter cannot be read, or are others. */
static void
read_failed(struct content *content, const struct scan_verdict *verdict)
{
	struct work *work = NULL;
	size_t part = 0;

	if (content->reader)
		work = waited(content, content->reader, &part);
	stop_reading(content);
	if (TAILQ_EMPTY(&content->waiters))
		content_free(content);
	else
		queue_first(content);
	if (work)
		work_part_done(work, part, verdict);
}

static void
log_error(const struct scan_server *server, const struct icap_result *result)
{
	log_event(GW_LOG_WARN, "scan-error",
		  LF_STR("server", server->status.name),
		  LF_STR("why", scan_why_word(result->verdict.why)),
		  LF_I64("status", result->status),
		  LF_STR("error", result->error[0] ? result->error : NULL));
}

/* Whether the verdict is about these bytes. Not all of them left when the
 * answer was early: then nobody but the server can know. */
static bool
is_about(const struct content *content, const struct icap_result *result)
{
	return !result->sent ||
	       memcmp(result->digest, content->digest, DIGEST_SIZE) == 0;
}

static void
judge(struct content *content, const struct icap_result *result, bool believed)
{
	struct scan_server *server = content->server;
	struct scan_verdict verdict = result->verdict;

	memcpy(verdict.server, server->status.name, sizeof(verdict.server));
	if (!is_about(content, result))
		verdict_error(&verdict, SCAN_WHY_READ);
	if (verdict.kind == SCAN_ERROR) {
		log_error(server, result);
		if (verdict.why == SCAN_WHY_READ)
			read_failed(content, &verdict);
		else
			try_elsewhere(content, &verdict);
	} else if (verdict.kind == SCAN_INFECTED || believed) {
		keep_and_settle(content, server, &verdict);
	} else if (server->health.state == SCAN_BLIND) {
		verdict_error(&verdict, SCAN_WHY_DOWN);
		try_elsewhere(content, &verdict);
	} else {
		/* All have left: nothing is read any more. */
		source_destroy(&content->source);
		content->reader = NULL;
		content->verdict = verdict;
		content->canary = server->canaries + 1;
		content->state = CONTENT_DOUBTED;
		TAILQ_INSERT_TAIL(&server->doubted, content, link);
	}
}

static void
on_scanned(void *arg, const struct icap_result *result)
{
	struct content *content = arg;
	struct scan_server *server = content->server;
	struct scan *scan = content->scan;
	bool believed;

	content->op = NULL;
	unlist(content);
	content->state = CONTENT_ENDING;
	believed = scan_server_note(
	    server, result, loop_now_ms(scan->loop) - content->asked_ms);
	judge(content, result, believed);
	/* A canary may be due, for what waits for it now. */
	scan_probe_tick(server);
	scan_server_publish(server);
	content_pump(scan);
}

/* --- asking --------------------------------------------------------------- */

void
content_ask(struct content *content, struct scan_server *server)
{
	struct scan *scan = content->scan;
	struct waiter *waiter = TAILQ_FIRST(&content->waiters);
	const struct scan_part *part = part_of(waiter);
	const struct scan_job *job = waiter->work->job;
	struct icap_req req = {
	    .bytes = content->bytes,
	    .read = source_read,
	    .name = part->name ? part->name : "",
	    .type = part->type ? part->type : "",
	    .client = &job->client,
	    .login = job->login,
	    .timeout_ms = scan->settings->conf.part_ms,
	};

	content->reader = waiter;
	content->source = source_create(part, job->read, job->read_arg);
	req.read_arg = content->source;
	TAILQ_REMOVE(list_of(content), content, link);
	content->state = CONTENT_ASKED;
	content->server = server;
	content->asked_ms = loop_now_ms(scan->loop);
	TAILQ_INSERT_TAIL(&server->asked, content, link);
	if (server->asked_count++ == 0)
		server->answered_ms = content->asked_ms;
	content->counted_late = content->late;
	if (content->late)
		server->late_count++;
	content->op = icap_scan_start(server->pool, &req, on_scanned, content);
}

void
content_give_up(struct content *content)
{
	struct scan_verdict verdict = content->verdict;

	TAILQ_REMOVE(list_of(content), content, link);
	/* Without servers there is no scanning. */
	if (TAILQ_EMPTY(&content->scan->servers))
		memset(&verdict, 0, sizeof(verdict));
	else if (verdict.kind != SCAN_ERROR)
		verdict_error(&verdict, SCAN_WHY_DOWN);
	settle(content, &verdict, &verdict);
}

/* --- waiters -------------------------------------------------------------- */

static struct content *
content_create(struct scan *scan, const struct scan_part *part,
	       const uint8_t key[DIGEST_SIZE], bool late)
{
	struct content *content = mem_zalloc(sizeof(*content));

	content->scan = scan;
	memcpy(content->digest, part->digest, DIGEST_SIZE);
	memcpy(content->key, key, DIGEST_SIZE);
	content->bytes = part->decoded_bytes;
	content->late = late;
	TAILQ_INIT(&content->waiters);
	HASH_ADD(hh, scan->contents, key, DIGEST_SIZE, content);
	TAILQ_INSERT_TAIL(list_of(content), content, link);
	return content;
}

static void
hasten(struct content *content)
{
	if (content->state == CONTENT_QUEUED)
		TAILQ_REMOVE(list_of(content), content, link);
	content->late = false;
	if (content->state == CONTENT_QUEUED)
		TAILQ_INSERT_TAIL(list_of(content), content, link);
}

bool
content_is_known(struct scan *scan, const uint8_t key[DIGEST_SIZE])
{
	struct content *content;

	HASH_FIND(hh, scan->contents, key, DIGEST_SIZE, content);
	return content != NULL;
}

void
content_join(struct scan *scan, struct waiter *waiter)
{
	const struct scan_part *part = part_of(waiter);
	bool late = waiter->work->job->late;
	uint8_t key[DIGEST_SIZE];
	struct content *content;

	scan_key(part, key);
	HASH_FIND(hh, scan->contents, key, DIGEST_SIZE, content);
	if (!content)
		content = content_create(scan, part, key, late);
	else if (content->late && !late)
		hasten(content);
	waiter->content = content;
	TAILQ_INSERT_TAIL(&content->waiters, waiter, of_content);
}

void
content_leave(struct waiter **waiterp)
{
	struct waiter *waiter = *waiterp;
	struct content *content = waiter->content;
	bool reads = content->reader == waiter;

	*waiterp = NULL;
	TAILQ_REMOVE(&content->waiters, waiter, of_content);
	free(waiter);
	if (content->state == CONTENT_ENDING ||
	    (reads && icap_scan_release(content->op))) {
		if (reads)
			stop_reading(content);
		return;
	}
	if (reads)
		take_from_server(content);
	else if (content->state != CONTENT_QUEUED ||
		 !TAILQ_EMPTY(&content->waiters))
		return;
	else
		TAILQ_REMOVE(list_of(content), content, link);
	if (TAILQ_EMPTY(&content->waiters))
		content_free(content);
	else
		queue_first(content);
}

/* --- servers that come and go --------------------------------------------- */

static bool
has_another(const struct content *content)
{
	const struct scan_server *server;

	TAILQ_FOREACH (server, &content->scan->servers, link) {
		if (server != content->server &&
		    server->health.state == SCAN_UP &&
		    !(content->tried & server->bit))
			return true;
	}
	return false;
}

void
content_take_back(struct scan_server *server, bool all)
{
	struct content *content, *next;
	struct scan_verdict verdict;

	verdict_error(&verdict, SCAN_WHY_DOWN);
	memcpy(verdict.server, server->status.name, sizeof(verdict.server));
	TAILQ_FOREACH_SAFE (content, &server->asked, link, next) {
		if (!all && !has_another(content))
			continue;
		take_from_server(content);
		try_elsewhere(content, &verdict);
	}
	while ((content = TAILQ_FIRST(&server->doubted))) {
		unlist(content);
		try_elsewhere(content, &verdict);
	}
}

void
content_server_gone(struct scan_server *server)
{
	struct content *content;

	while ((content = TAILQ_FIRST(&server->asked)) ||
	       (content = TAILQ_FIRST(&server->doubted))) {
		take_from_server(content);
		if (TAILQ_EMPTY(&content->waiters))
			content_free(content);
		else
			queue_first(content);
	}
}

void
content_believe(struct scan_server *server, uint64_t canary)
{
	struct content *content;

	/* Which ends may change the list: from the start each time. They are
	 * in the order of their canaries. */
	while ((content = TAILQ_FIRST(&server->doubted)) &&
	       content->canary <= canary) {
		unlist(content);
		keep_and_settle(content, server, &content->verdict);
	}
}

void
content_forget_tried(struct scan *scan)
{
	struct content *content, *next;

	HASH_ITER(hh, scan->contents, content, next)
	content->tried = 0;
}

void
content_drop_all(struct scan *scan)
{
	struct content *content, *next;

	HASH_ITER(hh, scan->contents, content, next)
	{
		take_from_server(content);
		content_free(content);
	}
}
