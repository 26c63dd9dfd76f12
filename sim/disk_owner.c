// SPDX-License-Identifier: Apache-2.0
// The disk from its owner's side: power cuts, faults, bytes changed from outside.
#include "base/assert.h"
#include "base/hash.h"
#include "sim/disk_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void copy_table(struct sim_table *to, const struct sim_table *from) {
    sim_disk_reserve(to, from->end);
    if (from->end > 0)
        memcpy(to->rows, from->rows, (size_t)from->end * sizeof from->rows[0]);
    to->end = from->end;
}

sim_disk *sim_disk_new(uint64_t seed) {
    sim_disk *sim = calloc(1, sizeof *sim);
    FQ_ASSERT(sim != NULL);
    fq_random_seed(&sim->random, seed);
    sim->told_free = UINT64_MAX;
    for (int i = 0; i < HANDLES_MAX; i++)
        sim->handles[i].file = -1;
    return sim;
}

void sim_disk_free(sim_disk *sim) {
    for (int i = 0; i < sim->file_end; i++)
        sim_disk_free_file(&sim->files[i]);
    free(sim->files);
    free(sim->seen.rows);
    free(sim->medium.rows);
    free(sim);
}

sim_disk *sim_disk_clone(const sim_disk *sim) {
    sim_disk *copy = malloc(sizeof *copy);
    FQ_ASSERT(copy != NULL);
    *copy = *sim;
    copy->locked = false;
    copy->seen = copy->medium = (struct sim_table){0};
    copy_table(&copy->seen, &sim->seen);
    copy_table(&copy->medium, &sim->medium);
    copy->files = calloc((size_t)sim->file_room + 1, sizeof *copy->files);
    FQ_ASSERT(copy->files != NULL);
    for (int i = 0; i < HANDLES_MAX; i++)
        copy->handles[i].file = -1;
    for (int i = 0; i < sim->file_end; i++) {
        const struct sim_file *from = &sim->files[i];
        copy->files[i] = (struct sim_file){.used = from->used};
        if (from->room == 0)
            continue;
        sim_disk_make_room(&copy->files[i], from->room);
        memcpy(copy->files[i].seen, from->seen, from->room);
        memcpy(copy->files[i].medium, from->medium, from->room);
        for (size_t j = 0; j < from->dirty_count; j++)
            sim_disk_note_dirty(&copy->files[i], (uint64_t)from->dirty[j].first * SECTOR,
                                (uint64_t)from->dirty[j].end * SECTOR);
        copy->files[i].lies = from->lies;
        copy->files[i].seen_size = from->seen_size;
        copy->files[i].medium_size = from->medium_size;
    }
    return copy;
}

uint64_t sim_disk_calls(const sim_disk *sim) {
    return sim->calls;
}

void sim_disk_crash_at(sim_disk *sim, uint64_t call) {
    sim->crash_at = call;
}

void sim_disk_crash_now(sim_disk *sim) {
    sim->dead = true;
}

bool sim_disk_is_dead(const sim_disk *sim) {
    return sim->dead;
}

// A dirty sector that the power cut left on the medium, or noise in its place.
static void keep_sector(sim_disk *sim, struct sim_file *file, uint64_t sector, bool garbage) {
    unsigned char *medium = file->medium + sector * SECTOR;
    memcpy(medium, file->seen + sector * SECTOR, SECTOR);
    if (garbage && fq_random_below(&sim->random, 8) == 0)
        for (int i = 0; i < SECTOR; i++)
            medium[i] = (unsigned char)fq_random_next(&sim->random);
    uint64_t end = (sector + 1) * SECTOR;
    if (end > file->seen_size)
        end = file->seen_size;
    if (end > file->medium_size)
        file->medium_size = end;
}

// What becomes of one file: each dirty sector is kept, dropped or spoiled; some cuts keep all or nothing.
static void cut_power(sim_disk *sim, struct sim_file *file, uint64_t style, bool garbage) {
    for (size_t i = 0; i < file->dirty_count; i++) {
        for (uint64_t sector = file->dirty[i].first; sector < file->dirty[i].end; sector++)
            if (style == 1 || (style > 1 && fq_random_below(&sim->random, 2) == 0))
                keep_sector(sim, file, sector, garbage);
        uint64_t begin = (uint64_t)file->dirty[i].first * SECTOR, end = (uint64_t)file->dirty[i].end * SECTOR;
        if (!file->lies)
            memcpy(file->seen + begin, file->medium + begin, end - begin);
    }
    if (file->lies)
        memcpy(file->seen, file->medium, file->room);
    file->dirty_count = 0;
    file->lies = false;
    file->seen_size = file->medium_size;
}

void sim_disk_restart(sim_disk *sim, bool garbage) {
    uint64_t style = fq_random_below(&sim->random, 4); // 0 nothing, 1 all, else any subset
    for (size_t i = 0; i < sim->op_count; i++)
        if (style == 1 || (style > 1 && fq_random_below(&sim->random, 2) == 0))
            sim_disk_apply(&sim->medium, &sim->ops[i]);
    sim->op_count = 0;
    copy_table(&sim->seen, &sim->medium);
    for (int i = 0; i < HANDLES_MAX; i++)
        sim->handles[i].file = -1;
    sim_disk_collect(sim);
    for (int i = 0; i < sim->file_end; i++)
        if (sim->files[i].used && sim->files[i].room > 0)
            cut_power(sim, &sim->files[i], style, garbage);
    sim_disk_revive(sim);
}

void sim_disk_revive(sim_disk *sim) {
    sim->dead = false;
    sim->crash_at = 0;
    sim->locked = false;
}

void sim_disk_fail(sim_disk *sim, unsigned mask, uint64_t skip, uint64_t times, int error) {
    sim->fail_mask = mask;
    sim->fail_skip = skip;
    sim->fail_times = times;
    sim->fail_error = error;
}

void sim_disk_set_judge(sim_disk *sim, int (*judge)(void *context, enum sim_call kind), void *context) {
    sim->judge = judge;
    sim->judge_context = context;
}

void sim_disk_set_capacity(sim_disk *sim, uint64_t bytes) {
    sim->capacity = bytes;
}

void sim_disk_set_volatile(sim_disk *sim, bool is_volatile) {
    sim->is_volatile = is_volatile;
}

static struct sim_file *file_at(const sim_disk *sim, const char *path) {
    struct sim_entry *entry = sim_disk_find(&((sim_disk *)(uintptr_t)sim)->seen, path);
    FQ_ASSERT(entry != NULL);
    return &((sim_disk *)(uintptr_t)sim)->files[entry->file];
}

uint64_t sim_disk_rewrites(const sim_disk *sim) {
    return sim->rewrites;
}

uint64_t sim_disk_hash(const sim_disk *sim, const char *except) {
    uint64_t hash = 0;
    for (int i = 0; i < sim->seen.end; i++) {
        const struct sim_entry *entry = &sim->seen.rows[i];
        if (entry->file < 0 || strncmp(entry->path, except, strlen(except)) == 0 ||
            strstr(entry->path, ".tmp") != NULL)
            continue;
        const struct sim_file *file = &sim->files[entry->file];
        hash += fq_hash_bytes(file->seen, file->seen_size,
                              fq_hash_bytes(entry->path, strlen(entry->path), file->seen_size));
    }
    return hash;
}

bool sim_disk_exists(const sim_disk *sim, const char *path) {
    return sim_disk_find(&((sim_disk *)(uintptr_t)sim)->seen, path) != NULL;
}

uint64_t sim_disk_size(const sim_disk *sim, const char *path) {
    return file_at(sim, path)->seen_size;
}

void sim_disk_flip(sim_disk *sim, const char *path, uint64_t offset, unsigned char mask) {
    struct sim_file *file = file_at(sim, path);
    FQ_ASSERT(offset < file->seen_size);
    file->seen[offset] ^= mask;
    file->medium[offset] ^= mask;
}

void sim_disk_truncate(sim_disk *sim, const char *path, uint64_t size) {
    struct sim_file *file = file_at(sim, path);
    FQ_ASSERT(size <= file->seen_size);
    sim_disk_zero(sim, path, size, file->seen_size - size);
    file->seen_size = file->medium_size = size;
}

void sim_disk_zero(sim_disk *sim, const char *path, uint64_t offset, uint64_t len) {
    struct sim_file *file = file_at(sim, path);
    memset(file->seen + offset, 0, len);
    memset(file->medium + offset, 0, len);
}

void sim_disk_peek(const sim_disk *sim, const char *path, uint64_t offset, void *ret_bytes, size_t len) {
    memcpy(ret_bytes, file_at(sim, path)->seen + offset, len);
}

void sim_disk_poke(sim_disk *sim, const char *path, uint64_t offset, const void *bytes, size_t len) {
    struct sim_file *file = file_at(sim, path);
    FQ_ASSERT(offset + len <= file->seen_size);
    memcpy(file->seen + offset, bytes, len);
    memcpy(file->medium + offset, bytes, len);
}

bool sim_disk_is_synced(const sim_disk *sim, const char *path, uint64_t offset, size_t len) {
    const struct sim_file *file = file_at(sim, path);
    return offset + len <= file->medium_size && memcmp(file->seen + offset, file->medium + offset, len) == 0;
}

void sim_disk_remove(sim_disk *sim, const char *path) {
    struct sim_dir_op op = {.kind = OP_UNLINK};
    snprintf(op.from, sizeof op.from, "%s", path);
    sim_disk_apply(&sim->seen, &op);
    sim_disk_apply(&sim->medium, &op);
}

void sim_disk_each(const sim_disk *sim, void (*on_path)(void *context, const char *path), void *context) {
    for (int i = 0; i < sim->seen.end; i++)
        if (sim->seen.rows[i].file >= 0)
            on_path(context, sim->seen.rows[i].path);
}

uint64_t sim_disk_told_free(const sim_disk *sim) {
    return sim->told_free;
}

uint64_t sim_disk_refused(const sim_disk *sim) {
    return sim->refused;
}

uint64_t sim_disk_used(const sim_disk *sim) {
    uint64_t used = 0;
    for (int i = 0; i < sim->seen.end; i++)
        if (sim->seen.rows[i].file >= 0)
            used += sim->files[sim->seen.rows[i].file].seen_size;
    return used;
}
