/*
 * What GMime finds, in the form of tell.c; a part's FLAGS are 1 when GMime
 * calls it an attachment or it has a name.
 */
#include <arpa/inet.h>
#include <gmime/gmime.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In one step: in several GMime's own stream takes an "end" that lies on a
 * block's edge for data. */
static GByteArray *
decode(GMimeDataWrapper *content)
{
	GMimeStream *from = g_mime_data_wrapper_get_stream(content);
	GMimeStream *to = g_mime_stream_mem_new();
	GMimeFilter *filter = g_mime_filter_basic_new(
	    g_mime_data_wrapper_get_encoding(content), FALSE);
	GByteArray *coded, *out = g_byte_array_new();
	size_t n, before;
	char *p;

	g_mime_stream_reset(from);
	(void)g_mime_stream_write_to_stream(from, to);
	coded = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(to));
	g_mime_filter_filter(filter, (char *)coded->data, coded->len, 0, &p, &n,
			     &before);
	g_byte_array_append(out, (guint8 *)p, (guint)n);
	g_mime_filter_complete(filter, p, 0, 0, &p, &n, &before);
	g_byte_array_append(out, (guint8 *)p, (guint)n);
	g_object_unref(filter);
	g_object_unref(to);
	return out;
}

static void
tell_part(GMimePart *part)
{
	GMimeDataWrapper *content = g_mime_part_get_content(part);
	GMimeContentType *type =
	    g_mime_object_get_content_type(GMIME_OBJECT(part));
	const char *name = g_mime_part_get_filename(part);
	GByteArray *bytes =
	    content != NULL ? decode(content) : g_byte_array_new();
	char *sum = g_compute_checksum_for_data(G_CHECKSUM_SHA256, bytes->data,
						bytes->len);

	printf("part %d %s/%s %s %s\n",
	       g_mime_part_is_attachment(part) || name != NULL,
	       g_mime_content_type_get_media_type(type),
	       g_mime_content_type_get_media_subtype(type), sum,
	       name != NULL ? name : "");
	g_free(sum);
	g_byte_array_free(bytes, TRUE);
}

static void
tell(const char *p, size_t n)
{
	GMimeStream *stream = g_mime_stream_mem_new_with_buffer(p, n);
	GMimeParser *parser = g_mime_parser_new_with_stream(stream);
	GMimeMessage *message = g_mime_parser_construct_message(parser, NULL);
	GMimePartIter *iter;

	if (message != NULL && message->mime_part != NULL) {
		iter = g_mime_part_iter_new(GMIME_OBJECT(message));
		do {
			GMimeObject *object =
			    g_mime_part_iter_get_current(iter);

			if (object != NULL && GMIME_IS_PART(object))
				tell_part(GMIME_PART(object));
		} while (g_mime_part_iter_next(iter));
		g_mime_part_iter_free(iter);
	}
	printf("message 0 -\n");
	if (message != NULL)
		g_object_unref(message);
	g_object_unref(parser);
	g_object_unref(stream);
}

int
main(void)
{
	uint32_t n;

	g_mime_init();
	while (fread(&n, sizeof(n), 1, stdin) == 1) {
		char *p;

		n = ntohl(n);
		p = malloc(n > 0 ? n : 1);
		if (p == NULL || fread(p, 1, n, stdin) != n)
			return 1;
		tell(p, n);
		free(p);
	}
	g_mime_shutdown();
	return 0;
}
