/* A part's decoded bytes: all of them, in order, as many as were counted. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/error.h"
#include "gateway/scan/source.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct message {
	const char *text;
	size_t most; /* bytes a read gives */
};

static int64_t
message_read(void *arg, uint64_t offset, void *p, size_t n)
{
	const struct message *message = arg;
	size_t size = strlen(message->text);

	if (offset >= size)
		return GW_EIO;
	if (n > size - offset)
		n = size - (size_t)offset;
	if (n > message->most)
		n = message->most;
	memcpy(p, message->text + offset, n);
	return (int64_t)n;
}

/* Reads all in pieces of n; the bytes, or the error. */
static int64_t
read_all(struct source *source, size_t n, char *out)
{
	uint64_t at = 0;
	int64_t got;

	while ((got = source_read(source, at, out + at, n)) > 0)
		at += (uint64_t)got;
	return got < 0 ? got : (int64_t)at;
}

static const struct {
	const char *label, *text, *decoded;
	size_t begin, end; /* from the end of the text */
	enum mime_encoding encoding;
	int64_t counted; /* decoded_bytes; -1: as they are */
	int64_t error;
} rows[] = {
    {"as it is", "hdr\r\n\r\nhello world", "hello world", 7, 0, MIME_IDENTITY,
     -1, 0},
    {"in the middle", "aaahellobbb", "hello", 3, 3, MIME_IDENTITY, -1, 0},
    {"base64", "hdr: x\r\n\r\naGVsbG8g\r\nd29ybGQ=\r\n", "hello world", 10, 2,
     MIME_BASE64, -1, 0},
    {"base64 and blank lines", "\r\n\r\naGVs\r\n\r\n\r\n\r\nbG8=", "hello", 0,
     0, MIME_BASE64, -1, 0},
    {"quoted-printable", "caf=C3=A9 =\r\nau lait", "caf\xc3\xa9 au lait", 0, 0,
     MIME_QP, -1, 0},
    {"fewer than counted", "aGVsbG8=", "hello", 0, 0, MIME_BASE64, 6,
     GW_ECORRUPT},
    {"more than counted", "aGVsbG8=", "hello", 0, 0, MIME_BASE64, 4,
     GW_ECORRUPT},
    {"more than counted, as it is", "hello", "hello", 0, 0, MIME_IDENTITY, 1,
     GW_ECORRUPT},
    {"the message is cut", "hello", "hello", 0, (size_t)-3, MIME_IDENTITY, 8,
     GW_EIO},
};

START_TEST(all_of_it)
{
	static const size_t sizes[] = {1, 2, 3, 7, 4096};
	struct message message = {.text = rows[_i].text};
	struct scan_part part = {
	    .begin = rows[_i].begin,
	    .end = strlen(rows[_i].text) - rows[_i].end,
	    .encoding = rows[_i].encoding,
	};
	size_t n = strlen(rows[_i].decoded);
	char out[8192];

	part.decoded_bytes =
	    rows[_i].counted < 0 ? n : (uint64_t)rows[_i].counted;
	for (size_t in = 0; in < COUNT(sizes); in++) {
		message.most = sizes[in];
		for (size_t i = 0; i < COUNT(sizes); i++) {
			struct source *source =
			    source_create(&part, message_read, &message);
			int64_t want =
			    rows[_i].error ? rows[_i].error : (int64_t)n;

			ck_assert_msg(read_all(source, sizes[i], out) == want,
				      "%s, %zu of %zu", rows[_i].label,
				      sizes[i], sizes[in]);
			if (want > 0)
				ck_assert_msg(
				    memcmp(out, rows[_i].decoded, n) == 0, "%s",
				    rows[_i].label);
			/* And from the start, for another try. */
			ck_assert_msg(read_all(source, sizes[i], out) == want,
				      "%s, again", rows[_i].label);
			source_destroy(&source);
			ck_assert_ptr_null(source);
		}
	}
}
END_TEST

START_TEST(not_out_of_order)
{
	struct message message = {.text = "hello", .most = 100};
	struct scan_part part = {.end = 5, .decoded_bytes = 5};
	struct source *source = source_create(&part, message_read, &message);
	char out[10];

	ck_assert_int_eq(source_read(source, 1, out, 1), GW_EINVAL);
	ck_assert_int_eq(source_read(source, 0, out, 2), 2);
	ck_assert_int_eq(source_read(source, 1, out, 1), GW_EINVAL);
	ck_assert_int_eq(source_read(source, 2, out, 9), 3);
	ck_assert_int_eq(source_read(source, 5, out, 9), 0);
	source_destroy(&source);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("source");
	TCase *tcase = tcase_create("source");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, all_of_it, 0, COUNT(rows));
	tcase_add_test(tcase, not_out_of_order);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
