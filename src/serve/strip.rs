//! Scripts as they are sent: without what only maintainers read, and the modules that a page needs at once as one file.
//! No line that does anything is changed but for white space, the words import and export, and the names of numbers and of
//! private members; what is shortened after that is in `squeeze`.

use std::collections::{BTreeMap, BTreeSet};

/// `modules` (name, source) as one module; those it is made of come first, the last is the one whose exports stay. They
/// import each other by lines `import { … } from "./NAME";` and have no top-level names in common. What they import from
/// other files stays, each name once. Numbers stand where their names stood, private names are short, and spaces that separate
/// nothing go: that is 3, 5 and 2 % of the player as it is sent.
pub(super) fn join(modules: &[(&str, &str)]) -> String {
    let mut imports: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut body = String::new();
    let stripped: Vec<String> = modules.iter().map(|(_, source)| strip(source)).collect();
    for (number, source) in stripped.iter().enumerate() {
        let is_last = number + 1 == modules.len();
        for line in source.lines().filter(|line| !line.is_empty()) {
            if let Some((names, file)) = import(line) {
                if !modules.iter().any(|(name, _)| *name == file) {
                    imports.entry(file).or_default().extend(names);
                }
                continue;
            }
            let kept = line.strip_prefix("export ").filter(|_| !is_last);
            body.push_str(kept.unwrap_or(line));
            body.push('\n');
        }
    }
    let lines = imports.iter().map(|(file, names)| {
        let names: Vec<&str> = names.iter().copied().collect();
        format!("import {{ {} }} from \"./{file}\";\n", names.join(", "))
    });
    let body = with_short_privates(&with_numbers(&body));
    lines.chain([without_spaces(&body)]).collect()
}

/// `code` with the value in place of the name of each `const NAME = NUMBER;`, but for what is exported, and for names that
/// mean another number elsewhere.
fn with_numbers(code: &str) -> String {
    let mut numbers: BTreeMap<&str, &str> = BTreeMap::new();
    let mut kept: BTreeSet<&str> = code
        .lines()
        .filter_map(|line| line.strip_prefix("export { ")?.strip_suffix(" };"))
        .flat_map(|names| names.split(", "))
        .collect();
    for (name, value) in code.lines().filter_map(number) {
        if numbers.insert(name, value).is_some() {
            kept.insert(name);
        }
    }
    numbers.retain(|name, _| !kept.contains(name));
    let is_replaced =
        |line: &&str| number(line).is_some_and(|(name, _)| numbers.contains_key(name));
    let mut out = String::with_capacity(code.len());
    for line in code.lines().filter(|line| !is_replaced(line)) {
        let mut rest = line;
        while let Some(at) = rest.find(is_of_name) {
            let (before, word) = rest.split_at(at);
            let end = word.find(|c| !is_of_name(c)).unwrap_or(word.len());
            let (word, after) = word.split_at(end);
            out.push_str(before);
            out.push_str(numbers.get(word).unwrap_or(&word));
            rest = after;
        }
        out.push_str(rest);
        out.push('\n');
    }
    out
}

/// `code` with short names in place of the private ones (`#name`) of each class, which nobody else sees.
fn with_short_privates(code: &str) -> String {
    let mut names: BTreeMap<&str, String> = BTreeMap::new();
    let mut out = String::with_capacity(code.len());
    let mut is_template = false;
    for line in code.lines() {
        if line.starts_with("class ") || line.starts_with("export class ") {
            names.clear();
        }
        let mut rest = line;
        while let Some(at) = rest.find('#') {
            let (before, mark) = rest.split_at(at);
            let word = mark.get(1..).unwrap_or_default();
            let end = word.find(|c| !is_of_name(c)).unwrap_or(word.len());
            let (name, after) = word.split_at(end);
            let is_declared = !is_template && rest.len() == line.len() && is_modifiers(before);
            out.push_str(before);
            out.push('#');
            if !name.is_empty() && (before.ends_with('.') || is_declared) {
                let number = names.len();
                out.push_str(names.entry(name).or_insert_with(|| short_name(number)));
            } else {
                out.push_str(name);
            }
            rest = after;
        }
        out.push_str(rest);
        out.push('\n');
        is_template ^= toggles_template(line);
    }
    out
}

/// True for what may stand before the name of a member that is declared.
fn is_modifiers(text: &str) -> bool {
    text.split_whitespace()
        .all(|word| ["static", "async", "get", "set"].contains(&word))
}

/// The name of that number: a to z, then ba, bb and so on.
fn short_name(number: usize) -> String {
    const LETTERS: &[u8; 26] = b"abcdefghijklmnopqrstuvwxyz";
    let letter = LETTERS.get(number % 26).copied().map_or('_', char::from);
    let mut name = match number / 26 {
        0 => String::new(),
        rest => short_name(rest),
    };
    name.push(letter);
    name
}

/// `code` without spaces that separate nothing. Lines with a regular expression, a comment or a template stay as they are, which
/// needs no parser.
fn without_spaces(code: &str) -> String {
    let mut out = String::with_capacity(code.len());
    let mut is_template = false;
    for line in code.lines() {
        if is_template || line.contains(['`', '/', '\'', '\\']) {
            out.push_str(line);
        } else {
            for (number, part) in line.split('"').enumerate() {
                let is_string = number % 2 == 1;
                if number > 0 {
                    out.push('"');
                }
                match is_string {
                    true => out.push_str(part),
                    false => push_without_spaces(&mut out, part),
                }
            }
        }
        out.push('\n');
        is_template ^= toggles_template(line);
    }
    out
}

fn push_without_spaces(out: &mut String, code: &str) {
    let separates = |c: Option<char>| c.is_some_and(|c| "=*<>{}(),;:?&|!%".contains(c));
    let mut before = None;
    let mut rest = code.chars().peekable();
    while let Some(c) = rest.next() {
        if c != ' ' || !(separates(before) || separates(rest.peek().copied())) {
            out.push(c);
        }
        before = Some(c);
    }
}

/// The name and the value that a line gives to a number.
fn number(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line
        .strip_prefix("const ")?
        .strip_suffix(';')?
        .split_once(" = ")?;
    let is_number = |c: char| c.is_ascii_hexdigit() || ".x_-".contains(c);
    let is_constant = name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    let is_begun = value.starts_with(|c: char| c.is_ascii_digit());
    (is_constant && is_begun && value.chars().all(is_number)).then_some((name, value))
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// What `line` imports, and from which file.
fn import(line: &str) -> Option<(impl Iterator<Item = &str>, &str)> {
    let (names, file) = line.strip_prefix("import { ")?.split_once(" } from \"./")?;
    Some((names.split(", "), file.strip_suffix("\";")?))
}

/// `source` without whole-line comments, type casts and indentation; each line keeps its number. Leaves the content of template literals alone.
pub(super) fn strip(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut place = Place::Code;
    for line in source.lines() {
        let text = line.trim();
        match place {
            Place::Template => out.push_str(line),
            Place::Comment => {}
            Place::Code if is_comment(text) => {}
            Place::Code => push_code(&mut out, text),
        }
        out.push('\n');
        place = match place {
            Place::Comment if text.ends_with("*/") => Place::Code,
            Place::Comment => Place::Comment,
            Place::Code if text.starts_with("/*") && !text.contains("*/") => Place::Comment,
            Place::Code if is_comment(text) => Place::Code,
            _ if toggles_template(line) => place.toggled(),
            _ => place,
        };
    }
    out
}

/// A line without the types in it, which are comments for who checks them.
fn push_code(out: &mut String, line: &str) {
    const CAST: &str = "/** @type {";
    const END: &str = "*/";
    let mut rest = line;
    while let Some(at) = rest.find(CAST) {
        let (code, cast) = rest.split_at(at);
        let Some(end) = cast.find(END) else { break };
        out.push_str(code);
        rest = cast.get(end + END.len()..).unwrap_or_default().trim_start();
    }
    out.push_str(rest);
}

/// Where a line begins.
#[derive(Clone, Copy)]
enum Place {
    Code,
    /// In a comment of several lines.
    Comment,
    /// In a template literal of several lines.
    Template,
}

impl Place {
    fn toggled(self) -> Self {
        match self {
            Self::Template => Self::Code,
            Self::Code | Self::Comment => Self::Template,
        }
    }
}

/// A line that is, or begins, nothing but a comment.
fn is_comment(text: &str) -> bool {
    let closes = text.find("*/");
    text.starts_with("//")
        || (text.starts_with("/*") && closes.is_none_or(|at| at + 2 == text.len()))
}

/// An odd number of backticks that are not escaped. One in a string or a regular expression would be taken for the
/// edge of a template, too: the test of the files finds that.
fn toggles_template(line: &str) -> bool {
    let escaped = line.matches("\\`").count();
    (line.matches('`').count() - escaped) % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_modules_need_no_import_of_each_other() {
        let joined = join(&[
            (
                "a.js",
                "/** A. */\nimport { d } from \"./c.js\";\nexport const a = d;\n",
            ),
            (
                "b.js",
                "import { a } from \"./a.js\";\nimport { c, d } from \"./c.js\";\n\nexport const b = a + c;\n",
            ),
        ]);
        assert_eq!(
            joined,
            "import { c, d } from \"./c.js\";\nconst a=d;\nexport const b=a + c;\n"
        );
    }

    #[test]
    fn numbers_stand_where_their_names_stood_but_for_exported_ones() {
        let source = "export const LONG = 1_000;\nconst SHORT = 0.5;\nconst A_WORD = \"a\";\nf(SHORT, LONG + SHORT_ONE, A_WORD);\n";
        assert_eq!(
            join(&[("a.js", source)]),
            "export const LONG=1_000;\nconst A_WORD=\"a\";\nf(0.5,LONG + SHORT_ONE,A_WORD);\n"
        );
        let kept = "const LONG=2;\nf(LONG);\nconst OFTEN=1e-4;\nconst OFTEN=2;\nf(OFTEN);\nexport{LONG};\n";
        let written = kept.replace('=', " = ").replace("{LONG}", " { LONG }");
        assert_eq!(join(&[("a.js", &written)]), kept);
        let written = "const BIT = 0x1f;\nconst TINY = 1e-4;\nf(BIT, TINY);\n";
        assert_eq!(join(&[("a.js", written)]), "f(0x1f,1e-4);\n");
        let used = "import { LONG } from \"./a.js\";\ng(`${LONG}`);\n";
        assert_eq!(
            join(&[("a.js", source), ("b.js", used)]),
            "const A_WORD=\"a\";\nf(0.5,1_000 + SHORT_ONE,A_WORD);\ng(`${1_000}`);\n"
        );
    }

    #[test]
    fn private_names_of_each_class_become_short() {
        let source = "class A {\n#first = 1;\nasync #second() {\nthis.#first = other?.#second(\"#first\");\nreturn `${this.#first}\n#first`;\n}\n}\nexport class B {\nget #third() {}\n}\n";
        let expected = "class A {\n#a = 1;\nasync #b() {\nthis.#a = other?.#b(\"#first\");\nreturn `${this.#a}\n#first`;\n}\n}\nexport class B {\nget #a() {}\n}\n";
        assert_eq!(with_short_privates(source), expected);
        let names = [0, 25, 26, 27, 700].map(short_name);
        assert_eq!(names, ["a", "z", "ba", "bb", "bay"]);
    }

    #[test]
    fn spaces_that_separate_nothing_go() {
        assert_eq!(
            without_spaces("const a = (b, \"c , d\") => b + -c ? { e : 1 } : typeof f;\n"),
            "const a=(b,\"c , d\")=>b + -c?{e:1}:typeof f;\n"
        );
        for kept in [
            "a = b / c;\n",
            "a(` , ${b , c}\n  d , e`);\n",
            "a = 'b , c';\n",
        ] {
            assert_eq!(without_spaces(kept), kept);
        }
    }

    #[test]
    fn types_inside_of_a_line_go_and_the_code_around_them_stays() {
        let source = "f((/** @type {A | null} */ a) => /** @type {B} */ (a), 1); /* kept */\n";
        assert_eq!(strip(source), "f((a) => (a), 1); /* kept */\n");
        assert_eq!(
            strip("x = /** @type {A\n} */ (y);\n"),
            "x = /** @type {A\n} */ (y);\n"
        );
    }

    #[test]
    fn comments_and_indentation_go_and_lines_stay() {
        let source = "/**\n * What it is.\n */\n// why\nfunction f() {\n  /* how */\n  return 1; // one\n}\n";
        assert_eq!(
            strip(source),
            "\n\n\n\nfunction f() {\n\nreturn 1; // one\n}\n"
        );
    }

    #[test]
    fn what_only_looks_like_a_comment_stays() {
        for kept in [
            "const url = \"http://x\";\n",
            "/* a */ b();\n",
            "/* a */ b(); /* c */\n",
            "const text = `\n  // text\n  /* text\n  ${`inner`} */\n`;\n",
            "const tick = `\\`\n  // text`;\n",
        ] {
            assert_eq!(strip(kept), kept);
        }
    }

    #[test]
    fn after_a_template_comments_go_again() {
        assert_eq!(
            strip("a(`\n b\n`);\n  // c\n  d();\n"),
            "a(`\n b\n`);\n\nd();\n"
        );
    }
}
