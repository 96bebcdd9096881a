//! Keeps words and phrases of `banned-words.txt` out of documents, comments and log texts.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(directory: &Path, extension: &str, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if !["target", "node_modules", "fixtures", "results"].contains(&name) {
                files(&path, extension, out);
            }
        } else if path.extension().is_some_and(|it| it == extension) {
            out.push(path);
        }
    }
}

/// Returns the prose of a document: without fenced code.
fn prose_of_document(text: &str) -> Vec<(usize, String)> {
    let mut is_code = false;
    let mut out = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            out.push((number + 1, line.to_owned()));
        }
    }
    out
}

/// Returns the prose of a Rust file: its comments, and the string literals of log macros.
fn prose_of_code(text: &str) -> Vec<(usize, String)> {
    let mut out = Vec::new();
    let mut is_in_log = false;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(comment) = line.strip_prefix("//") {
            out.push((number + 1, comment.to_owned()));
            continue;
        }
        is_in_log |= line.contains("log::") && line.contains("!(");
        if is_in_log {
            let literals = line.split('"').skip(1).step_by(2);
            out.extend(literals.map(|literal| (number + 1, literal.to_owned())));
            is_in_log = !line.ends_with(';') && !line.ends_with("),") && line != "}";
        }
    }
    out
}

/// Returns `line` in lower case, without code spans and addresses.
fn plain(line: &str) -> String {
    let without_code: String = line.split('`').step_by(2).collect::<Vec<_>>().join(" ");
    without_code
        .split_whitespace()
        .filter(|word| !word.contains("://"))
        .collect::<Vec<_>>()
        .join(" ")
        .to_lowercase()
}

/// True if `phrase` stands in `text` as whole words.
fn has_phrase(text: &str, phrase: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    text.match_indices(phrase).any(|(start, _)| {
        !text[..start].ends_with(is_word) && !text[start + phrase.len()..].starts_with(is_word)
    })
}

#[test]
fn documents_comments_and_logs_have_no_banned_word() {
    let list = fs::read_to_string(root().join("tests/banned-words.txt")).unwrap();
    let banned: Vec<&str> = list
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    let mut documents = vec![root().join("README.md"), root().join("ARCHITECTURE.md")];
    for directory in ["docs", "player", "crates"] {
        files(&root().join(directory), "md", &mut documents);
    }
    let mut sources = Vec::new();
    for directory in ["src", "crates", "tests", "tools", "fuzz", "bench"] {
        files(&root().join(directory), "rs", &mut sources);
    }
    assert!(documents.len() > 10 && sources.len() > 100);
    type Prose = fn(&str) -> Vec<(usize, String)>;
    let documents = documents
        .into_iter()
        .map(|path| (prose_of_document as Prose, path));
    let texts = documents.chain(
        sources
            .into_iter()
            .map(|path| (prose_of_code as Prose, path)),
    );
    let mut found = Vec::new();
    for (prose, path) in texts {
        for (number, line) in prose(&fs::read_to_string(&path).unwrap()) {
            let line = plain(&line);
            let words = banned.iter().filter(|word| has_phrase(&line, word));
            let path = path.strip_prefix(root()).unwrap().display();
            found.extend(words.map(|word| format!("{path}:{number}: {word}")));
        }
    }
    assert!(found.is_empty(), "see tests/banned-words.txt: {found:#?}");
}

#[test]
fn prose_is_told_from_code() {
    let document = "A gong.\n```sh\ngong\n```\nIt has `gong` too.\n";
    let lines: Vec<String> = prose_of_document(document)
        .iter()
        .map(|(_, line)| plain(line))
        .collect();
    assert_eq!(lines, ["a gong.", "it has too."]);
    let code = "/// Rings the gong.\nfn gong() {\n    log::info!(\n        \"gong {x}\"\n    );\n    f(\"gong\");\n}\n";
    let found: Vec<usize> = prose_of_code(code)
        .iter()
        .map(|(number, _)| *number)
        .collect();
    assert_eq!(found, [1, 4]);
    assert!(has_phrase("rings the gong.", "gong") && !has_phrase("a doorgong", "gong"));
    assert!(!has_phrase("gong-shaped", "gong"));
}
