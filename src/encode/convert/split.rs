//! Splits interleaved samples, sixteen at a time with the vector instructions that every processor of the target has.

use super::mean;
use wide::{i16x8, u8x16};

/// Bytes of a vector.
const VECTOR: usize = 16;

/// Writes the first bytes of all pairs of bytes to `first` and the second ones to `second`, each the mean of two lines (which may
/// be the same one).
pub(super) fn split_pairs(upper: &[u8], lower: &[u8], first: &mut [u8], second: &mut [u8]) {
    const PAIRS: usize = VECTOR;
    let ahead = first.len() / PAIRS * PAIRS;
    let vectors = upper
        .chunks_exact(2 * PAIRS)
        .zip(lower.chunks_exact(2 * PAIRS));
    let to = first
        .chunks_exact_mut(PAIRS)
        .zip(second.chunks_exact_mut(PAIRS));
    for ((upper, lower), (first, second)) in vectors.zip(to) {
        let [a, b] = two(upper);
        let [c, d] = two(lower);
        let evens = [
            mean_of_words(even(a), even(c)),
            mean_of_words(even(b), even(d)),
        ];
        let odds = [mean_of_words(odd(a), odd(c)), mean_of_words(odd(b), odd(d))];
        first.copy_from_slice(pack(evens).as_array());
        second.copy_from_slice(pack(odds).as_array());
    }
    let pairs = upper.chunks_exact(2).zip(lower.chunks_exact(2)).skip(ahead);
    let to = first[ahead..].iter_mut().zip(&mut second[ahead..]);
    for ((upper, lower), (first, second)) in pairs.zip(to) {
        (*first, *second) = (mean(upper[0], lower[0]), mean(upper[1], lower[1]));
    }
}

/// Splits two lines of 4:2:2, two pixels in four bytes: the brightness of each, and the mean of their colours. `Y`, `U` and `V` are
/// the places of the first brightness and the colours in the four bytes.
pub(super) fn split_packed<const Y: usize, const U: usize, const V: usize>(
    lines: [&[u8]; 2],
    brightness: [&mut [u8]; 2],
    u: &mut [u8],
    v: &mut [u8],
) {
    const PIXELS: usize = VECTOR;
    let [upper, lower] = lines;
    let [upper_y, lower_y] = brightness;
    let ahead = upper_y.len() / PIXELS * PIXELS;
    let of_brightness = |words| if Y == 0 { even(words) } else { odd(words) };
    let of_colours = |words| if Y == 0 { odd(words) } else { even(words) };
    let vectors = upper
        .chunks_exact(2 * PIXELS)
        .zip(lower.chunks_exact(2 * PIXELS));
    let to_y = upper_y
        .chunks_exact_mut(PIXELS)
        .zip(lower_y.chunks_exact_mut(PIXELS));
    let to_colours = u
        .chunks_exact_mut(PIXELS / 2)
        .zip(v.chunks_exact_mut(PIXELS / 2));
    for (((upper, lower), (upper_y, lower_y)), (u, v)) in vectors.zip(to_y).zip(to_colours) {
        let (upper, lower) = (two(upper), two(lower));
        upper_y.copy_from_slice(pack(upper.map(of_brightness)).as_array());
        lower_y.copy_from_slice(pack(lower.map(of_brightness)).as_array());
        let [left, right] =
            [0, 1].map(|half| mean_of_words(of_colours(upper[half]), of_colours(lower[half])));
        // The colours take turns in words of 16 bits: one in the lower half of 32 bits, one in the upper.
        let colours = pack([left, right]).to_array();
        let pairs = words(&colours);
        let both = pack([even(pairs), odd(pairs)]).to_array();
        let (first, second) = both.split_at(PIXELS / 2);
        let (of_u, of_v) = if U < V {
            (first, second)
        } else {
            (second, first)
        };
        u.copy_from_slice(of_u);
        v.copy_from_slice(of_v);
    }
    for (line, to) in [(upper, upper_y), (lower, lower_y)] {
        let pairs = line.chunks_exact(2).skip(ahead);
        for (pair, y) in pairs.zip(&mut to[ahead..]) {
            *y = pair[Y];
        }
    }
    let fours = upper.chunks_exact(4).zip(lower.chunks_exact(4));
    let to = u.iter_mut().zip(v);
    for ((upper, lower), (u, v)) in fours.zip(to).skip(ahead / 2) {
        *u = mean(upper[U], lower[U]);
        *v = mean(upper[V], lower[V]);
    }
}

/// Two vectors of 32 bytes.
#[inline(always)]
fn two(bytes: &[u8]) -> [i16x8; 2] {
    let (left, right) = bytes.split_at(VECTOR);
    [left, right].map(|half| {
        let mut array = [0; VECTOR];
        array.copy_from_slice(half);
        words(&array)
    })
}

/// Pairs of bytes as words, the first byte the lower half.
#[inline(always)]
fn words(bytes: &[u8; VECTOR]) -> i16x8 {
    let mut words = [0; VECTOR / 2];
    for (word, pair) in words.iter_mut().zip(bytes.as_chunks::<2>().0) {
        *word = i16::from_le_bytes(*pair);
    }
    i16x8::new(words)
}

#[inline(always)]
fn even(words: i16x8) -> i16x8 {
    words & i16x8::splat(0xff)
}

#[inline(always)]
fn odd(words: i16x8) -> i16x8 {
    (words >> 8_u32) & i16x8::splat(0xff)
}

/// The mean of words of 8 bits, rounded up at the half.
#[inline(always)]
fn mean_of_words(a: i16x8, b: i16x8) -> i16x8 {
    (a + b + i16x8::splat(1)) >> 1_u32
}

#[inline(always)]
fn pack([a, b]: [i16x8; 2]) -> u8x16 {
    u8x16::narrow_i16x8(a, b)
}
