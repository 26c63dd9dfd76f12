// SPDX-License-Identifier: Apache-2.0
#include "base/assert.h"
#include "sim/disk_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sim_disk_make_room(struct sim_file *file, uint64_t size) {
    if (size <= file->room)
        return;
    uint64_t room = (size + 16383) / 16384 * 16384;
    file->seen = realloc(file->seen, room);
    file->medium = realloc(file->medium, room);
    FQ_ASSERT(file->seen != NULL && file->medium != NULL);
    memset(file->seen + file->room, 0, room - file->room);
    memset(file->medium + file->room, 0, room - file->room);
    file->room = room;
}

void sim_disk_note_dirty(struct sim_file *file, uint64_t offset, uint64_t end) {
    struct sim_range range = {(uint32_t)(offset / SECTOR), (uint32_t)((end - 1) / SECTOR + 1)};
    struct sim_range *last = file->dirty_count > 0 ? &file->dirty[file->dirty_count - 1] : NULL;
    if (last != NULL && range.first >= last->first && range.first <= last->end) {
        last->end = range.end > last->end ? range.end : last->end;
        return;
    }
    if (file->dirty_count == file->dirty_room) {
        file->dirty_room = file->dirty_room == 0 ? 8 : file->dirty_room * 2;
        file->dirty = realloc(file->dirty, file->dirty_room * sizeof *file->dirty);
        FQ_ASSERT(file->dirty != NULL);
    }
    file->dirty[file->dirty_count++] = range;
}

void sim_disk_free_file(struct sim_file *file) {
    free(file->seen);
    free(file->medium);
    free(file->dirty);
    *file = (struct sim_file){0};
}

int sim_disk_new_file(sim_disk *sim) {
    int at = 0;
    while (at < sim->file_end && sim->files[at].used)
        at++;
    if (at == sim->file_room) {
        sim->file_room = at == 0 ? FILES_FIRST : at * 2;
        sim->files = realloc(sim->files, (size_t)sim->file_room * sizeof *sim->files);
        FQ_ASSERT(sim->files != NULL);
    }
    if (at == sim->file_end)
        sim->file_end++;
    sim->files[at] = (struct sim_file){.used = true};
    return at;
}

struct sim_entry *sim_disk_find(struct sim_table *table, const char *path) {
    for (int i = 0; i < table->end; i++)
        if (table->rows[i].file >= 0 && strcmp(table->rows[i].path, path) == 0)
            return &table->rows[i];
    return NULL;
}

void sim_disk_reserve(struct sim_table *table, int count) {
    if (count <= table->room)
        return;
    table->room = count < FILES_FIRST ? FILES_FIRST : count * 2;
    table->rows = realloc(table->rows, (size_t)table->room * sizeof *table->rows);
    FQ_ASSERT(table->rows != NULL);
}

static void link_entry(struct sim_table *table, const char *path, int file) {
    struct sim_entry *entry = sim_disk_find(table, path);
    for (int i = 0; entry == NULL && i < table->end; i++)
        if (table->rows[i].file < 0)
            entry = &table->rows[i];
    if (entry == NULL) {
        sim_disk_reserve(table, table->end + 1);
        entry = &table->rows[table->end++];
    }
    snprintf(entry->path, sizeof entry->path, "%s", path);
    entry->file = file;
}

void sim_disk_apply(struct sim_table *table, const struct sim_dir_op *op) {
    struct sim_entry *from = sim_disk_find(table, op->from);
    if (op->kind == OP_LINK) {
        link_entry(table, op->from, op->file);
    } else if (from != NULL) {
        int file = from->file;
        from->file = -1;
        if (op->kind == OP_RENAME)
            link_entry(table, op->to, file);
    }
}

void sim_disk_collect(sim_disk *sim) {
    bool *live = calloc((size_t)sim->file_end + 1, sizeof *live);
    FQ_ASSERT(live != NULL);
    for (int i = 0; i < sim->seen.end; i++)
        if (sim->seen.rows[i].file >= 0)
            live[sim->seen.rows[i].file] = true;
    for (int i = 0; i < sim->medium.end; i++)
        if (sim->medium.rows[i].file >= 0)
            live[sim->medium.rows[i].file] = true;
    for (size_t i = 0; i < sim->op_count; i++)
        if (sim->ops[i].kind == OP_LINK)
            live[sim->ops[i].file] = true;
    for (int i = 0; i < HANDLES_MAX; i++)
        if (sim->handles[i].file >= 0)
            live[sim->handles[i].file] = true;
    for (int i = 0; i < sim->file_end; i++)
        if (sim->files[i].used && !live[i])
            sim_disk_free_file(&sim->files[i]);
    free(live);
}
