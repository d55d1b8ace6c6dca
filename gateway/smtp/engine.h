#ifndef GATEWAY_SMTP_ENGINE_H
#define GATEWAY_SMTP_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/buf.h"
#include "gateway/smtp/server.h"

/*
 * The inside of smtp_server, for the engine_*.c files alone.
 *
 *   server.c          the public functions, the driver of the phases
 *   engine_line.c     octets to command lines, and the lines too long
 *   engine_command.c  the table of verbs, and the verbs that change nothing
 *   engine_session.c  HELO, EHLO, STARTTLS, AUTH, RSET, QUIT
 *   engine_mail.c     MAIL, RCPT
 *   engine_body.c     DATA, BDAT and what follows them
 *   engine_ticket.c   answers come in any order, replies leave in one
 *   engine_reply.c    the text of a reply
 *
 * size: one header although it is long; the struct and its seven files change
 * together, and nobody else may include it.
 *
 * Every reply goes through a ticket's slot, the engine's own too, so that one
 * place (engine_ticket.c) knows the order, counts errors and closes.
 */

#define ENGINE_LINE_MAX 512	   /* with CRLF: RFC 5321, 4.5.3.1.4 */
#define ENGINE_LINE_PATH_MAX 4096  /* MAIL and RCPT with parameters */
#define ENGINE_LINE_AUTH_MAX 12288 /* RFC 4954, 4 */
#define ENGINE_SKIP_MAX 65536	   /* of one line too long, then we close */
#define ENGINE_REPLY_MAX 512	   /* with CRLF: RFC 5321, 4.5.3.1.5 */
#define ENGINE_HELO_MAX 255
#define ENGINE_ERROR_MAX 20
#define ENGINE_LENIENT_MAX                                                     \
	1000			    /* refused RCPT and BDAT, commands that do \
				     * nothing: each one more is an error */
#define ENGINE_STRANGER_CHUNK 65536 /* octets read of a refused BDAT */

enum engine_phase {
	PHASE_GREETING, /* before smtp_server_greet */
	PHASE_COMMAND,
	PHASE_AUTH, /* the next line answers a challenge */
	PHASE_SKIP, /* the rest of a line too long */
	PHASE_DATA,
	PHASE_CHUNK, /* the octets of a BDAT */
	PHASE_TLS,   /* 220 went out, secured is awaited */
	PHASE_CLOSED
};

enum engine_verb {
	VERB_NONE, /* greeting, shutdown */
	VERB_UNKNOWN,
	VERB_HELO,
	VERB_EHLO,
	VERB_MAIL,
	VERB_MAIL_ASK, /* the owner's answer, other than a refusal of ours */
	VERB_RCPT,
	VERB_RCPT_MORE, /* one over the cap of a message: no error */
	VERB_DATA,
	VERB_DATA_ASK, /* the same */
	VERB_BDAT,
	VERB_BDAT_ASK, /* the first BDAT's question; 354 is not sent */
	VERB_DOT,
	VERB_RSET,
	VERB_QUIT,
	VERB_NOOP,
	VERB_HELP,
	VERB_VRFY,
	VERB_EXPN,
	VERB_AUTH,
	VERB_STARTTLS,
	VERB_ABSENT,  /* of RFC 5321 or before, not implemented */
	VERB_FOREIGN, /* another protocol's: a browser was led here */
};

/* Why input waits. */
enum engine_block {
	BLOCK_NONE,
	BLOCK_DRAIN,  /* for all tickets to be answered */
	BLOCK_SLOT,   /* for one of SMTP_TICKETS_MAX */
	BLOCK_RESUME, /* for smtp_server_resume */
	BLOCK_OWNER,  /* for greet or secured */
};

enum engine_fault { FAULT_NONE, FAULT_SIZE, FAULT_NUL, FAULT_LONG };

struct engine_answer {
	int code;
	const char *enhanced, *text; /* text NULL: that of the code */
	uint64_t ref;
};

struct engine_slot {
	char *text; /* owned; of an answer that waits for its turn */
	uint64_t ref;
	uint16_t code; /* 0: not answered */
	uint8_t verb;
	bool held;     /* answered, but its chunk is still coming in */
	bool overlong; /* AUTH: whatever the owner says, say 500 5.5.6 */
	char enhanced[12];
};

/* Slots head to tail - 1 are open; slot of ticket n is slots[n % size]. The
 * ring is there only while more than one is open. */
struct engine_tickets {
	struct engine_slot one;
	struct engine_slot *ring;
	uint32_t head, tail;
};

/* MAIL to dot. */
struct engine_transaction {
	struct lines lines;
	uint64_t bytes;	 /* of the message so far */
	uint64_t thrown; /* taken in since it was refused */
	uint32_t accepted;
	uint8_t fault;
	bool refused_any; /* a recipient */
	bool utf8;
	bool open; /* MAIL was accepted */
	bool dead; /* the owner has been told that it is over */
	bool bdat;
};

struct smtp_server {
	const struct smtp_server_ops *ops;
	void *arg;
	struct smtp_server_opts opts; /* mechanisms: see below */
	char *mechanisms;	      /* owned */
	char *helo;		      /* owned; NULL before it */
	struct engine_transaction *t;
	struct engine_tickets tickets;
	struct buf line; /* the part of a line that came so far */
	uint64_t chunk_size, chunk_left;
	uint32_t errors, lenient;
	uint32_t skipped;		/* octets of a line too long */
	struct engine_goodbye *goodbye; /* a shutdown that waits */
	struct smtp_refusal *dismissal; /* leaves behind a chunk */
	uint8_t phase, block;
	uint8_t depth; /* of public functions under way */
	bool tls, authenticated;
	bool starved, paused;
	bool skip_auth;	  /* the long line is of an AUTH exchange */
	bool skip_answer; /* and answers a challenge */
	bool more;	  /* octets stand behind the line */
	bool chunk_last, chunk_discard;
};

/* engine_line.c: both return the octets used. */
size_t engine_line_take(struct smtp_server *s, struct slice in);
size_t engine_line_skip(struct smtp_server *s, struct slice in);

/* engine_command.c */
enum engine_verb engine_command_verb(struct slice line, struct slice *args);
const char *engine_command_name(enum engine_verb verb);
void engine_command_run(struct smtp_server *s, struct slice line);
/* The owner refuses whatever comes now. */
bool engine_command_refused(struct smtp_server *s,
			    struct smtp_refusal *refusal);
/* Instead of a command line: *refusal, 421, the end. */
void engine_command_dismiss(struct smtp_server *s, struct slice line,
			    const struct smtp_refusal *refusal);

/* engine_session.c */
void engine_session_helo(struct smtp_server *s, enum engine_verb verb,
			 struct slice args);
void engine_session_starttls(struct smtp_server *s, struct slice args);
void engine_session_auth(struct smtp_server *s, struct slice args);
void engine_session_auth_line(struct smtp_server *s, struct slice line);
void engine_session_auth_overlong(struct smtp_server *s);
void engine_session_rset(struct smtp_server *s, struct slice args);
void engine_session_quit(struct smtp_server *s);
/* Has not logged in, and should have: little is done for him. */
bool engine_session_is_stranger(const struct smtp_server *s);

/* engine_mail.c */
void engine_mail_from(struct smtp_server *s, struct slice args);
void engine_mail_rcpt(struct smtp_server *s, struct slice args);
/* The number of recipients leaves room for one more question. */
bool engine_mail_rcpt_room(const struct smtp_server *s);
/* Forgets the transaction; the owner is told when it does not know yet. */
void engine_mail_end(struct smtp_server *s, bool tell);

/* engine_body.c */
bool engine_body_oversize(const struct smtp_server *s, uint64_t bytes);
void engine_body_say_oversize(struct smtp_server *s, enum engine_verb verb,
			      uint64_t bytes);
void engine_body_data(struct smtp_server *s, struct slice args);
void engine_body_bdat(struct smtp_server *s, struct slice args);
/* The client is sent away, behind its chunk. False: that is not to be read. */
bool engine_body_dismiss(struct smtp_server *s, struct slice args,
			 const struct smtp_refusal *refusal);
/* The owner's answer to the first BDAT's question. */
void engine_body_bdat_begin(struct smtp_server *s);
void engine_body_bdat_refused(struct smtp_server *s,
			      const struct engine_answer *answer);
void engine_body_data_begin(struct smtp_server *s);
size_t engine_body_data_take(struct smtp_server *s, struct slice in);
size_t engine_body_chunk_take(struct smtp_server *s, struct slice in);
/* Goes on after a pause when no octet will. */
void engine_body_resume(struct smtp_server *s);

/* engine_ticket.c */
uint32_t engine_ticket_open(struct smtp_server *s, enum engine_verb verb);
void engine_ticket_answer(struct smtp_server *s, uint32_t ticket,
			  const struct engine_answer *answer);
void engine_ticket_challenge(struct smtp_server *s, uint32_t ticket,
			     struct slice text);
struct engine_slot *engine_ticket_slot(struct smtp_server *s, uint32_t ticket);
uint32_t engine_ticket_count(const struct smtp_server *s);
bool engine_ticket_all_rcpt(const struct smtp_server *s);
/* Open and not held: commands and input wait. */
bool engine_ticket_waits(const struct smtp_server *s);
/* Around every public function that may call the owner. exit calls wake when
 * input was left over and can go on; it is the last thing such a function
 * does, since the engine may be gone afterwards. */
void engine_enter(struct smtp_server *s);
void engine_exit(struct smtp_server *s);
void engine_ticket_fini(struct smtp_server *s);
/* The engine's own reply, in its turn. */
void engine_say(struct smtp_server *s, enum engine_verb verb, int code,
		const char *enhanced, const char *text);
/* An answer that leaves with engine_ticket_release. */
void engine_ticket_hold(struct smtp_server *s, enum engine_verb verb,
			const struct engine_answer *answer);
void engine_ticket_release(struct smtp_server *s);
/* At once, whatever is open, then close. */
void engine_say_close(struct smtp_server *s, enum engine_verb verb, int code,
		      const char *enhanced, const char *text,
		      const char *reason);
/* *refusal in its turn, then 421 and the end. */
void engine_say_refusal(struct smtp_server *s, enum engine_verb verb,
			const struct smtp_refusal *refusal);
/* A reply of several lines, formatted by the caller. No ticket is open. */
void engine_say_raw(struct smtp_server *s, enum engine_verb verb, int code,
		    struct slice out, const char *text);
/* One more error, and 421 when it is one too many. */
void engine_count_error(struct smtp_server *s, bool lenient);
/* After 421 or the like is due: waits for the open tickets. */
void engine_goodbye_set(struct smtp_server *s, int code, const char *enhanced,
			const char *text, const char *reason);

/* engine_reply.c: the length, with CRLF; a NUL stands behind it. */
size_t engine_reply_format(char out[ENGINE_REPLY_MAX + 1], int code,
			   const char *enhanced, const char *text, bool utf8);
const char *engine_reply_default(int code);

#endif
