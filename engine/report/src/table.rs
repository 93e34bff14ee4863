//! Columns of text.

/// Lays rows out in columns as wide as their widest cell, two spaces apart. Widths count characters.
pub(crate) fn columns(rows: &[Vec<String>]) -> Vec<Vec<String>> {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    rows.iter()
        .map(|row| {
            let last = row.len().saturating_sub(1);
            row.iter()
                .zip(&widths)
                .enumerate()
                .map(|(i, (cell, width))| if i == last { cell.clone() } else { format!("{cell:<width$}") })
                .collect()
        })
        .collect()
}
