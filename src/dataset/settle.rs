//! What becomes of a geometry on its way from an artifact into a query.

use std::sync::Arc;

use super::DatasetError;
use super::crs::{Crs, Transform};
use super::defect::{Defect, Tally};
use super::geometry::{Bounds, Shape, judge, read, repair, write};

/// What is done with geometries of one reference system.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    degrees: bool,
    repair: bool,
    /// Into the system of the query.
    into: Arc<Transform>,
    /// Into longitude and latitude, for the extent.
    lonlat: Arc<Transform>,
}

/// What became of a geometry.
#[derive(Debug)]
pub(super) enum Settled {
    /// It is sound, and stands as it was.
    Sound(Shape),
    /// It was moved into the system of the query, or repaired of the defect.
    Changed(Shape, Option<Defect>),
    /// Its row is a bad one.
    Refused(Defect),
}

impl Rules {
    pub(super) fn new(from: Crs, into: Crs, repair: bool) -> Result<Self, DatasetError> {
        Ok(Self {
            degrees: from.is_degrees()?,
            repair,
            into: Arc::new(Transform::new(from, into)?),
            lonlat: Arc::new(Transform::new(into, Crs::LONLAT)?),
        })
    }

    /// Whether sound geometries stand as they are.
    pub(super) fn keeps(&self) -> bool {
        self.into.is_identity()
    }

    pub(super) fn settle(&self, shape: Shape) -> Settled {
        let (mut shape, repaired) = match judge(&shape, self.degrees) {
            None => (shape, None),
            Some(defect) => {
                let better = self.repair.then(|| repair(&shape, defect, self.degrees)).flatten();
                let Some(better) = better else { return Settled::Refused(defect) };
                (better, Some(defect))
            }
        };
        if self.keeps() {
            return match repaired {
                None => Settled::Sound(shape),
                defect => Settled::Changed(shape, defect),
            };
        }
        if !shape.change(|position| self.into.apply(position)) {
            return Settled::Refused(Defect::CannotBeTransformed);
        }
        Settled::Changed(shape, repaired)
    }

    /// The same for WKB: `Ok(None)` where the bytes stand as they are.
    pub(super) fn settle_wkb(&self, bytes: &[u8]) -> Result<Option<Vec<u8>>, Defect> {
        match self.settle(read(bytes).or(Err(Defect::UnreadableGeometry))?) {
            Settled::Sound(_) => Ok(None),
            Settled::Refused(defect) => Err(defect),
            Settled::Changed(shape, _) => {
                let mut out = Vec::with_capacity(bytes.len());
                write(&shape, &mut out);
                Ok(Some(out))
            }
        }
    }
}

/// What was read of one artifact, or of several.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Read {
    /// Rows that a query gets.
    pub(crate) rows: u64,
    /// Rows that it does not get, and why.
    pub(crate) refused: Tally,
    /// Rows among those that it gets whose geometry was repaired, and of what.
    pub(crate) repaired: Tally,
    /// Rows whose geometry is not within the box that the artifact gives for it.
    pub(super) outside: Tally,
    /// Where the geometries of the rows lie, in degrees.
    pub(super) bounds: Bounds,
}

impl Read {
    /// All rows that are there.
    pub(crate) fn all(&self) -> u64 {
        self.rows + self.refused.rows()
    }

    pub(super) fn refuse(&mut self, defect: Defect, row: u64) {
        self.refused.add(defect, row);
    }

    /// Counts a row with its geometries: of each what became of it, and the rules that say where
    /// it lies. A row is refused once, for its first defect.
    pub(super) fn see(&mut self, row: u64, geometries: Vec<(Settled, &Rules)>) {
        let refused = geometries.iter().find_map(|(settled, _)| match settled {
            Settled::Refused(defect) => Some(*defect),
            _ => None,
        });
        if let Some(defect) = refused {
            self.refuse(defect, row);
            return;
        }
        self.rows += 1;
        let mut repaired = None;
        for (settled, rules) in geometries {
            let mut shape = match settled {
                Settled::Sound(shape) => shape,
                Settled::Changed(shape, defect) => {
                    repaired = repaired.or(defect);
                    shape
                }
                Settled::Refused(_) => continue,
            };
            shape.change(|position| rules.lonlat.apply(position));
            self.bounds.add_shape(&shape);
        }
        if let Some(defect) = repaired {
            self.repaired.add(defect, row);
        }
    }
}
