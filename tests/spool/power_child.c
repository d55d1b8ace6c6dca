/*
 * The two halves of the power-loss and kill tests, each in a process of its
 * own because LMDB must be opened anew.
 *
 *   power_child submit DIR SEED MESSAGES   says each step on stdout, and to
 *                                          the shim when it is loaded
 *   power_child check DIR FILE             FILE: the words said before the cut
 *
 * The words: "submit ID SEED BYTES RCPTS" before a message is handed over,
 * "accepted ID" when it was answered, "outcome ID" before and "gone ID" after
 * the outcome of all its recipients; "purge ID" and "purged ID", "undo ID" and
 * "undone ID" the same of a purge under the message's own id. What holds
 * afterwards: a message accepted
 * and without an outcome is whole; one that is gone is gone; one in between
 * may be either but is whole when it is there; one that is purged is not in
 * the queue, and whole in the trash; nobody else is there, and no record of a
 * message that has no entry; the ledger agrees.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/hash.h"
#include "gateway/base/mem.h"
#include "gateway/spool/record.h"
#include "gateway/store/env.h"
#include "gateway/store/key.h"
#include "tests/spool/fixture.h"

static void (*mark)(const char *text);
static pthread_mutex_t say_lock = PTHREAD_MUTEX_INITIALIZER;

static void
say(const char *text)
{
	char line[128];
	int n = snprintf(line, sizeof(line), "%s\n", text);

	if (mark != NULL)
		mark(text);
	pthread_mutex_lock(&say_lock);
	if (write(STDOUT_FILENO, line, (size_t)n) != n)
		_exit(3);
	pthread_mutex_unlock(&say_lock);
}

static void
opts_small(struct spool_opts *opts, const char *dir)
{
	memset(opts, 0, sizeof(*opts));
	opts->path = dir;
	opts->segment_bytes = 128 * 1024;
	opts->large_bytes = 24 * 1024;
	opts->map_bytes = 64 << 20;
	opts->reserve_bytes = 1 << 20;
	opts->compact_after_s = 0;
}

static struct spool *
open_or_die(const char *dir)
{
	struct spool_opts opts;
	struct spool *spool;
	char error[256];

	opts_small(&opts, dir);
	opts.compact_after_s = 1;
	if (spool_open(&spool, &opts, error, sizeof(error)) != 0) {
		fprintf(stderr, "open: %s\n", error);
		exit(1);
	}
	return spool;
}

/* --- submit
 * ------------------------------------------------------------------------ */

struct submitter {
	pthread_t thread;
	struct spool *spool;
	unsigned seed;
	int messages;
};

struct one {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool over;
	struct spool_accept accept;
	struct spool_outcome outcome;
	const char *after; /* the word when the outcome is there */
	struct spool_undo undo;
	struct spool_outcome_rcpt rcpts[4];
	uint64_t id;
};

static void
one_over(struct one *one)
{
	pthread_mutex_lock(&one->lock);
	one->over = true;
	pthread_cond_signal(&one->wake);
	pthread_mutex_unlock(&one->lock);
}

static void
one_wait(struct one *one)
{
	pthread_mutex_lock(&one->lock);
	while (!one->over)
		pthread_cond_wait(&one->wake, &one->lock);
	one->over = false;
	pthread_mutex_unlock(&one->lock);
}

static void
say_of(const char *word, uint64_t id)
{
	char text[64];

	snprintf(text, sizeof(text), "%s %llu", word, (unsigned long long)id);
	say(text);
}

static void
on_accept(struct spool_accept *op)
{
	struct one *one =
	    (struct one *)((char *)op - offsetof(struct one, accept));

	if (op->answer == SPOOL_ACCEPTED)
		say_of("accepted", one->id);
	one_over(one);
}

static void
on_outcome(struct spool_outcome *op)
{
	struct one *one =
	    (struct one *)((char *)op - offsetof(struct one, outcome));

	if (op->err == 0)
		say_of(one->after, one->id);
	one_over(one);
}

static void
on_undo(struct spool_undo *op)
{
	struct one *one =
	    (struct one *)((char *)op - offsetof(struct one, undo));

	if (op->err == 0)
		say_of("undone", one->id);
	one_over(one);
}

/* until 0: for good at once; before now: by way of the trash. */
static void
purge_one(struct spool *spool, struct one *one, uint32_t rcpts, int64_t until)
{
	bool kept = until > clock_wall_s();

	say_of(kept ? "purge" : "outcome", one->id);
	one->after = kept ? "purged" : "gone";
	for (uint32_t i = 0; i < rcpts; i++)
		one->rcpts[i] = (struct spool_outcome_rcpt){
		    .index = i, .state = RCPT_PURGED};
	one->outcome = (struct spool_outcome){.id = one->id,
					      .rcpts = one->rcpts,
					      .rcpt_count = rcpts,
					      .trash = until ? one->id : 0,
					      .trash_until_wall_s = until,
					      .done = on_outcome};
	spool_outcome_start(spool, &one->outcome);
	one_wait(one);
}

static void
undo_one(struct spool *spool, struct one *one)
{
	say_of("undo", one->id);
	one->undo = (struct spool_undo){.trash = one->id, .done = on_undo};
	spool_undo_start(spool, &one->undo);
	one_wait(one);
}

static void
remove_one(struct spool *spool, struct one *one, uint32_t rcpts)
{
	say_of("outcome", one->id);
	one->after = "gone";
	for (uint32_t i = 0; i < rcpts; i++)
		one->rcpts[i] = (struct spool_outcome_rcpt){
		    .index = i, .state = i % 2 ? RCPT_BOUNCED : RCPT_DELIVERED};
	one->outcome = (struct spool_outcome){.id = one->id,
					      .rcpts = one->rcpts,
					      .rcpt_count = rcpts,
					      .done = on_outcome};
	spool_outcome_start(spool, &one->outcome);
	one_wait(one);
}

static void
end_one(struct spool *spool, struct one *one, uint32_t rcpts, unsigned how)
{
	int64_t now = clock_wall_s();

	if (how < 8)
		remove_one(spool, one, rcpts);
	else if (how < 11)
		purge_one(spool, one, rcpts, how % 2 ? now - 1 : 0);
	else if (how < 14)
		purge_one(spool, one, rcpts, now + 86400);
	if (how == 12 || how == 13)
		undo_one(spool, one);
	if (how == 13)
		remove_one(spool, one, rcpts);
}

static void
submit_one(struct spool *spool, struct one *one, unsigned *random)
{
	unsigned seed = (unsigned)rand_r(random);
	uint32_t rcpts = 1 + (unsigned)rand_r(random) % 4;
	size_t bytes = (unsigned)rand_r(random) % 9000;
	struct spool_msg *msg = fixture_msg(rcpts);
	char text[96];

	if (rand_r(random) % 16 == 0)
		bytes += 30000;
	one->id = msg->id;
	msg->has_resub_key = true;
	memcpy(msg->resub_key, &msg->id, sizeof(msg->id));
	snprintf(text, sizeof(text), "submit %llu %u %zu %u",
		 (unsigned long long)msg->id, seed, bytes, rcpts);
	say(text);
	one->accept =
	    (struct spool_accept){.msg = msg,
				  .body = fixture_body(spool, bytes, seed),
				  .done = on_accept};
	spool_body_end(one->accept.body, msg->body.digest);
	spool_accept_start(spool, &one->accept);
	one_wait(one);
	if (one->accept.answer == SPOOL_ACCEPTED)
		end_one(spool, one, rcpts, (unsigned)rand_r(random) % 16);
}

static void *
submitter_run(void *arg)
{
	struct submitter *s = arg;
	struct one one;

	memset(&one, 0, sizeof(one));
	pthread_mutex_init(&one.lock, NULL);
	pthread_cond_init(&one.wake, NULL);
	for (int i = 0; i < s->messages; i++)
		submit_one(s->spool, &one, &s->seed);
	return NULL;
}

static int
submit(const char *dir, unsigned seed, int messages)
{
	enum { THREADS = 6 };
	struct submitter all[THREADS];
	struct spool *spool;

	*(void **)&mark = dlsym(RTLD_DEFAULT, "powerloss_mark");
	spool = open_or_die(dir);
	say("open");
	for (unsigned i = 0; i < THREADS; i++) {
		all[i] = (struct submitter){
		    .spool = spool, .seed = seed + i, .messages = messages};
		pthread_create(&all[i].thread, NULL, submitter_run, &all[i]);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(all[i].thread, NULL);
	spool_close(&spool);
	return 0;
}

/* --- check
 * -------------------------------------------------------------------------- */

struct known {
	UT_hash_handle hh;
	uint64_t id;
	unsigned seed;
	size_t bytes;
	uint32_t rcpts;
	bool accepted, outcome, gone;
	bool purge, purged, undo, undone;
};

static struct known *table;
static int failures;

static void
fail(uint64_t id, const char *what)
{
	fprintf(stderr, "%llu: %s\n", (unsigned long long)id, what);
	failures++;
}

static void
word_read(const char *line)
{
	unsigned long long id;
	struct known *k;
	char word[16];

	if (sscanf(line, "%15s %llu", word, &id) != 2)
		return;
	HASH_FIND(hh, table, &id, sizeof(k->id), k);
	if (strcmp(word, "submit") == 0) {
		k = mem_zalloc(sizeof(*k));
		k->id = id;
		sscanf(line, "%*s %*u %u %zu %u", &k->seed, &k->bytes,
		       &k->rcpts);
		HASH_ADD(hh, table, id, sizeof(k->id), k);
	} else if (k == NULL) {
		fail(id, "a word about nobody");
	} else if (strcmp(word, "accepted") == 0) {
		k->accepted = true;
	} else if (strcmp(word, "outcome") == 0) {
		k->outcome = true;
	} else if (strcmp(word, "gone") == 0) {
		k->gone = true;
	} else if (strcmp(word, "purge") == 0) {
		k->purge = true;
	} else if (strcmp(word, "purged") == 0) {
		k->purged = true;
	} else if (strcmp(word, "undo") == 0) {
		k->undo = true;
	} else if (strcmp(word, "undone") == 0) {
		k->undone = true;
	}
}

/* What is in the trash alone comes back whole, and what is not, never was. */
static void
trash_check(struct spool *spool, const struct known *k, bool queued)
{
	struct spool_undo undo;
	int err = fixture_undo(spool, k->id, &undo);

	if (queued && k->purged && !k->undo)
		fail(k->id, "purged and in the queue");
	if (!queued && k->undone && !k->outcome)
		fail(k->id, "brought back and lost");
	if (!queued && !k->outcome && err != 0)
		fail(k->id, "neither queued nor in the trash");
	if (k->gone && err == 0)
		fail(k->id, "gone and in the trash");
	if (queued && err != GW_ENOENT)
		fail(k->id, "queued and in the trash");
	if (err == 0 && (undo.count != 1 || undo.ids[0] != k->id ||
			 undo.recipients != k->rcpts))
		fail(k->id, "brought back in part");
}

static void
known_check(struct spool *spool, const struct known *k)
{
	struct spool_msg *msg;
	const char *wrong;
	int err = spool_load(spool, k->id, &msg);

	if (k->purge && (err == 0 || err == GW_ENOENT)) {
		trash_check(spool, k, err == 0);
		spool_msg_destroy(&msg);
		err = spool_load(spool, k->id, &msg);
	}
	if (err == GW_ENOENT) {
		if (k->accepted && !k->outcome)
			fail(k->id, "acknowledged and lost");
		return;
	}
	if (err != 0) {
		fail(k->id, gw_err_text(err));
		return;
	}
	if (k->gone)
		fail(k->id, "came back");
	if (msg->rcpt_count != k->rcpts)
		fail(k->id, "recipients missing");
	wrong = fixture_body_check(spool, &msg->body, k->bytes, k->seed);
	if (wrong != NULL)
		fail(k->id, wrong);
	spool_msg_destroy(&msg);
}

static bool
entry_check(void *arg, const struct spool_entry *entry)
{
	int64_t *count = arg;
	struct known *k;

	HASH_FIND(hh, table, &entry->id, sizeof(entry->id), k);
	if (k == NULL)
		fail(entry->id, "nobody sent this");
	(*count)++;
	return true;
}

struct orphans {
	struct spool *spool;
	struct store_txn *txn;
};

static bool
share_look(void *arg, struct slice key, struct slice value)
{
	uint64_t *wanted = arg;

	(void)value;
	if (key.n == KEY_SHARE_SIZE && key.p[0] == 's' &&
	    key_get_u64(key.p + 1) == *wanted)
		*wanted = 0;
	return false;
}

/* A message that nobody has an entry of would be there for ever. */
static bool
orphan_check(void *arg, struct slice key, struct slice value)
{
	uint64_t id = key_get_u64(key.p), wanted = id;
	uint8_t share[KEY_SHARE_SIZE];
	struct orphans *o = arg;
	struct spool_msg *msg;

	(void)value;
	key_share(id, 0, share);
	store_each(o->txn, STORE_TRASH, slice_of(share, sizeof(share)),
		   share_look, &wanted);
	if (wanted != 0 && spool_load(o->spool, id, &msg) == 0) {
		wanted = msg->rcpt_count == 0;
		spool_msg_destroy(&msg);
	}
	if (wanted != 0)
		fail(id, "a message without an entry");
	return true;
}

static void
orphans_check(struct spool *spool)
{
	struct orphans o = {.spool = spool};

	o.txn = store_read(spool_store(spool));
	store_each(o.txn, STORE_MESSAGE, SLICE_NONE, orphan_check, &o);
	store_abort(&o.txn);
}

static void
ledger_check(struct spool *spool)
{
	struct spool_cursor at = {0, 0};
	struct spool_ledger ledger;
	int64_t count = 0;

	if (fixture_ledger(spool, &ledger) != 0)
		fail(0, "the ledger does not add up");
	if (spool_scan(spool, &at, SIZE_MAX, entry_check, &count, &at) < 0)
		fail(0, "scan");
	if (count != ledger.by_state[RCPT_QUEUED])
		fail(0, "entries are not what the ledger says");
}

static int
check(const char *dir, const char *words)
{
	FILE *file = fopen(words, "r");
	struct spool *spool;
	struct known *k, *tmp;
	char line[128];

	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		word_read(line);
	if (file != NULL)
		fclose(file);
	spool = open_or_die(dir);
	ledger_check(spool);
	HASH_ITER(hh, table, k, tmp)
	{
		known_check(spool, k);
	}
	orphans_check(spool);
	ledger_check(spool);
	if (fixture_submit(spool, 100, 1, 1, 0).answer != SPOOL_ACCEPTED)
		fail(0, "takes nothing any more");
	spool_close(&spool);
	HASH_ITER(hh, table, k, tmp)
	{
		HASH_DEL(table, k);
		free(k);
	}
	return failures != 0;
}

int
main(int argc, char **argv)
{
	if (argc == 5 && strcmp(argv[1], "submit") == 0)
		return submit(argv[2], (unsigned)atoi(argv[3]), atoi(argv[4]));
	if (argc == 4 && strcmp(argv[1], "check") == 0)
		return check(argv[2], argv[3]);
	fprintf(stderr, "usage: power_child submit DIR SEED MESSAGES | "
			"check DIR WORDS\n");
	return 64;
}
