// SPDX-License-Identifier: Apache-2.0
#include "sim/shrink.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct shrinking {
    struct sim_plan *plan;
    struct sim_pins *pins;
    char label[16]; // of the invariant
    time_t until;
    bool has_changed;
    uint64_t operations; // asked in the smallest run that failed
};

void sim_pins_set(struct sim_pins *pins, const char *name, uint64_t value) {
    char head[SIM_PIN_NAME + 2];
    int len = snprintf(head, sizeof head, "%.*s=", SIM_PIN_NAME, name);
    size_t at = 0;
    while (at < pins->count && strncmp(pins->texts[at], head, (size_t)len) != 0)
        at++;
    if (at == SIM_PINS_MAX)
        return;
    if (at == pins->count)
        pins->count++;
    snprintf(pins->texts[at], SIM_PIN_SIZE, "%s%" PRIu64, head, value);
    pins->list[at] = pins->texts[at];
}

static void label_of(const char *failure, char label[16]) {
    size_t len = strcspn(failure, ":");
    snprintf(label, 16, "%.*s", (int)(len < 15 ? len : 15), failure);
}

static bool still_fails(struct shrinking *s, const struct sim_pins *pins, uint64_t operations) {
    struct sim_plan plan = *s->plan;
    struct sim_outcome outcome;
    char label[16];
    plan.pins = pins->list;
    plan.pin_count = pins->count;
    plan.operations = operations;
    sim_run(&plan, &outcome);
    label_of(outcome.failure, label);
    if (outcome.failure[0] == '\0' || strcmp(label, s->label) != 0)
        return false;
    // One more than were asked: faults must not end before it breaks.
    s->operations = outcome.operations < operations ? outcome.operations + 1 : operations;
    return true;
}

// A copy of pins points into itself.
static void copy_pins(struct sim_pins *to, const struct sim_pins *from) {
    *to = *from;
    for (size_t i = 0; i < to->count; i++)
        to->list[i] = to->texts[i];
}

static bool try_option(struct shrinking *s, const char *name, uint64_t value) {
    struct sim_pins tried;
    if (time(NULL) >= s->until)
        return false;
    copy_pins(&tried, s->pins);
    sim_pins_set(&tried, name, value);
    if (!still_fails(s, &tried, s->plan->operations))
        return false;
    copy_pins(s->pins, &tried);
    s->plan->operations = s->operations;
    s->has_changed = true;
    return true;
}

static bool is_size(const char *name) {
    static const char *const sizes[] = {"clients", "workers",  "admins",     "hostiles",
                                        "names",   "pipeline", "payload_max"};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        if (strcmp(name, sizes[i]) == 0)
            return true;
    return false;
}

static void shrink_option(void *context, const char *name, uint64_t value) {
    struct shrinking *s = context;
    size_t len = strlen(name);
    bool is_rate = len > 5 && strcmp(name + len - 5, "_rate") == 0;
    bool is_flag = strcmp(name, "drift_ppm") == 0 || strcmp(name, "relaxed") == 0 ||
                   strcmp(name, "credentials") == 0 || strcmp(name, "disk_bytes") == 0 ||
                   strcmp(name, "compact_bytes") == 0;
    if ((is_rate || is_flag) && value != 0)
        (void)try_option(s, name, 0);
    while (is_size(name) && value > 1 && try_option(s, name, value / 2))
        value /= 2;
}

static void shrink_operations(struct shrinking *s) {
    for (uint64_t cut = s->plan->operations / 2; cut > 0 && time(NULL) < s->until;) {
        if (s->plan->operations > cut && still_fails(s, s->pins, s->plan->operations - cut)) {
            s->plan->operations = s->operations;
            s->has_changed = true;
        } else {
            cut /= 2;
        }
    }
}

void sim_shrink(struct sim_plan *plan, const char *failure, struct sim_pins *pins, int64_t seconds) {
    struct shrinking s = {.plan = plan, .pins = pins, .until = time(NULL) + seconds, .has_changed = true};
    label_of(failure, s.label);
    while (s.has_changed && time(NULL) < s.until) {
        s.has_changed = false;
        struct sim_options options;
        const char *bad;
        plan->pins = pins->list;
        plan->pin_count = pins->count;
        shrink_operations(&s);
        if (sim_plan_options(plan, &options, &bad) == 0)
            sim_options_each(&options, shrink_option, &s);
    }
    plan->pins = pins->list;
    plan->pin_count = pins->count;
}
