// SPDX-License-Identifier: Apache-2.0
// What is inside a supervisor; shared by the supervisor_*.c files only. Everything happens on one libuv loop.
#ifndef FQ_WORKER_SUPERVISOR_STATE_H
#define FQ_WORKER_SUPERVISOR_STATE_H

#include "base/time.h"
#include "client/uv_driver.h"
#include "worker/board.h"
#include "worker/control.h"
#include "worker/outcome.h"
#include "worker/process.h"
#include "worker/supervisor.h"
#include "worker/telemetry_supervisor.h"

#include <uv.h>

enum fq_runner_kind { FQ_KIND_C, FQ_KIND_PYTHON, FQ_KIND_COUNT };

// Why we kill a runner. The task meant is in the slot that is DOOMED.
enum fq_kill_cause {
    FQ_KILL_NONE,
    FQ_KILL_TIME_LIMIT,
    FQ_KILL_CANCELLED,
    FQ_KILL_STALE, // somebody else holds the lease: nothing to report
    FQ_KILL_MEMORY,
    FQ_KILL_BLOCKED_LOOP,
    FQ_KILL_DRAIN,
};

enum fq_child_state {
    FQ_CHILD_STARTING, // loads its modules
    FQ_CHILD_WARM,     // ready, and waits for its turn
    FQ_CHILD_ACTIVE,   // fetches and runs
    FQ_CHILD_LEAVING,  // finishes what runs
    FQ_CHILD_DEAD,     // reaped; its handles are closing
};

// What the supervisor remembers of the task in a slot, beside the board's view.
struct fq_watch {
    uint32_t sequence;
    bool start_reported;
    enum fq_kill_cause cause; // a soft signal was sent for it …
    int64_t soft_us;          // … then
    uint64_t soft_turns;      // the runner's loop count at that moment
    struct fq_slot_view seen; // last sane look, for the day when the board is damaged; FREE = none
};

struct fq_position;

struct fq_child {
    struct fq_supervisor *supervisor;
    struct fq_position *position;
    struct fq_child *next; // all children, living and dead
    enum fq_child_state state;
    pid_t pid;
    struct fq_board board;
    int control_fd;
    uv_poll_t control;
    struct fq_board_names names;
    bool failed_to_load;
    int64_t started_us;
    int64_t oom_kills; // of our cgroup, when it started
    uint64_t resident; // last sample
    int64_t sampled_us;
    enum fq_kill_cause cause;
    bool killed;       // by us, for whatever reason
    bool buried;       // dead: what it left undone is ours
    bool should_leave; // its successor is on the way
    uint64_t garbage;
    struct fq_runner_feed feed;
    struct fq_output *output; // what it prints; NULL = goes to our own output by itself
    struct fq_span_ids ended; // of a dead one: spans that it ended itself
    struct fq_watch watches[FQ_BOARD_SLOTS];
};

// One of the --concurrency places that a runner fills.
struct fq_position {
    struct fq_supervisor *supervisor;
    enum fq_runner_kind kind;
    struct fq_child *active, *successor;
    uint32_t deaths;     // in a row, without a task finished between
    int64_t start_at_us; // earliest next start; FQ_NEVER_US = nothing to start
};

// A lease whose last holder may still be heard of: given back at `due_us`.
struct fq_leftover {
    fq_uuid id;
    uint64_t token;
    int64_t due_us;
};

// The leases of one FQ.HEARTBEAT, in the order of its verdicts.
struct fq_beat {
    struct fq_child *child; // NULL = gone meanwhile
    uint32_t slot, sequence;
};
struct fq_beat_batch {
    struct fq_beat_batch *next;
    uint64_t tag;
    size_t count;
    struct fq_beat beats[];
};

struct fq_supervisor {
    const struct fq_supervisor_options *options;
    const struct fq_log *log;
    uv_loop_t loop;
    uv_signal_t on_term, on_int, on_child;
    uv_work_t first_work;
    uv_timer_t tick, register_timer, beat_timer, plan_timer, feed_timer;
    fq_uv_driver *driver; // NULL only while setting up and tearing down
    bool said_lost;

    char instance[37];
    struct fq_position *positions;
    size_t position_count;
    size_t kind_count[FQ_KIND_COUNT]; // positions of each kind
    const char **modules[FQ_KIND_COUNT];
    size_t module_count[FQ_KIND_COUNT];
    struct fq_child *children;
    char *python;                          // interpreter found
    struct fq_worker_telemetry *telemetry; // NULL = off

    // registration: the names of each kind as its newest runner declared them
    struct fq_board_names names[FQ_KIND_COUNT]; // .names NULL = not known yet
    bool registered, registering, ever_registered;
    bool names_changed; // since they were last sent
    int64_t first_refused_us;
    int64_t heartbeat_us;

    uint64_t requests; // numbers the tags
    uint32_t pending;  // reports and releases without an answer
    struct fq_beat_batch *beats;
    struct fq_leftover *leftovers;
    size_t leftover_count, leftover_capacity;

    bool ticking;
    bool draining, unregistering;
    int64_t drain_until_us, exit_by_us;
    int exit_code;
    bool stopping;
};

enum fq_supervisor_tag { FQ_TAG_REGISTER = 1, FQ_TAG_BEAT, FQ_TAG_ANSWERED, FQ_TAG_UNREGISTER };

// supervisor.c
struct fq_now fq_supervisor_now(void);
static inline int64_t fq_supervisor_now_us(void) {
    return fq_supervisor_now().boot_us;
}
/** Ends the loop with `exit_code` and kills what is left. */
void fq_supervisor_stop(struct fq_supervisor *supervisor, int exit_code);
/** Starts what is due, gives back leftovers, ends a drain; sets the timer for the next time. */
void fq_supervisor_plan(struct fq_supervisor *supervisor);

// supervisor_child.c
void fq_child_start(struct fq_position *position, bool as_successor);
/** Its successor is started; when that is ready, this one finishes what runs and leaves. */
void fq_child_replace(struct fq_child *child);
/** Starts the successor in time when --max-tasks-per-child is near. */
void fq_child_check_tasks(struct fq_child *child);
/** A warm successor takes the position over. */
void fq_child_hand_over(struct fq_position *position);
/** Waits for a killed runner and forgets it: at the end of the supervisor. */
void fq_child_end(struct fq_child *child);
/** No more fetching; ends when the running tasks are done. */
void fq_child_leave(struct fq_child *child);
void fq_child_nudge(const struct fq_child *child);
void fq_child_reap_all(struct fq_supervisor *supervisor);
/** Lets the ready runners of registered names fetch. */
void fq_child_go_all(struct fq_supervisor *supervisor);
const char *fq_child_kind_name(enum fq_runner_kind kind);

// supervisor_watch.c
void fq_watch_begin(struct fq_supervisor *supervisor);
/** Looks at every board: starts, limits, what waits behind long tasks, memory. */
void fq_watch_tick(struct fq_supervisor *supervisor);
/** Takes back what came before `received_before_us` and is not started. */
void fq_watch_take_back(struct fq_child *child, int64_t received_before_us);
/** Kills the runner because of this task; false if it is not that task any more. */
bool fq_watch_doom(struct fq_child *child, uint32_t slot, const struct fq_slot_view *view,
                   enum fq_kill_cause cause);
/** Kills a runner whatever it does; what runs goes back uncharged. */
void fq_watch_kill(struct fq_child *child, enum fq_kill_cause cause);
/** The control plane wants an end of this task. */
void fq_watch_stop_task(struct fq_child *child, uint32_t slot, const struct fq_slot_view *view,
                        enum fq_kill_cause cause);
struct fq_watch *fq_watch_of(struct fq_child *child, uint32_t slot, uint32_t sequence);
/** Reports a finished task whose outcome lies in the outbox. */
void fq_watch_take_outcome(struct fq_child *child, uint32_t slot, const struct fq_slot_view *view);

// supervisor_telemetry.c
/** Reads what the runners recorded. True if there was anything. */
bool fq_supervisor_read_feeds(struct fq_supervisor *supervisor);
/** Reads the last of a dead runner. */
void fq_supervisor_finish_feed(struct fq_child *child);
/** Its measurements are kept, its board may go. */
void fq_supervisor_detach_feed(struct fq_child *child);
/** Ends the attempt's span unless the dead runner did; `report` NULL = not known what came of it. Fills in the report's
 *  traceparent (into `text`). */
void fq_supervisor_end_span(struct fq_child *child, uint32_t slot, const struct fq_slot_view *view,
                            const char *state, struct fq_report *report, char text[OTEL_TRACEPARENT_TEXT]);

/** Declared name `index` of the child's kind, "" if unknown. Borrowed. */
fq_str fq_supervisor_name(const struct fq_child *child, uint32_t index);

// supervisor_output.c
struct fq_output_ends {
    int ours[FQ_OUTPUT_STREAMS], theirs[FQ_OUTPUT_STREAMS]; // -1 = none
};
static const struct fq_output_ends FQ_OUTPUT_ENDS_NONE = {
    {-1, -1},
    {-1, -1}
};
/** Pipes for a runner's output if it is to be read here, else none. 0 or FQ_EIO. */
FQ_MUST_USE int fq_output_pipes(const struct fq_supervisor *supervisor, struct fq_output_ends *ret_ends);
void fq_output_close_theirs(struct fq_output_ends *ends);
void fq_output_close_ends(struct fq_output_ends *ends);
/** Takes over our ends, also on failure: FQ_ENOMEM (then they are still in `ends`), FQ_EIO. */
FQ_MUST_USE int fq_output_watch(struct fq_child *child, struct fq_output_ends *ends);
/** The runner is dead: reads what is left. */
void fq_output_finish(struct fq_child *child);
void fq_output_close(struct fq_child *child);

// supervisor_autopsy.c
/** Answers for every task that a dead runner held. */
void fq_autopsy(struct fq_child *child, const struct fq_process_end *end);

// supervisor_link.c
FQ_MUST_USE int fq_supervisor_connect(struct fq_supervisor *supervisor);
fq_session *fq_supervisor_session(struct fq_supervisor *supervisor);
/** Registers if there is a connection and every kind has told its names. */
void fq_supervisor_register(struct fq_supervisor *supervisor);
void fq_supervisor_unregister(struct fq_supervisor *supervisor);
void fq_supervisor_report(struct fq_supervisor *supervisor, const struct fq_board_task *task,
                          const struct fq_report *report);
void fq_supervisor_release(struct fq_supervisor *supervisor, const fq_uuid *id, uint64_t token);

// supervisor_beat.c
/** Heartbeats for everything that is held, now and in the interval that the control plane asked for. */
void fq_supervisor_start_beats(struct fq_supervisor *supervisor);
/** Heartbeats for everything that is held. */
void fq_supervisor_beat_all(struct fq_supervisor *supervisor);
/** Tells the control plane that these tasks run. `count` at most FQ_BEATS_MAX. */
void fq_supervisor_beat(struct fq_supervisor *supervisor, const struct fq_beat *beats, size_t count);
/** Verdicts. */
void fq_supervisor_on_beat(struct fq_supervisor *supervisor, const struct fq_session_event *event);
/** A child's memory goes away. */
void fq_supervisor_forget_beats(struct fq_supervisor *supervisor, const struct fq_child *child);
/** Pushed: cancel the task `id`. */
void fq_supervisor_on_cancel(struct fq_supervisor *supervisor, const char *id);
enum { FQ_BEATS_MAX = 500 };

#endif
