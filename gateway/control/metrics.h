#ifndef GATEWAY_CONTROL_METRICS_H
#define GATEWAY_CONTROL_METRICS_H

#include "gateway/back/back.h"
#include "gateway/base/buf.h"
#include "gateway/campaign/campaign.h"
#include "gateway/control/resolver.h"
#include "gateway/front/front.h"
#include "gateway/scan/scan.h"
#include "gateway/spool/spool.h"

/*
 * Every figure there is, read at one moment, and one table of them that makes
 * `sluice stats`, its JSON and the Prometheus text.
 */
#define METRICS_HOPS 64
#define METRICS_SCANNERS 16

struct metrics {
	int64_t wall_s;
	int64_t start_wall_s;
	struct front_status front;
	struct back_status back;
	struct spool_status spool;
	struct spool_ledger ledger;
	bool ledger_read; /* else the ledger is all zero */
	struct back_hop_status hops[METRICS_HOPS];
	size_t hop_count;
	int64_t certificate_wall_s; /* 0: none */
	double accepted_per_minute, delivered_per_minute;
	uint64_t alerts;
	uint64_t block_entries;
	uint64_t limit_keys, limit_bytes; /* in memory */
	struct dns_cache_status dns;
	struct resolver_status resolver;
	struct scan_status scan;
	struct scan_server_status scanners[METRICS_SCANNERS];
	size_t scanner_count;
	struct campaigns_status campaigns;
	uint64_t suppressed;
	/* made of the above */
	uint64_t uptime_s, oldest_s, disk_full;
	int64_t certificate_s, ledger_difference;
	uint64_t failing;
	/* of the resolver; all 0 while nobody asks it */
	uint64_t dns_failing, dns_slow, dns_rewrites, dns_remote;
	uint64_t scan_on, scan_up, scan_bypassed, scan_unsteady, scan_oldest_s;
};

/* Fills in the last part. */
void metrics_derive(struct metrics *m);

void metrics_stats(const struct metrics *m, struct buf *out); /* key=value */
void metrics_json(const struct metrics *m, struct buf *out);
/* The text format, version 0.0.4. */
void metrics_prometheus(const struct metrics *m, struct buf *out);

#endif
