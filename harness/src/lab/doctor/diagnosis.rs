//! What was found, and how it is told.

use std::fmt;

use serde::Serialize;

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Finding {
    /// As it should be.
    Ok {
        /// What is there.
        found: String,
    },
    /// A lab runs, but not all of it can be had.
    Limited {
        /// What is there.
        found: String,
        /// What cannot be done with it.
        cannot: String,
        /// What to do.
        advice: String,
    },
    /// No lab runs like this.
    Missing {
        /// What is there, or is not.
        found: String,
        /// What to do.
        advice: String,
    },
}

impl Finding {
    pub(super) fn ok(found: impl Into<String>) -> Self {
        Self::Ok {
            found: found.into(),
        }
    }

    pub(super) fn limited(
        found: impl Into<String>,
        cannot: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self::Limited {
            found: found.into(),
            cannot: cannot.into(),
            advice: advice.into(),
        }
    }

    pub(super) fn missing(found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::Missing {
            found: found.into(),
            advice: advice.into(),
        }
    }

    /// What could not be looked at, because something before it is missing.
    pub(super) fn unknown(why: &str) -> Self {
        Self::limited(
            format!("not known: {why}"),
            "be told before that is mended",
            "mend that first, then ask again",
        )
    }
}

/// One check and what it found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// The check's name, one word.
    pub name: &'static str,
    /// What it found.
    #[serde(flatten)]
    pub finding: Finding,
}

/// All that was found; its [`Display`](fmt::Display) is for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// Each check, in the order in which things are best mended.
    pub checks: Vec<Checked>,
}

impl Diagnosis {
    /// Whether a lab can run on this machine.
    #[must_use]
    pub fn can_run(&self) -> bool {
        !self
            .checks
            .iter()
            .any(|check| matches!(check.finding, Finding::Missing { .. }))
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for check in &self.checks {
            writeln!(f, "{check}")?;
        }
        let verdict = if self.can_run() {
            "a lab can run here"
        } else {
            "no lab can run here until what is missing is there"
        };
        write!(f, "\n{verdict}")
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name;
        let more = |f: &mut fmt::Formatter<'_>, what: &str, text: &str| {
            write!(f, "\n{:<9}{:<11}{what}: {text}", "", "")
        };
        match &self.finding {
            Finding::Ok { found } => write!(f, "{:<9}{name:<11}{found}", "ok"),
            Finding::Limited {
                found,
                cannot,
                advice,
            } => {
                write!(f, "{:<9}{name:<11}{found}", "limited")?;
                more(f, "cannot", cannot)?;
                more(f, "do", advice)
            }
            Finding::Missing { found, advice } => {
                write!(f, "{:<9}{name:<11}{found}", "MISSING")?;
                more(f, "do", advice)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(name: &'static str, finding: Finding) -> Checked {
        Checked { name, finding }
    }

    #[test]
    fn only_what_is_missing_keeps_a_lab_from_running() {
        let mut diagnosis = Diagnosis {
            checks: vec![
                checked("engine", Finding::ok("28.5.2")),
                checked("mesh", Finding::limited("no IPVS", "route", "load it")),
            ],
        };
        assert!(diagnosis.can_run());
        let client = Finding::missing("no docker on PATH", "install docker-cli");
        diagnosis.checks.push(checked("client", client));
        assert!(!diagnosis.can_run());
    }

    #[test]
    fn people_and_programs_are_told_the_same() {
        let diagnosis = Diagnosis {
            checks: vec![checked(
                "mesh",
                Finding::limited("no IPVS", "use the routing mesh", "load ip_vs"),
            )],
        };
        insta::assert_snapshot!(diagnosis.to_string(), @r"
        limited  mesh       no IPVS
                            cannot: use the routing mesh
                            do: load ip_vs

        a lab can run here
        ");
        insta::assert_json_snapshot!(diagnosis, @r#"
        {
          "checks": [
            {
              "name": "mesh",
              "verdict": "limited",
              "found": "no IPVS",
              "cannot": "use the routing mesh",
              "advice": "load ip_vs"
            }
          ]
        }
        "#);
    }
}
