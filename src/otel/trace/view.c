// SPDX-License-Identifier: Apache-2.0
// Ended spans as processors see them. What is asked for is decoded once, into memory that lives as long as the calls.
#include "otel/trace/span.h"

#include <stdlib.h>

struct decoded_event {
    struct otel_span_event_view head;
    struct otel_attribute *attributes;
};

struct otel_view {
    struct otel_pool memory;
    struct otel_attribute *attributes;
    struct decoded_event *events;
    struct otel_link *links;
};

static const char *text_of(const otel_span *span, enum otel_section section) {
    return otel_section_len(span, section) > 0 ? (const char *)span->bytes + otel_section_begin(span, section)
                                               : "";
}

void otel_span_show(otel_span *span, struct otel_span_view *ret_view) {
    const struct otel_span_content *content = &span->content;
    *ret_view = (struct otel_span_view){
        .context = span->context,
        .parent_is_remote = span->parent_is_remote,
        .tracestate = span->tracestate,
        .name = text_of(span, OTEL_SECTION_NAME),
        .kind = (enum otel_span_kind)span->kind,
        .start_unix_ns = span->start_ns,
        .end_unix_ns = span->end_ns,
        .status = (enum otel_status)span->status,
        .status_description = text_of(span, OTEL_SECTION_DESCRIPTION),
        .scope = &span->tracer->scope,
        .attribute_count = content->attributes,
        .event_count = content->events,
        .link_count = content->links,
        .dropped_attributes = content->dropped_attributes,
        .dropped_events = content->dropped_events,
        .dropped_links = content->dropped_links,
        .span = span,
    };
    memcpy(ret_view->parent_span_id, span->parent_span_id, sizeof span->parent_span_id);
}

void otel_span_hide(otel_span *span) {
    if (span->view == NULL)
        return;
    otel_pool_done(&span->view->memory);
    free(span->view);
    span->view = NULL;
}

// --- decoding the encoder's own bytes --------------------------------------------------------------------------------
static size_t count_fields(struct otel_pb_reader reader, uint32_t number) {
    struct otel_pb_field field;
    size_t count = 0;
    while (otel_pb_next(&reader, &field) == 1)
        count += field.number == number;
    return count;
}

static struct otel_attribute decode_attribute(struct otel_pool *memory, const struct otel_pb_field *pair);
static void decode_value(struct otel_pool *memory, struct otel_pb_reader reader, struct otel_value *value);

static struct otel_pb_reader inside(const struct otel_pb_field *field) {
    return (struct otel_pb_reader){field->bytes, field->bytes + field->len};
}

// Items of an array or a map; as deep as the encoder went.
static void decode_items(struct otel_pool *memory, struct otel_pb_reader reader, struct otel_value *value) {
    size_t count = count_fields(reader, 1), at = 0;
    struct otel_pb_field field;
    if (value->type == OTEL_VALUE_ARRAY) {
        struct otel_value *items = otel_pool_take(memory, (count + 1) * sizeof *items);
        while (items != NULL && otel_pb_next(&reader, &field) == 1)
            decode_value(memory, inside(&field), &items[at++]);
        value->as.array.items = items;
        value->as.array.count = at;
        return;
    }
    struct otel_attribute *members = otel_pool_take(memory, (count + 1) * sizeof *members);
    while (members != NULL && otel_pb_next(&reader, &field) == 1)
        members[at++] = decode_attribute(memory, &field);
    value->as.map.items = members;
    value->as.map.count = at;
}

static void decode_value(struct otel_pool *memory, struct otel_pb_reader reader, struct otel_value *value) {
    static const enum otel_value_type types[] = {
        OTEL_VALUE_EMPTY,  OTEL_VALUE_STRING, OTEL_VALUE_BOOL, OTEL_VALUE_INT,
        OTEL_VALUE_DOUBLE, OTEL_VALUE_ARRAY,  OTEL_VALUE_MAP,  OTEL_VALUE_BYTES,
    };
    struct otel_pb_field field;
    memset(value, 0, sizeof *value);
    if (otel_pb_next(&reader, &field) != 1 || field.number >= sizeof types / sizeof types[0])
        return;
    value->type = types[field.number];
    switch (value->type) {
    case OTEL_VALUE_STRING:
    case OTEL_VALUE_BYTES:
        value->as.text.data = (const char *)field.bytes;
        value->as.text.len = field.len;
        break;
    case OTEL_VALUE_BOOL: value->as.boolean = field.value != 0; break;
    case OTEL_VALUE_INT: value->as.integer = (int64_t)field.value; break;
    case OTEL_VALUE_DOUBLE: memcpy(&value->as.real, &field.value, sizeof value->as.real); break;
    case OTEL_VALUE_ARRAY:
    case OTEL_VALUE_MAP: decode_items(memory, inside(&field), value); break;
    case OTEL_VALUE_EMPTY: break;
    }
}

static struct otel_attribute decode_attribute(struct otel_pool *memory, const struct otel_pb_field *pair) {
    struct otel_attribute attribute = {0};
    struct otel_pb_reader reader = inside(pair);
    struct otel_pb_field field;
    while (otel_pb_next(&reader, &field) == 1) {
        if (field.number == 1)
            attribute.key = otel_pool_text(memory, (const char *)field.bytes, field.len);
        else if (field.number == 2)
            decode_value(memory, inside(&field), &attribute.value);
    }
    return attribute;
}

// All attributes among the fields of a message, or of a section.
static struct otel_attribute *decode_attributes(struct otel_pool *memory, struct otel_pb_reader reader,
                                                uint32_t number, size_t *ret_count) {
    size_t count = count_fields(reader, number), at = 0;
    struct otel_attribute *attributes = otel_pool_take(memory, (count + 1) * sizeof *attributes);
    struct otel_pb_field field;
    while (attributes != NULL && otel_pb_next(&reader, &field) == 1) {
        if (field.number == number)
            attributes[at++] = decode_attribute(memory, &field);
    }
    *ret_count = at;
    return attributes;
}

static struct otel_pb_reader section_reader(const otel_span *span, enum otel_section section) {
    return (struct otel_pb_reader){span->bytes + otel_section_begin(span, section),
                                   span->bytes + span->content.end[section]};
}

static void decode_event(struct otel_pool *memory, const struct otel_pb_field *message,
                         struct decoded_event *event) {
    struct otel_pb_reader reader = {message->bytes, message->bytes + message->len};
    event->attributes =
        decode_attributes(memory, reader, OTEL_EVENT_ATTRIBUTES, &event->head.attribute_count);
    event->head.name = "";
    for (struct otel_pb_field field; otel_pb_next(&reader, &field) == 1;) {
        if (field.number == OTEL_EVENT_TIME)
            event->head.unix_ns = (int64_t)field.value;
        else if (field.number == OTEL_EVENT_NAME)
            event->head.name = otel_pool_text(memory, (const char *)field.bytes, field.len);
        else if (field.number == OTEL_EVENT_DROPPED)
            event->head.dropped_attributes = field.value;
    }
}

static void decode_link(struct otel_pool *memory, const struct otel_pb_field *message,
                        struct otel_link *link) {
    struct otel_pb_reader reader = {message->bytes, message->bytes + message->len};
    link->attributes = decode_attributes(memory, reader, OTEL_LINK_ATTRIBUTES, &link->attribute_count);
    for (struct otel_pb_field field; otel_pb_next(&reader, &field) == 1;) {
        if (field.number == OTEL_LINK_TRACE_ID)
            memcpy(link->context.trace_id, field.bytes, sizeof link->context.trace_id);
        else if (field.number == OTEL_LINK_SPAN_ID)
            memcpy(link->context.span_id, field.bytes, sizeof link->context.span_id);
        else if (field.number == OTEL_LINK_TRACE_STATE)
            link->tracestate = otel_pool_text(memory, (const char *)field.bytes, field.len);
        else if (field.number == OTEL_LINK_FLAGS) {
            link->context.flags = (uint8_t)field.value;
            link->context.remote = (field.value & OTEL_WIRE_IS_REMOTE) != 0;
        }
    }
}

static void decode(const otel_span *span, struct otel_view *view) {
    struct otel_pb_field field;
    size_t count;
    view->attributes = decode_attributes(&view->memory, section_reader(span, OTEL_SECTION_ATTRIBUTES),
                                         OTEL_SPAN_ATTRIBUTES, &count);
    view->events = otel_pool_take(&view->memory, (span->content.events + 1) * sizeof *view->events);
    view->links = otel_pool_take(&view->memory, (span->content.links + 1) * sizeof *view->links);
    if (view->memory.failed)
        return;
    struct otel_pb_reader events = section_reader(span, OTEL_SECTION_EVENTS);
    for (size_t i = 0; otel_pb_next(&events, &field) == 1; i++)
        decode_event(&view->memory, &field, &view->events[i]);
    struct otel_pb_reader links = section_reader(span, OTEL_SECTION_LINKS);
    for (size_t i = 0; otel_pb_next(&links, &field) == 1; i++)
        decode_link(&view->memory, &field, &view->links[i]);
}

// NULL when out of memory.
static const struct otel_view *decoded(const struct otel_span_view *view) {
    otel_span *span = (otel_span *)(uintptr_t)view->span;
    if (span->view == NULL) {
        struct otel_view *made = calloc(1, sizeof *made);
        if (made == NULL)
            return NULL;
        decode(span, made);
        span->view = made;
    }
    return span->view->memory.failed ? NULL : span->view;
}

bool otel_span_view_attribute(const struct otel_span_view *view, size_t index,
                              struct otel_attribute *ret_attribute) {
    const struct otel_view *all = index < view->attribute_count ? decoded(view) : NULL;
    if (all == NULL)
        return false;
    *ret_attribute = all->attributes[index];
    return true;
}

bool otel_span_view_event(const struct otel_span_view *view, size_t index,
                          struct otel_span_event_view *ret_event) {
    const struct otel_view *all = index < view->event_count ? decoded(view) : NULL;
    if (all == NULL)
        return false;
    *ret_event = all->events[index].head;
    return true;
}

bool otel_span_view_event_attribute(const struct otel_span_view *view, size_t event, size_t index,
                                    struct otel_attribute *ret_attribute) {
    const struct otel_view *all = event < view->event_count ? decoded(view) : NULL;
    if (all == NULL || index >= all->events[event].head.attribute_count)
        return false;
    *ret_attribute = all->events[event].attributes[index];
    return true;
}

bool otel_span_view_link(const struct otel_span_view *view, size_t index, struct otel_link *ret_link) {
    const struct otel_view *all = index < view->link_count ? decoded(view) : NULL;
    if (all == NULL)
        return false;
    *ret_link = all->links[index];
    return true;
}
