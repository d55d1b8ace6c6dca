#include "tests/mime/walk_help.h"

/*
 * Ordinary mail of ordinary clients: nothing in it is ambiguous, so that
 * nothing is scanned twice. samples/ has it with LF; here it is sent as CRLF.
 */
static const struct {
	const char *file, *parts;
	uint32_t flags;
} samples[] = {
    {"apple",
     "1 text/plain '' - qp\n"
     "2 text/html '' - qp\n"
     "2 image/png 'Stra\xc3\x9f"
     "e 1.png' a base64\n"
     "2 text/html '' a identity\n",
     0},
    {"bounce",
     "1 text/plain '' - identity\n"
     "1 message/delivery-status '' a identity\n"
     "1 text/rfc822-headers '' a identity\n",
     0},
    {"exchange",
     "2 text/plain '' - qp\n"
     "2 text/html '' - qp\n"
     "1 application/vnd.openxmlformats-officedocument.spreadsheetml.sheet "
     "'budget 2027.xlsx' a base64\n",
     0},
    {"git", "0 text/plain '' - identity\n", 0},
    {"gmail",
     "3 text/plain '' - base64\n"
     "3 text/html '' - base64\n"
     "2 image/png 'image.png' a base64\n"
     "1 application/zip '\xc3\x84pfel.zip' a base64\n",
     0},
    {"invitation",
     "2 text/plain '' - identity\n"
     "2 text/calendar '' a identity\n"
     "1 application/ics 'invite.ics' a base64\n",
     0},
    {"iphone",
     "1 text/plain '' - identity\n"
     "1 image/jpeg 'image0.jpeg' a base64\n"
     "1 text/plain '' a identity\n",
     0},
    {"javamail",
     "1 text/html '' - identity\n"
     "1 application/pdf 'invoice.pdf' a base64\n",
     0},
    {"list-footer",
     "2 text/plain '' - identity\n"
     "2 text/html '' - identity\n"
     "1 text/plain '' a identity\n",
     0},
    {"mutt",
     "1 text/plain '' - identity\n"
     "1 text/x-diff 'fix.patch' a identity\n"
     "1 text/plain '\xc3\xbc"
     "ber.txt' a qp\n",
     0},
    {"nodemailer",
     "2 text/plain '' - qp\n"
     "2 text/html '' - qp\n"
     "1 application/pdf 'Best\xc3\xa4tigung.pdf' a base64\n",
     0},
    {"notes",
     "2 text/plain '' - qp\n"
     "2 text/html '' - qp\n"
     "1 application/msword 'Protokoll.doc' a base64\n",
     0},
    {"outlook-tnef",
     "1 text/plain '' - qp\n"
     "1 application/ms-tnef 'winmail.dat' at base64\n",
     0},
    {"outlook",
     "3 text/plain '' - qp\n"
     "3 text/html '' - qp\n"
     "2 image/png 'image001.png' a base64\n"
     "1 application/pdf 'Angebot f\xc3\xbcr M\xc3\xbcnchen.pdf' a base64\n",
     0},
    {"php-mail",
     "1 text/plain '' - identity\n"
     "1 application/octet-stream 'upload.doc' a base64\n",
     0},
    {"phpmailer",
     "2 text/plain '' - identity\n"
     "2 text/html '' - identity\n"
     "1 application/pdf 'invoice.pdf' a base64\n",
     0},
    {"plain", "0 text/plain '' - identity\n", 0},
    {"python-old",
     "1 text/plain '' - base64\n"
     "1 application/octet-stream 'report.zip' a base64\n",
     0},
    {"python",
     "2 text/plain '' - identity\n"
     "2 text/html '' - identity\n"
     "1 application/pdf 'Gr\xc3\xb6\xc3\x9f"
     "e mit langem Namen, der gefaltet werden muss, weil er so lang ist.pdf' a "
     "base64\n"
     "1 text/csv 'a b.csv' a identity\n",
     0},
    {"symfony",
     "2 text/plain '' - qp\n"
     "2 text/html '' - qp\n"
     "1 text/csv 'prices, all.csv' a base64\n",
     0},
    {"thunderbird-openpgp",
     "2 text/plain '' - base64\n"
     "2 application/pgp-keys 'OpenPGP_0x0123456789ABCDEF.asc' a qp\n"
     "1 application/pgp-signature 'OpenPGP_signature.asc' a identity\n",
     MIME_SIGNED},
    {"thunderbird",
     "2 text/plain '' - identity\n"
     "2 text/html '' - identity\n"
     "1 application/pdf '\xc3\x9c"
     "bersicht mit einem sehr langen Namen damit er gefaltet wird.pdf' a "
     "base64\n"
     "2 text/plain '' a identity\n",
     0},
};

static void
read_sample(const char *name, struct buf *out)
{
	char path[256], line[1024];
	FILE *f;

	(void)snprintf(path, sizeof(path), "tests/mime/samples/%s.eml", name);
	f = fopen(path, "r");
	ck_assert_msg(f != NULL, "%s", path);
	while (fgets(line, sizeof(line), f) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		buf_add_str(out, line);
		buf_add_str(out, "\r\n");
	}
	fclose(f);
}

/* Each part's line, without its content. */
static void
without_content(struct buf *text)
{
	struct buf out = {.cap = SIZE_MAX};
	struct slice rest = buf_slice(text), line;

	while (slice_split(&rest, '\n', &line)) {
		size_t colon = 0;

		while (colon + 1 < line.n &&
		       !(line.p[colon] == ':' && line.p[colon + 1] == ' '))
			colon++;
		buf_add_slice(&out, slice_head(line, colon));
		buf_add_byte(&out, '\n');
	}
	buf_fini(text);
	*text = out;
}

START_TEST(ordinary)
{
	struct buf message = {.cap = SIZE_MAX};

	read_sample(samples[_i].file, &message);
	for (size_t cut = 0; cut <= message.n; cut++) {
		struct mime_summary sum;
		struct told t;

		/* 0: byte by byte */
		told_walk(&t, buf_slice(&message), cut,
			  cut == 0 ? 1 : message.n, NULL, &sum);
		ck_assert_msg(sum.why == NULL, "%s: %s at %" PRIu64,
			      samples[_i].file, sum.why, sum.why_at);
		ck_assert_msg(!t.wrong, "%s: offsets", samples[_i].file);
		ck_assert_uint_eq(sum.flags, samples[_i].flags);
		without_content(&t.text);
		ck_assert_msg(strcmp(buf_cstr(&t.text), samples[_i].parts) == 0,
			      "%s:\n%s", samples[_i].file, buf_cstr(&t.text));
		buf_fini(&t.text);
	}
	buf_fini(&message);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("mime/clients");
	TCase *tcase = tcase_create("clients");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, ordinary, 0,
			    sizeof(samples) / sizeof(samples[0]));
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
