// SPDX-License-Identifier: Apache-2.0
// Samplers that keep a share of the traces. Sources: trace SDK specification, "TraceIdRatioBased" and "ProbabilitySampler";
// the tracestate field `ot` of its probability sampling page.
#include "otel/context/tracestate.h"
#include "otel/trace/sampler.h"
#include "otel/trace/threshold.h"

#include <math.h>
#include <stdlib.h>

// --- by the low 64 bits of the trace id: those below the bound, as other SDKs of this rule do --------------------------
struct by_id {
    uint64_t bound;
    bool always;
};

static uint64_t low_bits(const uint8_t *trace_id) {
    uint64_t bits = 0;
    for (size_t i = 8; i < 16; i++)
        bits = bits << 8 | trace_id[i];
    return bits;
}

static void sample_by_id(void *self, const struct otel_sampling_request *request,
                         struct otel_sampling_result *result) {
    const struct by_id *mine = self;
    bool is_kept = mine->always || low_bits(request->trace_id) < mine->bound;
    result->decision = is_kept ? OTEL_RECORD_AND_SAMPLE : OTEL_DROP;
    if (request->parent != NULL)
        result->cautions |= OTEL_SAMPLING_RATIO_WITH_PARENT;
}

// NaN and what is out of range become the nearest that makes sense.
static double clamp(double ratio) {
    return !(ratio > 0) ? 0 : ratio > 1 ? 1 : ratio;
}

otel_sampler *otel_sampler_trace_id_ratio(double ratio) {
    static const struct otel_sampler_ops ops = {.sample = sample_by_id, .free = free};
    struct by_id *mine = calloc(1, sizeof *mine);
    if (mine == NULL)
        return NULL;
    ratio = clamp(ratio);
    double bound = nearbyint(ldexp(ratio, 64));
    mine->always = bound >= ldexp(1, 64);
    mine->bound = mine->always ? UINT64_MAX : (uint64_t)bound;
    return otel_sampler_make(&ops, mine, "TraceIdRatioBased{%.6f}", ratio);
}

// --- by the randomness of the trace, with the threshold written down ---------------------------------------------------
struct by_threshold {
    uint64_t threshold; // OTEL_THRESHOLD_NEVER: drops all
    char text[OTEL_THRESHOLD_TEXT + 1];
    size_t text_len;
};

unsigned otel_randomness_cautions(const struct otel_sampling_request *request) {
    bool presumes = request->parent != NULL && !request->trace_id_is_random &&
                    !otel_randomness_is_explicit(request->parent_tracestate, request->parent_tracestate_len);
    return presumes ? OTEL_SAMPLING_PRESUMED_RANDOM : 0;
}

static void sample_by_threshold(void *self, const struct otel_sampling_request *request,
                                struct otel_sampling_result *result) {
    const struct by_threshold *mine = self;
    const char *state = request->parent_tracestate;
    size_t len = request->parent_tracestate_len;
    bool is_kept = mine->threshold != OTEL_THRESHOLD_NEVER &&
                   otel_randomness(request->trace_id, state, len) >= mine->threshold;
    result->decision = is_kept ? OTEL_RECORD_AND_SAMPLE : OTEL_DROP;
    result->cautions |= otel_randomness_cautions(request);
    const char *old;
    size_t old_len;
    if (!is_kept && !otel_tracestate_find_ot(state, len, "th", &old, &old_len))
        return; // nothing to take away
    otel_tracestate_set_ot(state, len, "th", is_kept ? mine->text : NULL, mine->text_len, result->tracestate);
    result->tracestate_is_set = true;
}

static otel_sampler *by_threshold(double ratio, const char *name) {
    static const struct otel_sampler_ops ops = {.sample = sample_by_threshold, .free = free};
    struct by_threshold *mine = calloc(1, sizeof *mine);
    if (mine == NULL)
        return NULL;
    ratio = clamp(ratio);
    mine->threshold = otel_threshold_of(ratio);
    if (mine->threshold != OTEL_THRESHOLD_NEVER)
        mine->text_len = otel_threshold_format(mine->threshold, mine->text);
    return otel_sampler_make(&ops, mine, "%s{%.6f}", name, ratio);
}

otel_sampler *otel_sampler_probability(double ratio) {
    return by_threshold(ratio, "ProbabilitySampler");
}

otel_sampler *otel_sampler_trace_id_ratio_threshold(double ratio) {
    return by_threshold(ratio, "TraceIdRatioBased");
}
