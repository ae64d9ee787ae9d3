/*-------------------------------------------------------------------------
 *
 * fc_http.c
 *		The HTTP transport of the providers (see fc_http.h).
 *
 * What libcurl does by itself and must not do here:
 *
 *	- join a resolver thread that hangs in getaddrinfo(): CURLOPT_QUICK_EXIT,
 *	  hence libcurl 7.87.  For the same reason nothing is cleaned up at exit.
 *	- let that thread run our signal handlers: signals are blocked wherever
 *	  libcurl may start a thread, and the thread inherits that.
 *	- obey https_proxy, .netrc or redirects: switched off.  A token in a header
 *	  of its own would be sent wherever a redirect points to.
 *	- write the keys of its connections where SSLKEYLOGFILE says: unset.
 *	- leave requests and answers in freed memory: it uses an allocator that
 *	  wipes.
 *
 * libcurl is initialised at the first exchange, so in a worker that needs it
 * and never in the postmaster or a backend.
 *
 *-------------------------------------------------------------------------
 */
#include <curl/curl.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "crypto/fc_crypto.h"
#include "kms/fc_http.h"
#include "kms/fc_kms_mem.h"

#if LIBCURL_VERSION_NUM < 0x075700
#error "fieldcrypt needs libcurl 7.87 or later (CURLOPT_QUICK_EXIT)"
#endif

#define FC_HTTP_CONNECT_MS	3000

/* A connection is made anew, and so verified anew, after this many seconds. */
#define FC_HTTP_LIFETIME_S	60

#define FC_HTTP_AGENT		"fieldcrypt"
#define FC_HTTP_EVENTS		16

typedef struct FcTransfer
{
	FcKmsHttp  *http;			/* NULL = free */
	CURL	   *easy;			/* NULL once it has ended */
	struct curl_slist *headers;
	char	   *answer;
	size_t		answer_len;
	size_t		answer_room;
	char	   *location;
	bool		too_long;
	int			timeout_ms;
	char		error[CURL_ERROR_SIZE];
} FcTransfer;

static CURLM *fc_multi = NULL;
static int	fc_epoll = -1;
static int64_t fc_timer = -1;	/* when libcurl wants to be called; -1 = never */
static FcTransfer fc_transfers[FC_HTTP_TRANSFERS];

static void http_start(FcKmsHttp *http, int timeout_ms);
static int	http_descriptor(void);
static long http_timeout(void);
static void http_run(void);
static bool http_finished(const FcKmsHttp *http);
static void http_release(FcKmsHttp *http);

static bool http_init(void);
static FcTransfer *http_transfer(const FcKmsHttp *http);
static bool http_prepare(FcTransfer *t);
static bool http_secure(FcTransfer *t);
static bool http_request(FcTransfer *t);
static void http_trace(FcTransfer *t);
static void http_ended(FcTransfer *t, CURLcode result);
static void http_failed(FcTransfer *t, CURLcode result);
static void http_close(FcTransfer *t);
static void http_wipe_headers(struct curl_slist *headers);
static int	on_connected(void *arg, char *peer, char *local, int peer_port, int local_port);
static size_t on_write(char *data, size_t size, size_t n, void *arg);
static int	on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg);
static int	on_timer(CURLM *multi, long timeout_ms, void *arg);
static void signals_block(sigset_t *old);
static int64_t now_ms(void);

const FcKmsTransport fc_http_transport = {
	.start = http_start,
	.descriptor = http_descriptor,
	.timeout = http_timeout,
	.run = http_run,
	.finished = http_finished,
	.release = http_release
};

const FcKmsTransport *
fc_kms_transport(void)
{
	return &fc_http_transport;
}

static bool
http_init(void)
{
	if (fc_multi != NULL)
		return true;
	(void) unsetenv("SSLKEYLOGFILE");
	if (fc_epoll < 0)
		fc_epoll = epoll_create1(EPOLL_CLOEXEC);
	if (fc_epoll < 0 ||
		curl_global_init_mem(CURL_GLOBAL_DEFAULT, fc_mem_alloc, fc_mem_free,
							 fc_mem_realloc, fc_mem_strdup, fc_mem_calloc) != CURLE_OK)
		return false;
	fc_multi = curl_multi_init();
	if (fc_multi == NULL)
		return false;
	return curl_multi_setopt(fc_multi, CURLMOPT_SOCKETFUNCTION, on_socket) == CURLM_OK &&
		   curl_multi_setopt(fc_multi, CURLMOPT_TIMERFUNCTION, on_timer) == CURLM_OK &&
		   curl_multi_setopt(fc_multi, CURLMOPT_PIPELINING, (long) CURLPIPE_NOTHING) == CURLM_OK;
}

static FcTransfer *
http_transfer(const FcKmsHttp *http)
{
	int			i;

	for (i = 0; i < FC_HTTP_TRANSFERS; i++)
		if (fc_transfers[i].http == http)
			return &fc_transfers[i];
	return NULL;
}

/* An exchange that cannot be begun has ended: it has no transfer. */
static void
http_start(FcKmsHttp *http, int timeout_ms)
{
	FcTransfer *t;
	sigset_t	old;
	bool		started;

	http->transport = FC_ERR_KMS_RETRY;
	http->status = 0;
	http->retry_after_ms = 0;
	http->answer = NULL;
	http->answer_len = 0;
	http->location = NULL;
	memset(&http->trace, 0, sizeof(http->trace));
	snprintf(http->transport_error, sizeof(http->transport_error),
			 "the HTTP library could not begin the exchange");

	signals_block(&old);
	t = http_init() ? http_transfer(NULL) : NULL;
	if (t != NULL)
	{
		t->http = http;
		t->timeout_ms = http->timeout_ms > 0 && http->timeout_ms < timeout_ms ?
						http->timeout_ms : timeout_ms;
		started = http_prepare(t) && curl_multi_add_handle(fc_multi, t->easy) == CURLM_OK;
		if (!started)
		{
			if (t->error[0] != '\0')
				snprintf(http->transport_error, sizeof(http->transport_error), "%.200s", t->error);
			http_release(http);
		}
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static bool
http_prepare(FcTransfer *t)
{
	t->easy = curl_easy_init();
	return t->easy != NULL && http_secure(t) && http_request(t);
}

#define SET(option, value) \
	do \
	{ \
		if (curl_easy_setopt(t->easy, option, value) != CURLE_OK) \
			return false; \
	} while (0)

/* What must not depend on the environment, the server or the request. */
static bool
http_secure(FcTransfer *t)
{
	const FcKmsTls *tls = t->http->tls;
	const char *protocols = t->http->plain ? "http" : "https";
	long		version = tls->tls13 ? CURL_SSLVERSION_TLSv1_3 : CURL_SSLVERSION_TLSv1_2;

	SET(CURLOPT_ERRORBUFFER, t->error);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_QUICK_EXIT, 1L);
	SET(CURLOPT_PROTOCOLS_STR, protocols);
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_NETRC, (long) CURL_NETRC_IGNORED);
	SET(CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_USERAGENT, FC_HTTP_AGENT);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_SSLVERSION, version);
	SET(CURLOPT_SSL_SESSIONID_CACHE, 0L);
	SET(CURLOPT_MAXLIFETIME_CONN, (long) FC_HTTP_LIFETIME_S);
	if (tls->ca_file != NULL)
	{
		SET(CURLOPT_CAINFO, tls->ca_file);
		SET(CURLOPT_CAPATH, NULL);
	}
	if (tls->client_cert_file != NULL)
	{
		const char *key = tls->client_key_file != NULL ? tls->client_key_file : tls->client_cert_file;

		SET(CURLOPT_SSLCERT, tls->client_cert_file);
		SET(CURLOPT_SSLKEY, key);
	}
	return true;
}

static bool
http_request(FcTransfer *t)
{
	const FcKmsHttp *http = t->http;
	const char *const *header;

	for (header = http->headers; header != NULL && *header != NULL; header++)
	{
		struct curl_slist *list = curl_slist_append(t->headers, *header);

		if (list == NULL)
			return false;
		t->headers = list;
	}
	SET(CURLOPT_URL, http->url);
	SET(CURLOPT_HTTPHEADER, t->headers);
	if (strcmp(http->method, "GET") == 0)
		SET(CURLOPT_HTTPGET, 1L);
	else
	{
		SET(CURLOPT_POST, 1L);
		SET(CURLOPT_POSTFIELDS, http->body);
		SET(CURLOPT_POSTFIELDSIZE, (long) http->body_len);
		SET(CURLOPT_CUSTOMREQUEST, http->method);
	}
	SET(CURLOPT_TIMEOUT_MS, (long) t->timeout_ms);
	SET(CURLOPT_CONNECTTIMEOUT_MS,
		(long) (t->timeout_ms < FC_HTTP_CONNECT_MS ? t->timeout_ms : FC_HTTP_CONNECT_MS));
	if (http->fresh)
	{
		SET(CURLOPT_FRESH_CONNECT, 1L);
		SET(CURLOPT_DNS_CACHE_TIMEOUT, 0L);
	}
	SET(CURLOPT_PREREQFUNCTION, on_connected);
	SET(CURLOPT_PREREQDATA, t);
	SET(CURLOPT_WRITEFUNCTION, on_write);
	SET(CURLOPT_WRITEDATA, t);
	SET(CURLOPT_PRIVATE, t);
	return true;
}

#undef SET

static int
http_descriptor(void)
{
	return fc_multi != NULL ? fc_epoll : -1;
}

static long
http_timeout(void)
{
	int64_t		left;

	if (fc_timer < 0)
		return -1;
	left = fc_timer - now_ms();
	return left > 0 ? (long) left : 0;
}

static void
http_run(void)
{
	struct epoll_event events[FC_HTTP_EVENTS];
	sigset_t	old;
	CURLMsg    *message;
	int			running;
	int			n;
	int			i;

	if (fc_multi == NULL)
		return;
	signals_block(&old);
	do
	{
		n = epoll_wait(fc_epoll, events, FC_HTTP_EVENTS, 0);
		for (i = 0; i < n; i++)
		{
			int			what = 0;

			if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
				what |= CURL_CSELECT_IN;
			if (events[i].events & EPOLLOUT)
				what |= CURL_CSELECT_OUT;
			if (events[i].events & EPOLLERR)
				what |= CURL_CSELECT_ERR;
			(void) curl_multi_socket_action(fc_multi, events[i].data.fd, what, &running);
		}
	} while (n == FC_HTTP_EVENTS);

	if (fc_timer >= 0 && now_ms() >= fc_timer)
	{
		fc_timer = -1;
		(void) curl_multi_socket_action(fc_multi, CURL_SOCKET_TIMEOUT, 0, &running);
	}

	while ((message = curl_multi_info_read(fc_multi, &n)) != NULL)
	{
		FcTransfer *t = NULL;

		if (message->msg == CURLMSG_DONE &&
			curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **) &t) == CURLE_OK &&
			t != NULL)
			http_ended(t, message->data.result);
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/*
 * How far it got; that a request could be sent, on_connected() took down.
 * Some versions of libcurl tell the time of the connection only when TLS is
 * established as well, but all have a local port from then on.
 */
static void
http_trace(FcTransfer *t)
{
	static const CURLINFO times[] = {
		CURLINFO_NAMELOOKUP_TIME_T, CURLINFO_CONNECT_TIME_T, CURLINFO_APPCONNECT_TIME_T
	};
	FcKmsTrace *trace = &t->http->trace;
	char	   *peer = NULL;
	long		port = 0;
	long		local = 0;
	int			i;

	(void) curl_easy_getinfo(t->easy, CURLINFO_LOCAL_PORT, &local);
	for (i = 0; i < 3; i++)
	{
		FcKmsReach	reach = (FcKmsReach) (i + 1);
		curl_off_t	micros = 0;

		(void) curl_easy_getinfo(t->easy, times[i], &micros);
		trace->micros[reach] = micros > trace->micros[i] ? micros : trace->micros[i];
		if ((micros > 0 || (reach == FC_KMS_CONNECTED && local > 0)) && trace->reach < reach)
			trace->reach = reach;
	}
	(void) curl_easy_getinfo(t->easy, CURLINFO_PRIMARY_IP, &peer);
	(void) curl_easy_getinfo(t->easy, CURLINFO_PRIMARY_PORT, &port);
	snprintf(trace->peer, sizeof(trace->peer), "%s", peer != NULL ? peer : "");
	trace->port = (int) port;
}

/* Hand over what there is, and let go of the handle. */
static void
http_ended(FcTransfer *t, CURLcode result)
{
	FcKmsHttp  *http = t->http;
	long		status = 0;
	char	   *location = NULL;
	curl_off_t	retry_after = 0;

	http_trace(t);
	(void) curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	(void) curl_easy_getinfo(t->easy, CURLINFO_REDIRECT_URL, &location);
	(void) curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &retry_after);
	if (result == CURLE_OK)
	{
		http->transport = FC_OK;
		http->transport_error[0] = '\0';
		http->status = (int) status;
		http->retry_after_ms = retry_after > 0 && retry_after < 3600 ? (int) retry_after * 1000 :
							   retry_after > 0 ? 3600 * 1000 : 0;
		t->location = location != NULL ? fc_mem_strdup(location) : NULL;
		http->location = t->location;
		http->answer = t->answer != NULL ? t->answer : "";
		http->answer_len = t->answer_len;
	}
	else
		http_failed(t, result);
	http_close(t);
}

/* Texts are our own where libcurl's hold times that differ from try to try. */
static void
http_failed(FcTransfer *t, CURLcode result)
{
	FcKmsHttp  *http = t->http;
	char	   *text = http->transport_error;
	size_t		room = sizeof(http->transport_error);
	const char *detail = t->error[0] != '\0' ? t->error : curl_easy_strerror(result);
	long		number = 0;

	http->transport = FC_ERR_KMS_RETRY;
	switch (result)
	{
		case CURLE_COULDNT_RESOLVE_HOST:
			snprintf(text, room, "the host name could not be resolved");
			break;
		case CURLE_COULDNT_CONNECT:
			(void) curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &number);
			snprintf(text, room, "could not connect: %s",
					 number != 0 ? strerror((int) number) : "no address answered");
			break;
		case CURLE_OPERATION_TIMEDOUT:
			if (http->trace.reach == FC_KMS_NOWHERE)
				snprintf(text, room, "the host name was not resolved in time");
			else if (http->trace.reach == FC_KMS_RESOLVED)
				snprintf(text, room, "no connection was made in time");
			else if (http->trace.reach == FC_KMS_CONNECTED)
				snprintf(text, room, "the server did not answer the TLS handshake in time");
			else
				snprintf(text, room, "no answer within %d ms", t->timeout_ms);
			break;
		case CURLE_PEER_FAILED_VERIFICATION:
			http->transport = FC_ERR_KMS_CONFIG;
			snprintf(text, room, "TLS verification failed: %.150s", detail);
			break;
		case CURLE_SSL_CACERT_BADFILE:
		case CURLE_SSL_CERTPROBLEM:
		case CURLE_SSL_CIPHER:
		case CURLE_SSL_ISSUER_ERROR:
		case CURLE_SSL_ENGINE_NOTFOUND:
		case CURLE_UNSUPPORTED_PROTOCOL:
		case CURLE_URL_MALFORMAT:
		case CURLE_NOT_BUILT_IN:
			http->transport = FC_ERR_KMS_CONFIG;
			snprintf(text, room, "%.200s", detail);
			break;
		case CURLE_WRITE_ERROR:
			if (t->too_long)
				http->transport = FC_ERR_KMS_DATA;
			snprintf(text, room, t->too_long ? "the answer is longer than %d bytes" : "out of memory",
					 FC_HTTP_ANSWER_MAX);
			break;
		default:
			snprintf(text, room, "%.200s", detail);
			break;
	}
}

/* With CURLOPT_QUICK_EXIT this waits for no resolver thread. */
static void
http_close(FcTransfer *t)
{
	if (t->easy != NULL)
	{
		(void) curl_multi_remove_handle(fc_multi, t->easy);
		curl_easy_cleanup(t->easy);
		t->easy = NULL;
	}
	http_wipe_headers(t->headers);
	curl_slist_free_all(t->headers);
	t->headers = NULL;
}

/* They hold the token; an older initialisation may have another allocator. */
static void
http_wipe_headers(struct curl_slist *headers)
{
	for (; headers != NULL; headers = headers->next)
		fc_wipe(headers->data, strlen(headers->data));
}

static bool
http_finished(const FcKmsHttp *http)
{
	const FcTransfer *t = http_transfer(http);

	return t == NULL || t->easy == NULL;
}

static void
http_release(FcKmsHttp *http)
{
	FcTransfer *t = http_transfer(http);
	sigset_t	old;

	http->answer = NULL;
	http->answer_len = 0;
	http->location = NULL;
	if (t == NULL)
		return;
	signals_block(&old);
	if (t->easy != NULL)
		http_trace(t);
	http_close(t);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	fc_mem_free(t->answer);
	fc_mem_free(t->location);
	fc_wipe(t, sizeof(*t));
}

/*
 * What libcurl calls.
 */

/* Connected, maybe long ago, and nothing sent yet: now it shows its TLS. */
static int
on_connected(void *arg, char *peer, char *local, int peer_port, int local_port)
{
	FcTransfer *t = arg;
	FcKmsTrace *trace = &t->http->trace;
	struct curl_tlssessioninfo *session = NULL;
	long		verify = -1;

	(void) peer;
	(void) local;
	(void) peer_port;
	(void) local_port;
	trace->reach = FC_KMS_SECURED;
	if (t->http->plain)
		return CURL_PREREQFUNC_OK;
	if (curl_easy_getinfo(t->easy, CURLINFO_TLS_SSL_PTR, &session) == CURLE_OK && session != NULL &&
		session->backend == CURLSSLBACKEND_OPENSSL && session->internals != NULL)
		snprintf(trace->tls, sizeof(trace->tls), "%s", fc_tls_version(session->internals));
	(void) curl_easy_getinfo(t->easy, CURLINFO_SSL_VERIFYRESULT, &verify);
	trace->verified = verify == 0;
	return CURL_PREREQFUNC_OK;
}

/* Anything but the number of bytes given ends the transfer. */
static size_t
on_write(char *data, size_t size, size_t n, void *arg)
{
	FcTransfer *t = arg;
	size_t		len = size * n;

	if (len > FC_HTTP_ANSWER_MAX - t->answer_len)
	{
		t->too_long = true;
		return 0;
	}
	if (t->answer_len + len + 1 > t->answer_room)
	{
		size_t		room = 2 * (t->answer_len + len + 1);
		char	   *grown = fc_mem_realloc(t->answer, room);

		if (grown == NULL)
			return 0;
		t->answer = grown;
		t->answer_room = room;
	}
	memcpy(t->answer + t->answer_len, data, len);
	t->answer_len += len;
	t->answer[t->answer_len] = '\0';
	return len;
}

static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct epoll_event event = { 0 };

	(void) easy;
	(void) arg;
	(void) socket_arg;
	event.data.fd = fd;
	if (what == CURL_POLL_REMOVE)
	{
		(void) epoll_ctl(fc_epoll, EPOLL_CTL_DEL, fd, &event);
		return 0;
	}
	if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
		event.events |= EPOLLIN;
	if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
		event.events |= EPOLLOUT;
	if (epoll_ctl(fc_epoll, EPOLL_CTL_MOD, fd, &event) != 0 &&
		(errno != ENOENT || epoll_ctl(fc_epoll, EPOLL_CTL_ADD, fd, &event) != 0))
		return -1;
	return 0;
}

static int
on_timer(CURLM *multi, long timeout_ms, void *arg)
{
	(void) multi;
	(void) arg;
	fc_timer = timeout_ms < 0 ? -1 : now_ms() + timeout_ms;
	return 0;
}

/* All but those that a fault raises, which must hit the thread at fault. */
static void
signals_block(sigset_t *old)
{
	sigset_t	all;

	sigfillset(&all);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGFPE);
	sigdelset(&all, SIGILL);
	sigdelset(&all, SIGABRT);
	sigdelset(&all, SIGTRAP);
	pthread_sigmask(SIG_BLOCK, &all, old);
}

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}
