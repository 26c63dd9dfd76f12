// SPDX-License-Identifier: Apache-2.0
// What a program says about a span between its start and its end.
#include "otel/trace/span.h"

#include "otel/wire/attribute.h"

enum { MESSAGE_HEAD_MAX = 6, MESSAGE_FIXED_MAX = 128, STACKTRACE_BYTES_MAX = 16 * 1024 };

void otel_span_set_attributes(otel_span *span, const struct otel_attribute *attributes, size_t count) {
    if (count == 0 || !otel_span_lock(span))
        return;
    otel_span_put_attributes(span, attributes, count);
    otel_span_unlock(span);
}

void otel_span_set_attribute(otel_span *span, struct otel_attribute attribute) {
    otel_span_set_attributes(span, &attribute, 1);
}

void otel_span_update_name(otel_span *span, const char *name) {
    if (name == NULL || !otel_span_lock(span))
        return;
    otel_span_set_text(span, OTEL_SECTION_NAME, name, strlen(name));
    otel_span_unlock(span);
}

void otel_span_set_status(otel_span *span, enum otel_status status, const char *description) {
    if (status == OTEL_STATUS_UNSET || !otel_span_lock(span))
        return;
    if (span->status != OTEL_STATUS_OK) {
        span->status = (uint8_t)status;
        bool is_kept = status == OTEL_STATUS_ERROR && description != NULL;
        if (is_kept || otel_section_len(span, OTEL_SECTION_DESCRIPTION) > 0)
            otel_span_set_text(span, OTEL_SECTION_DESCRIPTION, is_kept ? description : "",
                               is_kept ? strlen(description) : 0);
    }
    otel_span_unlock(span);
}

// --- events and links: messages of their own, with attributes --------------------------------------------------------
// Two lists, of which the second one wins.
struct attribute_lists {
    const struct otel_attribute *first, *second;
    size_t first_count, second_count;
};

static const struct otel_attribute *list_at(const struct attribute_lists *lists, size_t index) {
    return index < lists->first_count ? &lists->first[index] : &lists->second[index - lists->first_count];
}

static bool is_overridden(const struct attribute_lists *lists, size_t index) {
    const char *key = list_at(lists, index)->key;
    for (size_t later = index + 1; later < lists->first_count + lists->second_count; later++) {
        const struct otel_attribute *other = list_at(lists, later);
        if (other->key != NULL && other->value.type != OTEL_VALUE_EMPTY && strcmp(other->key, key) == 0)
            return true;
    }
    return false;
}

// Returns how many found no place.
static uint32_t write_attributes(struct otel_pb *pb, uint32_t field, const struct attribute_lists *lists,
                                 uint32_t count_limit, uint32_t value_limit) {
    uint32_t kept = 0, dropped = 0;
    for (size_t i = 0; i < lists->first_count + lists->second_count; i++) {
        const struct otel_attribute *attribute = list_at(lists, i);
        bool has_key = attribute->key != NULL && attribute->key[0] != '\0';
        if (has_key && (attribute->value.type == OTEL_VALUE_EMPTY || is_overridden(lists, i)))
            continue;
        if (!has_key || kept == count_limit) {
            dropped++;
            continue;
        }
        otel_pb_attribute(pb, field, attribute, value_limit);
        kept++;
    }
    return dropped;
}

static size_t lists_size_max(const struct attribute_lists *lists) {
    size_t size = 0;
    for (size_t i = 0; i < lists->first_count + lists->second_count; i++)
        size += otel_attribute_size_max(list_at(lists, i));
    return size;
}

// A message is drafted with room for its head in front; then the head is written and the body moves up to it.
static bool begin_message(otel_span *span, size_t size_max, struct otel_pb *ret_pb) {
    if (!otel_span_grow(span, MESSAGE_HEAD_MAX + MESSAGE_FIXED_MAX + size_max))
        return false;
    *ret_pb = otel_span_draft(span);
    ret_pb->at += MESSAGE_HEAD_MAX;
    return true;
}

static bool end_message(otel_span *span, enum otel_section section, uint32_t field,
                        const struct otel_pb *body) {
    if (body->failed)
        return false;
    struct otel_pb head = otel_span_draft(span);
    uint8_t *begin = head.at, *from = begin + MESSAGE_HEAD_MAX;
    size_t len = (size_t)(body->at - from);
    otel_pb_tag(&head, field, OTEL_PB_BYTES);
    otel_pb_varint(&head, len);
    memmove(head.at, from, len);
    otel_span_accept(span, section, (size_t)(head.at - begin) + len);
    return true;
}

static bool put_event(otel_span *span, const char *name, int64_t unix_ns,
                      const struct attribute_lists *lists) {
    const struct otel_limits *limits = &span->tracer->provider->limits;
    struct otel_pb pb;
    size_t name_len = strlen(name);
    if (span->content.events >= limits->events ||
        !begin_message(span, 3 * name_len + lists_size_max(lists), &pb))
        return false;
    otel_pb_fixed64(&pb, OTEL_EVENT_TIME, (uint64_t)unix_ns);
    otel_pb_text(&pb, OTEL_EVENT_NAME, name, name_len, OTEL_NO_LIMIT);
    uint32_t dropped =
        write_attributes(&pb, OTEL_EVENT_ATTRIBUTES, lists, limits->event_attributes, limits->value_length);
    if (dropped > 0)
        otel_pb_uint(&pb, OTEL_EVENT_DROPPED, dropped);
    return end_message(span, OTEL_SECTION_EVENTS, OTEL_SPAN_EVENTS, &pb);
}

static void add_event(otel_span *span, const char *name, int64_t unix_ns,
                      const struct attribute_lists *lists) {
    if (!otel_span_lock(span))
        return;
    if (unix_ns == 0)
        unix_ns = otel_span_clock(span);
    if (put_event(span, name != NULL ? name : "", unix_ns, lists))
        span->content.events++;
    else
        span->content.dropped_events++;
    otel_span_unlock(span);
}

void otel_span_add_event(otel_span *span, const char *name, int64_t unix_ns,
                         const struct otel_attribute *attributes, size_t count) {
    const struct attribute_lists lists = {.second = attributes, .second_count = count};
    add_event(span, name, unix_ns, &lists);
}

// To whoever wants exceptions besides, or instead of, events. True: instead.
static bool hand_exception_on(const otel_span *span, const struct attribute_lists *lists) {
    enum { GIVEN_MAX = 32 };
    const struct otel_exception_hook *hook =
        span != NULL && span->tracer != NULL ? &span->tracer->provider->exceptions : NULL;
    if (hook == NULL || hook->emit == NULL || !otel_span_is_recording(span))
        return false;
    struct otel_attribute all[3 + GIVEN_MAX];
    size_t count = 0;
    for (size_t i = 0; i < lists->first_count + lists->second_count && count < 3 + GIVEN_MAX; i++) {
        const struct otel_attribute *attribute = list_at(lists, i);
        if (attribute->key != NULL && attribute->value.type != OTEL_VALUE_EMPTY && !is_overridden(lists, i))
            all[count++] = *attribute;
    }
    const struct otel_span_context context = otel_span_context_of(span);
    hook->emit(hook->context, &span->tracer->scope, &context, all, count);
    return hook->instead;
}

void otel_span_record_exception(otel_span *span, const char *type, const char *message,
                                const char *stacktrace, const struct otel_attribute *attributes,
                                size_t count) {
    struct otel_attribute own[] = {
        otel_text("exception.type", type),
        otel_text("exception.message", message),
        otel_text("exception.stacktrace", stacktrace),
    };
    for (size_t i = 0; i < 3; i++) { // what is said at length must not cost the whole event
        if (own[i].value.as.text.len > STACKTRACE_BYTES_MAX)
            own[i].value.as.text.len = STACKTRACE_BYTES_MAX;
    }
    const struct attribute_lists lists = {own, attributes, 3, count};
    if (!hand_exception_on(span, &lists))
        add_event(span, "exception", 0, &lists);
}

static bool put_link(otel_span *span, const struct otel_link *link, const char *tracestate,
                     size_t tracestate_len) {
    const struct otel_limits *limits = &span->tracer->provider->limits;
    const struct attribute_lists lists = {.second = link->attributes, .second_count = link->attribute_count};
    struct otel_pb pb;
    if (span->content.links >= limits->links ||
        !begin_message(span, tracestate_len + lists_size_max(&lists), &pb))
        return false;
    otel_pb_bytes(&pb, OTEL_LINK_TRACE_ID, link->context.trace_id, sizeof link->context.trace_id);
    otel_pb_bytes(&pb, OTEL_LINK_SPAN_ID, link->context.span_id, sizeof link->context.span_id);
    if (tracestate_len > 0)
        otel_pb_bytes(&pb, OTEL_LINK_TRACE_STATE, tracestate, tracestate_len);
    uint32_t dropped =
        write_attributes(&pb, OTEL_LINK_ATTRIBUTES, &lists, limits->link_attributes, limits->value_length);
    if (dropped > 0)
        otel_pb_uint(&pb, OTEL_LINK_DROPPED, dropped);
    otel_pb_fixed32(&pb, OTEL_LINK_FLAGS,
                    link->context.flags | (uint32_t)OTEL_WIRE_IS_REMOTE_KNOWN |
                        (link->context.remote ? (uint32_t)OTEL_WIRE_IS_REMOTE : 0));
    return end_message(span, OTEL_SECTION_LINKS, OTEL_SPAN_LINKS, &pb);
}

void otel_span_put_link(otel_span *span, const struct otel_link *link) {
    char tracestate[OTEL_TRACESTATE_KEPT_MAX + 1];
    size_t len = link->tracestate != NULL
                     ? otel_tracestate_normalize(link->tracestate, strlen(link->tracestate), tracestate)
                     : 0;
    if (!otel_span_context_is_valid(&link->context) && len == 0 && link->attribute_count == 0)
        return; // says nothing
    if (put_link(span, link, tracestate, len))
        span->content.links++;
    else
        span->content.dropped_links++;
}

void otel_span_add_link(otel_span *span, const struct otel_link *link) {
    if (link == NULL || !otel_span_lock(span))
        return;
    otel_span_put_link(span, link);
    otel_span_unlock(span);
}

// --- what it says of itself ------------------------------------------------------------------------------------------
struct otel_span_context otel_span_context_of(const otel_span *span) {
    return span != NULL ? span->context : (struct otel_span_context){0};
}

const char *otel_span_tracestate(const otel_span *span, size_t *ret_len) {
    if (ret_len != NULL)
        *ret_len = span != NULL ? span->tracestate_len : 0;
    return span != NULL ? span->tracestate : "";
}

bool otel_span_is_recording(const otel_span *span) {
    return span != NULL && span->decision != OTEL_DROP && !otel_span_is_foreign(span) &&
           !atomic_load_explicit(&span->ended, memory_order_relaxed);
}
