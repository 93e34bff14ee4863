//! Columns of text.

use unicode_width::UnicodeWidthStr as _;

/// Lays rows out in columns as wide as their widest cell, two spaces apart. Widths are those on a screen.
pub(crate) fn columns(rows: &[Vec<String>]) -> Vec<Vec<String>> {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count).map(width).collect();
    rows.iter()
        .map(|row| {
            let last = row.len().saturating_sub(1);
            row.iter()
                .zip(&widths)
                .enumerate()
                .map(|(i, (cell, width))| if i == last { cell.clone() } else { padded(cell, *width) })
                .collect()
        })
        .collect()
}

/// A cell with spaces to its right, so that it takes as many places on a screen.
fn padded(cell: &str, width: usize) -> String {
    format!("{cell}{}", " ".repeat(width.saturating_sub(cell.width())))
}

#[cfg(test)]
mod tests {
    use super::columns;

    #[test]
    fn columns_stand_below_each_other_however_wide_a_character_is() {
        let rows =
            [["a", "1", "x"], ["漢字", "2", "y"], ["e\u{301}", "3", "z"]].map(|row| row.map(str::to_owned).to_vec());
        let told: Vec<String> = columns(&rows).iter().map(|row| row.join("  ")).collect();
        assert_eq!(told, ["a     1  x", "漢字  2  y", "e\u{301}     3  z"]);
    }
}
