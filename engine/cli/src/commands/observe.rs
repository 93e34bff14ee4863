//! `backstay observe`.

use super::inventory::record;
use super::is_complete;
use crate::args::{Global, ObserveOptions};
use crate::exit::{Code, Codes};
use crate::host::Host;
use crate::screen::Screen;
use crate::session::Session;
use backstay_core::observed::{Listing, Observed};
use backstay_report::{clean, plural};
use std::fmt::Write as _;

pub(crate) async fn run(
    options: &ObserveOptions,
    global: &Global,
    host: &Host,
    screen: &Screen,
) -> anyhow::Result<Codes> {
    let Some(session) = Session::open(global, host, screen)? else { return Ok(Codes::of(Code::Error)) };
    let observed = session.observe(host, screen).await?;
    if let Some(path) = &options.out {
        record(&session, path, &observed)?;
        screen.note(&format!("The inventory is in {}; `plan -inventory` takes it.", path.display()));
    }
    if screen.wants_json() {
        screen.json("info", "inventory", "observed", serde_json::json!({ "inventory": observed }));
    }
    if !screen.is_json {
        screen.out(&tell(&observed));
    }
    let mut codes = Codes::none();
    codes.add_if(session.has_errors, Code::Error);
    codes.add_if(!is_complete(&observed), Code::Coverage);
    Ok(codes)
}

fn tell(observed: &Observed) -> String {
    let mut out = String::new();
    for (name, listing) in &observed.sites {
        let _ = match listing {
            Listing::Unknown { because } => writeln!(out, "! {name}: could not be read: {}", clean(because)),
            Listing::Complete(site) => writeln!(
                out,
                "{name} ({}, {}; {}{}): {}, {}",
                site.provider,
                site.account,
                clean(&site.abilities.method),
                if site.clock.is_virtual { format!("; virtual clock {}", site.clock.now) } else { String::new() },
                plural(site.instances.len(), "instance"),
                plural(site.snapshots.len(), "snapshot"),
            ),
        };
        for snapshot in listing.complete().map_or(&[][..], |site| site.snapshots.as_slice()) {
            let tag = |key: &str| snapshot.tags.value(key).unwrap_or("-".into());
            let _ = writeln!(
                out,
                "  {}  {}  {:?}  {}  {}  {}",
                snapshot.id,
                snapshot.disk,
                snapshot.readiness,
                snapshot.created,
                clean(&tag(backstay_core::tags::CLUSTER)),
                clean(&tag(backstay_core::tags::POINT)),
            );
        }
    }
    if let Listing::Unknown { because } = &observed.records {
        let _ = writeln!(out, "! the state store could not be read: {}", clean(because));
    }
    out
}
