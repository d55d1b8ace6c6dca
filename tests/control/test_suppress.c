/* sluice suppress: what is said, and what comes through an export and an
 * import; what people and files say of an address, however long. */
#include "gateway/control/campaign_chores.h"
#include "gateway/control/control_int.h"
#include "gateway/control/suppress_text.h"
#include "gateway/smtp/path.h"
#include "tests/control/trail.h"

static const struct {
	const char *label;
	char head; /* one of it, and then so often: */
	const char *unit;
	int times;
} texts[] = {
    {"short", 'x', "y", 10},
    {"as much as there is room for", 'x', "y", 254},
    {"one more", 'x', "y", 255},
    {"much more", 'x', "y", 500},
    {"cut within a character, or not", 'x', "\xc3\xa4", 250},
    {"nor is one ahead of it", 'x', "y\xe2\x82\xac", 120},
    {"what is escaped", 'x', "\x1b", 300},
};

/* The last field of the export; it is escaped by then. */
static void
exported(struct buf *text)
{
	struct answer a = command("suppress export", NULL, false);
	const char *last = strrchr(buf_cstr(&a.out), '\t');

	ck_assert_ptr_nonnull(last);
	buf_add_str(text, last + 1);
	answer_fini(&a);
}

static void
check_text(const char *label, const char *head)
{
	struct buf text = {.cap = 4096};

	exported(&text);
	ck_assert_msg(strstr(buf_cstr(&text), head) != NULL, "%s: %s", label,
		      buf_cstr(&text));
	/* a half character would be spelled out */
	ck_assert_msg(strstr(buf_cstr(&text), "\\xc3") == NULL &&
			  strstr(buf_cstr(&text), "\\xe2") == NULL,
		      "%s: %s", label, buf_cstr(&text));
	buf_fini(&text);
}

static void
put_long(struct buf *out, size_t i)
{
	buf_add_byte(out, texts[i].head);
	for (int n = 0; n < texts[i].times; n++)
		buf_add_str(out, texts[i].unit);
}

START_TEST(imported_text)
{
	struct buf file = {.cap = 4096};
	struct answer a;
	int fd;

	world_start(true, NULL);
	fd = dial();
	buf_add_str(&file, "a@example.com manual 2026-12-31T16:40:00Z ");
	put_long(&file, (size_t)_i);
	buf_add_byte(&file, '\n');
	ask_input(fd, "suppress import -", buf_slice(&file), 64, false);
	hear(fd, &a);
	ck_assert_msg(a.exit == 0, "%s: %s", texts[_i].label, buf_cstr(&a.err));
	check_text(texts[_i].label, "x");
	answer_fini(&a);
	buf_fini(&file);
	world_stop();
}
END_TEST

START_TEST(reason)
{
	struct buf words = {.cap = 4096};

	world_start(true, NULL);
	buf_add_str(&words, "suppress add a@example.com --reason ");
	put_long(&words, (size_t)_i);
	expect(buf_cstr(&words), NULL, 0, "Mass mailings leave out");
	check_text(texts[_i].label, ": x");
	buf_fini(&words);
	world_stop();
}
END_TEST

START_TEST(suppressing)
{
	static const struct {
		const char *words;
		int exit;
		const char *said;
	} rows[] = {
	    {"suppress list", 0, ""},
	    {"suppress add Bob@Example.com --reason asked", 0,
	     "Mass mailings leave out Bob@Example.com."},
	    {"suppress list", 0, "manual        "},
	    {"suppress list", 0, "Bob@Example.com\n              by "},
	    {"suppress list", 0, ": asked\n"},
	    {"suppress list EXAMPLE", 0, "Bob@Example.com"},
	    {"suppress list nobody", 0, ""},
	    {"suppress export", 0, "Bob@Example.com\tmanual\t20"},
	    {"suppress add eve@example.org --as unsubscribed", 0, "eve@"},
	    {"suppress list", 0, "unsubscribed  "},
	    {"suppress add eve@example.org --as unsubscribed --reason a\\b", 0,
	     "eve@"},
	    {"suppress list eve", 0, ": a\\b\n"},
	    {"suppress add eve@example.org --as other", 2, "--as is manual"},
	    {"suppress add nobody", 2, "ADDRESS is a mail address"},
	    {"suppress del bob@example.COM", 0, "write again to bob@"},
	    {"suppress del bob@example.com", 1, "it is not suppressed"},
	    {"suppress remove bob@example.com", 2,
	     "did you mean 'sluice suppress del bob@example.com'?"},
	};

	world_start(true, NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect(rows[i].words, NULL, rows[i].exit, rows[i].said);
	ck_assert(suppress_has(world.suppress, SLICE_LIT("eve@example.org")));
	ck_assert(!suppress_has(world.suppress, SLICE_LIT("bob@example.com")));
	trail_has("suppress del bob@example.COM () => ");
	world_stop();
}
END_TEST

static void
import(const char *words, const char *file, int exit, const char *said)
{
	struct answer a;
	int fd = dial();

	ask_input(fd, words, slice_str(file), 7, false);
	hear(fd, &a);
	ck_assert_msg(a.exit == exit, "%s: %d %s", file, a.exit,
		      buf_cstr(&a.err));
	ck_assert_msg(strstr(buf_cstr(exit == 0 ? &a.out : &a.err), said) !=
			  NULL,
		      "%s: %s%s", file, buf_cstr(&a.out), buf_cstr(&a.err));
	answer_fini(&a);
}

START_TEST(importing)
{
	world_start(true, NULL);
	import(
	    "suppress import -",
	    "# who left\n\nann@example.com\r\n  bob@example.com  hardbounce\n"
	    "carol@example.com\tcomplaint\t2026-01-02T03:04:05.000Z\tsaid so\n"
	    "\"d e\"@example.com, unsubscribed\n",
	    0, "Imported 4 addresses.");
	ck_assert_uint_eq(suppress_count(world.suppress), 4);
	expect("suppress export", NULL, 0,
	       "carol@example.com\tcomplaint\t2026-01-02T03:04:05.000Z\tsaid "
	       "so\n");
	expect("suppress export", NULL, 0,
	       "\"d e\"@example.com\tunsubscribed\t");
	/* one wrong line, and nothing is added */
	import("suppress import -", "x@example.com\nnobody\n", 1,
	       "line 2: that is no mail address");
	import("suppress import -", "x@example.com because\n", 1,
	       "line 1: behind the address stands why");
	import("suppress import -", "x@example.com hardbounce yesterday\n", 1,
	       "line 1: then since when");
	import("suppress import -", "x@example.com y@example.com\n", 1,
	       "1 of 1 lines are wrong: nothing was imported");
	ck_assert_uint_eq(suppress_count(world.suppress), 4);
	import("suppress import - --as unsubscribed", "y@example.com\n", 0,
	       "Imported 1 address.");
	expect("suppress export", NULL, 0, "y@example.com\tunsubscribed\t");
	trail_has("suppress import - () => 4 of 4 addresses");
	world_stop();
}
END_TEST

/* What export writes, import takes. */
START_TEST(there_and_back)
{
	struct answer out, again;
	struct buf many = {.cap = 1 << 20};

	world_start(true, NULL);
	for (int i = 0; i < 1700; i++)
		buf_printf(&many, "p%d@example.com hardbounce\n", i);
	import("suppress import -", buf_cstr(&many), 0, "Imported 1,700");
	out = command("suppress export", NULL, false);
	world_stop();
	world_start(true, NULL);
	import("suppress import -", buf_cstr(&out.out), 0, "Imported 1,700");
	again = command("suppress export", NULL, false);
	ck_assert_str_eq(buf_cstr(&out.out), buf_cstr(&again.out));
	answer_fini(&out);
	answer_fini(&again);
	buf_fini(&many);
	world_stop();
}
END_TEST

static void
put_entry(const struct suppress_entry *entry)
{
	struct arena *arena = arena_create(1024);
	struct store_change row;
	struct store_txn *txn;

	ck_assert_int_eq(suppress_add(world.suppress, entry, arena, &row), 0);
	txn = store_write(world.spool.store);
	store_apply(txn, &row, 1);
	ck_assert_int_eq(store_commit(&txn), 0);
	arena_destroy(&arena);
}

static bool
is_listed(const char *address)
{
	struct answer a = command("suppress list", NULL, false);
	bool listed = strstr(buf_cstr(&a.out), address) != NULL;

	answer_fini(&a);
	return listed;
}

/* A soft bounce of long ago; nobody asked for it to go. */
START_TEST(soft_is_forgotten)
{
	const struct suppress_entry entry = {.address = "soft@example.com",
					     .reason = SUPPRESS_SOFT,
					     .counting = true,
					     .count = 1,
					     .since_wall_s = 1000,
					     .last_wall_s = 1000,
					     .text = ""};

	world_start(true, NULL);
	expect("suppress add a@example.com", NULL, 0, "leave out");
	put_entry(&entry);
	expect("suppress list", NULL, 0, "soft@example.com");
	campaign_chores_tick(world.control->chores,
			     loop_now_ms(world.loop) + 4000000);
	TURN_UNTIL(world.loop, !is_listed("soft@"));
	ck_assert(is_listed("a@"));
	world_stop();
}
END_TEST

/* --- whatever there is, there and back --- */

#define ODD 400

static uint64_t seed = 20261122;

static uint8_t
next_byte(void)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint8_t)(seed >> 56);
}

/* Of bytes that a client might give: half of them in quotes. */
static void
make_address(char out[SUPPRESS_ADDRESS_SIZE], unsigned i)
{
	static const char *const first[] = {"#",
					    "\"#\\\"\\\\\"",
					    "\"a\\\\\"",
					    "m\xc3\xbcller",
					    "a\xe2\x80\x8b",
					    "\"a, b\"",
					    "\"<a@b>\"",
					    "'='"};
	struct slice rest;
	struct path path;
	char *p;

	do {
		p = out;
		if (i < sizeof(first) / sizeof(first[0])) {
			p += sprintf(p, "%s", first[i]);
		} else {
			bool quoted = i % 2;

			p += sprintf(p, "%s", quoted ? "\"" : "");
			for (int n = 1 + next_byte() % 12; n > 0; n--)
				*p++ = (char)next_byte();
			p += sprintf(p, "%s", quoted ? "\"" : "");
		}
		p += sprintf(p, "@d%u.example", i);
		rest = slice_of(out, (size_t)(p - out));
	} while (slice_find(rest, '\0') < rest.n || out[0] == '<' ||
		 path_parse(&rest, &path) != PATH_FINE || rest.n > 0);
}

static void
put_odd(unsigned i)
{
	char address[SUPPRESS_ADDRESS_SIZE], text[400];
	const struct suppress_entry entry = {
	    .address = address,
	    .reason = (enum suppress_reason)(i % SUPPRESS_REASONS),
	    .count = 1,
	    .since_wall_s = 1700000000 + i,
	    .last_wall_s = 1700000000 + i,
	    .text = text};
	size_t n = i % 5 ? next_byte() : (size_t)next_byte() + 140;

	make_address(address, i);
	for (size_t k = 0; k < n; k++)
		do
			text[k] = (char)next_byte();
		while (text[k] == '\0');
	text[n] = '\0';
	put_entry(&entry);
}

START_TEST(odd_there_and_back)
{
	char address[SUPPRESS_ADDRESS_SIZE];
	struct answer out, again;
	uint64_t began = seed;

	world_start(true, NULL);
	for (unsigned i = 0; i < ODD; i++)
		put_odd(i);
	out = command("suppress export", NULL, false);
	ck_assert_uint_eq(suppress_count(world.suppress), ODD);
	world_stop();
	world_start(true, NULL);
	import("suppress import -", buf_cstr(&out.out), 0, "Imported 400");
	again = command("suppress export", NULL, false);
	ck_assert(strcmp(buf_cstr(&out.out), buf_cstr(&again.out)) == 0);
	seed = began;
	for (unsigned i = 0; i < 8; i++) {
		make_address(address, i);
		ck_assert_msg(suppress_has(world.suppress, slice_str(address)),
			      "%s", address);
	}
	answer_fini(&out);
	answer_fini(&again);
	world_stop();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("control/suppress");
	TCase *tc = tcase_create("suppress");
	SRunner *runner = srunner_create(suite);
	int bad;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, suppressing);
	tcase_add_test(tc, importing);
	tcase_add_test(tc, there_and_back);
	tcase_add_test(tc, soft_is_forgotten);
	tcase_add_test(tc, odd_there_and_back);
	tcase_add_loop_test(tc, imported_text, 0,
			    (int)(sizeof(texts) / sizeof(texts[0])));
	tcase_add_loop_test(tc, reason, 0,
			    (int)(sizeof(texts) / sizeof(texts[0])));
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	bad = srunner_ntests_failed(runner);
	srunner_free(runner);
	return bad != 0;
}
