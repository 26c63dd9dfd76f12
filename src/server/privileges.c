// SPDX-License-Identifier: Apache-2.0
#include "server/privileges.h"

#include "base/assert.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ENTRY_BYTES = 16384, CAPABILITIES = 64 };
#define UNCHANGED ((uid_t)-1)

static int refuse(char *error, size_t size, const char *name, const char *why) {
    snprintf(error, size, "--run-as %s: %s", name, why);
    return FQ_EINVALID;
}

static int take_groups(const char *name, gid_t gid) {
    return initgroups(name, gid) == 0 && setresgid(gid, gid, gid) == 0 ? 0 : -1;
}

// What may be had again by executing something: nothing. Absent capabilities end the loop with EINVAL.
static int close_ways_back(void) {
    for (unsigned long capability = 0; capability < CAPABILITIES; capability++)
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 && errno != EINVAL)
            return -1;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

int fq_privileges_begin(const char *name, struct fq_privileges *ret_privileges, char *error, size_t size) {
    struct fq_privileges privileges = {.is_dropping = false};
    if (name == NULL || name[0] == '\0') {
        *ret_privileges = privileges;
        return 0;
    }
    char text[ENTRY_BYTES];
    struct passwd entry, *found = NULL;
    if (getpwnam_r(name, &entry, text, sizeof text, &found) != 0 || found == NULL)
        return refuse(error, size, name, "there is no such user");
    if (found->pw_uid == 0)
        return refuse(error, size, name, "that is root; name a user who may do less");
    privileges = (struct fq_privileges){.uid = found->pw_uid, .gid = found->pw_gid};
    if (geteuid() != 0 && geteuid() != found->pw_uid)
        return refuse(error, size, name, "only root can become another user");
    if (geteuid() == 0) {
        // The saved identity stays root's until the listeners are open.
        if (take_groups(name, privileges.gid) < 0 || close_ways_back() < 0 ||
            setresuid(UNCHANGED, privileges.uid, 0) != 0)
            return refuse(error, size, name, strerror(errno));
        privileges.is_dropping = true;
    }
    *ret_privileges = privileges;
    return 0;
}

// By the system call, which means this thread alone: through the C library the journal's thread would be root meanwhile,
// and so would the files that it makes. The kernel does not refuse: both are among this process's identities.
static void be(const struct fq_privileges *privileges, uid_t uid) {
    if (privileges->is_dropping)
        FQ_ASSERT(syscall(SYS_setresuid, UNCHANGED, uid, UNCHANGED) == 0);
}

void fq_privileges_raise(const struct fq_privileges *privileges) {
    be(privileges, 0);
}

void fq_privileges_lower(const struct fq_privileges *privileges) {
    be(privileges, privileges->uid);
}

// The search for leaks looks at the process from outside, which the change of user has forbidden as well.
static void show_memory_to_sanitizer(void) {
#ifdef __SANITIZE_ADDRESS__
    (void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
#endif
}

static bool has_capabilities(void) {
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
    if (syscall(SYS_capget, &head, sets) != 0)
        return true;
    for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
        if ((sets[i].effective | sets[i].permitted | sets[i].inheritable) != 0)
            return true;
    return false;
}

static bool is_only(const struct fq_privileges *privileges) {
    uid_t real, effective, saved;
    gid_t real_group, effective_group, saved_group;
    if (getresuid(&real, &effective, &saved) != 0 ||
        getresgid(&real_group, &effective_group, &saved_group) != 0)
        return false;
    return real == privileges->uid && effective == real && saved == real && real_group == privileges->gid &&
           effective_group == real_group && saved_group == real_group;
}

int fq_privileges_end(struct fq_privileges *privileges, char *error, size_t size) {
    if (!privileges->is_dropping)
        return 0;
    privileges->is_dropping = false;
    uid_t uid = privileges->uid;
    bool is_given_up = setresuid(uid, uid, uid) == 0 && is_only(privileges) && !has_capabilities();
    if (is_given_up && setuid(0) != 0 && seteuid(0) != 0 && setgid(0) != 0) {
        show_memory_to_sanitizer();
        return 0;
    }
    snprintf(error, size, "root's privileges cannot be given up");
    return FQ_EINVALID;
}

void fq_privileges_hide_memory(void) {
#ifdef __SANITIZE_ADDRESS__
    return; // the search for leaks looks at the process from outside
#endif
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

void fq_privileges_forbid_core_files(void) {
    struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none);
}
