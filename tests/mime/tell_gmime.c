/*
 * What GMime finds, in the form of tell.c; a part's FLAGS are 1 when GMime
 * calls it an attachment or it has a name.
 */
#include <arpa/inet.h>
#include <gmime/gmime.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
tell_part(GMimePart *part)
{
	GMimeDataWrapper *content = g_mime_part_get_content(part);
	GMimeContentType *type =
	    g_mime_object_get_content_type(GMIME_OBJECT(part));
	const char *name = g_mime_part_get_filename(part);
	GMimeStream *stream = g_mime_stream_mem_new();
	GByteArray *bytes;
	char *sum;

	if (content != NULL)
		(void)g_mime_data_wrapper_write_to_stream(content, stream);
	bytes = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(stream));
	sum = g_compute_checksum_for_data(G_CHECKSUM_SHA256, bytes->data,
					  bytes->len);
	printf("part %d %s/%s %s %s\n",
	       g_mime_part_is_attachment(part) || name != NULL,
	       g_mime_content_type_get_media_type(type),
	       g_mime_content_type_get_media_subtype(type), sum,
	       name != NULL ? name : "");
	g_free(sum);
	g_object_unref(stream);
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
