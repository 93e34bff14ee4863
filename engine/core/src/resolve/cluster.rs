//! Clusters, alone and in sets.

use super::clash::{self, Candidate};
use super::known::{Known, Reference};
use super::report::{Reader, Report};
use crate::diagnostic::{Code, Diagnostic, quote};
use crate::document::cluster::{ClusterDefaults, ClusterSetSpec, ClusterSpec, Labels, NodeRoleName, NodeSpec};
use crate::document::text::Name;
use crate::document::{Document, Kind, Seat, Spec, Spot};
use crate::model::{Cluster, Node, NodeRole, Policy, PostgresAddress};
use crate::name::{ClusterUid, PolicyName};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A cluster as written, alone or as an item of a set.
struct Written<'d> {
    document: &'d Document,
    /// Its place in the set.
    item: Option<usize>,
    name: &'d Name,
    uid: &'d str,
    labels: Vec<&'d Labels>,
    site: Option<(&'d Name, Origin)>,
    policy: Option<(&'d Name, Origin)>,
    nodes: &'d [NodeSpec],
    discovers: bool,
    retires: bool,
}

/// Who says where a cluster lives, and how it is backed up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// The cluster itself.
    Own,
    /// The defaults of its set.
    Defaults,
}

pub(super) fn resolve(
    documents: &[Document],
    policies: &BTreeMap<PolicyName, Arc<Policy>>,
    known: &mut Known<'_>,
    report: &mut Report<'_, '_>,
) -> BTreeMap<ClusterUid, Arc<Cluster>> {
    let mut resolver = Resolver { policies, known, report, said: BTreeSet::new(), agents: None };
    let mut candidates = Vec::new();
    for document in documents {
        match &document.spec {
            Spec::Cluster(spec) => candidates.extend(resolver.one(&alone(document, spec))),
            Spec::ClusterSet(spec) => {
                for written in items(document, spec) {
                    candidates.extend(resolver.one(&written));
                }
            }
            Spec::Fleet(_)
            | Spec::Site(_)
            | Spec::Archive(_)
            | Spec::BackupPolicy(_)
            | Spec::Restore(_)
            | Spec::World(_) => {}
        }
    }
    resolver.warn_of_agents();
    clash::check(&mut candidates, report);
    candidates
        .into_iter()
        .filter(|candidate| candidate.is_right)
        .map(|candidate| (candidate.cluster.uid.clone(), Arc::new(candidate.cluster)))
        .collect()
}

fn alone<'d>(document: &'d Document, spec: &'d ClusterSpec) -> Written<'d> {
    Written {
        document,
        item: None,
        name: &document.metadata.name,
        uid: spec.uid.as_str(),
        labels: vec![&document.metadata.labels],
        site: Some((&spec.site, Origin::Own)),
        policy: Some((&spec.policy, Origin::Own)),
        nodes: &spec.nodes,
        discovers: spec.discover.is_some(),
        retires: spec.retire == Some(true),
    }
}

fn items<'d>(document: &'d Document, spec: &'d ClusterSetSpec) -> impl Iterator<Item = Written<'d>> {
    let defaults: Option<&ClusterDefaults> = spec.defaults.as_ref();
    let numbered = spec.clusters.iter().enumerate();
    numbered.filter_map(|(number, item)| Some((number, item.as_ref()?))).map(move |(number, item)| {
        let either = |own: &'d Option<Name>, default: Option<&'d Name>| {
            own.as_ref().map(|name| (name, Origin::Own)).or_else(|| default.map(|name| (name, Origin::Defaults)))
        };
        Written {
            document,
            item: Some(number),
            name: &item.name,
            uid: item.uid.as_str(),
            labels: [Some(&document.metadata.labels), defaults.map(|d| &d.labels), Some(&item.labels)]
                .into_iter()
                .flatten()
                .collect(),
            site: either(&item.site, defaults.and_then(|d| d.site.as_ref())),
            policy: either(&item.policy, defaults.and_then(|d| d.policy.as_ref())),
            nodes: &item.nodes,
            discovers: item.discover.is_some(),
            retires: item.retire == Some(true),
        }
    })
}

struct Resolver<'r, 'k, 'p, 's> {
    policies: &'r BTreeMap<PolicyName, Arc<Policy>>,
    known: &'r mut Known<'k>,
    report: &'r mut Report<'p, 's>,
    /// References of a set's defaults that were reported.
    said: BTreeSet<(Seat, &'static str)>,
    /// The first node with an agent, and how many there are.
    agents: Option<(usize, Diagnostic)>,
}

impl Resolver<'_, '_, '_, '_> {
    /// A cluster whose identifiers can be read, right or not.
    fn one<'d>(&mut self, written: &Written<'d>) -> Option<Candidate<'d>> {
        let has_site = self.refers(written, Kind::Site, "site", written.site);
        let has_policy = self.refers(written, Kind::BackupPolicy, "policy", written.policy);
        let is_honoured = self.is_honoured(written);
        let mut reader = Reader::new(self.report, written.document);
        let name_at = if written.item.is_some() { written.at("/name") } else { "/metadata/name".to_owned() };
        let name = reader.value(&name_at, written.name.as_str());
        let uid = reader.value(&written.at("/uid"), written.uid);
        let nodes = nodes(&mut reader, written);
        let failed = reader.failed;
        let cluster = Cluster {
            uid: uid?,
            name: name?,
            labels: written
                .labels
                .iter()
                .flat_map(|labels| labels.iter())
                .map(|(k, v)| (k.0.clone(), v.0.clone()))
                .collect(),
            site: written.site?.0.as_str().parse().ok()?,
            policy: written.policy?.0.as_str().parse().ok()?,
            nodes: nodes?,
            is_retired: written.retires,
        };
        let is_right = has_site && has_policy && is_honoured && !failed && self.copies_elsewhere(written, &cluster);
        self.count_agents(written);
        Some(Candidate { cluster, document: written.document, item: written.item, is_right })
    }

    /// Whether what the cluster refers to is declared and right; reports it when it is not.
    fn refers(
        &mut self,
        written: &Written<'_>,
        kind: Kind,
        key: &'static str,
        reference: Option<(&Name, Origin)>,
    ) -> bool {
        let Some((name, origin)) = reference else {
            self.report.add(written.document, Spot::Value(&written.at("")), || {
                Diagnostic::error(Code::MissingKey, format!("cluster {} has no `{key}`", quote(written.name.as_str())))
                    .hint(format!("add `{key}` here, or to the set's `defaults`"))
            });
            return false;
        };
        match self.known.look_up(kind, name.as_str()) {
            Reference::Right => true,
            Reference::Wrong => {
                self.known.leave_out(kind, name.as_str(), written.name.as_str());
                false
            }
            Reference::Missing if let Some(meant) = self.known.wrong_in_other_letters(kind, name.as_str()) => {
                self.known.leave_out(kind, &meant, written.name.as_str());
                false
            }
            Reference::Missing if self.known.may_be_unread(kind, name.as_str()) => {
                self.known.leave_out(kind, name.as_str(), written.name.as_str());
                false
            }
            Reference::Missing => {
                let said = (written.document.seat, key);
                // What the defaults say is said once, not once a cluster.
                if (origin == Origin::Own || self.said.insert(said))
                    && let Some(diagnostic) = self.known.missing(kind, name.as_str())
                {
                    let at = match origin {
                        Origin::Own => written.at(&format!("/{key}")),
                        Origin::Defaults => format!("/spec/defaults/{key}"),
                    };
                    self.report.add(written.document, Spot::Value(&at), || diagnostic);
                }
                false
            }
        }
    }

    /// Whether each copy lies at another site than the cluster itself; reports it when not.
    fn copies_elsewhere(&mut self, written: &Written<'_>, cluster: &Cluster) -> bool {
        let Some(policy) = self.policies.get(&cluster.policy) else { return true };
        if policy.copies.iter().all(|copy| copy.site != cluster.site) {
            return true;
        }
        let at = match written.site {
            Some((_, Origin::Defaults)) => "/spec/defaults/site".to_owned(),
            Some((_, Origin::Own)) | None => written.at("/site"),
        };
        let (name, site) = (quote(written.name.as_str()), &cluster.site);
        self.report.add(written.document, Spot::Value(&at), || {
            let message = format!("policy `{}` copies to `{site}`, where cluster {name} lives", policy.name);
            Diagnostic::error(Code::CopiesHome, message).hint("a copy lies at another site: give it another policy")
        });
        false
    }

    fn is_honoured(&mut self, written: &Written<'_>) -> bool {
        let mut reader = Reader::new(self.report, written.document);
        if written.discovers {
            reader.not_yet(
                Spot::Key(&written.at("/discover")),
                "`discover` is not something that this version can do yet",
                "list the cluster's machines under `nodes`",
            );
        }
        !reader.failed
    }

    fn count_agents(&mut self, written: &Written<'_>) {
        for (number, node) in written.nodes.iter().enumerate() {
            if node.agent.is_none() {
                continue;
            }
            match &mut self.agents {
                Some((count, _)) => *count += 1,
                None => {
                    let at = written.at(&format!("/nodes/{number}/agent"));
                    let place = self.report.place(written.document.seat, Spot::Key(&at));
                    let diagnostic = Diagnostic::warning(
                        Code::NotYet,
                        "`agent` is read, but agents are not something that this version talks to yet",
                    );
                    self.agents = Some((1, diagnostic.at(place)));
                }
            }
        }
    }

    /// One warning, however many nodes have an agent.
    fn warn_of_agents(&mut self) {
        if let Some((count, diagnostic)) = self.agents.take() {
            let hint = match count {
                1 => "servers are reached as `postgres` says".to_owned(),
                _ => format!("so it is on {} more nodes; servers are reached as `postgres` says", count - 1),
            };
            self.report.add_made(diagnostic.hint(hint));
        }
    }
}

impl Written<'_> {
    fn at(&self, rest: &str) -> String {
        clash::pointer(self.item, rest)
    }
}

fn nodes(reader: &mut Reader<'_, '_, '_>, written: &Written<'_>) -> Option<Vec<Node>> {
    let mut nodes = Vec::with_capacity(written.nodes.len());
    for (number, spec) in written.nodes.iter().enumerate() {
        if let Some(first) = written.nodes[..number].iter().position(|other| other.name == spec.name) {
            let at = |number: usize| written.at(&format!("/nodes/{number}/name"));
            let place = reader.report.place(written.document.seat, Spot::Value(&at(first)));
            reader.error(Spot::Value(&at(number)), || {
                Diagnostic::error(
                    Code::DuplicateName,
                    format!("node {} is in this cluster twice", quote(spec.name.as_str())),
                )
                .label("again here")
                .beside(place, "first here")
                .hint("give the nodes of a cluster names of their own")
            });
        }
        nodes.push(node(reader, written, number, spec));
    }
    let runs_postgres = written.nodes.iter().any(|node| node.role == NodeRoleName::Postgres);
    if !runs_postgres && !written.discovers {
        let at = written.at(if written.nodes.is_empty() { "" } else { "/nodes" });
        let spot = if written.item.is_some() && written.nodes.is_empty() { Spot::Value(&at) } else { Spot::Key(&at) };
        reader.error(spot, || {
            Diagnostic::error(
                Code::NoPostgres,
                format!("cluster {} has no node that runs PostgreSQL", quote(written.name.as_str())),
            )
            .hint("add one with `role: postgres`")
        });
    }
    nodes.into_iter().collect()
}

fn node(reader: &mut Reader<'_, '_, '_>, written: &Written<'_>, number: usize, spec: &NodeSpec) -> Option<Node> {
    if spec.role == NodeRoleName::Pgpool && spec.postgres.is_some() {
        reader.error(Spot::Key(&written.at(&format!("/nodes/{number}/postgres"))), || {
            Diagnostic::error(Code::WrongValue, "a `pgpool` node has no PostgreSQL server").hint("remove `postgres`")
        });
    }
    // Pointers are written only for what is wrong: there are 50,000 nodes.
    let name = spec.name.as_str().parse().ok();
    let instance = spec.instance.as_str().parse().ok();
    if name.is_none() {
        reader.value::<crate::name::NodeName>(&written.at(&format!("/nodes/{number}/name")), spec.name.as_str());
    }
    if instance.is_none() {
        let at = written.at(&format!("/nodes/{number}/instance"));
        reader.value::<crate::name::InstanceId>(&at, spec.instance.as_str());
    }
    let mut disks = Vec::with_capacity(spec.disks.len());
    for (d, disk) in spec.disks.iter().enumerate() {
        match disk.as_str().parse() {
            Ok(id) => disks.push(id),
            Err(_) => {
                let at = written.at(&format!("/nodes/{number}/disks/{d}"));
                reader.value::<crate::name::DiskId>(&at, disk.as_str());
            }
        }
    }
    Some(Node {
        name: name?,
        role: match spec.role {
            NodeRoleName::Postgres => NodeRole::Postgres,
            NodeRoleName::Pgpool => NodeRole::Pgpool,
        },
        instance: instance?,
        disks,
        postgres: spec.postgres.as_ref().map(|spec| PostgresAddress {
            host: spec.host.clone().unwrap_or_else(|| "/var/run/postgresql".to_owned()),
            port: spec.port.unwrap_or(5432),
            user: spec.user.clone().unwrap_or_else(|| "postgres".to_owned()),
            database: spec.database.clone().unwrap_or_else(|| "postgres".to_owned()),
        }),
    })
}
