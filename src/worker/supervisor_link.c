// SPDX-License-Identifier: Apache-2.0
// The supervisor's connection: who we are, and what is reported on behalf of runners.
#include "fastqueue/version.h"
#include "worker/supervisor_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    REFUSED_RETRY_MS = 500,
    // So long may a former instance of this id be remembered before a refusal is final.
    REFUSED_PATIENCE_US = 10 * FQ_US_PER_S,
    HEARTBEAT_DEFAULT_US = 10 * FQ_US_PER_S,
};

static uint64_t next_tag(struct fq_supervisor *supervisor, enum fq_supervisor_tag kind) {
    return ++supervisor->requests << 8 | (uint64_t)kind;
}

// --- registration ----------------------------------------------------------------------------------------------------

static bool knows_all_names(const struct fq_supervisor *supervisor) {
    for (int kind = 0; kind < FQ_KIND_COUNT; kind++)
        if (supervisor->kind_count[kind] > 0 && supervisor->names[kind].names == NULL)
            return false;
    return true;
}

static size_t put_words(fq_slice *args, size_t n, const char *const *words) {
    for (; *words != NULL; words++)
        args[n++] = (fq_slice){*words, strlen(*words)};
    return n;
}

void fq_supervisor_register(struct fq_supervisor *supervisor) {
    if (supervisor->registering || supervisor->draining || !knows_all_names(supervisor) ||
        !fq_session_is_ready(fq_supervisor_session(supervisor)))
        return;
    size_t names = 0;
    for (int kind = 0; kind < FQ_KIND_COUNT; kind++)
        names += supervisor->names[kind].count;
    fq_slice *args = malloc((names + 16) * sizeof *args);
    if (args == NULL)
        return;
    char slots[24], pid[24];
    snprintf(slots, sizeof slots, "%zu", supervisor->position_count);
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    size_t n = put_words(args, 0,
                         (const char *const[]){"FQ.REGISTER", supervisor->options->worker_id, "INSTANCE",
                                               supervisor->instance, "TASKS", NULL});
    for (int kind = 0; kind < FQ_KIND_COUNT; kind++)
        for (size_t i = 0; i < supervisor->names[kind].count; i++)
            args[n++] =
                (fq_slice){supervisor->names[kind].names[i].ptr, supervisor->names[kind].names[i].len};
    n = put_words(args, n,
                  (const char *const[]){"SLOTS", slots, "META", "version", FQ_VERSION, "pid", pid, NULL});
    if (fq_session_command(fq_supervisor_session(supervisor), args, n, false,
                           next_tag(supervisor, FQ_TAG_REGISTER)) == 0) {
        supervisor->registering = true;
        supervisor->names_changed = false;
    }
    free(args);
}

static void on_registered(struct fq_supervisor *supervisor, const struct fq_value *values) {
    const struct fq_value *interval = values != NULL ? fq_value_get(values, 0, "heartbeat_ms") : NULL;
    int64_t ms = interval != NULL ? interval->integer : 0;
    if (interval != NULL && interval->type == FQ_VALUE_TEXT)
        (void)fq_str_to_int64((fq_str){interval->text.ptr, interval->text.len}, &ms);
    supervisor->heartbeat_us = ms >= 10 && ms <= 3600000 ? ms * FQ_US_PER_MS : HEARTBEAT_DEFAULT_US;
    if (!supervisor->registered)
        fq_log_write(supervisor->log, FQ_LOG_INFO,
                     "worker %s: registered with the control plane, %zu runners",
                     supervisor->options->worker_id, supervisor->position_count);
    supervisor->registered = supervisor->ever_registered = true;
    supervisor->first_refused_us = 0;
    fq_supervisor_start_beats(supervisor);
    fq_child_go_all(supervisor);
    if (supervisor->names_changed)
        fq_supervisor_register(supervisor);
}

static void on_register_timer(uv_timer_t *timer) {
    fq_supervisor_register(timer->data);
}

static void on_refused(struct fq_supervisor *supervisor, const struct fq_session_event *event) {
    int64_t now_us = fq_supervisor_now_us();
    if (event->error == FQ_EDISCONNECTED)
        return;
    if (supervisor->first_refused_us == 0)
        supervisor->first_refused_us = now_us;
    // A predecessor that was killed is remembered for a moment: its id comes free by itself.
    bool is_patient =
        event->error == FQ_EWORKEREXISTS && now_us - supervisor->first_refused_us < REFUSED_PATIENCE_US;
    uv_timer_start(&supervisor->register_timer, on_register_timer, REFUSED_RETRY_MS, 0);
    if (is_patient || supervisor->ever_registered) {
        fq_log_write(supervisor->log, FQ_LOG_WARNING, "registration refused, trying again: %.*s",
                     (int)event->message.len, event->message.ptr);
        return;
    }
    fq_log_write(supervisor->log, FQ_LOG_ERROR, "the control plane refused worker %s: %.*s%s",
                 supervisor->options->worker_id, (int)event->message.len, event->message.ptr,
                 event->error == FQ_EWORKEREXISTS
                     ? " (give this worker another --worker-id or FASTQUEUE_WORKER_ID, or stop the other one)"
                     : "");
    fq_supervisor_stop(supervisor, 69);
}

void fq_supervisor_unregister(struct fq_supervisor *supervisor) {
    fq_slice args[4];
    size_t n = put_words(args, 0,
                         (const char *const[]){"FQ.UNREGISTER", supervisor->options->worker_id, "INSTANCE",
                                               supervisor->instance, NULL});
    supervisor->unregistering = fq_session_command(fq_supervisor_session(supervisor), args, n, false,
                                                   next_tag(supervisor, FQ_TAG_UNREGISTER)) == 0;
    if (!supervisor->unregistering)
        fq_supervisor_stop(supervisor, 0);
}

// --- reports on behalf of runners ------------------------------------------------------------------------------------

void fq_supervisor_report(struct fq_supervisor *supervisor, const struct fq_board_task *task,
                          const struct fq_report *report) {
    if (fq_report_send(fq_supervisor_session(supervisor), &task->id, task->token, report,
                       next_tag(supervisor, FQ_TAG_ANSWERED)) == 0)
        supervisor->pending++;
}

void fq_supervisor_release(struct fq_supervisor *supervisor, const fq_uuid *id, uint64_t token) {
    if (fq_release_send(fq_supervisor_session(supervisor), id, token,
                        next_tag(supervisor, FQ_TAG_ANSWERED)) == 0)
        supervisor->pending++;
}

static void on_answered(struct fq_supervisor *supervisor, const struct fq_session_event *event) {
    if (supervisor->pending > 0)
        supervisor->pending--;
    // A stale lease is what a race with the runner's own report looks like, an unknown task what a damaged board says.
    if (event->error < 0 && event->error != FQ_EDISCONNECTED)
        fq_log_write(supervisor->log,
                     event->error == FQ_ESTALELEASE || event->error == FQ_EUNKNOWNTASK ? FQ_LOG_DEBUG
                                                                                       : FQ_LOG_WARNING,
                     "a report was refused: %.*s", (int)event->message.len,
                     event->message.ptr != NULL ? event->message.ptr : "");
    if (supervisor->draining && supervisor->pending == 0)
        fq_supervisor_plan(supervisor);
}

// --- events ----------------------------------------------------------------------------------------------------------

static void on_reply(struct fq_supervisor *supervisor, const struct fq_session_event *event) {
    switch ((enum fq_supervisor_tag)(event->tag & 0xff)) {
    case FQ_TAG_REGISTER:
        supervisor->registering = false;
        if (event->error < 0)
            on_refused(supervisor, event);
        else
            on_registered(supervisor, event->values);
        break;
    case FQ_TAG_BEAT: fq_supervisor_on_beat(supervisor, event); break;
    case FQ_TAG_ANSWERED: on_answered(supervisor, event); break;
    case FQ_TAG_UNREGISTER: fq_supervisor_stop(supervisor, supervisor->exit_code); break;
    }
}

static void on_drain(struct fq_supervisor *supervisor) {
    fq_log_write(supervisor->log, FQ_LOG_INFO, "the control plane is going away; running tasks go on");
    for (struct fq_child *child = supervisor->children; child != NULL; child = child->next)
        if (child->state == FQ_CHILD_ACTIVE)
            fq_watch_take_back(child, INT64_MAX);
}

static void on_event(void *context, const struct fq_session_event *event) {
    struct fq_supervisor *supervisor = context;
    switch (event->type) {
    case FQ_SESSION_READY:
        supervisor->said_lost = supervisor->registering = false;
        fq_supervisor_register(supervisor);
        break;
    case FQ_SESSION_REPLY: on_reply(supervisor, event); break;
    case FQ_SESSION_CANCEL: fq_supervisor_on_cancel(supervisor, event->id); break;
    case FQ_SESSION_DRAIN: on_drain(supervisor); break;
    case FQ_SESSION_SUBMITTED:
    case FQ_SESSION_RESULT: break;
    }
}

static void on_lost(void *context, int error, const char *reason, int64_t retry_us) {
    struct fq_supervisor *supervisor = context;
    (void)error;
    supervisor->registered = supervisor->registering = false;
    if (retry_us == INT64_MAX) {
        fq_log_write(supervisor->log, FQ_LOG_ERROR, "the control plane refused the credential: %s", reason);
        fq_supervisor_stop(supervisor, 69);
    } else if (!supervisor->said_lost && !supervisor->stopping) {
        supervisor->said_lost = true;
        fq_log_write(supervisor->log, FQ_LOG_WARNING, "%s; trying again until it answers", reason);
    }
}

static const struct fq_uv_driver_handler HANDLER = {on_event, on_lost};

int fq_supervisor_connect(struct fq_supervisor *supervisor) {
    const struct fq_supervisor_options *options = supervisor->options;
    struct fq_uv_driver_options driver;
    fq_uv_driver_options_init(&driver);
    driver.loop = &supervisor->loop;
    driver.target = (struct fq_target_options){.address = options->address,
                                               .user = options->user,
                                               .token = options->token,
                                               .tls_ca = options->tls_ca,
                                               .tls_cert = options->tls_cert,
                                               .tls_key = options->tls_key};
    driver.session.client_name = options->worker_id;
    driver.session.seed = uv_hrtime() ^ (uint64_t)getpid() << 32;
    driver.handler = &HANDLER;
    driver.context = supervisor;
    char reason[512];
    int error = fq_uv_driver_open(&driver, reason, sizeof reason, &supervisor->driver);
    if (error < 0)
        fq_log_write(supervisor->log, FQ_LOG_ERROR, "%s", reason);
    return error;
}

fq_session *fq_supervisor_session(struct fq_supervisor *supervisor) {
    return fq_uv_driver_session(supervisor->driver);
}
