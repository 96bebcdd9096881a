//! Parses YAML into a small tree in which every node has its line. It supports the needs of the configuration:
//! aliases, tags and several documents are errors.

use std::str::Chars;
use yaml_rust2::parser::{Event, Parser, Tag};
use yaml_rust2::scanner::{Marker, ScanError, TScalarStyle};

/// Limit of nesting, which bounds the recursion. Configurations are far from it.
const MAX_DEPTH: usize = 16;

/// A value and its line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Node {
    /// Line of its first character, from 1.
    pub(super) line: usize,
    pub(super) value: Value,
}

/// Kinds of values. Numbers and truth values are text here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Value {
    /// Nothing, `~` or `null`, not in quotes.
    Null,
    /// A scalar, in quotes or not.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order of the file; keys may be there twice.
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    /// Line of the key, from 1.
    pub(super) line: usize,
    pub(super) node: Node,
}

/// Error of the text, with its line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Error {
    /// Line, from 1.
    pub(super) line: usize,
    pub(super) why: String,
}

impl Error {
    fn new(mark: Marker, why: &str) -> Self {
        Self {
            line: mark.line(),
            why: why.to_owned(),
        }
    }
}

impl From<ScanError> for Error {
    fn from(e: ScanError) -> Self {
        let hint =
            "indent with spaces, and put values with special characters (- * : @ [) in quotes";
        Self::new(
            *e.marker(),
            &format!("this is not YAML: {}; {hint}", e.info()),
        )
    }
}

/// Reads a document; `None` if there is nothing but comments.
pub(super) fn read(text: &str) -> Result<Option<Node>, Error> {
    // Editors of another world put a byte order mark first.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut parser = Parser::new_from_str(text);
    let mut root = None;
    loop {
        match parser.next_token()? {
            (Event::StreamEnd, _) => return Ok(root),
            (Event::DocumentStart, mark) if root.is_some() => {
                return Err(Error::new(
                    mark,
                    "a second document begins here; there can be only one",
                ));
            }
            (Event::DocumentStart, _) => {
                let (event, mark) = parser.next_token()?;
                root = Some(node(event, mark, &mut parser, 0)?);
            }
            _ => {}
        }
    }
}

/// Returns the node that begins with `event`.
fn node(
    event: Event,
    mark: Marker,
    parser: &mut Parser<Chars<'_>>,
    depth: usize,
) -> Result<Node, Error> {
    if depth > MAX_DEPTH {
        return Err(Error::new(mark, "this is nested too deeply"));
    }
    let (value, anchor, tag) = match event {
        Event::Scalar(text, style, anchor, tag) => (scalar(text, style), anchor, tag),
        Event::SequenceStart(anchor, tag) => (list(parser, depth)?, anchor, tag),
        Event::MappingStart(anchor, tag) => (map(parser, depth)?, anchor, tag),
        Event::Alias(_) => {
            return Err(Error::new(
                mark,
                "aliases (*) are not understood here; write the value again",
            ));
        }
        _ => return Err(Error::new(mark, "a value is missing here")),
    };
    refuse_extras(mark, anchor, tag.as_ref())?;
    Ok(Node {
        line: mark.line(),
        value,
    })
}

fn refuse_extras(mark: Marker, anchor: usize, tag: Option<&Tag>) -> Result<(), Error> {
    if anchor != 0 {
        return Err(Error::new(mark, "anchors (&) are not understood here"));
    }
    if tag.is_some() {
        return Err(Error::new(
            mark,
            "tags (!) are not understood here; put text that begins with ! in quotes",
        ));
    }
    Ok(())
}

fn scalar(text: String, style: TScalarStyle) -> Value {
    let plain = style == TScalarStyle::Plain;
    if plain && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL") {
        Value::Null
    } else {
        Value::Text(text)
    }
}

fn list(parser: &mut Parser<Chars<'_>>, depth: usize) -> Result<Value, Error> {
    let mut items = Vec::new();
    loop {
        match parser.next_token()? {
            (Event::SequenceEnd, _) => return Ok(Value::List(items)),
            (event, mark) => items.push(node(event, mark, parser, depth + 1)?),
        }
    }
}

fn map(parser: &mut Parser<Chars<'_>>, depth: usize) -> Result<Value, Error> {
    let mut entries = Vec::new();
    loop {
        let (key, line) = match parser.next_token()? {
            (Event::MappingEnd, _) => return Ok(Value::Map(entries)),
            (Event::Scalar(key, _, anchor, tag), mark) => {
                refuse_extras(mark, anchor, tag.as_ref())?;
                (key, mark.line())
            }
            (_, mark) => return Err(Error::new(mark, "a key must be a word")),
        };
        let (event, mark) = parser.next_token()?;
        entries.push(Entry {
            key,
            line,
            node: node(event, mark, parser, depth + 1)?,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shape(node: &Node) -> String {
        let inner = match &node.value {
            Value::Null => "null".to_owned(),
            Value::Text(text) => format!("{text:?}"),
            Value::List(items) => format!(
                "[{}]",
                items.iter().map(shape).collect::<Vec<_>>().join(", ")
            ),
            Value::Map(entries) => {
                let entries: Vec<_> = entries
                    .iter()
                    .map(|e| format!("{}@{}: {}", e.key, e.line, shape(&e.node)))
                    .collect();
                format!("{{{}}}", entries.join(", "))
            }
        };
        format!("{}@{inner}", node.line)
    }

    #[test]
    fn every_node_knows_its_line() {
        let text = "# two\n\ncamera:\n  width: 640\n  name:\nserver:\n  listen: [a, 'b']\n";
        assert_eq!(
            shape(&read(text).unwrap().unwrap()),
            r#"3@{camera@3: 4@{width@4: 4@"640", name@5: 6@null}, server@6: 7@{listen@7: 7@[7@"a", 7@"b"]}}"#
        );
    }

    #[test]
    fn comments_alone_are_an_empty_file() {
        for text in ["", "\u{feff}", "# x\n", "\n\n"] {
            assert_eq!(read(text), Ok(None), "{text:?}");
        }
    }

    #[test]
    fn unsupported_yaml_is_rejected_with_its_line() {
        for (text, line) in [
            ("a: &x 1\nb: *x", 1),
            ("a: 1\nb: *x", 2),
            ("a: 1\nb: !!str 1", 2),
            ("a: 1\n---\nb: 2", 2),
            ("a:\n\tb: 2", 2),
            ("a: [1, 2", 2),
            ("? [a]\n: 1", 1),
        ] {
            assert_eq!(read(text).map_err(|e| e.line), Err(line), "{text}");
        }
        assert!(read(&"[".repeat(5000)).is_err());
        assert!(read(&"- ".repeat(5000)).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[a-c:\\-\\[\\]{},&*!|>'\"%@`#?~ \n\t\\\\0-1é]{0,60}") {
            let _ = read(&text);
        }
    }
}
