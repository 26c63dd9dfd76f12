// SPDX-License-Identifier: Apache-2.0
// Where blocking work runs: the real one is a thread (worker_thread.c), tests run it inline or when they choose.
#ifndef FQ_JOURNAL_EXECUTOR_H
#define FQ_JOURNAL_EXECUTOR_H

typedef struct fq_executor fq_executor;

struct fq_executor {
    /** Runs `work(argument)` later, in order of submission. At most 16 wait at a time. */
    void (*submit)(fq_executor *executor, void (*work)(void *argument), void *argument);
    /** Runs what was submitted, then ends. Returns NULL. */
    fq_executor *(*close)(fq_executor *executor);
};

/** One thread. `wake` is called from it after each piece of work. NULL on failure. */
fq_executor *fq_executor_thread(void (*wake)(void *context), void *context);

#endif
