//! `backstay completion`.

use crate::args::CompletionOptions;
use crate::complete;
use crate::exit::Codes;
use crate::screen::Screen;

pub(crate) fn run(options: &CompletionOptions, screen: &Screen) -> anyhow::Result<Codes> {
    screen.out_whole(&complete::registration(options.shell)?);
    Ok(Codes::none())
}
