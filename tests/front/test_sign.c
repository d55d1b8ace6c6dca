#include <pthread.h>
#include <stddef.h>

#include "gateway/base/error.h"
#include "tests/front/world.h"

/*
 * Signing at the dot, with a pool in the hand of the test: it works when it is
 * told to, or fails, and meanwhile clients leave and fronts stop. What others
 * say of the signatures is the scenario's business.
 */

#define KEY                                                              \
	"-----BEGIN PRIVATE KEY-----\n"                                  \
	"MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMc\n" \
	"rn9g\n"                                                         \
	"-----END PRIVATE KEY-----\n"

struct dkim_pool {
	pthread_mutex_t lock;
	bool hold; /* works when let go */
	int err;   /* of every job */
	struct dkim_job *held[8];
	unsigned count, started;
};

static struct dkim_pool pool;
static struct dkim_keys *keys;
static struct client client;

static void
work(struct dkim_job *job)
{
	buf_init(&job->fields, DKIM_FIELDS_MAX);
	job->err =
	    pool.err != 0 ? pool.err : dkim_sign(&job->signing, &job->fields);
	job->done(job);
}

/* Instead of gateway/dkim's. */
void
dkim_pool_start(struct dkim_pool *p, struct dkim_job *job)
{
	bool hold;

	pthread_mutex_lock(&p->lock);
	hold = p->hold;
	if (hold)
		p->held[p->count++] = job;
	p->started++;
	pthread_mutex_unlock(&p->lock);
	if (!hold)
		work(job);
}

static void
let_go(void)
{
	pthread_mutex_lock(&pool.lock);
	pool.hold = false;
	while (pool.count > 0)
		work(pool.held[--pool.count]);
	pthread_mutex_unlock(&pool.lock);
}

static void
held(unsigned count)
{
	bool there = false;

	while (!there) {
		usleep(1000);
		pthread_mutex_lock(&pool.lock);
		there = pool.count == count;
		pthread_mutex_unlock(&pool.lock);
	}
}

static struct front_status
status(void)
{
	struct front_status s;

	front_status_get(world.front, &s);
	return s;
}

static void
open_with(bool bulk_only, const struct campaigns_conf *bulk)
{
	struct dkim_domain *domain;
	const char *why;
	struct dkim_key *key = dkim_key_parse(SLICE_LIT(KEY), &why);

	memset(&pool, 0, sizeof(pool));
	pthread_mutex_init(&pool.lock, NULL);
	keys = dkim_keys_create();
	domain = dkim_keys_add(keys, "example.com");
	domain->bulk = bulk_only;
	ck_assert(dkim_domain_add(domain, "s", &key));
	world_open(&(struct world_conf){
	    .dkim = keys,
	    .signer = &pool,
	    .bulk = bulk,
	    .unsubscribe = "https://e.org/{campaign}/{message}/{x}",
	});
	dkim_keys_release(&keys); /* the front has its own */
	client_login(&client, "alice");
}

static void
close_all(void)
{
	close(client.fd);
	world_close();
}

/* --- which --- */

static const struct {
	const char *label, *content;
	bool is_signed;
} mails[] = {
    {"ours", "From: a@example.com\r\n\r\nx\r\n", true},
    {"no body", "From: a@example.com\r\n", true},
    {"its name", "From: \"a, b@c\" <a@Example.COM>\r\n\r\nx\r\n", true},
    {"folded", "From:\r\n a@example.com\r\n\r\nx\r\n", true},
    {"another's", "From: a@example.org\r\n\r\nx\r\n", false},
    {"below", "From: a@sub.example.com\r\n\r\nx\r\n", false},
    {"two", "From: a@example.com, b@example.com\r\n\r\nx\r\n", false},
    {"no From", "Subject: x\r\n\r\nx\r\n", false},
    {"no header", "hello\r\n", false},
    {"nothing", "", false},
    {"not read", "From: a@example.com <\r\n\r\nx\r\n", false},
    {"a line that is no field", "From: a@example.com\r\nx\r\nY: z\r\n\r\nx\r\n",
     false},
};

START_TEST(which)
{
	open_with(false, NULL);
	client_mail(&client, "alice@example.com", mails[_i].content, "250");
	world_accepts(&world, 1);
	ck_assert_msg((strncmp(world.prefix, "DKIM-Signature: ", 16) == 0) ==
			  mails[_i].is_signed,
		      "%s: %s", mails[_i].label, world.prefix);
	ck_assert_ptr_nonnull(strstr(world.prefix, "Received: "));
	ck_assert_uint_eq(status().dkim_signed, mails[_i].is_signed);
	ck_assert_uint_eq(pool.started, mails[_i].is_signed);
	close_all();
}
END_TEST

/* --- lanes, and the reader's link --- */

START_TEST(bulk_only)
{
	static const struct campaigns_conf bulk = {.headers = true};
	char link[256], id[ID_TEXT_SIZE];

	open_with(true, &bulk);
	client_mail(&client, "alice@example.com",
		    "From: a@example.com\r\n\r\nx\r\n", "250");
	world_accepts(&world, 1);
	ck_assert_ptr_null(strstr(world.prefix, "DKIM-Signature"));
	client_mail(&client, "alice@example.com",
		    "From: a@example.com\r\nList-Id: <l.example.com>\r\n\r\n"
		    "x\r\n",
		    "250");
	world_accepts(&world, 2);
	id_format(world.id, id);
	snprintf(link, sizeof(link),
		 "\r\nList-Unsubscribe: <https://e.org/C%llu/%s/{x}>\r\n"
		 "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
		 (unsigned long long)world.campaign, id);
	ck_assert_ptr_nonnull(strstr(world.prefix, "DKIM-Signature"));
	ck_assert_msg(strstr(world.prefix, link) != NULL, "%s", world.prefix);
	close_all();
}
END_TEST

/* A link that nothing covers must not stand there. */
START_TEST(no_link_unsigned)
{
	static const struct campaigns_conf bulk = {.headers = true};

	open_with(false, &bulk);
	pool.err = GW_EIO;
	client_mail(&client, "alice@example.com",
		    "From: a@example.com\r\nList-Id: <l.example.com>\r\n\r\n"
		    "x\r\n",
		    "250");
	world_accepts(&world, 1);
	ck_assert_ptr_null(strstr(world.prefix, "DKIM-Signature"));
	ck_assert_ptr_null(strstr(world.prefix, "List-Unsubscribe"));
	ck_assert_uint_eq(status().dkim_failed, 1);
	close_all();
}
END_TEST

/* --- while it is being signed --- */

static void
send_held_with(const char *fields)
{
	pool.hold = true;
	client_say(&client, "MAIL FROM:<alice@example.com>", "250");
	client_say(&client, "RCPT TO:<r@example.net>", "250");
	client_say(&client, "DATA", "354");
	client_send(&client, fields);
	client_send(&client, "From: a@example.com\r\n\r\nx\r\n.\r\n");
	held(1);
}

static void
send_held(void)
{
	send_held_with("");
}

START_TEST(waits)
{
	open_with(false, NULL);
	send_held();
	ck_assert_int_eq(world.accepted, 0);
	let_go();
	client_next(&client, "250", "the dot");
	world_accepts(&world, 1);
	client_mail(&client, "alice@example.com",
		    "From: a@example.com\r\n\r\ny\r\n", "250");
	close_all();
}
END_TEST

/* Nobody was told 250: nothing is kept. */
START_TEST(client_leaves)
{
	open_with(false, NULL);
	send_held();
	close(client.fd);
	while (status().sessions > 0)
		usleep(1000);
	let_go();
	client_login(&client, "alice");
	client_mail(&client, "alice@example.com",
		    "From: a@example.com\r\n\r\ny\r\n", "250");
	world_accepts(&world, 1);
	close_all();
}
END_TEST

/* And it was counted already: not any more. */
START_TEST(a_campaign_that_leaves)
{
	static const struct campaigns_conf bulk = {.headers = true};
	struct campaigns_status count;

	open_with(false, &bulk);
	send_held_with("List-Id: <l.example.com>\r\n");
	campaigns_status_get(world.campaigns, &count);
	ck_assert_uint_eq(count.by_state[CAMPAIGN_RUNNING], 1);
	close(client.fd);
	while (status().sessions > 0)
		usleep(1000);
	let_go();
	campaigns_status_get(world.campaigns, &count);
	ck_assert_uint_eq(count.by_state[CAMPAIGN_RUNNING], 0);
	client_login(&client, "alice");
	close_all();
}
END_TEST

static void *
late(void *arg)
{
	(void)arg;
	usleep(200000);
	let_go();
	return NULL;
}

/* The front ends when the pool has given back what is its. */
START_TEST(front_stops)
{
	pthread_t thread;

	open_with(false, NULL);
	send_held();
	pthread_create(&thread, NULL, late, NULL);
	close_all();
	pthread_join(thread, NULL);
	ck_assert_int_eq(world.accepted, 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("sign");
	TCase *t = tcase_create("sign");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, which, 0,
			    (int)(sizeof(mails) / sizeof(mails[0])));
	tcase_add_test(t, bulk_only);
	tcase_add_test(t, no_link_unsigned);
	tcase_add_test(t, waits);
	tcase_add_test(t, client_leaves);
	tcase_add_test(t, a_campaign_that_leaves);
	tcase_add_test(t, front_stops);
	suite_add_tcase(suite, t);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
