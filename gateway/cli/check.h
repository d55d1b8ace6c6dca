#ifndef GATEWAY_CLI_CHECK_H
#define GATEWAY_CLI_CHECK_H

/*
 * Becomes `sluiced -t -c FILE`: the one beside this program, else the one in
 * ../sbin, in PATH, or in /usr/sbin. Returns only when there is none, after a
 * sentence on standard error: the exit status.
 */
#define CHECK_FILE "/etc/sluice/gateway.conf"
int check_config(const char *file);

#endif
