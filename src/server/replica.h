// SPDX-License-Identifier: Apache-2.0
// An engine that follows the records of a journal outside of the server, and what it saw on the way.
#ifndef FQ_SERVER_REPLICA_H
#define FQ_SERVER_REPLICA_H

#include "engine/view.h"

struct fq_replica {
    fq_engine *engine;
    fq_decision *decision;
    uint64_t event_count[FQ_EVENT_DURABLE_COUNT];
    uint64_t record_count;
    int64_t first_at_us, last_at_us; // wall clock of the first and the last event; 0 = none
};

/** FQ_ENOMEM. Ends with fq_replica_done, also then. */
FQ_MUST_USE int fq_replica_init(struct fq_replica *replica);
/** All zero is fine. */
void fq_replica_done(struct fq_replica *replica);
/** Applies one record; `context` is the replica. FQ_ECORRUPT (it contradicts the state), FQ_EVERSION, FQ_ENOMEM. */
FQ_MUST_USE int fq_replica_record(void *context, fq_str record);
/** One that fq_replica_record will soon be given (fq_compaction_expect). */
void fq_replica_expect(void *context, fq_str record);
/** Ends every lease, uncharged, at the moment of the last event: their tokens are void, the tasks wait again. FQ_ENOMEM. */
FQ_MUST_USE int fq_replica_release_all(struct fq_replica *replica, uint64_t *ret_count);
/** Hands the state, as records of a snapshot, to `add`; what it returns below 0 ends that. */
FQ_MUST_USE int fq_replica_write(const struct fq_replica *replica, int (*add)(void *context, fq_str record),
                                 void *context);

#endif
