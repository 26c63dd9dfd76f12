// SPDX-License-Identifier: Apache-2.0
#include "journal/salvage.h"

#include "base/le.h"
#include "journal/snapshot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

// One pass over the segments.
struct pass {
    const struct fq_salvage *salvage;
    struct fq_segment_names names;
    char path[FQ_SEGMENT_PATH_MAX];
    unsigned char *image;
    uint64_t size;
    uint64_t next_batch, next_record; // expected
    // The gap that is open: told once it is known what follows it.
    bool has_gap;
    struct fq_gap gap;
    char gap_path[FQ_SEGMENT_PATH_MAX];
    struct fq_salvage_highest highest;
};

static void close_gap(struct pass *pass, uint64_t until_batch, uint64_t until_record, bool is_tail) {
    if (!pass->has_gap)
        return;
    pass->has_gap = false;
    pass->gap.is_tail = is_tail;
    if (until_batch > pass->gap.first_batch && pass->gap.first_batch != 0)
        pass->gap.last_batch = until_batch - 1;
    if (until_record > pass->gap.first_record && pass->gap.first_record != 0)
        pass->gap.last_record = until_record - 1;
    if (pass->salvage->on_gap != NULL)
        pass->salvage->on_gap(pass->salvage->context, &pass->gap);
}

static void open_gap(struct pass *pass, uint64_t offset, uint64_t end, const char *what) {
    if (pass->has_gap && strcmp(pass->gap_path, pass->path) == 0 && pass->gap.end == offset) {
        pass->gap.end = end;
        return;
    }
    close_gap(pass, 0, 0, false);
    memcpy(pass->gap_path, pass->path, sizeof pass->gap_path);
    pass->gap = (struct fq_gap){.file = pass->gap_path,
                                .offset = offset,
                                .end = end,
                                .what = what,
                                .first_batch = pass->next_batch,
                                .first_record = pass->next_record};
    pass->has_gap = true;
}

static int load(struct pass *pass, uint64_t first_batch_seq) {
    fq_disk *disk = pass->salvage->disk;
    fq_segment_path(first_batch_seq, pass->path);
    pass->size = 0;
    int handle = disk->ops->open(disk, pass->path, FQ_DISK_READ);
    int64_t size = handle < 0 ? handle : disk->ops->size(disk, handle);
    if (size > (int64_t)FQ_SEGMENT_MAX)
        size = (int64_t)FQ_SEGMENT_MAX;
    int result = 0;
    if (size > 0) {
        unsigned char *image = realloc(pass->image, (size_t)size);
        result = image == NULL ? FQ_ENOMEM : 0;
        pass->image = image != NULL ? image : pass->image;
        int64_t got = image == NULL ? 0 : disk->ops->read(disk, handle, image, (size_t)size, 0);
        pass->size = got > 0 ? (uint64_t)got : 0;
    }
    if (handle >= 0)
        disk->ops->close(disk, handle);
    if (result == 0 && pass->size == 0)
        open_gap(pass, 0, 0, "the file cannot be read");
    return result;
}

static int deliver(struct pass *pass, uint64_t batch_seq, uint64_t seq, fq_str record) {
    const struct fq_salvage *salvage = pass->salvage;
    if (salvage->on_record == NULL || seq < salvage->from_record)
        return 0;
    return salvage->on_record(salvage->context, batch_seq, seq, record);
}

static int deliver_batch(struct pass *pass, const struct fq_batch_header *header, fq_str bytes) {
    const struct fq_salvage *salvage = pass->salvage;
    fq_str body = {bytes.ptr + FQ_BATCH_HEADER, header->body_len};
    int result = salvage->on_batch != NULL ? salvage->on_batch(salvage->context, header, body) : 0;
    if (salvage->on_record == NULL)
        return result;
    for (uint32_t i = 0; i < header->record_count && result == 0; i++) {
        fq_str record;
        if (fq_record_decode(&body, header->first_record_seq + i, &record) != 0)
            break;
        result = deliver(pass, header->batch_seq, header->first_record_seq + i, record);
    }
    return result;
}

// A batch whose header holds but whose body does not: its records lie on multiples of 8 and prove themselves.
static int deliver_fragments(struct pass *pass, const struct fq_batch_header *header, uint64_t offset) {
    uint64_t room = pass->size - offset - FQ_BATCH_HEADER;
    fq_str body = {(const char *)pass->image + offset + FQ_BATCH_HEADER,
                   header->body_len < room ? header->body_len : room};
    uint64_t next = header->first_record_seq, end = next + header->record_count;
    int result = 0;
    while (body.len >= FQ_RECORD_HEADER && result == 0) {
        uint64_t seq = fq_get_u64(body.ptr + 8);
        fq_str rest = body, record;
        if (seq >= next && seq < end && fq_record_decode(&rest, seq, &record) == 0) {
            result = deliver(pass, header->batch_seq, seq, record);
            next = seq + 1;
            body = rest;
        } else {
            body = (fq_str){body.ptr + 8, body.len - 8};
        }
    }
    return result;
}

// The next offset from `at` on where a batch is whole, at most `end`.
static uint64_t find_whole(const struct pass *pass, struct fq_segment_walk *walk, uint64_t at, uint64_t end) {
    struct fq_batch_header header;
    fq_str bytes;
    for (; at + FQ_BATCH_HEADER <= end; at += FQ_SECTOR) {
        if (fq_batch_decode(&walk->instance, pass->image + at, &header) != FQ_BATCH_OK)
            continue;
        walk->offset = at;
        enum fq_segment_step step = fq_segment_next(walk, &header, &bytes);
        if (step == FQ_STEP_BATCH || step == FQ_STEP_SEAL)
            return at;
    }
    return end;
}

static bool peek_header(fq_disk *disk, uint64_t first_batch_seq, struct fq_segment_header *ret_header) {
    char path[FQ_SEGMENT_PATH_MAX];
    unsigned char bytes[FQ_SEGMENT_HEADER];
    fq_segment_path(first_batch_seq, path);
    int handle = disk->ops->open(disk, path, FQ_DISK_READ);
    if (handle < 0)
        return false;
    int64_t got = disk->ops->read(disk, handle, bytes, sizeof bytes, 0);
    disk->ops->close(disk, handle);
    return got == FQ_SEGMENT_HEADER && fq_segment_decode(bytes, ret_header) == 0;
}

// What lies behind the end that the next segment declares was cut off long ago.
static uint64_t used_end(const struct pass *pass, size_t at) {
    uint64_t end = pass->size;
    struct fq_segment_header mine, next;
    if (at + 1 < pass->names.count && end >= FQ_SEGMENT_HEADER &&
        fq_segment_decode(pass->image, &mine) == 0 &&
        peek_header(pass->salvage->disk, pass->names.seqs[at + 1], &next) &&
        next.prev_segment_no == mine.segment_no && next.prev_end_offset < end)
        end = next.prev_end_offset;
    while (end > 0 && pass->image[end - 1] == 0)
        end--;
    return end;
}

static int take_batch(struct pass *pass, const struct fq_batch_header *header, fq_str bytes) {
    if (pass->next_batch != 0 && header->batch_seq > pass->next_batch && !pass->has_gap)
        open_gap(pass, 0, 0, "a segment before it is missing");
    close_gap(pass, header->batch_seq, header->first_record_seq, false);
    if (header->boot_epoch > pass->highest.boot_epoch)
        pass->highest.boot_epoch = header->boot_epoch;
    pass->next_batch = header->batch_seq + 1;
    pass->next_record = header->first_record_seq + header->record_count;
    return deliver_batch(pass, header, bytes);
}

static int skip_damage(struct pass *pass, struct fq_segment_walk *walk, uint64_t end) {
    struct fq_batch_header header;
    uint64_t begin = walk->offset, after = begin + FQ_SECTOR;
    bool has_header = fq_batch_decode(&walk->instance, pass->image + begin, &header) == FQ_BATCH_OK;
    uint64_t next = find_whole(pass, walk, after, end);
    open_gap(pass, begin, next, has_header ? "a batch whose content is damaged" : "no batch can be read");
    int result =
        has_header && header.batch_seq >= pass->next_batch ? deliver_fragments(pass, &header, begin) : 0;
    walk->offset = next;
    return result;
}

static int walk_segment(struct pass *pass, size_t at) {
    struct fq_segment_header header;
    uint32_t block = FQ_SECTOR;
    if (pass->size < FQ_SEGMENT_HEADER || fq_segment_decode(pass->image, &header) != 0) {
        open_gap(pass, 0, FQ_SEGMENT_HEADER, "the segment's header is damaged");
    } else if (fq_uuid_equal(&header.instance, &pass->salvage->instance)) {
        block = header.block_size;
        if (header.segment_no > pass->highest.segment_no)
            pass->highest.segment_no = header.segment_no;
    }
    struct fq_segment_walk walk = {.instance = pass->salvage->instance,
                                   .block_size = block,
                                   .bytes = pass->image,
                                   .size = pass->size,
                                   .offset = FQ_SEGMENT_HEADER};
    uint64_t end = used_end(pass, at);
    int result = 0;
    while (result == 0 && walk.offset < end) {
        struct fq_batch_header batch;
        fq_str bytes;
        enum fq_segment_step step = fq_segment_next(&walk, &batch, &bytes);
        if (step == FQ_STEP_END || step == FQ_STEP_SEAL)
            break;
        result = step == FQ_STEP_BATCH ? take_batch(pass, &batch, bytes) : skip_damage(pass, &walk, end);
    }
    return result;
}

static int run(struct pass *pass) {
    int result = fq_segment_list(pass->salvage->disk, "seg", ".fqj", &pass->names);
    if (result < 0)
        return FQ_EIO;
    for (size_t i = 0; i < pass->names.count && result == 0; i++) {
        result = load(pass, pass->names.seqs[i]);
        if (result == 0 && pass->size > 0)
            result = walk_segment(pass, i);
    }
    close_gap(pass, 0, 0, true);
    free(pass->names.seqs);
    free(pass->image);
    return result;
}

int fq_salvage_run(const struct fq_salvage *salvage) {
    struct pass pass = {.salvage = salvage};
    return run(&pass);
}

int fq_salvage_highest(fq_disk *disk, const fq_uuid *instance, struct fq_salvage_highest *ret_highest) {
    struct fq_salvage salvage = {.disk = disk, .instance = *instance};
    struct pass pass = {.salvage = &salvage};
    int result = run(&pass);
    if (result == 0)
        *ret_highest = pass.highest;
    return result;
}

// ---- a MANIFEST for want of the real one ----

static bool read_instance(fq_disk *disk, const struct fq_segment_names *names, fq_uuid *ret_instance) {
    for (size_t i = names->count; i > 0; i--) {
        struct fq_segment_header header;
        if (peek_header(disk, names->seqs[i - 1], &header)) {
            *ret_instance = header.instance;
            return true;
        }
    }
    return false;
}

// The newest snapshot that is whole, and behind which a segment begins.
static uint64_t newest_snapshot(fq_disk *disk, const fq_uuid *instance,
                                const struct fq_segment_names *segments) {
    struct fq_segment_names names;
    if (fq_segment_list(disk, "snap", ".fqs", &names) < 0)
        return 0;
    uint64_t found = 0;
    for (size_t i = names.count; i > 0 && found == 0; i--) {
        char path[FQ_SNAPSHOT_PATH_MAX], error[FQ_STORAGE_ERROR_MAX];
        struct fq_storage_snapshot facts;
        bool continued = false;
        for (size_t j = 0; j < segments->count; j++)
            continued |= segments->seqs[j] == names.seqs[i - 1] + 1;
        fq_snapshot_path(names.seqs[i - 1], false, path);
        if (continued &&
            fq_snapshot_read(disk, path, instance, names.seqs[i - 1], NULL, NULL, &facts, error) == 0)
            found = names.seqs[i - 1];
    }
    free(names.seqs);
    return found;
}

int fq_salvage_manifest(fq_disk *disk, struct fq_manifest *ret_manifest) {
    struct fq_segment_names names;
    if (fq_segment_list(disk, "seg", ".fqj", &names) < 0)
        return FQ_EINVALID;
    struct fq_manifest manifest = {0};
    bool known = read_instance(disk, &names, &manifest.instance);
    if (known)
        manifest.snapshot = newest_snapshot(disk, &manifest.instance, &names);
    free(names.seqs);
    if (!known)
        return FQ_EINVALID;
    // Nothing is demanded of the log: what the last boot wrote is not known any more.
    *ret_manifest = manifest;
    return 0;
}
