// SPDX-License-Identifier: Apache-2.0
// What the control plane under load tells about itself and about our tasks.
#include "cli/bench_server.h"
#include "cli/connection.h"
#include "cli/row.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The value of a line "key:value" in INFO's text; empty if there is none.
static fq_str find_line(fq_str text, const char *key) {
    size_t key_len = strlen(key);
    const char *at = text.ptr, *end = text.ptr + text.len;
    while (at < end) {
        const char *line_end = memchr(at, '\r', (size_t)(end - at));
        line_end = line_end != NULL ? line_end : end;
        size_t len = (size_t)(line_end - at);
        if (len > key_len && at[key_len] == ':' && memcmp(at, key, key_len) == 0)
            return (fq_str){at + key_len + 1, len - key_len - 1};
        at = line_end + (end - line_end >= 2 ? 2 : end - line_end);
    }
    return (fq_str){"", 0};
}

static bool read_real(fq_str text, double *ret_number) {
    char copy[64];
    if (text.len == 0 || text.len >= sizeof copy)
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    *ret_number = strtod(copy, NULL);
    return true;
}

static void copy_text(char *out, size_t size, fq_str text) {
    snprintf(out, size, "%.*s", (int)(text.len < size ? text.len : size - 1), text.ptr);
}

int fq_bench_facts_ask(fq_client *client, struct fq_bench_facts *ret_facts) {
    struct fq_args args = {.count = 0};
    const struct fq_value *values;
    fq_args_add(&args, "INFO");
    int code = fq_connection_ask(client, &args, &values);
    if (code != 0)
        return code;
    fq_str text = {values[0].text.ptr, values[0].text.len};
    struct fq_bench_facts facts = {.has_telemetry = false};
    double user_s = 0, system_s = 0, pending = 0;
    static const char *const keys[] = {"pending_critical", "pending_high", "pending_normal", "pending_low"};
    copy_text(facts.version, sizeof facts.version, find_line(text, "fastqueue_version"));
    copy_text(facts.durability, sizeof facts.durability, find_line(text, "durability"));
    facts.has_telemetry = fq_str_equal(find_line(text, "telemetry_enabled"), FQ_STR("1"));
    facts.has_cpu = read_real(find_line(text, "used_cpu_user"), &user_s) &&
                    read_real(find_line(text, "used_cpu_sys"), &system_s);
    facts.cpu_s = user_s + system_s;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (read_real(find_line(text, keys[i]), &pending))
            facts.pending += (uint64_t)pending;
    }
    *ret_facts = facts;
    return 0;
}

struct left {
    const struct fq_bench_target *target;
    uint64_t pending, scheduled;
};

static void on_name(void *context, const struct fq_value *values, uint32_t at) {
    static const char *const priorities[] = {"critical", "high", "normal", "low"};
    struct left *left = context;
    if (!fq_bench_target_has(left->target, fq_row_text(values, at, "name")))
        return;
    for (size_t i = 0; i < sizeof priorities / sizeof priorities[0]; i++)
        left->pending += (uint64_t)fq_row_number(values, at, priorities[i]);
    left->scheduled += (uint64_t)fq_row_number(values, at, "scheduled");
}

int fq_bench_left_ask(fq_client *client, const struct fq_bench_target *target, uint64_t *ret_pending,
                      uint64_t *ret_scheduled) {
    struct fq_args args = {.count = 0};
    struct left left = {.target = target};
    fq_args_add(&args, "FQ.QUEUES");
    int code = fq_connection_list(client, &args, INT64_MAX, on_name, &left);
    if (code == 0) {
        *ret_pending = left.pending;
        *ret_scheduled = left.scheduled;
    }
    return code;
}
