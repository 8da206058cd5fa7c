//! Lines over days, as a picture and as a table.
//!
//! Owns where the points are. Must not know what they count.

use std::fmt::Write as _;

use super::super::super::text;

/// The size of the picture, in its own units.
const WIDTH: u64 = 750;
const HEIGHT: u64 = 205;
/// What is left for the numbers at the left, and for the days below.
const LEFT: u64 = 48;
const BELOW: u64 = 25;
const ABOVE: u64 = 10;

/// The numbers of one thing, day by day.
pub(super) struct Series {
    /// What it is called: a key of the catalogue.
    pub(super) key: &'static str,
    /// The numbers.
    pub(super) values: Vec<u64>,
}

impl Series {
    pub(super) fn new(key: &'static str, values: impl Iterator<Item = u64>) -> Self {
        Self { key, values: values.collect() }
    }

    fn sum(&self) -> u64 {
        self.values.iter().sum()
    }
}

/// A line of the picture: `s1`, `s2`, `s3`, and its points.
pub(super) struct Line {
    pub(super) class: String,
    pub(super) points: String,
    /// The mark of a single day, which a line would not show.
    pub(super) dot: Option<(u64, u64)>,
}

/// A line of the grid with its number.
pub(super) struct Grid {
    pub(super) y: u64,
    pub(super) number: String,
}

/// A day below the picture.
pub(super) struct Mark {
    pub(super) x: u64,
    pub(super) day: String,
}

/// A row of the table.
pub(super) struct Row {
    pub(super) day: String,
    pub(super) values: Vec<u64>,
}

/// A legend: class, name and sum.
pub(super) struct Legend {
    pub(super) class: String,
    pub(super) name: String,
    pub(super) sum: u64,
}

/// A picture with its table.
pub(super) struct Chart {
    pub(super) lines: Vec<Line>,
    pub(super) grid: Vec<Grid>,
    pub(super) marks: Vec<Mark>,
    pub(super) legend: Vec<Legend>,
    pub(super) rows: Vec<Row>,
    /// Whether there is nothing to see.
    pub(super) empty: bool,
    pub(super) left: u64,
    pub(super) right: u64,
    pub(super) below: u64,
}

impl Chart {
    pub(super) fn of(days: &[String], series: &[Series]) -> Self {
        let highest = series.iter().flat_map(|one| &one.values).copied().max().unwrap_or(0);
        let top = round_up(highest);
        let steps = days.len().saturating_sub(1).max(1) as u64;
        let x = |at: usize| LEFT + (WIDTH - LEFT) * at as u64 / steps;
        let y = |value: u64| ABOVE + (HEIGHT - ABOVE - BELOW) * (top - value.min(top)) / top;
        let class = |at: usize| format!("s{}", at + 1);
        let line = |(at, one): (usize, &Series)| {
            let mut points = String::new();
            for (day, value) in one.values.iter().enumerate() {
                // Writing to a String cannot fail.
                let _ = write!(points, "{}{},{}", if day == 0 { "" } else { " " }, x(day), y(*value));
            }
            let dot = (one.values.len() == 1).then(|| (x(0), y(one.values[0])));
            Line { class: class(at), points, dot }
        };
        let every = days.len().div_ceil(7).max(1);
        let marks = days
            .iter()
            .enumerate()
            .step_by(every)
            .map(|(at, day)| Mark { x: x(at), day: day.get(5..).unwrap_or(day).to_owned() });
        Self {
            lines: series.iter().enumerate().map(line).collect(),
            grid: [0, top / 2, top].into_iter().map(|value| Grid { y: y(value), number: value.to_string() }).collect(),
            marks: marks.collect(),
            legend: series
                .iter()
                .enumerate()
                .map(|(at, one)| Legend { class: class(at), name: text::t(one.key).into_owned(), sum: one.sum() })
                .collect(),
            rows: days
                .iter()
                .enumerate()
                .rev()
                .map(|(at, day)| Row { day: day.clone(), values: series.iter().map(|one| one.values[at]).collect() })
                .collect(),
            empty: highest == 0,
            left: LEFT,
            right: WIDTH,
            below: HEIGHT - 6,
        }
    }
}

/// The next number at or above that reads well at the top of a scale: 2, 4, 10, 20, 40, 100 …
fn round_up(value: u64) -> u64 {
    let mut unit = 1_u64;
    loop {
        for step in [2, 4, 10] {
            let top = unit.saturating_mul(step);
            if top >= value {
                return top;
            }
        }
        unit = unit.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_end_at_numbers_that_read_well() {
        for (value, top) in [(0, 2), (2, 2), (3, 4), (5, 10), (11, 20), (39, 40), (401, 1_000), (1_000_001, 2_000_000)]
        {
            assert_eq!(round_up(value), top, "{value}");
        }
        assert!(round_up(u64::MAX) == u64::MAX);
    }

    #[test]
    fn points_stay_inside_the_picture_and_the_newest_day_is_first_in_the_table() {
        let days: Vec<String> = (1..=30).map(|day| format!("2026-11-{day:02}")).collect();
        let chart = Chart::of(&days, &[Series::new("dashboard.silent", (0..30).map(|n| n * 7))]);
        for point in chart.lines[0].points.split(' ') {
            let (x, y) = point.split_once(',').unwrap();
            let (x, y): (u64, u64) = (x.parse().unwrap(), y.parse().unwrap());
            assert!((LEFT..=WIDTH).contains(&x) && (ABOVE..=HEIGHT - BELOW).contains(&y), "{point}");
        }
        assert_eq!((chart.rows[0].day.as_str(), chart.rows[0].values[0]), ("2026-11-30", 203));
        assert!(!chart.empty && chart.marks.len() <= 7);
        let one = Chart::of(&["2026-11-01".into()], &[Series::new("dashboard.silent", std::iter::once(1))]);
        assert!(one.lines[0].dot.is_some(), "a single day is a point");
    }
}
