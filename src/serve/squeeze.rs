//! Scripts with what they do not need left out: white space, closing semicolons, long names of variables. Strings,
//! templates, regular expressions and comments stay as they are.

use std::collections::{BTreeMap, BTreeSet};

/// Characters after which a line break means nothing. The player ends each statement by a semicolon or a brace.
const OPEN: &str = ";{},([";

/// Characters after which a slash begins a regular expression.
const BEFORE_REGEX: &str = "(,=:[!&|?{};";

/// Words that stand before a name and make it a member, and words of the language that are also names.
const NEVER_RENAMED: &[&str] = &["as", "async", "await", "from", "get", "of", "set", "static"];

/// A part of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece<'a> {
    /// A string, a regular expression, a comment, or text of a template.
    Kept(&'a str),
    /// A word (name, number, keyword) or one other character.
    Code(&'a str),
}

/// Returns `code` without what it does not need: 10 % of the player, gzipped.
pub(super) fn squeeze(code: &str) -> String {
    let pieces = pieces(code);
    let names = short_names(&pieces);
    let mut out = String::with_capacity(code.len());
    for (at, piece) in pieces.iter().enumerate() {
        let last = out.chars().next_back().unwrap_or('\n');
        let next = match pieces.get(at + 1) {
            Some(Piece::Kept(text) | Piece::Code(text)) => text.chars().next(),
            None => None,
        };
        match *piece {
            Piece::Code(" ") => {
                if next.is_some_and(|next| is_space_needed(last, next)) {
                    out.push(' ');
                }
            }
            Piece::Code("\n") => {
                if !is_in(OPEN, Some(last)) {
                    out.push('\n');
                }
            }
            Piece::Code("}") => {
                if last == ';' {
                    out.pop();
                }
                out.push('}');
            }
            // The same to a script that never assigns to a constant.
            Piece::Code("const") => out.push_str("let"),
            Piece::Code(text) => out.push_str(names.get(text).map_or(text, String::as_str)),
            Piece::Kept(text) => out.push_str(text),
        }
    }
    out
}

/// Whether two characters mean something else without a space between them.
fn is_space_needed(last: char, next: char) -> bool {
    let is_sign = last == next && is_in("+-/", Some(last));
    last != '\n' && next != ' ' && (is_sign || (is_of_word(last) && is_of_word(next)))
}

/// The short name of each variable that may have one. There are no scopes here: each place where a name stands gets the
/// same other name, which nothing else has. So what is a member of an object anywhere keeps its name.
fn short_names<'a>(pieces: &[Piece<'a>]) -> BTreeMap<&'a str, String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut declared, mut kept) = (
        BTreeSet::new(),
        BTreeSet::from_iter(NEVER_RENAMED.iter().copied()),
    );
    let code: Vec<&str> = pieces
        .iter()
        .map(|piece| match *piece {
            Piece::Code(text) => text,
            Piece::Kept(text) => {
                kept.extend(text.split(|c| !is_of_word(c)));
                "\""
            }
        })
        .filter(|text| *text != " " && *text != "\n")
        .collect();
    let mut brackets = Vec::new();
    for (at, &word) in code.iter().enumerate() {
        match word {
            "(" | "[" | "{" => brackets.push(word),
            ")" | "]" | "}" => _ = brackets.pop(),
            _ => {}
        }
        if !word.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '$') {
            continue;
        }
        *counts.entry(word).or_default() += 1;
        let before = |count: usize| {
            at.checked_sub(count)
                .and_then(|at| code.get(at))
                .copied()
                .unwrap_or(";")
        };
        let after = code.get(at + 1).copied().unwrap_or(";");
        match before(1) {
            "const" | "let" | "function" | "class" if !["export", "async"].contains(&before(2)) => {
                declared.insert(word);
            }
            // Of an argument or an element, not a member.
            "," if brackets.last().is_some_and(|open| *open != "{") => {}
            "{" | "," if [",", "}", ":", "=", "("].contains(&after) => {
                kept.insert(word);
            }
            "(" if code.get(at + 1..at + 4) == Some(&[")", "=", ">"]) => {
                declared.insert(word);
            }
            ";" | "}" if ["=", "(", ";", "}"].contains(&after) => {
                kept.insert(word);
            }
            "." | "export" | "const" | "let" | "function" | "class" | "get" | "set" | "async"
            | "static" => {
                kept.insert(word);
            }
            _ => {}
        }
    }
    let mut renamed: Vec<(usize, &str)> = declared
        .difference(&kept)
        .filter_map(|word| Some((*counts.get(word)?, *word)))
        .collect();
    renamed.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
    let is_free =
        |name: &String| !counts.contains_key(name.as_str()) && !kept.contains(name.as_str());
    let free = (0..).map(short_name).filter(is_free);
    let words = renamed.into_iter().map(|(_, word)| word);
    words
        .zip(free)
        .filter(|(word, name)| name.len() < word.len())
        .collect()
}

/// The name of that number: one letter, then two, and so on. Never a word of the language, which all have small letters only.
fn short_name(number: usize) -> String {
    const LETTERS: &[u8; 52] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let letter = |number: usize| LETTERS.get(number % 52).copied().map_or('_', char::from);
    let mut name = String::from(letter(number));
    let mut rest = number / 52;
    while rest > 0 {
        name.push(letter(rest + 25));
        rest /= 52;
    }
    name
}

/// The parts of a script.
fn pieces(code: &str) -> Vec<Piece<'_>> {
    let mut out = Vec::new();
    let mut rest = code;
    // The last character that is no space.
    let mut last = None;
    // Open braces in each `${…}` of templates around this place; the first is the code around all.
    let mut braces = vec![0_usize];
    while let Some(next) = rest.chars().next() {
        let kept = match next {
            '"' | '\'' => Some(end_of_string(rest)),
            '`' => {
                let (end, is_nested) = end_of_template(&rest[1..]);
                if is_nested {
                    braces.push(0);
                }
                Some(1 + end)
            }
            // Its line break ends it.
            '/' if rest.starts_with("//") => Some(rest.find('\n').map_or(rest.len(), |at| at + 1)),
            '/' if rest.starts_with("/*") => Some(rest.find("*/").map_or(rest.len(), |at| at + 2)),
            '/' if is_in(BEFORE_REGEX, last) => Some(end_of_regex(rest)),
            '}' if braces.last() == Some(&0) && braces.len() > 1 => {
                let (end, is_nested) = end_of_template(&rest[1..]);
                if !is_nested {
                    braces.pop();
                }
                Some(1 + end)
            }
            _ => None,
        };
        if let Some(count) = braces.last_mut().filter(|_| kept.is_none()) {
            match next {
                '{' => *count += 1,
                '}' => *count = count.saturating_sub(1),
                _ => {}
            }
        }
        let word = rest.find(|c| !is_of_word(c)).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(kept.unwrap_or(word.max(next.len_utf8())));
        out.push(kept.map_or(Piece::Code(piece), |_| Piece::Kept(piece)));
        last = piece.trim_end_matches(' ').chars().next_back().or(last);
        rest = after;
    }
    out
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || is_in("_$#", Some(c))
}

fn is_in(set: &str, c: Option<char>) -> bool {
    c.is_some_and(|c| set.contains(c))
}

/// The length of the string that `text` begins with.
fn end_of_string(text: &str) -> usize {
    let quote = text.chars().next();
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if !is_escaped && Some(c) == quote {
            return at + 1;
        }
        is_escaped = !is_escaped && c == '\\';
    }
    text.len()
}

/// The length of the regular expression that `text` begins with, without its flags.
fn end_of_regex(text: &str) -> usize {
    let (mut is_escaped, mut is_in_class) = (false, false);
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '[' => is_in_class = true,
            ']' => is_in_class = false,
            '/' if !is_in_class => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of what `text` has of a template up to its end, or up to the code in it: true.
fn end_of_template(text: &str) -> (usize, bool) {
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        match (before, c) {
            ('\\', _) => {
                before = ' ';
                continue;
            }
            (_, '`') => return (at + 1, false),
            ('$', '{') => return (at + 1, true),
            _ => {}
        }
        before = c;
    }
    (text.len(), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_that_separates_nothing_goes() {
        for (code, squeezed) in [
            (
                "const a = { b: 1, c };\nf(a, (d) => [d]);\n",
                "let a={b:1,c};f(a,(d)=>[d]);",
            ),
            ("a + +b - -c\nd / e * f\n", "a+ +b- -c\nd/e*f\n"),
            ("return x ? .5 : y;\n", "return x?.5:y;"),
            ("case \"a\": x in y\n", "case\"a\":x in y\n"),
            (
                "if (a) {\n  b();\n} else {\nc()\n}\n",
                "if(a){b()}else{c()\n}",
            ),
            ("x; // kept = here\ny;\n", "x;// kept = here\ny;"),
            ("x = 1; /* a = b */ y\n", "x=1;/* a = b */y\n"),
        ] {
            assert_eq!(squeeze(code), squeezed);
        }
    }

    #[test]
    fn variables_become_short_and_members_stay() {
        for (code, squeezed) in [
            // A call as a statement looks like the method of a class.
            (
                "const one = 1, b = 2;\nfunction two(arg) { return one + one - arg.b; }\ntwo((arg) => arg);\n",
                "let c=1,b=2;function two(a){return c+c-a.b}two((a)=>a);",
            ),
            ("let one = 1; x.one = one;\n", "let one=1;x.one=one;"),
            ("let one = 1; f({ one });\n", "let one=1;f({one});"),
            ("let one = 1; f({ one: 2 });\n", "let one=1;f({one:2});"),
            ("let one = 1; f({ x: one });\n", "let a=1;f({x:a});"),
            ("let one = 1; f(2, one);\n", "let a=1;f(2,a);"),
            (
                "let one = 1; f[\"one\"] = one;\n",
                "let one=1;f[\"one\"]=one;",
            ),
            ("let one = 1; `${one}`;\n", "let a=1;`${a}`;"),
            (
                "export let one = 1;\nexport class Two {}\n",
                "export let one=1;export class Two{}",
            ),
            (
                "export async function one() {}\n",
                "export async function one(){}",
            ),
            (
                "class One { two = 1; three() {} get four() {} }\n",
                "class a{two=1;three(){}get four(){}}",
            ),
            (
                "let two = 1; class A { two = 1; }\n",
                "let two=1;class A{two=1}",
            ),
            (
                "let two = 1; class A { get two() {} }\n",
                "let two=1;class A{get two(){}}",
            ),
            ("let one = a + document.b;\n", "let c=a+document.b;"),
        ] {
            assert_eq!(squeeze(code), squeezed);
        }
        let names = [0, 51, 52, 53, 104].map(short_name);
        assert_eq!(names, ["a", "Z", "aA", "bA", "aB"]);
    }

    #[test]
    fn strings_templates_and_regexes_stay() {
        for (code, squeezed) in [
            (
                "f(\"a = \\\" b\", 'c , d')\n",
                "f(\"a = \\\" b\",'c , d')\n",
            ),
            (
                "x = `a = {\n  b ; ${c ? `, ${d} = ` : \" : \"} = `;\n",
                "x=`a = {\n  b ; ${c?`, ${d} = `:\" : \"} = `;",
            ),
            (
                "y = `${{ a: 1 }.a} = \\` = ${f({ b })} = `\n",
                "y=`${{a:1}.a} = \\` = ${f({b})} = `\n",
            ),
            (
                "if (/ = [/ = ] \\/ = /.test(a)) b / c / d\n",
                "if(/ = [/ = ] \\/ = /.test(a))b/c/d\n",
            ),
            (
                "x = \"it's\"; y = `\"`; z = \"`\";\n",
                "x=\"it's\";y=`\"`;z=\"`\";",
            ),
            ("x = \"unfinished = \n", "x=\"unfinished = \n"),
            ("x = `unfinished = ${ a = \n", "x=`unfinished = ${a=\n"),
        ] {
            assert_eq!(squeeze(code), squeezed);
        }
    }
}
