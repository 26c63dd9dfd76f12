// SPDX-License-Identifier: Apache-2.0
// A journal as a control plane keeps it, whole but for the machine: in files of a simulated disk, or in a replicated log in memory.
// What runs on one has to run on the other.
#ifndef FQ_TESTS_KEEPER_H
#define FQ_TESTS_KEEPER_H

#include "engine/engine.h"
#include "journal/journal.h"
#include "sim/disk.h"
#include "sim/log.h"
#include "sim/step_executor.h"

enum keeper_storage { KEEPER_NONE, KEEPER_FILES, KEEPER_LOG };

struct keeper {
    enum keeper_storage storage;
    sim_disk *disk;
    sim_log *log;
    fq_executor *executor; // of the present journal; its work runs when the test says so
    fq_journal *journal;
    struct fq_now now; // goes on by itself; the owner may set it ahead
};

/** An empty journal, ready to write. Fails by assertion, as all of these. */
void keeper_open(struct keeper *keeper, enum keeper_storage storage, struct fq_now now);
void keeper_close(struct keeper *keeper);
void keeper_append(struct keeper *keeper, fq_str record);
/** What the storage's thread has to do is done; who owns the loop delivers it. */
void keeper_run(struct keeper *keeper);
/** All that was appended becomes durable. */
void keeper_settle(struct keeper *keeper);
/** As a new process: what was appended and settled comes back into `engine`, and the journal goes on. */
void keeper_reopen(struct keeper *keeper, fq_engine *engine);
/** A compaction as the server and its child do it. */
void keeper_compact(struct keeper *keeper);
const char *keeper_storage_name(enum keeper_storage storage);

#endif
