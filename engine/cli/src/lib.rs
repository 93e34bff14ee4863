//! Arguments, prompts, progress and exit codes. No decision about backups is made here.

mod args;
mod commands;
mod complete;
mod differences;
mod environment;
mod exit;
mod format;
mod host;
mod init;
mod progress;
mod reference;
mod screen;
mod selectors;
mod session;
mod watched;

pub use backstay_runtime::seams::{Clock, Entropy, StoreError};
pub use backstay_runtime::sites::Registry;
pub use exit::Code;
pub use host::{Host, Io, real_clock, real_entropy};

use args::{Arguments, Command, Told};
use exit::Codes;
use screen::Screen;
use std::ffi::OsString;

/// Runs one command, and gives its exit code.
///
/// `arguments` include the program's name. Everything that reaches outside comes in through `host` and `io`, so that tests
/// run the real command line in one process and in made-up time.
pub async fn run(arguments: impl IntoIterator<Item = OsString>, host: &Host, io: Io) -> u8 {
    if let Some(shell) = host.environment.get(complete::VARIABLE) {
        return complete::answer(shell, arguments, host, io);
    }
    let given = environment::with_arguments::<Arguments>(arguments, &host.environment);
    let given = given.map_err(|text| Told { text: format!("error: {text}\n"), is_error: true });
    let arguments = match given.and_then(args::parse) {
        Ok(arguments) => arguments,
        Err(told) => {
            let code = if told.is_error { Code::Error } else { Code::Done };
            let screen = Screen::plain(io, host.clock.clone());
            if told.is_error {
                screen.err(&told.text);
            } else {
                screen.out(&told.text);
            }
            return if screen.finish() { code.number() } else { Code::Error.number() };
        }
    };
    log_to_stderr(arguments.global.log.as_deref());
    let is_one_document = matches!(
        arguments.command,
        Command::Show(_) | Command::Explain(_) | Command::Version | Command::Completion(_) | Command::Man(_)
    );
    let screen = Screen::new(io, &arguments.global, is_one_document, host);
    let done = match screen.open_file(&arguments.global, host) {
        Ok(()) => dispatch(&arguments, host, &screen).await,
        Err(error) => Err(error),
    };
    let mut codes = done.unwrap_or_else(|error| {
        screen.error(&error);
        Codes::of(Code::Error)
    });
    screen.codes(&codes);
    codes.add_if(!screen.finish(), Code::Error);
    codes.first().number()
}

async fn dispatch(arguments: &Arguments, host: &Host, screen: &Screen) -> anyhow::Result<Codes> {
    let global = &arguments.global;
    match &arguments.command {
        Command::Init(options) => commands::init::run(options, global, host, screen),
        Command::Validate(options) => commands::validate::run(options, global, host, screen).await,
        Command::Fmt(options) => commands::fmt::run(options, global, host, screen),
        Command::Observe(options) => commands::observe::run(options, global, host, screen).await,
        Command::Plan(options) => commands::plan::run(options, global, host, screen).await,
        Command::Show(options) => commands::show::run(options, global, host, screen),
        Command::Apply(options) => commands::apply::run(options, global, host, screen).await,
        Command::Status(options) => commands::status::run(options, global, host, screen).await,
        Command::Backup(options) => commands::backup::run(options, global, host, screen).await,
        Command::Drift(options) => commands::drift::run(options, global, host, screen).await,
        Command::Hold(options) => commands::hold::run(options, global, host, screen).await,
        Command::Simulate(options) => commands::simulate::run(options, global, host, screen).await,
        Command::State(command) => commands::history::run(command, global, host, screen).await,
        Command::Lease(command) => commands::lease::run(command, global, host, screen).await,
        Command::Completion(options) => commands::completion::run(options, screen),
        Command::Man(options) => commands::man::run(options, global, host, screen),
        Command::Explain(options) => commands::explain::run(options, screen),
        Command::Version => Ok(commands::version::run(host, screen)),
    }
}

/// Logs go to standard error, only when asked for; the first run of a process decides.
fn log_to_stderr(filter: Option<&str>) {
    let Some(filter) = filter else { return };
    let filter = tracing_subscriber::EnvFilter::new(filter);
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    drop(subscriber.try_init());
}
