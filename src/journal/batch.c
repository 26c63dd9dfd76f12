// SPDX-License-Identifier: Apache-2.0
#include "journal/batch.h"

#include "base/crc32c.h"
#include "base/le.h"

static const unsigned char ZEROS[FQ_BATCH_HEADER];

static uint32_t header_crc(const fq_uuid *instance, const unsigned char *p) {
    uint32_t crc = fq_crc32c(0, instance->bytes, sizeof instance->bytes);
    crc = fq_crc32c(crc, p, 4);
    return fq_crc32c(crc, p + 8, FQ_BATCH_HEADER - 8);
}

void fq_batch_encode(const fq_uuid *instance, struct fq_batch_header *header, void *ret_bytes) {
    unsigned char *p = ret_bytes;
    fq_put_u32(p, FQ_MAGIC_BATCH);
    fq_put_u64(p + 8, header->batch_seq);
    fq_put_u64(p + 16, header->first_record_seq);
    fq_put_u32(p + 24, header->record_count);
    fq_put_u32(p + 28, header->body_len);
    fq_put_u32(p + 32, header->body_crc);
    fq_put_u32(p + 36, header->prev_crc);
    fq_put_u64(p + 40, (uint64_t)header->wall_ns);
    fq_put_u32(p + 48, header->boot_epoch);
    fq_put_u32(p + 52, header->flags);
    fq_put_u64(p + 56, 0);
    header->crc = header_crc(instance, p);
    fq_put_u32(p + 4, header->crc);
}

enum fq_batch_check fq_batch_decode(const fq_uuid *instance, const void *bytes,
                                    struct fq_batch_header *ret_header) {
    const unsigned char *p = bytes;
    if (fq_get_u32(p) != FQ_MAGIC_BATCH)
        return memcmp(p, ZEROS, FQ_BATCH_HEADER) == 0 ? FQ_BATCH_ZERO : FQ_BATCH_BAD;
    uint32_t crc = fq_get_u32(p + 4);
    if (crc != header_crc(instance, p) || fq_get_u32(p + 28) > FQ_BATCH_BODY_MAX)
        return FQ_BATCH_BAD;
    *ret_header = (struct fq_batch_header){.batch_seq = fq_get_u64(p + 8),
                                           .first_record_seq = fq_get_u64(p + 16),
                                           .record_count = fq_get_u32(p + 24),
                                           .body_len = fq_get_u32(p + 28),
                                           .body_crc = fq_get_u32(p + 32),
                                           .prev_crc = fq_get_u32(p + 36),
                                           .wall_ns = (int64_t)fq_get_u64(p + 40),
                                           .boot_epoch = fq_get_u32(p + 48),
                                           .flags = fq_get_u32(p + 52),
                                           .crc = crc};
    return FQ_BATCH_OK;
}

bool fq_batch_body_ok(const struct fq_batch_header *header, const void *body) {
    return fq_crc32c(0, body, header->body_len) == header->body_crc;
}

const char *fq_batch_chain_break(const struct fq_batch_chain *chain, const struct fq_batch_header *header) {
    if (header->batch_seq != chain->next_batch_seq)
        return header->batch_seq > chain->next_batch_seq ? "batches are missing before it"
                                                         : "it repeats an earlier batch";
    if (header->first_record_seq != chain->next_record_seq)
        return "its record numbers do not follow those before it";
    if (header->prev_crc != chain->prev_crc)
        return "it was not written behind the batch before it";
    if (header->boot_epoch < chain->boot_epoch)
        return "its boot epoch is older than that of the batch before it";
    return NULL;
}

void fq_batch_chain_advance(struct fq_batch_chain *chain, const struct fq_batch_header *header) {
    chain->next_batch_seq = header->batch_seq + 1;
    chain->next_record_seq = header->first_record_seq + header->record_count;
    chain->prev_crc = header->crc;
    chain->boot_epoch = header->boot_epoch;
}

// Over everything but the crc's own field: the length in front, then number, zeros and payload.
static uint32_t record_crc(const unsigned char *p, size_t payload_len) {
    return fq_crc32c(fq_crc32c(0, p, 4), p + 8, FQ_RECORD_HEADER - 8 + payload_len);
}

void fq_record_encode(uint64_t seq, fq_str payload, void *ret_bytes) {
    unsigned char *p = ret_bytes;
    fq_put_u32(p, (uint32_t)payload.len);
    fq_put_u64(p + 8, seq);
    fq_put_u64(p + 16, 0);
    if (payload.len > 0)
        memcpy(p + FQ_RECORD_HEADER, payload.ptr, payload.len);
    memset(p + FQ_RECORD_HEADER + payload.len, 0,
           fq_record_size(payload.len) - FQ_RECORD_HEADER - payload.len);
    fq_put_u32(p + 4, record_crc(p, payload.len));
}

int fq_record_decode(fq_str *body, uint64_t seq, fq_str *ret_payload) {
    const unsigned char *p = (const unsigned char *)body->ptr;
    if (body->len < FQ_RECORD_HEADER)
        return FQ_ECORRUPT;
    uint32_t len = fq_get_u32(p);
    if (len > FQ_RECORD_MAX || fq_record_size(len) > body->len)
        return FQ_ECORRUPT;
    if (fq_get_u32(p + 4) != record_crc(p, len) || fq_get_u64(p + 8) != seq)
        return FQ_ECORRUPT;
    *ret_payload = (fq_str){body->ptr + FQ_RECORD_HEADER, len};
    body->ptr += fq_record_size(len);
    body->len -= fq_record_size(len);
    return 0;
}
