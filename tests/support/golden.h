// SPDX-License-Identifier: Apache-2.0
// Golden journals: data directories of released formats, kept in the tree as one gzip file each, beside a text with all that
// they say. Every later version must read them, and come to the same state.
//
// A golden file, unpacked: "fastqueue golden 1\n", then for each file a line "PATH SIZE\n" and its bytes.
#ifndef FQ_TESTS_GOLDEN_H
#define FQ_TESTS_GOLDEN_H

#include "base/buf.h"
#include "journal/journal.h"
#include "journal/storage_posix.h"
#include "server/replica.h"
#include "sim/disk.h"

/** A disk with the files of `path`; NULL if it is none. */
sim_disk *golden_load(const char *path);
bool golden_save(const sim_disk *sim, const char *path);

/** Appends a line for each event and, at the end, lines with the state. 0, or the error of the reading, told in `error`. */
int golden_dump(sim_disk *sim, fq_buf *out, struct fq_replica *replica, char error[FQ_STORAGE_ERROR_MAX]);

// A journal that runs on the disk, with small segments.
struct golden_journal {
    sim_disk *sim;
    fq_executor *executor;
    fq_journal *journal;
    struct fq_now now;
    int64_t sealed_batch; // -1 = not yet
};

/** Opens, replays into `replica` (NULL = nowhere) and starts. 0 or the error, told in `error`. */
int golden_journal_open(struct golden_journal *golden, sim_disk *sim, struct fq_replica *replica,
                        char error[FQ_STORAGE_ERROR_MAX]);
void golden_journal_append(struct golden_journal *golden, fq_str record);
/** Turns until all is durable and nothing is under way. */
void golden_journal_settle(struct golden_journal *golden);
/** Seals, compacts with a fresh engine, installs. 0 or the compactor's error. */
int golden_journal_compact(struct golden_journal *golden);
void golden_journal_close(struct golden_journal *golden);

#endif
