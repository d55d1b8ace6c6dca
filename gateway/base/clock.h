#ifndef GATEWAY_BASE_CLOCK_H
#define GATEWAY_BASE_CLOCK_H

#include <stdint.h>

/*
 * The only places that read a clock are the loops, the store thread and the
 * log; everything else gets the time as an argument.
 * `_ms` is monotonic, `_wall_s` and `_wall_ms` are since 1970 UTC.
 */
int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);
int64_t clock_wall_s(void);
int64_t clock_wall_ms(void);

/* RFC 5322 date-time in the local zone, e.g. "Sat, 21 Nov 2026 23:05:29 +0100".
 * buf needs CLOCK_RFC5322_SIZE. */
#define CLOCK_RFC5322_SIZE 40
void clock_rfc5322(int64_t wall_s, char buf[CLOCK_RFC5322_SIZE]);

/* ISO 8601 UTC with milliseconds: "2026-11-21T23:05:29.123Z". */
#define CLOCK_ISO_SIZE 32
void clock_iso(int64_t wall_ms, char buf[CLOCK_ISO_SIZE]);

/* Local "HH:MM" when on the same local day as now, else "YYYY-MM-DD HH:MM". */
#define CLOCK_HUMAN_SIZE 20
void clock_human(int64_t wall_s, int64_t now_wall_s,
		 char buf[CLOCK_HUMAN_SIZE]);

#endif
