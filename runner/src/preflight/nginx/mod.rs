//! What of an nginx's configuration matters to a rollout, read from what
//! `nginx -T` prints.

mod dump;
mod syntax;
mod time;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Version;
use dump::Dump;
use syntax::Directive;

/// From this version on nginx has `keepalive_min_timeout`.
pub const HAS_KEEPALIVE_MIN_TIMEOUT: Version = Version(1, 27, 4);

/// What of an nginx matters to a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nginx {
    /// Its version, as far as it says a known one.
    pub version: Option<Version>,
    /// How long old workers may take to finish; `None`: as long as they like.
    pub worker_shutdown_timeout: Option<Duration>,
    /// How long a worker that is to go keeps idle connections, in the server
    /// that has the least; zero where it is not set.
    pub keepalive_min_timeout: Duration,
}

/// Why what nginx printed says nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DumpError {
    /// It printed no configuration.
    #[error("nginx -T printed no configuration")]
    Empty,
    /// A file is not what nginx reads.
    #[error("line {line} of {file}: expected nginx's syntax, found {found}")]
    Syntax {
        /// Which file.
        file: String,
        /// Which line, from 1.
        line: usize,
        /// What stands there.
        found: &'static str,
    },
    /// A time that nginx itself would not take.
    #[error("{directive}: expected a time such as 20s, found {found:?}")]
    Time {
        /// Of which directive.
        directive: &'static str,
        /// What stands there.
        found: String,
    },
}

impl Nginx {
    /// Reads what `nginx -v -T` printed, and the directives that the command
    /// line gave besides (`-g`).
    ///
    /// # Errors
    /// When it is not nginx's.
    pub fn read(dump: &str, version: &str, global: &str) -> Result<Self, DumpError> {
        let dump = Dump::split(dump).ok_or(DumpError::Empty)?;
        let mut main = dump.directives()?;
        main.extend(syntax::read("-g", global)?);
        Ok(Self {
            version: version_in(version),
            worker_shutdown_timeout: time_of("worker_shutdown_timeout", &main)?,
            keepalive_min_timeout: keepalive_min_timeout(&main)?,
        })
    }
}

/// `nginx version: nginx/1.30.6`; of `OpenResty` too, which counts as nginx does.
fn version_in(text: &str) -> Option<Version> {
    let words = text.split_whitespace();
    let mut versions = words.filter_map(|word| {
        let (name, version) = word.split_once('/')?;
        matches!(name, "nginx" | "openresty").then(|| Version::parse(version))?
    });
    versions.next()
}

fn time_of(
    name: &'static str,
    directives: &[Directive<'_>],
) -> Result<Option<Duration>, DumpError> {
    let Some(directive) = directives.iter().find(|directive| directive.name == name) else {
        return Ok(None);
    };
    let value = directive.arguments.first().map_or("", AsRef::as_ref);
    let time = time::parse(value).ok_or_else(|| DumpError::Time {
        directive: name,
        found: value.to_owned(),
    })?;
    Ok(Some(time))
}

/// A server that does not set it has that of `http`.
fn keepalive_min_timeout(main: &[Directive<'_>]) -> Result<Duration, DumpError> {
    const NAME: &str = "keepalive_min_timeout";
    let mut times = Vec::new();
    for http in main.iter().filter(|directive| directive.name == "http") {
        let outer = time_of(NAME, &http.block)?.unwrap_or_default();
        let servers = http.block.iter();
        let mut servers = servers
            .filter(|directive| directive.name == "server")
            .peekable();
        if servers.peek().is_none() {
            times.push(outer);
        }
        for server in servers {
            times.push(time_of(NAME, &server.block)?.unwrap_or(outer));
        }
    }
    Ok(times.into_iter().min().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSION: &str = "nginx version: nginx/1.30.6";

    fn read(dump: &str) -> Result<Nginx, DumpError> {
        Nginx::read(dump, VERSION, "daemon off;")
    }

    fn main_file(content: &str) -> String {
        format!("# configuration file /etc/nginx/nginx.conf:\n{content}\n")
    }

    #[test]
    fn the_stack_s_own_configuration_is_read() {
        let own = include_str!("../../../../stack/loadbalancer.conf")
            .replace("{{ env \"KEEPALIVE_MIN_TIMEOUT\" }}", "10s")
            .replace("{{ env \"HTTP2\" }}", "on")
            .replace("{{ env \"TLS_DIRECTORY\" }}", "/etc/letsencrypt/live")
            .replace("{{ env \"DOMAIN\" }}", "example.org")
            .replace("{{ with env \"SECOND_PAIR\" }}", "")
            .replace("{{ . }}", "example.org-rsa")
            .replace("{{ end }}", "");
        let nginx = read(&main_file(&own)).unwrap();
        assert_eq!(
            nginx,
            Nginx {
                version: Some(Version(1, 30, 6)),
                worker_shutdown_timeout: Some(Duration::from_secs(20)),
                keepalive_min_timeout: Duration::from_secs(10),
            }
        );
    }

    #[test]
    fn the_server_that_has_the_least_counts() {
        let with = |servers: &str| {
            let dump = main_file(&format!("http {{ keepalive_min_timeout 10s; {servers} }}"));
            read(&dump).unwrap().keepalive_min_timeout
        };
        let seconds = Duration::from_secs;
        assert_eq!(with("server { listen 80; }"), seconds(10));
        assert_eq!(with("server { keepalive_min_timeout 20s; }"), seconds(20));
        assert_eq!(
            with("server { keepalive_min_timeout 0; } server { }"),
            seconds(0)
        );
        assert_eq!(with(""), seconds(10));
    }

    #[test]
    fn included_files_are_read_where_they_are_included() {
        let dump = "\
# configuration file /etc/nginx/nginx.conf:
include modules/*.conf;
http { include /etc/nginx/conf.d/*.conf; server { } }

# configuration file /etc/nginx/modules/a.conf:
worker_shutdown_timeout 1m30s;

# configuration file /etc/nginx/conf.d/times.conf:
keepalive_min_timeout 15s;
";
        let nginx = read(dump).unwrap();
        assert_eq!(nginx.worker_shutdown_timeout, Some(Duration::from_secs(90)));
        assert_eq!(nginx.keepalive_min_timeout, Duration::from_secs(15));
    }

    #[test]
    fn what_only_looks_like_a_directive_is_none() {
        let dump = main_file(
            "# worker_shutdown_timeout 20s;\n\
             http { log_format a '{ worker_shutdown_timeout 20s; }' \"\\\"; }\"; \
             server { return 200 \"keepalive_min_timeout 9s;\"; \
             location ~ ^/(a|b){2}$ { set $x ${y}keepalive_min_timeout; } } }",
        );
        // The braces of an unquoted expression are braces to nginx too, so
        // nginx demands quotes there; that file would not have been printed.
        assert!(read(&dump).is_err());
        let dump = dump.replace("^/(a|b){2}$", "'^/(a|b){2}$'");
        let nginx = read(&dump).unwrap();
        assert_eq!(nginx.worker_shutdown_timeout, None);
        assert_eq!(nginx.keepalive_min_timeout, Duration::ZERO);
    }

    #[test]
    fn directives_of_the_command_line_count() {
        let nginx = Nginx::read(
            &main_file("http { }"),
            "nginx version: openresty/1.27.1.2",
            "daemon off; worker_shutdown_timeout 5s;",
        )
        .unwrap();
        assert_eq!(nginx.worker_shutdown_timeout, Some(Duration::from_secs(5)));
        assert_eq!(nginx.version, Some(Version(1, 27, 1)));
    }

    #[test]
    fn what_is_no_configuration_is_refused_by_name() {
        assert_eq!(read("").unwrap_err(), DumpError::Empty);
        let error = read(&main_file("http {\n server {")).unwrap_err();
        insta::assert_snapshot!(error, @"line 3 of /etc/nginx/nginx.conf: expected nginx's syntax, found a block that does not end");
        let error = read(&main_file("worker_shutdown_timeout soon;")).unwrap_err();
        insta::assert_snapshot!(error, @r#"worker_shutdown_timeout: expected a time such as 20s, found "soon""#);
    }

    #[test]
    fn lua_is_passed_over() {
        let dump = main_file(
            "http { init_by_lua_block { local t = { '}', [[}]] } -- it's }\n }\n\
             keepalive_min_timeout 7s; }",
        );
        let nginx = read(&dump).unwrap();
        assert_eq!(nginx.keepalive_min_timeout, Duration::from_secs(7));
    }
}
