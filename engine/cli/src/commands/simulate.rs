//! `backstay simulate`.

use super::inventory::recorded;
use super::is_complete;
use crate::args::{Global, SimulateOptions, Until};
use crate::exit::{Code, Codes};
use crate::host::Host;
use crate::screen::Screen;
use crate::session::{self, Session};
use backstay_core::forecast::{Assumptions, Sample, forecast};
use backstay_report::{forecast_line, forecast_md, forecast_text};
use serde_json::json;

/// A fleet of more clusters is foretold from a sample of about so many, unless asked otherwise: a minute's work.
const SAMPLE: usize = 200;

pub(crate) async fn run(
    options: &SimulateOptions,
    global: &Global,
    host: &Host,
    screen: &Screen,
) -> anyhow::Result<Codes> {
    let Some(session) = Session::open(global, host, screen)? else { return Ok(Codes::of(Code::Error)) };
    let observed = match &options.inventory {
        Some(path) => recorded(&session, path)?,
        None => session.observe(host, screen).await?,
    };
    let from = session::as_of(None, &session.desired, &observed)?;
    let assumptions = Assumptions {
        from,
        until: match options.until {
            Until::At(instant) => instant,
            Until::After(length) => length.after(from),
        },
        every: options.every,
        sample: if options.exact { Sample::All } else { Sample::AtMost(SAMPLE) },
    };
    let baseline = session.baseline(&observed).await;
    let told = forecast(&session.desired, &observed, baseline.as_ref(), &assumptions)?;
    if screen.wants_json() {
        screen.json("info", "forecast", &forecast_line(&told), json!({ "forecast": told }));
    }
    if options.md {
        screen.out_whole(&forecast_md(&told));
    } else if !screen.is_json {
        screen.out(&forecast_text(&told, screen.width(), screen.out_paint));
    }
    let mut codes = Codes::none();
    codes.add_if(session.has_errors, Code::Error);
    codes.add_if(!is_complete(&observed), Code::Coverage);
    Ok(codes)
}
