// SPDX-License-Identifier: Apache-2.0
// Every row of the command table against every role and the connection that has not logged in; users and their files.
#include "server/command.h"
#include "support/core_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

// What the contract grants: written down again here, so that a slip in the table is seen.
static const struct {
    const char *name;
    unsigned roles;
} grants[] = {
    {"INFO",          FQ_ROLE_SUBMIT | FQ_ROLE_WORK | FQ_ROLE_READ | FQ_ROLE_ADMIN},
    {"CONFIG",        FQ_ROLE_READ | FQ_ROLE_ADMIN                                },
    {"FQ.SUBMIT",     FQ_ROLE_SUBMIT                                              },
    {"FQ.CANCEL",     FQ_ROLE_SUBMIT | FQ_ROLE_ADMIN                              },
    {"FQ.RESULT",     FQ_ROLE_SUBMIT | FQ_ROLE_READ | FQ_ROLE_ADMIN               },
    {"FQ.STATUS",     FQ_ROLE_SUBMIT | FQ_ROLE_READ | FQ_ROLE_ADMIN               },
    {"FQ.WATCH",      FQ_ROLE_SUBMIT | FQ_ROLE_READ | FQ_ROLE_ADMIN               },
    {"FQ.REGISTER",   FQ_ROLE_WORK                                                },
    {"FQ.UNREGISTER", FQ_ROLE_WORK                                                },
    {"FQ.FETCH",      FQ_ROLE_WORK                                                },
    {"FQ.COMPLETE",   FQ_ROLE_WORK                                                },
    {"FQ.FAIL",       FQ_ROLE_WORK                                                },
    {"FQ.HEARTBEAT",  FQ_ROLE_WORK                                                },
    {"FQ.RELEASE",    FQ_ROLE_WORK                                                },
    {"FQ.QUEUES",     FQ_ROLE_READ | FQ_ROLE_ADMIN                                },
    {"FQ.WORKERS",    FQ_ROLE_READ | FQ_ROLE_ADMIN                                },
    {"FQ.LIST",       FQ_ROLE_READ | FQ_ROLE_ADMIN                                },
    {"FQ.STATS",      FQ_ROLE_READ | FQ_ROLE_ADMIN                                },
    {"FQ.SHARDS",     FQ_ROLE_READ | FQ_ROLE_ADMIN | FQ_ROLE_SUBMIT | FQ_ROLE_WORK},
    {"FQ.KNOWN",      FQ_ROLE_READ | FQ_ROLE_ADMIN | FQ_ROLE_SUBMIT               },
    {"FQ.PAUSE",      FQ_ROLE_ADMIN                                               },
    {"FQ.RESUME",     FQ_ROLE_ADMIN                                               },
    {"FQ.DEAD",       FQ_ROLE_READ | FQ_ROLE_ADMIN                                },
};
static const char *const early[] = {"HELLO", "AUTH", "QUIT", "RESET"};

static unsigned granted_to(const char *name) {
    for (size_t i = 0; i < sizeof grants / sizeof grants[0]; i++) {
        if (strcmp(grants[i].name, name) == 0)
            return grants[i].roles;
    }
    return FQ_ROLE_ALL;
}

static bool is_early(const char *name) {
    for (size_t i = 0; i < sizeof early / sizeof early[0]; i++) {
        if (strcmp(early[i], name) == 0)
            return true;
    }
    return false;
}

static const struct {
    const char *user;
    unsigned roles;
} users[] = {
    {"submit", FQ_ROLE_SUBMIT},
    {"work",   FQ_ROLE_WORK  },
    {"read",   FQ_ROLE_READ  },
    {"admin",  FQ_ROLE_ADMIN },
};

// The first reply to the row with as few arguments as it takes, as text.
static char *ask(struct core_peer *peer, const struct fq_command_row *row) {
    char line[256];
    int len = snprintf(line, sizeof line, "%s", row->name);
    for (int i = 1; i < row->arg_min; i++)
        len += snprintf(line + len, sizeof line - (size_t)len, " x");
    char *answer = core_peer_ask(peer, line);
    assert_non_null(answer);
    return answer;
}

static void open_with_users(struct core_fixture *fixture) {
    core_fixture_init(fixture);
    fixture->credentials = fq_credentials_new();
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(fq_credentials_add_token(fixture->credentials, fq_str_of(users[i].user),
                                                  users[i].roles, fq_str_of(users[i].user)),
                         0);
    core_fixture_open(fixture, false);
}

static void each_row_asks_for_its_role(void **state) {
    (void)state;
    struct core_fixture fixture;
    open_with_users(&fixture);
    size_t rows = 0;
    for (size_t u = 0; u < 4; u++) {
        for (size_t i = 0; fq_command_row(i) != NULL; i++) {
            const struct fq_command_row *row = fq_command_row(i);
            struct core_peer *peer = core_peer_connect(&fixture, NULL);
            char login[64];
            snprintf(login, sizeof login, "AUTH %s %s", users[u].user, users[u].user);
            core_peer_expect(peer, login, "+OK");
            char *answer = ask(peer, row);
            bool is_refused = strncmp(answer, "-NOPERM", 7) == 0;
            bool is_granted = (granted_to(row->name) & users[u].roles) != 0;
            if (is_refused == is_granted)
                fail_msg("%s as %s: %s", row->name, users[u].user, answer);
            free(answer);
            core_peer_free(peer);
            rows++;
        }
    }
    assert_int_equal(rows, 4 * 33);
    core_fixture_close(&fixture);
}

static void without_login_only_logging_in(void **state) {
    (void)state;
    struct core_fixture fixture;
    open_with_users(&fixture);
    for (size_t i = 0; fq_command_row(i) != NULL; i++) {
        const struct fq_command_row *row = fq_command_row(i);
        struct core_peer *peer = core_peer_connect(&fixture, NULL);
        char *answer = ask(peer, row);
        bool is_refused = strncmp(answer, "-NOAUTH auth", 12) == 0;
        if (is_refused == is_early(row->name))
            fail_msg("%s before login: %s", row->name, answer);
        free(answer);
        core_peer_free(peer);
    }
    core_fixture_close(&fixture);
}

static void each_row_checks_its_arity(void **state) {
    (void)state;
    struct core_fixture fixture;
    core_fixture_init(&fixture);
    core_fixture_open(&fixture, false);
    struct core_peer *peer = core_peer_connect(&fixture, NULL);
    for (size_t i = 0; fq_command_row(i) != NULL; i++) {
        const struct fq_command_row *row = fq_command_row(i);
        char pattern[160], line[1024];
        snprintf(pattern, sizeof pattern, "-ERR wrong number of arguments for '%s': %s*", row->name,
                 row->name);
        if (row->arg_min > 1)
            core_peer_expect(peer, row->name, pattern);
        int len = snprintf(line, sizeof line, "%s", row->name);
        for (int k = 0; k < row->arg_max; k++)
            len += snprintf(line + len, sizeof line - (size_t)len, " x");
        if (row->arg_max >= 0)
            core_peer_expect(peer, line, pattern);
        assert_true(row->summary[0] != '\0' && row->family[0] != '\0');
    }
    core_peer_free(peer);
    core_fixture_close(&fixture);
}

// The page about the wire names every command of the table.
static void the_protocol_page_has_every_command(void **state) {
    (void)state;
    static char page[1 << 17];
    FILE *file = fopen(FQ_SOURCE_DIR "/docs/protocol.md", "r");
    assert_non_null(file);
    size_t len = fread(page, 1, sizeof page - 1, file);
    fclose(file);
    page[len] = '\0';
    for (size_t i = 0; fq_command_row(i) != NULL; i++) {
        char quoted[64];
        snprintf(quoted, sizeof quoted, "`%s", fq_command_row(i)->name);
        if (strstr(page, quoted) == NULL)
            fail_msg("docs/protocol.md does not have %s", fq_command_row(i)->name);
    }
}

// A verified certificate's name is a login by itself, if there is a user of that name.
static void a_certificate_logs_in(void **state) {
    (void)state;
    struct core_fixture fixture;
    open_with_users(&fixture);
    const char *refusal;
    fq_str subjects[] = {FQ_STR("read"), FQ_STR("stranger")};
    for (int i = 0; i < 2; i++) {
        struct fq_peer_info info = {.text = FQ_STR("192.0.2.1:1"), .tls_subject = subjects[i]};
        fq_connection *connection = fq_core_accept(fixture.core, &info, fixture.now, &refusal);
        assert_non_null(connection);
        assert_int_equal(fq_connection_feed(connection, "*1\r\n$7\r\nFQ.LIST\r\n", 17, fixture.now), 0);
        fq_core_turn(fixture.core, fixture.now);
        while (fq_core_next_ready(fixture.core) != NULL)
            continue;
        fq_str output = fq_connection_output(connection);
        assert_memory_equal(output.ptr, i == 0 ? "*2\r\n" : "-NOA", 4);
        fq_connection_close(connection, fixture.now);
    }
    core_fixture_close(&fixture);
}

static void names_are_found_in_any_case(void **state) {
    (void)state;
    struct fq_command_index index;
    fq_command_index_init(&index);
    for (size_t i = 0; fq_command_row(i) != NULL; i++) {
        char name[40];
        size_t len = strlen(fq_command_row(i)->name);
        for (size_t k = 0; k < len; k++)
            name[k] = (char)(fq_command_row(i)->name[k] | (k % 2 == 0 ? 0x20 : 0));
        name[2] = len > 3 && fq_command_row(i)->name[2] == '.' ? '.' : name[2];
        assert_ptr_equal(fq_command_find(&index, (fq_str){name, len}), fq_command_row(i));
        assert_null(fq_command_find(&index, (fq_str){name, len - 1}));
    }
    assert_null(fq_command_find(&index, FQ_STR("")));
    assert_null(fq_command_find(&index, FQ_STR("FQ.SUBMITFQ.SUBMITFQ.SUBMITFQ.SUBMITFQ.SUBMIT")));
}

// --- users --------------------------------------------------------------------------------------------------------------
// SHA-256 of "abc", as in FIPS 180-2.
#define DIGEST_ABC "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void a_users_file_is_read(void **state) {
    (void)state;
    static const char text[] =
        "# people\n\n"
        "ann submit,read " DIGEST_ABC "   # with a comment\r\n"
        "  bob\tall " DIGEST_ABC "\n"
        "bob work sha256:0000000000000000000000000000000000000000000000000000000000000000";
    char error[200] = "";
    fq_credentials *credentials = fq_credentials_new();
    assert_true(fq_credentials_is_empty(credentials));
    assert_int_equal(fq_credentials_parse(credentials, fq_str_of(text), error, sizeof error), 0);
    assert_false(fq_credentials_is_empty(credentials));
    unsigned roles = 0;
    assert_int_equal(fq_credentials_check(credentials, FQ_STR("ann"), FQ_STR("abc"), &roles), 0);
    assert_int_equal(roles, FQ_ROLE_SUBMIT | FQ_ROLE_READ);
    assert_int_equal(fq_credentials_check(credentials, FQ_STR("bob"), FQ_STR("abc"), &roles), 0);
    assert_int_equal(roles, FQ_ROLE_ALL);
    assert_int_equal(fq_credentials_check(credentials, FQ_STR("ann"), FQ_STR("abd"), &roles), FQ_EWRONGPASS);
    assert_int_equal(fq_credentials_check(credentials, FQ_STR("eve"), FQ_STR("abc"), &roles), FQ_EWRONGPASS);
    assert_int_equal(fq_credentials_check(credentials, FQ_STR("ann"), FQ_STR(""), &roles), FQ_EWRONGPASS);
    assert_int_equal(fq_credentials_roles(credentials, FQ_STR("ann"), &roles), 0);
    assert_int_equal(fq_credentials_roles(credentials, FQ_STR("eve"), &roles), FQ_EWRONGPASS);
    assert_int_equal(fq_credentials_check_token(credentials, FQ_STR("abc"), &roles), 0);
    assert_int_equal(fq_credentials_check_token(credentials, FQ_STR("abd"), &roles), FQ_EWRONGPASS);
    fq_credentials_free(credentials);
}

static void bad_lines_are_named(void **state) {
    (void)state;
    static const char *const bad[] = {
        "ann " DIGEST_ABC,
        "ann submit",
        "ann king " DIGEST_ABC,
        "ann submit,, " DIGEST_ABC,
        "ann submit sha256:12",
        "ann submit md5:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "ann submit sha256:xx7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "ann submit " DIGEST_ABC " more",
        "\x01nn submit " DIGEST_ABC,
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        fq_credentials *credentials = fq_credentials_new();
        char text[300], error[200] = "";
        snprintf(text, sizeof text, "ok all " DIGEST_ABC "\n%s\n", bad[i]);
        if (fq_credentials_parse(credentials, fq_str_of(text), error, sizeof error) != FQ_EINVALID)
            fail_msg("'%s' was taken", bad[i]);
        assert_non_null(strstr(error, "line 2"));
        assert_null(strstr(error, "ba7816"));
        fq_credentials_free(credentials);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_asks_for_its_role), cmocka_unit_test(without_login_only_logging_in),
        cmocka_unit_test(each_row_checks_its_arity),  cmocka_unit_test(the_protocol_page_has_every_command),
        cmocka_unit_test(a_certificate_logs_in),      cmocka_unit_test(names_are_found_in_any_case),
        cmocka_unit_test(a_users_file_is_read),       cmocka_unit_test(bad_lines_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
