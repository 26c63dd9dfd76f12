// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "net/peer.h"

struct expectation {
    const char *address, *text, *source;
    bool is_local;
};

static void expect(const struct expectation *row) {
    struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_port = htons(4711)};
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6, .sin6_port = htons(4711)};
    struct fq_peer peer;
    if (inet_pton(AF_INET, row->address, &ipv4.sin_addr) == 1) {
        fq_peer_describe((const struct sockaddr *)&ipv4, "", &peer);
    } else {
        assert_int_equal(inet_pton(AF_INET6, row->address, &ipv6.sin6_addr), 1);
        fq_peer_describe((const struct sockaddr *)&ipv6, "", &peer);
    }
    assert_string_equal(peer.text, row->text);
    assert_string_equal(peer.source, row->source);
    assert_int_equal(peer.is_local, row->is_local);
}

static void addresses(void **state) {
    (void)state;
    static const struct expectation rows[] = {
        {"192.0.2.7",                "192.0.2.7:4711",                  "192.0.2.7",      false},
        {"127.0.0.2",                "127.0.0.2:4711",                  "127.0.0.2",      true },
        {"::1",                      "[::1]:4711",                      "::1",            true },
        {"2001:db8:1:2:3:4:5:6",     "[2001:db8:1:2:3:4:5:6]:4711",     "2001:db8:1:2::", false},
        {"2001:db8:1:2:ffff:4:5:99", "[2001:db8:1:2:ffff:4:5:99]:4711", "2001:db8:1:2::", false},
        {"2001:db8:1:3::6",          "[2001:db8:1:3::6]:4711",          "2001:db8:1:3::", false},
        {"::ffff:192.0.2.7",         "192.0.2.7:4711",                  "192.0.2.7",      false},
        {"::ffff:127.0.0.1",         "127.0.0.1:4711",                  "127.0.0.1",      true },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        expect(&rows[i]);
}

static void unix_sockets(void **state) {
    (void)state;
    struct fq_peer peer;
    fq_peer_describe(NULL, "/run/fq.sock", &peer);
    assert_string_equal(peer.text, "unix:/run/fq.sock");
    assert_string_equal(peer.source, "unix");
    assert_true(peer.is_local);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(addresses), cmocka_unit_test(unix_sockets)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
