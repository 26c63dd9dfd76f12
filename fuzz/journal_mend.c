// SPDX-License-Identifier: Apache-2.0
// Checksums of every kind of file (layout: journal/format.h), computed anew.
#include "base/assert.h"
#include "base/crc32c.h"
#include "base/le.h"
#include "journal/batch.h"
#include "journal_image.h"

#include <stdlib.h>

enum {
    BLOCK = 512,
    SEGMENT_CRC = 120,
    MANIFEST_CRC = 64,
    SNAPSHOT_CRC = 40,
    FOOTER_CRC = 60,
    PATHS_MAX = 64
};

struct paths {
    char at[PATHS_MAX][64];
    size_t count;
};

static void take_path(void *context, const char *path) {
    struct paths *paths = context;
    if (paths->count < PATHS_MAX && strlen(path) < sizeof paths->at[0])
        strcpy(paths->at[paths->count++], path);
}

static int by_name(const void *a, const void *b) {
    return strcmp(a, b);
}

// As far as the records' lengths make sense within the body.
static void mend_records(unsigned char *body, size_t left, uint64_t seq, bool chain) {
    while (left >= FQ_RECORD_HEADER) {
        uint32_t len = fq_get_u32(body);
        if (len > left || fq_record_size(len) > left)
            return;
        if (chain)
            fq_put_u64(body + 8, seq++);
        uint32_t crc = fq_crc32c(0, body, 4);
        fq_put_u32(body + 4, fq_crc32c(crc, body + 8, FQ_RECORD_HEADER - 8 + len));
        body += fq_record_size(len);
        left -= fq_record_size(len);
    }
}

static void mend_segment(unsigned char *p, size_t size, bool chain, uint32_t *prev_crc) {
    if (size < FQ_SEGMENT_HEADER)
        return;
    uint64_t block = fq_get_u32(p + 100);
    block = block >= BLOCK && block <= FQ_BLOCK_MAX ? block : BLOCK;
    if (chain && fq_get_u64(p + 72) != 0)
        fq_put_u32(p + 96, *prev_crc);
    fq_put_u32(p + SEGMENT_CRC, fq_crc32c(0, p, SEGMENT_CRC));
    for (uint64_t at = FQ_SEGMENT_HEADER; at + FQ_BATCH_HEADER <= size;) {
        unsigned char *batch = p + at;
        uint64_t body_len = fq_get_u32(batch + 28), room = size - at - FQ_BATCH_HEADER;
        if (fq_get_u32(batch) != FQ_MAGIC_BATCH || body_len > room)
            return;
        mend_records(batch + FQ_BATCH_HEADER, body_len, fq_get_u64(batch + 16), chain);
        fq_put_u32(batch + 32, fq_crc32c(0, batch + FQ_BATCH_HEADER, body_len));
        bool is_seal = (fq_get_u32(batch + 52) & FQ_BATCH_SEAL) != 0;
        if (chain && !is_seal)
            fq_put_u32(batch + 36, *prev_crc);
        uint32_t crc = fq_crc32c(0, p + 32, 16); // the instance
        crc = fq_crc32c(fq_crc32c(crc, batch, 4), batch + 8, FQ_BATCH_HEADER - 8);
        fq_put_u32(batch + 4, crc);
        if (!is_seal)
            *prev_crc = crc;
        at += (FQ_BATCH_HEADER + body_len + block - 1) / block * block;
    }
}

static void mend_snapshot(unsigned char *p, size_t size) {
    if (size < FQ_SNAPSHOT_HEADER + FQ_SNAPSHOT_FOOTER)
        return;
    uint32_t all_crc = 0, seed = fq_crc32c(0, p + 16, 16);
    fq_put_u32(p + SNAPSHOT_CRC, fq_crc32c(0, p, SNAPSHOT_CRC));
    size_t blocks = (size - FQ_SNAPSHOT_HEADER - FQ_SNAPSHOT_FOOTER) / FQ_SNAPSHOT_BLOCK;
    for (uint32_t i = 0; i < blocks; i++) {
        unsigned char *block = p + FQ_SNAPSHOT_HEADER + (size_t)i * FQ_SNAPSHOT_BLOCK, place[12];
        memcpy(place, p + 32, 8);
        fq_put_u32(place + 8, i);
        fq_put_u32(block, fq_crc32c(fq_crc32c(seed, place, sizeof place), block + 4, FQ_SNAPSHOT_BLOCK - 4));
        all_crc = fq_crc32c(all_crc, block, 4);
    }
    unsigned char *footer = p + size - FQ_SNAPSHOT_FOOTER;
    fq_put_u32(footer + 56, all_crc);
    fq_put_u32(footer + FOOTER_CRC, fq_crc32c(seed, footer, FOOTER_CRC));
}

void journal_image_mend(sim_disk *sim, bool chain) {
    struct paths paths = {.count = 0};
    uint32_t prev_crc = 0;
    bool is_first = true;
    sim_disk_each(sim, take_path, &paths);
    qsort(paths.at, paths.count, sizeof paths.at[0], by_name);
    for (size_t i = 0; i < paths.count; i++) {
        const char *path = paths.at[i], *ending = strrchr(path, '.');
        size_t size = sim_disk_size(sim, path);
        unsigned char *bytes = malloc(size > 0 ? size : 1);
        FQ_ASSERT(bytes != NULL);
        sim_disk_peek(sim, path, 0, bytes, size);
        if (strcmp(path, "MANIFEST") == 0 && size >= FQ_MANIFEST_SIZE) {
            fq_put_u32(bytes + MANIFEST_CRC, fq_crc32c(0, bytes, MANIFEST_CRC));
        } else if (ending != NULL && strcmp(ending, ".fqj") == 0) {
            if (is_first && size >= FQ_SEGMENT_HEADER)
                prev_crc = fq_get_u32(bytes + 96);
            is_first = false;
            mend_segment(bytes, size, chain, &prev_crc);
        } else if (ending != NULL && strcmp(ending, ".fqs") == 0) {
            mend_snapshot(bytes, size);
        }
        sim_disk_poke(sim, path, 0, bytes, size);
        free(bytes);
    }
}
