/* The figures that each virus scanner has of its own. */
#include <inttypes.h>
#include <stdio.h>

#include "gateway/base/escape.h"
#include "gateway/control/metrics_int.h"
#include "gateway/control/verdict_text.h"
#include "gateway/scan/words.h"

enum field {
	UP,
	BLIND,
	CONNECTIONS,
	BUSY,
	WAITING,
	SCANNED,
	INFECTED,
	UNSCANNABLE,
	ERRORS,
	P50,
	P95,
	EXPIRY,
	FIELDS
};

static const struct {
	const char *name; /* behind scan_server_ */
	bool counter;
	const char *help;
} rows[FIELDS] = {
    [UP] = {"up", false, "1 while the virus scanner can be asked."},
    [BLIND] = {"blind", false,
	       "1 while the virus scanner calls the test virus clean."},
    [CONNECTIONS] = {"connections", false,
		     "Connections to the virus scanner now."},
    [BUSY] = {"busy", false, "Connections of these that are in use."},
    [WAITING] = {"waiting", false,
		 "Contents that wait for a connection to the virus scanner."},
    [SCANNED] = {"scanned_total", true,
		 "Contents that the virus scanner gave a verdict on."},
    [INFECTED] = {"infected_total", true,
		  "Contents that the virus scanner called infected."},
    [UNSCANNABLE] = {"unscannable_total", true,
		     "Contents that the virus scanner could not look into."},
    [ERRORS] = {"errors_total", true,
		"Attempts at the virus scanner that failed."},
    [P50] = {"latency_p50_seconds", false,
	     "Time to the virus scanner's verdict, median of the last minute."},
    [P95] = {"latency_p95_seconds", false,
	     "Time to the virus scanner's verdict, 95th percentile of the last "
	     "minute."},
    [EXPIRY] = {"certificate_expiry_seconds", false,
		"Until the virus scanner's certificate expires; 0 without "
		"one."},
};

static void
put_value(struct buf *out, const struct metrics *m,
	  const struct scan_server_status *s, enum field field)
{
	uint64_t n = 0;

	switch (field) {
	case UP:
		n = s->health == SCAN_UP;
		break;
	case BLIND:
		n = s->health == SCAN_BLIND;
		break;
	case CONNECTIONS:
		n = s->connections;
		break;
	case BUSY:
		n = s->busy;
		break;
	case WAITING:
		n = s->waiting;
		break;
	case SCANNED:
		n = s->scanned;
		break;
	case INFECTED:
		n = s->infected;
		break;
	case UNSCANNABLE:
		n = s->unscannable;
		break;
	case ERRORS:
		n = s->errors;
		break;
	case P50:
	case P95:
		buf_printf(out, "%.6f",
			   (field == P50 ? s->p50_ms : s->p95_ms) / 1000);
		return;
	case EXPIRY:
		buf_printf(
		    out, "%" PRId64,
		    s->expires_wall_s == 0 ? 0 : s->expires_wall_s - m->wall_s);
		return;
	case FIELDS:
		break;
	}
	buf_printf(out, "%" PRIu64, n);
}

void
metrics_scanners_stats(const struct metrics *m, struct buf *out)
{
	for (size_t i = 0; i < m->scanner_count; i++) {
		for (int f = 0; f < FIELDS; f++) {
			buf_add_str(out, "scan_server.");
			escape_text(out, slice_str(m->scanners[i].name));
			buf_printf(out, ".%s=", rows[f].name);
			put_value(out, m, &m->scanners[i], (enum field)f);
			buf_add_byte(out, '\n');
		}
	}
}

void
metrics_scanners_json(const struct metrics *m, struct json *j)
{
	json_open_array(j, "scan_servers");
	for (size_t i = 0; i < m->scanner_count; i++) {
		json_open_object(j, NULL);
		json_str(j, "name", m->scanners[i].name);
		json_str(j, "health", scan_health_word(m->scanners[i].health));
		for (int f = CONNECTIONS; f < FIELDS; f++) {
			/* Numbers with a fraction are not json.h's. */
			buf_printf(j->out, ",\"%s\":", rows[f].name);
			put_value(j->out, m, &m->scanners[i], (enum field)f);
		}
		json_close_object(j);
	}
	json_close_array(j);
}

void
metrics_scanners_prometheus(const struct metrics *m, struct buf *out)
{
	char name[64];

	for (int f = 0; f < FIELDS && m->scanner_count > 0; f++) {
		snprintf(name, sizeof(name), "scan_server_%s", rows[f].name);
		metrics_head(out, name, rows[f].help, rows[f].counter);
		for (size_t i = 0; i < m->scanner_count; i++) {
			buf_printf(out, "sluice_%s{server=\"", name);
			metrics_label(out, m->scanners[i].name);
			buf_add_str(out, "\"} ");
			put_value(out, m, &m->scanners[i], (enum field)f);
			buf_add_byte(out, '\n');
		}
	}
}
