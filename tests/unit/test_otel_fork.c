// SPDX-License-Identifier: Apache-2.0
// Fork and exit of a C program with an SDK: who delivers what, and how long the end may take.
#include "otel/logs.h"
#include "otel/sdk.h"
#include "otel/system/system.h"
#include "support/otlp_rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

// A sanitizer's allocator and registry hold locks that neither fork nor a signal handler finds free: what is tested then is
// the sanitizer.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { UNDER_SANITIZER = 1 };
#else
enum { UNDER_SANITIZER = 0 };
#endif
enum { LINES_MAX = 1 << 16, TEXT_MAX = 4096 };

struct fixture {
    char path[64];
    char yaml[TEXT_MAX];
    otel_config *config;
    otel_sdk *sdk;
    json_t *lines[LINES_MAX];
    size_t line_count;
};

static const char *no_variable(void *context, const char *name) {
    (void)context;
    (void)name;
    return NULL;
}

// Everything goes to one file that all processes append to.
static int start(void **state) {
    static struct fixture fixture;
    fixture = (struct fixture){.path = "/tmp/otel-fork-XXXXXX"};
    int fd = mkstemp(fixture.path);
    assert_true(fd >= 0);
    close(fd);
    snprintf(fixture.yaml, sizeof fixture.yaml,
             "file_format: '1.0'\n"
             "tracer_provider:\n"
             "  processors:\n"
             "    - batch:\n"
             "        schedule_delay: 60000\n"
             "        exporter: {otlp_file/development: {output_stream: 'file://%s'}}\n"
             "meter_provider:\n"
             "  readers:\n"
             "    - periodic:\n"
             "        exporter: {otlp_file/development: {output_stream: 'file://%s'}}\n"
             "resource:\n"
             "  detection/development: {detectors: [{process: }]}\n",
             fixture.path, fixture.path);
    struct otel_sdk_options options;
    char reason[300] = "";
    otel_sdk_options_init(&options);
    options.variable = no_variable;
    fixture.config = otel_config_parse(fixture.yaml, strlen(fixture.yaml), &options, reason, sizeof reason);
    assert_string_equal(reason, "");
    options.config = fixture.config;
    fixture.sdk = otel_sdk_new(&options);
    assert_non_null(fixture.sdk);
    *state = &fixture;
    return 0;
}

static int stop(void **state) {
    struct fixture *fixture = *state;
    otel_sdk_free(fixture->sdk);
    otel_config_free(fixture->config);
    for (size_t i = 0; i < fixture->line_count; i++)
        json_decref(fixture->lines[i]);
    unlink(fixture->path);
    return 0;
}

static void read_lines(struct fixture *fixture) {
    FILE *in = fopen(fixture->path, "r");
    assert_non_null(in);
    while (fixture->line_count < LINES_MAX) {
        json_error_t error;
        json_t *line = json_loadf(in, JSON_DISABLE_EOF_CHECK, &error);
        if (line == NULL)
            break;
        fixture->lines[fixture->line_count++] = line;
    }
    fclose(in);
}

static const char *attribute_of(const json_t *attributes, const char *key) {
    size_t index;
    json_t *row;
    json_array_foreach((json_t *)(uintptr_t)attributes, index, row) {
        if (strcmp(json_string_value(json_object_get(row, "key")), key) == 0) {
            json_t *value = json_object_get(row, "value");
            const char *text = json_string_value(json_object_get(value, "stringValue"));
            return text != NULL ? text : json_string_value(json_object_get(value, "intValue"));
        }
    }
    return NULL;
}

static const char *resource_of(const json_t *line, const char *list, const char *key) {
    json_t *resource = json_object_get(json_array_get(json_object_get(line, list), 0), "resource");
    return attribute_of(json_object_get(resource, "attributes"), key);
}

// How often a span of that name was delivered; *ret_instance (may be NULL) by whom the last time.
static unsigned spans_named(const struct fixture *fixture, const char *name, const char **ret_instance) {
    unsigned found = 0;
    for (size_t i = 0; i < fixture->line_count; i++) {
        json_t *scopes = json_object_get(
            json_array_get(json_object_get(fixture->lines[i], "resourceSpans"), 0), "scopeSpans");
        size_t scope_index, index;
        json_t *scope, *span;
        json_array_foreach(scopes, scope_index, scope) {
            json_array_foreach(json_object_get(scope, "spans"), index, span) {
                if (strcmp(json_string_value(json_object_get(span, "name")), name) == 0) {
                    found++;
                    if (ret_instance != NULL)
                        *ret_instance =
                            resource_of(fixture->lines[i], "resourceSpans", "service.instance.id");
                }
            }
        }
    }
    return found;
}

static void make_span(const otel_sdk *sdk, const char *name) {
    otel_span_end(otel_span_start(otel_sdk_tracer(sdk, "test", NULL), name, NULL));
}

static int wait_for(pid_t pid) {
    int status;
    while (waitpid(pid, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    return status;
}

static pid_t clean_fork(void) {
    fflush(NULL); // so that the child has nothing of ours to print
    pid_t pid = fork();
    assert_true(pid >= 0);
    return pid;
}

// --- fork ------------------------------------------------------------------------------------------------------------
static void parent_and_child_deliver_their_own_once(void **state) {
    struct fixture *fixture = *state;
    make_span(fixture->sdk, "before fork"); // still queued: the parent's to send
    pid_t pid = clean_fork();
    if (pid == 0) {
        make_span(fixture->sdk, "in child");
        _exit(otel_sdk_flush(fixture->sdk, 5000) == OTEL_OK ? 0 : 1);
    }
    make_span(fixture->sdk, "in parent");
    assert_int_equal(wait_for(pid), 0);
    assert_int_equal(otel_sdk_flush(fixture->sdk, 5000), OTEL_OK);
    read_lines(fixture);
    const char *parent = "", *child = "", *before = "";
    assert_int_equal(spans_named(fixture, "before fork", &before), 1);
    assert_int_equal(spans_named(fixture, "in parent", &parent), 1);
    assert_int_equal(spans_named(fixture, "in child", &child), 1);
    assert_string_equal(before, parent);
    assert_string_not_equal(parent, child); // another instance of the service
    assert_int_equal(strlen(child), 36);
}

static void child_has_its_own_ids_pid_and_start(void **state) {
    struct fixture *fixture = *state;
    struct otel_id_generator ids = otel_system_ids();
    int pipes[2];
    uint8_t here[16], there[16];
    assert_int_equal(pipe(pipes), 0);
    ids.trace_id(NULL, here); // the generator of this thread is seeded
    make_span(fixture->sdk, "before fork");
    pid_t pid = clean_fork();
    if (pid == 0) {
        ids.trace_id(NULL, there);
        ssize_t sent = write(pipes[1], there, sizeof there);
        make_span(fixture->sdk, "in child");
        _exit(sent == sizeof there && otel_sdk_flush(fixture->sdk, 5000) == OTEL_OK ? 0 : 1);
    }
    ids.trace_id(NULL, here);
    assert_int_equal(read(pipes[0], there, sizeof there), sizeof there);
    assert_memory_not_equal(here, there, sizeof here);
    assert_int_equal(wait_for(pid), 0);
    close(pipes[0]);
    close(pipes[1]);
    read_lines(fixture);
    char text[32];
    snprintf(text, sizeof text, "%d", (int)pid);
    assert_string_equal(resource_of(fixture->lines[0], "resourceSpans", "process.pid"), text);
}

static void a_user_named_instance_stays(void **state) {
    struct fixture *fixture = *state;
    char yaml[TEXT_MAX + 100], reason[300];
    snprintf(yaml, sizeof yaml, "%s  attributes: [{name: service.instance.id, value: mine}]\n",
             fixture->yaml);
    struct otel_sdk_options options;
    otel_sdk_options_init(&options);
    options.variable = no_variable;
    otel_config *config = otel_config_parse(yaml, strlen(yaml), &options, reason, sizeof reason);
    assert_non_null(config);
    options.config = config;
    otel_sdk *sdk = otel_sdk_new(&options);
    pid_t pid = clean_fork();
    if (pid == 0) {
        make_span(sdk, "in child");
        _exit(otel_sdk_flush(sdk, 5000) == OTEL_OK ? 0 : 1);
    }
    assert_int_equal(wait_for(pid), 0);
    otel_sdk_free(sdk);
    otel_config_free(config);
    const char *instance = "";
    read_lines(fixture);
    assert_int_equal(spans_named(fixture, "in child", &instance), 1);
    assert_string_equal(instance, "mine");
}

// Sums of a child begin at 0, so that no measurement is counted by both.
static void child_counts_from_zero(void **state) {
    struct fixture *fixture = *state;
    otel_instrument *counter = otel_counter(otel_sdk_meter(fixture->sdk, "test", NULL), "work", NULL, NULL);
    otel_add(counter, 5, NULL, 0);
    pid_t pid = clean_fork();
    if (pid == 0) {
        otel_add(counter, 2, NULL, 0);
        _exit(otel_sdk_flush(fixture->sdk, 5000) == OTEL_OK ? 0 : 1);
    }
    assert_int_equal(wait_for(pid), 0);
    otel_add(counter, 1, NULL, 0);
    assert_int_equal(otel_sdk_flush(fixture->sdk, 5000), OTEL_OK);
    read_lines(fixture);
    assert_int_equal(fixture->line_count, 2);
    double values[2];
    for (size_t i = 0; i < 2; i++) {
        json_t *scope = json_array_get(
            json_object_get(json_array_get(json_object_get(fixture->lines[i], "resourceMetrics"), 0),
                            "scopeMetrics"),
            0);
        json_t *metric = json_array_get(json_object_get(scope, "metrics"), 0);
        json_t *point = json_array_get(json_object_get(json_object_get(metric, "sum"), "dataPoints"), 0);
        values[i] = json_number_value(json_object_get(point, "asDouble"));
    }
    assert_true(values[0] > 1.5 && values[0] < 2.5); // the child's
    assert_true(values[1] > 5.5 && values[1] < 6.5);
    assert_string_not_equal(resource_of(fixture->lines[0], "resourceMetrics", "service.instance.id"),
                            resource_of(fixture->lines[1], "resourceMetrics", "service.instance.id"));
}

static void children_of_children_and_many_of_them(void **state) {
    struct fixture *fixture = *state;
    enum { CHILDREN = 8 };
    for (int i = 0; i < CHILDREN; i++) {
        make_span(fixture->sdk, "in parent");
        pid_t pid = clean_fork();
        if (pid == 0) {
            make_span(fixture->sdk, "in child");
            pid_t grandchild = fork();
            if (grandchild == 0) {
                make_span(fixture->sdk, "in grandchild");
                _exit(otel_sdk_flush(fixture->sdk, 5000) == OTEL_OK ? 0 : 1);
            }
            _exit(wait_for(grandchild) == 0 && otel_sdk_shutdown(fixture->sdk, 5000) == OTEL_OK ? 0 : 1);
        }
        assert_int_equal(wait_for(pid), 0);
    }
    assert_int_equal(otel_sdk_flush(fixture->sdk, 5000), OTEL_OK);
    read_lines(fixture);
    assert_int_equal(spans_named(fixture, "in parent", NULL), CHILDREN);
    assert_int_equal(spans_named(fixture, "in child", NULL), CHILDREN);
    assert_int_equal(spans_named(fixture, "in grandchild", NULL), CHILDREN);
}

struct busy {
    otel_sdk *sdk;
    _Atomic bool stop;
    _Atomic unsigned made;
};

static void *keep_making(void *context) {
    struct busy *busy = context;
    while (!busy->stop) {
        if (busy->made++ < 4000) // the rest of the time it flushes what there is: the file has to be read
            make_span(busy->sdk, "by thread");
        if (busy->made % 64 == 0)
            otel_sdk_flush(busy->sdk, 5000);
    }
    return NULL;
}

// Other threads hold whatever locks there are while fork happens.
static void forking_while_threads_work(void **state) {
    if (UNDER_SANITIZER) {
        print_message("a sanitizer's own locks do not bear this: skipped\n");
        skip();
    }
    struct fixture *fixture = *state;
    struct busy busy = {.sdk = fixture->sdk};
    pthread_t threads[2];
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, keep_making, &busy), 0);
    enum { CHILDREN = 10 };
    for (int i = 0; i < CHILDREN; i++) {
        pid_t pid = clean_fork();
        if (pid == 0) {
            make_span(fixture->sdk, "in child");
            _exit(otel_sdk_flush(fixture->sdk, 5000) == OTEL_OK ? 0 : 1);
        }
        assert_int_equal(wait_for(pid), 0);
    }
    busy.stop = true;
    for (size_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(otel_sdk_flush(fixture->sdk, 5000), OTEL_OK);
    read_lines(fixture);
    assert_int_equal(spans_named(fixture, "in child", NULL), CHILDREN);
}

// A child made by the bare system call runs no handler of fork: its first span notices.
static void a_bare_clone_is_noticed(void **state) {
    struct fixture *fixture = *state;
    make_span(fixture->sdk, "before clone");
    fflush(NULL);
    pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) {
        make_span(fixture->sdk, "in clone");
        _exit(otel_sdk_flush(fixture->sdk, 5000) == OTEL_OK ? 0 : 1);
    }
    assert_int_equal(wait_for(pid), 0);
    assert_int_equal(otel_sdk_flush(fixture->sdk, 5000), OTEL_OK);
    read_lines(fixture);
    const char *child = "", *parent = "";
    assert_int_equal(spans_named(fixture, "before clone", &parent), 1);
    assert_int_equal(spans_named(fixture, "in clone", &child), 1);
    assert_string_not_equal(parent, child);
}

// --- exit ------------------------------------------------------------------------------------------------------------
static void exit_delivers_what_is_queued(void **state) {
    struct fixture *fixture = *state;
    pid_t pid = clean_fork();
    if (pid == 0) {
        make_span(fixture->sdk, "at exit");
        exit(0);
    }
    assert_int_equal(wait_for(pid), 0);
    read_lines(fixture);
    assert_int_equal(spans_named(fixture, "at exit", NULL), 1);
}

static void *leave(void *context) {
    (void)context;
    exit(0);
}

static void exit_from_a_thread_delivers(void **state) {
    struct fixture *fixture = *state;
    pid_t pid = clean_fork();
    if (pid == 0) {
        pthread_t thread;
        make_span(fixture->sdk, "at exit");
        if (pthread_create(&thread, NULL, leave, NULL) == 0)
            pthread_join(thread, NULL);
        _exit(1);
    }
    assert_int_equal(wait_for(pid), 0);
    read_lines(fixture);
    assert_int_equal(spans_named(fixture, "at exit", NULL), 1);
}

static void leave_at_signal(int number) {
    (void)number;
    exit(0);
}

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void __gcov_dump(void) __attribute__((weak)); // there where branches are counted

// The handler may interrupt whatever holds a lock: the process ends all the same.
static void exit_from_a_signal_handler_ends(void **state) {
    if (UNDER_SANITIZER || __gcov_dump != NULL) {
        print_message(
            "a sanitizer's own locks, or those that write counters at the exit, do not bear this: skipped\n");
        skip();
    }
    struct fixture *fixture = *state;
    for (int i = 0; i < 5; i++) {
        pid_t pid = clean_fork();
        if (pid == 0) {
            signal(SIGALRM, leave_at_signal);
            timer_t timer;
            struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
            struct itimerspec soon = {.it_value = {.tv_nsec = 3000000 + i * 777777}};
            timer_create(CLOCK_MONOTONIC, &event, &timer);
            timer_settime(timer, 0, &soon, NULL);
            for (;;)
                make_span(fixture->sdk, "on and on");
        }
        int64_t begin = now_ms();
        assert_int_equal(wait_for(pid), 0);
        assert_in_range(now_ms() - begin, 0, 5000 * otlp_rig_slowness());
    }
}

static int listen_somewhere(uint16_t *ret_port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

struct target {
    char endpoint[64];
};
static const char *read_target(void *context, const char *name) {
    const struct target *target = context;
    if (strcmp(name, "OTEL_EXPORTER_OTLP_ENDPOINT") == 0)
        return target->endpoint;
    return strcmp(name, "OTEL_LOG_LEVEL") == 0 ? "none" : NULL;
}

// ms that a program with queued spans, measurements and log records takes to exit.
static int64_t exit_time(uint16_t port, int64_t exit_timeout_ms) {
    struct target target;
    snprintf(target.endpoint, sizeof target.endpoint, "http://127.0.0.1:%d", port);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        struct otel_sdk_options options;
        otel_sdk_options_init(&options);
        options.variable = read_target;
        options.variable_context = &target;
        options.grpc_by_default = true;
        options.exit_timeout_ms = exit_timeout_ms;
        otel_sdk *sdk = otel_sdk_new(&options);
        make_span(sdk, "lost");
        otel_add(otel_counter(otel_sdk_meter(sdk, "test", NULL), "work", NULL, NULL), 1, NULL, 0);
        otel_log(otel_sdk_logger(sdk, "test", NULL), OTEL_SEVERITY_INFO, "lost, too");
        exit(0);
    }
    int64_t begin = now_ms();
    assert_int_equal(wait_for(pid), 0);
    return now_ms() - begin;
}

static void exit_is_bounded_before_a_black_hole(void **state) {
    (void)state;
    uint16_t port;
    int fd = listen_somewhere(&port); // takes connections and says nothing
    int64_t took = exit_time(port, 500);
    close(fd);
    assert_in_range(took, 0, 1500 * otlp_rig_slowness());
}

static void exit_is_at_once_when_refused(void **state) {
    (void)state;
    uint16_t port;
    close(listen_somewhere(&port)); // nobody listens there now
    assert_in_range(exit_time(port, 10000), 0, 3000 * otlp_rig_slowness());
}

struct seat {
    pthread_t thread;
    bool takes_signals;
};
static void note_seat(void *item) {
    struct seat *seat = item;
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    seat->thread = pthread_self();
    seat->takes_signals = sigismember(&mask, SIGTERM) == 0;
}

// Flush and shutdown of several signals run in threads of the SDK: a handler of the program is not to run there.
static void threads_of_the_sdk_take_no_signals_of_the_program(void **state) {
    (void)state;
    struct seat seats[3];
    void *items[] = {&seats[0], &seats[1], &seats[2]};
    otel_system_together(note_seat, items, 3);
    for (size_t i = 0; i < 3; i++)
        assert_true(seats[i].takes_signals == (pthread_equal(seats[i].thread, pthread_self()) != 0));
    assert_true(seats[0].takes_signals);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_of_the_sdk_take_no_signals_of_the_program),
        TEST(parent_and_child_deliver_their_own_once),
        TEST(child_has_its_own_ids_pid_and_start),
        TEST(a_user_named_instance_stays),
        TEST(child_counts_from_zero),
        TEST(children_of_children_and_many_of_them),
        TEST(forking_while_threads_work),
        TEST(a_bare_clone_is_noticed),
        TEST(exit_delivers_what_is_queued),
        TEST(exit_from_a_thread_delivers),
        TEST(exit_from_a_signal_handler_ends),
        cmocka_unit_test(exit_is_bounded_before_a_black_hole),
        cmocka_unit_test(exit_is_at_once_when_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
