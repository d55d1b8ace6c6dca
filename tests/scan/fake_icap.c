#include "tests/scan/fake_icap.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/mem.h"

#define POLL_MS 1
#define BODY_MAX (1u << 20)

struct icap_pool {
	struct loop *loop;
	struct fake *fake;
	uint32_t connection_max;
	bool addressed;
	struct icap_options options;
	uint32_t open;
	unsigned ops;
};

struct icap_op {
	struct icap_pool *pool;
	struct icap_req req;
	bool is_options, is_canary, sent, failed;
	struct digest *digest;
	char *body;
	size_t n;
	int64_t end_ms;
	struct timer_op *timer;
	icap_done_fn *done;
	void *arg;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct fake fakes[FAKES_MAX];
static unsigned answers;

struct fake *
fake_lock(int i)
{
	pthread_mutex_lock(&lock);
	return &fakes[i];
}

void
fake_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

void
fake_reset(void)
{
	static const char *const hosts[FAKES_MAX] = {"127.0.0.1", "127.0.0.2",
						     "127.0.0.3", "127.0.0.4"};
	static const char *const tags[FAKES_MAX] = {"tag-1", "tag-2", "tag-3",
						    "tag-4"};

	pthread_mutex_lock(&lock);
	memset(fakes, 0, sizeof(fakes));
	for (int i = 0; i < FAKES_MAX; i++) {
		fakes[i].host = hosts[i];
		fakes[i].istag = tags[i];
		fakes[i].canary = SCAN_INFECTED;
		fakes[i].why = SCAN_WHY_SERVER;
	}
	pthread_mutex_unlock(&lock);
}

struct icap_pool *
icap_pool_create(struct loop *loop, const struct icap_service *service)
{
	struct icap_pool *pool = mem_zalloc(sizeof(*pool));

	pool->loop = loop;
	pool->connection_max = service->connection_max;
	for (int i = 0; i < FAKES_MAX; i++) {
		if (strcmp(fakes[i].host, service->host) == 0)
			pool->fake = &fakes[i];
	}
	if (!pool->fake)
		abort();
	return pool;
}

void
icap_pool_destroy(struct icap_pool **pool)
{
	if ((*pool)->ops != 0)
		abort();
	free(*pool);
	*pool = NULL;
}

void
icap_pool_set_addresses(struct icap_pool *pool, const struct ip_addr *ips,
			size_t count)
{
	(void)ips;
	pool->addressed = count > 0;
}

void
icap_pool_set_io_ms(struct icap_pool *pool, int64_t io_ms)
{
	pthread_mutex_lock(&lock);
	pool->fake->io_ms = io_ms;
	pthread_mutex_unlock(&lock);
}

const struct icap_options *
icap_pool_options(const struct icap_pool *pool)
{
	return &pool->options;
}

const char *
icap_pool_profile(const struct icap_pool *pool)
{
	return pool->options.known ? "generic" : "none";
}

int64_t
icap_pool_expires_wall_s(const struct icap_pool *pool)
{
	(void)pool;
	return 4000000000;
}

void
icap_pool_status_get(const struct icap_pool *pool,
		     struct icap_pool_status *status)
{
	memset(status, 0, sizeof(*status));
	status->busy = pool->open;
}

static void
op_free(struct icap_op *op)
{
	op->pool->ops--;
	op->pool->open--;
	pthread_mutex_lock(&lock);
	op->pool->fake->open--;
	pthread_mutex_unlock(&lock);
	timer_cancel(&op->timer);
	digest_destroy(&op->digest);
	free(op->body);
	free(op);
}

/* One piece at a time, as a socket would take them. */
static void
read_some(struct icap_op *op)
{
	char piece[50000];
	int64_t got =
	    op->req.read(op->req.read_arg, op->n, piece, sizeof(piece));

	if (got < 0) {
		op->failed = true;
	} else if (got == 0) {
		op->sent = true;
		op->failed = op->n != op->req.bytes;
	} else {
		digest_add(op->digest, slice_of(piece, (size_t)got));
		if (op->n + (size_t)got > BODY_MAX)
			abort();
		memcpy(op->body + op->n, piece, (size_t)got);
		op->n += (size_t)got;
	}
}

static bool
holds(const struct icap_op *op, const char *word)
{
	return memmem(op->body, op->n, word, strlen(word)) != NULL;
}

static bool
is_ready(struct icap_op *op, const struct fake *fake)
{
	enum fake_manner manner = fake->manner;

	if (manner == FAKE_FROZEN)
		return false;
	if (op->is_canary && fake->canary_waits)
		return false;
	if (op->is_options || op->is_canary || manner == FAKE_DEAD)
		return true;
	return manner != FAKE_UNREAD && (op->sent || op->failed) &&
	       manner != FAKE_MUTE;
}

static void
set_error(struct icap_result *result, enum scan_why why, const char *text)
{
	result->verdict.kind = SCAN_ERROR;
	result->verdict.why = why;
	(void)snprintf(result->error, sizeof(result->error), "%s", text);
}

static void
judge_body(const struct icap_op *op, const struct fake *fake,
	   struct icap_result *result)
{
	struct scan_verdict *verdict = &result->verdict;

	if (op->is_canary) {
		verdict->kind = fake->canary;
		if (fake->canary == SCAN_ERROR)
			set_error(result, SCAN_WHY_SERVER, "500 no engine");
	} else if (fake->manner == FAKE_FAILS) {
		set_error(result, fake->why, "500 as told");
	} else if (holds(op, "VIRUS") && !fake->misses) {
		verdict->kind = SCAN_INFECTED;
		(void)snprintf(verdict->threat, sizeof(verdict->threat),
			       "Test.Virus");
	} else if (holds(op, "CRYPT")) {
		verdict->kind = SCAN_UNSCANNABLE;
		verdict->why = SCAN_WHY_ENCRYPTED;
	}
}

static void
set_tag(const struct fake *fake, char *istag, size_t n)
{
	if (fake->istag_counts)
		(void)snprintf(istag, n, "%s-%u", fake->istag, ++answers);
	else
		(void)snprintf(istag, n, "%s", fake->istag);
}

static void
judge_options(struct icap_op *op, const struct fake *fake,
	      struct icap_result *result)
{
	struct icap_options *options = &op->pool->options;

	result->status = fake->options_status ? fake->options_status : 200;
	if (fake->options_status) {
		set_error(result, SCAN_WHY_SERVER, "no OPTIONS");
		return;
	}
	options->known = true;
	options->connection_max = fake->connection_max;
	options->expires_ms =
	    loop_now_ms(op->pool->loop) +
	    (fake->options_hold_ms > 0 ? fake->options_hold_ms : 3600000);
	set_tag(fake, options->istag, sizeof(options->istag));
}

static void
answer(struct icap_op *op, const struct fake *fake, struct icap_result *result)
{
	result->sent = op->sent;
	result->status = 204;
	if (op->sent)
		digest_final(op->digest, result->digest);
	if (fake->other_bytes)
		result->digest[0] ^= 1;
	if (fake->manner == FAKE_DEAD) {
		result->status = 0;
		set_error(result, SCAN_WHY_DOWN, "connection refused");
	} else if (op->failed) {
		set_error(result, SCAN_WHY_READ, "cannot be read");
	} else if (op->is_options) {
		judge_options(op, fake, result);
	} else {
		judge_body(op, fake, result);
		if (!fake->nameless)
			set_tag(fake, result->verdict.istag,
				sizeof(result->verdict.istag));
	}
}

static void
on_poll(void *arg)
{
	struct icap_op *op = arg;
	struct fake *fake = op->pool->fake;
	struct icap_result result = {.status = 0};
	bool ready, reads;

	op->timer = NULL;
	pthread_mutex_lock(&lock);
	reads = fake->manner != FAKE_UNREAD && fake->manner != FAKE_DEAD;
	pthread_mutex_unlock(&lock);
	reads = reads && !op->is_options && !op->sent && !op->failed;
	if (reads)
		read_some(op);
	pthread_mutex_lock(&lock);
	fake->sent += reads && op->sent && !op->is_canary;
	ready = is_ready(op, fake) && (op->is_options || op->sent ||
				       op->failed || fake->manner == FAKE_DEAD);
	if (ready)
		answer(op, fake, &result);
	pthread_mutex_unlock(&lock);
	if (!ready && loop_now_ms(op->pool->loop) >= op->end_ms) {
		ready = true;
		set_error(&result, SCAN_WHY_TIMEOUT, "no answer in time");
	}
	if (!ready) {
		op->timer = timer_start(op->pool->loop, op->sent ? POLL_MS : 0,
					on_poll, op);
		return;
	}
	icap_done_fn *done = op->done;
	void *done_arg = op->arg;

	op_free(op);
	done(done_arg, &result);
}

static struct icap_op *
op_create(struct icap_pool *pool, int64_t timeout_ms, icap_done_fn *done,
	  void *arg)
{
	struct icap_op *op = mem_zalloc(sizeof(*op));

	if (!pool->addressed || ++pool->open > pool->connection_max)
		abort(); /* the scan thread keeps to what is there */
	pool->ops++;
	op->pool = pool;
	op->done = done;
	op->arg = arg;
	op->digest = digest_create();
	op->body = mem_alloc(BODY_MAX);
	op->end_ms = loop_now_ms(pool->loop) + timeout_ms;
	op->timer = timer_start(pool->loop, 0, on_poll, op);
	pthread_mutex_lock(&lock);
	if (++pool->fake->open > pool->fake->open_most)
		pool->fake->open_most = pool->fake->open;
	pthread_mutex_unlock(&lock);
	return op;
}

struct icap_op *
icap_scan_start(struct icap_pool *pool, const struct icap_req *req,
		icap_done_fn *done, void *arg)
{
	struct icap_op *op = op_create(pool, req->timeout_ms, done, arg);

	op->req = *req;
	op->is_canary = strcmp(req->name, "eicar.com") == 0;
	pthread_mutex_lock(&lock);
	if (op->is_canary)
		pool->fake->canaries++;
	else
		pool->fake->scans++;
	pthread_mutex_unlock(&lock);
	return op;
}

struct icap_op *
icap_options_start(struct icap_pool *pool, int64_t timeout_ms,
		   icap_done_fn *done, void *arg)
{
	struct icap_op *op = op_create(pool, timeout_ms, done, arg);

	op->is_options = true;
	pthread_mutex_lock(&lock);
	pool->fake->options++;
	pthread_mutex_unlock(&lock);
	return op;
}

bool
icap_scan_release(struct icap_op *op)
{
	return op->sent;
}

void
icap_scan_cancel(struct icap_op **op)
{
	if (!*op)
		return;
	pthread_mutex_lock(&lock);
	(*op)->pool->fake->canceled++;
	pthread_mutex_unlock(&lock);
	op_free(*op);
	*op = NULL;
}
