// SPDX-License-Identifier: Apache-2.0
// What a peer asked, in the words of the model.
#ifndef FQ_SIM_EXCHANGE_H
#define FQ_SIM_EXCHANGE_H

#include "base/str.h"
#include "base/uuid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sim_verb {
    SIM_SUBMIT,
    SIM_RESULT, // and STATUS
    SIM_WATCH,
    SIM_CANCEL,
    SIM_REGISTER,
    SIM_UNREGISTER,
    SIM_FETCH,
    SIM_HEARTBEAT,
    SIM_COMPLETE,
    SIM_FAIL,
    SIM_RELEASE,
    SIM_PAUSE,
    SIM_RESUME,
    SIM_DEAD_REQUEUE,
    SIM_DEAD_PURGE,
    SIM_LIST,
    SIM_STATS, // STATS, QUEUES, WORKERS, INFO
    SIM_OTHER,
};

enum { SIM_BEATS_MAX = 64, SIM_NAMES_MAX = 32 };

/** Task name `number` (< SIM_NAMES_MAX): bit `number` of a mask of names stands for it. */
static inline fq_str sim_name(unsigned number) {
    static const char texts[] = "task00task01task02task03task04task05task06task07"
                                "task08task09task10task11task12task13task14task15"
                                "task16task17task18task19task20task21task22task23"
                                "task24task25task26task27task28task29task30task31";
    return (fq_str){texts + (size_t)number * 6, 6};
}

// Part of payloads, results and login tokens (as far as they have the room): must never be seen in an error or in what
// STATS, QUEUES, WORKERS and INFO show.
#define SIM_CANARY "kanarienvogel"

struct sim_exchange {
    uint32_t actor;      // who asks; each connection's life is one actor's
    uint64_t connection; // sim_link_id
    enum sim_verb verb;
    unsigned roles; // enum fq_role: what this connection may do; 0 = not logged in
    bool must_fail; // malformed, over a limit, or not allowed: any answer but an error is wrong
    fq_uuid id;     // SUBMIT (given or made by the client), RESULT, CANCEL, COMPLETE, FAIL, RELEASE, DEAD_…
    fq_str name, body, unique; // SUBMIT; COMPLETE: body = result; PAUSE, RESUME: name, "" = all. Copied.
    uint64_t token;
    bool waits;            // RESULT … WAIT, FETCH … BLOCK
    bool token_is_current; // the worker believes that its lease holds
    struct {               // SUBMIT
        int priority;
        int64_t delay_ms, at_ms, expires_ms, timeout_ms, backoff_ms, result_ttl_ms; // -1 = not given
        uint32_t retries;
    } submit;
    struct { // FETCH, REGISTER: bits of names, count asked for
        uint32_t names, count;
        const char *worker; // "" = none
    } work;
    struct { // HEARTBEAT; token 0 = not held
        size_t count;
        fq_uuid id[SIM_BEATS_MAX];
        uint64_t token[SIM_BEATS_MAX];
        bool running[SIM_BEATS_MAX];
    } beats;
    bool no_retry, crash; // FAIL
};

#endif
