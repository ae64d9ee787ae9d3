/*-------------------------------------------------------------------------
 *
 * fc_kms_mem.h
 *		malloc and its kin, wiping what they release.
 *
 * For the libraries that providers use: requests hold credentials, answers
 * hold root secrets, and neither libcurl nor jansson wipes its buffers.  Both
 * take an allocator.  The blocks are plain malloc blocks, so one that came
 * from elsewhere may be released here and the other way round.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_KMS_MEM_H
#define FC_KMS_MEM_H

#include <stddef.h>

extern void *fc_mem_alloc(size_t size);
extern void *fc_mem_calloc(size_t n, size_t size);
extern void *fc_mem_realloc(void *block, size_t size);
extern char *fc_mem_strdup(const char *text);
extern void fc_mem_free(void *block);

#endif							/* FC_KMS_MEM_H */
