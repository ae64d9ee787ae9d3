/*-------------------------------------------------------------------------
 *
 * fc_secretmem.h
 *		The secret region: the only memory that holds keys in clear beyond a
 *		call.
 *
 * Mapped once in the postmaster by memfd_secret(2) + mmap(MAP_SHARED), the
 * descriptor closed at once; else anonymous shared memory with mlock and
 * MADV_DONTDUMP, each best effort, with one WARNING that names the limit.
 * Children inherit the mapping.  It survives a crash restart in the
 * postmaster, which wipes it (fc_secretmem_wipe_all from the shmem start-up
 * hook).
 *
 * Layout: FC_SECRETMEM_HASH_KEY_BYTES of SipHash key, drawn by the launcher
 * at start, then one FcSecret per cache slot and per transfer.  Who may read
 * or write one is fc_keycache.h's and fc_transfer.h's business.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_SECRETMEM_H
#define FC_SECRETMEM_H

#include "postgres.h"

#include "base/fc_secret.h"

#define FC_SECRETMEM_HASH_KEY_BYTES 32	/* 16 used; keeps slots aligned */

typedef struct FcSecretMemInfo
{
	const char *mechanism;		/* "memfd_secret", "mlock", "none" */
	Size		bytes;
	bool		locked;			/* never swapped */
	bool		dump_excluded;	/* not in core files */
	bool		proc_protected; /* /proc/PID/mem and ptrace reads refused */
	const char *problem;		/* what was refused and which limit, or NULL */
} FcSecretMemInfo;

/* Map the region; postmaster only, from _PG_init.  ERRORs only if out of memory. */
extern void fc_secretmem_create(int nslots);

extern FcSecret *fc_secretmem_slot(int slot);

/*
 * fc_secretmem_hash_key
 *		The 16 bytes of SipHash key.  The launcher asks first and so draws it;
 *		a process that comes earlier draws it itself, so that nobody ever
 *		hashes under a key that changes later.  NULL where there is no region
 *		(library not preloaded).  ERRORs only if the random generator fails.
 *		Not to be called with an LWLock held, nor in the postmaster.
 */
extern uint8 *fc_secretmem_hash_key(void);

/* Overwrite the whole region with zeros, the SipHash key included. */
extern void fc_secretmem_wipe_all(void);

/* What the region is made of; never NULL ("none" without a region). */
extern const FcSecretMemInfo *fc_secretmem_info(void);

#endif							/* FC_SECRETMEM_H */
