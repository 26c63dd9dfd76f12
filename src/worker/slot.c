// SPDX-License-Identifier: Apache-2.0
// Slots of the board. The slot's word, stored last, publishes the fields. Fields are stored with release and loaded with
// acquire, so that a reader who saw one field of the next task also sees that the word has moved on.
#include "base/assert.h"
#include "worker/board_layout.h"

static struct fq_board_slot *slot_at(const struct fq_board *board, uint32_t slot) {
    FQ_ASSERT(slot < FQ_BOARD_SLOTS);
    return &((struct fq_board_image *)(void *)board->base)->slots[slot];
}

static void store(uint64_t *field, uint64_t value) {
    __atomic_store_n(field, value, __ATOMIC_RELEASE);
}
static uint64_t load(const uint64_t *field) {
    return __atomic_load_n(field, __ATOMIC_ACQUIRE);
}

static uint64_t word_of(uint32_t sequence, uint8_t wish, enum fq_slot_state state) {
    return (uint64_t)sequence << 32 | (uint64_t)wish << 8 | (uint64_t)state;
}
static uint32_t sequence_of(uint64_t word) {
    return (uint32_t)(word >> 32);
}
static uint8_t wish_of(uint64_t word) {
    return (uint8_t)(word >> 8);
}
static uint32_t state_of(uint64_t word) {
    return (uint32_t)word & 0xff;
}

uint32_t fq_slot_put(const struct fq_board *board, uint32_t slot, const struct fq_board_task *task) {
    struct fq_board_slot *at = slot_at(board, slot);
    uint64_t id[2];
    memcpy(id, task->id.bytes, sizeof id);
    store(&at->id_high, id[0]);
    store(&at->id_low, id[1]);
    store(&at->token, task->token);
    store(&at->name_attempt, (uint64_t)task->name << 32 | task->attempt);
    store(&at->timeout_ms, (uint64_t)task->timeout_ms);
    store(&at->received_us, (uint64_t)task->received_us);
    store(&at->started_us, 0);
    store(&at->outcome, 0);
    store(&at->finished_us, 0);
    uint32_t sequence = sequence_of(load(&at->word)) + 1;
    __atomic_store_n(&at->word, word_of(sequence, 0, FQ_SLOT_HELD), __ATOMIC_RELEASE);
    if (slot >= fq_board_get(board, FQ_BOARD_SLOTS_USED))
        fq_board_set(board, FQ_BOARD_SLOTS_USED, slot + 1);
    return sequence;
}

bool fq_slot_move(const struct fq_board *board, uint32_t slot, enum fq_slot_state from,
                  enum fq_slot_state to) {
    struct fq_board_slot *at = slot_at(board, slot);
    uint64_t word = __atomic_load_n(&at->word, __ATOMIC_ACQUIRE);
    while (state_of(word) == (uint32_t)from) {
        uint64_t next = word_of(sequence_of(word), wish_of(word), to);
        if (__atomic_compare_exchange_n(&at->word, &word, next, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            return true;
    }
    return false;
}

void fq_slot_set_started(const struct fq_board *board, uint32_t slot, int64_t now_us) {
    store(&slot_at(board, slot)->started_us, (uint64_t)now_us);
}

void fq_slot_set_outcome(const struct fq_board *board, uint32_t slot, uint32_t offset, uint32_t len,
                         int64_t now_us) {
    store(&slot_at(board, slot)->outcome, (uint64_t)offset << 32 | len);
    store(&slot_at(board, slot)->finished_us, (uint64_t)now_us);
}

enum fq_slot_state fq_slot_state(const struct fq_board *board, uint32_t slot) {
    return (enum fq_slot_state)state_of(__atomic_load_n(&slot_at(board, slot)->word, __ATOMIC_ACQUIRE));
}

uint8_t fq_slot_wish(const struct fq_board *board, uint32_t slot) {
    return wish_of(load(&slot_at(board, slot)->word));
}

void fq_slot_free(const struct fq_board *board, uint32_t slot) {
    struct fq_board_slot *at = slot_at(board, slot);
    uint64_t word = load(&at->word);
    __atomic_store_n(&at->word, word_of(sequence_of(word), 0, FQ_SLOT_FREE), __ATOMIC_RELEASE);
}

// Times and limits that no honest runner writes: a lie here must not become an overflow there.
static bool is_plausible(const struct fq_slot_view *view) {
    const int64_t most = INT64_MAX / 4;
    return view->task.timeout_ms >= 0 && view->task.timeout_ms < most / 1000 && view->task.received_us >= 0 &&
           view->task.received_us < most && view->started_us >= 0 && view->started_us < most &&
           view->finished_us >= 0 && view->finished_us < most;
}

int fq_slot_look(const struct fq_board *board, uint32_t slot, struct fq_slot_view *ret_view) {
    const struct fq_board_slot *at = slot_at(board, slot);
    uint64_t word = __atomic_load_n(&at->word, __ATOMIC_ACQUIRE);
    if (state_of(word) == FQ_SLOT_FREE)
        return 0;
    if (state_of(word) >= FQ_SLOT_STATE_COUNT)
        return FQ_ECORRUPT;
    uint64_t id[2] = {load(&at->id_high), load(&at->id_low)};
    uint64_t name_attempt = load(&at->name_attempt), outcome = load(&at->outcome);
    struct fq_slot_view view = {
        .task = {.token = load(&at->token),
                 .name = (uint32_t)(name_attempt >> 32),
                 .attempt = (uint32_t)name_attempt,
                 .timeout_ms = (int64_t)load(&at->timeout_ms),
                 .received_us = (int64_t)load(&at->received_us)},
        .state = (enum fq_slot_state)state_of(word),
        .wish = wish_of(word),
        .sequence = sequence_of(word),
        .started_us = (int64_t)load(&at->started_us),
        .finished_us = (int64_t)load(&at->finished_us),
        .outcome_offset = (uint32_t)(outcome >> 32),
        .outcome_len = (uint32_t)outcome,
    };
    memcpy(view.task.id.bytes, id, sizeof id);
    // The fields belong to `word` only if it still stands after they were read.
    if (load(&at->word) != word)
        return 0;
    if (!is_plausible(&view))
        return FQ_ECORRUPT;
    *ret_view = view;
    return 1;
}

// Compare-and-swap on state and sequence; a wish that changes meanwhile is carried along.
static bool change(const struct fq_board *board, uint32_t slot, const struct fq_slot_view *view,
                   enum fq_slot_state to, int wish) {
    struct fq_board_slot *at = slot_at(board, slot);
    uint64_t word = __atomic_load_n(&at->word, __ATOMIC_ACQUIRE);
    while (sequence_of(word) == view->sequence && state_of(word) == (uint32_t)view->state) {
        uint64_t next = word_of(view->sequence, wish >= 0 ? (uint8_t)wish : wish_of(word), to);
        if (__atomic_compare_exchange_n(&at->word, &word, next, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            return true;
    }
    return false;
}

bool fq_slot_claim(const struct fq_board *board, uint32_t slot, const struct fq_slot_view *view,
                   enum fq_slot_state to) {
    return change(board, slot, view, to, -1);
}

bool fq_slot_set_wish(const struct fq_board *board, uint32_t slot, const struct fq_slot_view *view,
                      uint8_t wish) {
    return view->state == FQ_SLOT_RUNNING && change(board, slot, view, FQ_SLOT_RUNNING, wish);
}
