// SPDX-License-Identifier: Apache-2.0
#include "otel/system/system.h"
#include "otel/system/thread.h"

enum { TOGETHER_MAX = 16 };

struct work {
    void (*run)(void *item);
    void *item;
    pthread_t thread;
    bool started;
};

static void *run_work(void *arg) {
    const struct work *work = arg;
    work->run(work->item);
    return NULL;
}

void otel_system_together(void (*run)(void *item), void *const *items, size_t count) {
    struct work works[TOGETHER_MAX];
    for (size_t i = 1; i < count && i < TOGETHER_MAX; i++) {
        works[i] = (struct work){.run = run, .item = items[i]};
        works[i].started = otel_system_thread(&works[i].thread, run_work, &works[i]) == 0;
    }
    if (count > 0)
        run(items[0]);
    for (size_t i = 1; i < count; i++) {
        if (i < TOGETHER_MAX && works[i].started)
            pthread_join(works[i].thread, NULL);
        else
            run(items[i]);
    }
}
