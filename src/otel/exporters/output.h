// SPDX-License-Identifier: Apache-2.0
// Text to a file descriptor of the program's: whole pieces that do not mix with others', and no wait for a reader that takes
// nothing.
#ifndef OTEL_EXPORTERS_OUTPUT_H
#define OTEL_EXPORTERS_OUTPUT_H

#include "otel/exporter.h"

#include "base/buf.h"

/** OTEL_OK, OTEL_FAILED, or OTEL_TIMEOUT when nothing was taken for a second. Standard output and error are locked as stdio
 *  does it, meanwhile. */
int otel_output_write(int fd, fq_str text);

/** Appends a batch as JSON by OTLP's rules. OTEL_OK, or OTEL_FAILED when it is no such message or longer than `text` may be. */
int otel_json_append(enum otel_signal signal, const void *bytes, size_t len, fq_buf *text);

// Puts a batch into text. OTEL_OK or OTEL_FAILED.
typedef int (*otel_output_format)(enum otel_signal signal, const void *bytes, size_t len, fq_buf *text);
/** An exporter that writes what `format` makes of each batch. `fd` stays the caller's. */
int otel_output_exporter_new(enum otel_signal signal, int fd, otel_output_format format,
                             const char *component_type, struct otel_exporter *ret_exporter);

#endif
