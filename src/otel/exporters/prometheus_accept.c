// SPDX-License-Identifier: Apache-2.0
// Which of the two text formats a scraper wants, from its Accept header.
#include "otel/exporters/prometheus_text.h"

static fq_str trimmed(fq_str text) {
    while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t'))
        text = (fq_str){text.ptr + 1, text.len - 1};
    while (text.len > 0 && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t'))
        text.len--;
    return text;
}

// Cuts the part in front of `separator` off the text and returns it.
static fq_str take_part(fq_str *text, char separator) {
    const char *end = memchr(text->ptr, separator, text->len);
    fq_str part = {text->ptr, end != NULL ? (size_t)(end - text->ptr) : text->len};
    size_t used = end != NULL ? part.len + 1 : part.len;
    *text = (fq_str){text->ptr + used, text->len - used};
    return trimmed(part);
}

// "0.75" as 750; 1000 for what is no number between 0 and 1.
static int thousandths(fq_str text) {
    if (text.len == 0 || (text.ptr[0] != '0' && text.ptr[0] != '1'))
        return 1000;
    int value = (text.ptr[0] - '0') * 1000, scale = 100;
    for (size_t i = 2; i < text.len && i < 5 && text.ptr[1] == '.'; i++, scale /= 10) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            break;
        value += (text.ptr[i] - '0') * scale;
    }
    return value > 1000 ? 1000 : value;
}

enum otel_prometheus_format otel_prometheus_negotiate(fq_str accept) {
    int open_metrics = 0, text = 0;
    while (accept.len > 0) {
        fq_str range = take_part(&accept, ',');
        fq_str type = take_part(&range, ';');
        int quality = 1000;
        while (range.len > 0) {
            fq_str parameter = take_part(&range, ';');
            fq_str name = take_part(&parameter, '=');
            if (fq_str_equal_nocase(name, FQ_STR("q")))
                quality = thousandths(trimmed(parameter));
        }
        int *wanted =
            fq_str_equal_nocase(type, FQ_STR("application/openmetrics-text")) ? &open_metrics : &text;
        if (quality > *wanted)
            *wanted = quality;
    }
    return open_metrics > 0 && open_metrics >= text ? OTEL_PROMETHEUS_OPENMETRICS : OTEL_PROMETHEUS_TEXT;
}

const char *otel_prometheus_content_type(enum otel_prometheus_format format) {
    return format == OTEL_PROMETHEUS_OPENMETRICS
               ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
               : "text/plain; version=0.0.4; charset=utf-8";
}
