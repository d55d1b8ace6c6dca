#include "gateway/scan/health.h"

#include <string.h>

#define BACK_OFF_MIN_MS 1000
#define BACK_OFF_MAX_MS 30000
#define DOUBT_GAP_MS 1000
#define UNREACHABLE_MAX 3

void
health_init(struct health *health, int64_t canary_ms, int64_t now_ms)
{
	memset(health, 0, sizeof(*health));
	health->state = SCAN_UNKNOWN;
	health->canary_ms = canary_ms;
	health->due_ms = now_ms;
	health->back_off_ms = BACK_OFF_MIN_MS;
}

void
health_configure(struct health *health, int64_t canary_ms, int64_t now_ms)
{
	health->canary_ms = canary_ms;
	if (health->due_ms > now_ms + canary_ms)
		health->due_ms = now_ms + canary_ms;
}

static bool
set_state(struct health *health, enum scan_health state)
{
	bool changed = health->state != state;

	health->state = state;
	return changed;
}

static void
back_off(struct health *health, int64_t now_ms)
{
	health->due_ms = now_ms + health->back_off_ms;
	health->back_off_ms *= 2;
	if (health->back_off_ms > BACK_OFF_MAX_MS)
		health->back_off_ms = BACK_OFF_MAX_MS;
}

bool
health_canary(struct health *health, enum scan_kind kind, int64_t now_ms)
{
	health->unreachable = 0;
	switch (kind) {
	case SCAN_INFECTED:
		health->back_off_ms = BACK_OFF_MIN_MS;
		health->due_ms = now_ms + health->canary_ms;
		return set_state(health, SCAN_UP);
	case SCAN_CLEAN:
	case SCAN_UNSCANNABLE: /* it did not look either */
		back_off(health, now_ms);
		return set_state(health, SCAN_BLIND);
	case SCAN_ERROR:
		back_off(health, now_ms);
		return set_state(health, SCAN_DOWN);
	}
	return false;
}

bool
health_error(struct health *health, bool unreachable, int64_t now_ms)
{
	if (unreachable)
		health->unreachable++;
	if (health->state != SCAN_UP)
		return false;
	if (health->unreachable < UNREACHABLE_MAX) {
		health_doubt(health, now_ms);
		return false;
	}
	return health_canary(health, SCAN_ERROR, now_ms);
}

void
health_answer(struct health *health)
{
	health->unreachable = 0;
}

bool
health_silent(struct health *health, int64_t now_ms)
{
	if (health->state != SCAN_UP)
		return false;
	return health_canary(health, SCAN_ERROR, now_ms);
}

void
health_busy(struct health *health, int64_t now_ms)
{
	back_off(health, now_ms);
}

void
health_asked(struct health *health, int64_t now_ms)
{
	health->asked_ms = now_ms;
	/* Until it ends; whoever doubts meanwhile wants another. */
	health->due_ms = now_ms + health->canary_ms;
}

void
health_doubt(struct health *health, int64_t now_ms)
{
	int64_t at_ms = now_ms;

	/* The others are being probed as it is. */
	if (health->state != SCAN_UP)
		return;
	if (health->asked_ms != 0 && at_ms < health->asked_ms + DOUBT_GAP_MS)
		at_ms = health->asked_ms + DOUBT_GAP_MS;
	if (health->due_ms > at_ms)
		health->due_ms = at_ms;
}

void
health_hurry(struct health *health, int64_t now_ms)
{
	if (health->due_ms > now_ms)
		health->due_ms = now_ms;
}

bool
health_is_due(const struct health *health, int64_t now_ms)
{
	return health->due_ms <= now_ms;
}

/* --- ISTags --------------------------------------------------------------- */

#define RUN 0x1fu      /* the last five */
#define RECENT 0xffffu /* the last sixteen */
#define RECENT_MAX 6   /* changes among those */

bool
istag_note(struct istag *istag, const char *text, int64_t now_ms)
{
	bool first = istag->now[0] == '\0', changed;
	bool quick = now_ms - istag->changed_ms < ISTAG_QUICK_MS;

	if (text[0] == '\0' && first)
		return false;
	changed = text[0] != '\0' &&
		  strncmp(istag->now, text, sizeof(istag->now) - 1) != 0;
	istag->changes = (istag->changes << 1) & RECENT;
	if (text[0] == '\0') {
		istag->changes |= 1;
	} else if (changed) {
		memset(istag->now, 0, sizeof(istag->now));
		memcpy(istag->now, text, strnlen(text, sizeof(istag->now) - 1));
		if (!first && quick)
			istag->changes |= 1;
		else
			istag->changes = 0;
		istag->changed_ms = now_ms;
	}
	if ((istag->changes & RUN) == RUN ||
	    __builtin_popcount(istag->changes) >= RECENT_MAX)
		istag->unsteady = true;
	else if (istag->changes == 0)
		istag->unsteady = false;
	return changed;
}
