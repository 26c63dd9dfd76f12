// SPDX-License-Identifier: Apache-2.0
// Reads a data directory as the next boot would, engine included, and changes nothing. If that refuses, everything readable
// behind the damage is looked through, to tell what is affected.
#ifndef FQ_SERVER_JOURNAL_CHECK_H
#define FQ_SERVER_JOURNAL_CHECK_H

#include "engine/event_view.h"
#include "engine/view.h"
#include "journal/disk.h"
#include "journal/storage.h"
#include "journal/stream.h"
#include "server/replica.h"
#include "server/task_ids.h"

enum { FQ_CHECK_GAPS_MAX = 64, FQ_CHECK_FILE_MAX = 64 };

// A part of the log that cannot be read. Numbers are 0 where nothing tells them.
struct fq_check_gap {
    char file[FQ_CHECK_FILE_MAX];
    uint64_t offset, end, first_batch, last_batch, first_record, last_record;
    const char *what; // static
};

struct fq_journal_check {
    const char *path; // borrowed
    bool is_owned;    // by a running server, or another such process
    char owner[64];   // as far as is known
    int result;       // 0: a boot would start from it; else the error with which it would refuse
    char error[FQ_STORAGE_ERROR_MAX]; // result < 0: file, offset, what, remedy
    // What was read, up to the damage if there is any.
    struct fq_replica replica;
    struct fq_engine_stats stats;
    uint64_t state_hash;
    fq_uuid instance;
    uint32_t boot_epoch;
    uint64_t snapshot_batch, snapshot_record, snapshot_records; // 0 = none
    uint64_t last_batch, last_record, segment_count, read_bytes;
    bool previous_snapshot_used; // the newest is damaged
    bool has_backup_list;        // and every file is as it lists
    // A tail that a boot cuts off: a crash came while it was written; ambiguous: or the medium lost it.
    bool is_torn, is_ambiguous;
    char cut_file[FQ_CHECK_FILE_MAX];
    uint64_t cut_offset, cut_batch, cut_record;
    // result < 0: what cannot be read, and the tasks of which anything lies behind the damage.
    struct fq_check_gap gaps[FQ_CHECK_GAPS_MAX];
    size_t gap_count;
    uint64_t readable_behind; // records
    struct fq_task_ids affected;
};

/** Reads the directory `path` as far as the batch `until`, 0 = all. Beside a running server it is read again, a few times, before
 *  damage is believed. 0 with `check` filled, check->result has the verdict; FQ_EINVALID: there is no such directory;
 *  FQ_ENOMEM. Call fq_journal_check_done in every case. */
FQ_MUST_USE int fq_journal_check(const char *path, uint64_t until, struct fq_journal_check *check);
/** The same for a directory that nobody else has open. Takes the disk, also on failure. 0 or FQ_ENOMEM. */
FQ_MUST_USE int fq_journal_check_disk(fq_disk *disk, uint64_t until, struct fq_journal_check *check);
/** The same for a log in a stream, as far as it goes now. Takes the stream, also on failure. 0 or FQ_ENOMEM. */
FQ_MUST_USE int fq_journal_check_stream(fq_stream *stream, const char *url, uint64_t until,
                                        struct fq_journal_check *check);
void fq_journal_check_done(struct fq_journal_check *check);
/** FQ_EINVALID with `error` filled unless `path` is a directory. */
int fq_journal_check_place(const char *path, char error[FQ_STORAGE_ERROR_MAX]);

/** An error of a reading as its sentence: what the layers below told, or words for an engine that refused record `seq`. */
void fq_journal_check_explain(int result, const char *told, uint64_t seq, uint64_t batch_seq,
                              const fq_decision *decision, char error[FQ_STORAGE_ERROR_MAX]);
/** Notes what a salvage tells. `check` is the context's. */
struct fq_gap;
void fq_journal_check_gap(struct fq_journal_check *check, const struct fq_gap *gap);

#endif
