//! Formats the results.

use crate::callers::Measured;
use crate::cpu::Used;
use crate::rates::{Rates, What};
use crate::small::{CALLERS, Footprint};
use crate::summary::Summary;
use crate::table::{Table, whole};

/// Bookings per second of the best-known open-source peer on 2 cores, measured elsewhere with its own
/// server.
const PEER_BOOKINGS: f64 = 46.0;

/// The targets of the shares and of the ratio.
const LEAST_SHARE: f64 = 0.6;
const GREATEST_RATIO: f64 = 1.5;

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn rate(runs: &[Measured]) -> f64 {
    middle(runs.iter().map(|run| run.rate).collect())
}

fn of(rates: &Rates, what: What, callers: usize) -> f64 {
    rates
        .get(&(what, callers))
        .map_or(f64::NAN, |runs| rate(runs))
}

/// Every rate.
pub(crate) fn rates(rates: &Rates) -> String {
    let mut table = Table::new(&[
        "PostgreSQL",
        "callers",
        "per second",
        "from",
        "to",
        "p50 ms",
        "p99 ms",
    ]);
    for ((what, callers), runs) in rates {
        table.row(line(what.label(), *callers, runs));
    }
    table.text()
}

/// SQLite's rates.
pub(crate) fn sqlite(rates: &[Measured; 3]) -> String {
    let mut table = Table::new(&[
        "SQLite",
        "callers",
        "per second",
        "from",
        "to",
        "p50 ms",
        "p99 ms",
    ]);
    let what = [What::CreateOneOffice, What::CreateManyOffices, What::Get];
    for (what, measured) in what.iter().zip(rates) {
        table.row(line(what.label(), CALLERS, &[*measured]));
    }
    table.text()
}

fn line(label: &str, callers: usize, runs: &[Measured]) -> Vec<String> {
    let all = || runs.iter().map(|run| run.rate);
    let took = |which: fn((f64, f64)) -> f64| {
        let took: Vec<f64> = runs.iter().filter_map(|run| run.took.map(which)).collect();
        if took.is_empty() {
            String::new()
        } else {
            format!("{:.2}", middle(took))
        }
    };
    vec![
        label.to_owned(),
        callers.to_string(),
        whole(rate(runs)),
        whole(all().fold(f64::INFINITY, f64::min)),
        whole(all().fold(0.0, f64::max)),
        took(|(median, _)| median),
        took(|(_, p99)| p99),
    ]
}

/// The rates as shares of the limit, 1 ÷ (1/echo + 1/pgbench).
pub(crate) fn shares(rates: &Rates) -> String {
    let mut table = Table::new(&[
        "share of the limit",
        "callers",
        "per second",
        "echo",
        "pgbench",
        "limit",
        "share",
        "",
    ]);
    for (what, bare) in [
        (What::CreateManyOffices, What::PgbenchCreate),
        (What::Get, What::PgbenchGet),
        (What::CreateOneOffice, What::PgbenchCreate),
    ] {
        for callers in [16, 64] {
            let reached = of(rates, what, callers);
            let (echo, database) = (of(rates, What::Echo, callers), of(rates, bare, callers));
            let limit = 1.0 / (1.0 / echo + 1.0 / database);
            let share = reached / limit;
            // The writes of one office are serialized, so this limit does not apply to one office.
            let verdict = match what {
                What::CreateOneOffice => String::new(),
                _ => verdict(share >= LEAST_SHARE, &format!("at least {LEAST_SHARE}")),
            };
            let mut cells = vec![what.label().to_owned(), callers.to_string()];
            cells.extend([reached, echo, database, limit].map(whole));
            cells.extend([format!("{share:.2}"), verdict]);
            table.row(cells);
        }
    }
    let one = of(rates, What::CreateOneOffice, 16);
    let bare = of(rates, What::PgbenchCreate, 1);
    table.text()
        + &format!(
            "\nAn office's writes follow one another. So do those of pgbench with one client: {}/s, \
             of which CreateMeeting in one office with 16 callers reaches {:.2}.\n",
            whole(bare),
            one / bare
        )
}

fn verdict(met: bool, aim: &str) -> String {
    let word = if met { "met" } else { "missed" };
    format!("{word}: {aim}")
}

/// Processor time by process.
pub(crate) fn work(rates: &Rates) -> String {
    let mut table = Table::new(&[
        "processor time by call, µs",
        "callers",
        "callers'",
        "service's",
        "PostgreSQL's",
        "idle and others'",
    ]);
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    for ((what, callers), runs) in rates {
        let by = |whose: fn(Used) -> f64| middle(runs.iter().map(|run| whose(run.used)).collect());
        let of = [by(|u| u.callers), by(|u| u.service), by(|u| u.database)];
        let rest = cores / rate(runs) - of.iter().sum::<f64>();
        let mut cells = vec![what.label().to_owned(), callers.to_string()];
        cells.extend([of[0], of[1], of[2], rest].map(|seconds| format!("{:.0}", seconds * 1e6)));
        table.row(cells);
    }
    table.text() + "\nThe time of pgbench itself is in idle and others'.\n"
}

/// Bookings compared with the peer.
pub(crate) fn bookings(rates: &Rates) -> String {
    let mut table = Table::new(&[
        "bookings of free slots",
        "callers",
        "per second",
        "times the peer's",
    ]);
    for what in [What::BookOneOffice, What::BookManyOffices] {
        let reached = of(rates, what, 16);
        table.row(vec![
            what.label().to_owned(),
            "16".to_owned(),
            whole(reached),
            whole(reached / PEER_BOOKINGS),
        ]);
    }
    table.text()
        + &format!(
            "\nThe best-known open peer takes {PEER_BOOKINGS} bookings a second on 2 cores; that was \
             measured elsewhere, and not by this run.\n"
        )
}

/// The annual summary compared with plain SQL counts.
pub(crate) fn summary(summary: &Summary) -> String {
    let at = |times: &[f64], part: f64| {
        let place = (times.len() as f64 * part) as usize;
        times.get(place).copied().unwrap_or(f64::NAN)
    };
    let mut table = Table::new(&[
        "1,000,000 records of one office",
        "median ms",
        "p10 ms",
        "p90 ms",
    ]);
    let lines = [
        ("CreateAnnualReport over gRPC", &summary.report),
        (
            "the same counts, one bare SQL per service at once",
            &summary.bare,
        ),
    ];
    for (label, times) in lines {
        let mut cells = vec![label.to_owned()];
        cells.extend([0.5, 0.1, 0.9].map(|part| format!("{:.1}", at(times, part))));
        table.row(cells);
    }
    let ratio = at(&summary.report, 0.5) / at(&summary.bare, 0.5);
    let aim = format!("at most {GREATEST_RATIO}");
    table.text()
        + &format!(
            "\n{} figures of two years, {} alternating runs each. Ratio {ratio:.2} ({}).\n",
            summary.figures,
            summary.report.len(),
            verdict(ratio <= GREATEST_RATIO, &aim)
        )
}

/// The footprint of the program.
pub(crate) fn footprint(footprint: &Footprint) -> String {
    let megabytes = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
    let milliseconds = |time: f64| format!("{time:.0} ms");
    let mut table = Table::new(&["the program", "takes"]);
    for (what, takes) in [
        ("binary", megabytes(footprint.binary)),
        (
            "memory of the whole suite on SQLite, idle",
            megabytes(footprint.idle),
        ),
        (
            "start of the whole suite, empty folder",
            milliseconds(footprint.first_start),
        ),
        (
            "start of the whole suite, later",
            milliseconds(footprint.later_start),
        ),
    ] {
        table.row(vec![what.to_owned(), takes]);
    }
    table.text()
}
