//! The figures for people: a Markdown table that is aligned for terminals too.

use std::fmt::Write;

use super::figures::{Figures, Line, REGIONS, Values};

/// Figures of a row by column; what is left of them is aligned to the left.
const COLUMNS: [&str; 17] = [
    "device",
    "model",
    "runs on",
    "precision",
    "nodes",
    "load",
    "first",
    "pre",
    "infer",
    "network",
    "post",
    "p50",
    "p90",
    "p99",
    "frames/s",
    "peak RSS",
    "agrees",
];
const WORDS: usize = 5;

/// Title, columns behind device and model, and what stands in them, of the tables that only some calls have.
type Extra = (&'static str, &'static [&'static str], fn(&Values) -> Option<Vec<String>>);
const EXTRAS: [Extra; 2] = [
    ("stream:", &["frames", "frames/s", "p50", "p99", "network", "limited by"], stream),
    ("accuracy:", &["precision", "file", "frames/s", "mIoU"], accuracy),
];

/// The whole report.
pub fn render(figures: &Figures) -> String {
    let threads = match figures.threads {
        None => "the runtime's choice of threads".to_owned(),
        Some(1) => "1 thread".to_owned(),
        Some(threads) => format!("{threads} threads"),
    };
    let mut text = format!(
        "machine: {}\ninput: {}, batch {}, {threads}\nruns: {} untimed, then {} timed in turns of {} with the other \
         rows, each turn after one untimed run\n\n",
        figures.machine,
        figures.picture,
        figures.batch,
        figures.warmup,
        runs(&figures.rows),
        super::TURN,
    );
    let mut notes = vec![];
    let mut rows = vec![COLUMNS.map(str::to_owned).to_vec()];
    rows.extend(figures.rows.iter().map(|line| cells(line, &mut notes)));
    text += &aligned(&rows, WORDS);
    for (title, columns, values) in EXTRAS {
        let line = |line: &Line| Some(named(line, values(line.measured.as_ref()?)?));
        let lines: Vec<_> = figures.rows.iter().filter_map(line).collect();
        if !lines.is_empty() {
            let head = ["device", "model"].iter().chain(columns).map(|&column| column.to_owned()).collect();
            let _ = write!(text, "\n{title}\n\n{}", aligned(&[vec![head], lines].concat(), 2));
        }
    }
    for (number, note) in notes.iter().enumerate() {
        let _ = write!(text, "\n({}) {note}\n", number + 1);
    }
    text += "\ntimes in milliseconds:\n";
    for (name, region) in REGIONS {
        let _ = writeln!(text, "- {name}: {region}");
    }
    text
}

/// The number of timed runs, or its range where rows differ.
fn runs(lines: &[Line]) -> String {
    let counts = || lines.iter().filter_map(|line| Some(line.measured.as_ref()?.runs));
    match (counts().min(), counts().max()) {
        (Some(least), Some(most)) if least != most => format!("{least} to {most}"),
        (Some(count), _) => count.to_string(),
        _ => "no".to_owned(),
    }
}

fn cells(line: &Line, notes: &mut Vec<String>) -> Vec<String> {
    let mut cells = vec![line.device.clone(), line.model.clone()];
    match (&line.measured, &line.error) {
        (Some(values), _) => cells.extend(measured(values, notes)),
        (None, error) => {
            cells.push(format!("nothing ({})", number(error.as_deref().unwrap_or("not measured"), notes)));
            cells.resize(COLUMNS.len(), "-".to_owned());
        }
    }
    cells
}

/// A row's device and model before its cells.
fn named(line: &Line, cells: Vec<String>) -> Vec<String> {
    [vec![line.device.clone(), line.model.clone()], cells].concat()
}

fn stream(values: &Values) -> Option<Vec<String>> {
    let stream = values.stream.as_ref()?;
    let known = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), time);
    Some(vec![
        stream.frames.to_string(),
        known(stream.frames_per_second),
        known(stream.p50_ms),
        known(stream.p99_ms),
        stream.network_share.map_or_else(|| "-".to_owned(), |part| format!("{:.1} %", 100.0 * part)),
        stream.limited_by.clone().unwrap_or_else(|| "-".to_owned()),
    ])
}

fn accuracy(values: &Values) -> Option<Vec<String>> {
    let miou = format!("{:.2} %", 100.0 * values.miou?);
    let file = format!("{:.2} MB", values.model_bytes as f64 / 1e6);
    Some(vec![values.precision.clone(), file, time(values.frames_per_second), miou])
}

/// The number of a note: its own, or that of the same words before.
fn number(note: &str, notes: &mut Vec<String>) -> usize {
    let known = notes.iter().position(|known| known == note);
    1 + known.unwrap_or_else(|| {
        notes.push(note.to_owned());
        notes.len() - 1
    })
}

fn measured(values: &Values, notes: &mut Vec<String>) -> [String; COLUMNS.len() - 2] {
    let network = values.network_ms.map_or_else(
        || format!("- ({})", number(values.network_error.as_deref().unwrap_or("not measured"), notes)),
        time,
    );
    let nodes: Vec<_> = values.nodes.iter().map(|(provider, nodes)| format!("{nodes} {}", short(provider))).collect();
    let memory =
        |memory: &super::memory::Memory| format!("{:.0} MiB (+{:.0})", memory.peak_rss_mib, memory.peak_rss_added_mib);
    [
        values.runtime.clone(),
        values.precision.clone(),
        nodes.join(", "),
        time(values.load_ms),
        time(values.first_run_ms),
        time(values.pre_ms),
        time(values.infer_ms),
        network,
        time(values.post_ms),
        time(values.p50_ms),
        time(values.p90_ms),
        time(values.p99_ms),
        time(values.frames_per_second),
        values.memory.as_ref().map_or_else(|| "unknown".to_owned(), memory),
        percent(values.agreement),
    ]
}

/// `CPUExecutionProvider` as `CPU`.
fn short(provider: &str) -> &str {
    provider.strip_suffix("ExecutionProvider").unwrap_or(provider)
}

/// Three digits or more, never more than three behind the point.
fn time(value: f64) -> String {
    match value {
        value if value < 1.0 => format!("{value:.3}"),
        value if value < 10.0 => format!("{value:.2}"),
        value if value < 100.0 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}

/// `100 %` only if every pixel agrees.
fn percent(part: f64) -> String {
    if part == 1.0 { "100 %".to_owned() } else { format!("{:.3} %", (part * 1e5).floor() / 1e3) }
}

/// `rows` below a head; the first `words` columns are aligned to the left.
fn aligned(rows: &[Vec<String>], words: usize) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..rows[0].len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cell = |(column, cell): (usize, &String)| match widths[column] {
            width if column < words => format!(" {cell:<width$} |"),
            width => format!(" {cell:>width$} |"),
        };
        format!("|{}\n", row.iter().enumerate().map(cell).collect::<String>())
    };
    let rule = widths.iter().enumerate().map(|(column, width)| match column < words {
        true => format!("{}|", "-".repeat(width + 2)),
        false => format!("{}:|", "-".repeat(width + 1)),
    });
    let rule = format!("|{}\n", rule.collect::<String>());
    rows.iter().enumerate().map(|(index, row)| if index == 0 { line(row) + &rule } else { line(row) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_keep_three_digits_and_whole_agreement_is_exact() {
        let times = [0.0123, 0.5, 1.234, 12.34, 123.4, 1234.5].map(time);
        assert_eq!(times, ["0.012", "0.500", "1.23", "12.3", "123", "1234"]);
        let parts = [1.0, 0.999_999_9, 0.5, 0.0].map(percent);
        assert_eq!(parts, ["100 %", "99.999 %", "50.000 %", "0.000 %"]);
    }

    #[test]
    fn a_device_that_is_not_there_is_a_row_with_a_note() {
        let line = Line { model: "m".into(), device: "cuda:0".into(), error: Some("no driver".into()), measured: None };
        let mut notes = vec!["another".to_owned()];
        for _ in 0..2 {
            let row = cells(&line, &mut notes);
            assert_eq!(row.len(), COLUMNS.len());
            assert_eq!((&*row[0], &*row[2], &*row[3]), ("cuda:0", "nothing (2)", "-"));
        }
        assert_eq!(notes, ["another", "no driver"]);
    }

    #[test]
    fn a_network_that_cannot_be_timed_alone_is_a_cell_with_a_note() {
        let column = COLUMNS.iter().position(|column| *column == "network").unwrap();
        let cell = |network_ms, network_error: Option<&str>| {
            let network_error = network_error.map(str::to_owned);
            let measured = Some(Values { network_ms, network_error, ..Values::default() });
            let line = Line { model: "m".into(), device: "cuda:0".into(), error: None, measured };
            let mut notes = vec![];
            (cells(&line, &mut notes)[column].clone(), notes)
        };
        assert_eq!(cell(Some(12.34), None), ("12.3".to_owned(), vec![]));
        assert_eq!(cell(None, Some("no copies")), ("- (1)".to_owned(), vec!["no copies".to_owned()]));
    }
}
