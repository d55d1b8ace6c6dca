#ifndef GATEWAY_NOTIFY_H
#define GATEWAY_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

/*
 * sd_notify(3) by hand: a datagram of NAME=value lines to $NOTIFY_SOCKET.
 * 0; GW_ENOENT when nobody listens (no systemd): that is no error; GW_EINVAL,
 * GW_EIO.
 */
int notify_send(const char *state);

/* "RELOADING=1" with the time systemd wants beside it. */
int notify_reloading(int64_t mono_us);

/* sd_watchdog_enabled(3): false: not for this process. interval_ms is half of
 * what systemd allows. */
bool notify_watchdog(int64_t *interval_ms);

#endif
