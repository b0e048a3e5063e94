// The bank's full voices in C++: the same phases, jumps, envelope, filter and pan, by the same steps, for a comparison.
//
// Sixteen voices are a vector, two vectors a pair; a quantum of each voice is written to a row, the rows of sixteen voices are
// turned to columns, and the filters go over the columns. Compiled by the bench with the machine's own compiler, with the
// vectors of GCC and Clang. What the bank does besides is not here: to find out which voices have ended, to steal some.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

namespace {

constexpr int LANES = 16, PAIR = 32, QUANTUM = 64, PAD = 16, ROW = PAD + QUANTUM + PAD, REACH = 8, PARTS = 128;
constexpr int BLOCK = QUANTUM * LANES;
constexpr std::int64_t PERIOD = std::int64_t(1) << 32, HALF = PERIOD / 2;

typedef float Vector __attribute__((vector_size(64)));
typedef float Loose __attribute__((vector_size(64), aligned(4)));
typedef std::int32_t Words __attribute__((vector_size(64)));
typedef std::uint32_t Counts __attribute__((vector_size(64)));

inline Vector load(const float *place) { return *reinterpret_cast<const Loose *>(place); }
inline void store(float *place, Vector value) { *reinterpret_cast<Loose *>(place) = value; }
inline Vector splat(float value) { return Vector{} + value; }

// 0 .. 1 to a curve that is level at both ends.
inline Vector limited(Vector x) {
    x = x > 0.0f ? x : splat(0);
    return x < 1.0f ? x : splat(1);
}
inline Vector swell(Vector x) {
    x = limited(x);
    return x * x * (3.0f - x - x);
}
inline Vector fall(Vector x) {
    x = limited(x);
    return x * x * x * (4.0f - x - x - x);
}
inline Vector line(double start, double step) {
    Vector lanes;
    for (int lane = 0; lane < LANES; lane++) lanes[lane] = float(lane);
    return float(start) + float(step) * lanes;
}

inline Vector phases(std::int64_t start, std::int64_t step) {
    Counts lanes;
    for (int lane = 0; lane < LANES; lane++) lanes[lane] = lane;
    Counts counts = std::uint32_t(start) + lanes * std::uint32_t(step);
    return __builtin_convertvector(reinterpret_cast<Words &>(counts), Vector) * 0x1p-31f;
}

template <int width> inline void exchange(Vector *rows) {
    Words left, right;
    for (int lane = 0; lane < LANES; lane++) {
        left[lane] = lane & width ? lane - width + LANES : lane;
        right[lane] = lane & width ? lane + LANES : lane + width;
    }
    for (int row = 0; row < LANES; row++)
        if (!(row & width)) {
            Vector first = rows[row], second = rows[row + width];
#if defined(__clang__)
            for (int lane = 0; lane < LANES; lane++) {
                rows[row][lane] = left[lane] < LANES ? first[left[lane]] : second[left[lane] - LANES];
                rows[row + width][lane] = right[lane] < LANES ? first[right[lane]] : second[right[lane] - LANES];
            }
#else
            rows[row] = __builtin_shuffle(first, second, left);
            rows[row + width] = __builtin_shuffle(first, second, right);
#endif
        }
}

// Sixteen rows of sixteen to columns.
inline void turn(const float *source, int stride, float *target) {
    Vector rows[LANES];
    for (int row = 0; row < LANES; row++) rows[row] = load(source + row * stride);
    exchange<1>(rows);
    exchange<2>(rows);
    exchange<4>(rows);
    exchange<8>(rows);
    for (int row = 0; row < LANES; row++) store(target + row * LANES, rows[row]);
}

struct Voice {
    std::int64_t phase, step;
    double age, attack, rise, fall;
    float sustain;
};

struct alignas(64) Filters {
    Vector first[2], second[2], own[2], cross[2], inward[2], left[2], right[2];
};

struct Choir {
    std::vector<Voice> voices;
    std::vector<Filters> filters;
    const float *jumps;
    alignas(64) float rows[PAIR * ROW], turned[2 * BLOCK], mixed[2 * BLOCK];
};

void add_jumps(float *row, const float *table, std::int64_t phase, std::int64_t step) {
    std::int64_t distance = (0 - (phase - REACH * step)) & (PERIOD - 1);
    const std::int64_t last = (QUANTUM + 2 * REACH - 1) * step;
    for (; distance <= last; distance += PERIOD) {
        const double time = double(distance) / double(step), behind = std::ceil(time), part = (behind - time) * PARTS;
        const int number = int(part);
        float *place = row + int(behind) - 2 * REACH;
        const Vector low = load(table + number * LANES), high = load(table + std::min(number + 1, PARTS) * LANES);
        store(place, load(place) - 2.0f * (low + float(part - number) * (high - low)));
    }
}

void play_source(Voice &voice, const float *jumps, float *row) {
    for (int n = 0; n < QUANTUM; n += LANES) store(row + n, phases(voice.phase + n * voice.step + HALF, voice.step));
    store(row - PAD, splat(0));
    store(row + QUANTUM, splat(0));
    add_jumps(row, jumps, voice.phase, voice.step);
    voice.phase = (voice.phase + QUANTUM * voice.step) & (PERIOD - 1);
    const double attack = (voice.age + 1) * voice.rise, decay = 1 - (voice.age + 1 - voice.attack) * voice.fall;
    if (attack >= 1 && decay <= 0) {
        for (int n = 0; n < QUANTUM; n += LANES) store(row + n, load(row + n) * voice.sustain);
    } else {
        for (int n = 0; n < QUANTUM; n += LANES) {
            const Vector fallen = fall(line(decay - n * voice.fall, -voice.fall));
            const Vector level = voice.sustain + (1 - voice.sustain) * fallen;
            store(row + n, load(row + n) * level * swell(line(attack + n * voice.rise, voice.rise)));
        }
    }
    voice.age += QUANTUM;
}

void play_filters(Choir &choir, Filters &filters) {
    for (int half = 0; half < 2; half++)
        for (int n = 0; n < QUANTUM; n += LANES)
            turn(choir.rows + half * LANES * ROW + PAD + n, ROW, choir.turned + half * BLOCK + n * LANES);
    Vector first[2], second[2], own[2], cross[2], inward[2], left[2], right[2];
    for (int half = 0; half < 2; half++) {
        first[half] = filters.first[half], second[half] = filters.second[half];
        own[half] = filters.own[half], cross[half] = filters.cross[half], inward[half] = filters.inward[half];
        left[half] = 0.5f * filters.left[half], right[half] = 0.5f * filters.right[half];
    }
    for (int n = 0; n < BLOCK; n += LANES) {
        Vector to_left = load(choir.mixed + n), to_right = load(choir.mixed + BLOCK + n);
        for (int half = 0; half < 2; half++) {
            const Vector error = load(choir.turned + half * BLOCK + n) - second[half];
            const Vector later = inward[half] * error + (cross[half] * first[half] + second[half]);
            first[half] = cross[half] * error + own[half] * first[half];
            const Vector heard = second[half] + later;
            second[half] = later;
            to_left += heard * left[half];
            to_right += heard * right[half];
        }
        store(choir.mixed + n, to_left);
        store(choir.mixed + BLOCK + n, to_right);
    }
    for (int half = 0; half < 2; half++) filters.first[half] = first[half], filters.second[half] = second[half];
}

} // namespace

extern "C" {

// `values`: for each voice step, attack, rise, fall, sustain, own, cross, inward, left, right. `jumps`: [PARTS + 1][16].
Choir *choir_begin(std::int64_t count, const double *values, const float *jumps) {
    Choir *choir = new Choir;
    choir->jumps = jumps;
    const std::int64_t pairs = (count + PAIR - 1) / PAIR;
    choir->voices.resize(count);
    choir->filters.resize(pairs);
    std::memset(static_cast<void *>(choir->filters.data()), 0, pairs * sizeof(Filters));
    for (std::int64_t n = 0; n < count; n++) {
        const double *of = values + 10 * n;
        choir->voices[n] = {HALF, std::int64_t(of[0]), 0, of[1], of[2], of[3], float(of[4])};
        Filters &filters = choir->filters[n / PAIR];
        const int half = n % PAIR / LANES, lane = n % LANES;
        filters.own[half][lane] = of[5], filters.cross[half][lane] = of[6], filters.inward[half][lane] = of[7];
        filters.left[half][lane] = of[8], filters.right[half][lane] = of[9];
    }
    return choir;
}

// `out`: [2][samples]; `samples` is a multiple of QUANTUM.
void choir_sing(Choir *choir, float *out, std::int64_t samples) {
    for (std::int64_t start = 0; start < samples; start += QUANTUM) {
        std::memset(choir->mixed, 0, sizeof choir->mixed);
        const std::int64_t count = choir->voices.size();
        for (std::int64_t pair = 0; pair * PAIR < count; pair++) {
            const std::int64_t end = std::min<std::int64_t>(count, (pair + 1) * PAIR);
            for (std::int64_t n = pair * PAIR; n < end; n++)
                play_source(choir->voices[n], choir->jumps, choir->rows + (n - pair * PAIR) * ROW + PAD);
            for (std::int64_t n = end; n < (pair + 1) * PAIR; n++)
                std::memset(choir->rows + (n - pair * PAIR) * ROW, 0, ROW * sizeof(float));
            play_filters(*choir, choir->filters[pair]);
        }
        for (int channel = 0; channel < 2; channel++)
            for (int n = 0; n < QUANTUM; n++) {
                float sum = 0;
                for (int lane = 0; lane < LANES; lane++) sum += choir->mixed[channel * BLOCK + n * LANES + lane];
                out[channel * samples + start + n] = sum;
            }
    }
}

void choir_end(Choir *choir) { delete choir; }

} // extern "C"
