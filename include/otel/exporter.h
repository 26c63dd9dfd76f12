// SPDX-License-Identifier: Apache-2.0
/**
 * What the pipeline is made of, and what a program may put into it: samplers, span and log processors, sinks, exporters.
 *
 * A span is encoded to OTLP bytes once, when it ends, as a record that goes into bounded memory (a sink); the exporter gets
 * whole OTLP messages that are only put together from such records. Who wants to look at spans before that is a processor
 * and gets a view.
 *
 * Objects given to a provider belong to it from then on: it calls their `free` once.
 */
#ifndef OTEL_EXPORTER_H
#define OTEL_EXPORTER_H

#include "otel/logs.h"
#include "otel/metrics.h"
#include "otel/trace.h"

#ifdef __cplusplus
extern "C" {
#endif

enum otel_signal { OTEL_SIGNAL_TRACES, OTEL_SIGNAL_METRICS, OTEL_SIGNAL_LOGS, OTEL_SIGNAL_COUNT };

/* --- sampling --- */
enum otel_decision { OTEL_DROP, OTEL_RECORD_ONLY, OTEL_RECORD_AND_SAMPLE };

struct otel_sampling_request {
    const otel_context *context;            /* the full parent context; NULL = empty */
    const struct otel_span_context *parent; /* NULL = root */
    const char *parent_tracestate;          /* "" if none */
    size_t parent_tracestate_len;
    const uint8_t *trace_id;
    bool trace_id_is_random; /* level 2: at least its last 7 bytes */
    const char *name;
    enum otel_span_kind kind;
    const struct otel_attribute *attributes;
    size_t attribute_count;
    const struct otel_link *links;
    size_t link_count;
};
/* What a sampler had to presume. The provider says each once. */
enum otel_sampling_caution {
    OTEL_SAMPLING_PRESUMED_RANDOM = 1,  /* a parent's trace id, not flagged as random, decided */
    OTEL_SAMPLING_RATIO_WITH_PARENT = 2 /* a share by another rule than the parent's sampler may have */
};
enum { OTEL_TRACESTATE_BYTES_MAX = 512, OTEL_SAMPLER_ATTRIBUTES_MAX = 8 };
struct otel_sampling_result {
    enum otel_decision decision;
    bool tracestate_is_set; /* else the parent's goes on */
    char tracestate[OTEL_TRACESTATE_BYTES_MAX + 1];
    unsigned cautions; /* enum otel_sampling_caution, or-ed */
    size_t attribute_count;
    struct otel_attribute
        attributes[OTEL_SAMPLER_ATTRIBUTES_MAX]; /* their memory lives as long as the sampler */
};
typedef struct otel_sampler otel_sampler;
struct otel_sampler_ops {
    /* *result is all zero but tracestate[0] and attributes, which are undefined. Any thread. */
    void (*sample)(void *self, const struct otel_sampling_request *request,
                   struct otel_sampling_result *result);
    void (*free)(void *self); /* NULL = nothing to free */
};
/** One of the program's own. NULL when out of memory. */
OTEL_API otel_sampler *otel_sampler_new(const struct otel_sampler_ops *ops, void *self,
                                        const char *description);
OTEL_API otel_sampler *otel_sampler_always_on(void);
OTEL_API otel_sampler *otel_sampler_always_off(void);
/** Keeps the traces whose id's low 64 bits lie below ratio * 2^64: what most SDKs do under this name. */
OTEL_API otel_sampler *otel_sampler_trace_id_ratio(double ratio);
/** Under the same name the later rule of the specification, that of otel_sampler_probability: it keeps other traces. */
OTEL_API otel_sampler *otel_sampler_trace_id_ratio_threshold(double ratio);
/** Consistent probability sampling: keeps the traces whose randomness is at least the threshold, which it writes into the
 *  tracestate (`ot=th:…`). */
OTEL_API otel_sampler *otel_sampler_probability(double ratio);
/** By the parent; NULL members are the defaults of the specification. Takes over all of them. */
OTEL_API otel_sampler *otel_sampler_parent_based(otel_sampler *root, otel_sampler *remote_sampled,
                                                 otel_sampler *remote_not_sampled,
                                                 otel_sampler *local_sampled,
                                                 otel_sampler *local_not_sampled);
/** What another one drops is recorded for processors, not exported. */
OTEL_API otel_sampler *otel_sampler_always_record(otel_sampler *inner);

/* Consistent probability sampling put together from parts. A part says which share of the traces it would keep, as a
 * threshold for their randomness; the composite sampler decides once, at the top, and writes the tracestate. */
enum { OTEL_RANDOMNESS_BITS = 56 };
struct otel_sampling_intent {
    bool keeps_some;    /* false: drops all */
    uint64_t threshold; /* of 56 bits: 0 keeps all */
    bool
        count_is_reliable; /* the threshold says how many spans one stands for: it goes into the tracestate */
    size_t attribute_count;                                        /* put on spans that are kept */
    struct otel_attribute attributes[OTEL_SAMPLER_ATTRIBUTES_MAX]; /* as in otel_sampling_result */
};
typedef struct otel_composable otel_composable;
struct otel_composable_ops {
    /* *intent is all zero but attributes. Any thread. */
    void (*intend)(void *self, const struct otel_sampling_request *request,
                   struct otel_sampling_intent *intent);
    void (*free)(void *self); /* NULL = nothing to free */
};
/* A rule: what it does not say matches everything. */
struct otel_sampling_rule {
    enum otel_span_kind kind; /* 0 = any */
    bool roots_only;
    const char *name;                           /* NULL = any */
    const char *attribute_key, *attribute_text; /* a text attribute of this value; NULL = any */
    bool (*matches)(void *context, const struct otel_sampling_request *request); /* NULL = any */
    void *context;
    otel_composable *then; /* taken over */
};
/** One of the program's own. Constructors take over the parts they are given, and give NULL when one is NULL or memory is
 *  out. */
OTEL_API otel_composable *otel_composable_new(const struct otel_composable_ops *ops, void *self,
                                              const char *description);
OTEL_API otel_composable *otel_composable_always_on(void);
OTEL_API otel_composable *otel_composable_always_off(void);
OTEL_API otel_composable *otel_composable_probability(double ratio);
/** The parent's threshold; if it says none, its sampled flag; without a parent, `root`. */
OTEL_API otel_composable *otel_composable_parent_threshold(otel_composable *root);
/** The first rule that matches; if none does, nothing is kept. Copies the rules. */
OTEL_API otel_composable *otel_composable_rule_based(const struct otel_sampling_rule *rules, size_t count);
/** Adds attributes (copied) to what `inner` keeps. */
OTEL_API otel_composable *otel_composable_annotating(otel_composable *inner,
                                                     const struct otel_attribute *attributes, size_t count);
OTEL_API otel_composable *otel_composable_free(otel_composable *composable);
OTEL_API otel_sampler *otel_sampler_composite(otel_composable *top);

OTEL_API const char *otel_sampler_description(const otel_sampler *sampler);
OTEL_API void otel_sampler_sample(otel_sampler *sampler, const struct otel_sampling_request *request,
                                  struct otel_sampling_result *result);
OTEL_API otel_sampler *otel_sampler_free(otel_sampler *sampler);

/* --- spans as processors see them --- */
struct otel_span_event_view {
    const char *name;
    int64_t unix_ns;
    size_t attribute_count, dropped_attributes;
};
/* Borrowed: valid during the call. */
struct otel_span_view {
    struct otel_span_context context;
    uint8_t parent_span_id[8]; /* all zero = root */
    bool parent_is_remote;
    const char *tracestate;
    const char *name;
    enum otel_span_kind kind;
    int64_t start_unix_ns, end_unix_ns; /* end 0 = still open */
    enum otel_status status;
    const char *status_description; /* "" if none */
    const struct otel_scope_info *scope;
    size_t attribute_count, event_count, link_count;
    uint32_t dropped_attributes, dropped_events, dropped_links;
    const otel_span *span; /* for the functions below */
};
/** Attribute `index`, whole; text is not NUL-terminated, keys are. False behind the last. */
OTEL_API bool otel_span_view_attribute(const struct otel_span_view *view, size_t index,
                                       struct otel_attribute *ret_attribute);
OTEL_API bool otel_span_view_event(const struct otel_span_view *view, size_t index,
                                   struct otel_span_event_view *ret_event);
OTEL_API bool otel_span_view_event_attribute(const struct otel_span_view *view, size_t event, size_t index,
                                             struct otel_attribute *ret_attribute);
OTEL_API bool otel_span_view_link(const struct otel_span_view *view, size_t index,
                                  struct otel_link *ret_link);

/* Called in the thread of the span; must not block. NULL members are skipped. */
struct otel_span_processor_ops {
    void (*on_start)(void *self, otel_span *span, const otel_context *parent_context);
    void (*on_ending)(void *self, otel_span *span); /* the span can still be changed */
    void (*on_end)(void *self, const struct otel_span_view *view);
    int (*flush)(void *self, int64_t timeout_ms);
    int (*shutdown)(void *self, int64_t timeout_ms);
    void (*free)(void *self);
};
struct otel_span_processor {
    const struct otel_span_processor_ops *ops;
    void *self;
};
struct otel_log_processor_ops {
    /* Sees and may replace what the record says before it is encoded. */
    void (*on_emit)(void *self, struct otel_log_record *record, const struct otel_scope_info *scope);
    bool (*enabled)(void *self, int severity, const char *event_name, const struct otel_scope_info *scope);
    int (*flush)(void *self, int64_t timeout_ms);
    int (*shutdown)(void *self, int64_t timeout_ms);
    void (*free)(void *self);
};
struct otel_log_processor {
    const struct otel_log_processor_ops *ops;
    void *self;
};

/* --- records and sinks --- */
/*
 * A record is one finished span or log record, ready to be put into an OTLP request:
 *
 *     u32 scope_len | u32 schema_url_len | scope_len bytes: an encoded InstrumentationScope message (its fields, without
 *     tag and length) | schema_url_len bytes | the rest: an encoded Span or LogRecord message (its fields likewise)
 *
 * Numbers are native. A sink is bounded memory that any thread writes records into without waiting.
 */
enum otel_record_type { OTEL_RECORD_SPAN = 1, OTEL_RECORD_LOG = 3 };
enum { OTEL_RECORD_BYTES_MAX = 64 * 1024 };
struct otel_sink {
    /* Room for `len` bytes that is filled and committed at once; NULL if there is none: the record is dropped and counted
     * by the sink. */
    void *(*reserve)(void *context, enum otel_record_type type, uint32_t len);
    void (*commit)(void *context, void *reserved);
    void *context;
};

/* --- exporters --- */
struct otel_export_batch {
    enum otel_signal signal;
    const void
        *bytes; /* an encoded TracesData, MetricsData or LogsData message, which is also the export request */
    size_t len;
    size_t item_count;   /* spans, data points or log records */
    int64_t deadline_ns; /* of the clock the exporter was given: monotonic */
};
/* What became of the batches, counted since the exporter was made. */
enum { OTEL_EXPORTER_OUTCOMES_MAX = 8 };
struct otel_exporter_stats {
    uint64_t exported, failed,
        rejected;                 /* items; rejected: refused one by one in an answer that was a success */
    uint64_t inflight;            /* items in calls under way */
    uint64_t retries;             /* attempts behind the first ones */
    int64_t last_success_unix_ns; /* 0 = never */
    char last_error[200];         /* what happened and what to do; "" = none */
    char server_address[128];     /* "" = there is no server */
    uint16_t server_port;
    /* One row for each way a call ended, its retries included; what does not fit is in the last row. */
    struct otel_exporter_outcome {
        char error_type[32]; /* "" = success */
        char status
            [24]; /* gRPC name ("UNAVAILABLE") or HTTP number ("503") of the last attempt; "" = no answer */
        uint64_t count;
        double seconds; /* sum */
    } outcomes[OTEL_EXPORTER_OUTCOMES_MAX];
    size_t outcome_count;
};
struct otel_exporter_ops {
    const char *component_type; /* for otel.sdk.*: "otlp_grpc_span_exporter", … */
    /* One call at a time. Returns by the deadline: OTEL_OK, OTEL_FAILED, OTEL_TIMEOUT. Retries are its own. */
    int (*export_batch)(void *self, const struct otel_export_batch *batch);
    int (*flush)(void *self, int64_t timeout_ms); /* NULL = nothing is held */
    /* From another thread, perhaps several times: waits and calls in flight end soon. */
    void (*cancel)(void *self);
    /* From another thread: the program ends. Waits between attempts end: what failed is tried once more at once, then it is
     * lost. NULL = there are no such waits. */
    void (*hurry)(void *self);
    int (*shutdown)(void *self, int64_t timeout_ms); /* later exports fail at once */
    void (*after_fork)(void *self);                  /* in the child: forget connections without a goodbye */
    void (*free)(void *self);
    void (*stats)(void *self, struct otel_exporter_stats *ret_stats); /* any thread; NULL = keeps none */
};
struct otel_exporter {
    const struct otel_exporter_ops *ops;
    void *self;
};

/* --- reading OTLP bytes: for exporters that do not send them as they are --- */
/** JSON by the OTLP/JSON rules into `write`, in pieces; OTEL_FAILED if the bytes are no such message. */
OTEL_API int otel_bytes_to_json(enum otel_signal signal, const void *bytes, size_t len,
                                void (*write)(void *context, const char *text, size_t len), void *context);

#ifdef __cplusplus
}
#endif
#endif
