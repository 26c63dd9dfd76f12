// SPDX-License-Identifier: Apache-2.0
// A small number for each living thread, so that it can own memory in structures that many threads write to. The number
// of a thread that has ended goes to a later one, which then sees all that the first one wrote.
#ifndef OTEL_SYSTEM_THREAD_SLOT_H
#define OTEL_SYSTEM_THREAD_SLOT_H

// 0 belongs to nobody: it stands for every thread that found no number of its own.
enum { OTEL_THREAD_SLOTS = 32, OTEL_THREAD_SLOT_COMMON = 0 };

extern _Thread_local int otel_thread_slot_plus_one __attribute__((tls_model("initial-exec")));
int otel_thread_slot_take(void);

/** Below OTEL_THREAD_SLOTS. One load but for a thread's first call. */
static inline unsigned otel_thread_slot(void) {
    int slot = otel_thread_slot_plus_one;
    return (unsigned)(__builtin_expect(slot != 0, 1) ? slot - 1 : otel_thread_slot_take());
}
/** In the child of a fork: the other threads' numbers are free again. */
void otel_thread_slot_fork_child(void);

#endif
