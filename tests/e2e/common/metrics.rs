//! What `jwt_user_scope_status` shows, each time checked with Prometheus' own tool.

use super::client::{Client, get};
use super::nginx::Nginx;
use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

/// Values by name and labels, as they are written.
#[derive(Debug, PartialEq)]
pub struct Metrics(BTreeMap<String, u64>);

impl Metrics {
    /// From `/status` on this socket.
    pub fn of(nginx: &Nginx, socket: &str) -> Metrics {
        let response = Client::connect(&nginx.path(socket)).ask(&get("/status"));
        assert_eq!(response.status, 200, "{response:?}");
        assert_eq!(response.all("Content-Type"), ["text/plain; version=0.0.4; charset=utf-8"]);
        Metrics::read(&String::from_utf8(response.body).expect("UTF-8"))
    }

    fn read(text: &str) -> Metrics {
        check(text);
        let samples = text.lines().filter(|line| !line.starts_with('#')).map(|line| {
            let (series, value) = line.rsplit_once(' ').expect("a value");
            (
                series.strip_prefix("jwt_user_scope_").expect("the module's name").to_owned(),
                value.parse().expect("a number"),
            )
        });
        let samples: Vec<(String, u64)> = samples.collect();
        let metrics: BTreeMap<_, _> = samples.iter().cloned().collect();
        assert_eq!(metrics.len(), samples.len(), "a series twice: {text}");
        Metrics(metrics)
    }

    /// The value of a series, such as `requests_total{server="",result="ok"}`.
    pub fn get(&self, series: &str) -> Option<u64> {
        self.0.get(series).copied()
    }

    pub fn has(&self, series: &str) -> u64 {
        self.get(series).unwrap_or_else(|| panic!("no {series} in {:#?}", self.0))
    }

    /// How often a server has decided what.
    pub fn results(&self, server: &str) -> BTreeMap<String, u64> {
        let prefix = format!("requests_total{{server=\"{server}\",result=\"");
        let of_server = self.0.iter().filter_map(|(series, count)| {
            let word = series.strip_prefix(&prefix)?.strip_suffix("\"}")?;
            Some((word.to_owned(), *count))
        });
        of_server.collect()
    }

    /// Every series of a family, with its labels.
    pub fn family(&self, name: &str) -> Vec<(&str, u64)> {
        let labels = |series: &'_ str| -> Option<usize> {
            series.strip_prefix(name).filter(|rest| rest.starts_with('{')).map(str::len)
        };
        self.0.iter().filter_map(|(series, value)| Some((&series[series.len() - labels(series)?..], *value))).collect()
    }
}

/// Names, types and escapes, by the rules of those who read them.
fn check(text: &str) {
    let tool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut tool = tool.expect("promtool runs: Debian's package is prometheus");
    tool.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("promtool reads");
    let output = tool.wait_with_output().expect("promtool ends");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && said.is_empty(), "{}\n{text}", String::from_utf8_lossy(&said));
}
