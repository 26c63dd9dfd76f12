// SPDX-License-Identifier: Apache-2.0
// One damaged byte, or one cut, in a small journal whose every record is known: what a boot, a verification and a salvage
// make of it.
#ifndef FQ_TESTS_DAMAGE_H
#define FQ_TESTS_DAMAGE_H

#include "support/journal_rig.h"

// A journal with several segments, two snapshots and a log behind them, at rest.
struct damage_subject {
    struct rig rig;
    uint64_t
        proven; // records of which the medium holds proof that they were synced; all, if the journal went idle
    char paths[16][64];
    uint64_t sizes[16];
    size_t path_count;
};

enum damage_kind { DAMAGE_CUT, DAMAGE_FLIP_LOW, DAMAGE_FLIP_HIGH, DAMAGE_KIND_COUNT };

struct damage_figures {
    uint64_t cases;
    uint64_t restored; // everything came back
    uint64_t
        cut; // the last batch, of which nothing proves that it was synced, was cut off and the cut was told
    uint64_t refused; // with file and remedy
    uint64_t wrong;   // anything else
    char first_wrong[700];
};

/** `idle`: the journal had the time to prove that its last batch was synced. */
void damage_subject_make(struct damage_subject *subject, uint64_t seed, bool idle);
void damage_subject_done(struct damage_subject *subject);

/** Damages a copy at one place and tries it. */
void damage_try(const struct damage_subject *subject, size_t path, enum damage_kind kind, uint64_t offset,
                struct damage_figures *figures);
/** Takes one file away. */
void damage_try_missing(const struct damage_subject *subject, size_t path, struct damage_figures *figures);
/** Every `stride`-th place of every file, from `phase` on, in every kind; and each file missing. */
void damage_sweep(const struct damage_subject *subject, uint64_t stride, uint64_t phase,
                  struct damage_figures *figures);

#endif
