use geo_traits::{GeometryTrait, GeometryType, LineStringTrait, PolygonTrait};
use proptest::prelude::*;

use super::*;

fn paths(dimensions: Dimensions) -> impl Strategy<Value = Vec<Path>> {
    let position = prop::array::uniform4(-180.0..180.0).prop_map(move |mut position: Position| {
        position[dimensions.len()..].fill(0.0);
        position
    });
    prop::collection::vec(prop::collection::vec(position, 0..5), 0..4)
}

fn shape() -> impl Strategy<Value = Shape> {
    use Dimensions::{Xy, Xym, Xyz, Xyzm};
    (0..7, prop::sample::select(vec![Xy, Xyz, Xym, Xyzm])).prop_flat_map(|(kind, dimensions)| {
        paths(dimensions).prop_map(move |paths| {
            let first = || paths.first().cloned().unwrap_or_default();
            let part = match kind {
                0 => Part::Point(Some(first().first().copied().unwrap_or_default())),
                1 => Part::Line(first()),
                2 => Part::Polygon(paths.clone()),
                3 => Part::Points(first().into_iter().map(Some).collect()),
                4 => Part::Lines(paths.clone()),
                5 => Part::Polygons(vec![paths.clone(), Vec::new()]),
                _ => Part::Collection(vec![Part::Line(first()), Part::Polygon(paths.clone())]),
            };
            Shape { dimensions, part }
        })
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(shape in shape()) {
        let mut bytes = Vec::new();
        write(&shape, &mut bytes);
        prop_assert_eq!(read(&bytes), Ok(shape));
    }

    #[test]
    fn damaged_bytes_are_an_error_or_a_shape(
        shape in shape(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = Vec::new();
        write(&shape, &mut bytes);
        for (at, with) in flips {
            let at = at.index(bytes.len());
            bytes[at] = with;
        }
        let _ = read(&bytes);
        prop_assert!(read(&bytes[..cut.index(bytes.len())]).is_err());
    }
}

#[test]
fn another_writer_and_another_reader_agree() {
    let corners = [(0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (0.0, 0.0)];
    let polygon = ::geo::Polygon::new(corners.to_vec().into(), Vec::new());
    for endianness in [::wkb::Endianness::BigEndian, ::wkb::Endianness::LittleEndian] {
        let mut bytes = Vec::new();
        let options = ::wkb::writer::WriteOptions { endianness };
        ::wkb::writer::write_polygon(&mut bytes, &polygon, &options).unwrap();
        let shape = read(&bytes).unwrap();
        let Part::Polygon(rings) = &shape.part else { panic!("no polygon") };
        assert_eq!(rings[0][1][..2], [4.0, 0.0]);
        let mut ours = Vec::new();
        write(&shape, &mut ours);
        let theirs = ::wkb::reader::read_wkb(&ours).unwrap();
        let GeometryType::Polygon(theirs) = theirs.as_type() else { panic!("no polygon") };
        assert_eq!(theirs.exterior().unwrap().num_coords(), 4);
    }
}

#[test]
fn what_says_more_than_it_holds_is_refused() {
    let mut deep = Vec::new();
    for _ in 0..100_000 {
        deep.extend_from_slice(&[1, 7, 0, 0, 0, 1, 0, 0, 0]);
    }
    assert!(read(&deep).is_err());
    assert!(read(&[1, 3, 0, 0, 0, 255, 255, 255, 255]).is_err());
    // EWKB with an SRID and Z.
    let mut point = vec![1, 1, 0, 0, 0xA0, 0xE6, 0x10, 0, 0];
    for number in [1.0_f64, 2.0, 3.0] {
        point.extend_from_slice(&number.to_le_bytes());
    }
    let part = Part::Point(Some([1.0, 2.0, 3.0, 0.0]));
    assert_eq!(read(&point), Ok(Shape { dimensions: Dimensions::Xyz, part }));
    point.push(0);
    assert!(read(&point).is_err());
}
