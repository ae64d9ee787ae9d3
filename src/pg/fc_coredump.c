/*-------------------------------------------------------------------------
 *
 * fc_coredump.c
 *		Keeping texts out of core files.
 *
 * A backend that handles a text of the type has it in its memory many times
 * over: the message from the client, the parameter, folded constants, results
 * on their way out.  PostgreSQL frees that memory and does not wipe it, and no
 * extension can.  So the kernel is told to leave this process's private
 * memory, heap and stack, out of a core file (core(5), coredump_filter; gdb's
 * gcore follows it too).  What remains are the registers, the list of
 * mappings and shared memory.
 *
 * Where the filter cannot be written the process is made undumpable, so that
 * there is no core file at all.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "miscadmin.h"
#include "pg/fc_coredump.h"
#include "pg/fc_guc.h"

/* Bits of the filter: pages of no file, and of a file mapped privately. */
#define FILTER_ANON_PRIVATE	0x01
#define FILTER_FILE_PRIVATE	0x04

#define FILTER_FILE "/proc/self/coredump_filter"

static bool
limit_filter(void)
{
	char		text[32];
	unsigned long filter;
	ssize_t		len = -1;
	bool		ok = false;
	int			fd = open(FILTER_FILE, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return false;
	len = read(fd, text, sizeof(text) - 1);
	if (len > 0)
	{
		text[len] = '\0';
		filter = strtoul(text, NULL, 16) & ~(FILTER_ANON_PRIVATE | FILTER_FILE_PRIVATE);
		len = snprintf(text, sizeof(text), "0x%lx", filter);
		ok = pwrite(fd, text, len, 0) == len;
	}
	(void) close(fd);
	return ok;
}

void
fc_coredump_limit(void)
{
	static pid_t limited = 0;	/* not inherited: a fork asks again */
	int			saved_errno = errno;

	if (limited == MyProcPid || fc_guc_full_core_files)
		return;
	if (!limit_filter())
		(void) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	limited = MyProcPid;
	errno = saved_errno;
}
