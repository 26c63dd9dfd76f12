// SPDX-License-Identifier: Apache-2.0
#include "otel/exporters/prometheus_name.h"

#include "fastqueue/error.h"

#include <ctype.h>

enum { TOKENS_MAX = 64 };

bool otel_prometheus_strategy_parse(const char *name, enum otel_prometheus_strategy *ret_strategy) {
    static const char *const names[] = {
        [OTEL_PROMETHEUS_UNDERSCORES_WITH_SUFFIXES] = "UnderscoreEscapingWithSuffixes",
        [OTEL_PROMETHEUS_UNDERSCORES_WITHOUT_SUFFIXES] = "UnderscoreEscapingWithoutSuffixes",
        [OTEL_PROMETHEUS_UTF8_WITH_SUFFIXES] = "NoUTF8EscapingWithSuffixes",
        [OTEL_PROMETHEUS_UNTRANSLATED] = "NoTranslation",
    };
    for (int i = 0; i < 4; i++) {
        if (strcmp(names[i], name) == 0) {
            *ret_strategy = (enum otel_prometheus_strategy)i;
            return true;
        }
    }
    return false;
}

static bool is_word(char c, bool is_metric) {
    return isalnum((unsigned char)c) != 0 || c == '_' || (is_metric && c == ':');
}

bool otel_prometheus_name_is_plain(fq_str name, bool is_metric) {
    for (size_t i = 0; i < name.len; i++) {
        if ((unsigned char)name.ptr[i] > 0x7f || !is_word(name.ptr[i], is_metric))
            return false;
    }
    return name.len > 0 && !isdigit((unsigned char)name.ptr[0]);
}

// --- units -----------------------------------------------------------------------------------------------------------
struct unit_word {
    const char *unit, *word;
};
static const struct unit_word main_words[] = {
    {"d",    "days"        },
    {"h",    "hours"       },
    {"min",  "minutes"     },
    {"s",    "seconds"     },
    {"ms",   "milliseconds"},
    {"us",   "microseconds"},
    {"ns",   "nanoseconds" },
    {"By",   "bytes"       },
    {"KiBy", "kibibytes"   },
    {"MiBy", "mebibytes"   },
    {"GiBy", "gibibytes"   },
    {"TiBy", "tibibytes"   },
    {"KBy",  "kilobytes"   },
    {"MBy",  "megabytes"   },
    {"GBy",  "gigabytes"   },
    {"TBy",  "terabytes"   },
    {"m",    "meters"      },
    {"V",    "volts"       },
    {"A",    "amperes"     },
    {"J",    "joules"      },
    {"W",    "watts"       },
    {"g",    "grams"       },
    {"Cel",  "celsius"     },
    {"Hz",   "hertz"       },
    {"1",    ""            },
    {"%",    "percent"     },
};
static const struct unit_word per_words[] = {
    {"s",  "second"},
    {"m",  "minute"},
    {"h",  "hour"  },
    {"d",  "day"   },
    {"w",  "week"  },
    {"mo", "month" },
    {"y",  "year"  }
};

static fq_str trimmed(fq_str text) {
    while (text.len > 0 && text.ptr[0] == ' ')
        text = (fq_str){text.ptr + 1, text.len - 1};
    while (text.len > 0 && text.ptr[text.len - 1] == ' ')
        text.len--;
    return text;
}

static fq_str word_of(fq_str unit, const struct unit_word *words, size_t count) {
    if (memchr(unit.ptr, '{', unit.len) != NULL || memchr(unit.ptr, '}', unit.len) != NULL)
        return FQ_STR("");
    for (size_t i = 0; i < count; i++) {
        if (fq_str_equal(unit, fq_str_of(words[i].unit)))
            return fq_str_of(words[i].word);
    }
    return unit;
}

struct unit_words {
    fq_str main, per; // empty = none
};
static struct unit_words split_unit(fq_str unit) {
    const char *slash = unit.len > 0 ? memchr(unit.ptr, '/', unit.len) : NULL;
    fq_str main = {unit.ptr, slash != NULL ? (size_t)(slash - unit.ptr) : unit.len};
    struct unit_words words = {0};
    words.main = word_of(trimmed(main), main_words, sizeof main_words / sizeof *main_words);
    words.per = FQ_STR("");
    if (slash != NULL)
        words.per = word_of(trimmed((fq_str){slash + 1, unit.len - main.len - 1}), per_words,
                            sizeof per_words / sizeof *per_words);
    return words;
}

// Runs of what a name cannot hold become one underscore, none at its start.
static int append_clean(fq_buf *out, fq_str text) {
    size_t start = fq_buf_len(out);
    for (size_t i = 0; i < text.len; i++) {
        bool ok = (unsigned char)text.ptr[i] < 0x80 && is_word(text.ptr[i], true);
        char c = ok ? text.ptr[i] : '_';
        bool repeats = fq_buf_len(out) == start || fq_buf_str(out).ptr[fq_buf_len(out) - 1] == '_';
        int error = c == '_' && repeats ? 0 : fq_buf_append_byte(out, c);
        if (error != 0)
            return error;
    }
    return 0;
}

int otel_prometheus_unit(fq_str unit, fq_buf *out) {
    struct unit_words words = split_unit(unit);
    int error = append_clean(out, words.main);
    if (error == 0 && words.per.len > 0) {
        error = fq_buf_append_str(out, words.main.len > 0 ? FQ_STR("_per_") : FQ_STR("per_"));
        error = error != 0 ? error : append_clean(out, words.per);
    }
    return error != 0 ? error : fq_buf_append_byte(out, 0);
}

// --- names with underscores: lists of tokens --------------------------------------------------------------------------
struct tokens {
    fq_str items[TOKENS_MAX];
    size_t count;
};

static void split(struct tokens *tokens, fq_str text) {
    size_t begin = 0;
    for (size_t i = 0; i <= text.len; i++) {
        bool is_part = i < text.len && (unsigned char)text.ptr[i] < 0x80 && text.ptr[i] != '_' &&
                       is_word(text.ptr[i], true);
        if (is_part)
            continue;
        if (i > begin && tokens->count < TOKENS_MAX)
            tokens->items[tokens->count++] = (fq_str){text.ptr + begin, i - begin};
        begin = i + 1;
    }
}

static bool contains(const struct tokens *tokens, fq_str word) {
    for (size_t i = 0; i < tokens->count; i++) {
        if (fq_str_equal(tokens->items[i], word))
            return true;
    }
    return false;
}

static void remove_all(struct tokens *tokens, fq_str word) {
    size_t kept = 0;
    for (size_t i = 0; i < tokens->count; i++) {
        if (!fq_str_equal(tokens->items[i], word))
            tokens->items[kept++] = tokens->items[i];
    }
    tokens->count = kept;
}

static void put(struct tokens *tokens, fq_str word) {
    if (tokens->count < TOKENS_MAX)
        tokens->items[tokens->count++] = word;
}

static void put_unit(struct tokens *tokens, fq_str unit) {
    struct unit_words words = split_unit(unit);
    struct tokens of_main = {0}, of_per = {0};
    split(&of_main, words.main);
    split(&of_per, words.per);
    for (size_t i = 0; i < of_main.count; i++) {
        if (!contains(tokens, of_main.items[i]))
            put(tokens, of_main.items[i]);
    }
    bool has_per = of_per.count == 1 && contains(tokens, of_per.items[0]);
    if (of_per.count > 0 && !has_per) {
        put(tokens, FQ_STR("per"));
        for (size_t i = 0; i < of_per.count; i++)
            put(tokens, of_per.items[i]);
    }
}

static int join(const struct tokens *tokens, fq_buf *out) {
    if (tokens->count == 0)
        return FQ_EINVALID;
    int error = isdigit((unsigned char)tokens->items[0].ptr[0]) ? fq_buf_append_byte(out, '_') : 0;
    for (size_t i = 0; i < tokens->count && error == 0; i++) {
        error = i > 0 ? fq_buf_append_byte(out, '_') : 0;
        error = error != 0 ? error : fq_buf_append_str(out, tokens->items[i]);
    }
    return error;
}

static int name_with_suffixes(const struct otel_prometheus_naming *naming, fq_buf *out) {
    struct tokens tokens = {0};
    split(&tokens, naming->name);
    put_unit(&tokens, naming->unit);
    if (naming->is_counter) {
        remove_all(&tokens, FQ_STR("total"));
        put(&tokens, FQ_STR("total"));
    } else if (naming->is_gauge && fq_str_equal(naming->unit, FQ_STR("1"))) {
        remove_all(&tokens, FQ_STR("ratio"));
        put(&tokens, FQ_STR("ratio"));
    }
    return join(&tokens, out);
}

static int name_without_suffixes(const struct otel_prometheus_naming *naming, fq_buf *out) {
    if (naming->name.len == 0)
        return FQ_EINVALID;
    int error = isdigit((unsigned char)naming->name.ptr[0]) ? fq_buf_append_byte(out, '_') : 0;
    return error != 0 ? error : append_clean(out, naming->name);
}

// --- names as they are -----------------------------------------------------------------------------------------------
static bool ends_with(fq_str text, fq_str end) {
    return text.len >= end.len && memcmp(text.ptr + text.len - end.len, end.ptr, end.len) == 0;
}

// Cuts "_word" or ".word" off the end and appends "_word".
static int move_to_end(fq_buf *out, size_t start, fq_str word) {
    fq_str now = {fq_buf_str(out).ptr + start, fq_buf_len(out) - start};
    if (now.len > word.len && ends_with(now, word) &&
        !isalnum((unsigned char)now.ptr[now.len - word.len - 1]))
        out->end -= word.len + 1;
    int error = fq_buf_append_byte(out, '_');
    return error != 0 ? error : fq_buf_append_str(out, word);
}

static int name_in_utf8(const struct otel_prometheus_naming *naming, fq_buf *out) {
    size_t start = fq_buf_len(out);
    struct unit_words words = split_unit(naming->unit);
    int error = naming->name.len == 0 ? FQ_EINVALID : fq_buf_append_str(out, naming->name);
    if (error == 0 && naming->is_counter && ends_with(naming->name, FQ_STR("total")) && naming->name.len > 6)
        out->end -= 6; // it comes last
    if (error == 0 && words.main.len > 0)
        error = move_to_end(out, start, words.main);
    if (error == 0 && words.per.len > 0) {
        error = fq_buf_append_str(out, FQ_STR("_per_"));
        error = error != 0 ? error : fq_buf_append_str(out, words.per);
    }
    if (error == 0 && naming->is_counter)
        error = move_to_end(out, start, FQ_STR("total"));
    else if (error == 0 && naming->is_gauge && fq_str_equal(naming->unit, FQ_STR("1")))
        error = move_to_end(out, start, FQ_STR("ratio"));
    return error;
}

int otel_prometheus_name(const struct otel_prometheus_naming *naming, fq_buf *out) {
    int error = FQ_EINVALID;
    switch (naming->strategy) {
    case OTEL_PROMETHEUS_UNDERSCORES_WITH_SUFFIXES: error = name_with_suffixes(naming, out); break;
    case OTEL_PROMETHEUS_UNDERSCORES_WITHOUT_SUFFIXES: error = name_without_suffixes(naming, out); break;
    case OTEL_PROMETHEUS_UTF8_WITH_SUFFIXES: error = name_in_utf8(naming, out); break;
    case OTEL_PROMETHEUS_UNTRANSLATED:
        error = naming->name.len > 0 ? fq_buf_append_str(out, naming->name) : FQ_EINVALID;
        break;
    }
    return error != 0 ? error : fq_buf_append_byte(out, 0);
}

int otel_prometheus_label_name(enum otel_prometheus_strategy strategy, fq_str key, fq_buf *out) {
    bool as_it_is =
        strategy == OTEL_PROMETHEUS_UTF8_WITH_SUFFIXES || strategy == OTEL_PROMETHEUS_UNTRANSLATED;
    bool is_reserved = key.len >= 4 && memcmp(key.ptr, "__", 2) == 0 && ends_with(key, FQ_STR("__"));
    int error = 0;
    if (as_it_is || is_reserved) {
        error = fq_buf_append_str(out, key);
    } else {
        if (key.len > 0 && isdigit((unsigned char)key.ptr[0]))
            error = fq_buf_append_str(out, FQ_STR("key_"));
        char before = 0;
        for (size_t i = 0; i < key.len && error == 0; i++) {
            bool ok = (unsigned char)key.ptr[i] < 0x80 && is_word(key.ptr[i], false);
            char c = ok ? key.ptr[i] : '_';
            error = c == '_' && before == '_' ? 0 : fq_buf_append_byte(out, c);
            before = c;
        }
    }
    return error != 0 ? error : fq_buf_append_byte(out, 0);
}
