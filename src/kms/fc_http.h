/*-------------------------------------------------------------------------
 *
 * fc_http.h
 *		The HTTP transport of the providers: the only user of libcurl.
 *
 * One multi handle and one epoll descriptor for all exchanges; the worker
 * waits on that descriptor together with its latch and calls run() when it
 * is readable or the time is up.  Nothing here waits, throws, logs or
 * allocates from PostgreSQL.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_HTTP_H
#define FC_HTTP_H

#include "kms/fc_kms.h"

/* Longest answer that is taken; a KMS needs some hundred bytes. */
#define FC_HTTP_ANSWER_MAX	(256 * 1024)

/* Exchanges at once. */
#define FC_HTTP_TRANSFERS	32

extern const FcKmsTransport fc_http_transport;

#endif							/* FC_HTTP_H */
