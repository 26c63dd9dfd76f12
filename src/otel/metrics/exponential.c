// SPDX-License-Identifier: Apache-2.0
#include "otel/metrics/exponential.h"

#include <math.h>
#include <string.h>

static int32_t floor_shift(int32_t value, int32_t shift) {
    return shift >= 31 ? (value < 0 ? -1 : 0) : value >> shift;
}

int32_t otel_exponential_index(double value, int32_t scale) {
    int exponent;
    double fraction = frexp(value, &exponent); // value = fraction * 2^exponent, fraction in [0.5, 1)
    if (scale > 0) {
        int32_t least = (exponent - 1) * (1 << scale);
        if (fraction == 0.5)
            return least - 1; // a power of two is its bucket's upper bound
        // The logarithm of the fraction alone, so that rounding cannot carry it over a power of two.
        int32_t index = exponent * (1 << scale) + (int32_t)floor(log(fraction) * ldexp(M_LOG2E, scale));
        int32_t most = least + (1 << scale) - 1;
        return index < least ? least : index > most ? most : index;
    }
    int32_t normal = exponent - 1;
    if (normal < -1022) // subnormal: as the smallest normal number, which is a power of two
        normal = -1023;
    else if (fraction == 0.5)
        normal--;
    return floor_shift(normal, -scale);
}

void otel_exponential_init(struct otel_exponential *histogram, uint32_t size, int32_t scale) {
    memset(histogram, 0, otel_exponential_bytes(size));
    histogram->size = size;
    histogram->scale = scale;
    histogram->positive = histogram->negative = (struct otel_exponential_side){.low = 0, .high = -1};
    histogram->min = INFINITY;
    histogram->max = -INFINITY;
}

static uint64_t *place(struct otel_exponential *histogram, bool is_negative, int32_t index) {
    int64_t size = histogram->size;
    return &histogram->counts[(is_negative ? size : 0) + ((int64_t)index % size + size) % size];
}

static void rescale_side(struct otel_exponential *histogram, bool is_negative, int32_t shift) {
    struct otel_exponential_side *side = is_negative ? &histogram->negative : &histogram->positive;
    if (side->high < side->low)
        return;
    struct otel_exponential_side next = {floor_shift(side->low, shift), floor_shift(side->high, shift)};
    uint64_t moved[1024];
    uint32_t span = (uint32_t)(next.high - next.low) + 1;
    memset(moved, 0, span * sizeof *moved);
    for (int32_t i = side->low; i <= side->high; i++) {
        moved[floor_shift(i, shift) - next.low] += *place(histogram, is_negative, i);
        *place(histogram, is_negative, i) = 0;
    }
    for (uint32_t i = 0; i < span; i++)
        *place(histogram, is_negative, next.low + (int32_t)i) = moved[i];
    *side = next;
}

void otel_exponential_rescale(struct otel_exponential *histogram, int32_t scale) {
    int32_t shift = histogram->scale - scale;
    if (shift <= 0)
        return;
    rescale_side(histogram, false, shift);
    rescale_side(histogram, true, shift);
    histogram->scale = scale;
}

// Halvings that are needed until low..high, with what is in use, are at most `size` buckets.
static int32_t halvings(const struct otel_exponential *histogram, const struct otel_exponential_side *side,
                        int32_t low, int32_t high) {
    if (side->high >= side->low) {
        low = side->low < low ? side->low : low;
        high = side->high > high ? side->high : high;
    }
    int32_t count = 0;
    for (; (int64_t)high - low + 1 > histogram->size; count++) {
        low = floor_shift(low, 1);
        high = floor_shift(high, 1);
    }
    return count;
}

// Adds to a bucket that is known to fit.
static void add(struct otel_exponential *histogram, bool is_negative, int32_t index, uint64_t count) {
    struct otel_exponential_side *side = is_negative ? &histogram->negative : &histogram->positive;
    if (side->high < side->low) {
        side->low = side->high = index;
    } else {
        side->low = index < side->low ? index : side->low;
        side->high = index > side->high ? index : side->high;
    }
    *place(histogram, is_negative, index) += count;
}

void otel_exponential_record_many(struct otel_exponential *histogram, double value, uint64_t count) {
    histogram->count += count;
    histogram->min = value < histogram->min ? value : histogram->min;
    histogram->max = value > histogram->max ? value : histogram->max;
    if (value == 0) {
        histogram->zero_count += count;
        return;
    }
    bool is_negative = value < 0;
    int32_t index = otel_exponential_index(fabs(value), histogram->scale);
    int32_t shift =
        halvings(histogram, is_negative ? &histogram->negative : &histogram->positive, index, index);
    otel_exponential_rescale(histogram, histogram->scale - shift);
    add(histogram, is_negative, floor_shift(index, shift), count);
}

void otel_exponential_record(struct otel_exponential *histogram, double value) {
    histogram->sum += value;
    otel_exponential_record_many(histogram, value, 1);
}

static void merge_side(struct otel_exponential *histogram, const struct otel_exponential *other,
                       bool is_negative) {
    const struct otel_exponential_side *from = is_negative ? &other->negative : &other->positive;
    if (from->high < from->low)
        return;
    int32_t shift = other->scale - histogram->scale;
    int32_t more = halvings(histogram, is_negative ? &histogram->negative : &histogram->positive,
                            floor_shift(from->low, shift), floor_shift(from->high, shift));
    otel_exponential_rescale(histogram, histogram->scale - more);
    for (int32_t i = from->low; i <= from->high; i++) {
        uint64_t count = otel_exponential_count_at(other, is_negative, i);
        if (count > 0)
            add(histogram, is_negative, floor_shift(i, shift + more), count);
    }
}

void otel_exponential_merge(struct otel_exponential *histogram, const struct otel_exponential *other) {
    if (other->count == 0)
        return;
    otel_exponential_rescale(histogram, other->scale);
    merge_side(histogram, other, false);
    merge_side(histogram, other, true);
    histogram->zero_count += other->zero_count;
    histogram->count += other->count;
    histogram->sum += other->sum;
    histogram->min = other->min < histogram->min ? other->min : histogram->min;
    histogram->max = other->max > histogram->max ? other->max : histogram->max;
}

static void subtract_side(struct otel_exponential *histogram, const struct otel_exponential *earlier,
                          bool is_negative) {
    const struct otel_exponential_side *from = is_negative ? &earlier->negative : &earlier->positive;
    int32_t shift = earlier->scale - histogram->scale;
    for (int32_t i = from->low; i <= from->high; i++) {
        uint64_t *at = place(histogram, is_negative, floor_shift(i, shift));
        uint64_t count = otel_exponential_count_at(earlier, is_negative, i);
        *at -= count < *at ? count : *at;
    }
    struct otel_exponential_side *side = is_negative ? &histogram->negative : &histogram->positive;
    while (side->low <= side->high && *place(histogram, is_negative, side->low) == 0)
        side->low++;
    while (side->low <= side->high && *place(histogram, is_negative, side->high) == 0)
        side->high--;
}

void otel_exponential_subtract(struct otel_exponential *histogram, const struct otel_exponential *earlier) {
    otel_exponential_rescale(histogram, earlier->scale);
    subtract_side(histogram, earlier, false);
    subtract_side(histogram, earlier, true);
    histogram->zero_count -=
        earlier->zero_count < histogram->zero_count ? earlier->zero_count : histogram->zero_count;
    histogram->count -= earlier->count < histogram->count ? earlier->count : histogram->count;
    histogram->sum -= earlier->sum;
}

static bool side_holds(const struct otel_exponential *histogram, const struct otel_exponential *earlier,
                       bool is_negative) {
    const struct otel_exponential_side *now = is_negative ? &histogram->negative : &histogram->positive;
    const struct otel_exponential_side *from = is_negative ? &earlier->negative : &earlier->positive;
    int32_t shift = earlier->scale - histogram->scale;
    uint64_t sum = 0;
    for (int32_t i = from->low; i <= from->high; i++) {
        int32_t index = floor_shift(i, shift);
        sum += otel_exponential_count_at(earlier, is_negative, i);
        bool is_last = i == from->high || floor_shift(i + 1, shift) != index;
        if (sum > 0 && (index < now->low || index > now->high ||
                        (is_last && otel_exponential_count_at(histogram, is_negative, index) < sum)))
            return false;
        sum = is_last ? 0 : sum;
    }
    return true;
}

bool otel_exponential_holds(const struct otel_exponential *histogram,
                            const struct otel_exponential *earlier) {
    return histogram->zero_count >= earlier->zero_count && side_holds(histogram, earlier, false) &&
           side_holds(histogram, earlier, true);
}
