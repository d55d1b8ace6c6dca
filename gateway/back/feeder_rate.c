#include "gateway/back/feeder_int.h"

#define HOUR_MS 3600000.0

/* What may go at once after a pause of its own: a minute's worth. */
static double
burst(uint32_t rate_per_h)
{
	return rate_per_h / 60.0;
}

bool
feed_has_tokens(struct feed *feed, int64_t now_ms)
{
	uint32_t rate = feed->terms.rate_per_h;
	int64_t passed_ms = now_ms - feed->filled_ms;

	feed->filled_ms = now_ms;
	if (rate == 0) {
		feed->tokens = 0;
		return true;
	}
	if (passed_ms > 0)
		feed->tokens += (double)passed_ms * rate / HOUR_MS;
	if (feed->tokens > burst(rate))
		feed->tokens = burst(rate);
	/* A job is not cut: it goes when anything may, and leaves a debt. */
	return feed->tokens >= 0;
}

void
feed_take_tokens(struct feed *feed, uint32_t n)
{
	feed->tokens -= n;
}

void
feed_give_back_tokens(struct feed *feed, uint32_t n)
{
	feed->tokens += n;
}
