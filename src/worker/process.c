// SPDX-License-Identifier: Apache-2.0
#include "worker/process.h"

#include "worker/stray.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FD_BOARD = 3, FD_CONTROL = 4, FD_ERROR = 5, FD_SPARE = 16 };

// What follows the prefix of one of our variables, under its own name or the older one; NULL for other people's.
static const char *own_variable(const char *variable) {
    static const char *const prefixes[] = {"FASTQUEUE_", "FASTWORKER_"};
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (strncmp(variable, prefixes[i], strlen(prefixes[i])) == 0)
            return variable + strlen(prefixes[i]);
    return NULL;
}

// Secrets stay here; runners get theirs over the control socket.
static bool is_withheld(const char *variable) {
    static const char *const names[] = {"TOKEN=", "USER=", "RUNNER_FDS="};
    static const char address[] = "CONTROL_PLANE_ADDRESS=";
    const char *own = own_variable(variable);
    if (own == NULL)
        return false;
    if (strncmp(variable, FQ_STRAY_MARK, strlen(FQ_STRAY_MARK)) == 0) // of whoever started this process
        return true;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strncmp(own, names[i], strlen(names[i])) == 0)
            return true;
    return strncmp(own, address, sizeof address - 1) == 0 && strchr(own, '@') != NULL;
}

// The child's environment: an array in one allocation, its strings borrowed but for the last two.
static char **make_environment(char *descriptors, char *mark) {
    size_t count = 0;
    while (environ[count] != NULL)
        count++;
    char **made = calloc(count + 3, sizeof *made);
    if (made == NULL)
        return NULL;
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        if (!is_withheld(environ[i]))
            made[n++] = environ[i];
    made[n++] = descriptors;
    made[n] = mark;
    return made;
}

// Appends our process id to the mark: in the child, where it is known, and where printf is not allowed.
static void complete_mark(char *mark) {
    char digits[16];
    size_t count = 0, len = strlen(mark);
    for (unsigned pid = (unsigned)getpid(); pid != 0; pid /= 10)
        digits[count++] = (char)('0' + pid % 10);
    while (count > 0)
        mark[len++] = digits[--count];
    mark[len] = '\0';
}

static void reset_signals(void) {
    for (int number = 1; number < NSIG; number++)
        if (number != SIGKILL && number != SIGSTOP)
            (void)signal(number, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void prefer_for_oom(void) {
    // A copy of a process that hides its memory may not write its own entry in /proc; what is executed next hides nothing.
    (void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t written = write(fd, "500", 3);
    (void)written;
    close(fd);
}

// Descriptors 0 to 5 and nothing else. The originals may lie anywhere, so they are lifted out of the way first.
static bool arrange_descriptors(const struct fq_process_spec *spec, int error_fd) {
    int board = fcntl(spec->board_fd, F_DUPFD, FD_SPARE);
    int control = fcntl(spec->control_fd, F_DUPFD, FD_SPARE);
    int report = fcntl(error_fd, F_DUPFD, FD_SPARE);
    int null = open("/dev/null", O_RDONLY);
    int output[2];
    for (int i = 0; i < 2; i++)
        output[i] =
            fcntl(spec->output_fds[i] >= 0 ? spec->output_fds[i] : STDOUT_FILENO + i, F_DUPFD, FD_SPARE);
    if (board < 0 || control < 0 || report < 0 || null < 0)
        return false;
    for (int i = 0; i < 2; i++)
        if (spec->output_fds[i] >= 0 && (output[i] < 0 || dup2(output[i], STDOUT_FILENO + i) < 0))
            return false;
    return dup2(null, 0) == 0 && dup2(board, FD_BOARD) == FD_BOARD &&
           dup2(control, FD_CONTROL) == FD_CONTROL && dup3(report, FD_ERROR, O_CLOEXEC) == FD_ERROR &&
           close_range(FD_ERROR + 1, ~0u, 0) == 0;
}

// In the child, between fork and exec: only what is safe after a fork in a process with threads.
static void become(const struct fq_process_spec *spec, char *const *argv, char **environment, char *mark,
                   pid_t parent, int error_fd) {
    if (!arrange_descriptors(spec, error_fd))
        _exit(127);
    setsid();
    reset_signals();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    // The parent may have died before the request was made.
    if (getppid() != parent)
        _exit(127);
    if (!spec->allow_core) {
        struct rlimit no_core = {0, 0};
        (void)setrlimit(RLIMIT_CORE, &no_core);
    }
    // Whatever this process was started with: no file of a task is everybody's to write.
    umask(umask(077) | S_IWOTH);
    prefer_for_oom();
    complete_mark(mark);
    execvpe(argv[0], argv, environment);
    int error = errno;
    ssize_t written = write(FD_ERROR, &error, sizeof error);
    (void)written;
    _exit(127);
}

int fq_process_start(const struct fq_process_spec *spec, pid_t *ret_pid, char *errstr, size_t errstr_size) {
    int ends[2];
    char descriptors[64], mark[sizeof FQ_STRAY_MARK + 16] = FQ_STRAY_MARK;
    snprintf(descriptors, sizeof descriptors, "FASTQUEUE_RUNNER_FDS=%d,%d,%d", FD_BOARD, FD_CONTROL,
             (int)getpid());
    char **environment = make_environment(descriptors, mark);
    if (environment == NULL || pipe2(ends, O_CLOEXEC) != 0) {
        free(environment);
        snprintf(errstr, errstr_size, "cannot start %s: %s", spec->argv[0], strerror(errno));
        return FQ_EIO;
    }
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        become(spec, (char *const *)(uintptr_t)spec->argv, environment, mark, parent, ends[1]);
    int error = pid < 0 ? errno : 0;
    free(environment);
    close(ends[1]);
    // The pipe closes with the exec; bytes in it are the errno of one that failed.
    if (pid > 0 && read(ends[0], &error, sizeof error) == (ssize_t)sizeof error)
        (void)waitpid(pid, NULL, 0);
    else if (pid > 0)
        error = 0;
    close(ends[0]);
    if (error != 0) {
        snprintf(errstr, errstr_size, "cannot start %s: %s", spec->argv[0], strerror(error));
        return FQ_EIO;
    }
    *ret_pid = pid;
    return 0;
}

void fq_process_kill_group(pid_t pid) {
    if (pid > 0 && kill(-pid, SIGKILL) != 0)
        (void)kill(pid, SIGKILL);
}

uint64_t fq_process_resident(pid_t pid) {
    char path[48];
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    FILE *file = fopen(path, "re");
    unsigned long long total, resident = 0;
    if (file == NULL)
        return 0;
    if (fscanf(file, "%llu %llu", &total, &resident) != 2)
        resident = 0;
    fclose(file);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

int64_t fq_process_oom_kills(void) {
    char line[512], path[600] = "";
    FILE *file = fopen("/proc/self/cgroup", "re");
    if (file == NULL)
        return -1;
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, "0::", 3) == 0) {
            line[strcspn(line, "\n")] = '\0';
            snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.events", line + 3);
        }
    fclose(file);
    file = path[0] != '\0' ? fopen(path, "re") : NULL;
    if (file == NULL)
        return -1;
    long long kills = -1;
    while (fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "oom_kill %lld", &kills) == 1)
            break;
    fclose(file);
    return kills;
}

static double seconds(struct timeval time) {
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

void fq_process_describe(const struct fq_process_end *end, char *text, size_t size) {
    char how[160];
    if (WIFSIGNALED(end->status)) {
        int number = WTERMSIG(end->status);
        const char *guess = "";
        if (number == SIGKILL && end->out_of_memory)
            guess = ", out of memory: the kernel killed it";
        else if (number == SIGKILL && !end->killed_here)
            guess = ", sent by somebody else or by the kernel for want of memory";
        snprintf(how, sizeof how, "killed by signal %d (%s)%s", number, strsignal(number), guess);
    } else {
        snprintf(how, sizeof how, "exited with code %d", WEXITSTATUS(end->status));
    }
    snprintf(text, size, "%s; max resident %ld MiB, CPU %.2f s user, %.2f s system", how,
             end->usage.ru_maxrss / 1024, seconds(end->usage.ru_utime), seconds(end->usage.ru_stime));
}
