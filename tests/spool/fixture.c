#include "tests/spool/fixture.h"

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/id.h"
#include "gateway/base/mem.h"

struct waiter {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool over;
	struct spool_accept accept;
	struct spool_outcome outcome;
	struct spool_change change;
	struct spool_undo undo;
};

void
fixture_init(struct fixture *f)
{
	const char *base = getenv("TMPDIR");

	/* Memory when there is some: what these tests show does not depend on
	 * how long a flush takes, and there are thousands of them. */
	if (base == NULL || strlen(base) > 40)
		base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	memset(f, 0, sizeof(*f));
	snprintf(f->dir, sizeof(f->dir), "%s/spool-XXXXXX", base);
	if (mkdtemp(f->dir) == NULL)
		abort();
	f->opts.path = f->dir;
	f->opts.segment_bytes = 64 * 1024;
	f->opts.large_bytes = 16 * 1024;
	f->opts.map_bytes = 64 << 20;
	f->opts.reserve_bytes = 1 << 20;
	f->opts.compact_after_s = -1;
}

void
fixture_open(struct fixture *f)
{
	char error[256];

	if (spool_open(&f->spool, &f->opts, error, sizeof(error)) != 0) {
		fprintf(stderr, "%s\n", error);
		abort();
	}
}

void
fixture_close(struct fixture *f)
{
	spool_close(&f->spool);
}

void
fixture_fini(struct fixture *f)
{
	char command[128];

	spool_close(&f->spool);
	snprintf(command, sizeof(command), "rm -rf '%s'", f->dir);
	if (system(command) != 0)
		abort();
}

size_t
fixture_files(const struct fixture *f)
{
	struct dirent *entry;
	char name[96];
	size_t n = 0;
	DIR *dir;

	snprintf(name, sizeof(name), "%s/segments", f->dir);
	dir = opendir(name);
	while (dir != NULL && (entry = readdir(dir)) != NULL)
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

struct spool_msg *
fixture_msg(uint32_t rcpts)
{
	struct spool_msg *msg = spool_msg_create();
	char address[64];

	msg->id = id_next();
	msg->cred = arena_dup(msg->arena, SLICE_LIT("alice"));
	msg->session = arena_dup(msg->arena, SLICE_LIT("session"));
	msg->mail_from = arena_dup(msg->arena, SLICE_LIT("alice@example.com"));
	msg->prefix = SLICE_LIT("Received: by us\r\n");
	for (uint32_t i = 0; i < rcpts; i++) {
		snprintf(address, sizeof(address), "rcpt%u@example.org", i);
		spool_msg_add_rcpt(msg, slice_str(address));
	}
	return msg;
}

char
fixture_byte(size_t at, unsigned seed)
{
	return (char)((at * 31 + (at >> 8) * 7 + seed * 131) & 0xff);
}

struct spool_body *
fixture_body(struct spool *spool, size_t bytes, unsigned seed)
{
	struct spool_body *body = spool_body_create(spool);
	char piece[4096];

	for (size_t at = 0; at < bytes;) {
		size_t n =
		    bytes - at < sizeof(piece) ? bytes - at : sizeof(piece);

		for (size_t i = 0; i < n; i++)
			piece[i] = fixture_byte(at + i, seed);
		spool_body_add(body, slice_of(piece, n));
		at += n;
	}
	return body;
}

const char *
fixture_body_check(struct spool *spool, const struct spool_ref *ref,
		   size_t bytes, unsigned seed)
{
	struct spool_reader *reader;
	const char *wrong = NULL;
	char *p;

	if (ref->length != bytes)
		return "length of the reference";
	if (spool_digest_check(spool, ref) != 0)
		return "digest";
	if (spool_reader_open(spool, ref, &reader) != 0)
		return "open";
	p = mem_alloc(bytes + 1);
	if (spool_reader_read(reader, 0, p, bytes + 1) != (int64_t)bytes)
		wrong = "length read";
	for (size_t i = 0; i < bytes && wrong == NULL; i++)
		if (p[i] != fixture_byte(i, seed))
			wrong = "bytes";
	free(p);
	spool_reader_close(&reader);
	return wrong;
}

/* --- waiting
 * ------------------------------------------------------------------ */

static void
waiter_init(struct waiter *w)
{
	memset(w, 0, sizeof(*w));
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->wake, NULL);
}

static void
waiter_over(struct waiter *w)
{
	pthread_mutex_lock(&w->lock);
	w->over = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
}

static void
waiter_wait(struct waiter *w)
{
	pthread_mutex_lock(&w->lock);
	while (!w->over)
		pthread_cond_wait(&w->wake, &w->lock);
	pthread_mutex_unlock(&w->lock);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->wake);
}

#define WAITER_OF(op, field) \
	((struct waiter *)((char *)(op)-offsetof(struct waiter, field)))

static void
on_accept(struct spool_accept *op)
{
	waiter_over(WAITER_OF(op, accept));
}

static void
on_outcome(struct spool_outcome *op)
{
	waiter_over(WAITER_OF(op, outcome));
}

static void
on_change(struct spool_change *op)
{
	waiter_over(WAITER_OF(op, change));
}

static void
on_undo(struct spool_undo *op)
{
	waiter_over(WAITER_OF(op, undo));
}

struct fixture_answer
fixture_submit(struct spool *spool, size_t bytes, unsigned seed, uint32_t rcpts,
	       unsigned key)
{
	struct spool_msg *msg = fixture_msg(rcpts);
	struct fixture_answer answer = {.id = msg->id};
	struct waiter w;

	waiter_init(&w);
	w.accept.msg = msg;
	w.accept.body = fixture_body(spool, bytes, seed);
	spool_body_end(w.accept.body, msg->body.digest);
	msg->has_resub_key = key != 0;
	memset(msg->resub_key, (int)key, DIGEST_SIZE);
	w.accept.done = on_accept;
	spool_accept_start(spool, &w.accept);
	waiter_wait(&w);
	answer.answer = w.accept.answer;
	answer.first_id = w.accept.first_id;
	return answer;
}

struct fixture_removal {
	struct waiter w;
	struct spool_outcome_rcpt rcpts[];
};

static struct fixture_removal *
removal_of(uint64_t id, uint32_t rcpts, enum rcpt_state state)
{
	struct fixture_removal *r =
	    mem_zalloc(sizeof(*r) + rcpts * sizeof(r->rcpts[0]));

	waiter_init(&r->w);
	for (uint32_t i = 0; i < rcpts; i++) {
		r->rcpts[i].index = i;
		r->rcpts[i].state = state;
	}
	r->w.outcome.id = id;
	r->w.outcome.rcpts = r->rcpts;
	r->w.outcome.rcpt_count = rcpts;
	r->w.outcome.done = on_outcome;
	return r;
}

struct fixture_removal *
fixture_remove_start(struct spool *spool, uint64_t id, uint32_t rcpts,
		     enum rcpt_state state)
{
	struct fixture_removal *r = removal_of(id, rcpts, state);

	spool_outcome_start(spool, &r->w.outcome);
	return r;
}

struct fixture_removal *
fixture_purge_start(struct spool *spool, uint64_t id, uint32_t rcpts,
		    uint64_t trash, int64_t until_wall_s)
{
	struct fixture_removal *r = removal_of(id, rcpts, RCPT_PURGED);

	r->w.outcome.trash = trash;
	r->w.outcome.trash_until_wall_s = until_wall_s;
	spool_outcome_start(spool, &r->w.outcome);
	return r;
}

int
fixture_remove_end(struct fixture_removal **removal)
{
	struct fixture_removal *r = *removal;
	int err;

	*removal = NULL;
	waiter_wait(&r->w);
	err = r->w.outcome.err;
	free(r);
	return err;
}

int
fixture_outcome(struct spool *spool, uint64_t id, uint32_t index,
		enum rcpt_state state)
{
	struct spool_outcome_rcpt rcpt = {.index = index, .state = state};
	struct waiter w;

	waiter_init(&w);
	w.outcome.id = id;
	w.outcome.rcpts = &rcpt;
	w.outcome.rcpt_count = 1;
	w.outcome.done = on_outcome;
	spool_outcome_start(spool, &w.outcome);
	waiter_wait(&w);
	return w.outcome.err;
}

int
fixture_outcome_of(struct spool *spool, struct spool_outcome *op)
{
	struct waiter w;

	waiter_init(&w);
	w.outcome = *op;
	w.outcome.done = on_outcome;
	spool_outcome_start(spool, &w.outcome);
	waiter_wait(&w);
	return w.outcome.err;
}

int
fixture_purge(struct spool *spool, uint64_t id, uint32_t rcpts, uint64_t trash,
	      int64_t until_wall_s)
{
	struct fixture_removal *removal =
	    fixture_purge_start(spool, id, rcpts, trash, until_wall_s);

	return fixture_remove_end(&removal);
}

int
fixture_undo(struct spool *spool, uint64_t trash, struct spool_undo *op)
{
	struct waiter w;

	waiter_init(&w);
	w.undo.trash = trash;
	w.undo.done = on_undo;
	spool_undo_start(spool, &w.undo);
	waiter_wait(&w);
	*op = w.undo;
	return op->err;
}

int
fixture_change(struct spool *spool, const struct store_change *changes,
	       size_t count)
{
	struct waiter w;

	waiter_init(&w);
	w.change.changes = changes;
	w.change.change_count = count;
	w.change.done = on_change;
	spool_change_start(spool, &w.change);
	waiter_wait(&w);
	return w.change.err;
}

int64_t
fixture_ledger(struct spool *spool, struct spool_ledger *ledger)
{
	int64_t difference;

	if (spool_ledger_read(spool, ledger) != 0)
		return INT64_MIN;
	difference = ledger->accepted + ledger->generated;
	for (int i = 0; i < RCPT_STATES; i++)
		difference -= ledger->by_state[i];
	return difference;
}
