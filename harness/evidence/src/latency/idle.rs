//! Is the machine idle? What Linux counts of all processes and of this one, before and while latency is measured.

use super::LatencyFlag;
use serde::{Deserialize, Serialize};

/// Other processes keep a machine busy if they take more than this many processors on average.
pub const BUSY_PROCESSORS: f64 = 0.1;

/// What the system counts in shorter times than this is too coarse: hundredths of a second.
const FEWEST_TICKS: f64 = 20.0;

/// Ticks since the start, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot {
    busy: u64,
    all: u64,
    own: u64,
    cpus: u64,
}

impl Snapshot {
    /// From the texts of `/proc/stat` and `/proc/self/stat`. `None` where they are not what Linux writes.
    ///
    /// Busy is user, nice, system, interrupts, and what other guests of the same host took (steal); idle and waiting for a disk
    /// are not.
    /// Source: proc(5).
    pub fn parse(stat: &str, own: &str) -> Option<Snapshot> {
        let first = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
        let ticks: Vec<u64> = first.split_whitespace().map_while(|word| word.parse().ok()).collect();
        let &[user, nice, system, idle, waiting, interrupts, soft, stolen, ..] = ticks.as_slice() else { return None };
        let busy = user + nice + system + interrupts + soft + stolen;
        let processor = |line: &&str| line.starts_with("cpu") && !line.starts_with("cpu ");
        // The program's name is in parentheses and may hold any character.
        let fields: Vec<&str> = own.rsplit_once(')')?.1.split_whitespace().collect();
        let field = |at: usize| fields.get(at)?.parse::<u64>().ok();
        Some(Snapshot {
            busy,
            all: busy + idle + waiting,
            own: field(11)? + field(12)?,
            cpus: stat.lines().filter(processor).count().max(1) as u64,
        })
    }

    /// What went on between `earlier` and now. `None` if that is too short to tell.
    pub fn since(&self, earlier: &Snapshot) -> Option<Busy> {
        let passed = |now: u64, then: u64| now.saturating_sub(then) as f64;
        let each = passed(self.all, earlier.all) / self.cpus as f64;
        if each < FEWEST_TICKS {
            return None;
        }
        let (busy, own) = (passed(self.busy, earlier.busy), passed(self.own, earlier.own));
        Some(Busy { own: own / each, others: (busy - own).max(0.0) / each })
    }
}

/// How many processors were busy, on average over some time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Busy {
    /// With this process.
    pub own: f64,
    /// With all others, the system itself included.
    pub others: f64,
}

/// What is known about how idle the machine was. Everything is absent where the system does not say it.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Idleness {
    /// The load average over a minute when the measurement began. The checks of the run itself are in it, so nothing follows
    /// from it alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_average: Option<f64>,
    /// Before the measurement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Busy>,
    /// While it went on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub during: Option<Busy>,
}

impl Idleness {
    /// The flag that this raises: the machine was busy, or nobody knows.
    pub fn flag(&self) -> Option<LatencyFlag> {
        let busy = |busy: &Busy| busy.others > BUSY_PROCESSORS;
        let known = [self.before, self.during];
        if known.iter().flatten().any(busy) {
            return Some(LatencyFlag::Busy);
        }
        known.contains(&None).then_some(LatencyFlag::IdleUnknown)
    }
}

/// The load average over a minute, from the text of `/proc/loadavg`.
pub fn load_average(text: &str) -> Option<f64> {
    text.split_whitespace().next()?.parse().ok().filter(|load: &f64| load.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two processors; ticks by user, idle and stolen, and the process's own user and system time.
    fn snapshot(user: u64, idle: u64, stolen: u64, own: [u64; 2]) -> Snapshot {
        let stat = format!("cpu  {user} 0 0 {idle} 0 0 0 {stolen} 0 0\ncpu0 1 2\ncpu1 3 4\nintr 5\n");
        let own = format!("7 (a (b) c) R 1 1 1 0 -1 4194304 99 0 0 0 {} {} 0 0 20 0 1 0 5 6 7", own[0], own[1]);
        Snapshot::parse(&stat, &own).expect("it is what Linux writes")
    }

    #[test]
    fn others_are_what_is_busy_and_not_this_process() {
        let start = snapshot(1000, 1000, 0, [10, 10]);
        // 100 ticks of each of two processors: own time, others', stolen, idle.
        let table = [
            ((1100, 1100, 0, [100, 20]), (1.0, 0.0)),
            ((1150, 1050, 0, [100, 20]), (1.0, 0.5)),
            ((1100, 1050, 50, [100, 20]), (1.0, 0.5)),
            ((1000, 1200, 0, [10, 10]), (0.0, 0.0)),
            // The process's count may be ahead of the system's.
            ((1100, 1100, 0, [120, 20]), (1.2, 0.0)),
        ];
        for ((user, idle, stolen, own), (mine, others)) in table {
            let busy = snapshot(user, idle, stolen, own).since(&start).expect("it is long enough");
            assert_eq!(busy, Busy { own: mine, others });
        }
        assert_eq!(snapshot(1010, 1010, 0, [20, 10]).since(&start), None, "a tenth of a second");
    }

    #[test]
    fn a_machine_is_idle_only_if_it_is_known_to_be() {
        let busy = |others: f64| Some(Busy { own: 1.0, others });
        let flag = |before, during| Idleness { load_average: Some(9.0), before, during }.flag();
        assert_eq!(flag(busy(0.0), busy(0.05)), None);
        assert_eq!(flag(busy(0.2), busy(0.0)), Some(LatencyFlag::Busy));
        assert_eq!(flag(busy(0.0), busy(0.2)), Some(LatencyFlag::Busy));
        assert_eq!(flag(None, busy(0.2)), Some(LatencyFlag::Busy));
        assert_eq!(flag(busy(0.0), None), Some(LatencyFlag::IdleUnknown));
        assert_eq!(flag(None, None), Some(LatencyFlag::IdleUnknown));
    }

    #[test]
    fn other_texts_are_unknown() {
        let own = "7 (a) R 1 1 1 0 -1 4194304 99 0 0 0 3 4 0 0";
        for (stat, own) in
            [("", own), ("cpu  1 2 3\n", own), ("cpu  1 2 3 4 5 6 7 8\n", "7 (a) R 1"), ("cpu  1 2 3 4 5 6 7 8\n", "")]
        {
            assert_eq!(Snapshot::parse(stat, own), None, "{stat:?} {own:?}");
        }
        assert_eq!((load_average("2.16 1.99 1.94 3/97 14377\n"), load_average("")), (Some(2.16), None));
    }
}
