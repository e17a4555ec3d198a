use super::record::Name;

/// One way through the chain; a whole ledger has one.
#[derive(Debug, Clone)]
pub(super) struct Branch {
    /// Its last record.
    pub(super) tip: Name,
    /// How many records lead to it, gaps not counted.
    pub(super) records: u64,
    /// How many of them came after it left another branch.
    pub(super) own: u64,
    /// Its first own record, where it left another branch.
    pub(super) left_at: Option<Box<str>>,
    /// How often the chain was torn.
    pub(super) gaps: u32,
    /// The sought records that it holds, each with its position from 1.
    pub(super) holds: Vec<(Name, u64)>,
}

impl Branch {
    pub(super) fn start(tip: Name) -> Self {
        Self { tip, records: 0, own: 0, left_at: None, gaps: 0, holds: Vec::new() }
    }

    /// The branch that leaves this one after the record at `position`.
    pub(super) fn fork(&self, tip: Name, position: u64, key: &str) -> Self {
        let mut holds = self.holds.clone();
        holds.retain(|(_, at)| *at <= position);
        let left_at = Some(key.into());
        Self { tip, records: position, own: 0, left_at, gaps: self.gaps, holds }
    }

    /// Goes one record further.
    pub(super) fn step(&mut self, name: Name, sought: &[Name]) {
        self.tip = name;
        self.records += 1;
        self.own += 1;
        if sought.contains(&name) {
            self.holds.push((name, self.records));
        }
    }

    /// Where it holds a sought record.
    pub(super) fn position(&self, name: Name) -> Option<u64> {
        self.holds.iter().find(|(held, _)| *held == name).map(|(_, at)| *at)
    }
}
