// SPDX-License-Identifier: Apache-2.0
#include "otel/exporters/curl.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

// Its own threads and exit handlers may run later: it is never unloaded.
static void *open_library(void) {
    static const char *const names[] = {"libcurl.so.4", "libcurl-gnutls.so.4"};
    void *library = NULL;
    for (size_t i = 0; i < sizeof names / sizeof names[0] && library == NULL; i++)
        library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    return library;
}

bool otel_curl_load(struct otel_curl *ret_curl, char *reason, size_t reason_size) {
    struct otel_curl curl;
    const struct {
        const char *name;
        void *pointer;
    } functions[] = {
        {"curl_global_init",         &curl.global_init  },
        {"curl_easy_init",           &curl.easy_init    },
        {"curl_easy_cleanup",        &curl.easy_cleanup },
        {"curl_easy_setopt",         &curl.set          },
        {"curl_easy_getinfo",        &curl.get          },
        {"curl_easy_strerror",       &curl.error_text   },
        {"curl_multi_init",          &curl.multi_init   },
        {"curl_multi_cleanup",       &curl.multi_cleanup},
        {"curl_multi_add_handle",    &curl.add          },
        {"curl_multi_remove_handle", &curl.remove       },
        {"curl_multi_perform",       &curl.perform      },
        {"curl_multi_poll",          &curl.poll         },
        {"curl_multi_wakeup",        &curl.wakeup       },
        {"curl_multi_info_read",     &curl.read         },
        {"curl_slist_append",        &curl.append       },
        {"curl_slist_free_all",      &curl.free_list    },
    };
    void *library = open_library();
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        void *symbol = library != NULL ? dlsym(library, functions[i].name) : NULL;
        if (symbol == NULL) {
            snprintf(reason, reason_size,
                     "OTLP over HTTP needs libcurl 7.68 or later (libcurl.so.4), which is not installed: "
                     "install the "
                     "package libcurl4 (Debian, Ubuntu) or libcurl (Fedora), or set "
                     "OTEL_EXPORTER_OTLP_PROTOCOL=grpc");
            return false;
        }
        memcpy(functions[i].pointer, &symbol, sizeof symbol);
    }
    if (curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        snprintf(reason, reason_size, "libcurl does not start");
        return false;
    }
    *ret_curl = curl;
    return true;
}
