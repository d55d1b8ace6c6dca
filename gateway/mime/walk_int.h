#ifndef GATEWAY_MIME_WALK_INT_H
#define GATEWAY_MIME_WALK_INT_H

#include "gateway/mime/head.h"
#include "gateway/mime/sink.h"
#include "gateway/mime/walk.h"

/*
 * The walker's state; of this unit only. The open entities are a stack, the
 * message itself at the bottom; only the top one takes bytes, and only the top
 * one can be a leaf.
 *
 *   walk.c     the stack's life, the public functions
 *   body.c     cutting content into lines where that is needed
 *   entity.c   what a header makes of its entity
 *   boundary.c which line ends which entity
 *   uufile.c   files inside texts
 */
enum mime_place {
	MIME_IN_HEAD,
	MIME_IN_LEAF,
	MIME_IN_PREAMBLE, /* of a multipart, before its first part */
	MIME_IN_PARTS,	  /* below the top only */
	MIME_IN_EPILOGUE,
	MIME_IN_MESSAGE, /* a message/rfc822, below the top only */
};

struct mime_frame {
	enum mime_place place;
	char *boundary; /* of a multipart; NULL: not known (yet) */
	size_t boundary_n;
	uint64_t head;	/* offset */
	bool digest;	/* its parts are messages, unless they say otherwise */
	bool attached;	/* inside a message that is attached */
	bool encrypted; /* inside multipart/encrypted */
	bool choice;	/* its parts are alternatives */
	bool has_parts; /* of a multipart: it had one */
	bool aside;	/* neither what a reader begins with nor an
			   alternative of it */
};

/* What a line must look like to be looked at, as bits. */
enum {
	MIME_WATCH_DASH = 1 << 0,    /* "--": a boundary? */
	MIME_WATCH_BEGIN = 1 << 1,   /* "begin": uuencode? */
	MIME_WATCH_END = 1 << 2,     /* "end" */
	MIME_WATCH_OTHER = 1 << 3,   /* "=ybegin", "(This file must": yEnc,
					BinHex */
	MIME_WATCH_CONTENT = 1 << 4, /* "content-" */
	MIME_WATCH_ANY = 1 << 7,
};

enum mime_uu {
	MIME_UU_NONE,
	MIME_UU_BEGUN, /* "begin" was seen; the next line tells */
	MIME_UU_DATA,
};

/* Outside of parts, where no file should be. */
#define MIME_WATCH_OUTSIDE                                       \
	(MIME_WATCH_DASH | MIME_WATCH_BEGIN | MIME_WATCH_OTHER | \
	 MIME_WATCH_CONTENT)

/* A longer one is no boundary, nor anything else of ours. */
#define MIME_LINE_MAX 1100
/* RFC 2046 says 70; this is what fits a line of SMTP. */
#define MIME_BOUNDARY_MAX 996

struct mime_walk {
	struct mime_opts opts; /* without zeroes */
	struct mime_summary sum;
	uint64_t offset;	   /* of the first byte not taken yet */
	bool stopped;		   /* over a cap */
	struct mime_frame *frames; /* depth_max + 1 */
	size_t frame_count;

	/* the head of the top entity */
	struct mime_head head;
	uint64_t head_bytes;

	/* the top entity's content */
	struct mime_part part; /* of a leaf; also of a multipart that may
				  turn out to be none */
	struct mime_sink sink; /* its content, if on */
	uint8_t watching;      /* for lines; 0: nobody cares */
	bool line_start;       /* what comes next begins a line */
	struct buf line;       /* an unfinished line that must be whole */
	uint64_t line_at;      /* its offset */
	char tail[2];	       /* a line end that may be a boundary's */
	uint8_t tail_n;

	/* a uuencoded file in it */
	enum mime_uu uu;
	struct mime_part uu_part;
	struct mime_sink uu_sink;
	struct buf scratch[2]; /* what two fields' parameters lie in */
};

void mime_ambiguous(struct mime_walk *w, const char *why, uint64_t at);
/* Over a cap: flag is the summary's. */
void mime_stop(struct mime_walk *w, uint32_t flag);
struct mime_frame *mime_top(struct mime_walk *w);

/* entity.c */
/* A new entity on top, its header at `at`. */
void mime_entity_open(struct mime_walk *w, uint64_t at);
/* Its header is over; content begins at `at`. */
void mime_entity_begin(struct mime_walk *w, uint64_t at);
void mime_entity_close(struct mime_walk *w, uint64_t end);
/* Of a leaf, or a file in one: counts and gives it away. */
void mime_part_give(struct mime_walk *w, struct mime_part *part,
		    struct mime_sink *sink);

/* boundary.c */
/* Before it is the top frame's: odd when readers could mix it up. NULL: it is
 * fine. */
const char *mime_boundary_check(struct mime_walk *w, struct slice boundary);
/* text starts with "--", lies at `at`, what is behind it at `next`: true when
 * it was a boundary of one of the open multiparts. */
bool mime_boundary_take(struct mime_walk *w, struct slice text, uint64_t at,
			uint64_t next);
/* The start of a line that is too long to be one. */
void mime_boundary_suspect(struct mime_walk *w, struct slice text, uint64_t at);

/* body.c */
/* The top entity's content starts here. */
void mime_body_begin(struct mime_walk *w, uint8_t watching);
/* Takes some of in, at least one byte; returns how many. */
size_t mime_body_take(struct mime_walk *w, struct slice in);
void mime_body_end(struct mime_walk *w); /* the message is over */
/* line without, *ending with its line end */
struct slice mime_line_text(struct slice line, struct slice *ending);

/* uufile.c */
/* Looks at a line of a text, at `at`, before its bytes are passed on, and
 * behind that (end: of the line). */
void mime_uu_line(struct mime_walk *w, struct slice text, uint64_t at);
void mime_uu_line_end(struct mime_walk *w, struct slice text, uint64_t end);
/* The text is over at `end`. */
void mime_uu_close(struct mime_walk *w, uint64_t end);

#endif
