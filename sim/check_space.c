// SPDX-License-Identifier: Apache-2.0
// What the disk's figures say: when submits must be refused and when they must not, that what ends tasks goes on, how much
// a journal may take, and how much relaxed durability may lose. The figures are the machine's, not the server's.
#include "sim/model_state.h"

#include <inttypes.h>

enum {
    OUTCOME_BYTES = 512,             // kept for the outcome of each live task
    TROUBLE_US = 3 * FQ_US_PER_S,    // after a call was refused, what is prepared is tried again within
    FULL_US = 10 * FQ_US_PER_S,      // an answer may be older than the figures
    WAIT_US = 2 * FQ_US_PER_S,       // records do not wait longer while there is a reserve
    RELAXED_US = 115 * FQ_US_PER_MS, // 100 ms by a clock that may be 5 % slow, and the sync itself
    MARK_US = FQ_US_PER_MS,
    BATCH_FITS_RESERVE = 1 << 16, // a larger batch may not fit into the reserve
    TASK_BYTES = 2048,
    ID_BYTES = 256,       // of a snapshot: a task without payload and result, an id that is remembered
    BASE_BYTES = 1 << 16, // of a snapshot: names, workers, what is the same for all
};

// --- FULL -----------------------------------------------------------------------------------------------------------------
// The most room that the server can count on: what is left in its segment is not known here.
static bool must_refuse(const sim_model *model, const struct sim_space *space) {
    if (space->told_free < space->low_water)
        return true;
    uint64_t above = space->told_free - space->low_water, fixed = space->reserve_bytes + space->spare_bytes;
    return above < UINT64_MAX / 2 && model->live_count * OUTCOME_BYTES > above + fixed + space->segment_bytes;
}

// The least room, with hysteresis.
static bool may_refuse(const sim_model *model, const struct sim_space *space) {
    if (space->told_free < space->low_water + space->low_water / 5)
        return true;
    uint64_t above = space->told_free - space->low_water, need = model->live_count * OUTCOME_BYTES;
    return above < UINT64_MAX / 2 && need + need / 5 > above + space->reserve_bytes;
}

void sim_model_space(sim_model *model, const struct sim_space *space) {
    struct space_seen *seen = &model->space;
    if (space->refused != seen->now.refused)
        seen->trouble_us = space->brisk_us + TROUBLE_US;
    seen->now = *space;
    if (!model->may_fill)
        return;
    if (space->brisk_us < seen->trouble_us || may_refuse(model, space))
        seen->low_us = space->brisk_us;
    seen->must_refuse = seen->must_refuse && must_refuse(model, space);
}

void check_submit_fits(sim_model *model, const struct model_task *task, uint64_t payload_len) {
    if (payload_len > BATCH_FITS_RESERVE / 2)
        model->space.large_seq = model->seq;
    CHECK(model, S35, !model->space.must_refuse,
          "task %s is accepted with %" PRIu64 " bytes free and %" PRIu64 " live tasks to be finished",
          model_id(task), model->space.now.told_free, model->live_count);
}

void check_full(sim_model *model, const struct asked *asked, fq_str text) {
    switch ((enum sim_verb)asked->verb) {
    case SIM_FETCH:
    case SIM_HEARTBEAT:
    case SIM_COMPLETE:
    case SIM_FAIL:
    case SIM_RELEASE:
    case SIM_CANCEL:
        CHECK(model, S35, false, "what leads to the end of a task is refused, request kind %d: '%.*s'",
              asked->verb, FQ_STR_ARGS(text));
        return;
    default: break;
    }
    if (model->options->stream != 0) // its servers say so when they do not answer, too
        return;
    CHECK(model, S35, model->may_fill && model->space.low_us + FULL_US >= asked->brisk_us,
          "FULL is answered while there is space: '%.*s'", FQ_STR_ARGS(text));
}

// --- the reserve ------------------------------------------------------------------------------------------------------------
static void check_reserve(sim_model *model) {
    struct space_seen *seen = &model->space;
    bool is_behind = model->seq > model->durable_seq;
    bool waits = is_behind && seen->is_behind && model->durable_seq == seen->durable_seq;
    seen->durable_seq = model->durable_seq;
    seen->is_behind = is_behind;
    if (!waits || seen->now.reserve_bytes == 0 || model->options->batch_bytes_max > BATCH_FITS_RESERVE ||
        seen->large_seq > model->durable_seq) {
        seen->waits_since_us = seen->now.brisk_us;
        return;
    }
    CHECK(model, S35, seen->now.brisk_us - seen->waits_since_us < WAIT_US,
          "%" PRIu64 " records wait for room while there is a reserve for them",
          model->seq - model->durable_seq);
}

// --- relaxed durability -------------------------------------------------------------------------------------------------------
// Marks say what was seen when; what is older than the window must survive a power cut.
static void note_window(sim_model *model) {
    struct space_seen *seen = &model->space;
    int64_t now_us = seen->now.brisk_us;
    while (seen->mark_count > 0 && now_us - seen->marks[seen->mark_first].at_us > RELAXED_US) {
        seen->safe_seq = seen->marks[seen->mark_first].seq;
        seen->mark_first = (seen->mark_first + 1) % MODEL_MARKS;
        seen->mark_count--;
    }
    bool is_new = model->observed_seq > seen->marked_seq && now_us >= seen->marked_us + MARK_US;
    if (!is_new || seen->mark_count == MODEL_MARKS)
        return;
    uint32_t at = (seen->mark_first + seen->mark_count++) % MODEL_MARKS;
    seen->marks[at].at_us = seen->marked_us = now_us;
    seen->marks[at].seq = seen->marked_seq = model->observed_seq;
}

void check_space(sim_model *model) {
    struct space_seen *seen = &model->space;
    seen->must_refuse = model->may_fill && must_refuse(model, &seen->now);
    check_reserve(model);
    if (model->options->relaxed != 0)
        note_window(model);
}

void check_window(sim_model *model, uint64_t last_seq) {
    struct space_seen *seen = &model->space;
    CHECK(model, S1, seen->safe_seq <= last_seq,
          "relaxed mode lost record %" PRIu64 ", which was seen longer ago than its window; recovery brought "
          "back %" PRIu64,
          seen->safe_seq, last_seq);
    seen->recovered_seq = seen->marked_seq = last_seq;
}

void check_space_crashed(sim_model *model) {
    model->space.mark_count = 0;
    model->space.must_refuse = false;
}

void check_space_booted(sim_model *model) {
    model->space.safe_seq = model->space.recovered_seq; // a start has made durable what it found
    model->space.is_behind = false;
}

// --- the bound --------------------------------------------------------------------------------------------------------------
static uint64_t bytes_of(const struct place *place) {
    uint64_t bytes = 0;
    for (const struct model_task *task = place->first; task != NULL; task = task->next)
        bytes += task->body.payload_len + task->body.result_len + TASK_BYTES;
    return bytes;
}

void sim_model_compacted_twice(sim_model *model, uint64_t used) {
    uint64_t live = BASE_BYTES + bytes_of(&model->scheduled) + bytes_of(&model->started) +
                    bytes_of(&model->final) + bytes_of(&model->dead) + model->gone.count * ID_BYTES;
    for (unsigned queue = 0; queue < MODEL_NAMES_MAX * MODEL_PRIORITIES; queue++)
        live += bytes_of(&model->queues[queue / MODEL_PRIORITIES][queue % MODEL_PRIORITIES]);
    uint64_t bound = 3 * live + 3 * model->options->segment_bytes + model->space.now.reserve_bytes;
    CHECK(model, S35, used <= bound,
          "after two compactions the journal takes %" PRIu64 " bytes; %" PRIu64
          " are live, the bound is %" PRIu64,
          used, live, bound);
}
