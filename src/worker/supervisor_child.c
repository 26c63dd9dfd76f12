// SPDX-License-Identifier: Apache-2.0
// Lives of runners: started, warm, active, replaced, dead and started again.
#include "fastqueue/version.h"
#include "worker/stray.h"
#include "worker/supervisor_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    DEATHS_FORGIVEN = 3, // in a row, before a restart waits
    BACKOFF_FIRST_US = 50 * FQ_US_PER_MS,
    BACKOFF_MOST_US = 5 * FQ_US_PER_S,
};

const char *fq_child_kind_name(enum fq_runner_kind kind) {
    return kind == FQ_KIND_C ? "C" : "Python";
}

// --- starting --------------------------------------------------------------------------------------------------------

static char *text_or_empty(const char *text) {
    return (char *)(uintptr_t)(text != NULL ? text : "");
}

static int send_setup(const struct fq_supervisor *supervisor, int control_fd) {
    const struct fq_supervisor_options *options = supervisor->options;
    // The encoder only reads; the strings stay the options'.
    const struct fq_runner_setup setup = {
        .version = text_or_empty(FQ_VERSION),
        .address = text_or_empty(options->address),
        .user = text_or_empty(options->user),
        .token = text_or_empty(options->token),
        .tls_ca = text_or_empty(options->tls_ca),
        .tls_cert = text_or_empty(options->tls_cert),
        .tls_key = text_or_empty(options->tls_key),
        .worker_id = text_or_empty(options->worker_id),
        .instance = text_or_empty(supervisor->instance),
        .async_concurrency = options->async_concurrency,
        .max_tasks = options->max_tasks_per_child > INT64_MAX ? 0 : (int64_t)options->max_tasks_per_child,
        .allow_pickle = options->allow_pickle,
        .telemetry = supervisor->telemetry != NULL,
        .traces = fq_worker_telemetry_has_traces(supervisor->telemetry),
        .logs = fq_worker_telemetry_has_logs(supervisor->telemetry),
    };
    size_t len = 0;
    char *packet = fq_runner_setup_encode(&setup, &len);
    if (packet == NULL)
        return FQ_ENOMEM;
    int error = fq_control_send(control_fd, FQ_CONTROL_SETUP, packet, len);
    explicit_bzero(packet, len);
    free(packet);
    return error;
}

static int execute(struct fq_child *child, int their_fd, const struct fq_output_ends *output, char *errstr,
                   size_t errstr_size) {
    const struct fq_supervisor *supervisor = child->supervisor;
    enum fq_runner_kind kind = child->position->kind;
    size_t count = supervisor->module_count[kind], n = 0;
    const char **argv = calloc(count + 4, sizeof *argv);
    if (argv == NULL)
        return FQ_ENOMEM;
    if (kind == FQ_KIND_C) {
        argv[n++] = supervisor->options->program != NULL ? supervisor->options->program : "/proc/self/exe";
        argv[n++] = "runner";
    } else {
        argv[n++] = supervisor->python;
        argv[n++] = "-m";
        argv[n++] = "fastqueue.runner";
    }
    for (size_t i = 0; i < count; i++)
        argv[n++] = supervisor->modules[kind][i];
    struct fq_process_spec spec = {
        .argv = argv,
        .board_fd = child->board.fd,
        .control_fd = their_fd,
        .output_fds = {output->theirs[0], output->theirs[1]},
        .allow_core = supervisor->options->allow_core
    };
    int error = fq_process_start(&spec, &child->pid, errstr, errstr_size);
    free(argv);
    return error;
}

static void on_control(uv_poll_t *poll, int status, int events);
static void on_closed(uv_handle_t *handle);

// The socket, and the handle that watches our end of it: from then on on_closed gives the child back.
static int open_control(struct fq_child *child, int ends[2]) {
    int error = fq_control_pair(ends);
    if (error < 0)
        return error;
    child->control_fd = ends[0];
    if (uv_poll_init(&child->supervisor->loop, &child->control, ends[0]) == 0) {
        child->control.data = child;
        return 0;
    }
    close(ends[0]);
    close(ends[1]);
    return FQ_EIO;
}

// Board, socket, output, process: what fails takes everything with it, the child too.
static int bring_up(struct fq_child *child, char *errstr, size_t errstr_size) {
    int ends[2] = {-1, -1};
    struct fq_output_ends output = FQ_OUTPUT_ENDS_NONE;
    snprintf(errstr, errstr_size, "cannot make the memory board or the control socket of a runner");
    int error = fq_board_create(&child->board);
    if (error < 0)
        return error;
    error = open_control(child, ends);
    if (error == 0) {
        error = send_setup(child->supervisor, ends[0]);
        if (error == 0)
            error = fq_output_pipes(child->supervisor, &output);
        if (error == 0)
            error = fq_output_watch(child, &output);
        if (error == 0)
            error = execute(child, ends[1], &output, errstr, errstr_size);
        close(ends[1]);
        fq_output_close_ends(&output);
    }
    if (error == 0)
        return 0;
    fq_output_close(child);
    if (child->control.data != NULL) {
        uv_close((uv_handle_t *)&child->control, on_closed);
    } else {
        fq_board_close(&child->board);
        free(child);
    }
    return error;
}

static void start_failed(struct fq_position *position, struct fq_supervisor *supervisor, const char *reason) {
    fq_log_write(supervisor->log, FQ_LOG_ERROR, "%s", reason);
    if (supervisor->names[position->kind].names == NULL)
        fq_supervisor_stop(supervisor, 1);
    else
        position->start_at_us = fq_supervisor_now_us() + BACKOFF_MOST_US;
}

void fq_child_start(struct fq_position *position, bool as_successor) {
    struct fq_supervisor *supervisor = position->supervisor;
    char reason[512];
    struct fq_child *child = calloc(1, sizeof *child);
    position->start_at_us = FQ_NEVER_US;
    if (child == NULL) {
        start_failed(position, supervisor, "out of memory");
        return;
    }
    child->supervisor = supervisor;
    child->position = position;
    child->started_us = fq_supervisor_now_us();
    child->oom_kills = fq_process_oom_kills();
    if (bring_up(child, reason, sizeof reason) != 0) {
        start_failed(position, supervisor, reason);
        return;
    }
    uv_poll_start(&child->control, UV_READABLE, on_control);
    if (supervisor->telemetry != NULL)
        fq_feed_attach(supervisor->telemetry, &child->feed, &child->board);
    child->next = supervisor->children;
    supervisor->children = child;
    if (as_successor)
        position->successor = child;
    else
        position->active = child;
    fq_board_set(&child->board, FQ_BOARD_ASLEEP, supervisor->ticking ? 0 : 1);
}

// --- messages --------------------------------------------------------------------------------------------------------

// The names of a kind are those that its newest runner declared.
static void take_names(struct fq_supervisor *supervisor, struct fq_child *child) {
    enum fq_runner_kind kind = child->position->kind;
    struct fq_board_names *known = &supervisor->names[kind];
    bool same = known->names != NULL && known->count == child->names.count;
    for (size_t i = 0; same && i < known->count; i++)
        same = fq_str_equal(known->names[i], child->names.names[i]);
    if (same) {
        fq_board_names_done(&child->names);
        return;
    }
    fq_board_names_done(known);
    *known = child->names;
    child->names = (struct fq_board_names){NULL, 0, NULL};
    supervisor->names_changed = true;
}

static bool is_understood(struct fq_child *child, const char *version) {
    const struct fq_log *log = child->supervisor->log;
    if (strcmp(version, FQ_VERSION) != 0)
        fq_log_write(log, FQ_LOG_ERROR, "runner %d is version %.32s, this is %s", (int)child->pid, version,
                     FQ_VERSION);
    else if (fq_board_read_names(&child->board, &child->names) < 0)
        fq_log_write(log, FQ_LOG_ERROR, "runner %d declared task names that cannot be read", (int)child->pid);
    else
        return true;
    fq_watch_kill(child, FQ_KILL_NONE);
    return false;
}

static void on_ready(struct fq_child *child, const char *version) {
    struct fq_supervisor *supervisor = child->supervisor;
    if (child->state != FQ_CHILD_STARTING || !is_understood(child, version))
        return;
    child->state = FQ_CHILD_WARM;
    fq_log_write(supervisor->log, FQ_LOG_DEBUG, "runner %d (%s) is ready with %zu tasks", (int)child->pid,
                 fq_child_kind_name(child->position->kind), child->names.count);
    take_names(supervisor, child);
    struct fq_position *position = child->position;
    if (position->successor == child && position->active != NULL && position->active->should_leave)
        fq_child_hand_over(position);
    if (supervisor->draining)
        fq_child_leave(child);
    fq_child_go_all(supervisor);
    if (!supervisor->registered || supervisor->names_changed)
        fq_supervisor_register(supervisor);
}

static void on_failed(struct fq_child *child, const char *text) {
    child->failed_to_load = true;
    // The runner's own words, whole: a traceback does not fit a log line.
    fprintf(stderr, "%s\n", text);
    fflush(stderr);
}

static void on_control(uv_poll_t *poll, int status, int events) {
    (void)status;
    (void)events;
    struct fq_child *child = poll->data;
    char packet[FQ_CONTROL_MAX + 1], type = 0;
    size_t len = 0;
    int got;
    while ((got = fq_control_receive(child->control_fd, &type, packet, &len)) == 1) {
        if (type == FQ_CONTROL_READY)
            on_ready(child, packet);
        else if (type == FQ_CONTROL_FAILED)
            on_failed(child, packet);
        else if (type == FQ_CONTROL_WAKE)
            fq_watch_begin(child->supervisor);
    }
    if (got < 0)
        uv_poll_stop(poll);
}

void fq_child_nudge(const struct fq_child *child) {
    (void)fq_control_send(child->control_fd, FQ_CONTROL_NUDGE, NULL, 0);
}

// --- changes ---------------------------------------------------------------------------------------------------------

void fq_child_go_all(struct fq_supervisor *supervisor) {
    if (!supervisor->registered || supervisor->draining)
        return;
    bool is_mixed = supervisor->kind_count[FQ_KIND_C] > 0 && supervisor->kind_count[FQ_KIND_PYTHON] > 0;
    for (size_t i = 0; i < supervisor->position_count; i++) {
        struct fq_child *child = supervisor->positions[i].active;
        if (child == NULL || child->state != FQ_CHILD_WARM)
            continue;
        child->state = FQ_CHILD_ACTIVE;
        fq_board_add_orders(&child->board, FQ_ORDER_GO | (is_mixed ? FQ_ORDER_FILTER : 0u));
        fq_child_nudge(child);
    }
}

void fq_child_leave(struct fq_child *child) {
    if (child->state == FQ_CHILD_DEAD || child->state == FQ_CHILD_LEAVING)
        return;
    bool has_work = child->state == FQ_CHILD_ACTIVE;
    child->state = FQ_CHILD_LEAVING;
    fq_board_add_orders(&child->board, FQ_ORDER_LEAVE);
    if (!has_work) {
        fq_watch_kill(child, FQ_KILL_DRAIN);
        return;
    }
    fq_child_nudge(child);
    fq_watch_take_back(child, INT64_MAX);
    fq_watch_begin(child->supervisor);
}

void fq_child_hand_over(struct fq_position *position) {
    struct fq_child *old = position->active;
    position->active = position->successor;
    position->successor = NULL;
    if (old != NULL)
        fq_child_leave(old);
    fq_child_go_all(position->supervisor);
}

void fq_child_replace(struct fq_child *child) {
    struct fq_position *position = child->position;
    if (position->active != child || child->supervisor->draining)
        return;
    child->should_leave = true;
    if (position->successor == NULL)
        fq_child_start(position, true);
    else if (position->successor->state == FQ_CHILD_WARM)
        fq_child_hand_over(position);
}

void fq_child_check_tasks(struct fq_child *child) {
    uint64_t most = child->supervisor->options->max_tasks_per_child;
    struct fq_position *position = child->position;
    if (most == 0 || position->active != child || position->successor != NULL ||
        child->state != FQ_CHILD_ACTIVE || child->supervisor->draining)
        return;
    // The runner itself stops at the limit; its successor is started a tenth of the way before.
    if (fq_board_get(&child->board, FQ_BOARD_STARTED) + most / 10 + 1 >= most)
        fq_child_start(position, true);
}

// --- ends ------------------------------------------------------------------------------------------------------------

static void on_closed(uv_handle_t *handle) {
    struct fq_child *child = handle->data;
    close(child->control_fd);
    fq_board_names_done(&child->names);
    fq_supervisor_detach_feed(child);
    fq_board_close(&child->board);
    free(child);
}

static void unlink_child(struct fq_child *child) {
    struct fq_child **link = &child->supervisor->children;
    while (*link != child)
        link = &(*link)->next;
    *link = child->next;
}

static void schedule_restart(struct fq_position *position, bool is_orderly, bool has_worked) {
    position->deaths = is_orderly ? 0 : has_worked ? 1 : position->deaths + 1;
    int64_t delay_us = 0;
    if (position->deaths > DEATHS_FORGIVEN) {
        uint32_t doublings = position->deaths - DEATHS_FORGIVEN - 1;
        doublings = doublings < 7 ? doublings : 7;
        delay_us = (int64_t)BACKOFF_FIRST_US << doublings;
        if (delay_us > BACKOFF_MOST_US)
            delay_us = BACKOFF_MOST_US;
    }
    position->start_at_us = fq_supervisor_now_us() + delay_us;
}

// A runner that never became ready, the first of its kind: the command ends here, because it would only happen again.
static bool is_hopeless(const struct fq_child *child, const struct fq_process_end *end) {
    struct fq_supervisor *supervisor = child->supervisor;
    if (child->state != FQ_CHILD_STARTING || supervisor->names[child->position->kind].names != NULL ||
        supervisor->draining)
        return false;
    if (!child->failed_to_load) {
        char how[400];
        fq_process_describe(end, how, sizeof how);
        fq_log_write(supervisor->log, FQ_LOG_ERROR, "a %s runner ended while it loaded its task modules: %s",
                     fq_child_kind_name(child->position->kind), how);
        if (child->position->kind == FQ_KIND_PYTHON)
            fq_log_write(
                supervisor->log, FQ_LOG_ERROR,
                "if %s has no module 'fastqueue', install the Python package for it, or name another "
                "interpreter with --python",
                supervisor->python);
    }
    return true;
}

static void bury_child(struct fq_child *child, int status, const struct rusage *usage) {
    struct fq_supervisor *supervisor = child->supervisor;
    struct fq_position *position = child->position;
    int64_t oom_kills = fq_process_oom_kills();
    struct fq_process_end end = {.status = status,
                                 .usage = *usage,
                                 .killed_here = child->killed,
                                 .out_of_memory = oom_kills >= 0 && oom_kills > child->oom_kills};
    bool stops = is_hopeless(child, &end);
    bool is_orderly = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    bool has_worked = fq_board_get(&child->board, FQ_BOARD_FINISHED) > 0;
    if (child->state != FQ_CHILD_STARTING)
        fq_autopsy(child, &end);
    else
        fq_supervisor_finish_feed(child);
    fq_supervisor_detach_feed(child);
    if (!is_orderly && !child->killed && !child->failed_to_load) {
        char how[400];
        fq_process_describe(&end, how, sizeof how);
        fq_log_write(supervisor->log, FQ_LOG_WARNING, "runner %d %s", (int)child->pid, how);
    }
    child->state = FQ_CHILD_DEAD;
    fq_supervisor_forget_beats(supervisor, child);
    unlink_child(child);
    if (position->successor == child) {
        position->successor = NULL;
    } else if (position->active == child) {
        position->active = position->successor;
        position->successor = NULL;
        if (position->active == NULL)
            schedule_restart(position, is_orderly || child->killed, has_worked);
    }
    uv_close((uv_handle_t *)&child->control, on_closed);
    if (stops)
        fq_supervisor_stop(supervisor, 1);
    else
        fq_child_go_all(supervisor);
}

void fq_child_end(struct fq_child *child) {
    (void)waitpid(child->pid, NULL, 0);
    fq_stray_kill(child->pid);
    fq_supervisor_finish_feed(child);
    fq_supervisor_detach_feed(child);
    unlink_child(child);
    uv_close((uv_handle_t *)&child->control, on_closed);
}

static bool is_runner(const void *context, pid_t pid) {
    const struct fq_supervisor *supervisor = context;
    for (const struct fq_child *child = supervisor->children; child != NULL; child = child->next)
        if (child->pid == pid)
            return true;
    return false;
}

void fq_child_reap_all(struct fq_supervisor *supervisor) {
    struct fq_child *child = supervisor->children;
    while (child != NULL) {
        struct fq_child *next = child->next;
        int status;
        struct rusage usage;
        siginfo_t info = {.si_pid = 0};
        if (waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
            info.si_pid == child->pid) {
            // What its tasks left running in its process group goes with it, while the number is still its own.
            fq_process_kill_group(child->pid);
            (void)wait4(child->pid, &status, 0, &usage);
            fq_stray_kill(child->pid);
            // What it said before it died.
            on_control(&child->control, 0, UV_READABLE);
            bury_child(child, status, &usage);
        }
        child = next;
    }
    fq_stray_reap(is_runner, supervisor);
    fq_supervisor_plan(supervisor);
}
