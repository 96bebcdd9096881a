//! White space that a script does not need, left out. Strings, templates, regular expressions and comments stay as they are.

/// Characters that need no space beside them. Not plus, minus, slash and star, of which two make another token.
const PUNCTUATION: &str = "={}()[],;:?&|<>!";

/// Characters after which a line break means nothing.
const OPEN: &str = ";{,([";

/// Characters after which a slash begins a regular expression.
const BEFORE_REGEX: &str = "(,=:[!&|?{};";

/// Returns `code` without the spaces beside punctuation and the line breaks that mean nothing: 5 % of the player, gzipped.
pub(super) fn squeeze(code: &str) -> String {
    let mut out = String::with_capacity(code.len());
    let mut rest = code;
    // Open braces in each `${…}` of templates around this place; the first is the code around all.
    let mut braces = vec![0_usize];
    while let Some(next) = rest.chars().next() {
        let last = out.chars().next_back().unwrap_or('\n');
        let taken = match next {
            '"' | '\'' => push(&mut out, rest, end_of_string(rest)),
            '`' => {
                let (end, is_nested) = end_of_template(&rest[1..]);
                if is_nested {
                    braces.push(0);
                }
                push(&mut out, rest, 1 + end)
            }
            '/' if rest.starts_with("//") => {
                // Its line break ends it.
                push(
                    &mut out,
                    rest,
                    rest.find('\n').map_or(rest.len(), |at| at + 1),
                )
            }
            '/' if rest.starts_with("/*") => push(
                &mut out,
                rest,
                rest.find("*/").map_or(rest.len(), |at| at + 2),
            ),
            '/' if is_in(BEFORE_REGEX, out.trim_end_matches(' ').chars().next_back()) => {
                push(&mut out, rest, end_of_regex(rest))
            }
            '}' if braces.last() == Some(&0) && braces.len() > 1 => {
                let (end, is_nested) = end_of_template(&rest[1..]);
                if !is_nested {
                    braces.pop();
                }
                push(&mut out, rest, 1 + end)
            }
            ' ' => {
                let after = rest.trim_start_matches(' ');
                let is_free =
                    is_in(PUNCTUATION, Some(last)) || is_in(PUNCTUATION, after.chars().next());
                if !is_free && last != '\n' {
                    out.push(' ');
                }
                rest.len() - after.len()
            }
            '\n' => {
                if !is_in(OPEN, Some(last)) {
                    out.push('\n');
                }
                1
            }
            _ => {
                if let Some(count) = braces.last_mut() {
                    match next {
                        '{' => *count += 1,
                        '}' => *count = count.saturating_sub(1),
                        _ => {}
                    }
                }
                push(&mut out, rest, next.len_utf8())
            }
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
    out
}

fn is_in(set: &str, c: Option<char>) -> bool {
    c.is_some_and(|c| set.contains(c))
}

/// Pushes the first `length` bytes of `text`, and returns that number.
fn push(out: &mut String, text: &str, length: usize) -> usize {
    out.push_str(text.get(..length).unwrap_or(text));
    length
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
    fn space_beside_punctuation_goes() {
        for (code, squeezed) in [
            (
                "const a = { b: 1, c };\nf(a, (d) => [d]);\n",
                "const a={b:1,c};f(a,(d)=>[d]);",
            ),
            ("a + +b - -c\nd / e * f\n", "a + +b - -c\nd / e * f\n"),
            ("return x ? .5 : y;\n", "return x?.5:y;"),
            (
                "if (a) {\n  b();\n} else {\nc()\n}\n",
                "if(a){b();}else{c()\n}\n",
            ),
            ("x; // kept = here\ny;\n", "x;// kept = here\ny;"),
            ("x = 1; /* a = b */ y\n", "x=1;/* a = b */ y\n"),
        ] {
            assert_eq!(squeeze(code), squeezed);
        }
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
                "if(/ = [/ = ] \\/ = /.test(a))b / c / d\n",
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
