// SPDX-License-Identifier: Apache-2.0
// Files of a journal whose checksums hold and which are still wrong: their headers are read, changed by the test, and
// written anew. What cannot be read as it should fails the test.
#ifndef FQ_TESTS_FORGERY_H
#define FQ_TESTS_FORGERY_H

#include "journal/backup.h"
#include "journal/manifest.h"
#include "journal/segment.h"
#include "support/journal_rig.h"

/** A journal without snapshots, closed: the log from its first batch on, in several segments. rig_done() ends it. */
void forgery_make_plain(struct rig *ret_rig);
/** A copy of a closed rig that lives on its own: rig_done() ends it. */
struct rig forgery_copy(const struct rig *rig);

enum { FORGERY_FILES_MAX = 32, FORGERY_IMAGE_MAX = 1 << 18 }; // a segment of the plain journal fits the image
struct forgery_files {
    const char *directory;
    char paths[FORGERY_FILES_MAX][64]; // by name
    size_t count;
};
/** What is in a directory ("seg/"), leftovers excepted. */
struct forgery_files forgery_list(const sim_disk *sim, const char *directory);
/** A new file. */
void forgery_put_file(sim_disk *sim, const char *path, const void *bytes, size_t len);

struct fq_segment_header forgery_header(const sim_disk *sim, const char *path);
void forgery_put_header(sim_disk *sim, const char *path, const struct fq_segment_header *header);
struct fq_manifest forgery_manifest(sim_disk *sim);
void forgery_put_manifest(sim_disk *sim, const struct fq_manifest *manifest);

/** The first batch of a segment, or its seal: where it is. `image` has room for the whole file. */
uint64_t forgery_find(const struct rig *rig, const char *path, enum fq_segment_step wanted,
                      unsigned char *image, struct fq_batch_header *ret_header);
void forgery_put_batch(struct rig *rig, const char *path, uint64_t offset, struct fq_batch_header *header);

/** fq_backup_make() from one disk to another; `error` has room for FQ_STORAGE_ERROR_MAX. */
int forgery_backup(sim_disk *source, sim_disk *target, const struct fq_backup_options *options,
                   struct fq_backup_report *report, char *error);
/** A backup fails with this error and says `text`, and leaves nothing that looks like a backup. */
void forgery_refuse_backup(sim_disk *source, int expected, const char *text);

// A view of a disk that gives less than it promises; set by the test at any time.
struct forgery_medium {
    struct fq_disk_ops ops; // first: the view points at it
    const struct fq_disk_ops *beneath;
    int64_t size;    // that every file is said to have; < 0: its own
    size_t short_of; // reads of so many bytes come out one byte short; 0 = none
};
/** `medium` outlives the view. */
fq_disk *forgery_medium_attach(sim_disk *sim, struct forgery_medium *medium);

#endif
