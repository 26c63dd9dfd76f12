// SPDX-License-Identifier: Apache-2.0
#include "net/process_use.h"

#include <dirent.h>
#include <sys/resource.h>
#include <uv.h>

static uint64_t count_open_files(void) {
    DIR *directory = opendir("/proc/self/fd");
    if (directory == NULL)
        return 0;
    uint64_t count = 0;
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count > 3 ? count - 3 : 0; // ".", ".." and the directory itself
}

void fq_process_cpu(double *ret_user_s, double *ret_system_s) {
    uv_rusage_t usage = {.ru_maxrss = 0};
    (void)uv_getrusage(&usage); // leaves zeros where the kernel tells nothing
    *ret_user_s = (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6;
    *ret_system_s = (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6;
}

void fq_process_use(struct fq_process_use *ret_use) {
    struct rlimit limit;
    size_t resident = 0;
    *ret_use = (struct fq_process_use){.open_files = count_open_files()};
    double user_s, system_s;
    fq_process_cpu(&user_s, &system_s);
    ret_use->cpu_s = user_s + system_s;
    if (uv_resident_set_memory(&resident) == 0)
        ret_use->resident_bytes = resident;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        ret_use->open_files_max = limit.rlim_cur;
}

uint64_t fq_process_raise_open_files(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 0;
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        return before;
    return limit.rlim_cur;
}
