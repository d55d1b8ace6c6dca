#ifndef GATEWAY_SOCKETS_H
#define GATEWAY_SOCKETS_H

#include "gateway/base/buf.h"
#include "gateway/config.h"

/*
 * The listening sockets: opened by us or handed over by systemd. They outlive
 * a configuration: a reload keeps those that both name.
 */
struct sockets;

/* Takes what systemd hands over, from first_fd on. */
struct sockets *sockets_create(int first_fd);
void sockets_destroy(struct sockets **sockets); /* closes all */

/*
 * Finds or opens what the configuration wants. GW_EINVAL: each fault is a
 * line in errors, and what was opened for it is closed again; else commit or
 * abandon follows.
 */
int sockets_prepare(struct sockets *sockets, const struct config *config,
		    struct buf *errors);
void sockets_abandon(struct sockets *sockets);
void sockets_commit(struct sockets *sockets);
/* Closes what no configuration wants any more; the front must have let go of
 * it. Until then the next prepare may take it back. */
void sockets_sweep(struct sockets *sockets);

/* The sockets of the configuration prepared last: fd, and the index of its
 * `listen` block; false past the last. */
bool sockets_get(const struct sockets *sockets, size_t i, int *fd,
		 size_t *listen);

#endif
