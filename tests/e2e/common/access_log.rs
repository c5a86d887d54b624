//! The access log, which a request reaches a moment after its answer.

use super::nginx::Nginx;

/// The lines of `access.log`, once there are as many as requests were sent. A variable without a value, for which nginx
/// writes `-`, is empty.
pub fn logged(nginx: &Nginx, requests: usize) -> Vec<String> {
    let lines = || nginx.read("access.log").lines().map(str::to_owned).collect::<Vec<_>>();
    super::eventually("every request is in the access log", || lines().len() >= requests);
    let lines = lines();
    assert_eq!(lines.len(), requests, "{lines:#?}");
    let without = |field: &str| if field == "-" { String::new() } else { field.to_owned() };
    lines.iter().map(|line| line.split('|').map(without).collect::<Vec<_>>().join("|")).collect()
}
