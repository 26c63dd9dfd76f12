// SPDX-License-Identifier: Apache-2.0
// `fastqueue journal dump`: one line an event, as text or as JSON.
#include "server/journal_dump.h"

#include "cli/journal.h"
#include "cli/output.h"

#include <inttypes.h>
#include <stdio.h>

struct printing {
    bool as_json, payloads;
    json_t *object; // the line being made
};

// ---- text ----

static void begin_text(const struct fq_dump_event *event) {
    char at[FQ_OUTPUT_TIME_SIZE];
    fq_output_moment(event->at_us / 1000, at);
    printf("%" PRIu64 "%s %s %s", event->record_seq, event->is_snapshot ? "*" : "", at, event->type);
    if (event->has_id) {
        char id[FQ_UUID_TEXT];
        fq_uuid_format(&event->id, id);
        printf(" %.*s", FQ_UUID_TEXT, id);
    }
}

static void member_text(const struct printing *printing, const struct fq_event_member *member) {
    char time[FQ_OUTPUT_TIME_SIZE];
    fq_slice text = {member->text.ptr, member->text.len};
    printf(" %s=", member->name);
    switch (member->kind) {
    case FQ_MEMBER_NUMBER: printf("%" PRId64, member->number); break;
    case FQ_MEMBER_FLAG: fputs(member->number != 0 ? "yes" : "no", stdout); break;
    case FQ_MEMBER_HEX: printf("%" PRIx64, (uint64_t)member->number); break;
    case FQ_MEMBER_TIME:
        fq_output_moment(member->number / 1000, time);
        printf("\"%s\"", time);
        break;
    case FQ_MEMBER_CONTENT:
        if (!printing->payloads) {
            printf("(%zu bytes)", text.len);
            break;
        }
        fq_output_text(stdout, text, false);
        break;
    case FQ_MEMBER_TEXT:
    default: fq_output_text(stdout, text, false); break;
    }
}

// ---- JSON ----

static json_t *begin_json(const struct fq_dump_event *event) {
    json_t *object = json_object();
    json_object_set_new(object, "record", json_integer((json_int_t)event->record_seq));
    json_object_set_new(object, "batch", json_integer((json_int_t)event->batch_seq));
    if (event->is_snapshot)
        json_object_set_new(object, "snapshot", json_true());
    json_object_set_new(object, "at_us", json_integer(event->at_us));
    json_object_set_new(object, "type", json_string(event->type));
    if (event->has_id) {
        char id[FQ_UUID_TEXT];
        fq_uuid_format(&event->id, id);
        json_object_set_new(object, "id", json_stringn(id, FQ_UUID_TEXT));
    }
    return object;
}

static void set_number(json_t *object, const char *name, const char *suffix, int64_t value) {
    char key[64];
    snprintf(key, sizeof key, "%s%s", name, suffix);
    json_object_set_new(object, key, json_integer(value));
}

static void member_json(const struct printing *printing, const struct fq_event_member *member) {
    char hex[17];
    fq_slice text = {member->text.ptr, member->text.len};
    switch (member->kind) {
    case FQ_MEMBER_NUMBER: set_number(printing->object, member->name, "", member->number); break;
    case FQ_MEMBER_TIME: set_number(printing->object, member->name, "_us", member->number); break;
    case FQ_MEMBER_FLAG:
        json_object_set_new(printing->object, member->name, json_boolean(member->number != 0));
        break;
    case FQ_MEMBER_HEX: // more bits than a JSON number is sure to carry
        snprintf(hex, sizeof hex, "%" PRIx64, (uint64_t)member->number);
        json_object_set_new(printing->object, member->name, json_string(hex));
        break;
    case FQ_MEMBER_CONTENT:
        set_number(printing->object, member->name, "_bytes", (int64_t)text.len);
        if (!printing->payloads)
            break;
        json_object_set_new(printing->object, member->name, fq_output_json_text(text));
        break;
    case FQ_MEMBER_TEXT:
    default: json_object_set_new(printing->object, member->name, fq_output_json_text(text)); break;
    }
}

// ---- callbacks ----

static void on_begin(void *context, const struct fq_dump_event *event) {
    struct printing *printing = context;
    if (printing->as_json)
        printing->object = begin_json(event);
    else
        begin_text(event);
}

static void on_member(void *context, const struct fq_event_member *member) {
    struct printing *printing = context;
    if (printing->as_json)
        member_json(printing, member);
    else
        member_text(printing, member);
}

static void on_end(void *context) {
    struct printing *printing = context;
    if (printing->as_json)
        fq_output_json_line(printing->object);
    else
        putchar('\n');
    printing->object = NULL;
}

static void on_gap(void *context, const struct fq_gap *gap) {
    struct printing *printing = context;
    if (!printing->as_json) {
        printf("gap %s offset %" PRIu64 " to %" PRIu64 ": %s", gap->file, gap->offset, gap->end, gap->what);
        if (gap->last_record != 0)
            printf("; records %" PRIu64 " to %" PRIu64, gap->first_record, gap->last_record);
        putchar('\n');
        return;
    }
    json_t *object = json_object();
    json_object_set_new(object, "gap", json_string(gap->what));
    json_object_set_new(object, "file", json_string(gap->file));
    json_object_set_new(object, "offset", json_integer((json_int_t)gap->offset));
    json_object_set_new(object, "end", json_integer((json_int_t)gap->end));
    json_object_set_new(object, "first_record", json_integer((json_int_t)gap->first_record));
    json_object_set_new(object, "last_record", json_integer((json_int_t)gap->last_record));
    fq_output_json_line(object);
}

int fq_journal_action_dump(const struct fq_journal_action *action) {
    const struct fq_options *options = action->cli->options;
    struct printing printing = {.as_json = action->as_json,
                                .payloads = fq_option_number(options, FQ_OPTION_JOURNAL_PAYLOADS) != 0};
    struct fq_journal_dump dump = {.from = (uint64_t)fq_option_number(options, FQ_OPTION_JOURNAL_FROM),
                                   .until = (uint64_t)fq_option_number(options, FQ_OPTION_JOURNAL_UNTIL),
                                   .damaged = fq_option_number(options, FQ_OPTION_JOURNAL_DAMAGED) != 0,
                                   .on_begin = on_begin,
                                   .on_member = on_member,
                                   .on_end = on_end,
                                   .on_gap = on_gap,
                                   .context = &printing};
    int result = fq_journal_dump(action->data_dir, &dump);
    fflush(stdout);
    return result < 0 ? fq_journal_action_fail(action, result, dump.error) : FQ_EXIT_OK;
}
