//! `backstay fmt`: one look for all documents, without a change to what they say.

mod files;

use crate::args::{FmtOptions, Global};
use crate::differences::{painted, unified};
use crate::exit::{Code, Codes};
use crate::format::{Fault, Unreadable, format};
use crate::host::Host;
use crate::screen::Screen;
use crate::session::directory;
use backstay_core::diagnostic::{Code as Mistake, Diagnostic, Diagnostics, Place};
use backstay_report::{Paint, clean};
use serde_json::{Value, json};
use std::path::Path;

/// Larger files are no documents.
const LARGEST: usize = 32 << 20;

/// What the name `-` stands for.
const STANDARD_INPUT: &str = "standard input";

pub(crate) fn run(options: &FmtOptions, global: &Global, host: &Host, screen: &Screen) -> anyhow::Result<Codes> {
    let mut run = Run { options, screen, wrong: Vec::new(), unformatted: 0, unwritten: 0 };
    if options.files.iter().any(|file| file == Path::new("-")) {
        anyhow::ensure!(options.files.len() == 1, "`-` stands alone: standard input has one text");
        run.standard_input()?;
    } else {
        let root = directory(global, host);
        let files: Vec<String> = files::of(&options.files, options.recursive, &root)?.into_iter().collect();
        // As many at once as there are processors; what is told and written keeps its order.
        let at_once = std::thread::available_parallelism().map_or(1, usize::from);
        for files in files.chunks(at_once) {
            let read = std::thread::scope(|scope| {
                let started: Vec<_> = files.iter().map(|file| scope.spawn(|| Read::of(&root, file))).collect();
                started.into_iter().map(std::thread::ScopedJoinHandle::join).collect::<Vec<_>>()
            });
            for (file, read) in files.iter().zip(read) {
                let fallen =
                    |_| Read::not(file, Mistake::Unreadable, "the formatter fell over this file; it stays as it is");
                run.file(&root, read.unwrap_or_else(fallen));
            }
        }
    }
    let (unformatted, unwritten) = (run.unformatted, run.unwritten);
    let wrong: Diagnostics = run.wrong.into_iter().collect();
    screen.diagnostics(&wrong);
    let mut codes = Codes::none();
    codes.add_if(wrong.has_errors() || unwritten > 0, Code::Error);
    codes.add_if(options.check && unformatted > 0, Code::Partial);
    Ok(codes)
}

struct Run<'a> {
    options: &'a FmtOptions,
    screen: &'a Screen,
    wrong: Vec<Diagnostic>,
    /// How many files did not look as they should.
    unformatted: usize,
    /// How many of them could not be written.
    unwritten: usize,
}

impl Run<'_> {
    fn standard_input(&mut self) -> anyhow::Result<()> {
        let bytes = self.screen.read_input()?;
        let Some((before, after)) = self.judged(Read::of_bytes(STANDARD_INPUT, bytes)) else { return Ok(()) };
        self.unformatted += usize::from(before != after);
        if self.screen.wants_json() {
            self.told(STANDARD_INPUT, &before, &after, &json!({ "text": after }));
        }
        if self.options.diff {
            self.differences(STANDARD_INPUT, &before, &after);
        } else if !self.options.check && !self.screen.is_json {
            self.screen.out_whole(&after);
        }
        Ok(())
    }

    fn file(&mut self, root: &Path, read: Read<'_>) {
        let name = read.name;
        let Some((before, after)) = self.judged(read) else { return };
        if before == after {
            return;
        }
        self.unformatted += 1;
        if !self.options.check
            && let Err(because) = files::replace(&root.join(name), before.as_bytes(), after.as_bytes())
        {
            self.unwritten += 1;
            return self.screen.error(&anyhow::anyhow!("{} cannot be written: {because}", clean(name)));
        }
        if self.screen.wants_json() {
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
    fn judged(&mut self, read: Read<'_>) -> Option<(String, String)> {
        let Read { name, text } = read;
        match text {
            Ok((before, Ok(after))) => return Some((before, after)),
            Ok((before, Err(Fault::Unreadable(unreadable)))) => self.wrong.push(syntax(name, &before, &unreadable)),
            Ok((_, Err(fault @ Fault::WouldChange(_)))) => self.screen.note(&clean(&format!(
                "warning: {name} is left as it is, and is read as before: {fault}; format it by hand"
            ))),
            Ok((_, Err(Fault::NoThread(because)))) => self.refuse(name, Mistake::Unreadable, &because),
            Err(diagnostic) => self.wrong.push(*diagnostic),
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

    fn refuse(&mut self, name: &str, code: Mistake, message: &str) {
        self.wrong.push(Diagnostic::error(code, message).at(Place::file(name)));
    }
}

/// A text and what it is when it is formatted, or why there is none.
struct Read<'f> {
    name: &'f str,
    text: Result<(String, Result<String, Fault>), Box<Diagnostic>>,
}

impl<'f> Read<'f> {
    fn of(root: &Path, name: &'f str) -> Self {
        match files::read(&root.join(name), LARGEST) {
            Ok(bytes) => Self::of_bytes(name, bytes),
            Err(because) => Self::not(name, Mistake::Unreadable, &format!("this file cannot be read: {because}")),
        }
    }

    fn of_bytes(name: &'f str, bytes: Vec<u8>) -> Self {
        match String::from_utf8(bytes) {
            Ok(before) => {
                let after = format(&before);
                Self { name, text: Ok((before, after)) }
            }
            Err(_) => Self::not(name, Mistake::Encoding, "this file is not UTF-8"),
        }
    }

    fn not(name: &'f str, code: Mistake, message: &str) -> Self {
        Self { name, text: Err(Box::new(Diagnostic::error(code, message).at(Place::file(name)))) }
    }
}

/// A mistake in the form of a file, with its place.
fn syntax(name: &str, text: &str, unreadable: &Unreadable) -> Diagnostic {
    let Unreadable { message, line, column } = unreadable;
    let told = Diagnostic::error(Mistake::Syntax, format!("this is not YAML that can be read: {message}"));
    // The end of a text is behind its last line.
    let last = text.lines().count();
    let (line, column) = if *line > last { (last, usize::MAX) } else { (*line, *column) };
    let Some(source) = line.checked_sub(1).and_then(|line| text.lines().nth(line)) else {
        return told.at(Place::file(name));
    };
    let column = column.min(source.chars().count() + 1);
    told.at(Place::file(name).on_line(line, column.saturating_sub(1), source))
        .hint("this file stays as it is until that is repaired; `backstay validate` tells more")
}
