/* Lines of Dovecot's auth protocol; what is escaped comes back as it was. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "gateway/auth/dovecot_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* assert would be gone in a release build. */
static void
must(bool holds)
{
	if (!holds)
		abort();
}

static void
one_line(struct slice text)
{
	struct dovecot_line line;
	struct slice value;
	struct buf out;

	if (dovecot_line_parse(text, &line) != 0)
		return;
	must(line.word != DOVECOT_WORD_MECH || line.name.n != 0);
	must(line.fields.n <= text.n);
	buf_init(&out, 1024);
	if (dovecot_field(line.fields, "user", &value))
		(void)dovecot_unescape(&out, value);
	must(out.n <= 1024);
	(void)dovecot_field(line.fields, "temp", &value);
	buf_fini(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice all = slice_of(data, size), rest = all, line;
	struct buf there, back;

	while (slice_split(&rest, '\n', &line))
		one_line(line);
	buf_init(&there, 2 * size + 1);
	buf_init(&back, size + 1);
	dovecot_escape(&there, all);
	must(slice_find(buf_slice(&there), '\t') == there.n);
	must(slice_find(buf_slice(&there), '\n') == there.n);
	must(dovecot_unescape(&back, buf_slice(&there)) == 0);
	must(slice_eq(buf_slice(&back), all));
	buf_fini(&there);
	buf_fini(&back);
	return 0;
}
