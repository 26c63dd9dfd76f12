// SPDX-License-Identifier: Apache-2.0
// Composable samplers. Source: trace SDK specification, "CompositeSampler", "Built-in ComposableSamplers".
#include "otel/context/tracestate.h"
#include "otel/pool.h"
#include "otel/trace/sampler.h"
#include "otel/trace/threshold.h"

#include <stdio.h>
#include <stdlib.h>

// Parts are samplers by another verb: object, description and end of life are the same.
struct otel_composable {
    const struct otel_composable_ops *ops;
    void *self;
    char *description;
};

static otel_composable *take_over(const struct otel_composable_ops *ops, void *self, char *description) {
    otel_composable *composable = description != NULL ? malloc(sizeof *composable) : NULL;
    if (composable == NULL) {
        free(description);
        if (ops->free != NULL)
            ops->free(self);
        return NULL;
    }
    *composable = (otel_composable){ops, self, description};
    return composable;
}

otel_composable *otel_composable_new(const struct otel_composable_ops *ops, void *self,
                                     const char *description) {
    return take_over(ops, self, strdup(description != NULL ? description : "CustomComposable"));
}

otel_composable *otel_composable_free(otel_composable *composable) {
    if (composable == NULL)
        return NULL;
    if (composable->ops->free != NULL)
        composable->ops->free(composable->self);
    free(composable->description);
    free(composable);
    return NULL;
}

static char *describe(const char *name, const char *inner) {
    char *text = NULL;
    return asprintf(&text, "%s{%s}", name, inner) < 0 ? NULL : text;
}

static void intend(const otel_composable *composable, const struct otel_sampling_request *request,
                   struct otel_sampling_intent *intent) {
    composable->ops->intend(composable->self, request, intent);
}

// --- a fixed threshold -----------------------------------------------------------------------------------------------
static void intend_fixed(void *self, const struct otel_sampling_request *request,
                         struct otel_sampling_intent *intent) {
    const uint64_t *threshold = self;
    (void)request;
    intent->keeps_some = *threshold != OTEL_THRESHOLD_NEVER;
    intent->threshold = *threshold;
    intent->count_is_reliable = intent->keeps_some;
}

static otel_composable *fixed(uint64_t threshold, char *description) {
    static const struct otel_composable_ops ops = {.intend = intend_fixed, .free = free};
    uint64_t *mine = malloc(sizeof *mine);
    if (mine == NULL) {
        free(description);
        return NULL;
    }
    *mine = threshold;
    return take_over(&ops, mine, description);
}

otel_composable *otel_composable_always_on(void) {
    return fixed(0, strdup("ComposableAlwaysOn"));
}

otel_composable *otel_composable_always_off(void) {
    return fixed(OTEL_THRESHOLD_NEVER, strdup("ComposableAlwaysOff"));
}

otel_composable *otel_composable_probability(double ratio) {
    char text[32];
    snprintf(text, sizeof text, "%.6f", ratio);
    return fixed(otel_threshold_of(ratio), describe("ComposableProbability", text));
}

// --- the parent's threshold ------------------------------------------------------------------------------------------
static void intend_parent(void *self, const struct otel_sampling_request *request,
                          struct otel_sampling_intent *intent) {
    if (request->parent == NULL) {
        intend(self, request, intent);
        return;
    }
    const char *state = request->parent_tracestate, *text;
    size_t state_len = request->parent_tracestate_len, text_len;
    bool is_sampled = (request->parent->flags & OTEL_FLAG_SAMPLED) != 0;
    uint64_t threshold;
    intent->keeps_some = is_sampled;
    // A threshold that contradicts the flag is not one to build on.
    if (otel_tracestate_find_ot(state, state_len, "th", &text, &text_len) &&
        otel_threshold_parse(text, text_len, &threshold) &&
        (otel_randomness(request->trace_id, state, state_len) >= threshold) == is_sampled) {
        intent->keeps_some = true;
        intent->threshold = threshold;
        intent->count_is_reliable = true;
    }
}

static void free_part(void *self) {
    otel_composable_free(self);
}

otel_composable *otel_composable_parent_threshold(otel_composable *root) {
    static const struct otel_composable_ops ops = {.intend = intend_parent, .free = free_part};
    if (root == NULL)
        return NULL;
    return take_over(&ops, root, describe("ComposableParentThreshold", root->description));
}

// --- rules -----------------------------------------------------------------------------------------------------------
struct rules {
    struct otel_pool memory;
    size_t count;
    struct otel_sampling_rule rules[];
};

static bool has_text(const struct otel_sampling_request *request, const char *key, const char *text) {
    for (size_t i = 0; i < request->attribute_count; i++) {
        const struct otel_attribute *attribute = &request->attributes[i];
        if (attribute->key != NULL && strcmp(attribute->key, key) == 0 &&
            attribute->value.type == OTEL_VALUE_STRING && attribute->value.as.text.len == strlen(text) &&
            memcmp(attribute->value.as.text.data, text, strlen(text)) == 0)
            return true;
    }
    return false;
}

static bool rule_matches(const struct otel_sampling_rule *rule, const struct otel_sampling_request *request) {
    if (rule->kind != 0 && rule->kind != request->kind)
        return false;
    if (rule->roots_only && request->parent != NULL)
        return false;
    if (rule->name != NULL && strcmp(rule->name, request->name) != 0)
        return false;
    if (rule->attribute_key != NULL && !has_text(request, rule->attribute_key, rule->attribute_text))
        return false;
    return rule->matches == NULL || rule->matches(rule->context, request);
}

static void intend_rules(void *self, const struct otel_sampling_request *request,
                         struct otel_sampling_intent *intent) {
    const struct rules *mine = self;
    for (size_t i = 0; i < mine->count; i++) {
        if (rule_matches(&mine->rules[i], request)) {
            intend(mine->rules[i].then, request, intent);
            return;
        }
    }
}

static void free_rules(void *self) {
    struct rules *mine = self;
    for (size_t i = 0; i < mine->count; i++)
        otel_composable_free(mine->rules[i].then);
    otel_pool_done(&mine->memory);
    free(mine);
}

static void keep_text(struct otel_pool *memory, const char **text) {
    if (*text != NULL)
        *text = otel_pool_text(memory, *text, strlen(*text));
}

otel_composable *otel_composable_rule_based(const struct otel_sampling_rule *rules, size_t count) {
    static const struct otel_composable_ops ops = {.intend = intend_rules, .free = free_rules};
    struct rules *mine = calloc(1, sizeof *mine + count * sizeof mine->rules[0]);
    bool is_whole = mine != NULL;
    for (size_t i = 0; i < count; i++)
        is_whole = is_whole && rules[i].then != NULL;
    for (size_t i = 0; mine == NULL && i < count; i++)
        otel_composable_free(rules[i].then);
    if (mine == NULL)
        return NULL;
    mine->count = count;
    for (size_t i = 0; i < count; i++) {
        mine->rules[i] = rules[i];
        keep_text(&mine->memory, &mine->rules[i].name);
        keep_text(&mine->memory, &mine->rules[i].attribute_key);
        if (rules[i].attribute_key != NULL && rules[i].attribute_text == NULL)
            mine->rules[i].attribute_text = "";
        keep_text(&mine->memory, &mine->rules[i].attribute_text);
    }
    if (!is_whole || mine->memory.failed) {
        free_rules(mine);
        return NULL;
    }
    return take_over(&ops, mine, strdup("ComposableRuleBased"));
}

// --- annotations -----------------------------------------------------------------------------------------------------
struct annotation {
    struct otel_pool memory;
    otel_composable *inner;
    size_t count;
    struct otel_attribute attributes[OTEL_SAMPLER_ATTRIBUTES_MAX];
};

static void intend_annotated(void *self, const struct otel_sampling_request *request,
                             struct otel_sampling_intent *intent) {
    const struct annotation *mine = self;
    intend(mine->inner, request, intent);
    for (size_t i = 0; i < mine->count && intent->attribute_count < OTEL_SAMPLER_ATTRIBUTES_MAX; i++)
        intent->attributes[intent->attribute_count++] = mine->attributes[i];
}

static void free_annotation(void *self) {
    struct annotation *mine = self;
    otel_composable_free(mine->inner);
    otel_pool_done(&mine->memory);
    free(mine);
}

otel_composable *otel_composable_annotating(otel_composable *inner, const struct otel_attribute *attributes,
                                            size_t count) {
    static const struct otel_composable_ops ops = {.intend = intend_annotated, .free = free_annotation};
    struct annotation *mine = inner != NULL ? calloc(1, sizeof *mine) : NULL;
    if (mine == NULL)
        return otel_composable_free(inner);
    mine->inner = inner;
    for (size_t i = 0; i < count && i < OTEL_SAMPLER_ATTRIBUTES_MAX; i++)
        otel_pool_attribute(&mine->memory, &attributes[i], &mine->attributes[mine->count++]);
    if (mine->memory.failed) {
        free_annotation(mine);
        return NULL;
    }
    return take_over(&ops, mine, describe("ComposableAnnotating", inner->description));
}

// --- the sampler on top ----------------------------------------------------------------------------------------------
static void write_threshold(const struct otel_sampling_request *request,
                            const struct otel_sampling_intent *intent, struct otel_sampling_result *result) {
    const char *state = request->parent_tracestate, *old;
    size_t len = request->parent_tracestate_len, old_len;
    char text[OTEL_THRESHOLD_TEXT + 1];
    bool is_said = result->decision == OTEL_RECORD_AND_SAMPLE && intent->count_is_reliable;
    if (!is_said && !otel_tracestate_find_ot(state, len, "th", &old, &old_len))
        return;
    size_t text_len = is_said ? otel_threshold_format(intent->threshold, text) : 0;
    otel_tracestate_set_ot(state, len, "th", is_said ? text : NULL, text_len, result->tracestate);
    result->tracestate_is_set = true;
}

static void sample_composite(void *self, const struct otel_sampling_request *request,
                             struct otel_sampling_result *result) {
    struct otel_sampling_intent intent;
    intent.keeps_some = intent.count_is_reliable = false;
    intent.threshold = 0;
    intent.attribute_count = 0;
    intend(self, request, &intent);
    uint64_t randomness =
        otel_randomness(request->trace_id, request->parent_tracestate, request->parent_tracestate_len);
    bool is_kept = intent.keeps_some && randomness >= intent.threshold;
    result->decision = is_kept ? OTEL_RECORD_AND_SAMPLE : OTEL_DROP;
    if (intent.keeps_some && intent.threshold > 0 && intent.count_is_reliable)
        result->cautions |= otel_randomness_cautions(request);
    for (size_t i = 0; is_kept && i < intent.attribute_count; i++)
        result->attributes[result->attribute_count++] = intent.attributes[i];
    write_threshold(request, &intent, result);
}

otel_sampler *otel_sampler_composite(otel_composable *top) {
    static const struct otel_sampler_ops ops = {.sample = sample_composite, .free = free_part};
    if (top == NULL)
        return NULL;
    return otel_sampler_make(&ops, top, "CompositeSampler{%s}", top->description);
}
