// SPDX-License-Identifier: Apache-2.0
// Fork and exit. The list of members is locked across a fork, so that a child never inherits it half changed, and during
// the work at exit, so that nobody frees what is being shut down.
//
// Whether this process is still the one it was is read from a page that the kernel empties in every child, also in one made
// without fork's handlers.
#include "otel/system/system.h"
#include "otel/system/thread.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { GRACE_MS = 50 }; // for members that take their whole time

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct otel_process_member *first;
static _Atomic uint32_t fallback = 1;
static _Atomic uint32_t *_Atomic generation = &fallback;
static _Atomic uint32_t last_generation = 1;

// --- fork ------------------------------------------------------------------------------------------------------------
static void before_fork(void) {
    pthread_mutex_lock(&list_lock);
    for (struct otel_process_member *member = first; member != NULL; member = member->next)
        member->fork_prepare(member->context);
}

static void after_fork_parent(void) {
    for (struct otel_process_member *member = first; member != NULL; member = member->next)
        member->fork_parent(member->context);
    pthread_mutex_unlock(&list_lock);
}

static void tell_children(void) {
    for (struct otel_process_member *member = first; member != NULL; member = member->next)
        member->fork_child(member->context);
}

static void after_fork_child(void) {
    uint32_t next = atomic_fetch_add(&last_generation, 1) + 1;
    atomic_store(atomic_load(&generation), next);
    tell_children();
    pthread_mutex_init(&list_lock, NULL);
}

// The page was emptied and no handler has put a number there: a child by clone. One thread tells the members.
static uint32_t notice_bare_fork(_Atomic uint32_t *word) {
    uint32_t empty = 0, next = atomic_load(&last_generation) + 1;
    if (!atomic_compare_exchange_strong(word, &empty, next))
        return empty;
    atomic_store(&last_generation, next);
    pthread_mutex_init(&list_lock, NULL);
    tell_children();
    return next;
}

uint32_t otel_process_generation(void) {
    _Atomic uint32_t *word = atomic_load_explicit(&generation, memory_order_relaxed);
    uint32_t value = atomic_load_explicit(word, memory_order_relaxed);
    return __builtin_expect(value != 0, 1) ? value : notice_bare_fork(word);
}

// --- exit ------------------------------------------------------------------------------------------------------------
// The work runs in a thread of its own: exit may have been called from a signal handler whose thread holds a lock that the
// work needs. Then the wait ends by time, and the process goes on ending. What the thread touches is static: it may outlive
// the wait.
static pthread_mutex_t exit_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t exit_done;
static bool is_done;

static int64_t now_ms(void) {
    return otel_system_clock().monotonic_ns(NULL) / 1000000;
}

static void *run_exits(void *arg) {
    int64_t start = now_ms();
    (void)arg;
    pthread_mutex_lock(&list_lock);
    for (struct otel_process_member *member = first; member != NULL; member = member->next) {
        int64_t left = member->exit_timeout_ms - (now_ms() - start);
        member->exit(member->context, left > 0 ? left : 0);
    }
    pthread_mutex_unlock(&list_lock);
    pthread_mutex_lock(&exit_lock);
    is_done = true;
    pthread_cond_signal(&exit_done);
    pthread_mutex_unlock(&exit_lock);
    return NULL;
}

// Without the lock: at worst a wait that is too short or too long by a member that comes or goes at this moment.
static int64_t longest_exit_ms(void) {
    int64_t longest = 0;
    if (pthread_mutex_trylock(&list_lock) != 0)
        return 1000;
    for (struct otel_process_member *member = first; member != NULL; member = member->next) {
        if (member->exit_timeout_ms > longest)
            longest = member->exit_timeout_ms;
    }
    pthread_mutex_unlock(&list_lock);
    return longest;
}

static void at_exit(void) {
    int64_t limit = now_ms() + longest_exit_ms() + GRACE_MS;
    pthread_t thread;
    pthread_condattr_t monotonic;
    if (first == NULL)
        return;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&exit_done, &monotonic);
    is_done = false;
    if (otel_system_thread(&thread, run_exits, NULL) != 0)
        return;
    pthread_detach(thread);
    struct timespec until = {.tv_sec = limit / 1000, .tv_nsec = limit % 1000 * 1000000};
    pthread_mutex_lock(&exit_lock);
    int result = 0;
    while (!is_done && result == 0)
        result = pthread_cond_timedwait(&exit_done, &exit_lock, &until);
    pthread_mutex_unlock(&exit_lock);
}

// --- members ---------------------------------------------------------------------------------------------------------
static void begin(void) {
    void *page = mmap(NULL, sizeof(uint32_t), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page != MAP_FAILED && madvise(page, sizeof(uint32_t), MADV_WIPEONFORK) == 0) {
        atomic_store((_Atomic uint32_t *)page, atomic_load(&fallback));
        atomic_store(&generation, (_Atomic uint32_t *)page);
    } else if (page != MAP_FAILED) {
        munmap(page, sizeof(uint32_t)); // an old kernel: only fork's handlers tell
    }
    pthread_atfork(before_fork, after_fork_parent, after_fork_child);
    atexit(at_exit);
}

void otel_process_join(struct otel_process_member *member) {
    pthread_once(&once, begin);
    pthread_mutex_lock(&list_lock);
    member->previous = NULL;
    member->next = first;
    if (first != NULL)
        first->previous = member;
    first = member;
    pthread_mutex_unlock(&list_lock);
}

void otel_process_leave(struct otel_process_member *member) {
    pthread_mutex_lock(&list_lock);
    if (member->previous != NULL)
        member->previous->next = member->next;
    else if (first == member)
        first = member->next;
    if (member->next != NULL)
        member->next->previous = member->previous;
    member->next = member->previous = NULL;
    pthread_mutex_unlock(&list_lock);
}
