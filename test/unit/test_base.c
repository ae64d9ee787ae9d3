/*-------------------------------------------------------------------------
 *
 * test_base.c
 *		Readers, writers, base64, hexadecimal, wiping, comparison, names.
 *
 *-------------------------------------------------------------------------
 */
#include "fc_test.h"

#include "base/fc_b64.h"
#include "base/fc_bytes.h"
#include "base/fc_secret.h"
#include "base/fc_status.h"

static void
test_reader(void)
{
	static const uint8_t data[] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	FcReader	r;

	fc_reader_init(&r, data, sizeof(data));
	ok(fc_read_u8(&r) == 1 && fc_read_u16(&r) == 0x0203 &&
		   fc_read_u32(&r) == 0x04050607 && !r.failed && r.left == 1,
	   "reader: network order");
	ok(fc_read_u16(&r) == 0 && r.failed, "reader: past the end gives zero and fails");
	ok(fc_read_u8(&r) == 0 && fc_read_bytes(&r, 0) == NULL && r.failed,
	   "reader: a failure stays");
	fc_reader_init(&r, data, sizeof(data));
	ok(fc_read_bytes(&r, SIZE_MAX) == NULL && r.failed, "reader: a huge length fails");
	fc_reader_init(&r, NULL, 0);
	ok(fc_read_bytes(&r, 0) == NULL && !r.failed, "reader: nothing from nothing");
	ok(fc_read_u32(&r) == 0 && r.failed, "reader: empty input fails");
}

static void
test_writer(void)
{
	uint8_t		out[9];
	static const uint8_t expected[] = { 1, 2, 3, 4, 5, 6, 7, 8, 0xee };
	FcWriter	w;

	memset(out, 0xee, sizeof(out));
	fc_writer_init(&w, out, 8);
	fc_write_u8(&w, 1);
	fc_write_u16(&w, 0x0203);
	fc_write_u32(&w, 0x04050607);
	ok(!w.failed && w.left == 1, "writer: counts what is left");
	fc_write_u16(&w, 0xffff);
	ok(w.failed && w.left == 1, "writer: no room fails and writes nothing");
	fc_writer_init(&w, out + 7, 1);
	fc_write_bytes(&w, NULL, 0);
	fc_write_u8(&w, 8);
	ok(!w.failed && memcmp(out, expected, sizeof(out)) == 0, "writer: network order, nothing beyond");
	fc_write_bytes(&w, out, SIZE_MAX);
	fc_write_u8(&w, 1);
	ok(w.failed, "writer: a failure stays");
}

static bool
b64_is(const char *text, const char *expected, size_t expected_len)
{
	uint8_t		out[64];
	size_t		n = 99;
	char		back[64];

	if (fc_b64_decode(text, strlen(text), out, &n) != FC_OK || n != expected_len ||
		memcmp(out, expected, n) != 0)
		return false;
	fc_b64_encode(out, n, back);
	return FC_B64_LEN(n) == strlen(text) && memcmp(back, text, strlen(text)) == 0;
}

static void
test_b64(void)
{
	static const char *const bad[] = {
		"A", "AA", "AAA", "AAAAA", "Zg", "Zg=", "Zh==", "Zm9=", "Zm9v\n", "Zm9v ",
		" Zm9", "Zm 9", "Zm9v====", "====", "=AAA", "A===", "AA=A", "Zg==Zg==", "Zm8=Zm8=",
		"Zm9v-m9v", "Zm9v_m9v", "Zm\xc3\xa4", "Zm9.", "AAAA=", "Zg==\n", "Zm9v\r\n",
		"AAB=", "AAC=", "AB==", "AP==", "AAA\x80", "\xff\xff\xff\xff"
	};
	size_t		i;
	uint8_t		out[64];
	uint8_t		data[256];
	char		text[FC_B64_LEN(256)];
	size_t		n;
	bool		good = true;

	ok(b64_is("", "", 0) && b64_is("Zg==", "f", 1) && b64_is("Zm8=", "fo", 2) &&
		   b64_is("Zm9v", "foo", 3) && b64_is("Zm9vYg==", "foob", 4) &&
		   b64_is("Zm9vYmE=", "fooba", 5) && b64_is("Zm9vYmFy", "foobar", 6),
	   "base64: the vectors of RFC 4648 section 10");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		n = 99;
		ok(fc_b64_decode(bad[i], strlen(bad[i]), out, &n) == FC_ERR_ARMOUR && n == 0,
		   "base64: not canonical, refused (%d)", (int) i);
	}
	ok(fc_b64_decode("Zm9v\0v==", 8, out, &n) == FC_ERR_ARMOUR, "base64: NUL inside is refused");
	for (i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t) (i * 167 + 13);
	for (i = 0; i <= sizeof(data) && good; i++)
	{
		uint8_t		back[FC_B64_MAX_DECODED(FC_B64_LEN(256))];

		fc_b64_encode(data, i, text);
		good = fc_b64_decode(text, FC_B64_LEN(i), back, &n) == FC_OK && n == i &&
			   memcmp(back, data, i) == 0;
	}
	ok(good, "base64: round trip of 0 to 256 bytes");
}

static void
test_hex_digits(void)
{
	uint8_t		all[256];
	uint8_t		back[256];
	char		text[512];
	char		pair[2];
	int			a;
	int			b;
	int			wrong = 0;

	for (a = 0; a < 256; a++)
		all[a] = (uint8_t) a;
	fc_hex_encode(all, 256, text);
	ok(memcmp(text, "000102030405060708090a0b", 24) == 0 && memcmp(text + 506, "fdfeff", 6) == 0,
	   "hex: encodes in lower case");
	ok(fc_hex_decode(text, 512, back, 256) == FC_OK && memcmp(all, back, 256) == 0, "hex: round trip");
	ok(fc_hex_decode("aBCdEf", 6, back, 3) == FC_OK && back[0] == 0xab && back[1] == 0xcd && back[2] == 0xef,
	   "hex: either case");
	/* every pair of bytes against what strtoul would say */
	for (a = 0; a < 256; a++)
	{
		for (b = 0; b < 256; b++)
		{
			static const char digits[] = "0123456789abcdefABCDEF";
			bool		valid = a != 0 && b != 0 && strchr(digits, a) != NULL && strchr(digits, b) != NULL;
			FcStatus	status;

			pair[0] = (char) a;
			pair[1] = (char) b;
			status = fc_hex_decode(pair, 2, back, 1);
			if ((status == FC_OK) != valid)
				wrong++;
			else if (valid)
			{
				char		z[3] = { pair[0], pair[1], '\0' };

				if (strtoul(z, NULL, 16) != back[0])
					wrong++;
			}
			else if (back[0] != 0)
				wrong++;
		}
	}
	ok(wrong == 0, "hex: all 65536 pairs of characters");
	ok(fc_hex_decode("abc", 3, back, 1) == FC_ERR_ARMOUR && fc_hex_decode("ab", 2, back, 2) == FC_ERR_ARMOUR &&
		   fc_hex_decode("abab", 4, back, 1) == FC_ERR_ARMOUR && fc_hex_decode("", 0, back, 0) == FC_OK,
	   "hex: the length must be exact");
}

static void
test_secret(void)
{
	FcSecret	s;
	FcSecret	zero;
	uint8_t		other[32];
	size_t		i;
	bool		good = true;

	memset(&s, 0x5a, sizeof(s));
	memset(&zero, 0, sizeof(zero));
	memcpy(other, s.bytes, 32);
	ok(fc_equal_ct(s.bytes, other, 32) && fc_equal_ct(s.bytes, zero.bytes, 0), "equal: same bytes, and none");
	for (i = 0; i < 256; i++)
	{
		other[i / 8] ^= (uint8_t) (1 << (i % 8));
		good = good && !fc_equal_ct(s.bytes, other, 32);
		other[i / 8] ^= (uint8_t) (1 << (i % 8));
	}
	ok(good, "equal: every single bit counts");
	fc_secret_wipe(&s);
	ok(memcmp(&s, &zero, sizeof(s)) == 0, "wipe: zeros");
	fc_wipe(NULL, 0);
	fc_stack_wipe();
	ok(true, "wipe: nothing, and the stack");
}

static void
test_names(void)
{
	int			i;
	bool		good = true;

	for (i = FC_OK; i <= FC_ERR_ARGUMENT; i++)
		good = good && strcmp(fc_status_name((FcStatus) i), "unknown status") != 0;
	ok(good, "status: every one has a name");
	ok(strcmp(fc_status_name(FC_ERR_TRUNCATED), "value is truncated") == 0 &&
		   strcmp(fc_status_name((FcStatus) 9999), "unknown status") == 0,
	   "status: names");
}

int
main(void)
{
	test_reader();
	test_writer();
	test_b64();
	test_hex_digits();
	test_secret();
	test_names();
	return tap_done();
}
