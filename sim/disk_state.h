// SPDX-License-Identifier: Apache-2.0
// Inside the simulated disk: files, directory entries and what the medium does not know yet.
#ifndef FQ_SIM_DISK_STATE_H
#define FQ_SIM_DISK_STATE_H

#include "base/random.h"
#include "sim/disk.h"

enum {
    SECTOR = 512,
    PATH_MAX_LEN = 64,
    FILES_FIRST = 16, // room at the beginning
    HANDLES_MAX = 64,
    OPS_MAX = 256,
    DIRECTORIES_MAX = 8
};

struct sim_range { // of sectors
    uint32_t first, end;
};

struct sim_file { // an inode
    unsigned char *seen, *medium;
    struct sim_range *dirty; // written since the last sync, in the order of writing; may overlap
    size_t dirty_count, dirty_room;
    uint64_t seen_size, medium_size, room;
    bool used;
    bool lies; // a sync failed: what is seen is not what the medium holds, though it looks clean
};

struct sim_entry {
    char path[PATH_MAX_LEN];
    int file; // -1 = free slot
};

struct sim_table { // the entries of all directories
    struct sim_entry *rows;
    int end, room;
};

// A change of directory entries that the medium does not know yet.
struct sim_dir_op {
    enum { OP_LINK, OP_UNLINK, OP_RENAME } kind;
    char from[PATH_MAX_LEN], to[PATH_MAX_LEN];
    int file;
};

struct sim_disk {
    struct sim_file *files;
    int file_end, file_room;
    struct sim_table seen, medium;
    struct sim_dir_op ops[OPS_MAX];
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
    uint64_t rewrites; // of synced bytes that were not zero
    uint64_t told_free, refused;
    int (*judge)(void *context, enum sim_call kind);
    void *judge_context;
};

struct sim_view {
    fq_disk base;
    sim_disk *sim;
    bool holds_lock;
    bool is_judged;
    uint64_t calls_left; // the process dies with the last of them; 0 = it lives on
    bool dead;
};

/** Room for `size` bytes, zeros behind what is there. */
void sim_disk_make_room(struct sim_file *file, uint64_t size);
void sim_disk_note_dirty(struct sim_file *file, uint64_t offset, uint64_t end);
void sim_disk_free_file(struct sim_file *file);
/** A file that no entry names yet. */
int sim_disk_new_file(sim_disk *sim);
/** Room for `count` rows; moves them. */
void sim_disk_reserve(struct sim_table *table, int count);
/** NULL if there is none. Holds until the next change. */
struct sim_entry *sim_disk_find(struct sim_table *table, const char *path);
void sim_disk_apply(struct sim_table *table, const struct sim_dir_op *op);
/** Gives back the memory of files that no entry, change or handle refers to. */
void sim_disk_collect(sim_disk *sim);

#endif
