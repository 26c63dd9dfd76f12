// SPDX-License-Identifier: Apache-2.0
// A runner: the process that runs user code. It is exec'ed by the supervisor, inherits a shared memory board (memfd) and
// a socket that carries its work-only credential, holds its own connection to the control plane, fetches in batches that
// adapt to how long tasks take, and runs one task after another. The supervisor reads the board: it heartbeats, enforces
// time limits, takes back what waits behind a long task and reports a runner that died.
//
// This is the part that C and Python runners share: everything but calling the task. Not thread safe; no thread is
// started; after fork() the child must only call fq_runner_forked().
//
//   fq_runner_open -> fq_runner_declare (names) -> loop { fq_runner_next -> fq_runner_begin -> run -> fq_runner_finish }
//
// HOW A RUNNER IS STARTED. The supervisor executes, in a session and process group of its own:
//     C modules:       <this binary> runner ./tasks.so …
//     Python modules:  <python> -m fastqueue.runner package.module …
// One process gets all modules of its kind, in the order given on the command line. The environment holds
//     FASTQUEUE_RUNNER_FDS=board,control,parent   two inherited descriptors (3 and 4) and the supervisor's process id
// and, apart from FASTQUEUE_TOKEN and FASTQUEUE_USER, which are removed, what the supervisor's environment held.
// fq_runner_open reads the variable, removes it, and receives the setup (address, credential, options) over the control
// socket. Standard input is /dev/null; standard output and error are the supervisor's. SIGPIPE and all others have their
// default action and nothing is blocked.
//
// A synchronous runner:
//     open; load the modules; on failure: declare_failed(text), close, exit(1)
//     declare(names); install a handler for FQ_RUNNER_SIGNAL
//     while not should_exit:
//         wait(want = 1, wait_ms = -1)
//         while next(&task) == 1:
//             if begin(task.slot) == 1: run it; finish(task.slot, outcome)
//             poll(want = 1)
//     close
// An event loop watches fq_runner_fd for reading, calls poll(want = coroutines that may still start) when it is readable
// and when tasks have finished, looks at fq_runner_wish of what runs after each poll, and calls fq_runner_on_cpu when a
// coroutine is resumed (its slot) and suspended (FQ_RUNNER_NO_SLOT).
// FQ_RUNNER_SIGNAL arrives when the supervisor has left a wish: the handler asks fq_runner_wish of the running slot and
// raises what fits; FQ_WISH_NONE means that the task meant has ended meanwhile.
#ifndef FQ_WORKER_RUNNER_H
#define FQ_WORKER_RUNNER_H

#include "base/str.h"
#include "fastqueue/error.h"
#include "otel/sdk.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct fq_runner fq_runner;

// Ignored by default, so that a process that has not installed its handler is not killed by it.
#define FQ_RUNNER_SIGNAL  SIGURG
#define FQ_RUNNER_NO_SLOT UINT32_MAX

struct fq_runner_task {
    uint32_t slot;       // of the board; names the task in every call below
    uint32_t name_index; // into the names that were declared
    char id[37];
    uint64_t token;
    uint32_t attempt;
    // Until fq_runner_finish of the slot, each with a NUL behind it.
    fq_str name, payload, encoding, traceparent, tracestate, baggage, priority;
    fq_str previous_traceparent;       // of the attempt before this one; empty = none or unknown
    int64_t timeout_ms;                // 0 = none
    int64_t submitted_ms, eligible_ms; // unix, by the control plane's clock; 0 = unknown
    int64_t previous_ended_ms;         // likewise, of the attempt before; 0 = none or unknown
    int64_t wait_us;                   // from eligible to granted
};

/** Opens what the supervisor handed down in the environment (FASTQUEUE_RUNNER_FDS). 0 or an error with fq_runner_error. */
FQ_MUST_USE int fq_runner_open(fq_runner **ret_runner, char *errstr, size_t errstr_size);
/** Sends what is finished, gives back what is not started. NULL is fine. Returns NULL. */
fq_runner *fq_runner_close(fq_runner *runner);

/** What the supervisor was told. Strings live as long as the runner. */
struct fq_runner_config {
    const char *worker_id;
    uint32_t async_concurrency; // coroutines at once
    bool allow_pickle;
    bool should_share; // runners of another kind serve the same worker
    bool logs;         // telemetry is on and log records are exported
};
struct fq_runner_config fq_runner_config(const fq_runner *runner);

/** The names this process can run; they are registered and reported to the supervisor. */
FQ_MUST_USE int fq_runner_declare(fq_runner *runner, const fq_str *names, size_t count);
// What a task's definition declares; it counts where the submit named nothing. 0 = nothing declared.
enum { FQ_DECLARED_RETRIES_MAX = UINT16_MAX, FQ_DECLARED_BACKOFF_MAX_MS = INT32_MAX };
struct fq_runner_defaults {
    uint32_t retries;
    int64_t backoff_ms;
    int64_t timeout_ms;
};
/** For name `index` of those declared. Values above the bounds are cut to them. */
void fq_runner_set_defaults(fq_runner *runner, uint32_t index, const struct fq_runner_defaults *defaults);
/** Loading failed: the supervisor prints `message` and the command ends with it. */
void fq_runner_declare_failed(fq_runner *runner, const char *message);

/** File descriptor to poll for reading, for event loops. */
int fq_runner_fd(const fq_runner *runner);
/** Reads and writes what is possible without blocking and fetches more while `want` tasks are free to run. */
FQ_MUST_USE int fq_runner_poll(fq_runner *runner, uint32_t want);
/** As poll, but waits up to `wait_ms` (-1: no limit) for a task, a signal or a drain. */
FQ_MUST_USE int fq_runner_wait(fq_runner *runner, uint32_t want, int64_t wait_ms);
/** 1 with the next task that nobody took back, in the order received; 0 if none waits. */
FQ_MUST_USE int fq_runner_next(fq_runner *runner, struct fq_runner_task *ret_task);
/** Claims the task's slot: 1 it is ours and counts as started; 0 it was taken back meanwhile. Finished results that
 *  wait for company are sent first unless tasks of this name are known to be short. */
FQ_MUST_USE int fq_runner_begin(fq_runner *runner, uint32_t slot);
/** Ends a fetch that is out and waits at most `wait_ms` for its answer. An event loop calls it before it runs something
 *  that blocks it, so that no task lies unread in the socket meanwhile. */
void fq_runner_settle(fq_runner *runner, int64_t wait_ms);
/** Says whose code is on the processor, for runners that interleave tasks: begin and finish say it by themselves. Cheap. */
void fq_runner_on_cpu(fq_runner *runner, uint32_t slot);
/** What the supervisor wants of a running task: it was cancelled, or its soft limit has passed. */
enum fq_runner_wish { FQ_WISH_NONE, FQ_WISH_CANCEL, FQ_WISH_TIMEOUT };
enum fq_runner_wish fq_runner_wish(const fq_runner *runner, uint32_t slot);

struct fq_runner_outcome {
    bool ok;
    fq_str result, encoding;           // ok
    fq_str error_type, message, stack; // not ok
    bool no_retry;
    fq_str traceparent; // of the execute span; empty = none
    // Filled in by fq_runner_finish from what the name declares.
    uint32_t declared_retries;
    int64_t declared_backoff_ms;
};
/** Reports the outcome; buffered and sent in company. Never fails: without memory the lease runs out instead. */
void fq_runner_finish(fq_runner *runner, uint32_t slot, const struct fq_runner_outcome *outcome);
/** Writes everything that is buffered, waiting at most `wait_ms`. */
void fq_runner_flush(fq_runner *runner, int64_t wait_ms);

/** True when the runner is to end once its tasks are done: drain, recycling limits reached, supervisor gone. */
bool fq_runner_should_exit(const fq_runner *runner);
/** True in a child that user code forked, also if nobody said so: it is not to report, fetch or go on as a runner. */
bool fq_runner_is_forked(const fq_runner *runner);
/** In a child that user code forked: forget board and connection without touching them. */
void fq_runner_forked(fq_runner *runner);
/** The last trouble with the connection as a sentence, "" if there was none. */
const char *fq_runner_error(const fq_runner *runner);

/** The SDK of this process when telemetry is on, else NULL: what it records leaves through the board, and the supervisor
 *  exports it. It is also otel_sdk_global(). Borrowed; ends with the runner. */
otel_sdk *fq_runner_sdk(const fq_runner *runner);
/** The span `worker.execute_task` of a task that has begun and not finished; NULL when telemetry is off. Borrowed: whoever
 *  keeps it longer retains it. The caller makes it current while the task's code runs. */
otel_span *fq_runner_span(const fq_runner *runner, uint32_t slot);

/** The board, whose ring (ring.h) takes records for the supervisor from any thread of this process. */
struct fq_board;
const struct fq_board *fq_runner_board(const fq_runner *runner);

#endif
