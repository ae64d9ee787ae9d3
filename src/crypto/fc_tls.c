/*-------------------------------------------------------------------------
 *
 * fc_tls.c
 *		What a TLS session of OpenSSL tells, for the HTTP transport.
 *
 *-------------------------------------------------------------------------
 */
#include <openssl/ssl.h>

#include "crypto/fc_crypto.h"

const char *
fc_tls_version(const void *session)
{
	return SSL_get_version((const SSL *) session);
}
