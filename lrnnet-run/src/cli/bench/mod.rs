//! `lrnnet-run bench`: models on devices, in one table.

mod args;
mod figures;
mod machine;
mod memory;
mod plot;
mod row;
mod stats;
mod stream;
mod table;
mod trade_off;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use image::RgbImage;
use lrnnet_run::{Frame, Model, mask, picture, selftest};

pub use args::BenchArgs;
use figures::Figures;
use row::Row;
use stream::Recording;

use super::args::Network;
use super::failure::Failure;
use super::labelled::{Labelled, progress};
use super::opening::spinner;
use super::predict::{to_stdout, write};
use super::sources::Target;

/// Timed runs of a row before the next row has its turn.
const TURN: usize = 5;

/// Measures every model on every device.
pub fn run(args: &BenchArgs) -> Result<(), Failure> {
    // What cannot be read is said before anything is measured.
    let recording = args.source.as_deref().map(Recording::open).transpose().map_err(Failure::Usage)?;
    let labelled = args.images.as_deref().zip(args.labels.as_deref());
    let labelled =
        labelled.map(|(images, labels)| Labelled::open(images, labels)).transpose().map_err(Failure::Usage)?;
    let networks = args.networks();
    let (name, picture) = picture(args, networks[0])?;
    let frame = Frame::try_from(&picture).map_err(|error| Failure::Usage(error.into()))?;
    let pictures = vec![frame; args.batch.get()];
    let mut rows = open_rows(args, &networks, &pictures)?;
    measure(args, &mut rows, &pictures);
    if let Some(recording) = &recording {
        let waiting = spinner("streaming".to_owned());
        rows.iter_mut().try_for_each(|row| row.stream(recording, args))?;
        waiting.finish_and_clear();
    }
    if let Some(labelled) = &labelled {
        let bar = progress(labelled.len() * rows.iter().filter(|row| row.state.is_ok()).count());
        rows.iter_mut().try_for_each(|row| row.accuracy(labelled, || bar.inc(1))).map_err(Failure::Input)?;
        bar.finish_and_clear();
    }
    let figures = Figures {
        machine: machine::Machine::here(),
        picture: name,
        batch: pictures.len(),
        warmup: args.warmup,
        threads: args.runtime.threads.map(usize::from),
        regions: figures::REGIONS.into(),
        rows: figures::of(&rows, pictures.len()),
    };
    report(args, &figures)?;
    let ran = rows.iter().any(|row| row.state.is_ok());
    if !ran {
        return Err(Failure::Device(anyhow!("no device of {} works here", words(args))));
    }
    if let Some(path) = &args.plot {
        draw(path, &rows, &figures).map_err(Failure::Output)?;
    }
    match &args.trade_off {
        Some(path) => draw_trade_off(path, &figures).map_err(Failure::Output),
        None => Ok(()),
    }
}

fn words(args: &BenchArgs) -> String {
    args.devices.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The picture to segment, and what to call it.
fn picture(args: &BenchArgs, network: Network<'_>) -> Result<(String, RgbImage), Failure> {
    let (name, picture) = match &args.image {
        Some(path) => {
            let picture = picture::open(path).with_context(|| format!("picture {}", path.display()));
            (path.display().to_string(), picture.map_err(Failure::Usage)?)
        }
        None => {
            let model = match network {
                Network::File(path) => args.runtime.trust.open(path),
                Network::Builtin(precision) => Model::builtin_in(precision),
            };
            let model = model.map_err(|error| Failure::Usage(error.into()))?;
            let size = args.imgsz.unwrap_or_else(|| model.default_size());
            ("generated picture".to_owned(), selftest::picture(size))
        }
    };
    Ok((format!("{name}, {}x{}", picture.height(), picture.width()), picture))
}

fn open_rows<'a>(args: &BenchArgs, networks: &[Network<'a>], pictures: &[Frame<'_>]) -> Result<Vec<Row<'a>>, Failure> {
    let mut rows = vec![];
    for &network in networks {
        for &choice in &args.devices {
            let waiting = spinner(format!("loading {choice}"));
            let notes = waiting.clone();
            let start = Instant::now();
            let notice = move |text: &str| notes.suspend(|| eprintln!("note: {choice}: {text}"));
            let row = Row::open(network, choice, args, pictures, notice);
            waiting.finish_and_clear();
            if start.elapsed() > Duration::from_secs(10) {
                eprintln!("note: {choice}: loading took {:.0} s", start.elapsed().as_secs_f64());
            }
            rows.push(row?);
        }
    }
    Ok(rows)
}

/// Rows take turns, so that a drift of the machine hits all of them alike.
fn measure(args: &BenchArgs, rows: &mut [Row], pictures: &[Frame<'_>]) {
    let waiting = spinner("measuring".to_owned());
    for row in rows.iter_mut() {
        row.warm_up(pictures, args.warmup);
    }
    let live = |rows: &[Row]| rows.iter().filter(|row| row.state.is_ok()).count();
    let start = Instant::now();
    let time = args.duration.map(|duration| duration * live(rows) as u32);
    let mut done = 0;
    while live(rows) > 0 {
        let runs = if time.is_some() { TURN } else { TURN.min(args.iters.get() - done) };
        for row in rows.iter_mut() {
            row.turn(pictures, runs);
        }
        done += runs;
        if time.map_or(done >= args.iters.get(), |time| start.elapsed() >= time) {
            break;
        }
    }
    waiting.finish_and_clear();
}

fn report(args: &BenchArgs, figures: &Figures) -> Result<(), Failure> {
    let table = table::render(figures);
    let json = args.json.as_deref().map(Target::new);
    if json == Some(Target::Stdout) {
        eprint!("{table}");
    } else {
        to_stdout(table.as_bytes()).context("cannot write to standard output").map_err(Failure::Output)?;
    }
    if let Some(target) = json {
        let text = serde_json::to_string_pretty(figures).map_err(|error| Failure::Output(error.into()))?;
        write(&target, |out| writeln!(out, "{text}")).map_err(Failure::Output)?;
    }
    Ok(())
}

fn draw(path: &Path, rows: &[Row], figures: &Figures) -> anyhow::Result<()> {
    let curve = |row: &Row| {
        let times = row.state.as_ref().ok()?.samples.total.clone();
        Some(plot::Curve { label: label(&row.choice.to_string(), &row.model, figures), times })
    };
    let curves: Vec<_> = rows.iter().filter_map(curve).collect();
    let title = format!("LRNNet, {}, batch {}", figures.picture, figures.batch);
    let drawn = plot::draw(&curves, &title).context("cannot draw the plot")?;
    write(&Target::new(path), |out| mask::write_picture(&drawn, out))
}

fn draw_trade_off(path: &Path, figures: &Figures) -> anyhow::Result<()> {
    let point = |line: &figures::Line| {
        let values = line.measured.as_ref()?;
        Some(trade_off::Point {
            label: label(&line.device, &line.model, figures),
            speed: values.frames_per_second,
            miou: values.miou?,
            bytes: values.model_bytes,
        })
    };
    let points: Vec<_> = figures.rows.iter().filter_map(point).collect();
    let title = format!("LRNNet, speed at {}, batch {}", figures.picture, figures.batch);
    let drawn = trade_off::draw(&points, &title).context("cannot draw the plot")?;
    write(&Target::new(path), |out| mask::write_picture(&drawn, out))
}

/// A row's device, and its model where there are several.
fn label(device: &str, model: &str, figures: &Figures) -> String {
    let several = figures.rows.iter().any(|line| line.model != figures.rows[0].model);
    if several { format!("{device}, {model}") } else { device.to_owned() }
}
