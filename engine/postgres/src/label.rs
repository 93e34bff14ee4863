//! `backup_label`: where the backup that it belongs to began.

use backstay_core::lsn::{Lsn, Timeline};

/// What a label says of the backup's beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabelFacts {
    /// `START WAL LOCATION`: replay begins here.
    pub start: Lsn,
    /// `START TIMELINE`.
    pub timeline: Timeline,
    /// `BACKUP FROM: standby`.
    pub from_standby: bool,
}

/// Why a label could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the server's backup_label has no readable line `{0}`")]
pub struct InvalidLabel(&'static str);

impl LabelFacts {
    /// Reads the file's bytes.
    ///
    /// The user's own text stands last but one in the file, so each key is taken from the first line that has it.
    pub fn parse(label: &[u8]) -> Result<Self, InvalidLabel> {
        let value_of = |key: &'static str| {
            let prefix = format!("{key}: ");
            label
                .split(|byte| *byte == b'\n')
                .find_map(|line| line.strip_prefix(prefix.as_bytes()))
                .and_then(|value| std::str::from_utf8(value).ok())
                .ok_or(InvalidLabel(key))
        };
        let location = value_of("START WAL LOCATION")?;
        let start = location.split(' ').next().and_then(|lsn| lsn.parse().ok());
        let timeline = value_of("START TIMELINE")?.parse().ok();
        Ok(Self {
            start: start.ok_or(InvalidLabel("START WAL LOCATION"))?,
            timeline: Timeline(timeline.ok_or(InvalidLabel("START TIMELINE"))?),
            from_standby: value_of("BACKUP FROM")? == "standby",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABEL: &str = "START WAL LOCATION: 16/2000028 (file 000000030000001600000002)
CHECKPOINT LOCATION: 16/2000060
BACKUP METHOD: streamed
BACKUP FROM: standby
START TIME: 2026-11-23 08:00:00 UTC
LABEL: backstay
START TIMELINE: 3
";

    #[test]
    fn start_timeline_and_origin_come_from_the_label() {
        let facts = LabelFacts::parse(LABEL.as_bytes()).unwrap();
        assert_eq!(facts, LabelFacts { start: Lsn(0x16_0200_0028), timeline: Timeline(3), from_standby: true });
    }

    #[test]
    fn a_label_without_its_facts_is_refused() {
        for line in ["START WAL LOCATION", "START TIMELINE", "BACKUP FROM"] {
            let lame = LABEL.replace(line, "SOMETHING");
            let refused = LabelFacts::parse(lame.as_bytes()).unwrap_err();
            assert_eq!(refused, InvalidLabel(line));
        }
        assert!(LabelFacts::parse(LABEL.replace("16/2000028", "here").as_bytes()).is_err());
        assert!(LabelFacts::parse(b"\xff\xfe").is_err());
    }
}
