//! `backstay fmt`: one look for all documents, without a change to what they say.

mod files;

use crate::args::{FmtOptions, Global};
use crate::differences::{painted, unified};
use crate::exit::{Code, Codes};
use crate::format::{Fault, Unreadable, format};
use crate::host::Host;
use crate::screen::Screen;
use crate::session::directory;
use backstay_core::diagnostic::{Diagnostic, Diagnostics, Place, source_line};
use backstay_report::{Paint, clean};
use serde_json::{Value, json};
use std::path::Path;

/// Larger files are no documents.
const LARGEST: usize = 32 << 20;

/// What the name `-` stands for.
const STANDARD_INPUT: &str = "standard input";

pub(crate) fn run(options: &FmtOptions, global: &Global, host: &Host, screen: &Screen) -> anyhow::Result<Codes> {
    let mut run = Run { options, screen, wrong: Vec::new(), unformatted: 0 };
    if options.files.iter().any(|file| file == Path::new("-")) {
        anyhow::ensure!(options.files.len() == 1, "`-` stands alone: standard input has one text");
        run.standard_input()?;
    } else {
        let root = directory(global, host);
        for file in files::of(&options.files, options.recursive, &root)? {
            run.file(&root, &file);
        }
    }
    let wrong: Diagnostics = run.wrong.into_iter().collect();
    screen.diagnostics(&wrong);
    let mut codes = Codes::none();
    codes.add_if(wrong.has_errors(), Code::Error);
    codes.add_if(options.check && run.unformatted > 0, Code::Partial);
    Ok(codes)
}

struct Run<'a> {
    options: &'a FmtOptions,
    screen: &'a Screen,
    wrong: Vec<Diagnostic>,
    /// How many files did not look as they should.
    unformatted: usize,
}

impl Run<'_> {
    fn standard_input(&mut self) -> anyhow::Result<()> {
        let bytes = self.screen.read_input()?;
        let Some((before, after)) = self.format(STANDARD_INPUT, &bytes) else { return Ok(()) };
        self.unformatted += usize::from(before != after);
        if self.screen.is_json {
            self.told(STANDARD_INPUT, &before, &after, &json!({ "text": after }));
        }
        if self.options.diff {
            self.differences(STANDARD_INPUT, &before, &after);
        } else if !self.options.check && !self.screen.is_json {
            self.screen.out_whole(&after);
        }
        Ok(())
    }

    fn file(&mut self, root: &Path, name: &str) {
        let path = root.join(name);
        let bytes = match files::read(&path, LARGEST) {
            Ok(bytes) => bytes,
            Err(because) => return self.refuse(name, "unreadable", &format!("this file cannot be read: {because}")),
        };
        let Some((before, after)) = self.format(name, &bytes) else { return };
        if before == after {
            return;
        }
        self.unformatted += 1;
        if !self.options.check
            && let Err(because) = files::replace(&path, &bytes, after.as_bytes())
        {
            return self.refuse(name, "unwritable", &format!("this file cannot be written: {because}"));
        }
        if self.screen.is_json {
            self.told(name, &before, &after, &json!({}));
        }
        if !self.screen.is_json {
            self.screen.out(&format!("{}\n", clean(name)));
        }
        if self.options.diff {
            self.differences(name, &before, &after);
        }
    }

    /// Tells machines of a text that was not formatted, or not yet.
    fn told(&self, name: &str, before: &str, after: &str, fields: &Value) {
        let is_written = !self.options.check;
        let message = if is_written { "formatted" } else { "not formatted" };
        let mut fields = fields.clone();
        fields["file"] = name.into();
        fields["written"] = is_written.into();
        if self.options.diff {
            fields["diff"] = unified(name, Some(before), Some(after)).join("\n").into();
        }
        self.screen.json("info", "format", &format!("{name}: {message}"), fields);
    }

    /// A text before and after; `None` when it stays as it is, which has been noted.
    fn format(&mut self, name: &str, bytes: &[u8]) -> Option<(String, String)> {
        let Ok(text) = std::str::from_utf8(bytes) else {
            self.refuse(name, "encoding", "this file is not UTF-8");
            return None;
        };
        match format(text) {
            Ok(formatted) => return Some((text.to_owned(), formatted)),
            Err(Fault::Unreadable(unreadable)) => self.wrong.push(syntax(name, text, &unreadable)),
            Err(fault @ Fault::WouldChange(_)) => self.wrong.push(
                Diagnostic::warning("not-formatted", format!("this file is left as it is: {fault}"))
                    .at(Place::file(name))
                    .hint("it is read as before; format it by hand"),
            ),
            Err(Fault::NoThread(because)) => self.refuse(name, "unreadable", &because),
        }
        None
    }

    fn differences(&self, name: &str, before: &str, after: &str) {
        if self.screen.is_json {
            return;
        }
        let paint = self.screen.out_paint;
        let mut text = String::new();
        for line in unified(name, Some(before), Some(after)) {
            // Bytes for `patch` where nobody looks, harmless where a terminal does.
            let line = if paint == Paint::Plain { line } else { painted(&clean(&line), paint) };
            text += &line;
            text.push('\n');
        }
        self.screen.out_whole(&text);
    }

    fn refuse(&mut self, name: &str, code: &str, message: &str) {
        self.wrong.push(Diagnostic::error(code, message).at(Place::file(name)));
    }
}

/// A mistake in the form of a file, with its place.
fn syntax(name: &str, text: &str, unreadable: &Unreadable) -> Diagnostic {
    let Unreadable { message, line, column } = unreadable;
    let told = Diagnostic::error("syntax", format!("this is not YAML that can be read: {message}"));
    // The end of a text is behind its last line.
    let last = text.lines().count();
    let (line, column) = if *line > last { (last, usize::MAX) } else { (*line, *column) };
    let Some(source) = line.checked_sub(1).and_then(|line| text.lines().nth(line)) else {
        return told.at(Place::file(name));
    };
    let column = column.min(source.chars().count() + 1);
    let (source_line, marker, length) = source_line(source, column.saturating_sub(1), 1);
    told.at(Place { line, column, source_line, marker, length, ..Place::file(name) })
        .hint("this file stays as it is until that is repaired; `backstay validate` tells more")
}
