//! Files beside a point.

use super::trial::failed;
use super::{Outcome, Trial, claim};
use crate::PointFileId;
use bytes::Bytes;

/// A file is kept as it was put, the same again is no error, other bytes are, and a removed point has none.
pub async fn point_files_are_written_once(trial: &Trial<'_>) -> Result<Outcome, String> {
    let Some(files) = &trial.capabilities.point_files else {
        return Ok(Outcome::Skipped { because: "this site keeps no files beside points" });
    };
    let cluster = &trial.fixture.cluster;
    let file = |number, name: &str| PointFileId {
        cluster: cluster.clone(),
        point: trial.point(number),
        name: name.to_owned(),
    };
    let read = async |id: &PointFileId| files.get(id).await.map_err(|e| failed("get", &e));
    // The zeros at the end are as much part of a segment as the rest.
    let segment = Bytes::from([vec![1, 0, 2], vec![0; 8192]].concat());
    let contents = [
        ("backup_label", Bytes::from_static(b"LABEL: x\n")),
        ("tablespace_map", Bytes::new()),
        ("wal/00000002000000000000000A", segment),
        ("wal/00000002.history", Bytes::from_static(b"1\t0/3000000\tno recovery target specified\n")),
    ];
    for (name, bytes) in &contents {
        let id = file(1, name);
        claim(read(&id).await?.is_none(), || format!("`{name}` is there before it was put"))?;
        for step in ["put", "put again"] {
            files.put(&id, bytes).await.map_err(|e| failed(step, &e))?;
            let kept = read(&id).await?;
            claim(kept.as_ref() == Some(bytes), || {
                format!("`{name}` came back as {} bytes", kept.map_or(0, |k| k.len()))
            })?;
        }
        for other in [Bytes::from_static(b"other"), [bytes.as_ref(), &[0][..]].concat().into()] {
            claim(files.put(&id, &other).await.is_err(), || format!("`{name}` was put with other bytes"))?;
        }
        claim(read(&id).await?.as_ref() == Some(bytes), || format!("a refused put changed `{name}`"))?;
    }
    for name in ["", "..", "../x", "/etc/x", "wal/../x", "wal/", "wal//x", "a\0b"] {
        claim(files.put(&file(1, name), &Bytes::new()).await.is_err(), || format!("`{name:?}` was taken as a name"))?;
    }
    let neighbour = file(2, "backup_label");
    files.put(&neighbour, &contents[0].1).await.map_err(|e| failed("put", &e))?;
    for step in ["remove", "remove again"] {
        files.remove(cluster, trial.point(1)).await.map_err(|e| failed(step, &e))?;
        for (name, _) in &contents {
            claim(read(&file(1, name)).await?.is_none(), || format!("{step}: `{name}` is still there"))?;
        }
    }
    claim(read(&neighbour).await?.is_some(), || "removing one point removed another's file".to_owned())?;
    files.remove(cluster, trial.point(2)).await.map_err(|e| failed("remove", &e)).map(Outcome::from)
}
