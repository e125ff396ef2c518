//! Draws one trace: arrivals, playout delay and damage over time.

use super::measure::{BLOCK_S, Measurement, seconds};
use super::position_path::CHUNK;
use super::trace::Trace;
use std::fmt::Write;

const WIDTH: f64 = 1400.0;
const HEIGHT: f64 = 480.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 30.0;
/// Height of the strip below the axis that shows gaps and damage.
const STRIP: f64 = 26.0;
const BOTTOM: f64 = STRIP + 50.0;

/// Dots that fall into one cell of this size, in pixels, are drawn once.
const DOT: f64 = 1.5;

/// Maps times and delays to coordinates.
struct Scale {
    seconds: f64,
    most_ms: f64,
}

impl Scale {
    fn x(&self, seconds: f64) -> f64 {
        LEFT + seconds / self.seconds * (WIDTH - LEFT - 20.0)
    }

    fn y(&self, ms: f64) -> f64 {
        let high = HEIGHT - TOP - BOTTOM;
        TOP + high - (ms / self.most_ms).clamp(0.0, 1.0) * high
    }
}

/// Draws a measurement as SVG.
pub fn svg(trace: &Trace, packet: usize, got: &Measurement) -> String {
    let arrivals = arrivals(packet, got);
    let top = arrivals.iter().map(|a| a.1).fold(got.report.playout.max, f64::max);
    let scale = Scale { seconds: seconds(trace.packets.len() * packet), most_ms: nice(top * 1.05) };
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    axes(&mut out, &scale);
    dots(&mut out, &scale, &arrivals);
    losses(&mut out, &scale, trace, packet);
    oracle(&mut out, &scale, got);
    delay(&mut out, &scale, got);
    strip(&mut out, &scale, got);
    let title = escape(&trace.note);
    let report = &got.report;
    let _ = writeln!(
        out,
        "<text x=\"{LEFT}\" y=\"18\">{title} — mean delay {:.2} ms, oracle {:.2} ms, late {:.3} %, concealed {:.0} ms a \
         minute, damaged {:.2} %</text>\n</svg>",
        report.playout.mean,
        report.oracle_delay_ms.unwrap_or(f64::NAN),
        report.late_pct(),
        report.concealed_ms_per_min,
        report.damaged_pct
    );
    out
}

/// For each packet that arrived: its send time (s), and the time until a callback found it (ms).
fn arrivals(packet: usize, got: &Measurement) -> Vec<(f64, f64)> {
    let grid = &got.playback.grid;
    let found = got.playback.found.iter().enumerate().filter_map(|(i, found)| Some((i * packet, (*found)?)));
    found.map(|(p, found)| (seconds(p), grid.delay_ms(found as f64 * grid.block(), p as f64))).collect()
}

fn axes(out: &mut String, scale: &Scale) {
    for step in 0..=5 {
        let ms = scale.most_ms * f64::from(step) / 5.0;
        let y = scale.y(ms);
        let _ = writeln!(
            out,
            "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{ms:.0} ms</text>",
            WIDTH - 20.0,
            LEFT - 6.0,
            y + 4.0
        );
    }
    for step in 0..=10 {
        let at = scale.seconds * f64::from(step) / 10.0;
        let x = scale.x(at);
        let _ = writeln!(
            out,
            "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{:.1}\" stroke=\"#eee\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{at:.0} s</text>",
            HEIGHT - BOTTOM,
            HEIGHT - BOTTOM + 16.0
        );
    }
}

fn dots(out: &mut String, scale: &Scale, arrivals: &[(f64, f64)]) {
    let cell = |(s, ms): &(f64, f64)| ((scale.x(*s) / DOT) as u32, (scale.y(*ms) / DOT) as u32);
    let mut cells: Vec<(u32, u32)> = arrivals.iter().map(cell).collect();
    cells.sort_unstable();
    cells.dedup();
    out.push_str("<path stroke=\"#9bc\" stroke-width=\"1.5\" d=\"");
    for (x, y) in cells {
        let _ = write!(out, "M{:.1} {:.1}h1.5", f64::from(x) * DOT, f64::from(y) * DOT);
    }
    out.push_str("\"/>\n");
}

fn losses(out: &mut String, scale: &Scale, trace: &Trace, packet: usize) {
    out.push_str("<path stroke=\"#e90\" stroke-width=\"1\" d=\"");
    for (i, _) in trace.packets.iter().enumerate().filter(|(_, p)| p.arrived.is_empty()) {
        let _ = write!(out, "M{:.1} {TOP}v8", scale.x(seconds(i * packet)));
    }
    out.push_str("\"/>\n");
}

fn oracle(out: &mut String, scale: &Scale, got: &Measurement) {
    let Some(ms) = got.report.oracle_delay_ms else { return };
    let (y, from, to) = (scale.y(ms), scale.x(seconds(got.span.start)), scale.x(seconds(got.span.end)));
    let _ = writeln!(
        out,
        "<line x1=\"{from:.1}\" x2=\"{to:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#393\" stroke-dasharray=\"6 4\"/>"
    );
}

fn delay(out: &mut String, scale: &Scale, got: &Measurement) {
    out.push_str("<path fill=\"none\" stroke=\"#024\" stroke-width=\"1.5\" d=\"");
    let mut last: Option<f64> = None;
    for (n, place) in got.path.iter() {
        let position = n as f64 - place.lag;
        let ms = got.playback.grid.delay_ms(n as f64, position);
        // A horizontal line needs its end points only.
        if last.is_some_and(|l| (l - ms).abs() < 0.02) && n % (CHUNK * 1500) != 0 {
            continue;
        }
        let at = scale.x(position.max(0.0) / 48_000.0);
        let _ = match last {
            None => write!(out, "M{at:.1} {:.1}", scale.y(ms)),
            Some(_) => write!(out, "H{at:.1}V{:.1}", scale.y(ms)),
        };
        last = Some(ms);
    }
    out.push_str("\"/>\n");
}

/// Gaps in the upper half of the strip, damaged blocks in the lower half.
fn strip(out: &mut String, scale: &Scale, got: &Measurement) {
    let y = HEIGHT - STRIP - 22.0;
    let _ = writeln!(
        out,
        "<rect x=\"{LEFT}\" y=\"{y}\" width=\"{}\" height=\"{STRIP}\" fill=\"#f6f6f6\"/>\
         <text x=\"4\" y=\"{}\">gaps</text><text x=\"4\" y=\"{}\">damage</text>",
        WIDTH - LEFT - 20.0,
        y + 11.0,
        y + 24.0
    );
    let mut bars = |color: &str, y: f64, spans: &mut dyn Iterator<Item = (f64, f64)>| {
        let _ = write!(out, "<path fill=\"{color}\" d=\"");
        for (from, to) in spans {
            let x = scale.x(from);
            let _ = write!(out, "M{x:.1} {y}h{:.1}v12h-{0:.1}z", (scale.x(to) - x).max(0.8));
        }
        out.push_str("\"/>\n");
    };
    let at = |n: usize| got.playback.grid.position_at(n as f64).max(0.0) / 48_000.0;
    bars("#e90", y, &mut got.gaps.runs.iter().map(|r| (at(r.start), at(r.end))));
    bars("#c22", y + 13.0, &mut got.damaged.iter().map(|p| (seconds(*p), seconds(*p) + BLOCK_S)));
    let _ = writeln!(
        out,
        "<text x=\"{LEFT}\" y=\"{}\" fill=\"#555\">dots: when a callback found each packet · line: playout delay · \
         dashed: oracle · ticks above: lost</text>",
        HEIGHT - 6.0
    );
}

/// The next round number for an axis.
fn nice(most: f64) -> f64 {
    let unit = 10_f64.powf(most.max(1.0).log10().floor());
    [1.0, 2.0, 3.0, 5.0, 10.0].iter().map(|k| k * unit).find(|n| *n >= most).unwrap_or(most)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::measure;
    use crate::model::Model;
    use crate::replay::Settings;
    use crate::sound::chord;

    /// The picture is well-formed and small.
    #[test]
    fn picture_is_well_formed_and_small() {
        let mut trace = Model::Wifi.generate(6.0, 1, 128);
        trace.note = "a < b".into();
        let got = measure(&trace, &chord(6 * 48_000), &Settings::default()).unwrap();
        let svg = svg(&trace, 128, &got);
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n") && svg.len() < 200_000);
        assert!(svg.contains("a &lt; b") && !svg.contains("NaN"));
        assert_eq!(svg.matches('<').count(), svg.matches('>').count());
    }

    /// An axis ends at a round number.
    #[test]
    fn axes_end_on_round_numbers() {
        assert_eq!([0.3, 11.0, 28.0, 30.0, 77.0].map(nice), [1.0, 20.0, 30.0, 30.0, 100.0]);
    }
}
