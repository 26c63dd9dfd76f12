// SPDX-License-Identifier: Apache-2.0
// Starting and watching runner processes.
#ifndef FQ_WORKER_PROCESS_H
#define FQ_WORKER_PROCESS_H

#include "fastqueue/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

struct fq_process_spec {
    const char *const *argv; // NULL at its end; argv[0] is looked for in PATH if it has no slash
    int board_fd;            // becomes descriptor 3
    int control_fd;          // becomes descriptor 4
    int output_fds[2];       // become descriptors 1 and 2; -1 = ours
    bool allow_core;         // leave the core limit alone; else no core files
};

/**
 * Executes a program in a session and process group of its own, with descriptors 0 (/dev/null) to 4 and no others; it dies
 * with this thread, and before this process when the kernel runs out of memory. Its environment is ours without the
 * credentials and with FASTQUEUE_RUNNER_FDS and the mark of stray.h, its umask ours and never without S_IWOTH. FQ_EIO with
 * a sentence in `errstr` when it cannot be executed.
 */
FQ_MUST_USE int fq_process_start(const struct fq_process_spec *spec, pid_t *ret_pid, char *errstr,
                                 size_t errstr_size);
/** Kills the process group; the leader is reaped by its owner. */
void fq_process_kill_group(pid_t pid);
/** Resident bytes of a process, 0 if unknown. */
uint64_t fq_process_resident(pid_t pid);

// How a process ended.
struct fq_process_end {
    int status; // as of wait(2)
    struct rusage usage;
    bool killed_here;   // the SIGKILL was ours
    bool out_of_memory; // the kernel killed for memory in our control group meanwhile
};
/** OOM kills counted so far by our cgroup, -1 if that cannot be known. */
int64_t fq_process_oom_kills(void);
/** "killed by signal 11 (Segmentation fault); max resident 12 MiB, CPU 0.03 s". */
void fq_process_describe(const struct fq_process_end *end, char *text, size_t size);

#endif
