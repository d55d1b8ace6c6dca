#ifndef TESTS_SUPPORT_CERT_H
#define TESTS_SUPPORT_CERT_H

/* A self-signed P-256 certificate for name, valid for a day, as two PEM files.
 * Aborts when it cannot. */
void cert_write(const char *name, const char *cert_path, const char *key_path);

#endif
