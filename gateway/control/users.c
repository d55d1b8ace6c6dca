/*
 * One job at a time is under way, the others wait in a list (as many as there
 * are clients at the socket, at most): look -> hash (helper thread) -> commit
 * (store thread) -> answer. The client may be gone at each step; the change is
 * made and logged all the same.
 */
#include "gateway/control/users.h"

#include <bsd/sys/queue.h>
#include <pthread.h>
#include <stdlib.h>

#include "gateway/auth/user.h"
#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/escape.h"
#include "gateway/base/json.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/control/call.h"
#include "gateway/control/control_int.h"
#include "gateway/net/queue.h"

struct job {
	struct queue_item item; /* first: from a thread back to the loop */
	STAILQ_ENTRY(job) link;
	struct users *users;
	enum user_change change;
	struct user user; /* name and what it will be */
	struct buf password;
	struct buf name, value; /* what the commit borrows */
	uint64_t call_id;
	bool committing;
	int err;
	struct change *tell;
	struct store_change rows[2]; /* the user, the trail */
	struct spool_change op;
};

struct users {
	struct control *control;
	struct queue *done; /* hashed, committed */
	STAILQ_HEAD(, job) jobs;
	struct timer_op *begin; /* of the first job */
	pthread_t thread;
	pthread_mutex_t lock; /* all below */
	pthread_cond_t changed;
	struct job *to_hash;
	bool with_store; /* a commit is under way */
	bool stop;
};

static void start_next(struct users *users);

static void
job_free(struct job *job)
{
	user_fini(&job->user);
	buf_wipe(&job->password);
	buf_fini(&job->name);
	buf_wipe(&job->value);
	change_destroy(&job->tell);
	free(job);
}

static const char *
event_of(enum user_change change)
{
	switch (change) {
	case USER_ADD:
		return "user-added";
	case USER_PASSWD:
		return "user-password-changed";
	case USER_DEL:
		return "user-deleted";
	}
	return "?";
}

static const char *
sentence(enum user_change change)
{
	switch (change) {
	case USER_ADD:
		return "added";
	case USER_PASSWD:
		return "has a new password";
	case USER_DEL:
		return "deleted";
	}
	return "?";
}

/* Failures in words; name is escaped. */
static void
answer_failure(struct call *call, const char *name, int err)
{
	if (err == GW_EEXIST)
		call_fail(
		    call,
		    "the login %s is there already (see 'sluice user passwd')",
		    name);
	else if (err == GW_ENOENT)
		call_fail(call, "there is no login %s", name);
	else if (err == GW_EINVAL)
		call_fail(call, "this password cannot be used");
	else
		call_fail(call, "%s: nothing was changed: %s", name,
			  gw_err_text(err));
}

static void
answer(struct job *job, int err)
{
	struct admin *admin = job->users->control->admin;
	struct call *call =
	    admin == NULL ? NULL : admin_call(admin, job->call_id);
	struct buf name = {.cap = 1024};
	struct json j;

	if (call == NULL)
		return;
	escape_text(&name, slice_str(job->user.name));
	if (err != 0) {
		answer_failure(call, buf_cstr(&name), err);
	} else if (call->request.json) {
		json_init(&j, &call->out);
		json_open_object(&j, NULL);
		json_str(&j, "name", job->user.name);
		json_str(&j, "result", sentence(job->change));
		json_close_object(&j);
		buf_add_byte(&call->out, '\n');
	} else {
		buf_printf(&call->out, "%s %s\n", buf_cstr(&name),
			   sentence(job->change));
	}
	buf_fini(&name);
	admin_wake(admin, job->call_id);
}

/* The head of the list is over. */
static void
finish(struct job *job, int err)
{
	struct users *users = job->users;

	if (err == 0) {
		auth_pool_forget(users->control->auth,
				 slice_str(job->user.name));
		log_event(GW_LOG_INFO, event_of(job->change),
			  LF_STR("cred", job->user.name),
			  LF_STR("class", job->user.class),
			  LF_STR("address", job->user.owner_address));
	} else if (err != GW_EEXIST && err != GW_ENOENT) {
		log_event(GW_LOG_ERROR, "user-change-failed",
			  LF_STR("cred", job->user.name), LF_ERR(err));
	}
	answer(job, err);
	STAILQ_REMOVE_HEAD(&users->jobs, link);
	job_free(job);
	start_next(users);
}

/* On the store thread. */
static void
on_committed(struct spool_change *op)
{
	struct job *job = (struct job *)((char *)op - offsetof(struct job, op));
	struct users *users = job->users;

	job->err = op->err;
	pthread_mutex_lock(&users->lock);
	queue_push(users->done, &job->item);
	users->with_store = false;
	pthread_cond_broadcast(&users->changed);
	pthread_mutex_unlock(&users->lock);
}

static void
commit(struct job *job)
{
	struct users *users = job->users;

	job->user.changed_wall_s = clock_wall_s();
	if (job->user.created_wall_s == 0)
		job->user.created_wall_s = job->user.changed_wall_s;
	buf_add_str(&job->name, job->user.name);
	job->rows[0].table = STORE_USER;
	job->rows[0].key = buf_slice(&job->name);
	job->rows[0].kind = STORE_DELETE;
	if (job->change != USER_DEL) {
		user_encode(&job->user, &job->value);
		job->rows[0].kind = STORE_PUT;
		job->rows[0].value = buf_slice(&job->value);
	}
	change_effect(job->tell, "%s", sentence(job->change));
	change_row(job->tell, &job->rows[1]);
	job->op.changes = job->rows;
	job->op.change_count = 2;
	job->op.done = on_committed;
	job->committing = true;
	pthread_mutex_lock(&users->lock);
	users->with_store = true;
	pthread_mutex_unlock(&users->lock);
	spool_change_start(users->control->spool, &job->op);
}

/* What is there decides; a new password keeps all else that is known. */
static int
look(struct job *job)
{
	struct user old = {0};
	int err = user_get(spool_store(job->users->control->spool),
			   slice_str(job->user.name), &old);

	if (job->change == USER_ADD) {
		user_fini(&old);
		return err == 0 ? GW_EEXIST : err == GW_ENOENT ? 0 : err;
	}
	/* A record that cannot be read may still be deleted. */
	if (job->change == USER_DEL && err == GW_ECORRUPT)
		return 0;
	if (err == 0) {
		user_fini(&job->user);
		job->user = old;
	}
	return err;
}

/* From the loop, never from users_submit: its caller does not wait yet. */
static void
on_begin(void *arg)
{
	struct users *users = arg;
	struct job *job = STAILQ_FIRST(&users->jobs);
	int err;

	users->begin = NULL;
	err = look(job);
	if (err != 0) {
		finish(job, err);
	} else if (job->change == USER_DEL) {
		commit(job);
	} else {
		pthread_mutex_lock(&users->lock);
		users->to_hash = job;
		pthread_cond_broadcast(&users->changed);
		pthread_mutex_unlock(&users->lock);
	}
}

static void
start_next(struct users *users)
{
	if (!STAILQ_EMPTY(&users->jobs) && !users->stop)
		users->begin =
		    timer_start(users->control->loop, 0, on_begin, users);
}

static void
on_done(void *arg, struct queue_item *item)
{
	struct users *users = arg;
	struct job *job = (struct job *)(void *)item;

	if (job->committing || job->err != 0)
		finish(job, job->err);
	else if (!users->stop)
		commit(job);
}

static void *
hash_thread(void *arg)
{
	struct users *users = arg;
	struct job *job;
	char *hash;

	pthread_mutex_lock(&users->lock);
	for (;;) {
		while (users->to_hash == NULL && !users->stop)
			pthread_cond_wait(&users->changed, &users->lock);
		if (users->stop)
			break;
		job = users->to_hash;
		users->to_hash = NULL;
		pthread_mutex_unlock(&users->lock);
		hash = NULL;
		job->err = user_hash(buf_slice(&job->password), &hash);
		if (job->err == 0) {
			free(job->user.hash);
			job->user.hash = hash;
		}
		pthread_mutex_lock(&users->lock);
		queue_push(users->done, &job->item);
	}
	pthread_mutex_unlock(&users->lock);
	return NULL;
}

struct users *
users_create(struct control *control)
{
	struct users *users = mem_zalloc(sizeof(*users));

	users->control = control;
	STAILQ_INIT(&users->jobs);
	users->done = queue_create(control->loop, on_done, users);
	pthread_mutex_init(&users->lock, NULL);
	pthread_cond_init(&users->changed, NULL);
	if (users->done != NULL &&
	    pthread_create(&users->thread, NULL, hash_thread, users) == 0)
		return users;
	queue_destroy(&users->done);
	pthread_mutex_destroy(&users->lock);
	pthread_cond_destroy(&users->changed);
	free(users);
	return NULL;
}

static void
abandon(struct users *users)
{
	struct job *job;

	while ((job = STAILQ_FIRST(&users->jobs)) != NULL) {
		STAILQ_REMOVE_HEAD(&users->jobs, link);
		log_event(GW_LOG_WARN, "user-change-abandoned",
			  LF_STR("cred", job->user.name));
		job_free(job);
	}
}

void
users_destroy(struct users **usersp)
{
	struct users *users = *usersp;

	*usersp = NULL;
	if (users == NULL)
		return;
	timer_cancel(&users->begin);
	pthread_mutex_lock(&users->lock);
	users->stop = true;
	pthread_cond_broadcast(&users->changed);
	while (users->with_store)
		pthread_cond_wait(&users->changed, &users->lock);
	pthread_mutex_unlock(&users->lock);
	pthread_join(users->thread, NULL);
	queue_destroy(&users->done); /* a commit that ended is told */
	abandon(users);
	pthread_mutex_destroy(&users->lock);
	pthread_cond_destroy(&users->changed);
	free(users);
}

void
users_submit(struct users *users, struct user_req *req)
{
	struct job *job = mem_zalloc(sizeof(*job));
	bool idle = STAILQ_EMPTY(&users->jobs);

	job->users = users;
	job->change = req->change;
	job->call_id = req->call_id;
	job->tell = req->tell;
	req->tell = NULL;
	job->user.name = slice_dup(req->name);
	job->user.class = mem_strdup(req->class);
	job->user.owner_address = mem_strdup(req->address);
	buf_init(&job->password, SECRET_MAX + 1);
	buf_add_slice(&job->password, req->password);
	buf_init(&job->name, 512);
	buf_init(&job->value, 8192);
	STAILQ_INSERT_TAIL(&users->jobs, job, link);
	if (idle)
		start_next(users);
}
