// SPDX-License-Identifier: Apache-2.0
// A C program that knows the SDK and nothing of the queue: sends one of each kind of telemetry where the environment says,
// for test_sdk.py to find at the Collector. Its argument is a mark that everything carries; prints the first trace's id.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "otel/sdk.h"

enum { MANY_SPANS = 2000, FLUSH_MS = 20000 };

static void send_spans(otel_tracer *tracer, const char *mark) {
    const struct otel_value words[] = {otel_value_string("a", 1), otel_value_string("b", 1)};
    const struct otel_attribute inner[] = {otel_int("deep", 1)};
    const struct otel_attribute attributes[] = {
        otel_text("mark", mark),
        otel_text("text", "gr\xc3\xbc\xc3\x9f"),
        otel_text("broken", "a\xff"
                            "b"),
        otel_bool("yes", true),
        otel_int("lowest", INT64_MIN),
        otel_double("pi", 3.25),
        otel_bytes("bytes", "\0\1\2", 3),
        otel_array("words", words, 2),
        otel_map("map", inner, 1),
        otel_double("infinite", INFINITY),
        otel_text("", "refused"),
    };
    struct otel_span_options options = {.kind = OTEL_SPAN_SERVER,
                                        .root = true,
                                        .attributes = attributes,
                                        .attribute_count = sizeof attributes / sizeof *attributes};
    otel_span *root = otel_span_start(tracer, "root", &options);
    struct otel_span_context context = otel_span_context_of(root);
    for (size_t i = 0; i < sizeof context.trace_id; i++)
        printf("%02x", context.trace_id[i]);
    printf("\n");

    struct otel_scope scope;
    otel_scope_enter_span(&scope, root);
    OTEL_SPAN_SCOPE(tracer, "child") {
        otel_span *child = otel_span_current();
        otel_span_add_event(child, "happened", 0, inner, 1);
        otel_span_record_exception(child, "CardRefused", "no money", "at line 1", NULL, 0);
        otel_span_set_status(child, OTEL_STATUS_ERROR, "no money");
    }
    struct otel_link link = {.context = context, .attributes = inner, .attribute_count = 1};
    options =
        (struct otel_span_options){.kind = OTEL_SPAN_CONSUMER, .root = true, .links = &link, .link_count = 1};
    otel_span_end(otel_span_start(tracer, "linked", &options));
    otel_scope_leave(&scope);
    otel_span_set_status(root, OTEL_STATUS_OK, NULL);
    otel_span_end(root);
}

static void send_many(otel_sdk *sdk, otel_tracer *tracer, const char *mark) {
    const struct otel_attribute attributes[] = {otel_text("mark", mark),
                                                otel_text("filling", "some words that gzip makes short")};
    struct otel_span_options options = {.root = true, .attributes = attributes, .attribute_count = 2};
    for (int i = 0; i < MANY_SPANS; i++) {
        otel_span_end(otel_span_start(tracer, "one of many", &options));
        if (i % 500 == 499)
            (void)otel_sdk_flush(sdk, FLUSH_MS);
    }
}

static void observe(otel_observer *observer, void *context) {
    const struct otel_attribute attribute = otel_text("mark", context);
    otel_observe_int(observer, 42, &attribute, 1);
}

static void send_metrics(otel_meter *meter, otel_tracer *tracer, char *mark) {
    const struct otel_attribute attribute = otel_text("mark", mark);
    otel_instrument *counter = otel_counter(meter, "witness.requests", "{request}", "Requests");
    for (int i = 0; i < 3; i++)
        otel_add(counter, 1, &attribute, 1);
    otel_add(counter, -1, &attribute, 1);
    otel_add(otel_up_down_counter(meter, "witness.open", "{connection}", NULL), -2, &attribute, 1);
    otel_record(otel_gauge(meter, "witness.level", "By", NULL), 7.5, &attribute, 1);
    otel_instrument *histogram =
        otel_histogram(meter, "witness.latency", "s", "Latency", (const double[]){1, 2, 4}, 3);
    OTEL_SPAN_SCOPE(tracer, "measured") {
        otel_record(histogram, 1.5, &attribute, 1);
        otel_record(histogram, 9, &attribute, 1);
    }
    struct otel_instrument_options options = {.kind = OTEL_OBSERVABLE_COUNTER,
                                              .name = "witness.observed",
                                              .integer = true,
                                              .observe = observe,
                                              .observe_context = mark};
    (void)otel_instrument_new(meter, &options);
}

static void send_logs(otel_logger *logger, otel_tracer *tracer, const char *mark) {
    const struct otel_attribute attribute = otel_text("mark", mark);
    OTEL_SPAN_SCOPE(tracer, "logging") {
        struct otel_log_record record = {.severity = OTEL_SEVERITY_ERROR,
                                         .severity_text = "ERROR",
                                         .event_name = "witness.event",
                                         .body = otel_value_string("told", 4),
                                         .attributes = &attribute,
                                         .attribute_count = 1};
        otel_log_emit(logger, &record);
    }
}

int main(int argc, char **argv) {
    char none[] = "none", *mark = argc > 1 ? argv[1] : none;
    struct otel_sdk_options options;
    otel_sdk_options_init(&options);
    options.exit_timeout_ms = FLUSH_MS;
    otel_sdk *sdk = otel_sdk_new(&options);
    otel_tracer *tracer = otel_sdk_tracer(sdk, "witness", "1.2.3");
    send_spans(tracer, mark);
    send_many(sdk, tracer, mark);
    send_metrics(otel_sdk_meter(sdk, "witness", "1.2.3"), tracer, mark);
    send_logs(otel_sdk_logger(sdk, "witness", "1.2.3"), tracer, mark);
    int result = otel_sdk_flush(sdk, FLUSH_MS);
    otel_sdk_free(sdk);
    return result == OTEL_OK ? 0 : 1;
}
