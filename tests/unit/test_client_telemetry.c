// SPDX-License-Identifier: Apache-2.0
// What a client and a worker in a program's own process tell: against a scripted server, with an SDK that keeps its spans.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/buf.h"
#include "fastqueue/worker.h"
#include "otel/exporters/otlp.h"
#include "otel/sdk.h"
#include "support/scripted_server.h"

#include <stdlib.h>
#include <string.h>

#define ID     "018f0000-0000-7000-8000-00000000000a"
#define ID_B   "018f0000-0000-7000-8000-00000000000b"
#define STORED "$36\r\n" ID "\r\n"
#define TRACE  "0123456789abcdef0123456789abcdef"
#define GIVEN  "00-" TRACE "-0123456789abcdef-01"

static const char *no_variable(void *context, const char *name) {
    (void)context;
    (void)name;
    return NULL;
}

struct fixture {
    otel_sdk *sdk;
    struct otel_memory_exporter *spans, *metrics;
    fq_client *client;
    fq_buf json;
};

static void open_sdk(struct fixture *fixture) {
    static struct otel_exporter traces, metrics; // the SDK copies them
    assert_int_equal(otel_memory_exporter_new(OTEL_SIGNAL_TRACES, &traces, &fixture->spans), 0);
    assert_int_equal(otel_memory_exporter_new(OTEL_SIGNAL_METRICS, &metrics, &fixture->metrics), 0);
    struct otel_sdk_options options;
    otel_sdk_options_init(&options);
    options.variable = no_variable;
    options.exporters[OTEL_SIGNAL_TRACES] = &traces;
    options.exporters[OTEL_SIGNAL_METRICS] = &metrics;
    options.only_own_exporters = true;
    fixture->sdk = otel_sdk_new(&options);
    assert_non_null(fixture->sdk);
}

static void open_client(struct fixture *fixture, const struct scripted_server *server, bool with_telemetry) {
    *fixture = (struct fixture){.sdk = NULL};
    if (with_telemetry)
        open_sdk(fixture);
    struct fq_client_options options;
    fq_client_options_init(&options);
    options.address = server->address;
    options.timeout_ms = 5000;
    options.telemetry = fixture->sdk;
    options.no_telemetry = !with_telemetry;
    char error[200] = "";
    if (fq_client_open(&options, &fixture->client, error, sizeof error) != 0)
        fail_msg("open: %s", error);
}

static void close_all(struct fixture *fixture, struct scripted_server *server) {
    fq_client_close(fixture->client);
    scripted_server_end(server);
    otel_sdk_free(fixture->sdk);
    fq_buf_done(&fixture->json);
}

static void append(void *context, const char *text, size_t len) {
    assert_int_equal(fq_buf_append(context, text, len), 0);
}

// All that was exported of a signal, as JSON.
static const char *exported(struct fixture *fixture, enum otel_signal signal) {
    struct otel_memory_exporter *memory = signal == OTEL_SIGNAL_TRACES ? fixture->spans : fixture->metrics;
    struct otel_export_batch batch;
    assert_int_equal(otel_sdk_flush(fixture->sdk, 10000), OTEL_OK);
    fq_buf_clear(&fixture->json);
    for (size_t i = 0; otel_memory_exporter_at(memory, i, &batch); i++)
        assert_int_equal(otel_bytes_to_json(signal, batch.bytes, batch.len, append, &fixture->json), OTEL_OK);
    append(&fixture->json, "", 1);
    return fixture->json.data + fixture->json.begin;
}
static size_t count_of(const char *json, const char *part) {
    size_t count = 0;
    while ((json = strstr(json, part)) != NULL) {
        json += strlen(part);
        count++;
    }
    return count;
}
static void assert_has(const char *json, const char *part) {
    if (strstr(json, part) == NULL)
        fail_msg("%s\nis not in\n%s", part, json);
}

static int submit(fq_client *client, struct fq_submit_options *options) {
    char id[37];
    options->id = ID;
    return fq_client_submit(client, "add", "{}", 2, options, id);
}
static struct fq_submit_options defaults(void) {
    struct fq_submit_options options;
    fq_submit_options_init(&options);
    return options;
}

static void a_submission_has_a_span_that_goes_with_the_task(void **state) {
    (void)state;
    struct scripted_server server;
    struct fixture fixture;
    SCRIPT(server, {"HELLO", HELLO_REPLY}, {"TRACEPARENT\r\n$55\r\n00-", STORED}, {NULL, NULL});
    open_client(&fixture, &server, true);
    struct fq_submit_options options = defaults();
    assert_int_equal(submit(fixture.client, &options), 0);
    const char *json = exported(&fixture, OTEL_SIGNAL_TRACES);
    assert_has(json, "\"name\":\"client.submit_task\",\"kind\":4");
    assert_has(json, "{\"key\":\"task.id\",\"value\":{\"stringValue\":\"" ID "\"}}");
    assert_has(json, "{\"key\":\"server.address\",\"value\":{\"stringValue\":\"/");
    assert_has(exported(&fixture, OTEL_SIGNAL_METRICS), "messaging.client.sent.messages");
    close_all(&fixture, &server);
}

static void the_current_span_is_the_parent(void **state) {
    (void)state;
    struct scripted_server server;
    struct fixture fixture;
    SCRIPT(server, {"HELLO", HELLO_REPLY}, {"TRACEPARENT\r\n$55\r\n00-" TRACE, STORED}, {NULL, NULL});
    open_client(&fixture, &server, true);
    struct otel_span_context identity;
    assert_int_equal(otel_traceparent_parse(GIVEN, strlen(GIVEN), &identity), 0);
    otel_context *context = otel_context_with_span_context(NULL, &identity, NULL, 0);
    struct otel_scope scope;
    otel_scope_enter(&scope, context);
    struct fq_submit_options options = defaults();
    assert_int_equal(submit(fixture.client, &options), 0);
    otel_scope_leave(&scope);
    otel_context_release(context);
    assert_has(exported(&fixture, OTEL_SIGNAL_TRACES), "\"parentSpanId\":\"0123456789abcdef\"");
    close_all(&fixture, &server);
}

static void without_telemetry_the_current_context_travels(void **state) {
    (void)state;
    struct scripted_server server;
    struct fixture fixture;
    SCRIPT(server, {"HELLO", HELLO_REPLY},
           {"TRACEPARENT\r\n$55\r\n" GIVEN
            "\r\n$10\r\nTRACESTATE\r\n$3\r\na=1\r\n$7\r\nBAGGAGE\r\n$6\r\nuser=7",
            STORED},
           {NULL, NULL});
    open_client(&fixture, &server, false);
    struct otel_span_context identity;
    assert_int_equal(otel_traceparent_parse(GIVEN, strlen(GIVEN), &identity), 0);
    otel_context *remote = otel_context_with_span_context(NULL, &identity, "a=1", 3);
    otel_baggage *baggage = otel_baggage_with(NULL, "user", "7", NULL);
    otel_context *context = otel_context_with_baggage(remote, baggage);
    struct otel_scope scope;
    otel_scope_enter(&scope, context);
    struct fq_submit_options options = defaults();
    assert_int_equal(submit(fixture.client, &options), 0);
    otel_scope_leave(&scope);
    otel_context_release(context);
    otel_context_release(remote);
    otel_baggage_release(baggage);
    close_all(&fixture, &server);
}

static void a_context_that_the_caller_names_stays(void **state) {
    (void)state;
    struct scripted_server server;
    struct fixture fixture;
    SCRIPT(server, {"HELLO", HELLO_REPLY}, {"TRACEPARENT\r\n$55\r\n" GIVEN, STORED}, {NULL, NULL});
    open_client(&fixture, &server, true);
    struct fq_submit_options options = defaults();
    options.traceparent = GIVEN;
    assert_int_equal(submit(fixture.client, &options), 0);
    const char *json = exported(&fixture, OTEL_SIGNAL_TRACES);
    assert_has(json, "\"traceId\":\"" TRACE "\"");
    assert_has(json, "\"kind\":3"); // not the one that the worker continues
    close_all(&fixture, &server);
}

static void a_repeated_submission_is_one_span(void **state) {
    (void)state;
    struct scripted_server server;
    struct fixture fixture;
    SCRIPT(server, {"HELLO", HELLO_REPLY}, {ID, "-BUSY later\r\n"}, {ID, STORED}, {NULL, NULL});
    open_client(&fixture, &server, true);
    struct fq_submit_options options = defaults();
    assert_int_equal(submit(fixture.client, &options), 0);
    const char *json = exported(&fixture, OTEL_SIGNAL_TRACES);
    assert_int_equal(count_of(json, "client.submit_task"), 1);
    assert_int_equal(count_of(json, "error.type"), 0);
    close_all(&fixture, &server);
}

static void a_refused_submission_is_an_error(void **state) {
    (void)state;
    struct scripted_server server;
    struct fixture fixture;
    SCRIPT(server, {"HELLO", HELLO_REPLY}, {ID, "-IDCONFLICT another body\r\n"}, {NULL, NULL});
    open_client(&fixture, &server, true);
    struct fq_submit_options options = defaults();
    assert_int_equal(submit(fixture.client, &options), FQ_EIDCONFLICT);
    const char *json = exported(&fixture, OTEL_SIGNAL_TRACES);
    assert_has(json, "{\"key\":\"error.type\",\"value\":{\"stringValue\":\"IDCONFLICT\"}}");
    assert_has(json, "\"code\":2");
    assert_has(exported(&fixture, OTEL_SIGNAL_METRICS), "IDCONFLICT");
    close_all(&fixture, &server);
}

static void each_task_of_many_has_its_span(void **state) {
    (void)state;
    struct scripted_server server;
    struct fixture fixture;
    SCRIPT(server, {"HELLO", HELLO_REPLY}, {ID_B, STORED "-IDCONFLICT another body\r\n"}, {NULL, NULL});
    open_client(&fixture, &server, true);
    struct fq_submit_options one = defaults(), two = defaults();
    one.id = ID;
    two.id = ID_B;
    const struct fq_client_task tasks[] = {
        {"add", "{}", 2, &one},
        {"mul", "{}", 2, &two}
    };
    char ids[2][37];
    assert_int_equal(fq_client_submit_many(fixture.client, tasks, 2, ids), FQ_EIDCONFLICT);
    const char *json = exported(&fixture, OTEL_SIGNAL_TRACES);
    assert_int_equal(count_of(json, "client.submit_task"), 2);
    assert_int_equal(count_of(json, "\"error.type\""), 1);
    assert_has(json, "{\"key\":\"task.name\",\"value\":{\"stringValue\":\"mul\"}}");
    close_all(&fixture, &server);
}

// --- runs -----------------------------------------------------------------------------------------------------------------
#define GRANT                                                                                                \
    "*1\r\n%6\r\n$2\r\nid\r\n$36\r\n" ID "\r\n$5\r\ntoken\r\n$1\r\n7\r\n$4\r\nname\r\n$3\r\nadd\r\n"         \
    "$8\r\npriority\r\n$4\r\nhigh\r\n$7\r\nattempt\r\n:2\r\n$11\r\ntraceparent\r\n$55\r\n" GIVEN "\r\n"
#define RETRY                                                                                                \
    "*1\r\n%7\r\n$2\r\nid\r\n$36\r\n" ID "\r\n$5\r\ntoken\r\n$1\r\n7\r\n$4\r\nname\r\n$3\r\nadd\r\n"         \
    "$8\r\npriority\r\n$4\r\nhigh\r\n$7\r\nattempt\r\n:2\r\n$11\r\ntraceparent\r\n$55\r\n" GIVEN "\r\n"      \
    "$20\r\nprevious_traceparent\r\n$55\r\n00-" TRACE "-00000000000000aa-01\r\n"

static fq_worker *open_worker(fq_client *client) {
    struct fq_worker_options options;
    fq_worker_options_init(&options);
    options.worker_id = "w1";
    options.names = (const char *const[]){"add"};
    options.name_count = 1;
    fq_worker *worker = NULL;
    assert_int_equal(fq_worker_open(client, &options, &worker), 0);
    return worker;
}

static void begin_run(fq_worker *worker, struct fq_run *run, struct fq_lease_report *report) {
    const struct fq_worker_task *tasks;
    size_t count;
    assert_int_equal(fq_worker_fetch(worker, 1, 1000, &tasks, &count), 0);
    assert_int_equal(count, 1);
    fq_run_begin(worker, &tasks[0], run);
    fq_lease_report_init(report);
    report->run = run;
}

static void a_run_is_a_child_of_the_submitter_and_linked(void **state) {
    (void)state;
    struct scripted_server server;
    struct fixture fixture;
    SCRIPT(server, {"HELLO", HELLO_REPLY}, {"FQ.REGISTER", "%0\r\n"}, {"FQ.FETCH", RETRY},
           {"TRACEPARENT\r\n$55\r\n00-" TRACE, "+OK\r\n"}, {"FQ.UNREGISTER", "+OK\r\n"}, {NULL, NULL});
    open_client(&fixture, &server, true);
    fq_worker *worker = open_worker(fixture.client);
    struct fq_run run;
    struct fq_lease_report report;
    begin_run(worker, &run, &report);
    assert_non_null(run.span);
    struct otel_scope scope;
    otel_scope_enter_span(&scope, run.span);
    assert_ptr_equal(otel_span_current(), run.span);
    otel_scope_leave(&scope);
    assert_int_equal(fq_lease_complete(fixture.client, &run.task->lease, "3", 1, &report), 0);
    assert_null(run.span);
    const char *json = exported(&fixture, OTEL_SIGNAL_TRACES);
    assert_has(json, "\"name\":\"worker.execute_task\",\"kind\":5");
    assert_has(json, "\"parentSpanId\":\"0123456789abcdef\"");
    assert_has(json, "\"links\":[{\"traceId\":\"" TRACE "\",\"spanId\":\"0123456789abcdef\"");
    assert_has(json, "\"spanId\":\"00000000000000aa\"");
    assert_has(json, "{\"key\":\"worker.id\",\"value\":{\"stringValue\":\"w1\"}}");
    assert_has(json, "{\"key\":\"fastqueue.task.attempt\",\"value\":{\"intValue\":\"2\"}}");
    assert_int_equal(count_of(json, "\"status\":{\"code\""), 0);
    json = exported(&fixture, OTEL_SIGNAL_METRICS);
    assert_has(json, "messaging.process.duration");
    assert_has(json, "messaging.client.consumed.messages");
    fq_worker_close(worker);
    close_all(&fixture, &server);
}

static void a_run_that_fails_has_its_exception(void **state) {
    (void)state;
    struct scripted_server server;
    struct fixture fixture;
    SCRIPT(server, {"HELLO", HELLO_REPLY}, {"FQ.REGISTER", "%0\r\n"}, {"FQ.FETCH", GRANT},
           {"RUN\r\n", "+OK\r\n"}, {"FQ.UNREGISTER", "+OK\r\n"}, {NULL, NULL});
    open_client(&fixture, &server, true);
    fq_worker *worker = open_worker(fixture.client);
    struct fq_run run;
    struct fq_lease_report report;
    begin_run(worker, &run, &report);
    assert_int_equal(fq_lease_fail(fixture.client, &run.task->lease, "ValueError", "bad", &report), 0);
    const char *json = exported(&fixture, OTEL_SIGNAL_TRACES);
    assert_has(json, "\"status\":{\"message\":\"bad\",\"code\":2}");
    assert_has(json, "\"name\":\"exception\"");
    assert_int_equal(
        count_of(json, "{\"key\":\"exception.type\",\"value\":{\"stringValue\":\"ValueError\"}}"), 2);
    assert_has(json, "{\"key\":\"error.type\",\"value\":{\"stringValue\":\"ValueError\"}}");
    fq_worker_close(worker);
    close_all(&fixture, &server);
}

static void a_run_without_telemetry_tells_its_times(void **state) {
    (void)state;
    struct scripted_server server;
    struct fixture fixture;
    SCRIPT(server, {"HELLO", HELLO_REPLY}, {"FQ.REGISTER", "%0\r\n"}, {"FQ.FETCH", GRANT},
           {"STARTED\r\n", "+OK\r\n"}, {"FQ.UNREGISTER", "+OK\r\n"}, {NULL, NULL});
    open_client(&fixture, &server, false);
    fq_worker *worker = open_worker(fixture.client);
    struct fq_run run;
    struct fq_lease_report report;
    begin_run(worker, &run, &report);
    assert_string_equal(run.traceparent, "");
    struct otel_scope scope;
    struct otel_span_context current;
    otel_scope_enter_span(&scope, run.span); // the submitter's identity goes on all the same
    assert_true(otel_current_span_context(&current));
    assert_int_equal(current.span_id[7], 0xef);
    otel_scope_leave(&scope);
    assert_int_equal(fq_lease_complete(fixture.client, &run.task->lease, "3", 1, &report), 0);
    fq_worker_close(worker);
    close_all(&fixture, &server);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_submission_has_a_span_that_goes_with_the_task),
        cmocka_unit_test(the_current_span_is_the_parent),
        cmocka_unit_test(without_telemetry_the_current_context_travels),
        cmocka_unit_test(a_context_that_the_caller_names_stays),
        cmocka_unit_test(a_repeated_submission_is_one_span),
        cmocka_unit_test(a_refused_submission_is_an_error),
        cmocka_unit_test(each_task_of_many_has_its_span),
        cmocka_unit_test(a_run_is_a_child_of_the_submitter_and_linked),
        cmocka_unit_test(a_run_that_fails_has_its_exception),
        cmocka_unit_test(a_run_without_telemetry_tells_its_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
