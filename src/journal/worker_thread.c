// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "journal/executor.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

enum { QUEUE_MAX = 16 };

struct piece {
    void (*work)(void *argument);
    void *argument;
};

struct worker_thread {
    fq_executor base;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct piece queue[QUEUE_MAX]; // a ring
    unsigned first, count;
    bool closing;
    void (*wake)(void *context);
    void *wake_context;
};

static bool take(struct worker_thread *worker, struct piece *ret_piece) {
    pthread_mutex_lock(&worker->mutex);
    while (worker->count == 0 && !worker->closing)
        pthread_cond_wait(&worker->changed, &worker->mutex);
    bool found = worker->count > 0;
    if (found) {
        *ret_piece = worker->queue[worker->first];
        worker->first = (worker->first + 1) % QUEUE_MAX;
        worker->count--;
    }
    pthread_mutex_unlock(&worker->mutex);
    return found;
}

static void *run(void *argument) {
    struct worker_thread *worker = argument;
    struct piece piece;
    while (take(worker, &piece)) {
        piece.work(piece.argument);
        worker->wake(worker->wake_context);
    }
    return NULL;
}

static void worker_submit(fq_executor *executor, void (*work)(void *argument), void *argument) {
    struct worker_thread *worker = (struct worker_thread *)executor;
    pthread_mutex_lock(&worker->mutex);
    FQ_ASSERT(worker->count < QUEUE_MAX && !worker->closing);
    worker->queue[(worker->first + worker->count++) % QUEUE_MAX] = (struct piece){work, argument};
    pthread_mutex_unlock(&worker->mutex);
    pthread_cond_signal(&worker->changed); // unlocked: the thread would wake only to wait for the mutex
}

static fq_executor *worker_close(fq_executor *executor) {
    struct worker_thread *worker = (struct worker_thread *)executor;
    pthread_mutex_lock(&worker->mutex);
    worker->closing = true;
    pthread_cond_signal(&worker->changed);
    pthread_mutex_unlock(&worker->mutex);
    pthread_join(worker->thread, NULL);
    pthread_cond_destroy(&worker->changed);
    pthread_mutex_destroy(&worker->mutex);
    free(worker);
    return NULL;
}

fq_executor *fq_executor_thread(void (*wake)(void *context), void *context) {
    struct worker_thread *worker = calloc(1, sizeof *worker);
    if (worker == NULL)
        return NULL;
    *worker = (struct worker_thread){
        .base = {worker_submit, worker_close},
          .wake = wake, .wake_context = context
    };
    pthread_mutex_init(&worker->mutex, NULL);
    pthread_cond_init(&worker->changed, NULL);
    // Signals belong to the loop's thread.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int result = pthread_create(&worker->thread, NULL, run, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (result == 0)
        return &worker->base;
    pthread_cond_destroy(&worker->changed);
    pthread_mutex_destroy(&worker->mutex);
    free(worker);
    return NULL;
}
