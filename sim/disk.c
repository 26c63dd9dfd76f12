// SPDX-License-Identifier: Apache-2.0
#include "sim/disk.h"

#include "base/assert.h"
#include "sim/disk_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static sim_disk *sim_of(fq_disk *disk) {
    return ((struct sim_view *)disk)->sim;
}

static void record_op(sim_disk *sim, int kind, const char *from, const char *to, int file) {
    FQ_ASSERT(sim->op_count < OPS_MAX);
    struct sim_dir_op *op = &sim->ops[sim->op_count++];
    *op = (struct sim_dir_op){.kind = kind, .file = file};
    snprintf(op->from, sizeof op->from, "%s", from);
    snprintf(op->to, sizeof op->to, "%s", to);
    sim_disk_apply(&sim->seen, op);
}

static bool lies_in(const char *path, const char *directory) {
    const char *slash = strchr(path, '/');
    if (strcmp(directory, ".") == 0)
        return slash == NULL;
    size_t len = strlen(directory);
    return slash != NULL && (size_t)(slash - path) == len && strncmp(path, directory, len) == 0;
}

// ---- crashes and faults ----

enum outcome { HAPPENS, HAPPENS_AND_DIES, NOTHING_HAPPENS };

bool sim_disk_tick(sim_disk *sim) {
    if (sim->dead)
        return false;
    sim->calls++;
    sim->dead = sim->crash_at != 0 && sim->calls >= sim->crash_at;
    return !sim->dead;
}

// Counts the call and decides its fate. `ret_error` is set unless it happens.
static enum outcome enter(fq_disk *disk, enum sim_call kind, int *ret_error) {
    struct sim_view *view = (struct sim_view *)disk;
    sim_disk *sim = view->sim;
    *ret_error = -EIO;
    if (sim->dead || view->dead)
        return NOTHING_HAPPENS;
    sim->calls++;
    if (view->calls_left > 0 && --view->calls_left == 0) {
        view->dead = true;
        return fq_random_below(&sim->random, 2) == 0 ? HAPPENS_AND_DIES : NOTHING_HAPPENS;
    }
    if (sim->crash_at != 0 && sim->calls >= sim->crash_at) {
        sim->dead = true;
        return fq_random_below(&sim->random, 2) == 0 ? HAPPENS_AND_DIES : NOTHING_HAPPENS;
    }
    if ((kind & sim->fail_mask) != 0 && sim->fail_times > 0 && sim->fail_error != 0) {
        if (sim->fail_skip > 0) {
            sim->fail_skip--;
        } else {
            sim->fail_times--;
            *ret_error = -sim->fail_error;
            return NOTHING_HAPPENS;
        }
    }
    int judgement = sim->judge != NULL && view->is_judged ? sim->judge(sim->judge_context, kind) : 0;
    if (judgement < 0) {
        *ret_error = judgement;
        sim->refused++;
    }
    return judgement < 0 ? NOTHING_HAPPENS : HAPPENS;
}

static int leave(enum outcome outcome, int result) {
    return outcome == HAPPENS ? result : -EIO;
}

static int sim_open(fq_disk *disk, const char *path, enum fq_disk_open mode) {
    sim_disk *sim = sim_of(disk);
    int error;
    enum outcome outcome = enter(disk, SIM_OPEN, &error);
    if (outcome == NOTHING_HAPPENS)
        return error;
    struct sim_entry *entry = sim_disk_find(&sim->seen, path);
    if (mode == FQ_DISK_CREATE) {
        if (entry != NULL)
            return -EEXIST;
        record_op(sim, OP_LINK, path, "", sim_disk_new_file(sim));
        entry = sim_disk_find(&sim->seen, path);
    } else if (entry == NULL) {
        return -ENOENT;
    }
    for (int i = 0; i < HANDLES_MAX && outcome == HAPPENS; i++)
        if (sim->handles[i].file < 0) {
            sim->handles[i].file = entry->file;
            sim->handles[i].around_cache = mode == FQ_DISK_READ_AROUND_CACHE;
            return i;
        }
    return outcome == HAPPENS ? -EMFILE : -EIO;
}

static int sim_close(fq_disk *disk, int handle) {
    sim_of(disk)->handles[handle].file = -1;
    return 0;
}

static int64_t sim_size(fq_disk *disk, int handle) {
    sim_disk *sim = sim_of(disk);
    int error;
    if (enter(disk, SIM_REST, &error) == NOTHING_HAPPENS)
        return error;
    const struct sim_file *file = &sim->files[sim->handles[handle].file];
    return (int64_t)(sim->handles[handle].around_cache ? file->medium_size : file->seen_size);
}

static int64_t sim_read(fq_disk *disk, int handle, void *bytes, size_t len, uint64_t offset) {
    sim_disk *sim = sim_of(disk);
    int error;
    if (enter(disk, SIM_READ, &error) == NOTHING_HAPPENS)
        return error;
    const struct sim_file *file = &sim->files[sim->handles[handle].file];
    bool around = sim->handles[handle].around_cache;
    if (around)
        FQ_ASSERT((uintptr_t)bytes % 4096 == 0 && len % 4096 == 0 && offset % 512 == 0);
    uint64_t size = around ? file->medium_size : file->seen_size;
    if (offset >= size)
        return 0;
    if (len > size - offset)
        len = (size_t)(size - offset);
    memcpy(bytes, (around ? file->medium : file->seen) + offset, len);
    return (int64_t)len;
}

static void note_rewrite(sim_disk *sim, const struct sim_file *file, const void *bytes, size_t len,
                         uint64_t offset) {
    const unsigned char *was = file->medium + offset, *will = bytes;
    size_t known = offset >= file->medium_size ? 0 : (size_t)(file->medium_size - offset);
    unsigned changed = 0;
    for (size_t i = 0; i < (len < known ? len : known); i++)
        changed |= was[i] != 0 && was[i] != will[i];
    sim->rewrites += changed;
}

static int64_t sim_write(fq_disk *disk, int handle, const void *bytes, size_t len, uint64_t offset) {
    sim_disk *sim = sim_of(disk);
    int error;
    enum outcome outcome = enter(disk, SIM_WRITE, &error);
    if (outcome == NOTHING_HAPPENS)
        return error;
    if ((sim->fail_mask & SIM_WRITE) != 0 && sim->fail_error == 0 && sim->fail_times > 0) {
        if (sim->fail_skip > 0)
            sim->fail_skip--;
        else if (sim->fail_times-- > 0)
            len /= 2;
    }
    struct sim_file *file = &sim->files[sim->handles[handle].file];
    uint64_t end = offset + len;
    if (end > file->seen_size && sim->capacity != 0 &&
        sim_disk_used(sim) + end - file->seen_size > sim->capacity) {
        sim->refused++;
        return -ENOSPC;
    }
    if (len == 0)
        return 0;
    sim_disk_make_room(file, end);
    note_rewrite(sim, file, bytes, len, offset);
    memcpy(file->seen + offset, bytes, len);
    if (end > file->seen_size)
        file->seen_size = end;
    sim_disk_note_dirty(file, offset, end);
    return outcome == HAPPENS ? (int64_t)len : -EIO;
}

static void clean(struct sim_file *file, bool keep) {
    for (size_t i = 0; i < file->dirty_count && keep; i++) {
        uint64_t begin = (uint64_t)file->dirty[i].first * SECTOR, end = (uint64_t)file->dirty[i].end * SECTOR;
        memcpy(file->medium + begin, file->seen + begin, end - begin);
    }
    file->lies = file->lies || (!keep && file->dirty_count > 0);
    file->dirty_count = 0;
    if (keep)
        file->medium_size = file->seen_size;
}

static int sim_sync(fq_disk *disk, int handle) {
    sim_disk *sim = sim_of(disk);
    int error;
    enum outcome outcome = enter(disk, SIM_SYNC, &error);
    struct sim_file *file = &sim->files[sim->handles[handle].file];
    if (outcome == NOTHING_HAPPENS) {
        if (!sim->dead && !((struct sim_view *)disk)->dead)
            clean(file, false); // the lie: the pages are clean, the medium never got them
        return error;
    }
    clean(file, true);
    return leave(outcome, 0);
}

static int sim_sync_directory(fq_disk *disk, const char *path) {
    sim_disk *sim = sim_of(disk);
    int error;
    enum outcome outcome = enter(disk, SIM_SYNC_DIRECTORY, &error);
    if (outcome == NOTHING_HAPPENS)
        return error;
    size_t kept = 0;
    for (size_t i = 0; i < sim->op_count; i++) {
        if (lies_in(sim->ops[i].from, path) ||
            (sim->ops[i].kind == OP_RENAME && lies_in(sim->ops[i].to, path)))
            sim_disk_apply(&sim->medium, &sim->ops[i]);
        else
            sim->ops[kept++] = sim->ops[i];
    }
    sim->op_count = kept;
    sim_disk_collect(sim);
    return leave(outcome, 0);
}

static int sim_rename(fq_disk *disk, const char *from, const char *to) {
    sim_disk *sim = sim_of(disk);
    int error;
    enum outcome outcome = enter(disk, SIM_RENAME, &error);
    if (outcome == NOTHING_HAPPENS)
        return error;
    if (sim_disk_find(&sim->seen, from) == NULL)
        return -ENOENT;
    record_op(sim, OP_RENAME, from, to, -1);
    return leave(outcome, 0);
}

static int sim_remove(fq_disk *disk, const char *path) {
    sim_disk *sim = sim_of(disk);
    int error;
    enum outcome outcome = enter(disk, SIM_REMOVE, &error);
    if (outcome == NOTHING_HAPPENS)
        return error;
    if (sim_disk_find(&sim->seen, path) == NULL)
        return -ENOENT;
    record_op(sim, OP_UNLINK, path, "", -1);
    return leave(outcome, 0);
}

// Directories are durable at once: they are made, and synced, before anything lies in them.
static int sim_make_directory(fq_disk *disk, const char *path) {
    sim_disk *sim = sim_of(disk);
    int error;
    enum outcome outcome = enter(disk, SIM_REST, &error);
    if (outcome == NOTHING_HAPPENS)
        return error;
    for (size_t i = 0; i < sim->directory_count; i++)
        if (strcmp(sim->directories[i].path, path) == 0)
            return -EEXIST;
    FQ_ASSERT(sim->directory_count < DIRECTORIES_MAX);
    snprintf(sim->directories[sim->directory_count++].path, PATH_MAX_LEN, "%s", path);
    return leave(outcome, 0);
}

static int sim_list(fq_disk *disk, const char *path, void (*on_name)(void *context, const char *name),
                    void *context) {
    sim_disk *sim = sim_of(disk);
    int error;
    if (enter(disk, SIM_REST, &error) == NOTHING_HAPPENS)
        return error;
    for (int i = 0; i < sim->seen.end; i++) {
        const struct sim_entry *entry = &sim->seen.rows[i];
        if (entry->file >= 0 && lies_in(entry->path, path)) {
            char name[PATH_MAX_LEN]; // the callback may remove the entry
            const char *slash = strchr(entry->path, '/');
            snprintf(name, sizeof name, "%s", slash != NULL ? slash + 1 : entry->path);
            on_name(context, name);
        }
    }
    return 0;
}

static int sim_facts(fq_disk *disk, struct fq_disk_facts *ret_facts) {
    sim_disk *sim = sim_of(disk);
    uint64_t total = sim->capacity != 0 ? sim->capacity : 1ull << 40, used = sim_disk_used(sim);
    *ret_facts = (struct fq_disk_facts){.total_bytes = total,
                                        .free_bytes = used > total ? 0 : total - used,
                                        .block_size = SECTOR,
                                        .is_volatile = sim->is_volatile};
    if (((struct sim_view *)disk)->is_judged)
        sim->told_free = ret_facts->free_bytes;
    return 0;
}

static int sim_lock(fq_disk *disk, const char *path, char *ret_owner, size_t owner_size) {
    struct sim_view *view = (struct sim_view *)disk;
    (void)path;
    if (view->sim->locked) {
        snprintf(ret_owner, owner_size, "pid 1");
        return -EWOULDBLOCK;
    }
    view->sim->locked = view->holds_lock = true;
    return 0;
}

static int sim_random(fq_disk *disk, void *ret_bytes, size_t len) {
    for (size_t i = 0; i < len; i++)
        ((unsigned char *)ret_bytes)[i] = (unsigned char)fq_random_next(&sim_of(disk)->random);
    return 0;
}

static fq_disk *sim_close_disk(fq_disk *disk) {
    struct sim_view *view = (struct sim_view *)disk;
    if (view->holds_lock)
        view->sim->locked = false;
    free(view);
    return NULL;
}

fq_disk *sim_disk_attach(sim_disk *sim) {
    return sim_disk_attach_mortal(sim, 0);
}

fq_disk *sim_disk_attach_mortal(sim_disk *sim, uint64_t calls) {
    static const struct fq_disk_ops ops = {
        .open = sim_open,
        .close = sim_close,
        .size = sim_size,
        .read = sim_read,
        .write = sim_write,
        .sync = sim_sync,
        .sync_directory = sim_sync_directory,
        .rename = sim_rename,
        .remove = sim_remove,
        .make_directory = sim_make_directory,
        .list = sim_list,
        .facts = sim_facts,
        .lock = sim_lock,
        .random = sim_random,
        .close_disk = sim_close_disk,
    };
    struct sim_view *view = calloc(1, sizeof *view);
    FQ_ASSERT(view != NULL);
    view->base.ops = &ops;
    view->sim = sim;
    view->is_judged = calls == 0;
    view->calls_left = calls;
    return &view->base;
}
