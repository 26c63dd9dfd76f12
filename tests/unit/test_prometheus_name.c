// SPDX-License-Identifier: Apache-2.0
// Names, units and labels as Prometheus wants them.
#include "otel/exporters/prometheus_name.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum kind { SUM, GAUGE, OTHER };
struct name_case {
    const char *name, *unit;
    enum kind kind;
    const char *wanted; // NULL = none
};

static void check(enum otel_prometheus_strategy strategy, const struct name_case *cases, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct otel_prometheus_naming naming = {.strategy = strategy,
                                                .name = fq_str_of(cases[i].name),
                                                .unit = fq_str_of(cases[i].unit),
                                                .is_counter = cases[i].kind == SUM,
                                                .is_gauge = cases[i].kind == GAUGE};
        fq_buf out = {0};
        int error = otel_prometheus_name(&naming, &out);
        if (cases[i].wanted == NULL)
            assert_int_not_equal(error, 0);
        else
            assert_string_equal(fq_buf_str(&out).ptr, cases[i].wanted);
        fq_buf_done(&out);
    }
}

static void prometheus_names_have_unit_and_total_suffixes(void **state) {
    (void)state;
    static const struct name_case cases[] = {
        {"fastqueue.tasks.submitted", "{task}",        SUM,   "fastqueue_tasks_submitted_total"      },
        {"fastqueue.tasks.submitted", "",              SUM,   "fastqueue_tasks_submitted_total"      },
        {"fastqueue.tasks.submitted", "1",             SUM,   "fastqueue_tasks_submitted_total"      },
        {"fastqueue.tasks.submitted", "task",          SUM,   "fastqueue_tasks_submitted_task_total" },
        {"fastqueue.tasks.submitted", "tasks",         SUM,   "fastqueue_tasks_submitted_total"      },
        {"fastqueue.tasks.duration",  "{millisecond}", OTHER, "fastqueue_tasks_duration"             },
        {"fastqueue.tasks.duration",  "ms",            OTHER, "fastqueue_tasks_duration_milliseconds"},
        {"fastqueue.tasks.duration",  "s",             OTHER, "fastqueue_tasks_duration_seconds"     },
        {"fastqueue.workers.active",  "{worker}",      GAUGE, "fastqueue_workers_active"             },
        {"fastqueue.workers.active",  "1",             GAUGE, "fastqueue_workers_active_ratio"       },
        {"fastqueue.workers.active",  "1",             OTHER, "fastqueue_workers_active"             }, // an up-down counter
        {"fastqueue.queue.size",      "By",            GAUGE, "fastqueue_queue_size_bytes"           },
        {"speed",                     "m/s",           GAUGE, "speed_meters_per_second"              },
        {"speed_meters",              "m/s",           GAUGE, "speed_meters_per_second"              },
        {"rate",                      "{request}/s",   GAUGE, "rate_per_second"                      },
        {"total.things.total",        "",              SUM,   "things_total"                         },
        {"memory.usage",              "KiBy",          GAUGE, "memory_usage_kibibytes"               },
        {"cpu",                       "%",             GAUGE, "cpu_percent"                          },
    };
    check(OTEL_PROMETHEUS_UNDERSCORES_WITH_SUFFIXES, cases, sizeof cases / sizeof *cases);
}

static void prometheus_names_are_sanitized(void **state) {
    (void)state;
    static const struct name_case cases[] = {
        {"a-b/c d__e", "",           OTHER, "a_b_c_d_e"   },
        {"_lead_",     "",           OTHER, "lead"        },
        {"2nd",        "",           OTHER, "_2nd"        },
        {"größe",    "",           OTHER, "gr_e"        },
        {"a:b",        "",           OTHER, "a:b"         },
        {"...",        "",           OTHER, NULL          },
        {"",           "s",          OTHER, "seconds"     },
        {"x",          "weird unit", OTHER, "x_weird_unit"},
    };
    check(OTEL_PROMETHEUS_UNDERSCORES_WITH_SUFFIXES, cases, sizeof cases / sizeof *cases);
}

static void prometheus_suffixes_can_be_disabled(void **state) {
    (void)state;
    static const struct name_case cases[] = {
        {"tasks.submitted", "s", SUM,   "tasks_submitted"},
        {"a.ratio",         "1", GAUGE, "a_ratio"        },
        {"9",               "",  SUM,   "_9"             }
    };
    check(OTEL_PROMETHEUS_UNDERSCORES_WITHOUT_SUFFIXES, cases, sizeof cases / sizeof *cases);
}

static void prometheus_names_can_stay_utf8(void **state) {
    (void)state;
    static const struct name_case with[] = {
        {"größe.täglich", "s",   SUM,   "größe.täglich_seconds_total"},
        {"http.total",       "",    SUM,   "http_total"                    },
        {"wait.seconds",     "s",   OTHER, "wait_seconds"                  },
        {"share",            "1",   GAUGE, "share_ratio"                   },
        {"speed",            "m/s", GAUGE, "speed_meters_per_second"       },
    };
    check(OTEL_PROMETHEUS_UTF8_WITH_SUFFIXES, with, sizeof with / sizeof *with);
    static const struct name_case as_is[] = {
        {"größe.täglich", "s", SUM, "größe.täglich"},
        {"",                 "s", SUM, NULL              }
    };
    check(OTEL_PROMETHEUS_UNTRANSLATED, as_is, sizeof as_is / sizeof *as_is);
}

static void prometheus_units_are_full_words(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"s",      "seconds"          },
        {"By",     "bytes"            },
        {"m/s",    "meters_per_second"},
        {"1",      ""                 },
        {"{task}", ""                 },
        {"By/min", "bytes_per_min"    },
        {"Cel",    "celsius"          },
        {"/s",     "per_second"       }
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fq_buf out = {0};
        assert_int_equal(otel_prometheus_unit(fq_str_of(cases[i][0]), &out), 0);
        assert_string_equal(fq_buf_str(&out).ptr, cases[i][1]);
        fq_buf_done(&out);
    }
}

static void prometheus_attribute_keys_are_sanitized(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"task.name", "task_name"},
        {"a..b__c",   "a_b_c"    },
        {"1st",       "key_1st"  },
        {"__name__",  "__name__" },
        {"_x",        "_x"       },
        {"ü",        "_"        }
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fq_buf out = {0};
        assert_int_equal(otel_prometheus_label_name(OTEL_PROMETHEUS_UNDERSCORES_WITH_SUFFIXES,
                                                    fq_str_of(cases[i][0]), &out),
                         0);
        assert_string_equal(fq_buf_str(&out).ptr, cases[i][1]);
        fq_buf_done(&out);
    }
}

static void strategies_are_known_by_their_names(void **state) {
    (void)state;
    enum otel_prometheus_strategy strategy;
    assert_true(otel_prometheus_strategy_parse("NoTranslation", &strategy));
    assert_int_equal(strategy, OTEL_PROMETHEUS_UNTRANSLATED);
    assert_true(otel_prometheus_strategy_parse("UnderscoreEscapingWithoutSuffixes", &strategy));
    assert_int_equal(strategy, OTEL_PROMETHEUS_UNDERSCORES_WITHOUT_SUFFIXES);
    assert_false(otel_prometheus_strategy_parse("notranslation", &strategy));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prometheus_names_have_unit_and_total_suffixes),
        cmocka_unit_test(prometheus_names_are_sanitized),
        cmocka_unit_test(prometheus_suffixes_can_be_disabled),
        cmocka_unit_test(prometheus_names_can_stay_utf8),
        cmocka_unit_test(prometheus_units_are_full_words),
        cmocka_unit_test(prometheus_attribute_keys_are_sanitized),
        cmocka_unit_test(strategies_are_known_by_their_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
