#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/auth/user.h"
#include "gateway/back/weights.h"
#include "tests/back/world.h"

static struct world w;
static const struct back_class classes[] = {{"press", 3}, {"none", 1}};
static const struct back_class later[] = {{"staff", 2}, {"press", 5}};

static void
add_user(const char *name, const char *class)
{
	struct user user = {
	    .name = (char *)name, .hash = (char *)"*", .class = (char *)class};
	struct store_change change = {
	    .table = STORE_USER, .kind = STORE_PUT, .key = slice_str(name)};
	struct buf value;

	buf_init(&value, 4096);
	user_encode(&user, &value);
	change.value = buf_slice(&value);
	world_commit(&w, &change, 1);
	buf_fini(&value);
}

static void
setup(void)
{
	world_open(&w, NULL);
	add_user("pia", "press");
	add_user("stan", "staff");
	add_user("ann", NULL);
	w.conf.classes = classes;
	w.conf.class_count = sizeof(classes) / sizeof(classes[0]);
	w.conf.local_users = true;
}

static void
teardown(void)
{
	world_close(&w);
}

static const struct {
	const char *cred;
	uint32_t before, after;
} rows[] = {
    {"pia", 3, 5},    /* her class weighs more */
    {"stan", 1, 2},   /* his is written down at last */
    {"ann", 1, 1},    /* is of none */
    {"nobody", 1, 1}, /* is no local user */
    {"", 1, 1},	      /* ours */
};

START_TEST(of_the_class)
{
	struct back_conf conf = w.conf;
	struct weights *weights = weights_create();
	struct store_env *store = spool_store(w.spool);
	const struct weight *weight =
	    (weights_apply(weights, &conf),
	     weights_find(weights, store, rows[_i].cred));

	ck_assert_msg(weight->value == rows[_i].before, "%s", rows[_i].cred);
	conf.classes = later;
	weights_apply(weights, &conf);
	ck_assert_msg(weight->value == rows[_i].after, "%s", rows[_i].cred);
	ck_assert_ptr_eq(weights_find(weights, store, rows[_i].cred), weight);
	/* The logins are another server's, of whose classes nothing is known:
	 * a local user of the same name is somebody else. */
	conf.local_users = false;
	ck_assert_uint_eq(weights_find(weights, store, rows[_i].cred)->value,
			  1);
	weights_destroy(&weights);
	world_start(&w);
}
END_TEST

/* While all of them weigh 1, nobody is looked up. */
START_TEST(nobody_asked)
{
	static const struct back_class all_one[] = {{"press", 1}, {"none", 1}};
	struct back_conf conf = w.conf;
	struct weights *weights = weights_create();
	struct store_env *store = spool_store(w.spool);
	const struct weight *none;

	conf.classes = all_one;
	weights_apply(weights, &conf);
	none = weights_find(weights, store, "nobody");
	ck_assert_ptr_eq(weights_find(weights, store, "pia"), none);
	conf.classes = classes;
	weights_apply(weights, &conf);
	ck_assert_uint_eq(none->value, 1);
	ck_assert_uint_eq(weights_find(weights, store, "pia")->value, 3);
	weights_destroy(&weights);
	world_start(&w);
}
END_TEST

static char
first_letter(size_t i)
{
	return sink_mail(w.sink, i)->rcpts[0];
}

/* By one connection, all of it in the queue before: three of hers, and one of
 * his. */
START_TEST(three_for_one)
{
	const struct letter of_press = {
	    .cred = "pia", .to = "p@example.net", .lane = (uint8_t)_i};
	const struct letter of_ann = {
	    .cred = "ann", .to = "a@example.net", .lane = (uint8_t)_i};
	char got[9] = "";

	w.hops[0].connection_max = 1;
	world_accept_many(&w, &of_press, 6);
	world_accept_many(&w, &of_ann, 2);
	world_start(&w);
	/* The next hop says nothing until its loop turns. */
	while (status_of(&w).queued < 8)
		(void)usleep(1000);
	UNTIL(&w, sink_count(w.sink) == 8, "all of them");
	for (size_t i = 0; i < 8; i++)
		got[i] = first_letter(i);
	ck_assert_str_eq(got, "pappappp");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("back/weights");
	TCase *t = tcase_create("weights");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 30);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, of_the_class, 0, sizeof(rows) / sizeof(rows[0]));
	tcase_add_test(t, nobody_asked);
	tcase_add_loop_test(t, three_for_one, 0, 2); /* personal, bulk */
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
