// SPDX-License-Identifier: Apache-2.0
// A span from the inside. Name, attributes, events, links and the status's description lie in one block of bytes, each in
// its section, attributes and the like already encoded as fields of the Span message.
#ifndef OTEL_TRACE_SPAN_H
#define OTEL_TRACE_SPAN_H

#include "otel/context/tracestate.h"
#include "otel/exporter.h"
#include "otel/trace/tracer.h"
#include "otel/wire/protobuf.h"

#include <stdatomic.h>

enum otel_section {
    OTEL_SECTION_NAME, // with NUL
    OTEL_SECTION_ATTRIBUTES,
    OTEL_SECTION_EVENTS,
    OTEL_SECTION_LINKS,
    OTEL_SECTION_DESCRIPTION, // with NUL; empty = none
    OTEL_SECTION_COUNT,
};
// Field numbers of the Span message; also those of KeyValues that are kept in a section.
enum {
    OTEL_SPAN_TRACE_ID = 1,
    OTEL_SPAN_SPAN_ID = 2,
    OTEL_SPAN_TRACE_STATE = 3,
    OTEL_SPAN_PARENT_SPAN_ID = 4,
    OTEL_SPAN_NAME = 5,
    OTEL_SPAN_KIND = 6,
    OTEL_SPAN_START = 7,
    OTEL_SPAN_END = 8,
    OTEL_SPAN_ATTRIBUTES = 9,
    OTEL_SPAN_DROPPED_ATTRIBUTES = 10,
    OTEL_SPAN_EVENTS = 11,
    OTEL_SPAN_DROPPED_EVENTS = 12,
    OTEL_SPAN_LINKS = 13,
    OTEL_SPAN_DROPPED_LINKS = 14,
    OTEL_SPAN_STATUS = 15,
    OTEL_SPAN_FLAGS = 16,
};
enum { OTEL_EVENT_TIME = 1, OTEL_EVENT_NAME = 2, OTEL_EVENT_ATTRIBUTES = 3, OTEL_EVENT_DROPPED = 4 };
enum {
    OTEL_LINK_TRACE_ID = 1,
    OTEL_LINK_SPAN_ID = 2,
    OTEL_LINK_TRACE_STATE = 3,
    OTEL_LINK_ATTRIBUTES = 4,
    OTEL_LINK_DROPPED = 5,
    OTEL_LINK_FLAGS = 6,
};
enum { OTEL_WIRE_IS_REMOTE_KNOWN = 0x100, OTEL_WIRE_IS_REMOTE = 0x200 };

enum {
    OTEL_SPAN_BYTES = 1280,
    OTEL_SPAN_TRACESTATE_ROOM = 64,
    OTEL_SPAN_TEXT_MAX = 8 * 1024, // of a name or a description
    OTEL_SPAN_KEY_WORDS = 4,
};

struct otel_span {
    struct otel_span *next; // while it is spare
    otel_tracer *tracer;    // NULL: carries an identity only, of no provider
    atomic_uint references;
    atomic_bool lock;
    atomic_bool ended; // records nothing more
    bool ending;       // somebody has ended it
    uint8_t decision;  // enum otel_decision
    uint8_t kind, status;
    bool has_parent, parent_is_remote, has_offset;
    uint8_t parent_span_id[8];
    struct otel_span_context context;
    uint32_t tracestate_len;
    char *tracestate;         // with NUL, or `tracestate_room`; does not change
    struct otel_view *view;   // what processors have asked for
    int64_t start_ns, end_ns; // unix
    int64_t unix_offset;      // of the monotonic clock when it started, unless its start was given
    uint32_t generation;      // of the provider: a forked child does not send its parent's spans
    uint8_t *bytes;           // the sections; `room` or allocated
    uint32_t capacity;
    // Reset as a whole when a recording span starts.
    struct otel_span_content {
        uint32_t end[OTEL_SECTION_COUNT]; // of each section
        uint32_t attributes, events, links;
        uint32_t dropped_attributes, dropped_events, dropped_links;
        uint64_t keys[OTEL_SPAN_KEY_WORDS]; // a bit for each key's hash: whether a key may be there already
    } content;
    char tracestate_room[OTEL_SPAN_TRACESTATE_ROOM];
    uint8_t room[];
};

/** A recording span that was open when this process was forked: its parent process sends it. */
static inline bool otel_span_is_foreign(const otel_span *span) {
    return span->generation != span->tracer->provider->generation;
}
/** Unix time for its end or an event: on one clock with its start, unless that was given. */
int64_t otel_span_clock(const otel_span *span);
/** Takes the span for a change; false if it records nothing (any more), then nothing is locked. */
bool otel_span_lock(otel_span *span);
static inline void otel_span_unlock(otel_span *span) {
    atomic_store_explicit(&span->lock, false, memory_order_release);
}

// --- content.c: the sections. All of it with the span locked or not yet seen by others. ----------------------------
static inline uint32_t otel_section_begin(const otel_span *span, enum otel_section section) {
    return section == 0 ? 0 : span->content.end[section - 1];
}
static inline uint32_t otel_section_len(const otel_span *span, enum otel_section section) {
    return span->content.end[section] - otel_section_begin(span, section);
}
/** Room for at least `len` more bytes; false when out of memory or the record would be too big. */
bool otel_span_grow(otel_span *span, size_t len);
/** A writer behind all sections, to the end of the room there is. */
struct otel_pb otel_span_draft(otel_span *span);
/** The `len` bytes that were drafted become the end of a section. */
void otel_span_accept(otel_span *span, enum otel_section section, size_t len);
/** Replaces a section by text, repaired, with NUL. False when there is no room. */
bool otel_span_set_text(otel_span *span, enum otel_section section, const char *text, size_t len);
void otel_span_put_attributes(otel_span *span, const struct otel_attribute *attributes, size_t count);

// --- change.c
void otel_span_put_link(otel_span *span, const struct otel_link *link);

// --- record.c --------------------------------------------------------------------------------------------------------
/** Writes the ended span into all sinks of its provider. */
void otel_span_write(const otel_span *span);

// --- view.c ----------------------------------------------------------------------------------------------------------
void otel_span_show(otel_span *span, struct otel_span_view *ret_view);
/** Frees what looking at the span has made. */
void otel_span_hide(otel_span *span);

#endif
