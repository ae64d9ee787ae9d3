/*-------------------------------------------------------------------------
 *
 * fc_test.h
 *		Unit tests in TAP: one line per test, the plan at the end.
 *
 * A test is one ok() with a name; a failed one prints where it stands.  main
 * ends with `return tap_done();`, which is non-zero if anything failed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_TEST_H
#define FC_TEST_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef FC_VECTORS
#define FC_VECTORS "../vectors"
#endif

static int tap_run;
static int tap_failed;

__attribute__((format(printf, 4, 5))) static inline bool
tap_ok(bool pass, const char *file, int line, const char *name, ...)
{
	va_list		args;

	tap_run++;
	if (!pass)
		tap_failed++;
	printf("%s %d - ", pass ? "ok" : "not ok", tap_run);
	va_start(args, name);
	vprintf(name, args);
	va_end(args);
	printf("\n");
	if (!pass)
		printf("#   at %s line %d\n", file, line);
	fflush(stdout);
	return pass;
}

#define ok(pass, ...) tap_ok(pass, __FILE__, __LINE__, __VA_ARGS__)

static inline int
tap_done(void)
{
	printf("1..%d\n", tap_run);
	return tap_failed == 0 && tap_run > 0 ? 0 : 1;
}

/*
 * Lines of a vector file, split at single spaces into at most max fields;
 * comments and empty lines are skipped.  Returns the number of fields, 0 at
 * the end of the file.
 */
typedef struct TestFile
{
	FILE       *file;
	char		line[65536];
} TestFile;

static inline void
test_file_open(TestFile *t, const char *name)
{
	char		path[1024];

	snprintf(path, sizeof(path), "%s/%s", FC_VECTORS, name);
	t->file = fopen(path, "r");
	if (t->file == NULL)
	{
		printf("Bail out! cannot open %s\n", path);
		exit(1);
	}
}

static inline int
test_file_next(TestFile *t, char **fields, int max)
{
	while (fgets(t->line, sizeof(t->line), t->file) != NULL)
	{
		int			n = 0;
		char       *p = strtok(t->line, " \n");

		if (p == NULL || p[0] == '#')
			continue;
		for (; p != NULL && n < max; p = strtok(NULL, " \n"))
			fields[n++] = p;
		return n;
	}
	fclose(t->file);
	return 0;
}

/* Bytes of a hexadecimal field, "-" for none; the caller's room is trusted. */
static inline size_t
test_hex(const char *text, uint8_t *out)
{
	size_t		n = 0;
	unsigned	byte;

	if (strcmp(text, "-") == 0)
		return 0;
	for (; text[0] != '\0' && text[1] != '\0'; text += 2)
	{
		if (sscanf(text, "%2x", &byte) != 1)
			break;
		out[n++] = (uint8_t) byte;
	}
	return n;
}

#endif /* FC_TEST_H */
