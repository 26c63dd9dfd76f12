// SPDX-License-Identifier: Apache-2.0
#include "otel/wire/json_schema.h"

#define MESSAGE(fields)                                                                                      \
    { fields, sizeof fields / sizeof fields[0] }
#define FIELD(number, kind, name)                                                                            \
    { number, OTEL_JSON_##kind, false, name, NULL }
#define MANY(number, kind, name)                                                                             \
    { number, OTEL_JSON_##kind, true, name, NULL }
#define ONE_OF(number, name, message)                                                                        \
    { number, OTEL_JSON_MESSAGE, false, name, &message }
#define MANY_OF(number, name, message)                                                                       \
    { number, OTEL_JSON_MESSAGE, true, name, &message }

// --- common ----------------------------------------------------------------------------------------------------------
static const struct otel_json_message key_value, array_value, key_value_list;

static const struct otel_json_field any_value_fields[] = {
    FIELD(1, STRING, "stringValue"),      FIELD(2, BOOL, "boolValue"),
    FIELD(3, INT64, "intValue"),          FIELD(4, DOUBLE, "doubleValue"),
    ONE_OF(5, "arrayValue", array_value), ONE_OF(6, "kvlistValue", key_value_list),
    FIELD(7, BASE64, "bytesValue"),
};
static const struct otel_json_message any_value = MESSAGE(any_value_fields);
static const struct otel_json_field key_value_fields[] = {
    FIELD(1, STRING, "key"),
    ONE_OF(2, "value", any_value),
};
static const struct otel_json_message key_value = MESSAGE(key_value_fields);
static const struct otel_json_field array_value_fields[] = {MANY_OF(1, "values", any_value)};
static const struct otel_json_message array_value = MESSAGE(array_value_fields);
static const struct otel_json_field key_value_list_fields[] = {MANY_OF(1, "values", key_value)};
static const struct otel_json_message key_value_list = MESSAGE(key_value_list_fields);

static const struct otel_json_field entity_fields[] = {
    FIELD(1, STRING, "schemaUrl"),
    FIELD(2, STRING, "type"),
    MANY(3, STRING, "idKeys"),
    MANY(4, STRING, "descriptionKeys"),
};
static const struct otel_json_message entity = MESSAGE(entity_fields);
static const struct otel_json_field resource_fields[] = {
    MANY_OF(1, "attributes", key_value),
    FIELD(2, INT32, "droppedAttributesCount"),
    MANY_OF(3, "entityRefs", entity),
};
static const struct otel_json_message resource = MESSAGE(resource_fields);
static const struct otel_json_field scope_fields[] = {
    FIELD(1, STRING, "name"),
    FIELD(2, STRING, "version"),
    MANY_OF(3, "attributes", key_value),
    FIELD(4, INT32, "droppedAttributesCount"),
};
static const struct otel_json_message scope = MESSAGE(scope_fields);

// --- traces ----------------------------------------------------------------------------------------------------------
static const struct otel_json_field event_fields[] = {
    FIELD(1, FIXED64, "timeUnixNano"),
    FIELD(2, STRING, "name"),
    MANY_OF(3, "attributes", key_value),
    FIELD(4, INT32, "droppedAttributesCount"),
};
static const struct otel_json_message event = MESSAGE(event_fields);
static const struct otel_json_field link_fields[] = {
    FIELD(1, HEX, "traceId"),
    FIELD(2, HEX, "spanId"),
    FIELD(3, STRING, "traceState"),
    MANY_OF(4, "attributes", key_value),
    FIELD(5, INT32, "droppedAttributesCount"),
    FIELD(6, FIXED32, "flags"),
};
static const struct otel_json_message link = MESSAGE(link_fields);
static const struct otel_json_field status_fields[] = {
    FIELD(2, STRING, "message"),
    FIELD(3, INT32, "code"),
};
static const struct otel_json_message status = MESSAGE(status_fields);
static const struct otel_json_field span_fields[] = {
    FIELD(1, HEX, "traceId"),
    FIELD(2, HEX, "spanId"),
    FIELD(3, STRING, "traceState"),
    FIELD(4, HEX, "parentSpanId"),
    FIELD(5, STRING, "name"),
    FIELD(6, INT32, "kind"),
    FIELD(7, FIXED64, "startTimeUnixNano"),
    FIELD(8, FIXED64, "endTimeUnixNano"),
    MANY_OF(9, "attributes", key_value),
    FIELD(10, INT32, "droppedAttributesCount"),
    MANY_OF(11, "events", event),
    FIELD(12, INT32, "droppedEventsCount"),
    MANY_OF(13, "links", link),
    FIELD(14, INT32, "droppedLinksCount"),
    ONE_OF(15, "status", status),
    FIELD(16, FIXED32, "flags"),
};
static const struct otel_json_message span = MESSAGE(span_fields);

// --- metrics ---------------------------------------------------------------------------------------------------------
static const struct otel_json_field exemplar_fields[] = {
    FIELD(2, FIXED64, "timeUnixNano"), FIELD(3, DOUBLE, "asDouble"),
    FIELD(4, HEX, "spanId"),           FIELD(5, HEX, "traceId"),
    FIELD(6, SFIXED64, "asInt"),       MANY_OF(7, "filteredAttributes", key_value),
};
static const struct otel_json_message exemplar = MESSAGE(exemplar_fields);
static const struct otel_json_field number_point_fields[] = {
    FIELD(2, FIXED64, "startTimeUnixNano"),
    FIELD(3, FIXED64, "timeUnixNano"),
    FIELD(4, DOUBLE, "asDouble"),
    MANY_OF(5, "exemplars", exemplar),
    FIELD(6, SFIXED64, "asInt"),
    MANY_OF(7, "attributes", key_value),
    FIELD(8, INT32, "flags"),
};
static const struct otel_json_message number_point = MESSAGE(number_point_fields);
static const struct otel_json_field histogram_point_fields[] = {
    FIELD(2, FIXED64, "startTimeUnixNano"),
    FIELD(3, FIXED64, "timeUnixNano"),
    FIELD(4, FIXED64, "count"),
    FIELD(5, DOUBLE, "sum"),
    MANY(6, FIXED64, "bucketCounts"),
    MANY(7, DOUBLE, "explicitBounds"),
    MANY_OF(8, "exemplars", exemplar),
    MANY_OF(9, "attributes", key_value),
    FIELD(10, INT32, "flags"),
    FIELD(11, DOUBLE, "min"),
    FIELD(12, DOUBLE, "max"),
};
static const struct otel_json_message histogram_point = MESSAGE(histogram_point_fields);
static const struct otel_json_field bucket_fields[] = {
    FIELD(1, SINT32, "offset"),
    MANY(2, UINT64, "bucketCounts"),
};
static const struct otel_json_message buckets = MESSAGE(bucket_fields);
static const struct otel_json_field exponential_point_fields[] = {
    MANY_OF(1, "attributes", key_value),
    FIELD(2, FIXED64, "startTimeUnixNano"),
    FIELD(3, FIXED64, "timeUnixNano"),
    FIELD(4, FIXED64, "count"),
    FIELD(5, DOUBLE, "sum"),
    FIELD(6, SINT32, "scale"),
    FIELD(7, FIXED64, "zeroCount"),
    ONE_OF(8, "positive", buckets),
    ONE_OF(9, "negative", buckets),
    FIELD(10, INT32, "flags"),
    MANY_OF(11, "exemplars", exemplar),
    FIELD(12, DOUBLE, "min"),
    FIELD(13, DOUBLE, "max"),
    FIELD(14, DOUBLE, "zeroThreshold"),
};
static const struct otel_json_message exponential_point = MESSAGE(exponential_point_fields);
static const struct otel_json_field quantile_fields[] = {
    FIELD(1, DOUBLE, "quantile"),
    FIELD(2, DOUBLE, "value"),
};
static const struct otel_json_message quantile = MESSAGE(quantile_fields);
static const struct otel_json_field summary_point_fields[] = {
    FIELD(2, FIXED64, "startTimeUnixNano"),
    FIELD(3, FIXED64, "timeUnixNano"),
    FIELD(4, FIXED64, "count"),
    FIELD(5, DOUBLE, "sum"),
    MANY_OF(6, "quantileValues", quantile),
    MANY_OF(7, "attributes", key_value),
    FIELD(8, INT32, "flags"),
};
static const struct otel_json_message summary_point = MESSAGE(summary_point_fields);

static const struct otel_json_field gauge_fields[] = {MANY_OF(1, "dataPoints", number_point)};
static const struct otel_json_message gauge = MESSAGE(gauge_fields);
static const struct otel_json_field sum_fields[] = {
    MANY_OF(1, "dataPoints", number_point),
    FIELD(2, INT32, "aggregationTemporality"),
    FIELD(3, BOOL, "isMonotonic"),
};
static const struct otel_json_message sum = MESSAGE(sum_fields);
static const struct otel_json_field histogram_fields[] = {
    MANY_OF(1, "dataPoints", histogram_point),
    FIELD(2, INT32, "aggregationTemporality"),
};
static const struct otel_json_message histogram = MESSAGE(histogram_fields);
static const struct otel_json_field exponential_fields[] = {
    MANY_OF(1, "dataPoints", exponential_point),
    FIELD(2, INT32, "aggregationTemporality"),
};
static const struct otel_json_message exponential = MESSAGE(exponential_fields);
static const struct otel_json_field summary_fields[] = {MANY_OF(1, "dataPoints", summary_point)};
static const struct otel_json_message summary = MESSAGE(summary_fields);
static const struct otel_json_field metric_fields[] = {
    FIELD(1, STRING, "name"),
    FIELD(2, STRING, "description"),
    FIELD(3, STRING, "unit"),
    ONE_OF(5, "gauge", gauge),
    ONE_OF(7, "sum", sum),
    ONE_OF(9, "histogram", histogram),
    ONE_OF(10, "exponentialHistogram", exponential),
    ONE_OF(11, "summary", summary),
    MANY_OF(12, "metadata", key_value),
};
static const struct otel_json_message metric = MESSAGE(metric_fields);

// --- logs ------------------------------------------------------------------------------------------------------------
static const struct otel_json_field log_fields[] = {
    FIELD(1, FIXED64, "timeUnixNano"),
    FIELD(2, INT32, "severityNumber"),
    FIELD(3, STRING, "severityText"),
    ONE_OF(5, "body", any_value),
    MANY_OF(6, "attributes", key_value),
    FIELD(7, INT32, "droppedAttributesCount"),
    FIELD(8, FIXED32, "flags"),
    FIELD(9, HEX, "traceId"),
    FIELD(10, HEX, "spanId"),
    FIELD(11, FIXED64, "observedTimeUnixNano"),
    FIELD(12, STRING, "eventName"),
};
static const struct otel_json_message log_record = MESSAGE(log_fields);

// --- envelopes -------------------------------------------------------------------------------------------------------
#define ENVELOPE(signal, item, items, scopes, resources)                                                     \
    static const struct otel_json_field signal##_scope_fields[] = {                                          \
        ONE_OF(1, "scope", scope), MANY_OF(2, items, item), FIELD(3, STRING, "schemaUrl")};                  \
    static const struct otel_json_message signal##_scope = MESSAGE(signal##_scope_fields);                   \
    static const struct otel_json_field signal##_resource_fields[] = {                                       \
        ONE_OF(1, "resource", resource), MANY_OF(2, scopes, signal##_scope), FIELD(3, STRING, "schemaUrl")}; \
    static const struct otel_json_message signal##_resource = MESSAGE(signal##_resource_fields);             \
    static const struct otel_json_field signal##_fields[] = {MANY_OF(1, resources, signal##_resource)};      \
    static const struct otel_json_message signal = MESSAGE(signal##_fields)

ENVELOPE(traces, span, "spans", "scopeSpans", "resourceSpans");
ENVELOPE(metrics, metric, "metrics", "scopeMetrics", "resourceMetrics");
ENVELOPE(logs, log_record, "logRecords", "scopeLogs", "resourceLogs");

const struct otel_json_message *otel_json_root(enum otel_signal signal) {
    return signal == OTEL_SIGNAL_TRACES ? &traces : signal == OTEL_SIGNAL_METRICS ? &metrics : &logs;
}
