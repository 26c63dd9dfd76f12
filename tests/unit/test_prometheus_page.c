// SPDX-License-Identifier: Apache-2.0
// The pull exporter's page: what instruments and producers become on it, and who serves it.
#include "otel/exporters/prometheus_server.h"
#include "otel/wire/protobuf.h"
#include "support/metrics_probe.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct page {
    struct probe_world world;
    otel_meter_provider *provider;
    otel_prometheus_families *families;
    fq_buf text;
};

static void resource_bytes(uint8_t *out, size_t *ret_len) {
    static const char key[] = "service.name", value[] = "shop";
    struct otel_pb pb = otel_pb_begin(out, 64);
    otel_pb_tag(&pb, 1, OTEL_PB_BYTES);
    otel_pb_varint(&pb, 2 + 12 + 2 + 2 + 4);
    otel_pb_bytes(&pb, 1, key, 12);
    otel_pb_tag(&pb, 2, OTEL_PB_BYTES);
    otel_pb_varint(&pb, 6);
    otel_pb_bytes(&pb, 1, value, 4);
    *ret_len = (size_t)(pb.at - out);
}

static void begin(struct page *page, struct otel_prometheus_options options) {
    memset(page, 0, sizeof *page);
    probe_world_init(&page->world);
    uint8_t resource[64];
    size_t resource_len;
    resource_bytes(resource, &resource_len);
    static const struct otel_reader_options reader;
    struct otel_meter_provider_options provider = {.runtime = &page->world.runtime,
                                                   .resource = resource,
                                                   .resource_len = resource_len,
                                                   .readers = &reader,
                                                   .reader_count = 1};
    page->provider = otel_meter_provider_new(&provider);
    options.runtime = &page->world.runtime;
    page->families = otel_prometheus_families_new(&options);
    assert_true(page->provider != NULL && page->families != NULL);
}

static const char *render(struct page *page, enum otel_prometheus_format format) {
    fq_buf bytes = {0};
    size_t points;
    assert_int_equal(otel_meter_provider_collect(page->provider, 0, &bytes, &points), OTEL_OK);
    assert_int_equal(
        otel_prometheus_families_take(page->families, fq_buf_str(&bytes).ptr, fq_buf_len(&bytes)), OTEL_OK);
    fq_buf_done(&bytes);
    fq_buf_clear(&page->text);
    assert_int_equal(otel_prometheus_families_write(page->families, format, &page->text), 0);
    assert_int_equal(fq_buf_append_byte(&page->text, 0), 0);
    return fq_buf_str(&page->text).ptr;
}

static void end(struct page *page) {
    fq_buf_done(&page->text);
    otel_prometheus_families_free(page->families);
    otel_meter_provider_free(page->provider);
}

static void has(const char *text, const char *wanted) {
    if (strstr(text, wanted) == NULL)
        fail_msg("'%s' is not in:\n%s", wanted, text);
}
static void has_not(const char *text, const char *unwanted) {
    if (strstr(text, unwanted) != NULL)
        fail_msg("'%s' is in:\n%s", unwanted, text);
}
static size_t occurrences(const char *text, const char *what) {
    size_t count = 0;
    for (; (text = strstr(text, what)) != NULL; text++)
        count++;
    return count;
}

static otel_meter *meter_of(struct page *page, const char *name) {
    struct otel_attribute attribute = otel_text("tier", "gold");
    struct otel_scope_info scope = {.name = name,
                                    .version = "2",
                                    .schema_url = "http://s",
                                    .attributes = &attribute,
                                    .attribute_count = 1};
    return otel_meter_get(page->provider, &scope);
}

static void prometheus_gauges_counters_and_histograms(void **state) {
    (void)state;
    struct page page;
    begin(&page, (struct otel_prometheus_options){.without_scope_info = true});
    otel_meter *meter = meter_of(&page, "m");
    struct otel_attribute route = otel_text("http.route", "/a\"b\\c\nd");
    otel_add(otel_counter(meter, "requests", "{request}", "Served\nall \\"), 3, &route, 1);
    otel_add(otel_up_down_counter(meter, "open", NULL, ""), -2, NULL, 0);
    otel_record(otel_gauge(meter, "heat", "Cel", ""), 20.5, NULL, 0);
    static const double bounds[] = {1, 10};
    otel_instrument *histogram = otel_histogram(meter, "took", "s", "", bounds, 2);
    otel_record(histogram, 1, NULL, 0);
    otel_record(histogram, 5, NULL, 0);
    otel_record(histogram, 50, NULL, 0);
    const char *text = render(&page, OTEL_PROMETHEUS_TEXT);
    has(text, "# HELP requests_total Served\\nall \\\\\n# TYPE requests_total counter\n"
              "requests_total{http_route=\"/a\\\"b\\\\c\\nd\"} 3\n");
    has(text, "# TYPE open gauge\nopen -2\n");
    has(text, "# TYPE heat_celsius gauge\nheat_celsius 20.5\n");
    has(text,
        "# TYPE took_seconds histogram\ntook_seconds_bucket{le=\"1\"} 1\ntook_seconds_bucket{le=\"10\"} 2\n"
        "took_seconds_bucket{le=\"+Inf\"} 3\ntook_seconds_count 3\ntook_seconds_sum 56\n");
    text = render(&page, OTEL_PROMETHEUS_OPENMETRICS);
    has(text, "# TYPE requests counter\n");
    has(text, "# UNIT took_seconds seconds\n");
    has(text, "# UNIT heat_celsius celsius\n");
    has(text, "requests_total{");
    has(text, "# EOF\n");
    end(&page);
}

static void prometheus_scope_labels_and_their_switch(void **state) {
    (void)state;
    struct page page;
    begin(&page, (struct otel_prometheus_options){0});
    otel_add(otel_counter(meter_of(&page, "my.scope"), "a", NULL, NULL), 1, NULL, 0);
    has(render(&page, OTEL_PROMETHEUS_TEXT),
        "a_total{otel_scope_tier=\"gold\",otel_scope_name=\"my.scope\",otel_scope_version=\"2\","
        "otel_scope_schema_url=\"http://s\"} 1\n");
    end(&page);
    begin(&page, (struct otel_prometheus_options){.without_scope_info = true});
    otel_add(otel_counter(meter_of(&page, "my.scope"), "a", NULL, NULL), 1, NULL, 0);
    has(render(&page, OTEL_PROMETHEUS_TEXT), "a_total 1\n");
    end(&page);
}

static void prometheus_target_info_from_resource(void **state) {
    (void)state;
    struct page page;
    begin(&page, (struct otel_prometheus_options){0});
    otel_add(otel_counter(meter_of(&page, "m"), "a", NULL, NULL), 1, NULL, 0);
    const char *text = render(&page, OTEL_PROMETHEUS_TEXT);
    has(text, "# TYPE target_info gauge\ntarget_info{service_name=\"shop\"} 1\n");
    assert_int_equal(occurrences(text, "\ntarget_info{"), 1);
    text = render(&page, OTEL_PROMETHEUS_OPENMETRICS);
    has(text, "# TYPE target info\ntarget_info{service_name=\"shop\"} 1\n");
    end(&page);
    begin(&page, (struct otel_prometheus_options){.without_target_info = true});
    otel_add(otel_counter(meter_of(&page, "m"), "a", NULL, NULL), 1, NULL, 0);
    has_not(render(&page, OTEL_PROMETHEUS_TEXT), "target_info");
    end(&page);
}

static void prometheus_metadata_is_told_once(void **state) {
    (void)state;
    struct page page;
    begin(&page, (struct otel_prometheus_options){0});
    otel_add(otel_counter(meter_of(&page, "one"), "jobs.done", NULL, "First"), 1, NULL, 0);
    otel_add(otel_counter(meter_of(&page, "two"), "jobs_done", NULL, "Second"), 2, NULL, 0);
    otel_record(otel_gauge(meter_of(&page, "three"), "jobs.done.total", NULL, "Third"), 3, NULL, 0);
    const char *text = render(&page, OTEL_PROMETHEUS_TEXT);
    assert_int_equal(occurrences(text, "# TYPE jobs_done_total "),
                     1); // the gauge is left out, and that is said
    has(page.world.reports, "different types");
    has(text, "otel_scope_name=\"one\"");
    has(text, "otel_scope_name=\"two\"");
    has(text, "# HELP jobs_done_total First\n");
    has_not(text, "Second");
    end(&page);
}

static void prometheus_colliding_keys_are_joined(void **state) {
    (void)state;
    struct page page;
    begin(&page, (struct otel_prometheus_options){.without_scope_info = true});
    struct otel_attribute attributes[] = {otel_text("foo_bar", "b"), otel_text("foo.bar", "a"),
                                          otel_int("n", 7), otel_bool("yes", true)};
    otel_add(otel_counter(meter_of(&page, "m"), "a", NULL, NULL), 1, attributes, 4);
    has(render(&page, OTEL_PROMETHEUS_TEXT), "a_total{foo_bar=\"a;b\",n=\"7\",yes=\"true\"} 1\n");
    end(&page);
}

static void prometheus_exemplars_of_histograms_and_counters(void **state) {
    (void)state;
    struct page page;
    begin(&page, (struct otel_prometheus_options){.without_scope_info = true, .without_target_info = true});
    page.world.unix_ns = 1500000000;
    otel_meter *meter = meter_of(&page, "m");
    struct otel_span_context span = {.flags = OTEL_FLAG_SAMPLED};
    memset(span.trace_id, 0xab, 16);
    memset(span.span_id, 0xcd, 8);
    static const double bounds[] = {1};
    otel_measure(otel_histogram(meter, "took", "s", "", bounds, 1), 3, NULL, 0, &span);
    otel_measure(otel_counter(meter, "done", NULL, ""), 2, NULL, 0, &span);
    const char *text = render(&page, OTEL_PROMETHEUS_OPENMETRICS);
    has(text, "took_seconds_bucket{le=\"+Inf\"} 1 # {trace_id=\"abababababababababababababababab\","
              "span_id=\"cdcdcdcdcdcdcdcd\"} 3 1.500\n");
    has(text, "done_total 2 # {trace_id=\"abababababababababababababababab\",span_id=\"cdcdcdcdcdcdcdcd\"} 2 "
              "1.500\n");
    has_not(render(&page, OTEL_PROMETHEUS_TEXT), "trace_id");
    end(&page);
}

static void prometheus_total_suffix_can_be_disabled(void **state) {
    (void)state;
    struct page page;
    begin(&page, (struct otel_prometheus_options){.strategy = OTEL_PROMETHEUS_UNDERSCORES_WITHOUT_SUFFIXES,
                                                  .without_scope_info = true});
    otel_add(otel_counter(meter_of(&page, "m"), "jobs.done", "s", NULL), 1, NULL, 0);
    has(render(&page, OTEL_PROMETHEUS_TEXT), "# TYPE jobs_done counter\njobs_done 1\n");
    end(&page);
    begin(&page, (struct otel_prometheus_options){.strategy = OTEL_PROMETHEUS_UNTRANSLATED,
                                                  .without_scope_info = true});
    struct otel_attribute attribute = otel_text("task.name", "t");
    otel_add(otel_counter(meter_of(&page, "m"), "jobs.done", "s", NULL), 1, &attribute, 1);
    has(render(&page, OTEL_PROMETHEUS_TEXT),
        "# TYPE \"jobs.done\" counter\n{\"jobs.done\",\"task.name\"=\"t\"} 1\n");
    end(&page);
}

static void produce_deltas(void *context, otel_point_writer *writer, int64_t now) {
    int *turn = context;
    static const double bounds[] = {1};
    uint64_t buckets[] = {1, 2};
    struct otel_point_histogram histogram = {
        .bounds = bounds, .buckets = buckets, .bound_count = 1, .sum = 7};
    otel_point_metric(writer, OTEL_COUNTER, "c", NULL, NULL, OTEL_TEMPORALITY_DELTA);
    otel_point_int(writer, NULL, 0, now - 1, 5);
    otel_point_metric(writer, OTEL_UP_DOWN_COUNTER, "u", NULL, NULL, OTEL_TEMPORALITY_DELTA);
    otel_point_double(writer, NULL, 0, now - 1, *turn == 0 ? 3 : -1);
    if (*turn < 2) {
        otel_point_metric(writer, OTEL_HISTOGRAM, "h", NULL, NULL, OTEL_TEMPORALITY_DELTA);
        otel_point_histogram(writer, NULL, 0, now - 1, &histogram);
    }
    otel_point_metric(writer, OTEL_GAUGE, "g", NULL, NULL, OTEL_TEMPORALITY_CUMULATIVE);
    if (*turn < 1)
        otel_point_int(writer, NULL, 0, 0, 1);
    else
        otel_point_ended(writer, NULL, 0);
    (*turn)++;
}

static void prometheus_delta_sums_become_cumulative(void **state) {
    (void)state;
    struct page page;
    begin(&page, (struct otel_prometheus_options){.without_scope_info = true});
    int turn = 0;
    struct otel_metric_producer producer = {.produce = produce_deltas, .context = &turn};
    assert_int_equal(otel_meter_provider_add_producer(page.provider, &producer), OTEL_OK);
    has(render(&page, OTEL_PROMETHEUS_TEXT), "\ng 1\n");
    const char *text = render(&page, OTEL_PROMETHEUS_TEXT);
    has(text, "\nc_total 10\n");
    has(text, "\nu 2\n");
    has_not(text, "\ng 1\n"); // it has ended
    end(&page);
}

static void prometheus_delta_histograms_become_cumulative(void **state) {
    (void)state;
    struct page page;
    begin(&page, (struct otel_prometheus_options){.without_scope_info = true});
    int turn = 0;
    struct otel_metric_producer producer = {.produce = produce_deltas, .context = &turn};
    assert_int_equal(otel_meter_provider_add_producer(page.provider, &producer), OTEL_OK);
    for (int i = 0; i < 2; i++)
        (void)render(&page, OTEL_PROMETHEUS_TEXT);
    const char *text = render(&page, OTEL_PROMETHEUS_TEXT); // nothing new in this one, and nothing lost
    has(text, "h_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 6\nh_count 6\nh_sum 14\n");
    end(&page);
}

static void prometheus_exponential_histograms_have_buckets(void **state) {
    (void)state;
    struct page page;
    begin(&page, (struct otel_prometheus_options){.without_scope_info = true});
    struct otel_reader_options reader = {0};
    reader.aggregation[OTEL_HISTOGRAM] = OTEL_AGGREGATE_EXPONENTIAL_HISTOGRAM;
    otel_meter_provider_free(page.provider);
    page.provider = probe_provider(&page.world, &reader);
    otel_instrument *histogram = otel_histogram(meter_of(&page, "m"), "h", NULL, NULL, NULL, 0);
    const double values[] = {0, 1, 2, 4, 8};
    for (int i = 0; i < 5; i++)
        otel_record(histogram, values[i], NULL, 0);
    const char *text = render(&page, OTEL_PROMETHEUS_TEXT);
    has(text, "h_bucket{le=\"0\"} 1\n");
    has(text, "h_bucket{le=\"1\"} 2\n");
    has(text, "h_bucket{le=\"4\"} 4\n");
    has(text, "h_bucket{le=\"+Inf\"} 5\nh_count 5\nh_sum 15\n");
    end(&page);
}

// --- over HTTP -------------------------------------------------------------------------------------------------------
// Values that are no text are shown as their JSON; a label ends where a byte of value zero stands.
static void prometheus_labels_hold_values_of_every_type(void **state) {
    (void)state;
    struct page page;
    begin(&page, (struct otel_prometheus_options){.without_scope_info = true});
    otel_instrument *counter = otel_counter(meter_of(&page, "m"), "c", NULL, NULL);
    struct otel_value items[] = {otel_value_string("a\"\\\n", 4), otel_bool("", true).value,
                                 otel_int("", -3).value};
    struct otel_attribute pairs[] = {otel_double("d", 2.5), otel_array("in", items, 1)};
    struct otel_attribute attributes[] = {
        otel_bool("no", false),       otel_double("real", 0.25),   otel_bytes("raw", "\x01\xfe", 2),
        otel_array("list", items, 3), otel_map("map", pairs, 2),   otel_text_len("cut", "ab\0c", 4),
        otel_text("same.name", "x"),  otel_text("same_name", "y"), otel_text("none", ""),
    };
    otel_add(counter, 1, attributes, sizeof attributes / sizeof *attributes);
    const char *text = render(&page, OTEL_PROMETHEUS_TEXT);
    has(text, "no=\"false\"");
    has(text, "real=\"0.25\"");
    has(text, "raw=\"01fe\"");
    has(text, "list=\"[\\\"a\\\\\\\"\\\\\\\\\\\\u000a\\\",true,-3]\"");
    has(text, "map=\"{\\\"d\\\":2.5,\\\"in\\\":[");
    has(text, "cut=\"ab\"");
    has(text, "same_name=\"x;y\"");
    end(&page);
}

// Puts a message of at most 127 bytes into a field.
static size_t wrap(uint8_t *bytes, size_t len, uint8_t number) {
    assert_true(len < 128);
    memmove(bytes + 2, bytes, len);
    bytes[0] = (uint8_t)(number << 3 | 2);
    bytes[1] = (uint8_t)len;
    return len + 2;
}

// What a histogram's point holds, as the metric "h" of a scope of a resource.
static int take_histogram_point(struct page *page, const char *point, size_t len) {
    uint8_t bytes[128];
    memcpy(bytes, point, len);
    len = wrap(bytes, wrap(bytes, len, 1), 9);
    memmove(bytes + 3, bytes, len);
    memcpy(bytes, "\x0a\x01h", 3);
    len = wrap(bytes, wrap(bytes, wrap(bytes, len + 3, 2), 2), 1);
    return otel_prometheus_families_take(page->families, bytes, len);
}

static void prometheus_histograms_that_contradict_themselves_are_not_shown(void **state) {
    (void)state;
    static const struct {
        const char *point;
        size_t len;
    } rows[] = {
        {"\x32\x18"
         "\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0\x3a\x08\0\0\0\0\0\0\xf0\x3f", 36}, // three buckets, one bound
        {"\x3a\x08\0\0\0\0\0\0\xf0\x3f",                                                          10}, // a bound and no bucket
        {"\x32\x07\1\0\0\0\0\0\0",                                                                9 }, // a bucket cut short
    };
    struct page page;
    begin(&page, (struct otel_prometheus_options){.without_scope_info = true});
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(take_histogram_point(&page, rows[i].point, rows[i].len), OTEL_FAILED);
        assert_int_equal(otel_prometheus_families_write(page.families, OTEL_PROMETHEUS_TEXT, &page.text), 0);
        assert_int_equal(fq_buf_append_byte(&page.text, 0), 0);
        has_not(fq_buf_str(&page.text).ptr, "h_count");
        fq_buf_clear(&page.text);
    }
    assert_int_equal(take_histogram_point(&page, "\x21\7\0\0\0\0\0\0\0", 9), OTEL_OK); // only a count
    assert_int_equal(otel_prometheus_families_write(page.families, OTEL_PROMETHEUS_TEXT, &page.text), 0);
    assert_int_equal(fq_buf_append_byte(&page.text, 0), 0);
    has(fq_buf_str(&page.text).ptr, "h_count 7");
    end(&page);
}

static void get(uint16_t port, const char *request, char *answer, size_t size) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(write(fd, request, strlen(request)), strlen(request));
    size_t used = 0;
    for (ssize_t got; used + 1 < size && (got = read(fd, answer + used, size - 1 - used)) > 0;)
        used += (size_t)got;
    answer[used] = 0;
    close(fd);
}

static void observe_mask(otel_observer *observer, void *context) {
    sigset_t mask;
    (void)context;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    otel_observe(observer, sigismember(&mask, SIGTERM), NULL, 0);
}

// Whoever scrapes, a handler of the program does not run on the thread that answers.
static void prometheus_server_takes_no_signals_of_the_program(void **state) {
    (void)state;
    struct page page;
    begin(&page, (struct otel_prometheus_options){0});
    const struct otel_instrument_options gauge = {
        .kind = OTEL_OBSERVABLE_GAUGE, .name = "is_blocked", .observe = observe_mask};
    assert_non_null(otel_instrument_new(meter_of(&page, "m"), &gauge));
    const struct otel_prometheus_server_options options = {
        .host = "127.0.0.1",
        .naming = {.runtime = &page.world.runtime, .without_scope_info = true},
        .provider = page.provider
    };
    char reason[200] = "", answer[8192];
    otel_prometheus_server *server = otel_prometheus_server_new(&options, reason, sizeof reason);
    get(otel_prometheus_server_port(server), "GET /metrics HTTP/1.0\r\n\r\n", answer, sizeof answer);
    has(answer, "\nis_blocked 1\n");
    otel_prometheus_server_free(server);
    end(&page);
}

// Of this process: event queues and listening sockets.
static int served_descriptors(void) {
    int found = 0;
    for (int fd = 3; fd < 64; fd++) {
        char path[32], target[64] = "";
        int is_listening = 0;
        socklen_t size = sizeof is_listening;
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        found +=
            readlink(path, target, sizeof target - 1) > 0 && strcmp(target, "anon_inode:[eventpoll]") == 0;
        found += getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &size) == 0 && is_listening;
    }
    return found;
}

static void prometheus_page_is_served_over_http(void **state) {
    (void)state;
    struct page page;
    begin(&page, (struct otel_prometheus_options){0});
    otel_add(otel_counter(meter_of(&page, "m"), "a", NULL, NULL), 4, NULL, 0);
    struct otel_prometheus_server_options options = {
        .host = "127.0.0.1",
        .naming = {.runtime = &page.world.runtime, .without_scope_info = true},
        .provider = page.provider
    };
    char reason[200] = "", answer[8192];
    otel_prometheus_server *server = otel_prometheus_server_new(&options, reason, sizeof reason);
    assert_string_equal(reason, "");
    assert_non_null(server);
    uint16_t port = otel_prometheus_server_port(server);
    get(port, "GET /metrics HTTP/1.0\r\n\r\n", answer, sizeof answer);
    has(answer, " 200 OK\r\n");
    has(answer, "text/plain; version=0.0.4");
    has(answer, "\na_total 4\n");
    get(port, "GET /metrics HTTP/1.0\r\nAccept: application/openmetrics-text;version=1.0.0,*/*;q=0.1\r\n\r\n",
        answer, sizeof answer);
    has(answer, "application/openmetrics-text; version=1.0.0");
    has(answer, "# EOF\n");
    get(port, "GET /other HTTP/1.0\r\n\r\n", answer, sizeof answer);
    has(answer, " 404 ");
    get(port, "POST /metrics HTTP/1.0\r\nContent-Length: 1\r\n\r\nx", answer, sizeof answer);
    has(answer, " 405 ");
    options.port = port;
    assert_null(otel_prometheus_server_new(&options, reason, sizeof reason));
    has(reason, "OTEL_EXPORTER_PROMETHEUS_PORT");
    // A forked child ends its own without hanging, keeps nothing of it open, and the parent's goes on.
    assert_int_equal(served_descriptors(), 2);
    pid_t pid = fork();
    if (pid == 0) {
        otel_prometheus_server_fork_child(server);
        otel_prometheus_server_free(server);
        _exit(served_descriptors());
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    get(port, "GET /metrics HTTP/1.0\r\n\r\n", answer, sizeof answer);
    has(answer, "\na_total 4\n");
    otel_prometheus_server_free(server);
    end(&page);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prometheus_gauges_counters_and_histograms),
        cmocka_unit_test(prometheus_scope_labels_and_their_switch),
        cmocka_unit_test(prometheus_target_info_from_resource),
        cmocka_unit_test(prometheus_metadata_is_told_once),
        cmocka_unit_test(prometheus_colliding_keys_are_joined),
        cmocka_unit_test(prometheus_exemplars_of_histograms_and_counters),
        cmocka_unit_test(prometheus_total_suffix_can_be_disabled),
        cmocka_unit_test(prometheus_delta_sums_become_cumulative),
        cmocka_unit_test(prometheus_delta_histograms_become_cumulative),
        cmocka_unit_test(prometheus_exponential_histograms_have_buckets),
        cmocka_unit_test(prometheus_labels_hold_values_of_every_type),
        cmocka_unit_test(prometheus_histograms_that_contradict_themselves_are_not_shown),
        cmocka_unit_test(prometheus_page_is_served_over_http),
        cmocka_unit_test(prometheus_server_takes_no_signals_of_the_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
