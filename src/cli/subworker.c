// SPDX-License-Identifier: Apache-2.0
// `fastqueue subworker`, and the runner that it starts.
#include "cli/option.h"
#include "cli/secret_file.h"
#include "server/privileges.h"
#include "worker/supervisor.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

// Host name and process id: three containers of one service differ in the first, three processes of one host in the second.
static void default_worker_id(char *text, size_t size) {
    char host[HOST_NAME_MAX + 1] = "localhost";
    gethostname(host, sizeof host - 1);
    host[sizeof host - 1] = '\0';
    snprintf(text, size, "%s-%d", host, (int)getpid());
}

static void fill(const struct fq_options *options, struct fq_supervisor_options *supervisor) {
#define NUMBER(option) fq_option_number(options, FQ_OPTION_##option)
    supervisor->address = fq_option_text(options, FQ_OPTION_CONTROL_PLANE_ADDRESS);
    supervisor->user = fq_option_text(options, FQ_OPTION_USER);
    supervisor->tls_ca = fq_option_text(options, FQ_OPTION_TLS_CA);
    supervisor->tls_cert = fq_option_text(options, FQ_OPTION_TLS_CERT);
    supervisor->tls_key = fq_option_text(options, FQ_OPTION_TLS_KEY);
    supervisor->task_modules = options->values[FQ_OPTION_TASK_MODULES].items;
    supervisor->task_module_count = options->values[FQ_OPTION_TASK_MODULES].item_count;
    supervisor->python = fq_option_text(options, FQ_OPTION_PYTHON);
    supervisor->concurrency = (uint32_t)NUMBER(CONCURRENCY);
    supervisor->async_concurrency = (uint32_t)NUMBER(ASYNC_CONCURRENCY);
    supervisor->max_tasks_per_child = (uint64_t)NUMBER(MAX_TASKS_PER_CHILD);
    supervisor->max_memory_per_child = (uint64_t)NUMBER(MAX_MEMORY_PER_CHILD);
    supervisor->task_timeout_ms = NUMBER(TASK_TIMEOUT);
    supervisor->kill_grace_ms = NUMBER(KILL_GRACE);
    supervisor->drain_timeout_ms = NUMBER(DRAIN_TIMEOUT);
    supervisor->allow_pickle = NUMBER(ALLOW_PICKLE) != 0;
#undef NUMBER
}

// SIGTERM when the parent ends, also if it has ended already.
static void follow_parent(pid_t parent) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        raise(SIGTERM);
}

int fq_verb_subworker(struct fq_cli *cli) {
    const struct fq_options *options = cli->options;
    struct fq_supervisor_options supervisor;
    fq_supervisor_options_init(&supervisor);
    fill(options, &supervisor);
    if (supervisor.task_module_count == 0) {
        fprintf(stderr, "fastqueue subworker: nothing to run: name task modules, for example\n"
                        "    fastqueue subworker --task-modules ./tasks.so package.tasks\n");
        return FQ_EXIT_USAGE;
    }
    char worker_id[HOST_NAME_MAX + 32], token[FQ_TOKEN_SIZE];
    default_worker_id(worker_id, sizeof worker_id);
    const char *given = fq_option_text(options, FQ_OPTION_WORKER_ID);
    supervisor.worker_id = given != NULL ? given : worker_id;
    int found = fq_token_read(options, token);
    if (found < 0)
        return FQ_EXIT_CONFIG;
    supervisor.token = found > 0 ? token : NULL;
    fq_privileges_hide_memory(); // tasks run as the same user, and the credential is not theirs
    supervisor.program = cli->program;
    supervisor.log = cli->log;
    if (fq_option_given(options, FQ_OPTION_PARENT))
        follow_parent((pid_t)fq_option_number(options, FQ_OPTION_PARENT));
    return fq_supervisor_run(&supervisor);
}

int fq_verb_runner(struct fq_cli *cli) {
    return fq_runner_main(cli->argc - 1, cli->argv + 1);
}
