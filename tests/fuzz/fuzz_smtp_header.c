#include <stdlib.h>

#include "gateway/smtp/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct header_scan *
scan_of(struct slice in, size_t piece)
{
	struct header_scan *scan = header_scan_create();

	while (in.n > 0) {
		header_scan_add(scan, slice_head(in, piece));
		in = slice_from(in, piece < in.n ? piece : in.n);
	}
	header_scan_end(scan);
	return scan;
}

static void
require(bool true_always)
{
	if (!true_always)
		abort();
}

/* However the message was cut, the same is seen. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct header_scan *a, *b;
	struct slice in;

	if (size == 0)
		return 0;
	in = slice_of(data + 1, size - 1);
	a = scan_of(in, SIZE_MAX);
	b = scan_of(in, 1 + (size_t)data[0] % 64);
	require(header_scan_verdict(a) == header_scan_verdict(b));
	require(header_has_date(a) == header_has_date(b));
	require(header_has_from(a) == header_has_from(b));
	require(header_is_headerless(a) == header_is_headerless(b));
	require(slice_eq(header_from(a), header_from(b)));
	require(slice_eq(header_sender(a), header_sender(b)));
	require(slice_eq(header_subject(a), header_subject(b)));
	require(slice_eq(header_message_id(a), header_message_id(b)));
	require(header_subject(a).n <= 998);
	header_scan_destroy(&a);
	header_scan_destroy(&b);
	return 0;
}
