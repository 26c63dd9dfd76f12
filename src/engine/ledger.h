// SPDX-License-Identifier: Apache-2.0
// The ledger of finished ids: what is needed to answer a repeated submit after the task's record is gone. 28 bytes an id
// in a ring of chunks, and its slot in a table.
#ifndef FQ_ENGINE_LEDGER_H
#define FQ_ENGINE_LEDGER_H

#include "engine/state.h"

extern const struct fq_table_ops fq_ledger_table_ops;
enum { FQ_LEDGER_HASH_BITS = 56 };

void fq_ledger_init(struct fq_ledger *ledger, uint64_t seed);
void fq_ledger_done(struct fq_ledger *ledger);
/** Room for `extra` (at most FQ_LEDGER_CHUNK) more, in the ledger or the reservation. 0 or FQ_ENOMEM. */
int fq_ledger_reserve(const struct fq_ledger *ledger, uint64_t extra, struct fq_reservation *reservation);
void fq_ledger_adopt(struct fq_ledger *ledger, struct fq_reservation *reservation);
/** The id must not be in the ledger. */
void fq_ledger_add(struct fq_ledger *ledger, struct fq_reservation *reservation, const fq_uuid *id,
                   const struct fq_ledger_record *record);
const struct fq_ledger_entry *fq_ledger_find(const struct fq_ledger *ledger, const fq_uuid *id);
const struct fq_ledger_entry *fq_ledger_at(const struct fq_ledger *ledger, uint64_t serial);
static inline uint64_t fq_ledger_count(const struct fq_ledger *ledger) {
    return ledger->next - ledger->first;
}
void fq_ledger_remove_first(struct fq_ledger *ledger);
struct fq_ledger_record fq_ledger_record_of(const struct fq_ledger_entry *entry);
/** Whether a body with this hash is the one that the entry stands for. */
bool fq_ledger_matches(const struct fq_ledger_entry *entry, uint64_t body_hash);
/** Share of the state hash. */
uint64_t fq_ledger_hash(const struct fq_ledger_entry *entry);

#endif
