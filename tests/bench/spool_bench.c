/*
 * How many acceptances a second the spool alone makes durable, and what they
 * cost. SUBMITTERS threads each submit one message of BYTES, wait for the
 * answer, and submit the next; with "outcome" each message is also marked
 * delivered; with "charges" each counts for its login, one of 20,000 addresses,
 * the two together and the site, with three limits each, as policy charges it.
 * Prints one line a run.
 *
 *   spool_bench DIR [SECONDS [BYTES]]
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "gateway/base/clock.h"
#include "gateway/base/id.h"
#include "gateway/base/mem.h"
#include "gateway/spool/spool.h"
#include "gateway/store/key.h"
#include "gateway/store/tally.h"

struct gate { /* one waiting submitter */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool open;
};

static struct spool *spool;
static size_t body_bytes = 4096;
static int64_t until_ms;
static bool outcomes, resub, charges;

enum { CHARGES = 4, ADDRESSES = 20000 };

struct submitter {
	pthread_t thread;
	struct gate gate;
	uint64_t count;
	int number;
	unsigned random;
	struct buf cells;
	uint8_t keys[CHARGES][40];
	struct store_change changes[CHARGES];
	struct spool_accept accept;
};

static void
gate_open(struct gate *gate)
{
	pthread_mutex_lock(&gate->lock);
	gate->open = true;
	pthread_cond_signal(&gate->wake);
	pthread_mutex_unlock(&gate->lock);
}

static void
gate_wait(struct gate *gate)
{
	pthread_mutex_lock(&gate->lock);
	while (!gate->open)
		pthread_cond_wait(&gate->wake, &gate->lock);
	gate->open = false;
	pthread_mutex_unlock(&gate->lock);
}

static void
on_accept(struct spool_accept *op)
{
	struct submitter *s =
	    (struct submitter *)((char *)op -
				 offsetof(struct submitter, accept));

	gate_open(&s->gate);
}

struct delivery {
	struct spool_outcome op;
	struct spool_outcome_rcpt rcpt;
};

static void
on_outcome(struct spool_outcome *op)
{
	free(op);
}

static void
deliver(void *arg, struct spool_msg **msg)
{
	struct delivery *d;

	(void)arg;
	if (outcomes) {
		d = mem_zalloc(sizeof(*d));
		d->rcpt.state = RCPT_DELIVERED;
		d->op.id = (*msg)->id;
		d->op.rcpts = &d->rcpt;
		d->op.rcpt_count = 1;
		d->op.done = on_outcome;
		spool_outcome_start(spool, &d->op);
	}
	spool_msg_destroy(msg);
}

/* A minute, an hour and a day, sixteen slots each. */
static void
cells_put(struct buf *cells)
{
	static const int64_t periods[] = {60, 3600, 86400};
	int64_t now = clock_wall_s();

	tally_begin(cells, now);
	for (uint32_t i = 0; i < 3; i++) {
		int64_t slot_s = periods[i] / 15;
		struct tally_cell cell = {.id = 0x01234567 * (i + 1),
					  .slot = now / slot_s,
					  .value = 1};

		cell.expires_wall_s = (cell.slot + 16) * slot_s;
		tally_put(cells, &cell);
	}
}

static void
charges_make(struct submitter *s)
{
	uint32_t address = (uint32_t)rand_r(&s->random) % ADDRESSES;
	size_t at[CHARGES + 1] = {0};

	buf_clear(&s->cells);
	memset(s->keys, 0, sizeof(s->keys));
	for (int i = 0; i < CHARGES; i++) {
		s->keys[i][0] = (uint8_t) "scab"[i];
		key_put_u32(s->keys[i] + 13, i >= 2 ? address : 0);
		key_put_u32(s->keys[i] + 20, i % 2 ? (uint32_t)s->number : 0);
		cells_put(&s->cells);
		at[i + 1] = s->cells.n;
	}
	for (int i = 0; i < CHARGES; i++)
		s->changes[i] = (struct store_change){
		    STORE_RATE, STORE_TALLY, slice_of(s->keys[i], 24),
		    slice_of(s->cells.p + at[i], at[i + 1] - at[i])};
	s->accept.changes = s->changes;
	s->accept.change_count = CHARGES;
}

static void
submit(struct submitter *s, const char *bytes)
{
	struct spool_msg *msg = spool_msg_create();
	struct spool_body *body = spool_body_create(spool);
	char cred[32];

	snprintf(cred, sizeof(cred), "user%d", s->number);
	msg->id = id_next();
	msg->cred = arena_dup(msg->arena, slice_str(cred));
	msg->session = arena_dup(msg->arena, slice_str("0123456789abc"));
	msg->mail_from = arena_dup(msg->arena, slice_str("a@example.com"));
	msg->prefix = SLICE_LIT("Received: from client by gateway; today\r\n");
	spool_msg_add_rcpt(msg, SLICE_LIT("someone@example.org"));
	spool_body_add(body, slice_of(bytes, body_bytes));
	spool_body_end(body, msg->body.digest);
	if (resub) {
		struct digest *d = digest_create();

		digest_add(d, slice_of(&msg->id, sizeof(msg->id)));
		digest_final(d, msg->resub_key);
		digest_destroy(&d);
		msg->has_resub_key = true;
	}
	s->accept =
	    (struct spool_accept){.msg = msg, .body = body, .done = on_accept};
	if (charges)
		charges_make(s);
	spool_accept_start(spool, &s->accept);
	gate_wait(&s->gate);
	if (s->accept.answer == SPOOL_ACCEPTED)
		s->count++;
}

static void *
submitter_run(void *arg)
{
	struct submitter *s = arg;
	char *bytes = mem_alloc(body_bytes);

	memset(bytes, 'x', body_bytes);
	while (clock_mono_ms() < until_ms)
		submit(s, bytes);
	free(bytes);
	return NULL;
}

static double
cpu_seconds(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void
run(const char *dir, int submitters, int64_t seconds)
{
	struct spool_opts opts = {.path = dir, .accepted = deliver};
	struct submitter *all = mem_array((size_t)submitters, sizeof(*all));
	struct spool_status status;
	uint64_t count = 0;
	char error[256];
	double cpu;

	if (spool_open(&spool, &opts, error, sizeof(error)) != 0) {
		fprintf(stderr, "%s\n", error);
		exit(1);
	}
	cpu = cpu_seconds();
	until_ms = clock_mono_ms() + seconds * 1000;
	for (int i = 0; i < submitters; i++) {
		all[i].number = i;
		all[i].random = (unsigned)i + 1;
		buf_init(&all[i].cells, 4096);
		pthread_mutex_init(&all[i].gate.lock, NULL);
		pthread_cond_init(&all[i].gate.wake, NULL);
		pthread_create(&all[i].thread, NULL, submitter_run, &all[i]);
	}
	for (int i = 0; i < submitters; i++) {
		pthread_join(all[i].thread, NULL);
		count += all[i].count;
		buf_fini(&all[i].cells);
	}
	cpu = cpu_seconds() - cpu;
	spool_status_get(spool, &status);
	spool_close(&spool);
	printf("%4d submitters %6zu bytes%s%s%s: %8.0f accepts/s, "
	       "%.4f CPU s per 1,000, %.1f a commit\n",
	       submitters, body_bytes, outcomes ? " +outcome" : "",
	       resub ? " +resub" : "", charges ? " +charges" : "",
	       (double)count / (double)seconds, cpu * 1000 / (double)count,
	       (double)count / (double)status.commits);
	free(all);
}

int
main(int argc, char **argv)
{
	static const int submitters[] = {1, 50, 200};
	int64_t seconds = argc > 2 ? atoi(argv[2]) : 3;

	if (argc < 2) {
		fprintf(stderr, "usage: spool_bench DIR [SECONDS [BYTES]]\n");
		return 64;
	}
	if (argc > 3)
		body_bytes = (size_t)atol(argv[3]);
	for (int mode = 0; mode < 4; mode++) {
		resub = mode > 0;
		outcomes = mode > 1;
		charges = mode > 2;
		for (size_t i = 0; i < 3; i++)
			run(argv[1], submitters[i], seconds);
	}
	return 0;
}
