#include <openssl/x509.h>
#include <time.h>

#include "gateway/net/stream_int.h"

int64_t
stream_peer_expires_wall_s(const struct stream *s)
{
	const X509 *leaf = s->tls == TLS_ON && s->ssl != NULL
			       ? SSL_get0_peer_certificate(s->ssl)
			       : NULL;
	struct tm tm;

	if (leaf == NULL || ASN1_TIME_to_tm(X509_get0_notAfter(leaf), &tm) != 1)
		return 0;
	return timegm(&tm);
}
