//! Processor time by process.

use std::fs;

/// USER_HZ: ticks per second in `/proc`, 100 on every Linux.
const TICKS: f64 = 100.0;

/// The processor time of each process, in seconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Used {
    /// This process: the callers.
    pub(crate) callers: f64,
    /// The service.
    pub(crate) service: f64,
    /// PostgreSQL with its child processes.
    pub(crate) database: f64,
}

/// The measured processes, apart from this one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Processes {
    pub(crate) service: Option<u32>,
    pub(crate) database: Option<u32>,
}

impl Processes {
    /// The processor time used so far.
    pub(crate) fn used(self) -> Used {
        let own = |pid: u32| stat(pid).map_or(0.0, |stat| stat.own);
        Used {
            callers: own(std::process::id()),
            service: self.service.map_or(0.0, own),
            database: self.database.map_or(0.0, with_children),
        }
    }
}

impl Used {
    /// The difference to an earlier value.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            callers: self.callers - before.callers,
            service: self.service - before.service,
            database: self.database - before.database,
        }
    }

    /// The share of one of so many calls.
    pub(crate) fn by(self, calls: f64) -> Self {
        Self {
            callers: self.callers / calls,
            service: self.service / calls,
            database: self.database / calls,
        }
    }
}

struct Stat {
    parent: u32,
    own: f64,
    /// The time of children that have exited.
    ended: f64,
}

fn with_children(pid: u32) -> f64 {
    let Some(stat_of_parent) = stat(pid) else {
        return 0.0;
    };
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let children = processes
        .filter_map(|entry| stat(entry.file_name().to_str()?.parse().ok()?))
        .filter(|child| child.parent == pid);
    let of_children: f64 = children.map(|child| child.own).sum();
    stat_of_parent.own + stat_of_parent.ended + of_children
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold spaces; the third field follows it.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |field: usize| fields.get(field - 3)?.parse::<f64>().ok();
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        own: (ticks(14)? + ticks(15)?) / TICKS,
        ended: (ticks(16)? + ticks(17)?) / TICKS,
    })
}
