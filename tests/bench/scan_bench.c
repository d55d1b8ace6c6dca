/*
 * The scan unit alone: files of a folder through a server, so many at once,
 * and nothing else of a relay. What front does to an attachment is counted:
 * its SHA-256, and that verdicts are looked up first. Bytes are read as from a
 * body in the spool, by pread from the page cache. Every verdict must be clean
 * and nothing known before, so each file is another: see scan.py.
 *
 * One line of JSON; 1 when a verdict was not as it must be.
 *
 *   scan_bench PORT SERVICE CONNECTIONS FOLDER [CA: over TLS]
 */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/log.h"
#include "gateway/base/mem.h"
#include "gateway/scan/scan.h"

#define UP_WITHIN_MS 30000
#define PIECE 16384 /* as DATA comes from a socket */

struct bench {
	struct scan *scan;
	pthread_mutex_t lock;
	pthread_cond_t ended;
	uint32_t under_way, most;
	uint64_t files, bytes, errors;
};

struct file {
	struct scan_job job;
	struct scan_part part;
	struct bench *bench;
	int fd;
};

static void
fail(const char *what)
{
	perror(what);
	exit(1);
}

static int64_t
file_read(void *arg, uint64_t offset, void *p, size_t n)
{
	const struct file *file = arg;
	ssize_t got = pread(file->fd, p, n, (off_t)offset);

	return got < 0 ? GW_EIO : got;
}

static void
file_hash(struct file *file)
{
	struct digest *digest = digest_create();
	char piece[PIECE];
	int64_t n;

	while ((n = file_read(file, file->part.end, piece, PIECE)) > 0) {
		digest_add(digest, slice_of(piece, (size_t)n));
		file->part.end += (uint64_t)n;
	}
	if (n < 0)
		fail("reading");
	file->part.decoded_bytes = file->part.end;
	digest_final(digest, file->part.digest);
	digest_destroy(&digest);
}

static bool
is_clean(const struct file *file)
{
	const struct scan_verdict *verdict = &file->job.verdict;

	if (verdict->kind == SCAN_CLEAN && file->job.cached == 0 &&
	    verdict->server[0] != '\0')
		return true;
	fprintf(stderr, "verdict %d, why %d, %u known\n", verdict->kind,
		verdict->why, file->job.cached);
	return false;
}

static void
file_ended(struct file *file)
{
	struct bench *bench = file->bench;
	bool clean = is_clean(file);

	close(file->fd);
	pthread_mutex_lock(&bench->lock);
	bench->under_way--;
	bench->files++;
	bench->bytes += file->part.decoded_bytes;
	bench->errors += !clean;
	pthread_cond_signal(&bench->ended);
	pthread_mutex_unlock(&bench->lock);
	free(file);
}

static void
on_done(struct scan_job *job)
{
	file_ended((struct file *)job);
}

static struct file *
file_open(struct bench *bench, int folder, const char *name)
{
	struct file *file = mem_zalloc(sizeof(*file));

	file->bench = bench;
	file->fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
	if (file->fd < 0)
		fail(name);
	file->part.encoding = MIME_IDENTITY;
	file->part.name = "file";
	file->part.type = "application/octet-stream";
	file->job.parts = &file->part;
	file->job.part_count = 1;
	file->job.read = file_read;
	file->job.read_arg = file;
	file->job.done = on_done;
	file_hash(file);
	return file;
}

static void
wait_for_room(struct bench *bench, uint32_t room)
{
	pthread_mutex_lock(&bench->lock);
	while (bench->under_way + room > bench->most)
		pthread_cond_wait(&bench->ended, &bench->lock);
	bench->under_way += room == 1;
	pthread_mutex_unlock(&bench->lock);
}

/* The next file is hashed while the others are under way, as the next message
 * comes in while others wait for their verdicts. */
static void
scan_all(struct bench *bench, DIR *folder)
{
	struct dirent *entry;
	struct file *file;

	while ((entry = readdir(folder)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		file = file_open(bench, dirfd(folder), entry->d_name);
		wait_for_room(bench, 1);
		if (scan_known(bench->scan, &file->job))
			file_ended(file);
		else
			scan_job_start(bench->scan, &file->job);
	}
	wait_for_room(bench, bench->most);
}

static void
start(struct bench *bench, char **argv, const char *ca)
{
	struct scan_server_conf server = {
	    .tls = ca != NULL,
	    .host = "127.0.0.1",
	    .port = (uint16_t)atoi(argv[1]),
	    .service = argv[2],
	    .weight = 1,
	};
	struct scan_conf conf = {
	    .servers = &server,
	    .server_count = 1,
	    .ca_file = ca,
	    .tls_verify = true,
	    .connection_max = bench->most,
	    .part_ms = 60000,
	    .message_ms = 60000,
	    .canary_ms = 600000,
	    .cache_age_s = 86400,
	    .cache_max = 100000,
	    .rescans_per_s = 20,
	};
	struct scan_opts opts = {.conf = &conf};
	int64_t since_ms = clock_mono_ms();
	struct scan_status status;
	char error[256];

	if (scan_start(&bench->scan, &opts, error, sizeof(error)) != 0) {
		fprintf(stderr, "%s\n", error);
		exit(1);
	}
	do {
		usleep(10000);
		scan_status_get(bench->scan, &status);
	} while (!status.up && clock_mono_ms() - since_ms < UP_WITHIN_MS);
}

static double
cpu_s(void)
{
	struct rusage used;

	if (getrusage(RUSAGE_SELF, &used) != 0)
		fail("getrusage");
	return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
	       (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

int
main(int argc, char **argv)
{
	struct log_opts quiet = {.target = LOG_TO_STDERR, .level = GW_LOG_WARN};
	struct bench bench = {.lock = PTHREAD_MUTEX_INITIALIZER,
			      .ended = PTHREAD_COND_INITIALIZER};
	int64_t since_ms;
	double s, cpu;
	DIR *folder;

	if (argc < 5 || atoi(argv[3]) < 1) {
		fprintf(stderr, "scan_bench PORT SERVICE CONNECTIONS FOLDER "
				"[CA]\n");
		return 2;
	}
	bench.most = (uint32_t)atoi(argv[3]);
	folder = opendir(argv[4]);
	if (folder == NULL)
		fail(argv[4]);
	(void)log_setup(&quiet);
	start(&bench, argv, argv[5]);
	cpu = cpu_s();
	since_ms = clock_mono_ms();
	scan_all(&bench, folder);
	s = (double)(clock_mono_ms() - since_ms) / 1e3;
	printf("{\"files\": %llu, \"per_second\": %.2f, \"mb_per_second\": "
	       "%.2f, \"errors\": %llu, \"cpu_seconds\": %.3f}\n",
	       (unsigned long long)bench.files, (double)bench.files / s,
	       (double)bench.bytes / 1e6 / s, (unsigned long long)bench.errors,
	       cpu_s() - cpu);
	scan_stop(&bench.scan);
	closedir(folder);
	return bench.errors == 0 ? 0 : 1;
}
