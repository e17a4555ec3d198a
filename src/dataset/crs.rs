//! Reference systems, and the way from one to another.

use std::fmt;

use proj4rs::Proj;
use serde_json::Value;

use super::DatasetError;

/// Longitude and latitude on WGS 84, in this order.
pub(super) const LONLAT: u32 = 4326;

/// A reference system by its EPSG code. OGC:CRS84 is 4326: x is always the longitude here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Crs(pub(super) u32);

impl fmt::Display for Crs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EPSG:{}", self.0)
    }
}

impl Crs {
    pub(super) const LONLAT: Self = Self(LONLAT);

    /// Reads `EPSG:26914`, `OGC:CRS84`, or the same as a URN or URL.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> =
            text.split([':', '/', '#']).filter(|part| !part.is_empty()).collect();
        let (code, before) = parts.split_last()?;
        let authority = before
            .iter()
            .rev()
            .find(|part| part.eq_ignore_ascii_case("EPSG") || part.eq_ignore_ascii_case("OGC"))?;
        if authority.eq_ignore_ascii_case("OGC") {
            return code.eq_ignore_ascii_case("CRS84").then_some(Self::LONLAT);
        }
        code.parse().ok().map(Self)
    }

    /// Reads the id of a PROJJSON document, or what `parse` reads.
    pub(super) fn of_json(value: &Value) -> Option<Self> {
        if let Value::String(text) = value {
            return Self::parse(text);
        }
        let id = value.get("id")?;
        let code = match id.get("code")? {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        Self::parse(&format!("{}:{code}", id.get("authority")?.as_str()?))
    }

    /// Whether its coordinates are degrees.
    pub(super) fn is_degrees(self) -> Result<bool, DatasetError> {
        Ok(self.system()?.degrees)
    }

    fn system(self) -> Result<System, DatasetError> {
        let bad = |why| DatasetError::CrsUnknown { crs: self.to_string(), why };
        let code = u16::try_from(self.0).ok();
        let known = code.and_then(crs_definitions::from_code).map(|known| known.proj4);
        let text = known.ok_or_else(|| bad("no such system is known"))?;
        let (own, globe) = without_datum(text)
            .ok_or_else(|| bad("it needs a datum shift, for which no grid is at hand"))?;
        let proj = |text: &str| {
            Proj::from_proj_string(text).or(Err(bad("its projection is not supported")))
        };
        let degrees = own.contains("+proj=longlat");
        Ok(System { degrees, own: proj(&own)?, globe: proj(&globe)? })
    }
}

struct System {
    degrees: bool,
    own: Proj,
    /// Longitude and latitude on its own ellipsoid.
    globe: Proj,
}

/// The definition on its ellipsoid alone, and longitude and latitude on that ellipsoid. `None`
/// where its datum is another than WGS 84 or NAD 83, which are one within the two metres that no
/// grid could better: PostGIS takes their longitudes and latitudes for the same too.
fn without_datum(text: &str) -> Option<(String, String)> {
    let (mut own, mut globe) = (Vec::new(), vec!["+proj=longlat"]);
    let mut placed = false;
    for token in text.split_whitespace() {
        let (name, value) = token.split_once('=').unwrap_or((token, ""));
        let ellipsoid = match (name, value) {
            ("+datum", "WGS84") => "+ellps=WGS84",
            ("+datum", "NAD83") => "+ellps=GRS80",
            ("+towgs84", shift) if shift.split(',').all(|n| n.parse() == Ok(0.0)) => {
                placed = true;
                continue;
            }
            // The sphere of web maps takes the degrees of WGS 84 as they are.
            ("+nadgrids", "@null") => {
                placed = true;
                continue;
            }
            ("+datum" | "+towgs84" | "+nadgrids" | "+pm" | "+geoidgrids", _) => return None,
            ("+ellps" | "+a" | "+b" | "+rf" | "+f", _) => {
                globe.push(token);
                own.push(token);
                continue;
            }
            ("+axis", axis) if axis != "enu" => return None,
            _ => {
                own.push(token);
                continue;
            }
        };
        placed = true;
        own.push(ellipsoid);
        globe.push(ellipsoid);
    }
    globe.push("+no_defs");
    placed.then(|| (own.join(" "), globe.join(" ")))
}

/// A way from one reference system to another. The longitude and latitude between them are taken
/// over as they are.
pub(super) struct Transform {
    /// `None` where both are the same.
    systems: Option<(System, System)>,
}

impl Transform {
    pub(super) fn new(from: Crs, to: Crs) -> Result<Self, DatasetError> {
        if from == to {
            return Ok(Self { systems: None });
        }
        Ok(Self { systems: Some((from.system()?, to.system()?)) })
    }

    /// Whether it leaves every position where it is.
    pub(super) fn is_identity(&self) -> bool {
        self.systems.as_ref().is_none_or(|(from, to)| from.degrees && to.degrees)
    }

    /// Moves x and y; false where that is not possible.
    pub(super) fn apply(&self, position: &mut [f64; 4]) -> bool {
        let Some((from, to)) = self.systems.as_ref().filter(|_| !self.is_identity()) else {
            return true;
        };
        let mut point = (position[0], position[1], 0.0);
        if from.degrees {
            point = (point.0.to_radians(), point.1.to_radians(), 0.0);
        } else if proj4rs::transform::transform(&from.own, &from.globe, &mut point).is_err() {
            return false;
        }
        if to.degrees {
            point = (point.0.to_degrees(), point.1.to_degrees(), 0.0);
        } else if proj4rs::transform::transform(&to.globe, &to.own, &mut point).is_err() {
            return false;
        }
        (position[0], position[1]) = (point.0, point.1);
        point.0.is_finite() && point.1.is_finite()
    }
}

impl fmt::Debug for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transform")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(from: u32, to: u32, x: f64, y: f64) -> [f64; 2] {
        let mut position = [x, y, 7.0, 0.0];
        assert!(Transform::new(Crs(from), Crs(to)).unwrap().apply(&mut position));
        assert_eq!(position[2].to_bits(), 7.0_f64.to_bits());
        [position[0], position[1]]
    }

    /// The numbers are those of PostGIS 3 with PROJ 9.1.1.
    #[test]
    fn positions_are_where_proj_puts_them() {
        let cases = [
            (3857, [-10_973_875.402_400_909, 4_841_269.007_904_745]),
            (4269, [-98.58, 39.83]),
            (32614, [535_939.878_986_219_5, 4_408_973.532_273_407]),
            (32615, [22_377.458_457_998_117, 4_423_811.882_862_961]),
            (5070, [-218_816.647_642_694_36, 1_870_899.342_786_479_7]),
            (26914, [535_939.878_986_461_8, 4_408_973.532_159_766]),
            (26915, [22_377.458_454_770_91, 4_423_811.882_749_421]),
            (2264, [-3_480_645.903_658_691_3, 2_757_485.032_614_678_6]),
            (3419, [1_149_436.368_998_307, 545_644.488_679_847_3]),
            (3395, [-10_973_875.402_400_909, 4_813_895.563_204_555]),
            (3035, [-1_333_957.227_231_281_8, 7_759_771.291_450_052_5]),
        ];
        for (code, wanted) in cases {
            let found = moved(LONLAT, code, -98.58, 39.83);
            let off = (found[0] - wanted[0]).abs().max((found[1] - wanted[1]).abs());
            assert!(off < 1e-3, "EPSG:{code}: {found:?} is not {wanted:?}");
            let back = moved(code, LONLAT, found[0], found[1]);
            let off = (back[0] + 98.58).abs().max((back[1] - 39.83).abs());
            assert!(off < 1e-9, "EPSG:{code} and back: {back:?}");
        }
        let mercator = moved(3857, LONLAT, -11_000_000.0, 4_800_000.0);
        assert!((mercator[0] + 98.814_681_253_147_36).abs() < 1e-10);
        assert!((mercator[1] - 39.544_712_179_450_9).abs() < 1e-10);
    }

    #[test]
    fn what_cannot_be_told_is_refused() {
        // NAD 27, its UTM zone 14, OSGB 36, Nahrwan 1967 (moved by hundreds of metres), no system.
        for code in [4267, 26714, 27700, 4270, 999_999, 0] {
            assert!(Transform::new(Crs::LONLAT, Crs(code)).is_err(), "{code}");
        }
        let pole = Transform::new(Crs::LONLAT, Crs(3857)).unwrap();
        assert!(!pole.apply(&mut [0.0, 90.0, 0.0, 0.0]));
    }

    #[test]
    fn a_system_is_named_in_several_ways() {
        let cases = [
            ("EPSG:26914", Some(26914)),
            ("OGC:CRS84", Some(4326)),
            ("urn:ogc:def:crs:OGC:1.3:CRS84", Some(4326)),
            ("urn:ogc:def:crs:EPSG::3857", Some(3857)),
            ("http://www.opengis.net/def/crs/EPSG/0/5070", Some(5070)),
            ("ESRI:102003", None),
            ("26914", None),
            ("", None),
        ];
        for (text, code) in cases {
            assert_eq!(Crs::parse(text), code.map(Crs), "{text}");
        }
    }
}
