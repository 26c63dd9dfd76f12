// SPDX-License-Identifier: Apache-2.0
// The blocking client over TCP and TLS against peers that fail it: in the handshake, in the middle, by being slow or away.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fastqueue/client.h"
#include "net/tls.h"
#include "support/certificates.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ID "018f0000-0000-7000-8000-00000000000a"
enum { CONNECTIONS_MAX = 4, LARGE = 6 * 1024 * 1024 };

// What the peer does with one connection.
enum manner {
    CLOSES,      // before the handshake
    RESETS,      // the same, with a reset
    KEEPS_QUIET, // says nothing
    SPEAKS_PLAIN,
    ANSWERS,
    SAYS_GOODBYE,   // ends TLS properly instead of answering a submit
    TALKS_NONSENSE, // sends what is no TLS instead of answering a submit
    TAKES_ITS_TIME, // before it reads on behind the login
    CUTS_OFF,       // resets instead of answering a submit
};

struct peer {
    const enum manner *manners;
    int count, listener;
    char address[80];
    pthread_t thread;
};

static char directory[32];
static struct fq_test_identity authority, identity;
static fq_tls_context *context;

static int make_certificates(void **state) {
    (void)state;
    fq_test_certificates_begin(directory);
    authority = fq_test_authority(directory, "ca");
    identity = fq_test_certificate(directory, "server", "DNS:localhost,IP:127.0.0.1", -60, 3600, &authority);
    struct fq_tls_options options = {.is_server = true, .cert_file = identity.cert, .key_file = identity.key};
    char error[200];
    return fq_tls_context_new(&options, error, sizeof error, &context);
}

static int remove_certificates(void **state) {
    (void)state;
    fq_tls_context_free(context);
    fq_test_certificates_end(directory);
    return 0;
}

// --- the peer -------------------------------------------------------------------------------------------------------------
static void reset(int fd) {
    struct linger at_once = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

static void flush(int fd, fq_tls *tls) {
    fq_buf *output = fq_tls_output(tls);
    (void)send(fd, fq_buf_str(output).ptr, fq_buf_len(output), MSG_NOSIGNAL);
    fq_buf_clear(output);
}

static void say(int fd, fq_tls *tls, const char *text) {
    size_t taken;
    if (fq_tls_write(tls, (fq_str){text, strlen(text)}, &taken) == 0)
        flush(fd, tls);
}

// The submit is there as a whole. True if the connection goes on.
static bool treat_submit(int fd, fq_tls *tls, enum manner manner) {
    static const char nonsense[] = "this is no record of TLS, whatever one thinks of it";
    switch (manner) {
    case SAYS_GOODBYE:
        fq_tls_finish(tls);
        flush(fd, tls);
        return false;
    case TALKS_NONSENSE: (void)send(fd, nonsense, sizeof nonsense, MSG_NOSIGNAL); return false;
    case CUTS_OFF: reset(fd); return false;
    default: say(fd, tls, "$36\r\n" ID "\r\n"); return true;
    }
}

// The payload comes before the id.
static bool is_submit(fq_str text) {
    enum { TAIL = 100 };
    return text.len >= TAIL && memmem(text.ptr, text.len, "FQ.SUBMIT", 9) != NULL &&
           memmem(text.ptr + text.len - TAIL, TAIL, ID "\r\n", 38) != NULL && text.ptr[text.len - 1] == '\n';
}

static void serve_tls(int fd, enum manner manner) {
    fq_tls *tls = NULL;
    fq_buf plain = {0};
    static char chunk[65536];
    bool greeted = false, goes_on = fq_tls_new(context, NULL, &tls) == 0;
    for (ssize_t count; goes_on && (count = recv(fd, chunk, sizeof chunk, 0)) > 0;) {
        goes_on = fq_tls_feed(tls, (fq_str){chunk, (size_t)count}, &plain) == 0;
        flush(fd, tls);
        fq_str text = fq_buf_str(&plain);
        if (!greeted && text.len > 0 && memmem(text.ptr, text.len, "HELLO", 5) != NULL) {
            greeted = true;
            fq_buf_clear(&plain);
            say(fd, tls, "%1\r\n$5\r\nproto\r\n:3\r\n");
            if (manner == TAKES_ITS_TIME)
                usleep(100000);
        } else if (is_submit(text)) {
            fq_buf_clear(&plain);
            goes_on = treat_submit(fd, tls, manner);
        }
    }
    fq_buf_done(&plain);
    fq_tls_free(tls);
}

static void serve(int fd, enum manner manner) {
    char byte;
    switch (manner) {
    case CLOSES:
        (void)recv(fd, &byte, 1, MSG_PEEK);
        shutdown(fd, SHUT_WR);
        break;
    case RESETS:
        (void)recv(fd, &byte, 1, MSG_PEEK);
        reset(fd);
        return;
    case KEEPS_QUIET: break;
    case SPEAKS_PLAIN: (void)send(fd, "-ERR no TLS here, sorry\r\n", 25, MSG_NOSIGNAL); break;
    default: serve_tls(fd, manner); return;
    }
    while (recv(fd, &byte, 1, 0) > 0)
        continue;
}

static void *peer_main(void *argument) {
    const struct peer *peer = argument;
    for (int i = 0; i < peer->count; i++) {
        int fd = accept(peer->listener, NULL, NULL);
        if (fd < 0)
            break;
        serve(fd, peer->manners[i]);
        close(fd);
    }
    return NULL;
}

static int listen_locally(int backlog, unsigned *ret_port) {
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof name;
    int fd = socket(AF_INET, SOCK_STREAM, 0), small = 8192;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    assert_int_equal(bind(fd, (const struct sockaddr *)&name, sizeof name), 0);
    assert_int_equal(listen(fd, backlog), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &len), 0);
    *ret_port = ntohs(name.sin_port);
    return fd;
}

static void start_peer(struct peer *peer, const enum manner *manners, int count) {
    unsigned port;
    *peer = (struct peer){.manners = manners, .count = count, .listener = listen_locally(8, &port)};
    snprintf(peer->address, sizeof peer->address, "tls://localhost:%u,tls://127.0.0.1:%u", port, port);
    assert_int_equal(pthread_create(&peer->thread, NULL, peer_main, peer), 0);
}

static void end_peer(struct peer *peer) {
    pthread_join(peer->thread, NULL);
    close(peer->listener);
}

// --- clients --------------------------------------------------------------------------------------------------------------
static int open_client(const char *address, uint32_t retries, int64_t timeout_ms, fq_client **ret_client,
                       char error[300]) {
    struct fq_client_options options;
    fq_client_options_init(&options);
    options.address = address;
    options.tls_ca = authority.cert;
    options.timeout_ms = timeout_ms;
    options.retries = retries;
    options.no_telemetry = true;
    return fq_client_open(&options, ret_client, error, 300);
}

static int submit(fq_client *client, size_t size) {
    struct fq_submit_options options;
    fq_submit_options_init(&options);
    options.id = ID;
    options.encoding = "raw";
    char *payload = calloc(size + 1, 1), id[37];
    assert_non_null(payload);
    int rc = fq_client_submit(client, "add", payload, size, &options, id);
    free(payload);
    return rc;
}

static void a_handshake_that_fails_says_how(void **state) {
    (void)state;
    static const struct {
        enum manner manner;
        int connections, error;
        const char *sentence;
    } cases[] = {
        {CLOSES,       1, FQ_ETLS,          "the peer closed during the TLS handshake"},
        {SPEAKS_PLAIN, 1, FQ_ETLS,          "localhost"                               },
        {KEEPS_QUIET,  1, FQ_ECONNECT,      "no TLS handshake in time"                },
        {RESETS,       2, FQ_EDISCONNECTED, "TLS handshake: Connection reset by peer" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enum manner manners[CONNECTIONS_MAX];
        for (int k = 0; k < CONNECTIONS_MAX; k++)
            manners[k] = cases[i].manner;
        struct peer peer;
        start_peer(&peer, manners, cases[i].connections);
        fq_client *client = NULL;
        char error[300] = "";
        assert_int_equal(
            open_client(peer.address, 0, cases[i].manner == KEEPS_QUIET ? 100 : 5000, &client, error),
            cases[i].error);
        if (strstr(error, cases[i].sentence) == NULL)
            fail_msg("%s", error);
        assert_null(client);
        end_peer(&peer);
    }
}

static void a_connection_that_ends_is_made_anew(void **state) {
    (void)state;
    static const enum manner manners[] = {SAYS_GOODBYE, CUTS_OFF, TAKES_ITS_TIME};
    struct peer peer;
    start_peer(&peer, manners, 3);
    fq_client *client = NULL;
    char error[300] = "";
    assert_int_equal(open_client(peer.address, 2, 10000, &client, error), 0);
    assert_int_equal(submit(client, 10), 0);
    fq_client_close(client);
    end_peer(&peer);
}

static void bytes_that_are_no_tls_end_the_call(void **state) {
    (void)state;
    static const enum manner manners[] = {TALKS_NONSENSE};
    struct peer peer;
    start_peer(&peer, manners, 1);
    fq_client *client = NULL;
    char error[300] = "";
    assert_int_equal(open_client(peer.address, 2, 10000, &client, error), 0);
    assert_int_equal(submit(client, 10), FQ_ETLS);
    assert_true(fq_client_error(client)[0] != '\0');
    fq_client_close(client);
    end_peer(&peer);
}

// More than the socket takes at once: the rest follows as the peer reads.
static void a_slow_peer_gets_all_of_it(void **state) {
    (void)state;
    static const enum manner manners[] = {TAKES_ITS_TIME};
    struct peer peer;
    start_peer(&peer, manners, 1);
    fq_client *client = NULL;
    char error[300] = "";
    assert_int_equal(open_client(peer.address, 2, 20000, &client, error), 0);
    assert_int_equal(submit(client, LARGE), 0);
    assert_int_equal(submit(client, 10), 0);
    fq_client_close(client);
    end_peer(&peer);
}

// --- without TLS ----------------------------------------------------------------------------------------------------------
static void nobody_accepts(void **state) {
    (void)state;
    unsigned port;
    int listener = listen_locally(0, &port), waiting[8];
    struct sockaddr_in name = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (int i = 0; i < 8; i++) { // the backlog is full: who comes now hears nothing
        waiting[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(waiting[i], (const struct sockaddr *)&name, sizeof name);
    }
    char address[80], error[300] = "";
    snprintf(address, sizeof address, "tcp://127.0.0.1:%u", port);
    fq_client *client = NULL;
    assert_int_equal(open_client(address, 0, 150, &client, error), FQ_ECONNECT);
    assert_non_null(strstr(error, "Connection timed out"));
    assert_null(client);
    for (int i = 0; i < 8; i++)
        close(waiting[i]);
    close(listener);
}

static void a_name_that_nobody_has(void **state) {
    (void)state;
    fq_client *client = NULL;
    char error[300] = "";
    assert_int_equal(open_client("tcp://no..name:1", 0, 5000, &client, error), FQ_ECONNECT);
    assert_non_null(strstr(error, "no..name"));
    assert_null(client);
}

static void addresses_that_are_refused(void **state) {
    (void)state;
    char many[600] = "tcp://127.0.0.1:1", error[300];
    for (int i = 0; i < 20; i++)
        strcat(many, ", tcp://127.0.0.1:1");
    fq_client *client = NULL;
    assert_int_equal(open_client(many, 0, 1000, &client, error), FQ_EINVALID);
    assert_non_null(strstr(error, "more than"));
    assert_int_equal(open_client("tcp://127.0.0.1:1,", 0, 1000, &client, error), FQ_EINVALID);
    assert_int_equal(open_client("   ", 0, 1000, &client, error), FQ_EINVALID);
    assert_null(client);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handshake_that_fails_says_how),
        cmocka_unit_test(a_connection_that_ends_is_made_anew),
        cmocka_unit_test(bytes_that_are_no_tls_end_the_call),
        cmocka_unit_test(a_slow_peer_gets_all_of_it),
        cmocka_unit_test(nobody_accepts),
        cmocka_unit_test(a_name_that_nobody_has),
        cmocka_unit_test(addresses_that_are_refused),
    };
    return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}
