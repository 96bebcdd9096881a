//! "Did you mean …?": the known word closest to a mistyped one.

/// Returns the word of `known` closest to `typed`, or `None` if none is close. Ignores case.
pub fn closest_match<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed: Vec<char> = typed.to_lowercase().chars().collect();
    // Far longer than any known word: no typo, and not worth the quadratic comparison.
    if typed.len() > 64 {
        return None;
    }
    let tolerated = 1 + typed.len() / 4;
    known
        .into_iter()
        .map(|word| {
            (
                edit_distance(&typed, &word.to_lowercase().chars().collect::<Vec<_>>()),
                word,
            )
        })
        .filter(|&(edits, _)| edits <= tolerated && edits < typed.len())
        .min_by_key(|&(edits, _)| edits)
        .map(|(_, word)| word)
}

/// Returns the optimal string alignment distance: insertions, deletions, replacements, swaps.
fn edit_distance(a: &[char], b: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replace = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replace.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before_last[j - 2] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typo_finds_closest_word_nonsense_none() {
        let known = ["width", "height", "bitrate", "keyframeInterval"];
        for (typed, found) in [
            ("widht", Some("width")),
            ("heigth", Some("height")),
            ("Bitrat", Some("bitrate")),
            ("keyframe-interval", Some("keyframeInterval")),
            ("colour", None),
            ("w", None),
            ("", None),
        ] {
            assert_eq!(closest_match(typed, known), found, "{typed}");
        }
    }
}
