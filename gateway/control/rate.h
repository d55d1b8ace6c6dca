#ifndef GATEWAY_CONTROL_RATE_H
#define GATEWAY_CONTROL_RATE_H

#include <stdint.h>

/*
 * How much a counter grew in the last minute, from a sample each second. Pure:
 * time (monotonic) is an argument.
 */
#define RATE_SAMPLES 61

enum { RATE_ACCEPTED, RATE_DELIVERED, RATES };

struct rate {
	struct {
		int64_t at_ms;
		uint64_t count[RATES];
	} samples[RATE_SAMPLES];
	unsigned next, filled;
};

void rate_add(struct rate *rate, const uint64_t count[RATES], int64_t now_ms);
/* Scaled to a minute while there is less than one; 0 with one sample. */
double rate_per_minute(const struct rate *rate, int which);

#endif
