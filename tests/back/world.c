#include "tests/back/world.h"

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/id.h"
#include "gateway/base/mem.h"

static const char *const usual_offers[] = {"PIPELINING", "8BITMIME", "SMTPUTF8",
					   "ENHANCEDSTATUSCODES", NULL};

static void
accepted(void *arg, struct spool_msg **msg)
{
	struct world *w = arg;

	pthread_mutex_lock(&w->lock);
	if (w->back)
		back_accepted(w->back, msg);
	else
		spool_msg_destroy(msg);
	pthread_mutex_unlock(&w->lock);
}

static void
open_spool(struct world *w)
{
	char error[256] = "";
	char path[80];
	struct spool_opts opts = {.path = path,
				  .segment_bytes = 4 << 20,
				  .map_bytes = UINT64_C(4) << 30,
				  .reserve_bytes = 1 << 20,
				  .accepted = accepted,
				  .accepted_arg = w};

	snprintf(path, sizeof(path), "%s/spool", w->dir);
	ck_assert_msg(spool_open(&w->spool, &opts, error, sizeof(error)) == 0,
		      "%s", error);
}

void
world_open(struct world *w, const char *const *offers)
{
	memset(w, 0, sizeof(*w));
	pthread_mutex_init(&w->lock, NULL);
	snprintf(w->dir, sizeof(w->dir), "/tmp/sluice-back-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(w->dir));
	id_start(clock_wall_ms(), 0);
	open_spool(w);
	w->loop = loop_create();
	w->sink = sink_create(w->loop, offers ? offers : usual_offers);
	w->host = (struct back_host){
	    .name = "127.0.0.1", .port = sink_port(w->sink), .weight = 1};
	w->hops[0] = (struct back_hop){.name = "hub",
				       .kind = BACK_SMTP,
				       .hosts = &w->host,
				       .host_count = 1,
				       .connection_max = 4,
				       .messages_max = 1000,
				       .timeout_ms = 5000,
				       .idle_ms = 2000};
	w->routes[0] = (struct back_route){.hop = 0};
	w->retry_s[0] = 1;
	w->retry_s[1] = 2;
	w->own_domains[0] = "example.org";
	w->own_domains[1] = ".ours.test";
	w->conf = (struct back_conf){.hostname = "gate.example.org",
				     .postmaster = "postmaster@example.org",
				     .own_domains = w->own_domains,
				     .own_domain_count = 2,
				     .hops = w->hops,
				     .hop_count = 1,
				     .routes = w->routes,
				     .route_count = 1,
				     .retry_s = w->retry_s,
				     .retry_count = 2,
				     .expire_s = 345600,
				     .dns.servers = "127.0.0.1:9"};
}

static void
on_dead_domain(void *arg, const char *cred, const struct ip_addr *ip,
	       const char *from, const char *domain)
{
	struct world *w = arg;
	char text[IP_TEXT_SIZE];

	ip_format(ip, text);
	snprintf(w->dead_last, sizeof(w->dead_last), "%s %s %s %s", cred, text,
		 from, domain);
	w->dead_count++;
}

void
world_domains(struct world *w, bool loopback)
{
	struct dns_cache_conf cache = {.loopback = loopback,
				       .self = "gate.lab"};
	struct domains_conf domains = {.check = true, .refuse_first = 20};

	w->dns_cache = dns_cache_create(&cache);
	w->domains = domains_create(&domains);
}

void
world_quarantine(struct world *w)
{
	char error[256] = "", path[80];

	snprintf(path, sizeof(path), "%s/spool", w->dir);
	ck_assert_msg(quarantine_open(&w->quarantine, path,
				      spool_store(w->spool), error,
				      sizeof(error)) == 0,
		      "%s", error);
}

/* --- campaigns ------------------------------------------------------------ */

struct changing {
	struct spool_change op;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool done;
};

static void
on_changed(struct spool_change *op)
{
	struct changing *c = (struct changing *)op;

	pthread_mutex_lock(&c->lock);
	c->done = true;
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
}

void
world_commit(struct world *w, const struct store_change *changes, size_t count)
{
	struct changing c = {.op = {.changes = changes,
				    .change_count = count,
				    .done = on_changed}};

	pthread_mutex_init(&c.lock, NULL);
	pthread_cond_init(&c.wake, NULL);
	spool_change_start(w->spool, &c.op);
	pthread_mutex_lock(&c.lock);
	while (!c.done)
		pthread_cond_wait(&c.wake, &c.lock);
	pthread_mutex_unlock(&c.lock);
	ck_assert_int_eq(c.op.err, 0);
}

void
world_campaigns(struct world *w)
{
	w->campaigns = campaigns_create();
	ck_assert_int_eq(campaigns_load(w->campaigns, spool_store(w->spool)),
			 0);
	w->suppress = suppress_create();
	ck_assert_int_eq(suppress_load(w->suppress, spool_store(w->spool)), 0);
}

void
world_join(struct world *w, const struct campaign_mail *mail,
	   struct campaign_join *join)
{
	struct arena *arena = arena_create(1024);

	campaign_join(w->campaigns, mail, clock_wall_s(), arena, join);
	if (join->change_count > 0)
		world_commit(w, join->changes, join->change_count);
	campaign_join_end(w->campaigns, join, true);
	arena_destroy(&arena);
}

uint64_t
world_campaign(struct world *w, const char *cred, uint32_t recipients)
{
	struct campaign_mail mail = {.id = id_next(),
				     .cred = cred,
				     .owner = "pr@example.org",
				     .subject = SLICE_LIT("The report"),
				     .recipients = recipients,
				     .given = CAMPAIGN_WHY_RECIPIENTS};
	struct campaign_join join;

	world_join(w, &mail, &join);
	ck_assert(join.fresh);
	return join.id;
}

int
world_order(struct world *w, const struct campaign_order *order)
{
	struct arena *arena = arena_create(1024);
	struct store_change changed;
	int err = campaign_order(w->campaigns, order, clock_wall_s(), arena,
				 &changed);

	if (err == 0)
		world_commit(w, &changed, 1);
	arena_destroy(&arena);
	return err;
}

struct campaign_view
world_view(struct world *w, uint64_t campaign)
{
	struct campaign_view view;

	ck_assert_int_eq(
	    campaign_get(w->campaigns, campaign, clock_wall_s(), &view), 0);
	return view;
}

/* --- what runs ------------------------------------------------------------ */

void
world_start(struct world *w)
{
	struct back_opts opts = {.spool = w->spool,
				 .blocklist = w->blocklist,
				 .dns_cache = w->dns_cache,
				 .domains = w->domains,
				 .scan = w->scan,
				 .quarantine = w->quarantine,
				 .campaigns = w->campaigns,
				 .suppress = w->suppress,
				 .dead_domain = on_dead_domain,
				 .dead_domain_arg = w,
				 .conf = &w->conf};
	char error[256] = "";
	struct back *back;

	ck_assert_msg(back_start(&back, &opts, error, sizeof(error)) == 0, "%s",
		      error);
	pthread_mutex_lock(&w->lock);
	w->back = back;
	pthread_mutex_unlock(&w->lock);
}

void
world_stop(struct world *w, int64_t grace_ms)
{
	struct back *back = w->back;

	pthread_mutex_lock(&w->lock);
	w->back = NULL;
	pthread_mutex_unlock(&w->lock);
	back_stop(&back, grace_ms);
}

void
world_reopen_spool(struct world *w)
{
	bool quarantine = w->quarantine != NULL;
	bool campaigns = w->campaigns != NULL;

	quarantine_close(&w->quarantine);
	campaigns_destroy(&w->campaigns);
	suppress_destroy(&w->suppress);
	spool_close(&w->spool);
	open_spool(w);
	if (campaigns)
		world_campaigns(w);
	if (quarantine)
		world_quarantine(w);
}

void
world_close(struct world *w)
{
	char command[128];

	world_stop(w, 3000);
	campaigns_destroy(&w->campaigns);
	suppress_destroy(&w->suppress);
	quarantine_close(&w->quarantine);
	sink_destroy(&w->sink);
	loop_destroy(&w->loop);
	spool_close(&w->spool);
	blocklist_destroy(&w->blocklist);
	domains_destroy(&w->domains);
	dns_cache_destroy(&w->dns_cache);
	snprintf(command, sizeof(command), "rm -rf '%s'", w->dir);
	ck_assert_int_eq(system(command), 0);
}

uint64_t
world_block(struct world *w, enum block_kind kind, enum block_action action,
	    const char *value)
{
	struct block block = {.kind = kind,
			      .action = action,
			      .value = value,
			      .made_wall_s = clock_wall_s(),
			      .author = "test",
			      .reason = ""};
	uint64_t id;

	if (!w->blocklist)
		w->blocklist = blocklist_create();
	block.id = id_next();
	ck_assert_int_eq(blocklist_add(w->blocklist, &block, &id, NULL), 0);
	return id;
}

void
world_unblock(struct world *w, enum block_kind kind, enum block_action action,
	      const char *value)
{
	uint64_t id;

	ck_assert_int_eq(blocklist_del(w->blocklist, kind, action,
				       slice_str(value), &id, NULL),
			 0);
}

static _Atomic bool work_done;

static void
on_work_done(struct back_work *work)
{
	(void)work;
	work_done = true;
}

void
world_work(struct world *w, struct back_work *work)
{
	work_done = false;
	work->done = on_work_done;
	back_work_start(w->back, work);
	UNTIL(w, work_done, "a work ends");
}

void
world_maildir(struct world *w)
{
	static char path[96];

	snprintf(path, sizeof(path), "%s/deep/mail", w->dir);
	w->hops[0] = (struct back_hop){
	    .name = "box", .kind = BACK_MAILDIR, .maildir = path};
}

struct waiting {
	struct spool_accept op;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool done;
	uint64_t id;
};

static void
on_done(struct spool_accept *op)
{
	struct waiting *w = (struct waiting *)op;

	pthread_mutex_lock(&w->lock);
	w->done = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
}

static struct spool_msg *
make_msg(const struct letter *letter)
{
	struct spool_msg *msg = spool_msg_create();
	struct slice rest = slice_str(letter->to), to;
	struct arena *arena = msg->arena;

	msg->id = id_next();
	msg->accepted_wall_ms = clock_wall_ms() - letter->age_s * 1000;
	msg->cred =
	    arena_dup(arena, slice_str(letter->cred ? letter->cred : "ann"));
	ck_assert_int_eq(
	    ip_parse(slice_str(letter->ip ? letter->ip : "192.0.2.1"),
		     &msg->client),
	    0);
	msg->session = "s1";
	msg->mail_from = arena_dup(
	    arena, slice_str(letter->from ? letter->from : "ann@example.org"));
	msg->owner = arena_dup(arena, slice_str(letter->owner));
	msg->envid = arena_dup(arena, slice_str(letter->envid));
	msg->ret = letter->ret;
	msg->lane = letter->lane;
	msg->flags = letter->flags;
	msg->campaign = letter->campaign;
	if (letter->campaign != 0)
		msg->lane = LANE_BULK;
	msg->prefix = SLICE_LIT("Received: by gate.example.org\r\n");
	if (letter->prefix != NULL)
		msg->prefix =
		    slice_of(arena_dup(arena, slice_str(letter->prefix)),
			     strlen(letter->prefix));
	while (slice_split(&rest, ' ', &to)) {
		struct spool_rcpt *rcpt = spool_msg_add_rcpt(msg, to);

		rcpt->notify = letter->notify;
		rcpt->domain = letter->domain;
		if (slice_starts(to, SLICE_LIT("fine")))
			rcpt->domain = RCPT_DOMAIN_FINE;
		if (slice_starts(to, SLICE_LIT("dead"))) {
			rcpt->domain = RCPT_DOMAIN_DEAD;
			rcpt->domain_why = DOMAIN_WHY_NXDOMAIN;
		}
		if (letter->holds != 0)
			rcpt->state = RCPT_HELD;
		rcpt->holds = letter->holds;
		rcpt->next_wall_s = letter->next_wall_s;
		rcpt->orcpt = arena_dup(arena, slice_str(letter->orcpt));
	}
	return msg;
}

static const char small[] = "From: ann@example.org\r\n"
			    "Subject: hello\r\n"
			    "\r\n"
			    ".a line that begins with a dot\r\n"
			    "the body\r\n";

static void
accept_begin(struct world *w, const struct letter *letter, struct waiting *wait)
{
	uint8_t digest[DIGEST_SIZE];

	memset(wait, 0, sizeof(*wait));
	pthread_mutex_init(&wait->lock, NULL);
	pthread_cond_init(&wait->wake, NULL);
	wait->op.msg = make_msg(letter);
	wait->id = wait->op.msg->id;
	wait->op.body = spool_body_create(w->spool);
	spool_body_add(wait->op.body,
		       slice_str(letter->body ? letter->body : small));
	spool_body_end(wait->op.body, digest);
	wait->op.done = on_done;
	spool_accept_start(w->spool, &wait->op);
}

static void
accept_end(struct waiting *wait)
{
	pthread_mutex_lock(&wait->lock);
	while (!wait->done)
		pthread_cond_wait(&wait->wake, &wait->lock);
	pthread_mutex_unlock(&wait->lock);
	ck_assert_int_eq(wait->op.answer, SPOOL_ACCEPTED);
}

uint64_t
world_accept(struct world *w, const struct letter *letter)
{
	struct waiting wait;

	accept_begin(w, letter, &wait);
	accept_end(&wait);
	return wait.id;
}

#define TOGETHER 500

void
world_accept_many(struct world *w, const struct letter *letter, unsigned count)
{
	struct waiting *waits = mem_array(TOGETHER, sizeof(*waits));

	while (count > 0) {
		unsigned n = count < TOGETHER ? count : TOGETHER;

		for (unsigned i = 0; i < n; i++)
			accept_begin(w, letter, &waits[i]);
		for (unsigned i = 0; i < n; i++)
			accept_end(&waits[i]);
		count -= n;
	}
	free(waits);
}

struct spool_ledger
world_ledger(struct world *w)
{
	struct spool_ledger ledger;

	ck_assert_int_eq(spool_ledger_read(w->spool, &ledger), 0);
	return ledger;
}

static bool
alter_file(const char *path, const char *bytes)
{
	size_t n = strlen(bytes);
	char *all, *at;
	off_t size;
	int fd = open(path, O_RDWR);

	if (fd < 0)
		return false;
	size = lseek(fd, 0, SEEK_END);
	all = mem_alloc((size_t)size + 1);
	ck_assert_int_eq(pread(fd, all, (size_t)size, 0), size);
	at = memmem(all, (size_t)size, bytes, n);
	if (at)
		ck_assert_int_eq(pwrite(fd, "X", 1, at - all), 1);
	free(all);
	close(fd);
	return at != NULL;
}

static bool
alter_below(const char *dir, const char *bytes)
{
	struct dirent *entry;
	DIR *d = opendir(dir);
	bool found = false;
	char path[600];

	if (!d)
		return false;
	while (!found && (entry = readdir(d)) != NULL) {
		if (entry->d_name[0] == '.' ||
		    strstr(entry->d_name, ".mdb") != NULL)
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		found = entry->d_type == DT_DIR ? alter_below(path, bytes)
						: alter_file(path, bytes);
	}
	closedir(d);
	return found;
}

void
world_alter(struct world *w, const char *bytes)
{
	ck_assert(alter_below(w->dir, bytes));
}
