//! Plans as they are told, on made-up ones.

mod samples;

use crate::report::{Level, Report};
use crate::{LEAST_CHARS, MARKER, Paint, View, plan_json, plan_md, plan_table, plan_text};
use backstay_core::plan::{Cause, Plan};
use proptest::prelude::*;
use samples::{VERBS, change, finding, findings, morning, one_of_everything, plan, reasons, waiting, waits};

fn text(plan: &Plan) -> String {
    plan_text(&Report::of(plan), View::PLAIN)
}

fn narrow_text(plan: &Plan) -> String {
    plan_text(&Report::of(plan), View { width: Some(80), ..View::PLAIN })
}

#[test]
fn one_of_everything_is_told_in_full() {
    insta::assert_snapshot!(text(&one_of_everything()));
}

#[test]
fn a_large_fleets_morning_is_read_in_one_go() {
    let plan = morning(10_000);
    insta::assert_snapshot!("morning_wide", text(&plan));
    insta::assert_snapshot!("morning_80", narrow_text(&plan));
}

#[test]
fn a_plan_is_counted_by_what_people_ask_for() {
    use crate::By;
    let plan = morning(10_000);
    let report = Report::of(&plan);
    insta::assert_snapshot!("by_site", plan_table(&report, &[By::Site], View::PLAIN));
    insta::assert_snapshot!(
        "by_site_policy_action",
        plan_table(&report, &[By::Site, By::Policy, By::Action], View::PLAIN)
    );
    let by_cluster = plan_table(&report, &[By::Cluster], View::PLAIN);
    assert!(by_cluster.lines().count() <= 200, "{by_cluster}");
    assert!(by_cluster.contains("    … and 9,820 more changes in 9,820 lines\n"), "{by_cluster}");
    let all = plan_table(&report, &[By::Cluster], View { full: true, ..View::PLAIN });
    assert_eq!(all.lines().filter(|line| line.starts_with("  db-")).count(), 10_000);
}

#[test]
fn a_comment_on_a_pull_request_of_each_size() {
    for changes in [1, 300, 10_000] {
        let plan = morning(changes);
        let told = plan_md(&Report::of(&plan), 60_000);
        assert!(told.chars().count() <= 60_000 && told.starts_with(MARKER));
        insta::assert_snapshot!(format!("comment_{changes}"), told);
    }
    insta::assert_snapshot!("comment_of_everything", plan_md(&Report::of(&one_of_everything()), 60_000));
}

#[test]
fn what_a_comment_leaves_out_is_counted_by_kind_however_short_it_must_be() {
    let plan = morning(10_000);
    let report = Report::of(&plan);
    let told = plan_md(&report, LEAST_CHARS);
    assert!(told.chars().count() <= LEAST_CHARS, "{}", told.chars().count());
    // Every group is told, however little room there is; of what is told one by one besides, what does not fit is counted.
    let groups = report.kinds.iter().map(|kind| kind.groups.len()).sum::<usize>();
    assert_eq!(told.matches("same change x ").count(), groups, "{told}");
    assert!(told.contains(" more findings: moved, which `backstay show` tells."), "{told}");
    let longer = plan_md(&report, 3 * LEAST_CHARS);
    assert!(longer.contains(" more to delete, which `backstay show` tells."), "{longer}");
    // What cannot be undone is told before what can.
    let place = |text: &str| told.find(text).unwrap_or_else(|| panic!("{text}: {told}"));
    let order = ["Could not be read", "Delete for good", "Mark for deletion", "Copy", "Create", "Waits", "Findings"];
    assert!(order.windows(2).all(|pair| place(pair[0]) < place(pair[1])), "{told}");
}

#[test]
fn the_verdict_says_the_worst_first() {
    let levels = |plan: &Plan| (Report::of(plan).verdict.level, Report::of(plan).verdict.text);
    let due = |verb| change(verb, 1, 1, Cause::Due, reasons()[0].clone());
    let mut nothing = plan(vec![]);
    assert_eq!(levels(&nothing), (Level::InSync, "In sync: there is nothing to do".to_owned()));
    nothing.waiting.push(waiting(1, waits()[0].clone()));
    assert_eq!(levels(&nothing), (Level::InSync, "Nothing to do now; 1 waiting".to_owned()));
    let creates = plan(vec![due("create")]);
    assert_eq!(levels(&creates), (Level::Changes, "Nothing will be deleted".to_owned()));
    let mut deletes = plan(vec![due("create"), due("delete")]);
    assert_eq!(levels(&deletes), (Level::Deletes, "1 recovery point will be deleted for good".to_owned()));
    deletes.coverage[0].unknown = Some("x".to_owned());
    let told = "Not everything was seen: 1 of 4 sites could not be read; 1 recovery point will be deleted for good";
    assert_eq!(levels(&deletes), (Level::Incomplete, told.to_owned()));
}

#[test]
fn a_narrowed_plan_says_so_in_every_view() {
    let mut plan = morning(3);
    plan.basis.narrowed = Some(backstay_core::plan::Narrowed {
        by: vec!["-cluster=db-00001".to_owned(), "-only=due".to_owned()],
        clusters: 1,
        changes: 9_999,
        findings: 2,
        unfinished: ["uid-00002".parse().unwrap()].into(),
    });
    let told = "Narrowed by -cluster=db-00001 -only=due to 1 of 10,000 clusters; left out: 9,999 changes, 2 findings";
    assert!(text(&plan).contains(told));
    let report = Report::of(&plan);
    assert!(plan_table(&report, &[crate::By::Site], View::PLAIN).contains(told));
    assert!(plan_md(&report, 60_000).contains("Narrowed by -cluster=db-00001"));
    let json = plan_json(&report);
    assert_eq!((&json["complete"], &json["basis"]["narrowed"]["changes"]), (&false.into(), &9_999.into()));
}

#[test]
fn names_and_errors_from_outside_cannot_forge_a_line_or_move_the_cursor() {
    let mut plan = plan(vec![]);
    plan.coverage[0].unknown = Some("x\u{1b}[2J\nPlan: 9 to add, 9 to change, 9 to destroy.".to_owned());
    plan.findings = vec![finding(1, findings()[2].clone())];
    plan.findings[0].subject = "db\nNo changes.\u{202e}".to_owned();
    for told in [text(&plan), plan_md(&Report::of(&plan), 60_000)] {
        assert!(!told.contains(['\u{1b}', '\u{202e}']), "{told}");
        assert_eq!(told.lines().filter(|line| line.starts_with("Plan: ")).count(), 0, "{told}");
        assert!(told.lines().filter(|line| line.contains("No changes.")).count() <= 2, "{told}");
    }
}

/// The patterns by which tfcmt reads Terraform's output (suzuki-shunsuke/tfcmt, pkg/terraform/parser.go).
#[test]
fn tfcmt_reads_our_text() {
    let begins = |text: &str, pattern: &str| text.lines().any(|line| line.starts_with(pattern));
    // (?m)^(Plan: \d|No changes.) and (?m)^(No changes.)
    let passes = |text: &str| {
        let plan =
            |line: &str| line.strip_prefix("Plan: ").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        text.lines().any(|line| plan(line) || line.starts_with("No changes."))
    };
    // (?m)([1-9][0-9]* to destroy.)
    let destroys = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        words.windows(3).any(|w| w[1] == "to" && w[2].starts_with("destroy") && !w[0].starts_with('0'))
    };
    for plan in [one_of_everything(), morning(1), morning(300), morning(10_000), plan(vec![])] {
        let text = text(&plan);
        assert!(passes(&text), "{text}");
        assert_eq!(begins(&text, "No changes."), plan.changes.is_empty());
        // (?m)^([│|] )?(Error: ) and (Warning: ): a good plan never looks like a failed one.
        assert!(!["Error: ", "│ Error: ", "| Error: ", "Warning: "].iter().any(|fail| begins(&text, fail)), "{text}");
        // tfcmt takes the first line that passes for the result.
        let first = text.lines().find(|line| passes(line)).unwrap();
        assert_eq!(Some(first), text.lines().last());
        assert_eq!(destroys(first), plan.counts().destroy > 0, "{first}");
    }
}

/// The schema, with everything that a plan can hold.
#[test]
fn the_schema_of_a_plans_json_knows_everything_there_is() {
    let schema: serde_json::Value = serde_json::from_str(include_str!("../../../../schemas/plan.schema.json")).unwrap();
    let schema = jsonschema::draft202012::options().build(&schema).unwrap();
    let mut narrowed = morning(30);
    narrowed.basis.narrowed = Some(backstay_core::plan::Narrowed {
        by: vec!["-only=due".to_owned()],
        clusters: 1,
        changes: 1,
        findings: 0,
        unfinished: ["uid-00002".parse().unwrap()].into(),
    });
    for plan in [one_of_everything(), narrowed, plan(vec![])] {
        let json = plan_json(&Report::of(&plan));
        let wrong: Vec<String> =
            schema.iter_errors(&json).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert_eq!(wrong, Vec::<String>::new());
    }
}

/// How many changes a text tells: one a line, a group by its number, and what it counts as left out.
fn told(text: &str) -> usize {
    let number = |text: &str| -> usize {
        let digits: String =
            text.chars().take_while(|c| c.is_ascii_digit() || *c == ',').filter(|c| *c != ',').collect();
        digits.parse().unwrap_or_else(|_| panic!("{text}"))
    };
    let is_change = |line: &str| {
        let rest = line.trim_start();
        line.starts_with("  ") && ["+ ", "> ", "~ ", "x ", "- "].iter().any(|symbol| rest.starts_with(symbol))
    };
    // `same change x 9,412 clusters, 12,001 points (3 exceptions below)  eu/gold  due`: the cell ends at two spaces.
    let of_group = |rest: &str| {
        let cell = rest.split("  ").next().unwrap();
        cell.split_once(", ").map_or(number(cell), |(_, points)| number(points))
    };
    let of_line = |line: &str| match (line.split_once("same change x "), line.split_once("… and ")) {
        (Some((_, rest)), _) => of_group(rest),
        (None, Some((_, rest))) if rest.contains(" more to ") || rest.contains(" more exceptions") => number(rest),
        (None, Some(_)) => 0,
        (None, None) => usize::from(is_change(line)),
    };
    text.lines().map(of_line).sum()
}

fn plans() -> impl Strategy<Value = Plan> {
    let one = (0..7_usize, 0..12_usize, 0..3_usize, 0..14_usize, 1..60_usize);
    let waits = prop::collection::vec(0..17_usize, 0..60);
    let found = prop::collection::vec(0..14_usize, 0..60);
    (prop::collection::vec(one, 0..40), waits, found, 0..5_usize).prop_map(|(kinds, waited, found, unknown)| {
        let causes = [Cause::Due, Cause::Config, Cause::Drift];
        let mut number = 0;
        let mut changes = Vec::new();
        for (verb, place, cause, reason, times) in kinds {
            for _ in 0..times {
                number += 1;
                // Some clusters have several.
                changes.push(change(VERBS[verb], number / 2, place, causes[cause], reasons()[reason].clone()));
            }
        }
        let mut plan = plan(changes);
        plan.waiting = waited.into_iter().enumerate().map(|(i, kind)| waiting(i, waits_of(kind))).collect();
        plan.findings = found.into_iter().enumerate().map(|(i, kind)| finding(i, findings()[kind].clone())).collect();
        for site in plan.coverage.iter_mut().take(unknown) {
            site.unknown = Some("no".to_owned());
        }
        plan
    })
}

fn waits_of(kind: usize) -> backstay_core::plan::WaitingFor {
    waits()[kind].clone()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_count_sums_up_to_the_summary_line(plan in plans()) {
        let report = Report::of(&plan);
        let counts = plan.counts();
        let total = counts.add + counts.change + counts.destroy;
        prop_assert_eq!(total, plan.changes.len());
        prop_assert_eq!(report.kinds.iter().map(|kind| kind.changes.len()).sum::<usize>(), total);
        for kind in &report.kinds {
            prop_assert_eq!(kind.groups.iter().map(crate::report::Group::len).sum::<usize>(), kind.changes.len());
        }
        let text = text(&plan);
        prop_assert_eq!(told(&text), total, "{}", text);
        let full = plan_text(&report, View { full: true, ..View::PLAIN });
        prop_assert_eq!(told(&full), total);
        prop_assert_eq!(report.waiting.iter().map(|kind| kind.all.len()).sum::<usize>(), plan.waiting.len());
        prop_assert_eq!(report.findings.iter().map(|kind| kind.all.len()).sum::<usize>(), plan.findings.len());
        let json = plan_json(&report);
        let of_group = |group: &serde_json::Value| {
            group["changes"].as_u64().unwrap() + group["exceptions"].as_array().unwrap().len() as u64
        };
        prop_assert_eq!(json["groups"].as_array().unwrap().iter().map(of_group).sum::<u64>(), total as u64);
    }

    #[test]
    fn a_plan_takes_two_hundred_lines_at_most_wide_or_narrow(plan in plans()) {
        for width in [None, Some(80), Some(132)] {
            let text = plan_text(&Report::of(&plan), View { paint: Paint::Colour, width, full: false });
            prop_assert!(text.lines().count() <= 196, "{} lines at {:?}", text.lines().count(), width);
        }
    }

    #[test]
    fn a_comment_is_never_longer_than_it_may_be(plan in plans(), most in LEAST_CHARS..30_000) {
        let told = plan_md(&Report::of(&plan), most);
        prop_assert!(told.chars().count() <= most, "{} of {}", told.chars().count(), most);
    }

    #[test]
    fn the_order_of_equal_things_never_matters_to_a_report(plan in plans()) {
        let mut other = plan.clone();
        other.changes.sort_by(|a, b| a.name.cmp(&b.name));
        let mut again = plan;
        again.changes.reverse();
        again.changes.sort_by(|a, b| a.name.cmp(&b.name));
        let heads = |plan: &Plan| {
            let report = Report::of(plan);
            let head = |group: &crate::report::Group<'_>| (group.told(), group.reason.clone(), group.site.clone());
            report.kinds.iter().flat_map(|kind| &kind.groups).map(head).collect::<Vec<_>>()
        };
        prop_assert_eq!(heads(&other), heads(&again));
    }
}
