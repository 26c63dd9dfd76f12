// SPDX-License-Identifier: Apache-2.0
// Trace and span ids. Each thread draws from a generator of its own; a forked child inherits the generators of its parent,
// so the first id of a thread behind a fork seeds it anew.
#include "base/random.h"
#include "otel/system/system.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

struct thread_ids {
    fq_random random;
    uint32_t generation; // of the process that seeded it; 0 = nobody has
};
static __thread struct thread_ids thread_ids __attribute__((tls_model("initial-exec")));

void otel_system_random(void *bytes, size_t len) {
    unsigned char *at = bytes;
    while (len > 0) {
        ssize_t got = getrandom(at, len, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            break;
        at += got;
        len -= (size_t)got;
    }
    if (len == 0)
        return;
    // A kernel without getrandom: time, process and place are all that is left.
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    fq_random poor;
    fq_random_seed(&poor, (uint64_t)now.tv_nsec << 32 ^ (uint64_t)now.tv_sec ^ (uint64_t)getpid() << 20 ^
                              (uint64_t)(uintptr_t)&poor);
    for (; len > 0; len--)
        *at++ = (unsigned char)(fq_random_next(&poor) >> 56);
}

static fq_random *generator(void) {
    uint32_t generation = otel_process_generation();
    if (__builtin_expect(thread_ids.generation != generation, 0)) {
        do {
            otel_system_random(thread_ids.random.state, sizeof thread_ids.random.state);
        } while ((thread_ids.random.state[0] | thread_ids.random.state[1] | thread_ids.random.state[2] |
                  thread_ids.random.state[3]) == 0);
        thread_ids.generation = generation;
    }
    return &thread_ids.random;
}

static uint64_t draw(fq_random *random) {
    uint64_t value;
    do
        value = fq_random_next(random);
    while (value == 0); // an id must not be all zero
    return value;
}

static void trace_id(void *context, uint8_t ret_id[16]) {
    (void)context;
    fq_random *random = generator();
    uint64_t halves[2] = {fq_random_next(random), draw(random)};
    memcpy(ret_id, halves, sizeof halves);
}

static void span_id(void *context, uint8_t ret_id[8]) {
    (void)context;
    uint64_t value = draw(generator());
    memcpy(ret_id, &value, sizeof value);
}

struct otel_id_generator otel_system_ids(void) {
    return (struct otel_id_generator){.trace_id = trace_id, .span_id = span_id, .random = true};
}

void otel_system_uuid(char text[37]) {
    static const char digits[] = "0123456789abcdef";
    uint8_t bytes[16];
    otel_system_random(bytes, sizeof bytes);
    bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40);
    bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
    for (size_t i = 0; i < sizeof bytes; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *text++ = '-';
        *text++ = digits[bytes[i] >> 4];
        *text++ = digits[bytes[i] & 15];
    }
    *text = '\0';
}
