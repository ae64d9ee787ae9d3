/*-------------------------------------------------------------------------
 *
 * fc_bytes.c
 *		Bounded reading and writing of network-order byte strings.
 *
 * Lengths are only ever compared with what is left, never added to a
 * pointer first, so that no length taken from data can overflow.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "base/fc_bytes.h"

void
fc_reader_init(FcReader *r, const void *data, size_t len)
{
	r->next = data;
	r->left = len;
	r->failed = false;
}

const uint8_t *
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

uint8_t
fc_read_u8(FcReader *r)
{
	const uint8_t *b = fc_read_bytes(r, 1);

	return b == NULL ? 0 : b[0];
}

uint16_t
fc_read_u16(FcReader *r)
{
	const uint8_t *b = fc_read_bytes(r, 2);

	return b == NULL ? 0 : (uint16_t) (b[0] << 8 | b[1]);
}

uint32_t
fc_read_u32(FcReader *r)
{
	const uint8_t *b = fc_read_bytes(r, 4);

	if (b == NULL)
		return 0;
	return (uint32_t) b[0] << 24 | (uint32_t) b[1] << 16 |
		   (uint32_t) b[2] << 8 | (uint32_t) b[3];
}

void
fc_writer_init(FcWriter *w, void *data, size_t len)
{
	w->next = data;
	w->left = len;
	w->failed = false;
}

void
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

void
fc_write_u8(FcWriter *w, uint8_t v)
{
	fc_write_bytes(w, &v, 1);
}

void
fc_write_u16(FcWriter *w, uint16_t v)
{
	uint8_t		b[2];

	b[0] = (uint8_t) (v >> 8);
	b[1] = (uint8_t) v;
	fc_write_bytes(w, b, sizeof(b));
}

void
fc_write_u32(FcWriter *w, uint32_t v)
{
	uint8_t		b[4];

	b[0] = (uint8_t) (v >> 24);
	b[1] = (uint8_t) (v >> 16);
	b[2] = (uint8_t) (v >> 8);
	b[3] = (uint8_t) v;
	fc_write_bytes(w, b, sizeof(b));
}
