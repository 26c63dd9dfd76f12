// SPDX-License-Identifier: Apache-2.0
#include "otel/pipeline/request.h"

#include "otel/wire/protobuf.h"

#include <stdlib.h>

// TracesData / LogsData, Resource{Spans,Logs}, Scope{Spans,Logs}: the same numbers.
enum { DATA_RESOURCE_ITEMS = 1 };
enum { RESOURCE = 1, RESOURCE_SCOPE_ITEMS = 2, RESOURCE_SCHEMA_URL = 3 };
enum { SCOPE = 1, SCOPE_ITEM = 2, SCOPE_SCHEMA_URL = 3 };

struct record {
    uint32_t scope_len, schema_len;
    const uint8_t *scope, *schema, *item;
    size_t item_len;
};

static size_t field_size(size_t len) {
    return 1 + otel_pb_varint_size(len) + len;
}

static size_t text_size(size_t len) {
    return len > 0 ? field_size(len) : 0;
}

bool otel_record_is_whole(const void *record, size_t len) {
    uint32_t lens[2];
    if (len < sizeof lens)
        return false;
    memcpy(lens, record, sizeof lens);
    return (uint64_t)lens[0] + lens[1] < len - sizeof lens;
}

static struct record read_record(const struct otel_ring_record *from) {
    uint32_t lens[2];
    memcpy(lens, from->bytes, sizeof lens);
    const uint8_t *scope = from->bytes + sizeof lens;
    size_t before = sizeof lens + lens[0] + lens[1];
    return (struct record){.scope_len = lens[0],
                           .schema_len = lens[1],
                           .scope = scope,
                           .schema = scope + lens[0],
                           .item = from->bytes + before,
                           .item_len = from->len - before};
}

// One ScopeSpans or ScopeLogs message.
struct group {
    struct record first;
    size_t items_size, size;
};
struct groups {
    struct group group[OTEL_REQUEST_SCOPES_MAX];
    unsigned count;
};

static bool is_same_scope(const struct record *a, const struct record *b) {
    return a->scope_len == b->scope_len && a->schema_len == b->schema_len &&
           memcmp(a->scope, b->scope, (size_t)a->scope_len + a->schema_len) == 0;
}

// The group of a record, a new one if need be; OTEL_REQUEST_SCOPES_MAX when there are too many.
static unsigned find_group(struct groups *groups, const struct record *record, unsigned guess) {
    if (guess < groups->count && is_same_scope(&groups->group[guess].first, record))
        return guess;
    for (unsigned i = 0; i < groups->count; i++) {
        if (is_same_scope(&groups->group[i].first, record))
            return i;
    }
    if (groups->count < OTEL_REQUEST_SCOPES_MAX)
        groups->group[groups->count++] = (struct group){.first = *record};
    else
        return OTEL_REQUEST_SCOPES_MAX;
    return groups->count - 1;
}

// Sorts records into groups; returns how many found one.
static uint32_t sort_records(struct otel_request *request, const struct otel_ring_record *records,
                             uint32_t count, struct groups *groups) {
    unsigned guess = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct record record = read_record(&records[i]);
        guess = find_group(groups, &record, guess);
        if (guess == OTEL_REQUEST_SCOPES_MAX)
            return i;
        request->scope_of[i] = (uint8_t)guess;
        groups->group[guess].items_size += field_size(record.item_len);
    }
    return count;
}

static size_t measure(struct groups *groups, const struct otel_request_resource *resource) {
    size_t size = field_size(resource->len) + text_size(strlen(resource->schema_url));
    for (unsigned i = 0; i < groups->count; i++) {
        struct group *group = &groups->group[i];
        group->size =
            field_size(group->first.scope_len) + group->items_size + text_size(group->first.schema_len);
        size += field_size(group->size);
    }
    return size;
}

static bool reserve(struct otel_request *request, size_t size) {
    if (size <= request->capacity)
        return true;
    uint8_t *bytes = malloc(size + size / 4);
    if (bytes == NULL)
        return false;
    free(request->bytes);
    request->bytes = bytes;
    request->capacity = size + size / 4;
    return true;
}

static bool reserve_scope_of(struct otel_request *request, uint32_t count) {
    if (count <= request->scope_of_capacity)
        return true;
    uint8_t *scope_of = realloc(request->scope_of, count);
    if (scope_of == NULL)
        return false;
    request->scope_of = scope_of;
    request->scope_of_capacity = count;
    return true;
}

static void write_head(struct otel_pb *pb, uint32_t field, size_t len) {
    otel_pb_tag(pb, field, OTEL_PB_BYTES);
    otel_pb_varint(pb, len);
}

static void write_group(struct otel_pb *pb, const struct otel_request *request, const struct groups *groups,
                        unsigned index, const struct otel_ring_record *records, uint32_t count) {
    const struct group *group = &groups->group[index];
    write_head(pb, RESOURCE_SCOPE_ITEMS, group->size);
    otel_pb_bytes(pb, SCOPE, group->first.scope, group->first.scope_len);
    for (uint32_t i = 0; i < count; i++) {
        if (request->scope_of[i] != index)
            continue;
        struct record record = read_record(&records[i]);
        otel_pb_bytes(pb, SCOPE_ITEM, record.item, record.item_len);
    }
    if (group->first.schema_len > 0)
        otel_pb_bytes(pb, SCOPE_SCHEMA_URL, group->first.schema, group->first.schema_len);
}

bool otel_request_build(struct otel_request *request, const struct otel_request_resource *resource,
                        const struct otel_ring_record *records, uint32_t count, uint32_t *ret_count) {
    struct groups groups;
    groups.count = 0;
    if (!reserve_scope_of(request, count))
        return false;
    count = sort_records(request, records, count, &groups);
    size_t size = measure(&groups, resource);
    if (!reserve(request, field_size(size)))
        return false;
    struct otel_pb pb = otel_pb_begin(request->bytes, request->capacity);
    write_head(&pb, DATA_RESOURCE_ITEMS, size);
    otel_pb_bytes(&pb, RESOURCE, resource->bytes, resource->len);
    for (unsigned i = 0; i < groups.count; i++)
        write_group(&pb, request, &groups, i, records, count);
    size_t schema_len = strlen(resource->schema_url);
    if (schema_len > 0)
        otel_pb_bytes(&pb, RESOURCE_SCHEMA_URL, resource->schema_url, schema_len);
    request->len = (size_t)(pb.at - request->bytes);
    *ret_count = count;
    return !pb.failed;
}

void otel_request_done(struct otel_request *request) {
    free(request->bytes);
    free(request->scope_of);
    *request = (struct otel_request){0};
}
