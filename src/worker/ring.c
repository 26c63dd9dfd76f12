// SPDX-License-Identifier: Apache-2.0
#include "worker/ring.h"

#include "base/assert.h"
#include "worker/board_layout.h"

#include <string.h>

enum ring_state { RING_OPEN = 1, RING_READY, RING_PAD };
enum { RING_WORD = 8 };

static struct fq_board_image *image_of(const struct fq_board *board) {
    return (struct fq_board_image *)(void *)board->base;
}
static uint64_t *word_at(const struct fq_board *board, uint64_t position) {
    return (uint64_t *)(void *)(image_of(board)->ring + position % FQ_BOARD_RING_BYTES);
}
static uint64_t word_of(uint32_t len, uint8_t type, enum ring_state state) {
    return (uint64_t)len << 32 | (uint64_t)type << 8 | (uint64_t)state;
}
static uint64_t size_of(uint32_t len) {
    return RING_WORD + (((uint64_t)len + 7) & ~7ull);
}

// Takes `size` bytes at the head, with the padding in front if they would not fit before the end of the area.
static bool take(const struct fq_board *board, uint64_t size, uint64_t *ret_begin, uint64_t *ret_pad) {
    uint64_t *head_word = &image_of(board)->header[FQ_BOARD_RING_HEAD];
    uint64_t head = __atomic_load_n(head_word, __ATOMIC_RELAXED);
    for (;;) {
        uint64_t room_to_end = FQ_BOARD_RING_BYTES - head % FQ_BOARD_RING_BYTES;
        uint64_t pad = size > room_to_end ? room_to_end : 0;
        uint64_t used = head - fq_board_get(board, FQ_BOARD_RING_TAIL);
        if (used > FQ_BOARD_RING_BYTES || pad + size > FQ_BOARD_RING_BYTES - used)
            return false;
        if (__atomic_compare_exchange_n(head_word, &head, head + pad + size, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_RELAXED)) {
            *ret_begin = head + pad;
            *ret_pad = pad;
            return true;
        }
    }
}

void *fq_ring_reserve(const struct fq_board *board, uint8_t type, uint32_t len) {
    FQ_ASSERT(len > 0 && len <= FQ_RING_RECORD_MAX);
    uint64_t begin, pad;
    if (!take(board, size_of(len), &begin, &pad)) {
        __atomic_fetch_add(&image_of(board)->header[FQ_BOARD_RING_DROPPED], 1, __ATOMIC_RELAXED);
        return NULL;
    }
    if (pad > 0)
        __atomic_store_n(word_at(board, begin - pad), word_of((uint32_t)(pad - RING_WORD), 0, RING_PAD),
                         __ATOMIC_RELEASE);
    uint64_t *word = word_at(board, begin);
    __atomic_store_n(word, word_of(len, type, RING_OPEN), __ATOMIC_RELEASE);
    return word + 1;
}

void fq_ring_commit(const struct fq_board *board, void *reserved) {
    uint64_t *word = (uint64_t *)reserved - 1;
    FQ_ASSERT((unsigned char *)word >= image_of(board)->ring);
    uint64_t open = __atomic_load_n(word, __ATOMIC_RELAXED);
    __atomic_store_n(word, (open & ~0xffull) | RING_READY, __ATOMIC_RELEASE);
}

int fq_ring_write(const struct fq_board *board, uint8_t type, const void *bytes, uint32_t len) {
    void *place = fq_ring_reserve(board, type, len);
    if (place == NULL)
        return FQ_EFULL;
    memcpy(place, bytes, len);
    fq_ring_commit(board, place);
    return 0;
}

// Zeroes `size` bytes and hands them back to the writers.
static void release(const struct fq_board *board, struct fq_ring_reader *reader, uint64_t size) {
    memset(word_at(board, reader->tail), 0, size); // writers come only when the tail has moved
    reader->tail += size;
    fq_board_set(board, FQ_BOARD_RING_TAIL, reader->tail);
}

// Nothing in the ring can be believed any more: begins anew at the writers' head, rounded to a word.
static int resynchronise(const struct fq_board *board, struct fq_ring_reader *reader, uint64_t head) {
    reader->skipped++;
    reader->tail = head & ~7ull;
    if (reader->tail != head)
        fq_board_set(board, FQ_BOARD_RING_HEAD, reader->tail);
    memset(image_of(board)->ring, 0, FQ_BOARD_RING_BYTES);
    fq_board_set(board, FQ_BOARD_RING_TAIL, reader->tail);
    return 0;
}

// Whether a record's word can have been written by fq_ring_reserve, given where it lies.
static bool is_sane(uint64_t word, uint64_t tail, uint64_t used) {
    uint32_t len = (uint32_t)(word >> 32);
    uint32_t state = (uint32_t)word & 0xff;
    uint64_t size = size_of(len);
    if (size > used || size > FQ_BOARD_RING_BYTES - tail % FQ_BOARD_RING_BYTES)
        return false;
    if (state == RING_PAD)
        return true;
    return (state == RING_OPEN || state == RING_READY) && len > 0 && len <= FQ_RING_RECORD_MAX;
}

int fq_ring_read(const struct fq_board *board, struct fq_ring_reader *reader, bool writer_is_gone, void *out,
                 size_t out_size, uint8_t *ret_type, uint32_t *ret_len) {
    FQ_ASSERT(out_size >= FQ_RING_RECORD_MAX);
    // Looked at once: a writer that goes on and on must not keep the reader here.
    uint64_t head = fq_board_get(board, FQ_BOARD_RING_HEAD);
    for (;;) {
        uint64_t used = head - reader->tail;
        if (used == 0)
            return 0;
        if (used > FQ_BOARD_RING_BYTES || used % RING_WORD != 0)
            return resynchronise(board, reader, head);
        uint64_t word = __atomic_load_n(word_at(board, reader->tail), __ATOMIC_ACQUIRE);
        uint32_t len = (uint32_t)(word >> 32);
        uint32_t state = (uint32_t)word & 0xff;
        // A word of zero is reserved and not yet described: without its writer nobody knows where the next one starts.
        if (word == 0 && !writer_is_gone)
            return 0;
        if (!is_sane(word, reader->tail, used))
            return resynchronise(board, reader, head);
        if (state == RING_OPEN && !writer_is_gone)
            return 0;
        if (state == RING_READY) {
            memcpy(out, word_at(board, reader->tail) + 1, len);
            *ret_type = (uint8_t)(word >> 8);
            *ret_len = len;
        } else if (state == RING_OPEN) {
            reader->skipped++;
        }
        release(board, reader, size_of(len));
        if (state == RING_READY)
            return 1;
    }
}

bool fq_ring_is_empty(const struct fq_board *board, const struct fq_ring_reader *reader) {
    return fq_board_get(board, FQ_BOARD_RING_HEAD) == reader->tail;
}
