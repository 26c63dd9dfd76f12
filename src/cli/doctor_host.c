// SPDX-License-Identifier: Apache-2.0
// What this machine offers: the data directory and the limits.
#include "cli/doctor.h"
#include "server/data_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { SPACE_LOW_MIB = 1024, OPEN_FILES_LOW = 4096 };

static bool is_volatile(long type) {
    return type == TMPFS_MAGIC || type == RAMFS_MAGIC;
}

static bool is_remote(long type) {
    return type == NFS_SUPER_MAGIC || type == SMB_SUPER_MAGIC || type == (long)SMB2_SUPER_MAGIC ||
           type == CEPH_SUPER_MAGIC || type == V9FS_MAGIC;
}

static bool copies_on_write(long type) {
    return type == (long)BTRFS_SUPER_MAGIC || type == OVERLAYFS_SUPER_MAGIC || type == 0x2fc12fc1;
}

static void check_file_system(struct fq_doctor *doctor, const char *path) {
    struct statfs info;
    if (statfs(path, &info) < 0) {
        fq_doctor_report(doctor, "file system", FQ_CHECK_FAILED, NULL, "%s: %s", path, strerror(errno));
        return;
    }
    long type = (long)info.f_type;
    bool allowed = fq_option_number(doctor->options, FQ_OPTION_ALLOW_VOLATILE) != 0;
    if (is_volatile(type))
        fq_doctor_report(doctor, "file system", allowed ? FQ_CHECK_WARNING : FQ_CHECK_FAILED,
                         "choose a --data-dir on a disk, or say --allow-volatile",
                         "%s is in memory: a reboot loses the queue", path);
    else if (is_remote(type))
        fq_doctor_report(doctor, "file system", allowed ? FQ_CHECK_WARNING : FQ_CHECK_FAILED,
                         "choose a --data-dir on a local disk",
                         "%s is on a network file system: a sync proves little there", path);
    else if (copies_on_write(type))
        fq_doctor_report(doctor, "file system", FQ_CHECK_WARNING, "prefer ext4 or xfs for the data directory",
                         "%s copies on write: reserved space may still run out", path);
    else
        fq_doctor_report(doctor, "file system", FQ_CHECK_OK, NULL, "%s is on a local disk", path);
}

static void check_space(struct fq_doctor *doctor, const char *path) {
    struct statvfs info;
    if (statvfs(path, &info) < 0)
        return;
    unsigned long long free_mib = (unsigned long long)info.f_bavail * info.f_frsize >> 20;
    unsigned long long all_mib = (unsigned long long)info.f_blocks * info.f_frsize >> 20;
    bool low = free_mib < SPACE_LOW_MIB || free_mib < all_mib / 20;
    fq_doctor_report(doctor, "free space", low ? FQ_CHECK_WARNING : FQ_CHECK_OK,
                     low ? "make room: submits are refused when the journal's reserve is reached" : NULL,
                     "%llu MiB of %llu MiB", free_mib, all_mib);
}

// The lock is only asked for, never taken from its owner.
static void check_owner(struct fq_doctor *doctor, const char *path) {
    char lock[PATH_MAX + 8], owner[64] = "";
    snprintf(lock, sizeof lock, "%s/LOCK", path);
    int fd = open(lock, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        fq_doctor_report(doctor, "owner", FQ_CHECK_OK, NULL, "not in use yet");
        return;
    }
    ssize_t len = pread(fd, owner, sizeof owner - 1, 0);
    owner[len > 0 ? len : 0] = '\0';
    owner[strcspn(owner, "\n")] = '\0';
    if (flock(fd, LOCK_SH | LOCK_NB) == 0)
        fq_doctor_report(doctor, "owner", FQ_CHECK_OK, NULL, "no control plane runs on it now");
    else
        fq_doctor_report(doctor, "owner", FQ_CHECK_OK, NULL, "a control plane runs on it (%s)", owner);
    close(fd);
}

// The nearest directory above `path` that exists.
static void existing_part(char *path) {
    while (access(path, F_OK) != 0) {
        char *slash = strrchr(path, '/');
        if (slash == NULL || slash == path) {
            memcpy(path, slash == NULL ? "." : "/", 2);
            return;
        }
        *slash = '\0';
    }
}

void fq_doctor_check_data_dir(struct fq_doctor *doctor) {
    char path[PATH_MAX], error[512];
    const char *given = fq_option_text(doctor->options, FQ_OPTION_DATA_DIR);
    if (given != NULL && strcmp(given, "none") == 0) {
        fq_doctor_report(doctor, "data directory", FQ_CHECK_WARNING, NULL,
                         "none: the queue lives in memory only");
        return;
    }
    if (fq_data_dir_find(given, path, sizeof path, error, sizeof error) < 0) {
        fq_doctor_report(doctor, "data directory", FQ_CHECK_FAILED, "name one with --data-dir", "%s", error);
        return;
    }
    struct stat info;
    bool exists = stat(path, &info) == 0;
    char shown[PATH_MAX];
    snprintf(shown, sizeof shown, "%s", path);
    existing_part(path);
    if (exists && !S_ISDIR(info.st_mode))
        fq_doctor_report(doctor, "data directory", FQ_CHECK_FAILED, "name a directory", "%s is no directory",
                         shown);
    else if (access(path, W_OK | X_OK) != 0)
        fq_doctor_report(doctor, "data directory", FQ_CHECK_FAILED,
                         "give it to the user that runs the control plane", "%s cannot be written: %s", path,
                         strerror(errno));
    else if (exists && (info.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        fq_doctor_report(doctor, "data directory", FQ_CHECK_WARNING, "chmod 700 it: it holds every payload",
                         "%s is open to other users (mode %o)", shown, info.st_mode & 07777);
    else
        fq_doctor_report(doctor, "data directory", FQ_CHECK_OK, NULL, "%s%s", shown,
                         exists ? "" : " (not made yet)");
    check_file_system(doctor, path);
    check_space(doctor, path);
    if (exists)
        check_owner(doctor, shown);
}

static long read_number(const char *path) {
    FILE *file = fopen(path, "re");
    char text[32] = "";
    if (file == NULL)
        return -1;
    char *read = fgets(text, sizeof text, file);
    fclose(file);
    return read != NULL ? strtol(text, NULL, 10) : -1;
}

void fq_doctor_check_limits(struct fq_doctor *doctor) {
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        bool low = files.rlim_cur < OPEN_FILES_LOW;
        fq_doctor_report(doctor, "open files", low ? FQ_CHECK_WARNING : FQ_CHECK_OK,
                         low ? "raise it for many connections: ulimit -n 65536, or LimitNOFILE= in the unit"
                             : NULL,
                         "%llu allowed, %llu at most", (unsigned long long)files.rlim_cur,
                         (unsigned long long)files.rlim_max);
    }
    long overcommit = read_number("/proc/sys/vm/overcommit_memory");
    if (overcommit == 2)
        fq_doctor_report(doctor, "memory", FQ_CHECK_WARNING,
                         "sysctl vm.overcommit_memory=0, or leave room for runner processes",
                         "the kernel never overcommits: starting processes may fail early");
    else if (overcommit >= 0)
        fq_doctor_report(doctor, "memory", FQ_CHECK_OK, NULL, "overcommit policy %ld", overcommit);
}
