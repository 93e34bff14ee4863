//! Where output goes: results to standard output, all else to standard error, JSON lines where machines read.

use crate::args::Global;
use crate::environment::is_set;
use crate::exit::Codes;
use crate::host::{Host, Io};
use crate::session::directory;
use backstay_core::diagnostic::{Diagnostics, Part, Severity};
use backstay_report::{Paint, View, fold, fold_around_quotes};
use backstay_runtime::seams::Clock;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead, BufWriter, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) struct Screen {
    streams: Mutex<Streams>,
    clock: Arc<dyn Clock>,
    pub(crate) is_json: bool,
    /// Whether what is written for machines is one JSON object a line, with the version first and the codes last.
    is_stream: bool,
    /// Whether what to do next is told: a pipeline knows.
    pub(crate) hints: bool,
    pub(crate) out_paint: Paint,
    pub(crate) err_paint: Paint,
    /// Whether progress may be drawn.
    pub(crate) draws: bool,
    pub(crate) can_ask: bool,
}

struct Streams {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    input: Box<dyn BufRead + Send>,
    /// How wide results may be; a file has no width.
    width: Option<usize>,
    /// How wide all else may be.
    err_width: Option<usize>,
    /// Where JSON lines go besides, and its name.
    into: Option<(PathBuf, BufWriter<File>)>,
    /// What could not be written, and why.
    failure: Option<String>,
}

impl Streams {
    fn of(io: Io) -> Mutex<Self> {
        let wide = io.width.filter(|width| *width >= 20);
        let (width, err_width) = (wide.filter(|_| io.out_is_terminal), wide.filter(|_| io.err_is_terminal));
        Mutex::new(Self { out: io.out, err: io.err, input: io.input, width, err_width, into: None, failure: None })
    }

    /// A reader that went away, as `head` does, is no error of ours; a full disk is.
    fn note(&mut self, written: std::io::Result<()>) {
        if let Err(error) = written
            && error.kind() != std::io::ErrorKind::BrokenPipe
        {
            self.failure.get_or_insert(format!("standard output: {error}"));
        }
    }

    fn write_into(&mut self, line: &str) {
        let Some((path, file)) = &mut self.into else { return };
        if let Err(error) = file.write_all(line.as_bytes()) {
            self.failure.get_or_insert(format!("{}: {error}", path.display()));
        }
    }
}

impl Screen {
    /// A screen for what is said before the arguments are known.
    pub(crate) fn plain(io: Io, clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            is_json: false,
            is_stream: false,
            hints: true,
            out_paint: Paint::Plain,
            err_paint: Paint::Plain,
            draws: false,
            can_ask: false,
            streams: Streams::of(io),
        }
    }

    /// A screen as the arguments want it; `is_one_document` where JSON is one value, which other tools read whole.
    pub(crate) fn new(io: Io, global: &Global, is_one_document: bool, host: &Host) -> Self {
        let is_dumb = host.environment.get("TERM").is_some_and(|term| term == "dumb");
        let has_no_colour = host.environment.get("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_quiet = global.no_color || global.json || has_no_colour || is_dumb;
        let paint = |is_terminal: bool| if is_terminal && !is_quiet { Paint::Colour } else { Paint::Plain };
        // A build server gives a terminal, and nobody sits before it.
        let is_watched = !is_set(&host.environment, "CI");
        let screen = Self {
            clock: host.clock.clone(),
            is_json: global.json,
            is_stream: global.json_into.is_some() || (global.json && !is_one_document),
            hints: !is_set(&host.environment, "BACKSTAY_IN_AUTOMATION"),
            out_paint: paint(io.out_is_terminal),
            err_paint: paint(io.err_is_terminal),
            draws: io.err_is_terminal && !global.json && !is_dumb && is_watched,
            can_ask: global.input && io.input_is_terminal && !global.json && is_watched,
            streams: Streams::of(io),
        };
        if screen.is_stream && screen.is_json {
            screen.version();
        }
        screen
    }

    /// Opens the file of `-json-into`, emptied, and begins it.
    pub(crate) fn open_file(&self, global: &Global, host: &Host) -> anyhow::Result<()> {
        let Some(name) = &global.json_into else { return Ok(()) };
        let file = File::create(directory(global, host).join(name))
            .map_err(|error| anyhow::anyhow!("could not write {}: {error}", name.display()))?;
        self.streams().into = Some((name.clone(), BufWriter::new(file)));
        self.version();
        Ok(())
    }

    fn version(&self) {
        let version = env!("CARGO_PKG_VERSION");
        self.json("info", "version", &format!("Backstay {version}"), json!({ "backstay": version }));
    }

    /// Whether machines read along: [`Screen::json`] reaches somebody.
    pub(crate) fn wants_json(&self) -> bool {
        self.is_json || self.streams().into.is_some()
    }

    fn streams(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How a plan is shown here.
    pub(crate) fn view(&self, full: bool) -> View {
        View { paint: self.out_paint, width: self.streams().width, full }
    }

    /// How many columns results have; a file has as many as are easy to read.
    pub(crate) fn width(&self) -> usize {
        self.streams().width.unwrap_or(100)
    }

    /// Writes a result.
    pub(crate) fn out(&self, text: &str) {
        let mut streams = self.streams();
        let folded = streams.width.map(|width| fold(text, width));
        let written = streams.out.write_all(folded.as_deref().unwrap_or(text).as_bytes());
        streams.note(written);
    }

    /// Writes a result that another tool reads whole: no line of it is broken, however narrow the terminal is.
    pub(crate) fn out_whole(&self, text: &str) {
        let mut streams = self.streams();
        let written = streams.out.write_all(text.as_bytes());
        streams.note(written);
    }

    /// Writes all else.
    pub(crate) fn err(&self, text: &str) {
        let mut streams = self.streams();
        let folded = streams.err_width.map(|width| fold_around_quotes(text, width));
        let _ = streams.err.write_all(folded.as_deref().unwrap_or(text).as_bytes());
    }

    /// Writes a line for people; machines do not get it.
    pub(crate) fn note(&self, text: &str) {
        if !self.is_json {
            self.err(&format!("{text}\n"));
        }
    }

    /// Writes one JSON line to wherever machines read.
    pub(crate) fn json(&self, level: &str, kind: &str, message: &str, fields: Value) {
        let mut line = json!({
            "@level": level,
            "@message": message,
            "@module": "backstay",
            "@timestamp": self.clock.now().to_string(),
            "type": kind,
        });
        if let (Value::Object(line), Value::Object(fields)) = (&mut line, fields) {
            line.extend(fields);
        }
        let line = format!("{line}\n");
        if self.is_json {
            self.out_whole(&line);
        }
        self.streams().write_into(&line);
    }

    /// Tells an error that ended the command.
    pub(crate) fn error(&self, error: &anyhow::Error) {
        let text = error.to_string();
        self.json("error", "diagnostic", &text, json!({ "diagnostic": { "severity": "error", "summary": text } }));
        if !self.is_json {
            self.err(&format!("{} {text}\n", self.err_paint.red("error:")));
        }
    }

    /// Tells everything that is wrong with the documents.
    pub(crate) fn diagnostics(&self, diagnostics: &Diagnostics) {
        if diagnostics.is_empty() {
            return;
        }
        if self.wants_json() {
            for diagnostic in diagnostics.iter() {
                let level = if diagnostic.severity == Severity::Error { "error" } else { "warn" };
                self.json(level, "diagnostic", &diagnostic.message, json!({ "diagnostic": diagnostic }));
            }
        }
        if !self.is_json {
            self.err(&diagnostics.draw(&|part, text| self.paint(part, text)));
        }
    }

    fn paint(&self, part: Part, text: &str) -> String {
        let paint = self.err_paint;
        match part {
            Part::Error => paint.red(text),
            Part::Warning => paint.yellow(text),
            Part::Message | Part::Hint => paint.bold(text),
            Part::Gutter | Part::Related | Part::Note => paint.cyan(text),
        }
    }

    /// Asks a person, and gives the answer without white space around it; `None` when nobody can answer.
    pub(crate) fn ask(&self, question: &str) -> Option<String> {
        if !self.can_ask {
            return None;
        }
        let mut streams = self.streams();
        let _ = streams.err.write_all(question.as_bytes());
        let _ = streams.err.flush();
        let mut answer = String::new();
        match streams.input.read_line(&mut answer) {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(answer.trim().to_owned()),
        }
    }

    /// Tells machines every code that holds.
    pub(crate) fn codes(&self, codes: &Codes) {
        if self.is_stream {
            let numbers = codes.numbers();
            self.json("info", "exit", &format!("exit {}", codes.first().number()), json!({ "codes": numbers }));
        }
    }

    /// All of standard input.
    pub(crate) fn read_input(&self) -> anyhow::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = self.streams().input.read_to_end(&mut bytes);
        read.map_err(|error| anyhow::anyhow!("could not read standard input: {error}"))?;
        Ok(bytes)
    }

    /// Writes out what is still buffered, and tells whether all results could be written.
    pub(crate) fn finish(&self) -> bool {
        let mut streams = self.streams();
        let flushed = streams.out.flush();
        streams.note(flushed);
        if let Some((path, mut file)) = streams.into.take()
            && let Err(error) = file.flush()
        {
            streams.failure.get_or_insert(format!("{}: {error}", path.display()));
        }
        if let Some(failure) = streams.failure.take() {
            let text = format!("error: could not write to {failure}\n");
            let _ = streams.err.write_all(text.as_bytes());
            let _ = streams.err.flush();
            return false;
        }
        let _ = streams.err.flush();
        true
    }
}
