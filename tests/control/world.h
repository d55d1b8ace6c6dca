#ifndef TESTS_CONTROL_WORLD_H
#define TESTS_CONTROL_WORLD_H

/*
 * What control stands on, in the hand of the test: a real store for the
 * users, figures that are set, a queue that is an array, commits that end on
 * a thread of their own as the spool's do. Include it in one file a program.
 * size: it stands for four units.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/mem.h"
#include "gateway/control/control.h"
#include "tests/support/dns_server.h"

struct spool {
	struct store_env *store;
	struct spool_msg **msgs; /* in order of id */
	size_t msg_count;
	struct spool_status status;
	struct spool_ledger ledger;
	_Atomic int change_err;	  /* what commits end with */
	enum spool_answer answer; /* what mail ends with */
	struct spool_msg *mail;	  /* the last one taken */
	struct buf mail_body;
	unsigned mail_count;
	bool hold_change; /* commits do not end until this is false */
	struct spool_trash trash[4];
	size_t trash_count;
	spool_drained_fn *drained;
	void *drained_arg;
	pthread_mutex_t lock;
	pthread_t thread;
	bool threaded;
};

struct front {
	struct front_status status;
};

struct back {
	struct back_status status;
	struct back_hop_status hops[8];
	size_t hop_count;
	char flush_domain[64], flush_hop[64];
	uint64_t flush_id;
	unsigned flush_count;
	/* What work on the queue is answered, and what was asked: the last,
	 * and all of it as "verb what;". */
	struct back_work answer;
	struct buf asked;
	uint64_t rule, trash;
	int64_t trash_until_wall_s;
	uint64_t campaign; /* the last one that it was told of */
	unsigned campaign_count;
	bool hold_work; /* it does not end; stuck has it */
	struct back_work *stuck;
};

struct auth_pool {
	char forgotten[64];
};

/* A scanner whose answers are set. */
struct scan {
	struct scan_status status;
	struct scan_server_status servers[4];
	struct scan_test tests[4];
	unsigned looks; /* at a test: it ends at the third */
	size_t server_count;
	int64_t bypass_wall_s;
	unsigned flushed;
	struct scan_verdict verdict; /* of every job */
	bool ends;		     /* with the next: off by a reload */
	size_t part;
	/* the last job: its parts as "name type bytes;", the bytes of its
	 * first part as they lie */
	struct buf asked, bytes;
	_Atomic unsigned jobs;
	bool afresh, late;
	_Atomic bool hold; /* jobs end by being canceled */
	_Atomic bool canceled;
};

struct auth {
	bool away;
};

struct world {
	char dir[64];
	char socket_path[96];
	struct loop *loop;
	struct spool spool;
	struct front front;
	struct back back;
	struct auth_pool auth;
	struct auth probe;
	struct scan scan;
	struct quarantine *quarantine;
	struct campaigns *campaigns;
	struct suppress *suppress;
	struct control_conf conf;
	struct limits *limits;
	struct blocklist *blocklist;
	struct accounts *accounts;
	struct decisions *decisions;
	struct top *top;
	struct dns_server *names; /* NULL, all: control knows no domains */
	struct dns_cache *dns_cache;
	struct domains *domains;
	struct control *control;
	unsigned flushed_count;
	int64_t certificate_wall_s;
	int reload_err;
	unsigned reload_count;
};

static struct world world;
/* Of the resolver that the next world has; NULL: it has none. */
static const struct dns_row *world_rows;
static size_t world_row_count;

/* --- the units below, faked -------------------------------------------- */

void
front_status_get(const struct front *front, struct front_status *status)
{
	*status = front->status;
}

void
back_status_get(const struct back *back, struct back_status *status)
{
	*status = back->status;
}

size_t
back_hops_get(const struct back *back, struct back_hop_status *out, size_t max)
{
	for (size_t i = 0; i < back->hop_count && i < max; i++)
		out[i] = back->hops[i];
	return back->hop_count;
}

void
back_flush(struct back *back, const struct back_flush *what)
{
	snprintf(back->flush_domain, sizeof(back->flush_domain), "%s",
		 what->domain ? what->domain : "");
	snprintf(back->flush_hop, sizeof(back->flush_hop), "%s",
		 what->hop ? what->hop : "");
	back->flush_id = what->id;
	back->flush_count++;
}

static inline void
put_asked(struct buf *out, const struct back_work *work)
{
	static const char *const verbs[] = {"count", "release", "purge",
					    "recheck", "undo"};
	const struct back_select *s = &work->select;
	char ip[IP_TEXT_SIZE + 4];

	buf_add_str(out, verbs[work->verb]);
	if (s->cred != NULL)
		buf_printf(out, " cred=%s", s->cred);
	if (s->ip != NULL) {
		ip_prefix_format(s->ip, ip);
		buf_printf(out, " ip=%s", ip);
	}
	if (s->from != NULL)
		buf_printf(out, " from=%s", s->from);
	if (s->domain != NULL)
		buf_printf(out, " domain=%s", s->domain);
	if (s->body != NULL)
		buf_printf(out, " body=%02x%02x", s->body[0], s->body[1]);
	if (s->id != 0)
		buf_add_str(out, " id");
	if (s->campaign != 0)
		buf_printf(out, " campaign=%u", (unsigned)s->campaign);
	if (s->since_wall_s != 0)
		buf_add_str(out, " since");
	if (s->before_wall_s != 0)
		buf_add_str(out, " before");
	buf_add_byte(out, ';');
}

void
back_work_start(struct back *back, struct back_work *work)
{
	const struct back_work *answer = &back->answer;

	put_asked(&back->asked, work);
	back->rule = work->rule;
	back->trash = work->trash;
	back->trash_until_wall_s = work->trash_until_wall_s;
	work->err = answer->err;
	work->messages = answer->messages;
	work->recipients = answer->recipients;
	work->held = answer->held;
	work->busy = answer->busy;
	work->failed = answer->failed;
	work->sample_count = answer->sample_count;
	memcpy(work->sample, answer->sample, sizeof(work->sample));
	if (back->hold_work)
		back->stuck = work;
	else
		work->done(work);
}

void
back_campaign(struct back *back, uint64_t id)
{
	back->campaign = id;
	back->campaign_count++;
}

void
auth_pool_forget(struct auth_pool *pool, struct slice cred)
{
	snprintf(pool->forgotten, sizeof(pool->forgotten), "%.*s", (int)cred.n,
		 cred.p);
}

struct auth *
auth_create(struct loop *loop, struct auth_pool *pool)
{
	(void)loop;
	(void)pool;
	return &world.probe;
}

void
auth_destroy(struct auth **auth)
{
	*auth = NULL;
}

const char *
auth_mechanisms(struct auth *auth)
{
	return auth->away ? NULL : "PLAIN";
}

struct store_env *
spool_store(struct spool *spool)
{
	return spool->store;
}

void
spool_status_get(struct spool *spool, struct spool_status *status)
{
	*status = spool->status;
}

int
spool_ledger_read(struct spool *spool, struct spool_ledger *ledger)
{
	*ledger = spool->ledger;
	return 0;
}

static inline struct spool_msg *
msg_copy(const struct spool_msg *msg)
{
	struct spool_msg *copy = spool_msg_create();
	struct arena *arena = copy->arena;

	*copy = *msg;
	copy->arena = arena;
	copy->rcpts = mem_array(msg->rcpt_count + 1, sizeof(*copy->rcpts));
	copy->rcpt_room = msg->rcpt_count + 1;
	memcpy(copy->rcpts, msg->rcpts, msg->rcpt_count * sizeof(*copy->rcpts));
	return copy;
}

int
spool_load(struct spool *spool, uint64_t id, struct spool_msg **msg)
{
	for (size_t i = 0; i < spool->msg_count; i++) {
		if (spool->msgs[i]->id == id) {
			*msg = msg_copy(spool->msgs[i]);
			return 0;
		}
	}
	return GW_ENOENT;
}

int
spool_load_some(struct spool *spool, uint64_t id, const uint32_t *indexes,
		uint32_t count, struct spool_msg **msg)
{
	(void)indexes;
	(void)count;
	return spool_load(spool, id, msg);
}

size_t
spool_trash_list(struct spool *spool, struct spool_trash *out, size_t max)
{
	for (size_t i = 0; i < spool->trash_count && i < max; i++)
		out[i] = spool->trash[i];
	return spool->trash_count;
}

int
spool_scan(struct spool *spool, const struct spool_cursor *after, size_t max,
	   spool_entry_fn *fn, void *arg, struct spool_cursor *last)
{
	size_t given = 0;

	for (size_t m = 0; m < spool->msg_count; m++) {
		const struct spool_msg *msg = spool->msgs[m];

		if (msg->id < after->id)
			continue;
		for (uint32_t i = 0; i < msg->rcpt_count; i++) {
			struct spool_entry entry = {
			    msg->id, msg->rcpts[i].index, &msg->rcpts[i]};

			if (msg->id == after->id && entry.index <= after->index)
				continue;
			if (given == max)
				return (int)given;
			given++;
			last->id = entry.id;
			last->index = entry.index;
			if (!fn(arg, &entry))
				return (int)given;
		}
	}
	return (int)given;
}

/* All that waits lies in every one. */
int
spool_trash_scan(struct spool *spool, uint64_t trash,
		 const struct spool_cursor *after, size_t max,
		 spool_entry_fn *fn, void *arg, struct spool_cursor *last)
{
	(void)trash;
	return spool_scan(spool, after, max, fn, arg, last);
}

static inline void *
change_thread(void *arg)
{
	struct spool_change *op = arg;
	struct spool *spool = &world.spool;
	struct store_txn *txn;
	bool hold = true;

	while (hold) {
		pthread_mutex_lock(&spool->lock);
		hold = spool->hold_change;
		pthread_mutex_unlock(&spool->lock);
		if (hold)
			usleep(1000);
	}
	op->err = spool->change_err;
	if (op->err == 0) {
		txn = store_write(spool->store);
		store_apply(txn, op->changes, op->change_count);
		op->err = store_commit(&txn);
	}
	op->done(op);
	return NULL;
}

/* What was begun is over: the store is the test's own again. */
static inline void
thread_end(void)
{
	if (world.spool.threaded)
		pthread_join(world.spool.thread, NULL);
	world.spool.threaded = false;
}

static inline void
thread_run(void *(*fn)(void *), void *arg)
{
	thread_end();
	world.spool.threaded = true;
	pthread_create(&world.spool.thread, NULL, fn, arg);
}

void
spool_change_start(struct spool *spool, struct spool_change *op)
{
	(void)spool;
	thread_run(change_thread, op);
}

struct spool_body {
	struct buf bytes;
};

struct spool_body *
spool_body_create(struct spool *spool)
{
	struct spool_body *body = mem_zalloc(sizeof(*body));

	(void)spool;
	buf_init(&body->bytes, 1 << 20);
	return body;
}

void
spool_body_add(struct spool_body *body, struct slice s)
{
	buf_add_slice(&body->bytes, s);
}

void
spool_body_end(struct spool_body *body, uint8_t digest[DIGEST_SIZE])
{
	struct digest *d = digest_create();

	digest_add(d, buf_slice(&body->bytes));
	digest_final(d, digest);
	digest_destroy(&d);
}

void
spool_body_destroy(struct spool_body **body)
{
	if (*body != NULL)
		buf_fini(&(*body)->bytes);
	free(*body);
	*body = NULL;
}

/* Always behind, and caught up at once. */
static inline void *
drained_thread(void *arg)
{
	struct spool *spool = arg;

	spool->drained(spool->drained_arg);
	return NULL;
}

bool
spool_body_backlogged(struct spool_body *body, spool_drained_fn *drained,
		      void *arg)
{
	(void)body;
	world.spool.drained = drained;
	world.spool.drained_arg = arg;
	thread_run(drained_thread, &world.spool);
	return true;
}

static inline void *
accept_thread(void *arg)
{
	struct spool_accept *op = arg;
	struct store_txn *txn;

	if (op->answer == SPOOL_ACCEPTED && op->change_count > 0) {
		txn = store_write(world.spool.store);
		store_apply(txn, op->changes, op->change_count);
		if (store_commit(&txn) != 0)
			abort();
	}
	op->done(op);
	return NULL;
}

void
spool_accept_start(struct spool *spool, struct spool_accept *op)
{
	spool_msg_destroy(&spool->mail);
	buf_fini(&spool->mail_body);
	spool->mail = op->msg;
	spool->mail_body = op->body->bytes;
	spool->mail_count++;
	free(op->body);
	op->answer = spool->answer;
	thread_run(accept_thread, op);
}

/* --- the scanner ------------------------------------------------------- */

void
scan_status_get(struct scan *scan, struct scan_status *status)
{
	*status = scan->status;
	status->bypass_until_wall_s = scan->bypass_wall_s;
}

size_t
scan_servers_get(struct scan *scan, struct scan_server_status *out, size_t max)
{
	for (size_t i = 0; i < scan->server_count && i < max; i++)
		out[i] = scan->servers[i];
	return scan->server_count;
}

uint64_t
scan_test_start(struct scan *scan)
{
	scan->looks = 0;
	return 7;
}

size_t
scan_test_get(struct scan *scan, uint64_t number, struct scan_test *out,
	      size_t max, bool *ended)
{
	*ended = number == 7 && ++scan->looks >= 3;
	for (size_t i = 0; i < scan->server_count && i < max; i++)
		out[i] = scan->tests[i];
	return scan->server_count;
}

void
scan_bypass_set(struct scan *scan, int64_t until_wall_s)
{
	scan->bypass_wall_s = until_wall_s;
}

uint64_t
scan_flush(struct scan *scan)
{
	scan->flushed++;
	return 42;
}

static inline void *
scan_thread(void *arg)
{
	struct scan_job *job = arg;
	struct scan *scan = &world.scan;
	char piece[4096];
	int64_t n;

	buf_init(&scan->asked, 65536);
	buf_init(&scan->bytes, 65536);
	for (size_t i = 0; i < job->part_count; i++)
		buf_printf(&scan->asked, "%s %s %u;", job->parts[i].name,
			   job->parts[i].type,
			   (unsigned)job->parts[i].decoded_bytes);
	n = job->read(job->read_arg, job->parts[0].begin, piece, sizeof(piece));
	buf_add(&scan->bytes, piece, n > 0 ? (size_t)n : 0);
	scan->jobs++;
	scan->afresh = job->afresh;
	scan->late = job->late;
	while (scan->hold && !scan->canceled)
		usleep(1000);
	job->verdict = scan->verdict;
	job->part = scan->part;
	if (scan->ends)
		scan->status.on = false;
	if (scan->canceled)
		job->verdict = (struct scan_verdict){.kind = SCAN_ERROR,
						     .why = SCAN_WHY_CANCELED};
	job->done(job);
	return NULL;
}

void
scan_job_start(struct scan *scan, struct scan_job *job)
{
	(void)scan;
	buf_fini(&scan->asked);
	buf_fini(&scan->bytes);
	thread_run(scan_thread, job);
}

void
scan_job_cancel(struct scan *scan, struct scan_job *job)
{
	(void)job;
	scan->canceled = true;
}

/* --- the host ---------------------------------------------------------- */

static inline int
host_reload(void *arg, struct buf *errors)
{
	(void)arg;
	world.reload_count++;
	if (world.reload_err != 0)
		buf_add_str(errors, "gateway.conf:3:1: no such directive\n"
				    "gateway.conf:9:4: not a size: 25Q\n");
	return world.reload_err;
}

static inline void
host_show(void *arg, struct buf *out, bool json)
{
	(void)arg;
	buf_add_str(out, json ? "{\"hostname\":\"mail.example.com\"}"
			      : "hostname mail.example.com;\n");
}

static inline int64_t
host_expires(void *arg)
{
	(void)arg;
	return world.certificate_wall_s;
}

static inline const struct dkim_keys *
host_dkim(void *arg)
{
	(void)arg;
	return NULL;
}

static inline void
host_flushed(void *arg)
{
	(void)arg;
	world.flushed_count++;
}

/* --- making one -------------------------------------------------------- */

static inline struct spool_msg *
world_add_message(uint64_t id, const char *cred, const char *from)
{
	struct spool *spool = &world.spool;
	struct spool_msg *msg = spool_msg_create();

	spool->msgs = mem_resize(spool->msgs,
				 (spool->msg_count + 1) * sizeof(*spool->msgs));
	spool->msgs[spool->msg_count++] = msg;
	msg->id = id;
	msg->cred = arena_dup(msg->arena, slice_str(cred));
	msg->mail_from = arena_dup(msg->arena, slice_str(from));
	msg->session = "0abcdefghjkmn";
	(void)ip_parse(SLICE_LIT("192.0.2.7"), &msg->client);
	msg->body.length = 4096;
	return msg;
}

static inline struct control_opts
world_opts(bool users_local, const struct sock_addr *http)
{
	return (struct control_opts){
	    .loop = world.loop,
	    .socket_path = world.socket_path,
	    .http = http,
	    .spool = &world.spool,
	    .front = &world.front,
	    .back = &world.back,
	    .auth = &world.auth,
	    .limits = world.limits,
	    .blocklist = world.blocklist,
	    .accounts = world.accounts,
	    .decisions = world.decisions,
	    .top = world.top,
	    .dns_cache = world.dns_cache,
	    .domains = world.domains,
	    .scan = &world.scan,
	    .quarantine = world.quarantine,
	    .campaigns = world.campaigns,
	    .suppress = world.suppress,
	    .users_local = users_local,
	    .host = {.reload = host_reload,
		     .show = host_show,
		     .certificate_expires = host_expires,
		     .dkim = host_dkim,
		     .flushed = host_flushed},
	    .conf = &world.conf,
	};
}

static inline void
world_policy(void)
{
	static const struct limit_rate person[] = {
	    {LIMIT_MESSAGES, 30, 60000, 40},
	    {LIMIT_RECIPIENTS, 400, 3600000, 0},
	    {LIMIT_BYTES, 500u << 20, 86400000, 0}};
	static const struct limit_rate address[] = {
	    {LIMIT_CONNECTIONS, 10, 0, 0}, {LIMIT_RECIPIENTS, 500, 600000, 0}};
	static const struct limit_conf limits[] = {{.name = "person",
						    .per = LIMIT_CRED,
						    .rates = person,
						    .rate_count = 3,
						    .over = LIMIT_PACE,
						    .then = LIMIT_HOLD,
						    .pace_percent = 150},
						   {.name = "address",
						    .per = LIMIT_IP,
						    .bits4 = 32,
						    .bits6 = 64,
						    .rates = address,
						    .rate_count = 2,
						    .over = LIMIT_DEFER,
						    .observe = true}};
	static const struct limits_conf conf = {.limits = limits,
						.limit_count = 2};

	world.accounts = accounts_create();
	world.blocklist = blocklist_create();
	world.decisions = decisions_create(100);
	world.top = top_create();
	world.limits = limits_create(&conf, world.accounts,
				     clock_wall_ms() * 1000, clock_mono_us());
	buf_init(&world.back.asked, 65536);
}

static inline void
world_names(void)
{
	static const struct domains_class machine = {"machine", 0,
						     UNVERIFIED_DEFER};
	static const char *const exempt[] = {"example.com", ".corp.lab"};
	static const struct dns_cache_conf cache = {.self = "mail.example.com"};
	static const struct domains_conf conf = {.check = true,
						 .refuse_first = 20,
						 .classes = &machine,
						 .class_count = 1,
						 .exempt = exempt,
						 .exempt_count = 2};

	world.names =
	    dns_server_create(world.loop, world_rows, world_row_count);
	world.dns_cache = dns_cache_create(&cache);
	world.domains = domains_create(&conf);
	world.conf.dns.servers = dns_server_text(world.names);
	world.conf.dns.timeout_ms = 200;
	world.conf.dns_check = world.conf.dns_asks = true;
}

static inline void
world_start(bool users_local, const struct sock_addr *http)
{
	struct store_opts store = {.map_bytes = 16 << 20};
	char error[256] = "", store_path[96];
	struct control_opts opts;

	memset(&world, 0, sizeof(world));
	snprintf(world.dir, sizeof(world.dir), "/tmp/sluice-control-XXXXXX");
	if (mkdtemp(world.dir) == NULL)
		abort();
	snprintf(world.socket_path, sizeof(world.socket_path), "%s/s",
		 world.dir);
	pthread_mutex_init(&world.spool.lock, NULL);
	snprintf(store_path, sizeof(store_path), "%s/store", world.dir);
	store.path = store_path;
	if (store_open(&world.spool.store, &store, error, sizeof(error)) != 0) {
		fprintf(stderr, "%s\n", error);
		abort();
	}
	if (quarantine_open(&world.quarantine, world.dir, world.spool.store,
			    error, sizeof(error)) != 0) {
		fprintf(stderr, "%s\n", error);
		abort();
	}
	world.campaigns = campaigns_create();
	world.suppress = suppress_create();
	if (campaigns_load(world.campaigns, world.spool.store) != 0 ||
	    suppress_load(world.suppress, world.spool.store) != 0)
		abort();
	world.loop = loop_create();
	world_policy();
	if (world_rows != NULL)
		world_names();
	world.conf.hostname = "mail.example.com";
	world.conf.postmaster = "postmaster@mail.example.com";
	world.spool.status.disk_total_bytes = 100u << 20;
	world.spool.status.disk_free_bytes = 50u << 20;
	opts = world_opts(users_local, http);
	if (control_create(&world.control, &opts, error, sizeof(error)) != 0) {
		fprintf(stderr, "%s\n", error);
		abort();
	}
}

static inline void
world_stop(void)
{
	char command[128];

	control_destroy(&world.control);
	thread_end();
	for (size_t i = 0; i < world.spool.msg_count; i++)
		spool_msg_destroy(&world.spool.msgs[i]);
	free(world.spool.msgs);
	spool_msg_destroy(&world.spool.mail);
	buf_fini(&world.spool.mail_body);
	buf_fini(&world.scan.asked);
	buf_fini(&world.scan.bytes);
	quarantine_close(&world.quarantine);
	campaigns_destroy(&world.campaigns);
	suppress_destroy(&world.suppress);
	store_close(&world.spool.store);
	domains_destroy(&world.domains);
	dns_cache_destroy(&world.dns_cache);
	if (world.names != NULL)
		dns_server_destroy(&world.names);
	loop_destroy(&world.loop);
	top_destroy(&world.top);
	decisions_destroy(&world.decisions);
	limits_destroy(&world.limits);
	blocklist_destroy(&world.blocklist);
	accounts_destroy(&world.accounts);
	buf_fini(&world.back.asked);
	snprintf(command, sizeof(command), "rm -rf %s", world.dir);
	if (system(command) != 0)
		abort();
}

#endif
