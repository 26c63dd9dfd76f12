// SPDX-License-Identifier: Apache-2.0
#include "otel/resource.h"

#include "base/assert.h"
#include "fastqueue/error.h"
#include "otel/pool.h"
#include "otel/wire/attribute.h"

#include <stdlib.h>

struct otel_resource {
    struct otel_pool pool;
    struct otel_attribute *attributes;
    size_t count;
    const char *schema_url;
};

static struct otel_attribute *find(const otel_resource *resource, const char *key) {
    for (size_t i = 0; i < resource->count; i++) {
        if (strcmp(resource->attributes[i].key, key) == 0)
            return &resource->attributes[i];
    }
    return NULL;
}

// The array has room for all that are given at once; a key that is there already takes the new value.
static bool put(otel_resource *resource, const struct otel_attribute *attribute) {
    if (attribute->key == NULL || attribute->key[0] == '\0' || attribute->value.type == OTEL_VALUE_EMPTY)
        return true;
    struct otel_attribute *place = find(resource, attribute->key);
    if (place == NULL)
        place = &resource->attributes[resource->count++];
    return otel_pool_attribute(&resource->pool, attribute, place);
}

static otel_resource *make(size_t room, const char *schema_url) {
    otel_resource *resource = calloc(1, sizeof *resource);
    if (resource == NULL)
        return NULL;
    resource->attributes = otel_pool_take(&resource->pool, room * sizeof *resource->attributes);
    resource->schema_url = otel_pool_text(&resource->pool, schema_url, strlen(schema_url));
    if (resource->attributes == NULL || resource->schema_url == NULL)
        return otel_resource_free(resource);
    return resource;
}

otel_resource *otel_resource_new(const struct otel_attribute *attributes, size_t count,
                                 const char *schema_url) {
    otel_resource *resource = make(count, schema_url != NULL ? schema_url : "");
    for (size_t i = 0; resource != NULL && i < count; i++) {
        if (!put(resource, &attributes[i]))
            resource = otel_resource_free(resource);
    }
    return resource;
}

// An empty one takes the other's; two different ones leave none, since no schema describes both.
static const char *merged_schema(const otel_resource *base, const otel_resource *over) {
    if (over->schema_url[0] == '\0' || strcmp(base->schema_url, over->schema_url) == 0)
        return base->schema_url;
    return base->schema_url[0] == '\0' ? over->schema_url : "";
}

otel_resource *otel_resource_merge(const otel_resource *base, const otel_resource *over) {
    otel_resource *resource = make(base->count + over->count, merged_schema(base, over));
    for (size_t i = 0; resource != NULL && i < base->count + over->count; i++) {
        const struct otel_attribute *from =
            i < base->count ? &base->attributes[i] : &over->attributes[i - base->count];
        if (!put(resource, from))
            resource = otel_resource_free(resource);
    }
    return resource;
}

otel_resource *otel_resource_free(otel_resource *resource) {
    if (resource != NULL)
        otel_pool_done(&resource->pool);
    free(resource);
    return NULL;
}

size_t otel_resource_count(const otel_resource *resource) {
    return resource->count;
}

struct otel_attribute otel_resource_at(const otel_resource *resource, size_t index) {
    FQ_ASSERT(index < resource->count);
    return resource->attributes[index];
}

const struct otel_value *otel_resource_get(const otel_resource *resource, const char *key) {
    const struct otel_attribute *found = find(resource, key);
    return found != NULL ? &found->value : NULL;
}

const char *otel_resource_schema_url(const otel_resource *resource) {
    return resource->schema_url;
}

int otel_resource_encode(const otel_resource *resource, fq_buf *out) {
    size_t size = 0;
    for (size_t i = 0; i < resource->count; i++)
        size += otel_attribute_size_max(&resource->attributes[i]) + OTEL_PB_VARINT_MAX;
    int result = fq_buf_reserve(out, size);
    if (result < 0)
        return result;
    struct otel_pb pb = otel_pb_begin(fq_buf_tail(out), size);
    uint8_t *start = pb.at;
    for (size_t i = 0; i < resource->count; i++)
        otel_pb_attribute(&pb, 1, &resource->attributes[i], OTEL_NO_LIMIT);
    if (pb.failed)
        return FQ_ETOOBIG;
    fq_buf_commit(out, (size_t)(pb.at - start));
    return 0;
}
