/*
 * Which message is examined next, and when. How many at once follows from the
 * servers that are up; when none is they wait to be told, and a look now and
 * then finds out what was not told. A message that failed alone waits longer
 * each time, so that one the scanner cannot bear keeps nobody; many failures
 * in a row make a pause for all.
 *
 * Invariant: a message is in `all` while a job of it is in its list or it is
 * examined; in `turns` when it is not examined. turns is in the order of due
 * time, which is 0 for those that are ready: the oldest of them is the first.
 */
#include "gateway/back/scanning.h"

#include <assert.h>
#include <bsd/sys/tree.h>
#include <stdlib.h>

#include "gateway/back/exam.h"
#include "gateway/back/expire.h"
#include "gateway/back/held.h"
#include "gateway/back/told.h"
#include "gateway/base/clock.h"
#include "gateway/base/mem.h"

#define EXAMS_BASE 4
#define EXAMS_A_SERVER 8
#define SERVERS_MAX 8
#define EXAMS_MAX 512 /* those included that the disk is being told of */
#define WAIT_MS 3000  /* doubling */
#define WAIT_DOWN_MAX_MS 30000
#define WAIT_ALONE_MAX_MS (15 * 60 * 1000)
#define FAILS_MAX 16 /* in a row */
#define PAUSE_MS 5000
#define LOOK_MS 1000
#define MOVES_A_SLICE 1000

struct pending {
	RB_ENTRY(pending) node, turn;
	uint64_t id;
	struct job_list jobs;
	struct exam *exam; /* or NULL */
	int64_t due_ms;
	unsigned tries, downs; /* failed alone; found nobody */
	uint32_t accepted_wall_s;
	uint64_t kept_id; /* of a file whose record failed; written again */
};

RB_HEAD(pending_tree, pending);
RB_HEAD(turn_tree, pending);
TAILQ_HEAD(exam_list, exam);

struct scanning {
	struct relay *relay;
	struct pending_tree all;
	struct turn_tree turns;
	struct exam_list exams;
	struct told *told;
	struct expiry *expiry;
	size_t waiting, forgiven; /* of those with a due time */
	size_t exam_count;
	size_t busy, busy_max; /* of these, before their verdict */
	unsigned fails;
	int64_t pause_until_ms, look_at_ms;
	bool enabled; /* there are a scanner and a quarantine */
	bool down, bypassed;
};

static int
compare_ids(const struct pending *a, const struct pending *b)
{
	return (a->id > b->id) - (a->id < b->id);
}

static int
compare_turns(const struct pending *a, const struct pending *b)
{
	if (a->due_ms != b->due_ms)
		return a->due_ms < b->due_ms ? -1 : 1;
	return compare_ids(a, b);
}

RB_PROTOTYPE(pending_tree, pending, node, compare_ids)
RB_PROTOTYPE(turn_tree, pending, turn, compare_turns)
RB_GENERATE(pending_tree, pending, node, compare_ids)
RB_GENERATE(turn_tree, pending, turn, compare_turns)

/* --- turns ---------------------------------------------------------------- */

static void
turn_put(struct scanning *scanning, struct pending *pending, int64_t due_ms)
{
	pending->due_ms = due_ms;
	scanning->waiting += due_ms != 0;
	RB_INSERT(turn_tree, &scanning->turns, pending);
}

static void
turn_take(struct scanning *scanning, struct pending *pending)
{
	scanning->waiting -= pending->due_ms != 0;
	RB_REMOVE(turn_tree, &scanning->turns, pending);
}

/* The first that waits. */
static struct pending *
first_waiting(struct scanning *scanning)
{
	struct pending key = {.due_ms = 1};

	return RB_NFIND(turn_tree, &scanning->turns, &key);
}

/* Whose time has come, and who was forgiven, is ready. True: there are more. */
static bool
move_due(struct scanning *scanning)
{
	int64_t now_ms = relay_now_ms(scanning->relay);

	for (int i = 0; i < MOVES_A_SLICE; i++) {
		struct pending *pending = first_waiting(scanning);

		if (!pending)
			scanning->forgiven = 0;
		if (!pending ||
		    (pending->due_ms > now_ms && scanning->forgiven == 0))
			return false;
		if (scanning->forgiven > 0)
			scanning->forgiven--;
		turn_take(scanning, pending);
		turn_put(scanning, pending, 0);
	}
	return true;
}

/* Try all once more. */
static void
forgive(struct scanning *scanning)
{
	scanning->forgiven = scanning->waiting;
	scanning->fails = 0;
	scanning->pause_until_ms = 0;
	relay_fill_soon(scanning->relay);
}

/* --- messages ------------------------------------------------------------- */

static struct pending *
find(struct scanning *scanning, uint64_t id)
{
	struct pending key = {.id = id};

	return RB_FIND(pending_tree, &scanning->all, &key);
}

void
scanning_add(struct relay *relay, struct job *job)
{
	struct scanning *scanning = relay->scanning;
	struct pending *pending = find(scanning, job->id);

	if (!pending) {
		pending = mem_zalloc(sizeof(*pending));
		pending->id = job->id;
		pending->accepted_wall_s = job->accepted_wall_s;
		TAILQ_INIT(&pending->jobs);
		RB_INSERT(pending_tree, &scanning->all, pending);
		turn_put(scanning, pending, 0);
		relay_fill_soon(relay);
	}
	TAILQ_INSERT_TAIL(&pending->jobs, job, link);
}

static void
check_empty(struct scanning *scanning, struct pending *pending)
{
	if (pending->exam || !TAILQ_EMPTY(&pending->jobs))
		return;
	turn_take(scanning, pending);
	RB_REMOVE(pending_tree, &scanning->all, pending);
	free(pending);
}

void
scanning_remove(struct relay *relay, struct job *job)
{
	struct pending *pending = find(relay->scanning, job->id);

	assert(pending);
	TAILQ_REMOVE(&pending->jobs, job, link);
	check_empty(relay->scanning, pending);
}

struct job *
scanning_any(struct relay *relay)
{
	struct pending *pending;

	/* Tests of one part of a relay have no other. */
	if (!relay->scanning)
		return NULL;
	pending = RB_MIN(pending_tree, &relay->scanning->all);
	return pending ? TAILQ_FIRST(&pending->jobs) : NULL;
}

/* --- examinations --------------------------------------------------------- */

void
exam_take_jobs(struct exam *exam)
{
	struct pending *pending = exam->pending;
	struct job *job;

	while ((job = TAILQ_FIRST(&pending->jobs)) != NULL) {
		held_take(exam->relay, job);
		TAILQ_INSERT_TAIL(&exam->jobs, job, link);
	}
}

int64_t
scanning_wait_ms(unsigned tries, bool down)
{
	int64_t max_ms = down ? WAIT_DOWN_MAX_MS : WAIT_ALONE_MAX_MS;
	int64_t ms = WAIT_MS;

	while (tries-- > 1 && ms < max_ms)
		ms *= 2;
	return ms < max_ms ? ms : max_ms;
}

static void
note_fail(struct scanning *scanning)
{
	if (++scanning->fails < FAILS_MAX)
		return;
	scanning->fails = 0;
	scanning->pause_until_ms = relay_now_ms(scanning->relay) + PAUSE_MS;
}

/* When its next turn is. */
static int64_t
next_due_ms(struct scanning *scanning, struct pending *pending,
	    enum exam_end how)
{
	int64_t now_ms = relay_now_ms(scanning->relay);

	switch (how) {
	case EXAM_DONE:
		scanning->fails = 0;
		pending->tries = pending->downs = 0;
		return 0;
	case EXAM_AGAIN:
		return 0;
	case EXAM_DOWN:
		note_fail(scanning);
		pending->downs++;
		return now_ms + scanning_wait_ms(pending->downs, true);
	case EXAM_LATER:
		note_fail(scanning);
		pending->tries++;
		pending->downs = 0;
		return now_ms + scanning_wait_ms(pending->tries, false);
	}
	return 0;
}

void
exam_end(struct exam **examp, enum exam_end how)
{
	struct exam *exam = *examp;
	struct relay *relay = exam->relay;
	struct scanning *scanning = relay->scanning;
	struct pending *pending = exam->pending;

	*examp = NULL;
	assert(TAILQ_EMPTY(&exam->jobs) && TAILQ_EMPTY(&exam->slice));
	TAILQ_REMOVE(&scanning->exams, exam, link);
	scanning->exam_count--;
	exam_settled(exam);
	pending->kept_id = exam->kept_id;
	exam_free(exam);
	pending->exam = NULL;
	turn_put(scanning, pending, next_due_ms(scanning, pending, how));
	check_empty(scanning, pending);
	relay->outcome_count--;
	relay_fill_soon(relay);
	relay_check_stopped(relay);
}

void
exam_settled(struct exam *exam)
{
	if (exam->settled)
		return;
	exam->settled = true;
	exam->relay->scanning->busy--;
	relay_fill_soon(exam->relay);
}

static void look(struct scanning *scanning);

static void
begin(struct scanning *scanning, struct pending *pending)
{
	struct exam *exam = exam_create(scanning->relay, pending, pending->id);

	turn_take(scanning, pending);
	pending->exam = exam;
	exam->kept_id = pending->kept_id;
	exam->again = pending->tries > 0;
	exam->bypassed = scanning->bypassed;
	TAILQ_INSERT_TAIL(&scanning->exams, exam, link);
	scanning->exam_count++;
	scanning->busy++;
	scanning->relay->outcome_count++;
	exam_start(exam);
}

static bool
may_begin(const struct scanning *scanning)
{
	if (scanning->exam_count >= EXAMS_MAX)
		return false;
	if (scanning->bypassed)
		return true;
	return !scanning->down && scanning->busy < scanning->busy_max &&
	       scanning->pause_until_ms <= relay_now_ms(scanning->relay);
}

bool
scanning_slice(struct relay *relay)
{
	struct scanning *scanning = relay->scanning;
	struct pending *pending;
	bool more;

	if (!scanning->enabled)
		return false;
	/* Over since the last look: not one more leaves unscanned. */
	if (scanning->bypassed && !scan_bypassed(relay->scan, clock_wall_s()))
		look(scanning);
	more = move_due(scanning);
	while (may_begin(scanning) &&
	       (pending = RB_MIN(turn_tree, &scanning->turns)) != NULL &&
	       pending->due_ms == 0)
		begin(scanning, pending);
	return more;
}

/* --- the scanner ---------------------------------------------------------- */

static size_t
servers_up(struct scan *scan)
{
	struct scan_server_status servers[SERVERS_MAX];
	size_t count = scan_servers_get(scan, servers, SERVERS_MAX), up = 0;

	for (size_t i = 0; i < count && i < SERVERS_MAX; i++)
		up += servers[i].health == SCAN_UP;
	return up;
}

static void
cancel_all(struct scanning *scanning)
{
	struct exam *exam;

	TAILQ_FOREACH (exam, &scanning->exams, link)
		exam_cancel(exam);
}

static void
look(struct scanning *scanning)
{
	struct scan *scan = scanning->relay->scan;
	bool was_down = scanning->down, was_bypassed = scanning->bypassed;
	struct scan_status status;

	scan_status_get(scan, &status);
	scanning->look_at_ms = relay_now_ms(scanning->relay) + LOOK_MS;
	/* Without any scanner too: a line that is missing in a file is no
	 * verdict. A bypass says it. */
	scanning->down = !status.up;
	scanning->bypassed = scan_bypassed(scan, clock_wall_s());
	scanning->busy_max = EXAMS_BASE + EXAMS_A_SERVER * servers_up(scan);
	/* Nobody waits for a scanner that hangs. */
	if (scanning->bypassed && !was_bypassed)
		cancel_all(scanning);
	if (scanning->bypassed != was_bypassed || (was_down && !scanning->down))
		forgive(scanning);
}

struct changed {
	struct inbound in;
	bool up;
};

static void
changed_take(struct relay *relay, struct inbound *in)
{
	bool up = ((struct changed *)in)->up;

	free(in);
	if (relay->stopping)
		return;
	look(relay->scanning);
	if (up)
		forgive(relay->scanning);
}

/* On the scan thread. */
static void
on_changed(void *arg, bool up)
{
	struct relay *relay = arg;
	struct changed *changed = mem_zalloc(sizeof(*changed));

	changed->in.take = changed_take;
	changed->up = up;
	queue_push(relay->queue, &changed->in.item);
}

static void
show(struct scanning *scanning)
{
	struct pending *oldest = RB_MIN(pending_tree, &scanning->all);

	atomic_store(&scanning->relay->stats->scan_oldest_wall_s,
		     oldest ? (int64_t)oldest->accepted_wall_s : 0);
}

void
scanning_tick(struct relay *relay)
{
	struct scanning *scanning = relay->scanning;
	int64_t now_ms = relay_now_ms(relay);

	show(scanning);
	if (!scanning->enabled)
		return;
	if (now_ms >= scanning->look_at_ms)
		look(scanning);
	if (!RB_EMPTY(&scanning->turns))
		relay_fill_soon(relay);
	expire_tick(scanning->expiry);
}

bool
scanning_may_tell(struct relay *relay, const char *owner)
{
	return told_may(relay->scanning->told, owner, relay_now_ms(relay));
}

/* --- beginning and end ---------------------------------------------------- */

struct scanning *
scanning_create(struct relay *relay)
{
	struct scanning *scanning = mem_zalloc(sizeof(*scanning));

	scanning->relay = relay;
	scanning->enabled = relay->scan && relay->quarantine;
	RB_INIT(&scanning->all);
	RB_INIT(&scanning->turns);
	TAILQ_INIT(&scanning->exams);
	scanning->told = told_create();
	scanning->busy_max = EXAMS_BASE;
	if (!scanning->enabled)
		return scanning;
	relay->disk = disk_create(relay);
	scanning->expiry = expire_create(relay);
	scanning->down = true; /* until the first look */
	scan_on_change(relay->scan, on_changed, relay);
	return scanning;
}

void
scanning_leave(struct relay *relay)
{
	if (relay->scanning && relay->scanning->enabled)
		scan_on_change(relay->scan, NULL, NULL);
}

void
scanning_stop(struct relay *relay)
{
	if (!relay->scanning->enabled)
		return;
	disk_stop(relay->disk);
	cancel_all(relay->scanning);
}

void
scanning_destroy(struct scanning **scanning)
{
	if (!*scanning)
		return;
	assert(RB_EMPTY(&(*scanning)->all) && TAILQ_EMPTY(&(*scanning)->exams));
	told_destroy(&(*scanning)->told);
	expire_destroy(&(*scanning)->expiry);
	free(*scanning);
	*scanning = NULL;
}
