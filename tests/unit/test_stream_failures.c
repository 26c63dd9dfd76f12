// SPDX-License-Identifier: Apache-2.0
// Every call to the kernel, to libuv and to OpenSSL that streams and TLS make fails once: what is told, what is closed,
// and that nothing is left behind. The linker leads the calls through the ones below.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "net/stream.h"
#include "support/certificates.h"
#include "support/failing_call.h"
#include "support/failing_loop.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// ---- calls that fail ----

WRAP(int, socket, (int domain, int type, int protocol), (domain, type, protocol), -1)
WRAP(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *size),
     (fd, level, name, value, size), -1)
WRAP(DIR *, opendir, (const char *path), (path), NULL)
WRAP(void *, calloc, (size_t count, size_t size), (count, size), NULL)
WRAP(void *, malloc, (size_t size), (size), NULL)
WRAP(int, uv_pipe_open, (uv_pipe_t * pipe, uv_file fd), (pipe, fd), UV_EINVAL)
WRAP(int, uv_tcp_open, (uv_tcp_t * tcp, uv_os_sock_t fd), (tcp, fd), UV_EINVAL)
WRAP(int, uv_read_start, (uv_stream_t * stream, uv_alloc_cb allocate, uv_read_cb read),
     (stream, allocate, read), UV_ENOTCONN)
WRAP(int, uv_try_write, (uv_stream_t * stream, const uv_buf_t parts[], unsigned count),
     (stream, parts, count), failing_call_error())
WRAP(int, uv_write,
     (uv_write_t * request, uv_stream_t *stream, const uv_buf_t parts[], unsigned count, uv_write_cb call),
     (request, stream, parts, count, call), UV_EPIPE)
WRAP(SSL *, SSL_new, (SSL_CTX * context), (context), NULL)
WRAP(BIO *, BIO_new, (const BIO_METHOD *method), (method), NULL)
WRAP(SSL_CTX *, SSL_CTX_new, (const SSL_METHOD *method), (method), NULL)
WRAP(int, SSL_set1_host, (SSL * ssl, const char *host), (ssl, host), 0)
WRAP(int, X509_VERIFY_PARAM_set1_ip_asc, (X509_VERIFY_PARAM * facts, const char *text), (facts, text), 0)
WRAP(int, BIO_write, (BIO * bio, const void *bytes, int len), (bio, bytes, len), -1)
WRAP(int, SSL_write, (SSL * ssl, const void *bytes, int len), (ssl, bytes, len), -1)
WRAP(int, SSL_CTX_check_private_key, (const SSL_CTX *context), (context), 0)

// ---- a stream ----

struct heard {
    int ends;
    char reason[64];
};

static void on_bytes(void *context, fq_str bytes) {
    (void)context, (void)bytes;
}
static void on_nothing(void *context) {
    (void)context;
}
static void on_end(void *context, const char *reason) {
    struct heard *heard = context;
    heard->ends++;
    snprintf(heard->reason, sizeof heard->reason, "%s", reason != NULL ? reason : "");
}

static const struct fq_stream_handler stream_handler = {on_bytes, on_nothing, on_nothing, on_end};

static void streams_that_cannot_be_made(void **state) {
    (void)state;
    static const char *const calls[] = {"calloc", "getsockopt", "uv_pipe_open"};
    struct heard heard = {0};
    fq_stream_pool pool;
    fq_stream_pool_init(&pool, &failing_loop()->loop);
    uv_pipe_t first; // the loop opens a descriptor of its own for the first stream
    assert_int_equal(uv_pipe_init(&failing_loop()->loop, &first, 0), 0);
    uv_close((uv_handle_t *)&first, NULL);
    uv_run(&failing_loop()->loop, UV_RUN_NOWAIT);
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        int pair[2], before = failing_loop_descriptors();
        fq_stream *stream = NULL;
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        failing_call_set(calls[i], 0, ENOMEM);
        assert_int_equal(fq_stream_open(&pool, pair[0], NULL, &stream_handler, &heard, &stream),
                         i == 0 ? FQ_ENOMEM : FQ_EIO);
        assert_null(stream);
        uv_run(&failing_loop()->loop, UV_RUN_NOWAIT);
        close(pair[1]);
        assert_int_equal(failing_loop_descriptors(), before);
    }
    int fd = __real_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), before = failing_loop_descriptors();
    fq_stream *stream = NULL;
    failing_call_set("uv_tcp_open", 0, EINVAL);
    assert_int_equal(fq_stream_open(&pool, fd, NULL, &stream_handler, &heard, &stream), FQ_EIO);
    uv_run(&failing_loop()->loop, UV_RUN_NOWAIT);
    assert_int_equal(failing_loop_descriptors(), before - 1);
    assert_int_equal(heard.ends, 0);
    assert_null(fq_stream_close(NULL));
    fq_stream_pool_done(&pool);
}

// A write or a read that fails is told once, from the loop and never out of the owner's call.
static void streams_that_break(void **state) {
    (void)state;
    static char bytes[4 << 20]; // more than a socket takes at once
    static const struct {
        const char *call;
        int skip, error;
        const char *reason;
    } rows[] = {
        {"uv_try_write",  0, UV_EPIPE, "broken pipe"  },
        {"uv_try_write",  1, UV_EPIPE, "broken pipe"  }, // of the rest
        {"uv_write",      0, 0,        "write failed" },
        {"malloc",        0, ENOMEM,   "out of memory"},
        {"uv_read_start", 0, 0,        "cannot read"  },
    };
    fq_stream_pool pool;
    fq_stream_pool_init(&pool, &failing_loop()->loop);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (int closes_first = 0; closes_first < 2; closes_first++) {
            struct heard heard = {0};
            fq_stream *stream;
            int pair[2];
            assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
            assert_int_equal(fq_stream_open(&pool, pair[0], NULL, &stream_handler, &heard, &stream), 0);
            assert_int_equal(fq_stream_write(stream, FQ_STR("")), 0);
            failing_call_set(rows[i].call, rows[i].skip, rows[i].error);
            if (strcmp(rows[i].call, "uv_read_start") == 0)
                fq_stream_set_reading(stream, true);
            else
                assert_true(fq_stream_write(stream, (fq_str){bytes, sizeof bytes}) < sizeof bytes);
            assert_int_equal(failing_call_count(), 1);
            assert_int_equal(heard.ends, 0);
            assert_int_equal(fq_stream_write(stream, FQ_STR("more")), 0);
            if (closes_first) {
                assert_null(fq_stream_close(stream)); // then nothing is told any more
                uv_run(&failing_loop()->loop, UV_RUN_NOWAIT);
                assert_int_equal(heard.ends, 0);
            } else {
                for (int turn = 0; turn < 5; turn++)
                    uv_run(&failing_loop()->loop, UV_RUN_NOWAIT);
                assert_int_equal(heard.ends, 1);
                assert_string_equal(heard.reason, rows[i].reason);
                fq_stream_set_reading(stream, true);
                assert_null(fq_stream_close(stream));
            }
            close(pair[1]);
            for (int turn = 0; turn < 3; turn++)
                uv_run(&failing_loop()->loop, UV_RUN_NOWAIT);
        }
    fq_stream_pool_done(&pool);
}

static void streams_that_end(void **state) {
    (void)state;
    fq_stream_pool pool;
    fq_stream_pool_init(&pool, &failing_loop()->loop);
    struct heard heard = {0};
    fq_stream *stream;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    assert_int_equal(fq_stream_open(&pool, pair[0], NULL, &stream_handler, &heard, &stream), 0);
    fq_stream_set_reading(stream, true);
    fq_stream_set_reading(stream, false);
    fq_stream_set_reading(stream, true);
    fq_stream_finish(stream);
    fq_stream_finish(stream);
    assert_int_equal(fq_stream_write(stream, FQ_STR("too late")), 0);
    char byte;
    for (int turn = 0; turn < 5; turn++)
        uv_run(&failing_loop()->loop, UV_RUN_NOWAIT);
    assert_int_equal(read(pair[1], &byte, 1), 0); // the end, and what it sends is thrown away
    assert_int_equal(write(pair[1], "x", 1), 1);
    close(pair[1]);
    failing_loop_run_until(&heard.ends, 1);
    assert_string_equal(heard.reason, "");
    assert_null(fq_stream_close(stream));
    for (int turn = 0; turn < 3; turn++)
        uv_run(&failing_loop()->loop, UV_RUN_NOWAIT);
    fq_stream_pool_done(&pool);
}

// ---- TLS ----

static void sessions_that_cannot_be_made(void **state) {
    (void)state;
    struct fq_test_identity ca = fq_test_authority(failing_loop()->directory, "ca");
    struct fq_test_identity server =
        fq_test_certificate(failing_loop()->directory, "server", "DNS:queue", -60, 3600, &ca);
    char error[256] = "";
    fq_tls_context *context = NULL;
    struct fq_tls_options options = {.is_server = true, .cert_file = server.cert};
    assert_int_equal(fq_tls_context_new(&options, error, sizeof error, &context), FQ_ETLS);
    assert_non_null(strstr(error, "both a certificate and a key"));
    options.key_file = server.key;
    failing_call_set("SSL_CTX_check_private_key", 0, 0);
    assert_int_equal(fq_tls_context_new(&options, error, sizeof error, &context), FQ_ETLS);
    assert_non_null(strstr(error, "does not belong to the certificate"));
    static const char *const contexts[] = {"calloc", "SSL_CTX_new"};
    for (size_t i = 0; i < 2; i++) {
        failing_call_set(contexts[i], 0, ENOMEM);
        assert_int_equal(fq_tls_context_new(&options, error, sizeof error, &context), FQ_ENOMEM);
        assert_string_equal(error, "out of memory");
    }
    struct fq_tls_options of_client = {.ca_file = NULL}; // the system's store
    assert_int_equal(fq_tls_context_new(&of_client, error, sizeof error, &context), 0);
    static const struct {
        const char *host, *call;
        int skip, result;
    } rows[] = {
        {"queue",     "calloc",                        0, FQ_ENOMEM},
        {"queue",     "SSL_new",                       0, FQ_ENOMEM},
        {"queue",     "BIO_new",                       0, FQ_ENOMEM},
        {"queue",     "BIO_new",                       1, FQ_ENOMEM},
        {"queue",     "SSL_set1_host",                 0, FQ_ETLS  },
        {"127.0.0.1", "X509_VERIFY_PARAM_set1_ip_asc", 0, FQ_ETLS  },
    };
    fq_tls *tls = NULL;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        failing_call_set(rows[i].call, rows[i].skip, ENOMEM);
        assert_int_equal(fq_tls_new(context, rows[i].host, &tls), rows[i].result);
        assert_int_equal(failing_call_count(), 1);
        assert_null(tls);
    }
    assert_int_equal(fq_tls_new(context, NULL, &tls), 0); // a client that expects no name
    assert_string_equal(fq_tls_error(tls), "no TLS error");
    fq_buf plain = {0};
    failing_call_set("BIO_write", 0, ENOMEM);
    assert_int_equal(fq_tls_feed(tls, FQ_STR("x"), &plain), FQ_ENOMEM);
    fq_tls_finish(tls); // before there was a session: nothing to say
    fq_buf_done(&plain);
    assert_null(fq_tls_free(tls));
    assert_null(fq_tls_free(NULL));
    assert_null(fq_tls_context_free(context));
    assert_null(fq_tls_context_free(NULL));
}

static void move_bytes(fq_tls *from, fq_tls *to) {
    fq_buf plain = {0}, *output = fq_tls_output(from);
    if (fq_buf_len(output) > 0)
        assert_int_equal(fq_tls_feed(to, fq_buf_str(output), &plain), 0);
    fq_buf_clear(output);
    fq_buf_done(&plain);
}

static void a_session_that_breaks(void **state) {
    (void)state;
    struct fq_test_identity ca = fq_test_authority(failing_loop()->directory, "ca");
    struct fq_test_identity server =
        fq_test_certificate(failing_loop()->directory, "server", "DNS:queue", -60, 3600, &ca);
    struct fq_tls_options of_server = {.is_server = true, .cert_file = server.cert, .key_file = server.key};
    struct fq_tls_options of_client = {.ca_file = ca.cert};
    fq_tls_context *contexts[2];
    fq_tls *ends[2];
    char error[256];
    assert_int_equal(fq_tls_context_new(&of_client, error, sizeof error, &contexts[0]), 0);
    assert_int_equal(fq_tls_context_new(&of_server, error, sizeof error, &contexts[1]), 0);
    assert_int_equal(fq_tls_new(contexts[0], "queue", &ends[0]), 0);
    assert_int_equal(fq_tls_new(contexts[1], NULL, &ends[1]), 0);
    for (int flight = 0; flight < 6; flight++)
        move_bytes(ends[flight % 2], ends[(flight + 1) % 2]);
    assert_true(fq_tls_is_ready(ends[0]) && fq_tls_is_ready(ends[1]));
    size_t taken = 0;
    failing_call_set("SSL_write", 0, EIO);
    assert_int_equal(fq_tls_write(ends[0], FQ_STR("x"), &taken), FQ_ETLS);
    assert_int_equal(taken, 0);
    assert_string_equal(fq_tls_error(ends[0]), "unexpected end");
    // Bytes that cannot be kept for want of memory are not lost.
    assert_int_equal(fq_tls_write(ends[1], FQ_STR("hello"), &taken), 0);
    failing_call_set("malloc", 0, ENOMEM);
    (void)fq_tls_output(ends[1]);
    failing_call_set(NULL, 0, 0);
    fq_buf plain = {0};
    assert_int_equal(fq_tls_feed(ends[0], fq_buf_str(fq_tls_output(ends[1])), &plain), 0);
    assert_true(fq_str_equal(fq_buf_str(&plain), FQ_STR("hello")));
    fq_buf_done(&plain);
    for (int i = 0; i < 2; i++) {
        fq_tls_free(ends[i]);
        fq_tls_context_free(contexts[i]);
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, failing_loop_set_up, failing_loop_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(streams_that_cannot_be_made), TEST(streams_that_break),           TEST(streams_that_end),
        TEST(a_session_that_breaks),       TEST(sessions_that_cannot_be_made),
    };
    return cmocka_run_group_tests(tests, failing_loop_make_directory, failing_loop_remove_directory);
}
