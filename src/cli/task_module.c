// SPDX-License-Identifier: Apache-2.0
#define FQ_TASK_HOST
#include "cli/task_module.h"

#include "fastqueue/task.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LOAD_SECONDS = 30, NAMES_FD = 3, TEXT_MAX = 1 << 20 };

// Runs in the interpreter; names go to NAMES_FD, so that modules may print.
static const char python_program[] = "import importlib, os, sys\n"
                                     "names = os.fdopen(3, 'w')\n"
                                     "sys.path.insert(0, '')\n"
                                     "try:\n"
                                     "    importlib.import_module(sys.argv[1])\n"
                                     "    from fastqueue.tasks.registry import task_registry\n"
                                     "except BaseException as error:\n"
                                     "    sys.exit(f'{type(error).__name__}: {error}')\n"
                                     "for name in sorted(task_registry.list_tasks()):\n"
                                     "    print(name, file=names)\n"
                                     "names.flush()\n"
                                     "os._exit(0)\n";

bool fq_task_module_is_shared_object(const char *module) {
    size_t len = strlen(module);
    return strchr(module, '/') != NULL || (len > 3 && strcmp(module + len - 3, ".so") == 0);
}

void fq_task_module_python(const char *given, char *ret_path, size_t size) {
    const char *environment = getenv("VIRTUAL_ENV");
    if (given != NULL)
        snprintf(ret_path, size, "%s", given);
    else if (environment != NULL && *environment != '\0')
        snprintf(ret_path, size, "%s/bin/python3", environment);
    else
        snprintf(ret_path, size, "python3");
}

static void load_shared_object(const char *module) {
    void *handle = dlopen(module, RTLD_NOW | RTLD_LOCAL);
    const struct fq_task_entry *const *(*tasks)(size_t *) = NULL;
    if (handle != NULL)
        *(void **)&tasks = dlsym(handle, "fq_module_tasks");
    if (tasks == NULL) {
        fprintf(stderr, "%s\n", handle == NULL ? dlerror() : "it defines no FQ_TASK");
        _exit(1);
    }
    size_t count = 0;
    const struct fq_task_entry *const *entries = tasks(&count);
    for (size_t i = 0; i < count; i++) {
        if (entries[i]->abi == FQ_TASK_ABI)
            dprintf(NAMES_FD, "%s\n", entries[i]->name);
    }
    _exit(0);
}

// In the child: standard output and error go to `errors_fd`, names to descriptor 3.
static void run_child(const char *module, const char *python, int names_fd, int errors_fd) {
    dup2(errors_fd, STDOUT_FILENO);
    dup2(errors_fd, STDERR_FILENO);
    if (names_fd != NAMES_FD)
        dup2(names_fd, NAMES_FD);
    else
        fcntl(NAMES_FD, F_SETFD, 0); // it is to survive the exec
    alarm(LOAD_SECONDS);
    if (fq_task_module_is_shared_object(module))
        load_shared_object(module);
    execlp(python, python, "-c", python_program, module, (char *)NULL);
    dprintf(STDERR_FILENO, "cannot run %s: %m\n", python);
    _exit(1);
}

static char *read_all(int fd) {
    off_t size = lseek(fd, 0, SEEK_END);
    if (size > TEXT_MAX)
        size = TEXT_MAX;
    char *text = size >= 0 ? malloc((size_t)size + 1) : NULL;
    ssize_t got = text != NULL ? pread(fd, text, (size_t)size, 0) : -1;
    if (got < 0) {
        free(text);
        return NULL;
    }
    text[got] = '\0';
    return text;
}

// The last line that a failed child wrote is where interpreters and the loader name the cause.
static void explain(int status, int errors_fd, char *errstr, size_t errstr_size) {
    if (WIFSIGNALED(status)) {
        int sig = WTERMSIG(status);
        if (sig == SIGALRM)
            snprintf(errstr, errstr_size, "loading took longer than %d s", LOAD_SECONDS);
        else
            snprintf(errstr, errstr_size, "loading ended with signal %d (%s)", sig, strsignal(sig));
        return;
    }
    char *text = read_all(errors_fd);
    size_t len = text != NULL ? strlen(text) : 0;
    while (len > 0 && text[len - 1] == '\n')
        text[--len] = '\0';
    const char *line = text != NULL ? strrchr(text, '\n') : NULL;
    line = line != NULL ? line + 1 : text;
    if (len == 0)
        snprintf(errstr, errstr_size, "loading ended with exit code %d", WEXITSTATUS(status));
    else
        snprintf(errstr, errstr_size, "%s", line);
    free(text);
}

static int report_names(int names_fd, void (*on_name)(void *, const char *), void *context) {
    char *text = read_all(names_fd), *rest = NULL;
    if (text == NULL)
        return FQ_ENOMEM;
    int count = 0;
    for (char *name = strtok_r(text, "\n", &rest); name != NULL; name = strtok_r(NULL, "\n", &rest), count++)
        on_name(context, name);
    free(text);
    return count;
}

int fq_task_module_names(const char *module, const char *python,
                         void (*on_name)(void *context, const char *name), void *context, char *errstr,
                         size_t errstr_size) {
    int names_fd = memfd_create("names", MFD_CLOEXEC), errors_fd = memfd_create("errors", MFD_CLOEXEC);
    int status = 0, result = FQ_EINVALID;
    fflush(NULL);
    pid_t pid = names_fd >= 0 && errors_fd >= 0 ? fork() : -1;
    if (pid == 0)
        run_child(module, python, names_fd, errors_fd);
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        snprintf(errstr, errstr_size, "cannot start a process: %m");
    else if (status != 0)
        explain(status, errors_fd, errstr, errstr_size);
    else
        result = report_names(names_fd, on_name, context);
    if (names_fd >= 0)
        close(names_fd);
    if (errors_fd >= 0)
        close(errors_fd);
    return result;
}
