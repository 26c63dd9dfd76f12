// SPDX-License-Identifier: Apache-2.0
#include "crash_disk.h"

#include "base/assert.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECTOR = 512, PATH_LEN = 64, FILES_MAX = 4096, ENTRIES_MAX = 64, HANDLES_MAX = 32 };

// A file of the recorded machine.
struct file {
    uint64_t inode;
    unsigned char *medium;
    uint64_t medium_size, seen_size, room;
};

struct entry {
    char path[PATH_LEN];
    int file;
};

struct entries {
    struct entry at[ENTRIES_MAX];
    size_t count;
};

// A change that is not on the medium for sure.
struct change {
    enum { SECTOR_CHANGE, SIZE_CHANGE, LINK, RENAME, UNLINK } kind;
    int file;
    uint64_t sector, size;
    unsigned char content[SECTOR];
    char from[PATH_LEN], to[PATH_LEN];
};

// A file of the state: the medium's, with the sectors that made it; or one that was written to since.
struct state_file {
    const struct file *from; // NULL: own bytes
    unsigned char *own;
    uint64_t size, room;
    const struct change **changed;
    size_t changed_count, changed_room;
};

struct crash_disk {
    struct file files[FILES_MAX];
    size_t file_count;
    struct entries seen, medium;
    struct change *pending;
    size_t pending_count, pending_room;
    // The state.
    struct entries entries;
    struct state_file *state[ENTRIES_MAX * 2];
    size_t state_count;
    int handles[HANDLES_MAX]; // index into `state`; -1 = closed
    unsigned char noise[SECTOR];
    struct change spoiled;
    uint64_t random;
};

// ---- entries ----

static struct entry *find(struct entries *entries, const char *path) {
    for (size_t i = 0; i < entries->count; i++)
        if (strcmp(entries->at[i].path, path) == 0)
            return &entries->at[i];
    return NULL;
}

static void link_entry(struct entries *entries, const char *path, int file) {
    struct entry *entry = find(entries, path);
    if (entry == NULL) {
        FQ_ASSERT(entries->count < ENTRIES_MAX);
        entry = &entries->at[entries->count++];
    }
    snprintf(entry->path, sizeof entry->path, "%s", path);
    entry->file = file;
}

static void unlink_entry(struct entries *entries, struct entry *entry) {
    *entry = entries->at[--entries->count];
}

static void apply(struct entries *entries, const struct change *change) {
    struct entry *from = find(entries, change->from);
    if (change->kind == LINK) {
        link_entry(entries, change->from, change->file);
    } else if (from != NULL) {
        int file = from->file;
        unlink_entry(entries, from);
        if (change->kind == RENAME)
            link_entry(entries, change->to, file);
    }
}

static bool lies_in(const char *path, const char *directory) {
    const char *slash = strchr(path, '/');
    if (strcmp(directory, ".") == 0)
        return slash == NULL;
    size_t len = strlen(directory);
    return slash != NULL && (size_t)(slash - path) == len && strncmp(path, directory, len) == 0;
}

// ---- following ----

static struct change *add_change(crash_disk *disk) {
    if (disk->pending_count == disk->pending_room) {
        disk->pending_room = disk->pending_room == 0 ? 1024 : 2 * disk->pending_room;
        disk->pending = reallocarray(disk->pending, disk->pending_room, sizeof *disk->pending);
        FQ_ASSERT(disk->pending != NULL);
    }
    struct change *change = &disk->pending[disk->pending_count++];
    memset(change, 0, sizeof *change);
    return change;
}

static int file_with(const crash_disk *disk, uint64_t inode) {
    for (size_t i = disk->file_count; i > 0; i--) // the newest: numbers are used again
        if (disk->files[i - 1].inode == inode)
            return (int)i - 1;
    return -1;
}

static int new_file(crash_disk *disk, uint64_t inode) {
    FQ_ASSERT(disk->file_count < FILES_MAX);
    disk->files[disk->file_count] = (struct file){.inode = inode};
    return (int)disk->file_count++;
}

static void make_room(struct file *file, uint64_t size) {
    if (size <= file->room)
        return;
    uint64_t room = (size + 65535) / 65536 * 65536;
    file->medium = realloc(file->medium, room);
    FQ_ASSERT(file->medium != NULL);
    memset(file->medium + file->room, 0, room - file->room);
    file->room = room;
}

static struct change *pending_sector(crash_disk *disk, int file, uint64_t sector) {
    for (size_t i = 0; i < disk->pending_count; i++)
        if (disk->pending[i].kind == SECTOR_CHANGE && disk->pending[i].file == file &&
            disk->pending[i].sector == sector)
            return &disk->pending[i];
    return NULL;
}

static void change_size(crash_disk *disk, int file, uint64_t size) {
    disk->files[file].seen_size = size;
    for (size_t i = 0; i < disk->pending_count; i++)
        if (disk->pending[i].kind == SIZE_CHANGE && disk->pending[i].file == file) {
            disk->pending[i].size = size;
            return;
        }
    struct change *change = add_change(disk);
    change->kind = SIZE_CHANGE;
    change->file = file;
    change->size = size;
}

// `data` NULL: zeros.
static void follow_write(crash_disk *disk, int index, uint64_t offset, uint64_t len, const char *data) {
    struct file *file = &disk->files[index];
    make_room(file, offset + len);
    if (offset + len > file->seen_size)
        change_size(disk, index, offset + len);
    for (uint64_t sector = offset / SECTOR; sector * SECTOR < offset + len; sector++) {
        unsigned char content[SECTOR];
        const struct change *earlier = pending_sector(disk, index, sector);
        memcpy(content, earlier != NULL ? earlier->content : file->medium + sector * SECTOR, SECTOR);
        uint64_t begin = sector * SECTOR > offset ? sector * SECTOR : offset;
        uint64_t end = (sector + 1) * SECTOR < offset + len ? (sector + 1) * SECTOR : offset + len;
        if (data != NULL)
            memcpy(content + begin - sector * SECTOR, data + begin - offset, end - begin);
        else
            memset(content + begin - sector * SECTOR, 0, end - begin);
        struct change *change = pending_sector(disk, index, sector);
        if (change == NULL && memcmp(content, file->medium + sector * SECTOR, SECTOR) == 0)
            continue; // it makes no difference whether this one gets there
        if (change == NULL)
            change = add_change(disk);
        *change = (struct change){.kind = SECTOR_CHANGE, .file = index, .sector = sector};
        memcpy(change->content, content, SECTOR);
    }
}

static void follow_sync(crash_disk *disk, int index) {
    struct file *file = &disk->files[index];
    size_t kept = 0;
    for (size_t i = 0; i < disk->pending_count; i++) {
        const struct change *change = &disk->pending[i];
        if (change->file == index && change->kind == SECTOR_CHANGE)
            memcpy(file->medium + change->sector * SECTOR, change->content, SECTOR);
        else if (change->file != index || change->kind != SIZE_CHANGE)
            disk->pending[kept++] = *change;
    }
    disk->pending_count = kept;
    file->medium_size = file->seen_size;
}

static void follow_directory_sync(crash_disk *disk, const char *path) {
    size_t kept = 0;
    for (size_t i = 0; i < disk->pending_count; i++) {
        const struct change *change = &disk->pending[i];
        bool here = change->kind >= LINK &&
                    (lies_in(change->from, path) || (change->kind == RENAME && lies_in(change->to, path)));
        if (here)
            apply(&disk->medium, change);
        else
            disk->pending[kept++] = *change;
    }
    disk->pending_count = kept;
}

static void follow_entry(crash_disk *disk, int kind, int file, const char *from, const char *to) {
    struct change *change = add_change(disk);
    change->kind = kind;
    change->file = file;
    snprintf(change->from, sizeof change->from, "%s", from);
    snprintf(change->to, sizeof change->to, "%s", to);
    apply(&disk->seen, change);
}

// Files that no entry, present or pending, leads to are gone, and so is what is pending for them.
static void forget_dead(crash_disk *disk) {
    for (size_t i = 0; i < disk->file_count; i++) {
        struct file *file = &disk->files[i];
        bool live = file->medium == NULL;
        for (size_t j = 0; j < disk->seen.count && !live; j++)
            live = disk->seen.at[j].file == (int)i;
        for (size_t j = 0; j < disk->medium.count && !live; j++)
            live = disk->medium.at[j].file == (int)i;
        for (size_t j = 0; j < disk->pending_count && !live; j++)
            live = disk->pending[j].kind == LINK && disk->pending[j].file == (int)i;
        if (live)
            continue;
        follow_sync(disk, (int)i);
        free(file->medium);
        *file = (struct file){0};
    }
}

void crash_disk_follow(crash_disk *disk, const struct call_entry *entry, const char *data) {
    const char *other =
        entry->data_len > 0 && entry->kind >= CALL_SYNC_DIRECTORY ? data + strlen(data) + 1 : "";
    int file = file_with(disk, entry->file);
    switch (entry->kind) {
    case CALL_CREATE:
        if (strcmp(data, "LOCK") == 0)
            break; // for people only: what it holds decides nothing
        follow_entry(disk, LINK, new_file(disk, entry->file), data, "");
        break;
    case CALL_WRITE:
    case CALL_ZEROS:
        if (file >= 0)
            follow_write(disk, file, entry->offset, entry->length, entry->kind == CALL_WRITE ? data : NULL);
        break;
    case CALL_TRUNCATE: FQ_ASSERT(file < 0); break; // LOCK only
    case CALL_SYNC:
        if (file >= 0)
            follow_sync(disk, file);
        break;
    case CALL_SYNC_DIRECTORY:
        follow_directory_sync(disk, data);
        forget_dead(disk);
        break;
    case CALL_RENAME: follow_entry(disk, RENAME, -1, data, other); break;
    case CALL_UNLINK: follow_entry(disk, UNLINK, -1, data, ""); break;
    default: break; // directories are made, and synced, before anything lies in them
    }
}

size_t crash_disk_pending(const crash_disk *disk) {
    return disk->pending_count;
}

bool crash_disk_is_sector(const crash_disk *disk, size_t bit) {
    return disk->pending[bit].kind == SECTOR_CHANGE;
}

// ---- a state ----

static void drop_state(crash_disk *disk) {
    for (size_t i = 0; i < disk->state_count; i++) {
        free(disk->state[i]->own);
        free(disk->state[i]->changed);
        free(disk->state[i]);
    }
    disk->state_count = 0;
    disk->entries.count = 0;
}

static int add_state_file(crash_disk *disk) {
    FQ_ASSERT(disk->state_count < sizeof disk->state / sizeof disk->state[0]);
    struct state_file *file = calloc(1, sizeof *file);
    FQ_ASSERT(file != NULL);
    disk->state[disk->state_count] = file;
    return (int)disk->state_count++;
}

static void take_changes(crash_disk *disk, struct state_file *file, int index, const bool *keep,
                         size_t noise) {
    file->from = &disk->files[index];
    file->size = file->from->medium_size;
    for (size_t i = 0; i < disk->pending_count; i++) {
        const struct change *change = &disk->pending[i];
        if (change->file != index || !keep[i])
            continue;
        if (change->kind == SIZE_CHANGE)
            file->size = change->size;
        if (change->kind != SECTOR_CHANGE)
            continue;
        if (file->changed_count == file->changed_room) {
            file->changed_room = file->changed_room == 0 ? 16 : 2 * file->changed_room;
            file->changed = reallocarray(file->changed, file->changed_room, sizeof *file->changed);
            FQ_ASSERT(file->changed != NULL);
        }
        if (i == noise) {
            disk->spoiled = *change;
            memcpy(disk->spoiled.content, disk->noise, SECTOR);
            change = &disk->spoiled;
        }
        file->changed[file->changed_count++] = change;
    }
}

void crash_disk_make(crash_disk *disk, const bool *keep, size_t noise) {
    drop_state(disk);
    disk->entries = disk->medium;
    for (size_t i = 0; i < disk->pending_count; i++)
        if (keep[i] && disk->pending[i].kind >= LINK)
            apply(&disk->entries, &disk->pending[i]);
    for (size_t i = 0; i < disk->entries.count; i++) {
        int file = disk->entries.at[i].file;
        disk->entries.at[i].file = add_state_file(disk);
        take_changes(disk, disk->state[disk->state_count - 1], file, keep, noise);
    }
    for (int i = 0; i < HANDLES_MAX; i++)
        disk->handles[i] = -1;
}

static void read_range(const struct state_file *file, unsigned char *bytes, uint64_t len, uint64_t offset) {
    if (file->own != NULL || file->from == NULL) {
        memcpy(bytes, file->own + offset, len);
        return;
    }
    uint64_t have = offset < file->from->room ? file->from->room - offset : 0;
    have = have < len ? have : len;
    memcpy(bytes, file->from->medium + offset, have);
    memset(bytes + have, 0, len - have);
    for (size_t i = 0; i < file->changed_count; i++) {
        uint64_t at = file->changed[i]->sector * SECTOR;
        uint64_t begin = at > offset ? at : offset,
                 end = at + SECTOR < offset + len ? at + SECTOR : offset + len;
        if (begin < end)
            memcpy(bytes + begin - offset, file->changed[i]->content + begin - at, end - begin);
    }
}

static void own(struct state_file *file, uint64_t size) {
    if (file->own != NULL && size <= file->room)
        return;
    uint64_t room = ((size > file->size ? size : file->size) + 65535) / 65536 * 65536;
    unsigned char *bytes = calloc(1, room);
    FQ_ASSERT(bytes != NULL);
    if (file->size > 0)
        read_range(file, bytes, file->size, 0);
    free(file->own);
    file->own = bytes;
    file->room = room;
}

// ---- the state as a disk ----

struct view {
    fq_disk base;
    crash_disk *disk;
};

static crash_disk *disk_of(fq_disk *disk) {
    return ((struct view *)disk)->disk;
}

static struct state_file *file_of(fq_disk *disk, int handle) {
    return disk_of(disk)->state[disk_of(disk)->handles[handle]];
}

static int view_open(fq_disk *base, const char *path, enum fq_disk_open mode) {
    crash_disk *disk = disk_of(base);
    const struct entry *entry = find(&disk->entries, path);
    if (mode == FQ_DISK_CREATE && entry != NULL)
        return -EEXIST;
    if (mode != FQ_DISK_CREATE && entry == NULL)
        return -ENOENT;
    int file = entry != NULL ? entry->file : add_state_file(disk);
    if (entry == NULL)
        link_entry(&disk->entries, path, file);
    for (int i = 0; i < HANDLES_MAX; i++)
        if (disk->handles[i] < 0) {
            disk->handles[i] = file;
            return i;
        }
    return -EMFILE;
}

static int view_close(fq_disk *disk, int handle) {
    disk_of(disk)->handles[handle] = -1;
    return 0;
}

static int64_t view_size(fq_disk *disk, int handle) {
    return (int64_t)file_of(disk, handle)->size;
}

static int64_t view_read(fq_disk *disk, int handle, void *bytes, size_t len, uint64_t offset) {
    const struct state_file *file = file_of(disk, handle);
    if (offset >= file->size)
        return 0;
    if (len > file->size - offset)
        len = (size_t)(file->size - offset);
    read_range(file, bytes, len, offset);
    return (int64_t)len;
}

static int64_t view_write(fq_disk *disk, int handle, const void *bytes, size_t len, uint64_t offset) {
    struct state_file *file = file_of(disk, handle);
    own(file, offset + len);
    memcpy(file->own + offset, bytes, len);
    if (offset + len > file->size)
        file->size = offset + len;
    return (int64_t)len;
}

static int view_sync(fq_disk *disk, int handle) {
    (void)disk, (void)handle;
    return 0;
}

static int view_sync_directory(fq_disk *disk, const char *path) {
    (void)disk, (void)path;
    return 0;
}

static int view_rename(fq_disk *disk, const char *from, const char *to) {
    struct entries *entries = &disk_of(disk)->entries;
    struct entry *entry = find(entries, from);
    if (entry == NULL)
        return -ENOENT;
    int file = entry->file;
    unlink_entry(entries, entry);
    link_entry(entries, to, file);
    return 0;
}

static int view_remove(fq_disk *disk, const char *path) {
    struct entries *entries = &disk_of(disk)->entries;
    struct entry *entry = find(entries, path);
    if (entry == NULL)
        return -ENOENT;
    unlink_entry(entries, entry);
    return 0;
}

static int view_make_directory(fq_disk *disk, const char *path) {
    (void)disk, (void)path;
    return -EEXIST;
}

static int view_list(fq_disk *disk, const char *path, void (*on_name)(void *context, const char *name),
                     void *context) {
    struct entries copy = disk_of(disk)->entries; // the callback may remove some
    for (size_t i = 0; i < copy.count; i++)
        if (lies_in(copy.at[i].path, path)) {
            const char *slash = strchr(copy.at[i].path, '/');
            on_name(context, slash != NULL ? slash + 1 : copy.at[i].path);
        }
    return 0;
}

static int view_facts(fq_disk *disk, struct fq_disk_facts *ret_facts) {
    (void)disk;
    *ret_facts =
        (struct fq_disk_facts){.total_bytes = 1ull << 40, .free_bytes = 1ull << 39, .block_size = SECTOR};
    return 0;
}

static int view_lock(fq_disk *disk, const char *path, char *ret_owner, size_t owner_size) {
    (void)disk, (void)path, (void)ret_owner, (void)owner_size;
    return 0;
}

static int view_random(fq_disk *disk, void *ret_bytes, size_t len) {
    for (size_t i = 0; i < len; i++)
        ((unsigned char *)ret_bytes)[i] = (unsigned char)(disk_of(disk)->random++ * 37 + 11);
    return 0;
}

static fq_disk *view_close_disk(fq_disk *disk) {
    free(disk);
    return NULL;
}

fq_disk *crash_disk_attach(crash_disk *disk) {
    static const struct fq_disk_ops ops = {.open = view_open,
                                           .close = view_close,
                                           .size = view_size,
                                           .read = view_read,
                                           .write = view_write,
                                           .sync = view_sync,
                                           .sync_directory = view_sync_directory,
                                           .rename = view_rename,
                                           .remove = view_remove,
                                           .make_directory = view_make_directory,
                                           .list = view_list,
                                           .facts = view_facts,
                                           .lock = view_lock,
                                           .random = view_random,
                                           .close_disk = view_close_disk};
    struct view *view = calloc(1, sizeof *view);
    FQ_ASSERT(view != NULL);
    *view = (struct view){{&ops}, disk};
    return &view->base;
}

bool crash_disk_export(const crash_disk *disk, const char *path) {
    static const char *const directories[] = {"seg", "snap", "quarantine"};
    char name[4096];
    bool ok = true;
    for (size_t i = 0; i < sizeof directories / sizeof directories[0]; i++) {
        snprintf(name, sizeof name, "%s/%s", path, directories[i]);
        ok &= mkdir(name, 0700) == 0;
    }
    for (size_t i = 0; i < disk->entries.count && ok; i++) {
        const struct state_file *file = disk->state[disk->entries.at[i].file];
        snprintf(name, sizeof name, "%s/%s", path, disk->entries.at[i].path);
        unsigned char *bytes = malloc(file->size + 1);
        FQ_ASSERT(bytes != NULL);
        read_range(file, bytes, file->size, 0);
        int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0600);
        ok = fd >= 0 && write(fd, bytes, file->size) == (ssize_t)file->size;
        if (fd >= 0)
            close(fd);
        free(bytes);
    }
    return ok;
}

crash_disk *crash_disk_new(void) {
    crash_disk *disk = calloc(1, sizeof *disk);
    FQ_ASSERT(disk != NULL);
    for (int i = 0; i < SECTOR; i++)
        disk->noise[i] = (unsigned char)(i * 167 + 91);
    return disk;
}

void crash_disk_free(crash_disk *disk) {
    drop_state(disk);
    for (size_t i = 0; i < disk->file_count; i++)
        free(disk->files[i].medium);
    free(disk->pending);
    free(disk);
}
