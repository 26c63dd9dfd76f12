// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>

#include "otel/exporters/prometheus_text.h"

static void write_all(fq_buf *out, enum otel_prometheus_format format) {
    static const double bounds[] = {0.5, 5, 10000};
    static const uint64_t buckets[] = {1, 2, 0, 4};
    struct otel_prometheus_exemplar exemplars[4] = {
        [1] = {.value = 1.25, .wall_us = 1700000000123456, .trace_id = {0xab, 0x01}, .span_id = {0xcd}}
    };
    struct otel_prometheus_histogram histogram = {bounds, buckets, 3, 12.5, exemplars};
    struct otel_prometheus_label labels[] = {
        {"task_name", FQ_STR("a\"b\\c\nd")},
        {"worker_id", FQ_STR("w")         }
    };
    struct otel_prometheus_writer writer;
    otel_prometheus_begin(&writer, out, format);
    otel_prometheus_family(&writer, "jobs", OTEL_PROMETHEUS_COUNTER, NULL, "Jobs \"done\"\\\nso far");
    otel_prometheus_sample_count(&writer, labels, 1, UINT64_MAX);
    otel_prometheus_family(&writer, "run_seconds", OTEL_PROMETHEUS_HISTOGRAM, "seconds", "Run.");
    otel_prometheus_write_histogram(&writer, &labels[1], 1, &histogram);
    otel_prometheus_family(&writer, "load", OTEL_PROMETHEUS_GAUGE, NULL, "Load.");
    otel_prometheus_sample(&writer, NULL, 0, 0.1);
    otel_prometheus_sample(&writer, &labels[1], 1, NAN);
    otel_prometheus_sample(&writer, &labels[1], 1, -INFINITY);
    assert_int_equal(otel_prometheus_end(&writer), 0);
    assert_int_equal(fq_buf_append_byte(out, 0), 0);
}

static void text_format(void **state) {
    (void)state;
    fq_buf out = {0};
    write_all(&out, OTEL_PROMETHEUS_TEXT);
    assert_string_equal(fq_buf_str(&out).ptr,
                        "# HELP jobs_total Jobs \"done\"\\\\\\nso far\n"
                        "# TYPE jobs_total counter\n"
                        "jobs_total{task_name=\"a\\\"b\\\\c\\nd\"} 18446744073709551615\n"
                        "# HELP run_seconds Run.\n"
                        "# TYPE run_seconds histogram\n"
                        "run_seconds_bucket{worker_id=\"w\",le=\"0.5\"} 1\n"
                        "run_seconds_bucket{worker_id=\"w\",le=\"5\"} 3\n"
                        "run_seconds_bucket{worker_id=\"w\",le=\"10000\"} 3\n"
                        "run_seconds_bucket{worker_id=\"w\",le=\"+Inf\"} 7\n"
                        "run_seconds_count{worker_id=\"w\"} 7\n"
                        "run_seconds_sum{worker_id=\"w\"} 12.5\n"
                        "# HELP load Load.\n"
                        "# TYPE load gauge\n"
                        "load 0.1\n"
                        "load{worker_id=\"w\"} NaN\n"
                        "load{worker_id=\"w\"} -Inf\n");
    fq_buf_done(&out);
}

static void open_metrics_format(void **state) {
    (void)state;
    fq_buf out = {0};
    write_all(&out, OTEL_PROMETHEUS_OPENMETRICS);
    assert_string_equal(
        fq_buf_str(&out).ptr,
        "# HELP jobs Jobs \\\"done\\\"\\\\\\nso far\n"
        "# TYPE jobs counter\n"
        "jobs_total{task_name=\"a\\\"b\\\\c\\nd\"} 18446744073709551615\n"
        "# HELP run_seconds Run.\n"
        "# TYPE run_seconds histogram\n"
        "# UNIT run_seconds seconds\n"
        "run_seconds_bucket{worker_id=\"w\",le=\"0.5\"} 1\n"
        "run_seconds_bucket{worker_id=\"w\",le=\"5.0\"} 3 # "
        "{trace_id=\"ab010000000000000000000000000000\",span_id=\"cd00000000000000\"} 1.25 1700000000.123\n"
        "run_seconds_bucket{worker_id=\"w\",le=\"10000.0\"} 3\n"
        "run_seconds_bucket{worker_id=\"w\",le=\"+Inf\"} 7\n"
        "run_seconds_count{worker_id=\"w\"} 7\n"
        "run_seconds_sum{worker_id=\"w\"} 12.5\n"
        "# HELP load Load.\n"
        "# TYPE load gauge\n"
        "load 0.1\n"
        "load{worker_id=\"w\"} NaN\n"
        "load{worker_id=\"w\"} -Inf\n"
        "# EOF\n");
    fq_buf_done(&out);
}

static void accept_header_chooses(void **state) {
    (void)state;
    static const struct {
        const char *accept;
        enum otel_prometheus_format format;
    } rows[] = {
        {"",                                                                        OTEL_PROMETHEUS_TEXT       },
        {"*/*",                                                                     OTEL_PROMETHEUS_TEXT       },
        {"text/plain",                                                              OTEL_PROMETHEUS_TEXT       },
        {"application/openmetrics-text",                                            OTEL_PROMETHEUS_OPENMETRICS},
        {"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
         "text/plain;version=0.0.4;q=0.4,*/*;q=0.2",                       OTEL_PROMETHEUS_OPENMETRICS},
        {"application/openmetrics-text; version=1.0.0; q = 0.3 , text/plain;q=0.5", OTEL_PROMETHEUS_TEXT       },
        {"application/openmetrics-text;q=0",                                        OTEL_PROMETHEUS_TEXT       },
        {";;,,=q;q=",                                                               OTEL_PROMETHEUS_TEXT       },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (otel_prometheus_negotiate(fq_str_of(rows[i].accept)) != rows[i].format)
            fail_msg("%s", rows[i].accept);
}

static void failure_is_remembered(void **state) {
    (void)state;
    fq_buf out;
    fq_buf_init(&out, 64);
    struct otel_prometheus_writer writer;
    otel_prometheus_begin(&writer, &out, OTEL_PROMETHEUS_TEXT);
    for (int i = 0; i < 10; i++)
        otel_prometheus_family(&writer, "some_name", OTEL_PROMETHEUS_GAUGE, NULL, "Long enough to fill it.");
    assert_int_equal(otel_prometheus_end(&writer), FQ_ETOOBIG);
    fq_buf_done(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_format),
        cmocka_unit_test(open_metrics_format),
        cmocka_unit_test(accept_header_chooses),
        cmocka_unit_test(failure_is_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
