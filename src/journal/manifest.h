// SPDX-License-Identifier: Apache-2.0
// The MANIFEST: which snapshots are in force, what the last boot began. Replaced as a whole, by rename.
#ifndef FQ_JOURNAL_MANIFEST_H
#define FQ_JOURNAL_MANIFEST_H

#include "base/uuid.h"
#include "journal/disk.h"

struct fq_manifest {
    fq_uuid instance;
    uint64_t snapshot, previous_snapshot; // batch numbers, 0 = none
    uint64_t boot_segment_no;             // 0 = never booted
    uint32_t boot_epoch;
    bool ambiguous; // a boot cut a batch that may have been acknowledged
};

/** Reads it. 0; FQ_EINVALID if there is none; FQ_ECORRUPT, FQ_EVERSION; FQ_EIO with `ret_errno`. */
int fq_manifest_load(fq_disk *disk, struct fq_manifest *ret_manifest, int *ret_errno);
/** After FQ_EVERSION: the format that it was written in, in words: "format 2.0", "format 1.0 with features 0x20". */
enum { FQ_MANIFEST_FORMAT_MAX = 64 };
void fq_manifest_format(fq_disk *disk, char text[FQ_MANIFEST_FORMAT_MAX]);
/** The words for any file's version numbers and incompatible bits. */
void fq_format_words(uint16_t major, uint16_t minor, uint64_t incompatible,
                     char text[FQ_MANIFEST_FORMAT_MAX]);
/** Writes and installs it. FQ_EFULL: nothing was installed (`ret_errno` says why). FQ_EIO: unknown, final. */
int fq_manifest_store(fq_disk *disk, const struct fq_manifest *manifest, int *ret_errno);

#endif
