//! `backstay man`.

use super::write_file;
use crate::args::{Global, ManOptions};
use crate::exit::Codes;
use crate::host::Host;
use crate::reference;
use crate::screen::Screen;
use crate::session::directory;
use anyhow::Context as _;

pub(crate) fn run(options: &ManOptions, global: &Global, host: &Host, screen: &Screen) -> anyhow::Result<Codes> {
    let Some(below) = &options.directory else {
        screen.out_whole(&reference::markdown());
        return Ok(Codes::none());
    };
    let directory = directory(global, host).join(below);
    std::fs::create_dir_all(&directory).with_context(|| format!("could not make {}", directory.display()))?;
    let pages = reference::manual()?;
    for (name, page) in &pages {
        write_file(&directory.join(name), page)?;
    }
    screen.note(&format!(
        "{} manual pages are in {}: `man -l {}/backstay.1`",
        pages.len(),
        below.display(),
        below.display()
    ));
    Ok(Codes::none())
}
