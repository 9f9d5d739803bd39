//! Which of the labs that stand is meant.

use rollover_lab::lab::{Life, Standing, standing};

use super::CouldNot;

/// The lab of that run; without one the only one that is kept, or else the only
/// one that stands.
pub(super) async fn which(run: Option<&str>) -> Result<Standing, CouldNot> {
    Ok(choose(standing().await?, run)?)
}

fn choose(mut labs: Vec<Standing>, run: Option<&str>) -> Result<Standing, String> {
    let runs: Vec<&str> = labs.iter().map(|lab| lab.run.as_str()).collect();
    let runs = runs.join(", ");
    if labs.is_empty() {
        return Err("no lab stands; rollover-lab up brings one up".to_owned());
    }
    if let Some(run) = run {
        let found = labs.into_iter().find(|lab| lab.run == run);
        return found.ok_or_else(|| format!("no lab is called {run}; there are: {runs}"));
    }
    if labs.iter().any(|lab| lab.life == Life::Kept) {
        labs.retain(|lab| lab.life == Life::Kept);
    }
    match labs.len() {
        1 => Ok(labs.remove(0)),
        _ => Err(format!("several labs stand, say which: {runs}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lab(run: &str, life: Life) -> Standing {
        Standing {
            run: run.to_owned(),
            life,
            whole: true,
            since: None,
            volume: "bind".to_owned(),
            acme: "none".to_owned(),
            nodes: Vec::new(),
        }
    }

    fn chosen(labs: &[(&str, Life)], run: Option<&str>) -> Result<String, String> {
        let labs = labs.iter().map(|(run, life)| lab(run, *life)).collect();
        choose(labs, run).map(|lab| lab.run)
    }

    #[test]
    fn the_only_kept_one_is_meant() {
        let labs = [("a", Life::Alive), ("b", Life::Kept), ("c", Life::Dead)];
        assert_eq!(chosen(&labs, None), Ok("b".to_owned()));
        assert_eq!(chosen(&labs, Some("a")), Ok("a".to_owned()));
        assert_eq!(chosen(&labs[..1], None), Ok("a".to_owned()));
    }

    #[test]
    fn where_several_could_be_meant_they_are_named() {
        let labs = [("a", Life::Kept), ("b", Life::Kept)];
        let error = chosen(&labs, None).unwrap_err();
        assert!(error.contains("a, b"), "{error}");
        let error = chosen(&labs, Some("c")).unwrap_err();
        assert!(error.contains("no lab is called c"), "{error}");
        assert!(chosen(&[], None).is_err());
    }
}
