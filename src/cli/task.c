// SPDX-License-Identifier: Apache-2.0
// `fastqueue result`, `status` and `cancel`: verbs about one task.
#include "cli/connection.h"
#include "cli/task_print.h"

#include <string.h>

static const char *find_id(const struct fq_options *options) {
    const char *id = fq_option_text(options, FQ_OPTION_TASK_ID);
    if (id == NULL && options->operand_count > 0)
        id = options->operands[0];
    if (id == NULL)
        fprintf(stderr, "fastqueue %s: which task? Give its id\n", fq_verb_name(options->verb));
    return id;
}

static int unknown(const char *id) {
    fprintf(stderr, "fastqueue: no task %s is known; ended tasks are forgotten after a time\n", id);
    return FQ_EXIT_FAILED;
}

// The task as it stands now, with its result if `with_result`. 0, or an exit code.
static int look(fq_client *client, const char *id, bool with_result, struct fq_task_result *ret_task) {
    int result =
        with_result ? fq_client_result(client, id, ret_task) : fq_client_status(client, id, ret_task);
    if (result == FQ_EUNKNOWNTASK)
        return unknown(id);
    return result < 0 ? fq_connection_fail(client, result) : 0;
}

static int print_result(const struct fq_options *options, const struct fq_task_result *task) {
    bool ok = fq_task_succeeded(task);
    if (fq_option_number(options, FQ_OPTION_JSON))
        fq_task_print_json(task, true);
    else if (fq_option_number(options, FQ_OPTION_RAW) && ok)
        fq_task_print_raw(task);
    else
        fq_task_print(task);
    if (!fq_task_ended(task))
        return FQ_EXIT_TEMPORARY;
    return ok ? FQ_EXIT_OK : FQ_EXIT_FAILED;
}

static int get_result(fq_client *client, const struct fq_options *options, const char *id) {
    struct fq_task_result task;
    int64_t wait_ms = fq_option_number(options, FQ_OPTION_RESULT_WAIT);
    if (wait_ms > 0) {
        // A waiter is pushed the result even when it is not kept.
        int result = fq_client_wait(client, id, wait_ms, &task);
        if (result == 0)
            return print_result(options, &task);
        if (result == FQ_EUNKNOWNTASK)
            return unknown(id);
        if (result != FQ_ETIMEOUT)
            return fq_connection_fail(client, result);
    }
    int code = look(client, id, true, &task);
    return code != 0 ? code : print_result(options, &task);
}

static int get_status(fq_client *client, const struct fq_options *options, const char *id) {
    struct fq_task_result task;
    // The plain text shows the result too, as users of this verb know it.
    bool as_json = fq_option_number(options, FQ_OPTION_JSON) != 0;
    int code = look(client, id, !as_json, &task);
    if (code != 0)
        return code;
    if (as_json)
        fq_task_print_json(&task, false);
    else
        fq_task_print(&task);
    return FQ_EXIT_OK;
}

static int cancel(fq_client *client, const struct fq_options *options, const char *id) {
    int result = fq_client_cancel(client, id);
    if (result == FQ_EUNKNOWNTASK)
        return unknown(id);
    if (result < 0)
        return fq_connection_fail(client, result);
    if (fq_option_number(options, FQ_OPTION_JSON))
        fq_output_json_line(json_pack("{s:s, s:b}", "id", id, "cancelled", result));
    else
        printf(result > 0 ? "Task %s is cancelled\n" : "Task %s has already ended\n", id);
    return result > 0 ? FQ_EXIT_OK : FQ_EXIT_FAILED;
}

static int with_task(struct fq_cli *cli, int (*act)(fq_client *, const struct fq_options *, const char *)) {
    const char *id = find_id(cli->options);
    if (id == NULL)
        return FQ_EXIT_USAGE;
    fq_client *client;
    int code = fq_connection_open(cli->options, &client);
    if (code != 0)
        return code;
    code = act(client, cli->options, id);
    fq_client_close(client);
    return code;
}

int fq_verb_result(struct fq_cli *cli) {
    return with_task(cli, get_result);
}

int fq_verb_status(struct fq_cli *cli) {
    return with_task(cli, get_status);
}

int fq_verb_cancel(struct fq_cli *cli) {
    return with_task(cli, cancel);
}
