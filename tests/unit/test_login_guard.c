// SPDX-License-Identifier: Apache-2.0
// How long a source of failed logins waits, and what the log tells of it; and files of credentials that cannot be read.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "server/credentials.h"
#include "server/login_guard.h"
#include "support/failing_call.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

WRAP(ssize_t, read, (int fd, void *bytes, size_t len), (fd, bytes, len), -1)
WRAP(int, fstat, (int fd, struct stat *facts), (fd, facts), -1)
WRAP(void *, malloc, (size_t size), (size), NULL)

static const int64_t SECOND = FQ_US_PER_S;

static struct fq_now at(int64_t us) {
    return (struct fq_now){us, us};
}

static void delays_double_and_end(void **state) {
    (void)state;
    static struct fq_login_guard guard;
    memset(&guard, 0, sizeof guard);
    int64_t now = 1000 * SECOND, last = 0;
    for (int failure = 0; failure < 40; failure++) {
        int64_t delay = fq_login_guard_delay(&guard, 7, at(now));
        if (failure < FQ_LOGIN_FREE_FAILURES)
            assert_int_equal(delay, 0);
        else
            assert_int_equal(delay, failure == FQ_LOGIN_FREE_FAILURES ? SECOND / 10
                                    : 2 * last < 30 * SECOND          ? 2 * last
                                                                      : 30 * SECOND);
        last = delay;
        fq_login_guard_failed(&guard, 7, at(now));
    }
    assert_int_equal(fq_login_guard_delay(&guard, 8, at(now)), 0); // a neighbour waits for nothing
    assert_int_equal(fq_login_guard_delay(&guard, 7, at(now + 60 * SECOND)), 30 * SECOND);
    now += 60 * SECOND + 1; // forgotten
    assert_int_equal(fq_login_guard_delay(&guard, 7, at(now)), 0);
    fq_login_guard_failed(&guard, 7, at(now));
    assert_int_equal(fq_login_guard_delay(&guard, 7, at(now)), 0); // counted from one again
}

static void the_oldest_neighbour_gives_way(void **state) {
    (void)state;
    static struct fq_login_guard guard;
    memset(&guard, 0, sizeof guard);
    // All of these fall on the same four places.
    enum { SOURCES = 5 };
    static const int order[] = {2, 0, 3, 1};
    for (int i = 0; i < 4; i++)
        for (int failure = 0; failure < 6; failure++)
            fq_login_guard_failed(&guard, 3 + (uint64_t)order[i] * FQ_LOGIN_SOURCES, at((10 + i) * SECOND));
    struct fq_now now = at(20 * SECOND);
    for (int i = 0; i < 4; i++)
        assert_true(fq_login_guard_delay(&guard, 3 + (uint64_t)i * FQ_LOGIN_SOURCES, now) > 0);
    for (int failure = 0; failure < 6; failure++)
        fq_login_guard_failed(&guard, 3 + 4 * FQ_LOGIN_SOURCES, now);
    for (int i = 0; i < SOURCES; i++)
        assert_int_equal(fq_login_guard_delay(&guard, 3 + (uint64_t)i * FQ_LOGIN_SOURCES, now) > 0,
                         i != order[0]);
}

static void lines_in_the_log_are_few(void **state) {
    (void)state;
    static struct fq_login_guard guard;
    memset(&guard, 0, sizeof guard);
    int64_t now = 1000 * SECOND;
    assert_true(fq_login_guard_failed(&guard, 1, at(now)));
    assert_false(fq_login_guard_failed(&guard, 1, at(now + 2 * SECOND))); // told of in this minute
    assert_false(
        fq_login_guard_failed(&guard, 2, at(now + SECOND / 2))); // another line has just been written
    assert_true(fq_login_guard_failed(&guard, 2, at(now + SECOND)));
    assert_true(fq_login_guard_failed(&guard, 1, at(now + 60 * SECOND)));
}

// ---- files of credentials ----

static void files_that_cannot_be_read(void **state) {
    (void)state;
    static const struct {
        mode_t mode;
        const char *content, *call;
        int error, result;
        const char *text;
    } rows[] = {
        {0600, "queue: producer",      NULL,     0,     FQ_EINVALID, "line 1"            },
        {0644, "",                     NULL,     0,     FQ_EINVALID, "others may read"   },
        {0602, "",                     NULL,     0,     FQ_EINVALID, "others may read"   },
        {0620, "",                     NULL,     0,     FQ_EINVALID, "others may read"   },
        {0600, "",                     "fstat",  EIO,   FQ_EIO,      "Input/output error"},
        {0600, "",                     "read",   EIO,   FQ_EIO,      "Input/output error"},
        {0600, "",                     "read",   EINTR, 0,           ""                  },
        {0600, "",                     "malloc", 0,     FQ_EINVALID, "out of memory"     },
        {0640, "# nothing but this\n", NULL,     0,     0,           ""                  },
    };
    char path[] = "/tmp/fq-logins-XXXXXX", error[512];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fq_credentials *credentials = fq_credentials_new();
        assert_int_equal(ftruncate(fd, 0), 0);
        assert_int_equal(pwrite(fd, rows[i].content, strlen(rows[i].content), 0), strlen(rows[i].content));
        assert_int_equal(fchmod(fd, rows[i].mode), 0);
        error[0] = '\0';
        failing_call_set(rows[i].call, 0, rows[i].error);
        int result = fq_credentials_read_file(credentials, path, error, sizeof error);
        failing_call_set(NULL, 0, 0);
        assert_int_equal(result, rows[i].result);
        if (strstr(error, rows[i].text) == NULL)
            fail_msg("'%s' should say '%s'", error, rows[i].text);
        assert_true(result == 0 || strstr(error, path) != NULL);
        fq_credentials_free(credentials);
    }
    static char endless[(1 << 20) + 65537];
    memset(endless, '#', sizeof endless - 1);
    assert_int_equal(pwrite(fd, endless, sizeof endless - 1, 0), sizeof endless - 1);
    fq_credentials *credentials = fq_credentials_new();
    assert_int_equal(fq_credentials_read_file(credentials, path, error, sizeof error), FQ_EINVALID);
    assert_non_null(strstr(error, "larger than 1 MiB"));
    fq_credentials_free(credentials);
    close(fd);
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delays_double_and_end),
        cmocka_unit_test(the_oldest_neighbour_gives_way),
        cmocka_unit_test(lines_in_the_log_are_few),
        cmocka_unit_test(files_that_cannot_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
