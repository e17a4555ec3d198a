/// A position: x, y, then Z and M where the shape has them.
pub(in crate::dataset) type Position = [f64; 4];

/// The positions of a line or a ring.
pub(in crate::dataset) type Path = Vec<Position>;

/// Which numbers of a position count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dataset) enum Dimensions {
    Xy,
    Xyz,
    Xym,
    Xyzm,
}

impl Dimensions {
    /// How many numbers a position has.
    pub(in crate::dataset) fn len(self) -> usize {
        match self {
            Self::Xy => 2,
            Self::Xyz | Self::Xym => 3,
            Self::Xyzm => 4,
        }
    }
}

/// A geometry of simple features, with all of its numbers.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::dataset) struct Shape {
    pub(in crate::dataset) dimensions: Dimensions,
    pub(in crate::dataset) part: Part,
}

/// What kind of geometry, and its positions.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::dataset) enum Part {
    /// `None` is the empty point.
    Point(Option<Position>),
    Line(Path),
    Polygon(Vec<Path>),
    Points(Vec<Option<Position>>),
    Lines(Vec<Path>),
    Polygons(Vec<Vec<Path>>),
    Collection(Vec<Part>),
}

impl Shape {
    pub(in crate::dataset) fn point(x: f64, y: f64) -> Self {
        let part = Part::Point(Some([x, y, 0.0, 0.0]));
        Self { dimensions: Dimensions::Xy, part }
    }

    /// Calls `each` with every position.
    pub(in crate::dataset) fn each(&self, mut each: impl FnMut(&Position)) {
        self.part.each(&mut each);
    }

    /// Changes every position, or stops where `change` says that it cannot.
    pub(in crate::dataset) fn change(
        &mut self,
        mut change: impl FnMut(&mut Position) -> bool,
    ) -> bool {
        self.part.change(&mut change)
    }
}

impl Part {
    pub(super) fn each(&self, each: &mut impl FnMut(&Position)) {
        match self {
            Self::Point(point) => point.iter().for_each(each),
            Self::Line(path) => path.iter().for_each(each),
            Self::Points(points) => points.iter().flatten().for_each(each),
            Self::Polygon(paths) | Self::Lines(paths) => paths.iter().flatten().for_each(each),
            Self::Polygons(polygons) => polygons.iter().flatten().flatten().for_each(each),
            // Through a reference: each level would else be a type of its own.
            Self::Collection(parts) => parts.iter().for_each(|part| part.each(each)),
        }
    }

    fn change(&mut self, change: &mut impl FnMut(&mut Position) -> bool) -> bool {
        match self {
            Self::Point(point) => point.iter_mut().all(change),
            Self::Line(path) => path.iter_mut().all(change),
            Self::Points(points) => points.iter_mut().flatten().all(change),
            Self::Polygon(paths) | Self::Lines(paths) => paths.iter_mut().flatten().all(change),
            Self::Polygons(polygons) => polygons.iter_mut().flatten().flatten().all(change),
            Self::Collection(parts) => parts.iter_mut().all(|part| part.change(change)),
        }
    }

    /// The rings of all polygons, and the other paths.
    pub(super) fn each_path(&self, each: &mut impl FnMut(&Path, Role)) {
        match self {
            Self::Point(_) | Self::Points(_) => {}
            Self::Line(path) => each(path, Role::Line),
            Self::Lines(paths) => paths.iter().for_each(|path| each(path, Role::Line)),
            Self::Polygon(paths) => paths.iter().for_each(|path| each(path, Role::Ring)),
            Self::Polygons(all) => all.iter().flatten().for_each(|path| each(path, Role::Ring)),
            Self::Collection(parts) => parts.iter().for_each(|part| part.each_path(each)),
        }
    }

    /// The rings of all polygons.
    pub(super) fn rings_mut(&mut self) -> Vec<&mut Path> {
        match self {
            Self::Polygon(rings) => rings.iter_mut().collect(),
            Self::Polygons(polygons) => polygons.iter_mut().flatten().collect(),
            Self::Collection(parts) => parts.iter_mut().flat_map(Self::rings_mut).collect(),
            _ => Vec::new(),
        }
    }
}

/// What a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Line,
    Ring,
}
