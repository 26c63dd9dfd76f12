// SPDX-License-Identifier: Apache-2.0
// Traces and meters a C program. Build it against the installed library:
//     cc trace_and_meter.c $(pkg-config --cflags --libs otel-c) -o trace_and_meter
// Where it sends to is said by OTEL_* variables; OTEL_TRACES_EXPORTER=console prints.
#include <otel/sdk.h>

static void charge(otel_tracer *tracer, otel_instrument *charged, const char *customer, int cents) {
    const struct otel_attribute attributes[] = {otel_text("customer", customer), otel_int("cents", cents)};
    struct otel_span_options options = {
        .kind = OTEL_SPAN_CLIENT, .attributes = attributes, .attribute_count = 2};
    otel_span *span = otel_span_start(tracer, "charge", &options);
    if (cents < 0) {
        otel_span_record_exception(span, "BadAmount", "an amount has to be positive", NULL, NULL, 0);
        otel_span_set_status(span, OTEL_STATUS_ERROR, "an amount has to be positive");
    } else {
        otel_record(charged, cents / 100.0, attributes, 1);
    }
    otel_span_end(span);
}

int main(void) {
    struct otel_sdk_options options;
    otel_sdk_options_init(&options);
    options.service_name = "shop";
    otel_sdk *sdk = otel_sdk_new(&options);
    otel_tracer *tracer = otel_sdk_tracer(sdk, "shop", "1.0");
    otel_instrument *charged =
        otel_histogram(otel_sdk_meter(sdk, "shop", "1.0"), "shop.charged", "EUR", "Amounts charged", NULL, 0);
    OTEL_SPAN_SCOPE(tracer, "close the day") { // what is started inside is its child
        charge(tracer, charged, "alice", 1999);
        charge(tracer, charged, "bob", -1);
    }
    otel_sdk_free(sdk); // sends what is left
    return 0;
}
