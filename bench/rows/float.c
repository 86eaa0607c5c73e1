// SPDX-License-Identifier: GPL-2.0-or-later
#include <math.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "bench/rows/rows.h"

enum { ORDER = 64 };

static uint64_t matrix(uint64_t times)
{
    static double a[ORDER][ORDER], b[ORDER][ORDER], c[ORDER][ORDER];
    for (unsigned i = 0; i < ORDER; i++)
        for (unsigned j = 0; j < ORDER; j++) {
            a[i][j] = i + j;
            b[i][j] = 1.0 / (1 + i * j);
        }
    for (uint64_t n = 0; n < times; n++)
        for (unsigned i = 0; i < ORDER; i++)
            for (unsigned j = 0; j < ORDER; j++) {
                double sum = 0;
                for (unsigned k = 0; k < ORDER; k++)
                    sum += a[i][k] * b[k][j];
                c[i][j] = sum;
            }
    return c[1][2];
}

enum { POINTS = 1024 };

// Cooley and Tukey's transform, in place, with the points in bit-reversed order.
static uint64_t fourier(uint64_t times)
{
    static double real[POINTS], imaginary[POINTS];
    for (uint64_t n = 0; n < times; n++) {
        for (unsigned i = 0; i < POINTS; i++) {
            real[i] = i % 17;
            imaginary[i] = 0;
        }
        for (unsigned half = 1; half < POINTS; half *= 2) {
            double step_r = cos(M_PI / half), step_i = -sin(M_PI / half);
            for (unsigned from = 0; from < POINTS; from += 2 * half) {
                double r = 1, i = 0;
                for (unsigned k = from; k < from + half; k++) {
                    double pr = real[k + half] * r - imaginary[k + half] * i;
                    double pi = real[k + half] * i + imaginary[k + half] * r;
                    real[k + half] = real[k] - pr;
                    imaginary[k + half] = imaginary[k] - pi;
                    real[k] += pr;
                    imaginary[k] += pi;
                    double next = r * step_r - i * step_i;
                    i = r * step_i + i * step_r;
                    r = next;
                }
            }
        }
    }
    return real[3] + 1e6;
}

enum { BODIES = 5 };
struct body { double at[3], speed[3], mass; };

static void attract(struct body *a, struct body *b, double dt)
{
    double d[3], square = 0.01;
    for (unsigned k = 0; k < 3; k++) {
        d[k] = a->at[k] - b->at[k];
        square += d[k] * d[k];
    }
    double magnitude = dt / (square * sqrt(square));
    for (unsigned k = 0; k < 3; k++) {
        a->speed[k] -= d[k] * b->mass * magnitude;
        b->speed[k] += d[k] * a->mass * magnitude;
    }
}

static uint64_t bodies(uint64_t times)
{
    static struct body body[BODIES];
    for (unsigned i = 0; i < BODIES; i++)
        body[i] = (struct body){{i, 2.0 * i, 1.0 / (i + 1)}, {0.1 * i, 0, -0.1}, 1 + i};
    for (uint64_t n = 0; n < times * 64; n++) {
        for (unsigned i = 0; i < BODIES; i++)
            for (unsigned j = i + 1; j < BODIES; j++)
                attract(&body[i], &body[j], 0.001);
        for (unsigned i = 0; i < BODIES; i++)
            for (unsigned k = 0; k < 3; k++)
                body[i].at[k] += 0.001 * body[i].speed[k];
    }
    return body[0].at[0] * 1000;
}

static uint64_t library(uint64_t times)
{
    double sum = 0;
    for (uint64_t n = 0; n < times * 256; n++) {
        double x = (n % 1000) * 0.01 + 0.5;
        sum += sin(x) + exp(-x) + pow(x, 1.5) + log(x);
    }
    return sum;
}

static uint64_t x87(uint64_t times)
{
    long double x = 0.3L;
    for (uint64_t n = 0; n < times * 1024; n++)
        x = 3.7L * x * (1.0L - x);
    return x * 1e6L;
}

// The sum of absolute differences of two blocks of pixels, at each of some places, as a video encoder has it.
static uint64_t differences(uint64_t times)
{
    static uint8_t picture[64 * 256 + 64], block[16 * 16];
    uint64_t sum = 0;
    for (unsigned i = 0; i < sizeof picture; i++)
        picture[i] = i * 7 + i / 256;
    memcpy(block, picture + 300, sizeof block);
    for (uint64_t n = 0; n < times; n++)
        for (unsigned at = 0; at < 256 - 16; at++) {
            __m128i total = _mm_setzero_si128();
            for (unsigned y = 0; y < 16; y++)
                total = _mm_add_epi64(total, _mm_sad_epu8(_mm_loadu_si128((__m128i *)(picture + y * 256 + at)),
                                                          _mm_loadu_si128((__m128i *)(block + y * 16))));
            sum += _mm_cvtsi128_si64(total);
        }
    return sum;
}

const struct row float_rows[] = {
    {"matrix", matrix}, {"fourier", fourier}, {"n-body", bodies}, {"libm", library}, {"x87", x87},
    {"sad", differences}, {0},
};
