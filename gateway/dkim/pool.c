/*
 * One queue, a few threads. It is as long as there are sessions that wait for
 * the answer to their dot, so it has no cap of its own.
 */
#include "gateway/dkim/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/base/error.h"
#include "gateway/base/mem.h"

#define THREADS_MAX 8

STAILQ_HEAD(job_queue, dkim_job);

struct dkim_pool {
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct job_queue queue;
	bool stopping;
	pthread_t threads[THREADS_MAX];
	unsigned thread_count;
};

static struct dkim_job *
take(struct dkim_pool *pool)
{
	struct dkim_job *job;

	pthread_mutex_lock(&pool->lock);
	while (STAILQ_EMPTY(&pool->queue) && !pool->stopping)
		pthread_cond_wait(&pool->work, &pool->lock);
	job = STAILQ_FIRST(&pool->queue);
	if (job != NULL)
		STAILQ_REMOVE_HEAD(&pool->queue, link);
	pthread_mutex_unlock(&pool->lock);
	return job;
}

static void
sign(struct dkim_job *job)
{
	buf_init(&job->fields, DKIM_FIELDS_MAX);
	job->err = dkim_sign(&job->signing, &job->fields);
}

static void *
run(void *arg)
{
	struct dkim_pool *pool = arg;
	struct dkim_job *job;

	while ((job = take(pool)) != NULL) {
		if (job->run != NULL)
			job->run(job);
		else
			sign(job);
		job->done(job);
	}
	return NULL;
}

static unsigned
thread_count(unsigned wanted)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (wanted == 0)
		wanted = cores > 0 ? (unsigned)cores : 1;
	return wanted < THREADS_MAX ? wanted : THREADS_MAX;
}

/* Signals are the main thread's. */
static void
start_threads(struct dkim_pool *pool, unsigned count)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	while (pool->thread_count < count &&
	       pthread_create(&pool->threads[pool->thread_count], NULL, run,
			      pool) == 0)
		pool->thread_count++;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

int
dkim_pool_create(struct dkim_pool **pool, unsigned threads)
{
	struct dkim_pool *p = mem_zalloc(sizeof(*p));

	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	STAILQ_INIT(&p->queue);
	start_threads(p, thread_count(threads));
	*pool = p;
	if (p->thread_count > 0)
		return 0;
	dkim_pool_destroy(pool);
	return GW_EIO;
}

void
dkim_pool_destroy(struct dkim_pool **pool)
{
	struct dkim_pool *p = *pool;

	if (p == NULL)
		return;
	*pool = NULL;
	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->thread_count; i++)
		pthread_join(p->threads[i], NULL);
	pthread_cond_destroy(&p->work);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

void
dkim_pool_start(struct dkim_pool *pool, struct dkim_job *job)
{
	pthread_mutex_lock(&pool->lock);
	STAILQ_INSERT_TAIL(&pool->queue, job, link);
	pthread_cond_signal(&pool->work);
	pthread_mutex_unlock(&pool->lock);
}
