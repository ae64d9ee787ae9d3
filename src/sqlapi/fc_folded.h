/*-------------------------------------------------------------------------
 *
 * fc_folded.h
 *		What lower(), upper() and ILIKE make of the texts in a column of search
 *		mode lower.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_FOLDED_H
#define FC_FOLDED_H

#include "postgres.h"

#include "crypto/fc_fold.h"

/* What a column is compared by; also the argument of the SQL functions. */
#define FC_FORM_LOWER 'l'		/* lower(column) = text */
#define FC_FORM_UPPER 'u'		/* upper(column) = text */
#define FC_FORM_ILIKE 'i'		/* column ILIKE text */

/* A text with its origins. */
typedef struct FcFoldedText
{
	FcFolded	origins;
	const uint8 *bytes;
	Size		len;
	text	   *owned;
} FcFoldedText;

/*
 * fc_folded_init
 *		False, and no origins, if nothing is known of the texts that equal this
 *		one: the index cannot be asked.
 */
extern bool fc_folded_init(FcFoldedText *folded, text *wanted, char form, Oid collation);

extern void fc_folded_done(FcFoldedText *folded);

#endif							/* FC_FOLDED_H */
