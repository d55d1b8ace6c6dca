#ifndef TESTS_BACK_SCANNER_H
#define TESTS_BACK_SCANNER_H

#include <stdatomic.h>
#include <stdbool.h>

#include "gateway/scan/scan.h"

/*
 * A scanner that is told what to do, in the place of gateway/scan's thread
 * (the tests link with --wrap). It reads and decodes what it is given: EVIL is
 * a virus, SEALED cannot be looked into, BROKEN is an error of this part.
 */
struct scanner {
	_Atomic bool on, up, hang, bypass;
	_Atomic unsigned asked;	  /* jobs */
	_Atomic unsigned waiting; /* of these, in hand */
	_Atomic unsigned most;	  /* of waiting, ever */
	_Atomic unsigned known;	  /* questions of scan_known */
	_Atomic bool knows;	  /* all is clean */
	_Atomic bool knows_evil;  /* that EVIL is a virus */
};
extern struct scanner scanner;

struct scan *scanner_start(void);
void scanner_stop(void);
/* `up` is told to whoever listens. */
void scanner_set_up(bool up);

#endif
