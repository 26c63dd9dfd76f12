// SPDX-License-Identifier: Apache-2.0
// What tasks leave running in sessions of their own, as daemons do. The supervisor adopts such processes (it is their
// subreaper), knows by their environment which runner they come from, and ends them with it.
#ifndef FQ_WORKER_STRAY_H
#define FQ_WORKER_STRAY_H

#include <stdbool.h>
#include <sys/types.h>

// Variable in a runner's environment that holds its process id; all that it starts inherits it.
#define FQ_STRAY_MARK "FASTQUEUE_RUNNER_PID="

/** Makes this process the parent of what its runners leave behind. */
void fq_stray_adopt(void);
/** Kills the adopted processes that come from this runner, which has ended; 0 = from any. Those that were started without
 *  the mark stay, and so does everything where the kernel does not list children. Blocks for some milliseconds at most. */
void fq_stray_kill(pid_t runner);
/** Buries adopted processes that have ended, and leaves runners to their owner. */
void fq_stray_reap(bool (*is_runner)(const void *context, pid_t pid), const void *context);

#endif
