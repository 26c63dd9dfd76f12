// SPDX-License-Identifier: Apache-2.0
// Life of the model, and what the server tells of its own life.
#include "sim/model_state.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

sim_model *sim_model_new(sim_world *world, const struct sim_options *options) {
    sim_model *model = calloc(1, sizeof *model);
    if (model == NULL)
        return NULL;
    model->world = world;
    model->options = options;
    model->observed_as = "";
    model->leaving = -1;
    model->uncounted = false;
    model->may_fill = options->disk_bytes != 0 || options->write_error_rate != 0 ||
                      options->sync_error_rate != 0 || options->memory_rate != 0 ||
                      options->descriptor_rate != 0;
    model->hashes = calloc(MODEL_HASHES, sizeof *model->hashes);
    model->hash_seqs = calloc(MODEL_HASHES, sizeof *model->hash_seqs);
    if (model->hashes == NULL || model->hash_seqs == NULL)
        return sim_model_free(model);
    model_worker(model, FQ_STR(""));
    return model;
}

sim_model *sim_model_free(sim_model *model) {
    if (model == NULL)
        return NULL;
    model_tasks_done(model);
    model_workers_done(model);
    for (uint32_t i = 0; i < model->asked_used; i++) {
        free(model->asked_slots[i]->beats);
        free(model->asked_slots[i]);
    }
    free(model->asked_slots);
    free(model->asked_free);
    free(model->last_answered);
    free(model->hashes);
    free(model->hash_seqs);
    free(model->undos);
    free(model);
    return NULL;
}

bool model_fail(sim_model *model, enum sim_invariant invariant, const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    sim_world_fail(model->world, sim_invariant_rows[invariant].label, "%s", text);
    return false;
}

const char *model_id(const struct model_task *task) {
    static char texts[4][FQ_UUID_TEXT + 1];
    static unsigned next;
    char *text = texts[next++ % 4];
    fq_uuid_format(&task->id, text);
    return text;
}

void model_observed(sim_model *model, uint64_t seq, const char *as) {
    if (seq <= model->observed_seq)
        return;
    model->observed_seq = seq;
    model->observed_as = as;
    if (model->core == NULL || fq_core_journal(model->core) == NULL)
        return;
    CHECK(model, S24, seq <= fq_journal_durable_seq(fq_core_journal(model->core)),
          "%s was answered and rests on record %llu, which is not durable", as, (unsigned long long)seq);
}

struct fq_core_observer sim_model_observer(sim_model *model) {
    return (struct fq_core_observer){.on_event = model_on_event, .context = model};
}

void sim_model_booted(sim_model *model, fq_core *core) {
    model->core = core;
    model->turned_boot = model->held_until = 0;
    model->boot++;
    check_space_booted(model);
    if (!model->healed || model->crashed_us == 0)
        return;
    const int64_t most_us = 120 * (int64_t)FQ_US_PER_S;
    int64_t since_us = model->crashed_us > model->healed_us ? model->crashed_us : model->healed_us;
    CHECK(model, L5, sim_world_time(model->world) - since_us < most_us,
          "the server was not ready for 120 s after a crash");
}

void sim_model_crashed(sim_model *model, bool power_cut) {
    model->core = NULL;
    model->power_cut = model->power_cut || power_cut; // until what it left has been seen
    model->leaving = -1;
    model->uncounted = false;
    model->turn_events = 0;
    model->crashed_us = sim_world_time(model->world);
    check_space_crashed(model);
    for (uint32_t i = 0; i < model->worker_count; i++)
        model->workers[i].registered = 0;
}

static void look_at_core(sim_model *model, fq_core *core) {
    struct fq_core_stats stats;
    fq_core_stats(core, &stats);
    if (stats.submits_blocked)
        model->blocked_us = sim_world_time(model->world);
    fq_journal *journal = fq_core_journal(core);
    if (journal == NULL || fq_core_failed(core))
        return;
    CHECK(model, S22, model->seq == fq_journal_last_seq(journal),
          "the journal has %llu records, the events are %llu",
          (unsigned long long)fq_journal_last_seq(journal), (unsigned long long)model->seq);
    model->durable_seq = fq_journal_durable_seq(journal);
    // What is durable in relaxed mode may still be lost: all is kept then.
    if (model->options->relaxed == 0)
        model_undo_trim(model, model->durable_seq);
    else if (model->undo_next - model->undo_first > 1 << 20)
        model->undo_first = model->undo_next - (1 << 19);
}

void sim_model_turned(sim_model *model, fq_core *core, struct fq_now now) {
    if (sim_world_failed(model->world))
        return;
    model->core = core;
    int64_t time_us = sim_world_time(model->world);
    if (time_us - model->turned_us > FQ_US_PER_S / 2) // it stood still, or there was nothing to do
        model->awake_us = time_us;
    model->turned_us = time_us;
    model_notice_stop(model, now.boot_us);
    model->turned_boot = now.boot_us;
    if (model->leaving >= 0)
        CHECK(model, S36, false, "a lease of worker %s ended early and for no reason",
              model->workers[model->leaving].id);
    look_at_core(model, core);
    check_space(model);
    model->turn_count++;
    // In a turn with little to do everything that was due is done; failing allocations may put it off.
    bool calm = model->turn_events < 256 && (model->options->memory_rate == 0 || model->healed);
    model->turn_events = 0;
    if (fq_core_failed(core))
        return;
    if (calm && model->turn_count % 64 == 0)
        check_overdue(model, now);
    if (model->turn_count % 512 == 0)
        check_counts(model, fq_core_engine(core), now);
    if (model->healed && model->turn_count % 64 == 0)
        check_liveness(model, now);
    // Whole comparisons cost as much as there are tasks; they are to be a small part of the work.
    uint64_t size = model->task_count - model->gone.count;
    if (model->stats.events > model->whole_at) {
        model->whole_at = model->stats.events + 50000 + 50 * size;
        check_tasks(model, fq_core_engine(core));
        fq_engine_check(fq_core_engine(core));
    }
}

void sim_model_stats(const sim_model *model, struct sim_model_stats *ret_stats) {
    *ret_stats = model->stats;
    ret_stats->checks = 0;
    for (unsigned i = 0; i < SIM_INVARIANT_COUNT; i++)
        ret_stats->checks += model->checked[i];
}

uint64_t sim_model_checked(const sim_model *model, unsigned invariant) {
    return invariant < SIM_INVARIANT_COUNT ? model->checked[invariant] : 0;
}
