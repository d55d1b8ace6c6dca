/*
 * Whether a server still looks: its name is looked up, its OPTIONS are had,
 * and then a canary decides, which is a file that every scanner finds. Called
 * clean the server is blind. One of the three is under way at a time.
 *
 * A server that answers nothing at all is found out by two clocks: what waits
 * for SLOW_MS calls for a canary, and when even that has no connection left,
 * SILENT_MS is the end of it.
 */
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/scan/scan_int.h"

#define CANARY_TIMEOUT_MS 10000
#define SLOW_MS 5000
#define SLOW_GAP_MS 10000
#define SILENT_MS 15000
#define OPTIONS_AGAIN_MS 60000 /* of a server that knows none */
#define OPTIONS_PAUSE_MS 1000  /* of one that could not be asked */
#define OPTIONS_GAP_MS 10000   /* between two for the sake of new tags */
#define ADDRESS_MIN_MS 30000
#define ADDRESS_MAX_MS 3600000
#define ADDRESSES_MAX 16

static int64_t
now_of(const struct scan_server *server)
{
	return loop_now_ms(server->scan->loop);
}

static void
probe_failed(struct scan_server *server, const char *error)
{
	bool changed =
	    health_canary(&server->health, SCAN_ERROR, now_of(server));

	scan_server_tried(server, changed, error);
}

/* --- addresses ------------------------------------------------------------ */

static void
on_resolved(void *arg, const struct dns_targets *targets)
{
	struct scan_server *server = arg;
	struct ip_addr ips[ADDRESSES_MAX];
	int64_t hold_ms = (int64_t)targets->ttl_s * 1000;
	size_t n = 0;

	server->resolve_op = NULL;
	if (hold_ms > ADDRESS_MAX_MS)
		hold_ms = ADDRESS_MAX_MS;
	if (hold_ms < ADDRESS_MIN_MS)
		hold_ms = ADDRESS_MIN_MS;
	server->resolve_ms = now_of(server) + hold_ms;
	if (targets->status == TARGETS_OK) {
		for (; n < targets->count && n < ADDRESSES_MAX; n++)
			ips[n] = targets->targets[n].ip;
		icap_pool_set_addresses(server->pool, ips, n);
		server->addressed = true;
		scan_probe_tick(server);
	} else if (!server->addressed) {
		/* Old addresses are as good as any; without one it is down. */
		probe_failed(server, targets->text);
		scan_testing_fail(server, targets->text);
		server->resolve_ms = server->health.due_ms;
	}
	content_pump(server->scan);
}

static void
resolve(struct scan_server *server)
{
	struct dns_targets_req req = {
	    .domain = server->conf.host,
	    .kind = TARGET_HOST,
	    .v6 = true,
	};

	if (!server->scan->dns) {
		server->resolve_ms = now_of(server) + ADDRESS_MIN_MS;
		probe_failed(server, "the resolver cannot be used");
		scan_testing_fail(server, "the resolver cannot be used");
		return;
	}
	server->resolve_op =
	    dns_targets_start(server->scan->dns, &req, on_resolved, server);
}

/* --- canary --------------------------------------------------------------- */

static int64_t
eicar_read(void *arg, uint64_t offset, void *p, size_t n)
{
	const struct scan_server *server = arg;

	if (offset > EICAR_SIZE)
		return GW_EINVAL;
	if (n > EICAR_SIZE - offset)
		n = EICAR_SIZE - offset;
	memcpy(p, server->eicar + offset, n);
	return (int64_t)n;
}

static void
canary_good(struct scan_server *server)
{
	bool renewed = strcmp(server->proven, server->istag.now) != 0;

	memcpy(server->proven, server->istag.now, sizeof(server->proven));
	pthread_mutex_lock(&server->scan->lock);
	server->status.canary_wall_s = clock_wall_s();
	pthread_mutex_unlock(&server->scan->lock);
	content_believe(server, server->canaries);
	/* What came while it was under way waits for the next one. */
	if (!TAILQ_EMPTY(&server->doubted))
		health_hurry(&server->health, now_of(server));
	if (renewed && !server->istag.unsteady)
		scan_tell_changed(server->scan);
}

static const char *
canary_error(const struct icap_result *result)
{
	switch (result->verdict.kind) {
	case SCAN_CLEAN:
		return "calls EICAR clean";
	case SCAN_UNSCANNABLE:
		return "does not look at EICAR";
	case SCAN_ERROR:
		return result->error[0] ? result->error : "no answer";
	case SCAN_INFECTED:
		break;
	}
	return "";
}

/* Scans are answered, only later than a canary may take. */
static bool
is_busy(const struct scan_server *server, const struct scan_verdict *verdict)
{
	return verdict->kind == SCAN_ERROR &&
	       verdict->why == SCAN_WHY_TIMEOUT &&
	       server->health.state == SCAN_UP &&
	       server->answered_ms > server->health.asked_ms;
}

static void
on_canary(void *arg, const struct icap_result *result)
{
	struct scan_server *server = arg;
	enum scan_kind kind = result->verdict.kind;
	bool changed;

	server->probe_op = NULL;
	scan_testing_note(server, SCAN_TEST_EICAR, result);
	if (is_busy(server, &result->verdict)) {
		health_busy(&server->health, now_of(server));
		content_pump(server->scan);
		return;
	}
	if (kind != SCAN_ERROR) {
		server->answered_ms = now_of(server);
		scan_server_tag(server, result->verdict.istag);
	}
	changed = health_canary(&server->health, kind, now_of(server));
	/* Before its health is told: those who wait may ask at once. */
	if (kind == SCAN_INFECTED)
		canary_good(server);
	scan_server_tried(server, changed, canary_error(result));
	scan_probe_tick(server);
	content_pump(server->scan);
}

static int64_t
canary_timeout_ms(const struct scan_server *server)
{
	int64_t part_ms = server->scan->settings->conf.part_ms;

	return part_ms < CANARY_TIMEOUT_MS ? part_ms : CANARY_TIMEOUT_MS;
}

static void
canary(struct scan_server *server)
{
	static const struct ip_addr nobody;
	struct icap_req req = {
	    .bytes = EICAR_SIZE,
	    .read = eicar_read,
	    .read_arg = server,
	    .name = "eicar.com",
	    .type = "application/octet-stream",
	    .client = &nobody,
	    .timeout_ms = canary_timeout_ms(server),
	};

	eicar_write(server->eicar);
	server->canaries++;
	health_asked(&server->health, now_of(server));
	server->probe_op =
	    icap_scan_start(server->pool, &req, on_canary, server);
}

/* --- OPTIONS -------------------------------------------------------------- */

static void
on_options(void *arg, const struct icap_result *result)
{
	struct scan_server *server = arg;
	const struct icap_options *options = icap_pool_options(server->pool);
	int64_t now_ms = now_of(server);

	server->probe_op = NULL;
	scan_testing_note(server, SCAN_TEST_OPTIONS, result);
	if (result->verdict.kind != SCAN_ERROR && options->known) {
		server->options_ms = options->expires_ms;
		/* Some name it in their answers alone. */
		if (options->istag[0] != '\0')
			scan_server_tag(server, options->istag);
		server->options_old = false;
	} else if (result->status != 0 || result->error[0] == '\0') {
		/* It has none, or nobody knows why; the canary will tell. */
		server->options_ms = now_ms + OPTIONS_AGAIN_MS;
		health_doubt(&server->health, now_ms);
	} else if (health_is_due(&server->health, now_ms)) {
		probe_failed(server, result->error);
	} else {
		server->options_ms = now_ms + OPTIONS_PAUSE_MS;
		health_doubt(&server->health, now_ms);
	}
	scan_server_publish(server);
	scan_probe_tick(server);
	content_pump(server->scan);
}

static void
ask_options(struct scan_server *server)
{
	server->probe_op = icap_options_start(
	    server->pool, canary_timeout_ms(server), on_options, server);
}

/* --- what is due ---------------------------------------------------------- */

static void
look_at_silence(struct scan_server *server, int64_t now_ms)
{
	int64_t silent_ms = now_ms - server->answered_ms;

	if (server->asked_count == 0 || silent_ms < SLOW_MS)
		return;
	if (silent_ms >= SILENT_MS &&
	    server->asked_count >= scan_server_slots(server)) {
		if (health_silent(&server->health, now_ms))
			scan_server_tried(server, true, "no answer");
	} else if (now_ms - server->health.asked_ms >= SLOW_GAP_MS) {
		health_doubt(&server->health, now_ms);
	}
}

/* The next step of a test by hand. */
static void
test(struct scan_server *server)
{
	server->testing.under_way = true;
	server->testing.since_ms = now_of(server);
	switch (server->testing.step) {
	case SCAN_TEST_OPTIONS:
		ask_options(server);
		break;
	case SCAN_TEST_EICAR:
		canary(server);
		break;
	case SCAN_TEST_CLEAN:
		scan_testing_clean(server, canary_timeout_ms(server));
		break;
	}
}

void
scan_probe_tick(struct scan_server *server)
{
	int64_t now_ms = now_of(server);
	bool due;

	if (!server->resolve_op && now_ms >= server->resolve_ms)
		resolve(server);
	if (server->probe_op || !server->addressed)
		return;
	look_at_silence(server, now_ms);
	due = health_is_due(&server->health, now_ms);
	if (server->asked_count >= scan_server_slots(server))
		return;
	if (server->testing.wanted) {
		test(server);
		return;
	}
	if (now_ms >= server->options_ms &&
	    (due || server->health.state == SCAN_UP)) {
		ask_options(server);
	} else if (due) {
		canary(server);
	} else if (server->options_old && now_ms >= server->options_again_ms) {
		server->options_again_ms = now_ms + OPTIONS_GAP_MS;
		ask_options(server);
	}
}

void
scan_probe_end(struct scan_server *server)
{
	dns_targets_cancel(&server->resolve_op);
	icap_scan_cancel(&server->probe_op);
}
