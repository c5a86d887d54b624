//! The verdict on a run.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::memory::{MASTER_LIMIT, Phase, Sample, Trend, WORKER_LIMIT};
use crate::run::Report;

/// Requests without which a run shows nothing.
const SHORTEST: u64 = 2_000;

/// Requests after which everything must have occurred.
const LONG: u64 = 300_000;

/// Every result that the documentation names, but for those that no request can cause here.
const WORDS: [&str; 20] = [
    "",
    "ambiguous_path",
    "bad_audience",
    "bad_claim",
    "bad_issuer",
    "bad_signature",
    "bad_type",
    "bypassed",
    "expired",
    "keys_unavailable",
    "lifetime_exceeded",
    "malformed_token",
    "missing_token",
    "not_yet_valid",
    "ok",
    "preflight",
    "requirement_failed",
    "uncovered_path",
    "unknown_key",
    "user_mismatch",
];

/// Of a hundred requests, how many may have lost their connection to reloads and deaths.
const CUT_LIMIT: u64 = 10;

/// Prints what was counted; what is wrong with it, if anything.
pub fn judge(report: &Report) -> Vec<String> {
    let (tally, seen) = (&report.world.tally, &report.seen);
    let count = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
    let checked = tally.checked();
    println!("\nchecked {checked} requests in {:.0} s, {:.0}/s", report.seconds, checked as f64 / report.seconds);
    for (word, times, places) in tally.words() {
        println!("  {:22} {times:>9}  at {places} places", if word.is_empty() { "(no check)" } else { word });
    }
    let (reloads, killed) = (count(&report.chaos.reloads), count(&report.chaos.killed));
    let fetches = report.world.sets.iter().map(|set| format!("{} {}", set.name, set.requests()));
    println!(
        "  {reloads} reloads ({} noticed), {killed} workers killed, at most {} at once",
        count(&seen.reloads),
        report.memory.most_workers()
    );
    println!(
        "  fetches of key sets: {}; failed: {}",
        fetches.collect::<Vec<_>>().join(", "),
        count(&seen.failed_fetches)
    );
    println!(
        "  connections cut by reloads and deaths: {}; requests asked again behind them: {}; clients that went away: {}",
        count(&tally.cut),
        count(&tally.asked_again),
        count(&tally.given_up)
    );
    println!(
        "  tokens let in at first, and refused once their time had run out: {}, once their key was withdrawn: {}",
        count(&tally.ran_out),
        count(&tally.lost_key)
    );
    println!("  answers within a second of a deadline, or of a fetch: {}", count(&tally.close_calls));
    println!("  lines of the error log: {}, of the access log: {}", count(&seen.lines), count(&tally.log_lines));

    let mut faults = memory(report);
    let mut fault = |is_one: bool, what: String| faults.extend(is_one.then_some(what));
    fault(tally.wrongs() > 0, format!("{} wrong", tally.wrongs()));
    fault(count(&tally.cut) * 100 > checked * CUT_LIMIT, format!("{} connections were cut", count(&tally.cut)));
    fault(!report.stopped_gracefully, "nginx did not stop within 20 s".into());
    // A worker may have ended by itself just before it was killed.
    fault(
        count(&seen.killed) > killed,
        format!("{} workers died by signal 9, {killed} were killed", count(&seen.killed)),
    );
    fault(reloads > 10 && count(&seen.reloads) * 2 < reloads, "nginx has not kept up with its reloads".into());
    fault(checked < SHORTEST, format!("only {checked} requests were answered"));
    let never: Vec<_> = WORDS.iter().filter(|word| !tally.words().iter().any(|(one, ..)| one == *word)).collect();
    fault(checked >= LONG && !never.is_empty(), format!("{never:?} never occurred"));
    fault(report.interrupted, "interrupted".into());
    faults
}

fn memory(report: &Report) -> Vec<String> {
    type Number = fn(&Sample) -> u64;
    let rows: [(&str, Phase, Number, i64); 3] = [
        ("master, while it is reloaded", Phase::Storm, |sample| sample.master, MASTER_LIMIT),
        ("worst worker, while workers come and go", Phase::Storm, |sample| sample.worst_worker, WORKER_LIMIT),
        ("worst worker, while it stays", Phase::Calm, |sample| sample.worst_worker, WORKER_LIMIT),
    ];
    let mut faults = Vec::new();
    for (name, phase, number, limit) in rows {
        match report.memory.trend(phase, number) {
            None => println!("  memory of the {name}: too short a run to tell"),
            Some(trend) => {
                let Trend { early, late, highest } = trend;
                println!(
                    "  memory of the {name}: {early} KiB, later {late} KiB (limit: {limit} more); at most {highest} KiB"
                );
                faults.extend(
                    (trend.growth() > limit).then(|| format!("memory of the {name} grew by {} KiB", trend.growth())),
                );
            }
        }
    }
    faults
}
