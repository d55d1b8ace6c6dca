#include "gateway/back/disk.h"

#include <pthread.h>
#include <stdlib.h>

#include "gateway/base/mem.h"

STAILQ_HEAD(disk_list, disk_task);

struct disk {
	struct relay *relay;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct disk_list tasks;
	bool end;
	_Atomic bool stopping;
};

static struct disk_task *
take_task(struct disk *disk)
{
	struct disk_task *task;

	pthread_mutex_lock(&disk->lock);
	while (STAILQ_EMPTY(&disk->tasks) && !disk->end)
		pthread_cond_wait(&disk->wake, &disk->lock);
	task = STAILQ_FIRST(&disk->tasks);
	if (task)
		STAILQ_REMOVE_HEAD(&disk->tasks, link);
	pthread_mutex_unlock(&disk->lock);
	return task;
}

static void *
disk_main(void *arg)
{
	struct disk *disk = arg;
	struct disk_task *task;

	pthread_setname_np(pthread_self(), "back-disk");
	while ((task = take_task(disk)) != NULL) {
		task->run(task);
		queue_push(disk->relay->queue, &task->in.item);
	}
	return NULL;
}

struct disk *
disk_create(struct relay *relay)
{
	struct disk *disk = mem_zalloc(sizeof(*disk));

	disk->relay = relay;
	STAILQ_INIT(&disk->tasks);
	pthread_mutex_init(&disk->lock, NULL);
	pthread_cond_init(&disk->wake, NULL);
	if (pthread_create(&disk->thread, NULL, disk_main, disk) != 0)
		abort();
	return disk;
}

void
disk_destroy(struct disk **diskp)
{
	struct disk *disk = *diskp;

	*diskp = NULL;
	if (!disk)
		return;
	pthread_mutex_lock(&disk->lock);
	disk->end = true;
	pthread_cond_signal(&disk->wake);
	pthread_mutex_unlock(&disk->lock);
	pthread_join(disk->thread, NULL);
	pthread_mutex_destroy(&disk->lock);
	pthread_cond_destroy(&disk->wake);
	free(disk);
}

void
disk_start(struct disk *disk, struct disk_task *task)
{
	pthread_mutex_lock(&disk->lock);
	STAILQ_INSERT_TAIL(&disk->tasks, task, link);
	pthread_cond_signal(&disk->wake);
	pthread_mutex_unlock(&disk->lock);
}

void
disk_stop(struct disk *disk)
{
	atomic_store(&disk->stopping, true);
}

bool
disk_stopping(const struct disk *disk)
{
	return atomic_load(&disk->stopping);
}
