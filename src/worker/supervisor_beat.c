// SPDX-License-Identifier: Apache-2.0
// Heartbeats: the supervisor speaks for what its runners hold, however busy or stuck they are, and hears what is to become
// of each task.
#include "worker/supervisor_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

// The words of one lease in the request.
struct beat_text {
    char id[FQ_UUID_TEXT], token[24], state[40];
};

static void put_lease(const struct fq_slot_view *view, int64_t now_us, int64_t wall_us,
                      struct beat_text *text, fq_slice args[3]) {
    fq_uuid_format(&view->task.id, text->id);
    int token = snprintf(text->token, sizeof text->token, "%" PRIu64, view->task.token);
    int state;
    if (view->state == FQ_SLOT_HELD || view->started_us == 0)
        state = snprintf(text->state, sizeof text->state, "held");
    else
        state = snprintf(text->state, sizeof text->state, "running@%" PRId64,
                         (wall_us - (now_us - view->started_us)) / FQ_US_PER_MS);
    args[0] = (fq_slice){text->id, FQ_UUID_TEXT};
    args[1] = (fq_slice){text->token, (size_t)token};
    args[2] = (fq_slice){text->state, (size_t)state};
}

void fq_supervisor_beat(struct fq_supervisor *supervisor, const struct fq_beat *beats, size_t count) {
    struct fq_beat_batch *batch = malloc(sizeof *batch + count * sizeof *beats);
    struct beat_text *texts = calloc(count, sizeof *texts);
    fq_slice *args = malloc((count * 3 + 1) * sizeof *args);
    if (batch == NULL || texts == NULL || args == NULL) {
        free(batch);
        free(texts);
        free(args);
        return;
    }
    struct fq_now now = fq_supervisor_now();
    size_t n = 1;
    args[0] = (fq_slice){"FQ.HEARTBEAT", 12};
    batch->count = 0;
    for (size_t i = 0; i < count; i++) {
        struct fq_slot_view view;
        if (fq_slot_look(&beats[i].child->board, beats[i].slot, &view) != 1 ||
            view.sequence != beats[i].sequence)
            continue;
        put_lease(&view, now.boot_us, now.wall_us, &texts[batch->count], args + n);
        n += 3;
        batch->beats[batch->count++] = beats[i];
    }
    batch->tag = ++supervisor->requests << 8 | FQ_TAG_BEAT;
    if (batch->count > 0 &&
        fq_session_command(fq_supervisor_session(supervisor), args, n, false, batch->tag) == 0) {
        batch->next = supervisor->beats;
        supervisor->beats = batch;
    } else {
        free(batch);
    }
    free(texts);
    free(args);
}

static bool is_ours(enum fq_slot_state state) {
    return state == FQ_SLOT_HELD || state == FQ_SLOT_RUNNING || state == FQ_SLOT_DONE ||
           state == FQ_SLOT_SENT;
}

static void beat_child(struct fq_supervisor *supervisor, struct fq_child *child) {
    struct fq_beat beats[FQ_BEATS_MAX];
    size_t count = 0;
    uint32_t used = fq_board_slots_used(&child->board);
    for (uint32_t slot = 0; slot < used; slot++) {
        struct fq_slot_view view;
        if (fq_slot_look(&child->board, slot, &view) != 1 || !is_ours(view.state))
            continue;
        if (view.state == FQ_SLOT_RUNNING)
            fq_watch_of(child, slot, view.sequence)->start_reported = true;
        beats[count++] = (struct fq_beat){child, slot, view.sequence};
        if (count == FQ_BEATS_MAX) {
            fq_supervisor_beat(supervisor, beats, count);
            count = 0;
        }
    }
    if (count > 0)
        fq_supervisor_beat(supervisor, beats, count);
}

void fq_supervisor_beat_all(struct fq_supervisor *supervisor) {
    if (!supervisor->registered)
        return;
    bool sent = false;
    for (struct fq_child *child = supervisor->children; child != NULL; child = child->next) {
        if (child->state == FQ_CHILD_DEAD || child->state == FQ_CHILD_STARTING)
            continue;
        beat_child(supervisor, child);
        sent = true;
    }
    // Without leases it still says that the worker lives.
    if (!sent || supervisor->beats == NULL) {
        fq_slice word = {"FQ.HEARTBEAT", 12};
        (void)!fq_session_command(fq_supervisor_session(supervisor), &word, 1, false,
                                  ++supervisor->requests << 8 | FQ_TAG_BEAT);
    }
}

static void on_beat_timer(uv_timer_t *timer) {
    fq_supervisor_beat_all(timer->data);
}

void fq_supervisor_start_beats(struct fq_supervisor *supervisor) {
    uint64_t ms = (uint64_t)(supervisor->heartbeat_us / FQ_US_PER_MS);
    fq_supervisor_beat_all(supervisor);
    uv_timer_start(&supervisor->beat_timer, on_beat_timer, ms, ms);
}

void fq_supervisor_forget_beats(struct fq_supervisor *supervisor, const struct fq_child *child) {
    for (struct fq_beat_batch *batch = supervisor->beats; batch != NULL; batch = batch->next)
        for (size_t i = 0; i < batch->count; i++)
            if (batch->beats[i].child == child)
                batch->beats[i].child = NULL;
}

static void obey(struct fq_supervisor *supervisor, const struct fq_beat *beat, fq_slice verdict) {
    fq_str word = {verdict.ptr, verdict.len};
    struct fq_slot_view view;
    if (beat->child == NULL || fq_str_equal(word, FQ_STR("ok")) ||
        fq_slot_look(&beat->child->board, beat->slot, &view) != 1 || view.sequence != beat->sequence)
        return;
    bool is_stale = fq_str_equal(word, FQ_STR("stale")), is_drain = fq_str_equal(word, FQ_STR("drain"));
    if (!is_stale && !is_drain && !fq_str_equal(word, FQ_STR("cancel"))) // of a later version
        return;
    if (view.state == FQ_SLOT_HELD && fq_slot_claim(&beat->child->board, beat->slot, &view, FQ_SLOT_TAKEN)) {
        if (!is_stale)
            fq_supervisor_release(supervisor, &view.task.id, view.task.token);
    } else if (view.state == FQ_SLOT_RUNNING && !is_drain) {
        fq_watch_stop_task(beat->child, beat->slot, &view, is_stale ? FQ_KILL_STALE : FQ_KILL_CANCELLED);
    }
}

void fq_supervisor_on_beat(struct fq_supervisor *supervisor, const struct fq_session_event *event) {
    struct fq_beat_batch **link = &supervisor->beats;
    while (*link != NULL && (*link)->tag != event->tag)
        link = &(*link)->next;
    struct fq_beat_batch *batch = *link;
    if (batch == NULL)
        return;
    *link = batch->next;
    if (event->error == 0 && event->values != NULL && event->values[0].type == FQ_VALUE_ARRAY &&
        event->values[0].child_count == batch->count) {
        // Obeying queues requests, after which the words need not be there any more: they are short, so they are copied.
        char words[FQ_BEATS_MAX][8];
        size_t lens[FQ_BEATS_MAX];
        for (size_t i = 0; i < batch->count && i < FQ_BEATS_MAX; i++) {
            fq_slice text = event->values[i + 1].text;
            lens[i] = event->values[i + 1].type == FQ_VALUE_TEXT && text.len <= 8 ? text.len : 0;
            memcpy(words[i], lens[i] > 0 ? text.ptr : "", lens[i]);
        }
        for (size_t i = 0; i < batch->count && i < FQ_BEATS_MAX; i++)
            if (lens[i] > 0)
                obey(supervisor, &batch->beats[i], (fq_slice){words[i], lens[i]});
    }
    free(batch);
}

void fq_supervisor_on_cancel(struct fq_supervisor *supervisor, const char *id_text) {
    fq_uuid id;
    if (fq_uuid_parse(fq_str_of(id_text), &id) < 0)
        return;
    for (struct fq_child *child = supervisor->children; child != NULL; child = child->next) {
        uint32_t used = child->state == FQ_CHILD_DEAD ? 0 : fq_board_slots_used(&child->board);
        for (uint32_t slot = 0; slot < used; slot++) {
            struct fq_slot_view view;
            if (fq_slot_look(&child->board, slot, &view) != 1 || !fq_uuid_equal(&view.task.id, &id))
                continue;
            struct fq_beat beat = {child, slot, view.sequence};
            obey(supervisor, &beat, (fq_slice){"cancel", 6});
        }
    }
}
