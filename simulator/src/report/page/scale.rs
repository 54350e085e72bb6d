//! From times to places: percentages, so that the drawing is as wide as the page, and its text as
//! large as other text.

use super::super::document::{Lane, Request};
use super::super::markup::{Markup, classed, element};

/// The height of the axis' labels in pixels.
pub(super) const AXIS: usize = 26;

/// So many ticks have room for their labels in a narrow window; of more, every other is left out
/// there.
const FEW_TICKS: usize = 4;

/// The narrowest that anything is drawn, in percent.
const NARROWEST: f64 = 0.15;

/// From microseconds since the beginning of the run to percent of what is drawn.
#[derive(Clone, Copy)]
pub(super) struct Scale {
    from: u64,
    to: u64,
}

impl Scale {
    /// What the lanes cover.
    pub(super) fn of(micros: u64, lanes: &[Lane]) -> Self {
        let spans = || lanes.iter().flat_map(|lane| &lane.spans);
        let from = spans().map(|span| span.began_micros).min();
        let to = spans().map(|span| span.ended_micros).max();
        let from = from.unwrap_or_default();
        Self {
            from,
            to: to.unwrap_or(micros).max(from + 1),
        }
    }

    /// Whether a request falls into it.
    pub(super) fn holds(self, request: &Request) -> bool {
        (self.from..=self.to).contains(&request.began_micros)
    }

    /// How much of the width a time takes, in percent.
    pub(super) fn share(self, micros: u64) -> f64 {
        100.0 * micros as f64 / (self.to - self.from) as f64
    }

    /// Where a time lies, in percent.
    pub(super) fn percent(self, at: u64) -> f64 {
        self.share(at.saturating_sub(self.from)).min(100.0)
    }

    /// Where a time lies.
    pub(super) fn place(self, at: u64) -> String {
        format!("{:.3}%", self.percent(at))
    }

    /// How much of the width a time takes.
    pub(super) fn width(self, micros: u64) -> String {
        format!("{:.3}%", self.share(micros).max(NARROWEST))
    }
}

/// The time axis, with about six ticks at round times.
pub(super) fn axis(scale: Scale, height: usize) -> Markup {
    let step = step(scale.to - scale.from);
    let bottom = height - AXIS + 4;
    let ticks = scale.from.div_ceil(step)..=scale.to / step;
    let tick = |index: u64| {
        let at = index * step;
        let (x, place) = (scale.place(at), scale.percent(at));
        let anchor = match place {
            place if place < 4.0 => "start",
            place if place > 92.0 => "end",
            _ => "middle",
        };
        let is_minor = index % 2 == 1 && ticks.clone().count() > FEW_TICKS;
        let class = if is_minor { "tick minor" } else { "tick" };
        let (bottom, below) = (bottom.to_string(), (bottom + 16).to_string());
        let line = [("x1", &*x), ("x2", &x), ("y1", "0"), ("y2", &bottom)];
        let text = [("x", &*x), ("y", &below), ("text-anchor", anchor)];
        let label = element("text", &text, tick_label(at));
        classed("g", class, element("line", &line, "").then(label))
    };
    Markup::all(ticks.clone().map(tick))
}

fn tick_label(micros: u64) -> String {
    let seconds = micros as f64 / 1e6;
    match micros {
        0 => "0".to_owned(),
        micros if micros.is_multiple_of(1_000_000) => format!("{seconds:.0} s"),
        micros if micros.is_multiple_of(100_000) => format!("{seconds:.1} s"),
        _ => format!("{seconds:.2} s"),
    }
}

/// A round time of which about six fill `total`.
fn step(total: u64) -> u64 {
    let mut step = 10_000;
    let mut factors = [2, 5, 10].iter().cycle();
    let mut decade = 10_000;
    while total / step > 6 {
        let factor = *factors.next().unwrap_or(&10);
        step = decade * factor;
        if factor == 10 {
            decade = step;
        }
    }
    step
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_a_few_round_ticks() {
        for (total, expected) in [
            (5_000, 10_000),
            (50_000, 10_000),
            (2_600_000, 500_000),
            (3_246_000, 500_000),
            (90_000_000, 20_000_000),
        ] {
            assert_eq!(step(total), expected, "{total}");
        }
    }
}
