//! Every rule that refuses is named in a test.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// In a service's code, an uppercase text with an underscore, such as `EXTENSION_BEFORE_DUE`, is the id
/// of a rule, as is the first argument of `refused`.
#[test]
fn every_rule_is_named_in_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut rules: BTreeMap<String, PathBuf> = BTreeMap::new();
    let mut tested = BTreeSet::new();
    for file in sources(&root.join("services")) {
        let text = fs::read_to_string(&file).unwrap();
        let (code, tests) = if is_test(&file) {
            ("", text.as_str())
        } else {
            parts(&text)
        };
        tested.extend(ids(tests));
        let given = code.split("refused(").skip(1).filter_map(first_text);
        rules.extend(
            ids(code)
                .into_iter()
                .chain(given)
                .map(|id| (id, file.clone())),
        );
    }
    for file in sources(&root.join("tests")) {
        tested.extend(ids(&fs::read_to_string(file).unwrap()));
    }
    assert!(rules.len() > 10, "{rules:?}");
    rules.retain(|id, _| !tested.contains(id));
    assert!(rules.is_empty(), "rules that no test names: {rules:#?}");
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}

fn is_test(file: &Path) -> bool {
    file.ends_with("tests.rs") || file.components().any(|part| part.as_os_str() == "tests")
}

/// The code of a file, and the tests at its end.
fn parts(text: &str) -> (&str, &str) {
    let begin = text.match_indices("#[cfg(test)]").find(|(at, _)| {
        let module = text[*at..]
            .lines()
            .find(|line| line.trim_start().starts_with("mod "));
        module.is_some_and(|line| line.ends_with('{'))
    });
    begin.map_or((text, ""), |(at, _)| text.split_at(at))
}

/// The uppercase texts with an underscore.
fn ids(code: &str) -> BTreeSet<String> {
    let is_id = |text: &&str| {
        let fits = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        text.contains('_')
            && text.starts_with(|c: char| c.is_ascii_uppercase())
            && text.chars().all(fits)
    };
    code.split('"').filter(is_id).map(str::to_owned).collect()
}

/// The string literal at the beginning of code, if there is one.
fn first_text(code: &str) -> Option<String> {
    let rest = code.trim_start().strip_prefix('"')?;
    rest.split_once('"').map(|(text, _)| text.to_owned())
}
