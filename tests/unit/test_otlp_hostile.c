// SPDX-License-Identifier: Apache-2.0
// Receivers that are absent, slow, broken or malicious: time is bounded, what was lost is counted, and what is said helps.
#include "support/otlp_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <cmocka.h>

enum { LIMIT_MS = 250 };

struct hostile {
    const char *script;
    int expected;
    const char *error_type;  // of the outcome
    const char *said;        // part of a report
    bool takes_all_its_time; // ends by the deadline only
};

static otlp_server *start(struct otlp_rig *rig, const char *script, bool is_http) {
    otlp_server *server =
        otlp_server_start(&(struct otlp_server_options){.is_http = is_http, .script = script});
    otlp_rig_init(rig, server);
    rig->options.protocol = is_http ? OTEL_OTLP_HTTP_PROTOBUF : OTEL_OTLP_GRPC;
    rig->options.backoff_ms = 5;
    otlp_rig_open(rig);
    return server;
}

static void stop(struct otlp_rig *rig, otlp_server *server) {
    otlp_rig_done(rig);
    otlp_server_stop(server);
}

static long peak_kib(void) {
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return use.ru_maxrss;
}

static void check(const struct hostile *hostile, bool is_http) {
    struct otlp_rig rig;
    otlp_server *server = start(&rig, hostile->script, is_http);
    int64_t limit_ms = otlp_rig_slowness() * (hostile->takes_all_its_time ? LIMIT_MS : 10 * LIMIT_MS);
    int64_t begin = otlp_rig_now_ms();
    int result = otlp_rig_export(&rig, limit_ms);
    int64_t took = otlp_rig_now_ms() - begin;
    struct otel_exporter_stats stats = otlp_rig_stats(&rig);
    if (result != hostile->expected || strcmp(stats.outcomes[0].error_type, hostile->error_type) != 0 ||
        !otlp_rig_said(&rig, hostile->said))
        fail_msg("%s: result %d, error type %s, reports: %s", hostile->script, result,
                 stats.outcomes[0].error_type, rig.reports);
    assert_true(took < limit_ms + 200 * otlp_rig_slowness());
    assert_true(hostile->takes_all_its_time == (took >= limit_ms));
    assert_int_equal(stats.failed, 2);
    assert_int_equal(stats.exported + stats.inflight, 0);
    // It recovers as soon as the receiver does.
    otlp_server_set_script(server, "ok");
    assert_int_equal(otlp_rig_export(&rig, 0), OTEL_OK);
    assert_int_equal(otlp_rig_stats(&rig).exported, 2);
    stop(&rig, server);
}

static void hostile_grpc_receivers_cost_bounded_time(void **state) {
    (void)state;
    static const struct hostile cases[] = {
        {"hang",         OTEL_TIMEOUT, "timeout",            "raise OTEL_EXPORTER_OTLP_TIMEOUT", true },
        {"slow:5000",    OTEL_TIMEOUT, "timeout",            "no answer in time",                true },
        {"trickle",      OTEL_TIMEOUT, "timeout",            "no answer in time",                true },
        {"flood",        OTEL_TIMEOUT, "timeout",            "no answer in time",                true },
        {"close",        OTEL_FAILED,  "connection_lost",    "the connection broke",             false},
        {"half",         OTEL_FAILED,  "connection_lost",    "the connection broke",             false},
        {"garbage",      OTEL_FAILED,  "no_grpc",            "does not speak gRPC",              false},
        {"hpack",        OTEL_FAILED,  "connection_lost",    "the connection broke",             false},
        {"http1",        OTEL_FAILED,  "no_grpc",            "OTEL_EXPORTER_OTLP_PROTOCOL=http", false},
        {"headers",      OTEL_FAILED,  "response_too_large", "larger than an answer may be",     false},
        {"body:6000000", OTEL_FAILED,  "response_too_large", "larger than an answer may be",     false},
        {"bomb",         OTEL_FAILED,  "bad_response",       "no OTLP response",                 false},
        {"type",         OTEL_FAILED,  "bad_response",       "no OTLP response",                 false},
        {"http:503",     OTEL_FAILED,  "UNAVAILABLE",        "HTTP status 503",                  false},
        {"http:404",     OTEL_FAILED,  "UNIMPLEMENTED",      "HTTP status 404",                  false},
        {"reset:8",      OTEL_FAILED,  "CANCELLED",          "reset with HTTP/2 error 8",        false},
        {"reset:2",      OTEL_FAILED,  "INTERNAL",           "reset with HTTP/2 error 2",        false},
        {"reset:12",     OTEL_FAILED,  "PERMISSION_DENIED",  "reset with HTTP/2 error 12",       false},
        {"reset:7",      OTEL_FAILED,  "UNAVAILABLE",        "reset with HTTP/2 error 7",        false},
        {"late:13",      OTEL_FAILED,  "INTERNAL",           "INTERNAL",                         false},
        {"16",           OTEL_FAILED,  "UNAUTHENTICATED",    "check the key",                    false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check(&cases[i], false);
}

static void hostile_http_receivers_cost_bounded_time(void **state) {
    (void)state;
    static const struct hostile cases[] = {
        {"hang",         OTEL_TIMEOUT, "timeout",            "raise OTEL_EXPORTER_OTLP_TIMEOUT", true },
        {"slow:5000",    OTEL_TIMEOUT, "timeout",            "no answer in time",                true },
        {"trickle",      OTEL_TIMEOUT, "timeout",            "no answer in time",                true },
        {"close",        OTEL_FAILED,  "connection_failed",  "Empty reply",                      false},
        {"half",         OTEL_FAILED,  "connection_failed",  "reset",                            false},
        {"garbage",      OTEL_FAILED,  "connection_failed",  "is this the HTTP port",            false},
        {"headers",      OTEL_FAILED,  "response_too_large", "larger than an answer may be",     false},
        {"body:6000000", OTEL_FAILED,  "response_too_large", "larger than an answer may be",     false},
        {"body:100",     OTEL_FAILED,  "bad_response",       "no OTLP response",                 false},
        {"503",          OTEL_FAILED,  "503",                "HTTP status 503",                  false},
        {"301",          OTEL_FAILED,  "301",                "redirects are not followed",       false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check(&cases[i], true);
}

static void big_answers_cost_bounded_memory(void **state) {
    (void)state;
    struct otlp_rig rig;
    otlp_server *server = start(&rig, "ok", false);
    assert_int_equal(otlp_rig_export(&rig, 0), OTEL_OK);
    long before = peak_kib();
    // The receiver lives in this process: what it makes is counted too, 32 MiB in three buffers that double.
    otlp_server_set_script(server, "body:33554432");
    assert_int_not_equal(otlp_rig_export(&rig, 2000), OTEL_OK);
#ifndef __SANITIZE_THREAD__ // its shadow takes several times as much
    assert_true(peak_kib() - before < (2 * 32 + 64 + 16) * 1024);
#else
    (void)before;
#endif
    stop(&rig, server);
}

static void absent_receivers_cost_no_time(void **state) {
    (void)state;
    for (int is_http = 0; is_http < 2; is_http++) {
        struct otlp_rig rig;
        otlp_server *server = start(&rig, "ok", is_http);
        otlp_server_stop(server);
        int64_t begin = otlp_rig_now_ms();
        assert_int_equal(otlp_rig_export(&rig, 0), OTEL_FAILED);
        assert_true(otlp_rig_now_ms() - begin < 200);
        assert_int_equal(otlp_rig_stats(&rig).retries, 4);
        assert_string_equal(otlp_rig_stats(&rig).outcomes[0].error_type, "connection_failed");
        assert_true(otlp_rig_said(&rig, "OTEL_EXPORTER_OTLP_ENDPOINT"));
        otlp_rig_done(&rig);
    }
}

static void black_holes_end_by_the_deadline(void **state) {
    (void)state;
    for (int is_http = 0; is_http < 2; is_http++) {
        struct otlp_rig rig;
        otlp_server *server = otlp_server_start(&(struct otlp_server_options){.is_deaf = true});
        otlp_rig_init(&rig, server);
        rig.options.protocol = is_http ? OTEL_OTLP_HTTP_PROTOBUF : OTEL_OTLP_GRPC;
        otlp_rig_open(&rig);
        int64_t begin = otlp_rig_now_ms();
        assert_int_equal(otlp_rig_export(&rig, LIMIT_MS), OTEL_TIMEOUT);
        assert_in_range(otlp_rig_now_ms() - begin, LIMIT_MS, LIMIT_MS + 200 * otlp_rig_slowness());
        assert_int_equal(otlp_rig_stats(&rig).failed, 2);
        stop(&rig, server);
    }
}

static void unknown_hosts_are_told_from_dead_ones(void **state) {
    (void)state;
    for (int is_http = 0; is_http < 2; is_http++) {
        struct otlp_rig rig;
        otlp_rig_init(&rig, NULL);
        rig.options.endpoint = "http://no-such-host.invalid:4317";
        rig.options.protocol = is_http ? OTEL_OTLP_HTTP_PROTOBUF : OTEL_OTLP_GRPC;
        rig.options.backoff_ms = 5;
        otlp_rig_open(&rig);
        int64_t begin = otlp_rig_now_ms();
        assert_int_not_equal(otlp_rig_export(&rig, 1000), OTEL_OK);
        assert_true(otlp_rig_now_ms() - begin < 1200);
        assert_true(otlp_rig_said(&rig, "check the host in OTEL_EXPORTER_OTLP_ENDPOINT") ||
                    otlp_rig_said(&rig, "name server"));
        otlp_rig_done(&rig);
    }
}

static void wrong_ports_are_explained(void **state) {
    (void)state;
    struct otlp_rig rig;
    otlp_server *server = start(&rig, "ok", true);
    rig.exporter.ops->free(rig.exporter.self);
    rig.options.protocol = OTEL_OTLP_GRPC; // gRPC to a server of HTTP/1.1
    rig.options.timeout_ms = LIMIT_MS;
    otlp_server_set_script(server, "400");
    otlp_rig_open(&rig);
    assert_int_not_equal(otlp_rig_export(&rig, 0), OTEL_OK);
    stop(&rig, server);
    server = start(&rig, "ok", false);
    rig.exporter.ops->free(rig.exporter.self);
    rig.options.protocol = OTEL_OTLP_HTTP_PROTOBUF; // HTTP/1.1 to a gRPC port
    otlp_rig_open(&rig);
    assert_int_equal(otlp_rig_export(&rig, 0), OTEL_FAILED);
    stop(&rig, server);
}

static void restarts_lose_nothing_that_is_retried(void **state) {
    (void)state;
    for (int is_http = 0; is_http < 2; is_http++) {
        struct otlp_rig rig;
        otlp_server *server = start(&rig, "ok", is_http);
        for (int i = 0; i < 10; i++) {
            assert_int_equal(otlp_rig_export(&rig, 0), OTEL_OK);
            otlp_server_drop_connections(server);
        }
        assert_int_equal(otlp_rig_stats(&rig).exported, 20);
        assert_int_equal(otlp_server_wait(server, 10), 10);
        assert_int_equal(rig.report_count, 0);
        stop(&rig, server);
    }
}

static void goaway_and_refused_calls_go_to_a_new_connection(void **state) {
    (void)state;
    struct otlp_rig rig;
    otlp_server *server = start(&rig, "goaway goaway refuse ok refuse reset:7 ok", false);
    for (int i = 0; i < 3; i++)
        assert_int_equal(otlp_rig_export(&rig, 0), OTEL_OK);
    assert_int_equal(otlp_rig_stats(&rig).retries, 0); // they were not processed: no attempt is charged
    assert_true(otlp_server_connections(server) >= 3);
    assert_int_equal(otlp_rig_export(&rig, 0), OTEL_OK);
    assert_int_equal(rig.report_count, 0);
    stop(&rig, server);
}

static void early_status_is_not_lost_in_large_batches(void **state) {
    (void)state;
    size_t len = 1024 * 1024;
    uint8_t *bytes = test_calloc(1, len);
    struct otlp_rig rig;
    otlp_server *server = start(&rig, "early:7", false);
    for (int i = 0; i < 20; i++)
        assert_int_equal(otlp_rig_export_bytes(&rig, bytes, len, 1, 2000), OTEL_FAILED);
    struct otel_exporter_stats stats = otlp_rig_stats(&rig);
    assert_int_equal(stats.outcome_count, 1);
    assert_string_equal(stats.outcomes[0].status, "PERMISSION_DENIED");
    assert_int_equal(stats.failed, 20);
    stop(&rig, server);
    test_free(bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_grpc_receivers_cost_bounded_time),
        cmocka_unit_test(hostile_http_receivers_cost_bounded_time),
        cmocka_unit_test(big_answers_cost_bounded_memory),
        cmocka_unit_test(absent_receivers_cost_no_time),
        cmocka_unit_test(black_holes_end_by_the_deadline),
        cmocka_unit_test(unknown_hosts_are_told_from_dead_ones),
        cmocka_unit_test(wrong_ports_are_explained),
        cmocka_unit_test(restarts_lose_nothing_that_is_retried),
        cmocka_unit_test(goaway_and_refused_calls_go_to_a_new_connection),
        cmocka_unit_test(early_status_is_not_lost_in_large_batches),
    };
    return cmocka_run_group_tests_name("otlp_hostile", tests, NULL, NULL);
}
