/*-------------------------------------------------------------------------
 *
 * fc_bytes.h
 *		Bounded reading and writing of network-order byte strings.
 *
 * A reader or writer that runs out of room sets `failed` and from then on
 * reads zeros or writes nothing: callers check once, at the end.  Neither
 * allocates, neither owns the memory it walks over.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_BYTES_H
#define FC_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct FcReader
{
	const uint8_t *next;		/* first unread byte */
	size_t		left;			/* bytes not yet read */
	bool		failed;			/* more was asked for than there was */
} FcReader;

typedef struct FcWriter
{
	uint8_t    *next;			/* where the next byte goes */
	size_t		left;			/* room left */
	bool		failed;			/* more was written than there was room for */
} FcWriter;

extern void fc_reader_init(FcReader *r, const void *data, size_t len);
extern uint8_t fc_read_u8(FcReader *r);
extern uint16_t fc_read_u16(FcReader *r);
extern uint32_t fc_read_u32(FcReader *r);

/* Pointer to the next n bytes (inside the input), or NULL and failed. */
extern const uint8_t *fc_read_bytes(FcReader *r, size_t n);

extern void fc_writer_init(FcWriter *w, void *data, size_t len);
extern void fc_write_u8(FcWriter *w, uint8_t v);
extern void fc_write_u16(FcWriter *w, uint16_t v);
extern void fc_write_u32(FcWriter *w, uint32_t v);
extern void fc_write_bytes(FcWriter *w, const void *data, size_t n);

#endif							/* FC_BYTES_H */
