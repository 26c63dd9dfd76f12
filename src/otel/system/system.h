// SPDX-License-Identifier: Apache-2.0
// What the SDK takes from the system when its owner gives nothing else: clocks, random ids, a place for diagnostics, and
// the two moments that a process has no say in, fork and exit.
#ifndef OTEL_SYSTEM_SYSTEM_H
#define OTEL_SYSTEM_SYSTEM_H

#include "otel/resource.h"
#include "otel/runtime.h"

/** CLOCK_REALTIME and CLOCK_MONOTONIC. */
struct otel_clock otel_system_clock(void);
/** Random ids from a generator of each thread's own, seeded by the kernel, and anew in a forked child. No lock. */
struct otel_id_generator otel_system_ids(void);
/** Lines on stderr, one write each. */
struct otel_diagnostics otel_system_diagnostics(void);
/** The process's environment, as otel_sdk_options' `variable`. */
const char *otel_system_variable(void *context, const char *name);
int64_t otel_system_pid(void);
/** Bytes that nobody can foretell. */
void otel_system_random(void *bytes, size_t len);
/** A random (version 4) UUID as text with NUL. */
void otel_system_uuid(char text[37]);
/** Whole file, at most `max` bytes, NUL-terminated, freed by the caller. 0; OTEL_FAILED with *ret_reason (static). */
int otel_system_read_file(const char *path, size_t max, char **ret_text, size_t *ret_len,
                          const char **ret_reason);

/** Opens for appending, made if it is not there. A file descriptor, or -1 and *ret_reason. */
int otel_system_open_append(const char *path, const char **ret_reason);
void otel_system_close(int fd);
/** Runs `run` for each item side by side, the first one in the calling thread; returns when all have. Where no thread can
 *  be had, one after another. */
void otel_system_together(void (*run)(void *item), void *const *items, size_t count);

// --- fork and exit ---------------------------------------------------------------------------------------------------
// A member is told of both. The list is the process's: the only mutable state of system/ beside the thread's ids.
struct otel_process_member {
    void (*fork_prepare)(void *context);
    void (*fork_parent)(void *context);
    void (*fork_child)(void *context);
    void (*exit)(void *context, int64_t timeout_ms); // the process ends in an orderly way
    void *context;
    int64_t exit_timeout_ms;
    struct otel_process_member *next, *previous; // the list's
};
/** From now on, until it leaves. Memory is the member's. */
void otel_process_join(struct otel_process_member *member);
/** After it returns, nothing is called any more. */
void otel_process_leave(struct otel_process_member *member);
/** A number that is another one in each process of a family of forks. One load; notices a fork that ran no handlers, too
 *  (a bare clone), and then tells the members. Any thread. */
uint32_t otel_process_generation(void);

// --- detectors: each makes a resource, or NULL -------------------------------------------------------------------------
extern const struct otel_resource_detector otel_detect_host, otel_detect_os, otel_detect_process;

#endif
