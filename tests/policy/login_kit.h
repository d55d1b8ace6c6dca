#ifndef TESTS_POLICY_LOGIN_KIT_H
#define TESTS_POLICY_LOGIN_KIT_H

#include "tests/policy/limits_kit.h"

/* A login that was wrong; false: nobody looked at it. */
static inline bool
kit_fail(struct limits *limits, const struct ip_addr *ip, double s)
{
	struct attempt *attempt = attempt_create(limits, ip);
	struct limit_verdict verdict;
	bool begun = attempt_begin(attempt, at(s), &verdict);

	if (begun)
		attempt_fail(&attempt, at(s));
	else
		attempt_end(&attempt, at(s));
	return begun;
}

/* Would one be looked at? */
static inline bool
kit_may_login(struct limits *limits, const struct ip_addr *ip, double s,
	      struct limit_verdict *verdict)
{
	struct attempt *attempt = attempt_create(limits, ip);
	bool begun = attempt_begin(attempt, at(s), verdict);

	attempt_end(&attempt, at(s));
	return begun;
}

#endif
