/*-------------------------------------------------------------------------
 *
 * fc_kms_secret_file.c
 *		Files that hold a credential (see fc_kms_secret_file.h).
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kms/fc_kms_secret_file.h"

static FcStatus file_open(const FcSecretFile *file, int *fd, FcKmsError *error);
static FcStatus file_check(const FcSecretFile *file, int fd, const char *data_directory,
						   FcKmsError *error);
static FcStatus file_load(const FcSecretFile *file, int fd, char *text, size_t *len,
						  FcKmsError *error);
static FcStatus file_trim(const FcSecretFile *file, char *text, size_t len,
						  FcKmsError *error);

FcStatus
fc_secret_file_read(const FcSecretFile *file, const char *data_directory,
					char text[FC_SECRET_FILE_MAX], FcKmsError *error)
{
	size_t		len = 0;
	int			fd;
	FcStatus	status = file_open(file, &fd, error);

	if (status != FC_OK)
		return status;
	status = file_check(file, fd, data_directory, error);
	if (status == FC_OK)
		status = file_load(file, fd, text, &len, error);
	close(fd);
	if (status == FC_OK)
		status = file_trim(file, text, len, error);
	if (status != FC_OK)
		fc_wipe(text, FC_SECRET_FILE_MAX);
	return status;
}

FcStatus
fc_secret_file_examine(const FcSecretFile *file, const char *data_directory, FcKmsError *error)
{
	int			fd;
	FcStatus	status = file_open(file, &fd, error);

	if (status != FC_OK)
		return status;
	status = file_check(file, fd, data_directory, error);
	close(fd);
	return status;
}

/* O_NONBLOCK: opening a fifo must not hang the worker. */
static FcStatus
file_open(const FcSecretFile *file, int *fd, FcKmsError *error)
{
	*fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (*fd < 0)
		return fc_kms_fail(error, FC_ERR_KMS_CONFIG, file->line,
						   "file \"%s\" cannot be opened: %s", file->path, strerror(errno));
	return FC_OK;
}

/* Whose file it is, who else may read it, and where it lies. */
static FcStatus
file_check(const FcSecretFile *file, int fd, const char *data_directory, FcKmsError *error)
{
	char		real[PATH_MAX];
	struct stat st;
	size_t		len = data_directory != NULL ? strlen(data_directory) : 0;

	if (fstat(fd, &st) != 0)
		return fc_kms_fail(error, FC_ERR_KMS_CONFIG, file->line,
						   "file \"%s\" cannot be examined: %s", file->path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return fc_kms_fail(error, FC_ERR_KMS_CONFIG, file->line,
						   "file \"%s\" is not a regular file", file->path);
	if (file->guarded && (st.st_mode & S_IRWXO) != 0)
		return fc_kms_fail(error, FC_ERR_KMS_CONFIG, file->line,
						   "file \"%s\" is accessible to everybody (mode %04o, want 0600 or 0640)",
						   file->path, (unsigned int) (st.st_mode & 07777));
	if (data_directory != NULL && realpath(file->path, real) != NULL &&
		strncmp(real, data_directory, len) == 0 && real[len] == '/')
		return fc_kms_fail(error, FC_ERR_KMS_CONFIG, file->line,
						   "file \"%s\" is inside the data directory", file->path);
	return FC_OK;
}

static FcStatus
file_load(const FcSecretFile *file, int fd, char *text, size_t *len, FcKmsError *error)
{
	for (;;)
	{
		ssize_t		n = read(fd, text + *len, FC_SECRET_FILE_MAX - *len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fc_kms_fail(error, FC_ERR_KMS_CONFIG, file->line,
							   "file \"%s\" cannot be read: %s", file->path, strerror(errno));
		if (n == 0)
			return FC_OK;
		*len += (size_t) n;
		if (*len == FC_SECRET_FILE_MAX)
			return fc_kms_fail(error, FC_ERR_KMS_CONFIG, file->line,
							   "file \"%s\" is too long to hold a credential", file->path);
	}
}

static FcStatus
file_trim(const FcSecretFile *file, char *text, size_t len, FcKmsError *error)
{
	size_t		start = 0;
	size_t		i;

	while (len > 0 && strchr(" \t\r\n", text[len - 1]) != NULL && text[len - 1] != '\0')
		len--;
	while (start < len && strchr(" \t\r\n", text[start]) != NULL && text[start] != '\0')
		start++;
	len -= start;
	memmove(text, text + start, len);
	text[len] = '\0';
	if (len == 0)
		return fc_kms_fail(error, FC_ERR_KMS_CONFIG, file->line,
						   "file \"%s\" is empty", file->path);
	for (i = 0; i < len; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return fc_kms_fail(error, FC_ERR_KMS_CONFIG, file->line,
							   "file \"%s\" holds something else than one credential", file->path);
	return FC_OK;
}

void
fc_secret_file_stamp(const FcSecretFile *file, FcFileStamp *stamp)
{
	struct stat st;

	memset(stamp, 0, sizeof(*stamp));
	if (file->path == NULL || stat(file->path, &st) != 0)
		return;
	stamp->device = (uint64_t) st.st_dev;
	stamp->inode = (uint64_t) st.st_ino;
	stamp->size = (int64_t) st.st_size;
	stamp->modified_ns = (int64_t) st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
	stamp->changed_ns = (int64_t) st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec;
}

bool
fc_file_stamp_equal(const FcFileStamp *a, const FcFileStamp *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
		   a->modified_ns == b->modified_ns && a->changed_ns == b->changed_ns;
}
