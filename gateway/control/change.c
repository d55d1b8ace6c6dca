/*
 * Rows are copied into one buffer as they come and get their addresses when the
 * change is handed in: a buffer that grows moves.
 *
 * The name of a user is looked for in /etc/passwd and nowhere else. getpwuid
 * would ask what nsswitch.conf says, a directory server perhaps that is away at
 * the worst moment, and the main loop would wait for it.
 */
#include "gateway/control/change.h"

#include <bsd/sys/queue.h>
#include <pthread.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/id.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/control/control_int.h"
#include "gateway/net/queue.h"
#include "policy/audit.h"

#define NAME_MAX_SIZE 64
#define COMMAND_MAX 2048
#define TEXT_MAX 1024
#define BYTES_MAX (64 * 1024 * 1024)
#define PASSWD_LINES_MAX 10000

struct row {
	enum store_table table;
	enum store_change_kind kind;
	size_t key, key_n, value, value_n;
};

struct change {
	struct queue_item item; /* first: from the store to the loop */
	struct changes *changes;
	uint64_t id;
	int64_t wall_s;
	uid_t uid;
	pid_t pid;
	char author[NAME_MAX_SIZE];
	struct buf command, reason, effect;
	struct buf audit_key, audit_value;
	struct buf bytes; /* of all rows */
	struct row *rows;
	struct store_change *store_rows;
	size_t row_count, row_size;
	struct spool_change op;
	change_done_fn *done;
	void *arg;
};

struct changes {
	struct control *control;
	struct queue *queue;
	pthread_mutex_t lock; /* of with_store */
	pthread_cond_t changed;
	size_t with_store;
};

static void
on_back(void *arg, struct queue_item *item)
{
	struct change *change = (struct change *)(void *)item;

	(void)arg;
	if (change->op.err != 0)
		log_event(GW_LOG_ERROR, "change-not-durable",
			  LF_SLICE("command", buf_slice(&change->command)),
			  LF_ERR(change->op.err));
	if (change->done != NULL)
		change->done(change->arg, change->op.err);
	change_destroy(&change);
}

struct changes *
changes_create(struct control *control)
{
	struct changes *changes = mem_zalloc(sizeof(*changes));

	changes->control = control;
	changes->queue = queue_create(control->loop, on_back, changes);
	if (changes->queue == NULL) {
		free(changes);
		return NULL;
	}
	pthread_mutex_init(&changes->lock, NULL);
	pthread_cond_init(&changes->changed, NULL);
	return changes;
}

void
changes_destroy(struct changes **changesp)
{
	struct changes *changes = *changesp;

	if (changes == NULL)
		return;
	pthread_mutex_lock(&changes->lock);
	while (changes->with_store > 0)
		pthread_cond_wait(&changes->changed, &changes->lock);
	pthread_mutex_unlock(&changes->lock);
	queue_destroy(&changes->queue);
	pthread_mutex_destroy(&changes->lock);
	pthread_cond_destroy(&changes->changed);
	free(changes);
	*changesp = NULL;
}

static void
find_author(uid_t uid, char out[NAME_MAX_SIZE])
{
	FILE *f = fopen("/etc/passwd", "re");
	struct passwd entry, *found = NULL;
	char line[1024];

	snprintf(out, NAME_MAX_SIZE, "uid %u", (unsigned)uid);
	for (int i = 0; f != NULL && i < PASSWD_LINES_MAX &&
			fgetpwent_r(f, &entry, line, sizeof(line), &found) == 0;
	     i++) {
		if (found->pw_uid != uid)
			continue;
		snprintf(out, NAME_MAX_SIZE, "%s", found->pw_name);
		break;
	}
	if (f != NULL)
		fclose(f);
}

static struct change *
empty_change(struct changes *changes)
{
	struct change *change = mem_zalloc(sizeof(*change));

	change->changes = changes;
	buf_init(&change->command, COMMAND_MAX);
	buf_init(&change->reason, TEXT_MAX);
	buf_init(&change->effect, TEXT_MAX);
	buf_init(&change->audit_key, AUDIT_RECORD_MAX);
	buf_init(&change->audit_value, AUDIT_RECORD_MAX);
	buf_init(&change->bytes, BYTES_MAX);
	return change;
}

struct change *
change_create(struct changes *changes, const struct change_who *who)
{
	struct change *change = empty_change(changes);

	change->id = id_next();
	change->wall_s = clock_wall_s();
	change->uid = who->uid;
	change->pid = who->pid;
	find_author(who->uid, change->author);
	for (size_t i = 0; i < who->word_count; i++) {
		if (i > 0)
			buf_add_byte(&change->command, ' ');
		buf_add_str(&change->command, who->words[i]);
	}
	if (who->reason != NULL)
		buf_add_str(&change->reason, who->reason);
	return change;
}

struct change *
change_again(const struct change *change)
{
	struct change *again = empty_change(change->changes);

	again->id = change->id;
	again->wall_s = change->wall_s;
	again->uid = change->uid;
	again->pid = change->pid;
	memcpy(again->author, change->author, sizeof(again->author));
	buf_add_slice(&again->command, buf_slice(&change->command));
	buf_add_slice(&again->reason, buf_slice(&change->reason));
	buf_add_slice(&again->effect, buf_slice(&change->effect));
	return again;
}

void
change_destroy(struct change **changep)
{
	struct change *change = *changep;

	*changep = NULL;
	if (change == NULL)
		return;
	buf_fini(&change->command);
	buf_fini(&change->reason);
	buf_fini(&change->effect);
	buf_fini(&change->audit_key);
	buf_fini(&change->audit_value);
	buf_wipe(&change->bytes); /* a user's record has a hash */
	free(change->rows);
	free(change->store_rows);
	free(change);
}

uint64_t
change_id(const struct change *change)
{
	return change->id;
}

const char *
change_author(const struct change *change)
{
	return change->author;
}

void
change_add(struct change *change, const struct store_change *row)
{
	struct row *copy;

	if (change->row_count == change->row_size) {
		change->row_size = 2 * change->row_size + 2;
		change->rows = mem_resize(
		    change->rows, change->row_size * sizeof(*change->rows));
	}
	copy = &change->rows[change->row_count++];
	copy->table = row->table;
	copy->kind = row->kind;
	copy->key = change->bytes.n;
	copy->key_n = row->key.n;
	buf_add_slice(&change->bytes, row->key);
	copy->value = change->bytes.n;
	copy->value_n = row->value.n;
	buf_add_slice(&change->bytes, row->value);
}

void
change_effect(struct change *change, const char *fmt, ...)
{
	char text[TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_clear(&change->effect);
	buf_add_str(&change->effect, text);
}

void
change_row(struct change *change, struct store_change *row)
{
	const struct audit_entry entry = {
	    .id = change->id,
	    .wall_s = change->wall_s,
	    .uid = (uint32_t)change->uid,
	    .pid = (uint32_t)change->pid,
	    .author = change->author,
	    .command = buf_cstr(&change->command),
	    .reason = buf_cstr(&change->reason),
	    .effect = buf_cstr(&change->effect),
	};

	audit_change(&entry, &change->audit_key, &change->audit_value, row);
}

/* On the store thread. */
static void
on_committed(struct spool_change *op)
{
	struct change *change =
	    (struct change *)((char *)op - offsetof(struct change, op));
	struct changes *changes = change->changes;

	pthread_mutex_lock(&changes->lock);
	queue_push(changes->queue, &change->item);
	changes->with_store--;
	pthread_cond_broadcast(&changes->changed);
	pthread_mutex_unlock(&changes->lock);
}

static void
place_rows(struct change *change)
{
	const char *p = change->bytes.p;
	struct store_change *out =
	    mem_array(change->row_count + 1, sizeof(*out));

	for (size_t i = 0; i < change->row_count; i++) {
		const struct row *row = &change->rows[i];

		out[i] = (struct store_change){
		    .table = row->table,
		    .kind = row->kind,
		    .key = slice_of(p + row->key, row->key_n),
		    .value = row->value_n > 0
				 ? slice_of(p + row->value, row->value_n)
				 : SLICE_NONE,
		};
	}
	change_row(change, &out[change->row_count]);
	change->store_rows = out;
}

void
change_commit(struct change **changep, change_done_fn *done, void *arg)
{
	struct change *change = *changep;
	struct changes *changes = change->changes;

	*changep = NULL;
	place_rows(change);
	change->done = done;
	change->arg = arg;
	change->op.changes = change->store_rows;
	change->op.change_count = change->row_count + 1;
	change->op.done = on_committed;
	pthread_mutex_lock(&changes->lock);
	changes->with_store++;
	pthread_mutex_unlock(&changes->lock);
	spool_change_start(changes->control->spool, &change->op);
}
