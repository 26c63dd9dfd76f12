// SPDX-License-Identifier: Apache-2.0
#include "support/sim_disk.h"

#include "base/assert.h"
#include "base/random.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SECTOR = 512,
    PATH_MAX_LEN = 64,
    FILES_MAX = 256,
    HANDLES_MAX = 64,
    OPS_MAX = 256,
    DIRECTORIES_MAX = 8
};

struct file { // an inode
    unsigned char *seen, *medium;
    bool *dirty; // per sector
    uint64_t seen_size, medium_size, room;
    bool used;
};

struct entry {
    char path[PATH_MAX_LEN];
    int file; // -1 = free slot
};

// A change of directory entries that the medium does not know yet.
struct op {
    enum { OP_LINK, OP_UNLINK, OP_RENAME } kind;
    char from[PATH_MAX_LEN], to[PATH_MAX_LEN];
    int file;
};

struct sim_disk {
    struct file files[FILES_MAX];
    struct entry seen[FILES_MAX], medium[FILES_MAX];
    struct op ops[OPS_MAX];
    size_t op_count;
    struct {
        char path[PATH_MAX_LEN];
    } directories[DIRECTORIES_MAX];
    size_t directory_count;
    struct {
        int file; // -1 = closed
        bool around_cache;
    } handles[HANDLES_MAX];
    fq_random random;
    uint64_t calls, crash_at, capacity;
    bool dead, is_volatile, locked;
    unsigned fail_mask;
    uint64_t fail_skip, fail_times;
    int fail_error;
};

struct view {
    fq_disk base;
    sim_disk *sim;
    bool holds_lock;
};

static sim_disk *sim_of(fq_disk *disk) {
    return ((struct view *)disk)->sim;
}

// ---- files ----

static void make_room(struct file *file, uint64_t size) {
    if (size <= file->room)
        return;
    uint64_t room = (size + 16383) / 16384 * 16384;
    file->seen = realloc(file->seen, room);
    file->medium = realloc(file->medium, room);
    file->dirty = realloc(file->dirty, room / SECTOR * sizeof(bool));
    FQ_ASSERT(file->seen != NULL && file->medium != NULL && file->dirty != NULL);
    memset(file->seen + file->room, 0, room - file->room);
    memset(file->medium + file->room, 0, room - file->room);
    memset(file->dirty + file->room / SECTOR, 0, (room - file->room) / SECTOR * sizeof(bool));
    file->room = room;
}

static int new_file(sim_disk *sim) {
    for (int i = 0; i < FILES_MAX; i++)
        if (!sim->files[i].used) {
            sim->files[i].used = true;
            return i;
        }
    FQ_ASSERT(!"too many files");
    return -1;
}

static struct entry *find(struct entry *entries, const char *path) {
    for (int i = 0; i < FILES_MAX; i++)
        if (entries[i].file >= 0 && strcmp(entries[i].path, path) == 0)
            return &entries[i];
    return NULL;
}

static void link_entry(struct entry *entries, const char *path, int file) {
    struct entry *entry = find(entries, path);
    for (int i = 0; entry == NULL && i < FILES_MAX; i++)
        if (entries[i].file < 0)
            entry = &entries[i];
    FQ_ASSERT(entry != NULL);
    snprintf(entry->path, sizeof entry->path, "%s", path);
    entry->file = file;
}

static void apply(struct entry *entries, const struct op *op) {
    struct entry *from = find(entries, op->from);
    if (op->kind == OP_LINK) {
        link_entry(entries, op->from, op->file);
    } else if (from != NULL) {
        int file = from->file;
        from->file = -1;
        if (op->kind == OP_RENAME)
            link_entry(entries, op->to, file);
    }
}

// Gives back the memory of files that no entry, change or handle refers to.
static void collect(sim_disk *sim) {
    bool live[FILES_MAX] = {false};
    for (int i = 0; i < FILES_MAX; i++) {
        if (sim->seen[i].file >= 0)
            live[sim->seen[i].file] = true;
        if (sim->medium[i].file >= 0)
            live[sim->medium[i].file] = true;
    }
    for (size_t i = 0; i < sim->op_count; i++)
        if (sim->ops[i].kind == OP_LINK)
            live[sim->ops[i].file] = true;
    for (int i = 0; i < HANDLES_MAX; i++)
        if (sim->handles[i].file >= 0)
            live[sim->handles[i].file] = true;
    for (int i = 0; i < FILES_MAX; i++)
        if (sim->files[i].used && !live[i]) {
            free(sim->files[i].seen);
            free(sim->files[i].medium);
            free(sim->files[i].dirty);
            sim->files[i] = (struct file){0};
        }
}

static void record_op(sim_disk *sim, int kind, const char *from, const char *to, int file) {
    FQ_ASSERT(sim->op_count < OPS_MAX);
    struct op *op = &sim->ops[sim->op_count++];
    *op = (struct op){.kind = kind, .file = file};
    snprintf(op->from, sizeof op->from, "%s", from);
    snprintf(op->to, sizeof op->to, "%s", to);
    apply(sim->seen, op);
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

// Counts the call and decides its fate. `ret_error` is set unless it happens.
static enum outcome enter(sim_disk *sim, unsigned kind, int *ret_error) {
    *ret_error = -EIO;
    if (sim->dead)
        return NOTHING_HAPPENS;
    sim->calls++;
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
    return HAPPENS;
}

static int leave(enum outcome outcome, int result) {
    return outcome == HAPPENS ? result : -EIO;
}

static int sim_open(fq_disk *disk, const char *path, enum fq_disk_open mode) {
    sim_disk *sim = sim_of(disk);
    int error;
    enum outcome outcome = enter(sim, SIM_OPEN, &error);
    if (outcome == NOTHING_HAPPENS)
        return error;
    struct entry *entry = find(sim->seen, path);
    if (mode == FQ_DISK_CREATE) {
        if (entry != NULL)
            return -EEXIST;
        record_op(sim, OP_LINK, path, "", new_file(sim));
        entry = find(sim->seen, path);
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
    if (enter(sim, SIM_OTHER, &error) == NOTHING_HAPPENS)
        return error;
    const struct file *file = &sim->files[sim->handles[handle].file];
    return (int64_t)(sim->handles[handle].around_cache ? file->medium_size : file->seen_size);
}

static int64_t sim_read(fq_disk *disk, int handle, void *bytes, size_t len, uint64_t offset) {
    sim_disk *sim = sim_of(disk);
    int error;
    if (enter(sim, SIM_READ, &error) == NOTHING_HAPPENS)
        return error;
    const struct file *file = &sim->files[sim->handles[handle].file];
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

uint64_t sim_disk_used(const sim_disk *sim) {
    uint64_t used = 0;
    for (int i = 0; i < FILES_MAX; i++)
        if (sim->seen[i].file >= 0)
            used += sim->files[sim->seen[i].file].seen_size;
    return used;
}

static int64_t sim_write(fq_disk *disk, int handle, const void *bytes, size_t len, uint64_t offset) {
    sim_disk *sim = sim_of(disk);
    int error;
    enum outcome outcome = enter(sim, SIM_WRITE, &error);
    if (outcome == NOTHING_HAPPENS)
        return error;
    if ((sim->fail_mask & SIM_WRITE) != 0 && sim->fail_error == 0 && sim->fail_times > 0) {
        if (sim->fail_skip > 0)
            sim->fail_skip--;
        else if (sim->fail_times-- > 0)
            len /= 2;
    }
    struct file *file = &sim->files[sim->handles[handle].file];
    uint64_t end = offset + len;
    if (end > file->seen_size && sim->capacity != 0 &&
        sim_disk_used(sim) + end - file->seen_size > sim->capacity)
        return -ENOSPC;
    if (len == 0)
        return 0;
    make_room(file, end);
    memcpy(file->seen + offset, bytes, len);
    if (end > file->seen_size)
        file->seen_size = end;
    for (uint64_t sector = offset / SECTOR; sector <= (end - 1) / SECTOR; sector++)
        file->dirty[sector] = true;
    return outcome == HAPPENS ? (int64_t)len : -EIO;
}

static void clean(struct file *file, bool keep) {
    for (uint64_t sector = 0; sector < file->room / SECTOR; sector++) {
        if (file->dirty[sector] && keep)
            memcpy(file->medium + sector * SECTOR, file->seen + sector * SECTOR, SECTOR);
        file->dirty[sector] = false;
    }
    if (keep)
        file->medium_size = file->seen_size;
}

static int sim_sync(fq_disk *disk, int handle) {
    sim_disk *sim = sim_of(disk);
    int error;
    enum outcome outcome = enter(sim, SIM_SYNC, &error);
    struct file *file = &sim->files[sim->handles[handle].file];
    if (outcome == NOTHING_HAPPENS) {
        if (!sim->dead)
            clean(file, false); // the lie: the pages are clean, the medium never got them
        return error;
    }
    clean(file, true);
    return leave(outcome, 0);
}

static int sim_sync_directory(fq_disk *disk, const char *path) {
    sim_disk *sim = sim_of(disk);
    int error;
    enum outcome outcome = enter(sim, SIM_SYNC_DIRECTORY, &error);
    if (outcome == NOTHING_HAPPENS)
        return error;
    size_t kept = 0;
    for (size_t i = 0; i < sim->op_count; i++) {
        if (lies_in(sim->ops[i].from, path) ||
            (sim->ops[i].kind == OP_RENAME && lies_in(sim->ops[i].to, path)))
            apply(sim->medium, &sim->ops[i]);
        else
            sim->ops[kept++] = sim->ops[i];
    }
    sim->op_count = kept;
    collect(sim);
    return leave(outcome, 0);
}

static int sim_rename(fq_disk *disk, const char *from, const char *to) {
    sim_disk *sim = sim_of(disk);
    int error;
    enum outcome outcome = enter(sim, SIM_RENAME, &error);
    if (outcome == NOTHING_HAPPENS)
        return error;
    if (find(sim->seen, from) == NULL)
        return -ENOENT;
    record_op(sim, OP_RENAME, from, to, -1);
    return leave(outcome, 0);
}

static int sim_remove(fq_disk *disk, const char *path) {
    sim_disk *sim = sim_of(disk);
    int error;
    enum outcome outcome = enter(sim, SIM_REMOVE, &error);
    if (outcome == NOTHING_HAPPENS)
        return error;
    if (find(sim->seen, path) == NULL)
        return -ENOENT;
    record_op(sim, OP_UNLINK, path, "", -1);
    return leave(outcome, 0);
}

// Directories are durable at once: they are made, and synced, before anything lies in them.
static int sim_make_directory(fq_disk *disk, const char *path) {
    sim_disk *sim = sim_of(disk);
    int error;
    enum outcome outcome = enter(sim, SIM_OTHER, &error);
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
    if (enter(sim, SIM_OTHER, &error) == NOTHING_HAPPENS)
        return error;
    for (int i = 0; i < FILES_MAX; i++)
        if (sim->seen[i].file >= 0 && lies_in(sim->seen[i].path, path)) {
            char name[PATH_MAX_LEN]; // the callback may remove the entry
            const char *slash = strchr(sim->seen[i].path, '/');
            snprintf(name, sizeof name, "%s", slash != NULL ? slash + 1 : sim->seen[i].path);
            on_name(context, name);
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
    return 0;
}

static int sim_lock(fq_disk *disk, const char *path, char *ret_owner, size_t owner_size) {
    struct view *view = (struct view *)disk;
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
    struct view *view = (struct view *)disk;
    if (view->holds_lock)
        view->sim->locked = false;
    free(view);
    return NULL;
}

// ---- for tests ----

sim_disk *sim_disk_new(uint64_t seed) {
    sim_disk *sim = calloc(1, sizeof *sim);
    FQ_ASSERT(sim != NULL);
    fq_random_seed(&sim->random, seed);
    for (int i = 0; i < FILES_MAX; i++)
        sim->seen[i].file = sim->medium[i].file = -1;
    for (int i = 0; i < HANDLES_MAX; i++)
        sim->handles[i].file = -1;
    return sim;
}

void sim_disk_free(sim_disk *sim) {
    for (int i = 0; i < FILES_MAX; i++) {
        free(sim->files[i].seen);
        free(sim->files[i].medium);
        free(sim->files[i].dirty);
    }
    free(sim);
}

sim_disk *sim_disk_clone(const sim_disk *sim) {
    sim_disk *copy = malloc(sizeof *copy);
    FQ_ASSERT(copy != NULL);
    *copy = *sim;
    copy->locked = false;
    for (int i = 0; i < HANDLES_MAX; i++)
        copy->handles[i].file = -1;
    for (int i = 0; i < FILES_MAX; i++) {
        const struct file *from = &sim->files[i];
        copy->files[i] = (struct file){.used = from->used};
        if (from->room == 0)
            continue;
        make_room(&copy->files[i], from->room);
        memcpy(copy->files[i].seen, from->seen, from->room);
        memcpy(copy->files[i].medium, from->medium, from->room);
        memcpy(copy->files[i].dirty, from->dirty, from->room / SECTOR * sizeof(bool));
        copy->files[i].seen_size = from->seen_size;
        copy->files[i].medium_size = from->medium_size;
    }
    return copy;
}

fq_disk *sim_disk_attach(sim_disk *sim) {
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
    struct view *view = calloc(1, sizeof *view);
    FQ_ASSERT(view != NULL);
    view->base.ops = &ops;
    view->sim = sim;
    return &view->base;
}

uint64_t sim_disk_calls(const sim_disk *sim) {
    return sim->calls;
}

void sim_disk_crash_at(sim_disk *sim, uint64_t call) {
    sim->crash_at = call;
}

bool sim_disk_is_dead(const sim_disk *sim) {
    return sim->dead;
}

// What becomes of one file: each dirty sector is kept, dropped or spoiled; some cuts keep all or nothing.
static void cut_power(sim_disk *sim, struct file *file, uint64_t style, bool garbage) {
    uint64_t kept_end = file->medium_size;
    for (uint64_t sector = 0; sector < file->room / SECTOR; sector++) {
        if (!file->dirty[sector])
            continue;
        file->dirty[sector] = false;
        if (style == 0 || (style > 1 && fq_random_below(&sim->random, 2) == 0))
            continue;
        unsigned char *medium = file->medium + sector * SECTOR;
        memcpy(medium, file->seen + sector * SECTOR, SECTOR);
        if (garbage && fq_random_below(&sim->random, 8) == 0)
            for (int i = 0; i < SECTOR; i++)
                medium[i] = (unsigned char)fq_random_next(&sim->random);
        uint64_t end = (sector + 1) * SECTOR;
        if (end > file->seen_size)
            end = file->seen_size;
        if (end > kept_end)
            kept_end = end;
    }
    file->medium_size = kept_end;
    memcpy(file->seen, file->medium, file->room);
    file->seen_size = file->medium_size;
}

void sim_disk_restart(sim_disk *sim, bool garbage) {
    uint64_t style = fq_random_below(&sim->random, 4); // 0 nothing, 1 all, else any subset
    for (size_t i = 0; i < sim->op_count; i++)
        if (style == 1 || (style > 1 && fq_random_below(&sim->random, 2) == 0))
            apply(sim->medium, &sim->ops[i]);
    sim->op_count = 0;
    memcpy(sim->seen, sim->medium, sizeof sim->seen);
    for (int i = 0; i < HANDLES_MAX; i++)
        sim->handles[i].file = -1;
    collect(sim);
    for (int i = 0; i < FILES_MAX; i++)
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

void sim_disk_set_capacity(sim_disk *sim, uint64_t bytes) {
    sim->capacity = bytes;
}

void sim_disk_set_volatile(sim_disk *sim, bool is_volatile) {
    sim->is_volatile = is_volatile;
}

static struct file *file_at(const sim_disk *sim, const char *path) {
    struct entry *entry = find(((sim_disk *)(uintptr_t)sim)->seen, path);
    FQ_ASSERT(entry != NULL);
    return &((sim_disk *)(uintptr_t)sim)->files[entry->file];
}

bool sim_disk_exists(const sim_disk *sim, const char *path) {
    return find(((sim_disk *)(uintptr_t)sim)->seen, path) != NULL;
}

uint64_t sim_disk_size(const sim_disk *sim, const char *path) {
    return file_at(sim, path)->seen_size;
}

void sim_disk_flip(sim_disk *sim, const char *path, uint64_t offset, unsigned char mask) {
    struct file *file = file_at(sim, path);
    FQ_ASSERT(offset < file->seen_size);
    file->seen[offset] ^= mask;
    file->medium[offset] ^= mask;
}

void sim_disk_truncate(sim_disk *sim, const char *path, uint64_t size) {
    struct file *file = file_at(sim, path);
    FQ_ASSERT(size <= file->seen_size);
    sim_disk_zero(sim, path, size, file->seen_size - size);
    file->seen_size = file->medium_size = size;
}

void sim_disk_zero(sim_disk *sim, const char *path, uint64_t offset, uint64_t len) {
    struct file *file = file_at(sim, path);
    memset(file->seen + offset, 0, len);
    memset(file->medium + offset, 0, len);
}

void sim_disk_peek(const sim_disk *sim, const char *path, uint64_t offset, void *ret_bytes, size_t len) {
    memcpy(ret_bytes, file_at(sim, path)->seen + offset, len);
}

void sim_disk_poke(sim_disk *sim, const char *path, uint64_t offset, const void *bytes, size_t len) {
    struct file *file = file_at(sim, path);
    FQ_ASSERT(offset + len <= file->seen_size);
    memcpy(file->seen + offset, bytes, len);
    memcpy(file->medium + offset, bytes, len);
}

void sim_disk_remove(sim_disk *sim, const char *path) {
    struct op op = {.kind = OP_UNLINK};
    snprintf(op.from, sizeof op.from, "%s", path);
    apply(sim->seen, &op);
    apply(sim->medium, &op);
}

void sim_disk_each(const sim_disk *sim, void (*on_path)(void *context, const char *path), void *context) {
    for (int i = 0; i < FILES_MAX; i++)
        if (sim->seen[i].file >= 0)
            on_path(context, sim->seen[i].path);
}
