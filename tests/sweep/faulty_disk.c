// SPDX-License-Identifier: Apache-2.0
#include "faulty_disk.h"

#include "base/assert.h"
#include "faulty_memory.h"

#include <stdlib.h>

struct view {
    fq_disk base;
    fq_disk *beneath;
};

static struct {
    unsigned mask;
    uint64_t left, hits;
    bool is_sticky;
    int error;
} plan;

static int judge(void *context, enum sim_call kind) {
    (void)context;
    if (plan.left == 0 || ((unsigned)kind & plan.mask) == 0)
        return 0;
    if (plan.left > 1) {
        plan.left--;
        return 0;
    }
    plan.left = plan.is_sticky ? 1 : 0;
    plan.hits++;
    return -plan.error;
}

void faulty_disk_arm(sim_disk *sim, unsigned mask, uint64_t n, bool sticky, int error) {
    plan.mask = mask;
    plan.left = n;
    plan.hits = 0;
    plan.is_sticky = sticky;
    plan.error = error;
    sim_disk_set_judge(sim, judge, NULL);
}

void faulty_disk_disarm(sim_disk *sim) {
    plan.left = 0;
    sim_disk_set_judge(sim, NULL, NULL);
}

uint64_t faulty_disk_hits(void) {
    return plan.hits;
}

// Each call goes to the disk beneath, whose memory is none of the program's.
#define PASS(type, call)                                                                                     \
    fq_disk *beneath = ((struct view *)disk)->beneath;                                                       \
    faulty_memory_pause();                                                                                   \
    type result = beneath->ops->call;                                                                        \
    faulty_memory_resume();                                                                                  \
    return result

static int pass_open(fq_disk *disk, const char *path, enum fq_disk_open mode) {
    PASS(int, open(beneath, path, mode));
}
static int pass_close(fq_disk *disk, int handle) {
    PASS(int, close(beneath, handle));
}
static int64_t pass_size(fq_disk *disk, int handle) {
    PASS(int64_t, size(beneath, handle));
}
static int64_t pass_read(fq_disk *disk, int handle, void *bytes, size_t len, uint64_t offset) {
    PASS(int64_t, read(beneath, handle, bytes, len, offset));
}
static int64_t pass_write(fq_disk *disk, int handle, const void *bytes, size_t len, uint64_t offset) {
    PASS(int64_t, write(beneath, handle, bytes, len, offset));
}
static int pass_sync(fq_disk *disk, int handle) {
    PASS(int, sync(beneath, handle));
}
static int pass_sync_directory(fq_disk *disk, const char *path) {
    PASS(int, sync_directory(beneath, path));
}
static int pass_rename(fq_disk *disk, const char *from, const char *to) {
    PASS(int, rename(beneath, from, to));
}
static int pass_remove(fq_disk *disk, const char *path) {
    PASS(int, remove(beneath, path));
}
static int pass_make_directory(fq_disk *disk, const char *path) {
    PASS(int, make_directory(beneath, path));
}
static int pass_facts(fq_disk *disk, struct fq_disk_facts *ret_facts) {
    PASS(int, facts(beneath, ret_facts));
}
static int pass_lock(fq_disk *disk, const char *path, char *ret_owner, size_t owner_size) {
    PASS(int, lock(beneath, path, ret_owner, owner_size));
}
static int pass_random(fq_disk *disk, void *ret_bytes, size_t len) {
    PASS(int, random(beneath, ret_bytes, len));
}

// The program's own function is called back: its memory may fail.
struct listing {
    void (*on_name)(void *context, const char *name);
    void *context;
};
static void on_listed(void *context, const char *name) {
    const struct listing *listing = context;
    faulty_memory_resume();
    listing->on_name(listing->context, name);
    faulty_memory_pause();
}
static int pass_list(fq_disk *disk, const char *path, void (*on_name)(void *context, const char *name),
                     void *context) {
    struct listing listing = {on_name, context};
    PASS(int, list(beneath, path, on_listed, &listing));
}

static fq_disk *pass_close_disk(fq_disk *disk) {
    struct view *view = (struct view *)disk;
    faulty_memory_pause();
    view->beneath->ops->close_disk(view->beneath);
    free(view);
    faulty_memory_resume();
    return NULL;
}

fq_disk *faulty_disk_attach(sim_disk *sim) {
    static const struct fq_disk_ops ops = {
        .open = pass_open,
        .close = pass_close,
        .size = pass_size,
        .read = pass_read,
        .write = pass_write,
        .sync = pass_sync,
        .sync_directory = pass_sync_directory,
        .rename = pass_rename,
        .remove = pass_remove,
        .make_directory = pass_make_directory,
        .list = pass_list,
        .facts = pass_facts,
        .lock = pass_lock,
        .random = pass_random,
        .close_disk = pass_close_disk,
    };
    faulty_memory_pause();
    struct view *view = calloc(1, sizeof *view);
    FQ_ASSERT(view != NULL);
    view->base.ops = &ops;
    view->beneath = sim_disk_attach(sim);
    faulty_memory_resume();
    return &view->base;
}
