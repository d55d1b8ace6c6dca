#include "gateway/store/key.h"
#include "tests/campaign/kit.h"

/* Which message is one of a campaign, and of which. */

static const struct campaigns_conf conf = {
    .recipients = 100, .same = 10, .headers = true, .rate_per_h = 600};

struct step {
	const char *cred;
	char text;
	uint32_t recipients, dead;
	int64_t at_s;
	bool list;
	enum campaign_why given;
	bool refused; /* by the store */
	uint64_t want;
	uint64_t want_recipients; /* of the reply; 0: not looked at */
};

#define STEPS 14

static const struct row {
	const char *label;
	struct step steps[STEPS];
} rows[] = {
    {"under every threshold", {{"ann", 'a', 100, 0, 0, 0, 0, 0, 0, 0}, {0}}},
    {"one message alone is not the same body to many",
     {{"ann", 'a', 11, 0, 0, 0, 0, 0, 0, 0},
      {"ann", 'b', 11, 0, 0, 0, 0, 0, 0, 0},
      {"ann", 'a', 1, 0, 0, 0, 0, 0, 1, 12},
      {0}}},
    {"more recipients than that",
     {{"ann", 'a', 101, 0, 0, 0, 0, 0, 1, 101}, {0}}},
    {"dead ones are of the mailing too",
     {{"ann", 'a', 60, 41, 0, 0, 0, 0, 1, 101}, {0}}},
    {"a header", {{"ann", 'a', 1, 0, 0, true, 0, 0, 1, 1}, {0}}},
    {"the login's class",
     {{"ann", 'a', 1, 0, 0, 0, CAMPAIGN_WHY_CLASS, 0, 1, 1}, {0}}},
    {"the same body to many",
     {{"ann", 'a', 5, 0, 0, 0, 0, 0, 0, 0},
      {"ann", 'a', 5, 0, 60, 0, 0, 0, 0, 0},
      {"ann", 'a', 1, 0, 120, 0, 0, 0, 1, 11},
      {"ann", 'a', 1, 0, 180, 0, 0, 0, 1, 12},
      {0}}},
    {"other bodies beside it",
     {{"ann", 'a', 9, 0, 0, 0, 0, 0, 0, 0},
      {"ann", 'b', 9, 0, 0, 0, 0, 0, 0, 0},
      {"ann", 'c', 9, 0, 0, 0, 0, 0, 0, 0},
      {"ann", 'b', 9, 0, 0, 0, 0, 0, 1, 18},
      {"ann", 'a', 1, 0, 0, 0, 0, 0, 0, 0},
      {0}}},
    {"the same body of another login",
     {{"ann", 'a', 9, 0, 0, 0, 0, 0, 0, 0},
      {"bob", 'a', 9, 0, 0, 0, 0, 0, 0, 0},
      {"ann", 'a', 9, 0, 0, 0, 0, 0, 1, 18},
      {"bob", 'a', 1, 0, 0, 0, 0, 0, 0, 0},
      {0}}},
    {"what is over an hour ago does not count",
     {{"ann", 'a', 9, 0, 0, 0, 0, 0, 0, 0},
      {"ann", 'a', 9, 0, 3700, 0, 0, 0, 0, 0},
      {"ann", 'a', 1, 0, 7400, 0, 0, 0, 0, 0},
      {0}}},
    {"nor what trickles in: ten in three hours",
     {{"ann", 'a', 4, 0, 0, 0, 0, 0, 0, 0},
      {"ann", 'a', 4, 0, 3000, 0, 0, 0, 0, 0},
      {"ann", 'a', 4, 0, 6000, 0, 0, 0, 0, 0},
      {"ann", 'a', 4, 0, 9000, 0, 0, 0, 0, 0},
      {0}}},
    {"a gap of an hour ends it",
     {{"ann", 'a', 101, 0, 0, 0, 0, 0, 1, 0},
      {"ann", 'a', 1, 0, 3600, 0, 0, 0, 1, 0},
      {"ann", 'a', 1, 0, 7201, 0, 0, 0, 0, 0},
      {0}}},
    {"one that is alike to none has its own",
     {{"ann", 'a', 1, 0, 0, true, 0, 0, 1, 1},
      {"ann", 'b', 1, 0, 0, true, 0, 0, 2, 1},
      {"ann", 'a', 1, 0, 0, true, 0, 0, 1, 2},
      {0}}},
    {"what the store did not take is not counted",
     {{"ann", 'a', 9, 0, 0, 0, 0, true, 0, 0},
      {"ann", 'a', 9, 0, 0, 0, 0, 0, 0, 0},
      {"ann", 'a', 1, 0, 0, 0, 0, true, 0, 0},
      {"ann", 'a', 1, 0, 0, 0, 0, 0, 0, 0},
      {"ann", 'a', 1, 0, 0, 0, 0, true, 1, 11},
      {"ann", 'a', 1, 0, 0, 0, 0, 0, 2, 11},
      {0}}},
    {"a refused beginning leaves no campaign",
     {{"ann", 'a', 101, 0, 0, 0, 0, true, 1, 101},
      {"ann", 'a', 1, 0, 0, 0, 0, 0, 0, 0},
      {"ann", 'b', 101, 0, 0, 0, 0, 0, 2, 101},
      {0}}},
    {"a clock that is put back ends nothing",
     {{"ann", 'a', 101, 0, 7200, 0, 0, 0, 1, 0},
      {"ann", 'a', 1, 0, 0, 0, 0, 0, 1, 102},
      {0}}},
};

START_TEST(which_it_is_of)
{
	const struct row *row = &rows[_i];

	kit_open(&conf);
	for (const struct step *step = row->steps; step->cred != NULL; step++) {
		struct campaign_mail mail =
		    kit_mail(step->cred, step->text, step->recipients);
		struct campaign_join join;

		mail.dead = step->dead;
		mail.given = step->given;
		mail.shape.list = step->list;
		kit_join(&mail, NOW + step->at_s, !step->refused, &join);
		ck_assert_msg(join.id == step->want, "%s, step %zu: of %llu",
			      row->label, (size_t)(step - row->steps),
			      (unsigned long long)join.id);
		ck_assert_msg(step->want_recipients == 0 ||
				  join.recipients == step->want_recipients,
			      "%s, step %zu: %llu recipients", row->label,
			      (size_t)(step - row->steps),
			      (unsigned long long)join.recipients);
	}
	kit_close();
}
END_TEST

/* The message that begins it is refused, the second is not: its record went
 * with both. */
START_TEST(the_first_is_refused)
{
	struct campaign_mail mail = kit_mail("ann", 'a', 101);
	struct campaign_join first, second;

	kit_open(&conf);
	campaign_join(all, &mail, NOW, arena, &first);
	mail = kit_mail("ann", 'a', 1);
	campaign_join(all, &mail, NOW, arena, &second);
	ck_assert(first.fresh);
	ck_assert(!second.fresh);
	ck_assert_uint_eq(second.id, first.id);
	kit_commit(second.changes, second.change_count);
	campaign_join_end(all, &first, false);
	campaign_join_end(all, &second, true);
	kit_restart(&conf);
	ck_assert_uint_eq(kit_view(1, NOW).counts[CAMPAIGN_RECIPIENTS], 1);
	ck_assert_str_eq(kit_view(1, NOW).name, "Report");
	kit_close();
}
END_TEST

/* Messages that came before: each is told once, when its commit is done, and
 * counted when it is moved. */
START_TEST(earlier_messages)
{
	struct campaign_mail early = kit_mail("ann", 'a', 4);
	struct campaign_mail slow = kit_mail("ann", 'a', 3);
	struct campaign_mail last = kit_mail("ann", 'a', 5);
	struct campaign_join joins[3];
	struct store_change changes[CAMPAIGN_ADOPT_CHANGES];
	uint64_t ids[4];
	size_t n;

	kit_open(&conf);
	campaign_join(all, &early, NOW, arena, &joins[0]);
	campaign_join_end(all, &joins[0], true);
	campaign_join(all, &slow, NOW, arena, &joins[1]);
	kit_join(&last, NOW, true, &joins[2]);
	ck_assert_uint_eq(joins[2].id, 1);
	ck_assert_uint_eq(joins[2].recipients, 12);
	ck_assert_int_eq(joins[2].eta_wall_s, NOW + 72); /* of ten a minute */
	ck_assert_int_eq(kit_view(1, NOW).eta_wall_s, NOW + 72);
	ck_assert_uint_eq(campaign_take_adopted(all, 1, ids, 4), 1);
	ck_assert_uint_eq(ids[0], early.id);
	campaign_join_end(all, &joins[1], true);
	ck_assert_uint_eq(campaign_take_adopted(all, 1, ids + 1, 4), 1);
	ck_assert_uint_eq(ids[1], slow.id);
	ck_assert_uint_eq(campaign_take_adopted(all, 1, ids, 4), 0);
	ck_assert_uint_eq(kit_view(1, NOW).counts[CAMPAIGN_RECIPIENTS], 5);
	/* one of the four was delivered before */
	n = campaign_adopt_changes(all, 1, early.id, 3, arena, changes);
	kit_commit(changes, n);
	campaign_adopted(all, 1, early.id, 3);
	/* all of it was */
	n = campaign_adopt_changes(all, 1, slow.id, 0, arena, changes);
	kit_commit(changes, n);
	campaign_adopted(all, 1, slow.id, 0);
	ck_assert_uint_eq(
	    campaign_adopt_changes(all, 1, slow.id, 0, arena, changes), 0);
	for (int i = 0; i < 2; i++) {
		struct campaign_view view = kit_view(1, NOW);

		ck_assert_uint_eq(view.counts[CAMPAIGN_MESSAGES], 3);
		ck_assert_uint_eq(view.counts[CAMPAIGN_RECIPIENTS], 12);
		ck_assert_uint_eq(view.counts[CAMPAIGN_DELIVERED], 4);
		ck_assert_uint_eq(view.left, 8);
		kit_restart(&conf);
	}
	kit_close();
}
END_TEST

/* Of a campaign that nothing is on disk of they are not told yet: it may never
 * have been. What cannot be moved is told again, and none is over before. */
START_TEST(earlier_but_not_yet)
{
	struct campaign_mail early = kit_mail("ann", 'a', 6);
	struct campaign_mail last = kit_mail("ann", 'a', 5);
	struct campaign_join joins[2];
	uint64_t ids[4];

	kit_open(&conf);
	kit_join(&early, NOW, true, &joins[0]);
	campaign_join(all, &last, NOW, arena, &joins[1]);
	ck_assert_uint_eq(joins[1].id, 1);
	ck_assert_uint_eq(campaign_take_adopted(all, 1, ids, 4), 0);
	campaign_join_end(all, &joins[1], false);
	campaign_join(all, &last, NOW, arena, &joins[1]);
	ck_assert_uint_eq(joins[1].id, 2);
	kit_commit(joins[1].changes, joins[1].change_count);
	campaign_came(all, 2);
	(void)kit_count(2, CAMPAIGN_DELIVERED, 5, NOW);
	ck_assert_uint_eq(campaign_take_adopted(all, 2, ids, 4), 1);
	ck_assert_uint_eq(campaign_take_adopted(all, 2, ids + 1, 4), 0);
	campaign_put_back_adopted(all, 2, ids[0]);
	ck_assert_uint_eq(campaign_take_adopted(all, 2, ids, 4), 1);
	ck_assert_uint_eq(ids[0], early.id);
	ck_assert(campaign_adopts(all, 2));
	ck_assert_int_eq(campaign_over_wall_s(all, 2), 0);
	campaign_adopted(all, 2, early.id, 0);
	ck_assert(!campaign_adopts(all, 2));
	ck_assert_int_ne(campaign_over_wall_s(all, 2), 0);
	campaign_join_end(all, &joins[1], true);
	kit_close();
}
END_TEST

/* A refused one among them is not told. */
START_TEST(earlier_but_refused)
{
	struct campaign_mail slow = kit_mail("ann", 'a', 6);
	struct campaign_mail last = kit_mail("ann", 'a', 5);
	struct campaign_join joins[2];
	uint64_t ids[4];

	kit_open(&conf);
	campaign_join(all, &slow, NOW, arena, &joins[0]);
	kit_join(&last, NOW, true, &joins[1]);
	campaign_join_end(all, &joins[0], false);
	ck_assert_uint_eq(joins[1].id, 1);
	ck_assert_uint_eq(campaign_take_adopted(all, 1, ids, 4), 0);
	kit_close();
}
END_TEST

/* Who cancels may find the client still sending. */
START_TEST(alike_to_a_canceled_one)
{
	struct campaign_mail mail = kit_mail("ann", 'a', 1);
	struct campaign_join join;

	kit_open(&conf);
	ck_assert_uint_eq(kit_send("ann", 'a', 101, NOW), 1);
	ck_assert_int_eq(kit_order(1, CAMPAIGN_CANCELED, NOW), 0);
	kit_join(&mail, NOW, true, &join);
	ck_assert_uint_eq(join.id, 2);
	ck_assert(join.fresh);
	ck_assert_int_eq((int)join.state, CAMPAIGN_WAITING);
	ck_assert_str_eq(kit_view(2, NOW).reason, "its like, C1, was canceled");
	ck_assert_uint_eq(kit_send("ann", 'a', 1, NOW), 2);
	ck_assert_uint_eq(kit_send("ann", 'b', 1, NOW), 0);
	kit_close();
}
END_TEST

/* How it begins. */
START_TEST(where_it_begins)
{
	static const struct {
		bool confirm, preflight;
		enum campaign_state want;
		bool eta;
	} begins[] = {
	    {false, false, CAMPAIGN_RUNNING, true},
	    {true, false, CAMPAIGN_WAITING, false},
	    {false, true, CAMPAIGN_CHECKING, true},
	    {true, true, CAMPAIGN_CHECKING, false},
	};
	struct campaigns_conf with = conf;
	struct campaign_mail mail = kit_mail("ann", 'a', 300);
	struct campaign_join join;

	with.preflight = begins[_i].preflight;
	mail.confirm = begins[_i].confirm;
	kit_open(&with);
	kit_join(&mail, NOW, true, &join);
	ck_assert_int_eq((int)join.state, (int)begins[_i].want);
	ck_assert_int_eq(join.confirm, begins[_i].confirm);
	/* 600 an hour */
	ck_assert_int_eq(join.eta_wall_s, begins[_i].eta ? NOW + 1800 : 0);
	kit_restart(&with);
	ck_assert_int_eq((int)kit_view(1, NOW).state, (int)begins[_i].want);
	ck_assert_int_eq(kit_view(1, NOW).confirm, begins[_i].confirm);
	kit_close();
}
END_TEST

/* Texts without end, of one login and of many: memory is bounded, and what is
 * new pushes out what is old. */
START_TEST(bounded)
{
	char cred[16];
	uint64_t bits = 1;

	kit_open(&conf);
	for (int i = 0; i < 20000; i++) {
		struct campaign_mail mail = kit_mail("ann", 'a', 9);
		struct campaign_join join;

		bits += 0x9e3779b97f4a7c15ULL;
		mail.shape.fuzzy = (bits ^ bits >> 31) * 0xbf58476d1ce4e5b9ULL;
		mail.shape.fuzzy ^= mail.shape.fuzzy >> 29;
		memcpy(mail.shape.exact, &i, sizeof(i));
		snprintf(cred, sizeof(cred), "u%d", i < 10000 ? 1 : i);
		mail.cred = cred;
		kit_join(&mail, NOW, true, &join);
		ck_assert_uint_eq(join.id, 0);
	}
	ck_assert_uint_eq(kit_send("ann", 'z', 101, NOW), 1);
	kit_close();
}
END_TEST

/* A login whose every mail is bulk, each with a text of its own. */
START_TEST(bounded_campaigns)
{
	struct campaign_mail mail = kit_mail("ann", 'a', 1);
	struct campaign_join join;
	uint64_t last = 0;

	kit_open(&conf);
	mail.given = CAMPAIGN_WHY_CLASS;
	for (int i = 1; i <= 300; i++) {
		mail.id++;
		mail.shape.fuzzy = 0;
		memcpy(mail.shape.exact, &i, sizeof(i));
		kit_join(&mail, NOW, true, &join);
		ck_assert_int_eq((int)join.id, i < 256 ? i : 256);
		last = join.id;
	}
	ck_assert_uint_eq(kit_view(last, NOW).counts[CAMPAIGN_MESSAGES], 45);
	kit_close();
}
END_TEST

/* After a restart, too, the one that grew last is looked at first. */
START_TEST(known_after_a_restart)
{
	kit_open(&conf);
	ck_assert_uint_eq(kit_send("ann", 'a', 101, NOW), 1);
	ck_assert_uint_eq(kit_send("ann", 'b', 101, NOW + 60), 2);
	ck_assert_uint_eq(kit_send("ann", 'a', 1, NOW + 3000), 1);
	kit_restart(&conf);
	/* that of b is over, that of a is not */
	ck_assert_uint_eq(kit_send("ann", 'b', 1, NOW + 4000), 0);
	ck_assert_uint_eq(kit_send("ann", 'a', 1, NOW + 4000), 1);
	ck_assert_uint_eq(kit_send("bob", 'a', 1, NOW + 4000), 0);
	ck_assert_uint_eq(kit_send("ann", 'c', 101, NOW + 4000), 3);
	kit_close();
}
END_TEST

static void
kit_damage(struct slice key, uint64_t value)
{
	uint8_t bytes[8];
	const struct store_change change = {
	    .table = STORE_CAMPAIGN,
	    .kind = STORE_PUT,
	    .key = key,
	    .value = {(const char *)bytes, sizeof(bytes)},
	};

	key_put_u64(bytes, value);
	kit_commit(&change, 1);
}

/* A number or a time that cannot be is as if it were not there. */
START_TEST(damaged_numbers)
{
	static const uint64_t values[] = {UINT64_MAX, INT64_MAX,
					  (uint64_t)INT64_MAX + 1};

	kit_open(&conf);
	ck_assert_uint_eq(kit_send("ann", 'a', 101, NOW), 1);
	ck_assert(!kit_count(1, CAMPAIGN_DELIVERED, 101, NOW));
	ck_assert_int_eq(kit_order(1, CAMPAIGN_RUNNING, NOW), 0);
	kit_damage(slice_of("a", 1), values[_i]);
	kit_damage(slice_of("e\0\0\0\0\0\0\0\1", 9), values[_i]);
	kit_restart(&conf);
	ck_assert_int_eq(kit_view(1, NOW).last_wall_s, NOW);
	ck_assert_int_eq(campaign_over_wall_s(all, 1), NOW);
	ck_assert_uint_eq(kit_send("ann", 'b', 101, NOW), 2);
	kit_close();
}
END_TEST

/* Names are of one line, and cut at a character. */
START_TEST(names)
{
	static const struct {
		struct slice subject;
		const char *want;
	} names_of[] = {
	    {{NULL, 0}, ""},
	    {{"a\tb\nc", 5}, "a b c"},
	    {{"Jahresbericht f\303\274r alle", 23},
	     "Jahresbericht f\303\274r alle"},
	};
	struct campaign_mail mail = kit_mail("ann", 'a', 101);
	struct campaign_join join;
	char longer[300];
	struct campaign_view view;

	kit_open(&conf);
	for (size_t i = 0; i < COUNT(names_of); i++) {
		mail = kit_mail("ann", (char)('a' + i), 101);
		mail.subject = names_of[i].subject;
		kit_join(&mail, NOW, true, &join);
		ck_assert_str_eq(kit_view(join.id, NOW).name, names_of[i].want);
	}
	for (size_t i = 0; i < 149; i++)
		memcpy(longer + 1 + 2 * i, "\303\274", 2);
	longer[0] = 'x';
	mail = kit_mail("ann", 'k', 101);
	mail.subject = slice_of(longer, 299);
	kit_join(&mail, NOW, true, &join);
	view = kit_view(join.id, NOW);
	ck_assert_uint_eq(strlen(view.name), 127);
	mail.subject = slice_of(longer + 1, 298);
	mail.shape.fuzzy = 0;
	memset(mail.shape.exact, 77, sizeof(mail.shape.exact));
	kit_join(&mail, NOW, true, &join);
	ck_assert_uint_eq(strlen(kit_view(join.id, NOW).name), 126);
	kit_close();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("join");
	TCase *tc = tcase_create("join");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, which_it_is_of, 0, COUNT(rows));
	tcase_add_test(tc, the_first_is_refused);
	tcase_add_test(tc, earlier_messages);
	tcase_add_test(tc, earlier_but_not_yet);
	tcase_add_test(tc, earlier_but_refused);
	tcase_add_test(tc, alike_to_a_canceled_one);
	tcase_add_loop_test(tc, where_it_begins, 0, 4);
	tcase_add_test(tc, bounded);
	tcase_add_test(tc, bounded_campaigns);
	tcase_add_test(tc, known_after_a_restart);
	tcase_add_loop_test(tc, damaged_numbers, 0, 3);
	tcase_add_test(tc, names);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
