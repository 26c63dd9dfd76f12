// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "server/access.h"
#include "server/core.h"
#include "server/data_dir.h"
#include "support/certificates.h"

static const unsigned char secret[32] = {0xab, 0xcd};
static char error[1024];

static const char *listen[1]; // options borrow it

static int open_access(struct fq_server_options *options, const char *address, struct fq_access *ret_access) {
    listen[0] = address;
    options->listen = listen;
    options->listen_count = 1;
    return fq_access_open(options, secret, ret_access, error, sizeof error);
}

static struct fq_server_options defaults(void) {
    struct fq_server_options options;
    fq_server_options_init(&options);
    options.http_address = "off";
    return options;
}

static void protected_mode(void **state) {
    (void)state;
    char directory[32];
    fq_test_certificates_begin(directory);
    struct fq_test_identity ca = fq_test_authority(directory, "ca");
    struct fq_test_identity server = fq_test_certificate(directory, "server", NULL, -60, 60, &ca);
    const struct {
        const char *listen, *http, *token, *client_ca;
        bool is_off, refused;
    } rows[] = {
        {"tcp://127.0.0.1:1",     "127.0.0.1:2", NULL,    NULL,    false, false},
        {"unix:///run/x",         "off",         NULL,    NULL,    false, false},
        {"tcp://0.0.0.0:1",       "off",         NULL,    NULL,    false, true },
        {"tcp://[::]:1",          "off",         NULL,    NULL,    false, true },
        {"tcp://*:1",             "off",         NULL,    NULL,    false, true },
        {"tls://queue.example:1", "off",         NULL,    NULL,    false, true },
        {"tls://queue.example:1", "off",         NULL,    ca.cert, false, false},
        {"tcp://queue.example:1", "off",         NULL,    ca.cert, false, true },
        {"tcp://0.0.0.0:1",       "off",         "token", NULL,    false, false},
        {"tcp://0.0.0.0:1",       "off",         "",      NULL,    false, true },
        {"tcp://0.0.0.0:1",       "off",         NULL,    NULL,    true,  false},
        {"tcp://127.0.0.1:1",     "0.0.0.0:2",   NULL,    NULL,    false, true },
        {"tcp://127.0.0.1:1",     "0.0.0.0:2",   "token", NULL,    false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fq_server_options options = defaults();
        struct fq_access access = {.has_http = false};
        options.http_address = rows[i].http;
        char token[16];
        snprintf(token, sizeof token, "%s", rows[i].token != NULL ? rows[i].token : "");
        options.token = rows[i].token != NULL ? token : NULL;
        options.tls_client_ca = rows[i].client_ca;
        options.tls_cert = server.cert;
        options.tls_key = server.key;
        options.protected_mode = !rows[i].is_off;
        int result = open_access(&options, rows[i].listen, &access);
        if (result != (rows[i].refused ? FQ_EINVALID : 0))
            fail_msg("row %zu: %d %s", i, result, result < 0 ? error : "");
        if (rows[i].refused)
            assert_non_null(strstr(error, "--protected-mode off"));
        fq_access_done(&access);
    }
    fq_test_certificates_end(directory);
}

static void own_worker_gets_a_credential_only_where_one_is_needed(void **state) {
    (void)state;
    static const char *const args[] = {"--task-modules", "x"};
    struct fq_server_options options = defaults();
    struct fq_access access, fresh;
    options.subworker_args = args;
    options.subworker_arg_count = 2;
    assert_int_equal(open_access(&options, "tcp://127.0.0.1:1", &access), 0);
    assert_true(fq_credentials_is_empty(access.credentials));
    fq_access_done(&access);
    char token[] = "the-token";
    options.token = token;
    assert_int_equal(open_access(&options, "tcp://127.0.0.1:1", &access), 0);
    assert_string_equal(token, ""); // a digest does from here on, also when users are read anew
    unsigned roles;
    fq_str owner = FQ_STR("default"), known = FQ_STR("the-token");
    assert_int_equal(fq_credentials_check(access.credentials, owner, known, &roles), 0);
    assert_int_equal(roles, FQ_ROLE_ALL);
    fq_str user = FQ_STR(FQ_OWN_WORKER_USER);
    assert_int_equal(fq_credentials_check(access.credentials, user, fq_str_of(access.own_token), &roles), 0);
    assert_int_equal(roles, FQ_ROLE_WORK);
    assert_int_equal(fq_access_reload(&options, &access, &fresh, error, sizeof error), 0);
    assert_int_equal(fq_credentials_check(fresh.credentials, user, fq_str_of(access.own_token), &roles), 0);
    assert_int_equal(fq_credentials_check(fresh.credentials, owner, known, &roles), 0);
    fq_access_done(&access);
    fq_access_done(&fresh);
}

static void bad_options_are_named_without_secrets(void **state) {
    (void)state;
    struct fq_access access;
    struct fq_server_options options = defaults();
    assert_int_equal(open_access(&options, "tcp://user:hunter2@127.0.0.1:1", &access), FQ_EINVALID);
    assert_null(strstr(error, "hunter2"));
    assert_int_equal(open_access(&options, "tls://127.0.0.1:1", &access), FQ_EINVALID);
    assert_non_null(strstr(error, "--tls-cert"));
    options.tls_cert = options.tls_key = "/nowhere/file.pem";
    assert_int_equal(open_access(&options, "tls://127.0.0.1:1", &access), FQ_EINVALID);
    assert_non_null(strstr(error, "/nowhere/file.pem"));
    options.users_file = "/nowhere/users";
    assert_true(open_access(&options, "tcp://127.0.0.1:1", &access) < 0);
    assert_non_null(strstr(error, "/nowhere/users"));
    options = defaults();
    options.http_address = "tls://127.0.0.1:1";
    assert_int_equal(open_access(&options, "tcp://127.0.0.1:1", &access), FQ_EINVALID);
}

static void data_directory_is_found(void **state) {
    (void)state;
    static const struct {
        const char *given, *state, *xdg, *home, *path;
    } rows[] = {
        {"/data", "/s",        "/x", "/h", "/data"                    },
        {NULL,    "/s",        "/x", "/h", "/s"                       },
        {NULL,    "/s/a:/s/b", NULL, NULL, "/s/a"                     },
        {NULL,    NULL,        "/x", "/h", "/x/fastqueue"             },
        {"",      NULL,        "",   "/h", "/h/.local/state/fastqueue"},
        {NULL,    NULL,        NULL, NULL, NULL                       },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *names[] = {"STATE_DIRECTORY", "XDG_STATE_HOME", "HOME"};
        const char *values[] = {rows[i].state, rows[i].xdg, rows[i].home};
        for (size_t k = 0; k < 3; k++) {
            if (values[k] != NULL)
                setenv(names[k], values[k], 1);
            else
                unsetenv(names[k]);
        }
        char path[64] = "untouched";
        int result = fq_data_dir_find(rows[i].given, path, sizeof path, error, sizeof error);
        assert_int_equal(result, rows[i].path != NULL ? 0 : FQ_EINVALID);
        assert_string_equal(path, rows[i].path != NULL ? rows[i].path : "untouched");
    }
    char tiny[4];
    assert_int_equal(fq_data_dir_find("/too/long", tiny, sizeof tiny, error, sizeof error), FQ_EINVALID);
}

static void data_directory_is_made_private(void **state) {
    (void)state;
    char root[32], path[96];
    struct stat facts;
    fq_test_certificates_begin(root);
    snprintf(path, sizeof path, "%s/a/b/c", root);
    assert_int_equal(fq_data_dir_make(path, error, sizeof error), 0);
    assert_int_equal(fq_data_dir_make(path, error, sizeof error), 0);
    assert_int_equal(stat(path, &facts), 0);
    assert_int_equal(facts.st_mode & 07777, 0700);
    snprintf(path, sizeof path, "%s/file", root);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
    snprintf(path, sizeof path, "%s/file/below", root);
    assert_int_equal(fq_data_dir_make(path, error, sizeof error), FQ_EIO);
    assert_non_null(strstr(error, path));
    fq_test_certificates_end(root);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(protected_mode),
        cmocka_unit_test(own_worker_gets_a_credential_only_where_one_is_needed),
        cmocka_unit_test(bad_options_are_named_without_secrets),
        cmocka_unit_test(data_directory_is_found),
        cmocka_unit_test(data_directory_is_made_private),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
