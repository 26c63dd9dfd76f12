// SPDX-License-Identifier: Apache-2.0
// docs/roles.md: which role may run which command, from the command table.
#include "cli/manual.h"

#include "server/command.h"

#include <string.h>

enum { ROLE_COUNT = 4 };

// Paths of the HTTP API and the command that each of them is.
static const struct {
    const char *request, *command;
} routes[] = {
    {"POST /api/v1/tasks",           "FQ.SUBMIT" },
    {"GET /api/v1/tasks/ID",         "FQ.RESULT" },
    {"POST /api/v1/tasks/ID/cancel", "FQ.CANCEL" },
    {"GET /api/v1/tasks",            "FQ.LIST"   },
    {"GET /api/v1/dead",             "FQ.DEAD"   },
    {"GET /api/v1/queues",           "FQ.QUEUES" },
    {"GET /api/v1/workers",          "FQ.WORKERS"},
    {"GET /api/v1/stats",            "FQ.STATS"  },
};

static const char *mark(bool is_allowed) {
    return is_allowed ? "yes" : "-";
}

// 0 as `roles`: whoever is logged in.
static void print_row(FILE *out, const char *what, const char *word, bool is_early, unsigned roles) {
    fprintf(out, "| `%s%s%s` | %s |", what, word[0] != '\0' ? " " : "", word, mark(is_early));
    for (unsigned i = 0; i < ROLE_COUNT; i++)
        fprintf(out, " %s |", mark(roles == 0 || (roles & 1u << i) != 0));
    fputc('\n', out);
}

static unsigned roles_of(const char *command) {
    const struct fq_command_row *row;
    for (size_t i = 0; (row = fq_command_row(i)) != NULL; i++)
        if (strcmp(row->name, command) == 0)
            return row->roles;
    return 0;
}

static void print_head(FILE *out, const char *what) {
    fprintf(out, "\n| %s | before login | submit | work | read | admin |\n|---|---|---|---|---|---|\n", what);
}

void fq_manual_roles_document(FILE *out) {
    fputs(
        "<!-- Printed by `fastqueue help --document roles`; do not edit. -->\n# Roles\n\n"
        "A user has one role or several, on the line of the users file; what none of them allows is "
        "answered\n"
        "`-NOPERM` and changes nothing. Without credentials everybody may do everything. With credentials a\n"
        "connection that has not logged in is answered `-NOAUTH`, except for what logs in or leaves. The "
        "user\n"
        "`default`, whose secret is `FASTQUEUE_TOKEN`, has all four roles.\n",
        out);
    print_head(out, "command");
    const struct fq_command_row *row;
    for (size_t i = 0; (row = fq_command_row(i)) != NULL; i++) {
        print_row(out, row->name, "", (row->flags & FQ_COMMAND_BEFORE_LOGIN) != 0, row->roles);
        const struct fq_subcommand_row *sub;
        for (size_t k = 0; (sub = fq_subcommand_row(k)) != NULL; k++)
            if (sub->run == row->run)
                print_row(out, row->name, sub->word, false, sub->roles);
    }
    fputs("\n## Over HTTP\n\nA token goes with the request; each request is one of the commands above and "
          "asks for "
          "its role.\nOnly the health paths want no token.\n",
          out);
    print_head(out, "request");
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
        print_row(out, routes[i].request, "", false, roles_of(routes[i].command));
    print_row(out, "GET /metrics", "", false, FQ_ROLE_READ | FQ_ROLE_ADMIN);
    print_row(out, "GET /healthz", "", true, 0);
    print_row(out, "GET /readyz", "", true, 0);
}
