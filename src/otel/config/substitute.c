// SPDX-License-Identifier: Apache-2.0
// Variables in values of a file. Source: the configuration data model, "environment variable substitution". What a variable
// holds is put in as it is: it is not looked through again.
#include "otel/config/node.h"

enum { NAME_BYTES_MAX = 256 };

struct output {
    struct otel_pool *pool;
    char *text; // NULL while its size is being found out
    size_t len;
};

static void put(struct output *output, const char *text, size_t len) {
    if (output->text != NULL)
        memcpy(output->text + output->len, text, len);
    output->len += len;
}

static size_t name_len(const char *text) {
    size_t len = 0;
    while ((text[len] >= 'A' && text[len] <= 'Z') || (text[len] >= 'a' && text[len] <= 'z') ||
           text[len] == '_' || (len > 0 && text[len] >= '0' && text[len] <= '9'))
        len++;
    return len;
}

// `text` stands behind "${". Behind the closing brace, or NULL.
static const char *put_reference(struct output *output, const char *text,
                                 const struct otel_variables *variables) {
    char name[NAME_BYTES_MAX + 1];
    if (strncmp(text, "env:", 4) == 0)
        text += 4;
    size_t len = name_len(text);
    if (len == 0 || len > NAME_BYTES_MAX)
        return NULL;
    memcpy(name, text, len);
    name[len] = '\0';
    text += len;
    const char *fallback = "", *end = strchr(text, '}');
    size_t fallback_len = 0;
    if (end == NULL || memchr(text, '\n', (size_t)(end - text)) != NULL)
        return NULL;
    if (strncmp(text, ":-", 2) == 0) {
        fallback = text + 2;
        fallback_len = (size_t)(end - fallback);
    } else if (end != text) {
        return NULL;
    }
    const char *value = otel_variables_text(variables, name);
    put(output, value != NULL ? value : fallback, value != NULL ? strlen(value) : fallback_len);
    return end + 1;
}

static const char *run(struct output *output, const char *text, const struct otel_variables *variables) {
    while (*text != '\0') {
        const char *sign = strchrnul(text, '$');
        put(output, text, (size_t)(sign - text));
        if (sign[0] == '\0')
            break;
        if (sign[1] == '{') {
            text = put_reference(output, sign + 2, variables);
            if (text == NULL)
                return sign;
        } else {
            put(output, "$", 1);
            text = sign[1] == '$' ? sign + 2 : sign + 1;
        }
    }
    return NULL;
}

char *otel_substitute(const char *text, const struct otel_variables *variables, struct otel_pool *pool,
                      bool *ret_changed, const char **ret_bad) {
    struct output output = {.pool = pool};
    const char *bad = run(&output, text, variables);
    *ret_changed = strchr(text, '$') != NULL;
    *ret_bad = bad;
    if (bad != NULL || output.len > OTEL_NODE_TEXT_MAX)
        return NULL;
    output.text = otel_pool_take(pool, output.len + 1);
    output.len = 0;
    if (output.text != NULL)
        run(&output, text, variables);
    return output.text;
}
