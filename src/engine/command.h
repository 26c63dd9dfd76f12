// SPDX-License-Identifier: Apache-2.0
// What can be asked of the engine. A command is plain data; its slices borrow from the caller for the call of decide.
#ifndef FQ_ENGINE_COMMAND_H
#define FQ_ENGINE_COMMAND_H

#include "engine/task_view.h"

enum fq_command_type {
    FQ_COMMAND_SUBMIT,
    FQ_COMMAND_CANCEL,
    FQ_COMMAND_REGISTER,
    FQ_COMMAND_UNREGISTER,
    FQ_COMMAND_WORKER_GONE, // the last connection of an INSTANCE worker has been closed for 1 s
    FQ_COMMAND_FETCH,
    FQ_COMMAND_COMPLETE,
    FQ_COMMAND_FAIL,
    FQ_COMMAND_HEARTBEAT,
    FQ_COMMAND_RELEASE,
    FQ_COMMAND_PAUSE,
    FQ_COMMAND_RESUME,
    FQ_COMMAND_DEAD_REQUEUE,
    FQ_COMMAND_DEAD_PURGE,
};

struct fq_submit {
    fq_uuid id;
    fq_str name;
    fq_str payload;
    enum fq_priority priority;
    int64_t delay_ms; // 0 = none
    int64_t at_us;    // wall; 0 = none; excludes delay_ms
    int64_t expires_ms;
    int64_t timeout_ms;
    uint32_t retries;
    int64_t backoff_ms;    // 0 = engine default
    int64_t result_ttl_ms; // -1 = engine default, 0 = do not store
    struct fq_task_options options;
};

enum fq_report_state { FQ_REPORT_HELD, FQ_REPORT_RUNNING }; // heartbeat: still unstarted, or running

struct fq_heartbeat {
    fq_uuid id;
    uint64_t token;
    enum fq_report_state state;
    int64_t started_us; // wall; 0 = now. Counts with FQ_REPORT_RUNNING only
};

struct fq_command {
    enum fq_command_type type;
    uint64_t random; // the caller's dice: backoff jitter
    union {
        struct fq_submit submit;
        struct {
            fq_uuid id;
        } cancel, dead_requeue;
        struct {
            fq_str worker;   // "" allowed for FETCH by a plain client: then names are given
            fq_str instance; // "" = none
            const fq_str *names;
            size_t name_count;
            uint32_t slots;
            fq_str meta; // opaque "k=v k=v" text for FQ.WORKERS
        } worker_register;
        struct {
            fq_str worker;
            fq_str instance;
        } worker; // UNREGISTER, WORKER_GONE
        struct {
            fq_str worker; // who holds the leases; "" = a name that the server made up for the connection
            const fq_str *names; // none: those that the worker registered
            size_t name_count;
            uint32_t count; // at most this many tasks, >= 1
            bool
                follows; // goes on with an answer that has tasks: a task that goes alone waits for another one
        } fetch;
        struct {
            fq_uuid id;
            uint64_t token;
            fq_str result;
            fq_str encoding;
            int64_t started_us; // wall; 0 = unknown
            int64_t run_us;     // -1 = unknown
            fq_str traceparent;
        } complete;
        struct {
            fq_uuid id;
            uint64_t token;
            fq_str type;
            fq_str message;
            fq_str stack;
            bool no_retry;
            bool crash; // the task's process died: charged as a crash (see engine.h)
            // What the task's definition declares; counts where the submit named none. 0 = nothing.
            uint32_t declared_retries;
            int64_t declared_backoff_ms;
            int64_t started_us;
            int64_t run_us;
            fq_str traceparent;
        } fail;
        struct {
            fq_str worker; // who beats, so that an idle worker is known to live; "" = leases only
            const struct fq_heartbeat *beats;
            size_t beat_count;
        } heartbeat;
        struct {
            fq_uuid id;
            uint64_t token;
        } release;
        struct {
            fq_str name;             // "" = every name
        } pause, resume, dead_purge; // dead_purge: also by id, below
        struct {
            fq_uuid id;
        } dead_purge_one;
    };
    bool one; // DEAD_PURGE: dead_purge_one is set instead of dead_purge
};

#endif
