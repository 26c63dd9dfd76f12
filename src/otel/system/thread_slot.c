// SPDX-License-Identifier: Apache-2.0
#include "otel/system/thread_slot.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

_Thread_local int otel_thread_slot_plus_one __attribute__((tls_model("initial-exec")));

static _Atomic uint64_t slots_in_use = 1; // bit 0: the common one is never given out
static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static int key_error;

static void give_back(void *value) {
    int slot = (int)(intptr_t)value - 1;
    // Destructors of other keys may still measure: they do so in the common place.
    otel_thread_slot_plus_one = OTEL_THREAD_SLOT_COMMON + 1;
    atomic_fetch_and_explicit(&slots_in_use, ~(UINT64_C(1) << slot), memory_order_acq_rel);
}

static void make_key(void) {
    key_error = pthread_key_create(&key, give_back);
}

static int claim(void) {
    uint64_t used = atomic_load_explicit(&slots_in_use, memory_order_relaxed);
    for (;;) {
        int slot = used == UINT64_MAX ? OTEL_THREAD_SLOTS : __builtin_ctzll(~used);
        if (slot >= OTEL_THREAD_SLOTS)
            return OTEL_THREAD_SLOT_COMMON;
        if (atomic_compare_exchange_weak_explicit(&slots_in_use, &used, used | UINT64_C(1) << slot,
                                                  memory_order_acq_rel, memory_order_relaxed))
            return slot;
    }
}

int otel_thread_slot_take(void) {
    pthread_once(&key_once, make_key);
    int slot = key_error == 0 ? claim() : OTEL_THREAD_SLOT_COMMON;
    if (slot != OTEL_THREAD_SLOT_COMMON && pthread_setspecific(key, (void *)(intptr_t)(slot + 1)) != 0) {
        atomic_fetch_and_explicit(&slots_in_use, ~(UINT64_C(1) << slot), memory_order_acq_rel);
        slot = OTEL_THREAD_SLOT_COMMON;
    }
    otel_thread_slot_plus_one = slot + 1;
    return slot;
}

void otel_thread_slot_fork_child(void) {
    int mine = otel_thread_slot_plus_one - 1;
    uint64_t used = 1 | (mine > 0 ? UINT64_C(1) << mine : 0);
    atomic_store_explicit(&slots_in_use, used, memory_order_relaxed);
}
