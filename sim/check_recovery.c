// SPDX-License-Identifier: Apache-2.0
// What comes back after a crash: a prefix of the events that holds all that peers have seen, and is it whole.
#include "base/assert.h"
#include "sim/model_state.h"

#include <inttypes.h>

static bool known_hash(const sim_model *model, uint64_t seq) {
    return seq != 0 && model->hash_seqs[seq % MODEL_HASHES] == seq;
}

void check_tasks(sim_model *model, const fq_engine *engine) {
    const struct place *places[] = {&model->scheduled, &model->started, &model->final, &model->dead};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        for (const struct model_task *task = places[i]->first; task != NULL; task = task->next) {
            struct fq_task_view view;
            int rc = fq_engine_task(engine, &task->id, &view);
            CHECK(model, S22,
                  rc == 0 && view.state == task->body.state && view.attempt == task->body.attempt &&
                      view.crashes == task->body.crashes && view.losses == task->body.losses &&
                      view.token == task->body.token && view.cancel_requested == task->body.cancelling,
                  "task %s is not as its events left it", model_id(task));
        }
    }
    for (unsigned queue = 0; queue < MODEL_NAMES_MAX * MODEL_PRIORITIES; queue++) {
        const struct place *place = &model->queues[queue / MODEL_PRIORITIES][queue % MODEL_PRIORITIES];
        for (const struct model_task *task = place->first; task != NULL; task = task->next) {
            struct fq_task_view view;
            int rc = fq_engine_task(engine, &task->id, &view);
            CHECK(model, S22,
                  rc == 0 && view.state == FQ_TASK_PENDING && view.attempt == task->body.attempt &&
                      view.losses == task->body.losses && view.payload.len == task->body.payload_len,
                  "waiting task %s is not as its events left it", model_id(task));
        }
    }
    unsigned looked = 0; // ids outlive their records
    for (const struct model_task *task = model->gone.last; task != NULL && looked < 64;
         task = task->previous, looked++) {
        struct fq_task_view view;
        CHECK(model, S16,
              fq_engine_task(engine, &task->id, &view) == 0 && view.state == task->body.final_state,
              "the id of finished task %s is forgotten", model_id(task));
    }
}

static void check_prefix(sim_model *model, uint64_t last_seq) {
    bool may_lose = model->options->relaxed != 0 && model->power_cut;
    check_window(model, last_seq);
    if (model->observed_seq > last_seq && may_lose) {
        sim_world_count(model->world, "relaxed mode lost what was seen", 1);
        model->lossy = true;
        model->observed_seq = last_seq;
        return;
    }
    CHECK(model, S1, model->observed_seq <= last_seq,
          "%s was seen, which rests on record %" PRIu64 "; recovery brought back %" PRIu64,
          model->observed_as, model->observed_seq, last_seq);
    CHECK(model, S24, model->observed_seq <= last_seq,
          "an answer rests on record %" PRIu64 "; recovery brought back %" PRIu64, model->observed_seq,
          last_seq);
}

void sim_model_recovered(sim_model *model, const fq_engine *engine, const fq_journal *journal) {
    if (sim_world_failed(model->world))
        return;
    model->stats.recoveries++;
    uint64_t last_seq = fq_journal_last_seq(journal);
    check_prefix(model, last_seq);
    model->power_cut = false;
    CHECK(model, S22, last_seq <= model->seq, "%" PRIu64 " records came back of %" PRIu64 " events", last_seq,
          model->seq);
    if (sim_world_failed(model->world))
        return;
    bool back = model_roll_back(model, last_seq);
    CHECK(model, S2, back, "record %" PRIu64 " was the last to come back, of %" PRIu64 " that were durable",
          last_seq, model->seq);
    if (!back)
        return;
    model->undo_first = model->undo_next; // what is on the disk now stays
    if (known_hash(model, last_seq)) {
        bool same = model->hashes[last_seq % MODEL_HASHES] == fq_engine_hash(engine);
        CHECK(model, S22, same, "the state at record %" PRIu64 " is not what it was", last_seq);
        CHECK(model, S23, same, "the state replayed to record %" PRIu64 " is not what it was live", last_seq);
    }
    check_tasks(model, engine);
    check_counts(model, engine, sim_world_server_now(model->world));
    fq_engine_check(engine);
}

void sim_model_refused(sim_model *model, int error, const char *text, bool damaged) {
    CHECK(model, S1, damaged, "the server refuses to start on an undamaged disk: %d, %s", error, text);
}

// Whoever held a lease when the backup was taken holds none of the restored journal, and cannot report to it.
static void check_leases_are_void(sim_model *model, const fq_engine *engine, struct fq_now now) {
    fq_decision *decision = fq_decision_new();
    FQ_ASSERT(decision != NULL);
    for (const struct model_task *task = model->started.first; task != NULL; task = task->next) {
        struct fq_task_view view;
        bool is_known = fq_engine_task(engine, &task->id, &view) == 0;
        CHECK(model, S39, !is_known || view.state != FQ_TASK_STARTED, "task %s is held in a restored journal",
              model_id(task));
        struct fq_command complete = {.type = FQ_COMMAND_COMPLETE};
        complete.complete.id = task->id;
        complete.complete.token = task->body.token;
        CHECK(model, S39, fq_engine_decide(engine, &complete, now, decision) < 0,
              "token %" PRIu64 " from before the restore completes task %s", task->body.token,
              model_id(task));
    }
    fq_decision_free(decision);
}

void sim_model_restored(sim_model *model, const struct sim_restored *restored, struct fq_now now) {
    uint64_t last_seq = restored->last_seq;
    CHECK(model, S39, last_seq >= restored->durable_seq,
          "a backup taken at record %" PRIu64 " ends at %" PRIu64, restored->durable_seq, last_seq);
    if (known_hash(model, last_seq))
        CHECK(model, S39, model->hashes[last_seq % MODEL_HASHES] == restored->hash,
              "the state backed up at record %" PRIu64 " is not what it was", last_seq);
    CHECK(model, S39, restored->found_seq == last_seq && restored->found_hash == restored->restored_hash,
          "a start on the restored journal finds another state at record %" PRIu64, last_seq);
    CHECK(model, S39, !restored->is_same_instance && restored->epoch > restored->old_epoch + (1u << 16) - 1,
          "boot %u of a restored journal follows boot %u too closely, or is the same instance",
          restored->epoch, restored->old_epoch);
    check_leases_are_void(model, restored->engine, now);
    fq_engine_check(restored->engine);
}

void sim_model_compacted(sim_model *model, uint64_t last_seq, uint64_t state_hash) {
    if (known_hash(model, last_seq))
        CHECK(model, S23, model->hashes[last_seq % MODEL_HASHES] == state_hash,
              "the compactor's state at record %" PRIu64 " is not what it was live", last_seq);
}
