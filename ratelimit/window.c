/*
 * The sliding window. It decides whether an amount fits, at which slot it
 * fits, and when it will; it never reads a clock and owns no memory.
 *
 * Slot s is [s * width, (s + 1) * width) of rate time. In slot q the units of
 * the slots q - 15 .. q count. An amount may be put into slot p when the sums
 * at p .. p + 15, all that would hold it, leave room for it: with nothing in
 * the future that is the sum at p alone, but a paced unit further on counts
 * against what comes before it, or a window of leaving times could hold more
 * than the limit.
 */
#include "ratelimit/window.h"

#include <assert.h>
#include <string.h>

#define PERIOD_MAX_US (INT64_MAX / 64)
#define CELLS_MAX (WINDOW_SLOTS * WINDOW_ROWS_MAX)

struct sum { /* cells may hold UINT64_MAX each */
	uint64_t low;
	uint32_t high;
};

static void
sum_add(struct sum *sum, uint64_t v)
{
	sum->low += v;
	sum->high += sum->low < v;
}

static void
sum_take(struct sum *sum, uint64_t v)
{
	sum->high -= sum->low < v;
	sum->low -= v;
}

static bool
sum_fits(const struct sum *sum, uint64_t room)
{
	return sum->high == 0 && sum->low <= room;
}

int64_t
window_width_us(int64_t period_us)
{
	assert(period_us > 0 && period_us <= PERIOD_MAX_US);
	return (period_us + WINDOW_SLOTS - 2) / (WINDOW_SLOTS - 1);
}

size_t
window_packed(const struct window_view *view)
{
	return window_bytes(view->count, view->cell_log);
}

/* --- packed cells ------------------------------------------------------- */

static void
unpack(const struct window *window, unsigned first, unsigned count,
       uint64_t *cells)
{
	const void *at = window + 1;

	switch (window->state.cell_log) {
	case 1:
		for (unsigned i = 0; i < count; i++)
			cells[i] = ((const uint16_t *)at)[first + i];
		break;
	case 2:
		for (unsigned i = 0; i < count; i++)
			cells[i] = ((const uint32_t *)at)[first + i];
		break;
	default:
		memcpy(cells, (const uint64_t *)at + first,
		       count * sizeof(*cells));
	}
}

void
window_write(struct window *window, const struct window_view *view)
{
	void *at = window + 1;

	window->state.cell_log = view->cell_log;
	window->state.rows = (uint8_t)(view->count / WINDOW_SLOTS);
	window->slot = view->slot;
	window->width_us = view->width_us;
	switch (view->cell_log) {
	case 1:
		for (unsigned i = 0; i < view->count; i++)
			((uint16_t *)at)[i] = (uint16_t)view->cells[i];
		break;
	case 2:
		for (unsigned i = 0; i < view->count; i++)
			((uint32_t *)at)[i] = (uint32_t)view->cells[i];
		break;
	default:
		memcpy(at, view->cells, view->count * sizeof(*view->cells));
	}
}

/* --- the view ----------------------------------------------------------- */

static void
extend(struct window_view *view, unsigned index)
{
	unsigned count = (index / WINDOW_SLOTS + 1) * WINDOW_SLOTS;

	if (count <= view->count)
		return;
	memset(view->cells + view->count, 0,
	       (count - view->count) * sizeof(*view->cells));
	view->count = count;
}

static void
trim(struct window_view *view)
{
	for (; view->count > WINDOW_SLOTS; view->count -= WINDOW_SLOTS)
		for (unsigned i = 1; i <= WINDOW_SLOTS; i++)
			if (view->cells[view->count - i] != 0)
				return;
}

static void
put(struct window_view *view, unsigned index, uint64_t amount)
{
	uint64_t *cell;

	extend(view, index);
	cell = &view->cells[index];
	*cell = u64_add(*cell, amount);
	if (*cell > UINT32_MAX)
		view->cell_log = 3;
	else if (*cell > UINT16_MAX && view->cell_log < 2)
		view->cell_log = 2;
}

/* Each unit moves to the slot of the last moment it may stand for. */
static void
convert(const struct window *window, int64_t now_us, struct window_view *view)
{
	unsigned count = window->state.rows * WINDOW_SLOTS;
	uint64_t cells[CELLS_MAX];
	int64_t begin_us = window->slot * window->width_us, at_us, index;

	if (now_us < begin_us)
		now_us = begin_us;
	view->slot = now_us / view->width_us;
	unpack(window, 0, count, cells);
	for (unsigned i = 0; i < count; i++) {
		if (cells[i] == 0)
			continue;
		at_us = begin_us - 1 +
			((int64_t)i - WINDOW_NOW + 1) * window->width_us;
		if (i <= WINDOW_NOW && at_us > now_us)
			at_us = now_us;
		index = at_us / view->width_us - view->slot + WINDOW_NOW;
		if (index < 0)
			continue;
		if (index >= CELLS_MAX)
			index = CELLS_MAX - 1;
		put(view, (unsigned)index, cells[i]);
	}
}

void
window_read(const struct window *window, int64_t width_us, int64_t now_us,
	    struct window_view *view)
{
	unsigned count, gone;

	view->width_us = width_us;
	view->slot = now_us / width_us;
	view->cell_log = 1;
	view->count = 0;
	if (window == NULL) {
		extend(view, 0);
		return;
	}
	view->cell_log = window->state.cell_log;
	if (window->width_us != width_us) {
		extend(view, 0);
		convert(window, now_us, view);
		return;
	}
	if (view->slot < window->slot)
		view->slot = window->slot;
	count = window->state.rows * WINDOW_SLOTS;
	gone = view->slot - window->slot >= count
		   ? count
		   : (unsigned)(view->slot - window->slot);
	unpack(window, gone, count - gone, view->cells);
	view->count = count - gone;
	memset(view->cells + view->count, 0, gone * sizeof(*view->cells));
	view->count = count;
	trim(view);
}

bool
window_empty(const struct window_view *view)
{
	for (unsigned i = 0; i < view->count; i++)
		if (view->cells[i] != 0)
			return false;
	return true;
}

static uint64_t
total(const struct window_view *view, unsigned from, unsigned to)
{
	uint64_t n = 0;

	for (unsigned i = from; i < to; i++)
		n = u64_add(n, view->cells[i]);
	return n;
}

uint64_t
window_total(const struct window_view *view)
{
	return total(view, 0, view->count);
}

/* --- asking ------------------------------------------------------------- */

static uint64_t
cell(const struct window_view *view, unsigned index)
{
	return index < view->count ? view->cells[index] : 0;
}

/* The first slot from `from` on where room is enough for as long as it takes
 * to leave again. There is one: the sum at count + 15 is 0. */
static unsigned
place(const struct window_view *view, unsigned from, uint64_t room)
{
	struct sum sum = {0, 0};
	unsigned found = from;

	for (unsigned i = from - WINDOW_NOW; i <= from; i++)
		sum_add(&sum, cell(view, i));
	for (unsigned q = from;;) {
		if (!sum_fits(&sum, room))
			found = q + 1;
		else if (q - found == WINDOW_NOW || q + 1 >= view->count)
			return found;
		q++;
		sum_add(&sum, cell(view, q));
		sum_take(&sum, cell(view, q - WINDOW_SLOTS));
	}
}

/* How far ahead a rule may charge. Two neighbouring rows hold more than the
 * limit together, or the later units had found room in the first. */
static unsigned
horizon(const struct rate_rule *rule)
{
	unsigned rows;

	if (rule->pace_percent <= 100)
		return 0;
	rows = 2u * ((rule->pace_percent - 1u) / 100u);
	return WINDOW_SLOTS *
	       (rows < WINDOW_ROWS_MAX - 1 ? rows : WINDOW_ROWS_MAX - 1);
}

static uint64_t
share(uint64_t limit, unsigned percent)
{
	if (limit / 100 > UINT64_MAX / percent - 1)
		return UINT64_MAX;
	return limit / 100 * percent + limit % 100 * percent / 100;
}

static int64_t
begin_us(const struct window_view *view, unsigned index)
{
	return (view->slot + (int64_t)index - WINDOW_NOW) * view->width_us;
}

/* When a paced rule that is over its share takes it again: fewer units in all,
 * and a place that is near enough. */
static unsigned
paced_again(const struct window_view *view, const struct rate_charge *charge)
{
	uint64_t most = share(charge->limit, charge->rule->pace_percent);
	unsigned ahead = horizon(charge->rule), from = WINDOW_NOW, at;

	while (total(view, from - WINDOW_NOW, view->count) >
	       most - charge->amount)
		from++;
	at = place(view, from, charge->limit - charge->amount);
	return at <= from + ahead ? from : at - ahead;
}

void
window_ask(const struct window_view *view, struct rate_charge *charge,
	   int64_t now_us)
{
	unsigned ahead = horizon(charge->rule), at;
	uint64_t all;

	charge->used = total(view, 0, WINDOW_SLOTS);
	charge->paced = total(view, WINDOW_SLOTS, view->count);
	charge->frees_us = 0;
	charge->at_us = begin_us(view, WINDOW_NOW);
	if (charge->at_us < now_us)
		charge->at_us = now_us;
	if (charge->amount > charge->limit) {
		charge->result = RATE_NEVER;
		return;
	}
	charge->result = RATE_FITS;
	if (charge->amount == 0)
		return;
	at = place(view, WINDOW_NOW, charge->limit - charge->amount);
	if (ahead == 0) {
		if (at > WINDOW_NOW) {
			charge->result = RATE_OVER;
			charge->frees_us = begin_us(view, at);
		}
		return;
	}
	all = u64_add(charge->used, charge->paced);
	if (at > WINDOW_NOW + ahead ||
	    all > share(charge->limit, charge->rule->pace_percent) -
		      charge->amount) {
		charge->result = RATE_OVER;
		charge->frees_us = begin_us(view, paced_again(view, charge));
	} else if (at > WINDOW_NOW) {
		charge->result = RATE_PACED;
		charge->at_us = begin_us(view, at);
	}
}

/* --- charging ----------------------------------------------------------- */

void
window_add(struct window_view *view, int64_t at_us, uint64_t amount)
{
	int64_t index = at_us / view->width_us - view->slot + WINDOW_NOW;

	assert(index >= WINDOW_NOW && index < CELLS_MAX);
	put(view, (unsigned)index, amount);
}

void
window_take(struct window_view *view, int64_t at_us, uint64_t amount)
{
	int64_t slot = at_us / view->width_us;
	uint64_t *from;

	if (slot < view->slot - WINDOW_NOW ||
	    slot >= view->slot - WINDOW_NOW + view->count)
		return;
	from = &view->cells[slot - view->slot + WINDOW_NOW];
	*from -= amount < *from ? amount : *from;
}

void
window_load(struct window_view *view, const struct rate_rule *rule,
	    int64_t slot, uint64_t value)
{
	if (slot < view->slot - WINDOW_NOW || value == 0)
		return;
	if (slot > view->slot + horizon(rule))
		slot = view->slot;
	put(view, (unsigned)(slot - view->slot + WINDOW_NOW), value);
}

/* --- without a view ------------------------------------------------------- */

/* By how many slots a window of one row of narrow cells is behind, at most all
 * of them; -1: it is not such a window, or time went backwards. */
static int
behind(const struct window *window, int64_t width_us, int64_t now_us)
{
	int64_t since_us = now_us - window->slot * window->width_us;

	if (window->state.rows != 1 || window->state.cell_log > 2 ||
	    window->width_us != width_us || since_us < 0)
		return -1;
	if (since_us < width_us)
		return 0;
	if (since_us / width_us >= WINDOW_SLOTS)
		return WINDOW_SLOTS;
	return (int)(since_us / width_us);
}

/* No overflow: 16 cells of 32 bits. */
static uint64_t
narrow_sum(const struct window *window, unsigned from)
{
	const uint16_t *c16 = (const uint16_t *)(window + 1);
	const uint32_t *c32 = (const uint32_t *)(window + 1);
	uint32_t low = 0;
	uint64_t n = 0;

	if (window->state.cell_log == 2) {
		for (unsigned i = from; i < WINDOW_SLOTS; i++)
			n += c32[i];
		return n;
	}
	if (from == 0) { /* of a known length: it is done in vectors */
		for (unsigned i = 0; i < WINDOW_SLOTS; i++)
			low += c16[i];
		return low;
	}
	for (unsigned i = from; i < WINDOW_SLOTS; i++)
		low += c16[i];
	return low;
}

bool
window_ask_packed(const struct window *window, struct rate_charge *charge,
		  int64_t now_us)
{
	uint64_t used = 0;
	int gone;

	if (window != NULL) {
		gone = behind(window, window_width_us(charge->rule->period_us),
			      now_us);
		if (gone < 0)
			return false;
		used = narrow_sum(window, (unsigned)gone);
	}
	/* Nothing is to come, so what fits now fits for as long as it stays;
	 * a paced rule's share is never less than its limit. */
	if (charge->amount > charge->limit ||
	    used > charge->limit - charge->amount)
		return false;
	charge->result = RATE_FITS;
	charge->used = used;
	charge->paced = 0;
	charge->frees_us = 0;
	charge->at_us = now_us;
	return true;
}

static void
shift(struct window *window, unsigned gone)
{
	size_t out = (size_t)gone << window->state.cell_log;
	size_t row = (size_t)WINDOW_SLOTS << window->state.cell_log;
	char *cells = (char *)(window + 1);

	memmove(cells, cells + out, row - out);
	memset(cells + row - out, 0, out);
}

bool
window_add_packed(struct window *window, const struct rate_charge *charge,
		  int64_t now_us)
{
	uint16_t *c16 = (uint16_t *)(window + 1) + WINDOW_NOW;
	uint32_t *c32 = (uint32_t *)(window + 1) + WINDOW_NOW;
	bool wide = window->state.cell_log == 2;
	uint64_t now = 0;
	int gone =
	    behind(window, window_width_us(charge->rule->period_us), now_us);

	if (gone < 0 || charge->at_us != now_us)
		return false;
	if (gone == 0)
		now = wide ? *c32 : *c16;
	if (charge->amount > (wide ? UINT32_MAX : UINT16_MAX) - now)
		return false;
	if (gone > 0) {
		shift(window, (unsigned)gone);
		window->slot = now_us / window->width_us;
	}
	if (wide)
		*c32 = (uint32_t)(now + charge->amount);
	else
		*c16 = (uint16_t)(now + charge->amount);
	window->state.full =
	    state_full(charge->used + charge->amount, charge->limit);
	return true;
}
