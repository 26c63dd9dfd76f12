// SPDX-License-Identifier: Apache-2.0
// A small data directory on a simulated disk for fuzz_journal, and its checksums made to fit what a fuzzer changed.
#ifndef FQ_FUZZ_JOURNAL_IMAGE_H
#define FQ_FUZZ_JOURNAL_IMAGE_H

#include "engine/engine.h"
#include "journal/journal.h"
#include "sim/disk.h"

/** Segments of two boots and a snapshot, with tasks in every state. */
sim_disk *journal_image_new(void);

// A journal and its engine on a disk.
struct journal_image_boot {
    fq_engine *engine;
    fq_decision *decision;
    fq_journal *journal;
    struct fq_now now;
};
/** Opens, recovers, starts, and writes the boot's first record. 0 or the error; nothing is open then. */
int journal_image_boot(sim_disk *sim, bool strict, struct journal_image_boot *ret_boot);
/** Decides, journals, applies; the decision's events can be asked until the next call. */
int journal_image_run(struct journal_image_boot *boot, const struct fq_command *command);
/** Until all is durable; false if the journal failed. */
bool journal_image_settle(struct journal_image_boot *boot);
void journal_image_close(struct journal_image_boot *boot);

/** Writes right checksums wherever a file's layout can be followed; `chain`: the ties between batches as well. */
void journal_image_mend(sim_disk *sim, bool chain);

#endif
