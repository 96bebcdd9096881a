//! The block `access:`, its errors, which repeat no secret, and the commands that make credentials.

use super::Place;
use berrymse::access::{DigestSecret, Right};
use berrymse::cli::Command;
use std::time::Duration;

const HASH: &str = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const TOKEN: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

#[test]
fn access_block_has_users_tokens_and_links() {
    let place = Place::new(&format!(
        "access:\n  users:\n  - {{name: owner, password: \"{HASH}\", right: operator}}\n  - name: J\u{fc}rgen\n    \
         passwordFile: secret\n    right: viewer\n    deleteAtLogin: first\n  tokens: [{{name: kiosk, hash: '{TOKEN}', right: viewer}}]\n  public: \
         viewer\n  keyFile: my.key\n  REVOKED: [old, older]\n"
    ));
    place.file("secret", "pass word\nignored\n");
    let access = place.config("", &[]).access.unwrap();
    let rights: Vec<_> = access
        .users
        .iter()
        .map(|user| (user.name.as_str(), user.right))
        .collect();
    assert_eq!(
        rights,
        [("owner", Right::Operator), ("J\u{fc}rgen", Right::Viewer)]
    );
    assert_eq!(access.users[0].password.as_str(), HASH);
    assert!(access.users[1].password.is_of("pass word"));
    let digest = DigestSecret::of("J\u{fc}rgen", "pass word");
    assert_eq!(access.users[1].digest.as_ref(), Some(&digest));
    assert_eq!(access.users[0].digest, None);
    assert_eq!(access.users[0].delete_at_login, None);
    let first = Some(place.0.join("first"));
    assert_eq!(access.users[1].delete_at_login, first);
    assert_eq!(access.tokens[0].hash.to_string(), TOKEN);
    assert!(access.is_public);
    assert_eq!(access.key_file, Some(place.0.join("my.key")));
    assert_eq!(access.revoked, ["old", "older"]);
    assert_eq!(Place::new("").config("", &[]).access, None);
}

#[test]
fn key_file_is_in_the_state_directory() {
    let place = Place::new("access: {public: viewer}\n");
    for (env, expected) in [
        (
            &[("STATE_DIRECTORY", "/var/lib/b"), ("HOME", "/h")][..],
            Some("/var/lib/b/access.key"),
        ),
        (&[("STATE_DIRECTORY", "/a:/b")], Some("/a/access.key")),
        (
            &[("XDG_STATE_HOME", "/s"), ("HOME", "/h")],
            Some("/s/berrymse/access.key"),
        ),
        (
            &[("HOME", "/h")],
            Some("/h/.local/state/berrymse/access.key"),
        ),
        (&[], None),
    ] {
        let access = place.config("", env).access.unwrap();
        assert_eq!(
            access.key_file.as_deref(),
            expected.map(std::path::Path::new),
            "{env:?}"
        );
    }
}

#[test]
fn bad_access_is_rejected_with_its_line() {
    let user = |rest: &str| format!("access:\n  users:\n  - {{name: a, {rest}}}\n");
    for (config, why) in [
        ("access:\n".to_owned(), "config.yml:1: access: is empty"),
        ("access: yes\n".to_owned(), "access must be made of lines"),
        (
            "access: {user: []}\n".to_owned(),
            "unknown key access.user; did you mean users?",
        ),
        (
            "access: {users: owner}\n".to_owned(),
            "access.users: is not a list",
        ),
        (
            "access: {public: all}\n".to_owned(),
            "access.public: is viewer",
        ),
        (
            "access: {keyFile: [a]}\n".to_owned(),
            "access.keyFile: takes one value",
        ),
        (
            "access: {revoked: [a b]}\n".to_owned(),
            "access.revoked: takes names",
        ),
        (
            "access: {public: viewer, PUBLIC: viewer}\n".to_owned(),
            "is there already (line 1)",
        ),
        (
            user("right: viewer"),
            "config.yml:3: access.users[0] needs password",
        ),
        (
            user("password: Canary-93x7, right: viewer"),
            "access.users[0].password: is not an argon2id hash",
        ),
        (
            user("password: Canary-93x7, passwordFile: b, right: viewer"),
            "one of them",
        ),
        (
            user("passwordFile: missing, right: viewer"),
            "missing does not exist",
        ),
        (
            user(&format!(
                "password: '{HASH}', digest: Canary-93x7, right: viewer"
            )),
            "access.users[0].digest: is not NAME:BerryMSE",
        ),
        (
            user(&format!("password: '{HASH}'")),
            "access.users[0] needs a right",
        ),
        (
            user(&format!("password: '{HASH}', right: Canary-93x7")),
            "access.users[0].right: is viewer",
        ),
        (
            user(&format!("password: '{HASH}', rihgt: viewer")),
            "did you mean right?",
        ),
        (
            user(&format!("password: '{HASH}', right: viewer, right: viewer")),
            "access.users[0].right: is there already",
        ),
        (
            "access: {users: [{right: viewer}]}\n".to_owned(),
            "access.users[0] needs a name",
        ),
        (
            "access: {users: [{name: 'a b', right: viewer}]}\n".to_owned(),
            "access.users[0].name: a name is made of",
        ),
        (
            "access: {tokens: [{name: a, right: viewer}]}\n".to_owned(),
            "needs hash; \"berrymse token NAME\"",
        ),
        (
            "access: {tokens: [{name: a, hash: Canary-93x7, right: viewer}]}\n".to_owned(),
            "access.tokens[0].hash: is not sha256:",
        ),
        (
            format!(
                "access: {{tokens: [{{name: a, hash: '{TOKEN}', right: viewer}}, {{name: a, hash: '{TOKEN}', right: viewer}}]}}\n"
            ),
            "access.tokens[1].name: is there already",
        ),
        (
            "server: {trustedProxies: nginx}\n".to_owned(),
            "'nginx' is not an address or a network",
        ),
        (
            "server: {frameAncestors: home.example}\n".to_owned(),
            "'home.example' is not an origin",
        ),
        (
            "tls: {selfSigned: true}\n".to_owned(),
            "tls.selfSigned: no address has TLS",
        ),
        (
            "server: {listen: 'https://:1'}\ntls: {selfSigned: true, cert: a}\n".to_owned(),
            "tls.cert is given as well",
        ),
        (
            "keyFile: a\n".to_owned(),
            "'keyFile:' belongs below 'access:'",
        ),
    ] {
        let error = Place::new(&config).run("", &[]).unwrap_err().to_string();
        assert!(error.contains(why), "{config}: {error}");
        assert!(!error.contains("Canary"), "{config}: {error}");
    }
}

#[test]
fn link_has_camera_life_and_page() {
    let place = Place::new(
        "camera: {name: front}\nserver: {listen: ['localhost:1', '10.0.0.5:8443']}\naccess: {public: none}\n",
    );
    let Ok(Command::Link(link)) = place.run(
        "link --for 12h front --name a --right operator",
        &[("HOME", "/h")],
    ) else {
        panic!("no link");
    };
    assert_eq!(
        (link.camera.as_str(), link.name.as_str(), link.right),
        ("front", "a", Right::Operator)
    );
    assert_eq!(link.lifetime, Duration::from_secs(12 * 3600));
    assert_eq!(link.page, "http://10.0.0.5:8443/");
    for (line, why) in [
        ("link front --name a --for 0d", "out of range"),
        ("link front --name a --for 9999w", "out of range"),
        ("link front --name a --for 7", "is not a time"),
        ("link front --name a --for 7y", "is not a time"),
        (
            "link front back --name a --for 7d",
            "'back' has no meaning with 'link'",
        ),
        (
            "link front --name a --for 7d --width 640",
            "--width has no meaning with 'link'",
        ),
        (
            "hash-password now",
            "'now' has no meaning with 'hash-password'",
        ),
        ("token a/b", "is no name"),
        ("hash-password --digest --name a:b", "is no name"),
        ("hash-password --name a", "--name belongs to"),
        ("token a --digest", "--digest belongs to"),
    ] {
        let error = place.run(line, &[]).unwrap_err().to_string();
        assert!(error.contains(why), "{line}: {error}");
    }
    let place = Place::new("camera: {name: front}\naccess: {revoked: [old]}\n");
    let error = place
        .run("link front --name old --for 1d", &[])
        .unwrap_err()
        .to_string();
    assert!(error.contains("access.revoked"), "{error}");
    let error = Place::new("camera: {name: front}\n")
        .run("link front --name a --for 1d", &[("HOME", "/h")])
        .unwrap_err()
        .to_string();
    assert!(error.contains("has no access:"), "{error}");
}

#[test]
fn access_without_anybody_is_warned_of() {
    let words = "nobody can log in";
    for (config, is_warned) in [
        ("access: {users: []}\n", true),
        ("access: {public: none}\n", true),
        ("access: {public: viewer}\n", false),
        ("", false),
    ] {
        let notes = Place::new(config).config("", &[]).notes;
        let found = notes.iter().any(|note| note.contains(words));
        assert_eq!(found, is_warned, "{config}: {notes:?}");
    }
}

#[test]
fn check_shows_the_errors_of_all_users_and_tokens() {
    let place = Place::new(
        "access:\n  users:\n  - {name: a, password: x, right: viewer}\n  - {name: 'b c', right: bad}\n  tokens:\n  - {name: \
         t}\n  - {rihgt: viewer}\n  revoked: [a, 'b c', 'd e']\n",
    );
    let Ok(Command::CheckConfig(Err(errors))) = place.run("--check-config", &[]) else {
        panic!("no errors");
    };
    let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let all = all.join("\n");
    for expected in [
        "users[0].password: is not",
        "users[1].name: a name",
        "users[1] needs password",
        "users[1].right: is viewer",
        "tokens[0] needs hash",
        "tokens[0] needs a right",
        "did you mean right?",
        "config.yml:8: access.revoked: takes names",
    ] {
        assert!(all.contains(expected), "{expected} in {all}");
    }
}
