/*
 * Fills a spool with campaigns that wait, straight through the spool: a daemon
 * would take longer, and it is the queue that is measured. The daemon that is
 * started on it then finds them paused. Prints one JSON line; fewer recipients
 * than asked for if SECONDS were not enough.
 *
 *   bench_fill DIR RECIPIENTS PER_MESSAGE CAMPAIGNS SECONDS
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/id.h"
#include "gateway/base/mem.h"
#include "gateway/campaign/campaign.h"
#include "gateway/spool/spool.h"

enum { SLOTS = 1024, DOMAINS = 500 };

static const char content[] =
    "From: Bench <bench@example.com>\r\nTo: everybody@example.com\r\n"
    "Subject: the annual report\r\nDate: Sun, 22 Nov 2026 12:00:00 +0000\r\n"
    "Message-ID: <fill@bench.example.com>\r\n\r\n"
    "this year was a good one for all of us, and the report tells of it.\r\n";

struct slot {
	struct spool_accept accept;
	struct campaign_join join;
	struct arena *arena; /* of its changes */
	struct slot *next;
};

static struct spool *spool;
static struct campaigns *campaigns;
static uint64_t accepted, refused;
static int64_t run; /* when it began */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static struct slot *answered;
static bool changed;

/* On the store thread, all three. */
static void
forget(void *arg, struct spool_msg **msg)
{
	(void)arg;
	spool_msg_destroy(msg);
}

static void
on_accept(struct spool_accept *op)
{
	struct slot *slot =
	    (struct slot *)((char *)op - offsetof(struct slot, accept));

	pthread_mutex_lock(&lock);
	slot->next = answered;
	answered = slot;
	pthread_cond_signal(&wake);
	pthread_mutex_unlock(&lock);
}

static void
on_change(struct spool_change *op)
{
	(void)op;
	pthread_mutex_lock(&lock);
	changed = true;
	pthread_cond_signal(&wake);
	pthread_mutex_unlock(&lock);
}

static struct slot *
collect(void)
{
	struct slot *all;

	pthread_mutex_lock(&lock);
	while (answered == NULL)
		pthread_cond_wait(&wake, &lock);
	all = answered;
	answered = NULL;
	pthread_mutex_unlock(&lock);
	for (struct slot *slot = all; slot != NULL; slot = slot->next) {
		bool good = slot->accept.answer == SPOOL_ACCEPTED;

		campaign_join_end(campaigns, &slot->join, good);
		accepted += good ? slot->join.count : 0;
		refused += !good;
		arena_destroy(&slot->arena);
	}
	return all;
}

static struct spool_msg *
message(uint64_t first, uint32_t count)
{
	struct spool_msg *msg = spool_msg_create();
	char address[64];

	msg->id = id_next();
	msg->accepted_wall_ms = clock_wall_ms();
	msg->cred = arena_dup(msg->arena, slice_str("bench"));
	msg->session = arena_dup(msg->arena, slice_str("0123456789abc"));
	msg->mail_from = arena_dup(msg->arena, slice_str("bench@example.com"));
	msg->owner = arena_dup(msg->arena, slice_str("bench@example.com"));
	msg->prefix = SLICE_LIT("Received: from client by gateway; today\r\n");
	msg->lane = LANE_BULK;
	for (uint64_t n = first; n < first + count; n++) {
		int length = snprintf(
		    address, sizeof(address), "r%llu@d%llu.people.example",
		    (unsigned long long)n, (unsigned long long)(n % DOMAINS));

		spool_msg_add_rcpt(msg, slice_of(address, (size_t)length));
	}
	return msg;
}

static void
submit(struct slot *slot, uint64_t first, uint32_t count, uint32_t campaign)
{
	struct spool_msg *msg = message(first, count);
	struct spool_body *body = spool_body_create(spool);
	struct campaign_mail mail = {
	    .id = msg->id,
	    .cred = "bench",
	    .owner = "bench@example.com",
	    .subject = SLICE_LIT("the annual report"),
	    .recipients = count,
	    .given = CAMPAIGN_WHY_CHOSEN,
	};

	/* of its number, and of this run */
	memcpy(mail.shape.exact, &run, sizeof(run));
	memcpy(mail.shape.exact + sizeof(run), &campaign, sizeof(campaign));
	slot->arena = arena_create(2048);
	campaign_join(campaigns, &mail, clock_wall_s(), slot->arena,
		      &slot->join);
	msg->campaign = slot->join.id;
	spool_body_add(body, slice_of(content, sizeof(content) - 1));
	spool_body_end(body, msg->body.digest);
	slot->accept = (struct spool_accept){
	    .msg = msg,
	    .body = body,
	    .changes = slot->join.changes,
	    .change_count = slot->join.change_count,
	    .done = on_accept,
	};
	spool_accept_start(spool, &slot->accept);
}

static void
fill(uint64_t recipients, uint32_t per_message, uint32_t count, int64_t until)
{
	struct slot *slots = mem_array(SLOTS, sizeof(*slots));
	/* large messages: a batch of them would not fit into a transaction */
	uint32_t width = SLOTS / (1 + per_message / 64), busy = 0;
	struct slot *unused = NULL;
	uint64_t n = 0;

	if (width < 2)
		width = 2;
	for (uint32_t i = 0; i < width; i++) {
		slots[i].next = unused;
		unused = &slots[i];
	}
	while (busy > 0 || (n < recipients && clock_mono_ms() < until)) {
		while (unused != NULL && n < recipients &&
		       clock_mono_ms() < until) {
			uint64_t some = recipients - n;
			struct slot *slot = unused;

			if (some > per_message)
				some = per_message;
			unused = slot->next;
			submit(slot, n, (uint32_t)some,
			       (uint32_t)(n * count / recipients));
			n += some;
			busy++;
		}
		if (busy == 0)
			break;
		for (struct slot *slot = collect(), *next; slot != NULL;
		     slot = next) {
			next = slot->next;
			slot->next = unused;
			unused = slot;
			busy--;
		}
	}
	free(slots);
}

/* Nothing of them goes before somebody says so. */
static void
pause_all(void)
{
	uint64_t ids[256];
	size_t n = campaigns_list(campaigns, 0, ids, 256);

	for (size_t i = 0; i < n; i++) {
		struct campaign_order order = {.id = ids[i],
					       .state = CAMPAIGN_PAUSED,
					       .rate_per_h = -1,
					       .connections = -1};
		struct arena *arena = arena_create(1024);
		struct store_change change;
		struct spool_change op = {
		    .changes = &change, .change_count = 1, .done = on_change};

		if (campaign_order(campaigns, &order, clock_wall_s(), arena,
				   &change) == 0) {
			changed = false;
			spool_change_start(spool, &op);
			pthread_mutex_lock(&lock);
			while (!changed)
				pthread_cond_wait(&wake, &lock);
			pthread_mutex_unlock(&lock);
		}
		arena_destroy(&arena);
	}
}

int
main(int argc, char **argv)
{
	struct spool_opts opts = {.accepted = forget};
	struct campaigns_conf conf = {.recipients = 0};
	char error[256];
	int64_t began;

	if (argc != 6) {
		fprintf(stderr, "usage: bench_fill DIR RECIPIENTS PER_MESSAGE "
				"CAMPAIGNS SECONDS\n");
		return 64;
	}
	opts.path = argv[1];
	id_start(clock_wall_ms(), 0);
	if (spool_open(&spool, &opts, error, sizeof(error)) != 0) {
		fprintf(stderr, "%s\n", error);
		return 1;
	}
	campaigns = campaigns_create();
	campaigns_configure(campaigns, &conf);
	if (campaigns_load(campaigns, spool_store(spool)) != 0)
		return 1;
	run = clock_wall_ms();
	began = clock_mono_ms();
	fill((uint64_t)atoll(argv[2]), (uint32_t)atoi(argv[3]),
	     (uint32_t)atoi(argv[4]), began + atoll(argv[5]) * 1000);
	pause_all();
	spool_close(&spool);
	campaigns_destroy(&campaigns);
	printf("{\"recipients\":%llu,\"refused\":%llu,\"seconds\":%.1f}\n",
	       (unsigned long long)accepted, (unsigned long long)refused,
	       (double)(clock_mono_ms() - began) / 1000);
	return refused > 0;
}
