#include "gateway/base/error.h"
#include "policy/block_int.h"
#include "tests/policy/help.h"

static int
parse(const char *line, struct block *block, struct buf *scratch,
      struct buf *error)
{
	buf_init(scratch, 2 * BLOCK_LINE_MAX);
	buf_init(error, 1000);
	return block_line_parse(slice_str(line), block, scratch, error);
}

START_TEST(lines_that_are_read)
{
	static const struct {
		const char *label, *line;
		struct block want;
	} rows[] = {
	    {"bare",
	     "ip 10.0.0.0/8",
	     {.kind = BLOCK_IP, .value = "10.0.0.0/8"}},
	    {"blanks and a line end",
	     " \tcred\t bob \t\r\n",
	     {.kind = BLOCK_CRED, .value = "bob"}},
	    {"flags",
	     "cred bob stealth hold",
	     {.kind = BLOCK_CRED,
	      .action = BLOCK_HOLD,
	      .flags = BLOCK_STEALTH,
	      .value = "bob"}},
	    {"all",
	     "from @.example.com hold until=2026-11-21T23:05:29Z since=5 "
	     "made=1970-01-01T00:00:07Z author=\"uid 0 (root)\" "
	     "reason=\"a \\\"b\\\" \\\\ \\x0a\"",
	     {.kind = BLOCK_FROM,
	      .action = BLOCK_HOLD,
	      .value = "@.example.com",
	      .until_wall_s = 1795302329,
	      .since_wall_s = 5,
	      .made_wall_s = 7,
	      .author = "uid 0 (root)",
	      .reason = "a \"b\" \\ \n"}},
	    {"quoted value",
	     "from \"\\\"b b\\\"@example.com\" reason=x=y",
	     {.kind = BLOCK_FROM,
	      .value = "\"b b\"@example.com",
	      .reason = "x=y"}},
	    {"empty quotes",
	     "cred bob reason=\"\"",
	     {.kind = BLOCK_CRED, .value = "bob"}},
	    {"leap day",
	     "cred bob until=2028-02-29T00:00:00Z",
	     {.kind = BLOCK_CRED, .value = "bob", .until_wall_s = 1835395200}},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct block *want = &rows[i].want;
		struct buf scratch, error;
		struct block got;

		ck_assert_msg(parse(rows[i].line, &got, &scratch, &error) == 0,
			      "%s: %s", rows[i].label, buf_cstr(&error));
		ck_assert_msg(got.kind == want->kind, "%s", rows[i].label);
		ck_assert_int_eq(got.action, want->action);
		ck_assert_uint_eq(got.flags, want->flags);
		ck_assert_str_eq(got.value, want->value);
		ck_assert_int_eq(got.until_wall_s, want->until_wall_s);
		ck_assert_int_eq(got.since_wall_s, want->since_wall_s);
		ck_assert_int_eq(got.made_wall_s, want->made_wall_s);
		ck_assert_str_eq(got.author,
				 want->author != NULL ? want->author : "");
		ck_assert_str_eq(got.reason,
				 want->reason != NULL ? want->reason : "");
		buf_fini(&scratch);
		buf_fini(&error);
	}
}
END_TEST

START_TEST(lines_that_are_not)
{
	static const struct {
		const char *label, *line;
		int err;
	} rows[] = {
	    {"empty", "", GW_ENOENT},
	    {"blank", " \t \r\n", GW_ENOENT},
	    {"comment", "# ip 10.0.0.0/8", GW_ENOENT},
	    {"comment behind blanks", "  # x", GW_ENOENT},
	    {"no value", "ip", GW_EINVAL},
	    {"empty value", "ip \"\"", GW_EINVAL},
	    {"no kind", "10.0.0.0/8", GW_EINVAL},
	    {"other case", "IP 10.0.0.0/8", GW_EINVAL},
	    {"unknown word", "ip 10.0.0.0/8 deny", GW_EINVAL},
	    {"word twice", "ip 10.0.0.0/8 hold hold", GW_EINVAL},
	    {"stealth twice", "ip 10.0.0.0/8 stealth stealth", GW_EINVAL},
	    {"unknown field", "ip 10.0.0.0/8 why=x", GW_EINVAL},
	    {"field twice", "ip 10.0.0.0/8 reason=x reason=y", GW_EINVAL},
	    {"time twice", "ip 10.0.0.0/8 until=1 until=2", GW_EINVAL},
	    {"time 0", "ip 10.0.0.0/8 until=0", GW_EINVAL},
	    {"no time", "ip 10.0.0.0/8 until=", GW_EINVAL},
	    {"2h", "ip 10.0.0.0/8 until=2h", GW_EINVAL},
	    {"no zone", "ip 1.1.1.1 until=2026-11-21T23:05:29", GW_EINVAL},
	    {"31 April", "ip 1.1.1.1 until=2026-04-31T23:05:29Z", GW_EINVAL},
	    {"no leap day", "ip 1.1.1.1 until=2026-02-29T00:00:00Z", GW_EINVAL},
	    {"25 hours", "ip 1.1.1.1 until=2026-04-01T24:05:29Z", GW_EINVAL},
	    {"before 1970", "ip 1.1.1.1 until=1969-04-01T00:00:00Z", GW_EINVAL},
	    {"letters", "ip 1.1.1.1 until=2026-0a-01T00:00:00Z", GW_EINVAL},
	    {"large", "ip 1.1.1.1 until=99999999999999999999", GW_EINVAL},
	    {"quote not ended", "cred \"bob", GW_EINVAL},
	    {"quote in a word", "cred b\"ob\"", GW_EINVAL},
	    {"behind the quote", "cred \"bob\"x", GW_EINVAL},
	    {"a word behind the quote", "cred \"bob\"hold", GW_EINVAL},
	    {"escape of nothing", "cred \"bob\\", GW_EINVAL},
	    {"unknown escape", "cred \"b\\nob\"", GW_EINVAL},
	    {"half an escape", "cred \"b\\x4\"", GW_EINVAL},
	    {"no hexadecimal digit", "cred \"b\\xg0\"", GW_EINVAL},
	    {"escaped NUL", "cred \"b\\x00\"", GW_EINVAL},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf scratch, error;
		struct block got;
		int err = parse(rows[i].line, &got, &scratch, &error);

		ck_assert_msg(err == rows[i].err, "%s: %d", rows[i].label, err);
		ck_assert_msg((error.n > 0) == (err == GW_EINVAL), "%s",
			      rows[i].label);
		buf_fini(&scratch);
		buf_fini(&error);
	}
}
END_TEST

START_TEST(what_is_written_is_read)
{
	static const struct block blocks[] = {
	    {.kind = BLOCK_CRED, .value = "b\303\266b=x", .reason = "\xff\x01"},
	    {.kind = BLOCK_FROM,
	     .action = BLOCK_HOLD,
	     .flags = BLOCK_STEALTH,
	     .value = "\"a \\\" b\"@example.com",
	     .until_wall_s = BLOCK_TIME_MAX,
	     .since_wall_s = 1,
	     .made_wall_s = 1795302329,
	     .author = "uid 0 (root)",
	     .reason = "two\nlines \342\200\256 and \"quotes\"\\"},
	    {.kind = BLOCK_IP, .value = "#"},
	};

	for (size_t i = 0; i < COUNT(blocks); i++) {
		struct buf line, again, scratch, error;
		struct block got;

		buf_init(&line, BLOCK_LINE_MAX);
		buf_init(&again, BLOCK_LINE_MAX);
		block_line_write(&blocks[i], &line);
		ck_assert_int_eq(parse(buf_cstr(&line), &got, &scratch, &error),
				 0);
		ck_assert_str_eq(got.value, blocks[i].value);
		ck_assert_str_eq(got.reason, blocks[i].reason != NULL
						 ? blocks[i].reason
						 : "");
		ck_assert_int_eq(got.until_wall_s, blocks[i].until_wall_s);
		block_line_write(&got, &again);
		ck_assert_str_eq(buf_cstr(&again), buf_cstr(&line));
		/* never more than one line, and nothing a terminal minds */
		for (size_t n = 0; n < line.n; n++)
			ck_assert((uint8_t)line.p[n] >= ' ');
		buf_fini(&line);
		buf_fini(&again);
		buf_fini(&scratch);
		buf_fini(&error);
	}
}
END_TEST

START_TEST(cut_anywhere)
{
	static const char line[] =
	    "from \"@.ex\\x41mple\" hold until=2026-11-21T23:05:29Z "
	    "author=\"a b\" reason=\"c\\\"d\"";

	for (size_t n = 0; n < sizeof(line); n++) {
		struct buf scratch, error;
		char *cut = strndup(line, n); /* its end is the heap's */
		struct block got;
		int err = parse(cut, &got, &scratch, &error);

		ck_assert(err == 0 || err == GW_EINVAL ||
			  (err == GW_ENOENT && n == 0));
		free(cut);
		buf_fini(&scratch);
		buf_fini(&error);
	}
}
END_TEST

START_TEST(long_lines_and_nul)
{
	struct buf line, scratch, error;
	struct block got;

	buf_init(&line, 100000);
	buf_init(&scratch, 100000);
	buf_init(&error, 1000);
	buf_add_str(&line, "cred bob reason=");
	for (int i = 0; i < BLOCK_REASON_MAX; i++)
		buf_add_byte(&line, 'x');
	ck_assert_int_eq(
	    block_line_parse(buf_slice(&line), &got, &scratch, &error), 0);
	buf_add_byte(&line, 'x');
	ck_assert_int_eq(
	    block_line_parse(buf_slice(&line), &got, &scratch, &error),
	    GW_EINVAL);
	for (int i = 0; i < BLOCK_LINE_MAX; i++)
		buf_add_byte(&line, 'x');
	ck_assert_int_eq(
	    block_line_parse(buf_slice(&line), &got, &scratch, &error),
	    GW_EINVAL);
	ck_assert_int_eq(
	    block_line_parse(SLICE_LIT("cred b\0b"), &got, &scratch, &error),
	    GW_EINVAL);
	buf_fini(&line);
	buf_fini(&scratch);
	buf_fini(&error);
}
END_TEST

int
main(void)
{
	TCase *cases[1] = {tcase_create("line")};

	tcase_add_test(cases[0], lines_that_are_read);
	tcase_add_test(cases[0], lines_that_are_not);
	tcase_add_test(cases[0], what_is_written_is_read);
	tcase_add_test(cases[0], cut_anywhere);
	tcase_add_test(cases[0], long_lines_and_nul);
	return run_suite("block_line", cases, COUNT(cases));
}
