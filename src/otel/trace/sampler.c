// SPDX-License-Identifier: Apache-2.0
// Samplers: the object, and those that need no arithmetic.
#include "otel/trace/sampler.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static otel_sampler *take_over(const struct otel_sampler_ops *ops, void *self, char *description) {
    otel_sampler *sampler = description != NULL ? malloc(sizeof *sampler) : NULL;
    if (sampler == NULL) {
        free(description);
        if (ops->free != NULL)
            ops->free(self);
        return NULL;
    }
    *sampler = (otel_sampler){ops, self, description};
    return sampler;
}

otel_sampler *otel_sampler_make(const struct otel_sampler_ops *ops, void *self, const char *format, ...) {
    char *description = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&description, format, args) < 0)
        description = NULL;
    va_end(args);
    return take_over(ops, self, description);
}

otel_sampler *otel_sampler_new(const struct otel_sampler_ops *ops, void *self, const char *description) {
    return take_over(ops, self, strdup(description != NULL ? description : "CustomSampler"));
}

otel_sampler *otel_sampler_free(otel_sampler *sampler) {
    if (sampler == NULL)
        return NULL;
    if (sampler->ops->free != NULL)
        sampler->ops->free(sampler->self);
    free(sampler->description);
    free(sampler);
    return NULL;
}

const char *otel_sampler_description(const otel_sampler *sampler) {
    return sampler != NULL ? sampler->description : "";
}

void otel_sampler_sample(otel_sampler *sampler, const struct otel_sampling_request *request,
                         struct otel_sampling_result *result) {
    sampler->ops->sample(sampler->self, request, result);
}

// --- always ----------------------------------------------------------------------------------------------------------
static void sample_on(void *self, const struct otel_sampling_request *request,
                      struct otel_sampling_result *result) {
    (void)self;
    (void)request;
    result->decision = OTEL_RECORD_AND_SAMPLE;
}

static void sample_off(void *self, const struct otel_sampling_request *request,
                       struct otel_sampling_result *result) {
    (void)self;
    (void)request;
    result->decision = OTEL_DROP;
}

otel_sampler *otel_sampler_always_on(void) {
    static const struct otel_sampler_ops ops = {.sample = sample_on};
    return otel_sampler_make(&ops, NULL, "AlwaysOnSampler");
}

otel_sampler *otel_sampler_always_off(void) {
    static const struct otel_sampler_ops ops = {.sample = sample_off};
    return otel_sampler_make(&ops, NULL, "AlwaysOffSampler");
}

// --- always record ---------------------------------------------------------------------------------------------------
static void sample_record(void *self, const struct otel_sampling_request *request,
                          struct otel_sampling_result *result) {
    otel_sampler_sample(self, request, result);
    if (result->decision == OTEL_DROP)
        result->decision = OTEL_RECORD_ONLY;
}

static void free_inner(void *self) {
    otel_sampler_free(self);
}

otel_sampler *otel_sampler_always_record(otel_sampler *inner) {
    static const struct otel_sampler_ops ops = {.sample = sample_record, .free = free_inner};
    if (inner == NULL)
        return NULL;
    return otel_sampler_make(&ops, inner, "AlwaysRecord{%s}", otel_sampler_description(inner));
}

// --- by the parent ---------------------------------------------------------------------------------------------------
enum { BY_ROOT, BY_REMOTE_SAMPLED, BY_REMOTE_NOT_SAMPLED, BY_LOCAL_SAMPLED, BY_LOCAL_NOT_SAMPLED, BY_COUNT };

struct parent_based {
    otel_sampler *by[BY_COUNT];
};

static void sample_parent(void *self, const struct otel_sampling_request *request,
                          struct otel_sampling_result *result) {
    const struct parent_based *mine = self;
    size_t which = BY_ROOT;
    if (request->parent != NULL) {
        bool is_sampled = (request->parent->flags & OTEL_FLAG_SAMPLED) != 0;
        if (request->parent->remote)
            which = is_sampled ? BY_REMOTE_SAMPLED : BY_REMOTE_NOT_SAMPLED;
        else
            which = is_sampled ? BY_LOCAL_SAMPLED : BY_LOCAL_NOT_SAMPLED;
    }
    otel_sampler_sample(mine->by[which], request, result);
}

static void free_parent(void *self) {
    struct parent_based *mine = self;
    for (size_t i = 0; mine != NULL && i < BY_COUNT; i++)
        otel_sampler_free(mine->by[i]);
    free(mine);
}

otel_sampler *otel_sampler_parent_based(otel_sampler *root, otel_sampler *remote_sampled,
                                        otel_sampler *remote_not_sampled, otel_sampler *local_sampled,
                                        otel_sampler *local_not_sampled) {
    static const struct otel_sampler_ops ops = {.sample = sample_parent, .free = free_parent};
    struct parent_based *mine = malloc(sizeof *mine);
    struct parent_based given = {
        {root != NULL ? root : otel_sampler_always_on(),
         remote_sampled != NULL ? remote_sampled : otel_sampler_always_on(),
         remote_not_sampled != NULL ? remote_not_sampled : otel_sampler_always_off(),
         local_sampled != NULL ? local_sampled : otel_sampler_always_on(),
         local_not_sampled != NULL ? local_not_sampled : otel_sampler_always_off()}
    };
    bool whole = mine != NULL;
    for (size_t i = 0; i < BY_COUNT; i++)
        whole = whole && given.by[i] != NULL;
    if (!whole) {
        for (size_t i = 0; i < BY_COUNT; i++)
            otel_sampler_free(given.by[i]);
        free(mine);
        return NULL;
    }
    *mine = given;
    return otel_sampler_make(&ops, mine,
                             "ParentBased{root:%s,remoteParentSampled:%s,remoteParentNotSampled:%s,"
                             "localParentSampled:%s,localParentNotSampled:%s}",
                             mine->by[0]->description, mine->by[1]->description, mine->by[2]->description,
                             mine->by[3]->description, mine->by[4]->description);
}
