/*-------------------------------------------------------------------------
 *
 * fc_kms_secret_file.h
 *		Files that hold a credential: read at each login and wiped.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FC_KMS_SECRET_FILE_H
#define FC_KMS_SECRET_FILE_H

#include "kms/fc_kms.h"

/* Longest credential; tokens of service accounts have one or two kilobytes. */
#define FC_SECRET_FILE_MAX	16384

typedef struct FcSecretFile
{
	char	   *path;			/* NULL where the option is not set */
	int			line;			/* of the option */
	bool		guarded;		/* not readable by others than owner and group */
} FcSecretFile;

/* Tells whether a file was changed or replaced since; all zero for none. */
typedef struct FcFileStamp
{
	uint64_t	device;
	uint64_t	inode;
	int64_t		size;
	int64_t		modified_ns;
	int64_t		changed_ns;
} FcFileStamp;

/*
 * fc_secret_file_read
 *		The file's one word, without white space around it, printable ASCII
 *		only, NUL-terminated.  data_directory (or NULL): files inside it are
 *		refused, as every base backup would carry them.  The caller wipes text.
 */
extern FcStatus fc_secret_file_read(const FcSecretFile *file, const char *data_directory,
									char text[FC_SECRET_FILE_MAX], FcKmsError *error) FC_CHECK_RESULT;

/* Only whose it is and where it lies: for a file that libcurl reads. */
extern FcStatus fc_secret_file_examine(const FcSecretFile *file, const char *data_directory,
									   FcKmsError *error) FC_CHECK_RESULT;

extern void fc_secret_file_stamp(const FcSecretFile *file, FcFileStamp *stamp);
extern bool fc_file_stamp_equal(const FcFileStamp *a, const FcFileStamp *b);

#endif							/* FC_KMS_SECRET_FILE_H */
