//! What is drawn with characters: levels as bars, points on a line of time.

use crate::paint::Paint;
use jiff::Timestamp;

/// How wide a line of time is, in characters.
pub(crate) const WIDTH: usize = 64;

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Levels as bars, at most [`WIDTH`] of them: the largest is full, nothing at all is a dot. Of several in one bar the last counts.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a drawing")]
pub(crate) fn bars(levels: &[u64]) -> String {
    let most = levels.iter().copied().max().unwrap_or(0).max(1);
    let width = levels.len().min(WIDTH);
    (0..width)
        .map(|bar| levels[(bar + 1) * levels.len() / width - 1])
        .map(|level| match level {
            0 => '·',
            level => BARS[((level as f64 / most as f64 * 8.0).ceil() as usize).clamp(1, 8) - 1],
        })
        .collect()
}

/// A line of time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    /// How many characters are between its ends.
    pub(crate) cells: usize,
    /// Its first instant.
    pub(crate) from: Timestamp,
    /// Its last instant.
    pub(crate) to: Timestamp,
}

impl Line {
    /// Where an instant is on it.
    fn cell(&self, at: Timestamp) -> usize {
        let span = self.to.duration_since(self.from).as_secs().max(1);
        let into = at.duration_since(self.from).as_secs().clamp(0, span);
        let last = i64::try_from(self.cells.saturating_sub(1)).unwrap_or(i64::MAX);
        usize::try_from(into.saturating_mul(last) / span).unwrap_or(0)
    }

    /// Points: each with its instant and its sign. Where several fall on one place, the last one given is drawn.
    pub(crate) fn points(&self, points: impl IntoIterator<Item = (Timestamp, char)>, paint: Paint) -> String {
        let mut cells: Vec<Option<char>> = vec![None; self.cells];
        for (at, sign) in points {
            if let Some(cell) = cells.get_mut(self.cell(at)) {
                *cell = Some(sign);
            }
        }
        drawn(&cells, paint)
    }

    /// Stretches from one instant to another.
    pub(crate) fn stretches(&self, all: impl IntoIterator<Item = (Timestamp, Timestamp)>, paint: Paint) -> String {
        let mut cells: Vec<Option<char>> = vec![None; self.cells];
        for (from, to) in all {
            let (first, last) = (self.cell(from), self.cell(to));
            cells.iter_mut().take(last + 1).skip(first).for_each(|cell| *cell = Some('▒'));
        }
        drawn(&cells, paint)
    }
}

fn drawn(cells: &[Option<char>], paint: Paint) -> String {
    let runs = cells.chunk_by(|a, b| a == b);
    let painted: String = runs
        .map(|run| {
            let text: String = run.iter().map(|cell| cell.unwrap_or('·')).collect();
            match run.first().copied().flatten() {
                None => paint.dim(&text),
                Some('●' | '■') => paint.green(&text),
                Some('▒' | '×') => paint.red(&text),
                Some('○') => text,
                Some(_) => paint.bold(&text),
            }
        })
        .collect();
    format!("├{painted}┤")
}

/// The two ends of what was drawn below it: left and right.
pub(crate) fn ends(left: &str, right: &str, width: usize) -> String {
    let gap = width.saturating_sub(left.chars().count() + right.chars().count()).max(1);
    format!("{left}{}{right}", " ".repeat(gap))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_grow_to_the_largest_and_nothing_is_a_dot() {
        assert_eq!(bars(&[0, 1, 4, 8, 16]), "·▁▂▄█");
        assert_eq!(bars(&[]), "");
        assert_eq!(bars(&[0, 0]), "··");
        let many: Vec<u64> = (1..=128).collect();
        let drawn = bars(&many);
        assert_eq!((drawn.chars().count(), drawn.chars().last()), (WIDTH, Some('█')));
    }
}
