#include <stdlib.h>
#include <string.h>

#include "gateway/base/buf.h"
#include "gateway/base/encode.h"
#include "gateway/mime/charset.h"
#include "gateway/mime/decode.h"
#include "gateway/mime/name.h"
#include "gateway/mime/param.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool true_always)
{
	if (!true_always)
		abort();
}

static bool
decode(struct slice in, enum mime_encoding encoding, size_t piece,
       struct buf *out)
{
	struct mime_decoder d;

	mime_decoder_init(&d, encoding);
	do {
		struct slice now = slice_head(in, piece);
		/* no more than promised: ASan sees a byte too far */
		uint8_t *room = malloc(MIME_DECODED_MAX(now.n));

		in = slice_from(in, now.n);
		buf_add(out, room, mime_decode(&d, now, in.n == 0, room));
		free(room);
	} while (in.n > 0);
	return d.bad;
}

/* What the strict decoder takes is what this one makes of it. */
static void
check_base64(struct slice in, const struct buf *got, bool bad)
{
	struct buf strict = {.cap = SIZE_MAX};

	if (base64_decode(&strict, in) == 0) {
		require(!bad);
		require(slice_eq(buf_slice(&strict), buf_slice(got)));
	}
	buf_fini(&strict);
}

static void
check_name(struct slice in)
{
	struct buf scratch = {.cap = in.n + 1}, words = {.cap = 4096};
	struct mime_params params;
	char name[MIME_NAME_SIZE];
	const char *odd = NULL;
	struct slice rest;
	uint32_t point;

	mime_params_parse(&params, in, &scratch);
	require(params.count <= MIME_PARAM_MAX);
	mime_name_choose(&params, &params, name, &odd);
	for (rest = slice_str(name); rest.n > 0;
	     rest = slice_from(rest, mime_utf8_measure(rest, &point)))
		require(mime_utf8_measure(rest, &point) > 0 && point >= ' ');
	mime_words_decode(in, &words, &odd);
	buf_fini(&scratch);
	buf_fini(&words);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in;
	size_t piece;

	if (size == 0)
		return 0;
	in = slice_of(data + 1, size - 1);
	piece = 1 + (size_t)data[0] % 64;
	for (int i = MIME_IDENTITY; i <= MIME_UUENCODE; i++) {
		struct buf a = {.cap = SIZE_MAX}, b = {.cap = SIZE_MAX};
		enum mime_encoding encoding = (enum mime_encoding)i;
		bool bad = decode(in, encoding, SIZE_MAX, &a);

		require(decode(in, encoding, piece, &b) == bad);
		require(slice_eq(buf_slice(&a), buf_slice(&b)));
		require(a.n <= in.n + 2);
		if (encoding == MIME_BASE64)
			check_base64(in, &a, bad);
		buf_fini(&a);
		buf_fini(&b);
	}
	check_name(in);
	return 0;
}
