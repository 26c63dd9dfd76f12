// SPDX-License-Identifier: Apache-2.0
// The supervisor of `fastqueue subworker`: runs no user code, keeps N runner processes, and answers for their tasks.
#ifndef FQ_WORKER_SUPERVISOR_H
#define FQ_WORKER_SUPERVISOR_H

#include "base/log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fq_supervisor_options {
    const char *address; // of the control plane
    const char *user, *token;
    const char *tls_ca, *tls_cert, *tls_key;
    const char *worker_id;
    const char *const *task_modules; // "./tasks.so" or "package.module"
    size_t task_module_count;
    const char *python;  // interpreter for Python modules; NULL: $VIRTUAL_ENV's, else python3
    const char *program; // path of this binary, to exec C runners
    // Runners; 0 = number of CPUs. With modules of both kinds each kind gets half, at least one; an odd one is Python's.
    uint32_t concurrency;
    uint32_t async_concurrency;    // coroutines at once in a Python runner; 100
    uint64_t max_tasks_per_child;  // 0 = no limit
    uint64_t max_memory_per_child; // bytes resident; 0 = no limit
    int64_t task_timeout_ms;       // default time limit; 0 = none
    int64_t kill_grace_ms;         // 10,000: from the soft signal to SIGKILL
    int64_t drain_timeout_ms;      // 25,000
    bool allow_pickle;
    bool allow_core; // leave the core file limit to the runners; else they write none
    const struct fq_log *log;
};
void fq_supervisor_options_init(struct fq_supervisor_options *options);

/**
 * Runs until drained (SIGTERM, SIGINT; a second one gives running tasks back at once) or failed. A control plane that is
 * not there is waited for. The process's exit code: 0 drained; 1 a module failed to load or an interpreter is missing;
 * 69 the control plane refused the credential or the worker; 70 internal; 78 the options make no sense.
 */
int fq_supervisor_run(const struct fq_supervisor_options *options);

/** Entry of a C runner process (`fastqueue runner`, started by the supervisor only). */
int fq_runner_main(int argc, char **argv);

#endif
