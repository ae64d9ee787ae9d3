/*-------------------------------------------------------------------------
 *
 * fc_bytes.h
 *		Bounded reading and writing of network-order byte strings.
 *
 * A reader or writer that runs out of room sets `failed` and from then on
 * reads zeros or writes nothing: callers check once, at the end.  Neither
 * allocates, neither owns the memory it walks over.
 *
 * Lengths are only ever compared with what is left, never added to a
 * pointer first, so that no length taken from data can overflow.
 *
 * Inline: a value is a dozen of these calls.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_BYTES_H
#define FC_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

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

static inline void
fc_reader_init(FcReader *r, const void *data, size_t len)
{
	r->next = data;
	r->left = len;
	r->failed = false;
}

/* Pointer to the next n bytes (inside the input), or NULL and failed. */
static inline const uint8_t *
fc_read_bytes(FcReader *r, size_t n)
{
	const uint8_t *bytes;

	if (r->failed || n > r->left)
	{
		r->failed = true;
		return NULL;
	}
	bytes = r->next;
	/* no arithmetic on NULL, which an empty input may be */
	if (n > 0)
		r->next += n;
	r->left -= n;
	return bytes;
}

static inline uint8_t
fc_read_u8(FcReader *r)
{
	const uint8_t *b = fc_read_bytes(r, 1);

	return b == NULL ? 0 : b[0];
}

static inline uint16_t
fc_read_u16(FcReader *r)
{
	const uint8_t *b = fc_read_bytes(r, 2);

	return b == NULL ? 0 : (uint16_t) (b[0] << 8 | b[1]);
}

static inline uint32_t
fc_read_u32(FcReader *r)
{
	const uint8_t *b = fc_read_bytes(r, 4);

	if (b == NULL)
		return 0;
	return (uint32_t) b[0] << 24 | (uint32_t) b[1] << 16 |
		   (uint32_t) b[2] << 8 | (uint32_t) b[3];
}

static inline void
fc_writer_init(FcWriter *w, void *data, size_t len)
{
	w->next = data;
	w->left = len;
	w->failed = false;
}

static inline void
fc_write_bytes(FcWriter *w, const void *data, size_t n)
{
	if (w->failed || n > w->left)
	{
		w->failed = true;
		return;
	}
	/* memcpy of nothing from NULL is undefined */
	if (n > 0)
	{
		memcpy(w->next, data, n);
		w->next += n;
		w->left -= n;
	}
}

static inline void
fc_write_u8(FcWriter *w, uint8_t v)
{
	fc_write_bytes(w, &v, 1);
}

static inline void
fc_write_u16(FcWriter *w, uint16_t v)
{
	uint8_t		b[2];

	b[0] = (uint8_t) (v >> 8);
	b[1] = (uint8_t) v;
	fc_write_bytes(w, b, sizeof(b));
}

static inline void
fc_write_u32(FcWriter *w, uint32_t v)
{
	uint8_t		b[4];

	b[0] = (uint8_t) (v >> 24);
	b[1] = (uint8_t) (v >> 16);
	b[2] = (uint8_t) (v >> 8);
	b[3] = (uint8_t) v;
	fc_write_bytes(w, b, sizeof(b));
}

#endif							/* FC_BYTES_H */
