//! Policies.

use super::known::{Known, Reference};
use super::promises;
use super::report::{Reader, Report};
use crate::diagnostic::{Code, Diagnostic, quote};
use crate::document::policy::{
    ConsistencyName, CopySpec, EncryptionName, LockMode as LockModeName, LockSpec, PolicySpec, RetentionSpec,
    ScheduleSpec, SourceName,
};
use crate::document::text::Percent;
use crate::document::{Document, Kind, Spec, Spot, nearest};
use crate::model::{
    ConsistencyWanted, CopyPolicy, Keep, LockMode, LockPolicy, Policy, Rates, Retention, Share, SourcePreference,
};
use crate::name::PolicyName;
use crate::schedule::{Cron, Schedule};
use crate::time::Duration;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How long a tombstone stands unless the policy says otherwise.
const GRACE: Duration = Duration::hours(72);

pub(super) fn resolve(
    documents: &[Document],
    known: &mut Known<'_>,
    report: &mut Report<'_, '_>,
) -> BTreeMap<PolicyName, Arc<Policy>> {
    let mut policies = BTreeMap::new();
    for document in documents {
        let Spec::BackupPolicy(spec) = &document.spec else { continue };
        let mut reader = Reader::new(report, document);
        let policy = one(&mut reader, spec, known).filter(|_| !reader.failed);
        if let Some(policy) = &policy {
            promises::check(&mut reader, policy, spec);
        }
        match policy.filter(|_| !reader.failed) {
            Some(policy) if known.mark_right(document) => {
                policies.insert(policy.name.clone(), Arc::new(policy));
            }
            Some(_) | None => known.mark_wrong(document),
        }
    }
    policies
}

fn one(reader: &mut Reader<'_, '_, '_>, spec: &PolicySpec, known: &Known<'_>) -> Option<Policy> {
    refuse_what_comes_later(reader, spec);
    archives(reader, spec, known);
    let name = reader.value("/metadata/name", reader.document.metadata.name.as_str());
    let zone = zone(reader, &spec.schedule);
    let schedule = schedule(reader, &spec.schedule, zone.clone());
    let retention = retention(reader, &spec.retention, zone);
    let copies = copies(reader, &spec.copies, &retention, known);
    let lock = lock(reader, spec.lock.as_ref());
    let sla = spec.sla.clone().unwrap_or_default();
    reader.length("/spec/sla/rpo", sla.rpo.as_ref());
    reader.length("/spec/sla/rto", sla.rto.as_ref());
    let max_age = reader.length("/spec/sla/maxAge", sla.max_age.as_ref());
    let max_standby_lag = reader.length("/spec/maxStandbyLag", spec.max_standby_lag.as_ref());
    Some(Policy {
        name: name?,
        schedule: schedule?,
        source: match spec.source {
            Some(SourceName::Primary) => SourcePreference::Primary,
            Some(SourceName::Standby) => SourcePreference::Standby,
            Some(SourceName::PreferStandby) | None => SourcePreference::PreferStandby,
        },
        max_standby_lag,
        consistency: match spec.consistency {
            Some(ConsistencyName::Application) | None => ConsistencyWanted::Application,
            Some(ConsistencyName::Crash) => ConsistencyWanted::Crash,
        },
        retention,
        copies,
        lock,
        encryption_required: spec.encryption == Some(EncryptionName::Required),
        max_age,
        rates: rates(spec),
    })
}

/// What forecasts reckon with. The schema takes only shares.
fn rates(spec: &PolicySpec) -> Rates {
    let spec = spec.forecast.clone().unwrap_or_default();
    let share = |text: Option<Percent>| text.and_then(|text| Share::parse(text.as_str()));
    let usual = Rates::default();
    Rates {
        change_per_day: share(spec.change_per_day).unwrap_or(usual.change_per_day),
        used: share(spec.used).unwrap_or(usual.used),
    }
}

fn refuse_what_comes_later(reader: &mut Reader<'_, '_, '_>, spec: &PolicySpec) {
    let later = [
        (
            spec.pitr.is_some(),
            "/spec/pitr",
            "`pitr` needs the WAL archive, which this version does not have yet",
            "remove `pitr`: until then a restore reaches the recovery points, not the instants between them",
        ),
        (
            spec.drill.is_some(),
            "/spec/drill",
            "`drill` needs restores, which this version does not have yet",
            "remove `drill`",
        ),
    ];
    for (asked, pointer, message, hint) in later {
        if asked {
            reader.not_yet(Spot::Key(pointer), message, hint);
        }
    }
}

/// The archives of `pitr` must be declared, whoever honours it.
fn archives(reader: &mut Reader<'_, '_, '_>, spec: &PolicySpec, known: &Known<'_>) {
    for (number, archive) in spec.pitr.iter().flat_map(|pitr| &pitr.archives).enumerate() {
        if known.look_up(Kind::Archive, archive.as_str()) == Reference::Missing {
            let at = format!("/spec/pitr/archives/{number}");
            reader.error(Spot::Value(&at), || known.unknown(Kind::Archive, archive.as_str()));
        }
    }
}

fn lock(reader: &mut Reader<'_, '_, '_>, spec: Option<&LockSpec>) -> Option<LockPolicy> {
    let spec = spec?;
    let period = reader.length("/spec/lock/for", Some(&spec.period))?;
    if period == Duration::ZERO {
        reader.error(Spot::Value("/spec/lock/for"), || {
            Diagnostic::error(Code::OutOfBounds, "`for` must be longer than nothing")
                .hint("remove `lock`, if the points need none")
        });
    }
    let mode = match spec.mode {
        LockModeName::Governance => LockMode::Governance,
        LockModeName::Compliance => LockMode::Compliance,
    };
    Some(LockPolicy { mode, period })
}

/// The policy's time zone, from the data that is compiled in; UTC when it is wrong, so that reading goes on.
fn zone(reader: &mut Reader<'_, '_, '_>, spec: &ScheduleSpec) -> TimeZone {
    let Some(name) = &spec.time_zone else { return TimeZone::UTC };
    match TimeZone::get(name.as_str()) {
        Ok(zone) => zone,
        Err(_) => {
            reader.error(Spot::Value("/spec/schedule/timeZone"), || {
                let message = format!("there is no time zone {}", quote(name.as_str()));
                let known: Vec<String> = jiff::tz::db().available().map(|zone| zone.as_str().to_owned()).collect();
                Diagnostic::error(Code::UnknownTimeZone, message).hint(
                    match nearest(name.as_str(), known.iter().map(String::as_str)) {
                        Some(meant) => format!("did you mean `{meant}`?"),
                        None => "a name of the IANA time zone database: Europe/Berlin, UTC".to_owned(),
                    },
                )
            });
            TimeZone::UTC
        }
    }
}

fn schedule(reader: &mut Reader<'_, '_, '_>, spec: &ScheduleSpec, zone: TimeZone) -> Option<Schedule> {
    let spread = reader.length("/spec/schedule/spread", spec.spread.as_ref());
    if let Some(cron) = &spec.cron {
        return match Cron::parse(cron.as_str()) {
            Ok(cron) => Some(Schedule::Cron { cron, zone, spread: spread.unwrap_or(Duration::ZERO) }),
            Err(error) => {
                let spot = match error.within(cron.as_str()) {
                    Some(part) => Spot::Within("/spec/schedule/cron", part.start, part.len()),
                    None => Spot::Value("/spec/schedule/cron"),
                };
                reader.error(spot, || {
                    Diagnostic::error(Code::WrongCron, format!("this cron expression cannot be read: {error}"))
                        .hint("every 8 hours is `0 */8 * * *`, and every night at 02:30 is `30 2 * * *`")
                });
                None
            }
        };
    }
    let interval = reader.length("/spec/schedule/every", spec.every.as_ref())?;
    if interval == Duration::ZERO {
        reader.error(Spot::Value("/spec/schedule/every"), || {
            Diagnostic::error(Code::OutOfBounds, "`every` must be longer than nothing")
                .hint("it is the time from one point to the next: 8h, 24h")
        });
    }
    if spread.is_some_and(|spread| spread > interval) {
        reader.error(Spot::Value("/spec/schedule/spread"), || {
            Diagnostic::error(Code::OutOfBounds, format!("`spread` is longer than the interval, which is {interval}"))
                .hint(format!("clusters spread within one interval: write {interval} or less, or remove `spread`"))
        });
    }
    Some(Schedule::Every { interval, spread: spread.unwrap_or(interval) })
}

fn retention(reader: &mut Reader<'_, '_, '_>, spec: &RetentionSpec, zone: TimeZone) -> Retention {
    let nothing = Retention {
        recovery_window: None,
        keep: Keep::default(),
        minimum_redundancy: 1,
        on_demand_max: None,
        grace: GRACE,
        zone,
    };
    let retention = retention_over(reader, "/spec/retention", spec, &nothing);
    if keeps_nothing(&retention) {
        let name = reader.document.metadata.name.as_str();
        reader.error(Spot::Key("/spec/retention"), || {
            Diagnostic::error(Code::KeepsNothing, format!("policy `{name}` keeps nothing"))
                .hint("add `recoveryWindow: 14d`, or a rule as in `keep: { daily: 14 }`")
        });
    }
    retention
}

fn keeps_nothing(retention: &Retention) -> bool {
    let has_window = retention.recovery_window.is_some_and(|window| window != Duration::ZERO);
    !has_window && retention.keep == Keep::default()
}

/// What a retention says, and another's rules where it is silent.
fn retention_over(
    reader: &mut Reader<'_, '_, '_>,
    pointer: &str,
    spec: &RetentionSpec,
    silent: &Retention,
) -> Retention {
    let window = reader.length(&format!("{pointer}/recoveryWindow"), spec.recovery_window.as_ref());
    let grace = reader.length(&format!("{pointer}/grace"), spec.grace.as_ref());
    let keep = spec.keep.as_ref().map(|written| Keep {
        last: written.last,
        hourly: written.hourly,
        daily: written.daily,
        weekly: written.weekly,
        monthly: written.monthly,
        yearly: written.yearly,
    });
    Retention {
        recovery_window: window.or(silent.recovery_window),
        keep: keep.unwrap_or(silent.keep),
        minimum_redundancy: spec.minimum_redundancy.unwrap_or(silent.minimum_redundancy).max(1),
        on_demand_max: spec.on_demand.as_ref().map(|on_demand| on_demand.max).or(silent.on_demand_max),
        grace: grace.unwrap_or(silent.grace),
        zone: silent.zone.clone(),
    }
}

/// Each copy's site must be declared, and named once: two retentions of one place would contradict each other.
fn copies(
    reader: &mut Reader<'_, '_, '_>,
    specs: &[CopySpec],
    retention: &Retention,
    known: &Known<'_>,
) -> Vec<CopyPolicy> {
    let mut copies: Vec<CopyPolicy> = Vec::with_capacity(specs.len());
    for (number, spec) in specs.iter().enumerate() {
        let at = format!("/spec/copies/{number}");
        let name = spec.site.as_str();
        let site_at = format!("{at}/site");
        match known.look_up(Kind::Site, name) {
            Reference::Right => {}
            Reference::Wrong => reader.error(Spot::Value(&site_at), || {
                Diagnostic::note(
                    Code::LeftOut,
                    format!("this policy is left out: its copies' site {} is wrong", quote(name)),
                )
                .hint("repair the site first")
            }),
            Reference::Missing => reader.error(Spot::Value(&site_at), || known.unknown(Kind::Site, name)),
        }
        let site = reader.value(&site_at, name);
        let kms_key = spec.kms_key.as_ref().and_then(|key| reader.value(&format!("{at}/kmsKey"), key));
        let own = spec.retention.clone().unwrap_or_default();
        let retention = retention_over(reader, &format!("{at}/retention"), &own, retention);
        if keeps_nothing(&retention) {
            reader.error(Spot::Key(&format!("{at}/retention")), || {
                Diagnostic::error(Code::KeepsNothing, format!("the copies at {} are not kept at all", quote(name)))
                    .hint("remove this `retention`: then a copy lives as long as its original; or remove the copy")
            });
        }
        let Some(site) = site else { continue };
        if let Some(first) = specs[..number].iter().position(|other| other.site == spec.site) {
            let place = reader.report.place(reader.document.seat, Spot::Value(&format!("/spec/copies/{first}/site")));
            reader.error(Spot::Value(&site_at), || {
                Diagnostic::error(Code::DuplicateName, format!("{} gets two copies of each point", quote(name)))
                    .label("again here")
                    .beside(place, "first here")
                    .hint("name each site once: two retentions of one place would contradict each other")
            });
        }
        copies.push(CopyPolicy { site, retention, kms_key });
    }
    copies
}
