/*-------------------------------------------------------------------------
 *
 * fc_secretmem.c
 *		The secret region (see fc_secretmem.h).
 *
 * memfd_secret(2) takes the pages out of the kernel's direct map: they are
 * never swapped, never in a core file, and neither ptrace nor /proc/PID/mem
 * reads them.  Kernels without it, and limits that refuse it, get the second
 * best: an anonymous shared mapping that is locked and left out of core
 * files.  A lock belongs to the process that made it and is not inherited,
 * but the pages are shared, so the postmaster's lock holds them for all.
 *
 * Both mechanisms count against RLIMIT_MEMLOCK, whose traditional value is
 * 64 kB; the default number of slots fits below it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"

#include "crypto/fc_crypto.h"
#include "pg/fc_report.h"
#include "pg/fc_secretmem.h"
#include "pg/fc_shmem.h"

/*
 * The number is the same on every architecture that has the call, Alpha
 * excepted; older C libraries do not name it.  A kernel without it answers
 * ENOSYS.
 */
#if defined(SYS_memfd_secret)
#define FC_SYS_MEMFD_SECRET SYS_memfd_secret
#elif defined(__linux__) && !defined(__alpha__)
#define FC_SYS_MEMFD_SECRET 447
#endif

#define FC_SIPHASH_KEY_BYTES 16

/* First FC_SECRETMEM_HASH_KEY_BYTES of the region. */
typedef struct FcSecretMemHeader
{
	uint8		hash_key[FC_SIPHASH_KEY_BYTES];
	pg_atomic_uint32 drawn;		/* hash_key is complete */
	uint8		unused[FC_SECRETMEM_HASH_KEY_BYTES - FC_SIPHASH_KEY_BYTES - sizeof(pg_atomic_uint32)];
} FcSecretMemHeader;

StaticAssertDecl(sizeof(FcSecretMemHeader) == FC_SECRETMEM_HASH_KEY_BYTES,
				 "header of the secret region keeps the slots aligned");

static FcSecretMemHeader *fc_region = NULL;
static FcSecretMemInfo fc_region_info = {.mechanism = "none"};
static char fc_region_problem[256];

/* Only the process that made the region wipes it when it exits. */
static pid_t fc_region_owner = 0;

static void *fc_map_secret(Size bytes);
static void *fc_map_anonymous(Size bytes);
static void fc_note_problem(const char *call, Size bytes);
static void fc_secretmem_at_exit(int code, Datum arg);
static void fc_draw_hash_key(void);

void
fc_secretmem_create(int nslots)
{
	Size		page = (Size) sysconf(_SC_PAGESIZE);
	Size		bytes;

	Assert(fc_region == NULL && !IsUnderPostmaster);
	StaticAssertStmt(FC_SECRETMEM_HASH_KEY_BYTES % sizeof(FcSecret) == 0,
					 "slots follow the hash key without a gap");

	bytes = FC_SECRETMEM_HASH_KEY_BYTES + (Size) nslots * sizeof(FcSecret);
	bytes = ((bytes + page - 1) / page) * page;

	fc_region = fc_map_secret(bytes);
	if (fc_region == NULL)
		fc_region = fc_map_anonymous(bytes);
	if (fc_region == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("could not map %zu bytes of memory for keys: %m", bytes)));

	fc_region_info.bytes = bytes;
	fc_region_owner = MyProcPid;
	fc_secretmem_wipe_all();
	on_proc_exit(fc_secretmem_at_exit, (Datum) 0);

	if (fc_region_info.problem != NULL)
		ereport(WARNING,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("memory for keys is not fully protected: %s",
						fc_region_info.problem),
				 errhint("Raise RLIMIT_MEMLOCK of the server (LimitMEMLOCK= in a systemd unit, memlock in limits.conf) to at least %zu kB above what it uses, or lower fieldcrypt.cache_slots.",
						 bytes / 1024)));
}

FcSecret *
fc_secretmem_slot(int slot)
{
	return (FcSecret *) (fc_region + 1) + slot;
}

uint8 *
fc_secretmem_hash_key(void)
{
	if (fc_region == NULL)
		return NULL;
	if (unlikely(pg_atomic_read_u32(&fc_region->drawn) == 0))
		fc_draw_hash_key();
	pg_read_barrier();
	return fc_region->hash_key;
}

void
fc_secretmem_wipe_all(void)
{
	if (fc_region != NULL)
		fc_wipe(fc_region, fc_region_info.bytes);
}

const FcSecretMemInfo *
fc_secretmem_info(void)
{
	return &fc_region_info;
}

/*
 * Map the region by memfd_secret.  NULL if the kernel or a limit refuses; the
 * reason is noted.
 */
static void *
fc_map_secret(Size bytes)
{
	void	   *region = NULL;

#ifdef FC_SYS_MEMFD_SECRET
	int			fd = (int) syscall(FC_SYS_MEMFD_SECRET, O_CLOEXEC);

	if (fd < 0)
		fc_note_problem("memfd_secret", bytes);
	else
	{
		if (ftruncate(fd, (off_t) bytes) != 0)
			fc_note_problem("ftruncate of memfd_secret", bytes);
		else
		{
			region = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
			if (region == MAP_FAILED)
			{
				fc_note_problem("mmap of memfd_secret", bytes);
				region = NULL;
			}
		}

		/* The mapping keeps the memory; nobody else may reach it by number. */
		close(fd);
	}
#else
	errno = ENOSYS;
	fc_note_problem("memfd_secret", bytes);
#endif

	if (region != NULL)
	{
		fc_region_info.mechanism = "memfd_secret";
		fc_region_info.locked = true;
		fc_region_info.dump_excluded = true;
		fc_region_info.proc_protected = true;
	}
	return region;
}

/*
 * The fallback.  A kernel that merely lacks memfd_secret is no reason for a
 * WARNING if everything else could be had; what is missing then shows in the
 * view memory_protection.
 */
static void *
fc_map_anonymous(Size bytes)
{
	void	   *region = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
							  MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (region == MAP_FAILED)
		return NULL;

	fc_region_info.mechanism = "none";
	fc_region_info.problem = NULL;
	if (mlock(region, bytes) == 0)
	{
		fc_region_info.mechanism = "mlock";
		fc_region_info.locked = true;
	}
	else
		fc_note_problem("mlock", bytes);

#ifdef MADV_DONTDUMP
	if (madvise(region, bytes, MADV_DONTDUMP) == 0)
		fc_region_info.dump_excluded = true;
	else if (fc_region_info.problem == NULL)
		fc_note_problem("madvise(MADV_DONTDUMP)", bytes);
#endif
	return region;
}

/* Remember what was refused, and the limit that may be the reason. */
static void
fc_note_problem(const char *call, Size bytes)
{
	int			save_errno = errno;
	struct rlimit limit;
	char		text[64] = "unlimited";

	if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
		snprintf(text, sizeof(text), "%llu kB",
				 (unsigned long long) limit.rlim_cur / 1024);

	snprintf(fc_region_problem, sizeof(fc_region_problem),
			 "%s refused %zu kB: %s (RLIMIT_MEMLOCK is %s)",
			 call, bytes / 1024, strerror(save_errno), text);
	fc_region_info.problem = fc_region_problem;
	errno = save_errno;
}

/* The postmaster ends; its children are gone or about to be. */
static void
fc_secretmem_at_exit(int code, Datum arg)
{
	if (MyProcPid == fc_region_owner)
		fc_secretmem_wipe_all();
}

/*
 * Draw the SipHash key once.  The bytes are complete before `drawn` says so,
 * and whoever saw `drawn` sees the bytes.
 */
static void
fc_draw_hash_key(void)
{
	uint8		key[FC_SIPHASH_KEY_BYTES];
	FcStatus	status = fc_random(key, sizeof(key));

	if (status != FC_OK)
		fc_report_internal(status);

	LWLockAcquire(fc_lock(FC_LOCK_CACHE), LW_EXCLUSIVE);
	if (pg_atomic_read_u32(&fc_region->drawn) == 0)
	{
		memcpy(fc_region->hash_key, key, sizeof(key));
		pg_write_barrier();
		pg_atomic_write_u32(&fc_region->drawn, 1);
	}
	LWLockRelease(fc_lock(FC_LOCK_CACHE));
	fc_wipe(key, sizeof(key));
}
