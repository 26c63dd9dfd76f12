// SPDX-License-Identifier: Apache-2.0
// Detectors of host, operating system and process. Nothing of a command line is told: it may hold secrets.
// Names: resource semantic conventions 1.44.
#include "otel/system/system.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define SCHEMA_URL "https://opentelemetry.io/schemas/1.44.0"

enum { MACHINE_ID_TEXT = 32, RELEASE_BYTES_MAX = 8192 };

static const char *architecture(const char *machine) {
    static const char *const names[][2] = {
        {"x86_64",  "amd64"},
        {"aarch64", "arm64"},
        {"ppc64le", "ppc64"},
        {"i686",    "x86"  },
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(machine, names[i][0]) == 0)
            return names[i][1];
    }
    return machine;
}

static otel_resource *detect_host(void *context) {
    (void)context;
    struct utsname system;
    if (uname(&system) != 0)
        return NULL;
    char id[MACHINE_ID_TEXT + 1] = "";
    char *text;
    size_t len;
    const char *reason;
    if (otel_system_read_file("/etc/machine-id", 64, &text, &len, &reason) == OTEL_OK) {
        if (len >= MACHINE_ID_TEXT)
            memcpy(id, text, MACHINE_ID_TEXT);
        free(text);
    }
    struct otel_attribute attributes[] = {
        otel_text("host.name", system.nodename),
        otel_text("host.arch", architecture(system.machine)),
        otel_text("host.id", id[0] != '\0' ? id : NULL),
    };
    return otel_resource_new(attributes, sizeof attributes / sizeof attributes[0], SCHEMA_URL);
}

// The value of KEY=value or KEY="value" in /etc/os-release; false if there is none.
static bool release_value(const char *text, const char *key, char *value, size_t size) {
    size_t key_len = strlen(key);
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, key_len) != 0 || line[key_len] != '=')
            continue;
        const char *start = line + key_len + 1;
        start += *start == '"';
        size_t len = strcspn(start, "\"\n");
        if (len == 0 || len >= size)
            return false;
        memcpy(value, start, len);
        value[len] = '\0';
        return true;
    }
    return false;
}

static otel_resource *detect_os(void *context) {
    (void)context;
    struct utsname system;
    if (uname(&system) != 0)
        return NULL;
    char type[sizeof system.sysname], name[100] = "", version[100] = "", *text;
    for (size_t i = 0; i < sizeof type; i++)
        type[i] = system.sysname[i] >= 'A' && system.sysname[i] <= 'Z' ? (char)(system.sysname[i] + 32)
                                                                       : system.sysname[i];
    size_t len;
    const char *reason;
    if (otel_system_read_file("/etc/os-release", RELEASE_BYTES_MAX, &text, &len, &reason) == OTEL_OK) {
        release_value(text, "NAME", name, sizeof name);
        release_value(text, "VERSION_ID", version, sizeof version);
        free(text);
    }
    struct otel_attribute attributes[] = {
        otel_text("os.type", type),
        otel_text("os.name", name[0] != '\0' ? name : NULL),
        otel_text("os.version", version[0] != '\0' ? version : NULL),
        otel_text("os.description", system.release),
    };
    return otel_resource_new(attributes, sizeof attributes / sizeof attributes[0], SCHEMA_URL);
}

static otel_resource *detect_process(void *context) {
    (void)context;
    char path[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);
    path[len > 0 ? len : 0] = '\0';
    struct otel_attribute attributes[] = {
        otel_int("process.pid", getpid()),
        otel_text("process.executable.name", program_invocation_short_name),
        otel_text("process.executable.path", len > 0 ? path : NULL),
    };
    return otel_resource_new(attributes, sizeof attributes / sizeof attributes[0], SCHEMA_URL);
}

const struct otel_resource_detector otel_detect_host = {.name = "host", .detect = detect_host};
const struct otel_resource_detector otel_detect_os = {.name = "os", .detect = detect_os};
const struct otel_resource_detector otel_detect_process = {.name = "process", .detect = detect_process};
