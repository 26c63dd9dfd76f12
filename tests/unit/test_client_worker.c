// SPDX-License-Identifier: Apache-2.0
// The worker of a program's own process against a scripted server: what it asks, what it bears, what it refuses to believe.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fastqueue/worker.h"
#include "support/scripted_server.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ID        "018f0000-0000-7000-8000-00000000000a"
#define TASK(map) "*1\r\n" map
#define ID_ENTRY  "$2\r\nid\r\n$36\r\n" ID "\r\n"
#define NAME      "$4\r\nname\r\n$3\r\nadd\r\n"
#define TOKEN     "$5\r\ntoken\r\n$2\r\n77\r\n"
#define GRANT     TASK("%3\r\n" ID_ENTRY NAME TOKEN)

static fq_client *open_client(const struct scripted_server *server, uint32_t retries, int64_t timeout_ms) {
    struct fq_client_options options;
    fq_client_options_init(&options);
    options.address = server->address;
    options.timeout_ms = timeout_ms;
    options.retries = retries;
    options.no_telemetry = true;
    fq_client *client = NULL;
    char error[200] = "";
    if (fq_client_open(&options, &client, error, sizeof error) != 0)
        fail_msg("open: %s", error);
    return client;
}

static struct fq_worker_options worker_options(const char *const *names, size_t count) {
    struct fq_worker_options options;
    fq_worker_options_init(&options);
    options.worker_id = "w1";
    options.names = names;
    options.name_count = count;
    return options;
}

static fq_worker *open_worker(fq_client *client) {
    static const char *const names[] = {"add"};
    struct fq_worker_options options = worker_options(names, 1);
    fq_worker *worker = NULL;
    assert_int_equal(fq_worker_open(client, &options, &worker), 0);
    return worker;
}

static void close_all(fq_client *client, fq_worker *worker, struct scripted_server *server) {
    assert_null(fq_worker_close(worker));
    fq_client_close(client);
    scripted_server_end(server);
}

// --- registration ---------------------------------------------------------------------------------------------------------
static void all_that_was_given_is_registered(void **state) {
    (void)state;
    struct scripted_server server;
    SCRIPT(server, {"HELLO", HELLO_REPLY},
           {"FQ.REGISTER\r\n$2\r\nw1\r\n$8\r\nINSTANCE\r\n$5\r\nnonce\r\n$5\r\nSLOTS\r\n$1\r\n3\r\n$"
            "5\r\nTASKS\r\n"
            "$3\r\nadd\r\n$3\r\nmul\r\n",
            "+OK\r\n"},
           {"FQ.UNREGISTER\r\n$2\r\nw1\r\n$8\r\nINSTANCE\r\n$5\r\nnonce\r\n", "+OK\r\n"}, {NULL, NULL});
    fq_client *client = open_client(&server, 0, 5000);
    static const char *const names[] = {"add", "mul"};
    struct fq_worker_options options = worker_options(names, 2);
    options.slots = 3;
    options.instance = "nonce";
    fq_worker *worker = NULL;
    assert_int_equal(fq_worker_open(client, &options, &worker), 0);
    close_all(client, worker, &server);
}

static void the_id_is_the_environments_or_host_and_process(void **state) {
    (void)state;
    char host[HOST_NAME_MAX + 1] = "", own[HOST_NAME_MAX + 64], given[80];
    gethostname(host, sizeof host - 1);
    snprintf(own, sizeof own, "\r\n%s-%d\r\n", host, (int)getpid());
    snprintf(given, sizeof given, "\r\nfrom-variable\r\n");
    const char *const variables[] = {"from-variable", "", NULL};
    const char *const expected[] = {given, own, own};
    static const char *const names[] = {"add"};
    for (int i = 0; i < 3; i++) {
        if (variables[i] != NULL)
            setenv("FASTQUEUE_WORKER_ID", variables[i], 1);
        else
            unsetenv("FASTQUEUE_WORKER_ID");
        const struct scripted_step steps[] = {
            {"HELLO",         HELLO_REPLY},
            {expected[i],     "+OK\r\n"  },
            {"FQ.UNREGISTER", "+OK\r\n"  }
        };
        struct scripted_server server;
        scripted_server_start(&server, steps, 3);
        fq_client *client = open_client(&server, 0, 5000);
        struct fq_worker_options options = worker_options(names, 1);
        options.worker_id = NULL;
        fq_worker *worker = NULL;
        assert_int_equal(fq_worker_open(client, &options, &worker), 0);
        close_all(client, worker, &server);
    }
    unsetenv("FASTQUEUE_WORKER_ID");
}

static void a_refused_registration_leaves_no_worker(void **state) {
    (void)state;
    struct scripted_server server;
    SCRIPT(server, {"HELLO", HELLO_REPLY}, {"FQ.REGISTER", "-WORKEREXISTS w1 is at work elsewhere\r\n"},
           {NULL, NULL});
    fq_client *client = open_client(&server, 0, 5000);
    static const char *const names[] = {"add"};
    struct fq_worker_options options = worker_options(names, 1);
    fq_worker *worker = NULL;
    assert_int_equal(fq_worker_open(client, &options, &worker), FQ_EWORKEREXISTS);
    assert_null(worker);
    assert_string_equal(fq_client_error(client), "w1 is at work elsewhere");
    options.name_count = 0;
    assert_int_equal(fq_worker_open(client, &options, &worker), FQ_EINVALID);
    assert_null(worker);
    assert_string_equal(fq_client_error(client), "a worker registers at least one task name");
    close_all(client, NULL, &server);
}

// --- fetching -------------------------------------------------------------------------------------------------------------
static void a_task_has_all_that_was_told(void **state) {
    (void)state;
    struct scripted_server server;
    SCRIPT(server, {"HELLO", HELLO_REPLY}, {"FQ.REGISTER", "+OK\r\n"},
           {"FQ.FETCH\r\n$6\r\nWORKER\r\n$2\r\nw1\r\n$5\r\nCOUNT\r\n$4\r\n1000\r\n$5\r\nBLOCK\r\n$1\r\n0\r\n",
            TASK("%7\r\n" ID_ENTRY NAME TOKEN "$7\r\npayload\r\n$2\r\n{}\r\n$7\r\nattempt\r\n:2\r\n"
                 "$8\r\nlease_ms\r\n:30000\r\n$7\r\ntimeout\r\n:500\r\n")},
           {"FQ.FETCH", "*0\r\n"}, {"FQ.UNREGISTER", "+OK\r\n"}, {NULL, NULL});
    fq_client *client = open_client(&server, 0, 5000);
    fq_worker *worker = open_worker(client);
    const struct fq_worker_task *tasks = NULL;
    size_t count = 0;
    assert_int_equal(fq_worker_fetch(worker, 0, 0, &tasks, &count), FQ_EINVALID);
    assert_int_equal(fq_worker_fetch(worker, 5000, 0, &tasks, &count), 0);
    assert_int_equal(count, 1);
    assert_string_equal(tasks[0].lease.id, ID);
    assert_int_equal(tasks[0].lease.token, 77);
    assert_string_equal(tasks[0].name.ptr, "add");
    assert_string_equal(tasks[0].payload.ptr, "{}");
    assert_string_equal(tasks[0].encoding.ptr, "");
    assert_int_equal(tasks[0].attempt, 2);
    assert_int_equal(tasks[0].timeout_ms, 500);
    assert_int_equal(tasks[0].lease_ms, 30000);
    assert_int_equal(fq_worker_fetch(worker, 1, 0, &tasks, &count), 0);
    assert_int_equal(count, 0);
    close_all(client, worker, &server);
}

static void an_answer_that_is_no_task_is_refused(void **state) {
    (void)state;
    static const char *const answers[] = {
        "+OK\r\n",
        TASK("$2\r\nhm\r\n"),
        TASK("%2\r\n" NAME TOKEN),
        TASK("%3\r\n$2\r\nid\r\n$2\r\n01\r\n" NAME TOKEN),
        TASK("%2\r\n" ID_ENTRY TOKEN),
        TASK("%3\r\n" ID_ENTRY "$4\r\nname\r\n$0\r\n\r\n" TOKEN),
        TASK("%2\r\n" ID_ENTRY NAME),
        TASK("%3\r\n" ID_ENTRY NAME "$5\r\ntoken\r\n$2\r\n-1\r\n"),
    };
    enum { ANSWERS = sizeof answers / sizeof answers[0] };
    struct scripted_step steps[ANSWERS + 3] = {
        {"HELLO",       HELLO_REPLY},
        {"FQ.REGISTER", "+OK\r\n"  }
    };
    for (int i = 0; i < ANSWERS; i++)
        steps[2 + i] = (struct scripted_step){"FQ.FETCH", answers[i]};
    steps[2 + ANSWERS] = (struct scripted_step){"FQ.UNREGISTER", "+OK\r\n"};
    struct scripted_server server;
    scripted_server_start(&server, steps, ANSWERS + 3);
    fq_client *client = open_client(&server, 0, 5000);
    fq_worker *worker = open_worker(client);
    for (int i = 0; i < ANSWERS; i++) {
        const struct fq_worker_task *tasks = NULL;
        size_t count = 9;
        assert_int_equal(fq_worker_fetch(worker, 1, 1000, &tasks, &count), FQ_EPROTOCOL);
        assert_string_equal(fq_client_error(client), "the answer to FQ.FETCH cannot be kept");
        assert_null(tasks);
        assert_int_equal(count, 9);
    }
    close_all(client, worker, &server);
}

// Refused for now, forgotten, answered at once with nothing, cut off: the wait goes on, and brings the task.
static void a_wait_bears_what_passes(void **state) {
    (void)state;
    struct scripted_server server;
    SCRIPT(server, {"HELLO", HELLO_REPLY}, {"FQ.REGISTER", "+OK\r\n"},
           {"FQ.FETCH", "-BUSY too many wait\r\n"}, {"FQ.FETCH", "-DRAINING soon gone\r\n"},
           {"FQ.FETCH", "*0\r\n"}, {"FQ.FETCH", "-UNKNOWNWORKER who?\r\n"}, {"FQ.REGISTER", "+OK\r\n"},
           {"FQ.FETCH", NULL}, {"HELLO", HELLO_REPLY}, {"FQ.REGISTER", "+OK\r\n"}, {"FQ.FETCH", GRANT},
           {"FQ.UNREGISTER", "+OK\r\n"}, {NULL, NULL});
    fq_client *client = open_client(&server, 2, 5000);
    fq_worker *worker = open_worker(client);
    const struct fq_worker_task *tasks = NULL;
    size_t count = 0;
    assert_int_equal(fq_worker_fetch(worker, 1, -1, &tasks, &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(tasks[0].lease.token, 77);
    close_all(client, worker, &server);
    assert_int_equal(server.connections, 2);
}

static void a_wait_that_is_over_says_why(void **state) {
    (void)state;
    static const struct {
        const char *answer;
        int error;
    } cases[] = {
        {"-BUSY too many wait\r\n", FQ_EBUSY    },
        {"-DRAINING soon gone\r\n", FQ_EDRAINING},
        {"-NOPERM not yours\r\n",   FQ_ENOPERM  },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct scripted_step steps[] = {
            {"HELLO",         HELLO_REPLY    },
            {"FQ.REGISTER",   "+OK\r\n"      },
            {"FQ.FETCH",      cases[i].answer},
            {"FQ.UNREGISTER", "+OK\r\n"      }
        };
        struct scripted_server server;
        scripted_server_start(&server, steps, 4);
        fq_client *client = open_client(&server, 0, 5000);
        fq_worker *worker = open_worker(client);
        const struct fq_worker_task *tasks;
        size_t count;
        assert_int_equal(fq_worker_fetch(worker, 1, cases[i].error == FQ_ENOPERM ? 1000 : 0, &tasks, &count),
                         cases[i].error);
        close_all(client, worker, &server);
    }
}

static void a_worker_that_is_forgotten_again_and_again_gives_up(void **state) {
    (void)state;
    struct scripted_server server;
    SCRIPT(server, {"HELLO", HELLO_REPLY}, {"FQ.REGISTER", "+OK\r\n"},
           {"FQ.FETCH", "-UNKNOWNWORKER who?\r\n"}, {"FQ.REGISTER", "+OK\r\n"},
           {"FQ.FETCH", "-UNKNOWNWORKER who?\r\n"}, {"FQ.REGISTER", "-NOPERM no\r\n"}, {NULL, NULL});
    fq_client *client = open_client(&server, 0, 5000);
    fq_worker *worker = open_worker(client);
    const struct fq_worker_task *tasks;
    size_t count;
    assert_int_equal(fq_worker_fetch(worker, 1, 5000, &tasks, &count), FQ_EUNKNOWNWORKER);
    assert_int_equal(fq_worker_fetch(worker, 1, 5000, &tasks, &count), FQ_ENOPERM);
    close_all(client, worker, &server); // not registered: nothing to take back
}

static void a_worker_without_a_connection_closes_silently(void **state) {
    (void)state;
    struct scripted_server server;
    SCRIPT(server, {"HELLO", HELLO_REPLY}, {"FQ.REGISTER", "+OK\r\n"}, {"FQ.FETCH", NULL});
    fq_client *client = open_client(&server, 0, 5000);
    fq_worker *worker = open_worker(client);
    const struct fq_worker_task *tasks;
    size_t count;
    assert_int_equal(fq_worker_fetch(worker, 1, 0, &tasks, &count), FQ_EDISCONNECTED);
    close_all(client, worker, &server);
}

// --- leases ---------------------------------------------------------------------------------------------------------------
static const struct fq_lease LEASE = {ID, 77};
#define PROOF "\r\n$36\r\n" ID "\r\n$2\r\n77\r\n"

static void reports_say_what_is_known(void **state) {
    (void)state;
    struct scripted_server server;
    SCRIPT(
        server, {"HELLO", HELLO_REPLY}, {"*4\r\n$11\r\nFQ.COMPLETE" PROOF "$4\r\nnull\r\n", "+OK\r\n"},
        {"FQ.COMPLETE" PROOF
         "$1\r\nx\r\n$8\r\nENCODING\r\n$3\r\nraw\r\n$7\r\nSTARTED\r\n$4\r\n1234\r\n$3\r\nRUN\r\n$1\r\n0\r\n"
         "$11\r\nTRACEPARENT\r\n$2\r\ntp\r\n",
         "-STALELEASE too late\r\n"},
        {"*5\r\n$7\r\nFQ.FAIL" PROOF "$10\r\nValueError\r\n$3\r\nbad\r\n", "+OK\r\n"},
        {"FQ.FAIL" PROOF "$10\r\nValueError\r\n$3\r\nbad\r\n$5\r\nSTACK\r\n$2\r\nat\r\n$7\r\nNORETRY\r\n",
         "+OK\r\n"},
        {"*3\r\n$10\r\nFQ.RELEASE" PROOF, "+OK\r\n"}, {NULL, NULL});
    fq_client *client = open_client(&server, 0, 5000);
    assert_int_equal(fq_lease_complete(client, &LEASE, "null", 4, NULL), 0);
    struct fq_lease_report report;
    fq_lease_report_init(&report);
    report.encoding = "raw";
    report.started_unix_ms = 1234;
    report.run_us = 0;
    report.traceparent = "tp";
    assert_int_equal(fq_lease_complete(client, &LEASE, "x", 1, &report), FQ_ESTALELEASE);
    assert_int_equal(fq_lease_fail(client, &LEASE, "ValueError", "bad", NULL), 0);
    fq_lease_report_init(&report);
    report.stack = "at";
    report.traceparent = "";
    report.no_retry = true;
    assert_int_equal(fq_lease_fail(client, &LEASE, "ValueError", "bad", &report), 0);
    assert_int_equal(fq_lease_release(client, &LEASE), 0);
    close_all(client, NULL, &server);
}

static void many_outcomes_are_told_apart(void **state) {
    (void)state;
    struct scripted_server server;
    SCRIPT(server, {"HELLO", HELLO_REPLY},
           {"*4\r\n$11\r\nFQ.COMPLETE" PROOF "$1\r\n1\r\n"
            "*6\r\n$11\r\nFQ.COMPLETE" PROOF "$1\r\nx\r\n$8\r\nENCODING\r\n$3\r\nraw\r\n"
            "*4\r\n$11\r\nFQ.COMPLETE" PROOF "$1\r\n3\r\n",
            "+OK\r\n-STALELEASE too late\r\n+OK\r\n"},
           {NULL, NULL});
    fq_client *client = open_client(&server, 0, 5000);
    struct fq_lease_report raw;
    fq_lease_report_init(&raw);
    raw.encoding = "raw";
    struct fq_lease_outcome outcomes[] = {
        {.lease = LEASE,  .result = "1", .result_len = 1, .error = FQ_EIO},
        {.lease = LEASE,               .result = "x",               .result_len = 1,   .report = &raw},
        {.lease = LEASE, .result = "3",              .result_len = 1             },
    };
    assert_int_equal(fq_lease_complete_many(client, outcomes, 3), 0);
    assert_int_equal(outcomes[0].error, 0);
    assert_int_equal(outcomes[1].error, FQ_ESTALELEASE);
    assert_int_equal(outcomes[2].error, 0);
    assert_string_equal(fq_client_error(client), "too late");
    assert_int_equal(fq_lease_complete_many(client, outcomes, 0), 0);
    close_all(client, NULL, &server);
}

static void outcomes_are_told_again_after_a_loss(void **state) {
    (void)state;
    for (uint32_t retries = 0; retries < 2; retries++) {
        const struct scripted_step steps[] = {
            {"HELLO",                                                   HELLO_REPLY},
            {"$1\r\n1\r\n*4\r\n$11\r\nFQ.COMPLETE" PROOF "$1\r\n2\r\n", "+OK\r\n"  },
            {"",                                                        NULL       },
            {"HELLO",                                                   HELLO_REPLY},
            {"*4\r\n$11\r\nFQ.COMPLETE" PROOF "$1\r\n2\r\n",            "+OK\r\n"  },
        };
        struct scripted_server server;
        scripted_server_start(&server, steps, retries == 0 ? 3 : 5);
        fq_client *client = open_client(&server, retries, 5000);
        struct fq_lease_outcome outcomes[] = {
            {.lease = LEASE, .result = "1", .result_len = 1},
            {.lease = LEASE, .result = "2", .result_len = 1},
        };
        int lost = retries == 0 ? FQ_EDISCONNECTED : 0;
        assert_int_equal(fq_lease_complete_many(client, outcomes, 2), lost);
        assert_int_equal(outcomes[0].error, 0);
        assert_int_equal(outcomes[1].error, lost);
        close_all(client, NULL, &server);
    }
}

// No more than a window of them is unanswered: the control plane would stop reading.
static void outcomes_go_out_in_windows(void **state) {
    (void)state;
    enum { COUNT = 5000, FIRST = 4096, OK_LEN = 5 };
    char *oks = calloc(COUNT, OK_LEN + 1), (*results)[8] = calloc(COUNT, sizeof *results);
    struct fq_lease_outcome *outcomes = calloc(COUNT, sizeof *outcomes);
    assert_true(oks != NULL && results != NULL && outcomes != NULL);
    for (size_t i = 0; i < COUNT; i++) {
        memcpy(oks + i * OK_LEN, "+OK\r\n", OK_LEN);
        int len = snprintf(results[i], sizeof results[i], "r%zu", i);
        outcomes[i] = (struct fq_lease_outcome){
            .lease = LEASE, .result = results[i], .result_len = (size_t)len, .error = 7};
    }
    const struct scripted_step steps[] = {
        {"HELLO",     HELLO_REPLY                           },
        {"\r\nr4095", oks + (size_t)(COUNT - FIRST) * OK_LEN},
        {"\r\nr4999", oks + (size_t)FIRST * OK_LEN          },
    };
    struct scripted_server server;
    scripted_server_start(&server, steps, 3);
    fq_client *client = open_client(&server, 0, 20000);
    assert_int_equal(fq_lease_complete_many(client, outcomes, COUNT), 0);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(outcomes[i].error, 0);
    close_all(client, NULL, &server);
    free(outcomes);
    free(results);
    free(oks);
}

static void heartbeats_bring_verdicts(void **state) {
    (void)state;
    struct scripted_server server;
    SCRIPT(server, {"HELLO", HELLO_REPLY},
           {"*13\r\n$12\r\nFQ.HEARTBEAT" PROOF "$4\r\nheld" PROOF "$7\r\nrunning" PROOF
            "$12\r\nrunning@1234" PROOF "$4\r\nheld\r\n",
            "*4\r\n$2\r\nok\r\n$6\r\ncancel\r\n$5\r\nstale\r\n$5\r\ndrain\r\n"},
           {"FQ.HEARTBEAT", "-NOPERM not yours\r\n"}, {NULL, NULL});
    fq_client *client = open_client(&server, 0, 5000);
    const struct fq_lease_beat beats[] = {
        {LEASE, false, 0   },
        {LEASE, true,  0   },
        {LEASE, true,  1234},
        {LEASE, false, 0   },
    };
    enum fq_lease_verdict verdicts[4];
    assert_int_equal(fq_lease_heartbeat(client, beats, 4, verdicts), 0);
    assert_int_equal(verdicts[0], FQ_LEASE_OK);
    assert_int_equal(verdicts[1], FQ_LEASE_CANCEL);
    assert_int_equal(verdicts[2], FQ_LEASE_STALE);
    assert_int_equal(verdicts[3], FQ_LEASE_DRAIN);
    assert_int_equal(fq_lease_heartbeat(client, beats, 1, verdicts), FQ_ENOPERM);
    assert_string_equal(fq_client_error(client), "not yours");
    close_all(client, NULL, &server);
}

static void a_heartbeat_without_a_verdict_for_each_is_refused(void **state) {
    (void)state;
    static const char *const answers[] = {"+OK\r\n", "*1\r\n$2\r\nok\r\n", "*2\r\n$2\r\nok\r\n$2\r\nno\r\n",
                                          "*2\r\n:1\r\n:2\r\n", "*2\r\n$2\r\nok\r\n$5\r\nstall\r\n"};
    enum { ANSWERS = sizeof answers / sizeof answers[0] };
    struct scripted_step steps[ANSWERS + 1] = {
        {"HELLO", HELLO_REPLY}
    };
    for (int i = 0; i < ANSWERS; i++)
        steps[1 + i] = (struct scripted_step){"FQ.HEARTBEAT", answers[i]};
    struct scripted_server server;
    scripted_server_start(&server, steps, ANSWERS + 1);
    fq_client *client = open_client(&server, 0, 5000);
    const struct fq_lease_beat beats[] = {
        {LEASE, false, 0},
        {LEASE, true,  0}
    };
    for (int i = 0; i < ANSWERS; i++) {
        enum fq_lease_verdict verdicts[2];
        assert_int_equal(fq_lease_heartbeat(client, beats, 2, verdicts), FQ_EPROTOCOL);
        assert_string_equal(fq_client_error(client), "the answer to FQ.HEARTBEAT has no verdict for each");
    }
    close_all(client, NULL, &server);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_was_given_is_registered),
        cmocka_unit_test(the_id_is_the_environments_or_host_and_process),
        cmocka_unit_test(a_refused_registration_leaves_no_worker),
        cmocka_unit_test(a_task_has_all_that_was_told),
        cmocka_unit_test(an_answer_that_is_no_task_is_refused),
        cmocka_unit_test(a_wait_bears_what_passes),
        cmocka_unit_test(a_wait_that_is_over_says_why),
        cmocka_unit_test(a_worker_that_is_forgotten_again_and_again_gives_up),
        cmocka_unit_test(a_worker_without_a_connection_closes_silently),
        cmocka_unit_test(reports_say_what_is_known),
        cmocka_unit_test(many_outcomes_are_told_apart),
        cmocka_unit_test(outcomes_are_told_again_after_a_loss),
        cmocka_unit_test(outcomes_go_out_in_windows),
        cmocka_unit_test(heartbeats_bring_verdicts),
        cmocka_unit_test(a_heartbeat_without_a_verdict_for_each_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
