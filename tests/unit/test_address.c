// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "net/address.h"

static struct fq_address parsed(const char *text) {
    struct fq_address address;
    const char *reason;
    assert_int_equal(fq_address_parse(fq_str_of(text), &address, &reason), 0);
    return address;
}

static void schemes_hosts_and_ports(void **state) {
    (void)state;
    static const struct {
        const char *text, *host, *formatted;
        enum fq_address_kind kind;
        uint16_t port;
    } rows[] = {
        {"tcp://127.0.0.1:5555", "127.0.0.1",     "tcp://127.0.0.1:5555",      FQ_ADDRESS_TCP, 5555 },
        {"TCP://queue.example",  "queue.example", "tcp://queue.example:5555",  FQ_ADDRESS_TCP, 5555 },
        {"localhost:7000",       "localhost",     "tcp://localhost:7000",      FQ_ADDRESS_TCP, 7000 },
        {"tls://[::1]:0/",       "::1",           "tls://[::1]:0",             FQ_ADDRESS_TLS, 0    },
        {"tcp://[fe80::1%eth0]", "fe80::1%eth0",  "tcp://[fe80::1%eth0]:5555", FQ_ADDRESS_TCP, 5555 },
        {"tcp://*:65535",        "0.0.0.0",       "tcp://0.0.0.0:65535",       FQ_ADDRESS_TCP, 65535},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fq_address address = parsed(rows[i].text);
        char text[FQ_ADDRESS_TEXT];
        fq_address_format(&address, text);
        assert_int_equal(address.kind, rows[i].kind);
        assert_string_equal(address.host, rows[i].host);
        assert_int_equal(address.port, rows[i].port);
        assert_string_equal(text, rows[i].formatted);
    }
}

static void credentials_are_taken_apart_and_never_printed(void **state) {
    (void)state;
    struct fq_address address = parsed("tls://mail:p%40ss%3Aword@queue:1");
    assert_string_equal(address.user, "mail");
    assert_string_equal(address.token, "p@ss:word");
    assert_string_equal(address.host, "queue");
    char text[FQ_ADDRESS_TEXT];
    fq_address_format(&address, text);
    assert_string_equal(text, "tls://queue:1");
    address = parsed("tcp://:fqt_1@h");
    assert_string_equal(address.user, "");
    assert_string_equal(address.token, "fqt_1");
    address = parsed("unix://u:t@/run/a@b.sock");
    assert_string_equal(address.user, "u");
    assert_string_equal(address.path, "/run/a@b.sock");
}

static void bad_addresses_are_refused_with_a_reason(void **state) {
    (void)state;
    char long_path[160] = "unix:///";
    memset(long_path + 8, 'x', 120);
    char long_host[400] = "tcp://";
    memset(long_host + 6, 'h', 300);
    const char *bad[] = {"",
                         "tcp://",
                         "tcp://:5555",
                         "tcp://h:",
                         "tcp://h:65536",
                         "tcp://h:-1",
                         "tcp://h:1x",
                         "tcp://::1:5555",
                         "tcp://[::1:5555",
                         "tcp://[::1]x",
                         "tcp://a b:1",
                         "tcp://h/path",
                         "http://h:1",
                         "unix://relative/path",
                         "unix:///",
                         "unix://",
                         "tcp://token@h:1",
                         "tcp://u:%4@h:1",
                         "tcp://u:%zz@h:1",
                         "tcp://u:%00@h:1",
                         long_path,
                         long_host};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct fq_address address = {.port = 42};
        const char *reason = NULL;
        if (fq_address_parse(fq_str_of(bad[i]), &address, &reason) != FQ_EINVALID)
            fail_msg("%s", bad[i]);
        assert_true(strlen(reason) > 0);
        assert_int_equal(address.port, 42);
    }
}

static void local_is_what_no_other_machine_reaches(void **state) {
    (void)state;
    const char *local[] = {"tcp://127.0.0.1",          "tcp://127.9.9.9", "tcp://[::1]",
                           "tcp://[::ffff:127.0.0.1]", "tcp://localhost", "unix:///tmp/x"};
    for (size_t i = 0; i < sizeof local / sizeof local[0]; i++) {
        struct fq_address address = parsed(local[i]);
        assert_true(fq_address_is_local(&address));
    }
    const char *open[] = {"tcp://0.0.0.0", "tcp://*",         "tcp://10.0.0.1",
                          "tcp://[::]",    "tcp://128.0.0.1", "tcp://localhost.example"};
    for (size_t i = 0; i < sizeof open / sizeof open[0]; i++) {
        struct fq_address address = parsed(open[i]);
        assert_false(fq_address_is_local(&address));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schemes_hosts_and_ports),
        cmocka_unit_test(credentials_are_taken_apart_and_never_printed),
        cmocka_unit_test(bad_addresses_are_refused_with_a_reason),
        cmocka_unit_test(local_is_what_no_other_machine_reaches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
