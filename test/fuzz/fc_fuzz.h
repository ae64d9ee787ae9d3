/*-------------------------------------------------------------------------
 *
 * fc_fuzz.h
 *		What every libFuzzer target has: its entry point, and how it fails.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_FUZZ_H
#define FC_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* A property that holds for any input; libFuzzer keeps the one that breaks it. */
#define CHECK(condition)                                                               \
	do                                                                                 \
	{                                                                                  \
		if (!(condition))                                                              \
		{                                                                              \
			fprintf(stderr, "property failed at line %d: %s\n", __LINE__, #condition); \
			abort();                                                                   \
		}                                                                              \
	} while (0)

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif							/* FC_FUZZ_H */
