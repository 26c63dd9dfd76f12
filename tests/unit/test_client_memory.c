// SPDX-License-Identifier: Apache-2.0
// The n-th allocation fails, for every n of a conversation: a client, a worker and the libuv driver say so or carry on, and
// leave nothing behind.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "client/uv_driver.h"
#include "fastqueue/worker.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ID    "018f0000-0000-7000-8000-00000000000a"
#define TASK  "$2\r\nid\r\n$36\r\n" ID "\r\n$4\r\nname\r\n$3\r\nadd\r\n"
#define ENDED "$6\r\nstatus\r\n$7\r\nsuccess\r\n$6\r\nresult\r\n$1\r\n3\r\n"

// --- the failing allocator: --wrap sends every allocation of the program here ---------------------------------------------
static struct {
    bool is_armed;
    uint64_t left; // allocations that still succeed
    uint64_t failed;
} memory;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);

static bool fails(void) {
    if (!memory.is_armed || memory.left-- > 0)
        return false;
    memory.left = UINT64_MAX; // only the n-th
    memory.failed++;
    return true;
}
void *__wrap_malloc(size_t size) {
    return fails() ? NULL : __real_malloc(size);
}
void *__wrap_calloc(size_t count, size_t size) {
    return fails() ? NULL : __real_calloc(count, size);
}
void *__wrap_realloc(void *old, size_t size) {
    return fails() ? NULL : __real_realloc(old, size);
}
char *__wrap_strdup(const char *text) {
    return fails() ? NULL : __real_strdup(text);
}

// --- a peer that answers every command, one connection after the other, and allocates nothing -----------------------------
static const struct {
    const char *command, *answer;
} answers[] = {
    {"\r\nHELLO\r\n",        "%1\r\n$5\r\nproto\r\n:3\r\n"                                                    },
    {"\r\nFQ.SUBMIT\r\n",    "$36\r\n" ID "\r\n"                                                              },
    {"\r\nFQ.WATCH\r\n",     "*1\r\n$4\r\ndone\r\n>3\r\n$9\r\nfq.result\r\n$36\r\n" ID "\r\n%4\r\n" TASK ENDED},
    {"\r\nFQ.STATUS\r\n",    "%4\r\n" TASK ENDED                                                              },
    {"\r\nFQ.RESULT\r\n",    "%4\r\n" TASK ENDED                                                              },
    {"\r\nFQ.CANCEL\r\n",    ":1\r\n"                                                                         },
    {"\r\nFQ.FETCH\r\n",     "*1\r\n%3\r\n" TASK "$5\r\ntoken\r\n$1\r\n7\r\n"                                 },
    {"\r\nFQ.HEARTBEAT\r\n", "*1\r\n$2\r\nok\r\n"                                                             },
    {"\r\nFQ.",              "+OK\r\n"                                                                        },
    {"\r\nPING\r\n",         "+PONG\r\n"                                                                      },
};

struct peer {
    int listener;
    char path[64], address[80];
    pthread_t thread;
};

static void answer_all(int fd, const char *text) {
    for (const char *at = text; *at != '\0'; at++)
        for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++)
            if (strncmp(at, answers[i].command, strlen(answers[i].command)) == 0) {
                (void)send(fd, answers[i].answer, strlen(answers[i].answer), MSG_NOSIGNAL);
                break;
            }
}

static void *peer_main(void *argument) {
    const struct peer *peer = argument;
    static char text[1 << 16];
    for (;;) {
        int fd = accept(peer->listener, NULL, NULL);
        if (fd < 0)
            return NULL;
        for (ssize_t count; (count = read(fd, text, sizeof text - 1)) > 0;) {
            text[count] = '\0';
            answer_all(fd, text);
        }
        close(fd);
    }
}

static int open_peer(void **state) {
    static struct peer peer;
    snprintf(peer.path, sizeof peer.path, P_tmpdir "/fq-memory-%d.sock", (int)getpid());
    snprintf(peer.address, sizeof peer.address, "unix://%s", peer.path);
    unlink(peer.path);
    peer.listener = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof name.sun_path, "%s", peer.path);
    *state = &peer;
    return bind(peer.listener, (const struct sockaddr *)&name, sizeof name) != 0 ||
           listen(peer.listener, 8) != 0 || pthread_create(&peer.thread, NULL, peer_main, &peer) != 0;
}

static int close_peer(void **state) {
    struct peer *peer = *state;
    shutdown(peer->listener, SHUT_RDWR);
    pthread_join(peer->thread, NULL);
    close(peer->listener);
    unlink(peer->path);
    return 0;
}

// --- clients --------------------------------------------------------------------------------------------------------------
static fq_client *client; // of the round
static uint64_t round_number;

// A call succeeds, or says that memory was short.
static bool went_well(int rc) {
    if (rc >= 0)
        return true;
    if (rc != FQ_ENOMEM || fq_client_error(client)[0] == '\0')
        fail_msg("allocation %llu: %d %s", (unsigned long long)round_number, rc, fq_client_error(client));
    return false;
}

static bool try_to_open(const struct peer *peer) {
    struct fq_client_options options;
    fq_client_options_init(&options);
    char list[200], error[200] = "";
    snprintf(list, sizeof list, "%s, %s", peer->address, peer->address);
    options.address = list;
    options.user = "default";
    options.token = "secret";
    options.name = "short-of-memory";
    options.timeout_ms = 5000;
    options.no_telemetry = true;
    client = NULL;
    int rc = fq_client_open(&options, &client, error, sizeof error);
    if (rc == 0)
        return true;
    if (rc != FQ_ENOMEM || error[0] == '\0' || client != NULL)
        fail_msg("allocation %llu: %d %s", (unsigned long long)round_number, rc, error);
    return false;
}

static void submit_and_ask(void) {
    struct fq_submit_options options;
    fq_submit_options_init(&options);
    options.id = ID;
    options.unique = "key";
    char id[37];
    struct fq_task_result result;
    if (went_well(fq_client_submit(client, "add", "{}", 2, &options, id)))
        assert_string_equal(id, ID);
    if (went_well(fq_client_wait(client, ID, 5000, &result)))
        assert_memory_equal(result.status.ptr, "success", 7);
    if (went_well(fq_client_call(client, "add", "{}", 2, &options, 5000, &result)))
        assert_memory_equal(result.result.ptr, "3", 1);
    if (went_well(fq_client_status(client, ID, &result)))
        assert_memory_equal(result.status.ptr, "success", 7);
    if (went_well(fq_client_result(client, ID, &result)))
        assert_memory_equal(result.result.ptr, "3", 1);
    (void)went_well(fq_client_cancel(client, ID));
    const struct fq_client_task tasks[] = {
        {"add", "{}", 2, &options},
        {"add", "{}", 2, NULL    }
    };
    (void)went_well(fq_client_submit_many(client, tasks, 1, NULL));
    char ids[2][37];
    if (went_well(fq_client_submit_many(client, tasks, 2, ids)))
        assert_string_equal(ids[1], ID);
}

static void work(void) {
    struct fq_worker_options options;
    fq_worker_options_init(&options);
    options.worker_id = "w1";
    options.instance = "nonce";
    options.names = (const char *const[]){"add"};
    options.name_count = 1;
    fq_worker *worker = NULL;
    if (!went_well(fq_worker_open(client, &options, &worker))) {
        assert_null(worker);
        return;
    }
    const struct fq_worker_task *tasks;
    size_t count;
    if (went_well(fq_worker_fetch(worker, 1, 1000, &tasks, &count))) {
        assert_int_equal(count, 1);
        struct fq_lease_beat beat = {tasks[0].lease, true, 0};
        enum fq_lease_verdict verdict;
        if (went_well(fq_lease_heartbeat(client, &beat, 1, &verdict)))
            assert_int_equal(verdict, FQ_LEASE_OK);
        (void)went_well(fq_lease_complete(client, &beat.lease, "3", 1, NULL));
    }
    assert_null(fq_worker_close(worker));
}

static void a_client_survives_each_failing_allocation(void **state) {
    for (round_number = 0;; round_number++) {
        memory = (typeof(memory)){.is_armed = true, .left = round_number};
        if (try_to_open(*state)) {
            submit_and_ask();
            work();
        }
        memory.is_armed = false;
        if (client != NULL) { // and it can be used afterwards
            char id[37];
            assert_int_equal(fq_client_submit(client, "add", "{}", 2, NULL, id), 0);
        }
        fq_client_close(client);
        if (memory.failed == 0)
            break;
    }
    assert_true(round_number > 20);
}

// --- the libuv driver -----------------------------------------------------------------------------------------------------
struct asking {
    fq_uv_driver *driver;
    int replies, refused;
};

static void on_event(void *context, const struct fq_session_event *event) {
    struct asking *asking = context;
    const fq_slice ping[] = {
        {"PING", 4}
    };
    if (event->type == FQ_SESSION_READY) {
        int rc = fq_session_command(fq_uv_driver_session(asking->driver), ping, 1, true, 7);
        if (rc < 0) {
            assert_int_equal(rc, FQ_ENOMEM);
            asking->refused++;
            asking->driver = fq_uv_driver_close(asking->driver);
        }
    } else if (event->type == FQ_SESSION_REPLY) {
        asking->replies++;
        asking->driver = fq_uv_driver_close(asking->driver);
    }
}

static void on_lost(void *context, int error, const char *reason, int64_t retry_us) {
    (void)context;
    assert_int_equal(error, FQ_ENOMEM);
    assert_non_null(strstr(reason, "memory"));
    assert_true(retry_us < INT64_MAX);
}

static const struct fq_uv_driver_handler HANDLER = {on_event, on_lost};

static bool ask(const struct peer *peer) {
    uv_loop_t loop;
    assert_int_equal(uv_loop_init(&loop), 0);
    struct asking asking = {NULL, 0, 0};
    struct fq_uv_driver_options options;
    fq_uv_driver_options_init(&options);
    options.loop = &loop;
    options.target.address = peer->address;
    options.target.token = "secret";
    options.session.backoff_first_us = 1000;
    options.handler = &HANDLER;
    options.context = &asking;
    char error[200] = "";
    int rc = fq_uv_driver_open(&options, error, sizeof error, &asking.driver);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
    if (rc < 0) {
        assert_int_equal(rc, FQ_ENOMEM);
        assert_string_equal(error, "out of memory");
        return false;
    }
    assert_int_equal(asking.replies + asking.refused, 1);
    return asking.replies == 1;
}

static void the_driver_survives_each_failing_allocation(void **state) {
    int answered = 0;
    for (round_number = 0;; round_number++) {
        memory = (typeof(memory)){.is_armed = true, .left = round_number};
        bool is_answered = ask(*state);
        memory.is_armed = false;
        answered += is_answered;
        if (memory.failed == 0) {
            assert_true(is_answered);
            break;
        }
    }
    assert_true(round_number > 10);
    assert_true(answered > 1); // it connects again
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_survives_each_failing_allocation),
        cmocka_unit_test(the_driver_survives_each_failing_allocation),
    };
    return cmocka_run_group_tests(tests, open_peer, close_peer);
}
