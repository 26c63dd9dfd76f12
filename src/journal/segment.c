// SPDX-License-Identifier: Apache-2.0
#include "journal/segment.h"

#include "base/crc32c.h"
#include "base/le.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { CRC_OFFSET = 120 };

void fq_segment_encode(const struct fq_segment_header *header, void *ret_bytes) {
    unsigned char *p = ret_bytes;
    memset(p, 0, FQ_SEGMENT_HEADER);
    fq_put_u32(p, FQ_MAGIC_SEGMENT);
    fq_put_u16(p + 4, FQ_FORMAT_MAJOR);
    fq_put_u16(p + 6, FQ_FORMAT_MINOR);
    memcpy(p + 32, header->instance.bytes, 16);
    fq_put_u64(p + 48, header->segment_no);
    fq_put_u64(p + 56, header->first_batch_seq);
    fq_put_u64(p + 64, header->first_record_seq);
    fq_put_u64(p + 72, header->prev_segment_no);
    fq_put_u64(p + 80, header->prev_end_offset);
    fq_put_u64(p + 88, header->prev_last_batch_seq);
    fq_put_u32(p + 96, header->prev_batch_crc);
    fq_put_u32(p + 100, header->block_size);
    fq_put_u64(p + 104, (uint64_t)header->created_ns);
    fq_put_u64(p + 112, header->file_size);
    fq_put_u32(p + CRC_OFFSET, fq_crc32c(0, p, CRC_OFFSET));
}

int fq_segment_decode(const void *bytes, struct fq_segment_header *ret_header) {
    const unsigned char *p = bytes;
    if (fq_get_u32(p) != FQ_MAGIC_SEGMENT || fq_get_u32(p + CRC_OFFSET) != fq_crc32c(0, p, CRC_OFFSET))
        return FQ_ECORRUPT;
    if (fq_get_u16(p + 4) != FQ_FORMAT_MAJOR || (fq_get_u64(p + 24) & ~(uint64_t)FQ_FORMAT_INCOMPATIBLE) != 0)
        return FQ_EVERSION;
    struct fq_segment_header header = {
        .segment_no = fq_get_u64(p + 48),
        .first_batch_seq = fq_get_u64(p + 56),
        .first_record_seq = fq_get_u64(p + 64),
        .prev_segment_no = fq_get_u64(p + 72),
        .prev_end_offset = fq_get_u64(p + 80),
        .prev_last_batch_seq = fq_get_u64(p + 88),
        .prev_batch_crc = fq_get_u32(p + 96),
        .block_size = fq_get_u32(p + 100),
        .created_ns = (int64_t)fq_get_u64(p + 104),
        .file_size = fq_get_u64(p + 112),
    };
    memcpy(header.instance.bytes, p + 32, 16);
    uint32_t block = header.block_size;
    if (block < FQ_SECTOR || block > FQ_BLOCK_MAX || (block & (block - 1)) != 0 ||
        header.file_size < FQ_SEGMENT_MIN || header.file_size > FQ_SEGMENT_MAX ||
        header.file_size % FQ_BLOCK_MAX != 0)
        return FQ_ECORRUPT;
    *ret_header = header;
    return 0;
}

void fq_segment_path(uint64_t first_batch_seq, char path[FQ_SEGMENT_PATH_MAX]) {
    snprintf(path, FQ_SEGMENT_PATH_MAX, "seg/%016" PRIx64 ".fqj", first_batch_seq);
}

struct listing {
    const char *suffix;
    struct fq_segment_names names;
    bool out_of_memory;
};

static void on_name(void *context, const char *name) {
    struct listing *listing = context;
    if (strlen(name) != 16 + strlen(listing->suffix) || strcmp(name + 16, listing->suffix) != 0 ||
        strspn(name, "0123456789abcdef") != 16)
        return;
    size_t count = listing->names.count;
    if ((count & (count - 1)) == 0) { // room for the next power of two
        uint64_t *more = realloc(listing->names.seqs, (count == 0 ? 1 : 2 * count) * sizeof *more);
        if (more == NULL) {
            listing->out_of_memory = true;
            return;
        }
        listing->names.seqs = more;
    }
    listing->names.seqs[listing->names.count++] = strtoull(name, NULL, 16);
}

static int ascending(const void *a, const void *b) {
    const uint64_t *left = a, *right = b;
    return *left < *right ? -1 : *left > *right;
}

int fq_segment_list(fq_disk *disk, const char *directory, const char *suffix,
                    struct fq_segment_names *ret_names) {
    struct listing listing = {.suffix = suffix};
    int result = disk->ops->list(disk, directory, on_name, &listing);
    if (result == 0 && listing.out_of_memory)
        result = -ENOMEM;
    if (result < 0) {
        free(listing.names.seqs);
        return result;
    }
    if (listing.names.count > 0)
        qsort(listing.names.seqs, listing.names.count, sizeof *listing.names.seqs, ascending);
    *ret_names = listing.names;
    return 0;
}

// ---- walk ----

static bool is_zero(const unsigned char *p, uint64_t len) {
    return len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

enum fq_segment_step fq_segment_next(struct fq_segment_walk *walk, struct fq_batch_header *ret_header,
                                     fq_str *ret_batch) {
    uint64_t left = walk->size - walk->offset;
    const unsigned char *p = walk->bytes + walk->offset;
    if (left < walk->block_size)
        return FQ_STEP_END;
    struct fq_batch_header header;
    enum fq_batch_check check = fq_batch_decode(&walk->instance, p, &header);
    if (check == FQ_BATCH_ZERO)
        return is_zero(p, left) ? FQ_STEP_END : FQ_STEP_DAMAGED;
    if (check == FQ_BATCH_BAD)
        return FQ_STEP_DAMAGED;
    uint64_t len = fq_batch_padded(header.body_len, walk->block_size);
    if (len > left || !fq_batch_body_ok(&header, p + FQ_BATCH_HEADER))
        return FQ_STEP_DAMAGED;
    *ret_header = header;
    *ret_batch = (fq_str){(const char *)p, len};
    walk->offset += len;
    return (header.flags & FQ_BATCH_SEAL) != 0 ? FQ_STEP_SEAL : FQ_STEP_BATCH;
}

// Where the last sector that is not all zero ends.
static uint64_t used_end(const struct fq_segment_walk *walk) {
    uint64_t end = walk->size / FQ_SECTOR * FQ_SECTOR;
    while (end > walk->offset && is_zero(walk->bytes + end - FQ_SECTOR, FQ_SECTOR))
        end -= FQ_SECTOR;
    return end;
}

// A header that could only be written after the damaged batch had been synced.
static bool proves_sync(const struct fq_batch_header *header, uint64_t expected) {
    if ((header->flags & FQ_BATCH_GATED) == 0)
        return false;
    return header->batch_seq > expected ||
           (header->batch_seq == expected && (header->flags & FQ_BATCH_SEAL) != 0);
}

enum fq_segment_verdict fq_segment_judge(const struct fq_segment_walk *walk, uint64_t expected_batch_seq,
                                         uint64_t *ret_later, uint64_t *ret_used_end) {
    uint64_t end = used_end(walk), extent = end, at = walk->offset + walk->block_size;
    struct fq_batch_header header;
    if (fq_batch_decode(&walk->instance, walk->bytes + walk->offset, &header) == FQ_BATCH_OK) {
        // Its length can be trusted, so what its payload may look like cannot mislead the search.
        uint64_t len = fq_batch_padded(header.body_len, walk->block_size);
        at = len > walk->size - walk->offset ? walk->size : walk->offset + len;
        // The padding is zero anyway: it says nothing about what was written.
        extent = walk->offset + FQ_BATCH_HEADER + header.body_len;
        extent = (extent + FQ_SECTOR - 1) / FQ_SECTOR * FQ_SECTOR;
        extent = extent < at ? extent : at;
    }
    *ret_used_end = end;
    for (; at + FQ_BATCH_HEADER <= end; at += walk->block_size)
        if (fq_batch_decode(&walk->instance, walk->bytes + at, &header) == FQ_BATCH_OK &&
            proves_sync(&header, expected_batch_seq)) {
            *ret_later = at;
            return FQ_VERDICT_CORRUPT;
        }
    for (uint64_t sector = walk->offset; sector + FQ_SECTOR <= extent; sector += FQ_SECTOR)
        if (is_zero(walk->bytes + sector, FQ_SECTOR))
            return FQ_VERDICT_TORN;
    return FQ_VERDICT_AMBIGUOUS;
}
