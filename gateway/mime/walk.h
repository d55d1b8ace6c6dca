#ifndef GATEWAY_MIME_WALK_H
#define GATEWAY_MIME_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/digest.h"
#include "gateway/base/slice.h"

/*
 * Finds the parts of a message while its bytes arrive (RFC 5322, 2045-2047,
 * 2183, 2231, uuencode): where each lies, how it is encoded, what it is
 * called, and the digest of what it decodes to. Nothing is kept but the
 * innermost open entities, so memory does not grow with the message.
 *
 * It reads as the most gullible mail client would: whatever any of them shows
 * as an attachment is one. Where readers differ it says `ambiguous` with a
 * reason, and whoever asked looks at the raw message too.
 */
struct mime_walk;

enum mime_encoding {
	MIME_IDENTITY, /* 7bit, 8bit, binary, or unknown words (ambiguous) */
	MIME_BASE64,
	MIME_QP,
	MIME_UUENCODE,
};

enum {				   /* mime_part.flags */
       MIME_ATTACHMENT = 1 << 0,   /* else a text that is shown */
       MIME_BAD_ENCODING = 1 << 1, /* decoders may differ on it */
       MIME_ENCRYPTED = 1 << 2,	   /* S/MIME or PGP, by type */
       MIME_TNEF = 1 << 3,
       /* With MIME_ATTACHMENT: a text without a name behind the first one,
	* which most clients show and Outlook calls ATT00001.txt. */
       MIME_ASIDE = 1 << 4,
};

#define MIME_TYPE_SIZE 128
#define MIME_NAME_SIZE 256

struct mime_part {
	/* In the message's own bytes: [head, begin) is its header, [begin, end)
	 * its encoded content, without the CRLF before a boundary. A uuencoded
	 * one lies inside another part's content: head == begin, the `begin`
	 * line. */
	uint64_t head, begin, end;
	uint64_t decoded_bytes;
	enum mime_encoding encoding;
	uint32_t flags;
	uint32_t depth;		   /* 0: the message itself */
	char type[MIME_TYPE_SIZE]; /* "image/png", lower case; "text/plain"
				      where there is none */
	/* File name, UTF-8, RFC 2231 and 2047 decoded, no path, no control
	 * characters; "": none. Cut at a character. */
	char name[MIME_NAME_SIZE];
	/* Of the decoded bytes; attachments only, unless opts.digest_all. */
	uint8_t digest[DIGEST_SIZE];
};

/* Each leaf part, in the order of their ends. Borrowed until it returns. The
 * texts of a message that is itself attached are attachments. */
typedef void mime_part_fn(void *arg, const struct mime_part *part);

struct mime_opts {
	uint32_t parts_max;  /* 0: 10,000 entities of any kind */
	uint32_t depth_max;  /* 0: 32 */
	uint32_t header_max; /* bytes of one part's header; 0: 102,400 */
	bool digest_all;
	/* Where the parts are and nothing else: no decoded_bytes, digest, nor
	 * a look at whether the encoding is good. */
	bool structure_only;
	mime_part_fn *part; /* NULL: nobody */
	void *arg;
};

enum { /* mime_summary.flags */
       MIME_AMBIGUOUS = 1 << 0,
       /* Over a cap: what follows was not looked at. */
       MIME_TOO_MANY = 1 << 1,
       MIME_TOO_DEEP = 1 << 2,
       MIME_HEADER_TOO_BIG = 1 << 3,
       MIME_PARTIAL = 1 << 4,  /* message/partial */
       MIME_EXTERNAL = 1 << 5, /* message/external-body */
       MIME_SIGNED = 1 << 6,   /* multipart/signed, S/MIME signed-data */
       MIME_SEALED = 1 << 7,   /* encrypted as a whole */
};

struct mime_summary {
	uint32_t flags;
	uint32_t part_count;	   /* entities */
	uint32_t attachment_count; /* parts with MIME_ATTACHMENT */
	const char *why;	   /* of the first ambiguity; static; or NULL */
	uint64_t why_at;	   /* offset of its line, or its part */
};

struct mime_walk *mime_walk_create(const struct mime_opts *opts);
void mime_walk_destroy(struct mime_walk **walk);
/* Ready for another message; opts stay. */
void mime_walk_reset(struct mime_walk *walk);
/* The message's bytes in order, in pieces of any size. Never fails. */
void mime_walk_add(struct mime_walk *walk, struct slice bytes);
/* After the last byte: closes what is open, the last parts come. Then reset or
 * destroy. */
void mime_walk_end(struct mime_walk *walk, struct mime_summary *summary);

#endif
