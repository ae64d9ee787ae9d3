/*-------------------------------------------------------------------------
 *
 * fc_kms_mem.c
 *		malloc and its kin, wiping what they release (see fc_kms_mem.h).
 *
 *-------------------------------------------------------------------------
 */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/fc_secret.h"
#include "kms/fc_kms_mem.h"

void *
fc_mem_alloc(size_t size)
{
	return malloc(size > 0 ? size : 1);
}

void *
fc_mem_calloc(size_t n, size_t size)
{
	return calloc(n > 0 ? n : 1, size > 0 ? size : 1);
}

/* Never realloc(): where it moves a block, it leaves the old one as it was. */
void *
fc_mem_realloc(void *block, size_t size)
{
	size_t		old = block != NULL ? malloc_usable_size(block) : 0;
	void	   *fresh;

	if (block != NULL && size > 0 && size <= old)
		return block;
	fresh = fc_mem_alloc(size);
	if (fresh == NULL)
		return NULL;
	if (old > 0)
		memcpy(fresh, block, old < size ? old : size);
	fc_mem_free(block);
	return fresh;
}

char *
fc_mem_strdup(const char *text)
{
	size_t		len = strlen(text) + 1;
	char	   *copy = fc_mem_alloc(len);

	if (copy != NULL)
		memcpy(copy, text, len);
	return copy;
}

void
fc_mem_free(void *block)
{
	if (block == NULL)
		return;
	fc_wipe(block, malloc_usable_size(block));
	free(block);
}
