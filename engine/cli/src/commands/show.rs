//! `backstay show FILE`.

use super::plan::{tell_machines, tell_people};
use super::read_file;
use crate::args::{Global, ShowOptions};
use crate::exit::{Code, Codes};
use crate::host::Host;
use crate::screen::Screen;
use crate::session::directory;
use backstay_core::plan::{Plan, UnreadablePlan};
use backstay_report::{Report, plan_json};

pub(crate) fn run(options: &ShowOptions, global: &Global, host: &Host, screen: &Screen) -> anyhow::Result<Codes> {
    let text = read_file(&directory(global, host).join(&options.file))?;
    let plan = match Plan::from_file(&text) {
        Ok(plan) => plan,
        Err(error) => {
            screen.error(&anyhow::anyhow!("{}: {error}", options.file.display()));
            return Ok(Codes::of(match error {
                UnreadablePlan::Digest => Code::Refused,
                UnreadablePlan::Form(_) | UnreadablePlan::Version(_) => Code::Error,
            }));
        }
    };
    let report = Report::of(&plan);
    if global.json_into.is_some() {
        tell_machines(&report, screen);
    }
    if screen.is_json {
        screen.out_whole(&format!("{}\n", plan_json(&report)));
    } else {
        tell_people(&report, &options.views, screen);
        if !options.views.md {
            screen.out(&format!("Digest {}, to be applied before {}.\n", plan.digest(), plan.basis.valid_until));
        }
    }
    Ok(Codes::none())
}
