// SPDX-License-Identifier: Apache-2.0
// Inside the file storage: what boot (storage_boot.c) and running (storage_posix.c) share.
#ifndef FQ_JOURNAL_STORAGE_FILES_H
#define FQ_JOURNAL_STORAGE_FILES_H

#include "journal/recover.h"
#include "journal/snapshot.h"
#include "journal/storage_posix.h"
#include "journal/tail.h"

#include <stdatomic.h>

// Facts that a job brings back from the executor.
struct fq_files_view {
    uint64_t room_bytes, spare_bytes, reserve_bytes, free_bytes, total_bytes, segment_count;
    uint64_t mended_pieces;
    bool wants_preparation;
    bool spare_fits, reserve_fits; // ready, and large enough for what waits
    uint64_t order;                // views may be delivered out of order: the highest is the newest
};

// A piece of work on the executor. Its fields belong to the executor from submit until `done` is seen, else to the owner.
struct fq_files_job {
    atomic_bool done;
    bool busy;
    int result;
    struct fq_files_view view;
    char error[FQ_STORAGE_ERROR_MAX];
};

enum fq_files_write { FQ_FILES_APPEND, FQ_FILES_FLUSH, FQ_FILES_SEAL };

struct fq_files {
    fq_storage base;
    fq_disk *disk;
    fq_executor *executor; // NULL: reader
    struct fq_storage_posix_options options;
    struct fq_recovery recovery;
    struct fq_storage_snapshot snapshot; // batch_seq 0 = none
    uint64_t damaged_snapshot;           // newest one, not used; put aside once the log is writable. 0 = none
    struct fq_storage_stats stats;
    bool reserve_ready; // at boot
    bool examines;      // reader: judge as a boot would, and change nothing
    bool read_done, started;

    // The executor's after start.
    struct fq_manifest manifest;
    struct fq_tail tail;
    uint64_t segment_count, bytes_since_facts, looks;
    struct fq_disk_facts facts;

    // The one append, flush or seal under way; `waits_for_spare`: it came back and will be submitted again.
    struct fq_files_job write;
    enum fq_files_write write_kind;
    struct fq_storage_batch batch;
    bool write_sync, use_reserve, waits_for_spare;
    uint64_t sealed_batch_seq;
    void (*on_durable)(void *context, int result);
    void (*on_sealed)(void *context, int result, uint64_t last_batch_seq);
    void *write_context;

    struct fq_files_job prepare;
    bool prepare_failed;
    int64_t retry_at_us;

    struct fq_files_job install;
    uint64_t install_batch_seq;
    struct fq_storage_snapshot installed;
    void (*on_installed)(void *context, int result);
    void *install_context;

    struct fq_files_view view; // the newest
    uint64_t low_water_bytes;
    bool submits_blocked;
};

/** The ops of a storage in files. */
const struct fq_storage_ops *fq_files_ops(void);

/** Removes what nothing refers to: segments that only snapshots older than the previous one need, and other snapshots.
 *  Counts segments. -errno of listing or of a directory's sync. */
int fq_files_remove_old(struct fq_files *files);

/** Blocks at boot: reads, then makes the log writable. The storage's `read` and `start`. */
int fq_files_read(fq_storage *storage, uint64_t from_batch_seq,
                  int (*on_batch)(void *context, const struct fq_storage_batch *batch), void *context);
int fq_files_start(fq_storage *storage, const struct fq_storage_batch *first, uint32_t boot_epoch);

/** Submits the preparation of spare and reserve if something is missing. */
void fq_files_kick_preparation(struct fq_files *files);
/** Fills a job's view; on the executor, or before it runs. */
void fq_files_look(struct fq_files *files, struct fq_files_view *ret_view, bool ask_disk);
/** Takes a view over and decides whether submits are blocked. */
void fq_files_note_view(struct fq_files *files, const struct fq_files_view *view);

/** Whether the MANIFEST on disk is still the one that this process wrote: nobody else may own the directory. */
int fq_files_check_owner(struct fq_files *files, char error[FQ_STORAGE_ERROR_MAX]);

#endif
