//! What is answered to a request.

use std::time::Duration;

use serde_json::Value;
use wiremock::ResponseTemplate;

use super::problem::Problem;

/// An answer, before it goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) delay: Duration,
}

impl Answer {
    pub(crate) fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            delay: Duration::ZERO,
        }
    }

    pub(crate) fn body(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            body: body.into(),
            ..Self::empty(status)
        }
        .header("Content-Type", content_type)
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::body(status, "application/json; charset=utf-8", body.to_string())
    }

    pub(crate) fn problem(problem: &Problem) -> Self {
        let document = problem.document().to_string();
        Self::body(
            problem.status,
            "application/problem+json; charset=utf-8",
            document,
        )
    }

    /// Adds a header; it may be there already, as `Link` may be several times.
    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Sets a header that may stand there once only.
    pub(crate) fn set(self, name: &str, value: impl Into<String>) -> Self {
        self.without(name).header(name, value)
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers
            .retain(|(found, _)| !found.eq_ignore_ascii_case(name));
        self
    }

    pub(crate) fn link(self, url: &str, relation: &str) -> Self {
        self.header("Link", format!("<{url}>;rel=\"{relation}\""))
    }

    /// Asks to come back after so long, in whole seconds.
    pub(crate) fn retry_after(self, wait: Option<Duration>) -> Self {
        match wait {
            Some(wait) => self.set("Retry-After", wait.as_secs().to_string()),
            None => self,
        }
    }

    /// The error type, if it is a problem document.
    pub(crate) fn problem_type(&self) -> Option<String> {
        let body: Value = serde_json::from_slice(&self.body).ok()?;
        let urn = body["type"].as_str()?;
        Some(urn.rsplit(':').next().unwrap_or(urn).to_owned())
    }

    pub(crate) fn into_template(self) -> ResponseTemplate {
        let mut template = ResponseTemplate::new(self.status)
            .set_body_bytes(self.body)
            .set_delay(self.delay);
        for (name, value) in self.headers {
            template = template.append_header(name.as_str(), value.as_str());
        }
        template
    }
}
