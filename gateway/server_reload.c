/*
 * A new configuration, made whole beside the one in force. Whatever can fail
 * is tried before anything is swapped: sockets, log, scanners, next hops; then
 * the swap, which cannot fail. So a file with one mistake in it changes
 * nothing.
 */
#include <stdio.h>

#include "gateway/base/clock.h"
#include "gateway/notify.h"
#include "gateway/plan.h"
#include "gateway/server_int.h"

#define SWEEP_MS 2000

void
server_log_lines(enum log_level level, const char *event, struct slice lines)
{
	struct slice line;

	while (slice_split(&lines, '\n', &line)) {
		if (line.n > 0)
			log_event(level, event, LF_SLICE("what", line));
	}
}

static void
log_problems(const struct config_problems *problems)
{
	for (size_t i = 0; i < config_problems_count(problems); i++) {
		bool warning;
		const char *line = config_problems_line(problems, i, &warning);

		log_event(warning ? GW_LOG_WARN : GW_LOG_ERROR, "config",
			  LF_STR("what", line));
	}
}

static void
on_sweep(void *arg)
{
	struct server *s = arg;

	s->sweep = NULL;
	sockets_sweep(s->sockets);
}

static void
sweep_later(struct server *s)
{
	timer_cancel(&s->sweep);
	s->sweep = timer_start(s->loop, SWEEP_MS, on_sweep, s);
}

static void
restore_log(struct server *s)
{
	struct log_opts log;

	plan_log(&log, s->config);
	if (log_setup(&log) != 0)
		log_event(GW_LOG_WARN, "log-not-restored",
			  LF_STR("path", log.path));
}

/* Not by plan_make: the sockets are those of the new configuration. */
static void
restore_scan(struct server *s)
{
	struct arena *arena = arena_create(4096);
	char error[SERVER_ERROR_SIZE] = "";
	struct scan_conf old;
	struct plan_dns dns;

	plan_dns(&dns, s->config, s->started->auth.domain, arena);
	plan_scan(&old, s->config, &dns.resolver, arena);
	if (scan_reload(s->scan, &old, error, sizeof(error)) != 0)
		log_event(GW_LOG_ERROR, "scan-not-restored",
			  LF_STR("why", error));
	arena_destroy(&arena);
}

/* Everything that can fail; afterwards nothing does. */
static int
adopt(struct server *s, struct config *next, struct plan *plan,
      struct buf *errors)
{
	char error[SERVER_ERROR_SIZE] = "";
	struct log_opts log;
	bool scan;

	plan_log(&log, next);
	if (log_setup(&log) != 0) {
		buf_printf(errors, "%s: the log cannot be opened\n",
			   log.path != NULL ? log.path : s->path);
		return GW_EINVAL;
	}
	scan = scan_reload(s->scan, &plan->scan, error, sizeof(error)) == 0;
	if (!scan ||
	    back_reload(s->back, &plan->back, error, sizeof(error)) != 0) {
		buf_printf(errors, "%s: %s\n", s->path, error);
		if (scan)
			restore_scan(s);
		restore_log(s);
		return GW_EINVAL;
	}
	guard_reload(s->guard, &plan->limits);
	campaigns_configure(s->campaigns, &plan->campaigns);
	names_reload(s->names, &plan->dns.names);
	front_reload(s->front, &plan->front);
	control_reload(s->control, &plan->control);
	return 0;
}

/* What nobody should find out from an infected client. */
static void
tell_scan_off(const struct server *s, const struct config *next,
	      struct buf *errors)
{
	size_t before = errors->n;

	if (s->config->scan.servers.count == 0 || next->scan.servers.count > 0)
		return;
	buf_printf(errors,
		   "%s: warning: nothing is scanned any more; what waits for "
		   "its verdict stays held: 'sluice scan bypass' lets it go\n",
		   s->path);
	server_log_lines(GW_LOG_WARN, "config",
			 slice_from(buf_slice(errors), before));
}

/* next: checked; stays the caller's on failure. */
static int
swap(struct server *s, struct config *next, struct buf *errors)
{
	struct buf waiting = {.cap = SERVER_ERRORS_MAX};
	struct plan plan;
	int err = sockets_prepare(s->sockets, next, errors);

	if (err != 0)
		return err;
	plan_make(&plan, next, s->started, s->sockets);
	err = adopt(s, next, &plan, errors);
	plan_fini(&plan);
	if (err != 0) {
		sockets_abandon(s->sockets);
		return err;
	}
	sockets_commit(s->sockets);
	sweep_later(s);
	if (config_mark_restart(s->started, next, &waiting) > 0) {
		server_log_lines(GW_LOG_WARN, "config", buf_slice(&waiting));
		buf_add_slice(errors, buf_slice(&waiting));
	}
	buf_fini(&waiting);
	tell_scan_off(s, next, errors);
	if (s->config != s->started)
		config_destroy(&s->config);
	s->config = next;
	return 0;
}

/* For control_host: with 0 what stands in errors are warnings. */
int
server_reload(void *arg, struct buf *errors)
{
	struct server *s = arg;
	struct config_problems *problems;
	struct config *next;
	size_t before;
	int err;

	if (s->stopping) {
		buf_add_str(errors, "the daemon is stopping\n");
		return GW_EINVAL;
	}
	notify_reloading(clock_mono_us());
	problems = config_problems_create();
	err = config_load(&next, s->path, 0, problems);
	log_problems(problems);
	config_problems_print(problems, errors);
	config_problems_destroy(&problems);
	if (err == 0) {
		before = errors->n;
		err = swap(s, next, errors);
		if (err != 0) {
			server_log_lines(GW_LOG_ERROR, "config",
					 slice_from(buf_slice(errors), before));
			config_destroy(&next);
		}
	}
	if (err == 0)
		log_event(GW_LOG_INFO, "config-loaded",
			  LF_STR("file", s->path));
	else
		log_event(GW_LOG_ERROR, "config-refused",
			  LF_STR("file", s->path),
			  LF_STR("in-force", "the old configuration"));
	notify_send(err == 0 ? "READY=1\nSTATUS=running"
			     : "READY=1\nSTATUS=the last reload failed; the "
			       "old configuration is in force");
	return err == 0 ? 0 : GW_EINVAL;
}

void
server_show(void *arg, struct buf *out, bool json)
{
	struct server *s = arg;

	if (json)
		config_show_json(s->config, out);
	else
		config_show(s->config, out, true);
}

int64_t
server_certificate_expires(void *arg)
{
	struct server *s = arg;

	return s->config->tls_ctx != NULL
		   ? tls_ctx_expires_wall_s(s->config->tls_ctx)
		   : 0;
}

const struct dkim_keys *
server_dkim(void *arg)
{
	return ((struct server *)arg)->config->dkim_keys;
}

/* What was flushed is not to come back with a restart. */
void
server_flushed(void *arg)
{
	names_keep(((struct server *)arg)->names);
}
