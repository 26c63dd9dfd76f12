// SPDX-License-Identifier: Apache-2.0
// TLS of both protocols, and several calls at once.
#include "support/certificates.h"
#include "support/otlp_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct identities {
    char directory[32];
    struct fq_test_identity authority, server, client, other;
};

static int make_identities(void **state) {
    struct identities *made = calloc(1, sizeof *made);
    fq_test_certificates_begin(made->directory);
    made->authority = fq_test_authority(made->directory, "authority");
    made->server = fq_test_certificate(made->directory, "server", "DNS:localhost,IP:127.0.0.1", -60, 3600,
                                       &made->authority);
    made->other =
        fq_test_certificate(made->directory, "other", "DNS:elsewhere.example", -60, 3600, &made->authority);
    made->client = fq_test_certificate(made->directory, "client", NULL, -60, 3600, &made->authority);
    *state = made;
    return 0;
}

static int remove_identities(void **state) {
    struct identities *made = *state;
    fq_test_certificates_end(made->directory);
    free(made);
    return 0;
}

static otlp_server *start(struct otlp_rig *rig, const struct fq_test_identity *identity,
                          const char *client_ca, bool is_http) {
    otlp_server *server = otlp_server_start(&(struct otlp_server_options){
        .is_http = is_http, .cert = identity->cert, .key = identity->key, .client_ca = client_ca});
    otlp_rig_init(rig, server);
    snprintf(rig->endpoint, sizeof rig->endpoint, "https://localhost:%u", otlp_server_port(server));
    rig->options.protocol = is_http ? OTEL_OTLP_HTTP_PROTOBUF : OTEL_OTLP_GRPC;
    rig->options.backoff_ms = 5;
    return server;
}

static void stop(struct otlp_rig *rig, otlp_server *server) {
    otlp_rig_done(rig);
    otlp_server_stop(server);
}

static void otlp_tls_verifies_by_the_given_authority(void **state) {
    const struct identities *made = *state;
    for (int is_http = 0; is_http < 2; is_http++) {
        struct otlp_rig rig;
        otlp_server *server = start(&rig, &made->server, NULL, is_http);
        rig.options.ca_file = made->authority.cert;
        rig.options.gzip = true;
        otlp_rig_open(&rig);
        for (int i = 0; i < 20; i++)
            assert_int_equal(otlp_rig_export(&rig, 0), OTEL_OK);
        assert_int_equal(otlp_server_connections(server), 1);
        if (!is_http)
            assert_non_null(strstr(otlp_server_request(server, 0)->headers, ":scheme: https\n"));
        stop(&rig, server);
    }
}

static void otlp_tls_without_scheme_is_the_default_of_grpc(void **state) {
    const struct identities *made = *state;
    struct otlp_rig rig;
    otlp_server *server = start(&rig, &made->server, NULL, false);
    snprintf(rig.endpoint, sizeof rig.endpoint, "127.0.0.1:%u", otlp_server_port(server));
    rig.options.ca_file = made->authority.cert;
    otlp_rig_open(&rig);
    assert_int_equal(otlp_rig_export(&rig, 0), OTEL_OK);
    stop(&rig, server);
}

static void otlp_tls_refuses_unknown_authorities_and_other_names(void **state) {
    const struct identities *made = *state;
    for (int is_http = 0; is_http < 2; is_http++) {
        for (int wrong_name = 0; wrong_name < 2; wrong_name++) {
            struct otlp_rig rig;
            otlp_server *server = start(&rig, wrong_name ? &made->other : &made->server, NULL, is_http);
            rig.options.ca_file = wrong_name ? made->authority.cert : NULL; // NULL: the system's store
            otlp_rig_open(&rig);
            assert_int_equal(otlp_rig_export(&rig, 0), OTEL_FAILED);
            assert_int_equal(otlp_server_wait(server, 0), 0);
            assert_true(otlp_rig_said(&rig, "OTEL_EXPORTER_OTLP_CERTIFICATE"));
            stop(&rig, server);
        }
    }
}

static void otlp_tls_shows_the_client_certificate(void **state) {
    const struct identities *made = *state;
    for (int is_http = 0; is_http < 2; is_http++) {
        for (int with = 0; with < 2; with++) {
            struct otlp_rig rig;
            otlp_server *server = start(&rig, &made->server, made->authority.cert, is_http);
            rig.options.ca_file = made->authority.cert;
            rig.options.client_cert_file = with ? made->client.cert : NULL;
            rig.options.client_key_file = with ? made->client.key : NULL;
            rig.options.timeout_ms = 1000 * otlp_rig_slowness();
            otlp_rig_open(&rig);
            assert_int_equal(otlp_rig_export(&rig, 0) == OTEL_OK, with);
            stop(&rig, server);
        }
    }
}

static void otlp_tls_files_that_do_not_work_are_named(void **state) {
    const struct identities *made = *state;
    struct otlp_rig rig;
    char reason[256];
    otlp_rig_init(&rig, NULL);
    rig.options.endpoint = "https://localhost:4317";
    rig.options.ca_file = "/nonexistent/ca.pem";
    assert_int_equal(otel_otlp_exporter_new(&rig.options, &rig.exporter, reason, sizeof reason), OTEL_FAILED);
    assert_non_null(strstr(reason, "/nonexistent/ca.pem"));
    rig.options.ca_file = NULL;
    rig.options.client_cert_file = made->client.cert;
    assert_int_equal(otel_otlp_exporter_new(&rig.options, &rig.exporter, reason, sizeof reason), OTEL_FAILED);
    assert_non_null(strstr(reason, "OTEL_EXPORTER_OTLP_CLIENT_KEY"));
    rig.options.client_key_file = made->server.key;
    assert_int_equal(otel_otlp_exporter_new(&rig.options, &rig.exporter, reason, sizeof reason), OTEL_FAILED);
    assert_non_null(strstr(reason, made->server.key));
    otlp_rig_done(&rig);
}

static void otlp_tls_to_a_plain_port_is_explained(void **state) {
    (void)state;
    struct otlp_rig rig;
    otlp_server *server = otlp_server_start(&(struct otlp_server_options){.script = "ok"});
    otlp_rig_init(&rig, server);
    snprintf(rig.endpoint, sizeof rig.endpoint, "https://localhost:%u", otlp_server_port(server));
    rig.options.backoff_ms = 5;
    rig.options.timeout_ms = 500;
    otlp_rig_open(&rig);
    assert_int_not_equal(otlp_rig_export(&rig, 0), OTEL_OK);
    assert_true(otlp_rig_said(&rig, "http://") || otlp_rig_said(&rig, "one of TLS"));
    stop(&rig, server);
}

// --- several at once -------------------------------------------------------------------------------------------------
enum { THREADS = 6, EXPORTS = 40 };

static void *export_many(void *context) {
    intptr_t ok = 0;
    for (int i = 0; i < EXPORTS; i++)
        ok += otlp_rig_export(context, 0) == OTEL_OK;
    return (void *)ok;
}

static void otlp_concurrent_calls_share_one_connection(void **state) {
    const struct identities *made = *state;
    for (int is_http = 0; is_http < 2; is_http++) {
        struct otlp_rig rig;
        otlp_server *server = start(&rig, &made->server, NULL, is_http);
        rig.options.ca_file = made->authority.cert;
        otlp_rig_open(&rig);
        pthread_t threads[THREADS];
        intptr_t ok = 0;
        for (int i = 0; i < THREADS; i++)
            pthread_create(&threads[i], NULL, export_many, &rig);
        for (int i = 0; i < THREADS; i++) {
            void *result;
            pthread_join(threads[i], &result);
            ok += (intptr_t)result;
        }
        assert_int_equal(ok, THREADS * EXPORTS);
        assert_int_equal(otlp_server_wait(server, THREADS * EXPORTS), THREADS * EXPORTS);
        assert_true(otlp_server_connections(server) <= (is_http ? THREADS : 1));
        stop(&rig, server);
    }
}

static void *export_one(void *context) {
    return (void *)(intptr_t)otlp_rig_export(context, 2000);
}

static void otlp_a_hanging_call_does_not_hold_up_another_signal(void **state) {
    (void)state;
    struct otlp_rig traces, metrics;
    otlp_server *server = otlp_server_start(&(struct otlp_server_options){.script = "ok hang ok"});
    otel_otlp_pool *pool = otel_otlp_pool_new();
    otlp_rig_init(&traces, server);
    traces.options.pool = pool;
    otlp_rig_open(&traces);
    otlp_rig_init(&metrics, server);
    metrics.options.pool = pool;
    metrics.options.signal = OTEL_SIGNAL_METRICS;
    otlp_rig_open(&metrics);
    assert_int_equal(otlp_rig_export(&traces, 0), OTEL_OK);
    pthread_t thread;
    pthread_create(&thread, NULL, export_one, &traces);
    assert_int_equal(otlp_server_wait(server, 2), 2);
    int64_t begin = otlp_rig_now_ms();
    for (int i = 0; i < 10; i++)
        assert_int_equal(otlp_rig_export(&metrics, 0), OTEL_OK);
    assert_true(otlp_rig_now_ms() - begin < 1000);
    assert_int_equal(otlp_server_connections(server), 1);
    traces.exporter.ops->cancel(traces.exporter.self);
    pthread_join(thread, NULL);
    assert_int_equal(otlp_rig_export(&metrics, 0), OTEL_OK);
    otlp_rig_done(&metrics);
    otel_otlp_pool_free(pool);
    stop(&traces, server);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(otlp_tls_verifies_by_the_given_authority),
        cmocka_unit_test(otlp_tls_without_scheme_is_the_default_of_grpc),
        cmocka_unit_test(otlp_tls_refuses_unknown_authorities_and_other_names),
        cmocka_unit_test(otlp_tls_shows_the_client_certificate),
        cmocka_unit_test(otlp_tls_files_that_do_not_work_are_named),
        cmocka_unit_test(otlp_tls_to_a_plain_port_is_explained),
        cmocka_unit_test(otlp_concurrent_calls_share_one_connection),
        cmocka_unit_test(otlp_a_hanging_call_does_not_hold_up_another_signal),
    };
    return cmocka_run_group_tests_name("otlp_tls", tests, make_identities, remove_identities);
}
