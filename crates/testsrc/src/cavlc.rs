//! Coefficient levels to bits: context-adaptive variable-length coding (ITU-T H.264, 9.2).

use super::bits::BitWriter;

/// A code word: its bits and how many they are.
type Code = (u8, u8);

/// Context of a block's coding besides its levels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Context {
    /// A block of luma, or of chroma AC, with nC: the mean number of coefficients around it.
    Around(u8),
    /// The four DC coefficients of a chroma component.
    ChromaDc,
}

/// Writes residual_block_cavlc() (7.3.5.3.2) for `levels` in the order of coding: 16, or 15 without
/// DC, or 4 of chroma DC. Returns how many of them are not 0.
pub(super) fn write_block(bits: &mut BitWriter, levels: &[i32], context: Context) -> u8 {
    if levels.iter().all(|level| *level == 0) {
        put(bits, coefficient_token(0, 0, context));
        return 0;
    }
    // Highest frequency first: the level and the number of zeros before it.
    let mut found = [(0, 0); 16];
    let mut total = 0;
    let mut total_zeros = 0;
    for &level in levels.iter().take(16).rev() {
        if level != 0 {
            found[total] = (level, 0);
            total += 1;
        } else if total > 0 {
            found[total - 1].1 += 1;
            total_zeros += 1;
        }
    }
    let found = &found[..total];
    let ones = found
        .iter()
        .take(3)
        .take_while(|(level, _)| level.abs() == 1)
        .count();
    put(bits, coefficient_token(total, ones, context));
    for &(level, _) in &found[..ones] {
        bits.flag(level < 0);
    }
    write_levels(bits, found, ones);
    if total < levels.len() {
        let table: &[&[Code]] = if context == Context::ChromaDc {
            &CHROMA_DC_TOTAL_ZEROS
        } else {
            &TOTAL_ZEROS
        };
        put(bits, table[total - 1][total_zeros]);
    }
    let mut zeros_left = total_zeros;
    for &(_, run) in &found[..total - 1] {
        if zeros_left == 0 {
            break;
        }
        put(bits, run_before(zeros_left, run));
        zeros_left -= run;
    }
    total as u8
}

fn put(bits: &mut BitWriter, (code, length): Code) {
    bits.put(u32::from(code), u32::from(length));
}

/// The levels that are not trailing ones, 9.2.2.1.
fn write_levels(bits: &mut BitWriter, found: &[(i32, usize)], ones: usize) {
    let mut suffix_length = u32::from(found.len() > 10 && ones < 3);
    for (index, &(level, _)) in found.iter().enumerate().skip(ones) {
        let magnitude = level.unsigned_abs();
        let mut code = 2 * magnitude - if level > 0 { 2 } else { 1 };
        if index == ones && ones < 3 {
            code -= 2; // It cannot be a one: that would have been a trailing one.
        }
        write_level(bits, code, suffix_length);
        suffix_length = suffix_length.max(1);
        if magnitude > 3 << (suffix_length - 1) && suffix_length < 6 {
            suffix_length += 1;
        }
    }
}

/// level_prefix and level_suffix. The escape holds codes below 4096 more than the longest prefix,
/// which the levels of 8-bit video at QP 10 and above never reach.
fn write_level(bits: &mut BitWriter, code: u32, suffix_length: u32) {
    let prefix = code >> suffix_length;
    if suffix_length == 0 && (14..30).contains(&code) {
        bits.put(1, 15);
        bits.put(code - 14, 4);
    } else if prefix < 15 && (suffix_length > 0 || prefix < 14) {
        bits.put(1, prefix + 1);
        bits.put(code & ((1 << suffix_length) - 1), suffix_length);
    } else {
        let escaped = if suffix_length == 0 {
            30
        } else {
            15 << suffix_length
        };
        bits.put(1, 16);
        bits.put((code - escaped).min(4095), 12);
    }
}

/// coeff_token, Table 9-5.
fn coefficient_token(total: usize, ones: usize, context: Context) -> Code {
    match context {
        Context::ChromaDc => CHROMA_DC_TOKENS[total][ones],
        Context::Around(0..=1) => TOKENS[0][total][ones],
        Context::Around(2..=3) => TOKENS[1][total][ones],
        Context::Around(4..=7) => TOKENS[2][total][ones],
        Context::Around(_) if total == 0 => (3, 6),
        Context::Around(_) => (((total - 1) << 2 | ones) as u8, 6),
    }
}

/// run_before, Table 9-10.
fn run_before(zeros_left: usize, run: usize) -> Code {
    match RUNS.get(zeros_left - 1) {
        Some(codes) => codes[run],
        None if run < 7 => (7 - run as u8, 3),
        None => (1, run as u8 - 3),
    }
}

/// Table 9-5 for nC of 0-1, 2-3 and 4-7: `[number of coefficients][trailing ones]`.
#[rustfmt::skip]
const TOKENS: [[[Code; 4]; 17]; 3] = [
    [
        [(1, 1), (0, 0), (0, 0), (0, 0)],
        [(5, 6), (1, 2), (0, 0), (0, 0)],
        [(7, 8), (4, 6), (1, 3), (0, 0)],
        [(7, 9), (6, 8), (5, 7), (3, 5)],
        [(7, 10), (6, 9), (5, 8), (3, 6)],
        [(7, 11), (6, 10), (5, 9), (4, 7)],
        [(15, 13), (6, 11), (5, 10), (4, 8)],
        [(11, 13), (14, 13), (5, 11), (4, 9)],
        [(8, 13), (10, 13), (13, 13), (4, 10)],
        [(15, 14), (14, 14), (9, 13), (4, 11)],
        [(11, 14), (10, 14), (13, 14), (12, 13)],
        [(15, 15), (14, 15), (9, 14), (12, 14)],
        [(11, 15), (10, 15), (13, 15), (8, 14)],
        [(15, 16), (1, 15), (9, 15), (12, 15)],
        [(11, 16), (14, 16), (13, 16), (8, 15)],
        [(7, 16), (10, 16), (9, 16), (12, 16)],
        [(4, 16), (6, 16), (5, 16), (8, 16)],
    ],
    [
        [(3, 2), (0, 0), (0, 0), (0, 0)],
        [(11, 6), (2, 2), (0, 0), (0, 0)],
        [(7, 6), (7, 5), (3, 3), (0, 0)],
        [(7, 7), (10, 6), (9, 6), (5, 4)],
        [(7, 8), (6, 6), (5, 6), (4, 4)],
        [(4, 8), (6, 7), (5, 7), (6, 5)],
        [(7, 9), (6, 8), (5, 8), (8, 6)],
        [(15, 11), (6, 9), (5, 9), (4, 6)],
        [(11, 11), (14, 11), (13, 11), (4, 7)],
        [(15, 12), (10, 11), (9, 11), (4, 9)],
        [(11, 12), (14, 12), (13, 12), (12, 11)],
        [(8, 12), (10, 12), (9, 12), (8, 11)],
        [(15, 13), (14, 13), (13, 13), (12, 12)],
        [(11, 13), (10, 13), (9, 13), (12, 13)],
        [(7, 13), (11, 14), (6, 13), (8, 13)],
        [(9, 14), (8, 14), (10, 14), (1, 13)],
        [(7, 14), (6, 14), (5, 14), (4, 14)],
    ],
    [
        [(15, 4), (0, 0), (0, 0), (0, 0)],
        [(15, 6), (14, 4), (0, 0), (0, 0)],
        [(11, 6), (15, 5), (13, 4), (0, 0)],
        [(8, 6), (12, 5), (14, 5), (12, 4)],
        [(15, 7), (10, 5), (11, 5), (11, 4)],
        [(11, 7), (8, 5), (9, 5), (10, 4)],
        [(9, 7), (14, 6), (13, 6), (9, 4)],
        [(8, 7), (10, 6), (9, 6), (8, 4)],
        [(15, 8), (14, 7), (13, 7), (13, 5)],
        [(11, 8), (14, 8), (10, 7), (12, 6)],
        [(15, 9), (10, 8), (13, 8), (12, 7)],
        [(11, 9), (14, 9), (9, 8), (12, 8)],
        [(8, 9), (10, 9), (13, 9), (8, 8)],
        [(13, 10), (7, 9), (9, 9), (12, 9)],
        [(9, 10), (12, 10), (11, 10), (10, 10)],
        [(5, 10), (8, 10), (7, 10), (6, 10)],
        [(1, 10), (4, 10), (3, 10), (2, 10)],
    ],
];

/// Table 9-5 for chroma DC: `[number of coefficients][trailing ones]`.
#[rustfmt::skip]
const CHROMA_DC_TOKENS: [[Code; 4]; 5] = [
    [(1, 2), (0, 0), (0, 0), (0, 0)],
    [(7, 6), (1, 1), (0, 0), (0, 0)],
    [(4, 6), (6, 6), (1, 3), (0, 0)],
    [(3, 6), (3, 7), (2, 7), (5, 6)],
    [(2, 6), (3, 8), (2, 8), (0, 7)],
];

/// Tables 9-7 and 9-8: `[number of coefficients - 1][zeros]`.
#[rustfmt::skip]
const TOTAL_ZEROS: [&[Code]; 15] = [
    &[(1, 1), (3, 3), (2, 3), (3, 4), (2, 4), (3, 5), (2, 5), (3, 6), (2, 6), (3, 7), (2, 7), (3, 8), (2, 8), (3, 9), (2, 9), (1, 9)],
    &[(7, 3), (6, 3), (5, 3), (4, 3), (3, 3), (5, 4), (4, 4), (3, 4), (2, 4), (3, 5), (2, 5), (3, 6), (2, 6), (1, 6), (0, 6)],
    &[(5, 4), (7, 3), (6, 3), (5, 3), (4, 4), (3, 4), (4, 3), (3, 3), (2, 4), (3, 5), (2, 5), (1, 6), (1, 5), (0, 6)],
    &[(3, 5), (7, 3), (5, 4), (4, 4), (6, 3), (5, 3), (4, 3), (3, 4), (3, 3), (2, 4), (2, 5), (1, 5), (0, 5)],
    &[(5, 4), (4, 4), (3, 4), (7, 3), (6, 3), (5, 3), (4, 3), (3, 3), (2, 4), (1, 5), (1, 4), (0, 5)],
    &[(1, 6), (1, 5), (7, 3), (6, 3), (5, 3), (4, 3), (3, 3), (2, 3), (1, 4), (1, 3), (0, 6)],
    &[(1, 6), (1, 5), (5, 3), (4, 3), (3, 3), (3, 2), (2, 3), (1, 4), (1, 3), (0, 6)],
    &[(1, 6), (1, 4), (1, 5), (3, 3), (3, 2), (2, 2), (2, 3), (1, 3), (0, 6)],
    &[(1, 6), (0, 6), (1, 4), (3, 2), (2, 2), (1, 3), (1, 2), (1, 5)],
    &[(1, 5), (0, 5), (1, 3), (3, 2), (2, 2), (1, 2), (1, 4)],
    &[(0, 4), (1, 4), (1, 3), (2, 3), (1, 1), (3, 3)],
    &[(0, 4), (1, 4), (1, 2), (1, 1), (1, 3)],
    &[(0, 3), (1, 3), (1, 1), (1, 2)],
    &[(0, 2), (1, 2), (1, 1)],
    &[(0, 1), (1, 1)],
];

/// Table 9-9 (a): `[number of coefficients - 1][zeros]`.
#[rustfmt::skip]
const CHROMA_DC_TOTAL_ZEROS: [&[Code]; 3] = [
    &[(1, 1), (1, 2), (1, 3), (0, 3)],
    &[(1, 1), (1, 2), (0, 2)],
    &[(1, 1), (0, 1)],
];

/// Table 9-10 up to six zeros left: `[zeros left - 1][run]`.
#[rustfmt::skip]
const RUNS: [&[Code]; 6] = [
    &[(1, 1), (0, 1)],
    &[(1, 1), (1, 2), (0, 2)],
    &[(3, 2), (2, 2), (1, 2), (0, 2)],
    &[(3, 2), (2, 2), (1, 2), (1, 3), (0, 3)],
    &[(3, 2), (2, 2), (3, 3), (2, 3), (1, 3), (0, 3)],
    &[(3, 2), (0, 3), (1, 3), (3, 3), (2, 3), (5, 3), (4, 3)],
];

#[cfg(test)]
mod tests {
    use super::*;

    fn is_prefix_free(codes: &[Code]) -> bool {
        let overlap =
            |a: &Code, b: &Code| a.1 <= b.1 && u32::from(b.0) >> (b.1 - a.1) == u32::from(a.0);
        codes.iter().enumerate().all(|(i, a)| {
            codes
                .iter()
                .enumerate()
                .all(|(j, b)| i == j || !overlap(a, b))
        })
    }

    #[test]
    fn code_tables_are_prefix_free() {
        let tokens = |rows: &[[Code; 4]]| -> Vec<Code> {
            rows.iter()
                .enumerate()
                .flat_map(|(total, row)| row[..=total.min(3)].to_vec())
                .collect()
        };
        assert!(TOKENS.iter().all(|table| is_prefix_free(&tokens(table))));
        assert!(is_prefix_free(&tokens(&CHROMA_DC_TOKENS)));
        assert!(
            TOTAL_ZEROS
                .iter()
                .chain(&CHROMA_DC_TOTAL_ZEROS)
                .chain(&RUNS)
                .all(|codes| is_prefix_free(codes))
        );
        let long_runs: Vec<Code> = (0..15).map(|run| run_before(15, run)).collect();
        assert!(is_prefix_free(&long_runs));
    }

    #[test]
    fn block_is_coded_as_calculated_by_hand() {
        // Levels 0 3 0 1 -1 -1 0 1 0 ...: token 0000100, signs 0 1 1, level 1 as 1, level 3 as 0010,
        // three zeros in all as 111, runs 1, 0, 0, 1 as 10 1 1 01.
        let mut bits = BitWriter::default();
        let levels = [0, 3, 0, 1, -1, -1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(write_block(&mut bits, &levels, Context::Around(0)), 5);
        assert_eq!(
            bits.finish(),
            [0b0000_1000, 0b1110_0101, 0b1110_1101, 0b1000_0000]
        );
    }
}
