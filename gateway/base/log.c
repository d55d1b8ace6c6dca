/*
 * Lines, from any thread, to one place. A line is put together on the stack
 * with a cap and leaves in one write(2), so lines of two threads never mix
 * and no lock is held while a disk or a terminal is slow.
 *
 * The whole setting is one atomic word, and the log file lives on one
 * descriptor number for the life of the process: reopening puts the new file
 * on that number with dup3, which the kernel does in one step, so a thread
 * between reading the setting and writing meets the old file or the new one,
 * never a closed or a stranger's descriptor.
 *
 * A line that cannot be written is counted and the count is told by the next
 * one that can. What is too long is cut and marked. Keys and event names are
 * our own words and pass as they are; every value is escaped.
 */
#include "gateway/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "gateway/base/buf.h"
#include "gateway/base/clock.h"
#include "gateway/base/escape.h"

#define LINE_MAX_BYTES \
	4096 /* with newline; PIPE_BUF, so a pipe keeps it whole */
#define VALUE_MAX_BYTES 1024 /* of one value, before escaping */
#define VALUE_MIN_BYTES 16   /* a shorter piece says nothing: leave it out */
#define TAIL_BYTES 64	     /* kept free for the counts and the newline */

/* The setting as a number, so that it is read and replaced in one step. */
#define S_LEVEL(s) ((enum log_level)((s)&0xf))
#define S_FORMAT(s) ((enum log_format)((s) >> 4 & 0xf))
#define S_TARGET(s) ((enum log_target)((s) >> 8 & 0xf))

static _Atomic unsigned setting = (unsigned)GW_LOG_INFO |
				  (unsigned)LOG_LOGFMT << 4 |
				  (unsigned)LOG_TO_STDERR << 8;
static _Atomic int file_fd = -1; /* once set, the same number for good */
static _Atomic bool to_journal;	 /* stderr is the journal's socket */
static _Atomic uint64_t lost_count;
static _Atomic bool torn; /* the last write stopped inside a line */

static pthread_mutex_t setup_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t journal_once = PTHREAD_ONCE_INIT;

/* systemd names device and inode of the stream it gave us: only if stderr is
 * still that one does the journal read it (and `2>file` does not). */
static void
look_for_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	if (stream != NULL && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
	    fstat(STDERR_FILENO, &st) == 0)
		to_journal = dev == (unsigned long long)st.st_dev &&
			     ino == (unsigned long long)st.st_ino;
}

static int
open_file(const char *path)
{
	int old = file_fd, fd;

	if (path == NULL)
		return GW_EINVAL;
	/* Not waiting for the reader of a FIFO: a reload must not hang. */
	fd = open(path,
		  O_NONBLOCK | O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC |
		      O_NOCTTY,
		  0640);
	if (fd < 0)
		return GW_EIO;
	fcntl(fd, F_SETFL, O_APPEND);
	if (old < 0) {
		file_fd = fd;
		return 0;
	}
	if (dup3(fd, old, O_CLOEXEC) < 0) {
		close(fd);
		return GW_EIO;
	}
	close(fd);
	torn = false;
	return 0;
}

int
log_setup(const struct log_opts *opts)
{
	int err = 0;

	pthread_once(&journal_once, look_for_journal);
	pthread_mutex_lock(&setup_lock);
	switch (opts->target) {
	case LOG_TO_STDERR:
		break;
	case LOG_TO_SYSLOG:
		openlog(NULL, LOG_PID | LOG_NDELAY, LOG_MAIL);
		break;
	case LOG_TO_FILE:
		err = open_file(opts->path);
		break;
	}
	if (err == 0)
		setting = (unsigned)opts->level | (unsigned)opts->format << 4 |
			  (unsigned)opts->target << 8;
	pthread_mutex_unlock(&setup_lock);
	return err;
}

bool
log_wants(enum log_level level)
{
	return level <=
	       S_LEVEL(atomic_load_explicit(&setting, memory_order_relaxed));
}

static const char *
level_text(enum log_level level)
{
	switch (level) {
	case GW_LOG_ERROR:
		return "error";
	case GW_LOG_WARN:
		return "warn";
	case GW_LOG_INFO:
		return "info";
	case GW_LOG_DEBUG:
		return "debug";
	}
	return "error";
}

static int
level_priority(enum log_level level)
{
	switch (level) {
	case GW_LOG_ERROR:
		return LOG_ERR;
	case GW_LOG_WARN:
		return LOG_WARNING;
	case GW_LOG_INFO:
		return LOG_INFO;
	case GW_LOG_DEBUG:
		return LOG_DEBUG;
	}
	return LOG_ERR;
}

/* ` key=` or `,"key":`; start is where the first field of the line begins. */
static void
add_key(struct buf *line, size_t start, enum log_format format, const char *key)
{
	bool first = line->n == start;

	if (format == LOG_JSON) {
		buf_add_str(line, first ? "\"" : ",\"");
		buf_add_str(line, key);
		buf_add_str(line, "\":");
	} else {
		if (!first)
			buf_add_byte(line, ' ');
		buf_add_str(line, key);
		buf_add_byte(line, '=');
	}
}

static void
add_text(struct buf *line, enum log_format format, struct slice s)
{
	if (format == LOG_JSON)
		escape_json(line, s);
	else
		escape_logfmt(line, s);
}

/* The first `most` bytes of s, not ending inside a character, and a mark. */
static void
add_cut(struct buf *line, enum log_format format, struct slice s, size_t most)
{
	char piece[VALUE_MAX_BYTES + 40];
	size_t n = most;
	int mark;

	for (int back = 0; back < 3 && n > 0 && (s.p[n] & 0xc0) == 0x80; back++)
		n--;
	memcpy(piece, s.p, n);
	mark = snprintf(piece + n, sizeof(piece) - n, "...[+%zu]", s.n - n);
	add_text(line, format, slice_of(piece, n + (size_t)mark));
}

/* False: it does not fit, not even cut; the line is as before. */
static bool
add_slice(struct buf *line, size_t start, enum log_format format,
	  const struct log_field *f)
{
	struct slice s = f->v.s;
	size_t before = line->n;
	size_t most = s.n < VALUE_MAX_BYTES ? s.n : VALUE_MAX_BYTES;

	for (;;) {
		add_key(line, start, format, f->key);
		if (most == s.n)
			add_text(line, format, s);
		else
			add_cut(line, format, s, most);
		if (!line->overflow)
			return true;
		line->n = before;
		line->overflow = false;
		if (most / 2 < VALUE_MIN_BYTES)
			return false;
		most /= 2;
	}
}

static bool
add_field(struct buf *line, size_t start, enum log_format format,
	  const struct log_field *f)
{
	char text[IP_TEXT_SIZE];
	struct log_field as_text = {.key = f->key, .kind = LOG_F_SLICE};
	size_t before = line->n;

	switch (f->kind) {
	case LOG_F_SLICE:
		if (f->v.s.p == NULL)
			return true;
		return add_slice(line, start, format, f);
	case LOG_F_IP:
		if (f->v.ip == NULL)
			return true;
		ip_format(f->v.ip, text);
		as_text.v.s = slice_str(text);
		return add_slice(line, start, format, &as_text);
	case LOG_F_I64:
		add_key(line, start, format, f->key);
		buf_add_i64(line, f->v.i);
		break;
	case LOG_F_U64:
		add_key(line, start, format, f->key);
		buf_add_u64(line, f->v.u);
		break;
	}
	if (!line->overflow)
		return true;
	line->n = before;
	line->overflow = false;
	return false;
}

static void
add_fields(struct buf *line, size_t start, enum log_format format,
	   const struct log_field *fields, size_t count)
{
	uint64_t cut = 0;

	for (size_t i = 0; i < count; i++) {
		if (!add_field(line, start, format, &fields[i]))
			cut++;
	}
	line->cap += TAIL_BYTES;
	if (cut > 0)
		add_field(line, start, format, &LF_U64("cut_fields", cut));
}

/* What is written was lost or torn in the past: tell it with this line. */
static void
write_line(int fd, struct slice line, uint64_t told_lost)
{
	ssize_t n;

	do {
		n = write(fd, line.p, line.n);
	} while (n < 0 && errno == EINTR);
	if (n == (ssize_t)line.n)
		return;
	if (n > 0)
		torn = true; /* a full disk: the next line starts afresh */
	atomic_fetch_add(&lost_count, told_lost + 1);
}

void
log_fields(enum log_level level, const char *event,
	   const struct log_field *fields, size_t count)
{
	unsigned s = setting;
	enum log_format format = S_FORMAT(s);
	enum log_target target = S_TARGET(s);
	bool journal;
	char room[LINE_MAX_BYTES + 1], iso[CLOCK_ISO_SIZE];
	/* Borrows `room`: with size at cap + 1 it never grows, nor is freed. */
	struct buf line = {.p = room,
			   .size = sizeof(room),
			   .cap = LINE_MAX_BYTES - TAIL_BYTES};
	uint64_t lost;
	size_t start;

	pthread_once(&journal_once, look_for_journal);
	journal = target == LOG_TO_STDERR && to_journal;
	if (target != LOG_TO_SYSLOG && atomic_exchange(&torn, false))
		buf_add_byte(&line, '\n');
	if (journal)
		buf_printf(&line, "<%d>", level_priority(level));
	if (format == LOG_JSON)
		buf_add_byte(&line, '{');
	start = line.n;
	if (target == LOG_TO_FILE || (target == LOG_TO_STDERR && !journal)) {
		clock_iso(clock_wall_ms(), iso);
		add_field(&line, start, format, &LF_STR("time", iso));
	}
	add_field(&line, start, format, &LF_STR("level", level_text(level)));
	add_field(&line, start, format, &LF_STR("event", event));
	lost = target == LOG_TO_SYSLOG ? 0 : atomic_exchange(&lost_count, 0);
	if (lost > 0)
		add_field(&line, start, format, &LF_U64("lost_lines", lost));
	add_fields(&line, start, format, fields, count);
	if (format == LOG_JSON)
		buf_add_byte(&line, '}');
	if (target == LOG_TO_SYSLOG) {
		syslog(level_priority(level), "%s", buf_cstr(&line));
		return;
	}
	buf_add_byte(&line, '\n');
	write_line(target == LOG_TO_FILE ? file_fd : STDERR_FILENO,
		   buf_slice(&line), lost);
}
