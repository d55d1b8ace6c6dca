#ifndef TESTS_SUPPORT_STEPS_H
#define TESTS_SUPPORT_STEPS_H

/*
 * Long walks beside a model are run whole in the release build. Sanitizers are
 * twenty times slower and look for something else: a tenth finds it.
 */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STEPS(n) ((n) / 10)
#else
#define STEPS(n) (n)
#endif

#endif
