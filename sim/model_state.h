// SPDX-License-Identifier: Apache-2.0
// Inside of the model: tasks as the events told so far make them, what was asked for, and what leads back to a prefix.
#ifndef FQ_SIM_MODEL_STATE_H
#define FQ_SIM_MODEL_STATE_H

#include "engine/view.h"
#include "sim/invariant.h"
#include "sim/model.h"

enum {
    MODEL_NAMES_MAX = 64, // sim_name's, then others as they appear; the last one stands for all further
    MODEL_HISTORY = 8,
    MODEL_PRIORITIES = FQ_PRIORITY_COUNT,
    MODEL_MASKS = 8,
    MODEL_HASHES = 1 << 16,
    BACKOFF_UNKNOWN = -1,
    MODEL_MARKS = 256,
    // states besides the engine's
    MODEL_NONE = FQ_TASK_STATE_COUNT, // asked for, or forgotten for good
    MODEL_GONE,                       // only its id is remembered
};

// What was asked for a task under its present token, and what was asked of the task at any time: bits.
enum {
    ASKED_COMPLETE = 1,
    ASKED_FAIL = 2,
    ASKED_NO_RETRY = 4,
    ASKED_CRASH = 8,
    ASKED_RELEASE = 16,
    ASKED_BEAT = 32,
    ASKED_RUNNING = 64,
    ASKED_RETRY = 128, // FAIL without NORETRY
    ASKED_CANCEL = 1,
    ASKED_REQUEUE = 2,
    ASKED_PURGE = 4,
};

struct intent { // one way in which a task was submitted
    struct intent *next;
    uint64_t payload_hash, payload_len, unique, body;
    int64_t delay_us, at_us, expires_us, timeout_ms, backoff_ms, ttl_ms;
    uint32_t retries;
    uint8_t name, priority;
};

struct moment { // one event of a task's past
    uint64_t number, seq, token;
    uint16_t attempt;
    uint8_t type, state;
    bool delivered, acknowledged, cancelling;
};

// What events change and a rollback restores.
struct task_body {
    uint8_t state, final_state, name, priority, crashes, losses;
    bool running, cancelling, by_wall;
    uint32_t attempt, retries;
    int32_t worker;
    uint64_t order, token, submit_seq;
    int64_t due_boot, due_wall, delay_us; // SCHEDULED; due_boot: also when a final one may be forgotten
    int64_t eligible_wall, returned_wall, granted_wall, completed_wall, running_boot;
    int64_t lease_until, expires_wall, timeout_ms, backoff_ms, ttl_ms;
    uint64_t unique, body, payload_hash, result_hash;
    uint32_t payload_len, result_len;
};

struct reports { // what workers asked for under `token`
    uint64_t token;
    uint64_t result_hash[3];
    uint32_t result_len[3];
    uint8_t flags, result_count;
};

struct model_task {
    fq_uuid id;
    struct model_task *previous, *next; // in the place of its state
    struct task_body body;
    struct intent *intents;
    struct reports reports;
    uint8_t asked;
    uint8_t past_next, past_kept; // ring
    bool past_lost;               // there were more
    struct moment past[MODEL_HISTORY];
};

struct place { // a list of tasks
    struct model_task *first, *last;
    uint64_t count;
};

struct undo {
    uint64_t seq, order, token, paused;
    struct model_task *task; // NULL: about no task
    struct task_body body;
    uint8_t type;
    bool all_paused, crash_counted;
};

struct beat_asked {
    struct model_task *task;
    uint64_t token;
};

struct asked {
    struct asked *previous, *next; // all that is under way
    struct asked *fetch_next, *fetch_previous;
    uint64_t number, moment, connection, token, body, unique;
    int64_t at_us, brisk_us; // true time; brisk as told last
    struct model_task *task;
    struct beat_asked *beats;
    uint64_t totals[FQ_EVENT_DURABLE_COUNT];
    uint32_t slot, serial, names, count, actor, boot, beat_count, beat_room;
    int32_t worker;
    uint8_t verb, name;
    bool live, must_fail, lacks_role, waits;
};

struct model_worker {
    char id[64];
    uint64_t registered;           // bits of names; 0 = not registered
    uint32_t masks[MODEL_MASKS];   // offered in REGISTER
    uint32_t fetched[MODEL_MASKS]; // fetches without an answer
    uint32_t mask_count, fetched_count;
    struct asked *fetches; // under way
    bool leaves_asked;
};

struct space_seen { // of the disk
    struct sim_space now;
    bool must_refuse;                    // submits
    bool is_behind;                      // records were not durable at the last turn
    int64_t low_us;                      // when they could last be refused; brisk
    int64_t trouble_us, waits_since_us;  // brisk time
    uint64_t durable_seq, recovered_seq; // at the last turn; at the last boot
    uint64_t large_seq;                  // the last record that the reserve need not hold
    struct {
        int64_t at_us; // brisk
        uint64_t seq;
    } marks[MODEL_MARKS]; // ring: what had been seen when
    uint32_t mark_first, mark_count;
    int64_t marked_us;
    uint64_t marked_seq, safe_seq; // no power cut may take it
};

struct sim_model {
    sim_world *world;
    const struct sim_options *options;
    fq_core *core; // of this life; NULL while down
    // tasks
    struct model_task **table;
    uint64_t table_size, task_count;
    struct place queues[MODEL_NAMES_MAX][MODEL_PRIORITIES];
    uint64_t waiting[MODEL_PRIORITIES]; // bits of names with tasks
    struct place scheduled, started, final, dead, gone;
    struct model_task **keys; // live tasks by unique key
    uint64_t key_size, key_count;
    uint64_t live_count;     // tasks that are scheduled, pending or started
    struct intent *nameless; // submits without an id
    char names[MODEL_NAMES_MAX][80];
    uint32_t name_count;
    // the order of things
    uint64_t moment, seq, order, token, paused, durable_seq;
    uint64_t pause_moment[MODEL_NAMES_MAX + 1];
    bool all_paused;
    uint64_t totals[FQ_EVENT_DURABLE_COUNT], crashed_total;
    uint64_t *hashes, *hash_seqs; // state hash by record, of the last MODEL_HASHES
    struct undo *undos;           // ring
    uint64_t undo_first, undo_next, undo_room;
    // what peers have seen
    uint64_t observed_seq;
    const char *observed_as;
    // requests
    struct asked **asked_slots;
    uint32_t asked_room, asked_used, asked_free_count;
    uint32_t *asked_free;
    struct asked *under_way, *under_way_last;
    uint64_t under_way_count, asked_serial;
    uint32_t *last_answered; // by connection
    uint64_t connection_room;
    // workers; 0 stands for fetches without one
    struct model_worker *workers;
    uint32_t worker_count, worker_room, worker_index_size;
    uint32_t *worker_index;
    int32_t leaving; // leases of this worker ended for no other reason; its leave must follow
    bool uncounted;  // and one of them was given back without being counted as lost
    bool requeue_all, purge_all;
    // life of the server
    int64_t turned_boot, held_until; // its boot clock at the last turn; leases go on until then after a stop
    uint32_t boot;
    bool power_cut, lossy, healed;
    bool may_fill; // the disk has an end, or what is prepared on it may fail
    int64_t awake_us, resumed_us, healed_us, crashed_us, blocked_us, turned_us;
    uint64_t turn_count, turn_events, whole_at;
    struct space_seen space;
    uint64_t checked[SIM_INVARIANT_COUNT];
    struct sim_model_stats stats;
};

// --- model.c ------------------------------------------------------------------------------------------------------------
/** Always false. */
bool model_fail(sim_model *model, enum sim_invariant invariant, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// Counts a check; false (after telling the world) if it does not hold.
#define CHECK(model, label, condition, ...)                                                                  \
    (++(model)->checked[SIM_##label], (condition) || model_fail((model), SIM_##label, __VA_ARGS__))
/** A peer has seen the effect of record `seq`. */
void model_observed(sim_model *model, uint64_t seq, const char *as);
/** For messages: one of a few static buffers. */
const char *model_id(const struct model_task *task);

// --- model_task.c: where tasks are ----------------------------------------------------------------------------------------
struct model_task *model_task_find(const sim_model *model, const fq_uuid *id);
/** Makes it, in state MODEL_NONE, if there is none. */
struct model_task *model_task_take(sim_model *model, const fq_uuid *id);
void model_task_place(sim_model *model, struct model_task *task);
void model_task_unplace(sim_model *model, struct model_task *task);
/** The next task of `names` by priority and order; NULL if none is eligible. */
struct model_task *model_task_best(const sim_model *model, uint64_t names, int64_t wall_us);
struct model_task *model_key_holder(const sim_model *model, uint64_t unique);
uint8_t model_name(sim_model *model, fq_str name);
void model_tasks_done(sim_model *model);
static inline bool model_is_live(const struct model_task *task) {
    return task->body.state <= FQ_TASK_STARTED;
}
static inline bool model_is_final(const struct model_task *task) {
    return task->body.state >= FQ_TASK_SUCCESS && task->body.state < MODEL_NONE;
}

// --- model_history.c: the past --------------------------------------------------------------------------------------------
/** Before an event changes the task (or NULL): keeps what it is. */
void model_remember(sim_model *model, struct model_task *task, enum fq_event_type type);
/** After: the event is part of the task's past. */
void model_past_add(sim_model *model, struct model_task *task, enum fq_event_type type, uint64_t token);
/** Forgets what leads back behind `seq`. */
void model_undo_trim(sim_model *model, uint64_t seq);
/** Back to the state behind record `seq`; false when that is too long ago. */
bool model_roll_back(sim_model *model, uint64_t seq);
/** The youngest event of one of the types (bits) under `token`; NULL if not known. *ret_lost: it may have been forgotten. */
struct moment *model_past_find(struct model_task *task, uint64_t types, uint64_t token, bool *ret_lost);
/** The oldest event of one of the types after `since`. */
struct moment *model_past_first(struct model_task *task, uint64_t types, uint64_t since);
/** Whether the task was in `state` at some moment since `since`; *ret_moment the event that led there, NULL if unknown. */
bool model_was(struct model_task *task, unsigned state, uint64_t since, const struct moment **ret_moment);
/** The highest attempt that it is remembered to have had. */
unsigned model_most_attempts(struct model_task *task);
static inline uint64_t model_bit(enum fq_event_type type) {
    return UINT64_C(1) << type;
}

// --- model_event.c, model_lease.c, model_end.c: events ----------------------------------------------------------------------
struct model_event { // one event and its surroundings
    const struct fq_event *event;
    enum fq_event_type type;
    const fq_engine *engine;
    const struct fq_task_view *after; // NULL: none
    struct model_task *task;
    struct fq_now now;
    int64_t at_us;
};
void model_on_event(void *context, const fq_engine *engine, const struct fq_event *event,
                    const struct fq_task_view *after);
void model_on_granted(sim_model *model, struct model_event *event);
void model_on_started(sim_model *model, struct model_event *event);
/** Before a turn is noted: whether the server was stopped since the one before, and holds leases for that. */
void model_notice_stop(sim_model *model, int64_t boot_us);
void model_on_extended(sim_model *model, struct model_event *event);
/** RETURNED, CRASHED, RETRIED. */
void model_on_back(sim_model *model, struct model_event *event);
/** COMPLETED, FAILED, CANCELLED, EXPIRED. */
void model_on_final(sim_model *model, struct model_event *event);
void model_on_gone(sim_model *model, struct model_event *event);
/** A lease ended: there must be a reason. `flags`: requests that are one. */
void model_lease_end(sim_model *model, struct model_event *event, unsigned flags);
int64_t model_lease_us(const sim_model *model);
/** A lease that ended without a known start is charged as a crash: whether the task has lost too many workers so. */
bool model_doubt_is_over(const sim_model *model, const struct model_event *event);

// --- model_worker.c -------------------------------------------------------------------------------------------------------
int32_t model_worker(sim_model *model, fq_str id);
void model_worker_asks(sim_model *model, const struct sim_exchange *exchange, int32_t worker);
void model_fetch_begins(sim_model *model, struct asked *asked);
void model_fetch_ends(sim_model *model, struct asked *asked, bool lost);
void model_on_registered(sim_model *model, struct model_event *event);
void model_on_worker_left(sim_model *model, struct model_event *event);
/** Whether some fetch of the worker lets it have the task now. Tells the world if not. */
void model_check_choice(sim_model *model, struct model_event *event, int32_t worker);
void model_workers_done(sim_model *model);

// --- check_*.c ------------------------------------------------------------------------------------------------------------
void check_answer(sim_model *model, struct asked *asked, const struct fq_resp_node *nodes);
void check_task_map(sim_model *model, const struct fq_resp_node *nodes, uint32_t at, uint64_t since,
                    const fq_uuid *expected);
void check_hand_out(sim_model *model, struct asked *asked, const struct fq_resp_node *nodes);
void check_report(sim_model *model, struct asked *asked, const struct fq_resp_node *nodes);
void check_beats(sim_model *model, struct asked *asked, const struct fq_resp_node *nodes);
void check_error(sim_model *model, const struct asked *asked, const struct fq_resp_node *node);
void check_stats(sim_model *model, struct asked *asked, const struct fq_resp_node *nodes);
void check_secrets(sim_model *model, const struct fq_resp_node *nodes);
/** Counters and counts of an engine. */
void check_counts(sim_model *model, const fq_engine *engine, struct fq_now now);
/** Every task of an engine. */
void check_tasks(sim_model *model, const fq_engine *engine);
void check_overdue(sim_model *model, struct fq_now now);
void check_liveness(sim_model *model, struct fq_now now);
/** Behind a turn, a crash and a boot; the last record that came back after a power cut in relaxed mode. */
void check_space(sim_model *model);
void check_space_crashed(sim_model *model);
void check_space_booted(sim_model *model);
void check_window(sim_model *model, uint64_t last_seq);
void check_submit_fits(sim_model *model, const struct model_task *task, uint64_t payload_len);
void check_full(sim_model *model, const struct asked *asked, fq_str text);

#endif
