// SPDX-License-Identifier: Apache-2.0
// What apply tells its caller besides the state: who must hear of it. Effects are read right after apply (their slices
// borrow from the engine until the next apply); what is written for them to a peer waits until the events are durable.
#ifndef FQ_ENGINE_EFFECT_H
#define FQ_ENGINE_EFFECT_H

#include "engine/task_view.h"

enum fq_effect_type {
    FQ_EFFECT_ELIGIBLE, // a task of `name` waits: a parked fetcher that offers the name may be served
    FQ_EFFECT_GRANTED,  // answer of a FETCH: one a task, in order
    FQ_EFFECT_FINISHED, // final state: push to who waits or watches, result included
    FQ_EFFECT_CANCEL,   // tell `worker`, which runs it
    FQ_EFFECT_WORKER_LEFT,
};

struct fq_effect {
    enum fq_effect_type type;
    uint32_t name_id; // ELIGIBLE: index of the task name, stable for the engine's life
    fq_uuid id;       // GRANTED, FINISHED, CANCEL
    uint64_t token;   // CANCEL, GRANTED
    fq_str worker;    // CANCEL, WORKER_LEFT
};

#endif
