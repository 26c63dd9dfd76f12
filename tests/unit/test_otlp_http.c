// SPDX-License-Identifier: Apache-2.0
// OTLP over HTTP, protobuf and JSON.
#include "support/otlp_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static otlp_server *start(struct otlp_rig *rig, const char *script, bool is_json) {
    otlp_server *server = otlp_server_start(&(struct otlp_server_options){.is_http = true, .script = script});
    otlp_rig_init(rig, server);
    snprintf(rig->endpoint, sizeof rig->endpoint, "http://127.0.0.1:%u/v1/traces", otlp_server_port(server));
    rig->options.protocol = is_json ? OTEL_OTLP_HTTP_JSON : OTEL_OTLP_HTTP_PROTOBUF;
    rig->options.backoff_ms = 20;
    return server;
}

static void stop(struct otlp_rig *rig, otlp_server *server) {
    otlp_rig_done(rig);
    otlp_server_stop(server);
}

static void otlp_http_protobuf_exporter_posts_the_golden_bytes(void **state) {
    (void)state;
    struct otlp_rig rig;
    otlp_server *server = start(&rig, "ok", false);
    otlp_rig_open(&rig);
    assert_int_equal(otlp_rig_export(&rig, 0), OTEL_OK);
    const struct otlp_request *request = otlp_server_request(server, 0);
    assert_string_equal(request->path, "/v1/traces");
    assert_non_null(strstr(request->headers, "POST /v1/traces HTTP/1.1"));
    assert_non_null(strstr(request->headers, "Content-Type: application/x-protobuf"));
    assert_null(strstr(request->headers, "Expect"));
    assert_int_equal(request->len, sizeof otlp_golden_traces);
    assert_memory_equal(request->body, otlp_golden_traces, sizeof otlp_golden_traces);
    assert_int_equal(otlp_rig_stats(&rig).exported, 2);
    stop(&rig, server);
}

static void otlp_http_json_exporter_posts_json(void **state) {
    (void)state;
    struct otlp_rig rig;
    otlp_server *server = start(&rig, "ok", true);
    otlp_rig_open(&rig);
    assert_int_equal(otlp_rig_export(&rig, 0), OTEL_OK);
    const struct otlp_request *request = otlp_server_request(server, 0);
    assert_non_null(strstr(request->headers, "Content-Type: application/json"));
    static const char begin[] =
        "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\"";
    assert_true(request->len > sizeof begin);
    assert_memory_equal(request->body, begin, sizeof begin - 1);
    stop(&rig, server);
}

static void otlp_http_gzip_sets_content_encoding(void **state) {
    (void)state;
    for (int json = 0; json < 2; json++) {
        struct otlp_rig rig;
        otlp_server *server = start(&rig, "ok", json);
        rig.options.gzip = true;
        otlp_rig_open(&rig);
        assert_int_equal(otlp_rig_export(&rig, 0), OTEL_OK);
        const struct otlp_request *request = otlp_server_request(server, 0);
        assert_non_null(strstr(request->headers, "Content-Encoding: gzip"));
        assert_true(request->was_compressed);
        assert_true(json || memcmp(request->body, otlp_golden_traces, sizeof otlp_golden_traces) == 0);
        stop(&rig, server);
    }
}

static void otlp_http_sends_headers_and_user_agent(void **state) {
    (void)state;
    struct otlp_rig rig;
    otlp_server *server = start(&rig, "401", false);
    const struct otel_otlp_header headers[] = {
        {"api-key", "s3cret"   },
        {"x-empty", ""         },
        {"Host",    "elsewhere"}
    };
    rig.options.headers = headers;
    rig.options.header_count = 3;
    otlp_rig_open(&rig);
    assert_int_equal(otlp_rig_export(&rig, 0), OTEL_FAILED);
    const char *sent = otlp_server_request(server, 0)->headers;
    assert_non_null(strstr(sent, "api-key: s3cret\r\n"));
    assert_non_null(strstr(sent, "x-empty:"));
    assert_null(strstr(sent, "elsewhere"));
    assert_non_null(strstr(sent, "User-Agent: test/1 OTel-OTLP-Exporter-C/1\r\n"));
    assert_true(otlp_rig_said(&rig, "check the key in OTEL_EXPORTER_OTLP_HEADERS"));
    assert_false(otlp_rig_said(&rig, "s3cret"));
    stop(&rig, server);
}

static void otlp_http_keeps_one_connection(void **state) {
    (void)state;
    struct otlp_rig rig;
    otlp_server *server = start(&rig, "ok", false);
    otlp_rig_open(&rig);
    for (int i = 0; i < 50; i++)
        assert_int_equal(otlp_rig_export(&rig, 0), OTEL_OK);
    assert_int_equal(otlp_server_wait(server, 50), 50);
    assert_int_equal(otlp_server_connections(server), 1);
    stop(&rig, server);
}

static void otlp_http_transient_statuses_are_retried(void **state) {
    (void)state;
    struct otlp_rig rig;
    otlp_server *server = start(&rig, "429 502 503 504 202", false);
    otlp_rig_open(&rig);
    assert_int_equal(otlp_rig_export(&rig, 0), OTEL_OK);
    assert_int_equal(otlp_server_wait(server, 5), 5);
    assert_int_equal(otlp_rig_stats(&rig).retries, 4);
    assert_int_equal(otlp_rig_stats(&rig).exported, 2);
    stop(&rig, server);
}

static void otlp_http_permanent_statuses_are_not_retried(void **state) {
    (void)state;
    static const char *const statuses[] = {"400", "401", "403", "404", "408", "413", "500", "501", "505"};
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        struct otlp_rig rig;
        otlp_server *server = start(&rig, statuses[i], false);
        otlp_rig_open(&rig);
        assert_int_equal(otlp_rig_export(&rig, 0), OTEL_FAILED);
        assert_int_equal(otlp_server_wait(server, 1), 1);
        struct otel_exporter_stats stats = otlp_rig_stats(&rig);
        assert_int_equal(stats.failed, 2);
        assert_string_equal(stats.outcomes[0].error_type, statuses[i]);
        assert_string_equal(stats.outcomes[0].status, statuses[i]);
        assert_true(otlp_rig_said(&rig, "no go"));
        stop(&rig, server);
    }
}

static void otlp_http_waits_for_retry_after(void **state) {
    (void)state;
    struct otlp_rig rig;
    otlp_server *server = start(&rig, "503:after=1 ok", false);
    otlp_rig_open(&rig);
    int64_t begin = otlp_rig_now_ms();
    assert_int_equal(otlp_rig_export(&rig, 0), OTEL_OK);
    assert_in_range(otlp_rig_now_ms() - begin, 1000, 2000);
    stop(&rig, server);
}

static void otlp_http_throttling_holds_the_other_signals_of_the_endpoint(void **state) {
    (void)state;
    struct otlp_rig traces, metrics;
    otlp_server *server = start(&traces, "503:after=30 ok", false);
    otel_otlp_pool *pool = otel_otlp_pool_new();
    traces.options.pool = pool;
    traces.options.timeout_ms = 200;
    otlp_rig_open(&traces);
    otlp_rig_init(&metrics, server);
    metrics.options = traces.options;
    metrics.options.runtime = &metrics.runtime;
    metrics.options.signal = OTEL_SIGNAL_METRICS;
    metrics.options.endpoint = metrics.endpoint;
    snprintf(metrics.endpoint, sizeof metrics.endpoint, "http://127.0.0.1:%u/v1/metrics",
             otlp_server_port(server));
    otlp_rig_open(&metrics);
    assert_int_equal(otlp_rig_export(&traces, 0), OTEL_FAILED);
    assert_int_equal(otlp_rig_export(&metrics, 0), OTEL_FAILED);
    assert_int_equal(otlp_server_wait(server, 1), 1);
    assert_string_equal(otlp_rig_stats(&metrics).outcomes[0].error_type, "throttled");
    otlp_rig_done(&metrics);
    otel_otlp_pool_free(pool);
    stop(&traces, server);
}

static void otlp_http_partial_success_is_counted_and_reported(void **state) {
    (void)state;
    for (int json = 0; json < 2; json++) {
        struct otlp_rig rig;
        otlp_server *server = start(&rig, "partial:1:too_old partial:0:be_careful", json);
        otlp_rig_open(&rig);
        assert_int_equal(otlp_rig_export(&rig, 0), OTEL_OK);
        assert_int_equal(otlp_rig_export(&rig, 0), OTEL_OK);
        struct otel_exporter_stats stats = otlp_rig_stats(&rig);
        assert_int_equal(stats.rejected, 1);
        assert_int_equal(stats.exported, 3);
        assert_int_equal(otlp_server_wait(server, 2), 2);
        assert_true(otlp_rig_said(&rig, "rejected 1 spans: too old"));
        assert_true(otlp_rig_said(&rig, "warns: be careful"));
        stop(&rig, server);
    }
}

static void otlp_http_redirects_are_not_followed(void **state) {
    (void)state;
    struct otlp_rig rig;
    otlp_server *other = otlp_server_start(&(struct otlp_server_options){.is_http = true});
    char script[128];
    snprintf(script, sizeof script, "redirect:http://127.0.0.1:%u/v1/traces", otlp_server_port(other));
    otlp_server *server = start(&rig, script, false);
    otlp_rig_open(&rig);
    assert_int_equal(otlp_rig_export(&rig, 0), OTEL_FAILED);
    assert_int_equal(otlp_server_connections(other), 0);
    assert_true(otlp_rig_said(&rig, "redirects are not followed"));
    stop(&rig, server);
    otlp_server_stop(other);
}

static void otlp_http_proxy_of_the_environment_is_used(void **state) {
    (void)state;
    struct otlp_rig rig;
    otlp_server *proxy = start(&rig, "ok", false);
    char address[64];
    snprintf(address, sizeof address, "http://127.0.0.1:%u", otlp_server_port(proxy));
    setenv("http_proxy", address, 1);
    rig.options.endpoint = "http://collector.example:4318/v1/traces";
    otlp_rig_open(&rig);
    assert_int_equal(otlp_rig_export(&rig, 0), OTEL_OK);
    unsetenv("http_proxy");
    assert_string_equal(otlp_server_request(proxy, 0)->path, "http://collector.example:4318/v1/traces");
    stop(&rig, proxy);
}

static void otlp_http_pages_are_not_taken_for_answers(void **state) {
    (void)state;
    struct otlp_rig rig;
    otlp_server *server = start(&rig, "type", false);
    otlp_rig_open(&rig);
    assert_int_equal(otlp_rig_export(&rig, 0), OTEL_FAILED);
    assert_true(otlp_rig_said(&rig, "check the path and port"));
    stop(&rig, server);
}

static void otlp_http_bad_urls_are_refused_with_a_reason(void **state) {
    (void)state;
    static const char *const urls[] = {"localhost:4318", "grpc://h", "http://", "http://[::1", "http://h:0/"};
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        struct otlp_rig rig;
        char reason[256] = "";
        otlp_rig_init(&rig, NULL);
        rig.options.protocol = OTEL_OTLP_HTTP_PROTOBUF;
        rig.options.endpoint = urls[i];
        assert_int_equal(otel_otlp_exporter_new(&rig.options, &rig.exporter, reason, sizeof reason),
                         OTEL_FAILED);
        assert_true(strlen(reason) > 10);
        otlp_rig_done(&rig);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(otlp_http_protobuf_exporter_posts_the_golden_bytes),
        cmocka_unit_test(otlp_http_json_exporter_posts_json),
        cmocka_unit_test(otlp_http_gzip_sets_content_encoding),
        cmocka_unit_test(otlp_http_sends_headers_and_user_agent),
        cmocka_unit_test(otlp_http_keeps_one_connection),
        cmocka_unit_test(otlp_http_transient_statuses_are_retried),
        cmocka_unit_test(otlp_http_permanent_statuses_are_not_retried),
        cmocka_unit_test(otlp_http_waits_for_retry_after),
        cmocka_unit_test(otlp_http_throttling_holds_the_other_signals_of_the_endpoint),
        cmocka_unit_test(otlp_http_partial_success_is_counted_and_reported),
        cmocka_unit_test(otlp_http_redirects_are_not_followed),
        cmocka_unit_test(otlp_http_proxy_of_the_environment_is_used),
        cmocka_unit_test(otlp_http_pages_are_not_taken_for_answers),
        cmocka_unit_test(otlp_http_bad_urls_are_refused_with_a_reason),
    };
    return cmocka_run_group_tests_name("otlp_http", tests, NULL, NULL);
}
