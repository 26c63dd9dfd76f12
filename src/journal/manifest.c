// SPDX-License-Identifier: Apache-2.0
#include "journal/manifest.h"

#include "base/crc32c.h"
#include "base/le.h"
#include "fastqueue/error.h"
#include "journal/format.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

enum { CRC_OFFSET = 64, AMBIGUOUS = 1 };

static void encode(const struct fq_manifest *manifest, unsigned char *p) {
    memset(p, 0, FQ_MANIFEST_SIZE);
    fq_put_u32(p, FQ_MAGIC_MANIFEST);
    fq_put_u16(p + 4, FQ_FORMAT_MAJOR);
    fq_put_u16(p + 6, FQ_FORMAT_MINOR);
    memcpy(p + 16, manifest->instance.bytes, 16);
    fq_put_u64(p + 32, manifest->snapshot);
    fq_put_u64(p + 40, manifest->previous_snapshot);
    fq_put_u64(p + 48, manifest->boot_segment_no);
    fq_put_u32(p + 56, manifest->boot_epoch);
    fq_put_u32(p + 60, manifest->ambiguous ? AMBIGUOUS : 0);
    fq_put_u32(p + CRC_OFFSET, fq_crc32c(0, p, CRC_OFFSET));
}

static int decode(const unsigned char *p, struct fq_manifest *ret_manifest) {
    if (fq_get_u32(p) != FQ_MAGIC_MANIFEST || fq_get_u32(p + CRC_OFFSET) != fq_crc32c(0, p, CRC_OFFSET))
        return FQ_ECORRUPT;
    if (fq_get_u16(p + 4) != FQ_FORMAT_MAJOR || (fq_get_u64(p + 8) & ~(uint64_t)FQ_FORMAT_INCOMPATIBLE) != 0)
        return FQ_EVERSION;
    memcpy(ret_manifest->instance.bytes, p + 16, 16);
    ret_manifest->snapshot = fq_get_u64(p + 32);
    ret_manifest->previous_snapshot = fq_get_u64(p + 40);
    ret_manifest->boot_segment_no = fq_get_u64(p + 48);
    ret_manifest->boot_epoch = fq_get_u32(p + 56);
    ret_manifest->ambiguous = (fq_get_u32(p + 60) & AMBIGUOUS) != 0;
    return 0;
}

int fq_manifest_load(fq_disk *disk, struct fq_manifest *ret_manifest, int *ret_errno) {
    int handle = disk->ops->open(disk, "MANIFEST", FQ_DISK_READ);
    if (handle < 0) {
        *ret_errno = -handle;
        return handle == -ENOENT ? FQ_EINVALID : FQ_EIO;
    }
    unsigned char bytes[FQ_MANIFEST_SIZE];
    int64_t got = disk->ops->read(disk, handle, bytes, sizeof bytes, 0);
    disk->ops->close(disk, handle);
    if (got < 0) {
        *ret_errno = (int)-got;
        return FQ_EIO;
    }
    return got == FQ_MANIFEST_SIZE ? decode(bytes, ret_manifest) : FQ_ECORRUPT;
}

void fq_format_words(uint16_t major, uint16_t minor, uint64_t incompatible,
                     char text[FQ_MANIFEST_FORMAT_MAX]) {
    int len = snprintf(text, FQ_MANIFEST_FORMAT_MAX, "format %u.%u", major, minor);
    if (incompatible != 0)
        snprintf(text + len, FQ_MANIFEST_FORMAT_MAX - (size_t)len, " with features 0x%" PRIx64, incompatible);
}

void fq_manifest_format(fq_disk *disk, char text[FQ_MANIFEST_FORMAT_MAX]) {
    unsigned char bytes[FQ_MANIFEST_SIZE] = {0};
    int handle = disk->ops->open(disk, "MANIFEST", FQ_DISK_READ);
    if (handle >= 0) {
        (void)disk->ops->read(disk, handle, bytes, sizeof bytes, 0);
        disk->ops->close(disk, handle);
    }
    fq_format_words(fq_get_u16(bytes + 4), fq_get_u16(bytes + 6), fq_get_u64(bytes + 8), text);
}

// Writes MANIFEST.tmp, a new file each time. 0 or -errno; then it is gone.
static int write_tmp(fq_disk *disk, const struct fq_manifest *manifest) {
    unsigned char bytes[FQ_MANIFEST_SIZE];
    encode(manifest, bytes);
    int result = fq_disk_clear(disk, "MANIFEST.tmp");
    int handle = result < 0 ? result : disk->ops->open(disk, "MANIFEST.tmp", FQ_DISK_CREATE);
    if (handle < 0)
        return handle;
    int64_t put = disk->ops->write(disk, handle, bytes, sizeof bytes, 0);
    result = put < 0 ? (int)put : put == FQ_MANIFEST_SIZE ? disk->ops->sync(disk, handle) : -ENOSPC;
    disk->ops->close(disk, handle);
    if (result < 0)
        fq_disk_clear(disk, "MANIFEST.tmp");
    return result;
}

int fq_manifest_store(fq_disk *disk, const struct fq_manifest *manifest, int *ret_errno) {
    int result = write_tmp(disk, manifest);
    if (result < 0) {
        *ret_errno = -result;
        return FQ_EFULL;
    }
    result = disk->ops->rename(disk, "MANIFEST.tmp", "MANIFEST");
    if (result == 0)
        result = disk->ops->sync_directory(disk, ".");
    if (result < 0) {
        *ret_errno = -result;
        return FQ_EIO;
    }
    return 0;
}
