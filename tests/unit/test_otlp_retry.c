// SPDX-License-Identifier: Apache-2.0
// Which answers are tried again, when, and what is counted and said. Over gRPC.
#include "otel/exporters/delivery.h"
#include "otel/exporters/status.h"
#include "support/otlp_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static otlp_server *start(struct otlp_rig *rig, const char *script) {
    otlp_server *server = otlp_server_start(&(struct otlp_server_options){.script = script});
    otlp_rig_init(rig, server);
    rig->options.backoff_ms = 10;
    otlp_rig_open(rig);
    return server;
}

static void stop(struct otlp_rig *rig, otlp_server *server) {
    otlp_rig_done(rig);
    otlp_server_stop(server);
}

// One export against `script`; requests that came.
static size_t export_once(const char *script, int expected, struct otel_exporter_stats *ret_stats) {
    struct otlp_rig rig;
    otlp_server *server = start(&rig, script);
    assert_int_equal(otlp_rig_export(&rig, 0), expected);
    size_t count = otlp_server_wait(server, 0);
    *ret_stats = otlp_rig_stats(&rig);
    stop(&rig, server);
    return count;
}

static void otlp_grpc_transient_statuses_are_retried(void **state) {
    (void)state;
    static const int transient[] = {1, 4, 10, 11, 14, 15};
    for (size_t i = 0; i < sizeof transient / sizeof transient[0]; i++) {
        char script[32];
        struct otel_exporter_stats stats;
        snprintf(script, sizeof script, "%d ok", transient[i]);
        assert_int_equal(export_once(script, OTEL_OK, &stats), 2);
        assert_int_equal(stats.retries, 1);
        assert_int_equal(stats.exported, 2);
    }
}

static void otlp_grpc_permanent_statuses_are_not_retried(void **state) {
    (void)state;
    static const int permanent[] = {2, 3, 5, 6, 7, 8, 9, 12, 13, 16, 99};
    for (size_t i = 0; i < sizeof permanent / sizeof permanent[0]; i++) {
        char script[32];
        struct otel_exporter_stats stats;
        snprintf(script, sizeof script, "%d ok", permanent[i]);
        assert_int_equal(export_once(script, OTEL_FAILED, &stats), 1);
        assert_int_equal(stats.retries, 0);
        assert_int_equal(stats.failed, 2);
        assert_string_equal(stats.outcomes[0].status, otel_grpc_status_name(permanent[i]));
    }
}

static void otlp_grpc_resource_exhausted_is_retried_only_with_retry_info(void **state) {
    (void)state;
    struct otel_exporter_stats stats;
    assert_int_equal(export_once("8 ok", OTEL_FAILED, &stats), 1);
    assert_int_equal(export_once("8:retry=50 ok", OTEL_OK, &stats), 2);
}

static void otlp_grpc_retry_info_is_waited_for(void **state) {
    (void)state;
    struct otlp_rig rig;
    otlp_server *server = start(&rig, "14:retry=300 ok");
    int64_t begin = otlp_rig_now_ms();
    assert_int_equal(otlp_rig_export(&rig, 0), OTEL_OK);
    assert_true(otlp_rig_now_ms() - begin >= 300);
    stop(&rig, server);
}

static void otlp_grpc_throttling_holds_the_next_request_too(void **state) {
    (void)state;
    struct otlp_rig rig;
    otlp_server *server = start(&rig, "14:retry=10000 ok");
    assert_int_equal(otlp_rig_export(&rig, 100), OTEL_FAILED);
    assert_int_equal(otlp_rig_export(&rig, 100), OTEL_FAILED);
    assert_int_equal(otlp_server_wait(server, 1), 1);
    stop(&rig, server);
}

static void otlp_attempts_end_after_five(void **state) {
    (void)state;
    struct otel_exporter_stats stats;
    assert_int_equal(export_once("14", OTEL_FAILED, &stats), 5);
    assert_int_equal(stats.retries, 4);
    assert_int_equal(stats.failed, 2);
}

static void otlp_backoff_grows_and_is_jittered(void **state) {
    (void)state;
    for (uint32_t random = 0; random < 1000; random += 7) {
        assert_in_range(otel_delivery_backoff_ms(1, 1000, 0, random), 800, 1200);
        assert_in_range(otel_delivery_backoff_ms(2, 1000, 0, random), 1200, 1800);
        assert_in_range(otel_delivery_backoff_ms(3, 1000, 0, random), 1800, 2700);
        assert_in_range(otel_delivery_backoff_ms(9, 1000, 0, random), 4000, 6000);
        assert_in_range(otel_delivery_backoff_ms(1, 1000, 3000, random), 3000, 3600);
        assert_in_range(otel_delivery_backoff_ms(2, 1000, 3000, random), 3600, 5400);
        assert_in_range(otel_delivery_backoff_ms(4, 1000, 60000, random), 60000, 72000);
    }
    assert_int_not_equal(otel_delivery_backoff_ms(1, 1000, 0, 1), otel_delivery_backoff_ms(1, 1000, 0, 200));
}

static void otlp_retries_end_with_the_deadline(void **state) {
    (void)state;
    struct otlp_rig rig;
    otlp_server *server = start(&rig, "14");
    rig.options.backoff_ms = 0;
    rig.exporter.ops->free(rig.exporter.self);
    otlp_rig_open(&rig);
    int64_t begin = otlp_rig_now_ms();
    // The second attempt would lie behind the deadline: no use in waiting for it.
    assert_int_equal(otlp_rig_export(&rig, 300), OTEL_FAILED);
    assert_true(otlp_rig_now_ms() - begin <= 300);
    assert_true(otlp_rig_said(&rig, "UNAVAILABLE"));
    stop(&rig, server);
}

struct cancelling {
    struct otlp_rig *rig;
    otlp_server *server;
};

static void *cancel_when_asked(void *context) {
    struct cancelling *cancelling = context;
    otlp_server_wait(cancelling->server, 1);
    usleep(20000);
    cancelling->rig->exporter.ops->cancel(cancelling->rig->exporter.self);
    return NULL;
}

static void otlp_cancel_ends_calls_and_waits_at_once(void **state) {
    (void)state;
    static const char *const scripts[] = {"hang", "14:retry=4000"};
    for (size_t i = 0; i < 2; i++) {
        struct otlp_rig rig;
        otlp_server *server = start(&rig, scripts[i]);
        struct cancelling cancelling = {&rig, server};
        pthread_t thread;
        int64_t begin = otlp_rig_now_ms();
        pthread_create(&thread, NULL, cancel_when_asked, &cancelling);
        assert_int_equal(otlp_rig_export(&rig, 0), OTEL_FAILED);
        assert_true(otlp_rig_now_ms() - begin < 1000);
        pthread_join(thread, NULL);
        assert_string_equal(otlp_rig_stats(&rig).outcomes[0].error_type, "cancelled");
        stop(&rig, server);
    }
}

static void *export_in_thread(void *context) {
    struct cancelling *cancelling = context;
    return (void *)(intptr_t)otlp_rig_export(cancelling->rig, 0);
}

static void otlp_shutdown_does_not_outlast_its_timeout(void **state) {
    (void)state;
    struct otlp_rig rig;
    otlp_server *server = start(&rig, "hang");
    struct cancelling cancelling = {&rig, server};
    pthread_t thread;
    void *result;
    pthread_create(&thread, NULL, export_in_thread, &cancelling);
    assert_int_equal(otlp_server_wait(server, 1), 1);
    int64_t begin = otlp_rig_now_ms();
    assert_int_equal(rig.exporter.ops->shutdown(rig.exporter.self, 100), OTEL_TIMEOUT);
    assert_in_range(otlp_rig_now_ms() - begin, 100, 400);
    pthread_join(thread, &result);
    assert_int_equal((intptr_t)result, OTEL_FAILED);
    assert_true(otlp_rig_now_ms() - begin < 600);
    stop(&rig, server);
}

static void otlp_grpc_partial_success_is_counted_and_reported(void **state) {
    (void)state;
    struct otlp_rig rig;
    otlp_server *server = start(&rig, "partial:1:bad_span partial:0:deprecated partial:77: ok");
    for (int i = 0; i < 4; i++)
        assert_int_equal(otlp_rig_export(&rig, 0), OTEL_OK);
    struct otel_exporter_stats stats = otlp_rig_stats(&rig);
    assert_int_equal(otlp_server_wait(server, 4), 4); // none was sent twice
    assert_int_equal(stats.rejected, 3);              // never more than were sent
    assert_int_equal(stats.exported, 5);
    assert_true(otlp_rig_said(&rig, "rejected 1 spans: bad span"));
    assert_true(otlp_rig_said(&rig, "warns: deprecated"));
    stop(&rig, server);
}

static void otlp_unimplemented_signal_is_said_once_and_not_sent_again(void **state) {
    (void)state;
    struct otlp_rig rig;
    otlp_server *server = start(&rig, "12 ok");
    for (int i = 0; i < 20; i++)
        assert_int_equal(otlp_rig_export(&rig, 0), OTEL_FAILED);
    assert_int_equal(otlp_server_wait(server, 1), 1);
    assert_int_equal(rig.report_count, 1);
    assert_true(otlp_rig_said(&rig, "OTEL_TRACES_EXPORTER=none"));
    assert_int_equal(otlp_rig_stats(&rig).failed, 40);
    stop(&rig, server);
}

static void otlp_reports_are_rate_limited(void **state) {
    (void)state;
    struct otlp_rig rig;
    otlp_server *server = start(&rig, "3:no_such_field");
    for (int i = 0; i < 200; i++)
        assert_int_equal(otlp_rig_export(&rig, 0), OTEL_FAILED);
    assert_in_range(rig.report_count, 1, 20);
    assert_true(otlp_rig_said(&rig, "INVALID_ARGUMENT: no such field"));
    assert_string_equal(otlp_rig_stats(&rig).last_error, "INVALID_ARGUMENT: no such field");
    stop(&rig, server);
}

static void otlp_destinations_of_one_signal_are_independent(void **state) {
    (void)state;
    struct otlp_rig broken, sound;
    otlp_server *first = start(&broken, "13"), *second = start(&sound, "ok");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(otlp_rig_export(&broken, 0), OTEL_FAILED);
        assert_int_equal(otlp_rig_export(&sound, 0), OTEL_OK);
    }
    assert_int_equal(otlp_rig_stats(&sound).exported, 6);
    assert_int_equal(otlp_rig_stats(&broken).failed, 6);
    stop(&broken, first);
    stop(&sound, second);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(otlp_grpc_transient_statuses_are_retried),
        cmocka_unit_test(otlp_grpc_permanent_statuses_are_not_retried),
        cmocka_unit_test(otlp_grpc_resource_exhausted_is_retried_only_with_retry_info),
        cmocka_unit_test(otlp_grpc_retry_info_is_waited_for),
        cmocka_unit_test(otlp_grpc_throttling_holds_the_next_request_too),
        cmocka_unit_test(otlp_attempts_end_after_five),
        cmocka_unit_test(otlp_backoff_grows_and_is_jittered),
        cmocka_unit_test(otlp_retries_end_with_the_deadline),
        cmocka_unit_test(otlp_cancel_ends_calls_and_waits_at_once),
        cmocka_unit_test(otlp_shutdown_does_not_outlast_its_timeout),
        cmocka_unit_test(otlp_grpc_partial_success_is_counted_and_reported),
        cmocka_unit_test(otlp_unimplemented_signal_is_said_once_and_not_sent_again),
        cmocka_unit_test(otlp_reports_are_rate_limited),
        cmocka_unit_test(otlp_destinations_of_one_signal_are_independent),
    };
    return cmocka_run_group_tests_name("otlp_retry", tests, NULL, NULL);
}
