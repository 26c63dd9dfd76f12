// SPDX-License-Identifier: Apache-2.0
// Giving root up: whatever call of it fails, or seems to work and did not, the server is told and does not start. The kernel
// is played by the wrappers below, so that neither root nor the loss of it is needed.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "server/privileges.h"
#include "support/failing_call.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { USER = 4711, GROUP = 815 };

// What the kernel holds of the process.
static struct {
    uid_t real, effective, saved;
    gid_t groups[3];
    bool has_capability, can_return;
    int dropped; // of the bounding set
} kernel;

#define FAILS(name)                                                                                          \
    do {                                                                                                     \
        if (failing_call_now(name))                                                                          \
            return -1;                                                                                       \
    } while (0)

int __wrap_getpwnam_r(const char *name, struct passwd *entry, char *text, size_t size, struct passwd **ret);
int __wrap_getpwnam_r(const char *name, struct passwd *entry, char *text, size_t size, struct passwd **ret) {
    (void)text, (void)size;
    *ret = NULL;
    if (failing_call_now("getpwnam_r"))
        return EIO;
    *entry = (struct passwd){.pw_uid = strcmp(name, "root") == 0 ? 0 : USER, .pw_gid = GROUP};
    if (strcmp(name, "nobody-at-all") != 0)
        *ret = entry;
    return 0;
}
uid_t __wrap_geteuid(void);
uid_t __wrap_geteuid(void) {
    return kernel.effective;
}
int __wrap_initgroups(const char *name, gid_t gid);
int __wrap_initgroups(const char *name, gid_t gid) {
    (void)name, (void)gid;
    FAILS("initgroups");
    return 0;
}
int __wrap_setresgid(gid_t real, gid_t effective, gid_t saved);
int __wrap_setresgid(gid_t real, gid_t effective, gid_t saved) {
    FAILS("setresgid");
    kernel.groups[0] = real, kernel.groups[1] = effective, kernel.groups[2] = saved;
    return 0;
}
int __wrap_setresuid(uid_t real, uid_t effective, uid_t saved);
int __wrap_setresuid(uid_t real, uid_t effective, uid_t saved) {
    FAILS("setresuid");
    kernel.real = real == (uid_t)-1 ? kernel.real : real;
    kernel.effective = effective;
    kernel.saved = saved;
    return 0;
}
int __wrap_getresuid(uid_t *real, uid_t *effective, uid_t *saved);
int __wrap_getresuid(uid_t *real, uid_t *effective, uid_t *saved) {
    FAILS("getresuid");
    *real = kernel.real, *effective = kernel.effective, *saved = kernel.saved;
    return 0;
}
int __wrap_getresgid(gid_t *real, gid_t *effective, gid_t *saved);
int __wrap_getresgid(gid_t *real, gid_t *effective, gid_t *saved) {
    FAILS("getresgid");
    *real = kernel.groups[0], *effective = kernel.groups[1], *saved = kernel.groups[2];
    return 0;
}
int __wrap_setuid(uid_t uid);
int __wrap_setuid(uid_t uid) {
    (void)uid;
    return kernel.can_return || failing_call_now("setuid") ? 0 : -1; // "failing": it lets the process back
}
int __wrap_seteuid(uid_t uid);
int __wrap_seteuid(uid_t uid) {
    (void)uid;
    return failing_call_now("seteuid") ? 0 : -1;
}
int __wrap_setgid(gid_t gid);
int __wrap_setgid(gid_t gid) {
    (void)gid;
    return failing_call_now("setgid") ? 0 : -1;
}
int __wrap_prctl(int what, unsigned long a, unsigned long b, unsigned long c, unsigned long d);
int __wrap_prctl(int what, unsigned long a, unsigned long b, unsigned long c, unsigned long d) {
    (void)what, (void)b, (void)c, (void)d;
    FAILS("prctl");
    if (a > 40) { // more than this kernel knows
        errno = EINVAL;
        return -1;
    }
    kernel.dropped++;
    return 0;
}
long __real_syscall(long number, uintptr_t a, uintptr_t b, uintptr_t c);
long __wrap_syscall(long number, uintptr_t a, uintptr_t b, uintptr_t c);
long __wrap_syscall(long number, uintptr_t a, uintptr_t b, uintptr_t c) {
    if (number == SYS_setresuid) {
        kernel.effective = (uid_t)b;
        return 0;
    }
    if (number != SYS_capget)
        return __real_syscall(number, a, b, c);
    FAILS("capget");
    struct __user_cap_data_struct *sets = (void *)b;
    memset(sets, 0, _LINUX_CAPABILITY_U32S_3 * sizeof *sets);
    sets[1].permitted = kernel.has_capability;
    return 0;
}

static void be_root(void) {
    memset(&kernel, 0, sizeof kernel);
    failing_call_set(NULL, 0, 0);
}

static void nothing_to_give_up(void **state) {
    (void)state;
    struct fq_privileges privileges = {.is_dropping = true};
    char error[256] = "";
    be_root();
    assert_int_equal(fq_privileges_begin(NULL, &privileges, error, sizeof error), 0);
    assert_false(privileges.is_dropping);
    assert_int_equal(fq_privileges_begin("", &privileges, error, sizeof error), 0);
    kernel.effective = USER; // already
    assert_int_equal(fq_privileges_begin("queue", &privileges, error, sizeof error), 0);
    assert_false(privileges.is_dropping);
    fq_privileges_raise(&privileges);
    assert_int_equal(kernel.effective, USER);
    assert_int_equal(fq_privileges_end(&privileges, error, sizeof error), 0);
    assert_int_equal(kernel.dropped, 0);
}

static void users_that_cannot_be(void **state) {
    (void)state;
    static const struct {
        const char *name, *text;
        uid_t effective;
        const char *call;
    } rows[] = {
        {"nobody-at-all", "there is no such user",             0,        NULL        },
        {"queue",         "there is no such user",             0,        "getpwnam_r"},
        {"root",          "that is root",                      0,        NULL        },
        {"queue",         "only root can become another user", USER + 1, NULL        },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fq_privileges privileges = {.is_dropping = false};
        char error[256] = "";
        be_root();
        kernel.effective = rows[i].effective;
        failing_call_set(rows[i].call, 0, EIO);
        assert_int_equal(fq_privileges_begin(rows[i].name, &privileges, error, sizeof error), FQ_EINVALID);
        assert_non_null(strstr(error, rows[i].text));
        assert_non_null(strstr(error, rows[i].name));
        assert_false(privileges.is_dropping);
    }
}

static void a_beginning_that_fails(void **state) {
    (void)state;
    static const struct {
        const char *call;
        int skip;
    } rows[] = {
        {"initgroups", 0 },
        {"setresgid",  0 },
        {"prctl",      0 },
        {"prctl",      64}, // no new privileges
        {"setresuid",  0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fq_privileges privileges = {.is_dropping = false};
        char error[256] = "";
        be_root();
        failing_call_set(rows[i].call, rows[i].skip, EPERM);
        assert_int_equal(fq_privileges_begin("queue", &privileges, error, sizeof error), FQ_EINVALID);
        assert_int_equal(failing_call_count(), 1);
        assert_non_null(strstr(error, strerror(EPERM)));
        assert_false(privileges.is_dropping);
    }
}

// What one row pretends of the kernel after everything was asked for.
enum pretence { NOTHING, REAL_GROUP, EFFECTIVE_GROUP, SAVED_GROUP, CAPABILITY };

static void an_end_that_is_none(void **state) {
    (void)state;
    static const struct {
        const char *call;
        enum pretence pretence;
        int result;
    } rows[] = {
        {NULL,        NOTHING,         0          },
        {"setresuid", NOTHING,         FQ_EINVALID},
        {"getresuid", NOTHING,         FQ_EINVALID},
        {"getresgid", NOTHING,         FQ_EINVALID},
        {"capget",    NOTHING,         FQ_EINVALID},
        {"setuid",    NOTHING,         FQ_EINVALID},
        {"seteuid",   NOTHING,         FQ_EINVALID},
        {"setgid",    NOTHING,         FQ_EINVALID},
        {NULL,        REAL_GROUP,      FQ_EINVALID},
        {NULL,        EFFECTIVE_GROUP, FQ_EINVALID},
        {NULL,        SAVED_GROUP,     FQ_EINVALID},
        {NULL,        CAPABILITY,      FQ_EINVALID},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fq_privileges privileges;
        char error[256] = "";
        be_root();
        assert_int_equal(fq_privileges_begin("queue", &privileges, error, sizeof error), 0);
        assert_true(privileges.is_dropping);
        assert_int_equal(kernel.effective, USER);
        assert_int_equal(kernel.saved, 0); // until the listeners are open
        assert_true(kernel.dropped > 40);
        fq_privileges_raise(&privileges);
        assert_int_equal(kernel.effective, 0);
        fq_privileges_lower(&privileges);
        assert_int_equal(kernel.effective, USER);
        if (rows[i].pretence >= REAL_GROUP && rows[i].pretence <= SAVED_GROUP)
            kernel.groups[rows[i].pretence - REAL_GROUP] = 0;
        kernel.has_capability = rows[i].pretence == CAPABILITY;
        failing_call_set(rows[i].call, 0, EPERM);
        assert_int_equal(fq_privileges_end(&privileges, error, sizeof error), rows[i].result);
        assert_true(rows[i].result == 0 || strstr(error, "cannot be given up") != NULL);
        assert_false(privileges.is_dropping);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_to_give_up),
        cmocka_unit_test(users_that_cannot_be),
        cmocka_unit_test(a_beginning_that_fails),
        cmocka_unit_test(an_end_that_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
