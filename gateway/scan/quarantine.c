#include "gateway/scan/quarantine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/error.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/scan/quarantine_int.h"
#include "gateway/store/key.h"

/*
 * Which messages are in quarantine: what the table says, and nothing else. A
 * file without a record was never committed, or its record went: it is swept
 * at start, when nothing is on its way in. A record without its file is told
 * and stays, with the envelope and the verdict that are left.
 *
 * Each call is one read transaction; nothing points into it afterwards.
 */

static int
say(char *error, size_t size, int err, const char *path, const char *what)
{
	snprintf(error, size, "%s: %s: %s", path, what, gw_err_text(err));
	return err;
}

/* --- the directory */

static int
path_sync(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return gw_err_from_errno(errno);
	if (fsync(fd) != 0)
		err = gw_err_from_errno(errno);
	close(fd);
	return err;
}

/* Nobody else's to look into, whatever it was. */
static int
dir_close_off(int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return gw_err_from_errno(errno);
	if ((st.st_mode & 07777) != 0700 && fchmod(fd, 0700) != 0)
		return gw_err_from_errno(errno);
	return 0;
}

static int
dir_open(const char *spool_path, const char *path, int *fd)
{
	int err = 0;

	*fd = -1;
	if (mkdir(path, 0700) == 0)
		err = path_sync(spool_path);
	else if (errno != EEXIST)
		err = gw_err_from_errno(errno);
	if (err != 0)
		return err;
	*fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (*fd < 0)
		return gw_err_from_errno(errno);
	return dir_close_off(*fd);
}

/* --- the sweep */

struct sweep {
	uint64_t *ids; /* of files, in order; then of those to go */
	size_t count, room;
	size_t at, orphans;
	uint64_t missing, first_missing;
};

static void
sweep_add(struct sweep *sweep, uint64_t id)
{
	if (sweep->count == sweep->room) {
		sweep->room = sweep->room ? sweep->room * 2 : 64;
		sweep->ids =
		    mem_resize(sweep->ids, sweep->room * sizeof(*sweep->ids));
	}
	sweep->ids[sweep->count++] = id;
}

/* Files of ours alone: what an administrator put there is let be. */
static void
sweep_file(struct sweep *sweep, int dir_fd, const char *name)
{
	char expected[QUARANTINE_NAME_SIZE];
	uint64_t id;

	if (id_parse(slice_head(slice_str(name), ID_TEXT_SIZE - 1), &id) != 0)
		return;
	quarantine_name(id, expected);
	if (strcmp(name, expected) == 0) {
		sweep_add(sweep, id);
		return;
	}
	quarantine_new_name(id, expected);
	if (strcmp(name, expected) == 0)
		unlinkat(dir_fd, name, 0);
}

static int
sweep_list(struct sweep *sweep, int dir_fd)
{
	struct dirent *entry;
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	int err;

	if (dir == NULL) {
		err = gw_err_from_errno(errno);
		if (fd >= 0)
			close(fd);
		return err;
	}
	while (errno = 0, (entry = readdir(dir)) != NULL)
		sweep_file(sweep, dir_fd, entry->d_name);
	/* An incomplete list would have files for missing. */
	err = errno != 0 ? gw_err_from_errno(errno) : 0;
	closedir(dir);
	return err;
}

static int
id_order(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Both in order: what the table passes over has no record. */
static bool
sweep_record(void *arg, struct slice key, struct slice value)
{
	struct sweep *sweep = arg;
	uint64_t id;

	(void)value;
	if (key.n != 8)
		return true;
	id = key_get_u64(key.p);
	while (sweep->at < sweep->count && sweep->ids[sweep->at] < id)
		sweep->ids[sweep->orphans++] = sweep->ids[sweep->at++];
	if (sweep->at < sweep->count && sweep->ids[sweep->at] == id)
		sweep->at++;
	else if (sweep->missing++ == 0)
		sweep->first_missing = id;
	return true;
}

static int
sweep_compare(struct quarantine *quarantine, struct sweep *sweep)
{
	struct store_txn *txn = store_read(quarantine->store);
	int err;

	if (sweep->count > 1)
		qsort(sweep->ids, sweep->count, sizeof(*sweep->ids), id_order);
	store_each(txn, STORE_QUARANTINE, SLICE_NONE, sweep_record, sweep);
	err = store_error(txn);
	store_abort(&txn);
	while (sweep->at < sweep->count)
		sweep->ids[sweep->orphans++] = sweep->ids[sweep->at++];
	return err;
}

static void
sweep_do(struct quarantine *quarantine, const struct sweep *sweep)
{
	char name[QUARANTINE_NAME_SIZE];

	for (size_t i = 0; i < sweep->orphans; i++)
		quarantine_unlink(quarantine, sweep->ids[i]);
	if (sweep->orphans > 0)
		log_event(GW_LOG_INFO, "quarantine-swept",
			  LF_U64("files", sweep->orphans));
	if (sweep->missing == 0)
		return;
	quarantine_name(sweep->first_missing, name);
	log_event(GW_LOG_ERROR, "quarantine-file-missing", LF_STR("msg", name),
		  LF_U64("messages", sweep->missing));
}

static int
quarantine_sweep(struct quarantine *quarantine)
{
	struct sweep sweep = {.ids = NULL};
	int err = sweep_list(&sweep, quarantine->dir_fd);

	if (err == 0)
		err = sweep_compare(quarantine, &sweep);
	if (err == 0)
		sweep_do(quarantine, &sweep);
	free(sweep.ids);
	return err;
}

/* --- from start to end */

int
quarantine_open(struct quarantine **quarantine, const char *spool_path,
		struct store_env *store, char *error, size_t error_size)
{
	struct quarantine *q;
	char path[PATH_MAX];
	int fd, err;

	*quarantine = NULL;
	if (snprintf(path, sizeof(path), "%s/quarantine", spool_path) >=
	    (int)sizeof(path))
		return say(error, error_size, GW_EINVAL, spool_path,
			   "path too long");
	err = dir_open(spool_path, path, &fd);
	q = mem_zalloc(sizeof(*q));
	q->store = store;
	q->dir_fd = fd;
	if (err == 0)
		err = quarantine_sweep(q);
	if (err != 0) {
		quarantine_close(&q);
		return say(error, error_size, err, path, "quarantine");
	}
	*quarantine = q;
	return 0;
}

void
quarantine_close(struct quarantine **quarantine)
{
	struct quarantine *q = *quarantine;

	*quarantine = NULL;
	if (q == NULL)
		return;
	if (q->dir_fd >= 0)
		close(q->dir_fd);
	free(q);
}

/* --- looking */

int
quarantine_get(struct quarantine *quarantine, uint64_t id, struct arena *arena,
	       struct quarantine_entry *entry)
{
	struct store_txn *txn = store_read(quarantine->store);
	struct slice value;
	uint8_t key[8];
	int err;

	memset(entry, 0, sizeof(*entry));
	entry->id = id;
	key_put_u64(key, id);
	err = store_get(txn, STORE_QUARANTINE, slice_of(key, sizeof(key)),
			&value);
	if (err == 0)
		err = quarantine_record_decode(value, arena, entry);
	store_abort(&txn);
	return err;
}

struct listing {
	uint64_t *ids;
	size_t count, max;
	uint64_t until; /* this id and no further */
	bool over;	/* only what is, now_wall_s */
	int64_t now_wall_s;
	size_t looks; /* that are left */
	uint64_t last;
	bool stopped; /* before the end */
};

static bool
list_id(void *arg, struct slice key, struct slice value)
{
	struct listing *l = arg;

	if (key.n != 8)
		return true;
	if (key_get_u64(key.p) > l->until)
		return false;
	if (l->count == l->max || l->looks == 0) {
		l->stopped = true;
		return false;
	}
	l->looks--;
	l->last = key_get_u64(key.p);
	if (!l->over || quarantine_record_expires(value) <= l->now_wall_s)
		l->ids[l->count++] = l->last;
	return true;
}

static int
list_after(struct quarantine *quarantine, uint64_t after, struct listing *l)
{
	struct store_txn *txn;
	uint8_t key[8];
	int err;

	if (after == UINT64_MAX)
		return 0;
	txn = store_read(quarantine->store);
	key_put_u64(key, after + 1);
	store_each(txn, STORE_QUARANTINE, slice_of(key, sizeof(key)), list_id,
		   l);
	err = store_error(txn);
	store_abort(&txn);
	return err;
}

int
quarantine_list(struct quarantine *quarantine, uint64_t after, uint64_t *ids,
		size_t max)
{
	struct listing l = {.ids = ids,
			    .max = max < INT_MAX ? max : INT_MAX,
			    .until = UINT64_MAX,
			    .looks = SIZE_MAX};
	int err = list_after(quarantine, after, &l);

	return err != 0 ? err : (int)l.count;
}

/* Once around the table at the most, from where the last call stopped. */
int
quarantine_expired(struct quarantine *quarantine, int64_t now_wall_s,
		   uint64_t *ids, size_t max)
{
	uint64_t from = atomic_load(&quarantine->looked);
	struct listing l = {.ids = ids,
			    .max = max < INT_MAX ? max : INT_MAX,
			    .until = UINT64_MAX,
			    .over = true,
			    .now_wall_s = now_wall_s,
			    .looks = QUARANTINE_LOOK,
			    .last = from};
	int err = list_after(quarantine, from, &l);

	if (err == 0 && !l.stopped && from != 0) {
		l.until = from;
		l.last = 0;
		err = list_after(quarantine, 0, &l);
	}
	if (err != 0)
		return err;
	atomic_store(&quarantine->looked, l.stopped ? l.last : 0);
	return (int)l.count;
}
