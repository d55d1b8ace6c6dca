#include "gateway/spool/internal.h"

bool
compact_slice(struct spool *spool, int64_t now_ms)
{
	(void)spool;
	(void)now_ms;
	return false;
}

void
compact_fini(struct spool *spool)
{
	(void)spool;
}

uint64_t
moved_lookup(struct segments *segs, uint64_t segment, uint64_t offset)
{
	(void)segs;
	(void)segment;
	(void)offset;
	return 0;
}
