/* The selective scan with AVX-512 intrinsics: the yardstick that wayscan's CPU kernels are held against.
 *
 *     h_t = exp(Δ_t A) h_{t-1} + Δ_t u_t B_t          Δ = softplus(delta + bias), or without softplus
 *     out_t = (C_t · h_t + D u_t) · z_t σ(z_t)
 *
 * One vector holds one number for each of 16 neighbouring channels, a *block*. Sequences lie in memory with
 * time running fastest, so a *tile* of 16 channels × 16 steps is transposed in registers on its way in and
 * out. States stay in registers through a tile, up to 16 of them at once, with time as the outer loop.
 *
 * Forward keeps the states before every CHUNK steps. Backward takes the chunks from the last to the first:
 * it computes a chunk's states again into scratch memory that fits the second-level cache, then walks back.
 *
 * Arrays (float32, dense): u, delta, z, out (B, D, L) · A (D, N) · B, C (B, G, L, N) · D, bias (D,)
 *                          checkpoints (B, D / 16, ⌈L / CHUNK⌉, N, 16)
 * Each of the G groups must have a multiple of 16 channels. Written for speed on one well-known machine;
 * everything else (other shapes, layouts, processors) is left to the package itself.
 */
#include <immintrin.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { LANES = 16, STEPS = 16, CHUNK = 64 };

typedef __m512 Vector;

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

/* What to compute. Absent arrays (D, z, bias, checkpoints, grad_z) are NULL. */
typedef struct {
    int64_t batches, channels, length, states, groups, softplus;
    const float *u, *delta, *A, *B, *C, *D, *z, *bias;
    float *out, *checkpoints;
    /* Backward only. Gradients of A, D and bias come once per batch element, those of B and C once per
     * share: the blocks of a group are dealt out to `shares` tasks that must not add to the same numbers. */
    const float *grad_out;
    float *grad_u, *grad_delta, *grad_z, *grad_A, *grad_B, *grad_C, *grad_D, *grad_bias;
    int64_t shares, threads;
} Problem;

/* ---- arithmetic ---------------------------------------------------------------------------------------- */

static const float LOG2E = 1.44269504f, LN2 = 0.69314718f;

INLINE Vector splat(float x) { return _mm512_set1_ps(x); }
INLINE Vector zero(void) { return _mm512_setzero_ps(); }
INLINE Vector multiply_add(Vector x, Vector y, Vector z) { return _mm512_fmadd_ps(x, y, z); }
INLINE Vector absent_is_zero(const float *address) { return address ? _mm512_loadu_ps(address) : zero(); }

/* 2^x = 2^round(x) · 2^rest, the second factor by a polynomial of degree 5. */
INLINE Vector exp2v(Vector x) {
    Vector whole = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    Vector rest = x - whole;
    Vector power = multiply_add(splat(0.0013264724984765053f), rest, splat(0.009671512991189957f));
    power = multiply_add(power, rest, splat(0.05550733581185341f));
    power = multiply_add(power, rest, splat(0.24022242426872253f));
    power = multiply_add(power, rest, splat(0.6931470036506653f));
    power = multiply_add(power, rest, splat(1.0f));
    return _mm512_scalef_ps(power, whole);
}

INLINE Vector expv(Vector x) { return exp2v(x * splat(LOG2E)); }

/* An estimate and one step of Newton. */
INLINE Vector reciprocal(Vector x) {
    Vector estimate = _mm512_rcp14_ps(x);
    return multiply_add(estimate, _mm512_fnmadd_ps(x, estimate, splat(1.0f)), estimate);
}

/* 1 / (1 + e^-x); the bound keeps e^-x finite. */
INLINE Vector sigmoid(Vector x) {
    return reciprocal(splat(1.0f) + expv(_mm512_min_ps(-x, splat(80.0f))));
}

/* log(1 + e^x) = max(x, 0) + log1p(t) with t = e^-|x| and log1p(t) = 2 artanh(t / (2 + t)), an odd series.
 * Its slope σ(x) comes almost free: 1 / (1 + t) or t / (1 + t). */
INLINE Vector softplus(Vector x, Vector *slope) {
    Vector t = expv(-_mm512_abs_ps(x));
    Vector share = reciprocal(splat(1.0f) + t);
    *slope = _mm512_mask_mul_ps(share, _mm512_movepi32_mask((__m512i)x), share, t);
    Vector s = t * reciprocal(splat(2.0f) + t);
    Vector square = s * s;
    Vector series = multiply_add(splat(0.28178325295448303f), square, splat(0.27960604429244995f));
    series = multiply_add(series, square, splat(0.40024909377098083f));
    series = multiply_add(series, square, splat(0.6666631698608398f));
    series = multiply_add(series, square, splat(2.0f));
    return multiply_add(series, s, _mm512_max_ps(x, zero()));
}

/* ---- tiles --------------------------------------------------------------------------------------------- */

INLINE Vector low(Vector x, Vector y) { return _mm512_unpacklo_ps(x, y); }
INLINE Vector high(Vector x, Vector y) { return _mm512_unpackhi_ps(x, y); }
INLINE Vector low_pairs(Vector x, Vector y) { return (Vector)_mm512_unpacklo_pd((__m512d)x, (__m512d)y); }
INLINE Vector high_pairs(Vector x, Vector y) { return (Vector)_mm512_unpackhi_pd((__m512d)x, (__m512d)y); }
INLINE Vector even_blocks(Vector x, Vector y) { return _mm512_shuffle_f32x4(x, y, 0x88); }
INLINE Vector odd_blocks(Vector x, Vector y) { return _mm512_shuffle_f32x4(x, y, 0xdd); }

/* Rows become columns: first inside the 4 × 4 squares of each 128-bit block, then block by block. */
INLINE void transpose(Vector *rows) {
    Vector columns[4][4]; /* [j][i]: in each block, column j of that block's rows 4 i … 4 i + 3 */
    UNROLL for (int i = 0; i < 4; i++) {
        Vector *four = rows + 4 * i;
        Vector low01 = low(four[0], four[1]), low23 = low(four[2], four[3]);
        Vector high01 = high(four[0], four[1]), high23 = high(four[2], four[3]);
        columns[0][i] = low_pairs(low01, low23);
        columns[1][i] = high_pairs(low01, low23);
        columns[2][i] = low_pairs(high01, high23);
        columns[3][i] = high_pairs(high01, high23);
    }
    UNROLL for (int j = 0; j < 4; j++) {
        Vector *four = columns[j];
        Vector even01 = even_blocks(four[0], four[1]), even23 = even_blocks(four[2], four[3]);
        Vector odd01 = odd_blocks(four[0], four[1]), odd23 = odd_blocks(four[2], four[3]);
        rows[j] = even_blocks(even01, even23);
        rows[j + 4] = even_blocks(odd01, odd23);
        rows[j + 8] = odd_blocks(even01, even23);
        rows[j + 12] = odd_blocks(odd01, odd23);
    }
}

/* Lane n of the result is the sum of all lanes of rows[n]: a transpose that adds instead of moving on. */
INLINE Vector sum_lanes(const Vector *rows) {
    Vector quarter[4]; /* in each block: that block's share of four sums */
    UNROLL for (int i = 0; i < 4; i++) {
        const Vector *four = rows + 4 * i;
        Vector sum01 = low(four[0], four[1]) + high(four[0], four[1]);
        Vector sum23 = low(four[2], four[3]) + high(four[2], four[3]);
        quarter[i] = low_pairs(sum01, sum23) + high_pairs(sum01, sum23);
    }
    Vector half01 = even_blocks(quarter[0], quarter[1]) + odd_blocks(quarter[0], quarter[1]);
    Vector half23 = even_blocks(quarter[2], quarter[3]) + odd_blocks(quarter[2], quarter[3]);
    return even_blocks(half01, half23) + odd_blocks(half01, half23);
}

INLINE int at_most(int most, int64_t count) { return count < most ? (int)count : most; }
INLINE __mmask16 first(int count) { return (__mmask16)((1u << count) - 1); }

/* tile[t] ← step t of the 16 channels whose sequences lie `length` floats apart; zero from `steps` on. */
INLINE void load_tile(Vector *tile, const float *source, int64_t length, int steps) {
    Vector rows[STEPS];
    UNROLL for (int lane = 0; lane < LANES; lane++)
        rows[lane] = _mm512_maskz_loadu_ps(first(steps), source + lane * length);
    transpose(rows);
    UNROLL for (int t = 0; t < STEPS; t++) tile[t] = rows[t];
}

INLINE void store_tile(float *target, int64_t length, int steps, const Vector *tile) {
    Vector rows[STEPS];
    UNROLL for (int t = 0; t < STEPS; t++) rows[t] = tile[t];
    transpose(rows);
    UNROLL for (int lane = 0; lane < LANES; lane++)
        _mm512_mask_storeu_ps(target + lane * length, first(steps), rows[lane]);
}

INLINE void prefetch_tile(const float *source, int64_t length) {
    UNROLL for (int lane = 0; lane < LANES; lane++)
        _mm_prefetch((const char *)(source + lane * length), _MM_HINT_T0);
}

/* ---- one block of one batch element -------------------------------------------------------------------- */

typedef struct {
    int64_t first;        /* channel */
    int64_t sequences;    /* where it begins in (B, D, L) … */
    int64_t coefficients; /* … and in (B, G, L, N) */
    float *checkpoints;
    Vector bias, skip;
} Block;

static int64_t chunks_of(const Problem *p) { return (p->length + CHUNK - 1) / CHUNK; }

static Block block_of(const Problem *p, int64_t batch, int64_t number) {
    int64_t first = number * LANES, group = first / (p->channels / p->groups);
    int64_t kept = (batch * (p->channels / LANES) + number) * chunks_of(p) * p->states * LANES;
    return (Block){
        .first = first,
        .sequences = (batch * p->channels + first) * p->length,
        .coefficients = (batch * p->groups + group) * p->length * p->states,
        .checkpoints = p->checkpoints ? p->checkpoints + kept : NULL,
        .bias = absent_is_zero(p->bias ? p->bias + first : NULL),
        .skip = absent_is_zero(p->D ? p->D + first : NULL),
    };
}

/* rates[n] = A log2(e), so that the decay is a power of two. */
static void load_rates(Vector *rates, const Problem *p, int64_t first_channel) {
    const float *A = p->A + first_channel * p->states;
    float *column = (float *)rates;
    for (int lane = 0; lane < LANES; lane++)
        for (int64_t n = 0; n < p->states; n++) column[n * LANES + lane] = *A++;
    for (int64_t n = 0; n < p->states; n++) rates[n] *= splat(LOG2E);
}

/* A tile of what a step of the recurrence needs. */
typedef struct {
    /* delta becomes Δ; slope is that of softplus, or NULL; x = Δ u; y gathers C · h + D u */
    Vector *u, *delta, *slope, *x, *y;
    const float *B, *C;
    int steps;
} Tile;

INLINE void discretise(const Problem *p, const Block *block, Tile tile) {
    for (int t = 0; t < STEPS; t++) {
        Vector delta = tile.delta[t] + block->bias;
        if (p->softplus) {
            Vector slope;
            delta = softplus(delta, &slope);
            if (tile.slope) tile.slope[t] = slope;
        }
        tile.delta[t] = delta;
        tile.x[t] = delta * tile.u[t];
        tile.y[t] = block->skip * tile.u[t];
    }
}

/* Handle all states: 16 at a time, then what is left by halves. COUNT is a constant wherever it arrives, so
 * that the loops over it unroll and the states they carry live in registers. */
#define FOR_ALL_STATES(states, n, CALL)               \
    do {                                              \
        int64_t n = 0;                                \
        for (; n + 16 <= (states); n += 16) CALL(16); \
        if ((states) & 8) { CALL(8); n += 8; }        \
        if ((states) & 4) { CALL(4); n += 4; }        \
        if ((states) & 2) { CALL(2); n += 2; }        \
        if ((states) & 1) CALL(1);                    \
    } while (0)

/* ---- forward ------------------------------------------------------------------------------------------- */

/* `count` states through one tile. */
INLINE void recur(int count, int64_t states, Tile tile, Vector *state, const Vector *rates, int64_t n) {
    Vector h[16];
    UNROLL for (int i = 0; i < count; i++) h[i] = state[n + i];
    for (int t = 0; t < tile.steps; t++) {
        Vector delta = tile.delta[t], x = tile.x[t], y = tile.y[t];
        const float *B = tile.B + t * states + n, *C = tile.C + t * states + n;
        UNROLL for (int i = 0; i < count; i++) {
            h[i] = multiply_add(exp2v(delta * rates[n + i]), h[i], x * splat(B[i]));
            y = multiply_add(h[i], splat(C[i]), y);
        }
        tile.y[t] = y;
    }
    UNROLL for (int i = 0; i < count; i++) state[n + i] = h[i];
}

static void forward_block(const Problem *p, Block block) {
    int64_t length = p->length, states = p->states;
    const float *u = p->u + block.sequences, *delta = p->delta + block.sequences;
    const float *z = p->z ? p->z + block.sequences : NULL;
    Vector state[states], rates[states];
    Vector u_tile[STEPS], delta_tile[STEPS], x_tile[STEPS], y_tile[STEPS], z_tile[STEPS];
    load_rates(rates, p, block.first);
    for (int64_t n = 0; n < states; n++) state[n] = zero();

    for (int64_t start = 0; start < length; start += STEPS) {
        int steps = at_most(STEPS, length - start);
        if (p->checkpoints && start % CHUNK == 0)
            memcpy(block.checkpoints + start / CHUNK * states * LANES, state, states * sizeof(Vector));
        load_tile(u_tile, u + start, length, steps);
        load_tile(delta_tile, delta + start, length, steps);
        if (start + STEPS < length) {
            prefetch_tile(u + start + STEPS, length);
            prefetch_tile(delta + start + STEPS, length);
            if (z) prefetch_tile(z + start + STEPS, length);
        }
        int64_t at = block.coefficients + start * states;
        Tile tile = {u_tile, delta_tile, NULL, x_tile, y_tile, p->B + at, p->C + at, steps};
        discretise(p, &block, tile);
#define RECUR(COUNT) recur(COUNT, states, tile, state, rates, n)
        FOR_ALL_STATES(states, n, RECUR);
        if (z) {
            load_tile(z_tile, z + start, length, steps);
            for (int t = 0; t < STEPS; t++) y_tile[t] *= z_tile[t] * sigmoid(z_tile[t]);
        }
        store_tile(p->out + block.sequences + start, length, steps, y_tile);
    }
}

void scan512_forward(const Problem *p) {
    int64_t blocks = p->channels / LANES;
#pragma omp parallel for schedule(dynamic, 1) num_threads(p->threads) if (p->threads > 1)
    for (int64_t task = 0; task < p->batches * blocks; task++)
        forward_block(p, block_of(p, task / blocks, task % blocks));
}

/* ---- backward ------------------------------------------------------------------------------------------ */

/* A thread's scratch memory: what a chunk's recomputation leaves for the walk back. Arrays are one step
 * longer than a chunk so that equal steps of two of them do not lie a multiple of 4096 bytes apart. */
typedef struct {
    Vector u[CHUNK + 1], delta[CHUNK + 1], x[CHUNK + 1], y[CHUNK + 1], slope[CHUNK + 1];
    Vector *history; /* (CHUNK + 1, N): h before the chunk, then after each of its steps */
    Vector *decays;  /* (CHUNK, N): exp(Δ A) */
} Scratch;

/* A tile's place: its first step in the sequence and in the chunk, and how many steps it has. */
typedef struct {
    int64_t start;
    int done, steps;
} Place;

/* What a block's walk back carries from chunk to chunk, and where sums over its channels go. */
typedef struct {
    Vector *rates, *carry, *grad_A; /* N each; carry: gradient that reaches h from later steps */
    Vector grad_D, grad_bias;
    float *grad_B, *grad_C; /* (L, N) of this block's group */
} Sums;

/* `recur`, remembering states and decays. */
INLINE void recompute(int count, int64_t states, Tile tile, Vector *history, Vector *decays,
                      const Vector *rates, int64_t n) {
    Vector h[16];
    UNROLL for (int i = 0; i < count; i++) h[i] = history[n + i];
    for (int t = 0; t < tile.steps; t++) {
        Vector delta = tile.delta[t], x = tile.x[t], y = tile.y[t];
        const float *B = tile.B + t * states + n, *C = tile.C + t * states + n;
        Vector *decay = decays + t * states + n, *after = history + (t + 1) * states + n;
        UNROLL for (int i = 0; i < count; i++) {
            decay[i] = exp2v(delta * rates[n + i]);
            after[i] = h[i] = multiply_add(decay[i], h[i], x * splat(B[i]));
            y = multiply_add(h[i], splat(C[i]), y);
        }
        tile.y[t] = y;
    }
}

/* Gradients inside one tile. */
typedef struct {
    Vector y[STEPS], x[STEPS], rate[STEPS]; /* of y; of x = Δ u; of Δ A log2(e), times A log2(e) */
} Gradients;

/* The adjoint of one state and step. Returns g x, the share of B's gradient. */
INLINE Vector step_back(Vector *carry, Vector *grad_A, Vector *grad_x, Vector *grad_rate, Vector grad_y,
                        Vector x, Vector delta, Vector rate, Vector decay, Vector before, float B, float C) {
    Vector grad = multiply_add(grad_y, splat(C), *carry), for_B = grad * x;
    *grad_x = multiply_add(grad, splat(B), *grad_x);
    *carry = grad * decay;
    Vector through_decay = *carry * before;
    *grad_rate = multiply_add(through_decay, rate, *grad_rate);
    *grad_A = multiply_add(through_decay, delta, *grad_A);
    return for_B;
}

INLINE void add(float *target, Vector value) {
    _mm512_storeu_ps(target, _mm512_loadu_ps(target) + value);
}

/* `count` > 1 states from the end of a tile to its start. */
INLINE void walk_back(int count, int64_t states, Tile tile, Gradients *grads, const Vector *history,
                      const Vector *decays, Sums *sums, float *grad_B, float *grad_C, int64_t n) {
    Vector carry[16];
    UNROLL for (int i = 0; i < count; i++) carry[i] = sums->carry[n + i];
    for (int t = tile.steps - 1; t >= 0; t--) {
        Vector x = tile.x[t], delta = tile.delta[t];
        Vector grad_y = grads->y[t], grad_x = grads->x[t], grad_rate = grads->rate[t];
        int64_t at = t * states + n;
        Vector for_B[16], for_C[16];
        UNROLL for (int i = 0; i < count; i++) {
            for_C[i] = grad_y * history[at + states + i];
            for_B[i] = step_back(&carry[i], &sums->grad_A[n + i], &grad_x, &grad_rate, grad_y, x, delta,
                                 sums->rates[n + i], decays[at + i], history[at + i],
                                 tile.B[at + i], tile.C[at + i]);
        }
        grads->x[t] = grad_x;
        grads->rate[t] = grad_rate;
        if (count == 16) {
            add(grad_B + at, sum_lanes(for_B));
            add(grad_C + at, sum_lanes(for_C));
        } else {
            UNROLL for (int i = 0; i < count; i++) {
                grad_B[at + i] += _mm512_reduce_add_ps(for_B[i]);
                grad_C[at + i] += _mm512_reduce_add_ps(for_C[i]);
            }
        }
    }
    UNROLL for (int i = 0; i < count; i++) sums->carry[n + i] = carry[i];
}

/* One state: here 16 steps fill the tree that sums over lanes. */
INLINE void walk_back_alone(int64_t states, Tile tile, Gradients *grads, const Vector *history,
                            const Vector *decays, Sums *sums, float *grad_B, float *grad_C, int64_t n) {
    Vector carry = sums->carry[n], grad_A = sums->grad_A[n], rate = sums->rates[n];
    Vector for_B[STEPS], for_C[STEPS];
    for (int t = tile.steps; t < STEPS; t++) for_B[t] = for_C[t] = zero();
    for (int t = tile.steps - 1; t >= 0; t--) {
        int64_t at = t * states + n;
        for_C[t] = grads->y[t] * history[at + states];
        for_B[t] = step_back(&carry, &grad_A, &grads->x[t], &grads->rate[t], grads->y[t], tile.x[t],
                             tile.delta[t], rate, decays[at], history[at], tile.B[at], tile.C[at]);
    }
    sums->carry[n] = carry;
    sums->grad_A[n] = grad_A;
    float total_B[STEPS], total_C[STEPS];
    _mm512_storeu_ps(total_B, sum_lanes(for_B));
    _mm512_storeu_ps(total_C, sum_lanes(for_C));
    for (int t = 0; t < tile.steps; t++) {
        grad_B[t * states + n] += total_B[t];
        grad_C[t * states + n] += total_C[t];
    }
}

INLINE Tile tile_of(const Problem *p, const Block *block, Scratch *s, Place place) {
    int64_t at = block->coefficients + place.start * p->states;
    return (Tile){
        .u = s->u + place.done,
        .delta = s->delta + place.done,
        .slope = s->slope + place.done,
        .x = s->x + place.done,
        .y = s->y + place.done,
        .B = p->B + at,
        .C = p->C + at,
        .steps = place.steps,
    };
}

INLINE void recompute_tile(const Problem *p, const Block *block, Scratch *s, const Vector *rates,
                           Place place) {
    int64_t length = p->length, states = p->states, at = block->sequences + place.start;
    Tile tile = tile_of(p, block, s, place);
    load_tile(tile.u, p->u + at, length, place.steps);
    load_tile(tile.delta, p->delta + at, length, place.steps);
    if (place.done + STEPS < CHUNK && place.start + STEPS < length) {
        prefetch_tile(p->u + at + STEPS, length);
        prefetch_tile(p->delta + at + STEPS, length);
    }
    prefetch_tile(p->grad_out + at, length);
    if (p->z) prefetch_tile(p->z + at, length);
    discretise(p, block, tile);
    Vector *history = s->history + place.done * states, *decays = s->decays + place.done * states;
#define RECOMPUTE(COUNT) recompute(COUNT, states, tile, history, decays, rates, n)
    FOR_ALL_STATES(states, n, RECOMPUTE);
}

/* From the gradient of out = y z σ(z) to that of y, and that of z. */
INLINE void ungate(const Problem *p, int64_t at, int steps, Vector *grad_y, const Vector *y) {
    Vector z[STEPS];
    load_tile(z, p->z + at, p->length, steps);
    for (int t = 0; t < STEPS; t++) {
        Vector share = sigmoid(z[t]), gate = z[t] * share;
        Vector slope = multiply_add(gate, splat(1.0f) - share, share);
        z[t] = grad_y[t] * y[t] * slope;
        grad_y[t] *= gate;
    }
    store_tile(p->grad_z + at, p->length, steps, z);
}

INLINE void walk_back_tile(const Problem *p, const Block *block, Scratch *s, Sums *sums, Place place) {
    int64_t length = p->length, states = p->states, at = block->sequences + place.start;
    Tile tile = tile_of(p, block, s, place);
    Gradients grads;
    load_tile(grads.y, p->grad_out + at, length, place.steps);
    if (place.done == 0 && place.start > 0) { /* the chunk that comes next */
        prefetch_tile(p->u + at - CHUNK, length);
        prefetch_tile(p->delta + at - CHUNK, length);
    }
    if (p->z) ungate(p, at, place.steps, grads.y, tile.y);
    for (int t = 0; t < STEPS; t++) grads.x[t] = grads.rate[t] = zero();

    const Vector *history = s->history + place.done * states, *decays = s->decays + place.done * states;
    float *grad_B = sums->grad_B + place.start * states, *grad_C = sums->grad_C + place.start * states;
#define WALK_BACK(COUNT)                                                                          \
    (COUNT == 1 ? walk_back_alone(states, tile, &grads, history, decays, sums, grad_B, grad_C, n) \
                : walk_back(COUNT, states, tile, &grads, history, decays, sums, grad_B, grad_C, n))
    FOR_ALL_STATES(states, n, WALK_BACK);

    Vector grad_u[STEPS], grad_delta[STEPS];
    for (int t = 0; t < STEPS; t++) {
        grad_u[t] = multiply_add(grads.x[t], tile.delta[t], grads.y[t] * block->skip);
        grad_delta[t] = multiply_add(grads.x[t], tile.u[t], grads.rate[t] * splat(LN2));
        if (p->softplus) grad_delta[t] *= tile.slope[t];
        /* Steps that do not exist add zero: their gradients of y and x are. */
        sums->grad_D = multiply_add(grads.y[t], tile.u[t], sums->grad_D);
        sums->grad_bias += grad_delta[t];
    }
    store_tile(p->grad_u + at, length, place.steps, grad_u);
    store_tile(p->grad_delta + at, length, place.steps, grad_delta);
}

static void backward_block(const Problem *p, Block block, int64_t batch, float *grad_B, float *grad_C,
                           Scratch *s) {
    int64_t length = p->length, states = p->states;
    Vector rates[states], carry[states], grad_A[states];
    Sums sums = {rates, carry, grad_A, zero(), zero(), grad_B, grad_C};
    load_rates(rates, p, block.first);
    for (int64_t n = 0; n < states; n++) carry[n] = grad_A[n] = zero();

    for (int64_t chunk = chunks_of(p) - 1; chunk >= 0; chunk--) {
        int64_t start = chunk * CHUNK;
        int count = at_most(CHUNK, length - start);
        memcpy(s->history, block.checkpoints + chunk * states * LANES, states * sizeof(Vector));
        for (int done = 0; done < count; done += STEPS)
            recompute_tile(p, &block, s, rates, (Place){start + done, done, at_most(STEPS, count - done)});
        for (int done = (count - 1) / STEPS * STEPS; done >= 0; done -= STEPS)
            walk_back_tile(p, &block, s, &sums, (Place){start + done, done, at_most(STEPS, count - done)});
    }

    int64_t channel = batch * p->channels + block.first;
    for (int64_t n = 0; n < states; n++)
        for (int lane = 0; lane < LANES; lane++) p->grad_A[(channel + lane) * states + n] = grad_A[n][lane];
    _mm512_storeu_ps(p->grad_D + channel, sums.grad_D);
    _mm512_storeu_ps(p->grad_bias + channel, sums.grad_bias);
}

/* One share of one group's blocks, one batch element. */
static void backward_task(const Problem *p, int64_t task, Scratch *s) {
    int64_t share = task % p->shares, group = task / p->shares % p->groups;
    int64_t batch = task / p->shares / p->groups;
    int64_t blocks = p->channels / LANES / p->groups, size = p->length * p->states;
    int64_t at = ((share * p->batches + batch) * p->groups + group) * size;
    memset(p->grad_B + at, 0, size * sizeof(float));
    memset(p->grad_C + at, 0, size * sizeof(float));
    for (int64_t i = blocks * share / p->shares; i < blocks * (share + 1) / p->shares; i++)
        backward_block(p, block_of(p, batch, group * blocks + i), batch, p->grad_B + at, p->grad_C + at, s);
}

void scan512_backward(const Problem *p) {
#pragma omp parallel num_threads(p->threads) if (p->threads > 1)
    {
        Scratch *s = aligned_alloc(64, sizeof(Scratch) + (2 * CHUNK + 1) * p->states * sizeof(Vector));
        s->history = (Vector *)(s + 1);
        s->decays = s->history + (CHUNK + 1) * p->states;
#pragma omp for schedule(dynamic, 1)
        for (int64_t task = 0; task < p->batches * p->groups * p->shares; task++) backward_task(p, task, s);
        free(s);
    }
}
