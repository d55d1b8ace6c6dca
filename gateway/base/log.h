#ifndef GATEWAY_BASE_LOG_H
#define GATEWAY_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/addr.h"
#include "gateway/base/error.h"
#include "gateway/base/slice.h"

/*
 * One line a decision: level, event, fields. Values are escaped here and
 * nowhere else; AUTH data is never passed in. Safe from every thread. A slow
 * target never blocks a mail loop longer than one write(2).
 *
 *   log_event(GW_LOG_INFO, "accept", LF_STR("session", id),
 *	       LF_SLICE("cred", cred), LF_U64("bytes", n));
 *
 * A field whose string is NULL is left out.
 */
enum log_level { GW_LOG_ERROR, GW_LOG_WARN, GW_LOG_INFO, GW_LOG_DEBUG };
enum log_target { LOG_TO_STDERR, LOG_TO_SYSLOG, LOG_TO_FILE };
enum log_format { LOG_LOGFMT, LOG_JSON };

enum log_kind { LOG_F_SLICE, LOG_F_I64, LOG_F_U64, LOG_F_IP };

struct log_field {
	const char *key;
	enum log_kind kind;
	union {
		struct slice s;
		int64_t i;
		uint64_t u;
		const struct ip_addr *ip;
	} v;
};

#define LF_SLICE(k, val) \
	((struct log_field){.key = (k), .kind = LOG_F_SLICE, .v.s = (val)})
#define LF_STR(k, val) LF_SLICE((k), slice_str(val))
#define LF_I64(k, val) \
	((struct log_field){.key = (k), .kind = LOG_F_I64, .v.i = (val)})
#define LF_U64(k, val) \
	((struct log_field){.key = (k), .kind = LOG_F_U64, .v.u = (val)})
#define LF_IP(k, val) \
	((struct log_field){.key = (k), .kind = LOG_F_IP, .v.ip = (val)})
#define LF_ERR(err) LF_STR("error", gw_err_text(err))

struct log_opts {
	enum log_target target;
	enum log_format format;
	enum log_level level; /* lines above it are dropped */
	const char *path;     /* LOG_TO_FILE */
};

/* Until the first call lines go to stderr in logfmt at INFO. May be called
 * again (reload, SIGHUP reopens the file). GW_EIO, or GW_EINVAL for no
 * path: the old target stays. */
int log_setup(const struct log_opts *opts);
bool log_wants(enum log_level level);

void log_fields(enum log_level level, const char *event,
		const struct log_field *fields, size_t count);

#define log_event(level, event, ...)                                     \
	do {                                                             \
		if (log_wants(level)) {                                  \
			const struct log_field log_f_[] = {__VA_ARGS__}; \
			log_fields((level), (event), log_f_,             \
				   sizeof(log_f_) / sizeof(log_f_[0]));  \
		}                                                        \
	} while (0)

#endif
