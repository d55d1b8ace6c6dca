#include "gateway/control/status_scan.h"

#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/control/text.h"
#include "gateway/control/verdict_text.h"
#include "gateway/scan/words.h"

#define EXPIRES_SOON_S (14 * 86400)
#define RED "\033[1;31m"
#define PLAIN "\033[0m"

static void
label(struct buf *out, const char *name)
{
	buf_printf(out, "%-12s ", name);
}

static void
counted(struct buf *out, uint64_t n, const char *what)
{
	text_count(out, n);
	buf_add_str(out, what);
}

static void
put_ms(struct buf *out, const char *name, double ms)
{
	buf_printf(out, ms < 1000 ? "%s %.1f ms" : "%s %.1f s", name,
		   ms < 1000 ? ms : ms / 1000);
}

static uint64_t
servers_up(const struct metrics *m)
{
	uint64_t n = 0;

	for (size_t i = 0; i < m->scanner_count; i++)
		n += m->scanners[i].health == SCAN_UP;
	return n;
}

/* --- all of them together --------------------------------------------------
 */

static void
put_head(const struct metrics *m, struct buf *out)
{
	label(out, "virus scan");
	counted(out, servers_up(m), " of ");
	text_times(out, m->scanner_count, "scanner");
	buf_add_str(out, " up; scanned ");
	counted(out, m->scan.parts_scanned, ", known ");
	counted(out, m->scan.cache_hits, ", under way ");
	counted(out, m->scan.jobs, "\n");
	if (m->scan.up)
		return;
	label(out, "");
	buf_add_str(out, "NONE can be asked");
	if (m->scan.down_since_wall_s != 0) {
		buf_add_str(out, ", for ");
		text_span(out, m->wall_s - m->scan.down_since_wall_s);
	}
	buf_add_byte(out, '\n');
}

/* Nobody must overlook it. */
static void
put_bypass(const struct metrics *m, size_t columns, struct buf *out)
{
	char until[CLOCK_HUMAN_SIZE];

	if (!m->scan_bypassed)
		return;
	clock_human(m->scan.bypass_until_wall_s, m->wall_s, until);
	label(out, "");
	buf_printf(out, "%sBYPASSED until %s: mail goes out unscanned%s\n",
		   columns > 0 ? RED : "", until, columns > 0 ? PLAIN : "");
}

static void
put_messages(const struct metrics *m, struct buf *out)
{
	const struct front_status *f = &m->front;

	label(out, "");
	buf_add_str(out, "messages: clean ");
	if (f->scan_token > 0) {
		counted(out, f->scan_clean, " (");
		counted(out, f->scan_token, " by token), infected ");
	} else {
		counted(out, f->scan_clean, ", infected ");
	}
	counted(out, f->scan_infected, ", unscannable ");
	counted(out, f->scan_unscannable, ", unscanned ");
	counted(out, f->scan_open, "\n");
	if (f->scan_pending + m->back.scan_waiting + m->back.quarantined +
		m->back.cleaned ==
	    0)
		return;
	label(out, "");
	buf_add_str(out, "late ");
	counted(out, f->scan_pending, ", quarantined ");
	counted(out, m->back.quarantined, ", cleaned ");
	counted(out, m->back.cleaned, "\n");
	if (m->back.scan_waiting == 0)
		return;
	label(out, "");
	text_times(out, m->back.scan_waiting, "recipient");
	buf_add_str(out, " WAIT for a verdict");
	if (m->back.scan_oldest_wall_s != 0) {
		buf_add_str(out, ", oldest ");
		text_span(out, (int64_t)m->scan_oldest_s);
	}
	buf_add_byte(out, '\n');
}

/* --- one of them -----------------------------------------------------------
 */

static void
put_health(const struct metrics *m, const struct scan_server_status *s,
	   struct buf *out)
{
	switch (s->health) {
	case SCAN_UNKNOWN:
		buf_add_str(out, "not known yet");
		break;
	case SCAN_UP:
		buf_add_str(out, "up");
		break;
	case SCAN_DOWN:
		buf_add_str(out, "DOWN");
		break;
	case SCAN_BLIND:
		buf_add_str(out, "BLIND (finds nothing)");
		break;
	}
	if (s->since_wall_s != 0) {
		buf_add_str(out, ", for ");
		text_span(out, m->wall_s - s->since_wall_s);
	}
}

static void
put_certificate(const struct metrics *m, const struct scan_server_status *s,
		struct buf *out)
{
	int64_t left = s->expires_wall_s - m->wall_s;
	char date[CLOCK_ISO_SIZE];

	clock_iso(s->expires_wall_s * 1000, date);
	buf_printf(out, left > 0 ? "valid until %.10s (" : "EXPIRED %.10s (",
		   date);
	text_span(out, left > 0 ? left : -left);
	buf_add_str(out, left > 0 ? ")\n" : " ago)\n");
}

/* In the column that begins with `before`. */
static void
put_error(const struct scan_server_status *s, const char *before,
	  size_t columns, struct buf *out)
{
	if (s->health == SCAN_UP || s->error[0] == '\0')
		return;
	buf_add_str(out, before);
	text_last(out, slice_str(s->error),
		  columns == 0 ? 0 : columns - strlen(before));
	buf_add_byte(out, '\n');
}

static void
put_server(const struct metrics *m, const struct scan_server_status *s,
	   size_t columns, struct buf *out)
{
	label(out, "");
	text_cell(out, slice_str(s->name), 30);
	buf_add_byte(out, ' ');
	put_health(m, s, out);
	buf_add_byte(out, '\n');
	put_error(s, "               ", columns, out);
	if (s->expires_wall_s == 0 ||
	    s->expires_wall_s - m->wall_s > EXPIRES_SOON_S)
		return;
	label(out, "");
	buf_add_str(out, "its certificate: ");
	put_certificate(m, s, out);
}

static size_t
at_least(size_t columns)
{
	return columns != 0 && columns < 60 ? 80 : columns;
}

void
status_scan_text(const struct metrics *m, size_t columns, struct buf *out)
{
	if (!m->scan.on) {
		label(out, "virus scan");
		buf_add_str(out, "off: no server in 'scan { }'\n");
	} else {
		put_head(m, out);
	}
	put_bypass(m, columns, out);
	if (m->scan.on || m->back.scan_waiting > 0)
		put_messages(m, out);
	for (size_t i = 0; i < m->scanner_count; i++)
		put_server(m, &m->scanners[i], at_least(columns), out);
	if (m->scan_unsteady) {
		label(out, "");
		buf_add_str(out, "ISTAG UNSTEADY: verdicts count for a minute "
				 "only\n");
	}
}

static void
field(struct buf *out, const char *name)
{
	buf_printf(out, "  %-13s ", name);
}

static void
put_figures(const struct scan_server_status *s, struct buf *out)
{
	field(out, "scanned");
	counted(out, s->scanned, "; infected ");
	counted(out, s->infected, ", unscannable ");
	counted(out, s->unscannable, ", failed ");
	counted(out, s->errors, "\n");
	if (s->p95_ms > 0) {
		field(out, "verdict in");
		put_ms(out, "p50", s->p50_ms);
		put_ms(out, ", p95", s->p95_ms);
		buf_add_byte(out, '\n');
	}
	field(out, "connections");
	counted(out, s->connections, ", in use ");
	counted(out, s->busy, "; waiting for one: ");
	counted(out, s->waiting, "\n");
}

static void
put_full(const struct metrics *m, const struct scan_server_status *s,
	 size_t columns, struct buf *out)
{
	buf_add_byte(out, '\n');
	text_last(out, slice_str(s->name), 0);
	buf_add_str(out, "\n");
	field(out, "health");
	put_health(m, s, out);
	buf_add_byte(out, '\n');
	put_error(s, "                ", columns, out);
	field(out, "test virus");
	if (s->canary_wall_s == 0) {
		buf_add_str(out, "not found yet\n");
	} else {
		buf_add_str(out, "found ");
		text_span(out, m->wall_s - s->canary_wall_s);
		buf_add_str(out, " ago\n");
	}
	put_figures(s, out);
	if (s->istag[0] != '\0') {
		field(out, "istag");
		text_last(out, slice_str(s->istag), 0);
		buf_add_byte(out, '\n');
	}
	if (s->expires_wall_s != 0) {
		field(out, "certificate");
		put_certificate(m, s, out);
	}
}

void
status_scan_full(const struct metrics *m, size_t columns, struct buf *out)
{
	if (!m->scan.on) {
		status_scan_text(m, columns, out);
		return;
	}
	put_head(m, out);
	put_bypass(m, columns, out);
	put_messages(m, out);
	label(out, "");
	buf_add_str(out, "verdicts kept: ");
	counted(out, m->scan.cache_count, "; known ");
	counted(out, m->scan.cache_hits, ", not known ");
	counted(out, m->scan.cache_misses, ", shared ");
	counted(out, m->scan.shared, "\n");
	for (size_t i = 0; i < m->scanner_count; i++)
		put_full(m, &m->scanners[i], at_least(columns), out);
}

/* --- JSON ------------------------------------------------------------------
 */

static void
json_server(const struct scan_server_status *s, struct json *j)
{
	json_open_object(j, NULL);
	json_str(j, "name", s->name);
	json_str(j, "health", scan_health_word(s->health));
	json_time(j, "since", s->since_wall_s);
	json_str(j, "error", s->error[0] != '\0' ? s->error : NULL);
	json_time(j, "canary", s->canary_wall_s);
	json_time(j, "certificate_expires", s->expires_wall_s);
	json_str(j, "istag", s->istag[0] != '\0' ? s->istag : NULL);
	json_u64(j, "connections", s->connections);
	json_u64(j, "busy", s->busy);
	json_u64(j, "waiting", s->waiting);
	json_u64(j, "scanned", s->scanned);
	json_u64(j, "infected", s->infected);
	json_u64(j, "unscannable", s->unscannable);
	json_u64(j, "errors", s->errors);
	json_u64(j, "p50_us", (uint64_t)(s->p50_ms * 1000));
	json_u64(j, "p95_us", (uint64_t)(s->p95_ms * 1000));
	json_close_object(j);
}

void
status_scan_json(const struct metrics *m, struct json *j)
{
	const struct scan_status *s = &m->scan;

	json_open_object(j, "scan");
	json_bool(j, "on", s->on);
	json_bool(j, "up", s->on && s->up);
	json_time(j, "down_since", s->on ? s->down_since_wall_s : 0);
	json_time(j, "bypass_until",
		  m->scan_bypassed ? s->bypass_until_wall_s : 0);
	json_bool(j, "istag_unsteady", s->istag_unsteady);
	json_u64(j, "jobs", s->jobs);
	json_u64(j, "clean", m->front.scan_clean);
	json_u64(j, "by_token", m->front.scan_token);
	json_u64(j, "infected", m->front.scan_infected);
	json_u64(j, "unscannable", m->front.scan_unscannable);
	json_u64(j, "late", m->front.scan_pending);
	json_u64(j, "unscanned", m->front.scan_open);
	json_u64(j, "wait_p99_us",
		 (uint64_t)(m->front.scan_wait_p99_ms * 1000));
	json_u64(j, "waiting_recipients", m->back.scan_waiting);
	json_time(j, "waiting_oldest", m->back.scan_oldest_wall_s);
	json_u64(j, "quarantined", m->back.quarantined);
	json_u64(j, "cleaned", m->back.cleaned);
	json_u64(j, "cache_verdicts", s->cache_count);
	json_u64(j, "cache_hits", s->cache_hits);
	json_u64(j, "cache_misses", s->cache_misses);
	json_u64(j, "shared", s->shared);
	json_u64(j, "parts_scanned", s->parts_scanned);
	json_u64(j, "bytes_scanned", s->bytes_scanned);
	json_open_array(j, "servers");
	for (size_t i = 0; i < m->scanner_count; i++)
		json_server(&m->scanners[i], j);
	json_close_array(j);
	json_close_object(j);
}
