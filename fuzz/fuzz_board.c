// SPDX-License-Identifier: Apache-2.0
// A board that a runner has scribbled over, as its supervisor reads it. Input: edits: a byte with what, two bytes with where,
// a length byte and that many bytes. Slots, names, spans, outcomes and the ring are read within their bounds, and a claim
// changes only what was looked at.
#include "target.h"

#include "base/assert.h"
#include "base/le.h"
#include "worker/board_layout.h"
#include "worker/outcome.h"
#include "worker/ring.h"
#include "worker/telemetry_record.h"

#include <stdlib.h>
#include <string.h>

enum { READS_MAX = 64, EDITS_MAX = 300, RING_REACH = 0x10000 };

static struct fq_board_image *the_image(void) {
    static struct fq_board_image *image;
    if (image == NULL) {
        image = aligned_alloc(4096, (sizeof *image + 4095) / 4096 * 4096);
        FQ_ASSERT(image != NULL);
        memset(image, 0, sizeof *image);
    }
    return image;
}

static void poke(void *area, size_t area_size, size_t at, const uint8_t *bytes, size_t len) {
    at = at < area_size ? at : area_size;
    memcpy((unsigned char *)area + at, bytes, len < area_size - at ? len : area_size - at);
}

static void edit(struct fq_board_image *image, uint8_t what, size_t where, const uint8_t *bytes, size_t len) {
    switch (what % 6) {
    case 0: poke(image->header, FQ_BOARD_WORD_COUNT * sizeof(uint64_t), where % 128, bytes, len); break;
    case 1: poke(image->slots, 16 * sizeof image->slots[0], where, bytes, len); break;
    case 2: poke(image->names, sizeof image->names, where, bytes, len); break;
    case 3: poke(image->outbox, sizeof image->outbox, where, bytes, len); break;
    case 4: poke(image->ring, sizeof image->ring, where, bytes, len); break;
    default: poke(image->spans, 16 * sizeof image->spans[0], where, bytes, len); break;
    }
}

// What edits and readers can have touched.
static void wipe(struct fq_board_image *image) {
    memset(image->header, 0, sizeof image->header);
    for (size_t i = 0; i < 16; i++)
        image->slots[i] = (struct fq_board_slot){0};
    memset(image->names, 0, RING_REACH + 256);
    memset(image->outbox, 0, RING_REACH + 256);
    memset(image->ring, 0, RING_REACH + 256);
    memset(image->spans, 0, 16 * sizeof image->spans[0]);
}

static void look_at_outcome(const struct fq_board *board, const struct fq_slot_view *view) {
    if (view->outcome_len > FQ_BOARD_OUTBOX_BYTES)
        return;
    unsigned char *bytes = malloc(view->outcome_len > 0 ? view->outcome_len : 1);
    struct fq_report report;
    FQ_ASSERT(bytes != NULL);
    if (fq_board_copy_outcome(board, view->outcome_offset, view->outcome_len, bytes) &&
        fq_report_decode(bytes, view->outcome_len, &report) == 0) {
        unsigned char *again = malloc(fq_report_size(&report));
        FQ_ASSERT(again != NULL && fq_report_size(&report) <= view->outcome_len);
        fq_report_encode(&report, again);
        free(again);
    }
    free(bytes);
}

static void look_at_slot(const struct fq_board *board, uint32_t slot) {
    struct fq_slot_view view, after;
    struct fq_board_span span;
    int rc = fq_slot_look(board, slot, &view);
    FQ_ASSERT(rc == 0 || rc == 1 || rc == FQ_ECORRUPT);
    if (rc != 1)
        return;
    if (fq_board_span_look(board, slot, view.sequence, &span) == 1)
        FQ_ASSERT(span.link_count <= FQ_SPAN_LINKS_MAX && span.tracestate_len <= FQ_SPAN_TRACESTATE_MAX &&
                  memchr(span.priority, '\0', sizeof span.priority) != NULL);
    look_at_outcome(board, &view);
    (void)fq_slot_set_wish(board, slot, &view, 3);
    FQ_ASSERT(fq_slot_claim(board, slot, &view, FQ_SLOT_TAKEN));
    FQ_ASSERT(fq_slot_look(board, slot, &after) == 1 && after.state == FQ_SLOT_TAKEN);
    FQ_ASSERT(after.sequence == view.sequence);
    FQ_ASSERT(view.state == FQ_SLOT_TAKEN || !fq_slot_claim(board, slot, &view, FQ_SLOT_DOOMED));
}

static void read_ring(const struct fq_board *board, bool writer_is_gone) {
    static unsigned char record[FQ_RING_RECORD_MAX];
    struct fq_ring_reader reader = {0};
    struct fq_record_facts facts;
    uint8_t type;
    uint32_t len;
    for (int i = 0; i < READS_MAX &&
                    fq_ring_read(board, &reader, writer_is_gone, record, sizeof record, &type, &len) == 1;
         i++) {
        FQ_ASSERT(len <= sizeof record);
        FQ_ASSERT(fq_record_check(type, record, len, &facts) <= 0);
    }
    FQ_ASSERT(fq_board_get(board, FQ_BOARD_RING_TAIL) == reader.tail || reader.tail == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fq_board_image *image = the_image();
    struct fq_board board = {.base = (unsigned char *)image, .fd = -1};
    int edits = 0;
    for (size_t at = 0; at + 4 <= size && edits < EDITS_MAX; edits++) {
        size_t len = data[at + 3] < size - at - 4 ? data[at + 3] : size - at - 4;
        edit(image, data[at], fq_get_u16(data + at + 1), data + at + 4, len);
        at += 4 + len;
    }
    struct fq_board_names names;
    if (fq_board_read_names(&board, &names) == 0)
        fq_board_names_done(&names);
    uint32_t used = fq_board_slots_used(&board);
    FQ_ASSERT(used <= FQ_BOARD_SLOTS);
    for (uint32_t slot = 0; slot < used && slot < 16; slot++)
        look_at_slot(&board, slot);
    read_ring(&board, size % 2 == 0);
    wipe(image);
    return 0;
}
