//! `backstay lease list` and `backstay lease break ID`.

use super::history::call_line;
use crate::args::{BreakOptions, Global, LeaseCommand};
use crate::exit::{Code, Codes};
use crate::host::Host;
use crate::screen::Screen;
use crate::session::{Session, second};
use backstay_core::name::ClusterUid;
use backstay_report::{change_line, clean};
use backstay_runtime::history;
use backstay_runtime::lease::{self, LeaseRecord, Lying};
use backstay_runtime::seams::StoreError;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::fmt::Write as _;

pub(crate) async fn run(
    command: &LeaseCommand,
    global: &Global,
    host: &Host,
    screen: &Screen,
) -> anyhow::Result<Codes> {
    let Some(session) = Session::open(global, host, screen)? else { return Ok(Codes::of(Code::Error)) };
    match command {
        LeaseCommand::List => list(&session, host, screen).await,
        LeaseCommand::Break(options) => break_one(options, &session, host, screen).await,
    }
}

/// One lease, as people see it.
struct Row {
    cluster: ClusterUid,
    /// The cluster's name, or its uid where no document has it any more.
    name: String,
    lying: Lying,
    /// What its holder did last for the cluster.
    doing: Option<String>,
}

impl Row {
    async fn of(session: &Session, cluster: ClusterUid, lying: Lying) -> Result<Self, StoreError> {
        let declared = session.desired.clusters.get(&cluster);
        let name = declared.map_or_else(|| cluster.to_string(), |cluster| cluster.name.to_string());
        let doing = match &lying {
            Lying::Record(LeaseRecord { holder: Some(holder), .. }) => doing(session, holder, &cluster).await?,
            Lying::Record(LeaseRecord { holder: None, .. }) | Lying::Damaged(_) => None,
        };
        Ok(Self { cluster, name, lying, doing })
    }

    fn state(&self, now: Timestamp) -> String {
        match &self.lying {
            Lying::Damaged(because) => format!("damaged: {}", clean(because)),
            Lying::Record(record) => match &record.holder {
                None => "free".to_owned(),
                Some(holder) if record.is_held_at(now) => format!("held by {}", clean(holder)),
                Some(holder) => format!("expired, was held by {}", clean(holder)),
            },
        }
    }

    /// What it is held for: by the journal of its holder, else by what the holder said when it took it.
    fn purpose(&self) -> String {
        match (&self.doing, &self.lying) {
            (Some(doing), _) => doing.clone(),
            (None, Lying::Record(record)) if record.holder.is_some() => clean(&record.purpose),
            (None, Lying::Record(_) | Lying::Damaged(_)) => String::new(),
        }
    }

    fn json(&self, now: Timestamp) -> Value {
        let mut value = json!({ "uid": self.cluster, "cluster": self.name });
        let fields = match &self.lying {
            Lying::Damaged(because) => json!({ "damaged": because }),
            Lying::Record(record) => json!({
                "epoch": record.epoch,
                "holder": record.holder,
                "since": record.since.filter(|_| record.holder.is_some()),
                "until": record.holder.as_ref().map(|_| record.until()),
                "expired": record.holder.is_some() && !record.is_held_at(now),
                "doing": record.holder.as_ref().map(|_| self.purpose()),
            }),
        };
        if let (Value::Object(value), Value::Object(fields)) = (&mut value, fields) {
            value.extend(fields);
        }
        value
    }
}

/// What a run did last for a cluster. A journal that is not there, or that says nothing of it, tells nothing.
async fn doing(session: &Session, run: &str, cluster: &ClusterUid) -> Result<Option<String>, StoreError> {
    // Who wrote the record may have named a run that is no key.
    if backstay_runtime::seams::check_key(run).is_err() {
        return Ok(None);
    }
    let Some(run) = history::load(session.store.as_ref(), run).await? else { return Ok(None) };
    let Some(story) = run.last_of(cluster) else { return Ok(None) };
    let line = change_line(story.change);
    let mut text = format!("{} {}", line.symbol, line.subject);
    match (story.end, story.calls.last()) {
        (Some(_), _) => text.push_str(": ended"),
        (None, Some(call)) => {
            let _ = write!(text, ": {}", call_line(call));
        }
        (None, None) => text.push_str(": just begun"),
    }
    Ok(Some(text))
}

async fn rows(session: &Session) -> Result<Vec<Row>, StoreError> {
    let mut rows = Vec::new();
    for (cluster, lying) in lease::list(session.store.as_ref()).await? {
        rows.push(Row::of(session, cluster, lying).await?);
    }
    rows.sort_by(|a, b| (&a.name, &a.cluster).cmp(&(&b.name, &b.cluster)));
    Ok(rows)
}

async fn list(session: &Session, host: &Host, screen: &Screen) -> anyhow::Result<Codes> {
    let rows = rows(session).await?;
    let now = host.clock.now();
    for row in &rows {
        screen.json("info", "lease", &format!("{}: {}", row.name, row.state(now)), json!({ "lease": row.json(now) }));
    }
    if screen.is_json {
        return Ok(Codes::none());
    }
    if rows.is_empty() {
        screen.out("No lease was ever taken.\n");
        return Ok(Codes::none());
    }
    let width = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0).max("CLUSTER".len());
    let mut text = format!("{:width$}  {:>10}  {:20}  {:20}  STATE\n", "CLUSTER", "EPOCH", "SINCE", "UNTIL");
    for row in &rows {
        let (epoch, since, until) = match &row.lying {
            Lying::Damaged(_) => (String::new(), None, None),
            Lying::Record(record) => {
                let held = record.holder.is_some();
                (record.epoch.to_string(), record.since.filter(|_| held), held.then(|| record.until()))
            }
        };
        let instant = |at: Option<Timestamp>| at.map_or_else(String::new, |at| second(at).to_string());
        let (since, until) = (instant(since), instant(until));
        let _ = write!(text, "{:width$}  {epoch:>10}  {since:20}  {until:20}  {}", row.name, row.state(now));
        match row.purpose() {
            doing if doing.is_empty() => text.push('\n'),
            doing => {
                let _ = writeln!(text, "; {doing}");
            }
        }
    }
    screen.out(&text);
    Ok(Codes::none())
}

async fn break_one(options: &BreakOptions, session: &Session, host: &Host, screen: &Screen) -> anyhow::Result<Codes> {
    let wanted = &options.id;
    let all = rows(session).await?;
    let mut found = all.iter().filter(|row| row.cluster.as_str() == wanted || row.name == *wanted);
    let row = match (found.next(), found.next()) {
        (Some(row), None) => row,
        (Some(_), Some(_)) => {
            anyhow::bail!("two clusters are called `{wanted}`: give the uid, as `backstay lease list -json` shows it")
        }
        (None, _) => anyhow::bail!("nobody ever held a lease of `{wanted}`; `backstay lease list` lists all"),
    };
    let now = host.clock.now();
    tell_before(row, now, screen);
    if !options.auto_approve && !matches!(row.lying, Lying::Record(LeaseRecord { holder: None, .. })) {
        match screen
            .ask("\nDo you know that this run has ended, and want its lease to be broken? Only `yes` is accepted: ")
            .as_deref()
        {
            Some("yes") => {}
            Some(_) => {
                screen.note("Cancelled: nothing was done.");
                return Ok(Codes::of(Code::Cancelled));
            }
            None => anyhow::bail!("nobody can be asked: give -auto-approve"),
        }
    }
    let broken = lease::break_lease(session.store.as_ref(), &row.cluster, &row.lying, host.clock.now()).await?;
    let text = format!("The lease of {} is broken; its epoch is {} now.", row.name, broken.epoch);
    screen.json("info", "lease_broken", &text, json!({ "lease": row.json(now), "epoch": broken.epoch }));
    if !screen.is_json {
        screen.out(&format!("{text}\n"));
    }
    Ok(Codes::none())
}

/// Whose it is, what that run was doing, and until when it may go on if it lives.
fn tell_before(row: &Row, now: Timestamp, screen: &Screen) {
    let Lying::Record(record) = &row.lying else {
        screen.note(&format!("The lease of {} is {}.", row.name, row.state(now)));
        return;
    };
    let Some(holder) = &record.holder else { return };
    let since = record.since.map_or_else(String::new, |since| format!(" since {}", second(since)));
    screen.note(&format!("Run {} holds the lease of {}{since}, at epoch {}.", clean(holder), row.name, record.epoch));
    screen.note(&format!("It was doing: {}", row.purpose()));
    if record.is_held_at(now) {
        let until = second(record.deadline);
        screen.note(&format!(
            "If it still runs, it may go on sending calls until {until}, beside whoever takes the lease."
        ));
    } else {
        screen.note("Its time is over: the next run takes it without being told to.");
    }
}
