// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

#include "net/tls.h"
#include "support/certificates.h"

static char directory[32];
static struct fq_test_identity ca, other_ca, server, expired, mail_client, stranger;

static int make_certificates(void **state) {
    (void)state;
    fq_test_certificates_begin(directory);
    ca = fq_test_authority(directory, "ca");
    other_ca = fq_test_authority(directory, "other-ca");
    const char *names = "DNS:queue.example,DNS:*.wild.example,IP:127.0.0.1,IP:::1";
    server = fq_test_certificate(directory, "server", names, -60, 3600, &ca);
    expired = fq_test_certificate(directory, "expired", names, -7200, -3600, &ca);
    mail_client = fq_test_certificate(directory, "mail", NULL, -60, 3600, &ca);
    stranger = fq_test_certificate(directory, "stranger", NULL, -60, 3600, &other_ca);
    return 0;
}

static int remove_certificates(void **state) {
    (void)state;
    fq_test_certificates_end(directory);
    return 0;
}

static fq_tls_context *context_of(bool is_server, const struct fq_test_identity *identity,
                                  const char *ca_file) {
    struct fq_tls_options options = {.is_server = is_server,
                                     .cert_file = identity != NULL ? identity->cert : NULL,
                                     .key_file = identity != NULL ? identity->key : NULL,
                                     .ca_file = ca_file};
    char error[256] = "";
    fq_tls_context *context = NULL;
    if (fq_tls_context_new(&options, error, sizeof error, &context) < 0)
        fail_msg("%s", error);
    return context;
}

// Two ends in memory. Contexts are freed early on purpose: sessions live on without them.
struct pair {
    fq_tls *client, *server;
    fq_buf to_client, to_server; // plain bytes that arrived
    int client_result, server_result;
};

static void open_pair(struct pair *pair, const struct fq_test_identity *of_server,
                      const char *client_ca_of_server, const struct fq_test_identity *of_client,
                      const char *ca_of_client, const char *host) {
    *pair = (struct pair){.client = NULL};
    fq_tls_context *server_context = context_of(true, of_server, client_ca_of_server);
    fq_tls_context *client_context = context_of(false, of_client, ca_of_client);
    assert_int_equal(fq_tls_new(server_context, NULL, &pair->server), 0);
    assert_int_equal(fq_tls_new(client_context, host, &pair->client), 0);
    fq_tls_context_free(server_context);
    fq_tls_context_free(client_context);
}

static int move(fq_tls *from, fq_tls *to, fq_buf *plain, size_t chunk) {
    fq_buf *output = fq_tls_output(from);
    int result = 0;
    while (fq_buf_len(output) > 0 && result == 0) {
        fq_str bytes = fq_buf_str(output);
        bytes.len = bytes.len < chunk ? bytes.len : chunk;
        result = fq_tls_feed(to, bytes, plain);
        fq_buf_consume(output, bytes.len);
    }
    return result;
}

static void exchange(struct pair *pair, size_t chunk) {
    for (int i = 0; i < 6; i++) {
        if (pair->server_result == 0)
            pair->server_result = move(pair->client, pair->server, &pair->to_server, chunk);
        if (pair->client_result == 0)
            pair->client_result = move(pair->server, pair->client, &pair->to_client, chunk);
    }
}

static void close_pair(struct pair *pair) {
    fq_tls_free(pair->client);
    fq_tls_free(pair->server);
    fq_buf_done(&pair->to_client);
    fq_buf_done(&pair->to_server);
}

static void bytes_cross_in_both_directions(void **state) {
    (void)state;
    static const size_t chunks[] = {1, 7, 100000};
    char *big = malloc(200000);
    assert_non_null(big);
    for (size_t i = 0; i < 200000; i++)
        big[i] = (char)(i * 7);
    for (size_t i = 0; i < 3; i++) {
        struct pair pair;
        size_t taken = 1;
        open_pair(&pair, &server, NULL, NULL, ca.cert, "queue.example");
        assert_int_equal(fq_tls_write(pair.client, FQ_STR("early"), &taken), 0);
        assert_int_equal(taken, 0); // not before the handshake
        exchange(&pair, chunks[i]);
        assert_true(fq_tls_is_ready(pair.client) && fq_tls_is_ready(pair.server));
        assert_int_equal(fq_tls_peer_name(pair.server).len, 0);
        assert_int_equal(fq_tls_write(pair.client, (fq_str){big, 200000}, &taken), 0);
        assert_int_equal(taken, 200000);
        assert_int_equal(fq_tls_write(pair.server, FQ_STR("pong"), &taken), 0);
        exchange(&pair, chunks[i]);
        assert_true(fq_str_equal(fq_buf_str(&pair.to_server), (fq_str){big, 200000}));
        assert_true(fq_str_equal(fq_buf_str(&pair.to_client), FQ_STR("pong")));
        fq_tls_finish(pair.client);
        exchange(&pair, chunks[i]);
        assert_int_equal(pair.server_result, FQ_ECLOSED);
        close_pair(&pair);
    }
    free(big);
}

static void the_host_is_checked(void **state) {
    (void)state;
    static const struct {
        const char *host;
        bool fits;
    } rows[] = {
        {"queue.example",      true },
        {"127.0.0.1",          true },
        {"::1",                true },
        {"a.wild.example",     true },
        {"a.b.wild.example",   false},
        {"127.0.0.2",          false},
        {"evil.example",       false},
        {"queue.example.evil", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct pair pair;
        open_pair(&pair, &server, NULL, NULL, ca.cert, rows[i].host);
        exchange(&pair, 100000);
        if (fq_tls_is_ready(pair.client) != rows[i].fits)
            fail_msg("%s", rows[i].host);
        if (!rows[i].fits) {
            assert_int_equal(pair.client_result, FQ_ETLS);
            assert_non_null(strstr(fq_tls_error(pair.client), "mismatch"));
        }
        close_pair(&pair);
    }
}

static void the_server_must_be_trusted_and_in_time(void **state) {
    (void)state;
    static const struct {
        const struct fq_test_identity *identity;
        const struct fq_test_identity *trusted;
        const char *reason;
    } rows[] = {
        {&server,  &other_ca, "local issuer"},
        {&expired, &ca,       "expired"     }
    };
    for (size_t i = 0; i < 2; i++) {
        struct pair pair;
        open_pair(&pair, rows[i].identity, NULL, NULL, rows[i].trusted->cert, "queue.example");
        exchange(&pair, 100000);
        assert_false(fq_tls_is_ready(pair.client));
        assert_int_equal(pair.client_result, FQ_ETLS);
        assert_non_null(strstr(fq_tls_error(pair.client), rows[i].reason));
        assert_int_equal(pair.server_result, FQ_ETLS); // told by an alert
        close_pair(&pair);
    }
}

static void client_certificates_are_asked_for_and_named(void **state) {
    (void)state;
    struct pair pair;
    open_pair(&pair, &server, ca.cert, &mail_client, ca.cert, "queue.example");
    exchange(&pair, 100000);
    assert_true(fq_tls_is_ready(pair.server));
    assert_true(fq_str_equal(fq_tls_peer_name(pair.server), FQ_STR("mail")));
    close_pair(&pair);
    const struct fq_test_identity *refused[] = {NULL, &stranger};
    for (size_t i = 0; i < 2; i++) {
        open_pair(&pair, &server, ca.cert, refused[i], ca.cert, "queue.example");
        exchange(&pair, 100000);
        assert_false(fq_tls_is_ready(pair.server));
        assert_int_equal(pair.server_result, FQ_ETLS);
        close_pair(&pair);
    }
}

static void garbage_ends_the_session(void **state) {
    (void)state;
    const fq_str inputs[] = {FQ_STR("*1\r\n$4\r\nPING\r\n"), FQ_STR("GET / HTTP/1.1\r\n\r\n"),
                             FQ_STR("\x16\x03\x00\xff\xff junk junk junk")};
    for (size_t i = 0; i < 3; i++) {
        fq_tls_context *context = context_of(true, &server, NULL);
        fq_tls *tls;
        fq_buf plain = {0};
        assert_int_equal(fq_tls_new(context, NULL, &tls), 0);
        assert_int_equal(fq_tls_feed(tls, inputs[i], &plain), FQ_ETLS);
        assert_int_equal(fq_buf_len(&plain), 0);
        assert_true(strlen(fq_tls_error(tls)) > 0);
        fq_tls_free(tls);
        fq_tls_context_free(context);
        fq_buf_done(&plain);
    }
}

static void bad_files_are_named(void **state) {
    (void)state;
    char error[256];
    fq_tls_context *context = NULL;
    struct fq_tls_options missing = {
        .is_server = true, .cert_file = "/nowhere/x.pem", .key_file = server.key};
    assert_int_equal(fq_tls_context_new(&missing, error, sizeof error, &context), FQ_ETLS);
    assert_non_null(strstr(error, "/nowhere/x.pem"));
    struct fq_tls_options wrong_key = {
        .is_server = true, .cert_file = server.cert, .key_file = mail_client.key};
    assert_int_equal(fq_tls_context_new(&wrong_key, error, sizeof error, &context), FQ_ETLS);
    struct fq_tls_options none = {.is_server = true};
    assert_int_equal(fq_tls_context_new(&none, error, sizeof error, &context), FQ_ETLS);
    struct fq_tls_options bad_ca = {.is_server = false, .ca_file = server.key};
    assert_int_equal(fq_tls_context_new(&bad_ca, error, sizeof error, &context), FQ_ETLS);
    assert_null(context);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_cross_in_both_directions),
        cmocka_unit_test(the_host_is_checked),
        cmocka_unit_test(the_server_must_be_trusted_and_in_time),
        cmocka_unit_test(client_certificates_are_asked_for_and_named),
        cmocka_unit_test(garbage_ends_the_session),
        cmocka_unit_test(bad_files_are_named),
    };
    return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}
