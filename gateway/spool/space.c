#include <fcntl.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/log.h"
#include "gateway/spool/internal.h"
#include "gateway/spool/io.h"

/*
 * Room on the disk and in the map. Submissions are refused while there is less
 * than the reserve: what is left is for outcomes and for administrators, whose
 * work gives room back. If others fill the disk nevertheless, a file of real
 * blocks is given up for one more commit.
 *
 * Being full is never remembered: each batch looks again, so it ends by itself.
 */

#define CHECK_MS 100
#define RESERVE_FILE_MAX (16 * 1024 * 1024)

static void
reserve_take(struct spool *spool)
{
	if (spool->reserve_fd < 0 || spool->reserve_held)
		return;
	spool->reserve_held =
	    io_reserve(spool->reserve_fd, spool->reserve_file_bytes) == 0;
}

void
space_open(struct spool *spool)
{
	uint64_t bytes = spool->opts.reserve_bytes / 4;

	if (bytes > RESERVE_FILE_MAX)
		bytes = RESERVE_FILE_MAX;
	spool->reserve_file_bytes = bytes;
	if (bytes == 0 || io_open(spool->dir_fd, "reserve", O_RDWR | O_CREAT,
				  &spool->reserve_fd) != 0)
		spool->reserve_fd = -1;
	reserve_take(spool);
}

bool
space_spend_reserve(struct spool *spool)
{
	if (!spool->reserve_held || io_reserve(spool->reserve_fd, 0) != 0)
		return false;
	spool->reserve_held = false;
	log_event(GW_LOG_ERROR, "spool-reserve-spent",
		  LF_U64("bytes", spool->reserve_file_bytes));
	return true;
}

/* A quarter of a small map; it must hold the pages that deleting copies. */
static bool
map_low(struct spool *spool)
{
	uint64_t used, map, reserve;

	store_high_water(spool->store, &used, &map);
	reserve = map / 4 < spool->opts.reserve_bytes
		      ? map / 4
		      : spool->opts.reserve_bytes;
	if (used + reserve <= map)
		return false;
	store_usage(spool->store, &used, &map);
	return used + reserve > map;
}

static bool
disk_low(struct spool *spool)
{
	uint64_t unused, total;

	if (io_space(spool->dir_fd, &unused, &total) != 0)
		return false; /* then the write itself will tell */
	return unused < spool->opts.reserve_bytes;
}

static void
full_note(struct spool *spool, bool disk, bool map)
{
	bool before = atomic_exchange(&spool->full, disk || map);

	if (before != (disk || map))
		log_event(before ? GW_LOG_INFO : GW_LOG_ERROR,
			  before ? "spool-space-back" : "spool-full",
			  LF_STR("what", disk  ? "disk"
					 : map ? "index"
					       : NULL));
}

/* The disk is asked now and then, the map before each batch: its high water
 * is in memory, and a small one fills within the time between. */
bool
space_low(struct spool *spool, int64_t now_ms)
{
	bool full = atomic_load(&spool->full), disk = false;

	if (full || now_ms - spool->space_checked_ms >= CHECK_MS) {
		spool->space_checked_ms = now_ms;
		disk = disk_low(spool);
		atomic_store(&spool->segs.thrifty, disk);
		if (disk) {
			segments_drop_pool(&spool->segs);
			disk = disk_low(spool);
		}
	}
	full_note(spool, disk, map_low(spool));
	return atomic_load(&spool->full);
}

void
space_tend(struct spool *spool)
{
	if (!spool->reserve_held && !space_low(spool, clock_mono_ms()))
		reserve_take(spool);
}
