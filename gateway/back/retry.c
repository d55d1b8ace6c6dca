#include "gateway/back/retry.h"

int64_t
retry_due_wall_s(const struct back_conf *conf, uint32_t attempts,
		 int64_t accepted_wall_s, int64_t now_wall_s, uint32_t chance)
{
	size_t step = attempts > 0 ? attempts - 1 : 0;
	int64_t expires = accepted_wall_s + conf->expire_s;
	int64_t wait, due;

	if (step >= conf->retry_count)
		step = conf->retry_count - 1;
	wait = conf->retry_s[step];
	if (wait >= 8)
		wait += (int64_t)(chance % (uint64_t)(wait / 8 + 1));
	due = now_wall_s + wait;
	if (due > expires && now_wall_s < expires)
		due = expires;
	return due;
}

bool
retry_expired(const struct back_conf *conf, int64_t accepted_wall_s,
	      int64_t now_wall_s)
{
	return now_wall_s >= accepted_wall_s + conf->expire_s;
}

int64_t
retry_aside_ms(int64_t last_ms)
{
	if (last_ms < RETRY_ASIDE_MIN_MS)
		return RETRY_ASIDE_MIN_MS;
	if (last_ms > RETRY_ASIDE_MAX_MS / 2)
		return RETRY_ASIDE_MAX_MS;
	return last_ms * 2;
}

int64_t
retry_rest_ms(int64_t last_ms)
{
	int64_t ms = last_ms + last_ms / 4;

	if (ms < RETRY_REST_MIN_MS)
		return RETRY_REST_MIN_MS;
	return ms > RETRY_REST_MAX_MS ? RETRY_REST_MAX_MS : ms;
}
