/*
 * Exact bytes into DIR/tmp, then under the same name into DIR/new.
 *
 * The name is made of the message's id and the recipient's index, which are
 * never given twice, instead of the clock and a counter: a message that was
 * delivered but not yet marked so when the process died gets the same name
 * again and replaces itself, rather than being there twice.
 */
#include "gateway/back/maildir.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/back/body.h"
#include "gateway/base/error.h"
#include "gateway/base/id.h"
#include "gateway/base/mem.h"

#define NAME_SIZE 256
#define HOST_MAX 100
#define CHUNK 65536
#define AGAIN_MS 30000

struct maildir_task {
	struct inbound in;
	STAILQ_ENTRY(maildir_task) link;
	struct maildir_worker *worker;
	struct delivery *delivery;
	/* Borrowed from the delivery, for the worker's thread. */
	const struct spool_msg *msg;
	const char *dir; /* of the hop, which outlives its tasks */
	enum back_tokens tokens;
	char *hostname;
	uint32_t count;
	int *errs;   /* of each recipient */
	int dir_err; /* the last that was the maildir's, not the message's */
};

STAILQ_HEAD(task_list, maildir_task);

struct maildir_worker {
	struct relay *relay;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct task_list tasks;
	bool stop;
	struct body body; /* the worker's thread */
	char *chunk;
};

/* --- the worker's thread -------------------------------------------------- */

/* "1732231201.M004242Q0abc...R0.host" */
static void
file_name(const struct maildir_task *task, uint32_t index, char out[NAME_SIZE])
{
	int64_t ms = task->msg->accepted_wall_ms;
	char id[ID_TEXT_SIZE];
	int n;

	id_format(task->msg->id, id);
	n = snprintf(out, NAME_SIZE, "%lld.M%06lldQ%sR%u.%.*s",
		     (long long)(ms / 1000), (long long)(ms % 1000 * 1000), id,
		     index, HOST_MAX, task->hostname);
	for (int i = 0; i < n && i < NAME_SIZE - 1; i++) {
		if (out[i] == '/' || out[i] == ':')
			out[i] = '_';
	}
}

static int
make_dir(int at, const char *path)
{
	if (mkdirat(at, path, 0700) == 0 || errno == EEXIST)
		return 0;
	return gw_err_from_errno(errno);
}

static int
make_parents(const char *dir)
{
	char *path = mem_strdup(dir);
	int err = 0;

	for (char *p = path + 1; *p != '\0' && err == 0; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		err = make_dir(AT_FDCWD, path);
		*p = '/';
	}
	if (err == 0)
		err = make_dir(AT_FDCWD, path);
	free(path);
	return err;
}

static int
open_dir(int at, const char *path, int *fd)
{
	*fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *fd >= 0 ? 0 : gw_err_from_errno(errno);
}

/* The maildir itself, made if missing. */
static int
open_maildir(const char *dir, int *fd)
{
	int err = open_dir(AT_FDCWD, dir, fd);

	if (err == GW_ENOENT) {
		err = make_parents(dir);
		if (err == 0)
			err = open_dir(AT_FDCWD, dir, fd);
	}
	if (err != 0)
		return err;
	err = make_dir(*fd, "tmp");
	if (err == 0)
		err = make_dir(*fd, "new");
	if (err == 0)
		err = make_dir(*fd, "cur");
	if (err == 0 && fsync(*fd) != 0)
		err = GW_EIO;
	if (err != 0)
		close(*fd);
	return err;
}

static int
write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return gw_err_from_errno(errno);
		p += done;
		n -= (size_t)done;
	}
	return 0;
}

/* *ours: what failed is reading the message. */
static int
write_body(struct maildir_task *task, int fd, bool *ours)
{
	struct maildir_worker *worker = task->worker;
	int err = body_open(&worker->body, worker->relay->spool, task->msg,
			    task->tokens);
	int64_t n = 0;

	*ours = err != 0;
	while (err == 0) {
		n = body_read(&worker->body, worker->chunk, CHUNK);
		if (n <= 0)
			break;
		err = write_all(fd, worker->chunk, (size_t)n);
	}
	*ours |= n < 0;
	body_close(&worker->body);
	return err != 0 ? err : (int)(n < 0 ? n : 0);
}

/* A file of that name in tmp is from a process that died: overwritten. */
static int
write_tmp(struct maildir_task *task, int dir_fd, const char *name, bool *ours)
{
	char path[NAME_SIZE + 8];
	int fd, err;

	(void)snprintf(path, sizeof(path), "tmp/%s", name);
	fd =
	    openat(dir_fd, path,
		   O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return gw_err_from_errno(errno);
	err = write_body(task, fd, ours);
	if (err == 0 && fsync(fd) != 0)
		err = gw_err_from_errno(errno);
	if (close(fd) != 0 && err == 0)
		err = gw_err_from_errno(errno);
	if (err != 0)
		(void)unlinkat(dir_fd, path, 0);
	return err;
}

static int
deliver_one(struct maildir_task *task, int dir_fd, uint32_t index, bool *ours)
{
	char name[NAME_SIZE], from[NAME_SIZE + 8], to[NAME_SIZE + 8];
	int err;

	file_name(task, index, name);
	err = write_tmp(task, dir_fd, name, ours);
	if (err != 0)
		return err;
	(void)snprintf(from, sizeof(from), "tmp/%s", name);
	(void)snprintf(to, sizeof(to), "new/%s", name);
	if (renameat(dir_fd, from, dir_fd, to) == 0)
		return 0;
	err = gw_err_from_errno(errno);
	(void)unlinkat(dir_fd, from, 0);
	return err;
}

static void
deliver_task(struct maildir_task *task, int dir_fd)
{
	for (uint32_t i = 0; i < task->count; i++) {
		bool ours = false;

		task->errs[i] = deliver_one(
		    task, dir_fd, task->delivery->rcpts[i]->index, &ours);
		if (!ours && task->errs[i] != 0)
			task->dir_err = task->errs[i];
	}
}

static void
fail_task(struct maildir_task *task, int err)
{
	task->dir_err = err;
	for (uint32_t i = 0; i < task->count; i++) {
		if (task->errs[i] == 0)
			task->errs[i] = err;
	}
}

static int
sync_new(int dir_fd)
{
	int fd, err;

	err = open_dir(dir_fd, "new", &fd);
	if (err != 0)
		return err;
	if (fsync(fd) != 0)
		err = gw_err_from_errno(errno);
	close(fd);
	return err;
}

/* All tasks at the head that go to the same maildir. */
static void
deliver_batch(struct task_list *batch)
{
	const char *dir = STAILQ_FIRST(batch)->dir;
	struct maildir_task *task;
	int fd, err;

	err = open_maildir(dir, &fd);
	for (task = STAILQ_FIRST(batch); task; task = STAILQ_NEXT(task, link)) {
		if (err == 0)
			deliver_task(task, fd);
		else
			fail_task(task, err);
	}
	if (err != 0)
		return;
	err = sync_new(fd);
	close(fd);
	if (err == 0)
		return;
	for (task = STAILQ_FIRST(batch); task; task = STAILQ_NEXT(task, link))
		fail_task(task, err);
}

static bool
take_batch(struct maildir_worker *worker, struct task_list *batch)
{
	struct maildir_task *task;

	STAILQ_INIT(batch);
	pthread_mutex_lock(&worker->lock);
	while (STAILQ_EMPTY(&worker->tasks) && !worker->stop)
		pthread_cond_wait(&worker->wake, &worker->lock);
	while ((task = STAILQ_FIRST(&worker->tasks)) != NULL) {
		if (!STAILQ_EMPTY(batch) &&
		    strcmp(STAILQ_FIRST(batch)->dir, task->dir) != 0)
			break;
		STAILQ_REMOVE_HEAD(&worker->tasks, link);
		STAILQ_INSERT_TAIL(batch, task, link);
	}
	pthread_mutex_unlock(&worker->lock);
	return !STAILQ_EMPTY(batch);
}

static void *
worker_main(void *arg)
{
	struct maildir_worker *worker = arg;
	struct task_list batch;

	while (take_batch(worker, &batch)) {
		struct maildir_task *task;

		deliver_batch(&batch);
		while ((task = STAILQ_FIRST(&batch)) != NULL) {
			STAILQ_REMOVE_HEAD(&batch, link);
			queue_push(worker->relay->queue, &task->in.item);
		}
	}
	return NULL;
}

/* --- the relay's thread --------------------------------------------------- */

static void
set_result(struct result *result, int err)
{
	if (err == 0)
		result_set(result, FATE_DELIVERED, "2.0.0", NULL);
	else if (err == GW_ECORRUPT)
		result_set(result, FATE_ALTERED, "4.3.0",
			   "the bytes on disk are not what was accepted");
	else if (err == GW_ENOSPC)
		result_set(result, FATE_DEFERRED, "4.3.1", gw_err_text(err));
	else
		result_set(result, FATE_DEFERRED, "4.3.0", gw_err_text(err));
}

static void
task_take(struct relay *relay, struct inbound *in)
{
	struct maildir_task *task = (struct maildir_task *)in;
	struct dest *dest = task->delivery->dest;
	struct result *results = mem_array(task->count, sizeof(*results));
	struct delivery_peer peer = {.final = true};
	struct result bad;

	for (uint32_t i = 0; i < task->count; i++)
		set_result(&results[i], task->errs[i]);
	dest->task_count--;
	/* A message that cannot be read says nothing about the maildir. */
	peer.down = task->dir_err != 0;
	if (peer.down) {
		set_result(&bad, task->dir_err);
		bad.fate = FATE_DEFERRED;
		hop_failed(dest->hop, bad.text);
		dest_down(dest, relay_now_ms(relay) + AGAIN_MS, &bad);
	} else {
		dest_up(dest);
	}
	delivery_end(&task->delivery, results, &peer);
	free(results);
	free(task->errs);
	free(task->hostname);
	free(task);
	relay_kick(relay, dest);
}

void
maildir_start(struct maildir_worker *worker, struct delivery **delivery)
{
	struct maildir_task *task = mem_zalloc(sizeof(*task));
	struct delivery *d = *delivery;

	*delivery = NULL;
	task->in.take = task_take;
	task->worker = worker;
	task->delivery = d;
	task->msg = d->msg;
	task->dir = d->dest->hop->conf.maildir;
	task->tokens = d->dest->hop->conf.tokens;
	task->hostname = mem_strdup(worker->relay->settings->conf.hostname);
	task->count = d->count;
	task->errs = mem_array(d->count, sizeof(*task->errs));
	d->dest->task_count++;
	relay_live(worker->relay, d->dest);
	pthread_mutex_lock(&worker->lock);
	STAILQ_INSERT_TAIL(&worker->tasks, task, link);
	pthread_cond_signal(&worker->wake);
	pthread_mutex_unlock(&worker->lock);
}

struct maildir_worker *
maildir_create(struct relay *relay)
{
	struct maildir_worker *worker = mem_zalloc(sizeof(*worker));

	worker->relay = relay;
	worker->chunk = mem_alloc(CHUNK);
	body_init(&worker->body);
	STAILQ_INIT(&worker->tasks);
	pthread_mutex_init(&worker->lock, NULL);
	pthread_cond_init(&worker->wake, NULL);
	if (pthread_create(&worker->thread, NULL, worker_main, worker) != 0)
		abort();
	return worker;
}

void
maildir_destroy(struct maildir_worker **workerp)
{
	struct maildir_worker *worker = *workerp;

	*workerp = NULL;
	if (!worker)
		return;
	pthread_mutex_lock(&worker->lock);
	worker->stop = true;
	pthread_cond_signal(&worker->wake);
	pthread_mutex_unlock(&worker->lock);
	pthread_join(worker->thread, NULL);
	pthread_mutex_destroy(&worker->lock);
	pthread_cond_destroy(&worker->wake);
	body_fini(&worker->body);
	free(worker->chunk);
	free(worker);
}
