// SPDX-License-Identifier: Apache-2.0
// OTLP over gRPC against a receiver that behaves.
#include "support/otlp_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static void *start(struct otlp_rig *rig, struct otlp_server_options options) {
    otlp_server *server = otlp_server_start(&options);
    otlp_rig_init(rig, server);
    return server;
}

static void stop(struct otlp_rig *rig, otlp_server *server) {
    otlp_rig_done(rig);
    otlp_server_stop(server);
}

static void otlp_grpc_exporter_delivers_each_signal(void **state) {
    (void)state;
    static const char *const paths[] = {"/opentelemetry.proto.collector.trace.v1.TraceService/Export",
                                        "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
                                        "/opentelemetry.proto.collector.logs.v1.LogsService/Export"};
    for (enum otel_signal signal = OTEL_SIGNAL_TRACES; signal < OTEL_SIGNAL_COUNT; signal++) {
        struct otlp_rig rig;
        otlp_server *server = start(&rig, (struct otlp_server_options){0});
        rig.options.signal = signal;
        otlp_rig_open(&rig);
        assert_int_equal(otlp_rig_export(&rig, 0), OTEL_OK);
        const struct otlp_request *request = otlp_server_request(server, 0);
        assert_string_equal(request->path, paths[signal]);
        assert_non_null(strstr(request->headers, "content-type: application/grpc\n"));
        assert_non_null(strstr(request->headers, "te: trailers\n"));
        assert_non_null(strstr(request->headers, ":scheme: http\n"));
        struct otel_exporter_stats stats = otlp_rig_stats(&rig);
        assert_int_equal(stats.exported, 2);
        assert_int_equal(stats.failed + stats.rejected + stats.inflight + stats.retries, 0);
        assert_int_equal(stats.outcome_count, 1);
        assert_string_equal(stats.outcomes[0].error_type, "");
        assert_string_equal(stats.outcomes[0].status, "OK");
        assert_true(stats.last_success_unix_ns > 0);
        assert_string_equal(stats.server_address, "127.0.0.1");
        assert_int_equal(stats.server_port, otlp_server_port(server));
        stop(&rig, server);
    }
}

static void otlp_grpc_request_is_the_golden_bytes(void **state) {
    (void)state;
    struct otlp_rig rig;
    otlp_server *server = start(&rig, (struct otlp_server_options){0});
    otlp_rig_open(&rig);
    assert_int_equal(otlp_rig_export(&rig, 0), OTEL_OK);
    const struct otlp_request *request = otlp_server_request(server, 0);
    assert_int_equal(request->len, sizeof otlp_golden_traces);
    assert_memory_equal(request->body, otlp_golden_traces, sizeof otlp_golden_traces);
    assert_false(request->was_compressed);
    stop(&rig, server);
}

static void otlp_grpc_gzip_compresses_the_message(void **state) {
    (void)state;
    struct otlp_rig rig;
    otlp_server *server = start(&rig, (struct otlp_server_options){0});
    rig.options.gzip = true;
    otlp_rig_open(&rig);
    assert_int_equal(otlp_rig_export(&rig, 0), OTEL_OK);
    const struct otlp_request *request = otlp_server_request(server, 0);
    assert_true(request->was_compressed);
    assert_non_null(strstr(request->headers, "grpc-encoding: gzip\n"));
    assert_memory_equal(request->body, otlp_golden_traces, sizeof otlp_golden_traces);
    stop(&rig, server);
}

static void otlp_grpc_keeps_one_connection(void **state) {
    (void)state;
    struct otlp_rig rig;
    otlp_server *server = start(&rig, (struct otlp_server_options){0});
    otlp_rig_open(&rig);
    for (int i = 0; i < 100; i++)
        assert_int_equal(otlp_rig_export(&rig, 0), OTEL_OK);
    assert_int_equal(otlp_server_wait(server, 100), 100);
    assert_int_equal(otlp_server_connections(server), 1);
    stop(&rig, server);
}

static void otlp_grpc_headers_are_metadata_in_lower_case(void **state) {
    (void)state;
    struct otlp_rig rig;
    otlp_server *server = start(&rig, (struct otlp_server_options){0});
    const struct otel_otlp_header headers[] = {
        {"X-Honeycomb-Team", "s3cret value"},
        {"trace-proto-bin",  "\x01\x02"    },
        {"Content-Type",     "text/plain"  },
        {"bad name",         "x"           },
        {"newline-smuggler", "a\r\nb"      },
        {"grpc-encoding",    "br"          },
    };
    rig.options.headers = headers;
    rig.options.header_count = sizeof headers / sizeof headers[0];
    otlp_rig_open(&rig);
    assert_int_equal(otlp_rig_export(&rig, 0), OTEL_OK);
    const char *sent = otlp_server_request(server, 0)->headers;
    assert_non_null(strstr(sent, "x-honeycomb-team: s3cret value\n"));
    assert_non_null(strstr(sent, "trace-proto-bin: AQI=\n"));
    assert_null(strstr(sent, "text/plain"));
    assert_null(strstr(sent, "br\n"));
    assert_null(strstr(sent, "smuggler"));
    assert_int_equal(rig.report_count, 4);
    assert_false(otlp_rig_said(&rig, "s3cret"));
    stop(&rig, server);
}

static void otlp_user_agent_is_sent_over_grpc(void **state) {
    (void)state;
    struct otlp_rig rig;
    otlp_server *server = start(&rig, (struct otlp_server_options){0});
    otlp_rig_open(&rig);
    assert_int_equal(otlp_rig_export(&rig, 0), OTEL_OK);
    assert_non_null(
        strstr(otlp_server_request(server, 0)->headers, "user-agent: test/1 OTel-OTLP-Exporter-C/1\n"));
    stop(&rig, server);
}

static void otlp_grpc_timeout_header_is_the_time_left(void **state) {
    (void)state;
    struct otlp_rig rig;
    otlp_server *server = start(&rig, (struct otlp_server_options){0});
    otlp_rig_open(&rig);
    assert_int_equal(otlp_rig_export(&rig, 3000), OTEL_OK);
    const char *timeout = strstr(otlp_server_request(server, 0)->headers, "grpc-timeout: ");
    int ms = 0;
    char unit = 0;
    assert_non_null(timeout);
    assert_int_equal(sscanf(timeout, "grpc-timeout: %d%c", &ms, &unit), 2);
    assert_int_equal(unit, 'm');
    assert_in_range(ms, 1000, 3000);
    stop(&rig, server);
}

static void otlp_grpc_large_batches_pass_the_flow_control_windows(void **state) {
    (void)state;
    struct otlp_rig rig;
    otlp_server *server = start(&rig, (struct otlp_server_options){0});
    otlp_rig_open(&rig);
    size_t len = 3 * 1024 * 1024;
    uint8_t *bytes = test_malloc(len);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(i * 31 >> 3);
    assert_int_equal(otlp_rig_export_bytes(&rig, bytes, len, 1, 0), OTEL_OK);
    assert_int_equal(otlp_server_request(server, 0)->len, len);
    assert_memory_equal(otlp_server_request(server, 0)->body, bytes, len);
    test_free(bytes);
    stop(&rig, server);
}

static void otlp_grpc_speaks_over_a_unix_socket(void **state) {
    (void)state;
    struct otlp_rig rig;
    char path[64];
    snprintf(path, sizeof path, "/tmp/otlp-test-%d.sock", (int)getpid());
    otlp_server *server = start(&rig, (struct otlp_server_options){.unix_path = path});
    snprintf(rig.endpoint, sizeof rig.endpoint, "unix:%s", path);
    otlp_rig_open(&rig);
    assert_int_equal(otlp_rig_export(&rig, 0), OTEL_OK);
    assert_non_null(strstr(otlp_server_request(server, 0)->headers, ":authority: localhost\n"));
    stop(&rig, server);
    unlink(path);
}

static void otlp_requests_over_the_size_limit_are_never_sent(void **state) {
    (void)state;
    struct otlp_rig rig;
    otlp_server *server = start(&rig, (struct otlp_server_options){0});
    rig.options.request_max = 200;
    otlp_rig_open(&rig);
    assert_int_equal(otlp_rig_export(&rig, 0), OTEL_FAILED);
    assert_int_equal(otlp_server_connections(server), 0);
    struct otel_exporter_stats stats = otlp_rig_stats(&rig);
    assert_int_equal(stats.failed, 2);
    assert_string_equal(stats.outcomes[0].error_type, "request_too_large");
    assert_true(otlp_rig_said(&rig, "make batches smaller"));
    stop(&rig, server);
}

static void otlp_export_fails_at_once_after_shutdown(void **state) {
    (void)state;
    struct otlp_rig rig;
    otlp_server *server = start(&rig, (struct otlp_server_options){0});
    otlp_rig_open(&rig);
    assert_int_equal(rig.exporter.ops->shutdown(rig.exporter.self, 1000), OTEL_OK);
    assert_int_equal(rig.exporter.ops->shutdown(rig.exporter.self, 1000), OTEL_OK);
    assert_int_equal(otlp_rig_export(&rig, 0), OTEL_FAILED);
    assert_int_equal(otlp_server_connections(server), 0);
    stop(&rig, server);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(otlp_grpc_exporter_delivers_each_signal),
        cmocka_unit_test(otlp_grpc_request_is_the_golden_bytes),
        cmocka_unit_test(otlp_grpc_gzip_compresses_the_message),
        cmocka_unit_test(otlp_grpc_keeps_one_connection),
        cmocka_unit_test(otlp_grpc_headers_are_metadata_in_lower_case),
        cmocka_unit_test(otlp_user_agent_is_sent_over_grpc),
        cmocka_unit_test(otlp_grpc_timeout_header_is_the_time_left),
        cmocka_unit_test(otlp_grpc_large_batches_pass_the_flow_control_windows),
        cmocka_unit_test(otlp_grpc_speaks_over_a_unix_socket),
        cmocka_unit_test(otlp_requests_over_the_size_limit_are_never_sent),
        cmocka_unit_test(otlp_export_fails_at_once_after_shutdown),
    };
    return cmocka_run_group_tests_name("otlp_grpc", tests, NULL, NULL);
}
