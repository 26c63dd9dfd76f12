// SPDX-License-Identifier: Apache-2.0
// The runner's marks behind what its tasks print (output_lines.h). How much was printed so far is what the supervisor has
// read plus what lies in the pipe: no copy of anybody's output is made, and no task waits for a reader.
#include "worker/ring.h"
#include "worker/runner_state.h"
#include "worker/telemetry_runner.h"

#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOOKS_MOST = 200, LOOKS_QUICK = 20, LOOK_PAUSE_US = 50 };

static uint64_t pipe_at(int fd) {
    struct stat file;
    return fstat(fd, &file) == 0 && S_ISFIFO(file.st_mode) ? (uint64_t)file.st_ino : 0;
}

void fq_output_open(struct fq_runner_telemetry *telemetry) {
    for (int stream = 0; stream < FQ_OUTPUT_STREAMS; stream++)
        telemetry->pipes[stream] = pipe_at(STDOUT_FILENO + stream);
}

// The supervisor's read takes a microsecond, unless it loses the processor in the middle of it: then it is given a moment.
static void let_it_read(int look) {
    if (look < LOOKS_QUICK)
        (void)sched_yield();
    else
        (void)usleep(LOOK_PAUSE_US);
}

// False if the supervisor reads all the time, or the pipe is none.
static bool count_written(const struct fq_runner_telemetry *telemetry, int stream, uint64_t *ret_count) {
    const struct fq_board *board = &telemetry->runner->board;
    enum fq_board_word word = stream == 0 ? FQ_BOARD_OUT_READ : FQ_BOARD_ERR_READ;
    for (int look = 0; look < LOOKS_MOST; look++) {
        uint64_t before = fq_board_get(board, word);
        int waiting = 0;
        if ((before & 1) != 0) {
            let_it_read(look);
            continue;
        }
        if (ioctl(STDOUT_FILENO + stream, FIONREAD, &waiting) != 0)
            return false;
        __atomic_thread_fence(__ATOMIC_ACQ_REL);
        if (fq_board_get(board, word) == before) {
            *ret_count = (before >> 1) + (uint64_t)waiting;
            return true;
        }
    }
    return false;
}

static void write_mark(struct fq_runner_telemetry *telemetry, uint32_t index) {
    const fq_runner *runner = telemetry->runner;
    const struct fq_runner_slot *slot = &runner->slots[index];
    struct otel_span_context own = otel_span_context_of(telemetry->spans[index]);
    struct fq_output_mark mark;
    memset(&mark, 0, sizeof mark);
    memcpy(mark.until, telemetry->marked, sizeof mark.until);
    mark.owner.id = slot->id;
    mark.owner.name = slot->name;
    mark.owner.attempt = slot->task.attempt;
    memcpy(mark.owner.trace_id, own.trace_id, sizeof own.trace_id);
    memcpy(mark.owner.span_id, own.span_id, sizeof own.span_id);
    mark.owner.flags = own.flags;
    mark.owner.is_known = 1;
    (void)!fq_ring_write(&runner->board, FQ_RING_MARK, &mark, sizeof mark);
}

void fq_output_mark_task(struct fq_runner_telemetry *telemetry, uint32_t index) {
    bool any = false;
    for (int stream = 0; stream < FQ_OUTPUT_STREAMS && telemetry->logs; stream++) {
        uint64_t count;
        if (telemetry->pipes[stream] == 0 || !count_written(telemetry, stream, &count) ||
            count <= telemetry->marked[stream] || pipe_at(STDOUT_FILENO + stream) != telemetry->pipes[stream])
            continue;
        telemetry->marked[stream] = count;
        any = true;
    }
    if (any)
        write_mark(telemetry, index);
}

void fq_output_mark_on_cpu(struct fq_runner_telemetry *telemetry) {
    if (!telemetry->logs || fq_runner_is_forked(telemetry->runner))
        return;
    uint64_t word = fq_board_get(&telemetry->runner->board, FQ_BOARD_ON_CPU);
    if (word >= 1 && word <= FQ_BOARD_SLOTS)
        fq_output_mark_task(telemetry, (uint32_t)word - 1);
}
