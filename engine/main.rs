//! The `backstay` binary: registers the providers that were compiled in, and calls the command line.

use backstay_cli::{Host, Io, real_clock, real_entropy};
use std::io::{BufReader, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A plan of a large fleet is a million small allocations: docs/decisions/0011.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cancelled = Arc::new(AtomicBool::new(false));
    let is_working = Arc::new(AtomicBool::new(false));
    let (heard, busy) = (Arc::clone(&cancelled), Arc::clone(&is_working));
    // A thread of its own: the command may be waiting for a person's answer, or for a disk.
    std::thread::spawn(move || listen_for_signals(&heard, &busy));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime needs only what every process has");
    let code = runtime.block_on(backstay_cli::run(std::env::args_os(), &host(cancelled, is_working), io()));
    // What still runs was told to end, or waits for nothing: it does not keep the process.
    runtime.shutdown_background();
    ExitCode::from(code)
}

fn host(cancelled: Arc<AtomicBool>, is_working: Arc<AtomicBool>) -> Host {
    let clock = real_clock();
    Host {
        registry: registry(&clock),
        clock,
        entropy: real_entropy(),
        // What is no text has no meaning here, and must not stop anybody.
        environment: std::env::vars_os()
            .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
            .collect(),
        directory: std::env::current_dir().unwrap_or_default(),
        cancelled,
        is_working,
    }
}

fn io() -> Io {
    Io {
        out: Box::new(std::io::stdout()),
        err: Box::new(std::io::stderr()),
        input: Box::new(BufReader::new(std::io::stdin())),
        out_is_terminal: std::io::stdout().is_terminal(),
        width: rustix::termios::tcgetwinsize(std::io::stdout()).ok().map(|size| usize::from(size.ws_col)),
        err_is_terminal: std::io::stderr().is_terminal(),
        input_is_terminal: std::io::stdin().is_terminal(),
    }
}

fn registry(clock: &Arc<dyn backstay_cli::Clock>) -> backstay_cli::Registry {
    let clock = Arc::clone(clock);
    let now: Arc<dyn Fn() -> jiff::Timestamp + Send + Sync> = Arc::new(move || clock.now());
    let registry = backstay_cli::Registry::default();
    #[cfg(feature = "sim")]
    let registry = registry.with(
        backstay_core::model::ProviderKind::Sim,
        Arc::new(backstay_provider_sim::SimOpener::new(Arc::clone(&now))),
    );
    #[cfg(feature = "local")]
    let registry = registry.with(
        backstay_core::model::ProviderKind::Local,
        Arc::new(backstay_provider_local::LocalOpener::new(Arc::clone(&now))),
    );
    registry
}

/// The first signal: no new call is started, running ones finish. The second: stop at once; the next run resumes.
///
/// While nothing was begun that must not be broken off, the first one stops at once too.
fn listen_for_signals(cancelled: &AtomicBool, is_working: &AtomicBool) {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    runtime.block_on(async {
        let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        else {
            return;
        };
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if cancelled.swap(true, Ordering::SeqCst) || !is_working.load(Ordering::SeqCst) {
                tell("\nCancelled.\n");
                std::process::exit(8);
            }
            tell("\nCancelled: running calls finish, no new one is started. Once more stops at once.\n");
        }
    });
}

fn tell(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}
