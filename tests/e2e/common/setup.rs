//! An nginx before it runs: its prefix, its environment, its configuration.

use super::nginx::Nginx;
use super::token::SECRET;
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

pub struct Setup {
    pub(super) prefix: TempDir,
    pub(super) has_master: bool,
    /// Whether the explaining program can know what has happened.
    pub(super) is_explained: bool,
    pub(super) environment: BTreeMap<String, String>,
    log_level: &'static str,
    workers: usize,
    module: Option<PathBuf>,
}

/// What `nginx -t` said.
pub struct ConfigCheck {
    pub accepted: bool,
    /// The signal that ended it.
    pub signal: Option<i32>,
    pub stderr: String,
    /// Where the line that ends with `# here` is, as nginx writes it: `/path/nginx.conf:12`.
    pub here: String,
}

impl Setup {
    pub fn new() -> Setup {
        Setup {
            prefix: tempfile::Builder::new().prefix("jus").tempdir().expect("a temporary directory"),
            environment: BTreeMap::from([("BETTER_AUTH_SECRET".into(), SECRET.into())]),
            has_master: true,
            is_explained: true,
            log_level: "info",
            workers: 1,
            module: None,
        }
    }

    pub fn env(mut self, name: &str, value: &str) -> Setup {
        self.environment.insert(name.into(), value.into());
        self
    }

    pub fn without_env(mut self) -> Setup {
        self.environment.clear();
        self
    }

    /// Something is done to nginx of which the explaining program knows nothing.
    pub fn unexplained(mut self) -> Setup {
        self.is_explained = false;
        self
    }

    /// A file next to nginx.conf.
    pub fn file(self, name: &str, content: impl AsRef<[u8]>) -> Setup {
        std::fs::write(self.path(name), content).expect("a file in the prefix");
        self
    }

    pub fn log_level(mut self, level: &'static str) -> Setup {
        self.log_level = level;
        self
    }

    /// One process, without workers.
    pub fn single_process(mut self) -> Setup {
        self.has_master = false;
        self
    }

    pub fn workers(mut self, workers: usize) -> Setup {
        self.workers = workers;
        self
    }

    /// Another module than the one under test.
    pub fn module(mut self, module: &Path) -> Setup {
        self.module = Some(module.into());
        self.unexplained()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.prefix.path().join(name)
    }

    /// Starts nginx with one `scoped_server`.
    pub fn server(self, body: &str) -> Nginx {
        self.http(&scoped_server(body))
    }

    /// Starts nginx with this body of `http {}`; one of its servers listens on `nginx.sock`. Beside them,
    /// `unix:echo.sock` is a backend that answers with what it was asked.
    pub fn http(self, body: &str) -> Nginx {
        let conf = self.with_http(&format!("{ECHO}\n{body}"));
        Nginx::start(self, conf)
    }

    /// `nginx -t` with this body of `http {}`.
    pub fn check(&self, body: &str) -> ConfigCheck {
        self.check_whole(&self.with_http(body))
    }

    /// `nginx -t` with this whole configuration.
    pub fn check_whole(&self, conf: &str) -> ConfigCheck {
        self.check_bytes(conf.as_bytes())
    }

    /// The same, with bytes that need not be text.
    pub fn check_bytes(&self, conf: &[u8]) -> ConfigCheck {
        let path = self.path("nginx.conf");
        std::fs::write(&path, conf).expect("nginx.conf");
        let output = self.nginx().arg("-t").output().expect("nginx runs");
        let conf = String::from_utf8_lossy(conf);
        let line = conf.lines().position(|line| line.ends_with("# here")).map_or(0, |at| at + 1);
        ConfigCheck {
            accepted: output.status.success(),
            signal: output.status.signal(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            here: format!("{}:{line}", path.display()),
        }
    }

    /// A command line of this nginx, in an environment that holds nothing but what the test put there.
    pub(super) fn nginx(&self) -> Command {
        let mut command = Command::new(binary());
        // Socket names in the configuration are relative to the working directory, which keeps them short.
        command.current_dir(self.prefix.path()).env_clear().envs(&self.environment);
        command.arg("-p").arg(self.prefix.path()).arg("-c").arg(self.path("nginx.conf")).arg("-e").arg("error.log");
        command
    }

    /// A configuration file that somebody else wrote, with this prefix's paths in the place of its own.
    pub fn adapted(&self, conf: &str) -> String {
        let conf = conf.replace("modules/ngx_http_jwt_user_scope_module.so", &module());
        format!("{}\n{}", self.main(), conf.replacen("http {", &format!("http {{\n{HTTP}"), 1))
    }

    /// Starts nginx with this whole configuration.
    pub fn whole(self, conf: &str) -> Nginx {
        Nginx::start(self, conf.into())
    }

    pub fn with_http(&self, body: &str) -> String {
        let main = self.main();
        let module = self.module.as_ref().map_or_else(module, |module| module.display().to_string());
        // Tests that share a server with those of HTTP/2 also run where nginx was built without it.
        let body = if cfg!(ngx_feature = "http_v2") { body } else { &body.replace("listen unix:h2.sock http2;", "") };
        format!("load_module {module};\n{main}\nevents {{ worker_connections 256; }}\nhttp {{\n{HTTP}\n{body}\n}}\n")
    }

    fn main(&self) -> String {
        let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
        let (level, workers) = (self.log_level, self.workers);
        let master = if self.has_master { "on" } else { "off" };
        format!(
            "{user} daemon off; master_process {master}; worker_processes {workers}; pid nginx.pid; error_log error.log {level};"
        )
    }
}

/// A server on `nginx.sock` that shows the result in `X-Result`.
pub fn scoped_server(body: &str) -> String {
    format!(
        "server {{\n    listen unix:nginx.sock;\n    \
         add_header X-Result $jwt_user_scope_result always;\n{body}\n}}"
    )
}

const HTTP: &str = "
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    client_max_body_size 10m;
    keepalive_requests 100000;";

const ECHO: &str = r#"
    server {
        listen unix:echo.sock;
        location / { return 200 "$request_method $request_uri user=$http_x_user"; }
    }"#;

fn binary() -> PathBuf {
    if let Some(named) = std::env::var_os("NGINX") {
        return named.into();
    }
    // An ordinary user's PATH has no /usr/sbin, where packages put nginx.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut directories = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    directories.find_map(|directory| Some(directory.join("nginx")).filter(|file| file.is_file())).unwrap_or_else(|| {
        panic!("there is no nginx in PATH or /usr/sbin: install it, or name it in NGINX");
    })
}

fn module() -> String {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/release/ngx_http_jwt_user_scope_module.so");
    let module = std::env::var_os("NGINX_MODULE").map_or(built, PathBuf::from);
    let name = module.display().to_string();
    assert!(module.exists(), "there is no {name}: run `make build` first, or name the module in NGINX_MODULE");
    name
}

/// The configuration is refused once, in these words, with the place of the line that is marked `# here`.
pub fn assert_refused_here(name: &str, check: &ConfigCheck, says: &str) {
    assert!(!check.accepted, "{name}: accepted");
    for part in ["jwt_user_scope", says, &check.here] {
        assert!(check.stderr.contains(part), "{name}: no {part} in {}", check.stderr);
    }
    assert_eq!(check.stderr.matches("[emerg]").count(), 1, "{name}: {}", check.stderr);
}
