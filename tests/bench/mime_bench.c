/*
 * The walker beside GMime's parser, on the same messages, turn by turn in one
 * run: parsing alone (the walker told to look at the structure only), and with
 * all parts decoded (the walker also takes each attachment's SHA-256, GMime
 * does not). Prints a line for each message; nothing passes or fails. Run by
 * hand.
 *
 *   mime_bench [MILLISECONDS A MEASUREMENT]
 */
#include <gmime/gmime.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/base/buf.h"
#include "gateway/base/encode.h"
#include "gateway/mime/walk.h"

#define ROUNDS 7
#define PIECE 16384 /* as DATA comes from a socket */

static uint64_t spent_ns = 50000000;

struct job {
	struct slice message;
	bool decode;
	uint64_t found;
	struct mime_walk *walk;
};

/* Of this thread: others on the machine do not count. */
static uint64_t
cpu_ns(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) != 0)
		exit(1);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static void
count_part(void *arg, const struct mime_part *part)
{
	uint64_t *found = arg;

	*found += 1 + (part->decoded_bytes & 1);
}

static void
walk_once(struct job *job)
{
	struct slice rest = job->message;
	struct mime_summary sum;

	mime_walk_reset(job->walk);
	for (; rest.n > 0; rest = slice_from(rest, PIECE))
		mime_walk_add(job->walk, slice_head(rest, PIECE));
	mime_walk_end(job->walk, &sum);
	if (sum.flags != 0) {
		fprintf(stderr, "not a plain message: %s\n", sum.why);
		exit(1);
	}
}

static void
count_leaf(GMimeObject *parent, GMimeObject *object, gpointer arg)
{
	struct job *job = arg;
	GMimeDataWrapper *content;
	GMimeStream *null;

	(void)parent;
	if (!GMIME_IS_PART(object))
		return;
	job->found++;
	content = g_mime_part_get_content(GMIME_PART(object));
	if (!job->decode || content == NULL)
		return;
	null = g_mime_stream_null_new();
	if (g_mime_data_wrapper_write_to_stream(content, null) < 0)
		exit(1);
	g_object_unref(null);
}

static void
gmime_once(struct job *job)
{
	GMimeStream *stream =
	    g_mime_stream_mem_new_with_buffer(job->message.p, job->message.n);
	GMimeParser *parser = g_mime_parser_new_with_stream(stream);
	GMimeMessage *message;

	/* parts stay in the stream: the fastest that it can be used */
	g_mime_parser_set_persist_stream(parser, TRUE);
	message = g_mime_parser_construct_message(parser, NULL);
	if (message == NULL)
		exit(1);
	g_mime_message_foreach(message, count_leaf, job);
	g_object_unref(message);
	g_object_unref(parser);
	g_object_unref(stream);
}

/* Nanoseconds a message. */
static double
measure(struct job *job, void (*once)(struct job *))
{
	uint64_t start = cpu_ns(), end;
	uint64_t count = 0;

	do {
		once(job);
		count++;
		end = cpu_ns();
	} while (end - start < spent_ns);
	return (double)(end - start) / (double)count;
}

static int
by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void
compare(const char *name, struct slice message, bool decode)
{
	struct job job = {.message = message, .decode = decode};
	struct mime_opts opts = {.parts_max = 1000000,
				 .structure_only = !decode,
				 .part = count_part,
				 .arg = &job.found};
	double walk[ROUNDS], gmime[ROUNDS], gib = (double)(1 << 30) / 1e9;
	double bytes = (double)message.n;

	job.walk = mime_walk_create(&opts);
	for (unsigned i = 0; i < ROUNDS; i++) {
		walk[i] = measure(&job, walk_once);
		gmime[i] = measure(&job, gmime_once);
	}
	mime_walk_destroy(&job.walk);
	qsort(walk, ROUNDS, sizeof(*walk), by_value);
	qsort(gmime, ROUNDS, sizeof(*gmime), by_value);
	printf("%-34s %-8s walker %9.2f us %6.2f GiB/s   GMime %9.2f us "
	       "%6.2f GiB/s   x%.1f\n",
	       name, decode ? "decoded" : "parsed", walk[ROUNDS / 2] / 1e3,
	       bytes / walk[ROUNDS / 2] / gib, gmime[ROUNDS / 2] / 1e3,
	       bytes / gmime[ROUNDS / 2] / gib,
	       gmime[ROUNDS / 2] / walk[ROUNDS / 2]);
	fflush(stdout);
}

static void
add_head(struct buf *b, const char *type)
{
	for (unsigned i = 0; i < 6; i++)
		buf_printf(b,
			   "Received: from host%u.example.net (host%u.example."
			   "net [192.0.2.%u])\r\n\tby mx.example.com with "
			   "ESMTPS id 4A%06u\r\n\tfor <user@example.com>; "
			   "Tue, 3 Nov 2026 10:%02u:00 +0000\r\n",
			   i, i, i, i, i);
	buf_add_str(b,
		    "From: Ann Example <ann@example.com>\r\n"
		    "To: Bob <bob@example.org>, Carl <carl@example.org>\r\n"
		    "Subject: =?UTF-8?Q?Gr=C3=BC=C3=9Fe?= aus der Schweiz\r\n"
		    "Date: Tue, 3 Nov 2026 10:00:00 +0000\r\n"
		    "Message-ID: <1@example.com>\r\nMIME-Version: 1.0\r\n");
	buf_add_str(b, type);
}

static void
add_text(struct buf *b, size_t bytes)
{
	size_t end = b->n + bytes;

	while (b->n < end)
		buf_add_str(b, "The quick brown fox jumps over the lazy dog "
			       "and then it rests a while.\r\n");
}

static void
add_qp(struct buf *b, size_t bytes)
{
	size_t end = b->n + bytes;

	while (b->n < end)
		buf_add_str(b, "The quick brown f=C3=B6x jumps over the lazy "
			       "d=C3=B6g and then it r=\r\nests.\r\n");
}

static void
add_base64(struct buf *b, size_t bytes)
{
	uint8_t line[57];
	uint32_t random = 1;

	for (size_t n = 0; n < bytes; n += sizeof(line)) {
		for (size_t i = 0; i < sizeof(line); i++) {
			random = random * 1103515245 + 12345;
			line[i] = (uint8_t)(random >> 16);
		}
		base64_encode(b, slice_of(line, sizeof(line)));
		buf_add_str(b, "\r\n");
	}
}

static void
add_mixed(struct buf *b, unsigned count, size_t bytes)
{
	add_head(b, "Content-Type: multipart/mixed;\r\n"
		    " boundary=\"===============123456789==\"\r\n\r\n"
		    "--===============123456789==\r\n"
		    "Content-Type: text/plain; charset=utf-8\r\n\r\n");
	add_text(b, 1500);
	for (unsigned i = 0; i < count; i++) {
		buf_printf(b,
			   "--===============123456789==\r\nContent-Type: "
			   "application/pdf; name=\"file%u.pdf\"\r\n"
			   "Content-Transfer-Encoding: base64\r\n"
			   "Content-Disposition: attachment;\r\n"
			   " filename=\"file%u.pdf\"\r\n\r\n",
			   i, i);
		add_base64(b, bytes);
	}
	buf_add_str(b, "--===============123456789==--\r\n");
}

static void
measure_message(const char *name, struct buf *b)
{
	char label[64];

	(void)snprintf(label, sizeof(label), "%s (%zu KiB)", name, b->n / 1024);
	compare(label, buf_slice(b), false);
	compare(label, buf_slice(b), true);
	buf_fini(b);
}

int
main(int argc, char **argv)
{
	struct buf b = {.cap = SIZE_MAX};

	if (argc > 1)
		spent_ns = strtoull(argv[1], NULL, 10) * 1000000;
	g_mime_init();
	add_head(&b, "Content-Type: text/plain; charset=us-ascii\r\n\r\n");
	add_text(&b, 4096 - b.n);
	measure_message("plain text", &b);
	add_head(&b, "Content-Type: text/html; charset=utf-8\r\n"
		     "Content-Transfer-Encoding: quoted-printable\r\n\r\n");
	add_qp(&b, 4096 - b.n);
	measure_message("quoted-printable text", &b);
	add_mixed(&b, 1, 20000);
	measure_message("one small attachment", &b);
	add_mixed(&b, 1, 750000);
	measure_message("one attachment", &b);
	add_mixed(&b, 3, 7500000);
	measure_message("three large attachments", &b);
	add_mixed(&b, 1000, 100);
	measure_message("1,000 tiny attachments", &b);
	g_mime_shutdown();
	return 0;
}
