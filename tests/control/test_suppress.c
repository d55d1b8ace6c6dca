/* What people and files say of a suppressed address, however long. */
#include "tests/control/ask.h"

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

int
main(void)
{
	Suite *suite = suite_create("control/suppress");
	TCase *tc = tcase_create("suppress");
	SRunner *runner = srunner_create(suite);
	int bad;

	tcase_set_timeout(tc, 60);
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
