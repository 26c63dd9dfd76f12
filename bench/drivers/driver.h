// SPDX-License-Identifier: Apache-2.0
// One set of verbs for every queue (driver.c); a queue's own file says how its tasks are submitted, taken and finished.
#ifndef BENCH_DRIVER_H
#define BENCH_DRIVER_H
#include <stdbool.h>
#include <stddef.h>

struct setup {
    int port;
    long count;       // tasks
    size_t bytes;     // of a payload
    long batch;       // tasks in flight, and taken at once
    long window;      // tasks queued at once by `cycle`; 0: as many as come
    long connections; // of `ack`
    long names;       // over which tasks are spread, where the queue has names
    long delay_ms;    // before a task is due
    long rate;        // of `pace`, a second
    long warm_up;     // calls that are not timed
    bool mixed;       // priorities are spread
    const char *variant;
};

// `self` is a connection in one role. Requests are put together by `submit`, sent at once, and answered later.
struct queue {
    const char *name;
    void *(*open)(const struct setup *setup, bool worker);
    void (*close)(void *self);
    // Sends `n` tasks, numbered from `first`, in the queue's best form; how many answers that makes.
    long (*submit)(void *self, long first, long n);
    void (*confirm)(void *self, long answers); // waits for that many
    int (*fd)(void *self);                     // readable when an answer comes; NULL: `ack` has threads
    long (*work)(void *self,
                 long n);       // takes up to `n` tasks and finishes those taken before; how many it took
    void (*settle)(void *self); // finishes what is left; returns when the server has heard it all
    void (*call)(void *self, long number);
    void (*serve)(void *self); // does one call's task and sends its result; finishes the task before the next
};

int driver_main(const struct queue *queue, int argc, char **argv);

// A payload of exactly `bytes` (at least 32): a JSON object, args[0] begins with the task's number in 12 digits at
// PAYLOAD_NUMBER, so that each one is different. The caller frees it.
enum { PAYLOAD_NUMBER = 10, PAYLOAD_DIGITS = 12 };
char *payload_new(size_t bytes);
void payload_number(char *payload, long number);
#endif
