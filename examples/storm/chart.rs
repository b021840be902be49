//! A chart of what authentication costs the server, beside what TLS costs it. Ratios alone, so that it is much the same on another
//! machine.

use std::fmt::Write as _;

use crate::report::ratio;
use crate::storm::Measured;

const WIDTH: f64 = 760.0;
const LEFT: f64 = 180.0;
const RIGHT: f64 = 690.0;
const TOP: f64 = 76.0;
const ROW: f64 = 38.0;
const BAR: f64 = 22.0;

/// The ends of the axis, as powers of ten.
const FROM: f64 = -3.0;
const TO: f64 = 3.0;

/// Colours for a page that is light or dark, whose own background shows.
const STYLE: &str = "\
text{font:14px system-ui,sans-serif;fill:#1f2328}.title{font-weight:600;font-size:16px}.small{font-size:12px;fill:#59636e}\
.grid{stroke:#d1d9e0}.one{stroke:#1f2328;stroke-dasharray:4 3}.full{fill:#8c959f}.known{fill:#0969da}\
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.small{fill:#9198a1}.grid{stroke:#3d444d}.one{stroke:#f0f6fc}\
.full{fill:#6e7681}.known{fill:#4493f8}}";

/// The whole file.
pub(crate) fn svg(measured: &Measured) -> String {
    let rows = measured.storms.len() as f64;
    let (bottom, height) = (TOP + ROW * rows, TOP + ROW * rows + 52.0);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"t\">\n\
         <title id=\"t\">What it takes the server to authenticate a client that reconnects, as a multiple of its TLS</title>\n\
         <style>{STYLE}</style>\n\
         <text x=\"16\" y=\"26\" class=\"title\">What it takes the server to authenticate a client that reconnects</text>\n\
         <text x=\"16\" y=\"46\" class=\"small\">CPU time, as a multiple of that of its resumed TLS 1.3 (logarithmic)</text>\n"
    );
    for power in FROM as i32..=TO as i32 {
        let x = at(10f64.powi(power));
        let class = if power == 0 { "one" } else { "grid" };
        let label = if power < 0 {
            format!("{:.*}", power.unsigned_abs() as usize, 10f64.powi(power))
        } else {
            10i32.pow(power.unsigned_abs()).to_string()
        };
        let _ = write!(
            out,
            "<line x1=\"{x}\" y1=\"{}\" x2=\"{x}\" y2=\"{bottom}\" class=\"{class}\"/>\n\
             <text x=\"{x}\" y=\"{}\" text-anchor=\"middle\" class=\"small\">{label}×</text>\n",
            TOP - 8.0,
            bottom + 18.0,
        );
    }
    for (row, storm) in measured.storms.iter().enumerate() {
        let (y, end) = (TOP + ROW * row as f64, at(storm.to_tls()));
        let class = if storm.way.is_full() { "full" } else { "known" };
        let _ = write!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\n\
             <rect x=\"{LEFT}\" y=\"{y}\" width=\"{:.1}\" height=\"{BAR}\" rx=\"2\" class=\"{class}\"/>\n\
             <text x=\"{:.1}\" y=\"{}\">{}×</text>\n",
            LEFT - 10.0,
            y + 16.0,
            storm.way.title(),
            end - LEFT,
            end + 8.0,
            y + 16.0,
            ratio(storm.to_tls()),
        );
    }
    let _ = write!(
        out,
        "<text x=\"{LEFT}\" y=\"{}\" class=\"small\">Grey: with the password. Blue: known from last time. Dashed: as much as TLS itself.</text>\n</svg>\n",
        bottom + 40.0,
    );
    out
}

/// Where a ratio is.
fn at(ratio: f64) -> f64 {
    let part = (ratio.max(f64::MIN_POSITIVE).log10().clamp(FROM, TO) - FROM) / (TO - FROM);
    ((LEFT + part * (RIGHT - LEFT)) * 10.0).round() / 10.0
}
