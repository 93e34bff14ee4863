//! The pages of `backstay explain`: what they call wrong gives their code, and what they call right gives nothing.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use backstay_core::diagnostic::{Code, Diagnostics};
use std::collections::BTreeMap;
use support::{base, resolve_sources};

/// An example of a page: what stands behind its fence, and its text.
struct Example<'p> {
    info: &'p str,
    text: &'p str,
}

fn examples(page: &str) -> Vec<Example<'_>> {
    let parts = page.split("```").skip(1).step_by(2);
    parts.map(|part| part.split_once('\n').unwrap()).map(|(info, text)| Example { info, text }).collect()
}

impl Example<'_> {
    fn says(&self, word: &str) -> bool {
        self.info.split(' ').any(|part| part == word)
    }

    /// What is said about it when it lies beside, or in, the small fleet.
    fn diagnostics(&self) -> Diagnostics {
        let mut files: BTreeMap<String, Vec<u8>> = base().into_iter().map(|(p, text)| (p, text.into_bytes())).collect();
        let path = self.info.split(' ').find(|part| part.contains('/')).unwrap_or("fleet/example.yaml");
        let mut text = self.text.to_owned();
        if self.says("repeated") {
            text.extend((4..=201).map(|number| format!("  colour{number}: red\n")));
        }
        let bytes = match self.says("utf-16") {
            true => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            false => text.into_bytes(),
        };
        files.insert(path.to_owned(), bytes);
        resolve_sources(&files.into_iter().collect()).diagnostics
    }
}

#[test]
fn every_code_has_a_page_whose_wrong_example_gives_it_and_whose_right_one_gives_nothing() {
    for code in Code::ALL {
        let page = code.explanation();
        for part in ["\n\nWrong:\n\n", "\n\nRight:\n\n", "\n\nWhy: "] {
            assert_eq!(page.matches(part).count(), 1, "{code}: {part:?}");
        }
        let examples = examples(page);
        let (wrong, right): (Vec<_>, Vec<_>) = examples.iter().partition(|example| example.says("wrong"));
        assert!(!wrong.is_empty() && right.iter().all(|example| example.says("right")), "{code}");
        // What no text can show is tested with real files: tests/wrong.
        if wrong.iter().all(|example| example.says("console")) {
            assert_eq!(*code, Code::Unreadable);
            continue;
        }
        for example in wrong {
            let found = example.diagnostics();
            assert!(found.iter().any(|d| d.code == *code), "{code}: {}\n{found}", example.text);
            let others: Vec<_> = found.iter().map(|d| d.code).filter(|found| *found != *code).collect();
            // Its consequences may be told, too, and `left-out` is nothing but one.
            let is_an_echo = matches!(code, Code::LeftOut | Code::TooMany);
            let may_be = if is_an_echo { Code::UnknownKey } else { Code::LeftOut };
            assert!(others.iter().all(|other| *other == may_be), "{code}: the example gives others: {found}");
        }
        for example in right {
            assert_eq!(example.diagnostics().render(), "", "{code}: {}", example.text);
        }
    }
}

#[test]
fn pages_are_plain_text_that_a_terminal_shows() {
    for code in Code::ALL {
        let page = code.explanation();
        assert!(page.chars().all(|c| c == '\n' || c == '\t' || !c.is_control()) && page.ends_with('\n'), "{code}");
        assert!(code.summary().ends_with('.') && code.summary().len() < 80, "{code}: {}", code.summary());
        let lines = page.split("```").step_by(2).flat_map(str::lines);
        assert!(lines.into_iter().all(|line| !line.starts_with(' ')), "{code}: prose begins at the margin");
    }
}
