//! Reads the block `access:`. Errors never repeat a value that could be a secret.

use super::Reader;
use crate::access::{Config, DigestSecret, PasswordHash, Right, Token, TokenHash, User, is_name};
use crate::cli::Error;
use crate::cli::options::ConfigSection;
use crate::cli::yaml::{Entry, Node, Value};
use crate::suggest::closest_match;
use std::path::Path;

/// Keys of a user and of a token.
const USER_KEYS: [&str; 6] = [
    "name",
    "password",
    "passwordFile",
    "digest",
    "right",
    "deleteAtLogin",
];
const TOKEN_KEYS: [&str; 3] = ["name", "hash", "right"];

/// Most users, tokens and revoked links: each request may be compared with all of them.
const MAX_ITEMS: usize = 1000;

/// A block of the list `users` or `tokens`.
struct Item<'a> {
    reader: &'a Reader<'a>,
    label: String,
    line: usize,
    /// Known keys and their texts.
    fields: Vec<(&'static str, usize, &'a str)>,
}

impl Reader<'_> {
    /// Reads the block. Files of passwords are relative to `cwd`.
    pub(super) fn access(&self, entry: &Entry, cwd: &Path) -> Option<Config> {
        let known: Vec<&str> = super::file_keys(ConfigSection::Access)
            .map(|(name, _)| name)
            .collect();
        let mut config = Config::default();
        let entries = self.entries(&entry.node, "access");
        if entries.is_empty() {
            let why = "access: is empty; write users:, tokens: or public: viewer below it";
            self.report(entry.line, why);
        }
        let mut seen: Vec<(&str, usize)> = Vec::new();
        for entry in entries {
            let key = known
                .iter()
                .find(|name| name.eq_ignore_ascii_case(&entry.key));
            let Some(&key) = key else {
                let unknown = self.unknown(entry, ConfigSection::Access, "access");
                self.errors.push(unknown);
                continue;
            };
            if let Some((_, line)) = seen.iter().find(|(other, _)| *other == key) {
                let why = format!("access.{key}: is there already (line {line})");
                self.report(entry.line, &why);
                continue;
            }
            seen.push((key, entry.line));
            self.key(key, entry, cwd, &mut config);
        }
        Some(config)
    }

    /// Reads the value of one key into `config`. All its errors are reported.
    fn key(&self, key: &str, entry: &Entry, cwd: &Path, config: &mut Config) {
        let errors = self.errors;
        match key {
            "users" => config.users = self.users(entry, cwd),
            "tokens" => config.tokens = self.tokens(entry),
            "public" => config.is_public = errors.keep(self.public(entry)).unwrap_or_default(),
            "keyFile" => {
                let path = errors.keep(self.text(entry, "access.keyFile"));
                config.key_file = path.map(|path| cwd.join(path));
            }
            _ => config.revoked = self.revoked(entry),
        }
    }

    fn users(&self, entry: &Entry, cwd: &Path) -> Vec<User> {
        let mut users: Vec<User> = Vec::new();
        for item in self.items(entry, "access.users", &USER_KEYS) {
            let others = users.iter().map(|user| user.name.as_str());
            let name = self.errors.keep(item.name(others));
            let shown = name.clone().unwrap_or_default();
            let password = self.errors.keep(password(&item, cwd, &shown));
            // Without a name it cannot be checked.
            let digest = name.is_some().then(|| digest(&item, &shown));
            let digest = digest.and_then(|digest| self.errors.keep(digest));
            let right = self.errors.keep(item.right());
            if let (Some(name), Some((password, own)), Some(digest), Some(right)) =
                (name, password, digest, right)
            {
                users.push(User {
                    name,
                    password,
                    digest: digest.or(own),
                    right,
                    delete_at_login: item.field("deleteAtLogin").map(|(_, path)| cwd.join(path)),
                });
            }
        }
        users
    }

    fn tokens(&self, entry: &Entry) -> Vec<Token> {
        let mut tokens: Vec<Token> = Vec::new();
        for item in self.items(entry, "access.tokens", &TOKEN_KEYS) {
            let others = tokens.iter().map(|token| token.name.as_str());
            let name = self.errors.keep(item.name(others));
            let hash = self.errors.keep(hash(&item));
            let right = self.errors.keep(item.right());
            if let (Some(name), Some(hash), Some(right)) = (name, hash, right) {
                tokens.push(Token { name, hash, right });
            }
        }
        tokens
    }

    fn public(&self, entry: &Entry) -> Result<bool, Error> {
        match self.text(entry, "access.public")? {
            "viewer" => Ok(true),
            "none" => Ok(false),
            _ => Err(self.error(
                entry.line,
                "access.public: is viewer (everybody may watch) or none",
            )),
        }
    }

    fn revoked(&self, entry: &Entry) -> Vec<String> {
        let nodes = match &entry.node.value {
            Value::List(nodes) if nodes.len() <= MAX_ITEMS => nodes.as_slice(),
            Value::Text(_) => std::slice::from_ref(&entry.node),
            _ => {
                let why = "access.revoked: takes a list of names of links";
                self.report(entry.line, why);
                return Vec::new();
            }
        };
        let mut names = Vec::new();
        for node in nodes {
            match &node.value {
                Value::Text(text) if is_name(text) => names.push(text.clone()),
                _ => self.report(
                    node.line,
                    "access.revoked: takes names of links, as --name had them",
                ),
            }
        }
        names
    }

    fn text<'a>(&self, entry: &'a Entry, label: &str) -> Result<&'a str, Error> {
        match &entry.node.value {
            Value::Text(text) if !text.is_empty() => Ok(text),
            _ => Err(self.error(entry.line, &format!("{label}: takes one value"))),
        }
    }

    /// Returns the blocks of a list, with the keys that are known and there once.
    fn items<'a>(&'a self, entry: &'a Entry, label: &str, keys: &[&'static str]) -> Vec<Item<'a>> {
        let Value::List(nodes) = &entry.node.value else {
            let why = format!("{label}: is not a list; each item begins with '- name: ...'");
            self.report(entry.line, &why);
            return Vec::new();
        };
        if nodes.len() > MAX_ITEMS {
            let why = format!("{label}: has more than {MAX_ITEMS} items");
            self.report(entry.line, &why);
            return Vec::new();
        }
        let item = |(index, node): (usize, &'a Node)| {
            let mut item = Item {
                reader: self,
                label: format!("{label}[{index}]"),
                line: node.line,
                fields: Vec::new(),
            };
            for entry in self.entries(node, &item.label) {
                self.errors.keep(self.field(&mut item, entry, keys));
            }
            item
        };
        nodes.iter().enumerate().map(item).collect()
    }

    /// Adds a field to an item.
    fn field<'a>(
        &'a self,
        item: &mut Item<'a>,
        entry: &'a Entry,
        keys: &[&'static str],
    ) -> Result<(), Error> {
        let known = keys
            .iter()
            .find(|name| name.eq_ignore_ascii_case(&entry.key));
        let Some(&key) = known else {
            let hint = match closest_match(&entry.key, keys.iter().copied()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("the keys here are {}", keys.join(", ")),
            };
            let shown: String = entry.key.chars().take(32).collect();
            let why = format!("unknown key {}.{shown}; {hint}", item.label);
            return Err(self.error(entry.line, &why));
        };
        if item.field(key).is_some() {
            return Err(item.error(entry.line, key, "is there already"));
        }
        let text = self.text(entry, &format!("{}.{key}", item.label))?;
        item.fields.push((key, entry.line, text));
        Ok(())
    }
}

/// Returns the password of a user, and what Digest needs of it if it is known.
fn password(
    item: &Item<'_>,
    cwd: &Path,
    user: &str,
) -> Result<(PasswordHash, Option<DigestSecret>), Error> {
    match (item.field("password"), item.field("passwordFile")) {
        (Some((line, text)), None) => {
            let hash = PasswordHash::parse(text);
            let hash = hash.map_err(|why| item.error(line, "password", &why))?;
            Ok((hash, None))
        }
        (None, Some((line, path))) => {
            password_in(&cwd.join(path), user).map_err(|why| item.error(line, "passwordFile", &why))
        }
        _ => Err(item.missing("password (a hash) or passwordFile, one of them")),
    }
}

fn digest(item: &Item<'_>, user: &str) -> Result<Option<DigestSecret>, Error> {
    let Some((line, text)) = item.field("digest") else {
        return Ok(None);
    };
    let secret = DigestSecret::parse(text, user);
    secret
        .map(Some)
        .map_err(|why| item.error(line, "digest", &why))
}

fn hash(item: &Item<'_>) -> Result<TokenHash, Error> {
    let Some((line, text)) = item.field("hash") else {
        let what = "hash; \"berrymse token NAME\" makes a token and prints its line";
        return Err(item.missing(what));
    };
    TokenHash::parse(text).map_err(|why| item.error(line, "hash", &why))
}

impl Item<'_> {
    fn field(&self, key: &str) -> Option<(usize, &str)> {
        let found = self.fields.iter().find(|(name, ..)| *name == key);
        found.map(|(_, line, text)| (*line, *text))
    }

    fn error(&self, line: usize, key: &str, why: &str) -> Error {
        self.reader
            .error(line, &format!("{}.{key}: {why}", self.label))
    }

    fn missing(&self, what: &str) -> Error {
        self.reader
            .error(self.line, &format!("{} needs {what}", self.label))
    }

    fn name<'a>(&self, mut others: impl Iterator<Item = &'a str>) -> Result<String, Error> {
        let Some((line, name)) = self.field("name") else {
            return Err(self.missing("a name"));
        };
        if !is_name(name) {
            let why = "a name is made of 1 to 64 letters, digits, '.', '-', '_' and '@'";
            return Err(self.error(line, "name", why));
        }
        match others.any(|other| other == name) {
            true => Err(self.error(line, "name", "is there already")),
            false => Ok(name.to_owned()),
        }
    }

    fn right(&self) -> Result<Right, Error> {
        let Some((line, text)) = self.field("right") else {
            return Err(
                self.missing("a right: viewer (watches) or operator (changes cameras, too)")
            );
        };
        let why = "is viewer (watches) or operator (changes cameras, too)";
        Right::parse(text).ok_or_else(|| self.error(line, "right", why))
    }
}

/// Reads a password, or its hash, from the first line of a file. A password is good for Digest, too.
fn password_in(path: &Path, user: &str) -> Result<(PasswordHash, Option<DigestSecret>), String> {
    let shown = path.display();
    let text = super::load(path).map_err(|why| format!("{shown} {why}"))?;
    let line = text.lines().next().unwrap_or_default();
    let is_hash = line.starts_with("$argon2");
    let hash = match is_hash {
        true => PasswordHash::parse(line),
        false => PasswordHash::of(line),
    };
    let hash = hash.map_err(|why| format!("{shown}: {why}"))?;
    Ok((hash, (!is_hash).then(|| DigestSecret::of(user, line))))
}
