//! What is played, and in which lab next.

use rollover_lab::scenario::{Labs, Overrides, Parameters, Scenario};

use crate::speed::Speed;

/// Those of every day that take a minute or more, the longest first: begun late, they are
/// still played in one lab when nothing is left for the others.
const LONGEST: [&str; 8] = [
    "renewal/secret",
    "held-back",
    "long-rollout",
    "volume/lagging",
    "disturbed/will-not-reload",
    "schedule",
    "renewal/restart",
    "taken-over",
];

/// A scenario to be played, or its control.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    pub(crate) name: String,
    pub(crate) scenario: &'static Scenario,
    pub(crate) control: bool,
    pub(crate) parameters: Parameters,
}

impl Turn {
    pub(crate) fn new(scenario: &'static Scenario, control: bool, wanted: &Overrides) -> Self {
        let suffix = if control { "/control" } else { "" };
        Self {
            name: format!("{}{suffix}", scenario.name),
            scenario,
            control,
            parameters: wanted.over((scenario.parameters)()),
        }
    }

    fn takes_the_lab_of(&self, other: &Self) -> bool {
        self.parameters.shape() == other.parameters.shape()
    }
}

/// What is still to be played, what is being played, and the labs for it.
pub(crate) struct Bill {
    /// Those first whose kind of lab the fewest take, and of these the [`LONGEST`]: they
    /// are not to be waited for at the end, when the others have nothing left to do.
    waiting: Vec<Turn>,
    playing: Vec<Turn>,
    free: Vec<Labs>,
    speed: Speed,
}

impl Bill {
    pub(crate) fn new(turns: impl IntoIterator<Item = Turn>, labs: usize) -> Self {
        let mut waiting: Vec<Turn> = turns.into_iter().collect();
        let all = waiting.clone();
        waiting.sort_by_key(|turn| {
            let same_lab = all.iter().filter(|it| it.takes_the_lab_of(turn)).count();
            let long = LONGEST.iter().position(|name| *name == turn.scenario.name);
            (same_lab, turn.control, long.unwrap_or(LONGEST.len()))
        });
        Self {
            waiting,
            playing: Vec::new(),
            free: std::iter::repeat_with(Labs::default).take(labs).collect(),
            speed: Speed::default(),
        }
    }

    /// A free lab, if this is what is to be played in it next, and the machine carries
    /// one more just now.
    pub(crate) fn lab_for(&mut self, turn: &Turn) -> Option<Labs> {
        let is_up = |labs: &Labs| labs.shape().is_some();
        let all = self.free.len() + self.playing.len();
        let carried = self.speed.carries(all);
        if self.playing.len() >= carried {
            return None;
        }
        let up = self.free.iter().filter(|labs| is_up(labs)).count() + self.playing.len();
        let is_this = |next: usize| self.waiting[next].name == turn.name;
        let place = (0..self.free.len())
            .filter(|&lab| up < carried || is_up(&self.free[lab]))
            .find(|&lab| self.next_in(lab).is_some_and(is_this))?;
        if !self.speed.spares() && !self.playing.is_empty() {
            return None;
        }
        self.waiting.retain(|it| it.name != turn.name);
        self.playing.push(turn.clone());
        Some(self.free.swap_remove(place))
    }

    /// What is played next in a free lab: best what needs nothing changed in it, else
    /// what no other lab that is up would be better for.
    fn next_in(&self, lab: usize) -> Option<usize> {
        let labs = &self.free[lab];
        let first = |suits: &dyn Fn(&Turn) -> bool| self.waiting.iter().position(suits);
        let same_shape = |turn: &Turn| labs.shape() == Some(&turn.parameters.shape());
        let same = |turn: &Turn| same_shape(turn) && labs.engine() == Some(turn.parameters.engine);
        let has_another = |turn: &Turn| {
            let mut elsewhere = self.free.iter().filter_map(Labs::shape);
            self.playing.iter().any(|it| it.takes_the_lab_of(turn))
                || elsewhere.any(|up| *up == turn.parameters.shape())
        };
        first(&same)
            .or_else(|| first(&same_shape))
            .or_else(|| first(&|turn| !has_another(turn)))
            .or_else(|| first(&|_| true))
    }

    /// A lab is free again.
    pub(crate) fn give_back(&mut self, turn: &Turn, labs: Labs) {
        self.playing.retain(|it| it.name != turn.name);
        self.free.push(labs);
    }

    /// The labs in which nothing is played, to be taken down.
    pub(crate) fn labs(&mut self) -> Vec<Labs> {
        std::mem::take(&mut self.free)
    }
}
