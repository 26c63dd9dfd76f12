// SPDX-License-Identifier: Apache-2.0
// A runner between a control plane of a few lines, which a thread plays, and a supervisor, which the test plays.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fastqueue/version.h"
#include "resp/reader.h"
#include "resp/writer.h"
#include "worker/board.h"
#include "worker/control.h"
#include "worker/outcome.h"
#include "worker/runner.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { REQUESTS_MAX = 20000, TASKS_MAX = 20000 };

// The thread writes to it under the lock; the test reads what it counted once no answer is due any more.
struct control_plane {
    pthread_t thread;
    pthread_mutex_t lock;
    char folder[64], path[96];
    int listener, wake[2];
    fq_buf in, out;
    fq_resp_request_reader *reader;
    bool parked;
    uint32_t parked_count;

    // what the test sets
    uint32_t tasks; // to be granted, numbered from 1 in the order granted
    bool refuses_results, drops_next, stops;
    // what the test reads
    uint32_t granted, connections;
    uint32_t completed[TASKS_MAX], failed[TASKS_MAX], released[TASKS_MAX]; // by task number
    uint32_t completed_total, failed_total, released_total;
    char last_failure[200];
    uint32_t counts[REQUESTS_MAX]; // COUNT of each fetch
    uint32_t fetches;
};

static void write_task(struct fq_resp_writer *writer, uint32_t number) {
    char id[37], token[16];
    snprintf(id, sizeof id, "00000000-0000-7000-8000-%012u", number);
    snprintf(token, sizeof token, "%u", number);
    fq_resp_write_map(writer, 7);
    const char *pairs[][2] = {
        {"id",            id                              },
        {"token",         token                           },
        {"name",          number % 2 == 0 ? "even" : "odd"},
        {"payload",       "{\"args\":[]}"                 },
        {"encoding",      "json"                          },
        {"traceparent",   "00-11-22-01"                   },
        {"something_new", "to be skipped"                 }
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        fq_resp_write_text(writer, pairs[i][0]);
        fq_resp_write_text(writer, pairs[i][1]);
    }
}

static void answer_fetch(struct control_plane *plane, struct fq_resp_writer *writer, uint32_t count) {
    uint32_t given = plane->tasks - plane->granted;
    given = given < count ? given : count;
    fq_resp_write_array(writer, given);
    for (uint32_t i = 0; i < given; i++)
        write_task(writer, ++plane->granted);
    plane->parked = false;
}

static uint32_t number_of(fq_str token) {
    uint64_t number = 0;
    assert_int_equal(fq_str_to_uint64(token, &number), 0);
    assert_true(number < TASKS_MAX);
    return (uint32_t)number;
}

static uint64_t option(const struct fq_resp_request *request, const char *word) {
    uint64_t value = 0;
    for (size_t i = 1; i + 1 < request->arg_count; i++)
        if (fq_str_equal(request->args[i], fq_str_of(word)))
            (void)fq_str_to_uint64(request->args[i + 1], &value);
    return value;
}

static void on_fetch(struct control_plane *plane, struct fq_resp_writer *writer,
                     const struct fq_resp_request *request) {
    uint32_t count = (uint32_t)option(request, "COUNT");
    plane->counts[plane->fetches++ % REQUESTS_MAX] = count;
    plane->parked_count = count;
    plane->parked = plane->granted == plane->tasks && option(request, "BLOCK") > 0;
    if (!plane->parked)
        answer_fetch(plane, writer, count);
}

static void on_report(struct control_plane *plane, struct fq_resp_writer *writer,
                      const struct fq_resp_request *request) {
    uint32_t number = number_of(request->args[2]);
    if (fq_str_equal(request->args[0], FQ_STR("FQ.COMPLETE"))) {
        if (plane->refuses_results) {
            fq_resp_write_error(writer, "TOOBIG", "the result is larger than its limit");
            return;
        }
        plane->completed[number]++;
        plane->completed_total++;
    } else if (fq_str_equal(request->args[0], FQ_STR("FQ.FAIL"))) {
        plane->failed[number]++;
        plane->failed_total++;
        snprintf(plane->last_failure, sizeof plane->last_failure, "%.*s: %.*s", FQ_STR_ARGS(request->args[3]),
                 FQ_STR_ARGS(request->args[4]));
    } else {
        plane->released[number]++;
        plane->released_total++;
    }
    fq_resp_write_status(writer, "OK");
}

static void on_request(struct control_plane *plane, const struct fq_resp_request *request) {
    struct fq_resp_writer writer = {.out = &plane->out, .protocol = 3};
    fq_str name = request->args[0];
    if (plane->parked) // what comes behind a waiting fetch ends it
        answer_fetch(plane, &writer, 0);
    if (fq_str_equal(name, FQ_STR("HELLO"))) {
        fq_resp_write_map(&writer, 1);
        fq_resp_write_text(&writer, "proto");
        fq_resp_write_integer(&writer, 3);
    } else if (fq_str_equal(name, FQ_STR("FQ.FETCH"))) {
        on_fetch(plane, &writer, request);
    } else if (fq_str_equal(name, FQ_STR("FQ.COMPLETE")) || fq_str_equal(name, FQ_STR("FQ.FAIL")) ||
               fq_str_equal(name, FQ_STR("FQ.RELEASE"))) {
        on_report(plane, &writer, request);
    } else {
        fq_resp_write_status(&writer, "OK");
    }
}

// Handles what has been read; false when the connection is to be dropped.
static bool take_requests(struct control_plane *plane, int fd) {
    const struct fq_resp_limits limits = {64, 1 << 24, 1 << 24, 8};
    struct fq_resp_request request;
    size_t consumed;
    pthread_mutex_lock(&plane->lock);
    bool drops = false;
    while (!drops && fq_resp_request_next(plane->reader, &plane->in, &limits, &request, &consumed) == 1) {
        drops = plane->drops_next && fq_str_equal(request.args[0], FQ_STR("FQ.COMPLETE"));
        if (!drops)
            on_request(plane, &request);
        fq_buf_consume(&plane->in, consumed);
    }
    plane->drops_next = plane->drops_next && !drops;
    fq_str out = fq_buf_str(&plane->out);
    while (out.len > 0 && !drops) {
        ssize_t sent = send(fd, out.ptr, out.len, MSG_NOSIGNAL);
        if (sent < 0)
            break;
        out.ptr += sent;
        out.len -= (size_t)sent;
    }
    fq_buf_clear(&plane->out);
    pthread_mutex_unlock(&plane->lock);
    return !drops;
}

static void serve(struct control_plane *plane, int fd) {
    for (;;) {
        struct pollfd wait[2] = {
            {.fd = fd,             .events = POLLIN},
            {.fd = plane->wake[0], .events = POLLIN}
        };
        poll(wait, 2, -1);
        char bytes[65536];
        if (wait[1].revents != 0 && read(plane->wake[0], bytes, sizeof bytes) > 0) {
            pthread_mutex_lock(&plane->lock);
            struct fq_resp_writer writer = {.out = &plane->out, .protocol = 3};
            if (plane->parked && plane->tasks > plane->granted)
                answer_fetch(plane, &writer, plane->parked_count);
            bool stops = plane->stops;
            pthread_mutex_unlock(&plane->lock);
            if (stops)
                return;
        }
        if (wait[0].revents != 0) {
            ssize_t got = recv(fd, bytes, sizeof bytes, 0);
            if (got <= 0 || fq_buf_append(&plane->in, bytes, (size_t)got) < 0)
                return;
        }
        if (!take_requests(plane, fd))
            return;
    }
}

static void *play_control_plane(void *context) {
    struct control_plane *plane = context;
    for (;;) {
        pthread_mutex_lock(&plane->lock);
        bool stops = plane->stops;
        pthread_mutex_unlock(&plane->lock);
        if (stops)
            return NULL;
        struct pollfd wait[2] = {
            {.fd = plane->listener, .events = POLLIN},
            {.fd = plane->wake[0],  .events = POLLIN}
        };
        poll(wait, 2, -1);
        char byte[16];
        if (wait[1].revents != 0)
            (void)!read(plane->wake[0], byte, sizeof byte);
        if (wait[0].revents == 0)
            continue;
        int fd = accept4(plane->listener, NULL, NULL, SOCK_CLOEXEC);
        fq_buf_clear(&plane->in);
        plane->reader = fq_resp_request_reader_new();
        pthread_mutex_lock(&plane->lock);
        plane->connections++;
        plane->parked = false;
        pthread_mutex_unlock(&plane->lock);
        serve(plane, fd);
        plane->reader = fq_resp_request_reader_free(plane->reader);
        close(fd);
    }
}

struct fixture {
    struct control_plane plane;
    struct fq_board board; // as the supervisor has it
    int control;
    fq_runner *runner;
};

static void wake(struct control_plane *plane) {
    assert_int_equal(write(plane->wake[1], "w", 1), 1);
}
static void offer(struct fixture *fixture, uint32_t count) {
    pthread_mutex_lock(&fixture->plane.lock);
    fixture->plane.tasks += count;
    pthread_mutex_unlock(&fixture->plane.lock);
    wake(&fixture->plane);
}
// Reads a number of the thread's.
static uint32_t seen(struct fixture *fixture, const uint32_t *number) {
    pthread_mutex_lock(&fixture->plane.lock);
    uint32_t value = *number;
    pthread_mutex_unlock(&fixture->plane.lock);
    return value;
}

static void start_control_plane(struct control_plane *plane) {
    pthread_mutex_init(&plane->lock, NULL);
    snprintf(plane->folder, sizeof plane->folder, "/tmp/fq-runner-XXXXXX");
    assert_non_null(mkdtemp(plane->folder));
    snprintf(plane->path, sizeof plane->path, "%s/socket", plane->folder);
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    memcpy(name.sun_path, plane->path, strlen(plane->path) + 1);
    plane->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(plane->listener, (struct sockaddr *)&name, sizeof name), 0);
    assert_int_equal(listen(plane->listener, 8), 0);
    assert_int_equal(pipe2(plane->wake, O_CLOEXEC), 0);
    assert_int_equal(pthread_create(&plane->thread, NULL, play_control_plane, plane), 0);
}

static void open_runner(struct fixture *fixture, int64_t max_tasks) {
    char address[128], descriptors[64], error[512] = "";
    snprintf(address, sizeof address, "unix://%s", fixture->plane.path);
    char version[] = FQ_VERSION, none[] = "", worker[] = "w";
    struct fq_runner_setup setup = {.version = version,
                                    .address = address,
                                    .user = none,
                                    .token = none,
                                    .tls_ca = none,
                                    .tls_cert = none,
                                    .tls_key = none,
                                    .worker_id = worker,
                                    .instance = none,
                                    .async_concurrency = 10,
                                    .max_tasks = max_tasks};
    int ends[2];
    size_t len;
    assert_int_equal(fq_board_create(&fixture->board), 0);
    assert_int_equal(fq_control_pair(ends), 0);
    char *packet = fq_runner_setup_encode(&setup, &len);
    assert_int_equal(fq_control_send(ends[0], FQ_CONTROL_SETUP, packet, len), 0);
    free(packet);
    fixture->control = ends[0];
    snprintf(descriptors, sizeof descriptors, "%d,%d,%d", fcntl(fixture->board.fd, F_DUPFD_CLOEXEC, 3),
             ends[1], (int)getppid());
    setenv("FASTQUEUE_RUNNER_FDS", descriptors, 1);
    if (fq_runner_open(&fixture->runner, error, sizeof error) < 0)
        fail_msg("%s", error);
    fq_str names[] = {FQ_STR("even"), FQ_STR("odd")};
    assert_int_equal(fq_runner_declare(fixture->runner, names, 2), 0);
    fq_board_add_orders(&fixture->board, FQ_ORDER_GO);
}

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    *state = fixture;
    start_control_plane(&fixture->plane);
    open_runner(fixture, 0);
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    fq_runner_close(fixture->runner);
    struct control_plane *plane = &fixture->plane;
    pthread_mutex_lock(&plane->lock);
    plane->stops = true;
    pthread_mutex_unlock(&plane->lock);
    wake(plane);
    pthread_join(plane->thread, NULL);
    close(plane->listener);
    close(plane->wake[0]);
    close(plane->wake[1]);
    unlink(plane->path);
    rmdir(plane->folder);
    fq_buf_done(&plane->in);
    fq_buf_done(&plane->out);
    close(fixture->control);
    fq_board_close(&fixture->board);
    free(fixture);
    return 0;
}

static void finish_ok(struct fixture *fixture, uint32_t slot) {
    struct fq_runner_outcome outcome = {.ok = true, .result = FQ_STR("1"), .encoding = FQ_STR("json")};
    fq_runner_finish(fixture->runner, slot, &outcome);
}

static struct fq_runner_task next_task(struct fixture *fixture) {
    struct fq_runner_task task;
    for (int i = 0; i < 300; i++) {
        assert_int_equal(fq_runner_wait(fixture->runner, 1, 100), 0);
        if (fq_runner_next(fixture->runner, &task) == 1)
            return task;
    }
    fail_msg("no task came: %s", fq_runner_error(fixture->runner));
    return task;
}

// Runs `count` tasks that take `ms` each.
static void run_tasks(struct fixture *fixture, uint32_t count, int ms) {
    for (uint32_t i = 0; i < count; i++) {
        struct fq_runner_task task = next_task(fixture);
        assert_int_equal(fq_runner_begin(fixture->runner, task.slot), 1);
        if (ms > 0)
            nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL);
        finish_ok(fixture, task.slot);
        assert_int_equal(fq_runner_poll(fixture->runner, 1), 0);
    }
}

static void every_task_is_run_and_reported_once(void **state) {
    struct fixture *fixture = *state;
    const uint32_t count = 5000;
    offer(fixture, count);
    run_tasks(fixture, count, 0);
    fq_runner_flush(fixture->runner, 5000);
    assert_int_equal(seen(fixture, &fixture->plane.completed_total), count);
    for (uint32_t i = 1; i <= count; i++)
        assert_int_equal(fixture->plane.completed[i], 1);
    // Short tasks are fetched in numbers.
    assert_true(seen(fixture, &fixture->plane.fetches) < count / 4);
    assert_true(fq_board_get(&fixture->board, FQ_BOARD_FINISHED) == count);
}

static void a_task_says_what_it_is(void **state) {
    struct fixture *fixture = *state;
    offer(fixture, 1);
    struct fq_runner_task task = next_task(fixture);
    assert_string_equal(task.id, "00000000-0000-7000-8000-000000000001");
    assert_true(task.token == 1 && task.attempt == 1 && task.timeout_ms == 0);
    assert_true(fq_str_equal(task.name, FQ_STR("odd")) && task.name_index == 1);
    assert_string_equal(task.payload.ptr, "{\"args\":[]}");
    assert_true(fq_str_equal(task.traceparent, FQ_STR("00-11-22-01")) && task.tracestate.len == 0);
    struct fq_slot_view view;
    assert_int_equal(fq_slot_look(&fixture->board, task.slot, &view), 1);
    assert_int_equal(view.state, FQ_SLOT_HELD);
    assert_int_equal(fq_runner_begin(fixture->runner, task.slot), 1);
    assert_int_equal(fq_slot_look(&fixture->board, task.slot, &view), 1);
    assert_true(view.state == FQ_SLOT_RUNNING && view.started_us > 0);
    assert_int_equal(fq_board_get(&fixture->board, FQ_BOARD_ON_CPU), task.slot + 1);
    finish_ok(fixture, task.slot);
    assert_int_equal(fq_board_get(&fixture->board, FQ_BOARD_ON_CPU), 0);
    assert_int_equal(fq_slot_look(&fixture->board, task.slot, &view), 1);
    assert_int_equal(view.state, FQ_SLOT_DONE); // gathered, not sent
}

static void long_tasks_come_one_by_one(void **state) {
    struct fixture *fixture = *state;
    offer(fixture, 40);
    run_tasks(fixture, 40, 15);
    pthread_mutex_lock(&fixture->plane.lock);
    for (uint32_t i = 0; i < fixture->plane.fetches && i < REQUESTS_MAX; i++)
        assert_int_equal(fixture->plane.counts[i], 1);
    pthread_mutex_unlock(&fixture->plane.lock);
}

// A runner that has learnt that its tasks are short, and holds several.
static uint32_t hold_several(struct fixture *fixture) {
    offer(fixture, 5000);
    run_tasks(fixture, 600, 0);
    uint32_t held = 0;
    while (held < 3) {
        held = 0;
        for (uint32_t slot = 0; slot < FQ_BOARD_SLOTS; slot++)
            held += fq_slot_state(&fixture->board, slot) == FQ_SLOT_HELD;
        if (held < 3)
            run_tasks(fixture, 1, 0);
    }
    return held;
}

static void what_the_supervisor_took_is_not_begun(void **state) {
    struct fixture *fixture = *state;
    hold_several(fixture);
    struct fq_runner_task first = next_task(fixture), second;
    uint32_t taken = 0;
    for (uint32_t slot = 0; slot < FQ_BOARD_SLOTS; slot++) {
        struct fq_slot_view view;
        if (fq_slot_look(&fixture->board, slot, &view) == 1 && view.state == FQ_SLOT_HELD)
            taken += fq_slot_claim(&fixture->board, slot, &view, FQ_SLOT_TAKEN);
    }
    assert_true(taken >= 3);
    assert_int_equal(fq_runner_begin(fixture->runner, first.slot),
                     0); // in hand already, and lost all the same
    assert_int_equal(fq_runner_next(fixture->runner, &second), 0);
    uint32_t before = seen(fixture, &fixture->plane.granted);
    run_tasks(fixture, 20, 0); // goes on with others
    assert_true(seen(fixture, &fixture->plane.granted) > before);
    fq_runner_flush(fixture->runner, 5000);
    assert_int_equal(fixture->plane.completed[first.token], 0);
    assert_int_equal(fixture->plane.released[first.token], 0);
}

static void what_the_supervisor_reported_is_not_reported_again(void **state) {
    struct fixture *fixture = *state;
    offer(fixture, 1);
    struct fq_runner_task task = next_task(fixture);
    assert_int_equal(fq_runner_begin(fixture->runner, task.slot), 1);
    finish_ok(fixture, task.slot);
    struct fq_slot_view view;
    assert_int_equal(fq_slot_look(&fixture->board, task.slot, &view), 1);
    assert_true(fq_slot_claim(&fixture->board, task.slot, &view, FQ_SLOT_TAKING));
    unsigned char *bytes = malloc(view.outcome_len);
    struct fq_report report;
    assert_true(fq_board_copy_outcome(&fixture->board, view.outcome_offset, view.outcome_len, bytes));
    assert_int_equal(fq_report_decode(bytes, view.outcome_len, &report), 0);
    assert_true(report.outcome.ok && fq_str_equal(report.outcome.result, FQ_STR("1")));
    fq_runner_flush(fixture->runner, 100); // while the supervisor copies, nothing may be reused
    view.state = FQ_SLOT_TAKING;
    assert_true(fq_slot_claim(&fixture->board, task.slot, &view, FQ_SLOT_TAKEN));
    assert_true(fq_board_copy_outcome(&fixture->board, view.outcome_offset, view.outcome_len, bytes));
    assert_int_equal(fq_report_decode(bytes, view.outcome_len, &report), 0);
    free(bytes);
    offer(fixture, 10);
    run_tasks(fixture, 10, 0);
    fq_runner_flush(fixture->runner, 5000);
    assert_int_equal(fixture->plane.completed[task.token], 0);
    assert_int_equal(seen(fixture, &fixture->plane.completed_total), 10);
}

static void leaving_gives_back_what_is_not_started(void **state) {
    struct fixture *fixture = *state;
    uint32_t held = hold_several(fixture);
    fq_runner_flush(fixture->runner, 5000);
    uint32_t completed = seen(fixture, &fixture->plane.completed_total);
    assert_false(fq_runner_should_exit(fixture->runner));
    fq_board_add_orders(&fixture->board, FQ_ORDER_LEAVE);
    (void)fq_control_send(fixture->control, FQ_CONTROL_NUDGE, NULL, 0);
    for (int i = 0; i < 100 && !fq_runner_should_exit(fixture->runner); i++)
        assert_int_equal(fq_runner_wait(fixture->runner, 1, 10), 0);
    assert_true(fq_runner_should_exit(fixture->runner));
    fq_runner_flush(fixture->runner, 5000);
    assert_int_equal(seen(fixture, &fixture->plane.released_total), held);
    assert_int_equal(seen(fixture, &fixture->plane.completed_total), completed);
}

static void a_lost_connection_loses_no_report(void **state) {
    struct fixture *fixture = *state;
    offer(fixture, 1);
    struct fq_runner_task task = next_task(fixture);
    assert_int_equal(fq_runner_begin(fixture->runner, task.slot), 1);
    pthread_mutex_lock(&fixture->plane.lock);
    fixture->plane.drops_next = true;
    pthread_mutex_unlock(&fixture->plane.lock);
    finish_ok(fixture, task.slot);
    fq_runner_flush(fixture->runner, 10000);
    assert_int_equal(seen(fixture, &fixture->plane.connections), 2);
    assert_int_equal(fixture->plane.completed[task.token], 1);
    offer(fixture, 5);
    run_tasks(fixture, 5, 0);
}

static void a_refused_result_becomes_the_tasks_error(void **state) {
    struct fixture *fixture = *state;
    pthread_mutex_lock(&fixture->plane.lock);
    fixture->plane.refuses_results = true;
    pthread_mutex_unlock(&fixture->plane.lock);
    offer(fixture, 1);
    run_tasks(fixture, 1, 0);
    fq_runner_flush(fixture->runner, 5000);
    assert_int_equal(seen(fixture, &fixture->plane.failed_total), 1);
    assert_non_null(strstr(fixture->plane.last_failure, "ResultRejected"));
    assert_non_null(strstr(fixture->plane.last_failure, "larger than its limit"));
}

static void wishes_reach_the_task_meant(void **state) {
    struct fixture *fixture = *state;
    offer(fixture, 2);
    struct fq_runner_task task = next_task(fixture);
    assert_int_equal(fq_runner_begin(fixture->runner, task.slot), 1);
    assert_int_equal(fq_runner_wish(fixture->runner, task.slot), FQ_WISH_NONE);
    struct fq_slot_view view;
    assert_int_equal(fq_slot_look(&fixture->board, task.slot, &view), 1);
    assert_true(fq_slot_set_wish(&fixture->board, task.slot, &view, FQ_WISH_TIMEOUT));
    assert_int_equal(fq_runner_wish(fixture->runner, task.slot), FQ_WISH_TIMEOUT);
    finish_ok(fixture, task.slot);
    fq_runner_flush(fixture->runner, 5000);
    task = next_task(fixture);
    assert_int_equal(fq_runner_begin(fixture->runner, task.slot), 1);
    assert_false(
        fq_slot_set_wish(&fixture->board, task.slot, &view, FQ_WISH_CANCEL)); // meant for the one before
    assert_int_equal(fq_runner_wish(fixture->runner, task.slot), FQ_WISH_NONE);
    finish_ok(fixture, task.slot);
}

static void a_sleeping_supervisor_is_woken(void **state) {
    struct fixture *fixture = *state;
    fq_board_set(&fixture->board, FQ_BOARD_ASLEEP, 1);
    offer(fixture, 1);
    struct fq_runner_task task = next_task(fixture);
    char packet[FQ_CONTROL_MAX + 1], type;
    size_t len;
    assert_int_equal(fq_control_receive(fixture->control, &type, packet, &len), 1);
    assert_int_equal(type, FQ_CONTROL_READY);
    assert_string_equal(packet, FQ_VERSION);
    assert_int_equal(fq_control_receive(fixture->control, &type, packet, &len), 1);
    assert_int_equal(type, FQ_CONTROL_WAKE);
    assert_int_equal(fq_control_receive(fixture->control, &type, packet, &len), 0);
    assert_int_equal(fq_board_get(&fixture->board, FQ_BOARD_ASLEEP), 0);
    assert_int_equal(fq_runner_begin(fixture->runner, task.slot), 1);
    finish_ok(fixture, task.slot);
}

static int set_up_limited(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    *state = fixture;
    start_control_plane(&fixture->plane);
    open_runner(fixture, 7);
    return 0;
}

static void a_limit_of_tasks_is_kept(void **state) {
    struct fixture *fixture = *state;
    offer(fixture, 100);
    run_tasks(fixture, 7, 0);
    assert_true(fq_runner_should_exit(fixture->runner));
    fq_runner_flush(fixture->runner, 5000);
    assert_int_equal(seen(fixture, &fixture->plane.granted), 7);
    assert_int_equal(seen(fixture, &fixture->plane.completed_total), 7);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_task_is_run_and_reported_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_task_says_what_it_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(long_tasks_come_one_by_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_the_supervisor_took_is_not_begun, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_the_supervisor_reported_is_not_reported_again, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(leaving_gives_back_what_is_not_started, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_lost_connection_loses_no_report, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_refused_result_becomes_the_tasks_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(wishes_reach_the_task_meant, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_sleeping_supervisor_is_woken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_limit_of_tasks_is_kept, set_up_limited, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
