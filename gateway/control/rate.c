#include "gateway/control/rate.h"

void
rate_add(struct rate *rate, const uint64_t count[RATES], int64_t now_ms)
{
	rate->samples[rate->next].at_ms = now_ms;
	for (int i = 0; i < RATES; i++)
		rate->samples[rate->next].count[i] = count[i];
	rate->next = (rate->next + 1) % RATE_SAMPLES;
	if (rate->filled < RATE_SAMPLES)
		rate->filled++;
}

double
rate_per_minute(const struct rate *rate, int which)
{
	unsigned last = (rate->next + RATE_SAMPLES - 1) % RATE_SAMPLES;
	unsigned first = rate->filled < RATE_SAMPLES ? 0 : rate->next;
	int64_t ms = rate->samples[last].at_ms - rate->samples[first].at_ms;
	uint64_t now = rate->samples[last].count[which];
	uint64_t then = rate->samples[first].count[which];

	if (rate->filled < 2 || ms <= 0 || now < then)
		return 0;
	return (double)(now - then) * 60000 / (double)ms;
}
