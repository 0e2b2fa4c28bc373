//! The order of steps in which the fewest bytes are alive at once.

use super::{Alive, Problem};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

/// How many sets of finished steps are looked at before the search gives up being sure.
const MOST_STATES: usize = 20_000;
/// How many steps are tried in all, each weighed by the steps of the graph, since that is what a state takes to copy: seconds at
/// most, whatever the graph. Counted and not timed, so that the same graph has the same order everywhere.
const MOST_WORK: usize = 50_000_000;
/// How much all states together may hold, in steps.
const MOST_KEPT: usize = 4_000_000;

/// An order and what is known of it.
pub(super) struct Search {
    pub(super) order: Vec<usize>,
    /// Whether no order is better.
    pub(super) is_optimal: bool,
}

/// Some steps are done.
#[derive(Clone)]
struct State {
    done: Vec<bool>,
    alive: Alive,
    order: Vec<usize>,
    peak: u64,
}

impl State {
    fn start(problem: &Problem) -> Self {
        let done = vec![false; problem.steps.len()];
        Self { done, alive: Alive::at_start(problem), order: Vec::new(), peak: 0 }
    }

    fn ready(&self, problem: &Problem) -> Vec<usize> {
        let may =
            |step: &usize| !self.done[*step] && problem.steps[*step].after.iter().all(|before| self.done[*before]);
        (0..problem.steps.len()).filter(may).collect()
    }

    fn run(&mut self, problem: &Problem, step: usize) {
        self.peak = self.peak.max(self.alive.run(problem, step));
        self.done[step] = true;
        self.order.push(step);
    }

    /// Does what can do no harm: a step that leaves no more alive than there was, and meanwhile no more than there has been.
    /// Where `work` is used up it leaves that to the search.
    fn settle(&mut self, problem: &Problem, work: &mut usize) {
        while let Some(next) = self.ready(problem).into_iter().find_map(|step| {
            *work = work.checked_sub(problem.steps.len())?;
            let mut next = self.clone();
            next.run(problem, step);
            (next.peak == self.peak && next.alive.bytes <= self.alive.bytes).then_some(next)
        }) {
            *self = next;
        }
    }
}

/// Looks at sets of finished steps, those that need the fewest bytes first, so that the first that has all steps is the best.
/// Where there are too many, an order that takes the step with the fewest bytes each time, or the file's.
pub(super) fn best(problem: &Problem) -> Search {
    let mut queue = BinaryHeap::new();
    let mut least: HashMap<Vec<bool>, u64> = HashMap::new();
    let mut states = vec![State::start(problem)];
    let mut work = MOST_WORK;
    let most_states = MOST_STATES.min(MOST_KEPT / problem.steps.len().max(1));
    states[0].settle(problem, &mut work);
    queue.push((Reverse(states[0].peak), states[0].order.len(), Reverse(0)));
    while let Some((_, _, Reverse(at))) = queue.pop() {
        let state = states[at].clone();
        if state.order.len() == problem.steps.len() {
            return Search { order: state.order, is_optimal: true };
        }
        if states.len() > most_states || work < problem.steps.len() {
            break;
        }
        for step in state.ready(problem) {
            let mut next = state.clone();
            next.run(problem, step);
            next.settle(problem, &mut work);
            if least.get(&next.done).is_none_or(|peak| next.peak < *peak) {
                least.insert(next.done.clone(), next.peak);
                queue.push((Reverse(next.peak), next.order.len(), Reverse(states.len())));
                states.push(next);
            }
        }
    }
    let file = of(problem, |_, ready| ready[0]);
    let mut work = MOST_WORK;
    let greedy = of(problem, |state, ready| {
        work = work.saturating_sub(ready.len() * problem.steps.len());
        if work == 0 {
            return ready[0];
        }
        let after = |step: &usize| {
            let mut next = state.clone();
            next.run(problem, *step);
            (next.peak, next.alive.bytes, *step)
        };
        ready.iter().copied().min_by_key(after).expect("an unfinished graph has a next step")
    });
    let order = if greedy.peak < file.peak { greedy } else { file };
    Search { is_optimal: order.peak == problem.lower_bound(), order: order.order }
}

/// The order in which `choose` picks each step among those that are ready, which come in the file's order.
fn of(problem: &Problem, mut choose: impl FnMut(&State, &[usize]) -> usize) -> State {
    let mut state = State::start(problem);
    while state.order.len() < problem.steps.len() {
        let step = choose(&state, &state.ready(problem));
        state.run(problem, step);
    }
    state
}
