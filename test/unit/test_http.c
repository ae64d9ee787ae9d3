/*-------------------------------------------------------------------------
 *
 * test_http.c
 *		The HTTP transport against a server in a child process, over plain http
 *		on the loopback interface.  TLS is tested with a real KMS (test/t).
 *
 * The server answers by the path asked for.
 *
 *-------------------------------------------------------------------------
 */
#include "fc_test.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kms/fc_http.h"

static int	port;
static const FcKmsTls tls = { NULL, NULL, NULL, false };

static void
say(int fd, const char *text)
{
	size_t		len = strlen(text);

	while (len > 0)
	{
		ssize_t		n = write(fd, text, len);

		if (n <= 0)
			return;
		text += n;
		len -= (size_t) n;
	}
}

static void
serve(int fd)
{
	char		request[65536];
	char		block[4097];
	size_t		len = 0;
	ssize_t		n;
	int			i;

	/* requests of these tests come in one piece or are short */
	memset(request, 0, sizeof(request));
	while (strstr(request, "\r\n\r\n") == NULL &&
		   (n = read(fd, request + len, sizeof(request) - 1 - len)) > 0)
		len += (size_t) n;

	if (strstr(request, "/hang") != NULL)
		sleep(60);
	else if (strstr(request, "/close") != NULL)
		return;
	else if (strstr(request, "/garbage") != NULL)
		say(fd, "220 mail.example.com ESMTP\r\n");
	else if (strstr(request, "/moved") != NULL)
		say(fd, "HTTP/1.1 307 Temporary Redirect\r\nLocation: https://127.0.0.9:1/v1/x\r\nContent-Length: 0\r\n\r\n");
	else if (strstr(request, "/busy") != NULL)
		say(fd, "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nContent-Length: 13\r\n\r\n{\"errors\":[]}");
	else if (strstr(request, "/cut") != NULL)
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
	else if (strstr(request, "/claims") != NULL)
		say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nx");
	else if (strstr(request, "/big") != NULL)
	{
		memset(block, 'x', sizeof(block));
		block[4096] = '\0';
		say(fd, "HTTP/1.1 200 OK\r\n\r\n");
		for (i = 0; i < (strstr(request, "/bigger") != NULL ? 1000 : FC_HTTP_ANSWER_MAX / 4096); i++)
			say(fd, block);
	}
	else
	{
		char		answer[66000];

		for (i = 0; request[i] != '\0'; i++)
			if (request[i] == '\r' || request[i] == '\n')
				request[i] = '|';
		snprintf(answer, sizeof(answer), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
				 strlen(request), request);
		say(fd, answer);
	}
}

static pid_t
start_server(void)
{
	struct sockaddr_in address = { 0 };
	socklen_t	len = sizeof(address);
	int			listener = socket(AF_INET, SOCK_STREAM, 0);
	pid_t		pid;

	address.sin_family = AF_INET;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(listener, (struct sockaddr *) &address, sizeof(address)) != 0 || listen(listener, 64) != 0 ||
		getsockname(listener, (struct sockaddr *) &address, &len) != 0)
	{
		printf("Bail out! no loopback socket\n");
		exit(1);
	}
	port = ntohs(address.sin_port);
	pid = fork();
	if (pid != 0)
	{
		(void) setpgid(pid, pid);
		close(listener);
		return pid;
	}
	(void) setpgid(0, 0);
	signal(SIGCHLD, SIG_IGN);
	for (;;)
	{
		int			fd = accept(listener, NULL, NULL);

		if (fd >= 0 && fork() == 0)
		{
			close(listener);
			serve(fd);
			_exit(0);
		}
		close(fd);
	}
}

static long
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Wait as the worker does, until the exchange ends or the time is up. */
static void
wait_for(const FcKmsHttp *http, int limit_ms)
{
	const FcKmsTransport *transport = fc_kms_transport();
	long		end = now_ms() + limit_ms;

	while (!transport->finished(http) && now_ms() < end)
	{
		struct pollfd fd = { transport->descriptor(), POLLIN, 0 };
		long		timeout = transport->timeout();

		(void) poll(&fd, 1, timeout >= 0 && timeout < 100 ? (int) timeout : 100);
		transport->run();
	}
}

static void
prepare(FcKmsHttp *http, char url[128], const char *path)
{
	static const char *const headers[] = { "X-Vault-Token: secret", "Content-Type: application/json", NULL };

	memset(http, 0, sizeof(*http));
	snprintf(url, 128, "http://127.0.0.1:%d%s", port, path);
	http->method = "POST";
	http->url = url;
	http->headers = headers;
	http->body = "{\"a\":1}";
	http->body_len = 7;
	http->tls = &tls;
	http->plain = true;
}

/* One exchange; its result stays until the next. */
static const FcKmsHttp *
get(const char *path, int timeout_ms)
{
	static FcKmsHttp http;
	static char url[128];

	fc_kms_transport()->release(&http);
	prepare(&http, url, path);
	fc_kms_transport()->start(&http, timeout_ms);
	wait_for(&http, 10000);
	return &http;
}

static void
test_answers(void)
{
	const FcKmsHttp *http = get("/echo", 5000);

	ok(http->transport == FC_OK && http->status == 200 && strncmp(http->answer, "POST /echo HTTP/1.1||", 21) == 0,
	   "an answer");
	ok(strstr(http->answer, "|X-Vault-Token: secret|") != NULL && strstr(http->answer, "||{\"a\":1}") != NULL &&
	   strstr(http->answer, "Expect") == NULL, "to the headers and the body given");
	http = get("/moved", 5000);
	ok(http->transport == FC_OK && http->status == 307 && strcmp(http->location, "https://127.0.0.9:1/v1/x") == 0,
	   "a redirection is told, not followed");
	http = get("/busy", 5000);
	ok(http->status == 429 && http->retry_after_ms == 7000 && http->answer_len == 13, "Retry-After");
	http = get("/big", 5000);
	ok(http->transport == FC_OK && http->answer_len == FC_HTTP_ANSWER_MAX, "the longest answer");
	http = get("/bigger", 5000);
	ok(http->transport == FC_ERR_KMS_DATA && strstr(http->transport_error, "longer than") != NULL &&
	   http->answer_len == 0, "a longer one: %s", http->transport_error);
	http = get("/claims", 500);
	ok(http->transport == FC_ERR_KMS_RETRY, "one that says it is long: %s", http->transport_error);
}

static void
test_failures(void)
{
	const FcKmsHttp *http = get("/cut", 5000);
	FcKmsHttp	other;
	char		url[128];
	long		start;

	ok(http->transport == FC_ERR_KMS_RETRY, "a connection that breaks: %s", http->transport_error);
	http = get("/close", 5000);
	ok(http->transport == FC_ERR_KMS_RETRY, "no answer at all: %s", http->transport_error);
	http = get("/garbage", 5000);
	ok(http->transport == FC_ERR_KMS_CONFIG || http->transport == FC_ERR_KMS_RETRY, "no HTTP: %s", http->transport_error);
	start = now_ms();
	http = get("/hang", 300);
	ok(http->transport == FC_ERR_KMS_RETRY && now_ms() - start < 2000, "a server that hangs: %s", http->transport_error);

	prepare(&other, url, "/echo");
	other.plain = false;
	fc_kms_transport()->start(&other, 1000);
	wait_for(&other, 2000);
	ok(other.transport == FC_ERR_KMS_CONFIG, "http where https is due: %s", other.transport_error);
	fc_kms_transport()->release(&other);
	prepare(&other, url, "/echo");
	snprintf(url, sizeof(url), "https://127.0.0.1:%d/", port);
	fc_kms_transport()->start(&other, 1000);
	wait_for(&other, 2000);
	ok(other.transport != FC_OK, "https where http is due: %s", other.transport_error);
	fc_kms_transport()->release(&other);
	prepare(&other, url, "/echo");
	snprintf(url, sizeof(url), "http://127.0.0.1:1/");
	fc_kms_transport()->start(&other, 1000);
	wait_for(&other, 2000);
	ok(other.transport == FC_ERR_KMS_RETRY && strstr(other.transport_error, "Connection refused") != NULL,
	   "nobody there: %s", other.transport_error);
	fc_kms_transport()->release(&other);
	prepare(&other, url, "/echo");
	snprintf(url, sizeof(url), "file:///etc/passwd");
	fc_kms_transport()->start(&other, 1000);
	wait_for(&other, 2000);
	ok(other.transport == FC_ERR_KMS_CONFIG && other.answer_len == 0, "another protocol: %s", other.transport_error);
	fc_kms_transport()->release(&other);
}

/* What check_provider shows of the way to the server. */
static void
test_trace(void)
{
	const FcKmsHttp *http = get("/echo", 5000);
	FcKmsHttp	other;
	char		url[128];

	ok(http->trace.reach == FC_KMS_SECURED && strcmp(http->trace.peer, "127.0.0.1") == 0 &&
	   http->trace.port == port && http->trace.tls[0] == '\0' && !http->trace.verified,
	   "the trace of an answer over plain http");
	ok(http->trace.micros[FC_KMS_RESOLVED] <= http->trace.micros[FC_KMS_CONNECTED] &&
	   http->trace.micros[FC_KMS_CONNECTED] <= http->trace.micros[FC_KMS_SECURED] &&
	   http->trace.micros[FC_KMS_SECURED] < 5000000, "its times do not go back");
	http = get("/hang", 300);
	ok(http->trace.reach == FC_KMS_SECURED, "of an answer that does not come");
	prepare(&other, url, "/");
	snprintf(url, sizeof(url), "http://127.0.0.1:1/");
	fc_kms_transport()->start(&other, 1000);
	wait_for(&other, 2000);
	ok(other.trace.reach == FC_KMS_RESOLVED, "of a refused connection");
	fc_kms_transport()->release(&other);
	prepare(&other, url, "/hang");
	other.plain = false;
	snprintf(url, sizeof(url), "https://127.0.0.1:%d/hang", port);
	fc_kms_transport()->start(&other, 300);
	wait_for(&other, 2000);
	ok(other.trace.reach == FC_KMS_CONNECTED && other.trace.tls[0] == '\0', "of a handshake that fails: %s",
	   other.transport_error);
	fc_kms_transport()->release(&other);
	prepare(&other, url, "/");
	snprintf(url, sizeof(url), "file:///etc/passwd");
	fc_kms_transport()->start(&other, 1000);
	wait_for(&other, 2000);
	ok(other.trace.reach == FC_KMS_NOWHERE, "of what went nowhere");
	fc_kms_transport()->release(&other);
}

static void
test_many(void)
{
	static FcKmsHttp http[FC_HTTP_TRANSFERS + 1];
	static char url[FC_HTTP_TRANSFERS + 1][128];
	int			good = 0;
	int			i;

	for (i = 0; i <= FC_HTTP_TRANSFERS; i++)
	{
		prepare(&http[i], url[i], i % 4 == 3 ? "/hang" : "/echo");
		fc_kms_transport()->start(&http[i], 5000);
	}
	ok(fc_kms_transport()->finished(&http[FC_HTTP_TRANSFERS]) &&
	   http[FC_HTTP_TRANSFERS].transport == FC_ERR_KMS_RETRY, "one exchange too many fails");
	for (i = 0; i < FC_HTTP_TRANSFERS; i++)
	{
		if (i % 4 == 3)
			continue;
		wait_for(&http[i], 5000);
		good += http[i].transport == FC_OK && http[i].status == 200;
	}
	ok(good == FC_HTTP_TRANSFERS * 3 / 4, "%d at once, while others hang", good);
	for (i = 0; i <= FC_HTTP_TRANSFERS; i++)
	{
		fc_kms_transport()->release(&http[i]);
		fc_kms_transport()->release(&http[i]);
	}
	ok(fc_kms_transport()->finished(&http[3]) && http[3].answer == NULL, "exchanges can be dropped");
}

static int
open_files(void)
{
	DIR		   *dir = opendir("/proc/self/fd");
	int			n = 0;

	while (dir != NULL && readdir(dir) != NULL)
		n++;
	if (dir != NULL)
		closedir(dir);
	return n;
}

static void
test_no_leak(void)
{
	int			before;
	int			i;

	for (i = 0; i < 20; i++)
		(void) get(i % 2 ? "/echo" : "/moved", 5000);
	before = open_files();
	for (i = 0; i < 200; i++)
		(void) get(i % 2 ? "/echo" : "/cut", 5000);
	ok(open_files() <= before + 1, "no descriptor is lost: %d, %d", before, open_files());
}

int
main(void)
{
	pid_t		server;

	signal(SIGPIPE, SIG_IGN);
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("all_proxy", "http://127.0.0.1:1", 1);
	server = start_server();
	ok(fc_kms_transport()->descriptor() == -1 && fc_kms_transport()->timeout() == -1, "nothing before the first exchange");
	fc_kms_transport()->run();
	test_answers();
	test_failures();
	test_trace();
	test_many();
	test_no_leak();
	kill(-server, SIGKILL);
	(void) waitpid(server, NULL, 0);
	return tap_done();
}
