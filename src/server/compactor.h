// SPDX-License-Identifier: Apache-2.0
// What the compactor's process does once the journal is open: the log through a fresh engine, its state as the snapshot.
#ifndef FQ_SERVER_COMPACTOR_H
#define FQ_SERVER_COMPACTOR_H

#include "journal/compaction.h"

struct fq_compactor_outcome {
    uint64_t last_seq;   // of the last record in the snapshot
    uint64_t state_hash; // of the state that it holds
};

/** Reads, replays, writes and finishes a compaction that was just opened; the caller closes it. 0, or a negative error of
 *  the engine or of the compaction (fq_compaction_error). */
FQ_MUST_USE int fq_compactor_run(fq_compaction *compaction, struct fq_compactor_outcome *ret_outcome);

#endif
