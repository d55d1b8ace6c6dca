/* sluice campaign: what is said, what is asked of back,
 * what stands on disk and in the trail. */
#include "gateway/control/campaign_chores.h"
#include "gateway/control/campaign_text.h"
#include "gateway/control/control_int.h"
#include "tests/control/trail.h"

/* One of so many recipients; its records are on disk. */
static uint64_t
add_campaign(uint64_t message, const char *subject, uint32_t recipients)
{
	const struct campaign_mail mail = {.id = message,
					   .cred = "ann",
					   .owner = "ann@example.com",
					   .subject = slice_str(subject),
					   .recipients = recipients,
					   .given = CAMPAIGN_WHY_CHOSEN};
	struct arena *arena = arena_create(1024);
	struct campaign_join join = {.id = 0};
	struct store_txn *txn;

	campaign_join(world.campaigns, &mail, clock_wall_s(), arena, &join);
	ck_assert_uint_ne(join.id, 0);
	txn = store_write(world.spool.store);
	store_apply(txn, join.changes, join.change_count);
	ck_assert_int_eq(store_commit(&txn), 0);
	campaign_join_end(world.campaigns, &join, true);
	arena_destroy(&arena);
	return join.id;
}

static void
count(uint64_t id, int what, int64_t n)
{
	(void)campaign_count(world.campaigns, id, (enum campaign_count)what, n,
			     clock_wall_s());
}

/* C1 with all sorts of ends, C2 whose subject is an attack. */
static void
start(void)
{
	struct campaign_order run = {
	    .state = CAMPAIGN_RUNNING, .rate_per_h = -1, .connections = -1};
	struct arena *arena = arena_create(1024);
	struct store_change change;

	world_start(true, NULL);
	ck_assert_uint_eq(add_campaign(100, "Annual report", 2140), 1);
	ck_assert_uint_eq(add_campaign(101, "\033[2J\nhidden", 5), 2);
	for (run.id = 1; run.id <= 2; run.id++)
		(void)campaign_order(world.campaigns, &run, clock_wall_s(),
				     arena, &change);
	count(1, CAMPAIGN_DELIVERED, 924);
	count(1, CAMPAIGN_BOUNCED + BOUNCE_MAILBOX, 20);
	count(1, CAMPAIGN_DEAD, 11);
	count(1, CAMPAIGN_SUPPRESSED, 12);
	arena_destroy(&arena);
	world.back.answer =
	    (struct back_work){.messages = 1, .recipients = 1173, .busy = 3};
}

static const char *
state_of(uint64_t id)
{
	struct campaign_view view;

	ck_assert_int_eq(
	    campaign_get(world.campaigns, id, clock_wall_s(), &view), 0);
	return campaign_state_word(view.state);
}

/* As a restart finds it. */
static struct campaign_view
on_disk(uint64_t id)
{
	struct campaigns *again = campaigns_create();
	struct campaign_view view;

	ck_assert_int_eq(campaigns_load(again, world.spool.store), 0);
	ck_assert_int_eq(campaign_get(again, id, clock_wall_s(), &view), 0);
	campaigns_destroy(&again);
	return view;
}

static const char *
state_on_disk(uint64_t id)
{
	return campaign_state_word(on_disk(id).state);
}

START_TEST(looks)
{
	static const struct {
		const char *words;
		int exit;
		const char *said;
	} rows[] = {
	    {"campaign list", 0,
	     "C1     running  ann                 2,140   45%     31  "},
	    {"campaign list", 0, "  -      [2J hidden"},
	    {"campaign list --state paused", 0, ""},
	    {"campaign list --state bad", 2, "--state is checking"},
	    {"campaign list --cred nobody", 0, ""},
	    {"campaign show C1", 0, "report to    ann@example.com"},
	    {"campaign show c1", 0, "because of   the sender chose it"},
	    {"campaign show 1", 0,
	     "recipients   2,140: 924 sent, 31 failed, 1,173 left"},
	    {"campaign show 1", 0,
	     "  failed     dead-domain 11, bad-mailbox 20\n"
	     "  left out   suppressed 12\n"},
	    {"campaign show C2", 0, "C2   [2J hidden"},
	    {"campaign show C3", 1, "there is no campaign C3"},
	    {"campaign show C0", 2, "ID is a campaign's"},
	    {"campaign show Cx", 2, "ID is a campaign's"},
	    {"campaign show", 2, "ID is missing"},
	    {"campaign C1", 2, "did you mean 'sluice campaign show C1'?"},
	    {"campaigns", 2, "did you mean 'sluice campaign list'?"},
	    {"campaign report C1", 0, ""},
	    {"campaign report C1 --csv", 0,
	     "recipient,state,class,code,text,time"},
	    {"status", 0,
	     "campaigns    2 running, 0 paused, 0 ended; 1,178 recipients "
	     "left"},
	    {"stats", 0, "campaign_left_recipients=1178\n"},
	    {"queue list --campaign x", 2, "--campaign takes its number"},
	    {"hold --campaign C1 --yes", 2, "'sluice campaign pause C1'"},
	};

	start();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect(rows[i].words, NULL, rows[i].exit, rows[i].said);
	world_stop();
}
END_TEST

START_TEST(json)
{
	struct answer a;

	start();
	a = command("campaign list", NULL, true);
	ck_assert_ptr_nonnull(strstr(
	    buf_cstr(&a.out), "{\"id\":1,\"owner\":\"ann\",\"report_to\":"
			      "\"ann@example.com\",\"name\":\"Annual "
			      "report\",\"state\":\"running\""));
	ck_assert_ptr_nonnull(
	    strstr(buf_cstr(&a.out),
		   "\"recipients\":2140,\"sent\":924,\"failed\":31,\"left\":"
		   "1173,\"dead_domain\":11,\"suppressed\":12"));
	ck_assert_ptr_nonnull(
	    strstr(buf_cstr(&a.out), "\"bounced\":{\"bad-mailbox\":20,"));
	answer_fini(&a);
	world_stop();
}
END_TEST

/* One line, no control character, and the client is to ask again. */
START_TEST(watching)
{
	struct answer a;

	start();
	a = command("campaign show C1 --watch", NULL, false);
	ck_assert_int_eq(a.exit, EXIT_AGAIN);
	ck_assert_ptr_eq(strchr(buf_cstr(&a.out), '\n') + 1,
			 buf_cstr(&a.out) + a.out.n);
	ck_assert_ptr_eq(strstr(buf_cstr(&a.out),
				"C1 running 45 %  924 of 2,140 sent, 31 "
				"failed"),
			 buf_cstr(&a.out));
	answer_fini(&a);
	expect("campaign cancel C1", NULL, 0, "");
	expect("campaign show C1 --watch", NULL, 0, "C1 canceled");
	world_stop();
}
END_TEST

/* Whatever the numbers, it stays within the terminal's line. */
START_TEST(progress_fits)
{
	struct campaign_view view = {.id = 1, .state = CAMPAIGN_RUNNING};
	struct buf out = {.cap = 1024};

	for (size_t columns = 40; columns < 200; columns += 7) {
		for (uint64_t n = 1; n < 10000000000; n *= 9) {
			view.id = n;
			view.counts[CAMPAIGN_RECIPIENTS] = n;
			view.left = n / 3;
			view.counts[CAMPAIGN_DELIVERED] = n - n / 3;
			view.eta_wall_s = 1800000000;
			buf_clear(&out);
			campaign_progress(&view, 1790000000, columns, &out);
			ck_assert_msg(out.n < columns, "%zu: %s", columns,
				      buf_cstr(&out));
		}
	}
	view = (struct campaign_view){.id = 7, .state = CAMPAIGN_RUNNING};
	view.counts[CAMPAIGN_RECIPIENTS] = 200;
	view.counts[CAMPAIGN_DELIVERED] = 100;
	view.left = 100;
	buf_clear(&out);
	campaign_progress(&view, 1790000000, 80, &out);
	ck_assert_str_eq(buf_cstr(&out),
			 "C7 running [################----------------] 50 %  "
			 "100 of 200 sent, 0 failed");
	/* the last of them is not rounded up */
	view.counts[CAMPAIGN_RECIPIENTS] = 100000;
	view.left = 1;
	ck_assert_uint_eq(campaign_percent(&view), 99);
	view.left = 0;
	ck_assert_uint_eq(campaign_percent(&view), 100);
	buf_fini(&out);
}
END_TEST

/* A line of the list, too: the name is cut. */
START_TEST(line_fits)
{
	struct campaign_view view = {.id = 12345,
				     .state = CAMPAIGN_CANCELED,
				     .ended_wall_s = 1790000000};
	struct buf out = {.cap = 1024};

	memset(view.name, 'x', sizeof(view.name) - 1);
	memset(view.cred, 'y', 100);
	view.counts[CAMPAIGN_RECIPIENTS] = 12345678;
	view.counts[CAMPAIGN_DEAD] = 12345;
	campaign_line(&view, 1790000000, 80, &out);
	ck_assert_msg(out.n == 81, "%s", buf_cstr(&out));
	buf_fini(&out);
}
END_TEST

START_TEST(orders)
{
	static const struct {
		const char *words;
		int exit;
		const char *said, *state;
	} rows[] = {
	    {"campaign pause C1 --reason wrong_price", 0,
	     "C1 is paused: 924 of 2,140 sent, 1,173 left.", "paused"},
	    {"campaign show C1", 0, "To go on: sluice campaign resume C1",
	     "paused"},
	    {"campaign pause C1", 0, "C1 is paused", "paused"},
	    {"campaign resume C1", 0, "C1 is running", "running"},
	    {"campaign rate C1 500/h", 0, "at most 500/h.", "running"},
	    {"campaign rate C1 10/m connections 2", 0,
	     "at most 600/h, 2 connections.", "running"},
	    {"campaign rate C1 connections none", 0, "at most 600/h.",
	     "running"},
	    {"campaign rate C1 none", 0, "1,173 left.", "running"},
	    {"campaign rate C1 500", 2, "RATE is recipients in a time",
	     "running"},
	    {"campaign rate C1 1/d", 2, "RATE is", "running"},
	    {"campaign rate C1 connections", 2, "takes a number", "running"},
	    {"campaign rate C1 5/h 6/h", 2, "RATE is", "running"},
	    {"campaign rate C1", 2, "is missing", "running"},
	    {"campaign pause C9", 1, "there is no campaign C9", "running"},
	    {"campaign cancel C1 --undo", 1, "C1 is not canceled", "running"},
	    {"campaign cancel C1 --undo --bounce", 2, "either", "running"},
	};

	start();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		expect(rows[i].words, NULL, rows[i].exit, rows[i].said);
		ck_assert_str_eq(state_of(1), rows[i].state);
		ck_assert_str_eq(state_of(2), "running");
		ck_assert_str_eq(state_on_disk(1), rows[i].state);
	}
	ck_assert_uint_eq(world.back.campaign, 1);
	ck_assert_uint_eq(world.back.campaign_count, 7);
	ck_assert_str_eq(buf_cstr(&world.back.asked), "");
	trail_has("campaign pause C1 --reason wrong_price (wrong_price) => "
		  "paused, was running");
	trail_has("campaign resume C1 () => running, was paused");
	trail_has("campaign rate C1 500/h () => 500/h, was 0/h; 0 "
		  "connections, was 0");
	world_stop();
}
END_TEST

/* In force, but not durable: said, and exit 1. */
START_TEST(disk_fails)
{
	start();
	world.spool.change_err = GW_EIO;
	expect("campaign pause C1", NULL, 1, "not durable");
	ck_assert_str_eq(state_of(1), "paused");
	expect("campaign cancel C1", NULL, 1, "stays in the queue");
	ck_assert_str_eq(buf_cstr(&world.back.asked), "");
	expect("suppress add bob@example.com", NULL, 1, "not durable");
	world_stop();
}
END_TEST

START_TEST(cancel_and_back)
{
	uint64_t trash;

	start();
	expect(
	    "campaign cancel 1 --reason too_early", NULL, 0,
	    "C1 is canceled: taken out of the queue 1 message, 1,173 "
	    "recipients.\n3 recipients were being delivered just then.\nIts "
	    "owner is sent the report.\nFor 24 hours: sluice campaign cancel "
	    "C1 --undo\n");
	ck_assert_str_eq(buf_cstr(&world.back.asked), "purge campaign=1;");
	ck_assert_str_eq(state_on_disk(1), "canceled");
	trash = world.back.trash;
	ck_assert_uint_ne(trash, 0);
	ck_assert(!on_disk(1).bounce);
	ck_assert_uint_eq(on_disk(1).trash, trash);
	ck_assert_int_gt(world.back.trash_until_wall_s, clock_wall_s() + 86000);
	trail_has("campaign cancel C1 (too_early) => purged 1 messages");
	expect("campaign resume C1", NULL, 1, "--undo' brings it back");
	expect("campaign pause C1", NULL, 1, "C1 is canceled");
	/* the trash is the spool's */
	world.spool.trash[0] =
	    (struct spool_trash){.trash = trash,
				 .messages = 1,
				 .recipients = 1173,
				 .until_wall_s = clock_wall_s() + 86400};
	world.spool.trash_count = 1;
	buf_clear(&world.back.asked);
	world.back.answer.recipients = 1173;
	expect("campaign cancel C1 --undo", NULL, 0,
	       "C1 is back, and paused: 1 message, 1,173 recipients.");
	ck_assert_str_eq(buf_cstr(&world.back.asked), "undo;");
	ck_assert_uint_eq(world.back.trash, trash);
	ck_assert_str_eq(state_on_disk(1), "paused");
	world_stop();
}
END_TEST

START_TEST(cancel_tells_the_owner)
{
	uint64_t trash;

	start();
	expect("campaign cancel C2 --bounce", NULL, 0,
	       "Its owner is sent the report, which names all of them.");
	trash = world.back.trash;
	ck_assert(on_disk(2).bounce);
	ck_assert(!on_disk(2).told);
	ck_assert_uint_eq(on_disk(2).trash, trash);
	trail_has("campaign cancel C2 --bounce () => purged");
	/* once more takes what came back meanwhile, to the others */
	expect("campaign cancel C2", NULL, 0, "C2 is canceled");
	ck_assert_uint_eq(world.back.trash, trash);
	ck_assert(on_disk(2).bounce);
	campaign_told(world.campaigns, 2, on_disk(2).order);
	expect("campaign cancel C2 --bounce", NULL, 0,
	       "Its owner was sent the report before.");
	ck_assert_str_eq(buf_cstr(&world.back.asked),
			 "purge campaign=2;purge campaign=2;purge "
			 "campaign=2;");
	world_stop();
}
END_TEST

/* A queue that takes its time: of many the answer does not wait for it. */
static struct back_work *
begun(const char *words, const char *said)
{
	struct back_work *work;

	world.back.hold_work = true;
	world.back.stuck = NULL;
	expect(words, NULL, 0, said);
	TURN_UNTIL(world.loop, world.back.stuck != NULL);
	work = world.back.stuck;
	world.back.stuck = NULL;
	return work;
}

static void
put_trash(uint64_t trash)
{
	world.spool.trash_count = trash != 0;
	world.spool.trash[0] =
	    (struct spool_trash){.trash = trash,
				 .messages = 1,
				 .until_wall_s = clock_wall_s() + 86400};
}

START_TEST(of_many)
{
	struct back_work *away, *few, *back;
	uint64_t trash;

	start();
	ck_assert_uint_eq(add_campaign(102, "To all", 1000000), 3);
	away = begun("campaign cancel C3 --bounce",
		     "C3 is canceled; its 1,000,000 recipients go to the "
		     "trash.\nHow many are left: sluice campaign show C3\n");
	ck_assert_int_eq(away->verb, BACK_PURGE);
	ck_assert_str_eq(state_on_disk(3), "canceled");
	trash = away->trash;
	ck_assert_uint_ne(trash, 0);
	ck_assert(on_disk(3).bounce);
	/* a few of another one would wait behind it */
	few = begun("campaign cancel C2", "5 recipients go to the trash");
	/* nothing of it is on disk yet */
	back = begun("campaign cancel C3 --undo",
		     "C3 is paused; its 1,000,000 recipients come back");
	ck_assert_int_eq(back->verb, BACK_UNDO);
	ck_assert_uint_eq(back->trash, trash);
	ck_assert_str_eq(state_on_disk(3), "paused");
	expect("campaign resume C3", NULL, 1, "is on its way back");
	expect("campaign cancel C3 --undo", NULL, 1, "back already");
	ck_assert_str_eq(state_of(3), "paused");
	put_trash(trash);
	away->done(away);
	trail_has("campaign cancel C3 --bounce () => purged");
	put_trash(0);
	few->done(few);
	back->done(back);
	trail_has("campaign cancel C3 --undo () => brought back 1 messages, "
		  "1173 recipients");
	expect("campaign resume C3", NULL, 0, "C3 is running");
	world_stop();
}
END_TEST

/* What would come next stays away: it was canceled once more. */
START_TEST(canceled_while_it_comes_back)
{
	struct back_work *away, *back, *again;

	start();
	ck_assert_uint_eq(add_campaign(102, "To all", 1000000), 3);
	away = begun("campaign cancel C3", "go to the trash");
	back = begun("campaign cancel C3 --undo", "come back");
	again = begun("campaign cancel C3", "go to the trash");
	ck_assert_uint_ne(away->trash, again->trash);
	put_trash(again->trash);
	away->done(away);
	back->done(back);
	trail_has("campaign cancel C3 --undo () => brought back");
	again->done(again);
	turn_some(world.loop);
	ck_assert_str_eq(buf_cstr(&world.back.asked),
			 "purge campaign=3;undo;purge campaign=3;");
	ck_assert_str_eq(state_of(3), "canceled");
	world_stop();
}
END_TEST

/* sluiced stops while they are on their way; its next start goes on. */
START_TEST(stopped_on_its_way)
{
	struct back_work *away, *back;

	start();
	ck_assert_uint_eq(add_campaign(102, "To all", 1000000), 3);
	away = begun("campaign cancel C3", "go to the trash");
	back = begun("campaign cancel C3 --undo", "come back");
	control_destroy(&world.control);
	away->done(away);
	back->done(back);
	world_stop();
}
END_TEST

/* An undo that the disk ended: once more, though it is not canceled now. */
START_TEST(undone_in_parts)
{
	uint64_t trash;

	start();
	expect("campaign cancel C1", NULL, 0, "taken out of the queue");
	trash = world.back.trash;
	put_trash(trash);
	world.back.answer.err = GW_ENOSPC;
	expect("campaign cancel C1 --undo", NULL, 1, "not all of it came");
	trail_has("campaign cancel C1 --undo () => failed: ");
	world.back.answer.err = 0;
	expect("campaign cancel C1 --undo", NULL, 0, "C1 is back, and paused");
	ck_assert_uint_eq(world.back.trash, trash);
	world_stop();
}
END_TEST

/* The trail knows nothing of a cancel that the disk did not take: what lay in
 * its trash would be found by nobody. */
START_TEST(canceled_again_after_the_disk_failed)
{
	uint64_t trash;

	start();
	world.spool.change_err = GW_EIO;
	expect("campaign cancel C1", NULL, 1, "stays in the queue");
	world.spool.change_err = 0;
	expect("campaign cancel C1", NULL, 0, "taken out of the queue");
	trash = world.back.trash;
	put_trash(trash);
	ck_assert_uint_eq(on_disk(1).trash, trash);
	buf_clear(&world.back.asked);
	expect("campaign cancel C1 --undo", NULL, 0, "C1 is back, and paused");
	ck_assert_str_eq(buf_cstr(&world.back.asked), "undo;");
	ck_assert_uint_eq(world.back.trash, trash);
	world_stop();
}
END_TEST

/* A stop came between the order and its purge: the chore has the trail, however
 * many came behind it. */
START_TEST(purge_that_never_began)
{
	static const char *const words[] = {"campaign", "cancel", "C1"};
	const struct change_who who = {.words = words, .word_count = 3};
	struct campaign_order order = {.id = 1,
				       .state = CAMPAIGN_CANCELED,
				       .rate_per_h = -1,
				       .connections = -1};
	struct arena *arena = arena_create(1024);
	struct store_change row;
	struct change *change;
	uint64_t id;

	start();
	change = change_create(world.control->changes, &who);
	id = change_id(change);
	change_effect(change, "begun");
	change_commit(&change, NULL, NULL);
	trail_has("campaign cancel C1 () => begun");
	thread_end();
	ck_assert_int_eq(campaign_order(world.campaigns, &order, clock_wall_s(),
					arena, &row),
			 0);
	for (uint64_t i = 0; i < 210; i++)
		(void)add_campaign(1000 + i, "Another", 1);
	campaign_chores_tick(world.control->chores,
			     loop_now_ms(world.loop) + 60000);
	ck_assert_str_eq(buf_cstr(&world.back.asked), "purge campaign=1;");
	ck_assert_uint_eq(world.back.trash, id);
	ck_assert_int_gt(world.back.trash_until_wall_s, clock_wall_s() + 86000);
	arena_destroy(&arena);
	world_stop();
}
END_TEST

/* --- who must be told --- */

static bool
status_says(const char *text, bool wanted)
{
	struct answer a = command("status", NULL, false);
	bool found = strstr(buf_cstr(&a.out), text) != NULL;

	answer_fini(&a);
	return found == wanted;
}

START_TEST(stopped_is_an_alert)
{
	static const char said[] = "campaign C1 was stopped by a rule";
	struct campaign_order stop = {.id = 1,
				      .state = CAMPAIGN_STOPPED,
				      .rate_per_h = -1,
				      .connections = -1,
				      .reason = "bounces: 9.1% of 220"};
	struct arena *arena = arena_create(1024);
	struct store_change change;

	start();
	(void)campaign_order(world.campaigns, &stop, clock_wall_s(), arena,
			     &change);
	TURN_UNTIL(world.loop, status_says(said, true));
	ck_assert(status_says("1 running, 0 paused, 1 STOPPED, 0 ended", true));
	expect("campaign show C1", NULL, 0,
	       "state        stopped\n             bounces: 9.1% of 220\n");
	expect("campaign show C1", NULL, 0,
	       "To go on all the same: sluice campaign resume C1");
	expect("campaign resume C1", NULL, 0, "C1 is running");
	TURN_UNTIL(world.loop, status_says(said, false));
	arena_destroy(&arena);
	world_stop();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
	    looks,
	    json,
	    watching,
	    progress_fits,
	    line_fits,
	    orders,
	    disk_fails,
	    cancel_and_back,
	    cancel_tells_the_owner,
	    of_many,
	    canceled_while_it_comes_back,
	    stopped_on_its_way,
	    undone_in_parts,
	    canceled_again_after_the_disk_failed,
	    purge_that_never_began,
	    stopped_is_an_alert,
	};

	return RUN_TESTS("control/campaign", tests);
}
