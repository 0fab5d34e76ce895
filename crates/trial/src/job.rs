//! A record that a trial makes.

/// The office whose records are counted.
pub const OFFICE: &str = "demo";
/// Another office, whose records must not be counted.
pub const NEIGHBOUR: &str = "neighbour";

/// A record to make, and what else is done to it. `R` describes the record itself.
#[derive(Debug, Clone)]
pub(crate) struct Job<R> {
    /// The id of the office that it belongs to.
    pub(crate) office: &'static str,
    /// Whether it is deleted in the end.
    pub(crate) deleted: bool,
    /// What it is.
    pub(crate) record: R,
}

impl<R> Job<R> {
    /// A record of the office whose records are counted.
    pub(crate) fn new(record: R) -> Self {
        Self {
            office: OFFICE,
            deleted: false,
            record,
        }
    }

    /// A record that is deleted in the end.
    pub(crate) fn deleted(record: R) -> Self {
        Self {
            deleted: true,
            ..Self::new(record)
        }
    }

    /// A record of the other office.
    pub(crate) fn of_neighbour(record: R) -> Self {
        Self {
            office: NEIGHBOUR,
            ..Self::new(record)
        }
    }

    /// The same with another description of the record.
    pub(crate) fn map<T>(self, of: impl FnOnce(R) -> T) -> Job<T> {
        Job {
            office: self.office,
            deleted: self.deleted,
            record: of(self.record),
        }
    }

    /// The name of the office.
    pub(crate) fn parent(&self) -> String {
        format!("offices/{}", self.office)
    }
}
