// SPDX-License-Identifier: Apache-2.0
#include "support/damage.h"

#include "base/assert.h"
#include "journal/manifest.h"
#include "journal/replay.h"
#include "journal/salvage.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- the journal ----

static void append_some(struct rig *rig, int batches) {
    for (int i = 0; i < batches; i++) {
        rig_append(rig, (uint32_t)fq_random_below(&rig->random, 900));
        rig_append(rig, (uint32_t)fq_random_below(&rig->random, 60));
        FQ_ASSERT(rig_settle(rig));
    }
}

static void note_path(void *context, const char *path) {
    struct damage_subject *subject = context;
    FQ_ASSERT(subject->path_count < sizeof subject->paths / sizeof subject->paths[0]);
    subject->sizes[subject->path_count] = sim_disk_size(subject->rig.sim, path);
    snprintf(subject->paths[subject->path_count++], sizeof subject->paths[0], "%s", path);
}

void damage_subject_make(struct damage_subject *subject, uint64_t seed, bool idle) {
    struct rig *rig = &subject->rig;
    subject->path_count = 0;
    rig_init(rig, seed);
    rig->options.segment_bytes = rig->options.reserve_bytes = 16384;
    if (!idle)
        rig->config.idle_mark_us = INT64_C(1) << 60;
    FQ_ASSERT(rig_boot(rig) == 0);
    append_some(rig, 6);
    FQ_ASSERT(rig_compact(rig) == 0 && rig_settle(rig));
    append_some(rig, 4);
    FQ_ASSERT(rig_compact(rig) == 0 && rig_settle(rig));
    append_some(rig, 12); // over a rotation
    rig_kill(rig);
    FQ_ASSERT(rig_boot(rig) == 0); // another boot, another epoch
    append_some(rig, 3);
    subject->proven = rig->durable;
    append_some(rig, 1);
    for (int i = 0; idle && i < 40; i++) {
        rig_turn(rig);
        step_executor_run_one(rig->executor);
    }
    FQ_ASSERT(rig_settle(rig));
    if (idle)
        subject->proven = rig->durable;
    rig_kill(rig);
    sim_disk_each(rig->sim, note_path, subject);
}

void damage_subject_done(struct damage_subject *subject) {
    rig_done(&subject->rig);
}

// ---- what became of it ----

__attribute__((format(printf, 3, 4))) static void wrong(struct damage_figures *figures, const char *where,
                                                        const char *format, ...) {
    if (figures->wrong++ > 0)
        return;
    va_list arguments;
    va_start(arguments, format);
    int len = snprintf(figures->first_wrong, sizeof figures->first_wrong, "%s: ", where);
    vsnprintf(figures->first_wrong + len, sizeof figures->first_wrong - (size_t)len, format, arguments);
    va_end(arguments);
}

static bool says_where_and_what(const char *error) {
    bool where =
        strstr(error, "seg/") != NULL || strstr(error, "snap/") != NULL || strstr(error, "MANIFEST") != NULL;
    bool what_to_do = strstr(error, "restore") != NULL || strstr(error, "start") != NULL;
    return where && what_to_do;
}

static void judge_boot(const struct damage_subject *subject, struct rig *rig, int result, const char *where,
                       struct damage_figures *figures) {
    if (result < 0) {
        figures->refused++;
        if ((result != FQ_ECORRUPT && result != FQ_EVERSION) || !says_where_and_what(rig->error))
            wrong(figures, where, "refused with %d: %s", result, rig->error);
        return;
    }
    struct fq_journal_stats stats;
    fq_journal_stats(rig->journal, &stats);
    bool told = stats.torn_tails > 0 || stats.recovered_ambiguous;
    if (rig->recovered == subject->rig.durable && rig->mismatch[0] == '\0')
        figures->restored++;
    else if (told && rig->recovered >= subject->proven && strstr(rig->mismatch, "were durable") != NULL)
        figures->cut++;
    else
        wrong(figures, where, "%s (%" PRIu64 " of %" PRIu64 " records)", rig->mismatch, rig->recovered,
              subject->rig.durable);
}

// ---- verification and salvage of the same ----

struct reading {
    const struct damage_subject *subject;
    uint64_t count;
    bool invents;
};

static int on_record(void *context, fq_str record) {
    struct reading *reading = context;
    reading->invents |= !rig_holds(&reading->subject->rig, reading->count++, record);
    return 0;
}

static int on_salvaged(void *context, uint64_t batch_seq, uint64_t seq, fq_str record) {
    struct reading *reading = context;
    (void)batch_seq;
    reading->invents |= seq == 0 || !rig_holds(&reading->subject->rig, seq - 1, record);
    return 0;
}

static void on_gap(void *context, const struct fq_gap *gap) {
    struct reading *reading = context;
    reading->invents |= gap->end < gap->offset;
}

static int examine(const struct damage_subject *subject, sim_disk *sim, struct reading *reading) {
    char error[FQ_STORAGE_ERROR_MAX];
    fq_storage *storage;
    *reading = (struct reading){.subject = subject};
    int result = fq_storage_files_open_examiner(sim_disk_attach(sim), NULL, 0, &storage, error);
    if (result < 0)
        return result;
    struct fq_replay replay;
    fq_replay_init(&replay, storage);
    result = fq_replay_run(&replay, on_record, reading);
    fq_replay_done(&replay);
    storage->ops->close(storage);
    return result;
}

static bool salvage_invents(const struct damage_subject *subject, sim_disk *sim) {
    fq_disk *disk = sim_disk_attach(sim);
    struct reading reading = {.subject = subject};
    struct fq_manifest manifest;
    int why = 0, result = fq_manifest_load(disk, &manifest, &why);
    if (result < 0)
        result = fq_salvage_manifest(disk, &manifest);
    if (result == 0) {
        struct fq_salvage salvage = {.disk = disk,
                                     .instance = manifest.instance,
                                     .on_record = on_salvaged,
                                     .on_gap = on_gap,
                                     .context = &reading};
        result = fq_salvage_run(&salvage);
    }
    disk->ops->close_disk(disk);
    return reading.invents;
}

// ---- one case ----

// Takes `sim`.
static void try(const struct damage_subject *subject, sim_disk *sim, const char *where,
                struct damage_figures *figures) {
    figures->cases++;
    struct reading reading;
    int examined = examine(subject, sim, &reading);
    if (reading.invents || salvage_invents(subject, sim))
        wrong(figures, where, "a record was read that was never written");
    struct rig rig = subject->rig;
    rig.sim = sim;
    int result = rig_boot(&rig);
    judge_boot(subject, &rig, result, where, figures);
    if (examined != result || (result == 0 && reading.count != rig.recovered))
        wrong(figures, where, "verification says %d after %" PRIu64 " records, the boot %d after %" PRIu64,
              examined, reading.count, result, rig.recovered);
    if (rig.journal != NULL)
        rig_kill(&rig);
    sim_disk_free(sim);
}

void damage_try(const struct damage_subject *subject, size_t path, enum damage_kind kind, uint64_t offset,
                struct damage_figures *figures) {
    static const char *const names[DAMAGE_KIND_COUNT] = {"cut", "bit 0 flipped", "bit 7 flipped"};
    char where[128];
    snprintf(where, sizeof where, "%s %s at %" PRIu64, subject->paths[path], names[kind], offset);
    sim_disk *sim = sim_disk_clone(subject->rig.sim);
    if (kind == DAMAGE_CUT)
        sim_disk_truncate(sim, subject->paths[path], offset);
    else
        sim_disk_flip(sim, subject->paths[path], offset, kind == DAMAGE_FLIP_LOW ? 1 : 128);
    try(subject, sim, where, figures);
}

void damage_try_missing(const struct damage_subject *subject, size_t path, struct damage_figures *figures) {
    char where[128];
    snprintf(where, sizeof where, "%s missing", subject->paths[path]);
    sim_disk *sim = sim_disk_clone(subject->rig.sim);
    sim_disk_remove(sim, subject->paths[path]);
    try(subject, sim, where, figures);
}

void damage_sweep(const struct damage_subject *subject, uint64_t stride, uint64_t phase,
                  struct damage_figures *figures) {
    uint64_t place = phase;
    for (size_t path = 0; path < subject->path_count; path++) {
        damage_try_missing(subject, path, figures);
        for (uint64_t offset = 0; offset < subject->sizes[path]; offset++)
            for (int kind = 0; kind < DAMAGE_KIND_COUNT; kind++)
                if (place++ % stride == 0)
                    damage_try(subject, path, (enum damage_kind)kind, offset, figures);
    }
}
