// SPDX-License-Identifier: Apache-2.0
// How much a runner holds. Short tasks are fetched in numbers, so that the round trip disappears; what is held is never
// more than about HOLD_US worth of work, so that nothing waits here while another runner is idle; tasks of LONG_US or
// longer are fetched one by one. A runner asks only when it holds nothing: an answer that arrived behind the back of a
// task that turns out long would lie unread in the socket, where the supervisor cannot take it back.
#include "worker/runner_state.h"

#include "base/assert.h"
#include "base/scratch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    HOLD_US = 20 * FQ_US_PER_MS,
    LONG_US = 10 * FQ_US_PER_MS,
    // A longer run counts as this long: one exception does not make the runner forget what is normal.
    LEARN_MOST_US = 2 * LONG_US,
    // What a control plane gives at once: the more, the less its sync and the way to it weigh.
    PREFETCH_MOST = 1000,
    BLOCK_MS = 10000,
    REFUSED_PAUSE_US = 100 * FQ_US_PER_MS,
    REFUSED_TOLD = 50, // in a row
};

static int64_t blend(int64_t average_us, int64_t run_us) {
    return average_us < 0 ? run_us : average_us + (run_us - average_us) / 8;
}

void fq_runner_learn(fq_runner *runner, uint32_t name, int64_t run_us) {
    int64_t counted = run_us > LEARN_MOST_US ? LEARN_MOST_US : run_us;
    runner->average_us = blend(runner->average_us, counted);
    runner->names[name].average_us = blend(runner->names[name].average_us, counted);
}

// Tasks to hold beyond those that can start at once.
static uint32_t prefetch_depth(const fq_runner *runner) {
    if (runner->average_us < 0 || runner->average_us >= LONG_US)
        return 0;
    int64_t fits = HOLD_US / (runner->average_us + 1);
    uint32_t most = runner->ramp < PREFETCH_MOST ? runner->ramp : PREFETCH_MOST;
    return fits < (int64_t)most ? (uint32_t)fits : most;
}

static int send_fetch(fq_runner *runner, uint32_t count) {
    bool filters = (fq_board_get(&runner->board, FQ_BOARD_ORDERS) & FQ_ORDER_FILTER) != 0;
    size_t room = 8 + (filters ? runner->name_count : 0);
    fq_slice *args = malloc(room * sizeof *args);
    if (args == NULL)
        return FQ_ENOMEM;
    char count_text[16], block_text[16];
    size_t n = 0;
    args[n++] = (fq_slice){"FQ.FETCH", 8};
    args[n++] = (fq_slice){"WORKER", 6};
    args[n++] = (fq_slice){runner->setup.worker_id, strlen(runner->setup.worker_id)};
    args[n++] = (fq_slice){"COUNT", 5};
    args[n++] = (fq_slice){count_text, (size_t)snprintf(count_text, sizeof count_text, "%" PRIu32, count)};
    args[n++] = (fq_slice){"BLOCK", 5};
    args[n++] = (fq_slice){block_text, (size_t)snprintf(block_text, sizeof block_text, "%d", BLOCK_MS)};
    if (filters) {
        args[n++] = (fq_slice){"TASKS", 5};
        for (size_t i = 0; i < runner->name_count; i++)
            args[n++] = (fq_slice){runner->names[i].text.ptr, runner->names[i].text.len};
    }
    uint64_t tag = fq_runner_tag(FQ_TAG_FETCH, 0, ++runner->requests);
    int error = fq_session_command(runner->link.session, args, n, false, tag);
    free(args);
    return error;
}

static uint32_t min_u32(uint32_t a, uint64_t b) {
    return b < a ? (uint32_t)b : a;
}

void fq_runner_fetch(fq_runner *runner, uint32_t want, int64_t now_us) {
    uint64_t orders = fq_board_get(&runner->board, FQ_BOARD_ORDERS);
    if (want == 0 || runner->held.len > 0 || runner->fetching || runner->leaving ||
        (orders & FQ_ORDER_GO) == 0 || now_us < runner->fetch_after_us ||
        !fq_session_is_ready(runner->link.session))
        return;
    uint32_t count = min_u32(min_u32(want + prefetch_depth(runner), PREFETCH_MOST), runner->free_count);
    if (runner->setup.max_tasks > 0)
        count = min_u32(count, (uint64_t)runner->setup.max_tasks - runner->taken);
    if (count == 0 || send_fetch(runner, count) < 0)
        return;
    runner->fetching = true;
    runner->asked = count;
}

// One task of the answer, its slices borrowing from the session.
struct grant {
    fq_str id, name, payload, encoding, priority, traceparent, tracestate, baggage, previous;
    uint64_t token;
    int64_t attempt, timeout_ms, submitted_ms, eligible_ms, wait_us, previous_ended_ms;
};

static int64_t integer_of(const struct fq_value *value) {
    int64_t number = value->integer;
    if (value->type == FQ_VALUE_TEXT &&
        fq_str_to_int64((fq_str){value->text.ptr, value->text.len}, &number) < 0)
        return 0;
    return number;
}

static bool read_grant(const struct fq_value *values, uint32_t at, struct grant *ret_grant) {
    struct grant grant = {.encoding = FQ_STR("json"), .attempt = 1};
    const struct {
        fq_str key;
        fq_str *text;
        int64_t *number;
    } fields[] = {
        {FQ_STR("id"),                   &grant.id,          NULL                    },
        {FQ_STR("name"),                 &grant.name,        NULL                    },
        {FQ_STR("payload"),              &grant.payload,     NULL                    },
        {FQ_STR("encoding"),             &grant.encoding,    NULL                    },
        {FQ_STR("priority"),             &grant.priority,    NULL                    },
        {FQ_STR("attempt"),              NULL,               &grant.attempt          },
        {FQ_STR("timeout"),              NULL,               &grant.timeout_ms       },
        {FQ_STR("submitted_at"),         NULL,               &grant.submitted_ms     },
        {FQ_STR("eligible_at"),          NULL,               &grant.eligible_ms      },
        {FQ_STR("traceparent"),          &grant.traceparent, NULL                    },
        {FQ_STR("tracestate"),           &grant.tracestate,  NULL                    },
        {FQ_STR("baggage"),              &grant.baggage,     NULL                    },
        {FQ_STR("wait_us"),              NULL,               &grant.wait_us          },
        {FQ_STR("previous_traceparent"), &grant.previous,    NULL                    },
        {FQ_STR("previous_ended_at"),    NULL,               &grant.previous_ended_ms},
    };
    bool has_token = false;
    uint32_t key = at + 1;
    for (uint32_t i = 0; i + 1 < values[at].child_count; i += 2) {
        const struct fq_value *name = &values[key], *value = &values[values[key].next];
        fq_str word = {name->text.ptr, name->text.len}, text = {value->text.ptr, value->text.len};
        if (fq_str_equal(word, FQ_STR("token")))
            has_token = fq_str_to_uint64(text, &grant.token) == 0;
        for (size_t f = 0; f < sizeof fields / sizeof fields[0]; f++) {
            if (!fq_str_equal(word, fields[f].key))
                continue;
            if (fields[f].text != NULL && value->type == FQ_VALUE_TEXT)
                *fields[f].text = text;
            else if (fields[f].number != NULL)
                *fields[f].number = integer_of(value);
            break;
        }
        key = value->next;
    }
    *ret_grant = grant;
    return has_token && grant.id.len == FQ_UUID_TEXT && grant.name.len > 0;
}

// Copies one string behind the others of the slot and leaves a NUL after it.
static fq_str keep(char **at, fq_str text) {
    char *copy = *at;
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    *at += text.len + 1;
    return (fq_str){copy, text.len};
}

static bool copy_task(struct fq_runner_slot *slot, const struct grant *grant) {
    size_t size = grant->name.len + grant->payload.len + grant->encoding.len + grant->priority.len +
                  grant->traceparent.len + grant->tracestate.len + grant->baggage.len + grant->previous.len +
                  8;
    if (size > slot->text_capacity) {
        char *text = realloc(slot->text, size);
        if (text == NULL)
            return false;
        slot->text = text;
        slot->text_capacity = size;
    }
    char *at = slot->text;
    struct fq_runner_task *task = &slot->task;
    task->name = keep(&at, grant->name);
    task->payload = keep(&at, grant->payload);
    task->encoding = keep(&at, grant->encoding);
    task->priority = keep(&at, grant->priority);
    task->traceparent = keep(&at, grant->traceparent);
    task->tracestate = keep(&at, grant->tracestate);
    task->baggage = keep(&at, grant->baggage);
    task->previous_traceparent = keep(&at, grant->previous);
    return true;
}

// Grants that cannot be held (a name that is not ours, no memory), to be given back once the answer has been read.
struct declined {
    fq_uuid ids[PREFETCH_MOST];
    uint64_t tokens[PREFETCH_MOST];
    uint32_t count;
};

static void decline(struct declined *declined, const struct grant *grant) {
    if (declined->count < PREFETCH_MOST && fq_uuid_parse(grant->id, &declined->ids[declined->count]) == 0)
        declined->tokens[declined->count++] = grant->token;
}

static void give_back(fq_runner *runner, const struct declined *declined) {
    for (uint32_t i = 0; i < declined->count; i++)
        (void)fq_release_send(runner->link.session, &declined->ids[i], declined->tokens[i],
                              fq_runner_tag(FQ_TAG_DECLINE, 0, ++runner->requests));
}

static bool hold(fq_runner *runner, const struct grant *grant, int64_t now_us) {
    int64_t name = fq_runner_name_index(runner, grant->name);
    fq_uuid id;
    if (name < 0 || runner->free_count == 0 || fq_uuid_parse(grant->id, &id) < 0)
        return false;
    uint32_t index = runner->free_slots[runner->free_count - 1];
    struct fq_runner_slot *slot = &runner->slots[index];
    if (!copy_task(slot, grant))
        return false;
    runner->free_count--;
    runner->taken++;
    slot->id = id;
    slot->name = (uint32_t)name;
    slot->task.slot = index;
    slot->task.name_index = slot->name;
    memcpy(slot->task.id, grant->id.ptr, FQ_UUID_TEXT);
    slot->task.id[FQ_UUID_TEXT] = '\0';
    slot->task.token = grant->token;
    slot->task.attempt = grant->attempt > 0 && grant->attempt < UINT32_MAX ? (uint32_t)grant->attempt : 1;
    slot->task.timeout_ms =
        grant->timeout_ms > 0 ? grant->timeout_ms : runner->names[slot->name].defaults.timeout_ms;
    slot->task.submitted_ms = grant->submitted_ms;
    slot->task.eligible_ms = grant->eligible_ms;
    slot->task.wait_us = grant->wait_us;
    slot->task.previous_ended_ms = grant->previous_ended_ms;
    slot->received_us = now_us;
    struct fq_board_task entry = {
        id, grant->token, (uint32_t)name, slot->task.attempt, slot->task.timeout_ms, now_us};
    slot->sequence = fq_slot_put(&runner->board, index, &entry);
    fq_runner_queue_push(&runner->held, index);
    return true;
}

static void hold_all(fq_runner *runner, const struct fq_value *values, int64_t now_us) {
    FQ_SCRATCH struct declined declined;
    declined.count = 0;
    uint32_t at = 1;
    for (uint32_t i = 0; i < values[0].child_count; i++) {
        struct grant grant;
        if (values[at].type == FQ_VALUE_MAP && read_grant(values, at, &grant) &&
            !hold(runner, &grant, now_us))
            decline(&declined, &grant);
        at = values[at].next;
    }
    give_back(runner, &declined);
}

// Refused: by a control plane that forgot the worker, which the supervisor mends, or for good, which people must hear of.
static void fetch_refused(fq_runner *runner, const struct fq_session_event *event, int64_t now_us) {
    snprintf(runner->error, sizeof runner->error, "fetch: %.*s", (int)event->message.len,
             event->message.ptr != NULL ? event->message.ptr : "");
    runner->fetch_after_us = now_us + REFUSED_PAUSE_US;
    runner->ramp = 1;
    if (++runner->refused == REFUSED_TOLD)
        fprintf(stderr, "fastqueue runner %d gets no tasks: %s\n", (int)getpid(), runner->error);
}

void fq_runner_on_tasks(fq_runner *runner, const struct fq_session_event *event, int64_t now_us) {
    runner->fetching = false;
    if (event->error < 0 || event->values == NULL || event->values[0].type != FQ_VALUE_ARRAY) {
        if (event->error != FQ_EDISCONNECTED)
            fetch_refused(runner, event, now_us);
        return;
    }
    runner->refused = 0;
    uint32_t count = event->values[0].child_count;
    if (count >= runner->asked && runner->ramp < PREFETCH_MOST)
        runner->ramp *= 2;
    hold_all(runner, event->values, now_us);
    // The supervisor looks at the board of a busy runner by itself; the first tasks after a pause have to be announced.
    if (count > 0 && fq_board_swap(&runner->board, FQ_BOARD_ASLEEP, 0) != 0)
        (void)fq_control_send(runner->control_fd, FQ_CONTROL_WAKE, NULL, 0);
}

void fq_runner_release_held(fq_runner *runner) {
    while (runner->held.len > 0) {
        uint32_t index = fq_runner_queue_pop(&runner->held);
        struct fq_runner_slot *slot = &runner->slots[index];
        if (!fq_slot_move(&runner->board, index, FQ_SLOT_HELD, FQ_SLOT_SENT)) {
            fq_runner_slot_free(runner, index);
            continue;
        }
        runner->sent_count++;
        if (fq_release_send(runner->link.session, &slot->id, slot->task.token,
                            fq_runner_tag(FQ_TAG_RELEASE, index, slot->sequence)) < 0) {
            runner->sent_count--;
            fq_runner_slot_free(runner, index);
        }
    }
}
