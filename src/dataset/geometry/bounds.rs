use super::shape::Shape;

/// How far in degrees a coordinate may lie outside: catalogs round to six digits.
const ROUNDING: f64 = 1e-6;

/// Where geometries lie, in degrees.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(in crate::dataset) struct Bounds {
    /// West, south, east, north.
    plain: Option<[f64; 4]>,
    /// The same with the western hemisphere east of the eastern one: of use where the catalog's
    /// extent crosses the antimeridian.
    across: Option<[f64; 4]>,
}

impl Bounds {
    pub(in crate::dataset) fn add(&mut self, x: f64, y: f64) {
        self.plain = union(self.plain, Some([x, y, x, y]));
        let x = if x < 0.0 { x + 360.0 } else { x };
        self.across = union(self.across, Some([x, y, x, y]));
    }

    pub(in crate::dataset) fn add_shape(&mut self, shape: &Shape) {
        shape.each(|position| self.add(position[0], position[1]));
    }

    pub(in crate::dataset) fn merge(&mut self, other: &Self) {
        self.plain = union(self.plain, other.plain);
        self.across = union(self.across, other.across);
    }

    /// West, south, east, north of all, if there is anything.
    pub(in crate::dataset) fn bbox(&self) -> Option<[f64; 4]> {
        self.plain
    }

    /// Whether all lies within a bbox; one that crosses the antimeridian has west > east.
    pub(in crate::dataset) fn within(&self, [west, south, east, north]: [f64; 4]) -> bool {
        let (mine, east) =
            if west > east { (self.across, east + 360.0) } else { (self.plain, east) };
        mine.is_none_or(|mine| contains([west, south, east, north], mine))
    }
}

/// Whether one bbox lies within the other, roundings aside.
fn contains(outer: [f64; 4], inner: [f64; 4]) -> bool {
    let [west, south, east, north] = outer;
    inner[0] >= west - ROUNDING
        && inner[1] >= south - ROUNDING
        && inner[2] <= east + ROUNDING
        && inner[3] <= north + ROUNDING
}

/// The smallest bbox that holds both.
fn union(one: Option<[f64; 4]>, other: Option<[f64; 4]>) -> Option<[f64; 4]> {
    match (one, other) {
        (Some(a), Some(b)) => {
            Some([a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])])
        }
        (one, other) => one.or(other),
    }
}

/// A bbox for people.
pub(in crate::dataset) fn shown(bbox: [f64; 4]) -> String {
    bbox.map(|degrees| degrees.to_string()).join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extent_across_the_antimeridian_is_told_from_the_rest_of_the_world() {
        let mut fiji = Bounds::default();
        fiji.add(177.5, -18.0);
        fiji.add(-179.5, -17.0);
        assert!(fiji.within([177.0, -19.0, -179.0, -16.0]));
        assert!(fiji.within([-180.0, -19.0, 180.0, -16.0]));
        assert!(!fiji.within([-179.0, -19.0, 177.0, -16.5]));
        fiji.add(0.0, -18.0);
        assert!(!fiji.within([177.0, -19.0, -179.0, -16.0]));
        assert!(Bounds::default().within([0.0, 0.0, 0.0, 0.0]));
    }
}
