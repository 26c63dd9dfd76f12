// SPDX-License-Identifier: Apache-2.0
#include "support/forgery.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void forgery_make_plain(struct rig *ret_rig) {
    rig_init(ret_rig, 3);
    for (int boot = 0; boot < 2; boot++) {
        assert_int_equal(rig_boot(ret_rig), 0);
        for (int i = 0; i < 30; i++)
            rig_append(ret_rig, 3000);
        assert_true(rig_settle(ret_rig));
        rig_kill(ret_rig);
    }
}

struct rig forgery_copy(const struct rig *rig) {
    struct rig copy;
    rig_init(&copy, 1);
    sim_disk_free(copy.sim);
    copy.sim = sim_disk_clone(rig->sim);
    memcpy(copy.records, rig->records, RIG_RECORDS_MAX * sizeof *copy.records);
    copy.count = rig->count;
    copy.durable = rig->durable;
    return copy;
}

static void on_path(void *context, const char *path) {
    struct forgery_files *names = context;
    if (strncmp(path, names->directory, strlen(names->directory)) == 0 && strstr(path, ".tmp") == NULL) {
        assert_true(names->count < FORGERY_FILES_MAX);
        snprintf(names->paths[names->count++], sizeof names->paths[0], "%s", path);
    }
}

static int by_name(const void *a, const void *b) {
    return strcmp(a, b);
}

struct forgery_files forgery_list(const sim_disk *sim, const char *directory) {
    struct forgery_files names = {.directory = directory};
    sim_disk_each(sim, on_path, &names);
    qsort(names.paths, names.count, sizeof names.paths[0], by_name);
    return names;
}

struct fq_segment_header forgery_header(const sim_disk *sim, const char *path) {
    unsigned char bytes[FQ_SEGMENT_HEADER];
    struct fq_segment_header header;
    sim_disk_peek(sim, path, 0, bytes, sizeof bytes);
    assert_int_equal(fq_segment_decode(bytes, &header), 0);
    return header;
}

void forgery_put_header(sim_disk *sim, const char *path, const struct fq_segment_header *header) {
    unsigned char bytes[FQ_SEGMENT_HEADER];
    fq_segment_encode(header, bytes);
    sim_disk_poke(sim, path, 0, bytes, sizeof bytes);
}

void forgery_put_file(sim_disk *sim, const char *path, const void *bytes, size_t len) {
    fq_disk *disk = sim_disk_attach(sim);
    int handle = disk->ops->open(disk, path, FQ_DISK_CREATE);
    assert_true(handle >= 0);
    assert_int_equal(disk->ops->write(disk, handle, bytes, len, 0), len);
    disk->ops->close(disk, handle);
    disk->ops->close_disk(disk);
}

struct fq_manifest forgery_manifest(sim_disk *sim) {
    fq_disk *disk = sim_disk_attach(sim);
    struct fq_manifest manifest;
    int why = 0;
    assert_int_equal(fq_manifest_load(disk, &manifest, &why), 0);
    disk->ops->close_disk(disk);
    return manifest;
}

void forgery_put_manifest(sim_disk *sim, const struct fq_manifest *manifest) {
    fq_disk *disk = sim_disk_attach(sim);
    int why = 0;
    assert_int_equal(fq_manifest_store(disk, manifest, &why), 0);
    disk->ops->close_disk(disk);
}

uint64_t forgery_find(const struct rig *rig, const char *path, enum fq_segment_step wanted,
                      unsigned char *image, struct fq_batch_header *ret_header) {
    struct fq_segment_header header = forgery_header(rig->sim, path);
    sim_disk_peek(rig->sim, path, 0, image, header.file_size);
    struct fq_segment_walk walk = {.instance = header.instance,
                                   .block_size = header.block_size,
                                   .bytes = image,
                                   .size = header.file_size,
                                   .offset = FQ_SEGMENT_HEADER};
    fq_str bytes;
    for (uint64_t at = walk.offset;; at = walk.offset) {
        enum fq_segment_step step = fq_segment_next(&walk, ret_header, &bytes);
        if (step == wanted)
            return at;
        assert_int_equal(step, FQ_STEP_BATCH);
    }
}

void forgery_put_batch(struct rig *rig, const char *path, uint64_t offset, struct fq_batch_header *header) {
    unsigned char bytes[FQ_BATCH_HEADER];
    fq_uuid instance = forgery_header(rig->sim, path).instance;
    fq_batch_encode(&instance, header, bytes);
    sim_disk_poke(rig->sim, path, offset, bytes, sizeof bytes);
}

// ---- a medium that gives less than it promises ----

static const struct forgery_medium *medium_of(const fq_disk *disk) {
    return (const struct forgery_medium *)disk->ops;
}

static int64_t odd_size(fq_disk *disk, int handle) {
    const struct forgery_medium *medium = medium_of(disk);
    return medium->size >= 0 ? medium->size : medium->beneath->size(disk, handle);
}

static int64_t odd_read(fq_disk *disk, int handle, void *ret_bytes, size_t len, uint64_t offset) {
    const struct forgery_medium *medium = medium_of(disk);
    int64_t got = medium->beneath->read(disk, handle, ret_bytes, len, offset);
    return got > 0 && len == medium->short_of ? got - 1 : got;
}

fq_disk *forgery_medium_attach(sim_disk *sim, struct forgery_medium *medium) {
    fq_disk *disk = sim_disk_attach(sim);
    *medium = (struct forgery_medium){.ops = *disk->ops, .beneath = disk->ops, .size = -1};
    medium->ops.size = odd_size;
    medium->ops.read = odd_read;
    disk->ops = &medium->ops;
    return disk;
}

int forgery_backup(sim_disk *source, sim_disk *target, const struct fq_backup_options *options,
                   struct fq_backup_report *report, char *error) {
    fq_disk *from = sim_disk_attach(source), *to = sim_disk_attach(target);
    error[0] = '\0';
    int result = fq_backup_make(from, to, options, report, error);
    from->ops->close_disk(from);
    to->ops->close_disk(to);
    return result;
}

void forgery_refuse_backup(sim_disk *source, int expected, const char *text) {
    char error[FQ_STORAGE_ERROR_MAX];
    struct fq_backup_options options = {.tries_max = 3};
    struct fq_backup_report report;
    sim_disk *target = sim_disk_new(1);
    assert_int_equal(forgery_backup(source, target, &options, &report, error), expected);
    if (strstr(error, text) == NULL)
        fail_msg("'%s' should say '%s'", error, text);
    assert_false(sim_disk_exists(target, "BACKUP"));
    sim_disk_free(target);
}
