/*-------------------------------------------------------------------------
 *
 * fc_fold.h
 *		Which texts of search mode lower the server's lower() or upper() makes
 *		one text of.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_FOLD_H
#define FC_FOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of longer texts, and of those with more origins, nothing is known. */
#define FC_FOLD_TEXT_MAX 1024
#define FC_FOLD_MAX 1024

/* Bytes that an origin of a text may take. */
#define FC_FOLD_BYTES(len) ((size_t) (len) * 2 + 4)

typedef enum FcFold
{
	FC_FOLD_LOWER,
	FC_FOLD_UPPER
} FcFold;

/* How a text can be cut; made by fc_fold_init, holds no text. */
typedef struct FcFolded
{
	FcFold		fold;
	uint32_t	count;			/* origins; 0 if they are not known */
	uint16_t	ways[FC_FOLD_TEXT_MAX + 1];		/* of what follows a byte */
} FcFolded;

/*
 * fc_fold_init
 *		Every text that lower() or upper() turns into `text` is, normalised by
 *		mode lower, one of folded->count texts.  False if they are not known.
 */
extern bool fc_fold_init(FcFolded *folded, FcFold fold, const uint8_t *text, size_t len);

/* The n-th of them; its length, at most FC_FOLD_BYTES(len). */
extern size_t fc_fold_origin(const FcFolded *folded, const uint8_t *text, size_t len,
							 uint32_t n, uint8_t *out);

/* ---- fc_normalise.c ---- */

/* Decode one character; its length, or 0 if it is not valid UTF-8 or is NUL. */
extern size_t fc_utf8_decode(const uint8_t *s, size_t left, uint32_t *cp);

/* Is the code point the simple lower case of another? */
extern bool fc_is_lower_of_pair(uint32_t cp);

#endif							/* FC_FOLD_H */
