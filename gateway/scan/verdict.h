#ifndef GATEWAY_SCAN_VERDICT_H
#define GATEWAY_SCAN_VERDICT_H

/*
 * What a scanner said of a part, or of a message: its worst part. Only CLEAN
 * and INFECTED are facts about the bytes; UNSCANNABLE is one about this
 * scanner's settings. ERROR is never kept.
 */
enum scan_kind { /* on disk: never renumber */
		 SCAN_CLEAN = 0,
		 SCAN_INFECTED = 1,
		 SCAN_UNSCANNABLE = 2, /* looked, and could not look inside */
		 SCAN_ERROR = 3,       /* no server answered, or wrongly */
};

enum scan_why { /* of UNSCANNABLE and ERROR; on disk: never renumber */
		SCAN_WHY_NONE = 0,
		/* UNSCANNABLE */
		SCAN_WHY_ENCRYPTED = 1,
		SCAN_WHY_TOO_BIG = 2,	/* for the scanner */
		SCAN_WHY_CONTAINER = 3, /* too deep, too many, a bomb */
		SCAN_WHY_POLICY = 4,	/* the scanner's own: a file type */
		SCAN_WHY_PARTIAL = 5,	/* message/partial */
		SCAN_WHY_EXTERNAL = 6,	/* message/external-body */
		SCAN_WHY_STRUCTURE = 7, /* over one of the walker's caps */
		/* ERROR */
		SCAN_WHY_DOWN = 8, /* no server to be reached, or trusted */
		SCAN_WHY_TIMEOUT = 9,
		SCAN_WHY_PROTOCOL = 10, /* an answer that is none */
		SCAN_WHY_SERVER = 11,	/* ICAP 4xx, 5xx */
		SCAN_WHY_CANCELED = 12,
		SCAN_WHY_READ = 13, /* our own bytes could not be read */
};

#define SCAN_THREAT_SIZE 128
#define SCAN_ISTAG_SIZE 48
#define SCAN_SERVER_SIZE 64

struct scan_verdict {
	enum scan_kind kind;
	enum scan_why why;
	char threat[SCAN_THREAT_SIZE]; /* printable UTF-8; "" none given */
	char server[SCAN_SERVER_SIZE]; /* host:port/service; "": nobody */
	char istag[SCAN_ISTAG_SIZE];   /* without quotes; "": none */
};

/* What the configuration wants done, per class. */
enum scan_down {		   /* no verdict within the wait at the dot */
		 SCAN_DOWN_HOLD,   /* accepted, held pending-scan */
		 SCAN_DOWN_OPEN,   /* accepted, goes out unscanned */
		 SCAN_DOWN_REJECT, /* 451 */
};
enum scan_unscannable {
	SCAN_UNSCANNABLE_REJECT,
	SCAN_UNSCANNABLE_HOLD, /* HOLD_UNSCANNABLE: `release` lifts it */
	SCAN_UNSCANNABLE_PASS,
};
enum scan_infected {
	/* 550 at the dot; after the 250 quarantine and a notice */
	SCAN_INFECTED_REJECT,
	SCAN_INFECTED_QUARANTINE,
	SCAN_INFECTED_CLEAN,   /* the part replaced, the original quarantined */
	SCAN_INFECTED_DISCARD, /* with a notice */
	SCAN_INFECTED_DISCARD_SILENTLY,
};

#endif
