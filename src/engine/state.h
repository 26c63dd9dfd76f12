// SPDX-License-Identifier: Apache-2.0
// The engine's records; private to engine/. Each noun has its file: task.c, queue.c, offer.c, worker.c, ledger.c, dead.c.
#ifndef FQ_ENGINE_STATE_H
#define FQ_ENGINE_STATE_H

#include "base/assert.h"
#include "base/hash.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/table.h"
#include "base/treap.h"
#include "engine/engine.h"
#include "engine/event_data.h"
#include "engine/view.h"

enum fq_task_flag {
    FQ_FLAG_CANCEL_REQUESTED = 1,
    FQ_FLAG_BY_WALL = 2, // SCHEDULED: due by the wall clock (AT), not after a delay
    FQ_FLAG_EXPIRES = 4, // has the field EXPIRES
    FQ_FLAG_UNIQUE = 8,  // has the field UNIQUE
    FQ_FLAG_ALL = 15
};

// Where a waiting task stands in its queue.
enum fq_task_place { FQ_PLACE_NONE, FQ_PLACE_LINE, FQ_PLACE_BACK };

// One task, one allocation: the record, then the payload, then the fields (fields.h). The part from `payload_len` on is durable
// and what the state hash covers, and so are the losses; what else is before it is rebuilt by replay.
struct fq_task {
    struct fq_name *name;
    struct fq_worker *worker; // last one that it was granted to; NULL = none
    union {
        fq_list_link link; // PENDING in line; STARTED: its worker's leases; finished: order of use
        struct fq_treap_node tree_node; // PENDING, came back behind its turn
    };
    uint32_t boot_place, wall_place; // in the timer heaps; boot_place: also in that of ages
    uint8_t place;                   // enum fq_task_place
    uint8_t losses;                  // leases whose worker was lost before a start was known, not charged
    uint32_t started_boot_ms;        // STARTED and running: since when, boot time, low 32 bits

    uint32_t payload_len, field_len;
    uint64_t body_hash;
    fq_uuid id;
    int64_t moment; // SCHEDULED: due, wall; STARTED: token; final: completed, wall
    uint64_t order; // turn among the eligible; ties of timers; age among the dead
    int64_t submitted_us, eligible_us, granted_us, started_us;
    uint16_t attempt, retries;
    uint8_t crashes, state, priority, flags;
    char tail[];
};

struct fq_queue {
    fq_list_link line; // in order of eligibility
    fq_treap back;     // those that came back and are older than the end of the line
    uint64_t head;     // turn of the first of all; 0 = empty
    uint64_t count;
};

struct fq_name {
    struct fq_name *next_spare; // while in a reservation
    uint64_t hash;              // of the text, without seed: part of the state hash
    fq_list_link members;       // one a set that offers the name
    struct fq_queue queues[FQ_PRIORITY_COUNT];
    uint64_t scheduled, started;
    uint64_t submitted_total, completed_total, failed_total;
    uint32_t id;
    uint32_t text_len;
    bool paused;
    char text[];
};

// One name of a set.
struct fq_member {
    fq_list_link of_name;
    struct fq_name *name;
    struct fq_set *set;
    uint32_t place[FQ_PRIORITY_COUNT]; // in the set's heaps: index + 1, 0 = nothing waits
};

// A name in a heap, with the turn of its first task, so that comparing two looks nowhere else.
struct fq_set_slot {
    uint64_t turn;
    uint32_t member;
};

// The names that a worker offers. Workers that offer the same share one set.
struct fq_set {
    uint64_t hash;
    fq_list_link workers;
    uint32_t member_count;
    uint32_t heap_count[FQ_PRIORITY_COUNT];
    struct fq_set_slot *heap[FQ_PRIORITY_COUNT]; // binary heaps
    struct fq_member members[];
};

struct fq_worker {
    uint64_t hash;
    fq_list_link of_engine; // linked while registered or holding leases, in order of `serial`
    fq_list_link of_set;    // linked while registered
    fq_list_link of_seen;   // linked while registered, least recently heard of first
    fq_list_link leases;
    struct fq_set *set;
    char *profile; // instance, then meta
    uint64_t serial;
    uint64_t reference_count; // tasks that name it
    uint64_t completed_total, failed_total;
    int64_t registered_us, seen_us, seen_boot_us;
    uint32_t instance_len, meta_len;
    uint32_t slots, lease_count, running_count;
    uint32_t id_len;
    bool registered;
    char id[];
};

struct fq_ledger_entry {
    fq_uuid id;
    uint32_t finished_s;
    uint32_t hash_low;
    uint32_t hash_high_state; // 24 bits of hash, 4 of state, 4 of fate
};

enum fq_ledger_fate { FQ_FATE_AGED, FQ_FATE_EVICTED, FQ_FATE_NOT_STORED, FQ_FATE_PURGED, FQ_FATE_COUNT };
enum { FQ_LEDGER_CHUNK = 4096 };

struct fq_ledger {
    fq_table table; // of serials
    struct fq_ledger_entry **chunks;
    uint64_t chunk_capacity, chunk_count;
    uint64_t base;        // serial of the first entry of chunks[0]; a multiple of FQ_LEDGER_CHUNK
    uint64_t first, next; // serials of the oldest entry and of the next one; equal = empty
    uint64_t seed;
};

struct fq_dead_entry {
    uint64_t order;
    struct fq_task *task; // NULL = removed
};
struct fq_dead {
    struct fq_dead_entry *entries; // by order
    size_t begin, end, capacity;
    uint64_t count;
};

struct fq_engine {
    struct fq_engine_config config;
    fq_table tasks, unique, names, workers, sets;
    struct fq_name **name_list; // by id
    uint32_t name_count, name_capacity;
    fq_heap boot_timers;   // delays, boot time
    fq_heap lease_timers;  // boot time; which of those that end together is first does not matter
    fq_heap age_timers;    // when finished tasks are forgotten, boot time: many and far away, so kept apart
    fq_heap wall_timers;   // times of day and expiry
    fq_list_link finished; // final and not dead: least recently used first
    fq_list_link worker_list, seen_list;
    struct fq_name *name_last;     // taken last: tasks come in runs
    struct fq_worker *worker_last; // taken last; NULL = none, or it is gone
    uint64_t worker_serial;
    uint64_t registered_count, holder_count, set_count, member_count;
    struct fq_dead dead;
    struct fq_ledger ledger;

    struct fq_totals totals;
    uint64_t stale_total, repeat_total;
    uint64_t state_count[FQ_TASK_STATE_COUNT], pending_count[FQ_PRIORITY_COUNT], running_count;
    uint64_t task_bytes;   // payloads and fields of tasks that are not final
    uint64_t result_bytes; // what finished tasks cost
    uint64_t result_count;

    uint64_t hash; // sum over tasks, ledger and paused names
    uint64_t token, order;
    int64_t last_at_us;
    uint32_t epoch;
    bool started, all_paused, draining;
    bool loading;                 // the images of a snapshot come in: nothing else has been applied yet
    int64_t clock_offset_us;      // wall - boot, as last seen
    int64_t leases_held_until_us; // boot time; before it no lease ends by time
};

// Memory that apply will consume.
struct fq_reservation {
    fq_table_spare tasks, unique, names, workers, sets, ledger;
    fq_heap_spare boot, lease, age, wall;
    struct fq_name **name_list;
    uint32_t name_capacity;
    struct fq_name *name_found; // by the decision at hand: apply need not look it up again
    struct fq_name *name_spares;
    uint32_t name_spare_count;
    struct fq_worker *worker;
    char *profile;
    struct fq_set *set;
    struct fq_ledger_entry **ledger_chunks; // a longer array of chunks
    uint64_t ledger_chunk_capacity;
    struct fq_ledger_entry *ledger_chunk;
    struct fq_dead_entry *dead;
    size_t dead_capacity;
};

struct fq_candidate {
    uint64_t key, tie;
    const void *from; // what it stands for, see offer.c
    uint32_t index;
    uint32_t kind;
};

struct fq_decision {
    struct fq_event *events;
    size_t event_count, event_capacity;
    struct fq_effect *effects;
    size_t effect_count, effect_capacity;
    struct fq_reservation reservation;
    fq_buf scratch; // fields of the events
    struct fq_candidate *candidates;
    size_t candidate_count, candidate_capacity;
    fq_str *names; // sorted names of a REGISTER
    size_t name_count, name_capacity;
    unsigned char *verdicts;
    size_t verdict_count, verdict_capacity;
    fq_uuid task_id;
    bool is_repeat, is_stale, is_partial;
    uint64_t touched;
    char reason[320];
};

#define FQ_TASK_OF(pointer) FQ_ELEMENT(pointer, struct fq_task, link)

static inline fq_str fq_name_text(const struct fq_name *name) {
    return (fq_str){name->text, name->text_len};
}
static inline fq_str fq_worker_id(const struct fq_worker *worker) {
    return worker != NULL ? (fq_str){worker->id, worker->id_len} : (fq_str){"", 0};
}

// --- decision.c -----------------------------------------------------------------------------------------------------
/** Clears events, effects and answers; keeps memory. */
void fq_decision_reset(fq_decision *decision);
/** Room for one more event, zeroed; NULL when out of memory. */
struct fq_event *fq_decision_add(fq_decision *decision, enum fq_event_type type, const fq_engine *engine,
                                 struct fq_now now);
/** Writes the reason and returns `error`. */
int fq_refuse(fq_decision *decision, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void fq_decision_effect_add(fq_decision *decision, struct fq_effect effect);
/** Frees what was reserved for single events (nodes); what tables need is kept for next time. */
void fq_decision_drop_nodes(fq_decision *decision);
/** Grows an array of the decision to `need` elements. 0 or FQ_ENOMEM. */
int fq_array_reserve(void **array, size_t *capacity, size_t need, size_t element_size);

// --- candidates.c: a heap of what may come next, in the decision's memory --------------------------------------------
int fq_candidate_add(fq_decision *decision, struct fq_candidate candidate);
/** The least by key, then tie; there must be one. */
struct fq_candidate fq_candidate_take(fq_decision *decision);

// --- reserve.c ------------------------------------------------------------------------------------------------------
/** Everything that apply will need for the decision's events. 0 or FQ_ENOMEM. */
FQ_MUST_USE int fq_reserve(const fq_engine *engine, fq_decision *decision);
/** Hands the engine the larger arrays that were reserved. */
void fq_reservation_adopt(fq_engine *engine, struct fq_reservation *reservation);
void fq_reservation_done(struct fq_reservation *reservation);

#endif
